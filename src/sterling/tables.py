"""Tables and lines of text as people have them, read rightly or refused in one line.

CSV and TSV files come from spreadsheets, pandas, numpy and R, in several dialects; Parquet and
JSONL files may be damaged. `read_table` keeps every cell as it was written: ``0001`` is not ``1``.
Only a column that is asked for as numbers is read as numbers::

    table = read_table(Path("scores.csv"))
    ids, scores = table.texts("record"), table.numbers("score")
"""

import codecs
import gzip
import io
import json
import math
import os
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sterling.delimited import cut_text, with_points
from sterling.errors import InputError, quoted

MISSING = ("", "?", "na", "n/a", "#n/a", "nan", "null")  # in lower case
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins with the mark of UTF-16, so it is tried first
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WHOLE_LIMIT = 2.0**53


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of a file, with columns that are interpreted only when they are asked for.

    Attributes:
        path: The file, for messages.
        frame: The cells: text as written (CSV, TSV), or the types of the Parquet or JSONL file.
            Blank lines are no rows.
        header: Whether the file names its columns; else they are named "1", "2", ...
        lines: Line of the file on which each row ends, (N,); None for Parquet.
        decimal_comma: Whether ``1,5`` may be a number: not where commas separate cells.
    """

    path: Path
    frame: pl.DataFrame
    header: bool = True
    lines: NDArray[np.intp] | None = None
    decimal_comma: bool = False

    def __len__(self) -> int:
        return self.frame.height

    def __contains__(self, name: str) -> bool:
        return name in self.frame.columns

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in the order of the file."""
        return self.frame.columns

    def after(self, rows: int) -> "Table":
        """Return the table without its first rows."""
        lines = None if self.lines is None else self.lines[rows:]
        return replace(self, frame=self.frame[rows:], lines=lines)

    def place(self, row: int) -> str:
        """Name the file and the line of a row (the row of data, from 1, in Parquet)."""
        if self.lines is None:
            return f"{self.path}, row {row + 1}"
        return f"{self.path}, line {self.lines[row]}"

    def require(self, *names: str) -> None:
        """Refuse a table that lacks a column.

        Raises:
            InputError: A column is missing; the message lists those that are there.
        """
        for name in names:
            if name not in self:
                raise InputError(
                    f"{self.path} has no column {quoted(name)}; it has {self.listed()}"
                )

    def text(self, name: str) -> pl.Series:
        """Return a column as text, blanks and all; "" where a cell is missing.

        Raises:
            InputError: The column is missing, or of a type that has no text, such as a list. So is
                one of floating-point numbers: 1.0 and 1 would be two names.
        """
        self.require(name)
        column = self.frame[name]
        if column.dtype.is_float() and column.null_count() < len(column):
            raise InputError(
                f"{self.path}: column {quoted(name)} holds floating-point numbers; write it as "
                "text or whole numbers"
            )
        if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
            raise InputError(
                f"{self.path}: column {quoted(name)} holds {column.dtype}; write one text a cell"
            )
        return column.cast(pl.String).fill_null("")

    def texts(self, name: str) -> NDArray[np.str_]:
        """Return a column of names as text (N,), without blanks around them.

        Raises:
            InputError: As for `text`, or a cell is empty; the message names its line.
        """
        column = self.text(name).str.strip_chars()
        empty = column == ""
        if empty.any():
            row = int(empty.arg_max() or 0)
            raise InputError(
                f"{self.place(row)}: column {quoted(name)} is empty; write its value, or "
                "leave the row out"
            )
        return np.array(column.to_list(), dtype=np.str_)

    def parsed(self, name: str) -> pl.Series:
        """Return a column as Float64, null where a cell is missing or no number.

        Raises:
            InputError: The column is missing, or of a type that is neither text nor numbers.
        """
        self.require(name)
        column = self.frame[name]
        if column.dtype.is_numeric():
            return column.cast(pl.Float64)
        if column.dtype == pl.Null:
            return column.cast(pl.Float64)
        if column.dtype not in (pl.String, pl.Categorical, pl.Enum):
            raise InputError(
                f"{self.path}: column {quoted(name)} holds {column.dtype}; write one number a cell"
            )
        cells = column.cast(pl.String).str.strip_chars()
        if self.decimal_comma:
            cells = with_points(cells)
        return cells.cast(pl.Float64, strict=False)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a column as float64 (N,). An infinity is a number; NaN is a missing one.

        Raises:
            InputError: As for `parsed`, or a cell is missing or no number; the message names the
                first one's line.
        """
        numbers = self.parsed(name)
        usable = numbers.is_not_nan().fill_null(value=False)
        if not usable.all():
            row = int((~usable).arg_max() or 0)
            raise InputError(
                f"{self.place(row)}: column {quoted(name)} is {self.cell(name, row)}; "
                f"{len(usable) - int(usable.sum())} of {len(usable)} cells there are missing or no "
                f"numbers; {self._remedy(name, row)}"
            )
        return numbers.to_numpy()

    def wholes(self, name: str) -> NDArray[np.int64]:
        """Return a column of whole numbers as int64 (N,); ``2.0`` is one.

        Raises:
            InputError: As for `numbers`, or a number is not whole; the message names its line.
        """
        numbers = self.numbers(name)
        broken = ~((np.abs(numbers) < _WHOLE_LIMIT) & (numbers == np.round(numbers)))
        if broken.any():
            row = int(broken.argmax())
            raise InputError(
                f"{self.place(row)}: column {quoted(name)} is {self.cell(name, row)}; write a "
                "whole number"
            )
        return numbers.astype(np.int64)

    def cell(self, name: str, row: int) -> str:
        """Show a cell as it was written, cut to forty letters."""
        value = self.frame[name][row]
        return "missing" if value in (None, "") else quoted(value)

    def _remedy(self, name: str, row: int) -> str:
        if re.fullmatch(r"\s*[+-]?[\d.]*,\d*\s*", str(self.frame[name][row] or "")):
            return "write a decimal point and no thousands separator, as 1234.5"
        return "leave those rows out and count them"

    def listed(self) -> str:
        """List the columns' names, the first twelve of many, for a message."""
        names = [quoted(name) for name in self.columns[:12]]
        more = len(self.columns) - len(names)
        return ", ".join(names) + (f" and {more} more" if more else "")


