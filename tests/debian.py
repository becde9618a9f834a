"""Programs that tests need and pip does not bring."""

from __future__ import annotations

import os
import shutil

import pytest

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


def program(packages: str, *names: str) -> str:
    """The path of the first of these that is there; without any it skips the test, saying why, and fails it on CI."""
    for name in names:
        if found := shutil.which(name, path=_PATH):
            return found
    reason = f"{names[0]} is not installed (Debian: apt-get install {packages})"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
