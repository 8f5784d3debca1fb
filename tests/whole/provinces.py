"""Provinces, people and cases for the tests of this folder.

The people are synthetic: born in 1905 (nobody alive has such a number), with a check digit that is right. Items are those
of catalog/data, or of a catalog that a test has written itself.
"""
import datetime
import json
import sqlite3
import unicodedata
from pathlib import Path

from cluster import TREE, wait_for

CATALOGS = TREE / "catalog" / "data"
PROVINCES = {"510000": ("四川省", "sichuan"), "440000": ("广东省", "guangdong"), "330000": ("浙江省", "zhejiang")}
ORPHAN = "11510000TEMP00021820007KSTB0066"  # 孤儿认定申请受理, Sichuan
ORPHAN_MATERIALS = [{"code": f"M0{n}", "name": f"{n}.pdf", "sha256": f"{n}" * 64, "size": n} for n in range(2, 6)]  # those it requires
CHINA = datetime.timezone(datetime.timedelta(hours=8))
WRONG_CREDIT_CODE = "91510100MA0000000Y"  # well formed, both check characters wrong


# ---- people ----------------------------------------------------------------------------------------------------------


def citizen_number(serial=2, division="510104", birth="19050729"):
    """GB 11643: 17 digits and ISO 7064 MOD 11-2."""
    digits = f"{division}{birth}{serial:03d}"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return digits + "10X98765432"[sum(int(d) * w for d, w in zip(digits, weights)) % 11]


def application(item=ORPHAN, serial=2, **fields):
    """A request for POST /v1/cases; @fields replace or add, None takes one away."""
    person = {"kind": "person", "name": "李小满", "id_type": "citizen_id", "id_number": citizen_number(serial)}
    whole = {"item": item, "mode": "collect", "applicant": person, "form": {"guardian_relation": "祖母"}, **fields}
    return {k: v for k, v in whole.items() if v is not None}


def number_warnings(made):
    """Those about the identity number: what the item asks for is another matter."""
    return [w for w in made["warnings"] if "id_number" in w]


def item_of(province, name):
    """The code of the first item of catalog/data with @name in its name."""
    items = json.loads((CATALOGS / f"{PROVINCES[province][1]}.json").read_text())["items"]
    return next(i["code"] for i in items if name in i["name"])


# ---- days ------------------------------------------------------------------------------------------------------------


def today():
    return datetime.datetime.now(CHINA).date()


def left_of_today():
    now = datetime.datetime.now(CHINA)
    return (datetime.datetime.combine(now.date() + datetime.timedelta(days=1), datetime.time(), CHINA) - now).total_seconds()


def wait_long_day(seconds=240):
    """Until midnight in China is so far away that a test which computes with the day ends before it: it waits for the next day when it is not."""
    wait_for(lambda: left_of_today() > seconds, seconds + 60, what="a day that lasts")


# ---- nodes -----------------------------------------------------------------------------------------------------------


def add_provinces(cluster, *regions, catalog=None, ledger=None, files=False):
    """Adds nodes with the catalogs of catalog/data, or of the folder @catalog where it has one. @ledger, @files: as add_node()."""
    nodes = []
    for region in regions:
        name, stem = PROVINCES[region]
        file = CATALOGS / f"{stem}.json"
        if catalog is not None:
            file = Path(catalog) / f"{stem}.json"
        nodes.append(cluster.add_node(region, name, catalog=file, ledger=ledger, files=files))
    return nodes


def wait_met(*nodes):
    """Until each of @nodes is connected to all others and holds their catalogs."""
    for node in nodes:
        def met():
            peers = [p for p in node.get("/v1/peers").ok().json()["peers"] if p["code"] in codes]
            return len(peers) == len(nodes) - 1 and all(p["state"] == "connected" and p["items"] > 0 for p in peers)

        codes = {int(n.region) for n in nodes}
        wait_for(met, what=f"{node} to meet its peers and hold their catalogs")


def start_provinces(cluster, *regions, **options):
    """add_provinces(), started and met."""
    nodes = add_provinces(cluster, *regions, **options)
    cluster.start()
    wait_met(*nodes)
    return nodes


def copy_catalogs(folder, keep=4):
    """Catalogs of @keep items each (and the orphan item) in @folder, for tests that change them."""
    folder.mkdir(exist_ok=True)
    for name, stem in PROVINCES.values():
        catalog = json.loads((CATALOGS / f"{stem}.json").read_text())
        catalog["items"] = [x for i, x in enumerate(catalog["items"]) if i < keep or x["code"] == ORPHAN]
        write_json(folder / f"{stem}.json", catalog)
    return folder


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1))


def edit_json(path, change):
    value = json.loads(path.read_text())
    change(value)
    write_json(path, value)


# ---- cases -----------------------------------------------------------------------------------------------------------


