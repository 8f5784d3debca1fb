/* Giving files (see fetches.h): one request, one chunk, read by a worker.
 *
 * The files that are being given stay open (SERVED_MAX, the longest unused goes first), so that each chunk does not read the list of
 * hashes again; whether a peer may have one is asked again after a few seconds, so that an erasure ends the giving.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/clock.h"
#include "node/base/log.h"
#include "node/base/xassert.h"
#include "node/fetches_internal.h"

#define SERVED_MAX 16u
#define ALLOWED_MS 2000u
#define REQUEST_BYTES_MAX 1024u
#define PROGRESS_MAX 10000u
#define RETRY_MS 1000u

struct served {
    struct list link;
    uint8_t file[FILE_ID_SIZE];
    struct file_blob *blob; /* NULL: being opened, or gone */
    unsigned users;         /* jobs */
    bool is_over;           /* to be closed by the last user */
    uint32_t allowed_peer;  /* asked last */
    uint64_t allowed_ms;
};

struct give {
    struct fetches *f;
    struct served *s;
    uint32_t peer;
    uint64_t handle;
    struct wire_file_pull pull;
    struct file_blob *blob;     /* the open one, which stays while there are users; NULL: to be opened */
    struct file_blob *opened;   /* by this job */
    const struct link_ops *ops; /* of the link */
    struct link_message answer;
    struct err error;
};

static void served_close(struct fetches *f, struct served *s)
{
    s->is_over = true;
    if (s->users > 0)
        return;
    list_remove(&s->link);
    f->served_count--;
    file_blob_close(s->blob);
    free(s);
}

static struct served *find(struct fetches *f, const uint8_t file[FILE_ID_SIZE])
{
    list_for_each (at, &f->served) {
        struct served *s = container_of(at, struct served, link);
        if (!s->is_over && memcmp(s->file, file, FILE_ID_SIZE) == 0)
            return s;
    }
    return NULL;
}

/* The file, in front of the list. */
static struct served *get(struct fetches *f, const uint8_t file[FILE_ID_SIZE])
{
    struct served *s = find(f, file);
    if (s == NULL) {
        if (f->served_count >= SERVED_MAX)
            served_close(f, container_of(f->served.next, struct served, link));
        s = xcalloc(1, sizeof *s);
        memcpy(s->file, file, FILE_ID_SIZE);
        f->served_count++;
    } else {
        list_remove(&s->link);
    }
    list_append(&f->served, &s->link); /* the last used stands last */
    return s;
}

void fetches_serve_forget(struct fetches *f, const uint8_t file[FILE_ID_SIZE])
{
    struct served *s = find(f, file);
    if (s != NULL)
        served_close(f, s);
}

void fetches_serve_close(struct fetches *f)
{
    list_for_each_safe (at, &f->served)
        served_close(f, container_of(at, struct served, link));
    xassert(list_is_empty(&f->served));
}

/* ---- answers ---- */

static void answer(struct fetches *f, uint64_t handle, const struct wire_msg *m)
{
    struct buf out = {0};
    struct err e = {0};
    if (f->link == NULL)
        return;
    if (wire_encode(m, &out, &e) == 0)
        link_reply(f->link, handle, buf_bytes(&out));
    else
        link_drop(f->link, handle);
    buf_close(&out);
}

static void refuse(struct fetches *f, uint64_t handle, enum wire_error_code code, const char *id, const char *text)
{
    struct wire_msg m = {.type = WIRE_ERROR};
    bool later = code == WIRE_ERROR_TOO_MANY || code == WIRE_ERROR_UNAVAILABLE;
    m.u.error = (struct wire_error){.code = code, .id = id, .message = text, .retry_ms = later ? RETRY_MS : 0};
    answer(f, handle, &m);
}

static void give_head(struct give *g, const struct file_blob *b)
{
    struct wire_msg m = {.type = WIRE_FILE_HEAD};
    struct buf out = {0};
    m.u.file_head =
        (struct wire_file_head){.size = b->size, .hashes = bytes_of(b->hashes, b->count * sizeof *b->hashes)};
    if (wire_encode(&m, &out, &g->error) == 0) {
        link_message_create(g->ops, out.size, &g->answer);
        memcpy(g->answer.data, out.data, out.size);
    }
    buf_close(&out);
}

/* Read to where it is sent from. The asker compares every chunk with its hash and keeps none that is another; hashing it here as
 * well would cost as much as all the rest of the giving. Only who got a wrong one asks for that (`check`). */
static void give_chunk(struct give *g, const struct file_blob *b)
{
    uint8_t head[WIRE_FILE_CHUNK_HEAD_MAX];
    size_t size = file_chunk_sealed_size(b->size, g->pull.chunk);
    size_t head_size = wire_file_chunk_head(size, head);
    link_message_create(g->ops, head_size + size, &g->answer);
    memcpy(g->answer.data, head, head_size);
    uint8_t *data = g->answer.data + head_size;
    int rc = g->pull.check ? file_blob_get(b, g->pull.chunk, data, &g->error)
                           : file_blob_read(b, g->pull.chunk, data, &g->error);
    xassert(rc == g->error.code);
}

static void give_work(void *ctx)
{
    struct give *g = ctx;
    char path[FILE_BLOB_PATH_SIZE];
    struct file_blob *b = g->blob;
    if (b == NULL) {
        file_blob_path(g->f->config.dir, g->pull.file, path);
        int rc = file_blob_open(path, false, &g->opened, &g->error);
        if (rc == ERR_NOT_FOUND) /* without the path */
            (void)err_set(&g->error, rc, "fetch.absent", "there is no such file here");
        if (rc != 0)
            return;
        b = g->opened;
    }
    if (g->pull.head) {
        give_head(g, b);
    } else if (g->pull.chunk >= b->count) {
        (void)err_set(&g->error, ERR_NOT_FOUND, "fetch.no-chunk", "chunk %u of %u was asked for", g->pull.chunk,
                      b->count);
    } else {
        give_chunk(g, b);
    }
}

