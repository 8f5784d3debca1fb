/* Receipts: the proof that an act of a case stands in a ledger that the other provinces have witnessed (see app.h).
 *
 * Happy path: last effective event of the wanted type -> own entry: inclusion proof against the newest checkpoint with a quorum; a
 * peer's entry: RECEIPT_PULL to its author, who does the same -> C2SP tlog-proof text with the leaf in it.
 * Failure modes: no quorum over the entry yet -> waits for it as long as asked, then gives what there is, not final; the author of
 * the entry cannot be reached -> ERR_CLOSED receipt.author-away, nothing is made up.
 *
 * Loop thread only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "federation/ledger/proof.h"
#include "federation/ledger/receipt.h"
#include "node/app_internal.h"
#include "node/base/clock.h"
#include "node/base/xassert.h"

#define PULL_MS 5000u
#define PULL_AGAIN_MS 200u
#define WAIT_MS_MAX 60000u

struct receipt_wait {
    struct list link;
    struct app *app;
    uint64_t ticket;
    struct app_receipt receipt; /* texts in mem */
    struct arena mem;
    struct loop_timer *timer;
    bool is_asked; /* RECEIPT_PULL is out: it ends by itself */
    bool is_over;  /* cancelled while asked */
    uint64_t until_ms;
    struct err error;
    app_receipt_cb cb;
    void *ctx;
};

static void wait_free(struct receipt_wait *w)
{
    list_remove(&w->link);
    loop_timer_destroy(w->timer);
    arena_close(&w->mem);
    free(w);
}

static void wait_end(struct receipt_wait *w)
{
    w->cb(w->ctx, &w->receipt, &w->error);
    wait_free(w);
}

/* ---- making a proof ---- */

/* The tlog-proof of own entry @index against @note. */
static int make_proof(struct app *a, uint64_t index, struct bytes note, struct arena *mem, struct bytes *ret,
                      struct err *e)
{
    struct bytes text;
    size_t lines;
    struct checkpoint head;
    struct proof proof = {.has_extra = true, .index = index, .checkpoint = note};
    struct bytes payload;
    bool held;
    int rc = note_peek(note, &text, &lines, e);
    if (rc == 0)
        rc = checkpoint_parse(text, &head, e);
    if (rc == 0)
        rc = ledger_read_entry(a->ledger, index, mem, &proof.extra, &payload, &held, e);
    if (rc != 0)
        return rc;
    struct merkle_source source = ledger_source(a->ledger);
    rc = merkle_prove_inclusion(&source, index, head.size, &proof.inclusion, e);
    if (rc != 0)
        return rc;
    struct buf out = {0};
    rc = proof_format(&proof, &out, e);
    if (rc == 0)
        *ret = arena_bytes(mem, buf_bytes(&out));
    buf_close(&out);
    return rc;
}

/* The best checkpoint over own entry @index: with a quorum if there is one, else as signed. */
static int best_note(struct app *a, uint64_t index, struct bytes *ret, bool *ret_final, struct err *e)
{
    uint64_t size = 0;
    struct bytes note = witnessing_note(a->witnessing, &size);
    *ret_final = note.size > 0 && size > index;
    if (*ret_final) {
        *ret = note;
        return 0;
    }
    const struct ledger_head *head = ledger_head(a->ledger);
    if (head->note.size == 0 || head->size <= index)
        return err_set(e, ERR_CLOSED, "receipt.not-yet", "no signed checkpoint covers entry %llu yet",
                       (unsigned long long)index);
    witnessing_want(a->witnessing);
    *ret = head->note;
    return 0;
}

/* Puts the proof into the form that is given out, and says how its checkpoint stands against the policy. */
static int rate(struct receipt_wait *w, struct err *e)
{
    struct app_receipt *r = &w->receipt;
    struct arena mem = ARENA_INIT;
    struct proof proof;
    struct checkpoint_opened opened;
    struct buf exact = {0};
    bool satisfied = false;
    const struct policy *policy = witnessing_policy(w->app->witnessing, r->origin == w->app->config->region);
    int rc = receipt_to_exact(r->proof, policy, &exact, e);
    if (rc == 0) {
        r->proof = arena_bytes(&w->mem, buf_bytes(&exact));
        rc = proof_parse(r->proof, &mem, &proof, e);
    }
    if (rc == 0)
        rc = policy_open(policy, proof.checkpoint, &opened, NULL, &satisfied, e);
    if (rc == 0) {
        r->tree_size = opened.head.size;
        r->cosigned = opened.cosigned_count;
        r->is_final = satisfied;
        policy_quorum_size(policy, &r->needed, &r->of);
        r->of = r->of > 0 ? r->of - 1 : 0; /* all members but the author */
    }
    buf_close(&exact);
    arena_close(&mem);
    return rc;
}

