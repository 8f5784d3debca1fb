/* case archive-verify: judges an archive package without a node.
 *
 * Happy path: manifest.json -> every file has the size and both hashes that stand there, no other file is in the folder -> every
 * event of case.json is the entry that its id is the hash of -> every receipt proves such an entry of this case. Failure modes: the
 * first thing that is wrong, by name. Own process; no clock, no network.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "federation/ledger/leaf.h"
#include "federation/ledger/receipt.h"
#include "node/base/file.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"
#include "node/ctl/cmd.h"
#include "node/ctl/package.h"
#include "node/receipt/archive.h"

#define JSON_BYTES_MAX (64u << 20)

struct check {
    struct ctl *c;
    const char *folder;
    yyjson_doc *manifest, *view; /* case.json */
    const char *case_id;
    size_t files, entries, receipts, unfinal;
};

static const char *inside(struct check *k, const char *path)
{
    return arena_printf(&k->c->mem, "%s/%s", k->folder, path);
}

static const char *text_of(yyjson_val *o, const char *name)
{
    yyjson_val *v = yyjson_is_obj(o) ? yyjson_obj_get(o, name) : NULL;
    return yyjson_is_str(v) ? yyjson_get_str(v) : "";
}

static int read_json(struct check *k, const char *path, yyjson_doc **ret, struct err *e)
{
    struct buf text = {0};
    int rc = file_read(inside(k, path), JSON_BYTES_MAX, &text, e);
    if (rc != 0)
        return rc;
    *ret = yyjson_read((const char *)text.data, text.size, 0);
    buf_close(&text);
    return *ret != NULL ? 0 : err_set(e, ERR_INVALID, "archive.form", "'%s' is no JSON", path);
}

/* ---- files ---- */

/* Within the folder, one level deep at most. */
static bool is_plain(const char *path)
{
    const char *slash = strchr(path, '/');
    return path[0] != '\0' && path[0] != '/' && path[0] != '.' && strstr(path, "/.") == NULL &&
           (slash == NULL || strchr(slash + 1, '/') == NULL);
}

static int check_file(struct check *k, yyjson_val *row, struct err *e)
{
    struct package_file f = {.path = text_of(row, "path")};
    if (!is_plain(f.path))
        return err_set(e, ERR_INVALID, "archive.form", "the manifest names '%.200s', which is no file of a package",
                       f.path);
    int rc = package_hash(k->folder, &f, e);
    if (rc != 0)
        return rc;
    if (f.size != yyjson_get_uint(yyjson_obj_get(row, "size")) || strcmp(f.sha256, text_of(row, "sha256")) != 0 ||
        strcmp(f.sm3, text_of(row, "sm3")) != 0)
        return err_set(e, ERR_VERIFY, "archive.changed", "'%s' is not as the manifest says: SHA-256 %s, SM3 %s", f.path,
                       f.sha256, f.sm3);
    k->files++;
    return 0;
}

static bool is_listed(struct check *k, const char *path)
{
    if (strcmp(path, ARCHIVE_MANIFEST) == 0 || strcmp(path, ARCHIVE_SUMS) == 0)
        return true;
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(yyjson_doc_get_root(k->manifest), "files"));
    for (yyjson_val *row = yyjson_arr_iter_next(&it); row != NULL; row = yyjson_arr_iter_next(&it))
        if (strcmp(text_of(row, "path"), path) == 0)
            return true;
    return false;
}

static int check_folder(struct check *k, const char *name, struct err *e)
{
    DIR *d = opendir(name[0] == '\0' ? k->folder : inside(k, name));
    int rc = d != NULL ? 0 : err_set_errno(e, ERR_IO, "archive.read", errno, "cannot read folder '%.200s'", name);
    for (struct dirent *at; rc == 0 && (at = readdir(d)) != NULL;) {
        if (strcmp(at->d_name, ".") == 0 || strcmp(at->d_name, "..") == 0)
            continue;
        const char *path = name[0] == '\0' ? at->d_name : arena_printf(&k->c->mem, "%s/%s", name, at->d_name);
        if (at->d_type == DT_DIR && name[0] == '\0')
            rc = check_folder(k, arena_strdup(&k->c->mem, path), e);
        else if (!is_listed(k, path))
            rc = err_set(e, ERR_VERIFY, "archive.extra", "'%.200s' is in the folder and not in the manifest", path);
    }
    if (d != NULL)
        (void)closedir(d);
    return rc;
}

