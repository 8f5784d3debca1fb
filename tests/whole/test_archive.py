"""归档: the package of an ended case: whole, proven by `tongban` without a node and by sha256sum; nothing half done."""
import hashlib
import io
import json
import os
import re
import shutil
import socket
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from cluster import CommandFailed, wait_for
from provinces import act, assert_whole, bring_to, start_provinces, submit, view, wait_status
from test_files import wait_whole
from test_idle import has_sanitizer
from test_path import Shell

A, B = "440000", "510000"


@pytest.fixture
def world(cluster, tmp_path):
    a, b = start_provinces(cluster, A, B, files=True)
    case = submit(a)
    scan = tmp_path / "申请表.pdf"
    scan.write_bytes(b"%PDF-1.4\n" + os.urandom(70_000))
    Shell(a).json("material", "add", case, str(scan), "--wait-peers")
    bring_to(case, a, b, "closed_granted")
    act(a, case, "deliver", channel="window", note="窗口已交").ok()
    wait_status(case, "delivered", a, b)
    return a, b, case, scan


def export(node, case, folder, **options):
    return Shell(node).json("case", "archive-export", case, str(folder), "--purpose", "归档", **options)


def verify(node, folder, *more):
    return Shell(node).json("case", "archive-verify", str(folder), *more)


def refused(id, run, *words):
    with pytest.raises(CommandFailed) as failed:
        run()
    for word in (f"({id})", *words):
        assert word in str(failed.value), failed.value


