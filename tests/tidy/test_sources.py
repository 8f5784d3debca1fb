"""Every row of a table of rules has a row in a test that names its source (the article, the standard), word for word: a rule that
is added, or rests on something else than before, fails here until its test says so. That the tests try what they name is theirs.

TABLES says how the rows of each table are read, and which test is theirs. A file of the product in which three or more texts
name a law or a standard is such a table, or stands in NO_TABLES with the reason."""
import re
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]
TEXT = re.compile(r'"((?:\\.|[^"\\\n])*)"')
NAMES_LAW = re.compile(r"第[一二三四五六七八九十百]+条|行政许可法|国办发|国务院令|GB/T|GB \d|GM/T|ISO[ /]")


def code(path):
    text = re.sub(r"/\*.*?\*/", " ", (TREE / path).read_text(encoding="utf-8"), flags=re.S).replace("\\\n", " ")
    for name, value in re.findall(r'#define (\w+) ("[^"\n]*")\n', text):  # a word that stands for a text
        text = re.sub(rf'\b{name} "', lambda _, value=value: value[:-1], text)
    return re.sub(r'"\s+"', "", text)  # one text in several pieces


def x_rows(macro):
    def rows(text):
        body = re.search(rf"#define {macro}\(X\)(.*?)\n\s*\n", text + "\n\n", re.S).group(1)
        return re.findall(r'X\(((?:"(?:\\.|[^"\\])*"|[^()"])*)\)', body)
    return rows


def braces(begin):
    def rows(text):
        body = re.search(re.escape(begin) + r"\s*\{(.*?)\n\};", text, re.S).group(1)
        return re.findall(r'\{((?:"(?:\\.|[^"\\])*"|[^{}"])*)\}', body)
    return rows


# table -> file, its rows, where in the texts of a row key and source stand, the test
TABLES = {
    "rules": ("node/cases/rules.c", braces("struct rule law[] ="), None, -1, "tests/unit/cases/test_rules.c"),
    "deadlines": ("node/cases/deadline.h", x_rows("DEADLINES"), None, -1, "tests/unit/cases/test_deadline.c"),
    "days by law": ("node/cases/law.h", x_rows("LAW_DAYS"), 0, 1, "tests/unit/cases/test_deadline.c"),
    "identity kinds": ("node/cases/identity.h", x_rows("IDENTITY_KINDS"), 0, 2, "tests/unit/cases/test_identity.c"),
    "persons": ("node/cases/person.h", x_rows("PERSON_RULES"), 0, 1, "tests/unit/cases/test_person.c"),
    "documents": ("node/receipt/document.c", braces("documents[] ="), 0, 1, "tests/unit/receipt/test_document.c"),
    "items": ("catalog/item_rules.c", braces("item_rules[] ="), 0, 1, "tests/unit/catalog/test_item.c"),
    "routes": ("catalog/route.c", braces("route_rules[] ="), None, 1, "tests/unit/catalog/test_route.c"),
    "file types": ("node/files/file_type.c", braces("file_types[FILE_TYPES_COUNT] ="), 0, -1, "tests/unit/files/test_file_type.c"),
    "erasure": ("node/app.h", x_rows("APP_ERASE_BASES"), 0, -1, "tests/whole/test_erase.py"),
}
NO_TABLES = {
    "node/cases/explain.c": "sentences about the rules; test_refusals_name_their_source has them",
    "node/app_terms.c": "what the applicant is told; tests/whole/test_law.py reads it",
}


def rows_of(table):
    """(key or None, source) of each row."""
    path, rows, key, source, _ = TABLES[table]
    found = []
    for row in rows(code(path)):
        texts = TEXT.findall(row)
        found.append((None if key is None else texts[key], texts[source]))
    return found


def count_in(test, key, source):
    """How often @test has both texts beside each other, at most four texts apart."""
    texts = [t or u for t, u in re.findall(r'"((?:\\.|[^"\\\n])*)"|\'([^\'\n]*)\'', code(test))]
    if key is None:
        return texts.count(source)
    return sum(t == key and source in texts[i : i + 5] for i, t in enumerate(texts))


def untested(table, test):
    """Rows for which @test has none; of equal ones without a key it needs as many as there are."""
    rows = rows_of(table)
    return [(key, source) for key, source in dict.fromkeys(rows)
            if count_in(test, key, source) < (rows.count((key, source)) if key is None else 1)]


@pytest.mark.parametrize("table", TABLES)
def test_each_row_has_a_test_that_names_its_source(table):
    rows = rows_of(table)
    assert len(rows) >= 5, f"{table}: the rows cannot be read any more"
    assert not untested(table, TABLES[table][-1])


def test_a_row_without_a_test_is_found():
    for table, words in (("rules", "tests/unit/cases/test_event.c"), ("persons", "tests/unit/cases/test_rules.c")):
        assert untested(table, words)


def test_no_table_is_left_out():
    known = {path for path, *_ in TABLES.values()} | set(NO_TABLES)
    for folder in ("node", "catalog", "federation", "certs"):
        for path in (TREE / folder).rglob("*.[ch]"):
            name = str(path.relative_to(TREE))
            laws = [t for t in TEXT.findall(code(name)) if NAMES_LAW.search(t)]
            assert len(laws) < 3 or name in known, f"{name} names {laws[:3]}…: is it a table of rules? Then list it here"
