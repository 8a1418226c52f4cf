"""Audit of a user's own unlearned model, from what it answers on three sets of records.

The question: can the records that it was asked to forget still be told from records that it never
saw, more than under a model retrained without them? Shadow models would tell more; this is what
losses and posteriors alone show, a lower bound of the leak.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import log_softmax, xlogy

from sterling.errors import InputError
from sterling.measure import Estimate, Interval, Rate, Scores, tpr_at_fpr
from sterling.privacy.unlearning_attacks import attack_area, lingering, privleak
from sterling.study import Claim, Findings, Metric, Table, metric_of_rate

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Signals:
    """A model's answers on some records.

    Attributes:
        loss: Cross-entropy of each record in nats, finite, (N,).
        entropy: Of each posterior in nats, (N,); None when only losses are known.
        right: Whether the likeliest class is the label, (N,); None when only losses are known.
    """

    loss: Array
    entropy: Array | None = None
    right: NDArray[np.bool_] | None = None

    @classmethod
    def of_posteriors(cls, log_p: Array, labels: NDArray[np.integer]) -> "Signals":
        """From log-probabilities (N, C) and labels (N,)."""
        p = np.exp(log_p)
        loss = -log_p[np.arange(len(labels)), labels]
        return cls(loss, -xlogy(p, p).sum(1), log_p.argmax(1) == labels)

    def __len__(self) -> int:
        return len(self.loss)


def read_signals(path: Path) -> Signals:
    """Read a .csv, .parquet or .npz of one record per row.

    Columns (arrays, in .npz): ``loss``; or ``label`` and probabilities ``p0``, ``p1``, ... (in .npz
    one array ``p`` (N, C)). Probabilities are used when both are there.

    Raises:
        InputError: When the file or a column is missing, a set is empty, a value is not finite, or
            a row of probabilities does not sum to one; the message names the file.
    """
    columns = _columns(path)
    if "p" in columns:
        if "label" not in columns:
            raise InputError(f"{path}: probabilities need a column label; add the true classes")
        return _of_probabilities(columns["p"], columns["label"], path)
    if "loss" not in columns:
        raise InputError(
            f"{path} has neither a column loss nor columns label, p0, p1, ...; write one of both"
        )
    loss = np.asarray(columns["loss"], dtype=np.float64).ravel()
    _check_rows(loss, path)
    return Signals(loss)


def _columns(path: Path) -> dict[str, Array]:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
        if path.suffix not in (".csv", ".parquet"):
            raise InputError(f"{path}: write it as .csv, .parquet or .npz")
        table = pl.read_csv(path) if path.suffix == ".csv" else pl.read_parquet(path)
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} cannot be read ({error}); write it again") from error
    numbered = [name for name in table.columns if re.fullmatch(r"p\d+", name)]
    classes = [f"p{index}" for index in range(len(numbered))]
    columns: dict[str, Array] = {
        name: table[name].to_numpy() for name in ("loss", "label") if name in table.columns
    }
    if classes:
        missing = [name for name in classes if name not in table.columns]
        if missing:
            raise InputError(f"{path}: column {missing[0]} is missing; number classes from p0 on")
        columns["p"] = table.select(classes).to_numpy()
    return columns


def _check_rows(values: Array, path: Path) -> None:
    if not len(values):
        raise InputError(f"{path} holds no record; give one at least")
    bad = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if bad.any():
        raise InputError(
            f"{path}: row {int(bad.argmax())} holds a value that is not finite; leave it out"
        )


def _of_probabilities(p: Array, labels: Array, path: Path) -> Signals:
    p = np.asarray(p, dtype=np.float64)
    if p.ndim != 2 or p.shape[1] < 2 or labels.shape != p.shape[:1]:
        raise InputError(
            f"{path}: p {p.shape}, label {labels.shape}; give (N, C), two classes or more, and (N,)"
        )
    _check_rows(p, path)
    if p.min() < 0 or np.abs(p.sum(axis=1) - 1).max() > 1e-3:
        row = int((np.abs(p.sum(axis=1) - 1) + (p.min(axis=1) < 0)).argmax())
        raise InputError(
            f"{path}: row {row} is no probability distribution (sum {p[row].sum():.4g}); apply "
            "softmax to logits"
        )
    # A float32 probability of 0 would be an infinite loss; 1e-12 is beyond its resolution.
    log_p = np.log(np.maximum(p, 1e-12))
    return Signals.of_posteriors(log_p, _labels(labels, p.shape[1], path))


def _labels(labels: Array, classes: int, path: Path) -> NDArray[np.intp]:
    whole = np.asarray(labels)
    if whole.dtype.kind not in "iu" or whole.min() < 0 or whole.max() >= classes:
        raise InputError(f"{path}: label must hold whole numbers from 0 to {classes - 1}")
    return whole.astype(np.intp)


def ask_onnx(model: Path, records: Path, *, batch_size: int = 256) -> Signals:
    """Answers of an ONNX classifier whose first output is logits (N, C).

    Args:
        model: The .onnx file; its first input takes the records.
        records: .npz with arrays ``x`` (N, ...) and ``label`` (N,).
        batch_size: Records at a time.

    Raises:
        InputError: When onnxruntime is not installed, or a file does not fit; names the file.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError("--onnx needs onnxruntime; pip install 'sterling[onnx]'") from error
    if not model.is_file():
        raise InputError(f"{model}: no such file")
    arrays = _columns(records)
    if records.suffix != ".npz" or "x" not in arrays or "label" not in arrays:
        raise InputError(f"{records}: with --onnx give an .npz with arrays x (N, ...) and label")
    x, labels = arrays["x"], arrays["label"]
    _check_rows(x, records)
    try:
        session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        parts = [
            session.run(None, {name: x[start : start + batch_size].astype(np.float32)})[0]
            for start in range(0, len(x), batch_size)
        ]
    except Exception as error:
        raise InputError(f"{model} cannot answer {records}: {error}") from error
    logits = np.concatenate(parts).astype(np.float64)
    if logits.ndim != 2 or logits.shape[0] != len(labels) or not np.isfinite(logits).all():
        raise InputError(f"{model}: the first output must be finite logits (N, C)")
    log_p: Array = log_softmax(logits, axis=1)
    return Signals.of_posteriors(log_p, _labels(labels, logits.shape[1], records))


