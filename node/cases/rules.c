/* The rule tables (rules.h). Reading order: the status sets, then version 1 (the law), then version 0 (the vectors).
 * Static data, any thread.
 */
#include "node/cases/rules.h"

#include <stddef.h>

#include "node/base/xassert.h"

#define S(name) RULE_STATUS(CASE_STATUS_##name)

/* At the receiving window, not yet sent. */
#define AT_WINDOW (S(RECEIVED))
/* Arrived, neither accepted nor refused: where art. 32 speaks. */
#define BEFORE_ACCEPTANCE (S(ARRIVED) | S(CORRECTING) | S(CORRECTED))
#define IN_PROCEDURE (S(ACCEPTED) | S(PROCESSING) | S(RESUMED))
#define UNDECIDED (AT_WINDOW | S(FORWARDED) | BEFORE_ACCEPTANCE | IN_PROCEDURE | S(PAUSED))
#define CLOSED (S(CLOSED_GRANTED) | S(CLOSED_LACKING) | S(CLOSED_DENIED))
#define DECIDED (S(GRANTED) | S(DENIED) | CLOSED)
#define NOT_TAKEN_UP (S(NOT_REQUIRED) | S(REFUSED))
#define DONE (S(DELIVERED) | S(ARCHIVED) | S(REVOKED))
#define NEVER 0

#define APPLICANT RULE_ROLE(CASE_ROLE_APPLICANT)
#define WINDOW RULE_ROLE(CASE_ROLE_WINDOW)
#define DECIDER RULE_ROLE(CASE_ROLE_DECIDER)
#define SUPERVISOR RULE_ROLE(CASE_ROLE_SUPERVISOR)
#define SYSTEM RULE_ROLE(CASE_ROLE_SYSTEM)
#define EVERYBODY (APPLICANT | WINDOW | DECIDER | SUPERVISOR | SYSTEM)

#define LEAD RULE_ATTR(CASE_ATTR_LEAD)
#define ITEM RULE_ATTR(CASE_ATTR_ITEM_CODE)
#define DECISION RULE_ATTR(CASE_ATTR_DECISION)
#define REASON RULE_ATTR(CASE_ATTR_REASON)
#define GRADE RULE_ATTR(CASE_ATTR_GRADE)
#define FILE_ID RULE_ATTR(CASE_ATTR_FILE)
#define PAUSE (RULE_ATTR(CASE_ATTR_PAUSE_KIND) | RULE_ATTR(CASE_ATTR_EXPECTED_DAYS))

#define EXTEND RULE_ATTR(CASE_ATTR_EXTEND_DAYS)
#define OFFICIAL RULE_ATTR(CASE_ATTR_OFFICIAL)
#define REVIEW RULE_ATTR(CASE_ATTR_REVIEW)
#define SIDE RULE_ATTR(CASE_ATTR_SIDE)
#define PART RULE_ATTR(CASE_ATTR_PART)

#define XKF "行政许可法"

