"""A library of tests/preload in front of a daemon's libc."""
import os
from pathlib import Path


def environment(name, bin_dir=None, **variables):
    """Of a daemon that is started with the library @name. @bin_dir: where that is, if not in TONGBAN_BIN."""
    library = Path(bin_dir or os.environ["TONGBAN_BIN"]) / f"{name}.so"
    assert library.exists(), library
    return {"LD_PRELOAD": str(library), **variables,
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}  # else ASan's has to be the first
