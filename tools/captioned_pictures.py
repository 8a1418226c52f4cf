"""Pictures with captions, from open packages and rendered, for `tools.build_caption_encoder`.

Emoji come in three styles from packages (Noto: Apache-2.0; Fluent: MIT; Twemoji: CC BY 4.0), with
their CLDR names and keywords; photographs with descriptive file names from @tabler/preview (MIT)
are for measuring alone. Shapes, colours and textures are rendered here. No picture is kept in the
repository.
"""

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Part = Literal["train", "development", "test"]
Pixels = NDArray[np.uint8]

SIDE = 224
NOTO, TWEMOJI, FLUENT, NAMES, KEYWORDS, PHOTOGRAPHS = (
    "emoji-datasource-google@16.0.0",
    "emoji-datasource-twitter@16.0.0",
    "@lobehub/fluent-emoji-3d@1.1.0",
    "unicode-emoji-json@0.9.0",
    "emojilib@4.0.3",
    "@tabler/preview@1.2.0",
)
ABSTRACT = ("Flags", "Component", "Symbols")  # signs, which show no thing
COLOURS = {
    "red": (0, 0.05, 0.75, 1.0, 0.6, 1.0),
    "orange": (0.06, 0.1, 0.8, 1.0, 0.8, 1.0),
    "yellow": (0.13, 0.17, 0.7, 1.0, 0.8, 1.0),
    "green": (0.26, 0.42, 0.5, 1.0, 0.4, 0.9),
    "blue": (0.56, 0.68, 0.6, 1.0, 0.5, 1.0),
    "purple": (0.74, 0.82, 0.5, 1.0, 0.4, 0.9),
    "pink": (0.88, 0.95, 0.3, 0.6, 0.9, 1.0),
    "brown": (0.04, 0.09, 0.6, 0.8, 0.3, 0.5),
    "black": (0, 1, 0.0, 0.1, 0.0, 0.12),
    "white": (0, 1, 0.0, 0.05, 0.93, 1.0),
    "grey": (0, 1, 0.0, 0.08, 0.4, 0.65),
}
"""Hue, saturation and value from … to, each in [0, 1]."""
TEXTURES = ("plain", "striped", "dotted", "checkered", "grid", "zigzag", "rough")
SHAPES = ("circle", "square", "triangle", "cross", "star", "ring", "diamond", "rectangle")


@dataclass(frozen=True, eq=False)
class Captioned:
    """A thing with its captions, pictured several times.

    Attributes:
        captions: Phrases that are true of it, the name first.
        pictures: uint8 (H, W, 4), RGBA, of any size.
        part: Part of the emoji it belongs to, by a hash of its name.
        group: CLDR's group of emoji, or the source.
    """

    captions: tuple[str, ...]
    pictures: tuple[Pixels, ...]
    part: Part
    group: str


def read_emoji(archives: dict[str, Path]) -> list[Captioned]:
    """Read the emoji that show things, in every style there is, without variants by gender."""
    with tarfile.open(archives[NOTO]) as archive:
        listed = _json(archive, "package/emoji.json")
    with tarfile.open(archives[NAMES]) as archive:
        names = _json(archive, "package/data-by-emoji.json")
    with tarfile.open(archives[KEYWORDS]) as archive:
        keywords = _json(archive, "package/dist/emoji-en-US.json")
    chosen = {}
    for one in listed:
        sign = "".join(chr(int(code, 16)) for code in one["unified"].split("-"))
        if one["category"] not in ABSTRACT and "200D" not in one["unified"] and sign in names:
            chosen[one["image"]] = (sign, one["category"])
    found: dict[str, list[Pixels]] = {image: [] for image in chosen}
    for package, folder in (
        (NOTO, "package/img/google/64"),
        (TWEMOJI, "package/img/twitter/64"),
        (FLUENT, "package/assets"),
    ):
        with tarfile.open(archives[package]) as archive:
            for member in archive:
                path = PurePosixPath(member.name)
                image = f"{path.stem}.png"
                if str(path.parent) == folder and image in found:
                    opened = archive.extractfile(member)
                    assert opened is not None
                    picture = Image.open(io.BytesIO(opened.read())).convert("RGBA")
                    found[image].append(np.asarray(picture, dtype=np.uint8))
    return [
        Captioned(
            captions(names[sign]["name"], keywords.get(sign, [])),
            tuple(found[image]),
            part_of(names[sign]["name"]),
            group,
        )
        for image, (sign, group) in chosen.items()
        if found[image]
    ]


