"""A case from the window to the receipt, through real programs: the usual way and every other end of it, the line cut in
each of the ways, restarts, changed catalogs, repeated requests.

Letters as in node/cases: A takes the application in (Guangdong), B decides it (Sichuan), C has no part in it (Zhejiang).
"""
import json
import threading
import time

import pytest

from cluster import wait_for
from provinces import (
    ORPHAN_MATERIALS,
    ORPHAN, act, add_provinces, application, assert_same_history, assert_table, assert_whole, bring_to, citizen_number, columns,
    copy_catalogs, edit_json, entries_from, hashes_of, ledger_size, start_provinces, submit, view, wait_met, wait_status, write_json, written_since,
)

A, B, C = "440000", "510000", "330000"


def effects(node, case):
    """[(author, type, effect)] in the order in which the case is folded."""
    return [(str(e["origin"]), e["type"], e["effect"]) for e in view(node, case)["events"]]


# ---- the usual way ---------------------------------------------------------------------------------------------------


def test_from_window_to_delivery(cluster):
    a, b, c = start_provinces(cluster, A, B, C)
    accepted = a.post("/v1/cases", application(materials=ORPHAN_MATERIALS))
    assert accepted.status == 201
    result = accepted.json()
    case = result["case"]
    assert accepted.headers["Location"] == f"/v1/cases/{case}"
    assert (result["origin"], result["count"], result["replayed"], result["warnings"]) == (int(A), 4, False, [])

    wait_status(case, "arrived", a, b)
    number = view(a, case)["number"]
    assert number.startswith(ORPHAN) and number.endswith("0001") and len(number) == 43, "item, day, serial of the day"
    steps = [
        (b, "accepted", {"type": "accept"}),
        (b, "processing", {"type": "process"}),
        (b, "granted", {"type": "decide", "decision": "grant", "reason": "材料齐全"}),
        (b, "closed_granted", {"type": "close"}),
        (a, "delivered", {"type": "deliver", "channel": "window"}),
        (a, "delivered", {"type": "evaluate", "grade": 5}),
        (b, "archived", {"type": "archive"}),
    ]
    for node, status, event in steps:
        act(node, case, **event).ok()
        wait_status(case, status, a, b)

    expected = [(A, t, "ok") for t in ("submit", "identity_check", "form_check", "forward")]
    expected += [(B, t, "ok") for t in ("receipt", "accept", "process", "decide", "close")]
    expected += [(A, "deliver", "ok"), (B, "ack", "noop"), (A, "evaluate", "ok"), (B, "archive", "ok")]
    assert effects(a, case) == effects(b, case) == expected
    whole_a, whole_b = view(a, case), view(b, case)
    assert [e["id"] for e in whole_a["events"]] == [e["id"] for e in whole_b["events"]]
    for field in ("digest", "status", "level", "number", "receiving", "lead", "division", "item_name", "updated_ms"):
        assert whole_a[field] == whole_b[field], field
    assert whole_a["status_chinese"] == "归档" and whole_a["level"] == "sequenced"
    assert whole_a["events"][7]["payload"] == {"reason": "材料齐全"}, "the decider's words reach the window"
    assert b.get(f"/v1/cases/{number}").ok().json()["case"] == case, "found by its number (办件编码)"
    assert a.get(f"/v1/cases/{case[:24]}").ok().json()["case"] == case, "found by a prefix"
    assert c.get(f"/v1/cases/{case}").status == 404
    assert_whole(a, b, c)


def test_a_node_decides_what_its_own_window_takes_in(cluster):
    b, c = start_provinces(cluster, B, C)
    case = submit(b)
    wait_status(case, "arrived", b)
    for event in ({"type": "accept"}, {"type": "decide", "decision": "grant"}, {"type": "close"},
                  {"type": "deliver", "channel": "window"}):
        act(b, case, **event).ok()
    assert view(b, case)["status"] == "delivered"
    assert {e["origin"] for e in view(b, case)["events"]} == {int(B)}
    assert c.get(f"/v1/cases/{case}").status == 404


