"""LWAU: does each layer want an inner rate of its own, and which layers need to adapt?

Qin et al., "Layer-wise Adaptive Updating for Few-Shot Image Classification" (IEEE Signal Processing
Letters 2020). Every seed draws its own pictures, classes and weights; within a seed every arm sees
the same tasks. Checkpoint and step are chosen on validation classes, where the released code takes
the best of both on the classes under test.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from sterling.adapt import (
    FunctionalModel,
    GradientLearner,
    LearnedRates,
    Learner,
    ProtoNet,
    Reptile,
    anil,
    fomaml,
    freeze_bottom,
    layered,
    lwau,
    maml,
    meta_sgd,
)
from sterling.image.backbones import BACKBONES, Backbone
from sterling.runs import Run, derive_seed
from sterling.scale.backends import in_processes
from sterling.studies.image._few_shot import (
    FewShotConfig,
    class_parts,
    draws_of,
    judge_at,
    trial,
)
from sterling.study import (
    Claim,
    Figure,
    Findings,
    Study,
    Table,
    bars_over_seeds,
    bounded_above,
    lines,
    metric_over_seeds,
    positive,
    row_over_seeds,
)

SHARES = (("train", 0.6), ("validation", 0.15), ("test", 0.25))
LAYERS = ("block1", "block2", "block3", "block4", "head")
PIXELS, PROTONET, ONE_RATE = "nearest centroid of pixels", "ProtoNet", "MAML, one learned rate"
FROZEN = ("LWAU", "MAML")  # arms that layers are frozen in
FREE = 0.01  # ours: what freezing may cost and still be called free
ELASTIC = 1e-3  # released code, beside a loss of another scale: see `lwau`

PUBLISHED = (
    ("MAML", 48.70, 63.11),
    ("Meta-SGD", 50.47, 64.03),
    ("LWAU", 49.93, 64.85),
)


class LwauConfig(FewShotConfig):
    """Configuration of the study; fields in common are `FewShotConfig`'s.

    Attributes:
        backbone: Of every arm.
        penalty: Whether LWAU's elastic penalty of the weights is in the outer loss.
    """

    backbone: Backbone = "conv4"
    penalty: bool = True


def measure(config: LwauConfig, run: Run) -> Findings:
    """Train every arm on every seed, freeze layers, and test the claims."""
    class_parts(config, SHARES, _seed(run, 0))  # refused here, before processes start
    calls = [(config, run, seed, arm) for seed in range(config.seeds) for arm in (PIXELS, *ARMS)]
    results: dict[str, list[dict[str, Any]]] = {arm: [] for arm in (PIXELS, *ARMS)}
    for (_, _, _, arm), result in zip(calls, in_processes(_one, calls, "learners"), strict=True):
        results[arm].append(result)
    source = results[PIXELS][0]["source"]
    return Findings(
        scope=f"Data: {source}, {config.ways} ways, {config.shots} shots, "
        f"{config.backbone} of width {config.width} on {config.size} × {config.size} pixels. "
        f"Networks trained here for {config.iterations} iterations: rates say nothing about other "
        "data.",
        not_scored=0,
        metrics=[
            metric_over_seeds(f"accuracy: {arm}", "rate", [one["accuracy"] for one in own])
            for arm, own in results.items()
        ],
        claims=_claims(results),
        tables=[_accuracy_table(results), _rates_table(results), _published_table(config)],
        figures=_figures(results),
    )


def _seed(run: Run, index: int) -> int:
    return derive_seed(run.seed, "few-shot", index) % 2**31


# One arm on one seed


def _one(config: LwauConfig, run: Run, index: int, arm: str) -> dict[str, Any]:
    torch.set_num_threads(1)
    compute = partial(_compute, config, _seed(run, index), arm)
    result: dict[str, Any] = run.stage(f"{index}-{arm}", compute)
    return result


def _compute(config: LwauConfig, seed: int, arm: str) -> dict[str, Any]:
    parts = class_parts(config, SHARES, seed)
    draws = draws_of(config, parts, config.shots, seed)
    if arm == PIXELS:
        judged = judge_at(config, ProtoNet(nn.Flatten()), draws["test"])
        return {"accuracy": float(judged.accuracy.mean()), "source": parts["test"].source}
    channels = parts["test"].images.shape[1]
    outputs = None if arm == PROTONET else config.ways
    network = BACKBONES[config.backbone](
        outputs, channels=channels, size=config.size, width=config.width, seed=seed
    )
    learner = ARMS[arm](config, layered(network), seed)
    result: dict[str, Any] = trial(config, [learner], draws).record()
    if arm in FROZEN and isinstance(learner, GradientLearner):
        result["frozen"] = [result["accuracy"]]
        for layers in range(1, len(LAYERS)):
            judged = judge_at(config, freeze_bottom(learner, layers), draws["test"])
            result["frozen"].append(float(judged.accuracy[:, result["step"]].mean()))
    if isinstance(learner, GradientLearner) and isinstance(learner.rates, LearnedRates):
        result["rates"] = {name: values[0] for name, values in learner.rates.table().items()}
    return result


def _lwau(config: LwauConfig, model: FunctionalModel, seed: int) -> Learner:
    weight = ELASTIC * config.shots / (config.ways * config.queries)
    return lwau(
        model,
        config.rate,
        steps=config.steps,
        test_steps=config.test_steps,
        penalty=weight if config.penalty else 0.0,
        seed=seed,
    )


def _one_rate(config: LwauConfig, model: FunctionalModel, _seed: int) -> Learner:
    rates = LearnedRates(model, "model", config.rate)
    return GradientLearner(model, rates, config.steps, config.test_steps)


def _anil(config: LwauConfig, model: FunctionalModel, _seed: int) -> Learner:
    return anil(model, "head", config.rate, steps=config.steps, test_steps=config.test_steps)


ARMS: Mapping[str, Callable[[LwauConfig, FunctionalModel, int], Learner]] = {
    "LWAU": _lwau,
    "MAML": lambda config, model, _: maml(
        model, config.rate, steps=config.steps, test_steps=config.test_steps
    ),
    ONE_RATE: _one_rate,
    "FOMAML": lambda config, model, _: fomaml(
        model, config.rate, steps=config.steps, test_steps=config.test_steps
    ),
    "Meta-SGD": lambda config, model, _: meta_sgd(model, config.rate),
    "ANIL": _anil,
    "Reptile": lambda config, model, _: Reptile(
        model, config.rate, config.steps, config.test_steps
    ),
    PROTONET: lambda _config, model, _: ProtoNet(nn.Sequential(model.module, nn.Flatten())),
}


# Claims


def _claims(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Claim]:
    def accuracy(arm: str) -> list[float]:
        return [one["accuracy"] for one in results[arm]]

    def lead(arm: str, other: str) -> list[float]:
        return [a - b for a, b in zip(accuracy(arm), accuracy(other), strict=True)]

    def rates(layer: str) -> list[float]:
        return [abs(one["rates"][layer]) for one in results["LWAU"]]

    def cost(arm: str, layers: int) -> list[float]:
        return [one["frozen"][0] - one["frozen"][layers] for one in results[arm]]

    below = [max(rates(layer)[row] for layer in LAYERS[:-1]) for row in range(len(results["LWAU"]))]
    lowest = [min(rates(layer)[row] for layer in LAYERS[1:]) for row in range(len(results["LWAU"]))]
    return [
        positive(
            "adaptation_helps",
            "LWAU classifies classes that it never saw better after adaptation than before.",
            [one["accuracy"] - one["start"] for one in results["LWAU"]],
        ),
        positive(
            "learning_beats_pixels",
            f"LWAU is more accurate than the {PIXELS}.",
            lead("LWAU", PIXELS),
        ),
        positive(
            "layers_beat_a_fixed_rate",
            "LWAU is more accurate than MAML with one fixed rate.",
            lead("LWAU", "MAML"),
            paper="Conv-4, 1 and 5 shots: +1.2 and +1.7 points",
        ),
        positive(
            "layers_beat_one_learned_rate",
            "LWAU is more accurate than MAML with one learned rate for all layers.",
            lead("LWAU", ONE_RATE),
        ),
        positive(
            "bottom_rate_is_smallest",
            "The bottom layer's learned rate is the smallest (least of the others minus it).",
            [least - bottom for least, bottom in zip(lowest, rates("block1"), strict=True)],
            paper="bottom layers hardly need to adapt",
        ),
        positive(
            "top_rate_is_largest",
            "The head's learned rate is the largest (it minus the largest below).",
            [top - largest for top, largest in zip(rates("head"), below, strict=True)],
            paper="the learner mainly updates its top layer",
        ),
        bounded_above(
            "freezing_two_blocks_is_free",
            f"Without adaptation of its two bottom blocks LWAU loses at most {100 * FREE:g} point.",
            cost("LWAU", 2),
            FREE,
            paper="no loss up to three blocks",
        ),
        bounded_above(
            "freezing_three_blocks_is_free",
            "Without adaptation of its three bottom blocks LWAU loses at most "
            f"{100 * FREE:g} point.",
            cost("LWAU", 3),
            FREE,
            paper="no loss up to three blocks",
        ),
        positive(
            "freezing_costs_maml_more",
            "Without adaptation of three blocks MAML loses more than LWAU (difference).",
            [a - b for a, b in zip(cost("MAML", 3), cost("LWAU", 3), strict=True)],
            paper="5 shots: MAML loses 2.4 points, LWAU nothing",
        ),
    ]


# Tables and figures


def _accuracy_table(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> Table:
    return Table(
        name="accuracy",
        title="Accuracy on classes never seen",
        columns=["learner", "accuracy", "low", "high", "before adaptation", "steps", "iterations"],
        rows=[
            [
                arm,
                *row_over_seeds([one["accuracy"] for one in own]),
                *(
                    [None, "-", "-"]
                    if arm == PIXELS
                    else [
                        row_over_seeds([one["start"] for one in own])[0],
                        ", ".join(str(one["step"]) for one in own),
                        ", ".join(str(one["iteration"]) for one in own),
                    ]
                ),
            ]
            for arm, own in results.items()
        ],
        caption="Mean over seeds with its 95 % interval. Steps of adaptation and iterations of "
        "meta-training were chosen on validation classes, one for each seed.",
    )


def _rates_table(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> Table:
    return Table(
        name="rates",
        title="Learned rate of each layer",
        columns=["layer", "rate", "low", "high"],
        rows=[
            [layer, *row_over_seeds([one["rates"][layer] for one in results["LWAU"]])]
            for layer in LAYERS
        ],
        caption="LWAU's, on the mean loss of a task; all start at the configured rate.",
    )


def _published_table(config: LwauConfig) -> Table:
    return Table(
        name="published",
        title="What the paper reports, in another setting",
        columns=["method", "1 shot, %", "5 shots, %"],
        rows=[[name, one, five] for name, one, five in PUBLISHED],
        caption="Conv-4 on mini-ImageNet, 84 × 84 pixels, 64 / 16 / 20 classes, 5 ways, 60,000 "
        f"iterations, 600 test tasks. Not comparable with this run of {config.iterations}.",
    )


def _figures(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Figure]:
    frozen = {
        arm: [
            sum(one["frozen"][layers] for one in results[arm]) / len(results[arm])
            for layers in range(len(LAYERS))
        ]
        for arm in FROZEN
    }
    return [
        bars_over_seeds(
            "rates",
            "Learned rate of each layer",
            "LWAU's inner rates after meta-training, mean over seeds with 95 % intervals.",
            {layer: [one["rates"][layer] for one in results["LWAU"]] for layer in LAYERS},
            value_label="inner rate",
        ),
        lines(
            "frozen",
            "Accuracy with frozen layers",
            "Accuracy against how many layers from the bottom do not adapt, mean over seeds.",
            list(range(len(LAYERS))),
            frozen,
            labels=("layers that do not adapt", "accuracy"),
        ),
    ]


LWAU_STUDY = Study(
    name="lwau",
    summary="Inner rates by layer in meta-learning, and which layers need to adapt.",
    domain="image",
    cite="qin2020layerwise",
    presets={
        "smoke": LwauConfig(
            classes=40,
            size=16,
            width=4,
            queries=2,
            steps=1,
            test_steps=2,
            iterations=3,
            tasks=1,
            checks=2,
            validation_tasks=2,
            test_tasks=6,
            seeds=2,
        ),
        "quick": LwauConfig(),
        "paper": LwauConfig(
            size=84,
            width=32,
            queries=15,
            rate=0.05,
            steps=5,
            test_steps=10,
            iterations=60_000,
            learning_rate=1e-3,
            checks=60,
            validation_tasks=600,
            test_tasks=600,
            seeds=5,
        ),
    },
    measure=measure,
)
