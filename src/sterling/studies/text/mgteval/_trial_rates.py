"""What trials of detectors say: areas, error rates, attack success, transfer and declared lists."""

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sterling.measure import Estimate, Rate, Scores, auc, compare_paired
from sterling.runs import derive_seed
from sterling.studies.text.mgteval._trial import Trial, declared_share

BASE = "fast_detect_gpt"
PLAIN = ("likelihood", "rank", "log_rank", "lrr", "fast_detect_gpt")  # larger means machine
FDR = 0.1
RESPLITS = 200
DECLARING_SHARE = 0.05  # ours: with fewer lists that name anybody, their rate says nothing


def pooled(trials: Sequence[Trial], values: Sequence[Sequence[float | None]]) -> Scores:
    """Scores of all seeds' originals; one that could not be scored ranks on the wrong side."""
    rows = [record for trial in trials for record in trial.records]
    column = [value for each in values for value in each]
    return scores_of_rows(
        [[row[0], row[1], row[2], value] for row, value in zip(rows, column, strict=True)]
    )


def scores_of_rows(rows: Sequence[Sequence[Any]]) -> Scores:
    """Scores from rows of id, label, group and score."""
    known = [float(row[3]) for row in rows if row[3] is not None]
    low, high = min(known) - 1, max(known) + 1
    values = [(low if row[1] else high) if row[3] is None else row[3] for row in rows]
    return Scores(
        values,
        [row[1] == 1 for row in rows],
        item=[f"{place}/{row[0]}" for place, row in enumerate(rows)],
        subject=[row[2] for row in rows],
    )


def metric_scores(trials: Sequence[Trial], name: str) -> Scores:
    """A training-free metric of all seeds' originals."""
    return pooled(trials, [trial.raw[name] for trial in trials])


def area_of_rows(rows: Sequence[Sequence[Any]]) -> float:
    """AUROC of rows of label and score."""
    return auc(scores_of_rows([["", row[0], "", row[1]] for row in rows])).value


def advantage(first: Scores, second: Scores) -> Estimate:
    """Difference of AUROC on the same texts, with a bootstrap over groups."""
    return compare_paired(first, second, lambda one: auc(one).value, seed=0, repetitions=500)


def upside_down(scores: Scores) -> Scores:
    """The same, with smaller for larger."""
    return Scores(-scores.values, scores.label, item=scores.item, subject=scores.subject)


def alarms(trials: Sequence[Trial], name: str, mode: str) -> Rate:
    """False positives of a calibrated detector among the human test texts of all seeds."""
    rows = [row for trial in trials for row in trial.tested[name][mode] if row[1] == 0]
    # A human text that could not be scored counts as called a machine's.
    return Rate(sum(row[5] or row[4] is None for row in rows), len(rows))


def hits(trials: Sequence[Trial], name: str, mode: str) -> Rate:
    """True positives of a calibrated detector among the machine test texts of all seeds."""
    rows = [row for trial in trials for row in trial.tested[name][mode] if row[1] == 1]
    return Rate(sum(row[5] for row in rows), len(rows))


def success(trials: Sequence[Trial], name: str, attack: str) -> Rate | None:
    """Attack success rate: of the detected parents, whose copy passes as human."""
    rows = [row for trial in trials for row in trial.attacked[name].get(attack, []) if row[1]]
    return Rate(sum(row[2] for row in rows), len(rows)) if rows else None


def transferred(trial: Trial, name: str) -> float:
    """AUROC within a domain less AUROC in the other ones, mean over ordered pairs of domains."""
    rows = trial.transfer[name]
    domains = sorted({pair.split("/")[0] for pair in rows})
    return float(
        np.mean(
            [
                area_of_rows(rows[f"{own}/{own}"]) - area_of_rows(rows[f"{own}/{other}"])
                for own, other in permutations(domains, 2)
            ]
        )
    )


def _kinds(trial: Trial, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
    """Scores of people's and machines' texts, and the domains of the people's."""
    rows = [
        (record, value)
        for record, value in zip(trial.records, trial.raw[name], strict=True)
        if value is not None
    ]
    human = np.array([value for record, value in rows if record[1] == 0])
    machine = np.array([value for record, value in rows if record[1] == 1])
    return human, machine, [record[3] for record, _ in rows if record[1] == 0]


def list_rates(trials: Sequence[Trial], name: str) -> list[tuple[float, float, float]]:
    """False discovery rate and power of the declared lists, and how many name anybody, per seed."""
    return [
        declared_share(
            *_kinds(trial, name)[:2], fdr=FDR, repetitions=RESPLITS, rng=_rng(seed, name)
        )
        for seed, trial in enumerate(trials)
    ]


def judged(lists: Sequence[tuple[float, float, float]]) -> list[float]:
    """False discovery rates; none at all where too few lists name anybody to judge them."""
    declaring = float(np.mean([one for _, _, one in lists]))
    return [rate for rate, _, _ in lists] if declaring >= DECLARING_SHARE else []


def foreign_list_rates(trials: Sequence[Trial], name: str) -> list[tuple[float, float, float]]:
    """The same where another domain's people calibrate, of the worst pair of domains."""
    rates = []
    for seed, trial in enumerate(trials):
        human, machine, domains = _kinds(trial, name)
        of = {one: human[np.array(domains) == one] for one in sorted(set(domains))}
        found = [
            declared_share(
                of[asked], machine, fdr=FDR, repetitions=RESPLITS, rng=_rng(seed, name),
                calibration=of[known],
            )
            for known, asked in permutations(of, 2)
        ]  # fmt: skip
        rates.append(max(found))
    return rates


def _rng(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng(derive_seed(seed, "list", name))
