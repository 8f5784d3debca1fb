"""A node whose ledger.db was put back from an older copy: it notices, writes and signs nothing, gets its entries back from the
others or says which are missing, and never signs a second history.
"""
import json
import shutil
import sqlite3
import subprocess

import sp_client as sp
from cluster import wait_for
from provinces import (
    act, add_provinces, assert_same_history, assert_whole, bring_to, hashes_of, held_of, ledger_size, start_provinces, stop_held, stopped_size, submit, view,
    wait_met, wait_status,
)

A, B, C = "440000", "510000", "330000"


def copy_of(node, path):
    """A consistent copy of a stopped node's ledger.db."""
    source, target = sqlite3.connect(node.dir / "ledger.db"), sqlite3.connect(path)
    source.backup(target)
    source.close()
    target.close()


def put_back(node, path, heads_too=False):
    for file in node.dir.glob("ledger.db*"):
        file.unlink()
    shutil.copy(path, node.dir / "ledger.db")
    if heads_too:
        for file in node.dir.glob("heads.db*"):
            file.unlink()
        shutil.copy(path.with_suffix(".heads"), node.dir / "heads.db")


def writer(node):
    return node.get("/v1/status").ok().json()["writer"]


def test_entries_come_back(cluster, tmp_path):
    a, b, c = start_provinces(cluster, A, B, C)
    old = submit(a)
    bring_to(old, a, b, "accepted")
    a.stop()
    copy_of(a, tmp_path / "old.db")
    a.start()
    cases = [submit(a, serial=n) for n in range(2, 7)]
    for case in cases:
        bring_to(case, a, b, "closed_granted")
    act(a, cases[0], "deliver", channel="window").ok()
    wait_status(cases[0], "delivered", a, b)
    hashes = hashes_of(a)
    digests = {case: view(a, case)["digest"] for case in [old, *cases]}
    stop_held(a, b)

    put_back(a, tmp_path / "old.db")
    a.start()
    wait_for(lambda: writer(a) == "ok", what="the entries to come back")
    assert_same_history(a, hashes)
    wait_met(a, b, c)
    for case, digest in digests.items():
        wait_for(lambda case=case, digest=digest: view(a, case)["digest"] == digest, what=f"case {case} as before")
        events = view(a, case)["events"]
        path = f"/v1/cases/{case}/events/{events[0]['origin']}/{events[0]['index']}/payload?purpose=test"
        assert a.get(path).ok().json()["payload"]["applicant"]["name"] == "李小满", "keys.db was not put back: content opens"
    new = submit(a, serial=9)
    bring_to(new, a, b, "accepted")
    numbers = [view(a, case)["number"] for case in [old, *cases, new]]
    assert len(set(numbers)) == len(numbers)
    assert_whole(a, b, c)
    a.expect_error("ledger.behind")


def test_a_heads_entry_comes_back_without_its_vector(cluster, tmp_path):
    """Nobody else was given it; what came back verifies, and the next heads entry commits the author anew."""
    a, b = start_provinces(cluster, A, B, ledger={"heads_busy_s": 1})
    case = submit(a)
    wait_status(case, "arrived", a, b)
    cluster.cli("backup", "--out", tmp_path / "old.db", env={"TONGBAN_DIR": str(a.dir)})
    before = ledger_size(a)
    act(a, case, "note", note="x").ok()
    kinds = lambda: [e["leaf"]["kind"] for e in a.get(f"/v1/ledger/entries?origin={A}&from={before}&limit=100").ok().json()["entries"]]
    wait_for(lambda: "heads" in kinds() and held_of(b, A) == ledger_size(a), what="a heads entry that the other holds")
    stop_held(a, b)
    cluster.cli("restore", "--dir", a.dir, "--from", tmp_path / "old.db")
    a.expect_error("ledger.behind")
    a.start()
    wait_for(lambda: writer(a) == "ok", what="the entries to come back")
    act(a, case, "note", note="y").ok()
    confirmed = lambda: next(p["confirmed_size"] for p in b.get("/v1/peers").ok().json()["peers"] if p["code"] == int(A))
    wait_for(lambda: confirmed() == ledger_size(a), what="a new heads entry to confirm all")
    assert_whole(a, b)


def test_an_old_disk_as_a_whole(cluster, tmp_path):
    """heads.db is old as well: only the others know, and they are asked before anything is signed."""
    a, b = start_provinces(cluster, A, B)
    a.stop()
    copy_of(a, tmp_path / "old.db")
    shutil.copy(a.dir / "heads.db", tmp_path / "old.heads")
    a.start()
    case = submit(a)
    wait_status(case, "arrived", a, b)
    size = ledger_size(a)
    stop_held(a, b)
    put_back(a, tmp_path / "old.db", heads_too=True)
    a.start()
    wait_for(lambda: writer(a) == "ok" and ledger_size(a) >= size, what="the entries to come back")
    act(b, case, "accept").ok()
    wait_status(case, "accepted", a, b)
    assert_whole(a, b)
    a.expect_error("ledger.behind")


