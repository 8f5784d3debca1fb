"""The flows that are really handled across provinces, from end to end, each with the limits that its published item gives
to each side (catalog/data: 孤儿认定, 困难残疾人生活补贴, 户口迁移, 首次申领身份证, 残疾人证换领).

A is the window elsewhere (广东), B decides (四川), C is 浙江, and 510104 a county of Sichuan with a node of its own.
"""
import datetime

import pytest

from cluster import wait_for
from provinces import act, add_provinces, assert_table, item_of, start_provinces, submit, today, view, wait_met, wait_status
from test_deadlines import add_working_days
from test_path import Shell

A, B, C, COUNTY = "440000", "510000", "330000", "510104"

pytestmark = pytest.mark.usefixtures("one_day")


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
    assert "staged" in view(a, case)["terms"] and rows(a, case)["decide"]["days"] == 30
    first = rows(a, case)["first_review"]
    assert (first["days"], first["due"], first["met"]) == (15, add_working_days(day, 15).isoformat(), None)
    act(b, case, "handover", lead=int(COUNTY), note="初审意见:符合条件").ok()
    wait_status(case, "accepted", a, b, county)
    for node in (a, b, county):
        assert view(node, case)["lead"] == int(COUNTY) and rows(node, case)["first_review"]["met"]
        decide = rows(node, case)["decide"]  # early or late, the county has its own fifteen days
        assert (decide["days"], decide["from"], decide["due"]) == (15, today().isoformat(), add_working_days(today(), 15).isoformat())
    act(county, case, "decide", decision="grant", reason="符合孤儿认定条件").ok()
    act(county, case, "close").ok()
    wait_status(case, "closed_granted", a, county)
    told = rows(a, case)["deliver"]
    assert (told["days"], told["due"]) == (3, add_working_days(day, 3).isoformat())
    act(a, case, "notify", means="phone", told_on=day.isoformat()).ok()
    act(a, case, "deliver", channel="electronic").ok()
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
    act(a, case, "notify", means="window").ok()
    act(a, case, "deliver", channel="window").ok()
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
    assert view(c, whole)["parts"] == [{"case": part, "decision": None, "noted": None, "status": "arrived"}], "noted by the node itself"
    assert view(b, part)["parent"] == whole
    assert b.get(f"/v1/cases/{whole}").status == 404, "the place left has no part in the whole"
    act(c, whole, "accept").ok()
    assert [r[:2] for r in assert_table(Shell(c).text("case", "show", whole).split("\n\n")[3], "PART", "DECISION", "STATE")] == [[part, "open"]]
    assert f"part of:     {whole}\n" in Shell(b).text("case", "show", part)
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
    wait_for(lambda: view(c, whole)["progress"]["state"] == "all_granted", what="the part to be noted")
    act(c, whole, "decide", decision="grant", reason="准予迁入").ok()
    act(c, whole, "close").ok()
    wait_status(whole, "closed_granted", c)
    for case, nodes in ((part, (b, c)), (whole, (c,))):  # the applicant gets both papers where the application was handed in
        assert rows(c, case)["deliver"]["days"] == 10
        act(c, case, "deliver", channel="window", note="户口迁移证、准予迁入证明已交申请人").ok()
        wait_status(case, "delivered", *nodes)
        assert view(c, case)["due"] is None


def test_household_moves_the_old_way(cluster):
    """Who does not choose 跨省通办 (申请人自愿选择) takes the 准予迁入证明 to the place left himself: two cases, neither a part."""
    b, c = start_provinces(cluster, B, C)
    name = "夫妻投靠户口迁移"
    moved_to = submit(c, item=item_of(C, name), mode="joint", division="330106", form={"跨省通办": "申请人不选择"})
    wait_status(moved_to, "arrived", c)
    for type, fields in (("accept", {}), ("decide", {"decision": "grant", "reason": "准予迁入"}), ("close", {})):
        act(c, moved_to, type, **fields).ok()
    act(c, moved_to, "deliver", channel="window", note="准予迁入证明已交申请人").ok()
    wait_status(moved_to, "delivered", c)
    assert view(c, moved_to)["parts"] == [] and b.get(f"/v1/cases/{moved_to}").status == 404
    left = submit(b, item=item_of(B, name), mode="joint", form={"准予迁入证明": "申请人自带"})
    wait_status(left, "arrived", b)
    for type, fields in (("accept", {}), ("decide", {"decision": "grant", "reason": "已打印户口迁移证"}), ("close", {})):
        act(b, left, type, **fields).ok()
    act(b, left, "deliver", channel="window").ok()
    wait_status(left, "delivered", b)
    assert "parent" not in view(b, left) and c.get(f"/v1/cases/{left}").status == 404


def test_a_part_that_is_refused_stops_the_whole(cluster):
    b, c = start_provinces(cluster, B, C)
    name = "夫妻投靠户口迁移"
    whole = submit(c, item=item_of(C, name), mode="joint", division="330106")
    wait_status(whole, "arrived", c)
    part = submit(c, item=item_of(B, name), mode="joint", parent=whole)
    wait_status(part, "arrived", b, c)
    act(b, part, "refuse", reason_code="not-registered-here", reason="户口不在本地").ok()
    wait_status(part, "refused", b, c)
    wait_for(lambda: view(c, whole)["progress"]["state"] == "part_denied", what="the part to be noted")
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
    for node in (a, b):
        assert rows(node, case)["accept"]["days"] == 5 and "forward" not in rows(node, case)
    day = today()
    act(b, case, "accept").ok()
    wait_status(case, "accepted", a, b)
    due = natural(day, 60)
    while due != add_working_days(due - datetime.timedelta(days=1), 1):
        due += datetime.timedelta(days=1)  # 民法典第二百零三条
    for node in (a, b):  # 居民身份证法第十二条
        decide = rows(node, case)["decide"]
        assert (decide["days"], decide["unit"], decide["due"]) == (60, "natural", due.isoformat())
    item = b.get(f"/v1/catalog/{B}/{view(b, case)['item_code']}").ok().json()["item"]
    assert "居民身份证法第十二条" in item["limits"]["legal"]["text"] and "《中华人民共和国居民身份证法》第十二条" in item["legal_basis"]
    act(b, case, "decide", decision="grant", reason="审核签发").ok()
    act(b, case, "close").ok()
    act(b, case, "post_result", carrier="EMS", tracking="EA123456789CN", note="制证完成").ok()
    wait_status(case, "closed_granted", a, b)
    assert rows(a, case)["deliver"] == rows(b, case)["deliver"] and rows(a, case)["deliver"]["days"] == 10
    assert rows(b, case)["deliver"]["met"] is None, "on its way, and not delivered"
    act(b, case, "deliver", channel="post").ok()
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
    act(a, case, "post_materials", carrier="中国邮政", tracking="XA000000001CN", note="照片").ok()
    act(a, case, "forward").ok()
    wait_status(case, "arrived", a, b)
    act(b, case, "accept").ok()
    act(b, case, "decide", decision="grant").ok()
    act(b, case, "close").ok()
    act(b, case, "post_result", carrier="中国邮政", note="邮费由申请人承担").ok()
    act(b, case, "deliver", channel="post").ok()
    wait_status(case, "delivered", a, b)
    assert rows(a, case)["deliver"]["colour"] == "green"
