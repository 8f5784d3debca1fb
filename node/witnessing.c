/* Witnessing (see witnessing.h): the own checkpoints, and life. Others' checkpoints are witnessing_judge.c, whose cosignatures
 * count is witness_policy.c.
 *
 * Happy path of an own head: witnessing_sealed() -> collector_step() -> ASK -> replication_ask() -> answered() -> COSIGNED -> kept.
 * Failure mode: a witness that does not answer is asked again by the collector.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "federation/witness/collector.h"
#include "node/base/clock.h"
#include "node/base/log.h"
#include "node/base/xassert.h"
#include "node/poster.h"
#include "node/witnessing_internal.h"

#define NOTE_NAME "cosigned" /* row of table note */

const struct policy *witnessing_policy(const struct witnessing *w, bool own)
{
    return own ? &w->policies.policy : &w->policies.peers;
}

/* ---- the own checkpoints ---- */

static void host_head(void *ctx, struct checkpoint *ret, struct bytes *ret_note)
{
    struct witnessing *w = ctx;
    const struct ledger_head *head = ledger_head(w->ledger);
    const struct member *self = members_find(w->config.members, w->config.self);
    *ret = (struct checkpoint){.size = head->size, .root = head->root};
    (void)snprintf(ret->origin, sizeof ret->origin, "%s", self->key.name);
    *ret_note = head->note;
}

static int host_consistency(void *ctx, uint64_t old, uint64_t size, struct merkle_proof *ret, struct err *e)
{
    struct witnessing *w = ctx;
    int rc = ledger_check_writable(w->ledger, e);
    if (rc != 0)
        return rc;
    struct merkle_source source = ledger_source(w->ledger);
    return merkle_prove_consistency(&source, old, size, ret, e);
}

static void step(struct witnessing *w, struct collector_event *event);

struct asking {
    struct witnessing *w;
    unsigned generation;
    size_t witness;
    uint64_t token;
};

static void answered(void *ctx, const struct wire_msg *answer, const struct err *e)
{
    struct asking *asking = ctx;
    struct collector_event event = {.type = COLLECTOR_EVENT_FAILED, .witness = asking->witness, .token = asking->token};
    (void)e;
    if (answer != NULL && answer->type == WIRE_COSIG) {
        event.type = COLLECTOR_EVENT_ANSWER;
        event.status = answer->u.cosig.status;
        event.body = answer->u.cosig.body;
    }
    if (asking->generation == asking->w->generation)
        step(asking->w, &event);
    free(asking);
}

static void posted(void *ctx, unsigned status, struct bytes body, const struct err *e)
{
    struct asking *asking = ctx;
    struct collector_event event = {.type = COLLECTOR_EVENT_FAILED, .witness = asking->witness, .token = asking->token};
    (void)e; /* asked again with the next round */
    if (status != 0) {
        event.type = COLLECTOR_EVENT_ANSWER;
        event.status = status;
        event.body = body;
    }
    if (asking->generation == asking->w->generation)
        step(asking->w, &event);
    free(asking);
}

static void ask(struct witnessing *w, const struct collector_action *a)
{
    struct asking *asking = xcalloc(1, sizeof *asking);
    *asking = (struct asking){.w = w, .generation = w->generation, .witness = a->witness, .token = a->token};
    if (w->policies.codes[a->witness] == 0) {
        const char *prefix = w->policies.own.witnesses[a->witness].url;
        size_t size = strlen(prefix);
        while (size > 0 && prefix[size - 1] == '/')
            size--;
        struct buf url = {0};
        buf_printf(&url, "%.*s/add-checkpoint", (int)size, prefix);
        poster_post(w->config.poster, buf_cstr(&url), a->body, a->timeout_ms, posted, asking);
        buf_close(&url);
        return;
    }
    struct wire_msg m = {.type = WIRE_ADD_CHECKPOINT};
    m.u.add_checkpoint.body = a->body;
    replication_ask(w->replication, w->policies.codes[a->witness], &m, a->timeout_ms, answered, asking);
}

void witnessing_note_saved(void *ctx, const struct err *e)
{
    (void)ctx;
    if (e->code != 0)
        log_warn("witness", NULL, e->id, "a checkpoint could not be kept: %s", e->message);
}

static void cosigned(struct witnessing *w, const struct collector_action *a)
{
    if (!a->satisfied)
        return;
    if (a->size > w->stored_size && ledger_check_writable(w->ledger, NULL) == 0) {
        struct ledger_txn *txn = ledger_txn_create(w->ledger);
        struct store_note row = {.name = NOTE_NAME, .size = a->size};
        row.note = arena_bytes(ledger_txn_arena(txn), a->note);
        ledger_txn_note(txn, &row);
        ledger_commit(txn, witnessing_note_saved, NULL);
        w->stored_size = a->size;
    }
    w->config.on_cosigned(w->config.ctx);
}

