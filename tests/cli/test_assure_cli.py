import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.cli.command import refused, run, told

from sterling.measure import Rate
from sterling.study import Claim, Evidence, at_most
from sterling.study.assurance import Assurance, Part

SYSTEM = """
system: Example
parts:
  forgotten:
    verb: privacy audit
    forget: forgotten.csv
    holdout: holdout.csv
  remembered:
    verb: privacy audit
    forget: remembered.csv
    holdout: holdout.csv
    tolerance: 0.02
    seed: 3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name, shift in (("forgotten", 0), ("remembered", -1), ("holdout", 0)):
        losses = np.exp(rng.normal(shift, 1, 400))
        pl.DataFrame({"loss": losses}).write_csv(tmp_path / f"{name}.csv")
    (tmp_path / "system.yaml").write_text(SYSTEM)
    return tmp_path


def test_parts_are_run_and_shown_with_the_most_urgent_first(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    text = told("assure", folder / "system.yaml", "--out", out, status=1)
    assert "1 of 2 parts hold; does not hold: remembered" in text
    assert text.index("remembered") < text.index("forgotten ")
    document = json.loads(told("assure", folder / "system.yaml", "--out", out, "--json", status=1))
    assert document.pop("schema_version") == 1
    assert document == json.loads((out / "assurance.json").read_text())
    assert [part["standing"] for part in document["parts"]] == ["holds", "does not hold"]
    evidence = json.loads((out / "remembered" / "evidence.json").read_text())
    assert evidence["seed"] == 3
    assert evidence["config"]["tolerance"] == 0.02
    page = (out / "report.html").read_text()
    assert page.index("does-not-hold-ink") < page.index('holds-ink">holds')
    assert page.count("<article") == 2


def test_a_list_of_members_is_a_part_without_a_claim(folder: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for name, members in (("asked", 40), ("known", 0), ("further", 400)):
        values = rng.normal(0, 1, 400) + 4 * (np.arange(400) < members)
        table = {"record": [f"{name}{i}" for i in range(400)], "score": values}
        pl.DataFrame(table).write_csv(folder / f"{name}.csv")
    part = "parts: {members: {verb: privacy mia, scores: asked.csv, calibration: known.csv"
    (folder / "mia.yaml").write_text(part + "}}")
    text = told("assure", folder / "mia.yaml", "--out", tmp_path / "mia")
    assert "no claim" in text
    evidence = json.loads((tmp_path / "mia" / "members" / "evidence.json").read_text())
    assert evidence["metrics"][0]["name"] == "records declared members"
    assert 30 <= evidence["metrics"][0]["value"] <= 50
    assert evidence["command"] == "sterling privacy mia --scores asked.csv --calibration known.csv"
    # Further non-members that look like members refute the guarantee.
    (folder / "mia.yaml").write_text(part + ", holdout: further.csv}}")
    text = told("assure", folder / "mia.yaml", "--out", tmp_path / "shifted", status=1)
    assert "does not hold" in text


def test_a_finished_run_is_read(folder: Path, tmp_path: Path) -> None:
    told("assure", folder / "system.yaml", "--out", tmp_path / "out", status=1)
    (folder / "read.yaml").write_text("parts: {last year: {run: out/forgotten}}")
    text = told("assure", folder / "read.yaml", "--out", tmp_path / "read")
    assert "1 of 1 parts hold" in text
    assert "read" in text


@pytest.mark.parametrize(
    ("system", "message"),
    [
        ("parts: 3", "write 'system: NAME' and 'parts:'"),
        ("parts: {}", "names no part"),
        ("parts: {a: {run: none}}", "holds no evidence.json"),
        ("parts: {a: {verb: face eval}}", "did you mean face evaluate"),
        ("parts: {a: {}}", "give 'verb' with its options, or 'run'"),
        ("parts: {a: {verb: run, run: b}}", "give 'verb' with its options, or 'run'"),
        ("part: {}\nparts: {a: {}}", "did you mean parts"),
        ("parts: {a: {verb: privacy audit, forgot: x}}", "did you mean forget"),
        ("parts: {a: {verb: privacy audit, out: x}}", "unknown option of privacy audit"),
        ("parts: {a: {verb: privacy audit, forget: x.csv}}", "x.csv: no such file"),
        ("parts:\n  a: {run: b}\n  a: {run: c}", "line 3: 'a' is given twice"),
        ("parts: &a {b: *a}", "has references"),
        ("parts: [", "not readable as YAML"),
        (
            "parts: {a b: {verb: privacy mia, scores: holdout.csv, calibration: holdout.csv}, "
            "a-b: {verb: privacy mia, scores: holdout.csv, calibration: holdout.csv}}",
            "part 'a b': rename it: another has its folder",
        ),
        ("parts: {a: {verb: privacy audit, forget: holdout.csv}}", "part 'a': Missing option"),
        (
            "parts: {a: {verb: privacy audit, forget: system.yaml, holdout: holdout.csv}}",
            "part 'a': ",
        ),
    ],
)
def test_a_wrong_system_is_refused_in_one_line(folder: Path, system: str, message: str) -> None:
    (folder / "system.yaml").write_text(system)
    line = refused("assure", folder / "system.yaml", "--out", folder / "out")
    assert message in line
    assert not (folder / "out" / "report.html").exists()


def test_nothing_runs_where_a_later_part_is_wrong(folder: Path) -> None:
    (folder / "system.yaml").write_text(SYSTEM + "  third: {verb: privacy audit, forget: none}\n")
    assert "third" in refused("assure", folder / "system.yaml", "--out", folder / "out")
    assert not (folder / "out").exists()
    assert run("assure", folder / "none.yaml").status == 2


def _part(name: str, claims: list[Claim]) -> Part:
    evidence = Evidence(
        scope="",
        not_scored=0,
        metrics=[],
        claims=claims,
        study="s",
        preset="own data",
        seed=0,
        command="",
        config={},
        versions={},
        started="2026-01-01T00:00:00+00:00",
        wall_s=0,
    )
    return Part(name, "sterling face evaluate", Path(name), evidence)


def test_an_undecided_part_says_how_much_data_it_would_take() -> None:
    part = _part("a", [at_most("few", "Few errors.", Rate(2, 100), 0.05)])
    assert part.standing == "undecided"
    factor = float(part.would_take.split()[1])
    # With the same share of errors that many trials decide, and half of them do not.
    assert at_most("few", "", Rate(round(2 * factor), round(100 * factor)), 0.05).verdict == "holds"
    half = at_most("few", "", Rate(round(factor), round(50 * factor)), 0.05)
    assert half.verdict == "undecided"
    assert _part("b", [at_most("few", "", Rate(0, 100), 0.05)]).would_take == ""


def test_the_worst_part_leads() -> None:
    parts = [
        _part("good", [at_most("few", "", Rate(0, 100), 0.05)]),
        _part("none", []),
        _part("open", [at_most("few", "", Rate(2, 100), 0.05)]),
        Part("lost", "sterling face evaluate", Path("lost"), None, "no face in any picture"),
        _part(
            "bad", [at_most("few", "Few.", Rate(50, 100), 0.05), at_most("f", "", Rate(0, 99), 1)]
        ),
    ]
    found = Assurance("x", parts)
    assert [part.name for part in found.urgent_first] == ["bad", "lost", "open", "none", "good"]
    assert found.outcome.startswith("1 of 5 parts hold; does not hold: bad; not measured: lost")
    assert parts[3].finding == "no face in any picture"
    assert "(1 of 2 claims hold)" in parts[4].finding
