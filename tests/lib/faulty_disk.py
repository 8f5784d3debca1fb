"""The faulty disk of one daemon (tests/preload/faultdisk.c), which a test makes fail and work again while the daemon runs.

    faults = Faults(node)
    node.start(env=faults.environment())
    faults.set("sync_io", "ledger.db", 0)
    wait_for(faults.has_fired, what="the disk to refuse")
"""
from pathlib import Path

import preload_library


class Faults:
    """The faulty disk of one node."""

    def __init__(self, node):
        self.path = node.dir.with_suffix(".fault")
        self.fired_path = Path(f"{self.path}.fired")
        self.sequence = 0
        self.set("none", "x", 0)

    def environment(self):
        return preload_library.environment("faultdisk", TONGBAN_TEST_FAULT=str(self.path))

    def set(self, kind, name, count):
        self.sequence += 1
        new = Path(f"{self.path}.new")
        new.write_text(f"{self.sequence} {kind} {name} {count}\n")
        new.rename(self.path)  # never half a line

    def has_fired(self):
        return self.fired_path.exists() and str(self.sequence) in self.fired_path.read_text().split()
