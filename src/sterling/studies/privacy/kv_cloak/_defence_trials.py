"""Exactness and cost of the cloak on a bench, as rows."""

import copy
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from sterling.measure import Rate
from sterling.privacy.cache.blocks import obfuscate, restore_by_marker
from sterling.privacy.cache.fusion import fuse
from sterling.privacy.cache.snapshot import plain_snapshot
from sterling.runs import Row
from sterling.studies.privacy.kv_cloak._bench import DEFENCES, PLAIN, CacheBench, KVCloakConfig
from sterling.study import row

if TYPE_CHECKING:
    from transformers import Cache, PreTrainedModel

LOGITS, DIFFERENT = "error of logits", "tokens that differ"
RESTORED, STEP, MILLISECONDS = "error of restored rows", "time of a step", "milliseconds"
PREFILL = 128  # tokens before steps are timed
CHUNKS = 8  # of timed steps, one ratio each


def exactness(config: KVCloakConfig, bench: CacheBench) -> list[Row]:
    """Compare logits, generated tokens and restored rows with those without the cloak."""
    return [
        *logit_errors(bench),
        *tokens_that_differ(bench, config.written),
        *row_errors(bench),
    ]


@torch.no_grad()
def logit_errors(bench: CacheBench) -> list[Row]:
    """Measure the largest difference to plain float32 logits, as a share of the largest."""
    models = {
        "fused, float32": bench.fused,
        "plain, bfloat16": copy.deepcopy(bench.model).to(torch.bfloat16),
        "fused, bfloat16": copy.deepcopy(bench.fused).to(torch.bfloat16),
    }
    rows = []
    for prompt, ids in enumerate(bench.ids):
        plain = bench.model(input_ids=ids[None]).logits
        for name, model in models.items():
            apart = (model(input_ids=ids[None]).logits.float() - plain).abs().max()
            error = float(apart / plain.abs().max())
            rows.append(row(LOGITS, error, repetition=prompt, system=name))
    return rows


@torch.no_grad()
def tokens_that_differ(bench: CacheBench, written: int) -> list[Row]:
    """Count the greedily generated tokens that differ with a cloaked cache."""
    from sterling.privacy.cache.cloaked_cache import KVCloakCache

    rows = []
    for prompt, ids in enumerate(bench.ids):
        cache = KVCloakCache(bench.secret, fused=True, nonce=(1, prompt))
        pair: list[tuple[Any, Cache | None]] = [(bench.fused, cache), (bench.model, None)]
        cloaked, plain = (
            model.generate(
                input_ids=ids[None],
                attention_mask=torch.ones_like(ids[None]),
                past_key_values=past,
                max_new_tokens=written,
                min_new_tokens=written,
                do_sample=False,
            )[0, len(ids) :].tolist()
            for model, past in pair
        )
        different = sum(one != other for one, other in zip(cloaked, plain, strict=True))
        rows.append(row(DIFFERENT, Rate(different, written), repetition=prompt))
    return rows


def row_errors(bench: CacheBench) -> list[Row]:
    """Measure the largest error of a restored row in each layer, by the format of blocks.

    Euclidean, in units of the head's largest entry. Rows are restored by the marker alone; as
    their order is not stored, each is compared with the nearest of its block.
    """
    plain = plain_snapshot(bench.fused, bench.ids[0][: bench.secret.config.block])
    rows = []
    for at, layer in enumerate(bench.secret.layers):
        block = torch.stack((plain.keys[at], plain.values[at]))[:, None]
        scale = block.abs().amax(dim=(1, 3, 4), keepdim=True)
        stored = obfuscate(block, layer, [(2, 0)])
        for name, held in (("float32", stored), ("bfloat16", stored.bfloat16().float())):
            found = restore_by_marker(held, layer)[0]
            apart = torch.cdist((block / scale).double(), (found / scale).double())
            error = float(apart.amin(dim=-1).max())
            rows.append(row(RESTORED, error, repetition=at, system=name))
        rounding = (block.bfloat16().float() - block) / scale
        error = float(rounding.norm(dim=-1).max())
        rows.append(row(RESTORED, error, repetition=at, system="bfloat16, plain"))
    return rows


def overhead(config: KVCloakConfig, bench: CacheBench) -> list[Row]:
    """Time steps of generation: the median, and ratios to a plain cache by chunk of steps."""
    seconds = step_times(bench, config.steps)
    chunks = {
        name: np.array([np.median(part) for part in np.array_split(np.array(each), CHUNKS)])
        for name, each in seconds.items()
    }
    plain = chunks.pop(PLAIN)
    return [
        *(
            row(MILLISECONDS, 1e3 * float(np.median(each)), repetition=0, system=name)
            for name, each in seconds.items()
        ),
        *(
            row(STEP, ratio, repetition=chunk, system=name)
            for name, each in chunks.items()
            for chunk, ratio in enumerate((each / plain).tolist())
        ),
    ]


@torch.no_grad()
def step_times(bench: CacheBench, steps: int) -> dict[str, list[float]]:
    """Return seconds of each step of generation with each cache, in turn."""
    from transformers import DynamicCache

    from sterling.privacy.cache.cloaked_cache import KVCloakCache

    secret = bench.draw(DEFENCES["dense"], "dense")
    systems: dict[str, tuple[PreTrainedModel, Cache]] = {
        PLAIN: (bench.model, DynamicCache()),
        "fused": (bench.fused, KVCloakCache(bench.secret, fused=True, nonce=(4, 0))),
        "not fused": (bench.model, KVCloakCache(bench.secret, fused=False, nonce=(4, 1))),
        "dense": (fuse(bench.model, secret), KVCloakCache(secret, fused=True, nonce=(4, 2))),
    }
    ids = bench.measured[:PREFILL]
    for model, cache in systems.values():
        model(input_ids=ids[None], past_key_values=cache, logits_to_keep=1)
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for _ in range(steps):
        for name, (model, cache) in systems.items():
            begun = time.perf_counter()
            model(input_ids=ids[None, -1:], past_key_values=cache, logits_to_keep=1)
            seconds[name].append(time.perf_counter() - begun)
    return seconds
