"""Load for the tests of this folder: windows that hand in cases and a desk that decides them, all through the API, each
request with its own Idempotency-Key and repeated until it is answered; and the check that what was answered holds.

    load = Load(windows=[a, c], desk=b, item=find_item(a, b))
    load.start()
    ... kill, fill, stop ...
    load.finish()                # no new cases; waits until everything begun has been answered
    check_ledgers(load, nodes)   # every answer is in its author's ledger, once, at that index, on every participant
    verify_all(nodes)

What a node may answer: 201 counts; a refused connection, 5xx and 429 mean "ask again with the same key"; 404 and 409 mean
"not yet" where the case has not arrived. Anything else fails the test.
"""
import http.client
import queue
import random
import threading
import time

from cluster import PATIENCE_SECONDS, wait_for

# A synthetic person (born 1905, so no living holder) whose home is 成都市锦江区.
APPLICANT = {"kind": "person", "name": "李小满", "id_type": "citizen_id", "id_number": "510104190507290029"}
SUBMITTED = ["submit", "identity_check", "form_check", "forward"]  # what one application writes
BY_ITSELF = {"receipt", "ack"}  # what the desk's node writes of its own accord
AGAIN = {429, 500, 503, 507}
RETRY_SECONDS = 0.02
CLIENTS = 6  # of in_parallel()


class Answered:
    """One request and the answer it got."""

    def __init__(self, node, key, case, answer, types):
        self.node = node
        self.key = key
        self.case = case
        self.origin = answer["origin"]
        self.indexes = range(answer["first_index"], answer["first_index"] + answer["count"])
        self.types = types

    def __repr__(self):
        return f"<{self.key} {self.types} = {self.origin}/{self.indexes.start}+{len(self.indexes)} of case {self.case}>"


