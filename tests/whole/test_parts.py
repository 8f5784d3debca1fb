"""多地联办 without a bundle: a whole whose lead is a province, its parts in other cases that the same window took in. Guangdong's window
(A) takes all in, 四川 (B) leads the whole, 浙江 (C) and B decide the parts."""
import pytest
from cluster import wait_for
from provinces import act, citizen_number, item_of, start_provinces, submit, view, wait_status
from test_path import Shell

A, B, C = "440000", "510000", "330000"
NAME = "夫妻投靠户口迁移"


@pytest.fixture
def nodes(cluster):
    return start_provinces(cluster, A, B, C)


def ask_part(node, parent, province=C, serial=2, **fields):
    person = {"kind": "person", "name": "李小满", "id_type": "citizen_id", "id_number": citizen_number(serial)}
    body = {"item": item_of(province, NAME), "mode": "joint", "applicant": person, "parent": parent, "form": {},
            "division": {B: "510104", C: "330106"}[province], **fields}
    return node.post("/v1/cases", body)


def refused(reply, status, id, *words):
    assert (reply.status, reply.json()["id"]) == (status, id), reply
    for word in words:
        assert word in reply.json()["message"], reply


def make_whole(a, b, *provinces):
    whole = submit(a, item=item_of(B, NAME), mode="joint")
    wait_status(whole, "arrived", a, b)
    return whole, [ask_part(a, whole, province, serial).ok().json()["case"] for serial, province in enumerate(provinces, 3)]


# ---- which case may be named as the whole ------------------------------------------------------------------------------


def test_a_parent_of_this_node_must_be_here_open_and_whole(nodes):
    a, b, c = nodes
    whole, (part,) = make_whole(a, b, C)
    count = len(a.get("/v1/cases").ok().json()["cases"])
    refused(ask_part(a, "0" * 32), 404, "case.parent-unknown", "0" * 32, "node 0", "no member")
    invented = f"{int(A):08x}" + "ab" * 12
    refused(ask_part(a, invented), 404, "case.parent-unknown", invented, "taken in here")
    refused(ask_part(a, part), 409, "case.parent-is-part", part, whole, "分件")
    refused(ask_part(a, "7"), 400, "case.id")
    ended = submit(a, item=item_of(B, NAME), mode="joint", serial=9)
    wait_status(ended, "arrived", a, b)
    act(a, ended, "withdraw").ok()
    refused(ask_part(a, ended), 409, "case.parent-closed", ended, "withdrawn", "撤回")
    assert len(a.get("/v1/cases").ok().json()["cases"]) == count + 1, "nothing was written"


def part_warnings(made):
    return [w for w in made["warnings"] if "联办分件" in w]


def test_a_parent_of_another_node_is_taken_with_a_warning(nodes):
    """Its node may not have told this one yet, or never will: the part goes its way, and a clerk there has to note it."""
    a, b, c = nodes
    whole, () = make_whole(a, b)
    reply = ask_part(c, whole).ok().json()
    assert c.get(f"/v1/cases/{whole}").status == 404
    warning, = part_warnings(reply)
    assert A in warning
    assert view(c, reply["case"])["parent"] == whole
    act(a, whole, "part", part=reply["case"]).ok()
    wait_status(whole, "arrived", a, b)
    assert [p["case"] for p in view(b, whole)["parts"]] == [reply["case"]]
    # the lead holds the whole: it knows what it is, although it did not take it in
    held = ask_part(b, whole, B, 5).ok().json()
    assert len(part_warnings(held)) == 1
    act(b, whole, "refuse", reason_code="not-here", reason="不属于本机关职权").ok()
    refused(ask_part(b, whole, B, 6), 409, "case.parent-closed", "refused", "不予受理")


def test_a_whole_has_no_more_parts_than_it_can_hold(nodes):
    a, b, c = nodes
    whole, () = make_whole(a, b)
    noted = [{"type": "part", "part": f"{int(C):08x}" + f"{i:024x}"} for i in range(32)]
    a.post(f"/v1/cases/{whole}/events", {"events": noted}).ok()
    refused(ask_part(a, whole), 413, "case.parent-full", whole, "32")


# ---- what the whole shows of its parts ---------------------------------------------------------------------------------


def progress(node, whole):
    """(word, open, granted, denied, lapsed)"""
    p = view(node, whole)["progress"]
    assert p["parts"] == p["open"] + p["granted"] + p["denied"] + p["lapsed"] == len(view(node, whole)["parts"])
    return p["state"], p["open"], p["granted"], p["denied"], p["lapsed"]


