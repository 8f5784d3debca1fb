/* Asking for files (see fetches.h).
 *
 *   WAITING ─ link up, place free ─► SCANNING (a part is there) ─► PULLING ─ all there ─► FINISHING ─► TELLING ─ told ─► gone
 *      ▲                        └──► HEAD ─ answer ─► MAKING ─────────┘                                  │
 *      └───────── link down, no answer, refusal, wrong bytes: after a growing pause ◄─────────────────────┘
 *
 * Each fetch has at most one job of its state on a worker, and while PULLING one per chunk that came. A fetch whose file is not
 * wanted any more (`is_over`) goes when its last job and request have ended.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/base/clock.h"
#include "node/base/log.h"
#include "node/base/xassert.h"
#include "node/fetches_internal.h"

#define HEAD_MS 20000u
#define CHUNK_MS 60000u /* 1 MiB in a minute is 140 kbit/s: below that a line is as good as none */
#define PAUSE_MS_MIN 500u
#define PAUSE_MS_MAX 60000u
#define PAUSE_MS_WRONG 30000u
#define TICK_MS 500u
#define DIAL_MS 10000u
#define SLOW_ALARM 3u /* requests without an answer, one after the other */

enum fetch_state {
    FETCH_WAITING,
    FETCH_SCANNING,
    FETCH_HEAD,
    FETCH_MAKING,
    FETCH_PULLING,
    FETCH_FINISHING,
    FETCH_TELLING
};

struct fetch {
    struct list link;
    struct fetches *owner;
    uint8_t file[FILE_ID_SIZE];
    uint32_t origin;                    /* whom it is asked of */
    uint32_t sources[FILE_SOURCES_MAX]; /* of a lost one: @origin is one of them */
    unsigned source_count;              /* 0: not a lost one */
    unsigned failures;                  /* of a lost one */
    uint64_t dialled_ms;                /* of a lost one: since when @origin cannot be reached; 0 = it can */
    enum fetch_state state;
    bool is_here;      /* finished: only to be told */
    bool is_over;      /* not wanted any more */
    bool keeps_part;   /* it will be asked for again: what has come of it stays */
    bool is_doubted;   /* wrong bytes came: the peer is to look at its own first */
    uint64_t due_ms;   /* WAITING: not before; monotonic */
    uint32_t pause_ms; /* the last one */
    unsigned silent;   /* requests without an answer in a row */
    unsigned open;     /* requests and jobs under way */
    unsigned asked;    /* requests among them */
    struct file_blob *blob;
    uint8_t *held; /* per chunk: 0 missing, 1 asked for, 2 there */
    uint32_t held_count, next;
};

struct fetch_peer {
    bool up;
    unsigned active; /* fetches beyond WAITING, but for TELLING */
};

enum chunk_state { CHUNK_MISSING, CHUNK_ASKED, CHUNK_HELD };

/* A request and what becomes of its answer. */
struct job {
    struct fetch *fetch;
    enum fetch_state kind;
    uint32_t chunk;
    bool is_asked;            /* a request that waits for its answer */
    uint64_t late_ms;         /* an answer after that would have been too late */
    struct link_event answer; /* undecoded; its data is the job's */
    struct err error;
    bool is_peers_fault;
    struct file_blob *blob; /* SCANNING, MAKING: the part, for the fetch */
    uint8_t *held;
    uint32_t held_count;
};

static void run(struct fetch *x);
static void run_all(struct fetches *f);
static void arm(struct fetches *f);

/* ---- small things ---- */

static struct fetch_peer *peer_of(struct fetches *f, uint32_t code)
{
    struct fetch_peer *p = map_get(&f->peers, &code, sizeof code);
    if (p == NULL) {
        p = xcalloc(1, sizeof *p);
        (void)map_put(&f->peers, &code, sizeof code, p);
    }
    return p;
}

static struct fetch *find(const struct fetches *f, const uint8_t file[FILE_ID_SIZE])
{
    list_for_each (at, &f->list) {
        struct fetch *x = container_of(at, struct fetch, link);
        if (memcmp(x->file, file, FILE_ID_SIZE) == 0 && !x->is_over)
            return x;
    }
    return NULL;
}

