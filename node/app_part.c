/* Parts of a whole (多地联办, 一件事): noted in it, taken back with it, and what a bundle case does by itself (see app_internal.h).
 *
 * The node that took in both notes in the whole that there is a part, how it ended, and that its grant was revoked afterwards. When the
 * whole is withdrawn, it withdraws the open parts that it took in. What is to become of the whole is its lead's decision; the whole of a
 * bundle is led by the node that took it in: it accepts with the receipt, sends on a part that waits for others when these are granted,
 * and decides and closes when no part is open: granted when all are, else denied. All of it in the transaction that brings the cause, so
 * that no crash comes between.
 *
 * Which part waits for which stands in the sealed content of the whole, which this node wrote; when it cannot be read (erased, or
 * its key is lost), nothing is sent on by itself. A step that the rules do not allow is left to the window.
 */
#include <string.h>

#include <yyjson.h>

#include "node/app_command.h"
#include "node/base/log.h"
#include "node/base/xassert.h"
#include "node/cases/rules.h"
#include "node/cases/status.h"

/* ---- parts of a 多地联办 case ---- */

/* What a part has come to, 0 while it is open. One that was not taken up, taken back or revoked is as good as denied; taken back it is when
 * its lead has said so, which may have decided it meanwhile: what is noted in the whole is never taken back. */
uint8_t app_part_ending(uint8_t status, uint8_t level, uint8_t closed_as)
{
    bool is_void = (status == CASE_STATUS_WITHDRAWN && level == CASE_LEVEL_SEQUENCED) || status == CASE_STATUS_RETURNED;
    if (is_void || status == CASE_STATUS_REVOKED)
        return CASE_PART_DENIED;
    if (closed_as == CASE_STATUS_CLOSED_GRANTED || closed_as == CASE_STATUS_CLOSED_LACKING)
        return CASE_PART_GRANTED;
    return closed_as != 0 ? CASE_PART_DENIED : 0;
}

/* A whole that this node took in must be here, undecided, and a whole. One that another node took in may be on its way or none of this
 * node's business: its own node is asked by the clerk to note the part, so the applicant is not sent away. */
int app_check_parent(struct app *a, const uint8_t parent[CASE_ID_SIZE], struct app_command_result *result,
                     struct err *e)
{
    char hex[2 * CASE_ID_SIZE + 1], above[2 * CASE_ID_SIZE + 1];
    struct case_slot *slot;
    hex_encode(parent, CASE_ID_SIZE, hex);
    int rc = case_cache_get(a->cases, a->ledger, parent, &slot, e);
    if (rc != 0)
        return rc;
    const struct case_state *whole = casefile_state(slot->file);
    const struct rule *row = rules_find(CASE_RULES_VERSION, CASE_EVENT_PART);
    bool is_held = whole->root != NULL;
    uint32_t receiving = is_held ? whole->receiving : get_be32(parent);
    if (!is_held && receiving == a->config->region)
        return err_set(e, ERR_NOT_FOUND, "case.parent-unknown", "'parent': no case %s was taken in here", hex);
    if (!is_held && members_find(a->members, receiving) == NULL)
        return err_set(e, ERR_NOT_FOUND, "case.parent-unknown",
                       "'parent': case %s begins with node %u, which is no member", hex, receiving);
    if (is_held && whole->parent != NULL) {
        hex_encode(whole->parent, CASE_ID_SIZE, above);
        return err_set(e, ERR_CONFLICT, "case.parent-is-part", "'parent': case %s is itself a part (分件) of case %s",
                       hex, above);
    }
    if (is_held && (row->allowed & RULE_STATUS(whole->status)) == 0)
        return err_set(e, ERR_CONFLICT, "case.parent-closed",
                       "'parent': case %s is %s (%s) and takes no part (联办分件) any more", hex,
                       case_status_name(whole->status), case_status_chinese(whole->status));
    if (is_held && whole->part_count == CASE_PARTS_MAX)
        return err_set(e, ERR_LIMIT, "case.parent-full", "'parent': case %s has %u parts, the limit is %u", hex,
                       whole->part_count, CASE_PARTS_MAX);
    if (receiving != a->config->region)
        app_warn(result, "node %u took the whole in: it has to note this part (联办分件) there, nothing does by itself",
                 receiving);
    return 0;
}

/* Notes in the whole what has become of its part @part, noted as @noted so far. True: the whole has a new event. A whole that is over
 * takes no part_done, so it is told only what does not come to a grant. */
static bool note_ending(struct app *a, struct case_slot *whole, const uint8_t part[CASE_ID_SIZE], uint8_t noted,
                        uint8_t ending, struct ledger_txn *txn)
{
    struct app_draft done = {.command = {.self = a->config->region,
                                         .type = CASE_EVENT_PART_DONE,
                                         .role = CASE_ROLE_SYSTEM,
                                         .has_part = true,
                                         .decision = ending}};
    memcpy(done.command.part, part, CASE_ID_SIZE);
    struct app_draft lapsed = done;
    lapsed.command.type = CASE_EVENT_PART_LAPSED;
    lapsed.command.decision = 0;
    if (ending == 0 || noted > CASE_PART_GRANTED)
        return false;
    if (noted == 0 && app_add_event(a, whole, &done, txn))
        return true;
    return ending == CASE_PART_DENIED && app_add_event(a, whole, &lapsed, txn);
}

