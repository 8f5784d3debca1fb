"""What real nodes write, read by the second reader (tests/lib/tongban_reader.py), which knows the documents and not the
program: every leaf, the tree, the signed checkpoints, member list, certificates, payloads, and what a case comes to,
also while two nodes hold different parts of it.

Letters as in node/cases: A takes in (Guangdong), B decides (Sichuan), C has no part (Zhejiang).
"""
import base64
import re
import sqlite3
import urllib.parse

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

import tongban_reader as reader
from cluster import wait_for
from provinces import (
    ORPHAN, act, add_provinces, bring_to, copy_catalogs, edit_json, start_provinces, submit, view, wait_status,
)

A, B, C = "440000", "510000", "330000"
EVENTS = {rule.type: number for number, rule in reader.RULES[1].items()}
ITEM, ITEM_WITHDRAWN = 1000, 1001


class Books:
    """What one node holds: decoded leaves of its own ledger and of what it has of the others."""

    def __init__(self, node):
        self.node = node
        key = reader.Verifier((node.dir / "federation.pub").read_text().strip())
        self.members = reader.Members((node.dir / "members.note").read_bytes(), key)
        self.checkpoints, self.leaves = {}, {}
        for member in self.members.list:
            # the checkpoint first: what it counts is then there
            note = node.get(f"/v1/ledger/checkpoint?origin={member.code}").ok().body
            self.checkpoints[member.code] = reader.open_checkpoint(note, member.key)
            self.leaves[member.code] = dict(self._read(member.code))

    def _read(self, origin):
        start = 0
        while True:
            rows = self.node.get(f"/v1/ledger/entries?origin={origin}&from={start}&limit=100").ok().json()["entries"]
            for row in rows:
                data = base64.b64decode(row["bytes"], validate=True)
                leaf = reader.Leaf(data)
                assert (leaf.origin, leaf.index, leaf.id.hex()) == (origin, row["index"], row["hash"])
                assert leaf.payload_size == row["payload_size"]
                yield leaf.index, leaf
            if not rows:
                return
            start = rows[-1]["index"] + 1

    @property
    def own(self):
        return self.leaves[int(self.node.region)]

    def case(self, case_id):
        wanted = bytes.fromhex(case_id)
        held = [leaf for leaves in self.leaves.values() for leaf in leaves.values() if leaf.case_id == wanted]
        return reader.Case(wanted, [reader.Event.of_leaf(leaf) for leaf in held])


def assert_sequences(leaves):
    """`seq` counts each recipient's entries without gaps."""
    counts = {}
    for _, leaf in sorted(leaves.items()):
        for node, seq in leaf.recipients:
            counts[node] = counts.get(node, 0) + 1
            assert seq == counts[node], (leaf.index, node)


def assert_case_as_shown(books, case_id):
    """What the node says of a case is what the documents say of the leaves it holds."""
    shown, case = view(books.node, case_id), books.case(case_id)
    assert [(e["id"], e["effect"], e["sequenced"]) for e in shown["events"]] == [
        (e.event.id.hex(), e.kind, e.sequenced) for e in case.order]
    assert (shown["status"], shown["level"]) == (case.state.shown, {1: "tentative", 2: "sequenced"}[case.level])
    assert (shown["lead"], shown["receiving"], shown["number"] or "") == (
        case.state.lead, case.root.author, case.state.number)
    assert (shown["event_count"], shown["pending_count"]) == (len(case.held), len(case.pending))
    assert shown["digest"] == case.digest().hex(), f"digest of {books.node}"
    return case


def wait_one_digest(case_id, *nodes):
    wait_for(lambda: len({view(node, case_id)["digest"] for node in nodes}) == 1, what="one digest")


