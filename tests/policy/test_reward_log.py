"""Logs are read as trainers write them, and refused in one line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from sterling.errors import InputError
from sterling.policy.reward_log import read_reward_log

ROWS: list[dict[str, Any]] = [
    {"step": step, "prompt": prompt, "format": 1.0, "snra": 0.1 * step + place, "advantage": 0.5}
    for step in (10, 20)
    for prompt in ("a?", "b?")
    for place in (0, 1)
]


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Rows as JSONL, CSV or Parquet."""
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".csv":
        pl.DataFrame(rows).write_csv(path)
    else:
        pl.DataFrame(rows).write_parquet(path)
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_kinds_of_files_give_the_same_log(suffix: str, tmp_path: Path) -> None:
    rows = [
        {**row, "completion": "4 m", "snra": None if row["step"] == 20 else 0.5} for row in ROWS
    ]
    log = read_reward_log(written(tmp_path / f"log{suffix}", rows))
    assert log.columns.rewards == ("format", "snra")
    assert (log.columns.group, log.columns.step) == ("prompt", "step")
    assert log.columns.advantage == "advantage"
    assert log.step.tolist() == [10] * 4 + [20] * 4
    assert log.group.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert np.isnan(log.rewards[4:, 1]).all()
    assert log.total.tolist() == [1.5] * 4 + [1.0] * 4


def test_a_folder_of_trl_is_read_and_conversations_are_groups(tmp_path: Path) -> None:
    (tmp_path / "completions").mkdir()
    for step in (10, 20):
        rows = [
            {**row, "prompt": [{"role": "user", "content": row["prompt"]}]}
            for row in ROWS
            if row["step"] == step
        ]
        written(tmp_path / "completions" / f"completions_{step:05d}.parquet", rows)
    log = read_reward_log(tmp_path)
    assert log.group.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert log.step.tolist() == [10] * 4 + [20] * 4


def test_a_prompt_twice_in_a_step_is_cut_by_the_size_of_groups(tmp_path: Path) -> None:
    rows = [{**row, "prompt": "a?", "step": 1} for row in ROWS]
    path = written(tmp_path / "log.jsonl", rows)
    assert read_reward_log(path).group_sizes.tolist() == [8]
    assert read_reward_log(path, group_size=2).group_sizes.tolist() == [2] * 4
    with pytest.raises(InputError, match="no whole number of groups of 3"):
        read_reward_log(path, group_size=3)
    mixed = written(tmp_path / "mixed.jsonl", ROWS)
    with pytest.raises(InputError, match="line 1: a group of 4 rows holds several prompts"):
        read_reward_log(mixed, group_size=4)


def test_a_total_is_no_reward_function(tmp_path: Path) -> None:
    rows = [{**row, "reward": row["format"] + row["snra"]} for row in ROWS]
    log = read_reward_log(written(tmp_path / "log.csv", rows))
    assert log.columns.rewards == ("format", "snra")
    named = read_reward_log(tmp_path / "log.csv", rewards=["reward"])
    assert named.columns.rewards == ("reward",)


def test_columns_may_have_any_name(tmp_path: Path) -> None:
    rows = [{"id": row["prompt"] + str(row["step"]), "t": row["step"], "r": True} for row in ROWS]
    log = read_reward_log(written(tmp_path / "log.parquet", rows), group="id", step="t")
    assert log.columns.rewards == ("r",)
    assert log.total.tolist() == [1.0] * 8
    assert log.columns.advantage is None
    assert log.advantage is None


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([{"step": 1, "r": 0.5}], {}, "no column holds the group.*--group.*'step', 'r'"),
        ([{"prompt": "a", "text": "b"}], {}, "no column of numbers holds rewards.*--reward"),
        ([{"prompt": "a", "r": 1}, {"prompt": None, "r": 2}], {}, "line 2: column 'prompt' is em"),
        (ROWS, {"rewards": ["snar"]}, "did you mean snra"),
        (ROWS, {"rewards": ["prompt"]}, "'prompt' holds other things than numbers"),
        ([{**ROWS[0], "step": 1.5}], {}, "write a whole number"),
        ([], {}, "is empty"),
    ],
)
def test_what_cannot_be_read_is_named(
    rows: list[dict[str, Any]], options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "log.jsonl", rows)
    with pytest.raises(InputError, match=message):
        read_reward_log(path, **options)


def test_damaged_lines_and_empty_folders_are_named(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"prompt": "a", "r": 1}\n{"prompt":\n')
    with pytest.raises(InputError, match=r"log\.jsonl, line 2: no JSON"):
        read_reward_log(path)
    path.write_text("[1]\n")
    with pytest.raises(InputError, match="is no object"):
        read_reward_log(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: holds no \.parquet"):
        read_reward_log(tmp_path / "empty")
    with pytest.raises(InputError, match="no such file"):
        read_reward_log(tmp_path / "nowhere.jsonl")