class Load:
    def __init__(self, windows, desk, item, seed=1, threads_per_window=2, desk_threads=2, pace_s=0.0):
        self.windows = windows
        self.desk = desk
        self.item = item
        self.seed = seed
        self.answers = []  # Answered, in the order of the answers
        self.refused = []  # statuses that meant "again", with the id they named
        self.problems = []
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._no_new_cases = threading.Event()
        self._give_up = threading.Event()
        self._cases = queue.Queue()
        self._pace_s = pace_s
        self._threads = [
            threading.Thread(target=self._guard, args=(self._window, node, f"w{node.region}.{i}"), daemon=True)
            for node in windows for i in range(threads_per_window)
        ]
        self._desk_threads = [
            threading.Thread(target=self._guard, args=(self._desk, desk, f"d{desk.region}.{i}"), daemon=True)
            for i in range(desk_threads)
        ]

    # -- control

    def start(self):
        for thread in self._threads + self._desk_threads:
            thread.start()
        return self

    @property
    def count(self):
        return len(self.answers)

    def wait_answers(self, more, seconds=PATIENCE_SECONDS, node=None):
        """Waits for @more answers (of @node) from now on; False when there are not so many in @seconds."""
        def have():
            return sum(1 for x in self.answers if node is None or x.node is node)

        with self._changed:
            goal = have() + more
            return self._changed.wait_for(lambda: have() >= goal or self.problems, seconds)

    def finish(self, seconds=PATIENCE_SECONDS):
        """Lets everything begun come to its end; AssertionError when something was answered as it must not be, and when nothing was for
        @seconds. What is waiting may be much: how long all of it takes is the machine's business."""
        self._no_new_cases.set()
        self._join(self._threads, seconds)
        for _ in self._desk_threads:
            self._cases.put(None)
        self._join(self._desk_threads, seconds)
        waiting = [x.name for x in self._threads + self._desk_threads if x.is_alive()]
        self._give_up.set()
        assert not self.problems, "\n".join(self.problems)
        assert not waiting, f"{len(waiting)} clients wait for an answer, and none has got any for {seconds} s"

    def _join(self, threads, seconds):
        """Until all have ended, or none of them got an answer for @seconds."""
        before = -1
        while any(x.is_alive() for x in threads) and self.count > before:
            before = self.count
            deadline = time.monotonic() + seconds
            for thread in threads:
                thread.join(max(0.0, deadline - time.monotonic()))

    def abandon(self):
        """The test is over, however: nobody asks any more. After finish() it changes nothing."""
        self._no_new_cases.set()
        self._give_up.set()
        for _ in self._desk_threads:
            self._cases.put(None)

    # -- clients

    def _guard(self, run, node, name):
        try:
            run(node, name)
        except Exception as e:  # told by finish()
            with self._changed:
                self.problems.append(f"{name}: {type(e).__name__}: {e}")
                self._changed.notify_all()

    def _ask(self, node, path, body, key, not_yet=()):
        """The answer to one request, asked until it is there; None when the test is over before."""
        while not self._give_up.is_set():
            try:
                reply = node.post(path, body, headers={"Idempotency-Key": key}, timeout=20)
            except (OSError, http.client.HTTPException):
                reply = None
            if reply is not None and reply.status == 201:
                return reply.json()
            if reply is not None and reply.status not in AGAIN | set(not_yet):
                raise AssertionError(f"{key}: POST {path} at {node}: HTTP {reply.status} {reply.body.decode()}")
            if reply is not None and reply.status in AGAIN:
                with self._changed:
                    self.refused.append((node, reply.status, reply.json().get("id")))
                    self._changed.notify_all()
            self._give_up.wait(RETRY_SECONDS)
        return None

    def _answered(self, node, key, case, answer, types):
        done = Answered(node, key, case, answer, types)
        with self._changed:
            self.answers.append(done)
            self._changed.notify_all()

    def _window(self, node, name):
        dice = random.Random(f"{self.seed}/{name}")
        number = 0
        while not self._no_new_cases.is_set():
            number += 1
            key = f"{name}-{number}"
            answer = self._ask(node, "/v1/cases", application(self.item, key=key), key)
            if answer is None:
                return
            case = answer["case"]
            self._answered(node, key, case, answer, SUBMITTED)
            self._cases.put(case)
            for i in range(dice.choice([0, 0, 1, 3])):
                note = self._ask(node, f"/v1/cases/{case}/events", {"type": "note", "note": f"{key} {i}"}, f"{key}-n{i}")
                if note is None:
                    return
                self._answered(node, f"{key}-n{i}", case, note, ["note"])
            self._no_new_cases.wait(self._pace_s)

    def _desk(self, node, name):
        """accept and process one by one, decide and close in one request."""
        while (case := self._cases.get()) is not None:
            steps = [["accept"], ["process"], ["decide", "close"]]
            for types in steps:
                events = [{"type": x, **({"decision": "grant"} if x == "decide" else {})} for x in types]
                key = f"{name}-{case}-{types[0]}"
                answer = self._ask(node, f"/v1/cases/{case}/events", {"events": events}, key, not_yet=(404, 409))
                if answer is None:
                    return
                self._answered(node, key, case, answer, types)


# ---- set-up and checks -----------------------------------------------------------------------------------------------


def find_item(window, desk):
    """孤儿认定 of @desk, once @window knows it."""
    def known():
        rows = window.get(f"/v1/catalog?node={desk.region}&text=%E5%AD%A4%E5%84%BF%E8%AE%A4%E5%AE%9A").ok().json()["items"]
        return rows[0] if rows else None

    item = wait_for(known, what=f"{window} to hold the catalog of {desk}")
    return {"code": item["code"], "node": int(desk.region)}


def three_provinces(cluster, proxied=False):
    """(desk, windows): 四川 decides, 广东 and 浙江 take in."""
    desk = cluster.add_node("510000", "四川省", catalog="catalog/data/sichuan.json", proxied=proxied)
    windows = [cluster.add_node("440000", "广东省", proxied=proxied), cluster.add_node("330000", "浙江省", proxied=proxied)]
    cluster.start()
    for node in (desk, *windows):
        wait_for(lambda n=node: n.get("/v1/status").ok().json()["peers_connected"] == 2, what=f"{node} to meet the others")
    return desk, windows


def application(item, **form):
    return {"item": item["code"], "node": item["node"], "mode": "collect", "applicant": APPLICANT, "form": form}


