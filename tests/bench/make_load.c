/* make_load: synthetic cases in a node's store, through the node's own append path, for measurements and tests of size.
 *
 *   make_load NODE_JSON CASES [SEED [IN_FLIGHT]]
 *
 * The node must have been made (`tongban node init`, `ca issue`, `ca publish`) and must not be running; for cases that other nodes
 * decide it must have met them once, so that their catalogs are in its store. Every case is an application at the window as
 * the API takes it (app_submit): checked, sealed, signed, in the ledger, with its row and key; for another node's item it is
 * forwarded to it. IN_FLIGHT (1,000) applications wait for the disk together.
 *
 * Who applies, for what and where follows from SEED (1) and the catalogs alone; case ids, keys and times do not. People are
 * born 1900 to 1908, so that nobody living has the number; organisations' codes hold TEMP. Items that take no application of the
 * kind are left out after the first refusal and named at the end.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "catalog/load.h"
#include "certs/keystore.h"
#include "node/app_internal.h"
#include "node/base/clock.h"
#include "node/base/date.h"
#include "node/base/file.h"
#include "node/base/prng.h"
#include "node/base/uscc.h"
#include "node/base/xassert.h"
#include "node/engine.h"
#include "node/fetches.h"

#define ITEMS_MAX 4096
#define ORGANISATIONS_PERCENT 10

/* An item and the divisions it is decided for. */
struct item {
    char code[64];
    uint32_t node;
    bool refused[2]; /* applications of persons, of organisations */
    bool tried[2];
};

struct job {
    struct config config;
    struct members members;
    struct crypto_signer *key, *witness_key;
    struct note_signer signer, witness;
    struct crypto_hpke_key *seal_key;
    struct region_table *regions;
    struct policy more_logs;
    struct loop *loop;
    struct engine engine;
    struct item items[ITEMS_MAX];
    size_t item_count;
    uint32_t *divisions; /* current counties, ascending */
    size_t division_count;
    struct prng prng;
    uint64_t wanted, made, asked, in_flight, in_flight_max, refused;
    uint64_t started_ms;
    struct loop_item pump;
    bool pump_posted;
};

/* One application under way. */
struct application {
    struct job *job;
    struct item *item;
    bool organisation;
};

static void check(int rc, const struct err *e)
{
    if (rc != 0) {
        (void)fprintf(stderr, "make_load: %s (%s)\n", e->message, e->id);
        exit(1);
    }
}

/* ---- who and what ---- */

static uint64_t below(struct job *j, uint64_t n)
{
    return prng_next(&j->prng) % n;
}

/* GB 11643: division, birth 1900 to 1908, serial, check. */
static void make_citizen(struct job *j, uint32_t division, char out[19])
{
    static const int weights[17] = {7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
    uint32_t birth = date_from_days(date_to_days(19000101) + (int32_t)below(j, 3287));
    int sum = 0;
    (void)snprintf(out, 19, "%06" PRIu32 "%08" PRIu32 "%03u", division, birth, (unsigned)below(j, 999) + 1);
    for (int i = 0; i < 17; i++)
        sum += (out[i] - '0') * weights[i];
    out[17] = "10X98765432"[sum % 11];
    out[18] = '\0';
}

/* GB 32100: 91, division, TEMP and three characters, both checks. */
static void make_credit(struct job *j, uint32_t division, char out[19])
{
    static const char alphabet[] = "0123456789ABCDEFGHJKLMNPQRTUWXY";
    (void)snprintf(out, 19, "91%06" PRIu32 "TEMP%c%c%c%c", division, alphabet[below(j, 31)], alphabet[below(j, 31)],
                   alphabet[below(j, 31)], alphabet[below(j, 31)]);
    out[16] = '0';
    out[17] = '0';
    out[18] = '\0';
    out[16] = uscc_org_check_char(out);
    out[17] = uscc_check_char(out);
}

static void make_name(struct job *j, char out[16])
{
    static const char *const family[] = {"赵", "钱", "孙", "李", "周", "吴", "郑", "王", "冯", "陈"};
    static const char *const given[] = {"一", "二", "三", "四", "五", "六", "七", "八", "九", "十", "小", "大"};
    (void)snprintf(out, 16, "%s%s%s", family[below(j, 10)], given[below(j, 12)], given[below(j, 12)]);
}

/* A county of the item's node. */
static uint32_t pick_division(struct job *j, uint32_t node)
{
    uint32_t span = node % 10000 == 0 ? 10000 : node % 100 == 0 ? 100 : 1;
    size_t low = 0, high = j->division_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (j->divisions[middle] < node)
            low = middle + 1;
        else
            high = middle;
    }
    size_t end = low;
    while (end < j->division_count && j->divisions[end] < node + span)
        end++;
    return end > low ? j->divisions[low + below(j, end - low)] : node;
}

/* ---- the pump ---- */

static void pump_later(struct job *j);

