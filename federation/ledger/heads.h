/* Heads: how an author commits to what it has sent to whom, so that it cannot leave out an entry unseen (PROTOCOL.md
 * "Heads").
 *
 * A leaf of kind 2, written at least every 10 s while busy and 60 s idle. It has no recipients and goes to every follower.
 * Its attributes: the root of a vector with one row per member (last number and index addressed to it), the number of
 * rows, and the last number of the public stream. Each follower gets the opening of its own row only: a salted row hides
 * the others' volumes. The whole vector is the leaf's payload, which stays with the author.
 *
 *     row      = recipient 4 || last seq 8 || last index 8 || salt 32             52 bytes, ascending by recipient
 *     vector   = rows one after the other                                         payload at the author, bound by ct_hash
 *     root     = Merkle tree hash (RFC 6962) over the rows
 *     opening  = row number 4 || row 52 || inclusion proof, 32 bytes per hash
 *
 * Pure, any thread.
 */
#ifndef TB_LEDGER_HEADS_H
#define TB_LEDGER_HEADS_H

#include "certs/crypto.h"
#include "federation/ledger/leaf.h"
#include "node/base/arena.h"

#define HEADS_ROW_BYTES 52u
#define HEADS_SALT_SIZE 32u
#define HEADS_ROWS_MAX (PAYLOAD_BYTES_MAX / HEADS_ROW_BYTES)
#define HEADS_OPENING_BYTES_MAX (4u + HEADS_ROW_BYTES + 32u * 13u) /* 2^13 rows are more than HEADS_ROWS_MAX */

/* Attributes of a heads leaf; all three must be there, nothing else. */
enum heads_attr {
    HEADS_ATTR_ROOT = 1,      /* 32 bytes */
    HEADS_ATTR_ROWS = 2,      /* u32 */
    HEADS_ATTR_PUBLIC_SEQ = 3 /* u64: last number of the public stream before this leaf, 0 = none */
};

struct heads_row {
    uint32_t recipient;
    uint64_t last_seq;   /* 0 = nothing was ever addressed to it */
    uint64_t last_index; /* 0 then */
    uint8_t salt[HEADS_SALT_SIZE];
};

struct heads_summary {
    struct merkle_hash root;
    uint32_t rows;
    uint64_t public_seq;
};

/* Appends the vector to @out and sets root and rows of @ret. @rows strictly ascending by recipient, at most
 * HEADS_ROWS_MAX (asserted). No rows: the empty tree's root. */
void heads_vector(const struct heads_row *rows, size_t count, struct buf *out, struct heads_summary *ret);
/* Sets kind, attributes of @leaf; values borrow from @storage (44 bytes). */
#define HEADS_STORAGE_SIZE 44u
void heads_to_leaf(const struct heads_summary *s, uint8_t storage[HEADS_STORAGE_SIZE], struct leaf *leaf);
/* ERR_INVALID heads.form: not kind 2, with recipients, parents or a case, or other attributes than the three. */
int heads_of_leaf(const struct leaf *leaf, struct heads_summary *ret, struct err *e) WARN_UNUSED;

/* Appends @recipient's opening out of a vector. ERR_NOT_FOUND when it has no row (a member that came later: the next heads
 * leaf has it); ERR_CORRUPT when the vector is not one. */
int heads_open(struct bytes vector, uint32_t recipient, struct buf *out, struct err *e) WARN_UNUSED;
/* Verifies an opening against the leaf: its row must be @recipient's. ERR_VERIFY heads.opening, ERR_INVALID. */
int heads_verify(const struct heads_summary *s, uint32_t recipient, struct bytes opening, struct heads_row *ret,
                 struct err *e) WARN_UNUSED;

#endif
