/* App: life, reports of the ledger and the replication, status (see app.h; app_command.c, app_query.c, app_catalog.c,
 * app_watch.c and app_verify.c have the rest).
 *
 * What is kept here beside the store is derived and may be dropped: the cache of folded cases, requests in flight, who
 * waits for what. When the ledger stops, all of it goes, and comes back from the store.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/app_internal.h"
#include "node/base/clock.h"
#include "node/base/log.h"
#include "node/base/mutant.h"
#include "node/base/version.h"
#include "node/base/xassert.h"

struct app *app_create(const struct app_parts *parts)
{
    struct app *a = xcalloc(1, sizeof *a);
    a->config = parts->config;
    a->members = parts->members;
    a->regions = parts->regions;
    a->loop = parts->loop;
    a->catalog = parts->catalog;
    a->origin = parts->origin;
    a->seal_key = parts->seal_key;
    a->certificate_not_after_s = parts->certificate_not_after_s;
    a->started_ms = clock_wall_ms();
    a->cases = case_cache_create();
    uint64_t seed;
    crypto_random(&seed, sizeof seed);
    map_init(&a->requests, seed);
    map_init(&a->serials, seed);
    app_waits_open(a);
    list_init(&a->receipts);
    list_init(&a->pulls);
    app_make_timers(a);
    app_reconcile_open(a);
    a->calendar = parts->calendar;
    app_deadlines_open(a);
    return a;
}

void app_set_ledger(struct app *a, struct ledger *ledger, struct replication *replication)
{
    a->ledger = ledger;
    a->replication = replication;
}

void app_set_witnessing(struct app *a, struct witnessing *w, struct watch_heads *watch, struct recovery *recovery)
{
    a->witnessing = w;
    a->watch = watch;
    a->recovery = recovery;
}

void app_destroy(struct app *a)
{
    if (a == NULL)
        return;
    app_reconcile_close(a);
    app_waits_close(a);
    app_receipts_close(a);
    app_pulls_close(a);
    loop_timer_destroy(a->refold_timer);
    loop_timer_destroy(a->erase_timer);
    free(a->refold);
    free(a->unproven);
    app_deadlines_close(a);
    xassert(a->requests.count == 0); /* each ended with its transaction */
    map_close(&a->requests);
    size_t at = 0;
    void *serial;
    while (map_next(&a->serials, &at, NULL, &serial))
        free(serial);
    map_close(&a->serials);
    app_materials_close(a);
    case_cache_destroy(a->cases);
    catalog_destroy(a->catalog);
    free(a);
}

void app_resume(struct app *a)
{
    app_publish_catalog(a);
    app_deadlines_start(a);
    app_index_items(a);
}

void app_on_state(struct app *a, const struct err *e)
{
    if (e != NULL) {
        a->stopped = *e;
        case_cache_clear(a->cases); /* it holds events that are not there */
        log_error("ledger", NULL, e->id, "stopped: %s%s%s; nothing is taken in until it can be written again",
                  e->message, e->hint[0] != '\0' ? "; " : "", e->hint);
    } else {
        a->stopped = (struct err){0};
        case_cache_clear(a->cases);        /* read while nobody knew what the disk holds */
        case_cache_forget_forks(a->cases); /* nor whether their evidence is there */
        app_load_evidence(a);
        app_load_pulls(a);
        log_info("ledger", NULL, "ledger.resumed", "writing again");
        app_resume(a);
    }
}

int app_check_reader(struct app *a, struct err *e)
{
    if (ledger_reader(a->ledger) != NULL)
        return 0;
    *e = a->stopped;
    return e->code;
}

/* ---- a peer's entries ---- */

void app_case_changed(struct app *a, struct case_slot *slot, struct ledger_txn *txn)
{
    struct store_case row;
    case_cache_touch(slot, txn);
    app_fill_item_name(a, slot);
    case_row_of(slot->file, slot->id, slot->item_name, &row);
    ledger_txn_case(txn, &row);
    app_erase_ended(a, slot, txn);
    app_due_changed(a, slot, txn);
}

void app_warn_case(struct app *a, const char *subject, struct err *e, const char *fmt, ...)
{
    uint32_t dropped = 0;
    if (!log_limit_pass(&a->case_warnings, clock_mono_ms(), 10, 1000, &dropped))
        return;
    char what[96];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    log_warn("case", subject, e->id, "%s: %s (%u more were not logged)", what, e->message, dropped);
}

