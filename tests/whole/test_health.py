"""`tongban status --health`, what a supervisor asks (docker/Dockerfile): 0 only while the node can take something in, else the reason in
words. `tongban status` answers all the while: a node that cannot write is read from, and must not be killed for it.
"""
import re
import time

import pytest
from cluster import CommandFailed, wait_for
from faulty_disk import Faults
from provinces import act, add_provinces, bring_to, held_of, start_provinces, stop_held, submit, wait_status

WINDOW, OFFICE = "440000", "510000"
SUPERVISOR_SECONDS = 10  # HEALTHCHECK --timeout of docker/Dockerfile
STOPPED = ("store.full", "store.stopped", "ledger.stopped")


def health(node):
    """(exit status, what it prints, what it says of errors)"""
    done = node.cluster.cli("status", "--health", check=False, env={"TONGBAN_DIR": str(node.dir)})
    return done.returncode, done.stdout, done.stderr


def is_well(node):
    return health(node) == (0, "ok\n", "")


def writer_metric(node):
    return re.search(r"^tongban_writer_ok (\d+)$", node.get("/metrics").body.decode(), re.M).group(1)


def test_full_disk(cluster):
    window, office = add_provinces(cluster, WINDOW, OFFICE)
    cluster.publish()
    faults = Faults(window)
    window.start(env=faults.environment())
    office.start()
    wait_for(lambda: all(p["items"] for p in window.get("/v1/peers").ok().json()["peers"]), what="the office's catalog")
    case = submit(window)
    assert is_well(window)
    assert window.cli("status", "--health")["writer"] == "ok", "--json: the answer of /healthz as it is"

    for id in STOPPED:
        window.expect_error(id)
    faults.set("write_full", "ledger.db", 0)
    assert act(window, case, "note", note="x").status == 507
    status, printed, said = health(window)
    assert (status, printed) == (8, "")
    assert "tongban: the node takes nothing in: stopped: " in said and "disk is full" in said and "(ctl.not-healthy)" in said, said
    assert "a restart does not help" in said
    with pytest.raises(CommandFailed) as failed:
        window.cli("status", "--health")
    assert '"status":"degraded"' in failed.value.stdout
    assert "disk is full" in window.cli("status")["writer"], "alive all the while"
    assert is_well(office), "one node's disk is not the other's"

    faults.set("none", "x", 0)
    wait_for(lambda: is_well(window), what="the node to take things in again")


def test_entries_that_come_back(cluster, tmp_path):
    window, office = start_provinces(cluster, WINDOW, OFFICE)
    case = submit(window)
    bring_to(case, window, office, "accepted")
    cluster.cli("backup", "--out", tmp_path / "old.db", env={"TONGBAN_DIR": str(window.dir)})
    act(window, case, "note", note="x").ok()
    size = window.get("/v1/ledger").ok().json()["size"]
    wait_for(lambda: held_of(office, WINDOW) >= size, what="the office to hold everything")
    stop_held(window, office)
    office.stop()
    cluster.cli("restore", "--dir", window.dir, "--from", tmp_path / "old.db")
    window.expect_error("ledger.behind")
    window.start(wait=False)
    wait_for(lambda: health(window)[0] == 8 and "recovering: " in health(window)[2], what="the node to say that it recovers")
    assert "recovering" in window.cli("status")["writer"], "alive all the while"
    assert writer_metric(window) == "0"
    office.start()
    wait_for(lambda: is_well(window), what="the entries to come back")
    assert writer_metric(window) == "1"
    wait_status(case, "accepted", window, office)


def test_no_answer(cluster):
    (node,) = start_provinces(cluster, OFFICE)
    node.pause()
    took = []
    for _ in range(3):  # the shortest of three: a machine that stands still is no fault of the command
        began = time.monotonic()
        status, _, said = health(node)
        took.append(time.monotonic() - began)
        assert status == 8 and "(ctl.timeout)" in said, said
        if took[-1] < SUPERVISOR_SECONDS:
            break
    assert min(took) < SUPERVISOR_SECONDS, f"a supervisor that kills it would not hear the reason: {took}"
    node.resume()
    assert is_well(node)
    node.stop()
    status, _, said = health(node)
    assert status == 8 and "(ctl.no-daemon)" in said, said
