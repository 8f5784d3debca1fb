"""The procedure beyond the usual way, through two real provinces: what the law asks of an extension, a refusal, material
that is lacking, a promise, a mark, a part decided elsewhere.

A takes the application in (Guangdong), B decides it (Sichuan).
"""
import pytest

from cluster import wait_for
from provinces import ORPHAN_MATERIALS, act, application, bring_to, item_of, start_provinces, submit, view, wait_status, write_json
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
    act(b, case, "extend", extend_days=20, official="1001", reason_code="complex", reason="案情复杂").ok()
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
    act(b, own, "refuse", reason_code="not-ours", reason="不归本机关", remedies="向成都市人民政府申请复议").ok()
    wait_status(own, "refused", a, b)
    assert view(a, own)["events"][-1]["payload"] == {"reason": "不归本机关", "remedies": "向成都市人民政府申请复议"}


def test_a_code_is_no_reason(sides):
    """Who is refused, has to correct, or waits longer is told why in words: 行政许可法第三十二条、第三十八条、第四十二条."""
    a, b = sides
    case, denied, granted = (submit(a, serial=n) for n in (2, 3, 4))
    bring_to(denied, a, b, "accepted")
    bring_to(granted, a, b, "granted")
    wait_status(case, "arrived", a, b)
    code = {"reason_code": "no-words"}
    for id, type, fields in (
        (case, "correct", code), (case, "refuse", code), (case, "not_required", code), (granted, "revoke", code),
        (denied, "decide", {**code, "decision": "deny"}), (denied, "extend", {**code, "extend_days": 5, "official": "1001"}),
    ):
        for words in ({}, {"reason": ""}, {"reason": " \u3000\n"}, {"payload": {"reason": " "}}):
            refused(act(b, id, type, **fields, **words), 409, "case.reasons_untold", "行政许可法")
    refused(act(a, case, "refuse", **code), 403, "case.node")
    for id, status in ((case, "arrived"), (denied, "accepted"), (granted, "granted")):
        assert view(b, id)["status"] == status, "nothing was written"
    act(b, granted, "revoke", **code, payload={"reason": "以欺骗手段取得"}).ok()
    act(b, case, "correct", **code, reason="缺监护关系证明").ok()
    wait_status(case, "correcting", a, b)
    wait_status(granted, "revoked", a, b)
    assert "内容：</p>\n<p>缺监护关系证明</p>" in document(a, case, "correct")
    assert "理由：以欺骗手段取得" in document(a, granted, "revoke")
    assert "told" not in attributes(a, case, "correct")[0]


def test_lacking_material_holds_the_result(sides):
    a, b = sides
    case = submit(a)
    bring_to(case, a, b, "arrived")
    act(b, case, "accept", lacking_days=5).ok()
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


def published(sides, tmp_path, name, **fields):
    """B publishes the item of catalog/data with @name once more, with @fields and a code of its own; what its code is."""
    a, b = sides
    item = next(i for i in b.get(f"/v1/catalog?node={B}&limit=1000").ok().json()["items"] if name in i["name"])
    item = b.get(f"/v1/catalog/{item['node']}/{item['code']}").ok().json()["item"]
    item = {**{k: v for k, v in item.items() if k not in ("code", "basic_code", "version")}, "code": f"TEST{len(name)}", **fields}
    file = tmp_path / "item.json"
    write_json(file, {"format": "tongban-catalog/1", "node": int(B), "version": 2, "items": [{k: v for k, v in item.items() if v is not None}]})
    Shell(b).json("catalog", "import", str(file), "--publish")
    wait_for(lambda: a.get(f"/v1/catalog/{B}/{item['code']}").status == 200, what="the item to reach the window")
    return item["code"]


def lacking_item(sides, tmp_path, **fields):
    """An item that allows 容缺受理: ten working days promised, three of them for what is lacking, or as @fields say."""
    return published(sides, tmp_path, "困难残疾人生活补贴", **{
        "limits": {"promised": {"n": 10, "unit": "working"}},
        "deferral": {"allowed": True, "limit": {"n": 3, "unit": "working"}}, **fields})


