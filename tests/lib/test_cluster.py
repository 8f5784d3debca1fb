"""The cluster fixture itself, with stand-ins for the two programs: above all, that it fails a test when it should."""
import os
import signal
import sys
import textwrap
from pathlib import Path

import pytest

import cluster as lib
from cluster import Cluster, ClusterProblem, CommandFailed, LogLine, free_port, wait_for

TONGBAN = """
    import json, os, sys
    words = [w for w in sys.argv[1:] if w != "--json"]
    options = {w: words[i + 1] for i, w in enumerate(words[:-1]) if w.startswith("--")}
    if words[:2] in (["ca", "init"], ["node", "init"]):
        os.makedirs(options["--dir"])
        json.dump(options, open(options["--dir"] + "/node.json", "w"))
        open(options["--dir"] + "/api.token", "w").write("secret\\n")
    elif words[:1] == ["fail"]:
        sys.exit("tongban: cannot do that")
    elif "--json" in sys.argv:
        print(json.dumps({"node": os.path.basename(os.environ["TONGBAN_DIR"]), "words": words}))
"""

# Answers /healthz, echoes POST bodies, and does what the path says; serves the federation port with an echo.
TONGBAND = """
    import http.server, json, os, signal, socket, socketserver, sys, threading
    config = json.load(open(sys.argv[sys.argv.index("--config") + 1]))
    def log(text):
        sys.stderr.write("2026-11-24T01:02:03.456Z " + text + "\\n")
        sys.stderr.flush()
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass
        def address_string(self):
            return "local"
        def answer(self, body):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        def do_GET(self):
            act = self.path.strip("/")
            if act == "error":
                log("error store store.broken it broke")
            elif act == "warn":
                log("warn peer[510000] peer.lost connection lost")
            elif act == "sanitizer":
                sys.stderr.write("==1==ERROR: AddressSanitizer: heap-use-after-free\\n")
            elif act == "die":
                os._exit(3)
            elif act == "stubborn":
                stubborn.append(True)
            elif act.startswith("dial/"):
                peers.append(socket.create_connection(("127.0.0.1", int(act[5:])), 60))
                peers[-1].sendall(b"hi")
                return self.answer(peers[-1].recv(2))
            self.answer((self.headers.get("Authorization") or "").encode())
        def do_POST(self):
            self.answer(self.rfile.read(int(self.headers["Content-Length"])))
    class Echo(socketserver.BaseRequestHandler):
        def handle(self):
            while data := self.request.recv(100):
                self.request.sendall(data)
    class Unix(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True
    class Tcp(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True
    peers, stubborn = [], []
    signal.signal(signal.SIGTERM, lambda *_: stubborn or os._exit(0))
    port = lambda option: int(config[option].rsplit(":", 1)[1])
    if os.path.exists(config["--dir"] + "/api.sock"):
        os.remove(config["--dir"] + "/api.sock")
    for server in (Tcp(("127.0.0.1", port("--federation-listen")), Echo), Tcp(("127.0.0.1", port("--http")), Handler)):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    Unix(config["--dir"] + "/api.sock", Handler).serve_forever()
"""


@pytest.fixture
def programs(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("tongban", TONGBAN), ("tongband", TONGBAND)):
        path = folder / name
        path.write_text(f"#!{sys.executable}\n" + textwrap.dedent(text))
        path.chmod(0o755)
    return folder


@pytest.fixture
def pair(programs):
    """A started cluster of two stand-ins. Tests close it themselves to see what close() says."""
    made = Cluster(bin_dir=programs)
    made.add_node("510000", "四川省")
    made.add_node("320000", "江苏省")
    made.start()
    yield made
    for node in made.nodes:
        if node.is_running:
            node.kill()
    made.nodes.clear()
    made.failed = False
    made.close()


def test_clean_run(pair):
    a, b = pair.nodes
    assert a.post("/echo", {"名": "值"}).ok().json() == {"名": "值"}
    assert a.get("/x", over="tcp").body == b"Bearer secret"
    assert b.cli("status") == {"node": "320000", "words": ["status"]}
    b.get("/warn")
    (line,) = b.wait_log("peer.lost")
    assert (line.level, line.module, line.subject, line.text) == ("warn", "peer", "510000", "connection lost")
    pair.close()
    assert not a.is_running and not pair.dir.exists()


@pytest.mark.parametrize(
    "act, said",
    [
        ("error", "320000: logged: .*store.broken it broke"),
        ("sanitizer", "320000: ==1==ERROR: AddressSanitizer"),
        ("die", "320000: ended with status 3"),
    ],
)
def test_misbehaviour_fails_the_test(pair, act, said):
    try:
        pair.nodes[1].get(f"/{act}")
    except OSError:
        pass  # it died before it answered
    with pytest.raises(ClusterProblem, match=said):
        pair.close()
    assert pair.dir.exists(), "the folder of a failed run is kept"
    lib.shutil.rmtree(pair.dir)


def test_a_line_that_is_being_written_is_no_line_yet(pair):
    node = pair.nodes[0]
    log = node.log_path.read_text()
    node.log_path.write_text(log + "2026-11-24T01:02:03.456Z warn peer[510000] peer.lost connection lo")
    assert node.log_lines("peer.lost") == []
    node.log_path.write_text(log + "2026-11-24T01:02:03.456Z warn peer[510000] peer.lost connection lost\n")
    assert [x.text for x in node.log_lines("peer.lost")] == ["connection lost"]


def test_announced_error_is_no_problem(pair):
    pair.nodes[1].expect_error("store.broken")
    pair.nodes[1].get("/error")
    pair.close()