def audit_forgetting(
    forget: Signals,
    holdout: Signals,
    *,
    retain: Signals | None = None,
    retrained: tuple[Signals, Signals] | None = None,
    tolerance: float = 0.05,
    seed: int = 0,
) -> Findings:
    """What the answers tell about forgetting.

    Args:
        forget: The unlearned model on the records that it was asked to forget.
        holdout: On records of the same distribution that it never saw.
        retain: On records that it should still know, for utility.
        retrained: A model trained without the forget set on the same two sets of records, in the
            same order. Without it the area is compared with 1/2, which assumes that the two sets
            are alike.
        tolerance: Largest distance of the area that counts as forgotten, in (0, 0.5).
        seed: Of the bootstrap over records.

    Raises:
        InputError: On a tolerance outside the range, or reference sets of another length.
    """
    if not 0 < tolerance < 0.5:
        raise InputError(f"tolerance {tolerance}: give a distance between 0 and 0.5, such as 0.05")
    area = attack_area(-forget.loss, -holdout.loss)
    metrics = [_of_estimate("area of the loss attack, forgotten against never seen", area, forget)]
    if forget.entropy is not None and holdout.entropy is not None:
        by_entropy = attack_area(-forget.entropy, -holdout.entropy)
        metrics.append(_of_estimate("area of the entropy attack", by_entropy, forget))
    metrics += _most_leaking(forget, holdout)
    for name, signals in (("forget", forget), ("holdout", holdout), ("retain", retain)):
        if signals is not None and signals.right is not None:
            right = Rate(int(signals.right.sum()), len(signals))
            metrics.append(metric_of_rate(f"accuracy on the {name} set", right))
    if retrained is None:
        claims = [_claim("forgotten", area.value, area.interval, 0.5, tolerance, area.method)]
    else:
        claims, more = _against_retrained(forget, holdout, retrained, area.value, tolerance, seed)
        metrics += more
    return Findings(
        scope="The user's own model, judged by its losses on the user's own records: a lower bound "
        "of what leaks. Attackers with shadow models, or with the model before, can tell more.",
        not_scored=0,
        metrics=metrics,
        claims=claims,
        tables=[_losses_table(forget, holdout, retain, retrained)],
    )


def _of_estimate(name: str, estimate: Estimate, signals: Signals) -> Metric:
    interval = estimate.interval
    return Metric(
        name=name,
        value=estimate.value,
        low=interval.low,
        high=interval.high,
        n=len(signals),
        unit=f"area, {estimate.method}",
    )


