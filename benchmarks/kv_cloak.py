"""Time of a cloaked cache against the plain one of transformers, and of a block against a copy.

A step of generation goes through the whole model with each cache in turn; prefill likewise. The
model is random, of SmolLM2-135M's shape unless `--quick`: what it says does not matter here. Then a
block of keys and values is obfuscated and restored alone, against copying it, and against a cipher
where the package ``cryptography`` is installed. All figures are ratios of medians of one run (above
1: the cloaked cache is slower).

    python -m benchmarks.kv_cloak [--quick]
"""

import argparse
import importlib
import importlib.util
import os
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from benchmarks.cdc import medians
from transformers import Cache, DynamicCache, LlamaConfig, LlamaForCausalLM

from sterling.privacy.cache import (
    CloakConfig,
    CloakSecret,
    KVCloakCache,
    draw_secret,
    fuse,
    largest_entries,
    plain_snapshot,
)
from sterling.privacy.cache.blocks import BlockMixer

SMOLLM2 = {
    "vocab_size": 49152,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "tie_word_embeddings": True,
}
SMALL = {**SMOLLM2, "vocab_size": 2000, "num_hidden_layers": 4}
KEY = bytes(range(32))
CONFIGS = {
    "published": CloakConfig(),
    "dense": CloakConfig(mask="dense", s_ratio=2.0),
}


def generation(model: Any, secrets: dict[str, CloakSecret], context: int, steps: int) -> None:
    """Print the prefill of a text and one step after it, with each cache."""
    ids = torch.randint(2000, (1, context), generator=torch.Generator().manual_seed(0))
    arms: dict[str, tuple[Any, Callable[[], Cache]]] = {"plain": (model, DynamicCache)}
    for name, secret in secrets.items():
        arms[f"{name}, fused"] = (fuse(model, secret), partial(_cloaked, secret, fused=True))
    published = secrets["published"]
    arms["published, not fused"] = (model, partial(_cloaked, published, fused=False))

    def prefilled(own: Any, make: Callable[[], Cache]) -> Cache:
        cache = make()
        own(ids, past_key_values=cache, logits_to_keep=1)
        return cache

    prefill = medians({name: partial(prefilled, *arm) for name, arm in arms.items()}, 1)
    step = medians(
        {
            name: partial(own, ids[:, -1:], past_key_values=prefilled(own, make))
            for name, (own, make) in arms.items()
        },
        steps,
    )
    for name in arms:
        print(
            f"after {context} tokens, {name}: prefill {1e3 * prefill[name]:.0f} ms "
            f"({prefill[name] / prefill['plain']:.2f}), step {1e3 * step[name]:.1f} ms "
            f"({step[name] / step['plain']:.2f})"
        )


def _cloaked(secret: CloakSecret, *, fused: bool) -> Cache:
    cache: Cache = KVCloakCache(secret, fused=fused)
    return cache


def blocks(secrets: dict[str, CloakSecret], count: int) -> None:
    """Print what obfuscating and restoring blocks of one layer takes against copying them."""
    for name, secret in secrets.items():
        layer = secret.layers[0]
        mixer = BlockMixer.of(layer, 1, torch.float32, torch.device("cpu"))
        z, b, d = len(mixer.scrambler), layer.config.block, layer.offset.shape[-1]
        rows = torch.randn(z, count, b, d)
        serials = [(0, at) for at in range(count)]
        inverse = mixer.inverse_orders(serials)
        stored, target = mixer.obfuscate(rows, inverse, serials), torch.empty_like(rows)
        actions: dict[str, Callable[[], object]] = {
            "copy": partial(target.copy_, rows),
            "obfuscate": partial(mixer.obfuscate, rows, inverse, serials),
            "restore": partial(mixer.restore, stored, inverse, serials, out=target),
        }
        if importlib.util.find_spec("cryptography"):
            actions["AES-256-GCM"] = _decryption(stored)
        taken = medians(actions, 50)
        figures = ", ".join(
            f"{action} {1e6 * each / count:.1f} µs ({each / taken['copy']:.1f})"
            for action, each in taken.items()
        )
        print(f"a block of {b} rows, {z} heads of {d} entries, {name}: {figures}")


def _decryption(stored: torch.Tensor) -> Callable[[], object]:
    """Return the decryption of the same bytes with AES, which processors have instructions for."""
    ciphers: Any = importlib.import_module("cryptography.hazmat.primitives.ciphers.aead")
    cipher, nonce = ciphers.AESGCM(os.urandom(32)), os.urandom(12)
    sealed = cipher.encrypt(nonce, stored.numpy().tobytes(), None)
    return partial(cipher.decrypt, nonce, sealed, None)


def main() -> None:
    """Print one line per cache and length, and one per mask."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="four layers, one length, few steps")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model: Any = LlamaForCausalLM(LlamaConfig(**(SMALL if quick else SMOLLM2)))
    model.eval().requires_grad_(False)
    largest = largest_entries([plain_snapshot(model, torch.randint(2000, (300,)))])
    secrets = {name: draw_secret(largest, 64, config, KEY) for name, config in CONFIGS.items()}
    with torch.inference_mode():
        blocks(secrets, 8 if quick else 32)
        for context in (64,) if quick else (128, 512):
            generation(model, secrets, context, 4 if quick else 16)


if __name__ == "__main__":
    main()
