"""HATS: a watermark of three sets, verified by frequent and by missing tokens.

The vocabulary is split at every step into green, yellow and red by a keyed function; red tokens are
not generated. A text is tested for too many green tokens and for too few red ones, and both are
combined (Fisher). ("HATS: High-Accuracy Triple-Set Watermarking for Large Language Models", ICCC
2025.) Ratios, hash, green bias and thresholds of the paper are unknown: these are ours. So is the
correction of the combination: both counts come from the same tokens, and Fisher's method, which
takes them for independent, accuses more texts than it says.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats
from torch import Tensor

from sterling.checks import Natural, Range, Weight, check_fields
from sterling.errors import InputError, unknown_name
from sterling.extras import needs
from sterling.text.watermark.keyed_hash import (
    BITS,
    Reduction,
    context_states,
    mixed_tokens,
    pair_codes,
    token_numbers,
)

if TYPE_CHECKING:
    from sterling.text.watermark.watermark_processor import WatermarkProcessor

Combination = Literal["green", "fisher", "brown", "exact"]
GREEN, YELLOW, RED = 0, 1, 2


@dataclass(frozen=True)
class WatermarkDetection:
    """Test of a text for a watermark. A verdict is not sole evidence against a person.

    Attributes:
        green: Number of green tokens among those scored.
        red: Number of red tokens among those scored.
        tokens_scored: Number of distinct pairs of context and token.
        z_green: Excess of green tokens over chance, in deviations.
        z_red: Lack of red tokens against chance, in deviations; 0 without a red set.
        p_green: Chance of so many green tokens or more, by the binomial distribution.
        p_red: Chance of so few red tokens or fewer, by the same; 1 without a red set.
        p_value: P-value of both counts, the chance of so much evidence in a text without this
            watermark. 1 when nothing could be scored.
        combine: Rule that combined both counts.
    """

    green: int
    red: int
    tokens_scored: int
    z_green: float
    z_red: float
    p_green: float
    p_red: float
    p_value: float
    combine: Combination


@dataclass(frozen=True)
class TripleSetWatermark:
    """A watermark: colours of tokens in their context, generation and detection.

    With ratios (γ, 1 - γ, 0), a bias and ``combine="green"`` it is the scheme of Kirchenbauer et
    al. (ICML 2023; γ = 0.5, bias 2), and with ``context=0`` besides that of Zhao et al. ("Unigram",
    ICLR 2024): see `kgw` and `unigram`.

    Attributes:
        key: Secret, an integer from 0 to 2^63 - 1.
        ratios: Shares of green, yellow and red, which sum to 1; green lies above 0 and below 1.
        context: Number of tokens before a token that decide its colour, 0 or more.
        reduction: Reduction of these tokens to one state (see `context_states`).
        bias: Number added to the logits of green tokens, 0 or more.
        least_mass: Probability in [0, 1) of green and yellow below which a step bans no red token:
            better a weak mark than a broken text.

    Raises:
        InputError: A value is out of range.
    """

    key: int
    ratios: tuple[float, float, float] = (0.5, 0.25, 0.25)
    context: Natural = 1
    reduction: Reduction = "sequence"
    bias: Weight = 0.0
    least_mass: Annotated[float, Range(0, 1, open_high=True)] = 0.2

    def __post_init__(self) -> None:
        check_fields(self)
        ratios = self.ratios
        if (
            len(ratios) != 3
            or not all(0 <= ratio <= 1 for ratio in ratios)
            or not math.isclose(sum(ratios), 1, abs_tol=1e-9)
        ):
            raise InputError(f"ratios {ratios}: three shares, green, yellow and red, that sum to 1")
        if not 0 < ratios[0] < 1:
            raise InputError(f"ratios {ratios}: the green share lies above 0 and below 1")
        self.states(torch.zeros((0, self.context), dtype=torch.int64))  # refuses key and reduction

    def states(self, contexts: Tensor) -> Tensor:
        """Return the state of each context, int64 (N,), of token ids (N, context)."""
        return context_states(self.key, contexts, self.reduction)

    def numbers(self, contexts: Tensor, tokens: Tensor) -> Tensor:
        """Return each token's keyed number, int64 (N,), from ids (N, context) and (N,)."""
        return token_numbers(self.states(contexts), mixed_tokens(tokens))

    def green(self, numbers: Tensor) -> Tensor:
        """Return whether tokens are green by their keyed numbers, bool of the same shape."""
        green: Tensor = numbers < _limit(self.ratios[GREEN])
        return green

    def red(self, numbers: Tensor) -> Tensor:
        """Return whether tokens are red; the rest is yellow."""
        if self.ratios[RED] == 0:
            return torch.zeros_like(numbers, dtype=torch.bool)
        red: Tensor = numbers >= _limit(self.ratios[GREEN] + self.ratios[YELLOW])
        return red

    def processor(self) -> "WatermarkProcessor":
        """Return a `transformers` `LogitsProcessor` that marks what is generated.

        Raises:
            InputError: transformers is not installed (``pip install sterling[lm]``).
        """
        with needs("lm", "a watermark's processor"):
            from sterling.text.watermark.watermark_processor import WatermarkProcessor
        return WatermarkProcessor(self)

    def detect(
        self,
        token_ids: ArrayLike | Sequence[int],
        prompt_length: int = 0,
        combine: Combination = "brown",
    ) -> WatermarkDetection:
        """Test a text for this watermark.

        Every pair of context and token counts once: the same pair again says nothing new, and with
        a reduction neither does another context that it takes for the same. The first tokens, that
        have no full context, and those of the prompt are not scored, though the prompt serves as
        context.

        Args:
            token_ids: Token ids of the text, by the tokenizer that generated it, (T,).
            prompt_length: Number of first ids that were given and not generated.
            combine: Combination: "green" looks at green tokens alone; "fisher" takes both counts
                for independent (the paper's); "brown" corrects for their correlation; "exact" is
                the chance under the multinomial distribution of evidence as strong as Fisher's.
                All but "fisher" accuse no more unmarked texts than the level says, of any length.

        Raises:
            InputError: Ids are no list of non-negative integers, or a choice is unknown.
        """
        if combine not in get_args(Combination):
            raise unknown_name("combination", str(combine), get_args(Combination))
        ids = _ids(token_ids)
        if not 0 <= prompt_length <= len(ids):
            raise InputError(f"prompt_length {prompt_length}: from 0 to the {len(ids)} tokens")
        first = max(prompt_length, self.context)
        width = self.context + 1
        windows = np.empty((0, width), dtype=np.int64)
        if first < len(ids):
            windows = np.lib.stride_tricks.sliding_window_view(ids[first - self.context :], width)
        pairs = torch.from_numpy(windows.copy())
        states, mixed = self.states(pairs[:, :-1]), mixed_tokens(pairs[:, -1])
        _, places = np.unique(pair_codes(states, mixed).numpy(), return_index=True)
        numbers = token_numbers(states, mixed)[torch.from_numpy(places)]
        green, red = self.green(numbers), self.red(numbers)
        return self.judge(int(green.sum()), int(red.sum()), len(places), combine)

    def judge(
        self, green: int, red: int, scored: int, combine: Combination = "brown"
    ) -> WatermarkDetection:
        """Run the test of `detect` from the counts alone."""
        share, _, banned = self.ratios
        z_green = z_red = 0.0
        p_green = p_red = p_value = 1.0
        if scored:
            z_green = (green - share * scored) / math.sqrt(scored * share * (1 - share))
            p_green = float(np.exp(_log_green(green, scored, share)))
            p_value = p_green
        if scored and banned > 0:
            z_red = (banned * scored - red) / math.sqrt(scored * banned * (1 - banned))
            p_red = float(np.exp(_log_red(red, scored, banned)))
        if scored and combine != "green":
            p_value = combined_p_value(green, red, scored, self.ratios, combine)
        return WatermarkDetection(
            green, red, scored, z_green, z_red, p_green, p_red, p_value, combine
        )


