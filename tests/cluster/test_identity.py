"""Certificates end and are taken back while connections stand."""
from cluster import wait_for
from provinces5 import WAIT_SECONDS, connected, finish, five_provinces, start_load, wait_whole

DAY = 24 * 3600


def reload_all(federation, nodes):
    federation.publish()
    for node in nodes:
        node.reload()


def test_revocation_in_flight(federation):
    """A revoked province is cut off at once, its connections too, and comes back with a new certificate."""
    desk, windows = five_provinces(federation, windows=3)
    load = start_load(federation, desk, windows)
    revoked, nodes = windows[0], [desk, *windows]
    federation.say(f"revoke {revoked.region}")
    federation.cli("ca", "revoke", "--dir", federation.ca_dir, "--code", revoked.region, "--reason", "key-compromise")
    reload_all(federation, nodes)
    for node in (desk, *windows[1:]):
        wait_for(lambda n=node: connected(n, 2), WAIT_SECONDS, what=f"{node} to close the revoked one's connections")
    assert load.wait_answers(3, WAIT_SECONDS, node=revoked), "it still serves its own people"
    assert load.wait_answers(3, WAIT_SECONDS, node=windows[1])
    federation.say("new certificate")
    federation.cli("ca", "issue", "--dir", federation.ca_dir, "--node", revoked.dir)
    reload_all(federation, nodes)
    finish(federation, load, nodes)


def test_expiry_in_flight(federation):
    """A year goes by in a moment: standing connections end, and begin again with new certificates."""
    desk, windows = five_provinces(federation, windows=2, clock=True)
    load = start_load(federation, desk, windows)
    nodes = [desk, *windows]
    federation.say("400 days later")
    for node in nodes:
        node.set_clock(400 * DAY)
        node.expect_error("certs.expired")
    for node in nodes:
        wait_for(lambda n=node: connected(n, 0), WAIT_SECONDS, what=f"{node} to close connections of ended certificates")
    assert load.wait_answers(3, WAIT_SECONDS, node=windows[0]), "it still serves its own people"
    federation.say("new certificates")
    for node in nodes:
        federation.cli("ca", "issue", "--dir", federation.ca_dir, "--node", node.dir, "--days", 1000)
    reload_all(federation, nodes)
    wait_whole(nodes)
    finish(federation, load, nodes)
