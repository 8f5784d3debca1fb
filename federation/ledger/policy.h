/* Policy: whose word makes a checkpoint final (C2SP tlog-policy). A text file that travels with the verifier:
 *
 *     log <vkey> [<url>]
 *     witness <name> <vkey> [<url>]
 *     group <name> all|any|<k> <member>…       members: names of witnesses and groups above
 *     quorum <name>|none                        exactly one
 *
 * `#` begins a comment line; every line ends in a newline; no forward references, so no cycles. One key per origin, and no
 * key twice. A plain value in an arena; read-only once parsed, any thread.
 */
#ifndef TB_LEDGER_POLICY_H
#define TB_LEDGER_POLICY_H

#include "federation/ledger/checkpoint.h"
#include "node/base/arena.h"

#define POLICY_LOGS_MAX 4096u      /* MEMBERS_MAX */
#define POLICY_WITNESSES_MAX 8192u /* two per member: a key and its successor */
#define POLICY_GROUPS_MAX 4096u
#define POLICY_BYTES_MAX (4u << 20)

struct policy_log {
    struct note_verifier key; /* key.name is the origin */
    const char *url;          /* "" = none */
};

struct policy_witness {
    const char *name; /* in this file; the key has its own name */
    struct note_verifier key;
    const char *url;
};

struct policy_group {
    const char *name;
    size_t needed;
    const uint32_t
        *members; /* < POLICY_WITNESSES_MAX: witness of that number; else group of number - POLICY_WITNESSES_MAX */
    size_t member_count;
};

struct policy {
    const struct policy_log *logs;
    size_t log_count;
    const struct policy_witness *witnesses;
    size_t witness_count;
    const struct policy_group *groups;
    size_t group_count;
    bool has_quorum; /* false: "quorum none", the log's word alone */
    uint32_t quorum; /* numbered like a group's members */
};

/* Everything in @arena. ERR_INVALID / ERR_LIMIT name the line. */
int policy_parse(struct bytes text, struct arena *arena, struct policy *ret, struct err *e) WARN_UNUSED;
void policy_format(const struct policy *p, struct buf *out);

const struct policy_log *policy_find_log(const struct policy *p, const char *origin); /* NULL if none */

/* Whether the witnesses for which @has_signed is true (witness_count flags) satisfy the quorum. */
bool policy_is_satisfied(const struct policy *p, const bool *has_signed);
/* The smallest number of witnesses that could still be missing, for messages ("2 of 3 needed, 1 signed"): how many
 * witnesses of the quorum exist, and the fewest that satisfy it. */
void policy_quorum_size(const struct policy *p, size_t *ret_needed, size_t *ret_of);

/* Opens @note under the policy: its origin must be one of the logs, its log signature and every signature of a known witness
 * must hold (a failing one refuses the note). *ret_satisfied: whether the quorum is reached. ret_signed (witness_count
 * flags, may be NULL) says who signed; @ret_opened->cosigned[i].witness counts in p->witnesses. At most
 * NOTE_SIGNATURES_MAX lines. ERR_VERIFY policy.unknown-log, note.*, checkpoint.*; @ret_opened borrows from @note. */
int policy_open(const struct policy *p, struct bytes note, struct checkpoint_opened *ret_opened, bool *ret_signed,
                bool *ret_satisfied, struct err *e) WARN_UNUSED;

/* The number of Byzantine witnesses f that @n tolerate (3f < n) and the quorum k = floor((n+f)/2)+1 that excludes a split
 * view (C2SP leaves it to the policy). n = 0 gives k = 0. */
size_t policy_safe_quorum(size_t n);

#endif
