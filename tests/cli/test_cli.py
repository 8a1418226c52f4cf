import json
import os
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.cli.command import refused, run, told

import sterling.studies
from sterling.cli._verdicts import claims_status
from sterling.cli.studies import claims_table, plain_console
from sterling.measure import Rate
from sterling.runs import Run
from sterling.study import (
    Claim,
    Config,
    Evidence,
    Results,
    Study,
    StudyEntry,
    Views,
    at_most,
    positive,
    row,
)
from sterling.study.evidence import Verdict

ASTRONAUT = Path(__file__).parents[2] / "examples" / "photographs" / "astronaut.jpg"


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
    StudyEntry("toy", "A toy.", "test", "yu2020searching", __name__, presets=("smoke", "quick")),
    presets={"smoke": ToyConfig(), "quick": ToyConfig()},
    measure=_measure,
    claims=_claims,
    views=lambda results, _config: Views([results.metric("seed", "seed", "-")]),
    scope=lambda _config: "toy",
)


@pytest.fixture(autouse=True)
def _toy_studies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sterling.studies, "STUDIES", {"toy": TOY})
    monkeypatch.setattr(sterling.studies, "ENTRIES", {"toy": TOY.entry})
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("outcome", "status"),
    [("holds", 0), ("fails", 1), ("open", 4), ("breaks", 3), ("nothing", 3)],
)
def test_exit_status_of_run(outcome: str, status: int) -> None:
    assert run("run", "toy", "--set", f"outcome={outcome}", "--out", "r").status == status
    assert Path("r/evidence.json").exists() == (status in (0, 1, 4))


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
    assert [study["name"] for study in json.loads(told("list", "--json"))["studies"]] == ["toy"]
    assert (
        json.loads(told("verify", "--all", "--json"))["runs"][0]["claims"][0]["verdict"] == "holds"
    )


