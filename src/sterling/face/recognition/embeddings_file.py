"""Embeddings as a Parquet file: one row per picture, with the reason where there is no vector."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.face.recognition.chip import DIMENSION
from sterling.face.recognition.embedding import Embedding, Quality
from sterling.storage import write_parquet
from sterling.tables import read_parquet

MODEL = "dlib ResNet-29"
"""Name of the network in the file; vectors of another one are refused."""

_MEASURES = ("side", "detail", "dark", "bright", "turn", "confidence")


def write_embeddings(path: Path, person: Sequence[str], found: Sequence[Embedding]) -> None:
    """Write embeddings, so that the file is either whole or absent.

    Columns: person, source, reason, note, faces, left, top, right, bottom, the measures of
    `Quality`, model, and vector (128 numbers, null where there is a reason).

    Args:
        path: The file.
        person: Name of the person whom each picture shows.
        found: Answers of `embed`.
    """
    columns: dict[str, list[object]] = {
        "person": list(person),
        "source": [one.source for one in found],
        "reason": [one.reason for one in found],
        "note": [one.note for one in found],
        "faces": [one.faces for one in found],
    }
    for side, name in enumerate(("left", "top", "right", "bottom")):
        columns[name] = [None if one.face is None else one.face.box[side] for one in found]
    for name in _MEASURES:
        columns[name] = [
            None if one.quality is None else float(getattr(one.quality, name)) for one in found
        ]
    columns["model"] = [MODEL] * len(found)
    columns["vector"] = [None if one.vector is None else one.vector.tolist() for one in found]
    numbers = dict.fromkeys(("left", "top", "right", "bottom", *_MEASURES), pl.Float64)
    vector = {"vector": pl.Array(pl.Float32, DIMENSION)}
    write_parquet(path, pl.DataFrame(columns, schema_overrides={**numbers, **vector}))


def read_embeddings(path: Path) -> tuple[list[str], list[Embedding]]:
    """Read what `write_embeddings` wrote, without the faces' places.

    Raises:
        InputError: The file is missing, or is no such file.
    """
    frame = read_parquet(path)
    names = ["person", "source", "reason", "note", "model", "vector", *_MEASURES]
    try:
        frame = frame.select(names)
        if set(frame["model"].unique()) != {MODEL}:
            raise InputError(f"{path}: vectors of another network; embed the pictures again")
        vectors = frame["vector"].cast(pl.Array(pl.Float32, DIMENSION))
        text = frame.select(names[:4]).cast(pl.String)
        measures = frame.select(_MEASURES).cast(pl.Float64)
    except pl.exceptions.PolarsError as error:
        detail = str(error).splitlines()[0]
        raise InputError(f"{path}: not written by sterling face embed ({detail})") from error
    if text.null_count().sum_horizontal().item():
        raise InputError(f"{path}: empty names or sources; embed the pictures again")
    found = [
        Embedding(
            source,
            _vector(path, values),
            quality=None if None in own else Quality(*own),
            reason=reason,
            note=note,
        )
        for (_, source, reason, note), own, values in zip(
            text.iter_rows(), measures.iter_rows(), vectors, strict=True
        )
    ]
    return text["person"].to_list(), found


def _vector(path: Path, values: pl.Series | None) -> NDArray[np.float32] | None:
    if values is None:
        return None
    vector = values.to_numpy()
    if not np.isfinite(vector).all():
        raise InputError(f"{path}: a vector is not finite; embed the pictures again")
    return np.asarray(vector, np.float32)
