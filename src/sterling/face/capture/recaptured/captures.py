"""Captures made of photographs: bona fide people, and attack instruments that show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sterling.checks import check_numbers
from sterling.errors import InputError, unknown_name
from sterling.face.capture.plan import stream
from sterling.face.capture.recaptured.camera import Moment, padded, take
from sterling.face.capture.recaptured.displays import emitted, printed
from sterling.face.capture.recaptured.hands import fingers
from sterling.face.capture.recaptured.instruments import KINDS, Sheet, make_sheet, outline
from sterling.face.capture.recaptured.light import lit, shadowed
from sterling.face.capture.recaptured.material import Material, Portrait
from sterling.face.capture.recaptured.surroundings import (
    SCALES,
    Framing,
    frame_person,
    room,
    see,
    shade,
    window,
)
from sterling.face.capture.sensor import Picture
from sterling.face.capture.simulate import spread

SUPERSAMPLING = 1.25  # pixels of the scene per stored pixel, along each axis
FILLS = 0.1  # share of prints whose edges are out of sight
SCREEN_FILLS = 0.25  # share of screens, which leave traces of their own
PADDED = 0.06  # share of pictures that some program turned or padded


@dataclass(frozen=True, eq=False)
class RecapturedFaces:
    """Captures with their labels.

    Attributes:
        images: uint8 (N, 3, S, S), RGB.
        species: "bona_fide" or the instrument, (N,).
        person: Index of the photograph of the person shown, (N,).
    """

    images: NDArray[np.uint8]
    species: NDArray[np.str_]
    person: NDArray[np.int64]

    @property
    def bona_fide(self) -> NDArray[np.bool_]:
        """Whether each capture is no attack, (N,)."""
        return np.asarray(self.species == "bona_fide")


def recaptured_faces(
    material: Material,
    count: int,
    *,
    size: int = 160,
    species: Sequence[str] = tuple(KINDS),
    scales: tuple[float, float] = SCALES,
    seed: int = 0,
) -> RecapturedFaces:
    """Make captures of photographed people: half bona fide, half shown on an instrument.

    People stand before new backgrounds and are cropped as a face detector crops, shifted into the
    frame. Instruments are held, with hands, before other scenes. One camera takes both, so that
    sharpness, noise, tone and colour tell nothing. The same seed gives the same bits, whatever
    `count` is.

    Args:
        material: The photographs.
        count: Number of captures.
        size: Side of a capture in pixels, 32 or more.
        species: Instruments, which take turns, of `KINDS`.
        scales: Range of the crop's side over the face's.
        seed: Seed, not negative.

    Raises:
        InputError: On no or an unknown species, a size below 32, a negative seed or count, or
            scales that do not ascend from 1 or more.

    Examples:
        >>> material = read_material("photographs")
        >>> captures = recaptured_faces(material, 1000, seed=1)
    """
    if size < 32:
        raise InputError(f"size: {size} pixels a side; use at least 32")
    check_numbers(at_least=0, count=count, seed=seed)
    if not 1 <= scales[0] <= scales[1]:
        raise InputError(f"scales: {scales}; give the smaller first, of 1 or more")
    if not species:
        raise InputError(f"species: none; name at least one of {', '.join(KINDS)}")
    for name in species:
        if name not in KINDS:
            raise unknown_name("species", name, tuple(KINDS))

    names = ["bona_fide" if i % 2 == 0 else species[i // 2 % len(species)] for i in range(count)]

    def one(i: int) -> tuple[NDArray[np.uint8], int]:
        rng = stream(seed, "recaptured", i)
        person = int(rng.integers(len(material.people)))
        portrait = material.people[person]
        return capture(material, portrait, names[i], size, rng, scales), person

    made = spread(one, range(count))
    images = np.stack([image for image, _ in made]) if made else np.zeros((0, size, size, 3), "u1")
    return RecapturedFaces(
        np.ascontiguousarray(images.transpose(0, 3, 1, 2)),
        np.array(names, dtype=np.str_),
        np.array([person for _, person in made], dtype=np.int64),
    )


def capture(
    material: Material,
    portrait: Portrait,
    species: str,
    size: int,
    rng: np.random.Generator,
    scales: tuple[float, float] = SCALES,
    moment: Moment | None = None,
) -> NDArray[np.uint8]:
    """Capture a person, or an instrument that shows the person; uint8 (size, size, 3).

    Args:
        material: Photographs for backgrounds, and for other people.
        portrait: The person.
        species: "bona_fide", or one of `KINDS`.
        size: Side of the capture in pixels.
        rng: Source of randomness.
        scales: Range of the crop's side over the face's.
        moment: Sway and noise of a frame of a clip; None for a picture.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> capture(material, material.people[0], "tablet", 128, rng).shape
        (128, 128, 3)
    """
    side = round(SUPERSAMPLING * size)
    in_hand = False
    if species == "bona_fide":
        scene = bona_fide(material, portrait, side, rng, scales)
    elif (
        rng.random() < (SCREEN_FILLS if KINDS[species].screen else FILLS)
        and species != "paper_mask"
    ):
        scene = _filled(material, portrait, species, side, rng, scales)
    else:
        in_hand = KINDS[species].hands > 0.5
        sway = moment.pixels(side) if moment and in_hand else None
        scene = attack(material, portrait, species, side, rng, scales, sway)
    if moment and not in_hand:
        scene = moment.swayed(scene)
    if rng.random() < PADDED:
        scene = padded(scene, rng)
    return take(scene, size, rng, moment.noise if moment else None)


def bona_fide(
    material: Material,
    portrait: Portrait,
    side: int,
    rng: np.random.Generator,
    scales: tuple[float, float] = SCALES,
) -> Picture:
    """A person before a background, as the camera's scene, sRGB (side, side, 3)."""
    scene, _ = _person(material, portrait, side, rng, scales)
    if rng.random() < 0.5:
        scene = shade(scene, rng, 0.45)
    if rng.random() < 0.06:
        corners = np.array([[0, 0], [side, 0], [side, side], [0, side]]) * rng.uniform(0.8, 1)
        scene = fingers(scene, corners, rng)
    if rng.random() < 0.1:
        scene = _before_desk(scene, rng)
    return scene


