"""A disk that is full, full at the start, limited, or read-only: for real, with a small file system of its own under the
node's folder.

The node says what is wrong and refuses (507), stays, answers what it can, harms nobody else, and goes on by itself when
there is room again; nothing that was answered is lost. Where this process may not mount (no user namespaces), those
tests are skipped; what a failing write does is then still tried with a limit on the size of files.
"""
import ctypes
import os
import resource
import shutil
import sys
import time
from pathlib import Path

import pytest
from cluster import CommandFailed, wait_for
from load import Load, check_ledgers, find_item, three_provinces, verify_all, view

DISK_BYTES = 128 << 20
RESUME_SECONDS = 10  # the store is tried once a second (node/README.md)
RESUME_TRIES = 3  # the shortest counts: a machine that stands still is no fault of the node
MS_RDONLY, MS_REMOUNT = 1, 32

libc = ctypes.CDLL(None, use_errno=True)


def mount(what, where, kind, flags, options):
    if libc.mount(what.encode(), str(where).encode(), kind.encode(), flags, options.encode()) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), str(where))


@pytest.fixture(scope="session")
def own_mounts():
    """Mounts of this process and its children are theirs alone from now on."""
    uid, gid = os.getuid(), os.getgid()
    try:
        os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNS)
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            with open(f"/proc/self/{name}", "w") as f:
                f.write(text)
    except OSError as e:
        pytest.skip(f"no mount namespace of our own: {e}")


class Disk:
    """The file system under a node's folder."""

    def __init__(self, node):
        self.dir = node.dir
        self.filler = node.dir / "filler"
        before = node.dir.with_suffix(".before")
        node.dir.rename(before)
        node.dir.mkdir(mode=0o700)
        mount("tmpfs", self.dir, "tmpfs", 0, f"size={DISK_BYTES},mode=0700")
        shutil.copytree(before, self.dir, dirs_exist_ok=True)

    def fill(self):
        with open(self.filler, "ab", buffering=0) as f:
            try:
                while True:
                    f.write(bytes(65536))
            except OSError as e:
                assert e.strerror == "No space left on device", e

    def free(self):
        self.filler.unlink()

    def set_read_only(self, on):
        mount("tmpfs", self.dir, "tmpfs", MS_REMOUNT | (MS_RDONLY if on else 0), f"size={DISK_BYTES}")


@pytest.fixture
def three(cluster, own_mounts):
    """(desk, windows, disks): three provinces, each on its own small disk, with the catalog everywhere."""
    nodes = [
        cluster.add_node("510000", "四川省", catalog="catalog/data/sichuan.json", proxied=False),
        cluster.add_node("440000", "广东省", proxied=False),
        cluster.add_node("330000", "浙江省", proxied=False),
    ]
    disks = {node: Disk(node) for node in nodes}
    cluster.start()
    return nodes[0], nodes[1:], disks


def health(node):
    reply = node.get("/healthz")
    return reply.status, reply.json()


def check_degraded(node, pid, case, word):
    status, body = health(node)
    assert status == 503 and body["status"] == "degraded" and word in body["writer"], body
    assert node.is_running and node.pid == pid
    assert node.get("/v1/status").status == 200
    assert "tongban_writer_ok 0" in node.get("/metrics").body.decode()
    assert view(node, case)["events"], "what is committed can be read"
    assert node.get("/v1/cases?limit=5").ok().json()["cases"]
    assert node.get("/v1/peers").ok().json()["peers"]


