"""The wrong wall clock of one daemon (tests/preload/clockshift.c), which a test sets and lets drift while the daemon runs.

    clock = Clock(node.dir.with_suffix(".clock"))
    node.start(env=clock.environment())
    clock.set(+86400)
    clock.drift(0.5)                     # from where it is, by half a second each second
    clock.set(0)

One thread uses a clock. What other clocks show (CLOCK_MONOTONIC, the times of files) stays right.
"""
import mmap
import struct
import time
from pathlib import Path

import preload_library

SECOND = 10**9
SIZE = 56  # how many states were set, two states of three numbers each


class Clock:
    """A clock that is right at first. @path: of its file, made anew. @bin_dir: where the library is, if not in TONGBAN_BIN."""

    def __init__(self, path, bin_dir=None):
        self.path = Path(path)
        self.bin_dir = bin_dir
        self.path.write_bytes(bytes(SIZE))
        with open(self.path, "r+b") as f:
            self._map = mmap.mmap(f.fileno(), SIZE)
        self._count = 0
        self._state = (0, 0, 0)

    def environment(self):
        return preload_library.environment("clockshift", self.bin_dir, TONGBAN_TEST_CLOCK=str(self.path))

    def shift(self, at=None):
        """Seconds by which it is wrong now, or was or will be at @at (time.monotonic()) if nobody touches it."""
        offset, since, ppm = self._state
        at_ns = time.monotonic_ns() if at is None else int(at * SECOND)
        return (offset + (at_ns - since) * ppm // 1000000) / SECOND

    def set(self, seconds, rate=0.0):
        """Wrong by @seconds from now on, and by @rate more each second; less than -1 lets it run backwards."""
        self._put(int(seconds * SECOND), int(rate * 1000000))

    def drift(self, rate):
        """From where it is, @rate seconds more each second."""
        self._put(int(self.shift() * SECOND), int(rate * 1000000))

    def _put(self, offset_ns, ppm):
        """What a daemon may be reading at this moment is not touched: only the state before it."""
        self._state = (offset_ns, time.monotonic_ns(), ppm)
        self._count += 1
        struct.pack_into("qqq", self._map, 8 + 24 * (self._count & 1), *self._state)
        struct.pack_into("Q", self._map, 0, self._count)  # one store of eight bytes
