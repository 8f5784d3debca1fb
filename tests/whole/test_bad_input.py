"""Bad input to real programs: through the API, in files at start, from other nodes.

Each gives a clear error, with the documented id, that names the value; the process goes on; nothing half of it is
written: the ledger is as long as before and still verifies.
"""
import copy
import datetime
import http.client
import json
import shutil
import socket
import sqlite3
import subprocess

import pytest

from cluster import Cluster, Reply, UnixConnection, free_port, http_request, wait_for
from provinces import (
    number_warnings,
    ORPHAN, WRONG_CREDIT_CODE, act, add_provinces, application, assert_whole, bring_to, citizen_number, copy_catalogs,
    edit_json, ledger_size, start_provinces, submit, view, wait_status, written_since,
)

A, B, C = "440000", "510000", "330000"
BODY_MAX = 1 << 20


# ---- the API ---------------------------------------------------------------------------------------------------------


class World:
    """Three running nodes and two cases: one arrived, one whose decision is out."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.a, self.b, self.c = start_provinces(cluster, A, B, C)
        self.arrived = submit(self.a, serial=2)
        self.closed = submit(self.a, serial=3)
        wait_status(self.arrived, "arrived", self.a, self.b)
        bring_to(self.closed, self.a, self.b, "closed_granted")


@pytest.fixture(scope="module")
def shared_world():
    with Cluster() as cluster:
        world = World(cluster)
        yield world
        assert_whole(world.a, world.b, world.c)


@pytest.fixture
def world(shared_world):
    """The shared nodes; afterwards they are well, and their ledgers as long as before."""
    nodes = (shared_world.a, shared_world.b, shared_world.c)
    before = [ledger_size(node) for node in nodes]
    yield shared_world
    assert [node.get("/healthz").status for node in nodes] == [200] * 3
    assert [written_since(node, size) for node, size in zip(nodes, before)] == [[], [], []], "something was written"


def assert_refused(reply, status, id, *words):
    said = reply.json()
    assert (reply.status, said["id"]) == (status, id), reply
    for word in words:
        assert str(word) in said["message"], f"'{word}' is not in: {said['message']}"
    assert set(said) == {"code", "id", "message", "hint"} and said["code"]


def changed(path, value):
    """An application with one place changed: "applicant.name"; ... removes it."""
    body = copy.deepcopy(application())
    at = body
    *way, last = path.split(".")
    for name in way:
        at = at[name]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return body


WRONG_DIGIT = citizen_number()[:-1] + "8"
RAW = json.dumps(application())
MATERIAL = {"code": "M1", "name": "x", "sha256": "00" * 32, "size": 1}

APPLICATIONS = [
    # not JSON, or not as we take it
    ("", 400, "json.syntax", "empty"),
    ("{", 400, "json.syntax", "byte"),
    (RAW + "x", 400, "json.syntax", f"byte {len(RAW)}"),
    (b"{\"item\":\"\xff\"}", 400, "json.syntax", "byte"),
    ("{\"item\":NaN}", 400, "json.syntax", "byte 8"),
    ("[]", 400, "json.type", "the body", "array"),
    ("null", 400, "json.type", "the body", "null"),
    ("\"x\"", 400, "json.type", "the body", "string"),
    (RAW[:-1] + ',"item":"x"}', 400, "json.duplicate-key", "'item'"),
    (RAW[:-1] + ',"it\\u0065m":"x"}', 400, "json.duplicate-key", "'item'"),
    (RAW.replace('"kind"', '"name":"x","kind"'), 400, "json.duplicate-key", "'applicant.name'"),
    ('{"form":' + "[" * 33 + "]" * 33 + "}", 400, "json.depth", "32"),
    ('{"form":' + "[" * 400000, 400, "json.syntax", "byte"),
    ('{"form":' + '{"a":' * 5000 + "1" + "}" * 5001, 400, "json.depth", "32"),
    (changed("applicant.name", "李\0"), 400, "json.nul", "'applicant.name'"),
    # fields
    (changed("colour", "red"), 400, "json.unknown-field", "'colour'"),
    (changed("applicant.colour", "red"), 400, "json.unknown-field", "'applicant.colour'"),
    (changed("item", 7), 400, "json.type", "'item'", "string"),
    (changed("item", ...), 400, "json.missing", "'item'"),
    (changed("item", ""), 400, "json.missing", "'item'"),
    (changed("item", "x" * 48), 400, "json.range", "'item'", 48, 47),
    (changed("applicant", "x"), 400, "json.type", "'applicant'", "object"),
    (changed("applicant", ...), 400, "json.missing", "'applicant'"),
    (changed("applicant.kind", "robot"), 400, "json.choice", "'robot'", "person, organisation"),
    (changed("applicant.id_type", "library_card"), 400, "json.choice", "'library_card'", "citizen_id"),
    (changed("applicant.name", "x" * 257), 400, "json.range", "'applicant.name'", 257, 256),
    (changed("form", []), 400, "json.type", "'form'", "object"),
    (changed("forward", "yes"), 400, "json.type", "'forward'", "true or false"),
    (changed("mode", "telepathy"), 400, "json.choice", "'telepathy'", "collect"),
    (changed("node", "510000"), 400, "json.type", "'node'", "number"),
    (changed("node", -1), 400, "json.range", "'node'", "-1"),
    (changed("node", 1.5), 400, "json.type", "'node'"),
    (changed("node", 10**30), 400, "json.type", "'node'"),
    (changed("materials", [MATERIAL] * 65), 400, "json.range", "'materials'", 65, 64),
    (changed("materials", [{**MATERIAL, "sha256": "zz" * 32}]), 400, "case.material-hash", "materials[0].sha256"),
    (changed("materials", [{**MATERIAL, "x": 1}]), 400, "json.unknown-field", "materials[0].x"),
    (changed("form", {"text": "长" * 90000}), 413, "case.payload-size", 262144),
    # what they mean
    (changed("item", "NO-SUCH-ITEM"), 404, "catalog.no-item", "'NO-SUCH-ITEM'"),
    (changed("node", 440000), 404, "catalog.no-item", "440000", ORPHAN),
    (changed("node", 650000), 404, "catalog.no-item", "650000"),
    (changed("applicant.id_number", WRONG_DIGIT), 400, "identity.check-digit", "position 18", "'9'"),
    (changed("applicant.id_number", "51010419050729002"), 400, "identity.length", "17", "18"),
    (changed("applicant.id_number", "51010419050231002X"), 400, "identity.birth-date", "7 to 14"),
    (changed("applicant.id_number", "51010429990101002X"), 400, "identity.birth-date-future", "7 to 14"),
    (changed("applicant.id_number", "51010419050729002９"), 400, "identity.length", "18"),
    (changed("applicant.id_number", "51010419O507290029"), 400, "identity.digit", "position 9"),
    (changed("applicant.id_number", citizen_number(division="330106")), 400, "case.route", "330106", B, ORPHAN),
    (changed("division", "330106"), 400, "case.route", "330106", B),
    (changed("division", "51010"), 400, "case.division", "'51010'"),
    (changed("division", "51010x"), 400, "case.division", "'51010x'"),
    (changed("division", 510104), 400, "json.type", "'division'"),
    ({**application(), "applicant": {"kind": "organisation", "name": "x", "id_type": "uscc",
                                     "id_number": "91510100MA0000000I"}}, 400, "identity.digit", "position 18"),
    ({**application(), "applicant": {"kind": "person", "name": "x", "id_type": "other", "id_number": "P1"}},
     400, "case.division", "division is missing"),
]


def test_applications(world):
    for body, status, id, *words in APPLICATIONS:
        reply = world.a.post("/v1/cases", body, headers={"Content-Type": "application/json"})
        try:
            assert_refused(reply, status, id, *words)
        except AssertionError as e:
            raise AssertionError(f"{str(body)[:300]!r}: {e}") from None


def test_numbers_never_stand_in_a_refusal_or_the_log(world):
    said = world.a.post("/v1/cases", changed("applicant.id_number", WRONG_DIGIT)).body.decode()
    assert WRONG_DIGIT not in said and WRONG_DIGIT not in world.a.log_text()


def test_wrong_check_of_a_credit_code_is_a_warning(shared_world):
    who = {"kind": "organisation", "name": "示例公司", "id_type": "uscc", "id_number": WRONG_CREDIT_CODE}
    done = shared_world.a.post("/v1/cases", application(applicant=who, form=None)).ok().json()
    warning, = number_warnings(done)
    assert "position 18" in warning
    wait_status(done["case"], "arrived", shared_world.a, shared_world.b)


# who, which case, event, status, id, words
EVENTS = [
    ("a", "arrived", {"type": "accept"}, 403, "case.node", "accept (受理)", "510000", "440000"),
    ("a", "arrived", {"type": "decide", "decision": "grant"}, 403, "case.node", "decide (决定)"),
    ("c", "arrived", {"type": "accept"}, 404, "case.unknown"),
    ("c", "closed", {"type": "deliver", "channel": "window"}, 404, "case.unknown"),
    ("b", "arrived", {"type": "withdraw"}, 403, "case.node", "withdraw (撤回)", "440000"),
    ("b", "arrived", {"type": "supplement"}, 403, "case.node", "supplement (补正)"),
    ("a", "arrived", {"type": "forward"}, 409, "case.status", "forward (转出)", "arrived (签收)"),
    ("a", "arrived", {"type": "deliver", "channel": "window"}, 409, "case.status", "deliver (送达)", "第四十四条"),
    ("b", "arrived", {"type": "close"}, 409, "case.status", "close (办结)"),
    ("b", "arrived", {"type": "decide", "decision": "grant"}, 409, "case.status", "decide (决定)"),
    ("b", "arrived", {"type": "receipt"}, 409, "case.status", "receipt (签收)"),
    ("b", "closed", {"type": "accept"}, 409, "case.status", "accept (受理)"),
    ("a", "arrived", {"type": "evaluate", "grade": 5}, 409, "case.status", "evaluate (评价)"),
    ("a", "arrived", {"type": "submit"}, 409, "case.second_root", "submit (收件)"),
    ("b", "arrived", {"type": "supervise", "lead": 330000}, 403, "case.node", "supervise (督办)"),
    ("b", "arrived", {"type": "handover", "lead": 650000}, 404, "case.no-member", "650000"),
    ("b", "arrived", {"type": "supervise", "lead": 330000, "last_leaf": 99999}, 404, "case.last-leaf", "99999"),
    ("b", "arrived", {"type": "supervise", "lead": 330000, "last_leaf": -1}, 400, "json.range", "'last_leaf'"),
    # lacking, too much, out of range
    ("b", "arrived", {"type": "refuse", "reason": "不归本机关"}, 400, "case.attribute_missing", "refuse (不予受理)", "reason_code"),
    ("b", "arrived", {"type": "correct", "reason": "缺证明"}, 400, "case.attribute_missing", "correct (补正告知)", "reason_code"),
    ("b", "arrived", {"type": "correct", "reason_code": "proof"}, 409, "case.reasons_untold", "correct (补正告知)", "'reason'"),
    ("b", "arrived", {"type": "dance"}, 400, "case.event-type", "'dance'"),
    ("b", "arrived", {}, 400, "json.missing", "'type'"),
    ("b", "arrived", {"type": "accept", "colour": 1}, 400, "json.unknown-field", "'colour'"),
    ("b", "arrived", {"type": "decide", "decision": "maybe"}, 400, "json.choice", "'maybe'", "grant, deny"),
    ("a", "closed", {"type": "evaluate", "grade": 6}, 400, "json.range", "'grade'", "6", "1 to 5"),
    ("b", "arrived", {"type": "refuse", "reason_code": "不行"}, 400, "case.reason-code", "'不行'"),
    ("b", "arrived", {"type": "refuse", "reason_code": "x" * 65}, 400, "json.range", "65"),
    ("b", "arrived", {"type": "note", "note": "x" * 4097}, 400, "json.range", "'note'", 4097, 4096),
    ("b", "arrived", {"type": "note", "note": "x", "payload": {"note": "y"}}, 400, "case.payload-twice", "'note'"),
    ("a", "arrived", {"type": "post_materials"}, 400, "json.missing", "'carrier'"),
    ("a", "arrived", {"type": "post_materials", "carrier": ""}, 400, "json.missing", "'carrier'", "empty"),
    ("a", "arrived", {"type": "post_materials", "carrier": "  "}, 400, "case.carrier", "'carrier'", "blank"),
    ("a", "arrived", {"type": "post_materials", "carrier": "EMS\n"}, 400, "case.carrier", "0x0a", "offset 3"),
    ("a", "arrived", {"type": "post_materials", "carrier": "x" * 65}, 400, "json.range", "'carrier'", 65, 64),
    ("a", "arrived", {"type": "post_materials", "carrier": 7}, 400, "json.type", "'carrier'"),
    ("a", "arrived", {"type": "post_materials", "carrier": "EMS", "tracking": ""}, 400, "case.tracking", "empty"),
    ("a", "arrived", {"type": "post_materials", "carrier": "EMS", "tracking": "9" * 33}, 400, "json.range", "'tracking'", 33, 32),
    ("a", "arrived", {"type": "post_materials", "carrier": "EMS", "tracking": "EA 1"}, 400, "case.tracking", "0x20", "offset 2"),
    ("a", "arrived", {"type": "post_materials", "carrier": "EMS", "tracking": 123}, 400, "json.type", "'tracking'"),
    ("a", "arrived", {"type": "post_materials", "carrier": "EMS", "payload": {"carrier": "x"}}, 400, "case.payload-twice", "'carrier'"),
    ("a", "arrived", {"type": "notify"}, 400, "json.missing", "'means'"),
    ("a", "arrived", {"type": "notify", "means": "pigeon"}, 400, "json.choice", "'pigeon'", "phone, sms, window, online, letter"),
    ("a", "arrived", {"type": "notify", "means": "sms", "told_on": "2026-02-30"}, 400, "case.told-on", "'2026-02-30'"),
    ("a", "arrived", {"type": "notify", "means": "sms", "told_on": "9999-12-31"}, 400, "case.told-on", "9999-12-31", "today is"),
    ("b", "arrived", {"type": "charge"}, 400, "json.missing", "'amount_fen'"),
    ("b", "arrived", {"type": "charge", "amount_fen": 0}, 400, "json.range", "'amount_fen'", "0", "1 to 10000000000"),
    ("b", "arrived", {"type": "charge", "amount_fen": -5}, 400, "json.range", "-5"),
    ("a", "arrived", {"type": "pay", "amount_fen": 10000000001}, 400, "json.range", "10000000001", "10000000000"),
    ("a", "arrived", {"type": "pay", "amount_fen": 1.5}, 400, "json.type", "'amount_fen'"),
    ("a", "arrived", {"type": "pay", "amount_fen": "100"}, 400, "json.type", "'amount_fen'"),
    ("b", "closed", {"type": "note", "amount_fen": 1}, 400, "case.field-type", "'amount_fen'", "note (备注)"),
    ("b", "arrived", {"type": "accept", "carrier": "EMS"}, 400, "case.field-type", "'carrier'", "accept (受理)"),
    ("b", "arrived", {"events": [{"type": "note", "tracking": "1"}]}, 400, "case.field-type", "'events[0].tracking'"),
    ("b", "arrived", {"type": "post_materials", "carrier": "EMS"}, 403, "case.node", "post_materials (材料寄出)", "440000"),
    ("a", "closed", {"type": "post_result", "carrier": "EMS"}, 403, "case.node", "post_result (结果寄出)", "510000"),
    ("b", "arrived", {"type": "post_result", "carrier": "EMS"}, 409, "case.status", "post_result (结果寄出)", "国办发〔2020〕35号"),
    ("b", "arrived", {"events": []}, 400, "json.missing", "1 to 100"),
    ("b", "arrived", {"events": [{"type": "note"}] * 101}, 400, "json.range", "101", "100"),
    ("b", "arrived", {"events": [{"type": "note"}], "type": "note"}, 400, "json.unknown-field", "'type'"),
    ("b", "arrived", {"events": [{"type": "accept"}, {"type": "dance"}]}, 400, "case.event-type", "events[1].type"),
    # the first would do, the second not: neither
    ("b", "arrived", {"events": [{"type": "accept"}, {"type": "deliver", "channel": "post"}]}, 409, "case.status"),
]


def test_events(world):
    cases = {"arrived": world.arrived, "closed": world.closed}
    for who, case, event, status, id, *words in EVENTS:
        reply = getattr(world, who).post(f"/v1/cases/{cases[case]}/events", event)
        try:
            assert_refused(reply, status, id, *words)
        except AssertionError as e:
            raise AssertionError(f"{who} {event}: {e}") from None
    assert view(world.b, world.arrived)["status"] == "arrived"


READINGS = [
    ("GET", "/v1/nothing", 404, "http.path", "'/v1/nothing'"),
    ("GET", "/v1/cases/", 404, "http.path", "'/v1/cases/'"),
    ("GET", "/../etc/passwd", 404, "http.path"),
    ("GET", "/v1/cases/%2e%2e", 404, "case.unknown", "'..'"),
    ("GET", "/v1/cases/ffffffff", 404, "case.unknown", "'ffffffff'"),
    ("GET", "/v1/cases/ffffffff?last=1001", 400, "http.parameter", "'last'", "'1001'", "0 to 1000"),
    ("GET", "/v1/cases?limit=0", 400, "http.parameter", "'limit'", "'0'", "1 to 1000"),
    ("GET", "/v1/cases?limit=1001", 400, "http.parameter", "'1001'"),
    ("GET", "/v1/cases?limit=10&limit=20", 400, "http.parameter", "'limit'", "twice"),
    ("GET", "/v1/cases?status=flying", 400, "http.parameter", "'flying'"),
    ("GET", "/v1/cases?role=judge", 400, "http.parameter", "'judge'"),
    ("GET", "/v1/cases?colour=red", 400, "http.parameter", "'colour'"),
    ("GET", "/v1/catalog?after=x", 400, "http.parameter", "'x'"),
    ("GET", "/v1/catalog?node=1", 400, "http.parameter", "'node'", "'1'"),
    ("GET", "/v1/catalog/NOTHING", 404, "catalog.no-item", "'NOTHING'"),
    ("GET", "/v1/ledger/entries?limit=101", 400, "http.parameter", "'101'", "100"),
    ("GET", "/v1/ledger/entries/99999999", 404, "ledger.no-entry"),
    ("GET", "/v1/ledger/entries/x", 400, "http.parameter", "'x'"),
    ("GET", "/v1/ledger/entries/0?origin=650000", 404, "store.no-node", "650000"),
    ("GET", "/v1/cases?status=%ff", 400, "http.path", "UTF-8"),
    ("DELETE", "/v1/cases", 405, "http.method", "DELETE", "GET, HEAD, POST"),
    ("PUT", "/healthz", 405, "http.method", "PUT", "GET, HEAD"),
    ("GET", "/v1/ledger/verify", 405, "http.method", "POST"),
    ("BREW", "/v1/cases", 405, "http.method", "BREW"),
]


def test_paths_methods_parameters(world):
    for method, path, status, id, *words in READINGS:
        reply = world.a.request(method, path)
        try:
            assert_refused(reply, status, id, *words)
        except AssertionError as e:
            raise AssertionError(f"{method} {path}: {e}") from None
        assert ("Allow" in reply.headers) == (status == 405)
    purpose = world.a.get(f"/v1/cases/{world.arrived}/events/{A}/0/payload")
    assert_refused(purpose, 400, "http.purpose", "'purpose'")


def test_media_type_and_key(world):
    for type in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx"):
        assert_refused(world.a.post("/v1/cases", RAW, headers={"Content-Type": type}), 415, "http.media-type", type)
    assert_refused(world.a.post("/v1/cases", RAW), 415, "http.media-type")
    for key in ("x" * 129, "a b", ""):
        reply = world.a.post("/v1/cases", application(), headers={"Idempotency-Key": key})
        assert_refused(reply, 400, "http.idempotency-key", len(key))


# -- bytes


def raw(node, data, over="unix"):
    """Sends @data as they are; the Reply. Empty when the node only hung up."""
    if over == "unix":
        connection = UnixConnection(node.socket_path)
        connection.connect()
        sock = connection.sock
    else:
        sock = socket.create_connection(("127.0.0.1", node.http_port), 30)
    with sock:
        try:
            sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # answered and closed before it had read everything
        answer = http.client.HTTPResponse(sock)
        answer.begin()
        return Reply(answer.status, dict(answer.getheaders()), answer.read())


def request_text(*lines, body=b""):
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def test_oversized_body(world):
    big = b'{"form":"' + b"x" * (BODY_MAX + 1 - 11) + b'"}'
    assert len(big) == BODY_MAX + 1
    head = ("POST /v1/cases HTTP/1.1", "Host: localhost", "Content-Type: application/json")
    declared = raw(world.a, request_text(*head, f"Content-Length: {len(big)}", body=big))
    assert_refused(declared, 413, "http.body-size", BODY_MAX)
    chunks = b"".join(b"10000\r\n" + big[i : i + 65536] + b"\r\n" for i in range(0, BODY_MAX, 65536))
    chunks += b"1\r\n" + big[-1:] + b"\r\n0\r\n\r\n"
    chunked = raw(world.a, request_text(*head, "Transfer-Encoding: chunked", body=chunks))
    assert_refused(chunked, 413, "http.body-size", BODY_MAX)
    promised = raw(world.a, request_text(*head, f"Content-Length: {10**15}"))
    assert_refused(promised, 413, "http.body-size", BODY_MAX)
    exact = raw(world.a, request_text(*head, f"Content-Length: {BODY_MAX}", body=big[:-2] + b"}"))
    assert_refused(exact, 400, "json.syntax")


def test_framing(world):
    post = ("POST /v1/cases HTTP/1.1", "Host: localhost", "Content-Type: application/json")
    body = RAW.encode()
    both = request_text(*post, f"Content-Length: {len(body)}", "Transfer-Encoding: chunked",
                        body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    refused = raw(world.a, both)
    assert refused.status == 400 and b"Transfer-Encoding and Content-Length" in refused.body
    assert refused.headers["Connection"] == "close", "where the next request would begin is anybody's guess"
    for twice in ("Host: localhost", "Content-Type: application/json", "Idempotency-Key: x"):
        extra = () if twice.startswith(("Host", "Content-Type")) else (twice,)
        reply = raw(world.a, request_text(*post, *extra, twice, f"Content-Length: {len(body)}", body=body))
        assert_refused(reply, 400, "http.framing", "twice")
    lengths = raw(world.a, request_text(*post, f"Content-Length: {len(body)}", "Content-Length: 1", body=body))
    assert lengths.status == 400
    nul = raw(world.a, request_text("GET /v1/cases HTTP/1.1", "Host: localhost", "X-Thing: a\0b"))
    assert nul.status == 400
    assert_refused(raw(world.a, request_text("GET /v1/cases%00x HTTP/1.1", "Host: localhost")), 400, "http.nul", "NUL")
    long = raw(world.a, request_text("GET /v1/cases HTTP/1.1", "Host: localhost", "X-Long: " + "x" * 40000))
    assert long.status in (413, 431)
    room = raw(world.a, request_text("GET /v1/cases HTTP/1.1", "Host: localhost", "X-Long: " + "x" * 6000))
    assert room.status == 200, "what a browser or a gateway adds fits"
    many = raw(world.a, request_text("GET /v1/cases?" + "&".join(f"p{i}=1" for i in range(17)) + " HTTP/1.1",
                                     "Host: localhost"))
    assert_refused(many, 400, "http.parameter", "16")
    for garbage in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), b"\0" * 100, b"GET\r\n\r\n"):
        try:
            assert raw(world.a, garbage + b"\r\n\r\n").status >= 400
        except (http.client.HTTPException, ConnectionError):
            pass  # hung up: an answer too


def test_tcp_door(world):
    node = world.a
    good = f"Bearer {node.token}"
    host = f"127.0.0.1:{node.http_port}"

    def ask(path="/v1/status", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", node.http_port, timeout=90)
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        return http_request(connection, "GET", path, headers=headers)

    assert ask(Authorization=good).status == 200
    assert ask(Authorization=good, Host=f"localhost:{node.http_port}").status == 200
    assert ask("/healthz").status == 200, "open for a supervisor"
    assert_refused(ask(), 401, "http.token", "missing")
    for wrong in ("Bearer " + "0" * 64, good[:-1], good + "0", "Basic eDp5", "Bearer", f"Bearer  {node.token}"):
        reply = ask(Authorization=wrong)
        assert_refused(reply, 401, "http.token", "wrong")
        assert reply.headers["WWW-Authenticate"] == "Bearer"
    for foreign in ("evil.example", f"evil.example:{node.http_port}", "127.0.0.1:1", "127.0.0.1", f"{host}.evil.example"):
        assert_refused(ask(Authorization=good, Host=foreign), 403, "http.host", foreign)
        assert ask("/healthz", Host=foreign).status == 403
    assert_refused(ask(Authorization=good, Origin="http://evil.example"), 403, "http.origin", "http://evil.example")
    assert_refused(ask(Authorization=good, Origin="null"), 403, "http.origin", "null")
    assert node.token not in node.log_text()


def test_command_line_says_the_same(world):
    def fails(*arguments):
        done = world.cluster.cli(*arguments, env={"TONGBAN_DIR": str(world.a.dir)}, check=False)
        assert done.returncode != 0 and done.stdout == "", arguments
        return done.returncode, done.stderr

    status, said = fails("case", "submit", "--item", ORPHAN, "--name", "x", "--id", WRONG_DIGIT)
    assert status == 2 and "position 18" in said and "(identity.check-digit)" in said
    status, said = fails("case", "accept", world.arrived)
    assert status == 5 and "(case.node)" in said
    status, said = fails("case", "show", "ffffffff")
    assert status == 3 and "'ffffffff'" in said and "(case.unknown)" in said
    status, said = fails("case", "submot")
    assert status == 2 and "did you mean 'case submit'" in said
    status, said = fails("case", "list", "--limit", "x")
    assert status == 2 and "'x'" in said
    done = world.cluster.cli("status", "--dir", "/nowhere", check=False)
    assert done.returncode == 8 and "/nowhere/api.sock" in done.stderr


# ---- files at start --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder():
    """A complete node that was never started, and another federation's office."""
    with Cluster() as cluster, Cluster(name="other.example") as other:
        cluster.other = other
        cluster.a, cluster.b = add_provinces(cluster, A, B)
        cluster.catalogs = copy_catalogs(cluster.dir / "catalogs")
        cluster.publish()
        yield cluster


