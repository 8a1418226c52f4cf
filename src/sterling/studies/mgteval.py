"""MGTEVAL: which detectors of machine-generated text can be trusted, and after which edits?

"MGTEval", system demonstration, ACL 2026. The platform reports figures of detectors; the claims
here are the field's own about them. Every seed has texts of its own: people's, and what a language
model makes of their beginnings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sterling.claims import bounded_above, bounded_below, positive
from sterling.errors import InputError
from sterling.figures import bars_over_seeds, lines
from sterling.lm import Sampling, load_local, train_small
from sterling.measure import Estimate, Rate, Scores, auc, compare_paired, tpr_at_fpr
from sterling.runs import Run, derive_seed, in_processes
from sterling.study import (
    Claim,
    Config,
    Figure,
    Findings,
    Metric,
    Paper,
    Row,
    Study,
    Table,
    metric_of_rate,
    metric_over_seeds,
    row_over_seeds,
)
from sterling.text.build import BuildPlan, build_corpus
from sterling.text.prose import PROSE_DOMAINS, human_prose
from sterling.text.public_pairs import read_public_pairs
from sterling.text.records import Corpus, TextRecord, split_by_group
from sterling.text.trial import PREFIXES, SUPERVISED, Trial, TrialPlan, declared_share, run_trial

__all__ = ["MGTEVAL_STUDY", "MgtevalConfig"]

BASE = "fast_detect_gpt"
FDR = 0.1
LOW_FPR = 0.01
RESPLITS = 200
DECLARING_SHARE = 0.05  # ours: with fewer lists that name anybody, their rate says nothing
PASSING = (
    0.5  # our bar: an attack that half of the detected texts survive as human undoes a detector
)
SHORT = PREFIXES[1]  # of public sets, whose machine texts begin with some words of the human one
LEAST_PAIRS = 8  # so that every split has both kinds
SHARES = (2, 1, 1)  # ours: the platform's 8 : 1 : 1 leaves too few texts to test on
PLAIN = ("likelihood", "rank", "log_rank", "lrr", "fast_detect_gpt")  # larger means machine


class MgtevalConfig(Config):
    """Configuration of the study.

    Attributes:
        model: "smollm2", a folder that transformers wrote, or "small": a tiny one trained on other
            texts of the same domains. It writes (unless `data` brings machine texts) and scores.
        seeds: How many times everything is repeated, on texts of its own.
        pairs: Human texts, and as many machine texts, of each domain and seed; where public sets
            bring more than two domains, so many of two domains are shared among all.
        prefix_tokens: Of a human text that the model goes on from. They are part of neither text:
            shared beginnings would only hide what differs.
        new_tokens: That it may write.
        attacks: Edits of the detected texts; see `sterling.text.attacks.FREE_ATTACKS`.
        share: Of words that they change.
        slow: Detectors that need many passes for each text.
        slow_pairs: Pairs of each seed that these are asked about.
        copies: Of a text, for these.
    """

    model: str = "smollm2"
    seeds: int = Field(default=4, ge=1)
    pairs: int = Field(default=24, ge=LEAST_PAIRS)
    prefix_tokens: int = Field(default=64, ge=1)
    new_tokens: int = Field(default=128, ge=16)
    attacks: tuple[str, ...] = ("typo", "homo", "form", "syno-lite", "span-lite", "para-lite")
    share: float = Field(default=0.6, ge=0, le=1)
    slow: tuple[str, ...] = ("binoculars", "detect_gpt", "npr")
    slow_pairs: int = Field(default=6, ge=1)
    copies: int = Field(default=10, ge=2)


def measure(config: MgtevalConfig, run: Run) -> Findings:
    """Judge every seed's texts with every detector and test the claims."""
    if config.data is None:
        texts = _human_texts(config, run.seed)
    else:
        texts = _given_texts(config, run.seed, config.data)
    calls = [(config, run, index, own) for index, own in enumerate(texts)]
    trials = in_processes(_one_trial, calls, "corpora")
    originals = sum(len(trial.records) for trial in trials)
    domains = sorted({str(record[3]) for trial in trials for record in trial.records})
    human = "the public sets in the folder" if config.data else "Python's manual and speeches"
    return Findings(
        scope=f"Real human texts ({human}; domains {', '.join(domains)}), {originals} originals. "
        + (
            "Machine texts of the set's own models"
            if config.data
            else f"Machine texts written here by {config.model}"
        )
        + f"; tokens scored by {config.model}. Rates say nothing about other writers.",
        not_scored=sum(trial.missing[BASE] for trial in trials),
        metrics=_metrics(trials),
        claims=_claims(trials),
        tables=[
            _detector_table(trials),
            _tested_table(trials),
            _robustness_table(trials),
            _transfer_table(trials),
            _list_table(trials),
            _writer_table(trials),
        ],
        figures=_figures(trials),
    )


