"""MT-FAS: is a teacher that learns what to teach better than hand-crafted maps?

Qin et al., "Meta-Teacher For Face Anti-Spoofing", IEEE TPAMI 2021. The test's lights and
instruments are in no training capture. After the teacher has learned, a fresh student is trained by
it, and others from the same start for as many steps by a binary mask, by depth, and by a teacher
that was itself trained on labels.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from sterling.adapt import FunctionalModel, with_running_statistics
from sterling.face.data import Faces, LabelKind, label_maps
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
from sterling.runs import Cell, Row, Run, derive_seed
from sterling.studies.face._harness.config import CaptureConfig
from sterling.studies.face._harness.measuring import divided, read_recorded, simulated_faces
from sterling.studies.face._harness.repetition import Repetition, items_of, rows_of
from sterling.studies.face._harness.study import scope_of
from sterling.studies.face._harness.systems import BASELINE, THUMBNAILS
from sterling.studies.face._harness.training import hand_crafted
from sterling.studies.face._harness.views import face_views
from sterling.studies.registry import ENTRIES
from sterling.study import Claim, Column, Results, Study, Views, row

META, MASK, DEPTH, ORDINARY = "meta-teacher", "binary mask", "depth", "ordinary teacher"
SYSTEMS = (META, MASK, DEPTH, ORDINARY, BASELINE)
CHUNK = 64  # captures that are scored at once


class MetaTeacherConfig(CaptureConfig):
    """Configuration of the study, beside its captures.

    Attributes:
        width: Channels of the student's stem; the ordinary teacher's is twice that.
        teacher_width: Channels of the meta-teacher's first layer.
        lessons: Steps of the meta-teacher.
        iterations: Steps of every student, and of the ordinary teacher.
        batch: Captures of a step, and of its validation.
        inner_rate: α of the student's step that the meta-teacher sees.
        teacher_rate: Learning rate of the meta-teacher.
        learning_rate: Learning rate of the students.
        device: Device to compute on.
    """

    protocol: str = "new_types"
    subjects: tuple[int, int, int] = (18, 6, 12)
    captures: tuple[int, int, int] = (360, 80, 200)
    size: int = Field(default=32, ge=32, multiple_of=8)
    width: int = Field(default=4, ge=1)
    teacher_width: int = Field(default=4, ge=1)
    lessons: int = Field(default=250, ge=1)
    iterations: int = Field(default=400, ge=1)
    batch: int = Field(default=16, ge=2)
    inner_rate: float = Field(default=0.1, gt=0)
    teacher_rate: float = Field(default=1e-3, gt=0)
    learning_rate: float = Field(default=3e-3, gt=0)
    device: Literal["cpu", "cuda"] = "cpu"


def measure(config: MetaTeacherConfig, run: Run) -> Results:
    """Train every student in every repetition and test it on unseen instruments."""
    recorded, missed = None, 0
    if config.data is not None:
        recorded, missed = read_recorded(config, config.data, ("rgb",))
    grid = [{"repetition": index} for index in range(config.seeds)]
    rows = run.map(_repetition, grid, config, recorded, seed="meta_teacher/{repetition}")
    return Results.of(rows, not_scored=missed)


def _repetition(config: MetaTeacherConfig, recorded: Faces | None, cell: Cell) -> list[Row]:
    seed = derive_seed(cell.run.seed, "meta_teacher", cell.repetition)
    if recorded is None:
        faces = simulated_faces(config, cell.run, cell.repetition).only(["rgb"])
    else:
        faces = divided(recorded, cell.repetition)
    training = faces.split("train")
    images = training.images.to(config.device)
    attack = torch.from_numpy(~training.manifest.bona_fide).float().to(config.device)
    ones = torch.ones(config.size // 8, config.size // 8, device=config.device)
    mask = attack[:, None, None] * ones
    teacher, lessons = _meta_teacher(config, images, attack, training, seed)
    with torch.no_grad():
        learned = _in_chunks(lambda rows: teacher(images[rows], attack[rows]), len(images))
    relief: LabelKind = "ellipsoid" if training.depth is None else "depth"
    depth = label_maps(training, relief, config.size // 8).to(config.device)
    ordinary = _regressed(config, images, mask, seed, 2 * config.width)
    with torch.no_grad():
        taught = _in_chunks(lambda rows: ordinary(images[rows]), len(images))
    results: dict[str, Any] = {}
    for system, maps in {META: learned, MASK: mask, DEPTH: depth, ORDINARY: taught}.items():
        student = _regressed(config, images, maps, seed, config.width)
        results[system] = _scored(config, student, faces, sign=1 if system == DEPTH else -1)
    results[BASELINE] = hand_crafted(THUMBNAILS, lambda: faces)
    source = f"{config.source}, development set, repetition {cell.repetition}"
    repetition = Repetition.of(results, items_of(faces), source=source)
    cell.keep_scores(repetition.score_table(cell.repetition))
    tenth = max(1, len(lessons) // 10)
    peak = float(learned[attack > 0].flatten(1).amax(dim=1).mean())
    return [
        *rows_of(repetition),
        row("validation loss", float(np.mean(lessons[:tenth])), lessons="first tenth"),
        row("validation loss", float(np.mean(lessons[-tenth:])), lessons="last tenth"),
        row("highest value of a map", peak),
    ]


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


def claims(results: Results, _config: MetaTeacherConfig) -> list[Claim]:
    """The meta-teacher's student against the others."""
    auc_ = results.series("auc")
    others = {
        "meta_beats_mask": ("than the binary mask's", MASK),
        "meta_beats_depth": ("than the one that regresses depth", DEPTH),
        "meta_beats_ordinary_teacher": ("than an ordinary teacher's", ORDINARY),
        "beats_trivial_baseline": ("than logistic regression on 8×8 thumbnails", BASELINE),
    }
    return [
        *(
            auc_.higher(
                name,
                "On unseen instruments and lights the meta-teacher's student has a higher AUC "
                f"{sentence}.",
                META,
                than=other,
            )
            for name, (sentence, other) in others.items()
        ),
        results.series("acer").lower(
            "meta_lowers_acer",
            "Its ACER, worst species, is lower than the binary mask's.",
            META,
            than=MASK,
        ),
    ]


def views(results: Results, _config: MetaTeacherConfig) -> Views:
    """All students, and the meta-teacher's lessons."""
    common = face_views(
        results,
        SYSTEMS,
        caption="meta-teacher: a fresh student by the maps that the meta-teacher learned. binary "
        "mask: ones on attacks. depth: the true relief on bona fides. ordinary teacher: the maps "
        "of a network of twice the width that was trained on the binary mask. thumbnails: logistic "
        "regression on 8×8 colours.",
        trained=[],
    )
    lessons = results.table(
        "teacher",
        "The meta-teacher's lessons",
        "repetition",
        [
            *(
                Column(f"validation loss, {part}", "validation loss", {"lessons": part})
                for part in ("first tenth", "last tenth")
            ),
            Column("highest value of a map", "highest value of a map"),
        ],
        caption="The validation loss is the student's after one step of the lesson. Each map has a "
        "mean of 1; a highest value of 1 is the binary mask.",
    )
    return Views(common.metrics, [*common.tables, lessons], common.figures)


STUDY = Study(
    ENTRIES["meta_teacher"],
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
    claims=claims,
    views=views,
    scope=scope_of,
    repetitions="seeds",
)
