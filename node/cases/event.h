/* What a case is made of: the events of node/cases, their tags, the roles and states. Pure; base only.
 *
 * A case event is one ledger leaf (federation/FORMATS.md) seen by value: who wrote it where, which events its author
 * had seen (parents), and the plain attributes that rules read. Payloads are never looked at here. All numbers in this
 * file are in ledgers on disk and on the wire: never renumber, only add.
 */
#ifndef TB_CASES_EVENT_H
#define TB_CASES_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "node/base/bytes.h"
#include "node/base/limits.h"

#define CASE_ID_SIZE 16
#define CASE_FILE_ID_SIZE 32
#define CASE_OFFICIAL_SIZE 16
#define CASE_RULES_VERSION 1u /* the rule table a new case is opened under */

/* name, value, wire name, Chinese term.  The law behind each stands at its row in rules.c. */
#define CASE_EVENT_TYPES(X)                                                                                            \
    X(CASE_EVENT_SUBMIT, 1, "submit", "收件")                /* root: the window took the application in (A) */        \
    X(CASE_EVENT_IDENTITY, 2, "identity_check", "身份核验")  /* A */                                                   \
    X(CASE_EVENT_FORM, 3, "form_check", "形式审查")          /* A */                                                   \
    X(CASE_EVENT_FORWARD, 4, "forward", "转出")              /* A hands over to the deciding node */                   \
    X(CASE_EVENT_RETURN, 5, "return", "预审退回")            /* A: form check failed, given back before forwarding */  \
    X(CASE_EVENT_RECEIPT, 6, "receipt", "签收")              /* B: it has arrived here */                              \
    X(CASE_EVENT_ACCEPT, 7, "accept", "受理")                /* B */                                                   \
    X(CASE_EVENT_CORRECT, 8, "correct", "补正告知")          /* B: one-time complete notice, art. 32(4) */             \
    X(CASE_EVENT_SUPPLEMENT, 9, "supplement", "补正")        /* A: the applicant's correction */                       \
    X(CASE_EVENT_NOT_REQUIRED, 10, "not_required", "不受理") /* B: no licence needed, art. 32(1) */                    \
    X(CASE_EVENT_REFUSE, 11, "refuse", "不予受理")           /* B: not this body's power, art. 32(2) */                \
    X(CASE_EVENT_PROCESS, 12, "process", "办理")             /* B: the department starts */                            \
    X(CASE_EVENT_PAUSE, 13, "pause", "特别程序开始")         /* B, art. 45 */                                          \
    X(CASE_EVENT_RESUME, 14, "resume", "特别程序结束")       /* B */                                                   \
    X(CASE_EVENT_DECIDE, 15, "decide", "决定")               /* B; attribute DECISION */                               \
    X(CASE_EVENT_CLOSE, 16, "close", "办结")                 /* B */                                                   \
    X(CASE_EVENT_DELIVER, 17, "deliver", "送达")             /* A or B: the applicant has the result, art. 44 */       \
    X(CASE_EVENT_EVALUATE, 18, "evaluate", "评价")           /* A */                                                   \
    X(CASE_EVENT_WITHDRAW, 19, "withdraw", "撤回")           /* A for the applicant */                                 \
    X(CASE_EVENT_REVOKE, 20, "revoke", "撤销")               /* B, art. 69 */                                          \
    X(CASE_EVENT_NOTE, 21, "note", "备注")                   /* A or B */                                              \
    X(CASE_EVENT_OBJECT, 22, "object", "异议")               /* A or B */                                              \
    X(CASE_EVENT_ACK, 23, "ack", "确认")                     /* B: cites what it had not seen */                       \
    X(CASE_EVENT_HANDOVER, 24, "handover", "转办")           /* B: another node leads from here; attribute LEAD */     \
    X(CASE_EVENT_SUPERVISE, 25, "supervise", "督办")         /* supervisor; attributes LEAD, LAST_LEAF */              \
    X(CASE_EVENT_ARCHIVE, 26, "archive", "归档")             /* B */                                                   \
    X(CASE_EVENT_MATERIAL, 27, "material", "材料")           /* A or B: a file joins the case; attribute FILE */       \
    X(CASE_EVENT_EXTEND, 28, "extend", "延期")               /* B, art. 42; OFFICIAL is who approved */                \
    X(CASE_EVENT_REVIEW, 29, "review", "法制审核")           /* B: by another official than the one who decides */     \
    X(CASE_EVENT_SUPPLY, 30, "supply", "容缺补齐")           /* A: what was lacking at acceptance */                   \
    X(CASE_EVENT_FULFIL, 31, "fulfil", "容缺确认")           /* B: nothing is lacking any more */                      \
    X(CASE_EVENT_BREACH, 32, "breach", "承诺失信")           /* B: the promise of 告知承诺 was false */                \
    X(CASE_EVENT_FOLLOW_UP, 33, "follow_up", "差评整改")     /* the side that got a bad mark */                        \
    X(CASE_EVENT_PART, 34, "part", "联办分件")               /* A: a part decided in a case of its own */              \
    X(CASE_EVENT_PART_DONE, 35, "part_done", "分件办结")     /* A: how that part ended */                              \
    X(CASE_EVENT_PUBLISH, 36, "publish", "双公示")           /* B: the licence stands on the public list */            \
    X(CASE_EVENT_POST_MATERIALS, 37, "post_materials", "材料寄出") /* A: paper on its way to B */                      \
    X(CASE_EVENT_POST_RESULT, 38, "post_result", "结果寄出")       /* B: paper on its way to A or the applicant */     \
    X(CASE_EVENT_PART_LAPSED, 39, "part_lapsed", "分件失效") /* A: that part gives nothing, or nothing any more */     \
    X(CASE_EVENT_NOTIFY, 40, "notify", "通知申请人")         /* A or B has told the applicant */                       \
    X(CASE_EVENT_CHARGE, 41, "charge", "缴费通知")           /* A or B: a fee is asked for */                          \
    X(CASE_EVENT_PAY, 42, "pay", "缴费")                     /* A or B: a fee was paid */
