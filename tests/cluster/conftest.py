"""`federation`: containers on a network of their own, with a timeline that is written to build/cluster at the end. Without a
Docker engine and the images that ./dev makes, the tests of this folder are skipped, and ctest is told so (status 77); with CI=true they
fail, since nobody reads there what was skipped."""
import os
import re
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "crash")]


lacked = ""  # what a test was skipped for


def missing():
    """What the tests of this folder lack on this machine; "" when nothing."""
    import engine
    from containers import image, node_image

    if not engine.is_there():
        return f"no Docker engine answers at {engine.SOCKET}"
    needed = (node_image(), image(), f"{image()}-next", f"{image()}-compose")
    lacking = [x for x in needed if not engine.Engine().has_image(x)]
    return f"no image {', '.join(lacking)}: ./dev test makes them" if lacking else ""


def pytest_sessionfinish(session, exitstatus):
    if exitstatus == 0 and lacked:
        session.exitstatus = 77


@pytest.fixture
def docker():
    """The engine (engine.py), where it and the images are there."""
    from engine import Engine

    global lacked
    if lack := missing():
        lacked = lack
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(lack)
    return Engine()


@pytest.fixture
def federation(request, docker):
    from containers import ContainerCluster
    from timeline import Timeline

    timeline = Timeline(re.sub(r"[^\w-]+", "_", request.node.name).strip("_"))
    failed = request.session.testsfailed
    made = ContainerCluster(timeline)
    try:
        yield made
    finally:
        made.failed = made.failed or request.session.testsfailed > failed
        timeline.close(made)
