"""Files on their way between nodes: their own socket, chunk by chunk, going on after a cut and a kill -9 of either side without
what is there being sent again, in bounded memory, to participants only; gone at both ends after an erasure."""
import json
import os
import re
import shutil
import time

import pytest

from cluster import IS_DEBUG, wait_for
from provinces import act, add_provinces, application, bring_to, start_provinces, submit, view, wait_met, wait_status
from test_materials import MIB, add, begin, configure, content_of, fetch, materials, scanner, send, finish, stands_open

A, B, C = "440000", "510000", "330000"
BIG = 64 * MIB + 4321


def held(node, case, file, by):
    """(chunks held, chunks) that @node shows for node @by; None when the list does not have it."""
    for m in materials(node, case):
        if m["file"] == file:
            return [(h["held"], h["chunks"]) for h in m["holders"] if h["node"] == int(by.region)][0]
    return None


def wait_whole(case, file, at, *shown_by, seconds=120):
    for node in shown_by or [at]:
        def whole(node=node):
            state = held(node, case, file, at) if node.get(f"/v1/cases/{case}").status == 200 else None
            return state is not None and state[0] == state[1] > 0

        wait_for(whole, seconds, what=f"{node} to show the file as whole at {at}")


def received(node):
    """Chunks that @node has taken from others since it was started."""
    return node.metric("tongban_file_chunks_in_total")


def rss(node):
    with open(f"/proc/{node.pid}/status") as status:
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read()).group(1)) * 1024


def assert_bounded(node, base, limit):
    """@node's peak grew by less than @limit. Not asked of sanitizer builds, which keep freed memory for a while."""
    with open(f"/proc/{node.pid}/maps") as maps:
        if re.search(r"lib[at]san", maps.read()) is None:
            assert rss(node) - base < limit, (node, base, rss(node))


def quiet(node):
    """From here on the peak of @node's memory is counted anew."""
    with open(f"/proc/{node.pid}/clear_refs", "w") as f:
        f.write("5")


def test_file_reaches_the_other_side(cluster):
    a, b, c = start_provinces(cluster, A, B, C, files=True)
    case = submit(a)
    content = content_of(5 * MIB + 9)
    file = add(a, case, content, code="M01", trust="B")
    wait_status(case, "arrived", a, b)
    wait_whole(case, file, b, a, b)
    assert fetch(b, case, file).body == content
    assert fetch(b, case, file, range=f"bytes={MIB - 1}-{MIB}").body == content[MIB - 1 : MIB + 1]
    assert not stands_open(a, content) and not stands_open(b, content)
    assert [m["name"] for m in materials(b, case)] == ["申请表.pdf"] and view(a, case)["digest"] == view(b, case)["digest"]
    licence = content_of(MIB, seed=2)
    back = add(b, case, licence, name="证照.pdf", trust="A")
    wait_whole(case, back, a, a, b)
    assert fetch(a, case, back).body == licence
    assert not [x for x in (c.dir / "files").iterdir() if x.is_file()] and received(c) == 0, "not its case"
    for node in (a, b):  # what is known survives
        node.stop()
        node.start()
    wait_whole(case, file, b, a, b)
    wait_whole(case, back, a, a, b)

    bring_to(case, a, b, "closed_granted")
    a.post(f"/v1/cases/{case}/erase", {"basis": "retention_expired"}).ok()
    for node in (a, b):
        wait_for(lambda node=node: not [x for x in (node.dir / "files").iterdir() if x.is_file()], what=f"files of {node} to go")
        assert fetch(node, case, file).status == 404


