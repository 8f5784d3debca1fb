/* Why an event did what it did, as one English sentence with the Chinese terms (casefile.h). It reads nothing but the
 * effect, so that the sentence is the same on every node and in the API, the console and the CLI. Pure, any thread.
 */
#include <stdio.h>
#include <string.h>

#include "node/base/utf8.h"
#include "node/cases/casefile.h"
#include "node/cases/fold.h"
#include "node/cases/rules.h"

const char *case_effect_name(uint8_t kind)
{
    switch (kind) {
#define X(name, value, text)                                                                                           \
    case name:                                                                                                         \
        return text;
        CASE_EFFECTS(X)
#undef X
    default:
        return NULL;
    }
}

const char *case_why_code(uint8_t why)
{
    switch (why) {
#define X(name, code)                                                                                                  \
    case name:                                                                                                         \
        return code;
        CASE_WHYS(X)
#undef X
    default:
        return NULL;
    }
}

/* "accept (受理)" */
#define TERM_SIZE 64
static const char *event_term(uint16_t type, char *out)
{
    const char *name = case_event_name(type);
    if (name == NULL)
        (void)snprintf(out, TERM_SIZE, "event type %u", type);
    else
        (void)snprintf(out, TERM_SIZE, "%s (%s)", name, case_event_chinese(type));
    return out;
}

static const char *status_term(uint8_t status, char *out)
{
    (void)snprintf(out, TERM_SIZE, "%s (%s)", case_status_name(status), case_status_chinese(status));
    return out;
}

static const struct rule *any_rule(uint16_t type)
{
    return rules_find(CASE_RULES_VERSION, type);
}

static void explain_node(const struct case_effect *f, const char *what, char *out, size_t size)
{
    const struct rule *row = any_rule(f->event->type);
    const char *whose = "the deciding node's";
    uint32_t node = f->lead;
    if (row != NULL && row->who == RULE_WHO_RECEIVING) {
        whose = "the receiving node's";
        node = f->receiving;
    }
    if (row != NULL && row->who == RULE_WHO_EITHER)
        (void)snprintf(out, size,
                       "refused: %s is an act of the receiving node (%u) or the deciding node (%u), the author is %u",
                       what, f->receiving, f->lead, f->event->origin);
    else if (row != NULL && row->who == RULE_WHO_SUPERVISOR)
        (void)snprintf(
            out, size,
            "refused: %s is the act of a superior of the deciding node (%u) and of the node it names, and has "
            "to cite the last leaf it accepts; the author is %u",
            what, f->lead, f->event->origin);
    else
        (void)snprintf(out, size, "refused: %s is %s act (%u), the author is %u", what, whose, node, f->event->origin);
}

static void explain_role(const struct case_effect *f, const char *what, char *out, size_t size)
{
    const char *role = case_role_name(f->event->role);
    if (role == NULL)
        (void)snprintf(out, size, "refused: %s cannot be done in role %u", what, f->event->role);
    else
        (void)snprintf(out, size, "refused: %s cannot be done in the role %s (%s)", what, role,
                       case_role_chinese(f->event->role));
}

/* Names what is missing: "refused: refuse (不予受理) needs reason_code". */
static void explain_attribute(const struct case_effect *f, const char *what, char *out, size_t size)
{
    const struct rule *row = any_rule(f->event->type);
    uint32_t missing = row == NULL ? 0 : fold_missing_attrs(f->event, row->needs);
    (void)snprintf(out, size, "refused: %s needs", what);
    const char *separator = " ";
    for (uint16_t tag = 1; tag <= CASE_EVENT_ATTRS_MAX; tag++) {
        size_t at = strlen(out);
        if ((missing & RULE_ATTR(tag)) == 0)
            continue;
        (void)snprintf(out + at, size - at, "%s%s", separator, case_attr_name(tag));
        separator = " and ";
    }
}

