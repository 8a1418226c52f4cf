"""Commands that need no tensors load no library of tensors; modules are counted, not seconds."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import sterling
from sterling.study import PRESETS

HEAVY = ("torch", "scipy", "polars", "sklearn", "transformers", "matplotlib")
PROGRAM = """
import sys
from sterling.cli import main
try:
    main(sys.argv[2:])
except SystemExit as stopped:
    status = stopped.code
loaded = [name for name in sys.argv[1].split(",") if name in sys.modules]
sys.exit(f"status {status}, loaded {loaded}" if loaded or status else 0)
"""


def start(absent: tuple[str, ...], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, ",".join(absent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("list",),
        ("list", "--json"),
        ("cite", "cdcn"),
        *((verb, "--help") for verb in ("face", "text", "privacy", "agent", "policy", "run")),
    ],
    ids=" ".join,
)
def test_help_lists_and_citations_start_fast(arguments: tuple[str, ...]) -> None:
    done = start(HEAVY, *arguments)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "cdnc"), "did you mean cdcn"),
        (("cite", "cdnc"), "did you mean cdcn"),
        (("verify", "cdnc"), "did you mean cdcn"),
        (("run", "cdcn", "--preset", "quik"), "use one of smoke, quick"),
    ],
)
def test_a_wrong_name_is_answered_fast(arguments: tuple[str, ...], words: str) -> None:
    done = start(HEAVY, *arguments)
    assert words in done.stderr
    assert "status 2, loaded []" in done.stderr


def test_the_shipped_detector_predicts_without_pytorch(tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), "gray").save(tmp_path / "grey.png")
    photograph = Path(__file__).parents[2] / "examples" / "photographs" / "astronaut.jpg"
    absent = ("torch", "scipy", "polars", "sklearn")
    boxes = str(tmp_path / "boxes")
    done = start(absent, "face", "predict", str(tmp_path), str(photograph), "--boxes", boxes)
    assert done.returncode == 0, done.stderr
    assert "grey.png: cannot tell (no_face)" in done.stdout
    assert "astronaut.jpg: bona fide" in done.stdout


def test_faces_are_verified_and_named_without_pytorch(tmp_path: Path) -> None:
    photograph = Path(__file__).parents[2] / "examples" / "photographs" / "astronaut.jpg"
    (tmp_path / "eileen.jpg").write_bytes(photograph.read_bytes())
    done = start(("torch", "polars", "sklearn"), "face", "verify", *[str(photograph)] * 2)
    assert done.stdout.startswith("same person"), done.stderr
    given = ("face", "identify", str(photograph), "--gallery", str(tmp_path))
    done = start(("torch", "polars", "sklearn"), *given)
    assert "astronaut.jpg: eileen" in done.stdout, done.stderr
    assert done.returncode == 0, done.stderr


def test_the_control_loads_pytorch() -> None:
    done = start(("torch",), "doctor", "--json")
    assert "loaded ['torch']" in done.stderr


def test_entries_show_what_the_studies_hold() -> None:
    from sterling.studies import ENTRIES, STUDIES

    for name, study in STUDIES.items():
        assert study.entry is ENTRIES[name]
        assert study.name == name
        assert tuple(study.presets) == study.entry.presets
        assert set(study.entry.presets) <= set(PRESETS)
        assert study.entry.module.startswith(f"sterling.studies.{study.entry.domain}.{name}")


@pytest.mark.parametrize(
    "package",
    [
        "sterling.study",
        "sterling.measure",
        "sterling.face.data",
        "sterling.face.pad",
        "sterling.face.recognition",
    ],
)
def test_no_lazy_name_is_that_of_a_submodule(package: str) -> None:
    """The import of a submodule would replace the name in the package."""
    import importlib

    folder = Path(*sterling.__path__, *package.split(".")[1:])
    submodules = {path.stem for path in folder.iterdir() if path.suffix in ("", ".py")}
    assert not submodules & set(importlib.import_module(package).__all__)
