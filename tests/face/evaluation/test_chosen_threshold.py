"""Thresholds that are saved with what is known of them; requirements; the worst errors."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.face.evaluation.test_bounded_threshold import scores

from sterling.errors import InputError
from sterling.face.evaluation.bounded_threshold import Promise
from sterling.face.evaluation.chosen_threshold import ChosenThreshold
from sterling.face.evaluation.evaluate import Scored, evaluate_scored, score_table
from sterling.face.evaluation.presentations import Presentations
from sterling.face.evaluation.requirement import Requirement
from sterling.face.evaluation.worst_errors import MOST, worst_errors, write_worst_errors
from sterling.measure import Scores, Threshold, threshold_at_eer


def presentations(given: Scores, paths: list[str] | None = None) -> Presentations:
    nothing = np.full(len(given), "")
    return Presentations(given, nothing if paths is None else np.array(paths), nothing)


def test_a_saved_threshold_comes_back_whole(tmp_path: Path) -> None:
    dev = scores(np.random.default_rng(0), 90, "d", subjects=10)
    for made in (
        ChosenThreshold.promised(dev, Promise(0.1, 0.9), source="dev"),
        ChosenThreshold.at_equal_errors(dev, source="dev"),
        ChosenThreshold(Threshold(0.5, "down")),
    ):
        path = tmp_path / "threshold.json"
        path.write_text(json.dumps(made.to_dict()))
        back = ChosenThreshold.read(path)
        assert (back.threshold, back.guarantee) == (made.threshold, made.guarantee)
        assert back.rates.keys() == made.rates.keys()
        for name, figure in back.rates.items():
            assert figure.interval == made.rates[name].interval
            assert figure.units == made.rates[name].units


@pytest.mark.parametrize(
    "content", ["", "7", "{}", '{"threshold": {"value": "x"}}', "[" * 10_000, '{"threshold": 1}']
)
def test_another_file_is_no_threshold(tmp_path: Path, content: str) -> None:
    path = tmp_path / "threshold.json"
    path.write_text(content)
    with pytest.raises(InputError, match="no saved threshold") as refusal:
        ChosenThreshold.read(path)
    assert "\n" not in str(refusal.value)


def test_rates_are_known_only_where_the_threshold_was_chosen() -> None:
    rng = np.random.default_rng(1)
    dev, other = scores(rng, 60, "d"), scores(rng, 60, "o")
    threshold = threshold_at_eer(dev)
    assert ChosenThreshold.known_on(threshold, dev).rates
    assert not ChosenThreshold.known_on(threshold, other).rates
    assert not ChosenThreshold.known_on(threshold, None).rates


def test_both_directions_give_the_same_evaluation() -> None:
    rng = np.random.default_rng(2)
    up = scores(rng, 80, "t", subjects=16)
    down = Scores(
        -up.values, up.label, direction="down", item=up.item, subject=up.subject, group=up.group
    )
    one = evaluate_scored(Scored("scores", presentations(up)), ChosenThreshold(Threshold(1.2)))
    two = evaluate_scored(
        Scored("scores", presentations(down)), ChosenThreshold(Threshold(-1.2, "down"))
    )
    figures = [each.systems[0].figures for each in (one, two)]
    assert figures[0] == figures[1]
    assert one.table().equals(two.table())
    assert score_table(up, Threshold(1.2), system="s").columns == [
        *("item", "subject", "group", "label", "value", "set", "system", "seed", "threshold")
    ]


def test_requirements_are_read() -> None:
    assert Requirement.parse("APCER <= 0.1") == Requirement("apcer", True, 0.1)
    assert Requirement.parse("auc>=0.95") == Requirement("auc", False, 0.95)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("apcer<0.1", "write it as apcer<=0.1"),
        ("apcr<=0.1", "did you mean apcer"),
        ("apcer<=10", "give a number from 0 to 1"),
        ("apcer<=low", "give a number from 0 to 1"),
        ("apcer<=nan", "give a number from 0 to 1"),
    ],
)
def test_other_requirements_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Requirement.parse(text)


def test_the_worst_errors_are_the_farthest_of_both_classes() -> None:
    values = np.r_[np.linspace(-20, 20, 41), np.linspace(-3, 3, 7)]
    label = np.r_[np.ones(41, dtype=bool), np.zeros(7, dtype=bool)]
    given = presentations(Scores(values, label))
    rows = worst_errors(given, Threshold(0.0))
    # Attacks at 0, 1, 2, 3 are accepted; the other eight are the lowest bona fides.
    assert len(rows) == MOST
    assert sorted(values[rows][label[rows]].tolist()) == [float(v) for v in range(-20, -12)]
    assert sorted(values[rows][~label[rows]].tolist()) == [0, 1, 2, 3]
    far = np.abs(values[rows])
    assert (np.diff(far) <= 0).all()


def test_only_pictures_have_thumbnails(tmp_path: Path) -> None:
    Image.new("RGB", (640, 320), (200, 10, 10)).save(tmp_path / "red.png")
    (tmp_path / "text.png").write_text("no picture")
    paths = [str(tmp_path / name) for name in ("red.png", "text.png", "nowhere.png")]
    given = presentations(
        Scores([3.0, 2.0, 1.0, -1.0, 5.0], [False, False, False, True, True]), [*paths, "", ""]
    )
    found = write_worst_errors(given, Threshold(0.0), tmp_path / "run")
    assert [one.thumbnail for one in found] == ["errors/00.png", None, None, None]
    assert [one.score for one in found] == [3, 2, 1, -1]
    with Image.open(tmp_path / "run" / "errors" / "00.png") as small:
        assert small.size == (160, 80)
        assert small.getpixel((5, 5)) == (200, 10, 10)
