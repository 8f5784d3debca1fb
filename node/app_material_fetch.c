/* Materials and the link for files: what the app tells fetches.c and hears from it. Need to know is decided here: a node gets a file
 * only when it takes part in a case in which the file was put by this node, or by itself (it has lost its disk and asks back for
 * what was its own).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/app_internal.h"
#include "node/base/clock.h"
#include "node/base/log.h"
#include "node/base/xassert.h"
#include "node/fetches.h"
#include "node/files/file_blob.h"

#define WANTED_MAX 100000u

bool app_material_is_here(const struct app *a, const uint8_t file[CASE_FILE_ID_SIZE])
{
    char path[FILE_BLOB_PATH_SIZE];
    if (a->files_dir == NULL) /* a node without a disk: the simulator's */
        return false;
    file_blob_path(a->files_dir, file, path);
    return access(path, F_OK) == 0;
}

/* ---- who may have what ---- */

static bool was_put_by(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const uint8_t file[FILE_ID_SIZE],
                       uint32_t peer)
{
    struct arena mem = ARENA_INIT;
    struct store_file *rows;
    size_t count = 0;
    bool found = false;
    if (store_read_files(ledger_reader(a->ledger), case_id, &mem, &rows, &count, NULL) == 0)
        for (size_t i = 0; i < count; i++)
            found = found || (memcmp(rows[i].file, file, FILE_ID_SIZE) == 0 &&
                              (rows[i].origin == a->config->region || rows[i].origin == peer));
    arena_close(&mem);
    return found;
}

static bool may_have(void *ctx, uint32_t peer, const uint8_t file[FILE_ID_SIZE])
{
    struct app *a = ctx;
    struct arena mem = ARENA_INIT;
    uint8_t(*cases)[CASE_ID_SIZE];
    size_t count = 0;
    bool may = false;
    struct store_reader *reader = ledger_reader(a->ledger);
    if (reader != NULL && store_read_file_cases(reader, file, &mem, &cases, &count, NULL) == 0)
        for (size_t i = 0; i < count && !may; i++) {
            struct case_slot *slot;
            may = case_cache_get(a->cases, a->ledger, cases[i], &slot, NULL) == 0 && app_is_party(slot->file, peer) &&
                  was_put_by(a, cases[i], file, peer);
        }
    arena_close(&mem);
    return may;
}

/* ---- what happens ---- */

struct noting {
    struct app *app;
    uint8_t file[FILE_ID_SIZE];
    void (*done)(void *ctx, const struct err *e); /* NULL: nobody waits */
    void *ctx;
};

/* Whoever looks at a case with this file sees the change. */
static void noted(void *ctx, const struct err *e)
{
    struct noting *x = ctx;
    struct app *a = x->app;
    struct arena mem = ARENA_INIT;
    uint8_t(*cases)[CASE_ID_SIZE];
    size_t count = 0;
    struct store_reader *reader = ledger_reader(a->ledger);
    if (e->code == 0 && reader != NULL && store_read_file_cases(reader, x->file, &mem, &cases, &count, NULL) == 0)
        for (size_t i = 0; i < count; i++)
            app_notify_case(a, cases[i]);
    else if (e->code != 0)
        log_warn("material", NULL, e->id, "cannot note what is known of a file: %s", e->message);
    if (x->done != NULL)
        x->done(x->ctx, e);
    arena_close(&mem);
    free(x);
}

static bool note(struct app *a, struct store_file_holder *row, const uint8_t file[FILE_ID_SIZE],
                 void (*done)(void *ctx, const struct err *e), void *ctx)
{
    if (ledger_check_writable(a->ledger, NULL) != 0)
        return false;
    struct noting *x = xcalloc(1, sizeof *x);
    *x = (struct noting){.app = a, .done = done, .ctx = ctx};
    memcpy(x->file, file, FILE_ID_SIZE);
    memcpy(row->file, file, FILE_ID_SIZE);
    row->at_ms = clock_wall_ms();
    struct ledger_txn *txn = ledger_txn_create(a->ledger);
    ledger_txn_file_holder(txn, row);
    ledger_commit(txn, noted, x);
    return true;
}

/* A note that is lost, because nothing can be written now, is made again: after a restart the file is wanted, and here. What a scanner
 * has said of it stays. */
static void note_holder(struct app *a, const uint8_t file[FILE_ID_SIZE], uint32_t node, bool settles)
{
    struct store_file_holder row = {.node = node, .state = APP_SCAN_OFF, .settles = settles, .keeps = true};
    (void)note(a, &row, file, NULL, NULL);
}

bool app_material_note_scan(struct app *a, const uint8_t file[CASE_FILE_ID_SIZE], enum app_scan state,
                            const uint8_t *mark, void (*done)(void *ctx, const struct err *e), void *ctx)
{
    struct store_file_holder row = {.node = a->config->region, .state = (uint8_t)state, .has_mark = mark != NULL};
    if (mark != NULL)
        memcpy(row.mark, mark, sizeof row.mark);
    return note(a, &row, file, done, ctx);
}

static void done(void *ctx, const uint8_t file[FILE_ID_SIZE], uint32_t origin)
{
    struct app *a = ctx;
    char peer[12], hex[2 * FILE_ID_SIZE + 1];
    (void)snprintf(peer, sizeof peer, "%u", origin);
    hex_encode(file, FILE_ID_SIZE, hex);
    log_info("material", peer, "material.arrived", "file %.16s… is here", hex);
    note_holder(a, file, a->config->region, false);
    app_scans_add(a, file, false);
}

