/* What an item says about its cases (limits, demands, remedies), and who acts in them, without a name.
 *
 * Limits and demands travel with the case as plain attributes of 收件 and 签收, taken from the item that the deciding node
 * published: so every node computes the same due dates, whatever catalog it holds (CASES.md "Limits").
 *
 * An official is a pseudonym: the first 16 bytes of HKDF-SHA-256 over the staff number, keyed by the case key. The same
 * person is the same within one case and nobody across cases; whoever holds the case key can check the number in the
 * sealed content against it; when the key is destroyed, nothing leads back to a person (FORMATS.md "Officials").
 *
 * Loop thread.
 */
#include <stdio.h>
#include <string.h>

#include "catalog/item.h"
#include "node/app_internal.h"
#include "node/base/clock.h"
#include "node/base/xassert.h"
#include "node/cases/command.h"
#include "node/cases/deadline.h"
#include "node/cases/law.h"

#define OFFICIAL_INFO "tongban/official/1"

/* 行政复议法 (2023) 第二十条, 行政诉讼法 (2017) 第四十六条 */
#define REMEDIES_BY_LAW                                                                                                \
    "对本决定不服的,可以自知道本决定之日起60日内依照《中华人民共和国行政复议法》第二十条申请行政复议,"                 \
    "或者自知道或者应当知道本决定之日起6个月内依照《中华人民共和国行政诉讼法》第四十六条提起行政诉讼。"

/* ---- officials ---- */

int app_official(struct app *a, struct case_slot *slot, const char *number, uint8_t ret[CASE_OFFICIAL_SIZE],
                 struct err *e)
{
    size_t size = strlen(number);
    if (size == 0 || size > APP_OFFICIAL_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "case.official-size", "official has %zu bytes, allowed are 1 to %u", size,
                       APP_OFFICIAL_BYTES_MAX);
    struct payload_key key;
    int rc = app_case_key(a, slot, &key, e);
    if (rc == ERR_BUSY)
        app_pull_key(a, slot);
    if (rc != 0)
        return rc;
    struct buf info = {0};
    buf_put(&info, OFFICIAL_INFO "\n", strlen(OFFICIAL_INFO) + 1);
    buf_put(&info, number, size);
    xassert(!info.failed);
    crypto_hkdf(bytes_of(key.key, sizeof key.key), bytes_of(slot->id, sizeof slot->id), buf_bytes(&info), ret,
                CASE_OFFICIAL_SIZE);
    crypto_wipe(&key, sizeof key);
    buf_close(&info);
    return 0;
}

/* ---- limits ---- */

static struct case_limit limit_of(const struct catalog_limit *from)
{
    if (from == NULL || from->n == 0 || from->n > UINT16_MAX)
        return (struct case_limit){0};
    uint8_t unit = from->unit == CATALOG_UNIT_NATURAL ? CASE_UNIT_NATURAL : CASE_UNIT_WORKING;
    return (struct case_limit){.unit = unit, .days = (uint16_t)from->n};
}

/* The sum of the stages [from, to) that have days; none when they do not count in one unit. */
static struct case_limit sum_of(const struct catalog_limits *l, size_t from, size_t to)
{
    struct catalog_limit sum = {.n = 0, .unit = CATALOG_UNIT_WORKING};
    for (size_t i = from; i < to; i++) {
        const struct catalog_stage *stage = &l->stages.at[i];
        if (stage->days == SHAPE_ABSENT)
            continue;
        if (sum.n > 0 && sum.unit != stage->unit)
            return (struct case_limit){0};
        sum.n += stage->days;
        sum.unit = stage->unit;
    }
    return limit_of(&sum);
}

static struct case_limit by_law(enum law_days days)
{
    return (struct case_limit){.unit = CASE_UNIT_WORKING, .days = (uint16_t)days};
}

/* Stages are in the order in which they happen: the window's, the deciding side's, the window's again. */
static void put_stages(const struct catalog_limits *l, bool is_licence, bool has_total,
                       uint8_t limits[CASE_LIMITS_SIZE])
{
    size_t first = l->stages.count, last = 0, deciding = 0;
    for (size_t i = 0; i < l->stages.count; i++) {
        if (l->stages.at[i].side != CATALOG_SIDE_DECIDING)
            continue;
        first = min_of(first, i);
        if (l->stages.at[i].days == SHAPE_ABSENT)
            continue; /* such as a payment "in time", after the applicant was told */
        last = i;
        deciding++;
    }
    if (first == l->stages.count)
        return;
    last = max_of(last, first);
    case_limit_put(limits, CASE_LIMIT_FORWARD, sum_of(l, 0, first));
    if (deciding > 1)
        case_limit_put(limits, CASE_LIMIT_FIRST, sum_of(l, first, first + 1));
    if (is_licence && last > first && l->stages.at[first].days == SHAPE_ABSENT) /* a lower body reviews first */
        case_limit_put(limits, CASE_LIMIT_FIRST, by_law(LAW_DAYS_FIRST_REVIEW));
    if (!has_total)
        case_limit_put(limits, CASE_LIMIT_DECIDE, sum_of(l, first, last + 1));
    case_limit_put(limits, CASE_LIMIT_DELIVER, sum_of(l, last + 1, l->stages.count));
}

