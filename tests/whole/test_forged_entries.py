"""A member signs what no honest node writes (lib/forged_member.py): entries without what they are about, evidence that proves nothing, files
of a wrong size or under a wrong key, cases that it answers for with anything. Each is an alarm about it, or a refusal to whoever asks; the node goes on
and shows none of it."""
import base64
import hashlib
import json
import random
import sqlite3
import struct
import threading

import pytest
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import tongban_reader as reader
from cluster import wait_for
from forged_member import (CASE_ENTRIES, CASE_PULL, ERASE, EVENT, EVERYONE, EVIDENCE, RECEIPT, RECEIPT_PULL, ForgedMember, inclusion,
                           leaf_bytes)
from provinces import ORPHAN, add_provinces, assert_whole, bring_to, start_provinces, submit, view, wait_met, wait_status
from sp_client import ERROR, KEY_PULL, SpClient, envelope, hello, message
from test_erase import keys_of
from test_files import wait_whole
from test_materials import add, begin, configure, content_of, fetch, materials, scanner

HOSTILE, A, B = "330000", "440000", "510000"
ITEM, ITEM_WITHDRAWN, BUNDLE, BUNDLE_WITHDRAWN = 1000, 1001, 1003, 1004
NOTE = 21
HANDOVER = next(number for number, rule in reader.RULES[1].items() if rule.type == "handover")
NOBODY = 110000  # no member
KEY_GRANT = 11


@pytest.fixture
def attacked(cluster):
    """A province at work, and a member that the test speaks for: (node, the other's folder)."""
    hostile = cluster.add_node(HOSTILE, "浙江省", proxied=False)
    (node,) = add_provinces(cluster, B)
    cluster.publish()
    node.start()
    return node, hostile


def held(node, code=HOSTILE):
    return next(p["held_size"] for p in node.get("/v1/peers").ok().json()["peers"] if p["code"] == int(code))


def wait_held(node, member):
    wait_for(lambda: held(node) == len(member.entries), what=f"{node} to hold what is forged")


def wait_alarm(node, id):
    """An alarm about the hostile member."""
    node.expect_error(id)
    return wait_for(lambda: [x for x in node.log_lines(id) if x.subject == HOSTILE], what=f"the alarm {id}")


def view_of(ledger, hashes):
    """A view of FORMATS.md, "Evidence", of one entry."""
    note = ledger.note(hashes=hashes)
    return struct.pack(">I", len(note)) + note + b"\x01" + hashes[0]


def test_entries_without_what_they_are_about(attacked):
    node, hostile = attacked
    u32, u64 = lambda n: struct.pack(">I", n), lambda n: struct.pack(">Q", n)
    with ForgedMember(hostile, node.cluster.name) as member:
        member.add(kind=ERASE, to=[int(B)], case=random.Random(1).randbytes(16), type=9)
        member.add(kind=EVIDENCE, attributes=[(1, u32(NOBODY)), (2, u64(5))], payload=b"x")
        first, second = sorted((member.hashes[:1], member.hashes[1:2]), key=lambda x: x[0])
        proof = b"\x01" + view_of(member, first) + view_of(member, second)  # of itself: one size, two roots
        member.add(kind=EVIDENCE, attributes=[(1, u32(int(HOSTILE))), (2, u64(5))], payload=proof)
        member.add(type=ITEM, payload_size=100, is_held=False)
        member.add(type=ITEM_WITHDRAWN)
        member.add(type=BUNDLE, payload_size=100, is_held=False)
        member.add(type=BUNDLE_WITHDRAWN)
        for id in ("erase.form", "evidence.no-member", "evidence.common-size", "catalog.no-payload", "catalog.withdrawal",
                   "bundle.no-payload", "bundle.withdrawal"):
            wait_alarm(node, id)
        wait_held(node, member)
        peer = next(p for p in node.get("/v1/peers").ok().json()["peers"] if p["code"] == int(HOSTILE))
        assert peer["items"] == 0
        assert node.get("/v1/ledger/evidence").ok().json()["evidence"] == []
        assert_whole(node)


