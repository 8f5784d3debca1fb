"""Files of other nodes before this node's own scanner: nothing of them is given out until it has spoken; what it says stays, over
restarts, kill -9, late keys and erasures; a scanner that comes later looks at what is there, one file at a time, in bounded memory."""
import hashlib
import json

import pytest

from cluster import CommandFailed, wait_for
from provinces import add_provinces, application, bring_to, start_provinces, submit, wait_met, wait_status
from test_files import assert_bounded, quiet, rss, wait_whole
from test_materials import MIB, add, configure, content_of, fetch, materials, scanner

A, B, C = "440000", "510000", "330000"
BIG = 112 * MIB + 321


class Scanner:
    """A scanner that this test rules. What it reads, and how many run at once, is written down."""

    def __init__(self, folder):
        self.folder = folder
        self.hold(False)
        self.says("0")
        self.command = scanner(folder, f"""cd {folder}
mkdir running || echo >> twice
sha256sum | cut -c1-64 > last
cat last >> seen
while [ -e hold ]; do sleep 0.05; done
rmdir running
if grep -q "$(cat last)" bad 2> /dev/null; then exit 1; fi
case $(cat verdict) in
hang) sleep 3600 ;;
crash) kill -SEGV $$ ;;
*) exit $(cat verdict) ;;
esac""")

    def hold(self, on):
        path = self.folder / "hold"
        path.touch() if on else path.unlink(missing_ok=True)

    def says(self, verdict):
        (self.folder / "verdict").write_text(verdict)

    def order(self):
        """The hashes of what it read, the first one first."""
        path = self.folder / "seen"
        return path.read_text().split() if path.exists() else []

    def seen(self, content):
        return self.order().count(hashlib.sha256(content).hexdigest())

    def bad(self, content):
        (self.folder / "bad").write_text(hashlib.sha256(content).hexdigest())


def reconfigure(node, **files):
    node.stop()
    configure(node, **files)
    node.start()


def start_with_scanner(cluster, tmp_path, *regions, **files):
    """Nodes of which the second one has a scanner."""
    nodes = add_provinces(cluster, *regions, files=True)
    s = Scanner(tmp_path)
    configure(nodes[1], scanner=s.command, **files)
    cluster.start()
    wait_met(*nodes)
    return s, *nodes


def own_scan(node, case, file):
    for m in materials(node, case):
        if m["file"] == file:
            return [h.get("scan") for h in m["holders"] if h["node"] == int(node.region)][0]
    return None


def wait_scan(node, case, file, want, seconds=120):
    wait_for(lambda: own_scan(node, case, file) == want, seconds, f"{node}'s scanner to say {want}")


def case_of(a, b, serial=2):
    case = submit(a, serial=serial)
    wait_status(case, "arrived", a, b)
    return case


def case_with(a, c, serial=4):
    """A case that @c decides."""
    item = c.get(f"/v1/catalog?node={c.region}").ok().json()["items"][0]["code"]
    body = application(item, serial, node=int(c.region), division="330100", mode=None)
    case = a.post("/v1/cases", body).ok().json()["case"]
    wait_status(case, "arrived", a, c)
    return case


def refused(reply, status, id):
    assert (reply.status, reply.json()["id"]) == (status, id), reply


def reuse(node, case, from_case, file):
    return node.post(f"/v1/cases/{case}/materials/reuse", {"from_case": from_case, "file": file, "consent": "当面同意"})


