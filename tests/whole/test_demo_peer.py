"""A developer without a partner: one command gives a province that accepts, corrects, decides and denies by script, and goes on
where it was after it, or its daemon, was killed.
"""
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from cluster import STOP_SECONDS, TREE, UnixConnection, children_of, http_request, wait_for
from provinces import ORPHAN, act, application, citizen_number

PEER, OWN = 510000, 440000


class Folder:
    """What `tongban demo-peer --dir DIR` makes, with its process and the developer's own node."""

    def __init__(self, cluster, path):
        self.cluster, self.path = cluster, path
        self.process = self.own = None

    def launch(self, *options):
        command = ["setpriv", "--pdeathsig", "KILL", str(self.cluster.program("tongban")), "demo-peer", "--dir", str(self.path)]
        command += ["--data", str(TREE / "catalog/data"), *map(str, options)]
        self.log = open(self.path.with_suffix(".out"), "ab")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def start(self, *options):
        count = self.said().count("ready;")
        self.launch(*options)
        self.wait_said("ready;", count + 1)
        return self

    def start_own(self):
        command = ["setpriv", "--pdeathsig", "KILL", str(self.cluster.program("tongband"))]
        with open(self.path.with_suffix(".own"), "ab") as log:
            self.own = subprocess.Popen(command + ["--config", str(self.path / "own/node.json")], stdout=log, stderr=log)
        wait_for(lambda: self.get("/healthz").status == 200, what="the own node to answer")
        wait_for(lambda: self.get(f"/v1/catalog/{PEER}/{ORPHAN}").status == 200, what="the peer's catalog")

    def said(self):
        path = self.path.with_suffix(".out")
        return path.read_text() if path.exists() else ""

    def wait_said(self, text, count=1):
        def there():
            assert self.process.poll() is None, self.said()
            return self.said().count(text) >= count

        wait_for(there, what=f"'{text}' {count} times")

    def daemon_pid(self):
        return int(re.findall(r"pid (\d+)", self.said())[-1])

    def request(self, method, path, body=None):
        return http_request(UnixConnection(self.path / "own/api.sock"), method, path, body)

    def get(self, path):
        return self.request("GET", path)

    def post(self, path, body):
        return self.request("POST", path, body)

    def submit(self, name, serial=2):
        person = {"kind": "person", "name": name, "id_type": "citizen_id", "id_number": citizen_number(serial)}
        return self.post("/v1/cases", application(applicant=person)).ok().json()["case"]

    def events(self, case):
        return [e["type"] for e in self.get(f"/v1/cases/{case}").ok().json()["events"]
                if e["origin"] == PEER and e["effect"] == "ok" and e["type"] not in ("ack", "receipt")]

    def wait_status(self, case, status):
        wait_for(lambda: self.get(f"/v1/cases/{case}").ok().json()["status"] == status,
                 what=f"{case} to be {status}; it says {self.said()[-600:]}")

    def stop(self):
        for process in (self.process, self.own):
            if process is not None and process.poll() is None:
                process.terminate()
                assert process.wait(STOP_SECONDS) == 0
        self.process = self.own = None


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.fixture
def folder(cluster, tmp_path):
    made = Folder(cluster, tmp_path / "partner")
    yield made
    made.stop()


def test_default_script(folder):
    folder.start()
    said = folder.said()
    for part in ("demo peer", "API for your platform", "http://127.0.0.1:", "own/api.token", "own/node.json"):
        assert part in said, said
    command = [str(folder.cluster.program("tongban")), "demo-peer", "--dir", str(folder.path), "--data", str(TREE / "catalog/data")]
    second = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    folder.start_own()
    granted, denied, refused, corrected, silent = (
        folder.submit(name, serial) for serial, name in
        enumerate(("张三", "拒绝一", "不予受理二", "补正三", "沉默四"), start=2))
    folder.wait_status(granted, "delivered")
    assert folder.events(granted) == ["accept", "process", "decide", "close", "deliver"]
    folder.wait_status(denied, "closed_denied")
    folder.wait_status(refused, "refused")
    folder.wait_status(corrected, "correcting")
    act(folder, corrected, "supplement", note="已补齐").ok()
    folder.wait_status(corrected, "delivered")
    assert folder.events(corrected) == ["correct", "accept", "process", "decide", "close", "deliver"]
    assert folder.events(silent) == []
    assert "demo.running" in second.communicate(timeout=120)[1]
    assert second.returncode == 8  # busy
    folder.stop()


