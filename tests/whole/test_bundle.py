"""一件事一次办: bundles published by one node and shown alike by all, and what comes of an application made from one."""
import contextlib
import http.client
import json
import sqlite3
import threading

import pytest

from cluster import wait_for
from provinces import (CATALOGS, PROVINCES, act, add_provinces, assert_table, assert_whole, bring_to, citizen_number, ledger_size,
                       start_provinces, view, wait_met, wait_status, write_json, written_since)
from test_flows import item_of
from test_path import Shell

B, A, C = "510000", "440000", "330000"
BUNDLES = {region: CATALOGS / f"bundles-{stem}.json" for region, (_, stem) in PROVINCES.items()}


def publish(node, file=None):
    return node.cli("bundle", "import", str(file or BUNDLES[node.region]), "--publish")


def shown(node, code="BIRTH", **params):
    query = "&".join(f"{k}={v}" for k, v in params.items())
    return node.get(f"/v1/bundles/{code}?{query}")


def wait_shown(code, *nodes, **wanted):
    """Until all @nodes show the bundle with the values @wanted."""
    def agree():
        replies = [shown(node, code) for node in nodes]
        return all(r.status == 200 and {k: r.json()[k] for k in wanted} == wanted for r in replies)

    wait_for(agree, what=f"{code} to be {wanted} everywhere")


def refused(reply, status, id, *words):
    assert (reply.status, reply.json()["id"]) == (status, id), reply.json()
    for word in words:
        assert word in reply.json()["message"], reply.json()


@pytest.fixture
def nodes(cluster):
    return start_provinces(cluster, B, A, C)


def bundle_file(tmp_path, change, region=B):
    whole = json.loads(BUNDLES[region].read_text())
    change(whole)
    write_json(tmp_path / "bundles.json", whole)
    return tmp_path / "bundles.json"


def test_published_by_one_shown_alike_by_all(nodes, tmp_path):
    b, a, c = nodes
    report = b.cli("bundle", "import", str(BUNDLES[B]))
    assert (report["published"], report["problem_count"], len(report["changes"])) == (False, 0, 1)
    refused(shown(b), 404, "bundle.none", "BIRTH")
    assert publish(b)["published"] is True
    again = publish(b)
    assert (again["published"], again["unchanged_count"], again["changes"]) == (True, 1, [])
    wait_shown("BIRTH", *nodes, version=1, in_force=True, withdrawn=False, node=int(B))
    views = [shown(node).json() for node in nodes]
    assert views[0] == views[1] == views[2]
    assert views[0]["bundle"]["lead"] == "四川省卫生健康委员会" and len(views[0]["bundle"]["members"]) == 4

    def next_version(whole):
        whole["bundles"][0] |= {"version": 2, "valid_from": "2030-01-01", "name": "新生儿出生一件事(新)"}

    publish(b, bundle_file(tmp_path, next_version))
    for node in nodes:
        wait_for(lambda: len(node.get(f"/v1/bundles/{B}/BIRTH/versions").ok().json()["versions"]) == 2,
                 what="the second version")
        assert shown(node).json()["version"] == 1, "the second one is not in force yet"
        assert shown(node, date="2030-06-01").json()["version"] == 2
        assert shown(node, version=2).json()["in_force"] is False
        row, = node.get("/v1/bundles?date=2030-06-01").ok().json()["bundles"]
        assert (row["version"], row["in_force"], row["valid_from"]) == (2, True, "2030-01-01")
    assert [v["in_force"] for v in a.cli("bundle", "versions", "BIRTH", "--node", B)["versions"]] == [False, True]
    b.cli("bundle", "withdraw", "BIRTH")
    refused(b.post("/v1/bundles/BIRTH/withdraw"), 409, "bundle.withdrawn")
    refused(c.post("/v1/bundles/BIRTH/withdraw"), 404, "bundle.none")
    for node in nodes:
        wait_for(lambda: node.get("/v1/bundles").ok().json()["bundles"] == [], what="the withdrawal")
        refused(shown(node), 404, "bundle.none")
        gone = node.get(f"/v1/bundles/{B}/BIRTH?version=1").ok().json()
        assert gone["withdrawn"] is True and gone["in_force"] is False, "what cases were made under can still be read"
        assert node.post("/v1/ledger/verify").ok().json()["result"] == "ok"
    refused(b.get(f"/v1/bundles/{B}/BIRTH?version=9"), 404, "bundle.no-version", "9")


def test_every_bad_place_is_told_and_nothing_is_published(nodes, tmp_path):
    b = nodes[0]

    def spoil(whole):
        good = whole["bundles"][0]
        whole["bundles"] = [
            good, {**good, "code": "TWO", "version": 0}, {**good, "code": "THREE", "lead": None}, dict(good),
            {**good, "code": "FOUR", "members": [{**m, "item": "0007KSTB9999"} for m in good["members"]]}]

    reply = b.post("/v1/bundles/import?publish=true", json.loads(bundle_file(tmp_path, spoil).read_text())).ok().json()
    assert reply["published"] is False and reply["bundles"] == 5
    ids = [(p["id"], p["field"]) for p in reply["problems"]]
    assert ("catalog.field-value", "version") in ids and ("catalog.field-type", "lead") in ids
    assert ("bundle.file-duplicate", "code") in ids
    assert [f for i, f in ids if i == "bundle.item-unknown"] == [f"members[{n}].item" for n in range(4)]
    assert all(p["line"] > 0 and p["column"] > 0 for p in reply["problems"])
    assert b.get("/v1/bundles").ok().json()["bundles"] == []
    publish(b)
    changed = bundle_file(tmp_path, lambda w: w["bundles"][0].update(name="另一个名称"))
    failed = Shell(b).run("bundle", "import", str(changed), "--publish", check=False)
    assert failed.returncode == 2 and "ctl.bad-rows" in failed.stderr
    assert "bundle.version-old" in failed.stdout
    other = bundle_file(tmp_path, lambda w: w.update(node=int(A)))
    report = b.post("/v1/bundles/import", json.loads(other.read_text())).ok().json()
    assert [p["id"] for p in report["problems"]] == ["catalog.node"]
    refused(b.post("/v1/bundles/import", "[", headers={"Content-Type": "application/json"}), 400, "catalog.json")