def test_what_the_own_scanner_says(cluster, tmp_path):
    s, a, b, c = start_with_scanner(cluster, tmp_path, A, B, C)
    case, other = case_of(a, b), case_with(b, c, serial=5)
    content = content_of(2 * MIB + 5)
    s.hold(True)
    file = add(a, case, content, name="住址证明.pdf")
    wait_whole(case, file, b)
    wait_for(lambda: s.seen(content), what="the scanner to read it")
    assert own_scan(b, case, file) == "pending" and b.metric("tongban_files_to_scan") == 1
    refused(fetch(b, case, file), 503, "material.not-scanned")
    refused(reuse(b, other, case, file), 503, "material.not-scanned")
    assert "pending" in cluster.cli("material", "list", case, "--dir", b.dir).stdout
    with pytest.raises(CommandFailed) as wrong:
        b.cli("material", "get", case, file, "--output", tmp_path / "x", "--purpose", "check")
    assert wrong.value.status == 8 and "material.not-scanned" in wrong.value.stderr
    assert own_scan(a, case, file) == "off" and fetch(a, case, file).body == content, "a has none"
    version = b.get(f"/v1/cases/{case}").ok().json()["version"]
    s.hold(False)
    wait_scan(b, case, file, "clean")
    assert b.get(f"/v1/cases/{case}").ok().json()["version"] == version, "no event says it"
    assert fetch(b, case, file).body == content and s.seen(content) == 1
    assert [m["scan"] for m in materials(b, case)] == ["off"], "what a says is a's"
    assert reuse(b, other, case, file).ok()
    wait_whole(other, file, c)
    assert [m["scan"] for m in materials(c, other)] == ["clean"], "b says what its own scanner says"
    wait_scan(c, other, file, "off")  # its own row comes a moment after the last chunk
    assert fetch(c, other, file).body == content

    for verdict, seed in (("crash", 2), ("9", 3)):
        s.says(verdict)
        file = add(a, case, content_of(MIB, seed))
        wait_scan(b, case, file, "unknown")
        assert fetch(b, case, file).body == content_of(MIB, seed), "given out with that mark, as an upload is"
    wait_for(lambda: b.metric("tongban_files_unjudged_total") == 2, what="both to be told")
    assert len(b.log_lines("material.scan")) == 2
    assert b.metric("tongban_files_scanned_total") == 3 and b.metric("tongban_files_to_scan") == 0


def test_infected(cluster, tmp_path):
    s, a, b, c = start_with_scanner(cluster, tmp_path, A, B, C)
    case, other, third = case_of(a, b), case_with(b, c, serial=5), case_with(a, c, serial=6)
    content = content_of(MIB + 9)
    s.says("1")
    b.expect_error("material.infected")
    file = add(a, case, content, name="李小满的身份证.pdf")
    wait_scan(b, case, file, "infected")
    refused(fetch(b, case, file), 403, "material.infected")
    refused(reuse(b, other, case, file), 403, "material.infected")
    assert "(infected)" in cluster.cli("material", "list", case, "--dir", b.dir).stdout
    wait_for(lambda: b.metric("tongban_files_infected_total") == 1, what="it to be told")
    [alarm] = [x for x in b.get("/v1/alarms").ok().json()["alarms"] if x["id"] == "material.infected"]
    assert alarm["about"] == int(A) and file[:16] in alarm["text"] and "李小满" not in b.log_text()
    wait_whole(case, file, b, a)  # a has heard that b has it: that note does not take the word back
    assert fetch(a, case, file).body == content and reuse(a, third, case, file).ok(), "a has no scanner"
    wait_whole(third, file, c)
    assert fetch(c, third, file).body == content
    for settings in ({}, {"scanner": []}):  # a finding stays, with the scanner and without
        b.stop()
        if settings:
            path = b.dir / "node.json"
            whole = json.loads(path.read_text())
            del whole["files"]["scanner"]
            path.write_text(json.dumps(whole, ensure_ascii=False))
        b.start()
        assert own_scan(b, case, file) == "infected"
        refused(fetch(b, case, file), 403, "material.infected")
    assert s.seen(content) == 1
    for node in (a, b):
        node.post("/v1/ledger/verify").ok()


def test_a_scanner_that_hangs(cluster, tmp_path):
    s, a, b = start_with_scanner(cluster, tmp_path, A, B, scanner_s=1)
    case = case_of(a, b)
    s.says("hang")
    content = content_of(MIB)
    file = add(a, case, content)
    wait_scan(b, case, file, "unknown")
    assert "did not end in time" in b.wait_log("material.scan")[0].text and fetch(b, case, file).body == content
    s.says("0")
    reconfigure(b, scanner_s=60)  # what could not be judged is tried again
    wait_scan(b, case, file, "clean")
    assert s.seen(content) >= 1, "on a slow machine the first one was ended before it had read all"


def test_an_own_upload_that_could_not_be_judged(cluster, tmp_path):
    s, a, b = start_with_scanner(cluster, tmp_path, A, B)
    case, content = case_of(a, b), content_of(MIB)
    s.says("9")
    file = add(b, case, content, name="证照.pdf")
    assert own_scan(b, case, file) == "unknown" and fetch(b, case, file).body == content
    s.says("0")
    b.stop()
    b.start()
    wait_scan(b, case, file, "clean")
    assert s.seen(content) == 2 and [m["scan"] for m in materials(b, case)] == ["unknown"], "the event says what was said then"


