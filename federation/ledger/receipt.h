/* Receipt: what an applicant keeps, and its short form for a QR code.
 *
 * The receipt itself is a C2SP tlog-proof (proof.h) whose `extra` is the leaf. There is one way to judge it, receipt_verify(),
 * and it reads that text; the short form is turned back into the text first, which needs the policy (federation/FORMATS.md,
 * "Receipt"):
 *
 *     "TBR" 1 | leaf | log key id | size | path | log signature | cosignatures
 *
 * The root follows from leaf and path, the origin and the witnesses' names from the policy by key id. So a changed byte in it
 * becomes another checkpoint text, under which no signature holds.
 *
 * Pure, any thread.
 */
#ifndef TB_LEDGER_RECEIPT_H
#define TB_LEDGER_RECEIPT_H

#include "federation/ledger/leaf.h"
#include "federation/ledger/policy.h"
#include "federation/ledger/proof.h"

#define RECEIPT_COMPACT_BYTES_MAX PROOF_BYTES_MAX
/* Alphanumeric characters of the largest QR code (version 40, level L), less "TB1:", as bytes of Base45. */
#define RECEIPT_QR_CHARACTERS_MAX 4296u
#define RECEIPT_QR_COMPACT_BYTES_MAX 2861u

extern const char receipt_compact_magic[]; /* "TBR" */
extern const char receipt_qr_prefix[];     /* "TB1:" */

/* A receipt whose proof holds. Borrows from the text and the arena it was opened with. */
struct receipt {
    struct proof proof;
    struct leaf leaf;
    struct merkle_hash leaf_hash;
    struct checkpoint_opened opened; /* cosigned[].witness counts in the policy's witnesses */
    bool is_final;                   /* the policy's quorum is reached ("quorum none": always) */
};

/* Everything but the quorum: form, leaf canonical and at the index it names, checkpoint under the policy, inclusion.
 * ERR_INVALID, ERR_LIMIT, ERR_UNSUPPORTED, ERR_VERIFY with the ids of proof.*, receipt.*, leaf.*, policy.*, note.*,
 * checkpoint.*, merkle.*; @ret untouched on failure. */
int receipt_open(struct bytes text, const struct policy *policy, struct arena *arena, struct receipt *ret,
                 struct err *e) WARN_UNUSED;

/* The same and the quorum (ERR_VERIFY receipt.quorum): 0 means proven. */
int receipt_verify(struct bytes text, const struct policy *policy, struct arena *arena, struct receipt *ret,
                   struct err *e) WARN_UNUSED;

/* Appends the receipt as it is given out: the text that its short form stands for, which has the log's line, then the lines of the
 * witnesses that the policy knows, by time and key id, and no others. Errors as receipt_to_compact(). */
int receipt_to_exact(struct bytes text, const struct policy *policy, struct buf *out, struct err *e) WARN_UNUSED;

/* Whether @text, which opens, is a receipt as it is given out. C2SP lets a reader skip lines of unknown signers and takes them in
 * any order; then a byte could change in them unnoticed. ERR_VERIFY receipt.not-exact. */
int receipt_check_exact(struct bytes text, const struct policy *policy, struct err *e) WARN_UNUSED;

/* Appends the short form of a receipt that opens under @policy; of the signatures, those of the log and of witnesses that
 * the policy knows. Over @size_max (0: RECEIPT_COMPACT_BYTES_MAX) only the fewest cosignatures that reach the quorum
 * stay; still over, or no quorum to choose for: ERR_LIMIT receipt.compact-size. ERR_CONFLICT receipt.key-id when the policy has two
 * keys of one id. */
int receipt_to_compact(struct bytes text, const struct policy *policy, size_t size_max, struct buf *out,
                       struct err *e) WARN_UNUSED;

/* Appends the tlog-proof text that the short form stands for; it is not judged here beyond its form. Cosignatures under
 * key ids that the policy does not know are left out. ERR_INVALID receipt.compact, ERR_UNSUPPORTED receipt.version,
 * ERR_VERIFY receipt.unknown-log, ERR_CONFLICT receipt.key-id, leaf.*. */
int receipt_from_compact(struct bytes compact, const struct policy *policy, struct buf *out, struct err *e) WARN_UNUSED;

/* "TB1:" and the Base45 of the short form, as short as a QR code needs it. Errors as receipt_to_compact(). */
int receipt_to_qr_text(struct bytes text, const struct policy *policy, struct buf *out, struct err *e) WARN_UNUSED;
/* The short form in the text of a QR code. ERR_INVALID receipt.qr-text, receipt.base45; ERR_LIMIT receipt.compact-size. */
int receipt_from_qr_text(struct bytes qr_text, struct buf *out_compact, struct err *e) WARN_UNUSED;

#endif
