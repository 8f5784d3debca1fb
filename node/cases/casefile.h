/* A case file: the events of one case that this node holds, put in one order and folded into one state. Pure; base only.
 *
 *     ledger leaf ─parse─► case_event ─casefile_add─► dag (what is causally complete) ─replay─► order ─fold─► state
 *                                                                                    └► one effect per event, explained
 *
 * Guarantee: two nodes that hold the same events of a case have the same order, effects, state and digest, whatever
 * the order of arrival and however often each event came. Nothing here reads a clock, a payload or a configuration.
 *
 * Order: the events of the deciding node (the lead) are the sequence; before each of them comes what it had seen and
 * nobody applied yet. What the lead has seen is SEQUENCED and stays; the rest follows as a TENTATIVE suffix. replay.h
 * has the details, rules.h the law as tables.
 *
 * Cost: an event that cites all tips (every event made by case_command_check() does) is folded in O(parents); others
 * refold the suffix or, rarely, the case, when the state is next asked for. About 300 bytes per event.
 *
 * Ownership: the caller owns the case file; what it returns is borrowed and ends with the next casefile_add(),
 * casefile_mark_forked() or casefile_destroy(). One thread at a time.
 */
#ifndef TB_CASES_CASEFILE_H
#define TB_CASES_CASEFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/base/bytes.h"
#include "node/base/limits.h"
#include "node/cases/event.h"
#include "node/cases/status.h"

struct casefile;

/* An event as the case file holds it. Texts are "" when absent, numbers 0. Lives until casefile_destroy(). */
struct case_held {
    uint8_t id[32];
    uint64_t index;
    uint64_t hlc;
    uint64_t last_leaf; /* if has_last_leaf */
    uint32_t origin;
    uint32_t lead;
    uint32_t division;
    uint32_t item_version;
    uint16_t type; /* enum case_event_type, or unknown */
    uint16_t role;
    uint16_t rules_version;
    uint16_t expected_days;
    uint16_t extend_days;
    uint16_t lacking_days;
    uint8_t mode;
    uint8_t decision;
    uint8_t grade;
    uint8_t channel;
    uint8_t pause_kind;
    uint8_t unit;
    uint8_t demands;
    uint8_t terms;
    uint8_t promise;
    uint8_t told;
    uint8_t side;
    uint8_t review;
    uint8_t parent_count;
    bool malformed; /* its attributes did not parse */
    bool has_request;
    bool has_last_leaf;
    bool has_official;
    bool has_limits;
    bool has_parent;
    bool has_part;
    uint8_t request[16];
    const uint8_t *file; /* CASE_FILE_ID_SIZE bytes; NULL when absent */
    uint8_t official[CASE_OFFICIAL_SIZE];
    uint8_t limits[CASE_LIMITS_SIZE];
    uint8_t parent[CASE_ID_SIZE];
    uint8_t part[CASE_ID_SIZE];
    const char *item_code;
    const char *number;
    const char *reason;
    const struct case_parent *parents; /* parent_count of them */
};

/* What an event did. In digests: never renumber. */
#define CASE_EFFECTS(X)                                                                                                \
    X(CASE_EFFECT_PENDING, 0, "pending") /* a parent is not held; not folded */                                        \
    X(CASE_EFFECT_OK, 1, "ok")                                                                                         \
    X(CASE_EFFECT_DENIED, 2, "denied") /* not this node's or role's act, or not well-formed */                         \
    X(CASE_EFFECT_GUARD, 3, "guard")   /* the state of the case did not allow it */                                    \
    X(CASE_EFFECT_LATE, 4, "late")     /* would have been right earlier */                                             \
    X(CASE_EFFECT_NOOP, 5, "noop")     /* nothing to do */

enum case_effect_kind {
#define X(name, value, text) name = value,
    CASE_EFFECTS(X)
#undef X
};
const char *case_effect_name(uint8_t kind); /* NULL for an unknown value */

