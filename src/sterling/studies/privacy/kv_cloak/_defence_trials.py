"""The cloak on a bench: does the model still say the same, to which bit, and at which cost?"""

import copy
import time
from typing import TYPE_CHECKING, Any

import torch

from sterling.privacy.cache.blocks import obfuscate, restore_by_marker
from sterling.privacy.cache.cloak import CloakConfig
from sterling.privacy.cache.fusion import fuse
from sterling.privacy.cache.snapshot import plain_snapshot
from sterling.studies.privacy.kv_cloak._bench import PLAIN, CacheBench

if TYPE_CHECKING:
    from transformers import Cache, PreTrainedModel


@torch.no_grad()
def logit_errors(bench: CacheBench) -> dict[str, list[float]]:
    """Largest difference to the plain float32 logits, as a share of the largest, by prompt."""
    models = {
        "fused, float32": bench.fused,
        "plain, bfloat16": copy.deepcopy(bench.model).to(torch.bfloat16),
        "fused, bfloat16": copy.deepcopy(bench.fused).to(torch.bfloat16),
    }
    errors: dict[str, list[float]] = {name: [] for name in models}
    for ids in bench.ids:
        plain = bench.model(input_ids=ids[None]).logits
        for name, model in models.items():
            apart = (model(input_ids=ids[None]).logits.float() - plain).abs().max()
            errors[name].append(float(apart / plain.abs().max()))
    return errors


@torch.no_grad()
def tokens_that_differ(bench: CacheBench, written: int) -> tuple[int, int]:
    """Of how many greedily generated tokens, how many differ with a cloaked cache."""
    from sterling.privacy.cache.cloaked_cache import KVCloakCache

    different, total = 0, 0
    for prompt, ids in enumerate(bench.ids):
        cache = KVCloakCache(bench.secret, fused=True, nonce=(1, prompt))
        arms: list[tuple[Any, Cache | None]] = [(bench.fused, cache), (bench.model, None)]
        cloaked, plain = (
            model.generate(
                input_ids=ids[None],
                attention_mask=torch.ones_like(ids[None]),
                past_key_values=past,
                max_new_tokens=written,
                min_new_tokens=written,
                do_sample=False,
            )[0, len(ids) :].tolist()
            for model, past in arms
        )
        different += sum(one != other for one, other in zip(cloaked, plain, strict=True))
        total += written
    return different, total


def row_errors(bench: CacheBench) -> dict[str, list[float]]:
    """Largest error of a restored row by what blocks are stored in, one per layer.

    Euclidean, in units of the head's largest entry. Rows are restored by the marker alone; as
    their order is not stored, each is held against the nearest of its block.
    """
    rows = plain_snapshot(bench.fused, bench.ids[0][: bench.secret.config.block])
    errors: dict[str, list[float]] = {"float32": [], "bfloat16": [], "bfloat16, plain": []}
    for at, layer in enumerate(bench.secret.layers):
        block = torch.stack((rows.keys[at], rows.values[at]))[:, None]
        scale = block.abs().amax(dim=(1, 3, 4), keepdim=True)
        stored = obfuscate(block, layer, [(2, 0)])
        for name, held in (("float32", stored), ("bfloat16", stored.bfloat16().float())):
            found = restore_by_marker(held, layer)[0]
            apart = torch.cdist((block / scale).double(), (found / scale).double())
            errors[name].append(float(apart.amin(dim=-1).max()))
        rounding = (block.bfloat16().float() - block) / scale
        errors["bfloat16, plain"].append(float(rounding.norm(dim=-1).max()))
    return errors


@torch.no_grad()
def step_times(
    bench: CacheBench, dense: CloakConfig, prefill: int, steps: int
) -> dict[str, list[float]]:
    """Seconds of each step of generation with each cache, in turn.

    Args:
        bench: Whose model runs.
        dense: A configuration with a dense mask, as an arm of its own.
        prefill: Tokens before the first step.
        steps: How many, of every cache.
    """
    from transformers import DynamicCache

    from sterling.privacy.cache.cloaked_cache import KVCloakCache

    secret = bench.draw(dense, "dense")
    arms: dict[str, tuple[PreTrainedModel, Cache]] = {
        PLAIN: (bench.model, DynamicCache()),
        "fused": (bench.fused, KVCloakCache(bench.secret, fused=True, nonce=(4, 0))),
        "not fused": (bench.model, KVCloakCache(bench.secret, fused=False, nonce=(4, 1))),
        "dense": (fuse(bench.model, secret), KVCloakCache(secret, fused=True, nonce=(4, 2))),
    }
    ids = bench.measured[:prefill]
    for model, cache in arms.values():
        model(input_ids=ids[None], past_key_values=cache, logits_to_keep=1)
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(steps):
        for name, (model, cache) in arms.items():
            begun = time.perf_counter()
            model(input_ids=ids[None, -1:], past_key_values=cache, logits_to_keep=1)
            seconds[name].append(time.perf_counter() - begun)
    return seconds
