/* case submit, decide, handover, supervise, event, and the plain steps (accept, process, …).
 *
 * Each builds one JSON body and posts it. With --wait-peers the answer comes when every participant has the events on disk;
 * if that is not reached in time, the events stand all the same and the command ends with "ctl.not-durable".
 */
#include "node/ctl/cmd.h"

#include <stdlib.h>
#include <string.h>

#include "certs/crypto.h"
#include "node/base/file.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"

#define MATERIAL_BYTES_MAX BUF_SIZE_MAX
#define WAIT_PEERS "?durable=peers&timeout_ms=30000"

/* ---- posting ---- */

static void print_result(struct ctl *c, const struct client_reply *reply, const char *what)
{
    struct arena *mem = &c->mem;
    yyjson_val *o = reply->root;
    unsigned long long first = yyjson_get_uint(yyjson_obj_get(o, "first_index"));
    unsigned long long count = yyjson_get_uint(yyjson_obj_get(o, "count"));
    const char *entries = NULL;
    if (count == 1)
        entries = arena_printf(mem, "%s %llu", output_text(mem, o, "origin"), first);
    else if (count > 1)
        entries = arena_printf(mem, "%s %llu-%llu", output_text(mem, o, "origin"), first, first + count - 1);
    const struct output_pair pairs[] = {
        {"case", output_field(mem, o, "case")},
        {"written", what},
        {"entries", entries},
        {"at all peers", output_field(mem, o, "peers_durable")},
        {"decides", output_field(mem, yyjson_obj_get(o, "route"), "why")},
    };
    output_pairs(mem, pairs, array_count(pairs), c->out);
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(o, "warnings"));
    for (yyjson_val *w = yyjson_arr_iter_next(&it); w != NULL; w = yyjson_arr_iter_next(&it))
        fprintf(c->out, "warning: %s\n", output_clean(mem, yyjson_is_str(w) ? yyjson_get_str(w) : ""));
}

/* Posts @body to @path ("?durable=…" is added here) and prints the result; @what: the events, for people. */
static int post(struct ctl *c, const char *path, struct bytes body, const char *what, struct err *e)
{
    struct client_reply reply = {0};
    bool wait = ctl_option(c, "--wait-peers") != NULL;
    const struct client_request r = {.dir = c->dir,
                                     .method = "POST",
                                     .path = wait ? arena_printf(&c->mem, "%s" WAIT_PEERS, path) : path,
                                     .body = body};
    int rc = client_ask(&r, &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply))
        print_result(c, &reply, what);
    if (rc == 0 && wait && !yyjson_get_bool(yyjson_obj_get(reply.root, "peers_durable"))) {
        rc = err_set(e, ERR_TIMEOUT, "ctl.not-durable", "written here, but not every participant has confirmed it yet");
        err_hint(e, "it will arrive by itself; 'tongban peer list' shows who is away");
    }
    client_reply_close(&reply);
    return rc;
}

int cmd_post_doc(struct ctl *c, const char *path, yyjson_mut_doc *doc, const char *what, struct err *e)
{
    size_t size = 0;
    char *text = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, &size);
    int rc = text != NULL ? post(c, path, bytes_of(text, size), what, e)
                          : err_set(e, ERR_INVALID, "ctl.text", "an argument is not UTF-8 text");
    free(text);
    return rc;
}

/* Posts a file, or standard input for "-", as it is. */
int cmd_post_file(struct ctl *c, const char *path, const char *name, const char *what, struct err *e)
{
    struct buf body = {0};
    int rc = 0;
    if (strcmp(name, "-") == 0) {
        char chunk[4096];
        size_t n;
        buf_init(&body, HTTP_BODY_BYTES_MAX);
        while ((n = fread(chunk, 1, sizeof chunk, stdin)) > 0 && !body.failed)
            buf_put(&body, chunk, n);
        if (body.failed)
            rc = err_set(e, ERR_LIMIT, "ctl.input", "standard input is larger than the limit of %u bytes",
                         HTTP_BODY_BYTES_MAX);
        else if (ferror(stdin))
            rc = err_set(e, ERR_IO, "ctl.input", "cannot read standard input");
    } else {
        rc = file_read(name, HTTP_BODY_BYTES_MAX, &body, e);
    }
    if (rc == 0)
        rc = post(c, path, buf_bytes(&body), what, e);
    buf_close(&body);
    return rc;
}