static void explain_ok(const struct case_effect *f, const char *what, char *out, size_t size)
{
    char before[TERM_SIZE];
    char after[TERM_SIZE];
    uint32_t author = f->event->origin;
    (void)status_term(f->status_before, before);
    (void)status_term(f->status_after, after);
    switch ((enum case_why)f->why) {
    case CASE_WHY_VOIDS:
        (void)snprintf(out, size,
                       "done: %s by %u makes the decision of %u void, which its author had not seen and which was not "
                       "delivered; the case is %s",
                       what, author, f->voids->origin, after);
        break;
    case CASE_WHY_SECOND_CORRECTION:
        (void)snprintf(out, size,
                       "done, but against 行政许可法第三十二条第一款第四项: %s by %u was told a second time, it has to "
                       "be told once and completely; the case is %s",
                       what, author, after);
        break;
    case CASE_WHY_DEEMED:
        (void)snprintf(out, size,
                       "done by law: %s, because node %u did not tell the applicant in time what to correct "
                       "(行政许可法第三十二条第一款第四项); the case is %s",
                       what, author, after);
        break;
    case CASE_WHY_EXTENSION_OVER:
        (void)snprintf(out, size,
                       "done, but against 行政许可法第四十二条: %s by %u adds %u days, the law gives 10, or 15 where "
                       "several authorities act together; the case stays %s",
                       what, author, f->event->extend_days, after);
        break;
    case CASE_WHY_LACKING_UNALLOWED:
        (void)snprintf(out, size,
                       "done, but against the item, which does not allow to accept while something is lacking "
                       "(容缺受理): %s by %u gives %u days for it; the case is %s",
                       what, author, f->event->lacking_days, after);
        break;
    case CASE_WHY_LACKING_OVER:
        (void)snprintf(
            out, size,
            "done, but something may be lacking (容缺受理) for longer than the case may take: %s by %u gives "
            "%u days for it; the case is %s",
            what, author, f->event->lacking_days, after);
        break;
    case CASE_WHY_PROMISE_UNALLOWED:
        (void)snprintf(
            out, size,
            "done: %s by %u; the applicant's promise (告知承诺) is against the item, which does not allow one "
            "(国办发〔2020〕42号); the case is %s",
            what, author, after);
        break;
    case CASE_WHY_RECORDED:
        if (f->event->type == CASE_EVENT_HANDOVER || f->event->type == CASE_EVENT_SUPERVISE)
            (void)snprintf(out, size, "done: %s by %u, the deciding node is %u instead of %u", what, author,
                           f->event->lead, f->lead);
        else
            (void)snprintf(out, size, "done: %s by %u, the case stays %s", what, author, after);
        break;
    default:
        if (f->status_before == CASE_STATUS_NONE)
            (void)snprintf(out, size, "done: %s by %u, the case is %s", what, author, after);
        else
            (void)snprintf(out, size, "done: %s by %u, the case goes from %s to %s", what, author, before, after);
    }
}

static void explain_status(const struct case_effect *f, const char *what, char *out, size_t size)
{
    char status[TERM_SIZE];
    const struct rule *row = any_rule(f->event->type);
    (void)snprintf(out, size, "refused: %s is not possible while the case is %s%s%s", what,
                   status_term(f->status_before, status),
                   row == NULL ? "" : "; rule: ", row == NULL ? "" : row->source);
}

_Static_assert(CASE_PARTS_MAX == 32, "the sentence for CASE_WHY_PARTS_FULL says 32");

