from typing import Any

import numpy as np
import pytest

from sterling.errors import InputError, NothingMeasuredError
from sterling.measure import Scores, aggregate


def scores() -> Scores:
    return Scores(
        [0.9, 0.1, 0.8, 0.3],
        [True, False, True, False],
        item=["a", "b", "c", "d"],
        subject=["1", "1", "2", "2"],
        group=["bona_fide", "print", "bona_fide", "replay"],
    )


def test_sides_point_up_whatever_the_direction() -> None:
    down = Scores([1.0, 9.0], [True, False], direction="down")
    assert down.positive.tolist() == [-1.0]
    assert down.negative.tolist() == [-9.0]
    assert scores().positive.tolist() == [0.9, 0.8]
    assert scores().negative.tolist() == [0.1, 0.3]


def test_select_keeps_every_column() -> None:
    chosen = scores().select([False, True, False, True])
    assert chosen.item.tolist() == ["b", "d"]
    assert chosen.subject.tolist() == ["1", "2"]
    assert chosen.negative_groups == ["print", "replay"]
    with pytest.raises(InputError, match="one true or false per score"):
        scores().select([0, 1])


def test_negatives_by_group() -> None:
    apart = scores().negatives("max")
    assert {name: values.tolist() for name, values in apart.items()} == {
        "print": [0.1],
        "replay": [0.3],
    }
    assert scores().negatives("replay")["replay"].tolist() == [0.3]
    assert scores().negatives()["pooled"].tolist() == [0.1, 0.3]
    with pytest.raises(InputError, match="did you mean print"):
        scores().negatives("prnt")
    with pytest.raises(NothingMeasuredError, match="no negatives"):
        scores().select([True, False, True, False]).negatives()
    with pytest.raises(NothingMeasuredError, match="no positives"):
        scores().select([False, True, False, True]).positives()


@pytest.mark.parametrize(
    ("values", "label", "columns", "words"),
    [
        ([0.5, np.nan, np.inf], [1, 0, 1], {"item": list("xyz")}, "2 of 3 .*: item 'y', nan"),
        ([1.0], [True], {"direction": "higher"}, "use 'up'"),
        ([1.0, 2.0], [True], {}, r"label has shape \(1,\)"),
        ([1.0, 2.0], [1, 2], {}, "true .* for positives"),
        ([1.0, 2.0], ["live", "spoof"], {}, "true .* for positives"),
        ([1.0, 2.0], [1, 0], {"item": ["a", "a"]}, "item 'a' occurs more than once"),
        ([1.0], [True], {"group": ["print"]}, "labelled positive but its group is 'print'"),
        ([1.0], [False], {"group": ["bona_fide"]}, "labelled negative but its group is 'bona"),
        ([1.0], [False], {"group": ["max"]}, "'max' cannot name"),
        ([[1.0]], [True], {}, "one score per item"),
        ([1.0], [True], {"subject": ["a", "b"]}, "subject has shape"),
    ],
)
def test_scores_that_contradict_themselves_are_refused(
    values: Any, label: Any, columns: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        Scores(values, label, **columns)


def test_columns_are_read_only_and_the_callers_array_is_not_touched() -> None:
    values = np.array([1.0, 2.0])
    held = Scores(values, [1, 0])
    with pytest.raises(ValueError, match="read-only"):
        held.values[0] = 5
    values[0] = 3.0


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