# Who writes what, and what both sides show then. Everything begins with an application that has arrived at B.
WAYS = {
    "refused (不予受理), the notice is delivered": [
        (B, {"type": "refuse", "reason_code": "not-our-power", "reason": "不属于本机关职权"}, "refused"),
        (A, {"type": "deliver", "channel": "post"}, "delivered"),
    ],
    "not required (不受理)": [(B, {"type": "not_required", "reason_code": "no-licence-needed", "reason": "依法不需要许可"}, "not_required")],
    "correction (补正)": [
        (B, {"type": "correct", "reason_code": "guardian-proof", "reason": "缺监护关系证明"}, "correcting"),
        (A, {"type": "supplement", "payload": {"materials": [{"code": "M1"}]}}, "corrected"),
        (B, {"type": "accept"}, "accepted"),
        (B, {"type": "decide", "decision": "grant"}, "granted"),
    ],
    "denied (不予)": [
        (B, {"type": "accept"}, "accepted"),
        (B, {"type": "process"}, "processing"),
        (B, {"type": "decide", "decision": "deny", "reason_code": "not-orphan", "reason": "不符合孤儿认定条件"}, "denied"),
        (B, {"type": "close"}, "closed_denied"),
        (A, {"type": "deliver", "channel": "electronic"}, "delivered"),
    ],
    "special procedure (特别程序)": [
        (B, {"type": "accept"}, "accepted"),
        (B, {"type": "pause", "pause_kind": 1, "expected_days": 10}, "paused"),
        (B, {"type": "resume"}, "resumed"),
        (B, {"type": "decide", "decision": "grant"}, "granted"),
    ],
    "withdrawn before the decision (撤回)": [
        (B, {"type": "accept"}, "accepted"),
        (A, {"type": "withdraw", "reason": "申请人放弃"}, "withdrawn"),
    ],
    "revoked after delivery (撤销)": [
        (B, {"type": "accept"}, "accepted"),
        (B, {"type": "decide", "decision": "grant"}, "granted"),
        (B, {"type": "close"}, "closed_granted"),
        (A, {"type": "deliver", "channel": "window"}, "delivered"),
        (B, {"type": "revoke", "reason_code": "obtained-by-deceit", "reason": "以欺骗手段取得"}, "revoked"),
    ],
}


def test_every_other_way(cluster):
    a, b = start_provinces(cluster, A, B)
    nodes = {A: a, B: b}
    for serial, (way, steps) in enumerate(WAYS.items(), start=2):
        case = submit(a, serial=serial)
        wait_status(case, "arrived", a, b)
        for author, event, status in steps:
            act(nodes[author], case, **event).ok()
            assert wait_status(case, status, a, b)["status"] == status, way
    assert_whole(a, b)


def test_taken_in_now_forwarded_or_returned_later(cluster):
    a, b = start_provinces(cluster, A, B)
    later, returned = submit(a, serial=2, forward=False), submit(a, serial=3, forward=False)
    assert view(a, later)["status"] == view(a, returned)["status"] == "received"
    act(a, returned, "return", reason_code="form-incomplete").ok()
    act(a, later, "forward").ok()
    wait_status(later, "arrived", a, b)
    wait_status(returned, "returned", a, b)


# ---- the command line ------------------------------------------------------------------------------------------------


class Shell:
    """`tongban` for one node: text() for people, or the parsed answer of --json."""

    def __init__(self, node):
        self.node = node

    def run(self, *arguments, **options):
        return self.node.cluster.cli(*arguments, env={"TONGBAN_DIR": str(self.node.dir)}, **options)

    def text(self, *arguments, **options):
        return self.run(*arguments, **options).stdout

    def json(self, *arguments, **options):
        return self.node.cli(*arguments, **options)


def assert_pairs(text, *names):
    """@text holds lines "name: value" with these names, in this order, values in one column; returns them."""
    lines = [line for line in text.splitlines() if ": " in line][: len(names)]
    pairs = [line.split(":", 1) for line in lines]
    assert [name for name, _ in pairs] == list(names), text
    starts = {len(columns(line)) - len(columns(value.lstrip())) for line, (_, value) in zip(lines, pairs)}
    assert len(starts) == 1, f"values do not begin in one column:\n{text}"
    return {name: value.strip() for name, value in pairs}


