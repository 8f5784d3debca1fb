"""The flows that are really handled across provinces, from end to end, each with the limits that its published item gives
to each side (catalog/data: 孤儿认定, 困难残疾人生活补贴, 户口迁移, 首次申领身份证, 残疾人证换领).

A is the window elsewhere (广东), B decides (四川), C is 浙江, and 510104 a county of Sichuan with a node of its own.
"""
import datetime

from cluster import wait_for
from provinces import act, add_provinces, item_of, start_provinces, submit, view, wait_met, wait_status
from test_deadlines import add_working_days, today

A, B, C, COUNTY = "440000", "510000", "330000", "510104"

def rows(node, case):
    return {d["kind"]: d for d in view(node, case)["deadlines"]}


def natural(day, count):
    return day + datetime.timedelta(days=count)


def test_orphan_recognised_by_township_and_county(cluster):
    """3 days to enter and push, 15 for the first opinion, 15 for the county's decision, 3 to tell the applicant."""
    a, b = add_provinces(cluster, A, B)
    county = cluster.add_node(COUNTY, "锦江区")
    cluster.start()
    wait_met(a, b)
    day = today()
    case = submit(a, forward=False)
    wait_for(lambda: view(a, case)["status"] == "received", what="the window")
    forward = rows(a, case)["forward"]
    assert (forward["days"], forward["due"]) == (3, add_working_days(day, 3).isoformat())
    act(a, case, "forward").ok()
    wait_status(case, "arrived", a, b)
    act(b, case, "accept").ok()
    wait_status(case, "accepted", a, b)
    first = rows(a, case)["first_review"]
    assert (first["days"], first["due"], first["met"]) == (15, add_working_days(day, 15).isoformat(), None)
    act(b, case, "handover", lead=int(COUNTY), note="初审意见:符合条件").ok()
    wait_status(case, "accepted", a, b, county)
    for node in (a, b, county):
        assert view(node, case)["lead"] == int(COUNTY) and rows(node, case)["first_review"]["met"]
        assert rows(node, case)["decide"]["due"] == add_working_days(day, 30).isoformat()
    act(county, case, "decide", decision="grant", reason="符合孤儿认定条件").ok()
    act(county, case, "close").ok()
    wait_status(case, "closed_granted", a, county)
    told = rows(a, case)["deliver"]
    assert (told["days"], told["due"]) == (3, add_working_days(day, 3).isoformat())
    act(a, case, "deliver", channel="electronic", note="已告知申请人").ok()
    wait_status(case, "delivered", a, county)
    assert [(c["node"], c["by"]) for c in view(a, case)["custody"]] == [
        (int(A), "submit"), (int(B), "receipt"), (int(COUNTY), "handover")]


def test_subsidy_for_the_disabled_decided_at_home(cluster):
    """残疾人两项补贴: any window takes it in, the home place decides and pays."""
    a, b = start_provinces(cluster, A, B)
    case = submit(a, item=item_of(B, "困难残疾人生活补贴"), mode=None)
    wait_status(case, "arrived", a, b)
    for node in (a, b):
        assert rows(node, case)["accept"]["days"] == 5
    day = today()
    for type, status in (("accept", "accepted"), ("process", "processing")):
        act(b, case, type).ok()
        wait_status(case, status, a, b)
    for node in (a, b):
        assert (rows(node, case)["decide"]["days"], rows(node, case)["decide"]["due"]) == (
            16, add_working_days(day, 16).isoformat())
    act(b, case, "decide", decision="grant", reason="经审核符合补贴条件").ok()
    act(b, case, "close").ok()
    wait_status(case, "closed_granted", a, b)
    assert rows(a, case)["deliver"]["days"] == 10
    act(a, case, "deliver", channel="window", note="窗口已告知").ok()
    act(a, case, "evaluate", grade=5).ok()
    act(a, case, "evaluate", grade=5, side="deciding").ok()
    wait_status(case, "delivered", a, b)


