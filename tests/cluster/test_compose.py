"""docker/compose.yml as a user starts it: the image is what docker/README.md says, six nodes meet and are healthy, a case goes from the
window to the decision, a second `up` makes nothing anew. And what Docker shows of a node that cannot take anything in.

docker-compose runs in a container of its own (compose.Dockerfile), with the engine's socket.
"""
import json

import pytest
from cluster import TREE, wait_for
from containers import image, node_image
from engine import SOCKET
from leftovers import OWNER, PROJECT, PROJECT_PREFIX, owner, remove_leftovers
from load import find_item
from provinces5 import WAIT_SECONDS
from test_loss import back_up, hand_in, restore

BASE_IMAGE = "debian:trixie-slim"
IMAGE_BYTES_MAX = 60_000_000  # beyond the base
NODES = {"sichuan": 510000, "guangdong": 440000, "zhejiang": 330000, "chongqing": 500000, "guizhou": 520000, "chengdu": 510100}
ORPHAN = "11510000TEMP00021820007KSTB0066"  # 孤儿认定申请受理, Sichuan
UP_SECONDS = 600  # this machine may be busy
QUICK = {"Interval": 10**9, "Retries": 1}
TRIES = 3
FILL = "/var/lib/tongban/ballast"


class Project:
    """The federation of docker/compose.yml under a name of its own."""

    def __init__(self, engine, name):
        self.engine = engine
        self.name = name

    def compose(self, *arguments):
        """Runs docker-compose, to its end; what it printed."""
        runner = self.engine.create(f"{self.name}-compose", {
            "Image": f"{image()}-compose", "Cmd": ["-p", self.name, "-f", "/docker/compose.yml", *arguments],
            "Env": [f"TONGBAN_IMAGE={node_image()}", "COMPOSE_ANSI=never"], "Labels": {OWNER: owner()},
            "HostConfig": {"NetworkMode": "none", "Binds": [f"{TREE}/docker:/docker:ro", f"{SOCKET}:/var/run/docker.sock"]}})
        try:
            self.engine.start(runner)
            status = self.engine.call("POST", f"/containers/{runner}/wait", timeout=UP_SECONDS)["StatusCode"]
            said = self.engine.logs(runner)
        finally:
            self.engine.remove(runner)
        assert status == 0, f"docker-compose {' '.join(arguments)}: {status}\n{said}\n{self.logs()}"
        return said

    def containers(self):
        """name of a service -> id of its container"""
        rows = self.engine.labelled(f"{PROJECT}={self.name}")
        return {row["Labels"]["com.docker.compose.service"]: row["Id"] for row in rows}

    def logs(self):
        return "\n".join(f"---- {service}\n{self.engine.logs(id)[-3000:]}" for service, id in self.containers().items())

    def run(self, service, *command):
        """(exit status, what it printed)"""
        status, out = self.engine.execute(self.containers()[service], command)
        return status, out.decode()

    def cli(self, service, *arguments):
        status, out = self.run(service, "tongban", *arguments, "--json")
        assert status == 0, f"{service}: {arguments}: {status} {out}\n{self.logs()}"
        return json.loads(out)

    def status(self, service, case):
        """Of @case there; None while it is not known."""
        status, out = self.run(service, "tongban", "case", "show", case, "--json")
        return json.loads(out)["status"] if status == 0 else None


@pytest.fixture
def project(docker):
    remove_leftovers(docker)
    made = Project(docker, f"{PROJECT_PREFIX}{owner()}")
    try:
        yield made
    finally:
        made.compose("down", "-v", "--timeout", "10")
        left = [path for path, labels in docker.labels() if labels.get(PROJECT) == made.name]
        assert left == []


def health(engine, container):
    return engine.inspect(container)["State"]["Health"]


def wait_health(engine, container, status, said=""):
    """Its health once it is @status, with a check that said @said. Docker keeps the last five checks; one that this machine was too slow for
    may stand among them, also as the reason for "unhealthy"."""

    def found():
        h = health(engine, container)
        return h["Status"] == status and any(said in x["Output"] for x in h["Log"]) and h

    return wait_for(found, WAIT_SECONDS, what=f"{container} to be {status}: {said}")


def test_image(docker):
    """What docker/README.md promises of it."""
    made, base = (docker.call("GET", f"/images/{x}/json") for x in (node_image(), BASE_IMAGE))
    config = made["Config"]
    assert made["Size"] - base["Size"] < IMAGE_BYTES_MAX
    assert config["User"] == "7510", "as a number: runAsNonRoot of Kubernetes takes no name"
    assert list(config["Volumes"]) == ["/var/lib/tongban"]
    check = config["Healthcheck"]
    assert check["Test"] == ["CMD", "tongban", "status", "--health"]
    assert check["StartPeriod"] >= 600 * 10**9, "a node that gets its entries back is no dead one"
    assert check["Timeout"] > 5 * 10**9, "its own patience ends first and says so (tests/whole/test_health.py)"