def test_what_is_lacking_may_not_lack_longer_than_the_item_says(sides, tmp_path):
    """容缺受理 (local rules): by the shortest of deferral.limit, the materials' `later` and the limit to decide."""
    a, b = sides
    code = lacking_item(sides, tmp_path)
    three, orphan = submit(a, item=code, mode=None), submit(a, serial=3)
    for case in (three, orphan):
        wait_status(case, "arrived", a, b)
    refused(act(b, three, "accept", lacking_days=60), 409, "case.lacking-over", "60", "at most 3:", code, "deferral.limit")
    refused(act(b, three, "accept", lacking_days=4), 409, "case.lacking-over", "at most 3:")
    refused(act(b, orphan, "accept", lacking_days=31), 409, "case.lacking-over", "31", "at most 30:", "承诺办结时限")
    wrong = Shell(b).run("case", "accept", orphan, "--lacking-days", "400", check=False)
    assert wrong.returncode != 0 and "case.lacking-over" in wrong.stderr and "at most 30:" in wrong.stderr
    assert view(b, orphan)["status"] == "arrived", "nothing was written"
    act(b, three, "accept", lacking_days=3).ok()
    act(b, orphan, "accept", lacking_days=30).ok()
    for case in (three, orphan):
        wait_status(case, "accepted", a, b)


def document(node, case, type):
    return node.get(f"/v1/cases/{case}/document?act={type}&purpose=print&wait_ms=60000").ok().body.decode()


def test_what_is_lacking_is_named(sides, tmp_path):
    """容缺受理通知 (local rules): each material by name, in which form, until when, and what happens if it does not come."""
    a, b = sides
    code = lacking_item(sides, tmp_path)
    case, plain = submit(a, item=code, mode=None), submit(a, item=code, mode=None, serial=3)
    for each in (case, plain):
        wait_status(each, "arrived", a, b)
    for lacking, status, id, *words in [
        ([{"code": "M99"}], 400, "case.lacking-material", "'M99'", code, "version 1"),
        ([{"code": "M01"}], 400, "case.lacking-material", "'M01'", "not deferrable"),
        ([{"code": "M06"}, {"code": "M06"}], 400, "case.lacking-material", "'M06'", "twice"),
        ([{"code": "M06", "days": 4}], 409, "case.lacking-over", "'M06'", "4 working days", "at most 3:"),
    ]:
        refused(act(b, case, "accept", lacking=lacking), status, id, *words)
    refused(act(b, case, "accept", lacking_days=9, lacking=[{"code": "M06"}]), 409, "case.lacking-over", "at most 3:")
    refused(act(a, case, "accept", lacking=[{"code": "M06"}]), 403, "case.node")
    wrong = Shell(b).run("case", "accept", case, "--lacking", "M06=x", check=False)
    assert wrong.returncode != 0 and "ctl.pair" in wrong.stderr and "M06=x" in wrong.stderr
    Shell(b).json("case", "accept", case, "--lacking", "M06=2")
    act(b, plain, "accept").ok()
    for each in (case, plain):
        wait_status(each, "accepted", a, b)
    for node in sides:
        seen = view(node, case)
        row, = seen["lacking"]
        due, = [d["due"] for d in seen["deadlines"] if d["kind"] == "lacking"]
        assert row == {"code": "M06", "name": "补贴发放银行账户复印件", "form": "either", "days": 2, "due": due}
        assert seen["lacking_days"] == 2 and "lacking" not in view(node, plain)
        accept = [e for e in seen["events"] if e["type"] == "accept"][-1]
        assert accept["payload"]["lacking"] == [{"code": "M06", "days": 2, "form": "either", "name": row["name"]}]
        text = Shell(node).text("case", "show", case)
        assert all(word in text for word in ("LACKING", "M06", row["name"], due))
        page = document(node, case, "accept")
        year, month, day = (int(x) for x in due.split("-"))
        for words in ("尚缺下列材料：1．补贴发放银行账户复印件（M06，纸质或者电子件），自受理之日起2个工作日内",
                      f"最迟为{year}年{month}月{day}日", "补齐前不发放办理结果；逾期未补齐的", "主要申请材料齐全"):
            assert words in page, words
        assert "申请材料齐全、符合法定形式，现予受理" not in page, "it does not say both"
        page = document(node, plain, "accept")
        assert "容缺" not in page and "申请材料齐全、符合法定形式，现予受理" in page


def test_what_nothing_limits_needs_days(sides, tmp_path):
    a, b = sides
    code = lacking_item(sides, tmp_path, limits=None, deferral={"allowed": True})
    case = submit(a, item=code, mode=None)
    wait_status(case, "arrived", a, b)
    refused(act(b, case, "accept", lacking=[{"code": "M06"}]), 400, "case.lacking-days", "'M06'")
    act(b, case, "accept", lacking=[{"code": "M06", "days": 20}]).ok()
    wait_status(case, "accepted", a, b)
    act(b, case, "extend", extend_days=5, official="1001", reason_code="complex", reason="案情复杂").ok()
    wait_status(case, "accepted", a, b)
    page = document(a, case, "extend")
    assert "办理期限延长5个工作日。" in page and "作出决定" not in page, "no day is known, none is named"


