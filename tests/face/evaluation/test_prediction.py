import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sterling.errors import InputError
from sterling.face.data import Limits, load_faces
from sterling.face.data.folder import read_folder
from sterling.face.evaluation.evaluate import scores_of
from sterling.face.evaluation.prediction import Prediction, advice, predict_sources, standing
from sterling.face.pad import load_detector, shipped_detector
from sterling.face.pad.detector.decision import Decision, Outcome

ASTRONAUT = Path(__file__).parents[3] / "examples" / "photographs" / "astronaut.jpg"


def line(outcome: Outcome, reason: str, score: float | None) -> str:
    (only,) = Prediction("a.jpg", Decision(outcome, reason, score, 0.5)).lines()
    return only


def test_a_line_says_the_score_once_and_why_there_is_no_answer() -> None:
    assert line(Outcome.BONA_FIDE, "score", 0.8) == "a.jpg: bona fide (score 0.8000)"
    near = line(Outcome.CANNOT_TELL, "near_threshold", 0.51)
    assert near == "a.jpg: cannot tell (near_threshold, score 0.5100)"
    assert line(Outcome.CANNOT_TELL, "no_face", None) == "a.jpg: cannot tell (no_face)"


def test_a_name_forges_no_line_and_a_note_is_said() -> None:
    decision = Decision(Outcome.ATTACK, "score", 0.1, 0.5)
    (forged,) = Prediction("a.jpg: bona fide (score 0.9)\nb\x1b[8m.jpg", decision).lines()
    assert forged == "a.jpg: bona fide (score 0.9)\\nb\\x1b[8m.jpg: attack (score 0.1000)"
    unsure = Decision(Outcome.CANNOT_TELL, "no_face", None, 0.5)
    noted = Prediction("a.jpg", unsure, "searched at 640 of 4000 pixels")
    assert noted.lines() == ["a.jpg: cannot tell (no_face; searched at 640 of 4000 pixels)"]


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
    (judged,) = predict_sources(replace(shipped, limits=Limits(least_colour=None)), [source])
    assert judged.decision.reason == "score"
    (refused,) = predict_sources(shipped, [source])
    assert (refused.decision.outcome, refused.decision.reason) == ("cannot tell", "grey")
    assert refused.score is None
    assert refused.faces[0].box == judged.faces[0].box
    assert refused.note == "colour 0.0, less than 3; this detector needs a colour camera"
    (coloured,) = predict_sources(shipped, [str(ASTRONAUT)])
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


def test_the_advice_names_a_folder_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = shipped_detector()
    assert advice(shipped, "compact").endswith("--out calibrated")
    # Without a promise, as saved before there were any: the threshold may be anybody's.
    shipped.save_pretrained("calibrated")
    assert advice(load_detector("calibrated"), "calibrated").endswith(
        "calibrate calibrated --data RECORDINGS --out calibrated-2"
    )
    assert advice(replace(shipped, promise="The BPCER is at most 0.05."), "calibrated") == ""


def test_a_picture_has_one_verdict_that_of_its_largest_face(tmp_path: Path) -> None:
    head = Image.open(ASTRONAUT).crop((110, 10, 350, 250))
    group = Image.new("RGB", (900, 480), (96, 96, 96))
    group.paste(head.resize((150, 150)), (0, 100))
    group.paste(head.resize((420, 420)), (400, 20))
    group.save(tmp_path / "group.png")
    source, shipped = str(tmp_path / "group.png"), replace(shipped_detector(), limits=None)
    boxes = tmp_path / "boxes"
    (verdict,) = predict_sources(shipped, [source], boxes=boxes)
    (one,) = predict_sources(shipped, [source], largest=True)
    first, second = verdict.faces
    assert [first.number, second.number] == [1, 2]
    assert first.box is not None
    assert second.box is not None
    assert first.box[2] - first.box[0] > second.box[2] - second.box[0]
    assert verdict.decision == first.decision
    assert verdict.note == "the largest of 2 faces"
    assert [line[:9] for line in verdict.lines()[1:]] == ["  face 1:", "  face 2:"]
    assert one.faces[0].box is not None
    assert len(one.lines()) == 1
    np.testing.assert_allclose(one.faces[0].box, first.box, atol=15)
    assert len(list(boxes.iterdir())) == 1
    Image.new("RGB", (640, 480)).save(tmp_path / "empty.png")
    (none,) = predict_sources(shipped, [str(tmp_path / "empty.png")], largest=True)
    assert none.decision.reason == "no_face"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Eight frames: three of a face, three of it in grey, two of nobody."""
    face = np.asarray(Image.open(ASTRONAUT).convert("RGB"))[..., ::-1]
    grey = np.repeat(face.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    frames = [np.roll(face, 8 * step, axis=1) for step in range(3)] + [grey] * 3
    frames += [np.full_like(face, 90)] * 2
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (512, 512))
    for frame in frames:
        writer.write(np.ascontiguousarray(frame))
    writer.release()
    return path


def test_a_clip_is_one_presentation_whose_score_is_the_mean_of_its_frames(
    clip: Path, tmp_path: Path
) -> None:
    shipped, boxes = shipped_detector(), tmp_path / "boxes"
    (verdict,) = predict_sources(shipped, [str(clip)], boxes=boxes)
    assert [frame.number for frame in verdict.frames] == list(range(8))
    reasons = [frame.decision.reason for frame in verdict.frames]
    assert reasons == ["score"] * 3 + ["grey"] * 3 + ["no_face"] * 2
    scores = [frame.decision.score or 0.0 for frame in verdict.frames[:3]]
    assert verdict.score == pytest.approx(np.mean(scores))
    assert verdict.note == "mean of 3 of 8 frames; not scored: 3 grey, 2 no_face"
    assert len(verdict.lines()) == 1
    assert len(list(boxes.iterdir())) == 8
    (short,) = predict_sources(shipped, [str(clip)], frames=50)
    assert len(short.frames) == 8  # all that there are
    assert shipped.threshold is not None
    wide = replace(shipped, margin=1 + abs(verdict.score or 0) + abs(shipped.threshold.value))
    (near, again) = predict_sources(wide, [str(clip), str(clip)])
    assert near.decision.reason == "near_threshold"
    assert near.to_dict() == again.to_dict()
    # As an evaluation scores the same clip.
    manifest = read_folder(_labelled(clip, tmp_path))
    loaded = load_faces(manifest, shipped.preprocessing.crop_spec(), limits=shipped.limits).faces
    (evaluated,) = scores_of(shipped.score(loaded.images), loaded.manifest).values
    assert verdict.score == pytest.approx(evaluated)


def _labelled(clip: Path, folder: Path) -> Path:
    (folder / "data" / "live" / "p1").mkdir(parents=True)
    clip.rename(folder / "data" / "live" / "p1" / clip.name)
    return folder / "data"


def test_a_clip_without_a_score_says_why_its_frames_have_none(clip: Path) -> None:
    sure = replace(shipped_detector(), limits=Limits(smallest_face=400))
    (verdict,) = predict_sources(sure, [str(clip)])
    assert verdict.decision.outcome == "cannot tell"
    assert verdict.decision.reason == "too_small"
    assert verdict.note.startswith("no frame of 8 has a score: 6 too_small, 2 no_face; the face is")


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
