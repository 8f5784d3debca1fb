"""`federation`: containers on a network of their own, with a timeline that is written to build/cluster at the end. Without a
Docker engine and the images that ./dev makes, the tests of this folder are skipped, and ctest is told so (status 77)."""
import re
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "crash")]


def missing():
    """What the tests of this folder lack on this machine; "" when nothing."""
    import engine
    from containers import image

    if not engine.is_there():
        return f"no Docker engine answers at {engine.SOCKET}"
    lacking = [x for x in (image(), f"{image()}-next") if not engine.Engine().has_image(x)]
    return f"no image {', '.join(lacking)}: ./dev test makes them" if lacking else ""


def pytest_sessionfinish(session, exitstatus):
    if exitstatus == 0 and missing():
        session.exitstatus = 77


@pytest.fixture
def federation(request):
    from containers import ContainerCluster
    from timeline import Timeline

    if lack := missing():
        pytest.skip(lack)
    timeline = Timeline(re.sub(r"[^\w-]+", "_", request.node.name).strip("_"))
    failed = request.session.testsfailed
    made = ContainerCluster(timeline)
    try:
        yield made
    finally:
        made.failed = made.failed or request.session.testsfailed > failed
        timeline.write(not made.failed)
        made.close()