/* ---- case submit ---- */

static void put_text(yyjson_mut_doc *doc, yyjson_mut_val *to, const char *name, const char *text)
{
    if (text != NULL)
        (void)yyjson_mut_obj_add(to, yyjson_mut_str(doc, name), yyjson_mut_str(doc, text));
}

/* "KEY=VALUE" taken apart, in c->mem. */
static int split(struct ctl *c, const char *option, const char *text, const char **ret_key, const char **ret_value,
                 struct err *e)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text)
        return err_set(e, ERR_INVALID, "ctl.pair", "'%s %.64s' must be of the form NAME=VALUE", option, text);
    *ret_key = arena_strndup(&c->mem, text, (size_t)(equals - text));
    *ret_value = equals + 1;
    return 0;
}

/* The values of an option "NAME=VALUE", as an object @field of @to. */
static int put_pairs(struct ctl *c, yyjson_mut_doc *doc, yyjson_mut_val *to, const char *option, const char *field,
                     struct err *e)
{
    const char *text = ctl_option_at(c, option, 0);
    if (text == NULL)
        return 0;
    yyjson_mut_val *o = yyjson_mut_obj_add_obj(doc, to, field);
    for (size_t i = 0; text != NULL; text = ctl_option_at(c, option, ++i)) {
        const char *key, *value;
        int rc = split(c, option, text, &key, &value, e);
        if (rc != 0)
            return rc;
        if (yyjson_mut_obj_get(o, key) != NULL)
            return err_set(e, ERR_INVALID, "ctl.pair", "the %s field '%.64s' stands twice", field, key);
        put_text(doc, o, key, value);
    }
    return 0;
}

/* "M01=FILE"; of a bundle also "HU/M03=FILE". */
int cmd_put_form(struct ctl *c, yyjson_mut_doc *doc, yyjson_mut_val *root, struct err *e)
{
    return put_pairs(c, doc, root, "--form", "form", e);
}

static int put_material(struct ctl *c, yyjson_mut_doc *doc, yyjson_mut_val *list, const char *text, struct err *e)
{
    const char *code, *path;
    struct buf content = {0};
    int rc = split(c, "--material", text, &code, &path, e);
    if (rc == 0)
        rc = file_read(path, MATERIAL_BYTES_MAX, &content, e);
    if (rc != 0)
        return rc;
    uint8_t digest[CRYPTO_HASH_SIZE];
    char *hex = arena_alloc(&c->mem, 2 * sizeof digest + 1);
    crypto_sha256_one(content.data, content.size, digest);
    hex_encode(digest, sizeof digest, hex);
    const char *slash = strrchr(path, '/');
    yyjson_mut_val *o = yyjson_mut_arr_add_obj(doc, list);
    const char *border = strchr(code, '/');
    if (border != NULL)
        put_text(doc, o, "member", arena_strndup(&c->mem, code, (size_t)(border - code)));
    put_text(doc, o, "code", border != NULL ? border + 1 : code);
    put_text(doc, o, "name", slash != NULL ? slash + 1 : path);
    put_text(doc, o, "sha256", hex);
    (void)yyjson_mut_obj_add_uint(doc, o, "size", content.size);
    buf_close(&content);
    return 0;
}

int cmd_put_materials(struct ctl *c, yyjson_mut_doc *doc, yyjson_mut_val *root, struct err *e)
{
    const char *text = ctl_option_at(c, "--material", 0);
    int rc = 0;
    if (text == NULL)
        return 0;
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, root, "materials");
    for (size_t i = 0; rc == 0 && text != NULL; text = ctl_option_at(c, "--material", ++i))
        rc = put_material(c, doc, list, text, e);
    return rc;
}

