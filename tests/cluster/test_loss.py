"""A province loses its database and puts a backup in its place, while the others work: it gets the rest back from them.

What it wrote and nobody had yet is lost with a disk; here the others have everything when the disk goes (`durable=peers` is
how a platform waits for that).
"""
from cluster import wait_for
from load import submit, view, wait_same
from provinces5 import finish, five_provinces, start_load


def hand_in(node, desk, item, count):
    """@count cases, which the desk then has; their digests."""
    cases = [submit(node, item) for _ in range(count)]
    for case in cases:
        wait_for(lambda c=case: view(node, c)["status"] == "arrived", 60, what=f"case {case} to arrive")
        wait_same(node, desk, case)
    return {case: view(node, case)["digest"] for case in cases}


def test_restore_from_backup(federation):
    desk, windows = five_provinces(federation, windows=3)
    lost, others = windows[0], windows[1:]
    load = start_load(federation, desk, others)
    backups = lost.dir / "backups"
    backups.mkdir()
    lost.own_files()
    digests = hand_in(lost, desk, load.item, 3)
    federation.say(f"backup of {lost.region}")
    lost.execute("tongban", "backup", "--out", "/var/lib/tongban/backups/ledger.db")
    lost.execute("tongban", "backup", "--keys", "--out", "/var/lib/tongban/backups/keys.db")
    digests |= hand_in(lost, desk, load.item, 5)
    federation.say(f"{lost.region} loses its database")
    lost.kill()
    for name in ("ledger.db", "keys.db"):
        for file in lost.dir.glob(f"{name}*"):
            file.unlink()
    assert load.wait_answers(10, 60, node=others[0]), "the others go on"
    federation.cli("restore", "--dir", lost.dir, "--from", backups / "ledger.db")
    federation.cli("restore", "--dir", lost.dir, "--keys", "--from", backups / "keys.db")
    federation.say(f"{lost.region} starts from the backup")
    lost.expect_error("ledger.behind")
    lost.start()
    wait_for(lambda: lost.get("/v1/status").ok().json()["writer"] == "ok", 60, what="its entries to come back")
    for case, digest in digests.items():
        wait_for(lambda c=case, d=digest: view(lost, c)["digest"] == d, 60, what=f"case {case} as before")
    digests |= hand_in(lost, desk, load.item, 1)
    finish(federation, load, [desk, *windows], other_cases=digests)
