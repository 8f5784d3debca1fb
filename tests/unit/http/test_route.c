/* Routes and handlers of the local API against a fake app: what reaches the app, what the client is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "node/base/limits.h"
#include "node/http/route.h"
#include "tests/unit/http/fake_app.h"

#define JSON "application/json"
#define APPLICANT                                                                                                      \
    "\"applicant\":{\"kind\":\"person\",\"name\":\"张三\",\"id_type\":\"citizen_id\",\"id_number\":"                   \
    "\"510104190507290029\"}"
#define SUBMIT "{\"item\":\"000105001000\"," APPLICANT "}"

/* Splits "path?a=b&c=d" into the request, which borrows from @target. */
static struct request *make(struct app *a, const char *method, char *target, const char *body)
{
    struct request *r = request_create(a);
    r->method = method;
    r->path = target;
    r->content_type = body != NULL ? JSON : NULL;
    if (body != NULL)
        buf_put_string(&r->body, body);
    char *at = strchr(target, '?');
    while (at != NULL) {
        *at++ = '\0';
        char *value = strchr(at, '=');
        *value++ = '\0';
        r->params[r->param_count++] = (struct request_param){.name = at, .value = value};
        at = strchr(value, '&');
    }
    return r;
}

struct answer {
    int status;
    char text[8192];
    char location[96];
    char allow[64];
};

static struct answer ask_key(struct app *a, const char *method, const char *target, const char *body, const char *key)
{
    struct answer answer = {0};
    char copy[512];
    (void)snprintf(copy, sizeof copy, "%s", target);
    struct request *r = make(a, method, copy, body);
    r->idempotency_key = key;
    if (route_check(r)) {
        route_dispatch(r);
        fake_app_answer(a);
    }
    assert_true(r->replied);
    answer.status = r->status;
    (void)snprintf(answer.text, sizeof answer.text, "%.*s", (int)r->reply.size, (const char *)r->reply.data);
    (void)snprintf(answer.location, sizeof answer.location, "%s", r->location != NULL ? r->location : "");
    (void)snprintf(answer.allow, sizeof answer.allow, "%s", r->allow != NULL ? r->allow : "");
    request_release(r);
    return answer;
}

static struct answer ask(struct app *a, const char *method, const char *target, const char *body)
{
    return ask_key(a, method, target, body, NULL);
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' does not hold '%s'", text, part);
}

static struct app fresh(void)
{
    struct app a = {.case_version = 5, .rows = 1};
    memcpy(a.result.case_id, fake_case_id, CASE_ID_SIZE);
    a.result.origin = 440000;
    a.result.first_index = 12;
    a.result.count = 4;
    return a;
}

