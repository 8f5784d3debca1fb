"""Five provinces in containers, with load on them: what most tests of this folder begin with and end with."""
from cluster import wait_for
from history import RecordedLoad, check
from load import find_item

WAIT_SECONDS = 180  # for what a node does within a few, where nothing else is to be shown: this machine may be busy, or stand still for a while
WINDOWS = [("440000", "广东省"), ("330000", "浙江省"), ("500000", "重庆市"), ("520000", "贵州省")]


def connected(node, count):
    return node.get("/v1/status").ok().json()["peers_connected"] == count


def lost(node, other):
    """Whether @node is without @other."""
    rows = node.get("/v1/peers").ok().json()["peers"]
    return next(x["state"] for x in rows if x["code"] == int(other.region)) != "connected"


def wait_whole(nodes, seconds=WAIT_SECONDS):
    for node in nodes:
        wait_for(lambda n=node: connected(n, len(nodes) - 1), seconds, what=f"{node} to be connected to all others")


def five_provinces(federation, windows=4, wan=True, **options):
    """(desk, windows): 四川 decides, the others take in; a line of 30 ms between any two."""
    desk = federation.add_node("510000", "四川省", catalog="sichuan.json", **options)
    others = [federation.add_node(*x, **options) for x in WINDOWS[:windows]]
    federation.start()
    if wan:
        federation.wan(delay_ms=15, lost_of_1000=2)
    wait_whole([desk, *others])
    return desk, others


def start_load(federation, desk, windows, **options):
    item = None
    for window in windows:
        item = find_item(window, desk)
    options = {"threads_per_window": 1, "desk_threads": 3, "pace_s": 0.1} | options
    load = RecordedLoad(windows, desk, item, timeline=federation.timeline, **options)
    load.start()
    assert load.wait_answers(5 * len(windows), WAIT_SECONDS), "nobody answers"
    return load


def finish(federation, load, nodes, other_cases=()):
    """Heals, waits until all have met, lets the load end, checks everything."""
    federation.heal()
    wait_whole(nodes)
    assert load.wait_answers(10, WAIT_SECONDS), "no answers after the lines were mended"
    load.finish(WAIT_SECONDS)
    federation.timeline.results = check(load, nodes, other_cases)
    return federation.timeline.results
