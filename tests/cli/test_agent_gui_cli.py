"""`sterling agent gui` from a task to exit status, recording, evidence and report."""

import json
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from tests.cli import command

refused = partial(command.refused, "agent", "gui")
told = partial(command.told, "agent", "gui")


@pytest.fixture
def _browser() -> None:
    from sterling.agent.browser.chromium import require_gui
    from sterling.agent.browser.miniwob import miniwob_folder
    from sterling.errors import InputError

    try:
        require_gui()
        miniwob_folder()
    except InputError as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("_browser")
def test_own_pages_are_evaluated_and_the_report_shows_steps(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<button onclick='window.done = 1'>Go</button>")
    task = tmp_path / "task.json"
    text = {
        "instruction": "Press Go.",
        "start": "index.html",
        "check": "window.done",
        "viewport": [200, 100],
    }
    task.write_text(json.dumps(text))
    given = [task, "--policy", "random", "--seeds", 2, "--out", tmp_path / "run", "--json"]
    evidence = json.loads(told("evaluate", *given))
    metrics = {one["name"]: one for one in evidence["metrics"]}
    assert (metrics["success"]["value"], metrics["success"]["n"]) == (1.0, 2)
    assert metrics["success"]["low"] < 1.0  # two episodes prove little
    report = (tmp_path / "run" / "report.html").read_text()
    assert report.count("data:image/png") == 2
    assert "Press Go." in report
    assert pl.read_parquet(tmp_path / "run" / "steps.parquet").height == 2


@pytest.mark.usefixtures("_browser")
def test_episodes_are_played_recorded_and_replayed(tmp_path: Path) -> None:
    shown = told("run", "click-test-2", "--seed", 6)
    assert "click [1]; on button 'ONE'" in shown
    assert "solved" in shown
    out, tasks = tmp_path / "recording", tmp_path / "mind2web.json"
    said = told("record", "click-test-2", "--seeds", 2, "--out", out, "--mind2web", tasks)
    assert said.startswith("2 episodes, 2 solved, 2 steps")
    assert len(json.loads(tasks.read_text())) == 2
    assert told("replay", out) == "2 of 2 episodes repeat exactly\n"
    assert "is not empty" in refused("record", "click-test-2", "--out", out)


def test_bad_input_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sterling.agent.browser.chromium.shutil.which", lambda _name: "/bin/false")
    assert "did you mean click-tab" in refused("run", "clik-tab")
    assert "no such task file" in refused("run", tmp_path / "none.yaml")
    (tmp_path / "index.html").write_text("x")
    task = tmp_path / "task.yaml"
    text = {
        "instruction": "x",
        "start": "index.html",
        "check": "x",
        "origins": ["http://a.example"],
    }
    task.write_text(json.dumps(text))
    assert "--allow http://a.example" in refused("run", task)
    assert "does not start" in refused("run", "click-test")
    monkeypatch.setattr("sterling.agent.browser.chromium.shutil.which", lambda _name: None)
    assert "apt-get install chromium" in refused("run", "click-test")
    assert "no such table of steps" in refused("replay", tmp_path)
