"""MT-FAS: is a teacher that learns what to teach better than maps made by hand?

Qin et al., "Meta-Teacher For Face Anti-Spoofing", IEEE TPAMI 2021. Every seed draws its own
captures and weights; the test's lights and instruments are in no training capture. After the
teacher has learned, a fresh student is trained by it, and others of the same start for as many
steps by a binary mask, by depth, and by a teacher that was itself trained on labels.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from sterling.adapt import FunctionalModel, with_running_statistics
from sterling.errors import InputError
from sterling.face.capture import Scale, simulate
from sterling.face.data import Faces, label_maps
from sterling.face.evaluation.evaluate import write_scores
from sterling.face.pad.baselines.simple import score_thumbnails
from sterling.face.pad.few_shot.aim_fas import DepthMaps
from sterling.face.pad.few_shot.meta_teacher import (
    Lesson,
    MetaTeacher,
    SpoofMapTeacher,
    pooled_logits,
    regress,
    teach,
)
from sterling.measure import Scores, auc
from sterling.runs import Run, derive_seed
from sterling.scale.backends import in_processes
from sterling.studies.face._old_harness import (
    BASELINE,
    Seed,
    acer_gains,
    auc_gains,
    hand_made,
    items_of,
    on_images,
)
from sterling.studies.face._old_views import (
    SIMULATED,
    bars_figure,
    det_figure,
    kinds_table,
    score_tables,
    species_table,
    system_metrics,
    systems_table,
)
from sterling.study import Claim, Config, Findings, Study, Table, positive

META, MASK, DEPTH, ORDINARY = "meta-teacher", "binary mask", "depth", "ordinary teacher"
ARMS = (META, MASK, DEPTH, ORDINARY)
SYSTEMS = (*ARMS, BASELINE)
CHUNK = 64  # captures that are scored at once


class MetaTeacherConfig(Config):
    """Configuration of the study.

    Attributes:
        subjects: Simulated subjects for training, development and test.
        captures: Captures of each, half of them bona fide.
        size: Side of the crops in pixels.
        seeds: How many times everything is repeated with other captures and weights.
        width: Channels of the student's stem; the ordinary teacher's is twice that.
        teacher_width: Channels of the meta-teacher's first layer.
        lessons: Steps of the meta-teacher.
        iterations: Steps of every student, and of the ordinary teacher.
        batch: Captures of a step; of validation as many.
        inner_rate: α of the student's step that the meta-teacher sees.
        teacher_rate: Learning rate of the meta-teacher.
        learning_rate: Of the students.
        device: Where to compute.
    """

    subjects: tuple[int, int, int] = (18, 6, 12)
    captures: tuple[int, int, int] = (360, 80, 200)
    size: int = Field(default=32, ge=32, multiple_of=8)
    seeds: int = Field(default=5, ge=1)
    width: int = Field(default=4, ge=1)
    teacher_width: int = Field(default=4, ge=1)
    lessons: int = Field(default=250, ge=1)
    iterations: int = Field(default=400, ge=1)
    batch: int = Field(default=16, ge=2)
    inner_rate: float = Field(default=0.1, gt=0)
    teacher_rate: float = Field(default=1e-3, gt=0)
    learning_rate: float = Field(default=3e-3, gt=0)
    device: Literal["cpu", "cuda"] = "cpu"


def measure(config: MetaTeacherConfig, run: Run) -> Findings:
    """Train every student on every seed, judge it on unseen instruments, and test the claims."""
    if config.data is not None:
        raise InputError(
            f"--data {config.data}: this study reads simulated captures only; for your own use "
            "sterling face train --data"
        )
    calls = [(config, run, index) for index in range(config.seeds)]
    found = in_processes(_one_seed, calls, "seeds")
    seeds = [
        Seed.of(one["results"], one["items"], source=f"simulated development captures, seed {i}")
        for i, one in enumerate(found)
    ]
    write_scores(score_tables(seeds), run.folder)
    by_kind = kinds_table(seeds, SYSTEMS)
    caption = (
        "meta-teacher: a fresh student by the maps that the meta-teacher learned. binary mask: "
        "ones on attacks. depth: the true relief on bona fides. ordinary teacher: the maps of a "
        "network of twice the width that was trained on the binary mask. thumbnails: logistic "
        "regression on 8×8 colours."
    )
    return Findings(
        scope=SIMULATED,
        not_scored=0,
        metrics=system_metrics(seeds, SYSTEMS),
        claims=_claims(seeds),
        tables=[
            systems_table(seeds, SYSTEMS, caption=caption),
            by_kind,
            species_table(seeds, META),
            _teacher_table(found),
        ],
        figures=[det_figure(SYSTEMS), bars_figure(by_kind)],
    )


# One seed


def _one_seed(config: MetaTeacherConfig, run: Run, index: int) -> dict[str, Any]:
    seed = derive_seed(run.seed, "meta_teacher", index)
    return run.stage(f"seed-{index}", partial(_results, config, seed))  # type: ignore[no-any-return]


def _results(config: MetaTeacherConfig, seed: int) -> dict[str, Any]:
    scale = Scale(config.subjects, config.captures)
    faces = simulate("new_types", seed=seed % 2**31, size=config.size, scale=scale).faces()
    training = faces.split("train")
    images = training.images.to(config.device)
    attack = torch.from_numpy(~training.manifest.bona_fide).float().to(config.device)
    ones = torch.ones(config.size // 8, config.size // 8, device=config.device)
    mask = attack[:, None, None] * ones
    teacher, lessons = _meta_teacher(config, images, attack, training, seed)
    with torch.no_grad():
        learned = _in_chunks(lambda rows: teacher(images[rows], attack[rows]), len(images))
    depth = label_maps(training, "depth", config.size // 8).to(config.device)
    ordinary = _regressed(config, images, mask, seed, 2 * config.width)
    with torch.no_grad():
        taught = _in_chunks(lambda rows: ordinary(images[rows]), len(images))
    results: dict[str, Any] = {}
    targets = {META: learned, MASK: mask, DEPTH: depth, ORDINARY: taught}
    for arm, maps in targets.items():
        student = _regressed(config, images, maps, seed, config.width)
        results[arm] = _scored(config, student, faces, sign=1 if arm == DEPTH else -1)
    results[BASELINE] = hand_made(faces, on_images(score_thumbnails))
    own = learned[attack > 0]
    return {
        "results": results,
        "items": items_of(faces),
        "lessons": lessons,
        "peak": float(own.flatten(1).amax(dim=1).mean()),
    }


def _meta_teacher(
    config: MetaTeacherConfig, images: Tensor, attack: Tensor, training: Faces, seed: int
) -> tuple[SpoofMapTeacher, list[float]]:
    """The trained teacher and its validation losses; lessons and validation share no subject."""
    subjects = training.manifest.column("subject")
    people = np.random.default_rng(derive_seed(seed, "halves")).permutation(np.unique(subjects))
    of_lesson = np.isin(subjects, people[: len(people) // 2])
    student = FunctionalModel(DepthMaps(config.width, seed=seed % 2**31).to(config.device))
    teacher = SpoofMapTeacher(config.teacher_width, seed=seed % 2**31).to(config.device)

    def lesson(number: int) -> Lesson:
        draw = np.random.default_rng(derive_seed(seed, "lesson", number))
        rows, others = (
            torch.from_numpy(_drawn(np.flatnonzero(part), config.batch, draw))
            for part in (of_lesson, ~of_lesson)
        )
        return Lesson(images[rows], attack[rows], images[others], attack[others])

    losses = teach(
        MetaTeacher(student, teacher, config.inner_rate, _validation_loss),
        lesson,
        iterations=config.lessons,
        teacher_steps=torch.optim.Adam(teacher.parameters(), config.teacher_rate),
        student_steps=torch.optim.Adam(student.module.parameters(), config.learning_rate),
    )
    return teacher, losses


def _validation_loss(maps: Tensor, attack: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(pooled_logits(maps), attack)


def _drawn(rows: NDArray[np.intp], count: int, draw: np.random.Generator) -> NDArray[np.intp]:
    return draw.choice(rows, min(count, len(rows)), replace=False)


def _regressed(
    config: MetaTeacherConfig, images: Tensor, maps: Tensor, seed: int, width: int
) -> nn.Module:
    """A fresh network trained on maps, as it is used: with the statistics of training."""
    student = DepthMaps(width, seed=seed % 2**31).to(config.device)

    def batch(number: int) -> tuple[Tensor, Tensor]:
        draw = np.random.default_rng(derive_seed(seed, "batch", number))
        rows = torch.from_numpy(_drawn(np.arange(len(images)), config.batch, draw))
        return images[rows], maps[rows]

    steps = torch.optim.Adam(student.parameters(), config.learning_rate)
    regress(student, batch, iterations=config.iterations, steps=steps)
    return with_running_statistics(
        student, (batch(config.iterations + number)[0] for number in range(20))
    )


def _in_chunks(score: Callable[[slice], Tensor], count: int) -> Tensor:
    return torch.cat([score(slice(start, start + CHUNK)) for start in range(0, count, CHUNK)])


def _scored(
    config: MetaTeacherConfig, student: nn.Module, faces: Faces, sign: int
) -> dict[str, Any]:
    """Liveness of every split: the mean map, turned where high means attack."""

    def liveness(split: str) -> NDArray[np.float64]:
        images = faces.split(split).images.to(config.device)
        with torch.no_grad():
            maps = _in_chunks(lambda rows: student(images[rows]), len(images))
        return (sign * maps.flatten(1).mean(dim=1)).double().cpu().numpy()

    training = Scores(liveness("train"), faces.split("train").manifest.bona_fide)
    return {
        "dev": liveness("dev").tolist(),
        "test": liveness("test").tolist(),
        "training_auc": auc(training).value,
    }


# Claims and tables


def _claims(seeds: list[Seed]) -> list[Claim]:
    def better(name: str, than: str, worse: str) -> Claim:
        sentence = (
            f"On unseen instruments and lights the meta-teacher's student has a higher AUC {than}."
        )
        return positive(name, sentence, auc_gains(seeds, META, worse))

    return [
        better("meta_beats_mask", "than the binary mask's", MASK),
        better("meta_beats_depth", "than the one that regresses depth", DEPTH),
        better("meta_beats_ordinary_teacher", "than an ordinary teacher's", ORDINARY),
        better("beats_trivial_baseline", "than logistic regression on 8×8 thumbnails", BASELINE),
        positive(
            "meta_lowers_acer",
            "Its ACER, worst species, is lower than the binary mask's.",
            acer_gains(seeds, META, MASK),
        ),
    ]


def _teacher_table(found: list[Mapping[str, Any]]) -> Table:
    tenth = max(1, len(found[0]["lessons"]) // 10)
    return Table(
        name="teacher",
        title="The meta-teacher's lessons",
        columns=["seed", "validation loss, first tenth", "last tenth", "highest value of a map"],
        rows=[
            [
                index,
                float(np.mean(one["lessons"][:tenth])),
                float(np.mean(one["lessons"][-tenth:])),
                one["peak"],
            ]
            for index, one in enumerate(found)
        ],
        caption="The validation loss is the student's after one step of the lesson. Each map has a "
        "mean of 1; a highest value of 1 is the binary mask.",
    )


META_TEACHER_STUDY = Study(
    name="meta_teacher",
    summary="Supervision of liveness detectors that a teacher learns by bilevel training.",
    domain="face",
    cite="qin2021meta",
    presets={
        "smoke": MetaTeacherConfig(
            subjects=(2, 1, 2),
            captures=(36, 24, 24),
            seeds=1,
            width=2,
            teacher_width=2,
            lessons=3,
            iterations=3,
            batch=4,
        ),
        "quick": MetaTeacherConfig(),
        "paper": MetaTeacherConfig(
            subjects=(30, 12, 24),
            captures=(4000, 1000, 2000),
            size=256,
            width=64,
            teacher_width=64,
            lessons=20_000,
            iterations=20_000,
            inner_rate=1e-3,
            teacher_rate=1e-4,
            learning_rate=1e-4,
        ),
    },
    measure=measure,
)
