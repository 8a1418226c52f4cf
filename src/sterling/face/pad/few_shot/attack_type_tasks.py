"""Fine-grained types of living and spoofing faces, and zero- and few-shot tasks among them.

AIM-FAS (Qin et al., AAAI 2020): a task adapts on an old pair of a living and a spoofing type, with
K faces each of a new pair, and is judged on the new pair.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sterling.adapt import GradientLearner, Task
from sterling.errors import InputError
from sterling.face.data import Manifest
from sterling.face.pad.baselines.simple import score_thumbnails
from sterling.face.pad.few_shot.aim_fas import liveness_after
from sterling.measure import Scores, auc, eer, evaluate, threshold_at_eer
from sterling.runs import derive_seed

Rows = Mapping[str, NDArray[np.intp]]


@dataclass(frozen=True, eq=False)
class FaceTypes:
    """Faces in living and spoofing types.

    Attributes:
        images: uint8 (N, C, S, S).
        maps: Label maps, float32 (N, h, w).
        living: Rows of each living type, by its name.
        spoofing: Rows of each spoofing type.
    """

    images: Tensor
    maps: Tensor
    living: Rows
    spoofing: Rows


def types_of(
    manifest: Manifest, images: Tensor, maps: Tensor, living: str, spoofing: str
) -> FaceTypes:
    """Types by columns of a manifest.

    Args:
        manifest: One row for each face.
        images: uint8 (N, C, S, S).
        maps: float32 (N, h, w).
        living: Column whose values are the living types, such as ``"illumination"``.
        spoofing: Column whose values are the spoofing types, such as ``"species"``.
    """

    def rows(column: str, wanted: NDArray[np.bool_]) -> Rows:
        values = manifest.column(column)
        return {
            str(value): np.flatnonzero(wanted & (values == value))
            for value in np.unique(values[wanted])
        }

    live = manifest.bona_fide
    return FaceTypes(images, maps, rows(living, live), rows(spoofing, ~live))


@dataclass(frozen=True)
class TypePair:
    """Types of a task."""

    old_living: str
    old_spoofing: str
    living: str
    spoofing: str


class TypeTasks:
    """Tasks by number: the same number gives the same pairs and queries, whatever the shots.

    The support of more shots holds that of fewer, so that shots are compared on what they add.
    Types with fewer faces than a task needs take no part, and are named.

    Args:
        old: Source of the old pair: the training types.
        new: Source of the new pair: the same in training, unseen types in test.
        faces: M, faces of each class in the support; 15 in the release.
        queries: Q, faces of each class to be scored; 15 in the release.
        shots: Numbers K of new faces of each class that tasks are drawn with, 0 to M.
        seed: Seed of all draws.

    Attributes:
        left_out: Names of the types with too few faces.

    Raises:
        InputError: Too few types have enough faces, or K is out of range.
    """

    def __init__(
        self,
        old: FaceTypes,
        new: FaceTypes,
        *,
        faces: int = 15,
        queries: int = 15,
        shots: Sequence[int] = (0, 1, 3, 5, 7, 9),
        seed: int = 0,
    ) -> None:
        if not shots or min(shots) < 0 or max(shots) > faces or queries < 1:
            raise InputError(
                f"shots {tuple(shots)}, faces {faces}, queries {queries}: shots from 0 to the "
                "faces of a class, and one query or more"
            )
        least = 2 if old is new else 1
        self.seed, self.faces, self.queries, self.shots = seed, faces, queries, tuple(shots)
        asked = max(shots) + queries
        needed = max(faces, asked) if old is new else faces
        self.old, less = _large_enough(old, needed, least)
        self.new, fewer = (self.old, ()) if old is new else _large_enough(new, asked, least)
        self.left_out = (*less, *fewer)

    def pair(self, number: int) -> TypePair:
        """The types of a task; where old and new come from one set, none is in both."""
        draw = self._draw(number, "pair")
        new_living, new_spoofing = (str(draw.choice(sorted(rows))) for _, rows in _kinds(self.new))
        same = self.old is self.new
        old_living, old_spoofing = (
            str(draw.choice([one for one in sorted(rows) if not same or one != taken]))
            for (_, rows), taken in zip(_kinds(self.old), (new_living, new_spoofing), strict=True)
        )
        return TypePair(old_living, old_spoofing, new_living, new_spoofing)

    def draw(self, number: int) -> Task:
        """The task of that number, with a number of shots drawn for it."""
        return self.with_shots(number, int(self._draw(number, "shots").choice(self.shots)))

    def with_shots(self, number: int, shots: int) -> Task:
        """The task of that number with K new faces of each class in its support.

        Labels are label maps. In support and query living faces come first, and old ones before
        new ones.
        """
        pair, draw = self.pair(number), self._draw(number, "faces")
        images, maps = [], []
        queried, query_maps = [], []
        for old, new in (
            (self.old.living[pair.old_living], self.new.living[pair.living]),
            (self.old.spoofing[pair.old_spoofing], self.new.spoofing[pair.spoofing]),
        ):
            before = draw.choice(old, self.faces, replace=False)[: self.faces - shots]
            fresh = draw.choice(new, max(self.shots) + self.queries, replace=False)
            asked = fresh[: self.queries]
            shown = fresh[self.queries : self.queries + shots]
            for source, rows in ((self.old, before), (self.new, shown)):
                images.append(source.images[torch.from_numpy(rows)])
                maps.append(source.maps[torch.from_numpy(rows)])
            queried.append(self.new.images[torch.from_numpy(asked)])
            query_maps.append(self.new.maps[torch.from_numpy(asked)])
        return Task(
            torch.cat(images), torch.cat(maps), torch.cat(queried), torch.cat(query_maps), ()
        )

    def _draw(self, number: int, what: str) -> np.random.Generator:
        return np.random.default_rng(derive_seed(self.seed, "types", number, what))


def _kinds(types: FaceTypes) -> tuple[tuple[str, Rows], tuple[str, Rows]]:
    return ("living", types.living), ("spoofing", types.spoofing)


def _large_enough(types: FaceTypes, needed: int, least: int) -> tuple[FaceTypes, tuple[str, ...]]:
    """The types with enough faces, and the names of the others."""
    kept = []
    left_out: list[str] = []
    for kind, named in _kinds(types):
        enough = {name: rows for name, rows in named.items() if len(rows) >= needed}
        if len(enough) < least:
            raise InputError(
                f"{len(enough)} {kind} types have the {needed} faces that a task needs, of "
                f"{len(named)}; {least} or more are needed: add faces, or lower faces, shots or "
                "queries"
            )
        kept.append(enough)
        left_out += sorted(set(named) - set(enough))
    return FaceTypes(types.images, types.maps, *kept), tuple(left_out)


FIGURES = ("ACER", "EER", "AUC")


def task_errors(support: NDArray[np.float64], queries: NDArray[np.float64]) -> dict[str, float]:
    """Error figures of a task from liveness scores, whose first halves are living faces.

    Args:
        support: Scores (M,), higher is more alive.
        queries: Scores (N,).

    Returns:
        ``"ACER"`` at the threshold of equal errors on the support, which is what a user has;
        ``"EER"`` of the queries at their own threshold, which nobody has: optimistic, and what the
        release of AIM-FAS reports; ``"AUC"`` of the queries.
    """
    chosen_on, judged = (
        Scores(
            values,
            np.arange(len(values)) < len(values) // 2,
            item=[f"{kind} {row}" for row in range(len(values))],
        )
        for kind, values in (("support", support), ("query", queries))
    )
    threshold = threshold_at_eer(chosen_on, source="support")
    return {
        "ACER": evaluate(judged, threshold).acer,
        "EER": eer(judged).value,
        "AUC": auc(judged).value,
    }


def errors_after(learner: GradientLearner, task: Task, steps: int) -> dict[str, float]:
    """`task_errors` of a learner after so many inner steps on the support."""
    support, queries = liveness_after(learner, task, steps)
    return task_errors(support.double().cpu().numpy(), queries.double().cpu().numpy())


def errors_of_thumbnails(task: Task) -> dict[str, float]:
    """`task_errors` of logistic regression on the support's 8×8 thumbnails."""
    live = np.arange(len(task.support)) < len(task.support) // 2
    both = torch.cat([task.support, task.query])
    scores = score_thumbnails(task.support, live, both)
    return task_errors(scores[: len(live)], scores[len(live) :])


def mean_errors(each: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean of every figure over tasks."""
    return {figure: float(np.mean([one[figure] for one in each])) for figure in FIGURES}
