"""A disk that fails under a real daemon at work: each database, each sort of failure (EIO, ENOSPC, a short write, a sync), at
several places of a commit. Nothing that was answered is lost, nothing is there twice, both sides agree, and the node goes on by
itself when the disk works again.

The failures are made in front of libc (tests/preload/faultdisk.c). unit_store_fault does the same at every single operation of the
store; here it is the whole node that has to cope.
"""
from cluster import wait_for
from faulty_disk import Faults
from load import Load, check_ledgers, find_item, verify_all

KINDS = ("write_io", "write_full", "write_short", "sync_io")
DATABASES = ("ledger.db", "heads.db", "keys.db")
PLACES = (0, 1, 2)  # operations that still pass
STOPPED = ("store.io", "store.full", "store.stopped", "store.corrupt", "store.busy", "store.internal")


def writes(node):
    return node.get("/healthz").status == 200


def test_every_database_and_failure(cluster):
    desk = cluster.add_node("510000", "四川省", catalog="catalog/data/sichuan.json", proxied=False)
    window = cluster.add_node("440000", "广东省", proxied=False)
    cluster.publish()
    faults = {node: Faults(node) for node in (desk, window)}
    for node in (desk, window):
        node.start(env=faults[node].environment())
        for id in STOPPED:
            node.expect_error(id)
    item = find_item(window, desk)
    load = Load([window], desk, item, threads_per_window=2, pace_s=0.02)
    load.start()
    missed = []
    for number, (database, kind, place) in enumerate((d, k, p) for d in DATABASES for k in KINDS for p in PLACES):
        if database == "keys.db" or number % 2 == 0:
            node = window  # the receiving node makes the keys
        else:
            node = desk
        faults[node].set(kind, database, place)
        try:
            wait_for(faults[node].has_fired, 60, what=f"{kind} on {database} of {node}")
        except TimeoutError:
            missed.append((kind, database, place))
        assert node.is_running, f"{node} ended: {kind} on {database} behind {place} operations"
        faults[node].set("none", "x", 0)
        wait_for(lambda n=node: writes(n), what=f"{node} to write again after {kind} on {database}")
        assert load.wait_answers(2), f"no answers after {kind} on {database} of {node}"
    load.finish(120)
    entries = check_ledgers(load, [desk, window])
    verify_all([desk, window])
    stops = sum(x.text.startswith("stopped") for node in (desk, window) for x in node.log_lines(level="error"))
    assert stops >= 30, f"{stops} stops: the failures do not reach the ledger"
    assert not missed, f"these were never met: {missed}"
    assert entries > 100