@pytest.fixture
def broken(folder, tmp_path_factory):
    """A copy of the node's folder to break."""
    dir = tmp_path_factory.mktemp("n")  # short: a socket's path has 107 bytes
    shutil.copytree(folder.a.dir, dir, dirs_exist_ok=True)
    return dir


def daemon(cluster, dir, *arguments, seconds=180):
    command = [str(cluster.program("tongband")), "--config", str(dir / "node.json"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds)


def assert_no_start(cluster, dir, status, id, *words, check=True):
    """tongband ends with @status and one line that has @id and @words, with --check and without; nothing is left of it."""
    for arguments in [("--check",), ()] if check else [()]:
        done = daemon(cluster, dir, *arguments)
        lines = [line for line in done.stderr.splitlines() if line.startswith("tongband: ")]
        assert done.returncode == status and len(lines) == 1 and f"({id})" in lines[0], done
        for word in words:
            assert str(word) in lines[0], f"'{word}' is not in: {lines[0]}"
        assert done.stdout == ""
        assert not any(text in done.stderr for text in ("Sanitizer", "runtime error", "assertion")), done.stderr
    assert not (dir / "api.sock").is_socket(), "it listened"


def set_config(**fields):
    return lambda dir, _: edit_json(dir / "node.json", lambda value: value.update(fields))


def write(name, text):
    return lambda dir, _: (dir / name).write_text(text)


def remove(name):
    return lambda dir, _: (dir / name).unlink()


def mode(name, bits):
    return lambda dir, _: (dir / name).chmod(bits)


def take(name, whose):
    """Puts another's file in the place of @name."""
    return lambda dir, cluster: [shutil.copy(whose(cluster) / n, dir / name) for n in [name]]


def of_b(cluster):
    return cluster.b.dir


def catalog(change):
    def put(dir, cluster):
        shutil.copy(cluster.catalogs / "guangdong.json", dir / "catalog.json")
        edit_json(dir / "catalog.json", change)
        set_config(catalog="catalog.json")(dir, cluster)

    return put


def both(*steps):
    return lambda dir, cluster: [step(dir, cluster) for step in steps]


# what is done to the folder, exit status, id, words that name the place and the value
FILES = {
    "config: not JSON": (write("node.json", '{"region": 440000,,}'), 2, "config.json", "node.json", "byte 18"),
    "config: a list": (write("node.json", "[]"), 2, "config.json", "node.json"),
    "config: empty": (write("node.json", ""), 2, "config.json", "node.json"),
    "config: unknown key": (set_config(colour="red"), 2, "config.key", "node.json", "'colour'"),
    "config: unknown key inside": (set_config(federation={"listen": "tls+tcp://127.0.0.1:1", "x": 1}), 2, "config.key",
                                   "'x'", "federation"),
    "config: a key twice": (write("node.json", '{"region":440000,"region":440000}'), 2, "config.value", "region", "twice"),
    "config: region": (set_config(region=99), 2, "config.value", "region", "510000"),
    "config: region is text": (set_config(region="440000"), 2, "config.value", "region"),
    "config: no member": (set_config(region=650000), 3, "node.no-member", "650000", "members.note"),
    "config: name is a number": (set_config(name=7), 2, "config.value", "name"),
    "config: log level": (set_config(log="loud"), 2, "config.value", "log"),
    "config: plain TCP": (set_config(federation={"listen": "tcp://127.0.0.1:1"}), 2, "config.value", "federation.listen"),
    "config: API for the world": (set_config(http="0.0.0.0:8080"), 2, "http.not-loopback", "'0.0.0.0'"),
    "config: API port": (set_config(http="127.0.0.1:99999"), 2, "config.http", "99999"),
    "config: missing data": (set_config(data="/nowhere"), 3, "file.open", "/nowhere/divisions.tsv"),
    "config: missing catalog": (set_config(catalog="nowhere.json"), 3, "file.open", "nowhere.json"),
    "token missing": (remove("api.token"), 3, "file.open", "api.token"),
    "token too short": (write("api.token", "secret\n"), 2, "http.token", "32"),
    "token open to all": (mode("api.token", 0o644), 5, "file.mode", "api.token", "read", "0644"),
    "keys.db open to all": (both(write("keys.db", ""), mode("keys.db", 0o604)), 5, "file.mode", "keys.db", "0604"),
    "the folder open to all": (mode(".", 0o707), 5, "file.mode", "change", "0707"),
    "tls.key garbage": (write("tls.key", "garbage\n"), 2, "keystore.not-a-key", "tls.key"),
    "tls.key open to all": (mode("tls.key", 0o644), 5, "keystore.mode", "tls.key", "0644"),
    "tls.key missing": (remove("tls.key"), 3, "keystore.open", "tls.key"),
    "tls.key of another": (take("tls.key", of_b), 7, "trust.key-mismatch", "tls.key", "tls.crt"),
    "certificate of another": (both(take("tls.key", of_b), take("tls.crt", of_b)), 7, "node.certificate", "tls.crt", B, A),
    "tls.crt missing": (remove("tls.crt"), 3, "file.open", "tls.crt"),
    "tls.crt garbage": (write("tls.crt", "garbage\n"), 2, "pki.no-certificate", "tls.crt"),
    "ledger.key garbage": (write("ledger.key", "garbage\n"), 2, "keystore.not-a-key", "ledger.key"),
    "ledger.key is no Ed25519": (lambda dir, _: shutil.copy(dir / "tls.key", dir / "ledger.key"), 2, "keystore.key-type",
                                 "ledger.key", "EC"),
    "ledger.key open to all": (mode("ledger.key", 0o604), 5, "keystore.mode", "ledger.key", "0604"),
    "ledger.key missing": (remove("ledger.key"), 3, "keystore.open", "ledger.key"),
    "ledger.key of another": (take("ledger.key", of_b), 7, "node.ledger-key", "ledger.key", A),
    "ca.crt of another": (lambda dir, c: shutil.copy(c.other.ca_dir / "ca.pem", dir / "ca.crt"), 7,
                          "trust.other-federation", "ca.crt", "other.example", "tongban.example"),
    "ca.crt of five offices": (lambda dir, _: (dir / "ca.crt").write_bytes(5 * (dir / "ca.crt").read_bytes()), 2, "trust.ca-count", "ca.crt", "4"),
    "crl.pem missing": (remove("crl.pem"), 3, "file.open", "crl.pem"),
    "federation.pub of another": (lambda dir, c: shutil.copy(c.other.ca_dir / "federation.pub", dir / "federation.pub"), 7,
                                  "note.no-known-signature", "members.note"),
    "federation.pub empty": (write("federation.pub", ""), 2, "node.empty-file", "federation.pub"),
    "federation.pub garbage": (write("federation.pub", "garbage\n"), 2, "note.vkey"),
    "members.note missing": (remove("members.note"), 3, "file.open", "members.note"),
    "catalog: unknown field": (catalog(lambda c: c["items"][1].update(colour="red")), 2, "catalog.field-unknown",
                               "catalog.json: items[1]", "'colour'"),
    "catalog: of another node": (catalog(lambda c: c.update(node=330000)), 2, "catalog.node", "330000", A),
    "catalog: a code twice": (catalog(lambda c: c["items"].append(c["items"][0])), 2, "catalog.item-duplicate",
                              "items[4].code", "items[0]", "KSTB0001"),
    "catalog: wrong type": (catalog(lambda c: c["items"][0].update(version="1")), 2, "catalog.field-type",
                            "items[0].version", "'1'"),
    "catalog: wrong format": (catalog(lambda c: c.update(format="tongban-catalog/9")), 2, "catalog.format",
                              "'tongban-catalog/9'"),
    "catalog: wrong code": (catalog(lambda c: c["items"][0].update(code="9" * 31)), 2, "catalog.item-code",
                            "items[0].code", "9" * 31),
    "catalog: cut off": (both(catalog(lambda c: None), write("catalog.json", '{"format":')), 2, "catalog.json",
                         "catalog.json: line 1, column"),
}


@pytest.mark.parametrize("what", FILES)
def test_file_at_start(folder, broken, what):
    breaking, status, id, *words = FILES[what]
    breaking(broken, folder)
    assert_no_start(folder, broken, status, id, *words)
    assert not (broken / "ledger.db").exists(), "a node that cannot start makes no ledger"


def test_the_folder_itself_is_in_order(folder, broken):
    """Or the tests above would show nothing."""
    done = daemon(folder, broken, "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")


def test_tampered_member_list(folder, broken):
    path = broken / "members.note"
    good = path.read_bytes()
    places = sorted({*range(0, len(good), 23), len(good) - 1, good.index(b"\n\n"), good.index("— ".encode())})
    for place in places:
        bad = bytearray(good)
        bad[place] ^= 1
        path.write_bytes(bytes(bad))
        done = daemon(folder, broken, "--check")
        assert done.returncode in (2, 7, 15) and "members.note" in done.stderr, f"byte {place} of {len(good)}: {done}"
    for cut in (0, 1, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:cut])
        done = daemon(folder, broken, "--check")
        assert done.returncode in (2, 7) and "members.note" in done.stderr, f"cut at {cut}: {done}"


