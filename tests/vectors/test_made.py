"""The files that make_sealed.py and make_case_digest.py made are still what they make; HPKE gives the vector of RFC 9180."""
import pytest

import make_case_digest
import make_sealed


def test_hpke():
    make_sealed.check_hpke()


@pytest.mark.parametrize("name", make_sealed.MAKERS)
def test_file(name):
    assert (make_sealed.DATA / f"{name}.json").read_text(encoding="utf-8") == make_sealed.text_of_file(name)


def test_case_digest():
    old = make_case_digest.FILE.read_text(encoding="utf-8")
    assert make_case_digest.made(old) == old
