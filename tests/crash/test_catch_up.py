"""A peer that was away for long takes the backlog in durable pieces: killed in the middle it goes on where it stood; cases of the day
between all nodes are answered meanwhile; its memory stays small; people see how far it is.
"""
import os
import re
import subprocess
import threading
from pathlib import Path

from cluster import wait_for
from load import APPLICANT, verify_all

BACKLOG = int(os.environ.get("TONGBAN_TEST_BACKLOG", 30_000))
RESIDENT_MB_MAX = 50
BYTES_MIN = 300  # of an entry between nodes, at least


def peer(node, other):
    return next(p for p in node.get("/v1/peers").ok().json()["peers"] if p["code"] == int(other.region))


def peak_mb(node):
    text = Path(f"/proc/{node.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", text)[1]) / 1024


def application(item):
    return {"item": item["code"], "node": item["node"], "division": "330102", "applicant": APPLICANT}


class LiveCases:
    """New cases all the time, at @windows in turn, until stop()."""

    def __init__(self, windows, item):
        self.windows, self.item = windows, item
        self.cases, self.problems = [], []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()
        return self

    def _run(self):
        while not self._over.is_set():
            for window in self.windows:
                try:
                    self.cases.append((window, window.post("/v1/cases", application(self.item)).ok().json()["case"]))
                except (OSError, AssertionError) as e:
                    self.problems.append(f"{window}: {e}")
            self._over.wait(0.05)

    def stop(self):
        self._over.set()
        self._thread.join(30)


def test_long_backlog(cluster):
    author = cluster.add_node("440000", "广东省")
    follower = cluster.add_node("510000", "四川省", catalog="catalog/data/sichuan.json", proxied=False)
    third = cluster.add_node("330000", "浙江省", catalog="catalog/data/zhejiang.json", proxied=False)
    cluster.publish()
    fill = [cluster.program("fill_ledger"), author.dir, follower.region, str(BACKLOG)]
    subprocess.run(fill, check=True, capture_output=True, timeout=600)
    author.start()
    third.start()
    item = find_third_item(author, third)
    live = LiveCases([author], item).start()  # 广东 takes in, 浙江 decides: nobody may be held up by the backlog
    assert third.metric("tongban_entries_in_total") < BACKLOG, "what is not addressed to a node does not travel to it"

    author.line.cut_after(BACKLOG * BYTES_MIN // 3)  # half-way, however fast it goes
    follower.start(wait=False)
    wait_for(lambda: follower.socket_path.exists() and peer(follower, author)["held_size"] >= BACKLOG // 10, what="the first pieces")
    held = peer(follower, author)["held_size"]
    assert held < BACKLOG, "the backlog is too small to be met half-way"
    follower.kill()
    author.line.heal()
    follower.start(wait=False)
    wait_for(follower.socket_path.exists, what="the API")
    at = wait_for(lambda: peer(follower, author), what="the peers")["held_size"]
    assert at >= held, f"durable were {held}, after the kill it stands at {at}"

    done = lambda: peer(follower, author)["held_size"] >= BACKLOG  # noqa: E731
    wait_for(done, 600, "the backlog to be taken")
    live.stop()
    assert not live.problems, live.problems[:3]
    assert len(live.cases) > 5
    for _, case in live.cases[-3:]:
        wait_for(lambda c=case: third.get(f"/v1/cases/{c}").json().get("status") == "arrived", what=f"case {case}")

    # told: in the log, and over the API while it goes on
    lines = follower.wait_log("peer.caught-up")
    assert follower.log_lines("peer.catching-up") and str(BACKLOG)[:2] in lines[-1].text, lines
    pieces, entries = follower.metric("tongban_batches_in_total"), follower.metric("tongban_entries_in_total")
    assert entries <= pieces * 4096 and pieces >= (BACKLOG - held) // 4096, f"{entries} entries in {pieces} pieces"
    assert peak_mb(follower) < RESIDENT_MB_MAX, f"{peak_mb(follower):.0f} MB"
    assert peak_mb(author) < RESIDENT_MB_MAX, f"{peak_mb(author):.0f} MB"
    verify_all([follower, third])


def find_third_item(window, third):
    def known():
        return window.get(f"/v1/catalog?node={third.region}&limit=1").ok().json()["items"]

    return {"code": wait_for(known, what="the catalog")[0]["code"], "node": int(third.region)}
