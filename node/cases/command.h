/* Commands: what somebody at this node wants to do to a case, checked before it becomes an event. Pure; base only.
 *
 * The check folds the wanted event as if it were written now, citing all tips. The same code judges it later on every
 * node, so that an event accepted here fails there only if it crosses one that this node had not seen.
 */
#ifndef TB_CASES_COMMAND_H
#define TB_CASES_COMMAND_H

#include "node/cases/casefile.h"

/* 0 / "" = attribute absent. */
struct case_command {
    uint32_t self; /* code of this node, the author */
    uint16_t type; /* enum case_event_type */
    uint16_t role; /* enum case_role */
    uint32_t lead;
    uint32_t division;
    uint32_t item_version;
    uint16_t expected_days;
    uint16_t extend_days;
    uint16_t lacking_days;
    uint8_t demands;
    uint8_t terms;
    uint8_t promise;
    uint8_t told;
    uint8_t side;
    uint8_t review;
    uint8_t mode;
    uint8_t decision;
    uint8_t grade;
    uint8_t channel;
    uint8_t pause_kind;
    uint8_t unit;
    bool has_request;
    uint8_t request[16];
    bool has_official;
    bool has_limits;
    bool has_parent;
    bool has_part;
    uint8_t official[CASE_OFFICIAL_SIZE];
    uint8_t limits[CASE_LIMITS_SIZE];
    uint8_t parent[CASE_ID_SIZE];
    uint8_t part[CASE_ID_SIZE];
    bool has_last_leaf; /* supervise; false: the last one of the lead that is held and counts */
    uint64_t last_leaf;
    bool has_file;
    uint8_t file[CASE_FILE_ID_SIZE];
    char item_code[48];
    char number[64];
    char reason[65];
};

/* Checks @command against the folded state of @c (an empty case file for SUBMIT). On success fills @ret_draft: origin,
 * type, role, rules_version, parents, attributes; id, index and hlc are 0, for the ledger writer to set. Untouched on
 * failure. The message is the sentence of case_effect_explain(); the ids are "case." and case_why_code().
 * ERR_NOT_FOUND: nothing was handed in under this case id, or no entry of the lead has the number LAST_LEAF. ERR_INVALID: an attribute has no valid form, or the type is
 * unknown. ERR_DENIED: not this node's or role's act, or a needed attribute is missing. ERR_CONFLICT: the state does
 * not allow it, or the request id has taken effect before. */
int case_command_check(struct casefile *c, const struct case_command *command, struct case_event *ret_draft,
                       struct err *e) WARN_UNUSED;

#endif
