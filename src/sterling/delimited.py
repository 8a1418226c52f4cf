"""Records of a text of separated cells, in the dialects of spreadsheets, pandas, numpy and R.

`sterling.tables` reads files of them; every cell stays text as it was written.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from sterling.errors import InputError, quoted

DELIMITERS = ("\t", ";", ",", "|")  # in this order where a header could be cut by several
INDEX_NAMES = ("", "Unnamed: 0")  # pandas' and R's column of row numbers


@dataclass(frozen=True)
class Delimited:
    """Columns of a text.

    Attributes:
        columns: Cells of each column by its name.
        lines: Line on which each row ends.
        header: Whether the first line names the columns; else they are "1", "2", ...
        delimiter: Letter that separates cells.
    """

    columns: Mapping[str, Sequence[str]]
    lines: Sequence[int]
    header: bool
    delimiter: str


def cut_text(path: Path, text: str, *, header_optional: bool) -> Delimited:
    """Cut a text into columns.

    Args:
        path: Its file, for messages.
        text: The text, without byte order mark.
        header_optional: Take a first line of numbers alone for data.

    Raises:
        InputError: A line has too few or too many cells, or a column's name is missing or there
            twice. The message names file and line.
    """
    delimiter, records = _records(path, text)
    if not records:
        raise InputError(f"{path} is empty; give a line of column names, and data")
    width = len(records[0][1])
    for line, cells in records:
        if len(cells) != width:
            found = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
            raise InputError(
                f"{path}, line {line}: {found}, but {width} in the first line; complete the line, "
                "or quote a cell that holds a separator or a decimal comma"
            )
        if cells[0].startswith("\ufeff"):
            raise InputError(
                f"{path}, line {line}: begins with a byte order mark, as where files were joined; "
                "remove it"
            )
    names = [name.strip() for name in records[0][1]]
    header = not (header_optional and _only_numbers(path, names, delimiter != ","))
    if header:
        records = records[1:]
    else:
        names = [str(number) for number in range(1, width + 1)]
    columns = list(zip(*(cells for _, cells in records), strict=True)) or [()] * width
    kept = _named_columns(path, names, columns)
    return Delimited(kept, [line for line, _ in records], header, delimiter)


def with_points(cells: pl.Series) -> pl.Series:
    """Turn decimal commas into points, unless commas may separate thousands."""
    written = cells.filter(cells.str.contains(",", literal=True).fill_null(value=False))
    numbers = r"^[+-]?\d*,\d+([eE][+-]?\d+)?$"
    thousands = r"^[+-]?[1-9]\d{0,2}(,\d{3})+$"
    if (
        not len(written)
        or cells.str.contains(".", literal=True).any()
        or not written.str.contains(numbers).all()
        or written.str.contains(thousands).all()
    ):
        return cells
    return cells.str.replace(",", ".", literal=True)


_Record = tuple[int, list[str]]  # line on which it ends, and its cells


def _records(path: Path, text: str) -> tuple[str, list[_Record]]:
    """Cut a text into records without blank ones, by the delimiter that fits."""
    hint = re.match(r"sep=([\t;,|])\r?\n", text)
    if hint:
        return hint[1], _cut(path, text, hint[1])[1:]
    first = next((line for line in io.StringIO(text, newline="") if line.strip()), "")
    possible = [one for one in DELIMITERS if one in first]
    refusal: InputError | None = None
    for delimiter in possible:
        try:
            records = _cut(path, text, delimiter)
        except InputError as error:
            refusal = refusal or error
            continue
        widths = {len(cells) for _, cells in records}
        if len(widths) == 1 and widths != {1}:
            return delimiter, records
    if refusal is not None and len(possible) == 1:
        raise refusal
    most = max(possible, key=first.count, default=",")
    return most, _cut(path, text, most)


def _cut(path: Path, text: str, delimiter: str) -> list[_Record]:
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True
    )
    records: list[_Record] = []
    blank = 0
    try:
        for cells in reader:
            if not "".join(cells).strip():
                blank = blank or reader.line_num
                continue
            if blank and records and len(cells) == 1:
                # A missing value of a table with one column looks like a blank line.
                raise InputError(
                    f"{path}, line {blank}: is blank; remove the line, or write its value"
                )
            blank = 0
            records.append((reader.line_num, cells))
    except csv.Error as error:
        raise InputError(
            f"{path}, line {reader.line_num}: {error}; mend the quotes, or quote a cell that holds "
            "a line break"
        ) from error
    return records


def _only_numbers(path: Path, cells: Sequence[str], decimal_comma: bool) -> bool:
    """Whether a first line is data: numbers, some of them perhaps missing."""
    column = pl.Series(cells, dtype=pl.String)
    if decimal_comma:
        column = with_points(column)
    numbers = column.cast(pl.Float64, strict=False)
    if numbers.is_null().all() or any(
        cell and number is None for cell, number in zip(cells, numbers, strict=True)
    ):
        return False
    given = [cell for cell in cells if cell]
    if len(given) > 2 and given == [str(number) for number in range(len(given))]:
        raise InputError(
            f"{path}: the first line counts 0, 1, 2, ..., as pandas names columns without names; "
            "name the columns, or write no such line"
        )
    return True


def _named_columns(
    path: Path, names: Sequence[str], columns: Sequence[Sequence[str]]
) -> dict[str, Sequence[str]]:
    """Leave out empty columns and row numbers that have no name; refuse the others."""
    kept: dict[str, Sequence[str]] = {}
    for place, (name, cells) in enumerate(zip(names, columns, strict=True)):
        if not name and not any(map(str.strip, cells)):
            continue
        if place == 0 and name in INDEX_NAMES and _are_row_numbers(cells):
            continue
        if not name:
            raise InputError(f"{path}: column {place + 1} has no name; name it or remove it")
        if name in kept:
            raise InputError(f"{path}: column {quoted(name)} is there twice; rename or remove one")
        kept[name] = cells
    return kept


def _are_row_numbers(cells: Sequence[str]) -> bool:
    return len(set(cells)) == len(cells) and all(re.fullmatch(r"\d{1,18}", one) for one in cells)
