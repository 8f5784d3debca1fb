"""Backup while the node works, and restore: what is copied is one whole moment, what fails leaves nothing, and nothing erased comes
back with a backup that is older than its erasure."""
import os
import shutil
import sqlite3
import subprocess
import threading

import pytest

from cluster import CommandFailed, wait_for
from provinces import (
    act, assert_same_history, assert_whole, bring_to, citizen_number, hashes_of, start_provinces, stop_held, submit, view, wait_met,
    wait_status,
)
from test_erase import erase, found, keys_of, wait_erased

A, B, C = "440000", "510000", "330000"


def cli(cluster, node, *words, **options):
    return cluster.cli(*words, env={"TONGBAN_DIR": str(node.dir)}, **options)


def restore(cluster, node, file, *words, **options):
    return cluster.cli("restore", "--dir", node.dir, "--from", file, *words, **options)


def fails(status, id, run, *words, **options):
    with pytest.raises(CommandFailed) as failed:
        run(*words, **options)
    assert failed.value.status == status and f"({id})" in failed.value.stderr, failed.value
    return failed.value.stderr


def test_a_copy_under_load(cluster, tmp_path):
    """The window goes on while copies are made; each copy alone, in a folder of its own, is a whole ledger."""
    a, b = start_provinces(cluster, A, B)
    stop, taken = threading.Event(), []

    def load():
        serial = 2
        while not stop.is_set():
            taken.append(submit(a, serial=serial % 900 + 2))
            serial += 1

    window = threading.Thread(target=load)
    window.start()
    try:
        wait_for(lambda: len(taken) > 20, what="the load to run")
        copies = []
        for i in range(4):
            before = len(taken)
            file = tmp_path / f"copy{i}.db"
            done = cli(cluster, a, "backup", "--out", file)
            assert "own entries:" in done.stdout and str(file) in done.stdout
            copies.append((file, before))
            wait_for(lambda: len(taken) > before + 5, what="the load to go on")
        cli(cluster, a, "backup", "--out", tmp_path / "keys.db", "--keys")
    finally:
        stop.set()
        window.join()
    for file, before in copies:
        assert file.stat().st_mode & 0o777 == 0o600 and not list(tmp_path.glob(f"{file.name}-*"))
        folder = tmp_path / f"node-{file.stem}"
        shutil.copytree(a.dir, folder, ignore=shutil.ignore_patterns("*.db*", "*.sock"))
        shutil.copy(file, folder / "ledger.db")
        shutil.copy(tmp_path / "keys.db", folder / "keys.db")
        db = sqlite3.connect(f"file:{folder / 'ledger.db'}?mode=ro", uri=True)
        entries = db.execute("SELECT count(*) FROM entry WHERE id >= 1 << 60").fetchone()[0]
        cases = db.execute("SELECT count(*) FROM case_row").fetchone()[0]
        db.close()
        assert cases >= before and entries >= 4 * before
        program = [cluster.program("tongband"), "--config", folder / "node.json", "--verify"]
        done = subprocess.run(program, capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, done.stderr
        assert "all verified" in done.stdout and f"of {entries} entries was compared with no signature" in done.stdout
    assert_whole(a)


def test_backup_errors(cluster, tmp_path):
    a, b = start_provinces(cluster, A, B)
    run = lambda *words: cli(cluster, a, "backup", *words)
    (tmp_path / "there").write_text("mine")
    fails(4, "store.backup-exists", run, "--out", tmp_path / "there")
    assert (tmp_path / "there").read_text() == "mine"
    fails(3, "store.backup", run, "--out", tmp_path / "none" / "x")
    fails(2, "backup.path", run, "--out", a.dir / "copy.db")
    fails(2, "json.range", run, "--out", "/" + "x" * 600)
    fails(2, "ctl.missing-option", run)
    for body, id in (({"path": "relative"}, "backup.path"), ({}, "json.missing"), ({"path": "/x", "keys": "yes"}, "json.type")):
        reply = a.post("/v1/backup", body)
        assert (reply.status, reply.json()["id"]) == (400, id)
    relative = subprocess.run([cluster.program("tongban").resolve(), "backup", "--out", "copy.db"], cwd=tmp_path, capture_output=True, text=True,
                              check=True, env={**os.environ, "TONGBAN_DIR": str(a.dir)})
    made = [line.split()[-1] for line in relative.stdout.splitlines() if line.startswith("written")][0]
    assert made == str(tmp_path / "copy.db") and os.path.exists(made)


def test_a_full_disk_leaves_no_half_file(cluster, tmp_path):
    """The daemon may write no file larger than 256 KiB: the copy does not fit, and goes."""
    a, b = start_provinces(cluster, A, B)
    for serial in range(2, 12):
        submit(a, serial=serial, form={"text": "长" * 20000})
    a.stop()
    a.start()
    limit = 256 << 10
    subprocess.run(["prlimit", f"--pid={a.pid}", f"--fsize={limit}:unlimited"], check=True)
    assert (a.dir / "ledger.db").stat().st_size > limit
    out = tmp_path / "copy.db"
    stderr = fails(6, "store.io", cli, cluster, a, "backup", "--out", out)
    assert "SQLite" in stderr
    assert not list(tmp_path.glob("copy*"))
    subprocess.run(["prlimit", f"--pid={a.pid}", "--fsize=unlimited:unlimited"], check=True)
    a.expect_error("store.io")  # it may have had something of its own to write meanwhile
    wait_for(lambda: a.get("/v1/status").ok().json()["writer"] == "ok", what="the node to write again")
    cli(cluster, a, "backup", "--out", out)
    assert out.stat().st_size > limit
    assert_whole(a)


def test_restore(cluster, tmp_path):
    """Backup, more cases, restore: everything that was sent to anybody is there again; heads.db was not touched."""
    a, b, c = start_provinces(cluster, A, B, C)
    old = submit(a)
    bring_to(old, a, b, "accepted")
    cli(cluster, a, "backup", "--out", tmp_path / "ledger.db")
    later = submit(a, serial=3)
    bring_to(later, a, b, "closed_granted")
    hashes = hashes_of(a)
    stderr = fails(8, "store.locked", restore, cluster, a, tmp_path / "ledger.db")
    assert "stop that process first" in stderr
    stop_held(a, b)
    heads = {f.name: f.read_bytes() for f in a.dir.glob("heads.db*")}
    done = restore(cluster, a, tmp_path / "ledger.db")
    assert "own entries:" in done.stdout and "取回" in done.stdout
    done = [done] + [restore(cluster, a, tmp_path / "ledger.db") for _ in range(3)]  # within a second, too, none in place of another
    kept = {line.split()[-1] for x in done for line in x.stdout.splitlines() if line.startswith("replaced file")}
    assert len(kept) == 4 and all(map(os.path.exists, kept)) and not list(a.dir.glob("*.restoring*"))
    assert {f.name: f.read_bytes() for f in a.dir.glob("heads.db*")} == heads
    a.start(wait=False)
    wait_for(lambda: a.get("/healthz").status == 200, what="the entries to come back")
    assert_same_history(a, hashes)
    wait_status(later, "closed_granted", a, b)
    wait_met(a, b, c)
    assert_whole(a, b, c)
    a.expect_error("ledger.behind")


def test_restore_refuses(cluster, tmp_path):
    """What is no backup of this node's database changes nothing, also when the command is killed by a full disk."""
    a, b = start_provinces(cluster, A, B)
    case = submit(a)
    bring_to(case, a, b, "accepted")
    for node, name in ((a, "a.db"), (b, "b.db")):
        cli(cluster, node, "backup", "--out", tmp_path / name)
    cli(cluster, a, "backup", "--out", tmp_path / "keys.db", "--keys")
    shutil.copy(a.dir / "ledger.db", tmp_path / "raw.db")
    shutil.copy(a.dir / "ledger.db-wal", tmp_path / "raw.db-wal")
    a.stop()
    (tmp_path / "text").write_text("no database, and longer than a hundred bytes, which is what the header of one has at the least …")
    (tmp_path / "empty").write_bytes(b"")
    data = bytearray((tmp_path / "a.db").read_bytes())
    for at in range(9000, len(data), 4096):
        data[at : at + 64] = bytes(64)
    (tmp_path / "damaged.db").write_bytes(data)
    (tmp_path / "cut.db").write_bytes((tmp_path / "a.db").read_bytes()[:20000])
    before = {f.name: f.read_bytes() for f in a.dir.glob("*.db*")}
    run = lambda *words: restore(cluster, a, *words)
    for file, status, id in (("text", 2, "store.restore-file"), ("empty", 2, "store.restore-file"), ("none", 3, "store.restore"),
                             ("keys.db", 2, "store.restore-file"), ("raw.db", 2, "store.restore-file"),
                             ("b.db", 4, "store.other-node"), ("damaged.db", 7, "store.corrupt"), ("cut.db", 7, "store.corrupt")):
        fails(status, id, run, tmp_path / file)
        assert {f.name: f.read_bytes() for f in a.dir.glob("*.db*")} == before, file
    fails(2, "store.restore-file", run, tmp_path / "a.db", "--keys")
    fails(2, "ctl.missing-option", cluster.cli, "restore", "--dir", a.dir)
    fails(2, "ctl.missing-option", cluster.cli, "restore", "--from", tmp_path / "a.db")
    fails(3, "file.open", cluster.cli, "restore", "--dir", tmp_path, "--from", tmp_path / "a.db")
    command = ["prlimit", "--fsize=65536", cluster.program("tongban"), "restore", "--dir", a.dir, "--from", tmp_path / "a.db"]
    full = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert full.returncode == 6 and "(store.restore)" in full.stderr, full
    assert {f.name: f.read_bytes() for f in a.dir.glob("*.db*")} == before
    a.start()
    assert_whole(a, b)


def test_what_was_erased_does_not_come_back(cluster, tmp_path):
    """Backups of both databases from before the erasure: neither brings the content back."""
    a, b = start_provinces(cluster, A, B)
    case, kept = submit(a), submit(a, serial=3)
    for x in (case, kept):
        bring_to(x, a, b, "closed_granted")
    key = keys_of(a, case)[0]
    cli(cluster, a, "backup", "--out", tmp_path / "ledger.db")
    cli(cluster, a, "backup", "--out", tmp_path / "keys.db", "--keys")
    erase(a, case).ok()
    wait_erased(case, a, b)
    for what in (["keys.db"], ["ledger.db"], ["keys.db", "ledger.db"], ["ledger.db", "keys.db"]):
        stop_held(a, b)
        replaced = []
        for name in what:
            done = restore(cluster, a, tmp_path / name, *["--keys"] * (name == "keys.db"))
            replaced += [line.split()[-1] for line in done.stdout.splitlines() if line.startswith("replaced file")]
        for file in replaced:
            os.unlink(file)
        a.start(wait=False)
        wait_for(lambda: a.get("/healthz").status == 200, what=f"the node to be well again after {what}")
        wait_erased(case, a, b)
        wait_for(lambda: not found(a, key), what=f"the key to be gone again after {what}")
        assert keys_of(a, kept)
        first = view(a, case)["events"][0]
        gone = a.get(f"/v1/cases/{case}/events/{first['origin']}/{first['index']}/payload?purpose=test")
        assert (gone.status, gone.json()["id"]) == (404, "case.erased"), what
        assert not found(a, citizen_number().encode(), "李小满".encode())
        assert_whole(a, b)
    a.expect_error("ledger.behind")