static const struct {
    const char *method, *target, *body;
    int status;
    const char *has;
} refused[] = {
    {"GET", "/", NULL, 404, "\"id\":\"http.path\""},
    {"GET", "/v1/case", NULL, 404, "no such path: '/v1/case'"},
    {"GET", "/v1/cases/", NULL, 404, "http.path"},
    {"GET", "/v1/cases/a/b", NULL, 404, "http.path"},
    {"GET", "/v1/catalog/a/b/c", NULL, 404, "http.path"},
    {"GET", "/v1/statusx", NULL, 404, "http.path"},
    {"DELETE", "/v1/cases", NULL, 405, "GET, HEAD, POST"},
    {"POST", "/v1/status", "{}", 405, "http.method"},
    {"GET", "/v1/ledger/verify", NULL, 405, "it takes POST"},
    {"get", "/v1/status", NULL, 405, "http.method"},
    {"POST", "/v1/cases", NULL, 415, "http.media-type"},
    {"GET", "/v1/cases?limt=3", NULL, 400, "unknown parameter 'limt'"},
    {"GET", "/v1/cases?limit=3&limit=4", NULL, 400, "stands twice"},
    {"GET", "/v1/cases?limit=0", NULL, 400, "it must be a number from 1 to 1000"},
    {"GET", "/v1/cases?limit=1001", NULL, 400, "'1001'"},
    {"GET", "/v1/cases?limit=+5", NULL, 400, "http.parameter"},
    {"GET", "/v1/cases?limit=", NULL, 400, "http.parameter"},
    {"GET", "/v1/cases?before=99999999999999999999999", NULL, 400, "http.parameter"},
    {"GET", "/v1/cases?role=boss", NULL, 400, "receiving, deciding"},
    {"GET", "/v1/status?x=1", NULL, 400, "unknown parameter"},
    {"GET", "/v1/catalog?node=51", NULL, 400, "parameter 'node'"},
    {"GET", "/v1/catalog?after=510000", NULL, 400, "'next' of an earlier page"},
    {"GET", "/v1/catalog?after=x:y", NULL, 400, "'next' of an earlier page"},
    {"GET", "/v1/catalog/abc/000105001000", NULL, 400, "no node code"},
    {"GET", "/v1/catalog/nothing", NULL, 404, "catalog.unknown"},
    {"GET", "/v1/cases/ffff", NULL, 404, "case.unknown"},
    {"GET", "/v1/cases/c0?timeout_ms=5", NULL, 400, "needs 'wait'"},
    {"GET", "/v1/cases/c0?wait=1&timeout_ms=60001", NULL, 400, "60000"},
    {"GET", "/v1/cases?status=flying", NULL, 400, "there is no such state"},
    {"GET", "/v1/cases/c0/events/440000/3/payload", NULL, 400, "http.purpose"},
    {"GET", "/v1/cases/c0/events/440000/3/payload?purpose=", NULL, 400, "http.purpose"},
    {"GET", "/v1/cases/c0/events/440000/3/payload?purpose=a 13800138000", NULL, 400, "holds a number of 11 digits"},
    {"GET", "/v1/cases/c0/events/440000/3/payload?purpose=查51010419050729002X", NULL, 400,
     "holds a number of 17 digits"},
    {"GET", "/v1/cases/c0/events/440000/3/payload?purpose=１３８００１３８０00", NULL, 400, "http.purpose"},
    {"GET", "/v1/cases?item=", NULL, 400, "'item' is empty"},
    {"GET", "/v1/cases/c0/events/44/3/payload?purpose=x", NULL, 400, "names no event"},
    {"GET", "/v1/cases/c0/events/440000/-1/payload?purpose=x", NULL, 400, "names no event"},
    {"GET", "/v1/cases/c0/events/440000/4/payload?purpose=x", NULL, 404, "case.no-payload"},
    {"GET", "/v1/cases/ffff/events/440000/3/payload?purpose=x", NULL, 404, "case.unknown"},
    {"GET", "/v1/ledger", NULL, 404, "ledger.no-checkpoint"},
    {"GET", "/v1/reconcile/0011", NULL, 404, "reconcile.unknown"},
    {"GET", "/v1/reconcile/00112233445566ff?format=xml", NULL, 400, "must be 'json' or 'csv'"},
    {"POST", "/v1/reconcile", "{\"peer\":1}", 400, "'peer' is 1"},
    {"POST", "/v1/reconcile", "{\"pear\":330000}", 400, "unknown field 'pear'"},
    {"POST", "/v1/identity/check", "{\"id_type\":\"card\",\"id_number\":\"1\"}", 400, "'id_type' is 'card'"},
    {"POST", "/v1/identity/check", "{\"id_type\":\"passport\"}", 400, "'id_number' is missing"},
    {"GET", "/v1/ledger/entries?limit=101", NULL, 400, "100"},
    {"GET", "/v1/ledger/entries/x", NULL, 400, "'x'"},
    {"POST", "/v1/cases?durable=yes", SUBMIT, 400, "must be 'peers'"},
    {"POST", "/v1/cases?timeout_ms=10", SUBMIT, 400, "needs 'durable=peers'"},
    {"POST", "/v1/cases", "", 400, "json.syntax"},
    {"POST", "/v1/cases", "[]", 400, "the body must be an object"},
    {"POST", "/v1/cases", "{\"item\":\"x\",\"item\":\"y\"}", 400, "json.duplicate-key"},
    {"POST", "/v1/cases", "{" APPLICANT "}", 400, "'item' is missing"},
    {"POST", "/v1/cases", "{\"item\":\"x\"}", 400, "'applicant' is missing"},
    {"POST", "/v1/cases", "{\"item\":7," APPLICANT "}", 400, "'item' must be a string"},
    {"POST", "/v1/cases", "{\"item\":\"012345678901234567890123456789012345678901234567\"," APPLICANT "}", 400,
     "'item' has 48 bytes, the limit is 47"},
    {"POST", "/v1/cases", "{\"item\":\"x\",\"itm\":1," APPLICANT "}", 400, "unknown field 'itm'"},
    {"POST", "/v1/cases", "{\"item\":\"x\",\"node\":\"510000\"," APPLICANT "}", 400, "'node' must be a whole number"},
    {"POST", "/v1/cases", "{\"item\":\"x\",\"node\":51," APPLICANT "}", 400, "'node' is 51"},
    {"POST", "/v1/cases", "{\"item\":\"x\",\"division\":\"51010\"," APPLICANT "}", 400, "case.division"},
    {"POST", "/v1/cases", "{\"item\":\"x\",\"division\":\"51010x\"," APPLICANT "}", 400, "case.division"},
    {"POST", "/v1/cases", "{\"item\":\"x\",\"mode\":\"fast\"," APPLICANT "}", 400, "online, collect, joint"},
    {"POST", "/v1/cases", "{\"item\":\"x\",\"form\":[]," APPLICANT "}", 400, "'form' must be an object"},
    {"POST", "/v1/cases", "{\"item\":\"x\",\"forward\":1," APPLICANT "}", 400, "'forward' must be true or false"},
    {"POST", "/v1/cases", "{\"item\":\"x\",\"applicant\":{\"kind\":\"dog\"}}", 400, "'applicant.kind' is 'dog'"},
    {"POST", "/v1/cases", "{\"item\":\"x\",\"applicant\":{\"kind\":\"person\",\"x\":1}}", 400, "'applicant.x'"},
    {"POST", "/v1/cases", "{\"item\":\"x\",\"applicant\":{\"kind\":\"person\",\"name\":\"\"}}", 400,
     "'applicant.name' is empty"},
    {"POST", "/v1/cases",
     "{\"item\":\"x\",\"materials\":[{\"code\":\"a\",\"name\":\"b\",\"sha256\":\"00\",\"size\":1}]," APPLICANT "}", 400,
     "'materials[0].sha256' must be 64 hex digits"},
    {"POST", "/v1/cases", "{\"item\":\"x\",\"materials\":[3]," APPLICANT "}", 400, "'materials[0]' must be an object"},
    {"POST", "/v1/cases/c0/events", "{}", 400, "'type' is missing"},
    {"POST", "/v1/cases/c0/events", "{\"type\":\"fly\"}", 400, "case.event-type"},
    {"POST", "/v1/cases/c0/events", "{\"events\":[]}", 400, "'events' is empty"},
    {"POST", "/v1/cases/c0/events", "{\"events\":[{\"type\":\"accept\"},{\"type\":\"fly\"}]}", 400,
     "'events[1].type' is 'fly'"},
    {"POST", "/v1/cases/c0/events", "{\"events\":[{\"type\":\"accept\"}],\"type\":\"note\"}", 400,
     "unknown field 'type'"},
    {"POST", "/v1/cases/c0/events", "{\"type\":\"decide\",\"decision\":\"perhaps\"}", 400, "grant, deny"},
    {"POST", "/v1/cases/c0/events", "{\"type\":\"evaluate\",\"grade\":6}", 400, "'grade' is 6, it must be 1 to 5"},
    {"POST", "/v1/cases/c0/events", "{\"type\":\"refuse\",\"reason_code\":\"No Way\"}", 400, "case.reason-code"},
    {"POST", "/v1/cases/c0/events", "{\"type\":\"refuse\",\"reason_code\":\"\"}", 400, "case.reason-code"},
    {"POST", "/v1/cases/c0/events", "{\"type\":\"note\",\"note\":\"a\",\"payload\":{\"note\":\"b\"}}", 400,
     "case.payload-twice"},
    {"POST", "/v1/cases/ffff/events", "{\"type\":\"accept\"}", 404, "case.unknown"},
    {"GET", "/v1/cases/ffff/receipt", NULL, 404, "case.unknown"},
    {"GET", "/v1/cases/c0/receipt?act=fly", NULL, 400, "'act' is 'fly'"},
    {"GET", "/v1/cases/c0/receipt?form=pdf", NULL, 400, "json, text, compact, qr, svg, html"},
    {"GET", "/v1/cases/c0/receipt?wait_ms=60001", NULL, 400, "from 0 to 60000"},
    {"POST", "/v1/cases/c0/receipt", "{}", 405, "it takes GET"},
    {"POST", "/v1/cases/ffff/erase", "{\"basis\":\"retention_expired\"}", 404, "case.unknown"},
    {"POST", "/v1/cases/c0/erase", "{\"basis\":\"whim\"}", 400, "'whim' is no legal basis"},
    {"POST", "/v1/cases/c0/erase", "{\"basis\":\"whim\"}", 400, "purpose_achieved retention_expired"},
    {"POST", "/v1/cases/c0/erase", "{}", 400, "'basis' is missing"},
    {"POST", "/v1/cases/c0/erase", "{\"basis\":\"other_law\",\"why\":1}", 400, "unknown field 'why'"},
    {"POST", "/v1/cases/c0/erase", NULL, 415, "http.media-type"},
    {"POST", "/v1/cases/c0/hold", "{\"reason\":\"\"}", 400, "'reason' is empty"},
    {"POST", "/v1/cases/c0/hold", "{\"reason\":\"查51010419050729002X\"}", 400, "holds a number of 17 digits"},
    {"POST", "/v1/cases/ffff/hold", "{\"reason\":\"诉讼\"}", 404, "case.unknown"},
    {"POST", "/v1/cases/ffff/unhold", NULL, 404, "case.unknown"},
    {"GET", "/v1/cases/ffff/erasure", NULL, 404, "case.unknown"},
    {"GET", "/v1/erasures?limit=0", NULL, 400, "from 1 to 1000"},
    {"POST", "/v1/backup", "{}", 400, "'path' is missing"},
    {"POST", "/v1/backup", "{\"path\":\"/x\",\"keys\":1}", 400, "'keys' must be true or false"},
    {"POST", "/v1/backup", "{\"path\":\"/x\",\"to\":1}", 400, "unknown field 'to'"},
};