static void give_failed(struct give *g)
{
    struct fetches *f = g->f;
    bool is_absent = g->error.code == ERR_NOT_FOUND;
    if (!is_absent) {
        log_error("material", NULL, g->error.id, "a file cannot be given: %s", g->error.message);
        f->config.alarm(f->config.ctx, 0, g->error.id, g->error.message);
    }
    refuse(f, g->handle, is_absent ? WIRE_ERROR_NOT_FOUND : WIRE_ERROR_UNAVAILABLE,
           is_absent ? g->error.id : "fetch.unreadable", is_absent ? g->error.message : "the file cannot be read now");
}

static void give_done(void *ctx)
{
    struct give *g = ctx;
    struct fetches *f = g->f;
    struct served *s = g->s;
    f->work--;
    f->serving--;
    s->users--;
    if (g->opened != NULL && s->blob == NULL)
        s->blob = g->opened;
    else
        file_blob_close(g->opened); /* two opened it at once */
    if (g->error.code == 0 && f->link != NULL) {
        f->stats.chunks_out += !g->pull.head;
        f->stats.bytes_out += g->answer.size;
        link_reply_message(f->link, g->handle, &g->answer);
    } else if (f->link != NULL) {
        give_failed(g);
    }
    if (s->is_over || (s->blob == NULL && s->users == 0))
        served_close(f, s);
    link_message_destroy(g->ops, &g->answer);
    free(g);
}

static bool is_allowed(struct fetches *f, struct served *s, uint32_t peer)
{
    uint64_t now = clock_mono_ms();
    if (s->allowed_peer == peer && now - s->allowed_ms < ALLOWED_MS)
        return true;
    if (!f->config.may_have(f->config.ctx, peer, s->file))
        return false;
    s->allowed_peer = peer;
    s->allowed_ms = now;
    return true;
}

static void note_progress(struct fetches *f, uint32_t peer, const uint8_t file[FILE_ID_SIZE], uint32_t held)
{
    uint8_t key[FILE_ID_SIZE + 4];
    memcpy(key, file, FILE_ID_SIZE);
    put_be32(key + FILE_ID_SIZE, peer);
    uint32_t *value = map_get(&f->progress, key, sizeof key);
    if (value == NULL && f->progress.count < PROGRESS_MAX) { /* for people: what does not fit is not shown */
        value = xcalloc(1, sizeof *value);
        (void)map_put(&f->progress, key, sizeof key, value);
    }
    if (value != NULL)
        *value = held;
}

static void forget_progress(struct fetches *f, uint32_t peer, const uint8_t file[FILE_ID_SIZE])
{
    uint8_t key[FILE_ID_SIZE + 4];
    memcpy(key, file, FILE_ID_SIZE);
    put_be32(key + FILE_ID_SIZE, peer);
    free(map_remove(&f->progress, key, sizeof key));
}

static void give(struct fetches *f, uint32_t peer, uint64_t handle, const struct wire_file_pull *pull)
{
    if (f->serving >= FILE_SERVES_MAX) {
        refuse(f, handle, WIRE_ERROR_TOO_MANY, "fetch.busy", "too many chunks are being read");
        return;
    }
    struct served *s = get(f, pull->file);
    if (!is_allowed(f, s, peer)) {
        f->stats.refused++;
        if (s->users == 0)
            served_close(f, s);
        /* the same words whether there is such a file or not */
        refuse(f, handle, WIRE_ERROR_DENIED, "fetch.denied", "this node gives you no such file");
        return;
    }
    note_progress(f, peer, pull->file, pull->held);
    struct give *g = xcalloc(1, sizeof *g);
    *g = (struct give){
        .f = f, .s = s, .peer = peer, .handle = handle, .pull = *pull, .blob = s->blob, .ops = f->link->ops};
    s->users++;
    f->serving++;
    f->work++;
    loop_work(f->config.loop, give_work, give_done, g);
}

static void have(struct fetches *f, uint32_t peer, uint64_t handle, const struct wire_file_have *m)
{
    if (!f->config.may_have(f->config.ctx, peer, m->file)) {
        refuse(f, handle, WIRE_ERROR_DENIED, "fetch.denied", "this node gives you no such file");
        return;
    }
    if (m->all) {
        forget_progress(f, peer, m->file); /* its owner keeps that from now on */
        f->config.peer_has(f->config.ctx, peer, m->file);
    } else
        note_progress(f, peer, m->file, m->held);
    answer(f, handle, &(struct wire_msg){.type = WIRE_OK});
}

void fetches_serve(struct fetches *f, const struct link_event *event)
{
    struct arena mem = ARENA_INIT;
    struct wire_msg m;
    struct err e = {0};
    int rc = event->size > REQUEST_BYTES_MAX
                 ? err_set(&e, ERR_LIMIT, "fetch.request-size", "a request of %zu bytes, limit %u", event->size,
                           REQUEST_BYTES_MAX)
                 : wire_decode(bytes_of(event->data, event->size), &mem, &m, &e);
    if (rc != 0)
        refuse(f, event->handle, WIRE_ERROR_MALFORMED, e.id, e.message);
    else if (m.type == WIRE_FILE_PULL)
        give(f, event->peer, event->handle, &m.u.file_pull);
    else if (m.type == WIRE_FILE_HAVE)
        have(f, event->peer, event->handle, &m.u.file_have);
    else
        refuse(f, event->handle, WIRE_ERROR_MALFORMED, "fetch.not-a-request", "files are asked for here, nothing else");
    arena_close(&mem);
}
