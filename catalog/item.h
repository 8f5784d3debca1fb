/* One service item (实施清单 row) of a province's catalog: what it is, who decides, what must be brought, how long each
 * side may take.
 *
 * An item is made from JSON only (the schema is the table in item.c; README.md and schema/catalog.schema.json say the
 * same) and never changed. It keeps its canonical bytes: those are published as one public entry of the province's
 * ledger, and catalog_item_parse() reads them back on a peer with the same checks. Elements and dictionaries follow
 * the 实施清单 of provincial catalog tools under GB/T 39554. Read-only; any thread.
 */
#ifndef TB_CATALOG_ITEM_H
#define TB_CATALOG_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "catalog/shape.h"
#include "node/base/arena.h"
#include "node/base/bytes.h"

struct yyjson_val;

#define CATALOG_ITEM_CODE_BYTES_MAX 40u
#define CATALOG_ITEM_CODE_NATIONAL_SIZE 31u /* 实施编码: USCC 18 + level 1 + basic code 12 */

/* Dictionaries: name, word in JSON. The order is in nobody's files and may change. */
#define CATALOG_TYPES(X)               /* 事项类型 */                                                                  \
    X(CATALOG_TYPE_LICENCE, "01")      /* 行政许可 */                                                                  \
    X(CATALOG_TYPE_PENALTY, "02")      /* 行政处罚 */                                                                  \
    X(CATALOG_TYPE_COERCION, "03")     /* 行政强制 */                                                                  \
    X(CATALOG_TYPE_LEVY, "04")         /* 行政征收 */                                                                  \
    X(CATALOG_TYPE_BENEFIT, "05")      /* 行政给付 */                                                                  \
    X(CATALOG_TYPE_INSPECTION, "06")   /* 行政检查 */                                                                  \
    X(CATALOG_TYPE_CONFIRMATION, "07") /* 行政确认 */                                                                  \
    X(CATALOG_TYPE_AWARD, "08")        /* 行政奖励 */                                                                  \
    X(CATALOG_TYPE_RULING, "09")       /* 行政裁决 */                                                                  \
    X(CATALOG_TYPE_OTHER, "10")        /* 其他行政权力 */                                                              \
    X(CATALOG_TYPE_SERVICE, "20")      /* 公共服务 */
#define CATALOG_SUBJECTS(X)            /* 服务对象; a set */                                                           \
    X(CATALOG_SUBJECT_PERSON, "自然人")                                                                                \
    X(CATALOG_SUBJECT_COMPANY, "企业法人")                                                                             \
    X(CATALOG_SUBJECT_INSTITUTION, "事业法人")                                                                         \
    X(CATALOG_SUBJECT_ASSOCIATION, "社会组织法人")                                                                     \
    X(CATALOG_SUBJECT_UNINCORPORATED, "非法人企业")                                                                    \
    X(CATALOG_SUBJECT_AUTHORITY, "行政机关")                                                                           \
    X(CATALOG_SUBJECT_OTHER, "其他组织")
#define CATALOG_MODES(X)                      /* 国办发〔2020〕35号; a set */                                          \
    X(CATALOG_MODE_ONLINE, "全程网办")        /* the applicant acts online with the deciding side */                   \
    X(CATALOG_MODE_FORWARDED, "异地代收代办") /* a window elsewhere takes in and hands over */                         \
    X(CATALOG_MODE_JOINT, "多地联办")         /* several authorities decide their parts */
#define CATALOG_HANDLINGS(X)                  /* 办件类型 */                                                           \
    X(CATALOG_HANDLING_INSTANT, "即办件")                                                                              \
    X(CATALOG_HANDLING_PROMISED, "承诺件")
#define CATALOG_STATUSES(X) /* 事项状态 */                                                                             \
    X(CATALOG_STATUS_IN_USE, "在用")                                                                                   \
    X(CATALOG_STATUS_PAUSED, "暂停")                                                                                   \
    X(CATALOG_STATUS_CANCELLED, "取消")
#define CATALOG_RESULTS(X) /* 审批结果类型 */                                                                          \
    X(CATALOG_RESULT_CERTIFICATE, "证照")                                                                              \
    X(CATALOG_RESULT_APPROVAL, "批文")                                                                                 \
    X(CATALOG_RESULT_OTHER, "其他")                                                                                    \
    X(CATALOG_RESULT_NONE, "无")
