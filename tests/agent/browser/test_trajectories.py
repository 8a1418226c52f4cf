"""Recordings: written, read, replayed, exchanged; damaged files are one line."""

import json
from pathlib import Path

import polars as pl
import pytest

from sterling.agent.browser import (
    Browser,
    FaultPlan,
    MiniWobEnv,
    OraclePolicy,
    Trajectories,
    read_mind2web,
    read_webarena,
    replay,
    run_episodes,
    write_mind2web,
)
from sterling.agent.browser.mind2web import score_offline
from sterling.errors import InputError

WEBARENA = Path(__file__).parents[3] / "shared" / "data" / "gui" / "webarena" / "tasks.json"


def test_a_recording_is_written_read_replayed_and_exchanged(
    browser: Browser, tmp_path: Path
) -> None:
    with MiniWobEnv("enter-password", browser=browser, screenshot=True) as env:
        envs = {"enter-password": env}
        episodes = run_episodes(envs, [("enter-password", seed) for seed in (1, 2)], OraclePolicy)
        assert all(one.success for one in episodes)
        Trajectories.of(episodes).write(tmp_path)
        recorded = Trajectories.read(tmp_path)
        assert recorded.episodes == 2
        assert recorded.actions(0) == [one.action for one in episodes[0].steps]
        assert len(list((tmp_path / "screenshots").glob("*.png"))) == 6
        assert [one.difference for one in replay(recorded, envs)] == [None, None]
        env.faults = FaultPlan(1.0, ("stale",))  # a page that behaves otherwise is noticed
        assert [one.difference for one in replay(recorded, envs)] == [0, 0]
        with pytest.raises(InputError, match="no environment for task 'enter-password'"):
            replay(recorded, {})
    path = tmp_path / "tasks.json"
    assert write_mind2web(recorded, path) == 0
    tasks = read_mind2web(path)
    assert [len(one.steps) for one in tasks] == [3, 3]
    step = tasks[0].steps[0]
    assert (step.operation, step.value) == ("TYPE", episodes[0].steps[0].action.text)
    assert step.targets == (str(episodes[0].steps[0].action.ref),)
    assert step.described.startswith("[input]  Password -> TYPE: ")
    right = [[(one.targets[0], one.operation, one.value) for one in task.steps] for task in tasks]
    perfect = score_offline(tasks, right)
    assert (perfect.step_success, perfect.task_success) == (1.0, 1.0)
    right[0][0] = ("999", "TYPE", "x")
    worse = score_offline(tasks, right)
    assert worse.element_accuracy == pytest.approx((2 / 3 + 1) / 2)
    assert worse.task_success == 0.5


def test_damaged_recordings_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such table of steps"):
        Trajectories.read(tmp_path)
    table = tmp_path / "steps.parquet"
    table.write_bytes(b"PAR1 nonsense")
    with pytest.raises(InputError, match="no table of steps"):
        Trajectories.read(tmp_path)
    empty = Trajectories.of([]).frame
    empty.with_columns(more=pl.lit(1)).write_parquet(table)
    with pytest.raises(InputError, match="columns beyond ours do not fit"):
        Trajectories.read(tmp_path)
    row = dict.fromkeys(empty.columns) | {"action": "{}"}
    pl.DataFrame([row], schema=empty.schema).write_parquet(table)
    with pytest.raises(InputError, match="row 0: no action"):
        Trajectories.read(tmp_path)
    wait = {"kind": "wait", "ref": None, "point": None, "text": "", "end": None, "scroll": [0, 0]}
    row |= {"action": json.dumps(wait), "screenshot": "../../etc/passwd"}
    pl.DataFrame([row], schema=empty.schema).write_parquet(table)
    with pytest.raises(InputError, match="outside"):
        Trajectories.read(tmp_path)


@pytest.mark.parametrize("read", [read_mind2web, read_webarena])
@pytest.mark.parametrize(
    ("content", "reason"),
    [("{", "no JSON"), ("{}", "no list"), ("[{}]", "task 0"), ("[1]", "task 0")],
)
def test_wrong_task_files_are_one_line(
    tmp_path: Path, read: object, content: str, reason: str
) -> None:
    path = tmp_path / "tasks.json"
    path.write_text(content)
    with pytest.raises(InputError, match=reason) as error:
        read(path)  # type: ignore[operator]
    assert "\n" not in str(error.value)


@pytest.mark.skipif(not WEBARENA.exists(), reason="WebArena's task file is not here")
def test_webarena_tasks_are_read() -> None:
    tasks = read_webarena(WEBARENA)
    assert len(tasks) == 497
    first = tasks[0]
    assert (first.task_id, first.sites, first.checks) == (0, ("shopping_admin",), ("string_match",))
    assert first.answers["exact_match"] == "Quest Lumaflex™ Band"
