"""Each error of node/ERRORS.md is tried: its id stands in a test, or in UNTRIED with the reason why not. The list only gets shorter:
an id that a test names has to go from it. `python3 tests/tidy/test_tried.py` prints what is missing.

Lines of the log that are no error of a request (code `log` alone) are not asked for.
"""
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from test_errors import BOOK, TREE, rows  # noqa: E402

UNTRIED = {}  # reason -> ids with blanks between, of errors that no test can come to


def named():
    """Ids that stand in tests, but for this folder and inputs of the fuzzers."""
    found = set()
    for path in (TREE / "tests").rglob("*"):
        parts = path.relative_to(TREE / "tests").parts
        if path.is_file() and parts[0] != "tidy" and "corpus" not in parts and path.suffix in (".py", ".c", ".h", ".json", ""):
            found |= set(re.findall(r"[a-z][a-z0-9_]*\.[a-z0-9]+(?:[-_][a-z0-9]+)*", path.read_text(encoding="utf-8", errors="ignore")))
    return found


def listed():
    return {reason: set(ids.split()) for reason, ids in UNTRIED.items()}


def asked():
    return {id for id, (codes, *_) in rows(BOOK.read_text(encoding="utf-8")).items() if codes != "log"}


def test_each_error_is_tried_or_says_why_not():
    missing = asked() - named() - set().union(*listed().values())
    assert not missing, "in no test: " + ", ".join(sorted(missing))


def test_the_list_gets_shorter():
    everything = sorted(id for ids in listed().values() for id in ids)
    assert len(everything) == len(set(everything)), "an id stands twice"
    tried = set(everything) & named()
    assert not tried, "tried by now: " + ", ".join(sorted(tried))
    dead = set(everything) - asked()
    assert not dead, "no errors any more: " + ", ".join(sorted(dead))


if __name__ == "__main__":
    print("\n".join(sorted(asked() - named() - set().union(*listed().values()))))