def test_found_by_life_event_and_name(nodes):
    for node in nodes:
        publish(node)
    a = nodes[1]
    wait_for(lambda: len(a.get("/v1/bundles").ok().json()["bundles"]) == 4, what="all bundles")
    rows = a.cli("bundle", "list", "--life-event", "出生")["bundles"]
    assert [(r["node"], r["code"]) for r in rows] == [(int(B), "BIRTH")]
    found = a.cli("catalog", "search", "--life-event", "迁居")
    assert [r["code"] for r in found["bundles"]] == ["MOVE"] and found["items"]
    assert [r["code"] for r in a.cli("catalog", "search", "退休一件事")["bundles"]] == ["RETIRE"]
    assert a.cli("catalog", "search", "退休一件事", "--region", "510104")["bundles"] == []
    for text, found in (("xinshengerchusheng", ["BIRTH"]), ("tuixiu", ["RETIRE"]), ("kstx", []), ("xsecs", ["BIRTH"]), ("qianju", ["MOVE"]),
                        ("tx 一件事", ["RETIRE"]), ("BIR", ["BIRTH"]), ("yijianshi", ["MOVE", "RETIRE", "DISABLED", "BIRTH"])):
        assert [r["code"] for r in a.cli("bundle", "list", "--text", text)["bundles"]] == found, text
        assert [r["code"] for r in a.cli("catalog", "search", text)["bundles"]] == found, text
    for region, found in ((B, {"BIRTH"}), ("510104", {"BIRTH"}), ("330106", {"MOVE", "RETIRE"}), ("110000", set())):
        assert {r["code"] for r in a.cli("bundle", "list", "--region", region)["bundles"]} == found, region
        assert {r["code"] for r in a.cli("catalog", "search", "--region", region)["bundles"]} == found, region
    both = a.cli("catalog", "search", "--region", "330106", "--life-event", "迁居")
    assert [r["code"] for r in both["bundles"]] == ["MOVE"]
    refused(a.get("/v1/bundles?text=!!"), 400, "search.text", "!!")
    refused(a.get("/v1/bundles?text=" + "+".join("abcdefghi")), 413, "search.text", "8")
    refused(a.get("/v1/bundles?region=12"), 400, "http.parameter", "region")
    first = a.get("/v1/bundles?limit=2").ok().json()
    rest = a.get(f"/v1/bundles?after={first['next']}").ok().json()
    codes = [r["code"] for r in first["bundles"] + rest["bundles"]]
    assert codes == ["MOVE", "RETIRE", "DISABLED", "BIRTH"] and rest["next"] is None
    table = Shell(a).run("catalog", "search", "--life-event", "出生").stdout
    assert "一件事" in table and "BIRTH" in table


# ---- applications ----------------------------------------------------------------------------------------------------

BIRTH = {"insure": "是", "card": "否", "maternity": "是"}
S1 = {"code": "S1", "name": "出生医学证明.pdf", "sha256": "ab" * 32, "size": 12345}


def ask(node, code="BIRTH", region=B, path="cases", key=None, **fields):
    person = {"kind": "person", "name": "李小满", "id_type": "citizen_id", "id_number": citizen_number(2)}
    body = {"answers": BIRTH, "applicant": person, **fields}
    if path == "plan":
        del body["applicant"]
    body = {k: v for k, v in body.items() if v is not None}
    return node.post(f"/v1/bundles/{region}/{code}/{path}", body, headers={"Idempotency-Key": key} if key else None)


def content(node, case):
    """The content of 收件, nothing masked."""
    first = view(node, case)["events"][0]
    return node.get(f"/v1/cases/{case}/events/{first['origin']}/{first['index']}/payload?purpose=test").ok().json()["payload"]


def parts_of(node, whole):
    """member -> case"""
    return {p["member"]: p["case"] for p in content(node, whole)["parts"]}


def decisions(node, whole):
    return {p["case"]: p["decision"] for p in view(node, whole)["parts"]}


def finish(part, window, office, decision="grant"):
    bring_to(part, window, office, "accepted")
    fields = {"reason": "不符合条件"} if decision == "deny" else {}
    act(office, part, "decide", decision=decision, **fields).ok()
    act(office, part, "close").ok()


def published(nodes):
    for node in nodes:
        publish(node)
    for node in nodes:
        wait_for(lambda: len(node.get("/v1/bundles").ok().json()["bundles"]) == 4, what="all bundles")
    return nodes


def counts(node):
    return len(node.get("/v1/cases").ok().json()["cases"]), len(written_since(node))


