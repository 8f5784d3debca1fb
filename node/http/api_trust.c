/* What others need in order not to have to trust this node: the tiles of its ledger (C2SP tlog-tiles), the policy of its receipts,
 * who cosigns it, evidence against forked ledgers; and the alarms that its operator must see.
 *
 * With /v1/ledger/checkpoint these make /v1/ledger a monitoring prefix of tlog-tiles: <prefix>/checkpoint,
 * <prefix>/tile/<L>/<N>[.p/<W>], <prefix>/tile/entries/<N>[.p/<W>].
 */
#include "node/http/api.h"

#include <string.h>

#include "federation/ledger/tiles.h"

/* A tile never changes. Not "public": whoever asked had to show a credential. */
#define CACHE_FOR_EVER "max-age=31536000, immutable"

int api_get_tile(struct request *r, struct err *e)
{
    static const char entries[] = "entries/";
    bool is_entries = strncmp(r->args[0], entries, sizeof entries - 1) == 0;
    /* entry bundles are cut like the tiles of level 0 */
    const char *path = is_entries ? arena_printf(&r->mem, "tile/0/%s", r->args[0] + sizeof entries - 1)
                                  : arena_printf(&r->mem, "tile/%s", r->args[0]);
    unsigned level = 0, width = 0;
    uint64_t number = 0;
    struct bytes tile = {0};
    int rc = tiles_parse_path(bytes_of_string(path), &level, &number, &width, NULL);
    if (rc != 0) {
        rc = err_set(e, ERR_INVALID, "http.tile", "'%.64s' is no tile", r->args[0]);
        err_hint(e, "tile/<level>/<number>[.p/<width>] or tile/entries/…, the number as in x001/x234/067");
        return rc;
    }
    rc = app_read_tile(r->app, is_entries ? -1 : (int)level, number, width, &r->mem, &tile, e);
    if (rc != 0)
        return rc;
    r->cache = CACHE_FOR_EVER;
    request_reply(r, 200, "application/octet-stream", tile);
    return 0;
}

int api_get_policy(struct request *r, struct err *e)
{
    struct bytes text = {0};
    int rc = app_policy(r->app, &r->mem, &text, e);
    if (rc == 0)
        request_reply(r, 200, "text/plain; charset=utf-8", text);
    return rc;
}

int api_list_witnesses(struct request *r, struct err *e)
{
    struct app_witness_view *rows = NULL;
    size_t count = 0;
    uint64_t final_size = 0;
    int rc = app_list_witnesses(r->app, &r->mem, &rows, &count, &final_size, e);
    if (rc != 0)
        return rc;
    struct json_out out = json_out_open(&r->mem);
    json_put_u64(&out, out.root, "final_size", final_size);
    yyjson_mut_val *list = json_put_array(&out, out.root, "witnesses");
    for (size_t i = 0; i < count; i++) {
        yyjson_mut_val *row = json_put_object(&out, list, NULL);
        if (rows[i].code != 0)
            json_put_u64(&out, row, "code", rows[i].code);
        else
            json_put_null(&out, row, "code");
        json_put_string(&out, row, "name", rows[i].name);
        json_put_string(&out, row, "url", rows[i].url);
        json_put_bool(&out, row, "up", rows[i].up);
        json_put_u64(&out, row, "size", rows[i].size);
        json_put_time(&out, row, "cosigned", rows[i].time_s * 1000);
        json_put_string(&out, row, "last_error", rows[i].last_error);
    }
    request_reply_json(r, 200, &out);
    return 0;
}

int api_list_evidence(struct request *r, struct err *e)
{
    struct app_evidence_view *rows = NULL;
    size_t count = 0;
    int rc = app_list_evidence(r->app, &r->mem, &rows, &count, e);
    if (rc != 0)
        return rc;
    struct json_out out = json_out_open(&r->mem);
    yyjson_mut_val *list = json_put_array(&out, out.root, "evidence");
    for (size_t i = 0; i < count; i++) {
        yyjson_mut_val *row = json_put_object(&out, list, NULL);
        json_put_u64(&out, row, "accused", rows[i].accused);
        json_put_string(&out, row, "accused_name", rows[i].accused_name);
        json_put_u64(&out, row, "common_size", rows[i].common_size);
        json_put_u64(&out, row, "origin", rows[i].origin);
        json_put_u64(&out, row, "index", rows[i].index);
        if (rows[i].evidence.size > 0)
            json_put_base64(&out, row, "evidence", rows[i].evidence);
        else
            json_put_null(&out, row, "evidence");
    }
    request_reply_json(r, 200, &out);
    return 0;
}

int api_list_alarms(struct request *r, struct err *e)
{
    struct app_alarm_view *rows = NULL;
    size_t count = 0;
    int rc = app_list_alarms(r->app, &r->mem, &rows, &count, e);
    if (rc != 0)
        return rc;
    struct json_out out = json_out_open(&r->mem);
    yyjson_mut_val *list = json_put_array(&out, out.root, "alarms");
    for (size_t i = 0; i < count; i++) {
        yyjson_mut_val *row = json_put_object(&out, list, NULL);
        json_put_string(&out, row, "id", rows[i].id);
        json_put_u64(&out, row, "about", rows[i].about);
        json_put_string(&out, row, "about_name", rows[i].about_name);
        json_put_string(&out, row, "text", rows[i].text);
        json_put_u64(&out, row, "count", rows[i].count);
        json_put_time(&out, row, "first", rows[i].first_ms);
        json_put_time(&out, row, "last", rows[i].last_ms);
    }
    request_reply_json(r, 200, &out);
    return 0;
}