static int put_policy(struct app *a, bool own, struct arena *mem, struct bytes *ret)
{
    struct buf text = {0};
    policy_format(witnessing_policy(a->witnessing, own), &text);
    *ret = arena_bytes(mem, buf_bytes(&text));
    buf_close(&text);
    return 0;
}

static int make_receipt(struct receipt_wait *w, struct err *e)
{
    struct app *a = w->app;
    struct bytes note;
    bool is_final;
    int rc = best_note(a, w->receipt.index, &note, &is_final, e);
    if (rc == 0)
        rc = make_proof(a, w->receipt.index, note, &w->mem, &w->receipt.proof, e);
    if (rc == 0)
        rc = rate(w, e);
    return rc == 0 ? put_policy(a, true, &w->mem, &w->receipt.policy) : rc;
}

/* ---- a peer's entry ---- */

static void try_receipt(struct receipt_wait *w);

static void pulled(void *ctx, const struct wire_msg *answer, const struct err *e)
{
    struct receipt_wait *w = ctx;
    w->is_asked = false;
    if (w->is_over) {
        wait_free(w);
        return;
    }
    w->error = (struct err){0};
    if (answer == NULL || answer->type != WIRE_RECEIPT) {
        (void)err_set(&w->error, ERR_CLOSED, "receipt.author-away",
                      "node %u, which wrote the entry, gives no proof of it now: %s", w->receipt.origin,
                      e->code != 0 ? e->message : "an answer of another kind");
    } else {
        w->receipt.proof = arena_bytes(&w->mem, answer->u.receipt.proof);
        if (rate(w, &w->error) == 0)
            (void)put_policy(w->app, false, &w->mem, &w->receipt.policy);
    }
    if (!w->receipt.is_final && clock_mono_ms() + PULL_AGAIN_MS < w->until_ms) {
        w->error = (struct err){0};
        loop_timer_set(w->timer, PULL_AGAIN_MS); /* the author, or its quorum, comes without a word to us */
    } else {
        wait_end(w);
    }
}

static void pull(struct receipt_wait *w)
{
    struct wire_msg m = {.type = WIRE_RECEIPT_PULL};
    m.u.receipt_pull.index = w->receipt.index;
    w->is_asked = true;
    replication_ask(w->app->replication, w->receipt.origin, &m, PULL_MS, pulled, w);
}

void app_answer_receipt_pull(struct app *a, uint32_t peer, uint64_t handle, const struct wire_receipt_pull *pull_msg)
{
    struct arena mem = ARENA_INIT;
    struct leaf leaf;
    struct bytes bytes, payload, note;
    bool held, is_final;
    struct err e = {0};
    struct wire_msg m = {.type = WIRE_RECEIPT};
    int rc = pull_msg->index < ledger_head(a->ledger)->size
                 ? ledger_read_entry(a->ledger, pull_msg->index, &mem, &bytes, &payload, &held, &e)
                 : err_set(&e, ERR_NOT_FOUND, "receipt.no-entry", "there is no such entry");
    if (rc == 0)
        rc = leaf_decode(bytes, &leaf, &e);
    bool is_addressed = false;
    for (unsigned i = 0; rc == 0 && i < leaf.recipient_count; i++)
        is_addressed = is_addressed || leaf.recipients[i].node == peer || leaf.recipients[i].node == LEAF_NODE_ALL;
    if (rc == 0 && !is_addressed)
        rc = err_set(&e, ERR_DENIED, "receipt.not-addressed", "that entry is not addressed to the asker");
    if (rc == 0)
        rc = best_note(a, pull_msg->index, &note, &is_final, &e);
    if (rc == 0)
        rc = make_proof(a, pull_msg->index, note, &mem, &m.u.receipt.proof, &e);
    if (rc == 0)
        replication_answer(a->replication, handle, &m);
    else
        replication_answer_error(a->replication, handle,
                                 rc == ERR_NOT_FOUND ? WIRE_ERROR_NOT_FOUND
                                 : rc == ERR_DENIED  ? WIRE_ERROR_DENIED
                                                     : WIRE_ERROR_UNAVAILABLE,
                                 e.id, e.message);
    arena_close(&mem);
}

/* ---- asking ---- */