/* Why, for case_effect_explain(). `code` is stable text for programs. Not in digests. */
#define CASE_WHYS(X)                                                                                                   \
    X(CASE_WHY_APPLIED, "applied")                                                                                     \
    X(CASE_WHY_RECORDED, "recorded")                   /* ok, the status stays */                                      \
    X(CASE_WHY_VOIDS, "voids_decision")                /* ok, `voids` names the decision */                            \
    X(CASE_WHY_SECOND_CORRECTION, "second_correction") /* ok, but against art. 32(4) */                                \
    X(CASE_WHY_DEEMED, "deemed")                       /* ok: not told in time, art. 32(4) */                          \
    X(CASE_WHY_EXTENSION_OVER, "extension_over")       /* ok, but longer than art. 42 gives */                         \
    X(CASE_WHY_LACKING_UNALLOWED, "lacking_unallowed") /* ok, but the item does not allow 容缺 */                      \
    X(CASE_WHY_LACKING_OVER, "lacking_over")           /* ok, but for longer than the limit to decide */               \
    X(CASE_WHY_PROMISE_UNALLOWED, "promise_unallowed") /* ok, but the item does not allow the 告知承诺 */              \
    X(CASE_WHY_PARENT_MISSING, "parent_missing")                                                                       \
    X(CASE_WHY_NO_ROOT, "no_root")                                                                                     \
    X(CASE_WHY_SECOND_ROOT, "second_root")                                                                             \
    X(CASE_WHY_ROOT_HAS_PARENTS, "root_has_parents")                                                                   \
    X(CASE_WHY_RULES_UNKNOWN, "rules_unknown")                                                                         \
    X(CASE_WHY_MALFORMED, "malformed")                                                                                 \
    X(CASE_WHY_CITATION, "wrong_citation") /* cites an id under another author or index */                             \
    X(CASE_WHY_STRAY, "stray")             /* does not follow from the root */                                         \
    X(CASE_WHY_TYPE_UNKNOWN, "type_unknown")                                                                           \
    X(CASE_WHY_FORKED, "forked")   /* the lead wrote two leaves at this index or before */                             \
    X(CASE_WHY_CUT_OFF, "cut_off") /* after the last leaf a supervisor accepted */                                     \
    X(CASE_WHY_NODE, "node")       /* another node's act */                                                            \
    X(CASE_WHY_ROLE, "role")                                                                                           \
    X(CASE_WHY_ATTRIBUTE, "attribute_missing")                                                                         \
    X(CASE_WHY_REPEATED, "repeated") /* same request id as an event that took effect */                                \
    X(CASE_WHY_FROZEN, "frozen")                                                                                       \
    X(CASE_WHY_STATUS, "status")                 /* not in this status */                                              \
    X(CASE_WHY_CHECKS_MISSING, "checks_missing") /* forward before identity and form check */                          \
    X(CASE_WHY_ONCE, "once")                     /* evaluated already */                                               \
    X(CASE_WHY_NOT_GRANTED, "not_granted")       /* revoke without a grant */                                          \
    X(CASE_WHY_SAME_LEAD, "same_lead")           /* handover to the node that leads already */                         \
    X(CASE_WHY_NOT_DEEMED, "not_deemed")         /* accept by silence of what is no licence */                         \
    X(CASE_WHY_NOT_LICENCE, "not_licence")       /* publish what is no licence */                                      \
    X(CASE_WHY_REASONS_UNTOLD, "reasons_untold") /* refusal or extension without what the applicant is to be told */   \
    X(CASE_WHY_BASIS_UNTOLD, "basis_untold")     /* pause of kind other without its reason and law */                  \
    X(CASE_WHY_REVIEW_MISSING, "review_missing") /* decide before 法制审核 passed */                                   \
    X(CASE_WHY_SAME_OFFICIAL, "same_official")   /* decided by who reviewed */                                         \
    X(CASE_WHY_OFFICIAL_MISSING, "official_missing")                                                                   \
    X(CASE_WHY_EXTENDED_ONCE, "extended_once")                                                                         \
    X(CASE_WHY_NOTHING_LACKING, "nothing_lacking") /* supply, fulfil without 容缺 */                                   \
    X(CASE_WHY_LACKING, "lacking")                 /* deliver while something is lacking */                            \
    X(CASE_WHY_NO_PROMISE, "no_promise")           /* breach without 告知承诺 */                                       \
    X(CASE_WHY_BREACHED, "breached")               /* grant after a breach */                                          \
    X(CASE_WHY_NO_BAD_MARK, "no_bad_mark")         /* follow_up without one */                                         \
    X(CASE_WHY_OTHER_SIDE, "other_side")           /* follow_up for the side of another node */                        \
    X(CASE_WHY_PARTS_OPEN, "parts_open")           /* decide before all parts have ended */                            \
    X(CASE_WHY_PART_DENIED, "part_denied")         /* grant although a part was denied or lapsed */                    \
    X(CASE_WHY_PART_UNKNOWN, "part_unknown")       /* it names no part that ends so */                                 \
    X(CASE_WHY_PARTS_FULL, "parts_full")           /* no room for another part */                                      \
    X(CASE_WHY_DECISION_KNOWN, "decision_known")   /* late: its author had seen the decision */                        \
    X(CASE_WHY_DELIVERED, "delivered")             /* late: the result had been delivered */                           \
    X(CASE_WHY_TOO_LATE, "too_late")               /* late: the case had moved on */                                   \
    X(CASE_WHY_ALREADY, "already")                 /* noop: it is so */                                                \
    X(CASE_WHY_SEEN, "seen")                       /* noop: an acknowledgement */

