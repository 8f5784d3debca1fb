/* Backups on a worker (see app.h, store_backup()). One at a time; ended early when the node stops. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/app_internal.h"
#include "node/base/clock.h"
#include "node/base/xassert.h"

struct backup {
    struct app *app;
    char dir[4096];
    bool keys;
    struct app_backup_result result;
    struct err error;
    app_backup_cb cb;
    void *ctx;
};

static int progress(void *ctx, uint64_t done, uint64_t all)
{
    const struct backup *b = ctx;
    (void)done;
    (void)all;
    return atomic_load(&b->app->verify_cancel) ? 1 : 0;
}

static void backup_run(void *ctx)
{
    struct backup *b = ctx;
    struct store_backup_result r = {0};
    uint64_t start = clock_mono_ms();
    if (b->error.code == 0 && store_backup(b->dir, b->keys, b->result.path, progress, b, &r, &b->error) == 0) {
        b->result.bytes = r.bytes;
        b->result.ledger_size = r.ledger_size;
    }
    b->result.elapsed_ms = clock_mono_ms() - start;
}

static void backup_done(void *ctx)
{
    struct backup *b = ctx;
    b->app->backing_up--;
    if (b->error.code == 0)
        log_info("backup", NULL, "backup.done", "%s copied: %llu bytes, %llu own entries, %llu ms",
                 b->keys ? "keys.db" : "ledger.db", (unsigned long long)b->result.bytes,
                 (unsigned long long)b->result.ledger_size, (unsigned long long)b->result.elapsed_ms);
    else
        log_warn("backup", NULL, b->error.id, "no backup: %s", b->error.message);
    b->cb(b->ctx, &b->result, &b->error);
    free(b);
}

/* Not beside the databases: a file of the wrong name there would be taken for a part of them. */
static int check_path(const char *path, const char *dir, struct err *e)
{
    const struct app_backup_result *r = NULL;
    char folder[PATH_MAX], resolved[PATH_MAX], own[PATH_MAX];
    if (path[0] != '/' || strlen(path) >= sizeof r->path)
        return err_set(e, ERR_INVALID, "backup.path", "'%.100s' is not an absolute path of at most %zu bytes", path,
                       sizeof r->path - 1);
    (void)snprintf(folder, sizeof folder, "%s", path);
    *(strrchr(folder, '/') + 1) = '\0';
    if (realpath(folder, resolved) != NULL && realpath(dir, own) != NULL && strcmp(resolved, own) == 0)
        return err_set(e, ERR_INVALID, "backup.path",
                       "'%.100s' is in the node's own folder: a backup belongs elsewhere", path);
    return 0;
}

void app_backup(struct app *a, const char *path, bool keys, app_backup_cb cb, void *ctx)
{
    struct backup *b = xcalloc(1, sizeof *b);
    b->app = a;
    b->keys = keys;
    b->cb = cb;
    b->ctx = ctx;
    (void)snprintf(b->dir, sizeof b->dir, "%s", a->config->dir);
    if (check_path(path, a->config->dir, &b->error) == 0 && a->backing_up > 0)
        (void)err_set(&b->error, ERR_BUSY, "backup.running", "a backup is running already");
    (void)snprintf(b->result.path, sizeof b->result.path, "%s", path);
    a->backing_up++;
    loop_work(a->loop, backup_run, backup_done, b);
}

bool app_is_backing_up(const struct app *a)
{
    return a->backing_up > 0;
}
