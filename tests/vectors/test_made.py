"""The files that make_sealed.py made are still what it makes; its HPKE gives the vector of RFC 9180."""
import pytest

import make_sealed


def test_hpke():
    make_sealed.check_hpke()


@pytest.mark.parametrize("name", make_sealed.MAKERS)
def test_file(name):
    assert (make_sealed.DATA / f"{name}.json").read_text(encoding="utf-8") == make_sealed.text_of_file(name)
