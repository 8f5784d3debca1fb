"""The tables of node/cases/CASES.md and federation/FORMATS.md against those of the program: types, rules, statuses, roles,
effects, flags, attributes, event by event and set by set.

The documents are read by tests/lib/tongban_reader.py, the program's tables out of its source text. Whatever cannot be
read fails: a table that changes its look has to be taught here.
"""
import re
from pathlib import Path

import pytest

import tongban_reader as reader

TREE = Path(__file__).resolve().parents[2]
CASES = TREE / "node" / "cases"


def source(name):
    return re.sub(r"/\*.*?\*/", " ", (CASES / name).read_text(), flags=re.S).replace("\\\n", " ")


def x_table(name, macro):
    """The rows X(…) of a macro table; texts without quotes."""
    body = re.search(rf"#define {macro}\(X\)(.*?)\n\s*\n", source(name) + "\n\n", re.S).group(1)
    rows = re.findall(r"X\(([^()]*(?:\([^()]*\)[^()]*)*)\)", body)
    rows = [[cell.strip().strip('"') for cell in row.split(",")] for row in rows]
    assert rows, macro
    return rows


def rule_rows(table):
    """{field: text} of each row of a rule table of rules.c."""
    body = re.search(rf"struct rule {table}\[\] = \{{(.*?)\n\}};", source("rules.c"), re.S).group(1)
    rows = []
    for text in re.findall(r"\{(.*?)\}", body, re.S):
        fields = re.findall(r"\.(\w+) = (.*?)(?=,\s*\.|,?\s*$)", text, re.S)
        rows.append({key: value.strip() for key, value in fields})
    return rows


def macros_of(name):
    return dict(re.findall(r"#define ([A-Z_]+) (.+)", source(name)))


def macros():
    return macros_of("rules.c")


def names_in(text, prefix):
    """The names of a set such as `AT_WINDOW | S(PAUSED)`, macros opened; @prefix is taken off."""
    known, found, left = macros(), set(), re.findall(r"S\(\w+\)|\w+", text.replace("(AT_", "( AT_"))
    while left:
        word = left.pop()
        inner = re.fullmatch(r"S\((\w+)\)", word)
        if inner:
            found.add(inner.group(1))
        elif word in known:
            left += re.findall(r"S\(\w+\)|\w+", known[word])
        elif word.startswith(prefix):
            found.add(word[len(prefix):])
        else:
            assert word in ("RULE_ROLE", "RULE_ATTR", "NEVER", "0"), word
    return {name.lower() for name in found}


BY = {"RULE_WHO_RECEIVING": "A", "RULE_WHO_LEAD": "B", "RULE_WHO_EITHER": "AB", "RULE_WHO_SUPERVISOR": "Above"}
ATTRIBUTE_NAMES = {macro.removeprefix("CASE_ATTR_").lower(): text for macro, _, text in x_table("event.h", "CASE_ATTRS")}
ROLES = {text: int(number) for _, number, text, _ in x_table("event.h", "CASE_ROLES")}


@pytest.mark.parametrize("version, table", [(0, "abstract"), (1, "law")])
def test_rules(version, table):
    types = {macro: (int(number), text) for macro, number, text, _ in x_table("event.h", "CASE_EVENT_TYPES")}
    rows = rule_rows(table)
    assert len(rows) == len(reader.RULES[version]) > 8
    for row in rows:
        number, name = types[row["type"]]
        rule = reader.RULES[version][number]
        assert (rule.type, rule.rank, rule.by) == (name, int(row["rank"]), BY[row["who"]])
        assert rule.roles == {ROLES[r] for r in names_in(row["roles"], "CASE_ROLE_")}, name
        assert set(rule.needs) == {ATTRIBUTE_NAMES[a] for a in names_in(row.get("needs", "0"), "CASE_ATTR_")}, name
        assert rule.is_any == (row["allowed"] == "RULE_STATUS_ANY"), name
        if not rule.is_any:
            assert rule.allowed == names_in(row["allowed"], "CASE_STATUS_"), name
        assert rule.late == names_in(row.get("late", "0"), "CASE_STATUS_"), name
        after = row.get("after", "CASE_STATUS_NONE").removeprefix("CASE_STATUS_").lower()
        assert (rule.then or "none") == after, name


def test_types_and_sources():
    written = {cells[1]: cells for cells in reader.document_table(reader.CASES, "no", "type", "Chinese")}
    sources = {row["type"]: row["source"] for row in rule_rows("law")}
    for macro, number, name, chinese in x_table("event.h", "CASE_EVENT_TYPES"):
        assert written[name][0] == number and written[name][2] == chinese, name
        text = sources[macro].replace("XKF", macros()["XKF"])
        assert written[name][-1] == "".join(re.findall(r'"([^"]*)"', text)), name