def wait_progress(whole, wanted, *nodes):
    """The window and the lead, which holds no part that another province decides, say the same."""
    def agree():
        same = len({view(node, whole)["digest"] for node in nodes}) == 1
        return same and all(progress(node, whole) == wanted for node in nodes)

    wait_for(agree, what=f"the parts to be {wanted}")


def decide(office, part, decision="grant"):
    for type, fields in (("accept", {}), ("decide", {"decision": decision, "reason": "如材料所示"}), ("close", {})):
        act(office, part, type, **fields).ok()


def test_the_whole_shows_what_its_parts_come_to_and_the_lead_decides(nodes):
    a, b, c = nodes
    whole, (first, second) = make_whole(a, b, C, C)
    for part in (first, second):
        wait_status(part, "arrived", a, c)
    wait_progress(whole, ("parts_open", 2, 0, 0, 0), a, b)
    assert [p["status"] for p in view(a, whole)["parts"]] == ["arrived", "arrived"]
    assert [p["status"] for p in view(b, whole)["parts"]] == [None, None], "the lead holds no part"
    decide(c, first)
    wait_progress(whole, ("parts_open", 1, 1, 0, 0), a, b)
    decide(c, second)
    wait_progress(whole, ("all_granted", 0, 2, 0, 0), a, b)
    assert view(b, whole)["progress"]["chinese"] == "分件均已准予"
    assert [(p["case"], p["decision"], p["status"]) for p in view(a, whole)["parts"]] == [
        (first, "grant", "closed_granted"), (second, "grant", "closed_granted")]
    shown = Shell(b).text("case", "show", whole)
    assert "all_granted (分件均已准予): 0 open, 2 granted, 0 denied, 0 lapsed" in shown
    assert view(b, whole)["status"] == "arrived", "the whole is its lead's to accept and to decide"
    decide(b, whole)
    wait_status(whole, "closed_granted", a, b)
    assert view(a, first)["progress"] is None, "a case without parts has none"


def test_a_withdrawn_whole_takes_its_open_parts_back(nodes):
    a, b, c = nodes
    whole, (done, arrived, kept, decided) = make_whole(a, b, C, C, C, C)
    elsewhere = ask_part(c, whole).ok().json()["case"]
    act(a, whole, "part", part=elsewhere).ok()
    for part in (done, arrived, kept, decided):
        wait_status(part, "arrived", a, c)
    decide(c, done)
    wait_status(done, "closed_granted", a, c)
    act(c, decided, "accept").ok()
    act(c, decided, "decide", decision="grant").ok()
    wait_status(decided, "granted", a, c)
    act(a, whole, "withdraw", reason="不办了").ok()
    assert view(a, arrived)["status"] == view(a, kept)["status"] == "withdrawn"
    wait_status(arrived, "withdrawn", a, c)
    wait_status(kept, "withdrawn", a, c)
    wait_status(done, "closed_granted", a, c)
    # what is decided stays, and what another node took in is not this one's to withdraw: both are told
    wait_progress(whole, ("withdrawn", 2, 1, 2, 0), a, b)
    for node in (a, b):
        assert any("withdrawn (撤回), and 2 of its parts are open" in w for w in view(node, whole)["warnings"]), node
    shown = {p["case"]: (p["decision"], p["status"]) for p in view(a, whole)["parts"]}
    assert shown == {done: ("grant", "closed_granted"), arrived: ("deny", "withdrawn"), kept: ("deny", "withdrawn"),
                     decided: (None, "granted"), elsewhere: (None, None)}
    assert view(c, elsewhere)["status"] == "arrived"
    # nothing can be noted in the whole any more: who holds the part shows how it ended, the lead does not know
    act(c, decided, "close").ok()
    wait_status(decided, "closed_granted", a, c)
    now = lambda node: [(p["decision"], p["noted"]) for p in view(node, whole)["parts"] if p["case"] == decided]
    assert now(a) == [("grant", None)] and now(b) == [(None, None)]
    assert progress(a, whole) == ("withdrawn", 1, 2, 2, 0) and progress(b, whole) == ("withdrawn", 2, 1, 2, 0)
    assert any("withdrawn (撤回), and 1 of its parts are open" in w for w in view(a, whole)["warnings"])
    act(c, decided, "deliver").ok()
    wait_status(decided, "delivered", a, c)
    assert now(a) == [("grant", None)]
    act(c, decided, "revoke", reason_code="false.material", reason="材料不实").ok()
    wait_progress(whole, ("withdrawn", 1, 1, 3, 0), a, b)
    assert now(a) == now(b) == [("deny", "deny")]


