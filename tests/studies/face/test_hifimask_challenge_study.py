"""The challenge: its leaderboard is verified, and trained again."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from sterling.cli import main
from sterling.face.capture import PROTOCOLS
from sterling.face.challenge.leaderboard import open_board, verify
from sterling.studies import STUDIES
from sterling.studies.face._harness.measuring import read_recorded
from sterling.studies.face._harness.repetition import Repetition, items_of
from sterling.studies.face.hifimask_challenge._entries import HELD, HELD_CLAMPED, rerun
from sterling.studies.face.hifimask_challenge._systems import SEEN, SYSTEMS, UNSEEN
from sterling.study import Results

STUDY = STUDIES["hifimask_challenge"]


@pytest.fixture(scope="module")
def folder(checked_run: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the study's run, to which tests add."""
    copied = tmp_path_factory.mktemp("challenge") / "run"
    return Path(shutil.copytree(checked_run("hifimask_challenge"), copied))


def test_a_threshold_from_captures_held_out_cannot_be_steered(folder: Path) -> None:
    by_rule = Results(pl.read_parquet(folder / "results.parquet")).select(system=SYSTEMS[0])
    acer = by_rule.series("acer", by="rule")
    assert acer[HELD] == acer[HELD_CLAMPED]
    assert len(acer[HELD]) == 2


@pytest.mark.smoke
def test_the_leaderboard_is_verified_and_an_entry_trained_again(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "leaderboard.json"
    board, _ = open_board(path)
    assert sorted(entry.name for entry in board.entries) == sorted(SYSTEMS)
    with pytest.raises(SystemExit) as stopped:
        main(["face", "challenge", "verify", str(path)])
    assert stopped.value.code == 0
    assert "all agree; not trained again" in capsys.readouterr().out
    # One entry alone, so that the test stays short.
    kept = [entry for entry in board.entries if entry.name == SYSTEMS[0]]
    alone = path.with_name("alone.json")
    alone.write_text(board.model_copy(update={"entries": kept}).sealed().model_dump_json())
    checks = verify(alone, rerun=partial(rerun, folder=tmp_path / "again"))
    assert checks[-1].what == "rerun"
    assert [check for check in checks if check.problem] == []


def test_plaster_is_never_trained_on() -> None:
    protocol = PROTOCOLS[STUDY.presets["quick"].protocol]
    assert protocol.train.species == protocol.dev.species == SEEN
    assert set(protocol.test.species) == {*SEEN, UNSEEN}
    assert set(protocol.train.sensors) < set(protocol.test.sensors)
    assert set(protocol.train.illuminations) < set(protocol.test.illuminations)


def test_frames_of_the_data_set_s_own_videos_count_once(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for subject in ("1_06", "1_05", "1_01"):  # of train, dev and test
        for kind in ("0", "3"):
            for frame in range(3):
                file = tmp_path / f"{subject}_{kind}_1_1_1" / f"{frame:04}.png"
                file.parent.mkdir(exist_ok=True)
                pixels = rng.integers(0, 256, (70, 70, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(file)
    changes = {"data": tmp_path, "official": "3", "cropped": True}
    config = STUDY.presets["smoke"].model_copy(update=changes)
    faces, missed = read_recorded(config, tmp_path, ("rgb",))
    assert missed == 0
    assert faces.images.shape == (18, 3, 64, 64)
    items = items_of(faces)
    assert items["test"]["item"] == ["1_01_0_1_1_1"] * 3 + ["1_01_3_1_1_1"] * 3
    scores = {"dev": [0.6, 0.65, 0.7, 0.2, 0.3, 0.4], "test": [0.6, 0.7, 0.8, 0.1, 0.2, 0.3]}
    repetition = Repetition.of({"one": scores}, items, source="made by hand")
    assert repetition.test["one"].values == pytest.approx([0.7, 0.2])
    assert repetition.acer("one") == 0.0
    assert len(repetition.unseen_domain) == 2
