"""Score photographs, folders, videos and a camera with a trained detector."""

from __future__ import annotations

import hashlib
import io
import logging
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sterling.errors import InputError
from sterling.face.data import (
    CHANNELS,
    SIZE_ONLY,
    Cut,
    Face,
    FaceDetector,
    check_cut,
    read_frame_pixels,
    read_pixels,
)
from sterling.face.data.images import call_picture
from sterling.face.data.media import MEDIA_SUFFIXES, files_below, warn_of_others
from sterling.face.data.video import (
    VIDEO_SUFFIXES,
    call_spread,
    is_video,
    read_spread_pixels,
)
from sterling.face.pad import Decision, DetectorBase, Outcome, decide
from sterling.face.pad.detector.decision import ScoringError
from sterling.sandbox import Arrays, Call, sandbox
from sterling.shown import shown
from sterling.storage import write_atomically

logger = logging.getLogger("sterling")

Pixels = NDArray[np.uint8]  # (3, H, W), RGB
_Picture = Pixels | Mapping[int, Pixels] | str
"""A picture, the frames of a clip by number, or the reason why a file has none."""

COLOURS = {Outcome.BONA_FIDE: "#12a150", Outcome.ATTACK: "#d33a2c", Outcome.CANNOT_TELL: "#c99a00"}

NOTES = {
    "unfamiliar": "unlike the presentations that the detector was made for, bona fide and attack"
}
"""Explanation of reasons that the detector itself gives, for people."""


@dataclass(frozen=True)
class Part:
    """The answer for one face of a picture, or for one frame of a clip.

    Attributes:
        number: Number of the face, from 1, the largest first; or of the frame, from 0.
        box: Left, top, right, bottom in pixels; None when no face was found.
        decision: Outcome, reason, score and threshold.
        note: Explanation of the reason, for people; ``""`` for none.
    """

    number: int
    box: tuple[float, float, float, float] | None
    decision: Decision
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "number": self.number,
            "box": None if self.box is None else [round(side, 1) for side in self.box],
            **_told(self.decision, self.note),
        }


@dataclass(frozen=True)
class Prediction:
    """The verdict on one source: a picture, or a clip, which is one presentation.

    The largest face of a picture decides, as in an evaluation. The score of a clip is the mean over
    its frames with a score.

    Attributes:
        source: File or camera.
        decision: Outcome, reason, score and threshold.
        note: Explanation, for people; ``""`` for none.
        faces: Answers for all faces of a picture, the largest first; none for a clip.
        frames: Answers for the largest face of each frame, for a clip of a network of single
            pictures.
    """

    source: str
    decision: Decision
    note: str = ""
    faces: tuple[Part, ...] = ()
    frames: tuple[Part, ...] = ()

    @property
    def score(self) -> float | None:
        """Higher means bona fide; None when there is no face to score."""
        return self.decision.score

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "source": self.source,
            **_told(self.decision, self.note),
            "box": self.faces[0].to_dict()["box"] if self.faces else None,
            "faces": [face.to_dict() for face in self.faces],
            "frames": [frame.to_dict() for frame in self.frames],
        }

    def lines(self) -> list[str]:
        """For people: the verdict, and each face of a picture that shows several."""
        said = [shown(f"{self.source}: {_spelt(self.decision, self.note)}")]
        if len(self.faces) > 1:
            said += [
                shown(f"  face {face.number}: {_spelt(face.decision, face.note)}")
                for face in self.faces
            ]
        return said


def _told(decision: Decision, note: str) -> dict[str, Any]:
    return {
        "outcome": decision.outcome.value,
        "reason": decision.reason,
        "note": note,
        "score": decision.score,
        "threshold": decision.threshold,
    }


def _spelt(decision: Decision, note: str) -> str:
    said = decision.reason
    if decision.score is not None:
        score = f"score {decision.score:.4f}"
        said = score if said == "score" else f"{said}, {score}"
    return f"{decision.outcome.value} ({said}{'; ' if note else ''}{note})"


def standing(detector: DetectorBase) -> str:
    """Say in one line what is known about a detector's error rates where it is used.

    Either nothing, or what its calibration promises: the origin of the threshold counts, not that
    of the network. Nothing ever bounds the share of attacks that are accepted: instruments that
    nobody tried may be accepted more often.
    """
    if not detector.promise:
        return "not calibrated on your camera: error rates unknown"
    threshold = detector.threshold
    source = "" if threshold is None else f"calibrated on {threshold.source}: "
    return shown(f"{source}{detector.promise} The APCER has no bound.")