def _most_leaking(forget: Signals, holdout: Signals) -> list[Metric]:
    """Forgotten records found at 1 % false alarms, by low loss and by high loss."""
    values = np.concatenate([forget.loss, holdout.loss])
    label = np.arange(len(values)) < len(forget)
    return [
        metric_of_rate(f"true positives at 1 % false positives, {words}", point.rate)
        for words, point in (
            ("low loss", tpr_at_fpr(Scores(-values, label), 0.01)),
            ("high loss", tpr_at_fpr(Scores(values, label), 0.01)),
        )
    ]


def _claim(
    claim_id: str, value: float, interval: Interval, centre: float, tolerance: float, method: str
) -> Claim:
    low, high = centre - tolerance, centre + tolerance
    inside = low <= interval.low and interval.high <= high
    outside = interval.high < low or high < interval.low
    words = {
        "forgotten": "The loss tells forgotten records from never-seen ones no better than chance.",
        "like_retrained": "The loss tells forgotten records no better than under retraining.",
    }[claim_id]
    return Claim(
        id=claim_id,
        claim=words,
        measured=value,
        low=interval.low,
        high=interval.high,
        estimand=f"{method}, 95 % interval",
        bar=f"within {low:.3g} and {high:.3g}",
        verdict="holds" if inside else "does not hold" if outside else "undecided",
    )


def _against_retrained(
    forget: Signals,
    holdout: Signals,
    retrained: tuple[Signals, Signals],
    area: float,
    tolerance: float,
    seed: int,
) -> tuple[list[Claim], list[Metric]]:
    again, again_holdout = retrained
    if len(again) != len(forget) or len(again_holdout) != len(holdout):
        raise InputError(
            f"the retrained model answers {len(again)} and {len(again_holdout)} records, the "
            f"unlearned one {len(forget)} and {len(holdout)}; ask both about the same"
        )
    reference = attack_area(-again.loss, -again_holdout.loss).value
    rng = np.random.default_rng(seed)
    differences, leaks = [], []
    for _ in range(1000):
        i = rng.integers(len(forget), size=len(forget))
        j = rng.integers(len(holdout), size=len(holdout))
        first = _area(forget.loss[i], holdout.loss[j])
        second = _area(again.loss[i], again_holdout.loss[j])
        differences.append(first - second)
        if second < 1:
            leaks.append(privleak(first, second))
    bounds = Interval(*(float(q) for q in np.quantile(differences, [0.025, 0.975])))
    leak = privleak(area, reference) if reference < 1 else None
    distance, p_value = lingering(forget.loss, again.loss)
    low, high = np.quantile(leaks, [0.025, 0.975]) if leak is not None else (None, None)
    claim = _claim(
        "like_retrained",
        area - reference,
        bounds,
        0.0,
        tolerance,
        "paired bootstrap over records of the difference of areas",
    )
    n = len(forget)
    return [claim], [
        Metric(name="area of the loss attack, retrained", value=reference, n=n, unit="area"),
        Metric(name="PrivLeak", value=leak, low=low, high=high, n=n, unit="%, 0 is retraining"),
        Metric(name="lingering, Kolmogorov–Smirnov", value=distance, n=n, unit="distance"),
        Metric(name="p-value of lingering", value=p_value, n=n, unit="probability"),
    ]


def _area(low: Array, high: Array) -> float:
    """The value of ``attack_area`` alone, for thousands of draws."""
    ordered = np.sort(high)
    above = len(high) - np.searchsorted(ordered, low, side="right")
    ties = len(high) - np.searchsorted(ordered, low, side="left") - above
    return float((above + 0.5 * ties).mean() / len(high))


def _losses_table(
    forget: Signals,
    holdout: Signals,
    retain: Signals | None,
    retrained: tuple[Signals, Signals] | None,
) -> Table:
    named = {"forget": forget, "holdout": holdout, "retain": retain}
    if retrained is not None:
        named |= {"forget, retrained": retrained[0], "holdout, retrained": retrained[1]}
    rows: list[list[str | int | float | None]] = []
    for name, signals in named.items():
        if signals is not None:
            quartiles = [float(q) for q in np.quantile(signals.loss, [0.25, 0.5, 0.75])]
            rows.append([name, len(signals), float(signals.loss.mean()), *quartiles])
    return Table(
        name="losses",
        title="Losses in nats",
        columns=["set", "records", "mean", "lower quartile", "median", "upper quartile"],
        rows=rows,
        caption="Forgotten records should look like never-seen ones: both a lower and a higher "
        "loss gives them away.",
    )
