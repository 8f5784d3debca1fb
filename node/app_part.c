/* Parts of a whole (多地联办, 一件事): noted in it, and what a bundle case does by itself (see app_internal.h).
 *
 * The whole of a bundle is led by the node that took it in: it accepts with the receipt, sends on a part that waits for others when
 * these are granted, takes back the open parts when the whole is withdrawn, and decides and closes when no part is open: granted
 * when all are, else denied. All of it in the transaction that brings the cause, so that no crash comes between.
 *
 * Which part waits for which stands in the sealed content of the whole, which this node wrote; when it cannot be read (erased, or
 * its key is lost), nothing is sent on by itself. A step that the rules do not allow is left to the window.
 */
#include <string.h>

#include <yyjson.h>

#include "node/app_command.h"
#include "node/base/log.h"
#include "node/base/xassert.h"

/* ---- parts of a 多地联办 case ---- */

/* How a part ended, 0 while it has not. A part that was not taken up or taken back is as good as denied. */
static uint8_t ending_of(const struct case_state *s)
{
    if (s->closed_as == CASE_STATUS_CLOSED_GRANTED || s->closed_as == CASE_STATUS_CLOSED_LACKING)
        return CASE_DECISION_GRANT;
    bool is_over = s->closed_as != 0 || s->status == CASE_STATUS_WITHDRAWN || s->status == CASE_STATUS_RETURNED;
    return is_over ? CASE_DECISION_DENY : 0;
}

/* The node that took in both notes in the whole that there is a part, and how it ended: in the transaction that brings it, so
 * that no crash comes between. A whole that does not allow it any more (it is decided) stays as it is. */
void app_follow_part(struct app *a, struct case_slot *slot, struct ledger_txn *txn)
{
    const struct case_state *state = casefile_state(slot->file);
    struct case_slot *parent;
    if (state->root == NULL || state->parent == NULL || state->receiving != a->config->region ||
        memcmp(state->parent, slot->id, CASE_ID_SIZE) == 0 ||
        case_cache_get(a->cases, a->ledger, state->parent, &parent, NULL) != 0)
        return;
    const struct case_state *whole = casefile_state(parent->file);
    if (whole->root == NULL || whole->receiving != a->config->region || (whole->flags & CASE_FLAG_FROZEN) != 0)
        return;
    struct app_draft d = {.command = {.self = a->config->region, .role = CASE_ROLE_SYSTEM, .has_part = true}};
    memcpy(d.command.part, slot->id, CASE_ID_SIZE);
    unsigned at = 0;
    while (at < whole->part_count && memcmp(whole->parts[at].event->part, slot->id, CASE_ID_SIZE) != 0)
        at++;
    bool is_open = at < whole->part_count && whole->parts[at].decision == 0, changed = false;
    if (at == whole->part_count) {
        d.command.type = CASE_EVENT_PART;
        is_open = changed = app_add_event(a, parent, &d, txn);
    }
    d.command.decision = ending_of(state);
    if (is_open && d.command.decision != 0) {
        d.command.type = CASE_EVENT_PART_DONE;
        changed = app_add_event(a, parent, &d, txn) || changed;
    }
    if (changed) {
        app_react(a, parent, txn);
        app_follow_bundle(a, parent, txn);
        app_case_changed(a, parent, txn);
    }
}

/* ---- what a bundle case does by itself ---- */

/* Content of the decision about the whole: each part has its own reasons and remedies. */
static const char all_granted[] = "{\"reason\":\"各分件均已准予\"}";
static const char some_denied[] =
    "{\"reason\":\"有分件未获准予,理由见该分件\",\"remedies\":\"行政复议、行政诉讼的途径见各分件的决定\"}";

static bool add(struct app *a, struct case_slot *slot, struct case_command *command, const char *payload,
                struct ledger_txn *txn)
{
    command->self = a->config->region;
    const struct app_draft d = {.command = *command,
                                .payload = payload == NULL ? bytes_of(NULL, 0) : bytes_of_string(payload)};
    return app_add_event(a, slot, &d, txn);
}

static bool is_led_here(const struct app *a, const struct case_state *whole)
{
    uint32_t node;
    const char *code;
    return whole->root != NULL && whole->lead == a->config->region && whole->receiving == a->config->region &&
           (whole->flags & CASE_FLAG_FROZEN) == 0 && app_bundle_of_item(whole->item_code, &node, &code);
}

