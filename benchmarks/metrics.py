"""One million scores: EER, AUC, ROC and TPR at FPR, ours beside scikit-learn in the same run.

Run ``python benchmarks/metrics.py``. Both sides get the same arrays; each time is the median of
several repetitions taken in turn. Ours also computes the intervals of EER and AUC.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve

from sterling.measure import Scores, auc, eer, error_curve, tpr_at_fpr

N = 1_000_000
REPETITIONS = 7
FPR = 1e-3


def _sklearn_eer(scores: Scores) -> float:
    fpr, tpr, _ = roc_curve(scores.label, scores.values)
    nearest = np.argmin(np.abs(fpr - (1 - tpr)))
    return float(fpr[nearest] + 1 - tpr[nearest]) / 2


def _sklearn_tpr(scores: Scores) -> float:
    fpr, tpr, _ = roc_curve(scores.label, scores.values)
    return float(tpr[fpr <= FPR].max())


COMPARED: dict[str, tuple[Callable[[Scores], object], Callable[[Scores], object]]] = {
    "ROC points": (error_curve, lambda s: roc_curve(s.label, s.values, drop_intermediate=False)),
    "EER": (eer, _sklearn_eer),
    "AUC": (auc, lambda s: roc_auc_score(s.label, s.values)),
    f"TPR at FPR {FPR:g}": (lambda s: tpr_at_fpr(s, FPR), _sklearn_tpr),
}


def _seconds(function: Callable[[Scores], object], scores: Scores) -> float:
    start = time.perf_counter()
    function(scores)
    return time.perf_counter() - start


def main() -> None:
    """Print one line per figure of merit and one for all of them."""
    rng = np.random.default_rng(0)
    label = rng.random(N) < 0.3
    scores = Scores(rng.normal(size=N) + 2 * label, label)
    total = [0.0, 0.0]
    print(f"{N:,} scores, median of {REPETITIONS} repetitions")
    for name, pair in COMPARED.items():
        times = [[_seconds(function, scores) for function in pair] for _ in range(REPETITIONS)]
        ours, theirs = (statistics.median(column) for column in zip(*times, strict=True))
        total[0] += ours
        total[1] += theirs
        print(
            f"{name:18} ours {ours:.3f} s  scikit-learn {theirs:.3f} s  ratio {ours / theirs:.2f}"
        )
    print(f"{'all':18} ours {total[0]:.3f} s  scikit-learn {total[1]:.3f} s  "
          f"ratio {total[0] / total[1]:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
