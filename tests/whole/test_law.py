"""The procedure beyond the usual way, through two real provinces: what the law asks of an extension, a refusal, material
that is lacking, a promise, a mark, a part decided elsewhere.

A takes the application in (Guangdong), B decides it (Sichuan).
"""
import pytest

from cluster import wait_for
from provinces import act, application, bring_to, item_of, start_provinces, submit, view, wait_status, write_json
from test_path import Shell

A, B = "440000", "510000"


@pytest.fixture
def sides(cluster):
    return start_provinces(cluster, A, B)


def refused(reply, status, id, *words):
    assert (reply.status, reply.json()["id"]) == (status, id), reply.json()
    for word in words:
        assert word in reply.json()["message"]


def attributes(node, case, type):
    return [e["attributes"] for e in view(node, case)["events"] if e["type"] == type and e["effect"] == "ok"]


def test_extension_needs_approver_and_reason(sides):
    a, b = sides
    case = submit(a)
    bring_to(case, a, b, "accepted")
    extend = {"extend_days": 10, "official": "1001", "reason_code": "complex", "reason": "案情复杂"}
    refused(act(b, case, "extend", **{**extend, "official": None}), 400, "case.attribute_missing", "official")
    refused(act(b, case, "extend", **{**extend, "reason_code": None}), 400, "case.attribute_missing", "reason_code")
    refused(act(b, case, "extend", **{**extend, "official": "x" * 65}), 413, "case.official-size", "65", "64")
    refused(act(a, case, "extend", **extend), 403, "case.node", "延期")
    act(b, case, "extend", **extend).ok()
    wait_status(case, "accepted", a, b)
    refused(act(b, case, "extend", **extend), 409, "case.extended_once", "第四十二条")
    for node in sides:
        assert view(node, case)["extend_days"] == 10 and "extended" in view(node, case)["flags"]
        assert "extension_over" not in view(node, case)["flags"]
    pseudonym, = {x["official"] for x in attributes(a, case, "extend")}
    assert len(pseudonym) == 32 and "1001" not in pseudonym


def test_an_extension_by_too_much_stands_and_shows(sides):
    a, b = sides
    case = submit(a)
    bring_to(case, a, b, "accepted")
    act(b, case, "extend", extend_days=20, official="1001", reason_code="complex").ok()
    wait_status(case, "accepted", a, b)
    assert {"extended", "extension_over"} <= set(view(a, case)["flags"])
    assert "第四十二条" in view(a, case)["events"][-1]["explanation"]


def test_who_acts_is_a_pseudonym_of_one_case(sides):
    a, b = sides
    cases = [submit(a, serial=n) for n in (2, 3)]
    for case in cases:
        bring_to(case, a, b, "accepted")
        act(b, case, "note", note="x", official="1001").ok()
        act(b, case, "note", note="y", official="1002").ok()
        act(b, case, "note", note="z", official="1001").ok()
    seen = [[x["official"] for x in attributes(b, case, "note")] for case in cases]
    for one, two, again in seen:
        assert one == again != two
    assert not set(seen[0]) & set(seen[1])
    content = b.get(f"/v1/cases/{cases[0]}/events").ok().json()["events"][-1]["payload"]
    assert content["official"] == "***", "the staff number is masked like a person's"


def test_a_denial_tells_why_and_how_to_appeal(sides):
    a, b = sides
    case = submit(a)
    bring_to(case, a, b, "accepted")
    refused(act(b, case, "decide", decision="deny"), 409, "case.reasons_untold", "第三十八条")
    act(b, case, "decide", decision="deny", reason="不符合条件").ok()
    wait_status(case, "denied", a, b)
    decide = view(a, case)["events"][-1]
    assert "行政复议法" in decide["payload"]["remedies"] and "行政诉讼法" in decide["payload"]["remedies"]
    assert decide["attributes"]["told"] == 3
    own = submit(a, serial=3)
    bring_to(own, a, b, "arrived")
    act(b, own, "refuse", reason_code="not-ours", remedies="向成都市人民政府申请复议").ok()
    wait_status(own, "refused", a, b)
    assert view(a, own)["events"][-1]["payload"] == {"remedies": "向成都市人民政府申请复议"}


def test_lacking_material_holds_the_result(sides):
    a, b = sides
    case = submit(a)
    bring_to(case, a, b, "arrived")
    act(b, case, "accept", lacking_days=5, payload={"lacking": [{"name": "照片"}]}).ok()
    wait_status(case, "accepted", a, b)
    assert view(a, case)["lacking_days"] == 5 and "lacking" in view(a, case)["flags"]
    act(b, case, "decide", decision="grant").ok()
    act(b, case, "close").ok()
    wait_status(case, "closed_lacking", a, b)
    refused(act(a, case, "deliver", channel="window"), 409, "case.lacking", "容缺")
    Shell(a).json("case", "supply", case, "--note", "照片已交")
    wait_status(case, "closed_lacking", a, b)
    assert "lacking_supplied" in view(b, case)["flags"]
    Shell(b).json("case", "fulfil", case)
    wait_status(case, "closed_lacking", a, b)
    refused(act(b, case, "fulfil"), 409, "case.nothing_lacking")
    act(a, case, "deliver", channel="window").ok()
    wait_status(case, "delivered", a, b)


