"""Every detector against one corpus: trained, calibrated, attacked, and moved to another domain.

One trial is what a study repeats over seeds. All detectors that read a language model's tokens
share its forward passes.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.guarantee import ConformalSelector
from sterling.lm import LocalModel, SignalStore
from sterling.measure import Scores
from sterling.text.attacks import AttackTools, attack_records
from sterling.text.corpus.records import TextRecord
from sterling.text.detectors import (
    METRICS,
    CalibratedDetector,
    DetectorPlan,
    Judged,
    make_detector,
    score_metrics,
    score_prefixes,
    train_detector,
)
from sterling.text.evaluation.calibration import choose_threshold

PREFIXES = (32, 64, 96)  # tokens of a text that a detector is shown
SUPERVISED = ("character_ngrams", "small_classifier")


@dataclass(frozen=True)
class TrialPlan:
    """What is done with a corpus.

    Attributes:
        attacks: Of those that need no model.
        share: Of words that they attack.
        max_tokens: The first so many tokens of a text count.
        slow: Detectors of many passes for each text ("detect_gpt", "npr", "dna_gpt", "binoculars").
        slow_pairs: How many pairs of the test split these are asked about.
        copies: Of a text, for these.
        base: The detector that is attacked and declares.
        store: Folder of passes made before.
    """

    attacks: tuple[str, ...]
    share: float
    max_tokens: int
    slow: tuple[str, ...]
    slow_pairs: int
    copies: int
    base: str
    store: Path


@dataclass(frozen=True)
class Trial:
    """What came out, as JSON values.

    Attributes:
        records: Id, label, group, domain, model and split of every original.
        raw: By training-free metric the scores of every original, None where not scored.
        prefixes: The base detector's scores when it is shown so many tokens, by their number.
        slow: By slow detector rows of id, label, group and score.
        tested: By detector and threshold mode rows of [id, label, group, domain, logit, called].
        development: Human texts behind each threshold.
        attacked: By detector and attack rows of [parent, detected, passed, logit]; logit None
            where the copy could not be scored.
        transfer: By supervised detector and "trained on/tested on" rows of [label, logit].
        missing: Originals that could not be scored, per metric.
    """

    records: list[list[Any]]
    raw: dict[str, list[float | None]]
    prefixes: dict[str, list[float | None]]
    slow: dict[str, list[list[Any]]]
    tested: dict[str, dict[str, list[list[Any]]]]
    development: int
    attacked: dict[str, dict[str, list[list[Any]]]]
    transfer: dict[str, dict[str, list[list[Any]]]]
    missing: dict[str, int]


def _numbers(values: NDArray[np.float64]) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def run_trial(
    records: Sequence[TextRecord], model: LocalModel, plan: TrialPlan, seed: int
) -> Trial:
    """Run everything on a corpus that is divided into splits.

    Args:
        records: Of people and of machines, in two domains or more, each in every split.
        model: Scores tokens.
        plan: What is done.
        seed: Of attacks and training.

    Raises:
        InputError: Fewer than two domains.
    """
    domains = sorted({record.domain for record in records})
    if len(domains) < 2:
        raise InputError(f"domains {domains}: give texts of two or more, to see what carries over")
    split = {
        name: [one for one in records if one.split == name] for name in ("train", "dev", "test")
    }
    store = SignalStore(plan.store)
    detectors = DetectorPlan(
        max_tokens=plan.max_tokens, copies=plan.copies, seed=seed, store=plan.store
    )
    texts = [record.text for record in records]
    scored = score_metrics(model, texts, max_tokens=plan.max_tokens, store=store)
    trained = {
        name: train_detector(make_detector(name, detectors, model), split["train"], split["dev"])
        for name in (*METRICS, "gltr", *SUPERVISED)
    }
    test = {name: one.judge(split["test"]) for name, one in trained.items()}
    copies = [
        copy
        for attack in plan.attacks
        for copy in attack_records(
            records, attack, share=plan.share, seed=seed, tools=AttackTools()
        )
    ]
    return Trial(
        records=[
            [one.id, one.label, one.group, one.domain, one.model, one.split] for one in records
        ],
        raw={name: _numbers(one.values) for name, one in scored.items()},
        prefixes={
            str(length): _numbers(one.values)
            for length, one in score_prefixes(
                model, texts, plan.base, PREFIXES, max_tokens=plan.max_tokens, store=store
            ).items()
        },
        slow=_slow(records, split, model, plan, detectors),
        tested={
            name: {
                mode: _tested(_at(trained[name], split["dev"], mode), split["test"])
                for mode in ("accuracy", "low_fpr")
            }
            for name in trained
        },
        development=sum(one.label == 0 for one in split["dev"]),
        attacked={
            name: _attacked(test[name], trained[name].judge(copies))
            for name in ("likelihood", "log_rank", plan.base, *SUPERVISED)
        },
        transfer={name: _transfer(name, records, domains, detectors) for name in SUPERVISED},
        missing={name: int(np.isnan(one.values).sum()) for name, one in scored.items()},
    )


def _at(detector: CalibratedDetector, dev: Sequence[TextRecord], mode: Any) -> CalibratedDetector:
    """The same detector with the threshold of another mode."""
    if detector.development["mode"] == mode:
        return detector
    judged = detector.judge(dev)
    own = judged.select(judged.scored)
    scores = Scores(own.logit, own.label, item=[record.id for record in own.records])
    return replace(detector, threshold=choose_threshold(scores, mode))


def _tested(detector: CalibratedDetector, test: Sequence[TextRecord]) -> list[list[Any]]:
    judged = detector.judge(test)
    return [
        [one.id, one.label, one.group, one.domain, logit, bool(called)]
        for one, logit, called in zip(
            judged.records, _numbers(judged.logit), judged.machine, strict=True
        )
    ]


def _attacked(originals: Judged, copies: Judged) -> dict[str, list[list[Any]]]:
    called = {
        one.id: bool(machine)
        for one, machine in zip(originals.records, originals.machine, strict=True)
    }
    rows: dict[str, list[list[Any]]] = {}
    for one, machine, logit in zip(
        copies.records, copies.machine, _numbers(copies.logit), strict=True
    ):
        rows.setdefault(one.attack, []).append([one.parent, called[one.parent], not machine, logit])
    return rows


def _transfer(
    name: str, records: Sequence[TextRecord], domains: Sequence[str], plan: DetectorPlan
) -> dict[str, list[list[Any]]]:
    """Trained on one domain's train and dev, tested on the test split of each."""
    found = {}
    for own in domains:
        detector = make_detector(name, plan)
        training = [one for one in records if one.domain == own and one.split != "test"]
        detector.fit([one.text for one in training], np.array([one.label for one in training]))
        for other in domains:
            asked = [one for one in records if one.domain == other and one.split == "test"]
            values = _numbers(detector.score([one.text for one in asked]).values)
            found[f"{own}/{other}"] = [
                [one.label, value] for one, value in zip(asked, values, strict=True)
            ]
    return found


