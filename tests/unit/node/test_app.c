/* node/app, called as a front end calls it: what the HTTP API says first or cannot say, because its decoder is stricter; and what is
 * refused while something else of the same kind is under way: two calls in one turn of the loop, so the first cannot have ended. A
 * whole engine in a folder of its own, in a federation of two whose other member is never there. Nothing sleeps. */
#include "tests/unit/node/ledger_rig.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "catalog/import.h"
#include "catalog/load.h"
#include "federation/link.h"
#include "federation/wire/wire.h"
#include "node/app_bundle.h"
#include "node/app_internal.h"
#include "node/engine.h"
#include "node/fetches.h"
#include "node/files/file_blob.h"
#include "node/ledger_internal.h"
#include "node/replication.h"

#define SELF LEDGER_RIG_SELF
#define PEER 440000u
#define ITEM "TEST510000"
#define ANSWERS_MAX 4u
#define IMPORTED (2 * APP_PUBLISH_ITEMS_MAX) /* two transactions */
/* SQLite's shared memory (32 KiB) can be made, and the log, which is longer, cannot go on. */
#define LOG_LIMIT (40u << 10)

struct fixture {
    struct link link; /* first: the link is the fixture */
    char dir[64];
    struct config config;
    struct members members;
    struct crypto_signer *keys[4];
    struct note_signer signer, witness, peer, peer_witness;
    struct crypto_hpke_key *seal_key;
    struct policy more_logs;
    struct loop *loop;
    struct engine engine;
    /* Answers in the order in which they came. */
    unsigned wanted, count;
    struct err answers[ANSWERS_MAX];
    uint8_t case_id[CASE_ID_SIZE], upload[APP_UPLOAD_ID_SIZE];
    /* What the ledger tells the engine passes through here in a test of a full disk. */
    struct ledger_config told;
    uint64_t full_from; /* entries */
    struct loop_item later;
    char replied[64]; /* id of the last WIRE_ERROR */
};

static void nothing(void *ctx)
{
    (void)ctx;
}

/* ---- answers ---- */

static void note(struct fixture *f, const struct err *e)
{
    assert_true(f->count < ANSWERS_MAX);
    f->answers[f->count++] = *e;
    if (f->count == f->wanted)
        loop_stop(f->loop);
}

static void await(struct fixture *f, unsigned wanted)
{
    f->wanted = wanted;
    if (f->count < wanted)
        loop_run(f->loop);
    assert_int_equal(f->count, wanted);
    f->wanted = f->count = 0;
}

static void assert_refused(const struct err *e, int code, const char *id)
{
    assert_int_equal(e->code, code);
    assert_string_equal(e->id, id);
}

static void command_cb(void *ctx, const struct app_command_result *result, const struct err *e)
{
    struct fixture *f = ctx;
    memcpy(f->case_id, result->case_id, sizeof f->case_id);
    note(f, e);
}

static void quiet_command_cb(void *ctx, const struct app_command_result *result, const struct err *e)
{
    (void)result;
    note(ctx, e);
}

static void uploaded_cb(void *ctx, const struct app_upload_view *v, const struct err *e)
{
    struct fixture *f = ctx;
    if (e->code == 0)
        memcpy(f->upload, v->id, sizeof f->upload);
    note(f, e);
}

static void import_cb(void *ctx, const struct app_import_result *result, const struct err *e)
{
    (void)result;
    note(ctx, e);
}

static void export_cb(void *ctx, struct bytes file, const struct err *e)
{
    (void)file;
    note(ctx, e);
}

static void bundle_cb(void *ctx, const struct app_bundle_import_result *result, const struct err *e)
{
    (void)result;
    note(ctx, e);
}

static void committed_cb(void *ctx, const struct err *e)
{
    note(ctx, e);
}

static void receipt_cb(void *ctx, const struct app_receipt *receipt, const struct err *e)
{
    (void)receipt;
    note(ctx, e);
}

/* ---- the node ---- */

static struct catalog *make_catalog(void)
{
    static const char text[] =
        "{\"format\":\"tongban-catalog/1\",\"node\":510000,\"version\":1,\"items\":[{\"code\":\"" ITEM "\","
        "\"basic_code\":\"0020KSTB0001\",\"name\":\"学历公证\",\"type\":\"20\",\"level\":2,\"division\":510000,"
        "\"department\":{\"name\":\"厅\"},\"subject\":[\"自然人\"],\"modes\":[],"
        "\"status\":\"在用\",\"version\":1,\"source\":{\"text\":\"-\",\"certainty\":\"seen\"},\"legal_basis\":[\"-\"]}]"
        "}";
    struct catalog *c = NULL;
    struct err e = {0};
    if (catalog_load_text(bytes_of_string(text), "catalog", &(struct load_expect){.node = SELF}, &c, NULL, &e) != 0)
        fail_msg("%s", e.message);
    return c;
}