int cmd_put_applicant(struct ctl *c, yyjson_mut_doc *doc, yyjson_mut_val *root, struct err *e)
{
    yyjson_mut_val *applicant = yyjson_mut_obj_add_obj(doc, root, "applicant");
    const char *kind = ctl_option(c, "--kind"), *id_type = ctl_option(c, "--id-type");
    bool organisation = kind != NULL && strcmp(kind, "organisation") == 0;
    put_text(doc, applicant, "kind", kind != NULL ? kind : "person");
    put_text(doc, applicant, "name", ctl_option(c, "--name"));
    put_text(doc, applicant, "id_type", id_type != NULL ? id_type : organisation ? "uscc" : "citizen_id");
    put_text(doc, applicant, "id_number", ctl_option(c, "--id"));
    put_text(doc, applicant, "phone", ctl_option(c, "--phone"));
    return cmd_put_persons(c, doc, root, e);
}

static int build_application(struct ctl *c, yyjson_mut_doc *doc, struct err *e)
{
    uint64_t node = 0;
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    put_text(doc, root, "item", ctl_option(c, "--item"));
    int rc = ctl_option_u64(c, "--node", 100000, 999999, &node, e);
    if (rc != 0)
        return rc;
    if (node != 0)
        (void)yyjson_mut_obj_add_uint(doc, root, "node", node);
    put_text(doc, root, "division", ctl_option(c, "--division"));
    put_text(doc, root, "mode", ctl_option(c, "--mode"));
    rc = cmd_put_applicant(c, doc, root, e);
    if (rc == 0)
        rc = cmd_put_form(c, doc, root, e);
    if (rc == 0)
        rc = cmd_put_materials(c, doc, root, e);
    if (ctl_option(c, "--promise") != NULL)
        (void)yyjson_mut_obj_add_bool(doc, root, "promise", true);
    put_text(doc, root, "parent", ctl_option(c, "--parent"));
    if (ctl_option(c, "--no-forward") != NULL)
        (void)yyjson_mut_obj_add_bool(doc, root, "forward", false);
    return rc;
}

int cmd_check_submit(const struct ctl *c, const char *const *needed, size_t needed_count, const char *beside,
                     struct err *e)
{
    const char *file = ctl_option(c, "--json-file");
    for (size_t i = 0; file != NULL && i < c->value_count; i++) {
        const char *name = c->values[i].option->name;
        if (strcmp(name, "--json-file") != 0 && strcmp(name, "--wait-peers") != 0 && strcmp(name, beside) != 0)
            return err_set(e, ERR_INVALID, "ctl.option-conflict", "'%s' cannot stand beside --json-file", name);
    }
    for (size_t i = 0; file == NULL && i < needed_count; i++)
        if (ctl_option(c, needed[i]) == NULL) {
            int rc =
                err_set(e, ERR_INVALID, "ctl.missing-option", "'%s' needs the option %s", c->command->name, needed[i]);
            err_hint(e, "see 'tongban help %s'", c->command->name);
            return rc;
        }
    return 0;
}

int cmd_case_submit(struct ctl *c, struct err *e)
{
    static const char *const needed[] = {"--item", "--name", "--id"};
    const char *file = ctl_option(c, "--json-file");
    int rc = cmd_check_submit(c, needed, array_count(needed), "", e);
    if (rc != 0)
        return rc;
    if (file != NULL)
        return cmd_post_file(c, "/v1/cases", file, "application", e);
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    xassert(doc != NULL);
    rc = build_application(c, doc, e);
    if (rc == 0)
        rc = cmd_post_doc(c, "/v1/cases", doc, "application", e);
    yyjson_mut_doc_free(doc);
    return rc;
}

/* ---- events ---- */

/* Options of the steps and the field each becomes. A step has those of its row in the table of commands. */
static const struct event_option {
    const char *option;
    const char *field;
    uint64_t max;     /* of a number, from 1; 0: a text */
    const char *type; /* only for this event; NULL = any */
} event_options[] = {
    {"--reason", "reason", 0, NULL},
    {"--reason-code", "reason_code", 0, NULL},
    {"--note", "note", 0, NULL},
    {"--channel", "channel", 0, NULL},
    {"--official", "official", 0, NULL},
    {"--remedies", "remedies", 0, NULL},
    {"--side", "side", 0, NULL},
    {"--part", "part", 0, NULL},
    {"--kind", "pause_kind", 0, NULL},
    {"--days", "expected_days", UINT16_MAX, "pause"},
    {"--unit", "unit", 0, NULL},
    {"--basis", "basis", 0, NULL},
    {"--days", "extend_days", UINT16_MAX, "extend"},
    {"--lacking-days", "lacking_days", UINT16_MAX, NULL},
    {"--grade", "grade", 5, NULL},
    {"--carrier", "carrier", 0, NULL},
    {"--tracking", "tracking", 0, NULL},
    {"--means", "means", 0, NULL},
    {"--on", "told_on", 0, NULL},
    {"--amount-fen", "amount_fen", EVENT_FEN_MAX, NULL},
};

