/* reconcile: starts a comparison of the shared cases (对账), waits for its end, prints the report. */
#include <stdlib.h>
#include <string.h>

#include "node/base/clock.h"
#include "node/base/xassert.h"
#include "node/ctl/cmd.h"

#define WAIT_S_DEFAULT 600u
#define LOOK_MS_FIRST 10u /* between two looks at a run under way: doubled up to a second */
#define LOOK_MS_MAX 1000u

static void print_table(struct ctl *c, yyjson_val *run)
{
    static const char *const peer_header[] = {"PEER", "NAME", "STATE", "COMPARED", "DIFFERING", "ERROR"};
    static const char *const peer_fields[] = {"code", "name", "state", "compared", "differing", "error"};
    static const char *const header[] = {"CASE", "PEER", "CAUSE", "REPAIR", "ENTRIES", "MEANING"};
    struct arena *mem = &c->mem;
    struct output_table peers = output_table_open(mem, peer_header, array_count(peer_header));
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(run, "peers"));
    for (yyjson_val *row = yyjson_arr_iter_next(&it); row != NULL; row = yyjson_arr_iter_next(&it))
        for (size_t i = 0; i < array_count(peer_fields); i++) {
            const char *text = output_field(mem, row, peer_fields[i]);
            output_cell(&peers, text != NULL && text[0] != '\0' ? text : NULL);
        }
    output_table_print(&peers, "no other members", c->out);
    fputc('\n', c->out);
    struct output_table t = output_table_open(mem, header, array_count(header));
    it = yyjson_arr_iter_with(yyjson_obj_get(run, "differences"));
    for (yyjson_val *row = yyjson_arr_iter_next(&it); row != NULL; row = yyjson_arr_iter_next(&it)) {
        yyjson_val *entries = yyjson_obj_get(row, "entries");
        output_cell(&t, output_field(mem, row, "case"));
        output_cell(&t, output_field(mem, row, "peer"));
        output_cell(&t, output_field(mem, row, "cause"));
        output_cell(&t, output_field(mem, row, "repair"));
        output_cell(&t, yyjson_is_obj(entries)
                            ? arena_printf(mem, "%s %s-%s", output_text(mem, entries, "origin"),
                                           output_text(mem, entries, "first"), output_text(mem, entries, "last"))
                            : NULL);
        output_cell(&t, output_field(mem, row, "text"));
    }
    output_table_print(&t, "no differences", c->out);
    if (yyjson_get_uint(yyjson_obj_get(run, "differences_not_listed")) > 0)
        fprintf(c->out, "and %s more\n", output_text(mem, run, "differences_not_listed"));
}

/* Until the run has ended; *ret is its report. */
static int wait_end(struct ctl *c, const char *path, uint64_t wait_s, struct client_reply *ret, struct err *e)
{
    uint32_t pause_ms = LOOK_MS_FIRST;
    uint64_t deadline = clock_mono_ms() + wait_s * 1000;
    for (;;) {
        int rc = cmd_get(c, path, ret, e);
        const char *state = yyjson_get_str(yyjson_obj_get(ret->root, "state"));
        if (rc != 0 || (state != NULL && strcmp(state, "running") != 0))
            return rc;
        if (clock_mono_ms() >= deadline) {
            rc = err_set(e, ERR_TIMEOUT, "ctl.reconcile-running", "not at its end after %llu s",
                         (unsigned long long)wait_s);
            err_hint(e, "it goes on in the node: 'tongban reconcile show'");
            return rc;
        }
        client_reply_close(ret);
        *ret = (struct client_reply){0};
        cmd_pause(pause_ms);
        pause_ms = min_of(pause_ms * 2, LOOK_MS_MAX);
    }
}