def test_ports_and_sockets_in_use(folder, broken):
    config = json.loads((broken / "node.json").read_text())
    http_port = int(config["http"].rsplit(":", 1)[1])
    federation_port = int(config["federation"]["listen"].rsplit(":", 1)[1])
    for port, id in ((http_port, "http.port-in-use"), (federation_port, "link.nng")):
        with socket.create_server(("127.0.0.1", port)):
            assert_no_start(folder, broken, 4 if port == http_port else 6, id, port, check=False)
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(str(broken / "api.sock"))
        live.listen()
        done = daemon(folder, broken)
        assert done.returncode == 4 and "(http.socket-in-use)" in done.stderr and "api.sock" in done.stderr, done
        assert (broken / "api.sock").is_socket(), "it is the other's"
    (broken / "api.sock").unlink()
    (broken / "api.sock").write_text("somebody's file")
    done = daemon(folder, broken)
    assert done.returncode == 4 and "(http.socket)" in done.stderr, done
    assert (broken / "api.sock").read_text() == "somebody's file"


def test_a_socket_that_a_crash_left_is_no_obstacle(cluster):
    (a,) = add_provinces(cluster, A)
    cluster.start()
    a.kill()
    assert a.socket_path.is_socket()
    a.start()


def test_another_daemon_on_the_same_folder(cluster):
    (a,) = add_provinces(cluster, A)
    cluster.start()
    edit_json(a.dir / "node.json", lambda c: c.update(http=f"127.0.0.1:{free_port()}"))
    done = daemon(cluster, a.dir)
    assert done.returncode == 8 and "(store.locked)" in done.stderr and str(a.pid) in done.stderr, done
    done = daemon(cluster, a.dir, "--verify")
    assert done.returncode == 8 and "(store.locked)" in done.stderr, done
    assert_whole(a)


