"""Classifiers that forget: each unlearning method under each attack, on records of one kind.

What a benchmark crosses is measured here, one architecture and one forget set at a time, beside the
model that was truly retrained and the model that forgot nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sterling.privacy.data.forget_sets import ForgetSetSplit, choose_forget_set
from sterling.privacy.membership.output_scores import phi
from sterling.privacy.targets.models import ARCHITECTURES, initialise
from sterling.privacy.targets.training import Recipe
from sterling.privacy.unlearning import (
    Descent,
    Examples,
    Method,
    SisaConfig,
    amnesiac,
    fit_amnesiac,
    fit_sisa,
    sisa,
    train_by_recipe,
    unlearning_methods,
)
from sterling.privacy.unlearning.distillation import scrub
from sterling.privacy.unlearning_attacks import attack_area, attack_classifiers, lingering, ulira
from sterling.privacy.unlearning_attacks.shadow_models import (
    Shadows,
    deletion_request_parts,
    forget_in_sequence,
    forget_own_half,
    forget_with_own_training,
    retrain_shadows,
    train_shadows,
)
from sterling.studies.privacy.forgetting_benchmark._names import (
    OWN_TRAINING,
    RETRAINED,
    REWOUND,
    UNTOUCHED,
    Figures,
)

NOT_FOR_CONVOLUTIONS = ("Newton",)


@dataclass(frozen=True, eq=False)
class ClassifierBench:
    """Data and settings that all measurements on one architecture share.

    Attributes:
        architecture: One of ``ARCHITECTURES``.
        data: Records to cut into forget sets, base and test.
        methods: Names of the registered methods, of ``OWN_TRAINING`` and ``REWOUND``.
        pool: Records of which each model learns, and forgets, its own half.
        base: Records that every model retains.
        models: Shadow models, even.
        epochs: Epochs of training.
        descent: Optimisation of the methods that use gradient descent.
        seed: Seed of all that is random.
    """

    architecture: str
    data: Examples
    methods: tuple[str, ...]
    pool: int
    base: int
    models: int
    epochs: int
    descent: Descent
    seed: int

    @property
    def recipe(self) -> Recipe:
        """Training of one classifier."""
        return Recipe(epochs=self.epochs)

    @property
    def classes(self) -> int:
        """Classes of the data."""
        return int(self.data.labels.max()) + 1

    def build(self) -> nn.Module:
        """One untrained network; small, so that many can be trained."""
        width = {"mlp": {"width": 32}, "cnn": {"width": 4}}.get(self.architecture, {})
        shape = tuple(self.data.inputs.shape[1:])
        return ARCHITECTURES[self.architecture](shape, self.classes, **width)

    def named(self) -> dict[str, Method]:
        """The wanted methods that need a model and two sets only, "retrain" always first."""
        unfit = NOT_FOR_CONVOLUTIONS if self.architecture == "cnn" else ()
        return {
            name: method
            for name, method in unlearning_methods(
                train_by_recipe(self.recipe), self.descent
            ).items()
            if name == RETRAINED or (name in self.methods and name not in unfit)
        }

    def cut(self, forget_set: str) -> ForgetSetSplit:
        """The data cut for a forget set."""
        return choose_forget_set(
            forget_set,
            self.data,
            self.build,
            self.recipe,
            pool=self.pool,
            base=self.base,
            seed=self.seed,
        )

    def shadows(self, cut: ForgetSetSplit) -> Shadows:
        """Shadow models on a cut, before they forget."""
        return train_shadows(
            self.build,
            cut.base,
            cut.pool,
            self.recipe,
            models=self.models,
            seed=self.seed,
            copies=cut.copies,
            group=cut.group,
        )

    def again(
        self, shadows: Shadows, records: Tensor, retained: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        """Logits of the shadow models retrained on the base and what they retain of the pool."""
        retrained = retrain_shadows(
            shadows, self.build, self.recipe, seed=self.seed + 1, retained=retained
        )
        return np.asarray(retrained.logits(records).numpy())


def attack_after_forgetting(bench: ClassifierBench, forget_set: str) -> Figures:
    """Every method under every attack on one forget set: for each a row of figures.

    The row of ``REWOUND`` has two more: the mean "step" that it rewinds to, and the share of models
    that "stayed" at the last one.
    """
    cut = bench.cut(forget_set)
    shadows = bench.shadows(cut)
    records = torch.cat([cut.pool.inputs, cut.test.inputs])
    before = shadows.models.logits(records).numpy()
    again = bench.again(shadows, records)
    labels, inside = torch.cat([cut.pool.labels, cut.test.labels]).numpy(), shadows.membership
    pool = len(cut.pool)
    expected = -phi(again[:, :pool], labels[:pool])[inside]

    def row(first: NDArray[np.floating], after: NDArray[np.floating]) -> dict[str, float]:
        right = after.argmax(-1) == labels
        return {
            **attack_classifiers(first, after, labels, inside, cut.group.numpy()),
            "lingering": lingering(-phi(after[:, :pool], labels[:pool])[inside], expected)[0],
            "forget accuracy": float(right[:, :pool][inside].mean()),
            "never-seen accuracy": float(right[:, :pool][~inside].mean()),
            "test accuracy": float(right[:, pool:].mean()),
        }

    cell = {RETRAINED: row(before, again), UNTOUCHED: row(before, before)}
    methods = bench.named()
    steps: list[int] = []
    if REWOUND in bench.methods:
        rewound = partial(
            scrub, validation=cut.validation, descent=bench.descent, note_step=steps.append
        )
        methods[REWOUND] = Method(REWOUND, rewound, "Kurmanji et al., NeurIPS 2023")
    for name, method in methods.items():
        if name != RETRAINED:
            cell[name] = row(before, forget_own_half(shadows, method, records, seed=bench.seed))
    for name in OWN_TRAINING:
        if name in bench.methods:
            fit, method = _own_training(name, bench)
            pair = forget_with_own_training(shadows, fit, method, records, seed=bench.seed)
            cell[name] = row(*pair)
    if steps:
        stayed = np.mean(np.array(steps) == bench.descent.steps)
        cell[REWOUND] |= {"step": float(np.mean(steps)), "stayed": float(stayed)}
    return cell


def _own_training(
    name: str, bench: ClassifierBench
) -> tuple[Callable[[Examples, Tensor, int], nn.Module], Method]:
    """Training and forgetting of a method that needs more than the trained weights."""

    def network(seed: int) -> nn.Module:
        return initialise(bench.build, [seed]).module(0)

    if name == "SISA":
        ensemble = SisaConfig(train_by_recipe(bench.recipe), shards=3, slices=2, seed=bench.seed)
        return (
            lambda examples, _asked, seed: fit_sisa(network(seed), examples, ensemble),
            Method(name, partial(sisa, config=ensemble), "Bourtoule et al., IEEE S&P 2021"),
        )
    # As many steps as the others' training, by Adam.
    steps = bench.epochs * -(-(bench.base + bench.pool // 2) // bench.recipe.batch_size)
    training = replace(bench.descent, steps=steps, batch_size=bench.recipe.batch_size)
    return (
        lambda examples, asked, seed: fit_amnesiac(network(seed), examples, asked, training, seed),
        Method(name, partial(amnesiac, descent=bench.descent), "Graves et al., AAAI 2021"),
    )


def attack_along_requests(bench: ClassifierBench, *, requests: int) -> dict[str, list[float]]:
    """U-LiRA's area after each of several requests for random records, one after another.

    After each request all records asked for so far are attacked.
    """
    cut = bench.cut("random")
    shadows = bench.shadows(cut)
    records, labels, inside = cut.pool.inputs, cut.pool.labels.numpy(), shadows.membership
    part = deletion_request_parts(len(labels), requests)
    areas = {}
    for name, method in bench.named().items():
        if name == RETRAINED:
            kept = [inside & (part > request) for request in range(requests)]
            answers = np.stack([bench.again(shadows, records, retained) for retained in kept])
        else:
            answers = forget_in_sequence(
                shadows, method, records, requests=requests, seed=bench.seed
            )
        areas[name] = [
            _ulira_area(logits[:, asked], labels[asked], inside[:, asked])
            for request, logits in enumerate(answers)
            for asked in [part <= request]
        ]
    return areas


def _ulira_area(
    logits: NDArray[np.floating], labels: NDArray[np.int64], inside: NDArray[np.bool_]
) -> float:
    scores = ulira(phi(logits, labels), inside)
    return attack_area(scores[inside], scores[~inside]).value
