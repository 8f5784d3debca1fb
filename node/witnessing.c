/* Witnessing (see witnessing.h).
 *
 * Happy path of an own head: witnessing_sealed() -> collector_step() -> ASK -> replication_ask() -> answered() -> COSIGNED -> kept.
 * Happy path of another's: witnessing_add_checkpoint() -> judge -> ledger transaction with a witness row -> judged_saved() -> answer.
 * Failure modes: a witness that does not answer is asked again by the collector; a row that cannot be written is 503 and
 * nothing was cosigned; a lost compare-and-swap (somebody else cosigns with this key) is 409 and an alarm.
 */
#include "node/witnessing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "federation/witness/collector.h"
#include "node/base/clock.h"
#include "node/base/log.h"
#include "node/base/map.h"
#include "node/base/mutant.h"
#include "node/base/xassert.h"
#include "node/poster.h"

#define NOTE_NAME "cosigned" /* row of table note */
#define FORK_NAME "forked "  /* and the origin: row of table note */
#define LOGS_MAX 8192u       /* origins that state is kept of */
#define WAITING_MAX 8u       /* requests about one origin behind the one on its way to the disk */

/* What is kept of a log that is cosigned here. */
struct witnessed {
    char origin[ORIGIN_NAME_BYTES_MAX + 1];
    uint8_t hash[CRYPTO_HASH_SIZE]; /* of the origin */
    struct witness_state state;
    struct buf note;
    bool is_forked;      /* it signed two histories; its notes are kept */
    bool busy;           /* one judgement on its way to the disk */
    struct list waiting; /* struct judged: judged after it, one by one, so that none overtakes another */
    size_t waiting_count;
};

struct witnessing {
    struct witnessing_config config;
    struct ledger *ledger;
    struct replication *replication;
    struct arena arena;          /* of the policies, until the members change */
    struct policy peers;         /* receipts of peers: everybody's ledgers, everybody as a witness */
    struct policy policy;        /* receipts of own entries: and the external witnesses */
    struct policy own;           /* collector: the others and the external witnesses */
    uint32_t *codes;             /* own.witnesses -> node code, 0 = external */
    struct collector *collector; /* NULL while closed */
    struct loop_timer *timer;
    struct map logs; /* SHA-256 of the origin -> struct witnessed */
    bool closed;
    unsigned generation;  /* of the collector: answers to an earlier one's questions are nobody's */
    uint64_t stored_size; /* of the note that the store keeps */
};

/* ---- policies ---- */

/* A quorum of all @count witnesses that no two contradicting heads can both have. */
static void set_quorum(struct arena *a, struct policy *p, size_t count)
{
    p->witness_count = count;
    size_t needed = MUTANT(quorum_small) ? (count + 1) / 2 : policy_safe_quorum(count);
    if (needed == 0)
        return; /* alone: the log's word is all there is */
    uint32_t *members = arena_alloc(a, count * sizeof *members);
    for (size_t i = 0; i < count; i++)
        members[i] = (uint32_t)i;
    struct policy_group *group = arena_alloc(a, sizeof *group);
    *group = (struct policy_group){.name = "members", .needed = needed, .members = members, .member_count = count};
    p->groups = group;
    p->group_count = 1;
    p->has_quorum = true;
    p->quorum = POLICY_WITNESSES_MAX;
}

/* The number under which witness @i of @more stands in @p, which got it, or had its key before. */
static uint32_t take_witness(struct arena *a, struct policy *p, const struct policy *more, size_t i)
{
    const struct policy_witness *in = &more->witnesses[i];
    for (size_t k = 0; k < p->witness_count; k++)
        if (memcmp(p->witnesses[k].key.public_key, in->key.public_key, sizeof in->key.public_key) == 0)
            return (uint32_t)k;
    struct policy_witness *own = (struct policy_witness *)(uintptr_t)p->witnesses; /* made by make_policies() */
    own[p->witness_count] = *in;
    own[p->witness_count].name = arena_printf(a, "external-%zu", i + 1);
    return (uint32_t)p->witness_count++;
}

/* Adds the witnesses and groups of @more to @p, whose list of witnesses has room, and wants both quorums. Names get new ones: in the
 * two policies one name may stand for two things. */