static void try_receipt(struct receipt_wait *w)
{
    struct app *a = w->app;
    if (w->is_asked)
        return;
    if (w->error.code == 0 && w->receipt.origin != a->config->region) {
        pull(w);
        return;
    }
    if (w->error.code == 0 && make_receipt(w, &w->error) != 0 && strcmp(w->error.id, "receipt.not-yet") == 0 &&
        clock_mono_ms() < w->until_ms) {
        w->error = (struct err){0};
        loop_timer_set(w->timer, w->until_ms - clock_mono_ms());
        return;
    }
    if (w->error.code == 0 && !w->receipt.is_final && clock_mono_ms() < w->until_ms) {
        loop_timer_set(w->timer, w->until_ms - clock_mono_ms()); /* app_receipts_cosigned() ends it earlier */
        return;
    }
    wait_end(w);
}

static void timer_cb(void *ctx)
{
    try_receipt(ctx);
}

void app_receipts_cosigned(struct app *a)
{
    list_for_each_safe (at, &a->receipts) {
        struct receipt_wait *w = container_of(at, struct receipt_wait, link);
        if (!w->is_asked && w->receipt.origin == a->config->region)
            loop_timer_set(w->timer, 0);
    }
}

/* The newest event of the type that took effect. */
static int find_event(struct app *a, const uint8_t case_id[CASE_ID_SIZE], uint16_t act, struct app_receipt *ret,
                      struct err *e)
{
    struct casefile *file, *apart;
    struct case_slot *slot;
    const struct case_effect *effects;
    int rc = app_committed_case(a, case_id, &file, &apart, &slot, e);
    if (rc != 0)
        return rc;
    act = act == 0 ? CASE_EVENT_SUBMIT : act;
    rc = err_set(e, ERR_NOT_FOUND, "receipt.no-event", "the case has no %s that took effect", case_event_name(act));
    size_t count = casefile_effects(file, &effects);
    for (size_t i = 0; i < count; i++) {
        if (effects[i].event->type != act || effects[i].kind != CASE_EFFECT_OK)
            continue;
        ret->origin = effects[i].event->origin;
        ret->index = effects[i].event->index;
        rc = 0;
    }
    casefile_destroy(apart);
    if (rc == 0)
        *e = (struct err){0};
    memcpy(ret->case_id, case_id, CASE_ID_SIZE);
    ret->act = case_event_name(act);
    return rc;
}

uint64_t app_get_receipt(struct app *a, const uint8_t case_id[CASE_ID_SIZE], uint16_t act, uint32_t wait_ms,
                         app_receipt_cb cb, void *ctx)
{
    struct receipt_wait *w = xcalloc(1, sizeof *w);
    w->app = a;
    w->ticket = ++a->next_ticket;
    w->cb = cb;
    w->ctx = ctx;
    w->until_ms = clock_mono_ms() + min_of(wait_ms, WAIT_MS_MAX);
    w->timer = loop_timer_create(a->loop, timer_cb, w);
    list_append(&a->receipts, &w->link);
    (void)find_event(a, case_id, act, &w->receipt, &w->error);
    loop_timer_set(w->timer, 0); /* never from inside this call */
    return w->ticket;
}

void app_receipt_cancel(struct app *a, uint64_t ticket)
{
    list_for_each_safe (at, &a->receipts) {
        struct receipt_wait *w = container_of(at, struct receipt_wait, link);
        if (w->ticket != ticket)
            continue;
        if (w->is_asked) {
            w->is_over = true;
            loop_timer_cancel(w->timer);
        } else {
            wait_free(w);
        }
    }
}

void app_receipts_close(struct app *a)
{
    list_for_each_safe (at, &a->receipts) {
        struct receipt_wait *w = container_of(at, struct receipt_wait, link);
        xassert(!w->is_asked); /* the link was closed: every question has ended */
        (void)err_set(&w->error, ERR_CLOSED, "node.stopping", "the node is stopping");
        wait_end(w);
    }
}

/* ---- the ledger for public tools ---- */

int app_cosigned_checkpoint(struct app *a, struct arena *mem, struct bytes *ret_note, struct err *e)
{
    uint64_t size = 0;
    struct bytes note = witnessing_note(a->witnessing, &size);
    if (note.size == 0)
        note = ledger_head(a->ledger)->note;
    if (note.size == 0)
        return err_set(e, ERR_CLOSED, "ledger.no-checkpoint", "this ledger has no checkpoint to show now");
    *ret_note = arena_bytes(mem, note);
    return 0;
}