def test_statuses_roles_effects_flags():
    rows = [["CASE_STATUS_NONE", "0", "none", "无"], *x_table("status.h", "CASE_STATUSES")]
    assert [r[:3] for r in reader.document_table(reader.CASES, "no", "status")] == [[n, t, c] for _, n, t, c in rows]
    assert {r: ROLES[r] for r in ROLES} == {
        "applicant": reader.ROLES["a"], "window": reader.ROLES["w"], "decider": reader.ROLES["d"],
        "supervisor": reader.ROLES["su"], "system": reader.ROLES["sy"]}
    assert reader.EFFECTS == {text: int(number) for _, number, text in x_table("casefile.h", "CASE_EFFECTS")}
    flags = x_table("casefile.h", "CASE_FLAGS")
    assert reader.FLAGS == {text: 1 << int(bit) for _, bit, text in flags} and len(flags) == 30
    assert all(macro == "CASE_FLAG_" + text.upper() for macro, _, text in flags)


def test_whys():
    """Each reason of the program stands in the document, and the document names no other."""
    codes = {code for _, code in x_table("casefile.h", "CASE_WHYS")}
    text = (CASES / "CASES.md").read_text()
    rows = reader.document_table(reader.CASES, "", "effect", "why")
    told = {why for row in rows for why in re.findall(r"\b[a-z_]{4,}\b", row[2])}
    assert told - {"case", "marked", "else"} <= codes, "the document names reasons that the program does not know"
    silent = {"applied", "recorded", "voids_decision", "second_correction", "parent_missing", "deemed",
              "extension_over", "lacking_unallowed", "lacking_over", "promise_unallowed"}  # of effect ok and pending
    assert all(re.search(rf"\b{code}\b", text) for code in codes - silent)


def test_attributes():
    enums = {"CASE_MODE_ONLINE": 1, "CASE_MODE_JOINT": 3, "CASE_DECISION_GRANT": 1, "CASE_DECISION_DENY": 2,
             "CASE_CHANNEL_WINDOW": 1, "CASE_CHANNEL_ELECTRONIC": 3, "CASE_FILE_ID_SIZE": 32, "CASE_SIDE_RECEIVING": 1, "CASE_SIDE_DECIDING": 2,
             "CASE_REVIEW_PASS": 1, "CASE_REVIEW_RETURN": 2, "CASE_UNIT_WORKING": 1, "CASE_UNIT_NATURAL": 2, "CASE_LIMITS_SIZE": 3 * len(x_table("event.h", "CASE_LIMITS")),
             "CASE_OFFICIAL_SIZE": int(macros_of("event.h")["CASE_OFFICIAL_SIZE"]),
             "CASE_ID_SIZE": int(macros_of("event.h")["CASE_ID_SIZE"])}
    sizes = dict(re.findall(r"char (\w+)\[(\d+)\];", source("event.h")))
    highest = {"FORM_U8": 2**8 - 1, "FORM_U16": 2**16 - 1, "FORM_U32": 2**32 - 1}
    rows = re.findall(r"\{(CASE_ATTR_\w+), (FORM_\w+), ([^,]+), ([^,]+), AT\((\w+)\)", source("event.c"))
    tags = {macro: (int(tag), text) for macro, tag, text in x_table("event.h", "CASE_ATTRS")}
    assert len(rows) == len(reader.ATTRIBUTES) == len(tags)
    for macro, form, low, high, field in rows:
        tag, name = tags[macro]
        low = enums.get(low) or int(low)
        text_max = re.fullmatch(r"TEXT_MAX\((\w+)\)", high)
        high = int(sizes[field]) - 1 if text_max else enums.get(high) or (
            highest[form] if "_MAX" in high else int(high))
        if form in highest:
            is_any = (low, high) == (1, highest[form])
            expected = f"{form[5:].lower()}, not 0" if is_any else f"{form[5:].lower()} {low}..{high}"
        else:
            expected = {"FORM_U64": "u64", "FORM_BYTES": f"{high} bytes"}.get(form, f"{form[5:].lower()} {low}..{high}")
        assert reader.ATTRIBUTES[tag] == (name, expected)


def test_deadlines():
    rows = reader.document_table(reader.CASES, "no", "deadline", "Chinese")
    program = x_table("deadline.h", "DEADLINES")
    assert [(no, name, chinese, source) for no, name, chinese, _, _, _, source in rows] == [
        (number, text, chinese, source) for _, number, text, chinese, _, source in program]
    for row, (*_, days, _) in zip(rows, program):
        assert (int(row[5]) if row[5].isdigit() else 0) == int(days), row
