"""The own catalog of a running node: report, publication, versions and status, through API and command line, and what a peer
sees of it."""
import csv
import io
import json
import zipfile
from urllib.parse import urlencode

import pytest

from cluster import CommandFailed, wait_for
from provinces import CATALOGS, ORPHAN, add_provinces, application, citizen_number, start_provinces, submit, view, wait_met

A, B = "440000", "510000"
NEW = "A100"
HEAD = "事项编码,事项名称,事项类型,行使层级,实施主体,服务对象,通办模式,事项状态,来源,来源可信度\r\n"
ROW = f"{NEW},新生儿落户一件事,公共服务,省级,四川省公安厅,自然人,异地代收代办,在用,测试,未核实\r\n"
MATERIALS = "事项编码,材料编码,材料名称,材料形式,材料必要性,来源渠道\r\n"


def imports(node, body, format="csv", publish=False, mode="merge"):
    path = f"/v1/catalog/import?format={format}&mode={mode}&publish={'true' if publish else 'false'}"
    return node.post(path, body, headers={"Content-Type": "application/octet-stream"}, timeout=120)


def item_of(node, code, version=None):
    query = "" if version is None else f"?version={version}"
    return node.get(f"/v1/catalog/{B}/{code}{query}")


def edited(text, **fields):
    """The exported CSV @text with cells of the row of ORPHAN changed, by heading, and without its version."""
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))
    head = rows[0]
    row = next(r for r in rows if r[0] == ORPHAN)
    for name, value in {**fields, "事项版本": ""}.items():
        row += [""] * (len(head) - len(row))
        row[head.index(name)] = value
    out = io.StringIO()
    csv.writer(out).writerows([head, row])
    return out.getvalue()


def test_import(cluster, tmp_path):
    a, b = start_provinces(cluster, A, B)
    case = submit(a)
    wait_for(lambda: b.get(f"/v1/cases/{case}").status == 200, what="the case to arrive")

    # a report changes nothing, and neither does a file with one wrong row
    report = imports(b, HEAD + ROW).ok().json()
    assert (report["published"], report["added_count"], report["problem_count"]) == (False, 1, 0)
    assert item_of(b, NEW).status == 404
    bad = imports(b, HEAD + ROW + ROW.replace(NEW, "A101").replace("公共服务", "许可"), publish=True).ok().json()
    assert bad["published"] is False and bad["added_count"] == 0
    assert [(p["line"], p["column"], p["value"], p["id"]) for p in bad["problems"]] == [(3, 3, "许可", "catalog.field-value")]
    assert item_of(b, NEW).status == 404

    # published, it is everywhere; once more, nothing changes
    done = imports(b, (HEAD + ROW).encode("gb18030"), publish=True).ok().json()
    assert (done["published"], done["version"]) == (True, 2)
    wait_for(lambda: item_of(a, NEW).status == 200, what="the item at the peer")
    assert item_of(a, NEW).json()["item"]["version"] == 1
    again = imports(b, HEAD + ROW, publish=True).ok().json()
    assert (again["unchanged_count"], again["added_count"], again["version"], again["published"]) == (1, 0, 2, True)

    # a change is a new version; the older one stays readable on both sides, and the case under it is warned of
    csv_text = b.get("/v1/catalog/export?format=csv", timeout=180).ok().body.decode()
    changed = imports(b, edited(csv_text, 事项名称="孤儿认定"), publish=True).ok().json()
    assert changed["changed_count"] == 1, changed
    # materials were not in the table, so they are gone with this version
    assert changed["changed"][0]["fields"].split(", ")[-1] and "name" in changed["changed"][0]["fields"]
    assert changed["changed"][0]["cases"] == 1
    wait_for(lambda: item_of(a, ORPHAN).json()["item"]["version"] == 2, what="version 2 at the peer")
    for node in (a, b):
        assert item_of(node, ORPHAN, 1).ok().json()["name"] == "孤儿认定申请受理"
        assert item_of(node, ORPHAN, 2).ok().json()["name"] == "孤儿认定"
        assert item_of(node, ORPHAN, 3).status == 404
        versions = node.get(f"/v1/catalog/{B}/{ORPHAN}/versions").ok().json()["versions"]
        assert [v["version"] for v in versions] == [2, 1]
        state = view(node, case)
        assert (state["item_version"], state["item_version_now"]) == (1, 2) and "version 2 now" in state["warnings"][0]
    stale = imports(b, edited(csv_text, 事项名称="又改"), publish=False).ok().json()
    assert stale["changed_count"] == 1
    old = imports(b, HEAD.replace("事项编码", "事项编码,事项版本") + ROW.replace(NEW, f"{NEW},1").replace("一件事", "")).ok().json()
    assert old["problems"][0]["id"] == "catalog.version-old" and old["problems"][0]["line"] == 2

    # suspended, it takes no applications; the file of the configuration, now older, does not come back at a restart
    paused = b.post(f"/v1/catalog/{ORPHAN}/status", {"status": "暂停"}).ok().json()
    assert paused["changed"][0]["version_after"] == 3
    wait_for(lambda: item_of(a, ORPHAN).json()["item"]["status"] == "暂停", what="the status at the peer")
    refused = a.post("/v1/cases", {"item": ORPHAN, "applicant": {"kind": "person", "name": "李小满", "id_type": "citizen_id",
                                                                  "id_number": "510104190507290029"}})
    assert refused.status == 409 and refused.json()["id"] == "case.item-closed"
    assert b.post(f"/v1/catalog/{ORPHAN}/status", {"status": "暂停"}).json()["id"] == "catalog.same-status"
    assert b.post(f"/v1/catalog/{ORPHAN}/status", {"status": "停"}).status == 400
    assert b.post("/v1/catalog/XX/status", {"status": "暂停"}).json()["id"] == "catalog.no-item"
    b.stop()
    b.start()
    assert item_of(b, ORPHAN).json()["item"]["status"] == "暂停"
    assert b.log_lines("catalog.file-older")

    # replace withdraws what is not in the file
    gone = imports(b, HEAD + ROW, mode="replace", publish=True).ok().json()
    assert (gone["withdrawn_count"], gone["unchanged_count"], gone["published"]) == (88, 1, True)
    wait_for(lambda: item_of(a, ORPHAN).json()["withdrawn"], what="the withdrawal at the peer")
    assert item_of(a, ORPHAN, 1).ok().json()["item"]["name"] == "孤儿认定申请受理"
    assert b.post("/v1/ledger/verify", timeout=120).ok().json()["result"] == "ok"