#define CATALOG_UNITS(X)                                                                                               \
    X(CATALOG_UNIT_WORKING, "working") /* by catalog/calendar.h */                                                     \
    X(CATALOG_UNIT_NATURAL, "natural")
#define CATALOG_SIDES(X)                                                                                               \
    X(CATALOG_SIDE_RECEIVING, "receiving")                                                                             \
    X(CATALOG_SIDE_DECIDING, "deciding")
#define CATALOG_FORMS(X) /* of a material */                                                                           \
    X(CATALOG_FORM_PAPER, "paper")                                                                                     \
    X(CATALOG_FORM_ELECTRONIC, "electronic")                                                                           \
    X(CATALOG_FORM_EITHER, "either")
#define CATALOG_NECESSITIES(X)                                                                                         \
    X(CATALOG_NECESSITY_REQUIRED, "required")                                                                          \
    X(CATALOG_NECESSITY_CONDITIONAL, "conditional") /* `when` says in which case */                                    \
    X(CATALOG_NECESSITY_DEFERRABLE, "deferrable")   /* 容缺: may follow after acceptance */
#define CATALOG_ORIGINS(X)                          /* 来源渠道 */                                                     \
    X(CATALOG_ORIGIN_APPLICANT, "applicant")                                                                           \
    X(CATALOG_ORIGIN_AUTHORITY, "authority")                                                                           \
    X(CATALOG_ORIGIN_OTHER, "other")
#define CATALOG_TRUSTS(X)                     /* least trust level of an electronic licence, 国办函〔2016〕108号 */    \
    X(CATALOG_TRUST_A, "A")                   /* issued by the authority */                                            \
    X(CATALOG_TRUST_B, "B")                   /* checked by window staff */                                            \
    X(CATALOG_TRUST_C, "C")                   /* uploaded by the applicant, original to be checked */                  \
    X(CATALOG_TRUST_D, "D")                   /* made by the applicant, with a promise */
#define CATALOG_CERTAINTIES(X)                /* how far the source mark carries */                                    \
    X(CATALOG_CERTAINTY_OFFICIAL, "official") /* published by the deciding authority itself */                         \
    X(CATALOG_CERTAINTY_SEEN, "seen")         /* read in the named text */                                             \
    X(CATALOG_CERTAINTY_UNVERIFIED, "unverified") /* from general knowledge, to be checked before use */
#define CATALOG_PAYERS(X)                         /* of postage */                                                     \
    X(CATALOG_PAYER_APPLICANT, "applicant")                                                                            \
    X(CATALOG_PAYER_AUTHORITY, "authority")

#define X(name, word) name,
enum catalog_type { CATALOG_TYPES(X) };
enum catalog_subject { CATALOG_SUBJECTS(X) };
enum catalog_mode { CATALOG_MODES(X) };
enum catalog_handling { CATALOG_HANDLINGS(X) };
enum catalog_status { CATALOG_STATUSES(X) };
enum catalog_result_type { CATALOG_RESULTS(X) };
enum catalog_unit { CATALOG_UNITS(X) };
enum catalog_side { CATALOG_SIDES(X) };
enum catalog_form { CATALOG_FORMS(X) };
enum catalog_necessity { CATALOG_NECESSITIES(X) };
enum catalog_origin { CATALOG_ORIGINS(X) };
enum catalog_trust { CATALOG_TRUSTS(X) };
enum catalog_certainty { CATALOG_CERTAINTIES(X) };
enum catalog_payer { CATALOG_PAYERS(X) };
#undef X

/* Texts are NULL, pointers NULL, words -1, integers SHAPE_ABSENT, lists empty when the item does not say. */
struct catalog_department {
    const char *name;
    const char *uscc;    /* 18 characters */
    bool is_uscc_waived; /* the code is in use although a check character is wrong */
};

struct catalog_limit {
    uint32_t n;
    int unit; /* enum catalog_unit */
};

struct catalog_stage {
    const char *stage;
    int side;         /* enum catalog_side */
    uint32_t days;    /* SHAPE_ABSENT: no number in the source */
    int unit;         /* -1 with no days */
    const char *at;   /* who acts */
    const char *text; /* what is done, from when the days count */
};