@pytest.mark.parametrize("how", ["refuse", "not_required", "return"])
def test_a_whole_that_is_not_taken_up_leaves_its_parts_open(nodes, how):
    """撤回 is the applicant's word about all of it. A refusal is the lead's and about the whole alone: a part is an application before an
    authority of its own, which has to answer it (行政许可法第三十二条、第三十八条). Everybody is told, and the clerk can withdraw them."""
    a, b, c = nodes
    if how == "return":
        whole = submit(a, item=item_of(B, NAME), mode="joint", forward=False)
        parts = [ask_part(a, whole, C, serial).ok().json()["case"] for serial in (3, 4)]
    else:
        whole, parts = make_whole(a, b, C, C)
    for part in parts:
        wait_status(part, "arrived", a, c)
    act(a if how == "return" else b, whole, how, reason_code="not-here", reason="不属于本机关职权").ok()
    status, chinese = {"refuse": ("refused", "不予受理"), "not_required": ("not_required", "不受理"), "return": ("returned", "预审退回")}[how]
    told = [a] if how == "return" else [a, b]
    wait_status(whole, status, *told)
    for node in told:
        assert any(f"{status} ({chinese}), and 2 of its parts are open" in w for w in view(node, whole)["warnings"]), node
    assert [view(a, part)["status"] for part in parts] == ["arrived", "arrived"]
    decide(c, parts[0])
    wait_status(parts[0], "closed_granted", a, c)
    assert progress(a, whole) == ("parts_open", 1, 1, 0, 0), "the node that holds the part shows how it ended"
    act(a, parts[1], "withdraw").ok()
    wait_status(parts[1], "withdrawn", a, c)
    wait_for(lambda: progress(a, whole) == ("part_denied", 0, 1, 1, 0), what="the part taken back to be noted")
    assert not any("parts are open" in w for w in view(a, whole)["warnings"])


def test_a_part_that_was_delivered_before_it_was_taken_back(cluster, nodes):
    """What is noted in the whole stays: a withdrawal over a cut line counts there when the part's lead has seen it, or it does not."""
    a, b, c = nodes
    whole, (late, in_time) = make_whole(a, b, C, C)
    for part in (late, in_time):
        wait_status(part, "arrived", a, c)
    cluster.cut(a, c, "stall")
    for part in (late, in_time):
        act(a, part, "withdraw").ok()
        assert view(a, part)["status"] == "withdrawn"
    assert [p["decision"] for p in view(a, whole)["parts"]] == [None, None]
    decide(c, late)
    act(c, late, "deliver").ok()
    cluster.heal()
    wait_status(late, "delivered", a, c)
    wait_status(in_time, "withdrawn", a, c)
    for node in (a, b):
        decisions = lambda: {p["case"]: p["decision"] for p in view(node, whole)["parts"]}
        wait_for(lambda: decisions() == {late: "grant", in_time: "deny"}, what=f"{node} to show how the parts ended")


def test_the_end_of_a_part_that_comes_by_asking_is_noted(cluster, nodes):
    """转办 over a cut line: the window knows what B decides, and not that it may, until B gives it C's entry (CASE_PULL). That is the last
    that it hears of the part."""
    a, b, c = nodes
    whole, (part,) = make_whole(a, b, C)
    wait_status(part, "arrived", a, c)
    cluster.cut(a, c, "reset")
    act(c, part, "handover", lead=int(B)).ok()
    wait_for(lambda: b.get(f"/v1/cases/{part}").status == 200 and view(b, part)["lead"] == int(B), what="the part to be here")
    decide(b, part)
    # events that wait for the handover change nothing; it is asked for after some seconds, and then they are counted
    seen = wait_for(lambda: (v := view(a, part))["pending_count"] > 0 and v or v["status"] == "closed_granted" and v, what="what B decided")
    assert seen["status"] == ("arrived" if seen["pending_count"] > 0 else "closed_granted"), seen
    wait_status(part, "closed_granted", a, b)
    assert {e["origin"] for e in view(a, part)["events"] if e["type"] == "handover"} == {int(C)}, "by way of B: the line to C is cut"
    wait_progress(whole, ("all_granted", 0, 1, 0, 0), a, b)


