"""pytest set-up of all scripts under tests/: the helpers of tests/lib are importable, and `cluster` is a fixture."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "lib"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call" and report.failed:
        made = item.funcargs.get("cluster")
        if made is not None:
            made.failed = True
            report.sections.append((f"daemon logs (kept in {made.dir})", made.logs()))
    return report


@pytest.fixture
def cluster():
    """An empty federation (lib/cluster.py). At the end its daemons are stopped; what they did wrong fails the test."""
    from cluster import Cluster

    with Cluster() as made:
        yield made


@pytest.fixture
def one_day():
    """For tests that compute with the day: it stays the same to their end."""
    from provinces import wait_long_day

    wait_long_day()
