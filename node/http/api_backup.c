/* POST /v1/backup: a copy of ledger.db or keys.db while the node works. Failure modes: the app refuses (a file of that name, no
 * such folder, another backup under way, disk full) and leaves no half file. */
#include "node/http/api.h"

#include "node/base/xassert.h"

#define PATH_BYTES_MAX 511

static void backup_cb(void *ctx, const struct app_backup_result *result, const struct err *e)
{
    struct request *r = ctx;
    if (e->code != 0) {
        request_reply_error(r, e);
    } else {
        struct json_out out = json_out_open(&r->mem);
        json_put_string(&out, out.root, "path", arena_strdup(&r->mem, result->path));
        json_put_u64(&out, out.root, "bytes", result->bytes);
        json_put_u64(&out, out.root, "ledger_size", result->ledger_size);
        json_put_u64(&out, out.root, "elapsed_ms", result->elapsed_ms);
        request_reply_json(r, 201, &out);
    }
    request_finish(r);
}

int api_post_backup(struct request *r, struct err *e)
{
    static const char *const fields[] = {"path", "keys"};
    struct json_object o;
    const char *path = NULL;
    bool keys = false;
    int rc = request_json(r, &o, e);
    if (rc == 0)
        rc = json_check_fields(&o, fields, array_count(fields), e);
    if (rc == 0)
        rc = json_get_string(&o, "path", true, PATH_BYTES_MAX, &path, e);
    if (rc == 0)
        rc = json_get_bool(&o, "keys", &keys, e);
    if (rc != 0)
        return rc;
    request_wait(r);
    app_backup(r->app, path, keys, backup_cb, r);
    return 0;
}