enum case_why {
#define X(name, code) name,
    CASE_WHYS(X)
#undef X
        CASE_WHY_COUNT
};
const char *case_why_code(uint8_t why); /* NULL for an unknown value */

struct case_effect {
    const struct case_held *event;
    const struct case_held *voids; /* the decision that this event made void, or NULL */
    uint32_t lead;                 /* deciding node before this event */
    uint32_t receiving;            /* receiving node (origin of the root), 0 without a root */
    uint8_t kind;                  /* enum case_effect_kind */
    uint8_t why;                   /* enum case_why */
    uint8_t status_before;         /* enum case_status */
    uint8_t status_after;
    bool sequenced; /* part of the prefix that the lead has seen */
};

/* One English sentence with the Chinese terms, e.g. "refused: accept (受理) is the deciding node's act (510000), the
 * author is 440000". Returns @out, cut to @size (CASE_EXPLAIN_SIZE always fits). */
#define CASE_EXPLAIN_SIZE 384
const char *case_effect_explain(const struct case_effect *effect, char *out, size_t size);

enum case_level {
    CASE_LEVEL_TENTATIVE = 1, /* the status rests on an event that the lead has not cited yet */
    CASE_LEVEL_SEQUENCED = 2  /* the status rests on the lead's own sequence */
};