/* One part of the whole is done with: @slot has a new event in @txn. */
static void part_changed(struct app *a, struct case_slot *slot, struct ledger_txn *txn)
{
    app_react(a, slot, txn);
    app_follow_part(a, slot, txn);
    app_case_changed(a, slot, txn);
}

/* The decision about the part @id: 0 while it is open or not noted. */
static uint8_t decision_of(const struct case_state *whole, const uint8_t id[CASE_ID_SIZE])
{
    for (unsigned i = 0; i < whole->part_count; i++)
        if (memcmp(whole->parts[i].event->part, id, CASE_ID_SIZE) == 0)
            return whole->parts[i].decision;
    return 0;
}

/* 32 hex digits at @key of @o. */
static bool case_at(yyjson_val *o, uint8_t ret[CASE_ID_SIZE])
{
    size_t size = 0;
    const char *text = yyjson_get_str(o);
    return text != NULL && hex_decode(text, strlen(text), ret, CASE_ID_SIZE, &size) == 0 && size == CASE_ID_SIZE;
}

/* What the parts that the row @part names in "after" have come to: granted when all are, denied when one is. */
static uint8_t awaited(const struct case_state *whole, yyjson_val *part)
{
    uint8_t outcome = CASE_DECISION_GRANT;
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(part, "after"));
    for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
        uint8_t id[CASE_ID_SIZE];
        uint8_t decision = case_at(o, id) ? decision_of(whole, id) : 0;
        if (decision == CASE_DECISION_DENY)
            return decision;
        outcome = decision == 0 ? 0 : outcome;
    }
    return outcome;
}

/* Sends the part on, or gives it back because what it needs was denied. True: the whole was changed by that. */
static bool settle_waiting(struct app *a, const struct case_state *whole, yyjson_val *part, struct ledger_txn *txn)
{
    uint8_t id[CASE_ID_SIZE];
    struct case_slot *slot;
    uint8_t outcome = awaited(whole, part);
    if (outcome == 0 || !case_at(yyjson_obj_get(part, "case"), id) || decision_of(whole, id) != 0 ||
        case_cache_get(a->cases, a->ledger, id, &slot, NULL) != 0 ||
        casefile_state(slot->file)->status != CASE_STATUS_RECEIVED)
        return false;
    case_cache_touch(slot, txn);
    bool is_return = outcome == CASE_DECISION_DENY;
    struct case_command command = {.type = is_return ? CASE_EVENT_RETURN : CASE_EVENT_FORWARD,
                                   .role = is_return ? CASE_ROLE_WINDOW : CASE_ROLE_SYSTEM,
                                   .reason = ""};
    if (is_return)
        memcpy(command.reason, APP_BUNDLE_AFTER_DENIED, sizeof APP_BUNDLE_AFTER_DENIED);
    if (!add(a, slot, &command, NULL, txn))
        return false;
    part_changed(a, slot, txn);
    return is_return;
}

/* The sealed content of the whole's 收件; NULL when it cannot be read, or is on its way to the disk. The caller frees it. */
static yyjson_doc *read_content(struct app *a, const struct case_state *whole)
{
    struct arena mem = ARENA_INIT;
    struct store_entry entry;
    struct bytes text = {0};
    enum app_content content = APP_CONTENT_NONE;
    struct err e = {0};
    yyjson_doc *doc = NULL;
    if (ledger_reader(a->ledger) != NULL &&
        store_read_entry(ledger_reader(a->ledger), whole->root->origin, whole->root->index, &mem, &entry, &e) == 0 &&
        app_open_payload(a, &entry, &mem, &text, &content, &e) == 0 && text.size > 0) {
        doc = yyjson_read((const char *)text.data, text.size, 0);
        crypto_wipe((void *)(uintptr_t)text.data, text.size); /* the arena's own copy */
    }
    arena_close(&mem);
    return doc;
}

static void settle_all_waiting(struct app *a, struct case_slot *slot, struct ledger_txn *txn)
{
    const struct case_state *whole = casefile_state(slot->file);
    yyjson_doc *doc = read_content(a, whole); /* NULL: a new case, none of whose parts has ended, or it is gone */
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(yyjson_doc_get_root(doc), "parts"));
    for (yyjson_val *part = yyjson_arr_iter_next(&it); part != NULL; part = yyjson_arr_iter_next(&it))
        if (yyjson_arr_size(yyjson_obj_get(part, "after")) > 0 && settle_waiting(a, whole, part, txn))
            break; /* app_follow_part() has come here again with the new state, and done the rest */
    yyjson_doc_free(doc);
}

