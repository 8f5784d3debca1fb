"""对账 between real nodes: equal sides, lag, damage that is found and repaired, what a third node learns, ten thousand cases."""
import csv
import datetime
import io
import json
import sqlite3
import subprocess

import pytest

from cluster import IS_DEBUG, CommandFailed, wait_for
from faulty_disk import Faults
from provinces import CHINA, act, add_provinces, bring_to, start_provinces, submit, view, wait_met, wait_status, assert_whole

A, B, C = "440000", "510000", "330000"


def reconcile(node, peer=None, expect="done"):
    """Runs one; the report."""
    id = node.post("/v1/reconcile", {"peer": int(peer)} if peer else {}).ok().json()["id"]
    path = f"/v1/reconcile/{id}"
    report = wait_for(lambda: (r := node.get(path).ok().json())["state"] != "running" and r,
                      what=f"reconciliation {id} to end")
    assert expect is None or report["state"] == expect, report
    return report


def causes(report):
    return {(d["case"], d["cause"]) for d in report["differences"]}


def damage(node, *statements):
    """Changes a stopped node's ledger.db behind its back."""
    with sqlite3.connect(node.dir / "ledger.db") as db:
        for text, values in statements:
            done = db.execute(text, values)
            assert done.rowcount == 1, (text, done.rowcount)
    db.close()


def case_no(case):
    return "(SELECT no FROM case_ref WHERE case_id = ?)", [bytes.fromhex(case)]


def test_equal_sides(cluster):
    a, b, c = start_provinces(cluster, A, B, C)
    cases = [submit(a, serial=i) for i in range(2, 7)]
    for case in cases:
        wait_status(case, "arrived", a, b)
    bring_to(cases[0], a, b, "closed_granted")
    for node in (a, b):
        report = reconcile(node)
        assert report["differences"] == []
        assert {p["code"]: p["compared"] for p in report["peers"] if p["compared"]} == {
            int(b.region if node is a else a.region): 5}
    # with a node that shares none, there is nothing to compare
    assert {p["compared"] for p in reconcile(c)["peers"]} == {0}
    assert [run["state"] for run in a.get("/v1/reconcile").ok().json()["runs"]] == ["done"]
    # the same key is the same run
    first = a.post("/v1/reconcile", {}, headers={"Idempotency-Key": "k1"}).ok().json()["id"]
    assert a.post("/v1/reconcile", {}, headers={"Idempotency-Key": "k1"}).ok().json()["id"] == first
    wait_for(lambda: a.get(f"/v1/reconcile/{first}").json()["state"] == "done", what="the run")


def test_command_line(cluster):
    a, b = start_provinces(cluster, A, B)
    case = submit(a)
    wait_status(case, "arrived", a, b)
    env = {"TONGBAN_DIR": str(a.dir)}
    text = cluster.cli("reconcile", env=env).stdout
    assert "COMPARED" in text and "no differences" in text
    assert a.cli("reconcile", "--peer", B)["peers"][0]["compared"] == 1
    rows = list(csv.reader(io.StringIO(cluster.cli("reconcile", "--format", "csv", env=env).stdout)))
    assert rows == [["case", "peer", "cause", "repair", "origin", "first", "last", "count"]]
    assert json.loads(cluster.cli("reconcile", "--format", "json", env=env).stdout)["differences"] == []
    runs = a.cli("reconcile", "show")["runs"]
    assert len(runs) == 4
    assert runs[0]["id"] in cluster.cli("reconcile", "show", env=env).stdout
    assert "no differences" in cluster.cli("reconcile", "show", runs[0]["id"], env=env).stdout
    for arguments, status, id in ((["--format", "xml"], 2, "ctl.format"), (["--peer", "1"], 2, "ctl.number"),
                                  (["--peer", C], 3, "reconcile.no-peer"), (["--peer", A], 3, "reconcile.no-peer"),
                                  (["show", "0011"], 3, "reconcile.unknown")):
        with pytest.raises(CommandFailed) as e:
            a.cli("reconcile", *arguments)
        assert e.value.status == status and id in e.value.stderr, e.value
    b.stop()
    wait_for(lambda: a.get("/v1/peers").json()["peers"][0]["state"] == "lost", what="b to be gone")
    done = cluster.cli("reconcile", env=env, check=False)
    assert done.returncode == 8 and "ctl.reconcile-incomplete" in done.stderr and "failed" in done.stdout
    b.start()


