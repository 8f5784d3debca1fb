"""Wall clocks that are wrong, jump and are put right under real daemons: what the events say of time, the deadlines made of it, and
connections whose certificates the clock judges."""
import datetime

import pytest

from cluster import wait_for
from provinces import CHINA, act, add_provinces, submit, view, wait_met, wait_status
from shifted_clock import Clock
from test_deadlines import add_working_days

A, B = "440000", "510000"
DAY, HOUR = 86400, 3600
ON_ITS_WAY_S = 60  # a greeting, at most
AHEAD_S = 10  # federation/FORMATS.md, "hlc"
PATIENCE_S = 900  # between a request and the look at it


@pytest.fixture
def provinces(cluster):
    nodes = add_provinces(cluster, A, B)
    clocks = [Clock(node.dir.with_suffix(".clock")) for node in nodes]
    cluster.publish()
    for node, clock in zip(nodes, clocks):
        node.start(wait=False, env=clock.environment())
    for node in nodes:
        node.wait_ready()
    wait_met(*nodes)
    return *nodes, *clocks


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def ahead(event):
    """Seconds by which the time of an event is ahead of ours."""
    return event["written_ms"] / 1000 - now().timestamp()


def of(node, case):
    return view(node, case)["events"]


def test_a_clock_that_was_ahead_and_is_right_again(provinces):
    """The day it was ahead stays where it belongs: in what was written meanwhile, and in what follows that."""
    a, b, clock, _ = provinces
    clock.set(DAY)
    early = submit(a)
    assert all(abs(ahead(e) - DAY) < PATIENCE_S for e in of(a, early))
    clock.set(0)
    late = submit(a, serial=3)
    assert all(-PATIENCE_S < ahead(e) <= AHEAD_S for e in of(a, late)), [ahead(e) for e in of(a, late)]

    wait_status(early, "arrived", a, b)
    wait_status(late, "arrived", a, b)
    act(b, early, "accept").ok()
    act(b, late, "accept").ok()
    for case, shift in ((early, DAY), (late, 0)):
        wait_status(case, "accepted", a, b)
        times = [e["written_ms"] for e in of(a, case)]
        assert times == sorted(times), "later than what they follow, whatever their author's clock says"
        assert all(abs(ahead(e) - shift) < PATIENCE_S for e in of(b, case))
        accepted, = [e for e in of(b, case) if e["type"] == "accept"]
        day = datetime.datetime.fromtimestamp(accepted["written_ms"] / 1000, CHINA).date()
        for node in (a, b):
            decide, = [d for d in view(node, case)["deadlines"] if d["kind"] == "decide"]
            assert (decide["from"], decide["due"]) == (day.isoformat(), add_working_days(day, 30).isoformat())
    assert view(a, early)["deadlines"] == view(b, early)["deadlines"]


def test_a_clock_that_was_ahead_and_is_right_after_a_restart(provinces):
    a, _, clock, _ = provinces
    clock.set(DAY)
    submit(a)
    a.stop()
    clock.set(0)
    a.start(env=clock.environment())
    late = submit(a, serial=3)
    assert all(-PATIENCE_S < ahead(e) <= AHEAD_S for e in of(a, late)), [ahead(e) for e in of(a, late)]


def test_a_clock_before_the_certificates(provinces):
    """It keeps what stands, and gets no new connection until it is right; nothing has to be done then."""
    a, b, clock, _ = provinces
    clock.set(-DAY)
    case = submit(a)
    assert all(abs(ahead(e) + DAY) < PATIENCE_S for e in of(a, case))
    wait_status(case, "arrived", a, b)
    cut(a, b)
    refused = wait_for(lambda: [x for x in a.log_lines() if "not valid before" in x.text], what="the refusal")
    assert all(x.level != "error" for x in refused)
    act(b, case, "accept").ok()
    assert view(a, case)["status"] == "arrived"
    clock.set(0)
    wait_status(case, "accepted", a, b)
    times = [e["written_ms"] for e in of(a, case)]
    assert times == sorted(times)


def cut(a, b):
    a.cluster.cut(a, b, "reset")
    for node in (a, b):
        wait_for(lambda: node.get("/v1/status").ok().json()["peers_connected"] == 0, what=f"{node} to be alone")
    a.cluster.heal()


@pytest.mark.parametrize("seconds", [HOUR, -120])
def test_both_sides_are_told(provinces, seconds):
    a, b, clock, _ = provinces
    clock.set(seconds)
    cut(a, b)
    wait_met(a, b)
    for node, sign in ((a, -1), (b, 1)):
        line = node.wait_log("peer.clock-skew")[-1]
        assert line.level == "warn"
        skew = node.get("/v1/peers").ok().json()["peers"][0]["clock_skew_ms"]
        assert abs(skew - sign * seconds * 1000) < ON_ITS_WAY_S * 1000