/* Every refusal that needs no app. */
static void refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_count(refused); i++) {
        struct app a = fresh();
        struct answer answer = ask(&a, refused[i].method, refused[i].target, refused[i].body);
        if (answer.status != refused[i].status || strstr(answer.text, refused[i].has) == NULL)
            fail_msg("%s %s %s: %d %s", refused[i].method, refused[i].target, refused[i].body, answer.status,
                     answer.text);
        assert_has(answer.text, "{\"code\":\"");
        assert_has(answer.text, "\"hint\":\"");
        assert_int_equal(a.submit_count + a.append_count + a.watch_count, 0);
        assert_int_equal(answer.status == 405, answer.allow[0] != '\0');
    }
}

static void submits_a_case(void **state)
{
    (void)state;
    struct app a = fresh();
    struct app_warnings warnings = {.count = 1, .lines = {"check digit"}};
    a.result.warnings = &warnings;
    struct answer answer =
        ask_key(&a, "POST", "/v1/cases",
                "{\"mode\":\"collect\", \"item\":\"000105001000\",\"node\":510000,\"division\":\"510104\","
                "\"form\":{\"z\":[1,{\"b\":1,\"a\":2}],\"a\":\"迁入\"},\"forward\":false," APPLICANT "}",
                "k-1");
    assert_int_equal(answer.status, 201);
    assert_string_equal(answer.text, "{\"case\":\"" FAKE_CASE "\",\"origin\":440000,\"first_index\":12,\"count\":4,"
                                     "\"replayed\":false,\"warnings\":[\"check digit\"]}");
    assert_string_equal(answer.location, "/v1/cases/" FAKE_CASE);
    assert_string_equal(a.item_code, "000105001000");
    assert_int_equal(a.item_node, 510000);
    assert_int_equal(a.division, 510104);
    assert_int_equal(a.mode, CASE_MODE_COLLECT);
    assert_false(a.forward);
    assert_string_equal(a.applicant_kind, "person");
    assert_string_equal(a.applicant_name, "张三");
    assert_string_equal(a.id_type, "citizen_id");
    assert_string_equal(a.id_number, "510104190507290029");
    assert_string_equal(a.key, "k-1");
    assert_false(a.wait_peers);
    assert_string_equal(
        a.payload,
        "{\"applicant\":{\"id_number\":\"510104190507290029\",\"id_type\":\"citizen_id\",\"kind\":\"person\","
        "\"name\":\"张三\"},\"division\":\"510104\",\"form\":{\"a\":\"迁入\",\"z\":[1,{\"a\":2,\"b\":1}]},"
        "\"forward\":false,\"item\":\"000105001000\",\"mode\":\"collect\",\"node\":510000}");

    /* defaults */
    answer = ask(&a, "POST", "/v1/cases", SUBMIT);
    assert_int_equal(answer.status, 201);
    assert_true(a.forward);
    assert_false(a.has_key);
    assert_int_equal(a.item_node, 0);
    assert_int_equal(a.mode, 0);
}

/* The same key is tied to method, path and body: each of them changes the hash. Without a key there is none. */
static void body_hash_covers_the_request(void **state)
{
    uint8_t first[32];
    struct app a = fresh();
    (void)state;
    (void)ask_key(&a, "POST", "/v1/cases", SUBMIT, "k-1");
    memcpy(first, a.body_hash, sizeof first);
    (void)ask_key(&a, "POST", "/v1/cases", SUBMIT, "k-1");
    assert_memory_equal(first, a.body_hash, sizeof first);
    (void)ask_key(&a, "POST", "/v1/cases", SUBMIT " ", "k-1");
    assert_memory_not_equal(first, a.body_hash, sizeof first);
    (void)ask_key(&a, "POST", "/v1/cases/c0/events", "{\"type\":\"accept\"}", "k-1");
    memcpy(first, a.body_hash, sizeof first);
    (void)ask_key(&a, "POST", "/v1/cases/c001/events", "{\"type\":\"accept\"}", "k-1");
    assert_memory_not_equal(first, a.body_hash, sizeof first);
    (void)ask(&a, "POST", "/v1/cases", SUBMIT);
    assert_memory_equal((uint8_t[32]){0}, a.body_hash, sizeof a.body_hash);
}

static void a_payload_has_a_limit(void **state)
{
    struct app a = fresh();
    struct buf body = {0};
    (void)state;
    buf_put_string(&body, "{\"item\":\"x\"," APPLICANT ",\"form\":{\"text\":\"");
    for (size_t i = 0; i < PAYLOAD_BYTES_MAX; i++)
        buf_put_u8(&body, 'x');
    buf_put_string(&body, "\"}}");
    struct answer answer = ask(&a, "POST", "/v1/cases", buf_cstr(&body));
    assert_int_equal(answer.status, 413);
    assert_has(answer.text, "the limit is 262144");
    assert_int_equal(a.submit_count, 0);
    buf_close(&body);
}

static void appends_events(void **state)
{
    (void)state;
    struct app a = fresh();
    struct answer answer =
        ask(&a, "POST", "/v1/cases/c00102/events?durable=peers&timeout_ms=700",
            "{\"type\":\"decide\",\"decision\":\"deny\",\"reason_code\":\"not.complete\",\"reason\":\"缺材料\","
            "\"payload\":{\"office\":\"窗口 3\"}}");
    assert_int_equal(answer.status, 201);
    assert_has(answer.text, "\"peers_durable\":false");
    assert_true(a.wait_peers);
    assert_int_equal(a.wait_ms, 700);
    assert_memory_equal(a.case_id, fake_case_id, CASE_ID_SIZE);
    assert_int_equal(a.event_count, 1);
    assert_int_equal(a.events[0].type, CASE_EVENT_DECIDE);
    assert_int_equal(a.events[0].decision, CASE_DECISION_DENY);
    assert_string_equal(a.event_reason[0], "not.complete");
    assert_string_equal(a.event_payload[0],
                        "{\"office\":\"窗口 3\",\"reason\":\"缺材料\",\"remedies\":\"行政复议、行政诉讼\"}");
    assert_int_equal(a.events[0].told, CASE_TOLD_REASONS | CASE_TOLD_REMEDIES);

    a.result.peers_durable = true;
    answer = ask(&a, "POST", "/v1/cases/" FAKE_CASE "/events?durable=peers",
                 "{\"events\":[{\"type\":\"pause\",\"pause_kind\":2,\"expected_days\":20},{\"type\":\"deliver\","
                 "\"channel\":\"post\"},"
                 "{\"type\":\"evaluate\",\"grade\":5},{\"type\":\"handover\",\"lead\":330000},"
                 "{\"type\":\"supervise\",\"lead\":330000,\"last_leaf\":7},{\"type\":\"note\","
                 "\"note\":\"x\"}]}");
    assert_int_equal(answer.status, 201);
    assert_has(answer.text, "\"peers_durable\":true");
    assert_int_equal(a.wait_ms, 0);
    assert_int_equal(a.event_count, 6);
    assert_int_equal(a.events[0].pause_kind, 2);
    assert_int_equal(a.events[0].expected_days, 20);
    assert_int_equal(a.events[1].channel, CASE_CHANNEL_POST);
    assert_int_equal(a.events[2].grade, 5);
    assert_int_equal(a.events[3].lead, 330000);
    assert_false(a.events[3].has_last_leaf);
    assert_string_equal(a.event_payload[3], "");
    assert_int_equal(a.events[4].lead, 330000);
    assert_true(a.events[4].has_last_leaf);
    assert_int_equal(a.events[4].last_leaf, 7);
    assert_string_equal(a.event_payload[5], "{\"note\":\"x\"}");

    answer = ask(&a, "POST", "/v1/cases/" FAKE_CASE "/events",
                 "{\"events\":[{\"type\":\"post_materials\",\"carrier\":\"EMS\",\"tracking\":\"EA123456789CN\","
                 "\"note\":\"原件\"},"
                 "{\"type\":\"post_result\",\"carrier\":\"顺丰\",\"payload\":{\"office\":\"窗口 3\"}}]}");
    assert_int_equal(answer.status, 201);
    assert_int_equal(a.events[0].type, CASE_EVENT_POST_MATERIALS);
    assert_string_equal(a.event_payload[0], "{\"carrier\":\"EMS\",\"note\":\"原件\",\"tracking\":\"EA123456789CN\"}");
    assert_string_equal(a.event_payload[1], "{\"carrier\":\"顺丰\",\"office\":\"窗口 3\"}");

    answer = ask(&a, "POST", "/v1/cases/" FAKE_CASE "/events",
                 "{\"events\":[{\"type\":\"notify\",\"means\":\"phone\",\"told_on\":\"2024-01-02\"},"
                 "{\"type\":\"charge\",\"amount_fen\":2000,\"note\":\"工本费\"},{\"type\":\"pay\",\"amount_fen\":"
                 "10000000000}]}");
    assert_int_equal(answer.status, 201);
    assert_string_equal(a.event_payload[0], "{\"means\":\"phone\",\"told_on\":\"2024-01-02\"}");
    assert_string_equal(a.event_payload[1], "{\"amount_fen\":2000,\"note\":\"工本费\"}");
    assert_string_equal(a.event_payload[2], "{\"amount_fen\":10000000000}");
}