/* clang-format off */
static const struct rule law[] = {
    {.type = CASE_EVENT_SUBMIT, .rank = 4, .who = RULE_WHO_RECEIVING, .op = RULE_OP_MOVE, .after = CASE_STATUS_RECEIVED,
     .roles = APPLICANT | WINDOW, .needs = LEAD | ITEM, .allowed = S(NONE),
     .source = XKF "第二十九条"},
    {.type = CASE_EVENT_IDENTITY, .rank = 5, .who = RULE_WHO_RECEIVING, .op = RULE_OP_IDENTITY,
     .roles = WINDOW | SYSTEM, .allowed = AT_WINDOW,
     .source = "国办发〔2020〕35号 异地代收代办"},
    {.type = CASE_EVENT_FORM, .rank = 5, .who = RULE_WHO_RECEIVING, .op = RULE_OP_FORM,
     .roles = WINDOW | SYSTEM, .allowed = AT_WINDOW,
     .source = "国办发〔2020〕35号 异地代收代办"},
    {.type = CASE_EVENT_FORWARD, .rank = 5, .who = RULE_WHO_RECEIVING, .op = RULE_OP_FORWARD, .after = CASE_STATUS_FORWARDED,
     .roles = WINDOW | SYSTEM, .allowed = AT_WINDOW,
     .source = "国办发〔2020〕35号 收受分离"},
    {.type = CASE_EVENT_RETURN, .rank = 5, .who = RULE_WHO_RECEIVING, .op = RULE_OP_MOVE, .after = CASE_STATUS_RETURNED,
     .roles = WINDOW, .needs = REASON, .allowed = AT_WINDOW,
     .source = XKF "第三十二条第一款第三项"},
    {.type = CASE_EVENT_RECEIPT, .rank = 4, .who = RULE_WHO_LEAD, .op = RULE_OP_RECEIPT, .after = CASE_STATUS_ARRIVED,
     .roles = DECIDER | SYSTEM, .allowed = S(FORWARDED),
     .source = "国办发〔2020〕35号 收受分离"},
    {.type = CASE_EVENT_ACCEPT, .rank = 4, .who = RULE_WHO_LEAD, .op = RULE_OP_ACCEPT, .after = CASE_STATUS_ACCEPTED,
     .roles = DECIDER | SYSTEM, .allowed = BEFORE_ACCEPTANCE, /* the system: deemed acceptance after 5 working days */
     .source = XKF "第三十二条第一款第五项"},
    {.type = CASE_EVENT_CORRECT, .rank = 4, .who = RULE_WHO_LEAD, .op = RULE_OP_CORRECT, .after = CASE_STATUS_CORRECTING,
     .roles = DECIDER, .needs = REASON, .allowed = BEFORE_ACCEPTANCE,
     .source = XKF "第三十二条第一款第四项"},
    {.type = CASE_EVENT_SUPPLEMENT, .rank = 4, .who = RULE_WHO_RECEIVING, .op = RULE_OP_MOVE, .after = CASE_STATUS_CORRECTED,
     .roles = APPLICANT | WINDOW, .allowed = S(CORRECTING),
     .late = IN_PROCEDURE | S(PAUSED) | DECIDED | NOT_TAKEN_UP | DONE | S(WITHDRAWN),
     .source = XKF "第三十二条第一款第四项"},
    {.type = CASE_EVENT_NOT_REQUIRED, .rank = 4, .who = RULE_WHO_LEAD, .op = RULE_OP_CLOSE, .after = CASE_STATUS_NOT_REQUIRED,
     .roles = DECIDER, .needs = REASON, .allowed = BEFORE_ACCEPTANCE,
     .source = XKF "第三十二条第一款第一项"},
    {.type = CASE_EVENT_REFUSE, .rank = 4, .who = RULE_WHO_LEAD, .op = RULE_OP_CLOSE, .after = CASE_STATUS_REFUSED,
     .roles = DECIDER, .needs = REASON, .allowed = BEFORE_ACCEPTANCE,
     .source = XKF "第三十二条第一款第二项"},
    {.type = CASE_EVENT_PROCESS, .rank = 4, .who = RULE_WHO_LEAD, .op = RULE_OP_MOVE, .after = CASE_STATUS_PROCESSING,
     .roles = DECIDER | SYSTEM, .allowed = S(ACCEPTED),
     .source = XKF "第三十四条"},
    {.type = CASE_EVENT_PAUSE, .rank = 4, .who = RULE_WHO_LEAD, .op = RULE_OP_PAUSE, .after = CASE_STATUS_PAUSED,
     .roles = DECIDER, .needs = PAUSE, .allowed = IN_PROCEDURE,
     .source = XKF "第四十五条"},
    {.type = CASE_EVENT_RESUME, .rank = 4, .who = RULE_WHO_LEAD, .op = RULE_OP_MOVE, .after = CASE_STATUS_RESUMED,
     .roles = DECIDER | SYSTEM, .allowed = S(PAUSED),
     .source = XKF "第四十五条"},
    {.type = CASE_EVENT_DECIDE, .rank = 2, .who = RULE_WHO_LEAD, .op = RULE_OP_DECIDE,
     .roles = DECIDER, .needs = DECISION, .allowed = IN_PROCEDURE, /* also on the spot, art. 34(2) */
     .source = XKF "第三十八条"},
    {.type = CASE_EVENT_CLOSE, .rank = 3, .who = RULE_WHO_LEAD, .op = RULE_OP_CLOSE,
     .roles = DECIDER | SYSTEM, .allowed = S(GRANTED) | S(DENIED),
     .source = XKF "第三十八条"},
    {.type = CASE_EVENT_DELIVER, .rank = 3, .who = RULE_WHO_EITHER, .op = RULE_OP_DELIVER, .after = CASE_STATUS_DELIVERED,
     .roles = WINDOW | DECIDER | SYSTEM, .allowed = CLOSED | NOT_TAKEN_UP, /* the latter: the notice of art. 32(2) */
     .source = XKF "第四十四条"},
    {.type = CASE_EVENT_EVALUATE, .rank = 6, .who = RULE_WHO_RECEIVING, .op = RULE_OP_EVALUATE,
     .roles = APPLICANT | WINDOW, .needs = GRADE, .allowed = S(DELIVERED) | S(ARCHIVED),
     .source = "好差评 一次一评"},
    {.type = CASE_EVENT_WITHDRAW, .rank = 1, .who = RULE_WHO_RECEIVING, .op = RULE_OP_WITHDRAW, .after = CASE_STATUS_WITHDRAWN,
     .roles = APPLICANT | WINDOW, .allowed = UNDECIDED | DECIDED, .late = NOT_TAKEN_UP | DONE,
     .source = "申请人撤回 (作出决定前)"},
    {.type = CASE_EVENT_REVOKE, .rank = 2, .who = RULE_WHO_LEAD, .op = RULE_OP_REVOKE, .after = CASE_STATUS_REVOKED,
     .roles = DECIDER, .needs = REASON, .allowed = S(GRANTED) | CLOSED | S(DELIVERED) | S(ARCHIVED),
     .source = XKF "第六十九条"},
    {.type = CASE_EVENT_NOTE, .rank = 6, .who = RULE_WHO_EITHER, .op = RULE_OP_RECORD,
     .roles = EVERYBODY, .allowed = RULE_STATUS_ANY,
     .source = "备注"},
    {.type = CASE_EVENT_OBJECT, .rank = 6, .who = RULE_WHO_EITHER, .op = RULE_OP_OBJECT,
     .roles = EVERYBODY, .allowed = RULE_STATUS_ANY,
     .source = XKF "第七条"},
    {.type = CASE_EVENT_ACK, .rank = 5, .who = RULE_WHO_LEAD, .op = RULE_OP_SEEN,
     .roles = DECIDER | SYSTEM, .allowed = RULE_STATUS_ANY,
     .source = "确认"},
    {.type = CASE_EVENT_HANDOVER, .rank = 3, .who = RULE_WHO_LEAD, .op = RULE_OP_HANDOVER,
     .roles = DECIDER, .needs = LEAD, .allowed = UNDECIDED,
     .source = XKF "第三十二条第一款第二项"},
    {.type = CASE_EVENT_SUPERVISE, .rank = 0, .who = RULE_WHO_SUPERVISOR, .op = RULE_OP_SUPERVISE,
     .roles = SUPERVISOR, .needs = LEAD, .allowed = RULE_STATUS_ANY,
     .source = XKF "第六十条"},
    {.type = CASE_EVENT_ARCHIVE, .rank = 6, .who = RULE_WHO_LEAD, .op = RULE_OP_MOVE, .after = CASE_STATUS_ARCHIVED,
     .roles = DECIDER | SYSTEM, .allowed = S(DELIVERED),
     .source = "国务院令第716号第十二条"},
    {.type = CASE_EVENT_MATERIAL, .rank = 6, .who = RULE_WHO_EITHER, .op = RULE_OP_RECORD,
     .roles = EVERYBODY, .needs = FILE_ID, .allowed = RULE_STATUS_ANY, /* also a licence after the decision */
     .source = "国务院令第716号第十一条"},
    {.type = CASE_EVENT_EXTEND, .rank = 4, .who = RULE_WHO_LEAD, .op = RULE_OP_EXTEND,
     .roles = DECIDER, .needs = EXTEND | OFFICIAL | REASON, .allowed = IN_PROCEDURE | S(PAUSED),
     .source = XKF "第四十二条"},
    {.type = CASE_EVENT_REVIEW, .rank = 4, .who = RULE_WHO_LEAD, .op = RULE_OP_REVIEW,
     .roles = DECIDER, .needs = REVIEW | OFFICIAL, .allowed = IN_PROCEDURE,
     .source = "国办发〔2018〕118号 重大执法决定法制审核"},
    {.type = CASE_EVENT_SUPPLY, .rank = 4, .who = RULE_WHO_RECEIVING, .op = RULE_OP_SUPPLY,
     .roles = APPLICANT | WINDOW, .allowed = IN_PROCEDURE | S(PAUSED) | S(GRANTED) | S(CLOSED_LACKING),
     .source = "容缺受理 (地方规定)"},
    {.type = CASE_EVENT_FULFIL, .rank = 4, .who = RULE_WHO_LEAD, .op = RULE_OP_FULFIL,
     .roles = DECIDER, .allowed = IN_PROCEDURE | S(PAUSED) | S(GRANTED) | S(CLOSED_LACKING),
     .source = "容缺受理 (地方规定)"},
    {.type = CASE_EVENT_BREACH, .rank = 2, .who = RULE_WHO_LEAD, .op = RULE_OP_BREACH,
     .roles = DECIDER, .needs = REASON,
     .allowed = IN_PROCEDURE | S(PAUSED) | S(GRANTED) | CLOSED | S(DELIVERED) | S(ARCHIVED),
     .source = "国办发〔2020〕42号 告知承诺制"},
    {.type = CASE_EVENT_FOLLOW_UP, .rank = 6, .who = RULE_WHO_EITHER, .op = RULE_OP_FOLLOW_UP,
     .roles = WINDOW | DECIDER, .needs = SIDE, .allowed = S(DELIVERED) | S(ARCHIVED),
     .source = "国办发〔2019〕51号 好差评 差评整改"},
    {.type = CASE_EVENT_PART, .rank = 4, .who = RULE_WHO_RECEIVING, .op = RULE_OP_PART,
     .roles = WINDOW | SYSTEM, .needs = PART, .allowed = UNDECIDED,
     .source = "国办发〔2020〕35号 多地联办"},
    {.type = CASE_EVENT_PART_DONE, .rank = 4, .who = RULE_WHO_RECEIVING, .op = RULE_OP_PART_DONE,
     .roles = WINDOW | SYSTEM, .needs = PART | DECISION, .allowed = UNDECIDED,
     .source = "国办发〔2020〕35号 多地联办"},
    {.type = CASE_EVENT_PART_LAPSED, .rank = 4, .who = RULE_WHO_RECEIVING, .op = RULE_OP_LAPSE,
     .roles = WINDOW | SYSTEM, .needs = PART, .allowed = RULE_STATUS_ANY, /* also of a whole that is decided */
     .source = "国办发〔2020〕35号 多地联办 分件撤销、撤回"},
    {.type = CASE_EVENT_PUBLISH, .rank = 6, .who = RULE_WHO_LEAD, .op = RULE_OP_PUBLISH,
     .roles = DECIDER | SYSTEM, .allowed = S(GRANTED) | CLOSED | DONE,
     .source = "双公示 行政许可决定7个工作日内公示"},
    {.type = CASE_EVENT_POST_MATERIALS, .rank = 6, .who = RULE_WHO_RECEIVING, .op = RULE_OP_RECORD,
     .roles = APPLICANT | WINDOW | SYSTEM, .allowed = UNDECIDED | DECIDED, .late = NOT_TAKEN_UP | DONE | S(WITHDRAWN),
     .source = "国办发〔2020〕35号 异地代收代办 邮件寄递"},
    {.type = CASE_EVENT_POST_RESULT, .rank = 6, .who = RULE_WHO_LEAD, .op = RULE_OP_RECORD,
     .roles = DECIDER | SYSTEM, .allowed = CLOSED | NOT_TAKEN_UP | DONE, /* sent again, too (补发) */
     .source = "国办发〔2020〕35号 异地代收代办 寄递纸质结果"},
    {.type = CASE_EVENT_NOTIFY, .rank = 6, .who = RULE_WHO_EITHER, .op = RULE_OP_RECORD,
     .roles = WINDOW | DECIDER | SYSTEM, .allowed = RULE_STATUS_ANY,
     .source = XKF "第四十五条 告知申请人"},
    {.type = CASE_EVENT_CHARGE, .rank = 6, .who = RULE_WHO_EITHER, .op = RULE_OP_RECORD,
     .roles = WINDOW | DECIDER | SYSTEM, .allowed = UNDECIDED | S(GRANTED) | S(CLOSED_GRANTED) | S(CLOSED_LACKING),
     .source = XKF "第五十八条"},
    {.type = CASE_EVENT_PAY, .rank = 6, .who = RULE_WHO_EITHER, .op = RULE_OP_RECORD, /* it happened, whatever crossed it */
     .roles = APPLICANT | WINDOW | DECIDER | SYSTEM, .allowed = UNDECIDED | DECIDED | DONE | S(WITHDRAWN),
     .source = XKF "第五十九条"},
};

