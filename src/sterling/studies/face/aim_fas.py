"""AIM-FAS: does a learned start with a learned inner update know new types of faces from few shots?

Qin et al., "Learning Meta Model for Zero- and Few-shot Face Anti-spoofing", AAAI 2020. Every seed
draws its own captures and weights. Arms see the same training tasks; test tasks are of types that
training did not see, and the same for all arms and numbers of shots. The error of a task is taken
at the threshold of its support, which is what a user would have; the equal error rate on its
queries, which the release reports, is shown beside it as the optimistic figure that it is.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import nn

from sterling.adapt import FunctionalModel, GradientLearner, LearnedRates, Task, fit_meta
from sterling.face.capture import Scale, simulate
from sterling.face.data import CropSpec, Faces, label_maps, load_faces, read_type_lists
from sterling.face.pad.few_shot.aim_fas import DepthMaps, adaptive_inner_update
from sterling.face.pad.few_shot.attack_type_tasks import (
    FIGURES,
    FaceTypes,
    TypeTasks,
    errors_after,
    errors_of_thumbnails,
    mean_errors,
    types_of,
)
from sterling.runs import Run, derive_seed
from sterling.scale.backends import in_processes
from sterling.study import (
    Claim,
    Config,
    Findings,
    Row,
    Study,
    Table,
    lines,
    metric_over_seeds,
    positive,
    row_over_seeds,
)

AIM, FIXED, PLAIN = "aim_fas", "fixed rate", "supervised"
STARTED, TUNED, THUMBNAILS = "aim_fas, not adapted", "supervised, fine-tuned", "thumbnails"
SYSTEMS = (AIM, FIXED, STARTED, TUNED, PLAIN, THUMBNAILS)
TUNING_FACTORS = (0.3, 1.0, 3.0)  # of the inner rate, for fine-tuning the supervised network. Ours.


class AimFasConfig(Config):
    """Configuration of the study.

    Attributes:
        subjects: Simulated subjects for training, development and test.
        captures: Captures of each, half of them bona fide.
        size: Side of the crops in pixels.
        seeds: How many times everything is repeated with other captures and weights.
        width: Channels of the network's stem.
        faces: M, faces of each class in a support.
        queries: Q, faces of each class to be judged.
        shots: K, numbers of new faces of each class in a support, ascending.
        iterations: Outer steps.
        tasks: Of an outer step.
        learning_rate: Of the outer steps.
        inner_rate: α at first; null draws it from the release's range.
        steps: Inner steps in training.
        test_steps: Inner steps in test.
        cdl_weight: Of the contrastive depth loss.
        test_tasks: Tasks that a figure is the mean over.
        pictures: Of each type, with own data.
        device: Where to compute.
    """

    subjects: tuple[int, int, int] = (18, 6, 12)
    captures: tuple[int, int, int] = (360, 180, 200)
    size: int = Field(default=32, ge=32, multiple_of=8)
    seeds: int = Field(default=5, ge=1)
    width: int = Field(default=4, ge=1)
    faces: int = Field(default=10, ge=1)
    queries: int = Field(default=10, ge=1)
    shots: tuple[int, ...] = (0, 1, 5, 9)
    iterations: int = Field(default=150, ge=1)
    tasks: int = Field(default=1, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    inner_rate: float | None = 0.1
    steps: int = Field(default=3, ge=1)
    test_steps: int = Field(default=5, ge=1)
    cdl_weight: float = Field(default=1.0, ge=0)
    test_tasks: int = Field(default=16, ge=1)
    pictures: int = Field(default=60, ge=2)
    device: Literal["cpu", "cuda"] = "cpu"


Result = dict[str, dict[str, dict[str, float]]]
"""By system and number of shots: the figures, means over test tasks."""


def measure(config: AimFasConfig, run: Run) -> Findings:
    """Train every arm on old types, judge it on new ones, and test the claims."""
    recorded, missed = (None, 0) if config.data is None else _recorded(config, config.data)
    calls = [(config, run, recorded, index) for index in range(config.seeds)]
    seeds = in_processes(_one_seed, calls, "seeds")
    source = (
        "SIMULATED captures: these error rates say nothing about real cameras and attacks."
        if recorded is None
        else f"Photographs in {config.data}, by its type lists; seeds differ in the weights and "
        "tasks only."
    )
    return Findings(
        scope=f"{source} Queries of a task are judged as one batch, as published.",
        not_scored=missed,
        metrics=[
            metric_over_seeds(f"{figure} of {system}, {shots} shots", _unit(figure), values)
            for system in SYSTEMS
            for shots in config.shots
            for figure in FIGURES
            for values in [_values(seeds, system, shots, figure)]
        ],
        claims=_claims(config, seeds),
        tables=[_shots_table(config, seeds, figure) for figure in FIGURES] + [_update_table(seeds)],
        figures=[
            lines(
                figure.lower(),
                f"{figure} by shots",
                f"Mean over seeds of the {figure} on new types.",
                list(config.shots),
                {
                    system: [
                        float(np.mean(_values(seeds, system, k, figure))) for k in config.shots
                    ]
                    for system in SYSTEMS
                },
                labels=("shots of the new types", figure),
            )
            for figure in ("ACER", "AUC")
        ],
    )


def _unit(figure: str) -> str:
    return "area" if figure == "AUC" else "rate"


# One seed


def _one_seed(
    config: AimFasConfig, run: Run, recorded: dict[str, FaceTypes] | None, index: int
) -> dict[str, Any]:
    return run.stage(  # type: ignore[no-any-return]
        f"seed-{index}", partial(_results, config, run.seed, recorded, index)
    )


def _results(
    config: AimFasConfig, run_seed: int, recorded: dict[str, FaceTypes] | None, index: int
) -> dict[str, Any]:
    seed = derive_seed(run_seed, "aim_fas", index)
    types = recorded or _simulated(config, seed)
    types = {split: _on(config.device, one) for split, one in types.items()}

    def tasks(old: str, new: str, shots: Sequence[int] = config.shots) -> TypeTasks:
        return TypeTasks(
            types[old],
            types[new],
            faces=config.faces,
            queries=config.queries,
            shots=shots,
            seed=derive_seed(seed, old, new),
        )

    training, tested = tasks("train", "train"), tasks("train", "test")
    middle = config.shots[len(config.shots) // 2]
    chosen_on = tasks("train", "dev", (middle,)) if "dev" in types else training
    learners = {arm: _trained(config, arm, training, seed) for arm in (AIM, FIXED, PLAIN)}
    tuned = _tuned(config, learners[PLAIN], chosen_on)
    systems = {
        AIM: (learners[AIM], config.test_steps),
        FIXED: (learners[FIXED], config.test_steps),
        STARTED: (learners[AIM], 0),
        TUNED: (tuned, config.test_steps),
        PLAIN: (learners[PLAIN], 0),
    }
    found: Result = {system: {} for system in SYSTEMS}
    for shots in config.shots:
        given = [tested.with_shots(number, shots) for number in range(config.test_tasks)]
        for system, (learner, steps) in systems.items():
            found[system][str(shots)] = mean_errors(
                [errors_after(learner, task, steps) for task in given]
            )
        found[THUMBNAILS][str(shots)] = mean_errors([errors_of_thumbnails(task) for task in given])
    rates = learners[AIM].rates
    assert isinstance(rates, LearnedRates)
    assert rates.decay is not None
    alpha = rates.table()["all"][0]
    return {
        "figures": found,
        "alpha": alpha,
        "gamma": float(rates.decay.detach()),
        "left_out": sorted({*training.left_out, *tested.left_out}),
    }


def _simulated(config: AimFasConfig, seed: int) -> dict[str, FaceTypes]:
    """Living types are lights, spoofing types are species."""
    scale = Scale(config.subjects, config.captures)
    faces = simulate("new_types", seed=seed % 2**31, size=config.size, scale=scale).faces()
    return {
        split: _types(faces.split(split), "illumination", "depth")
        for split in ("train", "dev", "test")
    }


def _recorded(config: AimFasConfig, folder: Path) -> tuple[dict[str, FaceTypes], int]:
    """The types of released lists, and how many of their pictures gave no face."""
    types, missed = {}, 0
    for split, manifest in read_type_lists(folder, pictures=config.pictures).items():
        loaded = load_faces(manifest, CropSpec(config.size, 1.2))
        missed += len(loaded.non_responses)
        types[split] = _types(loaded.faces, "session", "ellipsoid")
    return types, missed


def _types(faces: Faces, living: str, label: Literal["depth", "ellipsoid"]) -> FaceTypes:
    maps = label_maps(faces, label, faces.images.shape[-1] // 8)
    return types_of(faces.manifest, faces.images, maps, living, "species")


def _on(device: str, types: FaceTypes) -> FaceTypes:
    return FaceTypes(types.images.to(device), types.maps.to(device), types.living, types.spoofing)


def _learner(
    config: AimFasConfig, model: FunctionalModel, arm: str, seed: int, factor: float = 1.0
) -> GradientLearner:
    rate = config.inner_rate
    return adaptive_inner_update(
        model,
        rate=None if rate is None else factor * rate,
        steps=0 if arm == PLAIN else config.steps,
        test_steps=config.test_steps,
        cdl_weight=config.cdl_weight,
        learned=arm == AIM,
        seed=seed,
    )


def _trained(config: AimFasConfig, arm: str, tasks: TypeTasks, seed: int) -> GradientLearner:
    """An arm after as many outer steps as the others, on the same tasks."""
    model = FunctionalModel(DepthMaps(config.width, seed=seed % 2**31).to(config.device))
    learner = _learner(config, model, arm, seed)
    for part in learner.parts().values():
        part.to(config.device)
    fit_meta(
        learner,
        (lambda number: _together(tasks.draw(number))) if arm == PLAIN else tasks.draw,
        iterations=config.iterations,
        tasks=config.tasks,
        clip=10.0,
        optimizer=partial(_adam, config.learning_rate),
    )
    return learner


def _adam(rate: float, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, rate, weight_decay=2e-5)  # of 1e-5 ‖θ‖²


def _together(task: Task) -> Task:
    """Support and queries alike as one batch of plain training."""
    return Task(
        task.support,
        task.support_labels,
        torch.cat([task.support, task.query]),
        torch.cat([task.support_labels, task.query_labels]),
        task.classes,
    )


def _tuned(config: AimFasConfig, learner: GradientLearner, tasks: TypeTasks) -> GradientLearner:
    """The supervised network with the rate of fine-tuning that serves development tasks best."""
    given = [tasks.draw(10**6 + number) for number in range(config.test_tasks // 2 + 1)]

    def area(factor: float) -> float:
        candidate = _learner(config, learner.model, TUNED, 0, factor)
        return mean_errors([errors_after(candidate, task, config.test_steps) for task in given])[
            "AUC"
        ]

    return _learner(config, learner.model, TUNED, 0, max(TUNING_FACTORS, key=area))


# Claims and tables


def _values(seeds: Sequence[Any], system: str, shots: int, figure: str) -> list[float]:
    return [seed["figures"][system][str(shots)][figure] for seed in seeds]


def _claims(config: AimFasConfig, seeds: Sequence[Any]) -> list[Claim]:
    fewest, most = config.shots[0], config.shots[-1]

    def mean_acer(system: str) -> list[float]:
        over = [_values(seeds, system, shots, "ACER") for shots in config.shots]
        return [float(np.mean(one)) for one in zip(*over, strict=True)]

    def lower(name: str, sentence: str, better: Sequence[float], worse: Sequence[float]) -> Claim:
        pairs = zip(worse, better, strict=True)
        return positive(name, sentence, [high - low for high, low in pairs])

    at = partial(_values, seeds, AIM, figure="ACER")
    over = "the mean over shots of the ACER on new types is lower than"
    return [
        lower(
            "error_falls_with_shots",
            f"With {most} shots AIM-FAS has a lower ACER on new types than with {fewest}.",
            at(shots=most),
            at(shots=fewest),
        ),
        lower(
            "meta_beats_supervised",
            f"Of AIM-FAS {over} of a supervised network, fine-tuned.",
            mean_acer(AIM),
            mean_acer(TUNED),
        ),
        lower(
            "adaptation_helps",
            f"Of AIM-FAS {over} of its own start, not adapted.",
            mean_acer(AIM),
            mean_acer(STARTED),
        ),
        lower(
            "learned_update_beats_fixed",
            f"Of AIM-FAS {over} of first-order MAML at a fixed rate.",
            mean_acer(AIM),
            mean_acer(FIXED),
        ),
        lower(
            "zero_shot_beats_supervised",
            f"With {fewest} shots AIM-FAS has a lower ACER than the supervised network as it is.",
            at(shots=fewest),
            _values(seeds, PLAIN, fewest, "ACER"),
        ),
        lower(
            "beats_trivial_baseline",
            f"Of AIM-FAS {over} of logistic regression on the support's 8×8 thumbnails.",
            mean_acer(AIM),
            mean_acer(THUMBNAILS),
        ),
        lower(
            "query_threshold_is_optimistic",
            "Of AIM-FAS the equal error rate on the queries is lower than the ACER at the "
            "support's threshold, mean over shots.",
            [
                float(np.mean([seed["figures"][AIM][str(k)]["EER"] for k in config.shots]))
                for seed in seeds
            ],
            mean_acer(AIM),
        ),
    ]


def _shots_table(config: AimFasConfig, seeds: Sequence[Any], figure: str) -> Table:
    rows: list[Row] = [
        [system, *row_over_seeds(*(_values(seeds, system, k, figure) for k in config.shots))]
        for system in SYSTEMS
    ]
    what = {
        "ACER": "at the threshold of equal errors on the task's support",
        "EER": "on the queries themselves, as the release reports: optimistic",
        "AUC": "without a threshold",
    }[figure]
    return Table(
        name=figure.lower(),
        title=f"{figure} on new types",
        columns=["system", *(cell for k in config.shots for cell in (f"{k} shots", "low", "high"))],
        rows=rows,
        caption=f"{figure} {what}; means over {config.test_tasks} tasks and seeds, 95 % Student-t "
        "intervals over seeds.",
    )


def _update_table(seeds: Sequence[Any]) -> Table:
    return Table(
        name="update",
        title="The learned inner update",
        columns=["seed", "α", "γ", "types with too few faces"],
        rows=[
            [index, seed["alpha"], seed["gamma"], ", ".join(seed["left_out"]) or "none"]
            for index, seed in enumerate(seeds)
        ],
        caption="The rate of step j is α γ^j. Types with too few faces for a task take no part.",
    )


AIM_FAS_STUDY = Study(
    name="aim_fas",
    summary="Zero- and few-shot face anti-spoofing with a learned inner update.",
    domain="face",
    cite="qin2020learning",
    presets={
        "smoke": AimFasConfig(
            subjects=(2, 1, 2),
            captures=(36, 36, 24),
            seeds=1,
            width=2,
            faces=2,
            queries=1,
            shots=(0, 1),
            iterations=2,
            test_steps=2,
            test_tasks=2,
        ),
        "quick": AimFasConfig(),
        "paper": AimFasConfig(
            captures=(4000, 1000, 2000),
            subjects=(30, 12, 24),
            size=256,
            width=16,
            faces=15,
            queries=15,
            shots=(0, 1, 3, 5, 7, 9),
            iterations=20_000,
            tasks=8,
            learning_rate=1e-4,
            inner_rate=None,
            test_steps=20,
            test_tasks=100,
        ),
    },
    measure=measure,
)
