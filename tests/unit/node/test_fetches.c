/* node/fetches against peers of every kind, over a link in memory: honest ones, and those that send wrong bytes, wrong sizes,
 * other heads, rubbish, refusals or nothing; and what it gives to whom. The loop runs for real; conditions stop it, nothing sleeps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "federation/link_mem.h"
#include "federation/wire/wire.h"
#include "node/base/xassert.h"
#include "node/fetches.h"
#include "node/files/file_blob.h"
#include "tests/lib/log_capture.h"

#define TAKER 510000u
#define GIVER 440000u
#define SIZE ((uint64_t)6 * FILE_CHUNK_BYTES + 77)
#define COUNT 7u
#define ANSWER_MS 100u /* of a request to one that is silent */
#define TURN_MS 2u
#define TURNS_MAX 30000u /* a minute of turns */

enum kind {
    HONEST,
    WRONG_BYTE,
    SHORT_CHUNK,
    OTHER_CHUNK,
    WRONG_HEAD,
    OTHER_SIZE,
    RUBBISH,
    OTHER_KIND,
    REFUSING,
    MUTE,
    SILENT
};

struct rig {
    char dir[64], source[64];
    struct loop *loop;
    struct loop_timer *turn;
    unsigned turns;
    struct link_mem_hub *hub;
    struct link *link, *giver;
    struct fetches *fetches;
    struct file_blob *blob; /* the giver's */
    enum kind kind;
    unsigned given, given_max;                   /* chunks; the rest is not answered; 0 = all are */
    unsigned asked[COUNT], heads, haves, checks; /* by the taker */
    bool is_damaged;                             /* the taker's disk: its own alarms are expected */
    unsigned done, told, alarms, peer_has, backs;
    uint32_t back_from;
    char alarm[48];
    bool may_have, all_may_have; /* GIVER; everybody */
    struct wire_error answer;    /* to the giver's own request */
    enum wire_type answer_type;
    size_t answer_size;
    struct arena mem;
    bool (*until)(struct rig *r);
};

/* ---- the giver ---- */

static void say(struct rig *r, uint64_t handle, const struct wire_msg *m)
{
    struct buf out = {0};
    assert_int_equal(wire_encode(m, &out, NULL), 0);
    link_reply(r->giver, handle, buf_bytes(&out));
    buf_close(&out);
}

static void give_head(struct rig *r, uint64_t handle)
{
    struct wire_msg m = {.type = WIRE_FILE_HEAD};
    struct merkle_hash hashes[COUNT];
    memcpy(hashes, r->blob->hashes, sizeof hashes);
    m.u.file_head = (struct wire_file_head){.size = SIZE, .hashes = bytes_of(hashes, sizeof hashes)};
    if (r->kind == WRONG_HEAD)
        hashes[3].b[7] ^= 1;
    if (r->kind == OTHER_SIZE)
        m.u.file_head.size = SIZE - 1;
    say(r, handle, &m);
}

static void give_chunk(struct rig *r, uint64_t handle, uint32_t chunk)
{
    struct wire_msg m = {.type = WIRE_FILE_CHUNK};
    uint8_t *data = xmalloc(FILE_SEALED_BYTES_MAX);
    bool is_bad = chunk == 2;
    uint32_t which = is_bad && r->kind == OTHER_CHUNK ? 3 : chunk;
    assert_int_equal(file_blob_get(r->blob, which, data, NULL), 0);
    m.u.file_chunk.data = bytes_of(data, file_chunk_sealed_size(SIZE, which));
    if (is_bad && r->kind == WRONG_BYTE)
        data[12345] ^= 1;
    if (is_bad && r->kind == SHORT_CHUNK)
        m.u.file_chunk.data.size--;
    say(r, handle, &m);
    free(data);
}