def test_plan_says_parts_questions_and_materials(nodes):
    b, a, c = published(nodes)
    plan = ask(a, path="plan", answers=None, division="510104").ok().json()
    assert [p["member"] for p in plan["parts"]] == ["HU"]
    assert [q["code"] for q in plan["open"]] == ["insure", "card", "maternity"]
    plan = ask(a, path="plan", division="510104").ok().json()
    assert [(p["member"], p["node"], p["after"]) for p in plan["parts"]] == [
        ("HU", int(B), []), ("YB", int(B), ["HU"]), ("SY", int(B), [])]
    assert plan["open"] == [] and plan["in_force"] is True
    shared = {m["code"]: m["serves"] for m in plan["materials"] if m["shared"]}
    assert shared == {"S1": ["HU/M01", "YB/M01", "SY/M01"], "S2": ["HU/M02", "SY/M02"]}
    assert [(m["member"], m["code"]) for m in plan["materials"] if not m["shared"]] == [("HU", "M03")]
    old = ask(a, path="plan", division="510124").ok().json()  # 郫县, 郫都区 since 2016
    assert [p["division"] for p in old["parts"]] == [510117] * 3
    whole = ask(a, division="510124").ok().json()
    assert {a.get(f"/v1/cases/{case}").ok().json()["division"] for case in
            [whole["case"]] + [p["case"] for p in whole["parts"]]} == {510117}, "the whole as its parts"
    nowhere = ask(a, path="plan").ok().json()
    assert nowhere["parts"][0]["node"] is None and "division" in nowhere["parts"][0]["why"]
    text = Shell(a).text("bundle", "plan", "BIRTH", "--division", "510104", "--answer", "insure=是")
    assert "to be answered: card" in text and "HU/M03" in text


def test_one_application_decided_in_two_provinces(nodes):
    """迁居: Sichuan is left, Zhejiang is moved to; the window is in Guangdong, and its line to Sichuan is cut."""
    b, a, c = published(nodes)
    reply = a.cli(
        "bundle", "submit", "MOVE", "--answer", "insured=否", "--name", "李小满", "--id", citizen_number(2),
        "--part-division", "OUT=510104", "--part-division", "IN=330106")
    whole = reply["case"]
    assert [(p["node"], p["status"]) for p in reply["parts"]] == [(int(B), "forwarded"), (int(C), "received")]
    parts = parts_of(a, whole)
    assert set(parts) == {"OUT", "IN"}, "the answer leaves the third one out"
    wait_status(whole, "accepted", a)
    shown_whole = view(a, whole)
    assert shown_whole["item_code"] == "330000.MOVE" and shown_whole["item_name"] == "跨省迁居一件事"
    assert (shown_whole["item_version"], shown_whole["lead"], shown_whole["mode"]) == (1, int(A), "joint")
    assert decisions(a, whole) == {case: None for case in parts.values()}
    wait_status(parts["OUT"], "arrived", a, b)
    for other in (b, c):
        assert other.get(f"/v1/cases/{whole}").status == 404, "nobody else has a part in the whole"
    assert c.get(f"/v1/cases/{parts['OUT']}").status == 404 and b.get(f"/v1/cases/{parts['IN']}").status == 404
    early = act(a, whole, "decide", decision="grant")
    assert (early.status, early.json()["id"]) == (409, "case.parts_open")
    a.cluster.cut(a, b, "drop")
    act(b, parts["OUT"], "accept").ok()
    act(b, parts["OUT"], "decide", decision="grant").ok()
    act(b, parts["OUT"], "close").ok()
    assert view(a, parts["IN"])["status"] == "received", "the part that needs the other one waits"
    a.cluster.heal(a, b)
    wait_status(parts["IN"], "arrived", a, c)
    finish(parts["IN"], a, c)
    wait_status(whole, "closed_granted", a)
    assert decisions(a, whole) == {case: "grant" for case in parts.values()}
    act(a, whole, "deliver", channel="window").ok()
    for case in (whole, *parts.values()):
        receipt = a.get(f"/v1/cases/{case}/receipt?wait_ms=60000").ok().json()
        assert receipt["act"] == "submit" and receipt["final"] is True
    assert_whole(*nodes)


CITY, COUNTY = "510100", "510104"


def publish_below(node, basic_code, code, level, department):
    """The province's item as that of a division below it, published by that division's own node."""
    items = json.loads((CATALOGS / "sichuan.json").read_text())["items"]
    item = next(i for i in items if i.get("basic_code") == basic_code)
    item |= {"code": code, "level": level, "division": int(node.region), "department": {"name": department}}
    whole = {"format": "tongban-catalog/1", "node": int(node.region), "version": 1, "items": [item]}
    report = node.post("/v1/catalog/import?format=json&publish=true", whole).ok().json()
    assert report["published"], report


