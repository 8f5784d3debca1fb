"""A daemon that is asked to stop ends with status 0, whatever its connections are doing at that moment."""
import os

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
