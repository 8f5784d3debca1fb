/* Persons of an application: applicant, agent (代办人) and guardian (监护人), and what the law asks of them together.
 *
 * Pure: `today` comes in. The rules are one table with the article beside each row; a broken rule is a normal result. Any thread.
 */
#ifndef TB_CASES_PERSON_H
#define TB_CASES_PERSON_H

#include <stdbool.h>
#include <stdint.h>

/* name, stable id (API, node/ERRORS.md), whether it refuses the application (else it warns), source, sentence. The sentence
 * names no person. */
#define PERSON_RULES(X)                                                                                                \
    X(PERSON_OK, "person.ok", false, "", "the persons are in order")                                                   \
    X(PERSON_KIND, "person.id-kind", true, "GB 11643-1999; GB 32100-2015",                                             \
      "id_type does not fit the kind of applicant: a unified social credit code is an organisation's, the others are " \
      "a person's")                                                                                                    \
    X(PERSON_AGENT_SELF, "person.agent-self", true, "行政许可法第二十九条",                                            \
      "the agent (代办人) has the applicant's own number")                                                             \
    X(PERSON_AGENT_AUTHORISATION, "person.agent-authorisation", true, "行政许可法第二十九条；民法典第一百六十五条",    \
      "an agent (代办人) needs an authorisation (授权委托书): its SHA-256 and what it covers")                         \
    X(PERSON_AGENT_EXPIRED, "person.agent-expired", true, "民法典第一百七十三条第一项",                                \
      "the authorisation (授权委托书) of the agent is not valid any more")                                             \
    X(PERSON_AGENT_MINOR, "person.agent-minor", true, "民法典第一百七十三条第三项", "the agent (代办人) is under 18")  \
    X(PERSON_GUARDIAN_SELF, "person.guardian-self", true, "民法典第二十七条",                                          \
      "the guardian (监护人) has the applicant's own number")                                                          \
    X(PERSON_GUARDIAN_MINOR, "person.guardian-minor", true, "民法典第二十七条 (监护能力)",                             \
      "the guardian (监护人) is under 18")                                                                             \
    X(PERSON_GUARDIAN_NEEDED, "person.guardian-needed", true, "个人信息保护法第三十一条；民法典第二十条",              \
      "the applicant is under 14: a guardian (监护人) is needed")                                                      \
    X(PERSON_GUARDIAN_CONSENT, "person.guardian-consent", true, "个人信息保护法第三十一条第一款",                      \
      "the applicant is under 14: the guardian's consent to the use of the child's data ('guardian.consent') is "      \
      "needed")                                                                                                        \
    X(PERSON_MINOR_ALONE, "person.minor-alone", false, "民法典第十九条",                                               \
      "the applicant is under 18 and no guardian (监护人) is named: check that the matter fits the applicant's age")

enum person_rule {
#define X(name, id, refuses, source, text) name,
    PERSON_RULES(X)
#undef X
        PERSON_RULE_COUNT
};

/* What kind of guardian (民法典第二十七、二十八、三十二条): value, wire name, Chinese. */
#define PERSON_RELATIONS(X)                                                                                            \
    X(PERSON_PARENT, 1, "parent", "父母")                                                                              \
    X(PERSON_GRANDPARENT, 2, "grandparent", "祖父母、外祖父母")                                                        \
    X(PERSON_SIBLING, 3, "sibling", "兄、姐")                                                                          \
    X(PERSON_SPOUSE, 4, "spouse", "配偶")                                                                              \
    X(PERSON_CHILD, 5, "child", "子女")                                                                                \
    X(PERSON_RELATIVE, 6, "relative", "其他近亲属")                                                                    \
    X(PERSON_CIVIL_AFFAIRS, 7, "civil_affairs", "民政部门")                                                            \
    X(PERSON_OTHER_GUARDIAN, 8, "other", "其他愿意担任监护人的个人或者组织")

/* Why content is to be handled as sensitive (个人信息保护法第二十八条): bit, wire name. */
#define PERSON_FLAGS(X)                                                                                                \
    X(PERSON_UNDER_14, 1u << 0, "under_14") /* 不满十四周岁未成年人的个人信息 */                                       \
    X(PERSON_UNDER_18, 1u << 1, "minor")    /* 未成年人 */                                                             \
    X(PERSON_BY_AGENT, 1u << 2, "by_agent")                                                                            \
    X(PERSON_BY_GUARDIAN, 1u << 3, "by_guardian")

enum person_flag {
#define X(name, bit, wire) name = (int)(bit),
    PERSON_FLAGS(X)
#undef X
};

/* What the rules look at; numbers are in normal form (identity_check), birth 0 = unknown. */
struct person {
    bool is_named;
    uint32_t birth;
    const char *number;
};
struct person_set {
    bool is_organisation;    /* the applicant */
    bool has_credit_code;    /* the applicant's id_type is uscc */
    bool has_other_document; /* the applicant's id_type is other: fits either kind */
    struct person applicant, agent, guardian;
    bool has_authorisation; /* document and scope are given */
    uint32_t valid_until;   /* of the authorisation, yyyymmdd; 0 = not limited */
    bool has_consent;
};

/* The first rule that refuses, else the first that warns, else PERSON_OK; *ret_flags are of enum person_flag. */
enum person_rule person_check(const struct person_set *p, uint32_t today, unsigned *ret_flags);

const char *person_rule_id(enum person_rule rule);
bool person_rule_refuses(enum person_rule rule);
const char *person_rule_source(enum person_rule rule);
const char *person_rule_text(enum person_rule rule);

#endif