def test_not_stopping_is_a_problem(pair):
    node = pair.nodes[0]
    node.get("/stubborn")
    node.stop(seconds=0.2)
    assert not node.is_running
    with pytest.raises(ClusterProblem, match=r"510000: did not stop within 0.2 s of SIGTERM: \d+ .* [SRD] \("):
        pair.check()


def test_only_who_was_paused_is_continued(pair):
    """SIGCONT takes away a SIGSTOP that is under way: that of LeakSanitizer, which then waits for ever for a thread to stop."""
    sent = {node.region: [] for node in pair.nodes}
    for node in pair.nodes:
        real, mine = node.process.send_signal, sent[node.region]
        node.process.send_signal = lambda number, real=real, mine=mine: (mine.append(number), real(number))
    a, b = pair.nodes
    a.pause()
    b.resume()
    pair.close()
    assert a.problems == b.problems == [], "the paused one ends when asked, too"
    assert [x for x in sent[a.region] if x != signal.SIGTERM] == [signal.SIGSTOP, signal.SIGCONT]
    assert set(sent[b.region]) == {signal.SIGTERM}


def test_kill_pause_and_restart(pair):
    node = pair.nodes[0]
    first = node.pid
    node.kill()
    with pytest.raises(OSError):
        node.get("/healthz")
    node.start()
    assert node.pid != first
    for _ in range(2):
        node.pause()
        states = [Path(f"/proc/{node.pid}/task/{x}/stat").read_text().rsplit(")", 1)[1].split()[0] for x in os.listdir(f"/proc/{node.pid}/task")]
        assert len(states) > 2 and set(states) == {"T"}, "every thread stands still when pause() returns"
        with pytest.raises(TimeoutError):
            node.get("/healthz", timeout=0.2)
        node.resume()
        assert node.get("/healthz").status == 200
    pair.check()


def test_death_is_told_at_once(pair):
    node = pair.nodes[0]
    os.kill(node.pid, signal.SIGKILL)
    wait_for(lambda: not node.is_running, what="the daemon to end")
    with pytest.raises(ClusterProblem, match="ended before it could be paused, status -9"):
        node.pause()
    with pytest.raises(ClusterProblem, match="510000: ended of itself, status -9"):
        pair.check()


def test_cut_is_between_two_nodes(pair):
    a, b = pair.nodes
    assert a.get(f"/dial/{b.line.port}").body == b"hi"
    pair.cut(a, b, "reset")
    with pytest.raises((OSError, lib.http.client.HTTPException)):
        assert a.get(f"/dial/{b.line.port}").body == b"hi" or OSError()
    pair.heal(a, b)
    assert a.get(f"/dial/{b.line.port}").body == b"hi"
    pair.isolate(b, "reset")
    assert b.get(f"/dial/{b.line.port}").body == b"hi", "only the line to others is cut"
    pair.heal()
    assert a.get(f"/dial/{b.line.port}").body == b"hi"


def test_command_failure_carries_its_words(pair):
    with pytest.raises(CommandFailed, match="exit status 1\ntongban: cannot do that") as caught:
        pair.cli("fail")
    assert caught.value.status == 1
    assert pair.cli("fail", check=False).returncode == 1


def test_daemons_die_with_the_test(pair, tmp_path):
    """A test process that is killed leaves no daemon behind."""
    script = f"""
import sys; sys.path.insert(0, {str(Path(lib.__file__).parent)!r})
from cluster import Cluster
c = Cluster(folder={str(tmp_path / "f")!r}, bin_dir={str(pair.bin_dir)!r})
print(c.add_node("110000", "北京市").start().pid, flush=True)
sys.stdin.read()
"""
    child = lib.subprocess.Popen(
        [sys.executable, "-c", script], stdin=lib.subprocess.PIPE, stdout=lib.subprocess.PIPE, text=True
    )
    daemon = int(child.stdout.readline())
    assert os.path.exists(f"/proc/{daemon}")
    child.kill()
    child.communicate()

    def gone():
        try:
            return open(f"/proc/{daemon}/stat").read().rsplit(")", 1)[1].split()[0] in "ZX"
        except FileNotFoundError:
            return True

    wait_for(gone, what="the daemon to die with its test")


def test_missing_program_is_named(tmp_path):
    with pytest.raises(RuntimeError, match="tongban is missing: build it"):
        Cluster(bin_dir=tmp_path)


def test_wait_for_says_what_it_waited_for():
    with pytest.raises(TimeoutError, match="waited 0.05 s for rain; last: ''"):
        wait_for(lambda: "", seconds=0.05, what="rain")
    with pytest.raises(TimeoutError, match="ConnectionRefusedError"):
        wait_for(lambda: (_ for _ in ()).throw(ConnectionRefusedError()), seconds=0.05)
    answers = iter([0, None, 7])
    assert wait_for(lambda: next(answers)) == 7


def test_free_ports_are_not_given_twice():
    ports = {free_port() for _ in range(50)}
    assert len(ports) == 50


@pytest.mark.parametrize(
    "line, want",
    [
        ("2026-11-24T01:02:03.456Z info node node.ready ready", ("info", "node", None, "node.ready", "ready")),
        ("2026-11-24T01:02:03.456Z error peer[51 0000] peer.x a: b", ("error", "peer", "51 0000", "peer.x", "a: b")),
        ("something else", None),
        ("2026-11-24T01:02:03.456Z fatal node node.x y", None),
    ],
)
def test_log_line(line, want):
    got = LogLine.parse(line)
    assert (got and (got.level, got.module, got.subject, got.id, got.text)) == want
