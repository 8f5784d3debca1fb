/* What a machine gives a node: a loop with timers, clocks, chance, a log, signatures, a writer thread. Put before the daemon's own
 * by the linker (--wrap) or instead of it (loop.h, ledger_writer.h).
 *
 * Signatures are not Ed25519 but a hash over public key and message, which nobody but this file can tell apart: a forged one
 * fails all the same, since no simulated attacker makes any but with its own key. SHA-256 is the real one. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "certs/crypto.h"
#include "node/base/clock.h"
#include "node/base/log.h"
#include "node/ledger_writer.h"
#include "tests/sim/sim.h"

/* ---- loop ---- */

#define TURN_MAX 256

struct loop {
    struct sim_node *node;
    struct list inbox;
    struct list timers;
    bool turn_posted;
    uint64_t timer_number;
};

struct loop_timer {
    struct list link;
    struct loop *loop;
    uint64_t number;
    uint64_t due_ms;    /* UINT64_MAX: not set */
    uint64_t posted_ms; /* the earliest event in the queue for it; UINT64_MAX: none */
    void (*cb)(void *ctx);
    void *ctx;
};

struct loop *sim_loop_create(struct sim_node *n)
{
    struct loop *l = xcalloc(1, sizeof *l);
    l->node = n;
    list_init(&l->inbox);
    list_init(&l->timers);
    return l;
}

void loop_post(struct loop *l, struct loop_item *item)
{
    list_append(&l->inbox, &item->link);
    if (!l->turn_posted)
        sim_post(SIM_TURN, 0, l->node->slot, NULL, 0);
    l->turn_posted = true;
}

void sim_loop_turn(struct sim_node *n)
{
    struct loop *l = n->loop;
    struct list taken, *at;
    list_init(&taken);
    l->turn_posted = false;
    for (int i = 0; i < TURN_MAX && (at = list_pop_first(&l->inbox)) != NULL; i++)
        list_append(&taken, at);
    if (!list_is_empty(&l->inbox)) {
        l->turn_posted = true;
        sim_post(SIM_TURN, 0, n->slot, NULL, 0);
    }
    while (!n->crash_now && (at = list_pop_first(&taken)) != NULL) {
        struct loop_item *item = container_of(at, struct loop_item, link);
        item->run(item);
    }
}

void loop_stop(struct loop *l)
{
    (void)l; /* nobody waits inside loop_run() here */
}

void loop_work(struct loop *l, void (*work)(void *ctx), void (*done)(void *ctx), void *ctx)
{
    (void)l;
    work(ctx);
    done(ctx);
}

struct uv_loop_s *loop_uv(struct loop *l)
{
    (void)l;
    unreachable(); /* what needs a real loop (sockets, processes) is not simulated */
}

struct loop_timer *loop_timer_create(struct loop *l, void (*cb)(void *ctx), void *ctx)
{
    struct loop_timer *t = xcalloc(1, sizeof *t);
    list_init(&t->link);
    t->loop = l;
    t->number = ++l->timer_number;
    t->due_ms = t->posted_ms = UINT64_MAX;
    t->cb = cb;
    t->ctx = ctx;
    list_append(&l->timers, &t->link);
    return t;
}

static void timer_post(struct loop_timer *t)
{
    if (t->posted_ms <= t->due_ms)
        return; /* that one comes first and posts again */
    t->posted_ms = t->due_ms;
    sim_post(SIM_TIMER, t->due_ms - min_of(t->due_ms, the_sim.now_ms), t->loop->node->slot, NULL, t->number);
}

void loop_timer_set(struct loop_timer *t, uint64_t delay_ms)
{
    t->due_ms = the_sim.now_ms + min_of(delay_ms, (uint64_t)1 << 40);
    timer_post(t);
}

void loop_timer_cancel(struct loop_timer *t)
{
    t->due_ms = UINT64_MAX;
}

void loop_timer_destroy(struct loop_timer *t)
{
    if (t == NULL)
        return;
    list_remove(&t->link);
    free(t);
}

void sim_loop_timer(struct sim_node *n, const struct sim_event *event)
{
    list_for_each (at, &n->loop->timers) {
        struct loop_timer *t = container_of(at, struct loop_timer, link);
        if (t->number != event->value)
            continue;
        if (t->posted_ms != event->at_ms)
            return; /* of an earlier setting */
        t->posted_ms = UINT64_MAX;
        if (t->due_ms == UINT64_MAX)
            return;
        if (t->due_ms > the_sim.now_ms) {
            timer_post(t);
            return;
        }
        t->due_ms = UINT64_MAX;
        t->cb(t->ctx);
        return;
    }
}

