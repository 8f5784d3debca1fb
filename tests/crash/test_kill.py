"""kill -9 of the daemons under load: what was answered is kept, once, and the provinces come to the same state.

Three daemons, clients at each (load.py). In each round one of them dies: at work, after a random number of answers, or
while it starts. Then it is started again, at once or after the others have worked on without it.

TONGBAN_TEST_KILLS=N (200) kills, TONGBAN_TEST_SEED=S (1) dice; a failure prints the line that repeats it.
"""
import os
import random

import pytest
from cluster import wait_for
from load import Load, check_ledgers, find_item, three_provinces, verify_all

KILLS = int(os.environ.get("TONGBAN_TEST_KILLS", 200))
SEED = int(os.environ.get("TONGBAN_TEST_SEED", 1))


@pytest.fixture(autouse=True)
def reproduction(request, capsys):
    failed = request.session.testsfailed
    yield
    if request.session.testsfailed > failed:
        with capsys.disabled():
            print(f"\nagain: TONGBAN_TEST_SEED={SEED} TONGBAN_TEST_KILLS={KILLS} ./dev test crash_kill")


def holds_writer(node):
    """The daemon that was just started has taken the store: it is reading, recovering or sealing now."""
    return (node.dir / "writer.lock").read_text().strip() == str(node.pid)


def ledger_size(node):
    return node.get("/v1/status").ok().json()["ledger_size"]


class Killer:
    def __init__(self, load, nodes):
        self.load = load
        self.nodes = nodes
        self.dice = random.Random(SEED)
        self.sizes = {node: ledger_size(node) for node in nodes}

    def kill_at_work(self, victim):
        assert self.load.wait_answers(self.dice.choice([1, 1, 2, 3, 5, 8]), node=victim), f"{victim} answers nobody"
        victim.kill()

    def kill_while_starting(self, victim):
        starts = len(victim.log_lines("node.started"))
        victim.start(wait=False)
        wait_for(lambda: holds_writer(victim), what=f"{victim} to open its store")
        if self.dice.random() < 0.5:
            victim.wait_log("node.started", count=starts + 1)
        victim.kill()

    def start(self, victim):
        said = max((x.indexes[-1] + 1 for x in list(self.load.answers) if x.node is victim), default=0)
        victim.start()
        size = ledger_size(victim)
        assert size >= max(self.sizes[victim], said), f"{victim}: {size} entries after the kill, {said} were answered"
        self.sizes[victim] = size

    def run(self, kills):
        done = 0
        while done < kills:
            victim = self.dice.choice(self.nodes)
            self.kill_at_work(victim)
            done += 1
            if self.dice.random() < 0.4:
                others = [node for node in self.load.windows if node is not victim]
                assert self.load.wait_answers(4, node=self.dice.choice(others)), "the others stand still"
            while done < kills and self.dice.random() < 0.3:
                self.kill_while_starting(victim)
                done += 1
            self.start(victim)


def test_kill_under_load(cluster):
    desk, windows = three_provinces(cluster)
    item = find_item(windows[0], desk)
    find_item(windows[1], desk)
    nodes = [desk, *windows]
    load = Load(windows, desk, item, SEED, pace_s=0.05)
    load.start()
    Killer(load, nodes).run(KILLS)
    assert load.wait_answers(10), "no answers after the last kill"
    load.finish(120)
    entries = check_ledgers(load, nodes)
    assert entries > 10 * KILLS, f"{entries} entries: hardly anything was tried"
    verify_all(nodes)
    print(f"{KILLS} kills, {load.count} answers, {entries} entries")
