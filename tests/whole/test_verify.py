"""Verification finds damage: `tongban ledger verify` on a running node, `tongband --verify` on a stopped one.

A healthy node passes. Then copies of its ledger.db are changed in one place each: a bit of one value in every column of
every table (through SQL), a bit of the raw file, a row less. Each time --verify must fail and name a place; only when
what SQLite reads out is exactly as before (a bit in free space) may it pass. The choice of rows and bits follows SEED.
"""
import contextlib
import random
import re
import sqlite3
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from cluster import IS_DEBUG, Cluster, wait_for
from provinces import CATALOGS, act, assert_whole, bring_to, copy_catalogs, edit_json, start_provinces, submit, wait_status

A, B = "440000", "510000"
ITEMS = ["0020KSTB0001", "0020KSTB0003"]  # of the bundle, among those that copy_catalogs() keeps
SEED = 20261124
ROWS_PER_COLUMN, RAW_FLIPS = (4, 250) if IS_DEBUG else (1, 80)  # a sanitizer takes its time to start
MAY_BE_EMPTY = ("request_key1", "request_key2")  # older stages of the look-up of requests: filled by thousands
# What is made again, or had again from the peers: what a peer has of ours; confirmed positions and cosigned checkpoints (facts);
# what proves a peer's entries while it is away (cover); when older versions of items were published (item_version; the entries
# stand in the ledgers); deadlines (due), which follow each event of their case. All else that is gone must be noticed.
MAY_GO = ("ack", "fact", "cover", "item_version", "due")
# The index of the catalog search: made from the items, holds nothing of its own, needs the program's tokenizer to be opened.
DERIVED = "item_search"
PLACE = re.compile(r"\b(entry|row|number|tile|page|Page|Tree|index|table|case|item|ledger of|ledger has|ledger\.db)\b.? ?\S")


class Healthy:
    """A stopped node whose ledger.db has rows in every table."""

    def __init__(self, cluster, node):
        self.cluster = cluster
        self.node = node
        self.good = (node.dir / "ledger.db").read_bytes()
        self.dump = dump(node.dir / "ledger.db")

    def verify(self):
        command = [str(self.cluster.program("tongband")), "--config", str(self.node.dir / "node.json"), "--verify"]
        return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=180)

    def put_back(self):
        for name in ("ledger.db-wal", "ledger.db-shm"):
            (self.node.dir / name).unlink(missing_ok=True)
        (self.node.dir / "ledger.db").write_bytes(self.good)


@contextlib.contextmanager
def database(path):
    """Changes are written and the write-ahead log is gone at the end: everything is in the one file again."""
    db = sqlite3.connect(path)
    try:
        yield db
        db.commit()
    finally:
        db.close()
    assert not path.with_name(path.name + "-wal").exists()


