"""The soak's checks of times, deadlines and warnings must find what is wrong, and nothing where clocks were merely wrong."""
import copy
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
for folder in ("soak", "whole", "crash"):
    sys.path.insert(0, str(HERE.parent / folder))

import faults  # noqa: E402
import judge_clocks  # noqa: E402
from judge_clocks import Clocks, Wall  # noqa: E402
from test_judge import REGIONS  # noqa: E402

A, B, CASE = 440000, 510000, "00" * 16
ZERO = 1764000000.0  # 2025-11-25 00:00 in China
DAY = 86400
NEVER = float("inf")


# ---- how wrong a clock was -------------------------------------------------------------------------------------------


def line(at, node, shift, rate=0.0):
    return {"at": at, "until": at + 0.01, "node": str(node), "shift": shift, "rate": rate}


def test_how_wrong_a_clock_was():
    clocks = Clocks([line(10, A, DAY), line(20, A, -300), line(30, A, 0), line(40, A, 0, 2.0), line(50, A, 0)])
    for begin, end, found in [(0, 9, (0, 0)), (5, 15, (0, DAY)), (11, 19, (DAY, DAY)), (15, 25, (-300, DAY)), (25, 35, (-300, 0)), (31, 39, (0, 0)),
                              (9.99, 10, (0, DAY)), (51, 99, (0, 0)), (60, NEVER, (0, 0))]:
        assert clocks.range(str(A), begin, end) == found, (begin, end)
    low, high = clocks.range(str(A), 42, 45)
    assert low == pytest.approx(4) and high == pytest.approx(10)
    assert clocks.range(str(B), 0, 99) == (0, 0)
    assert clocks.was_wrong(str(A), 5, 12, 60) and not clocks.was_wrong(str(A), 31, 45, 60) and not clocks.was_wrong(str(B), 0, 99, 60)


# ---- times -----------------------------------------------------------------------------------------------------------

CLOCKS = [line(100, A, DAY), line(200, A, 0), line(300, A, -DAY), line(400, A, 0), line(500, A, 0, -1.5), line(520, A, 0)]


def entry(at, *parents, type="note"):
    return {"leaf": {"kind": "event", "type": type, "role": "window", "case": CASE, "written_ms": int((ZERO + at) * 1000),
                     "parents": [{"origin": o, "index": i} for o, i in parents]}}


def ack(key, node, first, begin, end):
    return {"key": key, "node": str(node), "origin": node, "first": first, "count": 1, "begin": begin, "end": end}


def written():
    """(acks, ledgers): the clock of A is a day ahead, right, a day behind, right, backwards; that of B is always right."""
    ledgers = {A: {0: entry(110 + DAY), 1: entry(210), 2: entry(310 - DAY), 3: entry(410), 4: entry(510 - 15), 5: entry(420, (B, 0))},
               B: {0: entry(110 + DAY + 0.001, (A, 0)), 1: entry(415), 2: entry(420, (A, 2))}}
    acks = [ack("ahead", A, 0, 109.9, 110.1), ack("right", A, 1, 209.9, 210.1), ack("behind", A, 2, 309.9, 310.1), ack("right again", A, 3, 409.9, 410.1),
            ack("drifts", A, 4, 509.9, 510.1), ack("follows", B, 0, 119.9, 120.1), ack("beside", B, 1, 414.9, 415.1), ack("newer", B, 2, 419.9, 420.1)]
    ledgers[A][5] = entry(110 + DAY + 0.001, (B, 0))
    acks.append(ack("follows, too", A, 5, 419.9, 420.1))
    return acks, ledgers


def times(acks, ledgers, steps=()):
    """@steps: (second, seconds by which the machine's own clock was off from then on), seen every 5 s."""
    wall = [{"at": at, "wall": ZERO + at + sum(by for since, by in steps if since <= at)} for at in range(0, 600, 5)]
    return judge_clocks.check_times(acks, ledgers, Clocks(CLOCKS), Wall(wall))


def test_times_under_wrong_clocks_are_right():
    assert times(*written()) == []


