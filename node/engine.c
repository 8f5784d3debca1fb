/* Engine (see engine.h). Callbacks of one part are calls of another, in the order in which they must hear of a thing. */
#include "node/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/app_internal.h"
#include "node/base/log.h"
#include "node/base/mutant.h"
#include "node/base/version.h"
#include "node/base/xassert.h"
#include "node/claims.h"
#include "node/heads_writer.h"

/* ---- what the ledger tells ---- */

static void on_sealed(void *ctx)
{
    struct engine *g = ctx;
    replication_sealed(g->replication);
    heads_writer_sealed(g->heads);
    witnessing_sealed(g->witnessing);
}

static void on_state(void *ctx, const struct err *e)
{
    struct engine *g = ctx;
    app_on_state(g->app, e);
}

static size_t waiting(void *ctx)
{
    const struct engine *g = ctx;
    return app_peer_waits(g->app);
}

static void on_reload(void *ctx, const struct store_ledger_state *state)
{
    struct engine *g = ctx;
    replication_set_ledger(g->replication, g->ledger);
    app_set_ledger(g->app, g->ledger, g->replication);
    heads_writer_set_ledger(g->heads, g->ledger);
    witnessing_set_parts(g->witnessing, g->ledger, g->replication);
    recovery_set_parts(g->recovery, g->ledger, g->replication);
    claims_set_parts(g->claims, g->ledger, g->replication);
    replication_reload(g->replication, state);
    witnessing_reload(g->witnessing);
    recovery_check(g->recovery);
}

/* ---- between the parts ---- */

struct witness_request {
    struct engine *g;
    uint64_t handle;
};

static void witness_answered(void *ctx, unsigned status, const char *type, struct bytes body)
{
    struct witness_request *r = ctx;
    struct wire_msg m = {.type = WIRE_COSIG};
    (void)type;
    m.u.cosig = (struct wire_cosig){.status = status, .body = body};
    replication_answer(r->g->replication, r->handle, &m);
    free(r);
}

/* The largest checkpoint of @peer's ledger that was pulled, cosigned or only seen: what the size in HELLO speaks of. Seen counts although
 * it is not durable, so that a node whose disk refuses, and which is behind its own disk or what it was shown, does not say less to
 * an author who is an older copy of itself. */
static uint64_t newest_seen(const struct engine *g, uint32_t peer, struct bytes *ret_note)
{
    struct replication_peer view;
    uint64_t size = watch_heads_size(g->watch, peer, ret_note);
    uint64_t pulled = replication_peer(g->replication, peer, &view) ? view.known_size : 0;
    uint64_t cosigned = witnessing_cosigned_size(g->witnessing, peer);
    if (pulled > size)
        *ret_note = replication_note(g->replication, peer);
    size = max_of(size, pulled);
    if (cosigned > size)
        *ret_note = witnessing_cosigned_note(g->witnessing, peer);
    return max_of(size, cosigned);
}

static void on_request(void *ctx, uint32_t peer, uint64_t handle, const struct wire_msg *m)
{
    struct engine *g = ctx;
    if (m->type == WIRE_ADD_CHECKPOINT) {
        struct witness_request *r = xcalloc(1, sizeof *r);
        *r = (struct witness_request){.g = g, .handle = handle};
        witnessing_add_checkpoint(g->witnessing, m->u.add_checkpoint.body, witness_answered, r);
    } else if (m->type == WIRE_GOSSIP) {
        watch_heads_gossip(g->watch, &m->u.gossip);
        replication_answer(g->replication, handle, &(struct wire_msg){.type = WIRE_OK});
    } else if (m->type == WIRE_KEY_PULL) {
        app_answer_key_pull(g->app, peer, handle, &m->u.key_pull);
    } else if (m->type == WIRE_RECEIPT_PULL) {
        app_answer_receipt_pull(g->app, peer, handle, &m->u.receipt_pull);
    } else if (m->type == WIRE_CASE_PULL) {
        app_answer_case_pull(g->app, peer, handle, &m->u.case_pull);
    } else if (m->type == WIRE_RECONCILE) {
        app_answer_reconcile(g->app, peer, handle, &m->u.reconcile);
    } else if (m->type == WIRE_CASES_PULL) {
        app_answer_cases_pull(g->app, peer, handle, &m->u.cases_pull);
    } else {
        struct bytes note;
        (void)newest_seen(g, peer, &note);
        recovery_answer(g->recovery, peer, handle, &m->u.recover, note);
    }
}

static void on_seen(void *ctx, uint32_t code, const struct checkpoint *head, struct bytes note,
                    const struct crange *range)
{
    struct engine *g = ctx;
    watch_heads_seen(g->watch, code, head, note, range);
}

static void on_cosigning_seen(void *ctx, uint32_t code, const struct checkpoint *head, struct bytes note)
{
    on_seen(ctx, code, head, note, NULL);
}

static void on_unproven(void *ctx, uint32_t code, uint64_t old_size, const struct checkpoint *head, struct bytes note,
                        const struct merkle_proof *proof)
{
    struct engine *g = ctx;
    watch_heads_unproven(g->watch, code, old_size, head, note, proof);
}

