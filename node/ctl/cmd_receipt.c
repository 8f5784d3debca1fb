/* receipt verify, receipt convert: judging a receipt without a node, and turning it into its other forms.
 *
 * Happy path: policy (and member list) -> FILE in any of its four forms -> tlog-proof text -> receipt_verify() -> the facts in
 * words. Failure modes: what the command needs cannot be read: exit status 2; the receipt is not proven: exit status 1, the
 * reason as for every error (text, stable id), with --json on standard output too. Own process; no clock, no network.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "federation/ledger/receipt.h"
#include "federation/members.h"
#include "node/base/file.h"
#include "node/base/xassert.h"
#include "node/ctl/cmd.h"
#include "node/receipt/receipt_facts.h"
#include "node/receipt/receipt_file.h"
#include "node/receipt/receipt_html.h"
#include "node/receipt/receipt_page.h"

#define EXIT_NOT_PROVEN 1
#define EXIT_USAGE 2

/* One receipt with all that it is judged by. */
struct judge {
    struct policy policy;
    struct members members;
    const struct members *known; /* &members, or NULL */
    struct buf file, text;
    enum receipt_form form;
    struct receipt *receipt;
};

static void close_judge(struct judge *j)
{
    members_close(&j->members);
    buf_close(&j->file);
    buf_close(&j->text);
}

/* ---- what it is judged by ---- */

static int load_policy(struct ctl *c, struct judge *j, struct err *e)
{
    const char *path = ctl_option(c, "--policy");
    struct buf file = {0};
    int rc = file_read(path, POLICY_BYTES_MAX, &file, e);
    if (rc != 0)
        return rc;
    rc = policy_parse(arena_bytes(&c->mem, buf_bytes(&file)), &c->mem, &j->policy, e);
    buf_close(&file);
    return rc == 0 ? 0 : err_wrap(e, "policy '%.200s'", path);
}

/* --federation-key is a verifier key or a file that holds one (federation.pub of a node's folder). */
static int read_key(struct ctl *c, const char **ret, struct err *e)
{
    const char *text = ctl_option(c, "--federation-key");
    struct buf file = {0};
    *ret = text;
    if (strchr(text, '+') != NULL && strchr(text, '/') == NULL)
        return 0;
    struct err no_file = {0};
    int rc = file_read(text, PEM_FILE_BYTES_MAX, &file, &no_file);
    if (rc == 0) {
        while (file.size > 0 && (file.data[file.size - 1] == '\n' || file.data[file.size - 1] == '\r'))
            file.size--;
        *ret = arena_strndup(&c->mem, (const char *)file.data, file.size);
    } else if (strchr(text, '+') != NULL) {
        rc = 0; /* base64 has '/' too */
    } else if (e != NULL) {
        *e = no_file;
    }
    buf_close(&file);
    return rc;
}

static int load_members(struct ctl *c, struct judge *j, struct err *e)
{
    const char *path = ctl_option(c, "--members"), *vkey = NULL;
    if ((path == NULL) != (ctl_option(c, "--federation-key") == NULL))
        return err_set(e, ERR_INVALID, "ctl.missing-option", "--members and --federation-key go together");
    if (path == NULL)
        return 0;
    int rc = read_key(c, &vkey, e);
    if (rc == 0)
        rc = members_load(path, vkey, &j->members, e);
    if (rc == 0)
        j->known = &j->members;
    return rc;
}

static int read_input(const char *path, struct buf *ret, struct err *e)
{
    if (strcmp(path, "-") != 0)
        return file_read(path, RECEIPT_FILE_BYTES_MAX, ret, e);
    char chunk[4096];
    size_t n;
    buf_init(ret, RECEIPT_FILE_BYTES_MAX);
    while ((n = fread(chunk, 1, sizeof chunk, stdin)) > 0 && !ret->failed)
        buf_put(ret, chunk, n);
    if (ret->failed)
        return err_set(e, ERR_LIMIT, "ctl.input", "standard input is larger than the limit of %u bytes",
                       RECEIPT_FILE_BYTES_MAX);
    return ferror(stdin) ? err_set(e, ERR_IO, "ctl.input", "cannot read standard input") : 0;
}

