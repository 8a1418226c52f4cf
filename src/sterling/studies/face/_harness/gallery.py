"""Best system of a comparison, kept: the detector, and pictures of its hardest captures."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sterling.face.data import Faces
from sterling.face.pad import Detector
from sterling.measure import Scores, Threshold, threshold_at_eer
from sterling.storage import write_atomically
from sterling.study import Figure

ITEMS = "gallery/items.json"
GALLERY_SIZE = 18
CLIP_GALLERY_SIZE = 8


def keep_with_gallery(
    detector: Detector, faces: Faces, result: Mapping[str, Any], home: Path, *, source: str
) -> None:
    """Save a trained detector with its threshold, and picture what it finds hard.

    Args:
        detector: A detector whose network has maps.
        faces: Captures that it was trained and tested on, with RGB first.
        result: Its scores, as `train_and_score` returns them.
        home: Run folder; receives ``detector`` and ``gallery``.
        source: Name of the captures.
    """
    dev, test = faces.split("dev"), faces.split("test")
    threshold = threshold_at_eer(
        Scores(result["dev"], dev.manifest.bona_fide, item=dev.manifest.column("item")),
        source=f"{source}, development",
    )
    replace(detector, threshold=threshold).save_pretrained(home / "detector")
    items = _gallery(detector, test, result["test"], threshold, home)
    write_atomically(home / ITEMS, json.dumps(items))


def gallery_figure() -> Figure:
    """The gallery that `keep_with_gallery` left."""
    return Figure(
        name="gallery",
        title="Captures nearest to the threshold, errors first",
        kind="gallery",
        caption="First the capture, then the predicted depth map, of a clip all frames and maps; "
        "first repetition.",
        data={"items": ITEMS},
    )


def _gallery(
    detector: Detector, test: Faces, values: Sequence[float], threshold: Threshold, home: Path
) -> list[dict[str, Any]]:
    """The test captures nearest to the threshold, wrong answers first."""
    scores = np.asarray(values)
    wrong = (scores >= threshold.value) != test.manifest.bona_fide
    size = CLIP_GALLERY_SIZE if test.images.ndim == 5 else GALLERY_SIZE
    nearest = np.lexsort((np.abs(scores - threshold.value), ~wrong))[:size]
    shown = test.select(nearest)
    maps = detector.score_maps(shown.images)
    grey = (255 * maps / max(float(maps.max()), 1e-6)).astype(np.uint8)
    colour = shown.images[..., :3, :, :].movedim(-3, -1).numpy()
    (home / "gallery").mkdir(exist_ok=True)
    items = []
    for position, row in enumerate(nearest):
        names = [f"gallery/{position:02d}-capture.png", f"gallery/{position:02d}-depth.png"]
        Image.fromarray(_strip(colour[position], 3)).save(home / names[0])
        Image.fromarray(_strip(grey[position], 2)).save(home / names[1])
        species = str(shown.manifest.column("species")[position]).replace("_", " ")
        verdict = "accepted" if scores[row] >= threshold.value else "rejected"
        mark = "ERROR" if wrong[row] else "right"
        items.append(
            {
                "images": names,
                "text": f"{mark}: {species}, {verdict}, {scores[row]:.3f} "
                f"(threshold {threshold.value:.3f})",
            }
        )
    return items


def _strip(pictures: NDArray[np.uint8], single: int) -> NDArray[np.uint8]:
    """The frames of a clip side by side; a picture, of `single` axes, as it is."""
    return pictures if pictures.ndim == single else np.concatenate(list(pictures), axis=1)