def test_parts_decided_at_three_levels(cluster):
    """新生儿出生: the county (县级) registers the household, the city (市级) pays, the province insures, each by its own node; the
    window is in another province. What the county has granted opens the province's part, without a line between them."""
    a, b = add_provinces(cluster, A, B)
    city, county = cluster.add_node(CITY, "成都市"), cluster.add_node(COUNTY, "锦江区")
    cluster.start()
    wait_met(a, b)
    publish_below(county, "0007KSTB0061", "HU104", 4, "锦江区公安分局")
    publish_below(city, "0020KSTB0075", "SY100", 3, "成都市医疗保障局")
    publish(b)
    for node in (a, b, city, county):
        wait_for(lambda: all(node.get(f"/v1/catalog/{code}").status == 200 for code in ("HU104", "SY100")), what="the items below")
    wait_shown("BIRTH", a, b, city, county, version=1)

    plan = ask(a, path="plan", division=COUNTY).ok().json()
    assert plan == ask(county, path="plan", division=COUNTY).ok().json()
    assert [(p["member"], p["item"][-12:], p["node"], p["division"]) for p in plan["parts"]] == [
        ("HU", "HU104", int(COUNTY), int(COUNTY)), ("YB", "0020KSTB0072", int(B), int(COUNTY)), ("SY", "SY100", int(CITY), int(COUNTY))]
    assert {m["code"]: m["serves"] for m in plan["materials"] if m["shared"]} == {
        "S1": ["HU/M01", "YB/M01", "SY/M01"], "S2": ["HU/M02", "SY/M02"]}
    elsewhere = ask(a, path="plan", division="510105").ok().json()["parts"]  # 青羊区 has no item of its own
    assert [(p["member"], p["node"]) for p in elsewhere] == [("HU", int(B)), ("YB", int(B)), ("SY", int(CITY))]

    whole = ask(a, division=COUNTY, materials=[S1]).ok().json()["case"]
    parts, office = parts_of(a, whole), {"HU": county, "YB": b, "SY": city}
    assert {m: view(a, case)["lead"] for m, case in parts.items()} == {m: int(n.region) for m, n in office.items()}
    for member in ("HU", "SY"):
        wait_status(parts[member], "arrived", a, office[member])
        assert [(m["code"], m["sha256"]) for m in content(office[member], parts[member])["materials"]] == [("M01", S1["sha256"])]
        for other in {b, city, county} - {office[member]}:
            assert other.get(f"/v1/cases/{parts[member]}").status == 404, "no other level has a part in it"
    assert view(a, parts["YB"])["status"] == "received", "it comes after the county's"
    cluster.cut(b, county, "drop")
    finish(parts["HU"], a, county)
    finish(parts["SY"], a, city)
    wait_status(parts["YB"], "arrived", a, b)
    assert b.get(f"/v1/cases/{parts['HU']}").status == 404
    assert view(a, whole)["status"] == "accepted", "the province's part is open"
    finish(parts["YB"], a, b)
    wait_status(whole, "closed_granted", a)
    cluster.heal()
    assert decisions(a, whole) == {case: "grant" for case in parts.values()}
    act(a, whole, "deliver", channel="window").ok()
    for case in (whole, *parts.values()):
        assert a.get(f"/v1/cases/{case}/receipt?wait_ms=60000").ok().json()["final"] is True
    assert_whole(a, b, city, county)


def test_a_county_that_refuses_its_part_decides_for_the_province(cluster):
    """What needs the county's part is given back by the window's node, although neither the county nor the province knows of the other's."""
    a, b = add_provinces(cluster, A, B)
    county = cluster.add_node(COUNTY, "锦江区")
    cluster.start()
    wait_met(a, b)
    publish_below(county, "0007KSTB0061", "HU104", 4, "锦江区公安分局")
    publish(b)
    wait_for(lambda: a.get("/v1/catalog/HU104").status == 200, what="the county's item")
    wait_shown("BIRTH", a, version=1)
    whole = ask(a, division=COUNTY).ok().json()["case"]
    parts = parts_of(a, whole)
    wait_status(parts["HU"], "arrived", a, county)
    act(county, parts["HU"], "refuse", reason_code="not-registered-here", reason="户口不在本区").ok()
    wait_for(lambda: view(a, parts["YB"])["status"] == "returned", what="the province's part to be given back")
    finish(parts["SY"], a, b)
    wait_status(whole, "closed_denied", a)
    assert decisions(a, whole) == {parts["HU"]: "deny", parts["YB"]: "deny", parts["SY"]: "grant"}
    assert_whole(a, b, county)


def test_shared_material_is_given_once_and_used_by_all_that_name_it(nodes):
    b, a, c = published(nodes)
    own = {**S1, "code": "M03", "member": "HU", "name": "申请表.pdf", "sha256": "cd" * 32}
    whole = ask(a, materials=[S1, own], form={"child": "小满"}, forms={"SY": {"account": "x"}}).ok().json()["case"]
    parts = parts_of(a, whole)
    given = {member: [(m["code"], m["sha256"]) for m in content(a, case)["materials"]] for member, case in parts.items()}
    assert given == {"HU": [("M01", "ab" * 32), ("M03", "cd" * 32)], "YB": [("M01", "ab" * 32)], "SY": [("M01", "ab" * 32)]}
    assert content(a, parts["HU"])["form"] == {"child": "小满"} and content(a, parts["SY"])["form"] == {"account": "x"}
    assert content(a, whole)["answers"] == BIRTH
    wait_status(parts["HU"], "arrived", a, b)
    assert content(b, parts["HU"])["bundle"] == {"node": int(B), "code": "BIRTH", "version": 1, "member": "HU"}
    masked = a.get(f"/v1/cases/{whole}/events").ok().json()["events"][0]["payload"]
    assert set(masked["answers"].values()) == {"***"}, "what the answers say of a family is not for lists"