/* Takes one entry into its case file. What cannot be taken is stored all the same, and the next load says the same again:
 * the ledger is complete, the case has a limit. */
void app_case_entry(struct app *a, const struct sync_entry *entry, struct ledger_txn *txn)
{
    struct case_slot *slot;
    struct case_event event;
    struct err e = {0};
    char peer[12];
    (void)snprintf(peer, sizeof peer, "%u", entry->leaf.origin);
    int rc = case_cache_get(a->cases, a->ledger, entry->leaf.case_id, &slot, &e);
    if (rc == 0) {
        const struct case_fork *forks;
        case_cache_touch(slot, txn); /* at once: a batch may name more cases than the cache would keep otherwise */
        case_event_of_leaf(&entry->leaf, &entry->hash, &event);
        if (app_pull_names(a, &event) && !app_is_party(slot->file, a->config->region))
            app_pull_join(a, slot->id, txn);
        rc = casefile_add(slot->file, &event, &e);
        size_t fork_count = case_cache_forks(a->cases, &forks);
        case_forks_apply(forks, fork_count, slot->file);
    }
    if (rc != 0)
        app_warn_case(a, peer, &e, "entry %llu", (unsigned long long)entry->leaf.index);
}

static void other_entry(struct app *a, const struct sync_entry *entry, struct ledger_txn *txn)
{
    switch ((enum leaf_kind)entry->leaf.kind) {
    case LEAF_KIND_EVENT:
        app_item_entry(a, entry, txn);
        break;
    case LEAF_KIND_ERASE:
        app_erase_entry(a, entry, txn);
        break;
    case LEAF_KIND_EVIDENCE:
        app_evidence_entry(a, entry, txn);
        break;
    case LEAF_KIND_HEADS: /* federation/sync has judged it */
    case LEAF_KIND_ANCHOR:
    case LEAF_KIND_KEY_CHANGE:
        break;
    }
}

/* A file that joins a case of ours: not when the event is refused, nor on a mirror. */
void app_material_peer_entry(struct app *a, const struct sync_entry *entry, struct ledger_txn *txn)
{
    struct case_slot *slot;
    const struct case_effect *effects;
    if (!leaf_is_case_event(&entry->leaf) || entry->leaf.event_type != CASE_EVENT_MATERIAL ||
        case_cache_get(a->cases, a->ledger, entry->leaf.case_id, &slot, NULL) != 0 ||
        !app_is_party(slot->file, a->config->region))
        return;
    size_t count = casefile_effects(slot->file, &effects);
    for (size_t i = 0; i < count; i++)
        if (memcmp(effects[i].event->id, entry->hash.b, sizeof entry->hash.b) == 0 && effects[i].event->file != NULL &&
            effects[i].kind != CASE_EFFECT_DENIED)
            app_material_entry(a, slot->id, entry->leaf.origin, entry->leaf.index, effects[i].event->file, txn);
}

void app_on_entries(void *ctx, uint32_t peer, const struct sync_entry *entries, size_t count, struct bytes grants,
                    struct ledger_txn *txn)
{
    struct app *a = ctx;
    struct app_by_case by;
    for (size_t i = 0; i < count; i++)
        if (leaf_is_case_event(&entries[i].leaf))
            app_case_entry(a, &entries[i], txn);
    app_by_case_init(&by, entries, count, ledger_txn_arena(txn));
    app_take_grants(a, peer, grants, entries, count, txn);
    for (size_t i = 0; i < count; i++) {
        struct case_slot *slot;
        /* the first entry of a case in the batch speaks for all of them: they are one change of the case */
        if (!leaf_is_case_event(&entries[i].leaf) || !by.is_first[i] ||
            case_cache_get(a->cases, a->ledger, entries[i].leaf.case_id, &slot, NULL) != 0 ||
            !app_shows_case(a, slot->id, slot->file)) /* a mirror keeps the entries and shows no case */
            continue;
        app_react(a, slot, txn);
        app_follow_part(a, slot, txn);
        app_follow_parts(a, slot, txn);
        app_case_changed(a, slot, txn);
        app_pull_heal(a, slot);
    }
    app_by_case_close(&by);
    for (size_t i = 0; i < count; i++)
        app_material_peer_entry(a, &entries[i], txn);
    for (size_t i = 0; i < count; i++)
        if (!leaf_is_case_event(&entries[i].leaf))
            other_entry(a, &entries[i], txn);
}