# ---- old and foreign databases ---------------------------------------------------------------------------------------


def snapshot(node, to):
    """The ledger as it is now, whole: the node is stopped, so everything is in the one file."""
    shutil.copy(node.dir / "ledger.db", to)
    assert not (node.dir / "ledger.db-wal").exists()


def test_database_of_another_node(cluster):
    a, b = start_provinces(cluster, A, B)
    a.stop()
    b.stop()
    for name in ("ledger.db", "heads.db"):
        good = (a.dir / name).read_bytes()
        shutil.copy(b.dir / name, a.dir / name)
        done = daemon(cluster, a.dir)
        assert done.returncode == 4 and "(store.other-node)" in done.stderr and name in done.stderr and B in done.stderr, done
        for other, garbage_id in ((b"not a database at all" * 500, "store.corrupt"), (good[:8192], None)):
            (a.dir / name).write_bytes(other)
            done = daemon(cluster, a.dir)
            assert done.returncode == 7 and name in done.stderr, done
            assert garbage_id is None or f"({garbage_id})" in done.stderr, done
        (a.dir / name).write_bytes(good)
    newer = sqlite3.connect(a.dir / "ledger.db")
    newer.execute("PRAGMA user_version=99")
    newer.close()
    done = daemon(cluster, a.dir)
    assert done.returncode == 2 and "(store.newer-schema)" in done.stderr and "99" in done.stderr, done


