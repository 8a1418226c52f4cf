"""M in the weights: a model whose keys and values are rotated, and whose logits are the same.

KV-Cloak's operator fusion (arXiv 2508.09442). With rows x = h W^T + b, keys become x M when W_k
becomes M^T W_k and b_k becomes M^T b_k; queries of the head's group take M^-1, so that products
with keys stay. M rotates and scales the pairs of rotary embeddings and so commutes with them.
Values likewise, and the output projection undoes it on the columns of each head.
"""

import copy
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.privacy.cache.cloak import CloakSecret, LayerSecret

MODEL_TYPES = ("llama", "mistral", "qwen2")
"""Models whose rotary embeddings pair entry i with i + d/2, and that do not normalise keys."""

Model = TypeVar("Model", bound=nn.Module)


def attention_layers(model: nn.Module) -> list[Any]:
    """Return the attention modules of a decoder, first layer first.

    Raises:
        InputError: The model is of a type whose keys M does not commute with.
    """
    config: Any = model.config
    if config.model_type not in MODEL_TYPES:
        raise InputError(
            f"model of type {config.model_type!r}: keys can be mixed in {', '.join(MODEL_TYPES)}"
        )
    decoder: Any = model
    return [layer.self_attn for layer in decoder.get_decoder().layers]


def fuse(model: Model, secret: CloakSecret) -> Model:
    """Copy a model so that its keys and values come out multiplied by M.

    It attends as `sterling.privacy.cache.cloaked_attention` does.

    Args:
        model: A decoder with rotary embeddings (`MODEL_TYPES`); left as it is.
        secret: Secret drawn for the model.

    Raises:
        InputError: Another type of model, or a secret drawn for another number of layers.
    """
    from sterling.privacy.cache.cloaked_attention import ATTENTION

    fused = copy.deepcopy(model)
    layers = attention_layers(fused)
    if len(layers) != len(secret.layers):
        raise InputError(
            f"secret of {len(secret.layers)} layers: the model has {len(layers)}; draw it anew"
        )
    with torch.no_grad():
        for attention, layer in zip(layers, secret.layers, strict=True):
            _fuse_layer(attention, layer)
    config: Any = fused.config
    config._attn_implementation = ATTENTION
    return fused


def _fuse_layer(attention: Any, secret: LayerSecret) -> None:
    device = attention.o_proj.weight.device
    keys, values = secret.mixer.to(device)
    key_undo, value_undo = secret.unmixer.to(device)
    group = attention.num_key_value_groups
    _turn(attention.k_proj, keys.mT)
    _turn(attention.v_proj, values.mT)
    _turn(attention.q_proj, key_undo.repeat_interleave(group, dim=0))
    output: Tensor = attention.o_proj.weight
    undo = value_undo.repeat_interleave(group, dim=0)
    columns = output.double().view(len(output), len(undo), -1).transpose(0, 1)
    output.copy_((columns @ undo.mT).transpose(0, 1).flatten(1))


def _turn(projection: nn.Linear, matrices: Tensor) -> None:
    """Multiply each head's rows of a projection from the left, (heads, d, d)."""
    heads, d, _ = matrices.shape
    weight = matrices @ projection.weight.double().view(heads, d, -1)
    projection.weight.copy_(weight.flatten(0, 1))
    if projection.bias is not None:
        bias = matrices @ projection.bias.double().view(heads, d, 1)
        projection.bias.copy_(bias.flatten())
