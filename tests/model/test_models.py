"""Runs the SPIN models of this folder (README.md) and reads what SPIN itself says: no error, nothing cut short, and no fewer states
than the model had when it was written, so that one which has become empty does not pass. Each mutant must be caught, by the
property it breaks.
"""
import re
import resource
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
CPU_SECONDS_MAX = 240  # about ten times what the largest needs
DEPTH_MAX = 100000

SAFETY = (["-DSAFETY", "-DCOLLAPSE"], [])
LIVENESS = (["-DNFAIR=4", "-DCOLLAPSE"], ["-a", "-f"])  # acceptance cycles, weak fairness
L7 = ["-DLIVENESS", "-DN=4", "-DLIES=2"]
SEVEN = ["-DHONEST=5", "-DF=2", "-DCRASHES=0", "-DONE_STEP"]

# model, definitions, kind of search, fewest states
MODELS = [
    ("replication", [], SAFETY, 8_000_000),
    ("replication", L7, LIVENESS, 100_000),
    ("witness", ["-DK=3"], SAFETY, 150_000),
    ("witness", ["-DK=5", *SEVEN], SAFETY, 7_776),
    ("fold", [], SAFETY, 1_000_000),
    ("fold", ["-DEVENTS=6", "-DONE_CLOCK"], SAFETY, 1_500_000),
    ("erase", [], SAFETY, 13_000),
    ("erase", ["-DLIVENESS"], LIVENESS, 13_000),
]

L1_L5 = r"assertion violated .*k>=conf"
L3 = r"assertion violated .*signed_max"
L4 = r"assertion violated .*a>=\d.*b>=\d"
I3 = r"assertion violated .*order\[i\]==order1\[i\]"
E1 = r"assertion violated .*done\[me\]"
MUTANTS = [
    ("replication", ["-DMUTANT_NO_NUMBERS"], SAFETY, L1_L5),
    ("replication", ["-DMUTANT_NO_HEADS"], SAFETY, L1_L5),
    ("replication", ["-DMUTANT_ACK_ASKED"], SAFETY, r"assertion violated .*i<=durable_max"),
    ("replication", ["-DMUTANT_GAP"], SAFETY, L1_L5 + r"|assertion violated .*k>=cur"),
    ("replication", ["-DMUTANT_NO_SETBACK", *L7], LIVENESS, "acceptance cycle"),
    ("witness", ["-DMUTANT_RACE"], SAFETY, L3),
    ("witness", ["-DMUTANT_EARLY"], SAFETY, L3),
    ("witness", ["-DMUTANT_NO_PROOF"], SAFETY, L3),
    ("witness", ["-DK=2"], SAFETY, L4),
    ("witness", ["-DK=4", *SEVEN], SAFETY, L4),
    ("fold", ["-DMUTANT_NO_MAINLINE"], SAFETY, I3),
    ("fold", ["-DMUTANT_BOTH_LEAD"], SAFETY, I3),
    ("fold", ["-DMUTANT_NO_STATUS"], SAFETY, r"assertion violated .*i<=1"),
    ("erase", ["-DMUTANT_TAKE_AFTER"], SAFETY, E1),
    ("erase", ["-DMUTANT_STORE_AFTER"], SAFETY, E1),
    ("erase", ["-DMUTANT_ACK_FIRST"], SAFETY, E1),
    ("erase", ["-DMUTANT_NO_FINISH"], SAFETY, E1),
    ("erase", ["-DMUTANT_HOLD_FORGETS", "-DLIVENESS"], LIVENESS, "acceptance cycle"),
]


def limit_cpu():
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS_MAX, CPU_SECONDS_MAX))


def run(command, folder):
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1200, preexec_fn=limit_cpu)


def search(folder, model, definitions, kind):
    """What pan printed."""
    flags, arguments = kind
    (folder / "model.pml").write_text((FOLDER / f"{model}.pml").read_text())
    made = run(["spin", "-a", *definitions, "model.pml"], folder)
    assert made.returncode == 0 and "rror" not in made.stdout + made.stderr, made.stdout + made.stderr
    built = run(["gcc", "-O2", "-w", "-DMEMLIM=1500", *flags, "-o", "pan", "pan.c"], folder)
    assert built.returncode == 0, built.stderr
    done = run(["./pan", f"-m{DEPTH_MAX}", *arguments], folder)
    return done.stdout + done.stderr


def states_of(said):
    """With weak fairness SPIN counts each state once per round; "visited" then stands in brackets."""
    return int(re.search(r"^\s*(\d+) states, stored", said, re.M).group(1))


def ids(row):
    return " ".join([row[0], *row[1]])


@pytest.mark.parametrize("row", MODELS, ids=ids)
def test_holds(tmp_path, row):
    model, definitions, kind, fewest = row
    said = search(tmp_path, model, definitions, kind)
    assert re.search(r"errors: 0\b", said), said
    for trouble in ("Search not completed", "max search depth too small", "MEMLIM", "out of memory"):
        assert trouble not in said, said
    assert "assertion violations\t+" in said or kind is LIVENESS, said
    assert states_of(said) >= fewest, said
    print(states_of(said), re.search(r"elapsed time (\S+)", said).group(1))


@pytest.mark.parametrize("row", MUTANTS, ids=ids)
def test_mutant_is_caught(tmp_path, row):
    model, definitions, kind, breaks = row
    said = search(tmp_path, model, definitions, kind)
    assert re.search(r"errors: [1-9]", said) and re.search(breaks, said), said
