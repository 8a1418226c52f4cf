"""`sterling face embed|verify|identify|threshold` from files to exit status and report."""

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from tests.cli import command
from tests.face.recognition.people import write_people

refused = partial(command.refused, "face")
told = partial(command.told, "face")

PHOTOGRAPH = Path(__file__).parents[2] / "examples" / "photographs" / "astronaut.jpg"


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One person in two files, two faces in one, a wall, and a text."""
    folder = tmp_path_factory.mktemp("photographs")
    (folder / "known" / "eileen").mkdir(parents=True)
    shutil.copy(PHOTOGRAPH, folder / "known" / "eileen" / "a.jpg")
    image = Image.open(PHOTOGRAPH)
    image.convert("L").resize((400, 400)).save(folder / "grey.png")
    pixels = np.asarray(image)
    Image.fromarray(np.concatenate([pixels, pixels[:, 40:]], axis=1)).save(folder / "two.png")
    Image.new("RGB", (90, 90), "gray").save(folder / "wall.png")
    (folder / "text.jpg").write_text("no picture")
    return folder


def test_embeddings_are_written_with_reasons(photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "e.parquet"
    shown = told("embed", photographs, "--out", out)
    assert "wall.png: no face (nobody is seen" in shown
    assert "two.png: several faces (2 faces; cut out" in shown
    last = f"{out}: 2 of 5 pictures have a vector, "
    assert last in shown
    frame = pl.read_parquet(out)
    assert frame["vector"].is_null().sum() == 3
    assert frame.filter(reason="")["person"].to_list() == ["grey", "known"]
    document = json.loads(told("embed", photographs, "--out", out, "--largest", "--json"))
    reasons = {Path(one["source"]).name: one["reason"] for one in document["answers"]}
    assert reasons["two.png"] == ""
    assert reasons["text.jpg"] == "unreadable"
    told("embed", photographs / "wall.png", "--out", out, status=3)


def test_one_person_is_verified_and_two_are_not(photographs: Path, tmp_path: Path) -> None:
    same = told("verify", PHOTOGRAPH, photographs / "grey.png")
    assert same.startswith("same person: distance 0.")
    assert "dlib's recommendation" in same
    assert "sterling face threshold" in same
    document = json.loads(told("verify", PHOTOGRAPH, photographs / "two.png", "--json", status=3))
    assert (document["same"], document["distance"]) == (None, None)
    assert document["pictures"][1]["reason"] == "several_faces"
    tight = tmp_path / "threshold.json"
    threshold = {"value": 0.01, "direction": "down", "rule": "tight", "source": "x", "n": 0}
    threshold |= {"items": [], "resolved": True}
    tight.write_text(json.dumps({"threshold": threshold, "rates": None}))
    given = ["verify", PHOTOGRAPH, photographs / "grey.png", "--threshold", tight]
    assert told(*given, status=1).startswith("different people: distance 0.")


def test_people_of_a_gallery_are_named_and_shown(photographs: Path, tmp_path: Path) -> None:
    given = ["identify", photographs / "grey.png", photographs / "wall.png", "--gallery"]
    known = [*given, photographs / "known"]
    shown = told(*known, "--rank", "2", "--out", tmp_path / "run")
    evidence = json.loads((tmp_path / "run" / "evidence.json").read_text())
    assert evidence["command"].endswith(f"{photographs / 'known'} --rank 2")
    assert "grey.png: eileen (eileen 0." in shown
    assert "1 named, 1 no face; 1 people in the gallery" in shown
    report = (tmp_path / "run" / "report.html").read_text()
    assert report.count("data:image/png") >= 2
    people = write_people(tmp_path / "people.parquet", 30, 2)
    document = json.loads(told(*given, people, "--rank", "4", "--json"))
    first = document["answers"][0]
    assert (first["person"], first["reason"], len(first["candidates"])) == (None, "unknown", 4)
    assert document["fpir"]["value"] == 0
    assert document["gallery"] == {"people": 30, "pictures": 60}
    assert "they find themselves" in told(
        "identify", photographs / "known", "--gallery", photographs / "known"
    )
    told("identify", photographs / "wall.png", "--gallery", people, status=3)


def test_a_threshold_is_chosen_and_then_used(photographs: Path, tmp_path: Path) -> None:
    people = write_people(tmp_path / "people.parquet", 40, 3)
    out = tmp_path / "run"
    shown = told("threshold", people, "--fmr", "0.01", "--out", out)
    assert "FMR at most 0.01" in shown
    assert "dlib's recommendation" in shown
    assert "FMR on people held out: " in shown
    evidence = json.loads((out / "evidence.json").read_text())
    metrics = {one["name"]: one for one in evidence["metrics"]}
    assert metrics["FMR, FMR at most 0.01"]["value"] <= 0.01
    assert metrics["FMR, FMR at most 0.01"]["low"] < metrics["FMR, FMR at most 0.01"]["high"]
    assert "look most alike" in (out / "report.html").read_text()
    told("verify", PHOTOGRAPH, photographs / "grey.png", "--threshold", out)
    named = told("identify", photographs / "grey.png", "--gallery", people, "--threshold", out)
    assert "FMR at most 0.01, " in named
    assert "40 people: FMR 1 % (" in named
    only = json.loads(told("threshold", people, "--out", tmp_path / "b", "--json"))
    assert [row[0] for row in only["tables"][0]["rows"]] == ["dlib's recommendation"]
    assert not (tmp_path / "b" / "threshold.json").exists()
    assert "next: sterling face identify" in told(
        "threshold", people, "--fpir", "0.1", "--out", tmp_path / "c"
    )


def test_groups_of_people_are_measured(tmp_path: Path) -> None:
    people = write_people(tmp_path / "people.parquet", 30, 2)
    rows = [f"p{number:03},{'old' if number < 12 else 'young'}" for number in range(30)]
    (tmp_path / "groups.csv").write_text("\n".join(["person,group", *rows]))
    given = ["threshold", people, "--out", tmp_path / "run", "--groups"]
    shown = told(*given, tmp_path / "groups.csv")
    assert "  old (12 people): FMR 0 % (" in shown
    assert "  young (18 people): FMR 0 % (" in shown
    (tmp_path / "short.csv").write_text("\n".join(["person,group", *rows[1:]]))
    assert "no group of p000 (1 people have none)" in refused(*given, tmp_path / "short.csv")
    (tmp_path / "other.csv").write_text("name,group\na,b\n")
    assert "person" in refused(*given, tmp_path / "other.csv")


def test_one_picture_each_leaves_the_fnmr_out(tmp_path: Path) -> None:
    people = write_people(tmp_path / "people.parquet", 50, 1)
    shown = told("threshold", people, "--fmr", "0.1", "--out", tmp_path / "run")
    assert "FNMR" not in shown
    assert "TPIR" not in shown


def test_bad_input_is_one_line_and_nothing_is_written(photographs: Path, tmp_path: Path) -> None:
    people = write_people(tmp_path / "people.parquet", 5, 2)
    out = ["--out", tmp_path / "run"]
    assert "about 72 people with as many each would do" in refused(
        "threshold", people, "--fmr", "0.001", *out
    )
    assert "give one of them" in refused("threshold", people, "--fmr", "2", *out)
    assert "give one of them" in refused("threshold", people, "--fmr", "0.3", "--fpir", "0.3", *out)
    assert "no such file or folder" in refused("threshold", tmp_path / "none", *out)
    assert "text.jpg: not a picture" in refused("verify", PHOTOGRAPH, photographs / "text.jpg")
    assert "no such file" in refused("verify", PHOTOGRAPH, tmp_path / "none.jpg")
    assert "no threshold; write one" in refused(
        "verify", PHOTOGRAPH, PHOTOGRAPH, "--threshold", people
    )
    assert "give the name of a .parquet file" in refused(
        "embed", PHOTOGRAPH, "--out", tmp_path / "e.csv"
    )
    assert "no such file" in refused("identify", PHOTOGRAPH, "--gallery", tmp_path / "g.parquet")
    assert not (tmp_path / "run").exists()
