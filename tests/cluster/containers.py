"""A federation of containers: cluster.Cluster with real images, real addresses, and a network and clocks that bend.

    with ContainerCluster() as c:
        desk = c.add_node("510000", "四川省", catalog="sichuan.json")
        window = c.add_node("440000", "广东省")
        c.start()
        c.wan(delay_ms=15, lost_of_1000=5)      # every line: 30 ms there and back, 0.5 % lost
        c.cut(desk, window)                     # packets vanish, both ways;  cut_one_way(desk, window): from desk only
        c.heal()
        window.kill(); window.start()           # as of Node: stop, pause, resume, reload, cli, get, post, log_lines, …
        window.set_clock(+300)                  # seconds, while it runs (add_node(…, clock=True))

A node is two containers: `line`, which owns the network and may change its rules, and the daemon, which has no rights at
all (read-only root, no capabilities, not root) and can die and come back without losing its address. Its folder is one
under /tmp, so that the test reads its files and its API socket as for a daemon of this machine.
"""
import json
import os
import re
import shutil
from pathlib import Path

from cluster import REQUEST_SECONDS, Cluster, ClusterProblem, Node, Reply, free_port, wait_for
from engine import ENGINE_SECONDS, Engine
from leftovers import OWNER, owner, remove_leftovers
from shifted_clock import Clock

SHARE = "/usr/local/share/tongban"  # catalogs, divisions, calendars in the image
PORT = 7510
USER = 7510
QUEUE = 7
MEMORY_LIMIT = 256 << 20
STOP_SECONDS = 60  # how fast a node stops is tried in tests/whole; here the machine may be busy with other things
READY_SECONDS = 180
LOGS = {"Type": "json-file", "Config": {"max-size": "1g"}}  # read by the tests, to the first line, however the engine is set up


def image():
    return os.environ.get("TONGBAN_TEST_IMAGE", "tongban-test")


def node_image():
    """The image as users build it, without the tools of the other around."""
    return os.environ.get("TONGBAN_TEST_NODE_IMAGE", "tongban")


