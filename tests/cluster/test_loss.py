"""A province loses its database, or its whole disk, and puts a backup in its place, while the others work: it gets the rest back from them.

What it wrote and nobody had yet is lost with a disk; here the others have everything when the disk goes: what was waited for, or what was
answered with `durable=peers`, which is how a platform waits for that.
"""
import shutil

from cluster import wait_for
from history import check
from load import submit, view, wait_same
from provinces5 import WAIT_SECONDS, finish, five_provinces, start_load, wait_whole


def hand_in(node, desk, item, count):
    """@count cases, which the desk then has; their digests."""
    cases = [submit(node, item) for _ in range(count)]
    for case in cases:
        wait_for(lambda c=case: view(node, c)["status"] == "arrived", WAIT_SECONDS, what=f"case {case} to arrive")
        wait_same(node, desk, case, WAIT_SECONDS)
    return {case: view(node, case)["digest"] for case in cases}


def back_up(federation, node):
    """The folder with copies of its databases."""
    backups = node.dir / "backups"
    backups.mkdir()
    node.own_files()
    federation.say(f"backup of {node.region}")
    node.execute("tongban", "backup", "--out", "/var/lib/tongban/backups/ledger.db")
    node.execute("tongban", "backup", "--keys", "--out", "/var/lib/tongban/backups/keys.db")
    return backups


def restore(federation, node, backups):
    federation.cli("restore", "--dir", node.dir, "--from", backups / "ledger.db")
    federation.cli("restore", "--dir", node.dir, "--keys", "--from", backups / "keys.db")
    federation.say(f"{node.region} starts from the backup")


def wait_writes(node):
    wait_for(lambda: node.get("/v1/status").ok().json()["writer"] == "ok", WAIT_SECONDS, what="its entries to come back")


def test_restore_from_backup(federation):
    desk, windows = five_provinces(federation, windows=3)
    lost, others = windows[0], windows[1:]
    load = start_load(federation, desk, others)
    digests = hand_in(lost, desk, load.item, 3)
    backups = back_up(federation, lost)
    digests |= hand_in(lost, desk, load.item, 5)
    federation.say(f"{lost.region} loses its database")
    lost.kill()
    for name in ("ledger.db", "keys.db"):
        for file in lost.dir.glob(f"{name}*"):
            file.unlink()
    assert load.wait_answers(10, WAIT_SECONDS, node=others[0]), "the others go on"
    restore(federation, lost, backups)
    lost.expect_error("ledger.behind")
    lost.start()
    wait_writes(lost)
    for case, digest in digests.items():
        wait_for(lambda c=case, d=digest: view(lost, c)["digest"] == d, WAIT_SECONDS, what=f"case {case} as before")
    digests |= hand_in(lost, desk, load.item, 1)
    finish(federation, load, [desk, *windows], other_cases=digests)


DATABASES = shutil.ignore_patterns("*.db", "*.db-*", "backups", "files", "api.sock", "writer.lock")


def test_whole_volume_gone(federation):
    """The moment after the last answer with durable=peers nothing is left of a window's disk, heads.db included. From what its office keeps
    elsewhere (configuration, keys, an old backup) and what the others hold, everything that was answered is there again."""
    desk, (lost, other) = five_provinces(federation, windows=2)
    load = start_load(federation, desk, [other])
    acknowledged = start_load(federation, desk, [lost], durable_at_peers=True)
    office = federation.dir / "office"
    shutil.copytree(lost.dir, office, ignore=DATABASES)
    shutil.copytree(back_up(federation, lost), office / "backups")
    assert acknowledged.wait_answers(30, WAIT_SECONDS, node=lost)
    acknowledged.finish(WAIT_SECONDS)
    lost.kill()
    federation.say(f"{lost.region} loses its disk")
    for path in lost.dir.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert load.wait_answers(10, WAIT_SECONDS, node=other), "the others go on"

    shutil.copytree(office, lost.dir, dirs_exist_ok=True)
    restore(federation, lost, lost.dir / "backups")
    lost.expect_error("ledger.behind")
    lost.use_image(lost.image, ["--adopt-head"])
    lost.start()
    wait_writes(lost)
    lost.stop()
    lost.use_image(lost.image)
    lost.start()
    nodes = [desk, lost, other]
    wait_whole(nodes)
    after = submit(lost, load.item)
    finish(federation, load, nodes, other_cases={x.case for x in acknowledged.answers} | {after})
    federation.timeline.results |= {f"durable at peers: {k}": v for k, v in check(
        acknowledged, nodes, other_cases={x.case for x in load.answers} | {after}).items()}