static void make_key(struct fixture *f, unsigned at, const char *name, unsigned type, struct note_signer *ret)
{
    const uint8_t seed[CRYPTO_ED25519_KEY_SIZE] = {7, (uint8_t)at};
    struct err e = {0};
    f->keys[at] = crypto_signer_create(seed);
    assert_int_equal(note_signer_init(name, (uint8_t)type, f->keys[at], ret, &e), 0);
}

static void make_members(struct fixture *f)
{
    make_key(f, 0, LEDGER_RIG_ORIGIN, NOTE_TYPE_ED25519, &f->signer);
    make_key(f, 1, "510000.test/witness", NOTE_TYPE_COSIGNATURE, &f->witness);
    make_key(f, 2, "440000.test/log/1", NOTE_TYPE_ED25519, &f->peer);
    make_key(f, 3, "440000.test/witness", NOTE_TYPE_COSIGNATURE, &f->peer_witness);
    f->seal_key = crypto_hpke_key_create();
    f->members = (struct members){.federation = "test", .version = 1, .count = 2};
    f->members.list = xcalloc(2, sizeof *f->members.list);
    f->members.list[0] =
        (struct member){.code = PEER, .name = "广东省", .url = "", .key = f->peer.key, .witness = f->peer_witness.key};
    f->members.list[1] =
        (struct member){.code = SELF, .name = "四川省", .url = "", .key = f->signer.key, .witness = f->witness.key};
    crypto_hpke_key_public(f->seal_key, f->members.list[1].seal_key);
}

static void submit(struct fixture *f)
{
    const struct app_submission s = {.item_code = ITEM,
                                     .item_node = SELF,
                                     .division = SELF,
                                     .applicant_kind = "person",
                                     .applicant_name = "测试",
                                     .id_type = "other",
                                     .id_number = "0",
                                     .payload = bytes_of_string("{\"form\":{}}")};
    app_submit(f->engine.app, &s, &(struct app_request){0}, command_cb, f);
    await(f, 1);
    if (f->answers[0].code != 0)
        fail_msg("%s", f->answers[0].message);
}

/* A node with one case, of which it is the receiving and the deciding node. */
static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    struct err e = {0};
    *state = f;
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/tongban-app-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    config_defaults(&f->config);
    f->config.dir = f->dir;
    f->config.region = SELF;
    f->config.name = "四川省";
    f->config.listen = f->config.data = "";
    f->config.log = "warn";
    f->config.reconcile_hour = APP_RECONCILE_NEVER;
    make_members(f);
    assert_int_equal(loop_create(&f->loop, &e), 0);
    const struct engine_parts parts = {.config = &f->config,
                                       .members = &f->members,
                                       .catalog = make_catalog(),
                                       .signer = &f->signer,
                                       .witness = &f->witness,
                                       .seal_key = f->seal_key,
                                       .more_logs = &f->more_logs,
                                       .loop = f->loop,
                                       .on_asked = nothing,
                                       .ctx = f};
    log_set_level(LOG_LEVEL_WARN);
    if (engine_open(&f->engine, &parts, &e) != 0 || app_materials_open(f->engine.app, &e) != 0)
        fail_msg("%s", e.message);
    engine_start(&f->engine);
    ledger_commit(ledger_txn_create(f->engine.ledger), committed_cb, f); /* behind the catalog */
    await(f, 1);
    submit(f);
    return 0;
}

static void drained_cb(void *ctx)
{
    loop_stop(ctx);
}

static void close_engine(struct fixture *f)
{
    app_stop_verifying(f->engine.app);
    app_materials_stop(f->engine.app);
    engine_stop(&f->engine);
    struct loop_timer *turn = loop_timer_create(f->loop, drained_cb, f->loop);
    while (!engine_is_drained(&f->engine)) {
        loop_timer_set(turn, 1);
        loop_run(f->loop);
    }
    loop_timer_destroy(turn);
    struct fetches *fetches = f->engine.app->fetches;
    engine_close(&f->engine);
    fetches_destroy(fetches);
    loop_drain(f->loop);
    engine_destroy(&f->engine);
    loop_destroy(f->loop);
    f->loop = NULL;
}

