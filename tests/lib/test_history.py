"""The check of tests/cluster must find what is wrong: histories with one fault each, on nodes that are only tables; and a good one passes.
The end of a run, too: what is found then is written down as failed."""
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
for folder in ("cluster", "crash"):
    sys.path.insert(0, str(HERE.parent / folder))

import history  # noqa: E402
import stalls  # noqa: E402
import load as loads  # noqa: E402
import timeline  # noqa: E402
from cluster import Reply, wait_for  # noqa: E402

A, B, CASE = 440000, 510000, "00" * 16
WRITTEN = [(A, 0, "submit"), (A, 1, "identity_check"), (A, 2, "form_check"), (A, 3, "forward"), (B, 0, "receipt"), (B, 1, "accept"),
           (A, 4, "note"), (A, 5, "note"), (B, 2, "process"), (B, 3, "decide"), (B, 4, "close")]


class Table:
    """A node as the checks ask it: its ledger, its view of the case."""

    def __init__(self, region):
        self.region = str(region)
        self.verified = "ok"
        mine = [(i, t) for origin, i, t in WRITTEN if origin == region]
        self.ledger = {i: {"index": i, "leaf": {"type": t, "case": CASE}, "hash": f"{region}/{i}"} for i, t in mine}
        events = [{"origin": o, "index": i, "type": t, "id": f"{o}/{i}"} for o, i, t in WRITTEN]
        self.view = {"digest": "d", "pending_count": 0, "events": events}

    def get(self, path, **_):
        if path.startswith("/v1/ledger/entries"):
            start = int(path.split("from=")[1].split("&")[0])
            return Reply(200, {}, json.dumps({"entries": [x for i, x in sorted(self.ledger.items()) if i >= start][:100]}).encode())
        assert path == f"/v1/cases/{CASE}"
        return Reply(200, {}, json.dumps(self.view).encode())

    def cli(self, *_):
        return {"result": self.verified}


class History:
    """One case, handed in at A, decided at B. A's client sees the accept before its second note, B's all before each step, and the
    first note in any case before process."""

    def __init__(self):
        self.a, self.b = Table(A), Table(B)
        self.load = history.RecordedLoad([self.a], self.b, {"code": "x", "node": B}, threads_per_window=0, desk_threads=0)
        self.now = 0.0
        arrived = {(A, i) for i in range(4)} | {(B, 0)}
        self.answer("w-1", self.a, 0, loads.SUBMITTED, ())
        self.answer("d-accept", self.b, 1, ["accept"], arrived)
        self.answer("w-1-n0", self.a, 4, ["note"], {(A, i) for i in range(4)})
        self.answer("w-1-n1", self.a, 5, ["note"], arrived | {(B, 1), (A, 4)})
        self.answer("d-process", self.b, 2, ["process"], arrived | {(B, 1), (A, 4)})
        self.answer("d-decide", self.b, 3, ["decide", "close"], arrived | {(B, 1), (A, 4), (B, 2)})

    def answer(self, key, node, first, types, seen):
        operation = history.Operation(node, key, self.now)
        operation.asked, operation.end, operation.seen = self.now + 1, self.now + 2, frozenset(seen)
        self.now += 3
        self.load.operations[key] = operation
        self.load._answered(node, key, CASE, {"origin": int(node.region), "first_index": first, "count": len(types)}, types)

    def check(self):
        return history.check(self.load, [self.a, self.b])


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Tables do not change: no second look."""

    def look(condition, seconds=0, what=""):
        found = condition()
        assert found, what
        return found

    monkeypatch.setattr(loads, "wait_for", look)


def test_a_good_history_passes():
    found = History().check()
    assert found["requests answered"] == 6 and found["entries"] == 10
    assert found["ordered pairs of one node"] == 2 * (3 + 3) and found["ordered pairs across nodes"] == 2 * (1 + 2 + 2 + 1)


def test_what_neither_had_seen_may_stand_either_way():
    h = History()
    for node in (h.a, h.b):
        swap(node, 7, 8)  # the second note and process
    h.check()


def swap(node, i, j):
    events = node.view["events"]
    events[i], events[j] = events[j], events[i]


def both(change):
    def mutant(h):
        for node in (h.a, h.b):
            change(node)

    mutant.__name__ = change.__name__
    return mutant


def lost_in_the_ledger(h):
    del h.a.ledger[5]


def lost_in_a_list(h):
    h.b.view["events"].pop(7)


@both
def lost_in_all_lists(node):
    node.view["events"].pop(7)


@both
def doubled_in_the_lists(node):
    node.view["events"].insert(8, dict(node.view["events"][7]))


def write(h, node, type, case=CASE):
    index = len(node.ledger)
    node.ledger[index] = {"index": index, "leaf": {"type": type, "case": case}, "hash": f"{node.region}/{index}"}
    if case == CASE:
        for x in (h.a, h.b):
            x.view["events"].append({"origin": int(node.region), "index": index, "type": type, "id": f"{node.region}/{index}"})


def done_twice(h):
    """The retry of a request wrote a second entry."""
    write(h, h.a, "note")


def taken_over_twice(h):
    write(h, h.b, "receipt")


def two_answers_one_entry(h):
    h.answer("w-1-n2", h.a, 5, ["note"], ())


def case_of_nobody(h):
    write(h, h.a, "submit", case="11" * 16)


def other_type(h):
    h.b.ledger[1]["leaf"]["type"] = "refuse"


def other_content(h):
    h.b.view["events"][5]["id"] = "x"


def sides_differ(h):
    h.b.view["digest"] = "e"


def something_pending(h):
    h.b.view["pending_count"] = 1


def verify_fails(h):
    h.b.verified = "wrong"


@both
def order_of_one_node(node):
    swap(node, 6, 7)


@both
def order_of_two_nodes(node):
    swap(node, 5, 7)  # the note of which the client had seen the accept


def order_at_one_node_only(h):
    swap(h.a, 5, 7)


@both
def step_before_a_note_it_had_seen(node):
    swap(node, 6, 8)


@both
def accept_before_receipt(node):
    swap(node, 4, 5)


@both
def submit_behind_accept(node):
    swap(node, 3, 5)


def nothing_across_nodes(h):
    """Clients that see nothing of the others: then the check shows nothing, and says so."""
    for operation in h.load.operations.values():
        operation.seen = frozenset()


MUTANTS = [lost_in_the_ledger, lost_in_a_list, lost_in_all_lists, doubled_in_the_lists, done_twice, taken_over_twice, two_answers_one_entry,
           case_of_nobody, other_type, other_content, sides_differ, something_pending, verify_fails, order_of_one_node, order_of_two_nodes,
           order_at_one_node_only, step_before_a_note_it_had_seen, accept_before_receipt, submit_behind_accept, nothing_across_nodes]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.__name__)
def test_a_wrong_history_is_found(mutant):
    h = History()
    mutant(h)
    with pytest.raises(AssertionError):
        h.check()


@pytest.mark.parametrize("mutant", [order_of_one_node, order_of_two_nodes, order_at_one_node_only, step_before_a_note_it_had_seen,
                                    accept_before_receipt, submit_behind_accept], ids=lambda m: m.__name__)
def test_order_is_what_finds_them(mutant):
    h = History()
    mutant(h)
    loads.check_ledgers(h.load, [h.a, h.b])
    with pytest.raises(AssertionError, match="stands before"):
        history.check_order(h.load)


# ---- how long clients waited ----------------------------------------------------------------------------------------


def test_what_the_machine_stood_still_for_is_no_wait(tmp_path):
    h = History()
    h.load.stalls = stalls.Stalls(tmp_path)
    operation = h.load.operations["w-1-n0"]
    operation.begin, operation.idle, operation.end = 100.0, 0.5, 120.0
    assert h.load.longest_wait(h.a) == 19.5
    h.load.stalls.found += [(90, 101), (105, 115), (119, 130), (200, 300)]
    assert h.load.longest_wait(h.a) == 7.5


LOOKS = """
import pathlib, sys, time
import stalls
from cluster import wait_for