/* name, bit, wire name. In digests: never renumber. */
#define CASE_FLAGS(X)                                                                                                  \
    X(CASE_FLAG_CONTESTED, 0, "contested") /* several roots, or a node other than the lead wrote two leaves at one   \
                                                index */ \
    X(CASE_FLAG_FROZEN, 1, "frozen")       /* the lead did */                                                          \
    X(CASE_FLAG_SUPERVISED, 2, "supervised") /* a supervisor replaced the lead */                                      \
    X(CASE_FLAG_IDENTITY_CHECKED, 3, "identity_checked")                                                               \
    X(CASE_FLAG_FORM_CHECKED, 4, "form_checked")                                                                       \
    X(CASE_FLAG_CORRECTION, 5, "correction")               /* told to correct (补正告知) */                            \
    X(CASE_FLAG_SECOND_CORRECTION, 6, "second_correction") /* told again: against art. 32(4), punishable by 72(4) */   \
    X(CASE_FLAG_DECISION_VOIDED, 7, "decision_voided")     /* a withdrawal crossed the decision and won */             \
    X(CASE_FLAG_LATE_WITHDRAWAL, 8, "late_withdrawal")     /* came too late: to be read as a request to revoke */      \
    X(CASE_FLAG_DELIVERED, 9, "delivered")                                                                             \
    X(CASE_FLAG_EVALUATED, 10, "evaluated") /* the receiving side */                                                   \
    X(CASE_FLAG_OBJECTED, 11, "objected")                                                                              \
    X(CASE_FLAG_RULES_UNKNOWN, 12, "rules_unknown")       /* written under rules that this program does not know */    \
    X(CASE_FLAG_DEEMED, 13, "deemed")                     /* accepted by silence, art. 32(4) */                        \
    X(CASE_FLAG_EXTENDED, 14, "extended")                 /* art. 42 */                                                \
    X(CASE_FLAG_EXTENSION_OVER, 15, "extension_over")     /* by more than art. 42 gives */                             \
    X(CASE_FLAG_LACKING, 16, "lacking")                   /* accepted with 容缺, something is still to come */         \
    X(CASE_FLAG_LACKING_SUPPLIED, 17, "lacking_supplied") /* handed in, not yet confirmed */                           \
    X(CASE_FLAG_PROMISED, 18, "promised")                 /* 告知承诺 */                                               \
    X(CASE_FLAG_BREACHED, 19, "breached")                 /* the promise was false */                                  \
    X(CASE_FLAG_REVIEW_DEMANDED, 20, "review_demanded")                                                                \
    X(CASE_FLAG_REVIEWED, 21, "reviewed") /* 法制审核 passed */                                                        \
    X(CASE_FLAG_EVALUATED_DECIDING, 22, "evaluated_deciding")                                                          \
    X(CASE_FLAG_FOLLOWED_UP_RECEIVING, 23, "followed_up_receiving") /* 差评整改 done */                                \
    X(CASE_FLAG_FOLLOWED_UP_DECIDING, 24, "followed_up_deciding")                                                      \
    X(CASE_FLAG_LACKING_UNALLOWED, 25, "lacking_unallowed") /* accepted with 容缺 against the item */                  \
    X(CASE_FLAG_PROMISE_UNALLOWED, 26, "promise_unallowed") /* promised against the item */                            \
    X(CASE_FLAG_PUBLISHED, 27, "published")                 /* 双公示, as it stands */                                 \
    X(CASE_FLAG_PART_LAPSED, 28, "part_lapsed")             /* a part was granted, and is not any more */              \
    X(CASE_FLAG_LACKING_OVER, 29, "lacking_over")           /* accepted with 容缺 for longer than the limit to decide */

enum case_flag {
#define X(name, bit, text) name = 1u << bit,
    CASE_FLAGS(X)
#undef X
};

#define CASE_PARTS_MAX 32u    /* as many as a bundle has members (catalog/bundle.h) */
#define CASE_GRADE_BAD_MAX 2u /* 不满意 and 非常不满意 */

enum case_part_end {
    CASE_PART_GRANTED = CASE_DECISION_GRANT,
    CASE_PART_DENIED = CASE_DECISION_DENY, /* also not taken up, returned, taken back */
    CASE_PART_LAPSED = 3                   /* was granted, and that does not stand any more (撤销) */
};

/* A part of a 多地联办 case or of a bundle: a case of its own, told here by its receiving node. */
struct case_part {
    const struct case_held *event; /* the PART: case id, lead, item */
    uint8_t decision;              /* 0 = open, else enum case_part_end */
};

