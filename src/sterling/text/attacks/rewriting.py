"""Attacks that ask a language model: span, para, back_trans and humanize of MGTEVAL.

The platform refills spans with T5 and translates with a translation model. Here one causal or chat
model does all of it, with prompts of ours: a span is refilled from the words before it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sterling.errors import InputError
from sterling.lm import LanguageModel, Message, Sampling
from sterling.text.attacks.rewriting_rules import LENGTH, masked_spans, sentences
from sterling.text.attacks.word_edits import Edited, share_of_words

SAMPLING = Sampling(max_new_tokens=128, temperature=0.9, top_p=0.95)
PAIRS = 3


@dataclass(frozen=True)
class Examples:
    """Texts that show a model how people write and how machines do, three of each."""

    human: Sequence[str]
    machine: Sequence[str]


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def refill_by_model(
    text: str, share: float, rng: np.random.Generator, model: LanguageModel
) -> Edited:
    """Replace spans of two words by the model's first two words after the words before them."""
    words = re.split(r"(\s+)", text.strip())
    spans = masked_spans(len(words[::2]), share, rng)
    if not spans:
        return Edited(text, 0)
    prompts = ["".join(words[: 2 * start - 1]) for start, _ in spans]
    sampling = replace(SAMPLING, max_new_tokens=6 * LENGTH, temperature=1.0)
    answers = model.generate(prompts, sampling, seed=_seed(rng), purpose="attack")
    changed = 0
    for (start, end), answer in zip(spans, answers, strict=True):
        new = answer.text.split()[:LENGTH]
        if len(new) == LENGTH:
            words[2 * start : 2 * end : 2] = new
            changed += 1
    return Edited("".join(words), changed)


def paraphrase_by_model(
    text: str, share: float, rng: np.random.Generator, model: LanguageModel
) -> Edited:
    """Say some sentences in other words; a sentence without an answer stays as it is."""
    parts = sentences(text)
    wanted = share_of_words(share, len(parts))
    chosen = sorted(rng.choice(len(parts), size=wanted, replace=False).tolist())
    answers = _ask(
        model, [f"Say this sentence in other words.\n\n{parts[row].strip()}" for row in chosen], rng
    )
    changed = 0
    for row, answer in zip(chosen, answers, strict=True):
        if answer:
            space = parts[row][len(parts[row].rstrip()) :]
            parts[row] = answer + space
            changed += 1
    return Edited("".join(parts), changed)


def round_trip(text: str, rng: np.random.Generator, model: LanguageModel, language: str) -> Edited:
    """Translate the text to a pivot and back; the pivot of English is German, of others English.

    Args:
        text: Any text.
        rng: Seeds the model.
        model: Translates.
        language: ISO 639-1 code of the text's language.
    """
    pivot, home = ("German", "English") if language == "en" else ("English", language)
    there = _ask(model, [f"Translate into {pivot}:\n\n{text}"], rng, tokens=2 * _tokens(text))[0]
    if not there:
        return Edited(text, 0)
    back = _ask(model, [f"Translate into {home}:\n\n{there}"], rng, tokens=2 * _tokens(text))[0]
    return Edited(back, 1) if back else Edited(text, 0)


def humanize(
    text: str, rng: np.random.Generator, model: LanguageModel, examples: Examples
) -> Edited:
    """Rewrite the text after three examples of human and of machine writing.

    Raises:
        InputError: Fewer than three examples of either.
    """
    if min(len(examples.human), len(examples.machine)) < PAIRS:
        raise InputError(
            f"humanize: {len(examples.human)} human and {len(examples.machine)} machine examples; "
            f"give {PAIRS} of each (records of the train split)"
        )
    shown = []
    for kind, texts in (("person", examples.human), ("machine", examples.machine)):
        rows = rng.choice(len(texts), size=PAIRS, replace=False).tolist()
        shown += [f"Written by a {kind}:\n{texts[row][:600]}" for row in rows]
    prompt = (
        "\n\n".join(shown)
        + f"\n\nRewrite the next text so that it reads as if written by a person.\n\n{text}"
    )
    answer = _ask(model, [prompt], rng, tokens=2 * _tokens(text))[0]
    return Edited(answer, 1) if answer else Edited(text, 0)


def _tokens(text: str) -> int:
    return max(16, len(text) // 3)


def _ask(
    model: LanguageModel, prompts: Sequence[str], rng: np.random.Generator, tokens: int = 128
) -> list[str]:
    conversations = [[Message(role="user", content=prompt)] for prompt in prompts]
    sampling = replace(SAMPLING, max_new_tokens=tokens)
    answers = model.chat(conversations, sampling, seed=_seed(rng), purpose="attack")
    return [answer.text.strip() for answer in answers]
