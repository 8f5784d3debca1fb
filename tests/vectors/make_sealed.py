#!/usr/bin/env python3
"""Makes data/{payload,grant,heads,evidence}.json from federation/FORMATS.md, without any code of the program: hashlib for
trees, `cryptography` for Ed25519, X25519, HKDF and AES-GCM. HPKE is written out from RFC 9180 and has to give its vector A.1
first. Everything follows from fixed seeds: the same bytes each time, which test_made.py checks.

usage: make_sealed.py [--check]      writes the files; --check: says which of them would change, exit 1 if any
"""
import base64
import hashlib
import hmac
import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

DATA = Path(__file__).parent / "data"


def sha256(data):
    return hashlib.sha256(data).digest()


def seeded(label, size=32):
    """@size bytes that only look random."""
    out, i = b"", 0
    while len(out) < size:
        out += sha256(f"{label}/{i}".encode())
        i += 1
    return out[:size]


def be(size, value):
    return value.to_bytes(size, "big")


def hkdf(ikm, salt, info, size=32):
    prk = hmac.digest(salt or bytes(32), ikm, "sha256")
    out = block = b""
    for i in range(1, -(-size // 32) + 1):
        block = hmac.digest(prk, block + info + bytes([i]), "sha256")
        out += block
    return out[:size]


# ---- HPKE: RFC 9180, base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-GCM --------------------------------------


def raw_public(private):
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def labeled_extract(suite, salt, label, ikm):
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")


def labeled_expand(suite, prk, label, info, size):
    out = block = b""
    info = be(2, size) + b"HPKE-v1" + suite + label + info
    for i in range(1, -(-size // 32) + 1):
        block = hmac.digest(prk, block + info + bytes([i]), "sha256")
        out += block
    return out[:size]


def hpke_seal(ephemeral, receiver, info, aad, plain, aead=2):
    """enc || ciphertext || tag; aead 1 = AES-128-GCM, 2 = AES-256-GCM."""
    enc = raw_public(ephemeral)
    dh = X25519PrivateKey.from_private_bytes(ephemeral).exchange(X25519PublicKey.from_public_bytes(receiver))
    kem = b"KEM" + be(2, 0x20)
    eae_prk = labeled_extract(kem, b"", b"eae_prk", dh)
    shared = labeled_expand(kem, eae_prk, b"shared_secret", enc + receiver, 32)
    suite = b"HPKE" + be(2, 0x20) + be(2, 1) + be(2, aead)
    context = b"\0" + labeled_extract(suite, b"", b"psk_id_hash", b"") + labeled_extract(suite, b"", b"info_hash", info)
    secret = labeled_extract(suite, shared, b"secret", b"")
    key = labeled_expand(suite, secret, b"key", context, 16 if aead == 1 else 32)
    nonce = labeled_expand(suite, secret, b"base_nonce", context, 12)
    return enc + AESGCM(key).encrypt(nonce, plain, aad)


RFC_INFO = bytes.fromhex("4f6465206f6e2061204772656369616e2055726e")
RFC_PLAIN = bytes.fromhex("4265617574792069732074727574682c20747275746820626561757479")
RFC_EPHEMERAL = bytes.fromhex("52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736")
RFC_RECEIVER = bytes.fromhex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8")


def check_hpke():
    """RFC 9180, A.1.1 and A.1.1.1: the suite with AES-128-GCM."""
    expected = (
        "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431"
        "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a"
    )
    found = hpke_seal(RFC_EPHEMERAL, raw_public(RFC_RECEIVER), RFC_INFO, b"Count-0", RFC_PLAIN, aead=1)
    assert found.hex() == expected, "HPKE does not give the vector of RFC 9180, A.1"


# ---- leaves ----------------------------------------------------------------------------------------------------------


def leaf(kind, origin, index, salt, key=None, plain=b"", carried=b"", epoch=0, case=bytes(16), parents=(),
         recipients=(), attrs=(), event_type=0, signature=b""):  # fmt: skip
    """(leaf bytes, payload as carried). With @key the payload is @plain sealed, else @carried as it is."""
    head = b"XPLEAF\0\1" + bytes([kind, 1]) + be(4, origin) + be(8, index) + be(8, 1764000000000 << 16) + case
    head += be(2, event_type) + be(2, 1) + be(4, 7) + be(2, 1)
    head += bytes([len(parents)]) + b"".join(be(4, n) + be(8, i) + h for n, i, h in parents)
    head += bytes([len(recipients)]) + b"".join(be(4, n) + be(8, s) for n, s in recipients)
    head += salt + be(4, epoch) + (sha256(b"xp/kc/1" + key + salt) if key else bytes(32))
    head += be(4, len(plain) + 16 if key else len(carried))
    if key:
        once = hkdf(key, salt, b"xp/payload/1" + be(4, origin) + be(8, index))
        carried = AESGCM(once).encrypt(bytes(12), plain, head)
    tail = sha256(carried) if carried else bytes(32)
    tail += be(2, len(attrs)) + b"".join(be(2, t) + be(2, len(v)) + v for t, v in attrs)
    return head + tail + be(2, len(signature)) + signature, carried


# ---- payload.json ----------------------------------------------------------------------------------------------------


def payload_row(name, leaf_bytes, key, epoch, sealed, plain=None, id=None):
    row = {"name": name, "leaf": leaf_bytes.hex(), "key": key.hex(), "epoch": epoch, "sealed": sealed.hex()}
    return row | ({"plain": plain.hex()} if id is None else {"id": id})


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def make_payload():
    key, salt, case = seeded("payload key"), seeded("payload salt"), seeded("case", 16)
    common = {"origin": 110000, "index": 41, "salt": salt, "case": case, "event_type": 3}
    shapes = [
        ("one byte", dict(common), b"x", 1),
        ("a document", dict(common), '{"reason":"材料不齐"}'.encode(), 1),
        ("later epoch", dict(common), b"{}", 4294967295),
        ("index 0 of node 1", common | {"origin": 1, "index": 0}, b"{}", 1),
        ("highest index", common | {"index": 2**62 - 1}, b"{}", 1),
        ("1,000 bytes", dict(common), seeded("plain", 1000), 2),
        (
            "everything set",
            common | {
                "parents": [(110000, 3, seeded("p1")), (310000, 9, seeded("p2"))],
                "recipients": [(310000, 8), (440000, 1)],
                "attrs": [(1, be(4, 310000)), (8, b"missing")],
                "signature": seeded("signature", 64),
            },
            b'{"note":"n"}',
            1,
        ),
    ]  # fmt: skip
    good = []
    for name, fields, plain, epoch in shapes:
        encoded, sealed = leaf(1, key=key, plain=plain, epoch=epoch, **fields)
        good.append(payload_row(name, encoded, key, epoch, sealed, plain))

    encoded, sealed = leaf(1, key=key, plain=b"secret", epoch=1, **common)
    _, other_sealed = leaf(1, key=key, plain=b"secret", epoch=1, **(common | {"index": 42}))
    hash_at = len(encoded) - 36  # of the payload: before two counts of zero
    assert encoded[hash_at : hash_at + 32] == sha256(sealed)

    def with_hash_of(carried):
        return encoded[:hash_at] + sha256(carried) + encoded[hash_at + 32 :]

    short = with_hash_of(sealed[:16])[: hash_at - 4] + be(4, 16) + sha256(sealed[:16]) + bytes(4)
    bad = [
        payload_row("another key", encoded, flip(key, 0), 1, sealed, id="payload.key"),
        payload_row("another epoch", encoded, key, 2, sealed, id="payload.key"),
        payload_row("one bit of the ciphertext", encoded, key, 1, flip(sealed, 0), id="payload.hash"),
        payload_row("one bit of the tag", encoded, key, 1, flip(sealed, len(sealed) - 1), id="payload.hash"),
        payload_row("cut", encoded, key, 1, sealed[:-1], id="payload.hash"),
        payload_row("longer", encoded, key, 1, sealed + b"\0", id="payload.hash"),
        payload_row("erased", encoded, key, 1, b"", id="payload.hash"),
        payload_row("of the next entry", encoded, key, 1, other_sealed, id="payload.hash"),
        payload_row("of the next entry, and its hash", with_hash_of(other_sealed), key, 1, other_sealed, id="payload.seal"),
        payload_row("one bit, and its hash", with_hash_of(flip(sealed, 2)), key, 1, flip(sealed, 2), id="payload.seal"),
        payload_row("another case id", encoded[:30] + flip(case, 0) + encoded[46:], key, 1, sealed, id="payload.seal"),
        payload_row("another event type", flip(encoded, 47), key, 1, sealed, id="payload.seal"),
        payload_row("a tag and nothing sealed", short, key, 1, sealed[:16], id="payload.hash"),
    ]
    return {"source": "own, from FORMATS.md \"Payload\"; made by make_sealed.py", "cases": good, "must_reject": bad}


# ---- grant.json ------------------------------------------------------------------------------------------------------


def hpke_row(name, receiver, info, aad, plain, sealed):
    return {"name": name, "receiver_private": receiver.hex(), "receiver_public": raw_public(receiver).hex(),
            "info": info.hex(), "aad": aad.hex(), "plain": plain.hex(), "sealed": sealed.hex()}  # fmt: skip


def make_hpke():
    rows = []
    for name, ephemeral, receiver, info, aad, plain in [
        ("keys, info and text of RFC 9180 A.1", RFC_EPHEMERAL, RFC_RECEIVER, RFC_INFO, b"Count-0", RFC_PLAIN),
        ("no info, no associated data", seeded("e1"), seeded("r1"), b"", b"", b"x"),
        ("3,000 bytes", seeded("e2"), seeded("r2"), b"info", b"", seeded("big", 3000)),
    ]:
        sealed = hpke_seal(ephemeral, raw_public(receiver), info, aad, plain)
        rows.append(hpke_row(name, receiver, info, aad, plain, sealed))
    return rows


GIVER, RECEIVER = 110000, 310000


def make_grant():
    receiver = seeded("seal key")
    info = b"xp/grant/1" + be(4, GIVER) + be(4, RECEIVER)
    records = [(seeded("grant case 1", 16), 1, seeded("K1")), (seeded("grant case 1", 16), 2, seeded("K2"))]
    records += [(seeded(f"grant case {i}", 16), i, seeded(f"K{i}")) for i in range(3, 40)]
    records.sort(key=lambda r: r[:2])

    def encode(rows):
        return b"".join(case + be(4, epoch) + key for case, epoch, key in rows)

    def seal(plain, info=info, to=receiver, aad=b"", aead=2):
        return hpke_seal(seeded("ephemeral"), raw_public(to), info, aad, plain, aead)

    cases = [
        {"name": f"{n} keys", "sealed": seal(encode(records[:n])).hex(),
         "records": [{"case_id": c.hex(), "epoch": e, "key": k.hex()} for c, e, k in records[:n]]}
        for n in (1, 2, len(records))
    ]  # fmt: skip
    one, two = records[:1], records[:2]
    sealed = seal(encode(two))
    bad = [
        ("of another giver", seal(encode(two), b"xp/grant/1" + be(4, GIVER + 1) + be(4, RECEIVER)), "grant.seal"),
        ("to another receiver", seal(encode(two), b"xp/grant/1" + be(4, GIVER) + be(4, RECEIVER + 1)), "grant.seal"),
        ("under another label", seal(encode(two), b"xp/grant/2" + info[10:]), "grant.seal"),
        ("with associated data", seal(encode(two), aad=b"x"), "grant.seal"),
        ("to another key", seal(encode(two), to=seeded("not the seal key")), "grant.seal"),
        ("with AES-128-GCM", seal(encode(two), aead=1), "grant.seal"),
        ("one bit of enc", flip(sealed, 0), "grant.seal"),
        ("one bit of the ciphertext", flip(sealed, 32), "grant.seal"),
        ("one bit of the tag", flip(sealed, len(sealed) - 1), "grant.seal"),
        ("cut", sealed[:-1], "grant.seal"),
        ("longer", sealed + b"\0", "grant.seal"),
        ("47 bytes", sealed[:47], "grant.seal"),
        ("nothing", b"", "grant.seal"),
        ("enc of zeros", bytes(32) + sealed[32:], "grant.seal"),
        ("one byte missing in the plaintext", seal(encode(two)[:-1]), "grant.form"),
        ("one byte more in the plaintext", seal(encode(two) + b"\0"), "grant.form"),
        ("not in order", seal(encode([two[1], two[0]])), "grant.form"),
        ("one record twice", seal(encode(one + one)), "grant.form"),
        ("two keys of one epoch", seal(encode([one[0], one[0][:2] + (seeded("K'"),)])), "grant.form"),
        ("epoch 0", seal(encode([(one[0][0], 0, one[0][2])])), "grant.form"),
    ]
    return {
        "source": "own, from FORMATS.md \"Grant\" and RFC 9180; made by make_sealed.py",
        "hpke": make_hpke(), "giver": GIVER, "receiver": RECEIVER, "receiver_private": receiver.hex(), "cases": cases,
        "must_reject": [{"name": n, "sealed": s.hex(), "id": i} for n, s, i in bad],
    }  # fmt: skip


# ---- trees -----------------------------------------------------------------------------------------------------------


def leaf_hash(data):
    return sha256(b"\0" + data)


def split_at(n):
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def root(hashes):
    if not hashes:
        return sha256(b"")
    if len(hashes) == 1:
        return hashes[0]
    k = split_at(len(hashes))
    return sha256(b"\1" + root(hashes[:k]) + root(hashes[k:]))


def inclusion(hashes, i):
    """RFC 6962 s2.1.1."""
    if len(hashes) == 1:
        return []
    k = split_at(len(hashes))
    if i < k:
        return inclusion(hashes[:k], i) + [root(hashes[k:])]
    return inclusion(hashes[k:], i - k) + [root(hashes[:k])]


def compact_range(hashes):
    out, at = [], 0
    for bit in reversed(range(len(hashes).bit_length())):
        if len(hashes) >> bit & 1:
            out.append(root(hashes[at : at + (1 << bit)]))
            at += 1 << bit
    return out


# ---- heads.json ------------------------------------------------------------------------------------------------------


def heads_leaf(vector, tree_root, rows, public_seq, index=100, **changes):
    fields = {"recipients": (), "attrs": [(1, tree_root), (2, be(4, rows)), (3, be(8, public_seq))]} | changes
    kind = fields.pop("kind", 2)
    return leaf(kind, 110000, index, seeded(f"heads {index}"), carried=vector, **fields)[0]


def make_heads():
    cases = []
    for count in (0, 1, 2, 3, 4, 5, 7, 8, 34):
        rows = [
            (110000 + 10000 * i, 0 if i % 5 == 4 else 3 * i + 1, 0 if i % 5 == 4 else 90 - i, seeded(f"row {count} {i}"))
            for i in range(count)
        ]
        encoded = [be(4, r) + be(8, s) + be(8, x) + salt for r, s, x, salt in rows]
        hashes, vector = [leaf_hash(r) for r in encoded], b"".join(encoded)
        cases.append({
            "name": f"{count} rows", "public_seq": count * 7, "vector": vector.hex(), "root": root(hashes).hex(),
            "leaf": heads_leaf(vector, root(hashes), count, count * 7).hex(),
            "rows": [
                {"recipient": r[0], "last_seq": r[1], "last_index": r[2], "salt": r[3].hex(),
                 "opening": (be(4, i) + encoded[i] + b"".join(inclusion(hashes, i))).hex()}
                for i, r in enumerate(rows)
            ],
        })  # fmt: skip
    big = cases[5]  # five rows
    opening = [bytes.fromhex(r["opening"]) for r in big["rows"]]
    codes = [r["recipient"] for r in big["rows"]]
    bad = [
        ("another's opening", codes[0], opening[1], "heads.opening"),
        ("another row number", codes[0], be(4, 1) + opening[0][4:], "heads.opening"),
        ("row number beyond", codes[4], be(4, 5) + opening[4][4:], "heads.opening"),
        ("another number in the row", codes[0], flip(opening[0], 4 + 11), "heads.opening"),
        ("another index in the row", codes[0], flip(opening[0], 4 + 19), "heads.opening"),
        ("another salt", codes[0], flip(opening[0], 4 + 51), "heads.opening"),
        ("another hash of the proof", codes[0], flip(opening[0], 4 + 52), "heads.opening"),
        ("one hash fewer", codes[0], opening[0][:-32], "heads.opening"),
        ("one hash more", codes[0], opening[0] + bytes(32), "heads.opening"),
        ("one byte fewer", codes[0], opening[0][:-1], "heads.opening"),
        ("one byte more", codes[0], opening[0] + b"\0", "heads.opening"),
        ("nothing", codes[0], b"", "heads.opening"),
        ("too long", codes[0], opening[0] + bytes(32 * 11), "heads.opening"),
    ]
    tree_root, vector = bytes.fromhex(big["root"]), bytes.fromhex(big["vector"])
    good_attrs = [(1, tree_root), (2, be(4, 5)), (3, be(8, 35))]
    leaves = [
        ("an event", {"kind": 1}),
        ("with a case", {"case": seeded("case", 16)}),
        ("with a parent", {"parents": [(110000, 3, seeded("p1"))]}),
        ("with a recipient", {"recipients": [(310000, 8)]}),
        ("without attributes", {"attrs": []}),
        ("without the public number", {"attrs": good_attrs[:2]}),
        ("one attribute more", {"attrs": good_attrs + [(4, b"")]}),
        ("another tag", {"attrs": good_attrs[:2] + [(4, be(8, 35))]}),
        ("a root of 31 bytes", {"attrs": [(1, tree_root[:31])] + good_attrs[1:]}),
        ("rows of 8 bytes", {"attrs": [good_attrs[0], (2, be(8, 5)), good_attrs[2]]}),
        ("public number of 4 bytes", {"attrs": good_attrs[:2] + [(3, be(4, 35))]}),
        ("more rows than a payload holds", {"attrs": [good_attrs[0], (2, be(4, 5042)), good_attrs[2]]}),
    ]
    return {
        "source": "own, from FORMATS.md \"Heads\"; made by make_sealed.py",
        "cases": cases,
        "must_reject": [
            {"name": n, "leaf": big["leaf"], "recipient": r, "opening": o.hex(), "id": i} for n, r, o, i in bad
        ],
        "must_reject_leaf": [
            {"name": n, "leaf": heads_leaf(vector, tree_root, 5, 35, **c).hex()} for n, c in leaves
        ],
    }  # fmt: skip


# ---- evidence.json ---------------------------------------------------------------------------------------------------

ORIGIN = "110000.tongban.example"


class Signer:
    def __init__(self, name, seed, type=1):
        self.name, self.type, self.key = name, type, Ed25519PrivateKey.from_private_bytes(seed)
        public = bytes([type]) + self.key.public_key().public_bytes_raw()
        self.id = sha256(name.encode() + b"\n" + public)[:4]
        self.vkey = f"{name}+{self.id.hex()}+{base64.b64encode(public).decode()}"

    def line(self, text, time=0):
        if self.type == 4:
            signature = be(8, time) + self.key.sign(f"cosignature/v1\ntime {time}\n".encode() + text)
        else:
            signature = self.key.sign(text)
        return f"— {self.name} {base64.b64encode(self.id + signature).decode()}\n".encode()


def checkpoint(hashes, origin=ORIGIN):
    return f"{origin}\n{len(hashes)}\n{base64.b64encode(root(hashes)).decode()}\n".encode()


def history(size, fork, name):
    """Leaf hashes that differ from those of other histories from @fork on."""
    return [leaf_hash(f"entry {i}{'' if i < fork else ' of ' + name}".encode()) for i in range(size)]


def view(note, nodes):
    return be(4, len(note)) + note + bytes([len(nodes)]) + b"".join(nodes)


def shared_subtree(a, b, fork):
    """First leaf of the first complete subtree in both ranges that holds leaf @fork or one behind it; None if none does."""

    def places(size):
        at, out = 0, []
        for bit in reversed(range(size.bit_length())):
            if size >> bit & 1:
                out.append((at, 1 << bit))
                at += 1 << bit
        return out

    both = [p for p in places(a) if p in places(b) and sum(p) > fork]
    return both[0][0] if both else None


def make_evidence():
    author, stranger = Signer(ORIGIN, seeded("author")), Signer(ORIGIN, seeded("stranger"))
    witness = Signer("310000.tongban.example/witness", seeded("witness"), 4)

    def note(hashes, *lines):
        text = checkpoint(hashes)
        return text + b"\n" + b"".join(s.line(text, 1764000000) for s in lines or [author])

    def pair(a, b, fork):
        return history(a, fork, "a"), history(b, fork, "b")

    def text_of(nodes):
        return [n.hex() for n in nodes]

    cases, honest = [], []
    for a, b, fork in [(1, 1, 0), (2, 3, 0), (2, 3, 1), (12, 13, 9), (12, 12, 3), (12, 12, 11), (13, 12, 8), (64, 100, 20),
                       (96, 100, 70), (100, 100, 99), (3, 4, 2), (7, 8, 3), (12, 13, 12), (9, 30, 9), (0, 5, 0), (5, 5, 5)]:  # fmt: skip
        one, two = pair(a, b, fork)
        at = shared_subtree(a, b, fork) if min(a, b) > fork else None
        row = {"name": f"{a} and {b}, fork at {fork}", "fork": fork, "note_a": note(one).decode(),
               "range_a": text_of(compact_range(one)), "note_b": note(two).decode(), "range_b": text_of(compact_range(two))}  # fmt: skip
        if at is None:
            honest.append(row)
            continue
        first, second = sorted([one, two], key=lambda h: (len(h), root(h)))
        evidence = b"\1" + view(note(first), compact_range(first)) + view(note(second), compact_range(second))
        cases.append(row | {"common_size": at, "evidence": evidence.hex()})

    one, two = pair(12, 13, 9)
    same = history(13, 99, "")
    view_one, view_two = view(note(one), compact_range(one)), view(note(two), compact_range(two))
    good = b"\1" + view_one + view_two
    accepted = [
        ("a line of the author's name and another key first",
         b"\1" + view(note(one, stranger, author), compact_range(one)) + view_two),
    ]  # fmt: skip
    wrong_range = [flip(compact_range(two)[0], 0)] + compact_range(two)[1:]
    other_origin = f"{ORIGIN}.other\n12\n{base64.b64encode(root(one)).decode()}\n".encode()
    bad = [
        ("nothing", b""),
        ("version 2", b"\2" + good[1:]),
        ("not in order", b"\1" + view_two + view_one),
        ("one view twice", b"\1" + view_one + view_one),
        ("one history", b"\1" + view(note(same[:12]), compact_range(same[:12])) + view(note(same), compact_range(same))),
        ("a byte behind", good + b"\0"),
        ("cut", good[:-1]),
        ("no second view", b"\1" + view_one),
        ("a range of another root", b"\1" + view_one + view(note(two), wrong_range)),
        ("a range of another size", b"\1" + view_one + view(note(two), compact_range(one))),
        ("without a range", b"\1" + view_one + view(note(two), [])),
        ("signed by another key", b"\1" + view_one + view(note(two, stranger), compact_range(two))),
        ("with a cosignature", b"\1" + view_one + view(note(two, author, witness), compact_range(two))),
        ("of another ledger", b"\1" + view(other_origin + b"\n" + author.line(other_origin), compact_range(one)) + view_two),
        ("one bit of a signature", b"\1" + view_one[:-100] + flip(view_one[-100:], 0) + view_two),
    ]
    return {
        "source": "own, from FORMATS.md \"Evidence\"; made by make_sealed.py", "origin": ORIGIN, "vkey": author.vkey,
        "cases": cases, "no_contradiction": honest,
        "accepted": [{"name": n, "evidence": e.hex()} for n, e in accepted],
        "must_reject": [{"name": n, "evidence": e.hex()} for n, e in bad],
    }  # fmt: skip


# ---- files -----------------------------------------------------------------------------------------------------------

MAKERS = {"payload": make_payload, "grant": make_grant, "heads": make_heads, "evidence": make_evidence}


def text_of_file(name):
    return json.dumps(MAKERS[name](), indent=1, ensure_ascii=False) + "\n"


def main(check):
    check_hpke()
    stale = [n for n in MAKERS if not check or (DATA / f"{n}.json").read_text(encoding="utf-8") != text_of_file(n)]
    for name in stale:
        if check:
            print(f"{name}.json is not what make_sealed.py makes")
        else:
            (DATA / f"{name}.json").write_text(text_of_file(name), encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
