"""Random legal and illegal histories of one case, written by up to four nodes that do not always know of each other's events: the
program's fold against tests/lib/tongban_reader.py, a naive second reader made from CASES.md alone. Every effect with its reason,
the order, what is sequenced, statuses and digest have to be the same, in whatever order the events come.

`TONGBAN_TEST_HISTORIES` says how many (seeds 1 to N); `test_random_histories.py SEED` shows one.
"""
import collections
import json
import os
import random
import subprocess
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "lib"), str(Path(__file__).parent)]
import tongban_reader as reader  # noqa: E402
from make_case_digest import expected  # noqa: E402
from test_documents import A, B, COUNTRY, NEW, NUMBERS, History  # noqa: E402

COUNT = int(os.environ.get("TONGBAN_TEST_HISTORIES", "3000"))
BATCH = 500

TAKEN = ["identity_check", "form_check", "forward", "receipt"]
END = ["decide", "close", "deliver"]
# Ways that cases go; a row may say who does it ("system") or to whom it goes.
WAYS = {
    "usual": [*TAKEN, "accept", "process", *END, "evaluate", "archive"],
    "corrected once": [*TAKEN, "correct", "supplement", "accept", *END],
    "corrected twice": [*TAKEN, "correct", "supplement", "correct", "supplement", "accept", *END],
    "deemed": [*TAKEN, ("accept", {"role": 5}), "process", *END],
    "special procedure": [*TAKEN, "accept", "pause", "resume", "pause", "resume", *END],
    "extended": [*TAKEN, "accept", ("extend", {"told": 1}), ("extend", {"told": 1}), *END],
    "reviewed": [*TAKEN, "accept", "review", *END, "publish"],
    "lacking": [*TAKEN, ("accept", {"lacking_days": 5}), "supply", "fulfil", *END],
    "lacking at the end": [*TAKEN, ("accept", {"lacking_days": 5}), "decide", "close", "supply", "deliver", "fulfil", "deliver"],
    "promised": [*TAKEN, "accept", "breach", *END],
    "parts": [*TAKEN, "part", "part", "accept", "part_done", "part_done", *END],
    "a part lapses": [*TAKEN, "part", "part", "accept", "part_done", "part_lapsed", "part_done", *END, "part_lapsed"],
    "handed over": [*TAKEN, ("handover", {"lead": NEW}), "accept", ("handover", {"lead": B}), "process", *END],
    "handed over thrice": [*TAKEN, ("handover", {"lead": NEW}), ("handover", {"lead": A}), ("handover", {"lead": B}), "accept", *END],
    "marks": [*TAKEN, "accept", *END, "evaluate", "evaluate", "follow_up", "follow_up", "archive"],
    "published": [*TAKEN, "accept", *END, "publish", "publish", "revoke", "publish"],
    "withdrawn": [*TAKEN, "accept", "withdraw", *END],
    "decided and withdrawn": [*TAKEN, "accept", "decide", "withdraw", "close", "deliver", "withdraw"],
    "refused": [*TAKEN, "refuse", "deliver"],
    "not required": [*TAKEN, "not_required", "deliver", "evaluate"],
    "posted": ["post_materials", *TAKEN, "post_materials", "accept", "decide", "close", "post_result", "deliver", "post_result"],
    "paid": [*TAKEN, "charge", "notify", "accept", "pay", *END, "charge", "notify", "pay"],
    "returned": ["identity_check", "return"],
    "supervised": [*TAKEN, "accept", "supervise", *END],
}


def attributes(d, type):
    """What an event of @type says besides what it needs."""
    some = {
        "submit": {"promise": 1} if d.random() < 0.5 else {},
        "receipt": {"terms": d.choice([7, 7, 15, d.randrange(16)]), "demands": int(d.random() < 0.2),
                    "limits": bytes(9) + bytes([d.randrange(4), 0, d.choice([0, 4, 5])]) + bytes(6)},
        "pause": {"pause_kind": d.choice([1, 2, 9, 9, 10]), "told": d.choice([1, 4, 5, 5, 7]), "unit": 1 + d.randrange(2)},
        "accept": {"lacking_days": 5} if d.random() < 0.4 else {},
        "decide": {"decision": 1 + (d.random() < 0.3), "told": d.choice([3, 3, 3, 3, 0, 1, 2]), "official": bytes([d.randrange(2)] * 16)},
        "extend": {"extend_days": d.choice([5, 10, 11, 15, 16, 20])},
        "review": {"review": 1 + (d.random() < 0.2), "official": bytes([d.randrange(2)] * 16)},
        "evaluate": {"grade": d.choice([1, 1, 2, 3, 4, 5]), "side": 1 + d.randrange(2)},
        "follow_up": {"side": 1 + d.randrange(2)},
        "part": {"part": bytes([d.randrange(2)] * 16)},
        "part_lapsed": {"part": bytes([d.randrange(2)] * 16)},
        "part_done": {"part": bytes([d.randrange(2)] * 16), "decision": 1 + (d.random() < 0.2)},
        "handover": {"lead": d.choice([NEW, B, A])},
        "supervise": {"lead": d.choice([NEW, B])},
    }.get(type, {})
    some = {name: value for name, value in some.items() if value != 0}
    if d.random() < 0.1:
        some["request"] = bytes([d.randrange(3)] * 16)
    if d.random() < 0.01:
        some["decision"] = 7  # no such value: the attributes do not parse
    return some


