"""Every attack on one language model, from its token statistics and those of a reference."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sterling.lm import TokenStats
from sterling.privacy.membership.min_k import min_k_score
from sterling.privacy.membership.min_k_plus import min_k_plus_score
from sterling.privacy.membership.text_reference import reference_score, zlib_score

TEXT_ATTACKS = ("Min-K", "Min-K++", "zlib", "reference")


def text_attack_scores(
    target: TokenStats, reference: TokenStats, texts: Sequence[str], *, share: float = 0.2
) -> dict[str, NDArray[np.float64]]:
    """Scores of every text by every attack in ``TEXT_ATTACKS``, (texts,); higher = more member.

    Args:
        target: What the model attacked says about the texts.
        reference: What a model that was not trained on them says.
        texts: The texts, for their compressed lengths.
        share: K of Min-K and Min-K++: the share of an answer's tokens that counts.
    """
    scores = {
        "Min-K": min_k_score(target, share=share),
        "Min-K++": min_k_plus_score(target, share=share),
        "zlib": zlib_score(target, texts),
        "reference": reference_score(target, reference),
    }
    return {attack: tensor.double().numpy() for attack, tensor in scores.items()}