# One trial


@dataclass(frozen=True)
class _Texts:
    """What one seed starts from: texts of a public set, or human texts to go on from.

    Attributes:
        records: Of people; with machines' where a public set brings them.
        others: Further human texts, that a tiny model may learn from.
    """

    records: list[TextRecord]
    others: list[str]


def _human_texts(config: MgtevalConfig, run_seed: int) -> list[_Texts]:
    """The passages of every seed, none of them another seed's."""
    words = round(0.9 * (config.prefix_tokens + config.new_tokens))
    texts = [_Texts([], []) for _ in range(config.seeds)]
    for domain in PROSE_DOMAINS:
        passages = human_prose(domain, words)
        order = np.random.default_rng(derive_seed(run_seed, domain)).permutation(len(passages))
        records = [
            TextRecord(f"{domain}/{row}", one.text, 0, f"{domain}/{one.source}", domain=domain)
            for row, one in ((row, passages[row]) for row in order.tolist())
        ]
        for index, own in enumerate(texts):
            own.records.extend(_drawn(records, index, config.pairs, domain))
            own.others.extend(one.text for one in records[config.seeds * config.pairs :][:100])
    return texts


def _drawn(records: Sequence[TextRecord], index: int, pairs: int, name: str) -> list[TextRecord]:
    chosen = list(records[index * pairs : (index + 1) * pairs])
    if len(chosen) < pairs:
        raise InputError(
            f"domain {name}: {len(records)} texts of a kind are too few for {index + 1} seeds of "
            f"{pairs} pairs; lower pairs or seeds"
        )
    return chosen


def _given_texts(config: MgtevalConfig, run_seed: int, folder: Path) -> list[_Texts]:
    """Texts of the public sets, as many of people as of machines in each domain and seed."""
    everything = read_public_pairs(folder)
    texts = [_Texts([], []) for _ in range(config.seeds)]
    domains = sorted({record.domain for record in everything})
    shared = config.pairs * len(PROSE_DOMAINS) // len(domains)
    pairs = max(LEAST_PAIRS, min(config.pairs, shared))
    for domain in domains:
        rng = np.random.default_rng(derive_seed(run_seed, domain))
        for label in (0, 1):
            # Several files hold the same human texts.
            distinct = {
                one.text: one for one in everything if one.domain == domain and one.label == label
            }
            kind = list(distinct.values())
            kind = [kind[row] for row in rng.permutation(len(kind)).tolist()]
            for index, own in enumerate(texts):
                own.records.extend(_drawn(kind, index, pairs, domain))
    return texts