def test_report_of_changes(cluster, tmp_path):
    """What is in force and what would be, place by place, before anything is published; of much, a part, and how much there is."""
    _, b = start_provinces(cluster, A, B)
    whole = b.get("/v1/catalog/export?format=json", timeout=180).ok().json()
    item = next(i for i in whole["items"] if len(i.get("limits", {}).get("stages", [])) > 1 and len(i.get("materials", [])) > 1)
    stages, conditions = item["limits"]["stages"], "一" * 300 + "十五日" + "二" * 300
    stages[1] |= {"days": 15, "unit": "working"}
    item |= {"conditions": conditions, "version": item.get("version", 1) + 1}
    whole["version"] += 1
    assert imports(b, json.dumps(whole).encode(), format="json", publish=True).ok().json()["published"]

    stages[1]["days"] = 10
    gone = item["materials"].pop()
    item |= {"conditions": conditions.replace("十五", "十"), "version": item["version"] + 1, "scenario": "甲\n乙"}
    file = tmp_path / "changed.json"
    file.write_text(json.dumps(whole))
    (change,) = b.cli("catalog", "import", file)["changed"]
    places = {d["path"]: d for d in change["differences"]}
    assert change["difference_count"] == len(places) == len(change["differences"])
    assert places["limits.stages[1].days"] == {"path": "limits.stages[1].days", "before": "15", "after": "10", "cut": False}
    removed = places[f"materials[{gone['code']}]"]
    assert removed["after"] is None and gone["code"] in removed["before"]
    assert places["conditions"]["cut"] and "一十五日" in places["conditions"]["before"] and "一十日" in places["conditions"]["after"]
    text = cluster.cli("catalog", "import", file, env={"TONGBAN_DIR": str(b.dir)}).stdout
    assert "  limits.stages[1].days 15 → 10\n" in text and f"  materials[{gone['code']}] removed: " in text, text
    assert "甲\\n乙\n" in text, text
    assert b.cli("catalog", "show", item["code"])["item"]["limits"]["stages"][1]["days"] == 15

    item |= {"supporting": [f"机构{n}" for n in range(64)], "legal_basis": [f"依据{n}" for n in range(64)]}
    assert imports(b, json.dumps(whole).encode(), format="json", publish=True).ok().json()["published"]
    item |= {"supporting": [f"单位{n}" for n in range(64)], "legal_basis": [f"法{n}" for n in range(64)], "version": item["version"] + 1}
    file.write_text(json.dumps(whole))
    (change,) = b.cli("catalog", "import", file)["changed"]
    assert (len(change["differences"]), change["difference_count"]) == (100, 128)
    text = cluster.cli("catalog", "import", file, env={"TONGBAN_DIR": str(b.dir)}).stdout
    assert "  legal_basis[0] 依据0 → 法0\n" in text and "  and 28 more differences" in text

    # a report lists 10,000 in all, and counts every one
    bare = {k: item[k] for k in ("name", "type", "level", "department", "subject", "modes", "status", "source")}
    many = [bare | {"code": f"D{n}", "supporting": ["甲"] * 64, "legal_basis": ["乙"] * 64} for n in range(102)]
    body = {"format": "tongban-catalog/1", "node": int(B), "version": whole["version"] + 1, "items": many}
    assert imports(b, json.dumps(body).encode(), format="json", publish=True).ok().json()["added_count"] == 102
    for one in many:
        one |= {"supporting": ["丙"] * 64, "legal_basis": ["丁"] * 64}
    changed = imports(b, json.dumps(body).encode(), format="json").ok().json()["changed"]
    assert [len(c["differences"]) for c in changed] == [100] * 100 + [0, 0]
    assert {c["difference_count"] for c in changed} == {128}