/* Texts are borrowed like the state itself and never NULL. */
struct case_state {
    const struct case_held *root;           /* the SUBMIT that counts, or NULL */
    const struct case_held *decision_event; /* the decision that stands, or NULL */
    const char *item_code;
    const char *number;   /* 办件编码 */
    const char *reason;   /* reason code of the last event that set the status, "" if it gave none */
    uint64_t created_hlc; /* of the root */
    uint64_t updated_hlc; /* largest of all folded events */
    uint32_t lead;        /* deciding node (B), 0 without a root */
    uint32_t receiving;   /* receiving node (A), 0 without a root */
    uint32_t sequenced_lead;
    uint32_t division;
    uint32_t item_version;
    uint32_t flags;           /* enum case_flag */
    uint32_t event_count;     /* folded events */
    uint32_t sequenced_count; /* the first so many of them are sequenced */
    uint32_t pending_count;   /* held, a parent missing */
    uint16_t rules_version;
    uint16_t expected_days; /* of the last pause */
    uint16_t extend_days;   /* of the extension */
    uint16_t lacking_days;  /* of the acceptance with 容缺 */
    uint8_t terms;          /* enum case_term, as the last receipt says */
    const uint8_t *limits;  /* CASE_LIMITS_SIZE bytes, NULL = nobody said */
    const uint8_t *parent;  /* the case that this one is a part of, or NULL */
    struct case_part parts[CASE_PARTS_MAX];
    uint8_t status;           /* enum case_status, tentative events included */
    uint8_t sequenced_status; /* enum case_status at the end of the sequenced prefix; show both if they differ */
    uint8_t level;            /* enum case_level of `status` */
    uint8_t mode;             /* enum case_mode */
    uint8_t decision;         /* enum case_decision of the decision that stands, or 0 */
    uint8_t closed_as;        /* 4, 5, 11, 12 or 13: how it ended, kept after delivery; 0 while open */
    uint8_t grade;            /* of the receiving side, 1..5, 0 = not evaluated */
    uint8_t grade_deciding;   /* of the deciding side */
    uint8_t part_count;
    uint8_t parts_open;
    uint8_t parts_denied;
    uint8_t parts_lapsed;
    uint8_t pause_kind; /* of the last pause */
};

/* Copies @case_id. Its first four bytes, big-endian, should be the code of the receiving node and the other twelve
 * random: of several SUBMITs the one by that node opens the case, so that no other node that learns the id can put a
 * root of its own before it. Without one by that node the smallest event id counts. */
struct casefile *casefile_create(const uint8_t case_id[CASE_ID_SIZE]);
void casefile_destroy(struct casefile *c); /* accepts NULL */
/* Memory it has allocated, as it is now. O(authors). */
size_t casefile_bytes(const struct casefile *c);

/* Adds an event of this case; copies it. An event held already changes nothing and gives 0.
 * ERR_LIMIT: its author has CASE_EVENTS_PER_NODE_MAX events in the case, or CASE_NODES_MAX others have written on it; the
 * event is not held. An author's events must be added in the order of its ledger: then every node leaves out the same.
 * ERR_CONFLICT: another event with the same origin and index is held. Keep both as evidence: both ARE held, the case
 * counts as forked at that index (see casefile_mark_forked), and adding either again gives 0. */
int casefile_add(struct casefile *c, const struct case_event *event, struct err *e) WARN_UNUSED;

/* Whether @origin may add @count more events: 0, or ERR_LIMIT as casefile_add() would say. */
int casefile_check_room(const struct casefile *c, uint32_t origin, unsigned count, struct err *e) WARN_UNUSED;

/* @origin is known to have written two leaves at @index or before (evidence seen elsewhere). While @origin leads, its
 * events from @index on are invalid and the case is frozen until a supervisor names another lead;
 * a fork by another node only sets CASE_FLAG_CONTESTED, because invalid events of a non-lead would let it take back
 * what the lead has already sequenced. The smallest index counts. */
void casefile_mark_forked(struct casefile *c, uint32_t origin, uint64_t index);

/* Folds what is new. */
const struct case_state *casefile_state(struct casefile *c);

/* One per held event: the folded ones in fold order, then the pending ones in order of arrival. Returns the count. */
size_t casefile_effects(struct casefile *c, const struct case_effect **ret);

/* What a new event of this node should cite: the events that nobody cites yet, the newest LEAF_PARENTS_MAX of them
 * (by hlc), strictly ascending by (origin, index). Returns the count. */
unsigned casefile_tips(struct casefile *c, struct case_parent ret[LEAF_PARENTS_MAX]);

/* Parents that held events cite and this node does not hold, each once, ascending by (origin, index, id); at most
 * @max. Returns how many were written. */
unsigned casefile_missing(struct casefile *c, struct case_parent *ret, unsigned max);

/* Appends the canonical bytes that two nodes compare (by hash): fixed-size fields of the state, then every folded
 * event's id and effect in order. Equal on nodes that hold the same events. */
void casefile_digest_input(struct casefile *c, struct buf *out);

#endif
