"""A member with a valid certificate turns hostile: floods, repeats, oversize, slow reading, slow greetings, nonsense, another's
name, two histories of its ledger, old signed messages again. The others go on serving, stay small, say who it was, and afterwards all have the same."""
import base64
import hashlib
import os
import random
import socket
import ssl
import struct
import threading
import time

import pytest
import sp_client
from cluster import wait_for
from containers import PORT
from forged_member import ForgedMember
from history import check
from provinces5 import WAIT_SECONDS, start_load
from sp_client import ADD_CHECKPOINT, BATCH, COSIG, GOSSIP, HINT, OK, PULL, SpClient, envelope, hello, message, pull
from tlog_maker import consistency
from tlog_reader import tree_root

HOSTILE = 340000
MEMORY_BYTES_MAX = 50 << 20  # when it is over
PEAK_BYTES_MAX = 75 << 20  # while it lasts; 43 was seen
DESCRIPTORS_FREE = 24  # that come and go with connections of clients and peers
NOBODY = 110000  # no member: entries for it are hashes to all others
GOSSIPING = {"heads_busy_s": 1, "heads_idle_s": 1, "heads_stale_s": 3600}
EMPTY_ROOT = hashlib.sha256(b"").digest()
ENDS = (OSError, ConnectionError, ssl.SSLError, AssertionError)
CONNECT_SECONDS = 60  # and for an answer; a TCP connection to a full queue is tried again after 1, 3, 7, 15, 31 s


class Watch(threading.Thread):
    """Of each node, while it is under attack: how many descriptors it had before, and at most."""

    def __init__(self, nodes):
        super().__init__(daemon=True)
        self.before = {node: node.descriptor_count() for node in nodes}
        self.most = dict(self.before)
        self.problem = None
        self._ended = threading.Event()
        self.start()

    def run(self):
        try:
            while not self._ended.wait(0.2):
                for node in self.most:
                    self.most[node] = max(self.most[node], node.descriptor_count())
        except Exception as e:  # told by end()
            self.problem = e

    def end(self):
        self._ended.set()
        self.join(60)
        assert self.problem is None, self.problem


@pytest.fixture
def attacked(federation, request):
    """Three provinces at work, and a fourth member whose daemon never runs: the test speaks for it."""
    ledger = getattr(request, "param", None)
    hostile = federation.add_stranger(str(HOSTILE), "安徽省")
    desk = federation.add_node("510000", "四川省", catalog="sichuan.json", ledger=ledger)
    windows = [federation.add_node("440000", "广东省", ledger=ledger), federation.add_node("330000", "浙江省", ledger=ledger)]
    federation.cli("ca", "publish", "--dir", federation.ca_dir, hostile.dir)
    federation.start()
    for node in (desk, *windows):
        wait_for(lambda n=node: n.get("/v1/status").ok().json()["peers_connected"] == 2, WAIT_SECONDS, what=f"{node} to meet the others")
    load = start_load(federation, desk, windows)
    federation.watch = Watch([desk, *windows])
    yield federation, desk, windows, load, hostile


def end(federation, desk, windows, load, connections=0):
    """@connections: how many the attack has had open at once, at most."""
    assert load.wait_answers(10, WAIT_SECONDS)
    load.finish(WAIT_SECONDS)
    watch = federation.watch
    watch.end()
    figures = {}
    for node in (desk, *windows):
        peak, most = node.peak_bytes(), watch.most[node]
        figures |= {f"{node.region}: peak, MiB": peak >> 20, f"{node.region}: descriptors before, at most": f"{watch.before[node]}, {most}"}
        assert peak < PEAK_BYTES_MAX, f"{node}: {peak} bytes at most"
        assert most <= watch.before[node] + connections + DESCRIPTORS_FREE, f"{node}: {most} descriptors, before it {watch.before[node]}"
        assert node.memory_bytes() < MEMORY_BYTES_MAX, f"{node}: {node.memory_bytes()} bytes"
        wait_for(lambda n=node: n.descriptor_count() <= watch.before[n] + DESCRIPTORS_FREE, WAIT_SECONDS, what=f"{node} to have given descriptors back")
    federation.timeline.results = check(load, [desk, *windows]) | figures


def connect(desk, hostile, **options):
    """Again, where the machine stood still for so long in the middle of it that the desk gave it up."""
    return wait_for(lambda: SpClient(desk.address, PORT, hostile.dir, timeout=CONNECT_SECONDS, **options), WAIT_SECONDS, what=f"{desk} to take a connection")


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
        thread.join(WAIT_SECONDS)
    assert not failures, failures


def test_well_behaved_first(attacked):
    """The client of these tests is understood when it keeps to the protocol: otherwise they would show nothing."""
    federation, desk, windows, load, hostile = attacked
    peer = connect(desk, hostile)
    kind, content = peer.ask(hello(HOSTILE))
    assert kind == sp_client.HELLO and content[4] == [510000]
    kind, batch = peer.ask(pull(510000, 0, EMPTY_ROOT))
    assert kind == BATCH
    assert any(1 in sp_client.fields(item) for item in batch[5]), "public entries, the catalog, are for every member"
    peer.close()
    end(federation, desk, windows, load)


