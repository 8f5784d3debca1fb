/* Commands that talk to a daemon, against a tiny HTTP server that answers what the test says and keeps what it was asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "node/base/tar.h"
#include "node/ctl/client.h"
#include "node/ctl/package.h"
#include "node/receipt/archive.h"
#include "tests/unit/ctl/run.h"

#define ASKED_MAX 4

struct daemon {
    char dir[64];
    char path[96];
    int fd;
    pthread_t thread;
    /* what to do with each connection, in order */
    struct {
        const char *answer; /* NULL = hang up without an answer */
        const char *type;
        int status;
        size_t size; /* 0: of the text */
    } plan[ASKED_MAX];
    int planned;
    const char *always; /* JSON for every connection behind the planned ones, NULL = none is taken */
    char asked[ASKED_MAX][4096];
    int asked_count; /* read after join */
};

static void read_request(int fd, char *text, size_t size)
{
    size_t at = 0, want = 0;
    while (at < size - 1) {
        ssize_t n = recv(fd, text + at, size - 1 - at, 0);
        if (n <= 0)
            break;
        at += (size_t)n;
        text[at] = '\0';
        const char *end = strstr(text, "\r\n\r\n");
        const char *length = strcasestr(text, "content-length: ");
        if (end == NULL)
            continue;
        want = (size_t)(end - text) + 4 + (length != NULL ? strtoul(length + 16, NULL, 10) : 0);
        if (at >= want)
            break;
    }
}

static void *serve(void *ctx)
{
    struct daemon *d = ctx;
    for (int i = 0; i < d->planned; i++) {
        int fd = accept(d->fd, NULL, NULL);
        if (fd < 0)
            break;
        read_request(fd, d->asked[i], sizeof d->asked[i]);
        d->asked_count++;
        if (d->plan[i].answer != NULL) {
            char head[256];
            size_t size = d->plan[i].size > 0 ? d->plan[i].size : strlen(d->plan[i].answer);
            int n = snprintf(head, sizeof head,
                             "HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
                             d->plan[i].status, d->plan[i].type, size);
            (void)send(fd, head, (size_t)n, MSG_NOSIGNAL);
            (void)send(fd, d->plan[i].answer, size, MSG_NOSIGNAL);
        }
        close(fd);
    }
    for (int fd; d->always != NULL && (fd = accept(d->fd, NULL, NULL)) >= 0; close(fd)) {
        char request[4096];
        read_request(fd, request, sizeof request);
        char answer[1024];
        int n = snprintf(answer, sizeof answer,
                         "HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                         "Connection: close\r\n\r\n%s",
                         strlen(d->always), d->always);
        (void)send(fd, answer, (size_t)n, MSG_NOSIGNAL);
    }
    return NULL;
}

static void plan(struct daemon *d, int status, const char *answer)
{
    d->plan[d->planned].status = status;
    d->plan[d->planned].answer = answer;
    d->plan[d->planned++].type = "application/json; charset=utf-8";
}

static void start(struct daemon *d)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(d->dir, sizeof d->dir, "/tmp/tongban-ctl-XXXXXX");
    assert_non_null(mkdtemp(d->dir));
    (void)snprintf(d->path, sizeof d->path, "%s/api.sock", d->dir);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", d->path);
    d->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(d->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(d->fd, 8), 0);
    assert_int_equal(pthread_create(&d->thread, NULL, serve, d), 0);
}

static void stop(struct daemon *d)
{
    (void)shutdown(d->fd, SHUT_RDWR); /* ends an accept that still waits */
    (void)pthread_join(d->thread, NULL);
    close(d->fd);
    unlink(d->path);
    rmdir(d->dir);
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' does not hold '%s'", text, part);
}

#define RESULT                                                                                                         \
    "{\"case\":\"c00102030405060708090a0b0c0d0e0f\",\"origin\":440000,\"first_index\":12,\"count\":4,\"replayed\":"    \
    "false,"                                                                                                           \
    "\"warnings\":[\"check digit\"]}"
#define CASE_JSON(state, version)                                                                                      \
    "{\"case\":\"c001\",\"status\":\"" state                                                                           \
    "\",\"status_chinese\":\"受理\",\"level\":\"tentative\",\"version\":" version                                      \
    ",\"updated_ms\":1795491684123,\"event_count\":3}"

