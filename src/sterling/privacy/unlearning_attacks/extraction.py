"""What a language model can be made to say of forgotten texts: greedily, and in k samples.

Extraction strength: Carlini et al., "Extracting Training Data from Large Language Models", USENIX
Security 2021, in the form of Dorna et al., "OpenUnlearning", 2025. Here the last wrong position
gives it at once, where other code compares suffixes in a loop.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.privacy.unlearning.examples import IGNORED, Examples


def exact_memorisation(logits: Tensor, labels: Tensor) -> NDArray[np.float64]:
    """Share of each text's counted tokens that are the likeliest given all before, (N,).

    Args:
        logits: (N, T, V).
        labels: (N, T), ``IGNORED`` where nothing counts; each text counts one token at least.
    """
    hits, counted = _hits(logits, labels)
    return np.asarray((hits & counted).sum(1) / counted.sum(1))


def extraction_strength(logits: Tensor, labels: Tensor) -> NDArray[np.float64]:
    """1 − k / length, k the shortest prefix after which greedy decoding says all the rest, (N,).

    1: the whole text follows from nothing; 0: not even the last token does.

    Args:
        logits: (N, T, V).
        labels: (N, T), ``IGNORED`` where nothing counts; each text counts one token at least.
    """
    hits, counted = _hits(logits, labels)
    # How many counted tokens there are up to and with the last wrong one.
    wrong = counted & ~hits
    prefix = (np.cumsum(counted, axis=1) * wrong).max(axis=1)
    return np.asarray(1 - prefix / counted.sum(1))


def _hits(logits: Tensor, labels: Tensor) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    if logits.ndim != 3 or logits.shape[:2] != labels.shape:
        raise InputError(
            f"logits {tuple(logits.shape)}, labels {tuple(labels.shape)}: give (N, T, V) and (N, T)"
        )
    counted = labels != IGNORED
    if not counted.any(1).all():
        raise InputError(f"text {int((~counted.any(1)).int().argmax())} has no token that counts")
    return (logits.argmax(-1) == labels).numpy(), counted.numpy()


def leak_at_k(
    model: nn.Module,
    examples: Examples,
    *,
    prompt: int,
    k: int,
    temperature: float,
    rng: torch.Generator,
) -> NDArray[np.bool_]:
    """Whether any of k sampled continuations of the prompt is the whole text, (N,).

    Args:
        model: Tokens (N, T) to logits (N, T, V).
        examples: Tokens, and as labels those that follow.
        prompt: How many tokens of an input are given.
        k: Samples of each text.
        temperature: Of sampling, above 0.
        rng: Draws the tokens.
    """
    if k < 1 or not temperature > 0:
        raise InputError(f"k {k}, temperature {temperature}: give 1 or more, and above 0")
    tokens = examples.inputs[:, :prompt].repeat_interleave(k, 0)
    wanted = examples.labels[:, prompt - 1 :].repeat_interleave(k, 0)
    with torch.no_grad():
        for _ in range(wanted.shape[1]):
            p = (model(tokens)[:, -1] / temperature).softmax(-1)
            tokens = torch.cat([tokens, torch.multinomial(p, 1, generator=rng)], dim=1)
    same = ((tokens[:, prompt:] == wanted) | (wanted == IGNORED)).all(1)
    return np.asarray(same.view(-1, k).any(1).numpy())