def test_a_file_given_to_the_whole_joins_the_parts_that_take_it(cluster, tmp_path):
    b, a, c = published(start_provinces(cluster, B, A, C, files=True))
    whole = ask(a).ok().json()["case"]
    parts = parts_of(a, whole)
    wait_status(parts["HU"], "arrived", a, b)
    file = tmp_path / "出生医学证明.pdf"
    file.write_bytes(b"%PDF-1.7\n" + b"birth " * 1000 + b"\n%%EOF\n")
    refused(a.post(f"/v1/cases/{whole}/materials", {"name": file.name, "code": "S1", "size": 6017, "trust": "B"}), 409,
            "material.trust", "M01")
    added = a.cli("material", "add", whole, file, "--code", "S1", "--trust", "A")
    assert added["case"] == whole
    for member, case in parts.items():
        row, = a.get(f"/v1/cases/{case}/materials").ok().json()["materials"]
        assert (row["file"], row["code"], row["name"]) == (added["file"], "M01", file.name), member
        assert "S1" in row["consent"]
    only_hu = tmp_path / "父母.pdf"
    only_hu.write_bytes(b"%PDF-1.7\n" + b"card " * 1000 + b"\n%%EOF\n")
    a.cli("material", "add", whole, only_hu, "--code", "S2", "--trust", "A")
    listed = {m: len(a.get(f"/v1/cases/{case}/materials").ok().json()["materials"]) for m, case in parts.items()}
    assert listed == {"HU": 2, "YB": 1, "SY": 2}
    fetched = tmp_path / "fetched.pdf"

    def arrived():
        done = Shell(b).run("material", "get", parts["HU"], added["file"], "--output", fetched, "--purpose", "核对材料",
                            check=False)
        return done.returncode == 0

    wait_for(arrived, what="the file in the deciding province")
    assert fetched.read_bytes() == file.read_bytes()
    a.cli("material", "add", parts["HU"], file, "--code", "M01", "--trust", "A")  # the same content: nothing is added
    assert len(a.get(f"/v1/cases/{parts['HU']}/materials").ok().json()["materials"]) == 2
    assert_whole(a, b)


def test_a_refused_part_decides_the_whole_by_the_rule(nodes):
    b, a, c = published(nodes)
    whole = ask(a).ok().json()["case"]
    parts = parts_of(a, whole)
    bring_to(parts["HU"], a, b, "arrived")
    act(b, parts["HU"], "refuse", reason_code="not-registered-here", reason="户口不在本地").ok()
    wait_for(lambda: view(a, parts["YB"])["status"] == "returned", what="what needs the refused part to be given back")
    event = next(e for e in view(a, parts["YB"])["events"] if e["type"] == "return")
    assert event["attributes"]["reason_code"] == "bundle.after-denied"
    assert view(a, whole)["status"] == "accepted", "one part is open still"
    finish(parts["SY"], a, b)
    wait_status(whole, "closed_denied", a)
    assert decisions(a, whole) == {parts["HU"]: "deny", parts["YB"]: "deny", parts["SY"]: "grant"}
    decide = next(e for e in view(a, whole)["events"] if e["type"] == "decide")
    assert decide["attributes"]["told"] == 3 and "分件" in decide["payload"]["remedies"]


def test_withdrawing_the_whole_withdraws_what_is_open(nodes):
    b, a, c = published(nodes)
    whole = ask(a).ok().json()["case"]
    parts = parts_of(a, whole)
    bring_to(parts["HU"], a, b, "accepted")
    act(a, whole, "withdraw").ok()
    for case in parts.values():
        wait_for(lambda: view(a, case)["status"] == "withdrawn", what="the parts to be withdrawn")
    wait_status(parts["HU"], "withdrawn", a, b)
    assert set(decisions(a, whole).values()) == {"deny"}, "the whole knows that none is open"
    assert view(a, whole)["progress"]["state"] == "withdrawn" and view(a, whole)["progress"]["open"] == 0


def test_a_part_revoked_later_shows_at_the_whole(nodes):
    """As in every whole (test_parts): a bundle's is not revoked by rule, somebody has to look at it."""
    b, a, c = published(nodes)
    whole = ask(a, answers={"insure": "否", "card": "否", "maternity": "否"}).ok().json()["case"]
    part = parts_of(a, whole)["HU"]
    finish(part, a, b)
    wait_status(whole, "closed_granted", a)
    act(b, part, "revoke", reason_code="false.material", reason="材料不实").ok()
    wait_for(lambda: "part_lapsed" in view(a, whole)["flags"], what="the whole to show it")
    assert decisions(a, whole) == {part: "lapsed"} and view(a, whole)["status"] == "closed_granted"
    assert any(part in w for w in view(a, whole)["warnings"])


def test_the_case_keeps_its_version_and_a_repeated_request_its_answer(nodes, tmp_path):
    b, a, c = published(nodes)
    first = ask(a, key="one").ok().json()
    assert first["replayed"] is False and len(first["parts"]) == 3
    publish(b, bundle_file(tmp_path, lambda w: w["bundles"][0].update(version=2)))
    wait_shown("BIRTH", a, version=2)
    seen = view(a, first["case"])
    assert (seen["item_version"], seen["item_version_now"]) == (1, 2)
    refused(ask(a, version=1), 409, "bundle.not-in-force", "1", "BIRTH")
    b.cli("bundle", "withdraw", "BIRTH")
    wait_for(lambda: shown(a).status == 404, what="the withdrawal")
    refused(ask(a), 409, "bundle.not-in-force", "withdrawn")
    again = ask(a, key="one").ok().json()
    assert again["replayed"] is True and again["case"] == first["case"]
    assert [p["case"] for p in again["parts"]] == [p["case"] for p in first["parts"]]
    refused(ask(a, key="one", division="510104"), 409, "bundle.not-in-force")
    wait_status(parts_of(a, first["case"])["HU"], "arrived", a, b)
    assert_whole(*nodes)


