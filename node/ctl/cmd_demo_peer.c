/* demo-peer: a simulated province for whoever connects a platform to the network and has no partner yet.
 *
 *   set-up (demo_node.c) ─► daemon ─► look at the cases it decides ─► rule and next step (demo_script.c) ─► POST …/events
 *                                         ▲                                                                  │
 *                                         └──────────────────── every LOOK_MS, until SIGTERM ◄────────────────┘
 *
 * The peer is a real node: everything goes through its HTTP API. Nothing is remembered outside of its ledger: a command or a daemon
 * that was killed goes on where it was. What is kept in memory only saves looking at cases that have not changed.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/clock.h"
#include "node/base/file.h"
#include "node/base/map.h"
#include "node/base/xassert.h"
#include "node/ctl/cmd.h"
#include "node/ctl/demo_node.h"
#include "node/ctl/demo_script.h"
#include "node/ctl/setup.h"

#define LOOK_MS 200u
#define PAGE_ROWS 500u
#define EVENTS_MAX 512u     /* of a case, that the script looks at */
#define AGAIN_MS 1000u      /* after a request that got no answer */
#define CRASH_LOOP_MS 2000u /* a daemon that lives shorter is not started again */

/* A case that was looked at. */
struct known_case {
    char id[33];
    uint64_t event_count; /* when it was; it is looked at again when it has more */
    uint64_t due_ms;      /* of its next step; UINT64_MAX = none before something happens */
};

struct demo {
    struct ctl *ctl;
    struct demo_node node;
    struct demo_script script;
    struct map cases;    /* id -> struct known_case */
    bool has_all;        /* every page was read once: from then on the newest page is enough */
    uint64_t started_ms; /* monotonic */
    bool was_offline;
    uint32_t self;
};

static volatile sig_atomic_t stop_asked;

static void on_signal(int number)
{
    (void)number;
    stop_asked = 1;
}

/* ---- what is said ---- */

static void say(const struct demo *d, const char *what, const char *case_id, const char *detail)
{
    char time_text[CLOCK_TEXT_SIZE];
    clock_format_utc(clock_wall_ms(), time_text);
    if (d->ctl->json)
        fprintf(d->ctl->out, "{\"at\":\"%s\",\"what\":\"%s\",\"case\":\"%s\"}\n", time_text, what, case_id);
    else
        fprintf(d->ctl->out, "%s %s%s%s%s%s\n", time_text, what, case_id[0] != '\0' ? " " : "", case_id,
                detail[0] != '\0' ? ": " : "", detail);
    (void)fflush(d->ctl->out);
}

/* The text at @path of the node's configuration. */
static const char *config_text(struct ctl *c, const char *dir, const char *name)
{
    struct buf text = {0};
    struct err e = {0};
    const char *found = "";
    if (file_read(setup_path(&c->mem, dir, "node.json"), 65536, &text, &e) == 0) {
        yyjson_doc *doc = yyjson_read((const char *)text.data, text.size, 0);
        const char *value = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), name));
        found = value != NULL ? arena_strdup(&c->mem, value) : "";
        yyjson_doc_free(doc);
    }
    buf_close(&text);
    return found;
}

static void print_welcome(const struct demo *d)
{
    struct ctl *c = d->ctl;
    struct arena *mem = &c->mem;
    const struct demo_node *n = &d->node;
    const struct output_pair pairs[] = {
        {"demo peer", arena_printf(mem, "%u, pid %d, log %s", d->self, (int)n->pid, n->log_path)},
        {"your node", n->own_dir},
        {"start it", arena_printf(mem, "%s --config %s", n->program, setup_path(mem, n->own_dir, "node.json"))},
        {"API for your platform", arena_printf(mem, "http://%s", config_text(c, n->own_dir, "http"))},
        {"token", setup_path(mem, n->own_dir, "api.token")},
        {"socket", setup_path(mem, n->own_dir, "api.sock")},
        {"its items", arena_printf(mem, "tongban catalog list --node %u --dir %s", d->self, n->own_dir)},
        {"what it does", "tongban demo-peer --print-script"},
    };
    cmd_print_pairs(c, pairs, array_count(pairs));
    if (!c->json)
        fputs("ready; Ctrl-C ends it, and the next start goes on\n", c->out);
    (void)fflush(c->out);
}

