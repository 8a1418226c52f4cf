"""Attacks on the caches of a bench: what each recovers."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.privacy.cache.blocks import obfuscate
from sterling.privacy.cache.cloak import CloakConfig
from sterling.privacy.cache.collision import calibrated, collide, target_gap
from sterling.privacy.cache.fingerprint import Fingerprinter, normalised_rank
from sterling.privacy.cache.recovery import inject, invert, rouge_l, token_recovery
from sterling.runs import derive_seed
from sterling.studies.privacy.kv_cloak._bench import ARMS, CLOAKED, PLAIN, CacheBench

WAYS: dict[str, tuple[Literal["solving", "projecting"], int, tuple[str, ...]]] = {
    "solving": ("solving", 0, ARMS),
    "projecting": ("projecting", 0, ARMS),
    "projecting, second layer": ("projecting", 1, (PLAIN,)),
}
CALIBRATION = 64  # other tokens that Collision+ tries at a position of its known text
EXTRA = 16  # tokens that injection may write beyond the length of the prompt
TEXTS = 64  # candidates that go through the model together

Counts = list[int]  # tokens that are right at their place, and tokens there were


def try_inversion(bench: CacheBench, *, research_use: bool) -> dict[str, dict[str, Counts]]:
    """Counts by way and arm, over all prompts."""
    counts = {way: {arm: [0, 0] for arm in arms} for way, (_, _, arms) in WAYS.items()}
    for prompt in range(len(bench.ids)):
        caches = bench.arms(prompt)
        for way, (by, layer, arms) in WAYS.items():
            for arm in arms:
                found = invert(bench.model, caches[arm], layer, research_use=research_use, by=by)
                tokens = found[len(bench.template) :].tolist()
                _add(counts[way][arm], token_recovery(tokens, bench.truth(prompt)))
    return counts


def try_collision(
    bench: CacheBench,
    known: Tensor,
    prompts: int,
    tokens: int,
    *,
    searched: float,
    batch: int,
    research_use: bool,
) -> dict[str, dict[str, dict[str, Counts]]]:
    """Counts by rule, layer and arm; the rule without calibration on plain caches only.

    Args:
        bench: What is attacked.
        known: Tokens of a text that the adversary could have cached, for Collision+.
        prompts: How many are attacked.
        tokens: Of each, at most.
        searched: Share of the vocabulary that is tried at a position.
        batch: Candidates at a time.
        research_use: See `sterling.research_use`.
    """
    counts: dict[str, dict[str, dict[str, Counts]]] = {"Collision+": {}, "target gap": {}}
    caches = [bench.arms(prompt) for prompt in range(prompts)]
    for name, layer in bench.layers.items():
        by_calibration = calibrated(
            bench.model, known, layer, research_use=research_use, batch=CALIBRATION
        )
        for rule, accepts, arms in (
            ("Collision+", by_calibration, (PLAIN, CLOAKED)),
            ("target gap", target_gap(), (PLAIN,)),
        ):
            counts[rule][name] = {arm: [0, 0] for arm in arms}
            for prompt, stolen in enumerate(caches):
                truth = bench.truth(prompt)[:tokens]
                for arm in arms:
                    found = collide(
                        bench.model,
                        stolen[arm],
                        layer,
                        research_use=research_use,
                        accepts=accepts,
                        length=len(truth),
                        searched=searched,
                        batch=batch,
                        prefix=bench.template,
                    )
                    _add(counts[rule][name][arm], token_recovery(found.tolist(), truth))
    return counts


def try_injection(
    bench: CacheBench, instruction: Tensor, *, research_use: bool
) -> dict[str, list[float]]:
    """ROUGE-L of what the model repeats with the prompt, by arm, one per prompt."""
    overlap: dict[str, list[float]] = {arm: [] for arm in ARMS}
    for prompt in range(len(bench.ids)):
        truth = bench.truth(prompt)
        for arm, stolen in bench.arms(prompt).items():
            written = inject(
                bench.model, stolen, instruction, len(truth) + EXTRA, research_use=research_use
            )
            overlap[arm].append(rouge_l(written.tolist(), truth))
    return overlap


def try_fingerprints(
    bench: CacheBench,
    texts: Sequence[Tensor],
    defences: Mapping[str, CloakConfig],
    targets: int,
    *,
    research_use: bool,
) -> dict[str, dict[str, list[float]]]:
    """Normalised rank of the right candidate by defence and score, one per target.

    Every target is obfuscated under a secret of its own.

    Args:
        bench: Whose model and bounds are taken.
        texts: Tokens (b,) of the candidates' blocks.
        defences: Configurations with blocks of b rows.
        targets: How many of the texts are looked for.
        research_use: See `sterling.research_use`.

    Raises:
        InputError: There are fewer texts than targets.
    """
    if len(texts) < targets:
        raise InputError(f"targets {targets}: there are {len(texts)} candidates; lower it")
    layers = list(bench.layers.values())
    rows = _block_rows(bench, texts, layers)
    draw = np.random.default_rng(derive_seed(bench.seed, "targets"))
    chosen = draw.choice(len(texts), targets, replace=False).tolist()
    ranks: dict[str, dict[str, list[float]]] = {}
    for name, config in defences.items():
        seed = derive_seed(bench.seed, "adversary") % 2**63
        adversary = Fingerprinter(rows, config, seed=seed, research_use=research_use)
        for target in chosen:
            secret = bench.draw(config, "fingerprint", name, target)
            observed = []
            for layer, plain in zip(layers, rows, strict=True):
                mixing = secret.layers[layer]
                mixed = plain[:, target : target + 1].double() @ mixing.mixer[:, None]
                observed.append(obfuscate(mixed, mixing, [(3, target)])[:, 0, :, 0].float())
            for score, values in adversary.scores(observed).items():
                rank = normalised_rank(values, target)
                ranks.setdefault(name, {}).setdefault(score, []).append(rank)
    return ranks


@torch.no_grad()
def _block_rows(bench: CacheBench, texts: Sequence[Tensor], layers: Sequence[int]) -> list[Tensor]:
    """Plain keys and values of each text, (2, C, H, b, d) by layer."""
    from transformers import DynamicCache

    parts = []
    for ids in torch.split(torch.stack(list(texts)), TEXTS):
        cache: Any = DynamicCache()
        bench.model(input_ids=ids, past_key_values=cache, logits_to_keep=1)
        parts.append(
            [torch.stack((cache.layers[at].keys, cache.layers[at].values)) for at in layers]
        )
    return [torch.cat(of_layer, dim=1) for of_layer in zip(*parts, strict=True)]


def _add(counts: Counts, more: tuple[int, int]) -> None:
    counts[0] += more[0]
    counts[1] += more[1]
