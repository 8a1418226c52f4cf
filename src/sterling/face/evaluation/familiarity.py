"""Describe what a trained detector was made for, so that it refuses what is unlike it.

`described` gives a detector a `Reference` to the features of its development captures, and limits
that they keep::

    detector, said = described(detector, development)  # said: one line for people
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.face.data import Faces, Limits
from sterling.face.data.pixels import as_array
from sterling.face.data.quality import colour, detail
from sterling.face.pad import Detector, Reference

ALPHA = 0.01
"""Share of presentations like the development captures that is refused, at most. Ours."""

KEPT = 0.99
"""Share of bona fide development captures that must keep a limit for it to be set. Ours."""


def described(detector: Detector, development: Faces, *, seed: int = 0) -> tuple[Detector, str]:
    """Return the detector with a reference and limits, and one line that says which.

    Half of the development subjects describe the features, and captures of the others give the
    distances (with one subject, captures are halved instead). The limits on colour and detail are
    those of `Limits`, each set only where the development captures keep it: a detector of grey
    captures judges grey ones.

    Args:
        detector: The trained detector.
        development: Captures of both classes that did not train it.
        seed: Seed of the halves.
    """
    limits = _limits(development)
    reference, why = _reference(detector, development, seed)
    told = []
    if limits is not None:
        told += ["grey"] if limits.least_colour is not None else []
        told += ["blurred"] if limits.least_detail is not None else []
    told += ["unfamiliar"] if reference is not None else []
    said = f"cannot tell where a capture is: {', '.join(told)}" if told else "every face is judged"
    return replace(detector, limits=limits, reference=reference), said + why


def _limits(development: Faces) -> Limits | None:
    """Limits on colour and detail that the bona fide development captures keep."""
    pictures = as_array(development.images)
    if development.modalities[0] != "rgb" or pictures.ndim != 4:
        return None
    shown = pictures[development.manifest.bona_fide, :3]
    usual = Limits()
    grey, blurred = (
        limit if limit is not None and _keep(measure, limit) else None
        for limit, measure in (
            (usual.least_colour, [colour(one) for one in shown]),
            (usual.least_detail, [detail(one) for one in shown]),
        )
    )
    if grey is None and blurred is None:
        return None
    return Limits(None, None, None, None, None, grey, blurred)


def _keep(measured: list[float], limit: float) -> bool:
    return bool(measured) and float(np.mean(np.asarray(measured) >= limit)) >= KEPT


def _reference(detector: Detector, development: Faces, seed: int) -> tuple[Reference | None, str]:
    """A reference, or the reason why there is none."""
    answers = detector.answer(development.images, present=development.present)
    if answers.features is None:
        return None, f"; {detector.model.name} has no features to tell what is unfamiliar"
    held_out = _half(development.manifest.column("subject"), seed)
    live = development.manifest.bona_fide
    features = answers.features
    try:
        fitted = Reference.fit(
            features[~held_out], live[~held_out], features[held_out], alpha=ALPHA
        )
    except InputError as error:
        return None, f"; unfamiliar captures are not told ({error})"
    return fitted, ""


def _half(subjects: NDArray[np.str_], seed: int) -> NDArray[np.bool_]:
    """Whether each capture is of the second half of the subjects."""
    rng = np.random.default_rng(seed)
    names = np.unique(subjects)
    if len(names) < 2:
        return np.asarray(rng.permutation(len(subjects)) % 2 == 0)
    return np.isin(subjects, rng.permutation(names)[: len(names) // 2])
