"""What the clients of a soak do: each story is one matter from window to receipt, or a question. Chosen and filled in by a seed.

A story waits, before each of its steps, until the node where the step happens shows everything that came before: so each step follows
the ones before it, and must stand behind them on every node for ever. What runs beside it (a note from the window while the desk works)
only stands behind what had been answered when it began.
"""
import hashlib
import itertools
import json
import random
import time

from clients import Request, Unexpected
from rules import RESTORED
from provinces import citizen_number

PROVINCES = [  # code, name, stem of its catalog
    ("510000", "四川省", "sichuan"), ("440000", "广东省", "guangdong"), ("330000", "浙江省", "zhejiang"),
    ("500000", "重庆市", None), ("520000", "贵州省", None),
]
CITY = ("510100", "成都市", None)
DESKS = {"510000": ("510104", 4), "440000": ("440106", 2), "330000": ("330106", 2)}  # a division of it, how often
SUBMITTED = ["submit", "identity_check", "form_check", "forward"]
NAMES = ["李小满", "王大寒", "陈谷雨", "张白露"]
SECRET = "私语"  # stands in every free text; a log that has it has said too much
RELATION = "祖母"
PHONE_PREFIX = "13900"
MIB = 1 << 20


def items_of(tree):
    """{desk: {"orphan": code, "move": code}} from the catalogs."""
    found = {}
    for code, _, stem in PROVINCES:
        if stem:
            items = json.loads((tree / "catalog/data" / f"{stem}.json").read_text())["items"]
            find = lambda part: next(i["code"] for i in items if part in i["name"])
            found[code] = {"orphan": find("孤儿认定"), "move": find("夫妻投靠户口迁移")}
    return found


def personal(number):
    """Name, identity number and telephone of the applicant of story @number: born in 1905, so nobody's."""
    day, serial = number // 900 % 28 + 1, number % 900 + 2
    month = number // (900 * 28) % 12 + 1
    return NAMES[number % len(NAMES)], citizen_number(serial, birth=f"1905{month:02d}{day:02d}"), f"{PHONE_PREFIX}{number % 1000000:06d}"


