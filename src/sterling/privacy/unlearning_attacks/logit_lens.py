"""The logit lens: what a layer before the last would have said.

nostalgebraist, "interpreting GPT: the logit lens", 2020; used on unlearned models by Patil et al.,
"Can Sensitive Information Be Deleted From LLMs?", ICLR 2024: what the output no longer says may
still stand in a layer before it.
"""

import torch
from torch import Tensor, nn

from sterling.privacy.unlearning.rmu import hidden_activations


@torch.no_grad()
def logit_lens(
    model: nn.Module, tokens: Tensor, layer: str, *, norm: str = "norm", head: str = "head"
) -> Tensor:
    """Logits (N, T, V) from a layer's output through the model's last norm and head.

    Args:
        model: Tokens (N, T) to logits.
        tokens: (N, T).
        layer: Name of the module to look into; its output is (N, T, width).
        norm: Name of the last normalisation.
        head: Name of the output layer.
    """
    hidden = hidden_activations(model, layer)(model, tokens)
    logits: Tensor = model.get_submodule(head)(model.get_submodule(norm)(hidden))
    return logits
