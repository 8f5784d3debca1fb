/* Route table and dispatch (see route.h). A path is compared segment by segment; {x} takes one non-empty segment,
 * {x*} at the end the whole rest of the path. */
#include "node/http/route.h"

#include <string.h>
#include <strings.h>

#include "node/base/limits.h"
#include "node/base/xassert.h"
#include "node/http/api.h"

#define BODY_NONE 0
#define BODY_JSON 1
#define BODY_TEXT 2  /* whatever its Content-Type: C2SP asks for none */
#define BODY_BYTES 3 /* a part of a file */
#define BODY_FILE 4  /* a whole file, up to CATALOG_FILE_BYTES_MAX */

struct route {
    const char *method;
    const char *path;
    const char *params; /* allowed query parameters, separated by spaces */
    int body;
    api_handler handler;
};

/* First match wins: the fixed path stands before the one with {…} of the same length. */
static const struct route routes[] = {
    {"GET", "/healthz", "", BODY_NONE, api_get_healthz},
    {"GET", "/metrics", "", BODY_NONE, api_get_metrics},
    {"GET", "/v1/status", "", BODY_NONE, api_get_status},
    {"GET", "/v1/alarms", "", BODY_NONE, api_list_alarms},
    {"GET", "/v1/policy", "", BODY_NONE, api_get_policy},
    {"GET", "/v1/peers", "", BODY_NONE, api_list_peers},
    {"GET", "/v1/catalog", "node text limit after", BODY_NONE, api_list_items},
    {"GET", "/v1/route", "item division date level", BODY_NONE, api_get_route},
    {"GET", "/v1/catalog/search", "text node region life_event limit after", BODY_NONE, api_search_items},
    {"POST", "/v1/catalog/import", "format mode publish", BODY_FILE, api_post_import},
    {"GET", "/v1/catalog/export", "format empty", BODY_NONE, api_get_export},
    {"POST", "/v1/catalog/{code}/status", "", BODY_JSON, api_post_item_status},
    {"GET", "/v1/catalog/{code}", "", BODY_NONE, api_get_item},
    {"GET", "/v1/catalog/{node}/{code}", "version", BODY_NONE, api_get_item_of_node},
    {"GET", "/v1/catalog/{node}/{code}/versions", "", BODY_NONE, api_list_item_versions},
    {"GET", "/v1/bundles", "node text life_event region date limit after", BODY_NONE, api_list_bundles},
    {"POST", "/v1/bundles/import", "publish", BODY_FILE, api_post_bundles},
    {"POST", "/v1/bundles/{code}/withdraw", "", BODY_NONE, api_post_bundle_withdraw},
    {"GET", "/v1/bundles/{code}", "version date", BODY_NONE, api_get_bundle},
    {"GET", "/v1/bundles/{node}/{code}", "version date", BODY_NONE, api_get_bundle_of_node},
    {"POST", "/v1/bundles/{node}/{code}/plan", "", BODY_JSON, api_post_bundle_plan},
    {"POST", "/v1/bundles/{node}/{code}/cases", "durable timeout_ms", BODY_JSON, api_post_bundle_cases},
    {"GET", "/v1/bundles/{node}/{code}/versions", "", BODY_NONE, api_list_bundle_versions},
    {"GET", "/v1/reconcile", "", BODY_NONE, api_list_reconciles},
    {"POST", "/v1/reconcile", "", BODY_JSON, api_post_reconcile},
    {"GET", "/v1/reconcile/{id}", "format", BODY_NONE, api_get_reconcile},
    {"GET", "/v1/publicity", "format limit after", BODY_NONE, api_get_publicity},
    {"GET", "/v1/identity/types", "", BODY_NONE, api_get_identity_types},
    {"POST", "/v1/identity/check", "", BODY_JSON, api_post_identity_check},
    {"GET", "/v1/cases", "status role item overdue limit before", BODY_NONE, api_list_cases},
    {"POST", "/v1/cases", "durable timeout_ms", BODY_JSON, api_post_case},
    {"GET", "/v1/cases/{case}", "wait timeout_ms last", BODY_NONE, api_get_case},
    {"GET", "/v1/cases/{case}/events", "", BODY_NONE, api_list_case_events},
    {"POST", "/v1/cases/{case}/events", "durable timeout_ms", BODY_JSON, api_post_case_events},
    {"POST", "/v1/cases/{case}/fetch", "", BODY_NONE, api_post_case_fetch},
    {"GET", "/v1/cases/{case}/events/{origin}/{index}/payload", "purpose", BODY_NONE, api_get_payload},
    {"GET", "/v1/cases/{case}/document", "act purpose wait_ms", BODY_NONE, api_get_document},
    {"GET", "/v1/cases/{case}/archive", "purpose", BODY_NONE, api_get_archive},
    {"GET", "/v1/cases/{case}/receipt", "act form wait_ms", BODY_NONE, api_get_receipt},
    {"GET", "/v1/cases/{case}/erasure", "", BODY_NONE, api_get_erasure},
    {"POST", "/v1/cases/{case}/erase", "", BODY_JSON, api_post_erase},
    {"POST", "/v1/cases/{case}/hold", "", BODY_JSON, api_post_hold},
    {"POST", "/v1/cases/{case}/unhold", "", BODY_NONE, api_post_unhold},
    {"GET", "/v1/cases/{case}/materials", "", BODY_NONE, api_list_materials},
    {"POST", "/v1/cases/{case}/materials", "", BODY_JSON, api_post_material},
    {"POST", "/v1/cases/{case}/materials/reuse", "durable timeout_ms", BODY_JSON, api_post_reuse},
    {"GET", "/v1/cases/{case}/materials/{file}/content", "purpose", BODY_NONE, api_get_content},
    {"GET", "/v1/uploads/{upload}", "", BODY_NONE, api_get_upload},
    {"PATCH", "/v1/uploads/{upload}", "", BODY_BYTES, api_patch_upload},
    {"DELETE", "/v1/uploads/{upload}", "", BODY_NONE, api_delete_upload},
    {"POST", "/v1/uploads/{upload}/finish", "durable timeout_ms", BODY_NONE, api_post_finish},
    {"GET", "/v1/calendar", "year node division", BODY_NONE, api_get_calendar},
    {"POST", "/v1/calendar", "division", BODY_JSON, api_post_calendar},
    {"GET", "/v1/erasures", "limit", BODY_NONE, api_list_erasures},
    {"POST", "/v1/backup", "", BODY_JSON, api_post_backup},
    {"GET", "/v1/ledger", "", BODY_NONE, api_get_ledger},
    {"GET", "/v1/ledger/checkpoint", "origin", BODY_NONE, api_get_checkpoint},
    {"GET", "/v1/ledger/tile/{tile*}", "", BODY_NONE, api_get_tile},
    {"GET", "/v1/ledger/witnesses", "", BODY_NONE, api_list_witnesses},
    {"GET", "/v1/ledger/evidence", "", BODY_NONE, api_list_evidence},
    {"GET", "/v1/ledger/entries", "origin from limit", BODY_NONE, api_list_entries},
    {"GET", "/v1/ledger/entries/{index}", "origin", BODY_NONE, api_get_entry},
    {"POST", "/v1/ledger/verify", "", BODY_NONE, api_post_verify},
};

