"""The ledger read by a stranger's tool: checkpoint and tiles over HTTP (C2SP tlog-tiles) with the reader of tests/lib, and the
same through the command line."""
import json
import subprocess
import sys

import pytest

from c2sp_verify import Leaf, Policy, Refused
from cluster import TREE, wait_for
from provinces import start_provinces, submit
from tlog_reader import Answer, Log, tile_path

QUICK = {"heads_busy_s": 1, "heads_idle_s": 2, "heads_stale_s": 60, "witness_round_ms": 100}


def fetch_of(node):
    def fetch(path):
        reply = node.get(f"/v1/ledger/{path}", over="tcp")
        return Answer(reply.status, reply.headers, reply.body)

    return fetch


def policy_of(node):
    return Policy(node.get("/v1/policy").ok().body)


def final_size(node):
    return node.get("/v1/ledger/witnesses").ok().json()["final_size"]


def test_a_stranger_reads_the_whole_ledger(cluster):
    nodes = start_provinces(cluster, "510000", "440000", "330000", ledger=QUICK)
    window = nodes[1]
    serial = 2
    while window.get("/v1/ledger").ok().json()["size"] < 530:  # two full tiles, one of level 1, and partial ones
        submit(window, serial=serial % 900)
        serial += 1
    wait_for(lambda: final_size(window) >= 530, what="a quorum for 530 entries")

    log = Log(fetch_of(window), policy_of(window))
    entries, (origin, size, root, times) = log.read()
    assert size >= 530 and len(entries) == size and origin.startswith("440000")
    assert log.policy.is_satisfied(times.keys()), "the served checkpoint is cosigned by a quorum"
    for index, entry in enumerate(entries):
        leaf = Leaf(entry)
        assert (leaf.origin, leaf.index) == (440000, index)

    # the tool as its user runs it, against the port
    (cluster.dir / "policy.txt").write_bytes(window.get("/v1/policy").ok().body)
    done = subprocess.run(
        [sys.executable, TREE / "tests/lib/tlog_reader.py", f"http://127.0.0.1:{window.http_port}/v1/ledger",
         "--policy", cluster.dir / "policy.txt", "--token", window.dir / "api.token"],
        capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["size"] >= size and said["quorum"] is True

    # a checkpoint and tiles that do not fit together are noticed: the reader is worth its name
    def tampered(path):
        answer = fetch_of(window)(path)
        if path == tile_path("entries", 1, 256):
            answer.body = answer.body[:-1] + bytes([answer.body[-1] ^ 1])
        return answer

    with pytest.raises(Refused, match="signed root"):
        Log(tampered, log.policy).read()

    check_command_line(cluster, window, entries)
    check_refusals(window, size)


def check_command_line(cluster, node, entries):
    env = {"TONGBAN_DIR": str(node.dir)}
    program = cluster.program("tongban")

    def bytes_of(*words):
        done = subprocess.run([program, *words], capture_output=True, timeout=180, env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    fetch = fetch_of(node)
    assert bytes_of("ledger", "tile", "0", "1") == fetch("tile/0/001").body
    assert bytes_of("ledger", "tile", "1", "0", "--width", "2") == fetch("tile/1/000.p/2").body
    assert bytes_of("ledger", "tile", "entries", "0", "--width", "3") == b"".join(
        len(e).to_bytes(2, "big") + e for e in entries[:3])
    assert bytes_of("policy") == node.get("/v1/policy").ok().body
    assert Policy(bytes_of("policy")).open(bytes_of("ledger", "checkpoint"))[1] >= len(entries)

    def shown_between_two_looks():
        """What the command shows, and the size before and after it: it grows every second."""
        before, shown = final_size(node), bytes_of("ledger", "witnesses").decode()
        return (shown, before) if before == final_size(node) else None

    shown, size = wait_for(shown_between_two_looks, what="a second in which the ledger does not grow")
    assert "510000" in shown and "330000" in shown and "440000" not in shown
    assert f"cosigned by a quorum): {size} entries" in shown
    assert bytes_of("ledger", "evidence") == b"no node has signed two histories\n"
    assert bytes_of("alarm", "list") == b"no alarms since the start\n"


def check_refusals(node, size):
    for path, status in [
        ("tile/0/002.p/256", 400), ("tile/0/002.p/0", 400), ("tile/0/002.p/01", 400), ("tile/0/2", 400), ("tile/00/000", 400),
        ("tile/8/000", 400), ("tile/0/x000/001", 400), ("tile/entries/", 400), ("tile/0/000/", 400), ("tile/", 404),
        ("tile/0/999", 404), ("tile/entries/002", 404), ("tile/3/000", 404), ("tile/1/000", 404), ("tile/2/000.p/1", 404),
        (f"tile/0/002.p/{size - 512 + 200}", 404),
    ]:
        answer = fetch_of(node)(path)
        assert answer.status == status, (path, answer.body)
        assert "no-store" in answer.headers["cache-control"], path
    assert node.get("/v1/ledger/tile/0/000?x=1").status == 400
    assert node.post("/v1/ledger/tile/0/000", {}).status == 405
