"""A second reader of what Tongban nodes write, made from federation/FORMATS.md and node/cases/CASES.md alone.

It shares no code with the program: where the two differ, the documents or the program are wrong. The tables of rules,
statuses, flags and attributes are not repeated here but read out of the documents, so that a table that no longer says
what the program does fails tests/vectors/test_documents.py and tests/whole/test_documents.py.

Plain and slow on purpose: a case is folded from its first event each time. Standard library, and `cryptography` for
Ed25519, X25519, HKDF and AES-GCM. Everything that the documents do not allow raises Refused. Pure; any thread.
"""
import base64
import copy
import hashlib
import json
import re
import struct
from pathlib import Path

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

TREE = Path(__file__).resolve().parents[2]
SIZE_MAX = 2**62  # of a ledger
ZERO_HASH = bytes(32)


class Refused(Exception):
    """Not what the documents allow."""


def need(condition, what):
    if not condition:
        raise Refused(what)


def sha256(data):
    return hashlib.sha256(data).digest()


def document_table(path, *header):
    """The rows of the first table of a document whose header begins with @header; each a list of cells."""
    lines = (TREE / path).read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else None for line in lines]
    for at, row in enumerate(cells):
        if row and row[: len(header)] == list(header):
            rows = []
            for following in cells[at + 2 :]:
                if following is None:
                    return rows
                rows.append(following)
            return rows
    raise LookupError(f"{path} has no table {header}")


# ---- texts -----------------------------------------------------------------------------------------------------------


def from_base64(text):
    """RFC 4648 section 4, one spelling only."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise Refused(f"not base64: {text!r}") from None
    need(base64.b64encode(data).decode() == text, f"not the one spelling of its base64: {text!r}")
    return data


def from_decimal(text, highest):
    need(re.fullmatch("0|[1-9][0-9]{0,19}", text, re.ASCII) and int(text) <= highest, f"not a number: {text!r}")
    return int(text)


def is_host_name(text):
    labels = text.split(".")
    return all(re.fullmatch("(?!-)[a-z0-9-]{1,63}(?<!-)", label) for label in labels)


# ---- tree ------------------------------------------------------------------------------------------------------------


def leaf_hash(leaf):
    return sha256(b"\0" + leaf)


def merkle_root(hashes):
    """Root of the tree over these leaf hashes."""
    if not hashes:
        return sha256(b"")
    if len(hashes) == 1:
        return hashes[0]
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return sha256(b"\1" + merkle_root(hashes[:k]) + merkle_root(hashes[k:]))


# ---- leaf ------------------------------------------------------------------------------------------------------------


class Cursor:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, size):
        need(len(self.data) - self.at >= size, "the leaf ends early")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "big")


class Leaf:
    """One entry of a ledger, decoded; parents and recipients are tuples in the order of the document."""

    def __init__(self, data):
        need(len(data) <= 65535, f"a leaf of {len(data)} bytes")
        c = Cursor(data)
        need(c.take(8) == bytes.fromhex("58504c4541460001"), "not a leaf of version 1")
        self.kind, self.suite, self.origin = c.number(1), c.number(1), c.number(4)
        self.index, self.hlc, self.case_id = c.number(8), c.number(8), c.take(16)
        self.event_type, self.role = c.number(2), c.number(2)
        self.service, self.rules_version = c.number(4), c.number(2)
        need(1 <= self.kind <= 6, f"kind {self.kind}")
        need(self.suite == 1, f"suite {self.suite}")
        need(self.index < SIZE_MAX, f"index {self.index}")
        self.parents = [(c.number(4), c.number(8), c.take(32)) for _ in range(self._count(c, 1, 8, "parents"))]
        self.recipients = [(c.number(4), c.number(8)) for _ in range(self._count(c, 1, 16, "recipients"))]
        self.salt, self.key_epoch, self.key_commit = c.take(32), c.number(4), c.take(32)
        self.payload_size = c.number(4)
        self.payload_hash_at = c.at  # what is before it is authenticated with the payload
        self.payload_hash = c.take(32)
        need(self.payload_size <= 262144, f"a payload of {self.payload_size} bytes")
        self.attributes = []
        for _ in range(self._count(c, 2, 64, "attributes")):
            tag, size = c.number(2), c.number(2)
            need(size <= 4096, f"an attribute of {size} bytes")
            self.attributes.append((tag, c.take(size)))
        self.signature = c.take(self._count(c, 2, 4096, "bytes of signature"))
        need(c.at == len(data), f"{len(data) - c.at} bytes behind the leaf")
        self._ascends([(node, index) for node, index, _ in self.parents], "parents")
        self._ascends([node for node, _ in self.recipients], "recipients")
        self._ascends([tag for tag, _ in self.attributes], "attributes")
        self.id = leaf_hash(data)

    @staticmethod
    def _count(cursor, size, highest, what):
        count = cursor.number(size)
        need(count <= highest, f"{count} {what}")
        return count

    @staticmethod
    def _ascends(keys, what):
        need(all(a < b for a, b in zip(keys, keys[1:])), f"{what} do not ascend")

    @property
    def is_case_event(self):
        return self.kind == 1 and self.case_id != bytes(16)


def check_payload(leaf, payload):
    """Refuses a payload (bytes as carried) that is not the leaf's."""
    need(len(payload) == leaf.payload_size, f"payload of {len(payload)} bytes, the leaf says {leaf.payload_size}")
    expected = sha256(payload) if payload else ZERO_HASH
    need(expected == leaf.payload_hash, "payload of another hash")


