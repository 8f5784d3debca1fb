"""Who applies: every kind of number, agent and guardian, through API and command line; and that none of it can be read
anywhere but in the content that is asked for with a purpose: answers, error texts, logs, files of the node.
"""
import json
import re

import pytest

from cluster import TREE, CommandFailed
from provinces import (
    number_warnings,
    ORPHAN, application, citizen_number, edit_json, ledger_size, start_provinces, add_provinces, submit, view, wait_met, wait_status, written_since,
)

A, B = "440000", "510000"
NOW = "20200105"  # a birth that makes a child of the applicant; division 999999 does not exist: nobody has such a number
CHILD = citizen_number(7, "999999", NOW)
AGENT, GUARDIAN = citizen_number(11), "H12345678"
PHONES = ["13800001234", "13900004321", "13700005678"]
NAMES = ["李小满", "王代办", "赵监护"]
SHA = "ab" * 32


def whole_application():
    return application(
        division="510104",
        applicant={"kind": "person", "name": NAMES[0], "id_type": "citizen_id", "id_number": CHILD, "phone": PHONES[0]},
        agent={"name": NAMES[1], "id_type": "citizen_id", "id_number": AGENT, "phone": PHONES[1],
               "authorisation": {"sha256": SHA, "scope": f"代{NAMES[0]}办理", "valid_until": "2099-12-31"}},
        guardian={"name": NAMES[2], "id_type": "hk_macau_permit", "id_number": GUARDIAN, "phone": PHONES[2],
                  "relation": "parent", "consent": True},
        form={"child": NAMES[0], "id": CHILD},
        materials=[{"code": "M1", "name": f"{NAMES[0]}.pdf", "sha256": SHA, "size": 3}],
    )


SECRETS = [CHILD, AGENT, GUARDIAN, *PHONES, *NAMES]


def leaks(text):
    return [x for x in SECRETS if x in text]


@pytest.fixture
def provinces(cluster):
    return start_provinces(cluster, A, B)


def routes():
    """(method, path, parameters) of every route of the API, out of its table: one that is added is driven, too."""
    rows = re.findall(r'\{"(GET|POST|PATCH|DELETE)", "([^"]+)", "([^"]*)"', (TREE / "node/http/route.c").read_text())
    assert len(rows) > 40
    return [row for row in rows if row[1] != "/v1/catalog/import"]  # its report quotes the file, and catalogs are public


FIELDS = "reason basis path file peer name status id hash act note purpose item node code applicant".split()


def requests_to(method, path, parameters, values):
    """Requests of one route with the child's number in every place of the path, in every parameter, in fields of the body."""
    def filled(**other):
        return re.sub(r"\{(\w+)\*?\}", lambda m: (values | other)[m.group(1)], path)

    targets = [filled()] if "purpose" not in parameters else []  # content asked for with a purpose is not masked
    targets += [filled(**{name: CHILD}) for name in re.findall(r"\{(\w+)", path)]
    targets += [f"{filled()}?{name}={CHILD}" for name in parameters.split()] + [f"{filled()}?{CHILD}=1"]
    bodies = [None]
    if method in ("POST", "PATCH"):
        bodies = [{}, {CHILD: 1}, CHILD, *({field: CHILD} for field in FIELDS)]
    return [(target, body) for target in targets for body in bodies]


def wrong_bodies():
    """Applications with somebody's number in every field where it does not belong."""
    for path in ("item", "node", "division", "mode", "applicant", "applicant.kind", "applicant.id_type", "form",
                 "materials", "forward", "agent", "agent.id_type", "agent.authorisation", "agent.authorisation.sha256",
                 "agent.authorisation.valid_until", "guardian", "guardian.relation", "guardian.consent", CHILD):
        body = whole_application()
        at = body
        *way, last = path.split(".")
        for step in way:
            at = at[step]
        at[last] = CHILD
        yield path, body
    for number in (CHILD[:-1] + ("0" if CHILD[-1] != "0" else "1"),):
        body = whole_application()
        body["applicant"]["id_number"] = number
        yield "wrong check digit", body