void app_on_stored(void *ctx, uint32_t peer, const struct sync_entry *entries, size_t count, bool stored)
{
    struct app *a = ctx;
    (void)peer;
    app_calendars_stored(a);
    for (size_t i = 0; stored && i < count; i++) /* not stored: the cache was dropped with the ledger */
        if (leaf_is_case_event(&entries[i].leaf)) {
            app_material_stored(a, &entries[i]);
            app_notify_case(a, entries[i].leaf.case_id);
        }
    if (a->doomed.size > 0)
        app_materials_sweep(a);
}

/* ---- own entries that came back ---- */

/* 办件编码 that were given before: their serials are not given again. */
static void note_serial(struct app *a, const struct case_held *receipt, const char *item_code, struct ledger_txn *txn)
{
    struct store_counter row = {0};
    uint64_t serial = 0, noted = 0;
    size_t prefix = strlen(item_code) + 8;
    if (strlen(receipt->number) <= prefix || strncmp(receipt->number, item_code, strlen(item_code)) != 0 ||
        decimal_parse(bytes_of_string(receipt->number + prefix + strspn(receipt->number + prefix, "0")), &serial) != 0)
        return;
    (void)snprintf(row.name, sizeof row.name, "number/%s/%.8s", item_code, receipt->number + prefix - 8);
    row.value = serial;
    if (store_read_counter(ledger_reader(a->ledger), row.name, &noted, NULL) == 0 && noted < serial)
        ledger_txn_counter(txn, &row);
}

static void restored_case(struct app *a, struct case_slot *slot, struct ledger_txn *txn)
{
    const struct case_effect *effects;
    size_t count = casefile_effects(slot->file, &effects);
    const char *item_code = casefile_state(slot->file)->item_code;
    for (size_t i = 0; i < count; i++)
        if (effects[i].event->type == CASE_EVENT_RECEIPT && effects[i].event->origin == a->config->region)
            note_serial(a, effects[i].event, item_code, txn);
    if (app_shows_case(a, slot->id, slot->file))
        app_case_changed(a, slot, txn);
}

void app_on_restored(void *ctx, const struct sync_entry *entries, size_t count, struct ledger_txn *txn)
{
    struct app *a = ctx;
    for (size_t i = 0; i < count; i++) {
        if (leaf_is_case_event(&entries[i].leaf)) {
            app_case_entry(a, &entries[i], txn);
            app_material_peer_entry(a, &entries[i], txn);
        } else if (entries[i].leaf.kind == LEAF_KIND_EVENT)
            app_item_entry(a, &entries[i], txn);
        else if (entries[i].leaf.kind == LEAF_KIND_EVIDENCE)
            app_evidence_entry(a, &entries[i], txn);
        else if (entries[i].leaf.kind == LEAF_KIND_ERASE)
            app_erase_restored(a, &entries[i], txn);
    }
    struct app_by_case by;
    app_by_case_init(&by, entries, count, ledger_txn_arena(txn));
    for (size_t i = 0; i < count; i++) {
        struct case_slot *slot;
        if (leaf_is_case_event(&entries[i].leaf) && by.is_first[i] &&
            case_cache_get(a->cases, a->ledger, entries[i].leaf.case_id, &slot, NULL) == 0)
            restored_case(a, slot, txn);
    }
    app_by_case_close(&by);
}

/* ---- status ---- */

