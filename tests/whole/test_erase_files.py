"""Erasure and the files of a case: they go with it, at every participant; what the idempotency store keeps of its requests goes, too."""
import http.client
import sqlite3
import threading

from cluster import wait_for
from provinces import assert_whole, bring_to, citizen_number, start_provinces, submit
from test_erase import erase, found, keys_of, plain, wait_erased
from test_materials import add, begin, content_of, finish, materials, send

A, B = "440000", "510000"
NAME = "户口簿-李小满.pdf"


def blobs(node):
    return {f.name: f.read_bytes() for f in (node.dir / "files").rglob("*") if f.is_file()}


def request_hashes(node, case):
    db = sqlite3.connect(f"file:{node.dir / 'ledger.db'}?mode=ro", uri=True)
    rows = [row[0] for row in db.execute("SELECT body_hash FROM request WHERE case_id = ?", (bytes.fromhex(case),))]
    db.close()
    return rows


def test_files_and_requests(cluster):
    a, b = start_provinces(cluster, A, B)
    case, kept = submit(a, key="first"), submit(a, serial=3, key="second")
    secret = "身份证件正文".encode() * 40
    content = content_of(300_000) + secret
    file = add(a, case, content, name=NAME)
    other = add(a, kept, content_of(200_000, seed=2), name="申请表.pdf")
    for x in (case, kept):
        bring_to(x, a, b, "closed_granted")
    assert not found(a, *plain(), secret, NAME.encode()) and not found(b, *plain(), secret, NAME.encode())
    key = keys_of(a, case)[0]
    before = blobs(a)
    ours = next(name for name in before if name.startswith(file))
    assert len(before) == 2 and len(before[ours]) >= len(content)
    hashes = request_hashes(a, case)
    assert hashes and all(any(h) for h in hashes)

    erase(a, case).ok()
    wait_erased(case, a, b)
    wait_for(lambda: ours not in blobs(a), what="the file to go")
    for node in (a, b):
        wait_for(lambda node=node: not found(node, key, *hashes), what=f"{node}: key and hashes of requests to be gone")
        assert not found(node, *plain(), secret, NAME.encode(), citizen_number().encode(), before[ours][100_000:100_064])
    reply = a.post(f"/v1/cases/{kept}/materials/reuse", {"from_case": case, "file": file, "consent": "当面同意"})
    assert (reply.status, reply.json()["id"]) == (409, "material.no-content"), reply
    assert not any(any(h) for h in request_hashes(a, case)), "a hash of personal data can be guessed"
    assert all(any(h) for h in request_hashes(a, kept))
    assert [x["file"] for x in materials(a, kept)] == [other] and any(n.startswith(other) for n in blobs(a))
    assert_whole(a, b)

    # killed between the order and the end of the file: the next start does the rest
    again = submit(a, serial=4)
    third = add(a, again, content_of(100_000, seed=5), name="x.pdf")
    bring_to(again, a, b, "closed_granted")
    try:
        a.request("POST", f"/v1/cases/{again}/erase", {"basis": "retention_expired"}, timeout=0.003)
    except (OSError, http.client.HTTPException):
        pass
    a.kill()
    a.start()
    erase(a, again).ok()
    wait_erased(again, a, b)
    wait_for(lambda: not any(n.startswith(third) for n in blobs(a)), what="the file to go")


def test_an_erasure_beside_the_end_of_an_upload(cluster):
    """Whichever is first, and also when both are in one transaction: nothing of the file is left, without a restart."""
    a, b = start_provinces(cluster, A, B)
    for serial in range(2, 8):
        case = submit(a, serial=serial)
        bring_to(case, a, b, "closed_granted")
        content = content_of(2_500_000, seed=serial)
        upload = begin(a, case, content).ok().json()["upload"]
        send(a, upload, content)
        both = [threading.Thread(target=finish, args=(a, upload)), threading.Thread(target=erase, args=(a, case))]
        for one in both:
            one.start()
        for one in both:
            one.join()
        wait_erased(case, a, b)
        sealed = lambda: [f.name for n in (a, b) for f in (n.dir / "files").iterdir() if f.is_file()]
        wait_for(lambda: not sealed(), what="the file of the erased case to go")
    assert_whole(a, b)