def test_anything_as_an_entry(attacked):
    """Well-formed leaves of all kinds and types with any attributes, parents and payloads."""
    node, hostile = attacked
    dice = random.Random(7)
    with ForgedMember(hostile, node.cluster.name, batch_entries=50) as member:
        cases = [int(x).to_bytes(4, "big") + dice.randbytes(12) for x in (HOSTILE, B, NOBODY)]
        for _ in range(600):
            tags = sorted(dice.sample(range(1, 30), dice.randrange(5)))
            attributes = [(tag, dice.randbytes(dice.choice([0, 1, 2, 4, 8, 16, 32, 200]))) for tag in tags]
            parents = [(int(HOSTILE), i, dice.choice(member.hashes)) for i in range(dice.randrange(3))] if member.hashes else []
            payload = dice.choice([b"", b"{}", dice.randbytes(40), b'{"items":[' + b"[" * 200, json.dumps({"material": 7}).encode()])
            kind = dice.choice([EVENT] * 6 + [ERASE, EVIDENCE, 3, 4])
            member.add(kind=kind, to=[dice.choice([EVERYONE, int(B)])], payload=payload, attributes=attributes, parents=parents,
                       type=dice.choice([dice.randrange(40), ITEM, ITEM_WITHDRAWN, 1002, BUNDLE, BUNDLE_WITHDRAWN, dice.randrange(65536)]),
                       case=dice.choice([*cases, bytes(16)]), role=dice.randrange(7), rules=dice.randrange(4), epoch=dice.randrange(3),
                       commit=dice.randbytes(32), ms=dice.choice([None, 1, 1 << 40, (1 << 48) - 1]))
        wait_for(lambda: held(node) == 600, what=f"{node} to hold what is forged")
        assert node.get("/healthz").status == 200 and node.get("/v1/cases").ok()
        node.stop()
        node.start()
        assert held(node) == 600 and node.get("/healthz").status == 200
        node.stop()  # before it, an alarm can come late; behind it, none comes any more
        for line in node.log_lines(level="error"):
            assert line.subject == HOSTILE, line
            node.expect_error(line.id)


def test_answers_about_a_case(attacked):
    """A case is handed over to the node, which asks for what came before: of another case, of nobody, with another content, without end."""
    node, hostile = attacked
    case, other = (int(HOSTILE).to_bytes(4, "big") + bytes([i]) * 12 for i in (1, 2))
    with ForgedMember(hostile, node.cluster.name) as member:
        kept = member.append(leaf_bytes(member.code, 0, type=NOTE, case=case)[1])
        foreign = member.append(leaf_bytes(member.code, 1, type=NOTE, case=other)[1])
        sealed = member.append(leaf_bytes(member.code, 2, type=NOTE, case=case, payload_size=3, payload_hash=bytes(32))[1])
        nobody = leaf_bytes(NOBODY, 0, type=NOTE, case=case)[1]

        def page(leaf, place=0, payload=b"", more=0):
            proof = [(5, x) for x in inclusion(place, member.hashes)]
            return envelope(CASE_ENTRIES, [(1, message([(1, leaf), (2, payload), (3, 1), *proof])), (2, member.note()), (4, more)])

        def endless(asked, code):
            member.asked_again += 1
            return page(member.entries[kept][0], kept, more=1)

        def given(asked, code):
            return page(*pages.pop(0)) if pages else endless(asked, code)

        member.asked_again = 0
        pages = [(member.entries[foreign][0], foreign), (nobody,), (member.entries[sealed][0], sealed, b"abc")]
        member.answers[CASE_PULL] = given
        member.add(to=[int(B)], type=HANDOVER, case=case, attributes=[(1, int(B).to_bytes(4, "big"))])
        texts = lambda id: [x.text for x in wait_alarm(node, id)]
        wait_for(lambda: any("no event of the case" in x for x in texts("case.pull-answer")), what="the other case to be told")
        wait_for(lambda: any("no member" in x for x in texts("case.pull-answer")), what="the author to be told")
        assert "entry 2" in texts("sync.payload")[0]
        wait_for(lambda: any("not behind" in x for x in texts("case.pull-answer")), what="the endless answer to be told")
        assert member.asked_again <= 4, "a page that leads nowhere is not asked for again and again"
        assert node.get("/healthz").status == 200


# ---- files: a real node, whose ledger goes on forged -------------------------------------------------------------------


