/* identity types, identity check; agent and guardian of case submit. A number on a command line may be seen by other users of the machine: "-" reads it from standard
 * input. */
#include <stdlib.h>
#include <string.h>

#include "certs/crypto.h"
#include "node/base/file.h"
#include "node/base/xassert.h"
#include "node/ctl/cmd.h"

int cmd_identity_types(struct ctl *c, struct err *e)
{
    static const char *const header[] = {"TYPE", "CHINESE", "HOLDER", "SOURCE"};
    static const char *const fields[] = {"id_type", "chinese", "holder", "source"};
    struct client_reply reply = {0};
    int rc = cmd_get(c, "/v1/identity/types", &reply, e);
    if (rc == 0 && !cmd_print_json(c, &reply)) {
        struct output_table t = output_table_open(&c->mem, header, array_count(header));
        yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(reply.root, "types"));
        for (yyjson_val *row = yyjson_arr_iter_next(&it); row != NULL; row = yyjson_arr_iter_next(&it))
            for (size_t i = 0; i < array_count(fields); i++)
                output_cell(&t, output_field(&c->mem, row, fields[i]));
        output_table_print(&t, "none", c->out);
    }
    client_reply_close(&reply);
    return rc;
}

/* The argument, or for "-" the first line of standard input. */
static int read_number(struct ctl *c, const char **ret, struct err *e)
{
    char line[256];
    *ret = c->args[0];
    if (strcmp(*ret, "-") != 0)
        return 0;
    if (fgets(line, sizeof line, stdin) == NULL)
        return err_set(e, ERR_IO, "ctl.input", "cannot read standard input");
    line[strcspn(line, "\r\n")] = '\0';
    *ret = arena_strdup(&c->mem, line);
    return 0;
}

static void print_check(struct ctl *c, yyjson_val *o)
{
    struct arena *mem = &c->mem;
    bool valid = yyjson_get_bool(yyjson_obj_get(o, "valid"));
    const struct output_pair pairs[] = {
        {"number", output_field(mem, o, "masked")},
        {"valid", valid ? "yes" : "no"},
        {"rule", valid ? NULL : output_field(mem, o, "rule")},
        {"why", valid ? NULL : output_field(mem, o, "explanation")},
        {"division", output_field(mem, o, "division_name")},
        {"born", output_field(mem, o, "birth_year")},
    };
    output_pairs(mem, pairs, array_count(pairs), c->out);
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(o, "warnings"));
    for (yyjson_val *w = yyjson_arr_iter_next(&it); w != NULL; w = yyjson_arr_iter_next(&it))
        fprintf(c->out, "warning: %s\n", output_clean(mem, yyjson_is_str(w) ? yyjson_get_str(w) : ""));
}

int cmd_identity_check(struct ctl *c, struct err *e)
{
    const char *type = ctl_option(c, "--type"), *number;
    struct client_reply reply = {0};
    int rc = read_number(c, &number, e);
    if (rc != 0)
        return rc;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    (void)yyjson_mut_obj_add_str(doc, root, "id_type", type != NULL ? type : "citizen_id");
    (void)yyjson_mut_obj_add_str(doc, root, "id_number", number);
    size_t size = 0;
    char *body = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, &size);
    const struct client_request r = {
        .dir = c->dir, .method = "POST", .path = "/v1/identity/check", .body = bytes_of(body, size)};
    rc =
        body != NULL ? client_ask(&r, &reply, e) : err_set(e, ERR_INVALID, "ctl.text", "an argument is not UTF-8 text");
    if (rc == 0 && !cmd_print_json(c, &reply))
        print_check(c, reply.root);
    if (rc == 0 && !yyjson_get_bool(yyjson_obj_get(reply.root, "valid")))
        rc = err_set(e, ERR_INVALID, "ctl.identity",
                     "the number does not have the form of its kind (证件号码不符合规则)");
    client_reply_close(&reply);
    free(body);
    yyjson_mut_doc_free(doc);
    return rc;
}