void fetches_part_path(const char *dir, const uint8_t file[FILE_ID_SIZE], char out[FILE_BLOB_PATH_SIZE])
{
    char whole[FILE_BLOB_PATH_SIZE];
    file_blob_path(dir, file, whole);
    int size = snprintf(out, FILE_BLOB_PATH_SIZE, "%s.part", whole);
    xassert(size < FILE_BLOB_PATH_SIZE);
}

static bool is_lost(const struct fetch *x)
{
    return x->source_count > 0;
}

static bool is_active(enum fetch_state s)
{
    return s != FETCH_WAITING && s != FETCH_TELLING;
}

static void move(struct fetch *x, enum fetch_state to)
{
    struct fetch_peer *p = peer_of(x->owner, x->origin);
    p->active += (unsigned)is_active(to) - (unsigned)is_active(x->state);
    x->state = to;
}

static void drop_blob(struct fetch *x)
{
    file_blob_close(x->blob);
    free(x->held);
    x->blob = NULL;
    x->held = NULL;
    x->held_count = x->next = 0;
}

/* When nothing is under way for it any more. */
static void let_go(struct fetch *x)
{
    char path[FILE_BLOB_PATH_SIZE];
    xassert(x->is_over && x->open == 0);
    move(x, FETCH_WAITING);
    if (!x->is_here && !x->keeps_part) {
        fetches_part_path(x->owner->config.dir, x->file, path);
        (void)unlink(path); /* it may never have been made */
    }
    drop_blob(x);
    list_remove(&x->link);
    free(x);
}

/* Gives up what it does and comes back after @pause_ms. The blob goes when nobody works on it. */
static void rest(struct fetch *x, uint32_t pause_ms)
{
    if (x->is_over) {
        if (x->open == 0)
            let_go(x);
        return;
    }
    x->pause_ms = pause_ms;
    x->due_ms = clock_mono_ms() + pause_ms;
    x->failures += x->state != FETCH_WAITING;
    move(x, FETCH_WAITING);
    if (x->open == 0)
        drop_blob(x);
    arm(x->owner);
}

static uint32_t longer(const struct fetch *x)
{
    return min_of(max_of(2 * x->pause_ms, PAUSE_MS_MIN), PAUSE_MS_MAX);
}

/* ---- requests and jobs ---- */

static struct job *job_create(struct fetch *x, enum fetch_state kind, uint32_t chunk)
{
    struct job *j = xcalloc(1, sizeof *j);
    j->fetch = x;
    j->kind = kind;
    j->chunk = chunk;
    x->open++;
    return j;
}

/* Its answer is here, or will not come. */
static void heard(struct job *j)
{
    j->fetch->asked -= j->is_asked;
    j->is_asked = false;
}

static struct fetch *job_end(struct job *j)
{
    struct fetch *x = j->fetch;
    heard(j);
    x->open--;
    file_blob_close(j->blob); /* nobody has taken it */
    free(j->held);
    link_event_close(&j->answer);
    free(j);
    return x;
}

/* What a job has opened becomes the fetch's. */
static void take_blob(struct job *j)
{
    struct fetch *x = j->fetch;
    xassert(x->blob == NULL);
    x->blob = j->blob;
    x->held = j->held;
    x->held_count = j->held_count;
    j->blob = NULL;
    j->held = NULL;
}

/* The token of a request is the address of its job: the answer comes exactly once. */
static bool request(struct fetch *x, const struct wire_msg *m, struct job *j, uint32_t timeout_ms)
{
    struct fetches *f = x->owner;
    struct buf out = {0};
    struct err e = {0};
    int rc = f->link == NULL ? ERR_CLOSED : wire_encode(m, &out, &e); /* a job that ends while the node stops */
    timeout_ms = f->config.answer_ms != 0 ? f->config.answer_ms : timeout_ms;
    j->late_ms = clock_mono_ms() + timeout_ms - timeout_ms / 8;
    j->is_asked = true;
    x->asked++;
    if (rc == 0)
        rc = link_request(f->link, x->origin, buf_bytes(&out), (uint64_t)(uintptr_t)j, timeout_ms, &e);
    buf_close(&out);
    if (rc != 0)
        (void)job_end(j);
    return rc == 0;
}

