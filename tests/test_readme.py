"""Every command of the README runs, in its order, in one folder, and so do its Python lines."""

import json
import re
import shlex
from pathlib import Path
from shutil import copyfile

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from sterling.cli import main
from sterling.text.corpus.prose import human_prose

REPOSITORY = Path(__file__).resolve().parents[1]
README = (REPOSITORY / "README.md").read_text()
ASTRONAUT = REPOSITORY / "examples" / "photographs" / "astronaut.jpg"
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
BY_CI = ("make demo", "make test", "make docs", "pip install")
# 0: claims hold or the verb did its work; 1, 4: one does not or is undecided, a finding.
FINISHED = (0, 1, 4)


def commands() -> list[str]:
    lines = [line for kind, block in BLOCKS if not kind for line in block.splitlines()]
    return [line.split("  #")[0].strip() for line in lines if line and not line.startswith(" ")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the README calls the user's own files."""
    face = Image.open(ASTRONAUT).convert("RGB")
    copyfile(ASTRONAUT, tmp_path / "portrait.jpg")
    for index in range(6):
        light = ImageEnhance.Brightness(face).enhance(0.6 + 0.15 * index)
        for name, picture in (
            ("live", light),
            ("spoof/print", light.filter(ImageFilter.GaussianBlur(4))),
        ):
            place = tmp_path / "photos" / name / f"subject{index}"
            place.mkdir(parents=True)
            picture.resize((256, 256)).save(place / "a.png")
    desk = tmp_path / "desk"
    for index in range(62):  # a bound of 5 % needs 59
        kind, brightness = ("live", 0.6) if index < 59 else ("spoof/print", 1.4)
        (desk / kind).mkdir(parents=True, exist_ok=True)
        shown = ImageEnhance.Brightness(face.resize((256, 256))).enhance(brightness + index / 200)
        shown.save(desk / kind / f"{index}.png")
    for name in ("passport.jpg", "selfie.jpg", "visitors/a.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        face.save(tmp_path / name)
    for index in range(46):  # an FMR of 0.01 needs 1,000 pairs
        place = tmp_path / "staff" / f"person{index}"
        place.mkdir(parents=True)
        lit = ImageEnhance.Brightness(face.resize((256, 256))).enhance(0.6 + index / 100)
        lit.save(place / "a.png")
    rng = np.random.default_rng(0)
    for name, shift in (("scores", 2.0), ("nonmembers", 0.0)):
        table = {"record": [f"{name}{i}" for i in range(200)], "score": rng.normal(shift, 1, 200)}
        pl.DataFrame(table).write_csv(tmp_path / f"{name}.csv")
    kinds = np.tile(["live", "print"], 200)
    columns = {"score": rng.normal(2.0 * (kinds == "live"), 1), "label": kinds == "live"}
    splits = {"species": kinds, "split": np.repeat(["dev", "test"], 200)}
    pl.DataFrame({**columns, **splits}).write_csv(tmp_path / "liveness.csv")
    for name in ("forget", "holdout"):
        pl.DataFrame({"loss": rng.exponential(1, 200)}).write_csv(tmp_path / f"{name}.csv")
    (tmp_path / "prompts.txt").write_text("The house by the river\nIn the year of the flood\n")
    passages = human_prose("manual", 130)
    folders = {"essays": passages[:24], "known": passages[24:44], "inbox": passages[44:47]}
    for kind, some in folders.items():
        (tmp_path / kind).mkdir()
        for number, passage in enumerate(some):
            words = 60 if kind in ("known", "inbox") else 130  # a language model reads them
            text = " ".join(passage.text.split()[:words])
            (tmp_path / kind / f"{number}.txt").write_text(text)
    _reasoning_policy_gaze(tmp_path, rng)
    (tmp_path / "logos").mkdir()
    ring = '<svg xmlns="http://www.w3.org/2000/svg"><circle r="9" fill="none" stroke="#060"/></svg>'
    (tmp_path / "logos" / "ring.svg").write_text(ring)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _reasoning_policy_gaze(folder: Path, rng: np.random.Generator) -> None:
    """Sampled sums, rewards of groups, and fixations with maps."""
    lines = []
    for _ in range(60):
        a, b = rng.integers(2, 60, 2).tolist()
        sums = (a + b + (rng.random(6) < 0.2)).tolist()
        traces = [f"{a} + {b} = {one}" for one in sums]
        lines.append(json.dumps({"question": f"{a} + {b}?", "gold": a + b, "traces": traces}))
    (folder / "samples.jsonl").write_text("\n".join(lines))
    rewards = {"step": np.repeat([1, 2], 32), "group": np.repeat(np.arange(8), 8)}
    values = {"reward": rng.integers(0, 2, 64).astype(float)}
    pl.DataFrame(rewards | values).write_csv(folder / "rewards.csv")
    (folder / "maps").mkdir()
    rows = []
    for name in ("one", "two"):
        np.save(folder / "maps" / f"{name}.npy", rng.random((60, 80)))
        rows += [(f"v{i % 3}", name, *rng.uniform(5, 55, 2).tolist()) for i in range(30)]
    frame = pl.DataFrame(rows, ["viewer", "stimulus", "x", "y"], orient="row")
    frame.write_csv(folder / "fixations.csv")


@pytest.mark.no_cover
@pytest.mark.smoke
def test_every_command_runs(folder: Path) -> None:
    found = commands()
    assert sum(line.startswith("sterling ") for line in found) >= 10
    for line in found:
        if line.startswith(BY_CI):
            continue
        program, *arguments = shlex.split(line)
        assert program == "sterling", f"README: {line!r} is no command of ours"
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code in FINISHED, f"README: {line!r} ended with {stopped.value.code}"
    assert (folder / "runs").is_dir()
    assert (folder / "detector.onnx").stat().st_size > 10_000


@pytest.mark.smoke
@pytest.mark.usefixtures("folder")
def test_shown_output_is_what_commands_say(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    (block,) = [text for kind, text in BLOCKS if kind == "console"]
    for part in block.split("$ ")[1:]:
        command, *shown = part.splitlines()
        _, *arguments = shlex.split(command)
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code in FINISHED
        said = iter(capsys.readouterr().out.splitlines())
        for line in shown:  # in this order; an ellipsis stands for lines between
            assert line == "…" or line.rstrip() in (one.rstrip() for one in said), line


def test_python_lines_run() -> None:
    blocks = [block for kind, block in BLOCKS if kind == "python"]
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


def test_files_that_the_readme_points_to_are_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(links) >= 3
    assert not [link for link in links if not (REPOSITORY / link).exists()]
