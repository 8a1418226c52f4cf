"""Tables of trials of detectors, as the study of machine-generated text shows them."""

from collections.abc import Sequence

from sterling.measure import Scores, auc, tpr_at_fpr
from sterling.studies.text.mgteval._trial import SUPERVISED, Trial
from sterling.studies.text.mgteval._trial_rates import (
    BASE,
    FDR,
    PLAIN,
    RESPLITS,
    alarms,
    area_of_rows,
    foreign_list_rates,
    hits,
    judged,
    list_rates,
    metric_scores,
    scores_of_rows,
    success,
)
from sterling.study import Metric, Row, Table, metric_of_rate, metric_over_seeds, row_over_seeds


def trial_tables(trials: Sequence[Trial]) -> list[Table]:
    """Detectors, calibration, robustness, transfer, declared lists, and who wrote."""
    return [
        _detector_table(trials),
        _tested_table(trials),
        _robustness_table(trials),
        _transfer_table(trials),
        _list_table(trials),
        _writer_table(trials),
    ]


def trial_metrics(trials: Sequence[Trial]) -> list[Metric]:
    """AUROC of every metric, attack success and the declared list of the base detector."""
    metrics = []
    for name in trials[0].raw:
        found = auc(metric_scores(trials, name))
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
        rate = success(trials, BASE, attack)
        if rate is not None:
            metrics.append(metric_of_rate(f"ASR {attack} on {BASE}", rate))
    lists = list_rates(trials, BASE)
    metrics.append(metric_over_seeds(f"FDR of the list, {BASE}", "rate", judged(lists)))
    powers = [power for _, power, _ in lists]
    metrics.append(metric_over_seeds(f"power of the list, {BASE}", "rate", powers))
    return metrics


def _detector_table(trials: Sequence[Trial]) -> Table:
    rows: list[Row] = []
    scored: dict[str, Scores] = {name: metric_scores(trials, name) for name in trials[0].raw}
    for name in trials[0].slow:
        scored[name] = scores_of_rows([row for trial in trials for row in trial.slow[name]])
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
            area_of_rows([[row[1], row[4]] for row in trial.tested[name]["accuracy"]])
            for trial in trials
        ]
        cells = row_over_seeds(area)
        for mode in ("accuracy", "low_fpr"):
            for rate in (hits(trials, name, mode), alarms(trials, name, mode)):
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
            rate = success(trials, name, attack)
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
            area = [area_of_rows(trial.transfer[name][pair]) for trial in trials]
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
        own = list_rates(trials, name)
        powers = [power for _, power, _ in own]
        foreign = judged(foreign_list_rates(trials, name))
        rows.append([name, *row_over_seeds(judged(own), powers, foreign)])
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
        area = auc(scores_of_rows(own))
        count = sum(row[1] for row in own)
        rows.append([writer, count, area.value, area.interval.low, area.interval.high])
    return Table(
        name="writers",
        title=f"{BASE} by the model that wrote",
        columns=["writer", "machine texts", "AUROC", "low", "high"],
        rows=rows,
        caption="Against all human texts.",
    )