/* Everything but the judgment; close_judge() is the caller's, also after an error. */
static int load(struct ctl *c, struct judge *j, struct err *e)
{
    int rc = load_policy(c, j, e);
    if (rc == 0)
        rc = load_members(c, j, e);
    if (rc == 0)
        rc = read_input(c->args[0], &j->file, e);
    return rc;
}

/* ---- verify: as JSON ---- */

static void add_text(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *name, const char *text)
{
    if (text != NULL)
        (void)yyjson_mut_obj_add_strcpy(doc, object, name, text);
    else
        (void)yyjson_mut_obj_add_null(doc, object, name);
}

static void add_number(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *name, uint64_t v)
{
    if (v != 0)
        (void)yyjson_mut_obj_add_uint(doc, object, name, v);
    else
        (void)yyjson_mut_obj_add_null(doc, object, name);
}

static void print_json(struct ctl *c, yyjson_mut_doc *doc)
{
    char *text = yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL);
    fprintf(c->out, "%s\n", text != NULL ? text : "{}");
    free(text);
    yyjson_mut_doc_free(doc);
}

static yyjson_mut_val *witnesses_json(yyjson_mut_doc *doc, const struct receipt_facts *f)
{
    yyjson_mut_val *list = yyjson_mut_arr(doc);
    for (size_t i = 0; i < f->witness_count; i++) {
        yyjson_mut_val *row = yyjson_mut_arr_add_obj(doc, list);
        add_text(doc, row, "name", f->witnesses[i].name);
        add_number(doc, row, "node", f->witnesses[i].code);
        (void)yyjson_mut_obj_add_uint(doc, row, "time_s", f->witnesses[i].time_s);
        (void)yyjson_mut_obj_add_bool(doc, row, "own", f->witnesses[i].is_own);
    }
    return list;
}

static void print_proven_json(struct ctl *c, const struct judge *j, const struct receipt_facts *f)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    (void)yyjson_mut_obj_add_bool(doc, root, "proven", true);
    add_text(doc, root, "form", receipt_form_name(j->form));
    add_text(doc, root, "origin", f->origin);
    add_number(doc, root, "node", f->node_code);
    add_text(doc, root, "node_name", f->node_name);
    (void)yyjson_mut_obj_add_uint(doc, root, "index", f->index);
    (void)yyjson_mut_obj_add_uint(doc, root, "size", f->size);
    add_text(doc, root, "act", f->act);
    add_text(doc, root, "case", f->case_id);
    add_text(doc, root, "number", f->number);
    add_text(doc, root, "item_code", f->item_code);
    add_number(doc, root, "service", f->service);
    add_number(doc, root, "lead", f->lead_code);
    add_text(doc, root, "decision", f->decision);
    add_text(doc, root, "reason_code", f->reason_code);
    (void)yyjson_mut_obj_add_uint(doc, root, "author_ms", f->author_ms);
    add_number(doc, root, "first_witnessed_s", f->first_s);
    add_number(doc, root, "witnessed_s", f->quorum_s);
    (void)yyjson_mut_obj_add_val(doc, root, "witnesses", witnesses_json(doc, f));
    (void)yyjson_mut_obj_add_uint(doc, root, "needed", f->needed);
    (void)yyjson_mut_obj_add_uint(doc, root, "of", f->of);
    print_json(c, doc);
}

static void print_not_proven_json(struct ctl *c, const struct err *e)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    (void)yyjson_mut_obj_add_bool(doc, root, "proven", false);
    add_text(doc, root, "id", e->id);
    add_text(doc, root, "message", e->message);
    print_json(c, doc);
}

/* ---- verify: in words ---- */

static const char *named(struct ctl *c, const char *name, uint32_t code)
{
    if (code == 0)
        return name;
    return name != NULL ? arena_printf(&c->mem, "%s (%u)", name, code) : arena_printf(&c->mem, "%u", code);
}

