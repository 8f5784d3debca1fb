"""A province loses its database and puts a backup in its place, while the others work: it gets the rest back from them."""
from cluster import wait_for
from provinces5 import finish, five_provinces, start_load


def test_restore_from_backup(federation):
    desk, windows = five_provinces(federation, windows=3)
    load = start_load(federation, desk, windows)
    lost = windows[0]
    backups = lost.dir / "backups"
    backups.mkdir()
    lost.own_files()
    federation.say(f"backup of {lost.region}")
    lost.execute("tongban", "backup", "--out", "/var/lib/tongban/backups/ledger.db")
    lost.execute("tongban", "backup", "--keys", "--out", "/var/lib/tongban/backups/keys.db")
    assert load.wait_answers(10, 60, node=lost)
    federation.say(f"{lost.region} loses its database")
    lost.kill()
    for name in ("ledger.db", "keys.db"):
        for file in lost.dir.glob(f"{name}*"):
            file.unlink()
    assert load.wait_answers(10, 60, node=windows[1]), "the others go on"
    federation.cli("restore", "--dir", lost.dir, "--from", backups / "ledger.db")
    federation.cli("restore", "--dir", lost.dir, "--keys", "--from", backups / "keys.db")
    federation.say(f"{lost.region} starts from the backup")
    lost.start()
    wait_for(lambda: lost.get("/v1/status").ok().json()["writer"] == "ok", 60, what="its entries to come back")
    finish(federation, load, [desk, *windows])