folder = pathlib.Path(sys.argv[1])
looked = stalls.Stalls(folder)
looked.start()
wait_for(lambda: list(folder.iterdir()), what="the first write")
begin = time.monotonic()
print("looking", flush=True)
print(wait_for(lambda: max(0, looked.within(begin, time.monotonic()) - 1), what="the pause to be noticed") + 1, flush=True)
"""


def test_a_machine_that_stands_still_is_seen(tmp_path):
    """A process that looks is stopped for a second and a half."""
    paths = os.pathsep.join(str(HERE.parent / folder) for folder in ("lib", "cluster"))
    looks = subprocess.Popen([sys.executable, "-c", LOOKS, tmp_path], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths})
    try:
        assert looks.stdout.readline() == "looking\n"
        looks.send_signal(signal.SIGSTOP)
        wait_for(lambda: os.waitid(os.P_PID, looks.pid, os.WSTOPPED | os.WNOHANG), what="it to stand still")
        time.sleep(1.5)  # the pause is what is looked for
        looks.send_signal(signal.SIGCONT)
        said = looks.stdout.readline()
        assert said and float(said) > 1, said
    finally:
        looks.kill()
        looks.communicate()


# ---- the end of a run ------------------------------------------------------------------------------------------------


class Federation:
    def __init__(self, problem):
        self.problem, self.failed = problem, False

    def close(self):
        if self.problem:
            raise self.problem


def test_the_history_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(timeline, "FOLDER", tmp_path)
    h, drawn = History(), timeline.Timeline("x")
    drawn.loads.append(h.load)
    drawn.fault("kill 440000")
    h.check()
    drawn.close(Federation(None))
    rows = [json.loads(line) for line in (tmp_path / "x.history.jsonl").read_text().splitlines()]
    assert [x["t"] for x in rows] == ["run", "fault"] + ["request"] * 6 + ["list"] * 2 and rows[0]["passed"]
    note = next(x for x in rows if x.get("key") == "w-1-n1")
    assert [B, 1] in note["seen"] and (note["origin"], note["first"], note["types"]) == (A, 5, ["note"])
    assert rows[-1]["events"] == [list(x) for x in WRITTEN]
    assert "x: passed" in (tmp_path / "x.svg").read_text()


def test_a_run_that_fails_at_its_end_has_failed(tmp_path, monkeypatch):
    monkeypatch.setattr(timeline, "FOLDER", tmp_path)
    drawn = timeline.Timeline("x")
    with pytest.raises(AssertionError, match="logged"):
        drawn.close(Federation(AssertionError("logged: an error")))
    for suffix in (".svg", ".md", ".history.jsonl"):
        text = (tmp_path / f"x{suffix}").read_text()
        assert "FAILED" in text or '"passed": false' in text, suffix