#define CASE_EVENT_LAST CASE_EVENT_PAY

enum case_event_type {
    CASE_EVENT_NONE = 0,
#define X(name, value, text, chinese) name = value,
    CASE_EVENT_TYPES(X)
#undef X
};

/* Public entries of a ledger that are no case events share the number space from 1000 on. */
enum public_event_type {
    PUBLIC_EVENT_ITEM = 1000,            /* payload: catalog item JSON */
    PUBLIC_EVENT_ITEM_WITHDRAWN = 1001,  /* attribute ITEM_CODE */
    PUBLIC_EVENT_CALENDAR = 1002,        /* payload: days off (catalog/calendar.h); attribute DIVISION or none */
    PUBLIC_EVENT_BUNDLE = 1003,          /* payload: bundle JSON (catalog/bundle.h) */
    PUBLIC_EVENT_BUNDLE_WITHDRAWN = 1004 /* attribute ITEM_CODE */
};

#define CASE_ROLES(X)                                                                                                  \
    X(CASE_ROLE_APPLICANT, 1, "applicant", "申请人") /* through the window */                                          \
    X(CASE_ROLE_WINDOW, 2, "window", "收件窗口")                                                                       \
    X(CASE_ROLE_DECIDER, 3, "decider", "承办部门")                                                                     \
    X(CASE_ROLE_SUPERVISOR, 4, "supervisor", "监督部门")                                                               \
    X(CASE_ROLE_SYSTEM, 5, "system", "系统") /* the node itself, e.g. 签收 */

enum case_role {
    CASE_ROLE_NONE = 0,
#define X(name, value, text, chinese) name = value,
    CASE_ROLES(X)
#undef X
};