def test_federation_to_try(project):
    project.compose("up", "-d", "--no-build")
    containers = project.containers()
    assert set(containers) == {*NODES, "set-up"}
    for service in NODES:
        def met():
            status, out = project.run(service, "tongban", "status", "--json")
            return status == 0 and json.loads(out)["peers_connected"] == len(NODES) - 1

        wait_for(met, WAIT_SECONDS, what=f"{service} to be connected to the five others")
    for service in NODES:  # not root, nothing to write to but the one volume
        state = project.engine.inspect(containers[service])
        assert state["HostConfig"]["ReadonlyRootfs"] and state["HostConfig"]["CapDrop"] == ["ALL"]
        assert [(m["Type"], m["Destination"]) for m in state["Mounts"]] == [("volume", "/var/lib/tongban")]
    assert project.run("sichuan", "sh", "-c", "id -u; id -g; id -G; stat -c %u:%g:%a /var/lib/tongban/ledger.key") == (
        0, "7510\n7510\n7510\n7510:7510:600\n")
    assert "Read-only file system" in project.run("sichuan", "touch", "/x")[1]

    submit = ["case", "submit", "--item", ORPHAN, "--name", "李小满", "--id", "510104190507290029", "--form", "guardian_relation=祖母"]
    wait_for(lambda: any(p["code"] == NODES["sichuan"] and p["items"] for p in project.cli("guangdong", "peer", "list")["peers"]),
             WAIT_SECONDS, what="the window to hold the catalog")
    case = project.cli("guangdong", *submit)["case"]

    wait_for(lambda: project.status("sichuan", case) == "arrived", WAIT_SECONDS, what="the case to arrive")
    project.cli("sichuan", "case", "accept", case)
    project.cli("sichuan", "case", "decide", case, "--grant")
    wait_for(lambda: project.status("guangdong", case) == "closed_granted", WAIT_SECONDS, what="the decision to be known at the window")
    assert len({project.cli(x, "case", "show", case)["digest"] for x in ("guangdong", "sichuan")}) == 1

    for service, container in containers.items():
        if service in NODES:
            found = wait_health(project.engine, container, "healthy")
            assert {x["Output"] for x in found["Log"] if x["ExitCode"] == 0} == {"ok\n"}, f"{service}: {found}"
    assert "made " in project.engine.logs(containers["set-up"])

    started = {x: project.engine.inspect(containers[x])["State"]["StartedAt"] for x in NODES}
    project.compose("up", "-d", "--no-build")  # its set-up runs again: what is there stays
    containers = project.containers()
    assert started == {x: project.engine.inspect(containers[x])["State"]["StartedAt"] for x in NODES}
    assert project.engine.logs(containers["set-up"]).count("made ") == len(NODES)
    assert project.status("sichuan", case) == "closed_granted"


def test_health_of_a_full_disk(federation):
    """Unhealthy with the reason while the disk is full; Docker lets it run; healthy again by itself."""
    node = federation.add_node("510000", "四川省", volume_bytes=32 << 20)
    node.health_check = QUICK
    federation.start()
    wait_health(node.engine, node.container, "healthy")
    node.expect_error("store.full")
    node.engine.execute(node.container, ["dd", "if=/dev/zero", f"of={FILL}", "bs=64k"])
    publish = ["tongban", "catalog", "import", "/usr/local/share/tongban/sichuan.json", "--publish"]
    status, said = node.engine.execute(node.container, publish)
    assert status == 6 and b"full" in said, said.decode()
    found = wait_health(node.engine, node.container, "unhealthy", "the node takes nothing in: stopped: ")
    refusals = [x for x in found["Log"] if "the node takes nothing in" in x["Output"]]
    assert all("full" in x["Output"] and x["ExitCode"] == 8 for x in refusals) and node.is_running, found
    assert node.execute("tongban", "status"), "alive all the while"
    node.execute("rm", FILL)
    wait_health(node.engine, node.container, "healthy")


def refused(node, reason):
    """Its health, once so many of its last checks failed with @reason that it would be unhealthy if they counted; None before."""
    h = health(node.engine, node.container)
    last = h["Log"][-QUICK["Retries"] - 1 :]
    return len(last) > QUICK["Retries"] and all(x["ExitCode"] == 8 and reason in x["Output"] for x in last) and h


def test_health_while_others_are_asked(federation):
    """A node that starts while another is away asks for a minute; where this machine needed it for one check, it starts anew."""
    node = federation.add_node("510000", "四川省", ledger={"start_ask_ms": 60_000})
    federation.add_node("440000", "广东省")  # away
    federation.publish()
    node.health_check = QUICK
    for _ in range(TRIES):
        node.start(wait=False)
        asked = lambda: refused(node, "no node answers") or health(node.engine, node.container)["Status"] == "healthy"  # noqa: E731
        found = wait_for(asked, WAIT_SECONDS, what="checks enough")
        if found is not True:
            assert found["Status"] == "starting" and node.is_running, found
            return
        node.stop()
        node.use_image(node.image)
    pytest.fail("healthy before it was checked twice")


def test_health_while_entries_come_back(federation):
    """A node that waits for what the others hold of its ledger fails its checks and is "starting", however many there were."""
    node = federation.add_node("510000", "四川省", catalog="sichuan.json")
    other = federation.add_node("440000", "广东省")
    node.health_check = QUICK
    federation.start()
    backups = back_up(federation, node)
    hand_in(other, node, find_item(other, node), 1)  # the receipt is of the node's ledger
    size = lambda: node.get("/v1/ledger").ok().json()["size"]  # noqa: E731
    held = lambda: [p["held_size"] for p in other.get("/v1/peers").ok().json()["peers"]]  # noqa: E731
    wait_for(lambda: held() == [size()], WAIT_SECONDS, what="the other to hold everything")
    for stopped in (node, other):
        stopped.stop()
    restore(federation, node, backups)
    node.expect_error("ledger.behind")
    node.use_image(node.image)  # a container without checks of its time before
    node.start(wait=False)
    found = wait_for(lambda: refused(node, "recovering: "), WAIT_SECONDS, what="checks enough")
    assert found["Status"] == "starting", found
    other.start()
    wait_health(node.engine, node.container, "healthy")