static void shows_and_takes_calendars(void **state)
{
    (void)state;
    struct app a = fresh();
    struct answer answer = ask(&a, "GET", "/v1/calendar?year=2026&node=440000&division=440100", NULL);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.text, "{\"node\":440000,\"division\":440100,\"year\":2026,\"published\":false,"
                                     "\"provisional\":false,\"working_days\":248,\"days\":["
                                     "{\"date\":\"2026-10-01\",\"type\":\"holiday\"},"
                                     "{\"date\":\"2026-10-10\",\"type\":\"workday\"}]}");
    static const char *const bad[] = {"/v1/calendar", "/v1/calendar?year=1999", "/v1/calendar?year=2026&division=7",
                                      "/v1/calendar?year=2026&node=x"};
    for (size_t i = 0; i < array_count(bad); i++)
        assert_int_equal(ask(&a, "GET", bad[i], NULL).status, 400);

    answer = ask(&a, "POST", "/v1/calendar?division=510105", "{\"2027-01-01\": {\"type\":\"holiday\"}}");
    assert_int_equal(answer.status, 201);
    assert_int_equal(a.calendar_division, 510105);
    assert_string_equal(a.calendar_days, "{\"2027-01-01\":{\"type\":\"holiday\"}}");
    (void)err_set(&a.refusal, ERR_INVALID, "calendar.date", "no");
    answer = ask(&a, "POST", "/v1/calendar", "{\"x\":1}");
    assert_int_equal(answer.status, 400);
    assert_has(answer.text, "calendar.date");
}

static void gives_receipts(void **state)
{
    (void)state;
    struct app a = fresh();
    struct answer answer = ask(&a, "GET", "/v1/cases/c0/receipt?act=accept&wait_ms=700", NULL);
    assert_int_equal(answer.status, 200);
    assert_has(answer.text,
               "\"act\":\"accept\",\"origin\":510000,\"index\":7,\"size\":1000,\"final\":false,"
               "\"cosigned\":1,\"needed\":2,\"of\":3,\"proof\":\"proof\\n\",\"policy\":\"quorum none\\n\"}");
    assert_int_equal(a.receipt_act, CASE_EVENT_ACCEPT);
    assert_int_equal(a.receipt_wait_ms, 700);
    assert_memory_equal(a.case_id, fake_case_id, CASE_ID_SIZE);
    answer = ask(&a, "GET", "/v1/cases/c0/receipt?form=text", NULL);
    assert_string_equal(answer.text, "proof\n");
    assert_int_equal(a.receipt_act, CASE_EVENT_SUBMIT);
    assert_int_equal(a.receipt_wait_ms, 0);
    answer = ask(&a, "GET", "/v1/cases/c0/receipt?form=html", NULL);
    assert_true(answer.status >= 400); /* what is no proof gives no page */
    assert_has(answer.text, "\"id\":\"proof.");
    a.refusal = (struct err){0};
    (void)err_set(&a.refusal, ERR_CLOSED, "receipt.author-away", "away");
    answer = ask(&a, "GET", "/v1/cases/c0/receipt?form=qr", NULL);
    assert_int_equal(answer.status, 503);
    assert_has(answer.text, "receipt.author-away");
    answer = ask(&a, "GET", "/v1/policy", NULL);
    assert_string_equal(answer.text, "quorum none\n");

    /* a client that goes away */
    struct request *r = make(&a, "GET", (char[]){"/v1/cases/c0/receipt?wait_ms=60000"}, NULL);
    assert_true(route_check(r));
    route_dispatch(r);
    assert_int_equal(a.waiting_count, 1);
    request_release(r);
    assert_int_equal(a.waiting_count, 0);
    assert_true(a.receipt_cancelled > 0);
}

static void erases(void **state)
{
    (void)state;
    struct app a = fresh();
    a.result.count = 1;
    struct answer answer = ask(&a, "POST", "/v1/cases/c0/erase", "{\"basis\":\"retention_expired\"}");
    assert_int_equal(answer.status, 201);
    assert_string_equal(answer.text, "{\"case\":\"" FAKE_CASE
                                     "\",\"origin\":440000,\"first_index\":12,\"count\":1,\"replayed\":false}");
    assert_int_equal(a.basis, APP_BASIS_RETENTION);
    a.result.replayed = true;
    assert_int_equal(ask(&a, "POST", "/v1/cases/c0/erase", "{\"basis\":\"retention_expired\"}").status, 200);
    (void)err_set(&a.refusal, ERR_CONFLICT, "case.on-hold", "held");
    answer = ask(&a, "POST", "/v1/cases/c0/erase", "{\"basis\":\"retention_expired\"}");
    assert_int_equal(answer.status, 409);
    assert_has(answer.text, "case.on-hold");

    a = fresh();
    a.result.count = 0;
    assert_int_equal(ask(&a, "POST", "/v1/cases/c0/hold", "{\"reason\":\"行政复议 2026\"}").status, 200);
    assert_string_equal(a.hold, "行政复议 2026");
    assert_int_equal(ask(&a, "POST", "/v1/cases/c0/unhold", NULL).status, 200);
    assert_true(a.unheld);

    a.erasures[0] = (struct app_erasure_view){.node = 510000,
                                              .node_name = "四川省",
                                              .state = "ordered",
                                              .basis = "unlawful",
                                              .basis_chinese = "x",
                                              .article = "y",
                                              .at_ms = 1000,
                                              .origin = 440000,
                                              .index = 3};
    a.held = "诉讼";
    answer = ask(&a, "GET", "/v1/cases/c0/erasure", NULL);
    assert_has(answer.text, "\"hold\":\"诉讼\",\"erasures\":[{\"case\":\"00000000000000000000000000000000\","
                            "\"node\":510000,\"node_name\":\"四川省\",\"state\":\"ordered\",\"basis\":\"unlawful\"");
    assert_has(answer.text, "\"since_ms\":1000,");
    a.held = NULL;
    a.rows = 0;
    assert_has(ask(&a, "GET", "/v1/cases/c0/erasure", NULL).text, "\"hold\":null,\"erasures\":[]");
    assert_int_equal(ask(&a, "GET", "/v1/erasures?limit=7", NULL).status, 200);
    assert_int_equal(a.entries_limit, 7);
}

