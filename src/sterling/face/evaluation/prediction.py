"""Score photographs, folders, videos and a camera with a trained detector."""

from __future__ import annotations

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
    IMAGE_SUFFIXES,
    SMALLEST_FACE,
    VIDEO_SUFFIXES,
    CropSpec,
    FaceDetector,
    crop_pixels,
    read_frame_pixels,
    read_pixels,
    resize_pixels,
)
from sterling.face.pad import Decision, DetectorBase, Outcome

Pixels = NDArray[np.uint8]  # (3, H, W), RGB

COLOURS = {Outcome.BONA_FIDE: "#12a150", Outcome.ATTACK: "#d33a2c", Outcome.CANNOT_TELL: "#c99a00"}


@dataclass(frozen=True)
class Prediction:
    """The answer for one face, or for a source in which none was found.

    Attributes:
        source: File, or ``file#frame`` for a frame of a video or camera.
        box: Left, top, right, bottom in pixels; None when no face was found.
        decision: Outcome, reason, score and threshold.
    """

    source: str
    box: tuple[float, float, float, float] | None
    decision: Decision

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
        return f"{self.source}: {self.decision.outcome.value} ({said})"


def predict_sources(
    detector: DetectorBase, sources: Sequence[str], *, frames: int = 8, boxes: Path | None = None
) -> list[Prediction]:
    """Answer for every face in every source; for a network of clips, for every video.

    Args:
        detector: Detector with a threshold. A flexible-modal network gets colour alone.
        sources: Files, folders, or the number of a camera.
        frames: Number of frames read from a video or camera, for a network of single pictures.
        boxes: Folder that receives each picture with its answers drawn in.

    Raises:
        InputError: A source does not exist, is of no known kind, a folder holds no picture, or the
            network cannot judge colour alone, or judges clips and the source is none.
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
        answers = _judge(detector, name, picture, finder)
        predictions += answers
        if boxes is not None and not isinstance(picture, str):
            _draw(picture, answers, boxes / f"{_plain(name)}.png")
    return predictions


def _judge(
    detector: DetectorBase, name: str, picture: Pixels | str, finder: FaceDetector | None
) -> list[Prediction]:
    def decide(crops: Sequence[Pixels | str]) -> tuple[Decision, ...]:
        return detector.decide([_padded(crop, detector) for crop in crops], there=("rgb",))

    if isinstance(picture, str):
        return [Prediction(name, None, decide([picture])[0])]
    preprocessing = detector.preprocessing
    if finder is None:
        return [Prediction(name, None, decide([resize_pixels(picture, preprocessing.size)])[0])]
    found = finder.detect(picture)
    if not found:
        return [Prediction(name, None, decide(["no_face"])[0])]
    spec = _spec(detector)
    crops: list[Pixels | str] = [
        "too_small" if face.side < SMALLEST_FACE else crop_pixels(picture, face, spec)
        for face in found
    ]
    return [
        Prediction(name, face.box, decision)
        for face, decision in zip(found, decide(crops), strict=True)
    ]


def _judge_clip(detector: DetectorBase, path: Path, finder: FaceDetector | None) -> Prediction:
    from sterling.face.data import clip_of_video  # needs PyTorch

    clip = clip_of_video(path, _spec(detector), detector.model.frames, detector=finder)
    crop = clip[0] if isinstance(clip, tuple) else clip
    return Prediction(str(path), None, detector.decide([crop])[0])


def _spec(detector: DetectorBase) -> CropSpec:
    preprocessing = detector.preprocessing
    return CropSpec(size=preprocessing.size, scale=preprocessing.crop_scale or 1.3)


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
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        videos = [file for file in files if file.suffix.lower() in VIDEO_SUFFIXES]
        if not videos:
            raise InputError(f"{path}: no video, and this detector judges clips; give videos")
        yield from videos


def _pictures(sources: Sequence[str], frames: int) -> Iterator[tuple[str, Pixels | str]]:
    """Name and picture (3, H, W), or the reason why a file has none."""
    for source in sources:
        if source.isdigit() and not Path(source).exists():
            yield from _frames(int(source), f"camera {source}", frames)
            continue
        path = Path(source)
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        yield from _pictures_of_folder(path, frames) if path.is_dir() else _of_file(path, frames)


def _pictures_of_folder(folder: Path, frames: int) -> Iterator[tuple[str, Pixels | str]]:
    known = (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES)
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in known)
    if not files:
        raise InputError(f"{folder} holds no picture or video ({', '.join(sorted(known))})")
    for path in files:
        try:
            yield from _of_file(path, frames)
        except InputError:
            # One damaged file must not end a folder of thousands; it is answered "cannot tell".
            yield str(path), "unreadable"


def _of_file(path: Path, frames: int) -> Iterator[tuple[str, Pixels | str]]:
    if path.suffix.lower() in VIDEO_SUFFIXES:
        yield from _frames(path, str(path), frames)
    else:
        yield str(path), read_pixels(path)


def _frames(source: Path | int, name: str, count: int) -> Iterator[tuple[str, Pixels | str]]:
    for number, image in read_frame_pixels(source, count=count).items():
        yield f"{name}#{number}", image


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name).strip("-")


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
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error}; choose another --boxes folder") from error