def _before_desk(scene: Picture, rng: np.random.Generator) -> Picture:
    """A desk, a shelf or the rim of a laptop between camera and person."""
    side = scene.shape[0]
    start, end = rng.uniform(0.78, 1.0) * side + rng.normal(0, 0.02 * side, 2)
    corners = np.array([[0, start], [side, end], [side, side], [0, side]])
    cover = np.zeros((side, side), np.float32)
    cv2.fillConvexPoly(cover, np.rint(corners * 16).astype(np.int32), 1.0, cv2.LINE_AA, 4)
    tone = rng.uniform(0.02, 1.0) * rng.uniform(0.85, 1.1, 3)
    return np.asarray(scene + cover[..., None] * (tone - scene), dtype=np.float32)


def _person(
    material: Material,
    portrait: Portrait,
    side: int,
    rng: np.random.Generator,
    scales: tuple[float, float],
) -> tuple[Picture, Framing]:
    """A person in a crop, and where the face is."""
    height, width = portrait.pixels.shape[:2]
    framing = frame_person(portrait, rng, scales)
    left, top, seen = window(portrait, framing)
    whole = left >= 0 and top >= 0 and left + seen <= width and top + seen <= height
    behind = None
    if portrait.mask is not None and not (whole and rng.random() < 0.4):
        behind = room(material, rng, (side, side))
    scale = side / seen
    middle = np.array([left, top]) + seen / 2
    turn = np.array(
        cv2.getRotationMatrix2D(middle.tolist(), rng.normal(0, 4), scale), dtype=np.float64
    )
    turn[:, 2] += side / 2 - middle
    scene, _ = see(portrait, turn, (side, side), behind, rng)
    if rng.random() < 0.5:
        scene, framing = scene[:, ::-1], Framing(framing.scale, 1 - framing.x, framing.y)
    return np.ascontiguousarray(scene), framing


