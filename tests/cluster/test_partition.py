"""Lines between provinces fail in every shape while people hand in: everybody is served all the time, and when the lines are
back all have the same."""
import pytest
from cluster import wait_for
from load import find_item, submit
from provinces5 import WAIT_SECONDS, WINDOWS, finish, five_provinces, lost, start_load

SERVED_SECONDS = 10  # a window's answer may take this long, whatever the lines do, beside what the machine stood still for
HERE_MS, THERE_MS = 25, 1000  # a round trip on this machine takes less than the one; over a line of 30 ms more than that, but a cut one's more than the other


def test_lines_are_as_slow_as_said(federation):
    """Otherwise the other tests of this folder would show less than they say."""
    a, b = (federation.add_node(*x) for x in WINDOWS[:2])
    wait_for(lambda: a.round_trip_ms(b) < HERE_MS, WAIT_SECONDS, what="a round trip as this machine can do it")
    federation.wan(delay_ms=15)

    def as_said(a, b):
        ms = a.round_trip_ms(b)
        assert ms >= HERE_MS, f"{ms} ms from {a} to {b}"
        return ms < THERE_MS

    for pair in ((a, b), (b, a)):
        wait_for(lambda p=pair: as_said(*p), WAIT_SECONDS, what="a packet to get through")


@pytest.fixture
def loaded(federation):
    desk, windows = five_provinces(federation)
    load = start_load(federation, desk, windows)
    return federation, desk, windows, load


def wait_lost(node, other):
    wait_for(lambda: lost(node, other), WAIT_SECONDS, what=f"{node} to notice that {other} is away")


def wait_have(node, other):
    """At once, where the line was never cut; but a machine that stood still for some seconds makes them dial anew."""
    wait_for(lambda: not lost(node, other), WAIT_SECONDS, what=f"{node} to have {other}")


def wait_lost_both_ways(node, others):
    for other in others:
        wait_lost(node, other)
        wait_lost(other, node)


def assert_served(load, nodes):
    for node in nodes:
        assert load.wait_answers(3, WAIT_SECONDS, node=node), f"{node} does not serve while it is cut off"


def test_desk_alone(loaded):
    federation, desk, windows, load = loaded
    federation.split([desk], windows)
    wait_lost(windows[0], desk)
    assert_served(load, windows)
    finish(federation, load, [desk, *windows])
    waits = {w: load.longest_wait(w) for w in windows}
    assert max(waits.values()) < SERVED_SECONDS, waits


def test_halves(loaded):
    federation, desk, windows, load = loaded
    federation.split([desk, windows[0]], windows[1:])
    wait_lost(windows[3], desk)
    wait_have(windows[0], desk)
    wait_have(windows[3], windows[1])
    assert_served(load, windows)
    finish(federation, load, [desk, *windows])


def test_bridge(loaded):
    """Two halves that only one window reaches both of."""
    federation, desk, windows, load = loaded
    bridge, left, right = windows[0], [desk, windows[1]], windows[2:]
    federation.split(left, right)
    wait_lost(right[0], desk)
    wait_have(bridge, desk)
    wait_have(bridge, right[0])
    assert_served(load, windows)
    finish(federation, load, [desk, *windows])


@pytest.mark.parametrize("direction", ["to_desk", "from_desk"])
def test_one_way(loaded, direction):
    federation, desk, windows, load = loaded
    a, b = (windows[0], desk) if direction == "to_desk" else (desk, windows[0])
    federation.cut_one_way(a, b)
    wait_lost(windows[0], desk)
    wait_lost(desk, windows[0])
    assert_served(load, windows)
    finish(federation, load, [desk, *windows])


def test_ring_of_majorities(loaded):
    """Everybody reaches a majority, each another one: nobody agrees who is away."""
    federation, desk, windows, load = loaded
    ring = [desk, *windows]
    for i, node in enumerate(ring):
        federation.cut(node, ring[(i + 2) % 5])
    for i, node in enumerate(ring):
        wait_lost(node, ring[(i + 2) % 5])
        wait_lost(node, ring[(i + 3) % 5])
    for i, node in enumerate(ring):
        for near in (ring[(i + 1) % 5], ring[(i + 4) % 5]):
            wait_have(node, near)
    assert_served(load, windows)
    finish(federation, load, ring)


def test_deaf_and_unheard(loaded):
    """The desk hears nobody, though all could hear it, while nobody hears a window that could hear all."""
    federation, desk, windows, load = loaded
    unheard, others = windows[0], windows[1:]
    for window in windows:
        federation.cut_one_way(window, desk)
    for other in others:
        federation.cut_one_way(unheard, other)
    wait_lost_both_ways(desk, windows)
    wait_lost_both_ways(unheard, others)
    wait_have(others[0], others[1])
    assert_served(load, windows)
    finish(federation, load, [desk, *windows])


def test_everybody_alone_then_flapping(loaded):
    federation, desk, windows, load = loaded
    everybody = [desk, *windows]
    federation.split(*[[x] for x in everybody])
    wait_lost(desk, windows[0])
    assert_served(load, windows)
    for round in range(6):
        federation.heal()
        assert_served(load, [windows[round % 4]])
        federation.split([desk], [windows[round % 4]])
        assert_served(load, [windows[(round + 1) % 4]])
    finish(federation, load, everybody)


def test_narrow_lossy_line(federation):
    """2 Mbit/s, 60 ms there and back, 3 % of packets lost: slow, and whole."""
    desk, windows = five_provinces(federation, windows=2, wan=False)
    federation.wan(delay_ms=30, lost_of_1000=30, rate="2mbit")
    load = start_load(federation, desk, windows)
    assert_served(load, windows)
    finish(federation, load, [desk, *windows])


def test_while_cut_off_a_case_waits(federation):
    """A case of a window that was away arrives when the line is back, as handed in, and is decided."""
    desk, windows = five_provinces(federation, windows=1)
    item = find_item(windows[0], desk)
    federation.cut(desk, windows[0])
    wait_lost(windows[0], desk)
    case = submit(windows[0], item)
    assert windows[0].get(f"/v1/cases/{case}").ok().json()["status"] == "forwarded"
    assert desk.get(f"/v1/cases/{case}").status == 404
    federation.heal()
    wait_for(lambda: desk.get(f"/v1/cases/{case}").json().get("status") == "arrived", WAIT_SECONDS, what="the case to arrive")