def _compute(config: MgtevalConfig, run: Run, index: int, texts: _Texts) -> dict[str, Any]:
    if config.model == "small":
        model = train_small(
            texts.others, seed=derive_seed(run.seed, "small", index) % 2**31, steps=80
        )
    else:
        model = load_local(config.model)
    records = texts.records
    if config.data is None:
        plan = BuildPlan(
            prefix_tokens=config.prefix_tokens,
            mode="continuation",
            samplings=(Sampling(max_new_tokens=config.new_tokens),),
            seed=derive_seed(run.seed, "mgteval", index) % 2**31,
        )
        place = run.folder / "corpora" / str(index)
        records = list(build_corpus(Corpus(tuple(records)), model, plan, place).records)
    seed = derive_seed(run.seed, "split", index) % 2**31
    divided = [
        record
        for domain in sorted({one.domain for one in records})
        for record in split_by_group([one for one in records if one.domain == domain], seed, SHARES)
    ]
    # Passes are shared within this trial only: what a killed attempt left would make other batches,
    # and those move scores in the last digits.
    with TemporaryDirectory() as store:
        trial = TrialPlan(
            attacks=config.attacks,
            share=config.share,
            max_tokens=config.prefix_tokens + config.new_tokens,
            slow=config.slow,
            slow_pairs=config.slow_pairs,
            copies=config.copies,
            base=BASE,
            store=Path(store),
        )
        return asdict(run_trial(divided, model, trial, seed))


def _one_trial(config: MgtevalConfig, run: Run, index: int, texts: _Texts) -> Trial:
    return Trial(**run.stage(f"trial-{index}", partial(_compute, config, run, index, texts)))


# Figures of merit


def _pooled(trials: Sequence[Trial], values: Sequence[Sequence[float | None]]) -> Scores:
    """Scores of all seeds' originals; one that could not be scored ranks on the wrong side."""
    rows = [record for trial in trials for record in trial.records]
    column = [value for each in values for value in each]
    return _scores(
        [[row[0], row[1], row[2], value] for row, value in zip(rows, column, strict=True)]
    )


def _scores(rows: Sequence[Sequence[Any]]) -> Scores:
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


def _metric_scores(trials: Sequence[Trial], name: str) -> Scores:
    return _pooled(trials, [trial.raw[name] for trial in trials])


def _area(rows: Sequence[Sequence[Any]]) -> float:
    """AUROC of rows of label and score."""
    return auc(_scores([["", row[0], "", row[1]] for row in rows])).value


def _advantage(first: Scores, second: Scores) -> Estimate:
    """Difference of AUROC on the same texts, with a bootstrap over groups."""
    return compare_paired(first, second, lambda one: auc(one).value, seed=0, repetitions=500)


def _upside_down(scores: Scores) -> Scores:
    return Scores(-scores.values, scores.label, item=scores.item, subject=scores.subject)


def _alarms(trials: Sequence[Trial], name: str, mode: str) -> Rate:
    """False positives of a calibrated detector among the human test texts of all seeds."""
    rows = [row for trial in trials for row in trial.tested[name][mode] if row[1] == 0]
    # A human text that could not be scored counts as called a machine's.
    return Rate(sum(row[5] or row[4] is None for row in rows), len(rows))


def _hits(trials: Sequence[Trial], name: str, mode: str) -> Rate:
    rows = [row for trial in trials for row in trial.tested[name][mode] if row[1] == 1]
    return Rate(sum(row[5] for row in rows), len(rows))


def _success(trials: Sequence[Trial], name: str, attack: str) -> Rate | None:
    """Attack success rate: of the detected parents, whose copy passes as human."""
    rows = [row for trial in trials for row in trial.attacked[name].get(attack, []) if row[1]]
    return Rate(sum(row[2] for row in rows), len(rows)) if rows else None


