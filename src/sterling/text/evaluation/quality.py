"""How good and how varied texts are, in the figures that watermark papers give."""

from collections.abc import Sequence

from sterling.errors import InputError
from sterling.lm import TokenStats


def perplexity(stats: TokenStats) -> float:
    """Exponential of the mean surprise of a text's tokens, 1 or more; low where a model expects it.

    Raises:
        InputError: The text has no token that was scored.
    """
    scored = stats.log_prob[stats.mask]
    if not len(scored):
        raise InputError("stats: no token was scored; a text of one token has no perplexity")
    return float((-scored.double().mean()).exp())


def distinct_n(texts: Sequence[Sequence[int]], n: int) -> float:
    """Different n-grams as a share of all n-grams of the texts together, in (0, 1].

    "Distinct-n" (Li et al., NAACL 2016). It falls with the number of tokens: compare only sets of
    texts that have the same.

    Args:
        texts: Token ids of each.
        n: 1 or more.

    Raises:
        InputError: No text has n tokens.
    """
    grams = [tuple(text[i : i + n]) for text in texts for i in range(len(text) - n + 1)]
    if not grams:
        raise InputError(f"texts: none has {n} tokens")
    return len(set(grams)) / len(grams)
