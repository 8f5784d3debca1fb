"""Erasure of a case's content: ordered with a legal basis, kept by a hold, acknowledged by every participant, and after it no
byte of the applicant's is left in any file of either node, while every proof, receipt and state holds."""
import http.client
import json
import sqlite3

import pytest

import c2sp_verify
from cluster import CommandFailed, wait_for
from provinces import (
    act, assert_whole, bring_to, citizen_number, start_provinces, submit, view, wait_met, wait_status,
)

A, B, C = "440000", "510000", "330000"
NAME, FORM = "李小满", "祖母"


def erase(node, case, basis="retention_expired"):
    return node.post(f"/v1/cases/{case}/erase", {"basis": basis})


def states(node, case):
    """{node: state} of the erasure of a case."""
    return {str(x["node"]): x["state"] for x in node.get(f"/v1/cases/{case}/erasure").ok().json()["erasures"]}


def wait_erased(case, *nodes, parties=None):
    want = {n.region: "done" for n in parties or nodes}
    for node in nodes:
        wait_for(lambda node=node: states(node, case) == want, what=f"{node} to show the erasure as done")


def keys_of(node, case):
    """Key bytes of a case, read as an intruder would."""
    db = sqlite3.connect(f"file:{node.dir / 'keys.db'}?mode=ro", uri=True)
    rows = db.execute("SELECT s.key FROM key k JOIN secret s ON s.no = k.no WHERE k.case_id = ?", (bytes.fromhex(case),))
    keys = [row[0] for row in rows]
    db.close()
    return keys


def sealed_of(node, case):
    """Sealed payloads of a case as they stand in ledger.db."""
    db = sqlite3.connect(f"file:{node.dir / 'ledger.db'}?mode=ro", uri=True)
    ref = db.execute("SELECT no FROM case_ref WHERE case_id = ?", (bytes.fromhex(case),)).fetchone()[0]
    sql = "SELECT c.body FROM entry e JOIN content c ON c.entry = e.id WHERE e.case_no = ?"
    bodies = [row[0] for row in db.execute(sql, (ref,)) if any(row[0])]
    db.close()
    assert len(bodies) >= 1
    return bodies


def found(node, *needles):
    """(file, needle) for every needle that stands in any file of the node's folder or in its log."""
    files = [f for f in [*node.dir.rglob("*"), node.log_path] if f.is_file() and not f.is_socket()]
    assert any(f.name == "ledger.db" for f in files) and any(f.name == "keys.db" for f in files)
    hits = []
    for file in files:
        try:
            data = file.read_bytes()
        except FileNotFoundError:
            continue  # it was there for a moment only
        hits += [(file.name, needle) for needle in needles if needle in data]
    return hits


def plain(serial=2):
    """What must never stand in a file: as UTF-8, UTF-16, hex and JSON escapes."""
    out = []
    for text in (NAME, FORM, citizen_number(serial)):
        out += [text.encode(), text.encode("utf-16-le"), text.encode().hex().encode()]
        if not text.isascii():
            out.append(json.dumps(text).strip('"').encode())
    return out


def test_erased_everywhere(cluster):
    a, b, c = start_provinces(cluster, A, B, C)
    case, kept = submit(a), submit(a, serial=3, form={"guardian_relation": "外祖父"})
    for x in (case, kept):
        bring_to(x, a, b, "closed_granted")
    assert not found(a, *plain()) and not found(b, *plain()) and not found(c, *plain()), "sealed from the first moment"
    keys = keys_of(a, case) + keys_of(b, case)
    assert len(keys) == 2 and keys[0] == keys[1] and found(a, keys[0]) and found(b, keys[0])
    policy = a.get("/v1/policy").ok().body
    text = a.get(f"/v1/cases/{case}/receipt?act=decide&form=text&wait_ms=60000", timeout=180).ok().body
    before = {n.region: (view(n, case)["digest"], view(n, case)["status"]) for n in (a, b)}

    reply = erase(a, case)
    assert reply.status == 201 and reply.json()["count"] == 1
    again = erase(a, case)
    assert again.status == 200 and again.json() == reply.json() | {"replayed": True}, "a repeated order is the same one"
    other = erase(a, case, "unlawful")
    assert (other.status, other.json()["id"]) == (409, "case.erased")
    wait_erased(case, a, b)
    assert a.get("/v1/erasures").ok().json()["erasures"] == []

    # the keys are gone from every file at once, not at the next restart
    for node in (a, b):
        wait_for(lambda node=node: not found(node, keys[0]), what=f"{node}: the key to be gone from every file")
        assert not found(node, *plain())
        assert keys_of(node, kept), "another case's stays"
        events = view(node, case)["events"]
        assert all(x["payload"] is None for x in events)
        first = events[0]
        gone = node.get(f"/v1/cases/{case}/events/{first['origin']}/{first['index']}/payload?purpose=test")
        assert (gone.status, gone.json()["id"]) == (404, "case.erased")
        assert (view(node, case)["digest"], view(node, case)["status"]) == before[node.region]
        opened = view(node, kept)["events"][0]
        path = f"/v1/cases/{kept}/events/{opened['origin']}/{opened['index']}/payload?purpose=test"
        assert node.get(path).ok().json()["payload"]["applicant"]["name"] == NAME

    # proofs and receipts hold, older ones and new ones
    assert c2sp_verify.verify(text, c2sp_verify.Policy(policy))["case"] == case
    for name in ("submit", "accept", "decide"):
        fresh = a.get(f"/v1/cases/{case}/receipt?act={name}&form=html&wait_ms=60000", timeout=180).ok().body
        assert c2sp_verify.verify(fresh, c2sp_verify.Policy(policy))["act"] == name
    assert_whole(a, b, c)
    note = act(a, case, "note", note="新的内容")
    assert (note.status, note.json()["id"]) == (409, "case.erased"), "nothing can be added"
    for node in (a, b):
        node.stop()
        assert not found(node, keys[0], *plain())
        node.start()
    wait_met(a, b)
    assert_whole(a, b)
    assert states(a, case) == {A: "done", B: "done"}


