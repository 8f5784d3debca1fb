"""Signals in the middle of things: SIGTERM under load, with requests that wait, with a verification under way; SIGHUP at start.

The daemon ends with status 0 and nothing to report to a sanitizer (cluster.py checks both), and nothing that was answered
is lost: a client that was told "shutting down" asks the next one with the same key.
"""
import threading

from cluster import UnixConnection, http_request, wait_for
from load import Load, check_ledgers, find_item, in_parallel, submit, three_provinces, verify_all


def test_stop_under_load(cluster):
    desk, windows = three_provinces(cluster)
    item = find_item(windows[0], desk)
    find_item(windows[1], desk)
    load = Load(windows, desk, item, pace_s=0.02)
    load.start()
    for _ in range(3):
        for node in (windows[0], desk, windows[1]):
            assert load.wait_answers(8, node=node), f"{node} answers nobody"
            node.stop()
            node.start()
    load.finish()
    nodes = [desk, *windows]
    check_ledgers(load, nodes)
    verify_all(nodes)


def test_reload_while_starting(cluster):
    """A hook that has renewed a certificate may meet a node on its way up: it stays, and reads again what it had read already."""
    node = cluster.add_node("510000", "四川省", catalog="catalog/data/sichuan.json", proxied=False)
    cluster.start()
    item = find_item(node, node)
    in_parallel(lambda i: submit(node, item), range(200))  # so that there is something to read at the start
    for _ in range(5):
        node.kill()
        said = len(node.log_lines("node.reloaded"))
        node.start(wait=False)
        wait_for(lambda: (node.dir / "writer.lock").read_text().strip() == str(node.pid), what="the node to open its store")
        node.reload()
        node.wait_ready()
        node.wait_log("node.reloaded", count=said + 1)


class Asking(threading.Thread):
    """One request in a thread of its own: its reply, or the error."""

    def __init__(self, node, method, path):
        super().__init__(daemon=True)
        self.node, self.method, self.path = node, method, path
        self.reply = self.error = None
        self.start()

    def run(self):
        try:
            self.reply = http_request(UnixConnection(self.node.socket_path), self.method, self.path)
        except OSError as e:
            self.error = e

    def end(self):
        self.join(120)
        assert not self.is_alive(), f"{self.path}: no answer and no end"
        return self.reply


def test_stop_while_verifying(cluster):
    """The worker ends early, and before what it reads goes away."""
    node = cluster.add_node("510000", "四川省", catalog="catalog/data/sichuan.json", proxied=False)
    cluster.start()
    item = find_item(node, node)
    in_parallel(lambda i: submit(node, item), range(600))  # so that there is something to verify
    caught = rounds = 0
    while caught == 0 or rounds < 5:  # on a busy machine it may be over before this process sees it
        rounds += 1
        assert rounds < 50, "each verification had ended before: nothing was tried"
        two = [Asking(node, "POST", "/v1/ledger/verify") for _ in range(2)]
        wait_for(lambda t=two: not all(x.is_alive() for x in t), what="one to be refused because the other runs")
        node.stop()
        replies = [x.end() for x in two]
        assert all(x is not None and x.status in (200, 503) for x in replies), replies
        caught += any(x.status == 503 and x.json()["id"] == "http.closing" for x in replies)
        node.start()


def test_stop_while_requests_wait(cluster):
    desk, windows = three_provinces(cluster)
    item = find_item(windows[0], desk)
    find_item(windows[1], desk)
    load = Load(windows[:1], desk, item, threads_per_window=1)
    load.start()
    assert load.wait_answers(3)
    load.finish()
    check_ledgers(load, [desk, *windows])  # nothing more is on its way
    case = load.answers[0].case
    version = windows[0].get(f"/v1/cases/{case}").ok().json()["version"]
    waiting = [Asking(windows[0], "GET", f"/v1/cases/{case}?wait={version}&timeout_ms=60000") for _ in range(5)]
    wait_for(lambda: open_connections(windows[0]) >= 5, what="five long polls to hang")
    windows[0].stop()
    for one in waiting:
        reply = one.end()
        assert reply is None or reply.status == 503, reply
    windows[0].start()
    check_ledgers(load, [desk, *windows])


def open_connections(node):
    """Connections on the node's API socket, ours not counted: the kernel's table names the path on the server's side."""
    with open("/proc/net/unix") as table:
        return sum(line.split()[-1] == str(node.socket_path) and line.split()[5] == "03" for line in table)