def test_what_nobody_holds(cluster, tmp_path):
    """The line was cut: nobody was sent the last entries. The node says which and writes nothing."""
    a, b = start_provinces(cluster, A, B)
    case = submit(a)
    bring_to(case, a, b, "accepted")
    a.stop()
    copy_of(a, tmp_path / "old.db")
    a.start()
    wait_met(a, b)
    cluster.cut(a, b, "reset")
    lost = submit(a, serial=3)
    a.stop()
    size = stopped_size(a)
    put_back(a, tmp_path / "old.db")
    cluster.heal(a, b)
    a.start(wait=False)  # /healthz goes on saying no
    wait_for(lambda: a.socket_path.exists() and "held by none" in writer(a), what="the node to say what is missing")
    assert a.get("/healthz").status == 503
    said = writer(a)
    assert f"of {size}" in said and "recovering" in said, said
    reply = a.post("/v1/cases", body={})
    refused = a.post(f"/v1/cases/{case}/events", body={"events": [{"type": "note", "note": "x"}]})
    assert refused.status == 503 and refused.json()["id"] == "ledger.behind", refused.body
    assert reply.status in (400, 503)
    assert view(a, case)["status"] == "accepted", "reading goes on"
    assert a.get(f"/v1/cases/{lost}").status == 404
    a.expect_error("ledger.behind")
    a.expect_error("ledger.missing")


def test_the_missing_are_named_and_the_way_on(cluster, tmp_path):
    """The line was cut: nobody was sent the last entries. The node names them and writes nothing; the office dismisses it, and the province
    goes on under another code."""
    a, b = start_provinces(cluster, A, B)
    case = submit(a)
    bring_to(case, a, b, "accepted")
    cluster.cli("backup", "--out", tmp_path / "old.db", env={"TONGBAN_DIR": str(a.dir)})
    wait_met(a, b)
    wait_for(lambda: held_of(b, A) == ledger_size(a), what="the office to hold everything")
    cluster.cut(a, b, "reset")
    first = held_of(b, A)
    submit(a, serial=3)
    a.stop()
    size = stopped_size(a)
    cluster.cli("restore", "--dir", a.dir, "--from", tmp_path / "old.db")
    cluster.heal(a, b)
    a.expect_error("ledger.behind")
    a.expect_error("ledger.missing")
    a.start(wait=False)
    wait_for(lambda: a.socket_path.exists() and "held by none" in writer(a), what="the node to say what is missing")
    assert f"entries {first} to {size - 1} are held by none of the 1 nodes that answered" in writer(a)
    status = cluster.cli("status", env={"TONGBAN_DIR": str(a.dir)}).stdout
    assert f"entries {first} to {size - 1} are held by none" in status
    alarm = next(x for x in a.get("/v1/alarms").ok().json()["alarms"] if x["id"] == "ledger.missing")
    assert f"{first} to {size - 1}" in alarm["text"] and "ca revoke" in alarm["text"]
    for path, body in ((f"/v1/cases/{case}/events", {"type": "note", "note": "x"}), (f"/v1/cases/{case}/erase", {"basis": "unlawful"}),
                       (f"/v1/cases/{case}/hold", {"reason": "x"})):
        refused = a.post(path, body)
        assert (refused.status, refused.json()["id"]) == (503, "ledger.behind"), refused.body
    assert ledger_size(b) == b.get("/v1/ledger").json()["size"]
    assert held_of(b, A) <= first, "nothing of a second history was sent"

    # what the operator does next
    a.stop()
    cluster.cli("ca", "revoke", "--dir", cluster.ca_dir, "--code", A, "--dismiss", "--reason", "cessation")
    d = cluster.add_node("440100", "广州市")
    cluster.cli("ca", "publish", "--dir", cluster.ca_dir, b.dir, d.dir)
    b.stop()
    b.start()
    d.start()
    office = lambda: [p for p in d.get("/v1/peers").ok().json()["peers"] if p["code"] == int(B)][0]
    wait_for(lambda: office()["state"] == "connected" and office()["items"] > 0, what="the new node to meet the office")
    fresh = submit(d, serial=4)
    bring_to(fresh, d, b, "closed_granted")
    assert view(b, case)["status"] == "accepted", "the office still has what it knew"
    assert_whole(b, d)


