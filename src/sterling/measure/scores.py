"""Scores of presentations, with the direction that means bona fide and what each row is."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError, NothingMeasuredError, unknown_name

Direction = Literal["up", "down"]

BONA_FIDE = "bona_fide"
_RESERVED = ("max", "pooled", "")


@dataclass(frozen=True, eq=False, init=False)
class Scores:
    """One row per presentation; the arrays are read-only.

    Attributes:
        values: float64 (N,), finite.
        label: bool (N,), true for bona fide presentations (the positive class).
        direction: ``"up"`` when higher values mean bona fide, ``"down"`` when lower ones do.
        item: Unique ids, text (N,); default ``"0"``, ``"1"``, and so on.
        subject: Who was presented, text (N,); default ``""``, unknown.
        group: PAI species of each attack, text (N,), ``"bona_fide"`` on bona fide rows; by
            default all attacks are of one species, ``"attack"``.

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
            raise InputError(f"direction {direction!r}: use 'up' (higher is bona fide) or 'down'")
        scores = np.asarray(values, dtype=np.float64)
        if scores.ndim != 1:
            raise InputError(f"values have shape {scores.shape}; give one score per presentation")
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
            groups = np.where(labels, BONA_FIDE, "attack")
        else:
            groups = _text("group", group, n)
            _check_groups(groups, labels, items)
        subjects = np.full(n, "", dtype="<U1") if subject is None else _text("subject", subject, n)
        self._fill(scores, labels, direction, items, subjects, groups)

    def _fill(
        self,
        values: NDArray[np.float64],
        label: NDArray[np.bool_],
        direction: Direction,
        item: NDArray[np.str_],
        subject: NDArray[np.str_],
        group: NDArray[np.str_],
    ) -> None:
        object.__setattr__(self, "direction", direction)
        columns: dict[str, NDArray[Any]] = {
            "values": values,
            "label": label,
            "item": item,
            "subject": subject,
            "group": group,
        }
        for name, column in columns.items():
            view = column.view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)

    def __len__(self) -> int:
        return len(self.values)

    def select(self, mask: ArrayLike) -> "Scores":
        """The rows where a bool mask (N,) is true, in their order."""
        mask = np.asarray(mask)
        if mask.dtype != np.bool_ or mask.shape != (len(self),):
            raise InputError(
                f"mask is {mask.dtype} {mask.shape}; give one true or false per score ({len(self)})"
            )
        return self.resample(np.flatnonzero(mask))

    def resample(self, positions: NDArray[np.integer]) -> "Scores":
        """The rows at ``positions``, which may repeat, as a bootstrap draws them."""
        drawn = object.__new__(Scores)
        drawn._fill(
            self.values[positions],
            self.label[positions],
            self.direction,
            self.item[positions],
            self.subject[positions],
            self.group[positions],
        )
        return drawn

    @property
    def upward(self) -> NDArray[np.float64]:
        """Values turned so that higher means bona fide, (N,)."""
        return self.values if self.direction == "up" else -self.values

    @property
    def positive(self) -> NDArray[np.float64]:
        """Upward values of the bona fide presentations."""
        return self.upward[self.label]

    @property
    def negative(self) -> NDArray[np.float64]:
        """Upward values of the attack presentations."""
        return self.upward[~self.label]

    @property
    def species(self) -> list[str]:
        """The PAI species present, sorted."""
        return sorted(set(self.group.tolist()) - {BONA_FIDE})

    def attacks(self, species: str = "pooled") -> dict[str, NDArray[np.float64]]:
        """Upward values of the attacks an APCER is taken over, by name.

        Args:
            species: ``"pooled"`` for all attacks as one, ``"max"`` for every species apart, or
                the name of one species.

        Raises:
            NothingMeasuredError: When there is no attack presentation.
            InputError: When no attack is of the named species.
        """
        if not (~self.label).any():
            raise NothingMeasuredError("no attack presentations among the scores")
        if species == "pooled":
            return {"pooled": self.negative}
        names = self.species
        if species != "max":
            if species not in names:
                raise unknown_name("PAI species", species, names)
            names = [species]
        upward = self.upward
        return {name: upward[self.group == name] for name in names}

    def bona_fides(self) -> NDArray[np.float64]:
        """Upward values of the bona fide presentations, of which there must be one.

        Raises:
            NothingMeasuredError: When there is none.
        """
        if not self.label.any():
            raise NothingMeasuredError("no bona fide presentations among the scores")
        return self.positive


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
        raise InputError("label: use true (or 1) for bona fide and false (or 0) for attacks")
    return array.astype(np.bool_)


def _check_unique(items: NDArray[np.str_]) -> None:
    seen: set[str] = set()
    names = items.tolist()
    if len(set(names)) == len(names):
        return
    for name in names:
        if name in seen:
            raise InputError(f"item {name!r} occurs more than once; one row per presentation")
        seen.add(name)


def _check_groups(
    groups: NDArray[np.str_], labels: NDArray[np.bool_], items: NDArray[np.str_]
) -> None:
    wrong = labels != (groups == BONA_FIDE)
    if wrong.any():
        first = int(wrong.argmax())
        kind = "bona fide" if labels[first] else "attack"
        raise InputError(
            f"item {str(items[first])!r} is labelled {kind} but its group is "
            f"{str(groups[first])!r}; attacks name their species, the others are {BONA_FIDE!r}"
        )
    for name in _RESERVED:
        taken = groups == name
        if taken.any():
            raise InputError(
                f"item {str(items[taken.argmax()])!r}: {name!r} cannot name a PAI species"
            )