static int read_entries(struct app *a, uint64_t number, unsigned width, struct arena *mem, struct bytes *ret,
                        struct err *e)
{
    struct buf out = {0};
    int rc = 0;
    for (uint64_t i = number * TILES_WIDTH; rc == 0 && i < number * TILES_WIDTH + width; i++) {
        struct bytes leaf, payload;
        bool held;
        rc = ledger_read_entry(a->ledger, i, mem, &leaf, &payload, &held, e);
        if (rc == 0) {
            buf_put_u16(&out, (uint16_t)leaf.size);
            buf_put(&out, leaf.data, leaf.size);
        }
    }
    if (rc == 0)
        *ret = arena_bytes(mem, buf_bytes(&out));
    buf_close(&out);
    return rc;
}

int app_read_tile(struct app *a, int level, uint64_t number, unsigned width, struct arena *mem, struct bytes *ret,
                  struct err *e)
{
    int rc = ledger_check_writable(a->ledger, e);
    if (rc != 0)
        return rc;
    unsigned shift = level > 0 ? (unsigned)level * 8 : 0;
    uint64_t size = ledger_head(a->ledger)->size, hashes = shift >= 64 ? 0 : size >> shift;
    if (level > 7 || number > LEDGER_SIZE_MAX / TILES_WIDTH || number * TILES_WIDTH + width > hashes)
        return err_set(e, ERR_NOT_FOUND, "ledger.no-tile", "the ledger of %llu entries has no such tile",
                       (unsigned long long)size);
    if (level < 0)
        return read_entries(a, number, width, mem, ret, e);
    struct merkle_source source = ledger_source(a->ledger);
    uint8_t *out = arena_alloc(mem, (size_t)width * MERKLE_HASH_SIZE);
    for (unsigned i = 0; rc == 0 && i < width; i++)
        rc = source.node(source.ctx, shift, number * TILES_WIDTH + i, out + (size_t)i * MERKLE_HASH_SIZE, e);
    *ret = bytes_of(out, (size_t)width * MERKLE_HASH_SIZE);
    return rc;
}

void app_add_checkpoint(struct app *a, struct bytes body, app_witness_cb cb, void *ctx)
{
    witnessing_add_checkpoint(a->witnessing, body, cb, ctx);
}

int app_witnessed_checkpoint(struct app *a, const char *origin_hash, struct arena *mem, struct bytes *ret_note,
                             struct err *e)
{
    uint8_t hash[CRYPTO_HASH_SIZE];
    size_t size = 0;
    struct buf note = {0};
    if (hex_decode(origin_hash, strlen(origin_hash), hash, sizeof hash, &size) != 0 || size != sizeof hash)
        return err_set(e, ERR_NOT_FOUND, "witness.unknown-log", "'%.70s' is not the SHA-256 of an origin in hex",
                       origin_hash);
    int rc = witnessing_checkpoint(a->witnessing, hash, &note, e);
    if (rc == 0)
        *ret_note = arena_bytes(mem, buf_bytes(&note));
    buf_close(&note);
    return rc;
}

int app_policy(struct app *a, struct arena *mem, struct bytes *ret, struct err *e)
{
    (void)e;
    return put_policy(a, true, mem, ret);
}

int app_list_witnesses(struct app *a, struct arena *mem, struct app_witness_view **ret, size_t *ret_count,
                       uint64_t *ret_final_size, struct err *e)
{
    const struct policy_witness *external;
    struct witnessing_peer other;
    size_t count = 0, external_count = 0;
    (void)e;
    while (witnessing_external(a->witnessing, external_count, &external, &other))
        external_count++;
    struct app_witness_view *rows = arena_alloc(mem, (a->members->count + external_count + 1) * sizeof *rows);
    for (size_t i = 0; i < a->members->count; i++) {
        struct witnessing_peer peer;
        if (!witnessing_peer(a->witnessing, a->members->list[i].code, &peer))
            continue;
        rows[count++] = (struct app_witness_view){.code = a->members->list[i].code,
                                                  .name = a->members->list[i].name,
                                                  .up = peer.up,
                                                  .size = peer.size,
                                                  .time_s = peer.time_s,
                                                  .last_error = arena_strdup(mem, peer.last_error)};
    }
    for (size_t i = 0; witnessing_external(a->witnessing, i, &external, &other); i++)
        rows[count++] = (struct app_witness_view){.name = arena_strdup(mem, external->key.name),
                                                  .url = arena_strdup(mem, external->url),
                                                  .up = other.up,
                                                  .size = other.size,
                                                  .time_s = other.time_s,
                                                  .last_error = arena_strdup(mem, other.last_error)};
    (void)witnessing_note(a->witnessing, ret_final_size);
    *ret = rows;
    *ret_count = count;
    return 0;
}

const struct members *app_members(const struct app *a)
{
    return a->members;
}
