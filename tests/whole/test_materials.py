"""Materials of cases at one node: chunked uploads that go on after a break and a kill -9, downloads with ranges, type and size
rules, duplicates, reuse, the scanner; nothing of their content on the disk in the open."""
import gzip
import hashlib
import json
import os
import random
import stat

import pytest

from cluster import CommandFailed, wait_for
from provinces import act, add_provinces, bring_to, start_provinces, submit, view, wait_met

A, B = "440000", "510000"
MIB = 1 << 20


def content_of(size, seed=1, head=b"%PDF-1.7\n"):
    """@size bytes that no two seeds share and that nothing can compress, which begin like a file of a type."""
    return head + random.Random(seed).randbytes(size - len(head))


def configure(node, **files):
    path = node.dir / "node.json"
    settings = json.loads(path.read_text())
    settings["files"] = {**settings.get("files", {}), **files}
    path.write_text(json.dumps(settings, ensure_ascii=False))


def begin(node, case, content, name="申请表.pdf", **fields):
    body = {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest(), **fields}
    return node.post(f"/v1/cases/{case}/materials", {k: v for k, v in body.items() if v is not None})


def patch(node, upload, offset, part):
    headers = {"Upload-Offset": str(offset), "Content-Type": "application/partial-upload"}
    return node.request("PATCH", f"/v1/uploads/{upload}", part, headers)


def send(node, upload, content, start=0, until=None):
    for at in range(start, until or len(content), MIB):
        assert patch(node, upload, at, content[at : at + MIB]).status == 204


def finish(node, upload):
    return node.post(f"/v1/uploads/{upload}/finish")


def add(node, case, content, **fields):
    """Uploads @content; the id of the file."""
    upload = begin(node, case, content, **fields).ok().json()["upload"]
    send(node, upload, content)
    return finish(node, upload).ok().json()["file"]


def materials(node, case):
    return node.get(f"/v1/cases/{case}/materials").ok().json()["materials"]


def fetch(node, case, file, range=None, purpose="check"):
    headers = {"Range": range} if range else None
    return node.request("GET", f"/v1/cases/{case}/materials/{file}/content?purpose={purpose}", headers=headers)


