"""Refusals that no other test comes to, each by the words or the request that provoke it: exit status or HTTP status, stable id, and
the value in the sentence. tests/tidy/test_tried.py says which ids are left."""
import base64
import fcntl
import json
import os
import shutil
import subprocess

import pytest

from cluster import TREE, Cluster, wait_for
from provinces import ORPHAN, act, add_provinces, application, edit_json, submit, wait_met, wait_status

A, B, C = "440000", "510000", "330000"


@pytest.fixture(scope="module")
def world():
    with Cluster() as cluster:
        cluster.a, cluster.b, cluster.c = add_provinces(cluster, A, B, C, files=True)
        cluster.start()
        wait_met(cluster.a, cluster.b, cluster.c)
        yield cluster


def tongban(cluster, *words, program=None, cwd=None, **options):
    return subprocess.run([program or cluster.program("tongban"), *words], capture_output=True, cwd=cwd, timeout=180,
                          env={**os.environ, "TONGBAN_DIR": str(cluster.a.dir), **options})


def says(done, status, id, *words):
    text = done.stderr.decode(errors="replace")
    assert done.returncode == status and f"({id})" in text, (done.returncode, text)
    for word in words:
        assert word in text, text


def refuses(reply, status, id, *words):
    assert (reply.status, reply.json()["id"]) == (status, id), (reply.status, reply.body)
    for word in words:
        assert word in reply.json()["message"], reply.body


# ---- the command line ------------------------------------------------------------------------------------------------

COMMANDS = {
    "ctl.arguments": (["status", *["x"] * 65], 2, "64"),
    "ctl.options": (["case", "submit", *["--form", "a=b"] * 129], 2, "128"),
    "ctl.option": (["catalog", "show", ORPHAN, "--version", "1"], 2, "--node"),
    "ctl.repeated-option": (["case", "list", "--item", "a", "--item", "b"], 2, "--item"),
    "ctl.receipt-form": (["receipt", "convert", "nothing", "--as", "pdf", "--policy", "nothing"], 2, "'pdf'"),
    "ctl.text": (["case", "note", "00000000", "--note", b"\xff"], 2, "UTF-8"),
    "ctl.file-format": (["catalog", "import", "items.txt"], 2, "items.txt"),
    "ctl.identity": (["identity", "check", "510104190507290020", "--type", "citizen_id"], 2, "证件号码"),
    "http.value": (["catalog", "status", ORPHAN, "停用"], 2, "停用"),
}


@pytest.mark.parametrize("id", COMMANDS)
def test_command(world, id):
    words, status, *said = COMMANDS[id]
    done = tongban(world, *words)
    says(done, status, id, *said)
    assert done.stdout == b"" or id == "ctl.identity", done.stdout


def test_output_that_cannot_be_written(world):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([world.program("tongban"), "help"], stdout=full, stderr=subprocess.PIPE)
    says(done, 6, "ctl.output")