static struct case_limit total_of(const struct catalog_item *item)
{
    const struct catalog_limits *l = item->limits;
    return l == NULL ? (struct case_limit){0} : limit_of(l->promised != NULL ? l->promised : l->legal);
}

void app_item_terms(const struct catalog_item *item, uint8_t mode, struct case_command *ret)
{
    bool is_licence = item->type == CATALOG_TYPE_LICENCE, is_joint = mode == CASE_MODE_JOINT;
    uint8_t none[CASE_LIMITS_SIZE] = {0};
    memset(ret->limits, 0, sizeof ret->limits);
    const struct catalog_limits *l = item->limits;
    struct case_limit total = total_of(item);
    if (total.days > 0)
        case_limit_put(ret->limits, CASE_LIMIT_DECIDE, total);
    if (l != NULL)
        put_stages(l, is_licence, total.days > 0, ret->limits);
    if (is_licence && case_limit_get(ret->limits, CASE_LIMIT_DECIDE).days == 0)
        case_limit_put(ret->limits, CASE_LIMIT_DECIDE, by_law(is_joint ? LAW_DAYS_DECIDE_JOINT : LAW_DAYS_DECIDE));
    ret->has_limits = memcmp(ret->limits, none, sizeof none) != 0;
}

/* Days for the stages and none for the whole. Those of a licence run from 受理 all the same (行政许可法第四十二条、第四十三条). */
static bool is_staged(const struct catalog_item *item)
{
    if (item->type == CATALOG_TYPE_LICENCE || item->limits == NULL || total_of(item).days > 0)
        return false;
    for (size_t i = 0; i < item->limits->stages.count; i++)
        if (item->limits->stages.at[i].side == CATALOG_SIDE_DECIDING && item->limits->stages.at[i].days != SHAPE_ABSENT)
            return true;
    return false;
}

/* What the item is and allows. */
static uint8_t terms_of(const struct catalog_item *item)
{
    bool is_licence = item->type == CATALOG_TYPE_LICENCE;
    bool may_lack = item->deferral != NULL && item->deferral->is_allowed;
    bool may_promise = item->promise != NULL && item->promise->is_allowed;
    return (uint8_t)((is_licence ? CASE_TERM_LICENCE : 0) | (may_lack ? CASE_TERM_LACKING : 0) |
                     (may_promise ? CASE_TERM_PROMISE : 0) | (is_staged(item) ? CASE_TERM_STAGED : 0));
}

/* An own item as it stands in the ledger: the version that is published now (@version 0), or an older one. NULL: there is none. */
static struct catalog_item *read_own(struct app *a, const char *code, uint32_t version)
{
    struct arena mem = ARENA_INIT;
    struct app_item_view view;
    struct catalog_item *item = NULL;
    uint32_t self = a->config->region;
    int rc = version == 0 ? app_get_item(a, self, code, &mem, &view, NULL)
                          : app_get_item_version(a, self, code, version, &mem, &view, NULL);
    bool is_gone = rc == 0 && version == 0 && view.withdrawn;
    if (rc == 0 && !is_gone)
        rc = catalog_item_parse(view.json, view.node, view.code, &item, NULL);
    arena_close(&mem);
    return rc == 0 ? item : NULL;
}

void app_receipt_terms(struct app *a, const struct case_state *state, struct case_command *ret)
{
    struct catalog_item *now = read_own(a, state->item_code, 0), *old = NULL;
    bool is_same = now != NULL && (state->item_version == 0 || now->version == state->item_version);
    if (is_same)
        app_item_terms(now, state->mode, ret);
    else if (state->item_version != 0)
        old = read_own(a, state->item_code, state->item_version);
    const struct catalog_item *item = is_same ? now : old;
    ret->demands = now != NULL && now->needs_legal_review ? CASE_DEMAND_REVIEW : 0;
    ret->terms = item == NULL ? 0 : terms_of(item);
    catalog_item_destroy(now);
    catalog_item_destroy(old);
}

