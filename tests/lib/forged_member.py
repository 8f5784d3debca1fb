"""A member that answers as it likes: the author's side of PROTOCOL.md over TLS with a real certificate, and a ledger that is signed
with the member's own key but says what no honest node writes. For hostile tests; made from the documents alone.

    with ForgedMember(hostile, "tongban.example") as member:   # a cluster.Node that is published and whose daemon does not run
        member.append(make_leaf(...), payload)     # or member.add(kind=5, to=[510000], …), which numbers it
        member.answers[CASE_PULL] = lambda asked, code: envelope(CASE_ENTRIES, …)
        other = member.fork(440000); other.add(…)  # what that one is shown from now on

Those that dial it get HELLO, BATCHes of everything that is addressed to them (all else as hashes), and ERROR 503 for what has no
answer here. One thread for each connection.
"""
import base64
import hashlib
import socket
import ssl
import struct
import threading
import time

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from c2sp_verify import leaf_hash, sha256
from receipt_maker import LOG, WITNESS, Signer
from sp_client import BATCH, ERROR, GOSSIP, GREETING_REP, GREETING_REQ, HELLO, HINT, OK, PULL, envelope, fields, message
from tlog_reader import tree_root

MAGIC = bytes.fromhex("58504c4541460001")
EVENT, ERASE, EVIDENCE = 1, 5, 6
EVERYONE = 0
RECEIPT_PULL, RECEIPT, CASE_PULL, CASE_ENTRIES = 12, 13, 16, 17


def leaf_bytes(author, index, kind=EVENT, type=0, case=bytes(16), to=(), parents=(), attributes=(), payload_size=0, payload_hash=bytes(32),
               salt=bytes(32), epoch=0, commit=bytes(32), ms=None, item=0, rules=1, role=0):
    """(bytes before the payload hash, the whole leaf) by "Leaf" of FORMATS.md. @to: (node, number) ascending; @attributes: (tag, value)."""
    ms = int(time.time() * 1000) if ms is None else ms
    head = MAGIC + struct.pack(">BBIQQ", kind, 1, author, index, ms << 16) + case + struct.pack(">HHIH", type, role, item, rules)
    head += bytes([len(parents)]) + b"".join(struct.pack(">IQ", node, place) + hash for node, place, hash in parents)
    head += bytes([len(to)]) + b"".join(struct.pack(">IQ", node, number) for node, number in to)
    head += salt + struct.pack(">I", epoch) + commit + struct.pack(">I", payload_size)
    tail = payload_hash + struct.pack(">H", len(attributes))
    tail += b"".join(struct.pack(">HH", tag, len(value)) + value for tag, value in attributes)
    return head, head + tail + struct.pack(">H", 0)


def inclusion(place, hashes):
    """RFC 6962 s2.1.1: PATH(place, D[n]) from leaf hashes."""
    if len(hashes) < 2:
        return []
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    if place < k:
        return inclusion(place, hashes[:k]) + [tree_root(hashes[k:])]
    return inclusion(place - k, hashes[k:]) + [tree_root(hashes[:k])]


class KeySigner(Signer):
    """Signer of a node: the key in its folder."""

    def __init__(self, name, path, type=LOG):
        self.name, self.type = name, type
        self._key = load_pem_private_key(path.read_bytes(), None)
        self.public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.id = sha256(name.encode() + b"\n" + bytes([type]) + self.public)[:4]


class ForgedLedger:
    """Entries of one author with numbers for each recipient, and notes over them."""

    def __init__(self, code, signer):
        self.code, self.signer = code, signer
        self.entries = []  # (leaf, payload, is_held, recipients)
        self.hashes = []
        self.numbers = {}
        self.grants = {}  # peer: sealed keys that go with each of its batches

    def append(self, leaf, payload=b"", is_held=True, to=()):
        """Bytes that are given out as they stand. @to: whom the batches show them to."""
        self.entries.append((leaf, payload, is_held, tuple(to)))
        self.hashes.append(leaf_hash(leaf))
        return len(self.entries) - 1

    def add(self, to=(EVERYONE,), payload=b"", is_held=True, **parts):
        """An entry with the next numbers, its payload public; the index."""
        rows = []
        for node in sorted(to):
            self.numbers[node] = self.numbers.get(node, 0) + 1
            rows.append((node, self.numbers[node]))
        size = parts.pop("payload_size", len(payload))
        hash = sha256(payload) if payload else bytes(32) if size == 0 else sha256(b"kept back")
        leaf = leaf_bytes(self.code, len(self.entries), to=rows, payload_size=size, payload_hash=hash, **parts)[1]
        return self.append(leaf, payload, is_held, to)

    def note(self, size=None, hashes=None):
        hashes = self.hashes if hashes is None else hashes
        size = len(hashes) if size is None else size
        root = tree_root(hashes[:size]) if size else hashlib.sha256(b"").digest()
        text = f"{self.signer.name}\n{size}\n{base64.b64encode(root).decode()}\n".encode()
        return text + b"\n" + self.signer.line(text)

    def batch(self, peer, start, count):
        """BATCH of at most @count entries from @start on, to @peer."""
        end = min(len(self.entries), start + count)
        target, rows = end, []
        for place in range(start, end):
            leaf, payload, is_held, to = self.entries[place]
            if peer in to or EVERYONE in to:
                rows.append((5, message([(1, leaf), (2, payload), (3, int(is_held))])))
            else:
                rows.append((5, message([(5, self.hashes[place])])))
        return envelope(BATCH, [(1, self.code), (2, start), (3, end), (4, target), *rows, (7, self.note(target)),
                                (9, int(end < len(self.entries))), (10, self.grants.get(peer, b""))])


