"""What holds however wrong the wall clocks were, from what was written down: pure functions from records to problems, as those of judge.py.

An event is later than all it cites, and no further from its author's clock than the format says (federation/FORMATS.md, "hlc"): so what a
node writes after its clock was put right has the right time again. The days of a case are the same everywhere, and those that follow
from the times in its events. A node warns of a clock when one was wrong.
"""
import bisect
import datetime

import rules

CHINA = datetime.timezone(datetime.timedelta(hours=8))
STOPPED_BY_PAUSES = {"decide", "first_review"}
OF_TODAY = {"colour", "days_left"}  # of a deadline: by the clock of who is asked
INFINITE = float("inf")


class Clocks:
    """How wrong each node's clock was. @lines: "clock" of the journal: from a moment between the seconds at and until on, the clock of
    node was wrong by shift seconds and by rate more each second."""

    def __init__(self, lines):
        self._by_node = {}
        for line in sorted(lines, key=lambda x: x["at"]):
            self._by_node.setdefault(line["node"], []).append(line)

    def range(self, node, begin, end):
        """(least, most) by which it was wrong from second @begin to @end, negative where it was behind."""
        found, lines = [], self._by_node.get(node, [])
        if not lines or begin < lines[0]["until"]:
            found.append(0.0)
        for line, after in zip(lines, [*lines[1:], {"until": INFINITE}]):
            if line["at"] <= end and begin < after["until"]:
                times = (max(begin, line["at"]), min(end, after["until"]))
                found += [line["shift"] + line["rate"] * max(0.0, t - line["at"]) for t in times]
                found += [line["shift"]] if begin <= line["until"] else []
        return min(found), max(found)

    def was_wrong(self, node, begin, end, by):
        low, high = self.range(node, begin, end)
        return low < -by or high > by


class Wall:
    """Which time this machine's own clock showed, by which the daemons' clocks are wrong; it may be set while a run lasts. @lines: "time" of
    the journal: at second at of the run it was wall, in seconds since 1970."""

    def __init__(self, lines):
        self._times = [line["at"] for line in lines]
        self._zeros = [line["wall"] - line["at"] for line in lines]

    @classmethod
    def of(cls, lines):
        return cls([{"at": 0, "wall": lines["run"][0]["zero"]}, *lines.get("time", [])])

    def zeros(self, begin, end):
        """(earliest, latest) time that second 0 of the run had by this clock from second @begin to @end."""
        first, last = bisect.bisect_right(self._times, begin) - 1, bisect.bisect_left(self._times, end)
        found = self._zeros[max(0, min(first, last)) : last + 1] or self._zeros[-1:]
        return min(found), max(found)


def written_s(ledgers, origin, index):
    """The time in an event, in seconds since 1970; None when it is not there."""
    entry = ledgers.get(origin, {}).get(index)
    return None if entry is None else entry["leaf"]["written_ms"] / 1000


def check_times(acks, ledgers, clocks, wall):
    """Each event is later than what it cites. Each answered one is as late as its author's clock was, or as what it cites."""
    problems = []
    cited = {}  # place -> newest time it cites
    for author, ledger in ledgers.items():
        for index, entry in ledger.items():
            leaf = entry["leaf"]
            times = [t for p in leaf["parents"] if (t := written_s(ledgers, p["origin"], p["index"])) is not None]
            cited[author, index] = max(times, default=-INFINITE)
            if leaf["written_ms"] / 1000 < cited[author, index]:
                problems.append(f"entry {author}/{index} {leaf['type']} is {cited[author, index] - leaf['written_ms'] / 1000:.3f} s earlier than what it cites")
    for ack in acks:
        around = ack["begin"] - rules.CLOCK_SLACK_S, ack["end"] + rules.CLOCK_SLACK_S
        (low, high), (zero, latest_zero) = clocks.range(ack["node"], *around), wall.zeros(*around)
        for index in range(ack["first"], ack["first"] + ack["count"]):
            at = written_s(ledgers, ack["origin"], index)
            if at is None:
                continue  # told by judge.check_acknowledged()
            first = zero + ack["begin"] + low - rules.CLOCK_SLACK_S
            last = max(latest_zero + ack["end"] + high + rules.CLOCK_AHEAD_S, cited[ack["origin"], index]) + rules.CLOCK_SLACK_S
            if not first <= at <= last:
                off = at - last if at > last else at - first
                problems.append(f"{ack['key']}: entry {ack['origin']}/{index}, answered at {ack['end']:.1f} s, has a time that is {off:+.1f} s "
                                f"off what the clock of {ack['node']} and the case explain")
    return problems