static const struct {
    const char *words[24];
    const char *answer;
    const char *line; /* of the request */
    const char *body; /* of the request, or "" */
    const char *prints;
} commands[] = {
    {{"status"},
     "{\"code\":510000,\"name\":\"四川省\",\"writer\":\"ok\"}",
     "GET /v1/status HTTP/1.1",
     "",
     "writer:            ok"},
    {{"status", "--health"}, "{\"status\":\"ok\",\"writer\":\"ok\",\"alarms\":2}", "GET /healthz HTTP/1.1", "", "ok\n"},
    {{"peer", "list"},
     "{\"peers\":[{\"code\":510000,\"name\":\"四川省\",\"state\":\"lost\",\"reason\":\"expired\",\"held_size\":3,"
     "\"known_size\":4}]}",
     "GET /v1/peers HTTP/1.1",
     "",
     "四川省  lost"},
    {{"peer", "list"}, "{\"peers\":[]}", "GET /v1/peers HTTP/1.1", "", "no other nodes\n"},
    {{"alarm", "list"},
     "{\"alarms\":[{\"id\":\"ledger.withheld\",\"about\":330000,\"about_name\":\"浙江省\",\"text\":\"refused\","
     "\"count\":3,"
     "\"first_ms\":1,\"last_ms\":1795491684123}]}",
     "GET /v1/alarms HTTP/1.1",
     "",
     "3      330000  浙江省  ledger.withheld  refused"},
    {{"alarm", "list"}, "{\"alarms\":[]}", "GET /v1/alarms HTTP/1.1", "", "no alarms since the start\n"},
    {{"ledger", "witnesses"},
     "{\"final_size\":9,\"witnesses\":[{\"code\":330000,\"name\":\"浙江省\",\"up\":false,\"size\":7}]}",
     "GET /v1/ledger/witnesses HTTP/1.1",
     "",
     "cosigned by a quorum): 9 entries"},
    {{"ledger", "evidence"},
     "{\"evidence\":[{\"accused\":330000,\"accused_name\":\"浙江省\",\"common_size\":5,\"origin\":440000,\"index\":9,"
     "\"evidence\":\"RVZJREVOQ0U=\"}]}",
     "GET /v1/ledger/evidence HTTP/1.1",
     "",
     "330000   浙江省  5"},
    {{"ledger", "evidence", "--raw", "330000"},
     "{\"evidence\":[{\"accused\":330000,\"evidence\":null},{\"accused\":330000,\"evidence\":\"RVZJREVOQ0U=\"}]}",
     "GET /v1/ledger/evidence HTTP/1.1",
     "",
     "EVIDENCE"},
    {{"catalog", "list", "--node", "510000", "--limit", "2", "--after", "510000:a b"},
     "{\"items\":[],\"next\":null}",
     "GET /v1/catalog?node=510000&limit=2&after=510000%3Aa%20b HTTP/1.1",
     "",
     "no items\n"},
    {{"catalog", "search", "户口"},
     "{\"items\":[{\"node\":510000,\"code\":\"1\",\"name\":\"户口迁移\",\"match\":\"start\"}]}",
     "GET /v1/catalog/search?text=%E6%88%B7%E5%8F%A3 HTTP/1.1",
     "",
     "户口迁移  start"},
    {{"catalog", "show", "a/b", "--node", "510000"},
     "{\"code\":\"a/b\",\"item\":{\"x\":1}}",
     "GET /v1/catalog/510000/a%2Fb HTTP/1.1",
     "",
     "  \"x\": 1"},
    {{"case", "list", "--status", "accepted", "--role", "deciding", "--before", "9"},
     "{\"cases\":[" CASE_JSON("accepted", "4") "],\"next\":7}",
     "GET /v1/cases?status=accepted&role=deciding&before=9 HTTP/1.1",
     "",
     "more: --before 7\n"},
    {{"case", "show", "c0/../x"},
     CASE_JSON("accepted", "4"),
     "GET /v1/cases/c0%2F..%2Fx HTTP/1.1",
     "",
     "accepted 受理 (tentative)"},
    {{"case", "payload", "c0", "440000", "3", "--purpose", "核对"},
     "{\"payload\":{\"name\":\"张三\"}}",
     "GET /v1/cases/c0/events/440000/3/payload?purpose=%E6%A0%B8%E5%AF%B9 HTTP/1.1",
     "",
     "\"name\": \"张三\""},
    {{"case", "submit", "--item", "i", "--name", "张三", "--id", "n", "--form", "a=b=c", "--form", "k=值",
      "--no-forward"},
     RESULT,
     "POST /v1/cases HTTP/1.1",
     "{\"item\":\"i\",\"applicant\":{\"kind\":\"person\",\"name\":\"张三\",\"id_type\":\"citizen_id\",\"id_"
     "number\":\"n\"},"
     "\"form\":{\"a\":\"b=c\",\"k\":\"值\"},\"forward\":false}",
     "entries: 440000 12-15\nwarning: check digit\n"},
    {{"case", "submit", "--item=i", "--name=店", "--id=u", "--kind=organisation", "--node=510000", "--division=510104",
      "--mode=collect"},
     RESULT,
     "POST /v1/cases HTTP/1.1",
     "{\"item\":\"i\",\"node\":510000,\"division\":\"510104\",\"mode\":\"collect\",\"applicant\":{\"kind\":"
     "\"organisation\",\"name\":\"店\","
     "\"id_type\":\"uscc\",\"id_number\":\"u\"}}",
     "written: application"},
    {{"case", "accept", "c0"}, RESULT, "POST /v1/cases/c0/events HTTP/1.1", "{\"type\":\"accept\"}", "written: accept"},
    {{"case", "refuse", "c0", "--reason", "不归我们", "--reason-code", "not.ours"},
     RESULT,
     "POST /v1/cases/c0/events HTTP/1.1",
     "{\"type\":\"refuse\",\"reason\":\"不归我们\",\"reason_code\":\"not.ours\"}",
     "written: refuse"},
    {{"case", "decide", "c0", "--deny", "--reason", "x"},
     RESULT,
     "POST /v1/cases/c0/events HTTP/1.1",
     "{\"events\":[{\"type\":\"decide\",\"reason\":\"x\",\"decision\":\"deny\"},{\"type\":\"close\"}]}",
     "written: decide, close"},
    {{"case", "decide", "c0", "--grant", "--keep-open"},
     RESULT,
     "POST /v1/cases/c0/events HTTP/1.1",
     "{\"events\":[{\"type\":\"decide\",\"decision\":\"grant\"}]}",
     "written: decide\n"},
    {{"case", "deliver", "c0", "--channel", "post"},
     RESULT,
     "POST /v1/cases/c0/events HTTP/1.1",
     "{\"type\":\"deliver\",\"channel\":\"post\"}",
     "written: deliver"},
    {{"case", "post-materials", "c0", "--carrier", "EMS", "--tracking", "1234567890123", "--note", "原件"},
     RESULT,
     "POST /v1/cases/c0/events HTTP/1.1",
     "{\"type\":\"post_materials\",\"note\":\"原件\",\"carrier\":\"EMS\",\"tracking\":\"1234567890123\"}",
     "written: post_materials"},
    {{"case", "post-result", "c0", "--carrier", "邮政"},
     RESULT,
     "POST /v1/cases/c0/events HTTP/1.1",
     "{\"type\":\"post_result\",\"carrier\":\"邮政\"}",
     "written: post_result"},
    {{"case", "notify", "c0", "--means", "sms", "--on", "2026-11-28"},
     RESULT,
     "POST /v1/cases/c0/events HTTP/1.1",
     "{\"type\":\"notify\",\"means\":\"sms\",\"told_on\":\"2026-11-28\"}",
     "written: notify"},
    {{"case", "charge", "c0", "--amount-fen", "10000000000", "--note", "工本费"},
     RESULT,
     "POST /v1/cases/c0/events HTTP/1.1",
     "{\"type\":\"charge\",\"note\":\"工本费\",\"amount_fen\":10000000000}",
     "written: charge"},
    {{"case", "pay", "c0", "--amount-fen", "1"},
     RESULT,
     "POST /v1/cases/c0/events HTTP/1.1",
     "{\"type\":\"pay\",\"amount_fen\":1}",
     "written: pay"},
    {{"case", "list", "--overdue", "--role", "deciding"},
     "{\"cases\":[],\"next\":null}",
     "GET /v1/cases?role=deciding&overdue=true HTTP/1.1",
     "",
     "no cases\n"},
    {{"calendar", "show", "2026", "--node", "510000", "--division", "510105"},
     "{\"node\":510000,\"division\":510105,\"year\":2026,\"published\":true,\"provisional\":false,\"working_days\":248,"
     "\"days\":[{\"date\":\"2026-10-01\",\"type\":\"holiday\"}]}",
     "GET /v1/calendar?year=2026&node=510000&division=510105 HTTP/1.1",
     "",
     "published by the node"},
    {{"case", "fetch", "c0"},
     "{\"case\":\"c0\",\"event_count\":9}",
     "POST /v1/cases/c0/fetch HTTP/1.1",
     "",
     "events held: 9"},
    {{"case", "pause", "c0", "--kind", "other", "--days", "20", "--unit", "natural", "--basis", "食品安全法第八十七条"},
     RESULT,
     "POST /v1/cases/c0/events HTTP/1.1",
     "{\"type\":\"pause\",\"pause_kind\":\"other\",\"expected_days\":20,\"unit\":\"natural\",\"basis\":"
     "\"食品安全法第八十七条\"}",
     "written: pause"},
    {{"case", "pause", "c0", "--kind", "hearing", "--days", "20"},
     RESULT,
     "POST /v1/cases/c0/events HTTP/1.1",
     "{\"type\":\"pause\",\"pause_kind\":\"hearing\",\"expected_days\":20}",
     "written: pause"},
    {{"case", "extend", "c0", "--days", "10", "--official", "1001", "--reason-code", "complex", "--reason", "r"},
     RESULT,
     "POST /v1/cases/c0/events HTTP/1.1",
     "{\"type\":\"extend\",\"reason\":\"r\",\"reason_code\":\"complex\",\"official\":\"1001\",\"extend_days\":10}",
     "written: extend"},
    {{"case", "review", "c0", "--official", "1002", "--pass"},
     RESULT,
     "POST /v1/cases/c0/events HTTP/1.1",
     "{\"type\":\"review\",\"official\":\"1002\",\"review\":\"pass\"}",
     "written: review"},
    {{"case", "accept", "c0", "--lacking-days", "5"},
     RESULT,
     "POST /v1/cases/c0/events HTTP/1.1",
     "{\"type\":\"accept\",\"lacking_days\":5}",
     "written: accept"},
    {{"case", "accept", "c0", "--lacking", "M06", "--lacking", "M07=5"},
     RESULT,
     "POST /v1/cases/c0/events HTTP/1.1",
     "{\"type\":\"accept\",\"lacking\":[{\"code\":\"M06\"},{\"code\":\"M07\",\"days\":5}]}",
     "written: accept"},
    {{"case", "evaluate", "c0", "--grade", "2", "--side", "deciding"},
     RESULT,
     "POST /v1/cases/c0/events HTTP/1.1",
     "{\"type\":\"evaluate\",\"side\":\"deciding\",\"grade\":2}",
     "written: evaluate"},
    {{"case", "follow-up", "c0", "--side", "deciding", "--note", "n"},
     RESULT,
     "POST /v1/cases/c0/events HTTP/1.1",
     "{\"type\":\"follow_up\",\"note\":\"n\",\"side\":\"deciding\"}",
     "written: follow_up"},
    {{"case", "not-required", "c0", "--reason", "z", "--reason-code", "x", "--remedies", "y"},
     RESULT,
     "POST /v1/cases/c0/events HTTP/1.1",
     "{\"type\":\"not_required\",\"reason\":\"z\",\"reason_code\":\"x\",\"remedies\":\"y\"}",
     "written: not_required"},
    {{"case", "part-done", "c0", "--part", "p", "--deny"},
     RESULT,
     "POST /v1/cases/c0/events HTTP/1.1",
     "{\"type\":\"part_done\",\"part\":\"p\",\"decision\":\"deny\"}",
     "written: part_done"},
    {{"case", "decide", "c0", "--grant", "--official", "7", "--keep-open"},
     RESULT,
     "POST /v1/cases/c0/events HTTP/1.1",
     "{\"events\":[{\"type\":\"decide\",\"official\":\"7\",\"decision\":\"grant\"}]}",
     "written: decide\n"},
    {{"case", "handover", "c0", "--lead", "330000", "--reason-code", "x"},
     RESULT,
     "POST /v1/cases/c0/events HTTP/1.1",
     "{\"type\":\"handover\",\"reason_code\":\"x\",\"lead\":330000}",
     "written: handover"},
    {{"case", "supervise", "c0", "--lead", "330000", "--last-leaf", "0"},
     RESULT,
     "POST /v1/cases/c0/events HTTP/1.1",
     "{\"type\":\"supervise\",\"lead\":330000,\"last_leaf\":0}",
     "written: supervise"},
    {{"case", "note", "--note", "-- x", "--", "c0"},
     RESULT,
     "POST /v1/cases/c0/events HTTP/1.1",
     "{\"type\":\"note\",\"note\":\"-- x\"}",
     "written: note"},
    {{"ledger", "show"},
     "{\"origin\":\"o\",\"size\":3,\"root\":\"ab\"}",
     "GET /v1/ledger HTTP/1.1",
     "",
     "root:    ab\n"},
    {{"ledger", "entries", "--origin", "510000", "--from", "7"},
     "{\"entries\":[{\"origin\":510000,\"index\":7,\"hash\":\"0123456789abcdef0\",\"leaf\":{\"kind\":\"event\","
     "\"type\":\"accept\"}}]}",
     "GET /v1/ledger/entries?origin=510000&from=7 HTTP/1.1",
     "",
     "accept"},
    {{"ledger", "verify"},
     "{\"result\":\"ok\",\"own_leaves\":3}",
     "POST /v1/ledger/verify HTTP/1.1",
     "",
     "own entries: 3\n"},
    {{"case", "erasure", "c0"},
     "{\"hold\":\"诉讼\",\"erasures\":[{\"case\":\"c001\",\"node\":510000,\"node_name\":\"四川省\",\"state\":"
     "\"ordered\","
     "\"since_ms\":1795491684123,\"article\":\"x\",\"origin\":440000,\"index\":3}]}",
     "GET /v1/cases/c0/erasure HTTP/1.1",
     "",
     "on hold: 诉讼\nCASE  NODE    NAME    STATE    SINCE                BASIS  ENTRY\n"
     "c001  510000  四川省  ordered  2026-11-24 11:41:24  x      440000 3\n"},
    {{"erasure", "list", "--limit", "3"},
     "{\"erasures\":[]}",
     "GET /v1/erasures?limit=3 HTTP/1.1",
     "",
     "every erasure that was ordered is done\n"},
    {{"case", "erase", "c0", "--basis", "unlawful", "--json"},
     RESULT,
     "POST /v1/cases/c0/erase HTTP/1.1",
     "{\"basis\":\"unlawful\"}",
     RESULT "\n"},
    {{"case", "hold", "c0", "--reason", "审计"},
     RESULT,
     "POST /v1/cases/c0/hold HTTP/1.1",
     "{\"reason\":\"审计\"}",
     "on hold"},
    {{"case", "unhold", "c0"}, RESULT, "POST /v1/cases/c0/unhold HTTP/1.1", "", "the erasure that waited is done"},
    {{"backup", "--out", "/b/x.db", "--keys"},
     "{\"path\":\"/b/x.db\",\"bytes\":4096,\"ledger_size\":0,\"elapsed_ms\":3}",
     "POST /v1/backup HTTP/1.1",
     "{\"path\":\"/b/x.db\",\"keys\":true}",
     "copy of: keys.db\nwritten: /b/x.db\nbytes:   4096\ntook:    3 ms\n"},
    {{"receipt", "get", "c0", "--act", "accept", "--wait", "2", "--json"},
     "{\"case\":\"c0\",\"final\":true}",
     "GET /v1/cases/c0/receipt?act=accept&form=json&wait_ms=2000 HTTP/1.1",
     "",
     "{\"case\":\"c0\",\"final\":true}\n"},
    {{"status", "--json"}, "{\"code\":510000}", "GET /v1/status HTTP/1.1", "", "{\"code\":510000}\n"},
    {{"case", "accept", "c0", "--json"},
     RESULT,
     "POST /v1/cases/c0/events HTTP/1.1",
     "{\"type\":\"accept\"}",
     RESULT "\n"},
};

