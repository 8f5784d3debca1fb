"""An author whose whole disk is an old one, and a member whose disk refuses while it is asked: it could not store the author's last
checkpoint and says all the same that it has seen it. Otherwise the author would hear less from it than it knows, take its own old copy
for whole, and sign a second history.
"""
import json
import shutil

import sp_client as sp
from cluster import wait_for
from faulty_disk import Faults
from load import find_item, submit, verify_all

RECOVER, RECOVERED = 14, 15
LOST = ("ledger.behind", "ledger.missing")


def ledger(node):
    said = node.get("/v1/ledger").ok().json()
    return said["size"], said["root"]


def writer(node):
    return node.get("/v1/status").ok().json()["writer"]


def told(author, member):
    """What @member says to @author, which is stopped, about its ledger: the size in HELLO, and the checkpoint that shows it."""
    peer = sp.SpClient("127.0.0.1", member.federation_port, author.dir)
    kind, answer = peer.ask(sp.hello(int(author.region)))
    assert kind == sp.HELLO, answer
    kind, proof = peer.ask(sp.envelope(RECOVER, [(1, 0), (2, 1)]))
    peer.close()
    assert kind == RECOVERED, proof
    note = proof.get(2, [b""])[0].decode().split("\n")
    return answer.get(9, [0])[0], int(note[1]) if len(note) > 1 else 0


def held(node, author):
    return next(p["held_size"] for p in node.get("/v1/peers").ok().json()["peers"] if p["code"] == int(author.region))


def told_all(node, author):
    return held(node, author) >= ledger(author)[0]


def test_a_member_that_cannot_write_says_what_it_has_seen(cluster):
    author = cluster.add_node("440000", "广东省", proxied=False)
    # the one that holds the entries tells the third about the author's heads every second
    desk = cluster.add_node("510000", "四川省", catalog="catalog/data/sichuan.json", proxied=False,
                            ledger={"heads_busy_s": 1, "heads_idle_s": 1})
    third = cluster.add_node("330000", "浙江省", proxied=False)
    cluster.publish()
    faults = Faults(third)
    author.start()
    desk.start()
    third.start(env=faults.environment())
    item = find_item(author, desk)
    submit(author, item)
    wait_for(lambda: told_all(desk, author), what="the desk to hold everything")

    author.stop()
    image = cluster.dir / "image"
    shutil.copytree(author.dir, image, ignore=shutil.ignore_patterns("*.sock"))
    author.start()
    old_size, _ = ledger(author)

    third.expect_error("store.io")
    third.expect_error("store.stopped")
    faults.set("sync_io", "ledger.db", 0)
    wait_for(faults.has_fired, what="the third's disk to refuse")
    for _ in range(3):
        submit(author, item)
    size, root = ledger(author)
    assert size > old_size
    wait_for(lambda: told_all(desk, author), what="the desk to hold everything")
    author.stop()

    # nothing of it is at the third's disk, and it says so truthfully: it has seen it
    wait_for(lambda: told(author, third) == (size, size), what="the third to have seen the last checkpoint")
    desk.stop()

    for file in author.dir.glob("*.db*"):
        file.unlink()
    for file in image.glob("*.db*"):
        shutil.copy(file, author.dir / file.name)
    settings = json.loads((author.dir / "node.json").read_text())
    settings["ledger"]["start_ask_ms"] = 15000
    (author.dir / "node.json").write_text(json.dumps(settings))
    for id in LOST:
        author.expect_error(id)
    author.start(wait=False)
    wait_for(lambda: author.log_lines(id="ledger.behind"), what="the author to notice that it is an older copy")
    assert f"of {size}" in wait_for(lambda: writer(author) if "recovering" in writer(author) else None, what="the author to recover")
    assert author.get("/healthz").status == 503
    assert author.get("/v1/ledger").status == 404, "no checkpoint is shown"

    faults.set("none", "x", 0)
    desk.start()
    wait_for(lambda: writer(author) == "ok", what="the entries to come back")
    assert ledger(author) == (size, root), "no second history"
    submit(author, item)
    wait_for(lambda: told_all(desk, author) and ledger(author)[0] > size, what="the desk to hold what is new")
    verify_all([author, desk])
