"""The harness of few-shot studies: learners trained and tested on the same tasks.

A study names its systems, its claims and its sizes; `few_shot_study` makes the rest. Every
repetition draws its own pictures, classes and weights; its systems see the same training tasks in
the same order, and the same test tasks, so that their differences are paired. Checkpoint and number
of adaptation steps are chosen on validation classes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from torch import nn

from sterling.adapt import ChannelAttention, Learner, attach, layered, maml, map_classifier
from sterling.adapt.attention import Form
from sterling.image import conv4
from sterling.image.prior_knowledge import Prior
from sterling.runs import Row, Run
from sterling.studies.image._few_shot_data import FewShotConfig, PriorConfig
from sterling.studies.image._few_shot_systems import System, Systems, _shots, measure_systems
from sterling.study import Claim, Column, Preset, Results, Study, StudyEntry, Views

C = TypeVar("C", bound=FewShotConfig)


def maml_on_pictures(config: FewShotConfig, attention: Form | None = None) -> System:
    """MAML with Conv-4, and attention after its last block unless it is None."""

    def learners(channels: int, side: int, seed: int) -> dict[float, Learner]:
        network = conv4(config.ways, channels=channels, size=side, width=config.width, seed=seed)
        if attention is not None:
            added = ChannelAttention(config.width, form=attention, seed=seed)
            attach(network, "block4", added)
        return {config.rate: _maml(config, network, config.rate)}

    return System(learners)


def maml_on_maps(
    config: PriorConfig, attention: Form | None = None, prior: Prior = "labels"
) -> System:
    """MAML of a classifier on a representation's maps, whose inner rate validation chooses."""

    def learners(channels: int, side: int, seed: int) -> dict[float, Learner]:
        return {
            rate: _maml(
                config,
                map_classifier(channels, side, config.ways, attention=attention, seed=seed),
                rate,
            )
            for rate in config.map_rates
        }

    return System(learners, prior)


def _maml(config: FewShotConfig, network: nn.Module, rate: float) -> Learner:
    return maml(layered(network), rate, steps=config.steps, test_steps=config.test_steps)


def few_shot_study(
    entry: StudyEntry,
    *,
    presets: Mapping[Preset, C],
    systems: Callable[[C], Systems],
    claims: Callable[[Results, C], list[Claim]],
    views: Callable[[Results, C], Views],
    caption: str = "",
    derived: Callable[[Results, C], Iterable[Row]] | None = None,
    note: str = "",
) -> Study[C]:
    """Make a study that compares few-shot learners.

    Args:
        entry: The study in the registry.
        presets: Configurations.
        systems: Systems by name; a function of a module.
        claims: The paper's claims, from the results.
        views: The study's own views, shown after the accuracy of every system.
        caption: Description of the systems, for people.
        derived: Further rows, from the results of all systems.
        note: Further facts that people must know before they read the figures.

    Examples:
        See ``sterling/studies/image/lwau.py``.
    """

    def measure(config: C, run: Run) -> Results:
        results = Results.of(measure_systems(systems, config, run))
        if derived is None:
            return results
        return Results.of([*results.frame.to_dicts(), *derived(results, config)])

    def every(results: Results, config: C) -> Views:
        common = _common_views(results, list(systems(config)), caption)
        own = views(results, config)
        return Views(
            [*common.metrics, *own.metrics],
            [*common.tables, *own.tables],
            [*common.figures, *own.figures],
        )

    def scope(config: C) -> str:
        prior = config.class_shares.get("prior")
        shots = ", ".join(map(str, _shots(config, systems(config))))
        return (
            f"Data: {config.pictures}, {config.ways} ways, {shots} shots, {config.size} × "
            f"{config.size} pixels"
            + (f"; prior knowledge from {prior:.0%} of the classes" if prior else "")
            + f". Small networks trained here for {config.iterations} iterations: accuracies say "
            f"nothing about other data.{note}"
        )

    return Study(
        entry,
        presets=presets,
        measure=measure,
        claims=claims,
        views=every,
        scope=scope,
        repetitions="seeds",
    )


def _common_views(results: Results, systems: Sequence[str], caption: str) -> Views:
    table = results.table(
        "accuracy",
        "Accuracy on classes never seen",
        "system",
        [
            Column("accuracy", "accuracy", show="interval"),
            *(Column(name, name) for name in ("before adaptation", "steps", "iterations", "rate")),
        ],
        order=systems,
        caption="Means over repetitions, the accuracy with its 95 % interval. Steps of adaptation, "
        "iterations of meta-training and, on maps, the inner rate were chosen on validation "
        f"classes in each repetition. {caption}",
    )
    bars = results.bars(
        "accuracy",
        "Accuracy of every learner",
        "Accuracy on classes never seen, means over repetitions with 95 % intervals.",
        "accuracy",
        order=systems,
        value_label="accuracy",
    )
    metrics = [
        results.metric(f"accuracy: {name}", "accuracy", "rate", system=name) for name in systems
    ]
    return Views(metrics, [table], [bars])
