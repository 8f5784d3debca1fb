"""双公示 between real provinces: licences that were granted are listed until they are public, late ones among what is overdue; the
export has the fields of the public list, marks each once, and of natural persons shows no name and no number."""
import csv
import io
import json

import pytest

from cluster import CommandFailed, wait_for
from provinces import act, application, bring_to, item_of, start_provinces, submit, today, view, wait_status
from test_deadlines import add_working_days, restart_later
from test_path import Shell

A, B = "440000", "510000"
PERSON, COMPANY = "从业资格证补发", "内资企业及分支机构设立登记"
USCC = "91440300TEMP0003XW"
COLUMNS = ("XK_XDR_MC XK_XDR_LB XK_XDR_SHXYM XK_XDR_GSZC XK_XDR_ZZJG XK_XDR_SWDJ XK_XDR_SYDW XK_XDR_SHZZ XK_FRDB XK_FR_ZJLX "
           "XK_XDR_ZJLX XK_XDR_ZJHM XK_XKWS XK_WSH XK_XKLB XK_XKZS XK_XKBH XK_NR XK_JDRQ XK_YXQZ XK_YXQZI XK_XKJG XK_XKJGDM "
           "XK_ZT XK_LYDW XK_LYDWDM BZ").split()
LICENCE = {"category": "普通", "number": "川许2026001", "valid_from": "2026-11-28", "valid_to": "长期"}


def company(**fields):
    applicant = {"kind": "organisation", "name": "=成都,\"示例\"有限公司", "id_type": "uscc", "id_number": USCC}
    return {"item": item_of(B, COMPANY), "mode": None, "division": "510104", "applicant": applicant, **fields}


def grant(a, b, case, licence=None, keep=False):
    wait_status(case, "arrived", a, b)
    act(b, case, "accept").ok()
    act(b, case, "review", review="pass", official="1002").ok()
    payload = {"licence": licence} if licence else {}
    act(b, case, "decide", decision="grant", official="1001", payload=payload).ok()
    act(b, case, "close").ok()
    wait_status(case, "closed_granted", a, b)


def listed(node):
    return {row["case"]: row for row in node.get("/v1/publicity").ok().json()["rows"]}


@pytest.mark.usefixtures("one_day")
def test_licences_are_exported_once(cluster, tmp_path):
    a, b = start_provinces(cluster, A, B)
    person = submit(a, item=item_of(B, PERSON), mode=None)
    firm = a.post("/v1/cases", {k: v for k, v in application(**company()).items() if v is not None}).ok().json()["case"]
    bare, denied, other = submit(a, item=item_of(B, PERSON), mode=None, serial=3), submit(
        a, item=item_of(B, PERSON), mode=None, serial=4), submit(a, serial=5)
    grant(a, b, person, LICENCE)
    grant(a, b, firm, {**LICENCE, "legal_representative": "王示例", "valid_to": "2031-11-27", "content": "设立登记"})
    grant(a, b, bare)
    wait_status(denied, "arrived", a, b)
    act(b, denied, "accept").ok()
    act(b, denied, "review", review="pass", official="1002").ok()
    act(b, denied, "decide", decision="deny", official="1001", reason="不符合条件").ok()
    act(b, denied, "close").ok()
    bring_to(other, a, b, "closed_granted")
    refuse = act(b, other, "publish")
    assert (refuse.status, refuse.json()["id"]) == (409, "case.not_licence")
    refuse = act(b, denied, "publish")
    assert (refuse.status, refuse.json()["id"]) == (409, "case.not_granted")
    refuse = act(a, person, "publish")
    assert (refuse.status, refuse.json()["id"]) == (403, "case.node")

    due = add_working_days(today(), 7).isoformat()
    rows = listed(b)
    assert set(rows) == {person, firm, bare} and listed(a) == {}, "only licences, only of who decides, only granted"
    assert {row["due"] for row in rows.values()} == {due} and not any(row["late"] for row in rows.values())
    deadline, = [d for d in view(a, person)["deadlines"] if d["kind"] == "publish"]
    assert (deadline["days"], deadline["due"], deadline["met"]) == (7, due, None)
    assert rows[bare]["missing"] == ["XK_XKLB", "XK_YXQZ", "XK_YXQZI"] and rows[person]["missing"] == []
    assert [f["name"] for f in b.get("/v1/publicity").json()["fields"]] == COLUMNS
    at_b, file = Shell(b), tmp_path / "双公示.csv"
    assert "late" not in at_b.text("publicity", "list") and "XK_XKLB" in at_b.text("publicity", "list")
    page = b.get("/v1/publicity?format=csv").ok()
    assert page.headers["Content-Type"].startswith("text/csv") and page.body.startswith(b"\xef\xbb\xbf")
    assert b.get("/v1/publicity?limit=1").ok().json()["next_after"] == min(rows)
    assert set(listed(b)) == {person, firm, bare}, "reading marks nothing"
    at_b.json("publicity", "export", str(tmp_path / "kept.json"), "--format", "json", "--keep", "--incomplete")
    assert len(json.loads((tmp_path / "kept.json").read_text())) == 3 and set(listed(b)) == {person, firm, bare}

    done = at_b.json("publicity", "export", str(file))
    assert (done["written"], done["marked"], done["left_out"]) == ("2", "2", "1")
    text = file.read_bytes()
    assert text.startswith(b"\xef\xbb\xbf") and b"\r\n" in text
    table = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"))))
    assert list(table[0]) == COLUMNS and len(table) == 2
    by_kind = {row["XK_XDR_LB"]: row for row in table}
    natural, legal = by_kind["自然人"], by_kind["法人及非法人组织"]
    assert natural["XK_XDR_MC"] == "李*" and natural["XK_XDR_ZJHM"].startswith("510104") and "*" in natural["XK_XDR_ZJHM"]
    assert (natural["XK_XDR_ZJLX"], natural["XK_XDR_SHXYM"], natural["XK_FRDB"]) == ("身份证", "", "")
    assert "李小满" not in text.decode() and not any(len(w) == 18 and w.isdigit() for w in text.decode().replace(",", " ").split())
    assert legal["XK_XDR_MC"] == "'=成都,\"示例\"有限公司", "no formula reaches the spreadsheet"
    assert (legal["XK_XDR_SHXYM"], legal["XK_FRDB"], legal["XK_NR"]) == (USCC, "王示例", "设立登记")
    day = today().strftime("%Y/%m/%d")
    assert (natural["XK_JDRQ"], natural["XK_YXQZ"], natural["XK_YXQZI"]) == (day, "2026/11/28", "2099/12/31")
    assert legal["XK_YXQZI"] == "2031/11/27"
    assert (natural["XK_WSH"], natural["XK_XKBH"]) == (view(b, person)["number"], "川许2026001")
    assert (natural["XK_XKJG"], natural["XK_LYDW"], natural["XK_ZT"]) == ("四川省交通运输厅", "四川省交通运输厅", "1")
    assert natural["XK_XKJGDM"] == "11510000TEMP00080B"

    wait_status(person, "closed_granted", a, b)
    assert set(listed(b)) == {bare} and "published" in view(a, person)["flags"]
    again = tmp_path / "again.csv"
    done = at_b.json("publicity", "export", str(again))
    assert (done["written"], done["left_out"]) == ("0", "1"), "each once"
    refuse = act(b, person, "publish")
    assert (refuse.status, refuse.json()["id"]) == (409, "case.already")
    with pytest.raises(CommandFailed, match="exists|EEXIST"):
        at_b.run("publicity", "export", str(again))

    # what was public and is revoked has to be put right there
    act(b, person, "revoke", reason_code="granted.wrongly", reason="以欺骗手段取得").ok()
    wait_status(person, "revoked", a, b)
    row = listed(b)[person]
    assert (row["values"]["XK_ZT"], row["values"]["BZ"]) == ("2", "已撤销")
    at_b.json("case", "publish", person)
    assert set(listed(b)) == {bare}
    log = b.wait_log("case.payload-read")
    assert any("publicity" in line.text for line in log), "who reads contents says why"


