"""Data sets as arrays: the embedded ones, a simulated one, and the user's folder."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn import datasets

from sterling.errors import InputError, unknown_name
from sterling.files import archive_names
from sterling.pictures import SUFFIXES
from sterling.sandbox import Call, sandbox

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
    one ``*.csv[.gz]`` with a header                          table; the column named label,
                                                              class, target or income is the class
    one ``*.csv[.gz]`` of numbers without a header            table; the first column is the class
    ========================================================  ====================================

    Text columns of a table become one column per value (at most 64 values). A second header row, as
    some copies of Adult have, is left out: a first row of text in a column of numbers otherwise.

    Raises:
        InputError: The folder holds none of these, or a file is damaged; the message names it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    if (images := _one(folder, "images-idx3-ubyte*")) is not None:
        return _read_idx(images, _one(folder, "labels-idx1-ubyte*"), folder)
    if archives := sorted(folder.glob("[!.]*.zip")):
        return _read_archives(archives, folder)
    table = _one(folder, "*.csv*")
    if table is None:
        raise InputError(
            f"{folder} holds no idx images, no .zip of <class>/<image> and no .csv; put one there"
        )
    return _read_table(table)


def _one(folder: Path, pattern: str) -> Path | None:
    found = sorted(folder.glob(pattern))
    if len(found) > 1:
        raise InputError(f"{folder} holds {len(found)} files {pattern}; leave one")
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


def _unpack(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError) as error:
        raise InputError(f"{path} cannot be read ({error}); fetch it again") from error


def _read_idx(images: Path, labels: Path | None, folder: Path) -> Records:
    if labels is None:
        raise InputError(f"{folder} holds {images.name} but no labels-idx1-ubyte; put it there")
    pixels, y = _idx(images, dimensions=3), _idx(labels, dimensions=1)
    if len(pixels) != len(y):
        raise InputError(f"{folder}: {len(pixels)} images but {len(y)} labels; fetch both again")
    ids = np.array([f"{folder.name}-{row}" for row in range(len(y))])
    return _records(pixels[:, None] / 127.5 - 1, y, ids, folder.name)


def _idx(path: Path, *, dimensions: int) -> NDArray[np.uint8]:
    content = _unpack(path)
    header = 4 + 4 * dimensions
    sizes = np.frombuffer(content[4:header].ljust(4 * dimensions, b"\0"), dtype=">i4")
    if content[:4] != bytes((0, 0, 8, dimensions)) or len(content) != header + sizes.prod():
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
    content = _unpack(path)
    first = content.split(b"\n", 1)[0].decode("utf-8", errors="replace")
    has_header = any(any(c.isalpha() for c in cell) for cell in first.split(","))
    try:
        table = pl.read_csv(content, has_header=has_header, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{path} is not a table in CSV ({error}); mend it") from error
    label = table.columns[0]
    if has_header:
        names = [name for name in table.columns if name.strip().lower() in LABEL_COLUMNS]
        if len(names) != 1:
            raise InputError(
                f"{path}: name exactly one column {', '.join(LABEL_COLUMNS[:-1])} or "
                f"{LABEL_COLUMNS[-1]}; the columns are {', '.join(table.columns)}"
            )
        label = names[0]
    table = table.with_columns(pl.all().str.strip_chars())
    if has_header and any(_starts_with_text(table[name]) for name in table.columns):
        table = table[1:]
    y = np.unique(table[label].fill_null("").to_numpy(), return_inverse=True)[1]
    columns = [_features(table[name], path) for name in table.columns if name != label]
    return _tabular(np.concatenate(columns, axis=1), y, path.parent.name)


def _starts_with_text(column: pl.Series) -> bool:
    numbers = column.cast(pl.Float64, strict=False)
    return numbers[:1].has_nulls() and len(numbers) > 1 and not numbers[1:].has_nulls()


def _features(column: pl.Series, path: Path) -> NDArray[np.float64]:
    numbers = column.cast(pl.Float64, strict=False)
    if numbers.is_finite().all() and not numbers.has_nulls():
        return numbers.to_numpy()[:, None]
    values = column.fill_null("")
    if values.n_unique() > 64:
        raise InputError(
            f"{path}: column {column.name!r} is text with {values.n_unique()} values (at most 64), "
            "or holds a number that is missing; mend or drop it"
        )
    return values.to_dummies().to_numpy().astype(np.float64)