/* What each command asks, and what it prints; one connection each. */
static void commands_ask_and_print(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_count(commands); i++) {
        struct daemon d = {0};
        const char *words[30] = {"--dir", d.dir};
        for (size_t w = 0; commands[i].words[w] != NULL; w++)
            words[w + 2] = commands[i].words[w];
        plan(&d, 200, commands[i].answer);
        start(&d);
        struct run r = run_words(words);
        stop(&d);
        if (r.status != 0)
            fail_msg("%s: %d %s", commands[i].line, r.status, r.err);
        assert_int_equal(strncmp(d.asked[0], commands[i].line, strlen(commands[i].line)), 0);
        assert_string_equal(strstr(d.asked[0], "\r\n\r\n") + 4, commands[i].body);
        assert_has(r.out, commands[i].prints);
        assert_int_equal(strstr(d.asked[0], "Idempotency-Key: ") != NULL, d.asked[0][0] == 'P');
    }
}

static void refusals_keep_their_words(void **state)
{
    static const struct {
        int status;
        const char *answer;
        int exit;
        const char *says;
    } cases[] = {
        {409, "{\"code\":\"conflict\",\"id\":\"case.guard\",\"message\":\"受理 之前\",\"hint\":\"wait\"}", 4,
         "tongban: 受理 之前 (case.guard)\nhint: wait\n"},
        {404, "{\"code\":\"not_found\",\"id\":\"case.unknown\",\"message\":\"no case\",\"hint\":\"\"}", 3,
         "tongban: no case (case.unknown)\n"},
        {500, "{\"code\":\"not_a_code\",\"id\":\"x\",\"message\":\"%s%n\",\"hint\":\"%s%n\"}", 9,
         "tongban: %s%n (x)\nhint: %s%n\n"},
        {500, "{}", 6, "status 500 and no explanation (ctl.reply)"},
        {200, "not json", 6, "no JSON (ctl.reply)"},
    };
    (void)state;
    for (size_t i = 0; i < array_count(cases); i++) {
        struct daemon d = {0};
        plan(&d, cases[i].status, cases[i].answer);
        start(&d);
        struct run r = RUN("case", "accept", "c0", "--dir", d.dir);
        stop(&d);
        assert_int_equal(r.status, cases[i].exit);
        assert_has(r.err, cases[i].says);
    }
}