@pytest.mark.parametrize("by", [30, -30, 7200])
def test_the_machines_own_clock_is_set(by):
    acks = [ack("before", B, 0, 209.9, 210.1), ack("meanwhile", B, 1, 311.9, 312.1), ack("after", B, 2, 414.9, 415.1)]
    for moment in (312, 312 + by):
        ledgers = {B: {0: entry(210), 1: entry(moment), 2: entry(415 + by)}}
        assert times(acks, ledgers, [(312, by)]) == []
        assert any("after: " in x for x in times(acks, ledgers)), "nothing that was seen explains it"
    ledgers = {B: {0: entry(210), 1: entry(312), 2: entry(415)}}
    assert times(acks, ledgers) == [] and any("after: " in x for x in times(acks, ledgers, [(312, by)]))


@pytest.mark.parametrize("begin,end,found", [(0, 3, (1000, 1000)), (6, 9, (1000, 1030)), (5.1, 5.2, (1000, 1030)), (11, 99, (1030, 1030)),
                                              (200, 300, (1030, 1030)), (-2, -1, (1000, 1000)), (10, 10, (1030, 1030)), (5, 5, (1000, 1000))])
def test_which_time_the_machine_had(begin, end, found):
    wall = Wall([{"at": 0, "wall": 1000}, {"at": 5, "wall": 1005}, {"at": 10, "wall": 1040}, {"at": 100, "wall": 1130}])
    assert wall.zeros(begin, end) == found


def test_ten_seconds_ahead_are_allowed_to_who_was_ahead():
    acks, ledgers = written()
    ledgers[A][1] = entry(219)
    assert times(acks, ledgers) == []


@pytest.mark.parametrize("author,index,at,parents,said", [
    (A, 1, 210 + DAY, [], "right: "),  # drags the day along that its clock was ahead
    (A, 1, 230, [], "right: "), (A, 1, 200, [], "right: "), (A, 0, 110, [], "ahead: "), (A, 2, 310, [], "behind: "), (A, 3, 410 - DAY, [], "right again: "),
    (A, 4, 510 - 25, [], "drifts: "), (B, 1, 415 + DAY, [], "beside: "), (B, 2, 420 - DAY, [(A, 2)], "newer: "),
    (B, 0, 110 + DAY - 0.001, [(A, 0)], "earlier than what it cites"), (B, 0, 120, [(A, 0)], "earlier than what it cites"),
    (B, 0, 130 + DAY, [(A, 0)], "follows: "),
])
def test_a_wrong_time_is_found(author, index, at, parents, said):
    acks, ledgers = written()
    ledgers[author][index] = entry(at, *parents)
    assert any(said in x for x in times(acks, ledgers)), times(acks, ledgers)


# ---- deadlines -------------------------------------------------------------------------------------------------------

HOLIDAYS = {"2025-12-01": {"type": "holiday"}, "2025-12-06": {"type": "workday"}}  # a Monday off, a Saturday on


def deadline(kind, start, due, days, unit="working", met=None):
    return {"kind": kind, "from": start, "due": due, "days": days, "unit": unit, "met": met, "colour": "green", "days_left": 3, "stopped": False}


def shown():
    """(views, listed): received on the 25th, accepted by a clock that was a day ahead."""
    events = [{"type": "receipt", "written_ms": int((ZERO + 60) * 1000)}, {"type": "accept", "written_ms": int((ZERO + DAY + 60) * 1000)}]
    days = [deadline("accept", "2025-11-25", "2025-12-03", 5, met="2025-11-26"), deadline("decide", "2025-11-26", "2025-12-08", 8),
            deadline("deliver", "2025-11-26", "2025-12-02", 5, "natural")]
    view = {"events": events, "deadlines": days, "due": {"kind": "deliver", "due": "2025-12-02"}}
    other = copy.deepcopy(view)
    other["deadlines"][1] |= {"colour": "yellow", "days_left": 1}
    rows = {CASE: {"due": {"kind": "deliver", "due": "2025-12-02"}}}
    return {CASE: {str(A): view, str(B): other}}, {str(A): rows, str(B): copy.deepcopy(rows)}


def test_deadlines_are_right():
    assert judge_clocks.check_deadlines(*shown(), HOLIDAYS) == []


def on_both(views, row, **fields):
    for view in views[CASE].values():
        view["deadlines"][row] |= fields


