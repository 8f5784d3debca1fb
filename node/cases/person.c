/* Persons of an application (see person.h). */
#include "node/cases/person.h"

#include <stddef.h>
#include <string.h>

#include "node/base/xassert.h"
#include "node/cases/identity.h"

static const struct {
    const char *id, *source, *text;
    bool refuses;
} rules[] = {
#define X(name, id, refuses, source, text) [name] = {id, source, text, refuses},
    PERSON_RULES(X)
#undef X
};

static bool is_under(const struct person *p, unsigned years, uint32_t today)
{
    return p->birth != 0 && identity_age(p->birth, today) < years;
}

static bool is_same(const struct person *a, const struct person *b)
{
    return a->is_named && b->is_named && strcmp(a->number, b->number) == 0;
}

enum person_rule person_check(const struct person_set *p, uint32_t today, unsigned *ret_flags)
{
    bool under_14 = is_under(&p->applicant, 14, today), minor = is_under(&p->applicant, 18, today);
    *ret_flags = (under_14 ? PERSON_UNDER_14 : 0u) | (minor ? PERSON_UNDER_18 : 0u) |
                 (p->agent.is_named ? PERSON_BY_AGENT : 0u) | (p->guardian.is_named ? PERSON_BY_GUARDIAN : 0u);
    const struct {
        bool broken;
        enum person_rule rule;
    } found[] = {
        {!p->has_other_document && p->is_organisation != p->has_credit_code, PERSON_KIND},
        {is_same(&p->applicant, &p->agent), PERSON_AGENT_SELF},
        {p->agent.is_named && !p->has_authorisation, PERSON_AGENT_AUTHORISATION},
        {p->agent.is_named && p->valid_until != 0 && p->valid_until < today, PERSON_AGENT_EXPIRED},
        {p->agent.is_named && is_under(&p->agent, 18, today), PERSON_AGENT_MINOR},
        {is_same(&p->applicant, &p->guardian), PERSON_GUARDIAN_SELF},
        {p->guardian.is_named && is_under(&p->guardian, 18, today), PERSON_GUARDIAN_MINOR},
        {under_14 && !p->guardian.is_named, PERSON_GUARDIAN_NEEDED},
        {under_14 && !p->has_consent, PERSON_GUARDIAN_CONSENT},
        {minor && !p->guardian.is_named, PERSON_MINOR_ALONE},
    };
    for (size_t i = 0; i < array_count(found); i++)
        if (found[i].broken)
            return found[i].rule;
    return PERSON_OK;
}

const char *person_rule_id(enum person_rule rule)
{
    xassert((size_t)rule < array_count(rules));
    return rules[rule].id;
}

bool person_rule_refuses(enum person_rule rule)
{
    xassert((size_t)rule < array_count(rules));
    return rules[rule].refuses;
}

const char *person_rule_source(enum person_rule rule)
{
    xassert((size_t)rule < array_count(rules));
    return rules[rule].source;
}

const char *person_rule_text(enum person_rule rule)
{
    xassert((size_t)rule < array_count(rules));
    return rules[rule].text;
}