def test_what_the_item_does_not_allow_is_refused(sides):
    """容缺受理 (local rules) and 告知承诺 (国办发〔2020〕42号): by the item's version that the case was made under."""
    a, b = sides
    orphan, plain = submit(a), submit(a, item=item_of(B, "驾驶证遗失补证"), serial=3)
    for case in (orphan, plain):
        wait_status(case, "arrived", a, b)
    code = view(b, plain)["item_code"]
    refused(act(b, plain, "accept", lacking_days=5), 409, "case.lacking-unallowed", code, "version 1", "容缺受理")
    wrong = Shell(b).run("case", "accept", plain, "--lacking-days", "5", check=False)
    assert wrong.returncode != 0 and "case.lacking-unallowed" in wrong.stderr and code in wrong.stderr
    refused(act(a, plain, "accept", lacking_days=5), 403, "case.node")
    assert view(b, plain)["status"] == "arrived", "nothing was written"
    act(b, orphan, "accept", lacking_days=5).ok()
    act(b, plain, "accept").ok()
    for case in (orphan, plain):
        wait_status(case, "accepted", a, b)
        assert "lacking_unallowed" not in view(a, case)["flags"]
    assert [x["terms"] for x in attributes(a, orphan, "receipt")] == [1]
    before = a.get("/v1/cases").ok().json()["cases"]
    reply = a.post("/v1/cases", application(promise=True, serial=4))
    refused(reply, 409, "case.promise-unallowed", view(a, orphan)["item_code"], "version 1", "国办发〔2020〕42号")
    assert len(a.get("/v1/cases").ok().json()["cases"]) == len(before)


def published(sides, tmp_path, name, **fields):
    """B publishes the item of catalog/data with @name once more, with @fields and a code of its own; what its code is."""
    a, b = sides
    item = next(i for i in b.get(f"/v1/catalog?node={B}&limit=1000").ok().json()["items"] if name in i["name"])
    item = b.get(f"/v1/catalog/{item['node']}/{item['code']}").ok().json()["item"]
    item = {**{k: v for k, v in item.items() if k not in ("code", "basic_code", "version")}, "code": f"TEST{len(name)}", **fields}
    file = tmp_path / "item.json"
    write_json(file, {"format": "tongban-catalog/1", "node": int(B), "version": 2, "items": [item]})
    Shell(b).json("catalog", "import", str(file), "--publish")
    wait_for(lambda: a.get(f"/v1/catalog/{B}/{item['code']}").status == 200, what="the item to reach the window")
    return item["code"]


def test_legal_review_takes_a_second_official(sides, tmp_path):
    """法制审核 (国办发〔2018〕118号) where the item demands it: no decision before, none by who reviewed; shown on paper."""
    a, b = sides
    item = published(sides, tmp_path, "困难残疾人生活补贴", legal_review=True)
    case = submit(a, item=item, mode=None)
    wait_status(case, "arrived", a, b)
    assert "review_demanded" in view(a, case)["flags"], "the window sees that it is demanded"
    at_b = Shell(b)
    refused(act(b, case, "review", review="pass", official="1002"), 409, "case.status", "法制审核")
    act(b, case, "accept").ok()
    wait_status(case, "accepted", a, b)
    grant = {"decision": "grant", "official": "1001", "reason": "符合条件"}
    refused(act(b, case, "decide", **grant), 409, "case.review_missing", "法制审核")
    refused(act(b, case, "review", review="pass"), 400, "case.attribute_missing", "official")
    refused(act(b, case, "review", review="perhaps", official="1002"), 400, "json.choice", "perhaps")
    refused(act(a, case, "review", review="pass", official="1002"), 403, "case.node")
    at_b.json("case", "review", case, "--official", "1002", "--return", "--note", "缺评估意见")
    refused(act(b, case, "decide", **grant), 409, "case.review_missing")
    at_b.json("case", "review", case, "--official", "1002", "--pass", "--note", "同意")
    refused(act(b, case, "decide", **{**grant, "official": None}), 409, "case.official_missing")
    refused(act(b, case, "decide", **{**grant, "official": "1002"}), 409, "case.same_official")
    wrong = at_b.run("case", "decide", case, "--grant", "--official", "1002", check=False)
    assert wrong.returncode != 0 and "case.same_official" in wrong.stderr
    refused(act(b, case, "decide", decision="deny", reason="不符", official="1002"), 409, "case.same_official")
    at_b.json("case", "decide", case, "--grant", "--official", "1001")
    wait_status(case, "closed_granted", a, b)
    assert "reviewed" in view(a, case)["flags"]
    reviewer, = {x["official"] for x in attributes(a, case, "review")}
    decider, = {x["official"] for x in attributes(a, case, "decide")}
    assert reviewer != decider
    for node in sides:
        page = node.get(f"/v1/cases/{case}/document?act=decide&purpose=print&wait_ms=20000").ok().body.decode()
        assert "法制审核：" in page and "日通过" in page and "1002" not in page and "<svg" in page
        receipt = node.get(f"/v1/cases/{case}/receipt?act=review&wait_ms=20000").ok().json()
        assert receipt["act"] == "review" and receipt["proof"].startswith("c2sp.org/tlog-proof@v1")
    plain = submit(a, serial=3)
    bring_to(plain, a, b, "granted")
    page = a.get(f"/v1/cases/{plain}/document?act=decide&purpose=print").ok().body.decode()
    assert "法制审核" not in page
    for id, says in ((plain, False), (submit(a, item=item_of(B, "从业资格证补发"), serial=4), True)):
        wait_status(id, "granted" if id == plain else "arrived", a, b)
        page = a.get(f"/v1/cases/{id}/document?act=submit&purpose=print").ok().body.decode()
        assert ("即为受理" in page) == says, "silence is acceptance of licences alone"
        assert ("licence" in view(a, id)["terms"]) == says


