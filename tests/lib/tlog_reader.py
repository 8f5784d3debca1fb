#!/usr/bin/env python3
"""Reads a whole log through its tiles, as a public monitor would: made from the C2SP documents (tlog-tiles, tlog-checkpoint,
tlog-cosignature, tlog-policy, signed-note) and RFC 6962 alone, by way of c2sp_verify.py. It shares no code with the program.

    python3 tests/lib/tlog_reader.py PREFIX --policy P [--token FILE]     PREFIX such as http://127.0.0.1:8510/v1/ledger

Prints one line of JSON: origin, size, root, how many cosigned and whether that is the quorum. Raises Refused when the log
serves anything that its own checkpoint does not prove. Standard library and what c2sp_verify.py needs.
"""
import argparse
import json
import sys
import urllib.request
from pathlib import Path

from c2sp_verify import Policy, Refused, leaf_hash, need, node_hash, sha256

WIDTH = 256


def tile_path(level, number, width):
    """tlog-tiles, "Merkle Tree": @level is a number or "entries"."""
    groups = [f"{number % 1000:03d}"]
    while number >= 1000:
        number //= 1000
        groups.insert(0, f"x{number % 1000:03d}")
    return f"tile/{level}/{'/'.join(groups)}" + (f".p/{width}" if width < WIDTH else "")


def tiles_of(size, level):
    """(number, width) of every tile that a tree of @size has at @level."""
    hashes = size >> (8 * level)
    return [(n, min(WIDTH, hashes - n * WIDTH)) for n in range((hashes + WIDTH - 1) // WIDTH)]


def levels_of(size):
    return [level for level in range(8) if size >> (8 * level)]


def tree_root(hashes):
    """RFC 6962 s2.1."""
    if not hashes:
        return sha256(b"")
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    return node_hash(tree_root(hashes[:k]), tree_root(hashes[k:]))


def split_entries(bundle):
    """tlog-tiles, "Log entries": be16 length and entry, over and over."""
    entries, at = [], 0
    while at < len(bundle):
        need(at + 2 <= len(bundle), "an entry bundle ends in a length")
        size = int.from_bytes(bundle[at : at + 2], "big")
        need(at + 2 + size <= len(bundle), "an entry bundle ends in an entry")
        entries.append(bundle[at + 2 : at + 2 + size])
        at += 2 + size
    return entries


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.body = status, body
        self.headers = {name.lower(): value for name, value in headers.items()}


class Log:
    """A log behind @fetch(path) -> Answer, path below the prefix; judged by @policy (c2sp_verify.Policy)."""

    def __init__(self, fetch, policy):
        self.fetch, self.policy = fetch, policy

    def get(self, path, type):
        answer = self.fetch(path)
        need(answer.status == 200, f"status {answer.status} for {path}")
        need(answer.headers.get("content-type") == type, f"type of {path}")
        return answer

    def checkpoint(self):
        """(origin, size, root, {witness place: time}), signatures checked."""
        answer = self.get("checkpoint", "text/plain; charset=utf-8")
        cache = answer.headers.get("cache-control", "")
        need("no-store" in cache or "no-cache" in cache or "max-age=0" in cache, "a checkpoint must not be cached")
        return self.policy.open(answer.body)

    def tile(self, level, number, width):
        answer = self.get(tile_path(level, number, width), "application/octet-stream")
        need("immutable" in answer.headers.get("cache-control", ""), "a tile may be cached for long")
        return answer.body

    def hashes(self, level, number, width):
        tile = self.tile(level, number, width)
        need(len(tile) == 32 * width, f"size of tile {level}/{number}")
        return [tile[i : i + 32] for i in range(0, len(tile), 32)]

    def entries(self, number, width):
        entries = split_entries(self.tile("entries", number, width))
        need(len(entries) == width, f"number of entries in bundle {number}")
        return entries

    def read(self):
        """(entries, checkpoint): every entry, hashed into every tile of every level, up to the signed root."""
        checkpoint = self.checkpoint()
        size, root = checkpoint[1], checkpoint[2]
        entries = [entry for n, width in tiles_of(size, 0) for entry in self.entries(n, width)]
        below = [leaf_hash(entry) for entry in entries]
        need(tree_root(below) == root, "the entries do not have the signed root")
        for level in levels_of(size):
            for n, width in tiles_of(size, level):
                need(self.hashes(level, n, width) == below[n * WIDTH : n * WIDTH + width], f"tile {level}/{n}")
            full = len(below) // WIDTH
            below = [tree_root(below[i * WIDTH : (i + 1) * WIDTH]) for i in range(full)]
        return entries, checkpoint


def over_http(prefix, token=None):
    def fetch(path):
        request = urllib.request.Request(f"{prefix.rstrip('/')}/{path}")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as e:
            return Answer(e.code, e.headers, e.read())

    return fetch


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("prefix")
    parser.add_argument("--policy", required=True)
    parser.add_argument("--token")
    arguments = parser.parse_args()
    token = Path(arguments.token).read_text().strip() if arguments.token else None
    try:
        policy = Policy(Path(arguments.policy).read_bytes())
        entries, (origin, size, root, times) = Log(over_http(arguments.prefix, token), policy).read()
    except (OSError, Refused) as e:
        print(f"tlog_reader: {e}", file=sys.stderr)
        return 1
    is_final = policy.is_satisfied(times.keys())
    print(json.dumps({"origin": origin, "size": size, "root": root.hex(), "entries": len(entries),
                      "cosigned": len(times), "quorum": is_final}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
