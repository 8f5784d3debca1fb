"""Deadlines between two real provinces: the same day on both sides, in lists, colours and metrics; a calendar that is
published and counted by everywhere; silence that becomes acceptance when the clock has moved on.

A takes the application in (Guangdong), B decides it (Sichuan). Days are computed here a second time, from the same table.
"""
import datetime
import json

import pytest

from cluster import TREE, wait_for
from provinces import act, bring_to, item_of, start_provinces, submit, today, view, wait_status
from shifted_clock import Clock
from test_path import Shell

A, B = "440000", "510000"
HOLIDAYS = json.loads((TREE / "catalog" / "data" / "holidays.json").read_text())

pytestmark = pytest.mark.usefixtures("one_day")


def add_working_days(day, count, table=HOLIDAYS):
    while count > 0:
        day += datetime.timedelta(days=1)
        kind = table.get(day.isoformat(), {}).get("type")
        count -= kind == "workday" or (kind is None and day.weekday() < 5)
    return day


def rows(node, case):
    return {d["kind"]: d for d in view(node, case)["deadlines"]}


def restart_later(days, *nodes):
    for node in nodes:
        node.stop()
    for node in nodes:
        clock = Clock(node.dir.with_suffix(".clock"))
        clock.set(days * 86400)
        node.start(wait=False, env=clock.environment())
    for node in nodes:
        node.wait_ready()


def test_both_sides_say_the_same_day(cluster):
    a, b = start_provinces(cluster, A, B)
    case = submit(a)
    wait_status(case, "arrived", a, b)
    day = today()
    for node in (a, b):
        due = view(node, case)["due"]
        assert (due["kind"], due["chinese"], due["colour"]) == ("accept", "受理", "green")
        assert due["due"] == add_working_days(day, 5).isoformat() and due["days"] == 5
        assert due["source"] == "比照行政许可法第三十二条 (逾期不视为受理)" and due["days_left"] == 5
    act(b, case, "accept").ok()
    wait_status(case, "accepted", a, b)
    for node in (a, b):
        found = rows(node, case)
        assert (found["forward"]["days"], found["forward"]["colour"]) == (3, "green") and found["forward"]["met"]
        assert found["first_review"]["days"] == 15 and found["decide"]["days"] == 30
        assert found["decide"]["due"] == add_working_days(day, 30).isoformat()
        assert view(node, case)["due"]["kind"] == "first_review"
    act(b, case, "pause", pause_kind="hearing", expected_days=20).ok()
    wait_status(case, "paused", a, b)
    for node in (a, b):
        assert rows(node, case)["decide"]["stopped"] and view(node, case)["due"] is None
    act(b, case, "resume").ok()
    act(b, case, "extend", extend_days=10, official="1001", reason_code="complex", reason="案情复杂").ok()
    act(b, case, "decide", decision="grant").ok()
    act(b, case, "close").ok()
    wait_status(case, "closed_granted", a, b)
    assert rows(a, case) == rows(b, case)
    assert rows(a, case)["decide"]["days"] == 40 and view(a, case)["due"]["kind"] == "deliver"


def test_a_published_calendar_counts_for_everybody(cluster, tmp_path):
    a, b = start_provinces(cluster, A, B)
    case, local = submit(a), submit(a, serial=3)
    for each in (case, local):
        bring_to(each, a, b, "accepted")
    table = dict(HOLIDAYS)
    day = add_working_days(today(), 3)
    while day.weekday() >= 5:  # worked on for a holiday (调休): it would be a day off without the table, too
        day = add_working_days(day, 1)
    table[day.isoformat()] = {"type": "holiday", "name": "地方节日"}
    file = tmp_path / "holidays.json"
    file.write_text(json.dumps(table, ensure_ascii=False))
    at_b = Shell(b)
    plain = add_working_days(today(), 30).isoformat()
    assert rows(b, case)["decide"]["due"] == plain

    # for one county: the cases of another one are counted as before
    shown = at_b.json("calendar", "import", str(file), "--division", "510105")
    assert shown["origin"] == int(B)
    assert rows(b, case)["decide"]["due"] == plain, "the case is of 510104"
    # for all of the province
    at_b.json("calendar", "import", str(file))
    later = add_working_days(today(), 30, table).isoformat()
    assert later != plain
    for node in (a, b):
        wait_for(lambda: rows(node, case)["decide"]["due"] == later, what="the day to move")
        listed = {c["case"]: c["due"] for c in node.get("/v1/cases").ok().json()["cases"]}
        want = add_working_days(today(), 15, table).isoformat()
        wait_for(lambda: {c["case"]: c["due"]["due"] for c in node.get("/v1/cases").ok().json()["cases"]}[case] == want,
                 what="the rows to be made again")
        assert listed[case]["kind"] == "first_review"
    year = at_b.json("calendar", "show", str(day.year))
    assert year["published"] and {"date": day.isoformat(), "type": "holiday"} in year["days"]
    assert Shell(a).json("calendar", "show", str(day.year), "--node", B)["days"] == year["days"]
    assert not Shell(a).json("calendar", "show", str(day.year))["published"]
    future = at_b.json("calendar", "show", "2099")
    assert future["provisional"] and future["days"] == []
    assert "working days" in at_b.text("calendar", "show", str(day.year))

    # what is no calendar, and what is not ours
    file.write_text('{"2026-13-01": {"type": "holiday"}}')
    bad = at_b.run("calendar", "import", str(file), check=False)
    assert bad.returncode != 0 and "calendar.date" in bad.stderr and "2026-13-01" in bad.stderr
    file.write_text('{"2027-01-01": {"type": "holiday"}}')
    foreign = at_b.run("calendar", "import", str(file), "--division", "440100", check=False)
    assert foreign.returncode != 0 and "calendar.division" in foreign.stderr
    missing = at_b.run("calendar", "show", "1999", check=False)
    assert missing.returncode != 0 and "year" in missing.stderr


