"""What clients did, saw and were told while lines, clocks and nodes failed, and the check that it holds afterwards.

RecordedLoad is crash/load.Load with a record of each request: when it was asked, what its client had seen of the case at that node
before, when it was answered and with what. check() is the list-append check: a case is a list of events, each client knows which it
appended, what stood there before and when it was told so, and each node can be asked for the list.

- no event that was acknowledged is missing, none is there twice, none is there that nobody asked for (load.check_ledgers);
- all participants show the same list with the same digest;
- causal order, on every node: what a client had seen before it asked stands before what it asked for, whichever node wrote either;
  and of two events written at one node, where the second was asked for after the first was answered, the first stands first.

records() is all of it as rows, which timeline.py writes as JSON lines.
"""
import http.client
import threading
import time

from load import RETRY_SECONDS, Load, check_ledgers, verify_all, view
from stalls import Stalls

DURABLE = "?durable=peers&timeout_ms=15000"
OTHERS_SECONDS = 0.3  # so long a window's client looks for what another node has written, before it writes a note


class Operation:
    def __init__(self, node, key, begin):
        self.node, self.key, self.begin = node, key, begin
        self.asked = begin  # begin, or when it had looked at the case
        self.idle = 0.0  # seconds in which it could have asked and looked for more
        self.end = None
        self.seen = frozenset()  # (origin, index) of the case's events that the node showed before it asked


class RecordedLoad(Load):
    """@durable_at_peers: each answer says that the case's other participants have it on disk, too."""

    def __init__(self, *arguments, timeline=None, durable_at_peers=False, **options):
        super().__init__(*arguments, **options)
        self.durable_at_peers = durable_at_peers
        self.operations = {}
        self.lists = []  # (case, node, its events) as check_order() read them
        self.timeline = timeline
        self.stalls = None
        self._record = threading.Lock()
        if timeline:
            timeline.loads.append(self)

    def start(self):
        self.stalls = Stalls(self.windows[0].dir.parent)
        self.stalls.start()
        return super().start()

    def abandon(self):
        super().abandon()
        if self.stalls:
            self.stalls.end()

    def _ask(self, node, path, body, key, not_yet=()):
        operation = Operation(node, key, time.monotonic())
        with self._record:
            self.operations[key] = operation
        if path.endswith("/events"):
            operation.seen, operation.idle = self._look(node, path.removesuffix("/events"))
            operation.asked = time.monotonic()
        answer = super()._ask(node, path + DURABLE if self.durable_at_peers else path, body, key, not_yet)
        while self.durable_at_peers and answer is not None and not answer["peers_durable"]:  # the same request waits again
            answer = super()._ask(node, path + DURABLE, body, key, not_yet)
        operation.end = time.monotonic()
        if self.timeline and answer is not None:
            self.timeline.operation(node.region, operation.begin + operation.idle, operation.end)
        return answer

    def _look(self, node, path):
        """The events of a case that @node shows, once it shows the case, and for how many seconds more it was looked at: a window waits a
        moment for another node's, so that what it writes then follows on them."""
        shown = None
        while not self._give_up.is_set():
            try:
                reply = node.get(path, timeout=20)
            except (OSError, http.client.HTTPException):
                reply = None
            if reply is not None and reply.status == 200:
                now = time.monotonic()
                shown = shown or now
                seen = frozenset((e["origin"], e["index"]) for e in reply.json()["events"])
                if len({origin for origin, _ in seen}) > 1 or now - shown > OTHERS_SECONDS:
                    return seen, now - shown
            self._give_up.wait(RETRY_SECONDS)
        return frozenset(), 0.0

    def longest_wait(self, node):
        """The longest time, in seconds, that a client of @node waited for an answer (with all its repetitions), but for what the machine stood
        still."""
        done = [x for x in self.operations.values() if x.node is node and x.end]
        return max((x.end - x.begin - x.idle - self.stalls.within(x.begin, x.end) for x in done), default=0.0)

    def records(self):
        """Rows for JSON: each request, then each list that a node showed at the end. Seconds are those of time.monotonic()."""
        answers = {x.key: x for x in list(self.answers)}
        with self._record:
            operations = sorted(self.operations.items(), key=lambda pair: pair[1].begin)
        for key, x in operations:
            row = {"t": "request", "node": x.node.region, "key": key, "begin": x.begin, "asked": x.asked, "end": x.end, "seen": sorted(x.seen)}
            if key in answers:
                a = answers[key]
                row |= {"case": a.case, "types": a.types, "origin": a.origin, "first": a.indexes.start}
            yield row
        for case, node, events in self.lists:
            yield {"t": "list", "case": case, "node": node.region, "events": [[e["origin"], e["index"], e["type"]] for e in events]}


def follows(load, first, second):
    """Whether the client of @second knew of all of @first when it asked."""
    a, b = load.operations[first.key], load.operations[second.key]
    told = first.node is second.node and a.end < b.asked
    return told or all((first.origin, i) in b.seen for i in first.indexes)


def check_order(load):
    """Causal order of each case on each of its participants; how many pairs were compared: (of one node, of two)."""
    by_case, compared = {}, [0, 0]
    for answered in load.answers:
        by_case.setdefault(answered.case, []).append(answered)
    windows = {int(node.region): node for node in load.windows}
    for case, answers in by_case.items():
        window = windows[next(x.origin for x in answers if x.types[0] == "submit")]
        pairs = [(a, b) for a in answers for b in answers if a is not b and follows(load, a, b)]
        for node in (window, load.desk):
            events = view(node, case)["events"]
            load.lists.append((case, node, events))
            place = {(e["origin"], e["index"]): i for i, e in enumerate(events)}
            for first, second in pairs:
                compared[first.node is not second.node] += 1
                last = max(place[first.origin, i] for i in first.indexes)
                then = min(place[second.origin, i] for i in second.indexes)
                assert last < then, f"case {case} at {node}: {second} stands before {first}, which it followed"
            for answered in answers:  # also what no client asked for, such as 签收, when it was seen
                then = min(place[answered.origin, i] for i in answered.indexes)
                late = [x for x in load.operations[answered.key].seen if place.get(x, then) >= then]
                assert not late, f"case {case} at {node}: {answered} stands before {late}, which its client had seen"
    return tuple(compared)


def check(load, nodes, other_cases=()):
    """Everything above; {what: how many}. @other_cases: handed in beside the load."""
    entries = check_ledgers(load, nodes, other_cases)
    of_one, of_two = check_order(load)
    assert of_two, "no client saw what another node had written: nothing was compared across nodes"
    verify_all(nodes)
    return {"requests answered": load.count, "entries": entries, "ordered pairs of one node": of_one,
            "ordered pairs across nodes": of_two, "requests repeated": len(load.refused)}