static void submit(struct job *j, void (*work)(void *ctx), void (*done)(void *ctx))
{
    j->fetch->owner->work++;
    loop_work(j->fetch->owner->config.loop, work, done, j);
}

static struct fetch *work_ended(struct job *j)
{
    j->fetch->owner->work--;
    return job_end(j);
}

/* ---- pulling ---- */

static void tell(struct fetch *x)
{
    struct wire_msg m = {.type = WIRE_FILE_HAVE};
    m.u.file_have.all = true;
    memcpy(m.u.file_have.file, x->file, FILE_ID_SIZE);
    move(x, FETCH_TELLING);
    if (!request(x, &m, job_create(x, FETCH_TELLING, 0), HEAD_MS))
        rest(x, longer(x));
}

static void finish_work(void *ctx)
{
    struct job *j = ctx;
    struct fetch *x = j->fetch;
    int rc = file_blob_finish(x->blob, x->owner->config.dir, &j->error);
    xassert(rc == j->error.code);
}

static void finish_done(void *ctx)
{
    struct job *j = ctx;
    struct err e = j->error;
    struct fetch *x = work_ended(j);
    struct fetches *f = x->owner;
    if (e.code != 0 || x->is_over) {
        if (e.code != 0)
            log_warn("material", NULL, e.id, "a file that has arrived cannot be kept: %s; trying again", e.message);
        x->is_here = x->is_here || e.code == 0; /* whoever has no use for it removes it by its name */
        rest(x, PAUSE_MS_MAX);
        return;
    }
    x->is_here = true;
    drop_blob(x);
    if (is_lost(x)) { /* everybody believes it is here anyway */
        x->is_over = true;
        f->config.back(f->config.ctx, x->file, x->origin);
        let_go(x);
        run_all(f);
        return;
    }
    f->config.done(f->config.ctx, x->file, x->origin);
    tell(x);
}

static bool ask_chunk(struct fetch *x)
{
    struct wire_msg m = {.type = WIRE_FILE_PULL};
    while (x->next < x->blob->count && x->held[x->next] != CHUNK_MISSING)
        x->next++;
    if (x->next == x->blob->count)
        return false;
    m.u.file_pull = (struct wire_file_pull){.chunk = x->next, .held = x->held_count, .check = x->is_doubted};
    memcpy(m.u.file_pull.file, x->file, FILE_ID_SIZE);
    x->held[x->next] = CHUNK_ASKED;
    if (request(x, &m, job_create(x, FETCH_PULLING, x->next), CHUNK_MS))
        return true;
    x->held[x->next] = CHUNK_MISSING;
    return false;
}

static void pull(struct fetch *x)
{
    if (x->held_count == x->blob->count) {
        if (x->open == 0) {
            move(x, FETCH_FINISHING);
            submit(job_create(x, FETCH_FINISHING, 0), finish_work, finish_done);
        }
        return;
    }
    while (x->asked < FILE_WINDOW && x->open < FILE_OPEN_MAX && ask_chunk(x)) {
    }
    if (x->open == 0) /* the link takes nothing now */
        rest(x, longer(x));
}

static void begin_pulling(struct fetch *x)
{
    x->next = 0;
    move(x, FETCH_PULLING);
    pull(x);
}

/* Decodes an answer on the worker. 0: it is of @type, in @ret; else job->error says why not. */
static int open_answer(struct job *j, enum wire_type type, struct arena *mem, struct wire_msg *ret)
{
    int rc = wire_decode(bytes_of(j->answer.data, j->answer.size), mem, ret, &j->error);
    if (rc != 0) {
        j->is_peers_fault = true;
        return rc;
    }
    if (ret->type == type)
        return 0;
    j->is_peers_fault = ret->type != WIRE_ERROR;
    if (ret->type == WIRE_ERROR)
        return err_set(&j->error, ERR_DENIED, "fetch.refused", "%s (%s)", ret->u.error.message, ret->u.error.id);
    return err_set(&j->error, ERR_INVALID, "fetch.answer", "an answer of another kind came (%s)",
                   wire_type_name(ret->type));
}

