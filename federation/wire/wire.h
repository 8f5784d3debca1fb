/* Messages between nodes: plain structs here, protobuf inside wire.c and nowhere else.
 *
 *   sync ──struct wire_msg──► wire_encode() ──bytes──► link (NNG) ──bytes──► wire_decode() ──struct wire_msg──► sync
 *
 * Both directions apply the same limits (node/base/limits.h), so that a node never sends what its peer must refuse, and
 * a hostile message costs at most a small multiple of its own size in memory and no more than linear time. What is in
 * the leaf bytes, the note or the hashes is not looked at here. Pure; any thread. federation/PROTOCOL.md has the
 * meaning of each message, federation/wire/federation.proto the encoding.
 */
#ifndef TB_FEDERATION_WIRE_H
#define TB_FEDERATION_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "federation/ledger/frontier.h"
#include "node/base/arena.h"
#include "node/base/bytes.h"
#include "node/base/err.h"
#include "node/base/limits.h"

#define WIRE_VERSION 1u /* protocol version spoken by this code */

/* name, number on the wire (the field of Envelope.body: never renumber), name in metrics and logs */
#define WIRE_TYPES(X)                                                                                                  \
    X(HELLO, 1, "hello")                                                                                               \
    X(HINT, 2, "hint")                                                                                                 \
    X(PULL, 3, "pull")                                                                                                 \
    X(BATCH, 4, "batch")                                                                                               \
    X(ERROR, 5, "error")                                                                                               \
    X(OK, 6, "ok")                                                                                                     \
    X(ADD_CHECKPOINT, 7, "add_checkpoint")                                                                             \
    X(COSIG, 8, "cosig")                                                                                               \
    X(GOSSIP, 9, "gossip")                                                                                             \
    X(KEY_PULL, 10, "key_pull")                                                                                        \
    X(KEY_GRANT, 11, "key_grant")                                                                                      \
    X(RECEIPT_PULL, 12, "receipt_pull")                                                                                \
    X(RECEIPT, 13, "receipt")                                                                                          \
    X(RECOVER, 14, "recover")                                                                                          \
    X(RECOVERED, 15, "recovered")                                                                                      \
    X(CASE_PULL, 16, "case_pull")                                                                                      \
    X(CASE_ENTRIES, 17, "case_entries")                                                                                \
    X(RECONCILE, 18, "reconcile")                                                                                      \
    X(RECONCILED, 19, "reconciled")                                                                                    \
    X(CASES_PULL, 20, "cases_pull")                                                                                    \
    X(CASES_HELD, 21, "cases_held")                                                                                    \
    X(FILE_PULL, 22, "file_pull")                                                                                      \
    X(FILE_HEAD, 23, "file_head")                                                                                      \
    X(FILE_CHUNK, 24, "file_chunk")                                                                                    \
    X(FILE_HAVE, 25, "file_have")

enum wire_type {
#define X(name, number, text) WIRE_##name = number,
    WIRE_TYPES(X)
#undef X
};

/* Texts are UTF-8 and NUL-terminated; NULL counts as "". Encoding borrows everything, decoding puts everything that a
 * message points to into the arena. */
struct wire_hello {
    uint32_t version_min, version_max;
    const char *suites[WIRE_SUITES_MAX]; /* preferred first; each 1..WIRE_NAME_BYTES_MAX bytes */
    size_t suite_count;
    uint32_t node;            /* the sender's code */
    const char *software;     /* up to WIRE_NAME_BYTES_MAX bytes */
    uint64_t wall_ms;         /* the sender's clock */
    uint64_t ledger_size;     /* sealed size of the sender's ledger */
    uint64_t members_version; /* of the member list it uses */
    uint64_t your_size;  /* largest size of the receiver's ledger of which the sender has seen a signed checkpoint */
    uint32_t files_port; /* where the sender listens for files, 0 = nowhere; up to 65535 */
    bool pull_start;     /* it understands a PULL's start */
};

struct wire_hint {
    uint32_t origin;
    uint64_t size;
    uint64_t your_seq;
    uint64_t public_seq;
};

struct wire_pull {
    uint32_t origin;
    uint64_t from;
    struct merkle_hash root_at_from;
    uint64_t seq_me;
    uint64_t seq_public;
    uint32_t max_bytes; /* wanted; the answerer has its own BATCH_BYTES_MAX */
    uint32_t wait_ms;
    uint64_t start; /* where the batch is to begin: from, or beyond it; 0 on the wire stands for from */
};

