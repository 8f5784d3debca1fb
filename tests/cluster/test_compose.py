"""docker/compose.yml as a user starts it: the image is what docker/README.md says, six nodes meet and are healthy, a case goes from the
window to the decision, a second `up` makes nothing anew. And what Docker shows of a node that cannot take anything in.

docker-compose runs in a container of its own (compose.Dockerfile), with the engine's socket.
"""
import json
import os

import pytest
from cluster import TREE, wait_for
from containers import LABEL, LABEL_PID, image, node_image, remove_leftovers
from engine import SOCKET

BASE_IMAGE = "debian:trixie-slim"
IMAGE_BYTES_MAX = 60_000_000  # beyond the base
PROJECT = "com.docker.compose.project"
NODES = {"sichuan": 510000, "guangdong": 440000, "zhejiang": 330000, "chongqing": 500000, "guizhou": 520000, "chengdu": 510100}
ORPHAN = "11510000TEMP00021820007KSTB0066"  # 孤儿认定申请受理, Sichuan
HEALTH_SECONDS = 90  # the first check is after 10 s; this machine may be busy
QUICK = {"Interval": 10**9, "Retries": 1}
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
            "Env": [f"TONGBAN_IMAGE={node_image()}", "COMPOSE_ANSI=never"], "Labels": {LABEL: self.name, LABEL_PID: str(os.getpid())},
            "HostConfig": {"NetworkMode": "none", "Binds": [f"{TREE}/docker:/docker:ro", f"{SOCKET}:/var/run/docker.sock"]}})
        try:
            self.engine.start(runner)
            status = self.engine.call("POST", f"/containers/{runner}/wait", timeout=180)["StatusCode"]
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
    for row in docker.labelled(PROJECT):  # of test processes that were killed
        name = row["Labels"][PROJECT]
        if name.startswith("tongban-compose-") and not os.path.exists(f"/proc/{name.rsplit('-', 1)[1]}"):
            Project(docker, name).compose("down", "-v")
    made = Project(docker, f"tongban-compose-{os.getpid()}")
    try:
        yield made
    finally:
        made.compose("down", "-v", "--timeout", "10")
        assert made.containers() == {}
        left = [x["Name"] for x in docker.call("GET", "/volumes")["Volumes"] or [] if x["Name"].startswith(f"{made.name}_")]
        assert left == []


def health(engine, container):
    return engine.inspect(container)["State"]["Health"]


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

        wait_for(met, 60, what=f"{service} to be connected to the five others")
    for service in NODES:  # not root, nothing to write to but the one volume
        state = project.engine.inspect(containers[service])
        assert state["HostConfig"]["ReadonlyRootfs"] and state["HostConfig"]["CapDrop"] == ["ALL"]
        assert [(m["Type"], m["Destination"]) for m in state["Mounts"]] == [("volume", "/var/lib/tongban")]
    assert project.run("sichuan", "sh", "-c", "id -u; id -g; id -G; stat -c %u:%g:%a /var/lib/tongban/ledger.key") == (
        0, "7510\n7510\n7510\n7510:7510:600\n")
    assert "Read-only file system" in project.run("sichuan", "touch", "/x")[1]

    submit = ["case", "submit", "--item", ORPHAN, "--name", "李小满", "--id", "510104190507290029", "--form", "guardian_relation=祖母"]
    wait_for(lambda: any(p["code"] == NODES["sichuan"] and p["items"] for p in project.cli("guangdong", "peer", "list")["peers"]),
             what="the window to hold the catalog")
    case = project.cli("guangdong", *submit)["case"]

    wait_for(lambda: project.status("sichuan", case) == "arrived", what="the case to arrive")
    project.cli("sichuan", "case", "accept", case)
    project.cli("sichuan", "case", "decide", case, "--grant")
    wait_for(lambda: project.status("guangdong", case) == "closed_granted", what="the decision to be known at the window")
    assert len({project.cli(x, "case", "show", case)["digest"] for x in ("guangdong", "sichuan")}) == 1

    for service, container in containers.items():
        if service in NODES:
            wait_for(lambda c=container: health(project.engine, c)["Status"] == "healthy", HEALTH_SECONDS, what=f"{service} to be healthy")
            assert health(project.engine, container)["Log"][-1]["Output"] == "ok\n"
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
    wait_for(lambda: health(node.engine, node.container)["Status"] == "healthy", HEALTH_SECONDS, what="the node to be healthy")
    node.expect_error("store.full")
    node.engine.execute(node.container, ["dd", "if=/dev/zero", f"of={FILL}", "bs=64k"])
    publish = ["tongban", "catalog", "import", "/usr/local/share/tongban/sichuan.json", "--publish"]
    status, said = node.engine.execute(node.container, publish)
    assert status == 6 and b"full" in said, said.decode()
    found = wait_for(lambda: (h := health(node.engine, node.container))["Status"] == "unhealthy" and h, HEALTH_SECONDS,
                     what="the node to be unhealthy")
    assert "the node takes nothing in: stopped: " in found["Log"][-1]["Output"] and "full" in found["Log"][-1]["Output"], found
    assert found["Log"][-1]["ExitCode"] == 8 and node.is_running
    assert node.execute("tongban", "status"), "alive all the while"
    node.execute("rm", FILL)
    wait_for(lambda: health(node.engine, node.container)["Status"] == "healthy", HEALTH_SECONDS, what="the node to be healthy again")


def test_health_while_others_are_asked(federation):
    """A node that waits for what the others hold of its ledger fails its checks and is "starting", however many there were."""
    node = federation.add_node("510000", "四川省", ledger={"start_ask_ms": 20_000})
    federation.add_node("440000", "广东省")  # away
    federation.publish()
    node.health_check = QUICK
    node.start(wait=False)
    found = wait_for(lambda: len((h := health(node.engine, node.container))["Log"]) > QUICK["Retries"] and h, what="checks enough")
    assert found["Status"] == "starting" and {x["ExitCode"] for x in found["Log"]} == {8}, found
    wait_for(lambda: health(node.engine, node.container)["Status"] == "healthy", HEALTH_SECONDS, what="the node to be healthy")
