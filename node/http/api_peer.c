/* /v1/peers: the other nodes as this one sees them. */
#include "node/http/api.h"

int api_list_peers(struct request *r, struct err *e)
{
    struct app_peer_view *peers = NULL;
    size_t count = 0;
    int rc = app_list_peers(r->app, &r->mem, &peers, &count, e);
    if (rc != 0)
        return rc;

    struct json_out out = json_out_open(&r->mem);
    yyjson_mut_val *list = json_put_array(&out, out.root, "peers");
    for (size_t i = 0; i < count; i++) {
        const struct app_peer_view *p = &peers[i];
        yyjson_mut_val *row = json_put_object(&out, list, NULL);
        json_put_u64(&out, row, "code", p->code);
        json_put_string(&out, row, "name", p->name);
        json_put_string(&out, row, "url", p->url);
        json_put_string(&out, row, "state", p->state);
        json_put_string(&out, row, "reason", p->reason);
        json_put_time(&out, row, "since", p->since_ms);
        json_put_time(&out, row, "last_heard", p->last_heard_ms);
        json_put_u64(&out, row, "held_size", p->held_size);
        json_put_u64(&out, row, "confirmed_size", p->confirmed_size);
        json_put_u64(&out, row, "known_size", p->known_size);
        if (p->seconds_left > 0) {
            yyjson_mut_val *behind = json_put_object(&out, row, "catching_up");
            json_put_u64(&out, behind, "behind", p->known_size > p->held_size ? p->known_size - p->held_size : 0);
            json_put_u64(&out, behind, "leaves_per_s", p->leaves_per_s);
            json_put_u64(&out, behind, "seconds_left", p->seconds_left);
        } else {
            json_put_null(&out, row, "catching_up");
        }
        json_put_u64(&out, row, "acked_size", p->acked_size);
        json_put_u64(&out, row, "backlog", p->backlog);
        if (p->clock_skew_ms == INT64_MIN)
            json_put_null(&out, row, "clock_skew_ms");
        else
            json_put_i64(&out, row, "clock_skew_ms", p->clock_skew_ms);
        json_put_u64(&out, row, "items", p->item_count);
        json_put_bool(&out, row, "disputed", p->disputed);
        json_put_string(&out, row, "version", p->version);
    }
    request_reply_json(r, 200, &out);
    return 0;
}
