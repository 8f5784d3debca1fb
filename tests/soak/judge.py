"""What must hold at the end of a soak, from what was written down: pure functions from records to problems (tests/soak/test_judge.py
feeds them wrong ones).

@acks: lines of the journal, one for each answered request that wrote (stories.py). @ledgers: {author: {index: entry of
/v1/ledger/entries}}. @views: {case: {region: /v1/cases/CASE}}. What depends on wall clocks is in judge_clocks.py.
"""
import re

import rules
from stories import NAMES, PHONE_PREFIX, RELATION, SECRET

SHOWN = 20  # problems of one check that are listed


def check_acknowledged(acks, ledgers):
    """Every answered event is in its author's ledger, as what was asked for, and no two requests have one entry."""
    problems, owners, keys = [], {}, set()
    for ack in acks:
        if ack["key"] in keys:
            problems.append(f"answered twice: {ack['key']}")
        keys.add(ack["key"])
        for i, wanted in enumerate(ack["types"]):
            index = ack["first"] + i
            entry = ledgers.get(ack["origin"], {}).get(index)
            if entry is None:
                problems.append(f"lost: {ack['key']}: entry {ack['origin']}/{index} is nowhere")
                continue
            found = (entry["leaf"]["type"], entry["leaf"]["case"])
            if found != (wanted, ack["case"]):
                problems.append(f"{ack['key']}: entry {ack['origin']}/{index} is {found}, answered was {(wanted, ack['case'])}")
            other = owners.setdefault((ack["origin"], index), ack["key"])
            if other != ack["key"]:
                problems.append(f"one entry {ack['origin']}/{index} for two requests: {other}, {ack['key']}")
    return problems


def check_nothing_else(acks, ledgers):
    """No entry of a case that nobody asked for, but what a node writes of its own accord; so nothing is there twice either."""
    asked = {(a["origin"], a["first"] + i) for a in acks for i in range(a["count"])}
    problems = []
    for author, ledger in ledgers.items():
        for index, entry in ledger.items():
            leaf = entry["leaf"]
            if leaf["kind"] != "event" or leaf["case"] is None or (author, index) in asked:
                continue
            if not (leaf["role"] == "system" and leaf["type"] in rules.BY_ITSELF):
                problems.append(f"nobody asked for entry {author}/{index}: {leaf['type']} by {leaf['role']} of case {leaf['case']}")
    return problems


def check_case(case, acks, views, ledgers):
    """All participants show one case: equal digests, nothing pending, what was answered, by the hashes of the authors' ledgers."""
    problems = []
    asked = {(a["origin"], a["first"] + i): t for a in acks for i, t in enumerate(a["types"])}
    digests = {v["digest"] for v in views.values()}
    if len(digests) != 1:
        problems.append(f"case {case}: digests differ: { {r: v['digest'][:12] for r, v in views.items()} }")
    for region, view in views.items():
        events = [(e["origin"], e["index"], e["type"]) for e in view["events"]]
        if view["pending_count"]:
            problems.append(f"case {case} at {region}: {view['pending_count']} events are pending")
        if len({e[:2] for e in events}) != len(events):
            problems.append(f"case {case} at {region}: an event stands twice")
        shown = {e[:2]: e[2] for e in events}
        for place, wanted in asked.items():
            if shown.get(place) != wanted:
                problems.append(f"case {case} at {region}: {place} is {shown.get(place)}, answered was {wanted}")
        for e in view["events"]:
            if (e["origin"], e["index"]) not in asked and not (e["role"] == "system" and e["type"] in rules.BY_ITSELF):
                problems.append(f"case {case} at {region}: nobody asked for {e['origin']}/{e['index']} {e['type']}")
            entry = ledgers.get(e["origin"], {}).get(e["index"])
            if entry is None or entry["hash"] != e["id"]:
                problems.append(f"case {case} at {region}: {e['origin']}/{e['index']} is not what its author's ledger has")
        if [t for _, _, t in events].count("receipt") > 1:
            problems.append(f"case {case} at {region}: taken over twice")
        problems += check_order(case, acks, region, view)
    return problems


def check_order(case, acks, region, view):
    """Each step of a story stands behind all steps before it; what ran beside it, behind what it followed."""
    place = {(e["origin"], e["index"]): i for i, e in enumerate(view["events"])}
    span, problems = {}, []
    for ack in acks:
        at = [place.get((ack["origin"], ack["first"] + i)) for i in range(ack["count"])]
        if None in at:
            continue  # told by check_case
        if at != sorted(at):
            problems.append(f"case {case} at {region}: the events of {ack['key']} stand in another order")
        span[ack["key"]] = (min(at), max(at))
    chain = {a["chain"]: a for a in acks if a["chain"] is not None}
    for ack in acks:
        before = [chain[i] for i in chain if i <= ack["after"]]
        for first in before:
            if ack["key"] in span and first["key"] in span and span[first["key"]][1] > span[ack["key"]][0]:
                problems.append(f"case {case} at {region}: {ack['key']} stands before {first['key']}, which it followed")
    return problems


def check_cases(acks, views, ledgers):
    by_case, problems = {}, []
    for ack in acks:
        by_case.setdefault(ack["case"], []).append(ack)
    for case, mine in by_case.items():
        missing = {r for a in mine for r in a["participants"]} - set(views.get(case, {}))
        if missing:
            problems.append(f"case {case}: not shown by {sorted(missing)}")
        problems += check_case(case, mine, views.get(case, {}), ledgers)
    return problems


