/* Collector (see collector.h).
 *
 * Happy path: HEAD -> round begins -> ASK to each witness that is up, from the size it cosigned last -> ANSWER 200 with a cosignature
 * that verifies -> line kept -> quorum -> COSIGNED. Failure modes: 409 -> once more from the size it names (or BEHIND); any other answer, a
 * signature that does not verify, no answer -> noted, asked again with the next round or after retry_ms.
 *
 * A round keeps the head it began with; lines for another head would not verify and are not taken.
 */
#include "federation/witness/collector.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/xassert.h"

#define DEFAULT(field, value) ((field) == 0 ? (value) : (field))

struct one_witness {
    bool up;
    bool knows_size; /* `size` is what it said or cosigned */
    uint64_t size;   /* last one it cosigned of this log */
    uint64_t time_s;
    uint64_t token;    /* of the request in flight; 0 = none */
    uint64_t retry_ms; /* not before */
    bool has_signed;   /* in this round */
    bool told_size;    /* it has corrected us in this round: not a second time */
    char *line;        /* its cosignature of this round, with the newline */
    char last_error[128];
};

struct collector {
    struct collector_config config;
    struct collector_host host;
    struct one_witness *witnesses;
    uint64_t next_token, now_ms;

    bool in_round; /* one has begun; stays until the next */
    struct checkpoint head;
    struct buf note; /* of the round's head, the author's signature only */
    uint64_t began_ms;
    size_t signed_count;
    bool satisfied;
    bool is_wanted, is_urgent; /* a larger head waits for its round */

    struct buf final_note; /* newest with a quorum */
    uint64_t final_size;
};

struct collector *collector_create(const struct collector_config *config, const struct collector_host *host)
{
    struct collector *c = xcalloc(1, sizeof *c);
    c->config = *config;
    c->config.round_min_ms = DEFAULT(config->round_min_ms, 1000u);
    c->config.round_ms = DEFAULT(config->round_ms, 10000u);
    c->config.refresh_ms = DEFAULT(config->refresh_ms, 60000u);
    c->config.ask_ms = DEFAULT(config->ask_ms, 5000u);
    c->config.retry_ms = DEFAULT(config->retry_ms, 5000u);
    c->host = *host;
    c->witnesses = xcalloc(config->policy->witness_count + 1, sizeof *c->witnesses);
    c->next_token = 1;
    return c;
}

void collector_destroy(struct collector *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->config.policy->witness_count; i++)
        free(c->witnesses[i].line);
    free(c->witnesses);
    buf_close(&c->note);
    buf_close(&c->final_note);
    free(c);
}

static struct collector_action *act(struct collector_update *u, enum collector_action_type type, size_t witness)
{
    if (u->count == u->capacity) {
        size_t capacity = max_of((size_t)8, u->capacity * 2);
        struct collector_action *bigger = arena_alloc(u->arena, capacity * sizeof *bigger);
        if (u->count > 0)
            memcpy(bigger, u->actions, u->count * sizeof *bigger);
        u->actions = bigger;
        u->capacity = capacity;
    }
    struct collector_action *a = &u->actions[u->count++];
    *a = (struct collector_action){.type = type, .witness = witness};
    return a;
}

