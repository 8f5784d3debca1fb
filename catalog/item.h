/* One service item (实施清单 row) of a province's catalog: what it is, who decides, what must be brought, how long each
 * side may take.
 *
 * An item is made from JSON only (the schema is the table in item_shape.c; README.md and schema/catalog.schema.json say the
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
#define CATALOG_HANDLING_CODE_BYTES_MAX 50u /* 业务办理项编码, local codes */
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

#define CATALOG_POWER_SOURCES(X) /* 权力来源, 实施清单 dictionary */                                                   \
    X(CATALOG_POWER_OWN, "法定本级")                                                                                   \
    X(CATALOG_POWER_HANDED_DOWN, "上级下放")                                                                           \
    X(CATALOG_POWER_AUTHORISED_ABOVE, "上级授权")                                                                      \
    X(CATALOG_POWER_AUTHORISED, "同级授权")                                                                            \
    X(CATALOG_POWER_ENTRUSTED_ABOVE, "上级委托")                                                                       \
    X(CATALOG_POWER_ENTRUSTED, "同级委托")
#define CATALOG_NATURES(X) /* 实施主体性质 */                                                                          \
    X(CATALOG_NATURE_LEGAL, "法定机关")                                                                                \
    X(CATALOG_NATURE_AUTHORISED, "授权组织")                                                                           \
    X(CATALOG_NATURE_ENTRUSTED, "受委托组织")
#define CATALOG_CHANNELS(X) /* 办理形式; a set */                                                                      \
    X(CATALOG_CHANNEL_WINDOW, "窗口")                                                                                  \
    X(CATALOG_CHANNEL_ONLINE, "网上")                                                                                  \
    X(CATALOG_CHANNEL_POST, "快递")
#define CATALOG_REACHES(X) /* 通办范围 */                                                                              \
    X(CATALOG_REACH_NATION, "全国")                                                                                    \
    X(CATALOG_REACH_PROVINCE, "全省")                                                                                  \
    X(CATALOG_REACH_CITY, "全市")                                                                                      \
    X(CATALOG_REACH_COUNTY, "全县")                                                                                    \
    X(CATALOG_REACH_TOWN, "全镇")                                                                                      \
    X(CATALOG_REACH_VILLAGE, "跨村")
#define CATALOG_SPECIALS(X) /* 特别程序: time that is not counted, 行政许可法 45 */                                    \
    X(CATALOG_SPECIAL_HEARING, "听证")                                                                                 \
    X(CATALOG_SPECIAL_TENDER, "招标")                                                                                  \
    X(CATALOG_SPECIAL_AUCTION, "拍卖")                                                                                 \
    X(CATALOG_SPECIAL_INSPECTION, "检验")                                                                              \
    X(CATALOG_SPECIAL_TEST, "检测")                                                                                    \
    X(CATALOG_SPECIAL_QUARANTINE, "检疫")                                                                              \
    X(CATALOG_SPECIAL_APPRAISAL, "鉴定")                                                                               \
    X(CATALOG_SPECIAL_EXPERTS, "专家评审")                                                                             \
    X(CATALOG_SPECIAL_OTHER, "其他") /* of another law than the 许可法: `text` says which */
#define CATALOG_KINDS(X)             /* 材料类型 */                                                                    \
    X(CATALOG_KIND_CERTIFICATE, "证件证书证明")                                                                        \
    X(CATALOG_KIND_FORM, "申请表格文书")                                                                               \
    X(CATALOG_KIND_OTHER, "其他")
#define CATALOG_RETENTIONS(X) /* 保管期限 of the archived case */                                                      \
    X(CATALOG_RETENTION_EVER, "永久")                                                                                  \
    X(CATALOG_RETENTION_30, "30年")                                                                                    \
    X(CATALOG_RETENTION_10, "10年")

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
enum catalog_power_source { CATALOG_POWER_SOURCES(X) };
enum catalog_nature { CATALOG_NATURES(X) };
enum catalog_channel { CATALOG_CHANNELS(X) };
enum catalog_reach_scope { CATALOG_REACHES(X) };
enum catalog_special_kind { CATALOG_SPECIALS(X) };
enum catalog_kind { CATALOG_KINDS(X) };
enum catalog_retention { CATALOG_RETENTIONS(X) };
#undef X