/* ---- agent and guardian of case submit ---- */

static void put_text(yyjson_mut_doc *doc, yyjson_mut_val *to, const char *name, const char *text)
{
    if (text != NULL)
        (void)yyjson_mut_obj_add(to, yyjson_mut_str(doc, name), yyjson_mut_str(doc, text));
}

/* The options --ROLE-name, --ROLE-id, … as an object; NULL when the person is not named. */
static yyjson_mut_val *put_person(struct ctl *c, yyjson_mut_doc *doc, yyjson_mut_val *root, const char *role)
{
    struct arena *mem = &c->mem;
    const char *name = ctl_option(c, arena_printf(mem, "--%s-name", role));
    const char *number = ctl_option(c, arena_printf(mem, "--%s-id", role));
    const char *type = ctl_option(c, arena_printf(mem, "--%s-id-type", role));
    const char *phone = ctl_option(c, arena_printf(mem, "--%s-phone", role));
    if (name == NULL && number == NULL)
        return NULL;
    yyjson_mut_val *person = yyjson_mut_obj_add_obj(doc, root, role);
    put_text(doc, person, "name", name);
    put_text(doc, person, "id_type", type != NULL ? type : "citizen_id");
    put_text(doc, person, "id_number", number);
    put_text(doc, person, "phone", phone);
    return person;
}

static int put_authorisation(struct ctl *c, yyjson_mut_doc *doc, yyjson_mut_val *agent, struct err *e)
{
    const char *path = ctl_option(c, "--authorisation"), *scope = ctl_option(c, "--authorisation-scope");
    struct buf content = {0};
    if (path == NULL)
        return 0;
    int rc = file_read(path, BUF_SIZE_MAX, &content, e);
    if (rc != 0)
        return rc;
    uint8_t digest[CRYPTO_HASH_SIZE];
    char *hex = arena_alloc(&c->mem, 2 * sizeof digest + 1);
    crypto_sha256_one(content.data, content.size, digest);
    hex_encode(digest, sizeof digest, hex);
    yyjson_mut_val *o = yyjson_mut_obj_add_obj(doc, agent, "authorisation");
    put_text(doc, o, "sha256", hex);
    put_text(doc, o, "scope", scope);
    put_text(doc, o, "valid_until", ctl_option(c, "--authorisation-until"));
    buf_close(&content);
    return 0;
}

/* Options that describe a person who is not named would be lost without a word. */
static int check_unused(const struct ctl *c, const char *const *options, size_t count, const char *needs, struct err *e)
{
    for (size_t i = 0; i < count; i++)
        if (ctl_option(c, options[i]) != NULL)
            return err_set(e, ERR_INVALID, "ctl.missing-option", "'%s' needs the option %s beside it", options[i],
                           needs);
    return 0;
}

int cmd_put_persons(struct ctl *c, yyjson_mut_doc *doc, yyjson_mut_val *root, struct err *e)
{
    static const char *const of_agent[] = {"--agent-id-type", "--agent-phone", "--authorisation",
                                           "--authorisation-scope", "--authorisation-until"};
    static const char *const of_guardian[] = {"--guardian-id-type", "--guardian-phone", "--relation",
                                              "--guardian-consent"};
    yyjson_mut_val *agent = put_person(c, doc, root, "agent"), *guardian = put_person(c, doc, root, "guardian");
    int rc = agent != NULL ? put_authorisation(c, doc, agent, e)
                           : check_unused(c, of_agent, array_count(of_agent), "--agent-name", e);
    if (rc == 0 && guardian == NULL)
        rc = check_unused(c, of_guardian, array_count(of_guardian), "--guardian-name", e);
    if (rc == 0 && guardian != NULL) {
        put_text(doc, guardian, "relation", ctl_option(c, "--relation"));
        (void)yyjson_mut_obj_add_bool(doc, guardian, "consent", ctl_option(c, "--guardian-consent") != NULL);
    }
    return rc;
}
