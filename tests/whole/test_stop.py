"""A daemon that is asked to stop ends with status 0, whatever its connections are doing at that moment."""
import os
import re
import signal
import time
from pathlib import Path

import preload_library
from cluster import PATIENCE_SECONDS, wait_for

ROUNDS = int(os.environ.get("TONGBAN_TEST_ROUNDS", "3"))


def test_stops_and_starts_beside_connections(cluster):
    """One stops while it shakes hands, with the others dialling it; then all at once. Node.stop() notes any status but 0."""
    nodes = [cluster.add_node(code, name, proxied=False, files=True)
             for code, name in (("510000", "四川省"), ("320000", "江苏省"), ("440000", "广东省"))]
    cluster.start()
    for number in range(ROUNDS):
        node = nodes[number % len(nodes)]
        node.stop()
        node.start()
        for x in nodes:
            x.process.terminate()
        for x in nodes:
            x.stop()
        for x in nodes:
            x.start(wait=False)
        for x in nodes:
            x.wait_ready()
    cluster.check()


def test_a_second_signal_does_not_kill_what_ends_well(cluster):
    """An operator who presses Ctrl-C again and again, at any moment of the end, sees status 0."""
    node = cluster.add_node("510000", "四川省", proxied=False)
    cluster.start()
    for _ in range(5 * ROUNDS):
        while node.process.poll() is None:
            node.process.terminate()
        assert node.process.returncode == 0
        node.process = None
        node.start()


def test_stops_while_it_asks_the_others(cluster):
    """Before it writes, a node asks the others what they hold of its ledger. A SIGTERM in that time, also in the very turn of the loop in
    which the last answer comes, ends it before it has started."""
    other = cluster.add_node("440000", "广东省", proxied=False)
    node = cluster.add_node("510000", "四川省", proxied=False)
    cluster.publish()
    other.start()
    env = preload_library.environment("slowpoll", TONGBAN_TEST_POLL_MS="60")
    starts = lambda: len(node.log_lines("node.started"))
    pause = asking = 0  # how long a SIGTERM is held back; how many of them came while it asked
    deadline = time.monotonic() + 3 * PATIENCE_SECONDS
    while time.monotonic() < deadline:
        before = starts()
        node.start(wait=False, env=env)
        wait_for(lambda: has_signal(Path(f"/proc/{node.pid}"), "SigCgt", signal.SIGTERM), what="the node to take signals")
        until = time.monotonic() + pause
        while time.monotonic() < until and starts() == before:
            pass
        node.stop()
        if starts() == before:
            asking, pause = asking + 1, pause + max(0.02, pause / 10)  # finely, and there in the end where all is ten times slower
        elif asking > 2:
            return
    raise AssertionError(f"{asking} of the starts were stopped while it asked; pauses up to {pause:.2f} s")


def test_stops_while_it_opens_its_store(cluster):
    """As the first process of a container it would not get a SIGTERM that it has not asked for: none is lost, and the end is in order."""
    node = cluster.add_node("510000", "四川省", proxied=False)
    cluster.start()
    for _ in range(5 * ROUNDS):
        node.stop()
        node.start(wait=False)
        pid = str(node.pid)
        wait_for(lambda p=pid: (node.dir / "writer.lock").read_text().strip() == p, what="the node to open its store")


def has_signal(process, set_name, number):
    """Is the signal @number in the set that /proc tells as @set_name?"""
    members = int(re.search(rf"^{set_name}:\s*([0-9a-f]+)", (process / "status").read_text(), re.M).group(1), 16)
    return members >> (number - 1) & 1 == 1


def takes_sigterm(thread):
    return not has_signal(thread, "SigBlk", signal.SIGTERM)


def test_signals_are_for_the_loops_thread(cluster):
    """A SIGTERM that another thread takes ends the process on the spot at the moment in which no handler stands any more."""
    nodes = [cluster.add_node(code, name, proxied=False) for code, name in (("510000", "四川省"), ("440000", "广东省"))]
    cluster.start()
    for node in nodes:
        threads = list(Path(f"/proc/{node.pid}/task").iterdir())
        assert len(threads) > 3
        assert [x.name for x in threads if takes_sigterm(x)] == [str(node.pid)]