# ---- peers -----------------------------------------------------------------------------------------------------------


def state_of(node, peer):
    return next(p["state"] for p in node.get("/v1/peers").json()["peers"] if p["code"] == int(peer.region))


def test_expired_certificate(cluster):
    """The CA's own certificate for B, signed again with an end that has passed."""
    a, b, c = add_provinces(cluster, A, B, C)
    cluster.publish()
    now = datetime.datetime.now(datetime.timezone.utc)
    when = [(now - datetime.timedelta(days=days)).strftime("%Y%m%d%H%M%SZ") for days in (9, 2)]
    new = cluster.dir / "expired.crt"
    command = ["openssl", "x509", "-in", b.dir / "tls.crt", "-CA", cluster.ca_dir / "ca.pem", "-CAkey",
               cluster.ca_dir / "ca.key", "-not_before", when[0], "-not_after", when[1], "-out", new]
    subprocess.run(command, check=True, capture_output=True)
    shutil.copy(new, b.dir / "tls.crt")
    for node in (a, b, c):
        node.start()
    day = (now - datetime.timedelta(days=2)).strftime("%Y-%m-%d")
    for node in (a, c):
        line = node.wait_log("peer.refused")[0]
        assert "expired" in line.text and day in line.text, line
        assert state_of(node, b) != "connected"
    wait_for(lambda: state_of(a, c) == state_of(c, a) == "connected", what="the other two")
    cluster.cli("ca", "issue", "--dir", cluster.ca_dir, "--node", b.dir)
    cluster.publish()
    b.reload()
    wait_for(lambda: state_of(a, b) == state_of(c, b) == "connected", what="B with its new certificate")