/* SHA256SUMS has a line for the manifest, which has none for itself. */
static int check_sums(struct check *k, struct err *e)
{
    struct buf sums = {0};
    struct package_file f = {.path = ARCHIVE_MANIFEST};
    int rc = package_hash(k->folder, &f, e);
    if (rc == 0)
        rc = file_read(inside(k, ARCHIVE_SUMS), JSON_BYTES_MAX, &sums, e);
    const char *line = arena_printf(&k->c->mem, "%s  %s\n", f.sha256, f.path);
    if (rc == 0 && memmem(sums.data, sums.size, line, strlen(line)) == NULL)
        rc = err_set(e, ERR_VERIFY, "archive.changed", "'%s' is not as %s says", f.path, ARCHIVE_SUMS);
    buf_close(&sums);
    return rc;
}

static int check_files(struct check *k, struct err *e)
{
    yyjson_val *files = yyjson_obj_get(yyjson_doc_get_root(k->manifest), "files");
    int rc = check_sums(k, e);
    yyjson_arr_iter it = yyjson_arr_iter_with(files);
    for (yyjson_val *row = yyjson_arr_iter_next(&it); rc == 0 && row != NULL; row = yyjson_arr_iter_next(&it))
        rc = check_file(k, row, e);
    return rc == 0 ? check_folder(k, "", e) : rc;
}

/* ---- entries ---- */

static int check_event(struct check *k, yyjson_val *event, struct err *e)
{
    struct buf leaf = {0};
    struct merkle_hash hash;
    char hex[2 * sizeof hash.b + 1];
    const char *path = arena_printf(&k->c->mem, "entries/%llu-%llu.leaf",
                                    (unsigned long long)yyjson_get_uint(yyjson_obj_get(event, "origin")),
                                    (unsigned long long)yyjson_get_uint(yyjson_obj_get(event, "index")));
    int rc = file_read(inside(k, path), LEAF_BYTES_MAX, &leaf, e);
    if (rc != 0)
        return rc;
    leaf_hash(buf_bytes(&leaf), &hash);
    hex_encode(hash.b, sizeof hash.b, hex);
    buf_close(&leaf);
    k->entries++;
    return strcmp(hex, text_of(event, "id")) == 0
               ? 0
               : err_set(e, ERR_VERIFY, "archive.entry", "'%s' is not the entry that case.json names: its hash is %s",
                         path, hex);
}

static int check_events(struct check *k, struct err *e)
{
    yyjson_val *root = yyjson_doc_get_root(k->view);
    if (strcmp(text_of(root, "case"), k->case_id) != 0)
        return err_set(e, ERR_VERIFY, "archive.entry", "case.json is about another case than the manifest");
    int rc = 0;
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(root, "events"));
    for (yyjson_val *event = yyjson_arr_iter_next(&it); rc == 0 && event != NULL; event = yyjson_arr_iter_next(&it))
        rc = check_event(k, event, e);
    return rc;
}

/* ---- receipts ---- */

static bool is_event_of_case(struct check *k, const struct merkle_hash *hash)
{
    char hex[2 * sizeof hash->b + 1];
    hex_encode(hash->b, sizeof hash->b, hex);
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(yyjson_doc_get_root(k->view), "events"));
    for (yyjson_val *event = yyjson_arr_iter_next(&it); event != NULL; event = yyjson_arr_iter_next(&it))
        if (strcmp(text_of(event, "id"), hex) == 0)
            return true;
    return false;
}

