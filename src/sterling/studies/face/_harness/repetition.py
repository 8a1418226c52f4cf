"""Scores of one repetition of a face study, and the rows that they give."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sterling.face.capture import KINDS
from sterling.face.data import Faces
from sterling.face.evaluation.evaluate import score_table
from sterling.measure import Rate, Scores, Threshold, aggregate, auc, evaluate, threshold_at_eer
from sterling.runs import Row
from sterling.study import row

UNSEEN_DOMAIN = "unseen_domain"


def unseen_domain(faces: Faces) -> NDArray[np.bool_]:
    """Test captures of trained species under illumination or sensors that were not trained on."""
    seen, test = faces.manifest.where(split="train"), faces.manifest.where(split="test")
    unseen = ~test.matches(sensor=set(seen.column("sensor").tolist()))
    unseen |= ~test.matches(illumination=set(seen.column("illumination").tolist()))
    return unseen & test.matches(species=set(seen.column("species").tolist()))


def items_of(faces: Faces) -> dict[str, Any]:
    """Return the items behind the scores as JSON: dev, test, trained species, unseen domain.

    Frames of one video have one item, the video.
    """
    manifest = faces.manifest
    parts = {split: manifest.where(split=split) for split in ("dev", "test")}
    described: dict[str, Any] = {
        split: {
            "item": part.presentation.tolist(),
            "subject": part.column("subject").tolist(),
            "species": part.column("species").tolist(),
        }
        for split, part in parts.items()
    }
    unseen = unseen_domain(faces)
    if _has_frames(described["test"]["item"]):  # in the order that `aggregate` gives
        unseen = unseen[np.unique(parts["test"].presentation, return_index=True)[1]]
    seen = manifest.where(split="train").column("species").tolist()
    return {
        **described,
        "seen_species": sorted(set(seen)),
        UNSEEN_DOMAIN: unseen.tolist(),
    }


def _has_frames(items: Sequence[str]) -> bool:
    """Whether some items are frames of one presentation."""
    return len(set(items)) < len(items)


@dataclass(frozen=True, eq=False)
class Repetition:
    """Scores of all systems on the development and test captures of one repetition.

    Attributes:
        dev: Development scores by system.
        test: Test scores by system.
        thresholds: Threshold of each system, at equal error on its development scores.
        results: For each system the object that `train_and_score` returned.
        seen_species: Attack species that were trained on.
        unseen_domain: Mask of test captures of a trained species in an unseen domain, bool (N,).
    """

    dev: dict[str, Scores]
    test: dict[str, Scores]
    thresholds: dict[str, Threshold]
    results: Mapping[str, Mapping[str, Any]]
    seen_species: list[str]
    unseen_domain: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        results: Mapping[str, Mapping[str, Any]],
        items: Mapping[str, Any],
        *,
        source: str,
    ) -> "Repetition":
        """Join scores by system and `items_of`; `source` is the thresholds' origin."""
        dev = {name: _scores(result["dev"], items["dev"]) for name, result in results.items()}
        return cls(
            dev=dev,
            test={name: _scores(result["test"], items["test"]) for name, result in results.items()},
            thresholds={
                name: threshold_at_eer(scores, source=source) for name, scores in dev.items()
            },
            results=results,
            seen_species=items["seen_species"],
            unseen_domain=np.array(items[UNSEEN_DOMAIN]),
        )

    def acer(self, system: str, *, unseen_domain: bool = False) -> float | None:
        """ACER (worst species) on the test captures; None when a class is missing among them."""
        scores = self.test[system]
        if unseen_domain:
            scores = scores.select(self.unseen_domain)
        if scores.label.all() or not scores.label.any():
            return None
        return evaluate(scores, self.thresholds[system]).acer

    def auc(self, system: str, species: Sequence[str] | None = None) -> float | None:
        """AUC on the test captures, against some species only; None when a class is missing."""
        scores = self.test[system]
        if species is not None:
            scores = scores.select(scores.label | np.isin(scores.group, species))
        return None if scores.label.all() or not scores.label.any() else auc(scores).value

    def errors(self, system: str) -> dict[str, Rate]:
        """APCER of every species and, as "bona_fide", the BPCER, at the system's threshold."""
        scores = self.test[system]
        wrong = self.thresholds[system].accept(scores) != scores.label
        groups = {name: scores.group == name for name in np.unique(scores.group).tolist()}
        return {
            name: Rate(int(wrong[rows].sum()), int(rows.sum())) for name, rows in groups.items()
        }

    def score_table(self, index: int) -> pl.DataFrame:
        """All scores, as rows of ``scores.parquet``."""
        return pl.concat(
            score_table(scores, self.thresholds[system], system=system, split=split, seed=index)
            for split, systems in (("dev", self.dev), ("test", self.test))
            for system, scores in systems.items()
        )