static uint64_t resident_bytes(void)
{
    unsigned long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%lu %lu", &pages, &resident) != 2)
        resident = 0;
    (void)fclose(f);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

const char *app_member_name(const struct app *a, uint32_t code)
{
    const struct member *m = members_find(a->members, code);
    return m == NULL ? "" : m->name;
}

void app_status(struct app *a, struct arena *mem, struct app_status_view *ret)
{
    struct ledger_stats ledger;
    struct replication_stats replication;
    ledger_stats(a->ledger, &ledger);
    replication_stats(a->replication, &replication);
    *ret = (struct app_status_view){.code = a->config->region,
                                    .name = a->config->name,
                                    .federation = a->members->federation,
                                    .origin = a->origin,
                                    .version = tongban_version,
                                    .started_ms = a->started_ms,
                                    .ledger_size = ledger_head(a->ledger)->size,
                                    .certificate_not_after_s = a->certificate_not_after_s,
                                    .commits = ledger.commits,
                                    .entries_written = ledger.entries,
                                    .rss_bytes = resident_bytes(),
                                    .alarm_count = replication.alarm_count};
    struct store_reader *reader = ledger_reader(a->ledger);
    if (reader != NULL) {
        uint64_t items = 0;
        uint32_t version = 0;
        ret->case_count = store_count_cases(reader);
        if (store_count_items(reader, a->config->region, &items, &version, NULL) == 0)
            ret->item_count = (uint32_t)items;
    }
    for (size_t i = 0; i < a->members->count; i++) {
        struct replication_peer peer;
        if (!replication_peer(a->replication, a->members->list[i].code, &peer))
            continue;
        ret->peer_count++;
        ret->peer_connected += peer.connected;
    }
    const char *recovering = recovery_state(a->recovery);
    struct err unsigned_yet = {0};
    if (recovering[0] != '\0')
        ret->writer = arena_strdup(mem, recovering);
    else if (a->stopped.code != 0)
        ret->writer = arena_printf(mem, "stopped: %s", a->stopped.message);
    else if (ledger_check_shown(a->ledger, &unsigned_yet) != 0) /* a moment before requests are taken again */
        ret->writer = arena_printf(mem, "recovering: %s", unsigned_yet.message);
    else
        ret->writer = "ok";
    (void)witnessing_note(a->witnessing, &ret->final_size);
    struct app_erasure_view *open;
    size_t open_count = 0;
    if (reader != NULL && app_list_erasures(a, LIST_ROWS_MAX, mem, &open, &open_count, NULL) == 0)
        ret->erasures_open = (uint32_t)open_count;
}

static uint64_t backlog_of(struct app *a, uint32_t peer, uint64_t acked)
{
    struct store_addressed own = ledger_last_addressed(a->ledger, peer);
    struct store_addressed everyone = ledger_last_addressed(a->ledger, LEAF_NODE_ALL);
    if ((own.seq == 0 || own.index < acked) && (everyone.seq == 0 || everyone.index < acked))
        return 0;
    struct arena scratch = ARENA_INIT;
    uint64_t *indexes;
    size_t count = 0;
    if (ledger_read_addressed(a->ledger, peer, acked, ledger_head(a->ledger)->size, LIST_ROWS_MAX, &scratch, &indexes,
                              &count, NULL) != 0)
        count = 0;
    arena_close(&scratch);
    return count; /* LIST_ROWS_MAX stands for "that many or more" */
}

int app_list_peers(struct app *a, struct arena *mem, struct app_peer_view **ret, size_t *ret_count, struct err *e)
{
    int rc = app_check_reader(a, e);
    if (rc != 0)
        return rc;
    struct app_peer_view *rows = arena_alloc(mem, a->members->count * sizeof *rows);
    size_t count = 0;
    for (size_t i = 0; i < a->members->count; i++) {
        const struct member *m = &a->members->list[i];
        struct replication_peer peer;
        if (!replication_peer(a->replication, m->code, &peer))
            continue;
        uint64_t items = 0;
        uint32_t version = 0;
        rc = store_count_items(ledger_reader(a->ledger), m->code, &items, &version, e);
        if (rc != 0)
            return rc;
        rows[count++] = (struct app_peer_view){.code = m->code,
                                               .name = m->name,
                                               .url = m->url,
                                               .confirmed_size = peer.confirmed_size,
                                               .disputed = app_is_disputed(a, m->code),
                                               .state = peer.halted               ? "frozen"
                                                        : peer.connected          ? "connected"
                                                        : peer.last_heard_ms == 0 ? "connecting"
                                                                                  : "lost",
                                               .reason = arena_strdup(mem, peer.reason),
                                               .since_ms = peer.since_ms,
                                               .held_size = peer.held_size,
                                               .known_size = peer.known_size,
                                               .acked_size = peer.acked_size,
                                               .backlog = backlog_of(a, m->code, peer.acked_size),
                                               .leaves_per_s = catch_up_leaves_per_s(&peer.catch_up),
                                               .seconds_left = catch_up_seconds_left(&peer.catch_up),
                                               .last_heard_ms = peer.last_heard_ms,
                                               .clock_skew_ms = peer.skew_ms,
                                               .item_count = (uint32_t)items,
                                               .version = arena_strdup(mem, peer.software)};
    }
    *ret = rows;
    *ret_count = count;
    return 0;
}

static void metric(struct buf *out, const char *name, const char *type, const char *help, uint64_t value)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", name, help, name, type, name, (unsigned long long)value);
}

