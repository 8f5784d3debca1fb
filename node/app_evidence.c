/* Evidence in the daemon: an author that signed two histories is frozen everywhere, and people are told what to do.
 *
 * Happy path: two views contradict each other -> app_accuse(): evidence leaf, public, with its row -> every member gets it ->
 * app_evidence_entry(): both signatures and the contradiction are checked -> row -> freeze: its ledger is not pulled and not
 * cosigned, its events from the common size on count for nothing, its open cases are folded again a few at a time.
 * Failure modes: evidence that proves nothing is ignored with an alarm about its author; against this node itself it is an alarm
 * of its own, for then somebody else signs with this node's key or an old copy has signed.
 *
 * Resolving is people's work: SUPERVISE (督办) names another lead for each frozen case; the office dismisses the node or admits it
 * anew under another code. Loop thread only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "federation/ledger/evidence.h"
#include "node/app_internal.h"
#include "node/base/mutant.h"
#include "node/base/xassert.h"

#define REFOLD_AT_ONCE 64u

/* Two views that contradict each other come again with each gossip. Without this list the first attempt would be the only
 * one: if the disk refused the evidence, nobody else would ever get it. */
static bool is_unproven(const struct app *a, uint32_t accused)
{
    for (size_t i = 0; i < a->unproven_count; i++)
        if (a->unproven[i] == accused)
            return true;
    return false;
}

static bool is_forked(const struct app *a, uint32_t code, uint64_t common_size)
{
    const struct case_fork *forks;
    size_t count = case_cache_forks(a->cases, &forks);
    for (size_t i = 0; i < count; i++)
        if (forks[i].origin == code && forks[i].common_size <= common_size)
            return true;
    return false;
}

bool app_is_disputed(const struct app *a, uint32_t code)
{
    return is_unproven(a, code) || is_forked(a, code, UINT64_MAX);
}

/* ---- folding again ---- */

static void refold_saved(void *ctx, const struct err *e)
{
    struct app *a = ctx;
    if (e->code != 0)
        log_warn("case", NULL, e->id, "cases of a disputed ledger could not be written: %s", e->message);
    else if (a->refold_count > 0)
        loop_timer_set(a->refold_timer, 0);
}

static void refold_some(void *ctx)
{
    struct app *a = ctx;
    if (a->refold_count == 0 || ledger_check_writable(a->ledger, NULL) != 0)
        return; /* app_load_evidence() begins anew after a reload */
    struct ledger_txn *txn = ledger_txn_create(a->ledger);
    for (size_t i = 0; i < REFOLD_AT_ONCE && a->refold_count > 0; i++) {
        struct case_slot *slot;
        struct err e = {0};
        const uint8_t *id = a->refold[--a->refold_count];
        if (case_cache_get(a->cases, a->ledger, id, &slot, &e) != 0)
            app_warn_case(a, NULL, &e, "folding again");
        else if (app_shows_case(a, slot->id, slot->file))
            app_case_changed(a, slot, txn);
    }
    ledger_commit(txn, refold_saved, a);
}

struct collecting {
    struct app *a;
    uint32_t accused;
    size_t capacity;
};

static int collect_case(void *ctx, const struct store_case *row, struct err *e)
{
    struct collecting *c = ctx;
    struct app *a = c->a;
    (void)e;
    if (row->lead != c->accused && row->receiving != c->accused)
        return 0; /* an author that is neither only makes a case contested; that shows with its next event */
    if (a->refold_count == c->capacity) {
        c->capacity = max_of((size_t)64, c->capacity * 2);
        a->refold = xrealloc(a->refold, c->capacity * sizeof *a->refold);
    }
    memcpy(a->refold[a->refold_count++], row->case_id, CASE_ID_SIZE);
    return 0;
}

static void refold_cases(struct app *a, uint32_t accused)
{
    struct collecting c = {.a = a, .accused = accused, .capacity = a->refold_count};
    struct err e = {0};
    struct store_reader *reader = ledger_reader(a->ledger);
    if (reader == NULL)
        return;
    if (store_scan_cases(reader, collect_case, &c, &e) < 0)
        log_error("case", NULL, e.id, "cases of a disputed ledger cannot be read: %s", e.message);
    if (a->refold_count > 0)
        loop_timer_set(a->refold_timer, 0);
}

void app_make_timers(struct app *a)
{
    a->refold_timer = loop_timer_create(a->loop, refold_some, a);
    a->erase_timer = loop_timer_create(a->loop, app_erase_remind, a);
    app_erase_set_timer(a);
}

