"""Two provinces apart for so long that one batch brings more cases than a node keeps in memory."""
import queue
import threading

from cluster import wait_for
from load import APPLICANT, find_item, verify_all

CASES = 2300  # more than CASE_CACHE_MAX (node/case_cache.h)
CLIENTS = 6
STEP = 100


def all_cases(node):
    rows, before = [], ""
    while True:
        page = node.get(f"/v1/cases?limit={STEP}{before}").ok().json()
        rows += page["cases"]
        if page["next"] is None:
            return {x["case"]: x for x in rows}
        before = f"&before={page['next']}"


def in_parallel(work, items):
    left, failures = queue.Queue(), []
    for item in items:
        left.put(item)

    def run():
        while True:
            try:
                work(left.get_nowait())
            except queue.Empty:
                return
            except Exception as e:
                failures.append(e)
                return

    threads = [threading.Thread(target=run, daemon=True) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert not failures and left.empty(), failures


def test_more_cases_in_a_batch_than_in_memory(cluster):
    desk = cluster.add_node("510000", "四川省", catalog="catalog/data/sichuan.json")
    window = cluster.add_node("440000", "广东省")
    cluster.start()
    item = find_item(window, desk)
    body = {"item": item["code"], "node": item["node"], "mode": "collect", "applicant": APPLICANT}
    cases = []
    in_parallel(lambda i: cases.append(window.post("/v1/cases", body).ok().json()["case"]), range(CASES))

    def all_have(status):
        return all(x["status"] == status for x in all_cases(window).values())

    wait_for(lambda: all_have("arrived"), 120, what="every case to have its receipt")
    cluster.cut(window, desk, "drop")
    in_parallel(lambda c: desk.post(f"/v1/cases/{c}/events", {"type": "accept"}).ok(), cases)
    cluster.heal()
    wait_for(lambda: all_have("accepted"), 120, what="every acceptance to arrive")

    left, right = all_cases(window), all_cases(desk)
    assert len(left) == len(right) == CASES
    differ = [c for c in cases if left[c]["digest"] != right[c]["digest"]]
    assert not differ, f"{len(differ)} of {CASES} cases differ"
    sample = cases[:: CASES // 50]
    for case in sample:  # by the memory of the nodes, not by the rows
        a, b = (n.get(f"/v1/cases/{case}").ok().json() for n in (window, desk))
        assert a["digest"] == b["digest"] == left[case]["digest"] and len(a["events"]) == a["event_count"]
    verify_all([window, desk])