def test_lag_is_named_and_goes_away(cluster):
    a, b = start_provinces(cluster, A, B)
    case = submit(a, serial=2)
    wait_status(case, "arrived", a, b)
    # what the follower asks goes one way, the reconciliation the other: cut only the line that b dials
    a.line.cut("drop", source=b.region)
    late = submit(a, serial=3)
    report = reconcile(a)
    assert causes(report) == {(late, "lag_there")}, report
    difference = report["differences"][0]
    assert difference["repair"] == "waits" and difference["entries"]["origin"] == int(A)
    assert difference["entries"]["count"] == 4
    cluster.heal()
    wait_status(late, "arrived", a, b)
    assert reconcile(a)["differences"] == [] and reconcile(b)["differences"] == []


@pytest.mark.parametrize("kind", ["row damaged", "row of another node"])
def test_damaged_row_is_found_and_repaired(cluster, kind):
    a, b = start_provinces(cluster, A, B)
    cases = [submit(a, serial=i) for i in (2, 3, 4)]
    for case in cases:
        wait_status(case, "arrived", a, b)
    where, values = case_no(cases[1])
    b.stop()
    if kind == "row damaged":
        damage(b, (f"UPDATE case_row SET digest = zeroblob(32) WHERE no = {where}", values))
    else:
        damage(b, (f"UPDATE case_row SET receiving = 330000 WHERE no = {where}", values))
    b.start()
    wait_met(a, b)
    # the other side sees it, too, unless its question has already had it repaired
    report = reconcile(b)
    assert (cases[1], "row_here") in causes(report), report
    assert {case for case, _ in causes(report)} == {cases[1]}
    assert {d["repair"] for d in report["differences"]} == {"rewritten"}
    wait_for(lambda: b.get(f"/v1/cases?limit=10").status == 200 and
             {c["case"] for c in b.get("/v1/cases?limit=10").json()["cases"]} == set(cases), what="the list to be whole")
    assert reconcile(b)["differences"] == [] and reconcile(a)["differences"] == []
    wait_status(cases[1], "arrived", a, b)
    assert_whole(a, b)


def test_damaged_row_there_is_repaired_by_the_question(cluster):
    a, b = start_provinces(cluster, A, B)
    case = submit(a)
    wait_status(case, "arrived", a, b)
    where, values = case_no(case)
    b.stop()
    damage(b, (f"UPDATE case_row SET status = 99 WHERE no = {where}", values))
    b.start()
    wait_met(a, b)
    assert b.get("/v1/cases").status == 500
    assert reconcile(a)["differences"] == []  # the entries are the same, and b counts what they give
    wait_for(lambda: b.get("/v1/cases").status == 200, what="b to have made its row again")
    assert_whole(a, b)


def test_row_that_the_disk_refuses(cluster):
    """A row that was to be made again and could not be written is told, and made when the disk works again."""
    a, b = start_provinces(cluster, A, B)
    case = submit(a)
    wait_status(case, "arrived", a, b)
    where, values = case_no(case)
    b.stop()
    damage(b, (f"UPDATE case_row SET status = 99 WHERE no = {where}", values))
    faults = Faults(b)
    for id in ("store.io", "store.stopped"):
        b.expect_error(id)
    b.start(env=faults.environment())
    wait_met(a, b)
    faults.set("sync_io", "ledger.db", 0)
    reconcile(a, expect=None)
    warned = b.wait_log("reconcile.row")[0]
    assert warned.level == "warn" and "row not made again" in warned.text
    assert b.is_running
    faults.set("none", "x", 0)
    wait_for(lambda: b.get("/healthz").status == 200, what="b to write again")
    wait_met(a, b)
    reconcile(a)
    wait_for(lambda: b.get("/v1/cases").status == 200, what="b to have made its row again")
    assert_whole(a, b)


def test_lost_entry_is_fetched_again(cluster):
    a, b = start_provinces(cluster, A, B)
    cases = [submit(a, serial=i) for i in (2, 3)]
    for case in cases:
        wait_status(case, "arrived", a, b)
    where, values = case_no(cases[0])
    b.stop()
    # the last of a's four entries of the case, in b's copy of a's ledger
    damage(b, (f"DELETE FROM entry WHERE id = (SELECT max(id) FROM entry e WHERE case_no = {where} AND e.id >> 40 ="
               f" (SELECT slot FROM node WHERE node = {A}))", values))
    b.start()
    wait_met(a, b)
    report = reconcile(b, A)
    missing = [d for d in report["differences"] if d["cause"] == "missing_here"]
    assert [d["case"] for d in missing] == [cases[0]], report
    assert missing[0]["entries"]["origin"] == int(A) and missing[0]["repair"] == "asked_again"
    wait_for(lambda: reconcile(b)["differences"] == [], what="the entry to be back")
    wait_status(cases[0], "arrived", a, b)
    assert_whole(a, b)