def dump(path):
    """All that SQLite reads out of the file, or None when it cannot read it."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as db:
            db.text_factory = bytes
            tables = db.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name").fetchall()
            tables = [row for row in tables if DERIVED.encode() not in b" ".join(x or b"" for x in row)]
            rows = [[row[:3] for row in tables]]  # a letter in a definition that changes no content may go unnoticed
            for kind, name, _, _ in tables:
                if kind == b"table":
                    rows.append(db.execute(f'SELECT * FROM "{name.decode()}"').fetchall())
            rows.append(db.execute("PRAGMA user_version").fetchall() + db.execute("PRAGMA application_id").fetchall())
            return rows
    except (sqlite3.Error, UnicodeDecodeError, OverflowError):
        return None


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    with Cluster() as cluster:
        catalogs = copy_catalogs(tmp_path_factory.mktemp("catalogs"))
        a, b = start_provinces(cluster, A, B, catalog=catalogs)
        first = submit(a, serial=2, key="first")
        bring_to(first, a, b, "closed_granted")
        act(a, first, "deliver", channel="window", note="备注").ok()
        taken = b.get(f"/v1/catalog?node={A}&limit=1").json()["items"][0]["code"]
        back = submit(b, taken, serial=3, division="440106", mode=None)  # decided by A: it counts its numbers
        wait_status(back, "arrived", b, a)
        for serial in range(70):  # past 256 own entries: a full tile of the tree is stored
            last = submit(a, serial=10 + serial, key=f"key-{serial}")
        wait_status(last, "arrived", a, b)
        bundles = catalogs / "bundles.json"
        bundles.write_bytes((CATALOGS / "bundles-guangdong.json").read_bytes())
        edit_json(bundles, lambda c: [m.update(item=i) for m, i in zip(c["bundles"][0]["members"], ITEMS, strict=True)])
        a.cli("bundle", "import", bundles, "--publish")
        edit_json(catalogs / "guangdong.json", lambda c: c["items"].pop(1))
        a.stop()
        a.start()
        wait_status(last, "arrived", a, b)
        assert_whole(a, b)
        said = a.cli("ledger", "verify")
        assert said["result"] == "ok" and said["own_leaves"] > 256 and said["cases"] == 72
        a.stop()
        b.stop()
        yield Healthy(cluster, a)


def tables_of(path):
    with database(path) as db:
        names = [n for (n,) in db.execute("SELECT name FROM sqlite_schema WHERE type='table' AND name NOT LIKE 'sqlite%'")]
        names = [n for n in names if not n.startswith(DERIVED)]
        return {n: [row[1] for row in db.execute(f'PRAGMA table_info("{n}")')] for n in names}


def test_healthy_node_passes(healthy):
    done = healthy.verify()
    assert done.returncode == 0 and done.stderr == "" and "all verified" in done.stdout, done
    assert dump(healthy.node.dir / "ledger.db") == healthy.dump, "looking changes nothing"
    path = healthy.node.dir / "ledger.db"
    for name in tables_of(path):
        with database(path) as db:
            count = db.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
        assert count > 0 or name in MAY_BE_EMPTY, f"table {name} is empty: nothing of it is tested"


def flipped(value, random_source):
    """@value with one bit changed, of the same type."""
    if isinstance(value, int):
        bit = random_source.randrange(0, 40)
        return value ^ (1 << bit)
    data = bytearray(value.encode() if isinstance(value, str) else value)
    if not data:
        return "x" if isinstance(value, str) else b"x"
    at = random_source.randrange(len(data))
    if isinstance(value, str):
        data[at] = data[at] ^ 1 if data[at] < 0x80 else data[at]
        text = data.decode(errors="ignore")
        return text if text != value else value + "x"
    data[at] ^= 1 << random_source.randrange(8)
    return bytes(data)


def assert_found(healthy, what, failures):
    done = healthy.verify()
    if done.returncode == 0:
        failures.append(f"{what}: not noticed")
    elif done.returncode < 0 or done.returncode == 9 or "anitizer" in done.stderr:
        failures.append(f"{what}: status {done.returncode}: {done.stderr[-300:]}")
    elif not PLACE.search(done.stderr) or "FAILED" not in done.stdout and "tongband: store" not in done.stderr:
        failures.append(f"{what}: no place in: {done.stderr} {done.stdout}")


def test_every_column_of_every_table(healthy):
    source = random.Random(SEED)
    path = healthy.node.dir / "ledger.db"
    failures, count = [], 0
    for table, columns in tables_of(path).items():
        with database(path) as db:
            rowids = "WITHOUT ROWID" not in db.execute("SELECT sql FROM sqlite_schema WHERE name=?", (table,)).fetchone()[0]
            keys = columns[:1] if rowids else [r[1] for r in db.execute(f'PRAGMA table_info("{table}")') if r[5] > 0]
            rows = db.execute(f'SELECT {", ".join(columns)} FROM "{table}"').fetchall()
        for column in columns:
            at = columns.index(column)
            have = [row for row in rows if row[at] is not None]
            for row in source.sample(have, min(ROWS_PER_COLUMN, len(have))):
                new = flipped(row[at], source)
                where = " AND ".join(f"{k} IS ?" for k in keys)
                values = [row[columns.index(k)] for k in keys]
                try:
                    with database(path) as db:
                        done = db.execute(f'UPDATE "{table}" SET {column} = ? WHERE {where}', [new, *values])
                        assert done.rowcount == 1
                except sqlite3.IntegrityError:
                    healthy.put_back()
                    continue  # the engine itself refuses the double
                count += 1
                assert_found(healthy, f"{table}.{column} {values} {str(row[at])[:40]!r} -> {str(new)[:40]!r}", failures)
                healthy.put_back()
    assert not failures, f"{len(failures)} of {count}:\n" + "\n".join(failures)
    assert count > 37 * ROWS_PER_COLUMN


def test_a_row_less_or_emptied(healthy):
    path = healthy.node.dir / "ledger.db"
    failures, count = [], 0
    for table, columns in tables_of(path).items():
        key = columns[0]
        # the version of the search index: without it the index is made again
        rows = f"\"{table}\" WHERE {key} <> 'catalog/search'" if table == "counter" else f'"{table}"'
        for which in ("min", "max"):
            with database(path) as db:
                db.execute(f'DELETE FROM "{table}" WHERE {key} = (SELECT {which}({key}) FROM {rows})')
                changed = db.total_changes
            if changed and table not in MAY_GO:
                count += 1
                assert_found(healthy, f"{table}: the row with the {which} {key} is gone", failures)
            healthy.put_back()
    with database(path) as db:
        db.execute("UPDATE entry SET content = NULL WHERE id = (SELECT min(id) FROM entry WHERE content > 0)")
    assert_found(healthy, "entry.content is NULL", failures)
    healthy.put_back()
    assert not failures, f"{len(failures)} of {count}:\n" + "\n".join(failures)


def test_bits_of_the_file(healthy):
    source = random.Random(SEED)
    path = healthy.node.dir / "ledger.db"
    failures, harmless = [], 0
    places = [source.randrange(len(healthy.good)) for _ in range(RAW_FLIPS - 40)] + list(range(0, 100, 5))
    pages = len(healthy.good) // 8192
    places += [source.randrange(pages) * 8192 + source.randrange(12) for _ in range(20)]
    for at in places:
        bad = bytearray(healthy.good)
        bad[at] ^= 1 << source.randrange(8)
        path.write_bytes(bytes(bad))
        same = dump(path) == healthy.dump
        before = len(failures)
        assert_found(healthy, f"byte {at} (page {at // 8192 + 1}, offset {at % 8192})", failures)
        if len(failures) > before and same and failures[-1].endswith("not noticed"):
            failures.pop()
            harmless += 1
        elif len(failures) > before:
            now = dump(path)
            failures[-1] += repr([(a, b) for x, y in zip(healthy.dump, now) for a, b in zip(x, y) if a != b])[:500]
        healthy.put_back()
    print(f"{len(places)} flips, {harmless} without effect on the content")
    assert not failures, f"{len(failures)} of {len(places)}:\n" + "\n".join(failures)
    assert harmless < len(places) / 2, "hardly any flip hits content: the test shows nothing"


def test_files_cut_short(healthy):
    path = healthy.node.dir / "ledger.db"
    failures = []
    for size in (0, 1, 100, 8192, len(healthy.good) // 2, len(healthy.good) - 8192, len(healthy.good) - 1):
        path.write_bytes(healthy.good[:size])
        if size > len(healthy.good) - 8192 and dump(path) == healthy.dump:
            healthy.put_back()
            continue  # the engine reads zeros behind the end, and zeros stood there
        assert_found(healthy, f"cut to {size}", failures)
        healthy.put_back()
    assert not failures, "\n".join(failures)


def test_one_at_a_time(healthy):
    """Who asks while another verification runs is refused, and that one goes on."""
    node = healthy.node
    try:
        node.start()
        ask = lambda _: node.post("/v1/ledger/verify", timeout=180)

        def refused():
            with ThreadPoolExecutor(4) as pool:
                replies = list(pool.map(ask, range(4)))
            assert any(r.status == 200 for r in replies), [r.body for r in replies]
            return [r for r in replies if r.status != 200]

        for reply in wait_for(refused, what="two verifications to meet"):
            assert (reply.status, reply.json()["id"]) == (503, "ledger.verify-running"), reply.body
        assert ask(0).ok().json()["result"] == "ok"
    finally:
        node.stop()
        healthy.put_back()


def test_running_node_tells_too(healthy, tmp_path):
    """The same through the API, on a node that was started over a damaged payload."""
    node = healthy.node
    with database(node.dir / "ledger.db") as db:
        (no,) = db.execute("SELECT max(no) FROM content WHERE length(body) > 100").fetchone()
        db.execute("UPDATE content SET body = zeroblob(length(body)) WHERE no = ?", (no,))
    try:
        node.start()
        reply = node.post("/v1/ledger/verify")
        said = reply.json()
        assert reply.status == 500 and said["code"] == "corrupt" and re.search(r"\d", said["message"]), said
        done = healthy.cluster.cli("ledger", "verify", env={"TONGBAN_DIR": str(node.dir)}, check=False)
        assert done.returncode == 7 and said["id"] in done.stderr
        assert node.get("/healthz").status == 200, "it goes on"
    finally:
        node.stop()
        healthy.put_back()
    assert healthy.verify().returncode == 0