def test_command_line(nodes, tmp_path):
    b, a, c = published(nodes)
    shell, file = Shell(a), tmp_path / "出生医学证明.pdf"
    file.write_bytes(b"%PDF-1.7\n")
    answers = [x for q, answer in BIRTH.items() for x in ("--answer", f"{q}={answer}")]
    person = ["--name", "李小满", "--id", citizen_number(2)]
    done = shell.json("bundle", "submit", "BIRTH", *answers, *person, "--material", f"S1={file}", "--material",
                      f"HU/M03={file}", "--form", "child=小满", "--wait-peers")
    assert done["peers_durable"] is True and len(done["parts"]) == 3
    assert [m["code"] for m in content(a, parts_of(a, done["case"])["HU"])["materials"]] == ["M01", "M03"]
    write_json(tmp_path / "a.json", {"answers": {**BIRTH, "maternity": "否"}, "forms": {"HU": {"x": "1"}}, "applicant": {
        "kind": "person", "name": "李小满", "id_type": "citizen_id", "id_number": citizen_number(3)}})
    done = shell.json("bundle", "submit", "BIRTH", "--node", B, "--json-file", tmp_path / "a.json")
    assert len(done["parts"]) == 2
    assert content(a, parts_of(a, done["case"])["HU"])["form"] == {"x": "1"}
    for words, status, id in (
            (["submit", "BIRTH", *answers, "--name", "李小满"], 2, "ctl.missing-option"),
            (["submit", "BIRTH", "--json-file", tmp_path / "a.json", "--name", "x"], 2, "ctl.option-conflict"),
            (["submit", "BIRTH", *person, "--answer", "insure"], 2, "ctl.pair"),
            (["submit", "BIRTH", *person, "--answer", "insure=是", "--answer", "insure=否"], 2, "ctl.pair"),
            (["submit", "BIRTH", *person, "--answer", "insure=也许"], 2, "bundle.answer"),
            (["submit", "NONE", *person], 3, "bundle.none"), (["plan", "NONE"], 3, "bundle.none"),
            (["plan", "BIRTH", "--part-division", "XX=510104"], 2, "bundle.member"),
            (["show", "BIRTH", "--version", "9"], 3, "bundle.no-version"), (["show", "BIRTH", "--node", "1"], 2, "ctl.number"),
            (["show", "BIRTH", "--date", "soon"], 2, "http.parameter"), (["list", "--after", "x"], 2, "http.parameter"),
            (["versions", "BIRTH"], 2, "ctl.missing-option"), (["withdraw", "BIRTH"], 3, "bundle.none"),
            (["import", tmp_path / "none.json"], 3, "file.open"), (["import", file], 2, "catalog.json")):
        failed = shell.run("bundle", *words, check=False)
        assert (failed.returncode, f"({id})" in failed.stderr) == (status, True), (words, failed.stderr)
    assert "新生儿出生一件事" in shell.text("bundle", "show", "BIRTH")
    rows = assert_table(shell.text("bundle", "list", "--node", C), "NODE", "CODE", "NAME", "LIFE_EVENT", "VERSION",
                        "IN_FORCE", "VALID", "OF")
    assert [row[1] for row in rows] == ["MOVE", "RETIRE"]
    assert "510000.BIRTH" in shell.text("case", "show", done["case"])


def test_what_bundles_are_found_by_is_made_again(nodes):
    """A database of before readings were kept: the index of items and what bundles are found by are made at the next start."""
    b, a, c = published(nodes)
    before = a.cli("catalog", "search", "shenfenzheng", "--limit", "100")["items"]
    a.stop()
    with contextlib.closing(sqlite3.connect(a.dir / "ledger.db")) as db, db:
        assert db.execute("UPDATE bundle SET pinyin = '', nodes = ''").rowcount == 4
        assert db.execute("DELETE FROM counter WHERE name = 'catalog/search'").rowcount == 1
    a.start()
    wait_for(lambda: [r["code"] for r in a.cli("bundle", "list", "--text", "tuixiu")["bundles"]] == ["RETIRE"], what="the index")
    assert a.cli("catalog", "search", "shenfenzheng", "--limit", "100")["items"] == before and before
    assert_whole(a)


def promise_bundle(whole):
    """首次申领居民身份证 allows 告知承诺 in place of M04 (its proof of residence), the other item does not."""
    whole["bundles"] = [{
        **whole["bundles"][0], "code": "SETTLE", "name": "落户一件事", "questions": [], "members": [
            {"code": "ID", "item": "0007KSTB0060"}, {"code": "HU", "item": "0007KSTB0061"}, {"code": "ORPHAN", "item": "0007KSTB0066"}],
        "materials": [{"code": "S1", "name": "居民户口簿", "serves": ["ID/M02", "ORPHAN/M02"]},
                      {"code": "S2", "name": "居住证明", "serves": ["ID/M04", "HU/M03"]}]}]


