"""One repetition: every detector on one corpus, calibrated, attacked, and in another domain."""

from collections import Counter
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from sterling.guarantee import ConformalSelector
from sterling.lm import SignalStore
from sterling.measure import Rate, Scores, auc
from sterling.runs import Cell, Row, derive_seed
from sterling.studies.text.mgteval._corpus import MgtevalConfig, corpus
from sterling.study import row
from sterling.text.attacks import AttackTools, attack_records
from sterling.text.corpus.records import TextRecord
from sterling.text.detectors import (
    METRICS,
    CalibratedDetector,
    DetectorPlan,
    make_detector,
    score_metrics,
    score_prefixes,
    train_detector,
)
from sterling.text.evaluation.calibration import ThresholdMode, choose_threshold

BASE = "fast_detect_gpt"
PLAIN = ("likelihood", "rank", "log_rank", "lrr", BASE)  # larger means machine
SUPERVISED = ("character_ngrams", "small_classifier")
PREFIXES = (32, 64, 96)  # numbers of tokens of a text that a detector is shown
MODES: tuple[ThresholdMode, ...] = ("accuracy", "low_fpr")
FDR = 0.1
RESPLITS = 200
OWN, OTHER = "own", "another domain"
Floats = NDArray[np.float64]
Splits = dict[str, list[TextRecord]]


def corpus_rows(config: MgtevalConfig, cell: Cell) -> list[Row]:
    """Rows of one repetition; detectors that read tokens share the passes of the language model."""
    seed = derive_seed(cell.run.seed, "split", cell.repetition) % 2**31
    model, records = corpus(config, cell, seed)
    split = {
        name: [one for one in records if one.split == name] for name in ("train", "dev", "test")
    }
    texts, size = [record.text for record in records], config.max_tokens
    # Passes are shared within this cell only: those of an interrupted attempt would make other
    # batches, and batches move scores in the last digits.
    with TemporaryDirectory() as folder:
        store = SignalStore(Path(folder))
        plan = DetectorPlan(max_tokens=size, copies=config.copies, seed=seed, store=Path(folder))
        metrics = score_metrics(model, texts, max_tokens=size, store=store)
        prefixes = score_prefixes(model, texts, BASE, PREFIXES, max_tokens=size, store=store)
        detectors = {
            name: train_detector(make_detector(name, plan, model), split["train"], split["dev"])
            for name in (*METRICS, "gltr", *SUPERVISED)
        }
        some = _in_turn(split["test"], config.slow_pairs)
        tables = [_scores(cell, records, name, one.values) for name, one in metrics.items()]
        tables += [
            _scores(cell, records, BASE, one.values, length) for length, one in prefixes.items()
        ]
        for name in config.slow:
            detector = make_detector(name, plan, model)
            detector.fit(*_training(split["train"]))
            found = detector.score([one.text for one in some])
            tables.append(_scores(cell, some, name, found.values))
        cell.keep_scores(pl.concat(tables))
        rows = [row("human development texts", sum(one.label == 0 for one in split["dev"]))]
        for name, one in detectors.items():
            rows += _calibrated_rows(name, one, split)
        copies = [
            copy
            for attack in config.attacks
            for copy in attack_records(
                records, attack, share=config.share, seed=seed, tools=AttackTools()
            )
        ]
        for name in ("likelihood", "log_rank", BASE, *SUPERVISED):
            rows += _attack_rows(name, detectors[name], split["test"], copies)
        for name in SUPERVISED:
            rows += _transfer_rows(name, records, plan)
    for name in PLAIN:
        rows += _list_rows(cell.repetition, name, records, metrics[name].values)
    return rows


def _training(records: Sequence[TextRecord]) -> tuple[list[str], NDArray[np.int64]]:
    return [one.text for one in records], np.array([one.label for one in records])


def scores_of(label: ArrayLike, values: ArrayLike, subject: ArrayLike | None = None) -> Scores:
    """Scores of texts, machine being positive; one not scored (NaN) ranks on the wrong side."""
    positive, given = np.asarray(label) == 1, np.asarray(values, dtype=np.float64)
    scored = given[~np.isnan(given)]
    low, high = scored.min(initial=0) - 1, scored.max(initial=0) + 1  # also where none is scored
    worst = np.where(positive, low, high)
    return Scores(np.where(np.isnan(given), worst, given), positive, subject=subject)


def _area(records: Sequence[TextRecord], values: Floats) -> float:
    return auc(scores_of([one.label for one in records], values)).value


def _scores(
    cell: Cell,
    records: Sequence[TextRecord],
    detector: str,
    values: Floats,
    tokens: int | None = None,
) -> pl.DataFrame:
    """Rows of ``scores.parquet``: a detector's scores of texts, or of their first `tokens`."""
    columns = {
        "repetition": cell.repetition,
        "detector": detector,
        "tokens": tokens,
        "item": [one.id for one in records],
        "label": [one.label for one in records],
        "group": [one.group for one in records],
        "writer": [one.model for one in records],
        "score": values,
    }
    types = {"repetition": pl.Int64, "tokens": pl.Int64}
    return pl.DataFrame(columns, schema_overrides=types).with_columns(
        pl.col("score").fill_nan(None)
    )


