/* backup: a copy of the node's ledger.db or keys.db while it works. */
#include "node/ctl/cmd.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/base/xassert.h"

#define BACKUP_MS_MAX (6u * 3600 * 1000) /* a large ledger on a slow disk */

int cmd_backup(struct ctl *c, struct err *e)
{
    const char *out = ctl_option(c, "--out");
    struct client_reply reply = {0};
    char folder[PATH_MAX] = "";
    if (out[0] != '/' && getcwd(folder, sizeof folder) == NULL)
        return err_set_errno(e, ERR_IO, "ctl.folder", errno, "the current folder has no name");
    const char *path = out[0] == '/' ? out : arena_printf(&c->mem, "%s/%s", folder, out);
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    xassert(doc != NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    (void)yyjson_mut_obj_add_str(doc, root, "path", path);
    (void)yyjson_mut_obj_add_bool(doc, root, "keys", ctl_option(c, "--keys") != NULL);
    size_t size = 0;
    char *body = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, &size);
    const struct client_request r = {.dir = c->dir,
                                     .method = "POST",
                                     .path = "/v1/backup",
                                     .body = bytes_of(body, size),
                                     .timeout_ms = BACKUP_MS_MAX};
    int rc =
        body != NULL ? client_ask(&r, &reply, e) : err_set(e, ERR_INVALID, "ctl.text", "an argument is not UTF-8 text");
    if (rc == 0 && !cmd_print_json(c, &reply)) {
        yyjson_val *o = reply.root;
        bool keys = ctl_option(c, "--keys") != NULL;
        const struct output_pair pairs[] = {
            {"copy of", keys ? "keys.db" : "ledger.db"},
            {"written", output_field(&c->mem, o, "path")},
            {"bytes", output_field(&c->mem, o, "bytes")},
            {"own entries", keys ? NULL : output_field(&c->mem, o, "ledger_size")},
            {"took", arena_printf(&c->mem, "%s ms", output_text(&c->mem, o, "elapsed_ms"))},
        };
        output_pairs(&c->mem, pairs, array_count(pairs), c->out);
    }
    free(body);
    yyjson_mut_doc_free(doc);
    client_reply_close(&reply);
    return rc;
}
