/* case list, show, payload, watch. */
#include "node/ctl/cmd.h"

#include <inttypes.h>
#include <string.h>

#include "node/base/limits.h"
#include "node/base/xassert.h"

#define WATCH_POLL_MS 30000 /* one long poll; the next follows at once */

static const char *state_text(struct arena *mem, yyjson_val *o)
{
    return arena_printf(mem, "%s %s", output_text(mem, o, "status"), output_text(mem, o, "status_chinese"));
}

/* "decide 决定 2026-12-25 green, 20 days left"; NULL when nothing is due. */
static const char *due_text(struct arena *mem, yyjson_val *due, bool whole)
{
    if (!yyjson_is_obj(due))
        return NULL;
    const char *mark = yyjson_get_bool(yyjson_obj_get(due, "provisional")) ? " (provisional 暂定)" : "";
    if (!whole)
        return arena_printf(mem, "%s %s%s", output_text(mem, due, "due"), output_text(mem, due, "colour"), mark);
    return arena_printf(mem, "%s %s %s %s%s, %s %s days left", output_text(mem, due, "kind"),
                        output_text(mem, due, "chinese"), output_text(mem, due, "due"), output_text(mem, due, "colour"),
                        mark, output_text(mem, due, "days_left"), output_text(mem, due, "unit"));
}

static void print_cases(struct ctl *c, yyjson_val *root)
{
    static const char *const header[] = {"CASE", "NUMBER", "STATE", "ITEM", "FROM", "BY", "DUE", "UPDATED"};
    struct output_table t = output_table_open(&c->mem, header, array_count(header));
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(root, "cases"));
    for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
        output_cell(&t, arena_printf(&c->mem, "%.*s", CMD_CASE_ID_DIGITS, output_text(&c->mem, o, "case")));
        output_cell(&t, output_field(&c->mem, o, "number"));
        output_cell(&t, state_text(&c->mem, o));
        output_cell(&t, output_field(&c->mem, o, "item_name"));
        output_cell(&t, output_field(&c->mem, o, "receiving"));
        output_cell(&t, output_field(&c->mem, o, "lead"));
        output_cell(&t, due_text(&c->mem, yyjson_obj_get(o, "due"), false));
        output_cell(&t, output_time(&c->mem, o, "updated"));
    }
    output_table_print(&t, "no cases", c->out);
    const char *next = output_field(&c->mem, root, "next");
    if (next != NULL)
        fprintf(c->out, "more: --before %s\n", next);
}

int cmd_case_list(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    struct buf url = {0};
    uint64_t n = 0;
    int rc = ctl_option_u64(c, "--limit", 1, LIST_ROWS_MAX, &n, e);
    if (rc == 0)
        rc = ctl_option_u64(c, "--before", 1, UINT64_MAX, &n, e);
    buf_put_string(&url, "/v1/cases");
    cmd_put_param(&url, "status", ctl_option(c, "--status"));
    cmd_put_param(&url, "role", ctl_option(c, "--role"));
    cmd_put_param(&url, "item", ctl_option(c, "--item"));
    cmd_put_param(&url, "overdue", ctl_option(c, "--overdue") != NULL ? "true" : NULL);
    cmd_put_param(&url, "limit", ctl_option(c, "--limit"));
    cmd_put_param(&url, "before", ctl_option(c, "--before"));
    if (rc == 0)
        rc = cmd_get(c, buf_cstr(&url), &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply))
        print_cases(c, reply.root);
    client_reply_close(&reply);
    buf_close(&url);
    return rc;
}

static void print_events(struct ctl *c, yyjson_val *root)
{
    static const char *const header[] = {"WRITTEN", "BY", "ENTRY", "EVENT", "EFFECT", "FINAL", "EXPLANATION"};
    struct output_table t = output_table_open(&c->mem, header, array_count(header));
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(root, "events"));
    for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
        output_cell(&t, output_time(&c->mem, o, "written"));
        output_cell(&t, output_field(&c->mem, o, "origin"));
        output_cell(&t, output_field(&c->mem, o, "index"));
        output_cell(
            &t, arena_printf(&c->mem, "%s %s", output_text(&c->mem, o, "type"), output_text(&c->mem, o, "chinese")));
        output_cell(&t, output_field(&c->mem, o, "effect"));
        output_cell(&t, output_field(&c->mem, o, "sequenced"));
        output_cell(&t, output_field(&c->mem, o, "explanation"));
    }
    output_table_print(&t, "no events", c->out);
}

/* "identity_checked, form_checked"; NULL when the list is empty. */
static const char *joined(struct arena *mem, yyjson_val *list)
{
    const char *text = NULL;
    yyjson_arr_iter it = yyjson_arr_iter_with(list);
    for (yyjson_val *v = yyjson_arr_iter_next(&it); v != NULL; v = yyjson_arr_iter_next(&it)) {
        const char *word = yyjson_is_str(v) ? yyjson_get_str(v) : "-";
        text = text == NULL ? word : arena_printf(mem, "%s, %s", text, word);
    }
    return text;
}