@pytest.mark.usefixtures("one_day")
def test_every_command_for_looking(cluster):
    a, b, c = start_provinces(cluster, A, B, C)
    case = submit(a)
    number = wait_status(case, "arrived", a, b)["number"]
    shell = Shell(a)
    another = submit(a, serial=3)
    wait_status(another, "arrived", a, b)

    status = assert_pairs(shell.text("status"), "node", "federation", "ledger", "entries", "cosigned", "cases", "items", "peers",
                          "writer", "alarms", "erasures open", "certificate until", "started", "version")
    assert status["node"] == "440000 广东省" and status["peers"] == "2 of 2 connected" and status["cases"] == "2"
    assert shell.json("status")["name"] == "广东省"

    peers = assert_table(shell.text("peer", "list"), "CODE", "NAME", "STATE", "SINCE", "HELD", "ACKED", "BACKLOG",
                         "ITEMS", "REASON")
    assert [row[:3] for row in peers] == [[C, "浙江省", "connected"], [B, "四川省", "connected"]]
    assert {p["name"] for p in shell.json("peer", "list")["peers"]} == {"四川省", "浙江省"}

    rows = assert_table(shell.text("catalog", "list", "--node", B), "NODE", "CODE", "NAME", "VERSION", "OF")
    assert len(rows) == 88 and [B, ORPHAN, "孤儿认定申请受理", "1", "四川省"] in rows
    first = shell.json("catalog", "list", "--limit", "3")
    second = shell.json("catalog", "list", "--limit", "3", "--after", first["next"])
    assert len({i["code"] for page in (first, second) for i in page["items"]}) == 6
    found = assert_table(shell.text("catalog", "search", "孤儿认定"), "NODE", "CODE", "NAME", "MATCH", "OF")
    assert {row[0] for row in found} == {A, B, C}
    assert shell.json("catalog", "search", "没有这样的事项")["items"] == []
    assert assert_pairs(shell.text("catalog", "show", ORPHAN), "item", "name", "of", "version",
                        "withdrawn")["of"] == "510000 四川省"
    assert shell.json("catalog", "show", ORPHAN, "--node", B)["item"]["code"] == ORPHAN

    cases = assert_table(shell.text("case", "list"), "CASE", "NUMBER", "STATE", "ITEM", "FROM", "BY", "DUE", "UPDATED")
    assert len(cases) == 2 and case.startswith(cases[1][0]), "the newest first"
    for id, row in ((case, cases[1]), (another, cases[0])):
        assert shell.json("case", "show", row[0])["case"] == id, "what the table shows is enough to find it again"
    assert cases[1][1:6] == [number, "arrived 签收", "孤儿认定申请受理", A, B]
    assert [x["case"] for x in shell.json("case", "list", "--role", "receiving", "--item", ORPHAN)["cases"]] == [another, case]
    assert shell.json("case", "list", "--role", "deciding")["cases"] == []
    assert shell.text("case", "list", "--status", "accepted") == "no cases\n"

    shown = shell.text("case", "show", case)
    pairs = assert_pairs(shown, "case", "number", "item", "state", "received by", "decided by", "division", "flags", "due",
                         "created", "updated", "digest")
    assert pairs["state"].startswith("arrived 签收") and pairs["digest"] == view(a, case)["digest"]
    assert pairs["flags"] == "identity_checked, form_checked"
    _, deadlines, custody, events = shown.split("\n\n")
    deadlines = assert_table(deadlines, "DEADLINE", "DAYS", "FROM", "DUE", "COLOUR", "LEFT", "MET", "SOURCE")
    due = {d["kind"]: d for d in view(a, case)["deadlines"]}
    assert [row[0] for row in deadlines] == ["forward 转出", "first_review 下级审查", "decide 决定", "accept 受理"]
    assert deadlines[0][5:7] == ["-", due["forward"]["met"]]
    assert deadlines[3][1:6] == ["5 working", due["accept"]["from"], due["accept"]["due"], "green", "5"]
    assert deadlines[3][6:] == ["-", due["accept"]["source"]]
    custody = assert_table(custody, "HOLDER", "SINCE", "BY")
    assert [(row[0], row[2]) for row in custody] == [(A, "submit 收件"), (B, "receipt 签收")]
    events = assert_table(events, "WRITTEN", "BY", "ENTRY", "EVENT", "EFFECT", "FINAL", "EXPLANATION")
    assert [row[3] for row in events] == ["submit 收件", "identity_check 身份核验", "form_check 形式审查", "forward 转出",
                                          "receipt 签收"]
    assert shell.json("case", "show", number)["case"] == case

    index = view(a, case)["events"][0]["index"]
    payload = json.loads(shell.text("case", "payload", case, A, str(index), "--purpose", "核对材料"))
    assert payload["applicant"]["name"] == "李小满"
    assert "核对材料" in a.wait_log("case.payload-read")[0].text
    assert "李小满" not in shown and citizen_number() not in shown, "names and numbers are masked elsewhere"

    assert (len(written_since(a)), len(written_since(b))) == (96, 90)
    before = None
    while before != (now := [len(entries_from(node)) for node in (a, b)]):  # once more when a heads entry came meanwhile
        before = now
        failed = None
        try:
            look_at_ledger(shell, written_since(a)[88]["index"], *before)
        except AssertionError as e:
            failed = e
    assert failed is None, failed
    assert shell.text("version").startswith("tongban ") and "case submit" in shell.text("help")