/* Prints the report at @path, which has ended, in the form that --format asks for. */
static int print_report(struct ctl *c, const char *path, struct client_reply *report, struct err *e)
{
    const char *format = ctl_option(c, "--format");
    if (c->json || (format != NULL && strcmp(format, "json") == 0)) {
        (void)fwrite(report->text.data, 1, report->text.size, c->out);
        fputc('\n', c->out);
        return 0;
    }
    if (format == NULL || strcmp(format, "table") == 0) {
        print_table(c, report->root);
        return 0;
    }
    struct client_reply csv = {0};
    int rc = cmd_get(c, arena_printf(&c->mem, "%s?format=csv", path), &csv, e);
    if (rc == 0)
        (void)fwrite(csv.text.data, 1, csv.text.size, c->out);
    client_reply_close(&csv);
    return rc;
}

static int check_format(const struct ctl *c, struct err *e)
{
    const char *format = ctl_option(c, "--format");
    if (format == NULL || strcmp(format, "table") == 0 || strcmp(format, "csv") == 0 || strcmp(format, "json") == 0)
        return 0;
    return err_set(e, ERR_INVALID, "ctl.format", "'--format' is '%.32s', it must be table, csv or json", format);
}

/* A comparison that did not come to its end with every peer must not look like one without differences. */
static int check_complete(struct ctl *c, yyjson_val *report, struct err *e)
{
    const char *state = yyjson_get_str(yyjson_obj_get(report, "state"));
    if (state == NULL || strcmp(state, "incomplete") != 0)
        return 0;
    (void)c;
    return err_set(e, ERR_CLOSED, "ctl.reconcile-incomplete",
                   "not every peer could be compared to the end: see ERROR in the report");
}

static const char *run_path(struct ctl *c, const char *id)
{
    struct buf url = {0};
    buf_put_string(&url, "/v1/reconcile/");
    client_put_encoded(&url, id);
    const char *path = arena_strdup(&c->mem, buf_cstr(&url));
    buf_close(&url);
    return path;
}

int cmd_reconcile(struct ctl *c, struct err *e)
{
    uint64_t peer = 0, wait_s = WAIT_S_DEFAULT;
    struct client_reply started = {0}, report = {0};
    int rc = check_format(c, e);
    if (rc == 0)
        rc = ctl_option_u64(c, "--peer", 100000, 999999, &peer, e);
    if (rc == 0)
        rc = ctl_option_u64(c, "--wait", 0, 86400, &wait_s, e);
    if (rc != 0)
        return rc;
    const char *body = peer == 0 ? "{}" : arena_printf(&c->mem, "{\"peer\":%llu}", (unsigned long long)peer);
    const struct client_request r = {
        .dir = c->dir, .method = "POST", .path = "/v1/reconcile", .body = bytes_of_string(body)};
    rc = client_ask(&r, &started, e);
    if (rc == 0) {
        const char *path = run_path(c, output_text(&c->mem, started.root, "id"));
        rc = wait_end(c, path, wait_s, &report, e);
        if (rc == 0)
            rc = print_report(c, path, &report, e);
        if (rc == 0)
            rc = check_complete(c, report.root, e);
    }
    client_reply_close(&started);
    client_reply_close(&report);
    return rc;
}

int cmd_reconcile_show(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    int rc = check_format(c, e);
    if (rc != 0)
        return rc;
    if (c->arg_count == 1) {
        const char *path = run_path(c, c->args[0]);
        rc = cmd_get(c, path, &reply, e);
        if (rc == 0)
            rc = print_report(c, path, &reply, e);
    } else {
        static const char *const header[] = {"RUN", "STATE", "STARTED", "FINISHED"};
        rc = cmd_get(c, "/v1/reconcile", &reply, e);
        if (rc == 0 && !cmd_print_json(c, &reply)) {
            struct output_table t = output_table_open(&c->mem, header, array_count(header));
            yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(reply.root, "runs"));
            for (yyjson_val *row = yyjson_arr_iter_next(&it); row != NULL; row = yyjson_arr_iter_next(&it)) {
                output_cell(&t, output_field(&c->mem, row, "id"));
                output_cell(&t, output_field(&c->mem, row, "state"));
                output_cell(&t, output_time(&c->mem, row, "started"));
                output_cell(&t, output_time(&c->mem, row, "finished"));
            }
            output_table_print(&t, "no reconciliation since the start", c->out);
        }
    }
    client_reply_close(&reply);
    return rc;
}
