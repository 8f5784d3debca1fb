/* Offline proof that an entry is in a ledger: what a citizen or an auditor keeps (C2SP tlog-proof v1).
 *
 *   c2sp.org/tlog-proof@v1
 *   extra <base64>                     optional, not authenticated: here the leaf bytes
 *   index <decimal>
 *   <base64 hash>                      inclusion proof, leaf's side first
 *                                      (empty line)
 *   <checkpoint, verbatim>             signed note with the log's signature and cosignatures
 *
 * Pure, any thread.
 */
#ifndef TB_LEDGER_PROOF_H
#define TB_LEDGER_PROOF_H

#include "federation/ledger/checkpoint.h"
#include "node/base/arena.h"

struct proof {
    bool has_extra;
    struct bytes extra; /* decoded */
    uint64_t index;
    struct merkle_proof inclusion;
    struct bytes checkpoint; /* signed note, not yet looked at */
};

/* Whose word is good enough. Borrowed while proof_verify() runs. */
struct proof_policy {
    const struct note_verifier *log; /* its name is the origin */
    const struct note_verifier *const *witnesses;
    size_t witness_count;
    size_t quorum; /* cosignatures needed, of different @witnesses; 0 = the log's word alone */
};

/* Appends the text. The spans of @p must be what they say; a checkpoint that does not end in a newline or is over
 * NOTE_BYTES_MAX, or extra over LEAF_BYTES_MAX, is refused. */
int proof_format(const struct proof *p, struct buf *out, struct err *e) WARN_UNUSED;

/* Form only. extra is decoded into @arena; the checkpoint borrows from @text. ERR_INVALID, ERR_LIMIT; @ret untouched on
 * failure. */
int proof_parse(struct bytes text, struct arena *arena, struct proof *ret, struct err *e) WARN_UNUSED;

/* That the entry with @leaf_hash stands at p->index of the log's ledger: checkpoint opens, quorum, inclusion. Hash the
 * entry yourself (extra counts for nothing until hashed). @ret borrows from the checkpoint; untouched on failure.
 * ERR_VERIFY (proof.quorum, note.*, merkle.*) or ERR_INVALID. */
int proof_verify(const struct proof *p, const struct merkle_hash *leaf_hash, const struct proof_policy *policy,
                 struct checkpoint_opened *ret, struct err *e) WARN_UNUSED;

#endif