/* The 503 of /healthz is no error body; what a stranger answers there is not taken for one of ours. */
static void health_ends_with_the_reason(void **state)
{
    static const struct {
        int status;
        const char *answer;
        int exit;
        const char *says;
    } cases[] = {
        {503, "{\"status\":\"degraded\",\"writer\":\"stopped: no room\",\"alarms\":0}", 8,
         "tongban: the node takes nothing in: stopped: no room (ctl.not-healthy)\nhint: "},
        {503, "{}", 6, "status 503 and no explanation (ctl.reply)"},
        {503, "{\"writer\":7}", 6, "status 503 and no explanation (ctl.reply)"},
        {401, "{\"code\":\"unauthorized\",\"id\":\"http.token\",\"message\":\"no token\",\"hint\":\"\"}", 5,
         "tongban: no token (http.token)\n"},
    };
    (void)state;
    for (size_t i = 0; i < array_count(cases); i++)
        for (int json = 0; json <= 1; json++) {
            struct daemon d = {0};
            plan(&d, cases[i].status, cases[i].answer);
            start(&d);
            struct run r =
                json ? RUN("status", "--health", "--json", "--dir", d.dir) : RUN("status", "--health", "--dir", d.dir);
            stop(&d);
            assert_int_equal(r.status, cases[i].exit);
            assert_has(r.err, cases[i].says);
            bool is_printed = json && i == 0;
            assert_string_equal(
                r.out, is_printed ? "{\"status\":\"degraded\",\"writer\":\"stopped: no room\",\"alarms\":0}\n" : "");
        }
}