struct wire_batch {
    uint32_t origin;
    struct frontier_batch frontier; /* from, to, target, items, right; leaf 1..LEAF_BYTES_MAX */
    const bool *payload_held; /* frontier.item_count flags (false for hashes); NULL = held where payload is not empty */
    struct bytes checkpoint;  /* signed note, up to NOTE_BYTES_MAX */
    const struct bytes
        *openings;       /* frontier.item_count spans, up to HEADS_OPENING_BYTES_MAX; empty = none; NULL = all empty */
    struct bytes grants; /* ledger/grant.h, up to GRANT_BYTES_MAX; empty = none */
    bool more;           /* there is more below target */
};

/* name, code on the wire: what an ERROR says */
#define WIRE_ERRORS(X)                                                                                                 \
    X(MALFORMED, 400) /* not understood, or over a rule */                                                             \
    X(DENIED, 403)    /* not for this peer */                                                                          \
    X(NOT_FOUND, 404) /* unknown origin */                                                                             \
    X(CONFLICT, 409)  /* root_at_from is not the author's: the evidence path */                                        \
    X(PRUNED, 410)    /* asked below min_index */                                                                      \
    X(TOO_LARGE, 413)                                                                                                  \
    X(TOO_MANY, 429)    /* not before retry_ms */                                                                      \
    X(UNAVAILABLE, 503) /* not before retry_ms */

enum wire_error_code {
#define X(name, code) WIRE_ERROR_##name = code,
    WIRE_ERRORS(X)
#undef X
};

struct wire_error {
    enum wire_error_code code;
    const char *id;      /* up to WIRE_NAME_BYTES_MAX bytes */
    const char *message; /* up to WIRE_TEXT_BYTES_MAX bytes */
    uint32_t retry_ms;
    uint64_t min_index;
};

struct wire_add_checkpoint {
    struct bytes body; /* 1..WITNESS_BODY_BYTES_MAX */
};

struct wire_cosig {
    uint32_t status;   /* 100..599 */
    struct bytes body; /* up to NOTE_BYTES_MAX */
};

struct wire_view {
    struct bytes checkpoint; /* 1..NOTE_BYTES_MAX */
    const struct merkle_hash *range;
    size_t range_count; /* up to CRANGE_NODES_MAX */
};

struct wire_gossip {
    const struct wire_view *views;
    size_t view_count; /* 1..WIRE_VIEWS_MAX */
};

struct wire_key_pull {
    const uint8_t (*cases)[16];
    size_t case_count; /* 1..WIRE_CASES_MAX */
};

struct wire_key_grant {
    struct bytes grants; /* up to GRANT_BYTES_MAX */
};

struct wire_receipt_pull {
    uint64_t index;
};

struct wire_receipt {
    struct bytes proof; /* 1..PROOF_BYTES_MAX */
};

struct wire_recover {
    uint64_t from;
    uint32_t max_bytes;
};

struct wire_recovered_entry {
    struct bytes leaf; /* 1..LEAF_BYTES_MAX */
    struct bytes payload;
    bool payload_held;
};

struct wire_recovered {
    const struct wire_recovered_entry *entries;
    size_t entry_count;      /* up to BATCH_LEAVES_MAX */
    struct bytes checkpoint; /* up to NOTE_BYTES_MAX; empty = none seen */
    bool more;
    bool unavailable; /* what it holds cannot be read now: no entries, which says nothing */
};

struct wire_case_pull {
    uint8_t case_id[16];
    uint32_t after_node; /* entries behind (after_node, after_index) only; 0, 0 = all */
    uint64_t after_index;
    uint32_t max_bytes;
    bool has_naming;
    struct merkle_hash naming; /* leaf hash of the entry that names the asker */
};

struct wire_proven_entry {
    struct bytes leaf; /* 1..LEAF_BYTES_MAX */
    struct bytes payload;
    bool payload_held;
    uint32_t checkpoint; /* < checkpoint_count */
    const struct merkle_hash *proof;
    size_t proof_count; /* up to MERKLE_PROOF_HASHES_MAX */
};

struct wire_case_entries {
    const struct wire_proven_entry *entries;
    size_t entry_count;              /* up to WIRE_CASE_ENTRIES_MAX */
    const struct bytes *checkpoints; /* each 1..NOTE_BYTES_MAX */
    size_t checkpoint_count;         /* up to WIRE_CASE_ENTRIES_MAX */
    struct bytes grants;             /* up to GRANT_BYTES_MAX */
    bool more;
    bool knows;
};

