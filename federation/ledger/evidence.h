/* Evidence: proof for anybody that an author signed two histories (PROTOCOL.md "Equivocation").
 *
 * A view is a signed checkpoint with, if known, the compact range of its tree: the hashes of the perfect subtrees that cover
 * it, which fold to its root. Two views of one ledger contradict each other when they have one size and two roots, or when
 * a perfect subtree that stands in both ranges has two hashes. (Two honest sizes of one ledger share all perfect subtrees that
 * cover the smaller one's leading part.) Contradicting views, written one after the other, are evidence: whoever has the
 * author's key checks it alone.
 *
 *     evidence = 0x01 || view || view              smaller size first; same size: smaller root first
 *              | 0x02 || view || note size 4 || note || n 1 || n × 32 hashes     the larger one's consistency proof from the view
 *     view     = note size 4 || note || n 1 || n × 32 hashes     n = set bits of the size
 *
 * Two sizes of two histories may share no perfect subtree. But an author that asks to have the larger one cosigned proves that it
 * extends some tree of the smaller size: when that proof holds for the larger root and gives another tree, it is evidence, too
 * (but from a power of two, where the proof leaves the tree out).
 *
 * Evidence always has both ranges: without them nobody could tell from where on the ledger is disputed. Notes in it keep only
 * the signature lines under the author's name: cosignatures are taken off.
 *
 * The common size is the number of leaves from the left that both views agree on as far as they show: everything below it
 * stands, everything from it on is disputed. Pure, any thread.
 */
#ifndef TB_LEDGER_EVIDENCE_H
#define TB_LEDGER_EVIDENCE_H

#include "federation/ledger/checkpoint.h"
#include "federation/ledger/crange.h"

#define EVIDENCE_BYTES_MAX (2u * (4u + NOTE_BYTES_MAX + 1u + 32u * MERKLE_PROOF_HASHES_MAX) + 1u)

/* Attributes of an evidence leaf (kind 6, public, no case); its payload is the evidence, not sealed. */
enum evidence_attr {
    EVIDENCE_ATTR_ACCUSED = 1,    /* u32 node code */
    EVIDENCE_ATTR_COMMON_SIZE = 2 /* u64; must be what the payload gives */
};

struct view {
    struct checkpoint head;
    struct bytes note; /* signed; borrowed */
    bool has_range;
    struct crange range; /* range.size == head.size and it folds to head.root, or has_range is false */
};

/* Opens @note under @log and takes @range along when it is not NULL: ERR_VERIFY evidence.range when it does not fold to the
 * root. */
int view_open(struct bytes note, const struct note_verifier *log, const struct crange *range, struct view *ret,
              struct err *e) WARN_UNUSED;

/* Whether two opened views of one ledger contradict each other; then *ret_common, which means something only when both
 * have a range. */
bool view_contradicts(const struct view *a, const struct view *b, uint64_t *ret_common);

/* Whether @proof, of consistency from @old's size, leads to @newer and shows another tree of that size than @old's. */
bool view_extension_contradicts(const struct view *old, const struct checkpoint *newer,
                                const struct merkle_proof *proof, uint64_t *ret_common);
/* Appends that evidence; @newer needs no range. */
void evidence_format_extension(const struct view *old, const struct view *newer, const struct merkle_proof *proof,
                               struct buf *out);

/* Appends the evidence of two contradicting views that both have a range (asserted). */
void evidence_format(const struct view *a, const struct view *b, struct buf *out);

struct evidence {
    struct view first, second; /* second.has_range is false in an extension */
    bool is_extension;
    struct merkle_proof proof; /* of an extension */
    uint64_t common_size;
};
/* Form, both signatures under @log, ranges or proof, canonical order and that they do contradict. ERR_INVALID, ERR_VERIFY. @ret
 * borrows from @in. */
int evidence_open(struct bytes in, const struct note_verifier *log, struct evidence *ret, struct err *e) WARN_UNUSED;
/* The origin both notes name, before the key is known. */
int evidence_peek(struct bytes in, char ret_origin[ORIGIN_NAME_BYTES_MAX + 1], struct err *e) WARN_UNUSED;

#endif
