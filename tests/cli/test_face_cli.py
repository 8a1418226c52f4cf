"""The whole way on photographs: train, evaluate, predict, export, and what can go wrong."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageEnhance, ImageFilter
from tests.cli.command import refused, run, told

from sterling.cli import _face_sources, face_calibrate
from sterling.face.data import Limits
from sterling.face.pad import TrainHistory, shipped_detector
from sterling.pictures import read_pixels

ASTRONAUT = Path(__file__).resolve().parents[2] / "examples" / "photographs" / "astronaut.jpg"


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six 'subjects': one face, each time in another light; the attacks are blurred."""
    folder = tmp_path_factory.mktemp("photographs")
    face = Image.open(ASTRONAUT).resize((256, 256))  # finding faces takes most of the time
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
    assert run("face", "train", "--data", photographs, "--out", out, *small).status == 0
    return out


@pytest.mark.smoke
def test_evaluate_leaves_evidence_and_report(detector: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    data = detector / "manifest.csv"
    arguments = (
        "face",
        "evaluate",
        detector,
        "--data",
        data,
        "--robustness",
        "--out",
        out,
    )
    assert run(*arguments).status == 0
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


def test_what_a_detector_judges_is_beside_it_and_in_its_report(
    detector: Path, tmp_path: Path
) -> None:
    beside = json.loads((detector / "interventions.json").read_text())
    out = tmp_path / "run"
    shared = ("face", "evaluate", detector, "--data", detector / "manifest.csv", "--out", out)
    evidence = json.loads(told(*shared, "--interventions", "--json"))
    (table,) = [one for one in evidence["tables"] if one["name"] == "interventions"]
    assert table == beside  # the few test captures are all of them
    assert [row[0] for row in table["rows"]] == [
        *("none", "grey", "equal contrast", "equal sharpness", "equal spectra", "only spectra"),
        *("shuffled patches", "no edges", "only edges"),
    ]
    unchanged = table["rows"][0]
    metrics = {metric["name"]: metric["value"] for metric in evidence["metrics"]}
    assert unchanged[1] == metrics["AUC"]
    assert unchanged[5] == metrics["BPCER"]
    assert all(row[2] <= row[1] <= row[3] for row in table["rows"])
    assert all(row[-1].endswith(".") for row in table["rows"])
    assert "What the detector judges" in told(*shared, "--interventions")
    assert "What the detector judges" in (out / "report.html").read_text()


def test_a_patch_is_tried_behind_the_switch(
    detector: Path, photographs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    data = detector / "manifest.csv"
    arguments = ("face", "evaluate", detector, "--data", data, "--out", out)
    assert "research_use false" in refused(*arguments, "--patch", "0.4")
    unsplit = ("--data", photographs, "--patch", "0.4", "--research-use", "--out", out)
    assert "splits 'train', 'dev' and 'test'" in refused("face", "evaluate", detector, *unsplit)
    assert not out.exists()
    assert run(*arguments, "--patch", "0.4", "--research-use").status == 0
    evidence = json.loads((out / "evidence.json").read_text())
    assert [row[0] for row in evidence["tables"][-1]["rows"]] == ["none", "noise", "adversarial"]
    assert "13 of 32 pixels" in evidence["tables"][-1]["caption"]
    assert evidence["command"].endswith("--patch 0.4 --research-use")


def test_the_development_items_are_refused(detector: Path, tmp_path: Path) -> None:
    manifest = pl.read_csv(detector / "manifest.csv", infer_schema=False)
    absolute = [str((detector / path).resolve()) for path in manifest["path"]]
    development = manifest.with_columns(path=pl.Series(absolute)).filter(pl.col("split") == "dev")
    development.with_columns(split=pl.lit("test")).write_csv(tmp_path / "again.csv")
    data, out = tmp_path / "again.csv", tmp_path / "run"
    assert "used to choose the threshold" in refused(
        "face", "evaluate", detector, "--data", data, "--out", out
    )
    assert not out.exists()  # before faces are searched


def test_predict_answers_each_face_and_draws_it(detector: Path, tmp_path: Path) -> None:
    boxes = tmp_path / "boxes"
    photo = (ASTRONAUT, "--detector", detector, "--boxes", boxes, "--json")
    document = json.loads(told("face", "predict", *photo))
    (answer,) = document["answers"]
    assert answer["outcome"] in ("bona fide", "attack")
    assert answer["reason"] == "score"
    assert answer["score"] >= 0
    assert document["threshold"]["rule"]
    left, top, right, bottom = answer["box"]
    assert 150 < left < right < 300
    assert 40 < top < bottom < 230
    assert len(list(boxes.glob("*.png"))) == 1


def test_a_folder_without_faces_cannot_be_told(detector: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    (tmp_path / "broken.jpg").write_bytes(ASTRONAUT.read_bytes()[:5000])
    answers = json.loads(
        told("face", "predict", tmp_path, "--detector", detector, "--json", status=3)
    )["answers"]
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
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [str(detector) if argument == "DETECTOR" else argument for argument in arguments]
    if given[0] == "predict":
        given += ["--detector", str(detector)]
    assert words in refused("face", *given)
    assert not list(tmp_path.glob("*.onnx"))


def test_training_needs_both_classes(photographs: Path, tmp_path: Path) -> None:
    only = tmp_path / "only"
    (only / "live" / "s").mkdir(parents=True)
    (only / "live" / "s" / "a.png").write_bytes(next(photographs.rglob("a.png")).read_bytes())
    assert (
        len(run("face", "train", "--data", only, "--out", tmp_path / "d").err.strip().splitlines())
        == 1
    )
    assert not (tmp_path / "d").exists()


def test_attack_makes_a_folder_that_trains(photographs: Path, tmp_path: Path) -> None:
    made = tmp_path / "attacks"
    arguments = ("face", "attack", photographs, "--size", "160", "--out", made)
    assert "12 bona fide captures, 24 SIMULATED attacks" in told(
        *arguments, "--species", "print, television"
    )
    table = pl.read_csv(made / "manifest.csv")
    counts = dict(table["species"].value_counts().iter_rows())
    assert counts == {"bona_fide": 12, "print": 12, "television": 12}
    assert all((made / path).is_file() for path in table["path"])
    small = ("--size", "32", "--model", "compact", "--set", "stages=1", "--epochs", "1")
    wide = ("--crop-scale", "2", "--border", "shift")
    data = ("--data", made / "manifest.csv")
    assert run("face", "train", *data, "--out", tmp_path / "detector", *small, *wide).status == 0
    preprocessing = json.loads((tmp_path / "detector" / "config.json").read_text())["preprocessing"]
    assert (preprocessing["crop_scale"], preprocessing["border"]) == (2, "shift")


@pytest.mark.parametrize(
    ("species", "message"),
    [
        ("print,print", "name each attack instrument once"),
        ("mask_latex", "unknown species 'mask_latex'"),
    ],
)
def test_attack_refuses_in_one_line_and_writes_nothing(
    species: str, message: str, photographs: Path, tmp_path: Path
) -> None:
    made = tmp_path / "attacks"
    arguments = ("face", "attack", photographs, "--size", "64", "--out", made)
    error = refused(*arguments, "--species", species)
    assert message in error
    assert not made.exists()


def test_attack_never_writes_into_a_full_folder(photographs: Path) -> None:
    before = sorted(photographs.rglob("*"))
    assert "not an empty folder" in refused("face", "attack", photographs, "--out", photographs)
    assert sorted(photographs.rglob("*")) == before


def test_a_guarantee_is_in_evidence_and_report(detector: Path, tmp_path: Path) -> None:
    data, out = detector / "manifest.csv", tmp_path / "run"
    arguments = ("face", "evaluate", detector, "--data", data, "--out", out)
    few = ("--guarantee", "bpcer=0.05")
    message = refused(*arguments, *few)
    assert "calibration items are too few" in message
    assert "59 are needed" in message
    assert not out.exists()  # there were too few to look for faces at all
    ended = run(*arguments[:-1], tmp_path / "second", "--guarantee", "bpcer=0.9")
    assert ended.status == 1
    assert ended.out.startswith("DOES NOT HOLD: Assumption of the guarantee: ")
    evidence = json.loads((tmp_path / "second" / "evidence.json").read_text())
    claims = {claim["id"]: claim["verdict"] for claim in evidence["claims"]}
    assert claims["assumption_1"] == "does not hold"
    assert "bpcer_bound" in claims
    (table,) = [table for table in evidence["tables"] if table["name"] == "guarantee"]
    assert "NOT MET" in str(table["rows"])
    assert evidence["command"].endswith("--guarantee bpcer=0.9")
    page = (tmp_path / "second" / "report.html").read_text()
    assert "What the threshold promises" in page
    assert "captures of one subject are not independent" in page


def test_calibrate_on_ones_own_camera(detector: Path, photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    arguments = ("face", "calibrate", detector, "--data", photographs, "--out", out)
    assert "12 calibration items are too few" in refused(*arguments)
    assert not out.exists()
    loose = ("--bpcer", "0.3", "--confidence", "0.9")
    said = told(*arguments, *loose, status=1)  # two captures of each subject
    assert said.startswith("DOES NOT HOLD: ")
    assert "the BPCER at this threshold is at most 0.3" in said
    assert "expected APCER of print: " in said
    document = json.loads((out / "calibration.json").read_text())
    assert document["guarantee"]["n"] == 12
    assert json.loads(told("face", "predict", ASTRONAUT, "--detector", out, "--json"))["threshold"][
        "rule"
    ].startswith("BPCER <= 0.3")
    # Only the held-out subjects of a training manifest count: two captures are too few.
    again = ("--data", detector / "manifest.csv", "--out", tmp_path / "again")
    assert "2 calibration items are too few" in refused(
        "face", "calibrate", detector, *again, *loose
    )
    assert "bpcer is 1.5" in refused(*arguments, "--bpcer", "1.5")


def test_an_evaluation_knows_what_a_calibration_promised(
    detector: Path, photographs: Path, tmp_path: Path
) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    loose = ("--bpcer", "0.3", "--confidence", "0.9", "--subject-pattern", r"(?P<subject>.*)")
    assert (
        run("face", "calibrate", detector, "--data", photographs, "--out", own, *loose).status == 0
    )
    for path in photographs.rglob("a.png"):
        place = other / path.relative_to(photographs)
        place.parent.mkdir(parents=True)
        ImageEnhance.Brightness(Image.open(path)).enhance(0.6).save(place)  # another light
    ended = run("face", "evaluate", own, "--data", other, "--out", tmp_path / "run")
    evidence = json.loads((tmp_path / "run" / "evidence.json").read_text())
    (claim,) = [claim for claim in evidence["claims"] if claim["id"] == "bpcer_bound"]
    assert claim["bar_high"] == 0.3
    assert ended.status == {"holds": 0, "does not hold": 1, "undecided": 4}[claim["verdict"]]
    (table,) = [t for t in evidence["tables"] if t["name"] == "where the threshold was chosen"]
    assert {row[0] for row in table["rows"]} == {"BPCER", "APCER of print"}
    # The same photographs chose the threshold.
    again = refused("face", "evaluate", own, "--data", photographs, "--out", tmp_path / "again")
    assert "used to choose the threshold" in again


def test_the_shipped_detector_is_evaluated_and_calibrated(
    photographs: Path, tmp_path: Path
) -> None:
    data = ("--data", photographs)
    assert "BPCER" in told("face", "evaluate", "compact", *data, "--out", tmp_path / "run")
    out, loose = tmp_path / "mine", ("--bpcer", "0.3", "--confidence", "0.9")
    assert run("face", "calibrate", "compact", *data, "--out", out, *loose).status == 1
    document = json.loads(told("face", "predict", ASTRONAUT, "--detector", out, "--json"))
    assert document["threshold"]["source"] == str(photographs)
    assert document["calibrated"] is True
    assert "the BPCER at this threshold is at most 0.3" in document["standing"]
    assert document["threshold"]["advice"] is None
    first, *_, last = told("face", "predict", ASTRONAUT, "--detector", out).splitlines()
    assert first.startswith(f"calibrated on {photographs}: With confidence 0.9")
    assert last.startswith("threshold: ")


def test_an_uncalibrated_detector_says_so_first() -> None:
    first, answer, *_, last = told("face", "predict", ASTRONAUT, "--largest").splitlines()
    assert first == "not calibrated on your camera: error rates unknown"
    assert "astronaut.jpg: " in answer
    assert "sterling face calibrate compact --data RECORDINGS" in last
    document = json.loads(told("face", "predict", ASTRONAUT, "--json"))
    assert document["calibrated"] is False
    assert document["standing"] == first
    assert "calibrate" in document["threshold"]["advice"]


def test_what_the_limits_refuse_is_counted(photographs: Path, tmp_path: Path) -> None:
    """The prints are blurred, and one bona fide is grey."""
    data, grey = tmp_path / "photographs", tmp_path / "photographs" / "live" / "subject9"
    shutil.copytree(photographs, data)
    grey.mkdir()
    Image.open(ASTRONAUT).convert("L").save(grey / "a.png")
    limited = tmp_path / "limited"
    limits = Limits(smallest_face=None)
    shipped = shipped_detector()
    tight = replace(shipped.preprocessing, crop_scale=1.3, border="repeat")
    judge = replace(shipped, preprocessing=tight, reference=None)
    replace(judge, limits=limits).save_pretrained(limited)
    given = ("face", "calibrate", limited, "--data", data, "--bpcer", "0.5", "--confidence", "0.6")
    said = told(*given, "--out", tmp_path / "mine", status=1)  # several captures of a subject
    assert "no attack presentation" in said
    assert "not scored: 12 blurred, 1 grey" in said
    assert "blurred: 12 of 12 attack, a share of 1.000 (0.735 … 1.000)" in said
    assert "grey: 1 of 13 bona_fide, a share of 0.077 (0.002 … 0.360)" in said
    document = json.loads((tmp_path / "mine" / "calibration.json").read_text())
    assert document["guarantee"]["n"] == 12
    assert document["not scored by reason"]["grey"]["bona_fide"]["count"] == 1
    card = json.loads((tmp_path / "mine" / "config.json").read_text())
    assert card["limits"] == limits.to_dict()
    assert "at most 0.5" in card["promise"]

    blurred = replace(limits, least_detail=None)
    replace(judge, limits=blurred).save_pretrained(limited)
    told("face", "evaluate", limited, "--data", data, "--out", tmp_path / "run")
    evidence = json.loads((tmp_path / "run" / "evidence.json").read_text())
    (table,) = [table for table in evidence["tables"] if table["name"] == "reasons"]
    assert [row[:4] for row in table["rows"]] == [
        ["grey", "bona_fide", 1, 13],
        ["grey", "attack", 0, 12],
    ]
    assert evidence["not_scored"] == 1


@pytest.mark.parametrize("kept", ["live", "spoof"])
def test_classes_are_counted_before_faces_are_searched(
    kept: str, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(photographs / kept, tmp_path / "only" / kept)
    searched: list[object] = []
    for module in (_face_sources, face_calibrate):
        monkeypatch.setattr(module, "judged_crops", lambda *given: searched.append(given))
    given = ("compact", "--data", tmp_path / "only", "--out", tmp_path / "out")
    counts = "12 bona fide and 0 attack" if kept == "live" else "0 bona fide and 12 attack"
    assert counts in refused("face", "evaluate", *given)
    few = "12 calibration items are too few" if kept == "live" else "no bona fide presentation"
    assert few in refused("face", "calibrate", *given)
    assert not searched
    assert not (tmp_path / "out").exists()


def test_a_number_is_a_threshold_and_errors_are_shown(photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    given = ("face", "evaluate", "compact", "--data", photographs, "--out", out)
    ended = run(*given, "--threshold", "1e9", "--subject-pattern", r"(?P<subject>subject\d)")
    assert ended.status == 1
    first, *_ = ended.out.splitlines()
    assert first.startswith("DOES NOT HOLD: Bona fides are accepted more often than rejected. 1.0")
    evidence = json.loads((out / "evidence.json").read_text())
    assert "--subject-pattern '(?P<subject>subject" in evidence["command"]
    gallery = json.loads((out / "errors.json").read_text())
    assert len(gallery) == 12
    assert all(item["text"].startswith("bona_fide, score ") for item in gallery)
    assert all(read_pixels(out / item["images"][0]).shape == (3, 160, 160) for item in gallery)
    assert "The worst errors" in (out / "report.html").read_text()
    paths = pl.read_parquet(out / "scores.parquet")["path"]
    assert all(Path(path).is_file() for path in paths)


def test_a_guarantee_needs_calibration_captures(
    detector: Path, photographs: Path, tmp_path: Path
) -> None:
    arguments = ("face", "evaluate", detector, "--data", photographs)
    assert "split 'dev'" in refused(
        *arguments, "--guarantee", "bpcer=0.5", "--out", tmp_path / "run"
    )


def test_a_collapsed_training_is_no_detector(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrainHistory, "collapsed", True)
    small = ("--size", "32", "--set", "width=2", "--epochs", "1")
    out = tmp_path / "detector"
    assert "lower --learning-rate or change --seed" in refused(
        "face", "train", "--data", photographs, "--out", out, *small, status=3
    )
    assert not (out / "manifest.csv").exists()
