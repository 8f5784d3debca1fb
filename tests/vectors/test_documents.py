"""The documents of the formats as a second implementation reads them (tests/lib/tongban_reader.py): against the vectors of
tests/vectors/data, which others or the program's own tests hold too, and against ways a case goes, written out by hand.
Nothing is started here; tests/whole/test_documents.py compares with real nodes.
"""
import base64
import json
import struct
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import tongban_reader as reader
from tongban_reader import Case, Event, Leaf, Members, Refused, Verifier

VECTORS = Path(__file__).parent / "data"
CORPUS = Path(__file__).parents[1] / "fuzz" / "corpus"


def vectors(name):
    return json.loads((VECTORS / f"{name}.json").read_text())


# ---- tree, notes, checkpoints ----------------------------------------------------------------------------------------


def test_tree():
    v = vectors("merkle_rfc6962")
    hashes = [reader.leaf_hash(bytes.fromhex(x)) for x in v["leaf_inputs_hex"]]
    assert [h.hex() for h in hashes] == v["leaf_hashes"]
    for size, root in v["roots"].items():
        assert reader.merkle_root(hashes[: int(size)]).hex() == root, size


NOTES = vectors("signed_note")


@pytest.mark.parametrize("row", NOTES["valid"], ids=lambda r: r["name"])
def test_signed_note(row):
    keys = [Verifier(key) for key in row["vkeys"]]
    text, signed = reader.open_note(row["note"].encode(), *keys)
    assert signed == {key.name for key in keys} and row["note"].startswith(text)
    broken = row["note"].replace(text[:1], chr(ord(text[0]) ^ 1), 1)
    with pytest.raises(Refused):
        reader.open_note(broken.encode(), *keys)


@pytest.mark.parametrize("row", NOTES["must_reject"], ids=lambda r: r["name"])
def test_signed_note_refused(row):
    with pytest.raises(Refused):
        reader.open_note(row["note"].encode(), *map(Verifier, row["vkeys"]))


def test_verifier_keys():
    for row in NOTES["key_ids"]:
        if row["type"] in (1, 4):
            assert Verifier(row["vkey"]).type == row["type"]
    with pytest.raises(Refused):
        Verifier(NOTES["key_ids"][0]["vkey"].replace("c74f20a3", "c74f20a4"))


def test_checkpoints():
    v = vectors("checkpoint_cosignature")
    log, leaves = Verifier(v["log_vkey"]), [x.encode() for x in v["leaves_utf8"]]
    for row in v["checkpoints"]:
        size, root = reader.open_checkpoint(row["signed"].encode(), log)
        assert (size, root.hex()) == (row["size"], row["root_hex"])
        assert root == reader.merkle_root([reader.leaf_hash(x) for x in leaves[:size]])
        witnesses = [Verifier(w["vkey"]) for w in v["witnesses"]]
        assert reader.open_note(row["signed"].encode(), *witnesses)[1] <= {w.name for w in witnesses}
        with pytest.raises(Refused):
            reader.open_checkpoint(row["signed"].replace(f"\n{size}\n", f"\n{size + 1}\n", 1).encode(), log)


@pytest.mark.parametrize("row", vectors("checkpoint_cosignature")["body_must_reject"], ids=lambda r: r["name"])
def test_checkpoint_refused(row):
    key = Signer("o")
    with pytest.raises(Refused):
        reader.open_checkpoint(key.sign(row["body"]), key.verifier)


class Signer:
    """An Ed25519 key made of its name, for tests only."""

    def __init__(self, name, type=1):
        self.name = name
        self.key = Ed25519PrivateKey.from_private_bytes(reader.sha256(name.encode()))
        public = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        typed = bytes([type]) + public
        self.id = reader.sha256(name.encode() + b"\n" + typed)[:4]
        self.text = f"{name}+{self.id.hex()}+{base64.b64encode(typed).decode()}"
        self.verifier = Verifier(self.text)

    def sign(self, text):
        signature = self.id + self.key.sign(text.encode())
        return f"{text}\n— {self.name} {base64.b64encode(signature).decode()}\n".encode()


# ---- leaves and payloads ---------------------------------------------------------------------------------------------