static void remove_tree(const char *path)
{
    DIR *d = opendir(path);
    for (const struct dirent *x; d != NULL && (x = readdir(d)) != NULL;) {
        char inner[512];
        struct stat s;
        (void)snprintf(inner, sizeof inner, "%.200s/%s", path, x->d_name);
        if (strcmp(x->d_name, ".") == 0 || strcmp(x->d_name, "..") == 0)
            continue;
        if (lstat(inner, &s) == 0 && S_ISDIR(s.st_mode))
            remove_tree(inner);
        else
            (void)unlink(inner);
    }
    if (d != NULL)
        (void)closedir(d);
    assert_int_equal(rmdir(path), 0);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->loop != NULL)
        close_engine(f);
    for (unsigned i = 0; i < array_count(f->keys); i++)
        crypto_signer_destroy(f->keys[i]);
    crypto_hpke_key_destroy(f->seal_key);
    free(f->members.list);
    remove_tree(f->dir);
    free(f);
    return 0;
}

/* ---- what the decoder of a request says first ---- */

static void a_year_without_a_calendar(void **state)
{
    struct fixture *f = *state;
    static const uint32_t years[] = {1999, 2101};
    struct app_calendar_view v;
    for (unsigned i = 0; i < array_count(years); i++) {
        struct err e = {0};
        assert_int_not_equal(app_get_calendar(f->engine.app, 0, 0, years[i], &v, &e), 0);
        assert_refused(&e, ERR_INVALID, "calendar.year");
    }
}

static void an_unknown_kind_of_number(void **state)
{
    struct fixture *f = *state;
    struct arena mem = ARENA_INIT;
    struct app_identity_view v;
    struct err e = {0};
    assert_int_not_equal(app_check_identity(f->engine.app, "library_card", "0", &mem, &v, &e), 0);
    assert_refused(&e, ERR_INVALID, "person.kind");
    arena_close(&mem);
}

static void too_many_events_and_none(void **state)
{
    struct fixture *f = *state;
    struct app_event events[CASE_EVENTS_PER_REQUEST_MAX + 1] = {0};
    for (unsigned i = 0; i < array_count(events); i++)
        events[i] = (struct app_event){.type = CASE_EVENT_NOTE};
    app_append(f->engine.app, f->case_id, events, 0, &(struct app_request){0}, quiet_command_cb, f);
    app_append(f->engine.app, f->case_id, events, array_count(events), &(struct app_request){0}, quiet_command_cb, f);
    await(f, 2);
    assert_refused(&f->answers[0], ERR_LIMIT, "case.events-of-request");
    assert_refused(&f->answers[1], ERR_LIMIT, "case.events-of-request");
}

static void a_long_reason(void **state)
{
    struct fixture *f = *state;
    char reason[512];
    memset(reason, 'x', sizeof reason - 1);
    reason[sizeof reason - 1] = '\0';
    const struct app_event event = {.type = CASE_EVENT_NOTE, .reason_code = reason};
    app_append(f->engine.app, f->case_id, &event, 1, &(struct app_request){0}, quiet_command_cb, f);
    await(f, 1);
    assert_refused(&f->answers[0], ERR_LIMIT, "case.reason-size");
}

static void a_long_material_code(void **state)
{
    struct fixture *f = *state;
    char code[CASE_MATERIAL_CODE_SIZE + 1];
    memset(code, 'x', sizeof code - 1);
    code[sizeof code - 1] = '\0';
    const struct app_upload_request r = {.name = "a.pdf", .code = code, .size = 10, .trust = 'C'};
    app_begin_upload(f->engine.app, f->case_id, &r, uploaded_cb, f);
    await(f, 1);
    assert_refused(&f->answers[0], ERR_LIMIT, "material.code");
}

static void a_file_used_again_without_consent(void **state)
{
    struct fixture *f = *state;
    const uint8_t file[CASE_FILE_ID_SIZE] = {1};
    char text[514];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    const char *const consents[] = {"", text, "\xff"};
    for (unsigned i = 0; i < array_count(consents); i++)
        app_reuse_material(f->engine.app, f->case_id, f->case_id, file, consents[i], &(struct app_request){0},
                           quiet_command_cb, f);
    await(f, array_count(consents));
    for (unsigned i = 0; i < array_count(consents); i++)
        assert_refused(&f->answers[i], ERR_INVALID, "material.consent");
}

