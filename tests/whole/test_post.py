"""材料寄出 and 结果寄出 between real provinces: who posted what with whom stands in the case at both; the number of the parcel is read
by the clerk with a purpose, shown masked, and stands in no log and no ledger."""
from provinces import act, bring_to, copy_catalogs, edit_json, start_provinces, submit, view, wait_status
from test_path import Shell

A, B = "440000", "510000"
THERE, BACK = "EA987654321CN", "SF1029384756012"


def events(node, case, type):
    return [e for e in view(node, case)["events"] if e["type"] == type]


def test_posted_there_and_back(cluster):
    a, b = start_provinces(cluster, A, B)
    case = submit(a)
    bring_to(case, a, b, "accepted")
    act(a, case, "post_materials", carrier="EMS", tracking=THERE, note="户口簿原件").ok()
    seen = wait_status(case, "accepted", a, b)
    assert [(e["type"], e["chinese"], e["role"], e["effect"]) for e in seen["events"]][-1] == (
        "post_materials", "材料寄出", "window", "ok")
    early = act(b, case, "post_result", carrier="顺丰", tracking=BACK)
    assert (early.status, early.json()["id"]) == (409, "case.status")
    act(b, case, "decide", decision="grant").ok()
    act(b, case, "close").ok()
    act(b, case, "post_result", carrier="顺丰", tracking=BACK).ok()
    wait_status(case, "closed_granted", a, b)
    for node in (a, b):
        there, back = events(node, case, "post_materials")[0], events(node, case, "post_result")[0]
        assert there["payload"] == {"carrier": "EMS", "note": "户口簿原件", "tracking": "*******21CN"}
        assert back["payload"] == {"carrier": "顺丰", "tracking": "*******6012"}
        assert not there["attributes"] and not back["attributes"]
        whole = Shell(node).json("case", "payload", case, B, str(back["index"]), "--purpose", "告知单号")
        assert whole["payload"] == {"carrier": "顺丰", "tracking": BACK}
    # the applicant has it: later parcels to B cross, a copy can be posted once more
    act(a, case, "deliver", channel="post").ok()
    wait_status(case, "delivered", a, b)
    late = act(a, case, "post_materials", carrier="EMS")
    assert (late.status, late.json()["id"]) == (409, "case.delivered")
    act(b, case, "post_result", carrier="顺丰", note="补发").ok()
    wait_status(case, "delivered", a, b)
    assert a.get(f"/v1/cases/{case}/receipt?act=post_result").ok().json()["act"] == "post_result"
    for node in (a, b):
        node.stop()
        for number in (THERE, BACK):
            assert number not in node.log_text()
            for file in node.dir.glob("ledger.db*"):
                assert number.encode() not in file.read_bytes(), "sealed"


def test_posted_while_the_case_ends(cluster):
    """A parcel and the end cross: both nodes say late, and the parcel's entry stays."""
    a, b = start_provinces(cluster, A, B)
    case = submit(a)
    bring_to(case, a, b, "accepted")
    cluster.cut(a, b)
    act(b, case, "decide", decision="grant").ok()
    act(b, case, "close").ok()
    act(b, case, "deliver", channel="electronic").ok()
    act(a, case, "post_materials", carrier="EMS", tracking=THERE).ok()
    cluster.heal(a, b)
    wait_status(case, "delivered", a, b)
    for node in (a, b):
        parcel = events(node, case, "post_materials")[0]
        assert (parcel["effect"], "too late" in parcel["explanation"]) == ("late", True)


def test_told_and_paid(cluster, tmp_path):
    """通知申请人, 缴费通知 and 缴费 by either side; nothing is asked for where the item costs nothing (行政许可法第五十八条)."""
    def fees(catalog):
        first, second = catalog["items"][:2]
        first["fee"], second["fee"] = {"charged": False}, {"charged": True, "basis": "居民身份证法第二十条", "items": [
            {"name": "工本费", "standard": "20元"}]}
        codes.extend(item["code"] for item in (first, second))

    codes = []
    catalogs = copy_catalogs(tmp_path / "catalogs")
    edit_json(catalogs / "sichuan.json", fees)
    a, b = start_provinces(cluster, A, B, catalog=catalogs)
    costly, nothing = (submit(a, item=code, mode=None) for code in (codes[1], codes[0]))
    wait_status(costly, "arrived", a, b)
    act(b, costly, "charge", amount_fen=2000, note="工本费").ok()
    act(a, costly, "notify", means="sms", told_on="2024-01-02").ok()
    act(a, costly, "pay", amount_fen=2000).ok()
    seen = wait_status(costly, "arrived", a, b)
    rows = {e["type"]: (e["origin"], e["role"], e["effect"], e["payload"]) for e in seen["events"]}
    assert rows["charge"] == (int(B), "decider", "ok", {"amount_fen": 2000, "note": "工本费"})
    assert rows["notify"] == (int(A), "window", "ok", {"means": "sms", "told_on": "2024-01-02"})
    assert rows["pay"] == (int(A), "window", "ok", {"amount_fen": 2000})
    wait_status(nothing, "arrived", a, b)
    refused = act(b, nothing, "charge", amount_fen=1)
    assert (refused.status, refused.json()["id"]) == (409, "case.fee-none") and "第五十八条" in refused.json()["message"]
    act(b, costly, "accept").ok()
    act(b, costly, "decide", decision="deny", reason="不符合条件").ok()
    late = act(b, costly, "charge", amount_fen=1)
    assert (late.status, late.json()["id"]) == (409, "case.status"), "nothing is asked for what is refused"
