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
#include "node/base/xassert.h"
#include "node/cases/command.h"

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

/* Stages are in the order in which they happen: the window's, the deciding side's, the window's again. */
static void put_stages(const struct catalog_limits *l, uint8_t limits[CASE_LIMITS_SIZE], bool has_total)
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
    if (!has_total)
        case_limit_put(limits, CASE_LIMIT_DECIDE, sum_of(l, first, last + 1));
    case_limit_put(limits, CASE_LIMIT_DELIVER, sum_of(l, last + 1, l->stages.count));
}

void app_item_terms(const struct catalog_item *item, uint8_t mode, struct case_command *ret)
{
    static const struct case_limit by_law = {.unit = CASE_UNIT_WORKING, .days = 20};       /* 第四十二条第一款 */
    static const struct case_limit by_law_joint = {.unit = CASE_UNIT_WORKING, .days = 45}; /* 第四十二条第二款 */
    uint8_t none[CASE_LIMITS_SIZE] = {0};
    memset(ret->limits, 0, sizeof ret->limits);
    const struct catalog_limits *l = item->limits;
    struct case_limit total = {0};
    if (l != NULL)
        total = limit_of(l->promised != NULL ? l->promised : l->legal);
    if (total.days > 0)
        case_limit_put(ret->limits, CASE_LIMIT_DECIDE, total);
    if (l != NULL)
        put_stages(l, ret->limits, total.days > 0);
    if (case_limit_get(ret->limits, CASE_LIMIT_DECIDE).days == 0 && item->type == CATALOG_TYPE_LICENCE)
        case_limit_put(ret->limits, CASE_LIMIT_DECIDE, mode == CASE_MODE_JOINT ? by_law_joint : by_law);
    ret->has_limits = memcmp(ret->limits, none, sizeof none) != 0;
}

/* What the item is and allows. */
static uint8_t terms_of(const struct catalog_item *item)
{
    bool is_licence = item->type == CATALOG_TYPE_LICENCE;
    bool may_lack = item->deferral != NULL && item->deferral->is_allowed;
    bool may_promise = item->promise != NULL && item->promise->is_allowed;
    return (uint8_t)((is_licence ? CASE_TERM_LICENCE : 0) | (may_lack ? CASE_TERM_LACKING : 0) |
                     (may_promise ? CASE_TERM_PROMISE : 0));
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

int app_check_lacking(const struct case_state *state, struct err *e)
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

/* ---- remedies ---- */

static int read_item(struct app *a, const struct case_state *state, struct arena *mem, struct catalog_item **ret)
{
    struct store_item row;
    *ret = NULL;
    if (store_read_item(ledger_reader(a->ledger), state->root->lead, state->item_code, mem, &row, NULL) != 0)
        return ERR_NOT_FOUND;
    return catalog_item_parse(row.json, state->root->lead, state->item_code, ret, NULL);
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