def captions(name: str, keywords: list[str]) -> tuple[str, ...]:
    """The name, and keywords that are words, none twice."""
    every = [name, *(word.replace("_", " ").replace("-", " ") for word in keywords)]
    words = [one.lower() for one in every if re.fullmatch(r"[A-Za-z][A-Za-z '’-]{2,}", one)]
    return tuple(dict.fromkeys(words or [name.lower()]))


def part_of(name: str) -> Part:
    """Part by a hash of the name, so that "dog" and "dog face" are in one: 65, 15 and 20 %."""
    key = name.lower().removesuffix(" face")
    place = int(hashlib.sha256(key.encode()).hexdigest(), 16) % 100
    return "train" if place < 65 else "development" if place < 80 else "test"


def read_photographs(archives: dict[str, Path]) -> list[Captioned]:
    """Read the photographs whose file names describe them; of a numbered series the first."""
    found: dict[str, Captioned] = {}
    with tarfile.open(archives[PHOTOGRAPHS]) as archive:
        for member in sorted(archive.getmembers(), key=lambda one: one.name):
            path = PurePosixPath(member.name)
            if path.parent.name == "photos" and path.suffix == ".jpg":
                caption = re.sub(r"-\d+$", "", path.stem).replace("-", " ").strip()
                opened = archive.extractfile(member)
                assert opened is not None
                picture = Image.open(io.BytesIO(opened.read())).convert("RGBA")
                pixels = np.asarray(picture, dtype=np.uint8)
                found.setdefault(caption, Captioned((caption,), (pixels,), "test", "photographs"))
    return list(found.values())


def _json(archive: tarfile.TarFile, name: str) -> Any:
    opened = archive.extractfile(name)
    assert opened is not None
    return json.load(opened)


def plain_picture(pixels: Pixels) -> Pixels:
    """The picture on white, its middle square, uint8 (224, 224, 3)."""
    side = min(pixels.shape[:2])
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    square = np.ascontiguousarray(pixels[top : top + side, left : left + side])
    large = cv2.resize(
        square, (SIDE, SIDE), interpolation=cv2.INTER_AREA if side > SIDE else cv2.INTER_CUBIC
    )
    return _over(large, np.full((SIDE, SIDE, 3), 255, dtype=np.uint8))