def test_lost_at_the_peer_is_escalated(cluster):
    a, b = start_provinces(cluster, A, B)
    case = submit(a)
    wait_status(case, "arrived", a, b)
    where, values = case_no(case)
    peers = lambda: {p["code"]: p for p in a.get("/v1/peers").json()["peers"]}
    wait_for(lambda: peers()[int(B)]["acked_size"] >= a.get("/v1/ledger").json()["size"], what="b's confirmation")
    b.stop()
    damage(b, (f"DELETE FROM entry WHERE id = (SELECT max(id) FROM entry e WHERE case_no = {where} AND e.id >> 40 ="
               f" (SELECT slot FROM node WHERE node = {A}))", values))
    b.start()
    wait_met(a, b)
    a.expect_error("reconcile.lost-there")
    assert (case, "lost_there") in causes(reconcile(a))
    alarms = {x["id"]: x for x in a.get("/v1/alarms").ok().json()["alarms"]}
    assert alarms["reconcile.lost-there"]["about"] == int(B) and case in alarms["reconcile.lost-there"]["text"]
    reconcile(b)
    wait_for(lambda: reconcile(a)["differences"] == [], what="b to have fetched it again")


WAITS = {"lag_here", "lag_there", "third_there", "pending"}


def test_what_crossed_a_handover_is_on_its_way(cluster):
    """B hands a case over to C while A, which took it in, cannot hear of it and writes on: to B alone. C holds A's ledger up to
    there and asks for that entry ever more rarely. When the line is mended, nothing is lost on either side."""
    b, a, c = start_provinces(cluster, B, A, C)
    case = submit(a)
    wait_status(case, "arrived", a, b)
    cluster.cut(a, b)
    b.cli("case", "handover", case, "--lead", C)
    wait_for(lambda: c.get(f"/v1/cases/{case}").status == 200, what="the newcomer to know the case")
    assert act(a, case, "note", note="请尽快").status == 201
    size = a.get("/v1/ledger").ok().json()["size"]
    peers = lambda node: {p["code"]: p for p in node.get("/v1/peers").ok().json()["peers"]}
    wait_for(lambda: peers(c)[int(A)]["held_size"] >= size, what="the newcomer to hold A's ledger")
    assert {cause for _, cause in causes(reconcile(c, A))} <= WAITS, "A does not know yet that C takes part"
    cluster.heal()
    seen = set()

    def level():
        """From the moment on when A knows, both ask about the case at once, again and again."""
        if view(a, case)["lead"] != int(C):
            return False
        reports = reconcile(a, C), reconcile(c, A)
        seen.update(cause for report in reports for of, cause in causes(report) if of == case)
        return not any(causes(report) for report in reports)

    wait_for(level, seconds=120, what="both to hold the same")
    assert seen <= WAITS, seen
    assert [n.get("/v1/alarms").ok().json()["alarms"] for n in (a, b, c)] == [[], [], []]
    assert_whole(a, b, c)


def test_handover_that_has_not_come_yet(cluster):
    """C is named by B and cannot hear of it; A knows, and has written to C already. It shows nothing: nothing was lost."""
    b, a, c = start_provinces(cluster, B, A, C)
    case = submit(a)
    wait_status(case, "arrived", a, b)
    cluster.cut(b, c)
    b.cli("case", "handover", case, "--lead", C)
    wait_for(lambda: view(a, case)["lead"] == int(C), what="A to know of the handover")
    assert act(a, case, "note", note="请尽快").status == 201
    size = a.get("/v1/ledger").ok().json()["size"]
    peers = lambda node: {p["code"]: p for p in node.get("/v1/peers").ok().json()["peers"]}
    wait_for(lambda: peers(a)[int(C)]["acked_size"] >= size, what="C's confirmation")
    for node, peer in ((a, C), (c, A)):
        found = {cause for of, cause in causes(reconcile(node, peer)) if of == case}
        assert found <= WAITS, f"{node}: {found}"
    cluster.heal()
    wait_for(lambda: not causes(reconcile(a, C)) and not causes(reconcile(c, A)), seconds=120, what="both to hold the same")
    assert [n.get("/v1/alarms").ok().json()["alarms"] for n in (a, b, c)] == [[], [], []]


