"""LWAU: does each layer want an inner rate of its own, and which layers need to adapt?

Qin et al., "Layer-wise Adaptive Updating for Few-Shot Image Classification" (IEEE Signal Processing
Letters 2020). Checkpoint and step are chosen on validation classes, where the released code takes
the best of both on the classes under test.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

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
from sterling.adapt.lwau import CLIP
from sterling.image.backbones import BACKBONES, Backbone
from sterling.runs import Row
from sterling.studies.image._few_shot import few_shot_study
from sterling.studies.image._few_shot_data import PAPER, SMOKE, FewShotConfig
from sterling.studies.image._few_shot_systems import PIXELS, System, Systems, Trained
from sterling.studies.registry import ENTRIES
from sterling.study import Claim, Column, Results, Table, Views, bars_of_table, positive, row

LAYERS = ("block1", "block2", "block3", "block4", "head")
LWAU, MAML, ONE_RATE = "LWAU", "MAML", "MAML, one learned rate"
FREE = 0.01  # ours: what freezing may cost and still be called free
ELASTIC = 1e-3  # released code, beside a loss of another scale: see `lwau`
COST, FROZEN = "cost of freezing", "accuracy with frozen layers"
BOTTOM, TOP = "smallest rate above the bottom's", "head's rate above the largest"


class LwauConfig(FewShotConfig):
    """Configuration of the study; fields in common are `FewShotConfig`'s.

    Attributes:
        backbone: Network of every system.
        penalty: Whether LWAU's elastic penalty of the weights is in the outer loss.
    """

    backbone: Backbone = "conv4"
    penalty: bool = True


def systems(config: LwauConfig) -> Systems:
    """The learners, all on the same network."""
    rate = config.rate
    steps: dict[str, Any] = {"steps": config.steps, "test_steps": config.test_steps}
    penalty = ELASTIC * config.shots / (config.ways * config.queries) * config.penalty

    def system(
        learner: Callable[[FunctionalModel, int], Learner],
        *,
        outputs: int | None = config.ways,
        frozen: bool = False,
        clip: float | None = None,
    ) -> System:
        def learners(channels: int, side: int, seed: int) -> dict[float, Learner]:
            network = BACKBONES[config.backbone](
                outputs, channels=channels, size=side, width=config.width, seed=seed
            )
            return {rate: learner(layered(network), seed)}

        finish = partial(layer_rows, config.shots) if frozen else None
        return System(learners, finish=finish, clip=clip)

    return {
        PIXELS: System(),
        LWAU: system(
            lambda model, seed: lwau(model, rate, penalty=penalty, seed=seed, **steps),
            frozen=True,
            clip=CLIP,
        ),
        MAML: system(lambda model, _: maml(model, rate, **steps), frozen=True),
        ONE_RATE: system(
            lambda model, _: GradientLearner(model, LearnedRates(model, "model", rate), **steps)
        ),
        "FOMAML": system(lambda model, _: fomaml(model, rate, **steps)),
        "Meta-SGD": system(lambda model, _: meta_sgd(model, rate)),
        "ANIL": system(lambda model, _: anil(model, "head", rate, **steps)),
        "Reptile": system(lambda model, _: Reptile(model, rate, **steps)),
        "ProtoNet": system(
            lambda model, _: ProtoNet(nn.Sequential(model.module, nn.Flatten())), outputs=None
        ),
    }


def layer_rows(shots: int, trained: Trained) -> list[Row]:
    """Accuracy with frozen layers from the bottom, what freezing costs, and learned rates.

    Args:
        shots: Number of shots of the test tasks.
        trained: A learner with `LAYERS`.
    """
    learner = trained.learner
    assert isinstance(learner, GradientLearner)
    rows = [row(FROZEN, trained.accuracy, layers=0)]
    for layers in range(1, len(LAYERS)):
        tested = trained.test(freeze_bottom(learner, layers), shots)
        accuracy = float(tested.accuracy[:, trained.step].mean())
        rows += [
            row(FROZEN, accuracy, layers=layers),
            row(COST, trained.accuracy - accuracy, layers=layers),
        ]
    if isinstance(learner.rates, LearnedRates):
        rates = {layer: learner.rates.table()[layer][0] for layer in LAYERS}
        bottom, *above, top = map(abs, rates.values())
        rows += [
            *(row("learned rate", rate, layer=layer) for layer, rate in rates.items()),
            row(BOTTOM, min(*above, top) - bottom),
            row(TOP, top - max(bottom, *above)),
        ]
    return rows


def claims(results: Results, _: LwauConfig) -> list[Claim]:
    """The paper's claims, and ours about what they are compared with."""
    accuracy, cost = results.series("accuracy"), results.series(COST, layers=3)
    return [
        positive(
            "adaptation_helps",
            "LWAU classifies classes that it never saw better after adaptation than before.",
            results.values("gain", system=LWAU),
        ),
        accuracy.higher(
            "learning_beats_pixels", f"LWAU is more accurate than the {PIXELS}.", LWAU, than=PIXELS
        ),
        accuracy.higher(
            "layers_beat_a_fixed_rate",
            "LWAU is more accurate than MAML with one fixed rate.",
            LWAU,
            than=MAML,
            paper="Conv-4, 1 and 5 shots: +1.2 and +1.7 points",
        ),
        accuracy.higher(
            "layers_beat_one_learned_rate",
            "LWAU is more accurate than MAML with one learned rate for all layers.",
            LWAU,
            than=ONE_RATE,
        ),
        positive(
            "bottom_rate_is_smallest",
            "The bottom layer's learned rate is the smallest (least of the others minus it).",
            results.values(BOTTOM, system=LWAU),
            paper="bottom layers hardly need to adapt",
        ),
        positive(
            "top_rate_is_largest",
            "The head's learned rate is the largest (it minus the largest below).",
            results.values(TOP, system=LWAU),
            paper="the learner mainly updates its top layer",
        ),
        *(
            results.series(COST, layers=layers).at_most(
                f"freezing_{count}_blocks_is_free",
                f"Without adaptation of its {count} bottom blocks LWAU loses at most "
                f"{100 * FREE:g} point.",
                LWAU,
                FREE,
                paper="no loss up to three blocks",
            )
            for layers, count in ((2, "two"), (3, "three"))
        ),
        cost.higher(
            "freezing_costs_maml_more",
            "Without adaptation of three blocks MAML loses more than LWAU (difference).",
            MAML,
            than=LWAU,
            paper="5 shots: MAML loses 2.4 points, LWAU nothing",
        ),
    ]


