"""EPCR: does unlabelled data help when few captures are labelled, and is it the consistency?

Wang et al., "Consistency Regularization for Deep Face Anti-Spoofing", IEEE TIFS 2023. Every seed
draws its own captures and its own initial weights; the arms of one seed share both. An arm without
unlabelled captures takes as many steps as one with them. The protocols follow what the release's
lists imply; their official names are unknown, these are ours. Instruments are flat, as in the
paper's data, but for the protocol that asks for masks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch.nn import functional

from sterling.face.capture import KINDS
from sterling.face.data import CropSpec, Faces, Manifest, load_faces, read_folder, split_by_subject
from sterling.face.evaluation.evaluate import write_scores
from sterling.face.pad import EPCR, Consistency, Detector, normalise
from sterling.runs import Run
from sterling.scale.backends import in_processes
from sterling.studies.face._old_harness import (
    BASELINE,
    Arm,
    ComparisonConfig,
    Seed,
    auc_gains,
)
from sterling.studies.face._old_views import SIMULATED, comparison_findings, score_tables
from sterling.studies.face._settings import Setting, compare_settings, settings_table
from sterling.study import (
    Claim,
    Findings,
    Study,
    Table,
    bounded_below,
    positive,
    row_over_seeds,
)

Rule = Callable[[Manifest], NDArray[np.bool_]]
FEW = "few subjects"
EPCR_ARM, LABELS_ARM, EVERYTHING = "epcr", "labels", "all labels"
ARMS = (EPCR_ARM, LABELS_ARM, "no embedding", "no prediction", "same positions", EVERYTHING)
SYSTEMS = (*ARMS, BASELINE)
TARGET = "target"
SPREAD_BAR = 0.1  # our own, set before anything was measured


class EpcrConfig(ComparisonConfig):
    """Configuration of the study, beside what all comparisons have.

    Attributes:
        theta: Share of the difference term of the encoder.
        labelled: Share of the training subjects that are labelled, where subjects are.
        embed_weight: Of the consistency of embeddings.
        predict_weight: Of the consistency of predictions.
    """

    protocol: str = "planar"
    captures: tuple[int, int, int] = (240, 60, 160)
    subjects: tuple[int, int, int] = (20, 8, 16)
    size: int = Field(default=40, ge=16, multiple_of=8)
    seeds: int = Field(default=4, ge=1)
    epochs: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=4e-3, gt=0)
    step_epochs: int = Field(default=6, ge=1)
    step_factor: float = Field(default=0.3, gt=0, le=1)
    batch_size: int = Field(default=8, ge=1)
    theta: float = Field(default=0.0, ge=0, le=1)
    labelled: float = Field(default=0.1, gt=0, lt=1)
    embed_weight: float = Field(default=1.0, ge=0)
    predict_weight: float = Field(default=0.1, ge=0)


@dataclass(frozen=True)
class Protocol:
    """Which of the training captures are labelled, in which setting.

    Attributes:
        setting: The captures.
        question: Ends the sentence of the claim.
        labelled: From the training manifest to bool (N,).
    """

    setting: Setting
    question: str
    labelled: Rule


def protocols(config: EpcrConfig) -> list[Protocol]:
    """Five protocols as the release's lists imply them; of own data the first one only."""
    few = partial(_few_subjects, share=config.labelled)
    share = f"{config.labelled:.0%} of the subjects labelled"
    found = [
        Protocol(Setting(FEW), f"with {share}", few),
        Protocol(
            Setting(f"{FEW}, new domain", captures="planar_open"),
            f"with {share} and new lights and cameras in test",
            few,
        ),
        Protocol(
            Setting("one sensor"), "with one of three cameras unlabelled", _all_but_one_sensor
        ),
        Protocol(
            Setting("target", captures="planar_open", changed=with_target),
            "with unlabelled captures of the cameras and lights tested added",
            lambda manifest: ~manifest.matches(session=TARGET),
        ),
        Protocol(
            Setting("flat", captures="flat_and_masks", species=KINDS["masks"]),
            "against masks, with flat instruments alone labelled among the attacks",
            lambda manifest: ~manifest.matches(species=KINDS["masks"]),
        ),
    ]
    return found if config.data is None else found[:1]


def _few_subjects(manifest: Manifest, share: float) -> NDArray[np.bool_]:
    """Captures of the first subjects by name, as few as hold the share and both classes."""
    subjects = sorted(set(manifest.column("subject").tolist()))
    for count in range(max(1, round(share * len(subjects))), len(subjects)):
        found = manifest.matches(subject=subjects[:count])
        if 0 < (manifest.bona_fide & found).sum() < found.sum():
            return found
    return np.ones(len(manifest), dtype=np.bool_)


