"""Clocks that are wrong, and that jump: order and state do not depend on them."""
import pytest
from cluster import wait_for
from provinces5 import WAIT_SECONDS, finish, five_provinces, lost, start_load

MINUTE = 60
DAY = 24 * 60 * MINUTE


@pytest.fixture
def federation(federation):
    """With certificates that are valid for who is a day behind: a line that breaks, of itself too, can be dialled again."""
    federation.set_office_clock(-2 * DAY)
    return federation


def test_skew(federation):
    """One window is an hour ahead, one a day behind."""
    desk, windows = five_provinces(federation, windows=3, clock=True)
    windows[0].set_clock(60 * MINUTE)
    windows[1].set_clock(-DAY)
    load = start_load(federation, desk, windows)
    assert load.wait_answers(20, WAIT_SECONDS)
    federation.split([windows[1]], [desk, windows[0], windows[2]])
    wait_for(lambda: lost(windows[1], desk) and lost(desk, windows[1]), WAIT_SECONDS, what="the one behind to be away, and to dial anew")
    finish(federation, load, [desk, *windows])
    skews = {p["code"]: p["clock_skew_ms"] for p in desk.get("/v1/peers").ok().json()["peers"]}
    assert skews[int(windows[2].region)] is None or abs(skews[int(windows[2].region)]) < 5 * MINUTE * 1000


def test_jumps(federation):
    desk, windows = five_provinces(federation, windows=2, clock=True)
    load = start_load(federation, desk, windows)
    for node, seconds in ((desk, 3600), (windows[0], -7200), (desk, -60), (windows[1], 86400), (desk, 0), (windows[0], 0)):
        node.set_clock(seconds)
        assert load.wait_answers(5, WAIT_SECONDS)
    finish(federation, load, [desk, *windows])
