/* Collector (see collector.h).
 *
 * Happy path: HEAD -> round begins -> ASK to each witness that is up, from the size it cosigned last -> ANSWER 200 with a cosignature
 * that verifies -> line kept -> quorum -> COSIGNED. Failure modes: 409 -> once more from the size it names (or BEHIND); any other answer, a
 * signature that does not verify, no answer -> noted, asked again with the next round or after retry_ms.
 *
 * A round keeps the head it began with; lines for another head would not verify and are not taken. One request is under way
 * to a witness at a time: if it outlives its round, the answer only tells what the witness has, and the current head
 * follows. A round that may still reach its quorum is not cut short by the next one, or a federation whose answers take
 * longer than round_min_ms would never have a quorum while its ledger grows. A round for the same head again keeps the
 * lines there are until fresher ones come.
 */
#include "federation/witness/collector.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/utf8.h"
#include "node/base/xassert.h"

#define DEFAULT(field, value) ((field) == 0 ? (value) : (field))

struct one_witness {
    bool up;
    bool knows_size; /* `size` is what it said or cosigned */
    uint64_t size;   /* last one it cosigned of this log */
    uint64_t time_s;
    uint64_t token;      /* of the request in flight; 0 = none */
    uint64_t round;      /* that the request in flight is of */
    uint64_t asked_size; /* of the head in that request */
    uint64_t asked_ms;
    uint64_t retry_ms; /* not before; UINT64_MAX: not in this round */
    bool has_signed;   /* in this round */
    bool told_size;    /* it has corrected us in this round: not a second time */
    char *line;        /* its freshest cosignature of the round's head, with the newline */
    uint64_t line_s;   /* the time in it */
    const char *alarm; /* raised and nothing good since: not raised again */
    char last_error[128];
};

struct collector {
    struct collector_config config;
    struct collector_host host;
    struct one_witness *witnesses;
    uint64_t next_token, now_ms;

