"""An author that leaves out entries, or says no more what it has addressed to whom: real daemons, one of which is made to
misbehave by taking rows out of its list of addressed entries. The other must notice, say so under a stable id, not take the gap
for the truth, and go on by itself when the entries come."""
import sqlite3

import pytest

from cluster import wait_for
from provinces import assert_whole, entries_from, ledger_size, start_provinces, submit, view, wait_status

A, B = "440000", "510000"
QUICK = {"heads_busy_s": 1, "heads_idle_s": 3600, "heads_stale_s": 86400, "witness_round_ms": 100}


def peer_of(node, code):
    return next(p for p in node.get("/v1/peers").ok().json()["peers"] if p["code"] == int(code))


def heads_of(node):
    return [x for x in entries_from(node) if x["leaf"]["kind"] == "heads"]


def alarms_of(node):
    return {(x["id"], x["about"]): x for x in node.get("/v1/alarms").ok().json()["alarms"]}


class Addressed:
    """The rows of @node's ledger.db that say which entries are for @recipient."""

    def __init__(self, node, recipient):
        self.path, self.recipient = node.dir / "ledger.db", int(recipient)

    def change(self, statement, rows):
        with sqlite3.connect(self.path) as db:
            db.executemany(statement, rows)
        db.close()

    def rows(self):
        with sqlite3.connect(self.path) as db:
            slot, = db.execute("SELECT slot FROM node WHERE node = ?", (self.recipient,)).fetchone()
            found = db.execute("SELECT id, seq, ck FROM addressed WHERE id >> 40 = ? ORDER BY id", (slot,)).fetchall()
        db.close()
        return found

    def take_out(self, rows):
        self.change("DELETE FROM addressed WHERE id = ?", [(row[0],) for row in rows])

    def put_back(self, rows):
        self.change("INSERT INTO addressed(id, seq, ck) VALUES(?, ?, ?)", rows)


@pytest.mark.parametrize("id, which", [("ledger.withheld", slice(-1, None)), ("ledger.withheld", slice(-3, None)),
                                       ("ledger.omission", slice(-3, -2))], ids=["last", "tail", "middle"])
def test_what_is_left_out_is_noticed(cluster, id, which):
    a, b = start_provinces(cluster, A, B, ledger=QUICK)
    b.expect_error(id)
    before = ledger_size(a)
    wait_for(lambda: peer_of(b, A)["confirmed_size"] >= before, what="everything so far to be confirmed")
    cluster.cut(a, b, "reset")
    case = submit(a)
    wait_for(lambda: entries_from(a)[-1]["leaf"]["kind"] == "heads", what="a heads entry behind the case")
    a.stop()
    addressed = Addressed(a, B)
    left_out = addressed.rows()[which]
    first_missing = left_out[0][0] & ((1 << 40) - 1)
    assert before <= first_missing
    addressed.take_out(left_out)
    cluster.heal()
    a.start()

    alarm = wait_for(lambda: alarms_of(b).get((id, int(A))), what=f"the alarm {id}")
    assert "cursor stays at" in alarm["text"] and alarm["count"] >= 1
    assert f"{id}  " in cluster.cli("alarm", "list", env={"TONGBAN_DIR": str(b.dir)}).stdout
    peer = peer_of(b, A)
    assert before <= peer["confirmed_size"] <= first_missing, "the gap is not passed"
    wait_for(lambda: (p := peer_of(b, A))["held_size"] == p["confirmed_size"], what="the position to go back to what is confirmed")
    assert b.get(f"/v1/cases/{case}").status == 404 or view(b, case)["status"] != "forwarded"
    assert b.get("/healthz").status == 200, "the others are served"

    # a restart forgets nothing and does not pass it either
    b.stop()
    b.start()
    wait_for(lambda: (id, int(A)) in alarms_of(b), what="the alarm again")
    assert peer_of(b, A)["confirmed_size"] <= first_missing

    a.stop()
    addressed.put_back(left_out)
    a.start()
    wait_status(case, "arrived", a, b)
    size = len(entries_from(a))
    wait_for(lambda: peer_of(b, A)["confirmed_size"] >= size - 1, what="everything to be confirmed")
    assert_whole(a, b)


def test_an_author_that_goes_silent_is_noticed(cluster):
    """It answers, but writes no heads entries: what it holds back nobody could tell."""
    a = cluster.add_node(A, "广东省", ledger={"heads_busy_s": 60, "heads_idle_s": 3600, "heads_stale_s": 86400})
    b = cluster.add_node(B, "四川省", ledger={"heads_busy_s": 1, "heads_idle_s": 2, "heads_stale_s": 3})
    b.expect_error("ledger.stalled")
    cluster.start()
    alarm = wait_for(lambda: alarms_of(b).get(("ledger.stalled", int(A))), what="the alarm")
    assert "3 s" in alarm["text"] and alarm["about_name"] == "广东省"
    wait_for(lambda: len(heads_of(b)) >= 4, what="time to pass")
    assert alarms_of(b)[("ledger.stalled", int(A))]["count"] == 1, "once, until it speaks again"
    assert not alarms_of(a), "who writes heads entries is not accused"
    assert b.cli("status")["alarms"] == 1
    wait_for(lambda: peer_of(b, A)["state"] == "connected", what="the silent author to be connected all the same")


def test_heads_entries_are_no_more_often_than_said(cluster):
    a, b = start_provinces(cluster, A, B, ledger={"heads_busy_s": 1, "heads_idle_s": 3, "heads_stale_s": 60})
    wait_for(lambda: len(heads_of(a)) >= 2, what="heads entries of a quiet node")
    submit(a)
    count = len(heads_of(a))
    wait_for(lambda: len(heads_of(a)) >= count + 2, what="one for the case, and one more")
    entries = entries_from(a)
    heads = [x["index"] for x in entries if x["leaf"]["kind"] == "heads"]
    for before, after in zip(heads, heads[1:]):
        between = entries[before + 1 : after]
        gap_ms = entries[after]["leaf"]["written_ms"] - entries[before]["leaf"]["written_ms"]
        assert gap_ms >= (1000 if between else 3000) - 50, (before, after, gap_ms)
    assert not alarms_of(a) and not alarms_of(b)
