"""The manifest: one validated row per presentation, saying what it is and where it came from."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError, quoted, unknown_name
from sterling.storage import write_atomically
from sterling.tables import read_table

BONA_FIDE = "bona_fide"
ATTACK = "attack"
SPLITS = ("train", "dev", "test")

_REQUIRED = ("item", "label", "species")
_COLUMNS = (
    "item",
    "path",
    "depth_path",
    "ir_path",
    "label",
    "species",
    "subject",
    "session",
    "sensor",
    "illumination",
    "distance",
    "video",
    "frame",
    "split",
)

_PATHS = ("path", "depth_path", "ir_path")

_has_split = pl.col("split") != ""

# (column at fault, rows that break the rule, how to mend them), in the order they are reported
# within one row.
_RULES: tuple[tuple[str, pl.Expr, str], ...] = (
    ("item", pl.col("item") == "", "give every row an id"),
    ("item", ~pl.col("item").is_first_distinct(), "ids must be unique; rename or remove the row"),
    (
        "label",
        ~pl.col("label").is_in([BONA_FIDE, ATTACK]),
        f"use '{BONA_FIDE}' or '{ATTACK}'",
    ),
    (
        "species",
        (pl.col("label") == BONA_FIDE) & (pl.col("species") != BONA_FIDE),
        f"bona fide rows have species '{BONA_FIDE}'",
    ),
    (
        "species",
        (pl.col("label") == ATTACK) & pl.col("species").is_in(["", BONA_FIDE]),
        "name the attack instrument species, such as 'print' or 'replay'",
    ),
    ("frame", pl.col("frame") < 0, "frames count from 0"),
    (
        "video",
        (pl.col("video") != "")
        & (pl.struct("label", "species", "subject", "split").n_unique().over("video") > 1),
        "all frames of a video share its label, species, subject and split; split the video id",
    ),
    ("split", ~pl.col("split").is_in(["", *SPLITS]), f"use one of {', '.join(SPLITS)}, or nothing"),
    (
        "subject",
        _has_split & (pl.col("subject") == ""),
        "rows with a split need a subject, or the splits cannot be shown to be disjoint",
    ),
    (
        "subject",
        _has_split
        & (pl.col("subject") != "")
        & (pl.col("split").filter(_has_split).n_unique().over("subject") > 1),
        "this subject is in more than one split; give each subject one split",
    ),
)


@dataclass(frozen=True, eq=False)
class Manifest:
    """A validated table of presentations, one row each (one frame, where videos were cut up).

    Columns (text, ``""`` where unknown, unless said otherwise): ``item`` unique id; ``path`` of
    the colour picture or video, ``""`` for items held in memory; ``depth_path`` and ``ir_path`` of
    the pictures that a depth and an infrared camera took of the same moment; ``label``
    ``"bona_fide"`` or ``"attack"``;
    ``species`` the attack instrument, ``"bona_fide"`` on bona fide rows; ``subject``;
    ``session``; ``sensor``; ``illumination``; ``distance``; ``video`` id of the video a frame was
    taken from; ``frame`` (int) its number, from 0; ``split`` ``"train"``, ``"dev"``, ``"test"`` or
    ``""``. ``item``, ``label`` and ``species`` are required, the others are filled with their
    default. A subject may be in one split only.

    Args:
        table: The rows, as a polars DataFrame.
        source: Name used in error messages, normally the file that was read.

    Raises:
        InputError: On an unknown or missing column, or on the first row that breaks a rule. The
            message names the source, row (the first row of data is row 1), column, value and
            remedy, and counts the problems that follow.
    """

    table: pl.DataFrame
    source: str = "manifest"

    def __post_init__(self) -> None:
        table = _with_all_columns(self.table, self.source)
        _check_rows(table, self.source)
        object.__setattr__(self, "table", table)

    @classmethod
    def from_columns(cls, columns: Mapping[str, Any], source: str = "manifest") -> Self:
        """Build a manifest from a mapping of column name to values.

        Raises:
            InputError: A text, such as the name of a file, is not in UTF-8.
        """
        try:
            return cls(pl.DataFrame(dict(columns)), source)
        except UnicodeEncodeError as error:
            raise InputError(
                f"{source}: {error.object!r} is not in UTF-8, as tables need it; rename it"
            ) from error

    @classmethod
    def from_rows(cls, rows: Sequence[Mapping[str, Any]], source: str = "manifest") -> Self:
        """Build a manifest from one mapping of column name to value per row, all with one set."""
        return cls.from_columns({name: [row[name] for row in rows] for name in rows[0]}, source)

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a ``.csv`` or ``.parquet`` file (see `sterling.tables.read_table`).

        Relative paths are taken from the folder of the manifest. They may lead anywhere, as may
        absolute ones: a manifest is its user's own.

        Raises:
            InputError: When the file is missing, unreadable or breaks a rule.
        """
        path = Path(path)
        suffix = _checked_suffix(path)
        if not path.is_file():
            raise InputError(f"{path}: no such manifest file")
        table = read_table(path)
        # A path may begin or end with blanks; 's1 ' is no other subject than 's1'.
        columns = [
            table.text(name) if name in _PATHS else table.text(name).str.strip_chars()
            for name in table.columns
        ]
        frame = pl.DataFrame(columns)
        if suffix == ".csv":
            frame = frame.with_columns(_without_quote())
        manifest = cls(frame, str(path))
        folder = os.path.abspath(path.parent)  # noqa: PTH100 - resolve() would follow links
        located = {
            name: [os.path.join(folder, p) if p else "" for p in manifest.column(name)]  # noqa: PTH118
            for name in _PATHS
        }
        return cls(manifest.table.with_columns(**_texts(located)), str(path))

    def write(self, path: str | Path) -> None:
        """Write a ``.csv`` or ``.parquet`` file, whole or not at all.

        Files below the folder of the manifest are written relative to it, so that the folder can
        be moved; other files keep their absolute path. In a ``.csv`` a cell that begins with
        ``=``, ``+``, ``-`` or ``@`` gets a ``'`` before it, which `read` takes away.
        """
        path = Path(path)
        suffix = _checked_suffix(path)
        folder = Path(os.path.abspath(path.parent))  # noqa: PTH100
        table = self.table.with_columns(
            **_texts({name: [_relative(p, folder) for p in self.column(name)] for name in _PATHS})
        )
        content = BytesIO()
        if suffix == ".csv":
            # In quotes, since a blank at the beginning of a path would be taken for layout.
            table.with_columns(_with_quote()).write_csv(content, quote_style="non_numeric")
        else:
            table.write_parquet(content)
        write_atomically(path, content.getvalue())

    def __len__(self) -> int:
        return self.table.height

    @property
    def bona_fide(self) -> NDArray[np.bool_]:
        """Whether each row is a bona fide presentation, bool (N,)."""
        return (self.table["label"] == BONA_FIDE).to_numpy()

    @property
    def presentation(self) -> NDArray[np.str_]:
        """Presentation of each row, text (N,): its video, or the item itself without one."""
        video = self.column("video")
        return np.where(video == "", self.column("item"), video)

    def column(self, name: str) -> NDArray[Any]:
        """One column as an array (N,): text, or int64 for ``frame``."""
        values = self.table[name]
        if name == "frame":
            return values.to_numpy()
        return np.array(values.to_list(), dtype=np.str_)

    def matches(self, **wanted: str | Collection[str]) -> NDArray[np.bool_]:
        """Mark rows with the wanted value (or one of several) in each named column, bool (N,)."""
        found = np.ones(len(self), dtype=np.bool_)
        for name, values in wanted.items():
            if name not in _COLUMNS:
                raise unknown_name("column", name, _COLUMNS)
            values = [values] if isinstance(values, str) else list(values)
            found &= self.table[name].is_in(values).to_numpy()
        return found

    def where(self, **wanted: str | Collection[str]) -> "Manifest":
        """The rows that ``matches``, as ``where(split="dev", species=("print", "replay"))``."""
        return self.select(self.matches(**wanted))

    def select(self, rows: ArrayLike) -> "Manifest":
        """The rows where a bool mask (N,) is true, or those at integer positions."""
        rows = np.asarray(rows)
        if rows.dtype == np.bool_:
            if rows.shape != (len(self),):
                raise InputError(f"mask has shape {rows.shape}, expected ({len(self)},)")
            rows = np.flatnonzero(rows)
        return Manifest(self.table[rows.astype(np.int64)], self.source)


