#!/usr/bin/env python3
"""Makes data/case_digest.json: histories of one case as leaves, with the order, effects, statuses and digest that
tests/lib/tongban_reader.py draws from them, which knows the documents and no code of the program.

The histories "history N" stay as they are in the file, only what is expected of them is computed again. The histories
"law N" are made here from fixed seeds: most steps follow the law, and one in four is any event by anybody.

usage: make_case_digest.py [--check]      writes the file; --check: exit 1 if it would change
"""
import base64
import hashlib
import json
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "lib"), str(Path(__file__).parent)]
import tongban_reader as reader  # noqa: E402
from test_documents import A, B, NEW, NUMBERS, History  # noqa: E402

FILE = Path(__file__).parent / "data" / "case_digest.json"
LAW_HISTORIES = 44
STEPS = 26
TYPES = sorted(NUMBERS, key=NUMBERS.get)


class Dice:
    def __init__(self, seed):
        self.seed, self.count = seed, 0

    def below(self, bound):
        self.count += 1
        return int.from_bytes(hashlib.sha256(f"{self.seed}/{self.count}".encode()).digest()[:6], "big") % bound

    def chance(self, percent):
        return self.below(100) < percent

    def pick(self, list_):
        return list_[self.below(len(list_))]


def receipt(d):
    """Limits of all kinds, also with a unit that means none, and terms of all bits."""
    if d.chance(30):
        return {"demands": 1, "limits": bytes([1, 0, 3] * 6)}
    terms = {"terms": 1 + d.below(15)}
    to_decide = bytes(9) + bytes([d.below(4), 0, d.pick([0, 4, 5])]) + bytes(6)
    return {**terms, "limits": to_decide} if d.chance(50) else {**terms, "number": "N1"}


def attributes(d, type):
    """What an event of @type may say besides what it needs."""
    some = {
        "submit": {"promise": 1} if d.chance(50) else {},
        "receipt": receipt(d),
        "pause": {"pause_kind": d.pick([1, 2, 9, 9, 10]), "told": d.pick([1, 4, 5, 5, 7]), "unit": 1 + d.below(2)},
        "accept": {"lacking_days": 5} if d.chance(40) else {},
        "decide": {"decision": 1 + d.below(2), "told": 3, "official": bytes([d.below(2)] * 16)},
        "extend": {"extend_days": d.pick([5, 10, 12, 20]), "told": 1, "official": bytes([7] * 16)},
        "review": {"review": 1 + (d.below(4) == 0), "official": bytes([d.below(2)] * 16)},
        "evaluate": {"grade": 1 + d.below(5), "side": 1 + d.below(2)},
        "follow_up": {"side": 1 + d.below(2)},
        "part": {"part": bytes([d.below(3)] * 16)},
        "part_lapsed": {"part": bytes([d.below(3)] * 16)},
        "part_done": {"part": bytes([d.below(3)] * 16), "decision": 1 + (d.below(5) == 0)},
        "handover": {"lead": d.pick([NEW, B, A])},
    }.get(type, {})
    if d.chance(6):
        some.pop("told", None)
    return some


def author_of(d, history, rule):
    if not d.chance(92):
        return d.pick([A, B, NEW])
    lead = history.fold().state.lead if history.leaves else 0
    return {"A": A, "B": lead, "AB": d.pick([A, lead])}.get(rule.by, NEW)


def parents_of(d, history, author):
    """The author's own last event, and mostly the newest of all."""
    last = {}
    for name, leaf in history.leaves.items():
        last[reader.Leaf(leaf).origin] = name
    newest = list(history.leaves)[-1]
    chosen = {last.get(author, newest)}
    if d.chance(80):
        chosen.add(newest)
    return sorted(chosen)


def step(d, history, place):
    law = d.chance(75)
    ends = ["return", "withdraw", "not_required", "refuse", "revoke", "note", "object", "supervise", "identity_check", "form_check"]
    tried = [d.pick([t for t in TYPES[1:] if t not in ends or d.chance(3)]) for _ in range(12 if law else 1)]
    first = [d.pick(["identity_check", "form_check", "forward"])] if place < 4 or history.fold().state.status == "received" else []
    usual = first + ["forward", "receipt", "accept", "process", "decide", "close", "deliver",
             "evaluate", "follow_up", "publish"]
    tried = usual + tried if law and d.chance(72) else tried
    for type in tried:
        rule = reader.RULES[1][NUMBERS[type]]
        author = author_of(d, history, rule)
        role = d.pick(sorted(rule.roles)) if d.chance(95) else 1 + d.below(5)
        before = dict(history.leaves), dict(history.sizes)
        name = f"{place} {type}"
        history.add(name, author, type, *parents_of(d, history, author), role=role, **attributes(d, type))
        effect = next(row for row in history.names(history.fold()) if row[0] == name)
        if not law or effect[1] == "ok":
            return
        history.leaves, history.sizes = before


def make_history(number):
    d = Dice(f"law {number}")
    history = History().add("0 submit", A, "submit", role=2, **attributes(d, "submit"))
    for place in range(1, STEPS):
        step(d, history, place)
    return {"name": f"law {number}", "case_id": reader.Leaf(history.leaves["0 submit"]).case_id.hex(),
            "leaves": list(history.leaves.values())}


def expected(row):
    leaves = row["leaves"]
    ids = [reader.leaf_hash(leaf) for leaf in leaves]
    case = reader.Case(bytes.fromhex(row["case_id"]), [reader.Event.of_leaf(reader.Leaf(leaf)) for leaf in leaves])
    return {
        "name": row["name"], "case_id": row["case_id"], "digest": case.digest().hex(), "status": case.state.shown,
        "sequenced_status": case.prefix.shown, "pending": len(case.pending),
        "effects": [[ids.index(e.event.id), e.kind, e.why, int(e.sequenced)] for e in case.order],
        "leaves": [base64.b64encode(leaf).decode() for leaf in leaves],
    }


def write(source, note, rows):
    out = [f'{{\n "source": {json.dumps(source)},\n "note": {json.dumps(note)},\n "cases": [']
    for i, row in enumerate(rows):
        head = ", ".join(f'"{k}": {json.dumps(v)}' for k, v in row.items() if k not in ("effects", "leaves"))
        leaves = ",\n".join(f"    {json.dumps(leaf)}" for leaf in row["leaves"])
        comma = "," if i + 1 < len(rows) else ""
        out.append(f'  {{{head},\n   "effects": {json.dumps(row["effects"])},\n   "leaves": [\n{leaves}\n   ]}}{comma}')
    return "\n".join(out) + "\n ]\n}\n"


def made(old):
    """The text of the file, made from what it was."""
    document = json.loads(old)
    rows = [dict(row, leaves=[base64.b64decode(leaf) for leaf in row["leaves"]]) for row in document["cases"]
            if row["name"].startswith("history")]
    rows += [make_history(n) for n in range(1, LAW_HISTORIES + 1)]
    return write(document["source"], document["note"], [expected(row) for row in rows])


def main():
    old = FILE.read_text()
    new = made(old)
    if sys.argv[1:] == ["--check"]:
        sys.exit(new != old)
    FILE.write_text(new)


if __name__ == "__main__":
    main()