def test_flood(attacked):
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
    assert load.wait_answers(10, WAIT_SECONDS, node=windows[0]) and load.wait_answers(3, WAIT_SECONDS, node=desk)
    end(federation, desk, windows, load, connections=12)


def test_oversize_and_nonsense(attacked):
    federation, desk, windows, load, hostile = attacked
    federation.say("oversize and nonsense")
    dice = random.Random(1)
    for size in (3 << 20, 1 << 31, 1 << 40, (1 << 64) - 1):  # announced, more than any message has
        peer = connect(desk, hostile)
        with pytest.raises(ENDS) as ended:
            peer.send_raw(struct.pack(">Q", size))
            for _ in range(64):
                peer.send_raw(bytes(1 << 16))
            peer.receive()
        assert not isinstance(ended.value, TimeoutError), f"the desk waits for a message of {size} bytes"
        peer.close()
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
    desk.wait_log("ledger.contradicted", seconds=WAIT_SECONDS)
    desk.expect_error("ledger.contradicted")
    peer.close()
    end(federation, desk, windows, load)


def test_slow_reader_and_slow_greeting(attacked):
    """It asks for much and reads nothing; it begins hundreds of handshakes and never ends them."""
    federation, desk, windows, load, hostile = attacked
    federation.say("slow reader, slow greetings")
    slow, greeted = [], 0
    for _ in range(6):
        peer = connect(desk, hostile, receive_buffer=4096)
        slow.append(peer)
        try:
            peer.sock.settimeout(5 if greeted else CONNECT_SECONDS)
            peer.ask(hello(HOSTILE))
            greeted += 1
            peer.sock.settimeout(5)
            for _ in range(40):
                peer.send(pull(510000, 0, EMPTY_ROOT))
        except ENDS:
            pass  # its share of the places for requests is used up: nobody else's
    assert greeted
    loris = []
    for _ in range(200):
        raw = socket.create_connection((desk.address, PORT), timeout=CONNECT_SECONDS)
        loris.append(raw)
        try:
            raw.sendall(b"\x16\x03\x01")
        except OSError:
            pass  # closed by the desk while this machine stood still
    assert load.wait_answers(10, WAIT_SECONDS, node=windows[0]), "the others are served"

    def stands(raw):
        try:
            return raw.recv(1) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    for raw in loris:
        raw.setblocking(False)
    wait_for(lambda: not any(map(stands, loris)), WAIT_SECONDS, what="the desk to close all handshakes that do not end")
    for peer in (*slow, *loris):
        peer.close()
    end(federation, desk, windows, load, connections=len(slow) + len(loris))
    wait_for(lambda: desk.get("/v1/status").ok().json()["peers_connected"] == 2, WAIT_SECONDS, what="the others to be connected")


def peer_of(node):
    return next(p for p in node.get("/v1/peers").ok().json()["peers"] if p["code"] == HOSTILE)


def wait_held(nodes, size):
    for node in nodes:
        wait_for(lambda n=node: peer_of(n)["held_size"] == size, WAIT_SECONDS, what=f"{node} to hold {size} entries of the hostile member")


def evidence_of(node):
    return node.get("/v1/ledger/evidence").ok().json()["evidence"]


def alarms_about_it(node, id):
    return [x for x in node.log_lines(id) if x.subject == str(HOSTILE)]


@pytest.mark.parametrize("attacked", [GOSSIPING], indirect=True, ids=["gossiping"])
def test_two_histories(attacked):
    """It shows one history of its ledger to the desk and a window and another to the other window, each signed. All hold evidence, nobody
    takes anything from it any more, and among the others all goes on."""
    federation, desk, windows, load, hostile = attacked
    nodes = [desk, *windows]
    for node in nodes:
        for id in ("ledger.equivocation", "ledger.what-to-do", "ledger.accused", "ledger.contradicted", "frontier.root"):
            node.expect_error(id)
    with ForgedMember(hostile, federation.name, host=federation.gateway) as member:
        for _ in range(5):
            member.add(to=[NOBODY])
        wait_held(nodes, 5)
        federation.say("two histories")
        other = member.fork(int(windows[0].region))
        for ledger in (member, other, member, other):
            ledger.add(to=[NOBODY], salt=os.urandom(32))
        for node in nodes:
            wait_for(lambda n=node: peer_of(n)["state"] == "frozen" and peer_of(n)["disputed"], WAIT_SECONDS, what=f"{node} to hold evidence")
            rows = wait_for(lambda n=node: evidence_of(n), WAIT_SECONDS, what=f"{node} to have written or got evidence")
            assert {(x["accused"], x["common_size"]) for x in rows} == {(HOSTILE, 4)}, rows  # 5, down to a whole subtree
            told = node.wait_log("ledger.what-to-do", seconds=WAIT_SECONDS)
            assert all(str(HOSTILE) in x.line for x in told), told
            wait_for(lambda n=node: alarms_about_it(n, "ledger.equivocation") or alarms_about_it(n, "ledger.accused"), WAIT_SECONDS,
                     what=f"{node} to name it")
        for ledger in (member, other):
            ledger.add(to=[NOBODY])
        peer = connect(desk, hostile)
        peer.ask(hello(HOSTILE))
        kind, answer = peer.ask(add_checkpoint(member, 0, len(member.hashes)))
        assert kind == COSIG and answer[1] != [200], "no cosignature for who is disputed"
        peer.close()
        assert load.wait_answers(10, WAIT_SECONDS, node=windows[0]) and load.wait_answers(3, WAIT_SECONDS, node=desk)
        assert all(peer_of(n)["held_size"] < len(member.entries) for n in nodes), "what came after that is not taken"
    end(federation, desk, windows, load, connections=1)


