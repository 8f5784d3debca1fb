"""Documents (文书) of a real case: each act's page by API and command line, with what the clerk wrote and the receipt's code."""
import json
import os
import subprocess
from pathlib import Path

from provinces import act, bring_to, start_provinces, submit, view, wait_status
from test_path import Shell
from test_receipt_offline import pixels

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
            reply = node.get(f"/v1/cases/{case}/document?act={type}&purpose=print&wait_ms=60000").ok()
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


def walk_every_document(a, b):
    """{(case, act): title} of every document there is, of cases that came to each of them."""
    granted, denied, refused, unneeded = (submit(a, serial=n) for n in range(2, 6))
    for case in (granted, denied, refused, unneeded):
        wait_status(case, "arrived", a, b)
    act(b, refused, "refuse", reason_code="power", reason="不属于本机关职权").ok()
    act(b, unneeded, "not_required", reason_code="none", reason="依法不需要许可").ok()
    act(b, denied, "correct", reason_code="proof", reason="缺证明").ok()
    wait_status(denied, "correcting", a, b)
    act(a, denied, "supplement").ok()
    wait_status(denied, "corrected", a, b)
    for case in (granted, denied):
        act(b, case, "accept").ok()
    act(b, denied, "pause", pause_kind="hearing", expected_days=20).ok()
    act(b, denied, "resume").ok()
    act(b, denied, "extend", extend_days=10, official="1001", reason_code="complex", reason="案情复杂").ok()
    act(b, denied, "decide", decision="deny", reason="不符合条件").ok()
    act(b, granted, "decide", decision="grant").ok()
    for case in (granted, denied):
        act(b, case, "close").ok()
    wait_status(granted, "closed_granted", a, b)
    act(a, granted, "deliver", channel="window").ok()
    wait_status(granted, "delivered", a, b)
    wait_status(denied, "closed_denied", a, b)
    wait_status(refused, "refused", a, b)
    wait_status(unneeded, "not_required", a, b)
    pages = {(granted, "submit"): "收件凭证", (granted, "accept"): "受理通知书", (granted, "decide"): "准予决定书",
             (granted, "deliver"): "送达回证", (denied, "correct"): "补正材料一次性告知书", (denied, "pause"): "特别程序告知书",
             (denied, "extend"): "延长办理期限告知书", (denied, "decide"): "不予决定书", (refused, "refuse"): "不予受理决定书",
             (unneeded, "not_required"): "不受理告知书"}
    read = {key: b.get(f"/v1/cases/{key[0]}/document?act={key[1]}&purpose=print&wait_ms=60000").ok().body for key in pages}
    act(b, granted, "revoke", reason_code="false", reason="以欺骗手段取得").ok()
    wait_status(granted, "revoked", a, b)
    pages[granted, "revoke"] = "撤销决定书"
    read[granted, "revoke"] = b.get(f"/v1/cases/{granted}/document?act=revoke&purpose=print&wait_ms=60000").ok().body
    return pages, read


def test_the_code_of_each_document_proves_its_act_without_a_node(cluster, tmp_path):
    """What a camera reads off the paper, judged by `tongban receipt verify` and the public policy while no node runs."""
    a, b, c = start_provinces(cluster, A, B, "330000")
    pages, read = walk_every_document(a, b)
    policy = tmp_path / "policy"
    policy.write_text(Shell(a).text("policy"))
    for node in (a, b, c):
        node.stop()
    tongban = Path(os.environ["TONGBAN_BIN"]) / "tongban"
    seen = set()
    for (case, type), title in pages.items():
        page = read[case, type]
        assert f"<h1>{title}</h1>".encode() in page and b"@page" in page, "made for paper"
        (tmp_path / "code.pgm").write_bytes(pixels(page))
        code = subprocess.run(["zbarimg", "--quiet", "--raw", "--set", "disable", "--set", "qrcode.enable", tmp_path / "code.pgm"],
                              capture_output=True)
        assert code.returncode == 0, (title, code.stderr)
        seen.add(code.stdout)
        done = subprocess.run([tongban, "receipt", "verify", "-", "--policy", policy, "--json"], input=code.stdout, capture_output=True)
        verdict = json.loads(done.stdout)
        assert done.returncode == 0, (title, done.stdout, done.stderr)
        assert verdict["case"] == case and verdict["act"] == type, (title, verdict)
        broken = bytearray(code.stdout)
        at = len(broken) // 2
        broken[at] = ord("A") if broken[at] != ord("A") else ord("B")
        done = subprocess.run([tongban, "receipt", "verify", "-", "--policy", policy], input=bytes(broken), capture_output=True)
        assert done.returncode != 0, title
    assert len(seen) == len(pages) == 11
