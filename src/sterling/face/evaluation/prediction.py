"""Score photographs, folders, videos and a camera with a trained detector."""

from __future__ import annotations

import hashlib
import io
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
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
from sterling.face.data.video import VIDEO_SUFFIXES, call_spread, is_video
from sterling.face.pad import Decision, DetectorBase, Outcome
from sterling.sandbox import Call, sandbox
from sterling.shown import shown
from sterling.storage import write_atomically

logger = logging.getLogger("sterling")

Pixels = NDArray[np.uint8]  # (3, H, W), RGB

COLOURS = {Outcome.BONA_FIDE: "#12a150", Outcome.ATTACK: "#d33a2c", Outcome.CANNOT_TELL: "#c99a00"}

NOTES = {
    "unfamiliar": "unlike the presentations that the detector was made for, bona fide and attack"
}
"""Explanation of reasons that the detector itself gives, for people."""


@dataclass(frozen=True)
class Prediction:
    """The answer for one face, or for a source in which none was found.

    Attributes:
        source: File, or ``file#frame`` for a frame of a video or camera.
        box: Left, top, right, bottom in pixels; None when no face was found.
        decision: Outcome, reason, score and threshold.
        note: Explanation of the reason, for people; ``""`` for none.
    """

    source: str
    box: tuple[float, float, float, float] | None
    decision: Decision
    note: str = ""

    @property
    def score(self) -> float | None:
        """Higher means bona fide; None when there is no face to score."""
        return self.decision.score

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "source": self.source,
            "box": None if self.box is None else [round(side, 1) for side in self.box],
            "outcome": self.decision.outcome.value,
            "reason": self.decision.reason,
            "note": self.note,
            "score": self.decision.score,
            "threshold": self.decision.threshold,
        }

    def line(self) -> str:
        """For people."""
        said = self.decision.reason
        if self.score is not None:
            said = (
                f"score {self.score:.4f}" if said == "score" else f"{said}, score {self.score:.4f}"
            )
        if self.note:
            said += f"; {self.note}"
        return shown(f"{self.source}: {self.decision.outcome.value} ({said})")


def standing(detector: DetectorBase) -> str:
    """Say in one line what is known about a detector's error rates where it is used.

    Either nothing, or what its calibration promises. Nothing ever bounds the share of attacks that
    are accepted: instruments that nobody tried may be accepted more often.
    """
    if not detector.promise:
        return "not calibrated on your camera: error rates unknown"
    threshold = detector.threshold
    source = "" if threshold is None else f"calibrated on {threshold.source}: "
    return shown(f"{source}{detector.promise} The APCER has no bound.")


def predict_sources(
    detector: DetectorBase,
    sources: Sequence[str],
    *,
    frames: int = 8,
    largest: bool = False,
    boxes: Path | None = None,
) -> list[Prediction]:
    """Answer for every face in every source; for a network of clips, for every video.

    Args:
        detector: Detector with a threshold. A flexible-modal network gets colour alone.
        sources: Files, folders, or the number of a camera.
        frames: Number of frames read from a video or camera, for a network of single pictures.
        largest: Whether only the largest face of a picture is searched and answered for, in a
            quarter of the time: see `FaceDetector.largest`.
        boxes: Folder that receives each picture with its answers drawn in.

    One source alone that cannot be read is refused. Of several, and of a folder, it is answered
    "cannot tell", and the others are answered as well; their files are decoded in a child process.

    Raises:
        InputError: A source does not exist, the only one cannot be read, a folder holds no picture,
            or the network cannot judge colour alone, or judges clips and the source is none.
    """
    model = detector.model
    if "rgb" not in model.modalities or (len(model.modalities) > 1 and not model.flexible):
        raise InputError(
            f"{model.name} needs {', '.join(model.modalities)}, and these sources show colour "
            "only; use sterling face evaluate with a manifest of all cameras"
        )
    # Where crops were no business of training's, none is cut here either.
    finder = None if detector.preprocessing.crop_scale is None else FaceDetector()
    if model.frames > 1:
        return [_judge_clip(detector, path, finder) for path in _videos(sources)]
    predictions = []
    for name, picture in _pictures(sources, frames):
        answers = _judge(detector, name, picture, finder, largest=largest)
        predictions += answers
        if boxes is not None and not isinstance(picture, str):
            _draw(picture, answers, boxes / f"{_plain(name)}.png")
    return predictions


