import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sterling.errors import InputError
from sterling.face.data import Limits
from sterling.face.evaluation.prediction import Prediction, predict_sources, standing
from sterling.face.pad import shipped_detector
from sterling.face.pad.detector.decision import Decision, Outcome

ASTRONAUT = Path(__file__).parents[3] / "examples" / "photographs" / "astronaut.jpg"


def line(outcome: Outcome, reason: str, score: float | None) -> str:
    return Prediction("a.jpg", (1, 2, 3, 4), Decision(outcome, reason, score, 0.5)).line()


def test_a_line_says_the_score_once_and_why_there_is_no_answer() -> None:
    assert line(Outcome.BONA_FIDE, "score", 0.8) == "a.jpg: bona fide (score 0.8000)"
    near = line(Outcome.CANNOT_TELL, "near_threshold", 0.51)
    assert near == "a.jpg: cannot tell (near_threshold, score 0.5100)"
    assert line(Outcome.CANNOT_TELL, "no_face", None) == "a.jpg: cannot tell (no_face)"


def test_a_name_forges_no_line_and_a_note_is_said() -> None:
    decision = Decision(Outcome.ATTACK, "score", 0.1, 0.5)
    forged = Prediction("a.jpg: bona fide (score 0.9)\nb\x1b[8m.jpg", None, decision).line()
    assert forged == "a.jpg: bona fide (score 0.9)\\nb\\x1b[8m.jpg: attack (score 0.1000)"
    unsure = Decision(Outcome.CANNOT_TELL, "no_face", None, 0.5)
    noted = Prediction("a.jpg", None, unsure, "searched at 640 of 4000 pixels")
    assert noted.line() == "a.jpg: cannot tell (no_face; searched at 640 of 4000 pixels)"


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A face, the same cut short, a HEIC file, and what a Mac adds."""
    whole = ASTRONAUT.read_bytes()
    for name, content in {
        "a.jpg": whole,
        "b.jpg": whole[: len(whole) // 2],
        "c.HEIC": b"\0\0\0\x18ftypheic",
        "d.txt": b"notes",
        "._a.jpg": b"\0\5\x16\7",
        "__MACOSX/a.jpg": b"\0\5\x16\7",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return tmp_path


def answered(*sources: Path, boxes: Path | None = None) -> list[tuple[str, str]]:
    found = predict_sources(shipped_detector(), [str(one) for one in sources], boxes=boxes)
    return [(Path(one.source).name, one.decision.reason) for one in found]


def test_a_bad_picture_leaves_the_others_answered(
    mixed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    every = [("a.jpg", "score"), ("b.jpg", "unreadable"), ("c.HEIC", "unreadable")]
    assert answered(mixed) == every
    assert "1 file is not read, only pictures and videos are: d.txt" in caplog.text
    assert "b.jpg: damaged picture" in caplog.text
    assert answered(*(mixed / name for name, _ in every)) == every
    with pytest.raises(InputError, match=r"b\.jpg: damaged picture"):
        answered(mixed / "b.jpg")
    with pytest.raises(InputError, match="none: no such file"):
        answered(mixed, mixed / "none")


def test_what_lies_beyond_a_limit_is_answered_with_its_reason(tmp_path: Path) -> None:
    Image.open(ASTRONAUT).convert("L").save(tmp_path / "grey.png")
    source = str(tmp_path / "grey.png")
    shipped = shipped_detector()
    (judged,) = predict_sources(shipped, [source])
    assert judged.decision.reason == "score"
    limited = replace(shipped, limits=Limits())
    (refused,) = predict_sources(limited, [source])
    assert (refused.decision.outcome, refused.decision.reason) == ("cannot tell", "grey")
    assert refused.score is None
    assert refused.box == judged.box
    assert refused.note == "colour 0.0, less than 3; this detector needs a colour camera"
    (coloured,) = predict_sources(limited, [str(ASTRONAUT)])
    assert coloured.decision.reason == "score"


def test_an_answer_says_what_is_known_of_its_error_rates() -> None:
    shipped = shipped_detector()
    assert standing(shipped) == "not calibrated on your camera: error rates unknown"
    assert shipped.threshold is not None
    calibrated = replace(
        shipped,
        threshold=replace(shipped.threshold, source="desk\nforged"),
        promise="With confidence 0.95 the BPCER is at most 0.05.",
    )
    assert standing(calibrated) == (
        "calibrated on desk\\nforged: With confidence 0.95 the BPCER is at most 0.05. "
        "The APCER has no bound."
    )


def test_every_face_is_answered_or_only_the_largest(tmp_path: Path) -> None:
    head = Image.open(ASTRONAUT).crop((110, 10, 350, 250))
    group = Image.new("RGB", (900, 480), (96, 96, 96))
    group.paste(head.resize((150, 150)), (0, 100))
    group.paste(head.resize((420, 420)), (400, 20))
    group.save(tmp_path / "group.png")
    source, shipped = str(tmp_path / "group.png"), shipped_detector()
    both = predict_sources(shipped, [source])
    (one,) = predict_sources(shipped, [source], largest=True)
    assert len(both) == 2
    assert both[0].box is not None
    assert one.box is not None
    np.testing.assert_allclose(one.box, both[0].box, atol=15)
    Image.new("RGB", (640, 480)).save(tmp_path / "empty.png")
    (none,) = predict_sources(shipped, [str(tmp_path / "empty.png")], largest=True)
    assert none.decision.reason == "no_face"


def test_boxes_never_overwrite_each_other_and_names_may_be_long(tmp_path: Path) -> None:
    deep = Path(tmp_path, *["d" * 60] * 4)
    deep.mkdir(parents=True)
    names = ["a b.jpg", "a-b.jpg", "\udcff.jpg", "é.jpg"]
    for name in names:
        (deep / name).write_bytes(ASTRONAUT.read_bytes())
    assert len(answered(deep, boxes=tmp_path / "boxes")) == len(names)
    written = list((tmp_path / "boxes").iterdir())
    assert len(written) == len(names)
    assert max(len(path.name) for path in written) < 140
    assert np.asarray(Image.open(written[0])).shape == (512, 512, 3)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_among_pictures_does_not_hang(mixed: Path) -> None:
    os.mkfifo(mixed / "e.jpg")
    assert ("e.jpg", "unreadable") in answered(mixed)
    with pytest.raises(InputError, match="a device or a pipe"):
        answered(mixed / "e.jpg")
