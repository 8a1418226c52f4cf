"""A photograph known to be bona fide shows a wrong colour order, range or class."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.special import expit
from tests.face.pad.detector.tiny import means_network

from sterling.errors import InputError
from sterling.face.evaluation.card_check import check_card, draft_card
from sterling.face.pad.detector.card import Card, template

ASTRONAUT = Path(__file__).parents[3] / "examples" / "photographs" / "astronaut.jpg"
WARM = [[0.0, 0, 0], [0.02, 0, -0.02]]
"""Logits of two classes, of which the second grows with red less blue."""


@pytest.fixture
def warm(tmp_path: Path) -> Path:
    return means_network(tmp_path / "warm.onnx", WARM)


def plain(path: Path, colour: tuple[int, int, int]) -> Path:
    Image.new("RGB", (40, 40), colour).save(path)
    return path


def drafted(network: Path, **stated: Any) -> Card:
    stated = {"crop_scale": None, **stated}
    return draft_card([network], network.with_suffix(".yaml"), stated).card


def test_a_draft_says_what_the_graph_tells_and_what_is_assumed(tmp_path: Path) -> None:
    path = means_network(tmp_path / "n.onnx", WARM, size=10, layout="NHWC", last="Softmax")
    draft = draft_card([path], tmp_path / "n.yaml", {"crop_scale": [2.7], "colour": "BGR"})
    (network,) = draft.card.networks
    assert (network.size, network.layout, network.kind) == (10, "NHWC", "probabilities")
    assert (network.output, network.bona_fide, network.crop_scale) == ("answer", 1, 2.7)
    assert network.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert set(draft.assumed) == {"border", "range", "mean", "deviation"}


@pytest.mark.parametrize(
    ("rows", "last", "kind", "bona_fide"),
    [
        (WARM, None, "logits", 1),
        (WARM[1:], None, "log odds", "high"),
        (WARM[1:], "Sigmoid", "probabilities", "high"),
    ],
)
def test_the_kind_of_answer_is_guessed_from_answers_to_noise(
    tmp_path: Path, rows: list[list[float]], last: str | None, kind: str, bona_fide: int | str
) -> None:
    made = drafted(means_network(tmp_path / "n.onnx", rows, last=last)).networks[0]
    assert (made.kind, made.bona_fide) == (kind, bona_fide)


def test_the_right_card_is_checked_and_remembers_the_photograph(warm: Path, tmp_path: Path) -> None:
    live = plain(tmp_path / "live.png", (200, 100, 50))
    check = check_card(drafted(warm), tmp_path / "warm.yaml", live)
    assert check.passed
    checked = check.card.checked
    assert checked is not None
    assert checked.photo == hashlib.sha256(live.read_bytes()).hexdigest()
    assert checked.score == pytest.approx(expit(0.02 * 150), rel=1e-5)
    assert checked.settings == check.card.settings()
    # 2 orders × 2 ranges × 2 classes; with values to 1 the network still leans the same way.
    found = {tuple(sorted(one.changes.items())) for one in check.others}
    assert found == {
        (("range", 1),),
        (("bona_fide", 0), ("colour", "BGR")),
        (("bona_fide", 0), ("colour", "BGR"), ("range", 1)),
    }
    assert len(check.combinations) == 8
    assert checked.others == 3


def test_the_wrong_colour_order_is_found_and_named(warm: Path, tmp_path: Path) -> None:
    live = plain(tmp_path / "live.png", (200, 100, 50))
    check = check_card(drafted(warm, colour="BGR"), tmp_path / "warm.yaml", live)
    assert not check.passed
    assert check.card.checked is None
    line = check.line(live)
    assert "\n" not in line
    assert "NOT checked" in line
    assert "bona_fide: 0 (score 0.9526)" in line
    assert "colour: RGB (score 0.9526)" in line


def test_an_attack_tells_settings_apart(tmp_path: Path) -> None:
    path = means_network(tmp_path / "n.onnx", [[1.0, 0, 0], [0, 0, 0]])  # class 0: any red
    live = plain(tmp_path / "live.png", (200, 0, 0))
    attack = plain(tmp_path / "attack.png", (0, 0, 200))
    card = drafted(path, bona_fide=0)
    alone = check_card(card, tmp_path / "n.yaml", live)
    both = check_card(card, tmp_path / "n.yaml", live, [attack])
    # Scores of 1/2 pass as bona fide where blue comes first; the attack is then bona fide, too.
    assert len(both.others) < len(alone.others)
    assert both.card.checked is None  # this network gives the attack 1/2, which is the middle
    assert "an attack scores 0.5000" in both.line(live)


def test_a_score_is_checked_against_its_threshold_only(tmp_path: Path) -> None:
    path = means_network(tmp_path / "n.onnx", WARM[1:])
    live = plain(tmp_path / "live.png", (200, 100, 50))
    card = drafted(path, kind="score")
    with pytest.raises(InputError, match="state its threshold"):
        check_card(card, tmp_path / "n.yaml", live)
    stated = card.model_copy(update={"threshold": {"value": 2.9, "source": "the maker"}})
    assert check_card(stated, tmp_path / "n.yaml", live).passed
    higher = card.model_copy(update={"threshold": {"value": 3.1, "source": "the maker"}})
    assert not check_card(higher, tmp_path / "n.yaml", live).passed


def test_the_face_of_a_photograph_is_cut_as_the_card_says(warm: Path, tmp_path: Path) -> None:
    card = drafted(warm, crop_scale=2.0)
    assert check_card(card, tmp_path / "warm.yaml", ASTRONAUT).passed  # skin and an orange suit
    grey = plain(tmp_path / "grey.png", (90, 90, 90))
    with pytest.raises(InputError, match=r"grey\.png: no face of"):
        check_card(card, tmp_path / "warm.yaml", grey)


def test_templates_are_filled_in_by_file(tmp_path: Path) -> None:
    three = [[0.01, 0, 0], [0, 0.01, 0], [0, 0, 0.01]]
    files = [means_network(tmp_path / f"{i}.onnx", three, size=80) for i in range(2)]
    known = template("silent-face")
    draft = draft_card(files, tmp_path / "card.yaml", {}, like=known)
    assert [one.crop_scale for one in draft.card.networks] == [2.7, 4.0]
    assert [one.file for one in draft.card.networks] == ["0.onnx", "1.onnx"]
    assert {one.output for one in draft.card.networks} == {"answer"}  # as the graph names it
    assert not draft.assumed
    other = draft_card(files, tmp_path / "card.yaml", {"colour": "RGB"}, like=known)
    assert {one.colour for one in other.card.networks} == {"RGB"}
    with pytest.raises(InputError, match=r"1 networks are given: Silent-Face.* has 2"):
        draft_card(files[:1], tmp_path / "card.yaml", {}, like=known)
    with pytest.raises(InputError, match="did you mean silent-face"):
        template("silentface")


def test_what_a_card_cannot_say_is_refused(warm: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="copy it to"):
        draft_card([warm], tmp_path / "elsewhere" / "card.yaml", {})
    with pytest.raises(InputError, match="crop_scale: 2 are given for 1"):
        draft_card([warm], tmp_path / "card.yaml", {"crop_scale": [1.0, 2.0]})
    with pytest.raises(InputError, match="takes 8×8 pixels, but crops are 9×9"):
        draft_card([warm], tmp_path / "card.yaml", {"size": 9})
    with pytest.raises(InputError, match="colour"):
        draft_card([warm], tmp_path / "card.yaml", {"colour": "GBR"})


def test_guesses_do_not_depend_on_chance(warm: Path, tmp_path: Path) -> None:
    first, second = (draft_card([warm], tmp_path / "card.yaml", {}) for _ in range(2))
    assert first == second
    assert np.isfinite(first.card.networks[0].mean).all()