def test_cut_kill_and_memory(cluster):
    a, b = start_provinces(cluster, A, B, files=True)
    case = submit(a)
    wait_status(case, "arrived", a, b)
    small = add(a, case, content_of(MIB, seed=7))
    wait_whole(case, small, b)
    before = received(b)
    content = content_of(BIG)
    chunks = -(-BIG // MIB)
    quiet(a), quiet(b)
    base = rss(a), rss(b)
    b.files_line.heal()
    a.files_line.cut("stall")  # nothing comes, but the event does
    file = add(a, case, content)
    wait_for(lambda: any(m["file"] == file for m in materials(b, case)), what="the event, though the file cannot come")
    a.files_line.heal()
    for how in ("reset", "kill -9 the taker", "kill -9 the giver"):
        seen = held(b, case, file, b)[0]
        wait_for(lambda: held(b, case, file, b)[0] > min(seen + 5, chunks - 8), what="more of the file")
        if how == "reset":
            a.files_line.cut("reset")
            a.files_line.heal()
        elif how == "kill -9 the taker":
            before += received(b) - before
            taken = received(b)
            b.kill()
            b.start()
            first = wait_for(lambda: held(b, case, file, b)[0], what="what is there to be found again")
            assert first >= min(seen, chunks) - 4, "the part is read again, not sent again"
            before = -taken
        else:
            a.kill()
            a.start()
    wait_whole(case, file, b, a, b)
    assert fetch(b, case, file).body == content
    sent = received(b) - before  # of both lives of b
    assert sent <= chunks + 1 + 12, f"{sent} chunks were taken for {chunks}: what was there was sent again"
    assert_bounded(a, base[0], BIG // 2)
    assert_bounded(b, base[1], BIG // 2)


def test_a_giver_that_is_back_is_dialled_at_once(cluster):
    """Not when the pause is over that has grown while it was away: when its connection for events is there."""
    a, b = add_provinces(cluster, A, B, files=True)
    path = b.dir / "node.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "log": "debug"}))
    cluster.start()
    wait_met(a, b)
    case = submit(a)
    wait_status(case, "arrived", a, b)
    first = add(a, case, content_of(1000))
    wait_whole(case, first, b)
    cluster.cut(a, b, "reset")
    for node in (a, b):
        wait_for(lambda: node.get("/v1/status").json()["peers_connected"] == 0, what="the lines to be cut")
    redialled = len(b.log_lines("fetch.redial"))  # none, unless a connection was lost already
    second = add(a, case, content_of(1000, seed=2))
    dialled = a.files_line.accepted
    wait_for(lambda: a.files_line.accepted > dialled + 2, what="b to try by itself")
    a.line.heal()
    b.line.heal()
    wait_for(lambda: any(m["file"] == second for m in materials(b, case)), what="the event, though the file cannot come yet")
    b.wait_log("fetch.redial", count=redialled + 1)
    a.files_line.heal()
    wait_whole(case, second, b)


def test_giving_is_bounded_and_events_go_first(cluster):
    """While a file is under way, events of other cases are not held up."""
    a, b = start_provinces(cluster, A, B, files=True)
    case, other = submit(a), submit(a, serial=3)
    wait_status(case, "arrived", a, b)
    wait_status(other, "arrived", a, b)
    quiet(a), quiet(b)
    base = rss(a), rss(b)

    def note():
        reply = a.post(f"/v1/cases/{other}/events?durable=peers&timeout_ms=20000", {"type": "note", "note": "x"}).ok()
        assert reply.json()["peers_durable"]

    chunks = -(-BIG // MIB)
    a.files_line.cut_after(8 * MIB, "stall")  # it stays under way, whatever else this machine does
    file = add(a, case, content_of(BIG))
    wait_for(lambda: held(b, case, file, b) is not None and held(b, case, file, b)[0] > 0, what="the first of the file")
    for _ in range(3):
        note()
        assert held(b, case, file, b)[0] < chunks
    a.files_line.heal()
    while held(b, case, file, b)[0] < chunks:
        note()
    wait_whole(case, file, b, a, b)
    assert_bounded(a, base[0], BIG // 2)
    assert_bounded(b, base[1], BIG // 2)


def test_need_to_know(cluster):
    """A file of two cases reaches each case's participants; nobody else, and not after the erasure of theirs."""
    a, b, c = start_provinces(cluster, A, B, C, files=True)
    items = [x for x in c.get("/v1/catalog?node=330000").ok().json()["items"]]
    one = submit(a)
    wait_status(one, "arrived", a, b)
    content = content_of(2 * MIB)
    file = add(a, one, content)
    wait_whole(one, file, b)
    assert c.get(f"/v1/cases/{one}/materials").status == 404
    body = application(items[0]["code"], 4, node=330000, division="330100", mode=None)
    two = a.post("/v1/cases", body).ok().json()["case"]
    a.post(f"/v1/cases/{two}/materials/reuse", {"from_case": one, "file": file, "consent": "当面同意"}).ok()
    wait_status(two, "arrived", a, c)
    wait_whole(two, file, c, a, c)
    assert fetch(c, two, file).body == content
    assert fetch(b, two, file).status == 404 and fetch(c, one, file).status == 404
    bring_to(one, a, b, "closed_granted")
    a.post(f"/v1/cases/{one}/erase", {"basis": "retention_expired"}).ok()
    wait_for(lambda: not [x for x in (b.dir / "files").iterdir() if x.is_file()], what="b's copy to go")
    assert fetch(a, two, file).body == content and fetch(c, two, file).body == content


def test_lost_files_come_back(cluster):
    """A node that has lost its folder gets its own files back from whoever holds them, others' from their authors; who has lost a
    file, too, says so, and the next one is asked."""
    a, b, c = start_provinces(cluster, A, B, C, files=True)
    one = submit(a)
    wait_status(one, "arrived", a, b)
    content, licence = content_of(3 * MIB + 5), content_of(MIB, seed=2)
    file = add(a, one, content)
    theirs = add(b, one, licence, name="证照.pdf", trust="A")
    item = c.get("/v1/catalog?node=330000").ok().json()["items"][0]["code"]
    two = a.post("/v1/cases", application(item, 4, node=330000, division="330100", mode=None)).ok().json()["case"]
    a.post(f"/v1/cases/{two}/materials/reuse", {"from_case": one, "file": file, "consent": "当面同意"}).ok()
    wait_status(two, "arrived", a, c)
    wait_whole(one, file, b, a, b)
    wait_whole(one, theirs, a, a, b)
    wait_whole(two, file, c, a, c)

    for node in (a, b, c):
        node.stop()
    (b.dir / "files" / file).unlink()
    for name in (file, theirs):
        (a.dir / "files" / name).unlink()
    b.expect_error("material.lost")  # when a has not got it back before b looks
    a.start()
    a.expect_error("material.lost")
    a.wait_log("material.lost")
    assert held(a, one, file, a) == (0, 4) and held(a, one, theirs, a) == (0, 1)
    assert fetch(a, one, file).json()["id"] == "material.not-here"
    assert "material.lost" in [x["id"] for x in a.get("/v1/alarms").ok().json()["alarms"]]
    b.start()  # which has its own file, but not this one
    wait_whole(one, theirs, a)
    assert fetch(a, one, theirs).body == licence
    assert held(a, one, file, a) == (0, 4)
    c.start()
    wait_whole(one, file, a)
    wait_whole(two, file, a)
    wait_whole(one, file, b)  # from a, when that has it again
    a.wait_log("material.found")
    for node, case in ((a, one), (a, two), (b, one), (c, two)):
        assert fetch(node, case, file).body == content


def test_no_socket_for_files(cluster):
    """A node without one keeps its own files; the others show them as not here."""
    a, b = start_provinces(cluster, A, B)
    case = submit(a)
    wait_status(case, "arrived", a, b)
    file = add(a, case, content_of(1000))
    wait_for(lambda: materials(b, case), what="the event")
    assert held(b, case, file, b) == (0, 1) and fetch(b, case, file).json()["id"] == "material.not-here"
    assert fetch(a, case, file).status == 200


HAS_ROOM = IS_DEBUG and shutil.disk_usage("/tmp").free > 16 << 30


@pytest.mark.skipif(not HAS_ROOM and "TONGBAN_TEST_BIG" not in os.environ, reason="takes 6 GB of disk and minutes: in the debug build where /tmp has 16 GB, or with TONGBAN_TEST_BIG=1")
def test_largest(cluster, tmp_path):
    """2 GiB, to the byte."""
    a, b = start_provinces(cluster, A, B, files=True)
    case = submit(a)
    wait_status(case, "arrived", a, b)
    path = tmp_path / "largest.pdf"
    with open(path, "wb") as f:
        f.write(content_of(MIB))
        f.truncate(2048 * MIB)
    quiet(a), quiet(b)
    base = rss(a), rss(b)
    begun = time.monotonic()
    added = a.cli("material", "add", case, path, timeout=1200)
    sent = time.monotonic()
    wait_whole(case, added["file"], b, a, b, seconds=1200)
    done = time.monotonic()
    print(f"upload {2048 / (sent - begun):.0f} MiB/s, transfer {2048 / (done - sent):.0f} MiB/s, "
          f"memory +{(rss(a) - base[0]) >> 20} and +{(rss(b) - base[1]) >> 20} MiB")
    out = tmp_path / "out.pdf"
    b.cli("material", "get", case, added["file"], "--output", out, "--purpose", "check", timeout=1200)
    assert out.stat().st_size == 2048 * MIB
    out.unlink()
    assert_bounded(a, base[0], 128 * MIB)
    assert_bounded(b, base[1], 128 * MIB)
    with open(path, "ab") as f:
        f.write(b"x")
    reply = begin(a, case, b"x" * 10, size=2048 * MIB + 1)
    assert reply.status == 413 and reply.json()["id"] == "material.size"