def _transferred(trial: Trial, name: str) -> float:
    """AUROC within a domain less AUROC in the other ones, mean over ordered pairs of domains."""
    rows = trial.transfer[name]
    domains = sorted({pair.split("/")[0] for pair in rows})
    return float(
        np.mean(
            [
                _area(rows[f"{own}/{own}"]) - _area(rows[f"{own}/{other}"])
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


def _lists(trials: Sequence[Trial], name: str) -> list[tuple[float, float, float]]:
    """False discovery rate and power of the declared lists, and how many name anybody, per seed."""
    return [
        declared_share(
            *_kinds(trial, name)[:2], fdr=FDR, repetitions=RESPLITS, rng=_rng(seed, name)
        )
        for seed, trial in enumerate(trials)
    ]


def _judged(lists: Sequence[tuple[float, float, float]]) -> list[float]:
    """False discovery rates; none at all where too few lists name anybody to judge them."""
    declaring = float(np.mean([one for _, _, one in lists]))
    return [rate for rate, _, _ in lists] if declaring >= DECLARING_SHARE else []


def _foreign_lists(trials: Sequence[Trial], name: str) -> list[tuple[float, float, float]]:
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


# Claims


def _claims(trials: Sequence[Trial]) -> list[Claim]:
    base, plain = _metric_scores(trials, BASE), _metric_scores(trials, "likelihood")
    short = _pooled(trials, [trial.prefixes[str(SHORT)] for trial in trials])
    human = min(trial.development for trial in trials)
    return [
        bounded_below(
            "metrics_detect",
            "Every training-free metric ranks a machine's text above a person's more often than "
            "not (AUROC).",
            {name: auc(_metric_scores(trials, name)) for name in PLAIN},
            0.5,
        ),
        bounded_below(
            "fast_above_likelihood",
            "Fast-DetectGPT has a larger AUROC than the mean log-probability (difference on the "
            "same texts).",
            _advantage(base, plain),
            0.0,
            paper="Fast-DetectGPT (ICLR 2024): larger on every set",
        ),
        bounded_below(
            "lower_entropy",
            "Machines' texts leave the model less uncertain than people's (AUROC of minus the "
            "mean entropy).",
            auc(_upside_down(_metric_scores(trials, "entropy"))),
            0.5,
        ),
        bounded_below(
            "longer_is_easier",
            f"Fast-DetectGPT has a larger AUROC on whole texts than on their first {SHORT} tokens "
            "(difference on the same texts).",
            _advantage(base, short),
            0.0,
        ),
        bounded_below(
            "edits_undo_detection",
            "Typing errors and homoglyphs in the attacked share of words let at least half of the "
            "texts that Fast-DetectGPT detected pass as human (ASR).",
            {name: _success(trials, BASE, name) or [] for name in ("typo", "homo")},
            PASSING,
        ),
        bounded_below(
            "supervised_does_not_transfer",
            "Supervised detectors have a larger AUROC in the domain that they were trained on than "
            "in another one (difference).",
            {name: [_transferred(trial, name) for trial in trials] for name in SUPERVISED},
            0.0,
        ),
        bounded_above(
            "low_fpr_holds",
            "A threshold chosen for at most 1 % false positives on the development texts has at "
            "most 1 % on the test texts.",
            {name: _alarms(trials, name, "low_fpr") for name in (*PLAIN, *SUPERVISED)},
            LOW_FPR,
        ),
        bounded_above(
            "low_fpr_is_an_order_statistic",
            f"That threshold has at most 1 / (n + 1) false positives, with n = {human} human "
            "development texts: what an order statistic promises.",
            {name: _alarms(trials, name, "low_fpr") for name in PLAIN},
            1 / (human + 1),
        ),
        bounded_above(
            "list_keeps_fdr",
            f"The list declared at a false discovery rate of {FDR:.0%} keeps it.",
            {name: _judged(_lists(trials, name)) for name in PLAIN},
            FDR,
        ),
        positive(
            "foreign_calibration_breaks_the_list",
            "Where people's texts of another domain calibrate the mean log-probability, the list "
            f"has a false discovery rate above {FDR:.0%} (excess, worst pair of domains).",
            [rate - FDR for rate in _judged(_foreign_lists(trials, "likelihood"))],
        ),
    ]


# Tables and figures


def _metrics(trials: Sequence[Trial]) -> list[Metric]:
    metrics = []
    for name in trials[0].raw:
        found = auc(_metric_scores(trials, name))
        metrics.append(
            Metric(
                name=f"AUROC {name}",
                value=found.value,
                low=found.interval.low,
                high=found.interval.high,
                n=sum(len(trial.records) for trial in trials),
                unit="area",
            )
        )
    for attack in trials[0].attacked[BASE]:
        rate = _success(trials, BASE, attack)
        if rate is not None:
            metrics.append(metric_of_rate(f"ASR {attack} on {BASE}", rate))
    lists = _lists(trials, BASE)
    metrics.append(metric_over_seeds(f"FDR of the list, {BASE}", "rate", _judged(lists)))
    powers = [power for _, power, _ in lists]
    metrics.append(metric_over_seeds(f"power of the list, {BASE}", "rate", powers))
    return metrics


def _detector_table(trials: Sequence[Trial]) -> Table:
    rows: list[Row] = []
    scored: dict[str, Scores] = {name: _metric_scores(trials, name) for name in trials[0].raw}
    for name in trials[0].slow:
        scored[name] = _scores([row for trial in trials for row in trial.slow[name]])
    for name, scores in scored.items():
        area, point = auc(scores), tpr_at_fpr(scores, 0.05)
        interval = point.rate.interval()
        rows.append(
            [
                *(name, len(scores), area.value, area.interval.low, area.interval.high),
                *(point.rate.value, interval.low, interval.high),
            ]
        )
    return Table(
        name="detectors",
        title="Training-free detectors on all originals",
        columns=["detector", "texts", "AUROC", "low", "high", "TPR at 5 % FPR", "low", "high"],
        rows=rows,
        caption="Larger means machine, for the entropy too, whose AUROC below one half says that "
        "machines' texts have less. Detectors of many passes are asked about few texts; DetectGPT "
        "and NPR change texts by span-lite.",
    )


def _tested_table(trials: Sequence[Trial]) -> Table:
    rows: list[Row] = []
    for name in trials[0].tested:
        area = [
            _area([[row[1], row[4]] for row in trial.tested[name]["accuracy"]]) for trial in trials
        ]
        cells = row_over_seeds(area)
        for mode in ("accuracy", "low_fpr"):
            for rate in (_hits(trials, name, mode), _alarms(trials, name, mode)):
                cells += [rate.value, rate.interval().low, rate.interval().high]
        rows.append([name, *cells])
    columns = ["detector", "AUROC", "low", "high"]
    for mode in ("accuracy", "low FPR"):
        for kind in ("TPR", "FPR"):
            columns += [f"{kind}, {mode}", "low", "high"]
    return Table(
        name="calibrated",
        title="Calibrated detectors on the test split",
        columns=columns,
        rows=rows,
        caption="AUROC: mean over seeds. Rates: all seeds' test texts, at thresholds that the "
        "development texts chose for accuracy and for at most 1 % false positives.",
    )


def _robustness_table(trials: Sequence[Trial]) -> Table:
    rows: list[Row] = []
    for name in trials[0].attacked:
        for attack in trials[0].attacked[name]:
            rate = _success(trials, name, attack)
            if rate is None:
                rows.append([name, attack, 0, None, None, None])
                continue
            interval = rate.interval()
            rows.append([name, attack, rate.trials, rate.value, interval.low, interval.high])
    return Table(
        name="robustness",
        title="Attack success rate: detected texts of which the attacked copy passes as human",
        columns=["detector", "attack", "detected", "ASR", "low", "high"],
        rows=rows,
        caption="Names that end in -lite are rules of ours, not the platform's models.",
    )


def _transfer_table(trials: Sequence[Trial]) -> Table:
    rows: list[Row] = []
    for name in SUPERVISED:
        for pair in trials[0].transfer[name]:
            area = [_area(trial.transfer[name][pair]) for trial in trials]
            rows.append([name, *pair.split("/"), *row_over_seeds(area)])
    return Table(
        name="transfer",
        title="Supervised detectors in other domains",
        columns=["detector", "trained on", "tested on", "AUROC", "low", "high"],
        rows=rows,
    )


def _list_table(trials: Sequence[Trial]) -> Table:
    rows: list[Row] = []
    for name in PLAIN:
        own = _lists(trials, name)
        powers = [power for _, power, _ in own]
        foreign = _judged(_foreign_lists(trials, name))
        rows.append([name, *row_over_seeds(_judged(own), powers, foreign)])
    columns = ["score", "FDR", "low", "high", "power", "low", "high"]
    return Table(
        name="lists",
        title=f"Declared lists at a false discovery rate of {FDR:.0%}",
        columns=[*columns, "FDR, other domain calibrates", "low", "high"],
        rows=rows,
        caption=f"Mean over seeds of the mean over {RESPLITS} splits of the human texts into "
        "calibration and documents; no rate where fewer than one list in twenty names anybody.",
    )


def _writer_table(trials: Sequence[Trial]) -> Table:
    """The base detector by who wrote the machine text."""
    rows: list[Row] = []
    flat = [
        [record[0], record[1], record[2], value, record[4]]
        for trial in trials
        for record, value in zip(trial.records, trial.raw[BASE], strict=True)
    ]
    for writer in sorted({str(row[4]) for row in flat if row[1] == 1}):
        own = [row for row in flat if row[1] == 0 or row[4] == writer]
        area = auc(_scores(own))
        count = sum(row[1] for row in own)
        rows.append([writer, count, area.value, area.interval.low, area.interval.high])
    return Table(
        name="writers",
        title=f"{BASE} by the model that wrote",
        columns=["writer", "machine texts", "AUROC", "low", "high"],
        rows=rows,
        caption="Against all human texts.",
    )


def _figures(trials: Sequence[Trial]) -> list[Figure]:
    lengths: Mapping[str, list[float | None]] = {
        BASE: [
            auc(_pooled(trials, [trial.prefixes[str(length)] for trial in trials])).value
            for length in PREFIXES
        ]
    }
    return [
        lines(
            "length",
            "Detection and length",
            "AUROC of Fast-DetectGPT when it is shown the first tokens of every text.",
            list(PREFIXES),
            lengths,
            labels=("tokens", "AUROC"),
        ),
        bars_over_seeds(
            "transfer",
            "What supervised detectors lose in another domain",
            "AUROC in the training domain less AUROC in the other ones.",
            {name: [_transferred(trial, name) for trial in trials] for name in SUPERVISED},
            value_label="loss of AUROC",
        ),
    ]


MGTEVAL_STUDY = Study(
    name="mgteval",
    summary="Detectors of machine-generated text: calibrated, attacked, moved to other domains.",
    domain="text",
    paper=Paper(
        key="li2026mgteval",
        title="MGTEval: An Interactive Platform for Systematic Evaluation of Machine-Generated "
        "Text Detectors",
        # As the platform's page names them; its own list may be longer.
        authors=("Li, Yuanfan", "Zhou, Qi", "Liu, Xiaoming", "others"),
        venue="Annual Meeting of the Association for Computational Linguistics, demonstrations",
        year=2026,
    ),
    presets={
        "smoke": MgtevalConfig(
            model="small",
            seeds=2,
            pairs=8,
            prefix_tokens=16,
            new_tokens=40,
            attacks=("typo", "homo", "syno-lite", "span-lite"),
            slow=("binoculars", "detect_gpt", "npr", "dna_gpt"),
            slow_pairs=2,
            copies=2,
        ),
        "quick": MgtevalConfig(),
        "paper": MgtevalConfig(
            pairs=48,
            new_tokens=256,
            slow=("binoculars", "detect_gpt", "npr", "dna_gpt"),
            slow_pairs=24,
            copies=100,
        ),
    },
    measure=measure,
)
