"""A small federation on this machine: the tests of tests/whole and tests/crash, and the demo, drive it.

    with Cluster() as c:
        sichuan = c.add_node("510000", "四川省", catalog="catalog/data/510000.json")
        jiangsu = c.add_node("320000", "江苏省")
        c.start()                                   # publishes the member list, starts every daemon, waits until ready
        case = sichuan.post("/v1/cases", {...}).json()
        c.cut(sichuan, jiangsu)                     # the line between the two, both ways
        wait_for(lambda: ..., what="the case to arrive")
        c.heal()
    # leaving stops the daemons, and raises ClusterProblem when one crashed, or logged an `error` line, or a sanitizer
    # reported something, that the test had not announced with node.expect_error("area.what")

Programs are taken from the folder TONGBAN_BIN. Everything lives in one folder under /tmp (short: the path of a Unix
socket has 107 bytes); it is removed at the end, unless the test failed or TONGBAN_TEST_KEEP=1. Only processes started
here are ever signalled, and they die with this one. Standard library only; one thread uses a cluster.
"""
import fcntl
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from proxy import Line

TREE = Path(__file__).resolve().parents[2]
IS_DEBUG = "debug" in os.environ.get("TONGBAN_BIN", "")  # elsewhere tests that start a program thousands of times do so fewer times
# How long is waited for what comes when the product is right: it ends a test that hangs, and judges no speed. A sanitizer makes a daemon ten
# times slower, other tests share its processors, and now and then the whole machine stands still for seconds.
PATIENCE_SECONDS = 120
READY_SECONDS = 120
STOP_SECONDS = 60
REQUEST_SECONDS = 90  # more than the longest wait of the API
PORTS = range(20000, 30000)  # below the range that the kernel gives to outgoing connections


# ---- waiting, ports --------------------------------------------------------------------------------------------------


def wait_for(condition, seconds=PATIENCE_SECONDS, what="the condition"):
    """Calls @condition until it returns something true, and returns that. OSError and HTTPException count as "not
    yet". After @seconds: TimeoutError that names @what and the last answer. @condition must stay true once it is: what comes and goes
    can do so between two looks."""
    deadline = time.monotonic() + seconds
    pause = 0.005
    while True:
        try:
            last = condition()
            if last:
                return last
        except (OSError, http.client.HTTPException) as e:
            last = e
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}; last: {last!r}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


_port_locks = []  # open files; a port is ours until this process ends


def free_port():
    """A loopback TCP port that nobody listens on and no other test process gets."""
    folder = Path(tempfile.gettempdir()) / f"tongban-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for port in random.sample(PORTS, len(PORTS)):
        fd = os.open(folder / str(port), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:
            os.close(fd)
            continue
        _port_locks.append(fd)
        return port
    raise RuntimeError(f"no free port in {PORTS}")


# ---- HTTP ------------------------------------------------------------------------------------------------------------


def open_files(pid):
    """What the process @pid has open, as /proc names it. A descriptor that is closed meanwhile is left out, not the rest."""
    try:
        numbers = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return  # the process has ended
    for number in numbers:
        try:
            yield os.readlink(f"/proc/{pid}/fd/{number}")
        except OSError:
            continue


def threads_of(pid):
    """What each thread of a process is doing, for who asks why it does not end; its children, too: LeakSanitizer's looks after threads
    that it has stopped."""
    told = []
    for folder in [Path(f"/proc/{pid}/task"), *(Path(f"/proc/{child}/task") for child in children_of(pid))]:
        for task in sorted(folder.glob("*")):
            try:
                status = dict(line.split(":", 1) for line in (task / "status").read_text().splitlines())
                told.append(f"{task.name} {status['Name'].strip()} {status['State'].strip()}, in {(task / 'wchan').read_text() or '-'}, traced by {status['TracerPid'].strip()}")
            except (OSError, KeyError):
                continue  # ended meanwhile
    return "; ".join(told)


def cpu_s(pid):
    """Processor seconds of a process so far, all threads: from the scheduler's clock, because of the ticks in /proc a short run gets none."""
    return time.clock_gettime(~pid << 3 | 2)  # clock_getcpuclockid(3)


def children_of(pid):
    try:
        return [child for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]
    except OSError:
        return []


class UnixConnection(http.client.HTTPConnection):
    """http.client over a Unix socket."""

    def __init__(self, path, timeout=REQUEST_SECONDS):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Reply:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)

    def ok(self):
        """This reply, or AssertionError with what the node said, when the status is not 2xx."""
        assert 200 <= self.status < 300, f"HTTP {self.status}: {self.body.decode(errors='replace')}"
        return self

    def __repr__(self):
        return f"<Reply {self.status} {self.body[:200]!r}>"