def test_a_day_beyond_the_known_holidays_is_provisional_until_they_are_published(cluster, tmp_path):
    a, b = start_provinces(cluster, A, B)
    case = submit(a, item=item_of(B, "困难残疾人生活补贴"), mode=None)
    bring_to(case, a, b, "accepted")
    known = max(day[:4] for day in HOLIDAYS)
    reached = max(datetime.date(int(known) + 1, 1, 8), today())
    days = 16
    while add_working_days(today(), days) < reached:
        days += 1
    if days > 16:
        act(b, case, "extend", extend_days=days - 16, official="1001", reason_code="complex", reason="案情复杂").ok()
    plain = add_working_days(today(), days)
    wait_for(lambda: "extend" in {e["type"] for e in view(a, case)["events"]} or days == 16, what="the extension at A")

    def listed(node):
        return {c["case"]: c["due"] for c in node.get("/v1/cases").ok().json()["cases"]}[case]

    def page(node, act):
        return node.get(f"/v1/cases/{case}/document?act={act}&purpose=print").ok().body.decode()

    chinese = f"{plain.year}年{plain.month}月{plain.day}日"
    for node in (a, b):
        decide = rows(node, case)["decide"]
        assert (decide["due"], decide["provisional"]) == (plain.isoformat(), True)
        assert (listed(node)["kind"], listed(node)["due"], listed(node)["provisional"]) == ("decide", plain.isoformat(), True)
        assert f"本机关将于{chinese}（暂定：相应年度的放假安排尚未公布，公布后按其重新计算）前作出决定" in page(node, "accept")
        text = Shell(node).text("case", "show", case)
        assert f"decide 决定 {plain} green (provisional 暂定)" in text and "tongban calendar import" in text
        assert f"{plain} 暂定" in text.split("\n\n")[1]
        assert f"{plain} green (provisional 暂定)" in Shell(node).text("case", "list")

    off = [plain, *(datetime.date(year, 1, 1) for year in range(int(known) + 1, plain.year + 1))]
    table = {day.isoformat(): {"type": "holiday", "name": "元旦"} for day in off}
    later = add_working_days(today(), days, {**HOLIDAYS, **table})
    assert later > plain
    file = tmp_path / "holidays.json"
    file.write_text(json.dumps(table, ensure_ascii=False))
    Shell(b).json("calendar", "import", str(file))
    for node in (a, b):
        wait_for(lambda: not rows(node, case)["decide"]["provisional"], what="the day to be certain")
        assert rows(node, case)["decide"]["due"] == later.isoformat()
        wait_for(lambda: (listed(node)["due"], listed(node)["provisional"]) == (later.isoformat(), False), what="the row")
        assert "暂定" not in page(node, "accept") and f"{later.year}年{later.month}月{later.day}日前作出决定" in page(node, "accept")
        assert "暂定" not in Shell(node).text("case", "show", case)