/* ---- while another one is under way ---- */

static void an_erasure_on_its_way(void **state)
{
    struct fixture *f = *state;
    const struct app_event withdraw = {.type = CASE_EVENT_WITHDRAW};
    const struct app_request r = {0};
    app_append(f->engine.app, f->case_id, &withdraw, 1, &r, quiet_command_cb, f);
    await(f, 1);
    assert_int_equal(f->answers[0].code, 0);
    ledger_commit(ledger_txn_create(f->engine.ledger), committed_cb,
                  f); /* the order waits behind it: it is no quick disk's to win */
    app_erase(f->engine.app, f->case_id, APP_BASIS_PURPOSE, &r, quiet_command_cb, f);
    app_erase(f->engine.app, f->case_id, APP_BASIS_PURPOSE, &r, quiet_command_cb, f);
    await(f, 3); /* the refusal needs no disk */
    unsigned refused = 0;
    for (unsigned i = 0; i < 3; i++)
        if (f->answers[i].code != 0) {
            assert_refused(&f->answers[i], ERR_BUSY, "case.erasing");
            refused++;
        }
    assert_int_equal(refused, 1);
    app_erase(f->engine.app, f->case_id, APP_BASIS_PURPOSE, &r, quiet_command_cb, f);
    await(f, 1); /* done: the same order again is none */
    assert_int_equal(f->answers[0].code, 0);
}

/* An export holds the door; an import, one of bundles, a status and another export are refused; then it is open again. */
static void an_import_while_another_runs(void **state)
{
    struct fixture *f = *state;
    struct app *a = f->engine.app;
    const struct app_import import = {.file = bytes_of_string("[]")};
    unsigned refused = 0;
    app_export_catalog(a, 0, true, export_cb, f);
    app_import(a, &import, import_cb, f);
    app_import_bundles(a, bytes_of_string("{}"), false, bundle_cb, f);
    app_export_catalog(a, 0, true, export_cb, f);
    await(f, 4);
    for (unsigned i = 0; i < 4; i++)
        if (f->answers[i].code != 0) {
            assert_refused(&f->answers[i], ERR_BUSY, "catalog.import-running");
            refused++;
        }
    assert_int_equal(refused, 3);
    app_export_catalog(a, 0, true, export_cb, f);
    await(f, 1);
    assert_int_equal(f->answers[0].code, 0);
}

/* Of two chunks, none of which is there. */
static void begin_upload(struct fixture *f)
{
    const struct app_upload_request r = {.name = "a.pdf", .code = "", .size = 2 * FILE_CHUNK_BYTES, .trust = 'C'};
    app_begin_upload(f->engine.app, f->case_id, &r, uploaded_cb, f);
    await(f, 1);
    if (f->answers[0].code != 0)
        fail_msg("%s: %s", f->answers[0].id, f->answers[0].message);
}

static void two_requests_for_one_upload(void **state)
{
    struct fixture *f = *state;
    struct app *a = f->engine.app;
    struct err e = {0};
    begin_upload(f);
    uint8_t *data = xcalloc(1, FILE_CHUNK_BYTES);
    memcpy(data, "%PDF-1.7", 8);
    app_put_upload(a, f->upload, 0, data, FILE_CHUNK_BYTES, uploaded_cb, f); /* takes data */
    app_get_upload(a, f->upload, uploaded_cb, f);
    assert_int_not_equal(app_drop_upload(a, f->upload, &e), 0);
    assert_refused(&e, ERR_BUSY, "material.upload-busy");
    await(f, 2);
    bool is_first = f->answers[0].code != 0;
    assert_refused(&f->answers[is_first ? 0 : 1], ERR_BUSY, "material.upload-busy");
    assert_string_equal(f->answers[is_first ? 1 : 0].id, "");
    assert_int_equal(app_drop_upload(a, f->upload, &e), 0);
}

static void drop_run(struct loop_item *item)
{
    struct fixture *f = container_of(item, struct fixture, later);
    struct err e = {0};
    int rc = app_drop_upload(f->engine.app, f->upload, &e);
    assert_int_equal(rc, e.code);
    note(f, &e);
}