/* ---- freezing ---- */

static void stop_following(struct app *a, uint32_t accused, uint64_t common_size, bool is_news)
{
    char code[12], text[256];
    (void)snprintf(code, sizeof code, "%u", accused);
    (void)snprintf(
        text, sizeof text,
        "its ledger has two signed histories that agree up to entry %llu only: nothing behind it is taken or counts",
        (unsigned long long)common_size);
    replication_freeze(a->replication, accused, text);
    if (is_news) {
        replication_alarm(a->replication, accused, "ledger.equivocation", text);
        log_error(
            "ledger", code, "ledger.what-to-do",
            "what to do: 1. tell the federation's office and keep 'tongban ledger evidence --raw %s'; 2. have the "
            "superior node "
            "name another lead for each frozen case (督办, 'tongban case supervise'); 3. the office dismisses "
            "the node or "
            "admits it anew",
            code);
    }
}

/* With evidence that is durable, or is before the cases in the order of writing: a row of a case never says more than the disk. */
static void freeze(struct app *a, uint32_t accused, uint64_t common_size, bool is_news)
{
    if (is_forked(a, accused, common_size) || MUTANT(freeze_ignored))
        return;
    case_cache_fork(a->cases, &(struct case_fork){.origin = accused, .common_size = common_size});
    stop_following(a, accused, common_size, is_news);
    refold_cases(a, accused);
}

void app_load_evidence(struct app *a)
{
    struct arena mem = ARENA_INIT;
    struct store_evidence *rows;
    size_t count = 0;
    struct err e = {0};
    struct store_reader *reader = ledger_reader(a->ledger);
    a->refold_count = 0;
    if (reader != NULL && store_list_evidence(reader, &mem, &rows, &count, &e) != 0) {
        log_error("ledger", NULL, e.id, "the evidence cannot be read: %s", e.message);
        count = 0;
    }
    for (size_t i = 0; i < count; i++)
        if (rows[i].accused != a->config->region)
            freeze(a, rows[i].accused, rows[i].common_size, false);
    arena_close(&mem);
}

/* ---- evidence seen here ---- */

static void set_unproven(struct app *a, uint32_t accused, bool unproven)
{
    if (is_unproven(a, accused) == unproven)
        return;
    if (unproven) {
        a->unproven = xrealloc(a->unproven, (a->unproven_count + 1) * sizeof *a->unproven);
        a->unproven[a->unproven_count++] = accused;
        return;
    }
    for (size_t i = 0; i < a->unproven_count; i++)
        if (a->unproven[i] == accused)
            a->unproven[i--] = a->unproven[--a->unproven_count];
}

struct accusing {
    struct app *app;
    uint32_t accused;
};

static void accused_saved(void *ctx, const struct err *e)
{
    struct accusing *accusing = ctx;
    if (e->code != 0) {
        set_unproven(accusing->app, accusing->accused, true);
        log_error("ledger", NULL, e->id, "the evidence could not be written, it will be tried again: %s", e->message);
    }
    free(accusing);
}

static struct store_evidence evidence_row(uint32_t accused, uint64_t common, uint32_t origin, uint64_t index)
{
    return (struct store_evidence){.accused = accused, .common_size = common, .origin = origin, .index = index};
}

static void write_evidence(struct app *a, uint32_t accused, struct bytes evidence, uint64_t common_size)
{
    uint8_t code_value[4], size_value[8];
    struct leaf leaf = {.kind = LEAF_KIND_EVIDENCE, .attr_count = 2};
    struct merkle_hash hash;
    uint32_t everyone = LEAF_NODE_ALL;
    put_be32(code_value, accused);
    put_be64(size_value, common_size);
    leaf.attrs[0] = (struct leaf_attr){.tag = EVIDENCE_ATTR_ACCUSED, .value = bytes_of(code_value, 4)};
    leaf.attrs[1] = (struct leaf_attr){.tag = EVIDENCE_ATTR_COMMON_SIZE, .value = bytes_of(size_value, 8)};
    struct ledger_txn *txn = ledger_txn_create(a->ledger);
    ledger_txn_append(txn, &leaf, UINT64_MAX, &everyone, 1, evidence, NULL, &hash);
    struct store_evidence row = evidence_row(accused, common_size, a->config->region, leaf.index);
    ledger_txn_evidence(txn, &row);
    struct accusing *accusing = xcalloc(1, sizeof *accusing);
    *accusing = (struct accusing){.app = a, .accused = accused};
    ledger_commit(txn, accused_saved, accusing);
}

