"""How tests/cluster talk to the Docker engine, with a stand-in that answers as engines do in their bad moments."""
import http.server
import json
import socketserver
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "cluster"))

import containers  # noqa: E402
import engine as lib  # noqa: E402
from cluster import ClusterProblem  # noqa: E402
from engine import Engine  # noqa: E402


class StandIn(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """@answers: (method, path) -> [(status, body)], the last one for ever."""

    daemon_threads = True

    def __init__(self, path, answers):
        self.answers, self.asked = answers, []
        super().__init__(str(path), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def address_string(self):
        return "local"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append(self.path)
        left = self.server.answers.get((self.command, self.path), [(400, {"message": "client version is too old"})])
        status, body = left[0] if len(left) == 1 else left.pop(0)
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = do_DELETE = answer


@pytest.fixture
def start(tmp_path):
    """An engine with those answers, and the client of it."""
    made = []

    def run(answers, oldest="1.12"):
        server = StandIn(tmp_path / "s", {("GET", "/version"): [(200, {"MinAPIVersion": oldest})]} | answers)
        made.append(server)
        return server, Engine(str(tmp_path / "s"))

    yield run
    for server in made:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("oldest, used", [("1.12", "1.41"), ("1.24", "1.41"), ("1.41", "1.41"), ("1.44", "1.44"), ("2.1", "2.1")])
def test_an_engine_that_has_forgotten_our_version(start, oldest, used):
    server, engine = start({("GET", f"/v{used}/images/x/json"): [(200, {})]}, oldest)
    assert engine.has_image("x") and engine.has_image("x")
    assert server.asked.count("/version") == 1


def test_the_end_of_a_command_is_waited_for(start):
    """Its output has ended before the engine knows how it ended."""
    running, ended = {"Running": True, "ExitCode": None}, {"Running": False, "ExitCode": 3}
    _, engine = start({("POST", "/v1.41/containers/c/exec"): [(201, {"Id": "j"})],
                       ("POST", "/v1.41/exec/j/start"): [(200, b"\1\0\0\0\0\0\0\2ok")],
                       ("GET", "/v1.41/exec/j/json"): [(200, running), (200, running), (200, ended)]})
    assert engine.execute("c", ["x"]) == (3, b"ok")


def test_what_is_being_removed_is_removed(start, monkeypatch):
    busy, gone = (409, {"message": "removal is already in progress"}), (404, {})
    path = "/v1.41/containers/c?force=true&v=true"
    network = "/v1.41/networks/n"
    server, engine = start({("DELETE", path): [busy, busy, gone], ("DELETE", network): [(403, {"message": "active endpoints"}), (204, b"")],
                            ("DELETE", "/v1.41/networks/stays"): [(403, {"message": "active endpoints"})]})
    engine.remove("c")
    engine.remove_network("n")
    assert server.asked.count(path) == 3 and server.asked.count(network) == 2
    monkeypatch.setattr(lib, "REMOVE_SECONDS", 0.2)
    with pytest.raises(TimeoutError, match="active endpoints"):
        engine.remove_network("stays")


def test_one_that_stays_keeps_nothing_else(start, monkeypatch):
    """At the end of a federation in containers."""
    of = lambda kind, name: ("DELETE", f"/v1.41/{kind}/{name}?force=true" + ("&v=true" if kind == "containers" else ""))  # noqa: E731
    busy, gone = (409, {"message": "no answer from the disk"}), (204, b"")
    network = ("DELETE", "/v1.41/networks/tag")
    wanted = [of("containers", "a"), of("containers", "a-line"), of("volumes", "a-volume"), of("containers", "b-line"), network]
    server, engine = start({x: [busy if x == wanted[0] else gone] for x in wanted})
    monkeypatch.setattr(lib, "REMOVE_SECONDS", 0.2)
    federation = object.__new__(containers.ContainerCluster)
    federation.engine, federation.network, federation.nodes = engine, "tag", []
    for ids in (("a", "a-line", "a-volume"), (None, "b-line", None)):
        node = object.__new__(containers.ContainerNode)
        node.engine, (node.container, node.line_container, node.volume) = engine, ids
        federation.nodes.append(node)
    with pytest.raises(ClusterProblem, match="no answer from the disk"):
        federation._remove_all()
    assert [x for x in dict.fromkeys(server.asked) if x != "/version"] == [path for _, path in wanted]


def test_the_gateway_that_is_of_ipv4(start):
    both = {"IPAM": {"Config": [{"Subnet": "fd00::/64", "Gateway": "fd00::1"}, {"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1"}]}}
    _, engine = start({("GET", "/v1.41/networks/n"): [(200, both)]})
    assert engine.gateway("n") == "172.18.0.1"
