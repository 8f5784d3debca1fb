/* /healthz, /metrics and /v1/status: how the node is. */
#include "node/http/api.h"

#include <string.h>

static bool writer_is_ok(const struct app_status_view *s)
{
    return strcmp(s->writer, "ok") == 0;
}

/* 503 when the node can take nothing in (the writer stopped: full disk, failing disk); alarms alone leave it at 200, so
 * that a supervisor does not restart a node that serves its windows. */
int api_get_healthz(struct request *r, struct err *e)
{
    (void)e;
    struct app_status_view s = {0};
    app_status(r->app, &r->mem, &s);
    bool ok = writer_is_ok(&s);
    struct json_out out = json_out_open(&r->mem);
    json_put_string(&out, out.root, "status", ok ? "ok" : "degraded");
    json_put_string(&out, out.root, "writer", s.writer);
    json_put_u64(&out, out.root, "alarms", s.alarm_count);
    json_put_string(&out, out.root, "version", s.version);
    request_reply_json(r, ok ? 200 : 503, &out);
    return 0;
}

int api_get_status(struct request *r, struct err *e)
{
    (void)e;
    struct app_status_view s = {0};
    app_status(r->app, &r->mem, &s);
    struct json_out out = json_out_open(&r->mem);
    yyjson_mut_val *root = out.root;
    json_put_u64(&out, root, "code", s.code);
    json_put_string(&out, root, "name", s.name);
    json_put_string(&out, root, "federation", s.federation);
    json_put_string(&out, root, "origin", s.origin);
    json_put_string(&out, root, "version", s.version);
    json_put_time(&out, root, "started", s.started_ms);
    json_put_string(&out, root, "writer", s.writer);
    json_put_u64(&out, root, "alarms", s.alarm_count);
    json_put_u64(&out, root, "ledger_size", s.ledger_size);
    json_put_u64(&out, root, "cases", s.case_count);
    json_put_u64(&out, root, "items", s.item_count);
    json_put_u64(&out, root, "peers", s.peer_count);
    json_put_u64(&out, root, "peers_connected", s.peer_connected);
    json_put_time(&out, root, "certificate_not_after", s.certificate_not_after_s * 1000);
    json_put_u64(&out, root, "final_size", s.final_size);
    json_put_u64(&out, root, "erasures_open", s.erasures_open);
    json_put_u64(&out, root, "commits", s.commits);
    json_put_u64(&out, root, "entries_written", s.entries_written);
    json_put_u64(&out, root, "rss_bytes", s.rss_bytes);
    request_reply_json(r, 200, &out);
    return 0;
}

int api_get_metrics(struct request *r, struct err *e)
{
    struct buf text = {0};
    app_metrics(r->app, &text);
    int rc = 0;
    if (text.failed)
        rc = err_set(e, ERR_LIMIT, "http.metrics", "the metrics are longer than %zu bytes", BUF_SIZE_MAX);
    else
        request_reply(r, 200, "text/plain; version=0.0.4; charset=utf-8", arena_bytes(&r->mem, buf_bytes(&text)));
    buf_close(&text);
    return rc;
}
