"""A test process that was killed leaves containers, networks and volumes in the engine: they are removed by the next, and what a living one has is not."""
import os
import subprocess
import sys
import threading

import leftovers
import pytest
from containers import image
from leftovers import OWNER, PROJECT, PROJECT_PREFIX, owner, remove_leftovers

MAKERS = 4


@pytest.fixture
def dead():
    """The name of a process that has ended."""
    code = f"import sys; sys.path[:0] = {sys.path!r}; import leftovers; print(leftovers.owner())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def of_a_killed_run(engine, name, labels):
    """What such a run makes; the network has a container, the volume is in use."""
    network = engine.create_network(name, labels)
    volume = engine.create_volume(name, None, labels)
    container = engine.create(name, {"Image": image(), "Entrypoint": ["sleep", "infinity"], "Labels": labels, "StopSignal": "SIGKILL",
                                     "HostConfig": {"NetworkMode": name, "Binds": [f"{volume}:/x"]}})
    engine.start(container)
    return {f"/containers/{container}", f"/networks/{network}", f"/volumes/{volume}"}


def there(engine):
    return {path for path, _ in engine.labels()}


def take_away(engine, made):
    for path in sorted(made):  # containers first
        engine.request("DELETE", f"{path}?force=true&v=true")


@pytest.mark.parametrize("labels", [lambda x: {OWNER: x}, lambda x: {PROJECT: f"{PROJECT_PREFIX}{x}"}], ids=["test", "compose"])
def test_what_a_killed_run_left(docker, dead, labels):
    """By several at once, as the tests of this folder begin."""
    tag = f"tongban-left-{owner()}"
    made = of_a_killed_run(docker, tag, labels(dead))
    kept = of_a_killed_run(docker, f"{tag}-kept", labels(owner()))
    failures = []

    def sweep():
        try:
            remove_leftovers(docker)
        except Exception as e:  # told below
            failures.append(e)

    try:
        sweepers = [threading.Thread(target=sweep) for _ in range(MAKERS)]
        for thread in sweepers:
            thread.start()
        for thread in sweepers:
            thread.join()
        assert not failures, failures
        remove_leftovers(docker)  # what one was not let remove, while another did
        assert not made & there(docker)
        assert kept <= there(docker)
    finally:
        take_away(docker, made | kept)


def test_a_network_without_containers(docker, dead):
    """Of a run that was killed before it had any, or after: a few dozen of them, and the engine has no addresses left."""
    made = f"/networks/{docker.create_network(f'tongban-left-{owner()}-alone', {OWNER: dead})}"
    try:
        remove_leftovers(docker)
        assert made not in there(docker)
    finally:
        take_away(docker, {made})


def test_who_is_gone(dead, monkeypatch):
    assert leftovers.is_gone(dead) and not leftovers.is_gone(owner())
    space, pid, start, seconds = owner().split("-")
    assert leftovers.is_gone(f"{space}-{pid}-{int(start) - 1}-{seconds}"), "another had this number"
    for other in ("demo", "", str(2**22), f"{owner()}-1", owner().replace(start, "x")):
        assert not leftovers.is_gone(other), "no name of ours, as of docker compose -p tongban-compose-demo"
    elsewhere = f"{int(space) + 1}-{pid}-{start}-"
    assert not leftovers.is_gone(f"{elsewhere}{seconds}"), "it may run, where it cannot be looked for"
    assert leftovers.is_gone(f"{elsewhere}{int(seconds) - leftovers.RUN_SECONDS_MAX - 60}")


def test_a_process_that_is_not_shown(dead, monkeypatch):
    """Of another user, where /proc hides those."""
    monkeypatch.setattr(leftovers, "started", lambda pid: None)
    own = f"{leftovers.namespace()}-{os.getpid()}-1-1"
    assert leftovers.is_gone(dead) and not leftovers.is_gone(own)

    def refuse(pid, signal):
        raise PermissionError(pid)

    monkeypatch.setattr(os, "kill", refuse)
    assert not leftovers.is_gone(own)
