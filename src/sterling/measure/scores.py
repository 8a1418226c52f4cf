"""Scores of items, with the direction that means positive and the identity of each row."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.display import line
from sterling.errors import InputError, NothingMeasuredError, unknown_name

Direction = Literal["up", "down"]

POSITIVE = "bona_fide"  # group of every positive row, as manifests and stored scores spell it
NEGATIVE = "attack"  # group of negative rows where none is given
_RESERVED = ("max", "pooled", "")


@dataclass(frozen=True, eq=False, init=False)
class Scores:
    """One row per item; the arrays are read-only.

    Attributes:
        values: float64 (N,), finite.
        label: bool (N,), true for positives (in face liveness: bona fide presentations).
        direction: ``"up"`` when higher values mean positive, ``"down"`` when lower ones do.
        item: Unique ids, text (N,); default ``"0"``, ``"1"``, and so on.
        subject: Unit of independence, such as a person, text (N,); default ``""``, unknown.
        group: Kind of each negative, text (N,), and ``"bona_fide"`` on positive rows; by default
            all negatives are of one kind, ``"attack"``.

    Raises:
        InputError: On scores that are not finite, labels that are not true or false, arrays of
            different length, repeated items, or a group that contradicts its label.
    """

    values: NDArray[np.float64]
    label: NDArray[np.bool_]
    direction: Direction
    item: NDArray[np.str_]
    subject: NDArray[np.str_]
    group: NDArray[np.str_]

    _COLUMNS: ClassVar = ("values", "label", "item", "subject", "group")

    def __init__(
        self,
        values: ArrayLike,
        label: ArrayLike,
        *,
        direction: Direction = "up",
        item: ArrayLike | None = None,
        subject: ArrayLike | None = None,
        group: ArrayLike | None = None,
    ) -> None:
        if direction not in ("up", "down"):
            raise InputError(f"direction {direction!r}: use 'up' (higher is positive) or 'down'")
        scores = np.asarray(values, dtype=np.float64)
        if scores.ndim != 1:
            raise InputError(f"values have shape {scores.shape}; give one score per item")
        n = len(scores)
        items = np.arange(n).astype(np.str_) if item is None else _text("item", item, n)
        labels = _labels(label, n)
        bad = ~np.isfinite(scores)
        if bad.any():
            first = int(bad.argmax())
            raise InputError(
                f"{bad.sum()} of {n} scores are not finite (first: item {str(items[first])!r}, "
                f"{scores[first]}); count them as non-responses and leave them out"
            )
        if item is not None:
            _check_unique(items)
        if group is None:
            groups = np.where(labels, POSITIVE, NEGATIVE)
        else:
            groups = _text("group", group, n)
            _check_groups(groups, labels, items)
        subjects = np.full(n, "", dtype="<U1") if subject is None else _text("subject", subject, n)
        self._fill(
            direction, values=scores, label=labels, item=items, subject=subjects, group=groups
        )

    def _fill(self, direction: Direction, **columns: NDArray[Any]) -> None:
        object.__setattr__(self, "direction", direction)
        for name, column in columns.items():
            view = column.view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        positives, subjects = int(self.label.sum()), len(set(self.subject.tolist()) - {""})
        groups = self.negative_groups
        named = ", ".join(groups[:4]) + (", ..." if len(groups) > 4 else "")
        return line(
            self,
            f"{positives} positive",
            f"{len(self) - positives} negative" + (f" ({named})" if groups else ""),
            f"{subjects} subjects" if subjects else "",
            f"{'higher' if self.direction == 'up' else 'lower'} is positive",
        )

    def select(self, mask: ArrayLike) -> "Scores":
        """Return the rows where a bool mask (N,) is true, in their order."""
        mask = np.asarray(mask)
        if mask.dtype != np.bool_ or mask.shape != (len(self),):
            raise InputError(
                f"mask is {mask.dtype} {mask.shape}; give one true or false per score ({len(self)})"
            )
        return self.resample(np.flatnonzero(mask))

    def resample(self, positions: NDArray[np.integer]) -> "Scores":
        """Return the rows at ``positions``, which may repeat, as a bootstrap draws them."""
        drawn = object.__new__(Scores)
        drawn._fill(
            self.direction, **{name: getattr(self, name)[positions] for name in self._COLUMNS}
        )
        return drawn

    @property
    def upward(self) -> NDArray[np.float64]:
        """Values turned so that higher means positive, (N,)."""
        return self.values if self.direction == "up" else -self.values

    @property
    def positive(self) -> NDArray[np.float64]:
        """Upward values of the positives."""
        return self.upward[self.label]

    @property
    def negative(self) -> NDArray[np.float64]:
        """Upward values of the negatives."""
        return self.upward[~self.label]

    @property
    def negative_groups(self) -> list[str]:
        """The groups of the negatives, sorted."""
        return sorted(set(self.group.tolist()) - {POSITIVE})

    def positives(self) -> NDArray[np.float64]:
        """Return the upward values of the positives, of which there must be one.

        Raises:
            NothingMeasuredError: When there is none.
        """
        if not self.label.any():
            raise NothingMeasuredError("no positives (bona fide) among the scores")
        return self.positive

    def negatives(self, group: str = "pooled") -> dict[str, NDArray[np.float64]]:
        """Return the upward values of the negatives, by the name of what they are counted as.

        Args:
            group: ``"pooled"`` for all negatives as one, ``"max"`` for every group apart, or the
                name of one group.

        Raises:
            NothingMeasuredError: When there is no negative.
            InputError: When no negative is of the named group.
        """
        if self.label.all():
            raise NothingMeasuredError("no negatives (attacks) among the scores")
        if group == "pooled":
            return {"pooled": self.negative}
        names = self.negative_groups
        if group not in ("max", *names):
            raise unknown_name("group of negatives", group, names)
        upward = self.upward
        return {name: upward[self.group == name] for name in (names if group == "max" else [group])}


def aggregate(scores: Scores, by: ArrayLike, how: Literal["mean", "median"] = "mean") -> Scores:
    """Return one score per video, aggregated over its frames.

    Aggregation changes every figure of merit, so report it with them.

    Args:
        scores: One row per frame.
        by: Video id of each frame, (N,).
        how: The mean (as in the papers) or the median of the frames.

    Returns:
        Scores with the video ids as items, sorted, and the videos' label, subject and group.

    Raises:
        InputError: When frames of one video differ in label, subject or group.
    """
    if how not in ("mean", "median"):
        raise InputError(f"how {how!r}: use 'mean' or 'median'")
    ids = np.asarray(by, dtype=np.str_)
    if ids.shape != scores.values.shape:
        raise InputError(f"by has shape {ids.shape}; give one video id per score ({len(scores)})")
    videos, first, video_of = np.unique(ids, return_index=True, return_inverse=True)
    for name in ("label", "subject", "group"):
        column = getattr(scores, name)
        mixed = column != column[first][video_of]
        if mixed.any():
            raise InputError(
                f"video {str(ids[mixed.argmax()])!r} has frames of different {name}; "
                "give every video an id of its own"
            )
    frames = np.bincount(video_of, minlength=len(videos))
    if how == "mean":
        values = np.bincount(video_of, weights=scores.values, minlength=len(videos)) / frames
    else:
        ordered = np.sort(scores.values)[
            np.argsort(video_of[np.argsort(scores.values)], kind="stable")
        ]
        start = np.cumsum(frames) - frames
        values = (ordered[start + (frames - 1) // 2] + ordered[start + frames // 2]) / 2
    return Scores(
        values,
        scores.label[first],
        direction=scores.direction,
        item=videos,
        subject=scores.subject[first],
        group=scores.group[first],
    )


def _text(name: str, values: ArrayLike, n: int) -> NDArray[np.str_]:
    array = np.asarray(values)
    if array.dtype.kind != "U":
        array = np.array([str(value) for value in array.tolist()], dtype=np.str_)
    if array.shape != (n,):
        raise InputError(f"{name} has shape {array.shape}; give one per score ({n})")
    return array


def _labels(label: ArrayLike, n: int) -> NDArray[np.bool_]:
    array = np.asarray(label)
    if array.shape != (n,):
        raise InputError(f"label has shape {array.shape}; give one per score ({n})")
    if array.dtype == np.bool_:
        return array
    if array.dtype.kind not in "iuf" or not np.isin(array, (0, 1)).all():
        raise InputError("label: use true (or 1) for positives and false (or 0) for negatives")
    return array.astype(np.bool_)


def _check_unique(items: NDArray[np.str_]) -> None:
    names = items.tolist()
    if len(set(names)) < len(names):
        name = next(name for name, times in Counter(names).items() if times > 1)
        raise InputError(f"item {name!r} occurs more than once; give one row per item")


def _check_groups(
    groups: NDArray[np.str_], labels: NDArray[np.bool_], items: NDArray[np.str_]
) -> None:
    wrong = labels != (groups == POSITIVE)
    if wrong.any():
        first = int(wrong.argmax())
        kind = "positive" if labels[first] else "negative"
        raise InputError(
            f"item {str(items[first])!r} is labelled {kind} but its group is "
            f"{str(groups[first])!r}; negatives name their kind, positives are {POSITIVE!r}"
        )
    for name in _RESERVED:
        taken = groups == name
        if taken.any():
            raise InputError(
                f"item {str(items[taken.argmax()])!r}: {name!r} cannot name a group of negatives"
            )
