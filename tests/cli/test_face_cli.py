"""The whole way on photographs: train, evaluate, predict, export, and what can go wrong."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from sterling.cli import main
from sterling.face.pad import TrainHistory

ASTRONAUT = Path(__file__).resolve().parents[2] / "examples" / "photographs" / "astronaut.jpg"


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six 'subjects': one face, each time in another light; the attacks are blurred."""
    folder = tmp_path_factory.mktemp("photographs")
    face = Image.open(ASTRONAUT)
    for index in range(6):
        light = ImageEnhance.Brightness(face).enhance(0.6 + 0.15 * index)
        for name, picture in (
            ("live", light),
            ("spoof/print", light.filter(ImageFilter.GaussianBlur(4))),
        ):
            place = folder / name / f"subject{index}"
            place.mkdir(parents=True)
            picture.save(place / "a.png")
            picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(place / "b.png")
    return folder


@pytest.fixture(scope="module")
def detector(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "detector"
    small = ("--size", "32", "--set", "width=4", "--epochs", "2")
    assert run("face", "train", "--data", str(photographs), "--out", str(out), *small) == 0
    return out


@pytest.mark.smoke
def test_evaluate_leaves_evidence_and_report(detector: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    data = str(detector / "manifest.csv")
    arguments = (
        "face",
        "evaluate",
        str(detector),
        "--data",
        data,
        "--robustness",
        "--out",
        str(out),
    )
    assert run(*arguments) == 0
    evidence = json.loads((out / "evidence.json").read_text())
    names = [metric["name"] for metric in evidence["metrics"]]
    assert names[:2] == ["APCER of the worst species (print)", "BPCER"]
    systems = [row[0] for row in evidence["tables"][1]["rows"]]
    assert systems == ["detector", "thumbnails"]
    (robustness,) = [table for table in evidence["tables"] if table["name"] == "robustness"]
    unchanged = [
        row for row in robustness["rows"] if row[1] == (1 if row[0] == "crop scale" else 0)
    ]
    assert len(unchanged) == 8
    assert len({tuple(row[2:]) for row in unchanged}) == 1
    assert unchanged[0][2] == evidence["metrics"][0]["value"]
    curves = [figure for figure in evidence["figures"] if figure["name"].startswith("robustness")]
    assert len(curves) == 8
    assert (out / "report.html").read_text().count("<svg") == 10


def test_a_patch_is_tried_behind_the_switch(
    detector: Path, photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    data = str(detector / "manifest.csv")
    arguments = ("face", "evaluate", str(detector), "--data", data, "--out", str(out))
    assert run(*arguments, "--patch", "0.4") == 2
    assert "research_use false" in " ".join(capsys.readouterr().err.split())
    unsplit = ("--data", str(photographs), "--patch", "0.4", "--research-use", "--out", str(out))
    assert run("face", "evaluate", str(detector), *unsplit) == 2
    assert "splits 'train', 'dev' and 'test'" in " ".join(capsys.readouterr().err.split())
    assert not out.exists()
    assert run(*arguments, "--patch", "0.4", "--research-use") == 0
    evidence = json.loads((out / "evidence.json").read_text())
    assert [row[0] for row in evidence["tables"][-1]["rows"]] == ["none", "noise", "adversarial"]
    assert "13 of 32 pixels" in evidence["tables"][-1]["caption"]
    assert evidence["command"].endswith("--patch 0.4 --research-use")


def test_the_development_items_are_refused(
    detector: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = pl.read_csv(detector / "manifest.csv", infer_schema=False)
    absolute = [str((detector / path).resolve()) for path in manifest["path"]]
    development = manifest.with_columns(path=pl.Series(absolute)).filter(pl.col("split") == "dev")
    development.with_columns(split=pl.lit("test")).write_csv(tmp_path / "again.csv")
    data, out = str(tmp_path / "again.csv"), str(tmp_path / "run")
    assert run("face", "evaluate", str(detector), "--data", data, "--out", out) == 2
    assert "used to choose the threshold" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run" / "evidence.json").exists()


def test_predict_answers_each_face_and_draws_it(
    detector: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    boxes = tmp_path / "boxes"
    photo = (str(ASTRONAUT), "--detector", str(detector), "--boxes", str(boxes), "--json")
    assert run("face", "predict", *photo) == 0
    document = json.loads(capsys.readouterr().out)
    (answer,) = document["answers"]
    assert answer["outcome"] in ("bona fide", "attack")
    assert answer["reason"] == "score"
    assert answer["score"] >= 0
    assert document["threshold"]["rule"]
    left, top, right, bottom = answer["box"]
    assert 150 < left < right < 300
    assert 40 < top < bottom < 230
    assert len(list(boxes.glob("*.png"))) == 1


def test_a_folder_without_faces_cannot_be_told(
    detector: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    (tmp_path / "broken.jpg").write_bytes(ASTRONAUT.read_bytes()[:5000])
    assert run("face", "predict", str(tmp_path), "--detector", str(detector), "--json") == 3
    answers = json.loads(capsys.readouterr().out)["answers"]
    assert [(answer["outcome"], answer["reason"]) for answer in answers] == [
        ("cannot tell", "unreadable"),
        ("cannot tell", "no_face"),
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["predict", "nowhere.jpg"], "no such file"),
        (["predict", "."], "holds no picture"),
        (["export", "DETECTOR", "-o", "x.onnx", "--int8"], "--calibration"),
        (["evaluate", "DETECTOR", "--data", "live"], "live"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    arguments: list[str],
    words: str,
    detector: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [str(detector) if argument == "DETECTOR" else argument for argument in arguments]
    if given[0] == "predict":
        given += ["--detector", str(detector)]
    assert run("face", *given) == 2
    message = capsys.readouterr().err.strip()
    assert len(message.splitlines()) == 1
    assert words in message
    assert not list(tmp_path.glob("*.onnx"))


def test_training_needs_both_classes(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    only = tmp_path / "only"
    (only / "live" / "s").mkdir(parents=True)
    (only / "live" / "s" / "a.png").write_bytes(next(photographs.rglob("a.png")).read_bytes())
    assert run("face", "train", "--data", str(only), "--out", str(tmp_path / "d")) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "d").exists()


def test_attack_makes_a_folder_that_trains(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tmp_path / "attacks"
    arguments = ("face", "attack", str(photographs), "--size", "160", "--out", str(made))
    assert run(*arguments, "--species", "poster, replay") == 0
    assert "12 bona fide crops, 24 SIMULATED attacks" in capsys.readouterr().out
    table = pl.read_csv(made / "manifest.csv")
    counts = dict(table["species"].value_counts().iter_rows())
    assert counts == {"bona_fide": 12, "poster": 12, "replay": 12}
    assert all((made / path).is_file() for path in table["path"])
    small = ("--size", "32", "--set", "width=4", "--epochs", "1")
    data = ("--data", str(made / "manifest.csv"))
    assert run("face", "train", *data, "--out", str(tmp_path / "detector"), *small) == 0


@pytest.mark.parametrize(
    ("species", "message"),
    [
        ("print,print", "name each attack instrument once"),
        ("mask_latex", "unknown species 'mask_latex'"),
    ],
)
def test_attack_refuses_in_one_line_and_writes_nothing(
    species: str,
    message: str,
    photographs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = tmp_path / "attacks"
    arguments = ("face", "attack", str(photographs), "--size", "64", "--out", str(made))
    assert run(*arguments, "--species", species) == 2
    error = capsys.readouterr().err
    assert message in error
    assert not made.exists()


def test_attack_never_writes_into_a_full_folder(
    photographs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(photographs.rglob("*"))
    assert run("face", "attack", str(photographs), "--out", str(photographs)) == 2
    assert "not an empty folder" in capsys.readouterr().err
    assert sorted(photographs.rglob("*")) == before


def test_a_guarantee_is_in_evidence_and_report(
    detector: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = str(detector / "manifest.csv"), tmp_path / "run"
    arguments = ("face", "evaluate", str(detector), "--data", data, "--out", str(out))
    few = ("--guarantee", "bpcer=0.05")
    assert run(*arguments, *few) == 2
    message = " ".join(capsys.readouterr().err.split())
    assert "calibration items are too few" in message
    assert "59 are needed" in message
    assert run(*arguments[:-1], str(tmp_path / "second"), "--guarantee", "bpcer=0.9") == 0
    evidence = json.loads((tmp_path / "second" / "evidence.json").read_text())
    (claim,) = evidence["claims"]
    assert claim["id"] == "bpcer_bound"
    (table,) = [table for table in evidence["tables"] if table["name"] == "guarantee"]
    assert "NOT MET" in str(table["rows"])
    assert evidence["command"].endswith("--guarantee bpcer=0.9")
    page = (tmp_path / "second" / "report.html").read_text()
    assert "What the threshold promises" in page
    assert "captures of one subject are not independent" in page


def test_calibrate_on_ones_own_camera(
    detector: Path, photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine"
    arguments = ("face", "calibrate", str(detector), "--data", str(photographs), "--out", str(out))
    assert run(*arguments) == 2
    assert "12 calibration items are too few" in " ".join(capsys.readouterr().err.split())
    assert not out.exists()
    loose = ("--bpcer", "0.3", "--confidence", "0.9")
    assert run(*arguments, *loose) == 0
    said = capsys.readouterr().out
    assert "the BPCER at this threshold is at most 0.3" in said
    assert "expected APCER of print: " in said
    document = json.loads((out / "calibration.json").read_text())
    assert document["guarantee"]["n"] == 12
    assert run("face", "predict", str(ASTRONAUT), "--detector", str(out), "--json") == 0
    assert json.loads(capsys.readouterr().out)["threshold"]["rule"].startswith("BPCER <= 0.3")
    # Of a training manifest only the held-out subjects count: two captures are too few.
    again = ("--data", str(detector / "manifest.csv"), "--out", str(tmp_path / "again"))
    assert run("face", "calibrate", str(detector), *again, *loose) == 2
    assert "2 calibration items are too few" in " ".join(capsys.readouterr().err.split())
    assert run(*arguments, "--bpcer", "1.5") == 2
    assert "bpcer is 1.5" in " ".join(capsys.readouterr().err.split())


def test_the_shipped_detector_is_evaluated_and_calibrated(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ("--data", str(photographs))
    assert run("face", "evaluate", "compact", *data, "--out", str(tmp_path / "run")) == 0
    assert "BPCER" in capsys.readouterr().out
    out, loose = tmp_path / "mine", ("--bpcer", "0.3", "--confidence", "0.9")
    assert run("face", "calibrate", "compact", *data, "--out", str(out), *loose) == 0
    capsys.readouterr()
    assert run("face", "predict", str(ASTRONAUT), "--detector", str(out), "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["threshold"]["source"] == str(photographs)


def test_a_guarantee_needs_calibration_captures(
    detector: Path, photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("face", "evaluate", str(detector), "--data", str(photographs))
    assert run(*arguments, "--guarantee", "bpcer=0.5", "--out", str(tmp_path / "run")) == 2
    assert "split 'dev'" in " ".join(capsys.readouterr().err.split())


def test_a_collapsed_training_is_no_detector(
    photographs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(TrainHistory, "collapsed", True)
    small = ("--size", "32", "--set", "width=2", "--epochs", "1")
    out = tmp_path / "detector"
    assert run("face", "train", "--data", str(photographs), "--out", str(out), *small) == 3
    assert "lower --learning-rate or change --seed" in capsys.readouterr().err
    assert not (out / "manifest.csv").exists()