/* "receiving 5, deciding -"; NULL when neither side was evaluated. */
static const char *grades_text(struct arena *mem, yyjson_val *grades)
{
    bool any = output_field(mem, grades, "receiving") != NULL || output_field(mem, grades, "deciding") != NULL;
    return !any ? NULL
                : arena_printf(mem, "receiving %s, deciding %s (好差评, of 5)", output_text(mem, grades, "receiving"),
                               output_text(mem, grades, "deciding"));
}

static bool is_any_provisional(yyjson_val *root)
{
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(root, "deadlines"));
    for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it))
        if (yyjson_get_bool(yyjson_obj_get(o, "provisional")))
            return true;
    return false;
}

/* Each deadline that began, met or open. */
static void print_deadlines(struct ctl *c, yyjson_val *root)
{
    static const char *const header[] = {"DEADLINE", "DAYS", "FROM", "DUE", "COLOUR", "LEFT", "MET", "SOURCE"};
    struct output_table t = output_table_open(&c->mem, header, array_count(header));
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(root, "deadlines"));
    for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
        bool is_provisional = yyjson_get_bool(yyjson_obj_get(o, "provisional")),
             is_stopped = yyjson_get_bool(yyjson_obj_get(o, "stopped")),
             is_open = !is_stopped && output_field(&c->mem, o, "met") == NULL;
        output_cell(
            &t, arena_printf(&c->mem, "%s %s", output_text(&c->mem, o, "kind"), output_text(&c->mem, o, "chinese")));
        output_cell(&t,
                    arena_printf(&c->mem, "%s %s", output_text(&c->mem, o, "days"), output_text(&c->mem, o, "unit")));
        output_cell(&t, output_field(&c->mem, o, "from"));
        output_cell(&t, is_stopped ? "stands still"
                                   : arena_printf(&c->mem, "%s%s", output_text(&c->mem, o, "due"),
                                                  is_provisional ? " 暂定" : ""));
        output_cell(&t, output_field(&c->mem, o, "colour"));
        output_cell(&t, is_open ? output_field(&c->mem, o, "days_left") : NULL);
        output_cell(&t, output_field(&c->mem, o, "met"));
        output_cell(&t, output_field(&c->mem, o, "source"));
    }
    output_table_print(&t, "no deadlines", c->out);
}

/* Who held the case since when (转办); the last one holds it now. */
static void print_custody(struct ctl *c, yyjson_val *root)
{
    static const char *const header[] = {"HOLDER", "SINCE", "BY"};
    struct output_table t = output_table_open(&c->mem, header, array_count(header));
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(root, "custody"));
    for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
        output_cell(&t, output_field(&c->mem, o, "node"));
        output_cell(&t, output_time(&c->mem, o, "since"));
        output_cell(&t,
                    arena_printf(&c->mem, "%s %s", output_text(&c->mem, o, "by"), output_text(&c->mem, o, "chinese")));
    }
    output_table_print(&t, "no holder", c->out);
}

/* Nothing for a case without parts, as most are. */
static void print_parts(struct ctl *c, yyjson_val *root)
{
    static const char *const header[] = {"PART", "DECISION", "STATE"};
    struct output_table t = output_table_open(&c->mem, header, array_count(header));
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(root, "parts"));
    for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
        const char *decision = output_field(&c->mem, o, "decision");
        output_cell(&t, output_field(&c->mem, o, "case"));
        output_cell(&t, decision != NULL ? decision : "open");
        output_cell(&t, output_field(&c->mem, o, "status"));
    }
    if (t.cell_count == 0)
        return;
    output_table_print(&t, "", c->out);
    yyjson_val *p = yyjson_obj_get(root, "progress");
    fprintf(c->out, "\n%s (%s): %s open, %s granted, %s denied, %s lapsed\n\n", output_text(&c->mem, p, "state"),
            output_text(&c->mem, p, "chinese"), output_text(&c->mem, p, "open"), output_text(&c->mem, p, "granted"),
            output_text(&c->mem, p, "denied"), output_text(&c->mem, p, "lapsed"));
}

/* 容缺受理: which materials are still to come, unless none is named. */
static void print_lacking(struct ctl *c, yyjson_val *root)
{
    static const char *const header[] = {"LACKING", "NAME", "FORM", "DAYS", "DUE"};
    struct output_table t = output_table_open(&c->mem, header, array_count(header));
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(root, "lacking"));
    for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
        output_cell(&t, output_field(&c->mem, o, "code"));
        output_cell(&t, output_field(&c->mem, o, "name"));
        output_cell(&t, output_field(&c->mem, o, "form"));
        output_cell(&t, output_field(&c->mem, o, "days"));
        output_cell(&t, output_field(&c->mem, o, "due"));
    }
    if (t.cell_count == 0)
        return;
    output_table_print(&t, "", c->out);
    fputc('\n', c->out);
}