def varied_picture(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """The picture on some ground: turned, scaled, moved, flipped, in other tones."""
    if rng.random() < 0.5:
        pixels = pixels[:, ::-1]
    scale = SIDE * rng.uniform(0.5, 1.15) / max(pixels.shape[:2])
    middle = np.array(pixels.shape[1::-1]) / 2
    turn = np.asarray(
        cv2.getRotationMatrix2D((middle[0], middle[1]), float(rng.uniform(-20, 20)), scale),
        dtype=np.float64,
    )
    turn[:, 2] += SIDE / 2 - middle + rng.uniform(-25, 25, 2)
    moved = cv2.warpAffine(np.ascontiguousarray(pixels), turn, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
    toned = _toned(_over(moved, _ground(rng)), rng, spread=0.25)
    if rng.random() < 0.15:
        toned[:] = toned.mean(2, keepdims=True)
    return toned


def _over(above: Any, ground: Pixels) -> Pixels:
    share = above[..., 3:].astype(np.float32) / 255
    return np.asarray(above[..., :3] * share + ground * (1 - share), dtype=np.uint8)


def _toned(pixels: Pixels, rng: np.random.Generator, spread: float) -> Pixels:
    """The picture brighter or darker, with noise, sometimes at a seventh of its resolution."""
    changed: Any = pixels.astype(np.float32) * rng.uniform(1 - spread, 1 + spread / 2)
    if rng.random() < 0.3:
        small = cv2.resize(changed, None, fx=0.15, fy=0.15, interpolation=cv2.INTER_AREA)
        changed = cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    changed += rng.normal(0, rng.uniform(0, 8), changed.shape)
    return np.asarray(np.clip(changed, 0, 255), dtype=np.uint8)


def _ground(rng: np.random.Generator) -> Pixels:
    """White, one colour, a gradient of two, or clouds."""
    kind = rng.integers(4)
    one, other = (rng.uniform(0, 255, 3) for _ in range(2))
    if kind == 0:
        one = other = np.full(3, 255.0)
    mix = np.zeros((SIDE, SIDE, 1))
    if kind == 2:
        mix = np.linspace(0, 1, SIDE)[:, None, None] * np.ones((1, SIDE, 1))
    if kind == 3:
        coarse = rng.random((int(rng.integers(3, 20)),) * 2).astype(np.float32)
        mix = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)[..., None].clip(0, 1)
    return np.asarray(one * mix + other * (1 - mix), dtype=np.uint8)


def draw_scene(rng: np.random.Generator) -> tuple[Pixels, tuple[str, ...]]:
    """A coloured, textured field or shape, uint8 (224, 224, 3), and phrases that are true of it."""
    colour, texture, shape = (str(rng.choice(some)) for some in (tuple(COLOURS), TEXTURES, SHAPES))
    filled = _filled(colour, texture, rng)
    if rng.random() < 0.3:
        field = (colour, texture, f"{texture} {colour}", f"{colour} {texture} surface")
        return _toned(filled, rng, spread=0.1), field
    mask = _shape(shape, rng)
    ground = _ground(rng)
    said = (shape, colour, texture, f"{colour} {shape}", f"{texture} {colour} {shape}")
    pixels = np.where(mask[..., None], filled, ground).astype(np.uint8)
    return _toned(pixels, rng, spread=0.1), said


def _filled(colour: str, texture: str, rng: np.random.Generator) -> Pixels:
    hue, hue_to, strength, strength_to, value, value_to = COLOURS[colour]
    hsv = np.array(
        [
            360 * rng.uniform(hue, hue_to),
            rng.uniform(strength, strength_to),
            rng.uniform(value, value_to),
        ],
        dtype=np.float32,
    )
    tint = cv2.cvtColor(hsv[None, None], cv2.COLOR_HSV2RGB)[0, 0] * 255
    other = tint * 0.3 if tint.mean() > 60 else tint * 0.3 + 140
    period = rng.uniform(14, 50)
    rows, columns = np.mgrid[:SIDE, :SIDE] + rng.uniform(0, period, (2, 1, 1))
    angle = rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)])
    u = (rows * np.cos(angle) + columns * np.sin(angle)) / period % 1
    v = (columns * np.cos(angle) - rows * np.sin(angle)) / period % 1
    wave = np.abs(columns / period % 1 - 0.5) * period
    patterns: dict[str, Callable[[], Any]] = {
        "plain": lambda: np.zeros((SIDE, SIDE)),
        "striped": lambda: u < 0.5,
        "dotted": lambda: np.hypot(u - 0.5, v - 0.5) < 0.28,
        "checkered": lambda: (u < 0.5) ^ (v < 0.5),
        "grid": lambda: (u < 0.15) | (v < 0.15),
        "zigzag": lambda: ((rows + wave) / period % 1) < 0.5,
        "rough": lambda: cv2.GaussianBlur(rng.random((SIDE, SIDE)), (0, 0), 1.5) * 3 - 1,
    }
    share = np.clip(np.asarray(patterns[texture](), dtype=np.float64), 0, 1)[..., None]
    return np.asarray(tint * (1 - share) + other * share, dtype=np.uint8)


def _shape(shape: str, rng: np.random.Generator) -> NDArray[np.bool_]:
    radius = rng.uniform(45, 100)
    x, y = rng.uniform(0.4 * radius, SIDE - 0.4 * radius, 2)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    turn = rng.uniform(-0.25, 0.25)
    dx, dy = (columns - x) / radius, (rows - y) / radius
    u, v = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
    distance, angle = np.hypot(u, v), np.arctan2(u, -v)
    wide, narrow = np.maximum(abs(u), abs(v)), np.minimum(abs(u), abs(v))
    points = 0.7 + 0.3 * (2 * np.abs((5 * angle / (2 * np.pi)) % 1 - 0.5) * 2 - 1)
    return np.asarray(
        {
            "circle": distance < 1,
            "square": wide < 0.88,
            "triangle": (v < 0.8) & (2 * abs(u) - v < 0.9),
            "cross": (narrow < 0.33) & (wide < 1),
            "star": distance < points,
            "ring": (distance < 1) & (distance > 0.65),
            "diamond": abs(u) + abs(v) < 1,
            "rectangle": (abs(u) < 1) & (abs(v) < 0.5),
        }[shape],
        dtype=bool,
    )