def test_days_of_the_calendar_are_counted_as_working_days(sides, tmp_path):
    """Seven natural days hold at most five working days, six where the last one is a day off (民法典第二百零三条)."""
    a, b = sides
    code = lacking_item(sides, tmp_path, deferral={"allowed": True, "limit": {"n": 7, "unit": "natural"}})
    case = submit(a, item=code, mode=None)
    wait_status(case, "arrived", a, b)
    refused(act(b, case, "accept", lacking_days=8), 409, "case.lacking-over", "working days")
    refused(act(b, case, "accept", lacking_days=7), 409, "case.lacking-over")
    act(b, case, "accept", lacking_days=1).ok()


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
    assert [x["terms"] for x in attributes(a, orphan, "receipt")] == [9]
    before = a.get("/v1/cases").ok().json()["cases"]
    reply = a.post("/v1/cases", application(promise=True, serial=4))
    refused(reply, 409, "case.promise-unallowed", view(a, orphan)["item_code"], "version 1", "国办发〔2020〕42号")
    assert len(a.get("/v1/cases").ok().json()["cases"]) == len(before)


def deadline(node, case, kind):
    return next((d for d in view(node, case)["deadlines"] if d["kind"] == kind), None)


def test_a_licence_whose_item_says_nothing_has_the_days_of_the_law(sides, tmp_path):
    """行政许可法第四十二条: 20 working days, 45 where several authorities act together; 第四十三条: 20 for the review below."""
    a, b = sides
    stages = [{"stage": "初审", "side": "deciding", "at": "县"}, {"stage": "审批", "side": "deciding", "at": "省", "days": 8, "unit": "working"}]
    for serial, (fields, mode, decide, first) in enumerate([
        ({}, "collect", 20, None), ({}, "joint", 45, None), ({"limits": {"legal": {"n": 12, "unit": "working"}}}, "joint", 12, None),
        ({"limits": {"stages": stages}}, "collect", 8, 20), ({"type": "07", "limits": {"stages": stages}}, "collect", 8, None),
        ({"type": "07"}, "joint", None, None),
    ], start=2):
        (tmp_path / str(serial)).mkdir()
        item = published(sides, tmp_path / str(serial), "从业资格证补发",
                         **{"type": "01", "code": f"LAW{serial}", "modes": ["异地代收代办", "多地联办"], **fields})
        case = submit(a, item=item, mode=mode, serial=serial)
        bring_to(case, a, b, "accepted")
        for node in sides:
            for kind, days in (("decide", decide), ("first_review", first)):
                found = deadline(node, case, kind)
                assert (found and (found["days"], found["unit"])) == (days and (days, "working")), (fields, mode, kind)


def test_a_hearing_about_a_licence_is_held_within_twenty_days(sides):
    a, b = sides
    licence, other = submit(a, item=item_of(B, "从业资格证补发")), submit(a, serial=3)
    for case in (licence, other):
        bring_to(case, a, b, "accepted")
    refused(act(b, licence, "pause", pause_kind="hearing", expected_days=21), 409, "case.hearing-days", "21", "20", "第四十七条")
    refused(act(a, licence, "pause", pause_kind="hearing", expected_days=21), 403, "case.node")
    refused(act(b, licence, "pause", pause_kind="hearing", expected_days=60, unit="natural"), 409, "case.hearing-days", "60")
    act(b, licence, "pause", pause_kind="hearing", expected_days=24, unit="natural").ok()  # no more than twenty working days
    act(b, other, "pause", pause_kind="hearing", expected_days=21).ok()
    wait_status(licence, "paused", a, b)
    wait_status(other, "paused", a, b)
    for node in sides:
        found = deadline(node, licence, "hearing")
        assert (found["days"], found["source"], view(node, licence)["due"]["kind"]) == (20, "行政许可法第四十七条第一款", "hearing")
        assert deadline(node, other, "hearing") is None


