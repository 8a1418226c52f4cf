"""Detectors that need one number per token of one forward pass: all of them from the same pass.

Scores are larger for machines' texts, except where the direction is learned by the calibration.
l, r, H and v are a token's log-probability, its rank from 1, the predicted distribution's entropy
and the variance of its log-probabilities (`sterling.lm.TokenStats`).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from sterling.errors import InputError, unknown_name
from sterling.lm import LocalModel, SignalStore, TokenStats
from sterling.text.detectors.diversity_entropy import spread_of_diversity
from sterling.text.detectors.scored import LEAST_TOKENS, Scored, TrainingFree, too_short, unreadable

MAX_TOKENS = 512
RANK_EDGES = (10, 100, 1000)  # GLTR's four bins


def likelihood(stats: TokenStats) -> float:
    """Mean of l (Solaiman et al., 2019)."""
    return float(stats.log_prob.double().mean())


def rank(stats: TokenStats) -> float:
    """Minus the mean of r (Gehrmann et al., ACL 2019)."""
    return -float(stats.rank.double().mean())


def log_rank(stats: TokenStats) -> float:
    """Minus the mean of ln r (Mitchell et al., ICML 2023)."""
    return -float(stats.rank.double().log().mean())


def entropy(stats: TokenStats) -> float:
    """Mean of H; which side is the machine's is learned."""
    return float(stats.entropy.double().mean())


def lrr(stats: TokenStats) -> float:
    """Mean of -l over the mean of ln r (DetectLLM: Su et al., EMNLP 2023).

    A text of which every token was the first choice is taken to have one second choice (ours).
    """
    floor = math.log(2) / len(stats.rank)
    return -likelihood(stats) / max(-log_rank(stats), floor)


def fast_detect_gpt(stats: TokenStats) -> float:
    """The conditional probability curvature (Bao et al., ICLR 2024), analytic form.

    (sum of l + sum of H) / sqrt(sum of v): how far the text's log-probability lies above what
    tokens drawn from the same distributions would have, in their standard deviations.
    """
    above = stats.log_prob.double().sum() + stats.entropy.double().sum()
    return float(above / stats.variance.double().sum().sqrt())


def lastde(stats: TokenStats) -> float:
    """Mean of l over the spread of the multiscale diversity entropy of the l (Lastde, 2024)."""
    return likelihood(stats) / spread_of_diversity(stats.log_prob.double().numpy())


def bins_of_ranks(stats: TokenStats) -> NDArray[np.float64]:
    """Shares of tokens of rank below 10, 100, 1000 and beyond, (4,) (GLTR, ACL 2019).

    The first choice has rank 1, and a rank of 10 is in the second bin, as in MGT-Eval's code.
    """
    place = np.searchsorted(RANK_EDGES, stats.rank.numpy(), side="right")
    return np.bincount(place, minlength=4) / len(place)


METRICS: dict[str, Callable[[TokenStats], float]] = {
    "likelihood": likelihood,
    "rank": rank,
    "log_rank": log_rank,
    "entropy": entropy,
    "lrr": lrr,
    "fast_detect_gpt": fast_detect_gpt,
    "lastde": lastde,
}


def token_signals(
    model: LocalModel,
    texts: Sequence[str],
    *,
    max_tokens: int = MAX_TOKENS,
    store: SignalStore | None = None,
) -> tuple[list[TokenStats], list[str]]:
    """Return statistics of every text's tokens, and why a text has none ("" where it has)."""
    reasons = [unreadable(text) for text in texts]
    readable = [row for row, reason in enumerate(reasons) if not reason]
    stats = model.stats([texts[row] for row in readable], max_tokens=max_tokens, store=store)
    nothing = TokenStats(*(torch.empty(0),) * 5)
    found = [nothing] * len(texts)
    for row, one in zip(readable, stats, strict=True):
        reasons[row] = too_short(len(one.log_prob))
        if not reasons[row]:
            found[row] = one
    return found, reasons


def score_metrics(
    model: LocalModel,
    texts: Sequence[str],
    names: Sequence[str] = tuple(METRICS),
    *,
    max_tokens: int = MAX_TOKENS,
    store: SignalStore | None = None,
) -> dict[str, Scored]:
    """Return every metric of every text from one forward pass.

    Args:
        model: Model that scores the tokens.
        texts: Any texts.
        names: Names of `METRICS`.
        max_tokens: Number of a text's first tokens that count.
        store: Store of earlier passes.
    """
    stats, reasons = token_signals(model, texts, max_tokens=max_tokens, store=store)
    return {name: _values(METRICS[name], stats, reasons) for name in names}


