/* The Merkle tree of a ledger (RFC 6962 s2.1 = RFC 9162 s2.1, SHA-256): hashing, proving, verifying.
 *
 * Pure: no I/O and no state. A tree is seen through `struct merkle_source`, which answers the hashes of complete
 * subtrees; federation/ledger/tiles.h is the author's source. A proof means something only for a pair (size, root):
 * sign, store and compare both. All functions may be called from any thread (a source: from its owner's).
 * Byte layout and rules: federation/FORMATS.md, "Merkle tree".
 */
#ifndef TB_LEDGER_MERKLE_H
#define TB_LEDGER_MERKLE_H

#include <stdbool.h>
#include <stdint.h>

#include "node/base/bytes.h"
#include "node/base/err.h"

#define MERKLE_HASH_SIZE 32
/* Leaves of one tree. Not more, so that no proof has more than the 63 hashes that C2SP tlog-witness lets through. */
#define MERKLE_SIZE_MAX ((uint64_t)1 << 62)
#define MERKLE_PROOF_HASHES_MAX 63u

struct merkle_hash {
    uint8_t b[MERKLE_HASH_SIZE];
};

/* An inclusion, subtree or consistency proof: the leaf's side first, the root's side last. */
struct merkle_proof {
    uint32_t count;
    struct merkle_hash hash[MERKLE_PROOF_HASHES_MAX];
};

/* Where the hashes of complete subtrees come from. */
struct merkle_source {
    /* The hash of the leaves [index << level, (index + 1) << level). Asked only for subtrees inside the tree size the
     * caller named. 0, or a negative code with @e set. */
    int (*node)(void *ctx, unsigned level, uint64_t index, uint8_t out[MERKLE_HASH_SIZE], struct err *e);
    void *ctx;
};

/* ---- hashing ---- */

/* SHA-256(0x00 || leaf). */
void merkle_leaf_hash(struct bytes leaf, struct merkle_hash *ret);
/* SHA-256(0x01 || left || right). @ret may be one of the inputs. */
void merkle_node_hash(const struct merkle_hash *left, const struct merkle_hash *right, struct merkle_hash *ret);
/* Root of the tree without leaves: SHA-256 of nothing. */
void merkle_empty_root(struct merkle_hash *ret);
bool merkle_hash_equal(const struct merkle_hash *a, const struct merkle_hash *b);

/* Whether the leaves [start, end) form a subtree that can be proved: start is a multiple of the smallest power of two
 * that is at least end - start, and end is at most MERKLE_SIZE_MAX. */
bool merkle_subtree_is_valid(uint64_t start, uint64_t end);

/* ---- verifying: 0; ERR_INVALID when the question makes no sense or the proof's length is wrong for it; ERR_VERIFY when
 * the hashes do not lead to the roots. The length is checked before anything is hashed. ---- */

/* That @leaf_hash is leaf number @index of the tree (@size, @root). RFC 9162 s2.1.3.2. For a leaf of a subtree
 * [start, end) ask with @index - start and size end - start. */
int merkle_verify_inclusion(uint64_t index, uint64_t size, const struct merkle_hash *leaf_hash,
                            const struct merkle_hash *proof, size_t count, const struct merkle_hash *root,
                            struct err *e) WARN_UNUSED;

/* That the leaves [start, end) with the subtree hash @sub_hash are in the tree (@size, @root). The general form: start 0
 * is consistency, end = start + 1 is inclusion of a leaf hash (draft-ietf-plants-merkle-tree-certs, "Subtree
 * Consistency Proofs"). */
int merkle_verify_subtree(uint64_t start, uint64_t end, uint64_t size, const struct merkle_hash *proof, size_t count,
                          const struct merkle_hash *sub_hash, const struct merkle_hash *root,
                          struct err *e) WARN_UNUSED;

/* That the tree (@size2, @root2) extends (@size1, @root1). RFC 9162 s2.1.4.2. @size1 0 is refused (merkle.empty-old):
 * every tree extends the empty one and a proof of it would prove nothing, so the caller must decide whether to trust. */
int merkle_verify_consistency(uint64_t size1, uint64_t size2, const struct merkle_hash *proof, size_t count,
                              const struct merkle_hash *root1, const struct merkle_hash *root2,
                              struct err *e) WARN_UNUSED;

/* ---- proving: 0, ERR_INVALID for a question outside the tree, or what the source returned ---- */

/* Hash of the valid subtree [start, end); the empty root for start == end. */
int merkle_subtree_hash(const struct merkle_source *source, uint64_t start, uint64_t end, struct merkle_hash *ret,
                        struct err *e) WARN_UNUSED;
/* Root of the first @size leaves. */
int merkle_root(const struct merkle_source *source, uint64_t size, struct merkle_hash *ret, struct err *e) WARN_UNUSED;
int merkle_prove_inclusion(const struct merkle_source *source, uint64_t index, uint64_t size, struct merkle_proof *ret,
                           struct err *e) WARN_UNUSED;
int merkle_prove_subtree(const struct merkle_source *source, uint64_t start, uint64_t end, uint64_t size,
                         struct merkle_proof *ret, struct err *e) WARN_UNUSED;
/* From @size1 = 0 the proof is empty. */
int merkle_prove_consistency(const struct merkle_source *source, uint64_t size1, uint64_t size2,
                             struct merkle_proof *ret, struct err *e) WARN_UNUSED;

#endif