/* Lost before the answer: asked again with the same key, once. */
static void a_lost_connection_is_tried_once_more(void **state)
{
    (void)state;
    struct daemon d = {0};
    plan(&d, 0, NULL);
    plan(&d, 201, RESULT);
    start(&d);
    struct run r = RUN("case", "accept", "c0", "--dir", d.dir);
    stop(&d);
    assert_int_equal(r.status, 0);
    assert_int_equal(d.asked_count, 2);
    char *key = strstr(d.asked[0], "Idempotency-Key: ");
    assert_non_null(key);
    key[17 + 32] = '\0';
    assert_has(d.asked[1], key);

    struct daemon dead = {0};
    plan(&dead, 0, NULL);
    plan(&dead, 0, NULL);
    plan(&dead, 201, RESULT);
    start(&dead);
    r = RUN("case", "accept", "c0", "--dir", dead.dir);
    stop(&dead);
    assert_int_equal(r.status, 6);
    assert_has(r.err, "(ctl.connection)");
    assert_int_equal(dead.asked_count, 2);
}

static void waits_for_peers(void **state)
{
    (void)state;
    for (int durable = 0; durable < 2; durable++) {
        struct daemon d = {0};
        plan(&d, 201,
             durable ? "{\"case\":\"c0\",\"peers_durable\":true}" : "{\"case\":\"c0\",\"peers_durable\":false}");
        start(&d);
        struct run r = RUN("case", "accept", "c0", "--wait-peers", "--dir", d.dir);
        stop(&d);
        assert_has(d.asked[0], "POST /v1/cases/c0/events?durable=peers&timeout_ms=30000 HTTP/1.1");
        assert_int_equal(r.status, durable ? 0 : 8);
        assert_has(r.out, durable ? "at all peers: yes" : "at all peers: no");
        if (!durable)
            assert_has(r.err, "(ctl.not-durable)");
    }
}