def test_what_is_lacking_comes_before_the_last_stage_ends(cluster):
    """容缺受理 (local rules): not beyond the limit to decide. Where the limits are those of stages that has run since the material came
    (收到推送之日起), the days of what is lacking run from 受理, when the applicant is told of them: fewer are left for it."""
    a, b = start_provinces(cluster, A, B)
    orphan, empty, corrected = submit(a), submit(a, serial=3), submit(a, serial=4)
    for case in (orphan, empty, corrected):
        wait_status(case, "arrived", a, b)
    act(b, corrected, "correct", reason_code="material.missing", reason="缺材料").ok()
    last = rows(b, orphan)["decide"]["due"]
    restart_later(9, a, b)
    left = rows(b, orphan)["decide"]["days_left"]
    assert 0 < left < 30
    for days in (30, left + 1):
        reply = act(b, orphan, "accept", lacking_days=days)
        assert (reply.status, reply.json()["id"]) == (409, "case.lacking-over"), reply
        assert f"at most {left}:" in reply.json()["message"] and "收到推送之日起" in reply.json()["message"]
    act(b, orphan, "accept", lacking_days=left).ok()
    assert rows(b, orphan)["lacking"]["due"] == rows(b, orphan)["decide"]["due"] == last
    reply = act(b, corrected, "accept", lacking_days=31)  # 补正 has ended what ran: the limit begins with this accept
    assert (reply.status, reply.json()["id"]) == (409, "case.lacking-over") and "at most 30:" in reply.json()["message"], reply
    act(b, corrected, "accept", lacking_days=30).ok()
    assert rows(b, corrected)["lacking"]["due"] == rows(b, corrected)["decide"]["due"]
    restart_later(80, a, b)
    reply = act(b, empty, "accept", lacking_days=1)
    assert (reply.status, reply.json()["id"]) == (409, "case.lacking-over") and "at most 0:" in reply.json()["message"], reply
    act(b, empty, "accept").ok()


def test_silence_is_acceptance(cluster):
    a, b = start_provinces(cluster, A, B)
    licence = item_of(B, "从业资格证补发")
    case, corrected = submit(a, item=licence), submit(a, item=licence, serial=3)
    decided, no_licence = submit(a, serial=4), submit(a, serial=5)
    for each in (case, corrected, decided, no_licence):
        wait_status(each, "arrived", a, b)
    act(b, corrected, "correct", reason_code="material.missing", reason="缺材料").ok()
    act(b, decided, "accept").ok()
    act(b, decided, "decide", decision="grant").ok()
    act(b, decided, "close").ok()
    wait_status(corrected, "correcting", a, b)
    wait_status(decided, "closed_granted", a, b)
    received = today()

    restart_later(30, a, b)
    wait_status(case, "accepted", a, b)
    accept = [e for e in view(a, case)["events"] if e["type"] == "accept"]
    assert len(accept) == 1 and accept[0]["role"] == "system" and "第三十二条第一款第四项" in accept[0]["explanation"]
    assert "deemed" in view(a, case)["flags"] and rows(a, case)["decide"]["from"] == received.isoformat()
    page = a.get(f"/v1/cases/{case}/document?act=accept&purpose=test").body.decode()
    day = f"{received.year}年{received.month}月{received.day}日"
    assert "受理通知书" in page and "第三十二条第一款第四项" in page and f"即为受理，受理日期{day}。" in page
    assert "齐全" not in page and "职权范围" not in page, "nobody has looked at it"
    assert view(b, corrected)["status"] == "correcting", "who was told in time is waited for"
    assert view(b, no_licence)["status"] == "arrived", "the law has it for licences alone"
    late, = [d for d in view(a, no_licence)["deadlines"] if d["kind"] == "accept"]
    assert late["colour"] == "red" and "不视为受理" in late["source"]
    assert [w.id for w in b.wait_log("deadline.deemed")]

    # overdue: in the list, the longest first; in the metrics; the same on both sides
    for node in (a, b):
        listed = node.get("/v1/cases?overdue=true").ok().json()["cases"]
        assert [(c["case"], c["due"]["kind"], c["due"]["colour"]) for c in listed] == [
            (decided, "deliver", "red"), (no_licence, "accept", "red"), (case, "decide", "red")][: len(listed)]
        assert decided in {c["case"] for c in listed}
        assert view(node, decided)["due"]["days_left"] < 0
    assert "tongban_cases_overdue " in b.get("/metrics").body.decode()
    assert Shell(b).json("case", "list", "--overdue", "--role", "deciding")["cases"][0]["case"] == decided
    wrong = Shell(b).run("case", "list", "--overdue", "--status", "granted", check=False)
    assert wrong.returncode != 0 and "case.filter" in wrong.stderr
    assert b.get("/v1/cases?overdue=perhaps").status == 400

    # once more: nothing is written twice
    restart_later(30, a, b)
    wait_status(case, "accepted", a, b)
    assert len([e for e in view(b, case)["events"] if e["type"] == "accept"]) == 1
    act(a, decided, "deliver", channel="window").ok()
    wait_status(decided, "delivered", a, b)
    assert view(a, decided)["due"] is None and rows(a, decided)["deliver"]["colour"] == "red", "late stays late"
