"""A log of one's own, to be witnessed: leaves, roots and consistency proofs of RFC 6962, signed checkpoints, and the bodies of
add-checkpoint (C2SP tlog-witness). Made from those documents alone; it shares no code with the program. Pure; one thread.

    log = TestLog("log.example/one"); log.grow(7); body = log.request(old=0)
"""
import base64

from c2sp_verify import leaf_hash, sha256
from receipt_maker import LOG, Signer
from tlog_reader import tree_root


def consistency(old, hashes):
    """RFC 6962 s2.1.2: PROOF(old, D[size])."""

    def sub(m, part, is_whole):
        if m == len(part):
            return [] if is_whole else [tree_root(part)]
        k = 1
        while 2 * k < len(part):
            k *= 2
        if m <= k:
            return sub(m, part[:k], is_whole) + [tree_root(part[k:])]
        return sub(m - k, part[k:], False) + [tree_root(part[:k])]

    return sub(old, hashes, True) if 0 < old < len(hashes) else []


class TestLog:
    __test__ = False  # not pytest's

    def __init__(self, origin, salt=b""):
        self.origin, self.salt, self.hashes = origin, salt, []
        self.signer = Signer(origin, LOG)
        self.vkey = self.signer.vkey

    @property
    def size(self):
        return len(self.hashes)

    @property
    def hash(self):
        """The path of this log at a witness."""
        return sha256(self.origin.encode()).hex()

    def grow(self, count):
        self.hashes += [leaf_hash(b"%s leaf %d" % (self.salt, self.size + i)) for i in range(count)]
        return self

    def checkpoint(self, size=None):
        size = self.size if size is None else size
        root = base64.b64encode(tree_root(self.hashes[:size])).decode()
        text = f"{self.origin}\n{size}\n{root}\n".encode()
        return text + b"\n" + self.signer.line(text)

    def request(self, old, size=None, proof=None):
        size = self.size if size is None else size
        if proof is None:
            proof = consistency(old, self.hashes[:size]) if old <= size else []
        lines = [f"old {old}"] + [base64.b64encode(h).decode() for h in proof]
        return "\n".join(lines).encode() + b"\n\n" + self.checkpoint(size)
