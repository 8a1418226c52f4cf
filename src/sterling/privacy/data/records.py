"""Data sets as arrays: the embedded ones, a simulated one, and the user's folder."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn import datasets

from sterling.errors import InputError, quoted, unknown_name
from sterling.files import archive_names
from sterling.pictures import SUFFIXES
from sterling.sandbox import Call, sandbox
from sterling.tables import MISSING, Table, read_bytes, read_table

LABEL_COLUMNS = ("label", "class", "target", "income")


@dataclass(frozen=True, eq=False)
class Records:
    """Records of one data set.

    Attributes:
        x: Features, float32 (n, *shape). Images are (channels, height, width) with values in
            [-1, 1]; tabular features have mean 0 and standard deviation 1 over all n records.
        y: Classes from 0, int64 (n,).
        ids: Unique names of the records, as in a declared list, text (n,).
        name: Name of the data set or of its folder.
        simulated: Whether the records were drawn from a formula.
    """

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    ids: NDArray[np.str_]
    name: str
    simulated: bool = False

    def __len__(self) -> int:
        return len(self.y)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one record."""
        return self.x.shape[1:]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.y.max()) + 1

    def draw(self, size: int, rng: np.random.Generator) -> "Records":
        """Draw `size` records; all of them, in a random order, if there are fewer."""
        return self.part(rng.permutation(len(self))[:size])

    def part(self, rows: NDArray[np.intp] | slice) -> "Records":
        """Return some of the records, by position."""
        return Records(self.x[rows], self.y[rows], self.ids[rows], self.name, self.simulated)


EMBEDDED: dict[str, Callable[[], Any]] = {
    "breast_cancer": datasets.load_breast_cancer,
    "digits": datasets.load_digits,
    "wine": datasets.load_wine,
}


def embedded_records(name: str) -> Records:
    """Return a data set of scikit-learn: digits (1,797), breast_cancer (569) or wine (178).

    Raises:
        InputError: The name is none of these.
    """
    if name not in EMBEDDED:
        raise unknown_name("embedded data set", name, EMBEDDED)
    bunch = EMBEDDED[name]()
    return _tabular(bunch["data"], bunch["target"], name)


def simulated_records(
    size: int, *, classes: int = 10, features: int = 32, separation: float = 2.0, seed: int = 0
) -> Records:
    """Draw Gaussian classes around random centres.

    Args:
        size: Number of records.
        classes: Number of equally likely classes.
        features: Number of dimensions; within a class each has standard deviation 1.
        separation: Expected distance of a centre from the origin. The closer the classes, the
            more a network must memorise to fit its records.
        seed: Draws centres and records.
    """
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, features)) * separation / np.sqrt(features)
    y = rng.integers(classes, size=size)
    x = centres[y] + rng.normal(size=(size, features))
    records = _tabular(x, y, "simulated")
    return Records(records.x, records.y, records.ids, records.name, simulated=True)


