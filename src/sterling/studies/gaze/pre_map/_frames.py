"""Frames with fixations by profile: synthetic advertisements, or a folder of real gaze."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sterling.errors import InputError, quoted
from sterling.gaze.datasets import GazeFolder
from sterling.pictures import read_pixels

PICTURE = 64
"""Side of the pictures that networks see."""
AD = (160, 90)
"""Width and height of a synthetic advertisement."""
PROFILES = {"looks at faces": (0.15, 0.6, 0.15), "looks at products": (0.45, 0.1, 0.35)}
"""Shares of the fixations on product, face and text (our choice); a tenth is near the centre."""
CENTRE_SHARE = 0.1
VIEWERS = 6
"""Viewers of each profile on a frame."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GazeSet:
    """Frames of one size, and who looked where.

    Attributes:
        pictures: Frames as networks see them, (S, 3, 64, 64) in [0, 1].
        size: Width and height of the frames in pixels.
        names: Name of each frame.
        profiles: Names of the profiles.
        paths: Fixations in order, (F, 2) each, by frame, profile and viewer.
        densities: The density that fixations were drawn from, (S, profiles, H, W); None of real
            gaze, where it is not known.
    """

    pictures: Tensor
    size: tuple[int, int]
    names: Sequence[str]
    profiles: Sequence[str]
    paths: Sequence[Sequence[Sequence[Floats]]]
    densities: Floats | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def sigma(self) -> float:
        """Standard deviation of a fixation's Gaussian: 3 % of the width."""
        return 0.03 * self.size[0]

    def seen_by(self, frame: int) -> list[int]:
        """Profiles with a fixation on a frame."""
        return [profile for profile, paths in enumerate(self.paths[frame]) if len(paths)]

    def fixations(self, frame: int, profile: int) -> Floats:
        """Fixations of a profile on a frame, (F, 2)."""
        return np.concatenate(self.paths[frame][profile])

    def everyone(self, frame: int) -> Floats:
        """Fixations of all profiles on a frame, (F, 2)."""
        return np.concatenate([self.fixations(frame, each) for each in self.seen_by(frame)])

    def only(self, frames: Sequence[int]) -> "GazeSet":
        """Keep some frames."""
        return GazeSet(
            self.pictures[list(frames)],
            self.size,
            [self.names[each] for each in frames],
            self.profiles,
            [self.paths[each] for each in frames],
            None if self.densities is None else self.densities[list(frames)],
        )


def draw_ads(count: int, rng: np.random.Generator) -> GazeSet:
    """Draw advertisements with a product, a face and a text, and gaze from known densities.

    Each profile looks at the three with its own shares. Every viewer has 6 to 12 fixations.
    """
    pictures, paths, densities = [], [], []
    for _ in range(count):
        picture, places = _ad(rng)
        known = np.stack([_density(places, shares) for shares in PROFILES.values()])
        pictures.append(cv2.resize(picture, (PICTURE, PICTURE), interpolation=cv2.INTER_AREA))
        densities.append(known)
        paths.append(
            [
                [draw_points(density, int(rng.integers(6, 13)), rng) for _ in range(VIEWERS)]
                for density in known
            ]
        )
    stacked = torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2).copy()).float()
    names = [f"ad {index}" for index in range(count)]
    return GazeSet(stacked, AD, names, list(PROFILES), paths, np.stack(densities))