/* Attributes (leaf attr tags). Values: u8/u16/u32/u64 big-endian, or UTF-8 text. Never personal data. */
#define CASE_ATTRS(X)                                                                                                  \
    X(CASE_ATTR_LEAD, 1, "lead")                    /* u32 node code: SUBMIT, HANDOVER, SUPERVISE */                   \
    X(CASE_ATTR_ITEM_CODE, 2, "item_code")          /* text: SUBMIT, PUBLIC_EVENT_* */                                 \
    X(CASE_ATTR_ITEM_VERSION, 3, "item_version")    /* u32: SUBMIT */                                                  \
    X(CASE_ATTR_MODE, 4, "mode")                    /* u8 enum case_mode: SUBMIT */                                    \
    X(CASE_ATTR_DIVISION, 5, "division")            /* u32: home division of the matter, decides the route: SUBMIT */  \
    X(CASE_ATTR_DECISION, 6, "decision")            /* u8 enum case_decision: DECIDE */                                \
    X(CASE_ATTR_NUMBER, 7, "number")                /* text 办件编码: RECEIPT */                                       \
    X(CASE_ATTR_REASON, 8, "reason_code")           /* text [a-z0-9_.-]{1,64}: RETURN, REFUSE, CORRECT, … */           \
    X(CASE_ATTR_REQUEST, 9, "request")              /* 16 bytes: client's request id; the same again is a no-op */     \
    X(CASE_ATTR_LAST_LEAF, 10, "last_leaf")         /* u64: SUPERVISE, last accepted leaf of the old lead */           \
    X(CASE_ATTR_GRADE, 11, "grade")                 /* u8 1..5: EVALUATE */                                            \
    X(CASE_ATTR_PAUSE_KIND, 12, "pause_kind")       /* u8: PAUSE, kind of art. 45 */                                   \
    X(CASE_ATTR_EXPECTED_DAYS, 13, "expected_days") /* u16: PAUSE */                                                   \
    X(CASE_ATTR_CHANNEL, 14, "channel")             /* u8 enum case_channel: DELIVER */                                \
    X(CASE_ATTR_OFFICIAL, 15, "official")           /* 16 bytes: pseudonym of a member of staff within this case */    \
    X(CASE_ATTR_FILE, 16, "file")                   /* 32 bytes, id of a file (FORMATS.md "Files"): MATERIAL */        \
    X(CASE_ATTR_LIMITS, 17, "limits")               /* struct case_limits, CASE_LIMITS_SIZE bytes: SUBMIT, RECEIPT */  \
    X(CASE_ATTR_EXTEND_DAYS, 18, "extend_days")     /* u16: EXTEND */                                                  \
    X(CASE_ATTR_LACKING_DAYS, 19, "lacking_days")   /* u16: ACCEPT with 容缺, when all must be there */                \
    X(CASE_ATTR_PROMISE, 20, "promise")             /* u8 1: SUBMIT with 告知承诺 */                                   \
    X(CASE_ATTR_TOLD, 21, "told")                   /* u8 set of enum case_told: what the applicant was told */        \
    X(CASE_ATTR_SIDE, 22, "side")                   /* u8 enum case_side: EVALUATE, FOLLOW_UP */                       \
    X(CASE_ATTR_REVIEW, 23, "review")               /* u8 enum case_review: REVIEW */                                  \
    X(CASE_ATTR_PARENT, 24, "parent")               /* 16 bytes: SUBMIT of a part, the case it belongs to */           \
    X(CASE_ATTR_PART, 25, "part")                   /* 16 bytes: case id: PART, PART_DONE, PART_LAPSED */              \
    X(CASE_ATTR_DEMANDS, 26, "demands")             /* u8 set of enum case_demand: RECEIPT */                          \
    X(CASE_ATTR_TERMS, 27, "terms")                 /* u8 set of enum case_term: RECEIPT */                            \
    X(CASE_ATTR_UNIT, 28, "unit")                   /* u8 enum case_unit of the expected days: PAUSE; none: working */

enum case_attr_tag {
#define X(name, value, text) name = value,
    CASE_ATTRS(X)
#undef X
};