def read_records(folder: Path) -> Records:
    """Read a data set from a folder, by the files that are there.

    ========================================================  ====================================
    files                                                     read as
    ========================================================  ====================================
    ``images-idx3-ubyte[.gz]``, ``labels-idx1-ubyte[.gz]``    images, as MNIST is published
    ``*.zip`` holding ``<class>/<name>.jpg`` or ``.png``      images, as CIFAR-10's are often kept
    one ``*.csv[.gz]`` or ``*.tsv[.gz]`` with a header        table; the column named label,
                                                              class, target or income is the class
    the same of numbers without a header                      table; the first column is the class
    ========================================================  ====================================

    Text columns of a table become one column per value (at most 64 values), all 0 where the cell is
    empty. A column is of numbers if more than half of its cells are, not counting missing ones
    (empty, ?, NA, ...); a cell of it that is no number is refused, and so is a missing class. A
    second header row, as some copies of Adult have, is left out: a first row of text in every
    column of numbers.

    Raises:
        InputError: The folder holds none of these, or a file is damaged; the message names it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    if (images := _one(folder, "images-idx3-ubyte", "images-idx3-ubyte.gz")) is not None:
        return _read_idx(images, _one(folder, "labels-idx1-ubyte", "labels-idx1-ubyte.gz"), folder)
    if archives := sorted(folder.glob("[!.]*.zip")):
        return _read_archives(archives, folder)
    table = _one(folder, "*.csv", "*.csv.gz", "*.tsv", "*.tsv.gz")
    if table is None:
        raise InputError(
            f"{folder} holds no idx images, no .zip of <class>/<image> and no .csv; put one there"
        )
    return _read_table(table)


def _one(folder: Path, *patterns: str) -> Path | None:
    """The file whose name, in any case, fits a pattern; hidden ones, as of an editor, are none."""
    found = sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".")
        and any(fnmatchcase(path.name.lower(), pattern) for pattern in patterns)
    )
    if len(found) > 1:
        raise InputError(f"{folder} holds {len(found)} files {' or '.join(patterns)}; leave one")
    return found[0] if found else None


def _tabular(x: NDArray[np.float64], y: NDArray[np.int64], name: str) -> Records:
    spread = x.std(axis=0)
    x = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return _records(x, y, np.array([f"{name}-{row}" for row in range(len(y))]), name)


def _records(
    x: NDArray[np.floating], y: NDArray[np.integer], ids: NDArray[np.str_], name: str
) -> Records:
    if len(y) < 2 or len(np.unique(y)) < 2:
        raise InputError(f"{name}: {len(y)} records of {len(np.unique(y))} class(es); two at least")
    return Records(x.astype(np.float32), y.astype(np.int64), ids, name)


def _read_idx(images: Path, labels: Path | None, folder: Path) -> Records:
    if labels is None:
        raise InputError(f"{folder} holds {images.name} but no labels-idx1-ubyte; put it there")
    pixels, y = _idx(images, dimensions=3), _idx(labels, dimensions=1)
    if len(pixels) != len(y):
        raise InputError(f"{folder}: {len(pixels)} images but {len(y)} labels; fetch both again")
    ids = np.array([f"{folder.name}-{row}" for row in range(len(y))])
    return _records(pixels[:, None] / 127.5 - 1, y, ids, folder.name)


def _idx(path: Path, *, dimensions: int) -> NDArray[np.uint8]:
    content = read_bytes(path)
    header = 4 + 4 * dimensions
    sizes = np.frombuffer(content[4:header].ljust(4 * dimensions, b"\0"), dtype=">i4")
    sizes = sizes.astype(np.int64)
    if content[:4] != bytes((0, 0, 8, dimensions)) or len(content) != header + math.prod(
        sizes.clip(0).tolist()
    ):
        raise InputError(f"{path} is not a whole idx file of bytes; fetch it again")
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(sizes)


def _read_archives(paths: list[Path], folder: Path) -> Records:
    entries = [
        (path, entry)
        for path in paths
        for entry in archive_names(path)
        if Path(entry).suffix.lower() in SUFFIXES
    ]
    pixels = []
    with sandbox() as box:
        for answer in box.map(
            Call("sterling.pictures:member_arrays", (str(path), entry)) for path, entry in entries
        ):
            if isinstance(answer, InputError):
                raise answer
            pixels.append(answer[0].transpose(2, 0, 1))
    if len({image.shape for image in pixels}) != 1:
        raise InputError(f"{folder}: the archives hold no images, or images of several sizes")
    y = np.unique([Path(entry).parent.name for _, entry in entries], return_inverse=True)[1]
    ids = np.array([f"{path.stem}/{entry}" for path, entry in entries])
    return _records(np.stack(pixels) / 127.5 - 1, y, ids, folder.name)


def _read_table(path: Path) -> Records:
    table = read_table(path, header_optional=True)
    label = table.columns[0]
    if table.header:
        names = [name for name in table.columns if name.lower() in LABEL_COLUMNS]
        if len(names) != 1:
            raise InputError(
                f"{path}: name exactly one column {', '.join(LABEL_COLUMNS[:-1])} or "
                f"{LABEL_COLUMNS[-1]}; the columns are {table.listed()}"
            )
        label = names[0]
    if table.header and _repeats_header(table):
        table = table.after(1)
    if not len(table):
        raise InputError(f"{path}: holds no record below its first line")
    y = np.unique(_labels(table, label), return_inverse=True)[1]
    columns = [_features(table, name) for name in table.columns if name != label]
    if not columns:
        raise InputError(f"{path}: holds no column but {label!r}; give features")
    return _tabular(np.concatenate(columns, axis=1), y, path.parent.name)


def _repeats_header(table: Table) -> bool:
    """Whether the first row is text in every column that holds numbers below it."""
    texts = []
    for name in table.columns:
        numbers = table.parsed(name)
        if len(numbers) > 1 and not numbers[1:].has_nulls():
            texts.append(numbers[0] is None and not _is_missing(table.text(name))[0])
    return bool(texts) and all(texts)


def _labels(table: Table, name: str) -> NDArray[np.generic]:
    """Classes as text, or as numbers where all are numbers: 1 and 1.0 are one class."""
    texts = table.texts(name)
    numbers = table.parsed(name)
    if numbers.is_finite().fill_null(value=False).all():
        return numbers.to_numpy()
    missing = _is_missing(table.text(name))
    if missing.any():
        row = int(missing.argmax())
        raise InputError(
            f"{table.place(row)}: class {quoted(name)} is {table.cell(name, row)}; leave the "
            "record out"
        )
    return texts


def _features(table: Table, name: str) -> NDArray[np.float64]:
    """A column of numbers (N, 1), or of text as one column per value, 0 where it is missing."""
    text = table.text(name).str.strip_chars()
    missing = _is_missing(text)
    numbers = table.parsed(name).is_finite().fill_null(value=False).to_numpy()
    if 2 * numbers.sum() > len(text) - missing.sum() or missing.all():
        values = table.numbers(name)
        if not np.isfinite(values).all():
            row = int((~np.isfinite(values)).argmax())
            raise InputError(
                f"{table.place(row)}: column {quoted(name)} is infinite; leave the row out"
            )
        return values[:, None]
    cells = np.array(text.to_list(), dtype=np.str_)
    kinds = np.unique(cells[cells != ""])
    if len(kinds) > 64:
        raise InputError(
            f"{table.path}: column {quoted(name)} is text with {len(kinds)} values (at most 64); "
            "group its values or drop it"
        )
    dummies: NDArray[np.float64] = (cells[:, None] == kinds).astype(np.float64)
    return dummies


def _is_missing(text: pl.Series) -> NDArray[np.bool_]:
    return text.str.strip_chars().str.to_lowercase().is_in(MISSING).to_numpy()