void app_metrics(struct app *a, struct buf *ret)
{
    struct arena mem = ARENA_INIT;
    struct app_status_view s;
    struct replication_stats r;
    struct ledger_stats l;
    struct case_cache_stats cached = case_cache_stats(a->cases);
    app_status(a, &mem, &s);
    replication_stats(a->replication, &r);
    ledger_stats(a->ledger, &l);
    metric(ret, "tongban_ledger_size", "gauge", "Sealed leaves of the own ledger.", s.ledger_size);
    metric(ret, "tongban_ledger_final_size", "gauge", "Of them, under a quorum of cosignatures.", s.final_size);
    metric(ret, "tongban_erasures_open", "gauge", "Participants that have not acknowledged an erasure.",
           s.erasures_open);
    metric(ret, "tongban_cases", "gauge", "Cases held.", s.case_count);
    uint64_t red = 0, yellow = 0, all = 0;
    if (app_count_dues(a, &red, &yellow, &all) == 0) {
        metric(ret, "tongban_cases_overdue", "gauge", "Cases past their next deadline (red).", red);
        metric(ret, "tongban_cases_due_soon", "gauge", "Cases that warn: a fifth of the time or less is left (yellow).",
               yellow);
        metric(ret, "tongban_cases_due", "gauge", "Cases with something due.", all);
    }
    metric(ret, "tongban_peers", "gauge", "Members other than this node.", s.peer_count);
    metric(ret, "tongban_peers_connected", "gauge", "Of them, connected now.", s.peer_connected);
    metric(ret, "tongban_writer_ok", "gauge", "1 while the ledger can be written.", strcmp(s.writer, "ok") == 0);
    metric(ret, "tongban_commits_total", "counter", "Transactions made durable.", s.commits);
    metric(ret, "tongban_entries_written_total", "counter", "Entries made durable, own and peers'.", s.entries_written);
    metric(ret, "tongban_batches_in_total", "counter", "Batches of peers' entries taken.", r.batches_in);
    metric(ret, "tongban_entries_in_total", "counter", "Entries in them.", r.entries_in);
    metric(ret, "tongban_batches_out_total", "counter", "Batches sent to peers.", r.batches_out);
    metric(ret, "tongban_entries_out_total", "counter", "Entries in them.", r.entries_out);
    metric(ret, "tongban_batches_refused_total", "counter", "Batches that failed verification, and other alarms.",
           r.batches_refused);
    uint64_t waiting = 0;
    list_for_each (at, &a->watches)
        waiting++;
    metric(ret, "tongban_case_watches", "gauge", "Clients that wait for a change of a case.", waiting);
    uint64_t pulls, pause_ms;
    app_pulls_count(a, &pulls, &pause_ms);
    metric(ret, "tongban_case_pulls", "gauge", "Cases whose earlier entries are being asked for.", pulls);
    metric(ret, "tongban_case_pull_pause_seconds", "gauge", "Longest pause of one of them until it is asked for again.",
           pause_ms / 1000);
    metric(ret, "tongban_requests_failed_total", "counter", "Requests to peers without an answer.", r.requests_failed);
    app_material_metrics(a, ret);
    metric(ret, "tongban_cases_cached", "gauge", "Cases in use, held in memory.", cached.count);
    metric(ret, "tongban_cached_bytes", "gauge", "Memory of them and of the newest own entries.",
           cached.bytes + l.recent_bytes);
    metric(ret, "tongban_store_bytes", "gauge", "Memory of the databases, their caches of pages above all.",
           store_memory_bytes());
    const struct mallinfo2 heap = mallinfo2();
    metric(ret, "tongban_heap_used_bytes", "gauge",
           "Memory taken from the C library and in use, all of the above in it.", heap.uordblks + heap.hblkhd);
    metric(ret, "tongban_heap_free_bytes", "gauge",
           "Memory that the C library keeps for the next moment of need; some of it the system has back already.",
           heap.fordblks);
    metric(ret, "tongban_resident_bytes", "gauge", "Memory in use.", s.rss_bytes);
    metric(ret, "tongban_certificate_not_after_seconds", "gauge", "End of the own certificate, seconds since 1970.",
           s.certificate_not_after_s);
    arena_close(&mem);
}

