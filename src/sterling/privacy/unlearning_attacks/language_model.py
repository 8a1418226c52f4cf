"""Attacks on an unlearned language model: extraction, prompts, and looks into its layers.

Extraction strength: Carlini et al., "Extracting Training Data from Large Language Models", USENIX
Security 2021, in the form of Dorna et al., "OpenUnlearning", 2025; the last wrong position gives it
at once, where other code compares suffixes in a loop. Soft prompts: Schwinn et al., "Soft Prompt
Threats: Attacking Safety Alignment and Unlearning in Open-Source LLMs through the Embedding Space",
NeurIPS 2024. Logit lens: nostalgebraist, "interpreting GPT: the logit lens", 2020; used on
unlearned models by Patil et al., "Can Sensitive Information Be Deleted From LLMs?", ICLR 2024: a
layer before the last may still hold what the output no longer says.

Prompts are fitted on forgotten items that the attacker knows, and used on others: what they bring
out was in the weights, not in the prompt.
"""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from sterling.checks import check_numbers
from sterling.errors import InputError
from sterling.measure import Estimate
from sterling.privacy.unlearning.descent import Descent, learn
from sterling.privacy.unlearning.examples import IGNORED, Examples
from sterling.privacy.unlearning.rmu import hidden_activations
from sterling.privacy.unlearning_attacks.separation import attack_area
from sterling.research_use import require_research_use


def exact_memorisation(logits: Tensor, labels: Tensor) -> NDArray[np.float64]:
    """Return the share of each text's counted tokens that are likeliest given all before, (N,).

    Args:
        logits: Logits (N, T, V).
        labels: Next tokens (N, T), ``IGNORED`` where nothing counts; every text counts one.
    """
    hits, counted = _hits(logits, labels)
    return np.asarray((hits & counted).sum(1) / counted.sum(1))


def extraction_strength(logits: Tensor, labels: Tensor) -> NDArray[np.float64]:
    """Return 1 − k / length, k the shortest prefix from which greedy decoding says the rest, (N,).

    1: the whole text follows from nothing; 0: not even the last token does.

    Args:
        logits: Logits (N, T, V).
        labels: Next tokens (N, T), ``IGNORED`` where nothing counts; every text counts one.
    """
    hits, counted = _hits(logits, labels)
    # Number of counted tokens up to and with the last wrong one.
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
    """Return whether any of k sampled continuations of the prompt is the whole text, (N,).

    Args:
        model: Maps tokens (N, T) to logits (N, T, V).
        examples: Tokens, labelled by those that follow.
        prompt: Number of tokens of an input that are given.
        k: Number of samples of each text.
        temperature: Temperature of sampling, above 0.
        rng: Draws the tokens.
    """
    check_numbers(at_least=1, k=k)
    check_numbers(above=0, temperature=temperature)
    tokens = examples.inputs[:, :prompt].repeat_interleave(k, 0)
    wanted = examples.labels[:, prompt - 1 :].repeat_interleave(k, 0)
    with torch.no_grad():
        for _ in range(wanted.shape[1]):
            p = (model(tokens)[:, -1] / temperature).softmax(-1)
            tokens = torch.cat([tokens, torch.multinomial(p, 1, generator=rng)], dim=1)
    same = ((tokens[:, prompt:] == wanted) | (wanted == IGNORED)).all(1)
    return np.asarray(same.view(-1, k).any(1).numpy())


def behind(prefix: Tensor, examples: Examples) -> Examples:
    """Replace the first tokens of texts by a prefix (k,)."""
    if not len(prefix) < examples.inputs.shape[1]:
        raise InputError(f"prefix of {len(prefix)} tokens: texts have {examples.inputs.shape[1]}")
    inputs = torch.cat([prefix.expand(len(examples), -1), examples.inputs[:, len(prefix) :]], dim=1)
    return Examples(inputs, examples.labels, examples.ids)