def draw_points(density: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Draw points from a density over pixels: x and y, (count, 2)."""
    columns = density.shape[1]
    cells = rng.choice(density.size, count, p=density.ravel() / density.sum())
    corner = np.stack([cells % columns, cells // columns], axis=1)
    return np.asarray(corner + rng.random((count, 2)))


def read_frames(folder: GazeFolder) -> GazeSet:
    """Frames of a folder of real gaze; every viewer is a profile.

    Raises:
        InputError: Viewers are not known, there are fewer than two of them on a frame, or fewer
            than ten frames of one size.
    """
    seen = folder.fixations
    if len(seen.viewers) < 2 or len(seen.stimuli) < 10:
        raise InputError(
            f"{folder.path}: {len(seen.viewers)} viewers and {len(seen.stimuli)} stimuli; profiles "
            "need two viewers whose names are known, and ten stimuli"
        )
    sizes = {seen.size(name) for name in seen.stimuli}
    if len(sizes) > 1:
        raise InputError(f"{folder.path}: stimuli of {len(sizes)} sizes; give those of one size")
    viewers = seen.viewers
    pictures, paths = [], []
    for name in seen.stimuli:
        found = seen.scanpaths(name)
        if len(found) < 2:
            raise InputError(
                f"{folder.path}: stimulus {quoted(name)} has fixations of one viewer; the ceiling "
                "needs two, so leave it out"
            )
        pictures.append(_thumbnail(folder.stimuli[name]))
        paths.append([[found[one][:, :2]] if one in found else [] for one in viewers])
    stacked = torch.from_numpy(np.stack(pictures)).float()
    return GazeSet(stacked, sizes.pop(), seen.stimuli, viewers, paths)


def _thumbnail(path: Path) -> Floats:
    pixels = np.ascontiguousarray(read_pixels(path).transpose(1, 2, 0))
    small = cv2.resize(pixels, (PICTURE, PICTURE), interpolation=cv2.INTER_AREA)
    return np.asarray(small.transpose(2, 0, 1) / 255.0)


def _ad(rng: np.random.Generator) -> tuple[Floats, list[tuple[Floats, Floats]]]:
    """An advertisement (H, W, 3) in [0, 1]; centre and standard deviation of its three patches."""
    width, height = AD
    noise = cv2.resize(rng.random((5, 8, 3)), AD, interpolation=cv2.INTER_CUBIC)
    picture = np.ascontiguousarray((0.25 + 0.5 * rng.random(3) + 0.3 * (noise - 0.5)).clip(0, 1))
    halves = [np.array([13, 13]), np.array([10, 13]), np.array([22, 8])]
    places: list[Floats] = []
    while len(places) < 3:
        half = halves[len(places)]
        at = half + rng.random(2) * (np.array([width, height]) - 2 * half)
        apart = [
            np.abs(at - one) - half - other for one, other in zip(places, halves, strict=False)
        ]
        if all((gap > 2).any() for gap in apart):
            places.append(at)
        elif rng.random() < 0.02:
            places = []  # the patches before leave no room
    product, face, text = ((int(x), int(y)) for x, y in places)
    hue = rng.random(3)
    cv2.rectangle(picture, _moved(product, -12, -12), _moved(product, 12, 12), hue.tolist(), -1)
    cv2.circle(picture, product, 7, (1 - hue).tolist(), -1)
    skin = (np.array([0.85, 0.65, 0.5]) * rng.uniform(0.6, 1.1)).clip(0, 1).tolist()
    cv2.ellipse(picture, face, (9, 12), 0, 0, 360, skin, -1)
    for side in (-4, 4):
        cv2.circle(picture, _moved(face, side, -3), 1, (0.1, 0.1, 0.1), -1)
    cv2.line(picture, _moved(face, -3, 6), _moved(face, 3, 6), (0.6, 0.1, 0.1), 1)
    ink = [float(rng.random() < 0.5)] * 3
    for line in (-6, -2, 2, 6):
        for start in range(-20, 18, 4):
            if rng.random() < 0.8:
                cv2.line(picture, _moved(text, start, line), _moved(text, start + 2, line), ink, 1)
    return picture, [(at, half / 2) for at, half in zip(places, halves, strict=True)]


def _moved(at: tuple[int, int], x: int, y: int) -> tuple[int, int]:
    return at[0] + x, at[1] + y


def _density(places: Sequence[tuple[Floats, Floats]], shares: Sequence[float]) -> Floats:
    """Mixture of Gaussians at the patches and one at the centre, (H, W), summing to 1."""
    width, height = AD
    y, x = np.mgrid[0:height, 0:width] + 0.5
    centre = np.array([width, height]) / 2, np.array([width, height]) / 4
    total = np.zeros((height, width))
    for (at, deviation), share in zip([*places, centre], [*shares, CENTRE_SHARE], strict=True):
        bump = np.exp(-(((x - at[0]) / deviation[0]) ** 2 + ((y - at[1]) / deviation[1]) ** 2) / 2)
        total += share * bump / bump.sum()
    return np.asarray(total / total.sum())