def assert_same_ledger(holder, author):
    """What @holder has of @author's ledger is the author's own: each leaf by its hash, and the checkpoint's root."""
    origin = int(author.node.region)
    own = dict(author._read(origin))  # now: a heads entry may have come since, and the holder may have it
    for index, leaf in holder.leaves[origin].items():
        assert leaf.id == own[index].id
    size, root = holder.checkpoints[origin]
    assert size > 0 and reader.merkle_root([own[i].id for i in range(size)]) == root


def test_a_case_and_a_race_by_the_documents(cluster):
    a, b, c = start_provinces(cluster, A, B, C)
    usual, raced, delivered = submit(a, serial=2), submit(a, serial=3), submit(a, serial=4)
    bring_to(usual, a, b, "closed_granted")
    act(a, usual, "deliver", channel="window").ok()
    act(a, usual, "evaluate", grade=5).ok()
    wait_status(usual, "delivered", a, b)
    wait_one_digest(usual, a, b)
    for case in (raced, delivered):
        bring_to(case, a, b, "processing")

    cluster.cut(a, b)
    for case in (raced, delivered):
        act(a, case, "withdraw", reason="申请人放弃").ok()
        act(b, case, "decide", decision="grant").ok()
    act(b, delivered, "close").ok()
    act(b, delivered, "deliver", channel="electronic").ok()
    at_a, at_b = Books(a), Books(b)
    for case in (usual, raced, delivered):
        assert_case_as_shown(at_a, case)
        assert_case_as_shown(at_b, case)
    assert at_a.case(raced).digest() != at_b.case(raced).digest(), "they hold different events"
    assert (at_a.case(raced).state.status, at_b.case(raced).state.status) == ("withdrawn", "granted")
    assert (at_a.case(delivered).state.status, at_b.case(delivered).state.status) == ("withdrawn", "delivered")

    cluster.heal()
    for node in (a, b):
        wait_for(lambda: view(node, raced)["level"] == "sequenced" and view(node, raced)["status"] == "withdrawn",
                 what=f"B's ack (确认) at {node}")
    for case in (raced, delivered):
        wait_one_digest(case, a, b)
    at_a, at_b, at_c = Books(a), Books(b), Books(c)
    for books in (at_a, at_b):
        case = assert_case_as_shown(books, raced)
        assert (case.state.status, case.level, case.state.decision) == ("withdrawn", 2, None)
        assert case.state.has("decision_voided")
        last = case.order[-1]
        assert (last.event.type, last.event.role, last.kind) == (EVENTS["ack"], reader.ROLES["sy"], "noop")
        case = assert_case_as_shown(books, delivered)
        assert case.state.status == "delivered" and case.state.has("late_withdrawal")
    assert not at_c.case(raced).held, "C has no part in it"

    for books in (at_a, at_b, at_c):
        assert books.own.keys() == set(range(len(books.own)))
        assert_sequences(books.own)
        for other in (at_a, at_b, at_c):
            assert_same_ledger(books, other)