def test_published_and_withdrawn_while_the_line_is_cut(cluster):
    """Both reach the peer in one batch: the withdrawal is about an item that is not in its tables yet."""
    a, b = start_provinces(cluster, A, B)
    cluster.cut(a, b, "reset")
    assert imports(b, HEAD + ROW, publish=True).ok().json()["published"]
    gone = imports(b, HEAD + ROW.replace(NEW, "A101"), mode="replace", publish=True).ok().json()
    assert gone["withdrawn_count"] > 1
    cluster.heal()
    wait_for(lambda: item_of(a, "A101").status == 200, what="the line to be mended")
    assert item_of(a, NEW).ok().json()["withdrawn"] and item_of(b, NEW).ok().json()["withdrawn"]
    assert found(a, text="新生儿落户", node=510000) == found(b, text="新生儿落户", node=510000)


def found(at, **query):
    reply = at.get("/v1/catalog/search?" + urlencode(query)).ok().json()
    return [(i["node"], i["name"], i["match"]) for i in reply["items"]]


def test_search(cluster):
    a, b = start_provinces(cluster, A, B)
    for node in (a, b):
        names = [(510000, "首次申领居民身份证"), (440000, "首次申领居民身份证")]
        assert [x[:2] for x in found(node, text="首次申领居民身份证")][:2] in (names, names[::-1])
        for text, match in (("居民身份证", "start"), ("jmsfz", "start"), ("shenfenzheng", "start"), ("scsl", "start"),
                            ("ｊｍｓｆｚ", "start"), ("ＪＭＳＦＺ", "start"), ("shēnfènzhèng", "start"), ("居民　身份证", "name"),
                            ("KSTB-060", "words"), ("身份证首次办理", "words"), ("残疾证换证", "words")):
            hits = found(node, text=text)
            assert hits and hits[0][2] == match, (text, hits)
        assert {x[0] for x in found(node, text="孤儿", region=510104)} == {510000}
        assert {x[0] for x in found(node, text="孤儿", node=440000)} == {440000}
        assert found(node, life_event="办证件", limit=1) and found(node, text="孤儿领养认定")[0][2] == "similar"
        assert found(node, text="没有的事") == [] and not any("税" in x[1] for x in found(node, text="nü"))
        for query, id in (("", "search.text"), ("text=%21", "search.text"), ("limit=101&text=a", "http.parameter"),
                          ("region=5&text=a", "http.parameter"), ("text=" + "a" * 201, "search.text")):
            assert node.get(f"/v1/catalog/search?{query}").json()["id"] == id, query
    assert b.cli("catalog", "search", "hkqy", "--region", "510104", "--limit", "3")["items"][0]["name"].endswith("户口迁移")
    assert b.cli("catalog", "search", "--life-event", "迁居")["items"]
    # what changes is found as it is now, on both sides
    b.post(f"/v1/catalog/{ORPHAN}/status", {"status": "暂停"}).ok()
    imports(b, HEAD + ROW, mode="replace", publish=True).ok()
    for node in (a, b):
        wait_for(lambda: found(node, text="新生儿落户"), what="the new item to be found")
        wait_for(lambda: found(node, text="孤儿认定", node=510000) == [], what="the withdrawn item to be gone")


def test_a_workbook_of_openpyxl(cluster, tmp_path):
    """openpyxl writes texts into the cells (inlineStr): taken like any other workbook, with runs, numbers and empty cells."""
    import openpyxl
    from openpyxl.cell.rich_text import CellRichText, TextBlock
    from openpyxl.cell.text import InlineFont

    b, = start_provinces(cluster, B)
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "事项"
    heads = HEAD.strip().split(",") + ["受理条件", "事项版本"]
    values = ROW.strip().split(",") + [None, 1]
    values[heads.index("事项名称")] = CellRichText("新生儿", TextBlock(InlineFont(b=True), "落户 & <登记>"))
    values[heads.index("受理条件")] = "年满\n18 周岁  的\"人\""
    sheet.append(heads)
    sheet.append(values)
    file = tmp_path / "items.xlsx"
    book.save(file)
    assert b"inlineStr" in zipfile.ZipFile(file).read("xl/worksheets/sheet1.xml"), "or the test tests nothing"
    report = imports(b, file.read_bytes(), format="xlsx", publish=True).ok().json()
    assert report["published"] and report["problems"] == [], report
    item = item_of(b, NEW).ok().json()["item"]
    assert (item["name"], item["conditions"]) == ("新生儿落户 & <登记>", "年满\n18 周岁  的\"人\""), item
    # what our own export writes, gone through openpyxl once
    exported = tmp_path / "export.xlsx"
    b.cli("catalog", "export", str(exported))
    again = openpyxl.load_workbook(exported)
    again.save(tmp_path / "again.xlsx")
    report = imports(b, (tmp_path / "again.xlsx").read_bytes(), format="xlsx").ok().json()
    assert report["problems"] == [] and report["changed"] == [] and report["unchanged_count"] == report["items"] > 80