enum case_mode {
    CASE_MODE_ONLINE = 1 /* 全程网办 */,
    CASE_MODE_COLLECT = 2 /* 异地代收代办 */,
    CASE_MODE_JOINT = 3 /* 多地联办 */
};
enum case_decision { CASE_DECISION_GRANT = 1 /* 准予 */, CASE_DECISION_DENY = 2 /* 不予 */ };
enum case_demand { CASE_DEMAND_REVIEW = 1 /* 法制审核 before the decision */ };
/* What the item is, in the version that the case was made under, and what it allows. */
enum case_term {
    CASE_TERM_LACKING = 1, /* 容缺受理 */
    CASE_TERM_PROMISE = 2, /* 告知承诺 */
    CASE_TERM_LICENCE = 4, /* 行政许可: what 行政许可法 alone has, 视为受理, 双公示, goes for it */
    CASE_TERM_STAGED = 8   /* its limits are those of stages: each from the day on which that office got the case */
};
enum case_told {
    CASE_TOLD_REASONS = 1,  /* 理由 */
    CASE_TOLD_REMEDIES = 2, /* 行政复议、行政诉讼 */
    CASE_TOLD_BASIS = 4     /* 依据: the law that stops the time of a pause of kind other */
};
enum case_side { CASE_SIDE_RECEIVING = 1, CASE_SIDE_DECIDING = 2 };
enum case_review { CASE_REVIEW_PASS = 1, CASE_REVIEW_RETURN = 2 };

/* Kinds of 特别程序 whose time does not count (行政许可法第四十五条): value, wire name, Chinese term. */
#define CASE_PAUSE_KINDS(X)                                                                                            \
    X(1, "hearing", "听证")                                                                                            \
    X(2, "tender", "招标")                                                                                             \
    X(3, "auction", "拍卖")                                                                                            \
    X(4, "inspection", "检验")                                                                                         \
    X(5, "testing", "检测")                                                                                            \
    X(6, "quarantine", "检疫")                                                                                         \
    X(7, "appraisal", "鉴定")                                                                                          \
    X(8, "expert_review", "专家评审")                                                                                  \
    X(CASE_PAUSE_OTHER, "other", "其他") /* of another law than this one: its reason and basis are told */
#define CASE_PAUSE_HEARING 1
#define CASE_PAUSE_OTHER 9

/* The limits of a case, as the item that the deciding node published says them. On the wire: per limit unit u8 (0 none, 1
 * working days, 2 natural days) and days u16, in this order. */
#define CASE_LIMITS(X)                                                                                                 \
    X(CASE_LIMIT_FORWARD, "forward", "收件转出")     /* A: from 收件 to 转出 */                                        \
    X(CASE_LIMIT_ACCEPT, "accept", "受理")           /* B: from 签收; the law's 5 working days when not given */       \
    X(CASE_LIMIT_FIRST, "first_review", "下级审查")  /* B: from 受理 until the next level has it, art. 43 */           \
    X(CASE_LIMIT_DECIDE, "decide", "决定")           /* B: from 受理 */                                                \
    X(CASE_LIMIT_DELIVER, "deliver", "送达")         /* from 决定; the law's 10 working days when not given */         \
    X(CASE_LIMIT_FOLLOW_UP, "follow_up", "差评整改") /* from a bad mark; 15 working days when not given */

enum case_limit_kind {
#define X(name, text, chinese) name,
    CASE_LIMITS(X)
#undef X
        CASE_LIMIT_COUNT
};
enum case_unit { CASE_UNIT_NONE = 0, CASE_UNIT_WORKING = 1, CASE_UNIT_NATURAL = 2 };
#define CASE_LIMITS_SIZE (3 * CASE_LIMIT_COUNT)
_Static_assert(CASE_LIMITS_SIZE == 18, "FORMATS.md says 18 bytes");
struct case_limit {
    uint16_t days;
    uint8_t unit; /* enum case_unit */
};
/* One row out of / into the attribute's bytes. A unit that is none of the above reads as none. */
struct case_limit case_limit_get(const uint8_t limits[CASE_LIMITS_SIZE], enum case_limit_kind kind);
void case_limit_put(uint8_t limits[CASE_LIMITS_SIZE], enum case_limit_kind kind, struct case_limit limit);