def test_what_a_submission_writes(cluster):
    a, b = start_provinces(cluster, A, B)
    case_id = submit(a)
    number = wait_status(case_id, "arrived", a, b)["number"]
    books = Books(a)
    mine = [leaf for _, leaf in sorted(books.own.items()) if leaf.case_id.hex() == case_id]
    receipt, = [leaf for leaf in books.leaves[int(B)].values() if leaf.case_id.hex() == case_id]

    assert [leaf.event_type for leaf in mine] == [
        EVENTS[t] for t in ("submit", "identity_check", "form_check", "forward")]
    assert receipt.event_type == EVENTS["receipt"]
    assert [leaf.parents for leaf in mine] == [[]] + [[(int(A), x.index, x.id)] for x in mine[:-1]]
    assert receipt.parents == [(int(A), mine[-1].index, mine[-1].id)]
    window, system = reader.ROLES["w"], reader.ROLES["sy"]
    assert [leaf.role for leaf in mine + [receipt]] == [window] * 4 + [system]
    hlcs = [leaf.hlc for leaf in mine + [receipt]]
    assert hlcs == sorted(set(hlcs))
    for leaf in mine + [receipt]:
        assert (leaf.kind, leaf.rules_version, leaf.service) == (1, 1, reader.service_code(ORPHAN))
        sealed = leaf.payload_size > 0
        assert (leaf.key_epoch == 1, leaf.key_commit != bytes(32), leaf.signature) == (sealed, sealed, b"")
        assert [node for node, _ in leaf.recipients] == [int(B) if leaf.origin == int(A) else int(A)]

    id = bytes.fromhex(case_id)
    assert int.from_bytes(id[:4], "big") == int(A)
    assert abs(int.from_bytes(id[4:8], "big") - (mine[0].hlc >> 16) / 1000) < 60  # seconds: the node made it right before
    root = reader.Event.of_leaf(mine[0])
    working = bytes([1, 0, 3, 0, 0, 0, 1, 0, 15, 1, 0, 30, 1, 0, 3, 0, 0, 0])  # the item's stages: 3, 15 + 15, 3
    assert root.attributes == {"lead": int(B), "item_code": ORPHAN, "item_version": 1, "mode": 2, "division": 510104,
                               "limits": working}
    assert [leaf.attributes for leaf in mine[1:]] == [[], [], []]
    assert reader.Event.of_leaf(receipt).attributes == {"number": number, "limits": working, "terms": 9}
    assert re.fullmatch(ORPHAN + r"20[0-9]{6}0001", number)


def test_public_entries(cluster):
    a, _ = start_provinces(cluster, A, B)
    books = Books(a)
    for origin in (int(A), int(B)):
        items = a.get(f"/v1/catalog?node={origin}&limit=1000").ok().json()["items"]
        public = [leaf for leaf in books.leaves[origin].values() if leaf.event_type == ITEM]
        assert len(items) == len(public) > 50
        for leaf in public:
            attributes = reader.Event.of_leaf(leaf).attributes
            code = attributes["item_code"]
            assert set(attributes) == {"item_code", "item_version"} and leaf.service == reader.service_code(code)
            assert (leaf.kind, leaf.case_id, leaf.parents, leaf.role, leaf.rules_version) == (1, bytes(16), [], 0, 0)
            assert [node for node, _ in leaf.recipients] == [0]
            item = a.get(f"/v1/catalog/{origin}/{code}").ok().json()["item"]
            reader.check_payload(leaf, reader.canonical_item(item).encode())


def test_changed_and_withdrawn_items(cluster, tmp_path):
    catalogs = copy_catalogs(tmp_path / "catalogs", keep=3)
    b, = add_provinces(cluster, B, catalog=catalogs)
    cluster.start()
    items = lambda: {index: leaf for index, leaf in Books(b).own.items() if leaf.kind == 1}  # heads entries come by themselves
    wait_for(lambda: len(items()) == 4, what="the three items and the orphan one to be published")
    before = items()
    names = {}

    def change(catalog):
        gone, changed = catalog["items"][:2]
        names.update(gone=gone["code"], changed=changed["code"])
        changed["name"] += "(新)"
        changed["version"] = 2
        catalog["items"].remove(gone)

    b.stop()
    edit_json(catalogs / "sichuan.json", change)
    b.start()
    wait_for(lambda: len(items()) > len(before), what="the changed catalog to be published")
    own = items()
    added = [leaf for index, leaf in sorted(own.items()) if index not in before]
    told = [(leaf.event_type, reader.Event.of_leaf(leaf).attributes) for leaf in added]
    assert told == [(ITEM_WITHDRAWN, {"item_code": names["gone"], "item_version": 1}),
                    (ITEM, {"item_code": names["changed"], "item_version": 2})]
    assert (added[0].payload_size, added[0].payload_hash) == (0, bytes(32))
    item = b.get(f"/v1/catalog/{B}/{names['changed']}").ok().json()["item"]
    reader.check_payload(added[1], reader.canonical_item(item).encode())
    assert [node for leaf in added for node, _ in leaf.recipients] == [0, 0]