def submit(node, item):
    """One case, handed in at @node: its id."""
    return node.post("/v1/cases", application(item)).ok().json()["case"]


def in_parallel(work, items):
    """work(item) for all @items, by CLIENTS threads; fails when one of them did."""
    left, failures = queue.Queue(), []
    for item in items:
        left.put(item)

    def run():
        while True:
            try:
                work(left.get_nowait())
            except queue.Empty:
                return
            except Exception as e:
                failures.append(e)
                return

    threads = [threading.Thread(target=run, daemon=True) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert not failures and left.empty(), failures


def ledger_of(node):
    """Own entries of @node by index, as its API gives them."""
    rows, at = {}, 0
    while True:
        page = node.get(f"/v1/ledger/entries?origin={node.region}&from={at}&limit=100").ok().json()["entries"]
        if not page:
            return rows
        rows.update({x["index"]: x for x in page})
        at = page[-1]["index"] + 1


def view(node, case):
    return node.get(f"/v1/cases/{case}").ok().json()


def wait_same(a, b, case, seconds=PATIENCE_SECONDS):
    """Both nodes' views of @case, once they are equal and complete."""
    def same():
        left, right = view(a, case), view(b, case)
        are_whole = left["digest"] == right["digest"] and not left["pending_count"] and not right["pending_count"]
        return (left, right) if are_whole else None

    return wait_for(same, seconds, what=f"{a} and {b} to agree on case {case}")


def check_answer(answered, ledger, seen):
    for index, type_name in zip(answered.indexes, answered.types, strict=True):
        assert index in ledger, f"lost: {answered}: its author has no entry {index}"
        leaf = ledger[index]["leaf"]
        found = (leaf["type"], leaf["case"])
        assert found == (type_name, answered.case), f"{answered}: entry {index} is {found}"
        assert (answered.origin, index) not in seen, f"{answered} and {seen[answered.origin, index]}: one entry for two"
        seen[answered.origin, index] = answered


def check_case(load, case, windows_by_region, ledgers, answers):
    """The case holds what was answered, 签收, and nothing else; the same on both sides, by the authors' hashes."""
    window = windows_by_region[answers[0].origin]
    left, right = wait_same(window, load.desk, case)
    expected = sorted((x.origin, i, t) for x in answers for i, t in zip(x.indexes, x.types))
    for node, side in ((window, left), (load.desk, right)):
        events = sorted((e["origin"], e["index"], e["type"]) for e in side["events"])
        automatic = [e for e in events if e[2] in BY_ITSELF]
        rest = [e for e in events if e[2] not in BY_ITSELF]
        assert rest == expected, f"case {case} at {node}:\n has     {rest}\n answered {expected}"
        assert {e[0] for e in automatic} == {int(load.desk.region)}, f"case {case} at {node}: {automatic}"
        assert [e[2] for e in automatic].count("receipt") == 1, f"case {case} at {node}: {automatic}"
        for e in side["events"]:
            assert e["id"] == ledgers[e["origin"]][e["index"]]["hash"], f"case {case} at {node}: {e}"


def check_ledgers(load, nodes, other_cases=()):
    """Everything that was answered is there, exactly once, on every participant. @other_cases: handed in beside the load."""
    ledgers = {int(node.region): ledger_of(node) for node in nodes}
    seen, by_case = {}, {}
    keys = [x.key for x in load.answers]
    assert len(keys) == len(set(keys))
    for answered in load.answers:
        check_answer(answered, ledgers[answered.origin], seen)
        by_case.setdefault(answered.case, []).append(answered)
    windows = {int(node.region): node for node in load.windows}
    for case, answers in by_case.items():
        check_case(load, case, windows, ledgers, answers)
    # no case that nobody asked for, in any ledger
    written = {x["leaf"]["case"] for ledger in ledgers.values() for x in ledger.values()} - {None, *other_cases}
    assert written == set(by_case), f"cases without an answered request: {written - set(by_case)}"
    return len(seen)


def verify_all(nodes):
    for node in nodes:
        assert node.cli("ledger", "verify")["result"] == "ok", f"{node}"