int cmd_case_show(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    struct buf url = {0};
    buf_put_string(&url, cmd_case_path(c, c->args[0], ""));
    cmd_put_param(&url, "last", ctl_option(c, "--last"));
    int rc = cmd_get(c, buf_cstr(&url), &reply, e);
    buf_close(&url);
    if (rc == 0 && !cmd_print_json(c, &reply)) {
        struct arena *mem = &c->mem;
        yyjson_val *o = reply.root;
        bool contested = yyjson_get_bool(yyjson_obj_get(o, "contested")),
             frozen = yyjson_get_bool(yyjson_obj_get(o, "frozen"));
        const struct output_pair pairs[] = {
            {"case", output_field(mem, o, "case")},
            {"number", output_field(mem, o, "number")},
            {"item", arena_printf(mem, "%s %s", output_text(mem, o, "item_code"), output_text(mem, o, "item_name"))},
            {"state", arena_printf(mem, "%s (%s)", state_text(mem, o), output_text(mem, o, "level"))},
            {"attention", frozen      ? "frozen: its lead contradicted itself"
                          : contested ? "contested"
                                      : NULL},
            {"received by", output_field(mem, o, "receiving")},
            {"decided by", output_field(mem, o, "lead")},
            {"division", output_field(mem, o, "division")},
            {"part of", output_field(mem, o, "parent")},
            {"flags", joined(mem, yyjson_obj_get(o, "flags"))},
            {"grades", grades_text(mem, yyjson_obj_get(o, "grades"))},
            {"due", due_text(mem, yyjson_obj_get(o, "due"), true)},
            {"created", output_time(mem, o, "created")},
            {"updated", output_time(mem, o, "updated")},
            {"digest", output_field(mem, o, "digest")},
        };
        output_pairs(mem, pairs, array_count(pairs), c->out);
        yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(o, "warnings"));
        for (yyjson_val *w = yyjson_arr_iter_next(&it); w != NULL; w = yyjson_arr_iter_next(&it))
            fprintf(c->out, "warning: %s\n", output_clean(mem, yyjson_is_str(w) ? yyjson_get_str(w) : ""));
        if (is_any_provisional(o))
            fputs("provisional: a day marked 暂定 counts by weekends through a year whose holidays are not published "
                  "yet; "
                  "it moves when they are (tongban calendar import)\n",
                  c->out);
        fputc('\n', c->out);
        print_deadlines(c, o);
        fputc('\n', c->out);
        print_custody(c, o);
        fputc('\n', c->out);
        print_parts(c, o);
        print_lacking(c, o);
        print_events(c, o);
    }
    client_reply_close(&reply);
    return rc;
}

int cmd_case_payload(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    struct buf url = {0};
    buf_put_string(&url, cmd_case_path(c, c->args[0], "/events/"));
    client_put_encoded(&url, c->args[1]);
    buf_put_string(&url, "/");
    client_put_encoded(&url, c->args[2]);
    buf_put_string(&url, "/payload");
    cmd_put_param(&url, "purpose", ctl_option(c, "--purpose"));
    int rc = cmd_get(c, buf_cstr(&url), &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply))
        cmd_print_pretty(c, yyjson_obj_get(reply.root, "payload"));
    client_reply_close(&reply);
    buf_close(&url);
    return rc;
}

/* No node is expected to act on the case any more, but for delivery and archive. */
static bool is_closed(const char *status)
{
    static const char *const closed[] = {"closed_granted", "closed_lacking", "closed_denied", "not_required",
                                         "refused",        "withdrawn",      "revoked",       "returned",
                                         "delivered",      "archived"};
    for (size_t i = 0; i < array_count(closed); i++)
        if (strcmp(closed[i], status) == 0)
            return true;
    return false;
}

/* One line per change: when, the state, how many events. */
static void print_change(struct ctl *c, const struct client_reply *reply)
{
    if (cmd_print_json(c, reply))
        return;
    fprintf(c->out, "%s  %s (%s), %s events\n", output_time(&c->mem, reply->root, "updated"),
            output_clean(&c->mem, state_text(&c->mem, reply->root)), output_text(&c->mem, reply->root, "level"),
            output_text(&c->mem, reply->root, "event_count"));
}

int cmd_case_watch(struct ctl *c, struct err *e)
{
    const char *until = ctl_option(c, "--until");
    uint64_t version = 0;
    bool first = true, done = false;
    int rc = 0;
    while (rc == 0 && !done) {
        struct client_reply reply = {0};
        const char *last = c->json ? "" : "last=0"; /* a line shows none of them */
        const char *query =
            first ? arena_printf(&c->mem, "?%s", last)
                  : arena_printf(&c->mem, "?wait=%" PRIu64 "&timeout_ms=%d&%s", version, WATCH_POLL_MS, last);
        rc = cmd_get(c, cmd_case_path(c, c->args[0], query), &reply, e);
        if (rc == 0) {
            uint64_t now = yyjson_get_uint(yyjson_obj_get(reply.root, "version"));
            const char *status = output_text(&c->mem, reply.root, "status");
            if (first || now != version)
                print_change(c, &reply);
            if (fflush(c->out) != 0) /* nobody reads any more: SIGPIPE is ignored */
                rc = err_set(e, ERR_IO, "ctl.output", "cannot write the output");
            version = now;
            first = false;
            done = until != NULL ? strcmp(until, status) == 0 : is_closed(status);
        }
        client_reply_close(&reply);
        arena_close(&c->mem); /* nothing of this round is needed in the next */
    }
    return rc;
}