def test_nothing_personal_outside_the_content(provinces):
    a, b = provinces
    made = a.post("/v1/cases", whole_application()).ok().json()
    case, index = made["case"], made["first_index"]
    assert made["sensitive"] == ["under_14", "minor", "by_agent", "by_guardian"]
    assert any("999999" in w for w in made["warnings"])
    wait_status(case, "arrived", a, b)
    said = [json.dumps(made, ensure_ascii=False)]
    values = {"case": case, "code": ORPHAN, "node": B, "origin": A, "index": str(index), "id": "00", "file": "ab" * 32,
              "upload": "ab" * 16, "tile": "0/000", "origin_hash": "ab" * 32}
    for node in (a, b):
        for method, path, parameters in routes():
            for target, body in requests_to(method, path, parameters, values):
                reply = node.request(method, target, body, timeout=120)
                said.append(f"{method} {target.replace(CHILD, '…')}: {reply.body.decode(errors='replace')}")
        for path, body in wrong_bodies():
            reply = node.post("/v1/cases", body)
            assert reply.status >= 400, (path, reply)
            said.append(f"{path.replace(CHILD, '…')}: {reply.body.decode()}")
        for event in ({"type": CHILD}, {"type": "note", "note": 5, CHILD: 1}, {"type": "decide", "decision": CHILD},
                      {"type": "accept", "reason_code": CHILD + " "}, {"type": "evaluate", "grade": CHILD}):
            reply = node.post(f"/v1/cases/{case}/events", event)
            assert reply.status >= 400, reply
            said.append(reply.body.decode())
        said.append(node.post("/v1/identity/check", {"id_type": "citizen_id", "id_number": CHILD}).ok().body.decode())
        said.append(node.post("/v1/identity/check", {"id_type": CHILD, "id_number": "x"}).body.decode())
    note = f"{CHILD}的电话{PHONES[0]}"
    b.post(f"/v1/cases/{case}/events", {"type": "note", "note": note}).ok()
    wait_status(case, "arrived", a, b)
    for node in (a, b):
        said.append(json.dumps(view(node, case), ensure_ascii=False))
        shown = node.cluster.cli("case", "show", case, env={"TONGBAN_DIR": str(node.dir)}).stdout
        listed = node.cluster.cli("case", "list", env={"TONGBAN_DIR": str(node.dir)}).stdout
        said += [shown, listed]
    for text in said:
        assert not leaks(text), text
    masked = next(e["payload"] for e in view(b, case)["events"] if e["type"] == "submit")
    assert masked["sensitive"] == made["sensitive"] and masked["guardian"]["relation"] == "parent"
    # content asked for with a purpose has all of it, on both sides
    for node in (a, b):
        content = node.get(f"/v1/cases/{case}/events/{A}/{index}/payload?purpose=check").ok().body.decode()
        assert sorted(leaks(content)) == sorted(SECRETS)


def test_nothing_personal_in_files(provinces):
    """Neither log nor database nor any other file of either node: contents are sealed at rest."""
    a, b = provinces
    case = a.post("/v1/cases", whole_application()).ok().json()["case"]
    wait_status(case, "arrived", a, b)
    for node in (a, b):
        node.get(f"/v1/cases/{CHILD}")
        node.stop()
        assert not leaks(node.log_text())
        for path in node.dir.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert not [x for x in SECRETS if x.encode() in content], path
        node.start()


NUMBERS = [
    ("citizen_id", citizen_number(5), True), ("citizen_id", citizen_number(5)[:-1] + "A", False),
    ("uscc", "91440300TEMP0003XW", True), ("uscc", "91440300TEIP0003XW", False),
    ("hk_macau_permit", "H12345678", True), ("hk_macau_permit", "X12345678", False),
    ("taiwan_permit", "12345678", True), ("taiwan_permit", "1234567", False),
    ("residence_permit", citizen_number(3, "830000", "19050729"), True), ("residence_permit", citizen_number(5), False),
    ("passport", "E12345678", True), ("passport", "E1234567890", False),
    ("foreign_permanent_resident", citizen_number(1, "911840", "19050729"), True),
    ("foreign_permanent_resident", "US1234567890123", False), ("other", "军官证 123", True),
]


def test_kinds_of_number(provinces):
    a, b = provinces
    types = {t["id_type"] for t in a.get("/v1/identity/types").ok().json()["types"]}
    assert types == {kind for kind, _, _ in NUMBERS}
    assert {t["id_type"] for t in a.cli("identity", "types")["types"]} == types
    table = a.cluster.cli("identity", "types", env={"TONGBAN_DIR": str(a.dir)}).stdout
    assert all(t in table for t in types)
    for kind, number, good in NUMBERS:
        answer = a.post("/v1/identity/check", {"id_type": kind, "id_number": number}).ok().json()
        assert answer["valid"] == good and (answer["rule"] == "identity.ok") == good, (kind, answer)
        done = a.cluster.cli("identity", "check", "-", "--type", kind, input=number + "\n", check=False,
                             env={"TONGBAN_DIR": str(a.dir)})
        assert done.returncode == (0 if good else 2), (kind, done)
        if kind != "other":  # whose text has no form that could be told from words
            assert number not in done.stdout + done.stderr
        holder = {"kind": "organisation" if kind == "uscc" else "person", "name": NAMES[0], "id_type": kind,
                  "id_number": number}
        reply = a.post("/v1/cases", application(applicant=holder, division="510104"))
        assert (reply.status == 201) == good, (kind, reply)
        assert good or reply.json()["id"].startswith("identity."), reply
    with pytest.raises(CommandFailed) as e:
        a.cli("identity", "check", "1", "--type", "card")
    assert e.value.status == 2 and "json.choice" in e.value.stderr


def refused(node, id, **fields):
    reply = node.post("/v1/cases", whole_application() | fields)
    assert reply.status == 400 and reply.json()["id"] == id, reply
    return reply.json()["message"]