# ---- every element of the 实施清单 --------------------------------------------------------------------------------------

LIMIT = {"n": 5, "unit": "working", "text": "自通知之日起"}
MARK = {"text": "某市民政局办事指南", "certainty": "seen"}
FULL = {
    "code": "FULL1", "basic_code": "000111001000", "local_code": "511A0138000000", "local_basic_code": "511A01380", "handling_code": "FULL101",
    "reference": "TEST-1", "name": "收养登记", "aliases": ["领养登记"], "life_events": ["出生"], "type": "07", "handling": "承诺件", "level": 2,
    "division": 510000,
    "department": {"name": "四川省民政厅", "uscc": "91510100MA0000000Y", "uscc_waived": True, "nature": "受委托组织", "entrusted_by": "民政部",
                   "duty": ["审查材料", "告知结果"]},
    "power": {"source": "上级委托", "list": "权力清单第 12 行"}, "guidance": "民政部", "supporting": ["公安机关"], "legal_basis": ["中华人民共和国民法典"],
    "subject": ["自然人"], "modes": ["异地代收代办", "多地联办"], "channels": ["窗口", "网上", "快递"], "reach": {"scope": "全国", "text": "除港澳台"},
    "visits": {"count": 1, "reason": "需当面确认"}, "scenario": "收养人为国内公民", "conditions": "无子女或者只有一名子女\n年满三十周岁",
    "quota": "无", "intermediary": "无", "bookable": True, "in_hall": True, "self_service": False,
    "limits": {"legal": {"n": 30, "unit": "working", "text": "自受理之日起"}, "promised": {"n": 20, "unit": "working", "text": "不含公告"}, "stages": [
        {"stage": "收件", "side": "receiving", "at": "异地窗口", "office": "综合窗口", "phone": "0755-00000000", "days": 3, "unit": "working",
         "special": False, "text": "录入并转办"},
        {"stage": "审查", "side": "deciding", "at": "民政部门", "days": 15, "unit": "natural", "special": True}]},
    "special_procedures": [{"kind": "其他", "days": 60, "unit": "natural", "text": "公告"}], "legal_review": True,
    "materials": [
        {"code": "M1", "name": "居民户口簿", "kind": "证件证书证明", "form": "either", "necessity": "required", "source": "authority",
         "source_text": "公安机关", "licence": "居民户口簿电子证照", "trust_level": "A", "originals": 1, "copies": 2, "specification": "A4",
         "in_person": False, "blank_form": "无", "sample": "见附件", "fill_in": "如实填写", "standard": "清晰完整", "basis": "收养登记办法第五条",
         "sensitive": True, "source_mark": MARK},
        {"code": "M2", "name": "收入证明", "form": "paper", "necessity": "conditional", "when": "单身收养", "source": "other"},
        {"code": "M3", "name": "近期照片", "form": "electronic", "necessity": "deferrable", "later": LIMIT, "source": "applicant"}],
    "deferral": {"allowed": True, "basis": "本省容缺受理清单", "limit": LIMIT, "text": "缺照片可先受理"},
    "promise": {"allowed": True, "basis": "国办发〔2020〕42号", "materials": ["M2"], "text": "承诺收入属实"},
    "result": {"type": "证照", "name": "收养登记证", "sample": "见附件"},
    "fee": {"charged": True, "basis": "价费字〔1992〕249号", "online": True, "items": [
        {"name": "工本费", "standard": "10 元", "basis": "价费字〔1992〕249号", "reducible": True, "reduction_basis": "财税〔2016〕42号"}]},
    "delivery": {"pickup": True, "post": True, "online": False, "takes_post": True, "postage": "applicant", "text": "到付"},
    "contact": {"phone": "028-00000000", "address": "成都市某路 1 号", "hours": "工作日 9:00-17:00", "complaint": "12345"},
    "remedies": {"review": "民政部 行政复议", "litigation": "成都市某区人民法院"}, "faq": [{"question": "要多久?", "answer": "二十个工作日"}],
    "retention": "永久", "status": "在用", "valid_from": "2026-01-01", "valid_to": "2030-12-31", "version": 1,
    "source": {"text": "测试", "certainty": "unverified"}}


def leaves(value, path=""):
    """Paths of all values: limits.stages[].days"""
    if isinstance(value, dict):
        return set().union(*(leaves(v, f"{path}.{k}" if path else k) for k, v in value.items()))
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return set().union(*(leaves(v, f"{path}[]") for v in value))
    return {path}


