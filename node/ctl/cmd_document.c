/* case document: the page of an act, from the node to standard output. */
#include "node/ctl/cmd.h"

#include "node/base/xassert.h"

int cmd_case_document(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    struct buf url = {0};
    uint64_t wait_s = 0;
    int rc = ctl_option_u64(c, "--wait", 1, 60, &wait_s, e);
    buf_put_string(&url, cmd_case_path(c, c->args[0], "/document"));
    cmd_put_param(&url, "act", ctl_option(c, "--act"));
    cmd_put_param(&url, "purpose", ctl_option(c, "--purpose"));
    if (wait_s > 0)
        cmd_put_param(&url, "wait_ms", arena_printf(&c->mem, "%llu", (unsigned long long)(wait_s * 1000)));
    if (rc == 0)
        rc = cmd_get(c, buf_cstr(&url), &reply, e);
    if (rc == 0)
        (void)fwrite(reply.text.data, 1, reply.text.size, c->out); /* ctl_main() checks the stream */
    client_reply_close(&reply);
    buf_close(&url);
    return rc;
}