/* C2SP tlog-witness, with "" as submission and monitoring prefix. */
static const struct route witness_routes[] = {
    {"POST", "/add-checkpoint", "", BODY_TEXT, api_post_checkpoint},
    {"GET", "/{origin_hash}/checkpoint", "", BODY_NONE, api_get_witnessed},
};

static bool same_method(const struct route *route, const char *method)
{
    /* HEAD is GET whose answer the server sends without its body */
    return strcmp(route->method, method) == 0 || (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

/* Compares @path with @pattern; fills @args (spans of @path) for each {…}. */
static bool path_matches(const char *pattern, const char *path, struct bytes args[REQUEST_ARGS_MAX])
{
    size_t arg_count = 0;
    while (*pattern != '\0') {
        if (*pattern != '{') {
            if (*pattern++ != *path++)
                return false;
            continue;
        }
        const char *end = strchr(pattern, '}');
        size_t size = end[-1] == '*' ? strlen(path) : strcspn(path, "/");
        if (size == 0)
            return false;
        xassert(arg_count < REQUEST_ARGS_MAX);
        args[arg_count++] = bytes_of(path, size);
        path += size;
        pattern = end + 1;
    }
    return *path == '\0';
}

/* The route, or NULL with *ret_allow = the methods of the path ("" when there is no such path). A request is asked about
 * three times on its way: what was found stays in it. */
static const struct route *find_route(struct request *r, const char **ret_allow)
{
    if (r->route != NULL)
        return r->route;
    bool get = false, post = false, patch = false, is_witness = r->door == REQUEST_DOOR_WITNESS;
    const struct route *table = is_witness ? witness_routes : routes;
    size_t count = is_witness ? array_count(witness_routes) : array_count(routes);
    for (size_t i = 0; i < count; i++) {
        struct bytes found[REQUEST_ARGS_MAX] = {{0}};
        if (!path_matches(table[i].path, r->path, found))
            continue;
        if (same_method(&table[i], r->method)) {
            memcpy(r->route_args, found, sizeof found);
            r->route = &table[i];
            return r->route;
        }
        get = get || table[i].method[0] == 'G';
        post = post || strcmp(table[i].method, "POST") == 0;
        patch = patch || strcmp(table[i].method, "PATCH") == 0; /* goes with GET and DELETE */
    }
    *ret_allow = patch         ? "GET, HEAD, PATCH, DELETE"
                 : get && post ? "GET, HEAD, POST"
                 : get         ? "GET, HEAD"
                 : post        ? "POST"
                               : "";
    return NULL;
}

bool route_is_open(const char *method, const char *path)
{
    return (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0) && strcmp(path, "/healthz") == 0;
}

/* Whether the words of @list, separated by spaces, hold @name. */
static bool list_has(const char *list, const char *name)
{
    size_t size = strlen(name);
    for (const char *at = list; *at != '\0';) {
        size_t n = strcspn(at, " ");
        if (n == size && memcmp(at, name, n) == 0)
            return true;
        at += n;
        at += strspn(at, " ");
    }
    return false;
}

static int check_params(const struct request *r, const struct route *route, struct err *e)
{
    for (size_t i = 0; i < r->param_count; i++) {
        const char *name = r->params[i].name;
        if (!list_has(route->params, name)) {
            int rc = err_set(e, ERR_INVALID, "http.parameter", "unknown parameter '%.64s'", name);
            if (route->params[0] != '\0')
                err_hint(e, "%s takes: %s", route->path, route->params);
            return rc;
        }
        for (size_t j = 0; j < i; j++)
            if (strcmp(r->params[j].name, name) == 0)
                return err_set(e, ERR_INVALID, "http.parameter", "parameter '%s' stands twice", name);
    }
    return 0;
}

/* "application/json", with or without parameters such as charset. */
static bool is_json_type(const char *type)
{
    static const char json[] = "application/json";
    if (type == NULL || strncasecmp(type, json, sizeof json - 1) != 0)
        return false;
    char next = type[sizeof json - 1];
    return next == '\0' || next == ';' || next == ' ';
}

/* That of draft-ietf-httpbis-resumable-upload, that of tus, and the plain one. */
static bool is_part_type(const char *type)
{
    static const char *const types[] = {"application/partial-upload", "application/offset+octet-stream",
                                        "application/octet-stream"};
    for (size_t i = 0; type != NULL && i < array_count(types); i++)
        if (strcasecmp(type, types[i]) == 0)
            return true;
    return false;
}

static int check_type(const struct request *r, const struct route *route, struct err *e)
{
    if (route->body == BODY_BYTES && !is_part_type(r->content_type))
        return err_set(e, ERR_UNSUPPORTED, "http.media-type",
                       "the body is '%.64s', this path takes application/partial-upload",
                       r->content_type != NULL ? r->content_type : "of no said type");
    if (route->body != BODY_JSON || is_json_type(r->content_type))
        return 0;
    return err_set(e, ERR_UNSUPPORTED, "http.media-type", "the body is '%.64s', this path takes application/json",
                   r->content_type != NULL ? r->content_type : "of no said type");
}

size_t route_body_max(struct request *r, size_t otherwise)
{
    const char *allow;
    const struct route *route = find_route(r, &allow);
    return route != NULL && route->body == BODY_FILE ? CATALOG_FILE_BYTES_MAX : otherwise;
}

bool route_check(struct request *r)
{
    const char *allow = "";
    struct err e = {0};
    const struct route *route = find_route(r, &allow);
    if (route == NULL && allow[0] == '\0') {
        (void)err_set(&e, ERR_NOT_FOUND, "http.path", "no such path: '%.128s'", r->path);
        err_hint(&e, "node/API.md lists the paths");
        request_reply_error(r, &e);
    } else if (route == NULL) {
        (void)err_set(&e, ERR_UNSUPPORTED, "http.method", "%.32s is not possible on '%.128s'; it takes %s", r->method,
                      r->path, allow);
        r->allow = allow;
        request_reply_error_status(r, 405, &e);
    } else if (check_params(r, route, &e) != 0 || check_type(r, route, &e) != 0) {
        request_reply_error(r, &e);
    }
    return !r->replied;
}

void route_dispatch(struct request *r)
{
    const char *allow;
    struct err e = {0};
    const struct route *route = find_route(r, &allow);
    xassert(route != NULL); /* route_check() has passed */
    for (size_t i = 0; i < REQUEST_ARGS_MAX && r->route_args[i].data != NULL; i++)
        r->args[i] = arena_strndup(&r->mem, (const char *)r->route_args[i].data, r->route_args[i].size);

    int rc = route->handler(r, &e);
    if (rc != 0)
        request_reply_error(r, &e);
    xassert(r->replied || r->waiting);
    buf_close(&r->body);
    arena_close(&r->scratch);
}