def fill_and_free(desk, windows, victim, fill, free, statuses, word):
    """Load all the time; @victim cannot write for a while. Returns the load, finished and checked."""
    load = Load(windows, desk, find_item(windows[0], desk), pace_s=0.02)
    find_item(windows[1], desk)
    load.start()
    assert load.wait_answers(15) and load.wait_answers(3, node=victim)
    case = load.answers[0].case if victim is desk else next(x.case for x in load.answers if x.node is victim)
    pid = victim.pid
    assert view(victim, case)

    fill()
    wait_for(lambda: health(victim)[0] == 503, what=f"{victim} to notice")
    # (asked here: what the desk's threads ask about may all be cases that can no longer reach it, 404)
    refused = victim.post(f"/v1/cases/{case}/events", {"type": "note", "note": "no room"}, headers={"Idempotency-Key": "no-room"})
    assert refused.status in statuses, refused.body
    check_degraded(victim, pid, case, word)
    other = next(node for node in windows if node is not victim)
    assert load.wait_answers(10, node=other), "the others stand still"
    assert health(other)[0] == 200
    check_degraded(victim, pid, case, word)  # still, and not by turns
    assert len(victim.log_lines("ledger.resumed")) == 0
    refusals = {(status, node) for node, status, _ in load.refused}
    assert refusals <= {(status, victim) for status in statuses}, load.refused[-5:]

    took = []
    while True:
        free()
        began = time.monotonic()
        wait_for(lambda: health(victim)[0] == 200, what=f"{victim} to go on")
        took.append(time.monotonic() - began)
        if took[-1] < RESUME_SECONDS or len(took) == RESUME_TRIES:
            break
        fill()
        wait_for(lambda: health(victim)[0] == 503, what=f"{victim} to notice again")
    assert min(took) < RESUME_SECONDS, f"there was room again, and {victim} went on after {took} s only"
    assert victim.pid == pid
    assert load.wait_answers(5, node=victim)
    load.finish()
    nodes = [desk, *windows]
    check_ledgers(load, nodes)
    verify_all(nodes)


@pytest.mark.parametrize("who", ["window", "desk"])
def test_full_disk_under_load(three, who):
    desk, windows, disks = three
    victim = desk if who == "desk" else windows[0]
    victim.expect_error("store.full")
    fill_and_free(desk, windows, victim, disks[victim].fill, disks[victim].free, {507}, "full")


def test_full_disk_at_start(three):
    desk, windows, disks = three
    victim = windows[0]
    victim.stop()
    disks[victim].fill()
    victim.start(wait=False)
    assert victim.wait_exit() != 0
    assert "No space left on device" in victim.log_tail(5) or "full" in victim.log_tail(5), victim.log_tail(5)
    disks[victim].free()
    victim.start()
    assert health(victim)[0] == 200
    verify_all([victim])


def test_read_only_folder_at_start(three):
    desk, windows, disks = three
    victim = windows[0]
    victim.stop()
    disks[victim].set_read_only(True)
    victim.start(wait=False)
    assert victim.wait_exit() != 0
    said = victim.log_tail(3)
    assert "Read-only file system" in said and str(victim.dir) in said, said
    disks[victim].set_read_only(False)
    victim.start()
    assert health(victim)[0] == 200


def test_a_package_that_does_not_fit(cluster, own_mounts, tmp_path):
    """归档 onto a disk that gets full on the way: nothing is left of it, the message says so, and with room it works."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "whole"))
    from provinces import act, start_provinces, submit, wait_status

    a, b = start_provinces(cluster, "440000", "510000", files=True)
    case = submit(a)
    scan = tmp_path / "scan.pdf"
    scan.write_bytes(b"%PDF-1.4\n" + os.urandom(3 << 20))
    a.cli("material", "add", case, str(scan))
    act(a, case, "withdraw").ok()
    wait_status(case, "withdrawn", a, b)
    disk = tmp_path / "disk"
    disk.mkdir()
    for size in (24 << 10, 2 << 20):  # in the middle of the entries, and of the file
        mount("tmpfs", disk, "tmpfs", 0, f"size={size},mode=0700")
        with pytest.raises(CommandFailed) as full:
            a.cli("case", "archive-export", case, str(disk / "package"), "--purpose", "归档")
        assert full.value.status == 6 and "No space left on device" in full.value.stderr, full.value
        assert "(archive.write)" in full.value.stderr and list(disk.iterdir()) == [], full.value
        assert libc.umount2(str(disk).encode(), 0) == 0, "a file there is still open"
    assert health(a)[0] == 200
    a.cli("case", "archive-export", case, str(disk / "package"), "--purpose", "归档")
    a.cli("case", "archive-verify", str(disk / "package"))


def set_file_limit(node, size):
    _, hard = resource.prlimit(node.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(node.pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))


def test_files_may_not_grow(cluster):
    """Not full, but each write beyond a limit fails: an I/O error as from a broken disk, 500."""
    desk, windows = three_provinces(cluster)
    victim = windows[0]
    victim.expect_error("store.io")

    def fill():
        set_file_limit(victim, 65536)  # room for the -shm of a reader, not for another commit

    fill_and_free(desk, windows, victim, fill, lambda: set_file_limit(victim, None), {500}, "I/O error")