/* It comes between the end of what was under way and the answer to who was refused for it, which still speaks of the upload. */
static void an_upload_dropped_before_a_refusal_is_told(void **state)
{
    struct fixture *f = *state;
    struct app *a = f->engine.app;
    struct err e = {0};
    begin_upload(f);
    f->later.run = drop_run;
    list_init(&f->later.link);
    app_get_upload(a, f->upload, uploaded_cb, f);
    loop_post(f->loop, &f->later);
    app_get_upload(a, f->upload, uploaded_cb, f);
    await(f, 3);
    assert_int_equal(f->answers[0].code, 0);
    assert_int_equal(f->answers[1].code, 0);
    assert_refused(&f->answers[2], ERR_BUSY, "material.upload-busy");
    assert_int_not_equal(app_drop_upload(a, f->upload, &e), 0);
    assert_refused(&e, ERR_NOT_FOUND, "material.no-upload");
}

static void two_reconciliations(void **state)
{
    struct fixture *f = *state;
    struct arena mem = ARENA_INIT;
    struct err e = {0};
    const char *first, *second;
    assert_int_equal(app_reconcile(f->engine.app, 0, "key", &mem, &first, &e), 0);
    assert_int_not_equal(app_reconcile(f->engine.app, PEER, NULL, &mem, &second, &e), 0);
    assert_refused(&e, ERR_BUSY, "reconcile.running");
    assert_int_equal(app_reconcile(f->engine.app, 0, "key", &mem, &second, &e), 0); /* the same request: the same run */
    assert_string_equal(first, second);
    struct loop_timer *turn = loop_timer_create(f->loop, drained_cb, f->loop);
    struct app_reconcile_view run;
    do { /* the other member is not there: it ends without it */
        loop_timer_set(turn, 1);
        loop_run(f->loop);
        assert_int_equal(app_get_reconcile(f->engine.app, first, &mem, &run, &e), 0);
    } while (strcmp(run.state, "running") == 0);
    loop_timer_destroy(turn);
    assert_string_equal(run.state, "incomplete");
    arena_close(&mem);
}

/* The disk is full from the first transaction of an import on; when it has room again, the same import does the rest. */

static void set_file_limit(rlim_t size)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = min_of(size, limit.rlim_max);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void sealed_cb(void *ctx)
{
    struct fixture *f = container_of(ctx, struct fixture, engine);
    f->told.on_sealed(ctx);
    if (ledger_size(f->engine.ledger) >= f->full_from)
        set_file_limit(LOG_LIMIT);
}

static void state_cb(void *ctx, const struct err *e)
{
    struct fixture *f = container_of(ctx, struct fixture, engine);
    f->told.on_state(ctx, e);
    if (e == NULL)
        loop_stop(f->loop);
}

static void put_items(struct buf *out)
{
    buf_printf(out, "{\"format\":\"tongban-catalog/1\",\"node\":510000,\"version\":2,\"items\":[");
    for (unsigned i = 0; i < IMPORTED; i++)
        buf_printf(out,
                   "%s{\"code\":\"MORE%06u\",\"basic_code\":\"0020KSTB0001\",\"name\":\"学历公证\",\"type\":\"20\","
                   "\"level\":2,"
                   "\"division\":510000,\"department\":{\"name\":\"厅\"},\"subject\":[\"自然人\"],\"modes\":[],"
                   "\"status\":\"在用\",\"version\":1,\"source\":{\"text\":\"-\",\"certainty\":\"seen\"},"
                   "\"legal_basis\":[\"-\"]}",
                   i == 0 ? "" : ",", i);
    buf_printf(out, "]}");
}

static void an_import_that_ends_half_way(void **state)
{
    struct fixture *f = *state;
    struct ledger *l = f->engine.ledger;
    struct buf file = {0};
    char why[64];
    put_items(&file);
    const struct app_import import = {.file = buf_bytes(&file), .format = IMPORT_JSON, .publish = true};
    (void)signal(SIGXFSZ, SIG_IGN);
    f->told = l->config;
    l->config.on_sealed = sealed_cb;
    l->config.on_state = state_cb;
    f->full_from = ledger_size(l) + APP_PUBLISH_ITEMS_MAX;
    app_import(f->engine.app, &import, import_cb, f);
    await(f, 1);
    set_file_limit(RLIM_INFINITY);
    f->full_from = UINT64_MAX;
    assert_int_not_equal(f->answers[0].code, 0);
    assert_string_equal(f->answers[0].id, "catalog.import-partly");
    (void)snprintf(why, sizeof why, "%u of %u changes are published, then: ", APP_PUBLISH_ITEMS_MAX, IMPORTED);
    assert_memory_equal(f->answers[0].message, why, strlen(why));
    loop_run(f->loop); /* until the ledger works again */
    uint64_t before = ledger_size(l);
    app_import(f->engine.app, &import, import_cb, f);
    await(f, 1);
    assert_int_equal(f->answers[0].code, 0);
    assert_true(ledger_size(l) >= before + IMPORTED - APP_PUBLISH_ITEMS_MAX);
    assert_true(ledger_size(l) < before + IMPORTED);
    buf_close(&file);
}