def test_a_package_is_whole_and_proves_itself(world, tmp_path):
    a, b, case, scan = world
    folder = tmp_path / "package"
    done = export(b, case, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    files = {f["path"] for f in manifest["files"]}
    assert done["files"] == str(len(files) + 1) and manifest["format"] == "tongban-archive/1"
    for type in ("submit", "accept", "decide", "deliver"):
        assert {f"documents/{type}.html", f"receipts/{type}.tlog-proof", f"receipts/{type}.policy"} <= files
    events = view(b, case)["events"]
    assert {f"entries/{e['origin']}-{e['index']}.leaf" for e in events} <= files
    material, = [p for p in files if p.startswith("materials/")]
    assert (folder / material).read_bytes() == scan.read_bytes()
    contents = "".join((folder / p).read_text() for p in sorted(files) if p.startswith("contents/"))
    assert "李小满" in contents and "窗口已交" in contents, "the archive has what was said, not a masked copy"
    meta = manifest["metadata"]
    assert (meta["projid"], meta["eventcode"]) == (view(b, case)["number"], view(b, case)["item_code"])
    assert (meta["applyname"], meta["resultcode"], meta["result"]) == ("李小满", "grant", "送达")
    assert meta["deptname"] == "四川省民政厅" and meta["retentionperiod"]
    assert any("归档" in line.text for line in b.wait_log("case.payload-read"))

    # judged by strangers: sha256sum, openssl, and tongban with no node at all
    done = subprocess.run(["sha256sum", "--quiet", "--strict", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    row = next(f for f in manifest["files"] if f["path"] == material)
    sm3 = subprocess.run(["openssl", "dgst", "-sm3", "-r", str(folder / material)], capture_output=True, text=True)
    assert sm3.stdout.split()[0] == row["sm3"] and hashlib.sha256(scan.read_bytes()).hexdigest() == row["sha256"]
    policy = tmp_path / "policy"
    policy.write_text(Shell(a).text("policy"))
    judged = verify(a, folder)
    assert (judged["files"], judged["entries"], judged["not_final"]) == (str(len(files)), str(len(events)), "0")
    assert int(judged["receipts"]) == len(manifest["receipts"]) >= 6 and "own policy" in judged["judged_by"]
    assert verify(a, folder, "--policy", str(policy))["judged_by"] == str(policy)

    # what was changed is named
    def damaged(id, change, *words):
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy)
        change(copy)
        refused(id, lambda: verify(a, copy), *words)

    def resealed(copy, path):
        """As somebody would who also makes manifest and sums anew."""
        m = json.loads((copy / "manifest.json").read_text())
        content = (copy / path).read_bytes()
        row = next(f for f in m["files"] if f["path"] == path)
        sm3 = subprocess.run(["openssl", "dgst", "-sm3", "-r", str(copy / path)], capture_output=True, text=True).stdout.split()[0]
        row.update(size=len(content), sha256=hashlib.sha256(content).hexdigest(), sm3=sm3)
        (copy / "manifest.json").write_text(json.dumps(m))
        text = (copy / "manifest.json").read_bytes()
        (copy / "SHA256SUMS").write_text(f"{hashlib.sha256(text).hexdigest()}  manifest.json\n")

    def flip(path, seal=False):
        def change(copy):
            data = bytearray((copy / path).read_bytes())
            data[len(data) // 2] ^= 1
            (copy / path).write_bytes(data)
            if seal:
                resealed(copy, path)
        return change

    entry = next(p for p in sorted(files) if p.startswith("entries/"))
    damaged("archive.changed", flip(material), material)
    damaged("archive.changed", lambda c: (c / "manifest.json").write_text((c / "manifest.json").read_text() + " "), "manifest.json")
    damaged("archive.extra", lambda c: (c / "materials" / "more").write_text("x"), "materials/more")
    damaged("archive.read", lambda c: (c / material).unlink(), material)
    damaged("archive.entry", flip(entry, seal=True), entry)
    damaged("archive.form", lambda c: (c / "manifest.json").write_text('{"format":"tongban-archive/9"}'), "tongban-archive/9")
    other = submit(a, serial=7)
    act(a, other, "withdraw").ok()
    wait_status(other, "withdrawn", a, b)
    export(a, other, tmp_path / "other")

    def swapped(copy):
        """A good receipt, of another case."""
        for end in ("tlog-proof", "policy"):
            shutil.copy(tmp_path / "other" / "receipts" / f"submit.{end}", copy / "receipts" / f"decide.{end}")
            resealed(copy, f"receipts/decide.{end}")

    for node in (a, b):
        node.stop()
    damaged("archive.receipt", swapped, "decide")
    with pytest.raises(CommandFailed, match="receipt of 'decide'"):
        copy = tmp_path / "copy"
        shutil.rmtree(copy)
        shutil.copytree(folder, copy)
        flip("receipts/decide.tlog-proof", seal=True)(copy)
        verify(a, copy)


def stream(node, case, **more):
    return node.get(f"/v1/cases/{case}/archive?purpose=%E5%BD%92%E6%A1%A3", **more)


def test_one_request_gives_the_same_package(world, tmp_path):
    """As a tar that any tar reads: the files of the command's folder, byte by byte but for the hour that they were made at."""
    a, b, case, _ = world
    folder = tmp_path / "package"
    export(b, case, folder)
    reply = stream(b, case)
    assert reply.status == 200 and reply.headers["Content-Type"] == "application/x-tar"
    assert f'filename="{case}.tar"' in reply.headers["Content-Disposition"]
    with tarfile.open(fileobj=io.BytesIO(reply.body)) as tar:
        assert all(m.isreg() and m.mode == 0o600 and (m.uid, m.gid) == (0, 0) for m in tar.getmembers())
        names = [m.name.removeprefix(f"{case}/") for m in tar.getmembers()]
        tar.extractall(tmp_path / "tar", filter="data")
    assert sorted(names) == sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    assert names[-2:] == ["manifest.json", "SHA256SUMS"]
    own = {"manifest.json", "SHA256SUMS"}
    differing = {n for n in names if (tmp_path / "tar" / case / n).read_bytes() != (folder / n).read_bytes()}
    # a receipt carries the newest checkpoint, and a document the code of it
    assert {n for n in differing - own if not n.startswith(("receipts/", "documents/"))} == set()
    meta = json.loads((folder / "manifest.json").read_text())["metadata"]
    now = time.time()
    assert all(now - 3600 < int(meta[k]) <= now + 60 for k in ("receivetime", "transacttime", "archivetime")), meta
    verify(b, tmp_path / "tar" / case)

    assert b.request("HEAD", f"/v1/cases/{case}/archive?purpose=x").status == 200
    for path, status, id in ((f"/v1/cases/{case}/archive", 400, "http.purpose"),
                             (f"/v1/cases/{case}/archive?purpose=x&form=zip", 400, "http.parameter"),
                             (f"/v1/cases/{'0' * 32}/archive?purpose=x", 404, "case.unknown")):
        refusal = b.get(path)
        assert (refusal.status, refusal.json()["id"]) == (status, id), refusal.body
    open_case = submit(a, serial=3)
    wait_status(open_case, "arrived", a, b)
    refusal = stream(a, open_case)
    assert (refusal.status, refusal.json()["id"]) == (409, "archive.open")
    assert_whole(a, b)


def test_memory_is_flat_and_who_leaves_is_let_go(world, tmp_path):
    a, b, case, _ = world
    scan = tmp_path / "扫描.pdf"
    with open(scan, "wb") as f:
        f.write(b"%PDF-1.4\n")
        for _ in range(96):
            f.write(os.urandom(1 << 20))
    earlier, case = case, submit(a, serial=4)
    added = Shell(a).json("material", "add", case, str(scan))
    act(a, case, "withdraw").ok()
    wait_status(case, "withdrawn", a, b)
    first, = a.get(f"/v1/cases/{earlier}/materials").ok().json()["materials"]
    for of, file in ((earlier, first["file"]), (case, added["file"])):
        wait_whole(of, file, b)  # a keeps a file open that it has given
    stream_size = scan.stat().st_size

    def rss():
        return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{a.pid}/status").read_text()).group(1)) << 10

    def fds():
        return len(os.listdir(f"/proc/{a.pid}/fd"))

    before, held = rss(), fds()
    most = before
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(a.dir / "api.sock"))
    sock.sendall(f"GET /v1/cases/{case}/archive?purpose=x HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    got, count = hashlib.sha256(), 0
    while count < stream_size:
        piece = sock.recv(1 << 20)
        assert piece, count
        count += len(piece)
        most = max(most, rss())
    sock.close()
    # freed memory stays in a sanitizer's quarantine
    assert has_sanitizer(a.cluster.program("tongband")) or most - before < 24 << 20, f"the daemon grew by {most - before} bytes over a file of {stream_size}"

    for _ in range(5):  # at the beginning, in the middle of the file
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(a.dir / "api.sock"))
        sock.sendall(f"GET /v1/cases/{case}/archive?purpose=x HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        sock.recv(4096)
        sock.close()
    wait_for(lambda: fds() <= held, what="the descriptors of clients that left to be closed")
    export(a, case, tmp_path / "whole")
    material, = (tmp_path / "whole" / "materials").iterdir()
    assert material.stat().st_size == stream_size
    verify(a, tmp_path / "whole")


def test_a_file_that_cannot_be_read_ends_the_stream(world, tmp_path):
    """Nobody takes a part for the whole, and the command says what was missing."""
    a, b, case, _ = world
    file = max((p for p in (a.dir / "files").rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(CommandFailed) as failed:
        export(a, case, tmp_path / "x")
    file_id = a.get(f"/v1/cases/{case}/materials").json()["materials"][0]["file"]
    assert f"'materials/{file_id}'" in failed.value.stderr and "(archive.cut)" in failed.value.stderr, failed.value
    assert a.wait_log("file.chunk-corrupt"), "and the log says why"
    assert not (tmp_path / "x").exists() and not list(tmp_path.glob("x.making*")), failed.value
    export(b, case, tmp_path / "there")


def test_what_cannot_be_archived_is_refused_by_name(world, cluster, tmp_path):
    a, b, case, _ = world
    open_case = submit(a, serial=3)
    wait_status(open_case, "arrived", a, b)
    refused("archive.open", lambda: export(a, open_case, tmp_path / "x"), open_case, "arrived")
    (tmp_path / "there").mkdir()
    refused("archive.exists", lambda: export(a, case, tmp_path / "there"), "there")
    refused("case.unknown", lambda: export(a, "0" * 32, tmp_path / "x"))
    refused("archive.write", lambda: export(a, case, tmp_path / "no" / "such" / "folder"))
    refused("ctl.missing-option", lambda: Shell(a).run("case", "archive-export", case, str(tmp_path / "x")), "--purpose")

    # a disk that is full in the middle: nothing is left
    tongban = Path(os.environ["TONGBAN_BIN"]) / "tongban"
    full = subprocess.run(
        ["bash", "-c", f"trap '' XFSZ; ulimit -f 40; exec {tongban} case archive-export {case} {tmp_path}/full --purpose 归档"],
        env={**os.environ, "TONGBAN_DIR": str(a.dir)}, capture_output=True, text=True)
    assert full.returncode != 0 and "archive.write" in full.stderr, full.stderr
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir() and p.name != "catalogs") == ["there"], "nothing half done"

    Shell(a).json("case", "erase", case, "--basis", "purpose_achieved")
    refused("archive.erased", lambda: export(a, case, tmp_path / "x"), case)
    assert not (tmp_path / "x").exists()