def test_payloads(cluster):
    a, b = start_provinces(cluster, A, B)
    case_id = submit(a)
    bring_to(case_id, a, b, "accepted")
    act(b, case_id, "decide", decision="deny", reason_code="not-orphan", reason="不符合条件").ok()
    wait_status(case_id, "denied", a, b)
    shown = {}
    for e in view(b, case_id)["events"]:
        path = f"/v1/cases/{case_id}/events/{e['origin']}/{e['index']}/payload?purpose=test"
        if e["payload"] is not None:
            shown[e["id"]] = b.get(path).ok().json()["payload"]
    b.stop()
    database = sqlite3.connect(f"file:{b.dir}/ledger.db?mode=ro", uri=True)
    rows = database.execute("SELECT e.leaf, c.body FROM entry e LEFT JOIN content c ON c.no = e.content").fetchall()
    database.close()
    database = sqlite3.connect(f"file:{b.dir}/keys.db?mode=ro", uri=True)
    keys = dict(database.execute("SELECT k.case_id, s.key FROM key k JOIN secret s ON s.no = k.no WHERE k.epoch = 1").fetchall())
    database.close()
    found = {}
    for data, payload in rows:
        leaf, payload = reader.Leaf(data), payload or b""
        if leaf.kind == 2:
            continue  # a peer's heads entry: its vector is not ours to have
        reader.check_payload(leaf, payload)
        content = reader.payload_content(leaf, data, payload, keys.get(leaf.case_id)) if leaf.is_case_event else None
        if content is not None:
            found[leaf.id.hex()] = content
            for wrong in (bytes(32), payload[:-1] + bytes([payload[-1] ^ 1])):
                with pytest.raises(reader.Refused):
                    reader.payload_content(leaf, data, payload if len(wrong) == 32 else wrong,
                                           wrong if len(wrong) == 32 else keys[leaf.case_id])
    assert found == shown and len(found) == 2
    refusal, = [content for content in found.values() if content.get("reason") == "不符合条件"]
    assert "行政复议" in refusal["remedies"] and "行政诉讼" in refusal["remedies"]
    assert len(rows) > 100
    b.start()


def test_certificates_and_member_list(cluster):
    a, b = start_provinces(cluster, A, B)
    books = Books(a)
    assert books.members.federation == "tongban.example"
    for node in (a, b):
        member = books.members.find(int(node.region))
        assert (member.name, member.url) == (node.name, f"tls+tcp://127.0.0.1:{node.line.port}")
        cert = x509.load_pem_x509_certificate((node.dir / "tls.crt").read_bytes())
        names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        escaped = urllib.parse.quote(node.name, safe="")
        assert names.get_values_for_type(x509.UniformResourceIdentifier) == [
            f"tongban://tongban.example/node/{node.region}?name={escaped}"]
        assert cert.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == node.name
        constraints = cert.extensions.get_extension_for_class(x509.BasicConstraints)
        usage = cert.extensions.get_extension_for_class(x509.KeyUsage)
        assert constraints.critical and not constraints.value.ca
        assert usage.critical and usage.value.digital_signature and not usage.value.key_cert_sign
    ca = x509.load_pem_x509_certificate((a.dir / "ca.crt").read_bytes())
    names = ca.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["tongban://tongban.example/ca"]
    constraints = ca.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert constraints.ca and constraints.path_length == 0

    before = (a.dir / "members.note").read_bytes()
    key = reader.Verifier((a.dir / "federation.pub").read_text().strip())
    cluster.publish()
    after = reader.Members((a.dir / "members.note").read_bytes(), key)
    assert after.may_replace(reader.Members(before, key))
    with pytest.raises(reader.Refused):
        reader.Members(before.replace("广东省".encode(), "广西省".encode()), key)
