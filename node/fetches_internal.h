/* Inside of fetches.c (asking) and fetches_serve.c (answering) only. */
#ifndef TB_NODE_FETCHES_INTERNAL_H
#define TB_NODE_FETCHES_INTERNAL_H

#include "federation/wire/wire.h"
#include "node/base/list.h"
#include "node/base/map.h"
#include "node/fetches.h"
#include "node/files/file_blob.h"

struct fetches {
    struct fetches_config config;
    struct link *link; /* NULL: not open yet, or closed */
    struct map peers;  /* code -> struct fetch_peer */
    struct list list;  /* struct fetch */
    struct loop_timer *timer;
    bool is_closing;
    unsigned work; /* jobs on workers */
    uint64_t next_token;
    struct fetches_stats stats;
    /* answering */
    struct list served; /* struct served: files open for reading, the last used first */
    unsigned served_count, serving;
    struct map progress; /* file id 32, node 4 -> uint32_t: chunks that others say they have */
};

/* fetches_serve.c */
void fetches_serve(struct fetches *f, const struct link_event *event);
void fetches_serve_forget(struct fetches *f, const uint8_t file[FILE_ID_SIZE]);
void fetches_serve_close(struct fetches *f);

#endif