static void backs_up(void **state)
{
    (void)state;
    struct app a = fresh();
    struct answer answer = ask(&a, "POST", "/v1/backup", "{\"path\":\"/b/x.db\",\"keys\":true}");
    assert_int_equal(answer.status, 201);
    assert_string_equal(answer.text, "{\"path\":\"/b/x.db\",\"bytes\":4096,\"ledger_size\":12,\"elapsed_ms\":3}");
    assert_string_equal(a.backup_path, "/b/x.db");
    assert_true(a.backup_keys);
    (void)ask(&a, "POST", "/v1/backup", "{\"path\":\"/b/x.db\"}");
    assert_false(a.backup_keys);
    (void)err_set(&a.refusal, ERR_BUSY, "backup.running", "busy");
    answer = ask(&a, "POST", "/v1/backup", "{\"path\":\"/b/x.db\"}");
    assert_int_equal(answer.status, 503);
}

static void fetches_a_case(void **state)
{
    (void)state;
    struct app a = fresh();
    struct answer answer = ask(&a, "POST", "/v1/cases/" FAKE_CASE "/fetch", NULL);
    assert_int_equal(answer.status, 200);
    assert_memory_equal(a.case_id, fake_case_id, CASE_ID_SIZE);
    assert_has(answer.text, "{\"case\":\"" FAKE_CASE "\",\"event_count\":9}");
    answer = ask(&a, "POST", "/v1/cases/c001/fetch", NULL);
    assert_int_equal(answer.status, 400);
    assert_has(answer.text, "case.fetch-id");
    (void)err_set(&a.refusal, ERR_DENIED, "case.fetch", "no");
    answer = ask(&a, "POST", "/v1/cases/" FAKE_CASE "/fetch", NULL);
    assert_int_equal(answer.status, 403);
}

/* What the rules look at is beside the content, and what people read is in it. */
static void events_of_the_law(void **state)
{
    (void)state;
    struct app a = fresh();
    struct answer answer =
        ask(&a, "POST", "/v1/cases/" FAKE_CASE "/events",
            "{\"events\":[{\"type\":\"pause\",\"pause_kind\":\"expert_review\",\"expected_days\":20},"
            "{\"type\":\"extend\",\"extend_days\":10,\"official\":\"1001\",\"reason\":\"复杂\",\"reason_code\":"
            "\"complex\"},"
            "{\"type\":\"review\",\"review\":\"return\",\"official\":\"1002\"},"
            "{\"type\":\"evaluate\",\"grade\":2,\"side\":\"deciding\"},{\"type\":\"follow_up\",\"side\":\"receiving\"},"
            "{\"type\":\"accept\",\"lacking_days\":5,\"reason\":\"x\"},"
            "{\"type\":\"part_done\",\"part\":\"" FAKE_CASE "\",\"decision\":\"grant\"},"
            "{\"type\":\"decide\",\"decision\":\"deny\",\"remedies\":\"向某机关申请复议\"}]}");
    assert_int_equal(answer.status, 201);
    assert_int_equal(a.event_count, 8);
    assert_int_equal(a.events[0].pause_kind, 8);
    assert_int_equal(a.events[1].extend_days, 10);
    assert_int_equal(a.events[1].told, CASE_TOLD_REASONS);
    assert_string_equal(a.event_payload[1], "{\"official\":\"1001\",\"reason\":\"复杂\"}");
    assert_int_equal(a.events[2].review, CASE_REVIEW_RETURN);
    assert_int_equal(a.events[3].side, CASE_SIDE_DECIDING);
    assert_int_equal(a.events[4].side, CASE_SIDE_RECEIVING);
    assert_int_equal(a.events[5].lacking_days, 5);
    assert_int_equal(a.events[5].told, 0); /* only where the rules ask */
    assert_string_equal(a.event_payload[7], "{\"remedies\":\"向某机关申请复议\"}");
    assert_int_equal(a.events[7].told, CASE_TOLD_REMEDIES); /* no reasons: the rules will refuse it */

    static const struct {
        const char *body, *text;
    } bad[] = {
        {"{\"type\":\"pause\",\"pause_kind\":\"lunch\",\"expected_days\":1}", "it must be one of: hearing, tender"},
        {"{\"type\":\"evaluate\",\"grade\":2,\"side\":\"both\"}", "receiving, deciding"},
        {"{\"type\":\"review\",\"review\":\"maybe\"}", "pass, return"},
        {"{\"type\":\"part\",\"part\":\"c0\"}", "'part' is 'c0', it must be a case in 32 hex digits"},
        {"{\"type\":\"extend\",\"extend_days\":0}", "extend_days"},
        {"{\"type\":\"accept\",\"lacking_days\":70000}", "lacking_days"},
    };
    for (size_t i = 0; i < array_count(bad); i++) {
        answer = ask(&a, "POST", "/v1/cases/" FAKE_CASE "/events", bad[i].body);
        assert_int_equal(answer.status, 400);
        assert_has(answer.text, bad[i].text);
    }
}

/* 容缺受理: each material with what the item says of it, the longest term for the rules. */
static void lacking_materials(void **state)
{
    (void)state;
    struct app a = fresh();
    struct answer answer = ask(&a, "POST", "/v1/cases/" FAKE_CASE "/events",
                               "{\"events\":[{\"type\":\"accept\",\"lacking\":[{\"code\":\"M6\"},"
                               "{\"code\":\"M7\",\"days\":3}],\"note\":\"x\"},"
                               "{\"type\":\"accept\",\"lacking_days\":5,\"lacking\":[{\"code\":\"M6\"}]},"
                               "{\"type\":\"accept\",\"lacking\":[]}]}");
    assert_int_equal(answer.status, 201);
    assert_int_equal(a.events[0].lacking_days, 10);
    assert_int_equal(a.events[0].lacking_count, 2);
    assert_string_equal(a.event_payload[0],
                        "{\"lacking\":[{\"code\":\"M6\",\"days\":10,\"form\":\"paper\",\"name\":\"照片\"},"
                        "{\"code\":\"M7\",\"days\":3,\"form\":\"paper\",\"name\":\"照片\"}],\"note\":\"x\"}");
    assert_int_equal(a.events[1].lacking_days, 5);
    assert_int_equal(a.events[2].lacking_count, 0);
    assert_int_equal(a.events[2].lacking_days, 0);

    static const struct {
        const char *body, *text;
    } bad[] = {
        {"{\"type\":\"note\",\"lacking\":[{\"code\":\"M6\"}]}", "case.lacking-material"},
        {"{\"type\":\"accept\",\"payload\":{\"lacking\":[]}}", "'payload.lacking' is not checked"},
        {"{\"type\":\"accept\",\"lacking\":[{\"days\":3}]}", "lacking[0].code"},
        {"{\"type\":\"accept\",\"lacking\":[{\"code\":\"M6\",\"days\":0}]}", "lacking[0].days"},
        {"{\"type\":\"accept\",\"lacking\":[{\"code\":\"M6\",\"name\":\"x\"}]}", "lacking[0].name"},
        {"{\"type\":\"accept\",\"lacking\":\"M6\"}", "'lacking'"},
    };
    for (size_t i = 0; i < array_count(bad); i++) {
        answer = ask(&a, "POST", "/v1/cases/" FAKE_CASE "/events", bad[i].body);
        assert_int_equal(answer.status, 400);
        assert_has(answer.text, bad[i].text);
    }
    (void)err_set(&a.refusal, ERR_INVALID, "case.lacking-days", "no");
    answer = ask(&a, "POST", "/v1/cases/" FAKE_CASE "/events", "{\"type\":\"accept\",\"lacking\":[{\"code\":\"M6\"}]}");
    assert_has(answer.text, "case.lacking-days");
}