static void done_cb(void *ctx, const struct app_command_result *result, const struct err *e)
{
    struct application *a = ctx;
    struct job *j = a->job;
    (void)result;
    j->in_flight--;
    if (e->code == 0) {
        j->made++;
        if (j->made % 100000 == 0)
            (void)fprintf(stderr, "%" PRIu64 " cases, %.1f s\n", j->made,
                          (double)(clock_mono_ms() - j->started_ms) / 1000);
    } else {
        j->refused++;
        if (!a->item->refused[a->organisation])
            (void)fprintf(stderr, "item %s of %" PRIu32 " left out for %s: %s (%s)\n", a->item->code, a->item->node,
                          a->organisation ? "organisations" : "persons", e->message, e->id);
        a->item->refused[a->organisation] = true;
    }
    free(a);
    pump_later(j);
}

static struct item *pick_item(struct job *j, bool organisation)
{
    for (int tries = 0; tries < 1000; tries++) {
        struct item *item = &j->items[below(j, j->item_count)];
        if (!item->refused[organisation])
            return item;
    }
    (void)fprintf(stderr, "make_load: no item of %zu takes applications of %s\n", j->item_count,
                  organisation ? "organisations" : "persons");
    exit(1);
}

static void submit_one(struct job *j)
{
    struct application *a = xcalloc(1, sizeof *a);
    char number[19], name[16], payload[512];
    a->job = j;
    a->organisation = below(j, 100) < ORGANISATIONS_PERCENT;
    a->item = pick_item(j, a->organisation);
    uint32_t division = pick_division(j, a->item->node);
    if (a->organisation)
        make_credit(j, division, number);
    else
        make_citizen(j, division, number);
    make_name(j, name);
    const char *kind = a->organisation ? "organisation" : "person", *type = a->organisation ? "uscc" : "citizen_id";
    int size = snprintf(payload, sizeof payload,
                        "{\"applicant\":{\"id_number\":\"%s\",\"id_type\":\"%s\",\"kind\":\"%s\",\"name\":\"%s\"},"
                        "\"division\":\"%06" PRIu32 "\",\"form\":{\"事由\":\"第%" PRIu64 "件\"},\"item\":\"%s\"}",
                        number, type, kind, name, division, j->asked, a->item->code);
    const struct app_submission s = {.item_code = a->item->code,
                                     .item_node = a->item->node,
                                     .division = division,
                                     .applicant_kind = kind,
                                     .applicant_name = name,
                                     .id_type = type,
                                     .id_number = number,
                                     .payload = bytes_of(payload, (size_t)size),
                                     .forward = a->item->node != j->config.region};
    const struct app_request r = {0};
    j->asked++;
    j->in_flight++;
    app_submit(j->engine.app, &s, &r, done_cb, a);
}

static void pump_run(struct loop_item *item)
{
    struct job *j = container_of(item, struct job, pump);
    j->pump_posted = false;
    while (j->made + j->in_flight < j->wanted && j->in_flight < j->in_flight_max)
        submit_one(j);
    if (j->made >= j->wanted && j->in_flight == 0)
        loop_stop(j->loop);
}

static void pump_later(struct job *j)
{
    bool finished = j->made >= j->wanted && j->in_flight == 0;
    bool low = j->in_flight <= j->in_flight_max / 2 && j->made + j->in_flight < j->wanted;
    if (j->pump_posted || (!finished && !low))
        return;
    j->pump_posted = true;
    list_init(&j->pump.link);
    j->pump.run = pump_run;
    loop_post(j->loop, &j->pump);
}

/* ---- the node ---- */

static void load_identity(struct job *j)
{
    struct err e = {0};
    struct buf vkey = {0};
    check(file_read(j->config.federation_path, 4096, &vkey, &e), &e);
    (void)buf_cstr(&vkey);
    vkey.data[strcspn((char *)vkey.data, "\r\n")] = '\0';
    check(members_load(j->config.members_path, (char *)vkey.data, &j->members, &e), &e);
    buf_close(&vkey);
    const struct member *self = members_find(&j->members, j->config.region);
    xassert(self != NULL);
    check(keystore_load_signing_key(j->config.ledger_key_path, &j->key, &e), &e);
    check(keystore_load_signing_key(j->config.witness_key_path, &j->witness_key, &e), &e);
    check(keystore_load_seal_key(j->config.seal_key_path, &j->seal_key, &e), &e);
    check(note_signer_init(self->key.name, NOTE_TYPE_ED25519, j->key, &j->signer, &e), &e);
    check(note_signer_init(self->witness.name, NOTE_TYPE_COSIGNATURE, j->witness_key, &j->witness, &e), &e);
}

static void load_regions(struct job *j)
{
    struct arena a = ARENA_INIT;
    struct err e = {0};
    check(region_table_load(arena_printf(&a, "%s/divisions.tsv", j->config.data),
                            arena_printf(&a, "%s/divisions_historic.tsv", j->config.data), &j->regions, &e),
          &e);
    j->divisions = xcalloc(region_count(j->regions), sizeof *j->divisions);
    for (size_t i = 0; i < region_count(j->regions); i++) {
        const struct region *r = region_at(j->regions, i);
        if (r->is_current && !r->is_pseudo && (r->level == REGION_COUNTY || r->has_no_counties))
            j->divisions[j->division_count++] = r->code;
    }
    arena_close(&a);
}

