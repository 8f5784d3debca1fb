"""node/ERRORS.md lists every stable error and log id of the tree, and nothing else.

An id is a text literal of the form "area.what-is-wrong" in the C files of the product. After a change,
`python3 tests/tidy/test_errors.py` prints the rows that are missing, ready to be put in and completed.
"""
import re
import sys
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
BOOK = TREE / "node" / "ERRORS.md"

ID = re.compile(r"[a-z][a-z0-9_]*\.[a-z0-9]+(?:-[a-z0-9]+)*")
COMMENT = re.compile(r"/\*.*?\*/", re.S)
# A run of literals and format macros: what the compiler sees as one text.
TEXT = re.compile(r'"(?:\\.|[^"\\\n])*"(?:\s*(?:PRI\w+|[A-Z][A-Z0-9_]*)?\s*"(?:\\.|[^"\\\n])*")*')
LITERAL = re.compile(r'"((?:\\.|[^"\\\n])*)"')
ROW = re.compile(r"^\| `([^`]+)` \| ([^|]*) \| (.*) \| (.*) \|$")
CODES = set(
    "invalid too_large not_found conflict denied unauthorized io disk_full corrupt verification_failed busy timeout "
    "unsupported closing internal log passed-on".split()
)

# Texts of that form which are no ids: names of files, of JSON fields, of hosts.
FILE_SUFFIX = re.compile(
    r"(?:peer|sichuan|api|ca|tls|crl|node|ledger|heads|keys|seal|witness|divisions|divisions_historic|divisions_successors|holidays|federation|members|request|writer|issued|"
    r"case|event)\.(?:log|sock|token|crt|crl|pem|key|json|tsv|db|note|pub|lock|wal)"
)
FIELDS = {
    "department.uscc", "fee.basis", "fee.items", "later.n", "limits.stages", "promise.materials", "promise.text", "tongban.example",
    "visits.count", "visits.reason",
}
IDS_LIKE_FILES = {"config.json"}  # "config" is no file of a node


def texts_of(code):
    """(text, offset): adjacent literals joined, format macros as '…'."""
    for match in TEXT.finditer(code):
        whole = match.group(0)
        at, joined = 0, ""
        for literal in LITERAL.finditer(whole):
            if whole[at : literal.start()].strip():
                joined += "…"
            joined += literal.group(1)
            at = literal.end()
        yield joined, match.start()


def is_id(text):
    if not ID.fullmatch(text) or text in FIELDS:
        return False
    return text in IDS_LIKE_FILES or not FILE_SUFFIX.fullmatch(text)


def ids_in(code):
    """{id: [(code name, message)]} of one file's text."""
    code = COMMENT.sub(lambda m: "\n" * m.group(0).count("\n"), code)
    found = {}
    texts = list(texts_of(code))
    for at, (text, offset) in enumerate(texts):
        if not is_id(text):
            continue
        before = code[max(0, offset - 160) : offset].split(";")[-1]
        names = re.findall(r"ERR_([A-Z_]+)|\b(log_(?:error|warn|info|debug|line))|LOG_LEVEL_([A-Z]+)", before)
        kind = next((x for x in names[-1] if x), "") if names else ""
        message = ""
        if at + 1 < len(texts) and ";" not in code[offset : texts[at + 1][1]]:
            message = texts[at + 1][0]
        found.setdefault(text, []).append((kind, "" if is_id(message) else message))
    return found


def ids_of_tree():
    """{id: [(code name, message, path)]}"""
    found = {}
    for folder in ("node", "federation", "catalog", "certs"):
        for path in sorted((TREE / folder).rglob("*.c")):
            if path.name == "columns.c":  # a table of paths in items, which look like ids
                continue
            for id, uses in ids_in(path.read_text(encoding="utf-8")).items():
                name = str(path.relative_to(TREE))
                found.setdefault(id, []).extend((*use, name) for use in uses)
    return found


def rows(text):
    """{id: (codes, meaning, remedy)}; a second row of one id is an error."""
    found = {}
    for line in text.splitlines():
        match = ROW.match(line)
        if match:
            assert match.group(1) not in found, f"{match.group(1)} stands twice"
            found[match.group(1)] = match.groups()[1:]
    return found


def test_every_id_is_listed():
    missing = sorted(set(ids_of_tree()) - set(rows(BOOK.read_text(encoding="utf-8"))))
    assert not missing, "not in node/ERRORS.md: " + ", ".join(missing)


def test_every_row_is_alive():
    dead = sorted(set(rows(BOOK.read_text(encoding="utf-8"))) - set(ids_of_tree()))
    assert not dead, "in node/ERRORS.md, but not in the code: " + ", ".join(dead)


def test_rows_are_complete():
    area = None
    for line in BOOK.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            area = line[3:].split(":")[0].split(",")
        match = ROW.match(line)
        if match:
            id, codes, meaning, _ = match.groups()
            assert id.split(".")[0] in [x.strip(" `") for x in area], f"{id} stands under {area}"
            assert meaning.strip(), f"{id} says nothing"
            assert set(codes.split(", ")) <= CODES, f"{id}: {codes}"


def test_the_search_finds_what_it_should():
    code = """/* "comment.not" */
        err_set(e, ERR_INVALID, "area.what", "bad %" PRIu64 " of "
                "two");
        log_warn("peer", NULL, "peer.lost", "gone");
        open("node.json"); x("tongban.example", "Area.What", "a b.c", "area.");
        return rc ? err_set(e, ERR_IO, "area.io", "one") : err_set(e, ERR_FULL, "area.full", "two");"""
    assert ids_in(code) == {
        "area.what": [("INVALID", "bad %… of two")],
        "peer.lost": [("log_warn", "gone")],
        "area.io": [("IO", "one")],
        "area.full": [("FULL", "two")],
    }
    assert rows("| `a.b` | io | text | do |\n| no | row | x | y |") == {"a.b": ("io", "text", "do")}


# The wire names of node/base/err.h.
CODE_NAMES = {
    "INVALID": "invalid", "LIMIT": "too_large", "NOT_FOUND": "not_found", "CONFLICT": "conflict", "DENIED": "denied",
    "AUTH": "unauthorized", "IO": "io", "FULL": "disk_full", "CORRUPT": "corrupt", "VERIFY": "verification_failed",
    "BUSY": "busy", "TIMEOUT": "timeout", "UNSUPPORTED": "unsupported", "CLOSED": "closing", "INTERNAL": "internal",
}  # fmt: skip


def draft_row(id, uses):
    kinds = {"log" if k.startswith("log_") or k in ("ERROR", "WARN", "INFO", "DEBUG") else CODE_NAMES.get(k, "passed-on") for k, _, _ in uses}
    # "%…" a format macro, %s and the like: all become …
    messages = [re.sub(r"%(?:…|[-+ #0]*[\d.*]*(?:hh|h|ll|l|z|j)?[a-zA-Z])", "…", m).replace("%%", "%") for _, m, _ in uses]
    messages = [re.sub(r"%$", "…", m) for m in dict.fromkeys(messages) if m.strip()]
    meaning = "; ".join(m.replace("|", "/").replace('\\"', '"') for m in messages)
    return f"| `{id}` | {', '.join(sorted(kinds))} | {meaning} |  |"


if __name__ == "__main__":
    known = rows(BOOK.read_text(encoding="utf-8")) if BOOK.exists() else {}
    for id, uses in sorted(ids_of_tree().items()):
        if id not in known:
            print(draft_row(id, uses))
    sys.exit(0)
