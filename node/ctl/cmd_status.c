/* status, peer list. */
#include "node/ctl/cmd.h"

#include "node/base/xassert.h"

int cmd_status(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    int rc = cmd_get(c, "/v1/status", &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply)) {
        struct arena *mem = &c->mem;
        yyjson_val *o = reply.root;
        const struct output_pair pairs[] = {
            {"node", arena_printf(mem, "%s %s", output_text(mem, o, "code"), output_text(mem, o, "name"))},
            {"federation", output_field(mem, o, "federation")},
            {"ledger", output_field(mem, o, "origin")},
            {"entries", output_field(mem, o, "ledger_size")},
            {"cosigned", output_field(mem, o, "final_size")},
            {"cases", output_field(mem, o, "cases")},
            {"items", output_field(mem, o, "items")},
            {"peers", arena_printf(mem, "%s of %s connected", output_text(mem, o, "peers_connected"),
                                   output_text(mem, o, "peers"))},
            {"writer", output_field(mem, o, "writer")},
            {"alarms", output_field(mem, o, "alarms")},
            {"erasures open", output_field(mem, o, "erasures_open")},
            {"certificate until", output_time(mem, o, "certificate_not_after")},
            {"started", output_time(mem, o, "started")},
            {"version", output_field(mem, o, "version")},
        };
        output_pairs(mem, pairs, array_count(pairs), c->out);
    }
    client_reply_close(&reply);
    return rc;
}

/* "12345/20000", and while a long backlog is being taken "12345/1000000, 81 s left". */
static const char *held_text(struct arena *mem, yyjson_val *o)
{
    yyjson_val *behind = yyjson_obj_get(o, "catching_up");
    const char *held = arena_printf(mem, "%s/%s", output_text(mem, o, "held_size"), output_text(mem, o, "known_size"));
    return yyjson_is_obj(behind) ? arena_printf(mem, "%s, %s s left", held, output_text(mem, behind, "seconds_left"))
                                 : held;
}

int cmd_peer_list(struct ctl *c, struct err *e)
{
    static const char *const header[] = {"CODE",  "NAME",    "STATE", "SINCE", "HELD",
                                         "ACKED", "BACKLOG", "ITEMS", "REASON"};
    struct client_reply reply = {0};
    int rc = cmd_get(c, "/v1/peers", &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply)) {
        struct output_table t = output_table_open(&c->mem, header, array_count(header));
        yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(reply.root, "peers"));
        for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
            output_cell(&t, output_field(&c->mem, o, "code"));
            output_cell(&t, output_field(&c->mem, o, "name"));
            output_cell(&t, output_field(&c->mem, o, "state"));
            output_cell(&t, output_time(&c->mem, o, "since"));
            output_cell(&t, held_text(&c->mem, o));
            output_cell(&t, output_field(&c->mem, o, "acked_size"));
            output_cell(&t, output_field(&c->mem, o, "backlog"));
            output_cell(&t, output_field(&c->mem, o, "items"));
            output_cell(&t, output_field(&c->mem, o, "reason"));
        }
        output_table_print(&t, "no other nodes", c->out);
    }
    client_reply_close(&reply);
    return rc;
}
