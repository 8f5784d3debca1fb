"""A node whose disk refuses still stands in the federation: it is asked, and told, as before. Whatever a member asks, it answers and goes
on; and what it is told and cannot write counts only when it could be written.
"""
import base64

import pytest
import sp_client as sp
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from c2sp_verify import sha256
from cluster import wait_for
from faulty_disk import Faults
from load import find_item, submit, verify_all

RECEIPT_PULL, RECOVER, CASE_PULL, RECONCILE, CASES_PULL = 12, 14, 16, 18, 20
STOPPED = ("store.io", "store.stopped", "ledger.stopped")


@pytest.fixture
def provinces(cluster):
    """(window, desk, third, the window's faults, a case of the window that the desk has accepted)."""
    window = cluster.add_node("440000", "广东省", proxied=False)
    desk = cluster.add_node("510000", "四川省", catalog="catalog/data/sichuan.json", proxied=False)
    third = cluster.add_node("330000", "浙江省", proxied=False)
    cluster.publish()
    faults = Faults(window)
    window.start(env=faults.environment())
    desk.start()
    third.start()
    case = submit(window, find_item(window, desk))
    wait_for(lambda: view(desk, case).get("status") == "arrived", what="the case to arrive")
    desk.post(f"/v1/cases/{case}/events", {"type": "accept"}).ok()
    wait_for(lambda: view(window, case).get("status") == "accepted", what="the acceptance to be known")
    for id in STOPPED:
        window.expect_error(id)
    return window, desk, third, faults, case


def view(node, case):
    return node.get(f"/v1/cases/{case}").json()


def stop_disk(node, faults, case):
    faults.set("sync_io", "ledger.db", 0)
    refused = node.post(f"/v1/cases/{case}/events", {"type": "note", "note": "x"})
    assert refused.status == 500, refused
    assert node.get("/healthz").status == 503


def mend_disk(node, faults):
    faults.set("none", "x", 0)
    wait_for(lambda: node.get("/healthz").status == 200, what=f"{node} to write again")


def test_whatever_is_asked(provinces):
    window, desk, third, faults, case = provinces
    stop_disk(window, faults, case)
    name = bytes.fromhex(case)
    none_held = b"\xff" * 16 + bytes(4) + bytes(32)  # a range over everything: no cases
    requests = {
        "HINT": sp.envelope(sp.HINT, [(1, int(desk.region)), (2, 1)]),
        "PULL": sp.pull(int(window.region), 0, sha256(b"")),
        "CASE_PULL": sp.envelope(CASE_PULL, [(1, name), (4, 1 << 20)]),
        "CASES_PULL": sp.envelope(CASES_PULL, [(1, name)]),
        "RECONCILE": sp.envelope(RECONCILE, [(1, bytes(16)), (2, none_held)]),
        "KEY_PULL": sp.envelope(sp.KEY_PULL, [(1, name)]),
        "RECEIPT_PULL": sp.envelope(RECEIPT_PULL, [(1, 0)]),
        "RECOVER": sp.envelope(RECOVER, [(1, 0), (2, 1 << 20)]),
        "ADD_CHECKPOINT": sp.envelope(sp.ADD_CHECKPOINT, [(1, b"old 0\n\nx\n")]),
        "GOSSIP": sp.envelope(sp.GOSSIP, [(1, sp.message([(1, b"no checkpoint")]))]),
    }
    answers = {}
    for asker in (desk, third):
        peer = sp.SpClient("127.0.0.1", window.federation_port, asker.dir)
        assert peer.ask(sp.hello(int(asker.region)))[0] == sp.HELLO
        for what, request in requests.items():
            answers[what], _ = peer.ask(request)
            assert answers[what] is not None, f"{what} of {asker}: no answer"
            assert window.is_running, f"{what} of {asker} stopped the daemon"
        peer.close()
    assert view(window, case)["status"] == "accepted", "reading goes on"
    assert answers["RECOVER"] == RECOVER + 1
    assert answers["CASE_PULL"] == sp.ERROR, "own entries are proven under a checkpoint: not now"
    mend_disk(window, faults)
    window.post(f"/v1/cases/{case}/events", {"type": "note", "note": "x"}).ok()
    verify_all([window, desk, third])


# ---- evidence --------------------------------------------------------------------------------------------------------


def checkpoint(author, size, root):
    """A checkpoint as @author's own key signs it."""
    key = load_pem_private_key((author.dir / "ledger.key").read_bytes(), None)
    name = f"{author.region}.tongban.example/log/1"
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    text = f"{name}\n{size}\n{base64.b64encode(root).decode()}\n".encode()
    blob = sha256(name.encode() + b"\n\x01" + public)[:4] + key.sign(text)
    return text + b"\n" + f"— {name} {base64.b64encode(blob).decode()}\n".encode()


def tell(node, teller, notes):
    """GOSSIP with @notes, as @teller says it."""
    peer = sp.SpClient("127.0.0.1", node.federation_port, teller.dir)
    assert peer.ask(sp.hello(int(teller.region)))[0] == sp.HELLO
    assert peer.ask(sp.envelope(sp.GOSSIP, [(1, sp.message([(1, note)])) for note in notes]))[0] == sp.OK
    peer.close()


def state(node, author):
    return next(p["state"] for p in node.get("/v1/peers").ok().json()["peers"] if p["code"] == int(author.region))


def test_evidence_that_cannot_be_written(provinces):
    """A case freezes with the evidence, not before: what is shown meanwhile would be gone after a crash."""
    window, desk, third, faults, case = provinces
    for node in (window, desk, third):
        for id in ("ledger.equivocation", "ledger.what-to-do", "ledger.accused", "ledger.contradicted", "ledger.behind", "ledger.missing",
                   "ledger.unproven", "witness.refused"):
            node.expect_error(id)
    notes = [checkpoint(desk, 2, sha256(b"%d" % i)) for i in range(2)]  # of 2^n entries: nothing else is needed
    stop_disk(window, faults, case)
    tell(window, third, notes)
    tell(window, third, notes)
    assert view(window, case)["status"] == "accepted" and not view(window, case)["frozen"]
    assert window.cli("case", "list", "--status", "frozen")["cases"] == []

    mend_disk(window, faults)
    tell(window, third, notes)
    wait_for(lambda: view(window, case)["frozen"], what="the case to freeze")
    wait_for(lambda: state(window, desk) == "frozen", what="the author to be followed no more")
    wait_for(lambda: state(third, desk) == "frozen", what="the evidence to reach the third")
    window.kill()
    window.start()
    assert view(window, case)["frozen"] and state(window, desk) == "frozen", "it is durable"
    assert window.cli("ledger", "verify")["result"] == "ok"