def test_a_false_promise_gets_no_grant(sides):
    a, b = sides
    card = item_of(B, "首次申领居民身份证")
    case = submit(a, item=card, promise=True)
    plain = submit(a, item=card, serial=3)
    for each in (case, plain):
        bring_to(each, a, b, "accepted")
    assert "promised" in view(b, case)["flags"]
    refused(act(b, plain, "breach", reason_code="false"), 409, "case.no_promise", "告知承诺")
    Shell(b).json("case", "breach", case, "--reason-code", "promise.false", "--reason", "核查发现承诺不实")
    refused(act(b, case, "decide", decision="grant"), 409, "case.breached")
    act(b, case, "decide", decision="deny", reason="承诺不实").ok()
    wait_status(case, "denied", a, b)
    assert "breached" in view(a, case)["flags"]


def test_each_side_gets_its_mark_and_answers_a_bad_one(sides):
    a, b = sides
    case = submit(a)
    bring_to(case, a, b, "closed_granted")
    act(a, case, "deliver", channel="window").ok()
    at_a, at_b = Shell(a), Shell(b)
    at_a.json("case", "evaluate", case, "--grade", "5")
    at_a.json("case", "evaluate", case, "--grade", "1", "--side", "deciding")
    refused(act(a, case, "evaluate", grade=4, side="deciding"), 409, "case.once", "一次一评")
    wait_status(case, "delivered", a, b)
    assert view(b, case)["grades"] == {"receiving": 5, "deciding": 1}
    refused(act(a, case, "follow_up", side="receiving"), 409, "case.no_bad_mark")
    refused(act(a, case, "follow_up", side="deciding"), 403, "case.other_side")
    at_b.json("case", "follow-up", case, "--side", "deciding", "--note", "已回访")
    wait_status(case, "delivered", a, b)
    assert "followed_up_deciding" in view(a, case)["flags"]
    refused(act(b, case, "follow_up", side="deciding"), 409, "case.already")


def test_parts_are_decided_before_the_whole(sides):
    a, b = sides
    whole = submit(a)
    part = submit(a, serial=3)  # names no parent: the clerk says that it belongs to the whole
    bring_to(part, a, b, "accepted")
    Shell(a).json("case", "part", whole, "--part", part)
    bring_to(whole, a, b, "accepted")
    assert view(b, whole)["parts"] == [{"case": part, "decision": None}]
    refused(act(b, whole, "decide", decision="grant"), 409, "case.parts_open", "联办分件")
    refused(act(a, whole, "part_done", part=whole, decision="grant"), 409, "case.part_unknown")
    refused(act(a, whole, "part", part=part), 409, "case.already")
    act(b, part, "decide", decision="grant").ok()
    Shell(a).json("case", "part-done", whole, "--part", part, "--grant")
    wait_status(whole, "accepted", a, b)
    act(b, whole, "decide", decision="grant").ok()
    wait_status(whole, "granted", a, b)
    assert view(a, whole)["parts"] == [{"case": part, "decision": "grant"}]


def test_custody_shows_through_whose_hands_it_went(sides):
    a, b = sides
    case = submit(a)
    bring_to(case, a, b, "arrived")
    act(b, case, "handover", lead=int(A)).ok()
    wait_status(case, "arrived", a, b)
    act(a, case, "accept").ok()
    act(a, case, "handover", lead=int(B)).ok()
    wait_status(case, "accepted", a, b)
    for node in sides:
        custody = view(node, case)["custody"]
        assert [(c["node"], c["by"]) for c in custody] == [
            (int(A), "submit"), (int(B), "receipt"), (int(A), "handover"), (int(B), "handover")]
        assert [c["since_ms"] for c in custody] == sorted(c["since_ms"] for c in custody)