/* ---- while the ledger is between two states: the parts of it are taken away for the time of the question ---- */

static int link_request_cb(struct link *l, uint32_t peer, struct bytes message, uint64_t token, uint32_t timeout_ms,
                           struct err *e)
{
    (void)l, (void)peer, (void)message, (void)token, (void)timeout_ms;
    return err_set(e, ERR_CLOSED, "link.not-connected", "there is no connection");
}

static void link_reply_cb(struct link *l, uint64_t handle, struct bytes message)
{
    struct fixture *f = (struct fixture *)l;
    struct arena mem = ARENA_INIT;
    struct wire_msg m;
    assert_int_equal(handle, 77);
    assert_int_equal(wire_decode(message, &mem, &m, NULL), 0);
    (void)snprintf(f->replied, sizeof f->replied, "%s", m.type == WIRE_ERROR ? m.u.error.id : "");
    arena_close(&mem);
}

static const struct link_ops link_ops = {.request = link_request_cb, .reply = link_reply_cb};

static void a_peer_that_compares_cases_while_nothing_can_be_read(void **state)
{
    struct fixture *f = *state;
    struct ledger *l = f->engine.ledger;
    const uint8_t cases[1][16] = {{0}};
    const struct wire_key_pull pull = {.cases = cases, .case_count = 1};
    f->link.ops = &link_ops;
    engine_set_link(&f->engine, &f->link);
    struct store_reader *reader = l->reader;
    l->reader = NULL; /* as after a stop whose cause is still there */
    app_answer_cases_pull(f->engine.app, PEER, 77, &pull);
    l->reader = reader;
    assert_string_equal(f->replied, "reconcile.stopped");
    app_answer_cases_pull(f->engine.app, PEER, 77, &pull);
    assert_string_equal(f->replied, "");
    engine_set_link(&f->engine, NULL);
}

static void a_receipt_before_the_seal(void **state)
{
    struct fixture *f = *state;
    struct ledger *l = f->engine.ledger;
    struct ledger_head head = l->head;
    l->head = (struct ledger_head){0}; /* as while entries that came back are not sealed yet */
    (void)app_get_receipt(f->engine.app, f->case_id, 0, 0, receipt_cb, f);
    await(f, 1);
    l->head = head;
    assert_refused(&f->answers[0], ERR_CLOSED, "receipt.not-yet");
    (void)app_get_receipt(f->engine.app, f->case_id, 0, 0, receipt_cb, f);
    await(f, 1);
    assert_int_equal(f->answers[0].code, 0);
}

/* ---- the end ---- */

/* Nobody cosigns, so it waits for a quorum until the node goes. */
static void a_receipt_waited_for_when_the_node_stops(void **state)
{
    struct fixture *f = *state;
    (void)app_get_receipt(f->engine.app, f->case_id, 0, 30000, receipt_cb, f);
    assert_int_equal(f->count, 0);
    close_engine(f);
    assert_int_equal(f->count, 1);
    assert_refused(&f->answers[0], ERR_CLOSED, "node.stopping");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(a_year_without_a_calendar),
                                       TEST(an_unknown_kind_of_number),
                                       TEST(too_many_events_and_none),
                                       TEST(a_long_reason),
                                       TEST(a_long_material_code),
                                       TEST(a_file_used_again_without_consent),
                                       TEST(an_erasure_on_its_way),
                                       TEST(an_import_while_another_runs),
                                       TEST(two_requests_for_one_upload),
                                       TEST(an_upload_dropped_before_a_refusal_is_told),
                                       TEST(two_reconciliations),
                                       TEST(an_import_that_ends_half_way),
                                       TEST(a_peer_that_compares_cases_while_nothing_can_be_read),
                                       TEST(a_receipt_before_the_seal),
                                       TEST(a_receipt_waited_for_when_the_node_stops)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
