"""The command line where no extra is installed, and where Unix has no part."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sterling.errors import InputError
from sterling.extras import extra_of, extras, needs, require

PHOTOGRAPH = Path(__file__).parents[2] / "examples" / "photographs" / "astronaut.jpg"
WITHOUT = """
import sys
from importlib.machinery import BuiltinImporter, PathFinder

class Hidden(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name not in {hidden!r}:
            return BuiltinImporter.find_spec(name) or super().find_spec(name, path, target)

sys.meta_path = [
    *(each for each in sys.meta_path if each not in (BuiltinImporter, PathFinder)), Hidden
]
for name in {hidden!r}:
    sys.modules.pop(name, None)
{before}
from sterling.cli import main
main(sys.argv[1:])
"""


def _run(hidden: list[str], *arguments: object, before: str = "") -> tuple[int, str, str]:
    code = WITHOUT.format(hidden=hidden, before=before)
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def _in_core(*arguments: object) -> tuple[int, str, str]:
    modules = sorted({module for packages in extras().values() for module in packages.values()})
    assert "torch" in modules
    return _run(modules, *arguments)


@pytest.fixture
def scores(tmp_path: Path) -> tuple[Path, Path]:
    rng = np.random.default_rng(0)
    for name, members in (("asked", 40), ("known", 0)):
        values = rng.normal(0, 1, 200) + 4 * (np.arange(200) < members)
        table = {"record": [f"{name}{i}" for i in range(200)], "score": values}
        pl.DataFrame(table).write_csv(tmp_path / f"{name}.csv")
    return tmp_path / "asked.csv", tmp_path / "known.csv"


def test_the_core_predicts_and_declares(scores: tuple[Path, Path]) -> None:
    asked, known = scores
    status, out, _ = _in_core("face", "predict", PHOTOGRAPH)
    assert status == 0
    assert "astronaut.jpg" in out
    status, out, _ = _in_core("privacy", "mia", "--scores", asked, "--calibration", known)
    assert status == 0
    assert "records declared members" in out
    for verb in (("doctor",), ("list",), ("cite", "cdcn")):
        assert _in_core(*verb)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (("face", "models"), "train"),
        (("run", "hats", "--preset", "smoke"), "train"),
        (("report", "runs/none"), "report"),
        (("gaze", "evaluate", "--maps", "none", "--fixations", "none.csv"), "report"),
        (("privacy", "mia", "--scores", "n", "--calibration", "n", "--out", "runs/n"), "report"),
        (("serve",), "serve"),
    ],
)
def test_a_verb_names_the_extra_that_it_lacks(arguments: tuple[str, ...], extra: str) -> None:
    status, out, err = _in_core(*arguments)
    assert (status, out) == (2, "")
    assert f"pip install 'sterling[{extra}]'" in err
    assert len(err.splitlines()) == 1


def test_a_package_that_no_extra_installs_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import nobody_has_this\n")
    assert extra_of("nobody_has_this") is None
    assert extra_of("torch.nn") == "train"
    with pytest.raises(InputError, match=r"a test needs the package no_such.*sterling\[lm\]"):  # noqa: SIM117
        with needs("lm", "a test"):
            import no_such_package  # type: ignore[import-not-found]  # noqa: F401
    require("report", "a test")


EVERY_MODULE = """
import builtins, importlib, multiprocessing, pkgutil, sterling
plain = builtins.__import__
unix = {"fcntl", "resource", "multiprocessing.forkserver", "pwd", "grp", "termios"}

def as_on_windows(name, globals=None, locals=None, fromlist=(), level=0):
    ours = (globals or {}).get("__name__", "").startswith("sterling")
    asked = {name, *(f"{name}.{each}" for each in fromlist or ())}
    if ours and unix & asked:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return plain(name, globals, locals, fromlist, level)

builtins.__import__ = as_on_windows
multiprocessing.get_all_start_methods = lambda: ["spawn"]
for found in pkgutil.walk_packages(sterling.__path__, "sterling."):
    importlib.import_module(found.name)
"""


def test_every_module_loads_and_a_study_runs_without_unix(tmp_path: Path) -> None:
    arguments = ("run", "upa", "--preset", "smoke", "--out", tmp_path / "run")
    status, out, err = _run([], *arguments, before=EVERY_MODULE)
    assert status in (0, 1, 4), err
    assert "claims hold" in out
    assert (tmp_path / "run" / "evidence.json").is_file()