/* ---- one case ---- */

static int ask(const struct demo *d, const char *method, const char *path, struct bytes body, struct client_reply *ret,
               struct err *e)
{
    const struct client_request r = {.dir = d->node.peer_dir, .method = method, .path = path, .body = body};
    return client_ask(&r, ret, e);
}

/* The unmasked name of the applicant, in @mem; NULL when it cannot be read. */
static const char *applicant_of(const struct demo *d, const char *id, yyjson_val *events, struct arena *mem)
{
    yyjson_val *root = yyjson_arr_get_first(events);
    struct client_reply reply = {0};
    struct err e = {0};
    const char *path = arena_printf(mem, "/v1/cases/%s/events/%s/%s/payload?purpose=demo-peer%%20script", id,
                                    output_text(mem, root, "origin"), output_text(mem, root, "index"));
    const char *name = NULL;
    if (ask(d, "GET", path, bytes_of(NULL, 0), &reply, &e) == 0) {
        yyjson_val *content = yyjson_obj_get(reply.root, "payload");
        yyjson_val *applicant = yyjson_obj_get(content != NULL ? content : reply.root, "applicant");
        const char *text = yyjson_get_str(yyjson_obj_get(applicant, "name"));
        name = text != NULL ? arena_strdup(mem, text) : NULL;
    }
    client_reply_close(&reply);
    return name;
}

static size_t events_of(yyjson_val *list, struct arena *mem, struct demo_event *ret)
{
    size_t count = 0;
    yyjson_arr_iter it = yyjson_arr_iter_with(list);
    for (yyjson_val *v = yyjson_arr_iter_next(&it); v != NULL && count < EVENTS_MAX; v = yyjson_arr_iter_next(&it)) {
        if (strcmp(output_text(mem, v, "effect"), "ok") != 0)
            continue;
        ret[count++] = (struct demo_event){.type = output_text(mem, v, "type"),
                                           .origin = (uint32_t)yyjson_get_uint(yyjson_obj_get(v, "origin")),
                                           .at_ms = yyjson_get_uint(yyjson_obj_get(v, "written_ms"))};
    }
    return count;
}

/* The body of POST …/events. Values of digits alone are numbers, but in texts. */
static char *step_body(const struct demo_step *step, size_t *ret_size)
{
    static const char *const texts[] = {"reason", "reason_code", "note", "official", "carrier", "tracking"};
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    xassert(doc != NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    (void)yyjson_mut_obj_add_str(doc, root, "type", step->type);
    for (size_t i = 0; i < step->field_count; i++) {
        const struct demo_field *f = &step->fields[i];
        uint64_t number = 0;
        bool is_text = decimal_parse(bytes_of_string(f->value), &number) != 0;
        for (size_t k = 0; k < array_count(texts); k++)
            is_text = is_text || strcmp(texts[k], f->name) == 0;
        (void)(is_text ? yyjson_mut_obj_add_str(doc, root, f->name, f->value)
                       : yyjson_mut_obj_add_uint(doc, root, f->name, number));
    }
    char *body = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, ret_size);
    yyjson_mut_doc_free(doc);
    return body;
}

/* Not an answer about the case, but none at all: worth another try. */
static bool is_passing(int code)
{
    return code == ERR_CLOSED || code == ERR_IO || code == ERR_TIMEOUT || code == ERR_BUSY || code == ERR_FULL;
}

/* Writes the step. A refusal is said; the case is looked at again when something has happened to it. Returns when to try again,
 * UINT64_MAX = not before then. */
static uint64_t do_step(const struct demo *d, const char *id, const struct demo_step *step)
{
    struct client_reply reply = {0};
    struct err e = {0};
    size_t size = 0;
    char *body = step_body(step, &size);
    int rc = body != NULL ? ask(d, "POST", arena_printf(&d->ctl->mem, "/v1/cases/%s/events", id), bytes_of(body, size),
                                &reply, &e)
                          : err_set(&e, ERR_INVALID, "ctl.text", "line %u of the script is not UTF-8 text", step->line);
    if (rc == 0)
        say(d, step->type, id, "");
    else
        say(d, "refused", id, arena_printf(&d->ctl->mem, "%s: %s (%s)", step->type, e.message, e.id));
    client_reply_close(&reply);
    free(body);
    return is_passing(rc) ? clock_wall_ms() + AGAIN_MS : UINT64_MAX;
}