static void chunk_work(void *ctx)
{
    struct job *j = ctx;
    struct arena mem = ARENA_INIT;
    struct wire_msg m;
    struct bytes data;
    if (!wire_file_chunk_data(bytes_of(j->answer.data, j->answer.size), &data)) {
        if (open_answer(j, WIRE_FILE_CHUNK, &mem, &m) != 0)
            goto out;
        data = m.u.file_chunk.data;
    }
    if (file_blob_put(j->fetch->blob, j->chunk, data, &j->error) != 0)
        j->is_peers_fault = j->error.code == ERR_VERIFY;

out:
    arena_close(&mem);
}

/* Something went wrong that was not silence. */
static void fail(struct fetch *x, const struct err *e, bool is_peers_fault)
{
    struct fetches *f = x->owner;
    char peer[12];
    (void)snprintf(peer, sizeof peer, "%u", x->origin);
    if (is_peers_fault) {
        f->stats.refused++;
        x->is_doubted = true;
        f->config.alarm(f->config.ctx, x->origin, e->id, e->message);
    } else if (is_lost(x)) { /* the next one is asked; who asked for it tells of what is nowhere */
        log_debug("material", peer, e->id, "a lost file is not to be had there: %s", e->message);
    } else {
        log_warn("material", peer, e->id, "a file does not come yet: %s", e->message);
    }
    if (x->state != FETCH_WAITING || x->is_over)
        rest(x, is_peers_fault || e->code == ERR_FULL ? max_of(longer(x), f->config.pause_wrong_ms) : longer(x));
}

static void chunk_done(void *ctx)
{
    struct job *j = ctx;
    struct err e = j->error;
    bool is_fault = j->is_peers_fault;
    uint32_t chunk = j->chunk;
    struct fetch *x = work_ended(j);
    if (e.code == 0) {
        x->owner->stats.chunks_in++;
        x->owner->stats.bytes_in += file_chunk_size(x->blob->size, chunk);
        x->held[chunk] = CHUNK_HELD;
        x->held_count++;
        x->pause_ms = 0;
        x->silent = 0;
    } else {
        x->held[chunk] = CHUNK_MISSING;
        x->next = min_of(x->next, chunk);
    }
    if (x->is_over || (x->state != FETCH_PULLING && e.code == 0))
        rest(x, x->pause_ms); /* the last one out closes */
    else if (e.code != 0)
        fail(x, &e, is_fault);
    else
        pull(x);
}

/* ---- before the first chunk ---- */

static void scan_work(void *ctx)
{
    struct job *j = ctx;
    struct fetch *x = j->fetch;
    char path[FILE_BLOB_PATH_SIZE];
    fetches_part_path(x->owner->config.dir, x->file, path);
    if (file_blob_open(path, true, &j->blob, &j->error) != 0)
        return;
    if (!j->blob->is_fixed || memcmp(j->blob->id, x->file, FILE_ID_SIZE) != 0) {
        (void)err_set(&j->error, ERR_CORRUPT, "file.head", "'%s' is of another file", path);
        return;
    }
    j->held = xcalloc(j->blob->count, 1);
    uint8_t *scratch = xmalloc(FILE_SEALED_BYTES_MAX);
    for (uint32_t i = 0; i < j->blob->count; i++)
        if (file_blob_is_there(j->blob, i, scratch)) {
            j->held[i] = CHUNK_HELD;
            j->held_count++;
        }
    free(scratch);
}

static void ask_head(struct fetch *x)
{
    struct wire_msg m = {.type = WIRE_FILE_PULL};
    m.u.file_pull.head = true;
    memcpy(m.u.file_pull.file, x->file, FILE_ID_SIZE);
    move(x, FETCH_HEAD);
    if (!request(x, &m, job_create(x, FETCH_HEAD, 0), HEAD_MS))
        rest(x, longer(x));
}

