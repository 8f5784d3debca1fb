/* receipt get: the receipt of an act of a case, from the node, into a file for the applicant. */
#include "node/ctl/cmd.h"

#include <string.h>

#include "node/base/file.h"
#include "node/base/xassert.h"

#define WAIT_S_DEFAULT 10
#define WAIT_S_MAX 60

static const char *receipt_path(struct ctl *c, const char *form, uint64_t wait_s)
{
    struct buf url = {0};
    buf_put_string(&url, cmd_case_path(c, c->args[0], "/receipt"));
    cmd_put_param(&url, "act", ctl_option(c, "--act"));
    cmd_put_param(&url, "form", form);
    cmd_put_param(&url, "wait_ms", arena_printf(&c->mem, "%llu", (unsigned long long)wait_s * 1000));
    const char *path = arena_strdup(&c->mem, buf_cstr(&url));
    buf_close(&url);
    return path;
}

/* Never over a file that is there: it may be somebody's receipt. */
static int write_out(struct ctl *c, const char *path, struct bytes content, struct err *e)
{
    if (path == NULL || strcmp(path, "-") == 0) {
        (void)fwrite(content.data, 1, content.size, c->out); /* ctl_main() asks ferror() */
        return 0;
    }
    return file_write(path, content, 0644, true, e);
}

static void print_state(struct ctl *c, yyjson_val *o, const char *path)
{
    struct arena *mem = &c->mem;
    const struct output_pair pairs[] = {
        {"case", output_field(mem, o, "case")},
        {"act", output_field(mem, o, "act")},
        {"entry", arena_printf(mem, "%s %s", output_text(mem, o, "origin"), output_text(mem, o, "index"))},
        {"cosigned", arena_printf(mem, "%s; %s of %s needed", output_text(mem, o, "cosigned"),
                                  output_text(mem, o, "needed"), output_text(mem, o, "of"))},
        {"final", yyjson_get_bool(yyjson_obj_get(o, "final")) ? "yes" : "no"},
        {"written", path},
    };
    output_pairs(mem, pairs, array_count(pairs), c->out);
}

int cmd_receipt_get(struct ctl *c, struct err *e)
{
    const char *form = ctl_option(c, "--as"), *path = ctl_option(c, "--out");
    struct client_reply state = {0}, file = {0};
    uint64_t wait_s = WAIT_S_DEFAULT;
    form = form != NULL ? form : "text";
    int rc = ctl_option_u64(c, "--wait", 0, WAIT_S_MAX, &wait_s, e);
    if (rc == 0)
        rc = cmd_get(c, receipt_path(c, "json", wait_s), &state, e);
    if (rc == 0 && !c->json) /* what is final stays so: this one is at least as good */
        rc = cmd_get(c, receipt_path(c, form, 0), &file, e);
    if (rc == 0 && !cmd_print_json(c, &state)) {
        rc = write_out(c, path, buf_bytes(&file.text), e);
        if (rc == 0 && path != NULL && strcmp(path, "-") != 0)
            print_state(c, state.root, path);
    }
    if (rc == 0 && !yyjson_get_bool(yyjson_obj_get(state.root, "final"))) {
        rc = err_set(e, ERR_TIMEOUT, "ctl.not-final",
                     "the receipt is given, but not enough witnesses have signed yet: it is not proven so far");
        err_hint(e, "ask again later; 'tongban peer list' shows who is away");
    }
    client_reply_close(&state);
    client_reply_close(&file);
    return rc;
}