/* Looks at a case: does the step that is due, or says when one is. */
static void look_at_case(struct demo *d, struct known_case *k)
{
    struct arena mem = ARENA_INIT;
    struct client_reply reply = {0};
    struct err e = {0};
    k->due_ms = UINT64_MAX;
    if (ask(d, "GET", arena_printf(&mem, "/v1/cases/%s", k->id), bytes_of(NULL, 0), &reply, &e) != 0) {
        k->due_ms = is_passing(e.code) ? clock_wall_ms() + AGAIN_MS : UINT64_MAX;
        say(d, "unreadable", k->id, e.message);
        goto out;
    }
    struct demo_event *events = arena_alloc(&mem, EVENTS_MAX * sizeof *events);
    yyjson_val *list = yyjson_obj_get(reply.root, "events");
    size_t count = events_of(list, &mem, events);
    const char *applicant = demo_script_needs_applicant(&d->script) ? applicant_of(d, k->id, list, &mem) : NULL;
    const struct demo_rule *rule = demo_script_rule(&d->script, output_text(&mem, reply.root, "item_code"),
                                                    output_text(&mem, reply.root, "mode"), applicant);
    bool waits = false;
    uint64_t due_ms = 0, now = clock_wall_ms();
    const struct demo_step *step =
        rule == NULL ? NULL : demo_script_next(&d->script, rule, events, count, d->self, &waits, &due_ms);
    if (step != NULL && due_ms <= now)
        k->due_ms = do_step(d, k->id, step);
    else if (step != NULL)
        k->due_ms = due_ms;
out:
    client_reply_close(&reply);
    arena_close(&mem);
}

/* ---- all cases ---- */

/* A row of the list: new, changed, or due. */
static void take_row(struct demo *d, yyjson_val *row)
{
    const char *id = yyjson_get_str(yyjson_obj_get(row, "case"));
    uint64_t event_count = yyjson_get_uint(yyjson_obj_get(row, "event_count"));
    if (id == NULL || strlen(id) >= sizeof((struct known_case *)NULL)->id)
        return;
    struct known_case *k = map_get(&d->cases, id, strlen(id));
    if (k == NULL) {
        k = xcalloc(1, sizeof *k);
        (void)snprintf(k->id, sizeof k->id, "%s", id);
        (void)map_put(&d->cases, k->id, strlen(k->id), k);
    }
    if (k->event_count != event_count) {
        k->event_count = event_count;
        k->due_ms = 0;
    }
}

/* One page; *ret_before = where the next one begins, 0 = there is none. */
static int take_page(struct demo *d, uint64_t before, uint64_t *ret_before, struct err *e)
{
    struct arena mem = ARENA_INIT;
    struct client_reply reply = {0};
    const char *path = arena_printf(&mem, "/v1/cases?role=deciding&limit=%u", PAGE_ROWS);
    if (before != 0)
        path = arena_printf(&mem, "%s&before=%llu", path, (unsigned long long)before);
    int rc = ask(d, "GET", path, bytes_of(NULL, 0), &reply, e);
    if (rc == 0) {
        yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(reply.root, "cases"));
        for (yyjson_val *row = yyjson_arr_iter_next(&it); row != NULL; row = yyjson_arr_iter_next(&it))
            take_row(d, row);
        *ret_before = yyjson_get_uint(yyjson_obj_get(reply.root, "next"));
    }
    client_reply_close(&reply);
    arena_close(&mem);
    return rc;
}

static void look(struct demo *d)
{
    struct err e = {0};
    uint64_t before = 0;
    do {
        if (take_page(d, before, &before, &e) != 0)
            return; /* the daemon is on its way down or up: the next look sees */
    } while (before != 0 && !d->has_all && !stop_asked);
    d->has_all = true;
    size_t at = 0;
    void *value;
    uint64_t now = clock_wall_ms();
    while (map_next(&d->cases, &at, NULL, &value) && !stop_asked) {
        struct known_case *k = value;
        if (k->due_ms <= now)
            look_at_case(d, k);
    }
}