/* Prints each change once, polls on when nothing changed, stops at the last state. */
static void watches_until_closed(void **state)
{
    (void)state;
    struct daemon d = {0};
    plan(&d, 200, CASE_JSON("accepted", "4"));
    plan(&d, 200, CASE_JSON("accepted", "4"));
    plan(&d, 200, CASE_JSON("processing", "6"));
    plan(&d, 200, CASE_JSON("closed_granted", "8"));
    start(&d);
    struct run r = RUN("case", "watch", "c0", "--dir", d.dir);
    stop(&d);
    assert_int_equal(r.status, 0);
    assert_has(d.asked[0], "GET /v1/cases/c0?last=0 HTTP/1.1");
    assert_has(d.asked[1], "GET /v1/cases/c0?wait=4&timeout_ms=30000&last=0 HTTP/1.1");
    assert_has(d.asked[3], "GET /v1/cases/c0?wait=6&");
    assert_string_equal(r.out, "2026-11-24 11:41:24  accepted 受理 (tentative), 3 events\n"
                               "2026-11-24 11:41:24  processing 受理 (tentative), 3 events\n"
                               "2026-11-24 11:41:24  closed_granted 受理 (tentative), 3 events\n");

    struct daemon early = {0};
    plan(&early, 200, CASE_JSON("processing", "4"));
    start(&early);
    r = RUN("case", "watch", "c0", "--until", "processing", "--dir", early.dir);
    stop(&early);
    assert_int_equal(r.status, 0);
}

static void checkpoint_is_printed_as_signed(void **state)
{
    static const char note[] = "origin\n12\nroot\n\n— origin sig\n";
    (void)state;
    for (int json = 0; json < 2; json++) {
        struct daemon d = {0};
        plan(&d, 200, note);
        d.plan[0].type = "text/plain";
        start(&d);
        struct run r = RUN("ledger", "checkpoint", "--dir", d.dir, json ? "--json" : "--origin=510000");
        stop(&d);
        assert_string_equal(r.out, json ? "{\"checkpoint\":\"origin\\n12\\nroot\\n\\n— origin sig\\n\"}\n" : note);
    }
}

/* Files: an application as it stands, a material with its hash. */
static void refuses_what_is_no_tile(void **state)
{
    (void)state;
    assert_has(RUN("ledger", "tile", "8", "0").err, "(ctl.tile)");
    assert_has(RUN("ledger", "tile", "x", "0").err, "'x' is no level of tiles");
    assert_has(RUN("ledger", "tile", "0", "1x").err, "'1x' is no number of a tile");
    assert_has(RUN("ledger", "tile", "0", "0", "--width", "257").err, "(ctl.number)");
    assert_has(RUN("ledger", "evidence", "--raw", "330000", "--json").err, "(ctl.option-conflict)");
    struct daemon d = {0};
    plan(&d, 200, "{\"evidence\":[]}");
    plan(&d, 200, "{\"evidence\":[{\"accused\":330000,\"evidence\":\"*\"}]}");
    start(&d);
    struct run r = RUN("ledger", "evidence", "--raw", "330000", "--dir", d.dir);
    assert_has(r.err, "no evidence against node 330000 is held here (ctl.no-evidence)");
    assert_int_equal(r.status, 3);
    assert_has(RUN("ledger", "evidence", "--raw", "330000", "--dir", d.dir).err, "(ctl.reply)");
    stop(&d);
}

