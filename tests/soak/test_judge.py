"""The soak's own checks must find what is wrong: histories with one fault each, growth, logs, plans; and a good history passes."""
import copy
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
for folder in ("soak", "whole", "crash"):
    sys.path.insert(0, str(HERE.parent / folder))

import faults  # noqa: E402
import judge  # noqa: E402
import report  # noqa: E402
import rules  # noqa: E402
import samples as samples_of  # noqa: E402
from samples import LogTail  # noqa: E402
from stories import personal  # noqa: E402

A, B, CASE = 440000, 510000, "00" * 16


def entry(kind, role, case, hash):
    return {"leaf": {"kind": "event", "type": kind, "role": role, "case": case}, "hash": hash}


def history():
    """(acks, ledgers, views): one case, handed in at A, decided at B, with a note beside."""
    written = [(A, 0, "submit", "window"), (A, 1, "forward", "window"), (B, 0, "receipt", "system"), (B, 1, "accept", "decider"),
               (A, 2, "note", "window"), (B, 2, "decide", "decider"), (B, 3, "close", "decider"), (A, 3, "deliver", "window")]
    ledgers = {A: {}, B: {}}
    for origin, index, kind, role in written:
        ledgers[origin][index] = entry(kind, role, CASE, f"{origin}/{index}")
    ledgers[B][4] = {"leaf": {"kind": "heads", "type": None, "role": None, "case": None}, "hash": "h"}
    events = [{"origin": o, "index": i, "type": k, "role": r, "id": f"{o}/{i}"} for o, i, k, r in written]
    view = {"digest": "d", "pending_count": 0, "events": events}

    def ack(key, node, types, first, chain, after):
        return {"key": key, "node": str(node), "case": CASE, "types": types, "origin": node, "first": first, "count": len(types),
                "chain": chain, "after": after, "participants": [str(A), str(B)]}

    acks = [ack("s-0", A, ["submit", "forward"], 0, 0, -1), ack("s-1", B, ["accept"], 1, 1, 0), ack("n-0", A, ["note"], 2, None, 0),
            ack("s-2", B, ["decide", "close"], 2, 2, 1), ack("s-3", A, ["deliver"], 3, 3, 2)]
    return acks, ledgers, {CASE: {str(A): view, str(B): copy.deepcopy(view)}}


def problems(acks, ledgers, views):
    return judge.check_acknowledged(acks, ledgers) + judge.check_nothing_else(acks, ledgers) + judge.check_cases(acks, views, ledgers)


def test_a_good_history_passes():
    assert problems(*history()) == []


def lose_entry(acks, ledgers, views):
    del ledgers[A][3]


def lose_in_view(acks, ledgers, views):
    views[CASE][str(B)]["events"].pop()


def other_type(acks, ledgers, views):
    ledgers[B][1] = entry("refuse", "decider", CASE, f"{B}/1")


def other_case(acks, ledgers, views):
    ledgers[B][1] = entry("accept", "decider", "11" * 16, f"{B}/1")


def two_answers_one_entry(acks, ledgers, views):
    acks.append({**acks[2], "key": "n-1"})


def one_request_twice(acks, ledgers, views):
    """The retry of a request wrote a second entry."""
    ledgers[A][4] = entry("note", "window", CASE, f"{A}/4")
    for view in views[CASE].values():
        view["events"].append({"origin": A, "index": 4, "type": "note", "role": "window", "id": f"{A}/4"})


def key_answered_twice(acks, ledgers, views):
    acks.append(dict(acks[4]))


def shown_twice(acks, ledgers, views):
    views[CASE][str(A)]["events"].append(dict(views[CASE][str(A)]["events"][4]))


def case_of_nobody(acks, ledgers, views):
    ledgers[A][4] = entry("submit", "window", "22" * 16, f"{A}/4")


def event_by_the_system(acks, ledgers, views):
    ledgers[B][5] = entry("decide", "system", CASE, f"{B}/5")


def other_digest(acks, ledgers, views):
    views[CASE][str(B)]["digest"] = "e"


