"""归档: the package of an ended case: whole, proven by `tongban` without a node and by sha256sum; nothing half done."""
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from cluster import CommandFailed
from provinces import act, bring_to, start_provinces, submit, view, wait_status
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
    for node in (a, b):
        node.stop()
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
    with pytest.raises(CommandFailed, match="receipt of 'decide'"):
        copy = tmp_path / "copy"
        shutil.rmtree(copy)
        shutil.copytree(folder, copy)
        flip("receipts/decide.tlog-proof", seal=True)(copy)
        verify(a, copy)


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