def score_prefixes(
    model: LocalModel,
    texts: Sequence[str],
    name: str,
    lengths: Sequence[int],
    *,
    max_tokens: int = MAX_TOKENS,
    store: SignalStore | None = None,
) -> dict[int, Scored]:
    """Return one metric of prefixes of each text, in scored tokens, from one pass.

    A causal model says the same about a token whatever follows it, so a prefix needs no pass of its
    own. Arguments as in `score_metrics`; a text that is shorter than a length is scored whole.
    """
    stats, reasons = token_signals(model, texts, max_tokens=max_tokens, store=store)

    def cut(one: TokenStats, length: int) -> TokenStats:
        return TokenStats(**{field: values[:length] for field, values in vars(one).items()})

    return {
        length: _values(METRICS[name], [cut(one, length) for one in stats], reasons)
        for length in lengths
    }


def _values(
    metric: Callable[[TokenStats], float], stats: Sequence[TokenStats], reasons: Sequence[str]
) -> Scored:
    return Scored.of(
        [math.nan if why else metric(one) for one, why in zip(stats, reasons, strict=True)], reasons
    )


def pass_settings(model: LocalModel, max_tokens: int) -> dict[str, Any]:
    """Return the settings that a score from a forward pass depends on."""
    return {
        "model": model.name,
        "fingerprint": model.fingerprint,
        "max_tokens": max_tokens,
        "least_tokens": LEAST_TOKENS,
        "prompt": "none is given: the text alone is scored, from its second token on",
    }


@dataclass(eq=False)
class TokenDetector(TrainingFree):
    """One of `METRICS` as a detector.

    Attributes:
        name: Name of the metric.
        model: Model that scores the tokens.
        max_tokens: Number of a text's first tokens that count.
        store: Store of earlier passes.

    Raises:
        InputError: No such metric.
    """

    name: str
    model: LocalModel
    max_tokens: int = MAX_TOKENS
    store: SignalStore | None = None

    def __post_init__(self) -> None:
        if self.name not in METRICS:
            raise unknown_name("metric", self.name, METRICS)

    def score(self, texts: Sequence[str]) -> Scored:
        """Score by the metric of each text."""
        return score_metrics(
            self.model, texts, [self.name], max_tokens=self.max_tokens, store=self.store
        )[self.name]

    def settings(self) -> dict[str, Any]:
        """Return model, fingerprint, truncation, prompt."""
        return pass_settings(self.model, self.max_tokens)


@dataclass(eq=False)
class Gltr:
    """GLTR: the shares of four bins of ranks, weighed by logistic regression."""

    model: LocalModel
    max_tokens: int = MAX_TOKENS
    store: SignalStore | None = None
    weights: NDArray[np.float64] | None = None
    name: str = "gltr"

    def _bins(self, texts: Sequence[str]) -> tuple[NDArray[np.float64], list[str]]:
        stats, why = token_signals(self.model, texts, max_tokens=self.max_tokens, store=self.store)
        bins = [
            np.full(4, np.nan) if reason else bins_of_ranks(one)
            for one, reason in zip(stats, why, strict=True)
        ]
        return np.array(bins).reshape(-1, 4), why

    def fit(self, texts: Sequence[str], labels: NDArray[np.intp]) -> None:
        """Fit logistic regression (scikit-learn's defaults) on the training texts' bins."""
        bins, _ = self._bins(texts)
        scored = np.isfinite(bins).all(axis=1)
        if len(np.unique(labels[scored])) < 2:
            raise InputError("gltr: give training texts of people and of machines")
        model = LogisticRegression().fit(bins[scored], labels[scored])
        self.weights = np.append(model.coef_[0], model.intercept_)

    def score(self, texts: Sequence[str]) -> Scored:
        """Score by the regression's logit."""
        if self.weights is None:
            raise InputError("gltr: fit it first")
        bins, reasons = self._bins(texts)
        return Scored.of(bins @ self.weights[:4] + self.weights[4], reasons)

    def settings(self) -> dict[str, Any]:
        """Return model, fingerprint, truncation, prompt."""
        return pass_settings(self.model, self.max_tokens)

    def state(self) -> dict[str, Tensor]:
        """Return the weights of the bins, then the intercept, (5,)."""
        return {} if self.weights is None else {"weights": torch.from_numpy(self.weights)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take the weights."""
        self.weights = state["weights"].numpy()