/* The list of a peer's accept is longer than any node takes: as much of it is shown as one may have, and no time is lost with the rest. */
static void lacking_of_a_hostile_peer(void **state)
{
    (void)state;
    struct app a = fresh();
    struct buf content = {0};
    buf_put_string(&content, "{\"lacking\":[7,{\"code\":\"M1\",\"days\":70000}");
    for (size_t i = 0; i < 11000; i++)
        buf_printf(&content, ",{\"code\":\"K%zu\",\"days\":9}", i);
    buf_put_string(&content, "]}");
    a.accepted = buf_cstr(&content);
    struct answer answer = ask(&a, "GET", "/v1/cases/" FAKE_CASE, NULL);
    assert_int_equal(answer.status, 200);
    assert_has(answer.text, "\"code\":\"K0\",\"name\":null");
    assert_has(answer.text, "\"code\":\"K61\",\"name\":null"); /* two of the 64 are no rows */
    assert_null(strstr(answer.text, "\"code\":\"K62\",\"name\":null"));
    buf_close(&content);
}

/* As many events as a request may hold pass, one more does not. */
static void events_have_a_count_limit(void **state)
{
    (void)state;
    for (size_t count = CASE_EVENTS_PER_REQUEST_MAX; count <= CASE_EVENTS_PER_REQUEST_MAX + 1; count++) {
        struct app a = fresh();
        struct buf body = {0};
        buf_put_string(&body, "{\"events\":[");
        for (size_t i = 0; i < count; i++)
            buf_printf(&body, "%s{\"type\":\"note\"}", i > 0 ? "," : "");
        buf_put_string(&body, "]}");
        struct answer answer = ask(&a, "POST", "/v1/cases/c0/events", buf_cstr(&body));
        assert_int_equal(answer.status, count == CASE_EVENTS_PER_REQUEST_MAX ? 201 : 400);
        assert_int_equal(a.event_count, count == CASE_EVENTS_PER_REQUEST_MAX ? CASE_EVENTS_PER_REQUEST_MAX : 0);
        buf_close(&body);
    }
}

/* What the app refuses comes out with the status of its code. */
static void app_refusals_pass_through(void **state)
{
    static const struct {
        int code, status;
    } cases[] = {{ERR_CONFLICT, 409}, {ERR_DENIED, 403}, {ERR_BUSY, 503}, {ERR_FULL, 507}, {ERR_INVALID, 400}};
    (void)state;
    for (size_t i = 0; i < array_count(cases); i++) {
        struct app a = fresh();
        (void)err_set(&a.refusal, cases[i].code, "case.test", "refused 申请");
        err_hint(&a.refusal, "wait");
        struct answer answer = ask(&a, "POST", "/v1/cases", SUBMIT);
        assert_int_equal(answer.status, cases[i].status);
        assert_has(answer.text, "\"id\":\"case.test\",\"message\":\"refused 申请\",\"hint\":\"wait\"");
        answer = ask(&a, "POST", "/v1/ledger/verify", NULL);
        assert_int_equal(answer.status, cases[i].status);
    }
}

static void reads_cases(void **state)
{
    (void)state;
    struct app a = fresh();
    struct answer answer =
        ask(&a, "GET", "/v1/cases?status=accepted&role=deciding&item=000105001000&limit=1&before=77", NULL);
    assert_int_equal(answer.status, 200);
    assert_has(answer.text, "\"next\":41");
    assert_has(answer.text, "\"status\":\"accepted\",\"status_chinese\":\"受理\"");
    assert_string_equal(a.filter_text[0], "accepted");
    assert_string_equal(a.filter_text[1], "deciding");
    assert_string_equal(a.filter_text[2], "000105001000");
    assert_int_equal(a.filter.before, 77);
    assert_int_equal(a.filter.limit, 1);
    answer = ask(&a, "GET", "/v1/cases", NULL);
    assert_has(answer.text, "\"next\":null");

    answer = ask(&a, "HEAD", "/v1/cases/c0010203", NULL);
    assert_int_equal(answer.status, 200);
    answer = ask(&a, "GET", "/v1/cases/" FAKE_CASE, NULL);
    assert_has(answer.text, "\"case\":\"" FAKE_CASE "\"");
    assert_has(answer.text, "\"version\":5");
    assert_has(answer.text, "\"type\":\"submit\",\"chinese\":\"收件\",\"role\":\"window\"");
    assert_has(answer.text, "\"payload\":{\"name\":\"张*\"}");
    assert_has(answer.text, "\"attributes\":{\"item_code\":\"000105001000\",\"mode\":\"collect\"}");
    /* an event type, a role and a payload that this version cannot read, and a text that is not UTF-8 */
    assert_has(answer.text, "\"type\":\"999\",\"chinese\":null,\"role\":null,\"effect\":\"noop\",\"explanation\":\"bad "
                            "\xef\xbf\xbd bytes\"");
    assert_has(answer.text, "\"payload\":null");

    answer = ask(&a, "GET", "/v1/cases/c0/events", NULL);
    assert_int_equal(answer.status, 200);
    assert_has(answer.text, "{\"case\":\"" FAKE_CASE "\",\"version\":5,\"events\":[");

    answer = ask(&a, "GET", "/v1/cases/c0/events/440000/3/payload?purpose=核对材料", NULL);
    assert_string_equal(answer.text,
                        "{\"case\":\"" FAKE_CASE "\",\"origin\":440000,\"index\":3,\"payload\":{\"name\":\"张三\"}}");
    assert_string_equal(a.purpose, "核对材料");
    /* ten digits are no telephone number; what is refused is neither said back nor handed on */
    assert_int_equal(ask(&a, "GET", "/v1/cases/c0/events/440000/3/payload?purpose=1234567890-1", NULL).status, 200);
    assert_string_equal(a.purpose, "1234567890-1");
    answer = ask(&a, "GET", "/v1/cases/c0/events/440000/3/payload?purpose=x13800138000", NULL);
    assert_null(strstr(answer.text, "13800"));
    assert_string_equal(a.purpose, "1234567890-1");

    (void)err_set(&a.query_refusal, ERR_CORRUPT, "store.test", "bad page");
    assert_int_equal(ask(&a, "GET", "/v1/cases/c0", NULL).status, 500);
}