def look_at_ledger(shell, submitted, size, other_size):
    ledger = assert_pairs(shell.text("ledger", "show"), "ledger", "entries", "root")
    assert int(ledger["entries"]) == shell.json("ledger", "show")["size"] == size
    entries = assert_table(shell.text("ledger", "entries", "--from", submitted, "--limit", "5"), "ORIGIN", "INDEX", "WRITTEN", "KIND", "TYPE",
                           "CASE", "PAYLOAD", "HASH")
    assert len(entries) == 5
    assert [row[4] for row in entries if row[3] != "heads"][:4] == ["submit", "identity_check", "form_check", "forward"]
    assert len(shell.json("ledger", "entries", "--origin", B, "--limit", "5")["entries"]) == 5
    note = shell.text("ledger", "checkpoint", "--origin", A)
    assert note.splitlines()[0] == "440000.tongban.example/log/1" and note.splitlines()[1] == str(size)
    assert shell.json("ledger", "checkpoint", "--origin", B)["checkpoint"].startswith(f"510000.tongban.example/log/1\n{other_size}\n")
    wait_for(lambda: int(shell.text("ledger", "checkpoint").splitlines()[1]) >= size, what="the others to cosign")
    assert assert_pairs(shell.text("ledger", "verify"), "result", "own entries", "entries of others", "cases", "payloads",
                        "root", "took")["root"] == ledger["root"]
    assert shell.json("ledger", "verify")["result"] == "ok"


def test_every_command_for_acting(cluster, tmp_path):
    a, b = start_provinces(cluster, A, B)
    at_a, at_b = Shell(a), Shell(b)
    material = tmp_path / "证明.pdf"
    material.write_bytes(b"%PDF-1.7 synthetic")
    submitting = ("case", "submit", "--item", ORPHAN, "--name", "李小满", "--mode", "collect", "--form", "guardian_relation=祖母")

    text = at_a.text(*submitting, "--id", citizen_number(2), "--material", f"M1={material}", "--wait-peers")
    pairs = assert_pairs(text, "case", "written", "entries", "at all peers")
    case = pairs["case"]
    assert pairs["at all peers"] == "yes" and view(b, case)["case"] == case, "B had it before A's clerk heard so"
    submitted = view(a, case)["events"][0]["index"]
    held = at_a.json("case", "payload", case, A, submitted, "--purpose", "test")["payload"]["materials"][0]
    assert (held["code"], held["name"], held["size"]) == ("M1", "证明.pdf", len(material.read_bytes()))
    wait_status(case, "arrived", a, b)

    shells = {"a": (at_a, a), "b": (at_b, b)}
    for side, status, *arguments in [
        ("b", "correcting", "correct", "--reason-code", "guardian-proof", "--reason", "缺监护关系证明"),
        ("a", "correcting", "note", "--note", "已电话联系"),
        ("a", "correcting", "post-materials", "--carrier", "EMS", "--tracking", "EA123456789CN"),
        ("b", "accepted", "accept"),
        ("b", "processing", "process"),
        ("b", "granted", "decide", "--grant", "--keep-open", "--reason", "材料齐全"),
        ("b", "closed_granted", "close"),
        ("b", "closed_granted", "post-result", "--carrier", "顺丰"),
        ("a", "delivered", "deliver", "--channel", "window"),
    ]:
        shell, node = shells[side]
        before = ledger_size(node)
        made = shell.json("case", arguments[0], case, *arguments[1:])
        assert made["first_index"] == written_since(node, before)[0]["index"]
        wait_status(case, status, a, b)
    act(a, case, "evaluate", grade=2).ok()
    wait_for(lambda: view(b, case)["grades"]["receiving"] == 2, what="the mark at the other side")
    shown = at_b.text("case", "show", case)
    assert "\ngrades:      receiving 2, deciding - (好差评, of 5)\n" in shown
    assert ("follow_up_receiving 差评整改", "15 working") in {
        tuple(row[:2]) for row in assert_table(shown.split("\n\n")[1], "DEADLINE", "DAYS", "FROM", "DUE", "COLOUR", "LEFT", "MET", "SOURCE")}

    # decide without --keep-open closes too; deny; refuse; withdraw; receipt; event from JSON
    denied, refused, withdrawn = (
        at_a.json(*submitting, "--id", citizen_number(serial))["case"] for serial in (3, 4, 5))
    bring_to(denied, a, b, "accepted")
    at_b.json("case", "decide", denied, "--deny", "--reason-code", "not-orphan", "--reason", "不符合孤儿认定条件")
    wait_status(denied, "closed_denied", a, b)
    wait_status(refused, "arrived", a, b)
    at_b.json("case", "refuse", refused, "--reason-code", "not-our-power", "--reason", "不属于本机关职权")
    wait_status(refused, "refused", a, b)
    at_a.json("case", "withdraw", withdrawn, "--reason", "申请人放弃")
    wait_status(withdrawn, "withdrawn", a, b)
    assert [view(node, withdrawn)["status_number"] for node in (a, b)] == [2, 2], "撤件: nobody had accepted it"
    again = at_b.run("case", "receipt", refused, check=False)
    assert again.returncode == 4 and "case.status" in again.stderr, "it was signed for already, by the node itself"
    at_a.json("case", "event", denied, "--json-file", "-", input='{"type":"object","reason":"不服"}')
    assert effects(a, denied)[-1] == (A, "object", "ok")

    file = tmp_path / "application.json"
    write_json(file, application(serial=6))
    from_file = at_a.json("case", "submit", "--json-file", file)["case"]
    wait_status(from_file, "arrived", a, b)
    assert_whole(a, b)


