"""Evidence of `sterling explain neurons`: a table of names, and patches of every unit."""

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
from torch import Tensor

from sterling.explain import NeuronExplanation
from sterling.explain.neurons.patches import patch_strip
from sterling.measure import Rate
from sterling.storage import write_atomically
from sterling.study import Figure, Findings, Table, metric_of_rate


def neuron_findings(
    found: Sequence[NeuronExplanation],
    pictures: Tensor,
    names: Sequence[str],
    refused: int,
    phrases: int,
    alpha: float,
    out: Path,
) -> Findings:
    """Turn explanations into findings, with patches below ``out/patches``.

    Args:
        found: Explanations of the units.
        pictures: Pictures that they were made on.
        names: Paths of the pictures.
        refused: Number of pictures that could not be read.
        phrases: Number of phrases of the vocabulary.
        alpha: Share of wrong names allowed.
        out: Run folder.
    """
    alive = [one for one in found if not one.dead]
    named = sum(one.name is not None for one in alive)
    body = [
        [
            one.unit,
            "dead" if one.dead else ", ".join(one.names) or "none",
            None if one.dead else one.score,
            None if one.dead else one.margin,
            None if one.dead else one.p_value,
            "; ".join(one.clusters),
            "; ".join(f"{phrase} {score:.2f}" for phrase, score in one.best[:3]),
            ", ".join(names[picture] for picture in one.pictures[:3]),
        ]
        for one in found
    ]
    columns = ["unit", "names", "score", "margin", "p", "kinds", "best phrases", "first pictures"]
    table = Table(
        name="units",
        title="Units and their names",
        columns=columns,
        rows=body,
        caption="Score: standard deviations above patches drawn at random. p: probability that "
        "random patches fit any phrase as well. No name can be better than the encoder.",
    )
    return Findings(
        scope=f"{len(pictures):,} pictures and {phrases:,} phrases of the user's own; at most "
        f"{100 * alpha:g} % of the names are expected to be given by chance.",
        not_scored=refused,
        metrics=[metric_of_rate("units with a name", Rate(named, len(alive)))] if alive else [],
        claims=[],
        tables=[table],
        figures=[_gallery(alive, pictures, out)] if alive else [],
    )


def _gallery(alive: Sequence[NeuronExplanation], pictures: Tensor, out: Path) -> Figure:
    (out / "patches").mkdir(parents=True, exist_ok=True)
    items = []
    for one in alive:
        file = f"patches/{one.unit}.png"
        cv2.imwrite(str(out / file), patch_strip(pictures, one)[..., ::-1])
        items.append(
            {"images": [file], "text": f"unit {one.unit}: {', '.join(one.names) or 'none'}"}
        )
    write_atomically(out / "patches.json", json.dumps(items))
    return Figure(
        name="patches",
        title="Patches that excite each unit most",
        kind="gallery",
        caption="In order of activation.",
        data={"items": "patches.json"},
    )
