/* Leaf: one entry of a ledger, as bytes that are encoded once by the author, signed through the tree, and stored and
 * forwarded verbatim. Byte layout: federation/FORMATS.md, "Leaf".
 *
 * A leaf holds no personal data: the payload stays outside, bound by the hash of its ciphertext (or of its blinded
 * plaintext) and by a commitment to its key. Decoding is canonical: there is one byte string for one struct, and every
 * other input is refused. Pure, any thread.
 */
#ifndef TB_LEDGER_LEAF_H
#define TB_LEDGER_LEAF_H

#include "federation/ledger/merkle.h"
#include "node/base/limits.h"

#define LEAF_CASE_ID_SIZE 16
#define LEAF_SALT_SIZE 32
#define LEAF_NODE_ALL 0u /* recipient "every member": the public stream, with its own contiguous seq */

/* On disk and on the wire: never renumber. */
#define LEAF_KINDS(X)                                                                                                  \
    X(LEAF_KIND_EVENT, 1, "event")                                                                                     \
    X(LEAF_KIND_HEADS, 2, "heads")                                                                                     \
    X(LEAF_KIND_ANCHOR, 3, "anchor") /* checkpoint of a child ledger */                                                \
    X(LEAF_KIND_KEY_CHANGE, 4, "key_change")                                                                           \
    X(LEAF_KIND_ERASE, 5, "erase")                                                                                     \
    X(LEAF_KIND_EVIDENCE, 6, "evidence") /* two contradicting checkpoints */

enum leaf_kind {
#define X(name, value, text) name = value,
    LEAF_KINDS(X)
#undef X
};

enum leaf_suite {
    LEAF_SUITE_SHA256_ED25519_AES256GCM = 1,
};

/* An entry this one builds on. */
struct leaf_parent {
    uint32_t node;
    uint64_t index;          /* in that node's ledger */
    struct merkle_hash hash; /* its leaf hash */
};

struct leaf_recipient {
    uint32_t node; /* LEAF_NODE_ALL for the public stream */
    uint64_t seq;  /* per recipient and author, contiguous */
};

struct leaf_attr {
    uint16_t tag;
    struct bytes value; /* borrowed */
};

struct leaf {
    uint8_t kind;                       /* enum leaf_kind */
    uint8_t suite;                      /* enum leaf_suite */
    uint32_t origin;                    /* author's node id */
    uint64_t index;                     /* own position in the author's ledger, at most MERKLE_SIZE_MAX - 1 */
    uint64_t hlc;                       /* hybrid logical clock: 48-bit milliseconds, 16-bit counter */
    uint8_t case_id[LEAF_CASE_ID_SIZE]; /* random; zero when the entry is about no case */
    uint16_t event_type;
    uint16_t role;
    uint32_t service; /* service code */
    uint16_t rules_version;
    uint8_t parent_count;
    struct leaf_parent parents[LEAF_PARENTS_MAX]; /* strictly ascending by (node, index) */
    uint8_t recipient_count;
    struct leaf_recipient recipients[LEAF_RECIPIENTS_MAX]; /* strictly ascending by node */
    uint8_t salt[LEAF_SALT_SIZE]; /* random: hides the content from who sees only the leaf hash */
    uint32_t key_epoch;
    struct merkle_hash key_commit;
    uint32_t ct_len; /* payload bytes as carried, at most PAYLOAD_BYTES_MAX; 0 = no payload */
    struct merkle_hash ct_hash;
    uint16_t attr_count;
    struct leaf_attr attrs[LEAF_ATTRS_MAX]; /* strictly ascending by tag; fold-relevant, never personal */
    struct bytes signature;                 /* organ's or official's, over signed_bytes; empty = none; borrowed */
    struct bytes signed_bytes; /* set by leaf_decode(): all bytes before the signature's length; ignored by encoding */
};

/* Name of a kind, or NULL for an unknown one. */
const char *leaf_kind_name(uint8_t kind);

/* Appends the leaf bytes. leaf_encode_unsigned() stops before the signature's length: what the organ's key signs.
 * ERR_INVALID / ERR_LIMIT for a struct that leaf_decode() would not give back; the contents of @out are then as before. */
int leaf_encode(const struct leaf *l, struct buf *out, struct err *e) WARN_UNUSED;
int leaf_encode_unsigned(const struct leaf *l, struct buf *out, struct err *e) WARN_UNUSED;

/* @ret borrows from @in. Anything but one canonical leaf is ERR_INVALID (ERR_UNSUPPORTED: magic version, kind or suite;
 * ERR_LIMIT: a count or size over its limit), naming the field. @ret untouched on failure. */
int leaf_decode(struct bytes in, struct leaf *ret, struct err *e) WARN_UNUSED;

/* An event about a case: kind event, with a case id. */
bool leaf_is_case_event(const struct leaf *l);

/* How many leading bytes of the encoded leaf are authenticated together with the payload: all before ct_hash. They do
 * not depend on the ciphertext's bytes, only on its length. */
size_t leaf_aad_size(const struct leaf *l);

/* The leaf hash that stands in the tree and in children's parents. */
void leaf_hash(struct bytes encoded, struct merkle_hash *ret);

#endif
