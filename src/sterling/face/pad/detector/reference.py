"""Test of whether a presentation is like those that a detector was made for.

A detector answers bona fide or attack for anything, a cartoon included. A `Reference` describes the
features of its own development presentations, and refuses, with a bounded share of false refusals,
what is unlike both classes::

    reference = Reference.fit(dev_features, dev_bona_fide, held_out_features)
    reference.unfamiliar(detector.features(crops))  # bool (N,)

Source of the score: Lee, Lee, Lee and Shin, "A Simple Unified Framework for Detecting
Out-of-Distribution Samples and Adversarial Attacks", NeurIPS 2018 (distance to the nearest class);
of its shrunk covariance: Ledoit and Wolf, Journal of Multivariate Analysis 2004; of its p-values:
`sterling.guarantee.conformal_p_values`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.checks import Level, check_fields, check_numbers
from sterling.errors import InputError
from sterling.guarantee import conformal_p_values

_ARRAYS = ("centre", "basis", "means", "precision", "distances")
_LARGEST = 1 << 22  # values of an array, at most
_Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Reference:
    """Features of a detector's development presentations, and the distances of held-out ones.

    Features (D,) become K coordinates: those along an orthonormal basis, and, where the basis does
    not span all of them, the length of the rest. The nonconformity score is the Mahalanobis
    distance to the nearer of the two classes.

    Attributes:
        centre: Mean of the features, float32 (D,).
        basis: Orthonormal rows, float32 (B, D).
        means: Mean coordinates of bona fides and of attacks, float32 (2, K); K is B, or B + 1 with
            the length of the rest.
        precision: Inverse of the coordinates' covariance within classes, float32 (K, K).
        distances: Distances of the calibration presentations, float32 (n,), ascending.
        alpha: Share of presentations like the calibration ones that are refused, at most.

    Raises:
        InputError: Shapes do not fit, a value is not finite, or there are too few distances for
            `alpha` to refuse anything.
    """

    centre: _Floats
    basis: _Floats
    means: _Floats
    precision: _Floats
    distances: _Floats
    alpha: Level = 0.01

    def __post_init__(self) -> None:
        check_fields(self)
        size, known = self.precision.shape[-1], self.basis.shape[0]
        fits = (
            self.basis.shape == (known, *self.centre.shape)
            and self.means.shape == (2, size)
            and self.precision.shape == (size, size)
            and size - known in (0, 1)
            and self.distances.ndim == 1
        )
        if not fits or not all(np.isfinite(getattr(self, name)).all() for name in _ARRAYS):
            raise InputError("reference: its arrays do not fit each other; save the detector again")
        _require_calibration(len(self.distances), self.alpha)

    @classmethod
    def fit(
        cls,
        features: ArrayLike,
        bona_fide: ArrayLike,
        calibration: ArrayLike,
        *,
        dimensions: int = 32,
        alpha: float = 0.01,
    ) -> Reference:
        """Describe two classes, and measure the distances of presentations held out from that.

        The presentations should be ones that the detector was not trained on: features of training
        presentations lie nearer to their class than those of any others.

        Args:
            features: (N, D), `DetectorBase.features` of development presentations.
            bona_fide: bool (N,), with both classes.
            calibration: (n, D), features of further development presentations of both classes in
                the shares to be expected; drawn as the features to be judged are.
            dimensions: Number of coordinates K, at most: the principal directions of the features,
                and the length of the rest.
            alpha: Share of presentations like the calibration ones to be refused, at most.

        Raises:
            InputError: Shapes or values do not fit, a class has fewer than two presentations, or
                there are fewer than 1 / alpha - 1 calibration presentations.
        """
        check_numbers(at_least=2, dimensions=dimensions)
        check_numbers(above=0, below=1, alpha=alpha)
        known = _matrix("features", features)
        held_out = _matrix("calibration", calibration)
        label = np.asarray(bona_fide)
        if label.dtype != np.bool_ or label.shape != known.shape[:1]:
            raise InputError(f"bona_fide is {label.dtype} {label.shape}: bool ({len(known)},)")
        if min(label.sum(), (~label).sum()) < 2:
            raise InputError("bona_fide: two presentations of each class are needed, at least")
        if held_out.shape[1] != known.shape[1]:
            raise InputError(
                f"calibration has {held_out.shape[1]} features and features {known.shape[1]}"
            )
        _require_calibration(len(held_out), alpha)
        centre = known.mean(axis=0).astype(np.float32)
        basis = _principal(known - centre, dimensions)
        placed = _coordinates(known, centre, basis)
        means = np.stack([placed[label].mean(axis=0), placed[~label].mean(axis=0)])
        precision = _precision(placed - np.where(label[:, None], means[0], means[1]))
        shape = (centre, basis, means.astype(np.float32), precision)
        return cls(*shape, np.sort(_distances(held_out, *shape)), alpha)

    def p_values(self, features: ArrayLike) -> NDArray[np.float64]:
        """Conformal p-values (N,) of "this is a presentation like the calibration ones".

        For features exchangeable with the calibration ones, P(p <= a) <= a for every a, over the
        draw of both. Small means unfamiliar.

        Args:
            features: (N, D).

        Raises:
            InputError: The shape does not fit, or a feature is not finite.
        """
        given = _matrix("features", features)
        if given.shape[1] != len(self.centre):
            raise InputError(
                f"features are {given.shape[1]} and the reference describes {len(self.centre)}: it "
                "belongs to another network"
            )
        found = _distances(given, self.centre, self.basis, self.means, self.precision)
        p_values: NDArray[np.float64] = conformal_p_values(-self.distances, -found)
        return p_values

    def unfamiliar(self, features: ArrayLike) -> NDArray[np.bool_]:
        """Whether each of N presentations is to be refused, bool (N,); errors as `p_values`."""
        return self.p_values(features) <= self.alpha

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object: arrays as base64 of little-endian float32, by rows."""
        arrays = {name: getattr(self, name).astype("<f4").tobytes() for name in _ARRAYS}
        encoded = {name: base64.b64encode(one).decode() for name, one in arrays.items()}
        return {"alpha": self.alpha, "coordinates": len(self.precision), **encoded}

    @classmethod
    def from_dict(cls, stored: Any) -> Reference:
        """Build from `to_dict`'s object.

        Raises:
            InputError: A field is missing, unknown, damaged, or arrays do not fit each other.
        """
        if not isinstance(stored, Mapping):
            raise InputError(f"reference is {stored!r} and no object")
        if odd := sorted(stored.keys() ^ {"alpha", "coordinates", *_ARRAYS}):
            raise InputError(f"reference: fields are missing or unknown ({', '.join(odd)})")
        try:
            arrays = {name: _decoded(stored[name]) for name in _ARRAYS}
            features, coordinates = len(arrays["centre"]), int(stored["coordinates"])
            return cls(
                arrays["centre"],
                arrays["basis"].reshape(-1, features),
                arrays["means"].reshape(2, coordinates),
                arrays["precision"].reshape(coordinates, coordinates),
                np.sort(arrays["distances"]),
                stored["alpha"],
            )
        except InputError:
            raise
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(f"reference: damaged ({error}); save the detector again") from error