static void alarm_about(struct collector_update *u, size_t witness, const char *id, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
static void alarm_about(struct collector_update *u, size_t witness, const char *id, const char *fmt, ...)
{
    struct collector_action *a = act(u, COLLECTOR_ACTION_ALARM, witness);
    va_list args;
    (void)snprintf(a->alarm_id, sizeof a->alarm_id, "%s", id);
    va_start(args, fmt);
    (void)vsnprintf(a->text, sizeof a->text, fmt, args);
    va_end(args);
}

static void failed(struct collector *c, struct one_witness *w, const char *why)
{
    w->retry_ms = c->now_ms + c->config.retry_ms;
    (void)snprintf(w->last_error, sizeof w->last_error, "%s", why);
}

/* ---- asking ---- */

static void ask(struct collector *c, size_t i, struct collector_update *u)
{
    struct one_witness *w = &c->witnesses[i];
    struct merkle_proof proof = {0};
    struct err e = {0};
    uint64_t old = w->knows_size ? w->size : 0; /* wrong: it says which one */
    if (old > 0 && old < c->head.size && c->host.consistency(c->host.ctx, old, c->head.size, &proof, &e) != 0) {
        failed(c, w, e.message);
        return;
    }
    struct buf body = {0};
    witness_body_format(old, &proof, buf_bytes(&c->note), &body);
    struct collector_action *a = act(u, COLLECTOR_ACTION_ASK, i);
    a->body = arena_bytes(u->arena, buf_bytes(&body));
    a->timeout_ms = c->config.ask_ms;
    a->token = w->token = c->next_token++;
    buf_close(&body);
}

static void ask_all(struct collector *c, struct collector_update *u)
{
    for (size_t i = 0; i < c->config.policy->witness_count; i++) {
        struct one_witness *w = &c->witnesses[i];
        if (w->up && w->token == 0 && !w->has_signed && w->retry_ms <= c->now_ms)
            ask(c, i, u);
    }
}

static void begin_round(struct collector *c, struct collector_update *u)
{
    struct checkpoint head;
    struct bytes note;
    c->host.head(c->host.ctx, &head, &note);
    if (note.size == 0 || head.size == 0)
        return; /* nothing signed that is worth a witness */
    c->in_round = true;
    c->is_wanted = c->is_urgent = false;
    c->head = head;
    buf_reset(&c->note);
    buf_put(&c->note, note.data, note.size);
    c->began_ms = c->now_ms;
    c->signed_count = 0;
    c->satisfied = false;
    for (size_t i = 0; i < c->config.policy->witness_count; i++) {
        struct one_witness *w = &c->witnesses[i];
        w->has_signed = w->told_size = false;
        w->token = 0; /* an answer to an earlier round is for another head */
        w->retry_ms = 0;
        free(w->line);
        w->line = NULL;
    }
    ask_all(c, u);
}

static uint64_t next_round_ms(const struct collector *c)
{
    if (!c->in_round)
        return c->is_wanted ? 0 : UINT64_MAX;
    uint64_t pause = c->is_urgent ? c->config.round_min_ms : c->is_wanted ? c->config.round_ms : c->config.refresh_ms;
    return c->began_ms + pause;
}

static void time_passed(struct collector *c, struct collector_update *u)
{
    if (c->now_ms >= next_round_ms(c))
        begin_round(c, u);
    else if (c->in_round)
        ask_all(c, u);
}

/* ---- answers ---- */

/* The checkpoint with all lines of the round, at most as many as a note may have. */
static void compose(const struct collector *c, struct buf *out)
{
    size_t lines = 1;
    buf_reset(out);
    buf_put(out, c->note.data, c->note.size);
    for (size_t i = 0; i < c->config.policy->witness_count && lines < NOTE_SIGNATURES_MAX; i++) {
        if (c->witnesses[i].line == NULL || out->size + strlen(c->witnesses[i].line) > NOTE_BYTES_MAX)
            continue;
        buf_put_string(out, c->witnesses[i].line);
        lines++;
    }
}

static void signed_by(struct collector *c, size_t witness, uint64_t time_s, struct bytes line,
                      struct collector_update *u)
{
    struct one_witness *w = &c->witnesses[witness];
    w->has_signed = w->knows_size = true;
    w->size = c->head.size;
    w->time_s = time_s;
    w->last_error[0] = '\0';
    free(w->line);
    w->line = xmalloc(line.size + 1);
    memcpy(w->line, line.data, line.size);
    w->line[line.size] = '\0';
    c->signed_count++;

    bool *flags = xcalloc(c->config.policy->witness_count + 1, sizeof *flags);
    for (size_t i = 0; i < c->config.policy->witness_count; i++)
        flags[i] = c->witnesses[i].has_signed;
    c->satisfied = policy_is_satisfied(c->config.policy, flags);
    free(flags);
    struct collector_action *a = act(u, COLLECTOR_ACTION_COSIGNED, witness);
    struct buf note = {0};
    compose(c, &note);
    a->note = arena_bytes(u->arena, buf_bytes(&note));
    a->size = c->head.size;
    a->cosigned = c->signed_count;
    a->satisfied = c->satisfied;
    if (c->satisfied) {
        buf_reset(&c->final_note);
        buf_put(&c->final_note, note.data, note.size);
        c->final_size = c->head.size;
    }
    buf_close(&note);
}

/* Of the lines a witness gave, the one that is really its own signature over this head. */
static void take_lines(struct collector *c, size_t witness, struct bytes lines, struct collector_update *u)
{
    const struct note_verifier *key = &c->config.policy->witnesses[witness].key;
    const struct note_verifier *known[] = {key};
    struct note note;
    struct buf whole = {0};
    struct err e = {0};
    buf_put(&whole, c->note.data, c->note.size);
    buf_put(&whole, lines.data, lines.size);
    int rc = lines.size == 0 ? err_set(&e, ERR_VERIFY, "witness.no-line", "an empty answer")
                             : note_open(buf_bytes(&whole), known, 1, &note, &e);
    if (rc == 0) {
        struct bytes line = note.verified[0].line;
        signed_by(c, witness, note.verified[0].time_s, line, u);
    } else {
        failed(c, &c->witnesses[witness], e.message);
        alarm_about(u, witness, "witness.bad-answer", "its cosignature does not verify: %s", e.message);
    }
    buf_close(&whole);
}

static void take_conflict(struct collector *c, size_t i, struct bytes body, struct collector_update *u)
{
    struct one_witness *w = &c->witnesses[i];
    uint64_t size = 0;
    struct checkpoint own;
    struct bytes note;
    if (body.size < 2 || body.data[body.size - 1] != '\n' ||
        decimal_parse(bytes_of(body.data, body.size - 1), &size) != 0 || size > MERKLE_SIZE_MAX) {
        failed(c, w, "it refuses our size and does not say which one it has");
        return;
    }
    w->size = size;
    w->knows_size = true;
    c->host.head(c->host.ctx, &own, &note);
    if (size > own.size) {
        act(u, COLLECTOR_ACTION_BEHIND, i)->size = size;
        failed(c, w, "it has cosigned more of this ledger than there is");
    } else if (size > c->head.size) {
        failed(c, w,
               "it has cosigned a newer checkpoint"); /* of a round before this one: the next round goes on from it */
    } else if (w->told_size) {
        failed(c, w, "it changes its mind about the size it cosigned");
    } else {
        w->told_size = true;
        ask(c, i, u);
    }
}

static void take_answer(struct collector *c, const struct collector_event *event, struct collector_update *u)
{
    struct one_witness *w = &c->witnesses[event->witness];
    char text[128];
    if (w->token == 0 || w->token != event->token)
        return; /* of an earlier round */
    w->token = 0;
    if (event->status == WITNESS_OK) {
        take_lines(c, event->witness, event->body, u);
    } else if (event->status == WITNESS_CONFLICT) {
        take_conflict(c, event->witness, event->body, u);
    } else {
        (void)snprintf(text, sizeof text, "status %u: %.*s", event->status, (int)min_of(event->body.size, (size_t)80),
                       event->body.size > 0 ? (const char *)event->body.data : "");
        text[strcspn(text, "\r\n")] = '\0';
        failed(c, w, text);
        if (event->status == WITNESS_UNPROVEN || event->status == WITNESS_FORBIDDEN)
            alarm_about(u, event->witness, "witness.refused", "it refuses to cosign this ledger: %s", text);
    }
}

void collector_step(struct collector *c, const struct collector_event *event, struct collector_update *u)
{
    u->actions = NULL;
    u->count = u->capacity = 0;
    c->now_ms = max_of(c->now_ms, event->now_ms);
    xassert(event->type == COLLECTOR_EVENT_TIME || event->type == COLLECTOR_EVENT_HEAD ||
            event->witness < c->config.policy->witness_count);
    switch (event->type) {
    case COLLECTOR_EVENT_HEAD:
        c->is_wanted = true;
        c->is_urgent = c->is_urgent || event->urgent;
        break;
    case COLLECTOR_EVENT_UP:
        c->witnesses[event->witness].up = true;
        c->witnesses[event->witness].retry_ms = 0;
        break;
    case COLLECTOR_EVENT_DOWN:
        c->witnesses[event->witness].up = false;
        c->witnesses[event->witness].token = 0;
        break;
    case COLLECTOR_EVENT_ANSWER:
        take_answer(c, event, u);
        break;
    case COLLECTOR_EVENT_FAILED:
        if (c->witnesses[event->witness].token == event->token && event->token != 0) {
            c->witnesses[event->witness].token = 0;
            failed(c, &c->witnesses[event->witness], "no answer");
        }
        break;
    case COLLECTOR_EVENT_TIME:
        break;
    }
    time_passed(c, u);
}

uint64_t collector_timeout(const struct collector *c)
{
    if (c->config.policy->witness_count == 0)
        return UINT64_MAX;
    uint64_t at = next_round_ms(c);
    for (size_t i = 0; c->in_round && i < c->config.policy->witness_count; i++) {
        const struct one_witness *w = &c->witnesses[i];
        if (w->up && w->token == 0 && !w->has_signed)
            at = min_of(at, w->retry_ms);
    }
    return at;
}

void collector_witness_info(const struct collector *c, size_t witness, struct collector_witness_info *ret)
{
    const struct one_witness *w = &c->witnesses[witness];
    *ret = (struct collector_witness_info){
        .up = w->up, .asked = w->token != 0, .size = w->knows_size ? w->size : 0, .time_s = w->time_s};
    memcpy(ret->last_error, w->last_error, sizeof ret->last_error);
}

struct bytes collector_note(const struct collector *c, uint64_t *ret_size)
{
    *ret_size = c->final_size;
    return buf_bytes(&c->final_note);
}

void collector_restore(struct collector *c, struct bytes note)
{
    struct checkpoint_opened opened;
    bool satisfied = false;
    if (note.size == 0 || policy_open(c->config.policy, note, &opened, NULL, &satisfied, NULL) != 0 || !satisfied ||
        opened.head.size <= c->final_size || strcmp(opened.head.origin, c->config.log->name) != 0)
        return;
    buf_reset(&c->final_note);
    buf_put(&c->final_note, note.data, note.size);
    c->final_size = opened.head.size;
}
