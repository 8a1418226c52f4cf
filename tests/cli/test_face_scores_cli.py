"""`sterling face evaluate --scores` and `calibrate --scores`, from files to exit status."""

import inspect
import json
import shlex
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image
from tests.cli import command

from sterling.cli import _options, face_evaluate
from sterling.errors import InputError
from sterling.measure import Threshold

evaluate = partial(command.run, "face", "evaluate")
refused = partial(command.refused, "face", "evaluate")
calibrate = partial(command.run, "face", "calibrate")
UP = ("--higher-is", "bona-fide")


def scores(
    file: Path,
    *,
    people: int = 40,
    each: int = 3,
    seed: int = 0,
    shift: float = 3.0,
    **columns: Any,
) -> Path:
    """Presentations of so many people in each split: bona fides, prints and replays."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            "item": f"{split}{person}{kind}{number}",
            "score": rng.normal(shift if kind == "live" else 0.0),
            "label": "live" if kind == "live" else "attack",
            "species": "" if kind == "live" else kind,
            "subject": f"{split}{person}",
            "split": split,
        }
        for split in ("dev", "test")
        for person in range(people)
        for kind in ("live", "print", "replay")
        for number in range(each)
    ]
    pl.DataFrame(rows).with_columns(**columns).write_csv(file)
    return file


def evidence_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "evidence.json").read_text())
    return found


@pytest.mark.smoke
def test_scores_get_the_same_report_as_a_detector(tmp_path: Path) -> None:
    given, out = scores(tmp_path / "scores.csv"), tmp_path / "run"
    ended = evaluate("--scores", given, *UP, "--out", out)
    assert ended.status == 0, ended.err
    assert "label: column 'label'; 'live' means bona fide (240), 'attack' means attack" in ended.err
    assert {path.name for path in out.iterdir()} >= {
        *("evidence.json", "report.html", "scores.parquet", "threshold.json", "errors.json")
    }
    evidence = evidence_of(out)
    assert [table["name"] for table in evidence["tables"]] == [
        *("rates", "where the threshold was chosen", "item under test")
    ]
    table = pl.read_parquet(out / "scores.parquet")
    assert (len(table), table["set"].unique().to_list()) == (360, ["test"])
    for metric in evidence["metrics"][:3]:
        assert metric["n"] == 40  # subjects
        assert metric["low"] <= metric["value"] <= metric["high"]
    assert "; by presentation " in ended.out
    assert "(40 subjects)" in ended.out
    assert "APCER = BPCER (equal error)" in json.dumps(evidence["tables"])
    page = (out / "report.html").read_text()
    assert "The worst errors" in page
    assert "<svg" in page


def test_six_people_without_an_error_prove_little(tmp_path: Path) -> None:
    given = scores(tmp_path / "scores.csv", people=6, each=60, shift=20.0)
    out = tmp_path / "run"
    ended = evaluate("--scores", given, *UP, "--require", "bpcer<=0.05", "--out", out)
    assert ended.status == 4
    first = ended.out.splitlines()[0]
    assert first.startswith("UNDECIDED: Required: bpcer <= 0.05. 0.0000 (0.0000 … 0.4593)")
    assert "0 of 360 presentations, clustered by 6 subjects" in first
    metrics = {metric["name"]: metric for metric in evidence_of(out)["metrics"]}
    assert metrics["BPCER"]["high"] > 0.4
    rates = {row[0]: row for row in evidence_of(out)["tables"][0]["rows"]}
    assert rates["BPCER"][5] < 0.011  # by presentation, which is shown beside it
    anonymous = scores(
        tmp_path / "anonymous.csv", people=6, each=60, shift=20.0, subject=pl.lit("")
    )
    ended = evaluate(
        "--scores", anonymous, *UP, "--require", "bpcer<=0.05", "--out", tmp_path / "other"
    )
    assert ended.status == 0
    assert "by subject not possible: no subjects" in ended.out
    assert "By subject is not possible" in evidence_of(tmp_path / "other")["tables"][0]["caption"]


def test_a_direction_is_asked_for(tmp_path: Path) -> None:
    given = scores(tmp_path / "scores.csv")
    message = refused("--scores", given, "--out", tmp_path / "run")
    assert "--higher-is bona-fide (AUC 0.98" in message
    assert "--higher-is attack (AUC 0.01" in message
    assert not (tmp_path / "run").exists()


def test_the_wrong_direction_is_a_loud_first_line(tmp_path: Path) -> None:
    given, out = scores(tmp_path / "scores.csv"), tmp_path / "run"
    ended = evaluate("--scores", given, "--higher-is", "attack", "--out", out)
    assert ended.status == 1
    assert ended.out.startswith("DOES NOT HOLD: Attacks of every species are rejected")
    claims = {claim["id"]: claim["verdict"] for claim in evidence_of(out)["claims"]}
    assert claims == {"attacks_rejected": "does not hold", "bona_fides_accepted": "does not hold"}
    assert "scores negated" in evidence_of(out)["scope"]


def test_a_threshold_is_saved_and_taken_up_again(tmp_path: Path) -> None:
    given, chosen = scores(tmp_path / "scores.csv", people=80), tmp_path / "chosen.json"
    made = calibrate("--scores", given, *UP, "--out", chosen, "--unit", "subject")
    assert made.status == 0, made.err
    assert made.out.startswith("With confidence 0.95")
    assert "expected APCER of print: " in made.out
    document = json.loads(chosen.read_text())
    assert document["guarantee"]["n"] == 80
    threshold = Threshold.from_json(json.dumps(document["threshold"]))
    # The direction is that of the file.
    out = tmp_path / "run"
    told = evaluate("--scores", given, "--threshold", chosen, "--out", out)
    evidence = evidence_of(out)
    assert [claim["id"] for claim in evidence["claims"]] == ["bpcer_bound"]
    assert told.status == (0 if evidence["claims"][0]["verdict"] == "holds" else 1)
    table = pl.read_parquet(out / "scores.parquet")
    assert table["threshold"].unique().to_list() == [threshold.value]
    live = table.filter("label")
    metrics = {metric["name"]: metric["value"] for metric in evidence["metrics"]}
    assert metrics["BPCER"] == (live["value"] < threshold.value).mean()
    # The same rows chose it: no evaluation.
    again = scores(tmp_path / "scores.csv", people=80, split=pl.lit("test"))
    message = refused("--scores", again, "--threshold", chosen, "--out", tmp_path / "again")
    assert "used to choose the threshold" in message
    assert not (tmp_path / "again").exists()
    assert "opposite" in message or "held-out" in message
    turned = ("--higher-is", "attack", "--threshold", chosen)
    assert "direction" in refused("--scores", given, *turned, "--out", tmp_path / "turned")


def test_dependent_captures_are_a_loud_first_line(tmp_path: Path) -> None:
    given, chosen = scores(tmp_path / "scores.csv"), tmp_path / "chosen.json"
    made = calibrate("--scores", given, *UP, "--out", chosen)
    assert made.status == 1
    assert made.out.startswith("DOES NOT HOLD: the bona fide captures counted are independent")
    ended = evaluate("--scores", given, *UP, "--guarantee", "bpcer=0.05", "--out", tmp_path / "r")
    assert ended.status == 1
    assert ended.out.startswith("DOES NOT HOLD: Assumption of the guarantee: ")
    assert "120 captures of 40 subjects: NOT MET" in ended.out.splitlines()[0]
    nobody = scores(tmp_path / "nobody.csv", subject=pl.lit(""))
    ended = evaluate("--scores", nobody, *UP, "--guarantee", "bpcer=0.05", "--out", tmp_path / "n")
    assert ended.status == 4
    assert ended.out.startswith("UNDECIDED: Assumption of the guarantee: ")


def test_a_threshold_that_does_not_carry_over_is_a_loud_first_line(tmp_path: Path) -> None:
    moved = pl.when(pl.col("split") == "test").then(pl.col("score") - 1).otherwise("score")
    given = scores(tmp_path / "scores.csv", people=60, score=moved)
    ended = evaluate("--scores", given, *UP, "--out", tmp_path / "run")
    assert ended.status == 1
    first = ended.out.splitlines()[0]
    assert first.startswith("DOES NOT HOLD: The threshold carries over: the BPCER")
    # The same on dev and test: nothing is claimed.
    still = scores(tmp_path / "still.csv", people=60)
    assert evaluate("--scores", still, *UP, "--out", tmp_path / "still").status == 0
    assert evidence_of(tmp_path / "still")["claims"] == []


def test_subjects_in_both_splits_are_a_loud_first_line(tmp_path: Path) -> None:
    given = scores(tmp_path / "s.csv", subject=pl.col("subject").str.strip_prefix("dev"))
    assert evaluate("--scores", given, *UP, "--out", tmp_path / "apart").status == 0
    same = pl.col("subject").str.replace("dev", "test")
    given = scores(tmp_path / "s.csv", subject=same)
    ended = evaluate("--scores", given, *UP, "--out", tmp_path / "shared")
    assert ended.status == 1
    assert ended.out.startswith("DOES NOT HOLD: No subject is both in dev")
    assert "40 subjects are in both" in ended.out.splitlines()[0]
    by_hand = ("--threshold", "1.5", "--out", tmp_path / "hand")
    assert evaluate("--scores", given, *UP, *by_hand).status == 0  # dev chose nothing


@pytest.mark.parametrize(
    ("bar", "status", "verdict"),
    [
        ("apcer<=0.9", 0, "holds"),
        ("auc>=0.9", 0, "holds"),
        ("apcer<=0.01", 1, "DOES NOT HOLD"),
        ("acer<=0.005", 1, "DOES NOT HOLD"),
        ("auc<=0.9", 1, "DOES NOT HOLD"),
        ("bpcer<=0.07", 4, "UNDECIDED"),
    ],
)
def test_requirements_decide_the_exit_status(
    tmp_path: Path, bar: str, status: int, verdict: str
) -> None:
    given = scores(tmp_path / "scores.csv", shift=3.0)
    ended = evaluate("--scores", given, *UP, "--require", bar, "--out", tmp_path / "run")
    assert ended.status == status, ended.out
    assert ended.out.startswith(f"{verdict}: Required: ")


def test_all_requirements_must_hold_and_the_worst_comes_first(tmp_path: Path) -> None:
    given = scores(tmp_path / "scores.csv")
    bars = ("--require", "apcer<=0.9", "--require", "apcer<=0.01", "--require", "auc>=0.5")
    ended = evaluate("--scores", given, *UP, *bars, "--out", tmp_path / "run", "--json")
    assert ended.status == 1
    verdicts = [claim["verdict"] for claim in json.loads(ended.out)["claims"]]
    assert verdicts == ["holds", "does not hold", "holds"]
    shown = evaluate("--scores", given, *UP, *bars, "--out", tmp_path / "again").out.splitlines()
    assert [line.split(":")[0] for line in shown[:3]] == ["DOES NOT HOLD", "holds", "holds"]


def test_cameras_have_rates_of_their_own(tmp_path: Path) -> None:
    camera = (
        pl.when(pl.col("subject").str.ends_with("1")).then(pl.lit("door")).otherwise(pl.lit("desk"))
    )
    given = scores(tmp_path / "scores.csv", camera=camera)
    assert evaluate("--scores", given, *UP, "--out", tmp_path / "run").status == 0
    tables = {table["name"]: table["rows"] for table in evidence_of(tmp_path / "run")["tables"]}
    assert [row[:2] for row in tables["cameras"]] == [["desk", 108], ["door", 12]]


def test_pictures_of_the_worst_errors_are_shown_where_they_are(tmp_path: Path) -> None:
    path = pl.col("item") + ".png"
    given, out = scores(tmp_path / "scores.csv", path=path), tmp_path / "run"
    Image.new("RGB", (60, 60), (0, 90, 0)).save(tmp_path / "test3print1.png")
    ended = evaluate("--scores", given, *UP, "--threshold=-9", "--out", out)
    assert ended.out.startswith("DOES NOT HOLD: Attacks of every species")
    items = json.loads((out / "errors.json").read_text())
    assert len(items) == 12
    assert all(item["text"].startswith(("print, score", "replay, score")) for item in items)
    assert all(str(tmp_path) in item["text"] for item in items)
    pictured = [item for item in items if "test3print1.png" in item["text"]]
    assert [len(item["images"]) for item in pictured] == [1] * len(pictured)
    assert str(tmp_path / "test3print1.png") in pl.read_parquet(out / "scores.parquet")["path"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["compact", *UP], "--scores takes no pictures: leave a detector out"),
        (["--data", "x", "--robustness", *UP], "leave --data, --robustness out"),
        ([*UP, "--require", "apnrr<=0.1"], "has no presentations without a score"),
        ([*UP, "--guarantee", "bpcer=0.05", "--threshold", "1"], "leave --threshold out"),
        ([*UP, "--guarantee", "bpcer=0.001"], "2995 are needed"),
        ([*UP, "--column", "score"], "write it as score=confidence"),
        ([*UP, "--threshold", "nowhere.json"], "nowhere.json: no such file"),
        ([*UP, "--threshold", "nan"], "give a finite number"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(
    tmp_path: Path, more: list[str], message: str
) -> None:
    given = scores(tmp_path / "scores.csv", people=5)
    assert message in refused("--scores", given, *more, "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_file_of_one_class_or_without_a_threshold_is_refused(tmp_path: Path) -> None:
    out = ("--out", tmp_path / "run")
    one = scores(tmp_path / "one.csv", people=4, label=pl.lit("live"), species=pl.lit(""))
    threshold = ("--threshold", "1")
    assert "36 bona fide and 0 attack" in refused("--scores", one, *UP, *threshold, *out)
    whole = scores(tmp_path / "whole.csv", people=4, split=pl.lit("test"))
    assert "no split dev to choose one on; give --threshold" in refused(
        "--scores", whole, *UP, *out
    )
    assert "give a detector and --data, or --scores" in refused(*out)
    assert "give a detector and --data, or --scores" in command.refused("face", "calibrate", *out)


def test_the_command_repeats_every_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the command takes comes back, but where the answer goes and how it looks."""
    values: dict[str, Any] = {
        "detector": "folder/detector",
        "data": "my data",
        "scores": "scores.csv",
        "column": ["score=a b", "label=c"],
        "bona_fide": "it's me",
        "higher_is": "attack",
        "threshold": "0.25",
        "guarantee": "bpcer=0.05",
        "require": ["apcer<=0.1", "auc>=0.9"],
        "subject_pattern": r"(?P<subject>\d+)",
        "protocol": "4.1",
        "robustness": True,
        "interventions": True,
        "patch": "0.4",
        "research_use": True,
        "seed": "7",
    }
    options = set(inspect.signature(face_evaluate.evaluate).parameters) - {"context"}
    assert options - values.keys() == _options.PLACES
    words = [values["detector"]]
    for name, value in list(values.items())[1:]:
        option = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(option)
        else:
            words += [w for one in ([value] if isinstance(value, str) else value)
                      for w in (option, one)]  # fmt: skip
    seen: list[Any] = []

    def stop(_text: str) -> None:
        frame = inspect.currentframe()
        while frame is not None and "context" not in frame.f_locals:
            frame = frame.f_back
        assert frame is not None
        seen.append(frame.f_locals["context"])
        raise InputError("seen")

    monkeypatch.setattr(
        "sterling.face.evaluation.requirement.Requirement.parse", staticmethod(stop)
    )
    given = ["face", "evaluate", *words, "--out", str(tmp_path / "x"), "--json"]
    ended = command.run(*given, "--plugin", "json")
    assert ended.status == 2, ended.err
    (context,) = seen
    line = _options.given_command(context)
    assert shlex.split(line) == ["sterling", "--plugin", "json", "face", "evaluate", *words]
    config = _options.given_config(context)
    assert config.keys() == values.keys()
    assert json.loads(json.dumps(config))["require"] == values["require"]
