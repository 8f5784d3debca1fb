"""A member with a valid certificate turns hostile: floods, replays, oversize, slow reading, slow greetings, nonsense, another's
name. The others go on serving, stay small, say who it was, and afterwards all have the same."""
import hashlib
import os
import random
import socket
import ssl
import struct
import threading

import pytest
import sp_client
from cluster import wait_for
from containers import PORT
from history import check
from provinces5 import start_load
from sp_client import SpClient, envelope, hello, pull

HOSTILE = 340000
MEMORY_BYTES_MAX = 50 << 20
EMPTY_ROOT = hashlib.sha256(b"").digest()
ENDS = (OSError, ConnectionError, ssl.SSLError, AssertionError)


@pytest.fixture
def attacked(federation):
    """Three provinces at work, and a fourth member whose daemon never runs: the test speaks for it."""
    hostile = federation.add_node(str(HOSTILE), "安徽省")
    federation.nodes.remove(hostile)
    desk = federation.add_node("510000", "四川省", catalog="sichuan.json")
    windows = [federation.add_node("440000", "广东省"), federation.add_node("330000", "浙江省")]
    federation.cli("ca", "publish", "--dir", federation.ca_dir, hostile.dir)
    federation.start()
    for node in (desk, *windows):
        wait_for(lambda n=node: n.get("/v1/status").ok().json()["peers_connected"] == 2, 90, what=f"{node} to meet the others")
    load = start_load(federation, desk, windows)
    yield federation, desk, windows, load, hostile
    hostile.remove()


def end(federation, desk, windows, load):
    for node in (desk, *windows):
        assert node.memory_bytes() < MEMORY_BYTES_MAX, f"{node}: {node.memory_bytes()} bytes"
    assert load.wait_answers(10, 60)
    load.finish(120)
    federation.timeline.results = check(load, [desk, *windows])


def connect(desk, hostile, **options):
    return SpClient(desk.address, PORT, hostile.dir, **options)


def in_threads(work, count):
    failures = []

    def run(i):
        try:
            work(i)
        except Exception as e:  # told below
            failures.append(e)

    threads = [threading.Thread(target=run, args=(i,), daemon=True) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failures, failures


def test_well_behaved_first(attacked):
    """The client of these tests is understood when it keeps to the protocol: otherwise they would show nothing."""
    federation, desk, windows, load, hostile = attacked
    peer = connect(desk, hostile)
    kind, content = peer.ask(hello(HOSTILE))
    assert kind == sp_client.HELLO and content[4] == [510000]
    kind, batch = peer.ask(pull(510000, 0, EMPTY_ROOT))
    assert kind == sp_client.BATCH
    assert any(1 in sp_client.fields(item) for item in batch[5]), "public entries, the catalog, are for every member"
    peer.close()
    end(federation, desk, windows, load)


def test_flood_and_replay(attacked):
    """Thousands of requests, the same ones again and again, over as many connections as it gets."""
    federation, desk, windows, load, hostile = attacked
    federation.say("flood")
    answered = []

    def flood(i):
        try:
            peer = connect(desk, hostile)
            peer.ask(hello(HOSTILE))
            for _ in range(300):
                peer.send(pull(510000, 0, EMPTY_ROOT, max_bytes=1 << 16))
                answered.append(peer.receive()[0])
            peer.close()
        except ENDS:
            pass  # closed on: as it should be

    in_threads(flood, 12)
    assert answered
    assert load.wait_answers(10, 60, node=windows[0]) and load.wait_answers(3, 60, node=desk)
    end(federation, desk, windows, load)


def test_oversize_and_nonsense(attacked):
    federation, desk, windows, load, hostile = attacked
    federation.say("oversize and nonsense")
    dice = random.Random(1)
    for size in (3 << 20, 1 << 31, 1 << 40, (1 << 64) - 1):  # announced, more than any message has
        peer = connect(desk, hostile)
        with pytest.raises(ENDS):
            peer.send_raw(struct.pack(">Q", size))
            for _ in range(64):
                peer.send_raw(bytes(1 << 16))
            peer.receive()
    for _ in range(200):
        peer = connect(desk, hostile)
        try:
            if dice.random() < 0.5:
                peer.ask(hello(HOSTILE))
            peer.ask(dice.choice([dice.randbytes(dice.randrange(1, 2000)), envelope(dice.randrange(1, 30), [(dice.randrange(1, 12),
                     dice.randbytes(40)), (dice.randrange(1, 12), dice.getrandbits(60))])]))
        except ENDS:
            pass
        finally:
            peer.close()
    end(federation, desk, windows, load)


def test_another_ones_name(attacked):
    """It says it is Guangdong; it pulls a ledger that is not Sichuan's; it shows a root that never was."""
    federation, desk, windows, load, hostile = attacked
    peer = connect(desk, hostile)
    kind, content = peer.ask(hello(440000))
    assert kind == sp_client.ERROR and content[1] == [403], content
    peer = connect(desk, hostile)
    peer.ask(hello(HOSTILE))
    kind, content = peer.ask(pull(440000, 0, EMPTY_ROOT))
    assert kind == sp_client.ERROR and content[1] == [404], content
    kind, content = peer.ask(pull(510000, 1, os.urandom(32)))
    assert kind == sp_client.ERROR and content[1] == [409], content
    desk.wait_log("ledger.contradicted")
    desk.expect_error("ledger.contradicted")
    peer.close()
    end(federation, desk, windows, load)


def test_slow_reader_and_slow_greeting(attacked):
    """It asks for much and reads nothing; it begins hundreds of handshakes and never ends them."""
    federation, desk, windows, load, hostile = attacked
    federation.say("slow reader, slow greetings")
    slow = []
    for _ in range(6):
        peer = connect(desk, hostile, receive_buffer=4096, timeout=5)
        try:
            peer.ask(hello(HOSTILE))
            for _ in range(40):
                peer.send(pull(510000, 0, EMPTY_ROOT))
        except ENDS:
            pass  # its share of the places for requests is used up: nobody else's
        slow.append(peer)
    loris = []
    for _ in range(200):
        raw = socket.create_connection((desk.address, PORT), timeout=10)
        raw.sendall(b"\x16\x03\x01")
        loris.append(raw)
    assert load.wait_answers(10, 60, node=windows[0]), "the others are served"

    def gone(raw):
        raw.settimeout(0.05)
        try:
            return raw.recv(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True

    wait_for(lambda: all(map(gone, loris[:5])), 60, what="the desk to close handshakes that do not end")
    for peer in (*slow, *loris):
        peer.close()
    end(federation, desk, windows, load)
    wait_for(lambda: desk.get("/v1/status").ok().json()["peers_connected"] == 2, 60, what="the others to be connected")