static void scan_done(void *ctx)
{
    struct job *j = ctx;
    struct err e = j->error;
    char path[FILE_BLOB_PATH_SIZE];
    if (e.code == 0)
        take_blob(j);
    struct fetch *x = work_ended(j);
    if (x->is_over || x->state != FETCH_SCANNING) {
        rest(x, x->pause_ms);
    } else if (e.code == 0) {
        begin_pulling(x);
    } else {
        fetches_part_path(x->owner->config.dir, x->file, path);
        if (e.code != ERR_NOT_FOUND)
            (void)unlink(path); /* a head that a crash tore: begin anew */
        ask_head(x);
    }
}

static void make_work(void *ctx)
{
    struct job *j = ctx;
    struct fetch *x = j->fetch;
    struct arena mem = ARENA_INIT;
    struct wire_msg m;
    uint8_t named[FILE_ID_SIZE];
    char path[FILE_BLOB_PATH_SIZE];
    if (open_answer(j, WIRE_FILE_HEAD, &mem, &m) == 0) {
        const struct wire_file_head *h = &m.u.file_head;
        struct merkle_hash *hashes = arena_alloc(&mem, h->hashes.size);
        memcpy(hashes, h->hashes.data, h->hashes.size);
        file_id(h->size, hashes, file_chunk_count(h->size), named);
        fetches_part_path(x->owner->config.dir, x->file, path);
        if (memcmp(named, x->file, sizeof named) != 0) {
            j->is_peers_fault = true;
            (void)err_set(&j->error, ERR_VERIFY, "fetch.head", "size and hashes are not those of the file's id");
        } else if (file_blob_create(path, h->size, x->file, hashes, &j->blob, &j->error) == 0) {
            j->held = xcalloc(j->blob->count, 1);
        }
    }
    arena_close(&mem);
}

static void make_done(void *ctx)
{
    struct job *j = ctx;
    struct err e = j->error;
    bool is_fault = j->is_peers_fault;
    if (e.code == 0)
        take_blob(j);
    struct fetch *x = work_ended(j);
    x->silent = 0;
    if (x->is_over || x->state != FETCH_MAKING)
        rest(x, x->pause_ms);
    else if (e.code != 0)
        fail(x, &e, is_fault);
    else
        begin_pulling(x);
}

/* ---- going on ---- */

/* Whether one of its sources is still to be asked, which becomes @origin: after a failure the next. Each gets two tries, since a line
 * may break. Else it is over for now; whoever lost it asks anew. */
static bool choose_source(struct fetch *x)
{
    struct fetches *f = x->owner;
    uint64_t now = clock_mono_ms();
    bool is_up = peer_of(f, x->origin)->up;
    if (is_up)
        x->dialled_ms = 0;
    else if (x->dialled_ms == 0)
        x->dialled_ms = now;
    if (!is_up && now - x->dialled_ms >= f->config.dial_ms) {
        x->failures++;
        x->dialled_ms = 0;
    }
    if (x->failures < 2 * x->source_count) {
        x->origin = x->sources[x->failures % x->source_count];
        return true;
    }
    x->is_over = true;
    x->keeps_part = true;
    f->config.back(f->config.ctx, x->file, 0);
    let_go(x);
    return false;
}

static void run(struct fetch *x)
{
    struct fetches *f = x->owner;
    if (f->link == NULL || x->state != FETCH_WAITING || x->open > 0 || clock_mono_ms() < x->due_ms)
        return;
    if (is_lost(x) && !choose_source(x))
        return;
    struct fetch_peer *p = peer_of(f, x->origin);
    if (!p->up) {
        f->config.dial(f->config.ctx, x->origin);
        return;
    }
    if (x->is_here) {
        tell(x);
    } else if (p->active < FILE_FETCHES_MAX) {
        drop_blob(x);
        move(x, FETCH_SCANNING);
        submit(job_create(x, FETCH_SCANNING, 0), scan_work, scan_done);
    }
}