class Story:
    """One generator at work, and what it has written so far."""

    def __init__(self, world, number, kind, dice):
        self.world, self.number, self.kind, self.dice = world, number, kind, dice
        self.case = None
        self.participants = []
        self.acks = []  # (origin, first index, count) of the chain
        self.last_end = self.last_node = None
        self.steps = 0
        self.requests = []  # answered ones, for repetition
        self.run = getattr(self, f"tell_{kind}")()

    # -- steps

    def _acknowledged(self, request, answer, chain, after):
        fields = {"story": self.number, "key": request.key, "node": request.node, "case": self.case, "types": request.types,
                  "origin": answer["origin"], "first": answer["first_index"], "count": answer["count"], "chain": chain, "after": after,
                  "participants": list(self.participants), "begin": round(self.world.seconds(request.begin), 3),
                  "end": round(self.world.seconds(), 3), "tries": request.tries}
        if answer["count"] != len(request.types):
            raise Unexpected(f"{answer['count']} events for {request.types}")
        self.world.journal.write(t="ack", **fields)

    def _write(self, node, path, body, types, not_yet=()):
        """Appends as the next step of the chain; returns the answer."""
        key = f"s{self.number}-{self.steps}"
        if self.dice.random() < 0.1:
            path += "?durable=peers&timeout_ms=2000"
        request = Request(node, "POST", path, body, key, done=lambda r: r.json(), types=types, not_yet=not_yet)
        answer = yield request
        self.case = self.case or answer["case"]
        self._acknowledged(request, answer, self.steps, self.steps - 1)
        self.acks.append((answer["origin"], answer["first_index"], answer["count"]))
        self.requests.append((request, answer))
        self.steps += 1
        self.last_end, self.last_node = time.monotonic(), node
        return answer

    def submit(self, window, desk, item="orphan", **fields):
        name, number, phone = personal(self.number)
        body = {"item": self.world.items[desk][item], "node": int(desk), "mode": "collect", "division": DESKS[desk][0],
                "applicant": {"kind": "person", "name": name, "id_type": "citizen_id", "id_number": number, "phone": phone},
                "form": {"guardian_relation": RELATION, "note": f"{SECRET}{self.number}"}, **fields}
        self.window, self.desk = window, desk
        self.participants = sorted({window, desk})
        yield from self._write(window, "/v1/cases", body, SUBMITTED)

    def act(self, node, *events):
        body = {"events": [{"type": e} if isinstance(e, str) else e for e in events]}
        yield from self._write(node, f"/v1/cases/{self.case}/events", body, [e["type"] for e in body["events"]])

    def see(self, node, status=None, other=None):
        """Until @node shows all of the chain (and @status, and what @other(view) asks for): the view."""
        wanted = {(o, first + i) for o, first, count in self.acks for i in range(count)}
        last, ended, author = self.acks[-1][:2], self.last_end, self.last_node

        def shows(reply):
            view = reply.json()
            shown = {(e["origin"], e["index"]) for e in view["events"]}
            if author != node and last in shown and not shows.measured:
                shows.measured = True
                self._measured("lag", author, node, ended)
            if wanted - shown:
                return None
            return view if status in (None, view["status"]) and (other is None or other(view)) else None

        shows.measured = False
        return (yield Request(node, "GET", f"/v1/cases/{self.case}", done=shows, not_yet={404}, what=f"case {self.case} to be {status}"))

    def _measured(self, kind, origin, to, begin):
        now = time.monotonic()
        self.world.journal.write(t=kind, at=round(self.world.seconds(now), 3), sent=round(self.world.seconds(begin), 3),
                                 origin=origin, to=to, ms=round((now - begin) * 1000, 1))

    def accept(self, node, *more):
        yield from self.see(node, "arrived")
        yield from self.act(node, "accept", *more)
        if self.dice.random() < 0.3:
            self.world.beside(self, "note", self.window)

    def decide(self, node, grant=True):
        decision = {"type": "decide", "decision": "grant"} if grant else {
            "type": "decide", "decision": "deny", "reason_code": "not.qualified", "reason": f"{SECRET} 不符合规定条件"}
        yield from self.act(node, decision, "close")

    def deliver(self, status):
        yield from self.see(self.window, status)
        yield from self.act(self.window, {"type": "deliver", "channel": self.dice.choice(["window", "post", "electronic"])})
        for node in self.participants:
            yield from self.see(node, "delivered")
        if self.dice.random() < 0.5:
            yield from self.act(self.window, {"type": "evaluate", "grade": self.dice.randint(1, 5)})

    def repeat(self):
        """One of the answered requests again: the first answer, and nothing written."""
        request, answer = self.dice.choice([x for x in self.requests if x[0].node != RESTORED])
        again = yield Request(request.node, "POST", request.path, request.body, request.key, done=lambda r: r.json(), what=f"{request.what} again")
        if (again["origin"], again["first_index"], again["count"]) != (answer["origin"], answer["first_index"], answer["count"]) or not again["replayed"]:
            raise Unexpected(f"repeated {request.key}: {again}, first {answer}")

    def receipt(self, node, act):
        """Until the act's receipt is final: a quorum of the others has signed the tree with it."""
        path = f"/v1/cases/{self.case}/receipt?act={act}&wait_ms=1000"
        yield Request(node, "GET", path, done=lambda r: r.json() if r.json()["final"] else None, not_yet={404}, what=f"receipt of {act}")

    def chosen(self, *without):
        """A window and a desk."""
        desk = self.dice.choices(list(DESKS), [w for _, w in DESKS.values()])[0]
        window = self.dice.choice([r for r in self.world.regions if r not in (desk, *without)])
        return window, desk

    # -- stories

    def tell_plain(self):
        window, desk = self.chosen()
        yield from self.submit(window, desk)
        yield from self.accept(desk)
        yield from self.act(desk, "process")
        grant = self.dice.random() < 0.8
        yield from self.decide(desk, grant)
        yield from self.deliver("closed_granted" if grant else "closed_denied")
        yield from self.repeat()
        yield from self.receipt(window, "decide")

    def tell_correct(self):
        window, desk = self.chosen()
        yield from self.submit(window, desk)
        yield from self.see(desk, "arrived")
        yield from self.act(desk, {"type": "correct", "reason_code": "material.missing", "reason": f"{SECRET} 缺少材料"})
        yield from self.see(window, "correcting")
        yield from self.act(window, {"type": "supplement", "note": f"{SECRET} 已补"})
        yield from self.see(desk, "corrected")
        yield from self.act(desk, "accept", "process")
        yield from self.decide(desk)
        yield from self.deliver("closed_granted")

    def tell_refused(self):
        window, desk = self.chosen()
        yield from self.submit(window, desk)
        yield from self.see(desk, "arrived")
        kind = self.dice.choice(["refuse", "not_required"])
        yield from self.act(desk, {"type": kind, "reason_code": "not.here", "reason": f"{SECRET} 不属于本机关"})
        yield from self.deliver("refused" if kind == "refuse" else "not_required")

    def tell_withdrawn(self):
        window, desk = self.chosen()
        yield from self.submit(window, desk)
        yield from self.accept(desk)
        yield from self.see(window, "accepted")
        yield from self.act(window, "withdraw")
        yield from self.see(desk, "withdrawn")
        yield from self.repeat()

    def tell_paused(self):
        window, desk = self.chosen()
        yield from self.submit(window, desk)
        yield from self.accept(desk, "process", {"type": "pause", "pause_kind": "hearing", "expected_days": 5})
        yield from self.see(window, "paused")
        yield from self.act(desk, "resume")
        yield from self.decide(desk)
        yield from self.deliver("closed_granted")

    def tell_handover(self):
        """The province hands the case to the city, which decides it."""
        desk, city = PROVINCES[0][0], CITY[0]
        window = self.dice.choice([r for r in self.world.regions if r not in (desk, city)])
        yield from self.submit(window, desk)
        yield from self.accept(desk)
        yield from self.act(desk, {"type": "handover", "lead": int(city), "note": f"{SECRET} 初审符合条件"})
        self.participants = sorted({window, desk, city})
        yield from self.see(city, "accepted")
        yield from self.act(city, "process")
        yield from self.decide(city)
        yield from self.deliver("closed_granted")
        yield from self.receipt(window, "decide")

    def tell_joint(self):
        """户口迁移: the place moved to takes in and decides the whole, the place left decides its part."""
        to, left = self.dice.sample(list(DESKS), 2)
        whole = Story(self.world, self.world.next_number(), "whole", self.dice)
        yield from whole.submit(to, to, "move", mode="joint")
        yield from whole.see(to, "arrived")
        yield from self.submit(to, left, "move", mode="joint", parent=whole.case)
        yield from whole.see(to, None, lambda v: [p["case"] for p in v["parts"]] == [self.case])
        yield from whole.act(to, "accept")
        yield from self.accept(left)
        yield from self.decide(left)
        yield from self.see(to, "closed_granted")
        yield from whole.see(to, None, lambda v: [p["decision"] for p in v["parts"]] == ["grant"])
        yield from whole.decide(to)
        yield from whole.see(to, "closed_granted")
        yield from self.receipt(to, "decide")

    def tell_whole(self):
        """Never run by itself: tell_joint drives it."""
        yield from ()

    def tell_file(self):
        """A material goes up in parts, and must be readable at the other side, to the byte."""
        window, desk = self.chosen(RESTORED)
        yield from self.submit(window, desk)
        size = self.dice.choice([3000, 60000, 400000, MIB + 77777])
        content = b"%PDF-1.7\n" + random.Random(self.number).randbytes(size - 9)
        file = yield from self.upload(window, content)
        path = f"/v1/cases/{self.case}/materials/{file}/content?purpose=soak"
        got = yield Request(desk, "GET", path, done=lambda r: r.body, not_yet={404}, what="content of the material")
        if got != content:
            raise Unexpected(f"material of {len(content)} bytes came as {len(got)} other bytes")
        self._measured("file", window, desk, self.last_end)
        self.last_node = desk  # it was waited for: the next step measures no lag of events
        yield from self.accept(desk)
        yield from self.decide(desk)
        yield from self.deliver("closed_granted")

    def upload(self, node, content):
        body = {"name": "申请表.pdf", "code": "M01", "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        begun = yield Request(node, "POST", f"/v1/cases/{self.case}/materials", body, done=lambda r: r.json(), what="upload of a material")
        path = f"/v1/uploads/{begun['upload']}"
        offset = begun["offset"]
        while offset < len(content):
            headers = {"Upload-Offset": str(offset), "Content-Type": "application/partial-upload"}

            def any_status(reply):  # 409 with the right offset: the answer to an earlier try was lost
                if reply.status not in (204, 409) or "Upload-Offset" not in reply.headers:
                    raise Unexpected(f"HTTP {reply.status} {reply.body.decode(errors='replace')[:300]}")
                return int(reply.headers["Upload-Offset"])

            offset = yield Request(node, "PATCH", path, content[offset : offset + MIB], headers=headers, done=any_status, what="part of a material")
        answer = yield from self._write(node, f"{path}/finish", None, ["material"])
        return answer["file"]

    def tell_note(self):
        """Beside another story: see World.beside()."""
        of, node = self.beside_of, self.beside_at
        self.case, self.participants = of.case, list(of.participants)
        for i in range(self.dice.choice([1, 1, 2])):
            key = f"s{self.number}-n{i}"
            body = {"type": "note", "note": f"{SECRET}{self.number}"}
            request = Request(node, "POST", f"/v1/cases/{self.case}/events", body, key, done=lambda r: r.json(), types=["note"])
            answer = yield request
            self._acknowledged(request, answer, None, 0)  # the window wrote step 0, and may have seen no more

    def tell_query(self):
        """Questions as a window and a console ask them."""
        node = self.dice.choice(self.world.regions)
        paths = ["/v1/cases?limit=50", "/v1/cases?role=deciding&status=accepted&limit=20", "/v1/cases?overdue=true&limit=20", "/v1/status",
                 "/v1/catalog/search?text=hukou&limit=20", "/v1/catalog?node=510000&limit=100", "/metrics", "/v1/alarms",
                 "/v1/ledger/witnesses", "/v1/erasures", "/v1/calendar?year=2026", "/v1/identity/types"]
        for path in self.dice.sample(paths, 4):
            yield Request(node, "GET", path)

    def tell_reconcile(self):
        node = self.dice.choice(self.world.regions)
        begun = yield Request(node, "POST", "/v1/reconcile", {}, done=lambda r: r.json(), what="reconcile")

        def any_status(reply):
            if reply.status == 404:  # the node was started anew since
                return {"state": "forgotten", "differences": []}
            return reply.json() if reply.json()["state"] != "running" else None

        report = yield Request(node, "GET", f"/v1/reconcile/{begun['id']}", done=any_status, what="end of reconciliation")
        sizes = {}
        if report["differences"]:  # how far the ledgers had come, to look into it
            peers = yield Request(node, "GET", "/v1/peers", done=lambda r: r.json()["peers"], what="sizes of the ledgers")
            sizes = {p["code"]: {name: p[name] for name in ("state", "held_size", "acked_size", "backlog")} for p in peers}
        self.world.journal.write(t="reconcile", at=round(self.world.seconds(), 3), node=node, state=report["state"],
                                 differences=report["differences"], sizes=sizes)


WEIGHTS = {"plain": 8, "correct": 3, "refused": 1, "withdrawn": 2, "paused": 1, "handover": 3, "joint": 2, "file": 2, "query": 6, "reconcile": 0.3}


class World:
    """Begins stories at a steady pace. What it begins is decided by the seed; when each step happens, by the machine."""

    def __init__(self, seed, items, journal, pool, seconds):
        self.dice = random.Random(f"{seed}/stories")
        self.items, self.journal, self.pool, self.seconds = items, journal, pool, seconds
        self.regions = list(pool.nodes)
        self.begun = {}
        self._numbers = itertools.count(1)

    def next_number(self):
        return next(self._numbers)

    def begin(self, kind=None):
        kind = kind or self.dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        self.begun[kind] = self.begun.get(kind, 0) + 1
        number = self.next_number()
        self.pool.begin(Story(self, number, kind, random.Random(self.dice.getrandbits(64))))

    def beside(self, story, kind, node):
        number = self.next_number()
        other = Story(self, number, kind, random.Random(number))
        other.beside_of, other.beside_at = story, node
        self.pool.begin(other)