def put_leaf(author=510000, index=0, hlc=1, case_id=bytes(16), type=0, role=0, version=1, parents=(), recipients=(),
             payload=b"", attributes=(), kind=1, signature=b""):
    """The bytes of a leaf, from "Leaf" of FORMATS.md."""
    out = bytes.fromhex("58504c4541460001") + struct.pack(">BBIQQ", kind, 1, author, index, hlc) + case_id
    out += struct.pack(">HHIH", type, role, reader.service_code("ITEM"), version)
    out += bytes([len(parents)]) + b"".join(struct.pack(">IQ", n, i) + h for n, i, h in parents)
    out += bytes([len(recipients)]) + b"".join(struct.pack(">IQ", n, seq) for n, seq in recipients)
    out += reader.sha256(struct.pack(">IQ", author, index)) + bytes(4) + bytes(32)  # salt, key epoch, key commit
    out += struct.pack(">I", len(payload)) + (reader.sha256(payload) if payload else bytes(32))
    out += struct.pack(">H", len(attributes))
    for tag, value in attributes:
        out += struct.pack(">HH", tag, len(value)) + value
    return out + struct.pack(">H", len(signature)) + signature


def test_leaves_of_the_corpus():
    refused = {"bad_kind", "nine_parents"}
    seen = set()
    for path in (CORPUS / "leaf").iterdir():
        data = path.read_bytes()
        if path.name in refused:
            with pytest.raises(Refused):
                Leaf(data)
        else:
            leaf = Leaf(data)
            assert (leaf.origin, leaf.case_id.hex()) == (510000, "000102030405060708090a0b0c0d0e0f")
            for size in range(0, len(data), 1 + len(data) // 300):
                with pytest.raises(Refused):
                    Leaf(data[:size])
            with pytest.raises(Refused):
                Leaf(data + b"\0")
        seen.add(path.name)
    assert refused < seen


P = (440000, 3, bytes(32))
BAD_LEAVES = {
    "smaller than the smallest": put_leaf()[:-1],
    "magic": b"\0" + put_leaf()[1:],
    "kind 0": put_leaf(kind=0),
    "kind 7": put_leaf(kind=7),
    "suite 2": put_leaf()[:9] + b"\2" + put_leaf()[10:],
    "index 2^62": put_leaf(index=2**62),
    "nine parents": put_leaf(parents=[(1, i, bytes(32)) for i in range(9)]),
    "the same parent twice": put_leaf(parents=[P, P]),
    "parents out of order": put_leaf(parents=[P, (330000, 9, bytes(32))]),
    "17 recipients": put_leaf(recipients=[(i, 1) for i in range(17)]),
    "the same recipient twice": put_leaf(recipients=[(1, 1), (1, 2)]),
    "65 attributes": put_leaf(attributes=[(i, b"") for i in range(65)]),
    "attribute of 4097 bytes": put_leaf(attributes=[(1, bytes(4097))]),
    "attributes out of order": put_leaf(attributes=[(2, b""), (1, b"")]),
    "signature of 4097 bytes": put_leaf(signature=bytes(4097)),
    "more than 65535 bytes": put_leaf(attributes=[(i, bytes(4096)) for i in range(16)]),
}


def test_smallest_leaf():
    assert len(put_leaf()) == 166 and Leaf(put_leaf()).parents == []


@pytest.mark.parametrize("name", BAD_LEAVES)
def test_leaf_refused(name):
    with pytest.raises(Refused):
        Leaf(BAD_LEAVES[name])


def test_payload():
    payload = bytes(range(32)) + '{"reason":"材料齐全"}'.encode()
    leaf = Leaf(put_leaf(payload=payload))
    reader.check_payload(leaf, payload)
    for wrong in (b"", payload[:-1], payload + b" ", b"\1" + payload[1:]):
        with pytest.raises(Refused):
            reader.check_payload(leaf, wrong)
    assert reader.payload_content(Leaf(put_leaf()), put_leaf(), b"", bytes(32)) is None
    with pytest.raises(Refused):  # not sealed
        reader.payload_content(leaf, put_leaf(payload=payload), payload, bytes(32))


# tag, value, what it says (None: malformed)
ATTRIBUTE_ROWS = [
    (1, "0007c830", 510000), (1, "00000000", None), (1, "07c830", None), (1, "000007c830", None),
    (2, "41", "A"), (2, "", None), (2, "4120", None), (2, "41" * 47, "A" * 47), (2, "41" * 48, None), (2, "417f", None),
    (3, "00000001", 1), (4, "03", 3), (4, "04", None), (4, "00", None), (6, "01", 1), (6, "03", None),
    (7, "41" * 63, "A" * 63), (7, "41" * 64, None),
    (8, "61", "a"), (8, "41", None), (8, "61" * 64, "a" * 64), (8, "61" * 65, None), (8, "610a", None),
    (9, "01" * 16, b"\1" * 16), (9, "01" * 15, None), (10, "00" * 8, 0), (10, "ff" * 8, 2**64 - 1), (10, "00", None),
    (11, "05", 5), (11, "06", None), (12, "ff", 255), (12, "00", None), (13, "0001", 1), (13, "01", None),
    (14, "03", 3), (14, "04", None),
]


@pytest.mark.parametrize("tag, value, expected", ATTRIBUTE_ROWS)
def test_attributes(tag, value, expected):
    name = reader.ATTRIBUTES[tag][0]
    others = [(t, v) for t, v in [(5, struct.pack(">I", 510104)), (999, b"?")] if t != tag]
    leaf = Leaf(put_leaf(attributes=sorted([(tag, bytes.fromhex(value))] + others)))
    event = Event.of_leaf(leaf)
    if expected is None:
        assert event.malformed and event.attributes == {}, "nothing is taken of a malformed event"
    else:
        assert event.attributes == {name: expected, "division": 510104} and not event.malformed


# ---- member list -----------------------------------------------------------------------------------------------------

OFFICE = Signer("tongban.example")
DIGEST_LINE = 4


def member_line(code=510000, name="四川省", url="tls+tcp://sichuan.example:8600", origin=None, key=None, witness=None,
                seal_key=None):
    key = key or Signer(f"{code}.tongban.example/log/1")
    witness = witness or Signer(f"{code}.tongban.example/witness", 4)
    seal_key = seal_key or base64.b64encode(reader.sha256(f"seal {code}".encode())).decode()
    return f"{code} {name} {url} {origin or key.name} {key.text} {witness.text} {seal_key}\n"


TWO = [member_line(440000, "广东省", "tls+tcp://10.0.0.1:1"), member_line()]


def member_list(lines=None, head=None, signer=OFFICE):
    """@head: changes {line number: text} of the signed head."""
    body = "".join(TWO if lines is None else lines)
    digest = base64.b64encode(reader.sha256(body.encode())).decode()
    rows = ["tongban-members/v2", signer.name, "7", str(body.count("\n")), digest]
    for at, text in (head or {}).items():
        rows[at : at + 1] = [text] if isinstance(text, str) else text
    return signer.sign("".join(row + "\n" for row in rows)) + b"\n" + body.encode()


def test_member_list():
    members = Members(member_list(), OFFICE.verifier)
    assert [(m.code, m.name, m.origin) for m in members.list] == [
        (440000, "广东省", "440000.tongban.example/log/1"), (510000, "四川省", "510000.tongban.example/log/1")]
    assert (members.version, members.federation) == (7, "tongban.example")
    assert Members(member_list([]), OFFICE.verifier).list == []
    for url in ("tls+tcp://[2001:db8::1]:65535", "tls+tcp://a-b.example:1"):
        assert Members(member_list([member_line(url=url)]), OFFICE.verifier).find(510000).url == url

    newer, other = (Members(member_list(lines, {2: version}), OFFICE.verifier)
                    for lines, version in ((TWO[:1], "8"), (TWO[:1], "7")))
    assert newer.may_replace(members) and members.may_replace(members)
    assert not members.may_replace(newer) and not other.may_replace(members)


WHOLE = member_list()
OTHER = Signer("another.example")
BAD_LISTS = {
    "a changed line": WHOLE.replace(b"10.0.0.1", b"10.0.0.2"),
    "a changed head": WHOLE.replace(b"\n7\n", b"\n8\n"),
    "one line less": WHOLE[: -len(TWO[1].encode())],
    "no newline at the end": WHOLE[:-1],
    "two newlines at the end": WHOLE + b"\n",
    "no member part": WHOLE.split(b"\n\n")[0] + b"\n\n",
    "another key": member_list(signer=OTHER),
    "another federation": member_list(head={1: "another.example"}),
    "another format": member_list(head={0: "tongban-members/v3"}),
    "version 0": member_list(head={2: "0"}),
    "version 07": member_list(head={2: "07"}),
    "wrong count": member_list(head={3: "3"}),
    "too many": member_list([member_line(100000 + i) for i in range(3)], head={3: "4097"}),
    "six lines of head": member_list(head={DIGEST_LINE: ["AAAA", "BBBB"]}),
    "not the digest": member_list(head={DIGEST_LINE: base64.b64encode(bytes(32)).decode()}),
    "codes do not ascend": member_list(TWO[::-1]),
    "a code twice": member_list([TWO[0], TWO[0]]),
    "code of five digits": member_list([member_line(51000)]),
    "a name twice": member_list([TWO[0], member_line(name="广东省")]),
    "a name with white space": member_list([member_line(name="四\u3000川")]),
    "a name that changes direction": member_list([member_line(name="四\u202e川")]),
    "a name with %": member_list([member_line(name="%41")]),
    "a name of 97 bytes": member_list([member_line(name="x" * 97)]),
    "a name of 65 characters": member_list([member_line(name="x" * 65)]),
    "an address twice": member_list([TWO[0], member_line(url="tls+tcp://10.0.0.1:1")]),
    "an address without port": member_list([member_line(url="tls+tcp://a.example")]),
    "port 0": member_list([member_line(url="tls+tcp://a.example:0")]),
    "port 65536": member_list([member_line(url="tls+tcp://a.example:65536")]),
    "no TLS": member_list([member_line(url="tcp://a.example:1")]),
    "a host in upper case": member_list([member_line(url="tls+tcp://A.example:1")]),
    "IPv6 without brackets": member_list([member_line(url="tls+tcp://2001:db8::1:1")]),
    "origin is not the key's name": member_list([member_line(origin="x")]),
    "a key twice": member_list([TWO[0], member_line(key=Signer("440000.tongban.example/log/1"))]),
    "a witness key": member_list([member_line(key=Signer("w", type=4))]),
    "four fields": member_list(["510000 四川省 tls+tcp://a.example:1 o\n"]),
}


@pytest.mark.parametrize("name", BAD_LISTS)
def test_member_list_refused(name):
    with pytest.raises(Refused):
        Members(BAD_LISTS[name], OFFICE.verifier)


# ---- catalog ---------------------------------------------------------------------------------------------------------


def test_canonical_item():
    item = {"name": 'a "b" \\ c\nd/é', "modes": ["多地联办", "全程网办"], "limits": {"z": 1, "legal": [True, "x"]}, "code": "A"}
    expected = ('{"code":"A","limits":{"legal":[true,"x"],"z":1},"modes":["全程网办","多地联办"],'
                '"name":"a \\"b\\" \\\\ c\\nd/é"}')
    assert reader.canonical_item(item) == expected
    for bad in (None, 1.5, {"a": None}):
        with pytest.raises(Refused):
            reader.canonical_item(bad)


# ---- the fold --------------------------------------------------------------------------------------------------------

A, B, NEW, COUNTRY = 440000, 510000, 330000, 100000
CASE_ID = struct.pack(">I", A) + bytes(range(12))
NUMBERS = {rule.type: number for number, rule in reader.RULES[1].items()}
TAGS = {name: (tag, form) for tag, (name, form) in reader.ATTRIBUTES.items()}
NEEDED = {
    "lead": B, "item_code": "ITEM", "reason_code": "r", "decision": 1, "grade": 5, "pause_kind": 1, "expected_days": 10,
    "extend_days": 10, "official": bytes([1] * 16), "review": 1, "side": 1, "part": bytes(16), "file": bytes(32),
}


class History:
    """Events of one case, written by hand: each author's own ledger, parents by name."""

    def __init__(self):
        self.leaves = {}
        self.sizes = {}

    def add(self, name, author, type, *parents, hlc=None, role=None, index=None, version=1, **attributes):
        """@parents: names of events; none: the event added last. @attributes replace or (None) take away."""
        rule = reader.RULES[1][NUMBERS[type]]
        if not parents and type != "submit":
            parents = list(self.leaves)[-1:]
        values = {**{n: NEEDED[n] for n in rule.needs}, **attributes}
        cited = [Leaf(self.leaves[p]) for p in parents]
        encoded = [(TAGS[n][0], self._value(TAGS[n][1], v)) for n, v in values.items() if v is not None]
        at = self.sizes.get(author, 0) if index is None else index
        self.sizes[author] = max(self.sizes.get(author, 0), at + 1)
        self.leaves[name] = put_leaf(
            author, at, hlc if hlc is not None else 1 + max([leaf.hlc for leaf in cited], default=0), CASE_ID,
            NUMBERS[type], role or min(rule.roles), version, sorted((x.origin, x.index, x.id) for x in cited), (), b"",
            sorted(encoded))
        return self

    @staticmethod
    def _value(form, value):
        if isinstance(value, bytes):
            return value
        if isinstance(value, str):
            return value.encode()
        return value.to_bytes(int(form.split()[0].strip("u,")) // 8, "big")

    def upto(self, status):
        """The usual way to @status."""
        for type in ("submit", "identity_check", "form_check", "forward", "receipt", "accept", "process", "decide",
                     "close", "deliver"):
            rule = reader.RULES[1][NUMBERS[type]]
            self.add(type, B if rule.by == "B" else A, type)
            if self.fold().state.status == status:
                return self
        raise ValueError(status)

    def fold(self, without=()):
        """The case; folded from both ends of the list, which must not matter."""
        held = [Event.of_leaf(Leaf(leaf)) for name, leaf in self.leaves.items() if name not in without]
        case = Case(CASE_ID, held)
        assert Case(CASE_ID, held[::-1]).digest_input() == case.digest_input()
        return case

    def names(self, case):
        by_id = {reader.leaf_hash(leaf): name for name, leaf in self.leaves.items()}
        return [(by_id[e.event.id], e.kind, e.why, e.sequenced) for e in case.order]


def outcome(case):
    return case.state.status, case.level


def test_usual_way_and_its_digest():
    h = History().upto("delivered").add("evaluate", A, "evaluate", grade=4).add("archive", B, "archive")
    case = h.fold()
    assert [n for n, kind, _, seq in h.names(case) if kind == "ok" and seq] == list(h.leaves)
    assert (outcome(case), case.state.closed_as, case.state.grade) == (("archived", 2), 11, 4)
    data = case.digest_input()
    ids = [reader.leaf_hash(leaf) for leaf in h.leaves.values()]
    head = b"TBCASE\0\1" + CASE_ID + ids[0] + ids[list(h.leaves).index("decide")]
    assert data[: len(head)] == head
    flags = 1 << 3 | 1 << 4 | 1 << 9 | 1 << 10
    state = struct.pack(">IIIHBBBBB", B, B, flags, 1, 26, 26, 2, 11, 4)
    assert data == head + state + b"".join(i + b"\1\1" for i in ids)


# The table "What comes of it" of CASES.md: what B writes while the line is cut, status and level, effect of the
# withdraw, and of B's next act.
RACES = {
    "nothing": ([], ("withdrawn", 1), ("ok", "applied")),
    "decide": (["decide"], ("withdrawn", 1), ("ok", "voids_decision")),
    "decide, close": (["decide", "close"], ("withdrawn", 1), ("ok", "voids_decision")),
    "decide, close, deliver": (["decide", "close", "deliver"], ("delivered", 2), ("late", "delivered")),
}


@pytest.mark.parametrize("name", RACES)
@pytest.mark.parametrize("clock", [1, 1000], ids=["A's clock is slow", "A's clock is fast"])
def test_withdrawal_crosses(name, clock):
    types, expected, withdrawal = RACES[name]
    h = History().upto("processing")
    h.add("withdraw", A, "withdraw", "process", hlc=clock)
    at_a = h.fold()
    last = "process"
    for type in types:
        h.add(type, B, type, last, role=3)
        last = type
    assert outcome(h.fold(without=["withdraw"]))[1] == 2 and at_a.state.status == "withdrawn"
    case = h.fold()
    assert outcome(case) == expected
    assert next(x[1:3] for x in h.names(case) if x[0] == "withdraw") == withdrawal
    voids = withdrawal[1] == "voids_decision"
    assert case.state.has("decision_voided") == voids and (case.state.decision is None) == (voids or not types)
    assert all(x[1] == "ok" for x in h.names(case) if x[0] in types), "what B wrote was lawful when it was written"
    assert case.prefix.status != "withdrawn" and case.prefix_size == len(h.leaves) - 1

    # B has it now: its next event makes it final, and closing a withdrawn case is refused
    h.add("ack", B, "ack", last, "withdraw")
    final = h.fold()
    assert outcome(final) == (expected[0], 2) and final.prefix_size == len(h.leaves)
    h.add("close again", B, "close")
    assert h.names(h.fold())[-1][1:3] == ("guard", "status")


def test_withdrawal_seen_before_deciding():
    h = History().upto("processing").add("withdraw", A, "withdraw").add("decide", B, "decide", "process", "withdraw")
    case = h.fold()
    assert outcome(case) == ("withdrawn", 2) and h.names(case)[-1] == ("decide", "guard", "status", True)


def test_withdrawal_of_a_known_decision():
    h = History().upto("granted").add("withdraw", A, "withdraw", hlc=0)
    case = h.fold()
    assert outcome(case) == ("granted", 2) and h.names(case)[-1] == ("withdraw", "late", "decision_known", False)
    assert case.state.has("late_withdrawal")


def test_held_back_until_parents_come():
    h = History().upto("granted")
    case = h.fold(without=["accept"])
    assert outcome(case) == ("arrived", 2) and len(case.pending) == 2, "process and decide wait"
    h.add("note", A, "note", "receipt")
    assert h.names(h.fold(without=["accept"]))[-1] == ("note", "ok", "recorded", False), "others are not held up"
    assert outcome(h.fold()) == ("granted", 2)


# What is not let through: (how far the case is, author, type, more) -> (effect, why).
REFUSALS = [
    ("forwarded", A, "accept", {}, ("denied", "node")),
    ("arrived", B, "accept", {"role": 2}, ("denied", "role")),
    ("arrived", B, "refuse", {"reason_code": None}, ("denied", "attribute_missing")),
    ("arrived", B, "refuse", {"reason_code": b"NO"}, ("denied", "malformed")),
    ("arrived", B, "decide", {}, ("guard", "status")),
    ("received", A, "forward", {}, ("guard", "checks_missing")),
    ("arrived", B, "handover", {}, ("guard", "same_lead")),
    ("closed_granted", NEW, "deliver", {}, ("denied", "node")),
    ("delivered", A, "supplement", {}, ("late", "delivered")),
    ("processing", A, "supplement", {}, ("late", "too_late")),
    ("processing", NEW, "supervise", {}, ("denied", "node")),
    ("arrived", B, "accept", {"version": 2}, ("denied", "rules_unknown")),
    ("arrived", A, "submit", {}, ("guard", "second_root")),
    ("arrived", B, "ack", {}, ("noop", "seen")),
    ("processing", B, "decide", {"decision": 2}, ("guard", "reasons_untold")),
    ("processing", B, "decide", {"decision": 2, "told": 1}, ("guard", "reasons_untold")),
    ("processing", B, "decide", {"decision": 2, "told": 3}, ("ok", "applied")),
    ("arrived", B, "accept", {"role": 5}, ("guard", "not_deemed")),
    ("arrived", B, "accept", {"lacking_days": 5}, ("ok", "lacking_unallowed")),
    ("processing", B, "extend", {}, ("guard", "reasons_untold")),
    ("processing", B, "extend", {"told": 1, "extend_days": 10}, ("ok", "recorded")),
    ("processing", B, "extend", {"told": 1, "extend_days": 11}, ("ok", "extension_over")),
    ("processing", B, "pause", {"pause_kind": 9, "told": 1}, ("guard", "basis_untold")),
    ("processing", B, "pause", {"pause_kind": 9, "told": 4}, ("guard", "basis_untold")),
    ("processing", B, "pause", {"pause_kind": 9, "told": 5, "unit": 2}, ("ok", "applied")),
    ("processing", A, "supply", {}, ("guard", "nothing_lacking")),
    ("processing", B, "fulfil", {}, ("guard", "nothing_lacking")),
    ("processing", B, "breach", {}, ("guard", "no_promise")),
    ("delivered", A, "follow_up", {}, ("guard", "no_bad_mark")),
    ("delivered", B, "follow_up", {}, ("denied", "other_side")),
    ("processing", A, "part_done", {}, ("guard", "part_unknown")),
    ("received", A, "post_materials", {}, ("ok", "recorded")),
    ("arrived", B, "post_materials", {}, ("denied", "node")),
    ("delivered", A, "post_materials", {}, ("late", "delivered")),
    ("closed_granted", B, "post_result", {}, ("ok", "recorded")),
    ("delivered", B, "post_result", {"role": 5}, ("ok", "recorded")),
    ("closed_granted", A, "post_result", {}, ("denied", "node")),
    ("processing", B, "post_result", {}, ("guard", "status")),
    ("arrived", A, "notify", {"role": 5}, ("ok", "recorded")),
    ("delivered", B, "notify", {}, ("ok", "recorded")),
    ("arrived", NEW, "notify", {}, ("denied", "node")),
    ("arrived", A, "charge", {}, ("ok", "recorded")),
    ("arrived", A, "charge", {"role": 1}, ("denied", "role")),
    ("delivered", B, "charge", {}, ("guard", "status")),
    ("arrived", A, "pay", {"role": 1}, ("ok", "recorded")),
    ("delivered", B, "pay", {}, ("ok", "recorded")),
]


@pytest.mark.parametrize("status, author, type, more, expected", REFUSALS)
def test_refusals(status, author, type, more, expected):
    h = History().upto(status).add("x", author, type, **more)
    assert next(row[1:3] for row in h.names(h.fold()) if row[0] == "x") == expected


def test_review_takes_two_officials():
    one, two = bytes([1] * 16), bytes([2] * 16)
    h = History()
    for type in ("submit", "identity_check", "form_check", "forward"):
        h.add(type, A, type)
    h.add("receipt", B, "receipt", demands=1).add("accept", B, "accept").add("too early", B, "decide", official=one)
    h.add("back", B, "review", review=2, official=one).add("returned", B, "decide", official=two)
    h.add("pass", B, "review", official=one).add("nobody", B, "decide").add("same", B, "decide", official=one)
    h.add("decide", B, "decide", official=two)
    whys = {name: why for name, _, why, _ in h.names(h.fold())}
    assert [whys[n] for n in ("too early", "returned", "nobody", "same", "decide")] == [
        "review_missing", "review_missing", "official_missing", "same_official", "applied"]


def test_what_the_item_allows():
    h = History().upto("forwarded").add("receipt", B, "receipt", terms=7)
    h.add("silence", B, "accept", role=5)
    assert h.names(h.fold())[-1][1:3] == ("ok", "deemed")
    h = History().upto("forwarded").add("receipt", B, "receipt", terms=1).add("accept", B, "accept", lacking_days=5)
    assert h.names(h.fold())[-1][1:3] == ("ok", "applied")
    assert not h.fold().state.has("lacking_unallowed")
    limits = bytes(9) + bytes([1, 0, 4]) + bytes(6)  # four days to decide
    for days, why in ((4, "applied"), (5, "lacking_over")):
        h = History().upto("forwarded").add("receipt", B, "receipt", terms=1, limits=limits).add("accept", B, "accept", lacking_days=days)
        assert h.names(h.fold())[-1][1:3] == ("ok", why)
        assert h.fold().state.has("lacking_over") == (why == "lacking_over")
    for unit, days, why in ((2, 4, "lacking_over"), (0, 4, "applied"), (3, 4, "applied"), (1, 0, "applied")):
        limits = bytes(9) + bytes([unit, 0, days]) + bytes(6)
        h = History().upto("forwarded").add("receipt", B, "receipt", terms=1, limits=limits).add("accept", B, "accept", lacking_days=5)
        assert h.names(h.fold())[-1][1:3] == ("ok", why), (unit, days)


def test_lacking_material_holds_the_delivery():
    h = History().upto("arrived").add("accept", B, "accept", lacking_days=5).add("decide", B, "decide")
    h.add("close", B, "close").add("too early", B, "deliver").add("supply", A, "supply").add("fulfil", B, "fulfil")
    h.add("deliver", B, "deliver")
    case = h.fold()
    assert (case.state.shown, case.state.closed_as) == ("delivered", 12)
    assert next(row for row in h.names(case) if row[0] == "too early")[1:3] == ("guard", "lacking")


def test_parts_come_before_the_whole():
    h = History().upto("arrived").add("p", A, "part", part=bytes(16)).add("q", A, "part", part=bytes([1] * 16))
    h.add("again", A, "part", part=bytes(16)).add("accept", B, "accept").add("early", B, "decide")
    h.add("p done", A, "part_done", part=bytes(16)).add("q done", A, "part_done", part=bytes([1] * 16), decision=2)
    h.add("grant", B, "decide").add("deny", B, "decide", decision=2, told=3)
    whys = {name: why for name, _, why, _ in h.names(h.fold())}
    assert [whys[n] for n in ("again", "early", "grant", "deny")] == ["already", "parts_open", "part_denied", "applied"]


def test_a_part_that_lapses():
    p, q = bytes(16), bytes([1] * 16)
    h = History().upto("arrived").add("p", A, "part", part=p).add("q", A, "part", part=q).add("accept", B, "accept")
    h.add("p done", A, "part_done", part=p).add("q lapsed", A, "part_lapsed", part=q)
    assert not h.fold().state.has("part_lapsed"), "it was open: denied"
    h.add("p lapsed", A, "part_lapsed", part=p).add("again", A, "part_lapsed", part=p).add("grant", B, "decide")
    case = h.fold()
    whys = {name: why for name, _, why, _ in h.names(case)}
    assert (whys["again"], whys["grant"], case.state.parts) == ("part_unknown", "part_denied", {p: 3, q: 2})
    assert case.state.has("part_lapsed")


def test_handover_changes_the_lead():
    h = History().upto("arrived").add("handover", B, "handover", lead=NEW).add("accept", NEW, "accept")
    h.add("stale", B, "note").add("late accept", B, "accept", "receipt")
    case = h.fold()
    assert (case.state.lead, case.prefix.lead, outcome(case)) == (NEW, NEW, ("accepted", 2))
    effects = {name: (kind, seq) for name, kind, _, seq in h.names(case)}
    assert effects["late accept"] == ("denied", False)


def test_supervisor_replaces_a_forked_lead():
    h = History().upto("accepted")
    h.add("grant", B, "decide", decision=1, index=9).add("deny", B, "decide", "accept", decision=2, index=9)
    frozen = h.fold()
    assert frozen.state.shown == "frozen" and frozen.level == 2 and frozen.forks == {B: 9}
    denied = [e.event.id for e in frozen.order if e.why == "forked"]
    assert len(denied) == 2 and not any(i in frozen.digest_input() for i in denied)
    last = Leaf(h.leaves["accept"]).index
    h.add("supervise", COUNTRY, "supervise", "accept", lead=NEW, last_leaf=last).add("process", NEW, "process")
    case = h.fold()
    assert (outcome(case), case.state.lead) == (("processing", 2), NEW)
    assert case.flags & reader.FLAGS["contested"] and case.state.has("supervised"), "B is no lead any more"


@pytest.mark.parametrize("superior, node, above", [
    (100000, 510000, True), (510000, 510100, True), (510000, 510104, True), (510100, 510104, True),
    (510100, 510204, False), (510000, 440100, False), (510000, 510000, False), (100000, 100000, False),
    (510104, 510100, False), (0, 510000, False), (510000, 0, False),
])
def test_superiors(superior, node, above):
    assert reader.is_above(superior, node) == above


def test_abstract_machine():
    """case_fold.json, by rules version 0."""
    v = vectors("case_fold")
    types = {"SUBMIT": 1, "DECIDE": 15, "SERVE": 17, "WITHDRAW": 19, "SUPPLEMENT": 9, "HANDOVER": 24, "ACK": 23, "NOTE": 21}
    statuses = {"OPEN": "received", "APPROVED": "granted", "REJECTED": "denied", "WITHDRAWN": "withdrawn"}
    for row in v["cases"]:
        places = {e["name"]: (ord(e["origin"]), e["index"]) for e in row["events"]}
        events = []
        for e in row["events"]:
            arg = e["arg"]
            attributes = {"lead": ord(arg)} if e["type"] in ("SUBMIT", "HANDOVER") else {}
            if e["type"] == "DECIDE":
                attributes = {"decision": 1 if arg == "APPROVED" else 2}
            parents = [(*places[name], name.encode()) for name in e["parents"]]
            role = 3 if e["role"] == "decider" else 1
            events.append(Event(e["name"].encode(), *places[e["name"]], e["hlc"], types[e["type"]], role, 0, parents,
                                attributes))
        case = Case(bytes(16), [e for e in events if e.id.decode() not in row.get("withheld", [])])
        expect = row["expect"]
        assert [e.event.id.decode() for e in case.order] == expect["order"], row["name"]
        assert case.prefix_size == expect["final_len"], row["name"]
        assert case.state.status == statuses[expect["status"]], row["name"]
        assert case.prefix.status == statuses[expect["final_status"]], row["name"]
        for e in case.order:
            assert e.kind == expect["effects"][e.event.id.decode()].split(":")[0], (row["name"], e.event.id)


def test_recorded_histories():
    """case_digest.json, which the program's own fold is held to by test_case_digest.c."""
    for row in vectors("case_digest")["cases"]:
        leaves = [base64.b64decode(text) for text in row["leaves"]]
        ids = [reader.leaf_hash(leaf) for leaf in leaves]
        for turned in (leaves, leaves[::-1]):
            case = Case(bytes.fromhex(row["case_id"]), [Event.of_leaf(Leaf(leaf)) for leaf in turned])
            assert case.digest().hex() == row["digest"], row["name"]
        effects = [[ids.index(e.event.id), e.kind, e.why, int(e.sequenced)] for e in case.order]
        assert effects == row["effects"], row["name"]
        shown = (case.state.shown, case.prefix.shown, len(case.pending))
        assert shown == (row["status"], row["sequenced_status"], row["pending"]), row["name"]
