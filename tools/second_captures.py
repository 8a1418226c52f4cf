"""A second, plainer generator of captures, to compare detectors with what they were not made on.

It shares photographs with `sterling.face.capture.recaptured` and no code that draws a capture:
backgrounds, prints, screens, fingers and the camera are drawn here in other ways and from other
ranges. A detector that has learnt the first generator's habits, and no instruments, fails here.
``tools/compare_compact.py`` uses it.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from tools.second_looks import emitted, inked, paled, take

from sterling.face.capture.plan import stream
from sterling.face.capture.recaptured import Material, Portrait, RecapturedFaces
from sterling.face.capture.sensor import Picture
from sterling.face.capture.simulate import spread

Random = np.random.Generator

CANVAS = 176  # pixels of a scene
WIDE = (1.6, 3.0)  # side of the crop over that of the face
FILLS = 0.15  # share of instruments whose edges are out of sight
SCREENS = 0.35  # share of instruments that are screens
KEPT = 0.4  # share of people before their photograph's own background


def second_captures(material: Material, count: int, *, size: int, seed: int) -> RecapturedFaces:
    """Make captures: half bona fide, half of a print or a screen.

    Args:
        material: The photographs; people without a mask keep their background.
        count: Number of captures.
        size: Side of a capture in pixels.
        seed: Seed, not negative.
    """

    def one(i: int) -> tuple[NDArray[np.uint8], str, int]:
        rng = stream(seed, "second", i)
        person = int(rng.integers(len(material.people)))
        portrait = material.people[person]
        if i % 2 == 0:
            name, scene = "bona_fide", _live(portrait, material, rng)
        else:
            screen = rng.random() < SCREENS
            name = "screen" if screen else "print"
            scene = _instrument(portrait, material, screen, rng)
        return take(scene, size, rng), name, person

    made = spread(one, range(count))
    images = np.stack([image for image, _, _ in made]).transpose(0, 3, 1, 2)
    return RecapturedFaces(
        np.ascontiguousarray(images),
        np.array([name for _, name, _ in made], dtype=np.str_),
        np.array([person for _, _, person in made], dtype=np.int64),
    )


def _live(portrait: Portrait, material: Material, rng: Random) -> Picture:
    """A person, cropped as a detector crops: shifted and shrunk into the photograph."""
    scene = _cut(_whole(portrait, material, rng, plain=0.25), _window(portrait, rng), rng)
    if rng.random() < 0.5:
        scene = _gradient(scene, rng, 0.6)
    if rng.random() < 0.08:
        frame = CANVAS * rng.uniform(0.8, 1) * np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
        scene = _fingers(scene, frame, rng)
    if rng.random() < 0.25:  # as pale as a print
        scene = paled(scene, rng.uniform(0.55, 1.1))
    return scene


def _instrument(portrait: Portrait, material: Material, screen: bool, rng: Random) -> Picture:
    """A print or a screen before a scene, or so near that it fills the crop."""
    shown = _whole(portrait, material, rng, plain=0.35)
    show = emitted if screen else inked
    if rng.random() < FILLS:
        return _glared(
            _gradient(_cut(show(shown, rng), _window(portrait, rng), rng), rng, 0.5), rng
        )
    height, width = shown.shape[:2]
    x, y = portrait.centre
    wide = min(rng.uniform(1.15, 3.2) * portrait.side, width)
    high = min(rng.uniform(1.3, 4.0) * portrait.side, height)
    left = float(np.clip(x + rng.normal(0, 0.12) * portrait.side - wide / 2, 0, width - wide))
    top = float(np.clip(y + rng.normal(0.05, 0.12) * portrait.side - high / 2, 0, height - high))
    corners = np.array([[0, 0], [wide, 0], [wide, high], [0, high]]) + np.array([left, top])
    scale = CANVAS / (rng.uniform(*WIDE) * portrait.side)
    turn = np.deg2rad(rng.normal(0, 7))
    turned = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    lean = np.cos(np.deg2rad(rng.normal(0, (14, 12))))
    middle = CANVAS * (0.5 + rng.normal(0, 0.05, 2))
    if rng.random() < 0.25:  # near the frame's edge, so that the crop is pushed aside
        middle = middle + CANVAS * rng.uniform(-0.22, 0.22, 2)
    placed = (corners - (x, y)) * scale @ turned * lean + middle
    placed = placed + 0.025 * np.linalg.norm(placed[2] - placed[0]) * rng.normal(0, 1, (4, 2))
    seen = show(shown, rng)
    if scale < 0.8:
        seen = cv2.GaussianBlur(seen, (0, 0), 0.45 / scale)
    to_scene = cv2.getPerspectiveTransform(corners.astype(np.float32), placed.astype(np.float32))
    face = cv2.warpPerspective(seen, to_scene, (CANVAS, CANVAS), borderMode=cv2.BORDER_REPLICATE)
    face = _glared(_gradient(face, rng, 0.5), rng)
    scene = _rim(_backdrop(material, rng, CANVAS), placed, screen, rng)
    scene = scene + _cover(placed)[..., None] * (face - scene)
    if rng.random() < 0.6:
        for _ in range(int(rng.integers(1, 3))):
            scene = _fingers(scene, placed, rng)
    return scene


def _rim(scene: Picture, placed: NDArray[np.float64], screen: bool, rng: Random) -> Picture:
    """A bezel or a margin larger than the picture, and its shadow."""
    middle = placed.mean(0)
    if screen:
        grown = rng.uniform((0.03, 0.03), (0.12, 0.25))
        tone = np.full(3, rng.uniform(0.02, 0.16) if rng.random() < 0.75 else rng.uniform(0.75, 1))
    else:
        grown = np.full(2, rng.uniform(0.015, 0.1) if rng.random() < 0.55 else 0.0)
        tone = rng.uniform(0.7, 1.0) * rng.uniform(0.93, 1.05, 3)
    sheet = _cover(middle + (placed - middle) * (1 + grown))
    shadow = cv2.GaussianBlur(sheet, (0, 0), rng.uniform(2, 8))
    shadow = np.roll(shadow, tuple(rng.integers(-5, 6, 2)), (0, 1))
    scene = scene * (1 - np.float32(0.5 * rng.random()) * shadow[..., None])
    return np.asarray(scene + sheet[..., None] * (tone - scene), dtype=np.float32)


def _whole(portrait: Portrait, material: Material, rng: Random, *, plain: float) -> Picture:
    """A person's photograph, its background kept, made plain, or another photograph's."""
    own = np.asarray(portrait.pixels, dtype=np.float32) / np.float32(255)
    if portrait.mask is None or rng.random() < KEPT:
        return own
    height, width = own.shape[:2]
    if rng.random() < plain:
        tone = rng.uniform(0.35, 1, 3) if rng.random() < 0.7 else np.full(3, rng.uniform(0.6, 1))
        behind: Picture = np.broadcast_to(tone.astype(np.float32), own.shape)
    else:
        behind = cv2.resize(_backdrop(material, rng, 160), (width, height))
    share = cv2.GaussianBlur(portrait.mask.astype(np.float32) / 255, (0, 0), max(own.shape) / 200)
    return np.asarray(behind + ((share - 0.25) / 0.5).clip(0, 1)[..., None] * (own - behind))


def _window(portrait: Portrait, rng: Random) -> tuple[float, float, float]:
    """Left, top and side of a wide crop, shifted and shrunk into the photograph."""
    height, width = portrait.pixels.shape[:2]
    side = min(rng.uniform(*WIDE) * portrait.side, height, width)
    x, y = np.array(portrait.centre) + rng.normal(0, 0.06, 2) * portrait.side
    left, top = np.clip(x - side / 2, 0, width - side), np.clip(y - side / 2, 0, height - side)
    return float(left), float(top), side


def _cut(picture: Picture, square: tuple[float, float, float], rng: Random) -> Picture:
    """A square of a picture on the canvas, turned a little, maybe mirrored."""
    left, top, side = square
    scale, middle = CANVAS / side, (left + side / 2, top + side / 2)
    turn = cv2.getRotationMatrix2D(middle, rng.normal(0, 4), scale)
    place = np.array(turn, dtype=np.float64)
    place[:, 2] += CANVAS / 2 - np.array(middle)
    if scale < 0.8:
        picture = cv2.GaussianBlur(picture, (0, 0), 0.45 / scale)
    size = (CANVAS, CANVAS)
    seen = cv2.warpAffine(picture, place, size, borderMode=cv2.BORDER_REFLECT)
    return np.ascontiguousarray(seen[:, ::-1] if rng.random() < 0.5 else seen, dtype=np.float32)


def _backdrop(material: Material, rng: Random, side: int) -> Picture:
    """Two colours that run into each other, or a square of a photograph, with plain rectangles."""
    kind = rng.random()
    if kind < 0.12 or not material.others:
        ends = rng.uniform(0.08, 1, (2, 1, 1, 3))
        down = np.linspace(0, 1, side)[:, None, None]
        scene = np.repeat(ends[0] + down * (ends[1] - ends[0]), side, axis=1)
        return np.asarray(scene, dtype=np.float32)
    if kind < 0.4:  # the lower half of a person: clothes
        whole = material.people[rng.integers(len(material.people))].pixels
        stored = whole[whole.shape[0] // 2 :]
    else:
        stored = material.others[rng.integers(len(material.others))]
    height, width = stored.shape[:2]
    kept = max(2, int(min(height, width) * rng.uniform(0.3, 1)))
    x, y = rng.integers(0, width - kept + 1), rng.integers(0, height - kept + 1)
    way = cv2.INTER_AREA if kept > side else cv2.INTER_LINEAR
    piece = cv2.resize(stored[y : y + kept, x : x + kept], (side, side), interpolation=way)
    scene = np.ascontiguousarray(piece[:, ::-1] if rng.random() < 0.5 else piece, dtype=np.float32)
    scene = scene / np.float32(255)
    if rng.random() < 0.5:
        scene = cv2.GaussianBlur(scene, (0, 0), rng.uniform(0.5, 4))
    for _ in range(int(rng.integers(1, 4)) if rng.random() < 0.3 else 0):
        wide, high = (side * rng.uniform(0.1, (0.6, 0.7))).astype(int)
        left, top = int(rng.integers(-wide // 2, side)), int(rng.integers(-high // 2, side))
        thick = -1 if rng.random() < 0.5 else int(rng.integers(1, 6))
        tone = rng.uniform(0.02, 1, 3).tolist()
        cv2.rectangle(scene, (left, top), (left + int(wide), top + int(high)), tone, thick)
    return np.asarray(scene * np.float32(rng.uniform(0.5, 1.2)), dtype=np.float32)


def _gradient(scene: Picture, rng: Random, strength: float) -> Picture:
    turn, at = rng.uniform(0, 2 * np.pi), np.arange(CANVAS) / CANVAS - 0.5
    plane = at * np.cos(turn) + at[:, None] * np.sin(turn)
    return np.asarray(scene * (1 + 1.4 * strength * rng.uniform(-1, 1) * plane[..., None]))


def _glared(scene: Picture, rng: Random) -> Picture:
    """A highlight on four of ten instruments."""
    if rng.random() >= 0.4:
        return scene
    place, reach = rng.uniform(0, CANVAS, 2), CANVAS * rng.uniform(0.03, 0.3, 2)
    turn = rng.uniform(0, np.pi)
    x, y = np.arange(CANVAS) - place[0], (np.arange(CANVAS) - place[1])[:, None]
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    spot = np.exp(-((along / reach[0]) ** 2) - (across / reach[1]) ** 2)
    return np.asarray(scene + rng.uniform(0.08, 0.63) * spot[..., None], dtype=np.float32)


def _cover(corners: NDArray[np.float64]) -> Picture:
    """Cover of a quadrilateral, float32 (S, S) in [0, 1]."""
    cover = np.zeros((CANVAS, CANVAS), np.float32)
    cv2.fillConvexPoly(cover, np.rint(16 * corners).astype(np.int32), 1.0, cv2.LINE_AA, 4)
    return cover


def _fingers(scene: Picture, corners: NDArray[np.float64], rng: Random) -> Picture:
    """Fingers, thick lines with a soft shade, over one edge of a quadrilateral."""
    light, dark = np.array([0.88, 0.69, 0.59]), np.array([0.39, 0.25, 0.18])
    skin = (light + rng.random() * (dark - light)) * rng.uniform(0.7, 1.15)
    edge = int(rng.integers(4))
    start, along = corners[edge], corners[(edge + 1) % 4] - corners[edge]
    width, first = CANVAS * rng.uniform(0.035, 0.075), rng.uniform(0.15, 0.8)
    for number in range(int(rng.integers(1, 5))):
        at = start + along * (first + 1.9 * number * width / max(1.0, float(np.hypot(*along))))
        inward = corners.mean(0) - at
        inward = inward / max(1e-3, float(np.hypot(*inward)))
        ends = at + inward * CANVAS * rng.uniform(0.04, 0.16), at - inward * 0.3 * CANVAS
        cover: Picture = np.zeros((CANVAS, CANVAS), np.float32)
        tip, root = (tuple(int(v) for v in end) for end in ends)
        cv2.line(cover, root, tip, 1.0, max(2, round(2 * width)), cv2.LINE_AA)
        cover = cv2.GaussianBlur(cover, (0, 0), 0.8)
        soft = cv2.GaussianBlur(cover, (0, 0), 0.6 * width)[..., None]
        shade = 0.65 + 0.45 * soft / max(float(soft.max()), 1e-3)
        scene = scene * (1 - np.float32(0.35) * soft)
        scene = scene + cover[..., None] * (skin * shade - scene)
    return np.asarray(scene, dtype=np.float32)
