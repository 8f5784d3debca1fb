"""Two provinces apart for so long that one batch brings more cases than a node keeps in memory."""
from cluster import wait_for
from load import find_item, in_parallel, submit, verify_all

CASES = 2300  # more than CASE_CACHE_MAX (node/case_cache.h)
STEP = 100


def all_cases(node):
    rows, before = [], ""
    while True:
        page = node.get(f"/v1/cases?limit={STEP}{before}").ok().json()
        rows += page["cases"]
        if page["next"] is None:
            return {x["case"]: x for x in rows}
        before = f"&before={page['next']}"


def test_more_cases_in_a_batch_than_in_memory(cluster):
    desk = cluster.add_node("510000", "四川省", catalog="catalog/data/sichuan.json")
    window = cluster.add_node("440000", "广东省")
    cluster.start()
    item = find_item(window, desk)
    cases = []
    in_parallel(lambda i: cases.append(submit(window, item)), range(CASES))

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
