"""全程网办 from end to end: the applicant hands in through the portal of the receiving node and goes to no window, the home province
decides and delivers (国办发〔2020〕35号). 广东 receives, 四川 decides; then an item that the receiving province decides itself."""
import pytest
from provinces import act, assert_whole, item_of, start_provinces, submit, view, wait_status

A, B = "440000", "510000"
NAME = "困难残疾人生活补贴"  # 异地代收代办 or 全程网办


@pytest.fixture
def sides(cluster):
    return start_provinces(cluster, A, B)


def roles(node, case):
    return [(e["type"], e["origin"], e["role"]) for e in view(node, case)["events"] if e["type"] != "ack"]


def handed_in(node):
    return [("submit", node, "applicant"), ("identity_check", node, "system"), ("form_check", node, "system"),
            ("forward", node, "system")]


def assert_same(case, *nodes):
    shown = [view(node, case) for node in nodes]
    for field in ("status", "digest", "number", "flags", "mode", "receiving", "lead", "deadlines", "custody"):
        assert len({str(v[field]) for v in shown}) == 1, field
    assert len({str(roles(node, case)) for node in nodes}) == 1


def test_decided_by_another_province(sides):
    a, b = sides
    case = submit(a, item=item_of(B, NAME), mode="online")
    wait_status(case, "arrived", a, b)
    assert roles(b, case) == [*handed_in(int(A)), ("receipt", int(B), "system")], "no window saw it"
    assert view(b, case)["mode"] == "online" and {"identity_checked", "form_checked"} <= set(view(b, case)["flags"])
    act(b, case, "correct", reason_code="form.unclear", reason="请补充银行账号").ok()
    wait_status(case, "correcting", a, b)
    act(a, case, "supplement", payload={"form": {"账号": "已补"}}).ok()
    wait_status(case, "corrected", a, b)
    for type, fields, status in (
        ("accept", {}, "accepted"), ("process", {}, "processing"),
        ("decide", {"decision": "grant", "reason": "经审核符合补贴条件"}, "granted"), ("close", {}, "closed_granted"),
        ("deliver", {"channel": "electronic"}, "delivered"),
    ):
        act(b, case, type, **fields).ok()
        wait_status(case, status, a, b)
    act(a, case, "evaluate", grade=5).ok()
    act(a, case, "evaluate", grade=4, side="deciding").ok()
    wait_status(case, "delivered", a, b)
    assert roles(a, case)[5:] == [
        ("correct", int(B), "decider"), ("supplement", int(A), "applicant"), ("accept", int(B), "decider"),
        ("process", int(B), "decider"), ("decide", int(B), "decider"), ("close", int(B), "decider"),
        ("deliver", int(B), "decider"), ("evaluate", int(A), "applicant"), ("evaluate", int(A), "applicant")]
    assert_same(case, a, b)
    assert_whole(a, b)


def test_the_portal_or_a_window_hands_the_result_over(sides):
    """Delivered by the receiving side: through its portal, or fetched at a window after all, which is then the window's act."""
    a, b = sides
    for channel, role in (("electronic", "system"), ("window", "window")):
        case = submit(a, item=item_of(B, NAME), mode="online", forward=False)
        act(a, case, "forward").ok()
        wait_status(case, "arrived", a, b)
        for type, fields in (("accept", {}), ("decide", {"decision": "grant"}), ("close", {})):
            act(b, case, type, **fields).ok()
        wait_status(case, "closed_granted", a, b)
        act(a, case, "post_materials", carrier="EMS", note="旧证交回").ok()
        act(a, case, "deliver", channel=channel).ok()
        wait_status(case, "delivered", a, b)
        assert roles(b, case)[:4] == handed_in(int(A)) and roles(b, case)[-2:] == [
            ("post_materials", int(A), "applicant"), ("deliver", int(A), role)]
        assert_same(case, a, b)


def test_decided_by_the_own_province(sides):
    a, b = sides
    case = submit(b, item=item_of(B, NAME), mode="online")
    wait_status(case, "arrived", b)
    assert roles(b, case) == [*handed_in(int(B)), ("receipt", int(B), "system")]
    for type, fields in (("accept", {}), ("process", {}), ("decide", {"decision": "grant"}), ("close", {}),
                         ("deliver", {"channel": "electronic"}), ("evaluate", {"grade": 5})):
        act(b, case, type, **fields).ok()
    assert view(b, case)["status"] == "delivered" and view(b, case)["level"] == "sequenced"
    assert roles(b, case)[5:] == [*((type, int(B), "decider") for type in ("accept", "process", "decide", "close", "deliver")),
                                  ("evaluate", int(B), "applicant")]
    assert a.get(f"/v1/cases/{case}").status == 404, "nobody else has a part in it"
    assert_whole(a, b)


def test_a_window_stays_a_window(sides):
    a, b = sides
    case = submit(a, item=item_of(B, NAME), mode="collect")
    wait_status(case, "arrived", a, b)
    assert roles(b, case)[:4] == [(type, int(A), "window") for type in ("submit", "identity_check", "form_check", "forward")]


def test_a_file_of_the_portal_is_the_applicants(cluster, tmp_path):
    a, b = start_provinces(cluster, A, B, files=True)
    case = submit(a, item=item_of(B, NAME), mode="online")
    file = tmp_path / "申请表.pdf"
    file.write_bytes(b"%PDF-1.7\n" + b"card " * 100 + b"\n%%EOF\n")
    a.cli("material", "add", case, file, "--code", "M04", "--trust", "C")
    wait_status(case, "arrived", a, b)
    assert ("material", int(A), "applicant") in roles(b, case)