def test_a_part_is_promised(nodes, tmp_path):
    """告知承诺 (国办发〔2020〕42号) in one part of an application: what it replaces is not asked for, the others stay as they are."""
    b, a, c = nodes
    publish(b, bundle_file(tmp_path, promise_bundle))
    wait_shown("SETTLE", a, version=1)
    more = {"answers": None, "division": "510104"}
    plan = ask(a, "SETTLE", path="plan", **more).ok().json()
    offered = {p["member"]: p["promise"] for p in plan["parts"]}
    assert offered["HU"] is None and offered["ORPHAN"] is None
    assert (offered["ID"]["made"], offered["ID"]["materials"]) == (False, ["M04"]) and "承诺" in offered["ID"]["text"]
    assert {m["code"]: m["serves"] for m in plan["materials"] if m["shared"]}["S2"] == ["ID/M04", "HU/M03"]
    plan = ask(a, "SETTLE", path="plan", promise=["ID"], **more).ok().json()
    assert plan["parts"][0]["promise"]["made"] is True
    assert {m["code"]: m["serves"] for m in plan["materials"] if m["shared"]} == {"S1": ["ID/M02", "ORPHAN/M02"], "S2": ["HU/M03"]}
    before = counts(a)
    refused(ask(a, "SETTLE", promise=["HU"], **more), 409, "case.promise-unallowed", "HU", "42号")
    refused(ask(a, "SETTLE", promise=["XX"], **more), 400, "bundle.member", "XX")
    refused(ask(a, "SETTLE", promise=[1], **more), 400, "json.type", "promise[0]")
    refused(ask(a, "SETTLE", promise="ID", **more), 400, "json.type", "promise")
    refused(ask(a, "SETTLE", promise=["ID"] * 33, **more), 400, "json.range", "promise")
    assert counts(a) == before
    done = ask(a, "SETTLE", promise=["ID"], materials=[{**S1, "code": "S2"}], **more).ok().json()["case"]
    parts = parts_of(a, done)
    wait_status(parts["ID"], "arrived", a, b)
    promised = {m: view(a, case)["events"][0]["attributes"].get("promise", False) for m, case in parts.items()}
    assert promised == {"ID": True, "HU": False, "ORPHAN": False}
    assert [m["code"] for m in content(a, parts["HU"])["materials"]] == ["M03"]
    assert content(a, parts["ID"])["materials"] == [], "the promise stands in for it"
    act(b, parts["ID"], "accept").ok()
    act(b, parts["ID"], "breach", reason_code="promise.false", reason="核查发现承诺不实").ok()
    shell = Shell(a)
    text = shell.text("bundle", "plan", "SETTLE", "--division", "510104", "--promise", "ID")
    assert "ID: promised (告知承诺) instead of M04" in text
    assert "ID: may be promised (告知承诺, --promise) instead of M04" in shell.text("bundle", "plan", "SETTLE", "--division", "510104")
    person = ["--name", "李小满", "--id", citizen_number(5)]
    failed = shell.run("bundle", "submit", "SETTLE", *person, "--promise", "HU", check=False)
    assert failed.returncode != 0 and "(case.promise-unallowed)" in failed.stderr
    case = shell.json("bundle", "submit", "SETTLE", *person, "--promise", "ID")["case"]
    assert view(a, parts_of(a, case)["ID"])["events"][0]["attributes"]["promise"] is True


def required_of(node, plan):
    """member -> codes of the materials that its item needs in any case"""
    item = lambda part: node.get(f"/v1/catalog/{part['node']}/{part['item']}").ok().json()["item"]
    return {p["member"]: {m["code"] for m in item(p).get("materials", []) if m["necessity"] == "required"} for p in plan["parts"]}


def of_part(reply, member):
    return [w for w in reply["warnings"] if w.startswith(f"part '{member}' (")]


def test_each_part_is_told_what_does_not_fit(nodes):
    """形式审查 for the clerk, as of a single application: 服务对象, materials that the part's item does not know, and required ones
    that are not in the list; none is refused."""
    b, a, c = published(nodes)
    required = required_of(a, ask(a, path="plan", division="510104").ok().json())
    assert set(required) == {"HU", "YB", "SY"} and all("M01" in codes for codes in required.values())
    reply = ask(a, materials=[S1, {**S1, "member": "HU", "code": "M99"}]).ok().json()
    unknown, missing = of_part(reply, "HU")
    assert unknown.endswith("materials: the item has no M99") and "出生登记" in unknown
    for member, codes in required.items():
        told = [w for w in of_part(reply, member) if "required and not in the list" in w]
        assert len(told) == (1 if codes - {"M01"} else 0), (member, reply["warnings"])
        assert all("M01" not in t and all(code in t for code in codes - {"M01"}) for t in told)
    assert not any("服务对象" in w for w in reply["warnings"])
    organisation = {"kind": "organisation", "name": "测试公司", "id_type": "uscc", "id_number": "11330000TEMP000138"}
    reply = ask(a, applicant=organisation, division="510104").ok().json()
    for member in required:
        assert any("自然人 (服务对象)" in w for w in of_part(reply, member)), reply["warnings"]
    text = Shell(a).text("bundle", "submit", "BIRTH", "--name", "李小满", "--id", citizen_number(2), "--answer", "insure=否", "--answer",
                           "card=否", "--answer", "maternity=否")
    assert "warning: part 'HU' (" in text