def test_runs_are_logged_to_mlflow(tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow", reason="pip install 'sterling[mlflow]'")
    uri = (tmp_path / "mlruns").as_uri()
    told("run", "toy", "--out", "a", "--mlflow", uri)
    told("verify", "toy", "--out", "b", "--mlflow", uri)
    client = mlflow.MlflowClient(tracking_uri=uri)
    (experiment,) = (one for one in client.search_experiments() if one.name == "sterling/toy")
    runs = client.search_runs([experiment.experiment_id])
    assert {run.info.run_name for run in runs} == {"a", "toy-smoke-0"}
    assert "--mlflow nonsense://x" in refused(
        "run", "toy", "--out", "c", "--mlflow", "nonsense://x"
    )
    assert not Path("c").exists()


def test_tables_for_people() -> None:
    assert "toy" in told("list")
    output = told("run", "toy", "--out", "r")
    assert "1 of 1 claims hold" in output
    assert "@inproceedings{yu2020searching" in told("cite", "toy")


def test_compare_two_runs() -> None:
    for seed in ("1", "4"):
        assert run("run", "toy", "--seed", seed, "--out", seed).status == 0
    (row,) = json.loads(told("compare", "1", "4", "--json"))["differences"]
    assert (row["a"], row["b"], row["difference"], row["paired"]) == (1.0, 4.0, 3.0, False)


def test_compare_fails_on_worse_and_names_items_of_one_run() -> None:
    label = np.arange(120) % 2 == 0
    for name, gap in (("a", 3.0), ("b", 0.0)):
        assert run("run", "toy", "--out", name).status == 0
        values = np.random.default_rng(len(name)).normal(size=120) + gap * label
        rows = {"item": [f"i{k}" for k in range(120)], "label": label, "value": values}
        table = pl.DataFrame(rows).with_columns(system=pl.lit("net"), seed=pl.lit(0))
        table.write_parquet(Path(name) / "scores.parquet")
    shown = told("compare", "a", "b", "--fail-on-worse", status=1)
    assert "worse" in shown
    assert "only in" not in shown
    told("compare", "a", "b")
    told("compare", "b", "a", "--fail-on-worse")
    pl.read_parquet("b/scores.parquet").slice(2).write_parquet("b/scores.parquet")
    assert "only in A: 2 items of net ('i0', 'i1')" in told("compare", "a", "b")


def test_doctor_names_versions_extras_and_device() -> None:
    found = json.loads(told("doctor", "--json"))
    assert found["version"]["torch"]
    assert found["extra"]["report"] == "installed"
    assert {"used", "threads"} == found["device"].keys()


class CountedConfig(Config):
    seeds: int = 4
    effect: float = 0.5


def _counted(config: CountedConfig, run: Run) -> Results:
    rng = np.random.default_rng(run.seed)
    values = rng.normal(config.effect, 1, config.seeds)
    return Results.of({"repetition": k, **row("gain", x)} for k, x in enumerate(values))


COUNTED = Study(
    StudyEntry("counted", "", "test", "yu2020searching", __name__, presets=("smoke", "quick")),
    presets={"smoke": CountedConfig(), "quick": CountedConfig(seeds=5)},
    measure=_counted,
    claims=lambda results, _: [positive("gain", "A gain.", results.values("gain"))],
    views=lambda results, _: Views([results.metric("mean", "gain", "-")]),
    scope=lambda _: "toy",
    repetitions="seeds",
)


@pytest.fixture
def _counted_study(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sterling.studies, "STUDIES", {"toy": TOY, "counted": COUNTED})
    entries = {"toy": TOY.entry, "counted": COUNTED.entry}
    monkeypatch.setattr(sterling.studies, "ENTRIES", entries)


@pytest.mark.usefixtures("_counted_study")
def test_a_run_until_decided() -> None:
    evidence = json.loads(told("run", "counted", "--until-decided", "--budget", "2h", "--json"))
    assert (evidence["design"], evidence["stopped"]) == ("sequential", "decided")
    assert evidence == json.loads(
        Path("runs/counted-quick-0-until-decided/evidence.json").read_text()
    )
    told(*evidence["command"].split()[1:], "--out", "again")
    again = json.loads(Path("again/evidence.json").read_text())
    assert again["claims"] == evidence["claims"]
    limit = ["--until-decided", "--max-repetitions", "5", "--out", "cap"]
    assert "5 repetitions, stopped by: max repetitions" in told("run", "counted", *limit, status=4)


@pytest.mark.usefixtures("_counted_study")
def test_the_recorded_command_has_every_change() -> None:
    changes = ["--set", "seeds=7", "--set", "effect=-1.5", "--preset", "smoke"]
    told("run", "counted", *changes, "--out", "a", status=1)
    evidence = json.loads(Path("a/evidence.json").read_text())
    assert evidence["command"] == (
        "sterling run counted --preset smoke --seed 0 --set seeds=7 --set effect=-1.5"
    )
    told(*evidence["command"].split()[1:], "--out", "b", status=1)
    assert json.loads(Path("b/evidence.json").read_text())["claims"] == evidence["claims"]


@pytest.mark.usefixtures("_counted_study")
def test_plan_reads_a_finished_run() -> None:
    undecided = told("run", "counted", "--set", "effect=0.3", status=4)
    found = json.loads(told("plan", "study", "counted", "--json"))
    assert "projection" in found["note"]
    (claim,) = found["claims"]
    assert (claim["claim"], claim["repetitions"]) == ("gain", 5)
    assert 5 <= claim["fixed"][0] < claim["sequential"][1]
    needed = f"undecided: gain: about {claim['fixed'][1]} repetitions would decide it (now 5)"
    assert needed in undecided
    verified = told("verify", "counted", "--preset", "quick", "--seed", 1, status=4)
    assert "repetitions would decide it (now 5)" in verified
    output = told("plan", "study", "counted", "--run", "runs/counted-quick-0")
    assert "plan for the second" in output
    assert str(claim["sequential"][1]) in output
    told("run", "counted", "--set", "effect=9", "--out", "clear")
    assert told("plan", "study", "counted", "--run", "clear") == "every claim is decided\n"


def _evidence(*verdicts: Verdict) -> Evidence:
    claims = [
        Claim(id=f"c{row}", claim="", estimand="", measured=None, bar="> 0", verdict=one)
        for row, one in enumerate(verdicts)
    ]
    return Evidence(
        scope="", not_scored=0, metrics=[], claims=claims, study="toy", preset="quick", seed=0,
        command="", config={}, versions={}, started="", wall_s=0.0,
    )  # fmt: skip


def test_a_claim_that_fails_outweighs_one_that_is_undecided() -> None:
    assert claims_status(_evidence("holds", "holds")) == 0
    assert claims_status(_evidence()) == 0
    assert claims_status(_evidence("holds", "undecided")) == 4
    assert claims_status(_evidence("undecided", "does not hold", "holds")) == 1
    assert claims_status(_evidence("undecided"), _evidence("does not hold")) == 1
    assert claims_status(_evidence("undecided"), _evidence("holds")) == 4


def test_pad_plans_count_subjects_and_refuse_what_few_cannot_show() -> None:
    shown = told("plan", "pad", "--bpcer", 0.05, "--apcer", 0.01, "--species", 6)
    assert "at least 1,853 presentations in all" in shown  # 59 + 6 x 299
    sizes = json.loads(told("plan", "pad", "--bpcer", 0.05, "--json"))["plans"]["BPCER"]
    assert [each["trials"] for each in sizes] == [59, 93, 124, 208]
    few = told("plan", "pad", "--bpcer", 0.05, "--subjects", 6, status=1)
    assert "6 subjects, who bound it at 39.3% at best" in few
    clustered = ("--presentations", 10, "--icc", 0.2)
    told("plan", "pad", "--bpcer", 0.05, "--subjects", 17, *clustered)
    told("plan", "pad", "--bpcer", 0.05, "--subjects", 16, *clustered, status=1)
    assert "give --bpcer, --apcer or both" in refused("plan", "pad")
    assert "bound 5: give a rate" in refused("plan", "pad", "--bpcer", 5)


@pytest.mark.usefixtures("_counted_study")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "counted", "--budget", "2h"], "--budget 2h: give --until-decided with it"),
        (["run", "counted", "--max-repetitions", "9"], "give --until-decided with it"),
        (["run", "counted", "--until-decided", "--budget", "0s"], "more than zero"),
        (["run", "counted", "--until-decided", "--budget", "long"], "--budget long"),
        (["run", "counted", "--until-decided", "--budget", "-1h"], "--budget -1h"),
        (["run", "counted", "--until-decided", "--max-repetitions", "2"], "starts with 5 (seeds)"),
        (["run", "toy", "--until-decided"], "not for study 'toy': it names no field"),
        (["plan", "study", "counted"], "runs/counted-quick-0 holds no evidence"),
        (["plan", "study", "toi"], "did you mean toy"),
    ],
)
def test_bad_input_of_sequential_runs(arguments: list[str], words: str) -> None:
    assert words in refused(*arguments)