def hkdf(key, salt, info):
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=info).derive(key)


def event_of_file(own, file):
    """Of the entries that take_over() gives: the one that added @file."""
    return next(x for x in own.values() if x[0].is_case_event and any(value.hex() == file for _, value in x[0].attributes))


def take_over(ledger, node):
    """The own entries of @node, which is stopped, as they stand in its store."""
    db = sqlite3.connect(f"file:{node.dir / 'ledger.db'}?mode=ro", uri=True)
    rows = [(reader.Leaf(leaf), leaf, payload) for leaf, payload in db.execute(
        "SELECT e.leaf, c.body FROM entry e LEFT JOIN content c ON c.entry = e.id")]
    db.close()
    own = {leaf.index: (leaf, data, payload) for leaf, data, payload in rows if leaf.origin == ledger.code}
    for _, (leaf, data, payload) in sorted(own.items()):
        to = [code for code, _ in leaf.recipients]
        ledger.append(data, payload or b"", payload is not None or leaf.payload_size == 0, to)
        ledger.numbers.update(dict(leaf.recipients))
    return own


def forge_material(ledger, genuine, key, **changes):
    """The event @genuine (leaf, bytes, payload) once more, with other @changes in what it says of the file."""
    leaf, data, payload = genuine
    attributes = changes.pop("attributes", leaf.attributes)
    said = reader.payload_content(leaf, data, payload, key)
    said["material"].update(changes)
    plain = json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    index, salt = len(ledger.entries), hashlib.sha256(b"%d" % len(ledger.entries)).digest()
    to = []
    for code, _ in leaf.recipients:
        ledger.numbers[code] += 1
        to.append((code, ledger.numbers[code]))
    parts = dict(type=leaf.event_type, case=leaf.case_id, to=to, parents=[(leaf.origin, leaf.index, leaf.id)], salt=salt, epoch=1,
                 commit=hashlib.sha256(b"xp/kc/1" + key + salt).digest(), payload_size=len(plain) + 16, attributes=attributes,
                 ms=(leaf.hlc >> 16) + index, item=leaf.service, rules=leaf.rules_version, role=leaf.role)
    head, _ = leaf_bytes(ledger.code, index, **parts)
    once = hkdf(key, salt, b"xp/payload/1" + struct.pack(">IQ", ledger.code, index))
    sealed = AESGCM(once).encrypt(bytes(12), plain, head)
    ledger.append(leaf_bytes(ledger.code, index, payload_hash=hashlib.sha256(sealed).digest(), **parts)[1], sealed, True, [code for code, _ in to])


def payload_of(node, case):
    """The reply to a reader of the case's first event."""
    first = view(node, case)["events"][0]
    return node.get(f"/v1/cases/{case}/events/{first['origin']}/{first['index']}/payload?purpose=test")


def test_an_order_to_erase_by_a_stranger(cluster):
    """Who has no part in a case orders its erasure: the order is an alarm, and everything stays."""
    hostile = cluster.add_node(HOSTILE, "浙江省", proxied=False)
    a, b = add_provinces(cluster, A, B)
    cluster.publish()
    with ForgedMember(hostile, cluster.name) as member:
        for node in (a, b):
            node.start()
        wait_met(a, b)
        case = submit(a)
        bring_to(case, a, b, "closed_granted")
        unlawful = b"\x00\x04"
        member.add(kind=ERASE, type=1, to=[int(B)], case=bytes.fromhex(case), attributes=[(1, unlawful)])
        alarm = wait_alarm(b, "erase.node")[0]
        assert "entry 0 orders an erasure" in alarm.text
        wait_held(b, member)
        assert b.get(f"/v1/cases/{case}/erasure").ok().json()["erasures"] == []
        assert payload_of(b, case).ok().json()["payload"]["applicant"]["name"] == "李小满"
        assert_whole(a, b)


# ---- keys: a real node's ledger, whose keys are given by the test -----------------------------------------------------


def expand(key, info, size):
    return HKDFExpand(algorithm=hashes.SHA256(), length=size, info=info).derive(key)


def extract(salt, secret):
    mac = hmac.HMAC(salt or bytes(32), hashes.SHA256())
    mac.update(secret)
    return mac.finalize()


