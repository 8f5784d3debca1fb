"""A node that takes part in a case later than others (转办, 督办): it gets the earlier entries with their proofs and the key,
and nobody gets them who has no part."""
import time

import pytest
from cluster import CommandFailed, wait_for
from provinces import ORPHAN, act, add_provinces, assert_table, start_provinces, submit, view, wait_met, wait_status


def peer_state(node, code):
    return next(p["state"] for p in node.get("/v1/peers").ok().json()["peers"] if p["code"] == code)


def events_of(node, case):
    return node.get(f"/v1/cases/{case}/events").ok().json()["events"]


def test_handover_to_a_newcomer(cluster):
    b, a, c = start_provinces(cluster, "510000", "440000", "330000")
    case = submit(a)
    wait_status(case, "arrived", a, b)
    act(a, case, "note", note="请尽快").ok()
    assert c.get(f"/v1/cases/{case}").status == 404
    b.cli("case", "handover", case, "--lead", "330000", "--reason", "属浙江省管辖")
    wait_status(case, "arrived", a, b, c)
    assert view(c, case)["lead"] == 330000 and view(a, case)["lead"] == 330000

    # the newcomer reads what was written before, and its own acts reach the others
    applied = next(e for e in events_of(c, case) if e["type"] == "submit")
    assert applied["payload"]["item"] == ORPHAN, applied
    for step in ("accept", "process"):
        c.cli("case", step, case)
    c.cli("case", "decide", case, "--grant", "--reason", "符合条件")
    wait_status(case, "closed_granted", a, b, c)
    assert act(b, case, "deliver", channel="post").status == 403, "the old deciding node decides no more"
    # of what came with a proof, all is checked again
    for node in (a, b, c):
        assert node.cli("ledger", "verify")["result"] == "ok"


def test_newcomer_gets_what_crossed_the_handover(cluster):
    """The receiving node does not know of the handover and writes: nothing of that is addressed to the newcomer."""
    b, a, c = start_provinces(cluster, "510000", "440000", "330000")
    case = submit(a)
    wait_status(case, "arrived", a, b)
    cluster.cut(a, b)
    b.cli("case", "handover", case, "--lead", "330000")
    wait_for(lambda: c.get(f"/v1/cases/{case}").status == 200, what="the newcomer to know the case")
    assert act(a, case, "withdraw", reason="不办了").status == 201
    c.kill()  # it goes on asking after a restart
    c.start()
    cluster.heal()
    wait_status(case, "withdrawn", a, b, c)


def test_newcomer_while_the_old_lead_is_away(cluster):
    """The entries of a node that cannot be asked come from another participant, with proofs."""
    b, a, c = start_provinces(cluster, "510000", "440000", "330000")
    case = submit(a)
    wait_status(case, "arrived", a, b)
    act(b, case, "accept").ok()
    wait_status(case, "accepted", a, b)
    cluster.cut(a, c)  # the newcomer hears of it, and can ask nobody
    b.cli("case", "handover", case, "--lead", "330000")
    wait_for(lambda: any(e["type"] == "handover" for e in events_of(a, case)), what="the receiving node to know")
    wait_for(lambda: c.get(f"/v1/cases/{case}").status == 200, what="the newcomer to know the case")
    b.kill()
    c.kill()
    c.start()
    cluster.heal()
    wait_status(case, "accepted", a, c)
    c.cli("case", "process", case)
    wait_status(case, "processing", a, c)
    b.start()
    wait_status(case, "processing", a, b, c)


def ended_before_its_time(b, a, c, serial):
    """Hands a case over to @c, which can ask nobody for it until its pause is long; then it can. Did the pause end before it was over?"""
    cluster, before = a.cluster, time.monotonic()
    pause = lambda: c.metric("tongban_case_pull_pause_seconds")

    def is_long():
        nonlocal before
        now, found = time.monotonic(), pause()
        if found < 32:
            before = now  # the long one has not begun
        return found >= 32 and found

    case = submit(a, serial=serial)
    wait_status(case, "arrived", a, b)
    cluster.cut(a, b)
    cluster.cut(a, c)
    assert act(a, case, "note", note="请尽快").status == 201
    b.cli("case", "handover", case, "--lead", "330000")
    length = wait_for(is_long, what="a long pause")
    cluster.heal()
    wait_for(lambda: peer_state(c, 440000) == "connected", what="the line to be back")
    wait_for(lambda: pause() < 32, what="the pause to end")
    ended = time.monotonic()
    wait_for(lambda: c.metric("tongban_case_pulls") == 0, what="the earlier entries")
    assert [e["type"] for e in events_of(c, case)].count("note") == 1
    wait_status(case, "arrived", a, b, c)
    return ended - before < length


