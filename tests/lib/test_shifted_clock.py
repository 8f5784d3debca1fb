"""The library that makes a daemon's wall clock wrong, tried on a process that tells what it reads."""
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cluster import wait_for
from shifted_clock import Clock

READ = """
import ctypes, json, sys, time
libc = ctypes.CDLL(None)
libc.time.restype = ctypes.c_int64
for line in sys.stdin:
    pair = (ctypes.c_int64 * 2)()
    libc.gettimeofday(pair, None)
    print(json.dumps({"realtime": time.clock_gettime(time.CLOCK_REALTIME), "coarse": time.clock_gettime(5), "gettimeofday": pair[0] + pair[1] / 1e6,
                      "time": libc.time(None), "monotonic": time.monotonic()}), flush=True)
"""


class Reader:
    def __init__(self, environment):
        self.process = subprocess.Popen([sys.executable, "-c", READ], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, **environment})

    def read(self):
        """{name: (at least, at most) how far it is from ours, in seconds}: it was read between two looks at ours. Some clocks give whole
        seconds or ticks."""
        before = {"wall": time.time(), "monotonic": time.monotonic()}
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        found = json.loads(self.process.stdout.readline())
        after = {"wall": time.time(), "monotonic": time.monotonic()}
        ours = {name: "monotonic" if name == "monotonic" else "wall" for name in found}
        return {name: (value - after[ours[name]] - 1.1, value - before[ours[name]] + 1.1) for name, value in found.items()}

    def close(self):
        self.process.communicate()


@pytest.fixture
def clock(tmp_path):
    return Clock(tmp_path / "clock")


@pytest.fixture
def reader(clock):
    made = Reader(clock.environment())
    yield made
    made.close()


def wall(read):
    return {name: shift for name, shift in read.items() if name != "monotonic"}


def is_shifted(found, low, high=None):
    """Can a clock that Reader.read() has @found be wrong by @low, or by something from @low to @high?"""
    return found[0] <= (low if high is None else high) and low <= found[1]


@pytest.mark.parametrize("seconds", [0, 600, -3600, 86400, -86400, 0.25])
def test_a_jump_while_it_runs(clock, reader, seconds):
    clock.set(86400 * 3)
    clock.set(seconds)
    read = reader.read()
    assert all(is_shifted(x, seconds) for x in wall(read).values()) and is_shifted(read["monotonic"], 0), read
    assert clock.shift() == seconds


@pytest.mark.parametrize("rate", [1000, -1000])
def test_drift(clock, reader, rate):
    clock.set(86400)
    clock.drift(rate)
    wait_for(lambda: abs(clock.shift() - 86400) > 1000, what="the clock to drift")
    before = clock.shift()
    read = reader.read()
    after = clock.shift()
    low, high = sorted((before, after))
    assert all(is_shifted(x, low, high) for x in wall(read).values()) and is_shifted(read["monotonic"], 0), (low, read, high)
    clock.set(0)
    assert all(is_shifted(x, 0) for x in wall(reader.read()).values())


def test_offset_and_rate_in_one_step(clock, reader):
    clock.set(86400, 1000)
    wait_for(lambda: clock.shift() > 86400 + 1000, what="the clock to drift")
    before = clock.shift()
    read = reader.read()
    assert all(is_shifted(x, before, clock.shift()) for x in wall(read).values()), (before, read)


def test_without_a_file_it_is_right(clock):
    environment = {**clock.environment(), "TONGBAN_TEST_CLOCK": "/nowhere"}
    reader = Reader(environment)
    assert all(is_shifted(x, 0) for x in reader.read().values())
    reader.close()


def test_no_sanitizer_is_in_it():
    """It comes before a sanitizer's runtime, whose functions are not there yet."""
    library = (Path(os.environ["TONGBAN_BIN"]) / "clockshift.so").read_bytes()
    assert b"clock_gettime\0" in library
    assert not any(name in library for name in (b"__asan_", b"__tsan_", b"__ubsan_"))