# ---- logs ------------------------------------------------------------------------------------------------------------

PERSONAL = re.compile("|".join([r"\b51\d{4}1905\d{7}[\dX]", rf"\b{PHONE_PREFIX}\d{{6}}\b", SECRET, RELATION, *NAMES]))


def check_log(region, lines, token, allowed):
    """No personal data and no token, no error that no fault of this run explains, no report of a sanitizer."""
    problems = []
    for number, line in enumerate(lines, 1):
        found = PERSONAL.search(line)
        if found or (token and token in line):
            what = "personal data" if found else "the API's token"
            problems.append(f"log of {region}, line {number}: {what}: {line[:80]}…")
        word = line.split(" ", 4)
        if len(word) > 3 and word[1] == "error" and word[3] not in allowed:
            problems.append(f"log of {region}, line {number}: {line[:300]}")
        if "Sanitizer" in line or "runtime error:" in line:
            problems.append(f"log of {region}, line {number}: {line[:300]}")
    return problems


# ---- growth ----------------------------------------------------------------------------------------------------------

MIB = 1 << 20


def series(samples, region, value):
    return [(s["at"], value(s)) for s in samples if s["node"] == region and value(s) is not None]


def own_descriptors(sample):
    """Without those of files of cases, a cache with a limit of its own, and without as many connections and databases as a node may
    need: how many of these it has at a moment depends on which peers were reached and what was asked. More than that is growth."""
    if "fds" not in sample:
        return None
    expected = sum(min(sample.get(f"fds_{kind}", 0), count) for kind, count in rules.DESCRIPTORS_NEEDED.items())
    return sample["fds"] - sample.get("fds_files", 0) - expected


def descriptor_growth(samples, region, warm, end):
    """Connections that a peer has reset ("socket") stay for two minutes, and the next fault may come before that: of them the floor counts."""
    sockets = lambda s: s.get("fds_socket", 0) if "fds" in s else None
    others = lambda s: own_descriptors(s) - sockets(s) if "fds" in s else None
    found = [rules.growth(series(samples, region, others), warm, end), rules.growth(series(samples, region, sockets), warm, end, rules.FLOOR)]
    return None if None in found else sum(found)


def own_threads(sample):
    """Beyond those that a node has when libuv's four workers are there, which start with the first piece of work."""
    return max(0, sample["threads"] - rules.THREADS_NEEDED) if "threads" in sample else None


def own_memory(sample):
    """MiB of the heap in use without the caches, which have limits of their own and fill up while the run lasts. What the C library keeps
    free after a large moment is in none of them: it comes when that comes, and nobody can tell how much of it is resident."""
    if "heap_kib" not in sample:
        return None
    return (sample["heap_kib"] - sample["cached_kib"] - sample["store_kib"]) / 1024


def figures(samples, region, warm, end):
    """{name of rules.LIMITS: measured} of one node."""
    part = lambda name, unit: rules.growth(series(samples, region, lambda s: s[name] / unit if name in s else None), warm, end)
    entries = lambda s: s["size"] + sum(s["held"].values()) if "held" in s else None
    both = [(s["ledger.db"], entries(s)) for s in samples if s["node"] == region and entries(s) is not None]
    per_entry = None
    if len(both) > 1 and both[-1][1] > both[0][1]:
        per_entry = (both[-1][0] - both[0][0]) / (both[-1][1] - both[0][1])
    return {"memory_growth": rules.growth(series(samples, region, own_memory), warm, end), "thread_growth": rules.growth(series(samples, region, own_threads), warm, end),
            "descriptor_growth": descriptor_growth(samples, region, warm, end), "wal_growth": part("ledger.db-wal", MIB),
            "bytes_per_entry": per_entry, "anon_max": max((s.get("anon_kib", 0) / 1024 for s in samples if s["node"] == region), default=0.0), "cached_max": max((s.get("cached_kib", 0) / 1024 for s in samples if s["node"] == region), default=0.0),
            "store_max": max((s.get("store_kib", 0) / 1024 for s in samples if s["node"] == region), default=0.0), "files_open": max((s.get("fds_files", 0) for s in samples if s["node"] == region), default=0),
            "wal_max": max((s["ledger.db-wal"] / MIB for s in samples if s["node"] == region), default=0.0)}


def check_growth(samples, kept, regions, warm, end):
    """Limits on growth hold for the processes that lived through the run, the others for all; nothing is judged in a short run."""
    problems = []
    for region in regions:
        for name, value in figures(samples, region, warm, end).items():
            is_growth = name.endswith("growth")
            if is_growth and (region not in kept or end - warm < (1 - rules.WARM_UP_PART) * rules.JUDGED_FROM_S):
                continue
            if name == "bytes_per_entry" and end - warm < (1 - rules.WARM_UP_PART) * rules.JUDGED_FROM_S:
                continue
            if value is None and is_growth:
                problems.append(f"{region}: {name}: no samples to judge by")
            elif value is not None and value > rules.limit(name):
                problems.append(f"{region}: {name} is {value:.2f}, the limit is {rules.limit(name):g} {rules.LIMITS[name][1]}")
    return problems