def test_household_moves_in_one_visit(cluster):
    """户口迁移 (多地联办): the place moved to takes it in and decides, the place left has five days for its part."""
    b, c = start_provinces(cluster, B, C)
    name = "夫妻投靠户口迁移"
    whole = submit(c, item=item_of(C, name), mode="joint", division="330106")
    wait_status(whole, "arrived", c)
    part = submit(c, item=item_of(B, name), mode="joint", parent=whole)
    wait_status(part, "arrived", b, c)
    assert view(c, whole)["parts"] == [{"case": part, "decision": None}], "noted by the node itself"
    assert view(b, part)["parent"] == whole
    assert b.get(f"/v1/cases/{whole}").status == 404, "the place left has no part in the whole"
    act(c, whole, "accept").ok()
    early = act(c, whole, "decide", decision="grant")
    assert (early.status, early.json()["id"]) == (409, "case.parts_open")
    act(b, part, "accept").ok()
    wait_status(part, "accepted", b, c)
    day = today()
    for node in (b, c):
        assert (rows(node, part)["decide"]["days"], rows(node, part)["decide"]["due"]) == (
            5, add_working_days(day, 5).isoformat())
    act(b, part, "decide", decision="grant", reason="已打印户口迁移证").ok()
    act(b, part, "close").ok()
    wait_status(part, "closed_granted", b, c)
    wait_for(lambda: view(c, whole)["parts"] == [{"case": part, "decision": "grant"}], what="the part to be noted")
    act(c, whole, "decide", decision="grant", reason="准予迁入").ok()
    act(c, whole, "close").ok()
    wait_status(whole, "closed_granted", c)


def test_a_part_that_is_refused_stops_the_whole(cluster):
    b, c = start_provinces(cluster, B, C)
    name = "夫妻投靠户口迁移"
    whole = submit(c, item=item_of(C, name), mode="joint", division="330106")
    wait_status(whole, "arrived", c)
    part = submit(c, item=item_of(B, name), mode="joint", parent=whole)
    wait_status(part, "arrived", b, c)
    act(b, part, "refuse", reason_code="not-registered-here", reason="户口不在本地").ok()
    wait_status(part, "refused", b, c)
    wait_for(lambda: view(c, whole)["parts"] == [{"case": part, "decision": "deny"}], what="the part to be noted")
    act(c, whole, "accept").ok()
    refused = act(c, whole, "decide", decision="grant")
    assert (refused.status, refused.json()["id"]) == (409, "case.part_denied")
    act(c, whole, "decide", decision="deny", reason="迁出地不予受理").ok()


def test_first_identity_card_signed_at_home(cluster):
    """首次申领身份证: checked and promised in writing at the place of residence, issued by the home police."""
    a, b = start_provinces(cluster, A, B)
    case = submit(a, item=item_of(B, "首次申领居民身份证"), promise=True, form={"人像": "已采集", "指纹": "已采集"})
    wait_status(case, "arrived", a, b)
    assert "promised" in view(b, case)["flags"]
    for node in (a, b):  # the sources name no days for this item: what is left is the law's notice and delivery
        assert rows(node, case)["accept"]["days"] == 5 and "decide" not in rows(node, case) and "forward" not in rows(node, case)
    act(b, case, "accept").ok()
    act(b, case, "decide", decision="grant", reason="审核签发").ok()
    act(b, case, "close").ok()
    act(b, case, "note", note="制证完成,已邮寄").ok()
    wait_status(case, "closed_granted", a, b)
    assert rows(a, case)["deliver"] == rows(b, case)["deliver"] and rows(a, case)["deliver"]["days"] == 10
    act(b, case, "deliver", channel="post", note="EMS").ok()
    wait_status(case, "delivered", a, b)


def test_disability_card_renewed_by_post(cluster):
    """残疾人证换领: the photo is posted within three natural days; the home place issues and posts."""
    a, b = start_provinces(cluster, A, B)
    day = today()
    case = submit(a, item=item_of(B, "残疾人证换领"), forward=False)
    forward = rows(a, case)["forward"]
    due = natural(day, 3)
    while due != add_working_days(due - datetime.timedelta(days=1), 1):
        due += datetime.timedelta(days=1)  # 民法典第二百零三条
    assert (forward["days"], forward["unit"], forward["due"]) == (3, "natural", due.isoformat())
    act(a, case, "note", note="照片已寄").ok()
    act(a, case, "forward").ok()
    wait_status(case, "arrived", a, b)
    act(b, case, "accept").ok()
    act(b, case, "decide", decision="grant").ok()
    act(b, case, "close").ok()
    act(b, case, "deliver", channel="post", note="邮费由申请人承担").ok()
    wait_status(case, "delivered", a, b)
    assert rows(a, case)["deliver"]["colour"] == "green"