def _limit(share: float) -> int:
    """Return the number below which this share of all numbers lies, within int32."""
    half: int = 2 ** (BITS - 1)
    return min(round(share * 2.0**BITS) - half, half - 1)


def kgw(key: int) -> TripleSetWatermark:
    """Return the scheme of Kirchenbauer et al., ICML 2023: half is green, biased by 2."""
    return TripleSetWatermark(key, (0.5, 0.5, 0.0), bias=2.0)


def unigram(key: int) -> TripleSetWatermark:
    """Return the scheme of Zhao et al., ICLR 2024: `kgw` without context."""
    return TripleSetWatermark(key, (0.5, 0.5, 0.0), context=0, bias=2.0)


def combined_p_value(
    green: int,
    red: int,
    scored: int,
    ratios: tuple[float, float, float],
    combine: Literal["fisher", "brown", "exact"],
) -> float:
    """Return one p-value of both counts, in [0, 1].

    X = -2 (ln p_green + ln p_red) of the two binomial p-values has four degrees of freedom if both
    are independent, which Fisher's method takes for granted. They are not: under chance the counts
    are multinomial and corr(z_green, z_red) = √(g r / ((1 - g)(1 - r))). Brown's method (1975)
    scales X and its degrees of freedom to the variance that this correlation ρ gives, with Kost and
    McDermott's polynomial (2002) 3.263 ρ + 0.710 ρ² + 0.027 ρ³ for the covariance in place of
    Brown's own ρ (3.25 + 0.75 ρ); with the
    binomial tails, which are on the safe side at small counts, it errs on the safe side too.

    Args:
        green: Number of green tokens.
        red: Number of red tokens.
        scored: Number of tokens T, 1 or more.
        ratios: Shares of green, yellow and red; where none is red, green alone decides.
        combine: Combination: "fisher", "brown" or "exact".
    """
    share, _, banned = ratios
    if banned == 0:
        return float(np.exp(_log_green(green, scored, share)))
    evidence = float(-2 * (_log_green(green, scored, share) + _log_red(red, scored, banned)))
    if combine == "fisher":
        return float(special.chdtrc(4, evidence))
    if combine == "exact":
        return _exact(evidence, scored, share, banned)
    correlation = math.sqrt(share * banned / ((1 - share) * (1 - banned)))
    covariance = np.polyval([0.027, 0.710, 3.263, 0], correlation)  # Kost, McDermott
    variance = 8 + 2 * covariance
    return float(special.chdtrc(32 / variance, 8 * evidence / variance))