def day_of(written_ms):
    return datetime.datetime.fromtimestamp(written_ms / 1000, CHINA).date()


def is_working_day(day, holidays):
    kind = holidays.get(day.isoformat(), {}).get("type")
    return kind == "workday" or (kind is None and day.weekday() < 5)


def last_day(first, days, unit, holidays):
    """Of a limit of @days that runs from the day after @first."""
    day, left = first, days
    while left > 0:
        day += datetime.timedelta(days=1)
        left -= unit == "natural" or is_working_day(day, holidays)
    while unit == "natural" and not is_working_day(day, holidays):
        day += datetime.timedelta(days=1)
    return day


def days_of(view):
    return [{name: value for name, value in d.items() if name not in OF_TODAY} for d in view["deadlines"]]


def check_deadlines(views, listed, holidays):
    """All participants show the same days; they are those of the events, counted by the calendar; the lists, made when something was
    written, show the one that is next now. @listed: {region: {case: row of /v1/cases}}."""
    problems = []
    for case, by_region in views.items():
        all_days = {region: days_of(view) for region, view in by_region.items()}
        if any(days != next(iter(all_days.values())) for days in all_days.values()):
            problems.append(f"case {case}: deadlines differ: {all_days}")
        for region, view in by_region.items():
            where = f"case {case} at {region}"
            events = {day_of(e["written_ms"]).isoformat() for e in view["events"]}
            is_paused = any(e["type"] == "pause" for e in view["events"])
            for d in view["deadlines"]:
                if d["from"] not in events or (d["met"] and d["met"] not in events):
                    problems.append(f"{where}: {d['kind']} runs from {d['from']}, met {d['met']}: no event has that day")
                if d["met"] and d["met"] < d["from"]:
                    problems.append(f"{where}: {d['kind']} was met on {d['met']}, before it began on {d['from']}")
                if not (is_paused and d["kind"] in STOPPED_BY_PAUSES):
                    due = last_day(datetime.date.fromisoformat(d["from"]), d["days"], d["unit"], holidays).isoformat()
                    if due != d["due"]:
                        problems.append(f"{where}: {d['kind']}, {d['days']} {d['unit']} days from {d['from']}: due {d['due']}, by the calendar {due}")
            row = listed.get(region, {}).get(case)
            if row is None:
                problems.append(f"{where}: not in the list")
                continue
            shown = [x["due"] and (x["due"]["kind"], x["due"]["due"]) for x in (view, row)]
            if shown[0] != shown[1]:
                problems.append(f"{where}: due is {shown[0]}, the list says {shown[1]}")
    return problems


def check_warnings(samples, clocks, anew):
    """No node warns of a clock unless its own or the other one's was wrong; when connections were made anew (@anew: {"at", "node"}) under
    clocks far ahead, somebody warned. What is behind the certificates gets no connection to tell by."""
    problems, last, warned = [], {}, 0
    for s in samples:
        begin, last[s["node"]] = last.get(s["node"], 0.0) - rules.SKEW_LATE_S, s["at"]
        for other in s.get("skewed", []):
            warned += 1
            if not any(clocks.was_wrong(node, begin, s["at"], rules.SKEW_S * 0.9) for node in (s["node"], other)):
                problems.append(f"{s['node']} warned of the clock of {other} before second {s['at']:.0f}, when both were right")
    ahead = sum(clocks.range(x["node"], x["at"], x["at"] + 5)[0] > rules.SKEW_S for x in anew)
    if ahead >= 3 and not warned:
        problems.append(f"connections were made anew {ahead} times under clocks far ahead, and no node warned")
    return problems