def test_a_folder_without_a_name(world, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f'cd {gone} && rmdir {gone} && exec {world.program("tongban").resolve()} backup --out copy'
    says(subprocess.run(["sh", "-c", script], capture_output=True, env={**os.environ, "TONGBAN_DIR": str(world.a.dir)}), 6, "ctl.folder")


def test_programs_that_stand_alone(world, tmp_path):
    """Without the folder of divisions, without tongband, without the sample catalog beside it."""
    alone = shutil.copy(world.program("tongban"), tmp_path / "tongban")
    node = ["node", "init", "--dir", tmp_path / "n", "--region", A, "--name", "广东", "--federation-listen", "tls+tcp://127.0.0.1:1"]
    says(tongban(world, *node, program=alone), 3, "setup.data", "--data")
    says(tongban(world, "demo-peer", "--dir", tmp_path / "p", program=alone), 3, "demo.program", "tongband")
    shutil.copy(world.program("tongband"), tmp_path / "tongband")
    says(tongban(world, "demo-peer", "--dir", tmp_path / "p", program=alone), 3, "demo.catalog", "--catalog")


def test_a_folder_that_is_no_nodes(world, tmp_path):
    (tmp_path / "node.json").write_text("{}")
    (tmp_path / "copy.db").write_bytes(b"")
    says(tongban(world, "restore", "--dir", tmp_path, "--from", tmp_path / "copy.db"), 2, "setup.config", "node.json")


# ---- the office ------------------------------------------------------------------------------------------------------


@pytest.fixture
def office(world, tmp_path):
    return shutil.copytree(world.ca_dir, tmp_path / "ca")


def request_of(world, office, tmp_path, change):
    node = shutil.copytree(world.a.dir, tmp_path / "node", ignore=shutil.ignore_patterns("*.sock", "*.db*", "files"))
    change(node / "request.json")
    return tongban(world, "ca", "issue", "--dir", office, "--node", node)


def test_requests(world, office, tmp_path):
    says(request_of(world, office, tmp_path, lambda f: f.write_text("[]")), 2, "setup.request", "no JSON object")
    shutil.rmtree(tmp_path / "node")
    says(request_of(world, office, tmp_path, lambda f: f.write_text("{}")), 2, "setup.request", "missing or wrong")


@pytest.mark.parametrize("id, status", [("ca.request-key", 2), ("ca.request-signature", 7)])
def test_keys_of_a_request(world, office, tmp_path, id, status):
    """A key of another kind; a request that another key has signed."""
    command = ["openssl", "req", "-new", "-nodes", "-subj", "/CN=x", "-keyout", tmp_path / "k", "-newkey"]
    kind = ["rsa:2048"] if id == "ca.request-key" else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    made = subprocess.run([*command, *kind], capture_output=True, check=True).stdout.decode()
    if id == "ca.request-signature":
        head, *lines, tail = made.strip().splitlines()
        der = bytearray(base64.b64decode("".join(lines)))
        der[-1] ^= 1
        made = "\n".join([head, base64.b64encode(der).decode(), tail]) + "\n"
    says(request_of(world, office, tmp_path, lambda f: edit_json(f, lambda r: r.update(csr=made))), status, id)


def test_an_office_without_a_list(world, tmp_path):
    """A second CA certificate of the federation, as when the office gets a new key, needs its revocation list as well."""
    folder = shutil.copytree(world.a.dir, tmp_path / "n", ignore=shutil.ignore_patterns("*.sock", "*.db*", "files"))
    other = Cluster()
    try:
        with open(folder / "ca.crt", "ab") as f:
            f.write((other.ca_dir / "ca.pem").read_bytes())
    finally:
        other.close()
    done = subprocess.run([world.program("tongband"), "--config", folder / "node.json", "--check"], capture_output=True)
    says(done, 7, "trust.crl-missing", "certificate 2")


def test_revocations(world, office):
    revoke = ["ca", "revoke", "--dir", office]
    says(tongban(world, *revoke, "--serial", "abcd"), 3, "ca.no-such-serial", "abcd")
    says(tongban(world, *revoke, "--code", A, "--reason", "whim"), 2, "ca.reason", "whim", "key-compromise")
    index = (office / "issued").read_text()
    serial = next(line for line in index.splitlines() if A in line).split()[0]
    assert tongban(world, *revoke, "--serial", serial).returncode == 0
    says(tongban(world, *revoke, "--serial", serial), 4, "ca.revoked-before", serial)


def test_office_in_use_or_damaged(world, office, tmp_path):
    lock = next(office.glob("*lock*"))
    with open(lock) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        says(tongban(world, "ca", "revoke", "--dir", office, "--serial", "ab"), 8, "ca.busy", str(office))
    index = next(p for p in office.iterdir() if "issued" in p.name)
    good = index.read_text()
    index.write_text(good + "nonsense\n")
    says(tongban(world, "ca", "revoke", "--dir", office, "--serial", "ab"), 7, "ca.index", "malformed")
    index.write_text(good)
    other = Cluster(name="other.example")
    try:
        key = next(p for p in office.iterdir() if p.suffix == ".key" and "ca" in p.name)
        shutil.copy(other.ca_dir / key.name, key)
    finally:
        other.close()
    says(tongban(world, "ca", "revoke", "--dir", office, "--serial", "ab"), 7, "ca.key-mismatch", key.name)


@pytest.mark.parametrize("file, id", [("witness.key", "node.witness-key"), ("seal.key", "node.seal-key")])
def test_keys_of_another_node(world, tmp_path, file, id):
    folder = shutil.copytree(world.a.dir, tmp_path / "n", ignore=shutil.ignore_patterns("*.sock", "*.db*", "files"))
    shutil.copy(world.b.dir / file, folder / file)
    done = subprocess.run([world.program("tongband"), "--config", folder / "node.json", "--check"], capture_output=True)
    says(done, 7, id, file, A)


# ---- the API ---------------------------------------------------------------------------------------------------------


def test_cases(world):
    a, b, c = world.a, world.b, world.c
    items = json.loads((TREE / "catalog/data/sichuan.json").read_text())["items"]
    online = next(x["code"] for x in items if x.get("modes") == ["全程网办"])
    refuses(a.post("/v1/cases", application(online, mode="collect")), 400, "case.mode", online)
    case = submit(a)
    wait_status(case, "arrived", a, b)
    stranger = submit(a, serial=3)
    wait_status(stranger, "arrived", a, b)
    event = next(e for e in a.get(f"/v1/cases/{stranger}").json()["events"] if e["type"] == "submit")
    refuses(a.get(f"/v1/cases/{case}/events/{A}/{event['index']}/payload?purpose=x"), 404, "case.no-event", str(event["index"]))
    b.cli("case", "handover", case, "--lead", C, "--reason", "转办")
    wait_status(case, "arrived", a, b, c)
    act(a, case, "withdraw").ok()
    wait_status(case, "withdrawn", a, b, c)
    wait_for(lambda: b.get(f"/v1/cases/{case}").json()["level"] == "sequenced", what="the confirmation")
    refuses(b.post(f"/v1/cases/{case}/erase", {"basis": "unlawful"}), 403, "case.erase-node", A, C)


def test_files(world, tmp_path):
    a, b = world.a, world.b
    case = submit(a, serial=4)
    scan = tmp_path / "scan.pdf"
    scan.write_bytes(b"%PDF-1.4\n" + bytes(3000))
    a.cli("material", "add", case, str(scan))
    file, = a.get(f"/v1/cases/{case}/materials").ok().json()["materials"]
    content = f"/v1/cases/{case}/materials/{file['file']}/content?purpose=x"
    beyond = a.get(content, headers={"Range": "bytes=9000-"})
    refuses(beyond, 416, "http.range", "9000", str(scan.stat().st_size))
    assert beyond.headers["Content-Range"] == f"bytes */{scan.stat().st_size}"
    assert a.get(content, headers={"Range": "bytes=0-3"}).body == b"%PDF"
    upload = a.post(f"/v1/cases/{case}/materials", {"name": "a.pdf", "size": 9}).ok().json()["upload"]
    part = {"Content-Type": "application/partial-upload", "Upload-Offset": "0"}
    assert a.request("PATCH", f"/v1/uploads/{upload}", b"%PDF-1.4\n", part).status < 300
    more = a.request("PATCH", f"/v1/uploads/{upload}", b"x", {**part, "Upload-Offset": "9"})
    refuses(more, 409, "material.complete", "9")


def test_too_many_uploads(world):
    a = world.a
    case = submit(a, serial=5)
    begun = []
    try:
        for n in range(200):
            reply = a.post(f"/v1/cases/{case}/materials", {"name": f"{n}.pdf", "size": 1000 + n})
            if reply.status != 201:
                break
            begun.append(reply.json()["upload"])
        refuses(reply, 503, "material.uploads", "64")
        assert 60 < len(begun) <= 64 and reply.headers["Retry-After"] == "1"
    finally:
        for upload in begun:
            a.request("DELETE", f"/v1/uploads/{upload}")
    assert a.post(f"/v1/cases/{case}/materials", {"name": "again.pdf", "size": 7}).status == 201


def test_what_the_catalog_refuses(tmp_path):
    """One code at two nodes, and a material that the item takes on paper only."""
    with Cluster() as cluster:
        items = json.loads((TREE / "catalog/data/sichuan.json").read_text())
        orphan = next(x for x in items["items"] if x["code"] == ORPHAN)
        orphan["materials"] = [{"code": "M1", "name": "户口簿原件", "form": "paper", "necessity": "required", "source": "applicant"}]
        for region, name in ((A, "广东省"), (B, "四川省")):
            file = tmp_path / f"{region}.json"
            item = {**orphan, "code": "LOCAL0001", "division": int(region)}
            file.write_text(json.dumps({**items, "node": int(region), "items": [item]}, ensure_ascii=False))
            cluster.add_node(region, name, catalog=file, files=True)
        a, b = cluster.nodes
        cluster.start()
        wait_met(a, b)
        refuses(a.get(f"/v1/catalog/LOCAL0001"), 409, "catalog.several-nodes", "2", "LOCAL0001")
        assert a.get(f"/v1/catalog/{B}/LOCAL0001").status == 200
        case = a.post("/v1/cases", application("LOCAL0001", node=int(B))).ok().json()["case"]
        refuses(a.post(f"/v1/cases/{case}/materials", {"name": "a.pdf", "size": 9, "code": "M1"}), 409, "material.paper", "M1")


def test_one_bundle_at_two_nodes(world, tmp_path):
    for node, stem in ((world.a, "guangdong"), (world.b, "sichuan")):
        whole = json.loads((TREE / f"catalog/data/bundles-{stem}.json").read_text())
        whole["bundles"] = [{**whole["bundles"][0], "code": "SAME"}]
        file = tmp_path / f"{stem}.json"
        file.write_text(json.dumps(whole, ensure_ascii=False))
        node.cli("bundle", "import", str(file), "--publish")
    wait_for(lambda: world.c.get("/v1/bundles/SAME").status == 409, what="both to be known")
    refuses(world.c.get("/v1/bundles/SAME"), 409, "bundle.several-nodes", "2", "SAME")
    assert world.c.get(f"/v1/bundles/{B}/SAME").status == 200


def test_a_calendar_that_is_too_large(world):
    days = {f"2027-{m:02}-{d:02}": {"type": "holiday", "name": "长" * 90} for m in range(1, 13) for d in range(1, 29)}
    refuses(world.b.post("/v1/calendar", days), 413, "calendar.size")


def test_answers_that_leave_no_part(world, tmp_path):
    whole = json.loads((TREE / "catalog/data/bundles-sichuan.json").read_text())
    bundle = whole["bundles"][0]
    parts = [{k: v for k, v in m.items() if k != "after"} for m in bundle["members"] if m["code"] in ("YB", "SB")]
    whole["bundles"] = [{**bundle, "code": "NONE", "members": parts, "questions": bundle["questions"][:2], "materials": []}]
    (tmp_path / "b.json").write_text(json.dumps(whole, ensure_ascii=False))
    world.b.cli("bundle", "import", str(tmp_path / "b.json"), "--publish")
    wait_for(lambda: world.a.get("/v1/bundles/NONE").status == 200, what="the bundle")
    person = application()["applicant"]
    body = {"answers": {"insure": "否", "card": "否"}, "division": "510104", "applicant": person}
    refuses(world.a.post(f"/v1/bundles/{B}/NONE/cases", body), 413, "bundle.parts", "0", "32")


def test_an_upload_whose_state_is_damaged(world):
    a = world.a
    case = submit(a, serial=6)
    upload = a.post(f"/v1/cases/{case}/materials", {"name": "a.pdf", "size": 5000}).ok().json()["upload"]
    a.stop()
    states = [p for p in (a.dir / "files" / "upload").iterdir() if p.stat().st_size < 4096]
    for state in states:
        data = bytearray(state.read_bytes())
        data[len(data) // 2] ^= 1
        state.write_bytes(data)
    a.start()
    refuses(a.get(f"/v1/uploads/{upload}"), 500, "material.upload-corrupt")
    assert len(states) >= 1 and a.get("/healthz").status == 200, "the others are not harmed"
    assert a.post(f"/v1/cases/{case}/materials", {"name": "b.pdf", "size": 5001}).status == 201