/* A word alone stops nothing. */
static void on_behind(void *ctx, uint32_t code, uint64_t size)
{
    struct engine *g = ctx;
    if (!MUTANT(behind_ignored))
        claims_add(g->claims, code, size);
}

static void on_proven(void *ctx, uint32_t code, uint64_t size)
{
    struct engine *g = ctx;
    char peer[12];
    (void)snprintf(peer, sizeof peer, "%u", code);
    if (g->told_behind >= size || g->stopping)
        return;
    g->told_behind = size;
    log_error("ledger", peer, "ledger.behind",
              "it shows a checkpoint over %llu entries of this ledger, which has %llu: this is an older copy",
              (unsigned long long)size, (unsigned long long)ledger_size(g->ledger));
    ledger_set_behind(g->ledger, size);
}

static void on_link(void *ctx, uint32_t peer, bool up)
{
    struct engine *g = ctx;
    witnessing_link(g->witnessing, peer, up);
    if (up)
        app_pulls_link_up(g->app, peer);
}

static void stop_asking(void *ctx)
{
    struct engine *g = ctx;
    g->ask_over = true;
    if (claims_open(g->claims) == 0)
        engine_stop_asking(g);
}

/* The wait before writing ends when all have said hello, or its time is over, and no claim is open. */
static void on_judged(void *ctx)
{
    struct engine *g = ctx;
    if (!g->asking || claims_open(g->claims) > 0)
        return;
    if (g->ask_over) {
        engine_stop_asking(g);
        return;
    }
    for (size_t i = 0; i < g->parts.members->count; i++) {
        struct replication_peer view;
        if (replication_peer(g->replication, g->parts.members->list[i].code, &view) && view.skew_ms == INT64_MIN)
            return; /* not heard yet */
    }
    engine_stop_asking(g);
}

static void on_greeted(void *ctx, uint32_t peer)
{
    struct engine *g = ctx;
    claims_greeted(g->claims, peer);
    on_judged(ctx);
}

static uint64_t seen_size(void *ctx, uint32_t peer)
{
    struct bytes note;
    return newest_seen(ctx, peer, &note);
}

static void on_cosigned(void *ctx)
{
    struct engine *g = ctx;
    app_receipts_cosigned(g->app);
}

static bool is_disputed(void *ctx, uint32_t code)
{
    struct engine *g = ctx;
    return app_is_disputed(g->app, code);
}

static void on_contradiction(void *ctx, uint32_t accused, struct bytes evidence, uint64_t common_size)
{
    struct engine *g = ctx;
    app_accuse(g->app, accused, evidence, common_size);
}

/* ---- life ---- */

/* What HELLO says: where others reach the socket for files. */
static uint16_t files_port(const struct config *c)
{
    const char *colon = strrchr(c->files_listen, ':');
    uint64_t port = 0;
    if (c->files_listen[0] == '\0' || colon == NULL || decimal_parse(bytes_of_string(colon + 1), &port) != 0 ||
        port > 65535)
        return 0;
    return (uint16_t)(c->files_port != 0 ? c->files_port : port);
}

static void make_parts(struct engine *g)
{
    const struct config *c = g->parts.config;
    const struct members *members = g->parts.members;
    g->replication = replication_create(&(struct replication_config){.self = c->region,
                                                                     .software = tongban_software,
                                                                     .files_port = files_port(c),
                                                                     .loop = g->parts.loop,
                                                                     .members = g->parts.members,
                                                                     .heads_stale_ms = c->heads_stale_s * 1000,
                                                                     .batch_bytes = g->parts.batch_bytes,
                                                                     .on_entries = app_on_entries,
                                                                     .make_grants = app_make_grants,
                                                                     .on_stored = app_on_stored,
                                                                     .on_acked = app_on_acked,
                                                                     .ctx = g->app,
                                                                     .on_request = on_request,
                                                                     .on_seen = on_seen,
                                                                     .on_behind = on_behind,
                                                                     .on_link = on_link,
                                                                     .on_greeted = on_greeted,
                                                                     .seen_size = seen_size,
                                                                     .node_ctx = g});
    g->heads = heads_writer_create(&(struct heads_writer_config){.self = c->region,
                                                                 .loop = g->parts.loop,
                                                                 .members = members,
                                                                 .busy_ms = c->heads_busy_s * 1000,
                                                                 .idle_ms = c->heads_idle_s * 1000});
    g->witnessing = witnessing_create(&(struct witnessing_config){.self = c->region,
                                                                  .loop = g->parts.loop,
                                                                  .members = members,
                                                                  .signer = g->parts.witness,
                                                                  .more_logs = g->parts.more_logs,
                                                                  .poster = g->parts.poster,
                                                                  .round_min_ms = c->witness_round_ms,
                                                                  .round_ms = c->heads_busy_s * 1000,
                                                                  .refresh_ms = c->heads_idle_s * 1000,
                                                                  .on_cosigned = on_cosigned,
                                                                  .on_seen = on_cosigning_seen,
                                                                  .on_unproven = on_unproven,
                                                                  .on_behind = on_behind,
                                                                  .is_disputed = is_disputed,
                                                                  .ctx = g});
    g->watch = watch_heads_create(&(struct watch_heads_config){.self = c->region,
                                                               .loop = g->parts.loop,
                                                               .members = members,
                                                               .gossip_ms = c->heads_idle_s * 1000,
                                                               .on_contradiction = on_contradiction,
                                                               .ctx = g});
    g->recovery = recovery_create(&(struct recovery_config){
        .self = c->region, .loop = g->parts.loop, .members = members, .on_restored = app_on_restored, .ctx = g->app});
    g->claims = claims_create(&(struct claims_config){.self = c->region,
                                                      .loop = g->parts.loop,
                                                      .members = members,
                                                      .on_proven = on_proven,
                                                      .on_judged = on_judged,
                                                      .ctx = g});
    watch_heads_set_replication(g->watch, g->replication);
    app_set_witnessing(g->app, g->witnessing, g->watch, g->recovery);
}