static void told(void *ctx, const uint8_t file[FILE_ID_SIZE], uint32_t origin)
{
    struct app *a = ctx;
    (void)origin;
    note_holder(a, file, a->config->region, true);
}

static void back(void *ctx, const uint8_t file[FILE_ID_SIZE], uint32_t peer)
{
    struct app *a = ctx;
    char code[12], hex[2 * FILE_ID_SIZE + 1];
    hex_encode(file, FILE_ID_SIZE, hex);
    (void)snprintf(code, sizeof code, "%u", peer);
    if (peer == 0) {
        log_debug("material", NULL, "material.nowhere", "nobody gives lost file %.16s… back now", hex);
        return;
    }
    log_info("material", code, "material.back", "lost file %.16s… is here again", hex);
    app_scans_add(a, file, false); /* unless that was done before: the bytes are the same */
    struct noting *x = xcalloc(1, sizeof *x);
    x->app = a;
    memcpy(x->file, file, FILE_ID_SIZE);
    noted(x, &(struct err){0});
}

static void peer_has(void *ctx, uint32_t peer, const uint8_t file[FILE_ID_SIZE])
{
    note_holder(ctx, file, peer, false);
}

static void alarm_cb(void *ctx, uint32_t peer, const char *id, const char *text)
{
    struct app *a = ctx;
    replication_alarm(a->replication, peer, id, text);
}

/* ---- wanted ---- */

void app_materials_wanted(struct app *a)
{
    struct arena mem = ARENA_INIT;
    struct store_file *rows;
    size_t count = 0;
    struct store_reader *reader = ledger_reader(a->ledger);
    if (a->fetches != NULL && reader != NULL &&
        store_list_wanted_files(reader, WANTED_MAX, &mem, &rows, &count, NULL) == 0)
        for (size_t i = 0; i < count; i++)
            fetches_add(a->fetches, rows[i].file, rows[i].origin, app_material_is_here(a, rows[i].file));
    arena_close(&mem);
}

void app_material_stored(struct app *a, const struct sync_entry *entry)
{
    struct case_event event;
    if (a->fetches == NULL || entry->leaf.event_type != CASE_EVENT_MATERIAL)
        return;
    case_event_of_leaf(&entry->leaf, &entry->hash, &event);
    if (!event.has_file || !app_material_is_wanted(a, event.file))
        return;
    bool is_here = app_material_is_here(a, event.file);
    fetches_add(a->fetches, event.file, entry->leaf.origin, is_here);
    if (is_here) /* under this event's key it may open */
        app_scans_add(a, event.file, false);
}

uint32_t app_material_progress(struct app *a, const uint8_t file[CASE_FILE_ID_SIZE], uint32_t node)
{
    if (a->fetches == NULL)
        return 0;
    return fetches_progress(a->fetches, file, node == a->config->region ? 0 : node);
}

struct fetches *app_materials_fetches(struct app *a, void (*dial)(void *ctx, uint32_t peer), void *ctx)
{
    a->dial = dial;
    a->dial_ctx = ctx;
    return a->fetches;
}

static void dial_cb(void *ctx, uint32_t peer)
{
    struct app *a = ctx;
    if (a->dial != NULL)
        a->dial(a->dial_ctx, peer);
}

void app_material_make_fetches(struct app *a)
{
    a->fetches = fetches_create(&(struct fetches_config){.loop = a->loop,
                                                         .dir = a->files_dir,
                                                         .may_have = may_have,
                                                         .dial = dial_cb,
                                                         .done = done,
                                                         .told = told,
                                                         .back = back,
                                                         .peer_has = peer_has,
                                                         .alarm = alarm_cb,
                                                         .ctx = a});
}

void app_material_metrics(struct app *a, struct buf *ret)
{
    struct fetches_stats s = {0};
    struct app_scan_stats scans;
    if (a->fetches != NULL)
        fetches_stats(a->fetches, &s);
    app_scans_stats(a, &scans);
    const struct {
        const char *name, *type, *help;
        uint64_t value;
    } rows[] = {
        {"tongban_files_wanted", "gauge", "Files that have not arrived whole.", s.wanted},
        {"tongban_file_chunks_in_total", "counter", "Chunks taken from other nodes.", s.chunks_in},
        {"tongban_file_bytes_in_total", "counter", "Bytes of content in them.", s.bytes_in},
        {"tongban_file_chunks_out_total", "counter", "Chunks given to other nodes.", s.chunks_out},
        {"tongban_file_bytes_out_total", "counter", "Bytes of the answers that held them.", s.bytes_out},
        {"tongban_file_refused_total", "counter", "Requests and answers about files that were refused.", s.refused},
        {"tongban_files_to_scan", "gauge", "Files that wait for the scanner, as far as they are known.", scans.waiting},
        {"tongban_files_scanned_total", "counter", "Files scanned after they came from other nodes, or late.",
         scans.done},
        {"tongban_files_infected_total", "counter", "Of them, those that the scanner takes for harmful.",
         scans.infected},
        {"tongban_files_unjudged_total", "counter", "Of them, those that the scanner could not judge.", scans.unknown},
    };
    for (size_t i = 0; i < array_count(rows); i++)
        buf_printf(ret, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", rows[i].name, rows[i].help, rows[i].name, rows[i].type,
                   rows[i].name, (unsigned long long)rows[i].value);
}
