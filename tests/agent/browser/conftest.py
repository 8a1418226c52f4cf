"""One Chromium for all tests of pages; they skip where it, or a package, is missing."""

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from sterling.agent.browser.chromium import Browser, find_chromium
from sterling.errors import InputError


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    for package in ("playwright", "gymnasium", "miniwob"):
        if find_spec(package) is None:
            pytest.skip(f"needs the package {package}")
    try:
        find_chromium()
    except InputError:
        pytest.skip("needs Chromium (Debian's package chromium)")
    with Browser() as opened:
        yield opened