    uint64_t round; /* number; 0 = none has begun. One that has begun stays until the next */
    struct checkpoint head;
    struct buf note;   /* of the round's head, as the host gave it */
    size_t text_size;  /* of its text */
    size_t note_lines; /* signature lines it came with */
    uint64_t began_ms;
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

/* Once until the witness does well again or something else is wrong with it. @id: a literal. */
static void alarm_about(struct collector *c, struct collector_update *u, size_t witness, const char *id,
                        const char *fmt, ...) PRINTF_LIKE(5, 6);
static void alarm_about(struct collector *c, struct collector_update *u, size_t witness, const char *id,
                        const char *fmt, ...)
{
    struct one_witness *w = &c->witnesses[witness];
    if (w->alarm != NULL && strcmp(w->alarm, id) == 0)
        return;
    w->alarm = id;
    struct collector_action *a = act(u, COLLECTOR_ACTION_ALARM, witness);
    va_list args;
    (void)snprintf(a->alarm_id, sizeof a->alarm_id, "%s", id);
    va_start(args, fmt);
    (void)vsnprintf(a->text, sizeof a->text, fmt, args);
    va_end(args);
    utf8_trim_partial(a->text);
}

static void failed(struct collector *c, struct one_witness *w, const char *why)
{
    w->retry_ms = c->now_ms + c->config.retry_ms;
    (void)snprintf(w->last_error, sizeof w->last_error, "%s", why);
    utf8_trim_partial(w->last_error);
}

/* Asking again would bring the same answer: not before the next round. */
static void failed_for_now(struct collector *c, struct one_witness *w, const char *why)
{
    failed(c, w, why);
    w->retry_ms = UINT64_MAX;
}

/* ---- the note ---- */

/* Which lines go into the note: all of them or, of more than a note may have, so many that they are a quorum if all are.
 * Returns whether they are. */
static bool choose_lines(const struct collector *c, bool *chosen)
{
    const struct policy *p = c->config.policy;
    size_t count = c->note_lines;
    for (size_t i = 0; i < p->witness_count; i++) {
        chosen[i] = c->witnesses[i].line != NULL;
        count += chosen[i];
    }
    bool is_quorum = policy_is_satisfied(p, chosen);
    for (size_t i = p->witness_count; is_quorum && count > NOTE_SIGNATURES_MAX && i-- > 0;) {
        if (!chosen[i])
            continue;
        chosen[i] = false;
        if (policy_is_satisfied(p, chosen))
            count--;
        else
            chosen[i] = true;
    }
    for (size_t i = p->witness_count; count > NOTE_SIGNATURES_MAX && i-- > 0;) { /* no quorum fits into a note */
        count -= chosen[i];
        chosen[i] = false;
        is_quorum = false;
    }
    return is_quorum;
}

/* The checkpoint with what there is of cosignatures, after the line of @witness has come (witness_count: without any). */
static void publish(struct collector *c, size_t witness, struct collector_update *u)
{
    size_t count = c->config.policy->witness_count, lines = 0;
    bool *chosen = xcalloc(count + 1, sizeof *chosen);
    chosen[count] = true;
    c->satisfied = choose_lines(c, chosen);
    if (chosen[witness]) { /* else the note is full */
        struct buf note = {0};
        buf_put(&note, c->note.data, c->note.size);
        for (size_t i = 0; i < count; i++) {
            if (chosen[i])
                buf_put_string(&note, c->witnesses[i].line);
            lines += chosen[i];
        }
        struct collector_action *a = act(u, COLLECTOR_ACTION_COSIGNED, witness == count ? 0 : witness);
        a->note = arena_bytes(u->arena, buf_bytes(&note));
        a->size = c->head.size;
        a->cosigned = lines;
        a->satisfied = c->satisfied;
        if (c->satisfied) {
            buf_reset(&c->final_note);
            buf_put(&c->final_note, note.data, note.size);
            c->final_size = c->head.size;
        }
        buf_close(&note);
    }
    free(chosen);
}

/* ---- asking ---- */

static void ask(struct collector *c, size_t i, struct collector_update *u)
{
    struct one_witness *w = &c->witnesses[i];
    struct merkle_proof proof = {0};
    struct err e = {0};
    /* A size that is not known, or that this head does not reach, is asked for with 0: it says which one. */
    uint64_t old = w->knows_size && w->size <= c->head.size ? w->size : 0;
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
    w->round = c->round;
    w->asked_size = c->head.size;
    w->asked_ms = c->now_ms;
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

/* Takes the newest head for the round; false when there is none that is worth a witness. */
static bool take_head(struct collector *c)
{
    struct checkpoint head;
    struct bytes note, text;
    size_t lines;
    c->host.head(c->host.ctx, &head, &note);
    if (head.size == 0 || note_peek(note, &text, &lines, NULL) != 0)
        return false;
    bool is_same = c->round > 0 && bytes_equal(note, buf_bytes(&c->note));
    c->head = head;
    c->text_size = text.size;
    c->note_lines = lines;
    if (!is_same) {
        buf_reset(&c->note);
        buf_put(&c->note, note.data, note.size);
    }
    for (size_t i = 0; !is_same && i < c->config.policy->witness_count; i++) {
        free(c->witnesses[i].line);
        c->witnesses[i].line = NULL;
    }
    c->satisfied = c->satisfied && is_same;
    return true;
}

static void begin_round(struct collector *c, struct collector_update *u)
{
    c->is_wanted = c->is_urgent = false; /* without a head: until the next one is announced */
    c->began_ms = c->now_ms;
    if (!take_head(c))
        return;
    c->round++;
    for (size_t i = 0; i < c->config.policy->witness_count; i++) {
        struct one_witness *w = &c->witnesses[i];
        w->has_signed = w->told_size = false;
        w->retry_ms = 0;
    }
    if (!c->config.policy->has_quorum && !c->satisfied)
        publish(c, c->config.policy->witness_count, u); /* the own word is enough; cosignatures may come to it */
    ask_all(c, u);
}

/* Whether an answer may still come that belongs to this round. */
static bool is_waiting(const struct collector *c)
{
    for (size_t i = 0; i < c->config.policy->witness_count; i++)
        if (c->witnesses[i].token != 0 && c->witnesses[i].round == c->round)
            return true;
    return false;
}

static uint64_t next_round_ms(const struct collector *c)
{
    if (c->round == 0)
        return c->is_wanted ? 0 : UINT64_MAX;
    uint64_t pause = c->is_urgent ? c->config.round_min_ms : c->is_wanted ? c->config.round_ms : c->config.refresh_ms;
    if (!c->satisfied && pause < c->config.ask_ms && is_waiting(c))
        pause = c->config.ask_ms;
    return c->began_ms + pause;
}

/* When a request counts as lost although nobody said so. */
static uint64_t lost_ms(const struct collector *c, const struct one_witness *w)
{
    return w->asked_ms + 2 * (uint64_t)c->config.ask_ms;
}

static void time_passed(struct collector *c, struct collector_update *u)
{
    for (size_t i = 0; i < c->config.policy->witness_count; i++) {
        struct one_witness *w = &c->witnesses[i];
        if (w->token == 0 || c->now_ms < lost_ms(c, w))
            continue;
        w->token = 0;
        failed(c, w, "no answer");
    }
    if (c->now_ms >= next_round_ms(c))
        begin_round(c, u);
    else if (c->round > 0)
        ask_all(c, u);
}

/* ---- answers ---- */

static void signed_by(struct collector *c, size_t witness, const struct note_signature *signature,
                      struct collector_update *u)
{
    struct one_witness *w = &c->witnesses[witness];
    w->has_signed = w->knows_size = true;
    w->size = c->head.size;
    w->alarm = NULL;
    w->last_error[0] = '\0';
    if (signature->time_s < w->time_s) /* worth a look, but it has seen the head */
        (void)snprintf(w->last_error, sizeof w->last_error, "its clock went back from %" PRIu64 " to %" PRIu64,
                       w->time_s, signature->time_s);
    w->time_s = signature->time_s;
    if (w->line != NULL && signature->time_s <= w->line_s)
        return; /* of the same head, and staler than what there is */
    free(w->line);
    w->line = xmalloc(signature->line.size + 1);
    memcpy(w->line, signature->line.data, signature->line.size);
    w->line[signature->line.size] = '\0';
    w->line_s = signature->time_s;
    publish(c, witness, u);
}

/* Of the lines a witness gave, the one that is really its own signature over this head. Another witness's does not count,
 * nor does one over a longer text that the answer pretends this checkpoint to be the beginning of. */
static void take_lines(struct collector *c, size_t witness, struct bytes lines, struct collector_update *u)
{
    const struct note_verifier *known[] = {&c->config.policy->witnesses[witness].key};
    struct note note;
    struct buf whole = {0};
    struct err e = {0};
    int rc = 0;
    buf_put(&whole, c->note.data, c->note.size);
    buf_put(&whole, lines.data, min_of(lines.size, (size_t)NOTE_BYTES_MAX)); /* more is refused as too large */
    if (lines.size == 0)
        rc = err_set(&e, ERR_VERIFY, "witness.no-line", "an empty answer");
    else
        rc = note_open(buf_bytes(&whole), known, 1, &note, &e);
    if (rc == 0 && note.text.size != c->text_size)
        rc = err_set(&e, ERR_VERIFY, "witness.no-line", "an answer that is not signature lines");
    if (rc == 0) {
        signed_by(c, witness, &note.verified[0], u);
    } else {
        failed(c, &c->witnesses[witness], e.message);
        alarm_about(c, u, witness, "witness.bad-answer", "its cosignature does not verify: %s (%s)", e.message, e.id);
    }
    buf_close(&whole);
}

static void take_conflict(struct collector *c, size_t i, struct bytes body, bool is_late, struct collector_update *u)
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
        failed_for_now(c, w, "it has cosigned more of this ledger than there is");
    } else if (is_late) {
        return; /* the question is over: the current one follows, from this size */
    } else if (size > c->head.size) {
        failed_for_now(c, w, "it has cosigned a newer checkpoint");
        c->is_wanted = true; /* the next round goes on from there */
    } else if (w->told_size) {
        failed_for_now(c, w, "it changes its mind about the size it cosigned");
    } else {
        w->told_size = true;
        ask(c, i, u);
    }
}