static int put_event(struct ctl *c, yyjson_mut_doc *doc, yyjson_mut_val *o, const char *type, struct err *e)
{
    put_text(doc, o, "type", type);
    for (size_t i = 0; i < array_count(event_options); i++) {
        const struct event_option *row = &event_options[i];
        const char *text = ctl_option(c, row->option);
        uint64_t number = 0;
        if (text == NULL || (row->type != NULL && strcmp(row->type, type) != 0))
            continue;
        if (row->max == 0) {
            put_text(doc, o, row->field, text);
            continue;
        }
        int rc = ctl_option_u64(c, row->option, 1, row->max, &number, e);
        if (rc != 0)
            return rc;
        (void)yyjson_mut_obj_add_uint(doc, o, row->field, number);
    }
    return 0;
}

/* "M06" or "M06=5", working days. */
static int put_lacking(struct ctl *c, yyjson_mut_doc *doc, yyjson_mut_val *o, struct err *e)
{
    const char *text = ctl_option_at(c, "--lacking", 0);
    yyjson_mut_val *list = text != NULL ? yyjson_mut_obj_add_arr(doc, o, "lacking") : NULL;
    for (size_t i = 0; text != NULL; text = ctl_option_at(c, "--lacking", ++i)) {
        const char *equals = strchr(text, '=');
        uint64_t days = 0;
        yyjson_mut_val *row = yyjson_mut_arr_add_obj(doc, list);
        put_text(doc, row, "code", equals == NULL ? text : arena_strndup(&c->mem, text, (size_t)(equals - text)));
        if (equals == NULL)
            continue;
        if (decimal_parse(bytes_of_string(equals + 1), &days) != 0 || days == 0 || days > UINT16_MAX)
            return err_set(e, ERR_INVALID, "ctl.pair",
                           "'--lacking %.64s' must be of the form CODE or CODE=DAYS, 1 to %u working days", text,
                           UINT16_MAX);
        (void)yyjson_mut_obj_add_uint(doc, row, "days", days);
    }
    return 0;
}

/* "case follow-up" -> "follow_up" */
static const char *event_of_command(struct ctl *c)
{
    char *type = arena_strdup(&c->mem, strchr(c->command->name, ' ') + 1);
    for (char *at = type; *at != '\0'; at++)
        if (*at == '-')
            *at = '_';
    return type;
}

int cmd_case_step(struct ctl *c, struct err *e)
{
    const char *type = event_of_command(c);
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    xassert(doc != NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    int rc = put_event(c, doc, root, type, e);
    if (rc == 0)
        rc = put_lacking(c, doc, root, e);
    if (ctl_option(c, "--pass") != NULL || ctl_option(c, "--return") != NULL)
        put_text(doc, root, "review", ctl_option(c, "--pass") != NULL ? "pass" : "return");
    if (ctl_option(c, "--grant") != NULL || ctl_option(c, "--deny") != NULL)
        put_text(doc, root, "decision", ctl_option(c, "--grant") != NULL ? "grant" : "deny");
    if (rc == 0)
        rc = cmd_post_doc(c, cmd_case_path(c, c->args[0], "/events"), doc, type, e);
    yyjson_mut_doc_free(doc);
    return rc;
}

/* ---- another deciding node ---- */

static int fetch(struct ctl *c, struct client_reply *reply, struct err *e)
{
    const struct client_request r = {.dir = c->dir, .method = "POST", .path = cmd_case_path(c, c->args[0], "/fetch")};
    return client_ask(&r, reply, e);
}

int cmd_case_fetch(struct ctl *c, struct err *e)
{
    struct client_reply reply = {0};
    int rc = fetch(c, &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply)) {
        const struct output_pair pairs[] = {{"case", output_field(&c->mem, reply.root, "case")},
                                            {"events held", output_field(&c->mem, reply.root, "event_count")}};
        output_pairs(&c->mem, pairs, array_count(pairs), c->out);
    }
    client_reply_close(&reply);
    return rc;
}