static void answer_taker(struct rig *r, const struct link_event *event)
{
    struct wire_msg m, error = {.type = WIRE_ERROR};
    assert_int_equal(wire_decode(bytes_of(event->data, event->size), &r->mem, &m, NULL), 0);
    error.u.error = (struct wire_error){.code = WIRE_ERROR_DENIED, .id = "fetch.denied", .message = "no"};
    if (m.type == WIRE_FILE_HAVE) {
        r->haves++;
        assert_true(m.u.file_have.all);
        say(r, event->handle, &(struct wire_msg){.type = WIRE_OK});
        return;
    }
    assert_int_equal(m.type, WIRE_FILE_PULL);
    if (m.u.file_pull.head)
        r->heads++;
    else
        r->asked[m.u.file_pull.chunk]++;
    r->checks += m.u.file_pull.check;
    if (r->kind == RUBBISH)
        link_reply(r->giver, event->handle, bytes_of_string("\xff\xff\xffnothing that anybody could read"));
    else if (r->kind == OTHER_KIND)
        say(r, event->handle, &(struct wire_msg){.type = WIRE_OK});
    else if (r->kind == REFUSING)
        say(r, event->handle, &error);
    else if (r->kind == MUTE)
        link_drop(r->giver, event->handle);
    else if (r->kind == SILENT)
        return;
    else if (m.u.file_pull.head)
        give_head(r, event->handle);
    else if (r->given_max == 0 || r->given++ < r->given_max)
        give_chunk(r, event->handle, m.u.file_pull.chunk);
}

static void giver_event(void *ctx, const struct link_event *event)
{
    struct rig *r = ctx;
    if (event->type == LINK_REQUEST)
        answer_taker(r, event);
    if (event->type == LINK_REPLY) {
        struct wire_msg m;
        assert_int_equal(wire_decode(bytes_of(event->data, event->size), &r->mem, &m, NULL), 0);
        r->answer_type = m.type;
        r->answer_size = m.type == WIRE_FILE_CHUNK ? m.u.file_chunk.data.size : 0;
        if (m.type == WIRE_ERROR)
            r->answer = m.u.error;
    }
    free(event->data);
}

/* ---- the taker's owner ---- */

static bool may_have(void *ctx, uint32_t peer, const uint8_t file[FILE_ID_SIZE])
{
    struct rig *r = ctx;
    (void)file;
    return r->all_may_have || (r->may_have && peer == GIVER);
}

static void dial(void *ctx, uint32_t peer)
{
    (void)ctx;
    (void)peer;
}

static void done(void *ctx, const uint8_t file[FILE_ID_SIZE], uint32_t origin)
{
    struct rig *r = ctx;
    char path[FILE_BLOB_PATH_SIZE];
    file_blob_path(r->dir, file, path);
    assert_int_equal(access(path, F_OK), 0); /* durable before said */
    assert_int_equal(origin, GIVER);
    assert_int_equal(r->haves, 0);
    r->done++;
}

static void told(void *ctx, const uint8_t file[FILE_ID_SIZE], uint32_t origin)
{
    (void)file;
    (void)origin;
    ((struct rig *)ctx)->told++;
}

static void back(void *ctx, const uint8_t file[FILE_ID_SIZE], uint32_t peer)
{
    struct rig *r = ctx;
    char path[FILE_BLOB_PATH_SIZE];
    file_blob_path(r->dir, file, path);
    assert_int_equal(access(path, F_OK), peer == 0 ? -1 : 0);
    r->back_from = peer;
    r->backs++;
}

static void peer_has(void *ctx, uint32_t peer, const uint8_t file[FILE_ID_SIZE])
{
    (void)peer;
    (void)file;
    ((struct rig *)ctx)->peer_has++;
}

static void alarm_cb(void *ctx, uint32_t peer, const char *id, const char *text)
{
    struct rig *r = ctx;
    assert_int_equal(peer, r->is_damaged ? 0 : GIVER);
    assert_true(text[0] != '\0');
    (void)snprintf(r->alarm, sizeof r->alarm, "%s", id);
    r->alarms++;
}

/* ---- running ---- */

static void turn(void *ctx)
{
    struct rig *r = ctx;
    while (link_mem_step(r->hub)) {
    }
    link_mem_advance(r->hub, TURN_MS);
    if (r->until(r) || ++r->turns > TURNS_MAX)
        loop_stop(r->loop);
    else
        loop_timer_set(r->turn, TURN_MS);
}