static void reads_files(void **state)
{
    (void)state;
    struct daemon d = {0};
    char path[128], option[160];
    plan(&d, 201, RESULT);
    plan(&d, 201, RESULT);
    plan(&d, 201, RESULT);
    start(&d);
    (void)snprintf(path, sizeof path, "%s/x.json", d.dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("{\"a\": 1}", file);
    (void)fclose(file);

    assert_int_equal(RUN("case", "submit", "--json-file", path, "--dir", d.dir).status, 0);
    assert_int_equal(RUN("case", "event", "c0", "--json-file", path, "--dir", d.dir).status, 0);
    (void)snprintf(option, sizeof option, "M1=%s", path);
    assert_int_equal(
        RUN("case", "submit", "--item", "i", "--name", "n", "--id", "d", "--material", option, "--dir", d.dir).status,
        0);
    (void)snprintf(option, sizeof option, "M1=%s/none", d.dir);
    struct run r =
        RUN("case", "submit", "--item", "i", "--name", "n", "--id", "d", "--material", option, "--dir", d.dir);
    assert_int_equal(r.status, 3);
    assert_has(r.err, "(file.open)");
    unlink(path);
    stop(&d);
    assert_has(d.asked[0], "\r\n\r\n{\"a\": 1}");
    assert_has(d.asked[1], "POST /v1/cases/c0/events");
    assert_has(d.asked[2], "\"materials\":[{\"code\":\"M1\",\"name\":\"x.json\",\"sha256\":"
                           "\"f9d86028c6e0d64e225186f96acb69338b2c59764df79162107f5c4bb34d1310\",\"size\":8}]");
}

/* ---- archive packages from a node that is not one ---- */

static void put_file(struct buf *tar, const char *folder, const char *name, const char *content)
{
    tar_put_header(tar, folder, name, strlen(content), 1700000000);
    buf_put_string(tar, content);
    tar_put_padding(tar, strlen(content));
}

/* What comes of `case archive-export` when the node answers @tar; nothing is to be left of it. */
static struct run export(struct buf *tar, int status, const char *type)
{
    struct daemon d = {0};
    char target[96];
    plan(&d, status, (const char *)tar->data);
    d.plan[0].type = type;
    d.plan[0].size = tar->size;
    start(&d);
    (void)snprintf(target, sizeof target, "%s.package", d.dir);
    struct run r = RUN("case", "archive-export", "00000000", target, "--purpose", "x", "--dir", d.dir);
    assert_has(d.asked[0], "GET /v1/cases/00000000/archive?purpose=x");
    stop(&d);
    assert_int_equal(access(target, F_OK), -1);
    (void)snprintf(target, sizeof target, "%s.package.making.%ld", d.dir, (long)getpid());
    assert_int_equal(access(target, F_OK), -1);
    return r;
}

/* A package is what its sums say, lies in its folder and nowhere else, and is whole. */
static void takes_no_wrong_package(void **state)
{
    (void)state;
    static const char no_sums[] = "";
    static const struct {
        const char *folder, *name, *sums; /* sums NULL: none */
        const char *says;
    } rows[] = {
        {"case", "../evil", no_sums, "(archive.form)"},
        {"case", ".hidden", no_sums, "(archive.form)"},
        {"case", "materials/../../evil", no_sums, "(archive.form)"},
        {"case", "/etc/evil", no_sums, "(archive.form)"},
        {"case", "unknown/file", no_sums, "(archive.write)"},
        {"case", "materials/deep/file", no_sums, "(archive.write)"},
        {"case", "case.json", NULL, "(archive.cut)"},
        {"case", "case.json", "0123456789abcdef  case.json\n", "(archive.changed)"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct buf tar = {0};
        put_file(&tar, rows[i].folder, rows[i].name, "{}");
        if (rows[i].sums != NULL)
            put_file(&tar, "case", "SHA256SUMS", rows[i].sums);
        tar_put_end(&tar);
        struct run r = export(&tar, 200, "application/x-tar");
        if (r.status == 0 || strstr(r.err, rows[i].says) == NULL)
            fail_msg("row %zu: %d %s", i, r.status, r.err);
        buf_close(&tar);
    }
    struct buf tar = {0};
    for (unsigned i = 0; i < 100; i++)
        buf_put_string(&tar, "no archive ");
    assert_has(export(&tar, 200, "application/x-tar").err, "(archive.tar)");
    buf_reset(&tar);
    put_file(&tar, "case", "case.json", "{}");
    put_file(&tar, "case", "error.json",
             "{\"code\":\"corrupt\",\"id\":\"file.chunk-corrupt\",\"message\":\"chunk 1\",\"hint\":\"\"}");
    tar_put_end(&tar);
    struct run r = export(&tar, 200, "application/x-tar");
    assert_int_equal(r.status, 7);
    assert_has(r.err, "chunk 1 (file.chunk-corrupt)");
    buf_close(&tar);
}

/* ---- limits and times ---- */

static void a_reconciliation_may_take_longer(void **state)
{
    (void)state;
    struct daemon d = {0};
    plan(&d, 200, "{\"id\":\"r1\"}");
    plan(&d, 200, "{\"id\":\"r1\",\"state\":\"running\"}");
    start(&d);
    struct run r = RUN("--dir", d.dir, "reconcile", "--wait", "0");
    stop(&d);
    assert_int_equal(d.asked_count, 2);
    assert_int_equal(r.status, 8);
    assert_has(r.err, "not at its end after 0 s (ctl.reconcile-running)");
    assert_has(r.err, "tongban reconcile show");
}

/* Fewer bytes than the case says: there is no such file yet, what came stays. */
static void a_download_may_be_cut_short(void **state)
{
    (void)state;
    struct daemon d = {0};
    char output[96], part[128];
    plan(&d, 200, "{\"materials\":[{\"file\":\"aabbccddee\",\"size\":10,\"sha256\":\"00\"}]}");
    plan(&d, 200, "01234");
    d.plan[1].type = "application/octet-stream";
    start(&d);
    (void)snprintf(output, sizeof output, "%s/file", d.dir);
    (void)snprintf(part, sizeof part, "%s.part", output);
    struct run r = RUN("--dir", d.dir, "material", "get", "c0", "aabbccddee", "--purpose", "核对", "--output", output);
    assert_int_not_equal(access(output, F_OK), 0);
    assert_int_equal(unlink(part), 0);
    stop(&d);
    assert_int_equal(r.status, 6);
    assert_has(r.err, "5 of 10 bytes came: run the command again (ctl.download)");
}

/* One that takes the request and says nothing. */
static void an_answer_may_not_come(void **state)
{
    (void)state;
    struct daemon d = {0};
    start(&d); /* connections wait in the backlog: nothing is planned */
    struct client_reply reply;
    struct err e = {0};
    const struct client_request r = {.dir = d.dir, .method = "GET", .path = "/v1/status", .timeout_ms = 50};
    assert_int_equal(client_ask(&r, &reply, &e), ERR_TIMEOUT);
    assert_string_equal(e.id, "ctl.timeout");
    client_reply_close(&reply);
    stop(&d);
}

static void an_answer_may_be_too_large(void **state)
{
    (void)state;
    struct daemon d = {0};
    struct client_reply reply;
    struct err e = {0};
    char *large = xcalloc(1, (size_t)CLIENT_REPLY_BYTES_MAX + 1);
    plan(&d, 200, large);
    d.plan[0].size = (size_t)CLIENT_REPLY_BYTES_MAX + 1;
    start(&d);
    const struct client_request r = {.dir = d.dir, .method = "GET", .path = "/v1/status", .timeout_ms = 600000};
    assert_int_equal(client_ask(&r, &reply, &e), ERR_LIMIT);
    assert_string_equal(e.id, "ctl.reply-size");
    client_reply_close(&reply);
    stop(&d);
    free(large);
}

/* A node that always has one more page. */
static void pages_come_to_an_end(void **state)
{
    (void)state;
    struct daemon d = {.always = "{\"publicity\":[],\"next_after\":\"1\"}"};
    start(&d);
    struct run r = RUN("--dir", d.dir, "publicity", "list");
    stop(&d);
    assert_int_equal(r.status, 2);
    assert_has(r.err, "the list has more than 10000 pages (ctl.pages)");
}

static void a_package_has_so_many_files(void **state)
{
    (void)state;
    struct arena mem = ARENA_INIT;
    struct package p = {0};
    struct err e = {0};
    char dir[64] = "/tmp/tongban-ctl-XXXXXX", target[96];
    int fd = -1;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(target, sizeof target, "%s/package", dir);
    assert_int_equal(package_open(&p, &mem, target, &e), 0);
    assert_int_equal(package_create(&p, "file", &fd, &e), 0);
    assert_int_equal(close(fd), 0);
    for (unsigned i = 0; i < ARCHIVE_FILES_MAX; i++) /* the same one: what counts is how often it was added */
        assert_int_equal(package_add_written(&p, "file", &e), 0);
    assert_int_equal(package_add_written(&p, "file", &e), ERR_LIMIT);
    assert_string_equal(e.id, "archive.files");
    package_drop(&p);
    assert_int_equal(rmdir(dir), 0); /* it is gone */
    arena_close(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_ask_and_print),
        cmocka_unit_test(refusals_keep_their_words),
        cmocka_unit_test(health_ends_with_the_reason),
        cmocka_unit_test(a_lost_connection_is_tried_once_more),
        cmocka_unit_test(waits_for_peers),
        cmocka_unit_test(watches_until_closed),
        cmocka_unit_test(checkpoint_is_printed_as_signed),
        cmocka_unit_test(refuses_what_is_no_tile),
        cmocka_unit_test(reads_files),
        cmocka_unit_test(takes_no_wrong_package),
        cmocka_unit_test(a_reconciliation_may_take_longer),
        cmocka_unit_test(a_download_may_be_cut_short),
        cmocka_unit_test(an_answer_may_not_come),
        cmocka_unit_test(an_answer_may_be_too_large),
        cmocka_unit_test(pages_come_to_an_end),
        cmocka_unit_test(a_package_has_so_many_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
