"""A witness outside of the federation: a node of another federation, asked over plain HTTP. Its cosignature is in the served
checkpoint, counts for the quorum when the operator wants that, and nothing else depends on it."""
import http.server
import json
import subprocess
import threading

import pytest

from c2sp_verify import Policy
from cluster import Cluster, free_port, wait_for
from receipt_maker import WITNESS, Signer
from tlog_reader import Answer, Log

QUICK = {"heads_busy_s": 1, "heads_idle_s": 2, "heads_stale_s": 60, "witness_round_ms": 100}


@pytest.fixture
def abroad():
    with Cluster(name="abroad.example") as made:
        yield made


def policy_lines(cluster, node):
    """Lines of the policy made from the member list, before any node runs."""
    text = cluster.cli("policy", "--members", node.dir / "members.note", "--federation-key", node.dir / "federation.pub").stdout
    return [line.split() for line in text.splitlines() if not line.startswith("#")]


def edit(node, **changes):
    path = node.dir / "node.json"
    settings = json.loads(path.read_text())
    settings["ledger"] |= changes.pop("ledger", {})
    path.write_text(json.dumps(settings | changes, ensure_ascii=False))


def add_witness(home, abroad, quorum):
    """Nodes a, b at home, whose a asks x abroad; none started."""
    a, b = (home.add_node(code, name, ledger=QUICK) for code, name in (("440000", "广东省"), ("510000", "四川省")))
    x, y = (abroad.add_node(code, name, ledger=QUICK) for code, name in (("110000", "北京市"), ("310000", "上海市")))
    home.publish()
    abroad.publish()
    log = next(words[1] for words in policy_lines(home, a) if words[0] == "log" and words[1].startswith("440000"))
    key = next(words[2] for words in policy_lines(abroad, x) if words[:2] == ["witness", "110000"])
    port = free_port()
    (x.dir / "logs.txt").write_text(f"log {log}\nquorum none\n")
    edit(x, witness_http=f"127.0.0.1:{port}", ledger={"policy": "logs.txt"})
    (a.dir / "witnesses.txt").write_text(f"witness beijing {key} http://127.0.0.1:{port}/\nquorum {quorum}\n")
    edit(a, ledger={"policy": "witnesses.txt"})
    return a, b, x, y, key


def witnesses(node):
    answer = node.get("/v1/ledger/witnesses").ok().json()
    return answer["final_size"], {w["name"]: w for w in answer["witnesses"]}


def fetch_of(node):
    def fetch(path):
        reply = node.get(f"/v1/ledger/{path}", over="tcp")
        return Answer(reply.status, reply.headers, reply.body)

    return fetch


@pytest.mark.parametrize("quorum", ["none", "beijing"])
def test_a_witness_of_another_federation(cluster, abroad, quorum):
    a, b, x, y, key = add_witness(cluster, abroad, quorum)
    name = key.split("+")[0]
    abroad.start()
    cluster.start()

    def cosigned():
        size = a.get("/v1/ledger").ok().json()["size"]
        return size > 0 and witnesses(a)[1][name]["size"] >= size - 1

    wait_for(cosigned, what="the witness abroad to cosign")
    # (an answer that came too late is told until the next one)
    row = wait_for(lambda: (r := witnesses(a)[1][name])["up"] and r["last_error"] == "" and r, what="the witness to be shown as reached")
    assert row["code"] is None and row["url"].startswith("http://127.0.0.1:")
    shown = cluster.cli("ledger", "witnesses", env={"TONGBAN_DIR": str(a.dir)}).stdout
    assert name in shown and "四川省" in shown

    policy = Policy(a.get("/v1/policy").ok().body)
    place = [w.name for w in policy.witnesses].index(name)
    assert (place in policy.below()) == (quorum != "none")
    log = Log(fetch_of(a), policy)

    def read_with_its_line():
        """Every second there is a newer checkpoint, which a quorum of the others may have cosigned before it."""
        _, (_, size, _, times) = log.read()
        assert size > 0 and policy.is_satisfied(times.keys())
        return place in times

    wait_for(read_with_its_line, what="its line in the served checkpoint")

    # it goes away: the windows are served, only what wants its word waits
    before = witnesses(a)[0]
    x.stop()
    end = a.get("/v1/ledger").ok().json()["size"] + 3
    wait_for(lambda: a.get("/v1/ledger").ok().json()["size"] >= end, what="the ledger to grow by itself")
    assert a.get("/healthz").status == 200
    if quorum == "none":
        wait_for(lambda: witnesses(a)[0] >= end - 1, what="the members' quorum to be enough")
    else:
        assert witnesses(a)[0] < end
        wait_for(lambda: not witnesses(a)[1][name]["up"], what="the witness to be shown as away")
    x.start()
    wait_for(lambda: witnesses(a)[0] >= end - 1, what="the quorum to come back")
    assert witnesses(a)[0] > before

    # policies that cannot be right
    a.stop()
    (a.dir / "witnesses.txt").write_text(f"witness beijing {key} ftp://x\nquorum none\n")
    done = subprocess.run([cluster.program("tongband"), "--config", a.dir / "node.json", "--check"], capture_output=True,
                          text=True, timeout=180)
    assert done.returncode != 0 and "(config.witness-url)" in done.stderr


class HasSeenMore(http.server.BaseHTTPRequestHandler):
    """Says of every log that it has cosigned a million entries."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(409)
        self.send_header("Content-Type", "text/x.tlog.size")
        self.send_header("Content-Length", "8")
        self.end_headers()
        self.wfile.write(b"1000000\n")

    def log_message(self, *_):
        pass


def test_a_witness_that_claims_to_have_seen_more(cluster):
    """Its word is an alarm and stops nothing: whoever answers under its address may say what it likes."""
    a, b = (cluster.add_node(code, name, ledger=QUICK) for code, name in (("440000", "广东省"), ("510000", "四川省")))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), HasSeenMore)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    signer = Signer("witness.example/w", WITNESS)
    cluster.publish()
    (a.dir / "witnesses.txt").write_text(f"witness far {signer.vkey} http://127.0.0.1:{server.server_port}/\nquorum none\n")
    edit(a, ledger={"policy": "witnesses.txt"})
    a.expect_error("witness.ahead")
    try:
        cluster.start()
        line = a.wait_log("witness.ahead")[0]
        assert "witness.example/w" in line.text and "1000000" in line.text
        size = a.get("/v1/ledger").ok().json()["size"]
        wait_for(lambda: a.get("/v1/ledger").ok().json()["size"] > size, what="the ledger to grow by itself")
        assert a.get("/healthz").status == 200 and witnesses(a)[0] <= a.get("/v1/ledger").ok().json()["size"]
    finally:
        server.shutdown()
        server.server_close()