/* ---- faults and life ---- */

/* Stops or starts the daemon as the script's `fault offline` says. */
static int keep_offline(struct demo *d, struct err *e)
{
    const struct demo_script *s = &d->script;
    uint64_t since = clock_mono_ms() - d->started_ms;
    bool offline = s->has_offline && since >= s->offline_after_ms && since - s->offline_after_ms < s->offline_for_ms;
    if (offline && !d->was_offline) {
        demo_node_stop(&d->node);
        say(d, "offline", "", "");
    } else if (!offline && d->was_offline) {
        int rc = demo_node_start(&d->node, e);
        if (rc != 0)
            return rc;
        say(d, "online", "", "");
    }
    d->was_offline = offline;
    return 0;
}

/* A daemon that somebody has killed is started again. */
static int keep_alive(struct demo *d, struct err *e)
{
    if (!demo_node_has_ended(&d->node))
        return 0;
    if (clock_mono_ms() < d->node.started_ms + CRASH_LOOP_MS)
        return err_set(e, ERR_IO, "demo.start", "the peer's daemon ends as soon as it is started: see '%.200s'",
                       d->node.log_path);
    say(d, "restarted", "", "the daemon has ended");
    return demo_node_start(&d->node, e);
}

static int live(struct demo *d, struct err *e)
{
    int rc = 0;
    while (rc == 0 && !stop_asked) {
        rc = keep_offline(d, e);
        if (rc == 0 && !d->was_offline)
            rc = keep_alive(d, e);
        if (rc == 0 && !d->was_offline)
            look(d);
        if (rc == 0 && !stop_asked)
            cmd_pause(LOOK_MS);
    }
    return rc;
}

static int load_script(struct demo *d, struct err *e)
{
    struct ctl *c = d->ctl;
    const char *path = ctl_option(c, "--script");
    struct buf text = {0};
    int rc = path != NULL ? file_read(path, DEMO_SCRIPT_BYTES_MAX, &text, e) : 0;
    if (rc == 0)
        rc = demo_script_parse(path != NULL ? buf_cstr(&text) : demo_script_default,
                               path != NULL ? path : "built-in script", &c->mem, &d->script, e);
    const char *fault = ctl_option_at(c, "--fault", 0);
    for (size_t i = 0; rc == 0 && fault != NULL; fault = ctl_option_at(c, "--fault", ++i))
        rc = demo_script_fault(&d->script, fault, e);
    buf_close(&text);
    return rc;
}

int cmd_demo_peer(struct ctl *c, struct err *e)
{
    if (ctl_option(c, "--print-script") != NULL) {
        fputs(demo_script_default, c->out);
        return 0;
    }
    if (!c->dir_given)
        return err_set(e, ERR_INVALID, "ctl.missing-option", "'demo-peer' needs the option --dir DIR");
    uint64_t region = 510000;
    struct demo d = {.ctl = c};
    map_init(&d.cases, 0);
    int rc = ctl_option_u64(c, "--region", 100000, 829999, &region, e);
    d.self = (uint32_t)region;
    if (rc == 0)
        rc = load_script(&d, e);
    if (rc == 0)
        rc = demo_node_setup(c, &d.node, e);
    const struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: a pause ends */
    if (rc == 0 && (sigaction(SIGTERM, &action, NULL) != 0 || sigaction(SIGINT, &action, NULL) != 0))
        rc = err_set(e, ERR_INTERNAL, "demo.signal", "cannot handle signals");
    if (rc == 0)
        rc = demo_node_start(&d.node, e);
    if (rc == 0) {
        d.started_ms = clock_mono_ms();
        print_welcome(&d);
        rc = live(&d, e);
        demo_node_stop(&d.node);
    }
    size_t at = 0;
    void *value;
    while (map_next(&d.cases, &at, NULL, &value))
        free(value);
    map_close(&d.cases);
    return rc;
}