def test_what_cannot_be_read(cluster, tmp_path):
    """It is told once, held up by nobody and holds up nobody; an archive package goes without it."""
    a, b = start_provinces(cluster, A, B, files=True)
    case = case_of(a, b)
    contents = [content_of(MIB + seed, seed=seed) for seed in (2, 3)]
    broken, good = files = [add(a, case, x) for x in contents]
    for file in files:
        wait_whole(case, file, b, b)
    s = Scanner(tmp_path)
    b.stop()
    path = b.dir / "files" / broken
    sealed = bytearray(path.read_bytes())
    sealed[-1000] ^= 1
    path.write_bytes(sealed)
    configure(b, scanner=s.command)
    b.start()
    wait_scan(b, case, good, "clean")
    wait_scan(b, case, broken, "unreadable")
    for _ in range(3):
        refused(fetch(b, case, broken), 422, "material.unreadable")
    late = content_of(5000, seed=4)
    wait_scan(b, case, add(a, case, late), "clean")
    told = [x for x in b.log_lines() if "cannot be scanned" in x.text]
    assert len(told) == 1 and broken[:16] in told[0].text, told
    assert told[0].text.split(": ", 1)[1] in fetch(b, case, broken).json()["message"], "the reason is in the answer"
    assert own_scan(b, case, broken) == "unreadable" and b.metric("tongban_files_to_scan") == 0
    bring_to(case, a, b, "closed_granted")
    b.cli("case", "archive-export", case, tmp_path / "package", "--purpose", "check")
    manifest = json.loads((tmp_path / "package" / "manifest.json").read_text())
    assert manifest["withheld"] == [{"path": f"materials/{broken}", "reason": "unreadable"}]
    b.stop()
    sealed[-1000] ^= 1
    path.write_bytes(sealed)
    b.start()
    wait_scan(b, case, broken, "clean")
    assert fetch(b, case, broken).body == contents[0]


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_scan_that_is_cut_off(cluster, tmp_path, how):
    s, a, b = start_with_scanner(cluster, tmp_path, A, B)
    case, content = case_of(a, b), content_of(MIB)
    s.hold(True)
    file = add(a, case, content)
    wait_for(lambda: s.seen(content), what="the scanner to read it")
    wait_whole(case, file, b)
    getattr(b, how)()
    (tmp_path / "running").rmdir() if (tmp_path / "running").exists() else None
    b.start()
    wait_for(lambda: s.seen(content) == 2, what="the scanner to read it again")
    assert own_scan(b, case, file) == "pending"
    refused(fetch(b, case, file), 503, "material.not-scanned")
    s.hold(False)
    wait_scan(b, case, file, "clean")
    assert fetch(b, case, file).body == content


def test_a_scanner_comes_later(cluster, tmp_path):
    """It looks at everything that was never scanned, own files too, one after the other; those that are asked for come first."""
    a, b = start_provinces(cluster, A, B, files=True)
    case = case_of(a, b)
    contents = [content_of(200_000, seed) for seed in range(10, 18)]
    files = [add(a, case, x) for x in contents]
    own = add(b, case, content_of(5000, seed=2), name="证照.pdf")
    for file in files:
        wait_whole(case, file, b, a)
    assert own_scan(b, case, files[0]) == "off" and fetch(b, case, files[0]).body == contents[0]
    s = Scanner(tmp_path)
    s.hold(True)
    s.bad(contents[3])
    b.expect_error("material.infected")
    reconfigure(b, scanner=s.command)
    assert {own_scan(b, case, x) for x in (*files, own)} == {"pending"}
    wait_for(lambda: s.order(), what="the first scan")
    waiting = [i for i, x in enumerate(contents) if not s.seen(x)]
    refused(fetch(b, case, files[waiting[-1]]), 503, "material.not-scanned")
    s.hold(False)
    for i, file in enumerate(files):
        wait_scan(b, case, file, "infected" if i == 3 else "clean")
    wait_scan(b, case, own, "clean")
    order = s.order()
    assert order[1] == hashlib.sha256(contents[waiting[-1]]).hexdigest(), "asked for: the next one"
    assert len(order) == 9 and not (tmp_path / "twice").exists(), "each once, one at a time"
    assert fetch(b, case, own).status == 200 and [m["scan"] for m in materials(b, case)] == ["off"] * 9
    late = add(b, case, content_of(5000, seed=3), name="决定书.pdf")
    assert own_scan(b, case, late) == "clean" and s.seen(content_of(5000, seed=3)) == 1, "as it was uploaded"
    reconfigure(b)
    b.wait_log("node.started", count=3)
    newest = add(a, case, content_of(5000, seed=4))
    wait_scan(b, case, newest, "clean")
    assert len(s.order()) == 11, "what was scanned is not scanned again"