/* Reasons that are one sentence about the event: %s is the event's term. */
/* long: one sentence for each reason */
static const char *plain_text(uint8_t why)
{
    switch ((enum case_why)why) {
    case CASE_WHY_PARENT_MISSING:
        return "waiting: %s cites an event that this node does not hold yet";
    case CASE_WHY_NO_ROOT:
        return "refused: %s belongs to a case that was never handed in (收件)";
    case CASE_WHY_SECOND_ROOT:
        return "refused: %s is a second one, the case was handed in by another one";
    case CASE_WHY_ROOT_HAS_PARENTS:
        return "refused: %s opens a case and cannot cite earlier events";
    case CASE_WHY_RULES_UNKNOWN:
        return "refused: %s stands under rules that this program does not know; update it";
    case CASE_WHY_MALFORMED:
        return "refused: %s has an attribute of no valid form";
    case CASE_WHY_CITATION:
        return "refused: %s cites an event under another author or index";
    case CASE_WHY_STRAY:
        return "refused: %s does not follow from the event that opened the case";
    case CASE_WHY_TYPE_UNKNOWN:
        return "no effect: %s is unknown to this version of the rules";
    case CASE_WHY_FORKED:
        return "refused: %s is invalid, its author wrote two different leaves at this index or before";
    case CASE_WHY_CUT_OFF:
        return "refused: %s comes after the last leaf that the supervisor (监督部门) accepted";
    case CASE_WHY_REPEATED:
        return "no effect: %s repeats a request that was done before";
    case CASE_WHY_FROZEN:
        return "refused: %s has to wait, the case is frozen (冻结) until a supervisor (监督部门) names another "
               "deciding node";
    case CASE_WHY_CHECKS_MISSING:
        return "refused: %s needs identity_check (身份核验) and form_check (形式审查) first";
    case CASE_WHY_ONCE:
        return "refused: %s was made before, there is one for each side of a case; rule: 好差评 一次一评";
    case CASE_WHY_NOT_GRANTED:
        return "refused: %s needs a decision that grants (准予), there is none";
    case CASE_WHY_SAME_LEAD:
        return "refused: %s names the node that decides already";
    case CASE_WHY_NOT_DEEMED:
        return "refused: %s by silence (视为受理) is for licences (行政许可), the item is none; "
               "rule: 行政许可法第三十二条第一款第四项";
    case CASE_WHY_NOT_LICENCE:
        return "refused: %s is for licences (行政许可), the item is none; rule: 双公示";
    case CASE_WHY_REASONS_UNTOLD:
        return "refused: %s needs the reason told to the applicant, and a refusal also the ways of appeal "
               "(复议、诉讼); "
               "rule: 行政许可法第三十八条、第四十二条";
    case CASE_WHY_BASIS_UNTOLD:
        return "refused: %s of kind other (其他) needs the reason and the law that stops the time (reason, basis), "
               "told to "
               "the applicant; rule: 行政许可法第四十五条";
    case CASE_WHY_REVIEW_MISSING:
        return "refused: %s needs a legal review (法制审核) that passed, the item demands it; rule: "
               "国办发〔2018〕118号";
    case CASE_WHY_SAME_OFFICIAL:
        return "refused: %s is not for the official who did the legal review (法制审核), it takes two; "
               "rule: 国办发〔2018〕118号";
    case CASE_WHY_OFFICIAL_MISSING:
        return "refused: %s needs the official who acts, because the item demands a legal review (法制审核) by another "
               "one; rule: 国办发〔2018〕118号";
    case CASE_WHY_EXTENDED_ONCE:
        return "refused: %s is possible once, the limit was extended before; rule: 行政许可法第四十二条";
    case CASE_WHY_NOTHING_LACKING:
        return "refused: %s makes no sense, nothing is lacking (容缺) in this case";
    case CASE_WHY_LACKING:
        return "refused: %s has to wait until what is lacking (容缺) has been handed in and confirmed; "
               "rule: 容缺受理 (地方规定)";
    case CASE_WHY_NO_PROMISE:
        return "refused: %s makes no sense, the applicant gave no promise (告知承诺)";
    case CASE_WHY_BREACHED:
        return "refused: %s cannot grant, the promise (告知承诺) was false; rule: 国办发〔2020〕42号";
    case CASE_WHY_NO_BAD_MARK:
        return "refused: %s answers a bad mark (差评: 1 or 2), this side has none";
    case CASE_WHY_OTHER_SIDE:
        return "refused: %s is the act of the side that got the mark";
    case CASE_WHY_PARTS_OPEN:
        return "refused: %s has to wait until all parts (联办分件) have ended; rule: 国办发〔2020〕35号 多地联办";
    case CASE_WHY_PART_DENIED:
        return "refused: %s cannot grant, a part (联办分件) was denied or lapsed; rule: 国办发〔2020〕35号 多地联办";
    case CASE_WHY_PART_UNKNOWN:
        return "refused: %s names no part (联办分件) of this case that is open, or granted and lapses";
    case CASE_WHY_PARTS_FULL:
        return "refused: %s is one too many, a case has at most 32 parts (联办分件)";
    case CASE_WHY_DECISION_KNOWN:
        return "too late: %s was written by somebody who had seen the decision; read it as a request to revoke (撤销)";
    case CASE_WHY_DELIVERED:
        return "too late: %s crossed the delivery (送达) of the result, which stands";
    case CASE_WHY_TOO_LATE:
        return "too late: %s came after the case had moved on";
    case CASE_WHY_ALREADY:
        return "no effect: %s was done before";
    case CASE_WHY_SEEN:
        return "no effect: %s only shows what its author has seen";
    default:
        return NULL;
    }
}

static void put_plain(const char *text, const char *what, char *out, size_t size)
{
    const char *gap = strstr(text, "%s");
    (void)snprintf(out, size, "%.*s%s%s", (int)(gap - text), text, what, gap + 2);
}

const char *case_effect_explain(const struct case_effect *effect, char *out, size_t size)
{
    char what[TERM_SIZE];
    (void)event_term(effect->event->type, what);
    if (effect->kind == CASE_EFFECT_OK)
        explain_ok(effect, what, out, size);
    else if (effect->why == CASE_WHY_NODE)
        explain_node(effect, what, out, size);
    else if (effect->why == CASE_WHY_ROLE)
        explain_role(effect, what, out, size);
    else if (effect->why == CASE_WHY_ATTRIBUTE)
        explain_attribute(effect, what, out, size);
    else if (effect->why == CASE_WHY_STATUS)
        explain_status(effect, what, out, size);
    else
        put_plain(plain_text(effect->why), what, out, size);
    utf8_trim_partial(out);
    return out;
}