/* Texts are NULL, pointers NULL, words -1, integers SHAPE_ABSENT, lists empty when the item does not say. */
struct catalog_department {
    const char *name;
    const char *uscc;         /* 18 characters */
    bool is_uscc_waived;      /* the code is in use although a check character is wrong */
    int nature;               /* enum catalog_nature */
    const char *entrusted_by; /* 委托部门; there when the nature is 受委托组织 */
    struct shape_texts duty;  /* 责任清单: what the department answers for */
};

struct catalog_power {
    int source;       /* enum catalog_power_source */
    const char *list; /* its row in the 权力清单 */
};

struct catalog_limit {
    uint32_t n;
    int unit;         /* enum catalog_unit */
    const char *text; /* 说明; for a licence over the general limit the law that says so */
};

struct catalog_stage {
    const char *stage;
    int side;           /* enum catalog_side */
    uint32_t days;      /* SHAPE_ABSENT: no number in the source */
    int unit;           /* -1 with no days */
    const char *at;     /* who acts */
    const char *office; /* 办理处室 */
    const char *phone;  /* of who acts */
    bool has_special;   /* 有特别程序 in this step */
    const char *text;   /* what is done, from when the days count */
};

struct catalog_limits {
    const struct catalog_limit *legal;
    const struct catalog_limit *promised;
    struct {
        const struct catalog_stage *at;
        size_t count;
    } stages; /* in the order in which they happen */
};

/* Time that stops the legal limit while it runs. */
struct catalog_special {
    int kind;         /* enum catalog_special_kind */
    uint32_t days;    /* how long at most; SHAPE_ABSENT: not said */
    int unit;         /* -1 with no days */
    const char *text; /* there when the kind is 其他 */
};

struct catalog_source {
    const char *text;
    int certainty; /* enum catalog_certainty */
};

struct catalog_material {
    const char *code; /* unique in the item */
    const char *name;
    int kind;         /* enum catalog_kind */
    int form;         /* enum catalog_form */
    int necessity;    /* enum catalog_necessity */
    const char *when; /* conditional: in which case */
    int origin;       /* "source" in JSON; enum catalog_origin */
    const char *origin_text;
    const char *licence; /* name of the electronic licence that does */
    int trust_level;     /* enum catalog_trust, -1: no electronic licence asked for */
    uint32_t originals, copies;
    bool is_sensitive;                 /* sensitive personal data (个人信息保护法 28) */
    bool is_in_person;                 /* 需本人现场填写 */
    const struct catalog_limit *later; /* 容缺: at most how long after acceptance it may come; deferrable only */
    const char *specification;         /* of the paper */
    const char *fill_in;               /* 填报须知 */
    const char *blank_form, *sample;   /* 空白表格, 示例样表: file name or address */
    const char *standard;              /* 受理标准 */
    const char *basis;
    const struct catalog_source *source_mark; /* NULL: the item's */
};

struct catalog_result {
    int type; /* enum catalog_result_type */
    const char *name;
    const char *sample; /* 结果样本 */
};

struct catalog_charge {
    const char *name, *standard, *basis;
    bool is_reducible;           /* 允许减免 */
    const char *reduction_basis; /* there when reducible */
};

struct catalog_fee {
    bool is_charged;
    bool is_online;    /* 网上支付 */
    const char *basis; /* there when charged: no fee unless the law says so (行政许可法 58) */
    struct {
        const struct catalog_charge *at;
        size_t count;
    } items;
};

struct catalog_delivery {
    bool pickup, post, online;
    bool takes_post; /* 申报材料邮寄 */
    int postage;     /* enum catalog_payer */
    const char *text;
};

struct catalog_contact {
    const char *phone, *address, *hours;
    const char *complaint; /* 监督投诉 */
};

struct catalog_remedies {
    const char *review, *litigation; /* 行政复议, 行政诉讼: where and by when */
};