def pending(acks, ledgers, views):
    views[CASE][str(B)]["pending_count"] = 1


def other_hash(acks, ledgers, views):
    views[CASE][str(B)]["events"][3]["id"] = "x"


def swap(views, region, i, j):
    events = views[CASE][str(region)]["events"]
    events[i], events[j] = events[j], events[i]


def causal_order(acks, ledgers, views):
    swap(views, B, 3, 5)  # decide before accept


def order_of_one_request(acks, ledgers, views):
    swap(views, A, 5, 6)


def note_before_its_case(acks, ledgers, views):
    swap(views, A, 4, 0)


def not_shown(acks, ledgers, views):
    del views[CASE][str(B)]


def taken_over_twice(acks, ledgers, views):
    ledgers[B][5] = entry("receipt", "system", CASE, f"{B}/5")
    for view in views[CASE].values():
        view["events"].append({"origin": B, "index": 5, "type": "receipt", "role": "system", "id": f"{B}/5"})


MUTANTS = [lose_entry, lose_in_view, other_type, other_case, two_answers_one_entry, one_request_twice, key_answered_twice, shown_twice,
           case_of_nobody, event_by_the_system, other_digest, pending, other_hash, causal_order, order_of_one_request,
           note_before_its_case, not_shown, taken_over_twice]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.__name__)
def test_a_wrong_history_is_found(mutant):
    records = history()
    mutant(*records)
    assert problems(*records)


def test_a_note_may_stand_anywhere_behind_what_it_followed():
    acks, ledgers, views = history()
    for region in (A, B):
        swap(views, region, 3, 4)
    assert problems(acks, ledgers, views) == []


# ---- growth ----------------------------------------------------------------------------------------------------------


def samples(length=3600, every=5, **slopes):
    """Of one node: memory, fds, threads, wal as 'per hour' growth on a constant base, with a peak now and then."""
    rows = []
    for at in range(0, length, every):
        value = lambda name, base: base + slopes.get(name, 0) * at / 3600 + (20 if at % 600 == 0 else 0)
        fds = {f"fds_{kind}": base + slopes.get(kind, 0) * at / 3600 for kind, base in (("files", 0), ("for_events", 9), ("for_files", 3), ("database", 15), ("socket", 4))}
        fds["fds_other"] = value("fds", 18)
        heap = 1024 * (value("memory", 10) + (slopes.get("caches", 0) + slopes.get("store", 0)) * at / 3600)
        rows.append({"node": "510000", "at": at, "heap_kib": heap, "anon_kib": heap + 1024 * slopes.get("free", 0) * (at > 1800),
                     "store_kib": 1024 * (4 + slopes.get("store", 0) * at / 3600), "cached_kib": 1024 * slopes.get("caches", 0) * at / 3600, **fds, "fds": sum(fds.values()), "threads": value("threads", 17),
                     "ledger.db-wal": value("wal", 8) * judge.MIB, "ledger.db": 2500 * 10 * at * slopes.get("db", 1), "size": 8 * at,
                     "held": {"440000": 2 * at}})
    return rows


@pytest.mark.parametrize("slopes,found", [
    ({}, None), ({"memory": 3}, None), ({"memory": 5}, "memory_growth"), ({"free": 9}, None), ({"free": 40}, "anon_max"), ({"caches": 20}, None), ({"caches": 30}, "cached_max"), ({"store": 12}, None), ({"store": 24}, "store_max"), ({"fds": 5}, "descriptor_growth"), ({"threads": 3}, "thread_growth"),
    ({"files": 16}, None), ({"files": 40}, "files_open"),
    ({"wal": 9}, "wal_growth"), ({"wal": 70}, "wal_max"), ({"db": 4}, "bytes_per_entry"),
])
def test_growth_is_found(slopes, found):
    said = judge.check_growth(samples(**slopes), {"510000"}, ["510000"], 600, 3600)
    assert said == [] if found is None else any(found in x for x in said), said


LEAK = 12  # an hour: one in five minutes


