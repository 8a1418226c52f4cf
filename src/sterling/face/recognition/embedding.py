"""Photographs in, vectors of their faces out, or the reason why there is none.

`embed` is the one call::

    from sterling.face.recognition import embed

    one, other = embed(["passport.jpg", "selfie.jpg"])
    one.distance(other)  # 0.6 and less: the same person, by dlib's recommendation

Faces are found by CenterFace, aligned by five landmarks and put through dlib's ResNet-29 under ONNX
Runtime; PyTorch is not needed. A picture with several faces has no vector unless the largest face
is asked for: nobody should be compared with the wrong person.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.face.data.align import CropSpec
from sterling.face.data.detect import Face, FaceDetector
from sterling.face.data.images import call_picture
from sterling.face.data.quality import Cut, Limits, check_cut, detail, luminance_range
from sterling.face.recognition.chip import CHIP_SIDE, face_pixels, head_turn
from sterling.pictures import read_pixels
from sterling.sandbox import Arrays, sandbox

GRAPH = Path(__file__).with_name("resnet29.onnx")
"""The network without its weights, which are in ``resnet29.safetensors``."""

LIMITS = Limits(
    smallest_face=40.0,
    most_outside=0.3,
    most_filled=None,
    darkest=25.0,
    brightest=170.0,
    least_colour=None,
    least_detail=0.5,
)
"""Limits beyond which a face is not compared. Ours, at which degraded copies of 22 faces have moved
by about 0.3, half of dlib's threshold: docs/recognition.md."""

MOST_TURN = 0.75
"""`head_turn` beyond which a face is a profile: a yaw of about 55°. Our default."""

Picture = str | os.PathLike[str] | NDArray[np.uint8]
Pixels = NDArray[np.uint8]  # (3, H, W), RGB

_TOGETHER = 16  # chips that the network takes at once
_ALONE = 2  # files that are decoded in this process; more are, in a child process


@dataclass(frozen=True)
class Quality:
    """Measures of a face that bear on how well it is recognised.

    Attributes:
        side: Longer side of the face box, pixels of the picture.
        detail: Sharpness: root mean square, in grey levels, of the face at 150 pixels less its
            smoothed self; higher is sharper. Noise is detail, too.
        dark: Luminance, 0 to 255, that nine tenths of the face exceed.
        bright: Luminance that nine tenths of the face are below.
        turn: See `head_turn`; 0 from the front.
        confidence: Confidence of the face detector, 0 to 1.
    """

    side: float
    detail: float
    dark: float
    bright: float
    turn: float
    confidence: float


@dataclass(frozen=True, eq=False)
class Embedding:
    """The answer for one picture.

    Attributes:
        source: File, or "picture N" for pixels.
        vector: float32 (128,), not normalised; None when there is a reason.
        face: The face, in pixels of the picture; None where none was taken.
        quality: Measures of the face; None where none was taken.
        faces: Number of faces seen; at most 1 with ``largest``.
        reason: Reason for the missing vector: "no_face", "several_faces", "too_small", "cut_off",
            "dark", "overexposed", "blurred", "profile", "unreadable"; ``""`` if there is one.
        note: Explanation for people; ``""`` if there is a vector.
    """

    source: str
    vector: NDArray[np.float32] | None = None
    face: Face | None = None
    quality: Quality | None = None
    faces: int = 0
    reason: str = ""
    note: str = ""

    def distance(self, other: Embedding) -> float:
        """Return the Euclidean distance of two faces; smaller is more alike.

        Raises:
            InputError: One of the two has no vector; the message says why.
        """
        return float(np.linalg.norm(self.require() - other.require()))

    def require(self) -> NDArray[np.float32]:
        """Return the vector.

        Raises:
            InputError: There is none; the message says why.
        """
        if self.vector is None:
            raise InputError(f"{self.source}: {self.reason.replace('_', ' ')}: {self.note}")
        return self.vector

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object, without the vector."""
        box = None if self.face is None else [round(side, 1) for side in self.face.box]
        quality = None if self.quality is None else vars(self.quality)
        return {
            "source": self.source,
            "embedded": self.vector is not None,
            "box": box,
            "faces": self.faces,
            "quality": quality,
            "reason": self.reason,
            "note": self.note,
        }


def embed(
    pictures: Picture | Sequence[Picture],
    *,
    largest: bool = False,
    progress: Callable[[], None] | None = None,
) -> list[Embedding]:
    """Find the face of each picture and return its vector, or why there is none.

    Args:
        pictures: Files of any common format, or pixels uint8 (3, H, W), RGB; one or several.
            Upright after their EXIF orientation.
        largest: Whether the largest of several faces is taken; otherwise such a picture has the
            reason "several_faces".
        progress: Called after each picture.

    Returns:
        One answer per picture, in their order. A file that is no picture is answered "unreadable".

    Raises:
        InputError: A file does not exist, or pixels have another type or shape.

    Examples:
        >>> import numpy as np
        >>> embed(np.zeros((3, 64, 64), np.uint8))[0].reason
        'no_face'
    """
    if isinstance(pictures, (str, os.PathLike, np.ndarray)):
        pictures = [pictures]
    for picture in pictures:
        _require_picture(picture)
    answers: list[Embedding] = []
    waiting = _prepared(pictures, FaceDetector(), largest=largest)
    while block := list(islice(waiting, _TOGETHER)):
        vectors = iter(embed_chips(np.array([chip for _, chip in block if chip is not None])))
        for answer, chip in block:
            given = answer if chip is None else _with(answer, next(vectors))
            answers.append(given)
            if progress is not None:
                progress()
    return answers


def embed_chips(chips: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the vectors, float32 (N, 128), of chips that `face_chip` cut, uint8 (N, 3, 150, 150).

    Raises:
        InputError: The chips have another type or shape.

    Examples:
        >>> import numpy as np
        >>> embed_chips(np.zeros((2, 3, 150, 150), np.uint8)).shape
        (2, 128)
    """
    if not len(chips):
        return np.zeros((0, 128), np.float32)
    if chips.dtype != np.uint8 or chips.shape[1:] != (3, CHIP_SIDE, CHIP_SIDE):
        raise InputError(
            f"chips: {chips.dtype} {chips.shape}; give uint8 (N, 3, {CHIP_SIDE}, {CHIP_SIDE}), "
            "as face_chip cuts them"
        )
    network = _network()
    parts = [
        network.run(None, {"crops": chips[start : start + _TOGETHER]})[0]
        for start in range(0, len(chips), _TOGETHER)
    ]
    return np.concatenate(parts)


