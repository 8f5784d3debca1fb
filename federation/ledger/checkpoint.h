/* Checkpoint: an author's signed statement of (size, root) of its ledger, and peers' cosignatures on it (C2SP
 * tlog-checkpoint v1.0.0, tlog-cosignature v1.0.1).
 *
 *   <origin>\n<size>\n<base64 root>\n        as the text of a signed note (note.h); origin = name of the log key
 *
 * Whoever signs must have made sure, durably, that it never signed another root for the size (the store's heads file).
 * Pure, any thread.
 */
#ifndef TB_LEDGER_CHECKPOINT_H
#define TB_LEDGER_CHECKPOINT_H

#include "federation/ledger/merkle.h"
#include "federation/ledger/note.h"

struct checkpoint {
    char origin[ORIGIN_NAME_BYTES_MAX + 1];
    uint64_t size; /* leaves, at most MERKLE_SIZE_MAX */
    struct merkle_hash root;
    size_t extension_count; /* further lines; nodes of this program write and accept none */
};

struct checkpoint_cosigned {
    size_t witness;  /* position in the list given to checkpoint_open() */
    uint64_t time_s; /* when it had seen the head, POSIX seconds by its own clock */
};

struct checkpoint_opened {
    struct checkpoint head;
    struct bytes body; /* the note text, borrowed from the note */
    size_t cosigned_count;
    struct checkpoint_cosigned cosigned[NOTE_SIGNATURES_MAX]; /* each witness at most once */
};

/* Body text to and from the struct. Parsing accepts and counts extension lines (non-empty) of foreign logs; formatting
 * has none. Origin: a key name other than "cosignature/v1". ERR_INVALID, ERR_LIMIT; @ret untouched on failure. */
int checkpoint_format(const struct checkpoint *c, struct buf *out, struct err *e) WARN_UNUSED;
int checkpoint_parse(struct bytes body, struct checkpoint *ret, struct err *e) WARN_UNUSED;

/* Appends the whole signed note to @out. @log must be an NOTE_TYPE_ED25519 signer named as c->origin (asserted: own
 * configuration). */
int checkpoint_sign(const struct checkpoint *c, const struct note_signer *log, struct buf *out,
                    struct err *e) WARN_UNUSED;

/* Opens a signed checkpoint of the origin @log->name. Refuses: no or wrong signature of @log, a failing signature of any
 * of @witnesses, another origin (checkpoint.origin), extension lines, size 0 with a root that is not the empty tree's.
 * A quorum is the caller's rule: see cosigned_count. @ret borrows from @note; untouched on failure. */
int checkpoint_open(struct bytes note, const struct note_verifier *log, const struct note_verifier *const *witnesses,
                    size_t witness_count, struct checkpoint_opened *ret, struct err *e) WARN_UNUSED;

/* Appends @witness's cosignature line for an opened checkpoint's @body to @out; to publish, put it behind the note. Check
 * and store that the head extends the last one cosigned before calling. @witness must be NOTE_TYPE_COSIGNATURE
 * (asserted); @time_s at most 2^63 - 1. */
int checkpoint_cosign(struct bytes body, const struct note_signer *witness, uint64_t time_s, struct buf *out,
                      struct err *e) WARN_UNUSED;

#endif