#define WIRE_RANGE_BYTES 52u /* packed: last case id 16, be32 count, sum 32 */
#define WIRE_ROW_BYTES 52u   /* packed: case id 16, digest 32, be32 events */
#define WIRE_HELD_BYTES 44u  /* packed: be32 author, be64 index, leaf hash 32 */

struct wire_reconcile {
    uint8_t after[16];
    struct bytes ranges; /* 1..WIRE_RANGES_MAX records, last ids ascending, the first above @after */
};

struct wire_reconciled {
    uint8_t up_to[16];
    struct bytes differing; /* up to WIRE_RANGES_MAX bytes */
    struct bytes rows;      /* up to WIRE_ROWS_MAX records */
};

enum wire_held_flag { WIRE_HELD_FROZEN = 1, WIRE_HELD_RULES_UNKNOWN = 2, WIRE_HELD_ROW_DIFFERS = 4 };

struct wire_case_held {
    uint8_t case_id[16];
    uint8_t digest[32];
    uint32_t flags; /* enum wire_held_flag */
    uint32_t pending;
    struct bytes entries; /* up to WIRE_HELD_MAX records in the whole message */
};

struct wire_cases_held {
    uint32_t covered;
    const struct wire_case_held *cases;
    size_t case_count; /* up to WIRE_CASES_MAX */
};

struct wire_file_pull {
    uint8_t file[32];
    bool head;      /* the list of hashes is wanted, not a chunk */
    uint32_t chunk; /* below FILE_CHUNKS_MAX */
    uint32_t held;
    bool check; /* the answerer hashes it first */
};

struct wire_file_head {
    uint64_t size;       /* 1..FILE_BYTES_MAX */
    struct bytes hashes; /* 32 bytes for each of its chunks */
};

struct wire_file_chunk {
    struct bytes data; /* 33..FILE_CHUNK_BYTES + 32 */
};

struct wire_file_have {
    uint8_t file[32];
    uint32_t held; /* up to FILE_CHUNKS_MAX */
    bool all;
};

struct wire_msg {
    enum wire_type type;
    union {
        struct wire_hello hello;
        struct wire_hint hint;
        struct wire_pull pull;
        struct wire_batch batch;
        struct wire_error error;
        struct wire_add_checkpoint add_checkpoint;
        struct wire_cosig cosig;
        struct wire_gossip gossip;
        struct wire_key_pull key_pull;
        struct wire_key_grant key_grant;
        struct wire_receipt_pull receipt_pull;
        struct wire_receipt receipt;
        struct wire_recover recover;
        struct wire_recovered recovered;
        struct wire_case_pull case_pull;
        struct wire_case_entries case_entries;
        struct wire_reconcile reconcile;
        struct wire_reconciled reconciled;
        struct wire_key_pull cases_pull; /* the same form: ids of cases */
        struct wire_cases_held cases_held;
        struct wire_file_pull file_pull;
        struct wire_file_head file_head;
        struct wire_file_chunk file_chunk;
        struct wire_file_have file_have;
    } u; /* WIRE_OK has none */
};

/* "hello", "hint", …; "unknown" for a value that is none. For metrics and logs. */
const char *wire_type_name(enum wire_type type);

/* Appends the encoding to @out (unchanged on failure). ERR_LIMIT (wire.too-large and others that name the field) or
 * ERR_INVALID when @m breaks a rule of the protocol. */
int wire_encode(const struct wire_msg *m, struct buf *out, struct err *e) WARN_UNUSED;

/* Decodes one message. @ret lives as long as @arena and owes nothing to @in. ERR_LIMIT over a limit; ERR_INVALID for
 * what is not an envelope or breaks a rule; ERR_UNSUPPORTED (wire.unknown-body) for an envelope without a body this
 * version knows. @ret untouched on failure; the arena may have grown then too. */
int wire_decode(struct bytes in, struct arena *arena, struct wire_msg *ret, struct err *e) WARN_UNUSED;

/* A FILE_CHUNK is a megabyte: these do without the copies of the two above.
 * What stands before the @size bytes of data (at most WIRE_MESSAGE_BYTES_MAX), which are the rest of the message; returns its size. */
#define WIRE_FILE_CHUNK_HEAD_MAX 16u
size_t wire_file_chunk_head(size_t size, uint8_t out[WIRE_FILE_CHUNK_HEAD_MAX]);
/* The data of a FILE_CHUNK, where it stands in @in; false for anything that is not exactly what wire_encode() makes of one:
 * wire_decode() says what it is. */
bool wire_file_chunk_data(struct bytes in, struct bytes *ret);

#endif
