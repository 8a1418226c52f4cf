"""The user's own scores, read from a table."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError, quoted
from sterling.tables import Table, read_arrays, read_table


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
    """Read scores from a CSV, TSV, Parquet or JSONL file.

    Args:
        path: Columns ``score`` (a number), and if there are any ``record`` (an id, unique;
            text as written), ``group`` and ``member`` (true or false, or 1 or 0). Others are left
            alone.
        lower_is_member: Turn the scores around: they are losses.

    Raises:
        InputError: The file cannot be read, a column is missing or of the wrong kind, or a record
            occurs twice. The message names file and line.
    """
    table = read_table(path)
    scores = table.numbers("score")
    named = "record" in table
    ids = table.texts("record") if named else np.arange(len(table)).astype(np.str_)
    names, first = np.unique(ids, return_index=True)
    if len(names) < len(ids):
        row = int(np.setdiff1d(np.arange(len(ids)), first)[0])
        raise InputError(
            f"{table.place(row)}: record {quoted(str(ids[row]))} occurs more than once; give "
            "each an id"
        )
    return ScoreFile(
        ids=ids,
        named=named,
        scores=-scores if lower_is_member else scores,
        groups=table.texts("group") if "group" in table else None,
        member=_truth(table) if "member" in table else None,
    )


def score_records(model: Path, path: Path) -> ScoreFile:
    """Score records by minus their loss under an ONNX classifier of logits.

    Args:
        model: The .onnx file.
        path: An .npz with arrays ``x`` (N, ...) and ``label`` (N,), and if there are any ``record``
            (ids, unique), ``group`` and ``member`` (true or false, or 1 or 0).

    Raises:
        InputError: A file does not fit; the message names it.
    """
    from sterling.privacy.unlearning_attacks.signals import ask_onnx

    scores = -ask_onnx(model, path).loss
    arrays = read_arrays(path)
    for name in arrays.keys() & {"record", "group", "member"}:
        if arrays[name].shape != scores.shape:
            raise InputError(
                f"{path}: {name} is {arrays[name].shape}; give one value per record, {scores.shape}"
            )
    named = "record" in arrays
    ids = arrays["record"].astype(np.str_) if named else np.arange(len(scores)).astype(np.str_)
    if len(np.unique(ids)) < len(ids):
        raise InputError(f"{path}: a record occurs more than once; give each an id")
    member = arrays.get("member")
    if member is not None and not np.isin(member, (0, 1)).all():
        raise InputError(f"{path}: member holds other values than true and false, or 1 and 0")
    return ScoreFile(
        ids=ids,
        named=named,
        scores=scores,
        groups=arrays["group"].astype(np.str_) if "group" in arrays else None,
        member=None if member is None else member.astype(np.bool_),
    )


def read_record_ids(path: Path) -> NDArray[np.str_]:
    """Read the column ``record`` of a CSV, Parquet or JSONL file."""
    return read_table(path).texts("record")


def _truth(table: Table) -> NDArray[np.bool_]:
    if table.frame["member"].dtype.is_numeric():
        text = table.wholes("member").astype(np.str_)
    else:
        text = np.char.lower(table.texts("member"))
    known = np.isin(text, ("true", "false", "1", "0"))
    if not known.all():
        row = int((~known).argmax())
        raise InputError(
            f"{table.place(row)}: member is {quoted(str(text[row]))}; use true or false, or 1 or 0"
        )
    return np.isin(text, ("true", "1"))