void app_accuse(struct app *a, uint32_t accused, struct bytes evidence, uint64_t common_size)
{
    bool was_unproven = is_unproven(a, accused);
    if ((is_forked(a, accused, common_size) && !was_unproven) || evidence.size > PAYLOAD_BYTES_MAX)
        return;
    if (ledger_check_writable(a->ledger, NULL) != 0) {
        set_unproven(a, accused, true);
        if (!was_unproven)
            stop_following(a, accused, common_size, true);
        return;
    }
    set_unproven(a, accused, false);
    write_evidence(a, accused, evidence, common_size);
    freeze(a, accused, common_size, !was_unproven);
}

/* ---- evidence of a peer ---- */

static int check_evidence(struct app *a, const struct sync_entry *entry, struct evidence *ret, uint32_t *ret_accused,
                          struct err *e)
{
    const struct leaf *leaf = &entry->leaf;
    if (leaf->attr_count < 2 || leaf->attrs[0].tag != EVIDENCE_ATTR_ACCUSED || leaf->attrs[0].value.size != 4 ||
        leaf->attrs[1].tag != EVIDENCE_ATTR_COMMON_SIZE || leaf->attrs[1].value.size != 8)
        return err_set(e, ERR_INVALID, "evidence.form", "an evidence entry without accused and common size");
    *ret_accused = get_be32(leaf->attrs[0].value.data);
    const struct member *accused = members_find(a->members, *ret_accused);
    if (accused == NULL)
        return err_set(e, ERR_NOT_FOUND, "evidence.no-member", "evidence against node %u, which is no member",
                       *ret_accused);
    if (!entry->payload_held || entry->payload.size == 0)
        return err_set(e, ERR_INVALID, "evidence.form", "an evidence entry without its evidence");
    int rc = evidence_open(entry->payload, &accused->key, ret, e);
    if (rc == 0 && ret->common_size != get_be64(leaf->attrs[1].value.data))
        rc = err_set(e, ERR_VERIFY, "evidence.common-size",
                     "the evidence proves a common size of %llu, the entry says %llu",
                     (unsigned long long)ret->common_size, (unsigned long long)get_be64(leaf->attrs[1].value.data));
    return rc;
}

void app_evidence_entry(struct app *a, const struct sync_entry *entry, struct ledger_txn *txn)
{
    struct evidence evidence;
    uint32_t accused = 0;
    struct err e = {0};
    if (check_evidence(a, entry, &evidence, &accused, &e) != 0) {
        replication_alarm(a->replication, entry->leaf.origin, e.id, e.message);
        return;
    }
    struct store_evidence row = evidence_row(accused, evidence.common_size, entry->leaf.origin, entry->leaf.index);
    ledger_txn_evidence(txn, &row);
    if (accused != a->config->region) {
        freeze(a, accused, evidence.common_size, true);
        return;
    }
    char text[256];
    (void)snprintf(
        text, sizeof text,
        "node %u proves that two histories were signed with this node's ledger key, from entry %llu on: stop it, find "
        "the second signer (an old copy, a stolen key)",
        entry->leaf.origin, (unsigned long long)evidence.common_size);
    replication_alarm(a->replication, 0, "ledger.accused", text);
}

/* ---- showing ---- */

int app_list_evidence(struct app *a, struct arena *mem, struct app_evidence_view **ret, size_t *ret_count,
                      struct err *e)
{
    struct store_evidence *rows;
    size_t count = 0;
    int rc = app_check_reader(a, e);
    if (rc == 0)
        rc = store_list_evidence(ledger_reader(a->ledger), mem, &rows, &count, e);
    if (rc != 0)
        return rc;
    struct app_evidence_view *views = arena_alloc(mem, (count + 1) * sizeof *views);
    for (size_t i = 0; i < count; i++) {
        struct store_entry entry;
        views[i] = (struct app_evidence_view){.accused = rows[i].accused,
                                              .accused_name = app_member_name(a, rows[i].accused),
                                              .common_size = rows[i].common_size,
                                              .origin = rows[i].origin,
                                              .index = rows[i].index};
        if (store_read_entry(ledger_reader(a->ledger), rows[i].origin, rows[i].index, mem, &entry, NULL) == 0 &&
            entry.payload_held)
            views[i].evidence = entry.payload;
    }
    *ret = views;
    *ret_count = count;
    return 0;
}
