"""Pictures next to what their concept sets say of them."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from sterling.explain import calibrate_concept_sets
from sterling.storage import write_atomically
from sterling.studies.explain.senn_conformal._set_audit import Evaluated
from sterling.study import Figure

GALLERY_SIZE = 16


def write_gallery(items: Evaluated, epsilon: float, folder: Path, source: str) -> int:
    """Write pictures with their sets, as many undecided as decided ones.

    Args:
        items: The items, as images with values in [0, 1]; others give no gallery.
        epsilon: Error level of the concept sets, calibrated on the first resplit.
        folder: Run folder; pictures go to its ``gallery/``.
        source: Name of the data.

    Returns:
        Number of pictures.
    """
    inputs, one = items.data.inputs, items.resplits[0]
    if inputs.ndim != 4:
        return 0
    h, concepts = items.explained.scores, items.data.concepts
    rule = calibrate_concept_sets(items.joint_score, h[one.first], concepts[one.first], epsilon)
    values = rule.values(h[one.test])
    undecided = values.all(axis=2).sum(axis=1)
    decided = np.flatnonzero(undecided == 0)[: GALLERY_SIZE // 2]
    shown = np.concatenate([decided, np.argsort(-undecided)])[:GALLERY_SIZE]
    names = np.array(items.data.names)
    (folder / "gallery").mkdir(exist_ok=True)
    found = []
    for place, row in enumerate(shown.tolist()):
        item = one.test[row]
        pixels = (255 * inputs[item]).astype(np.uint8)
        picture = np.moveaxis(np.broadcast_to(pixels, (3, *pixels.shape[1:])), 0, -1)
        file = f"gallery/{source}-{place:02d}.png"
        Image.fromarray(np.ascontiguousarray(picture)).save(folder / file)
        present = ", ".join(names[values[row, :, 1] & ~values[row, :, 0]])
        open_ = ", ".join(names[values[row].all(axis=1)])
        covered = rule.covers(h[[item]], concepts[[item]])[0]
        text = f"{'holds' if covered else 'MISSES'} the truth. Present: {present or 'nothing sure'}"
        if not values[row].any():
            text = "MISSES the truth: no concept vector fits"
        found.append({"images": [file], "text": text + (f". Open: {open_}" if open_ else "")})
    write_atomically(folder / _file(source), json.dumps(found))
    return len(found)


def gallery_figure(source: str) -> Figure:
    """Show the gallery of one source."""
    return Figure(
        name=f"gallery {source}",
        title=f"Explanations with their doubts, {source}",
        kind="gallery",
        caption="First repetition, first resplit: decided items, then the most undecided.",
        data={"items": _file(source)},
    )


def _file(source: str) -> str:
    return f"gallery/{source}.json"