def _judge(
    detector: DetectorBase,
    name: str,
    picture: Pixels | str,
    finder: FaceDetector | None,
    *,
    largest: bool,
) -> list[Prediction]:
    def decide(crops: Sequence[Pixels | str]) -> tuple[Decision, ...]:
        return detector.decide([_padded(crop, detector) for crop in crops], there=("rgb",))

    if isinstance(picture, str):
        return [Prediction(name, None, decide([picture])[0])]
    found: Sequence[Face | None] = (None,)
    if finder is not None:
        found = _found(picture, finder, largest=largest)
        if not found:
            return [Prediction(name, None, decide(["no_face"])[0], finder.shrinking(picture))]
    specs = detector.preprocessing.crop_specs()
    cuts = [[Cut(picture, face, spec) for spec in specs] for face in found]
    refusals = [check_cut(first, detector.limits or SIZE_ONLY) for first, *_ in cuts]
    crops = [
        refusal.reason if refusal else np.concatenate([cut.crop for cut in each])
        for each, refusal in zip(cuts, refusals, strict=True)
    ]
    return [
        Prediction(
            name,
            None if face is None else face.box,
            decision,
            refusal.detail if refusal else NOTES.get(decision.reason, ""),
        )
        for face, refusal, decision in zip(found, refusals, decide(crops), strict=True)
    ]


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
        return Prediction(str(path), None, detector.decide([reason])[0], detail)
    decision = detector.decide([clip])[0]
    return Prediction(str(path), None, decision, NOTES.get(decision.reason, ""))


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


def _pictures(sources: Sequence[str], frames: int) -> Iterator[tuple[str, Pixels | str]]:
    """Name and picture (3, H, W), or the reason why a file has none."""
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
            yield from _frames(int(source), f"camera {source}", frames)
    if len(sources) == 1 and files == [Path(sources[0])]:
        yield from _of_file(files[0], frames)
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


def _of_file(path: Path, frames: int) -> Iterator[tuple[str, Pixels | str]]:
    if is_video(path):
        yield from _frames(path, str(path), frames)
    else:
        yield str(path), read_pixels(path)


def _decoded(files: Sequence[Path], frames: int) -> Iterator[tuple[str, Pixels | str]]:
    with sandbox() as box:
        answers = box.map(_call(path, frames) for path in files)
        for path, answer in zip(files, answers, strict=True):
            if isinstance(answer, InputError):
                # One damaged file must not end thousands; it is answered "cannot tell".
                logger.warning("%s", shown(str(answer)))
                yield str(path), "unreadable"
            elif is_video(path):
                numbers, *images = answer
                for number, image in zip(numbers.tolist(), images, strict=True):
                    yield f"{path}#{number}", image
            else:
                yield str(path), answer[0]


def _call(path: Path, frames: int) -> Call:
    return call_spread(str(path), frames) if is_video(path) else call_picture(str(path))


def _frames(source: Path | int, name: str, count: int) -> Iterator[tuple[str, Pixels | str]]:
    for number, image in read_frame_pixels(source, count=count).items():
        yield f"{name}#{number}", image


def _plain(name: str) -> str:
    """A file name that tells its source: its letters, shortened, and a digest of the whole."""
    plain = "".join(
        letter if letter.isascii() and letter.isalnum() else "-" for letter in name
    ).strip("-")
    digest = hashlib.blake2b(os.fsencode(name), digest_size=4).hexdigest()
    return f"{plain[-120:]}-{digest}"


def _draw(picture: Pixels, answers: Sequence[Prediction], path: Path) -> None:
    image = Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0)))
    canvas = ImageDraw.Draw(image)
    for answer in answers:
        if answer.box is None:
            continue
        colour = COLOURS[answer.decision.outcome]
        canvas.rectangle(answer.box, outline=colour, width=max(2, image.width // 300))
        text = answer.decision.outcome.value
        if answer.score is not None:
            text += f" {answer.score:.3f}"
        canvas.text((answer.box[0] + 3, answer.box[1] + 3), text, fill=colour)
    content = io.BytesIO()
    image.save(content, "PNG")
    write_atomically(path, content.getvalue())