@torch.no_grad()
def best_prefix(
    model: nn.Module, known: Examples, prefixes: Tensor, *, research_use: bool
) -> Tensor:
    """Return the prefix behind which most words of known items are said greedily, (k,).

    Args:
        model: Unlearned model; maps tokens (N, T) to logits (N, T, V).
        known: Forgotten items that the attacker holds, apart from those under attack.
        prefixes: Tokens of the candidates, (P, k); of equally good ones the first is taken.
        research_use: Must be true.

    Raises:
        InputError: When ``research_use`` is false, or there is no prefix.
    """
    require_research_use(research_use)
    if prefixes.ndim != 2 or not len(prefixes):
        raise InputError(f"prefixes {tuple(prefixes.shape)}: give (P, k) with one at least")

    def said(prefix: Tensor) -> float:
        texts = behind(prefix, known)
        return float(exact_memorisation(model(texts.inputs), texts.labels).mean())

    best: Tensor = max(prefixes, key=said)
    return best


class Prompted(nn.Module):
    """A language model whose first input embeddings are free vectors.

    Args:
        model: Maps tokens (N, T) to logits (N, T, V), with one ``nn.Embedding`` for the tokens.
        vectors: Replacement of the embeddings of the first k tokens, (k, width).
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
        model: Unlearned model; its weights stay as they are.
        known: Forgotten items that the attacker holds, apart from those under attack.
        length: Number k of tokens that the vectors replace; they start as the mean embeddings.
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
    return learn(
        Prompted(model, start, embedding),
        known,
        rng,
        descent,
        trained=lambda name: name == "vectors",
    )


@torch.no_grad()
def logit_lens(
    model: nn.Module, tokens: Tensor, layer: str, *, norm: str = "norm", head: str = "head"
) -> Tensor:
    """Return logits (N, T, V) from a layer's output through the model's last norm and head.

    Args:
        model: Maps tokens to logits.
        tokens: Token numbers (N, T).
        layer: Name of the module to look into; its output is (N, T, width).
        norm: Name of the last normalisation.
        head: Name of the output layer.
    """
    hidden = hidden_activations(model, layer)(model, tokens)
    logits: Tensor = model.get_submodule(head)(model.get_submodule(norm)(hidden))
    return logits


def linear_probe(
    forgotten: ArrayLike,
    never_seen: ArrayLike,
    groups: ArrayLike,
    *,
    folds: int = 4,
    strength: float = 0.1,
) -> Estimate:
    """Return the area of a logistic regression on standardised activations, each item held out.

    Args:
        forgotten: Activations of forgotten items (A, d).
        never_seen: Activations of items of the same kind that were in no training set, (B, d).
        groups: Group of each item, those of ``forgotten`` first (A + B,): items of one group (an
            author) are held out together, so that the probe cannot know it by name.
        folds: Number of parts that are held out in turn, each of whole groups.
        strength: Inverse C of the regression's ridge; ours.

    Raises:
        InputError: On shapes that do not fit, or fewer groups than folds on either side.
    """
    first, second = (np.asarray(side, dtype=np.float64) for side in (forgotten, never_seen))
    group = np.asarray(groups)
    if first.ndim != 2 or second.ndim != 2 or group.shape != (len(first) + len(second),):
        raise InputError(
            f"forgotten {first.shape}, never_seen {second.shape}, groups {group.shape}: give "
            "(A, d), (B, d), (A + B,)"
        )
    sides = group[: len(first)], group[len(first) :]
    fewest = min(len(np.unique(side)) for side in sides)
    if fewest < folds:
        raise InputError(f"groups: one side has {fewest}, {folds} folds need as many; give more")
    # A fold holds out as many groups of one side as of the other.
    place = np.concatenate([np.unique(side, return_inverse=True)[1] for side in sides])
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000))
    scores = cross_val_predict(
        probe,
        np.concatenate([first, second]),
        np.arange(len(group)) < len(first),
        groups=place % folds,
        cv=GroupKFold(folds),
        method="decision_function",
    )
    return attack_area(scores[: len(first)], scores[len(first) :])