static int compare_alarms(const void *a, const void *b)
{
    const struct app_alarm_view *x = a, *y = b;
    return (y->last_ms > x->last_ms) - (y->last_ms < x->last_ms);
}

int app_list_alarms(struct app *a, struct arena *mem, struct app_alarm_view **ret, size_t *ret_count, struct err *e)
{
    struct replication_alarm_info alarms[REPLICATION_ALARMS_MAX];
    size_t count = replication_alarms(a->replication, alarms);
    struct app_alarm_view *views = arena_alloc(mem, (count + 1) * sizeof *views);
    (void)e;
    for (size_t i = 0; i < count; i++)
        views[i] = (struct app_alarm_view){.id = arena_strdup(mem, alarms[i].id),
                                           .about = alarms[i].peer,
                                           .about_name = alarms[i].peer == 0 ? a->config->name
                                                                             : app_member_name(a, alarms[i].peer),
                                           .text = arena_strdup(mem, alarms[i].text),
                                           .count = alarms[i].count,
                                           .first_ms = alarms[i].first_ms,
                                           .last_ms = alarms[i].last_ms};
    qsort(views, count, sizeof *views, compare_alarms);
    *ret = views;
    *ret_count = count;
    return 0;
}

/* ---- ledger reading ---- */

int app_checkpoint(struct app *a, uint32_t origin, struct arena *mem, struct bytes *ret_note, struct err *e)
{
    bool own = origin == 0 || origin == a->config->region;
    struct bytes note = own ? ledger_head(a->ledger)->note : replication_note(a->replication, origin);
    if (note.size == 0)
        return err_set(e, ERR_NOT_FOUND, "ledger.no-checkpoint", "no checkpoint of node %u is held", origin);
    *ret_note = arena_bytes(mem, note);
    return 0;
}

static void entry_view(const struct store_entry *in, struct app_entry_view *ret)
{
    *ret = (struct app_entry_view){.origin = in->origin,
                                   .index = in->index,
                                   .leaf = in->leaf,
                                   .payload_held = in->payload_held,
                                   .payload_size = in->payload.size};
    memcpy(ret->hash, in->hash, sizeof ret->hash);
}

/* What is not sealed yet was not said to anybody. */
static bool is_sealed(const struct app *a, uint32_t origin, uint64_t index)
{
    return origin != a->config->region || index < ledger_head(a->ledger)->size;
}

int app_get_entry(struct app *a, uint32_t origin, uint64_t index, struct arena *mem, struct app_entry_view *ret,
                  struct err *e)
{
    origin = origin == 0 ? a->config->region : origin;
    struct store_entry entry;
    int rc = app_check_reader(a, e);
    if (rc == 0 && !is_sealed(a, origin, index))
        rc = err_set(e, ERR_NOT_FOUND, "ledger.no-entry", "entry %llu is not in the own ledger of %llu entries",
                     (unsigned long long)index, (unsigned long long)ledger_head(a->ledger)->size);
    if (rc == 0)
        rc = store_read_entry(ledger_reader(a->ledger), origin, index, mem, &entry, e);
    if (rc == 0)
        entry_view(&entry, ret);
    return rc;
}

struct listing {
    struct app *a;
    struct arena *mem;
    struct app_entry_view *rows;
    size_t count, limit;
};

static int list_entry(void *ctx, const struct store_entry *entry, struct err *e)
{
    struct listing *l = ctx;
    (void)e;
    if (l->count == l->limit || !is_sealed(l->a, entry->origin, entry->index))
        return 1;
    struct store_entry copy = *entry;
    copy.leaf = arena_bytes(l->mem, entry->leaf);
    entry_view(&copy, &l->rows[l->count++]);
    return 0;
}

int app_list_entries(struct app *a, uint32_t origin, uint64_t from, size_t limit, struct arena *mem,
                     struct app_entry_view **ret, size_t *ret_count, struct err *e)
{
    limit = min_of(limit, (size_t)LIST_ROWS_MAX);
    struct listing l = {.a = a, .mem = mem, .limit = limit, .rows = arena_alloc(mem, limit * sizeof *l.rows)};
    int rc = app_check_reader(a, e);
    if (rc == 0)
        rc = store_scan_entries(ledger_reader(a->ledger), origin == 0 ? a->config->region : origin, from, list_entry,
                                &l, e);
    if (rc < 0)
        return rc;
    *ret = l.rows;
    *ret_count = l.count;
    return 0;
}