def hpke_seal(receiver_key, info, plain):
    """RFC 9180, base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM; enc || ciphertext."""
    own = X25519PrivateKey.generate()
    enc = own.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    kem, suite = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x02"
    labeled = lambda id, salt, label, secret: extract(salt, b"HPKE-v1" + id + label + secret)
    labeled_expand = lambda id, key, label, info, size: expand(key, struct.pack(">H", size) + b"HPKE-v1" + id + label + info, size)
    dh = own.exchange(X25519PublicKey.from_public_bytes(receiver_key))
    shared = labeled_expand(kem, labeled(kem, b"", b"eae_prk", dh), b"shared_secret", enc + receiver_key, 32)
    context = b"\x00" + labeled(suite, b"", b"psk_id_hash", b"") + labeled(suite, b"", b"info_hash", info)
    secret = labeled(suite, shared, b"secret", b"")
    key = labeled_expand(suite, secret, b"key", context, 32)
    nonce = labeled_expand(suite, secret, b"base_nonce", context, 12)
    return enc + AESGCM(key).encrypt(nonce, plain, b"")


def seal_key_of(member_list, code):
    """Out of the line `… code name url origin ledger witness seal`."""
    line = next(x for x in member_list.read_text().splitlines() if f" {code} " in f" {x} " and "tls+tcp:" in x)
    return base64.b64decode(line.split()[-1])


def test_keys_that_no_entry_commits_to(cluster):
    """A case comes with another key than its entries commit to: the key is an alarm and is not taken, and the case waits for its own."""
    a, b = start_provinces(cluster, A, B)
    b.stop()
    case = submit(a)
    (key,) = keys_of(a, case)
    a.stop()
    member = ForgedMember(a, cluster.name)
    take_over(member, a)

    def grant(key):
        record = bytes.fromhex(case) + struct.pack(">I", 1) + key
        return hpke_seal(seal_key_of(b.dir / "members.note", B), b"xp/grant/1" + struct.pack(">II", int(A), int(B)), record)

    asked, may_answer = threading.Event(), threading.Event()

    def key_pulled(_asked, _code):
        asked.set()
        may_answer.wait(120)
        return envelope(KEY_GRANT, [(1, grant(key))])

    member.answers[KEY_PULL] = key_pulled
    member.grants[int(B)] = grant(bytes(32))
    with member:
        b.expect_error("grant.commit")
        b.start()
        wait_for(lambda: b.get(f"/v1/cases/{case}").status == 200, what="the case to arrive")
        (alarm, *_) = wait_for(lambda: b.log_lines("grant.commit"), what="the alarm grant.commit")
        assert alarm.subject == A
        assert keys_of(b, case) == []
        missing = payload_of(b, case)
        assert (missing.status, missing.json()["id"]) == (503, "case.key-missing"), missing.body
        assert asked.wait(120), "the participants are asked for it"
        may_answer.set()
        wait_for(lambda: keys_of(b, case) == [key], what="the right key to be taken")
        assert payload_of(b, case).ok().json()["payload"]["applicant"]["name"] == "李小满"


def test_files_under_a_wrong_size_or_key(cluster):
    a, b = start_provinces(cluster, A, B, files=True)
    case = submit(a)
    file = add(a, case, content_of(50_000))
    wait_whole(case, file, b, b)
    bring_to(case, a, b, "closed_granted")
    key = keys_of(a, case)[0]
    a.stop()
    count = len(view(b, case)["events"])
    member = ForgedMember(a, cluster.name)
    own = take_over(member, a)
    with member:
        genuine = event_of_file(own, file)

        def forge(**changes):
            nonlocal count
            count += 1
            forge_material(member, genuine, key, **changes)
            wait_for(lambda: len(view(b, case)["events"]) == count, what="the forged event to arrive")
            assert len(materials(b, case)) == 1 + count - first

        first = count
        forge(wrap="00" * 48)
        assert fetch(b, case, file).body == content_of(50_000), "the event whose key is one counts"
        other = "11" * 32
        forge(wrap="00" * 48, file=other, attributes=[(tag, bytes.fromhex(other) if x.hex() == file else x) for tag, x in genuine[0].attributes])
        reply = fetch(b, case, other)
        assert (reply.status, reply.json()["id"]) == (422, "material.wrap")
        forge(size=50_001)
        reply = fetch(b, case, file)
        assert (reply.status, reply.json()["id"]) == (422, "material.size-said")
        salt = bytes.fromhex(file)
        forge(wrap=AESGCM(hkdf(key, salt, b"tongban/file-key/1")).encrypt(bytes(12), bytes(32), b"").hex())
        try:
            assert content_of(50_000)[:100] not in fetch(b, case, file).body
        except Exception as e:  # the stream ends before its time
            assert "IncompleteRead" in repr(e) or isinstance(e, OSError), e
        b.wait_log("file.chunk-sealed")
        assert b.get("/healthz").status == 200