class Fork(ForgedLedger):
    """Another history of a member's ledger, from where it stands now."""

    def __init__(self, member):
        super().__init__(member.code, member.signer)
        self.member = member
        self.entries, self.hashes, self.numbers = list(member.entries), list(member.hashes), dict(member.numbers)

    def append(self, *arguments, **options):
        with self.member.changed:
            place = super().append(*arguments, **options)
            self.member.changed.notify_all()
        return place


class ForgedMember(ForgedLedger):
    def __init__(self, node, federation, batch_entries=16, host="127.0.0.1"):
        super().__init__(int(node.region), KeySigner(f"{node.region}.{federation}/log/1", node.dir / "ledger.key"))
        self.witness = KeySigner(f"{node.region}.{federation}/witness", node.dir / "witness.key", WITNESS)
        self.forks = {}  # code of a peer: the Fork that it is shown
        self.answers = {}  # number of the request's body: function(its fields, asker's code or None) -> answer
        self.asked = []  # numbers of bodies
        self.batch_entries = batch_entries
        self.changed = threading.Condition()
        self.is_closing = False
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.context.num_tickets = 0
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.load_verify_locations(node.dir / "ca.crt")
        self.context.load_cert_chain(node.dir / "tls.crt", node.dir / "tls.key")
        self.address = (host, node.federation_port)
        self.listener = None
        self.connections = []

    def __enter__(self):
        self.listener = socket.create_server(self.address)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        with self.changed:
            self.is_closing = True
            self.changed.notify_all()
        for sock in (self.listener, *self.connections):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # closed by the other side
            sock.close()

    def append(self, *arguments, **options):
        with self.changed:
            place = super().append(*arguments, **options)
            self.changed.notify_all()
        return place

    def fork(self, *peers):
        fork = Fork(self)
        self.forks.update(dict.fromkeys(peers, fork))
        return fork

    def shown(self, peer):
        """The ledger that @peer is shown."""
        return self.forks.get(peer, self)

    # ---- the connection

    def _accept(self):
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return  # close()
            self.connections.append(raw)
            threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _serve(self, raw):
        try:
            sock = self.context.wrap_socket(raw, server_side=True)
            self.connections.append(sock)
            sock.sendall(GREETING_REP)
            assert self._read(sock, 8) == GREETING_REQ
            peer = {}
            lock = threading.Lock()
            while True:
                data = self._read(sock, struct.unpack(">Q", self._read(sock, 8))[0])
                at = 4
                while not data[at - 4] & 0x80:  # the backtrace ends with the request's number
                    at += 4
                threading.Thread(target=self._answer, args=(sock, lock, peer, data[:at], data[at:]), daemon=True).start()
        except (OSError, AssertionError, struct.error):
            pass  # the other side has had enough, or the test is over

    @staticmethod
    def _read(sock, size):
        out = b""
        while len(out) < size:
            part = sock.recv(size - len(out))
            if not part:
                raise ConnectionError("closed by the other side")
            out += part
        return out

    def _answer(self, sock, lock, peer, trace, body):
        answer = self._reply(peer, body) if body else b""  # an empty one is a ping
        try:
            with lock:
                sock.sendall(struct.pack(">Q", len(trace) + len(answer)) + trace + answer)
        except OSError:
            pass  # as above

    def _reply(self, peer, body):
        (kind, (content, *_)), *_ = fields(body).items()
        asked = fields(content)
        self.asked.append(kind)
        if kind == HELLO:
            peer["code"] = asked[4][0]
        if kind in self.answers:
            return self.answers[kind](asked, peer.get("code"))
        if kind == HELLO:
            return envelope(HELLO, [(1, 1), (2, 1), (3, "sha256-ed25519-aes256gcm"), (4, self.code), (5, "forged"),
                                    (6, int(time.time() * 1000)), (7, len(self.shown(peer["code"]).entries)), (11, 1)])
        if kind == PULL:
            return self._pull(peer["code"], asked)
        if kind in (HINT, GOSSIP):
            return envelope(OK, [])
        return envelope(ERROR, [(1, 503), (2, "forged.no-answer"), (3, "no answer here"), (4, 1000)])

    def _pull(self, peer, asked):
        start = asked.get(8, asked.get(2, [0]))[0]
        deadline = time.monotonic() + asked.get(7, [0])[0] / 1000
        with self.changed:
            while len(self.shown(peer).entries) <= start and not self.is_closing and time.monotonic() < deadline:
                self.changed.wait(deadline - time.monotonic())
            return self.shown(peer).batch(peer, start, self.batch_entries)