/* The machine of tests/vectors/data/case_fold.json: OPEN is RECEIVED, APPROVED GRANTED, REJECTED DENIED; a served case
 * keeps its decision as status, so that the operation, not the status, tells delivered from decided. */
static const struct rule abstract[] = {
    {.type = CASE_EVENT_SUBMIT, .rank = 4, .who = RULE_WHO_RECEIVING, .op = RULE_OP_MOVE, .after = CASE_STATUS_RECEIVED,
     .roles = EVERYBODY, .needs = LEAD, .allowed = S(NONE), .source = "SUBMIT"},
    {.type = CASE_EVENT_DECIDE, .rank = 2, .who = RULE_WHO_LEAD, .op = RULE_OP_DECIDE,
     .roles = DECIDER, .needs = DECISION, .allowed = S(RECEIVED), .source = "DECIDE"},
    {.type = CASE_EVENT_DELIVER, .rank = 3, .who = RULE_WHO_LEAD, .op = RULE_OP_DELIVER,
     .roles = DECIDER, .allowed = S(GRANTED) | S(DENIED), .source = "SERVE"},
    {.type = CASE_EVENT_WITHDRAW, .rank = 1, .who = RULE_WHO_RECEIVING, .op = RULE_OP_WITHDRAW, .after = CASE_STATUS_WITHDRAWN,
     .roles = EVERYBODY, .allowed = S(RECEIVED) | S(GRANTED) | S(DENIED), .source = "WITHDRAW"},
    {.type = CASE_EVENT_SUPPLEMENT, .rank = 4, .who = RULE_WHO_RECEIVING, .op = RULE_OP_RECORD,
     .roles = EVERYBODY, .allowed = S(RECEIVED), .late = S(GRANTED) | S(DENIED) | S(WITHDRAWN), .source = "SUPPLEMENT"},
    {.type = CASE_EVENT_HANDOVER, .rank = 3, .who = RULE_WHO_LEAD, .op = RULE_OP_HANDOVER,
     .roles = DECIDER, .needs = LEAD, .allowed = S(RECEIVED), .source = "HANDOVER"},
    {.type = CASE_EVENT_ACK, .rank = 5, .who = RULE_WHO_LEAD, .op = RULE_OP_SEEN,
     .roles = DECIDER, .allowed = RULE_STATUS_ANY, .source = "ACK"},
    {.type = CASE_EVENT_NOTE, .rank = 6, .who = RULE_WHO_EITHER, .op = RULE_OP_SEEN,
     .roles = EVERYBODY, .allowed = RULE_STATUS_ANY, .source = "NOTE"},
    {.type = CASE_EVENT_SUPERVISE, .rank = 0, .who = RULE_WHO_SUPERVISOR, .op = RULE_OP_SUPERVISE,
     .roles = SUPERVISOR, .needs = LEAD, .allowed = RULE_STATUS_ANY, .source = "SUPERVISE"},
};
/* clang-format on */