static void nothing_asked(void *ctx)
{
    (void)ctx; /* nobody is asked what they hold: there is no link */
}

static void open_node(struct job *j, const char *path)
{
    struct err e = {0};
    struct catalog *catalog = NULL;
    check(config_load(path, &j->config, &e), &e);
    load_identity(j);
    load_regions(j);
    check(loop_create(&j->loop, &e), &e);
    if (j->config.catalog[0] != '\0') {
        struct shape_problems *problems = xcalloc(1, sizeof *problems);
        check(catalog_load(j->config.catalog, &(struct load_expect){.node = j->config.region}, &catalog, problems, &e),
              &e);
        free(problems);
    }
    const struct engine_parts parts = {.config = &j->config,
                                       .members = &j->members,
                                       .regions = j->regions,
                                       .catalog = catalog,
                                       .signer = &j->signer,
                                       .witness = &j->witness,
                                       .seal_key = j->seal_key,
                                       .more_logs = &j->more_logs,
                                       .loop = j->loop,
                                       .on_asked = nothing_asked,
                                       .ctx = j};
    check(engine_open(&j->engine, &parts, &e), &e);
    check(app_materials_open(j->engine.app, &e), &e);
}

static void load_items(struct job *j)
{
    struct arena a = ARENA_INIT;
    struct err e = {0};
    struct app_item_filter filter = {.limit = LIST_ROWS_MAX};
    size_t count = 0;
    do {
        struct app_item_view *views;
        check(app_list_items(j->engine.app, &filter, &a, &views, &count, &e), &e);
        for (size_t i = 0; i < count && j->item_count < ITEMS_MAX; i++) {
            struct item *item = &j->items[j->item_count++];
            (void)snprintf(item->code, sizeof item->code, "%s", views[i].code);
            item->node = views[i].node;
            filter.after_code = views[i].code;
            filter.after_node = views[i].node;
        }
    } while (count == LIST_ROWS_MAX && j->item_count < ITEMS_MAX);
    arena_close(&a);
    if (j->item_count == 0) {
        (void)fprintf(stderr, "make_load: no items: has the node met the others, or a catalog of its own?\n");
        exit(1);
    }
}

static void drained_cb(void *ctx)
{
    struct job *j = ctx;
    loop_stop(j->loop);
}

static void close_node(struct job *j)
{
    engine_stop(&j->engine);
    struct loop_timer *timer = loop_timer_create(j->loop, drained_cb, j);
    while (!engine_is_drained(&j->engine)) {
        loop_timer_set(timer, 10);
        loop_run(j->loop);
    }
    struct fetches *fetches = j->engine.app->fetches;
    engine_close(&j->engine);
    fetches_destroy(fetches);
    loop_timer_destroy(timer);
    loop_drain(j->loop);
    engine_destroy(&j->engine);
    loop_destroy(j->loop);
    region_table_destroy(j->regions);
    crypto_signer_destroy(j->key);
    crypto_signer_destroy(j->witness_key);
    crypto_hpke_key_destroy(j->seal_key);
    members_close(&j->members);
    config_close(&j->config);
    free(j->divisions);
}

static uint64_t argument(char **argv, int argc, int at, uint64_t otherwise)
{
    uint64_t v = otherwise;
    if (at < argc && decimal_parse(bytes_of_string(argv[at]), &v) != 0) {
        (void)fprintf(stderr, "make_load: '%s' is no number\n", argv[at]);
        exit(2);
    }
    return v;
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 5) {
        (void)fprintf(stderr, "usage: make_load NODE_JSON CASES [SEED [IN_FLIGHT]]\n");
        return 2;
    }
    struct job *j = xcalloc(1, sizeof *j);
    j->wanted = argument(argv, argc, 2, 0);
    prng_init(&j->prng, argument(argv, argc, 3, 1));
    j->in_flight_max = max_of(argument(argv, argc, 4, 1000), UINT64_C(1));
    log_set_level(LOG_LEVEL_WARN);
    open_node(j, argv[1]);
    engine_start(&j->engine);
    j->started_ms = clock_mono_ms();
    load_items(j);
    pump_later(j);
    loop_run(j->loop);
    uint64_t elapsed_ms = max_of(clock_mono_ms() - j->started_ms, UINT64_C(1));
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    printf("cases %" PRIu64 "  refused %" PRIu64 "  items %zu  ledger %" PRIu64 "  %.1f s  %.0f cases/s  peak %ld MB\n",
           j->made, j->refused, j->item_count, ledger_size(j->engine.ledger), (double)elapsed_ms / 1000,
           (double)j->made * 1000 / (double)elapsed_ms, usage.ru_maxrss / 1024);
    close_node(j);
    free(j);
    return 0;
}
