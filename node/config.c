/* Config (see config.h). The table is the documentation of the keys; README.md prints the same. */
#include "node/config.h"

#include <stdio.h>
#include <string.h>
#include <yyjson.h>

#include "node/base/file.h"
#include "node/base/limits.h"
#include "node/base/log.h"
#include "node/base/xassert.h"

enum kind { KIND_TEXT, KIND_PATH, KIND_CODE, KIND_NUMBER, KIND_CODES, KIND_SEVERITY, KIND_ARGS };

struct key {
    const char *section; /* NULL = top level */
    const char *name;
    enum kind kind;
    size_t offset;
    bool required;
    const char *fallback;
    uint32_t min, max; /* KIND_NUMBER */
};

#define FIELD(member) offsetof(struct config, member)
static const struct key keys[] = {
    {NULL, "region", KIND_CODE, FIELD(region), true, NULL, 0, 0},
    {NULL, "name", KIND_TEXT, FIELD(name), true, NULL, 0, 0},
    {"federation", "listen", KIND_TEXT, FIELD(listen), true, NULL, 0, 0},
    {"federation", "advertise", KIND_TEXT, FIELD(advertise), false, "", 0, 0},
    {NULL, "http", KIND_TEXT, FIELD(http), false, "", 0, 0},
    {NULL, "catalog", KIND_PATH, FIELD(catalog), false, "", 0, 0},
    {NULL, "data", KIND_PATH, FIELD(data), true, NULL, 0, 0},
    {NULL, "log", KIND_TEXT, FIELD(log), false, "info", 0, 0},
    {NULL, "witness_http", KIND_TEXT, FIELD(witness_http), false, "", 0, 0},
    {NULL, "mirrors", KIND_CODES, FIELD(mirrors), false, NULL, 0, 0},
    {"files", "listen", KIND_TEXT, FIELD(files_listen), false, "", 0, 0},
    {"files", "advertise_port", KIND_NUMBER, FIELD(files_port), false, "0", 0, 65535},
    {"files", "types", KIND_TEXT, FIELD(material_types), false, "", 0, 0},
    {"files", "scanner", KIND_ARGS, FIELD(scanner), false, NULL, 0, 0},
    {"files", "case_files", KIND_NUMBER, FIELD(case_files), false, "256", 1, 500},
    {"files", "case_mib", KIND_NUMBER, FIELD(case_mib), false, "8192", 1, 1048576},
    {"files", "scanner_s", KIND_NUMBER, FIELD(scanner_s), false, "300", 1, 3600},
    {"ledger", "policy", KIND_PATH, FIELD(policy), false, "", 0, 0},
    {"ledger", "heads_busy_s", KIND_NUMBER, FIELD(heads_busy_s), false, "10", 1, 60},
    {"ledger", "heads_idle_s", KIND_NUMBER, FIELD(heads_idle_s), false, "60", 1, 3600},
    {"ledger", "heads_stale_s", KIND_NUMBER, FIELD(heads_stale_s), false, "180", 2, 86400},
    {"ledger", "witness_round_ms", KIND_NUMBER, FIELD(witness_round_ms), false, "1000", 10, 60000},
    {"ledger", "start_ask_ms", KIND_NUMBER, FIELD(start_ask_ms), false, "2000", 0, 60000},
    {"reconcile", "hour", KIND_NUMBER, FIELD(reconcile_hour), false, "3", 0, 24},
    {"ledger", "erase_alarm_s", KIND_NUMBER, FIELD(erase_alarm_s), false, "86400", 1, 2678400},
    {"identity", "uscc_check", KIND_SEVERITY, FIELD(uscc_check), false, "warn", 0, 0},
    {"identity", "uscc_org_check", KIND_SEVERITY, FIELD(uscc_org_check), false, "warn", 0, 0},
    {"identity", "unknown_division", KIND_SEVERITY, FIELD(unknown_division), false, "warn", 0, 0},
};

struct load {
    const char *path;
    struct config *config;
    struct err *e;
};

static const char *under_dir(struct config *c, const char *path)
{
    return path[0] == '/' || path[0] == '\0' ? path : arena_printf(&c->arena, "%s/%s", c->dir, path);
}

static int bad(struct load *l, const struct key *k, const char *what)
{
    return err_set(l->e, ERR_INVALID, "config.value", "%s: %s%s%s: %s", l->path, k->section == NULL ? "" : k->section,
                   k->section == NULL ? "" : ".", k->name, what);
}

static int take_number(struct load *l, const struct key *k, yyjson_val *value)
{
    char what[64];
    uint64_t number = yyjson_is_uint(value) ? yyjson_get_uint(value) : UINT64_MAX;
    if (number < k->min || number > k->max) {
        (void)snprintf(what, sizeof what, "a number from %u to %u is wanted", k->min, k->max);
        return bad(l, k, what);
    }
    uint32_t narrow = (uint32_t)number;
    memcpy((char *)l->config + k->offset, &narrow, sizeof narrow);
    return 0;
}