def advice(detector: DetectorBase, source: str) -> str:
    """Say how to calibrate a detector, into a folder that is not there yet; ``""`` if it is.

    Args:
        detector: The detector.
        source: Name by which it was loaded.
    """
    if detector.promise:
        return ""
    names = chain(["calibrated"], (f"calibrated-{number}" for number in count(2)))
    out = next(name for name in names if not os.path.lexists(name))
    return shown(
        f"choose a threshold for your camera: sterling face calibrate {source} --data RECORDINGS "
        f"--out {out}"
    )


def prediction_document(
    detector: DetectorBase, source: str, answers: Sequence[Prediction]
) -> dict[str, Any]:
    """Return answers with the detector, its standing and its threshold, as a JSON object.

    Args:
        detector: The detector that gave them.
        source: Name by which it was loaded.
        answers: Its answers.
    """
    threshold = detector.threshold
    origin = {} if threshold is None else {"rule": threshold.rule, "source": threshold.source}
    return {
        "detector": {
            "name": source,
            "trained on": detector.provenance.data,
            "caution": detector.caution or None,
        },
        "calibrated": bool(detector.promise),
        "standing": standing(detector),
        "threshold": {**origin, "advice": advice(detector, source) or None},
        "answers": [answer.to_dict() for answer in answers],
    }


def predict_sources(
    detector: DetectorBase,
    sources: Sequence[str],
    *,
    frames: int = 8,
    largest: bool = False,
    boxes: Path | None = None,
    isolated: bool = False,
) -> list[Prediction]:
    r"""Give one verdict on every source.

    Args:
        detector: Detector with a threshold. A flexible-modal network gets colour alone.
        sources: Files, folders, or the number of a camera.
        frames: Number of frames read from a video or camera, for a network of single pictures; all
            of a video that has fewer.
        largest: Whether only the largest face of a picture is searched and answered for, in a
            quarter of the time: see `FaceDetector.largest`. Of a frame, only that is searched.
        boxes: Folder that receives each picture with its answers drawn in.
        isolated: Whether one source alone is decoded in a child process too, as a stranger's is.

    One source alone that cannot be read is refused. Of several, and of a folder, it is answered
    "cannot tell", and the others are answered as well; their files are decoded in a child process.

    Raises:
        InputError: A source does not exist, the only one cannot be read, a folder holds no picture,
            or the network cannot judge colour alone, or judges clips and the source is none. Or a
            scorer of others gave no score; the message names the source.

    Examples:
        >>> (verdict,) = predict_sources(load_detector("compact"), ["me.jpg"])  # doctest: +SKIP
        >>> print(*verdict.lines(), sep="\n")  # doctest: +SKIP
        me.jpg: bona fide (score 1.2034)
    """
    model = detector.model
    if "rgb" not in model.modalities or (len(model.modalities) > 1 and not model.flexible):
        raise InputError(
            f"{model.name} needs {', '.join(model.modalities)}, and these sources show colour "
            "only; use sterling face evaluate with a manifest of all cameras"
        )
    # A detector that was trained on ready crops cuts none here either.
    finder = None if detector.preprocessing.crop_scale is None else FaceDetector()
    if model.frames > 1:
        return [_judge_clip(detector, path, finder) for path in _videos(sources)]
    predictions = []
    for name, picture in _pictures(sources, frames, isolated=isolated):
        try:
            verdict = _verdict(detector, name, picture, finder, largest=largest)
        except ScoringError as error:
            raise InputError(f"{name}: {error}") from error
        predictions.append(verdict)
        if boxes is not None and not isinstance(picture, str):
            _draw_all(verdict, picture, boxes)
    return predictions


