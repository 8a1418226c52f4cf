"""One repetition: an encoder, two networks, names for their units, and checks of these names."""

import json
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from sterling.explain import NeuronExplanation
from sterling.explain.neurons.activations import Activations, record_activations
from sterling.explain.neurons.explanation import explain_activations
from sterling.explain.neurons.patches import patch_strip
from sterling.explain.neurons.scores import cosine_cubed, rank_reorder, soft_wpmi, wpmi
from sterling.explain.neurons.verification import (
    METRICS,
    ablated,
    class_accuracy,
    selectivity,
    simulation_score,
)
from sterling.measure import Rate
from sterling.runs import Cell, Row
from sterling.storage import write_atomically
from sterling.studies.explain.neuron_explanation._encoder import (
    SceneEncoder,
    train_encoder,
    zero_shot,
)
from sterling.studies.explain.neuron_explanation._networks import (
    CLASSES,
    LEARNED,
    PLANTED,
    SceneNetwork,
    SceneTransformer,
    train_network,
)
from sterling.studies.explain.neuron_explanation._scenes import (
    DEPICTION,
    Scenes,
    draw_scenes,
    phrases,
)
from sterling.studies.explain.neuron_explanation._settings import NeuronExplanationConfig
from sterling.study import row

MEAN_DIFFERENCE, SOFT, WPMI, CUBED, REORDER = (
    "mean difference",
    "soft-WPMI",
    "WPMI",
    "cubed cosine",
    "rank reorder",
)
SCORES = {SOFT: soft_wpmi, WPMI: wpmi, CUBED: cosine_cubed, REORDER: rank_reorder}
PLANTED_UNITS, LEARNED_UNITS = "planted detectors", "channels of the CNN"
TRANSFORMER, UNTRAINED = "features of the transformer", "channels of an untrained CNN"
RANDOM = "units of random patches"
ALONE = "planted detectors, no channel beside them"
KINDS = (PLANTED_UNITS, LEARNED_UNITS, TRANSFORMER, UNTRAINED, RANDOM)
FOUND, CHANCE = "name found", "random phrase"
LAYER = "units"


def explain(config: NeuronExplanationConfig, cell: Cell) -> list[Row]:
    """Everything of one repetition."""
    rng = np.random.default_rng([cell.seed, 0])
    named_on, checked_on = (draw_scenes(config.scenes, rng) for _ in range(2))
    encoder = train_encoder(config.encoder_steps, cell.seed)
    network = train_network(SceneNetwork, config.network_steps, cell.seed)
    transformer = train_network(SceneTransformer, config.network_steps, cell.seed)
    rows = [
        row("zero-shot accuracy", value, words=kind)
        for kind, value in zero_shot(encoder, checked_on).items()
    ]

    def named(seen: Activations) -> list[NeuronExplanation]:
        return explain_activations(
            seen,
            named_on.pictures,
            phrases(),
            encoder,
            alpha=config.alpha,
            draws=config.draws,
            seed=cell.seed,
        )

    def recorded(some: nn.Module, layer: str, units: range | None = None) -> Activations:
        chosen = None if units is None else np.array(units)
        return record_activations(some, layer, named_on.pictures, units=chosen, top=config.top)

    seen = recorded(network, LAYER)
    found = named(seen)
    learned, planted = found[:LEARNED], found[LEARNED:]
    untrained = train_network(SceneNetwork, 0, cell.seed)
    kinds = {
        PLANTED_UNITS: planted,
        LEARNED_UNITS: learned,
        TRANSFORMER: named(recorded(transformer, "blocks.1")),
        UNTRAINED: named(recorded(untrained, LAYER, range(LEARNED))),
        RANDOM: named(_random(seen, config, rng)),
    }
    for kind, units in kinds.items():
        alive = [one for one in units if not one.dead]
        if alive:
            rows.append(
                row(
                    "named",
                    Rate(sum(one.name is not None for one in alive), len(alive)),
                    units=kind,
                )
            )
        rows.append(row("dead", Rate(len(units) - len(alive), len(units)), units=kind))
    rows += _recovered(planted, seen, named_on, encoder)
    rows += _ablations(network, learned, checked_on)
    alone = train_network(partial(SceneNetwork, learned=False), config.network_steps, cell.seed)
    selective = _selectivities(alone, range(LEARNED, LEARNED + len(PLANTED)), checked_on)
    own = [selective[place, place] for place in range(len(PLANTED))]
    rows.append(row("selectivity", float(np.mean(own)), units=ALONE))
    rows += _checks(network, found, checked_on, encoder, rng)
    if cell.repetition == 0:
        _write_patches(cell, named_on, found)
    return rows


def _random(
    seen: Activations, config: NeuronExplanationConfig, rng: np.random.Generator
) -> Activations:
    """Units whose patches are drawn at random, with boxes of the size that real ones have."""
    count, sides = config.random_units, seen.boxes[..., 2:] - seen.boxes[..., :2]
    shape = (count, config.top)
    size = sides.reshape(-1, 2)[rng.integers(0, sides[..., 0].size, shape)]
    corner = rng.integers(0, 32 - size + 1)
    return Activations(
        RANDOM,
        np.arange(count),
        rng.random((config.scenes, count)).astype(np.float32),
        rng.integers(0, config.scenes, shape),
        np.concatenate([corner, corner + size], axis=2),
    )