/* ---- writer ---- */

struct ledger_writer {
    struct sim_node *node;
    struct store *store;
    struct loop *loop;
    struct ledger_writer_job *job;
};

struct ledger_writer *ledger_writer_start(struct store *store, struct loop *loop)
{
    struct ledger_writer *w = xcalloc(1, sizeof *w);
    *w = (struct ledger_writer){.node = loop->node, .store = store, .loop = loop};
    loop->node->writer = w;
    return w;
}

void ledger_writer_submit(struct ledger_writer *w, struct ledger_writer_job *job)
{
    xassert(w->job == NULL);
    w->job = job;
    sim_post(SIM_JOB, 1 + sim_below(w->node->job_ms_max), w->node->slot, w, 0);
}

void ledger_writer_stop(struct ledger_writer *w)
{
    if (w == NULL)
        return;
    xassert(w->job == NULL);
    w->node->writer = NULL;
    store_close(w->store);
    free(w);
}

void sim_writer_job(struct sim_node *n, void *writer)
{
    struct ledger_writer *w = writer;
    struct ledger_writer_job *job = w->job;
    w->job = NULL;
    ledger_writer_run(w->store, job);
    if (!n->crash_now)
        loop_post(w->loop, &job->done);
    if (!n->crash_now && store_head_is_unsynced(w->store))
        sim_post(SIM_SYNC, LEDGER_HEAD_LAG_MS, n->slot, w, 0);
}

void sim_writer_sync(struct sim_node *n, void *writer)
{
    const struct ledger_writer *w = writer;
    if (w == n->writer) /* it may have been stopped meanwhile */
        (void)store_head_sync(w->store, NULL);
}

/* ---- clocks, chance, space ---- */

uint64_t __wrap_clock_wall_ms(void);
uint64_t __wrap_clock_mono_ms(void);
uint64_t __wrap_clock_mono_us(void);
void __wrap_crypto_random(void *out, size_t size);
int __wrap_statvfs(const char *path, struct statvfs *ret);
void __wrap_log_line(enum log_level level, const char *module, const char *subject, const char *id, const char *fmt,
                     ...) PRINTF_LIKE(5, 6);

uint64_t __wrap_clock_wall_ms(void)
{
    int64_t skew = the_sim.current == NULL ? 0 : the_sim.current->skew_ms;
    return (uint64_t)((int64_t)(the_sim.wall_ms + the_sim.now_ms) + skew);
}

uint64_t __wrap_clock_mono_ms(void)
{
    return 1000 + the_sim.now_ms - (the_sim.current == NULL ? 0 : the_sim.current->boot_ms);
}

uint64_t __wrap_clock_mono_us(void)
{
    return __wrap_clock_mono_ms() * 1000;
}

void __wrap_crypto_random(void *out, size_t size)
{
    prng_fill(the_sim.current == NULL ? &the_sim.prng : &the_sim.current->chance, out, size);
}

int __wrap_statvfs(const char *path, struct statvfs *ret)
{
    (void)path;
    memset(ret, 0, sizeof *ret);
    ret->f_frsize = 4096;
    ret->f_bavail = the_sim.current != NULL && the_sim.current->full ? 0 : 1u << 20;
    return 0;
}

void __wrap_log_line(enum log_level level, const char *module, const char *subject, const char *id, const char *fmt,
                     ...)
{
    char text[400] = "";
    if (the_sim.trace || the_sim.keeps_trace) {
        va_list args;
        va_start(args, fmt);
        (void)vsnprintf(text, sizeof text, fmt, args);
        va_end(args);
    }
    if (level <= LOG_LEVEL_INFO)
        sim_trace("%s: %s[%s] %s %s", sim_name(the_sim.current), module, subject == NULL ? "" : subject, id, text);
    if (level <= LOG_LEVEL_WARN)
        world_alarm(the_sim.current, (int)level, subject, id, text);
}

/* ---- signatures ---- */

struct crypto_signer {
    uint32_t code;
    bool is_witness;
    uint8_t public_key[CRYPTO_ED25519_KEY_SIZE];
};

/* crypto.h has these as functions over an opaque struct, which is this one here. */
void __wrap_crypto_sign(const struct crypto_signer *s, struct bytes message, uint8_t out[CRYPTO_ED25519_SIG_SIZE]);
bool __wrap_crypto_verify(const uint8_t public_key[CRYPTO_ED25519_KEY_SIZE], struct bytes message,
                          const uint8_t sig[CRYPTO_ED25519_SIG_SIZE]);