def leaves_of_schema(schema, path=""):
    if "properties" in schema:
        return set().union(*(leaves_of_schema(v, f"{path}.{k}" if path else k) for k, v in schema["properties"].items()))
    if "properties" in schema.get("items", {}):
        return leaves_of_schema(schema["items"], f"{path}[]")
    return {path}


def texts(value):
    if isinstance(value, dict):
        return [t for v in value.values() for t in texts(v)]
    if isinstance(value, list):
        return [t for v in value for t in texts(v)]
    return [] if isinstance(value, bool) else [str(value)]


def without_version(item):
    return {k: v for k, v in item.items() if k != "version"}


def test_every_element_of_an_item(cluster, tmp_path):
    """GB/T 39554.2 要素: an item that says all there is to say comes in as JSON, CSV and workbook, is stored, published, shown by API and
    command line here and at the peer, and comes out again."""
    schema = json.loads((CATALOGS.parent / "schema" / "catalog.schema.json").read_text())
    assert leaves(FULL) == leaves_of_schema(schema["properties"]["items"]["items"]), "nothing that an item can say is missing here"
    a, b = start_provinces(cluster, A, B)
    whole = {"format": "tongban-catalog/1", "node": int(B), "version": 2, "items": [FULL]}
    done = imports(b, json.dumps(whole).encode(), format="json", publish=True, mode="replace").ok().json()
    assert done["published"] and done["problems"] == [], done
    wait_for(lambda: item_of(a, "FULL1").status == 200, what="the item at the peer")
    for node in (a, b):
        assert item_of(node, "FULL1").json()["item"] == FULL
        assert node.cli("catalog", "show", "FULL1")["item"] == FULL
        shown = cluster.cli("catalog", "show", "FULL1", env={"TONGBAN_DIR": str(node.dir)}).stdout
        for text in texts(FULL):
            assert json.dumps(text, ensure_ascii=False)[1:-1] in shown, text
    files = {form: tmp_path / f"full.{form}" for form in ("csv", "xlsx")}
    for form, file in files.items():
        b.cli("catalog", "export", file)
        report = b.cli("catalog", "import", file)
        assert (report["unchanged_count"], report["problem_count"], report["changed"]) == (1, 0, []), form
    bare = {k: FULL[k] for k in ("code", "name", "type", "level", "department", "subject", "modes", "status", "source")}
    for turn, (form, file) in enumerate(files.items()):
        whole["items"] = [bare | {"version": 2 * turn + 2}]
        assert imports(b, json.dumps(whole).encode(), format="json", publish=True).ok().json()["changed_count"] == 1
        body = file.read_bytes()
        if form == "csv":
            rows = list(csv.reader(io.StringIO(body.decode().removeprefix("\ufeff"))))
            rows[1][rows[0].index("事项版本")] = ""
            out = io.StringIO()
            csv.writer(out).writerows(rows)
            body = out.getvalue()
        else:
            import openpyxl
            book = openpyxl.load_workbook(file)
            head = [c.value for c in book["事项"][1]]
            book["事项"].cell(row=2, column=head.index("事项版本") + 1).value = None
            book.save(file)
            body = file.read_bytes()
        report = imports(b, body, format=form, publish=True).ok().json()
        assert report["published"] and report["changed_count"] == 1, (form, report)
        assert without_version(item_of(b, "FULL1").json()["item"]) == without_version(FULL), form


def test_search_has_pages(cluster):
    """A page goes on behind the last row of the one before; all of them are the whole answer, each row once."""
    a, b = start_provinces(cluster, A, B)
    whole = 0
    for query in ({"text": "证"}, {"text": "z"}, {"life_event": "办证件"}, {"region": B}, {"text": "ban 证"}, {"text": "转移接续"}):
        everything = a.get("/v1/catalog/search?" + urlencode(query | {"limit": 100})).ok().json()
        assert len(everything["items"]) > 3, query
        if everything["next"] is not None:
            continue  # more than one page can hold
        whole += 1
        rows, after = [], {}
        while after is not None:
            page = a.get("/v1/catalog/search?" + urlencode(query | {"limit": 3} | after)).ok().json()
            rows += page["items"]
            after = page["next"] and {"after": page["next"]}
        assert rows == everything["items"], query
    assert whole >= 3
    page = a.cli("catalog", "search", "z", "--limit", "2")
    second = a.cli("catalog", "search", "z", "--limit", "2", "--after", page["next"])["items"]
    assert second == a.cli("catalog", "search", "z", "--limit", "4")["items"][2:]
    env = {"TONGBAN_DIR": str(a.dir)}
    assert f"more: --after {page['next']}" in cluster.cli("catalog", "search", "z", "--limit", "2", env=env).stdout
    for token in ("", "x", "1", "1:", ":1", "1:x", "1:0", "-1:2", f"1:{2**63}", f"{2**32}:1"):
        assert a.get("/v1/catalog/search?" + urlencode({"text": "z", "after": token})).json()["id"] == "http.parameter", token