@cache
def _network() -> Any:
    """The network, read once per process."""
    import onnxruntime
    from safetensors.numpy import load_file

    weights = load_file(GRAPH.with_suffix(".safetensors"))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    # Weights become floats once, when the file is read, and not with every picture.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    # Passed by name: some installers make packages of links, which ONNX Runtime does not follow.
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(one) for one in weights.values()]
    options.add_external_initializers(list(weights), values)
    return onnxruntime.InferenceSession(
        GRAPH.read_bytes(), options, providers=["CPUExecutionProvider"]
    )


def _require_picture(picture: Picture) -> None:
    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or picture.ndim != 3 or len(picture) != 3:
            raise InputError(
                f"picture is {picture.dtype} {picture.shape}: give a file, or uint8 (3, H, W), RGB"
            )
    elif not os.path.lexists(picture):
        raise InputError(f"{os.fspath(picture)}: no such file")


def _prepared(
    pictures: Sequence[Picture], finder: FaceDetector, *, largest: bool
) -> Iterator[tuple[Embedding, Pixels | None]]:
    """Answer of each picture, and its chip where the answer still lacks the vector."""
    for name, pixels in _decoded(pictures):
        if isinstance(pixels, InputError):
            said = str(pixels).removeprefix(f"{name}: ")
            yield Embedding(name, reason="unreadable", note=said), None
        else:
            yield _seen(name, pixels, finder, largest=largest)


def _decoded(pictures: Sequence[Picture]) -> Iterator[tuple[str, Pixels | InputError]]:
    files = [os.fspath(one) for one in pictures if not isinstance(one, np.ndarray)]
    with sandbox() as box:
        decoded: Iterator[Pixels | InputError] = map(_read, files)
        if len(files) > _ALONE:
            decoded = map(_first, box.map(map(call_picture, files)))
        for number, picture in enumerate(pictures, 1):
            if isinstance(picture, np.ndarray):
                yield f"picture {number}", picture
            else:
                yield os.fspath(picture), next(decoded)


def _first(answer: Arrays | InputError) -> Pixels | InputError:
    return answer if isinstance(answer, InputError) else answer[0]


def _read(file: str) -> Pixels | InputError:
    try:
        return read_pixels(file)
    except InputError as error:
        return error


def _seen(
    name: str, picture: Pixels, finder: FaceDetector, *, largest: bool
) -> tuple[Embedding, Pixels | None]:
    found = (finder.largest(picture),) if largest else finder.detect(picture)
    faces = [face for face in found if face is not None and _has_area(face)]
    if not faces:
        note = finder.shrinking(picture) or "nobody is seen; give an upright picture of one face"
        return Embedding(name, reason="no_face", note=note), None
    if len(faces) > 1:
        note = f"{len(faces)} faces; cut out the one that is meant, or take the largest"
        return Embedding(name, faces=len(faces), reason="several_faces", note=note), None
    face = faces[0]
    cut = Cut(picture, face, CropSpec(CHIP_SIDE, scale=1.0))
    quality = _quality(cut, face)
    refusal = check_cut(cut, LIMITS)
    reason, note = ("", "") if refusal is None else (refusal.reason, refusal.detail)
    if not reason and abs(quality.turn) > MOST_TURN:
        degrees = math.degrees(math.atan(2 * abs(quality.turn)))
        reason = "profile"
        note = f"the head is turned by about {degrees:.0f}°; give a picture from nearer the front"
    answer = Embedding(name, None, face, quality, 1, reason, note)
    return answer, None if reason else face_pixels(picture, face.landmarks)


def _has_area(face: Face) -> bool:
    """Whether a box has a pixel within its picture."""
    left, top, right, bottom = face.box
    return right - left >= 1 and bottom - top >= 1


def _quality(cut: Cut, face: Face) -> Quality:
    left, top, right, bottom = (int(side) for side in face.box)
    dark, bright = luminance_range(cut.picture[:, top : bottom + 1, left : right + 1])
    turn = head_turn(face.landmarks)
    return Quality(face.side, detail(cut.crop), dark, bright, turn, face.confidence)


def _with(answer: Embedding, vector: NDArray[np.float32]) -> Embedding:
    return Embedding(answer.source, vector, answer.face, answer.quality, answer.faces)