/* A superior takes no part in the case that it supervises: it gets it from the others first. */
static int post_pass_on(struct ctl *c, yyjson_mut_doc *doc, const char *type, struct err *e)
{
    const char *path = cmd_case_path(c, c->args[0], "/events");
    int rc = cmd_post_doc(c, path, doc, type, e);
    if (rc == 0 || strcmp(e->id, "case.unknown") != 0 || strcmp(type, "supervise") != 0 || strlen(c->args[0]) != 32)
        return rc;
    struct client_reply reply = {0};
    *e = (struct err){0};
    rc = fetch(c, &reply, e);
    client_reply_close(&reply);
    return rc == 0 ? cmd_post_doc(c, path, doc, type, e) : rc;
}

/* Steps that need exactly one of two words. */
static int choose(struct ctl *c, const char *one, const char *other, struct err *e)
{
    bool has_one = ctl_option(c, one) != NULL, has_other = ctl_option(c, other) != NULL;
    if (has_one == has_other)
        return err_set(e, ERR_INVALID, has_one ? "ctl.option-conflict" : "ctl.missing-option",
                       "'%s' needs one of %s and %s", c->command->name, one, other);
    return cmd_case_step(c, e);
}

int cmd_case_review(struct ctl *c, struct err *e)
{
    return choose(c, "--pass", "--return", e);
}

int cmd_case_part_done(struct ctl *c, struct err *e)
{
    return choose(c, "--grant", "--deny", e);
}

int cmd_case_pass_on(struct ctl *c, struct err *e)
{
    const char *type = strchr(c->command->name, ' ') + 1; /* "case handover", "case supervise" */
    uint64_t lead = 0, last_leaf = UINT64_MAX;
    int rc = ctl_option_u64(c, "--lead", 100000, 999999, &lead, e);
    if (rc == 0)
        rc = ctl_option_u64(c, "--last-leaf", 0, LEDGER_SIZE_MAX, &last_leaf, e);
    if (rc != 0)
        return rc;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    xassert(doc != NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    rc = put_event(c, doc, root, type, e);
    (void)yyjson_mut_obj_add_uint(doc, root, "lead", lead);
    if (last_leaf != UINT64_MAX)
        (void)yyjson_mut_obj_add_uint(doc, root, "last_leaf", last_leaf);
    if (rc == 0)
        rc = post_pass_on(c, doc, type, e);
    yyjson_mut_doc_free(doc);
    return rc;
}

int cmd_case_decide(struct ctl *c, struct err *e)
{
    bool grant = ctl_option(c, "--grant") != NULL, deny = ctl_option(c, "--deny") != NULL;
    bool keep_open = ctl_option(c, "--keep-open") != NULL;
    if (grant == deny)
        return err_set(e, ERR_INVALID, grant ? "ctl.option-conflict" : "ctl.missing-option",
                       "'case decide' needs one of --grant and --deny");
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    xassert(doc != NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, root, "events");
    yyjson_mut_val *decide = yyjson_mut_arr_add_obj(doc, list);
    int rc = put_event(c, doc, decide, "decide", e);
    put_text(doc, decide, "decision", grant ? "grant" : "deny");
    if (rc == 0 && ctl_option(c, "--licence") != NULL)
        rc = put_pairs(c, doc, yyjson_mut_obj_add_obj(doc, decide, "payload"), "--licence", "licence", e);
    if (!keep_open)
        put_text(doc, yyjson_mut_arr_add_obj(doc, list), "type", "close");
    if (rc == 0)
        rc = cmd_post_doc(c, cmd_case_path(c, c->args[0], "/events"), doc, keep_open ? "decide" : "decide, close", e);
    yyjson_mut_doc_free(doc);
    return rc;
}

int cmd_case_event(struct ctl *c, struct err *e)
{
    return cmd_post_file(c, cmd_case_path(c, c->args[0], "/events"), ctl_option(c, "--json-file"), "events", e);
}