@pytest.mark.usefixtures("_counted_study")
def test_a_plan_of_another_study() -> None:
    told("run", "toy", "--out", "t")
    assert "holds a run of toy, not of counted" in refused("plan", "study", "counted", "--run", "t")
    assert "no plan for study 'toy'" in refused("plan", "study", "toy", "--run", "t")


def test_a_name_is_shown_as_it_is_in_an_error(tmp_path: Path) -> None:
    name = "no  such:key:[red]file.jpg"
    assert name in refused("face", "predict", tmp_path / name)
    assert "a\\nb\\x1b[8m" in refused("face", "predict", tmp_path / "a\nb\x1b[8m")


@pytest.mark.parametrize("encoding", ["latin-1", "cp437", "cp1252", "ascii"])
def test_a_console_without_a_letter_ends_nothing(tmp_path: Path, encoding: str) -> None:
    photograph = tmp_path / "m\u6f22.jpg"
    photograph.write_bytes(ASTRONAUT.read_bytes())
    program = "import sys; from sterling.cli import main; main(sys.argv[1:])"
    for arguments, status in (
        (["face", "predict", str(photograph)], 0),
        (["face", "predict", str(tmp_path / "\u6f22")], 2),
        (["list"], 0),
    ):
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            capture_output=True,
            check=False,
            env={**os.environ, "PYTHONIOENCODING": encoding},
        )
        assert done.returncode == status, done.stderr
    assert b"Traceback" not in done.stderr


def test_claims_of_a_stranger_are_no_markup() -> None:
    claim = Claim(
        id="a",
        claim="[red]:key:[/]\x1b[8m",
        estimand="mean",
        measured=0.5,
        bar="> 0",
        verdict="holds",
    )
    with redirect_stdout(StringIO()) as out:
        plain_console().print(claims_table([claim]))
    said = out.getvalue()
    assert "[red]:key:[/]" in said
    assert "\x1b" not in said


def test_a_closed_pipe_is_not_a_claim_that_does_not_hold() -> None:
    command = [sys.executable, "-c", "from sterling.cli import main; main()", "list", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 141


@pytest.mark.usefixtures("_toy_studies")
def test_a_panic_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):
        """Stand-in for the error that polars raises, which is no Exception."""

    def panic(*_arguments: object) -> None:
        raise PanicException("index out of bounds\nmore")

    monkeypatch.setattr("sterling.study.find_study", panic)
    assert "PanicException: index out of bounds more" in refused("cite", "toy", status=3)


def test_the_version_is_shown() -> None:
    assert told("--version") == "0.1.0\n"