def _require_calibration(count: int, alpha: float) -> None:
    needed = ceil(1 / alpha - 1e-9) - 1
    if count < needed:
        raise InputError(
            f"calibration: {count} presentations, and a share of {alpha:g} takes {needed} at least"
        )


def _matrix(name: str, values: ArrayLike) -> NDArray[np.float64]:
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.ndim != 2 or 0 in matrix.shape or not np.isfinite(matrix).all():
        raise InputError(f"{name}: {matrix.shape}; finite numbers (N, D) are needed")
    return matrix


def _principal(centred: NDArray[np.float64], dimensions: int) -> _Floats:
    """Rows along which features vary most; all axes where there are few of them."""
    if centred.shape[1] <= dimensions:
        return np.eye(centred.shape[1], dtype=np.float32)
    _values, vectors = np.linalg.eigh(centred.T @ centred)
    return np.ascontiguousarray(vectors[:, :-dimensions:-1].T, dtype=np.float32)


def _coordinates(
    features: NDArray[np.float64], centre: _Floats, basis: _Floats
) -> NDArray[np.float64]:
    """(N, K): along the basis, and the length of what is left."""
    centred = features - centre
    along = centred @ basis.T.astype(np.float64)
    if len(basis) == len(centre):
        return along
    rest = np.sqrt(np.maximum((centred**2).sum(axis=1) - (along**2).sum(axis=1), 0))
    return np.concatenate([along, rest[:, None]], axis=1)


def _precision(within: NDArray[np.float64]) -> _Floats:
    """Inverse of the shrunk covariance of coordinates about their class's mean.

    Coordinates are scaled to one size first: shrinking towards the mean variance would drown those
    that hardly vary, which show best that something is unlike the others.
    """
    from sklearn.covariance import ledoit_wolf

    scale = within.std(axis=0)
    scale[scale == 0] = 1
    covariance, _shrinkage = ledoit_wolf(within / scale, assume_centered=True)
    inverse = np.linalg.pinv(covariance, hermitian=True) / np.outer(scale, scale)
    return inverse.astype(np.float32)


def _distances(
    features: NDArray[np.float64],
    centre: _Floats,
    basis: _Floats,
    means: _Floats,
    precision: _Floats,
) -> _Floats:
    """Mahalanobis distances (N,) to the nearer class, in the precision in which they are kept."""
    away = _coordinates(features, centre, basis)[:, None] - means  # (N, 2, K)
    squares = np.einsum("nck,kl,ncl->nc", away, precision.astype(np.float64), away)
    distances: _Floats = np.sqrt(np.maximum(squares.min(axis=1), 0)).astype(np.float32)
    return distances


def _decoded(text: Any) -> _Floats:
    values = np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4")
    if not 0 < len(values) <= _LARGEST:
        raise ValueError(f"{len(values)} values")
    return values.astype(np.float32)