def test_the_key_comes_late(cluster, tmp_path):
    a, b = start_provinces(cluster, A, B, files=True)
    case, content = case_of(a, b), content_of(MIB)
    file = add(a, case, content)
    wait_whole(case, file, b, a)
    s = Scanner(tmp_path)
    b.stop()
    for path in b.dir.glob("keys.db*"):
        path.unlink()
    cluster.cut(a, b, "stall")
    configure(b, scanner=s.command)
    b.start()
    assert materials(b, case)[0]["content"] == "no_key" and own_scan(b, case, file) == "pending"
    cluster.heal()
    wait_scan(b, case, file, "clean")
    assert s.seen(content) == 1 and fetch(b, case, file).body == content


def test_an_erased_case_is_not_scanned_on(cluster, tmp_path):
    s, a, b = start_with_scanner(cluster, tmp_path, A, B)
    case, next_case = case_of(a, b), case_of(a, b, serial=3)
    content = content_of(MIB)
    s.hold(True)
    file = add(a, case, content)
    wait_for(lambda: s.seen(content), what="the scanner to read it")
    bring_to(case, a, b, "closed_granted")
    a.post(f"/v1/cases/{case}/erase", {"basis": "retention_expired"}).ok()
    wait_for(lambda: not [x for x in (b.dir / "files").iterdir() if x.is_file()], what="b's copy to go")
    wait_for(lambda: b.metric("tongban_files_to_scan") == 0, what="the scan to end")
    s.hold(False)
    newest = add(a, next_case, content_of(MIB, seed=2))
    wait_scan(b, next_case, newest, "clean")
    wait_for(lambda: b.metric("tongban_files_scanned_total") == 1, what="it to be told")
    b.post("/v1/ledger/verify").ok()


def test_an_archive_package_leaves_it_out(cluster, tmp_path):
    s, a, b = start_with_scanner(cluster, tmp_path, A, B)
    case, good, bad = case_of(a, b), content_of(5000, seed=2), content_of(5000, seed=3)
    s.bad(bad)
    clean = add(a, case, good)
    wait_scan(b, case, clean, "clean")
    s.hold(True)
    b.expect_error("material.infected")
    infected = add(a, case, bad)
    wait_for(lambda: own_scan(b, case, infected) == "pending", what="the file to be there")
    bring_to(case, a, b, "closed_granted")
    refused(b.get(f"/v1/cases/{case}/archive?purpose=check"), 503, "material.not-scanned")
    s.hold(False)
    wait_scan(b, case, infected, "infected")
    b.cli("case", "archive-export", case, tmp_path / "package", "--purpose", "check")
    manifest = json.loads((tmp_path / "package" / "manifest.json").read_text())
    assert manifest["withheld"] == [{"path": f"materials/{infected}", "reason": "infected"}]
    assert [x["path"] for x in manifest["files"] if x["path"].startswith("materials/")] == [f"materials/{clean}"]
    assert b.cli("case", "archive-verify", tmp_path / "package")["withheld"] == "1"
    a.cli("case", "archive-export", case, tmp_path / "of-a", "--purpose", "check")
    assert a.cli("case", "archive-verify", tmp_path / "of-a")["withheld"] == "0", "it has no scanner"


def test_memory_is_bounded(cluster, tmp_path):
    s, a, b = start_with_scanner(cluster, tmp_path, A, B)
    case = case_of(a, b)
    small = add(a, case, content_of(MIB, seed=7))
    wait_scan(b, case, small, "clean")
    quiet(b)
    base, content = rss(b), content_of(BIG)
    file = add(a, case, content)
    wait_scan(b, case, file, "clean", seconds=240)
    assert s.seen(content) == 1
    assert_bounded(b, base, BIG // 3)