def test_payload_bytes_go_too(cluster):
    """Not only the keys: the sealed bytes themselves leave database, log and free pages."""
    a, b = start_provinces(cluster, A, B)
    case = submit(a)
    bring_to(case, a, b, "closed_granted")
    sealed = sealed_of(a, case)
    assert all(found(node, sealed[0]) for node in (a, b))
    erase(a, case).ok()
    wait_erased(case, a, b)
    for node in (a, b):
        wait_for(lambda node=node: not found(node, *sealed), what=f"{node}: the sealed bytes to be gone")


def test_kill_in_the_middle(cluster):
    """kill -9 right behind the order, again and again: each time the erasure is either not there or completed at the next start."""
    a, b = start_provinces(cluster, A, B)
    for serial in range(2, 8):
        case = submit(a, serial=serial)
        bring_to(case, a, b, "closed_granted")
        key = keys_of(a, case)[0]
        with pytest.MonkeyPatch.context():
            try:
                a.request("POST", f"/v1/cases/{case}/erase", {"basis": "retention_expired"}, timeout=0.001 * (serial - 1))
            except (OSError, http.client.HTTPException):
                pass
        a.kill()
        a.start()
        if not states(a, case):
            erase(a, case).ok()
        wait_erased(case, a, b)
        for node in (a, b):
            wait_for(lambda node=node: not found(node, key, *plain(serial)), what=f"{node}: the key to be gone")
    assert_whole(a, b)


def test_a_peer_that_was_away(cluster):
    a, b = start_provinces(cluster, A, B)
    case = submit(a)
    bring_to(case, a, b, "closed_granted")
    key = keys_of(b, case)[0]
    b.stop()
    erase(a, case).ok()
    assert states(a, case) == {A: "done", B: "ordered"}
    open_rows = a.get("/v1/erasures").ok().json()["erasures"]
    assert [(x["case"], x["node"], x["state"], x["basis"]) for x in open_rows] == [
        (case, int(B), "ordered", "retention_expired")]
    wait_for(lambda: not found(a, key), what="the key to be gone here")
    assert found(b, key), "still there"
    b.start()
    wait_erased(case, a, b)
    wait_for(lambda: not found(b, key), what="the key to be gone there")
    assert_whole(a, b)


def test_alarm_after_the_bound(cluster):
    a, b = start_provinces(cluster, A, B, ledger={"erase_alarm_s": 1})
    case = submit(a)
    bring_to(case, a, b, "closed_granted")
    b.stop()
    erase(a, case).ok()
    a.expect_error("erase.not-acknowledged")
    line = a.wait_log("erase.not-acknowledged")[0]
    assert line.level == "error" and line.subject == B and case in line.text
    alarm = next(x for x in a.get("/v1/alarms").ok().json()["alarms"] if x["id"] == "erase.not-acknowledged")
    assert alarm["about"] == int(B) and case in alarm["text"]
    assert a.get("/v1/status").json()["erasures_open"] == 1
    b.start()
    wait_erased(case, a, b)
    assert a.get("/v1/status").json()["erasures_open"] == 0


def test_holds(cluster):
    a, b = start_provinces(cluster, A, B)
    case = submit(a)
    bring_to(case, a, b, "accepted")
    early = erase(a, case)
    assert (early.status, early.json()["id"]) == (409, "case.erase-open")
    act(b, case, "decide", decision="grant").ok()
    act(b, case, "close").ok()
    wait_status(case, "closed_granted", a, b)
    for reason in ("一\n二", "a\rb", "a\u202eb", "a\x1b[2J"):
        bad = a.post(f"/v1/cases/{case}/hold", {"reason": reason})
        assert (bad.status, bad.json()["id"]) == (400, "case.hold-reason"), reason
    a.post(f"/v1/cases/{case}/hold", {"reason": "行政复议"}).ok()
    held = erase(a, case)
    assert (held.status, held.json()["id"]) == (409, "case.on-hold")
    assert a.get(f"/v1/cases/{case}/erasure").json() == {"case": case, "hold": "行政复议", "erasures": []}
    a.post(f"/v1/cases/{case}/unhold").ok()

    # the other side's hold: it says so, and does it when the hold ends
    b.post(f"/v1/cases/{case}/hold", {"reason": "审计"}).ok()
    key = keys_of(b, case)[0]
    erase(a, case).ok()
    wait_for(lambda: states(a, case) == {A: "done", B: "held"}, what="the answer of the node that holds it")
    assert found(b, key)
    b.post(f"/v1/cases/{case}/unhold").ok()
    wait_erased(case, a, b)
    wait_for(lambda: not found(b, key), what="the key to be gone")
    refused = b.post(f"/v1/cases/{case}/hold", {"reason": "x"})
    assert (refused.status, refused.json()["id"]) == (409, "case.erased")
    assert_whole(a, b)