def test_daily(cluster):
    """The hour is a setting; a wrong one is refused."""
    from provinces import edit_json

    a, b = add_provinces(cluster, A, B)
    edit_json(a.dir / "node.json", lambda c: c.update(reconcile={"hour": 25}))
    cluster.publish()
    a.start(wait=False)
    assert a.wait_exit() != 0 and "config.value" in a.log_text() and "reconcile.hour" in a.log_text()
    a.expect_error("config.value")
    edit_json(a.dir / "node.json", lambda c: c.update(reconcile={"hour": 24}))
    cluster.start()
    wait_met(a, b)


def test_it_runs_by_itself(cluster):
    """Once a day at the minute of the node, also when it was started within the hour; told by a clock that is shifted there."""
    from provinces import edit_json
    from shifted_clock import Clock

    a, b = add_provinces(cluster, A, B)
    now = datetime.datetime.now(CHINA)
    next_hour = (now + datetime.timedelta(hours=2)).replace(minute=0, second=0, microsecond=0)
    due = next_hour + datetime.timedelta(minutes=int(A) // 100 % 60)
    edit_json(a.dir / "node.json", lambda c: c.update(reconcile={"hour": due.hour}))
    edit_json(b.dir / "node.json", lambda c: c.update(reconcile={"hour": 24}))
    cluster.start()
    wait_met(a, b)
    case = submit(a)
    wait_status(case, "arrived", a, b)
    for lead in (8, 30, 120, 480):  # seconds that the nodes need to start and to meet; the first of them are enough for most machines
        for node in (a, b):
            node.stop()
        shift = (due - datetime.datetime.now(CHINA)).total_seconds() - lead
        for node in (a, b):
            clock = Clock(node.dir.with_suffix(".clock"))
            clock.set(shift)
            node.start(wait=False, env=clock.environment())
        for node in (a, b):
            node.wait_ready()
        wait_met(a, b)
        early = a.get("/v1/reconcile").ok().json()["runs"]
        if datetime.datetime.now(CHINA) + datetime.timedelta(seconds=shift) < due:
            assert early == [], "not before its time"
            break
    else:
        raise AssertionError("no start is so fast that it could be seen before the daily run")
    run, = wait_for(lambda: a.get("/v1/reconcile").ok().json()["runs"], lead + 120, what="the daily run")
    report = wait_for(lambda: (r := a.get(f"/v1/reconcile/{run['id']}").ok().json())["state"] != "running" and r, what="its end")
    assert report["state"] == "done" and report["differences"] == []
    assert {p["code"]: p["compared"] for p in report["peers"]} == {int(B): 1}
    assert b.get("/v1/reconcile").ok().json()["runs"] == [], "24 is never"


def test_ten_thousand_cases(cluster):
    """Two provinces with a real load between them: made by tests/bench/make_load through the append path, replicated, compared.
    Fewer where a sanitizer slows everything down."""
    count = 10000 if IS_DEBUG else 1000
    a, b = start_provinces(cluster, A, B)
    a.stop()
    done = subprocess.run([str(cluster.program("make_load")), str(a.dir / "node.json"), str(count), "7"],
                          capture_output=True, text=True, timeout=600)
    assert done.returncode == 0 and f"cases {count} " in done.stdout, done.stdout + done.stderr
    a.start()
    mine = {c["case"] for c in a.get("/v1/cases?limit=5").json()["cases"]}
    assert len(mine) == 5
    for node in (a, b, a):  # a's, what b has answered to it, and what that has led to
        acked = lambda: node.get("/v1/peers").json()["peers"][0]["acked_size"] >= node.get("/v1/ledger").json()["size"]
        wait_for(acked, seconds=300, what=f"the other to hold everything of {node}")
    reports = [reconcile(node) for node in (a, b)]
    assert [r["differences"] for r in reports] == [[], []]
    compared = [r["peers"][0]["compared"] for r in reports]
    assert compared[0] == compared[1] > count // 4, compared
    assert_whole(a)  # what the generator made verifies: leaves, signatures, rows, contents