def http_request(connection, method, path, body=None, headers=None):
    """One request; @body may be bytes, str, or anything JSON (its Content-Type is set then). Closes @connection."""
    headers = dict(headers or {})
    if body is not None and not isinstance(body, (bytes, str)):
        body = json.dumps(body, ensure_ascii=False)
        headers.setdefault("Content-Type", "application/json")
    if isinstance(body, str):
        body = body.encode()
    try:
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        return Reply(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


# ---- programs --------------------------------------------------------------------------------------------------------


class ClusterProblem(AssertionError):
    """What the daemons did wrong, though the test itself may have passed."""


class CommandFailed(AssertionError):
    def __init__(self, command, done):
        self.status = done.returncode
        self.stdout = done.stdout
        self.stderr = done.stderr
        super().__init__(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stderr}{done.stdout}")


class LogLine:
    """`2026-11-24T01:02:03.456Z warn peer[510000] peer.lost connection lost: …` taken apart (node/base/log.h)."""

    FORM = re.compile(r"^(\S+Z) (error|warn|info|debug) ([\w.-]+)(?:\[(.*?)\])? (\S+) (.*)$")

    def __init__(self, match):
        self.time, self.level, self.module, self.subject, self.id, self.text = match.groups()
        self.line = match.group(0)

    def __repr__(self):
        return self.line

    @classmethod
    def parse(cls, line):
        match = cls.FORM.match(line)
        return cls(match) if match else None


SANITIZER = re.compile(r"(ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error:|FATAL: \w+Sanitizer)")


class Node:
    """One province's folder and, between start() and stop(), its daemon. Made by Cluster.add_node()."""

    def __init__(self, cluster, region, name, folder):
        self.cluster = cluster
        self.region = region
        self.name = name
        self.dir = Path(folder)
        self.socket_path = self.dir / "api.sock"
        self.log_path = self.dir.with_suffix(".log")
        self.http_port = None
        self.federation_port = None
        self.line = None  # Line that the others dial, or None
        self.dialler = region  # how lines know this process; differs for a twin()
        self.files_line = None  # the same for files
        self.process = None
        self.environment = {}  # of its daemon, beside what start() is given
        self.is_paused = False
        self.problems = []
        self._expected = []

    def __repr__(self):
        return f"<Node {self.region} {self.name}>"

    # -- process

    @property
    def pid(self):
        return self.process.pid if self.process else None

    @property
    def is_running(self):
        process = self.process  # lines ask from their own threads
        return process is not None and process.poll() is None

    def start(self, wait=True, env=None, arguments=()):
        """Starts the daemon; with @wait returns when its API answers."""
        assert self.process is None, f"{self} runs already"
        command = ["setpriv", "--pdeathsig", "KILL", str(self.cluster.program("tongband"))]
        command += ["--config", str(self.dir / "node.json"), *arguments]
        self.is_paused = False
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **self.environment, **(env or {})}
            )
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=READY_SECONDS):
        def ready():
            if not self.is_running:
                raise ClusterProblem(f"{self} ended at start, status {self.process.returncode}\n{self.log_tail()}")
            return self.get("/healthz").status == 200

        wait_for(ready, seconds, what=f"{self} to answer /healthz")

    def stop(self, seconds=STOP_SECONDS):
        """SIGTERM; an exit status other than 0, or none in time, is a problem."""
        if self.process is None:
            return
        if self.is_running:
            self.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.problems.append(f"did not stop within {seconds} s of SIGTERM: {threads_of(self.pid)}")
                self.process.kill()
                self.process.wait()
                self.process = None
                return
        if self.process.returncode != 0:
            self.problems.append(f"ended with status {self.process.returncode}")
        self.process = None

    def terminate(self):
        """SIGTERM, and nothing else to who runs."""
        self.process.terminate()
        self.resume()

    def kill(self):
        """kill -9: as a power cut is to the process."""
        assert self.is_running, f"{self} does not run"
        self.process.kill()
        self.process.wait()
        self.process = None

    def wait_exit(self, seconds=STOP_SECONDS):
        """Waits until the daemon ends of itself; returns its status, which is then no problem."""
        status = self.process.wait(seconds)
        self.process = None
        return status

    def pause(self):
        """SIGSTOP: alive for the kernel and for TCP, but silent; returns when every thread stands still."""
        self.process.send_signal(signal.SIGSTOP)
        self.is_paused = True

        def stands():
            if not self.is_running:
                raise ClusterProblem(f"{self} ended before it could be paused, status {self.process.returncode}\n{self.log_tail()}")
            return os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOHANG)

        wait_for(stands, what=f"{self} to stand still")

    def resume(self):
        """Ends a pause. No SIGCONT to who runs: it takes away each SIGSTOP that is still under way to a thread, as that of
        LeakSanitizer at the end of a process, which then waits for ever for the thread to stop."""
        if self.is_paused:
            self.is_paused = False
            self.process.send_signal(signal.SIGCONT)

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    # -- API and command line

    def request(self, method, path, body=None, headers=None, timeout=REQUEST_SECONDS, over="unix"):
        headers = dict(headers or {})
        if over == "unix":
            connection = UnixConnection(self.socket_path, timeout)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=timeout)
            headers.setdefault("Authorization", f"Bearer {self.token}")
        return http_request(connection, method, path, body, headers)

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def metric(self, name):
        return int(re.search(rf"^{name} (\d+)$", self.get("/metrics").ok().body.decode(), re.M).group(1))

    def post(self, path, body=None, **options):
        return self.request("POST", path, body, **options)

    @property
    def token(self):
        return (self.dir / "api.token").read_text().strip()

    def cli(self, *arguments, **options):
        """`tongban … --json` for this node (TONGBAN_DIR): the parsed answer."""
        return self.cluster.cli_json(*arguments, env={"TONGBAN_DIR": str(self.dir)}, **options)

    # -- log

    def log_text(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_tail(self, count=30):
        return "\n".join(self.log_text().splitlines()[-count:])

    def log_lines(self, id=None, level=None):
        whole = self.log_text().rpartition("\n")[0]  # the last line may still be on its way
        lines = filter(None, map(LogLine.parse, whole.splitlines()))
        return [x for x in lines if (id is None or x.id == id) and (level is None or x.level == level)]

    def wait_log(self, id, count=1, seconds=PATIENCE_SECONDS):
        """The lines with message id @id, once there are @count of them."""

        def enough():
            lines = self.log_lines(id)
            return lines if len(lines) >= count else None

        return wait_for(enough, seconds, what=f"{count} line(s) '{id}' in the log of {self}")

    def expect_error(self, id):
        """Error lines with this message id are part of the test."""
        self._expected.append(id)

    def check(self):
        """Everything wrong so far, as text lines."""
        found = list(self.problems)
        if self.process is not None and self.process.poll() is not None:
            found.append(f"ended of itself, status {self.process.returncode}")
        found += [f"logged: {x}" for x in self.log_lines(level="error") if x.id not in self._expected]
        lines = self.log_text().splitlines()
        found += ["\n    ".join(lines[i : i + 25]) for i, x in enumerate(lines) if SANITIZER.search(x)][:1]
        return [f"{self.region}: {x}" for x in found]


class Cluster:
    def __init__(self, folder=None, bin_dir=None, name="tongban.example"):
        bin_dir = bin_dir or os.environ.get("TONGBAN_BIN")
        if not bin_dir:
            raise RuntimeError("TONGBAN_BIN is not set: run this through ./dev test or ./dev demo")
        self.bin_dir = Path(bin_dir)
        self.program("tongban")  # before a folder is made
        self.is_own_folder = folder is None
        self.dir = Path(folder or tempfile.mkdtemp(prefix="tongban-"))
        self.ca_dir = self.dir / "ca"
        self.name = name
        self.nodes = []
        self.failed = False  # set by the pytest fixture: keep the folder
        self.is_closed = False
        self.cli("ca", "init", "--dir", self.ca_dir, "--name", name)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.failed = self.failed or kind is not None
        self.close()

    # -- programs

    def program(self, name):
        path = self.bin_dir / name
        if not path.exists():
            raise RuntimeError(f"{path} is missing: build it with ./dev build")
        return path

    def cli(self, *arguments, check=True, timeout=180, input=None, env=None):
        """Runs `tongban ARGUMENTS`; returns the CompletedProcess (text). CommandFailed when it fails and @check."""
        command = [str(self.program("tongban")), *map(str, arguments)]
        full_env = {**os.environ, **(env or {})}
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, input=input, env=full_env)
        if check and done.returncode != 0:
            raise CommandFailed(command, done)
        return done

    def cli_json(self, *arguments, **options):
        done = self.cli(*arguments, "--json", **options)
        return json.loads(done.stdout) if done.stdout.strip() else None

    # -- nodes

    @staticmethod
    def _configure(node, ledger):
        """Heads entries are so rare that tests may count entries, and a start does not wait long for nodes that are down."""
        path = node.dir / "node.json"
        settings = json.loads(path.read_text())
        settings["ledger"] = {"heads_busy_s": 60, "heads_idle_s": 3600, "heads_stale_s": 86400, "start_ask_ms": 200} | ledger
        path.write_text(json.dumps(settings, ensure_ascii=False, indent=2))

    def add_node(self, region, name, catalog=None, proxied=True, init=(), ledger=None, files=False):
        """Makes the folder of a node and its certificate. With @proxied the others reach it through a line that can
        be cut. @init: more arguments of `tongban node init`. With @files it gives files of cases and takes them. @ledger: section "ledger" of its node.json."""
        node = Node(self, region, name, self.dir / region)
        node.federation_port, node.http_port = free_port(), free_port()
        arguments = ["node", "init", "--dir", node.dir, "--region", region, "--name", name]
        arguments += ["--federation-listen", f"tls+tcp://127.0.0.1:{node.federation_port}"]
        arguments += ["--http", f"127.0.0.1:{node.http_port}"]
        if proxied:
            node.line = Line(node.federation_port, identify=self._who_dialled)
            arguments += ["--advertise", f"tls+tcp://127.0.0.1:{node.line.port}"]
        if files:
            port = free_port()
            arguments += ["--files-listen", f"tls+tcp://127.0.0.1:{port}"]
            if proxied:
                node.files_line = Line(port, identify=self._who_dialled)
                arguments += ["--files-port", node.files_line.port]
        if (TREE / "catalog/data").is_dir():
            arguments += ["--data", TREE / "catalog/data"]  # divisions and calendars: nothing is installed here
        if catalog:
            arguments += ["--catalog", catalog]
        self.nodes.append(node)
        self.cli(*arguments, *init)
        self._configure(node, ledger or {})
        self.cli("ca", "issue", "--dir", self.ca_dir, "--node", node.dir)
        return node

    def twin(self, node):
        """A second copy of a stopped node, keys and heads.db and all: what must never run beside the first. The others reach
        it where Line.route() leads them."""
        assert not node.is_running, f"{node} runs: its files are not to be copied"
        copy = Node(self, node.region, node.name, self.dir / f"{node.region}.twin")
        shutil.copytree(node.dir, copy.dir, ignore=shutil.ignore_patterns("api.sock", "writer.lock"))
        copy.dialler = f"{node.region}.twin"
        copy.federation_port, copy.http_port, copy.line = free_port(), free_port(), node.line
        path = copy.dir / "node.json"
        text = path.read_text().replace(f":{node.federation_port}\"", f":{copy.federation_port}\"")
        path.write_text(text.replace(f":{node.http_port}\"", f":{copy.http_port}\"").replace(str(node.dir), str(copy.dir)))
        self.nodes.append(copy)
        return copy

    def publish(self):
        """Gives every node the CA's certificate, its revocation list and the member list."""
        self.cli("ca", "publish", "--dir", self.ca_dir, *[node.dir for node in self.nodes])

    def start(self):
        self.publish()
        for node in self.nodes:
            node.start(wait=False)
        for node in self.nodes:
            node.wait_ready()
        return self

    # -- lines

    def _who_dialled(self, port):
        """The region of the daemon that owns the local port @port of a loopback connection, or None."""
        want = f":{port:04X}"
        for _ in range(5):  # the kernel gives its table piece by piece, and may leave out a row while others come and go
            with open("/proc/net/tcp") as table:
                rows = [row.split() for row in table]
            inodes = {f"socket:[{row[9]}]" for row in rows[1:] if row[1].endswith(want) and row[9] != "0"}
            if inodes:
                break
        return next((node.dialler for node in self.nodes if node.is_running and inodes & set(open_files(node.pid))), None)

    def cut(self, a, b, how="stall", one_way=False):
        """Cuts the line between two nodes, whoever dialled: see proxy.py for the kinds. @one_way: only what @a sends to @b."""
        for listener, dialler in ((a, b), (b, a)):
            assert listener.line, f"{listener} was added with proxied=False: its line cannot be cut"
            for line in filter(None, (listener.line, listener.files_line)):
                line.cut(how, source=dialler.dialler, way=None if not one_way else "in" if dialler is a else "out")

    def isolate(self, node, how="stall"):
        for other in self.nodes:
            if other is not node:
                self.cut(node, other, how)

    def heal(self, a=None, b=None):
        """Mends the line between two nodes, or all lines."""
        if a is None:
            for node in self.nodes:
                for line in filter(None, (node.line, node.files_line)):
                    line.heal()
            return
        for listener, dialler in ((a, b), (b, a)):
            for line in filter(None, (listener.line, listener.files_line)):
                line.heal(source=dialler.dialler)

    # -- end

    def check(self):
        """ClusterProblem when a daemon has done anything the test did not announce."""
        found = [x for node in self.nodes for x in node.check()]
        if found:
            raise ClusterProblem("\n".join(found))

    def logs(self, count=30):
        return "\n".join(f"--- {node} {node.log_path}\n{node.log_tail(count)}" for node in self.nodes)

    def close(self):
        """Stops everything, then check()s. May be called again."""
        if self.is_closed:
            return
        self.is_closed = True
        try:
            for node in self.nodes:
                if node.is_running:
                    node.terminate()  # all at once, then one by one
            for node in self.nodes:
                node.stop()
            for node in self.nodes:
                for line in filter(None, (node.line, node.files_line)):
                    line.close()
            self.check()
        except BaseException:
            self.failed = True
            raise
        finally:
            keep = self.failed or os.environ.get("TONGBAN_TEST_KEEP") == "1"
            if self.is_own_folder and not keep:
                shutil.rmtree(self.dir, ignore_errors=True)