def _verdict(
    detector: DetectorBase,
    name: str,
    picture: _Picture,
    finder: FaceDetector | None,
    *,
    largest: bool,
) -> Prediction:
    if isinstance(picture, str):
        return Prediction(name, detector.decide([picture])[0])
    if isinstance(picture, Mapping):
        judged = [
            (number, _judge(detector, frame, finder, largest=True)[0])
            for number, frame in picture.items()
        ]
        return _clip(detector, name, tuple(replace(part, number=n) for n, part in judged))
    faces = _judge(detector, picture, finder, largest=largest)
    first = faces[0]
    several = f"the largest of {len(faces)} faces" if len(faces) > 1 else ""
    note = "; ".join(part for part in (several, first.note) if part)
    return Prediction(name, first.decision, note, faces)


def _clip(detector: DetectorBase, name: str, frames: tuple[Part, ...]) -> Prediction:
    """The verdict on a clip: its frames with a score are averaged."""
    assert detector.threshold is not None
    scores = [frame.decision.score for frame in frames if frame.decision.score is not None]
    reasons = Counter(frame.decision.reason for frame in frames if frame.decision.score is None)
    missing = ", ".join(f"{number} {reason}" for reason, number in reasons.most_common())
    if not scores:
        ((reason, _number),) = reasons.most_common(1)
        (decision,) = decide([reason], detector.threshold)
        advised = next(frame.note for frame in frames if frame.decision.reason == reason)
        told = f"no frame of {len(frames)} has a score: {missing}"
        return Prediction(name, decision, f"{told}; {advised}" if advised else told, (), frames)
    (decision,) = decide([fmean(scores)], detector.threshold, margin=detector.margin)
    note = f"mean of {len(scores)} of {len(frames)} frames"
    return Prediction(
        name, decision, f"{note}; not scored: {missing}" if missing else note, (), frames
    )


def _judge(
    detector: DetectorBase, picture: Pixels, finder: FaceDetector | None, *, largest: bool
) -> tuple[Part, ...]:
    """The answers for all faces of a picture, or for the lack of one."""

    def decided(crops: Sequence[Pixels | str]) -> tuple[Decision, ...]:
        return detector.decide([_padded(crop, detector) for crop in crops], there=("rgb",))

    found: Sequence[Face | None] = (None,)
    if finder is not None:
        found = _found(picture, finder, largest=largest)
        if not found:
            return (Part(1, None, decided(["no_face"])[0], finder.shrinking(picture)),)
    specs = detector.preprocessing.crop_specs()
    cuts = [[Cut(picture, face, spec) for spec in specs] for face in found]
    refusals = [check_cut(first, detector.limits or SIZE_ONLY) for first, *_ in cuts]
    crops = [
        refusal.reason if refusal else np.concatenate([cut.crop for cut in each])
        for each, refusal in zip(cuts, refusals, strict=True)
    ]
    return tuple(
        Part(
            number,
            None if face is None else face.box,
            decision,
            refusal.detail if refusal else NOTES.get(decision.reason, ""),
        )
        for number, (face, refusal, decision) in enumerate(
            zip(found, refusals, decided(crops), strict=True), start=1
        )
    )


def _found(picture: Pixels, finder: FaceDetector, *, largest: bool) -> Sequence[Face]:
    if not largest:
        return finder.detect(picture)
    face = finder.largest(picture)
    return () if face is None else (face,)


def _judge_clip(detector: DetectorBase, path: Path, finder: FaceDetector | None) -> Prediction:
    from sterling.face.data import clip_of_video  # needs PyTorch

    spec = detector.preprocessing.crop_spec()
    clip = clip_of_video(path, spec, detector.model.frames, detector=finder, limits=detector.limits)
    if isinstance(clip, tuple):
        reason, detail = clip
        return Prediction(str(path), detector.decide([reason])[0], detail)
    decision = detector.decide([clip])[0]
    return Prediction(str(path), decision, NOTES.get(decision.reason, ""))


def _padded(crop: Pixels | str, detector: DetectorBase) -> Pixels | str:
    """A colour crop with empty channels for the modalities that are absent."""
    if isinstance(crop, str) or detector.model.modalities == ("rgb",):
        return crop
    parts = [
        crop if name == "rgb" else np.zeros_like(crop[: CHANNELS[name]])
        for name in detector.model.modalities
    ]
    return np.concatenate(parts)


