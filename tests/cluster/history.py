"""What clients did and were told while lines, clocks and nodes failed, and the check that it holds afterwards.

RecordedLoad is crash/load.Load with a time for each request. check() is the list-append check: a case is a list of events, each
client knows which it appended and when it was told so, and each node can be asked for the list.

- no event that was acknowledged is missing, none is there twice, none is there that nobody asked for (load.check_ledgers);
- all participants show the same list with the same digest;
- causal order: of two events of one case written at one node, where the second was asked for after the first was answered, the
  first stands before the second, on every node.
"""
import threading
import time

from load import Load, check_ledgers, verify_all, view


class Operation:
    def __init__(self, node, key, begin):
        self.node, self.key, self.begin = node, key, begin
        self.end = self.answered = None
        self.tries = 0


class RecordedLoad(Load):
    def __init__(self, *arguments, timeline=None, **options):
        super().__init__(*arguments, **options)
        self.operations = {}
        self.timeline = timeline
        self._record = threading.Lock()

    def _ask(self, node, path, body, key, not_yet=()):
        operation = Operation(node, key, time.monotonic())
        with self._record:
            self.operations[key] = operation
        answer = super()._ask(node, path, body, key, not_yet)
        operation.end = time.monotonic()
        if self.timeline and answer is not None:
            self.timeline.operation(node.region, operation.begin, operation.end)
        return answer

    def longest_wait(self, node):
        """The longest time, in seconds, that a client of @node waited for an answer (with all its repetitions)."""
        return max((x.end - x.begin for x in self.operations.values() if x.node is node and x.end), default=0.0)


def check_order(load, nodes):
    """Causal order of each case on each of its participants; how many pairs were compared."""
    by_case, compared = {}, 0
    for answered in load.answers:
        by_case.setdefault(answered.case, []).append(answered)
    windows = {int(node.region): node for node in load.windows}
    for case, answers in by_case.items():
        window = windows[next(x.origin for x in answers if x.types[0] == "submit")]
        for node in (window, load.desk):
            place = {(e["origin"], e["index"]): i for i, e in enumerate(view(node, case)["events"])}
            for first in answers:
                for second in answers:
                    a, b = load.operations[first.key], load.operations[second.key]
                    if first.node is second.node and a.end < b.begin:
                        compared += 1
                        last = max(place[first.origin, i] for i in first.indexes)
                        then = min(place[second.origin, i] for i in second.indexes)
                        assert last < then, f"case {case} at {node}: {second} stands before {first}, which it followed"
    return compared


def check(load, nodes, other_cases=()):
    """Everything above; {what: how many}. @other_cases: handed in beside the load."""
    entries = check_ledgers(load, nodes, other_cases)
    pairs = check_order(load, nodes)
    verify_all(nodes)
    return {"requests answered": load.count, "entries": entries, "ordered pairs": pairs,
            "requests repeated": len(load.refused)}
