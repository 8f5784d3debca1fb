"""Every few seconds, of each daemon: memory, descriptors, threads, processor time, the sizes of its databases, what it holds of the
others' ledgers, and what its log said since."""
import http.client
import itertools
import os
import re
import threading
import time

from cluster import LogLine, open_files

TICKS = os.sysconf("SC_CLK_TCK")
TCP_ESTABLISHED = "01"
KINDS = ("files", "database", "for_events", "for_files", "socket", "other")  # of descriptors
SKEW = "peer.clock-skew"
FILES = ("ledger.db", "ledger.db-wal", "heads.db", "heads.db-wal", "keys.db", "keys.db-wal")


def process(pid, standing):
    """Figures of /proc; None when the process is gone. @standing: connections()."""
    try:
        with open(f"/proc/{pid}/status") as f:
            status = dict(line.split(":", 1) for line in f)
        with open(f"/proc/{pid}/stat") as f:
            stat = f.read().rsplit(")", 1)[1].split()
        kinds = descriptors(pid, standing)
        return {"rss_kib": int(status["VmRSS"].split()[0]), "anon_kib": int(status["RssAnon"].split()[0]), "threads": int(status["Threads"]),
                "fds": sum(kinds.values()), **{f"fds_{kind}": count for kind, count in kinds.items()}, "cpu_s": (int(stat[11]) + int(stat[12])) / TICKS}
    except (OSError, KeyError, IndexError):
        return None


def connections(kinds):
    """{inode: kind} of the TCP connections that stand between nodes. @kinds: {port: kind}, where nodes and their lines listen."""
    found = {}
    with open("/proc/net/tcp") as table:
        for row in map(str.split, itertools.islice(table, 1, None)):
            ports = [int(row[i].rsplit(":", 1)[1], 16) for i in (1, 2)]
            kind = next((kinds[port] for port in ports if port in kinds), None)
            if kind and row[3] == TCP_ESTABLISHED:
                found[row[9]] = kind
    return found


def kind_of(target, standing):
    """What a descriptor is to the judge, by the name /proc gives it. Sockets that listen, of clients, or closed by a peer are "socket"."""
    if "/files/" in target:
        return "files"  # of cases: a cache, which fills up to its limit
    if ".db" in target.rsplit("/", 1)[-1]:
        return "database"
    if target.startswith("socket:["):
        return standing.get(target[8:-1], "socket")
    return "other"


def descriptors(pid, standing):
    """{kind: count} of what the process holds open."""
    counts = dict.fromkeys(KINDS, 0)
    for target in open_files(pid):
        counts[kind_of(target, standing)] += 1
    return counts


class LogTail:
    """Counts the lines that a growing log has gained, by level and id. Of whom lines with the id SKEW speak, it notes."""

    def __init__(self, path):
        self.path, self.offset, self.rest = path, 0, b""
        self.skewed = []

    def counts(self):
        self.skewed = []
        found = {}
        try:
            with open(self.path, "rb") as f:
                f.seek(self.offset)
                data = self.rest + f.read()
                self.offset = f.tell()
        except OSError:
            return found
        *lines, self.rest = data.split(b"\n")
        for text in lines:
            line = LogLine.parse(text.decode(errors="replace"))
            if line and line.level in ("error", "warn"):
                key = f"{line.level} {line.id}"
                found[key] = found.get(key, 0) + 1
                self.skewed += [line.subject] if line.id == SKEW else []
        return found


class Sampler:
    def __init__(self, nodes, journal, seconds, every, quiet):
        self.nodes, self.journal, self.seconds, self.every, self.quiet = nodes, journal, seconds, every, quiet
        self.problems = []
        self.ports = {port: "for_events" for n in nodes for port in (n.federation_port, n.line.port)}
        self.ports |= {port: "for_files" for n in nodes for port in (n.files_line.target_port, n.files_line.port)}
        self.tails = {node.region: LogTail(node.log_path) for node in nodes}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="samples", daemon=True)

    def start(self):
        self._thread.start()

    def finish(self):
        self._stop.set()
        self._thread.join()
        self.take()

    def _run(self):
        while not self._stop.wait(self.every):
            try:
                self.take()
            except Exception as e:
                self.problems.append(f"sample: {type(e).__name__}: {e}")

    def write_time(self):
        """What this machine's clock shows, so that one which is set during the run explains the times of events after that."""
        self.journal.write(t="time", at=round(self.seconds(), 3), wall=round(time.time(), 3))

    def take(self):
        self.write_time()
        standing = connections(self.ports)
        for node in self.nodes:
            row = {"t": "sample", "at": round(self.seconds(), 2), "node": node.region, "pid": node.pid, "log": self.tails[node.region].counts()}
            row |= {"skewed": self.tails[node.region].skewed} if self.tails[node.region].skewed else {}
            row |= process(node.pid, standing) or {}
            for name in FILES:
                try:
                    row[name] = os.stat(node.dir / name).st_size
                except OSError:
                    row[name] = 0
            if node.region not in self.quiet:
                row |= self._ask(node)
            self.journal.write(**row)

    @staticmethod
    def _ask(node):
        """What the node says of itself and of what it holds; {} when it does not answer."""
        try:
            begin = time.monotonic()
            status = node.get("/v1/status", timeout=3).ok().json()
            took = (time.monotonic() - begin) * 1000
            peers = node.get("/v1/peers", timeout=3).ok().json()["peers"]
            metrics = node.get("/metrics", timeout=3).ok().body.decode()
            kib = lambda name: int(re.search(rf"^{name} (\d+)$", metrics, re.M).group(1)) // 1024
            row = {"cached_kib": kib("tongban_cached_bytes"), "store_kib": kib("tongban_store_bytes"), "heap_kib": kib("tongban_heap_used_bytes"), "free_kib": kib("tongban_heap_free_bytes")}
        except (OSError, http.client.HTTPException, AssertionError):
            return {}
        return row | {"status_ms": round(took, 1), "size": status["ledger_size"], "cases": status["cases"], "connected": status["peers_connected"],
                "alarms": status["alarms"], "held": {str(p["code"]): p["held_size"] for p in peers},
                "backlog": {str(p["code"]): p["backlog"] for p in peers}}