/* What an external witness says came over a line that may be anybody's: nothing stops because of it. */
static void external_said(struct witnessing *w, const struct collector_action *a)
{
    char text[320];
    const char *name = w->policies.own.witnesses[a->witness].key.name;
    if (a->type == COLLECTOR_ACTION_ALARM) {
        (void)snprintf(text, sizeof text, "external witness %.100s: %s", name, a->text);
        replication_alarm(w->replication, 0, a->alarm_id, text);
        return;
    }
    (void)snprintf(text, sizeof text,
                   "external witness %.100s says that it has cosigned %llu entries of this ledger, which has %llu",
                   name, (unsigned long long)a->size, (unsigned long long)ledger_size(w->ledger));
    replication_alarm(w->replication, 0, "witness.ahead", text);
}

static void perform(struct witnessing *w, const struct collector_action *a)
{
    bool is_external = w->policies.codes[a->witness] == 0;
    switch (a->type) {
    case COLLECTOR_ACTION_ASK:
        ask(w, a);
        break;
    case COLLECTOR_ACTION_COSIGNED:
        cosigned(w, a);
        break;
    case COLLECTOR_ACTION_BEHIND:
        if (is_external) {
            external_said(w, a);
            break;
        }
        w->config.on_behind(w->config.ctx, w->policies.codes[a->witness], a->size);
        break;
    case COLLECTOR_ACTION_ALARM:
        if (is_external) {
            external_said(w, a);
            break;
        }
        replication_alarm(w->replication, w->policies.codes[a->witness], a->alarm_id, a->text);
        break;
    }
}

static void step(struct witnessing *w, struct collector_event *event)
{
    struct arena a = ARENA_INIT;
    struct collector_update update = {.arena = &a};
    if (w->closed || w->collector == NULL)
        return;
    event->now_ms = clock_mono_ms();
    collector_step(w->collector, event, &update);
    for (size_t i = 0; i < update.count && w->collector != NULL; i++)
        perform(w, &update.actions[i]);
    arena_close(&a);
    uint64_t at = w->collector == NULL ? UINT64_MAX : collector_timeout(w->collector);
    if (at == UINT64_MAX)
        loop_timer_cancel(w->timer);
    else
        loop_timer_set(w->timer, at > event->now_ms ? at - event->now_ms : 0);
}

static void timer_cb(void *ctx)
{
    struct collector_event event = {.type = COLLECTOR_EVENT_TIME};
    step(ctx, &event);
}

void witnessing_sealed(struct witnessing *w)
{
    uint64_t size = ledger_head(w->ledger)->size;
    struct store_addressed heads = ledger_last_addressed(w->ledger, STORE_NODE_HEADS);
    struct collector_event event = {.type = COLLECTOR_EVENT_HEAD};
    event.urgent =
        size > 0 && (heads.seq == 0 || heads.index + 1 != size); /* something happened: a receipt may be wanted */
    step(w, &event);
}

void witnessing_want(struct witnessing *w)
{
    struct collector_event event = {.type = COLLECTOR_EVENT_HEAD, .urgent = true};
    step(w, &event);
}

void witnessing_link(struct witnessing *w, uint32_t peer, bool up)
{
    for (size_t i = 0; i < w->policies.own.witness_count; i++) {
        if (w->policies.codes[i] != peer)
            continue;
        struct collector_event event = {.type = up ? COLLECTOR_EVENT_UP : COLLECTOR_EVENT_DOWN, .witness = i};
        step(w, &event);
    }
}

struct bytes witnessing_note(const struct witnessing *w, uint64_t *ret_size)
{
    *ret_size = 0;
    return w->collector == NULL ? bytes_of(NULL, 0) : collector_note(w->collector, ret_size);
}

bool witnessing_peer(const struct witnessing *w, uint32_t code, struct witnessing_peer *ret)
{
    for (size_t i = 0; w->collector != NULL && i < w->policies.own.witness_count; i++) {
        struct collector_witness_info info;
        if (w->policies.codes[i] != code)
            continue;
        collector_witness_info(w->collector, i, &info);
        *ret = (struct witnessing_peer){.up = info.up, .size = info.size, .time_s = info.time_s};
        memcpy(ret->last_error, info.last_error, sizeof ret->last_error);
        return true;
    }
    return false;
}

