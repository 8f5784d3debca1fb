/* This node's own scanner over files that it has not scanned: those that came from other nodes, and own ones that were taken in while
 * there was none. Until its word is there the content is given to nobody here (app_material_check_scan()).
 *
 *   a file arrives, or is asked for -> queue ─┐
 *   start: all files of all cases, page by page ┴─► one at a time: case key -> file key -> file_pass -> the node's own holder row
 *
 * The holder row is the only memory: off = nothing said yet. A crash or a stop leaves it so, and the start finds the file again; what
 * could not be judged (unknown, given out with that mark as an upload is) is tried once more at each start. Memory: a queue of bounded
 * length, which when full makes another pass necessary, one pass over one file, and why the last FAILED_MAX files could not be read.
 *
 * Failure modes: the key of a case has not come yet: the file's turn comes with the key, or with the next pass, which asks for it again;
 * a disk that cannot be read, a result that cannot be written: the next pass, after a pause that grows until a whole pass has nothing
 * left; what opens under the key of no event that names the file: told once, not given out here, and tried again with the next event
 * about it, or at the next start.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/app_internal.h"
#include "node/base/log.h"
#include "node/base/xassert.h"
#include "node/file_pass.h"

#define QUEUE_MAX 256u
#define PAGE_ROWS 64u
#define PAGE_MS 5u
#define BUSY_MS 1000u
#define AGAIN_MS_MIN 5000u
#define AGAIN_MS_MAX 3600000u
#define EVENTS_AT_ONCE 4u /* that are tried for a file in one turn of the loop */
#define FAILED_MAX 256u

/* A file at its turn. */
struct scan_run {
    uint8_t file[FILE_ID_SIZE];
    uint8_t (*cases)[CASE_ID_SIZE]; /* that hold it: the key of one of them opens it */
    size_t case_count, case_at;
    size_t event_at; /* of those of the case that name it, from the last one on */
    uint32_t origin; /* who added it, and where */
    uint64_t index;
    uint8_t key[FILE_KEY_SIZE];
    uint8_t sha256[CRYPTO_HASH_SIZE], mark[CRYPTO_HASH_SIZE]; /* as that event says */
    struct file_blob *blob;
    struct file_pass *pass; /* NULL: it is being opened, or its result written */
    bool is_opening;        /* the next turn tries more events */
    bool is_forgotten;      /* no case holds it any more */
    bool has_news;          /* another event about it has come meanwhile */
    bool may_open_later;    /* one of the events may open it another time */
    struct err error;       /* why it did not open: of an event that never will, if there is one */
    enum app_scan result;   /* being written; 0: the word of an upload */
    char why[160];
};

/* A file that could not be read. */
struct failure {
    uint8_t file[FILE_ID_SIZE];
    bool is_final; /* not tried again before something new is known */
    char id[48], message[200];
};

struct app_scans {
    struct app *app;
    struct loop_timer *turn, *again;
    uint8_t queue[QUEUE_MAX][FILE_ID_SIZE];
    size_t queue_count;
    struct store_file at; /* the last file of this pass */
    bool has_at, is_passing, wants_pass;
    bool is_first_pass;           /* tries again what could not be judged */
    bool is_stopping, has_no_key; /* has_no_key: a file waits for the key of its case */
    bool is_again_set;
    unsigned later; /* files of this pass that are to be tried again */
    uint32_t pause_ms;
    struct scan_run *run;
    struct failure failed[FAILED_MAX];
    size_t failed_count, failed_at; /* failed_at: whose place the next one takes when all are taken */
    struct app_scan_stats stats;
};

static void name_of(const uint8_t file[FILE_ID_SIZE], char out[2 * FILE_ID_SIZE + 1])
{
    hex_encode(file, FILE_ID_SIZE, out);
}

/* ---- what cannot be read ---- */

static struct failure *find_failure(struct app_scans *x, const uint8_t file[FILE_ID_SIZE])
{
    for (size_t i = 0; i < x->failed_count; i++)
        if (memcmp(x->failed[i].file, file, FILE_ID_SIZE) == 0)
            return &x->failed[i];
    return NULL;
}

static void forget_failure(struct app_scans *x, const uint8_t file[FILE_ID_SIZE])
{
    struct failure *f = find_failure(x, file);
    if (f != NULL)
        *f = x->failed[--x->failed_count];
}