static void run_all(struct fetches *f)
{
    list_for_each_safe (at, &f->list)
        run(container_of(at, struct fetch, link));
}

static void timer_cb(void *ctx)
{
    struct fetches *f = ctx;
    run_all(f);
    arm(f);
}

static void arm(struct fetches *f)
{
    if (f->link != NULL && !list_is_empty(&f->list))
        loop_timer_set(f->timer, TICK_MS);
}

/* No answer to a request (@why), or one that comes too late to be of use (NULL). */
static void silence(struct job *j, const char *why)
{
    enum fetch_state kind = j->kind;
    uint32_t chunk = j->chunk;
    bool is_silence = why != NULL && clock_mono_ms() >= j->late_ms; /* else the connection was lost */
    struct fetch *x = job_end(j);
    struct fetches *f = x->owner;
    if (kind == FETCH_PULLING && x->held != NULL) {
        x->held[chunk] = CHUNK_MISSING;
        x->next = min_of(x->next, chunk);
    }
    if (is_silence && f->link != NULL && !x->is_over && ++x->silent == SLOW_ALARM)
        f->config.alarm(f->config.ctx, x->origin, "fetch.slow", why);
    if (x->state == kind || x->is_over || x->open == 0)
        rest(x, longer(x));
}

static void answered(struct fetches *f, struct job *j, const struct link_event *event)
{
    struct fetch *x = j->fetch;
    heard(j);
    j->answer = *event;
    if (x->is_over || x->state != j->kind || f->is_closing) {
        silence(j, NULL);
    } else if (j->kind == FETCH_PULLING) {
        submit(j, chunk_work, chunk_done);
        pull(x); /* the line goes on while this one is hashed and written */
    } else if (j->kind == FETCH_HEAD) {
        move(x, FETCH_MAKING);
        submit(j, make_work, make_done);
    } else { /* TELLING: whatever it says, it has heard */
        (void)job_end(j);
        x->is_over = true;
        f->config.told(f->config.ctx, x->file, x->origin);
        let_go(x);
    }
    run_all(f);
}

/* ---- link events ---- */

struct posted {
    struct loop_item item;
    struct fetches *f;
    struct link_event event;
};

static void take_event(struct fetches *f, struct link_event *event)
{
    struct job *j = (struct job *)(uintptr_t)event->token; /* request() made it */
    char peer[12];
    (void)snprintf(peer, sizeof peer, "%u", event->peer);
    switch (event->type) {
    case LINK_UP:
        peer_of(f, event->peer)->up = true;
        list_for_each (at, &f->list) {
            struct fetch *x = container_of(at, struct fetch, link);
            if (x->origin == event->peer && x->state == FETCH_WAITING && x->pause_ms < f->config.pause_wrong_ms)
                x->due_ms = 0;
        }
        run_all(f);
        break;
    case LINK_DOWN:
        peer_of(f, event->peer)->up = false;
        log_debug("material", peer, "fetch.down", "no connection for files: %s", event->reason);
        arm(f);
        break;
    case LINK_REQUEST:
        fetches_serve(f, event);
        break;
    case LINK_REPLY:
        answered(f, j, event);
        event->data = NULL; /* the job's */
        event->owner = NULL;
        break;
    case LINK_REPLY_FAILED:
        silence(j, event->reason);
        run_all(f);
        break;
    case LINK_REFUSED:
        log_warn("material", event->peer == 0 ? NULL : peer, "fetch.peer-refused", "refused at the door for files: %s",
                 event->reason);
        break;
    }
}

static void event_run(struct loop_item *item)
{
    struct posted *posted = container_of(item, struct posted, item);
    bool is_answer = posted->event.type == LINK_REPLY || posted->event.type == LINK_REPLY_FAILED;
    if (posted->f->link != NULL || is_answer) /* after the end only requests are brought to their end */
        take_event(posted->f, &posted->event);
    link_event_close(&posted->event);
    free(posted);
}

