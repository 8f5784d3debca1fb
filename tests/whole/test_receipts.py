"""Receipts of real daemons: every 收件, 受理 and 决定, in every form, from either side of the case; judged offline by the program and by
the second verifier, which shares no code with it."""
import json
import re
import subprocess

import pytest

import c2sp_verify
from cluster import CommandFailed, wait_for
from provinces import bring_to, start_provinces, submit, view

A, B, C = "440000", "510000", "330000"
FORMS = {"text": "text/plain", "compact": "application/octet-stream", "qr": "text/plain", "html": "text/html"}


def receipt(node, case, act, form, wait_ms=60000):
    return node.get(f"/v1/cases/{case}/receipt?act={act}&form={form}&wait_ms={wait_ms}", timeout=180)


class Counter:
    """A machine of its own: the program, a policy and a receipt in an empty folder; no node, no network where the kernel lets us."""

    def __init__(self, folder, cluster, policy):
        self.folder = folder
        folder.mkdir()
        (folder / "policy.txt").write_bytes(policy)
        self.program = cluster.program("tongban").resolve()
        self.cut = ["unshare", "-rn"] if subprocess.run(["unshare", "-rn", "true"]).returncode == 0 else []

    def verify(self, data, *options):
        (self.folder / "receipt").write_bytes(data)
        words = [*self.cut, self.program, "receipt", "verify", "receipt", "--policy", "policy.txt", *options]
        return subprocess.run(words, cwd=self.folder, capture_output=True, env={"PATH": "/usr/bin:/bin"})


def test_every_act_in_every_form(cluster, tmp_path):
    a, b, c = start_provinces(cluster, A, B, C)
    case = submit(a)
    bring_to(case, a, b, "closed_granted")
    policy = a.get("/v1/policy").ok().body
    assert b.get("/v1/policy").body == policy and b"quorum" in policy
    counter = Counter(tmp_path / "counter", cluster, policy)
    second = c2sp_verify.Policy(policy)

    for node in (a, b):
        for name, author in (("submit", A), ("accept", B), ("decide", B)):
            state = receipt(node, case, name, "json").ok().json()
            assert state["final"] and state["cosigned"] >= state["needed"] > 0 and state["origin"] == int(author), state
            assert (state["case"], state["act"], state["policy"].encode()) == (case, name, policy)
            for form, type in FORMS.items():
                reply = receipt(node, case, name, form).ok()
                assert reply.headers["Content-Type"].startswith(type)
                done = counter.verify(reply.body, "--json")
                assert done.returncode == 0, (form, done.stderr)
                said = json.loads(done.stdout)
                assert said["proven"] and said["form"] == form
                assert (said["case"], said["act"], said["index"]) == (case, name, state["index"])
                facts = c2sp_verify.verify(reply.body, second)
                assert (facts["case"], facts["act"], facts["index"], facts["origin"]) == \
                    (case, name, state["index"], said["origin"])
            words = counter.verify(receipt(node, case, name, "text").body).stdout.decode()
            for part in ("已证实 PROVEN", "证明的内容 What is proven:", "不证明的内容 What is NOT proven:", case,
                         "Who the applicant is"):
                assert part in words, words
    page = receipt(a, case, "decide", "html").body.decode()
    number = view(a, case)["number"]
    for part in ("决定凭证", "准予 (grant)", "四川省 (510000)", number, "孤儿认定"):
        assert part in page, part
    for private in ("李小满", "祖母", "510104190507290"):
        assert private not in page, "a receipt holds no personal data"
    assert receipt(a, case, "submit", "svg").body.startswith(b"<svg")

    # what cannot be had
    for path, status, id in ((f"/v1/cases/{case}/receipt?act=fly", 400, "http.parameter"),
                             (f"/v1/cases/{case}/receipt?form=pdf", 400, "http.parameter"),
                             (f"/v1/cases/{case}/receipt?wait_ms=60001", 400, "http.parameter"),
                             (f"/v1/cases/{case}/receipt?act=withdraw", 404, "receipt.no-event"),
                             ("/v1/cases/00000000/receipt", 404, "case.unknown")):
        reply = a.get(path)
        assert (reply.status, reply.json()["id"]) == (status, id), reply.body


def test_command_line(cluster, tmp_path):
    a, b, c = start_provinces(cluster, A, B, C)
    case = submit(a)
    bring_to(case, a, b, "accepted")
    env = {"TONGBAN_DIR": str(a.dir)}
    policy = tmp_path / "policy.txt"
    policy.write_bytes(a.get("/v1/policy").body)
    for form in ("text", "html", "qr", "compact"):
        out = tmp_path / f"r.{form}"
        done = cluster.cli("receipt", "get", case, "--act", "accept", "--as", form, "--out", out, "--wait", "30", env=env)
        assert re.search(r"^final: +yes$", done.stdout, re.M) and str(out) in done.stdout
        assert "已证实" in cluster.cli("receipt", "verify", out, "--policy", policy).stdout
    said = a.cli("receipt", "get", case, "--wait", "0")
    assert said["act"] == "submit" and said["final"]
    printed = cluster.cli("receipt", "get", case, "--act", "accept", env=env).stdout
    assert printed.startswith("c2sp.org/tlog-proof@v1\n")
    for words, status, id in ((["--out", tmp_path / "r.html", "--as", "html"], 4, "file.exists"),
                              (["--act", "fly"], 2, "http.parameter"), (["--as", "pdf"], 2, "http.parameter"),
                              (["--wait", "61"], 2, "ctl.number"), (["--act", "decide"], 3, "receipt.no-event")):
        with pytest.raises(CommandFailed) as failed:
            cluster.cli("receipt", "get", case, *words, env=env)
        assert failed.value.status == status and f"({id})" in failed.value.stderr, failed.value


def test_before_the_quorum(cluster, tmp_path):
    """Cut off from everybody: the receipt is given, says that it is not final, and is not proven; later it is."""
    a, b, c = start_provinces(cluster, A, B, C)
    cluster.isolate(a, "reset")
    case = submit(a)
    state = receipt(a, case, "submit", "json", wait_ms=0).ok().json()
    assert not state["final"] and state["cosigned"] < state["needed"]
    page = receipt(a, case, "submit", "html", wait_ms=0).ok().body
    assert "尚未达到".encode() in page
    counter = Counter(tmp_path / "counter", cluster, a.get("/v1/policy").body)
    done = counter.verify(page, "--json")
    assert (done.returncode, json.loads(done.stdout)["id"]) == (1, "receipt.quorum")
    out = tmp_path / "early.html"
    with pytest.raises(CommandFailed) as failed:
        cluster.cli("receipt", "get", case, "--as", "html", "--out", out, "--wait", "0", env={"TONGBAN_DIR": str(a.dir)})
    assert failed.value.status == 8 and "(ctl.not-final)" in failed.value.stderr and out.exists()

    # the author of an act is away: nothing is made up
    cluster.heal()
    bring_to(case, a, b, "accepted")
    b.stop()
    away = receipt(a, case, "accept", "text", wait_ms=0)
    assert away.status == 503 and away.json()["id"] == "receipt.author-away", away.body
    b.start()
    wait_for(lambda: receipt(a, case, "accept", "json").ok().json()["final"], what="the receipt to be final")
    assert counter.verify(receipt(a, case, "submit", "html").ok().body).returncode == 0