/* Told when it is news. */
static void note_failure(struct app_scans *x, const uint8_t file[FILE_ID_SIZE], const struct err *e, bool is_final)
{
    struct failure *f = find_failure(x, file);
    char id[2 * FILE_ID_SIZE + 1];
    if (f == NULL || strcmp(f->id, e->id) != 0) {
        name_of(file, id);
        log_warn("material", NULL, e->id, "file %.16s… cannot be scanned: %s", id, e->message);
    }
    if (f == NULL)
        f = x->failed_count < FAILED_MAX ? &x->failed[x->failed_count++] : &x->failed[x->failed_at++ % FAILED_MAX];
    *f = (struct failure){.is_final = is_final};
    memcpy(f->file, file, FILE_ID_SIZE);
    (void)snprintf(f->id, sizeof f->id, "%s", e->id);
    (void)snprintf(f->message, sizeof f->message, "%s", e->message);
}

const char *app_scans_failure(struct app *a, const uint8_t file[CASE_FILE_ID_SIZE])
{
    const struct failure *f = a->scans != NULL ? find_failure(a->scans, file) : NULL;
    return f != NULL && f->is_final ? f->message : NULL;
}

/* ---- whether, and when ---- */

static bool is_to_be_scanned(const struct app_scans *x, const uint8_t file[FILE_ID_SIZE])
{
    enum app_scan state = APP_SCAN_OFF;
    if (app_scans_failure(x->app, file) != NULL || !app_material_is_here(x->app, file) ||
        app_material_own_scan(x->app, file, &state, NULL) != 0)
        return false;
    return state == APP_SCAN_OFF || (state == APP_SCAN_UNKNOWN && x->is_passing && x->is_first_pass);
}

/* Another pass after a pause, which grows from one to the next, not with each file that asks for it. */
static void pass_later(struct app_scans *x)
{
    if (x->is_stopping || x->is_again_set)
        return;
    x->is_again_set = true;
    x->pause_ms = min_of(max_of(2 * x->pause_ms, AGAIN_MS_MIN), AGAIN_MS_MAX);
    loop_timer_set(x->again, x->pause_ms);
}

static void try_later(struct app_scans *x)
{
    x->later++;
    if (!x->is_passing) /* else the end of the pass sees to it */
        pass_later(x);
}

static void go_on(struct app_scans *x, uint32_t delay_ms)
{
    if (!x->is_stopping)
        loop_timer_set(x->turn, delay_ms);
}

static void run_end(struct app_scans *x)
{
    struct scan_run *run = x->run;
    x->run = NULL;
    file_blob_close(run->blob);
    free(run->cases);
    crypto_wipe(run, sizeof *run);
    free(run);
    go_on(x, 0);
}

/* ---- one file: its result ---- */

static void tell(struct app_scans *x)
{
    const struct scan_run *run = x->run;
    char id[2 * FILE_ID_SIZE + 1], peer[12], text[160];
    name_of(run->file, id);
    (void)snprintf(peer, sizeof peer, "%u", run->origin);
    x->stats.done++;
    if (run->result == APP_SCAN_UNKNOWN) {
        x->stats.unknown++;
        log_warn("material", peer, "material.scan", "file %.16s… could not be judged: %s; it has the mark unknown", id,
                 run->why);
    } else if (run->result == APP_SCAN_INFECTED) {
        x->stats.infected++;
        (void)snprintf(text, sizeof text,
                       "the scanner takes file %.16s… of node %u for harmful: its content is not given out here", id,
                       run->origin);
        replication_alarm(x->app->replication, run->origin == x->app->config->region ? 0 : run->origin,
                          "material.infected", text);
    } else {
        log_info("material", peer, "material.scanned", "file %.16s… was scanned: clean", id);
    }
}

/* The result is durable, or cannot be written now. */
static void written(void *ctx, const struct err *e)
{
    struct app_scans *x = ctx;
    if (e->code != 0) {
        try_later(x);
    } else {
        forget_failure(x, x->run->file);
        if (x->run->result != 0 && !x->run->is_forgotten)
            tell(x);
    }
    run_end(x);
}

static void write_result(struct app_scans *x, enum app_scan result)
{
    if (app_material_note_scan(x->app, x->run->file, result, result == APP_SCAN_INFECTED ? NULL : x->run->mark, written,
                               x))
        return;
    try_later(x);
    run_end(x);
}

/* ---- one file: the event whose key opens it ---- */

/* What is wrong with an event stays wrong. */
static bool is_final(int code)
{
    return code == ERR_VERIFY || code == ERR_NOT_FOUND || code == ERR_INVALID || code == ERR_CORRUPT;
}

