"""From scores of frames to one score per video."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from sterling.errors import InputError
from sterling.measure.scores import Scores


def aggregate(scores: Scores, by: ArrayLike, how: Literal["mean", "median"] = "mean") -> Scores:
    """One score per video. Aggregation changes every figure of merit, so report it with them.

    Args:
        scores: One row per frame.
        by: Video id of each frame, (N,).
        how: The mean (what the papers do) or the median of the frames.

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