static int check_receipt(struct check *k, yyjson_val *row, struct err *e)
{
    struct buf text = {0}, rules = {0};
    struct arena mem = ARENA_INIT;
    struct policy policy;
    struct receipt receipt;
    const char *own = ctl_option(k->c, "--policy"), *path = text_of(row, "path"), *policy_path = text_of(row, "policy");
    bool is_final = yyjson_get_bool(yyjson_obj_get(row, "final"));
    if (!is_plain(path) || !is_plain(policy_path))
        return err_set(e, ERR_INVALID, "archive.form", "the manifest names a receipt that is no file of a package");
    int rc = file_read(inside(k, path), PROOF_BYTES_MAX, &text, e);
    if (rc == 0)
        rc = file_read(own != NULL ? own : inside(k, policy_path), POLICY_BYTES_MAX, &rules, e);
    if (rc == 0)
        rc = policy_parse(buf_bytes(&rules), &mem, &policy, e);
    if (rc == 0)
        rc = is_final ? receipt_verify(buf_bytes(&text), &policy, &mem, &receipt, e)
                      : receipt_open(buf_bytes(&text), &policy, &mem, &receipt, e);
    if (rc != 0)
        rc = err_wrap(e, "receipt of '%.64s'", text_of(row, "act"));
    else if (!is_event_of_case(k, &receipt.leaf_hash))
        rc = err_set(e, ERR_VERIFY, "archive.receipt", "the receipt of '%.64s' proves no entry of this case",
                     text_of(row, "act"));
    k->receipts += rc == 0;
    k->unfinal += rc == 0 && !is_final;
    arena_close(&mem);
    buf_close(&text);
    buf_close(&rules);
    return rc;
}

static int check_receipts(struct check *k, struct err *e)
{
    int rc = 0;
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(yyjson_doc_get_root(k->manifest), "receipts"));
    for (yyjson_val *row = yyjson_arr_iter_next(&it); rc == 0 && row != NULL; row = yyjson_arr_iter_next(&it))
        rc = check_receipt(k, row, e);
    return rc;
}

static void print_result(struct check *k)
{
    struct arena *mem = &k->c->mem;
    const char *own = ctl_option(k->c, "--policy");
    yyjson_val *withheld = yyjson_obj_get(yyjson_doc_get_root(k->manifest), "withheld");
    const struct output_pair pairs[] = {
        {"case", k->case_id},
        {"files", arena_printf(mem, "%zu", k->files)},
        {"entries", arena_printf(mem, "%zu", k->entries)},
        {"receipts", arena_printf(mem, "%zu", k->receipts)},
        {"not final", arena_printf(mem, "%zu", k->unfinal)},
        {"withheld", arena_printf(mem, "%zu", yyjson_arr_size(withheld))},
        {"judged by", own != NULL ? own : "the package's own policy"},
    };
    cmd_print_pairs(k->c, pairs, array_count(pairs));
}

int cmd_case_archive_verify(struct ctl *c, struct err *e)
{
    struct check k = {.c = c, .folder = c->args[0]};
    int rc = read_json(&k, ARCHIVE_MANIFEST, &k.manifest, e);
    yyjson_val *root = rc == 0 ? yyjson_doc_get_root(k.manifest) : NULL;
    if (rc == 0 && strcmp(text_of(root, "format"), ARCHIVE_FORMAT) != 0)
        rc = err_set(e, ERR_UNSUPPORTED, "archive.form", "the manifest has the format '%.64s', this program reads %s",
                     text_of(root, "format"), ARCHIVE_FORMAT);
    k.case_id = text_of(root, "case");
    if (rc == 0)
        rc = check_files(&k, e);
    if (rc == 0)
        rc = read_json(&k, ARCHIVE_CASE, &k.view, e);
    if (rc == 0)
        rc = check_events(&k, e);
    if (rc == 0)
        rc = check_receipts(&k, e);
    if (rc == 0)
        print_result(&k);
    yyjson_doc_free(k.manifest);
    yyjson_doc_free(k.view);
    return rc;
}