static void join(struct arena *a, struct policy *p, const struct policy *more)
{
    uint32_t *numbers = arena_alloc(a, (more->witness_count + 1) * sizeof *numbers);
    for (size_t i = 0; i < more->witness_count; i++)
        numbers[i] = take_witness(a, p, more, i);
    struct policy_group *groups = arena_alloc(a, (p->group_count + more->group_count + 1) * sizeof *groups);
    size_t first = p->group_count, count = first;
    if (count > 0)
        memcpy(groups, p->groups, count * sizeof *groups);
    for (size_t i = 0; i < more->group_count; i++) {
        const struct policy_group *in = &more->groups[i];
        uint32_t *members = arena_alloc(a, in->member_count * sizeof *members);
        for (size_t k = 0; k < in->member_count; k++)
            members[k] =
                in->members[k] < POLICY_WITNESSES_MAX ? numbers[in->members[k]] : in->members[k] + (uint32_t)first;
        groups[count++] = (struct policy_group){.name = arena_printf(a, "external-group-%zu", i + 1),
                                                .needed = in->needed,
                                                .members = members,
                                                .member_count = in->member_count};
    }
    if (more->has_quorum) {
        uint32_t quorum = more->quorum < POLICY_WITNESSES_MAX ? numbers[more->quorum] : more->quorum + (uint32_t)first;
        if (p->has_quorum) {
            uint32_t *both = arena_alloc(a, 2 * sizeof *both);
            both[0] = p->quorum;
            both[1] = quorum;
            groups[count] =
                (struct policy_group){.name = "members-and-external", .needed = 2, .members = both, .member_count = 2};
            quorum = POLICY_WITNESSES_MAX + (uint32_t)count++;
        }
        p->has_quorum = true;
        p->quorum = quorum;
    }
    p->groups = groups;
    p->group_count = count;
}

static void make_policies(struct witnessing *w)
{
    const struct members *m = w->config.members;
    const struct policy *more = w->config.more_logs;
    size_t more_count = more == NULL ? 0 : more->witness_count;
    struct policy_log *logs = arena_alloc(&w->arena, m->count * sizeof *logs);
    struct policy_witness *all = arena_alloc(&w->arena, (m->count + more_count) * sizeof *all);
    struct policy_witness *others = arena_alloc(&w->arena, (m->count + more_count) * sizeof *others);
    w->codes = arena_alloc(&w->arena, (m->count + more_count) * sizeof *w->codes);
    memset(w->codes, 0, (m->count + more_count) * sizeof *w->codes);
    size_t count = 0, self = 0;
    for (size_t i = 0; i < m->count; i++) {
        const struct member *one = &m->list[i];
        logs[i] = (struct policy_log){.key = one->key, .url = ""};
        all[i] =
            (struct policy_witness){.name = arena_printf(&w->arena, "%u", one->code), .key = one->witness, .url = ""};
        if (one->code == w->config.self) {
            self = i;
            continue;
        }
        w->codes[count] = one->code;
        others[count++] = all[i];
    }
    w->own = (struct policy){.logs = logs, .log_count = m->count, .witnesses = others};
    set_quorum(&w->arena, &w->own, count);
    w->peers = (struct policy){.logs = logs, .log_count = m->count, .witnesses = all};
    set_quorum(&w->arena, &w->peers, m->count);
    if (w->peers.has_quorum) /* nobody cosigns itself: k of the n - 1 others, whoever the author is */
        ((struct policy_group *)(uintptr_t)w->peers.groups)->needed = policy_safe_quorum(m->count - 1);
    if (m->count <= 1)
        w->peers.has_quorum = false;
    w->policy = w->peers;
    if (more_count == 0)
        return;
    join(&w->arena, &w->own, more);
    join(&w->arena, &w->policy, more);
    if (more->has_quorum) { /* the others do not ask these witnesses */
        w->policy.logs = &logs[self];
        w->policy.log_count = 1;
    }
}

const struct policy *witnessing_policy(const struct witnessing *w, bool own)
{
    return own ? &w->policy : &w->peers;
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
    if (w->codes[a->witness] == 0) {
        const char *prefix = w->own.witnesses[a->witness].url;
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
    replication_ask(w->replication, w->codes[a->witness], &m, a->timeout_ms, answered, asking);
}

static void note_saved(void *ctx, const struct err *e)
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
        ledger_commit(txn, note_saved, NULL);
        w->stored_size = a->size;
    }
    w->config.on_cosigned(w->config.ctx);
}