class Walk:
    """One history. Who may do what is followed loosely: what comes of it is the readers' matter."""

    def __init__(self, seed):
        self.d = random.Random(seed)
        self.way = self.d.choice(list(WAYS))
        self.law = self.d.choice([0.7, 0.9, 0.97])
        self.history = History()
        self.lead, self.last, self.places, self.newest = B, {}, {}, None
        self.put("submit", A, role=2, **attributes(self.d, "submit"))
        steps = collections.deque(WAYS[self.way])
        while len(self.history.leaves) < 40 and (steps or self.d.random() < 0.6):
            if steps and self.d.random() < self.law:
                self.lawful(steps.popleft())
            else:
                self.any()

    def put(self, type, author, **said):
        d, name = self.d, f"{len(self.history.leaves)} {type}"
        parents = []
        if type != "submit" or (self.newest and d.random() < 0.5):
            parents = {self.last.get(author, self.newest)}
            if d.random() < 0.9:
                parents.add(self.newest)
            if d.random() < 0.1:
                parents.add(d.choice(list(self.history.leaves)))
            places = {self.places[name]: name for name in sorted(parents)}  # of two at one index a leaf cites one
            parents = places.values()
        rule = reader.RULES[1][NUMBERS[type]]
        said.setdefault("role", d.choice(sorted(rule.roles)))
        if said["role"] == 5 and type == "accept" and d.random() < 0.5:
            said["role"] = 3
        self.history.add(name, author, type, *sorted(parents), hlc=d.randrange(40), **said)
        self.last[author] = self.newest = name
        leaf = reader.Leaf(self.history.leaves[name])
        self.places[name] = (leaf.origin, leaf.index)

    def lawful(self, step):
        type, said = (step, {}) if isinstance(step, str) else step
        rule = reader.RULES[1][NUMBERS[type]]
        author = {"A": A, "B": self.lead, "AB": self.d.choice([A, self.lead])}.get(rule.by, COUNTRY)
        said = {**attributes(self.d, type), **said}
        if type == "follow_up":
            said["side"] = 1 if author == A else 2
        self.put(type, author, **said)
        if type in ("handover", "supervise"):
            self.lead = said["lead"]

    def any(self):
        d = self.d
        ends = {"submit", "return", "not_required", "refuse", "revoke", "withdraw", "supervise", "handover"}
        type = d.choice(["withdraw", *NUMBERS] if d.random() < 0.3 else [t for t in NUMBERS if t not in ends])
        rule = reader.RULES[1][NUMBERS[type]]
        author = {"A": A, "B": self.lead}.get(rule.by, A) if d.random() < 0.6 else d.choice([A, B, NEW, COUNTRY])
        said = attributes(d, type)
        if d.random() < 0.1:
            said["role"] = 1 + d.randrange(5)
        if d.random() < 0.02:
            said["version"] = 9
        if d.random() < 0.02 and author in self.last:  # a second event at an index that is taken
            said["index"] = max(0, self.history.sizes[author] - 1)
        self.put(type, author, **said)

    def row(self):
        """As it arrives somewhere: each author's events in their order, mixed at will."""
        by_author = collections.defaultdict(collections.deque)
        for leaf in self.history.leaves.values():
            by_author[reader.Leaf(leaf).origin].append(leaf)
        leaves = []
        while by_author:
            author = self.d.choice(sorted(by_author))
            leaves.append(by_author[author].popleft())
            if not by_author[author]:
                del by_author[author]
        return {"case_id": reader.Leaf(leaves[0]).case_id.hex(), "leaves": leaves}


def row_of(seed):
    walk = Walk(seed)
    return expected({"name": f"seed {seed} ({walk.way})", **walk.row()})


def test_two_readers_agree(tmp_path):
    program = Path(os.environ["TONGBAN_BIN"]) / "vectors_case_digest"
    kinds, whys, ends = collections.Counter(), collections.Counter(), collections.Counter()
    types = collections.Counter()
    names = {number: type for type, number in NUMBERS.items()}
    for first in range(1, COUNT + 1, BATCH):
        rows = [row_of(seed) for seed in range(first, min(first + BATCH, COUNT + 1))]
        file = tmp_path / "histories.json"
        file.write_text(json.dumps({"cases": rows}))
        done = subprocess.run([program, file], capture_output=True, text=True)
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        for row in rows:
            ends[row["status"]] += 1
            for at, kind, why, _ in row["effects"]:
                kinds[kind] += 1
                whys[why] += 1
                if kind == "ok":
                    types[names[reader.Leaf(reader.from_base64(row["leaves"][at])).event_type]] += 1
    # the generator reaches what it is for
    few = {kind for kind in ("ok", "denied", "guard", "late", "noop") if kinds[kind] < COUNT / 20}
    assert not few, kinds
    unseen = set(NUMBERS) - {"ack"} - set(types)
    assert not unseen, f"no effective {unseen}"
    told = {"deemed", "second_correction", "extension_over", "extended_once", "parts_open", "part_denied", "breached", "review_missing",
            "same_official", "nothing_lacking", "lacking", "reasons_untold", "decision_known", "voids_decision", "not_deemed",
            "lacking_unallowed", "promise_unallowed", "same_lead", "once", "no_bad_mark", "other_side", "part_unknown", "forked", "repeated"}
    assert told <= set(whys), told - set(whys)
    assert len(ends) >= 15, ends


if __name__ == "__main__":
    shown = row_of(int(sys.argv[1]))
    for at, kind, why, sequenced in shown["effects"]:
        leaf = reader.Leaf(reader.from_base64(shown["leaves"][at]))
        print(leaf.origin, leaf.index, {n: t for t, n in NUMBERS.items()}[leaf.event_type], kind, why, "sequenced" if sequenced else "tentative")
    print(shown["name"], shown["status"], shown["digest"])
