"""RAML: what do attention, and a representation of past knowledge, each add to meta-learning?

Qin et al., arXiv 1811.07545. Every seed draws its own pictures, classes and weights. The
representation is trained on classes that no task has, and every row with it has seen more data than
the others. The paper's attention, its representation (ResNet-50) and its data are not here; what
stands in their place is ours.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from pydantic import Field
from torch import nn

from sterling.adapt import (
    ChannelAttention,
    Learner,
    ProtoNet,
    attach,
    layered,
    maml,
    map_classifier,
)
from sterling.adapt.attention import Form
from sterling.image import LabelledImages, conv4
from sterling.image.prior_knowledge import Prior, maps_of, require_disjoint, train_representation
from sterling.runs import Run, derive_seed
from sterling.scale.backends import in_processes
from sterling.studies.image._old_few_shot import (
    Draws,
    PriorConfig,
    class_parts,
    draws_of,
    judge_at,
    prior_network,
    trial,
)
from sterling.study import (
    Claim,
    Findings,
    Study,
    Table,
    bars_over_seeds,
    metric_over_seeds,
    positive,
    row_over_seeds,
)

SHARES = (("prior", 0.3), ("train", 0.3), ("validation", 0.2), ("test", 0.2))
PIXELS, CENTROIDS = "nearest centroid of pixels", "nearest centroid of representations"
HEAD, RAML, URAML = "MAML on representation", "RAML", "RAML, prior without labels"
COMPETING = "RAML, channels compete"
NOISY_HEAD, NOISY_RAML = "MAML on representation, distracted", "RAML, distracted"
ARMS = (PIXELS, "MAML", "AML", CENTROIDS, HEAD, RAML, COMPETING, URAML, NOISY_HEAD, NOISY_RAML)
GROUPS: Mapping[str, tuple[str, ...]] = {
    "pixels": (PIXELS,),
    "MAML": ("MAML",),
    "AML": ("AML",),
    "labels": (CENTROIDS, HEAD, RAML, COMPETING, NOISY_HEAD, NOISY_RAML),
    "rotations": (URAML,),
}

PUBLISHED = (
    ("MAML", "Conv-4", 48.70, 63.11, "LWAU's table"),
    ("AML", "Conv-4", 52.25, 69.46, "recalled"),
    ("RAML", "ResNet-50, prior data", 63.66, 80.49, "recalled"),
)


class RamlConfig(PriorConfig):
    """Configuration of the study; fields in common are `FewShotConfig`'s and `PriorConfig`'s.

    Attributes:
        attention: Of AML and RAML: "softmax" lets channels compete, "sigmoid" does not.
        distractors: Channels of another picture's map beside each channel of a picture's own, in
            the distracted rows.
    """

    attention: Form = "sigmoid"
    distractors: int = Field(default=2, ge=1)


def measure(config: RamlConfig, run: Run) -> Findings:
    """Train every arm on every seed, and test the claims."""
    class_parts(config, SHARES, _seed(run, 0))  # refused here, before processes start
    calls = [(config, run, seed, group) for seed in range(config.seeds) for group in GROUPS]
    found = in_processes(_one, calls, "learners")
    seeds: list[dict[str, Any]] = [{} for _ in range(config.seeds)]
    for (_, _, seed, _), result in zip(calls, found, strict=True):
        seeds[seed].update(result)
    accuracy = {arm: [one[arm]["accuracy"] for one in seeds] for arm in ARMS}
    return Findings(
        scope=f"Data: {seeds[0]['source']}, {config.ways} ways, {config.shots} shots, "
        f"{config.size} × {config.size} pixels; prior knowledge from "
        f"{SHARES[0][1]:.0%} of the classes. Small networks trained here: rates say nothing about "
        "other data.",
        not_scored=0,
        metrics=[
            metric_over_seeds(f"accuracy: {arm}", "rate", own) for arm, own in accuracy.items()
        ],
        claims=_claims(accuracy),
        tables=[_accuracy_table(seeds), _prior_table(seeds), _published_table()],
        figures=[
            bars_over_seeds(
                "accuracy",
                "What each part adds",
                "Accuracy on classes never seen, mean over seeds with 95 % intervals.",
                accuracy,
                value_label="accuracy",
            )
        ],
    )


def _seed(run: Run, index: int) -> int:
    return derive_seed(run.seed, "few-shot", index) % 2**31


# One group of arms on one seed


def _one(config: RamlConfig, run: Run, index: int, group: str) -> dict[str, Any]:
    torch.set_num_threads(1)
    compute = partial(_compute, config, _seed(run, index), group)
    result: dict[str, Any] = run.stage(f"{index}-{group}", compute)
    return result


def _compute(config: RamlConfig, seed: int, group: str) -> dict[str, Any]:
    parts = dict(class_parts(config, SHARES, seed))
    prior = parts.pop("prior")
    require_disjoint(prior, *parts.values())
    if group in ("labels", "rotations"):
        return _with_prior(
            config, seed, "labels" if group == "labels" else "rotations", prior, parts
        )
    draws = draws_of(config, parts, config.shots, seed)
    if group == "pixels":
        result = _centroids(config, draws)
        return {PIXELS: result, "source": prior.source}
    channels = prior.images.shape[1]
    network = conv4(config.ways, channels=channels, size=config.size, width=config.width, seed=seed)
    if group == "AML":
        attach(network, "block4", ChannelAttention(config.width, form=config.attention, seed=seed))
    return {group: trial(config, [_maml(config, network, config.rate)], draws).record()}


def _with_prior(
    config: RamlConfig,
    seed: int,
    kind: Prior,
    prior: LabelledImages,
    parts: Mapping[str, LabelledImages],
) -> dict[str, Any]:
    representation = prior_network(config, prior.images.shape[1], seed)
    learned = train_representation(
        representation,
        prior,
        kind,
        steps=config.prior_steps,
        learning_rate=config.learning_rate,
        seed=seed,
    )
    maps = maps_of(representation, prior, parts)
    draws = draws_of(config, maps, config.shots, seed)
    results: dict[str, Any] = {
        f"prior {kind}": {"accuracy": learned, "classes": len(prior.names), "pictures": len(prior)}
    }
    if kind == "rotations":
        results[URAML] = _on_maps(config, seed, draws, config.attention)
    else:
        noisy = draws_of(config, _distracted(config, maps, seed), config.shots, seed)
        results |= {
            CENTROIDS: _centroids(config, draws),
            HEAD: _on_maps(config, seed, draws, None),
            RAML: _on_maps(config, seed, draws, config.attention),
            COMPETING: _on_maps(config, seed, draws, "softmax"),
            NOISY_HEAD: _on_maps(config, seed, noisy, None),
            NOISY_RAML: _on_maps(config, seed, noisy, config.attention),
        }
    return results


def _distracted(
    config: RamlConfig, maps: Mapping[str, LabelledImages], seed: int
) -> dict[str, LabelledImages]:
    """Every map with maps of other pictures behind it, which say nothing of its class."""
    draw = torch.Generator().manual_seed(seed)
    wider = {}
    for name, part in maps.items():
        beside = [
            part.images[torch.randperm(len(part), generator=draw)]
            for _ in range(config.distractors)
        ]
        joined = torch.cat([part.images, *beside], dim=1)
        wider[name] = LabelledImages(joined, part.labels, part.names, part.source)
    return wider


def _on_maps(config: RamlConfig, seed: int, draws: Draws, form: Form | None) -> dict[str, Any]:
    channels, side = draws["train"](0).support.shape[1:3]
    learners = [
        _maml(config, map_classifier(channels, side, config.ways, attention=form, seed=seed), rate)
        for rate in config.map_rates
    ]
    result = trial(config, learners, draws)
    return {**result.record(), "rate": config.map_rates[result.place]}


def _maml(config: RamlConfig, network: nn.Module, rate: float) -> Learner:
    return maml(layered(network), rate, steps=config.steps, test_steps=config.test_steps)


def _centroids(config: RamlConfig, draws: Draws) -> dict[str, Any]:
    judged = judge_at(config, ProtoNet(nn.Flatten()), draws["test"])
    return {"accuracy": float(judged.accuracy.mean())}


# Claims and tables


def _claims(accuracy: Mapping[str, Sequence[float]]) -> list[Claim]:
    def lead(arm: str, other: str) -> list[float]:
        return [a - b for a, b in zip(accuracy[arm], accuracy[other], strict=True)]

    return [
        positive(
            "attention_adds",
            "AML is more accurate than the same network without attention (MAML).",
            lead("AML", "MAML"),
            paper="Conv-4, 1 and 5 shots: +3.6 and +6.4 points (recalled)",
        ),
        positive(
            "representation_adds",
            "RAML is more accurate than AML, which has seen no prior data.",
            lead(RAML, "AML"),
            paper="1 and 5 shots: +11.4 and +11.0 points (recalled)",
        ),
        positive(
            "attention_adds_on_representation",
            "On the same frozen representation RAML is more accurate than without attention.",
            lead(RAML, HEAD),
        ),
        positive(
            "attention_passes_over_distractors",
            "Where maps of other pictures stand beside a picture's own, RAML is more accurate than "
            "the same without attention.",
            lead(NOISY_RAML, NOISY_HEAD),
        ),
        positive(
            "meta_learning_beats_centroids",
            f"RAML is more accurate than the {CENTROIDS}, which learns nothing from tasks.",
            lead(RAML, CENTROIDS),
        ),
        positive(
            "labels_beat_rotations",
            "Prior knowledge from labels gives more than prior knowledge without.",
            lead(RAML, URAML),
            paper="1 and 5 shots: +14 and +17 points (recalled)",
        ),
    ]


def _accuracy_table(seeds: Sequence[Mapping[str, Any]]) -> Table:
    return Table(
        name="accuracy",
        title="Accuracy on classes never seen",
        columns=["learner", "accuracy", "low", "high", "before adaptation", "steps", "rates"],
        rows=[
            [
                arm,
                *row_over_seeds([one[arm]["accuracy"] for one in seeds]),
                row_over_seeds([one[arm]["start"] for one in seeds])[0]
                if "start" in seeds[0][arm]
                else None,
                *(
                    ", ".join(str(one[arm].get(name, "-")) for one in seeds)
                    for name in ("step", "rate")
                ),
            ]
            for arm in ARMS
        ],
        caption="Mean over seeds with its 95 % interval; steps of adaptation, and inner "
        "rates on maps, as chosen on validation classes. Rows with a representation have seen the "
        "prior classes too.",
    )


def _prior_table(seeds: Sequence[Mapping[str, Any]]) -> Table:
    kinds = ("labels", "rotations")
    return Table(
        name="prior",
        title="Prior knowledge",
        columns=["learned by", "classes", "pictures", "accuracy in training", "low", "high"],
        rows=[
            [
                kind,
                seeds[0][f"prior {kind}"]["classes"],
                seeds[0][f"prior {kind}"]["pictures"],
                *row_over_seeds([one[f"prior {kind}"]["accuracy"] for one in seeds]),
            ]
            for kind in kinds
        ],
        caption="No class of these is in a task.",
    )


def _published_table() -> Table:
    return Table(
        name="published",
        title="What was reported, in another setting",
        columns=["method", "network", "1 shot, %", "5 shots, %", "source"],
        rows=[list(row) for row in PUBLISHED],
        caption="mini-ImageNet, 84 × 84 pixels, 5 ways. RAML's representation was trained on 900 "
        "further ImageNet classes (recalled). Not comparable with this run.",
    )


RAML_STUDY = Study(
    name="raml",
    summary="What attention and a frozen representation each add to meta-learning.",
    domain="image",
    cite="qin2018representation",
    presets={
        "smoke": RamlConfig(
            classes=40,
            size=16,
            width=4,
            prior_width=4,
            prior_steps=3,
            queries=2,
            steps=1,
            test_steps=2,
            iterations=3,
            tasks=1,
            checks=1,
            validation_tasks=2,
            test_tasks=6,
            seeds=2,
        ),
        "quick": RamlConfig(size=16),
        "paper": RamlConfig(
            prior_backbone="resnet12",
            size=84,
            width=32,
            prior_width=64,
            prior_steps=100_000,
            queries=15,
            rate=0.01,
            map_rates=(0.5, 1.0, 2.0, 5.0),
            steps=5,
            test_steps=10,
            iterations=60_000,
            learning_rate=1e-3,
            checks=60,
            validation_tasks=600,
            test_tasks=600,
        ),
    },
    measure=measure,
)
