/* The law as data: who may do what to a case, when, and what it leads to. One table per rules version. Pure; base only.
 *
 * A row is read by fold.c, which knows no event type by itself: the few effects beyond "status becomes X" are the
 * operations of enum rule_op (operation.c). A case keeps the version its root names; its lead may raise it. Version 0 is the
 * abstract machine of the published fold vectors; version 1 is the procedure of the Administrative Licensing Law (行政许可法)
 * with the split between receiving and deciding place of 国办发〔2020〕35号. A row in use is never changed: a change of
 * law is a new version, because old cases must fold as they did.
 */
#ifndef TB_CASES_RULES_H
#define TB_CASES_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "node/cases/event.h"
#include "node/cases/status.h"

enum rule_who {
    RULE_WHO_RECEIVING, /* A: the node where the application was handed in */
    RULE_WHO_LEAD,      /* B: the deciding node */
    RULE_WHO_EITHER,
    RULE_WHO_SUPERVISOR /* administrative superior of the lead that the root names and of the new lead */
};

enum rule_op {
    RULE_OP_MOVE,   /* status := after */
    RULE_OP_RECORD, /* status stays */
    RULE_OP_SEEN,   /* noop */
    RULE_OP_IDENTITY,
    RULE_OP_FORM,
    RULE_OP_FORWARD, /* needs both checks */
    RULE_OP_RECEIPT, /* takes the number */
    RULE_OP_CORRECT, /* a second one is flagged */
    RULE_OP_PAUSE,
    RULE_OP_DECIDE, /* status by the attribute */
    RULE_OP_CLOSE,  /* status by the decision */
    RULE_OP_DELIVER,
    RULE_OP_EVALUATE, /* once */
    RULE_OP_WITHDRAW, /* the race with the decision, see operation.c */
    RULE_OP_REVOKE,   /* needs a grant */
    RULE_OP_OBJECT,
    RULE_OP_HANDOVER,
    RULE_OP_SUPERVISE,
    RULE_OP_ACCEPT,    /* by the system: deemed; with 容缺 */
    RULE_OP_EXTEND,    /* once; told why */
    RULE_OP_REVIEW,    /* remembers who passed it */
    RULE_OP_SUPPLY,    /* while something is lacking */
    RULE_OP_FULFIL,    /* while something is lacking */
    RULE_OP_BREACH,    /* needs a promise */
    RULE_OP_FOLLOW_UP, /* needs a bad mark of the author's side */
    RULE_OP_PART,
    RULE_OP_PART_DONE,
    RULE_OP_LAPSE,
    RULE_OP_PUBLISH /* a licence that was granted */
};

#define RULE_STATUS(s) ((uint64_t)1 << (s))
#define RULE_STATUS_ANY UINT64_MAX /* also while frozen */
#define RULE_ROLE(r) (1u << (r))
#define RULE_ATTR(a) (1u << (a))

struct rule {
    uint16_t type;    /* enum case_event_type */
    uint8_t rank;     /* smaller goes first among concurrent events */
    uint8_t who;      /* enum rule_who */
    uint8_t op;       /* enum rule_op */
    uint8_t after;    /* enum case_status for RULE_OP_MOVE and others that move, else CASE_STATUS_NONE */
    uint32_t roles;   /* RULE_ROLE set */
    uint32_t needs;   /* RULE_ATTR set */
    uint64_t allowed; /* RULE_STATUS set */
    uint64_t late;    /* RULE_STATUS set: not allowed any more, effect late instead of guard */
    const char *source;
};

#define RULES_RANK_UNKNOWN 7u /* types without a row go last */

bool rules_is_known(uint16_t version);
/* NULL when the version or the type has no row. */
const struct rule *rules_find(uint16_t version, uint16_t type);
uint8_t rules_rank(uint16_t version, uint16_t type);
/* All rows of a known version, for tests and documentation. */
const struct rule *rules_table(uint16_t version, unsigned *ret_count);

/* Node codes are division codes (GB/T 2260). 100000 stands for the whole country, xx0000 is a province, xxxx00 a city.
 * True when @superior is above @node; no node is above itself. */
#define RULES_NODE_NATIONAL 100000u
bool rules_is_superior(uint32_t superior, uint32_t node);

#endif
