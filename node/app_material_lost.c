/* Files that were here and are not any more: a disk was lost, or `files` was not in the backup. After the start the files of all
 * cases are looked for on the disk, a page at a time; what is missing is asked back (fetches_add_lost()): a file of another author
 * from that author, an own one from the other participants of its cases, those first that are known to hold it. While anything is
 * missing that is done again and again, with growing pauses: who has it may be away now.
 *
 * "Was here" is a file that this node has put into a case, or that its holder row says has arrived. What has not arrived yet is
 * app_materials_wanted()'s.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/app_internal.h"
#include "node/base/log.h"
#include "node/base/xassert.h"
#include "node/fetches.h"

#define FIRST_MS 1000u
#define PAGE_ROWS 200u
#define PAGE_MS 5u
#define BUSY_MS 1000u
#define AGAIN_MS_MIN 5000u
#define AGAIN_MS_MAX 600000u

struct app_lost {
    struct app *app;
    struct loop_timer *timer;
    struct store_file at; /* the last one looked for */
    bool has_at;
    unsigned missing, told; /* in this pass; in the last warning */
    uint32_t pause_ms;
};

struct sources {
    uint32_t codes[FILE_SOURCES_MAX];
    size_t count;
};

/* A node that can be asked now. */
static void add_source(struct app *a, struct sources *s, uint32_t code)
{
    struct replication_peer view;
    for (size_t i = 0; i < s->count; i++)
        if (s->codes[i] == code)
            return;
    if (s->count < FILE_SOURCES_MAX && code != a->config->region && replication_peer(a->replication, code, &view) &&
        view.connected && view.files_port != 0)
        s->codes[s->count++] = code;
}

/* Who may give back @file of @case_id; whether it was here. */
static bool case_sources(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const uint8_t file[CASE_FILE_ID_SIZE],
                         bool was_here, struct arena *mem, struct sources *ret)
{
    struct store_file *rows;
    struct case_slot *slot;
    size_t count = 0;
    uint32_t nodes[LEAF_RECIPIENTS_MAX];
    bool is_own = false;
    if (store_read_files(ledger_reader(a->ledger), case_id, mem, &rows, &count, NULL) != 0 ||
        case_cache_get(a->cases, a->ledger, case_id, &slot, NULL) != 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (memcmp(rows[i].file, file, CASE_FILE_ID_SIZE) != 0)
            continue;
        if (rows[i].origin == a->config->region)
            is_own = true;
        else if (was_here)
            add_source(a, ret, rows[i].origin);
    }
    size_t node_count = is_own ? app_participants(a, slot->file, nodes) : 0;
    for (size_t i = 0; i < node_count; i++)
        if (app_is_party(slot->file, nodes[i]))
            add_source(a, ret, nodes[i]);
    return is_own;
}

static bool holds(const struct store_file_holder *rows, size_t count, uint32_t node)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].node == node)
            return true;
    return false;
}

/* @file is not on the disk. */
static void look_for(struct app_lost *x, const uint8_t file[CASE_FILE_ID_SIZE])
{
    struct app *a = x->app;
    struct arena mem = ARENA_INIT;
    struct store_reader *reader = ledger_reader(a->ledger);
    struct store_file_holder *holders;
    uint8_t(*cases)[CASE_ID_SIZE];
    size_t count = 0, holder_count = 0, ready = 0;
    struct sources s = {0};
    if (store_read_file_holders(reader, file, &mem, &holders, &holder_count, NULL) != 0 ||
        store_read_file_cases(reader, file, &mem, &cases, &count, NULL) != 0)
        goto out;
    bool was_here = holds(holders, holder_count, a->config->region);
    bool is_lost = was_here;
    for (size_t i = 0; i < count; i++)
        is_lost = case_sources(a, cases[i], file, was_here, &mem, &s) || is_lost;
    for (size_t i = 0; i < s.count; i++)
        if (holds(holders, holder_count, s.codes[i])) {
            uint32_t code = s.codes[i];
            s.codes[i] = s.codes[ready];
            s.codes[ready++] = code;
        }
    x->missing += is_lost;
    if (is_lost && s.count > 0)
        fetches_add_lost(a->fetches, file, s.codes, s.count);

out:
    arena_close(&mem);
}

static void end_pass(struct app_lost *x)
{
    if (x->missing != x->told && x->missing > 0) {
        char text[160];
        (void)snprintf(text, sizeof text,
                       "%u files of this node's cases are not on its disk: asked back from those who hold them",
                       x->missing);
        replication_alarm(x->app->replication, 0, "material.lost", text);
    } else if (x->missing == 0 && x->told > 0) {
        log_info("material", NULL, "material.found", "no file is missing any more");
    }
    x->pause_ms = x->missing < x->told ? AGAIN_MS_MIN : min_of(max_of(2 * x->pause_ms, AGAIN_MS_MIN), AGAIN_MS_MAX);
    if (x->missing > 0)
        loop_timer_set(x->timer, x->pause_ms);
    x->told = x->missing;
    x->missing = 0;
    x->has_at = false;
}

static void page(void *ctx)
{
    struct app_lost *x = ctx;
    struct app *a = x->app;
    struct arena mem = ARENA_INIT;
    struct store_reader *reader = ledger_reader(a->ledger);
    struct fetches_stats now;
    struct store_file *rows;
    size_t count = 0;
    fetches_stats(a->fetches, &now);
    /* A ledger that is behind gets its entries back first. */
    if (reader == NULL || ledger_behind(a->ledger) != 0 || now.wanted >= FILE_LOST_MAX ||
        store_list_held_files(reader, x->has_at ? &x->at : NULL, PAGE_ROWS, &mem, &rows, &count, NULL) != 0) {
        loop_timer_set(x->timer, BUSY_MS);
        goto out;
    }
    for (size_t i = 0; i < count; i++) {
        bool is_next = !x->has_at || memcmp(x->at.file, rows[i].file, sizeof rows[i].file) != 0;
        if (is_next && !app_material_is_here(a, rows[i].file))
            look_for(x, rows[i].file);
        x->at = rows[i];
        x->has_at = true;
    }
    if (count < PAGE_ROWS)
        end_pass(x);
    else
        loop_timer_set(x->timer, PAGE_MS);

out:
    arena_close(&mem);
}

void app_material_lost_start(struct app *a)
{
    struct app_lost *x = xcalloc(1, sizeof *x);
    x->app = a;
    x->timer = loop_timer_create(a->loop, page, x);
    loop_timer_set(x->timer, FIRST_MS);
    a->lost = x;
}

void app_material_lost_stop(struct app *a)
{
    if (a->lost != NULL)
        loop_timer_destroy(a->lost->timer);
    free(a->lost);
    a->lost = NULL;
}
