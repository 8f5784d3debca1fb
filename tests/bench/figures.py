"""What the scripts of tests/bench share: two provinces, cases, the load generator, processes' cost, and figures as JSON.

Figures are a dict {run: {metric: number}}, the same form that the peers' scripts print as lines `run metric value`. A
script of a scenario prints its table and, with --json FILE, leaves its figures there for tests/bench/all.
"""
import argparse
import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests" / "lib"))

from cluster import Cluster, cpu_s, wait_for  # noqa: E402, F401

PERSON = {"kind": "person", "name": "李小满", "id_type": "citizen_id", "id_number": "510104190507290029"}


def options(doc):
    """A parser with what every scenario takes; its description is the script's first line."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--json", metavar="FILE", help="leave the figures there")
    return parser


def write(path, figures):
    if path:
        Path(path).write_text(json.dumps(figures, indent=1) + "\n")


def numbers(text):
    return [int(x) for x in text.split(",") if x]


# ---- provinces and cases -----------------------------------------------------------------------------------------------


def two_provinces(cluster, files=False):
    """Guangdong, which takes cases in, and Sichuan, which decides them; running, no proxy between. Returns (a, b)."""
    b = cluster.add_node("510000", "四川省", catalog=TREE / "catalog/data/sichuan.json", proxied=False, files=files)
    a = cluster.add_node("440000", "广东省", proxied=False, files=files)
    cluster.start()
    return a, b


def an_item(a):
    """The code of an item that Sichuan decides, once its catalog is here."""
    page = wait_for(lambda: a.get("/v1/catalog?node=510000&limit=1").json()["items"], 60, "the catalog")
    return page[0]["code"]


def new_cases(a, b, count, item=None):
    """@count fresh cases at @a that have arrived at @b and been received there; their ids."""
    body = {"item": item or an_item(a), "applicant": PERSON}

    def one(_):
        return a.post("/v1/cases", body).ok().json()["case"]

    with ThreadPoolExecutor(16) as pool:
        cases = list(pool.map(one, range(count)))
    for case in cases:
        wait_for(lambda: a.get(f"/v1/cases/{case}").json()["status"] == "arrived", 120, "the other's receipt of a case")
    return cases


def held(node, author):
    """How many entries of @author's ledger @node holds."""
    return next(p for p in node.get("/v1/peers").ok().json()["peers"] if p["code"] == int(author.region))["held_size"]


# ---- what a run costs --------------------------------------------------------------------------------------------------


def memory_mib(pid, what="VmRSS"):
    line = next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith(what + ":"))
    return int(line.split()[1]) / 1024


class Watch:
    """CPU seconds and peak resident memory of nodes between with and end: .cpu[i], .mib[i]."""

    def __init__(self, *nodes):
        self.pids = [node.pid for node in nodes]

    def __enter__(self):
        self.mib = [memory_mib(p) for p in self.pids]
        self.cpu = [cpu_s(p) for p in self.pids]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()
        return self

    def _sample(self):
        while not self._stop.wait(0.5):
            self.mib = [max(m, memory_mib(p)) for m, p in zip(self.mib, self.pids)]

    def __exit__(self, *_):
        self.cpu = [cpu_s(p) - c for c, p in zip(self.cpu, self.pids)]
        self._stop.set()
        self._thread.join()

    def per_event(self, events):
        """The same names as tests/bench/peers/measure.py gives."""
        row = {}
        for role, cpu, mib in zip("AB", self.cpu, self.mib):
            row[f"cpu_{role}_us_per_event"] = round(cpu * 1e6 / events, 1)
            row[f"mem_{role}_mib"] = round(mib, 1)
        row["cpu_servers_us_per_event"] = round(sum(self.cpu) * 1e6 / events, 1)
        return row


def load_command(cluster, node, *arguments, cases=None, gets=None):
    """The command line of tests/bench/load.c against @node; @cases: ids, or @gets: paths."""
    path = cluster.dir / f"load.{node.region}.{'cases' if cases else 'gets'}"
    path.write_text("\n".join(cases or gets) + "\n")
    command = [cluster.program("load"), "--socket", node.socket_path, "--cases" if cases else "--gets", path, *arguments]
    return [str(x) for x in command]


def load_figures(done):
    """Of a load that has ended (CompletedProcess with text)."""
    if done.returncode != 0:
        raise SystemExit(f"load failed: {done.stderr.strip()[:2000]}")
    return {k: float(v) for k, v in (line.split() for line in done.stdout.splitlines())}


def load(cluster, node, *arguments, **what):
    """Runs it to its end; its figures."""
    return load_figures(subprocess.run(load_command(cluster, node, *arguments, **what), capture_output=True, text=True))
