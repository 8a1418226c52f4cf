"""Surroundings of a face: place of a detector's crop in the frame, and backgrounds of people."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sterling.face.capture.recaptured.material import Material, Portrait
from sterling.face.capture.sensor import Picture

# Everything here is our choice.
SCALES = (1.1, 3.2)  # side of the crop over that of the face
FACE_IN_FRAME = (0.12, 0.95)  # side of the face over the frame's shorter side
FRAMES = (4 / 3, 4 / 3, 16 / 9, 3 / 4)  # width over height
TRIES = 16  # crops drawn until one can be filled
RELIT = 0.65  # share of people in another light than the photograph's
FURNISHED = 0.75  # share of rooms with something in them
FREE = 0.08  # share of a picture's edge that may show the person where the picture is extended


@dataclass(frozen=True)
class Framing:
    """Place of a face in a detector's crop.

    Attributes:
        scale: Side of the crop over the longer side of the face box.
        x: Centre of the face from the crop's left edge, as a share of its side.
        y: The same from its upper edge.
    """

    scale: float
    x: float
    y: float


def frame(
    rng: np.random.Generator, scales: tuple[float, float] = SCALES, below: float = np.inf
) -> Framing:
    """Draw where a face is in a frame, and cut as a detector does: shifted into the frame.

    Args:
        rng: Source of randomness.
        scales: Range of the crop's side over the face's; a crop larger than the frame is shrunk.
        below: The frame ends at most so many faces below the centre of the face.
    """
    aspect = float(rng.choice(FRAMES))
    width, height = max(1.0, aspect), max(1.0, 1 / aspect)
    face = float(np.exp(rng.uniform(*np.log(FACE_IN_FRAME))))
    place = rng.normal(0.5, 0.17, 2) * (width, height)
    place[1] = max(place[1], height - below * face)
    at = place.clip(face / 2, np.array([width, height]) - face / 2)
    side = min(float(rng.uniform(*scales)) * face, 1.0)
    seen = at + rng.normal(0, 0.04, 2) * face  # the box of a face detector is not exact
    corner = (seen - side / 2).clip(0, np.array([width, height]) - side)
    x, y = ((at - corner) / side).tolist()
    return Framing(side / face, x, y)


def frame_person(
    portrait: Portrait, rng: np.random.Generator, scales: tuple[float, float] = SCALES
) -> Framing:
    """Draw a framing that the photograph can fill, before a new background where needed."""
    height, width = portrait.pixels.shape[:2]
    below = (height - portrait.centre[1]) / portrait.side
    wanted = rng.uniform(*scales)  # without it most crops are tight, as most portraits are
    filled = []
    for _ in range(TRIES):
        framing = frame(rng, scales, below)
        left, top, side = window(portrait, framing)
        if fillable(portrait, left, top, left + side, top + side):
            filled.append(framing)
    if filled:
        return min(filled, key=lambda one: abs(one.scale - wanted))
    # As a detector crops from a small picture: shrunk and shifted into it.
    side = min(side, height, width)
    x, y = portrait.centre
    left = float(np.clip(x - framing.x * side, 0, width - side))
    top = float(np.clip(y - framing.y * side, 0, height - side))
    return Framing(side / portrait.side, (x - left) / side, (y - top) / side)


def window(portrait: Portrait, framing: Framing) -> tuple[float, float, float]:
    """Left, top and side of a framing's square in a photograph's pixels."""
    side = framing.scale * portrait.side
    x, y = portrait.centre
    return x - framing.x * side, y - framing.y * side, side


def fillable(portrait: Portrait, left: float, top: float, right: float, bottom: float) -> bool:
    """Whether a rectangle of a photograph shows no edge at which the person is cut off.

    Beyond the photograph there is a new background; a person who reaches its edge there would end
    in a straight line, as on a print.
    """
    height, width = portrait.pixels.shape[:2]
    if left >= 0 and top >= 0 and right <= width and bottom <= height:
        return True
    if portrait.mask is None or bottom > height + 1e-6:
        return False
    rows = slice(max(0, int(top)), max(1, int(bottom)))
    columns = slice(max(0, int(left)), max(1, int(right)))
    edges = (
        (left < 0, portrait.mask[rows, 0]),
        (right > width, portrait.mask[rows, -1]),
        (top < 0, portrait.mask[0, columns]),
    )
    return all(not beyond or float(edge.mean()) < 255 * FREE for beyond, edge in edges)


def see(
    portrait: Portrait,
    to_canvas: NDArray[np.float64],
    size: tuple[int, int],
    background: Picture | None,
    rng: np.random.Generator,
) -> tuple[Picture, Picture]:
    """A person as an affine map shows them, before a background, in a light of their own.

    Args:
        portrait: The photograph.
        to_canvas: Pixels of the photograph to those of the canvas (2, 3).
        size: Width and height of the canvas.
        background: sRGB (height, width, 3) behind the person; None keeps the photograph's own.
        rng: Source of the light.

    Returns:
        sRGB (height, width, 3), and the person's mask (height, width).
    """
    shrink = float(np.sqrt(abs(np.linalg.det(to_canvas[:, :2]))))
    stored: NDArray[Any] = portrait.pixels
    mask = portrait.mask
    if shrink < 0.8:
        stored = cv2.GaussianBlur(stored, (0, 0), 0.45 / shrink)
    seen = cv2.warpAffine(
        stored, to_canvas, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    seen = from_bytes(seen)
    if mask is None:
        return seen, np.zeros(size[::-1], np.float32)
    person = from_bytes(cv2.warpAffine(mask, to_canvas, size, flags=cv2.INTER_LINEAR))
    soft = cv2.GaussianBlur(person, (0, 0), 0.8)
    share = ((soft - 0.3) / 0.45).clip(0, 1)[..., None]
    behind = seen if background is None else background
    if rng.random() < RELIT:
        seen = relit(seen, rng)
    return np.asarray(behind + share * (seen - behind), dtype=np.float32), person


def relit(person: Picture, rng: np.random.Generator) -> Picture:
    """Put a person into another light than the room's: against a window, before a lit screen.

    Photographs that are published are well lit. Without this, a face that is darker, paler or
    bluer than its surroundings would be an attack's alone.
    """
    seen = person * np.float32(np.exp(rng.normal(-0.1, 0.4)))
    seen = seen * np.exp(rng.normal(0, 0.09, 3)).astype(np.float32)
    grey = seen.mean(-1, keepdims=True)
    seen = grey + np.float32(rng.uniform(0.5, 1.15)) * (seen - grey)
    seen = seen.clip(0, None) ** np.float32(rng.uniform(0.7, 1.5))
    if rng.random() < 0.3:
        veil = np.float32(rng.uniform(0.02, 0.18))
        seen = veil + (1 - veil) * seen
    return shade(seen, rng, 0.6)


def from_bytes(stored: NDArray[Any]) -> Picture:
    """Bytes as float32 in [0, 1]."""
    return np.asarray(stored, dtype=np.float32) / np.float32(255)


def backdrop(material: Material, rng: np.random.Generator, size: tuple[int, int]) -> Picture:
    """Draw a background of people and instruments: a piece of a photograph, or a plain wall.

    Args:
        material: Photographs to cut from; clothes of people are among the pieces.
        rng: Source of randomness.
        size: Width and height.
    """
    width, height = size
    kind = rng.random()
    if kind < 0.14 or (not material.others and kind < 0.5):
        ends = rng.uniform(0.08, 1.0, (2, 1, 1, 3)).astype(np.float32)
        ends = ends.mean(-1, keepdims=True) + 0.4 * (ends - ends.mean(-1, keepdims=True))
        slope = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
        if rng.random() < 0.5:
            ends[1] = ends[0] * rng.uniform(0.8, 1.2)
        wall = ends[0] + slope * (ends[1] - ends[0])
        return np.ascontiguousarray(np.broadcast_to(wall, (height, width, 3)), dtype=np.float32)
    if kind < 0.35 or not material.others:
        one = material.people[rng.integers(len(material.people))].pixels
        middle = one.shape[0] // 2
        one = one[middle - one.shape[0] // 6 :]
    else:
        one = material.others[rng.integers(len(material.others))]
    return piece(one, rng, size)


def piece(picture: NDArray[np.uint8], rng: np.random.Generator, size: tuple[int, int]) -> Picture:
    """A random piece of a photograph, maybe mirrored, out of focus, darker or brighter.

    Returns:
        sRGB, float32 (H, W, 3).
    """
    width, height = size
    full = min(picture.shape[1] / width, picture.shape[0] / height)
    wide, high = (max(2, int(full * rng.uniform(0.3, 1.0) * side)) for side in size)
    high = max(2, min(picture.shape[0], round(wide * height / width), high + wide))
    x = int(rng.integers(0, max(1, picture.shape[1] - wide + 1)))
    y = int(rng.integers(0, max(1, picture.shape[0] - high + 1)))
    way = cv2.INTER_AREA if wide > width else cv2.INTER_LINEAR
    cut = from_bytes(cv2.resize(picture[y : y + high, x : x + wide], size, interpolation=way))
    if rng.random() < 0.5:
        cut = cut[:, ::-1]
    if rng.random() < 0.6:
        cut = cv2.GaussianBlur(cut, (0, 0), float(rng.uniform(0.5, 4)) * width / 176)
    return np.ascontiguousarray(cut * np.float32(rng.uniform(0.5, 1.15)))


def room(material: Material, rng: np.random.Generator, size: tuple[int, int]) -> Picture:
    """Draw a backdrop with posters, monitors, picture frames and doors.

    Rooms are furnished alike behind people and behind instruments, so that a straight edge near a
    face is no attack's alone.
    """
    scene = backdrop(material, rng, size)
    for _ in range(int(rng.integers(1, 6)) if rng.random() < FURNISHED else 0):
        scene = _hung(scene, _thing(material, rng, size), rng)
    if rng.random() < 0.25:  # a window
        scene = scene * np.float32(rng.uniform(1.2, 2.5))
    if rng.random() < 0.3:
        scene = cv2.GaussianBlur(scene, (0, 0), float(rng.uniform(0.5, 2.5)))
    return scene


def _thing(material: Material, rng: np.random.Generator, size: tuple[int, int]) -> Picture:
    """A flat thing with a rim: a picture, a lit screen, or a plain one such as a door."""
    width, height = (max(4, int(rng.uniform(0.1, 0.9) * side)) for side in size)
    kind = rng.random()
    if kind < 0.6:
        pictures = material.others
        if not pictures or rng.random() < 0.4:
            pictures = tuple(one.pixels for one in material.people)
        thing = piece(pictures[rng.integers(len(pictures))], rng, (width, height))
        if kind < 0.2:
            thing = (thing * rng.uniform(0.8, 2.0) * (0.9, 1.0, 1.1)).astype(np.float32)
    else:
        thing = np.full((height, width, 3), rng.uniform(0.02, 1, 3), np.float32)
    rim = int(rng.uniform(0.0, 0.12) * min(width, height))
    tone = rng.uniform(0.02, 1.0) * rng.uniform(0.85, 1.1, 3)
    if rim:
        cv2.rectangle(thing, (0, 0), (width - 1, height - 1), tone.tolist(), 2 * rim)
    return thing


def _hung(scene: Picture, thing: Picture, rng: np.random.Generator) -> Picture:
    """A thing seen at an angle, somewhere in a scene or partly beyond it."""
    height, width = scene.shape[:2]
    high, wide = thing.shape[:2]
    corners = np.array([[0, 0], [wide, 0], [wide, high], [0, high]], np.float32)
    at = rng.uniform(-0.4, 1.0, 2) * (width, height)
    tilt = rng.normal(0, 0.05, (4, 2)) * max(wide, high) * (rng.random() < 0.6)
    places = (corners + at + tilt).astype(np.float32)
    to_scene = cv2.getPerspectiveTransform(corners, places)
    seen = cv2.warpPerspective(thing, to_scene, (width, height), borderMode=cv2.BORDER_REPLICATE)
    cover = np.zeros((height, width), np.float32)
    cv2.fillConvexPoly(cover, np.rint(places * 16).astype(np.int32), 1.0, cv2.LINE_AA, 4)
    return np.asarray(scene + cover[..., None] * (seen - scene), dtype=np.float32)


def shade(picture: Picture, rng: np.random.Generator, strength: float) -> Picture:
    """Light that falls off across a picture in a random direction."""
    height, width = picture.shape[:2]
    turn = rng.uniform(0, 2 * np.pi)
    x = np.linspace(-0.5, 0.5, width, dtype=np.float32)
    y = np.linspace(-0.5, 0.5, height, dtype=np.float32)
    slope = np.float32(1.4 * strength * rng.uniform(-1, 1))
    fall = 1 + slope * (x * np.float32(np.cos(turn)) + y[:, None] * np.float32(np.sin(turn)))
    return picture * fall[..., None]