/* 容缺受理: accepted although secondary material is missing. */
struct catalog_deferral {
    bool is_allowed;
    const char *basis;
    const struct catalog_limit
        *limit; /* for what is missing, at most; no more than a material's `later` and the limit to decide either */
    const char *text;
};

/* 告知承诺制, 国办发〔2020〕42号: a written promise replaces a certificate. */
struct catalog_promise {
    bool is_allowed;
    const char *basis;
    struct shape_texts materials; /* codes of the materials that it replaces */
    const char *text;             /* what is promised */
};

struct catalog_reach {
    int scope;        /* enum catalog_reach_scope */
    const char *text; /* 通办区域, when not all of the scope */
};

struct catalog_visits {
    uint32_t count;     /* 到办事现场次数 */
    const char *reason; /* 必须现场办理原因; there when count is not 0 */
};

struct catalog_answer {
    const char *question, *answer;
};

struct catalog_item {
    const char *code;             /* 实施编码 or a local code; unique in the catalog */
    const char *basic_code;       /* 12 characters; the same item has the same one in every province */
    const char *local_code;       /* 地方实施编码 */
    const char *local_basic_code; /* 地方基本编码 */
    const char *handling_code;    /* 业务办理项编码 */
    const char *reference;        /* id in the list that the item was taken from */
    const char *name;
    struct shape_texts aliases;     /* other names people look for */
    struct shape_texts life_events; /* 生活事件 in which it is needed */
    int type;
    int handling;
    uint32_t level;    /* 行使层级: 1 国家 2 省 3 市 4 县 5 镇 6 村 */
    uint32_t division; /* of the deciding department; the catalog's node when the JSON does not say */
    uint32_t version;  /* 事项版本 */
    int status;
    uint32_t valid_from, valid_to; /* yyyymmdd, 0: open */
    uint32_t subject;              /* bits 1 << enum catalog_subject */
    uint32_t modes;                /* bits 1 << enum catalog_mode; 0: the source does not say */
    uint32_t channels;             /* bits 1 << enum catalog_channel; 0: not said */
    const struct catalog_department *department;
    const struct catalog_power *power;
    const char *guidance;          /* 中央业务指导部门 */
    struct shape_texts supporting; /* other departments that take part */
    struct shape_texts legal_basis;
    const char *scenario;
    const char *conditions;
    const char *quota;        /* 数量限制 */
    const char *intermediary; /* 中介服务 */
    const struct catalog_limits *limits;
    struct {
        const struct catalog_special *at;
        size_t count;
    } special_procedures;
    struct {
        const struct catalog_material *at;
        size_t count;
    } materials;
    const struct catalog_result *result;
    const struct catalog_fee *fee;
    const struct catalog_delivery *delivery;
    const struct catalog_contact *contact;
    const struct catalog_remedies *remedies;
    const struct catalog_deferral *deferral;
    const struct catalog_promise *promise;
    const struct catalog_reach *reach;
    const struct catalog_visits *visits;
    struct {
        const struct catalog_answer *at;
        size_t count;
    } faq;
    bool needs_legal_review; /* 法制审核 by a second official before the decision */
    bool is_bookable;        /* 预约 */
    bool is_in_hall;         /* 进驻大厅 */
    bool is_self_service;    /* 自助终端 */
    int retention;           /* enum catalog_retention */
    const struct catalog_source *source;

    /* not from the JSON */
    uint32_t service;       /* service_code() of the code */
    uint32_t node;          /* division code of the catalog that it was read for */
    uint32_t index;         /* place in the file it came from */
    uint32_t line;          /* and line; 0: not known */
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
/* The same item once more. */
struct catalog_item *catalog_item_copy(const struct catalog_item *item);
void catalog_item_destroy(struct catalog_item *item); /* NULL is fine */

/* The material of @item with this code; NULL: it has none. */
const struct catalog_material *catalog_item_material(const struct catalog_item *item, const char *code);

/* Words of JSON by value, a NULL at the end. */
extern const char *const catalog_form_words[];    /* enum catalog_form */
extern const char *const catalog_subject_words[]; /* enum catalog_subject */

/* Whether an application may be taken in on @date: in use and within its validity. */
bool catalog_item_is_open(const struct catalog_item *item, uint32_t date);

#endif
