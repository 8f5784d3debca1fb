"""A case at its limit: the same events are left out everywhere, nothing acknowledged is lost, a restart changes nothing."""
from cluster import wait_for
from provinces import add_provinces, application, wait_met

PER_NODE = 500  # CASE_EVENTS_PER_NODE_MAX
IN_REQUEST = 16


def digest(node, case):
    return node.get(f"/v1/cases/{case}").ok().json()["digest"]


def fill(node, case):
    """Notes until the node refuses; the refusal."""
    note = {"type": "note", "note": "x"}
    written = sum(e["origin"] == int(node.region) for e in node.get(f"/v1/cases/{case}").json()["events"])
    while PER_NODE - written >= IN_REQUEST:
        node.post(f"/v1/cases/{case}/events", {"events": [note] * IN_REQUEST}).ok()
        written += IN_REQUEST
    for _ in range(PER_NODE - written):
        node.post(f"/v1/cases/{case}/events", note).ok()
    return node.post(f"/v1/cases/{case}/events", note)


def test_both_sides_write_up_to_the_limit_while_cut(cluster):
    sichuan, guangdong = nodes = add_provinces(cluster, "510000", "440000")
    cluster.start()
    wait_met(*nodes)
    case = guangdong.post("/v1/cases", application()).ok().json()["case"]
    wait_for(lambda: guangdong.get(f"/v1/cases/{case}").json()["status"] == "arrived", what="the receipt")
    cluster.cut(guangdong, sichuan, "stall")
    for node in nodes:
        refused = fill(node, case)
        assert refused.status == 413 and refused.json()["id"] == "case.events", refused
        assert node.region in refused.json()["message"] and str(PER_NODE) in refused.json()["message"]
    cluster.heal()
    wait_for(lambda: digest(guangdong, case) == digest(sichuan, case), what="the same state on both")
    assert guangdong.get(f"/v1/cases/{case}").json()["event_count"] == 2 * PER_NODE
    before = digest(guangdong, case)
    for node in nodes:
        node.stop()
        node.start()
        assert digest(node, case) == before
        node.cli("ledger", "verify")