/* In the transaction that brings it, so that no crash comes between. A whole that does not allow it any more stays as it is. */
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
    struct app_draft d = {
        .command = {.self = a->config->region, .type = CASE_EVENT_PART, .role = CASE_ROLE_SYSTEM, .has_part = true}};
    memcpy(d.command.part, slot->id, CASE_ID_SIZE);
    unsigned at = 0;
    while (at < whole->part_count && memcmp(whole->parts[at].event->part, slot->id, CASE_ID_SIZE) != 0)
        at++;
    bool is_new = at == whole->part_count;
    uint8_t noted = is_new ? 0 : whole->parts[at].decision;
    if (is_new && !app_add_event(a, parent, &d, txn))
        return;
    uint8_t ending = app_part_ending(state->status, state->level, state->closed_as);
    if (!note_ending(a, parent, slot->id, noted, ending, txn) && !is_new)
        return;
    app_react(a, parent, txn);
    if (casefile_state(parent->file)->status != CASE_STATUS_WITHDRAWN) /* else it is taking back its parts just now */
        app_follow_whole(a, parent, txn);
    app_case_changed(a, parent, txn);
}

/* A whole that was frozen when its part ended or lapsed has not been told, and the part may have no event any more; the one that
 * releases the whole (督办) is its own. */
void app_follow_parts(struct app *a, struct case_slot *slot, struct ledger_txn *txn)
{
    const struct case_state *whole = casefile_state(slot->file);
    uint8_t ids[CASE_PARTS_MAX][CASE_ID_SIZE];
    unsigned count = 0;
    if (whole->root == NULL || whole->receiving != a->config->region || (whole->flags & CASE_FLAG_FROZEN) != 0)
        return;
    for (unsigned i = 0; i < whole->part_count; i++)
        if (whole->parts[i].decision <= CASE_PART_GRANTED)
            memcpy(ids[count++], whole->parts[i].event->part, CASE_ID_SIZE);
    if (count > 0)
        case_cache_touch(slot, txn); /* it stays in the cache while its parts are read */
    for (unsigned i = 0; i < count; i++) {
        struct case_slot *part;
        if (case_cache_get(a->cases, a->ledger, ids[i], &part, NULL) != 0 ||
            casefile_state(part->file)->parent == NULL ||
            memcmp(casefile_state(part->file)->parent, slot->id, CASE_ID_SIZE) != 0)
            continue;
        case_cache_touch(part, txn);
        app_follow_part(a, part, txn);
    }
}

/* ---- what a whole does by itself ---- */

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

/* The whole of a bundle. */
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

/* How the part @id ended (enum case_part_end): 0 while it is open or not noted. */
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
    uint8_t outcome = CASE_PART_GRANTED;
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(part, "after"));
    for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
        uint8_t id[CASE_ID_SIZE];
        uint8_t decision = case_at(o, id) ? decision_of(whole, id) : 0;
        if (decision > CASE_PART_GRANTED)
            return CASE_PART_DENIED;
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
    bool is_return = outcome == CASE_PART_DENIED;
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

/* The open ones that were taken in here: a part is a case of its own, and what is decided about it already stands. A case that somebody
 * noted here and that names another whole, or none, is not this one's to take back. */
static void withdraw_parts(struct app *a, const struct case_slot *of, struct ledger_txn *txn)
{
    const struct case_state *whole = casefile_state(of->file);
    uint8_t ids[CASE_PARTS_MAX][CASE_ID_SIZE];
    unsigned count = 0;
    for (unsigned i = 0; i < whole->part_count; i++)
        if (whole->parts[i].decision == 0)
            memcpy(ids[count++], whole->parts[i].event->part, CASE_ID_SIZE);
    for (unsigned i = 0; i < count; i++) {
        struct case_slot *slot;
        struct case_command command = {.type = CASE_EVENT_WITHDRAW, .role = CASE_ROLE_APPLICANT};
        if (case_cache_get(a->cases, a->ledger, ids[i], &slot, NULL) != 0)
            continue;
        const struct case_state *part = casefile_state(slot->file);
        if (part->receiving != a->config->region || part->parent == NULL ||
            memcmp(part->parent, of->id, CASE_ID_SIZE) != 0)
            continue;
        case_cache_touch(slot, txn);
        if (add(a, slot, &command, NULL, txn))
            part_changed(a, slot, txn);
    }
}

static void decide_whole(struct app *a, struct case_slot *slot, struct ledger_txn *txn)
{
    const struct case_state *whole = casefile_state(slot->file);
    bool has_denied = whole->parts_denied + whole->parts_lapsed > 0;
    if (whole->part_count == 0 || whole->parts_open > 0)
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

void app_follow_whole(struct app *a, struct case_slot *slot, struct ledger_txn *txn)
{
    const struct case_state *whole = casefile_state(slot->file);
    bool is_bundle = is_led_here(a, whole);
    if (whole->root == NULL || whole->receiving != a->config->region || (whole->flags & CASE_FLAG_FROZEN) != 0 ||
        (!is_bundle && whole->part_count == 0))
        return;
    case_cache_touch(slot, txn); /* it stays in the cache while its parts are read */
    struct case_command accept = {.type = CASE_EVENT_ACCEPT, .role = CASE_ROLE_DECIDER};
    if (is_bundle && whole->status == CASE_STATUS_ARRIVED)
        (void)add(a, slot, &accept, NULL, txn); /* not now: the window accepts it then */
    uint8_t status = casefile_state(slot->file)->status;
    if (status == CASE_STATUS_WITHDRAWN)
        withdraw_parts(a, slot, txn);
    if (!is_bundle || !is_in_procedure(status))
        return;
    settle_all_waiting(a, slot, txn);
    if (is_in_procedure(casefile_state(slot->file)->status))
        decide_whole(a, slot, txn);
}
