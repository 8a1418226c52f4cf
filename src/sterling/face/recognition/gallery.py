"""Known people and their faces, and whom an unknown face resembles.

A gallery is a folder ``<person>/<picture>`` (or one picture per person, named after them), or a
file that `sterling face embed` wrote::

    gallery = Gallery.read("staff")
    (answer,) = identify(embed(["visitor.jpg"]), gallery)
    answer.person  # "ann", or None where nobody is near enough
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.face.data.media import files_below, warn_of_others
from sterling.face.recognition.chip import DIMENSION
from sterling.face.recognition.embedding import Embedding, embed
from sterling.measure.threshold import Threshold
from sterling.pictures import OTHER_SUFFIXES, SUFFIXES
from sterling.shown import shown

if TYPE_CHECKING:
    from sterling.measure import Comparisons

DLIB_THRESHOLD = Threshold(0.6, "down", "dlib's recommendation", "documentation of dlib's network")
"""Distance up to which dlib's documentation calls two faces the same person.

No error rate comes with it; `choose_threshold` chooses one with error rates, on faces of yours.
"""

MOST_COMPARED = 5_000
"""Pictures of which all pairs are compared, at most: 12.5 million pairs."""

_BLOCK = 1 << 24  # distances that are computed at once


@dataclass(frozen=True, eq=False)
class Gallery:
    """Vectors of known people, sorted by person.

    Attributes:
        vectors: float32 (N, 128).
        person: Name of the person of each, (N,).
        source: Picture of each, (N,).
        turn: `head_turn` of each, (N,); NaN where it is unknown.
        refused: Pictures without a vector, with the reasons.

    Raises:
        InputError: Lengths differ, or there is no vector.

    Examples:
        >>> vectors = np.eye(2, 128, dtype=np.float32)
        >>> gallery = Gallery.of(vectors, ["bob", "ann"], ["b.jpg", "a.jpg"])
        >>> gallery.people.tolist()
        ['ann', 'bob']
    """

    vectors: NDArray[np.float32]
    person: NDArray[np.str_]
    source: NDArray[np.str_]
    turn: NDArray[np.float64]
    refused: tuple[Embedding, ...] = ()

    def __post_init__(self) -> None:
        lengths = {len(self.vectors), len(self.person), len(self.source), len(self.turn)}
        if len(lengths) > 1 or self.vectors.shape[1:] != (DIMENSION,):
            raise InputError(
                f"gallery: vectors {self.vectors.shape}, {len(self.person)} people and "
                f"{len(self.source)} sources; give float32 (N, {DIMENSION}) and one of each"
            )
        if not len(self.person):
            raise InputError("gallery: no face; give pictures in which one person is seen each")
        if (self.person[1:] < self.person[:-1]).any():
            raise InputError("gallery: not sorted by person; build it with Gallery.of")

    @classmethod
    def of(
        cls,
        vectors: NDArray[np.float32],
        person: Sequence[str],
        source: Sequence[str],
        *,
        turn: Sequence[float] | None = None,
        refused: Sequence[Embedding] = (),
    ) -> Gallery:
        """Build from vectors in any order."""
        names, files = np.array(person, dtype=np.str_), np.array(source, dtype=np.str_)
        turned = np.full(len(names), np.nan) if turn is None else np.array(turn, dtype=float)
        arrays = (np.asarray(vectors, np.float32), names, files, turned)
        if len({*map(len, arrays)}) == 1:
            order = np.argsort(names, kind="stable")
            arrays = (arrays[0][order], names[order], files[order], turned[order])
        return cls(*arrays, tuple(refused))

    @classmethod
    def read(
        cls,
        path: str | Path,
        *,
        largest: bool = False,
        progress: Callable[[], None] | None = None,
    ) -> Gallery:
        """Read a folder of pictures, or what `write_embeddings` wrote.

        Args:
            path: Folder ``<person>/<picture>``, with pictures directly in it named after their
                person, or a .parquet file.
            largest: Whether the largest of several faces is taken; see `embed`.
            progress: Called after each picture.

        Raises:
            InputError: The path is missing, is no gallery, or no picture shows one face.
        """
        path = Path(path)
        if path.suffix == ".parquet":
            from sterling.face.recognition.embeddings_file import read_embeddings

            person, found = read_embeddings(path)
        else:
            person, files = people_of([path])
            found = embed(files, largest=largest, progress=progress)
        kept = [row for row, one in enumerate(found) if one.vector is not None]
        refused = [one for one in found if one.vector is None]
        if not kept:
            raise InputError(
                f"{path}: none of {len(found)} pictures has a face that is taken; "
                f"the first one: {refused[0].reason.replace('_', ' ')}"
            )
        own = [found[row] for row in kept]
        return cls.of(
            np.stack([one.require() for one in own]),
            [person[row] for row in kept],
            [one.source for one in own],
            turn=[np.nan if one.quality is None else one.quality.turn for one in own],
            refused=refused,
        )

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Row at which each person starts."""
        changes = np.flatnonzero(self.person[1:] != self.person[:-1]) + 1
        return np.concatenate([[0], changes]).astype(np.int64)

    @property
    def people(self) -> NDArray[np.str_]:
        """Names, sorted, each once."""
        return self.person[self.starts]

    @cached_property
    def _squares(self) -> NDArray[np.float32]:
        return np.asarray(np.einsum("nd,nd->n", self.vectors, self.vectors))

    def distances(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the distances of vectors (P, 128) to every picture, (P, N), by one product."""
        squares = np.einsum("pd,pd->p", vectors, vectors)
        found: NDArray[np.float32] = vectors @ self.vectors.T
        found *= -2
        found += squares[:, None]
        found += self._squares
        np.maximum(found, 0, out=found)
        np.sqrt(found, out=found)
        return found

    def nearest(
        self, vectors: NDArray[np.float32], rank: int = 1
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the nearest people of each vector, by their nearest picture.

        Args:
            vectors: (P, 128).
            rank: Number of people, at most all.

        Returns:
            Rows of the gallery, (P, rank), one picture of each person, nearest first; distances.
        """
        rank = min(rank, len(self.starts))
        step = max(1, _BLOCK // len(self.person))
        parts = [
            self._nearest(vectors[at : at + step], rank) for at in range(0, len(vectors), step)
        ]
        if not parts:
            return np.zeros((0, rank), np.int64), np.zeros((0, rank), np.float32)
        rows, distances = zip(*parts, strict=True)
        return np.concatenate(rows), np.concatenate(distances)

    def _nearest(
        self, vectors: NDArray[np.float32], rank: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        every = self.distances(vectors)
        alone = len(self.starts) == len(self.person)
        best = every if alone else np.minimum.reduceat(every, self.starts, axis=1)
        people = np.argpartition(best, rank - 1, axis=1)[:, :rank]
        distances = np.take_along_axis(best, people, axis=1)
        order = np.argsort(distances, axis=1, kind="stable")
        people = np.take_along_axis(people, order, axis=1)
        distances = np.take_along_axis(distances, order, axis=1)
        if alone:
            return people, distances
        ends = np.append(self.starts[1:], len(self.person))
        rows = [
            [self.starts[one] + every[probe, self.starts[one] : ends[one]].argmin() for one in own]
            for probe, own in enumerate(people)
        ]
        return np.array(rows, dtype=np.int64), distances

    def strangers(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the nearest picture of another person, and its distance, for each picture.

        Raises:
            InputError: There is one person only.
        """
        if len(self.starts) < 2:
            raise InputError(f"gallery: {self.person[0]} is alone; give two people or more")
        number = np.searchsorted(self.people, self.person)
        step = max(1, _BLOCK // len(self.person))
        rows, distances = [], []
        for at in range(0, len(self.person), step):
            every = self.distances(self.vectors[at : at + step])
            every[number[at : at + step, None] == number] = np.inf
            rows.append(every.argmin(axis=1))
            distances.append(every.min(axis=1))
        return np.concatenate(rows), np.concatenate(distances)

    def comparisons(self) -> Comparisons:
        """Return all pairs of pictures; the similarity is the distance with a minus sign.

        Raises:
            InputError: There are more than `MOST_COMPARED` pictures.
        """
        from sterling.measure import Comparisons

        if len(self.person) > MOST_COMPARED:
            raise InputError(
                f"gallery: {len(self.person):,} pictures; all pairs are compared of at most "
                f"{MOST_COMPARED:,}: give fewer people, or fewer pictures of each"
            )
        distances = self.distances(self.vectors)
        # A product's last digits depend on the place within it.
        return Comparisons(-np.minimum(distances, distances.T), self.person)

    def doubles(self, distance: float = 0.35) -> list[tuple[str, str, float]]:
        """List people who may be one person under two names, with their distance, nearest first.

        Args:
            distance: Distance of two pictures up to which they are named. Our default.
        """
        if len(self.starts) < 2:
            return []
        rows, distances = self.strangers()
        nearest: dict[tuple[str, str], float] = {}
        for row in np.flatnonzero(distances <= distance):
            first, second = sorted((str(self.person[row]), str(self.person[rows[row]])))
            own = nearest.get((first, second), np.inf)
            nearest[first, second] = float(min(own, distances[row]))
        return sorted(((*names, near) for names, near in nearest.items()), key=lambda one: one[2])


@dataclass(frozen=True)
class Candidate:
    """A person of the gallery whom a face resembles.

    Attributes:
        person: Name.
        distance: Distance to their nearest picture; smaller is more alike.
        source: Path of that picture.
    """

    person: str
    distance: float
    source: str


@dataclass(frozen=True)
class Identification:
    """The answer for one picture.

    Attributes:
        source: The picture.
        person: Name of the nearest person within the threshold; None for nobody.
        candidates: Nearest people, nearest first, whether or not they are within the threshold.
        reason: "" for a person, "unknown" where the nearest is too far, or an embedding's reason.
        note: Explanation for people.
    """

    source: str
    person: str | None
    candidates: tuple[Candidate, ...]
    reason: str
    note: str

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {**vars(self), "candidates": [vars(one) for one in self.candidates]}

    def line(self) -> str:
        """For people."""
        said = ", ".join(f"{one.person} {one.distance:.3f}" for one in self.candidates)
        if not self.candidates:
            said = self.note
        name = self.reason.replace("_", " ") if self.person is None else self.person
        return shown(f"{self.source}: {name} ({said})")


def identify(
    probes: Sequence[Embedding],
    gallery: Gallery,
    *,
    threshold: Threshold = DLIB_THRESHOLD,
    rank: int = 3,
) -> list[Identification]:
    """Name the nearest person of a gallery within the threshold, or nobody.

    Args:
        probes: Answers of `embed`.
        gallery: Known people.
        threshold: Largest distance, of direction "down".
        rank: Number of candidates listed.

    Returns:
        One answer per probe, in their order.

    Raises:
        InputError: The threshold has another direction, or `rank` is below 1.

    Examples:
        >>> vectors = np.eye(2, 128, dtype=np.float32)
        >>> gallery = Gallery.of(vectors, ["ann", "bob"], ["a.jpg", "b.jpg"])
        >>> near, far = Embedding("x.jpg", 0.9 * vectors[1]), Embedding("y.jpg", -vectors[1])
        >>> [one.person for one in identify([near, far], gallery)]
        ['bob', None]
    """
    if threshold.direction != "down" or rank < 1:
        raise InputError(
            f"threshold {threshold.direction!r}, rank {rank}: distances take a threshold of "
            "direction 'down' and a rank of 1 or more"
        )
    seen = [one.vector for one in probes if one.vector is not None]
    vectors = np.array(seen, dtype=np.float32).reshape(-1, DIMENSION)
    found = iter(zip(*gallery.nearest(vectors, rank), strict=True))
    return [
        Identification(probe.source, None, (), probe.reason, probe.note)
        if probe.vector is None
        else _named(probe, gallery, threshold, *next(found))
        for probe in probes
    ]


def _named(
    probe: Embedding,
    gallery: Gallery,
    threshold: Threshold,
    rows: NDArray[np.int64],
    distances: NDArray[np.float32],
) -> Identification:
    candidates = tuple(
        Candidate(str(gallery.person[row]), float(distance), str(gallery.source[row]))
        for row, distance in zip(rows, distances, strict=True)
    )
    if candidates[0].distance <= threshold.value:
        return Identification(probe.source, candidates[0].person, candidates, "", "")
    note = f"nobody of the gallery within {threshold.value:.3f}"
    return Identification(probe.source, None, candidates, "unknown", note)


def people_of(paths: Sequence[Path]) -> tuple[list[str], list[str]]:
    """List the pictures of files and folders, with the person whom each shows.

    The person is the first sub-folder's name, or else the file's name without its suffix.

    Raises:
        InputError: A path does not exist, or a folder holds no picture.
    """
    person, files = [], []
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        if not path.is_dir():
            person.append(path.stem)
            files.append(str(path))
            continue
        found, others = files_below(path, SUFFIXES | OTHER_SUFFIXES)
        if not found:
            raise InputError(f"{path} holds no picture; give <person>/<picture> in it")
        warn_of_others(path, others)
        for file in found:
            parts = file.relative_to(path).parts
            person.append(parts[0] if len(parts) > 1 else file.stem)
            files.append(str(file))
    return person, files
