"""Documents (文书) of a real case: each act's page by API and command line, with what the clerk wrote and the receipt's code."""
from provinces import act, bring_to, start_provinces, submit, view, wait_status
from test_path import Shell

A, B = "440000", "510000"


def test_each_act_has_its_document(cluster):
    a, b = start_provinces(cluster, A, B)
    case = submit(a)
    wait_status(case, "arrived", a, b)
    act(b, case, "correct", reason_code="guardian.proof", reason="缺监护关系证明<原件>").ok()
    wait_status(case, "correcting", a, b)
    act(a, case, "supplement").ok()
    wait_status(case, "corrected", a, b)
    act(b, case, "accept", lacking_days=5).ok()
    act(b, case, "pause", pause_kind="expert_review", expected_days=12).ok()
    act(b, case, "resume").ok()
    act(b, case, "extend", extend_days=10, official="1001", reason_code="complex", reason="案情复杂").ok()
    act(b, case, "decide", decision="deny", reason="不符合孤儿认定条件").ok()
    act(b, case, "close").ok()
    wait_status(case, "closed_denied", a, b)
    act(a, case, "deliver", channel="post").ok()
    wait_status(case, "delivered", a, b)
    number = view(a, case)["number"]
    expected = {
        "submit": ("收件凭证", "收件不等于受理"), "correct": ("补正材料一次性告知书", "缺监护关系证明&lt;原件&gt;"),
        "accept": ("受理通知书", "5个工作日内补齐"), "pause": ("特别程序告知书", "需要专家评审，预计12个工作日"),
        "extend": ("延长办理期限告知书", "延长10个工作日"), "decide": ("不予决定书", "行政复议法"), "deliver": ("送达回证", "邮寄"),
    }
    for type, (title, words) in expected.items():
        for node in (a, b):
            reply = node.get(f"/v1/cases/{case}/document?act={type}&purpose=print&wait_ms=20000").ok()
            page = reply.body.decode()
            assert reply.headers["Content-Type"].startswith("text/html")
            assert f"<h1>{title}</h1>" in page and words in page and number in page and "李小满" in page, (node, type)
            assert "<svg" in page, "the receipt's code is there"
    assert Shell(b).text("case", "document", case, "--act", "decide", "--purpose", "打印").startswith("<!DOCTYPE html>")
    assert "print" in a.wait_log("case.payload-read")[0].text, "who reads a name says why"

    for query, status, id in [
        ("act=decide", 400, "http.purpose"), ("act=perhaps&purpose=x", 400, "http.parameter"), ("purpose=x", 400, "http.parameter"),
        ("act=refuse&purpose=x", 404, "document.no-act"), ("act=resume&purpose=x", 404, "document.act"),
    ]:
        reply = a.get(f"/v1/cases/{case}/document?{query}")
        assert (reply.status, reply.json()["id"]) == (status, id), query
    wrong = Shell(a).run("case", "document", case, "--act", "refuse", "--purpose", "x", check=False)
    assert wrong.returncode != 0 and "document.no-act" in wrong.stderr
