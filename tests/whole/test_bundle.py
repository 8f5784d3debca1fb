"""一件事一次办: bundles published by one node and shown alike by all, and what comes of an application made from one."""
import json

import pytest

from cluster import wait_for
from provinces import CATALOGS, PROVINCES, start_provinces, write_json
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
    first = a.get("/v1/bundles?limit=2").ok().json()
    rest = a.get(f"/v1/bundles?after={first['next']}").ok().json()
    codes = [r["code"] for r in first["bundles"] + rest["bundles"]]
    assert codes == ["MOVE", "RETIRE", "DISABLED", "BIRTH"] and rest["next"] is None
    table = Shell(a).run("catalog", "search", "--life-event", "出生").stdout
    assert "一件事" in table and "BIRTH" in table
