"""The witness door (C2SP tlog-witness over plain HTTP): the vectors over the real endpoint, races, kill -9, and its limits."""
import contextlib
import http.client
import json
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from c2sp_verify import Key, open_note, parse_checkpoint, sha256
from cluster import TREE, free_port, http_request, wait_for
from provinces import start_provinces
from tlog_maker import TestLog

VECTORS = json.loads((TREE / "tests/vectors/data/witness_add_checkpoint.json").read_text())


def add_witness(cluster, *vkeys, region="440000"):
    """A node with a witness door that knows the logs @vkeys."""
    node = cluster.add_node(region, "广东省")
    node.witness_port = free_port()
    (node.dir / "logs.txt").write_text("".join(f"log {vkey}\n" for vkey in vkeys) + "quorum none\n")
    path = node.dir / "node.json"
    settings = json.loads(path.read_text()) | {"witness_http": f"127.0.0.1:{node.witness_port}"}
    settings["ledger"]["policy"] = "logs.txt"
    path.write_text(json.dumps(settings, ensure_ascii=False))
    cluster.start()
    node.witness = Key(next(line.split()[2] for line in node.get("/v1/policy").ok().body.decode().splitlines()
                            if line.startswith(f"witness {region} ")))
    return node


def ask_once(node, method, path, body=None, timeout=90):
    connection = http.client.HTTPConnection("127.0.0.1", node.witness_port, timeout=timeout)
    return http_request(connection, method, path, body)


def ask(node, method, path, body=None):
    """Asks again when it has asked too often, as a log would."""
    def passed():
        reply = ask_once(node, method, path, body)
        return reply if reply.status != 429 else None

    return wait_for(passed, what="a witness that is not asked too often")


def add(node, body):
    return ask(node, "POST", "/add-checkpoint", body)


def type_of(reply):
    return {name.lower(): value for name, value in reply.headers.items()}["content-type"]


def assert_cosigned(node, request, answer, log):
    """@answer is signature lines of the witness over the checkpoint in @request; its time."""
    note = request.partition(b"\n\n")[2]
    assert answer.startswith("— ".encode()) and answer.endswith(b"\n")
    text, signed = open_note(note + answer, [Key(log), node.witness])
    assert signed.keys() == {0, 1} and abs(signed[1] - time.time()) < 600
    return parse_checkpoint(text)


def assert_served(node, log, size):
    """The monitoring prefix gives the checkpoint with both signatures."""
    key = Key(log)
    reply = ask(node, "GET", f"/{sha256(key.name.encode()).hex()}/checkpoint")
    assert reply.status == 200 and type_of(reply) == "text/plain; charset=utf-8"
    text, signed = open_note(reply.body, [key, node.witness])
    assert signed.keys() == {0, 1} and parse_checkpoint(text)[:2] == (key.name, size)


def test_vectors(cluster):
    node = add_witness(cluster, VECTORS["log_vkey"], VECTORS["own_log_vkey"])
    node.expect_error("witness.contradiction")
    seen = set()
    for step in VECTORS["litewitness_sequence"]:
        request = step["request"].encode()
        reply = add(node, request)
        assert reply.status == step["status_c2sp_head"], (step, reply)
        if reply.status == 200:
            size = assert_cosigned(node, request, reply.body, VECTORS["log_vkey"])[1]
            assert_served(node, VECTORS["log_vkey"], size)
        elif reply.status == 409:
            assert reply.body.decode() == step["body_check"][1] and type_of(reply) == "text/x.tlog.size"
        seen.add(reply.status)
    for step in VECTORS["own_sequence"]:
        request = step["request"].encode()
        reply = add(node, request)
        assert reply.status == step["status"], (step, reply)
        if reply.status == 200:
            assert assert_cosigned(node, request, reply.body, VECTORS["own_log_vkey"])[1] == step["then_size"]
            assert_served(node, VECTORS["own_log_vkey"], step["then_size"])
        if "body" in step:
            assert reply.body.decode() == step["body"] and type_of(reply) == step["content_type"]
        seen.add(reply.status)
    assert seen == {200, 400, 403, 404, 409, 422}
    alarm, = node.get("/v1/alarms").ok().json()["alarms"]
    assert alarm["id"] == "witness.contradiction" and VECTORS["own_origin"] in alarm["text"]

    # a member's ledger is witnessed here, too; nobody is his own witness
    own = node.get("/v1/ledger/checkpoint").ok().body
    assert add(node, b"old 0\n\n" + own).status == 404


def test_of_racing_requests_one_wins(cluster):
    log = TestLog("race.example/log").grow(400)
    node = add_witness(cluster, log.vkey)
    old = 0
    for round in range(12):
        sizes = [old + 3 + i for i in range(5)]  # five extensions from one size; each is right by itself
        replies = {}

        def post(size):
            replies[size] = add(node, log.request(old, size))

        threads = [threading.Thread(target=post, args=(size,)) for size in sizes]
        [t.start() for t in threads]
        [t.join() for t in threads]
        won = [size for size in sizes if replies[size].status == 200]
        assert len(won) == 1, replies
        for size in set(sizes) - set(won):
            assert replies[size].status == 409 and replies[size].body == b"%d\n" % won[0], replies
        old = won[0]
    assert_served(node, log.vkey, old)


