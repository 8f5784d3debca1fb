/* A pass over a file's content (see file_pass.h).
 *
 * Happy path: worker reads a chunk -> the scanner is fed -> … -> its input is closed -> it ends -> cb.
 * Failure modes: a chunk that cannot be read or a stop ends the scanner with SIGKILL; a scanner that takes the content for harmful, or
 * ends early, is fed no more. Without a scanner a worker reads several chunks in one go.
 */
#include "node/file_pass.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/base/xassert.h"

#define CHUNKS_AT_ONCE 16u /* when nobody is fed */

struct file_pass {
    struct file_pass_config config;
    file_pass_cb cb;
    void *ctx;
    struct err error;
    uint32_t index;          /* of the chunk that is next */
    unsigned chunks;         /* of the next turn of the worker */
    bool is_stopped, is_fed; /* is_fed: nothing more comes for the scanner */
    uint8_t *sealed, *plain; /* one chunk */
    size_t plain_size;
    struct crypto_sha256 *hash;
    struct file_scan *scan;
    struct file_pass_result result;
    char why[160];
};

static void next(struct file_pass *p);

static bool read_chunk(struct file_pass *p)
{
    const struct file_blob *b = p->config.blob;
    size_t size = file_chunk_sealed_size(b->size, p->index);
    if (file_blob_get(b, p->index, p->sealed, &p->error) != 0)
        return false;
    if (!file_chunk_open(p->config.key, b->size, p->index, bytes_of(p->sealed, size), p->plain)) {
        (void)err_set(&p->error, ERR_CORRUPT, "file.chunk-sealed", "chunk %u cannot be opened with the file's key",
                      p->index);
        return false;
    }
    p->plain_size = file_chunk_size(b->size, p->index);
    crypto_sha256_update(p->hash, p->plain, p->plain_size);
    file_type_probe(&p->result.probe, bytes_of(p->plain, p->plain_size));
    p->index++;
    return true;
}

static void read_work(void *ctx)
{
    struct file_pass *p = ctx;
    for (unsigned i = 0; i < p->chunks && p->index < p->config.blob->count; i++)
        if (!read_chunk(p))
            break;
}

static void fed(void *ctx)
{
    next(ctx);
}

static void read_done(void *ctx)
{
    struct file_pass *p = ctx;
    if (p->scan != NULL && p->error.code == 0)
        file_scan_feed(p->scan, p->plain, p->plain_size, fed);
    else
        next(p);
}

static void read_on(struct file_pass *p)
{
    p->chunks = p->scan != NULL ? 1 : CHUNKS_AT_ONCE; /* here: the scanner may end while the worker reads */
    loop_work(p->config.loop, read_work, read_done, p);
}

static void end(struct file_pass *p)
{
    if (p->error.code == 0)
        crypto_sha256_digest(p->hash, p->result.sha256);
    p->result.why = p->why;
    p->cb(p->ctx, &p->result, &p->error);
    crypto_wipe(p->plain, FILE_CHUNK_BYTES);
    crypto_sha256_destroy(p->hash);
    free(p->plain);
    free(p->sealed);
    free(p);
}

static void next(struct file_pass *p)
{
    if (p->error.code == 0 && p->is_stopped)
        (void)err_set(&p->error, ERR_CLOSED, "material.closing", "the node is stopping");
    bool is_over = p->error.code != 0 || p->result.scan == APP_SCAN_INFECTED || p->index == p->config.blob->count;
    if (!is_over) {
        read_on(p);
    } else if (p->scan != NULL) { /* scan_done() goes on */
        p->is_fed = true;
        if (p->error.code != 0)
            file_scan_kill(p->scan);
        else
            file_scan_end(p->scan);
    } else {
        end(p);
    }
}

static void scan_done(void *ctx, enum app_scan result, const char *why)
{
    struct file_pass *p = ctx;
    p->scan = NULL;
    p->result.scan = result;
    (void)snprintf(p->why, sizeof p->why, "%s", why);
    if (p->is_fed) /* else a worker or a feed is under way, and ends in next() */
        next(p);
}

struct file_pass *file_pass_start(const struct file_pass_config *config, file_pass_cb cb, void *ctx)
{
    struct file_pass *p = xcalloc(1, sizeof *p);
    p->config = *config;
    p->cb = cb;
    p->ctx = ctx;
    p->sealed = xmalloc(FILE_SEALED_BYTES_MAX);
    p->plain = xmalloc(FILE_CHUNK_BYTES);
    p->hash = crypto_sha256_create();
    p->result.scan = APP_SCAN_OFF;
    if (config->scanner != NULL)
        p->scan = file_scan_start(config->loop, config->scanner, config->scanner_ms, scan_done, p);
    read_on(p);
    return p;
}

void file_pass_stop(struct file_pass *p)
{
    p->is_stopped = true;
    if (p->scan != NULL)
        file_scan_kill(p->scan);
}