@pytest.mark.parametrize("kind", ["for_events", "for_files", "database", "socket", "fds"])
def test_a_slow_leak_of_descriptors_is_found(kind):
    assert any("descriptor_growth" in x for x in judge.check_growth(samples(**{kind: LEAK}), {"510000"}, ["510000"], 600, 3600))


def test_what_faults_and_backups_do_to_descriptors_is_no_leak():
    """As it was seen: connections for files come with the faults, a backup leaves two descriptors to SQLite, connections that a peer has
    reset are held for two minutes, and the next fault comes before that."""
    rows = samples(2280)
    for row in rows:
        late = row["at"] > 1200
        row |= {"fds_for_events": 10, "fds_for_files": 6 if late else 3, "fds_database": 17 if late else 15, "fds_socket": 4 if row["at"] % 400 < 110 or not late else 7}
        row["fds"] = sum(row[f"fds_{kind}"] for kind in samples_of.KINDS)
    assert judge.check_growth(rows, {"510000"}, ["510000"], 380, 2280) == []


def test_workers_that_start_late_are_no_leak():
    rows = samples()
    for row in rows:
        row["threads"] = 17 if row["at"] > 1300 else 13
    assert judge.check_growth(rows, {"510000"}, ["510000"], 600, 3600) == []


def test_descriptors_by_kind():
    standing = {"1": "for_events", "2": "for_files"}
    named = {"/x/510000/files/ab/cd": "files", "/x/510000/ledger.db-wal": "database", "socket:[1]": "for_events", "socket:[2]": "for_files",
             "socket:[3]": "socket", "pipe:[1]": "other", "anon_inode:[eventpoll]": "other", "/x/510000.log": "other"}
    assert {target: samples_of.kind_of(target, standing) for target in named} == named


def test_connections_between_nodes():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as dialled:
        accepted, _ = server.accept()
        inode = lambda s: os.readlink(f"/proc/self/fd/{s.fileno()}")[8:-1]
        find = lambda kinds: {k: v for k, v in samples_of.connections(kinds).items() if k in map(inode, (server, dialled, accepted))}
        with accepted:
            assert find({server.getsockname()[1]: "for_events"}) == {inode(dialled): "for_events", inode(accepted): "for_events"}
            assert find({}) == {}


def test_growth_of_a_node_that_is_killed_or_of_a_short_run_is_not_judged():
    assert judge.check_growth(samples(memory=30), set(), ["510000"], 600, 3600) == []
    assert judge.check_growth(samples(500, memory=30), {"510000"}, ["510000"], 83, 500) == []


def test_growth_without_samples_is_a_problem():
    assert any("no samples" in x for x in judge.check_growth(samples(600), {"510000"}, ["510000"], 600, 3600))


def test_growth_is_a_slope():
    assert rules.growth([(t, 3 * t / 3600) for t in range(0, 3600, 10)], 600, 3600) == pytest.approx(3)
    assert rules.growth([(t, 5) for t in range(100)], 600, 3600) is None


# ---- logs ------------------------------------------------------------------------------------------------------------

LINE = "2026-11-24T01:02:03.456Z {} peer[510000] {} text {}"


@pytest.mark.parametrize("line,is_bad", [
    (LINE.format("warn", "peer.lost", ""), False), (LINE.format("error", "store.full", ""), False),
    (LINE.format("error", "store.io", ""), True), (LINE.format("info", "x.y", "token1234"), True),
    *[(LINE.format("info", "x.y", part), True) for part in personal(7)], (LINE.format("info", "x.y", "私语7"), True),
    ("==1==ERROR: AddressSanitizer: heap-use-after-free", True), ("x.c:1:2: runtime error: shift", True),
])
def test_logs(line, is_bad):
    assert bool(judge.check_log("510000", [line], "token1234", {"store.full"})) == is_bad


