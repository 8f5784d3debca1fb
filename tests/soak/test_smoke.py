"""A soak of half a minute with every kind of fault passes; and what it has recorded of real nodes, with one thing changed, does not."""
import copy
import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
for folder in ("soak", "whole", "crash", "lib"):
    sys.path.insert(0, str(HERE.parent / folder))

import faults  # noqa: E402
import judge  # noqa: E402
import judge_clocks  # noqa: E402
import report  # noqa: E402
from cluster import TREE  # noqa: E402

DAY_MS = 86400 * 1000
SEED, SECONDS, EVERY, LONGEST = 1, 34, 1.4, 2.5


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("soak") / "run"
    words = ["--minutes", str(SECONDS / 60), "--seed", str(SEED), "--fault-every", str(EVERY), "--fault-longest", str(LONGEST),
             "--sample-every", "2", "--rate", "1", "--out", str(folder)]
    done = subprocess.run([HERE / "soak", *words], capture_output=True, text=True, timeout=600)
    print(done.stdout, done.stderr)
    return folder, done


def test_every_kind_of_fault_once(ran):
    folder, done = ran
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    result = json.loads((folder / "result.json").read_text())
    assert result["passed"] and {"plain", "handover", "joint", "file", "reconcile"} <= set(result["begun"])
    lines = report.load(folder)
    kinds = {x["kind"] for x in lines["fault"]}
    assert kinds == set(faults.KINDS) - (set() if lines["run"][0]["disks"] else {"full"})
    assert len(lines["ack"]) > 50 and len(lines["lag"]) > 20 and len(lines["sample"]) > 30
    assert {x["node"] for x in lines["sample"] if "anon_kib" in x and "held" in x} == {s["node"] for s in lines["sample"]}
    assert (folder / "report.svg").read_text().startswith("<svg") and "passed" in (folder / "report.txt").read_text()


def test_what_it_recorded_with_one_thing_changed_is_found(ran):
    folder, _ = ran
    acks = report.load(folder)["ack"]
    with gzip.open(folder / "end.json.gz", "rt", encoding="utf-8") as f:
        end = json.load(f)
    ledgers = {int(o): {int(i): e for i, e in ledger.items()} for o, ledger in end["ledgers"].items()}
    views = end["views"]
    assert judge.check_acknowledged(acks, ledgers) + judge.check_nothing_else(acks, ledgers) + judge.check_cases(acks, views, ledgers) == []
    for ack in acks[:: max(1, len(acks) // 20)]:
        without = {o: dict(ledger) for o, ledger in ledgers.items()}
        del without[ack["origin"]][ack["first"]]
        assert judge.check_acknowledged(acks, without), f"the entry of {ack['key']} was taken away"
        fewer = [a for a in acks if a is not ack]
        assert judge.check_nothing_else(fewer, ledgers), f"nobody asked for {ack['key']}"
        region = ack["participants"][-1]
        turned = copy.deepcopy(views[ack["case"]])
        turned[region]["events"].reverse()
        mine = [a for a in acks if a["case"] == ack["case"]]
        assert judge.check_case(ack["case"], mine, turned, ledgers), "the order was turned round"
        turned = copy.deepcopy(views[ack["case"]])
        turned[region]["digest"] = "0" * 64
        both = len(turned) > 1  # the whole of 多地联办 has one participant
        assert bool(judge.check_case(ack["case"], mine, turned, ledgers)) == both, "one side had another digest"


def test_what_it_recorded_with_another_time_is_found(ran):
    folder, _ = ran
    lines = report.load(folder)
    with gzip.open(folder / "end.json.gz", "rt", encoding="utf-8") as f:
        end = json.load(f)
    ledgers = {int(o): {int(i): e for i, e in ledger.items()} for o, ledger in end["ledgers"].items()}
    holidays = json.loads((TREE / "catalog/data/holidays.json").read_text())
    clocks, wall, acks = judge_clocks.Clocks(lines["clock"]), judge_clocks.Wall.of(lines), lines["ack"]
    assert len(lines["time"]) >= 2
    assert judge_clocks.check_times(acks, ledgers, clocks, wall) + judge_clocks.check_deadlines(end["views"], end["listed"], holidays) == []
    for ack in acks[:: max(1, len(acks) // 10)]:
        leaf = ledgers[ack["origin"]][ack["first"]]["leaf"]
        for by in (-2 * DAY_MS, 2 * DAY_MS):
            leaf["written_ms"] += by
            assert judge_clocks.check_times(acks, ledgers, clocks, wall), f"{ack['key']} has a time {by} ms off"
            leaf["written_ms"] -= by
    case, by_region = next((c, v) for c, v in end["views"].items() if any(x["deadlines"] for x in v.values()))
    for view in by_region.values():
        view["deadlines"][0]["due"] = "2099-01-01"
    assert judge_clocks.check_deadlines({case: by_region}, end["listed"], holidays), "on all sides another day"