static const struct {
    const struct rule *rows;
    unsigned count;
} tables[] = {
    {abstract, array_count(abstract)},
    {law, array_count(law)},
};
_Static_assert(array_count(tables) == CASE_RULES_VERSION + 1, "one table per rules version");

bool rules_is_known(uint16_t version)
{
    return version < array_count(tables);
}

const struct rule *rules_table(uint16_t version, unsigned *ret_count)
{
    xassert(rules_is_known(version));
    *ret_count = tables[version].count;
    return tables[version].rows;
}

const struct rule *rules_find(uint16_t version, uint16_t type)
{
    if (!rules_is_known(version))
        return NULL;
    for (unsigned i = 0; i < tables[version].count; i++)
        if (tables[version].rows[i].type == type)
            return &tables[version].rows[i];
    return NULL;
}

uint8_t rules_rank(uint16_t version, uint16_t type)
{
    const struct rule *row = rules_find(version, type);
    return row == NULL ? RULES_RANK_UNKNOWN : row->rank;
}

bool rules_is_superior(uint32_t superior, uint32_t node)
{
    if (superior == 0 || node == 0 || superior == node)
        return false;
    if (superior == RULES_NODE_NATIONAL)
        return true;
    if (superior % 10000 == 0)
        return superior / 10000 == node / 10000;
    return superior % 100 == 0 && superior / 100 == node / 100;
}
