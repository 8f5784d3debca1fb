/* Ledger: the own ledger as the loop thread sees it, and the queue of everything that is to become durable.
 *
 *   txn: append leaves, add rows -> ledger_commit() -> [queue] -> writer: one transaction, seal -> on_sealed, callbacks
 *
 * Appending gives a leaf its index, sequence numbers and hash at once, in memory; nobody outside hears of it before
 * the writer has made it durable and sealed it (a signed checkpoint over the new size). When a commit fails, everything
 * queued fails with it, the in-memory state is thrown away and read again from the store, every second, until that
 * succeeds; meanwhile the ledger refuses new work and says why, and what is committed can be read. After a full disk it
 * waits until there is room to work with. When the store refuses one transaction's rows (ERR_INVALID, ERR_LIMIT,
 * ERR_CONFLICT), only that one's callback gets the refusal, those behind it ERR_BUSY. Loop thread only.
 */
#ifndef TB_NODE_LEDGER_H
#define TB_NODE_LEDGER_H

#include "federation/ledger/checkpoint.h"
#include "federation/ledger/leaf.h"
#include "federation/ledger/payload.h"
#include "federation/ledger/tiles.h"
#include "node/ledger_writer.h"
#include "node/loop.h"
#include "node/store/store.h"

struct ledger;

/* A signed state of the own ledger that may be shown to others. */
struct ledger_head {
    uint64_t size;
    struct merkle_hash root;
    struct bytes note; /* the ledger's until the next seal */
};

struct ledger_config {
    const char *dir; /* node folder; borrowed for life */
    uint32_t self;
    const struct note_signer *signer; /* borrowed for life */
    struct loop *loop;
    bool adopt_head; /* the operator says that ledger.db is the newest copy although heads.db is gone */
    /* After each seal, before the callbacks of its transactions. */
    void (*on_sealed)(void *ctx);
    /* The ledger stopped (@e says why) or works again (@e NULL). After a stop and before it works again, on_reload:
     * whatever the owner derived from memory must be dropped and read anew. */
    void (*on_state)(void *ctx, const struct err *e);
    void (*on_reload)(void *ctx, const struct store_ledger_state *state);
    /* How many writers of ended transactions wait for peers now: they will come back. NULL = none ever does. */
    size_t (*waiting)(void *ctx);
    void *ctx;
};

/* Opens the store, restores the tree, compares it with the signed head, seals a commit that was not sealed. A store that is
 * shorter than the head it once signed is an old copy: the ledger is then behind, see below. on_reload is called before it
 * returns. */
int ledger_open(const struct ledger_config *config, struct ledger **ret, struct err *e) WARN_UNUSED;
/* Nothing queued, no batch in flight: ledger_close() may be called. */
bool ledger_is_idle(const struct ledger *l);
/* Closes the store. The ledger must be idle; NULL is fine. */
void ledger_close(struct ledger *l);

/* 0, or why it takes nothing at the moment (ERR_FULL, ERR_IO, …). */
int ledger_check_writable(const struct ledger *l, struct err *e) WARN_UNUSED;
/* 0, or why its head and entries cannot be shown to peers. */
int ledger_check_shown(const struct ledger *l, struct err *e) WARN_UNUSED;
const struct ledger_head *ledger_head(const struct ledger *l);

/* ---- an old copy ---- */

/* While held, nothing is written and ledger_check_writable() says so (ledger.asking): at a start, until the other nodes have said
 * what they hold of this ledger. Entries of peers would be answered with own ones otherwise, and those signed, by a copy that
 * may be an old one. */
void ledger_hold(struct ledger *l, bool held);
/* Leaves that were signed once when the ledger holds fewer (restored from a backup); 0 = it is whole, or stopped. A ledger that is
 * behind takes nothing but ledger_txn_restore(), signs nothing and shows no head; ledger_check_writable() says so. */
uint64_t ledger_behind(const struct ledger *l);
/* The largest head that heads.db knows of; its note is made again from it. For recovery: others may hold the entries and not the
 * checkpoint over the last ones. */
const struct checkpoint *ledger_signed_head(const struct ledger *l);
/* Own leaves in memory: sealed, queued or restored. */
uint64_t ledger_size(const struct ledger *l);
/* Somebody holds @size own leaves. */
void ledger_set_behind(struct ledger *l, uint64_t size);
/* All leaves are back and durable (no transaction is under way): @note, the own signed checkpoint over them, becomes the
 * head, unless heads.db has a larger one. ERR_VERIFY when its root is not the tree's; ERR_CONFLICT when heads.db knows another
 * root for the size. Afterwards the ledger is whole. Blocking: an fsync. */
int ledger_recovered(struct ledger *l, const struct checkpoint *head, struct bytes note, struct err *e) WARN_UNUSED;
/* For queries on the loop thread; sees committed data only. NULL when the ledger is stopped and cannot be read either. */
struct store_reader *ledger_reader(struct ledger *l);
/* Root of the own tree at an older size. */
int ledger_root_at(struct ledger *l, uint64_t size, struct merkle_hash *ret, struct err *e) WARN_UNUSED;
struct merkle_source ledger_source(struct ledger *l);

/* Last index and seq addressed to @recipient (0 = public), among sealed or queued leaves; seq 0 = none yet. */
struct store_addressed ledger_last_addressed(const struct ledger *l, uint32_t recipient);

/* ---- writing ---- */