def test_a_withdrawn_whole_leaves_alone_what_is_no_part_of_it(nodes):
    """A clerk noted the wrong case: one that names no whole, and one that names another."""
    a, b, c = nodes
    whole, (part,) = make_whole(a, b, C)
    other, (of_other,) = make_whole(a, b, C)
    alone = submit(a, serial=7)
    for case in (part, of_other):
        wait_status(case, "arrived", a, c)
    wait_status(alone, "arrived", a, b)
    for case in (of_other, alone):
        act(a, whole, "part", part=case).ok()
    act(a, whole, "withdraw", reason="不办了").ok()
    wait_status(part, "withdrawn", a, c)
    assert [view(a, case)["status"] for case in (of_other, alone, other)] == ["arrived"] * 3


def test_a_withdrawn_whole_and_its_parts_are_one_step(nodes):
    """Over a cut line and a kill: the parts are withdrawn with the whole, or nothing is."""
    a, b, c = nodes
    whole, (part,) = make_whole(a, b, C)
    wait_status(part, "arrived", a, c)
    a.cluster.cut(a, c)
    act(a, whole, "withdraw").ok()
    a.kill()
    a.start()
    assert view(a, whole)["status"] == view(a, part)["status"] == "withdrawn"
    a.cluster.heal()
    wait_status(part, "withdrawn", a, c)
    wait_progress(whole, ("withdrawn", 0, 0, 1, 0), a, b)


@pytest.mark.parametrize("is_decided", [False, True])
def test_a_part_that_is_revoked_shows_at_the_whole(nodes, is_decided):
    a, b, c = nodes
    whole, (part,) = make_whole(a, b, C)
    wait_status(part, "arrived", a, c)
    decide(c, part)
    wait_progress(whole, ("all_granted", 0, 1, 0, 0), a, b)
    act(b, whole, "accept").ok()
    if is_decided:
        act(b, whole, "decide", decision="grant").ok()
        act(b, whole, "close").ok()
    wait_status(whole, "closed_granted" if is_decided else "accepted", a, b)
    act(c, part, "revoke", reason_code="false.material", reason="材料不实").ok()
    wait_progress(whole, ("part_lapsed", 0, 0, 0, 1), a, b)
    for node in (a, b):
        seen = view(node, whole)
        assert "part_lapsed" in seen["flags"] and seen["parts"][0]["decision"] == "lapsed"
        assert any(part in w and "分件失效" in w and f"node {B}" in w for w in seen["warnings"]), seen["warnings"]
    wait_status(whole, "closed_granted" if is_decided else "accepted", a, b)  # nobody but the lead changes that
    if is_decided:
        act(b, whole, "revoke", reason_code="part.lapsed", reason="分件已撤销").ok()
    else:
        refused(act(b, whole, "decide", decision="grant"), 409, "case.part_denied", "lapsed")
        act(b, whole, "decide", decision="deny", reason="分件已撤销").ok()
    wait_status(whole, "revoked" if is_decided else "denied", a, b)


def test_a_part_revoked_before_it_was_closed_is_denied(nodes):
    a, b, c = nodes
    whole, (part,) = make_whole(a, b, C)
    wait_status(part, "arrived", a, c)
    act(c, part, "accept").ok()
    act(c, part, "decide", decision="grant").ok()
    act(c, part, "revoke", reason_code="false.material", reason="材料不实").ok()
    wait_progress(whole, ("part_denied", 0, 0, 1, 0), a, b)
    assert "part_lapsed" not in view(b, whole)["flags"], "nothing was granted to the whole that it could lose"


def test_a_clerk_notes_what_became_of_a_part_elsewhere(nodes):
    a, b, c = nodes
    whole, () = make_whole(a, b)
    part = ask_part(c, whole).ok().json()["case"]
    at_a = Shell(a)
    refused(act(a, whole, "part_lapsed", part=part), 409, "case.part_unknown", "联办分件")
    at_a.json("case", "part", whole, "--part", part)
    at_a.json("case", "part-done", whole, "--part", part, "--grant")
    wait_progress(whole, ("all_granted", 0, 1, 0, 0), a, b)
    at_a.json("case", "part-lapsed", whole, "--part", part, "--note", "已撤销")
    wait_progress(whole, ("part_lapsed", 0, 0, 0, 1), a, b)
    refused(act(a, whole, "part_lapsed", part=part), 409, "case.part_unknown")
    refused(act(b, whole, "part_lapsed", part=part), 403, "case.node")