def _videos(sources: Sequence[str]) -> Iterator[Path]:
    for source in sources:
        path = Path(source)
        if not path.exists():
            raise InputError(f"{path}: no such file or folder; this detector judges video files")
        videos = [path] if is_video(path) else []
        others: list[Path] = []
        if path.is_dir():
            videos, others = files_below(path, VIDEO_SUFFIXES)
        if not videos:
            raise InputError(f"{path}: no video, and this detector judges clips; give videos")
        warn_of_others(path, others)
        yield from videos


def _pictures(
    sources: Sequence[str], frames: int, *, isolated: bool
) -> Iterator[tuple[str, _Picture]]:
    """Name and picture, or frames, of every file and camera."""
    files: list[Path] = []
    for source in sources:
        path = Path(source)
        if source.isdigit() and not path.exists():
            continue
        if path.is_dir():
            files += _pictures_of_folder(path)
        elif os.path.lexists(path):
            files.append(path)
        else:
            raise InputError(f"{path}: no such file or folder")
    for source in sources:
        if source.isdigit() and not Path(source).exists():
            yield f"camera {source}", read_frame_pixels(int(source), count=frames)
    if len(sources) == 1 and files == [Path(sources[0])]:
        yield str(files[0]), _of_file(files[0], frames, isolated=isolated)
    else:
        yield from _decoded(files, frames)


def _pictures_of_folder(folder: Path) -> list[Path]:
    files, others = files_below(folder, MEDIA_SUFFIXES)
    if not files:
        raise InputError(
            f"{folder} holds no picture or video ({', '.join(sorted(MEDIA_SUFFIXES))})"
        )
    warn_of_others(folder, others)
    return files


def _of_file(path: Path, frames: int, *, isolated: bool) -> _Picture:
    if not isolated:
        return read_spread_pixels(path, count=frames) if is_video(path) else read_pixels(path)
    with sandbox() as box:
        (answer,) = box.map([_call(path, frames)])
    if isinstance(answer, InputError):
        raise answer
    return _picture(path, answer)


def _decoded(files: Sequence[Path], frames: int) -> Iterator[tuple[str, _Picture]]:
    with sandbox() as box:
        answers = box.map(_call(path, frames) for path in files)
        for path, answer in zip(files, answers, strict=True):
            if isinstance(answer, InputError):
                # One damaged file must not end thousands; it is answered "cannot tell".
                logger.warning("%s", shown(str(answer)))
                yield str(path), "unreadable"
            else:
                yield str(path), _picture(path, answer)


def _picture(path: Path, arrays: Arrays) -> _Picture:
    """The picture, or the frames of a clip, that a child process decoded."""
    if not is_video(path):
        return arrays[0]
    numbers, *images = arrays
    return dict(zip(numbers.tolist(), images, strict=True))


def _call(path: Path, frames: int) -> Call:
    return call_spread(str(path), frames) if is_video(path) else call_picture(str(path))


def _plain(name: str) -> str:
    """A file name that tells its source: its letters, shortened, and a digest of the whole."""
    plain = "".join(
        letter if letter.isascii() and letter.isalnum() else "-" for letter in name
    ).strip("-")
    digest = hashlib.blake2b(os.fsencode(name), digest_size=4).hexdigest()
    return f"{plain[-120:]}-{digest}"


def _draw_all(verdict: Prediction, picture: Pixels | Mapping[int, Pixels], folder: Path) -> None:
    """Write a picture, or each frame of a clip, with its answers."""
    if not isinstance(picture, Mapping):
        _draw(picture, verdict.faces, folder / f"{_plain(verdict.source)}.png")
        return
    for frame in verdict.frames:
        place = folder / f"{_plain(f'{verdict.source}#{frame.number}')}.png"
        _draw(picture[frame.number], [frame], place)


def _draw(picture: Pixels, answers: Sequence[Part], path: Path) -> None:
    image = Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0)))
    canvas = ImageDraw.Draw(image)
    for answer in answers:
        if answer.box is None:
            continue
        colour = COLOURS[answer.decision.outcome]
        canvas.rectangle(answer.box, outline=colour, width=max(2, image.width // 300))
        text = f"{answer.number}: {answer.decision.outcome.value}"
        if answer.decision.score is not None:
            text += f" {answer.decision.score:.3f}"
        canvas.text((answer.box[0] + 3, answer.box[1] + 3), text, fill=colour)
    content = io.BytesIO()
    image.save(content, "PNG")
    write_atomically(path, content.getvalue())