def test_what_is_late_shows(cluster):
    a, b = start_provinces(cluster, A, B)
    case = submit(a, item=item_of(B, PERSON), mode=None)
    grant(a, b, case)
    act(a, case, "deliver", channel="window").ok()
    wait_status(case, "delivered", a, b)
    restart_later(40, a, b)  # seven working days are over then, also over the longest holidays
    wait_for(lambda: listed(b)[case]["late"], what="the day to have passed")
    for node in (a, b):
        late, = node.get("/v1/cases?overdue=true").ok().json()["cases"]
        assert (late["case"], late["due"]["kind"], late["due"]["colour"]) == (case, "publish", "red")
    assert "late" in Shell(b).text("publicity", "list")
    act(b, case, "publish").ok()
    wait_status(case, "delivered", a, b)
    assert b.get("/v1/cases?overdue=true").ok().json()["cases"] == []


@pytest.mark.parametrize("licence, id, words", [
    ({"category": "特别"}, "publicity.category", "特别"),
    ({"valid_to": "2026-02-30"}, "publicity.date", "2026-02-30"),
    ({"valid_from": "长期"}, "publicity.date", "长期"),
    ({"colour": "red"}, "json.unknown-field", "colour"),
    ({"number": 7}, "json.type", "number"),
])
def test_licence_is_checked(cluster, licence, id, words):
    b, = start_provinces(cluster, B)
    reply = b.post(f"/v1/cases/{'0' * 32}/events", {"type": "decide", "decision": "grant", "payload": {"licence": licence}})
    assert (reply.status, reply.json()["id"]) == (400, id) and words in reply.json()["message"], reply.json()


def test_wrong_questions(cluster):
    b, = start_provinces(cluster, B)
    for query in ("format=xml", "limit=0", "limit=101", "after=zz"):
        reply = b.get(f"/v1/publicity?{query}")
        assert reply.status == 400 and reply.json()["id"] in ("http.parameter", "case.id"), query
    with pytest.raises(CommandFailed, match="ctl.format"):
        Shell(b).run("publicity", "export", "x.csv", "--format", "xml")
    with pytest.raises(CommandFailed, match="ctl.pair"):
        Shell(b).run("case", "decide", "0006b6c06b05aa01", "--grant", "--licence", "category")