def test_watch_prints_each_change_until_the_end(cluster):
    a, b = start_provinces(cluster, A, B)
    case = submit(a)
    wait_status(case, "arrived", a, b)
    output = []
    watching = threading.Thread(target=lambda: output.append(Shell(a).text("case", "watch", case)))
    watching.start()
    for event, status in (("accept", "accepted"), ("process", "processing")):
        act(b, case, event).ok()
        wait_status(case, status, a, b)
    assert watching.is_alive()
    act(b, case, "decide", decision="grant").ok()
    act(b, case, "close").ok()
    watching.join(120)
    assert not watching.is_alive(), "closed: nothing is left to wait for"
    lines = output[0].splitlines()
    assert "closed_granted 办结(通过)" in lines[-1]
    assert len({line.split("  ", 1)[1] for line in lines}) == len(lines), "no state stands twice"


# ---- withdrawal and decision -----------------------------------------------------------------------------------------


def cut_off_case(cluster, reached="processing"):
    a, b = start_provinces(cluster, A, B)
    case = submit(a)
    bring_to(case, a, b, reached)
    cluster.cut(a, b)
    return a, b, case


def wait_same(a, b, case):
    wait_for(lambda: view(a, case)["digest"] == view(b, case)["digest"], what="one digest")
    return view(a, case)


def explanation(node, case, type):
    return next(e for e in view(node, case)["events"] if e["type"] == type)


def test_withdrawal_and_decision_cross(cluster):
    a, b, case = cut_off_case(cluster)
    act(a, case, "withdraw", reason="申请人放弃").ok()
    act(b, case, "decide", decision="grant").ok()
    assert (view(a, case)["status"], view(b, case)["status"]) == ("withdrawn", "granted")
    assert view(a, case)["level"] == "tentative", "what B says to it is not known yet"
    cluster.heal()
    agreed = wait_same(a, b, case)
    assert agreed["status"] == "withdrawn" and agreed["level"] == "sequenced", "B has seen it (确认): final"
    assert agreed["status_number"] == 14, "撤回: it was accepted before"
    for node in (a, b):
        withdrawal = explanation(node, case, "withdraw")
        assert withdrawal["effect"] == "ok" and "makes the decision of 510000 void" in withdrawal["explanation"]
        assert explanation(node, case, "decide")["effect"] == "ok", "it was lawful when it was written"
    refused = act(b, case, "close")
    assert refused.status == 409 and "withdrawn (撤回)" in refused.json()["message"]
    assert effects(a, case) == effects(b, case) and effects(a, case)[-1] == (B, "ack", "noop")
    assert_whole(a, b)


def test_withdrawal_and_delivery_cross(cluster):
    a, b, case = cut_off_case(cluster)
    act(a, case, "withdraw").ok()
    act(b, case, "decide", decision="grant").ok()
    act(b, case, "close").ok()
    act(b, case, "deliver", channel="electronic").ok()
    cluster.heal()
    assert wait_same(a, b, case)["status"] == "delivered", "the applicant had the result: it stands"
    for node in (a, b):
        withdrawal = explanation(node, case, "withdraw")
        assert withdrawal["effect"] == "late" and "crossed the delivery (送达)" in withdrawal["explanation"]


def test_withdrawal_of_a_known_decision_is_too_late(cluster):
    a, b = start_provinces(cluster, A, B)
    case = submit(a)
    bring_to(case, a, b, "granted")
    refused = act(a, case, "withdraw")
    assert refused.status == 409 and "had seen the decision" in refused.json()["message"]
    assert view(a, case)["status"] == "granted"


def test_decision_on_a_known_withdrawal_is_refused(cluster):
    a, b = start_provinces(cluster, A, B)
    case = submit(a)
    bring_to(case, a, b, "processing")
    act(a, case, "withdraw").ok()
    wait_status(case, "withdrawn", a, b)
    before = ledger_size(b)
    refused = act(b, case, "decide", decision="grant")
    assert refused.status == 409 and "decide (决定)" in refused.json()["message"]
    assert not written_since(b, before)


# ---- need to know ----------------------------------------------------------------------------------------------------


