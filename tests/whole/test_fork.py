"""An author that signs two histories: the folder of a node was copied, heads.db and keys and all, and both copies run while lines
are cut. Evidence, freeze, what the operators are told, 督办, and what was proven before stands."""
import pytest
from cluster import wait_for
from provinces import CATALOGS, act, add_provinces, submit, view, wait_met, wait_status

A, B, C, STATE = "440000", "510000", "330000", "100000"
LIVELY = {"heads_busy_s": 1, "heads_idle_s": 1, "heads_stale_s": 3600}


def start_four(cluster):
    """(a, b, c, s): 广东, 四川 which will fork, 浙江, and the country's node, which publishes nothing."""
    a, b, c = add_provinces(cluster, A, B, C, ledger=LIVELY)
    s = cluster.add_node(STATE, "国家", ledger=LIVELY)
    cluster.start()
    wait_met(a, b, c)
    for node in (a, b, c, s):
        wait_for(lambda n=node: n.get("/v1/status").ok().json()["peers_connected"] == 3, what=f"{node} to meet all")
    return a, b, c, s


def run_twice(cluster, a, b, c, s):
    """Stops @b, copies it, runs both: the first sees only @a, the second only @c and @s, and these do not see @a."""
    b.stop()
    cluster.cut(a, c, "reset"), cluster.cut(a, s, "reset")
    twin = cluster.twin(b)
    for node in (c, s):
        b.line.route(node.dialler, twin.federation_port)
    for line in (c.line, s.line):
        line.cut("reset", source=b.dialler)
    a.line.cut("reset", source=twin.dialler)
    b.start()
    twin.start()
    return twin


def peer_of(node, region):
    return next(p for p in node.get("/v1/peers").ok().json()["peers"] if p["code"] == int(region))


def acked(author, reader):
    """The reader durably holds all that the author has."""
    return peer_of(author, reader.region)["acked_size"] >= author.get("/v1/status").ok().json()["ledger_size"] - 1


def test_two_copies_of_one_node(cluster, tmp_path):
    a, b, c, s = start_four(cluster)
    case, other = submit(a), submit(c, serial=3)
    for applied, window in ((case, a), (other, c)):
        wait_status(applied, "arrived", window, b)
        act(b, applied, "accept").ok()
        wait_status(applied, "accepted", window, b)
    proof = wait_for(lambda: final_receipt(a, case), 60, "a receipt of 受理 that a quorum has cosigned")

    twin = run_twice(cluster, a, b, c, s)
    act(b, case, "process").ok()
    act(twin, other, "decide", decision="deny", reason="另一份账").ok()
    act(twin, case, "decide", decision="deny", reason="另一份账").ok()
    wait_status(case, "processing", a, b)
    wait_status(other, "denied", c, twin)
    wait_for(lambda: acked(b, a) and acked(twin, c) and acked(twin, s), 30, "both histories to be held by somebody")
    for node in (a, b, c, s, twin):
        for id in ("ledger.equivocation", "ledger.what-to-do", "ledger.accused", "ledger.contradicted", "ledger.conflict",
                   "ledger.behind", "ledger.rolled-back", "frontier.root", "witness.refused"):
            node.expect_error(id)
    b.stop()  # found out by its own operators, or not: the twin goes on
    b.line.route(a.dialler, twin.federation_port)
    cluster.heal()

    for node in (a, c, s):
        wait_for(lambda n=node: peer_of(n, B)["state"] == "frozen", 90, f"{node} to hold evidence")
        told = node.wait_log("ledger.what-to-do")[0].text
        assert "case supervise" in told and B in node.log_lines("ledger.what-to-do")[0].line
    wait_status(case, "frozen", a)
    wait_status(other, "frozen", c)
    listed = a.cli("case", "list", "--status", "frozen")["cases"]
    assert [x["case"] for x in listed] == [case]
    refused = act(a, case, "withdraw")
    assert refused.status == 409 and refused.json()["id"] == "case.frozen"

    for node, other_node in ((s, a), (c, a), (s, c)):
        wait_for(lambda n=node, o=other_node: peer_of(n, o.region)["state"] == "connected", 60, f"{node} to reach {other_node}")
    # the superior names another deciding node; the case goes on there from the last entry that counts
    s.cli("case", "supervise", case, "--lead", C, "--reason-code", "lead.forked")
    wait_for(lambda: not view(a, case)["frozen"], what="the case to thaw")
    wait_for(lambda: len({view(n, case)["digest"] for n in (a, c, s)}) == 1, 60, "the three to agree on the case")
    assert view(a, case)["lead"] == int(C)
    # (the common size is a whole subtree: entries just before the fork may have to be done again)
    for type in ("accept", "process", "decide", "close"):
        reply = act(c, case, type, **({"decision": "grant"} if type == "decide" else {}))
        assert reply.status == 201 or (type == "accept" and reply.json()["id"] == "case.status"), reply.body
    wait_status(case, "closed_granted", a, c, s)
    events = view(s, case)["events"]
    supervised = next(e for e in events if e["type"] == "supervise")
    # (none of its entries counts when the common size is rounded down to before the case)
    last = max((e["index"] for e in events if e["origin"] == int(B) and e["effect"] in ("ok", "noop")), default=None)
    assert supervised["attributes"].get("last_leaf") == last and supervised["effect"] == "ok", events
    behind = [e for e in events if e["origin"] == int(B) and (last is None or e["index"] > last)]
    assert behind and all(e["effect"] == "denied" for e in behind), events

    # what was proven before the fork stays proven
    check_receipt(cluster, proof, tmp_path)
    for node in (a, c, s):
        assert node.cli("ledger", "verify")["result"] == "ok"


def final_receipt(node, case):
    reply = node.get(f"/v1/cases/{case}/receipt?act=accept&wait_ms=5000").ok().json()
    return reply if reply["final"] else None


def check_receipt(cluster, receipt, folder):
    (folder / "receipt.tlog-proof").write_text(receipt["proof"])
    (folder / "policy.txt").write_text(receipt["policy"])
    done = cluster.cli("receipt", "verify", folder / "receipt.tlog-proof", "--policy", folder / "policy.txt", check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_lead_that_is_away_for_good(cluster):
    """Nobody forked: the deciding node does not come back, and the superior takes the case to itself."""
    a, b, c, s = start_four(cluster)
    case = submit(a)
    wait_status(case, "arrived", a, b)
    act(b, case, "accept").ok()
    wait_status(case, "accepted", a, b)
    b.kill()
    s.cli("case", "fetch", case)
    before = view(s, case)
    assert before["status"] == "accepted" and all(e["payload"] is None for e in before["events"]), "no contents yet"
    refused = act(s, case, "supervise", lead=int(C), reason="办理机关失联")
    assert refused.status == 403 and refused.json()["id"] == "case.no-content", refused.body
    s.cli("case", "supervise", case, "--lead", STATE, "--reason-code", "lead.away")
    wait_status(case, "accepted", a, s)
    s.cli("case", "process", case)
    s.cli("case", "decide", case, "--grant")
    wait_status(case, "closed_granted", a, s)
    applied = next(e for e in view(s, case)["events"] if e["type"] == "submit")
    wait_for(lambda: next(e for e in view(s, case)["events"] if e["type"] == "submit")["payload"], what="the content")
    assert applied["origin"] == int(A)
    b.start()
    wait_status(case, "closed_granted", a, b, s)
    late = act(b, case, "close")
    assert late.status == 403 and late.json()["id"] == "case.node"