def test_errors_of_the_command_line(cluster):
    """What list, search, versions and route explain refuse, each with its id and exit status; and their help, with an example."""
    a, b = start_provinces(cluster, A, B)
    env = {"TONGBAN_DIR": str(b.dir)}
    for words, status, id in (
            (["catalog", "list", "--limit", "0"], 2, "ctl.number"), (["catalog", "list", "--node", "5"], 2, "ctl.number"),
            (["catalog", "list", "--after", "x"], 2, "http.parameter"), (["catalog", "search"], 2, "search.text"),
            (["catalog", "search", "!"], 2, "search.text"), (["catalog", "search", "a", "--limit", "101"], 2, "ctl.number"),
            (["catalog", "search", "a", "--region", "1"], 2, "ctl.number"), (["catalog", "search", "a", "--node", "x"], 2, "ctl.number"),
            (["catalog", "search", "a", "--after", "x"], 2, "http.parameter"), (["catalog", "search", "a" * 201], 2, "search.text"),
            (["catalog", "show", "NONE"], 3, "catalog.no-item"), (["catalog", "show", ORPHAN, "--node", "5"], 2, "ctl.number"),
            (["catalog", "show", ORPHAN, "--node", B, "--version", "9"], 3, "store.no-item-version"),
            (["catalog", "versions", ORPHAN], 2, "ctl.missing-option"), (["catalog", "status", "NONE", "暂停"], 3, "catalog.no-item"),
            (["catalog", "status", ORPHAN, "在用"], 4, "catalog.same-status"),
            (["route", "explain", ORPHAN], 2, "ctl.missing-option"), (["route", "explain", ORPHAN, "--division", "5"], 2, "ctl.number"),
            (["route", "explain", ORPHAN, "--division", "999999"], 3, "route.division"),
            (["route", "explain", ORPHAN, "--division", "510104", "--date", "soon"], 2, "http.parameter"),
            (["route", "explain", ORPHAN, "--division", "510104", "--level", "7"], 2, "ctl.number")):
        failed = cluster.cli(*words, check=False, env=env)
        assert (failed.returncode, f"({id})" in failed.stderr) == (status, True), (words, failed.returncode, failed.stderr)
    for verb in ("catalog list", "catalog search", "catalog show", "catalog versions", "catalog import", "catalog export", "catalog status",
                 "bundle list", "bundle show", "bundle versions", "bundle plan", "bundle submit", "bundle import", "bundle withdraw",
                 "route explain"):
        assert f"tongban {verb} " in cluster.cli("help", *verb.split()).stdout.split("xample", 1)[1], verb


def test_an_application_goes_where_the_route_leads(cluster):
    """By item × division × level, with the reason in the answer; abolished divisions lead to their successors."""
    a, b = start_provinces(cluster, A, B)
    county = "事项编码,基本编码,行政区划,事项名称,事项类型,行使层级,实施主体,服务对象,通办模式,事项状态,来源,来源可信度\r\n" \
             "K1,0007KSTB0066,510114,孤儿认定,行政确认,县级,新都区民政局,自然人,异地代收代办,在用,测试,未核实\r\n"
    imports(b, county, publish=True).ok()
    wait_for(lambda: item_of(a, "K1").status == 200, what="the county's item at the peer")
    basic = "0007KSTB0066"

    def apply(serial, **fields):
        answer = a.post("/v1/cases", application(serial=serial, mode=None, **fields)).ok().json()
        return view(a, answer["case"]), answer

    case, answer = apply(2, item=basic, division="510114")
    assert (case["item_code"], case["lead"], answer["route"]["node"]) == ("K1", int(B), int(B))
    assert "decides" in answer["route"]["why"] and "510114" in answer["route"]["why"]
    case, answer = apply(3, item=basic, division="510125")  # 新都县, a district since
    assert (case["item_code"], case["division"]) == ("K1", 510114), "the division of today"
    case, answer = apply(9, item=basic, division="510124")  # 郫县: no name leads to 郫都区
    assert (case["item_code"], case["division"]) == (ORPHAN, 510117), "the division of today"
    case, answer = apply(4, item=basic)  # by the identity number: 510104
    assert case["item_code"] == ORPHAN and "decides" in answer["route"]["why"]
    case, answer = apply(5, item=ORPHAN)
    assert case["lead"] == int(B) and "only one" in answer["route"]["why"]
    case, answer = apply(6, item=ORPHAN, node=int(B))
    assert "route" not in answer, "who names the node needs no reason"
    case, answer = apply(10, item=ORPHAN, node=int(B), division="510124")
    assert case["division"] == 510117, "the division of today also when the node is named"
    text = cluster.cli("case", "submit", "--item", basic, "--name", "李小满", "--id", citizen_number(7),
                       env={"TONGBAN_DIR": str(a.dir)}).stdout
    assert "decides" in text and "四川省" in text
    for fields, status, id in (
            ({"item": basic, "division": "650100"}, 400, "case.no-route"), ({"item": "nothing"}, 404, "catalog.no-item"),
            ({"item": basic, "division": "999999"}, 404, "route.division"),
            ({"item": ORPHAN, "division": "330106"}, 400, "case.route"),
            ({"item": ORPHAN, "node": int(B), "division": "510222"}, 400, "case.route")):  # 巴县, of Chongqing since 1997
        reply = a.post("/v1/cases", application(serial=8, mode=None, **fields))
        assert (reply.status, reply.json()["id"]) == (status, id), reply.json()
    assert "510222 (today 500113)" in reply.json()["message"], "what was typed, and what it is"
    reply = a.post("/v1/cases", application(serial=11, mode=None, item=ORPHAN, division="510124")).ok().json()
    assert any("510124" in w and "510117" in w for w in reply["warnings"]), reply


