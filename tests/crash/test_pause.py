"""A peer that is silent, not dead (SIGSTOP): its connections stand, nothing comes.

The others go on, notice it after twice the ping interval (federation/link_nng.h: 10 s, looked at once a second), and
when it speaks again all come to the same state without a restart.
"""
import time

import pytest
from cluster import wait_for
from load import Load, check_ledgers, find_item, three_provinces, verify_all

DEAD_LINE_SECONDS = 10
LATE_SECONDS = 8  # of ticks, and of a machine that has other things to do


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


def finish(load, desk, windows):
    nodes = [desk, *windows]
    for node in nodes:
        wait_for(lambda n=node: n.get("/v1/status").ok().json()["peers_connected"] == 2, 60, what=f"{node} to be connected")
    load.finish()
    check_ledgers(load, nodes)
    verify_all(nodes)


@pytest.mark.parametrize("who", ["desk", "window"])
def test_silent_peer_is_noticed_and_comes_back(loaded, who):
    load, desk, windows = loaded
    silent = desk if who == "desk" else windows[0]
    others = [node for node in (desk, *windows) if node is not silent]
    pid = silent.pid
    lost_before = {node: len(node.log_lines("peer.lost")) for node in others}

    silent.pause()
    began = time.monotonic()
    for node in others:
        lines = node.wait_log("peer.lost", lost_before[node] + 1, DEAD_LINE_SECONDS + LATE_SECONDS)
        assert lines[-1].subject == silent.region and "no answer" in lines[-1].text, lines[-1]
        assert peer_state(node, silent) == "lost"
    noticed = time.monotonic() - began
    assert noticed > DEAD_LINE_SECONDS - 6, f"lost after {noticed:.1f} s: a busy peer would be lost too"
    assert load.wait_answers(10, node=windows[1]), "a window must go on when a peer is silent"
    assert all(peer_state(node, other) == "connected" for node in others for other in others if other is not node)

    silent.resume()
    finish(load, desk, windows)
    assert silent.pid == pid


def test_short_silence_is_no_loss(loaded):
    load, desk, windows = loaded
    lost_before = [len(node.log_lines("peer.lost")) for node in (desk, *windows)]
    for silent in (desk, windows[0], desk):
        silent.pause()
        assert load.wait_answers(5, node=windows[1]), "a window must go on when a peer is silent"
        silent.resume()
    finish(load, desk, windows)
    assert [len(node.log_lines("peer.lost")) for node in (desk, *windows)] == lost_before