def test_outsider_holds_nothing(cluster):
    a, b, c = start_provinces(cluster, A, B, C)
    case = submit(a, form={"secret": "窗帘后的猫"})
    bring_to(case, a, b, "closed_granted")
    act(a, case, "deliver", channel="window", note="窗口已当面交付").ok()
    final = wait_status(case, "delivered", a, b)
    for node in (a, b):  # C has seen all that it will ever see
        size = ledger_size(node)
        public = next(p for p in c.get("/v1/peers").json()["peers"] if p["code"] == int(node.region))
        assert public["held_size"] <= size

    for path in (f"/v1/cases/{case}", f"/v1/cases/{case}/events", f"/v1/cases/{final['number']}"):
        assert c.get(path).status == 404
    first = final["events"][0]
    assert c.get(f"/v1/ledger/entries/{first['index']}?origin={A}").status == 404
    assert c.get(f"/v1/cases/{case}/events/{A}/{first['index']}/payload?purpose=x").status == 404
    assert c.get("/v1/cases").json()["cases"] == []
    secrets = {
        "name": "李小满", "number": citizen_number(), "form": "窗帘后的猫", "note": "窗口已当面交付",
        "case number": final["number"], "case id in text": case,
    }
    needles = {what: text.encode() for what, text in secrets.items()}
    needles["case id"] = bytes.fromhex(case)
    needles["leaf hash"] = bytes.fromhex(first["id"])
    held = {node: b"".join(p.read_bytes() for p in node.dir.glob("*.db*")) + node.log_text().encode() for node in (a, b, c)}
    for what, needle in needles.items():
        assert needle not in held[c], f"{what} is in the databases or the log of C"
    for what in ("case number", "case id", "leaf hash"):
        assert needles[what] in held[a] and needles[what] in held[b], f"the search cannot find the {what} at all"
    for what in ("name", "number", "form", "note"):  # sealed, also where the content can be read
        assert needles[what] not in held[a] + held[b], f"{what} stands in the open at a participant"
    for node in (a, b):
        assert citizen_number() not in node.log_text() and "李小满" not in node.log_text()


# ---- the line --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["stall", "drop", "reset"])
def test_line_cut(cluster, how):
    """Both ways, then each way alone: nobody stops meanwhile, and afterwards both have the same."""
    a, b = start_provinces(cluster, A, B)
    case = submit(a)
    bring_to(case, a, b, "processing")
    ways = {
        "both": lambda: cluster.cut(a, b, how),
        "B cannot dial A": lambda: a.line.cut(how, source=B),
        "A cannot dial B": lambda: b.line.cut(how, source=A),
    }
    for round, (way, cut) in enumerate(ways.items()):
        cut()
        for node in (a, b):
            act(node, case, "note", note=f"{way} {node.name}").ok()
        new = submit(a, serial=10 + round)
        assert view(a, new)["status"] == "forwarded", way
        if way == "both":
            assert view(a, case)["digest"] != view(b, case)["digest"], "the line is not cut at all"
            assert b.get(f"/v1/cases/{new}").status == 404
        cluster.heal()
        wait_same(a, b, case)
        wait_status(new, "arrived", a, b)
        assert sum(e["type"] == "note" for e in view(b, case)["events"]) == 2 * (round + 1), way
    act(b, case, "decide", decision="grant").ok()
    act(b, case, "close").ok()
    wait_status(case, "closed_granted", a, b)
    assert_whole(a, b)


def test_many_cases_while_cut(cluster):
    a, b = start_provinces(cluster, A, B)
    cluster.cut(a, b, "reset")
    cases = [submit(a, serial=serial) for serial in range(2, 42)]
    cluster.heal()
    wait_for(lambda: len(b.get("/v1/cases?status=arrived&limit=100").json()["cases"]) == len(cases), what="all of them")
    for case in cases:
        wait_status(case, "arrived", a, b)
    numbers = {view(a, case)["number"] for case in cases}
    assert len(numbers) == len(cases), "each has a number (办件编码) of its own"
    backlog = lambda: [p["backlog"] for n in (a, b) for p in n.get("/v1/peers").json()["peers"]]  # noqa: E731
    wait_for(lambda: backlog() == [0, 0], what="both to have acknowledged everything")


# ---- processes -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("one_day")
def test_restart_keeps_everything(cluster):
    a, b = start_provinces(cluster, A, B)
    case = submit(a, key="before-restart")
    bring_to(case, a, b, "processing")
    for node in (a, b):
        before, hashes = view(node, case), hashes_of(node)
        node.stop()
        node.start()
        assert {**before, "version": 0} == {**view(node, case), "version": 0}
        assert_same_history(node, hashes)  # a start writes nothing that was there already
        assert len(node.log_lines("node.stopped")) == 1
    again = a.post("/v1/cases", application(), headers={"Idempotency-Key": "before-restart"}).ok().json()
    assert (again["case"], again["replayed"]) == (case, True)
    act(b, case, "decide", decision="grant").ok()
    act(b, case, "close").ok()
    wait_status(case, "closed_granted", a, b)
    act(a, case, "deliver", channel="window").ok()
    wait_status(case, "delivered", a, b)
    another = submit(a, serial=3)
    wait_status(another, "arrived", a, b)
    assert view(a, another)["number"][-4:] == "0002", "numbers go on where they were"
    assert_whole(a, b)