static void run_until(struct rig *r, bool (*until)(struct rig *r))
{
    r->until = until;
    r->turns = 0;
    loop_timer_set(r->turn, 0);
    loop_run(r->loop);
    assert_true(until(r));
}

static void make_source(struct rig *r)
{
    const uint8_t key[FILE_KEY_SIZE] = {3};
    char path[80];
    uint8_t *plain = xcalloc(1, FILE_CHUNK_BYTES), *sealed = xmalloc(FILE_SEALED_BYTES_MAX);
    (void)snprintf(path, sizeof path, "%s/x", r->source);
    assert_int_equal(file_blob_create(path, SIZE, NULL, NULL, &r->blob, NULL), 0);
    for (uint32_t i = 0; i < COUNT; i++) {
        file_chunk_seal(key, SIZE, i, bytes_of(plain, file_chunk_size(SIZE, i)), sealed);
        assert_int_equal(file_blob_put(r->blob, i, bytes_of(sealed, file_chunk_sealed_size(SIZE, i)), NULL), 0);
    }
    assert_int_equal(file_blob_finish(r->blob, r->source, NULL), 0);
    free(plain);
    free(sealed);
}

static void open_taker(struct rig *r)
{
    r->fetches = fetches_create(&(struct fetches_config){.loop = r->loop,
                                                         .dir = r->dir,
                                                         .may_have = may_have,
                                                         .dial = dial,
                                                         .done = done,
                                                         .told = told,
                                                         .back = back,
                                                         .peer_has = peer_has,
                                                         .alarm = alarm_cb,
                                                         .ctx = r,
                                                         .pause_wrong_ms = 20,
                                                         .answer_ms = r->kind == SILENT ? ANSWER_MS : 0,
                                                         .dial_ms = 20});
    assert_int_equal(link_mem_open(r->hub, TAKER, fetches_link_event, r->fetches, &r->link, NULL), 0);
    fetches_set_link(r->fetches, r->link);
}

static bool is_idle(struct rig *r)
{
    return fetches_is_idle(r->fetches);
}

static void close_taker(struct rig *r)
{
    fetches_set_link(r->fetches, NULL);
    link_close(r->link);
    run_until(r, is_idle);
    loop_drain(r->loop);
    fetches_destroy(r->fetches);
}