static void take_error(struct app_scans *x, const struct err *e)
{
    struct scan_run *run = x->run;
    x->has_no_key = x->has_no_key || e->code == ERR_BUSY;
    run->may_open_later = run->may_open_later || !is_final(e->code);
    if (e->code != ERR_BUSY && (run->error.code == 0 || (is_final(e->code) && !is_final(run->error.code))))
        run->error = *e;
}

/* No event opens it. */
static void give_up(struct app_scans *x)
{
    struct scan_run *run = x->run;
    bool has_news = run->has_news;
    uint8_t file[FILE_ID_SIZE];
    memcpy(file, run->file, sizeof file);
    if (!has_news && run->error.code != 0)
        note_failure(x, file, &run->error, !run->may_open_later);
    if (!has_news && run->may_open_later)
        try_later(x);
    run_end(x);
    if (has_news)
        app_scans_add(x->app, file, false);
}

/* The content is another one than the event says: an author who lies about it. One that is harmful is so whatever is said. */
static void check_content(struct app_scans *x, const struct file_pass_result *result, struct err *e)
{
    const struct scan_run *run = x->run;
    char id[2 * FILE_ID_SIZE + 1];
    if (e->code != 0 || result->scan == APP_SCAN_INFECTED ||
        memcmp(result->sha256, run->sha256, sizeof run->sha256) == 0)
        return;
    name_of(run->file, id);
    (void)err_set(e, ERR_VERIFY, "material.sha256-said",
                  "the content of file %.16s… has another SHA-256 than entry %llu of node %u says", id,
                  (unsigned long long)run->index, run->origin);
    replication_alarm(x->app->replication, run->origin == x->app->config->region ? 0 : run->origin, e->id, e->message);
}

static void passed(void *ctx, const struct file_pass_result *result, const struct err *pass_error)
{
    struct err error = *pass_error, *e = &error;
    struct app_scans *x = ctx;
    struct scan_run *run = x->run;
    run->pass = NULL;
    check_content(x, result, e);
    if (run->is_forgotten || (e->code != 0 && x->is_stopping)) {
        run_end(x);
    } else if (e->code != 0) { /* under the key of another event it may open */
        take_error(x, e);
        file_blob_close(run->blob);
        run->blob = NULL;
        run->event_at++;
        run->is_opening = true;
        go_on(x, 0);
    } else {
        run->result = result->scan;
        (void)snprintf(run->why, sizeof run->why, "%s", result->why);
        write_result(x, result->scan);
    }
}

/* What it takes to read the file as @m says; ERR_BUSY when the key is missing. */
static int open_material(struct app_scans *x, const uint8_t case_id[CASE_ID_SIZE], const struct app_material_view *m,
                         enum app_scan *ret_said, struct err *e)
{
    struct scan_run *run = x->run;
    if (m->content == APP_CONTENT_NO_KEY)
        return err_set(e, ERR_BUSY, "case.key-missing", "the key of this case has not arrived yet");
    if (m->content == APP_CONTENT_ERASED)
        return err_set(e, ERR_NOT_FOUND, "case.erased", "the content of this case has been erased");
    if (m->content != APP_CONTENT_SHOWN)
        return err_set(e, ERR_VERIFY, "material.unreadable", "what entry %llu of node %u says of the file has no form",
                       (unsigned long long)m->index, m->origin);
    run->origin = m->origin;
    run->index = m->index;
    memcpy(run->sha256, m->sha256, sizeof run->sha256);
    int rc = app_material_key(x->app, case_id, m, run->key, e);
    if (rc != 0)
        return rc;
    app_material_mark(run->file, run->key, run->sha256, run->mark);
    *ret_said = app_material_said(x->app, m);
    if (*ret_said == APP_SCAN_CLEAN || *ret_said == APP_SCAN_INFECTED)
        return 0;
    *ret_said = APP_SCAN_OFF; /* not judged as it was uploaded: tried again */
    return app_material_blob(x->app, m, &run->blob, e);
}

/* The next event that names the file; false: it does not open it, or the case has no more of them. */
static bool open_event(struct app_scans *x, enum app_scan *ret_said)
{
    struct scan_run *run = x->run;
    const uint8_t *case_id = run->cases[run->case_at];
    struct arena mem = ARENA_INIT;
    struct app_material_view *rows;
    size_t count = 0;
    struct err e = {0};
    int rc = app_list_materials_of(x->app, case_id, run->file, &mem, &rows, &count, &e);
    bool is_over = rc != 0 || run->event_at >= count;
    if (!is_over)
        rc = open_material(x, case_id, &rows[count - 1 - run->event_at], ret_said, &e);
    arena_close(&mem);
    if (rc != 0)
        take_error(x, &e);
    if (is_over) {
        run->case_at++;
        run->event_at = 0;
    } else if (rc != 0) {
        run->event_at++;
    }
    return !is_over && rc == 0;
}

