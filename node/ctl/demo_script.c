/* The script of a demo peer (see demo_script.h). */
#include "node/ctl/demo_script.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "node/base/xassert.h"

const char demo_script_default[] =
    "# What the demo peer does, by the applicant's name: 补正 asks for a correction, 拒绝 denies, 不予受理 refuses to "
    "take it up,\n"
    "# 慢 takes a minute for each step, 沉默 never does anything; every other case is granted within seconds.\n"
    "rule correction\n"
    "  applicant *补正*\n"
    "  after 1 correct reason_code=material.missing reason=\"缺少监护关系证明,请一次补齐\n"
    "  on supplement after 1 accept\n"
    "  after 1 process\n"
    "  after 1 decide decision=grant\n"
    "  close\n"
    "  after 1 deliver channel=electronic\n"
    "rule denial\n"
    "  applicant *拒绝*\n"
    "  after 1 accept\n"
    "  after 1 process\n"
    "  after 1 decide decision=deny reason_code=not.qualified "
    "reason=\"不符合规定条件;可依法申请行政复议或者提起行政诉讼\n"
    "  close\n"
    "rule refusal\n"
    "  applicant *不予受理*\n"
    "  after 1 refuse reason_code=not.competent reason=\"不属于本机关职权范围\n"
    "rule slow\n"
    "  applicant *慢*\n"
    "  after 60 accept\n"
    "  after 60 process\n"
    "  after 60 decide decision=grant\n"
    "  after 60 close\n"
    "rule silence\n"
    "  applicant *沉默*\n"
    "rule granted\n"
    "  after 1 accept\n"
    "  after 1 process\n"
    "  after 1 decide decision=grant\n"
    "  close\n"
    "  after 1 deliver channel=electronic\n";

/* `fault deny-all` */
static const struct demo_step denial_steps[] = {
    {.type = "accept"},
    {.type = "process"},
    {.type = "decide",
     .fields = {{"decision", "deny"}, {"reason_code", "deny_all"}, {"reason", "模拟对端的故障设置:一律不予"}},
     .field_count = 3},
    {.type = "close"},
};
static const struct demo_rule denial = {.name = "deny-all"};

struct parse {
    const char *what;
    unsigned line;
    struct arena *mem;
    struct demo_script *script;
    struct demo_rule *rule, **tail;
    struct err *e;
};

static int fail(struct parse *p, const char *what, const char *value)
{
    return err_set(p->e, ERR_INVALID, "demo.script", "%s, line %u: %s: '%.64s'", p->what, p->line, what, value);
}

/* The next word of *at, NUL-terminated in place; NULL at the end. */
static char *word(char **at)
{
    char *start = *at + strspn(*at, " \t");
    if (*start == '\0')
        return NULL;
    size_t size = strcspn(start, " \t");
    *at = start + size + (start[size] != '\0');
    start[size] = '\0';
    return start;
}

static int seconds(struct parse *p, const char *text, uint32_t *ret_ms)
{
    uint64_t v = 0;
    if (text == NULL || decimal_parse(bytes_of_string(text), &v) != 0 || v > DEMO_SECONDS_MAX)
        return fail(p, "a number of seconds from 0 to 86400 is wanted", text != NULL ? text : "");
    *ret_ms = (uint32_t)v * 1000;
    return 0;
}

/* FIELD=VALUE, the value to the next blank, or behind a double quote to the end of the line. */
static int take_field(struct parse *p, char **at, struct demo_step *step, bool *ret_end)
{
    char *start = *at + strspn(*at, " \t");
    *ret_end = *start == '\0';
    if (*ret_end)
        return 0;
    size_t name = strcspn(start, "= \t");
    if (start[name] != '=' || name == 0)
        return fail(p, "FIELD=VALUE is wanted", start);
    if (step->field_count == DEMO_FIELDS_MAX)
        return fail(p, "more than 8 fields", start);
    char *value = start + name + 1;
    start[name] = '\0';
    if (*value == '"') {
        value++;
        *at = value + strlen(value);
    } else {
        size_t size = strcspn(value, " \t");
        *at = value + size + (value[size] != '\0');
        value[size] = '\0';
    }
    step->fields[step->field_count++] = (struct demo_field){.name = start, .value = value};
    return 0;
}

static int take_step(struct parse *p, char *first, char **at)
{
    struct demo_step step = {.line = p->line};
    int rc = 0;
    if (strcmp(first, "on") == 0) {
        step.on = word(at);
        first = word(at);
    }
    if (first != NULL && strcmp(first, "after") == 0) {
        rc = seconds(p, word(at), &step.after_ms);
        first = word(at);
    }
    if (rc != 0)
        return rc;
    if (first == NULL || strchr(first, '=') != NULL)
        return fail(p, "an event is wanted", first != NULL ? first : "");
    step.type = first;
    for (bool end = false; rc == 0 && !end;)
        rc = take_field(p, at, &step, &end);
    if (rc != 0)
        return rc;
    if (p->rule->step_count == DEMO_STEPS_MAX)
        return fail(p, "more than 64 steps", first);
    if (p->rule->steps == NULL)
        p->rule->steps = arena_alloc(p->mem, DEMO_STEPS_MAX * sizeof *p->rule->steps);
    p->rule->steps[p->rule->step_count++] = step;
    return 0;
}

static int take_rule(struct parse *p, const char *name)
{
    if (name == NULL)
        return fail(p, "a rule needs a name", "");
    struct demo_rule *rule = arena_alloc(p->mem, sizeof *rule);
    *rule = (struct demo_rule){.name = name};
    *p->tail = rule;
    p->tail = &rule->next;
    p->rule = rule;
    return 0;
}