def _recovered(
    planted: Sequence[NeuronExplanation], seen: Activations, scenes: Scenes, encoder: SceneEncoder
) -> list[Row]:
    """Planted detectors whose best phrase is their word, by score, and whether scores agree."""
    right = [one.name == word for one, word in zip(planted, PLANTED, strict=True)]
    rows = [row("planted word first", Rate(sum(right), len(right)), score=MEAN_DIFFERENCE)]
    with torch.no_grad():
        pictures, text = encoder.images(scenes.pictures), encoder.texts(phrases())
    values = torch.from_numpy(seen.values)
    best = [one.best[0][0] for one in planted]
    for name, score in SCORES.items():
        chosen = score(pictures, text, values)[LEARNED:].argmax(1)
        words = [phrases()[int(place)] for place in chosen]
        hits = sum(word == wanted for word, wanted in zip(words, PLANTED, strict=True))
        rows.append(row("planted word first", Rate(hits, len(words)), score=name))
        alike = sum(one == other for one, other in zip(words, best, strict=True))
        rows.append(row("agreement", Rate(alike, len(words)), score=name))
    return rows


def _ablations(
    network: nn.Module, learned: Sequence[NeuronExplanation], scenes: Scenes
) -> list[Row]:
    """Selectivity of each planted detector for its word's classes, beside the learned channels."""
    alive = [one.unit for one in learned if not one.dead]
    selective = _selectivities(network, [*range(LEARNED, LEARNED + len(PLANTED)), *alive], scenes)
    own = [selective[place, place] for place in range(len(PLANTED))]
    rest = selective[len(PLANTED) :]
    above = [bool(mine > np.quantile(rest[:, place], 0.95)) for place, mine in enumerate(own)]
    accuracy = class_accuracy(network, scenes.pictures, scenes.labels, CLASSES)
    return [
        row("accuracy", float(np.nanmean(accuracy))),
        row("selectivity", float(np.mean(own)), units=PLANTED_UNITS),
        row("selectivity", float(rest.mean()), units=LEARNED_UNITS),
        row("above the 95th percentile", Rate(sum(above), len(above))),
    ]


def _selectivities(network: nn.Module, units: Sequence[int], scenes: Scenes) -> NDArray[np.float64]:
    """Selectivity of each unit for the classes of each planted word, (units, words)."""
    pictures, labels = scenes.pictures, scenes.labels
    before = class_accuracy(network, pictures, labels, CLASSES)
    classes = [np.unique(labels.numpy()[scenes.present(word)]).tolist() for word in PLANTED]
    found = []
    for unit in units:
        with ablated(network, LAYER, unit):
            after = class_accuracy(network, pictures, labels, CLASSES)
        found.append([selectivity(before, after, some) for some in classes])
    return np.array(found)


def _checks(
    network: nn.Module,
    found: Sequence[NeuronExplanation],
    scenes: Scenes,
    encoder: SceneEncoder,
    rng: np.random.Generator,
) -> list[Row]:
    """Fit of names to responses to other scenes, beside a random and a constant phrase."""
    units = np.array([one.unit for one in found if one.name is not None])
    if not len(units):
        return []
    values = record_activations(network, LAYER, scenes.pictures, units=units, top=1).values
    names = [one.name for one in found if one.name is not None]
    with torch.no_grad():
        similar = (encoder.images(scenes.pictures) @ encoder.texts(names).T).double().numpy()
    rows = []
    for metric, measured in METRICS.items():
        told: dict[str, list[float]] = {FOUND: [], CHANCE: [], DEPICTION: []}
        for column, name in enumerate(names):
            response = values[:, column].astype(np.float64)
            for kind, phrase in (
                (FOUND, name),
                (CHANCE, str(rng.choice(phrases()))),
                (DEPICTION, DEPICTION),
            ):
                told[kind].append(measured(response, scenes.present(phrase)))
        rows += [row(metric, float(np.mean(each)), description=kind) for kind, each in told.items()]
    simulated = [
        simulation_score(similar[:, column], values[:, column].astype(np.float64))
        for column in range(len(names))
    ]
    return [*rows, row("simulation", float(np.nanmean(simulated)))]


def _write_patches(cell: Cell, scenes: Scenes, found: Sequence[NeuronExplanation]) -> None:
    """Patches of every unit that is alive, into the run's ``patches/``."""
    folder = cell.run.folder
    (folder / "patches").mkdir(exist_ok=True)
    items = []
    for one in found:
        if one.dead:
            continue
        file = f"patches/{one.unit:02d}.png"
        Image.fromarray(patch_strip(scenes.pictures, one)).save(folder / file)
        planted = f" (planted: {PLANTED[one.unit - LEARNED]})" if one.unit >= LEARNED else ""
        items.append(
            {
                "images": [file],
                "text": f"unit {one.unit}{planted}: {', '.join(one.names) or 'no name'}",
            }
        )
    write_atomically(folder / "patches.json", json.dumps(items))