def stands_open(node, content):
    """Files of the node's folder in which any of 64 windows of @content stands as it is."""
    windows = [content[i : i + 48] for i in range(16, len(content) - 48, max(1, len(content) // 64))]
    found = []
    for f in [*node.dir.rglob("*"), node.log_path]:
        try:
            data = f.read_bytes() if f.is_file() else b""
        except FileNotFoundError:
            continue  # it was there for a moment only
        found += [f.name] if any(w in data for w in windows) else []
    return found


def scanner(folder, script):
    """A program that gets a file on its standard input."""
    path = folder / "scanner"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return [str(path)]


def test_upload_and_download(cluster):
    a, b = start_provinces(cluster, A, B)
    case = submit(a)
    content = content_of(3 * MIB + 12345)
    reply = begin(a, case, content, code="M01", trust="B").ok()
    upload = reply.json()["upload"]
    assert reply.status == 201 and reply.headers["Location"] == f"/v1/uploads/{upload}"
    assert reply.headers["Upload-Offset"] == "0" and reply.json()["chunk_size"] == MIB
    send(a, upload, content, until=2 * MIB)
    wrong = patch(a, upload, 0, content[:MIB])
    assert wrong.status == 409 and wrong.json()["id"] == "material.offset" and wrong.headers["Upload-Offset"] == str(2 * MIB)
    assert patch(a, upload, 2 * MIB, content[:5]).json()["id"] == "material.chunk-size"
    assert finish(a, upload).json()["id"] == "material.unfinished"
    head = a.request("HEAD", f"/v1/uploads/{upload}")
    assert head.status == 200 and head.headers["Upload-Offset"] == str(2 * MIB) and not head.body
    assert begin(a, case, content, code="M01", trust="B").ok().json()["offset"] == 2 * MIB, "known again by its hash"

    a.kill()
    a.start()
    assert a.get(f"/v1/uploads/{upload}").ok().json()["offset"] == 2 * MIB, "what was there is there"
    send(a, upload, content, start=2 * MIB)
    done = finish(a, upload).ok().json()
    assert done["count"] == 1 and not stands_open(a, content)
    [m] = materials(a, case)
    assert m["file"] == done["file"] and m["sha256"] == hashlib.sha256(content).hexdigest() and m["size"] == len(content)
    assert (m["name"], m["code"], m["type"], m["trust"], m["scan"]) == ("申请表.pdf", "M01", "pdf", "B", "off")
    event = [x for x in view(a, case)["events"] if x["type"] == "material"][0]
    assert event["attributes"]["file"] == m["file"] and event["effect"] == "ok"
    assert m["sha256"] not in json.dumps(event), "the hash is the content's: for participants who ask"

    whole = fetch(a, case, m["file"])
    assert whole.status == 200 and whole.body == content and whole.headers["Content-Type"] == "application/pdf"
    assert whole.headers["Content-Disposition"] == "attachment" and whole.headers["Accept-Ranges"] == "bytes"
    for text, first, last in [("bytes=0-0", 0, 0), (f"bytes={MIB - 3}-{MIB + 3}", MIB - 3, MIB + 3), ("bytes=-7", -7, None),
                              (f"bytes={2 * MIB}-", 2 * MIB, None), ("bytes=1000000-99999999", 1000000, None)]:
        part = fetch(a, case, m["file"], range=text)
        want = content[first:] if last is None else content[first : last + 1]
        assert part.status == 206 and part.body == want, text
        assert part.headers["Content-Range"].endswith(f"/{len(content)}")
    outside = fetch(a, case, m["file"], range=f"bytes={len(content)}-")
    assert outside.status == 416 and outside.headers["Content-Range"] == f"bytes */{len(content)}"
    for text in ("bytes=5-3", "bytes=1-2,4-5", "lines=1-2", "bytes=-"):
        assert fetch(a, case, m["file"], range=text).status == 200, text
    assert a.request("HEAD", f"/v1/cases/{case}/materials/{m['file']}/content?purpose=check").headers["Content-Length"] == \
        str(len(content))
    assert fetch(a, case, m["file"], purpose="").json()["id"] == "http.purpose"
    assert a.wait_log("material.read")
    a.stop()
    a.start()
    assert fetch(a, case, m["file"]).body == content, "after a restart"


def test_rules(cluster):
    a, b = start_provinces(cluster, A, B)
    case = submit(a)
    pdf = content_of(5000)
    for fields, id in [({"name": "a.exe"}, "material.type"), ({"name": "a.zip"}, "material.type"), ({"type": "zip"}, "material.type"),
                       ({"name": "a/b.pdf"}, "material.name"), ({"name": "a\u202efdp.exe"}, "material.name"),
                       ({"name": "a\u2066b.pdf"}, "material.name"), ({"name": "a\u2029.pdf"}, "material.name"), ({"name": ""}, "json.missing"), ({"size": 0}, "material.empty"),
                       ({"size": 2 * 1024 * MIB + 1}, "material.size"), ({"trust": "E"}, "material.trust-level"),
                       ({"type": "jpeg", "size": 257 * MIB}, "material.size"), ({"sha256": "12"}, "http.parameter"),
                       ({"extra": 1}, "json.unknown-field")]:  # fmt: skip
        reply = begin(a, case, pdf, **fields)
        assert reply.status >= 400 and reply.json()["id"] == id, (fields, reply)
    assert begin(a, "00" * 16, pdf).json()["id"] == "case.unknown"

    for name, content in [("a.pdf", b"MZ" + pdf), ("a.png", pdf), ("a.docx", pdf), ("a.jpg", b"\xff\xd9" + pdf)]:
        upload = begin(a, case, content, name=name).ok().json()["upload"]
        assert patch(a, upload, 0, content).json()["id"] == "file.type-content", name
    archive = b"PK\3\4" + content_of(2 * MIB, head=b"")
    upload = begin(a, case, archive, name="a.docx").ok().json()["upload"]
    send(a, upload, archive)
    assert finish(a, upload).json()["id"] == "file.type-content", "a ZIP archive is no docx by its name"
    assert a.get(f"/v1/uploads/{upload}").status == 404
    document = archive[: MIB - 8] + b"word/document.xml" + archive[MIB - 8 :]  # across two chunks
    add(a, case, document, name="a.docx")

    lying = content_of(3000, seed=2)
    upload = begin(a, case, lying, sha256=hashlib.sha256(b"other").hexdigest()).ok().json()["upload"]
    send(a, upload, lying)
    assert finish(a, upload).json()["id"] == "material.sha256" and a.get(f"/v1/uploads/{upload}").status == 404

    upload = begin(a, case, pdf).ok().json()["upload"]
    assert a.request("PATCH", f"/v1/uploads/{upload}", pdf, {"Upload-Offset": "0"}).json()["id"] == "http.media-type"
    part = {"Content-Type": "application/partial-upload"}
    assert a.request("PATCH", f"/v1/uploads/{upload}", pdf, part).json()["id"] == "http.upload-offset"
    assert a.request("PUT", f"/v1/uploads/{upload}", pdf).headers["Allow"] == "GET, HEAD, PATCH, DELETE"
    assert a.request("DELETE", f"/v1/uploads/{upload}").status == 204 and a.get(f"/v1/uploads/{upload}").status == 404
    assert a.request("DELETE", f"/v1/uploads/{upload}").json()["id"] == "material.no-upload"
    assert a.get("/v1/uploads/xyz").json()["id"] == "http.parameter"
    assert len(materials(a, case)) == 1
    assert not [x for x in (a.dir / "files" / "upload").iterdir() if x.name.startswith(upload)]


def test_duplicates_and_reuse(cluster):
    a, b = start_provinces(cluster, A, B)
    one, two = submit(a), submit(a, serial=3)
    content = content_of(MIB + 77)
    file = add(a, one, content, code="M02", trust="A")
    again = begin(a, one, content).ok()
    assert again.status == 200 and again.json() | {"duplicate": True, "file": file, "upload": None} == again.json()
    unsaid = begin(a, one, content, sha256=None).ok().json()["upload"]
    send(a, unsaid, content)
    same = finish(a, unsaid).ok().json()
    assert same["file"] == file and same["replayed"] and same["warnings"], "found at the end, too"
    assert len(materials(a, one)) == 1

    reuse = lambda **fields: a.post(f"/v1/cases/{two}/materials/reuse", {"from_case": one, "file": file, **fields})
    assert reuse().status == 400 and reuse(consent="").json()["id"] == "json.missing"
    assert reuse(consent="x", file="0" * 64).json()["id"] == "material.unknown"
    assert reuse(consent="申请人当面同意").ok().json()["file"] == file
    [m] = materials(a, two)
    assert m["consent"] == "申请人当面同意" and m["trust"] == "A" and m["code"] == "M02"
    assert fetch(a, two, file).body == content
    assert len([x for x in (a.dir / "files").iterdir() if x.is_file()]) == 1, "one copy for both"
    other = add(a, two, content_of(500, seed=3))
    assert other != file

    bring_to(one, a, b, "closed_granted")
    a.post(f"/v1/cases/{one}/erase", {"basis": "retention_expired"}).ok()
    assert fetch(a, one, file).status == 404 and fetch(a, two, file).body == content, "the other case still has it"
    bring_to(two, a, b, "closed_granted")
    a.post(f"/v1/cases/{two}/erase", {"basis": "retention_expired"}).ok()
    wait_for(lambda: not [x for x in (a.dir / "files").iterdir() if x.is_file()], what="the file to go with the last case")
    assert fetch(a, two, file).status == 404
    a.post("/v1/ledger/verify").ok()


def test_scanner(cluster, tmp_path):
    a, b = start_provinces(cluster, A, B)
    case = submit(a)
    seen = tmp_path / "seen"
    clean, bad = content_of(2 * MIB + 5), content_of(2 * MIB + 6, seed=2)
    marks = {"clean": (f"sha256sum > {seen}; exit 0", "clean"), "late": ("exit 0", "clean"), "fails": ("exit 2", "unknown"),
             "dies": ("kill -9 $$", "unknown")}  # fmt: skip
    for name, (script, want) in marks.items():
        a.stop()
        configure(a, scanner=scanner(tmp_path, script))
        a.start()
        add(a, case, clean + name.encode(), name=f"{name}.pdf")
        [m] = [x for x in materials(a, case) if x["name"] == f"{name}.pdf"]
        assert m["scan"] == want, name
    assert seen.read_text().split()[0] == hashlib.sha256(clean + b"clean").hexdigest(), "all of it, on standard input"

    a.expect_error("material.infected")  # those of "fails" and "dies" are scanned again
    for script in ("cat > /dev/null; exit 1", "exit 1"):
        a.stop()
        configure(a, scanner=scanner(tmp_path, script))
        a.start()
        upload = begin(a, case, bad).ok().json()["upload"]
        send(a, upload, bad)
        assert finish(a, upload).json()["id"] == "material.infected"
        assert a.get(f"/v1/uploads/{upload}").status == 404 and len(materials(a, case)) == len(marks)
    a.stop()
    configure(a, scanner=scanner(tmp_path, "sleep 3600"), scanner_s=1)
    a.start()
    add(a, case, bad)
    assert materials(a, case)[-1]["scan"] == "unknown" and a.wait_log("material.scan")
    a.stop()
    configure(a, scanner=[str(tmp_path / "absent")])
    a.start()
    add(a, case, content_of(100, seed=9))
    assert materials(a, case)[-1]["scan"] == "unknown"


def test_command_line(cluster, tmp_path):
    a, b = start_provinces(cluster, A, B)
    case, other = submit(a), submit(a, serial=3)
    file, out = tmp_path / "住址证明.pdf", tmp_path / "out.pdf"
    file.write_bytes(content_of(2 * MIB + 99))
    added = a.cli("material", "add", case, file, "--code", "M07", "--trust", "B")
    assert a.cli("material", "add", case, file)["duplicate"]
    [m] = a.cli("material", "list", case)["materials"]
    assert m["file"] == added["file"] and m["name"] == file.name
    text = cluster.cli("material", "list", case, "--dir", a.dir).stdout
    assert file.name in text and "440000 whole" in text
    a.cli("material", "get", case, m["file"][:12], "--output", out, "--purpose", "check")
    assert out.read_bytes() == file.read_bytes()
    part = tmp_path / "again.pdf.part"
    part.write_bytes(file.read_bytes()[: MIB + 3])
    a.cli("material", "get", case, m["file"], "--output", tmp_path / "again.pdf", "--purpose", "check")
    assert (tmp_path / "again.pdf").read_bytes() == file.read_bytes() and not part.exists()
    part.write_bytes(b"x" * (MIB + 3))
    with pytest.raises(CommandFailed) as wrong:
        a.cli("material", "get", case, m["file"], "--output", tmp_path / "third.pdf.part"[:-5], "--purpose", "x" * 200)
    assert "http.purpose" in wrong.value.stderr
    os.rename(part, tmp_path / "fourth.pdf.part")
    with pytest.raises(CommandFailed) as wrong:
        a.cli("material", "get", case, m["file"], "--output", tmp_path / "fourth.pdf", "--purpose", "check")
    assert "material.sha256" in wrong.value.stderr and not (tmp_path / "fourth.pdf").exists()
    assert a.cli("material", "reuse", other, m["file"][:8], "--from", case, "--consent", "当面同意")["file"] == m["file"]
    big = content_of(2 * MIB, seed=5)
    upload = begin(a, case, big).ok().json()["upload"]
    send(a, upload, big, until=MIB)
    assert a.cli("material", "upload", upload)["offset"] == MIB
    (tmp_path / "申请表.pdf").write_bytes(big)
    assert a.cli("material", "add", case, tmp_path / "申请表.pdf")["count"] == 1, "goes on"
    upload = begin(a, case, content_of(100, seed=6)).ok().json()["upload"]
    assert a.cli("material", "drop", upload) == {"dropped": upload}
    errors = {
        "ctl.output-file": ["material", "get", case, m["file"], "--output", out, "--purpose", "x"],
        "ctl.file-id": ["material", "get", case, "12", "--output", tmp_path / "x", "--purpose", "x"],
        "material.unknown": ["material", "get", case, "0" * 64, "--output", tmp_path / "x", "--purpose", "x"],
        "ctl.input": ["material", "add", case, tmp_path / "absent.pdf"],
        "material.type": ["material", "add", case, file, "--type", "exe"],
        "material.no-upload": ["material", "upload", "0" * 32],
        "json.missing": ["material", "reuse", other, m["file"], "--from", case, "--consent", ""],
    }
    for id, arguments in errors.items():
        with pytest.raises(CommandFailed) as wrong:
            a.cli(*arguments)
        assert f"({id})" in wrong.value.stderr, wrong.value.stderr


def test_one_case_does_not_fill_the_disk(cluster):
    """Named limits of one case, for new files and for those used again; other cases go on."""
    a, b = add_provinces(cluster, A, B)
    configure(a, case_files=2, case_mib=3)
    cluster.start()
    wait_met(a, b)
    case, other = submit(a), submit(a, serial=3)
    first = content_of(MIB)
    file = add(a, case, first)
    late = begin(a, case, content_of(MIB, 7)).ok().json()["upload"]  # begun while there was room
    reply = begin(a, case, content_of(2 * MIB + 1, 2))
    assert (reply.status, reply.json()["id"]) == (413, "material.case-bytes") and "files.case_mib" in reply.json()["message"]
    add(a, case, content_of(MIB, 3))
    assert begin(a, case, first).ok().json()["duplicate"], "what is there needs no room"
    reply = begin(a, case, content_of(1000, 4))
    assert (reply.status, reply.json()["id"]) == (413, "material.case-files") and "files.case_files is 2" in reply.json()["message"]
    send(a, late, content_of(MIB, 7))
    reply = finish(a, late)
    assert (reply.status, reply.json()["id"]) == (413, "material.case-files"), "who was slower"
    third = add(a, other, content_of(MIB, 5))
    reply = a.post(f"/v1/cases/{case}/materials/reuse", {"from_case": other, "file": third, "consent": "当面同意"})
    assert (reply.status, reply.json()["id"]) == (413, "material.case-files")
    assert {m["file"] for m in materials(a, case)} >= {file} and len(materials(a, case)) == 2


def test_bodies_come_as_they_are(cluster):
    a, b = start_provinces(cluster, A, B)
    case, content = submit(a), content_of(5000)
    upload = begin(a, case, content).ok().json()["upload"]
    headers = {"Upload-Offset": "0", "Content-Type": "application/partial-upload", "Content-Encoding": "gzip"}
    reply = a.request("PATCH", f"/v1/uploads/{upload}", gzip.compress(content), headers)
    assert (reply.status, reply.json()["id"]) == (415, "http.content-encoding") and "gzip" in reply.json()["message"]
    headers["Content-Encoding"] = "identity"
    assert a.request("PATCH", f"/v1/uploads/{upload}", content, headers).status == 204
