"""Makes ledgers, witnesses, policies and receipts for tests, from seeds, and damages receipts in every way a test wants.

    world = World(nodes=4)                          # ledgers and witnesses of four provinces, a safe quorum
    receipt = world.receipt(leaf=make_leaf(...))    # Receipt: .text (tlog-proof), .spans of its parts
    for place, damaged in flips(receipt.text): ...

The signatures are real (python3-cryptography); the trees need not be: a path may be made of any hashes, whose root is then
signed, so that a ledger of 2^32 entries costs nothing. Pure; one thread.
"""
import base64
import random
import struct

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from c2sp_verify import BASE45, leaf_hash, path_count, root_of, sha256

LOG, WITNESS = 1, 4
TIME = 1_790_000_000
EVENTS = {"submit": 1, "receipt": 6, "accept": 7, "decide": 15, "note": 21}


class Signer:
    """An Ed25519 key made of its name and type."""

    def __init__(self, name, type):
        self.name, self.type = name, type
        self._key = Ed25519PrivateKey.from_private_bytes(sha256(f"{type} {name}".encode()))
        self.public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        typed = bytes([type]) + self.public
        self.id = sha256(name.encode() + b"\n" + typed)[:4]
        self.vkey = f"{name}+{self.id.hex()}+{base64.b64encode(typed).decode()}"

    def sign(self, text):
        return self._key.sign(text)

    def line(self, text, time=None):
        """A signature line over the note text @text; with @time (type 4) a cosignature."""
        blob = self.id
        if self.type == WITNESS:
            blob += struct.pack(">Q", time) + self.sign(b"cosignature/v1\ntime %d\n" % time + text)
        else:
            blob += self.sign(text)
        return f"— {self.name} {base64.b64encode(blob).decode()}\n".encode()


def make_leaf(author=510000, index=7, act="accept", ms=TIME * 1000 - 5000, case=bytes(range(16)), attributes=(), kind=1,
              parents=1, recipients=1, item="11510000TEMP00013D20007KSTB0052"):
    """Leaf bytes by "Leaf" of FORMATS.md. @attributes: (tag, value) ascending."""
    type = EVENTS.get(act, act) if kind == 1 else 0
    out = bytes.fromhex("58504c4541460001") + struct.pack(">BBIQQ", kind, 1, author, index, ms << 16) + case
    out += struct.pack(">HHIH", type, 3, int.from_bytes(sha256(item.encode())[:4], "big"), 1)
    out += bytes([parents]) + b"".join(struct.pack(">IQ", 440000, i) + sha256(b"%d" % i) for i in range(parents))
    out += bytes([recipients]) + b"".join(struct.pack(">IQ", 440000 + i, 3) for i in range(recipients))
    out += sha256(b"salt %d" % index) + struct.pack(">I", 1) + sha256(b"key")
    out += struct.pack(">I", 200) + sha256(b"payload")
    out += struct.pack(">H", len(attributes))
    for tag, value in attributes:
        out += struct.pack(">HH", tag, len(value)) + value
    return out + struct.pack(">H", 0)


class Receipt:
    """A tlog-proof text with its parts named: spans["what"] = range of bytes."""

    def __init__(self, parts):
        self.text, self.spans = b"", {}
        for name, data in parts:
            self.spans[name] = range(len(self.text), len(self.text) + len(data))
            self.text += data

    def part_of(self, at):
        return next(name for name, span in self.spans.items() if at in span)