def _log_green(green: ArrayLike, scored: int, share: float) -> Any:
    """Logarithm of P(as many green tokens or more)."""
    return stats.binom.logsf(np.asarray(green) - 1, scored, share)


def _log_red(red: ArrayLike, scored: int, banned: float) -> Any:
    """Logarithm of P(as few red tokens or fewer)."""
    return stats.binom.logcdf(red, scored, banned)


def _exact(evidence: float, scored: int, green: float, red: float) -> float:
    """Return P(X ≥ evidence) where green and red counts are multinomial.

    X falls as the red count rises, so for every green count there is one largest red count that
    still gives as much evidence; the red count given the green one is binomial.
    """
    counts = np.arange(scored + 1)
    needed = -evidence / 2 - _log_green(counts, scored, green)  # ln p_red is at most this
    # The text's own counts are among those, whatever was rounded.
    tolerance = 1e-9 * (1 + evidence)
    largest = np.searchsorted(_log_red(counts, scored, red), needed + tolerance, side="right") - 1
    given = stats.binom.cdf(largest, scored - counts, min(1.0, red / (1 - green)))
    return float(min(1.0, (stats.binom.pmf(counts, scored, green) * given).sum()))


def _ids(token_ids: ArrayLike | Sequence[int]) -> NDArray[np.int64]:
    ids = np.asarray(token_ids.cpu() if isinstance(token_ids, Tensor) else token_ids)
    if ids.size == 0:
        return np.empty(0, dtype=np.int64)
    if ids.ndim != 1 or ids.dtype.kind not in "iu" or int(ids.min()) < 0:
        raise InputError(
            f"token_ids: {ids.dtype} of shape {ids.shape}; give one text's ids, non-negative "
            "integers"
        )
    return ids.astype(np.int64)
