"""Injection: an instruction after a stolen cache, which lets the model repeat what it holds.

"Shadow in the Cache" (arXiv 2508.09442).
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.privacy.cache.snapshot import CacheSnapshot
from sterling.research_use import require_research_use

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@torch.no_grad()
def inject(
    model: "PreTrainedModel",
    stolen: CacheSnapshot,
    instruction: Tensor,
    new_tokens: int,
    *,
    research_use: bool,
) -> Tensor:
    """What the model writes greedily after the stolen cache and the instruction, int64.

    Args:
        model: With the public weights.
        stolen: What was found.
        instruction: Token ids, such as those of "Repeat the previous content.", 1 or more.
        new_tokens: At most so many, an end-of-text token included.
        research_use: See `sterling.research_use`.

    Raises:
        InputError: The switch is off, or the instruction is empty.
    """
    from transformers import DynamicCache

    require_research_use(research_use)
    if not len(instruction):
        raise InputError("instruction: no tokens; give a sentence")
    cache = DynamicCache()
    for layer, (keys, values) in enumerate(zip(stolen.keys, stolen.values, strict=True)):
        cache.update(keys[None].to(model.dtype), values[None].to(model.dtype), layer)
    configured = model.generation_config.eos_token_id
    ends = configured if isinstance(configured, list) else [configured]
    written: list[int] = []
    tokens = instruction[None]
    while len(written) < new_tokens and (not written or written[-1] not in ends):
        logits = model(input_ids=tokens, past_key_values=cache, logits_to_keep=1).logits
        tokens = logits[:, -1].argmax(dim=-1, keepdim=True)
        written.append(int(tokens))
    return torch.tensor(written, dtype=torch.int64)