static int take_codes(struct load *l, const struct key *k, yyjson_val *value)
{
    size_t count = yyjson_arr_size(value);
    if (!yyjson_is_arr(value) || count > CONFIG_MIRRORS_MAX)
        return bad(l, k, "a list of up to 3 node codes is wanted");
    for (size_t i = 0; i < count; i++) {
        yyjson_val *code = yyjson_arr_get(value, i);
        if (!yyjson_is_uint(code) || yyjson_get_uint(code) < 100000 || yyjson_get_uint(code) > 999999)
            return bad(l, k, "a list of up to 3 node codes is wanted");
        l->config->mirrors[l->config->mirror_count++] = (uint32_t)yyjson_get_uint(code);
    }
    return 0;
}

static int take_args(struct load *l, const struct key *k, yyjson_val *value)
{
    size_t count = yyjson_arr_size(value);
    const char **args = (const char **)(void *)((char *)l->config + k->offset);
    bool good = yyjson_is_arr(value) && count <= CONFIG_SCANNER_ARGS_MAX;
    for (size_t i = 0; good && i < count; i++) {
        yyjson_val *arg = yyjson_arr_get(value, i);
        const char *text = yyjson_get_str(arg);
        good = text != NULL && strlen(text) == yyjson_get_len(arg) && (i > 0 || text[0] == '/');
        if (good)
            args[i] = arena_strdup(&l->config->arena, text);
    }
    return good ? 0 : bad(l, k, "a list of the program with its whole path and up to 14 arguments is wanted");
}

static int take(struct load *l, const struct key *k, yyjson_val *value)
{
    void *field = (char *)l->config + k->offset;
    if (k->kind == KIND_CODE) {
        uint64_t code = yyjson_is_uint(value) ? yyjson_get_uint(value) : 0;
        if (code < 100000 || code > 829999)
            return bad(l, k, "a division code of six digits is wanted, such as 510000");
        uint32_t narrow = (uint32_t)code;
        memcpy(field, &narrow, sizeof narrow);
        return 0;
    }
    if (k->kind == KIND_NUMBER)
        return take_number(l, k, value);
    if (k->kind == KIND_CODES)
        return take_codes(l, k, value);
    if (k->kind == KIND_ARGS)
        return take_args(l, k, value);
    const char *text = yyjson_get_str(value);
    if (text == NULL && !yyjson_is_null(value))
        return bad(l, k, "a text is wanted");
    if (text == NULL)
        text = k->fallback;
    if (text == NULL || (k->required && text[0] == '\0'))
        return bad(l, k, "must not be empty");
    if (strlen(text) != yyjson_get_len(value) && yyjson_is_str(value))
        return bad(l, k, "holds a NUL character");
    if (k->kind == KIND_SEVERITY && strcmp(text, "refuse") != 0 && strcmp(text, "warn") != 0 &&
        strcmp(text, "ignore") != 0)
        return bad(l, k, "is not one of refuse, warn, ignore");
    text = arena_strdup(&l->config->arena, text);
    if (k->kind == KIND_PATH)
        text = under_dir(l->config, text);
    memcpy(field, &text, sizeof text);
    return 0;
}

static const struct key *find_key(const char *section, const char *name)
{
    for (size_t i = 0; i < array_count(keys); i++) {
        bool same_section = section == NULL ? keys[i].section == NULL
                                            : keys[i].section != NULL && strcmp(keys[i].section, section) == 0;
        if (same_section && strcmp(keys[i].name, name) == 0)
            return &keys[i];
    }
    return NULL;
}