def test_newcomer_asks_soon_when_the_line_is_back(cluster):
    """The pause between two tries grows to a minute; whoever can be asked again is asked without it."""
    b, a, c = start_provinces(cluster, "510000", "440000", "330000")
    # dialling again may take as long as the pause, and so may anything on a machine that stands still: that says nothing
    assert any(ended_before_its_time(b, a, c, serial) for serial in (2, 3, 4)), "each pause was waited for to its end"


def test_down_to_a_county_and_back(cluster):
    """转办 from the province to its city, on to a county that never saw the case, and back the way it came: whoever has it acts, nobody
    else does, each reads what was written before, and all show the same way of custody. Then once more, past a level."""
    province, window = add_provinces(cluster, "510000", "440000")
    city, county = cluster.add_node("510100", "成都市"), cluster.add_node("510104", "锦江区")
    cluster.start()
    wait_met(province, window)
    everybody = [window, province, city, county]
    for node in everybody:
        wait_for(lambda: sum(p["state"] == "connected" for p in node.get("/v1/peers").ok().json()["peers"]) == 3, what=f"{node} to meet")
    case = submit(window)
    wait_status(case, "arrived", window, province)
    held = [window, province]
    way = [440000, 510000]

    def hand(giver, taker, status):
        assert taker in held or taker.get(f"/v1/cases/{case}").status == 404
        refused = act(window, case, "handover", lead=int(taker.region))
        assert (refused.status, refused.json()["id"]) == (403, "case.node"), "only who has it hands it over"
        giver.cli("case", "handover", case, "--lead", taker.region, "--reason", "按管辖转办")
        if taker not in held:
            held.append(taker)
        way.append(int(taker.region))
        wait_status(case, status, *held)
        for node in held:
            shown = view(node, case)
            assert (shown["lead"], shown["level"]) == (int(taker.region), "sequenced"), node
            assert [c["node"] for c in shown["custody"]] == way, (node, shown["custody"])
            assert events_of(node, case)[0]["payload"]["item"] == ORPHAN, f"{node} reads the application"
        assert act(giver, case, "note", note="x").status == 403, "who gave it away has no part in it but as a reader"

    hand(province, city, "arrived")
    hand(city, county, "arrived")
    county.cli("case", "accept", case)
    wait_status(case, "accepted", *held)
    hand(county, city, "accepted")
    hand(city, province, "accepted")
    hand(province, county, "accepted")
    county.cli("case", "decide", case, "--grant", "--reason", "符合条件")
    wait_status(case, "closed_granted", *everybody)
    assert "custody" in window.cli("case", "show", case)
    text = cluster.cli("case", "show", case, env={"TONGBAN_DIR": str(window.dir)}).stdout
    held_by = assert_table(text.split("\n\n")[2], "HOLDER", "SINCE", "BY")
    assert [(row[0], row[2]) for row in held_by] == [("440000", "submit 收件"), ("510000", "receipt 签收")] + [
        (str(node), "handover 转办") for node in way[2:]]
    for node in everybody:
        assert node.cli("ledger", "verify")["result"] == "ok"


def test_nobody_without_a_part_gets_a_case(cluster):
    b, a, c = start_provinces(cluster, "510000", "440000", "330000")
    case = submit(a)
    wait_status(case, "arrived", a, b)
    with pytest.raises(CommandFailed) as refused:
        c.cli("case", "fetch", case)
    assert "(case.fetch)" in refused.value.stderr and "case.pull-denied" in refused.value.stderr
    assert refused.value.status == 5 and c.get(f"/v1/cases/{case}").status == 404
    with pytest.raises(CommandFailed) as refused:
        c.cli("case", "supervise", case, "--lead", "330000")
    assert "(case.fetch)" in refused.value.stderr
    with pytest.raises(CommandFailed) as refused:
        c.cli("case", "fetch", case[:20])
    assert "(case.fetch-id)" in refused.value.stderr