def test_a_hash_that_is_not_the_contents(cluster, tmp_path):
    """The verdict of the own scanner is about one content under one key: what an event says beside it is not given out, and is no reason to
    throw away what somebody else brings."""
    a, b = start_provinces(cluster, A, B, files=True)
    case, content, wanted = submit(a), content_of(50_000), content_of(50_000, seed=2)
    wait_status(case, "arrived", a, b)
    file = add(a, case, content)
    wait_whole(case, file, b, b)
    key = keys_of(a, case)[0]
    a.stop()
    count = len(view(b, case)["events"])
    member = ForgedMember(a, cluster.name)
    own = take_over(member, a)
    with member:
        genuine = event_of_file(own, file)
        garbage = AESGCM(hkdf(key, bytes.fromhex(file), b"tongban/file-key/1")).encrypt(bytes(12), bytes(32), b"").hex()
        forge_material(member, genuine, key, sha256=hashlib.sha256(wanted).hexdigest())
        forge_material(member, genuine, key, wrap=garbage)
        wait_for(lambda: len(view(b, case)["events"]) == count + 2, what="the forged events to arrive")
        b.expect_error("material.sha256-said")
        b.stop()
        configure(b, scanner=scanner(tmp_path, "cat > /dev/null; exit 0"))
        b.start()

        def said():
            return [h["scan"] for m in materials(b, case) for h in m["holders"] if h["node"] == int(B)]

        wait_for(lambda: said() == ["clean", "unreadable", "unreadable"], what="the scanner to tell them apart")
        [alarm] = [x for x in b.get("/v1/alarms").ok().json()["alarms"] if x["id"] == "material.sha256-said"]
        assert alarm["about"] == int(A) and file[:16] in alarm["text"]
        assert fetch(b, case, file).body == content, "the event that is true counts"
        assert begin(b, case, content).ok().json()["duplicate"], "what was read here is known"
        assert not begin(b, case, wanted).ok().json().get("duplicate"), "what another node says of a hash is not"
        assert b.get("/healthz").status == 200


def test_receipts_of_others(cluster):
    """Who asks for the proof of an entry gets it only when the entry was addressed to it."""
    a, b = start_provinces(cluster, A, B)
    hostile = cluster.add_node(HOSTILE, "浙江省", proxied=False)
    cluster.cli("ca", "publish", "--dir", cluster.ca_dir, hostile.dir, a.dir, b.dir)
    for node in (a, b):
        node.reload()
    case = submit(a)
    bring_to(case, a, b, "accepted")
    wait_for(lambda: any(p["code"] == int(HOSTILE) for p in b.get("/v1/peers").ok().json()["peers"]), what="the third member")
    index = next(e["index"] for e in view(b, case)["events"] if e["origin"] == int(B))
    peer = SpClient("127.0.0.1", b.federation_port, hostile.dir)
    peer.ask(hello(int(HOSTILE)))
    kind, answer = peer.ask(envelope(RECEIPT_PULL, [(1, index)]))
    assert kind == ERROR and (answer[1], answer[2]) == ([403], [b"receipt.not-addressed"]), answer
    kind, answer = peer.ask(envelope(RECEIPT_PULL, [(1, 1 << 40)]))
    assert kind == ERROR and (answer[1], answer[2]) == ([404], [b"receipt.no-entry"]), answer
    public = next(i for i in range(index) if peer.ask(envelope(RECEIPT_PULL, [(1, i)]))[0] == RECEIPT)
    assert public < index, "the catalog is everybody's"
    peer.close()
