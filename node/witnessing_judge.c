/* Others' checkpoints: judged, and cosigned when they follow from the last one (see witnessing.h).
 *
 * Happy path: witnessing_add_checkpoint() -> judge -> ledger transaction with a witness row -> judged_saved() -> answer.
 * Failure modes: a row that cannot be written is 503 and nothing was cosigned; a lost compare-and-swap (somebody else cosigns
 * with this key) is 409 and an alarm.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/clock.h"
#include "node/base/log.h"
#include "node/base/mutant.h"
#include "node/base/xassert.h"
#include "node/witnessing_internal.h"

#define FORK_NAME "forked " /* and the origin: row of table note */
#define LOGS_MAX 8192u      /* origins that state is kept of */
#define WAITING_MAX 8u      /* requests about one origin behind the one on its way to the disk */

static struct witnessed *find_log(const struct witnessing *w, const char *origin)
{
    uint8_t hash[CRYPTO_HASH_SIZE];
    crypto_sha256_one(origin, strlen(origin), hash);
    return map_get(&w->logs, hash, sizeof hash);
}

struct witnessed *witnessing_judge_log(struct witnessing *w, const char *origin)
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
        ledger_commit(txn, witnessing_note_saved, NULL);
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
    ledger_commit(txn, witnessing_note_saved, NULL);
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
    struct witnessed *log = witnessing_judge_log(w, origin);
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

void witnessing_judge_forget(struct witnessing *w)
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