def _slow(
    records: Sequence[TextRecord],
    split: dict[str, list[TextRecord]],
    model: LocalModel,
    plan: TrialPlan,
    detectors: DetectorPlan,
) -> dict[str, list[list[Any]]]:
    """Some texts of the test split, as many of people as of machines, from all domains in turn."""
    chosen = _in_turn(split["test"], plan.slow_pairs)
    training = [one for one in records if one.split == "train"]
    found = {}
    for name in plan.slow:
        detector = make_detector(name, detectors, model)
        detector.fit([one.text for one in training], np.array([one.label for one in training]))
        values = _numbers(detector.score([one.text for one in chosen]).values)
        found[name] = [
            [one.id, one.label, one.group, value] for one, value in zip(chosen, values, strict=True)
        ]
    return found


def _in_turn(records: Sequence[TextRecord], pairs: int) -> list[TextRecord]:
    """So many texts of each label, the first of every domain, then the second, and so on."""
    places: Counter[tuple[int, str]] = Counter()
    ranked = []
    for record in records:
        ranked.append((places[record.label, record.domain], record))
        places[record.label, record.domain] += 1
    ranked.sort(key=lambda one: one[0])
    return [
        record
        for label in (0, 1)
        for record in [one for _, one in ranked if one.label == label][:pairs]
    ]


def declared_share(
    human: NDArray[np.float64],
    machine: NDArray[np.float64],
    *,
    fdr: float,
    repetitions: int,
    rng: np.random.Generator,
    calibration: NDArray[np.float64] | None = None,
) -> tuple[float, float, float]:
    """Mean false discovery proportion of declared lists, their power, and how many name anybody.

    Args:
        human: Scores of people's texts, larger is more like a machine's. Without `calibration`
            two thirds of them calibrate and the others are among the documents, drawn anew each
            time.
        machine: Scores of machines' texts, all of them documents.
        fdr: The level.
        repetitions: Splits.
        rng: Of the splits.
        calibration: Scores of other people's texts to calibrate with, a random two thirds each
            time.

    Returns:
        Mean false discovery proportion, mean share of the machines' texts on the list, and share
        of lists that are not empty, in [0, 1].
    """
    proportions, powers, declaring = [], [], 0
    for _ in range(repetitions):
        order = rng.permutation(len(human))
        cut = 2 * len(human) // 3
        known = human[order[:cut]]
        if calibration is not None:
            known = rng.permutation(calibration)[: 2 * len(calibration) // 3]
        asked = np.concatenate([human[order[cut:]], machine])
        people = len(human) - cut
        selector = ConformalSelector(alpha=fdr).fit(-known)
        declared = selector.adjusted_p_values(-asked) <= fdr
        proportions.append(declared[:people].sum() / max(1, declared.sum()))
        powers.append(declared[people:].mean())
        declaring += bool(declared.any())
    return float(np.mean(proportions)), float(np.mean(powers)), declaring / repetitions