/* One all-or-nothing set of changes. Made, filled and committed within one turn of the loop. */
struct ledger_txn;
typedef void (*ledger_commit_cb)(void *ctx, const struct err *e); /* e->code 0 = durable and sealed */

struct ledger_txn *ledger_txn_create(struct ledger *l);
struct arena *ledger_txn_arena(struct ledger_txn *t); /* lives until the commit callback has returned */

/* Transactions are numbered as they are made and end in that order: all up to ledger_done_number() are durable or failed. */
uint64_t ledger_txn_number(const struct ledger_txn *t);
uint64_t ledger_done_number(const struct ledger *l);

/* Appends an own leaf. In @leaf the caller sets kind, event_type, role, case_id, service, rules_version, parents, attrs,
 * key fields; the ledger sets suite, origin, index, hlc (after every parent's @parents_hlc_max), salt, recipients with
 * their seqs, ct_len and ct_hash of @payload. @recipients: node codes, ascending, distinct, without self, or
 * {LEAF_NODE_ALL}. The payload is copied, sealed under @key when that is not NULL. Sizes were checked before: a leaf that
 * cannot be encoded is a programmer's error. @leaf is complete on return; its hash in @ret_hash. */
void ledger_txn_append(struct ledger_txn *t, struct leaf *leaf, uint64_t parents_hlc_max, const uint32_t *recipients,
                       size_t recipient_count, struct bytes payload, const struct payload_key *key,
                       struct merkle_hash *ret_hash);
/* Appends a heads leaf (federation/ledger/heads.h) with a row for each of @codes (ascending, distinct). */
void ledger_txn_heads(struct ledger_txn *t, const uint32_t *codes, size_t count);
/* Appends an own leaf that was lost and came back from elsewhere, as it was: the next one, decoded in @leaf from @bytes. The
 * ledger must be behind. */
void ledger_txn_restore(struct ledger_txn *t, const struct leaf *leaf, struct bytes bytes, struct bytes payload,
                        bool payload_held);

/* Rows for the same transaction. Structs are copied; what their spans and pointers point to must be in the txn's arena
 * or outlive the callback. */
void ledger_txn_entry(struct ledger_txn *t, const struct store_entry *row); /* a peer's */
void ledger_txn_replica(struct ledger_txn *t, const struct store_replica *row);
void ledger_txn_ack(struct ledger_txn *t, const struct store_ack *row);
void ledger_txn_case(struct ledger_txn *t, const struct store_case *row);
void ledger_txn_item(struct ledger_txn *t, const struct store_item *row);
/* The newest row of that item in @t, which no reader sees yet; NULL: none. Valid until the next ledger_txn_item(). */
const struct store_item *ledger_txn_find_item(const struct ledger_txn *t, uint32_t node, const char *code);
void ledger_txn_bundle(struct ledger_txn *t, const struct store_bundle *row);
void ledger_txn_request(struct ledger_txn *t, const struct store_request *row);
void ledger_txn_counter(struct ledger_txn *t, const struct store_counter *row);
void ledger_txn_key(struct ledger_txn *t, const struct store_key *row);
void ledger_txn_note(struct ledger_txn *t, const struct store_note *row);
void ledger_txn_erasure(struct ledger_txn *t, const struct store_erasure *row);
void ledger_txn_hold(struct ledger_txn *t, const struct store_hold *row);
void ledger_txn_evidence(struct ledger_txn *t, const struct store_evidence *row);
void ledger_txn_cover(struct ledger_txn *t, const struct store_cover *row);
void ledger_txn_proof(struct ledger_txn *t, const struct store_proof *row);
void ledger_txn_pull(struct ledger_txn *t, const struct store_pull *row);
void ledger_txn_fork(struct ledger_txn *t, const struct store_fork *row);
void ledger_txn_due(struct ledger_txn *t, const struct store_due *row);
void ledger_txn_publicity(struct ledger_txn *t, const struct store_publicity *row);
void ledger_txn_destroy(struct ledger_txn *t, const struct store_destroy *row);
void ledger_txn_file(struct ledger_txn *t, const struct store_file *row);
void ledger_txn_file_holder(struct ledger_txn *t, const struct store_file_holder *row);
void ledger_txn_witness(struct ledger_txn *t, const struct store_witness *row);

/* Queues; takes @t. @cb runs exactly once, never from inside this call. */
void ledger_commit(struct ledger_txn *t, ledger_commit_cb cb, void *ctx);

/* ---- reading for peers ---- */

/* One own entry: from memory when recent, else from the store. */
int ledger_read_entry(struct ledger *l, uint64_t index, struct arena *a, struct bytes *ret_leaf,
                      struct bytes *ret_payload, bool *ret_held, struct err *e) WARN_UNUSED;
/* Indexes in [from, below) addressed to @recipient or to everyone, ascending, at most @limit. */
int ledger_read_addressed(struct ledger *l, uint32_t recipient, uint64_t from, uint64_t below, size_t limit,
                          struct arena *a, uint64_t **ret, size_t *ret_count, struct err *e) WARN_UNUSED;

/* Index of the last own heads leaf in [from, below); false when there is none. */
bool ledger_last_heads(struct ledger *l, uint64_t from, uint64_t below, uint64_t *ret_index);

struct ledger_stats {
    uint64_t commits, entries, seals;
    uint64_t queued_txns;
    uint64_t recent_bytes; /* memory of the newest own entries */
};
void ledger_stats(const struct ledger *l, struct ledger_stats *ret);

#endif