/* ---- 容缺受理 ---- */

/* The item of a case in the version that the case stands under. */
static int item_of_case(struct app *a, const struct case_state *state, struct catalog_item **ret, struct err *e)
{
    struct arena mem = ARENA_INIT;
    struct app_item_view view;
    uint32_t node = state->root->lead, version = state->item_version;
    *ret = NULL;
    int rc = version == 0 ? app_get_item(a, node, state->item_code, &mem, &view, e)
                          : app_get_item_version(a, node, state->item_code, version, &mem, &view, e);
    if (rc == 0)
        rc = catalog_item_parse(view.json, view.node, view.code, ret, e);
    arena_close(&mem);
    return rc;
}

int app_check_fee(struct app *a, const struct case_state *state, struct err *e)
{
    struct catalog_item *item = NULL;
    struct err unknown = {0};
    int rc = 0;
    if (state->root != NULL && item_of_case(a, state, &item, &unknown) == 0 && item->fee != NULL &&
        !item->fee->is_charged)
        rc = err_set(
            e, ERR_CONFLICT, "case.fee-none",
            "item '%s', version %u, costs nothing (fee.charged): no fee may be asked for (行政许可法第五十八条)",
            state->item_code, state->item_version);
    catalog_item_destroy(item);
    return rc;
}

/* The shortest of several limits: in working days, and which one it is. */
struct shortest {
    struct app *a;
    const struct case_state *state;
    uint32_t today;
    uint32_t days;
    const char *why; /* NULL: nothing limits it */
};

static void shorten_to(struct shortest *s, uint32_t days, const char *why)
{
    if (s->why != NULL && days >= s->days)
        return;
    s->days = days;
    s->why = why;
}

static void shorten(struct shortest *s, struct case_limit limit, const char *why)
{
    if (limit.days > 0)
        shorten_to(s, app_working_days(s->a, s->state, limit, s->today), why);
}

/* The limit to decide runs from 受理, which is today, or, where the limits are those of stages, since the material came: then what is
 * left of it; a 补正 has ended that, and it begins anew with the accept. The days of what is lacking run from 受理 in any case, when the applicant is told of them. */
static void shorten_to_decision(struct shortest *s, struct casefile *file)
{
    struct deadlines all = {0};
    bool is_running = false;
    if (s->state->limits == NULL)
        return;
    if ((s->state->terms & CASE_TERM_STAGED) != 0)
        app_deadlines(s->a, file, &all);
    for (unsigned i = 0; i < all.count; i++) {
        struct deadline d = all.rows[i];
        if (d.kind != DEADLINE_DECIDE || d.is_stopped)
            continue;
        is_running = true;
        d.unit = CASE_UNIT_WORKING;
        int32_t left = app_days_left(s->a, s->state, &d, s->today);
        shorten_to(s, left > 0 ? (uint32_t)left : 0,
                   "the limit to decide (承诺办结时限), which has run since the material came (收到推送之日起)");
    }
    if (!is_running)
        shorten(s, case_limit_get(s->state->limits, CASE_LIMIT_DECIDE), "the limit to decide (承诺办结时限)");
}

/* How long @material (NULL: anything) may be lacking: not beyond the day by which the case is to be decided, nor longer than the
 * item gives for all, nor than it gives for the material (容缺受理 (地方规定)). @item may be NULL. */
static struct shortest lacking_limit(struct app *a, struct casefile *file, const struct catalog_item *item,
                                     const struct catalog_material *material)
{
    struct shortest s = {.a = a, .state = casefile_state(file), .today = clock_china_date(clock_wall_ms())};
    shorten_to_decision(&s, file);
    if (item != NULL && item->deferral != NULL)
        shorten(&s, limit_of(item->deferral->limit), "deferral.limit of the item (容缺补正时限)");
    for (size_t i = 0; item != NULL && i < item->materials.count; i++)
        if (material == NULL || material == &item->materials.at[i])
            shorten(&s, limit_of(item->materials.at[i].later), "later of its material (容缺后补时限)");
    return s;
}

static int check_days(const struct shortest *s, const char *what, uint32_t days, struct err *e)
{
    if (s->why == NULL || days <= s->days)
        return 0;
    err_set(e, ERR_CONFLICT, "case.lacking-over",
            "%s has %u working days, item '%s', version %u, allows at most %u: %s", what, days, s->state->item_code,
            s->state->item_version, s->days, s->why);
    err_hint(e, "give no more days for what is lacking (容缺受理), or ask for all of it at once (补正告知)");
    return e->code;
}

