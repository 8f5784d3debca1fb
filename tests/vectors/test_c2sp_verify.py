"""The second verifier of receipts (tests/lib/c2sp_verify.py) against the vectors of tests/vectors/data, most of which others made:
notes, checkpoints and cosignatures, trees and inclusion proofs, tlog-proofs; and the parts that no vector covers, by hand."""
import base64
import json
from pathlib import Path

import pytest

import c2sp_verify as verifier
from c2sp_verify import Key, Policy, Refused
from receipt_maker import LOG, WITNESS, Signer, to_base45

DATA = Path(__file__).parent / "data"


def vectors(name):
    return json.loads((DATA / f"{name}.json").read_text())


NOTES, CHECKPOINTS, PROOFS = (vectors(name) for name in ("signed_note", "checkpoint_cosignature", "tlog_proof"))


@pytest.mark.parametrize("row", NOTES["valid"], ids=lambda r: r["name"])
def test_notes(row):
    keys = [Key(vkey) for vkey in row["vkeys"]]
    text, signed = verifier.open_note(row["note"].encode(), keys)
    assert row["note"].startswith(text.decode()) and signed.keys() == set(range(len(keys)))


@pytest.mark.parametrize("row", NOTES["must_reject"], ids=lambda r: r["name"])
def test_notes_refused(row):
    with pytest.raises(Refused):
        verifier.open_note(row["note"].encode(), [Key(vkey) for vkey in row["vkeys"]])


def test_keys():
    for row in NOTES["key_ids"]:
        if row["type"] in (LOG, WITNESS):
            assert Key(row["vkey"]).type == row["type"]
        else:
            with pytest.raises(Refused):
                Key(row["vkey"])
    with pytest.raises(Refused):
        Key(NOTES["key_ids"][0]["vkey"].replace("c74f20a3", "c74f20a4"))


def test_checkpoints():
    log, witnesses = Key(CHECKPOINTS["log_vkey"]), [Key(w["vkey"]) for w in CHECKPOINTS["witnesses"]]
    leaves = [x.encode() for x in CHECKPOINTS["leaves_utf8"]]
    for row in CHECKPOINTS["checkpoints"]:
        text, signed = verifier.open_note(row["signed"].encode(), [log, *witnesses])
        origin, size, root = verifier.parse_checkpoint(text)
        assert (origin, size, root.hex()) == (log.name, row["size"], row["root_hex"]) and 0 in signed
        assert root == tree_root([verifier.leaf_hash(x) for x in leaves[:size]])
        assert all(time > 1_600_000_000 for at, time in signed.items() if at > 0)
    for row in CHECKPOINTS["parse_only"]:
        text, signatures = verifier.split_note(row["signed"].encode())
        assert verifier.parse_checkpoint(text)[:2] == (row["origin"], row["size"]) and signatures


@pytest.mark.parametrize("row", CHECKPOINTS["body_must_reject"], ids=lambda r: r["name"])
def test_checkpoints_refused(row):
    key = Signer("o", LOG)
    with pytest.raises(Refused):
        text, _ = verifier.open_note(row["body"].encode() + b"\n" + key.line(row["body"].encode()), [Key(key.vkey)])
        verifier.parse_checkpoint(text)


def tree_root(hashes):
    """RFC 6962 s2.1."""
    if len(hashes) < 2:
        return hashes[0] if hashes else verifier.sha256(b"")
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    return verifier.node_hash(tree_root(hashes[:k]), tree_root(hashes[k:]))


def test_inclusion_of_rfc6962():
    v = vectors("merkle_rfc6962")
    count = 0
    for row in v["all_inclusion"]:
        path = [bytes.fromhex(h) for h in row["proof"]]
        leaf = bytes.fromhex(row["leaf_hash"])
        assert verifier.root_of(row["leaf_index"], row["tree_size"], leaf, path).hex() == row["root"]
        for wrong in (path + [bytes(32)], path[:-1]):
            if wrong != path:
                with pytest.raises(Refused):
                    verifier.root_of(row["leaf_index"], row["tree_size"], leaf, wrong)
        count += 1
    assert count == 36


def test_inclusion_of_transparency_dev():
    """Those of the 518 cases that are on inclusion."""
    good = bad = 0
    for row in vectors("merkle_testdata_transparency_dev")["cases"]:
        if row["kind"] != "inclusion":
            continue
        leaf, root = (base64.b64decode(row[name] or "") for name in ("leafHash", "root"))
        path = [base64.b64decode(h) for h in row["proof"] or []]
        try:
            holds = verifier.root_of(row["leafIdx"], row["treeSize"], leaf, path) == root
        except Refused:
            holds = False
        assert holds != row["wantErr"], row["file"]
        good, bad = good + holds, bad + (not holds)
    assert (good, bad) == (6, 92)


