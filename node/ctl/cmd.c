/* Shared by the cmd_*.c files (see cmd.h). */
#include "node/ctl/cmd.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

int cmd_get(struct ctl *c, const char *path, struct client_reply *ret, struct err *e)
{
    const struct client_request r = {.dir = c->dir, .method = "GET", .path = path};
    return client_ask(&r, ret, e);
}

bool cmd_print_json(struct ctl *c, const struct client_reply *reply)
{
    if (!c->json)
        return false;
    (void)fwrite(reply->text.data, 1, reply->text.size, c->out);
    fputc('\n', c->out);
    return true;
}

const char *cmd_case_path(struct ctl *c, const char *ref, const char *rest)
{
    struct buf url = {0};
    buf_put_string(&url, "/v1/cases/");
    client_put_encoded(&url, ref);
    buf_put_string(&url, rest);
    const char *path = arena_strdup(&c->mem, buf_cstr(&url));
    buf_close(&url);
    return path;
}

void cmd_put_param(struct buf *url, const char *name, const char *value)
{
    if (value == NULL)
        return;
    bool is_first = memchr(url->data, '?', url->size) == NULL;
    buf_printf(url, "%c%s=", is_first ? '?' : '&', name);
    client_put_encoded(url, value);
}

void cmd_print_pairs(struct ctl *c, const struct output_pair *pairs, size_t count)
{
    if (c->json)
        output_pairs_json(pairs, count, c->out);
    else
        output_pairs(&c->mem, pairs, count, c->out);
}

void cmd_pause(uint32_t ms)
{
    (void)poll(NULL, 0, (int)ms); /* the command line has no loop whose timer could be used */
}

void cmd_print_pretty(struct ctl *c, yyjson_val *value)
{
    /* yyjson escapes control characters: nothing in it can move the cursor */
    char *text = yyjson_val_write(value, YYJSON_WRITE_PRETTY_TWO_SPACES, NULL);
    fprintf(c->out, "%s\n", text != NULL ? text : "");
    free(text);
}