/* The material of @item that list[at] names. */
static int find_lacking(const struct catalog_item *item, const struct app_lacking *list, size_t at,
                        const struct catalog_material **ret, struct err *e)
{
    const char *code = list[at].code;
    *ret = catalog_item_material(item, code);
    if (*ret == NULL)
        return err_set(e, ERR_INVALID, "case.lacking-material", "item '%s', version %u, has no material '%.64s'",
                       item->code, item->version, code);
    if ((*ret)->necessity != CATALOG_NECESSITY_DEFERRABLE)
        return err_set(e, ERR_INVALID, "case.lacking-material",
                       "material '%.64s' of item '%s', version %u, may not come later (可容缺): it is not deferrable",
                       code, item->code, item->version);
    for (size_t i = 0; i < at; i++)
        if (strcmp(list[i].code, code) == 0)
            return err_set(e, ERR_INVALID, "case.lacking-material", "material '%.64s' stands twice in 'lacking'", code);
    return 0;
}

static int check_lacking_allowed(const struct case_state *state, struct err *e)
{
    if ((state->terms & CASE_TERM_LACKING) != 0)
        return 0;
    err_set(e, ERR_CONFLICT, "case.lacking-unallowed",
            "item '%s', version %u, does not allow to accept while something is lacking (容缺受理: deferral.allowed)",
            state->item_code, state->item_version);
    err_hint(e, "ask for all that is missing at once (补正告知, 行政许可法第三十二条第一款第四项), or accept without "
                "lacking_days");
    return e->code;
}

int app_check_lacking(struct app *a, struct casefile *file, const struct app_event *event, struct err *e)
{
    const struct case_state *state = casefile_state(file);
    struct catalog_item *item = NULL;
    struct err unknown = {0}; /* without the item the case's own limit is left */
    int rc = check_lacking_allowed(state, e);
    if (rc != 0)
        return rc;
    rc = item_of_case(a, state, &item, event->lacking_count > 0 ? e : &unknown);
    if (event->lacking_count == 0) {
        struct shortest s = lacking_limit(a, file, item, NULL);
        rc = check_days(&s, "lacking_days", event->lacking_days, e);
    }
    for (size_t i = 0; rc == 0 && i < event->lacking_count; i++) {
        const struct catalog_material *material;
        char what[96];
        rc = find_lacking(item, event->lacking, i, &material, e);
        if (rc != 0)
            break;
        struct shortest s = lacking_limit(a, file, item, material);
        (void)snprintf(what, sizeof what, "lacking material '%.64s'", event->lacking[i].code);
        rc = check_days(&s, what, event->lacking[i].days, e);
    }
    catalog_item_destroy(item);
    return rc;
}

static int fill_lacking(struct app *a, struct casefile *file, uint32_t days, struct arena *mem,
                        struct app_lacking *list, size_t count, struct err *e)
{
    struct catalog_item *item;
    int rc = item_of_case(a, casefile_state(file), &item, e);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        const struct catalog_material *material;
        rc = find_lacking(item, list, i, &material, e);
        if (rc != 0)
            break;
        struct shortest s = lacking_limit(a, file, item, material);
        list[i].name = arena_strdup(mem, material->name);
        list[i].form = catalog_form_words[material->form];
        if (list[i].days == 0)
            list[i].days = days != 0 ? days : s.days;
        if (list[i].days == 0 && s.why != NULL) /* no day is left */
            rc = check_days(&s, "what is lacking", 1, e);
        else if (list[i].days == 0)
            rc = err_set(
                e, ERR_INVALID, "case.lacking-days",
                "material '%.64s' needs days: neither the item nor the limit to decide says how long it may lack",
                list[i].code);
    }
    catalog_item_destroy(item);
    return rc;
}

int app_case_lacking(struct app *a, const uint8_t case_id[CASE_ID_SIZE], uint32_t days, struct arena *mem,
                     struct app_lacking *list, size_t count, struct err *e)
{
    struct casefile *file, *apart;
    struct case_slot *slot;
    int rc = app_committed_case(a, case_id, &file, &apart, &slot, e);
    if (rc != 0)
        return rc;
    const struct case_state *state = casefile_state(file);
    if (state->root == NULL)
        rc = err_set(e, ERR_NOT_FOUND, "case.unknown", "no such case is held here");
    else
        rc = fill_lacking(a, file, days, mem, list, count, e);
    casefile_destroy(apart);
    return rc;
}

