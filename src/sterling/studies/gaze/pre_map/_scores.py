"""Scores of answers and maps against known densities, or against the fixations of viewers."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sterling.gaze import correlation, kl_divergence, parse_points, similarity, spread_ratio
from sterling.gaze.point_rewards import blurred
from sterling.runs import Row
from sterling.studies.gaze.pre_map._frames import GazeSet
from sterling.studies.gaze.pre_map._policy import COUNT
from sterling.study import row

GRID = 160
"""Cells along the longer side on which answers are scored; a synthetic frame's own pixels."""
SCORES = ("NSS", "CC", "SIM", "KLD", "profile gap", "spread ratio", "format rate")
"""Scores of answers."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Truth:
    """Ground truth that the answers for one frame are scored against.

    Attributes:
        profiles: Profiles with fixations on the frame.
        looked: Density of each one's gaze, (profiles, H, W): the known density, or the shares of
            the fixations by cell.
        densities: The known density, or the blurred fixations, (profiles, H, W).
    """

    profiles: list[int]
    looked: Floats
    densities: Floats

    @classmethod
    def of(cls, data: GazeSet, frame: int) -> "Truth":
        """The truth of a frame."""
        profiles = data.seen_by(frame)
        if data.densities is not None:
            known = data.densities[frame]
            return cls(profiles, known, known)
        each = [data.fixations(frame, profile) for profile in profiles]
        soft = np.stack([blurred(one, data.size, data.sigma, cells=GRID) for one in each])
        hard = np.stack([_counted(one, data.size, soft.shape[1:]) for one in each])
        return cls(profiles, hard, soft)

    def nss(self, answer: Floats) -> Floats:
        """NSS of a map for each profile, (profiles,)."""
        centred = answer - answer.mean()
        spread = float(centred.std())
        return np.asarray((self.looked * centred).sum(axis=(1, 2)) / (spread or 1.0))


@dataclass(frozen=True)
class Scored:
    """Scores of one system, one row for each answer, frame and profile."""

    rows: list[dict[str, float | str]]

    def mean(self, name: str) -> float | None:
        """Mean of a score over the answers that have it."""
        known = [float(each[name]) for each in self.rows if np.isfinite(float(each[name]))]
        return float(np.mean(known)) if known else None


def score(test: GazeSet, truths: list[Truth], ask: Callable[[int, int], list[str]]) -> Scored:
    """Score the answers for each frame and profile; one that cannot be read is a uniform map."""
    rows: list[dict[str, float | str]] = []
    for frame, truth in enumerate(truths):
        for index, profile in enumerate(truth.profiles):
            fixations = test.fixations(frame, profile)
            for text in ask(frame, profile):
                points = parse_points(text)
                shape = truth.densities.shape[1:]
                answer = np.full(shape, 1 / np.prod(shape))
                if points is not None:
                    answer = blurred(points, test.size, test.sigma, cells=GRID)
                rows.append(
                    {
                        "stimulus": test.names[frame],
                        "viewer": test.profiles[profile],
                        **_metrics(answer, truth, index),
                        "spread ratio": (
                            float("nan") if points is None else spread_ratio(points, fixations)
                        ),
                        "format rate": float(points is not None and len(points) == COUNT),
                    }
                )
    return Scored(rows)


def _metrics(answer: Floats, truth: Truth, index: int) -> dict[str, float]:
    nss, density = truth.nss(answer), truth.densities[index]
    others = np.delete(nss, index)
    return {
        "NSS": float(nss[index]),
        "CC": correlation(answer, density),
        "SIM": similarity(answer, density),
        "KLD": kl_divergence(answer, density),
        "profile gap": float(nss[index] - others.mean()) if len(others) else float("nan"),
    }


def map_rows(name: str, densities: Floats, truths: list[Truth]) -> list[Row]:
    """Scores of a baseline as a whole map, in place of ten points drawn from it."""
    found = [
        _metrics(densities[frame, profile], truth, index)
        for frame, truth in enumerate(truths)
        for index, profile in enumerate(truth.profiles)
    ]
    return [
        row(f"{metric} of the map", float(np.mean([each[metric] for each in found])), system=name)
        for metric in ("NSS", "CC", "KLD", "profile gap")
    ]


def by_viewer(
    system: str,
    answers: list[dict[str, float | str]],
    ceiling: Floats,
    test: GazeSet,
    truths: list[Truth],
    repetition: int,
) -> pl.DataFrame:
    """NSS and profile gap of every system for each frame and viewer, with the ceiling's map.

    Args:
        system: Name of the ceiling.
        answers: Scores of all systems' answers.
        ceiling: Densities by frame and viewer, (frames, viewers, H, W).
        test: Frames.
        truths: Targets of their answers.
        repetition: Index of the repetition.
    """
    whole = pl.DataFrame(answers).select(
        "system", "repetition", "stimulus", "viewer", "NSS", "profile gap"
    )
    keys = ["system", "repetition", "stimulus", "viewer"]
    means = whole.group_by(keys, maintain_order=True).agg(pl.col("NSS", "profile gap").mean())
    rows = [
        {
            "system": system,
            "repetition": repetition,
            "stimulus": test.names[frame],
            "viewer": test.profiles[profile],
            **{
                metric: value
                for metric, value in _metrics(ceiling[frame, profile], truth, index).items()
                if metric in ("NSS", "profile gap")
            },
        }
        for frame, truth in enumerate(truths)
        for index, profile in enumerate(truth.profiles)
    ]
    return pl.concat([means, pl.DataFrame(rows, schema=means.schema)])


def _counted(points: Floats, size: tuple[int, int], shape: tuple[int, ...]) -> Floats:
    """Share of the points in each cell."""
    found = np.zeros(shape)
    cells = np.floor(points / size * shape[::-1]).astype(int)
    np.add.at(found, (cells[:, 1], cells[:, 0]), 1 / len(points))
    return found
