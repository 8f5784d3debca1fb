"""A peer that is silent, not dead (SIGSTOP): its connections stand, nothing comes.

The others go on, notice it after twice the ping interval (federation/link_nng.h: 10 s, looked at once a second), and
when it speaks again all come to the same state without a restart.
"""
import time

import pytest
from cluster import wait_for
from load import Load, check_ledgers, find_item, three_provinces, verify_all

DEAD_LINE_SECONDS = 10
LATE_SECONDS = 8  # after the dead line; a look a second is allowed, the rest is the machine's
TRIES = 5  # a machine that stands still is silent, too, and sees late: what happens then says nothing
SHORT_TRIES = 3


@pytest.fixture
def loaded(cluster):
    desk, windows = three_provinces(cluster)
    item = find_item(windows[0], desk)
    find_item(windows[1], desk)
    load = Load(windows, desk, item, pace_s=0.1)
    load.start()
    assert load.wait_answers(10)
    return load, desk, windows


def peer_state(node, other):
    rows = node.get("/v1/peers").ok().json()["peers"]
    return next(x["state"] for x in rows if x["code"] == int(other.region))


def wait_connected(nodes):
    for node in nodes:
        wait_for(lambda n=node: n.get("/v1/status").ok().json()["peers_connected"] == len(nodes) - 1, what=f"{node} to be connected")


def finish(load, desk, windows):
    nodes = [desk, *windows]
    wait_connected(nodes)
    load.finish()
    check_ledgers(load, nodes)
    verify_all(nodes)


@pytest.mark.parametrize("who", ["desk", "window"])
def test_silent_peer_is_noticed_and_comes_back(loaded, who):
    load, desk, windows = loaded
    silent = desk if who == "desk" else windows[0]
    others = [node for node in (desk, *windows) if node is not silent]
    pid = silent.pid
    lost = lambda node: [x for x in node.log_lines("peer.lost") if x.subject == silent.region]
    tries = []  # seconds until all had noticed
    for _ in range(TRIES):
        lost_before = {node: len(lost(node)) for node in others}
        silent.pause()
        began = time.monotonic()
        for node in others:
            wait_for(lambda n=node: len(lost(n)) > lost_before[n], what=f"{node} to notice the silence")
            assert "no answer" in lost(node)[-1].text, lost(node)[-1]
            assert peer_state(node, silent) == "lost"
        tries.append(time.monotonic() - began)
        if DEAD_LINE_SECONDS - 6 < tries[-1] < DEAD_LINE_SECONDS + LATE_SECONDS:
            break
        silent.resume()
        wait_connected([desk, *windows])
    else:
        raise AssertionError(f"lost after {', '.join(f'{x:.1f}' for x in tries)} s, each time: too soon for a busy peer, or too late")
    assert load.wait_answers(10, node=windows[1]), "a window must go on when a peer is silent"
    for node in others:
        wait_for(lambda n=node: all(peer_state(n, other) == "connected" for other in others if other is not n), what="the others to stand together")

    silent.resume()
    finish(load, desk, windows)
    assert silent.pid == pid


def test_short_silence_is_no_loss(loaded):
    load, desk, windows = loaded
    nodes = [desk, *windows]
    lost = lambda: [len(node.log_lines("peer.lost")) for node in nodes]
    for silent in (desk, windows[0], desk):
        for _ in range(SHORT_TRIES):
            before, began = lost(), time.monotonic()
            silent.pause()
            assert load.wait_answers(5, node=windows[1]), "a window must go on when a peer is silent"
            silent.resume()
            took = time.monotonic() - began
            assert load.wait_answers(5, node=windows[0])  # time to tell of a loss
            if lost() == before:
                break
            wait_connected(nodes)
        else:
            raise AssertionError(f"each silence was a loss, also that of {took:.1f} s")
    finish(load, desk, windows)