def submit(node, item=ORPHAN, serial=2, key=None, **fields):
    headers = {"Idempotency-Key": key} if key else None
    return node.post("/v1/cases", application(item, serial, **fields), headers=headers).ok().json()["case"]


def view(node, case):
    return node.get(f"/v1/cases/{case}").ok().json()


def act(node, case, type, **fields):
    """Writes one event; the reply, whatever its status."""
    return node.post(f"/v1/cases/{case}/events", {"type": type, **fields})


def wait_status(case, status, *nodes):
    """Until all @nodes show @status and the same digest; the last one's view."""
    last = []

    def agree():
        last[:] = [node.get(f"/v1/cases/{case}") for node in nodes]
        views = [reply.json() for reply in last if reply.status == 200]
        same = len(views) == len(nodes) and len({v["digest"] for v in views}) == 1
        return views[-1] if same and all(v["status"] == status for v in views) else None

    try:
        return wait_for(agree, what=f"case …{case[-8:]} to be {status} with one digest")
    except TimeoutError as e:
        raise TimeoutError(f"{e}; the nodes say {last}") from None


def bring_to(case, window, office, status):
    """Walks a forwarded case on the usual way up to @status; both sides then show it."""
    wait_status(case, "arrived", window, office)
    way = {"accepted": {"type": "accept"}, "processing": {"type": "process"},
           "granted": {"type": "decide", "decision": "grant"}, "closed_granted": {"type": "close"}}
    for reached, event in way.items():
        if status == "arrived":
            return
        act(office, case, **event).ok()
        wait_status(case, reached, window, office)
        if reached == status:
            return
    raise ValueError(f"no way to '{status}'")


def ledger_size(node):
    return node.get("/v1/ledger").ok().json()["size"]


def entries_from(node, index=0):
    """Own entries of @node from @index on, as the API gives them."""
    rows = []
    while page := node.get(f"/v1/ledger/entries?from={index + len(rows)}&limit=100").ok().json()["entries"]:
        rows += page
    return rows


def written_since(node, size=0):
    """entries_from(), without heads entries: these come by themselves when their time has come."""
    return [x for x in entries_from(node, size) if x["leaf"]["kind"] != "heads"]


def hashes_of(node):
    """Of its own entries: who shows the same list later, or a longer one, has gone on with the same history."""
    return [x["hash"] for x in entries_from(node)]


def assert_same_history(node, hashes):
    """@node has all of @hashes again, and has written nothing behind it."""
    assert hashes_of(node)[: len(hashes)] == hashes and not written_since(node, len(hashes)), node


def stopped_size(node):
    """How many own entries a stopped node's ledger.db holds."""
    db = sqlite3.connect(f"file:{node.dir / 'ledger.db'}?mode=ro", uri=True)
    sql = "SELECT max(id) & ((1 << 40) - 1) FROM entry WHERE id >> 40 = (SELECT slot FROM node WHERE node = ?)"
    (last,) = db.execute(sql, [int(node.region)]).fetchone()
    db.close()
    return last + 1


def held_of(node, region):
    """How many entries of @region's ledger @node has."""
    return next(p["held_size"] for p in node.get("/v1/peers").ok().json()["peers"] if p["code"] == int(region))


def stop_held(node, holder):
    """Stops @node when @holder has all its entries, also what it wrote in its last moment: who loses its disk has them back from there."""
    while True:
        node.stop()
        if held_of(holder, node.region) >= stopped_size(node):
            return
        node.start()
        wait_for(lambda: held_of(holder, node.region) >= ledger_size(node), what=f"{holder} to hold everything of {node}")


def assert_whole(*nodes):
    """Each node is well, and everything stored verifies."""
    for node in nodes:
        assert node.get("/healthz").status == 200, node
        assert node.post("/v1/ledger/verify").ok().json()["result"] == "ok", node


# ---- text ------------------------------------------------------------------------------------------------------------


def columns(text):
    """@text as a list with one element per column of a terminal: a wide character, then '' for its second column."""
    cells = []
    for c in text:
        cells.append(c)
        if unicodedata.east_asian_width(c) in "WF":
            cells.append("")
    return cells


def assert_table(text, *header):
    """@text is a table with the columns @header, each cell under its header; returns the rows, apart by column."""
    lines = text.splitlines()
    assert lines[0].split() == list(header), lines[0]
    starts = [lines[0].index(name) for name in header]
    rows = []
    for line in lines[1:]:
        cells = columns(line)
        row = []
        for start, end in zip(starts, starts[1:] + [len(cells)]):
            assert start == 0 or cells[start - 2 : start] == [" ", " "], f"column {start} of {line!r}"
            assert start < len(cells) and cells[start] != " ", f"column {start} of {line!r}"
            row.append("".join(cells[start:end]).rstrip())
        rows.append(row)
    return rows