def test_revoked_peer(cluster):
    a, b, c = start_provinces(cluster, A, B, C)
    case = submit(a)
    wait_status(case, "arrived", a, b)
    cluster.cli("ca", "revoke", "--dir", cluster.ca_dir, "--code", B, "--reason", "key-compromise")
    cluster.publish()
    for node in (a, c):
        node.reload()
    wait_for(lambda: state_of(a, b) != "connected" and state_of(c, b) != "connected", what="the connections to B to end")
    assert state_of(a, c) == state_of(c, a) == "connected"
    for node, other in ((a, c), (c, a)):
        assert [x.subject for x in node.log_lines("peer.connected")].count(other.region) == 1, "the others stayed connected all the time"
        assert any("revoked" in line.text for line in node.wait_log("peer.refused") + node.log_lines("peer.lost"))
    act(b, case, "accept").ok()
    new = submit(a, serial=3)
    other = c.get(f"/v1/catalog?node={C}&limit=1").json()["items"][0]["code"]
    sent = submit(a, other, serial=4, division="330106", mode=None)
    wait_status(sent, "arrived", a, c)
    assert view(a, new)["status"] == "forwarded" and view(a, case)["status"] == "arrived", "nothing comes from B any more"
    cluster.cli("ca", "issue", "--dir", cluster.ca_dir, "--node", b.dir)
    cluster.publish()
    for node in (a, b, c):
        node.reload()
    wait_status(case, "accepted", a, b)
    wait_status(new, "arrived", a, b)
    assert_whole(a, b, c)


def test_bad_files_at_reload_change_nothing(cluster):
    a, b = start_provinces(cluster, A, B)
    good = {name: (a.dir / name).read_bytes() for name in ("tls.crt", "tls.key", "crl.pem", "members.note")}
    of_b = (b.dir / "tls.crt").read_bytes()
    for name, bad in [*((name, b"garbage\n") for name in good), ("tls.crt", of_b)]:
        (a.dir / name).write_bytes(bad)
        count = len(a.log_lines(level="error"))
        a.reload()
        line = wait_for(lambda: a.log_lines(level="error")[count:], what=f"a word about {name}")[0]
        a.expect_error(line.id)
        assert name in line.text, line
        (a.dir / name).write_bytes(good[name])
    wait_status(submit(a), "arrived", a, b)
    assert len(a.log_lines("peer.connected")) == 1, "the connection lived on"
