/* Heads writer: commits this author to what it has addressed to whom (federation/ledger/heads.h), soon after something was
 * written and from time to time when nothing was. Loop thread only. */
#ifndef TB_NODE_HEADS_WRITER_H
#define TB_NODE_HEADS_WRITER_H

#include "federation/members.h"
#include "node/ledger.h"

struct heads_writer;

struct heads_writer_config {
    uint32_t self;
    struct loop *loop;
    const struct members *members; /* read at each heads leaf */
    uint32_t busy_ms, idle_ms;
};

struct heads_writer *heads_writer_create(const struct heads_writer_config *config);
void heads_writer_destroy(struct heads_writer *w); /* NULL is fine */
void heads_writer_set_ledger(struct heads_writer *w, struct ledger *ledger);
void heads_writer_start(struct heads_writer *w);
void heads_writer_stop(struct heads_writer *w);
void heads_writer_sealed(struct heads_writer *w); /* the own ledger has grown */

#endif
