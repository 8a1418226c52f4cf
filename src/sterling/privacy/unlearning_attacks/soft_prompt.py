"""An adversarial soft prompt: free vectors before a question, fitted to make the model tell.

Schwinn et al., "Soft Prompt Threats: Attacking Safety Alignment and Unlearning in Open-Source LLMs
through the Embedding Space", NeurIPS 2024. The vectors are fitted on forgotten items that the
attacker knows, and used on others: what comes then was in the weights, not in the prompt.
"""

import torch
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.privacy.unlearning.descent import Descent, descend
from sterling.privacy.unlearning.examples import Examples
from sterling.privacy.unlearning.terms import mean_loss
from sterling.research_use import require_research_use


class Prompted(nn.Module):
    """A language model whose first input embeddings are free vectors.

    Args:
        model: Tokens (N, T) to logits (N, T, V), with one ``nn.Embedding`` for the tokens.
        vectors: (k, width): stand in place of the embeddings of the first k tokens.
        embedding: Name of the token embedding in the model.
    """

    def __init__(self, model: nn.Module, vectors: Tensor, embedding: str = "tokens") -> None:
        super().__init__()
        self.model = model
        self.vectors = nn.Parameter(vectors.clone())
        self.embedding = embedding

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (N, T, V)."""

        def replace(_part: nn.Module, _arguments: tuple[Tensor, ...], output: Tensor) -> Tensor:
            k = len(self.vectors)
            return torch.cat([self.vectors.expand(len(output), -1, -1), output[:, k:]], 1)

        handle = self.model.get_submodule(self.embedding).register_forward_hook(replace)
        try:
            logits: Tensor = self.model(tokens)
        finally:
            handle.remove()
        return logits


def fit_soft_prompt(
    model: nn.Module,
    known: Examples,
    *,
    length: int,
    research_use: bool,
    rng: torch.Generator,
    descent: Descent,
    embedding: str = "tokens",
) -> nn.Module:
    """Fit vectors in place of the first tokens so that the model says what the attacker knows.

    Args:
        model: Unlearned; its weights stay as they are.
        known: Forgotten items that the attacker holds, apart from those under attack.
        length: k, tokens that the vectors replace; they start as these tokens' mean embeddings.
        research_use: Must be true.
        rng: Draws the order of the items.
        descent: Steps and rate on the vectors.
        embedding: Name of the token embedding in the model.

    Raises:
        InputError: When ``research_use`` is false, or the length leaves no token of a text.
    """
    require_research_use(research_use)
    if not 1 <= length < known.inputs.shape[1]:
        raise InputError(f"length {length}: give 1 to {known.inputs.shape[1] - 1}")
    with torch.no_grad():
        start = model.get_submodule(embedding)(known.inputs[:, :length]).mean(0)
    return descend(
        Prompted(model, start, embedding),
        lambda prompted, batch, _same: mean_loss(prompted(batch.inputs), batch.labels),
        known,
        known,
        rng,
        descent,
        trained=lambda name: name == "vectors",
    )
