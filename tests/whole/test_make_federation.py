"""docker/make-federation, the set-up of docker/compose.yml, which runs again at each `up`: also after one that was killed."""
import os
import subprocess

import pytest
from cluster import TREE

NODES = ["510000=sichuan=四川省=sichuan.json", "440000=guangdong=广东省"]
# Does what tongban does, but for the last file that it writes, and then is killed, at the call whose words begin with $KILLED.
STAND_IN = """#!/bin/sh
"$TONGBAN_BIN/tongban" "$@" || exit
case "$*" in "$KILLED "*) rm -f $ROOT/*/$LAST; kill -9 $PPID ;; esac
"""


@pytest.fixture
def set_up(tmp_path):
    """Runs it, in a folder of its own; its exit status and what it printed."""
    root = tmp_path / "federation"
    for name in ("ca", "510000", "440000"):  # volumes
        (root / name).mkdir(parents=True)
    text = (TREE / "docker/make-federation").read_text()
    for old, new in (("root=/federation share=/usr/local/share/tongban", f"root={root} share={TREE}/catalog/data"), ("chown -R", "true")):
        assert old in text
        text = text.replace(old, new)
    script = tmp_path / "make-federation"
    script.write_text(text)
    tongban = tmp_path / "bin/tongban"
    tongban.parent.mkdir()
    tongban.write_text(STAND_IN)
    tongban.chmod(0o755)

    def run(killed="never", last=""):
        env = {**os.environ, "PATH": f"{tongban.parent}:{os.environ['PATH']}", "ROOT": str(root), "KILLED": killed, "LAST": last}
        done = subprocess.run(["sh", script, "tongban.example", *NODES], env=env, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout + done.stderr

    run.root = root
    return run


def files(root):
    return {path: path.read_bytes() for path in root.glob("*/*") if path.suffix in (".key", ".crt", ".pub", ".json")}


def test_what_is_there_stays(set_up):
    status, said = set_up()
    assert status == 0 and said.count("made ") == 2, said
    before = files(set_up.root)
    status, said = set_up()
    assert status == 0 and "made " not in said, said
    assert before == files(set_up.root) and len(before) > 10


@pytest.mark.parametrize(
    "killed, last",
    [("ca init", "federation.pub"), ("ca init", "*"), ("node init", "node.json"), ("ca issue", "tls.crt"), ("ca issue", "members.note")],
)
def test_one_that_was_killed(set_up, killed, last):
    status, said = set_up(killed, last)
    assert status == -9, said
    status, said = set_up()
    assert status == 0 and said.count("made ") == 2, said
    assert {p.parent.name for p in files(set_up.root) if p.name in ("tls.crt", "node.json")} == {"510000", "440000"}
    for place in ("ca", "510000", "440000"):
        note = (set_up.root / place / "members.note").read_text()
        assert "\n510000 四川省 " in note and "\n440000 广东省 " in note, f"{place}: {note}"