def test_killed_and_started_again(folder, tmp_path):
    script = tmp_path / "script"
    script.write_text("rule all\n  accept\n  process\n  on note after 1 decide decision=grant\n  close\n")
    folder.start("--script", script)
    folder.start_own()
    case = folder.submit("张三")
    folder.wait_status(case, "processing")
    # the daemon alone is killed: started again, and nothing is done twice
    os.kill(folder.daemon_pid(), signal.SIGKILL)
    folder.wait_said("restarted")
    # the command is killed: its daemon goes with it, and the next command waits for that
    daemons = wait_for(lambda: children_of(folder.process.pid), what="the daemon to be there again")
    wait_for(lambda: http_request(UnixConnection(folder.path / "peer/api.sock"), "GET", "/healthz").status == 200, what="it to serve")
    for pid in daemons:
        os.kill(int(pid), signal.SIGSTOP)
    folder.process.kill()
    folder.process.wait()
    count = folder.said().count("ready;")
    folder.launch("--script", script)
    folder.wait_said("the daemon that ran here before has not ended yet")
    for pid in daemons:
        os.kill(int(pid), signal.SIGCONT)
    folder.wait_said("ready;", count + 1)
    assert not any(map(is_alive, daemons))
    act(folder, case, "note", note="请办理").ok()
    folder.wait_status(case, "closed_granted")
    assert folder.events(case) == ["accept", "process", "decide", "close"]


def test_faults(folder, tmp_path):
    folder.start("--fault", "deny-all", "--fault", "slow 1", "--fault", "offline after 0 for 2")
    folder.wait_said("offline")
    folder.wait_said("online")
    folder.start_own()
    case = folder.submit("张三")
    folder.wait_status(case, "closed_denied")
    at = [e["written_ms"] for e in folder.get(f"/v1/cases/{case}").json()["events"] if e["type"] in ("receipt", "accept")]
    assert at[1] - at[0] >= 1000


def test_refused_steps_are_said(folder, tmp_path):
    script = tmp_path / "script"
    script.write_text("rule wrong\n  close\n  accept\n")
    folder.start("--script", script)
    folder.start_own()
    case = folder.submit("张三")
    folder.wait_said(f"refused {case}: close:")
    folder.wait_status(case, "arrived")


def test_wrong_options(cluster, tmp_path):
    script = tmp_path / "script"
    script.write_text("rule a\n  after soon accept\n")
    rows = [
        ([], 2, "ctl.missing-option"),
        (["--dir", tmp_path / "x", "--script", script], 2, "demo.script"),
        (["--dir", tmp_path / "x", "--script", tmp_path / "none"], 3, "file."),
        (["--dir", tmp_path / "x", "--fault", "quick"], 2, "demo.script"),
        (["--dir", tmp_path / "x", "--region", "1"], 2, "ctl.number"),
        (["--dir", tmp_path / "x", "--catalog", tmp_path / "none"], 4, "demo.setup"),
    ]
    for options, status, id in rows:
        done = cluster.cli("demo-peer", *options, check=False)
        assert done.returncode == status and id in done.stderr, (options, done)
    printed = cluster.cli("demo-peer", "--print-script").stdout
    again = tmp_path / "again"
    again.write_text(printed)
    done = cluster.cli("demo-peer", "--dir", tmp_path / "x", "--script", again, "--region", "1", check=False)
    assert "ctl.number" in done.stderr  # the printed script is one