def test_a_special_procedure_of_another_law(sides, tmp_path):
    """特别程序 of kind 其他: told with its reason and law; days and unit as the item declares them."""
    a, b = sides
    item = published(sides, tmp_path, "困难残疾人生活补贴", special_procedures=[
        {"kind": "其他", "days": 30, "unit": "natural", "text": "公示, 社会救助暂行办法第十一条"}, {"kind": "鉴定"}])
    case = submit(a, item=item, mode=None)
    bring_to(case, a, b, "accepted")
    told = {"reason": "拟认定对象公示", "basis": "社会救助暂行办法第十一条"}
    for lacking in ("reason", "basis"):
        refused(act(b, case, "pause", pause_kind="other", **{k: v for k, v in told.items() if k != lacking}), 409, "case.basis_untold",
                "其他", "第四十五条")
    refused(act(b, case, "pause", pause_kind="appraisal"), 400, "case.attribute_missing", "expected_days")
    refused(act(b, case, "pause", pause_kind="other", unit="weeks", **told), 400, "json.choice", "weeks", "natural")
    wrong = Shell(b).run("case", "pause", case, "--kind", "other", "--days", "3", check=False)
    assert wrong.returncode != 0 and "case.basis_untold" in wrong.stderr
    Shell(b).json("case", "pause", case, "--kind", "other", "--reason", told["reason"], "--basis", told["basis"])
    wait_status(case, "paused", a, b)
    for node in sides:
        pause = deadline(node, case, "pause")
        assert (pause["days"], pause["unit"]) == (30, "natural")
        page = node.get(f"/v1/cases/{case}/document?act=pause&purpose=print").ok().body.decode()
        assert "需要其他特别程序，预计30日。" in page and f"依据：{told['basis']}" in page and told["reason"] in page
    assert attributes(a, case, "pause") == [{"pause_kind": 9, "expected_days": 30, "unit": "natural", "told": 5}]
    act(b, case, "resume").ok()
    act(b, case, "pause", pause_kind=9, expected_days=4, unit="working", **told).ok()
    wait_status(case, "paused", a, b)
    assert (deadline(a, case, "pause")["days"], deadline(a, case, "pause")["unit"]) == (4, "working")


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
        page = node.get(f"/v1/cases/{case}/document?act=decide&purpose=print&wait_ms=60000").ok().body.decode()
        assert "法制审核：" in page and "日通过" in page and "1002" not in page and "<svg" in page
        receipt = node.get(f"/v1/cases/{case}/receipt?act=review&wait_ms=60000").ok().json()
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
    assert view(b, whole)["parts"] == [{"case": part, "decision": None, "noted": None, "status": "accepted"}]
    refused(act(b, whole, "decide", decision="grant"), 409, "case.parts_open", "联办分件")
    refused(act(a, whole, "part_done", part=whole, decision="grant"), 409, "case.part_unknown")
    refused(act(a, whole, "part", part=part), 409, "case.already")
    act(b, part, "decide", decision="grant").ok()
    Shell(a).json("case", "part-done", whole, "--part", part, "--grant")
    wait_status(whole, "accepted", a, b)
    act(b, whole, "decide", decision="grant").ok()
    wait_status(whole, "granted", a, b)
    assert view(a, whole)["parts"] == [{"case": part, "decision": "grant", "noted": "grant", "status": "granted"}]


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


def warned(node, **fields):
    made = node.post("/v1/cases", application(**fields)).ok().json()
    return made["case"], made["warnings"]


def test_the_form_check_tells_what_does_not_fit_the_item(sides, tmp_path):
    """形式审查 tells and refuses nothing: who may apply is the deciding side's to say (行政许可法第三十二条, 国办发〔2020〕35号)."""
    a, b = sides
    code = published(sides, tmp_path, "困难残疾人生活补贴", subject=["企业法人", "事业法人"],
                     promise={"allowed": True, "text": "承诺", "materials": ["M03"]})
    firm = {"kind": "organisation", "name": "示例公司", "id_type": "uscc", "id_number": "91440300TEMP0003XW"}
    bring = [{"code": c, "name": "x.pdf", "sha256": "0" * 64, "size": 1} for c in ("M01", "M02", "M04")]
    case, (who, unknown, missing) = warned(a, item=code, mode=None, materials=bring[:2] + [{**bring[0], "code": "X9"}])
    assert "企业法人、事业法人 (服务对象)" in who and "not for a natural person" in who
    assert unknown.endswith("the item has no X9")
    assert "M03 残疾人证" in missing and "M04 " in missing and "补正" in missing
    assert not any(c in missing for c in ("M01", "M02", "M05", "M06")), "brought, conditional, or may come later"
    wait_status(case, "arrived", a, b)
    assert warned(a, item=code, mode=None, applicant=firm, division="510104", promise=True, materials=bring)[1] == []
    assert "not for an organisation" in warned(a, applicant=firm, division="510104", materials=ORPHAN_MATERIALS)[1][0]
    assert warned(a, serial=5, materials=ORPHAN_MATERIALS)[1] == []
    many = [{**bring[0], "code": "510104190507290029" + "长" * 20 + str(i)} for i in range(30)]
    warning = next(w for w in warned(a, serial=6, materials=many)[1] if "has no" in w)
    assert "more" in warning and len(warning.encode()) < 320 and "510104190507290029" not in warning
    text = Shell(a).text("case", "submit", "--item", code, "--name", "李小满", "--id", application()["applicant"]["id_number"])
    assert "warning: applicant: the item is for 企业法人" in text and "warning: materials: required" in text