static void print_lines(struct ctl *c, const char *title, const struct receipt_line *lines, size_t count)
{
    fprintf(c->out, "\n%s\n", title);
    for (size_t i = 0; i < count; i++)
        fprintf(c->out, "- %s\n  %s\n", output_clean(&c->mem, lines[i].zh), output_clean(&c->mem, lines[i].en));
}

static const char *item_text(struct ctl *c, const struct receipt_facts *f)
{
    if (f->item_code != NULL || f->service == 0)
        return f->item_code;
    return arena_printf(&c->mem, "service code %08x (the first digits of the SHA-256 of its code)", f->service);
}

static void print_proven(struct ctl *c, const struct judge *j, const struct receipt_facts *f)
{
    static const struct receipt_line page[] = {
        {"网页上“登记信息”一栏，以及未用成员名单核对的节点名称。",
         "What the page shows 'as registered', and the names of nodes on it unless --members is given."},
        {"网页上的文字（以这里列出的为准）。", "The words on the page: what is listed here counts."}};
    bool is_lenient = ctl_option(c, "--lenient") != NULL;
    struct arena *mem = &c->mem;
    struct buf witnesses = {0};
    for (size_t i = 0; i < f->witness_count; i++)
        buf_printf(&witnesses, "%s%s %s", i > 0 ? "; " : "", named(c, f->witnesses[i].name, f->witnesses[i].code),
                   receipt_facts_time(mem, f->witnesses[i].time_s));
    const struct output_pair pairs[] = {
        {"凭证 receipt", arena_printf(mem, "%s (%s)", f->title.zh, receipt_form_name(j->form))},
        {"账本 ledger of", f->node_name != NULL ? named(c, f->node_name, f->node_code) : f->origin},
        {"账本名 origin", f->node_name != NULL ? f->origin : NULL},
        {"记录 entry", arena_printf(mem, "%llu of %llu", (unsigned long long)f->index, (unsigned long long)f->size)},
        {"行为 act", arena_printf(mem, "%s (%s)", f->act_zh, f->act)},
        {"办件 case", f->case_id},
        {"办件编码 number", f->number},
        {"事项 item", item_text(c, f)},
        {"办理单位 deciding node", named(c, f->lead_name, f->lead_code)},
        {"决定 decision", f->decision == NULL ? NULL : arena_printf(mem, "%s (%s)", f->decision_zh, f->decision)},
        {"理由 reason code", f->reason_code},
        {"自述时间 author's clock", receipt_facts_time(mem, f->author_ms / 1000)},
        {"最早会签 first witnessed", f->first_s != 0 ? receipt_facts_time(mem, f->first_s) : NULL},
        {"见证时间 witnessed", f->quorum_s != 0 ? receipt_facts_time(mem, f->quorum_s) : NULL},
        {"见证方 witnesses", f->witness_count > 0 ? buf_cstr(&witnesses) : NULL},
        {"会签要求 quorum", arena_printf(mem, "%zu of %zu needed, %zu signed", f->needed, f->of, f->witness_count)},
    };
    fputs("已证实 PROVEN\n", c->out);
    output_pairs(mem, pairs, array_count(pairs), c->out);
    print_lines(c, "证明的内容 What is proven:", f->proven, f->proven_count);
    print_lines(c, "不证明的内容 What is NOT proven:", f->not_proven, f->not_proven_count);
    if (j->form == RECEIPT_FORM_PAGE)
        fprintf(c->out, "- %s\n  %s\n", page[is_lenient].zh, page[is_lenient].en);
    buf_close(&witnesses);
}

/* That no byte of the file is another than when it was given out, also where no signature depends on it. */
static int check_exact(const struct judge *j, struct err *e)
{
    struct bytes file = buf_bytes(&j->file), text = buf_bytes(&j->text);
    int rc = receipt_file_check_exact(file, j->form, text, &j->policy, e);
    if (rc != 0)
        err_hint(e, "--lenient judges by the lines that the policy knows alone, as C2SP tlog-proof does");
    else if (j->form == RECEIPT_FORM_PAGE)
        rc = receipt_page_check(file, text, &j->policy, j->known, e);
    return rc;
}

