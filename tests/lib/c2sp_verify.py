#!/usr/bin/env python3
"""A second verifier of receipts, made from federation/FORMATS.md and the C2SP documents (signed-note, tlog-checkpoint,
tlog-cosignature, tlog-policy, tlog-proof), RFC 6962, RFC 9162 and RFC 9285 alone. It shares no code with the program.

    python3 tests/lib/c2sp_verify.py FILE --policy P [--lenient]       exit status 0 proven, 1 not proven, 2 usage

FILE is a receipt in any of its four forms; "-" is standard input. Prints what is proven as one line of JSON. Whatever the
documents do not allow raises Refused. Standard library, and `cryptography` for Ed25519. Pure; any thread.
"""
import argparse
import base64
import binascii
import hashlib
import json
import struct
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SIZE_MAX = 2**62
NOTE_MAX, LINES_MAX, NAME_MAX = 65536, 64, 200
LEAF_MAX, PROOF_MAX, HASHES_MAX = 65535, 163840, 63
FILE_MAX = 2 << 20


class Refused(Exception):
    """Not what the documents allow."""


def need(condition, what):
    if not condition:
        raise Refused(what)


def sha256(data):
    return hashlib.sha256(data).digest()


def from_base64(text):
    """RFC 4648 s4: exactly what encoding gives."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused("not base64") from None
    need(base64.b64encode(data) == (text.encode() if isinstance(text, str) else text), "base64 is not canonical")
    return data


def from_decimal(text, bits=64):
    need(text.isascii() and text.isdigit() and (text == b"0" or not text.startswith(b"0")), "not a decimal number")
    need(len(text) <= 20 and int(text) < 2**bits, "number too large")
    return int(text)


# ---- signed-note -----------------------------------------------------------------------------------------------------

SPACES = set("\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000") | {chr(c) for c in range(0x2000, 0x200B)}


def check_name(name):
    """@name as bytes; returns it as text."""
    need(0 < len(name) <= NAME_MAX, "size of a key name")
    try:
        text = name.decode()
    except UnicodeDecodeError:
        raise Refused("key name is not UTF-8") from None
    need(not any(c in SPACES or c < " " or c == "+" for c in text), "character in a key name")
    return text


class Key:
    """A verifier key: name+id+base64(type || key)."""

    def __init__(self, vkey):
        parts = vkey.encode().split(b"+", 2) if isinstance(vkey, str) else vkey.split(b"+", 2)
        need(len(parts) == 3 and len(parts[1]) == 8, "verifier key")
        self.name = check_name(parts[0])
        typed = from_base64(parts[2])
        need(len(typed) == 33 and typed[0] in (1, 4), "type of a verifier key")
        self.type, self.public = typed[0], typed[1:]
        self.id = sha256(parts[0] + b"\n" + typed)[:4]
        need(all(c in b"0123456789abcdefABCDEF" for c in parts[1]), "key id is not hex")
        need(bytes.fromhex(parts[1].decode()) == self.id, "key id does not fit")

    def holds(self, signature, message):
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
            return True
        except (InvalidSignature, ValueError):
            return False

    def check(self, blob, text):
        """The time of the signature that @blob (without key id) is over @text; None for a plain one."""
        if self.type == 1:
            need(len(blob) == 64 and self.holds(blob, text), f"signature of {self.name}")
            return None
        need(len(blob) == 72, f"cosignature of {self.name}")
        time = int.from_bytes(blob[:8], "big")
        need(time < 2**63, "time of a cosignature")
        need(self.holds(blob[8:], b"cosignature/v1\ntime %d\n" % time + text), f"cosignature of {self.name}")
        return time


def split_note(note):
    """(text, [(name, key id and signature)])"""
    need(len(note) <= NOTE_MAX, "size of a note")
    need(not any(byte < 0x20 and byte != 0x0A for byte in note), "control character in a note")
    try:
        note.decode()
    except UnicodeDecodeError:
        raise Refused("note is not UTF-8") from None
    border = note.rfind(b"\n\n")
    need(border >= 0 and note.endswith(b"\n") and border + 2 < len(note), "no signatures")
    lines = note[border + 2 : -1].split(b"\n")
    need(len(lines) <= LINES_MAX, "number of signatures")
    signatures = []
    for line in lines:
        start = "— ".encode()
        need(line.startswith(start), "signature line")
        name, space, blob = line[len(start) :].partition(b" ")
        check_name(name)
        need(space, "signature line without a signature")
        blob = from_base64(blob)
        need(len(blob) > 4, "signature without key id")
        signatures.append((name.decode(), blob))
    return note[: border + 1], signatures


def open_note(note, keys):
    """(text, {place in @keys: time}): every signature of a known key holds, and there is one."""
    text, signatures = split_note(note)
    known = {}
    for at, key in reversed(list(enumerate(keys))):
        known[key.name, key.id] = at
    signed = {}
    for name, blob in signatures:
        at = known.get((name, blob[:4]))
        if at is not None:
            time = keys[at].check(blob[4:], text)
            signed.setdefault(at, time)
    need(signed, "no known signature")
    return text, signed


# ---- tlog-checkpoint, tlog-policy ------------------------------------------------------------------------------------


def parse_checkpoint(text):
    """(origin, size, root) of a text of exactly three lines."""
    lines = text.split(b"\n")
    need(len(lines) == 4 and lines[3] == b"", "a checkpoint has three lines")
    origin = check_name(lines[0])
    need(origin != "cosignature/v1", "origin")
    size, root = from_decimal(lines[1]), from_base64(lines[2])
    need(size <= SIZE_MAX and len(root) == 32, "size or root of a checkpoint")
    need(size > 0 or root == sha256(b""), "root of the empty tree")
    return origin, size, root


class Policy:
    """tlog-policy: logs, witnesses, groups and the quorum."""

    def __init__(self, text):
        self.logs, self.witnesses, self.members = [], [], {}  # members: name -> witness place, or (needed, names)
        self.quorum = None
        has_quorum = False
        for line in text.split(b"\n"):
            need(not any(byte < 0x20 and byte != 9 for byte in line), "control character in a policy")
            words = line.replace(b"\t", b" ").split(b" ")
            words = [word for word in words if word]
            if not words or words[0].startswith(b"#"):
                continue
            need(words[0] in (b"log", b"witness", b"group", b"quorum"), "line of a policy")
            if words[0] == b"quorum":
                need(not has_quorum and len(words) == 2, "quorum line")
                has_quorum = True
                need(words[1] == b"none" or words[1] in self.members, "quorum of something unknown")
                self.quorum = None if words[1] == b"none" else words[1]
            else:
                getattr(self, "_" + words[0].decode())(words[1:])
        need(has_quorum, "no quorum line")

    def _log(self, words):
        need(len(words) in (1, 2), "log line")
        key = Key(words[0])
        need(key.type == 1 and key.name not in [log.name for log in self.logs], "log of a policy")
        self.logs.append(key)

    def _witness(self, words):
        need(len(words) in (2, 3), "witness line")
        key = Key(words[1])
        need(key.type == 4 and key.public not in [w.public for w in self.witnesses], "witness of a policy")
        self._name(words[0], len(self.witnesses))
        self.witnesses.append(key)

    def _group(self, words):
        need(len(words) >= 3, "group line")
        names = words[2:]
        need(len(set(names)) == len(names) and all(name in self.members for name in names), "members of a group")
        needed = {b"all": len(names), b"any": 1}.get(words[1])
        if needed is None:
            needed = from_decimal(words[1])
        need(1 <= needed <= len(names), "number of a group")
        self._name(words[0], (needed, names))

    def _name(self, name, value):
        need(name != b"none" and name not in self.members and len(name) <= 200, "name in a policy")
        self.members[name] = value

    def is_satisfied(self, signed, name=None):
        """Whether the witnesses at the places @signed reach the quorum."""
        name = name or self.quorum
        if name is None:
            return True
        value = self.members[name]
        if isinstance(value, int):
            return value in signed
        needed, names = value
        return sum(self.is_satisfied(signed, member) for member in names) >= needed

    def fewest(self, name=None):
        name = name or self.quorum
        if name is None:
            return 0
        value = self.members[name]
        return 1 if isinstance(value, int) else sum(sorted(self.fewest(m) for m in value[1])[: value[0]])

    def below(self, name=None):
        """Places of all witnesses under the quorum."""
        name = name or self.quorum
        if name is None:
            return set()
        value = self.members[name]
        return {value} if isinstance(value, int) else set().union(*(self.below(m) for m in value[1]))

    def open(self, note):
        """(origin, size, root, {witness place: time}) of a checkpoint of one of the logs."""
        origin = split_note(note)[0].split(b"\n")[0]
        log = next((log for log in self.logs if log.name.encode() == origin), None)
        need(log is not None, "unknown log")
        text, signed = open_note(note, [log, *self.witnesses])
        need(0 in signed, "not signed by the log")
        name, size, root = parse_checkpoint(text)
        need(name == log.name, "origin")
        return name, size, root, {at - 1: time for at, time in signed.items() if at > 0}


# ---- RFC 6962, RFC 9162 ----------------------------------------------------------------------------------------------


def leaf_hash(leaf):
    return sha256(b"\0" + leaf)


def node_hash(left, right):
    return sha256(b"\1" + left + right)


def path_count(index, size):
    inner = (index ^ (size - 1)).bit_length()
    return inner + bin(index >> inner).count("1")


def root_of(index, size, leaf, path):
    """RFC 9162 s2.1.3.2: the root to which @path leads."""
    need(index < size <= SIZE_MAX and len(path) == path_count(index, size), "length of an inclusion proof")
    need(all(len(h) == 32 for h in [leaf, *path]), "size of a hash")
    node, last = index, size - 1
    for sibling in path:
        if node & 1 or node == last:
            leaf = node_hash(sibling, leaf)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            leaf = node_hash(leaf, sibling)
        node, last = node >> 1, last >> 1
    return leaf


# ---- tlog-proof ------------------------------------------------------------------------------------------------------


def parse_proof(text):
    """(extra or None, index, hashes, checkpoint)"""
    need(len(text) <= PROOF_MAX, "size of a proof")
    header, _, rest = text.partition(b"\n")
    need(header == b"c2sp.org/tlog-proof@v1", "header of a proof")
    head, border, checkpoint = rest.partition(b"\n\n")
    need(border, "proof without a checkpoint")
    lines, extra = head.split(b"\n"), None
    if lines[0].startswith(b"extra "):
        extra = from_base64(lines.pop(0)[6:])
        need(len(extra) <= LEAF_MAX, "size of extra data")
    need(lines and lines[0].startswith(b"index "), "index of a proof")
    index = from_decimal(lines[0][6:])
    hashes = [from_base64(line) for line in lines[1:]]
    need(len(hashes) <= HASHES_MAX and all(len(h) == 32 for h in hashes), "hashes of a proof")
    need(0 < len(checkpoint) <= NOTE_MAX and checkpoint.endswith(b"\n"), "checkpoint of a proof")
    return extra, index, hashes, checkpoint


def format_proof(extra, index, hashes, checkpoint):
    lines = ["c2sp.org/tlog-proof@v1"] + ([] if extra is None else ["extra " + base64.b64encode(extra).decode()])
    lines += [f"index {index}"] + [base64.b64encode(h).decode() for h in hashes]
    return "\n".join(lines).encode() + b"\n\n" + checkpoint


# ---- the leaf --------------------------------------------------------------------------------------------------------

KINDS = {1: "event", 2: "heads", 3: "anchor", 4: "key_change", 5: "erase", 6: "evidence"}
ACTS = dict(enumerate(
    "submit identity_check form_check forward return receipt accept correct supplement not_required refuse process pause "
    "resume decide close deliver evaluate withdraw revoke note object ack handover supervise archive".split(), 1))


class Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        need(size <= len(self.data) - self.at, "it ends too early")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def varint(self):
        """Seven bits a byte, lowest first, as short as can be, below 2^63."""
        value = shift = 0
        while True:
            byte = self.number(1)
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                need(byte or shift == 7, "number is not as short as can be")
                return value
            need(shift < 63, "number too large")

    def is_done(self):
        return self.at == len(self.data)


class Leaf:
    """"Leaf" of FORMATS.md, whole, so that only a canonical one passes."""

    def __init__(self, data):
        need(len(data) <= LEAF_MAX, "size of a leaf")
        c = Cursor(data)
        need(c.take(8) == bytes.fromhex("58504c4541460001"), "magic of a leaf")
        self.kind, suite, self.origin, self.index, self.hlc = struct.unpack(">BBIQQ", c.take(22))
        need(self.kind in KINDS and suite == 1 and self.index < SIZE_MAX, "kind, suite or index of a leaf")
        self.case_id = c.take(16)
        self.type, self.role, self.service, self.rules = struct.unpack(">HHIH", c.take(10))
        self._ascending([struct.unpack(">IQ", c.take(44)[:12]) for _ in range(self._count(c.number(1), 8))])
        self._ascending([c.take(12)[:4] for _ in range(self._count(c.number(1), 16))])
        c.take(32 + 4 + 32)
        need(c.number(4) <= 262144, "payload size")
        c.take(32)
        self.attributes = []
        for _ in range(self._count(c.number(2), 64)):
            tag = c.number(2)
            self.attributes.append((tag, c.take(self._count(c.number(2), 4096))))
        self._ascending([tag for tag, _ in self.attributes])
        c.take(self._count(c.number(2), 4096))
        need(c.is_done(), "bytes behind a leaf")

    @staticmethod
    def _count(value, limit):
        need(value <= limit, "count or size in a leaf")
        return value

    @staticmethod
    def _ascending(keys):
        need(all(a < b for a, b in zip(keys, keys[1:])), "order in a leaf")

    def is_case_event(self):
        return self.kind == 1 and any(self.case_id)

    def act(self):
        if self.is_case_event() and self.type in ACTS:
            return ACTS[self.type]
        return f"event_{self.type}" if self.kind == 1 else KINDS[self.kind]

    def said(self):
        """The attributes that a receipt shows; none if one is malformed."""
        text = lambda most: lambda v: 0 < len(v) <= most and all(0x21 <= b <= 0x7E for b in v)
        code = lambda v: 0 < len(v) <= 64 and all(b in b"abcdefghijklmnopqrstuvwxyz0123456789_.-" for b in v)
        number = lambda size, most=2**64, least=1: lambda v: len(v) == size and least <= int.from_bytes(v, "big") <= most
        rules = {1: number(4), 2: text(47), 3: number(4), 4: number(1, 3), 5: number(4), 6: number(1, 2), 7: text(63),
                 8: code, 9: lambda v: len(v) == 16, 10: number(8, least=0), 11: number(1, 5), 12: number(1),
                 13: number(2), 14: number(1, 3)}
        if self.kind != 1 or not all(rules[tag](value) for tag, value in self.attributes if tag in rules):
            return {}
        return dict(self.attributes)


# ---- the four forms --------------------------------------------------------------------------------------------------

BASE45 = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
PRE = b'<pre id="tlog-proof">'


def from_base45(text):
    """RFC 9285."""
    out = b""
    for at in range(0, len(text), 3):
        group = text[at : at + 3]
        need(len(group) > 1 and all(c in BASE45 for c in group), "not Base45")
        value = sum(BASE45.index(c) * 45**i for i, c in enumerate(group))
        size = len(group) - 1
        need(value < 256**size, "not Base45")
        out += value.to_bytes(size, "big")
    return out


def only_key(keys, id):
    """The key with this id, None without one; two are refused."""
    found = [key for key in keys if key.id == id]
    need(len(found) < 2, "two keys of one id")
    return found[0] if found else None


def from_compact(data, policy):
    """The tlog-proof text of a short form."""
    need(len(data) <= PROOF_MAX, "size of a short form")
    c = Cursor(data)
    need(c.take(4) == b"TBR\1", "magic of a short form")
    extra = c.take(c.varint())
    leaf = Leaf(extra)
    log_id, size = c.take(4), c.varint()
    need(leaf.index < size <= SIZE_MAX, "size in a short form")
    hashes = [c.take(32) for _ in range(path_count(leaf.index, size))]
    log = only_key(policy.logs, log_id)
    need(log is not None, "unknown log")
    root = root_of(leaf.index, size, leaf_hash(extra), hashes)
    need(log.name != "cosignature/v1", "origin")
    note = f"{log.name}\n{size}\n{base64.b64encode(root).decode()}\n\n"
    note += f"— {log.name} {base64.b64encode(log_id + c.take(64)).decode()}\n"
    before, seen = None, set()
    count = c.number(1)
    need(count < LINES_MAX, "number of cosignatures")
    for _ in range(count):
        id, time = c.take(4), c.varint() + (before[0] if before else 0)
        need(time < 2**63 and (before is None or before < (time, id)) and id not in seen, "order of cosignatures")
        before = (time, id)
        seen.add(id)
        signature = c.take(64)
        witness = only_key(policy.witnesses, id)
        if witness:
            blob = id + time.to_bytes(8, "big") + signature
            note += f"— {witness.name} {base64.b64encode(blob).decode()}\n"
    need(c.is_done(), "bytes behind a short form")
    return format_proof(extra, leaf.index, hashes, note.encode())


def from_page(page):
    """The proof text that a saved page holds."""
    need(page.count(PRE) == 1, "not exactly one proof in the page")
    inside, end, _ = page.partition(PRE)[2].partition(b"</pre>")
    need(end, "the proof in the page does not end")
    plain = inside
    for escape in (b"&lt;", b"&gt;", b"&amp;"):
        plain = plain.replace(escape, b"")
    need(not any(c in plain for c in b"&<>"), "something that is no text in the proof of the page")
    return inside.replace(b"&lt;", b"<").replace(b"&gt;", b">").replace(b"&amp;", b"&")


ZEROS = b"0" * 64
DIGEST = b'<meta name="tongban-digest" content="'
DATA = b'<meta name="tongban-page" content="'


def check_page(page):
    """"Receipt page" of FORMATS.md, but for making it anew: no byte is another than when it was made."""
    _, found, rest = page.partition(DIGEST)
    need(found and len(rest) >= 64, "page without a digest")
    at = page.index(DIGEST) + len(DIGEST)
    need(page[at : at + 64] == hashlib.sha256(page[:at] + ZEROS + page[at + 64 :]).hexdigest().encode(), "page was changed")
    data = from_base64(page.partition(DATA)[2].partition(b'"')[0])
    need(data.startswith(b"tongban-page/1\n"), "layout of the page")


def check_exact(form, data, text, policy):
    """The log's line, then those of known witnesses by time and key id, and no others."""
    extra, index, hashes, checkpoint = parse_proof(text)
    body, signatures = split_note(checkpoint)
    log = next(log for log in policy.logs if log.name.encode() == body.split(b"\n")[0])
    keys = {(key.name, key.id) for key in policy.witnesses}
    name, blob = signatures[0]
    need((name, blob[:4]) == (log.name, log.id), "the log's line is not the first")
    order = [(blob[4:12], blob[:4]) for _, blob in signatures[1:]]
    need(all((name, blob[:4]) in keys for name, blob in signatures[1:]), "line of an unknown signer")
    need(len(set(keys)) == len(keys) and all(a < b for a, b in zip(order, order[1:])), "order of the lines")
    if form in ("compact", "qr"):
        compact = data if form == "compact" else from_base45(data[4:-1] if data.endswith(b"\n") else data[4:])
        c = Cursor(compact)
        c.take(4)
        leaf = Leaf(c.take(c.varint()))
        c.take(4)
        c.take(32 * path_count(leaf.index, c.varint()) + 64)
        need(c.number(1) == len(signatures) - 1, "cosignature of an unknown witness")
    if form == "html":
        check_page(data)


