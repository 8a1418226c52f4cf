"""Drawn people with exact masks, in the layout that captures are made of."""

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sterling.face.capture.recaptured import Portrait


def person(seed: int, *, height: int = 260, width: int = 240) -> Portrait:
    """A drawn head and shoulders before a textured wall, with its exact mask."""
    rng = np.random.default_rng(seed)
    wall = cv2.resize(rng.uniform(40, 220, (9, 9, 3)).astype(np.float32), (width, height))
    mask = np.zeros((height, width), np.uint8)
    middle = width // 2
    cv2.ellipse(mask, (middle, height), (int(0.36 * width), height // 3), 0, 0, 360, 255, -1)
    cv2.ellipse(mask, (middle, 105), (38, 50), 0, 0, 360, 255, -1)
    skin = rng.uniform(60, 230, 3) + rng.normal(0, 12, (height, width, 1))
    pixels = np.where(mask[..., None] > 0, skin, wall)
    for dx in (-15, 15):
        cv2.circle(pixels, (middle + dx, 95), 5, (20, 20, 20), -1)
    cv2.ellipse(pixels, (middle, 128), (14, 5), 0, 0, 360, (90, 30, 30), -1)
    box = (middle - 38.0, 60.0, middle + 38.0, 150.0)
    return Portrait(np.rint(pixels.clip(0, 255)).astype(np.uint8), box, mask, f"drawn {seed}")


def write_people(
    folder: Path, people: Sequence[Portrait], others: Sequence[NDArray[np.uint8]]
) -> None:
    """Write a folder that `read_material` reads; every person needs a mask."""
    listed: dict[str, list[dict[str, object]]] = {"people": [], "others": []}
    for name in listed:
        (folder / name).mkdir(parents=True)
    for number, one in enumerate(people):
        file = f"people/{number}.png"
        assert one.mask is not None
        cv2.imwrite(str(folder / file), np.dstack([one.pixels[..., ::-1], one.mask]))
        listed["people"].append({"file": file, "box": list(one.box), "source": one.source})
    for number, pixels in enumerate(others):
        file = f"others/{number}.png"
        cv2.imwrite(str(folder / file), pixels[..., ::-1])
        listed["others"].append({"file": file, "source": "drawn"})
    (folder / "material.json").write_text(json.dumps(listed))