class World:
    """Ledgers and witnesses of @nodes provinces, and the policy that a receipt of any is judged by."""

    def __init__(self, nodes=4, needed=3):
        codes = [110000 + 10000 * i for i in range(nodes)]
        self.logs = {code: Signer(f"{code}.tongban.example/log/1", LOG) for code in codes}
        self.witnesses = [Signer(f"{code}.tongban.example/witness", WITNESS) for code in codes]
        names = [w.name for w in self.witnesses]
        rows = ["# made for tests"] + [f"log {log.vkey}" for log in self.logs.values()]
        rows += [f"witness {w.name} {w.vkey}" for w in self.witnesses]
        rows += [f"group all {needed} " + " ".join(names), "quorum all"] if needed else ["quorum none"]
        self.policy = "".join(row + "\n" for row in rows).encode()

    def members(self, names):
        """(member list, verifier key of the federation): the nodes of this world as "Member list" of FORMATS.md has them."""
        office = Signer("tongban.example", LOG)
        lines = ""
        for place, (code, name) in enumerate(zip(self.logs, names, strict=True)):
            seal = base64.b64encode(sha256(b"seal %d" % code)).decode()
            lines += f"{code} {name} tls+tcp://10.0.0.{place + 1}:7510 {self.logs[code].name} {self.logs[code].vkey} "
            lines += f"{self.witnesses[place].vkey} {seal}\n"
        digest = base64.b64encode(sha256(lines.encode())).decode()
        text = f"tongban-members/v2\n{office.name}\n3\n{len(names)}\n{digest}\n".encode()
        return text + b"\n" + office.line(text) + b"\n" + lines.encode(), office.vkey

    def receipt(self, author, leaf, index, size, cosigned=(), times=(), foreign=(), seed=0):
        """@cosigned: witnesses by place; @times: theirs (default TIME, TIME + 60, …); @foreign: unknown signers' lines."""
        path = [random.Random((seed << 8) + i).randbytes(32) for i in range(path_count(index, size))]
        root = root_of(index, size, leaf_hash(leaf), path)
        log = self.logs[author]
        body = f"{log.name}\n{size}\n{base64.b64encode(root).decode()}\n".encode()
        times = list(times) or [TIME + 60 * i for i in range(len(cosigned))]
        parts = [("header", b"c2sp.org/tlog-proof@v1\n"), ("extra", b"extra " + base64.b64encode(leaf) + b"\n"),
                 ("index", b"index %d\n" % index)]
        parts += [(f"hash {i}", base64.b64encode(h) + b"\n") for i, h in enumerate(path)]
        parts += [("border", b"\n"), ("checkpoint", body), ("note border", b"\n"), ("log signature", log.line(body))]
        parts += [(f"cosignature {i}", self.witnesses[w].line(body, times[i])) for i, w in enumerate(cosigned)]
        parts += [(f"foreign {i}", signer.line(body, TIME)) for i, signer in enumerate(foreign)]
        return Receipt(parts)


def to_base45(data):
    """RFC 9285."""
    out = b""
    for at in range(0, len(data), 2):
        group = data[at : at + 2]
        value = int.from_bytes(group, "big")
        out += bytes(BASE45[value // 45**i % 45] for i in range(len(group) + 1))
    return out


def flips(data, step=1):
    """(place, data with one bit changed), every @step-th bit."""
    for bit in range(0, 8 * len(data), step):
        damaged = bytearray(data)
        damaged[bit >> 3] ^= 1 << (bit & 7)
        yield bit >> 3, bytes(damaged)


def damage(data, rng):
    """@data changed in one of the ways that files get damaged or forged, never equal to it."""
    while True:
        at, size = rng.randrange(len(data)), rng.choice([1, 1, 2, 3, 8, 32, 64])
        way = rng.randrange(8)
        if way == 0:
            out = data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        elif way == 1:
            out = data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
        elif way == 2:
            out = data[:at] + data[at + size :]
        elif way == 3:
            out = data[:at] + rng.randbytes(size) + data[at:]
        elif way == 4:  # a piece twice
            out = data[:at] + data[max(0, at - size) : at] + data[at:]
        elif way == 5:  # two lines change places
            lines = data.split(b"\n")
            i, k = rng.randrange(len(lines)), rng.randrange(len(lines))
            lines[i], lines[k] = lines[k], lines[i]
            out = b"\n".join(lines)
        elif way == 6:  # a line less, or twice
            lines = data.split(b"\n")
            i = rng.randrange(len(lines))
            out = b"\n".join(lines[:i] + lines[i + rng.choice([0, 1]) :] if rng.random() < 0.5 else lines[: i + 1] + lines[i:])
        else:
            out = data[:at]
        if out != data:
            return out