def views(results: Results, config: LwauConfig) -> Views:
    """Learned rates by layer, and what freezing costs."""
    rates = results.select(system=LWAU).table(
        "rates",
        "Learned rate of each layer",
        "layer",
        [Column("rate", "learned rate", show="interval")],
        caption="LWAU's, on the mean loss of a task; all start at the configured rate.",
    )
    published = Table(
        name="published",
        title="The paper's figures, in another setting",
        columns=["method", "1 shot, %", "5 shots, %"],
        rows=[["MAML", 48.70, 63.11], ["Meta-SGD", 50.47, 64.03], ["LWAU", 49.93, 64.85]],
        caption="Conv-4 on mini-ImageNet, 84 × 84 pixels, 64 / 16 / 20 classes, 5 ways, 60,000 "
        f"iterations, 600 test tasks. Not comparable with this run of {config.iterations}.",
    )
    return Views(
        [],
        [rates, published],
        [
            bars_of_table(
                rates,
                "LWAU's inner rates after meta-training, means over repetitions with 95 % "
                "intervals.",
                value_label="inner rate",
            ),
            results.lines(
                "frozen",
                "Accuracy with frozen layers",
                "Accuracy against how many layers from the bottom do not adapt, means over "
                "repetitions.",
                FROZEN,
                x="layers",
                labels=("layers that do not adapt", "accuracy"),
            ),
        ],
    )


STUDY = few_shot_study(
    ENTRIES["lwau"],
    presets={
        "smoke": LwauConfig(**{**SMOKE, "checks": 2}),
        "quick": LwauConfig(),
        "paper": LwauConfig(**PAPER, rate=0.05),
    },
    systems=systems,
    claims=claims,
    views=views,
)