/* What an external witness says came over a line that may be anybody's: nothing stops because of it. */
static void external_said(struct witnessing *w, const struct collector_action *a)
{
    char text[320];
    const char *name = w->own.witnesses[a->witness].key.name;
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
    bool is_external = w->codes[a->witness] == 0;
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
        w->config.on_behind(w->config.ctx, w->codes[a->witness], a->size);
        break;
    case COLLECTOR_ACTION_ALARM:
        if (is_external) {
            external_said(w, a);
            break;
        }
        replication_alarm(w->replication, w->codes[a->witness], a->alarm_id, a->text);
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
    for (size_t i = 0; i < w->own.witness_count; i++) {
        if (w->codes[i] != peer)
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
    for (size_t i = 0; w->collector != NULL && i < w->own.witness_count; i++) {
        struct collector_witness_info info;
        if (w->codes[i] != code)
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
    for (size_t k = 0; w->collector != NULL && k < w->own.witness_count; k++) {
        struct collector_witness_info info;
        if (w->codes[k] != 0 || i-- > 0)
            continue;
        collector_witness_info(w->collector, k, &info);
        *ret_witness = &w->own.witnesses[k];
        *ret = (struct witnessing_peer){
            .up = info.up && info.last_error[0] == '\0', .size = info.size, .time_s = info.time_s};
        memcpy(ret->last_error, info.last_error, sizeof ret->last_error);
        return true;
    }
    return false;
}

/* ---- others' checkpoints ---- */

static struct witnessed *find_log(const struct witnessing *w, const char *origin)
{
    uint8_t hash[CRYPTO_HASH_SIZE];
    crypto_sha256_one(origin, strlen(origin), hash);
    return map_get(&w->logs, hash, sizeof hash);
}

static struct witnessed *make_log(struct witnessing *w, const char *origin)
{
    struct witnessed *log = find_log(w, origin);
    if (log != NULL)
        return log;
    log = xcalloc(1, sizeof *log);
    (void)snprintf(log->origin, sizeof log->origin, "%s", origin);
    list_init(&log->waiting);
    struct crange empty;
    crange_init(&empty);
    crange_root(&empty, &log->state.root);
    crypto_sha256_one(log->origin, strlen(log->origin), log->hash);
    (void)map_put(&w->logs, log->hash, sizeof log->hash, log);
    return log;
}

/* The key of a log that is cosigned here; *ret_code 0 for one that is no member's. */
static const struct note_verifier *log_key(const struct witnessing *w, const char *origin, uint32_t *ret_code)
{
    const struct members *m = w->config.members;
    *ret_code = 0;
    for (size_t i = 0; i < m->count; i++) {
        if (strcmp(m->list[i].key.name, origin) != 0)
            continue;
        *ret_code = m->list[i].code;
        return m->list[i].code == w->config.self ? NULL : &m->list[i].key; /* nobody is his own witness */
    }
    const struct policy_log *more = w->config.more_logs == NULL ? NULL : policy_find_log(w->config.more_logs, origin);
    return more == NULL ? NULL : &more->key;
}

static void answer_error(witnessing_cb cb, void *ctx, unsigned status, const char *why)
{
    char text[200];
    (void)snprintf(text, sizeof text, "%s\n", why);
    cb(ctx, status, "text/plain; charset=utf-8", bytes_of_string(text));
}

/* A request from its arrival to its answer. */
struct judged {
    struct list link; /* in log->waiting */
    struct witnessing *w;
    struct witnessed *log;
    struct witness_verdict verdict; /* its spans in `body` */
    struct buf body;
    uint64_t time_s;
    witnessing_cb cb;
    void *ctx;
};

static void judge(struct judged *j);

static void judged_end(struct judged *j)
{
    buf_close(&j->body);
    free(j);
}

static void judge_waiting(struct witnessed *log)
{
    struct list *next;
    while (!log->busy && (next = list_pop_first(&log->waiting)) != NULL) {
        log->waiting_count--;
        judge(container_of(next, struct judged, link));
    }
}

static void judged_saved(void *ctx, const struct err *e)
{
    struct judged *j = ctx;
    struct witnessed *log = j->log;
    struct buf out = {0};
    log->busy = false;
    if (e->code == 0) {
        witness_answer(&j->verdict, &log->state, j->w->config.signer, j->time_s, &out);
        log->state = j->verdict.next;
        buf_reset(&log->note);
        buf_put(&log->note, j->verdict.note.data, j->verdict.note.size);
        j->cb(j->ctx, WITNESS_OK, witness_content_type(WITNESS_OK), buf_bytes(&out));
    } else {
        log_warn("witness", NULL, e->id, "nothing cosigned: %s", e->message);
        answer_error(j->cb, j->ctx, 503, "the witness cannot write now");
    }
    buf_close(&out);
    judged_end(j);
    judge_waiting(log);
}

/* Durable first: the row goes to the disk, the signature leaves afterwards. */
static void store_verdict(struct judged *j)
{
    struct ledger_txn *txn = ledger_txn_create(j->w->ledger);
    struct store_witness row = {.old_size = j->log->state.size, .size = j->verdict.next.size};
    (void)snprintf(row.origin, sizeof row.origin, "%s", j->log->origin);
    memcpy(row.old_root, j->log->state.root.b, sizeof row.old_root);
    memcpy(row.root, j->verdict.next.root.b, sizeof row.root);
    row.note = arena_bytes(ledger_txn_arena(txn), j->verdict.note);
    ledger_txn_witness(txn, &row);
    j->log->busy = true;
    if (MUTANT(cosign_early)) {
        ledger_commit(txn, note_saved, NULL);
        judged_saved(j, &(const struct err){0});
        return;
    }
    ledger_commit(txn, judged_saved, j);
}

/* A signed checkpoint of a member, whatever became of the request, is worth a look: it may contradict another one. */
static void look_at(struct witnessing *w, uint32_t code, const struct note_verifier *key, struct bytes note)
{
    struct checkpoint_opened opened;
    if (code != 0 && note.size > 0 && checkpoint_open(note, key, NULL, 0, &opened, NULL) == 0)
        w->config.on_seen(w->config.ctx, code, &opened.head, note);
}

/* So is one with a proof that does not fit what was cosigned: it may prove another history. */
static void look_at_proof(struct judged *j, uint32_t code, const struct note_verifier *key)
{
    struct checkpoint_opened opened;
    const struct witness_verdict *v = &j->verdict;
    if (code != 0 && v->unproven.size > 0 && checkpoint_open(v->unproven, key, NULL, 0, &opened, NULL) == 0)
        j->w->config.on_unproven(j->w->config.ctx, code, j->log->state.size, &opened.head, v->unproven, &v->proof);
}

/* A log of somebody else has signed two roots for one size: its operators and users will want to see both. (A member's becomes
 * evidence, see app_evidence.c.) */
static void keep_contradiction(struct witnessing *w, struct witnessed *log, struct bytes note)
{
    char text[256];
    if (log->is_forked)
        return;
    log->is_forked = true;
    struct ledger_txn *txn = ledger_txn_create(w->ledger);
    struct store_note row = {.size = log->state.size};
    struct buf both = {0};
    (void)snprintf(row.name, sizeof row.name, FORK_NAME "%s", log->origin);
    buf_put(&both, log->note.data, log->note.size);
    buf_put(&both, note.data, note.size);
    row.note = arena_bytes(ledger_txn_arena(txn), buf_bytes(&both));
    buf_close(&both);
    ledger_txn_note(txn, &row);
    ledger_commit(txn, note_saved, NULL);
    (void)snprintf(text, sizeof text, "the log '%.150s' has signed two roots for size %llu; both checkpoints are kept",
                   log->origin, (unsigned long long)log->state.size);
    replication_alarm(w->replication, 0, "witness.contradiction", text);
}

/* Judges @j against what is kept now, and answers, or lets the store have it first. */
static void judge(struct judged *j)
{
    struct witnessing *w = j->w;
    struct witnessed *log = j->log;
    uint32_t code = 0;
    const struct note_verifier *key = log_key(w, log->origin, &code);
    if (w->closed || ledger_check_writable(w->ledger, NULL) != 0) {
        answer_error(j->cb, j->ctx, 503, "the witness cannot write now");
        judged_end(j);
        return;
    }
    j->time_s = clock_wall_ms() / 1000;
    witness_judge(buf_bytes(&j->body), key, &log->state, &j->verdict);
    if (key != NULL)
        look_at(w, code, key, j->verdict.note);
    if (key != NULL)
        look_at_proof(j, code, key);
    if (j->verdict.status == WITNESS_OK && code != 0 && w->config.is_disputed(w->config.ctx, code)) {
        j->verdict.status = WITNESS_FORBIDDEN;
        (void)snprintf(j->verdict.why, sizeof j->verdict.why, "this ledger has contradicted itself");
    }
    if (j->verdict.status == WITNESS_OK) {
        store_verdict(j);
        return;
    }
    if (j->verdict.is_contradiction && code == 0)
        keep_contradiction(w, log, j->verdict.note);
    struct buf out = {0};
    witness_answer(&j->verdict, &log->state, w->config.signer, j->time_s, &out);
    j->cb(j->ctx, j->verdict.status, witness_content_type(j->verdict.status), buf_bytes(&out));
    buf_close(&out);
    judged_end(j);
}

void witnessing_add_checkpoint(struct witnessing *w, struct bytes body, witnessing_cb cb, void *ctx)
{
    char origin[ORIGIN_NAME_BYTES_MAX + 1];
    struct err e = {0};
    uint32_t code = 0;
    if (body.size > WITNESS_BODY_BYTES_MAX || witness_peek(body, origin, &e) != 0) {
        answer_error(cb, ctx, WITNESS_MALFORMED, e.code != 0 ? e.message : "the request is too large");
        return;
    }
    if (log_key(w, origin, &code) == NULL || (find_log(w, origin) == NULL && w->logs.count >= LOGS_MAX)) {
        answer_error(cb, ctx, WITNESS_UNKNOWN, "this log is not witnessed here");
        return;
    }
    struct witnessed *log = make_log(w, origin);
    if (log->waiting_count == WAITING_MAX) {
        answer_error(cb, ctx, WITNESS_BUSY, "too many checkpoints of this log are waiting to be cosigned");
        return;
    }
    struct judged *j = xcalloc(1, sizeof *j);
    *j = (struct judged){.w = w, .log = log, .cb = cb, .ctx = ctx};
    list_init(&j->link);
    buf_put(&j->body, body.data, body.size);
    if (!log->busy) {
        judge(j);
        return;
    }
    list_append(&log->waiting, &j->link);
    log->waiting_count++;
}

int witnessing_checkpoint(struct witnessing *w, const uint8_t origin_hash[CRYPTO_HASH_SIZE], struct buf *ret,
                          struct err *e)
{
    const struct witnessed *log = map_get(&w->logs, origin_hash, CRYPTO_HASH_SIZE);
    struct bytes text;
    size_t lines;
    if (log != NULL && log->note.size > 0) {
        int rc = note_peek(buf_bytes(&log->note), &text, &lines, e);
        if (rc != 0)
            return rc;
        buf_put(ret, log->note.data, log->note.size);
        return checkpoint_cosign(text, w->config.signer, clock_wall_ms() / 1000, ret, e);
    }
    return err_set(e, ERR_NOT_FOUND, "witness.unknown-log", "no checkpoint of this log has been cosigned here");
}

uint64_t witnessing_cosigned_size(const struct witnessing *w, uint32_t code)
{
    const struct member *m = members_find(w->config.members, code);
    const struct witnessed *log = m == NULL ? NULL : find_log(w, m->key.name);
    return log == NULL ? 0 : log->state.size;
}

struct bytes witnessing_cosigned_note(const struct witnessing *w, uint32_t code)
{
    const struct member *m = members_find(w->config.members, code);
    const struct witnessed *log = m == NULL ? NULL : find_log(w, m->key.name);
    return log == NULL ? bytes_of(NULL, 0) : buf_bytes(&log->note);
}

/* ---- life ---- */

static void make_collector(struct witnessing *w)
{
    struct collector_config config = {.policy = &w->own,
                                      .log = &members_find(w->config.members, w->config.self)->key,
                                      .round_min_ms = w->config.round_min_ms,
                                      .round_ms = w->config.round_ms,
                                      .refresh_ms = w->config.refresh_ms};
    struct collector_host host = {.ctx = w, .head = host_head, .consistency = host_consistency};
    w->collector = collector_create(&config, &host);
    w->generation++;
    for (size_t i = 0; w->config.poster != NULL && i < w->own.witness_count; i++) {
        struct collector_event event = {.type = COLLECTOR_EVENT_UP, .witness = i};
        if (w->codes[i] == 0 && w->own.witnesses[i].url[0] != '\0')
            step(w, &event); /* nobody says when it can be reached: asked with each round */
    }
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

static void forget_logs(struct witnessing *w)
{
    size_t at = 0;
    void *value;
    while (map_next(&w->logs, &at, NULL, &value)) {
        struct witnessed *log = value;
        xassert(list_is_empty(&log->waiting)); /* each was answered when the ledger was closed */
        buf_close(&log->note);
        free(log);
    }
    map_close(&w->logs);
}

void witnessing_destroy(struct witnessing *w)
{
    if (w == NULL)
        return;
    collector_destroy(w->collector);
    loop_timer_destroy(w->timer);
    forget_logs(w);
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
        struct witnessed *log = make_log(w, rows[i].origin);
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
    size_t count = w->own.witness_count;
    bool *up = xcalloc(count + 1, sizeof *up);
    uint32_t *codes = xcalloc(count + 1, sizeof *codes);
    for (size_t i = 0; i < count; i++) {
        struct collector_witness_info info;
        collector_witness_info(w->collector, i, &info);
        codes[i] = w->codes[i];
        up[i] = info.up;
    }
    collector_destroy(w->collector);
    arena_close(&w->arena);
    w->arena = (struct arena)ARENA_INIT;
    w->own = w->policy = w->peers = (struct policy){0};
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
