import json
from pathlib import Path

import pytest
from tests.cli.command import run, told

import sterling.studies
from sterling.measure import Rate
from sterling.runs import Run
from sterling.study import Claim, Config, Results, Study, Views, at_most, row


class ToyConfig(Config):
    outcome: str = "holds"


def _measure(config: ToyConfig, run: Run) -> Results:
    if config.outcome == "breaks":
        raise ZeroDivisionError("toy broke")
    value = None if config.outcome == "nothing" else float(run.seed)
    return Results.of([{"repetition": 0, **row("seed", value)}])


def _claims(_results: Results, config: ToyConfig) -> list[Claim]:
    bar = {"holds": 0.5, "fails": 0.0}.get(config.outcome, 0.1)
    return [at_most("toy", "Toys work.", Rate(1, 9), bar)]


TOY = Study(
    name="toy",
    summary="A toy.",
    domain="test",
    cite="yu2020searching",
    presets={"smoke": ToyConfig(), "quick": ToyConfig()},
    measure=_measure,
    claims=_claims,
    views=lambda results, _config: Views([results.metric("seed", "seed", "-")]),
    scope=lambda _config: "toy",
)


@pytest.fixture(autouse=True)
def _toy_studies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sterling.studies, "STUDIES", {"toy": TOY})
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("outcome", "status"),
    [("holds", 0), ("fails", 1), ("open", 1), ("breaks", 3), ("nothing", 3)],
)
def test_exit_status_of_run(outcome: str, status: int) -> None:
    assert run("run", "toy", "--set", f"outcome={outcome}", "--out", "r").status == status
    assert Path("r/evidence.json").exists() == (status < 2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "toi"], "did you mean toy"),
        (["run", "toy", "--preset", "huge"], "smoke, quick"),
        (["run", "toy", "--data", "nowhere"], "nowhere: no such file or folder"),
        (["run", "toy", "--set", "outcom=1"], "did you mean outcome"),
        (["run", "toy", "--seed", "x"], "--seed"),
        (["run", "toy", "--out", "/proc/r"], "cannot write"),
        (["verify"], "--all"),
        (["verify", "toy", "nope"], "unknown study 'nope'"),
        (["report", "nowhere"], "holds no evidence"),
        (["compare", "nowhere", "here"], "holds no evidence"),
        (["cite", "toi"], "did you mean toy"),
        (["runn"], "runn"),
        (["face", "export", "nowhere", "-o", "x.onnx"], "nowhere"),
        (["face", "predict", "x.jpg", "--detector", "nowhere"], "nowhere"),
        (["face", "train", "--data", "nowhere", "--out", "d"], "nowhere"),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments: list[str], words: str) -> None:
    ended = run(*arguments)
    assert ended.status == 2
    assert ended.out == ""
    assert len(ended.err.strip().splitlines()) == 1
    assert words in ended.err
    assert not Path("x.onnx").exists()


def test_json_is_the_whole_of_standard_output() -> None:
    evidence = json.loads(told("run", "toy", "--seed", "7", "--out", "r", "--json"))
    assert evidence == json.loads(Path("r/evidence.json").read_text())
    assert evidence["metrics"][0]["value"] == 7.0
    assert {"study", "preset", "seed", "config", "versions", "started", "wall_s", "metrics",
            "claims", "tables", "figures"} <= evidence.keys()  # fmt: skip


def test_list_and_verify_as_json() -> None:
    assert [study["name"] for study in json.loads(told("list", "--json"))] == ["toy"]
    assert json.loads(told("verify", "--all", "--json"))[0]["claims"][0]["verdict"] == "holds"


def test_tables_for_people() -> None:
    assert "toy" in told("list")
    output = told("run", "toy", "--out", "r")
    assert "1 of 1 claims hold" in output
    assert "@inproceedings{yu2020searching" in told("cite", "toy")


def test_compare_two_runs() -> None:
    for seed in ("1", "4"):
        assert run("run", "toy", "--seed", seed, "--out", seed).status == 0
    (row,) = json.loads(told("compare", "1", "4", "--json"))
    assert (row["a"], row["b"], row["difference"], row["paired"]) == (1.0, 4.0, 3.0, False)


def test_doctor_names_versions_extras_and_device() -> None:
    found = json.loads(told("doctor", "--json"))
    assert found["version"]["torch"]
    assert found["extra"]["report"] == "installed"
    assert {"used", "threads"} == found["device"].keys()