def read_table(path: Path, *, header_optional: bool = False) -> Table:
    """Read a .csv, .tsv, .parquet or .jsonl file; .gz may follow.

    Cells of CSV are separated by commas, semicolons, tabs or bars, whichever the header shows. A
    byte order mark, blank lines, blanks around column names, a column of row numbers without a name
    and a spreadsheet's line ``sep=;`` are no data. UTF-16 and UTF-32 are read if they begin with a
    byte order mark. JSONL holds one object a line; a column keeps the type that all its values
    share, truth values or numbers, and is text otherwise.

    Args:
        path: The file; never a pattern.
        header_optional: Take a first line of numbers alone for data.

    Raises:
        InputError: The file is missing, damaged or of another kind, not in UTF-8, a line has too
            few or too many cells, or a column's name is missing or there twice. The message names
            file and line.
    """
    suffixes = [one.lower() for one in path.suffixes]
    kind = next(iter(suffixes[-2:-1] if suffixes[-1:] == [".gz"] else suffixes[-1:]), "")
    if kind not in (".csv", ".tsv", ".parquet", ".jsonl"):
        raise InputError(f"{path}: write it as .csv, .parquet or .jsonl")
    content = read_bytes(path)
    if kind == ".parquet":
        return Table(path, _parquet(path, content))
    text = decode(path, content)
    if kind == ".jsonl":
        return _json_lines(path, text)
    cut = cut_text(path, text, header_optional=header_optional)
    columns = [pl.Series(name, cells, dtype=pl.String) for name, cells in cut.columns.items()]
    lines = np.array(cut.lines, dtype=np.intp)
    return Table(path, pl.DataFrame(columns), cut.header, lines, cut.delimiter != ",")


def read_parquet(path: Path) -> pl.DataFrame:
    """Read a Parquet file with its own types.

    Raises:
        InputError: The file is missing or damaged; the message names it.
    """
    return _parquet(path, read_bytes(path))