def _all_but_one_sensor(manifest: Manifest) -> NDArray[np.bool_]:
    return ~manifest.matches(sensor=min(manifest.column("sensor").tolist()))


def with_target(faces: Faces) -> Faces:
    """Half of the test subjects move to the training captures; `TARGET` is their session."""
    test = sorted(set(faces.manifest.where(split="test").column("subject").tolist()))
    moved = pl.col("subject").is_in(test[: len(test) // 2])
    table = faces.manifest.table.with_columns(
        split=pl.when(moved).then(pl.lit("train")).otherwise(pl.col("split")),
        session=pl.when(moved).then(pl.lit(TARGET)).otherwise(pl.col("session")),
    )
    return replace(faces, manifest=Manifest(table, faces.manifest.source))


def measure(config: EpcrConfig, run: Run) -> Findings:
    """Train and test every arm on every seed and protocol, and test the claims."""
    known = protocols(config)
    recorded = None if config.data is None else _recorded(config.data, config)
    calls = [(config, run, index, recorded) for index in range(config.seeds)]
    found = in_processes(_one_seed, calls, "seeds")
    settings = [one.setting for one in known]
    seeds = {one.name: [seed[one.name] for seed in found] for one in settings}
    write_scores(score_tables(seeds[FEW]), run.folder)
    scope = SIMULATED if config.data is None else f"Photographs at {config.data}; seeds of weights."
    return comparison_findings(
        seeds[FEW],
        SYSTEMS,
        _claims(known, seeds),
        caption=f"{config.labelled:.0%} of the subjects are labelled. epcr: the others train "
        "without labels. labels: without the others, for as many steps. no embedding, no "
        "prediction: one of the two consistencies. same positions: position by position instead "
        "of every one with every other. all labels: all are labelled, without consistency. "
        "thumbnails: logistic regression on 8×8 colours, all labelled.",
        trained=[EPCR_ARM, LABELS_ARM],
        scope=scope,
        tables=[
            settings_table(
                settings,
                seeds,
                EPCR_ARM,
                LABELS_ARM,
                title="What is labelled, and what the rest adds",
                caption="flat: AUC against masks. target: half of the tested subjects train "
                "without labels and are not tested.",
            ),
            _spread_table(seeds[FEW]),
        ],
    )


def _one_seed(config: EpcrConfig, run: Run, index: int, recorded: Faces | None) -> dict[str, Seed]:
    return compare_settings(
        "epcr",
        config,
        run,
        index,
        {one.setting: _arms(config, one) for one in protocols(config)},
        recorded=None if recorded is None else partial(_split, recorded, index),
    )


def _arms(config: EpcrConfig, protocol: Protocol) -> dict[str, Arm]:
    everything: Rule = lambda manifest: np.ones(len(manifest), np.bool_)  # noqa: E731
    options = {
        "embed_weight": config.embed_weight,
        "predict_weight": config.predict_weight,
        "augmented": config.augment,
    }

    def arm(labelled: Rule, **changes: Any) -> Arm:
        return Arm(
            lambda seed: EPCR(config.width, config.theta, seed=seed),
            label="constant",
            finish=_spread,
            objective=lambda training: Consistency(
                torch.from_numpy(labelled(training.manifest)), **{**options, **changes}
            ),
        )

    none = {"embed_weight": 0.0, "predict_weight": 0.0}
    arms = {
        EPCR_ARM: arm(protocol.labelled),
        LABELS_ARM: replace(
            arm(everything, **none), sees=partial(labelled_only, labelled=protocol.labelled)
        ),
    }
    if protocol.setting.name != FEW:
        return arms
    return {
        **arms,
        "no embedding": arm(protocol.labelled, embed_weight=0.0),
        "no prediction": arm(protocol.labelled, predict_weight=0.0),
        "same positions": arm(protocol.labelled, dense="position_to_position"),
        EVERYTHING: arm(everything, **none),
    }


def labelled_only(faces: Faces, labelled: Rule) -> Faces:
    """Training captures without a label left out, the others repeated to the same number.

    So an arm without unlabelled captures takes as many steps as one with them.
    """
    training = faces.manifest.matches(split="train")
    rows = np.flatnonzero(training)
    kept = rows[labelled(faces.manifest.where(split="train"))]
    rows = np.concatenate([np.resize(kept, len(rows)), np.flatnonzero(~training)])
    copy = pl.int_range(pl.len()).over("item").cast(pl.String)
    table = faces.manifest.table[rows].with_columns(
        item=pl.when(copy == "0").then("item").otherwise(pl.col("item") + "#" + copy)
    )
    return replace(
        faces,
        manifest=Manifest(table, faces.manifest.source),
        images=faces.images[rows],
        depth=None if faces.depth is None else faces.depth[rows],
        mask=None if faces.mask is None else faces.mask[rows],
    )


def _spread(detector: Detector, faces: Faces, _result: Mapping[str, Any]) -> dict[str, Any]:
    """Deviation over test captures of the unit embedding, times the root of its channels.

    0 when all captures have one embedding (collapse), 1 when they point everywhere alike.
    """
    network, images = detector.model, faces.split("test").images
    assert isinstance(network, EPCR)
    with torch.inference_mode():
        parts = [network.embed(normalise(part)) for part in torch.split(images, 32)]
    unit = functional.normalize(torch.cat(parts), dim=1).mean(dim=(2, 3))
    return {"spread": float(unit.std(dim=0).mean() * unit.shape[1] ** 0.5)}


def _recorded(folder: Path, config: EpcrConfig) -> Faces:
    """Crops of the photographs in a folder or manifest: faces are looked for once, not per seed."""
    manifest = Manifest.read(folder) if folder.is_file() else read_folder(folder)
    return load_faces(manifest, CropSpec(size=config.size)).faces


def _split(faces: Faces, index: int) -> Faces:
    """Recorded faces, split by subject, anew for each seed, where they are not split."""
    if faces.manifest.matches(split=("train", "dev")).any():
        return faces
    return replace(faces, manifest=split_by_subject(faces.manifest, seed=index))


def _claims(known: Sequence[Protocol], seeds: Mapping[str, list[Seed]]) -> list[Claim]:
    def gain(name: str, sentence: str, worse: str) -> Claim:
        return positive(name, sentence, auc_gains(seeds[FEW], EPCR_ARM, worse))

    of_protocols = [
        positive(
            f"unlabelled_captures_help_{one.setting.key}",
            f"Unlabelled captures and consistency give a higher AUC than the labels alone, "
            f"{one.question}.",
            auc_gains(seeds[one.setting.name], EPCR_ARM, LABELS_ARM, one.setting.species),
            paper="abstract: gains in the supervised and semi-supervised tasks",
        )
        for one in known
    ]
    return [
        *of_protocols,
        gain("embedding_helps", "The consistency of embeddings raises the AUC.", "no embedding"),
        gain("prediction_helps", "That of predictions raises the AUC.", "no prediction"),
        gain(
            "every_position_beats_same_position",
            "Comparing every position with every other gives a higher AUC than equal positions.",
            "same positions",
        ),
        gain("beats_trivial_baseline", "The AUC is above that of 8×8 thumbnails.", BASELINE),
        bounded_below(
            "no_collapse",
            f"Embeddings do not collapse: their spread over captures is at least {SPREAD_BAR:g} "
            "(ours).",
            [seed.results[EPCR_ARM]["spread"] for seed in seeds[FEW]],
            SPREAD_BAR,
        ),
    ]


def _spread_table(seeds: list[Seed]) -> Table:
    return Table(
        name="spread",
        title="Do embeddings collapse?",
        columns=["system", "spread", "low", "high"],
        rows=[
            [arm, *row_over_seeds([seed.results[arm]["spread"] for seed in seeds])] for arm in ARMS
        ],
        caption="Deviation of the mean unit embedding over test captures times the root of its "
        "channels: 0 is collapse.",
    )


EPCR_STUDY = Study(
    name="epcr",
    summary="Few labels: consistency of two views in embeddings and predictions.",
    domain="face",
    cite="wang2023consistency",
    presets={
        "smoke": EpcrConfig(
            subjects=(4, 2, 4),
            captures=(16, 8, 16),
            size=32,
            seeds=2,
            width=4,
            epochs=1,
            augment=True,
        ),
        "quick": EpcrConfig(),
        "paper": EpcrConfig(
            captures=(4000, 1000, 2000),
            size=256,
            width=64,
            epochs=800,
            learning_rate=0.0075,
            step_epochs=200,
            batch_size=64,
            theta=0.7,
            augment=True,
        ),
    },
    measure=measure,
)
