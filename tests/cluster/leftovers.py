"""Who made what is in the engine, and the end of what test processes left there that were killed.

    engine.create(name, {…, "Labels": labels(owner())})
    remove_leftovers(engine)                # of others, and only what nobody uses any more

A number of a process is taken again by another, after a restart of the machine by the very next run; therefore its start stands beside it. Where
several machines' worth of processes share one engine (jobs in containers, with its socket), a process of another namespace cannot be looked
for: what is its is left alone for as long as a run may take.
"""
import functools
import os
import re
import time
from pathlib import Path

OWNER = "tongban.test.owner"
PROJECT = "com.docker.compose.project"
PROJECT_PREFIX = "tongban-compose-"
RUN_SECONDS_MAX = 6 * 3600


def started(pid):
    """When the process @pid began, in ticks since the machine did; None when there is none, or it is not shown."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return None


def namespace():
    return "".join(filter(str.isdigit, os.readlink("/proc/self/ns/pid")))


@functools.cache
def owner():
    """This process: a name for it, of digits and hyphens."""
    return f"{namespace()}-{os.getpid()}-{started(os.getpid())}-{int(time.time())}"


def exists(pid):
    """Also one of another user, which /proc may hide (hidepid)."""
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def is_gone(name):
    """Whether the process that owner() named so has ended. A name that it did not make is somebody else's, who may use what he has."""
    parts = re.fullmatch(r"(\d+)-(\d+)-(\d+)-(\d+)", name)
    if not parts:
        return False
    space, pid, start, seconds = parts.groups()
    if space != namespace():
        return time.time() - int(seconds) > RUN_SECONDS_MAX
    began = started(pid)
    return not exists(pid) if began is None else began != start


def owner_of(labels):
    """Of what has these labels; None when it is not ours."""
    project = labels.get(PROJECT, "")
    return labels.get(OWNER) or (project.removeprefix(PROJECT_PREFIX) if project.startswith(PROJECT_PREFIX) else None)


def remove_leftovers(engine):
    """Containers, networks and volumes of test processes that were killed. Others may do the same at this moment; what cannot be
    removed is left to the next: it has names and addresses of its own, and is in nobody's way."""
    for path, labels in engine.labels():
        name = owner_of(labels)
        if name is not None and is_gone(name):
            engine.request("DELETE", f"{path}?force=true&v=true")