def test_both_stop_in_the_middle(cluster):
    a, b = start_provinces(cluster, A, B)
    cluster.cut(a, b)
    case = submit(a)
    b.stop()
    a.stop()
    cluster.heal()
    b.start()
    a.start()
    wait_status(case, "arrived", a, b)


def test_peer_comes_later(cluster):
    a, b = add_provinces(cluster, A, B)
    cluster.publish()
    a.start()
    refused = a.post("/v1/cases", application())
    assert refused.status == 404 and ORPHAN in refused.json()["message"], "nobody has told A of the item yet"
    state = a.get("/v1/peers").json()["peers"][0]
    assert state["code"] == int(B) and state["state"] != "connected" and state["items"] == 0
    b.start()
    wait_met(a, b)
    b.stop()
    case = submit(a)  # B away: its item is known all the same
    assert view(a, case)["status"] == "forwarded"
    b.start()
    wait_status(case, "arrived", a, b)


# ---- catalogs --------------------------------------------------------------------------------------------------------


def test_changed_catalog(cluster, tmp_path):
    catalogs = copy_catalogs(tmp_path / "catalogs")
    a, b = start_provinces(cluster, A, B, catalog=catalogs)
    case = submit(a)
    wait_status(case, "arrived", a, b)
    items = lambda node: {i["code"]: i for i in node.get(f"/v1/catalog?node={B}").ok().json()["items"]}  # noqa: E731
    first = items(a)
    gone = next(code for code in first if code != ORPHAN)
    changed = next(code for code in first if code not in (ORPHAN, gone))
    added = json.loads((catalogs / "sichuan.json").read_text())["items"][0]
    added = {**added, "code": added["code"][:-4] + "9999", "basic_code": added["basic_code"][:-4] + "9999",
             "name": "新增的示例事项"}

    def edit(catalog):
        catalog["version"] += 1
        catalog["items"] = [x for x in catalog["items"] if x["code"] != gone] + [added]
        row = next(x for x in catalog["items"] if x["code"] == changed)
        row["version"], row["name"] = row["version"] + 1, row["name"] + "(新)"

    edit_json(catalogs / "sichuan.json", edit)
    size = ledger_size(b)
    b.stop()
    b.start()
    assert "1 items new, 1 changed, 1 withdrawn" in b.wait_log("catalog.published", count=2)[1].text
    wait_for(lambda: added["code"] in items(a) and gone not in items(a), what="A to hold the changed catalog")
    assert len(written_since(b, size)) == 3, "only the differences are written"
    now = items(a)
    assert (now[changed]["version"], now[changed]["name"]) == (2, first[changed]["name"] + "(新)")
    assert items(a) == items(b)
    assert a.get(f"/v1/catalog/{B}/{gone}").ok().json()["withdrawn"] is True
    for node in (a, b):
        before = ledger_size(node)
        refused = node.post("/v1/cases", application(gone, node=int(B)))
        assert refused.status == 409 and refused.json()["id"] == "case.item-closed" and gone in refused.json()["message"]
        refused = node.post("/v1/cases", application(gone))
        assert refused.status == 404 and gone in refused.json()["message"]
        assert not written_since(node, before)
    wait_status(submit(a, added["code"], serial=3), "arrived", a, b)
    act(b, case, "accept").ok()
    wait_status(case, "accepted", a, b)

    edit_json(catalogs / "sichuan.json", lambda c: c["items"].remove(added))
    edit_json(catalogs / "sichuan.json", lambda c: c["items"].append({**added, "name": "又一次"}))
    b.stop()
    b.start()
    wait_for(lambda: items(a)[added["code"]]["name"] == "又一次", what="A to hold it again")
    assert_whole(a, b)


# ---- requests --------------------------------------------------------------------------------------------------------


def test_durable_at_peers(cluster):
    a, b = start_provinces(cluster, A, B)
    reply = a.post("/v1/cases?durable=peers&timeout_ms=60000", application()).ok().json()
    assert reply["peers_durable"] is True and b.get(f"/v1/cases/{reply['case']}").status == 200
    assert "peers_durable" not in a.post("/v1/cases", application(serial=3)).ok().json()
    wait_status(reply["case"], "arrived", a, b)
    done = b.post(f"/v1/cases/{reply['case']}/events?durable=peers&timeout_ms=60000", {"type": "accept"}).ok().json()
    assert done["peers_durable"] is True and view(a, reply["case"])["status"] == "accepted"

    cluster.cut(a, b)
    began = time.monotonic()
    late = a.post("/v1/cases?durable=peers&timeout_ms=300", application(serial=4)).ok().json()
    assert late["peers_durable"] is False and time.monotonic() - began >= 0.3
    assert view(a, late["case"])["status"] == "forwarded", "it stands all the same"
    cluster.heal()
    wait_status(late["case"], "arrived", a, b)