/* A long poll answers at once when the version is newer already, else when the app says so. */
static void long_poll(void **state)
{
    (void)state;
    struct app a = fresh();
    assert_int_equal(ask(&a, "GET", "/v1/cases/c0?wait=4", NULL).status, 200);
    assert_int_equal(a.watch_count, 0);
    struct answer answer = ask(&a, "GET", "/v1/cases/c0?wait=5&timeout_ms=1234", NULL);
    assert_int_equal(answer.status, 200);
    assert_has(answer.text, "\"version\":5");
    assert_int_equal(a.watch_count, 1);
    assert_int_equal(a.watch_version, 5);
    assert_int_equal(a.watch_ms, 1234);
}

/* The client goes away while it waits: a long poll is taken back, a command finds nobody to tell. */
static void client_goes_away(void **state)
{
    (void)state;
    struct app a = fresh();
    char poll[] = "/v1/cases/c0?wait=5", post[] = "/v1/cases";
    struct request *r = make(&a, "GET", poll, NULL);
    assert_true(route_check(r));
    route_dispatch(r);
    assert_true(r->waiting);
    request_release(r);
    assert_int_equal(a.unwatch_count, 1);
    assert_int_equal(a.waiting_count, 0);

    r = make(&a, "POST", post, SUBMIT);
    assert_true(route_check(r));
    route_dispatch(r);
    request_release(r);
    assert_int_equal(a.waiting_count, 1);
    fake_app_answer(&a); /* frees the request: the address sanitizer sees if it does not */
}

static void reads_catalog_and_peers(void **state)
{
    (void)state;
    struct app a = fresh();
    a.rows = 2;
    struct answer answer = ask(&a, "GET", "/v1/catalog?node=510000&text=户口&limit=2&after=440000:000105001000", NULL);
    assert_int_equal(answer.status, 200);
    assert_has(answer.text, "\"next\":\"510000:000105001000\"");
    assert_int_equal(a.items.node, 510000);
    assert_int_equal(a.items.after_node, 440000);
    assert_string_equal(a.items_text[0], "户口");
    assert_string_equal(a.items_text[1], "000105001000");
    answer = ask(&a, "GET", "/v1/catalog", NULL);
    assert_has(answer.text, "\"next\":null");

    answer = ask(&a, "GET", "/v1/catalog/510000/000105001000", NULL);
    assert_int_equal(a.items.node, 510000);
    assert_has(answer.text, "\"item\":{\"a\":[1,2]}");
    (void)ask(&a, "GET", "/v1/catalog/000105001000", NULL);
    assert_int_equal(a.items.node, 0);

    answer = ask(&a, "GET", "/v1/peers", NULL);
    assert_has(answer.text, "\"clock_skew_ms\":-12");
    assert_has(answer.text, "\"clock_skew_ms\":null");
    assert_has(answer.text, "\"reason\":\"certificate expired\"");
}

static void reads_ledger(void **state)
{
    (void)state;
    struct app a = fresh();
    a.note = "test/440000\n12\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=\n\n— test/440000 xyz\n";
    struct answer answer = ask(&a, "GET", "/v1/ledger", NULL);
    assert_string_equal(answer.text, "{\"code\":440000,\"origin\":\"test/440000\",\"size\":12,\"root\":"
                                     "\"0000000000000000000000000000000000000000000000000000000000000001\"}");
    answer = ask(&a, "GET", "/v1/ledger/checkpoint?origin=510000", NULL);
    assert_string_equal(answer.text, a.note);
    assert_int_equal(a.entries_origin, 510000);

    static const char *const broken[] = {"", "x", "x\n12\n", "x\ny\nAAAA\n", "x\n1\nAAAA\n\n"};
    for (size_t i = 0; i < array_count(broken); i++) {
        a.note = broken[i];
        assert_int_equal(ask(&a, "GET", "/v1/ledger", NULL).status, 500);
    }

    a.entry_leaf = bytes_of_string("no leaf");
    answer = ask(&a, "GET", "/v1/ledger/entries?origin=510000&from=9&limit=7", NULL);
    assert_int_equal(a.entries_from, 9);
    assert_int_equal(a.entries_limit, 7);
    assert_has(answer.text, "\"leaf\":null,\"bytes\":\"bm8gbGVhZg==\"");
    answer = ask(&a, "GET", "/v1/ledger/entries/11?origin=510000", NULL);
    assert_has(answer.text, "\"index\":11");
    answer = ask(&a, "POST", "/v1/ledger/verify", NULL);
    assert_int_equal(answer.status, 200);
    assert_has(answer.text, "{\"result\":\"ok\",\"own_leaves\":7,");
}

/* C2SP tlog-tiles under /v1/ledger; the paths themselves are tested with tiles_parse_path(). */
static void serves_tiles(void **state)
{
    (void)state;
    struct app a = fresh();
    struct answer answer = ask(&a, "GET", "/v1/ledger/tile/3/x001/x234/067.p/8", NULL);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.text, "TILE");
    assert_int_equal(a.tile_level, 3);
    assert_int_equal(a.tile_number, 1234067);
    assert_int_equal(a.tile_width, 8);
    answer = ask(&a, "GET", "/v1/ledger/tile/entries/000", NULL);
    assert_int_equal(answer.status, 200);
    assert_int_equal(a.tile_level, -1);
    assert_int_equal(a.tile_width, 256);
    static const char *const bad[] = {"x/000",  "0/0",     "0/000.p/256", "entries/000/000",
                                      "-1/000", "entries", "0/000.p/"};
    for (size_t i = 0; i < array_count(bad); i++) {
        char target[96];
        (void)snprintf(target, sizeof target, "/v1/ledger/tile/%s", bad[i]);
        answer = ask(&a, "GET", target, NULL);
        assert_int_equal(answer.status, 400);
        assert_has(answer.text, "http.tile");
    }
    assert_has(ask(&a, "GET", "/v1/ledger/tile/0/009", NULL).text, "ledger.no-tile");
    assert_int_equal(ask(&a, "GET", "/v1/ledger/tile/", NULL).status, 404);
    assert_int_equal(ask(&a, "GET", "/v1/ledger/tilex/0/000", NULL).status, 404);
}