enum case_channel { CASE_CHANNEL_WINDOW = 1, CASE_CHANNEL_POST = 2, CASE_CHANNEL_ELECTRONIC = 3 };

struct case_attr {
    uint16_t tag;
    struct bytes value; /* borrowed */
};

struct case_parent {
    uint32_t origin;
    uint64_t index;
    uint8_t id[32];
};

/* One event by value. `id` is the leaf hash. Parsed attributes are 0 / empty when absent. */
struct case_event {
    uint8_t id[32];
    uint32_t origin;
    uint64_t index;
    uint64_t hlc;
    uint16_t type; /* enum case_event_type; unknown values are kept and have no effect */
    uint16_t role;
    uint16_t rules_version;
    uint8_t parent_count;
    struct case_parent parents[LEAF_PARENTS_MAX];
    /* attributes */
    uint32_t lead;
    uint32_t division;
    uint32_t item_version;
    uint8_t mode;
    uint8_t decision;
    uint8_t grade;
    uint8_t channel;
    uint8_t pause_kind;
    uint8_t unit;
    uint16_t expected_days;
    uint16_t extend_days;
    uint16_t lacking_days;
    uint8_t demands;
    uint8_t terms;
    uint8_t promise;
    uint8_t told;
    uint8_t side;
    uint8_t review;
    bool malformed; /* its attributes did not parse: folded as denied */
    bool has_request;
    bool has_official;
    bool has_limits;
    bool has_parent;
    bool has_part;
    uint8_t request[16];
    uint8_t official[CASE_OFFICIAL_SIZE];
    uint8_t limits[CASE_LIMITS_SIZE];
    uint8_t parent[CASE_ID_SIZE];
    uint8_t part[CASE_ID_SIZE];
    bool has_last_leaf;
    uint64_t last_leaf;
    bool has_file;
    uint8_t file[CASE_FILE_ID_SIZE];
    char item_code[48];
    char number[64];
    char reason[65];
};

/* Fills the attribute fields of @ret from @attrs (other fields untouched). Unknown tags are skipped; a known tag with a
 * value of the wrong size or form, or tags that do not strictly increase, are ERR_INVALID: then the attribute fields are
 * all 0 and `malformed` is set, so that the event is folded as denied, never dropped. */
int case_event_parse_attrs(const struct case_attr *attrs, size_t count, struct case_event *ret,
                           struct err *e) WARN_UNUSED;

/* The inverse: the attributes of @event that are present, tags strictly increasing. The values lie in @storage (reset
 * here) and live as long as it is not written. @max must be CASE_EVENT_ATTRS_MAX or more. */
#define CASE_EVENT_ATTRS_MAX 28u
void case_event_encode_attrs(const struct case_event *event, struct buf *storage, struct case_attr *ret, unsigned max,
                             unsigned *ret_count);

/* Wire name and Chinese term of a kind of pause and of a limit; NULL for unknown. */
const char *case_pause_name(uint8_t kind);
const char *case_pause_chinese(uint8_t kind);
uint8_t case_pause_from_name(const char *name); /* 0 for unknown */
const char *case_limit_name(unsigned kind);
const char *case_limit_chinese(unsigned kind);

/* Wire name of an attribute's tag; "?" for an unknown one. */
const char *case_attr_name(uint16_t tag);

/* Tables by value and by wire name; NULL / 0 for unknown. */
const char *case_event_name(uint16_t type);
const char *case_event_chinese(uint16_t type);
uint16_t case_event_from_name(const char *name);
const char *case_role_name(uint16_t role);
const char *case_role_chinese(uint16_t role);
uint16_t case_role_from_name(const char *name);

#endif