static void take_refusal(struct collector *c, const struct collector_event *event, struct collector_update *u)
{
    char text[128];
    (void)snprintf(text, sizeof text, "status %u: %.*s", event->status, (int)min_of(event->body.size, (size_t)80),
                   event->body.size > 0 ? (const char *)event->body.data : "");
    text[strcspn(text, "\r\n")] = '\0';
    if (!utf8_is_valid(text, strlen(text))) /* cut, or never was */
        (void)snprintf(text, sizeof text, "status %u", event->status);
    failed(c, &c->witnesses[event->witness], text);
    if (event->status == WITNESS_UNPROVEN || event->status == WITNESS_FORBIDDEN)
        alarm_about(c, u, event->witness, "witness.refused", "it refuses to cosign this ledger: %s", text);
}

static void take_answer(struct collector *c, const struct collector_event *event, struct collector_update *u)
{
    struct one_witness *w = &c->witnesses[event->witness];
    if (w->token == 0 || w->token != event->token)
        return; /* given up, or of a connection before this one */
    bool is_late = w->round != c->round;
    w->token = 0;
    if (event->status == WITNESS_OK && is_late) {
        w->size = w->asked_size; /* not verified: if it is wrong, the next answer says so */
        w->knows_size = true;
    } else if (event->status == WITNESS_OK) {
        take_lines(c, event->witness, event->body, u);
    } else if (event->status == WITNESS_CONFLICT) {
        take_conflict(c, event->witness, event->body, is_late, u);
    } else {
        take_refusal(c, event, u);
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
    if (c->config.policy->witness_count == 0 && !c->is_wanted)
        return UINT64_MAX; /* nobody to refresh */
    uint64_t at = next_round_ms(c);
    for (size_t i = 0; c->round > 0 && i < c->config.policy->witness_count; i++) {
        const struct one_witness *w = &c->witnesses[i];
        if (w->token != 0)
            at = min_of(at, lost_ms(c, w));
        else if (w->up && !w->has_signed)
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
        opened.head.size <= c->final_size || strcmp(opened.head.origin, c->config.log->name) != 0 ||
        checkpoint_open(note, c->config.log, NULL, 0, &opened, NULL) != 0) /* the origin's key of today */
        return;
    buf_reset(&c->final_note);
    buf_put(&c->final_note, note.data, note.size);
    c->final_size = opened.head.size;
}