def test_the_largest_bundle_is_one_application(nodes, tmp_path):
    """32 members, as many as a bundle may have, decided in three provinces: one application, one whole, all parts followed."""
    b, a, c = nodes
    codes = [i["basic_code"] for i in json.loads((CATALOGS / "sichuan.json").read_text())["items"]][:32]
    homes = [("510104", B), ("440300", A), ("330106", C)]

    def enlarge(whole):
        whole["bundles"] = [{
            **whole["bundles"][0], "code": "ALL", "name": "最大的一件事", "questions": [], "materials": [],
            "members": [{"code": f"P{i:02}", "item": code} for i, code in enumerate(codes)]}]
        whole["bundles"][0]["members"][1]["node"] = int(A)

    publish(b, bundle_file(tmp_path, enlarge))
    wait_shown("ALL", a, version=1)
    for node in (a, b):
        of_region = {region: node.cli("bundle", "list", "--region", region)["bundles"] for region in (B, "440300", "330106")}
        assert {region: len(rows) for region, rows in of_region.items()} == {B: 1, "440300": 1, "330106": 0}, "it names Guangdong"
    divisions = {f"P{i:02}": homes[i % 3][0] for i in range(32)}
    reply = ask(a, "ALL", answers=None, divisions=divisions).ok().json()
    assert len(reply["parts"]) == 32 and {p["node"] for p in reply["parts"]} == {int(B), int(A), int(C)}
    required = required_of(a, ask(a, "ALL", path="plan", answers=None, divisions=divisions).ok().json())
    told = {m for m in required if any("required and not" in w for w in of_part(reply, m))}
    assert told == {m for m in required if required[m]} and told, "each part has its warnings"
    whole, parts = reply["case"], parts_of(a, reply["case"])
    assert len(parts) == 32
    wait_status(whole, "accepted", a)
    for i, (member, case) in enumerate(sorted(parts.items())):
        decides = nodes[[B, A, C].index(homes[i % 3][1])]
        finish(case, a, decides)
        assert view(a, case)["item_code"].endswith(codes[i])
    wait_status(whole, "closed_granted", a)
    assert decisions(a, whole) == {case: "grant" for case in parts.values()}
    organisation = {"kind": "organisation", "name": "测试公司", "id_type": "uscc", "id_number": "11330000TEMP000138"}
    reply = ask(a, "ALL", answers=None, divisions=divisions, applicant=organisation,
                materials=[{**S1, "member": m, "code": "M99"} for m in divisions]).ok().json()
    assert len(reply["warnings"]) == 40 and reply["warnings"][-1].endswith(" more warnings found no room"), "32 and as many again"
    other = reply["case"]
    act(a, other, "withdraw").ok()
    for case in parts_of(a, other).values():
        wait_for(lambda: view(a, case)["status"] == "withdrawn", what="each part to be withdrawn")
    assert_whole(*nodes)


def test_bad_applications_are_named_and_leave_nothing(nodes):
    b, a, c = published(nodes)
    before = counts(a)
    refused(ask(a, answers={"insure": "是", "card": "否"}), 400, "bundle.unanswered", "maternity", "生育保险")
    refused(ask(a, answers={**BIRTH, "twins": "是"}), 400, "bundle.answer", "twins=是")
    refused(ask(a, answers={**BIRTH, "card": "也许"}), 400, "bundle.answer", "card=也许")
    refused(ask(a, answers={f"q{i}": "是" for i in range(33)}), 413, "json.range", "33", "32")
    refused(ask(a, code="NONE"), 404, "bundle.none", "NONE")
    refused(ask(a, region="110000"), 404, "bundle.none", "110000")
    refused(ask(a, version=7), 404, "bundle.no-version", "7")
    refused(ask(a, division="110101"), 400, "bundle.route", "HU", "110101")
    refused(ask(a, division="999999"), 400, "bundle.route", "999999")
    refused(ask(a, divisions={"XX": "510104"}), 400, "bundle.member", "XX")
    refused(ask(a, divisions={"HU": "5101"}), 400, "case.division", "5101")
    refused(ask(a, materials=[{**S1, "code": "S9"}]), 400, "bundle.material", "S9")
    refused(ask(a, materials=[{**S1, "member": "SB", "code": "M01"}]), 400, "bundle.member", "SB")
    refused(ask(a, materials=[S1, {**S1, "member": "HU", "code": "M01"}]), 400, "bundle.material", "HU", "M01")
    refused(ask(a, materials=[{**S1, "sha256": "x"}]), 400, "case.material-hash", "materials[0].sha256")
    refused(ask(a, forms={"SB": {}}), 400, "bundle.member", "SB")
    refused(ask(a, surprise=1), 400, "json.unknown-field", "surprise")
    refused(ask(a, applicant=None), 400, "json.missing", "applicant")
    number = citizen_number(2)
    wrong = number[:-1] + ("0" if number[-1] != "0" else "1")
    person = {"kind": "person", "name": "李小满", "id_type": "citizen_id", "id_number": wrong}
    assert ask(a, applicant=person).status == 400
    b.cli("catalog", "status", item_of(B, "生育保险待遇核定与支付"), "暂停")
    wait_for(lambda: a.get(f"/v1/catalog/{B}/{item_of(B, '生育保险待遇核定与支付')}").ok().json()["version"] == 2,
             what="the item that takes nothing now")
    refused(ask(a), 400, "bundle.route", "SY")
    assert counts(a) == before
    ask(a, answers={**BIRTH, "maternity": "否"}).ok()


def test_all_parts_or_none_over_kill(nodes):
    """The node is killed while applications are on their way: each whole has all its parts, or there is nothing of it."""
    b, a, c = published(nodes)
    for turn in range(4):
        done = threading.Event()

        def hand_in():
            for i in range(30):
                try:
                    ask(a, key=f"kill-{turn}-{i}")
                except (OSError, http.client.HTTPException):
                    break  # the node is gone
            done.set()

        thread = threading.Thread(target=hand_in)
        thread.start()
        size = ledger_size(a)
        wait_for(lambda: done.is_set() or ledger_size(a) > size + 40 * (turn + 1), what="some applications")
        a.kill()
        thread.join()
        a.start()
        rows = a.get("/v1/cases?limit=1000").ok().json()["cases"]
        wholes = [r["case"] for r in rows if r["item_code"] == f"{B}.BIRTH"]
        parts = [case for whole in wholes for case in parts_of(a, whole).values()]
        assert sorted(wholes + parts) == sorted(r["case"] for r in rows), "a part without its whole, or the reverse"
        for whole in wholes:
            assert sorted(decisions(a, whole)) == sorted(parts_of(a, whole).values())
        assert wholes
    assert_whole(a)
