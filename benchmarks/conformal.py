"""Conformal prediction at scale: ours beside MAPIE, crepes, TorchCP and statsmodels, in one run.

Run ``python -m benchmarks.conformal [--quick]`` where the peers are installed; one that is not is
left out and named. Every pair gets the same arrays, times are medians of repetitions taken in turn,
and a ratio is the peer's time over ours: above 1, ours is faster. Peers that would need more than
about 4 GB, or minutes for one call, are not run at that size ("-").
"""

import argparse
import importlib.metadata
import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm
from sklearn.base import BaseEstimator, ClassifierMixin

from sterling.guarantee import (
    APS,
    RAPS,
    benjamini_hochberg,
    calibrate_label_sets,
    conformal_martingale,
    conformal_p_values,
    learn_then_test,
    online_p_values,
    tolerance_limit,
)

Actions = dict[str, Callable[[], object]]
ALPHA = 0.1
MAPIE_CELLS = 20_000_000  # it holds several double arrays of items x classes at a time
TORCHCP_CELLS = 20_000_000
CREPES_PAIRS = 10**9  # it compares every test score with every calibration score


def medians(actions: Actions, repetitions: int) -> dict[str, float]:
    """Median seconds of each action; a single repetition has no warm-up."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for repetition in range(repetitions + (repetitions > 1)):
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            if repetition or repetitions == 1:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def show(title: str, actions: Actions, repetitions: int) -> None:
    """Print one line: our time, and the ratio of each peer to it."""
    taken = medians(actions, repetitions)
    ours = taken.pop("ours")
    peers = "".join(f"   {name} {seconds / ours:8.1f}×" for name, seconds in taken.items())
    print(f"{title:44} ours {ours * 1e3:9.2f} ms{peers or '   -'}", flush=True)


class Table(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A fitted classifier whose probabilities are looked up: X holds row numbers."""

    def __init__(self, table: NDArray[Any] | None = None) -> None:
        self.table = table

    def fit(self, X: Any, y: Any) -> "Table":  # noqa: ARG002, N803
        """Nothing to fit."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def classes_(self) -> NDArray[np.intp]:
        """Class numbers."""
        assert self.table is not None
        return np.arange(self.table.shape[1])

    def predict_proba(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """The rows of the table."""
        assert self.table is not None
        return np.asarray(self.table[np.asarray(X)[:, 0]])

    def predict(self, X: Any) -> NDArray[np.intp]:  # noqa: N803
        """The most probable classes."""
        return np.asarray(self.predict_proba(X).argmax(axis=1))


def p_values(peers: set[str], sizes: list[int]) -> None:
    """Plain and smoothed conformal p-values of n scores among n."""
    rng = np.random.default_rng(0)
    for n in sizes:
        known, test = rng.normal(size=(2, n))
        for smooth in (False, True):
            actions: Actions = {
                "ours": partial(conformal_p_values, known, test, smooth, rng),
            }
            if "crepes" in peers and n * n <= CREPES_PAIRS:
                from crepes.base import p_values_batch

                actions["crepes"] = partial(p_values_batch, -known, -test, smoothing=smooth)
            name = f"p-values, {'smoothed' if smooth else 'plain'}, {n:,} of {n:,}"
            show(name, actions, 1 if "crepes" in actions and n > 10_000 else 5)


def streams(peers: set[str], sizes: list[int]) -> None:
    """Online p-values, and the martingale on them.

    crepes keeps the wealth, which underflows to 0 after about 180,000 exchangeable items; ours
    keeps its logarithm.
    """
    rng = np.random.default_rng(5)
    for n in sizes:
        scores, p = rng.normal(size=n), rng.random(n)
        actions: Actions = {"ours": partial(online_p_values, scores, rng)}
        bets: Actions = {"ours": partial(conformal_martingale, p)}
        if "crepes" in peers:
            from crepes.martingales import (
                EpsilonBettingFunction,
                SimpleJumper,
                semi_online_p_values,
            )

            actions["crepes"] = partial(semi_online_p_values, -scores)
            bets["crepes"] = partial(SimpleJumper(bf=EpsilonBettingFunction([-1, 0, 1])).apply, p)
        show(f"online p-values, {n:,}", actions, 3)
        show(f"martingale, {n:,}", bets, 3)


def thresholds(peers: set[str], repetitions: int = 100) -> None:
    """Price of a recall of at least 0.9 with confidence 0.95 on 500 items: the false positives."""
    if "mapie" not in peers:
        return
    from mapie.risk_control import BinaryClassificationController

    rng = np.random.default_rng(6)
    alarms: dict[str, list[float]] = {"ours": [], "bonferroni_holm": [], "fixed_sequence": []}
    for _ in range(repetitions):
        positive = rng.random(500) < 0.4
        feature = rng.normal(size=500) + 2 * positive
        probability = expit(2 * feature - 2)
        cuts = {"ours": tolerance_limit(probability[positive], 0.1).value}
        table = np.column_stack([1 - probability, probability])
        for method in ("bonferroni_holm", "fixed_sequence"):
            controller = BinaryClassificationController(
                np.asarray, "recall", 0.9, confidence_level=0.95, fwer_method=method
            )
            controller.calibrate(table, positive.astype(int))
            cuts[method] = controller.best_predict_param or 0.0
        for name, cut in cuts.items():
            alarms[name].append(float(norm.sf(logit(cut) / 2 + 1)))
    found = "".join(f"   MAPIE, {name} {np.mean(alarms[name]):.3f}" for name in list(alarms)[1:])
    print(f"false positives at recall 0.9{'':16}ours {np.mean(alarms['ours']):.3f}{found}")


def label_sets(peers: set[str], shapes: list[tuple[int, int]]) -> None:
    """Calibrating on half of the items and sets for the other half."""
    rng = np.random.default_rng(1)
    for n, classes in shapes:
        logits = 2 * rng.normal(size=(n, classes))
        probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        del logits
        labels = (rng.random(n)[:, None] > np.cumsum(probabilities, axis=1)).sum(axis=1)
        labels = np.minimum(labels, classes - 1)
        labels[:classes] = np.arange(classes)
        for title, score in (("APS", APS()), ("RAPS", RAPS(0.01, 5))):
            for step, actions in _set_actions(peers, probabilities, labels, title, score).items():
                repetitions = 3 if n * classes <= 10_000_000 else 1
                show(f"{title} {step}, {n // 2:,} x {classes}", actions, repetitions)


def _set_actions(
    peers: set[str], probabilities: NDArray[Any], labels: NDArray[np.intp], title: str, score: Any
) -> dict[str, Actions]:
    half = len(labels) // 2
    known, of_known, new = probabilities[:half], labels[:half], probabilities[half:]
    rng = np.random.default_rng(2)
    rule = calibrate_label_sets(known, of_known, ALPHA, score, rng=rng)
    steps: dict[str, Actions] = {
        "calibrate": {
            "ours": partial(calibrate_label_sets, known, of_known, ALPHA, score, rng=rng)
        },
        "sets": {"ours": partial(rule.sets, new, rng=rng)},
    }
    if "mapie" in peers and title == "APS" and known.size <= MAPIE_CELLS:
        from mapie.classification import SplitConformalClassifier

        model = SplitConformalClassifier(
            Table(probabilities), confidence_level=1 - ALPHA, conformity_score="aps", random_state=0
        )
        rows = np.arange(len(labels))[:, None]
        model.conformalize(rows[:half], of_known)

        def conformalize() -> None:
            SplitConformalClassifier(
                Table(probabilities),
                confidence_level=1 - ALPHA,
                conformity_score="aps",
                random_state=0,
            ).conformalize(rows[:half], of_known)

        steps["calibrate"]["MAPIE"] = conformalize
        steps["sets"]["MAPIE"] = partial(
            model.predict_set,
            rows[half:],
            conformity_score_params={"include_last_label": "randomized"},
        )
    if "torchcp" in peers and known.size <= TORCHCP_CELLS:
        import torch
        from torchcp.classification import score as scores
        from torchcp.classification.predictor import SplitPredictor

        peer = (
            scores.APS(score_type="identity")
            if title == "APS"
            else scores.RAPS(score_type="identity", penalty=0.01, kreg=5)
        )
        predictor = SplitPredictor(peer, alpha=ALPHA)
        tensors = [torch.from_numpy(array) for array in (known, of_known, new)]
        predictor.calculate_threshold(tensors[0], tensors[1])
        steps["calibrate"]["TorchCP"] = partial(
            predictor.calculate_threshold, tensors[0], tensors[1]
        )
        steps["sets"]["TorchCP"] = partial(predictor.predict_with_logits, tensors[2])
    return steps


def grids(peers: set[str], sides: list[int]) -> None:
    """Learn then Test over a square grid of settings, 1,500 items.

    MAPIE's part takes the mean of the losses and does not look at them; ours checks each one.
    """
    rng = np.random.default_rng(3)
    for side in sides:
        failed = rng.random((1500, side * side)) < 0.1
        kinds: dict[str, NDArray[Any]] = {
            "bool": failed,
            "0.0 and 1.0": failed.astype(float),
            "in [0, 1]": 0.2 * rng.random(failed.shape),
        }
        for kind, losses in kinds.items():
            actions: Actions = {"ours": partial(learn_then_test, losses, 0.15, 0.05)}
            if "mapie" in peers:
                from mapie.risk_control.methods import compute_hoeffding_bentkus_p_value

                def theirs(table: NDArray[Any] = losses) -> NDArray[np.bool_]:
                    risk = table.mean(axis=0)
                    p = compute_hoeffding_bentkus_p_value(risk, len(table), np.array([0.15]))
                    return np.asarray(p[:, 0] <= 0.05 / len(risk))

                actions["MAPIE"] = theirs
            show(f"Learn then Test, {side} x {side}, losses {kind}", actions, 15)


def discoveries(peers: set[str], sizes: list[int]) -> None:
    """Benjamini-Hochberg."""
    rng = np.random.default_rng(4)
    for n in sizes:
        p = rng.beta(0.5, 1, size=n)
        actions: Actions = {"ours": partial(benjamini_hochberg, p, ALPHA)}
        if "statsmodels" in peers:
            from statsmodels.stats.multitest import fdrcorrection, multipletests

            actions["multipletests"] = partial(multipletests, p, ALPHA, method="fdr_bh")
            actions["fdrcorrection"] = partial(fdrcorrection, p, ALPHA)
        show(f"Benjamini-Hochberg, {n:,}", actions, 5)


def main() -> None:
    """Print one line per task and size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    quick = parser.parse_args().quick
    peers = set()
    for name in ("mapie", "crepes", "torchcp", "statsmodels"):
        try:
            print(f"{name} {importlib.metadata.version(name)}")
            peers.add(name)
        except importlib.metadata.PackageNotFoundError:
            print(f"{name} is not installed: left out (pip install {name})")
    warnings.simplefilter("ignore")
    p_values(peers, [10_000] if quick else [10_000, 30_000, 100_000, 1_000_000])
    streams(peers, [10_000] if quick else [10_000, 100_000])
    thresholds(peers)
    shapes = [(20_000, 10), (20_000, 100)]
    if not quick:
        shapes += [(20_000, 1000), (200_000, 10), (200_000, 100), (2_000_000, 10), (100_000, 1000)]
    label_sets(peers, shapes)
    grids(peers, [27] if quick else [27, 100])
    discoveries(peers, [10_000] if quick else [10_000, 100_000, 1_000_000])


if __name__ == "__main__":
    main()