static void setup(struct rig *r, enum kind kind)
{
    *r = (struct rig){.kind = kind, .mem = ARENA_INIT};
    (void)snprintf(r->dir, sizeof r->dir, "/tmp/tongban-fetches-XXXXXX");
    (void)snprintf(r->source, sizeof r->source, "/tmp/tongban-source-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    assert_non_null(mkdtemp(r->source));
    make_source(r);
    assert_int_equal(loop_create(&r->loop, NULL), 0);
    r->turn = loop_timer_create(r->loop, turn, r);
    r->hub = link_mem_create(1);
    assert_int_equal(link_mem_open(r->hub, GIVER, giver_event, r, &r->giver, NULL), 0);
    open_taker(r);
}

static void teardown(struct rig *r)
{
    char path[FILE_BLOB_PATH_SIZE];
    close_taker(r);
    link_close(r->giver);
    link_mem_destroy(r->hub);
    loop_timer_destroy(r->turn);
    loop_drain(r->loop);
    loop_destroy(r->loop);
    file_blob_path(r->dir, r->blob->id, path);
    (void)unlink(path);
    fetches_part_path(r->dir, r->blob->id, path);
    (void)unlink(path);
    file_blob_path(r->source, r->blob->id, path);
    (void)unlink(path);
    file_blob_close(r->blob);
    arena_close(&r->mem);
    assert_int_equal(rmdir(r->dir), 0); /* nothing else was left */
    assert_int_equal(rmdir(r->source), 0);
}

static bool is_told(struct rig *r)
{
    return r->told == 1;
}

static bool is_alarmed(struct rig *r)
{
    return r->alarms >= 1;
}

static bool is_refused_twice(struct rig *r)
{
    return r->heads >= 2;
}

static void check_whole(struct rig *r)
{
    char path[FILE_BLOB_PATH_SIZE];
    struct file_blob *b;
    uint8_t *scratch = xmalloc(FILE_SEALED_BYTES_MAX);
    file_blob_path(r->dir, r->blob->id, path);
    assert_int_equal(file_blob_open(path, false, &b, NULL), 0);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_true(file_blob_is_there(b, i, scratch));
    file_blob_close(b);
    free(scratch);
}

/* ---- tests ---- */

static void test_honest(void **state)
{
    (void)state;
    struct rig r;
    setup(&r, HONEST);
    fetches_add(r.fetches, r.blob->id, GIVER, false);
    fetches_add(r.fetches, r.blob->id, GIVER, false); /* once is enough */
    run_until(&r, is_told);
    assert_int_equal(r.done, 1);
    assert_int_equal(r.heads, 1);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(r.asked[i], 1);
    assert_int_equal(r.alarms, 0);
    assert_int_equal(r.checks, 0);
    check_whole(&r);
    teardown(&r);
}

/* Whatever is wrong is reported, nothing wrong is kept, and when the peer has mended its ways the file arrives. */
static void test_wrong(void **state)
{
    (void)state;
    static const struct {
        enum kind kind;
        const char *alarm;
    } rows[] = {{WRONG_BYTE, "file.chunk-hash"}, {SHORT_CHUNK, "file.chunk-size"}, {OTHER_CHUNK, "file.chunk-hash"},
                {WRONG_HEAD, "fetch.head"},      {OTHER_SIZE, "fetch.head"},       {RUBBISH, "wire.malformed"},
                {OTHER_KIND, "fetch.answer"}};
    for (size_t i = 0; i < array_count(rows); i++) {
        struct rig r;
        setup(&r, rows[i].kind);
        fetches_add(r.fetches, r.blob->id, GIVER, false);
        run_until(&r, is_alarmed);
        if (rows[i].kind == RUBBISH)
            assert_memory_equal(r.alarm, "wire.", 5);
        else
            assert_string_equal(r.alarm, rows[i].alarm);
        assert_int_equal(r.done, 0);
        assert_int_equal(r.checks, 0);
        r.kind = HONEST;
        run_until(&r, is_told);
        check_whole(&r);
        assert_true(r.checks > 0);        /* the giver was asked to look at its own */
        if (rows[i].kind == WRONG_BYTE) { /* what was right is not asked for again; what was under way may come twice */
            unsigned all = 0;
            for (uint32_t k = 0; k < COUNT; k++)
                all += r.asked[k];
            assert_true(all > COUNT && all <= COUNT + FILE_WINDOW);
        }
        teardown(&r);
    }
}

static struct log_capture captured;

static int end_capture(void **state)
{
    (void)state;
    log_capture_close(&captured);
    return 0;
}

/* A refusal or silence is no alarm (the peer may not know yet): asked again. */
static void test_not_yet(void **state)
{
    (void)state;
    static const enum kind kinds[] = {REFUSING, MUTE};
    for (size_t i = 0; i < array_count(kinds); i++) {
        enum kind kind = kinds[i];
        struct rig r;
        setup(&r, kind);
        log_capture_begin(&captured);
        fetches_add(r.fetches, r.blob->id, GIVER, false);
        run_until(&r, is_refused_twice);
        const char *said = log_capture_end(&captured);
        bool is_told_why =
            strstr(said, "warn material[440000] fetch.refused a file does not come yet: no (fetch.denied)\n");
        assert_int_equal(is_told_why, kind == REFUSING);
        log_capture_close(&captured);
        assert_int_equal(r.alarms, 0);
        r.kind = HONEST;
        run_until(&r, is_told);
        check_whole(&r);
        teardown(&r);
    }
}

/* Three requests in a row without an answer are one alarm; when the peer speaks again, the file comes. */
static void test_slow(void **state)
{
    (void)state;
    struct rig r;
    setup(&r, SILENT);
    fetches_add(r.fetches, r.blob->id, GIVER, false);
    run_until(&r, is_alarmed);
    assert_string_equal(r.alarm, "fetch.slow");
    assert_int_equal(r.heads, 3);
    r.kind = HONEST;
    run_until(&r, is_told);
    assert_int_equal(r.alarms, 1);
    check_whole(&r);
    teardown(&r);
}

static bool has_three(struct rig *r)
{
    return fetches_progress(r->fetches, r->blob->id, 0) == 3;
}

/* The taker dies with a part on the disk; after that only the rest is asked for. Then it is wanted no more. */
static void test_goes_on(void **state)
{
    (void)state;
    struct rig r;
    char path[FILE_BLOB_PATH_SIZE];
    setup(&r, HONEST);
    r.given_max = 3;
    fetches_add(r.fetches, r.blob->id, GIVER, false);
    run_until(&r, has_three);
    close_taker(&r);
    uint32_t before = 0;
    for (uint32_t i = 0; i < COUNT; i++)
        before += r.asked[i];
    assert_in_range(before, 3, 3 + FILE_WINDOW);
    assert_int_equal(r.done + r.told, 0);
    r.given_max = 0;
    open_taker(&r);
    fetches_add(r.fetches, r.blob->id, GIVER, false);
    run_until(&r, is_told);
    uint32_t all = 0;
    for (uint32_t i = 0; i < COUNT; i++)
        all += r.asked[i];
    assert_int_equal(all - before, COUNT - 3); /* what was under way is asked for again, what was there is not */
    check_whole(&r);

    fetches_part_path(r.dir, r.blob->id, path);
    fetches_add(r.fetches, r.blob->id, GIVER, false); /* as for a second case */
    fetches_forget(r.fetches, r.blob->id);
    run_until(&r, is_idle);
    assert_int_equal(access(path, F_OK), -1);
    teardown(&r);
}

static bool is_back(struct rig *r)
{
    return r->backs == 1;
}

/* A lost file: one that does not answer or refuses is passed over, nobody is told; when nobody gives it, it is over for now. */
static void test_lost(void **state)
{
    (void)state;
    static const uint32_t sources[] = {330000, GIVER};
    struct rig r;
    setup(&r, HONEST);
    fetches_add_lost(r.fetches, r.blob->id, sources + 1, 1);
    fetches_add_lost(r.fetches, r.blob->id, sources + 1, 1); /* once is enough */
    run_until(&r, is_back);
    assert_int_equal(r.back_from, GIVER);
    assert_int_equal(r.heads, 1);
    assert_int_equal(r.haves + r.done + r.told + r.alarms, 0);
    check_whole(&r);
    teardown(&r);

    setup(&r, HONEST);
    fetches_add_lost(r.fetches, r.blob->id, sources, 2); /* the first cannot be reached */
    run_until(&r, is_back);
    assert_int_equal(r.back_from, GIVER);
    check_whole(&r);
    teardown(&r);

    setup(&r, REFUSING);
    /* up: a busy machine may take one that is not up yet for one that cannot be reached */
    while (link_mem_step(r.hub)) {
    }
    loop_drain(r.loop);
    fetches_add_lost(r.fetches, r.blob->id, sources + 1, 1);
    run_until(&r, is_back);
    assert_int_equal(r.back_from, 0);
    assert_int_equal(r.heads, 2);
    r.kind = HONEST;
    r.backs = 0;
    fetches_add_lost(r.fetches, r.blob->id, sources + 1, 1); /* later */
    run_until(&r, is_back);
    assert_int_equal(r.back_from, GIVER);
    check_whole(&r);
    teardown(&r);
}

static bool is_answered(struct rig *r)
{
    return r->answer_type != 0;
}

static void ask(struct rig *r, const struct wire_msg *m)
{
    struct buf out = {0};
    assert_int_equal(wire_encode(m, &out, NULL), 0);
    r->answer_type = 0;
    assert_int_equal(link_request(r->giver, TAKER, buf_bytes(&out), 1, 60000, NULL), 0);
    buf_close(&out);
    run_until(r, is_answered);
}

/* The other direction: what the node gives, to whom, and what it refuses. */
static void test_giving(void **state)
{
    (void)state;
    struct rig r;
    struct wire_msg m = {.type = WIRE_FILE_PULL};
    setup(&r, HONEST);
    memcpy(m.u.file_pull.file, r.blob->id, FILE_ID_SIZE);
    ask(&r, &m);
    assert_int_equal(r.answer.code, WIRE_ERROR_DENIED);
    assert_string_equal(r.answer.id, "fetch.denied");
    r.may_have = true;
    ask(&r, &m);
    assert_int_equal(r.answer.code, WIRE_ERROR_NOT_FOUND); /* allowed, but it is not here */
    assert_string_equal(r.answer.id, "fetch.absent");
    fetches_add(r.fetches, r.blob->id, GIVER, false);
    run_until(&r, is_told);
    ask(&r, &m);
    assert_int_equal(r.answer_type, WIRE_FILE_CHUNK);
    assert_int_equal(r.answer_size, FILE_SEALED_BYTES_MAX);
    m.u.file_pull.chunk = COUNT - 1;
    m.u.file_pull.held = 4;
    ask(&r, &m);
    assert_int_equal(r.answer_size, file_chunk_sealed_size(SIZE, COUNT - 1));
    assert_int_equal(fetches_progress(r.fetches, r.blob->id, GIVER), 4);
    m.u.file_pull.chunk = COUNT;
    ask(&r, &m);
    assert_int_equal(r.answer.code, WIRE_ERROR_NOT_FOUND);
    assert_string_equal(r.answer.id, "fetch.no-chunk");
    assert_string_equal(r.answer.message, "chunk 7 of 7 was asked for");
    m.u.file_pull.head = true;
    ask(&r, &m);
    assert_int_equal(r.answer_type, WIRE_FILE_HEAD);
    struct wire_msg have = {.type = WIRE_FILE_HAVE};
    have.u.file_have.all = true;
    memcpy(have.u.file_have.file, r.blob->id, FILE_ID_SIZE);
    ask(&r, &have);
    assert_int_equal(r.answer_type, WIRE_OK);
    assert_int_equal(r.peer_has, 1);
    struct wire_msg hint = {.type = WIRE_HINT}; /* belongs to the other socket */
    ask(&r, &hint);
    assert_string_equal(r.answer.id, "fetch.not-a-request");
    static uint8_t big[3000];
    struct wire_msg chunk = {.type = WIRE_FILE_CHUNK};
    chunk.u.file_chunk.data = bytes_of(big, sizeof big);
    ask(&r, &chunk);
    assert_string_equal(r.answer.id, "fetch.request-size");
    fetches_forget(r.fetches, r.blob->id);
    r.may_have = false;
    m.u.file_pull.head = false;
    ask(&r, &m);
    assert_int_equal(r.answer.code, WIRE_ERROR_DENIED);
    teardown(&r);
}

/* ---- more at once than a node reads ---- */

#define ASKERS (FILE_SERVES_MAX / LINK_PEER_REQUESTS_MAX + 1) /* each with as many requests as it may have open */

struct asker {
    struct rig *rig;
    struct link *link;
};

static struct {
    unsigned answers, chunks, busy;
} crowd;

static void asker_event(void *ctx, const struct link_event *event)
{
    struct asker *asker = ctx;
    struct wire_msg m;
    if (event->type == LINK_REPLY) {
        assert_int_equal(wire_decode(bytes_of(event->data, event->size), &asker->rig->mem, &m, NULL), 0);
        crowd.answers++;
        crowd.chunks += m.type == WIRE_FILE_CHUNK;
        if (m.type == WIRE_ERROR) {
            assert_int_equal(m.u.error.code, WIRE_ERROR_TOO_MANY);
            assert_string_equal(m.u.error.id, "fetch.busy");
            assert_true(m.u.error.retry_ms > 0);
            crowd.busy++;
        }
    }
    free(event->data);
}

static bool is_crowd_answered(struct rig *r)
{
    (void)r;
    return crowd.answers == ASKERS * LINK_PEER_REQUESTS_MAX;
}

/* All of it comes within one turn of the loop: what is over the limit is refused for now, the rest is given. */
static void test_crowd(void **state)
{
    (void)state;
    struct rig r;
    struct asker askers[ASKERS];
    struct buf out = {0};
    struct wire_msg m = {.type = WIRE_FILE_PULL};
    setup(&r, HONEST);
    r.all_may_have = true;
    fetches_add(r.fetches, r.blob->id, GIVER, false);
    run_until(&r, is_told);
    memcpy(m.u.file_pull.file, r.blob->id, FILE_ID_SIZE);
    assert_int_equal(wire_encode(&m, &out, NULL), 0);
    crowd.answers = crowd.chunks = crowd.busy = 0;
    for (uint32_t i = 0; i < ASKERS; i++) {
        askers[i].rig = &r;
        assert_int_equal(link_mem_open(r.hub, 110000 + i, asker_event, &askers[i], &askers[i].link, NULL), 0);
    }
    while (link_mem_step(r.hub)) { /* all are up */
    }
    for (uint32_t i = 0; i < ASKERS; i++)
        for (unsigned k = 0; k < LINK_PEER_REQUESTS_MAX; k++)
            assert_int_equal(link_request(askers[i].link, TAKER, buf_bytes(&out), k + 1, 60000, NULL), 0);
    run_until(&r, is_crowd_answered);
    assert_int_equal(crowd.chunks, FILE_SERVES_MAX);
    assert_int_equal(crowd.busy, ASKERS * LINK_PEER_REQUESTS_MAX - FILE_SERVES_MAX);
    for (uint32_t i = 0; i < ASKERS; i++)
        link_close(askers[i].link);
    buf_close(&out);
    teardown(&r);
}

/* Damage on the giver's disk: the asker's comparison finds it, and when it asks again the giver says that it is its own. */
static void test_giving_damaged(void **state)
{
    (void)state;
    struct rig r;
    char path[FILE_BLOB_PATH_SIZE];
    struct wire_msg m = {.type = WIRE_FILE_PULL};
    setup(&r, HONEST);
    r.may_have = true;
    fetches_add(r.fetches, r.blob->id, GIVER, false);
    run_until(&r, is_told);
    file_blob_path(r.dir, r.blob->id, path);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, 4096 + 1000, SEEK_SET), 0); /* in chunk 0 */
    assert_int_equal(fwrite("xxxxxxxx", 1, 8, f), 8);
    assert_int_equal(fclose(f), 0);
    r.is_damaged = true;
    memcpy(m.u.file_pull.file, r.blob->id, FILE_ID_SIZE);
    ask(&r, &m);
    assert_int_equal(r.answer_type, WIRE_FILE_CHUNK);
    assert_int_equal(r.alarms, 0);
    m.u.file_pull.check = true;
    ask(&r, &m);
    assert_int_equal(r.answer.code, WIRE_ERROR_UNAVAILABLE);
    assert_string_equal(r.answer.id, "fetch.unreadable");
    assert_int_equal(r.alarms, 1);
    assert_string_equal(r.alarm, "file.chunk-corrupt");
    m.u.file_pull.chunk = 1; /* the others are whole */
    ask(&r, &m);
    assert_int_equal(r.answer_type, WIRE_FILE_CHUNK);
    teardown(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_honest),
                                       cmocka_unit_test(test_wrong),
                                       cmocka_unit_test_teardown(test_not_yet, end_capture),
                                       cmocka_unit_test(test_goes_on),
                                       cmocka_unit_test(test_giving),
                                       cmocka_unit_test(test_lost),
                                       cmocka_unit_test(test_giving_damaged),
                                       cmocka_unit_test(test_slow),
                                       cmocka_unit_test(test_crowd)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