bool witnessing_external(const struct witnessing *w, size_t i, const struct policy_witness **ret_witness,
                         struct witnessing_peer *ret)
{
    for (size_t k = 0; w->collector != NULL && k < w->policies.own.witness_count; k++) {
        struct collector_witness_info info;
        if (w->policies.codes[k] != 0 || i-- > 0)
            continue;
        collector_witness_info(w->collector, k, &info);
        *ret_witness = &w->policies.own.witnesses[k];
        *ret = (struct witnessing_peer){
            .up = info.up && info.last_error[0] == '\0', .size = info.size, .time_s = info.time_s};
        memcpy(ret->last_error, info.last_error, sizeof ret->last_error);
        return true;
    }
    return false;
}

/* ---- life ---- */

static void make_collector(struct witnessing *w)
{
    struct collector_config config = {.policy = &w->policies.own,
                                      .log = &members_find(w->config.members, w->config.self)->key,
                                      .round_min_ms = w->config.round_min_ms,
                                      .round_ms = w->config.round_ms,
                                      .refresh_ms = w->config.refresh_ms};
    struct collector_host host = {.ctx = w, .head = host_head, .consistency = host_consistency};
    w->collector = collector_create(&config, &host);
    w->generation++;
    for (size_t i = 0; w->config.poster != NULL && i < w->policies.own.witness_count; i++) {
        struct collector_event event = {.type = COLLECTOR_EVENT_UP, .witness = i};
        if (w->policies.codes[i] == 0 && w->policies.own.witnesses[i].url[0] != '\0')
            step(w, &event); /* nobody says when it can be reached: asked with each round */
    }
}

static void make_policies(struct witnessing *w)
{
    witness_policy_make(&w->arena, w->config.members, w->config.self, w->config.more_logs, &w->policies);
}

struct witnessing *witnessing_create(const struct witnessing_config *config)
{
    struct witnessing *w = xcalloc(1, sizeof *w);
    uint64_t seed;
    w->config = *config;
    crypto_random(&seed, sizeof seed);
    map_init(&w->logs, seed);
    w->timer = loop_timer_create(config->loop, timer_cb, w);
    make_policies(w);
    make_collector(w);
    return w;
}

void witnessing_destroy(struct witnessing *w)
{
    if (w == NULL)
        return;
    collector_destroy(w->collector);
    loop_timer_destroy(w->timer);
    witnessing_judge_forget(w);
    arena_close(&w->arena);
    free(w);
}

void witnessing_set_parts(struct witnessing *w, struct ledger *ledger, struct replication *replication)
{
    w->ledger = ledger;
    w->replication = replication;
}

void witnessing_reload(struct witnessing *w)
{
    struct arena a = ARENA_INIT;
    struct store_reader *reader = ledger_reader(w->ledger);
    struct store_witness *rows;
    struct store_note note;
    size_t count = 0;
    struct err e = {0};
    if (reader != NULL && store_list_witnesses(reader, &a, &rows, &count, &e) != 0) {
        log_error("witness", NULL, e.id, "what was cosigned cannot be read: %s", e.message);
        count = 0;
    }
    for (size_t i = 0; i < count; i++) {
        struct witnessed *log = witnessing_judge_log(w, rows[i].origin);
        log->state.size = rows[i].size;
        memcpy(log->state.root.b, rows[i].root, sizeof log->state.root.b);
        buf_reset(&log->note);
        buf_put(&log->note, rows[i].note.data, rows[i].note.size);
    }
    if (reader != NULL && store_read_note(reader, NOTE_NAME, &a, &note, NULL) == 0 && w->collector != NULL) {
        collector_restore(w->collector, note.note);
        w->stored_size = note.size;
    }
    arena_close(&a);
}

/* Everything that points into the member list is made anew; who is connected is told again by the caller's links. */
void witnessing_members_changed(struct witnessing *w)
{
    size_t count = w->policies.own.witness_count;
    bool *up = xcalloc(count + 1, sizeof *up);
    uint32_t *codes = xcalloc(count + 1, sizeof *codes);
    for (size_t i = 0; i < count; i++) {
        struct collector_witness_info info;
        collector_witness_info(w->collector, i, &info);
        codes[i] = w->policies.codes[i];
        up[i] = info.up;
    }
    collector_destroy(w->collector);
    arena_close(&w->arena);
    w->arena = (struct arena)ARENA_INIT;
    w->policies = (struct witness_policies){0};
    make_policies(w);
    make_collector(w);
    witnessing_reload(w);
    for (size_t i = 0; i < count; i++)
        if (up[i] && codes[i] != 0)
            witnessing_link(w, codes[i], true);
    free(codes);
    free(up);
}

void witnessing_close(struct witnessing *w)
{
    w->closed = true;
    loop_timer_cancel(w->timer);
}
