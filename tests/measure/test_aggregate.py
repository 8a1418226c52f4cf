import numpy as np
import pytest

from sterling.errors import InputError
from sterling.measure import Scores, aggregate


def frames() -> tuple[Scores, list[str]]:
    video = ["v2", "v1", "v2", "v1", "v2", "v3"]
    group = ["bona_fide" if v == "v1" else "print" for v in video]
    scores = Scores(
        [1.0, 7.0, 2.0, 8.0, 9.0, 5.0],
        np.array(group) == "bona_fide",
        direction="down",
        subject=[f"s{v[1]}" for v in video],
        group=group,
    )
    return scores, video


def test_one_score_per_video_keeps_what_the_video_is() -> None:
    scores, video = frames()
    mean = aggregate(scores, video)
    assert mean.item.tolist() == ["v1", "v2", "v3"]
    assert mean.values.tolist() == [7.5, 4.0, 5.0]
    assert mean.label.tolist() == [True, False, False]
    assert mean.subject.tolist() == ["s1", "s2", "s3"]
    assert mean.group.tolist() == ["bona_fide", "print", "print"]
    assert mean.direction == "down"


def test_median_is_that_of_every_video() -> None:
    rng = np.random.default_rng(0)
    values, video = rng.normal(size=500).round(1), rng.integers(40, size=500).astype(str)
    ours = aggregate(Scores(values, np.ones(500, bool)), video, "median")
    for name, value in zip(ours.item, ours.values, strict=True):
        assert value == np.median(values[video == name])


def test_mixed_videos_and_wrong_arguments_are_refused() -> None:
    scores, video = frames()
    with pytest.raises(InputError, match="'v2' has frames of different label"):
        aggregate(scores, ["v1", "v2", "v2", "v2", "v1", "v3"])
    mixed = Scores(scores.values, scores.label, subject=list("abbaba"), group=scores.group)
    with pytest.raises(InputError, match="frames of different subject"):
        aggregate(mixed, video)
    with pytest.raises(InputError, match="one video id per score"):
        aggregate(scores, video[:2])
    with pytest.raises(InputError, match="'mean' or 'median'"):
        aggregate(scores, video, "max")  # type: ignore[arg-type]