def payload_content(leaf, leaf_bytes, payload, key):
    """The JSON of a case event's payload (bytes as carried), opened with the case's key; or None when there is none."""
    check_payload(leaf, payload)
    if not payload:
        return None
    need(leaf.key_epoch > 0, "a case event's payload that is not sealed")
    need(sha256(b"xp/kc/1" + key + leaf.salt) == leaf.key_commit, "another key than the leaf commits to")
    info = b"xp/payload/1" + leaf.origin.to_bytes(4, "big") + leaf.index.to_bytes(8, "big")
    once = HKDF(algorithm=hashes.SHA256(), length=32, salt=leaf.salt, info=info).derive(key)
    try:
        plain = AESGCM(once).decrypt(bytes(12), payload, leaf_bytes[: leaf.payload_hash_at])
    except InvalidTag:
        raise Refused("the payload does not open") from None
    return json.loads(plain.decode())


# ---- signed notes ----------------------------------------------------------------------------------------------------


class Verifier:
    """A verifier key from its text `<name>+<key id>+<base64(type || key)>`. Types 0x01 and 0x04 are known."""

    def __init__(self, text):
        match = re.fullmatch(r"([^+]+)\+([0-9a-f]{8})\+(.+)", text)
        need(match, f"not a verifier key: {text!r}")
        self.name = match.group(1)
        need(len(self.name.encode()) <= 200, "a key name of more than 200 bytes")
        need(not any(c.isspace() or ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in self.name), "white space in a name")
        key = from_base64(match.group(3))
        need(len(key) == 33 and key[0] in (1, 4), "a key of unknown type or size")
        self.id = sha256(self.name.encode() + b"\n" + key)[:4]
        need(self.id.hex() == match.group(2), f"key id {match.group(2)}, computed {self.id.hex()}")
        self.type, self.public = key[0], key[1:]

    def check(self, text, signature):
        if self.type == 4:
            need(len(signature) == 72, "a cosignature has 72 bytes")
            time = int.from_bytes(signature[:8], "big")
            need(time < 2**63, "a cosignature's time")
            text, signature = f"cosignature/v1\ntime {time}\n".encode() + text, signature[8:]
        need(len(signature) == 64, "an Ed25519 signature has 64 bytes")
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text)
        except InvalidSignature:
            raise Refused(f"{self.name}: wrong signature") from None


def open_note(note, *keys):
    """(text, set of the names of @keys that signed it)."""
    need(len(note) <= 65536, f"a note of {len(note)} bytes")
    try:
        whole = note.decode()
    except UnicodeDecodeError:
        raise Refused("not UTF-8") from None
    need(not re.search("[\0-\x09\x0b-\x1f]", whole), "a control character")
    text, gap, lines = whole.rpartition("\n\n")
    need(gap and lines.endswith("\n"), "no text, empty line and signature lines")
    text, lines = text + "\n", lines[:-1].split("\n")
    need(len(lines) <= 64, f"{len(lines)} signatures")
    signed = set()
    for line in lines:
        match = re.fullmatch(r"— ([^ +]+) ([^ ]+)", line)
        need(match, f"not a signature line: {line!r}")
        blob = from_base64(match.group(2))
        need(len(blob) > 4, "a signature without bytes")
        for key in keys:
            if key.name == match.group(1) and key.id == blob[:4] and key not in signed:
                key.check(text.encode(), blob[4:])
                signed.add(key)
    need(signed, "no known signature")
    return text, {key.name for key in signed}


def open_checkpoint(note, key):
    """(size, root) of a signed checkpoint of the ledger that @key signs."""
    text, _ = open_note(note, key)
    lines = text[:-1].split("\n")
    need(len(lines) == 3, f"a checkpoint of {len(lines)} lines")
    need(key.type == 1 and lines[0] == key.name, f"checkpoint of {lines[0]!r}, signed by {key.name!r}")
    size, root = from_decimal(lines[1], SIZE_MAX), from_base64(lines[2])
    need(len(root) == 32 and (size > 0 or root == sha256(b"")), "not a root")
    return size, root


