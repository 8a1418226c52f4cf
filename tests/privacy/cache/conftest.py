"""Tiny random decoders, and secrets drawn for them."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

pytest.importorskip("transformers")

from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from sterling.privacy.cache import (
    CloakConfig,
    CloakSecret,
    draw_secret,
    largest_entries,
    plain_snapshot,
)

VOCABULARY = 500
KEY = bytes(range(32))

Decoder = Callable[..., Any]


@pytest.fixture
def decoder() -> Decoder:
    """A random decoder: ``decoder(heads, kv_heads, dtype, biased)``, heads of 16 entries."""

    def make(
        heads: int = 4, kv_heads: int = 4, dtype: torch.dtype = torch.float32, biased: bool = False
    ) -> Any:
        sizes: dict[str, Any] = {
            "vocab_size": VOCABULARY,
            "hidden_size": 16 * heads,
            "intermediate_size": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": heads,
            "num_key_value_heads": kv_heads,
            "max_position_embeddings": 256,
            "initializer_range": 0.2,
        }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            if biased:
                model: Any = Qwen2ForCausalLM(Qwen2Config(**sizes))
                for layer in model.model.layers:
                    for name in ("q_proj", "k_proj", "v_proj"):
                        torch.nn.init.normal_(getattr(layer.self_attn, name).bias)
            else:
                model = LlamaForCausalLM(LlamaConfig(**sizes))
            for layer in model.model.layers:
                torch.nn.init.uniform_(layer.input_layernorm.weight, 0.5, 1.5)
        model.generation_config.eos_token_id = None
        model.generation_config.pad_token_id = 0
        return model.to(dtype).eval().requires_grad_(False)

    return make


def tokens(*shape: int, seed: int = 0) -> Tensor:
    """Random token ids."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(VOCABULARY, shape, generator=generator)


def secret_for(model: Any, config: CloakConfig, key: bytes = KEY) -> CloakSecret:
    """A secret with bounds from a text of 200 random tokens."""
    largest = largest_entries([plain_snapshot(model, tokens(200, seed=9))])
    return draw_secret(largest, 16, config, key)