def add_checkpoint(ledger, old, size):
    """Body of C2SP tlog-witness."""
    proof = [base64.b64encode(x).decode() for x in consistency(old, ledger.hashes[:size])]
    return envelope(ADD_CHECKPOINT, [(1, "\n".join([f"old {old}", *proof, "", ""]).encode() + ledger.note(size))])


@pytest.mark.parametrize("attacked", [GOSSIPING], indirect=True, ids=["gossiping"])
def test_replays(attacked):
    """Messages that were right in their time, its own and the others', again: checkpoints, gossip, hints, batches, cosignatures. Refused, or
    without effect."""
    federation, desk, windows, load, hostile = attacked
    nodes = [desk, *windows]
    cosigned, gossip = {}, []

    def cosign(asked, code):
        """The first checkpoint of each, rightly; afterwards the same cosignature again."""
        note = asked[1][0].split(b"\n\n", 1)[1]
        if code not in cosigned:
            cosigned[code] = member.witness.line(note[: note.index(b"\n\n") + 1], int(time.time()))
        return envelope(COSIG, [(1, 200), (2, cosigned[code])])

    def hear(asked, code):
        if code == int(desk.region):
            gossip.append(envelope(GOSSIP, [(1, view) for view in asked[1]]))
        return envelope(OK, [])

    for node in nodes:
        node.expect_error("witness.bad-answer")
    with ForgedMember(hostile, federation.name, host=federation.gateway) as member:
        member.answers |= {ADD_CHECKPOINT: cosign, GOSSIP: hear}
        for _ in range(4):
            member.add(to=[NOBODY])
        wait_held(nodes, 4)
        old_batch = member.batch(int(desk.region), 0, 16)
        old_view = message([(1, member.note()), (2, tree_root(member.hashes))])
        peer = connect(desk, hostile)
        peer.ask(hello(HOSTILE))
        old_checkpoint = add_checkpoint(member, 0, 4)
        kind, answer = peer.ask(old_checkpoint)
        assert kind == COSIG and answer[1] == [200], answer
        for _ in range(4):
            member.add(to=[NOBODY])
        wait_held(nodes, 8)
        new_checkpoint = add_checkpoint(member, 4, 8)
        kind, answer = peer.ask(new_checkpoint)
        assert kind == COSIG and answer[1] == [200], answer
        wait_for(lambda: len(gossip) > 3, WAIT_SECONDS, what="the desk to gossip")

        federation.say("replays")
        peer.close()
        peer = connect(desk, hostile)  # the desk closes one that was silent for two minutes
        peer.ask(hello(HOSTILE))
        desk.expect_error("ledger.rolled-back")
        for _ in range(20):
            for body in (old_checkpoint, new_checkpoint):
                kind, answer = peer.ask(body)
                assert (kind, answer[1], answer[2]) == (COSIG, [409], [b"8\n"]), (kind, answer)
            for body in (gossip[0], envelope(GOSSIP, [(1, old_view)]), envelope(HINT, [(1, HOSTILE), (2, 4)])):
                kind, answer = peer.ask(body)
                assert kind == OK, (kind, answer)
        member.answers[PULL] = lambda asked, code: old_batch if code == int(desk.region) else member._pull(code, asked)
        member.add(to=[NOBODY])
        wait_for(lambda: alarms_about_it(desk, "ledger.rolled-back"), WAIT_SECONDS, what="the desk to refuse the old batch")
        for node in nodes:
            wait_for(lambda n=node: alarms_about_it(n, "witness.bad-answer"), WAIT_SECONDS, what=f"{node} to refuse the old cosignature")
        wait_held(windows, 9)
        assert load.wait_answers(10, WAIT_SECONDS, node=windows[0]) and load.wait_answers(3, WAIT_SECONDS, node=desk)
        state = peer_of(desk)
        assert state["held_size"] in (8, 9) and state["state"] != "frozen" and not state["disputed"], state
        assert all(evidence_of(node) == [] for node in nodes)
        peer.close()
    end(federation, desk, windows, load, connections=1)