# ---- member list -----------------------------------------------------------------------------------------------------

NOT_IN_NAMES = re.compile(
    "[\0-\x20%\x7f-\xa0\xad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ue000-\uf8ff\ufe00-\ufe0f"
    "\ufeff\ufff0-\uffff\U000e0000-\U0010ffff]"
)


def is_url(text):
    match = re.fullmatch(r"tls\+tcp://(?:\[([0-9a-fA-F:.]+)\]|([a-z0-9.-]+)):([1-9][0-9]{0,4})", text, re.ASCII)
    if not match or int(match.group(3)) > 65535 or len(text) > 280:
        return False
    return ":" in match.group(1) if match.group(1) else is_host_name(match.group(2))


def is_low_order(public):
    """Whether an X25519 key agreement with it gives zero, whoever takes part."""
    try:
        X25519PrivateKey.from_private_bytes(bytes(range(32))).exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        return True
    return False


class Member:
    def __init__(self, line):
        fields = line.split(" ")
        need(len(fields) == 7, f"a member line of {len(fields)} fields")
        code, self.name, self.url, self.origin, key, witness, seal_key = fields
        self.code, self.key, self.witness = from_decimal(code, 999999), Verifier(key), Verifier(witness)
        self.seal_key = from_base64(seal_key)
        need(len(self.seal_key) == 32 and not is_low_order(self.seal_key), f"seal key {seal_key!r}")
        need(self.code >= 100000, f"code {self.code}")
        need(1 <= len(self.name.encode()) <= 96 and len(self.name) <= 64, f"name {self.name!r}")
        need(not NOT_IN_NAMES.search(self.name), f"name {self.name!r}")
        need(is_url(self.url), f"url {self.url!r}")
        need(self.key.type == 1 and self.key.name == self.origin, f"origin {self.origin!r}, key of {self.key.name!r}")
        need(self.witness.type == 4, f"witness key of type {self.witness.type}")


class Members:
    def __init__(self, data, federation_key):
        need(len(data) <= 2097152, f"a member list of {len(data)} bytes")
        parts = data.split(b"\n\n", 2)
        need(len(parts) == 3, "no two empty lines")
        text, _ = open_note(parts[0] + b"\n\n" + parts[1] + b"\n", federation_key)
        need(federation_key.type == 1, "the federation's key is not of type 1")
        head, body = text[:-1].split("\n"), parts[2]
        need(len(head) == 5 and head[0] == "tongban-members/v2", "not the head of a member list")
        self.federation = head[1]
        need(self.federation == federation_key.name, "the list of another federation")
        need(len(self.federation) <= 100 and is_host_name(self.federation), f"federation {self.federation!r}")
        self.version, count = from_decimal(head[2], 2**64 - 1), from_decimal(head[3], 4096)
        need(self.version > 0, "version 0")
        self.digest = from_base64(head[4])
        need(sha256(body) == self.digest, "member lines of another hash")
        need(body.count(b"\n") == count and (body.endswith(b"\n") or not body), "not as many lines as the head says")
        try:
            lines = body.decode().split("\n")[:-1]
        except UnicodeDecodeError:
            raise Refused("not UTF-8") from None
        self.list = [Member(line) for line in lines]
        codes = [m.code for m in self.list]
        need(all(a < b for a, b in zip(codes, codes[1:])), "codes do not ascend")
        for what in (lambda m: m.name, lambda m: m.url, lambda m: m.origin):
            need(len({what(m) for m in self.list}) == count, "two members share something")
        keys = {key for m in self.list for key in (m.key.public, m.witness.public, m.seal_key)}
        need(len(keys) == 3 * count, "a key stands twice")
        for m in self.list:
            need(m.witness.name == f"{m.code}.{self.federation}/witness", f"witness key {m.witness.name!r}")

    def find(self, code):
        return next(m for m in self.list if m.code == code)

    def may_replace(self, now):
        same = self.version == now.version and self.digest == now.digest
        return self.federation == now.federation and (self.version > now.version or same)


# ---- catalog ---------------------------------------------------------------------------------------------------------

ITEM_WORDS = {  # catalog/README.md, in its order
    "subject": "自然人 企业法人 事业法人 社会组织法人 非法人企业 行政机关 其他组织".split(),
    "modes": "全程网办 异地代收代办 多地联办".split(),
}


def service_code(item_code):
    return int.from_bytes(sha256(item_code.encode())[:4], "big")