void fetches_link_event(void *ctx, const struct link_event *event)
{
    struct fetches *f = ctx;
    struct posted *posted = xcalloc(1, sizeof *posted);
    list_init(&posted->item.link);
    posted->item.run = event_run;
    posted->f = f;
    posted->event = *event;
    loop_post(f->config.loop, &posted->item);
}

/* ---- what is wanted ---- */

void fetches_add(struct fetches *f, const uint8_t file[FILE_ID_SIZE], uint32_t origin, bool is_here)
{
    if (find(f, file) != NULL)
        return;
    struct fetch *x = xcalloc(1, sizeof *x);
    x->owner = f;
    x->origin = origin;
    x->is_here = is_here;
    memcpy(x->file, file, FILE_ID_SIZE);
    list_append(&f->list, &x->link);
    run(x);
    arm(f);
}

void fetches_add_lost(struct fetches *f, const uint8_t file[FILE_ID_SIZE], const uint32_t *sources, size_t count)
{
    xassert(count > 0 && count <= FILE_SOURCES_MAX);
    if (find(f, file) != NULL)
        return;
    struct fetch *x = xcalloc(1, sizeof *x);
    x->owner = f;
    x->origin = sources[0];
    x->source_count = (unsigned)count;
    memcpy(x->sources, sources, count * sizeof *sources);
    memcpy(x->file, file, FILE_ID_SIZE);
    list_append(&f->list, &x->link);
    run(x);
    arm(f);
}

void fetches_forget(struct fetches *f, const uint8_t file[FILE_ID_SIZE])
{
    struct fetch *x = find(f, file);
    fetches_serve_forget(f, file);
    if (x == NULL)
        return;
    x->is_over = true;
    if (x->open == 0)
        let_go(x);
}

uint32_t fetches_progress(const struct fetches *f, const uint8_t file[FILE_ID_SIZE], uint32_t peer)
{
    uint8_t key[FILE_ID_SIZE + 4];
    if (peer == 0) {
        const struct fetch *x = find(f, file);
        return x == NULL ? 0 : x->held_count;
    }
    memcpy(key, file, FILE_ID_SIZE);
    put_be32(key + FILE_ID_SIZE, peer);
    const uint32_t *held = map_get(&f->progress, key, sizeof key);
    return held == NULL ? 0 : *held;
}

/* ---- life ---- */

struct fetches *fetches_create(const struct fetches_config *config)
{
    struct fetches *f = xcalloc(1, sizeof *f);
    uint64_t seed;
    f->config = *config;
    if (f->config.pause_wrong_ms == 0)
        f->config.pause_wrong_ms = PAUSE_MS_WRONG;
    if (f->config.dial_ms == 0)
        f->config.dial_ms = DIAL_MS;
    crypto_random(&seed, sizeof seed);
    map_init(&f->peers, seed);
    map_init(&f->progress, seed);
    list_init(&f->list);
    list_init(&f->served);
    f->timer = loop_timer_create(config->loop, timer_cb, f);
    return f;
}

void fetches_set_link(struct fetches *f, struct link *link)
{
    f->link = link;
    f->is_closing = link == NULL;
    if (link == NULL)
        loop_timer_cancel(f->timer);
    run_all(f);
    arm(f);
}

bool fetches_is_idle(const struct fetches *f)
{
    return f->work == 0;
}

static void free_values(struct map *m)
{
    size_t at = 0;
    void *value;
    while (map_next(m, &at, NULL, &value))
        free(value);
    map_close(m);
}

void fetches_destroy(struct fetches *f)
{
    if (f == NULL)
        return;
    fetches_serve_close(f);
    list_for_each_safe (at, &f->list) {
        struct fetch *x = container_of(at, struct fetch, link);
        xassert(x->open == 0);
        drop_blob(x);
        free(x);
    }
    free_values(&f->peers);
    free_values(&f->progress);
    loop_timer_destroy(f->timer);
    free(f);
}

void fetches_stats(const struct fetches *f, struct fetches_stats *ret)
{
    *ret = f->stats;
    ret->wanted = 0;
    list_for_each (at, &f->list)
        ret->wanted += !container_of(at, struct fetch, link)->is_here;
}
