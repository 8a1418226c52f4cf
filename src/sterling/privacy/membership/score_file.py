"""The user's own scores, read from a table."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sterling.errors import InputError


@dataclass(frozen=True, eq=False)
class ScoreFile:
    """One row per record.

    Attributes:
        ids: Column ``record``, or the row numbers from 0 without such a column.
        named: Whether there is a column ``record``.
        scores: Column ``score``, higher = more member.
        groups: Column ``group``; None where there is none.
        member: Column ``member``, the truth; None where there is none.
    """

    ids: NDArray[np.str_]
    named: bool
    scores: NDArray[np.float64]
    groups: NDArray[np.str_] | None
    member: NDArray[np.bool_] | None

    def __len__(self) -> int:
        return len(self.scores)


def read_score_file(path: Path, *, lower_is_member: bool = False) -> ScoreFile:
    """Read scores from a CSV or Parquet file.

    Args:
        path: Columns ``score`` (a number), and if there are any ``record`` (an id, unique),
            ``group`` and ``member`` (true or false, or 1 or 0). Others are left alone.
        lower_is_member: Turn the scores around: they are losses.

    Raises:
        InputError: The file cannot be read, a column is missing or of the wrong kind, or a record
            occurs twice. The message names the file.
    """
    table = read_table(path)
    if "score" not in table.columns:
        raise InputError(f"{path} has no column 'score'; it has {', '.join(table.columns)}")
    column = table["score"].cast(pl.Float64, strict=False)
    unusable = len(table) - int(column.is_not_nan().fill_null(value=False).sum())
    if unusable:
        raise InputError(
            f"{path}: {unusable} of {len(table)} scores are missing or no numbers; leave those "
            "records out and count them"
        )
    scores = column.to_numpy()
    named = "record" in table.columns
    ids = table["record"].cast(pl.String) if named else pl.Series(range(len(table))).cast(pl.String)
    if ids.is_duplicated().any():
        twice = ids.filter(ids.is_duplicated())[0]
        raise InputError(f"{path}: record {twice!r} occurs more than once; give each an id")
    return ScoreFile(
        ids=ids.fill_null("").to_numpy().astype(np.str_),
        named=named,
        scores=-scores if lower_is_member else scores,
        groups=_text(table, "group"),
        member=_truth(table, path),
    )


def read_record_ids(path: Path) -> NDArray[np.str_]:
    """Read the column ``record`` of a CSV or Parquet file."""
    table = read_table(path)
    ids = _text(table, "record")
    if ids is None:
        raise InputError(f"{path} has no column 'record'; it has {', '.join(table.columns)}")
    return ids


def read_table(path: Path) -> pl.DataFrame:
    """Read a CSV or Parquet file.

    Raises:
        InputError: The file cannot be read; the message names it.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise InputError(f"{path}: write it as .csv or .parquet")
    try:
        return pl.read_csv(path) if path.suffix == ".csv" else pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path} cannot be read ({error})") from error


def _text(table: pl.DataFrame, name: str) -> NDArray[np.str_] | None:
    if name not in table.columns:
        return None
    return table[name].cast(pl.String).fill_null("").to_numpy().astype(np.str_)


def _truth(table: pl.DataFrame, path: Path) -> NDArray[np.bool_] | None:
    text = _text(table, "member")
    if text is None:
        return None
    text = np.char.lower(text)
    known = np.isin(text, ("true", "false", "1", "0"))
    if not known.all():
        raise InputError(
            f"{path}: member is {str(text[~known][0])!r} in a row; use true or false, or 1 or 0"
        )
    return np.isin(text, ("true", "1"))