def another_day_at_one(views, listed):
    views[CASE][str(B)]["deadlines"][1]["due"] = "2025-12-09"


def a_row_less_at_one(views, listed):
    views[CASE][str(B)]["deadlines"].pop(0)


def a_day_of_no_event(views, listed):
    on_both(views, 1, **{"from": "2025-11-27", "due": "2025-12-09"})


def met_on_a_day_of_no_event(views, listed):
    on_both(views, 0, met="2025-11-27")


def met_before_it_began(views, listed):
    on_both(views, 0, **{"from": "2025-11-26", "met": "2025-11-25", "due": "2025-12-04"})


def counted_a_day_off(views, listed):
    on_both(views, 1, due="2025-12-05")


def ends_on_a_day_off(views, listed):
    on_both(views, 2, due="2025-12-01")


def another_day_in_the_list(views, listed):
    listed[str(B)][CASE]["due"]["due"] = "2025-12-03"


def nothing_due_in_the_list(views, listed):
    listed[str(A)][CASE]["due"] = None


def not_in_the_list(views, listed):
    del listed[str(A)][CASE]


@pytest.mark.parametrize("mutant", [another_day_at_one, a_row_less_at_one, a_day_of_no_event, met_on_a_day_of_no_event, met_before_it_began,
                                    counted_a_day_off, ends_on_a_day_off, another_day_in_the_list, nothing_due_in_the_list, not_in_the_list],
                         ids=lambda m: m.__name__)
def test_wrong_deadlines_are_found(mutant):
    views, listed = shown()
    mutant(views, listed)
    assert judge_clocks.check_deadlines(views, listed, HOLIDAYS)


def test_a_pause_lengthens_what_it_stops_and_nothing_else():
    views, listed = shown()
    for view in views[CASE].values():
        view["events"].append({"type": "pause", "written_ms": int((ZERO + DAY + 99) * 1000)})
    on_both(views, 1, due="2025-12-09")
    assert judge_clocks.check_deadlines(views, listed, HOLIDAYS) == []
    on_both(views, 0, due="2025-12-09")
    assert judge_clocks.check_deadlines(views, listed, HOLIDAYS)


# ---- warnings --------------------------------------------------------------------------------------------------------


def sample(at, node, *skewed):
    return {"at": at, "node": str(node), **({"skewed": [str(x) for x in skewed]} if skewed else {})}


@pytest.mark.parametrize("samples,is_wrong", [
    ([sample(105, B, A)], False), ([sample(105, A, B)], False),  # each sees the other one's as wrong
    ([sample(95, B, A)], True), ([sample(240, B), sample(260, B, A)], True), ([sample(150, B, 330000)], True),
    ([sample(200, B), sample(205, B, A)], False),  # the greeting came late
])
def test_warnings_of_clocks_that_were_right_are_found(samples, is_wrong):
    assert bool(judge_clocks.check_warnings(samples, Clocks(CLOCKS), [])) == is_wrong


def test_somebody_warns():
    anew = [{"at": 101 + i, "node": str(A)} for i in range(3)]
    assert judge_clocks.check_warnings([sample(150, B)], Clocks(CLOCKS), anew)
    assert judge_clocks.check_warnings([sample(150, B, A)], Clocks(CLOCKS), anew) == []
    behind = [{"at": 301 + i, "node": str(A)} for i in range(9)]
    assert judge_clocks.check_warnings([sample(350, B)], Clocks(CLOCKS), behind) == [], "no connection, no greeting"


# ---- the plan --------------------------------------------------------------------------------------------------------


def test_clocks_in_a_plan():
    made = [f for seed in range(5) for f in faults.plan(seed, 3600, 15, REGIONS, []) if f.kind in faults.CLOCKS]
    assert {f.way for f in made if f.kind != "drift"} == set(faults.JUMPS_S) and {f.way for f in made if f.kind == "drift"} == set(faults.DRIFTS)
    assert {(f.kind, f.way) for f in made} >= {("clock", DAY), ("clock", -DAY), ("clock_restart", DAY), ("clock_restart", -DAY)}
    assert max(abs(x) for x in faults.JUMPS_S) <= DAY, "or licences are accepted by silence: an event that nobody asked for"
