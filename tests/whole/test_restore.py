"""A node whose ledger.db was put back from an older copy: it notices, writes and signs nothing, gets its entries back from the
others or says which are missing, and never signs a second history.
"""
import shutil
import sqlite3

from cluster import wait_for
from provinces import (
    act, assert_whole, bring_to, ledger_size, start_provinces, submit, view, wait_met, wait_status,
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
    size, root = ledger_size(a), a.get("/v1/ledger").ok().json()["root"]
    digests = {case: view(a, case)["digest"] for case in [old, *cases]}
    a.stop()

    put_back(a, tmp_path / "old.db")
    a.start()
    wait_for(lambda: writer(a) == "ok", 30, "the entries to come back")
    assert (ledger_size(a), a.get("/v1/ledger").ok().json()["root"]) == (size, root)
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
    a.stop()
    put_back(a, tmp_path / "old.db", heads_too=True)
    a.start()
    wait_for(lambda: writer(a) == "ok" and ledger_size(a) == size, 30, "the entries to come back")
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
    size = ledger_size(a)
    a.stop()
    put_back(a, tmp_path / "old.db")
    cluster.heal(a, b)
    a.start(wait=False)  # /healthz goes on saying no
    wait_for(lambda: a.socket_path.exists() and "held by none" in writer(a), 30, "the node to say what is missing")
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