def test_a_member_with_an_abolished_code(cluster):
    """The member list goes on naming a county by its code of yesterday: what lies in it stays its own."""
    a, = add_provinces(cluster, A)
    catalog = json.loads((CATALOGS / "sichuan.json").read_text()) | {"node": 510124}
    catalog["items"] = [x | {"division": 510124} for x in catalog["items"] if x["code"] == ORPHAN]
    file = cluster.dir / "county.json"
    file.write_text(json.dumps(catalog, ensure_ascii=False))
    county = cluster.add_node("510124", "郫县", catalog=file)
    cluster.start()
    wait_met(a, county)
    for serial, fields in enumerate(({"node": 510124}, {}), 1):
        answer = a.post("/v1/cases", application(serial=serial, mode=None, item=ORPHAN, division="510124", **fields)).ok().json()
        case = view(a, answer["case"])
        assert (case["lead"], case["division"]) == (510124, 510124)


def test_route(cluster):
    a, b = start_provinces(cluster, A, B)
    county = "事项编码,基本编码,行政区划,事项名称,事项类型,行使层级,实施主体,服务对象,通办模式,事项状态,来源,来源可信度,计划取消日期\r\n" \
             "K1,0007KSTB0066,510114,孤儿认定,行政确认,县级,新都区民政局,自然人,异地代收代办,在用,测试,未核实,2026-06-30\r\n"
    imports(b, county, publish=True).ok()
    wait_for(lambda: item_of(a, "K1").status == 200, what="the county's item at the peer")

    def route(**query):
        answer = a.get("/v1/route?" + "&".join(f"{k}={v}" for k, v in query.items())).ok().json()
        assert answer == b.get("/v1/route?" + "&".join(f"{k}={v}" for k, v in query.items())).json()
        return answer["decides"] and answer["decides"]["code"], [s["rule"] for s in answer["steps"]], answer

    basic = "0007KSTB0066"
    assert route(item=basic, division=510114, date="2026-06-30")[:2] == ("K1", ["succession", "decides", "longest"])
    code, rules, answer = route(item=basic, division=510125, date="2026-06-30")  # 新都县, a district since
    assert code == "K1" and answer["division"] == 510114 and "新都区" in answer["steps"][0]["text"]
    assert route(item=basic, division=510114, date="2026-07-01")[:2] == (ORPHAN, ["succession", "valid", "decides"])
    assert route(item=basic, division=510104)[0] == ORPHAN
    assert route(item=basic, division=440300)[2]["decides"]["node"] == 440000
    assert route(item=basic, division=510104, level=5)[0] is None
    assert route(item=basic, division=650100)[1] == ["succession", "published"]
    assert route(item="nothing", division=510104)[1] == ["succession", "published"]
    for query, status in (("item=x", 400), ("division=510104", 400), ("item=x&division=5", 400), ("item=x&division=999999", 404),
                          ("item=x&division=510104&date=never", 400), ("item=x&division=510104&level=7", 400)):
        assert a.get(f"/v1/route?{query}").status == status, query
    assert a.cli("route", "explain", basic, "--division", "510125", "--date", "2026-06-30")["decides"]["code"] == "K1"
    # the year, every change, all successors where it was divided, and why one of them is taken
    example = next(l for l in cluster.cli("help", "route", "explain").stdout.splitlines() if "--division 5" in l).split()
    for division, options, why in (
            (example[example.index("--division") + 1], [], "510125 四川省成都市新都县 is abolished: in 2001 it became 510114 四川省成都市新都区"),
            ("510124", [], "510124 四川省成都市郫县 is abolished: in 2016 it became 510117 四川省成都市郫都区"),
            ("510124", ["--date", "2016-01-01"], "510124 四川省成都市郫县 is abolished: in 2016 it became 510117 四川省成都市郫都区"),
            ("510124", ["--date", "2015-12-31"], "510124 四川省成都市郫县 is abolished: in 2016 it became 510117 四川省成都市郫都区; "
             "it was in use on 2015-12-31, who came after it decides its matters"),
            ("513902", [], "513902 四川省资阳地区简阳市 is abolished: in 2000 it became 512081 四川省资阳市简阳市; "
             "in 2016 it became 510185 四川省成都市简阳市"),
            ("330104", [], "330104 浙江省杭州市江干区 is abolished: in 2021 it was divided among 330102 浙江省杭州市上城区, "
             "330114 浙江省杭州市钱塘区, of which 330102 浙江省杭州市上城区 is taken: it took the larger part"),
            ("440321", [], "440321 广东省深圳市宝安县 is abolished: in 1992 it was divided among 440306 广东省深圳市宝安区, "
             "440307 广东省深圳市龙岗区, of which 440306 广东省深圳市宝安区 is taken: it bears the name"),
            ("130103", [], "130103 河北省石家庄市桥东区 is abolished: in 2014 it was divided among 130102 河北省石家庄市长安区, "
             "130104 河北省石家庄市桥西区, all in 130100 河北省石家庄市, which is taken: no part is known to be the larger one"),
            # 511402 is another division today: in between it is not named
            ("512301", [], "512301 四川省涪陵地区涪陵市 is abolished: in 1995 it was divided among 511402, 511403, of which 511402 is taken: "
             "all of them are the same division today; in 1997 it became 500102 重庆市涪陵区"),
            ("511402", [], "511402 四川省眉山市东坡区 is a division of today; the code was in use before, too: in 1997 it became 500102 重庆市涪陵区"),
            ("510104", [], "510104 四川省成都市锦江区 is a division of today"),
            ("510101", [], "510101 四川省成都市市辖区 is no division but a step of the code; 510100 四川省成都市 is above it"),
            ("371201", [], "371201 山东省莱芜市市辖区 is no division but a step of the code; 370100 山东省济南市 is above it since 371200 "
             "is abolished: in 2018 it became 370100 山东省济南市"),
            ("519999", [], "519999 is abolished or not known and its name is gone; 510000 四川省 is above it")):
        assert a.cli("route", "explain", basic, "--division", division, *options)["steps"][0]["text"] == why
    text = cluster.cli("route", "explain", basic, "--division", "650100", env={"TONGBAN_DIR": str(a.dir)}).stdout
    assert "nobody is known to decide" in text and "510000" in text