def test_nobody_is_reached(cluster, tmp_path):
    """An old copy, and every other node away: it waits, however long, and writes as soon as one is back that holds the rest."""
    a, b, c = start_provinces(cluster, A, B, C)
    case = submit(a)
    bring_to(case, a, b, "accepted")
    cluster.cli("backup", "--out", tmp_path / "old.db", env={"TONGBAN_DIR": str(a.dir)})
    act(b, case, "process").ok()
    wait_status(case, "processing", a, b)
    submit(a, serial=3)
    size = ledger_size(a)
    wait_for(lambda: held_of(b, A) >= size, what="the office to hold everything")
    stop_held(a, b)
    for node in (b, c):
        node.stop()
    cluster.cli("restore", "--dir", a.dir, "--from", tmp_path / "old.db")
    a.expect_error("ledger.behind")
    a.start(wait=False)
    wait_for(lambda: a.socket_path.exists() and writer(a) != "ok", what="the node to notice")
    refused = a.post(f"/v1/cases/{case}/events", {"type": "note", "note": "x"})
    assert (refused.status, refused.json()["id"]) == (503, "ledger.behind"), refused.body
    c.start()  # holds none of it: hashes only
    wait_for(lambda: any(p["state"] == "connected" for p in a.get("/v1/peers").json()["peers"]), what="a line to the third node")
    assert writer(a) != "ok" and a.get("/healthz").status == 503
    b.start()
    wait_for(lambda: writer(a) == "ok", what="the entries to come back")
    assert ledger_size(a) >= size
    act(a, case, "note", note="weiter").ok()
    wait_met(a, b, c)
    assert_whole(a, b, c)
    a.expect_error("ledger.missing")


def test_heads_lost_too(cluster, tmp_path):
    """An old copy and no heads.db: the node does not start by itself; told to adopt its ledger, it asks the others first all the same."""
    a, b = start_provinces(cluster, A, B)
    case = submit(a)
    bring_to(case, a, b, "accepted")
    cluster.cli("backup", "--out", tmp_path / "old.db", env={"TONGBAN_DIR": str(a.dir)})
    later = submit(a, serial=3)
    wait_status(later, "arrived", a, b)
    hashes = hashes_of(a)
    stop_held(a, b)
    cluster.cli("restore", "--dir", a.dir, "--from", tmp_path / "old.db")
    for file in a.dir.glob("heads.db*"):
        file.unlink()
    program = [cluster.program("tongband"), "--config", a.dir / "node.json"]
    refused = subprocess.run(program, capture_output=True, text=True, timeout=180)
    assert refused.returncode != 0 and "--adopt-head" in refused.stderr + refused.stdout, refused
    a.start(wait=False, arguments=["--adopt-head"])
    wait_for(lambda: a.socket_path.exists() and writer(a) == "ok" and ledger_size(a) >= len(hashes), what="the entries to come back")
    assert_same_history(a, hashes)
    act(b, case, "process").ok()
    wait_status(case, "processing", a, b)
    assert_whole(a, b)
    a.expect_error("ledger.behind")


def test_a_word_alone_stops_nobody(cluster):
    """A member with a good certificate says in HELLO and in PULL that it holds far more of this ledger than there is. It has no
    checkpoint to show: an alarm, and writing goes on, also after a restart."""
    a, b, c = start_provinces(cluster, A, B, C)
    a.expect_error("ledger.unproven")
    for start in (1, 2**40, 2**63):
        hostile = sp.SpClient("127.0.0.1", a.federation_port, c.dir)
        assert hostile.ask(sp.hello(int(C), your_size=start + 10_000))[0] == sp.HELLO
        kind, answer = hostile.ask(sp.pull(int(A), start + 10_000, bytes(32)))
        assert (kind, answer[1]) == (sp.ERROR, [503]), answer
        hostile.close()
    alarms = lambda: [x for x in a.get("/v1/alarms").ok().json()["alarms"] if x["id"] == "ledger.unproven"]
    assert wait_for(alarms, what="the alarm about the claim")[0]["about"] == int(C)
    bring_to(submit(a), a, b, "accepted")
    assert writer(a) == "ok"
    a.stop()
    a.start()
    bring_to(submit(a, serial=3), a, b, "accepted")
    assert_whole(a, b)


def test_a_mirror_that_is_no_member_is_said(cluster):
    """An operator who counts on it would find nothing there after a disk is lost."""
    a, b = add_provinces(cluster, A, B)
    path = a.dir / "node.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"mirrors": [int(B), int(C)]}))
    cluster.start()
    lines = a.wait_log("node.mirror")
    assert len(lines) == 1 and C in lines[0].text and "no member" in lines[0].text, lines