def test_a_log_is_counted_once_and_in_whole_lines(tmp_path):
    path = tmp_path / "log"
    tail = LogTail(path)
    assert tail.counts() == {}
    line = LINE.format("warn", "peer.lost", "")
    path.write_text(line + "\n" + line[:30])
    assert tail.counts() == {"warn peer.lost": 1} and tail.counts() == {}
    path.write_text(line + "\n" + line + "\n" + LINE.format("info", "x.y", "") + "\n")
    assert tail.counts() == {"warn peer.lost": 1}


# ---- the plan --------------------------------------------------------------------------------------------------------

REGIONS = ["510000", "440000", "330000", "500000", "520000", "510100"]


@pytest.mark.parametrize("seed", range(20))
def test_a_plan(seed):
    made = faults.plan(seed, 3600, 15, REGIONS, list(faults.SMALL_DISKS))
    assert repr(made) == repr(faults.plan(seed, 3600, 15, REGIONS, list(faults.SMALL_DISKS))), "the seed decides"
    assert {f.kind for f in made} == set(faults.KINDS) and len(made) > 150
    for i, fault in enumerate(made):
        assert fault.at <= 3600 and fault.seconds <= 60
        assert fault.kind != "full" or fault.targets[0] in faults.SMALL_DISKS
        if fault.kind in faults.DEADLY and fault.at > 3600 * rules.WARM_UP_PART:
            assert faults.KEPT.isdisjoint(fault.targets), fault
        for other in made[i + 1 :]:
            assert set(fault.targets).isdisjoint(other.targets) or other.at >= fault.at + fault.seconds + faults.APART_S


def test_plans_differ_and_know_where_no_disk_can_be_full():
    assert repr(faults.plan(1, 600, 15, REGIONS, [])) != repr(faults.plan(2, 600, 15, REGIONS, []))
    assert {f.kind for f in faults.plan(1, 1800, 15, REGIONS, [])} == set(faults.KINDS) - {"full"}


def test_calm():
    times = [(10, 20, ["510000", "440000"]), (50, float("inf"), ["330000"])]
    assert faults.calm(times, ("510000", "520000"), 0, 9) and not faults.calm(times, ("510000", "520000"), 5, 11)
    assert not faults.calm(times, ("440000", "520000"), 21, 22), "the moment after belongs to it"
    assert faults.calm(times, ("440000", "520000"), 24, 90) and not faults.calm(times, ("520000", "330000"), 99, 100)


# ---- the report ------------------------------------------------------------------------------------------------------


def test_a_run_that_was_cut_off_can_be_shown(tmp_path):
    rows = [{"t": "run", "at": 0, "seed": 1, "rate": 1.0, "length": 900, "every": 15.0, "version": "x", "commit": "y"},
            {"t": "fault", "at": 3, "kind": "cut", "targets": ["510000", "440000"], "seconds": 9, "way": "drop"},
            {"t": "problem", "at": 4, "text": "something"}]
    rows += [{"t": "sample", "pid": 1, "log": {"warn peer.lost": 1}, "rss_kib": 1, "cpu_s": s["at"] / 10, **s} for s in samples(900)]
    lines = [json.dumps(x) for x in rows]
    (tmp_path / "run.jsonl").write_text("\n".join(lines) + "\n" + lines[-1][:40])
    done = subprocess.run([HERE / "soak", "--report", tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for part in ("seed 1", "faults: 1 cut", "180 warn peer.lost", "something", "cut off", "FAILED", "10.0 %"):
        assert part in done.stdout, done.stdout
    result = report.of_a_run_cut_off(tmp_path)
    assert report.picture(report.load(tmp_path), result).startswith("<svg")


@pytest.mark.parametrize("words,said", [
    ([], "--hours N or --minutes N"), (["--minutes", "0.1"], "not 6"), (["--hours", "x"], "invalid float"),
    (["--minutes", "1", "--rate", "0"], "--rate must be more than 0, not 0"), (["--report", "/nowhere"], "no run.jsonl"),
])
def test_wrong_arguments(words, said):
    done = subprocess.run([HERE / "soak", *words], capture_output=True, text=True)
    assert done.returncode == 2 and said in done.stderr, done
