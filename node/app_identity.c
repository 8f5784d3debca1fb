/* Persons and their numbers at the window: the pure rules of node/cases/identity.h and person.h, the table of divisions, and the
 * severities that this node's node.json gives to the faults that real numbers have.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/app_internal.h"
#include "node/base/clock.h"
#include "node/base/date.h"
#include "node/base/xassert.h"
#include "node/cases/identity.h"
#include "node/cases/person.h"

/* "identity" of node.json: what a fault of that kind does. */
static const char *severity_of(const struct config *c, enum identity_rule rule)
{
    return rule == IDENTITY_ORG_CHECK_DIGIT ? c->uscc_org_check : c->uscc_check;
}

/* A fault that node.json gives a severity to: refused, or noted in @result (NULL = nobody reads it). */
static int weigh(const char *severity, const char *id, const char *field, const char *text,
                 struct app_command_result *result, struct err *e)
{
    if (strcmp(severity, "refuse") == 0)
        return err_set(e, ERR_INVALID, id, "%s: %s", field, text);
    if (strcmp(severity, "warn") == 0 && result != NULL)
        app_warn(result, "%s: %s", field, text);
    return 0;
}

/* One number. @field is its path in the request: "applicant.id_number". */
static int check_number(struct app *a, const char *field, const char *id_type, const char *number,
                        struct app_command_result *result, struct identity_document *ret, struct err *e)
{
    char text[IDENTITY_TEXT_SIZE], where[96];
    struct identity_fault fault;
    const struct identity_kind_row *kind = identity_kind_of(id_type);
    xassert(kind != NULL); /* the API has looked it up */
    (void)snprintf(where, sizeof where, "%s (%s)", field,
                   kind->kind == IDENTITY_KIND_CITIZEN ? "公民身份号码" : kind->chinese);
    if (!identity_check(kind->kind, number, strlen(number), clock_china_date(clock_wall_ms()), ret, &fault)) {
        identity_explain(&fault, text);
        return err_set(e, ERR_INVALID, identity_rule_id(fault.rule), "%s: %s", where, text);
    }
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ret->warning_count; i++) {
        enum identity_rule rule = ret->warnings[i].rule;
        identity_explain(&ret->warnings[i], text);
        rc = weigh(severity_of(a->config, rule), identity_rule_id(rule), where, text, result, e);
    }
    bool is_unknown = ret->division != 0 && ret->kind != IDENTITY_KIND_RESIDENCE && /* 83… is in no table */
                      region_find(a->regions, ret->division) == NULL;
    if (rc == 0 && is_unknown) {
        (void)snprintf(text, sizeof text, "division %u of the number is in no table of divisions", ret->division);
        rc = weigh(a->config->unknown_division, "person.division", where, text, result, e);
    }
    return rc;
}

/* One person of the application: the number in normal form, as the rules want it. */
static int check_person(struct app *a, const char *field, const struct app_person *in,
                        struct app_command_result *result, struct identity_document *document, struct person *ret,
                        struct err *e)
{
    if (in->name == NULL)
        return 0;
    int rc = check_number(a, field, in->id_type, in->id_number, result, document, e);
    *ret = (struct person){.is_named = true, .birth = document->birth, .number = document->number};
    return rc;
}

/* Everything that person_check() wants to know. The numbers live in @documents. */
static int gather(struct app *a, const struct app_submission *s, struct app_command_result *result,
                  struct identity_document documents[3], struct person_set *ret, struct err *e)
{
    const struct app_person applicant = {.name = s->applicant_name, .id_type = s->id_type, .id_number = s->id_number};
    *ret = (struct person_set){.is_organisation = strcmp(s->applicant_kind, "organisation") == 0,
                               .has_authorisation = s->agent.document != NULL && s->agent.scope != NULL,
                               .valid_until = s->agent.valid_until,
                               .has_consent = s->guardian.has_consent};
    int rc = check_person(a, "applicant.id_number", &applicant, result, &documents[0], &ret->applicant, e);
    if (rc == 0)
        rc = check_person(a, "agent.id_number", &s->agent.person, result, &documents[1], &ret->agent, e);
    if (rc == 0)
        rc = check_person(a, "guardian.id_number", &s->guardian.person, result, &documents[2], &ret->guardian, e);
    ret->has_credit_code = documents[0].kind == IDENTITY_KIND_CREDIT;
    ret->has_other_document = documents[0].kind == IDENTITY_KIND_OTHER;
    return rc;
}

int app_check_persons(struct app *a, const struct app_submission *s, uint32_t *ret_division,
                      struct app_command_result *result, struct err *e)
{
    struct identity_document documents[3] = {0};
    struct person_set set;
    int rc = gather(a, s, result, documents, &set, e);
    if (rc != 0)
        return rc;
    enum person_rule rule = person_check(&set, clock_china_date(clock_wall_ms()), &result->sensitive);
    if (person_rule_refuses(rule))
        return err_set(e, ERR_INVALID, person_rule_id(rule), "%s (%s)", person_rule_text(rule),
                       person_rule_source(rule));
    if (rule != PERSON_OK)
        app_warn(result, "%s", person_rule_text(rule));
    /* of a person whose card names one: a residence permit's or an organisation's says nothing about the home division */
    bool has_home = documents[0].kind == IDENTITY_KIND_CITIZEN || documents[0].kind == IDENTITY_KIND_CREDIT;
    *ret_division = s->division != 0 ? s->division : has_home ? documents[0].division : 0;
    return 0;
}

unsigned app_sensitive_flags(struct app *a, const struct app_submission *s)
{
    struct identity_document documents[3] = {0};
    struct person_set set;
    unsigned flags = 0;
    struct err e = {0};
    if (gather(a, s, NULL, documents, &set, &e) == 0)
        (void)person_check(&set, clock_china_date(clock_wall_ms()), &flags); /* the submission says what is wrong */
    return flags;
}

int app_check_identity(struct app *a, const char *id_type, const char *number, struct arena *mem,
                       struct app_identity_view *ret, struct err *e)
{
    char text[IDENTITY_TEXT_SIZE], masked[IDENTITY_SIZE + 1];
    struct identity_document document = {0};
    struct identity_fault fault = {0};
    const struct identity_kind_row *kind = identity_kind_of(id_type);
    if (kind == NULL)
        return err_set(e, ERR_INVALID, "person.kind", "there is no kind of identity number '%.64s'", id_type);
    identity_mask(number, strlen(number), masked);
    *ret = (struct app_identity_view){.masked = arena_strdup(mem, masked)};
    ret->is_valid =
        identity_check(kind->kind, number, strlen(number), clock_china_date(clock_wall_ms()), &document, &fault);
    struct app_command_result notes = {0};
    struct err refusal = {0};
    if (ret->is_valid && check_number(a, "number", id_type, number, &notes, &document, &refusal) != 0) {
        ret->is_valid = false; /* by node.json */
        ret->rule = arena_strdup(mem, refusal.id);
        ret->explanation = arena_strdup(mem, refusal.message);
    } else {
        identity_explain(&fault, text);
        ret->rule = identity_rule_id(fault.rule);
        ret->explanation = arena_strdup(mem, text);
    }
    ret->division = document.division;
    const struct region *region = document.division != 0 ? region_find(a->regions, document.division) : NULL;
    ret->division_name = region != NULL ? region->full_name : NULL;
    ret->birth_year = document.birth / 10000;
    for (uint32_t i = 0; notes.warnings != NULL && i < notes.warnings->count; i++)
        ret->warnings[ret->warning_count++] = arena_strdup(mem, notes.warnings->lines[i]);
    free(notes.warnings);
    return 0;
}