@pytest.mark.parametrize("row", PROOFS["valid"], ids=lambda r: r["name"])
def test_proofs(row):
    assert prove(row) == [0, 1, 2]
    extra, index, hashes, checkpoint = verifier.parse_proof(row["proof"].encode())
    assert verifier.format_proof(extra, index, hashes, checkpoint) == row["proof"].encode()


@pytest.mark.parametrize("row", PROOFS["must_reject"], ids=lambda r: r["name"])
def test_proofs_refused(row):
    with pytest.raises(Refused):
        prove(row)


def prove(row):
    """The places of the witnesses, all three of whom must have signed."""
    names = ["a", "b", "c"]
    rows = ["log " + PROOFS["log_vkey"]] + [f"witness {n} {key}" for n, key in zip(names, PROOFS["witness_vkeys"])]
    policy = Policy("\n".join(rows + ["group g all a b c", "quorum g"]).encode())
    _, index, hashes, checkpoint = verifier.parse_proof(row["proof"].encode())
    _, size, root, times = policy.open(checkpoint)
    verifier.need(verifier.root_of(index, size, verifier.leaf_hash(row["leaf_utf8"].encode()), hashes) == root, "root")
    verifier.need(policy.is_satisfied(times.keys()), "quorum")
    return sorted(times)


def test_proof_examples():
    row = PROOFS["marshal_examples"]
    hashes = [bytes.fromhex(row["h1_hex"]), bytes.fromhex(row["h2_hex"])]
    assert verifier.format_proof(None, row["index"], hashes, row["checkpoint"].encode()) == row["text"].encode()
    assert verifier.parse_proof(row["text"].encode()) == (None, row["index"], hashes, row["checkpoint"].encode())


def test_base45_of_rfc9285():
    for plain, text in ((b"AB", b"BB8"), (b"Hello!!", b"%69 VD92EX0"), (b"base-45", b"UJCLQE7W581"), (b"ietf!", b"QED8WEX0")):
        assert verifier.from_base45(text) == plain and to_base45(plain) == text
    for bad in (b"GGW", b"B", b"::", b"bb8", b"BB8\n"):
        with pytest.raises(Refused):
            verifier.from_base45(bad)


# ---- tlog-policy -----------------------------------------------------------------------------------------------------

LOG_KEY = Signer("log.example", LOG).vkey
W = [Signer(f"w{i}.example", WITNESS).vkey for i in range(4)]
HEAD = f"log {LOG_KEY} https://log.example/\n" + "".join(f"witness w{i} {key}\n" for i, key in enumerate(W))

# lines behind the head, sets of witnesses that reach the quorum, sets that do not, (needed, of)
POLICIES = [
    ("quorum none", [(), (0,)], [], (0, 0)),
    ("quorum w1", [(1,), (0, 1)], [(), (0, 2, 3)], (1, 1)),
    ("group g 3 w0 w1 w2 w3\nquorum g", [(0, 1, 2), (0, 1, 2, 3)], [(0, 1)], (3, 4)),
    ("group g all w0 w1\n# x\n\ngroup h any g w3\n quorum\th ", [(3,), (0, 1)], [(0,), (0, 2)], (1, 3)),
]


@pytest.mark.parametrize("lines, enough, too_few, sizes", POLICIES)
def test_policies(lines, enough, too_few, sizes):
    policy = Policy((HEAD + lines).encode())
    assert all(policy.is_satisfied(set(x)) for x in enough) and not any(policy.is_satisfied(set(x)) for x in too_few)
    assert (policy.fewest(), len(policy.below())) == sizes


@pytest.mark.parametrize("lines", [
    "", "quorum g", "quorum none\nquorum none", "quorum", "group g 0 w0\nquorum g", "group g 2 w0\nquorum g",
    "group g all\nquorum g", "group g all w0 w0\nquorum g", "group g any h w0\ngroup h any w1\nquorum g",
    "group w0 any w1\nquorum w0", "group none any w1\nquorum none", "group g 01 w0\nquorum g", "quorum none\r",
    f"witness x {W[0]}\nquorum none", f"witness x {LOG_KEY}\nquorum none", f"log {W[0]}\nquorum none",
    f"log {LOG_KEY}\nquorum none", "unknown x\nquorum none", "witness x\nquorum none",
])
def test_policies_refused(lines):
    with pytest.raises(Refused):
        Policy((HEAD + lines).encode())
