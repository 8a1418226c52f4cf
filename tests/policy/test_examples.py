import doctest
import importlib
import inspect
import pkgutil
import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

import sterling.policy

PAGE = Path(__file__).resolve().parents[2] / "docs" / "policy.md"
MODULES = [module.name for module in pkgutil.iter_modules(sterling.policy.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_the_docstrings_run(name: str) -> None:
    module = importlib.import_module(f"sterling.policy.{name}")
    assert doctest.testmod(module).failed == 0


def test_every_public_function_has_an_example() -> None:
    for name in sterling.policy.__all__:
        entry = getattr(sterling.policy, name)
        if inspect.isfunction(entry):
            assert ">>>" in (entry.__doc__ or ""), name


def test_the_code_of_the_page_prints_what_it_says() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), flags=re.M | re.S)
    assert blocks
    for block in blocks:
        printed = StringIO()
        with redirect_stdout(printed):
            exec(block, {})  # our own page
        assert printed.getvalue().splitlines() == re.findall(r"^# (.*)$", block, flags=re.M)
