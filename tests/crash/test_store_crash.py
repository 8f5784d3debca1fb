"""kill -9 against the store: what was acknowledged is there, nothing is there in part, and the next writer gets in.

What a power cut does to unsynced writes is tried with a faulty disk in tests/unit/store/test_fault.c; here the process
is real and dies at any instruction.
"""
import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROUNDS = 30
DEADLINE_S = 60


@pytest.fixture
def program():
    path = Path(os.environ.get("TONGBAN_BIN", "build/debug/bin")) / "store_crash"
    assert path.exists(), f"{path} is not built"
    return str(path)


def check(program, folder):
    """(batches, head) that the folder holds; fails when anything is there in part."""
    done = subprocess.run([program, "check", folder], capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    found = dict(re.findall(r"^(head|whole) (\d+)$", done.stdout, re.M))
    return int(found["whole"]), int(found["head"])


class Writer:
    """A writer at work, and what it has acknowledged."""

    def __init__(self, program, folder):
        self.acked = {"open": 0, "batch": 0, "head": 0}
        self.process = subprocess.Popen([program, "write", folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def read_line(self):
        line = self.process.stdout.readline()
        if line.endswith("\n"):
            kind, number = line.split()
            self.acked[kind] = int(number)
        return line

    def kill(self):
        """SIGKILL, and then the lines that were out before it."""
        self.process.send_signal(signal.SIGKILL)
        while self.read_line():
            pass
        assert self.process.wait(timeout=DEADLINE_S) == -signal.SIGKILL, self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.mark.parametrize("seed", [1])
def test_acknowledged_batches_survive_kill_9(program, tmp_path, seed):
    dice = random.Random(seed)
    batches = head = 0
    for number in range(ROUNDS):
        writer = Writer(program, str(tmp_path))
        # Some rounds end while the store is being opened or recovered, most of them somewhere in a commit.
        lines = dice.choice([0, 0, 1, 2, 5, 20, 60])
        for _ in range(lines):
            assert writer.read_line(), writer.process.stderr.read()
        time.sleep(dice.random() * 0.004)  # not to wait for anything: to die at another instruction each time
        writer.kill()

        if writer.acked["open"]:
            assert writer.acked["open"] == batches, f"round {number}: opened with another number of batches"
        acked = max(writer.acked["batch"], batches)
        signed = max(writer.acked["head"], head)
        batches, head = check(program, str(tmp_path))
        assert acked <= batches <= acked + 1, f"round {number}: {acked} acknowledged, {batches} there"
        assert signed <= head <= signed + 1 and head <= batches, f"round {number}: head {signed} acknowledged, {head} there"
    assert batches > ROUNDS, "hardly anything was written: the rounds tried nothing"


def test_a_killed_writer_leaves_no_lock(program, tmp_path):
    first = Writer(program, str(tmp_path))
    assert first.read_line().startswith("open ")
    refused = subprocess.run([program, "check", str(tmp_path)], capture_output=True, text=True, timeout=DEADLINE_S)
    assert refused.returncode == 1
    assert "store.locked" in refused.stderr and f"process {first.process.pid}" in refused.stderr
    first.kill()
    batches, _ = check(program, str(tmp_path))
    assert batches >= first.acked["batch"]