class ContainerNode(Node):
    health_check = None  # fields of Docker's health check that are not to be as the image says

    def __init__(self, cluster, region, name, folder, host, with_clock, volume_bytes):
        super().__init__(cluster, region, name, folder)
        self.engine = cluster.engine
        self.host = host
        self.image = image()
        self.clock = Clock(self.dir.with_suffix(".clock")) if with_clock else None
        self.volume_bytes = volume_bytes
        self.line_container = self.container = self.address = self.volume = None
        self._old_logs = ""  # of containers that use_image() replaced
        self._has_run = False
        self.iptables = "iptables"
        self.line = self  # what Cluster asks for before it cuts

    # -- containers

    def make_line(self):
        name = f"{self.cluster.tag}-{self.region}"
        body = {"Image": self.image, "Entrypoint": ["sleep", "infinity"], "User": "root", "Labels": self.cluster.labels,
                "StopSignal": "SIGKILL", "Healthcheck": {"Test": ["NONE"]},
                "HostConfig": {"NetworkMode": self.cluster.network, "CapAdd": ["NET_ADMIN"]},
                "NetworkingConfig": {"EndpointsConfig": {self.cluster.network: {"Aliases": [self.host]}}}}
        self.line_container = self.engine.create(f"{name}-line", body)
        self.engine.start(self.line_container)
        networks = self.engine.inspect(self.line_container)["NetworkSettings"]["Networks"]
        self.address = networks[self.cluster.network]["IPAddress"]
        if self.engine.execute(self.line_container, [self.iptables, "-w", "-L"])[0] != 0:
            self.iptables = "iptables-legacy"  # a kernel without nftables
        for chain in ("CUT", "WAN"):
            self.rule("-N", chain)
            self.rule("-A", "OUTPUT", "-j", chain)

    def make_daemon(self, arguments=()):
        self.own_files()
        name = f"{self.cluster.tag}-{self.region}"
        binds, env = [f"{self.dir}:/var/lib/tongban"], ["LANG=C.UTF-8"]
        if self.volume_bytes:
            options = {"type": "tmpfs", "device": "tmpfs", "o": f"size={self.volume_bytes},uid={USER},mode=0750"}
            self.volume = self.engine.create_volume(name, options, self.cluster.labels)
            binds = [f"{self.dir}:/seed:ro", f"{self.volume}:/var/lib/tongban"]
        if self.clock:
            binds.append(f"{self.clock.path}:/clock:ro")
            env += ["LD_PRELOAD=/usr/local/lib/clockshift.so", "TONGBAN_TEST_CLOCK=/clock"]
        body = {"Image": self.image, "Labels": self.cluster.labels, "Env": env, "User": str(USER),
                "HostConfig": {"NetworkMode": f"container:{self.line_container}", "Binds": binds, "ReadonlyRootfs": True,
                               "CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges:true"], "PidsLimit": 64, "LogConfig": LOGS,
                               "Memory": MEMORY_LIMIT, "MemorySwap": MEMORY_LIMIT}}  # as in docker/compose.yml
        if arguments:
            body["Cmd"] = list(arguments)
        if self.volume_bytes:  # a tmpfs lasts as long as one container that has it
            body["Entrypoint"] = ["sh", "-c", "cp -r /seed/. /var/lib/tongban/ && exec tongband --config /var/lib/tongban/node.json"]
        if self.health_check:
            body["Healthcheck"] = self.health_check
        self.container = self.engine.create(f"{name}-node", body)

    def own_files(self):
        """The daemon's user owns its folder, whoever wrote into it."""
        if os.getuid() == 0:
            for path in (self.dir, *self.dir.rglob("*")):
                os.chown(path, USER, USER, follow_symlinks=False)

    def removals(self):
        """What takes it away, in this order."""
        containers = [lambda id=id: self.engine.remove(id) for id in (self.container, self.line_container) if id]
        return containers + ([lambda: self.engine.remove_volume(self.volume)] if self.volume else [])

    def use_image(self, name, arguments=()):
        """The next start() is of the image @name, with @arguments of tongband."""
        assert not self.is_running
        self._old_logs = self.log_text()
        self.engine.remove(self.container)
        self.image = name
        self.make_daemon(arguments)

    # -- process, as of Node; what is done to it stands on the timeline

    def say(self, text):
        if text and not self.cluster.is_closed:
            self.cluster.say(text)

    @property
    def state(self):
        return self.engine.inspect(self.container)["State"]

    @property
    def is_running(self):
        return self.container is not None and self.state["Running"]

    @property
    def pid(self):
        return self.state["Pid"]

    def start(self, wait=True):
        if self.container is None:
            self.make_daemon()
        self.own_files()
        self.say(f"start {self.region}" if self._has_run else "")
        self._has_run = True
        self.engine.start(self.container)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=READY_SECONDS):
        def ready():
            if not self.is_running:
                raise ClusterProblem(f"{self} ended at start, status {self.state['ExitCode']}\n{self.log_tail()}")
            return self.get("/healthz").status == 200

        wait_for(ready, seconds, what=f"{self} to answer /healthz")

    def stop(self, seconds=STOP_SECONDS):
        if not self.is_running:
            return
        self.say(f"stop {self.region}")
        if self.state["Paused"]:
            self.engine.unpause(self.container)
        self.engine.stop(self.container, seconds)
        status = self.state["ExitCode"]
        if status == 137:
            self.problems.append(f"did not stop within {seconds} s of SIGTERM")
        elif status != 0:
            self.problems.append(f"ended with status {status}")

    def kill(self):
        self.say(f"kill {self.region}")
        self.engine.kill(self.container)
        wait_for(lambda: not self.is_running, ENGINE_SECONDS, what=f"{self} to be gone")

    def pause(self):
        self.say(f"pause {self.region}")
        self.engine.pause(self.container)

    def resume(self):
        self.say(f"resume {self.region}")
        self.engine.unpause(self.container)

    def reload(self):
        self.own_files()
        self.engine.kill(self.container, "HUP")

    def request(self, method, path, body=None, headers=None, timeout=REQUEST_SECONDS, over="unix"):
        if not self.volume:
            return super().request(method, path, body, headers, timeout, over)
        # its folder is not on this machine's disk: curl goes there
        command = ["curl", "-sS", "--max-time", timeout, "--unix-socket", "/var/lib/tongban/api.sock", "-X", method]
        command += ["-o", "-", "-w", "\n%{http_code}", f"http://localhost{path}"]
        for name, value in (headers or {}).items():
            command += ["-H", f"{name}: {value}"]
        if body is not None:
            command += ["-H", "Content-Type: application/json", "--data-binary", json.dumps(body, ensure_ascii=False)]
        status, raw = self.engine.execute(self.container, command, timeout=timeout + 10)
        if status != 0:
            raise OSError(f"curl: {status} {raw.decode(errors='replace')}")
        text, code = raw.rsplit(b"\n", 1)
        return Reply(int(code), {}, text)

    def cli(self, *arguments, **options):
        if not self.volume:
            return super().cli(*arguments, **options)
        return json.loads(self.execute("tongban", *arguments, "--json"))

    def log_text(self):
        return self._old_logs + (self.engine.logs(self.container) if self.container else "")

    def check(self):
        found = super().check()
        if self.container and not self.is_running and self.state["ExitCode"] not in (0, 137):
            found.append(f"{self.region}: ended of itself, status {self.state['ExitCode']}")
        if self.container and self.state["OOMKilled"]:
            found.append(f"{self.region}: took more memory than its container may have, {MEMORY_LIMIT} bytes")
        return found

    # -- inside

    def execute(self, *command, user="", timeout=ENGINE_SECONDS):
        """Runs @command in the daemon's container; its output (bytes). AssertionError when it fails."""
        status, out = self.engine.execute(self.container, command, user, timeout=timeout)
        assert status == 0, f"{self}: {command}: {status} {out.decode(errors='replace')}"
        return out

    def on_line(self, *command):
        status, out = self.engine.execute(self.line_container, command)
        assert status == 0, f"{self}: {command}: {status} {out.decode(errors='replace')}"
        return out.decode()

    def rule(self, *arguments):
        self.on_line(self.iptables, "-w", *arguments)

    def round_trip_ms(self, other):
        """To @other and back, the fastest of five: until the answer to the first packet of a connection. No daemon needs to run."""
        url = f"http://{other.address}:{PORT}/"
        command = ["curl", "-s", "--max-time", 5, "-o", "/dev/null", "-w", "%{time_connect} %{time_total}", url]
        # the first is 0 when nobody listens, and the second then the time until that was said
        times = [self.engine.execute(self.line_container, command)[1].split() for _ in range(5)]
        return min(float(connect) or float(total) for connect, total in times) * 1000

    def set_clock(self, seconds):
        self.say(f"{self.region}: clock {seconds:+d} s")
        self.clock.set(seconds)

    # -- what it uses

    def memory_bytes(self):
        """Resident memory of the daemon itself, as it tells."""
        return self.get("/v1/status").ok().json()["rss_bytes"]

    def peak_bytes(self):
        """The most that it has had resident since it started."""
        return 1024 * int(re.search(r"^VmHWM:\s+(\d+) kB$", self.execute("cat", "/proc/1/status").decode(), re.M).group(1))

    def descriptor_count(self):
        return len(self.execute("ls", "/proc/1/fd").split())