int cmd_receipt_verify(struct ctl *c, struct err *e)
{
    struct judge j = {.known = NULL};
    struct receipt_facts f;
    c->exit_status = EXIT_USAGE;
    int rc = load(c, &j, e);
    if (rc != 0) {
        close_judge(&j);
        return rc;
    }
    c->exit_status = EXIT_NOT_PROVEN;
    j.receipt = arena_alloc(&c->mem, sizeof *j.receipt);
    rc = receipt_file_read(buf_bytes(&j.file), &j.policy, &j.text, &j.form, e);
    if (rc == 0)
        rc = receipt_verify(buf_bytes(&j.text), &j.policy, &c->mem, j.receipt, e);
    if (rc == 0)
        rc = receipt_facts_of(j.receipt, &j.policy, j.known, &c->mem, &f, e);
    if (rc == 0 && ctl_option(c, "--lenient") == NULL)
        rc = check_exact(&j, e);
    if (rc == 0 && c->json)
        print_proven_json(c, &j, &f);
    else if (rc == 0)
        print_proven(c, &j, &f);
    else if (c->json)
        print_not_proven_json(c, e);
    else
        fputs("未证实 NOT PROVEN\n", c->out);
    if (rc == 0)
        c->exit_status = 0;
    close_judge(&j);
    return rc;
}

/* ---- convert ---- */

static int put_form(struct ctl *c, const struct judge *j, const char *form, struct buf *out, struct err *e)
{
    struct bytes text = buf_bytes(&j->text);
    const struct receipt_page page = {.proof = text,
                                      .policy = &j->policy,
                                      .members = j->known,
                                      .number = ctl_option(c, "--number"),
                                      .item_code = ctl_option(c, "--item"),
                                      .item_name = ctl_option(c, "--item-name")};
    if (strcmp(form, receipt_form_name(RECEIPT_FORM_PAGE)) == 0)
        return receipt_html(&page, out, e);
    if (strcmp(form, receipt_form_name(RECEIPT_FORM_COMPACT)) == 0)
        return receipt_to_compact(text, &j->policy, 0, out, e);
    if (strcmp(form, receipt_form_name(RECEIPT_FORM_QR)) == 0)
        return receipt_to_qr_text(text, &j->policy, out, e);
    xassert(strcmp(form, receipt_form_name(RECEIPT_FORM_TEXT)) == 0);
    buf_put(out, text.data, text.size);
    return 0;
}

static bool is_form(const char *name)
{
    for (enum receipt_form form = RECEIPT_FORM_TEXT; form <= RECEIPT_FORM_PAGE; form++)
        if (strcmp(name, receipt_form_name(form)) == 0)
            return true;
    return false;
}

int cmd_receipt_convert(struct ctl *c, struct err *e)
{
    const char *form = ctl_option(c, "--as");
    struct judge j = {.known = NULL};
    struct buf out = {0};
    c->exit_status = EXIT_USAGE;
    int rc = is_form(form) ? load(c, &j, e)
                           : err_set(e, ERR_INVALID, "ctl.receipt-form",
                                     "'--as' is '%.64s', it must be text, compact, qr or html", form);
    if (rc == 0) {
        c->exit_status = EXIT_NOT_PROVEN;
        j.receipt = arena_alloc(&c->mem, sizeof *j.receipt);
        rc = receipt_file_read(buf_bytes(&j.file), &j.policy, &j.text, &j.form, e);
    }
    if (rc == 0)
        rc = receipt_open(buf_bytes(&j.text), &j.policy, &c->mem, j.receipt, e);
    if (rc == 0)
        rc = put_form(c, &j, form, &out, e);
    if (rc == 0) {
        (void)fwrite(out.data, 1, out.size, c->out); /* ctl_main() asks ferror() */
        c->exit_status = 0;
    }
    buf_close(&out);
    close_judge(&j);
    return rc;
}