def test_agent_and_guardian_rules(provinces):
    a, b = provinces
    good = whole_application()

    def agent(**changes):
        return {k: v for k, v in (good["agent"] | changes).items() if v is not None}

    def guardian(**changes):
        return {k: v for k, v in (good["guardian"] | changes).items() if v is not None}

    before = ledger_size(a)
    assert "行政许可法第二十九条" in refused(a, "person.agent-authorisation", agent=agent(authorisation=None))
    refused(a, "person.agent-expired",
            agent=agent(authorisation=good["agent"]["authorisation"] | {"valid_until": "2020-01-01"}))
    refused(a, "person.agent-self", agent=agent(id_number=CHILD))
    refused(a, "person.agent-minor", agent=agent(id_number=citizen_number(8, "999999", NOW)))
    assert "第三十一条" in refused(a, "person.guardian-needed", guardian=None)
    refused(a, "person.guardian-consent", guardian=guardian(consent=False))
    refused(a, "person.guardian-self", guardian=guardian(id_type="citizen_id", id_number=CHILD))
    refused(a, "person.guardian-minor",
            guardian=guardian(id_type="citizen_id", id_number=citizen_number(8, "999999", NOW)))
    refused(a, "person.id-kind", applicant=good["applicant"] | {"kind": "organisation"})
    refused(a, "person.date",
            agent=agent(authorisation=good["agent"]["authorisation"] | {"valid_until": "31.12.2026"}))
    refused(a, "case.material-hash", agent=agent(authorisation=good["agent"]["authorisation"] | {"sha256": "abc"}))
    refused(a, "json.missing", agent=agent(name=None))
    refused(a, "json.missing", guardian=guardian(relation=None))
    refused(a, "json.choice", guardian=guardian(relation="friend"))
    refused(a, "identity.form", guardian=guardian(id_number="X12345678"))
    assert not written_since(a, before)


def test_agent_and_guardian_by_command_line(provinces, tmp_path):
    a, b = provinces
    paper = tmp_path / "authorisation.pdf"
    paper.write_bytes(b"paper")
    made = a.cli("case", "submit", "--item", ORPHAN, "--name", NAMES[0], "--id", CHILD, "--division", "510104",
                 "--agent-name", NAMES[1], "--agent-id", AGENT, "--authorisation", paper,
                 "--authorisation-scope", "全权", "--authorisation-until", "2099-12-31",
                 "--guardian-name", NAMES[2], "--guardian-id", GUARDIAN, "--guardian-id-type", "hk_macau_permit",
                 "--relation", "parent", "--guardian-consent")
    assert made["sensitive"] == ["under_14", "minor", "by_agent", "by_guardian"]
    wait_status(made["case"], "arrived", a, b)
    content = b.get(f"/v1/cases/{made['case']}/events/{A}/{made['first_index']}/payload?purpose=check").ok().json()
    whole = content.get("payload", content)
    assert whole["guardian"]["consent"] is True and whole["agent"]["authorisation"]["scope"] == "全权", content
    for options in (["--agent-phone", PHONES[1]], ["--relation", "parent"], ["--guardian-consent"]):
        with pytest.raises(CommandFailed) as e:
            a.cli("case", "submit", "--item", ORPHAN, "--name", NAMES[0], "--id", citizen_number(5), *options)
        assert e.value.status == 2 and "ctl.missing-option" in e.value.stderr


def test_severity_of_check_failures(cluster):
    """GB 32100: some codes in real use fail a check, so node.json says what that does (domain: warn)."""
    wrong = {"kind": "organisation", "name": "某单位", "id_type": "uscc", "id_number": "11330000TEMP000131"}
    wrong_org = wrong | {"id_number": "52110000TEMP000506"}
    unknown = {"kind": "person", "name": NAMES[0], "id_type": "citizen_id", "id_number": citizen_number(5, "999999")}
    ids = {"uscc_check": (wrong, "identity.check-digit"), "uscc_org_check": (wrong_org, "identity.organisation-check-digit"),
           "unknown_division": (unknown, "person.division")}
    a, b = add_provinces(cluster, A, B)
    edit_json(a.dir / "node.json", lambda c: c.update(identity=dict.fromkeys(ids, "refuse")))
    cluster.start()
    wait_met(a, b)
    for holder, id in ids.values():
        reply = a.post("/v1/cases", application(applicant=holder, division="510104"))
        assert reply.status == 400 and reply.json()["id"] == id, reply
        made = b.post("/v1/cases", application(applicant=holder, division="510104")).ok().json()
        assert len(number_warnings(made)) == 1, made
    a.stop()
    edit_json(a.dir / "node.json", lambda c: c.update(identity=dict.fromkeys(ids, "ignore")))
    a.start()
    for holder, id in ids.values():
        assert number_warnings(a.post("/v1/cases", application(applicant=holder, division="510104")).ok().json()) == []
    a.stop()
    edit_json(a.dir / "node.json", lambda c: c.update(identity={"uscc_check": "maybe"}))
    a.start(wait=False)
    assert a.wait_exit() != 0 and "config.value" in a.log_text() and "uscc_check" in a.log_text()
    a.expect_error("config.value")