def test_kill_9_never_takes_a_cosignature_back(cluster):
    """Whatever was answered is still there after kill -9: the state is durable before the signature leaves."""
    log = TestLog("kill.example/log").grow(1500)
    fork = TestLog("kill.example/log", salt=b"other ").grow(1500)
    node = add_witness(cluster, log.vkey)
    cosigned = 0
    for kill in range(6):
        stop = threading.Event()

        def load():
            nonlocal cosigned
            while not stop.is_set() and cosigned < log.size - 2:
                try:
                    reply = ask_once(node, "POST", "/add-checkpoint", log.request(cosigned, cosigned + 1))
                except (OSError, http.client.HTTPException):
                    return
                if reply.status == 200:
                    cosigned += 1
                elif reply.status == 409:  # the last answer was lost
                    assert int(reply.body) in (cosigned, cosigned + 1), (reply, cosigned)
                    cosigned = int(reply.body)

        thread = threading.Thread(target=load)
        before = cosigned
        thread.start()
        wait_for(lambda: cosigned >= before + 5 + 3 * kill, what="some cosignatures")
        node.kill()
        stop.set()
        thread.join()
        node.start()
        reply = add(node, log.request(0, 1))
        assert reply.status == 409 and int(reply.body) in (cosigned, cosigned + 1), (reply, cosigned)
        cosigned = int(reply.body)
        assert_served(node, log.vkey, cosigned)
        # the other history finds no way in
        assert add(node, fork.request(cosigned, cosigned + 5)).status == 422
        assert add(node, fork.request(0, 4)).status == 409  # shorter than what is cosigned: refused without a word about roots
    assert cosigned > 30


def wait_end(s):
    """Until the other side has closed."""
    try:
        while s.recv(4096):
            pass
    except ConnectionResetError:
        pass
    s.close()


def test_limits(cluster):
    log = TestLog("limits.example/log").grow(3)
    node = add_witness(cluster, log.vkey)
    # nothing else of the node can be reached here
    for path in ("/", "/v1/status", "/healthz", "/metrics", "/v1/ledger/checkpoint", "/checkpoint", "/x/checkpoint",
                 f"/{log.hash.upper()}/checkpoint", f"/{log.hash}/checkpoint"):
        assert ask(node, "GET", path).status == 404, path
    assert ask(node, "GET", "/add-checkpoint").status == 405
    assert node.request("POST", "/add-checkpoint", b"x").status == 404, "and the witness not over the local API"
    assert node.request("POST", "/add-checkpoint", b"x", over="tcp").status == 404

    too_large = b"old 0\n\n" + b"x" * (1 << 20)
    assert add(node, too_large).status == 413
    assert add(node, b"").status == 400 and add(node, b"\xff" * 9).status == 400

    # whoever asks too often is told to wait, and served again afterwards
    def too_often():
        """What more than a second's allowance gets, when it is asked for within a second: on a slow machine, not at the first try."""
        with ThreadPoolExecutor(4) as pool:  # not so many that there is no connection for one
            replies = list(pool.map(lambda _: ask_once(node, "GET", f"/{log.hash}/checkpoint"), range(60)))
        assert {reply.status for reply in replies} <= {404, 429}
        return [reply for reply in replies if reply.status == 429]

    assert {reply.json()["id"] for reply in wait_for(too_often, what="being told to wait")} == {"http.rate"}
    reply = add(node, log.request(0))
    assert reply.status == 200
    assert_cosigned(node, log.request(0), reply.body, log.vkey)

    # at most so many connections of one address; a slow one is cut
    held = []

    def hold():
        held.append(socket.create_connection(("127.0.0.1", node.witness_port), timeout=180))
        with contextlib.suppress(ConnectionError):  # refused already
            held[-1].sendall(b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")

    def is_refused():
        try:
            ask_once(node, "GET", f"/{log.hash}/checkpoint")
        except TimeoutError:
            raise AssertionError("one connection too many is not refused, it hangs") from None
        except (OSError, http.client.HTTPException):
            return True
        hold()  # a connection that was ending was still counted when one of those came
        return False

    def is_open(s):
        s.setblocking(False)
        try:
            return s.recv(1, socket.MSG_PEEK) != b""
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        finally:
            s.setblocking(True)
            s.settimeout(60)

    for _ in range(8):
        hold()
    wait_for(is_refused, what="one connection too many")
    assert 1 <= sum(map(is_open, held)) <= 8
    began = time.monotonic()
    for s in held:
        wait_end(s)
    assert time.monotonic() - began < 50, "the deadline of a request is 10 s"
    assert_served(node, log.vkey, 3)
    assert node.get("/healthz").status == 200


def test_there_is_no_door_unless_asked_for(cluster):
    a, b = start_provinces(cluster, "510000", "440000")
    assert "witness" not in (a.dir / "node.json").read_text()
    listening = {line.split()[1].rsplit(":", 1)[1] for line in open("/proc/net/tcp").readlines()[1:]
                 if line.split()[3] == "0A"}
    own = {f"{port:04X}" for port in (a.http_port, a.federation_port)}
    assert own <= listening
    config = json.loads((a.dir / "node.json").read_text())
    a.stop()
    for value, id in (("wit.example:8520", "http.address"), ("127.0.0.1", "config.value"), ("0.0.0.0:0", "config.value")):
        (a.dir / "node.json").write_text(json.dumps(config | {"witness_http": value}))
        done = subprocess.run([cluster.program("tongband"), "--config", a.dir / "node.json", "--check"],
                              capture_output=True, text=True, timeout=180)
        assert done.returncode != 0 and f"({id})" in done.stderr, done.stderr
    (a.dir / "node.json").write_text(json.dumps(config))
    a.start()
