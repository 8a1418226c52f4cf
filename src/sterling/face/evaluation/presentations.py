"""Scored presentations: one row each, with the file and the camera that it came from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError
from sterling.face.data import Manifest
from sterling.measure import Scores


@dataclass(frozen=True, eq=False)
class Presentations:
    """Scores of N presentations, and where each came from.

    Attributes:
        scores: Score, label, subject and species of each.
        path: Picture or video of each, text (N,); ``""`` where unknown.
        camera: Camera of each, text (N,); ``""`` where unknown.
    """

    scores: Scores
    path: NDArray[np.str_]
    camera: NDArray[np.str_]

    @classmethod
    def of(cls, scores: Scores, manifest: Manifest) -> "Presentations":
        """Find path and camera of scored presentations in their manifest.

        A video of several pictures has the path of its first one.
        """
        names, first = np.unique(manifest.presentation, return_index=True)
        rows = first[np.searchsorted(names, scores.item)]
        return cls(scores, manifest.column("path")[rows], manifest.column("sensor")[rows])

    def __len__(self) -> int:
        return len(self.scores)

    def select(self, mask: ArrayLike) -> "Presentations":
        """Return the rows where a bool mask (N,) is true."""
        kept = np.asarray(mask)
        return Presentations(self.scores.select(kept), self.path[kept], self.camera[kept])


def require_both(bona_fide: NDArray[np.bool_], place: str) -> None:
    """Refuse presentations of one class, before anything is searched or scored.

    Args:
        bona_fide: Whether each presentation is bona fide, bool (N,).
        place: Name of the presentations, for the message.

    Raises:
        InputError: There is no bona fide or no attack presentation.
    """
    live = int(bona_fide.sum())
    attacks = len(bona_fide) - live
    if not live or not attacks:
        raise InputError(
            f"{place}: {live} bona fide and {attacks} attack presentations; both are needed (a "
            "folder holds them in live/ and spoof/<species>/)"
        )