/* Goes on with the events; some of them in one turn. */
static void open_on(struct app_scans *x)
{
    const struct config *c = x->app->config;
    struct scan_run *run = x->run;
    enum app_scan said = APP_SCAN_OFF;
    bool is_open = false;
    for (unsigned i = 0; i < EVENTS_AT_ONCE && run->case_at < run->case_count && !is_open; i++)
        is_open = open_event(x, &said);
    run->is_opening = !is_open;
    if (!is_open && run->case_at == run->case_count)
        give_up(x);
    else if (!is_open)
        go_on(x, 0);
    else if (said != APP_SCAN_OFF) /* of an upload of earlier days: its event says it */
        write_result(x, said);
    else
        run->pass = file_pass_start(&(struct file_pass_config){.loop = x->app->loop,
                                                               .blob = run->blob,
                                                               .key = run->key,
                                                               .scanner = c->scanner,
                                                               .scanner_ms = c->scanner_s * 1000},
                                    passed, x);
}

/* Begins with @file; there is a reader. */
static void start(struct app_scans *x, const uint8_t file[FILE_ID_SIZE])
{
    struct arena mem = ARENA_INIT;
    uint8_t(*cases)[CASE_ID_SIZE];
    size_t count = 0;
    xassert(x->run == NULL);
    if (store_read_file_cases(ledger_reader(x->app->ledger), file, &mem, &cases, &count, NULL) != 0) {
        try_later(x);
    } else if (count > 0) {
        struct scan_run *run = x->run = xcalloc(1, sizeof *run);
        memcpy(run->file, file, sizeof run->file);
        run->cases = xmalloc(count * sizeof *cases);
        memcpy(run->cases, cases, count * sizeof *cases);
        run->case_count = count;
        open_on(x);
    }
    arena_close(&mem);
}

/* ---- whose turn it is ---- */

static void begin_pass(struct app_scans *x)
{
    x->is_passing = true;
    x->wants_pass = x->has_at = x->has_no_key = false;
    x->later = 0;
}

static void end_pass(struct app_scans *x)
{
    x->is_passing = x->is_first_pass = false;
    if (x->wants_pass) {
        begin_pass(x);
        go_on(x, 0);
    } else if (x->later > 0) {
        pass_later(x);
    } else {
        x->pause_ms = 0;
    }
}

/* At most one file is begun with in a turn. */
static void page(struct app_scans *x)
{
    struct arena mem = ARENA_INIT;
    struct store_file *rows;
    size_t count = 0, i = 0;
    bool has_begun = false;
    if (store_list_held_files(ledger_reader(x->app->ledger), x->has_at ? &x->at : NULL, PAGE_ROWS, &mem, &rows, &count,
                              NULL) != 0) {
        go_on(x, BUSY_MS);
        arena_close(&mem);
        return;
    }
    for (; i < count && !has_begun; i++) {
        bool is_next = !x->has_at || memcmp(x->at.file, rows[i].file, sizeof rows[i].file) != 0;
        x->at = rows[i];
        x->has_at = true;
        if (is_next && is_to_be_scanned(x, rows[i].file)) {
            has_begun = true;
            start(x, rows[i].file);
        }
    }
    if (!has_begun && count < PAGE_ROWS)
        end_pass(x);
    if (x->run == NULL && x->is_passing)
        go_on(x, PAGE_MS);
    arena_close(&mem);
}

static void turn(void *ctx)
{
    struct app_scans *x = ctx;
    bool is_opening = x->run != NULL && x->run->is_opening;
    if (x->is_stopping || (x->run != NULL && !is_opening))
        return;
    if (is_opening && x->run->is_forgotten) {
        run_end(x);
    } else if (ledger_reader(x->app->ledger) == NULL || ledger_behind(x->app->ledger) != 0) {
        go_on(x, BUSY_MS); /* a ledger that is behind gets its entries back first */
    } else if (is_opening) {
        open_on(x);
    } else if (x->queue_count > 0) {
        uint8_t file[FILE_ID_SIZE];
        memcpy(file, x->queue[0], sizeof file);
        memmove(x->queue[0], x->queue[1], --x->queue_count * sizeof x->queue[0]);
        if (is_to_be_scanned(x, file))
            start(x, file);
        if (x->run == NULL)
            go_on(x, 0);
    } else if (x->is_passing) {
        page(x);
    }
}