def _checked_suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise InputError(
            f"{path}: a manifest ends in .csv or .parquet, not {suffix or 'nothing'!r}"
        )
    return suffix


# A spreadsheet computes cells that begin so, which a file's name may; a quote before keeps it text.
_COMPUTED = r"^'*[=+\-@]"


def _with_quote() -> pl.Expr:
    text = pl.col(pl.String)
    return pl.when(text.str.contains(_COMPUTED)).then("'" + text).otherwise(text).name.keep()


def _without_quote() -> pl.Expr:
    text = pl.col(pl.String)
    quoted = text.str.starts_with("'") & text.str.contains(_COMPUTED)
    return pl.when(quoted).then(text.str.strip_prefix("'")).otherwise(text).name.keep()


def _texts(columns: Mapping[str, list[str]]) -> dict[str, pl.Series]:
    return {name: pl.Series(values, dtype=pl.String) for name, values in columns.items()}


def _relative(path: str, folder: Path) -> str:
    if not path:
        return ""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100
    return str(absolute.relative_to(folder) if absolute.is_relative_to(folder) else absolute)


def _with_all_columns(table: pl.DataFrame, source: str) -> pl.DataFrame:
    """Complete, ordered and typed columns; text is never null."""
    for name in table.columns:
        if name not in _COLUMNS:
            raise InputError(f"{source}: {unknown_name('column', name, _COLUMNS)}")
    for name in _REQUIRED:
        if name not in table.columns:
            raise InputError(f"{source}: column {name!r} is missing; add it")
    text = [name for name in _COLUMNS if name != "frame"]
    missing = [pl.lit("").alias(name) for name in text if name not in table.columns]
    frame = pl.col("frame") if "frame" in table.columns else pl.lit(0).alias("frame")
    table = table.with_columns(*missing, frame).with_columns(
        pl.col(text).cast(pl.String).fill_null("")
    )
    whole = table["frame"].cast(pl.String).fill_null("0").cast(pl.Int64, strict=False)
    if whole.null_count():
        row = int(whole.is_null().arg_max() or 0)
        value = table["frame"][row]
        raise InputError(
            f"{source}: row {row + 1}, column 'frame': {quoted(value)}; use a whole number from 0"
        )
    return table.with_columns(frame=whole).select(_COLUMNS)


def _check_rows(table: pl.DataFrame, source: str) -> None:
    broken = table.select(rule.alias(str(i)) for i, (_, rule, _) in enumerate(_RULES)).to_numpy()
    if not broken.any():
        return
    # Row-major order: the first problem is the one in the earliest row.
    row, rule = (int(i) for i in np.argwhere(broken)[0])
    column, _, remedy = _RULES[rule]
    further = int(broken.sum()) - 1
    counted = f" (and {further} more problem{'s' if further > 1 else ''})" if further else ""
    value = table[column][row]
    raise InputError(
        f"{source}: row {row + 1}, column {column!r}: {quoted(value)}; {remedy}{counted}"
    )