class ContainerCluster(Cluster):
    def __init__(self, timeline=None):
        self.engine = Engine()
        self.timeline = timeline
        self._office_clock = None
        super().__init__()
        self.tag = self.dir.name  # names of containers, network and volumes begin so
        self.labels = {OWNER: owner()}
        remove_leftovers(self.engine)
        self.network = self.engine.create_network(self.tag, self.labels) and self.tag
        self.gateway = self.engine.gateway(self.network)  # this machine, as the containers see it
        os.chmod(self.dir, 0o755)

    def cli(self, *arguments, env=None, **options):
        if self._office_clock and arguments[0] == "ca":
            env = {**self._office_clock.environment(), **(env or {})}
        return super().cli(*arguments, env=env, **options)

    def set_office_clock(self, seconds):
        """Of who issues the certificates, from the first one on: a clock behind makes certificates that hold for nodes behind it."""
        assert not self.nodes
        self._office_clock = Clock(self.dir / "office.clock")
        self._office_clock.set(seconds)
        shutil.rmtree(self.ca_dir)
        self.cli("ca", "init", "--dir", self.ca_dir, "--name", self.name)

    def add_node(self, region, name, catalog=None, clock=False, volume_bytes=0, ledger=None, days=None):
        """@catalog: file of the image's share folder. @clock: set_clock() works. @volume_bytes: a disk of that size instead
        of the folder. @days: how long its certificate is valid."""
        host = f"n{region}"
        node = ContainerNode(self, region, name, self.dir / region, host, clock, volume_bytes)
        self.cli("node", "init", "--dir", node.dir, "--region", region, "--name", name,
                 "--federation-listen", f"tls+tcp://0.0.0.0:{PORT}", "--advertise", f"tls+tcp://{host}:{PORT}")
        settings = json.loads((node.dir / "node.json").read_text())
        settings |= {"data": SHARE} | ({"catalog": f"{SHARE}/{catalog}"} if catalog else {})
        (node.dir / "node.json").write_text(json.dumps(settings, ensure_ascii=False))
        self._configure(node, ledger or {})
        self.cli("ca", "issue", "--dir", self.ca_dir, "--node", node.dir, *(["--days", days] if days else []))
        self.nodes.append(node)
        node.make_line()
        return node

    def add_stranger(self, region, name):
        """A member for which the test speaks (forged_member.ForgedMember on .gateway): the others dial this machine. It has a folder and
        no containers, and is none of .nodes."""
        node = ContainerNode(self, region, name, self.dir / region, self.gateway, False, 0)
        node.federation_port = free_port()
        address = f"tls+tcp://{self.gateway}:{node.federation_port}"
        self.cli("node", "init", "--dir", node.dir, "--region", region, "--name", name, "--federation-listen", address, "--advertise", address)
        self.cli("ca", "issue", "--dir", self.ca_dir, "--node", node.dir)
        return node

    def say(self, text):
        """On the timeline: what the test does to the federation. Nodes and lines say it themselves."""
        if self.timeline:
            self.timeline.fault(text)

    # -- lines

    def cut(self, a, b):
        self.say(f"cut {a.region}–{b.region}")
        self.cut_one_way(a, b, quiet=True)
        self.cut_one_way(b, a, quiet=True)

    def cut_one_way(self, a, b, quiet=False):
        """What @a sends to @b vanishes; @b can still send to @a."""
        if not quiet:
            self.say(f"cut {a.region}→{b.region}")
        a.rule("-A", "CUT", "-d", b.address, "-j", "DROP")

    def split(self, *groups):
        """Nodes of different @groups cannot reach each other."""
        for i, group in enumerate(groups):
            for other in groups[i + 1 :]:
                for a in group:
                    for b in other:
                        self.cut(a, b)

    def heal(self):
        self.say("heal")
        for node in self.nodes:
            node.rule("-F", "CUT")

    def wan(self, delay_ms=15, lost_of_1000=0, rate=None):
        """Every packet between nodes is @delay_ms late (each way), some are lost; @rate as tc writes it ("10mbit")."""
        self.say(f"line: {2 * delay_ms} ms there and back, {lost_of_1000 / 10} % lost{', ' + rate if rate else ''}")
        for node in self.nodes:
            loss = ["loss", f"{lost_of_1000 / 10}%"] if lost_of_1000 else []
            netem = ["tc", "qdisc", "replace", "dev", "eth0", "root", "netem", "delay", f"{delay_ms}ms", *loss]
            status, _ = self.engine.execute(node.line_container, netem + (["rate", rate] if rate else []))
            if status == 0:
                continue
            # no netem in this kernel: a queue that a program releases later, and tc's token bucket for the rate
            node.rule("-A", "WAN", "-o", "eth0", "-p", "tcp", "-j", "NFQUEUE", "--queue-num", QUEUE)
            self.engine.execute_detached(node.line_container, ["wan-delay", QUEUE, delay_ms, lost_of_1000])
            if rate:
                node.on_line("tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", rate, "burst", "64kbit",
                             "latency", "400ms")

    # -- end

    def _remove_all(self):
        """What cannot be removed keeps nothing else here."""
        problems = []
        for remove in [x for node in self.nodes for x in node.removals()] + [lambda: self.engine.remove_network(self.network)]:
            try:
                remove()
            except Exception as e:
                problems.append(f"{type(e).__name__}: {e}")
        if problems:
            raise ClusterProblem("\n".join(problems))

    def close(self):
        if self.is_closed:
            return
        self.is_closed = True
        try:
            for node in self.nodes:
                node.stop()
            self.check()
        except BaseException:
            self.failed = True
            raise
        finally:
            try:
                if self.failed:
                    for node in self.nodes:
                        Path(f"{node.dir}.log").write_text(node.log_text())
            finally:
                self._remove_all()
            if not self.failed and os.environ.get("TONGBAN_TEST_KEEP") != "1":
                shutil.rmtree(self.dir, ignore_errors=True)