def read_file(data, policy):
    """(form, tlog-proof text)"""
    need(len(data) <= FILE_MAX, "size of a receipt")
    if data.startswith(b"c2sp.org/"):
        return "text", data
    if data.startswith(b"TBR"):
        return "compact", from_compact(data, policy)
    if data.startswith(b"TB1:"):
        text = data[4:-1] if data.endswith(b"\n") else data[4:]
        return "qr", from_compact(from_base45(text), policy)
    need(data.startswith(b"<"), "no receipt")
    return "html", from_page(data)


# ---- the verdict -----------------------------------------------------------------------------------------------------


def verify(data, policy, lenient=False):
    """What the receipt @data proves under the Policy @policy, as a dict; raises Refused when it proves nothing. @lenient: what no
    signature depends on may be anything."""
    form, text = read_file(data, policy)
    extra, index, hashes, checkpoint = parse_proof(text)
    need(extra is not None, "no leaf in the proof")
    leaf = Leaf(extra)
    need(leaf.index == index, "index of the leaf")
    origin, size, root, times = policy.open(checkpoint)
    need(index < size and root_of(index, size, leaf_hash(extra), hashes) == root, "inclusion")
    need(policy.is_satisfied(times.keys()), "quorum")
    if not lenient:
        check_exact(form, data, text, policy)
    said = leaf.said()
    text_of = lambda tag: said[tag].decode() if tag in said else None
    reached = None
    if policy.quorum is not None:
        reached = min(t for t in times.values() if policy.is_satisfied({w for w, at in times.items() if at <= t}))
    is_decision = leaf.is_case_event() and leaf.act() == "decide" and 6 in said
    return {
        "proven": True, "form": form, "origin": origin, "index": index, "size": size, "act": leaf.act(),
        "case": leaf.case_id.hex() if leaf.is_case_event() else None, "number": text_of(7), "item_code": text_of(2),
        "service": leaf.service or None, "lead": int.from_bytes(said[1], "big") if 1 in said else None,
        "decision": {1: "grant", 2: "deny"}[said[6][0]] if is_decision else None, "reason_code": text_of(8),
        "author_ms": leaf.hlc >> 16, "first_witnessed_s": min(times.values(), default=0) or None,
        "witnessed_s": reached or None, "witness_times": sorted(times.values()), "needed": policy.fewest(),
        "of": len(policy.below()),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file")
    parser.add_argument("--policy", required=True)
    parser.add_argument("--lenient", action="store_true")
    arguments = parser.parse_args()
    try:
        policy = Policy(Path(arguments.policy).read_bytes())
        data = sys.stdin.buffer.read() if arguments.file == "-" else Path(arguments.file).read_bytes()
    except (OSError, Refused) as e:
        print(f"c2sp_verify: {e}", file=sys.stderr)
        return 2
    try:
        print(json.dumps(verify(data, policy, arguments.lenient), ensure_ascii=False))
        return 0
    except Refused as e:
        print(json.dumps({"proven": False, "message": str(e)}, ensure_ascii=False))
        return 1


if __name__ == "__main__":
    sys.exit(main())