def test_an_end_that_is_not_confirmed(cluster):
    """Withdrawn here while the line is cut: the other side may have decided, so that nothing is destroyed before it has answered."""
    a, b = start_provinces(cluster, A, B)
    case = submit(a)
    bring_to(case, a, b, "accepted")
    cluster.cut(a, b, "reset")
    act(a, case, "withdraw").ok()
    early = erase(a, case)
    assert (early.status, early.json()["id"]) == (409, "case.erase-tentative"), early.body
    cluster.heal()
    wait_status(case, "withdrawn", a, b)
    wait_for(lambda: view(a, case)["level"] == "sequenced", what="the confirmation")
    erase(a, case).ok()
    wait_erased(case, a, b)
    assert_whole(a, b)


def test_who_may(cluster):
    a, b, c = start_provinces(cluster, A, B, C)
    case = submit(a)
    bring_to(case, a, b, "closed_granted")
    assert c.post(f"/v1/cases/{case}/erase", {"basis": "unlawful"}).status == 404, "no part in it, so it is not known there"
    erase(b, case, "consent_withdrawn").ok()  # the deciding node may
    wait_erased(case, a, b)
    other = erase(a, case)
    assert (other.status, other.json()["id"]) == (409, "case.erased")
    rows = a.get(f"/v1/cases/{case}/erasure").json()["erasures"]
    assert {x["article"] for x in rows} == {"个人信息保护法第四十七条第三项"}


def test_each_basis_names_its_article(cluster):
    a, b = start_provinces(cluster, A, B)
    bases = {"purpose_achieved": "个人信息保护法第四十七条第一项", "retention_expired": "个人信息保护法第四十七条第二项",
             "consent_withdrawn": "个人信息保护法第四十七条第三项", "unlawful": "个人信息保护法第四十七条第四项",
             "other_law": "个人信息保护法第四十七条第五项"}
    for serial, (basis, article) in enumerate(bases.items(), 2):
        case = submit(a, serial=serial)
        act(a, case, "withdraw").ok()
        wait_status(case, "withdrawn", a, b)
        wait_for(lambda: view(a, case)["level"] == "sequenced", what="the confirmation")
        erase(a, case, basis).ok()
        wait_erased(case, a, b)
        rows = b.get(f"/v1/cases/{case}/erasure").ok().json()["erasures"]
        assert {x["article"] for x in rows} == {article}, basis
    whim = erase(a, case, "whim")
    assert whim.status == 400 and whim.json()["hint"].split(":")[1].split() == list(bases), "a new basis needs its row here"


def test_command_line(cluster):
    a, b = start_provinces(cluster, A, B)
    case = submit(a)
    bring_to(case, a, b, "closed_granted")
    env = {"TONGBAN_DIR": str(a.dir)}
    run = lambda *words: cluster.cli(*words, env=env).stdout
    assert "no erasure was ordered" in run("case", "erasure", case)
    assert "on hold" in run("case", "hold", case, "--reason", "诉讼")
    assert "on hold: 诉讼" in run("case", "erasure", case)
    for words, status, id in ((["case", "erase", case, "--basis", "unlawful"], 4, "case.on-hold"),
                              (["case", "erase", case, "--basis", "whim"], 2, "case.erase-basis"),
                              (["case", "erase", case], 2, "ctl.missing-option"),
                              (["case", "hold", case, "--reason", "电话 13800138000"], 2, "case.hold-reason"),
                              (["case", "hold", case], 2, "ctl.missing-option"),
                              (["case", "erasure", "00000000"], 3, "case.unknown"),
                              (["erasure", "list", "--limit", "0"], 2, "ctl.number")):
        with pytest.raises(CommandFailed) as failed:
            run(*words)
        assert failed.value.status == status and f"({id})" in failed.value.stderr, failed.value
    assert run("case", "unhold", case) == "no longer on hold (已解除)\n"
    b.stop()
    assert "ordered" in run("case", "erase", case, "--basis", "retention_expired")
    assert B in run("erasure", "list") and "第二项" in run("erasure", "list")
    b.start()
    wait_erased(case, a, b)
    assert run("erasure", "list") == "every erasure that was ordered is done\n"