void app_case_last_days(struct app *a, const uint8_t case_id[CASE_ID_SIZE], uint32_t accepted, struct app_lacking *list,
                        size_t count)
{
    struct casefile *file, *apart;
    struct case_slot *slot;
    struct err e = {0};
    if (count == 0 || app_committed_case(a, case_id, &file, &apart, &slot, &e) != 0)
        return; /* whoever asks has just read it, and goes without the days */
    for (size_t i = 0; i < count; i++)
        list[i].due = app_last_working_day(a, casefile_state(file), accepted, list[i].days);
    casefile_destroy(apart);
}

int app_check_promise(const struct catalog_item *item, struct err *e)
{
    if ((terms_of(item) & CASE_TERM_PROMISE) != 0)
        return 0;
    err_set(e, ERR_CONFLICT, "case.promise-unallowed",
            "item '%s', version %u, does not allow a promise in place of a certificate (告知承诺: promise.allowed, "
            "国办发〔2020〕42号)",
            item->code, item->version);
    err_hint(e, "take the application in without the promise: the ordinary procedure");
    return e->code;
}

/* ---- special procedures, remedies ---- */

static int read_item(struct app *a, const struct case_state *state, struct arena *mem, struct catalog_item **ret)
{
    struct store_item row;
    *ret = NULL;
    if (store_read_item(ledger_reader(a->ledger), state->root->lead, state->item_code, mem, &row, NULL) != 0)
        return ERR_NOT_FOUND;
    return catalog_item_parse(row.json, state->root->lead, state->item_code, ret, NULL);
}

/* The first special procedure of this kind that the item declares, or NULL. */
static const struct catalog_special *declared(const struct catalog_item *item, uint8_t pause_kind)
{
    _Static_assert(CATALOG_SPECIAL_HEARING + 1 == CASE_PAUSE_HEARING && CATALOG_SPECIAL_OTHER + 1 == CASE_PAUSE_OTHER,
                   "both are in the order of 行政许可法第四十五条");
    for (size_t i = 0; item != NULL && i < item->special_procedures.count; i++)
        if (item->special_procedures.at[i].kind + 1 == pause_kind)
            return &item->special_procedures.at[i];
    return NULL;
}

int app_pause_terms(struct app *a, const struct case_state *state, struct case_command *cmd, struct err *e)
{
    struct arena mem = ARENA_INIT;
    struct catalog_item *item = NULL;
    if (state->root == NULL || state->lead != cmd->self) /* the rules refuse it: not this node's act */
        return 0;
    (void)read_item(a, state, &mem, &item); /* an item that is gone declares nothing */
    const struct catalog_special *special = declared(item, cmd->pause_kind);
    if (special != NULL && special->days != SHAPE_ABSENT) {
        if (cmd->expected_days == 0 && special->days <= UINT16_MAX)
            cmd->expected_days = (uint16_t)special->days;
        if (cmd->unit == 0)
            cmd->unit = special->unit == CATALOG_UNIT_NATURAL ? CASE_UNIT_NATURAL : CASE_UNIT_WORKING;
    }
    catalog_item_destroy(item);
    arena_close(&mem);
    bool is_hearing = cmd->pause_kind == CASE_PAUSE_HEARING && (state->terms & CASE_TERM_LICENCE) != 0;
    const struct case_limit held = {.unit = cmd->unit, .days = cmd->expected_days};
    if (!is_hearing || app_working_days(a, state, held, clock_china_date(clock_wall_ms())) <= LAW_DAYS_HEARING)
        return 0;
    return err_set(
        e, ERR_CONFLICT, "case.hearing-days",
        "expected_days is %u; a hearing (听证) about a licence is held within %u working days of the request: "
        "行政许可法第四十七条第一款",
        cmd->expected_days, LAW_DAYS_HEARING);
}

int app_case_remedies(struct app *a, const uint8_t case_id[CASE_ID_SIZE], struct arena *mem, const char **ret,
                      struct err *e)
{
    struct casefile *file, *apart;
    struct case_slot *slot;
    struct catalog_item *item = NULL;
    int rc = app_committed_case(a, case_id, &file, &apart, &slot, e);
    if (rc != 0)
        return rc;
    const struct case_state *state = casefile_state(file);
    *ret = REMEDIES_BY_LAW;
    if (state->root != NULL && read_item(a, state, mem, &item) == 0 && item->remedies != NULL) {
        const char *review = item->remedies->review, *litigation = item->remedies->litigation;
        *ret = arena_printf(mem, REMEDIES_BY_LAW "%s%s%s%s", review != NULL ? "行政复议:" : "",
                            review != NULL ? review : "", litigation != NULL ? ";行政诉讼:" : "",
                            litigation != NULL ? litigation : "");
    }
    catalog_item_destroy(item);
    casefile_destroy(apart);
    return 0;
}