static void tells_whom_to_trust(void **state)
{
    (void)state;
    struct app a = fresh();
    a.note = "test/440000\n12\n";
    assert_string_equal(ask(&a, "GET", "/v1/ledger/checkpoint", NULL).text, a.note);
    assert_int_equal(a.cosigned_count, 1);
    assert_string_equal(ask(&a, "GET", "/v1/policy", NULL).text, "quorum none\n");
    struct answer answer = ask(&a, "GET", "/v1/ledger/witnesses", NULL);
    assert_string_equal(answer.text,
                        "{\"final_size\":7,\"witnesses\":[{\"code\":330000,\"name\":\"浙江省\",\"url\":null,"
                        "\"up\":true,"
                        "\"size\":7,\"cosigned_ms\":1000000,\"cosigned_at\":\"1970-01-01T00:16:40.000Z\","
                        "\"last_error\":\"slow\"}]}");
    answer = ask(&a, "GET", "/v1/ledger/evidence", NULL);
    assert_has(answer.text, "{\"accused\":330000,\"accused_name\":\"浙江省\",\"common_size\":5,\"origin\":440000,"
                            "\"index\":9,\"evidence\":\"RVZJREVOQ0U=\"}");
    assert_has(answer.text, "\"evidence\":null}]");
    answer = ask(&a, "GET", "/v1/alarms", NULL);
    assert_has(answer.text, "{\"alarms\":[{\"id\":\"ledger.withheld\",\"about\":330000,\"about_name\":\"浙江省\","
                            "\"text\":\"batch refused\",\"count\":3,\"first_ms\":1000,");
    a.rows = 0;
    assert_string_equal(ask(&a, "GET", "/v1/alarms", NULL).text, "{\"alarms\":[]}");
}

/* The witness door knows two paths; the local API does not know them. */
static void witness_door(void **state)
{
    (void)state;
    struct app a = fresh();
    static const struct {
        const char *method, *path, *body;
        int status;
        const char *text, *type;
    } asked[] = {
        {"POST", "/add-checkpoint", "old 0\n", 200, "LINE\n", "text/plain; charset=utf-8"},
        {"POST", "/add-checkpoint", "x", 409, "7\n", "text/x.tlog.size"},
        {"GET", "/0000000000000000000000000000000000000000000000000000000000000000/checkpoint", NULL, 200, "NOTE\n",
         "text/plain; charset=utf-8"},
        {"GET", "/f000000000000000000000000000000000000000000000000000000000000000/checkpoint", NULL, 404, NULL, NULL},
        {"GET", "/0000/checkpoint", NULL, 404, NULL, NULL},
        {"GET", "/v1/status", NULL, 404, NULL, NULL},
        {"GET", "/healthz", NULL, 404, NULL, NULL},
        {"GET", "/add-checkpoint", NULL, 405, NULL, NULL},
    };
    for (size_t i = 0; i < array_count(asked); i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s", asked[i].path);
        struct request *r = make(&a, asked[i].method, path, asked[i].body);
        r->door = REQUEST_DOOR_WITNESS;
        r->content_type = "application/octet-stream"; /* the specification asks for none */
        if (route_check(r))
            route_dispatch(r);
        assert_true(r->replied);
        assert_int_equal(r->status, asked[i].status);
        if (asked[i].text != NULL) {
            assert_true(bytes_equal(r->reply, bytes_of_string(asked[i].text)));
            assert_string_equal(r->reply_type, asked[i].type);
        }
        request_release(r);
    }
    assert_int_equal(a.checkpoint_count, 2);
    assert_int_equal(ask(&a, "POST", "/add-checkpoint", "old 0\n").status, 404);
}

/* A stored checkpoint that nobody can read: told, not shown. */
static void tells_of_a_damaged_checkpoint(void **state)
{
    (void)state;
    static const char *const notes[] = {"", "510000.test/log/1\n", "510000.test/log/1\n12\n",
                                        "510000.test/log/1\n-1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
                                        "510000.test/log/1\n12\nAAAA\n"};
    for (size_t i = 0; i < array_count(notes); i++) {
        struct app a = fresh();
        a.note = notes[i];
        struct answer answer = ask(&a, "GET", "/v1/ledger", NULL);
        assert_int_equal(answer.status, 500);
        assert_has(answer.text, "\"id\":\"ledger.checkpoint\"");
    }
}

static void tells_its_state(void **state)
{
    (void)state;
    struct app a = fresh();
    a.alarms = 2;
    struct answer answer = ask(&a, "GET", "/healthz", NULL);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.text, "{\"status\":\"ok\",\"writer\":\"ok\",\"alarms\":2,\"version\":\"0.1.0\"}");
    a.writer = "stopped: disk full";
    answer = ask(&a, "GET", "/healthz", NULL);
    assert_int_equal(answer.status, 503);
    assert_has(answer.text, "\"status\":\"degraded\"");
    assert_has(ask(&a, "GET", "/v1/status", NULL).text, "\"name\":\"广东省\"");
    assert_string_equal(ask(&a, "GET", "/metrics", NULL).text, "tongban_alarms 2\n");
    a.endless_metrics = true;
    answer = ask(&a, "GET", "/metrics", NULL);
    assert_int_equal(answer.status, 413);
    assert_has(answer.text, "\"id\":\"http.metrics\"");
    assert_true(route_is_open("GET", "/healthz"));
    assert_false(route_is_open("POST", "/healthz"));
    assert_false(route_is_open("GET", "/healthz/"));
}

/* Reports and tables that need no more than to be asked for. */
static void answers(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target, *body;
        int status;
        const char *has;
    } rows[] = {
        {"GET", "/v1/reconcile/00112233445566ff", NULL, 200,
         "\"cause\":\"lag_there\",\"repair\":\"waits\",\"text\":\"not "
         "yet\",\"entries\":{\"origin\":440000,\"first\":3"},
        {"GET", "/v1/reconcile/00112233445566ff?format=csv", NULL, 200,
         "case,peer,cause,repair,origin,first,last,count\r\nc0000000000000000000000000000000,330000,lag_there,waits,"
         "440000,"
         "3,5,3\r\n"
         "c1000000000000000000000000000000,330000,row_here,rewritten,,,,\r\n"},
        {"GET", "/v1/reconcile", NULL, 200, "\"compared\":12"},
        {"POST", "/v1/reconcile", "{\"peer\":330000}", 202, "00112233445566ff"},
        {"GET", "/v1/identity/types", NULL, 200, "hk_macau_permit"},
        {"POST", "/v1/identity/check", "{\"id_type\":\"passport\",\"id_number\":\"E12345678\"}", 200, "\"valid\":true"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct app a = fresh();
        struct answer answer = ask(&a, rows[i].method, rows[i].target, rows[i].body);
        assert_int_equal(answer.status, rows[i].status);
        assert_has(answer.text, rows[i].has);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals),
        cmocka_unit_test(answers),
        cmocka_unit_test(submits_a_case),
        cmocka_unit_test(body_hash_covers_the_request),
        cmocka_unit_test(a_payload_has_a_limit),
        cmocka_unit_test(appends_events),
        cmocka_unit_test(fetches_a_case),
        cmocka_unit_test(events_of_the_law),
        cmocka_unit_test(lacking_materials),
        cmocka_unit_test(lacking_of_a_hostile_peer),
        cmocka_unit_test(events_have_a_count_limit),
        cmocka_unit_test(shows_and_takes_calendars),
        cmocka_unit_test(gives_receipts),
        cmocka_unit_test(erases),
        cmocka_unit_test(backs_up),
        cmocka_unit_test(app_refusals_pass_through),
        cmocka_unit_test(reads_cases),
        cmocka_unit_test(long_poll),
        cmocka_unit_test(client_goes_away),
        cmocka_unit_test(reads_catalog_and_peers),
        cmocka_unit_test(reads_ledger),
        cmocka_unit_test(serves_tiles),
        cmocka_unit_test(tells_whom_to_trust),
        cmocka_unit_test(tells_of_a_damaged_checkpoint),
        cmocka_unit_test(witness_door),
        cmocka_unit_test(tells_its_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
