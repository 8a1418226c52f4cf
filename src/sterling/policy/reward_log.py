"""Logs of rewards as trainers write them: rewards by step, group and reward function.

TRL's ``log_completions=True`` leaves ``completions/completions_00010.parquet`` files with the
columns step, prompt, completion, advantage, and one column per reward function. `read_reward_log`
reads them, a folder of them, and any CSV, Parquet or JSONL table like them::

    log = read_reward_log(Path("outputs/completions"))
    log.columns  # which column was taken for what
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError, quoted, unknown_name

if TYPE_CHECKING:
    from sterling.tables import Table

Floats = NDArray[np.float64]
STEPS = ("step", "global_step", "training_step", "iteration")
GROUPS = ("group", "group_id", "uid", "prompt_id", "problem_id", "prompt", "question", "query")
ADVANTAGES = ("advantage", "advantages", "adv")
NO_REWARDS = {
    *STEPS,
    *GROUPS,
    *ADVANTAGES,
    *("epoch", "rank", "seed", "index", "id", "sample", "generation", "temperature"),
    *("length", "completion_length", "num_tokens", "tokens"),
    *("answer", "label", "target", "ground_truth", "solution", "completion"),
}
"""Names of columns that are not taken for rewards, unless the caller names them."""


@dataclass(frozen=True)
class Columns:
    """Columns of a log by what they hold.

    Attributes:
        group: Id of the prompt.
        rewards: One per reward function.
        step: Training step; None where all rows belong to one step.
        advantage: Advantage that the trainer used; None without one.
    """

    group: str
    rewards: tuple[str, ...]
    step: str | None = None
    advantage: str | None = None


@dataclass(frozen=True, eq=False)
class RewardLog:
    """Rewards of N completions from K reward functions.

    Attributes:
        columns: Columns that they come from.
        step: Training step, (N,).
        group: Number of the group, (N,): completions of one prompt in one step.
        rewards: Rewards, (N, K); NaN where a function did not score the completion.
        advantage: Advantages that the trainer used, (N,); NaN where it has none. None without.
    """

    columns: Columns
    step: NDArray[np.int64]
    group: NDArray[np.intp]
    rewards: Floats
    advantage: Floats | None = None

    def __len__(self) -> int:
        return len(self.step)

    @property
    def total(self) -> Floats:
        """Sum of the rewards of each completion (N,), as TRL adds them up; NaN without any."""
        unscored = np.isnan(self.rewards).all(axis=1)
        return np.where(unscored, np.nan, np.nansum(self.rewards, axis=1))

    @property
    def group_sizes(self) -> NDArray[np.intp]:
        """Number of completions of each group."""
        return np.bincount(self.group)


def read_reward_log(
    path: Path,
    *,
    group: str | None = None,
    rewards: Sequence[str] = (),
    step: str | None = None,
    advantage: str | None = None,
    group_size: int | None = None,
) -> RewardLog:
    """Read a log of rewards from a .jsonl, .csv, .tsv or .parquet file, or a folder of them.

    Columns that are not named are guessed from their names; every column of numbers that is none
    of the others is taken for a reward, but for one that is the sum of the others. A cell that is
    empty, null or NaN is a completion that the function did not score.

    Args:
        path: File, or folder of files; TRL's output folder too.
        group: Column with the id of the prompt; the prompt's text serves as well.
        rewards: Columns of rewards.
        step: Column of the training step.
        advantage: Column of the trainer's advantage.
        group_size: Number of completions of each prompt, in consecutive rows: for logs in which a
            prompt may stand twice in one step. None takes rows with one id for one group.

    Raises:
        InputError: A file cannot be read, a column is missing, or ids of groups are missing. The
            message names it.

    Examples:
        >>> read_reward_log(Path("run/completions")).columns.rewards  # doctest: +SKIP
        ('format_reward', 'snra')
    """
    tables = [_read(file) for file in _files(path)]
    columns = _columns(tables, group, tuple(rewards), step, advantage)
    parts = [_part(table, columns, group_size) for table in tables]
    steps, keys, values, advantages = zip(*parts, strict=True)
    # A step may continue in the next file, but rows without a step, or cut by number, may not.
    apart = columns.step is None or group_size is not None
    known: dict[Any, int] = {}
    groups = [
        known.setdefault((file if apart else 0, int(at), key), len(known))
        for file, (own, named) in enumerate(zip(steps, keys, strict=True))
        for at, key in zip(own, named, strict=True)
    ]
    return RewardLog(
        columns,
        np.concatenate(steps),
        np.array(groups, dtype=np.intp),
        np.concatenate(values),
        None if columns.advantage is None else np.concatenate(advantages),
    )


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    folder = path / "completions" if (path / "completions").is_dir() else path
    found = sorted(
        file for file in folder.iterdir() if file.suffix in (".parquet", ".jsonl", ".csv", ".tsv")
    )
    if not found:
        raise InputError(f"{folder}: holds no .parquet, .jsonl, .csv or .tsv file")
    return found


def _read(path: Path) -> "Table":
    from sterling.tables import read_table

    table = read_table(path)
    if not len(table):
        raise InputError(f"{path} holds no rows; give a log with one row per completion")
    return table


def _columns(
    tables: Sequence["Table"],
    group: str | None,
    rewards: tuple[str, ...],
    step: str | None,
    advantage: str | None,
) -> Columns:
    """Name the columns of a log, guessed from the first file where the caller does not."""
    first = tables[0]
    for name in (group, *rewards, step, advantage):
        if name is not None and name not in first:
            raise unknown_name(f"column of {first.path}", name, first.columns)
    group = group or _first(GROUPS, first)
    if group is None:
        raise InputError(
            f"{first.path}: no column holds the group, one of {', '.join(GROUPS)}; name it "
            f"(--group), out of {first.listed()}"
        )
    step = step or _first(STEPS, first)
    advantage = advantage or _first(ADVANTAGES, first)
    taken = {group, step, advantage}
    if not rewards:
        guessed = tuple(
            name
            for name in first.columns
            if name not in taken and name.lower() not in NO_REWARDS and _is_numbers(first, name)
        )
        rewards = _without_sum(first, guessed)
    if not rewards:
        raise InputError(
            f"{first.path}: no column of numbers holds rewards; name one (--reward), out of "
            f"{first.listed()}"
        )
    return Columns(group, rewards, step, advantage)


def _first(names: Sequence[str], table: "Table") -> str | None:
    return next((name for name in names if name in table), None)


def _is_numbers(table: "Table", name: str) -> bool:
    """Whether every cell of a column is a number or missing, and one is a number."""
    import polars as pl

    from sterling.tables import MISSING

    column = table.frame[name]
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        return True
    if column.dtype != pl.String:
        return False
    cells = column.str.strip_chars().str.to_lowercase().fill_null("")
    given = ~cells.is_in(list(MISSING))
    return bool(given.any() and table.parsed(name).filter(given).is_not_null().all())


def _numbers(table: "Table", name: str) -> Floats:
    """Return a column as float64 (N,), NaN where a cell is missing.

    Raises:
        InputError: The column is missing from a file, or a cell is neither missing nor a number.
    """
    table.require(name)
    if not _is_numbers(table, name) and table.frame[name].null_count() < len(table):
        raise InputError(f"{table.path}: column {quoted(name)} holds other things than numbers")
    import polars as pl

    if table.frame[name].dtype == pl.Boolean:
        return table.frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
    return table.parsed(name).fill_null(np.nan).to_numpy().astype(np.float64)


def _without_sum(table: "Table", names: tuple[str, ...]) -> tuple[str, ...]:
    """Leave out a column that is the sum of all others, as trainers log the total too."""
    if len(names) < 3:
        return names
    values = np.column_stack([_numbers(table, name) for name in names])
    for place, name in enumerate(names):
        others = np.nansum(np.delete(values, place, axis=1), axis=1)
        if np.allclose(values[:, place], others, atol=1e-6):
            return tuple(one for one in names if one != name)
    return names


_Part = tuple[NDArray[np.int64], list[Any], Floats, Floats]


def _part(table: "Table", columns: Columns, group_size: int | None) -> _Part:
    """Steps, keys of groups, rewards and advantages of one file."""
    count = len(table)
    steps = np.zeros(count, dtype=np.int64) if columns.step is None else table.wholes(columns.step)
    keys = _keys(table, columns.group)
    if group_size is not None:
        keys = _in_runs(table, keys, group_size)
    values = np.column_stack([_numbers(table, name) for name in columns.rewards])
    advantages = (
        np.full(count, np.nan) if columns.advantage is None else _numbers(table, columns.advantage)
    )
    return steps, keys, values, advantages


def _keys(table: "Table", name: str) -> list[Any]:
    """Return the ids of groups; a conversation is its own id."""
    table.require(name)
    column = table.frame[name]
    if column.dtype.is_nested() and column.null_count() == 0:
        return [json.dumps(value, sort_keys=True) for value in column.to_list()]
    return list(table.texts(name))


def _in_runs(table: "Table", keys: list[Any], size: int) -> list[Any]:
    """Cut rows into groups of a size; each has one id."""
    if size < 1 or len(keys) % size:
        raise InputError(
            f"{table.path}: {len(keys)} rows are no whole number of groups of {size}; give another "
            "--group-size"
        )
    for start in range(0, len(keys), size):
        if len(set(keys[start : start + size])) > 1:
            raise InputError(
                f"{table.place(start)}: a group of {size} rows holds several prompts; give another "
                "--group-size, or none"
            )
    return [place // size for place in range(len(keys))]
