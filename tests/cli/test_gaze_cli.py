"""`sterling gaze` from files to exit status, evidence and report."""

import json
from functools import partial
from pathlib import Path

import mne
import numpy as np
import polars as pl
import pytest
from tests.cli import command

refused = partial(command.refused, "gaze")
told = partial(command.told, "gaze")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Fixations of six viewers near one place of each stimulus, and maps that know it."""
    rng = np.random.default_rng(0)
    (tmp_path / "maps").mkdir()
    rows = []
    y, x = np.mgrid[0:60, 0:80]
    for index in range(4):
        at = rng.uniform(15, 45, 2)
        values = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / 80)
        np.save(tmp_path / "maps" / f"ad{index}.npy", values)
        for viewer in range(6):
            rows += [
                (f"v{viewer}", f"ad{index}.png", *place, "fm"[viewer % 2])
                for place in rng.normal(at, 4, (5, 2))
            ]
    frame = pl.DataFrame(rows, ["viewer", "stimulus", "x", "y", "sex"], orient="row")
    frame.write_csv(tmp_path / "fixations.csv")
    return tmp_path


def test_maps_are_evaluated_beside_the_ceiling_and_by_group(data: Path) -> None:
    given = ["--maps", data / "maps", "--fixations", data / "fixations.csv", "--screen", "80x60"]
    evidence = json.loads(told("evaluate", *given, "--by", "sex", "--out", data / "run", "--json"))
    metrics = {one["name"]: one for one in evidence["metrics"]}
    assert metrics["NSS, predicted"]["low"] > metrics["NSS, centre bias"]["high"]
    assert metrics["NSS, ceiling"]["n"] == 4
    names = [table["name"] for table in evidence["tables"]]
    assert names == ["metrics", "group sex f", "group sex m"]
    assert "--by sex" in evidence["command"]
    report = (data / "run" / "report.html").read_text()
    assert "human ceiling" in report
    assert (data / "run" / "maps" / "0.png").exists()
    values = pl.read_parquet(data / "run" / "values.parquet")
    assert values.filter(metric="NSS").height == 24


def test_a_group_of_one_viewer_is_named_and_the_others_are_measured(data: Path) -> None:
    frame = pl.read_csv(data / "fixations.csv")
    alone = pl.when(pl.col("viewer") == "v0").then(pl.lit("other")).otherwise("sex")
    frame.with_columns(sex=alone).write_csv(data / "fixations.csv")
    given = ["--maps", data / "maps", "--fixations", data / "fixations.csv", "--screen", "80x60"]
    ended = command.run("gaze", "evaluate", *given, "--by", "sex", "--out", data / "run", "--json")
    assert ended.status == 0
    assert "sex other: not measured" in ended.err
    names = [table["name"] for table in json.loads(ended.out)["tables"]]
    assert names == ["metrics", "group sex f", "group sex m"]


def test_bad_input_of_evaluate_is_one_line(data: Path) -> None:
    given = ["evaluate", "--maps", data / "maps", "--fixations", data / "fixations.csv"]
    out = ["--out", data / "run"]
    assert "give the screen's width and height" in refused(*given, *out)
    assert "as 800x600" in refused(*given, "--screen", "80", *out)
    screen = ["--screen", "80x60"]
    assert "no profile column 'age'; it has sex" in refused(*given, *screen, "--by", "age", *out)
    assert "its stimulus 90 × 60" in refused(*given, "--screen", "90x60", *out)
    np.save(data / "maps" / "ad9.npy", np.ones((60, 80)))
    assert "belongs to no stimulus" in refused(*given, *screen, *out)
    assert not (data / "run").exists()


def test_indicators_of_a_recording(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    info = mne.create_info(["F3", "F4", "Cz"], 128.0, "eeg")
    signals = rng.normal(0, 1e-5, (3, 128 * 40))
    signals[:, 128 * 20 :] += 3e-5 * np.sin(2 * np.pi * 20 * np.arange(128 * 20) / 128)
    raw = mne.io.RawArray(signals, info, verbose="error")
    raw.save(tmp_path / "viewer_raw.fif", verbose="error")
    events = tmp_path / "events.csv"
    events.write_text("segment,onset,duration\ncalm,0,20\nscene,20,19\n")
    given = ["indicators", tmp_path / "viewer_raw.fif", "--events", events]
    found = json.loads(told(*given, "--baseline", "calm", "--json"))
    assert [one["segment"] for one in found["segments"]] == ["scene"]
    assert found["segments"][0]["engagement"] > 2
    shown = told(*given, "--out", tmp_path / "rows.csv")
    assert "as measured" in shown
    assert pl.read_csv(tmp_path / "rows.csv").height == 2
    assert "unknown channel 'F7'" in refused(*given, "--frontal", "F7,F4")
    assert "give two electrodes" in refused(*given, "--frontal", "F7")
    assert "unknown segment 'rest'" in refused(*given, "--baseline", "rest")