def canonical_item(value, key=None):
    """The canonical bytes of an item's JSON, as text."""
    if isinstance(value, dict):
        rows = sorted(value.items(), key=lambda row: row[0].encode())
        return "{" + ",".join(f'"{k}":{canonical_item(v, k)}' for k, v in rows) + "}"
    if isinstance(value, list):
        if key in ITEM_WORDS:
            value = sorted(value, key=ITEM_WORDS[key].index)
        return "[" + ",".join(canonical_item(v) for v in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    need(isinstance(value, str), f"{value!r} has no canonical form")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


# ---- case events -----------------------------------------------------------------------------------------------------


def _attribute_table():
    table = {}
    for tag, name, form, _ in document_table("federation/FORMATS.md", "tag", "attribute"):
        table[int(tag)] = (name, form)
    return table


ATTRIBUTES = _attribute_table()
TEXT_BYTES = {"text": rb"[\x21-\x7e]*", "code": rb"[a-z0-9_.-]*"}


def parse_attribute(form, value):
    """@form is a cell of the document: `u32, not 0`, `u8 1..3`, `u64`, `text 1..47`, `16 bytes`."""
    exact = re.fullmatch(r"(\d+) bytes", form)
    if exact:
        need(len(value) == int(exact.group(1)), form)
        return value
    kind = form.split()[0].rstrip(",")
    bounds = re.search(r"(\d+)\.\.(\d+)", form)
    low, high = (int(bounds.group(1)), int(bounds.group(2))) if bounds else (1 if "not 0" in form else 0, 2**64)
    if kind in TEXT_BYTES:
        need(low <= len(value) <= high and re.fullmatch(TEXT_BYTES[kind], value, re.S), form)
        return value.decode()
    need(len(value) == int(kind[1:]) // 8, form)
    number = int.from_bytes(value, "big")
    need(low <= number <= high, form)
    return number


class Event:
    """A case event by value. @attributes: name -> value; empty when malformed."""

    def __init__(self, id, author, index, hlc, type, role, version, parents, attributes=None, malformed=False):
        self.id, self.author, self.index, self.hlc, self.type = id, author, index, hlc, type
        self.role, self.version, self.parents = role, version, parents
        self.attributes, self.malformed = attributes or {}, malformed

    @classmethod
    def of_leaf(cls, leaf):
        attributes, malformed = {}, False
        try:
            for tag, value in leaf.attributes:
                if tag in ATTRIBUTES:
                    name, form = ATTRIBUTES[tag]
                    attributes[name] = parse_attribute(form, value)
        except Refused:
            attributes, malformed = {}, True
        return cls(leaf.id, leaf.origin, leaf.index, leaf.hlc, leaf.event_type, leaf.role, leaf.rules_version,
                   leaf.parents, attributes, malformed)


# ---- rules -----------------------------------------------------------------------------------------------------------

CASES = "node/cases/CASES.md"
STATUSES = {name: int(no) for no, name, *_ in document_table(CASES, "no", "status")}
EFFECTS = {name: int(no) for no, name, *_ in document_table(CASES, "no", "effect")}
FLAGS = {name: 1 << int(bit) for bit, name, *_ in document_table(CASES, "bit", "flag")}
ROLES = {"a": 1, "w": 2, "d": 3, "su": 4, "sy": 5}


def _status_sets():
    sets = {name: {name} for name in STATUSES if name != "frozen"}
    for name, words in document_table(CASES, "set", "statuses"):
        sets[name] = set(sets) if name == "Any" else set().union(*(sets[word] for word in words.split()))
    return sets


STATUS_SETS = _status_sets()


class Rule:
    def __init__(self, cells):
        self.number, self.type, self.by = int(cells["no"]), cells["type"], cells["by"]
        self.roles = {ROLES[word] for word in cells["roles"].split()}
        self.needs = cells["needs"].split()
        self.allowed = set().union(*(STATUS_SETS[word] for word in cells["in"].split()))
        self.is_any = cells["in"] == "Any"
        self.late = set().union(*(STATUS_SETS[word] for word in cells["late"].split()))
        self.then = cells["then"] if cells["then"] in STATUSES else None
        self.rank = int(cells["rank"])

    def is_met_by(self, event):
        return event.role in self.roles and all(name in event.attributes for name in self.needs)


def _rules(*columns):
    rows = (Rule(dict(zip(columns, row))) for row in document_table(CASES, *columns))
    return {rule.number: rule for rule in rows}


RULES = {
    0: _rules("no", "type", "by", "roles", "needs", "in", "then", "late", "rank"),
    1: _rules("no", "type", "Chinese", "by", "roles", "needs", "in", "then", "late", "rank", "source"),
}
SUBMIT, SUPERVISE = (next(n for n, rule in RULES[1].items() if rule.type == t) for t in ("submit", "supervise"))


def is_above(superior, node):
    if 0 in (superior, node) or superior == node:
        return False
    if superior == 100000:
        return True
    if superior % 10000 == 0:
        return superior // 10000 == node // 10000
    return superior % 100 == 0 and superior // 100 == node // 100


# ---- the fold --------------------------------------------------------------------------------------------------------


class State:
    def __init__(self, root):
        self.root = root
        self.decision = None
        self.lead = 0
        self.version = root.version if root else 0
        self.flags = 0
        self.status = "none"
        self.status_place = 0  # in the order, of the event that set it
        self.closed_as = self.grade = self.grade_deciding = 0
        self.review = None
        self.parts = {}  # case id -> decision, 0 while open
        self.limits = None
        self.terms = 0
        self.number = self.reason = ""

    def has(self, flag):
        return bool(self.flags & FLAGS[flag])

    @property
    def shown(self):
        return "frozen" if self.has("frozen") else self.status


class Effect:
    def __init__(self, event, kind, why):
        self.event, self.kind, self.why, self.sequenced = event, kind, why, False


class Case:
    """All that is held of one case. After fold(): order (Effects), state (at the end), prefix (State), pending."""

    def __init__(self, case_id, events):
        self.case_id = case_id
        self.held = {}
        self.forks = {}  # author -> index
        taken = {}
        written = {}  # author -> events that count
        for event in sorted(events, key=lambda e: (e.author, e.index)):
            if event.id not in self.held and written.get(event.author, 0) < 500:
                written[event.author] = written.get(event.author, 0) + 1
                self.held[event.id] = event
                first = taken.setdefault((event.author, event.index), event.id)
                if first != event.id:
                    self.forks[event.author] = min(event.index, self.forks.get(event.author, SIZE_MAX))
        self._find_whole()
        self.fold()

    def _find_whole(self):
        """Sets seen: id -> ids of all that this event has seen, for whole events only."""
        self.seen = {}
        left = list(self.held.values())
        while True:
            ready = [e for e in left if all(p[2] in self.seen for p in e.parents)]
            if not ready:
                break
            for e in ready:
                self.seen[e.id] = set().union(*({p[2]} | self.seen[p[2]] for p in e.parents))
            left = [e for e in left if e.id not in self.seen]
        self.pending = left

    def _cites_wrongly(self, event):
        return any((self.held[id].author, self.held[id].index) != (author, index) for author, index, id in event.parents)

    # -- order

    def _key(self, event):
        version = self.root.version if self.root else 1
        rule = RULES.get(version, {}).get(event.type)
        return (rule.rank if rule else 7, event.hlc, event.author, event.index, event.id)

    def _sort(self, ids):
        left, result = set(ids), []
        while left:
            free = [self.held[i] for i in left if not any(p[2] in left for p in self.held[i].parents)]
            result.append(min(free, key=self._key))
            left.remove(result[-1].id)
        return result

    def _find_root(self):
        def can_open(e):
            rule = RULES.get(e.version, {}).get(SUBMIT)
            return rule is not None and not e.malformed and rule.is_met_by(e)

        home = int.from_bytes(self.case_id[:4], "big")
        roots = [e for e in self.held.values() if e.type == SUBMIT and not e.parents]
        return min(roots, key=lambda e: (not can_open(e), e.author != home, e.id), default=None)

    def _cut_of(self, event):
        """None when this supervise does not count, else (author, index) it cuts off behind, author 0 for nobody."""
        rule = RULES.get(self.root.version, {}).get(SUPERVISE) if self.root else None
        if rule is None or event.type != SUPERVISE or event.malformed or self._cites_wrongly(event):
            return None
        if not rule.is_met_by(event) or not is_above(event.author, self.root.attributes.get("lead", 0)):
            return None
        new = event.attributes["lead"]
        if event.author != new and not is_above(event.author, new):
            return None
        last = event.attributes.get("last_leaf")
        if last is None:
            return (0, 0)
        cited = [author for author, index, _ in event.parents if index == last and author != event.author]
        return (max(cited), last) if cited else None

    def _next_supervise(self):
        open = [self.held[i] for i in self.seen if i not in self.places and self._cut_of(self.held[i]) is not None]
        found = None
        while open:
            found = min(open, key=self._key)
            open = [e for e in open if e.id in self.seen[found.id]]
        return found

    def _next_of_lead(self):
        own = [e for e in self.held.values() if e.author == self.state.lead and e.id not in self.places]
        first = min(own, key=lambda e: (e.index, e.id), default=None)
        if first is None or first.id not in self.seen or self._is_forked_at(first):
            return None
        return first

    def _is_forked_at(self, event):
        return event.author in self.forks and event.index >= self.forks[event.author]

    def _place_with_past(self, event):
        for e in self._sort(self.seen[event.id] - self.places.keys()):
            self._place(e)
        self._place(event)

    def fold(self):
        self.root = self._find_root()
        self.state = State(self.root)
        self.order, self.places, self.cut = [], {}, None
        if self.root:
            self._place(self.root)
            self._run_mainline()
            if self.state.lead in self.forks:
                self.state.flags |= FLAGS["frozen"]
                self.state.status_place = 0
        for effect in self.order:
            effect.sequenced = True
        self.prefix = copy.copy(self.state)
        self.prefix_size = len(self.order)
        for e in self._sort(self.seen.keys() - self.places.keys()):
            self._place(e)

    def _run_mainline(self):
        while True:
            next, supervise = self._next_of_lead(), self._next_supervise()
            if supervise is None:
                if next is None:
                    return
                self._place_with_past(next)
                continue
            author, last = self._cut_of(supervise)
            self.cut = (author, last) if author else None
            leads_up = next is not None and next.id in self.seen[supervise.id] and not self._is_cut_off(next)
            self._place_with_past(next if leads_up else supervise)
            self.cut = None

    def _is_cut_off(self, event):
        return self.cut is not None and event.author == self.cut[0] and event.index > self.cut[1]

    # -- one event

    def _place(self, event):
        place = len(self.order)
        self.places[event.id] = place
        effect = Effect(event, None, None)
        self.order.append(effect)
        effect.kind, effect.why = self._apply(event, place)
        if effect.why == "second_root":
            self.state.flags |= FLAGS["contested"]

    def _follows(self, event):
        return event is self.root or self.root.id in self.seen[event.id]

    def _apply(self, event, place):
        s = self.state
        if self.root is None:
            return "denied", "no_root"
        if event.type == SUBMIT and event is not self.root:
            return "guard", "root_has_parents" if event.parents else "second_root"
        if self._cites_wrongly(event):
            return "denied", "wrong_citation"
        if event.malformed:
            return "denied", "malformed"
        if not self._follows(event):
            return "denied", "stray"
        if s.version > 0 and event.author == s.lead:
            s.version = max(s.version, event.version)
        if s.version not in RULES:
            s.flags |= FLAGS["rules_unknown"]
            return "denied", "rules_unknown"
        rule = RULES[s.version].get(event.type)
        if rule is None:
            return "noop", "type_unknown"
        return self._check_author(event, rule) or self._check_status(rule) or self._operate(event, rule, place)

    def _check_author(self, event, rule):
        s = self.state
        if event.author == s.lead and self._is_forked_at(event):
            return "denied", "forked"
        if event.author == s.lead and self._is_cut_off(event):
            return "denied", "cut_off"
        allowed = {"A": [self.root.author], "B": [s.lead], "AB": [self.root.author, s.lead]}.get(rule.by)
        if allowed is None:
            if rule.is_met_by(event) and self._cut_of(event) is None:
                return "denied", "node"
        elif event.author not in allowed:
            return "denied", "node"
        if event.role not in rule.roles:
            return "denied", "role"
        if not rule.is_met_by(event):
            return "denied", "attribute_missing"
        request = event.attributes.get("request")
        for before in self.order[:-1]:
            e = before.event
            same = request is not None and e.author == event.author and e.attributes.get("request") == request
            if same and before.kind == "ok":
                return "noop", "repeated"
        return None

    def _check_status(self, rule):
        s = self.state
        if rule.type == "withdraw" and s.status == "withdrawn":
            return "noop", "already"
        if s.has("frozen") and not rule.is_any:
            return "guard", "frozen"
        if s.status in rule.late:
            return self._late(rule, "delivered" if s.has("delivered") else "too_late")
        if s.status not in rule.allowed:
            return "guard", "status"
        return None

    def _late(self, rule, why):
        if rule.type == "withdraw":
            self.state.flags |= FLAGS["late_withdrawal"]
        return "late", why

    def _move(self, event, status, place, why="applied"):
        s = self.state
        s.status, s.status_place, s.reason = status, place, event.attributes.get("reason_code", "")
        return "ok", why

    def _mark(self, flag):
        self.state.flags |= FLAGS[flag]
        return "ok", "recorded"

    def _operate(self, event, rule, place):
        special = getattr(self, "_do_" + rule.type, None)
        if special:
            return special(event, rule, place)
        return self._move(event, rule.then, place)

    def _take_limits(self, event):
        self.state.limits = event.attributes.get("limits", self.state.limits)

    def _do_submit(self, event, rule, place):
        self.state.lead = event.attributes["lead"]
        self._take_limits(event)
        if "promise" in event.attributes:
            self._mark("promised")
        return self._move(event, rule.then, place)

    def _do_identity_check(self, event, rule, place):
        return self._mark("identity_checked")

    def _do_form_check(self, event, rule, place):
        return self._mark("form_checked")

    def _do_forward(self, event, rule, place):
        if not (self.state.has("identity_checked") and self.state.has("form_checked")):
            return "guard", "checks_missing"
        return self._move(event, rule.then, place)

    def _do_receipt(self, event, rule, place):
        self.state.number = event.attributes.get("number", "")
        self._take_limits(event)
        if event.attributes.get("demands", 0) & 1:
            self._mark("review_demanded")
        self.state.terms = event.attributes.get("terms", 0)
        unallowed = self.state.has("promised") and not self.state.terms & 2
        if unallowed:
            self._mark("promise_unallowed")
        return self._move(event, rule.then, place, "promise_unallowed" if unallowed else "applied")

    def _do_accept(self, event, rule, place):
        deemed, lacking = event.role == ROLES["sy"], "lacking_days" in event.attributes
        if deemed and not self.state.terms & 4:
            return "guard", "not_deemed"
        if deemed:
            self._mark("deemed")
        if lacking:
            self._mark("lacking")
        unallowed = lacking and not self.state.terms & 1
        if unallowed:
            self._mark("lacking_unallowed")
        limit = int.from_bytes(self.state.limits[10:12], "big") if self.state.limits and self.state.limits[9] in (1, 2) else 0  # fourth of them: unit, days
        over = lacking and not unallowed and 0 < limit < event.attributes["lacking_days"]
        if over:
            self._mark("lacking_over")
        return self._move(event, rule.then, place, "lacking_unallowed" if unallowed else "lacking_over" if over else "deemed" if deemed else "applied")

    def _do_correct(self, event, rule, place):
        second = self.state.has("correction")
        self._mark("second_correction" if second else "correction")
        return self._move(event, rule.then, place, "second_correction" if second else "applied")

    def _do_supplement(self, event, rule, place):
        return self._move(event, rule.then, place) if rule.then else ("ok", "recorded")

    def _do_not_required(self, event, rule, place):
        self.state.closed_as = STATUSES[rule.then]
        return self._move(event, rule.then, place)

    _do_refuse = _do_not_required

    def _decision_flaw(self, event):
        s, a = self.state, event.attributes
        grant, parts = a["decision"] == 1, list(s.parts.values())
        flaws = [
            (not grant and a.get("told", 0) & 3 != 3, "reasons_untold"),
            (0 in parts, "parts_open"),
            (grant and (2 in parts or 3 in parts), "part_denied"),
            (grant and s.has("breached"), "breached"),
            (s.has("review_demanded") and s.review is None, "review_missing"),
            (s.has("review_demanded") and "official" not in a, "official_missing"),
            (s.has("review_demanded") and s.review and s.review.attributes["official"] == a.get("official"), "same_official"),
        ]
        return next((why for holds, why in flaws if holds), None)

    def _do_decide(self, event, rule, place):
        flaw = self._decision_flaw(event) if self.state.version > 0 else None
        if flaw:
            return "guard", flaw
        self.state.decision = event
        return self._move(event, {1: "granted", 2: "denied"}[event.attributes["decision"]], place)

    def _do_close(self, event, rule, place):
        granted = "closed_lacking" if self.state.has("lacking") else "closed_granted"
        status = granted if self.state.status == "granted" else "closed_denied"
        self.state.closed_as = STATUSES[status]
        return self._move(event, status, place)

    def _do_deliver(self, event, rule, place):
        if self.state.has("delivered"):
            return "noop", "already"
        if self.state.status == "closed_lacking" and self.state.has("lacking"):
            return "guard", "lacking"
        self._mark("delivered")
        return self._move(event, rule.then, place) if rule.then else ("ok", "recorded")

    def _do_evaluate(self, event, rule, place):
        deciding = event.attributes.get("side") == 2
        flag = "evaluated_deciding" if deciding else "evaluated"
        if self.state.has(flag):
            return "guard", "once"
        if deciding:
            self.state.grade_deciding = event.attributes["grade"]
        else:
            self.state.grade = event.attributes["grade"]
        return self._mark(flag)

    def _do_pause(self, event, rule, place):
        if event.attributes["pause_kind"] == 9 and event.attributes.get("told", 0) & 5 != 5:
            return "guard", "basis_untold"
        return self._move(event, rule.then, place)

    def _do_extend(self, event, rule, place):
        s, days = self.state, event.attributes["extend_days"]
        if s.has("extended"):
            return "guard", "extended_once"
        if not event.attributes.get("told", 0) & 1:
            return "guard", "reasons_untold"
        joint = self.root.attributes.get("mode") == 3 or s.parts
        self._mark("extended")
        if days > (15 if joint else 10):
            self._mark("extension_over")
            return "ok", "extension_over"
        return "ok", "recorded"

    def _do_review(self, event, rule, place):
        self.state.flags &= ~FLAGS["reviewed"]
        self.state.review = None
        if event.attributes["review"] == 1:
            self.state.review = event
            self._mark("reviewed")
        return "ok", "recorded"

    def _do_supply(self, event, rule, place):
        return self._mark("lacking_supplied") if self.state.has("lacking") else ("guard", "nothing_lacking")

    def _do_fulfil(self, event, rule, place):
        if not self.state.has("lacking"):
            return "guard", "nothing_lacking"
        self.state.flags &= ~(FLAGS["lacking"] | FLAGS["lacking_supplied"])
        return "ok", "recorded"

    def _do_breach(self, event, rule, place):
        if not self.state.has("promised"):
            return "guard", "no_promise"
        return ("noop", "already") if self.state.has("breached") else self._mark("breached")

    def _do_follow_up(self, event, rule, place):
        s, deciding = self.state, event.attributes["side"] == 2
        if event.author != (s.lead if deciding else self.root.author):
            return "denied", "other_side"
        if (s.grade_deciding if deciding else s.grade) not in (1, 2):
            return "guard", "no_bad_mark"
        flag = "followed_up_deciding" if deciding else "followed_up_receiving"
        return ("noop", "already") if s.has(flag) else self._mark(flag)

    def _do_part(self, event, rule, place):
        parts, part = self.state.parts, event.attributes["part"]
        if part in parts:
            return "noop", "already"
        if len(parts) == 32:
            return "guard", "parts_full"
        parts[part] = 0
        return "ok", "recorded"

    def _do_part_done(self, event, rule, place):
        parts, part = self.state.parts, event.attributes["part"]
        if parts.get(part) != 0:
            return "guard", "part_unknown"
        parts[part] = event.attributes["decision"]
        return "ok", "recorded"

    def _do_part_lapsed(self, event, rule, place):
        parts, part = self.state.parts, event.attributes["part"]
        if parts.get(part) not in (0, 1):
            return "guard", "part_unknown"
        parts[part] = {0: 2, 1: 3}[parts[part]]
        return self._mark("part_lapsed") if parts[part] == 3 else ("ok", "recorded")

    def _do_withdraw(self, event, rule, place):
        s = self.state
        if s.has("delivered"):
            return self._late(rule, "delivered")
        if s.decision is None:
            return self._move(event, rule.then, place)
        if s.decision.id in self.seen[event.id]:
            return self._late(rule, "decision_known")
        s.decision, s.closed_as = None, 0
        self._mark("decision_voided")
        return self._move(event, rule.then, place, "voids_decision")

    def _do_revoke(self, event, rule, place):
        decision = self.state.decision
        if decision is None or decision.attributes["decision"] != 1:
            return "guard", "not_granted"
        self.state.flags &= ~FLAGS["published"]
        return self._move(event, rule.then, place)

    def _do_publish(self, event, rule, place):
        s = self.state
        if not s.terms & 4:
            return "guard", "not_licence"
        if s.decision is None or s.decision.attributes["decision"] != 1:
            return "guard", "not_granted"
        return ("noop", "already") if s.has("published") else self._mark("published")

    def _do_note(self, event, rule, place):
        return ("noop", "seen") if self.state.version == 0 else ("ok", "recorded")

    def _do_material(self, event, rule, place):
        return "ok", "recorded"

    _do_post_materials = _do_post_result = _do_notify = _do_charge = _do_pay = _do_material

    def _do_object(self, event, rule, place):
        return self._mark("objected")

    def _do_ack(self, event, rule, place):
        return "noop", "seen"

    def _do_handover(self, event, rule, place):
        if event.attributes["lead"] == self.state.lead:
            return "guard", "same_lead"
        self.state.lead = event.attributes["lead"]
        return "ok", "recorded"

    def _do_supervise(self, event, rule, place):
        self.state.lead = event.attributes["lead"]
        self.state.flags &= ~FLAGS["frozen"]
        return self._mark("supervised")

    # -- what comes of it

    @property
    def flags(self):
        others = [author for author in self.forks if author != self.state.lead]
        return self.state.flags | (FLAGS["contested"] if others else 0)

    @property
    def level(self):
        return 2 if self.state.status_place < self.prefix_size else 1

    def digest_input(self):
        s = self.state
        root = self.root.id if self.root and s.status != "none" else ZERO_HASH
        out = bytes.fromhex("5442434153450001") + self.case_id + root
        out += s.decision.id if s.decision else ZERO_HASH
        out += struct.pack(">IIIH", s.lead, self.prefix.lead, self.flags, s.version)
        out += bytes([STATUSES[s.shown], STATUSES[self.prefix.shown], self.level, s.closed_as, s.grade])
        for author, index in sorted(self.forks.items()):
            out += struct.pack(">IQ", author, index)
        for effect in self.order:
            if effect.why != "forked":
                out += effect.event.id + bytes([EFFECTS[effect.kind], effect.sequenced])
        return out

    def digest(self):
        return sha256(self.digest_input())