def test_idempotency(cluster):
    a, b = start_provinces(cluster, A, B)
    key = {"Idempotency-Key": "window-7/2026-11-24/1"}
    first = a.post("/v1/cases", application(), headers=key).ok().json()
    size = ledger_size(a)
    again = a.post("/v1/cases", application(), headers=key).ok().json()
    assert (again["case"], again["first_index"], again["replayed"]) == (first["case"], first["first_index"], True)
    other = a.post("/v1/cases", application(serial=3), headers=key)
    assert other.status == 409 and other.json()["id"] == "request.key-reused"
    elsewhere = a.post(f"/v1/cases/{first['case']}/events", {"type": "note", "note": "x"}, headers=key)
    assert elsewhere.status == 409, "another path is another request"
    assert not written_since(a, size)

    wait_status(first["case"], "arrived", a, b)
    note = {"Idempotency-Key": "note-1"}
    for replayed in (False, True):
        done = a.post(f"/v1/cases/{first['case']}/events", {"type": "note", "note": "一次"}, headers=note).ok().json()
        assert done["replayed"] is replayed
    assert sum(e["type"] == "note" for e in view(a, first["case"])["events"]) == 1

    refused = a.post("/v1/cases", application(id_type="x"), headers={"Idempotency-Key": "bad"})
    assert refused.status == 400
    assert a.post("/v1/cases", application(serial=5), headers={"Idempotency-Key": "bad"}).ok(), "a refusal uses no key"

    replies = []
    go = threading.Barrier(8)

    def at_once():
        go.wait()
        replies.append(a.post("/v1/cases", application(serial=6), headers={"Idempotency-Key": "at-once"}).ok().json())

    threads = [threading.Thread(target=at_once) for _ in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert len(replies) == 8 and len({r["case"] for r in replies}) == 1
    assert sorted(r["replayed"] for r in replies) == [False] + [True] * 7
    cases = len(a.get("/v1/cases").json()["cases"])
    a.stop()
    a.start()
    assert a.post("/v1/cases", application(serial=6), headers={"Idempotency-Key": "at-once"}).ok().json()["replayed"]
    assert a.post("/v1/cases", application(serial=7), headers={"Idempotency-Key": "at-once"}).status == 409
    assert len(a.get("/v1/cases").json()["cases"]) == cases == 3


def test_long_poll(cluster):
    a, b = start_provinces(cluster, A, B)
    case = submit(a)
    wait_status(case, "arrived", a, b)
    version = view(a, case)["version"]
    began = time.monotonic()
    unchanged = a.get(f"/v1/cases/{case}?wait={version}&timeout_ms=200").ok().json()
    assert unchanged["version"] == version and time.monotonic() - began >= 0.2
    assert a.get(f"/v1/cases/{case}?wait={version - 1}").ok().json()["version"] == version, "at once: it has changed since"

    # only the last events
    whole = a.get(f"/v1/cases/{case}").ok().json()
    assert len(whole["events"]) == whole["event_count"] > 2
    for last in (0, 1, 2, 1000):
        part = a.get(f"/v1/cases/{case}?last={last}").ok().json()
        assert part.pop("events") == whole["events"][max(0, len(whole["events"]) - last):]
        assert part == {k: v for k, v in whole.items() if k != "events"}
        assert a.get(f"/v1/cases/{case}?wait={version - 1}&last={last}").ok().json() == part | {"events": whole["events"][-last:] if last else []}
    assert a.cli("case", "show", case, "--last", 1)["events"] == whole["events"][-1:]
    refused = cluster.cli("case", "show", case, "--last", 1001, check=False, env={"TONGBAN_DIR": str(a.dir)})
    assert refused.returncode != 0 and "'last' is '1001', it must be a number from 0 to 1000" in refused.stderr

    answers = []
    waiting = [threading.Thread(target=lambda: answers.append(a.get(f"/v1/cases/{case}?wait={version}&timeout_ms=60000").ok().json()))
               for _ in range(3)]
    [t.start() for t in waiting]
    act(b, case, "accept").ok()
    [t.join(120) for t in waiting]
    assert [(x["status"], x["version"] > version) for x in answers] == [("accepted", True)] * 3

    # the node stops while somebody waits: an answer, not a hang
    version = view(a, case)["version"]
    ended = []
    waiter = threading.Thread(target=lambda: ended.append(a.get(f"/v1/cases/{case}?wait={version}&timeout_ms=60000").status))
    waiter.start()
    wait_for(lambda: b"tongban_case_watches 1" in a.get("/metrics").ok().body, what="the poll to be there")
    a.stop()
    waiter.join(120)
    assert ended == [503]
