"""Nodes die, stand still, run out of disk, and are replaced by another version, under load: nothing that was answered is lost."""
import random

from cluster import wait_for
from containers import image
from load import application, submit
from provinces5 import WAIT_SECONDS, finish, five_provinces, lost, start_load, wait_whole

KILLS = 12
SEED = 1
FILL = "/var/lib/tongban/ballast"


def test_kill(federation):
    """kill -9 of a random container, again and again; some stay away while the others work."""
    desk, windows = five_provinces(federation)
    everybody, dice = [desk, *windows], random.Random(SEED)
    load = start_load(federation, desk, windows)
    for _ in range(KILLS):
        victim = dice.choice(everybody)
        victim.kill()
        others = [w for w in windows if w is not victim]
        assert load.wait_answers(dice.choice([0, 3, 8]), WAIT_SECONDS, node=dice.choice(others))
        victim.start()
    finish(federation, load, everybody)


def test_pause_and_cut_together(federation):
    """The desk and a window stand still for so long that the others take them for lost, and go on where they stood; meanwhile a line is
    cut and another window dies."""
    desk, windows = five_provinces(federation)
    load = start_load(federation, desk, windows)
    still, others = [desk, windows[3]], windows[:3]
    for node in still:
        node.pause()
    assert load.wait_answers(8, WAIT_SECONDS, node=windows[1])
    for node in others:
        for other in still:
            wait_for(lambda a=node, b=other: lost(a, b), WAIT_SECONDS, what=f"{node} to take {other} for lost")
    federation.cut(windows[0], windows[1])
    windows[2].kill()
    windows[3].resume()
    assert load.wait_answers(3, WAIT_SECONDS, node=windows[3])
    desk.resume()
    assert load.wait_answers(8, WAIT_SECONDS, node=windows[3])
    windows[2].start()
    finish(federation, load, [desk, *windows])


def test_full_disk(federation):
    """The desk's volume fills up: it says so, loses nothing, and goes on by itself when there is room."""
    desk = federation.add_node("510000", "四川省", catalog="sichuan.json", volume_bytes=128 << 20)
    window = federation.add_node("440000", "广东省")
    federation.start()
    wait_whole([desk, window])
    load = start_load(federation, desk, [window], desk_threads=2)
    federation.say("disk full")
    desk.expect_error("store.full")
    desk.engine.execute(desk.container, ["dd", "if=/dev/zero", f"of={FILL}", "bs=64k"])
    wait_for(lambda: "disk" in desk.get("/v1/status").ok().json()["writer"], WAIT_SECONDS, what="the desk to notice the full disk")
    taken = []  # what still found room

    def is_refused():
        reply = desk.post("/v1/cases", application(load.item))
        if reply.status == 201:
            taken.append(reply.json()["case"])
        return reply.status == 507

    wait_for(is_refused, WAIT_SECONDS, what="the desk to refuse a case")
    assert load.wait_answers(5, WAIT_SECONDS, node=window), "a window must go on when the desk's disk is full"
    federation.say("room again")
    desk.execute("rm", FILL)
    wait_for(lambda: desk.get("/v1/status").ok().json()["writer"] == "ok", WAIT_SECONDS, what="the desk to write again")
    finish(federation, load, [desk, window], other_cases=taken)


def test_rolling_upgrade(federation):
    """Each node in turn becomes the other image (the same code, which says another version), and the first one is taken back again, while
    everybody works."""
    desk, windows = five_provinces(federation)
    load = start_load(federation, desk, windows)
    for node in (*windows, desk, windows[0]):
        new = f"{image()}-next" if node.image == image() else image()
        federation.say(f"{node.region} becomes {new}")
        node.stop()
        node.use_image(new)
        node.start()
        assert load.wait_answers(4, WAIT_SECONDS, node=windows[3] if node is not windows[3] else windows[2])
    finish(federation, load, [desk, *windows])
    versions = {n.get("/v1/status").ok().json()["version"] for n in (desk, *windows)}
    assert len(versions) == 2, versions


def test_new_case_while_the_desk_is_dead(federation):
    desk, windows = five_provinces(federation, windows=1, wan=False)
    load = start_load(federation, desk, windows)
    desk.kill()
    case = submit(windows[0], load.item)
    windows[0].kill()
    windows[0].start()
    desk.start()
    wait_for(lambda: desk.get(f"/v1/cases/{case}").json().get("status") == "arrived", WAIT_SECONDS, what="the case to arrive")
    load.finish(WAIT_SECONDS)