def read_arrays(path: Path) -> Mapping[str, NDArray[Any]]:
    """Read the arrays of an .npz file by name. Nothing is unpickled.

    Raises:
        InputError: The file is missing or damaged, or holds objects; the message names it.
    """
    content = io.BytesIO(read_bytes(path))
    try:
        loaded = np.load(content, allow_pickle=False)
        if isinstance(loaded, np.lib.npyio.NpzFile):
            with loaded:
                return {name: np.asarray(loaded[name]) for name in loaded.files}
    except (
        *(OSError, ValueError, EOFError, KeyError, TypeError, OverflowError, MemoryError),
        *(RuntimeError, SyntaxError, zipfile.BadZipFile, zlib.error),
    ) as error:
        raise InputError(f"{path} cannot be read ({_line(error)}); write it again") from error
    raise InputError(f"{path} holds one array without a name; write it with np.savez")


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text file, blank ones too, without their ends.

    A line ends with a line feed, a carriage return, or both; a form feed or a Unicode separator is
    part of a line. A byte order mark is not.

    Raises:
        InputError: The file is missing or not in UTF-8; the message names it.
    """
    return _lines_of(decode(path, read_bytes(path)))


def _lines_of(text: str) -> list[str]:
    return [line.rstrip("\r\n") for line in io.StringIO(text, newline="")]


def read_bytes(path: Path) -> bytes:
    """Read a file, unpacked where its name ends in .gz.

    Raises:
        InputError: The file is missing or damaged; the message names it.
    """
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"{path} cannot be read ({reason})") from error
    if path.suffix.lower() != ".gz":
        return raw
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read ({_line(error)}); fetch it again") from error


def decode(path: Path, content: bytes) -> str:
    """Decode a text: UTF-8, or what its byte order mark says. The mark is no part of the text.

    Raises:
        InputError: It is no such text; the message names file and line.
    """
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line}: not {encoding.removesuffix('-sig').upper()} (byte "
            f"{error.start} is 0x{content[error.start : error.start + 1].hex()}); save it as UTF-8"
        ) from error
    if "\0" in text:
        raise InputError(
            f"{path}: holds zero bytes, so it is no text, or UTF-16 without a byte order mark; "
            "save it as UTF-8"
        )
    return text


def _json_lines(path: Path, text: str) -> Table:
    """Read JSON objects, one a line; a key that some of them lack is missing there."""
    rows, lines = [], []
    for line, each in enumerate(_lines_of(text), start=1):
        if not each.strip():
            continue
        try:
            row = json.loads(each, object_pairs_hook=_once_each)
        except (ValueError, RecursionError) as error:
            reason = error if isinstance(error, InputError) else "no JSON"
            raise InputError(f"{path}, line {line}: {reason}; write one object a line") from error
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {line}: {quoted(row)} is no object")
        rows.append(row)
        lines.append(line)
    if not rows:
        raise InputError(f"{path} is empty; give one JSON object a line")
    names = dict.fromkeys(name for row in rows for name in row)
    try:
        columns = [_json_column(name, [row.get(name) for row in rows]) for name in names]
    except UnicodeEncodeError as error:
        raise InputError(
            f"{path}: {quoted(error.object)} holds half a character; write it as UTF-8"
        ) from error
    frame = pl.DataFrame(columns)
    return Table(path, frame, lines=np.array(lines, dtype=np.intp))


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{quoted(twice)} is there twice")
    return found


def _json_column(name: str, values: list[Any]) -> pl.Series:
    """A column of JSON values: truth values or numbers where all are, else text."""
    given = [value for value in values if value is not None]
    if given and all(isinstance(value, bool) for value in given):
        return pl.Series(name, values, dtype=pl.Boolean)
    if given and all(isinstance(value, int) and abs(value) < _WHOLE_LIMIT for value in given):
        return pl.Series(name, values, dtype=pl.Int64, strict=False)
    if given and all(isinstance(value, int | float) for value in given):
        return pl.Series(name, [_as_float(value) for value in values], dtype=pl.Float64)
    return pl.Series(name, [_json_text(value) for value in values], dtype=pl.String)


def _as_float(value: float | None) -> float | None:
    try:
        return None if value is None else float(value)
    except OverflowError:
        return math.inf if value and value > 0 else -math.inf


def _json_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, sort_keys=True)


def _parquet(path: Path, content: bytes) -> pl.DataFrame:
    try:
        with _quiet_panics():
            return pl.read_parquet(io.BytesIO(content))
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic of polars is no Exception
        raise InputError(
            f"{path} is not a whole Parquet file ({_line(error)}); write it again"
        ) from error


@contextmanager
def _quiet_panics() -> Iterator[None]:
    """Keep a panic's own report, written past Python, off standard error."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


def _line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
