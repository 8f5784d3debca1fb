/* ledger tile, witnesses, evidence; alarm list: what others can check, and what the operator must look at. */
#include "node/ctl/cmd.h"

#include <string.h>

#include "federation/ledger/tiles.h"
#include "node/base/xassert.h"

/* ---- tiles ---- */

/* "/v1/ledger/tile/…" of the arguments LEVEL and NUMBER; the path's form is the one of tlog-tiles. */
static int tile_path(struct ctl *c, char *out, size_t size, struct err *e)
{
    static const char prefix[] = "tile/0";
    char path[TILES_PATH_SIZE];
    uint64_t level = 0, number = 0, width = TILES_WIDTH;
    bool is_entries = strcmp(c->args[0], "entries") == 0;
    if (!is_entries && (decimal_parse(bytes_of_string(c->args[0]), &level) != 0 || level >= TILES_LEVEL_COUNT))
        return err_set(e, ERR_INVALID, "ctl.tile", "'%.32s' is no level of tiles: 0 to %u, or entries", c->args[0],
                       TILES_LEVEL_COUNT - 1);
    if (decimal_parse(bytes_of_string(c->args[1]), &number) != 0 || number > TILES_INDEX_MAX)
        return err_set(e, ERR_INVALID, "ctl.tile", "'%.32s' is no number of a tile", c->args[1]);
    int rc = ctl_option_u64(c, "--width", 1, TILES_WIDTH, &width, e);
    if (rc != 0)
        return rc;
    tiles_format_path((unsigned)level, number, (unsigned)width, path);
    if (is_entries)
        (void)snprintf(out, size, "/v1/ledger/tile/entries%s", path + sizeof prefix - 1);
    else
        (void)snprintf(out, size, "/v1/ledger/%s", path);
    return 0;
}

int cmd_ledger_tile(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    char path[TILES_PATH_SIZE + 32];
    int rc = tile_path(c, path, sizeof path, e);
    if (rc == 0)
        rc = cmd_get(c, path, &reply, e);
    if (rc == 0 && c->json) {
        char *text = arena_alloc(&c->mem, base64_encoded_size(reply.text.size) + 1);
        base64_encode(reply.text.data, reply.text.size, text);
        const struct output_pair pair = {"tile", text};
        output_pairs_json(&pair, 1, c->out);
    } else if (rc == 0) {
        (void)fwrite(reply.text.data, 1, reply.text.size, c->out); /* hashes or entries, byte for byte */
    }
    client_reply_close(&reply);
    return rc;
}

/* ---- witnesses ---- */

int cmd_ledger_witnesses(struct ctl *c, struct err *e)
{
    static const char *const header[] = {"CODE", "NAME", "UP", "COSIGNED", "AT", "LAST ERROR"};
    struct client_reply reply = {0};
    int rc = cmd_get(c, "/v1/ledger/witnesses", &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply)) {
        struct output_table t = output_table_open(&c->mem, header, array_count(header));
        yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(reply.root, "witnesses"));
        for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
            output_cell(&t, output_field(&c->mem, o, "code"));
            output_cell(&t, output_field(&c->mem, o, "name"));
            output_cell(&t, output_field(&c->mem, o, "up"));
            output_cell(&t, output_field(&c->mem, o, "size"));
            output_cell(&t, output_time(&c->mem, o, "cosigned"));
            output_cell(&t, output_field(&c->mem, o, "last_error"));
        }
        output_table_print(&t, "nobody cosigns this ledger", c->out);
        fprintf(c->out, "final (终局, cosigned by a quorum): %s entries\n",
                output_text(&c->mem, reply.root, "final_size"));
    }
    client_reply_close(&reply);
    return rc;
}

/* ---- evidence ---- */

/* The evidence itself, against the node of --raw: to be kept and shown to others. */
static int print_raw(struct ctl *c, yyjson_val *list, uint64_t accused, struct err *e)
{
    yyjson_arr_iter it = yyjson_arr_iter_with(list);
    for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
        yyjson_val *text = yyjson_obj_get(o, "evidence");
        if (yyjson_get_uint(yyjson_obj_get(o, "accused")) != accused || !yyjson_is_str(text))
            continue;
        size_t size = 0, room = yyjson_get_len(text);
        uint8_t *data = arena_alloc(&c->mem, room + 1);
        if (base64_decode(yyjson_get_str(text), yyjson_get_len(text), data, room, &size) != 0)
            return err_set(e, ERR_IO, "ctl.reply", "the node's answer is no base64");
        (void)fwrite(data, 1, size, c->out);
        return 0;
    }
    return err_set(e, ERR_NOT_FOUND, "ctl.no-evidence", "no evidence against node %llu is held here",
                   (unsigned long long)accused);
}

static void print_evidence(struct ctl *c, yyjson_val *list)
{
    static const char *const header[] = {"ACCUSED", "NAME", "DISPUTED FROM", "LEDGER", "INDEX"};
    struct output_table t = output_table_open(&c->mem, header, array_count(header));
    yyjson_arr_iter it = yyjson_arr_iter_with(list);
    for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
        output_cell(&t, output_field(&c->mem, o, "accused"));
        output_cell(&t, output_field(&c->mem, o, "accused_name"));
        output_cell(&t, output_field(&c->mem, o, "common_size"));
        output_cell(&t, output_field(&c->mem, o, "origin"));
        output_cell(&t, output_field(&c->mem, o, "index"));
    }
    output_table_print(&t, "no node has signed two histories", c->out);
}

int cmd_ledger_evidence(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    uint64_t accused = 0;
    int rc = ctl_option_u64(c, "--raw", 100000, 999999, &accused, e);
    if (rc == 0 && accused != 0 && c->json)
        rc = err_set(e, ERR_INVALID, "ctl.option-conflict", "--raw gives bytes, it cannot stand beside --json");
    if (rc == 0)
        rc = cmd_get(c, "/v1/ledger/evidence", &reply, e);
    yyjson_val *list = yyjson_obj_get(reply.root, "evidence");
    if (rc == 0 && accused != 0)
        rc = print_raw(c, list, accused, e);
    else if (rc == 0 && !cmd_print_json(c, &reply))
        print_evidence(c, list);
    client_reply_close(&reply);
    return rc;
}

/* ---- alarms ---- */

int cmd_alarm_list(struct ctl *c, struct err *e)
{
    static const char *const header[] = {"LAST", "COUNT", "ABOUT", "NAME", "ID", "TEXT"};
    struct client_reply reply = {0};
    int rc = cmd_get(c, "/v1/alarms", &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply)) {
        struct output_table t = output_table_open(&c->mem, header, array_count(header));
        yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(reply.root, "alarms"));
        for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
            bool is_own = yyjson_get_uint(yyjson_obj_get(o, "about")) == 0;
            output_cell(&t, output_time(&c->mem, o, "last"));
            output_cell(&t, output_field(&c->mem, o, "count"));
            output_cell(&t, is_own ? "own" : output_field(&c->mem, o, "about"));
            output_cell(&t, output_field(&c->mem, o, "about_name"));
            output_cell(&t, output_field(&c->mem, o, "id"));
            output_cell(&t, output_field(&c->mem, o, "text"));
        }
        output_table_print(&t, "no alarms since the start", c->out);
    }
    client_reply_close(&reply);
    return rc;
}
