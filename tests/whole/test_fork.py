"""An author that signs two histories: the folder of a node was copied, heads.db and keys and all, and both copies run while lines
are cut. Evidence, freeze, what the operators are told, 督办, and what was proven before stands."""
import pytest
from cluster import wait_for
from provinces import CATALOGS, act, add_provinces, item_of, submit, view, wait_met, wait_status

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


def expect_a_fork(*nodes):
    for node in nodes:
        for id in ("ledger.equivocation", "ledger.what-to-do", "ledger.accused", "ledger.contradicted", "ledger.conflict",
                   "ledger.behind", "ledger.rolled-back", "frontier.root", "witness.refused"):
            node.expect_error(id)


def test_two_copies_of_one_node(cluster, tmp_path):
    a, b, c, s = start_four(cluster)
    case, other = submit(a), submit(c, serial=3)
    for applied, window in ((case, a), (other, c)):
        wait_status(applied, "arrived", window, b)
        act(b, applied, "accept").ok()
        wait_status(applied, "accepted", window, b)
    proof = wait_for(lambda: final_receipt(a, case), what="a receipt of 受理 that a quorum has cosigned")

    twin = run_twice(cluster, a, b, c, s)
    act(b, case, "process").ok()
    act(twin, other, "decide", decision="deny", reason="另一份账").ok()
    act(twin, case, "decide", decision="deny", reason="另一份账").ok()
    wait_status(case, "processing", a, b)
    wait_status(other, "denied", c, twin)
    wait_for(lambda: acked(b, a) and acked(twin, c) and acked(twin, s), what="both histories to be held by somebody")
    expect_a_fork(a, b, c, s, twin)
    b.stop()  # found out by its own operators, or not: the twin goes on
    b.line.route(a.dialler, twin.federation_port)
    cluster.heal()

    for node in (a, c, s):
        wait_for(lambda n=node: peer_of(n, B)["state"] == "frozen", what=f"{node} to hold evidence")
        told = node.wait_log("ledger.what-to-do")[0].text
        assert "case supervise" in told and B in node.log_lines("ledger.what-to-do")[0].line
    wait_status(case, "frozen", a)
    wait_status(other, "frozen", c)
    listed = a.cli("case", "list", "--status", "frozen")["cases"]
    assert [x["case"] for x in listed] == [case]
    refused = act(a, case, "withdraw")
    assert refused.status == 409 and refused.json()["id"] == "case.frozen"

    for node, other_node in ((s, a), (c, a), (s, c)):
        wait_for(lambda n=node, o=other_node: peer_of(n, o.region)["state"] == "connected", what=f"{node} to reach {other_node}")
    # the superior names another deciding node; the case goes on there from the last entry that counts
    s.cli("case", "supervise", case, "--lead", C, "--reason-code", "lead.forked")
    wait_for(lambda: not view(a, case)["frozen"], what="the case to thaw")
    wait_for(lambda: len({view(n, case)["digest"] for n in (a, c, s)}) == 1, what="the three to agree on the case")
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


def test_parts_that_end_while_their_whole_is_frozen(cluster):
    """The lead of a whole has signed two histories; its parts are decided by another province, which goes on. What becomes of them shows
    at once where they are held, and is noted in the whole as soon as that takes anything again: the part has no event any more then."""
    a, b, c, s = start_four(cluster)
    joint = item_of(B, "夫妻投靠户口迁移")
    whole, other = submit(a, item=joint, mode="joint"), submit(c, serial=3)
    wait_status(whole, "arrived", a, b)
    wait_status(other, "arrived", c, b)
    fields = {"item": item_of(C, "夫妻投靠户口迁移"), "mode": "joint", "division": "330106", "parent": whole}
    gone, granted = (submit(a, serial=serial, **fields) for serial in (4, 5))
    for part in (gone, granted):
        wait_status(part, "arrived", a, c)
        act(c, part, "accept").ok()
    close(c, gone)
    wait_for(lambda: shown_parts(b, whole) == {gone: ("grant", "grant"), granted: (None, None)}, what="the first part to be noted")
    # what the lead has seen of it stands behind the freeze, as far as both histories agree for certain: whole subtrees
    b.post(f"/v1/cases/{whole}/events", {"events": [{"type": "note", "note": "已阅"}] * 100}).ok()
    wait_for(lambda: len({view(n, whole)["digest"] for n in (a, b)}) == 1 and acked(b, c) and acked(b, s), what="all to hold it")

    twin = run_twice(cluster, a, b, c, s)
    act(b, whole, "accept").ok()
    act(twin, other, "accept").ok()
    act(twin, whole, "refuse", reason_code="not-here", reason="另一份账").ok()
    wait_status(whole, "accepted", a, b)
    wait_status(other, "accepted", c, twin)
    wait_for(lambda: acked(b, a) and acked(twin, c) and acked(twin, s), what="both histories to be held by somebody")
    expect_a_fork(a, b, c, s, twin)
    b.stop()
    b.line.route(a.dialler, twin.federation_port)
    cluster.heal()
    for node, peer in ((s, a), (c, a), (s, c)):
        wait_for(lambda n=node, o=peer: peer_of(n, o.region)["state"] == "connected", what=f"{node} to reach {peer}")
    wait_for(lambda: view(a, whole)["frozen"], what="the whole to freeze")

    act(c, gone, "revoke", reason_code="false.material", reason="材料不实").ok()
    close(c, granted)
    wait_status(gone, "revoked", a, c)
    wait_status(granted, "closed_granted", a, c)
    assert shown_parts(a, whole) == {gone: ("lapsed", "grant"), granted: ("grant", None)}
    seen = view(a, whole)
    assert seen["frozen"] and seen["progress"]["state"] == "part_lapsed" and "part_lapsed" not in seen["flags"]
    assert any(gone in w and "分件失效" in w for w in seen["warnings"]), seen["warnings"]
    s.cli("case", "supervise", whole, "--lead", C, "--reason-code", "lead.forked")
    for node in (a, c):
        wait_for(lambda: node.get(f"/v1/cases/{whole}").status == 200 and not view(node, whole)["frozen"] and shown_parts(node, whole) == {
            gone: ("lapsed", "lapsed"), granted: ("grant", "grant")}, what=f"{node} to know of both parts")
    assert "part_lapsed" in view(c, whole)["flags"]
    wait_for(lambda: len({view(n, whole)["digest"] for n in (a, c, s)}) == 1, what="the three to agree on the whole")


def close(office, part):
    act(office, part, "decide", decision="grant").ok()
    act(office, part, "close").ok()


def shown_parts(node, whole):
    return {p["case"]: (p["decision"], p["noted"]) for p in view(node, whole)["parts"]}


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