void __wrap_crypto_signer_public(const struct crypto_signer *s, uint8_t out[CRYPTO_ED25519_KEY_SIZE]);

struct crypto_signer *sim_signer_create(uint32_t code, bool is_witness)
{
    struct crypto_signer *s = sim_alloc(sizeof *s);
    uint8_t seed[8];
    s->code = code;
    s->is_witness = is_witness;
    put_be32(seed, code);
    put_be32(seed + 4, is_witness);
    crypto_sha256_one(seed, sizeof seed, s->public_key);
    return s;
}

void __wrap_crypto_signer_public(const struct crypto_signer *s, uint8_t out[CRYPTO_ED25519_KEY_SIZE])
{
    memcpy(out, s->public_key, CRYPTO_ED25519_KEY_SIZE);
}

static void fake_signature(const uint8_t *public_key, struct bytes message, uint8_t *out)
{
    struct bytes parts[] = {bytes_of(public_key, CRYPTO_ED25519_KEY_SIZE), message};
    crypto_sha256(parts, array_count(parts), out);
    memcpy(out + 32, public_key, 32);
}

void __wrap_crypto_sign(const struct crypto_signer *s, struct bytes message, uint8_t out[CRYPTO_ED25519_SIG_SIZE])
{
    fake_signature(s->public_key, message, out);
    check_signed(s->code, s->is_witness, message);
}

bool __wrap_crypto_verify(const uint8_t public_key[CRYPTO_ED25519_KEY_SIZE], struct bytes message,
                          const uint8_t sig[CRYPTO_ED25519_SIG_SIZE])
{
    uint8_t want[CRYPTO_ED25519_SIG_SIZE];
    fake_signature(public_key, message, want);
    return memcmp(want, sig, sizeof want) == 0;
}

/* ---- sealing to a participant: nobody here looks inside ---- */

int __wrap_crypto_hpke_seal(const uint8_t receiver[CRYPTO_X25519_KEY_SIZE], struct bytes info, struct bytes aad,
                            struct bytes plain, struct buf *out, struct err *e);
int __wrap_crypto_hpke_open(const struct crypto_hpke_key *k, struct bytes info, struct bytes aad, struct bytes sealed,
                            struct buf *out, struct err *e);

static void hpke_tag(const uint8_t *receiver, struct bytes info, struct bytes aad, struct bytes plain, uint8_t *out)
{
    struct bytes parts[] = {bytes_of(receiver, CRYPTO_X25519_KEY_SIZE), info, aad, plain};
    crypto_sha256(parts, array_count(parts), out);
}

/* A receiver's public key is its code; its private key is not looked at (the node that opens is the_sim.current). */
int __wrap_crypto_hpke_seal(const uint8_t receiver[CRYPTO_X25519_KEY_SIZE], struct bytes info, struct bytes aad,
                            struct bytes plain, struct buf *out, struct err *e)
{
    uint8_t enc[CRYPTO_HPKE_ENC_SIZE] = {0}, tag[32];
    (void)e;
    hpke_tag(receiver, info, aad, plain, tag);
    buf_put(out, enc, sizeof enc);
    buf_put(out, plain.data, plain.size);
    buf_put(out, tag, CRYPTO_TAG_SIZE);
    return 0;
}

int __wrap_crypto_hpke_open(const struct crypto_hpke_key *k, struct bytes info, struct bytes aad, struct bytes sealed,
                            struct buf *out, struct err *e)
{
    uint8_t receiver[CRYPTO_X25519_KEY_SIZE] = {0}, tag[32];
    (void)k;
    if (sealed.size < CRYPTO_HPKE_OVERHEAD)
        return err_set(e, ERR_VERIFY, "crypto.hpke-open", "too short");
    struct bytes plain = bytes_of(sealed.data + CRYPTO_HPKE_ENC_SIZE, sealed.size - CRYPTO_HPKE_OVERHEAD);
    put_be32(receiver, the_sim.current->code);
    hpke_tag(receiver, info, aad, plain, tag);
    if (memcmp(tag, sealed.data + sealed.size - CRYPTO_TAG_SIZE, CRYPTO_TAG_SIZE) != 0)
        return err_set(e, ERR_VERIFY, "crypto.hpke-open", "it does not open");
    buf_put(out, plain.data, plain.size);
    return 0;
}

/* ---- faults put in on purpose ---- */

bool mutant_is_on(enum mutant mutant)
{
    uint64_t set = the_sim.mutants | (the_sim.current == NULL ? 0 : the_sim.current->mutants);
    return (set >> mutant & 1) != 0;
}
