/* status (and its --health), peer list. */
#include "node/ctl/cmd.h"

#include "node/base/xassert.h"

/* Shorter than what supervisors wait for a check (docker/Dockerfile): its end says why, being killed does not. */
#define HEALTH_TIMEOUT_MS 5000u

/* For supervisors: ends well only while the node can take something in. */
static int check_health(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    const struct client_request r = {
        .dir = c->dir, .method = "GET", .path = "/healthz", .timeout_ms = HEALTH_TIMEOUT_MS};
    int rc = client_ask(&r, &reply, e);
    const char *writer = yyjson_get_str(yyjson_obj_get(reply.root, "writer"));
    if (rc != 0 && writer != NULL) { /* the 503 of /healthz is no error body: it says how the node is */
        rc = err_set(e, ERR_BUSY, "ctl.not-healthy", "the node takes nothing in: %s", writer);
        err_hint(e,
                 "it still answers what it is asked and goes on by itself as soon as it can: a restart does not help");
    }
    if (rc == ERR_TIMEOUT)
        err_hint(e, "it is paused, or a disk of it stands still");
    if ((rc == 0 || writer != NULL) && !cmd_print_json(c, &reply) && rc == 0)
        fprintf(c->out, "%s\n", output_text(&c->mem, reply.root, "status"));
    client_reply_close(&reply);
    return rc;
}

int cmd_status(struct ctl *c, struct err *e)
{
    if (ctl_option(c, "--health") != NULL)
        return check_health(c, e);
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