/* One object: @section NULL is the document itself, whose inner objects are "federation", "ledger", "identity", "reconcile", "files". */
static int take_object(struct load *l, const char *section, yyjson_val *object, uint32_t *seen)
{
    size_t i, count;
    yyjson_val *name, *value;
    yyjson_obj_foreach(object, i, count, name, value)
    {
        const char *text = yyjson_get_str(name);
        const struct key *k = find_key(section, text);
        bool is_section = strcmp(text, "federation") == 0 || strcmp(text, "ledger") == 0 ||
                          strcmp(text, "identity") == 0 || strcmp(text, "reconcile") == 0 || strcmp(text, "files") == 0;
        if (k == NULL && section == NULL && is_section && yyjson_is_obj(value)) {
            int rc = take_object(l, text, value, seen);
            if (rc != 0)
                return rc;
            continue;
        }
        if (k == NULL)
            return err_set(l->e, ERR_INVALID, "config.key", "%s: unknown key '%.60s'%s%s", l->path, text,
                           section == NULL ? "" : " in ", section == NULL ? "" : section);
        uint32_t bit = 1u << (k - keys);
        if ((*seen & bit) != 0)
            return bad(l, k, "stands twice");
        *seen |= bit;
        int rc = take(l, k, value);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* "host:port", as far as it can be told without asking for the host. */
static bool is_host_port(const char *text)
{
    const char *colon = strrchr(text, ':');
    uint64_t port = 0;
    if (colon == NULL || colon == text || strcspn(text, "/?#@ \t") != strlen(text))
        return false;
    size_t size = (size_t)(colon - text);
    bool is_bracketed = size > 2 && text[0] == '[' && text[size - 1] == ']';
    size_t plain = strcspn(text + is_bracketed, is_bracketed ? "[]" : ":[]"); /* up to what may not stand in a host */
    return plain == size - 2 * (size_t)is_bracketed && decimal_parse(bytes_of_string(colon + 1), &port) == 0 &&
           port > 0 && port <= 65535;
}

/* What one value says about another. */
static int check_together(struct load *l)
{
    const struct config *c = l->config;
    enum log_level level;
    if (log_parse_level(c->log, &level) != 0)
        return bad(l, find_key(NULL, "log"), "is not one of error, warn, info, debug");
    if (strncmp(c->listen, "tls+tcp://", 10) != 0)
        return bad(l, find_key("federation", "listen"), "does not begin with tls+tcp://");
    if (c->witness_http[0] != '\0' && !is_host_port(c->witness_http))
        return bad(l, find_key(NULL, "witness_http"), "is not host:port with a port from 1 to 65535");
    if (c->files_listen[0] != '\0' && strncmp(c->files_listen, "tls+tcp://", 10) != 0)
        return bad(l, find_key("files", "listen"), "does not begin with tls+tcp://");
    for (size_t i = 0; i < c->mirror_count; i++) {
        if (c->mirrors[i] == c->region)
            return bad(l, find_key(NULL, "mirrors"), "names this node itself");
        for (size_t k = 0; k < i; k++)
            if (c->mirrors[k] == c->mirrors[i])
                return bad(l, find_key(NULL, "mirrors"), "names a node twice");
    }
    if (c->heads_busy_s > c->heads_idle_s)
        return bad(l, find_key("ledger", "heads_busy_s"), "is more than heads_idle_s");
    if (c->heads_stale_s <= c->heads_idle_s) /* a quiet node would be reported all the time */
        return bad(l, find_key("ledger", "heads_stale_s"), "is not more than heads_idle_s");
    return 0;
}

static void set_default(const struct key *k, struct config *config)
{
    if (k->kind == KIND_NUMBER) {
        uint64_t number = 0;
        int rc = decimal_parse(bytes_of_string(k->fallback), &number);
        xassert(rc == 0);
        uint32_t narrow = (uint32_t)number;
        memcpy((char *)config + k->offset, &narrow, sizeof narrow);
    } else if (k->kind != KIND_CODES && k->kind != KIND_ARGS) {
        memcpy((char *)config + k->offset, &k->fallback, sizeof k->fallback);
    }
}

static int fill_missing(struct load *l, uint32_t seen)
{
    for (size_t i = 0; i < array_count(keys); i++) {
        if ((seen & (1u << i)) != 0)
            continue;
        if (keys[i].required)
            return bad(l, &keys[i], "is missing");
        set_default(&keys[i], l->config);
    }
    return 0;
}

void config_defaults(struct config *ret)
{
    *ret = (struct config){0};
    for (size_t i = 0; i < array_count(keys); i++)
        if (!keys[i].required)
            set_default(&keys[i], ret);
}

static void derive(struct config *c)
{
    c->socket_path = under_dir(c, "api.sock");
    c->token_path = under_dir(c, "api.token");
    c->members_path = under_dir(c, "members.note");
    c->federation_path = under_dir(c, "federation.pub");
    c->ca_path = under_dir(c, "ca.crt");
    c->crl_path = under_dir(c, "crl.pem");
    c->cert_path = under_dir(c, "tls.crt");
    c->key_path = under_dir(c, "tls.key");
    c->ledger_key_path = under_dir(c, "ledger.key");
    c->witness_key_path = under_dir(c, "witness.key");
    c->seal_key_path = under_dir(c, "seal.key");
}

int config_load(const char *path, struct config *ret, struct err *e)
{
    struct config config = {0};
    struct load l = {.path = path, .config = &config, .e = e};
    struct buf text = {0};
    yyjson_doc *doc = NULL;
    int rc = file_read(path, CONFIG_FILE_BYTES_MAX, &text, e);
    if (rc != 0)
        return rc;

    const char *slash = strrchr(path, '/');
    config.dir = slash == NULL ? "." : arena_strndup(&config.arena, path, (size_t)(slash - path) + (slash == path));
    yyjson_read_err why;
    doc = yyjson_read_opts((char *)text.data, text.size, 0, NULL, &why);
    if (doc == NULL || !yyjson_is_obj(yyjson_doc_get_root(doc))) {
        rc = err_set(e, ERR_INVALID, "config.json", "%s: not a JSON object%s%s at byte %zu", path,
                     doc == NULL ? ": " : "", doc == NULL ? why.msg : "", doc == NULL ? why.pos : (size_t)0);
        goto out;
    }
    uint32_t seen = 0;
    rc = take_object(&l, NULL, yyjson_doc_get_root(doc), &seen);
    if (rc == 0)
        rc = fill_missing(&l, seen);
    if (rc == 0)
        rc = check_together(&l);
    if (rc == 0) {
        derive(&config);
        *ret = config;
    }

out:
    if (rc != 0)
        arena_close(&config.arena);
    yyjson_doc_free(doc);
    buf_close(&text);
    return rc;
}

void config_close(struct config *c)
{
    arena_close(&c->arena);
}
