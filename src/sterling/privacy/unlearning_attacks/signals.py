"""A model's answers on records, read from files or from an ONNX classifier."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from sterling.errors import InputError
from sterling.privacy.targets.answers import log_posteriors
from sterling.tables import read_arrays, read_table

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Signals:
    """A model's answers on some records.

    Attributes:
        loss: Cross-entropy of each record in nats, finite, (N,).
        entropy: Entropy of each posterior in nats, (N,); None when only losses are known.
        right: Whether the likeliest class is the label, (N,); None when only losses are known.
    """

    loss: Array
    entropy: Array | None = None
    right: NDArray[np.bool_] | None = None

    @classmethod
    def of_posteriors(cls, log_p: Array, labels: NDArray[np.integer]) -> "Signals":
        """Make signals from log-probabilities (N, C) and labels (N,)."""
        p = np.exp(log_p)
        loss = -log_p[np.arange(len(labels)), labels]
        return cls(loss, -xlogy(p, p).sum(1), log_p.argmax(1) == labels)

    def __len__(self) -> int:
        return len(self.loss)


def read_signals(path: Path) -> Signals:
    """Read a .csv, .parquet or .npz of one record per row.

    Columns (arrays, in .npz): ``loss``; or ``label`` and probabilities ``p0``, ``p1``, ... (in .npz
    one array ``p`` (N, C)). Probabilities are used when both are there.

    Raises:
        InputError: When the file or a column is missing, a set is empty, a value is not finite, or
            a row of probabilities does not sum to one; the message names the file.
    """
    columns = _columns(path)
    if "p" in columns:
        if "label" not in columns:
            raise InputError(f"{path}: probabilities need a column label; add the true classes")
        return _of_probabilities(columns["p"], columns["label"], path)
    if "loss" not in columns:
        raise InputError(
            f"{path} has neither a column loss nor columns label, p0, p1, ...; write one of both"
        )
    loss = _real(columns["loss"], "loss", path)
    if loss.shape not in ((len(loss),), (len(loss), 1)):
        raise InputError(f"{path}: loss has shape {loss.shape}; give one loss per record, (N,)")
    loss = loss.ravel()
    _check_rows(loss, path)
    return Signals(loss)


def _columns(path: Path) -> Mapping[str, NDArray[Any]]:
    if path.suffix.lower() == ".npz":
        return read_arrays(path)
    table = read_table(path)
    columns: dict[str, NDArray[Any]] = {}
    classes = [name for name in table.columns if re.fullmatch(r"p\d+", name)]
    if classes:
        numbered = [f"p{index}" for index in range(len(classes))]
        missing = [name for name in numbered if name not in table]
        if missing:
            raise InputError(f"{path}: column {missing[0]} is missing; number classes from p0 on")
        columns["p"] = np.column_stack([table.numbers(name) for name in numbered])
        if "label" in table:
            columns["label"] = table.wholes("label")
    elif "loss" in table:
        columns["loss"] = table.numbers("loss")
    return columns


def _real(values: NDArray[Any], name: str, path: Path) -> Array:
    if values.dtype.kind not in "biuf" or not values.ndim:
        raise InputError(
            f"{path}: {name} is {values.dtype} of shape {values.shape}; give numbers, one row per "
            "record"
        )
    return values.astype(np.float64)


def _check_rows(values: Array, path: Path) -> None:
    if not len(values):
        raise InputError(f"{path} holds no record; give one at least")
    bad = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if bad.any():
        raise InputError(
            f"{path}: row {int(bad.argmax()) + 1} holds a value that is not finite; leave it out"
        )


def _of_probabilities(p: Array, labels: Array, path: Path) -> Signals:
    p = _real(p, "p", path)
    if p.ndim != 2 or p.shape[1] < 2 or labels.shape != p.shape[:1]:
        raise InputError(
            f"{path}: p {p.shape}, label {labels.shape}; give (N, C), two classes or more, and (N,)"
        )
    _check_rows(p, path)
    if p.min() < 0 or np.abs(p.sum(axis=1) - 1).max() > 1e-3:
        row = int((np.abs(p.sum(axis=1) - 1) + (p.min(axis=1) < 0)).argmax())
        raise InputError(
            f"{path}: row {row + 1} is no probability distribution (sum {p[row].sum():.4g}); "
            "apply softmax to logits"
        )
    # A float32 probability of 0 would be an infinite loss; 1e-12 is beyond its resolution.
    log_p = np.log(np.maximum(p, 1e-12))
    return Signals.of_posteriors(log_p, _labels(labels, p.shape[1], path))


def _labels(labels: Array, classes: int, path: Path) -> NDArray[np.intp]:
    whole = np.asarray(labels)
    if whole.dtype.kind not in "iu" or whole.min() < 0 or whole.max() >= classes:
        raise InputError(f"{path}: label must hold whole numbers from 0 to {classes - 1}")
    return whole.astype(np.intp)


def ask_onnx(model: Path, records: Path) -> Signals:
    """Ask an ONNX classifier whose first output is logits (N, C).

    Args:
        model: Path of the .onnx file; its first input takes the records.
        records: Path of an .npz with arrays ``x`` (N, ...) and ``label`` (N,).

    Raises:
        InputError: When onnxruntime is not installed, or a file does not fit; names the file.
    """
    x, labels = read_records(records)
    try:
        return Signals.of_posteriors(*log_posteriors(model, x, labels))
    except InputError as error:
        raise InputError(f"{records}: {error}") from error


def read_records(path: Path) -> tuple[Array, NDArray[np.intp]]:
    """Read records for a model from an .npz with arrays ``x`` (N, ...) and ``label`` (N,).

    Raises:
        InputError: It is another file, or an array is missing or of another kind; names the file.
    """
    if path.suffix.lower() != ".npz":
        raise InputError(f"{path}: with --model give an .npz with arrays x (N, ...) and label")
    arrays = read_arrays(path)
    if "x" not in arrays or "label" not in arrays:
        raise InputError(f"{path}: with --model give an .npz with arrays x (N, ...) and label")
    x, labels = _real(arrays["x"], "x", path), arrays["label"]
    _check_rows(x, path)
    if labels.shape != (len(x),) or labels.dtype.kind not in "iu":
        raise InputError(
            f"{path}: x {x.shape}, label {labels.dtype} {labels.shape}; give one whole number per "
            "record"
        )
    return x, labels.astype(np.intp)