size_t app_shared_uses(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const char *code,
                       struct app_shared_use ret[CASE_PARTS_MAX])
{
    struct case_slot *slot;
    size_t count = 0;
    if (code[0] == '\0' || case_cache_get(a->cases, a->ledger, case_id, &slot, NULL) != 0 ||
        !is_led_here(a, casefile_state(slot->file)))
        return 0;
    yyjson_doc *doc = read_content(a, casefile_state(slot->file));
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(yyjson_doc_get_root(doc), "parts"));
    for (yyjson_val *part = yyjson_arr_iter_next(&it); part != NULL && count < CASE_PARTS_MAX;
         part = yyjson_arr_iter_next(&it)) {
        const char *own = yyjson_get_str(yyjson_obj_get(yyjson_obj_get(part, "materials"), code));
        if (own == NULL || strlen(own) >= sizeof ret[count].code ||
            !case_at(yyjson_obj_get(part, "case"), ret[count].case_id))
            continue;
        memcpy(ret[count++].code, own, strlen(own) + 1);
    }
    yyjson_doc_free(doc);
    return count;
}

static void withdraw_parts(struct app *a, const struct case_state *whole, struct ledger_txn *txn)
{
    uint8_t ids[CASE_PARTS_MAX][CASE_ID_SIZE];
    unsigned count = 0;
    for (unsigned i = 0; i < whole->part_count; i++)
        if (whole->parts[i].decision == 0)
            memcpy(ids[count++], whole->parts[i].event->part, CASE_ID_SIZE);
    for (unsigned i = 0; i < count; i++) {
        struct case_slot *slot;
        struct case_command command = {.type = CASE_EVENT_WITHDRAW, .role = CASE_ROLE_APPLICANT};
        if (case_cache_get(a->cases, a->ledger, ids[i], &slot, NULL) != 0 ||
            casefile_state(slot->file)->receiving != a->config->region)
            continue;
        case_cache_touch(slot, txn);
        if (add(a, slot, &command, NULL, txn))
            part_changed(a, slot, txn);
    }
}

static void decide_whole(struct app *a, struct case_slot *slot, struct ledger_txn *txn)
{
    const struct case_state *whole = casefile_state(slot->file);
    bool has_open = whole->part_count == 0, has_denied = false;
    for (unsigned i = 0; i < whole->part_count; i++) {
        has_open = has_open || whole->parts[i].decision == 0;
        has_denied = has_denied || whole->parts[i].decision == CASE_DECISION_DENY;
    }
    if (has_open)
        return;
    struct case_command decide = {.type = CASE_EVENT_DECIDE,
                                  .role = CASE_ROLE_DECIDER,
                                  .decision = has_denied ? CASE_DECISION_DENY : CASE_DECISION_GRANT,
                                  .told = has_denied ? CASE_TOLD_REASONS | CASE_TOLD_REMEDIES : 0};
    struct case_command close = {.type = CASE_EVENT_CLOSE, .role = CASE_ROLE_SYSTEM};
    if (add(a, slot, &decide, has_denied ? some_denied : all_granted, txn))
        (void)add(a, slot, &close, NULL, txn); /* decided stands by itself, the window closes it then */
}

static bool is_in_procedure(uint8_t status)
{
    return status == CASE_STATUS_ACCEPTED || status == CASE_STATUS_PROCESSING || status == CASE_STATUS_RESUMED;
}

void app_follow_bundle(struct app *a, struct case_slot *slot, struct ledger_txn *txn)
{
    const struct case_state *whole = casefile_state(slot->file);
    if (!is_led_here(a, whole))
        return;
    case_cache_touch(slot, txn); /* it stays in the cache while its parts are read */
    struct case_command accept = {.type = CASE_EVENT_ACCEPT, .role = CASE_ROLE_DECIDER};
    if (whole->status == CASE_STATUS_ARRIVED)
        (void)add(a, slot, &accept, NULL, txn); /* not now: the window accepts it then */
    uint8_t status = casefile_state(slot->file)->status;
    if (status == CASE_STATUS_WITHDRAWN)
        withdraw_parts(a, casefile_state(slot->file), txn);
    if (!is_in_procedure(status))
        return;
    settle_all_waiting(a, slot, txn);
    if (is_in_procedure(casefile_state(slot->file)->status))
        decide_whole(a, slot, txn);
}