def test_command_line(cluster, tmp_path):
    a, b = start_provinces(cluster, A, B)
    template = tmp_path / "template.xlsx"
    assert b.cli("catalog", "export", template, "--empty")["file"] == str(template)
    assert template.read_bytes().startswith(b"PK")
    report = b.cli("catalog", "import", template)
    assert report["items"] == 0 and report["problem_count"] == 0

    whole = tmp_path / "whole.xlsx"
    b.cli("catalog", "export", whole)
    report = b.cli("catalog", "import", whole, timeout=120)
    assert (report["items"], report["unchanged_count"], report["version"]) == (88, 88, 1)
    copy = tmp_path / "whole.json"
    b.cli("catalog", "export", copy)
    assert len(json.loads(copy.read_text())["items"]) == 88

    (tmp_path / "事项.csv").write_text(HEAD + ROW)
    (tmp_path / "材料.csv").write_bytes((MATERIALS + f"{NEW},M1,出生医学证明,纸质,必要,政府部门核发\r\n").encode("gb18030"))
    tables = [tmp_path / "事项.csv", tmp_path / "材料.csv"]
    assert b.cli("catalog", "import", *tables, "--publish")["published"] is True
    wait_for(lambda: item_of(a, NEW).status == 200, what="the item at the peer")
    assert item_of(a, NEW).json()["item"]["materials"][0]["name"] == "出生医学证明"
    assert b.cli("catalog", "status", NEW, "取消")["changed_count"] == 1
    assert [v["version"] for v in b.cli("catalog", "versions", NEW, "--node", B)["versions"]] == [2, 1]
    assert b.cli("catalog", "show", NEW, "--node", B, "--version", "1")["item"]["status"] == "在用"

    # each error, tried
    (tmp_path / "材料.csv").write_text(MATERIALS + f"{NEW},M1,出生医学证明,木质,必要,政府部门核发\r\n")
    env = {"TONGBAN_DIR": str(b.dir)}
    done = cluster.cli("catalog", "import", *tables, check=False, env=env)
    assert done.returncode == 2 and "材料.csv" in done.stdout and "ctl.bad-rows" in done.stderr
    assert "'木质' is not one of 纸质 (paper), 电子 (electronic), 纸质或电子 (either)" in done.stdout
    for words, text in ((["import", "x.doc"], "does not end in"), (["import", tables[0], whole], "only be CSV"),
                        (["import", tmp_path / "no.csv"], "no.csv"), (["status", NEW, "停"], "在用, 暂停 or 取消"),
                        (["show", NEW, "--version", "1"], "--version needs --node"),
                        (["export", tmp_path / "a.doc"], "does not end in")):
        with pytest.raises(CommandFailed) as failed:
            b.cli("catalog", *words)
        assert text in str(failed.value), (words, str(failed.value))