int engine_open(struct engine *g, const struct engine_parts *parts, struct err *e)
{
    const struct config *c = parts->config;
    *g = (struct engine){.parts = *parts};
    g->app = app_create(&(struct app_parts){.config = c,
                                            .members = parts->members,
                                            .regions = parts->regions,
                                            .loop = parts->loop,
                                            .catalog = parts->catalog,
                                            .calendar = parts->calendar,
                                            .origin = parts->signer->key.name,
                                            .seal_key = parts->seal_key,
                                            .certificate_not_after_s = parts->certificate_not_after_s});
    make_parts(g);
    struct ledger_config ledger = {.dir = c->dir,
                                   .self = c->region,
                                   .signer = parts->signer,
                                   .loop = parts->loop,
                                   .adopt_head = c->adopt_head,
                                   .on_sealed = on_sealed,
                                   .on_state = on_state,
                                   .on_reload = on_reload,
                                   .waiting = waiting,
                                   .ctx = g};
    return ledger_open(&ledger, &g->ledger, e);
}

void engine_set_link(struct engine *g, struct link *link)
{
    if (g->replication != NULL)
        replication_set_link(g->replication, link);
}

bool engine_ask(struct engine *g)
{
    if (g->parts.members->count <= 1 || g->parts.config->start_ask_ms == 0 || MUTANT(restore_unasked))
        return false;
    g->asking = true;
    ledger_hold(g->ledger, !MUTANT(asking_writes));
    g->ask_timer = loop_timer_create(g->parts.loop, stop_asking, g);
    loop_timer_set(g->ask_timer, g->parts.config->start_ask_ms);
    return true;
}

void engine_stop_asking(struct engine *g)
{
    if (!g->asking)
        return;
    g->asking = false;
    loop_timer_cancel(g->ask_timer);
    ledger_hold(g->ledger, false);
    g->parts.on_asked(g->parts.ctx);
}

/* What is held and was cosigned is the first to be compared with what others say. */
static void load_heads(struct engine *g)
{
    struct arena a = ARENA_INIT;
    struct store_ledger_state state;
    struct store_witness *witnesses;
    size_t count = 0;
    struct err e = {0};
    struct store_reader *reader = ledger_reader(g->ledger);
    if (reader == NULL)
        goto out; /* the ledger has stopped */
    if (store_read_ledger_state(reader, &a, &state, &e) != 0 ||
        store_list_witnesses(reader, &a, &witnesses, &count, &e) != 0)
        log_error("ledger", NULL, e.id, "the heads that are held cannot be read: %s", e.message);
    else
        watch_heads_load(g->watch, &state, witnesses, count);
out:
    arena_close(&a);
}

void engine_start(struct engine *g)
{
    load_heads(g);
    app_load_evidence(g->app);
    app_load_pulls(g->app);
    app_resume(g->app);
    heads_writer_start(g->heads);
    watch_heads_start(g->watch);
}

void engine_members_changed(struct engine *g)
{
    replication_members_changed(g->replication);
    witnessing_members_changed(g->witnessing);
}

bool engine_is_drained(const struct engine *g)
{
    return ledger_is_idle(g->ledger) && !app_is_verifying(g->app) && !app_is_backing_up(g->app) &&
           app_materials_idle(g->app) && !app_is_importing(g->app);
}

void engine_stop(struct engine *g)
{
    if (g->heads == NULL)
        return;
    heads_writer_stop(g->heads);
    witnessing_close(g->witnessing);
    watch_heads_close(g->watch);
    recovery_close(g->recovery);
    claims_close(g->claims);
}

void engine_close(struct engine *g)
{
    ledger_close(g->ledger);
    app_destroy(g->app);
    loop_timer_destroy(g->ask_timer);
    g->ledger = NULL;
    g->app = NULL;
    g->ask_timer = NULL;
}

void engine_destroy(struct engine *g)
{
    heads_writer_destroy(g->heads);
    witnessing_destroy(g->witnessing);
    watch_heads_destroy(g->watch);
    recovery_destroy(g->recovery);
    claims_destroy(g->claims);
    replication_destroy(g->replication);
}