static int take_fault(struct parse *p, char *at)
{
    struct demo_script *s = p->script;
    const char *kind = word(&at);
    int rc = 0;
    if (kind != NULL && strcmp(kind, "deny-all") == 0) {
        s->deny_all = true;
    } else if (kind != NULL && strcmp(kind, "slow") == 0) {
        rc = seconds(p, word(&at), &s->slow_ms);
    } else if (kind != NULL && strcmp(kind, "offline") == 0) {
        const char *after = word(&at);
        if (after == NULL || strcmp(after, "after") != 0)
            return fail(p, "'offline after SECONDS for SECONDS' is wanted", after != NULL ? after : "");
        rc = seconds(p, word(&at), &s->offline_after_ms);
        const char *duration = word(&at);
        if (rc == 0 && (duration == NULL || strcmp(duration, "for") != 0))
            return fail(p, "'offline after SECONDS for SECONDS' is wanted", duration != NULL ? duration : "");
        if (rc == 0)
            rc = seconds(p, word(&at), &s->offline_for_ms);
        s->has_offline = true;
    } else {
        return fail(p, "a fault is 'offline after SECONDS for SECONDS', 'slow SECONDS' or 'deny-all'",
                    kind != NULL ? kind : "");
    }
    const char *more = rc == 0 ? word(&at) : NULL;
    return more != NULL ? fail(p, "nothing may follow", more) : rc;
}

static int take_line(struct parse *p, char *line)
{
    char *at = line;
    char *first = word(&at);
    if (first == NULL || first[0] == '#')
        return 0;
    if (strcmp(first, "fault") == 0)
        return take_fault(p, at);
    if (strcmp(first, "rule") == 0)
        return take_rule(p, word(&at));
    if (p->rule == NULL)
        return fail(p, "a rule must stand before it", first);
    const struct {
        const char *name;
        const char **to;
    } conditions[] = {{"item", &p->rule->item}, {"applicant", &p->rule->applicant}, {"mode", &p->rule->mode}};
    for (size_t i = 0; i < array_count(conditions); i++) {
        if (strcmp(first, conditions[i].name) != 0)
            continue;
        *conditions[i].to = word(&at);
        if (*conditions[i].to == NULL)
            return fail(p, "a pattern is wanted", "");
        const char *more = word(&at);
        return more != NULL ? fail(p, "nothing may follow the pattern", more) : 0;
    }
    return take_step(p, first, &at);
}

int demo_script_parse(const char *text, const char *what, struct arena *mem, struct demo_script *ret, struct err *e)
{
    *ret = (struct demo_script){0};
    struct parse p = {.what = what, .mem = mem, .script = ret, .tail = &ret->rules, .e = e};
    char *copy = arena_strdup(mem, text);
    int rc = 0;
    while (rc == 0 && *copy != '\0') {
        size_t size = strcspn(copy, "\r\n");
        bool end = copy[size] == '\0';
        p.line += end || copy[size] == '\n';
        copy[size] = '\0';
        rc = take_line(&p, copy);
        copy += size + !end;
    }
    return rc;
}

int demo_script_fault(struct demo_script *s, const char *text, struct err *e)
{
    struct arena mem = ARENA_INIT;
    struct parse p = {.what = "--fault", .line = 1, .mem = &mem, .script = s, .e = e};
    int rc = take_fault(&p, arena_strdup(&mem, text)); /* keeps numbers only */
    arena_close(&mem);
    return rc;
}

static bool matches(const char *pattern, const char *text)
{
    return pattern == NULL || (text != NULL && fnmatch(pattern, text, 0) == 0);
}

const struct demo_rule *demo_script_rule(const struct demo_script *s, const char *item, const char *mode,
                                         const char *applicant)
{
    if (s->deny_all)
        return &denial;
    for (const struct demo_rule *rule = s->rules; rule != NULL; rule = rule->next)
        if (matches(rule->item, item) && matches(rule->mode, mode) && matches(rule->applicant, applicant))
            return rule;
    return NULL;
}

bool demo_script_needs_applicant(const struct demo_script *s)
{
    for (const struct demo_rule *rule = s->rules; rule != NULL && !s->deny_all; rule = rule->next)
        if (rule->applicant != NULL)
            return true;
    return false;
}

const struct demo_step *demo_script_next(const struct demo_script *s, const struct demo_rule *rule,
                                         const struct demo_event *events, size_t count, uint32_t self, bool *ret_waits,
                                         uint64_t *ret_due_ms)
{
    const struct demo_step *steps = rule == &denial ? denial_steps : rule->steps;
    size_t step_count = rule == &denial ? array_count(denial_steps) : rule->step_count, at = 0;
    uint64_t base_ms = 0;
    bool has_arrived = false, is_called = false; /* what `on` waits for has come */
    for (size_t i = 0; i < count && at < step_count; i++) {
        const struct demo_event *event = &events[i];
        if (!has_arrived) {
            has_arrived = strcmp(event->type, "receipt") == 0;
            base_ms = event->at_ms;
            continue;
        }
        if (event->origin == self && strcmp(event->type, steps[at].type) == 0 && (steps[at].on == NULL || is_called)) {
            at++;
            base_ms = event->at_ms;
            is_called = false;
        } else if (steps[at].on != NULL && strcmp(event->type, steps[at].on) == 0) {
            base_ms = event->at_ms;
            is_called = true;
        }
    }
    bool is_open = at < step_count;
    *ret_waits = is_open && (!has_arrived || (steps[at].on != NULL && !is_called));
    if (!is_open || *ret_waits)
        return NULL;
    *ret_due_ms = base_ms + steps[at].after_ms + s->slow_ms;
    return &steps[at];
}