static void again(void *ctx)
{
    struct app_scans *x = ctx;
    x->is_again_set = false;
    if (!x->is_passing)
        begin_pass(x);
    go_on(x, 0);
}

/* Where @file stands in the queue; its length: nowhere. */
static size_t place_of(const struct app_scans *x, const uint8_t file[FILE_ID_SIZE])
{
    size_t i = 0;
    while (i < x->queue_count && memcmp(x->queue[i], file, FILE_ID_SIZE) != 0)
        i++;
    return i;
}

void app_scans_add(struct app *a, const uint8_t file[CASE_FILE_ID_SIZE], bool is_asked_for)
{
    struct app_scans *x = a->scans;
    if (x == NULL || x->is_stopping)
        return;
    if (!is_asked_for)
        forget_failure(x, file);
    if (x->run != NULL && !x->run->is_forgotten && memcmp(x->run->file, file, FILE_ID_SIZE) == 0) {
        x->run->has_news = x->run->has_news || !is_asked_for;
        return;
    }
    size_t at = place_of(x, file);
    if (at == QUEUE_MAX) { /* full: the last one is left to another pass */
        x->wants_pass = true;
        memcpy(x->queue[--at], file, FILE_ID_SIZE);
    } else if (at == x->queue_count) {
        memcpy(x->queue[x->queue_count++], file, FILE_ID_SIZE);
    }
    if (is_asked_for) {
        memmove(x->queue[1], x->queue[0], at * sizeof x->queue[0]);
        memcpy(x->queue[0], file, FILE_ID_SIZE);
    }
    if (x->wants_pass && !x->is_passing)
        begin_pass(x);
    go_on(x, 0);
}

void app_scans_key_came(struct app *a, const uint8_t case_id[CASE_ID_SIZE])
{
    struct arena mem = ARENA_INIT;
    struct store_file *rows;
    size_t count = 0;
    if (a->scans == NULL || !a->scans->has_no_key || ledger_reader(a->ledger) == NULL)
        return;
    if (store_read_files(ledger_reader(a->ledger), case_id, &mem, &rows, &count, NULL) == 0)
        for (size_t i = 0; i < count; i++)
            app_scans_add(a, rows[i].file, false);
    arena_close(&mem);
}

void app_scans_forget(struct app *a, const uint8_t file[CASE_FILE_ID_SIZE])
{
    struct scan_run *run = a->scans != NULL ? a->scans->run : NULL;
    if (a->scans != NULL)
        forget_failure(a->scans, file);
    if (run == NULL || memcmp(run->file, file, FILE_ID_SIZE) != 0)
        return;
    run->is_forgotten = true;
    if (run->pass != NULL)
        file_pass_stop(run->pass);
}

/* ---- life ---- */

void app_scans_open(struct app *a)
{
    if (a->config->scanner[0] == NULL)
        return;
    struct app_scans *x = xcalloc(1, sizeof *x);
    x->app = a;
    x->turn = loop_timer_create(a->loop, turn, x);
    x->again = loop_timer_create(a->loop, again, x);
    x->is_first_pass = true;
    a->scans = x;
}

void app_scans_start(struct app *a)
{
    if (a->scans == NULL)
        return;
    begin_pass(a->scans);
    go_on(a->scans, 0);
}

void app_scans_stop(struct app *a)
{
    struct app_scans *x = a->scans;
    if (x == NULL)
        return;
    x->is_stopping = true;
    loop_timer_cancel(x->turn);
    loop_timer_cancel(x->again);
    if (x->run != NULL && x->run->is_opening)
        run_end(x);
    else if (x->run != NULL && x->run->pass != NULL)
        file_pass_stop(x->run->pass);
}

bool app_scans_idle(const struct app *a)
{
    return a->scans == NULL || a->scans->run == NULL;
}

void app_scans_close(struct app *a)
{
    struct app_scans *x = a->scans;
    if (x == NULL)
        return;
    xassert(x->run == NULL);
    loop_timer_destroy(x->turn);
    loop_timer_destroy(x->again);
    free(x);
    a->scans = NULL;
}

void app_scans_stats(const struct app *a, struct app_scan_stats *ret)
{
    const struct app_scans *x = a->scans;
    *ret = x != NULL ? x->stats : (struct app_scan_stats){0};
    ret->waiting = x != NULL ? x->queue_count + (x->run != NULL) : 0;
}