def attack(
    material: Material,
    portrait: Portrait,
    species: str,
    side: int,
    rng: np.random.Generator,
    scales: tuple[float, float] = SCALES,
    sway: NDArray[np.float64] | None = None,
) -> Picture:
    """An instrument held before a scene, sRGB (side, side, 3); `sway` maps its pixels (3, 3)."""
    sheet = make_sheet(species, portrait, material, rng)
    if species == "paper_mask":  # worn by somebody else
        wearer = material.people[rng.integers(len(material.people))]
        scene, framing = _person(material, wearer, side, rng, scales)
    else:
        # Framed as somebody's bona fide capture is, so that the framing tells nothing.
        someone = material.people[rng.integers(len(material.people))]
        scene, framing = room(material, rng, (side, side)), frame_person(someone, rng, scales)
    to_scene = _pose(sheet, framing, side, rng, flat=species == "paper_mask")
    if sway is not None:
        to_scene = sway @ to_scene
    corners = cv2.perspectiveTransform(outline(sheet)[None], to_scene)[0]
    scale = float(np.sqrt(abs(np.linalg.det(to_scene[:2, :2]))))
    pixels = sheet.pixels
    if scale < 0.8:
        pixels = cv2.GaussianBlur(pixels, (0, 0), 0.45 / max(scale, 0.05))
    size = (side, side)
    seen = cv2.warpPerspective(
        pixels, to_scene, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    alpha = cv2.warpPerspective(sheet.alpha, to_scene, size, flags=cv2.INTER_LINEAR)
    seen = lit(seen, sheet.screen, material, rng)
    scene = shadowed(scene, alpha, rng)
    if sheet.screen and rng.random() < 0.4:  # the camera exposes for the screen
        scene = scene * np.float32(rng.uniform(0.2, 0.9))
    scene = scene + alpha[..., None] * (seen - scene)
    if rng.random() < KINDS[species].hands:
        for _ in range(int(rng.integers(1, 3))):
            scene = fingers(scene, corners, rng)
    return np.ascontiguousarray(scene, dtype=np.float32)


def _pose(
    sheet: Sheet, framing: Framing, side: int, rng: np.random.Generator, *, flat: bool
) -> NDArray[np.float64]:
    """Map from a sheet's pixels to the scene's, (3, 3): its face comes to the framing's place."""
    x, y, face = sheet.face
    scale = side / (framing.scale * face)
    turn = np.deg2rad(rng.normal(0, 4 if flat else 7))
    lean = np.cos(np.deg2rad(rng.normal(0, (8, 8) if flat else (16, 13))))
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    centre = np.array([framing.x, framing.y]) * side
    corners = outline(sheet)
    placed = ((corners - (x, y)) * scale * lean) @ rotation.T + centre
    diagonal = float(np.linalg.norm(placed[2] - placed[0]))
    tilt = rng.normal(0, 0.008 if flat else 0.022, (4, 2)) * diagonal
    return np.asarray(
        cv2.getPerspectiveTransform(corners.astype(np.float32), (placed + tilt).astype(np.float32)),
        dtype=np.float64,
    )


def _filled(
    material: Material,
    portrait: Portrait,
    species: str,
    side: int,
    rng: np.random.Generator,
    scales: tuple[float, float],
) -> Picture:
    """An instrument so near that no edge of it is in sight."""
    scene, _ = _person(material, portrait, side, rng, scales)
    seen = emitted(scene, rng) if KINDS[species].screen else printed(scene, rng)
    return lit(seen, KINDS[species].screen, material, rng)
