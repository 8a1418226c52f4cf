"""Pictures beside what their concept sets say of them."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sterling.explain.concept_sets import ConceptScore, calibrate_concept_sets
from sterling.studies.explain._set_audit import Judged

GALLERY_SIZE = 16


def write_gallery(
    judged: Judged, epsilon: float, folder: Path, prefix: str
) -> list[dict[str, Any]]:
    """Pictures with their sets, as many undecided as decided ones.

    Args:
        judged: The items, as images with values in [0, 1]; others give no gallery.
        epsilon: Error level of the concept sets, calibrated on the first resplit.
        folder: Run folder; pictures go to its ``gallery/``.
        prefix: Of the file names.

    Returns:
        Items of a figure of kind "gallery".
    """
    inputs = judged.data.inputs
    if inputs.ndim != 4:
        return []
    one = judged.resplits[0]
    h, concepts = judged.said.scores, judged.data.concepts
    score = ConceptScore((1.0,) * len(judged.data.names))
    rule = calibrate_concept_sets(score, h[one.first], concepts[one.first], epsilon)
    values = rule.values(h[one.test])
    undecided = values.all(axis=2).sum(axis=1)
    shown = np.concatenate(
        [np.flatnonzero(undecided == 0)[: GALLERY_SIZE // 2], np.argsort(-undecided)]
    )[:GALLERY_SIZE]
    names = np.array(judged.data.names)
    (folder / "gallery").mkdir(exist_ok=True)
    items = []
    for place, row in enumerate(shown.tolist()):
        item = one.test[row]
        pixels = (255 * inputs[item]).astype(np.uint8)
        picture = np.moveaxis(np.broadcast_to(pixels, (3, *pixels.shape[1:])), 0, -1)
        file = f"gallery/{prefix}-{place:02d}.png"
        Image.fromarray(np.ascontiguousarray(picture)).save(folder / file)
        present = ", ".join(names[values[row, :, 1] & ~values[row, :, 0]])
        open_ = ", ".join(names[values[row].all(axis=1)])
        covered = rule.covers(h[[item]], concepts[[item]])[0]
        text = f"{'holds' if covered else 'MISSES'} the truth. Present: {present or 'nothing sure'}"
        if not values[row].any():
            text = "MISSES the truth: no concept vector fits"
        items.append({"images": [file], "text": text + (f". Open: {open_}" if open_ else "")})
    return items