def _calibrated_rows(name: str, detector: CalibratedDetector, split: Splits) -> list[Row]:
    """Error rates on the test texts, at thresholds that the development texts chose."""
    dev, test = detector.judge(split["dev"]), detector.judge(split["test"])
    usable = Scores(dev.logit[dev.scored], dev.label[dev.scored])
    rows = [row("AUROC on the test split", _area(test.records, test.logit), detector=name)]
    for mode in MODES:
        called = test.logit >= choose_threshold(usable, mode).value
        # A human text that could not be scored counts as called a machine's.
        alarms = (called | ~test.scored)[~test.label]
        for kind, some in ("TPR", called[test.label]), ("FPR", alarms):
            rows.append(row(kind, Rate(int(some.sum()), len(some)), detector=name, threshold=mode))
    return rows


def _attack_rows(
    name: str,
    detector: CalibratedDetector,
    test: Sequence[TextRecord],
    copies: Sequence[TextRecord],
) -> list[Row]:
    """Attack success rates: of the detected texts, those whose attacked copy passes as human."""
    before, after = detector.judge(test).machine, detector.judge(copies).machine
    detected = {one.id for one, machine in zip(test, before, strict=True) if machine}
    passed: dict[str, list[bool]] = {copy.attack: [] for copy in copies}
    for copy, machine in zip(copies, after, strict=True):
        if copy.parent in detected:
            passed[copy.attack].append(not machine)
    return [
        row("ASR", Rate(sum(each), len(each)) if each else None, detector=name, attack=attack)
        for attack, each in passed.items()
    ]


def _transfer_rows(name: str, records: Sequence[TextRecord], plan: DetectorPlan) -> list[Row]:
    """AUROC on the test texts of each domain after training on the other texts of one domain."""
    domains = sorted({record.domain for record in records})
    area = {}
    for own in domains:
        detector = make_detector(name, plan)
        detector.fit(*_training([r for r in records if r.domain == own and r.split != "test"]))
        for other in domains:
            asked = [one for one in records if one.domain == other and one.split == "test"]
            area[own, other] = _area(asked, detector.score([one.text for one in asked]).values)
    lost = [area[own, own] - area[own, other] for own, other in permutations(domains, 2)]
    return [
        row("loss of AUROC", float(np.mean(lost)), detector=name),
        *(
            row("AUROC across domains", value, detector=name, trained_on=own, tested_on=other)
            for (own, other), value in area.items()
        ),
    ]


def _in_turn(records: Sequence[TextRecord], pairs: int) -> list[TextRecord]:
    """Texts of each label, `pairs` of them: the first of every domain, then the second, ..."""
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


def _list_rows(index: int, name: str, records: Sequence[TextRecord], values: Floats) -> list[Row]:
    """Declared lists calibrated by texts of all domains, and by another domain (worst pair)."""
    domains = np.array([one.domain for one in records])
    machine = np.array([one.label == 1 for one in records])
    scored = np.isfinite(values)
    human, machines = values[scored & ~machine], values[scored & machine]
    where = domains[scored & ~machine]

    def shares(human: Floats, calibration: Floats | None = None) -> tuple[float, float, float]:
        rng = np.random.default_rng(derive_seed(index, "list", name))
        return declared_share(
            human, machines, fdr=FDR, repetitions=RESPLITS, rng=rng, calibration=calibration
        )

    pairs = permutations(sorted(set(where.tolist())), 2)
    found = {
        OWN: shares(human),
        OTHER: max(shares(human[where == asked], human[where == known]) for known, asked in pairs),
    }
    metrics = ("FDR of the list", "power of the list", "lists that name a text")
    return [
        row(metric, value, detector=name, calibration=calibration)
        for calibration, three in found.items()
        for metric, value in zip(metrics, three, strict=True)
    ]


def declared_share(
    human: Floats,
    machine: Floats,
    *,
    fdr: float,
    repetitions: int,
    rng: np.random.Generator,
    calibration: Floats | None = None,
) -> tuple[float, float, float]:
    """Return false discovery rate and power of declared lists, and the share that are not empty.

    Args:
        human: Scores of human texts, larger is more like a machine's. Without `calibration` two
            thirds of them calibrate and the others are among the documents, drawn anew each time.
        machine: Scores of machine texts, all of them documents.
        fdr: Level of the list.
        repetitions: Number of random splits.
        rng: Random numbers of the splits.
        calibration: Scores of other human texts to calibrate with, a random two thirds each time.

    Returns:
        Mean false discovery proportion, mean share of the machine texts on the list, and share of
        lists that are not empty, in [0, 1].
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