def rows_of(
    repetition: Repetition,
    asked_species: Sequence[str] | None = None,
    kinds: Mapping[str, Sequence[str]] = KINDS,
) -> list[Row]:
    """Everything that is measured in one setting of one repetition.

    Rows of a system without further coordinates are over all test captures. ``subset`` is
    "unseen domain" (trained species under other illumination or sensors), "development",
    "training", or "asked" (against the species asked about).

    Args:
        repetition: The scores.
        asked_species: Species asked about; None for all.
        kinds: Species by kind of instrument.
    """
    rows = []
    for system in repetition.test:
        result = repetition.results[system]
        asked = repetition.auc(system, asked_species)
        rows += [
            row("acer", repetition.acer(system), system=system),
            row(
                "acer",
                repetition.acer(system, unseen_domain=True),
                system=system,
                subset="unseen domain",
            ),
            row("auc", repetition.auc(system), system=system),
            row("auc", asked, system=system, subset="asked"),
            row("auc", auc(repetition.dev[system]).value, system=system, subset="development"),
            row("auc", result.get("training_auc"), system=system, subset="training"),
            row("collapsed", float(result.get("collapsed", False)), system=system),
            *({"system": system, **each} for each in result.get("finished", ())),
            *(
                row("score", epoch[label], system=system, label=label, epoch=number)
                for number, epoch in enumerate(result.get("history", ()), start=1)
                for label in ("bona fide", "attack")
            ),
        ]
        for name, rate in repetition.errors(system).items():
            if name == "bona_fide":
                rows.append(row("bpcer", rate, system=system))
            else:
                seen = "seen" if name in repetition.seen_species else "unseen"
                rows.append(row("apcer", rate, system=system, species=name, seen=seen))
        presented = set(repetition.test[system].group.tolist()) - {"bona_fide"}
        for kind, species in kinds_of(presented, kinds).items():
            rows.append(row("auc", repetition.auc(system, species), system=system, kind=kind))
    return rows


def kinds_of(
    presented: Iterable[str], kinds: Mapping[str, Sequence[str]] = KINDS
) -> dict[str, Sequence[str]]:
    """Kinds of instrument among species presented; a species of no kind is one of its own."""
    known = {name for species in KINDS.values() for name in species}
    found = {kind: names for kind, names in kinds.items() if set(names) & set(presented)}
    return {**found, **{name: (name,) for name in sorted(set(presented) - known)}}


def _scores(values: Sequence[float], items: Mapping[str, Sequence[str]]) -> Scores:
    species = np.array(items["species"])
    live, subjects = species == "bona_fide", items["subject"]
    if _has_frames(items["item"]):
        return aggregate(Scores(values, live, subject=subjects, group=species), items["item"])
    return Scores(values, live, item=items["item"], subject=subjects, group=species)


def fused(repetition: Repetition, name: str, systems: Sequence[str]) -> Repetition:
    """Add a system whose score is the mean of other systems' scores.

    Each is standardised by the mean and deviation of its development scores first, so that none
    counts for more because its scores spread more.
    """

    def mean(split: Mapping[str, Scores]) -> list[float]:
        parts = []
        for system in systems:
            known = repetition.dev[system].values
            parts.append((split[system].values - known.mean()) / max(known.std(), 1e-12))
        return np.mean(parts, axis=0).tolist()  # type: ignore[no-any-return]

    dev, test = (
        replace(split[systems[0]], values=np.array(mean(split)))
        for split in (repetition.dev, repetition.test)
    )
    source = repetition.thresholds[systems[0]].source
    return replace(
        repetition,
        dev={**repetition.dev, name: dev},
        test={**repetition.test, name: test},
        thresholds={**repetition.thresholds, name: threshold_at_eer(dev, source=source)},
        results={**repetition.results, name: {}},
    )
