"""Jailbreak prefixes: of a list of texts, the one after which the model tells most.

The attacker tries every prefix on forgotten items that he knows, and uses the best on others.
"""

import torch
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.privacy.unlearning.examples import Examples
from sterling.privacy.unlearning_attacks.extraction import exact_memorisation
from sterling.research_use import require_research_use


def behind(prefix: Tensor, examples: Examples) -> Examples:
    """Texts whose first tokens are replaced by a prefix (k,)."""
    if not len(prefix) < examples.inputs.shape[1]:
        raise InputError(f"prefix of {len(prefix)} tokens: texts have {examples.inputs.shape[1]}")
    inputs = torch.cat([prefix.expand(len(examples), -1), examples.inputs[:, len(prefix) :]], dim=1)
    return Examples(inputs, examples.labels, examples.ids)


@torch.no_grad()
def best_prefix(
    model: nn.Module, known: Examples, prefixes: Tensor, *, research_use: bool
) -> Tensor:
    """The prefix behind which most words of known items are said greedily, (k,); ties: the first.

    Args:
        model: Unlearned; tokens (N, T) to logits (N, T, V).
        known: Forgotten items that the attacker holds, apart from those under attack.
        prefixes: Tokens of each, (P, k).
        research_use: Must be true.

    Raises:
        InputError: When ``research_use`` is false, or there is no prefix.
    """
    require_research_use(research_use)
    if prefixes.ndim != 2 or not len(prefixes):
        raise InputError(f"prefixes {tuple(prefixes.shape)}: give (P, k) with one at least")

    def said(prefix: Tensor) -> float:
        texts = behind(prefix, known)
        return float(exact_memorisation(model(texts.inputs), texts.labels).mean())

    best: Tensor = max(prefixes, key=said)
    return best