struct catalog_limits {
    const struct catalog_limit *legal;
    const struct catalog_limit *promised;
    struct {
        const struct catalog_stage *at;
        size_t count;
    } stages; /* in the order in which they happen */
};

struct catalog_source {
    const char *text;
    int certainty; /* enum catalog_certainty */
};

struct catalog_material {
    const char *code; /* unique in the item */
    const char *name;
    int form;         /* enum catalog_form */
    int necessity;    /* enum catalog_necessity */
    const char *when; /* conditional: in which case */
    int origin;       /* "source" in JSON; enum catalog_origin */
    int trust_level;  /* enum catalog_trust, -1: no electronic licence asked for */
    uint32_t originals, copies;
    bool is_sensitive;    /* sensitive personal data (个人信息保护法 28) */
    const char *standard; /* 受理标准 */
    const char *basis;
    const struct catalog_source *source_mark; /* NULL: the item's */
};

struct catalog_result {
    int type; /* enum catalog_result_type */
    const char *name;
};

struct catalog_fee {
    bool is_charged;
    const char *basis; /* there when charged: no fee unless the law says so (行政许可法 58) */
};

struct catalog_delivery {
    bool pickup, post, online;
    int postage; /* enum catalog_payer */
    const char *text;
};

struct catalog_contact {
    const char *phone, *address, *hours;
};

struct catalog_remedies {
    const char *review, *litigation; /* 行政复议, 行政诉讼 */
};

struct catalog_item {
    const char *code;       /* 实施编码 or a local code; unique in the catalog */
    const char *basic_code; /* 12 characters; the same item has the same one in every province */
    const char *reference;  /* id in the list that the item was taken from */
    const char *name;
    int type;
    int handling;
    uint32_t level;    /* 行使层级: 1 国家 2 省 3 市 4 县 5 镇 6 村 */
    uint32_t division; /* of the deciding department; the catalog's node when the JSON does not say */
    uint32_t version;  /* 事项版本 */
    int status;
    uint32_t valid_from, valid_to; /* yyyymmdd, 0: open */
    uint32_t subject;              /* bits 1 << enum catalog_subject */
    uint32_t modes;                /* bits 1 << enum catalog_mode; 0: the source does not say */
    const struct catalog_department *department;
    struct shape_texts supporting; /* other departments that take part */
    struct shape_texts legal_basis;
    const char *scenario;
    const char *conditions;
    const char *special_procedure;
    const struct catalog_limits *limits;
    struct {
        const struct catalog_material *at;
        size_t count;
    } materials;
    const struct catalog_result *result;
    const struct catalog_fee *fee;
    const struct catalog_delivery *delivery;
    const struct catalog_contact *contact;
    const struct catalog_remedies *remedies;
    const struct catalog_source *source;

    /* not from the JSON */
    uint32_t service;       /* service_code() of the code */
    uint32_t index;         /* place in the file it came from */
    struct bytes canonical; /* the item's own JSON, at most CATALOG_ITEM_BYTES_MAX */
    struct arena arena;     /* all memory of the item */
};

extern const struct shape catalog_item_shape;

/* Reads one item with all checks; problems go to @w. @node is the catalog's division code. The caller destroys what
 * comes back; NULL after a problem. */
struct catalog_item *catalog_item_read(struct shape_walk *w, struct yyjson_val *value, uint32_t node) WARN_UNUSED;

/* Reads the bytes that a peer @node published: canonical JSON of one item. @where stands before ":" in messages.
 * Besides the checks of reading, ERR_LIMIT "catalog.item-size" and ERR_INVALID "catalog.item-not-canonical" (other
 * bytes than this content has). @json is borrowed; the caller destroys @ret. */
int catalog_item_parse(struct bytes json, uint32_t node, const char *where, struct catalog_item **ret,
                       struct err *e) WARN_UNUSED;
void catalog_item_destroy(struct catalog_item *item); /* NULL is fine */

/* Whether an application may be taken in on @date: in use and within its validity. */
bool catalog_item_is_open(const struct catalog_item *item, uint32_t date);

#endif
