"""The attacks by name, and records made of attacked records.

MGTEVAL (ACL 2026). Every draw comes from a generator of the record's own, seeded by the run's seed,
the record's id, the attack and the variant: neither order nor parallel work changes a text.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sterling.errors import InputError, unknown_name
from sterling.lm import LanguageModel
from sterling.research_use import require_research_use
from sterling.runs import derive_seed
from sterling.text.attacks.formatting import shift_up, zero_width
from sterling.text.attacks.rewriting import (
    Examples,
    humanize,
    paraphrase_by_model,
    refill_by_model,
    round_trip,
)
from sterling.text.attacks.rewriting_rules import Followers, followers, paraphrase, refill_spans
from sterling.text.attacks.synonyms import replace_words, small_table, wordnet
from sterling.text.attacks.word_edits import WORD_EDITS, Edited, edit_words
from sterling.text.corpus.records import TextRecord

SHARE = 0.2  # the platform's default of words to attack
MODEL_ATTACKS = ("span", "para", "back_trans", "humanize", "syno_ranked")
# Those that need neither a model nor WordNet.
FREE_ATTACKS = (*WORD_EDITS, "form", "form_shift", "syno-lite", "span-lite", "para-lite")
ATTACKS = (*FREE_ATTACKS, "syno", *MODEL_ATTACKS)


@dataclass(frozen=True)
class AttackTools:
    """What attacks may need besides the text.

    Attributes:
        model: For `MODEL_ATTACKS`.
        examples: For "humanize".
        known: For "span-lite": what follows what, from `followers`.
        wordnet: Folder of WordNet's files, for "syno" and "syno_ranked".
        score: For "syno_ranked": mean log-probability of each text, larger is likelier.
        research_use: Must be true for "humanize", whose only use is to evade a detector.
    """

    model: LanguageModel | None = None
    examples: Examples | None = None
    known: Followers | None = None
    wordnet: Path | None = None
    score: Callable[[Sequence[str]], Sequence[float]] | None = None
    research_use: bool = False


def attack_text(
    text: str,
    attack: str,
    rng: np.random.Generator,
    *,
    share: float = SHARE,
    tools: AttackTools | None = None,
    language: str = "en",
) -> Edited:
    """One text after one attack.

    Args:
        text: Any text, also an empty one.
        attack: One of `ATTACKS`.
        rng: Of this text alone.
        share: Of words (sentences for "para", "para-lite" and "form_shift") to attack, in [0, 1];
            "back_trans" and "humanize" take the whole text.
        tools: What the attack needs.
        language: ISO 639-1.

    Raises:
        InputError: An unknown attack, or what it needs is missing; the message says what.
    """
    tools = tools or AttackTools()
    if attack not in ATTACKS:
        raise unknown_name("attack", attack, ATTACKS)
    if not text.strip():
        return Edited(text, 0)
    if attack in WORD_EDITS:
        return edit_words(text, share, rng, attack)
    if attack in MODEL_ATTACKS and attack != "syno_ranked":
        return _by_model(text, attack, rng, share, tools, language)
    match attack:
        case "form":
            return zero_width(text, share, rng)
        case "form_shift":
            return shift_up(text, share, rng)
        case "para-lite":
            return paraphrase(text, share, rng)
        case "span-lite":
            if tools.known is None:
                raise InputError("span-lite: needs texts to draw words from (tools.known)")
            return refill_spans(text, share, rng, tools.known)
        case "syno-lite":
            return replace_words(text, share, rng, small_table())
        case "syno":
            return replace_words(text, share, rng, wordnet(tools.wordnet))
        case _:
            return _ranked(text, rng, share, tools)


def _by_model(
    text: str,
    attack: str,
    rng: np.random.Generator,
    share: float,
    tools: AttackTools,
    language: str,
) -> Edited:
    if tools.model is None:
        lite = {"span": "span-lite", "para": "para-lite"}.get(attack)
        raise InputError(f"{attack}: needs a language model" + f", or take {lite}" * bool(lite))
    if attack == "span":
        return refill_by_model(text, share, rng, tools.model)
    if attack == "para":
        return paraphrase_by_model(text, share, rng, tools.model)
    if attack == "back_trans":
        return round_trip(text, rng, tools.model, language)
    require_research_use(tools.research_use)
    if tools.examples is None:
        raise InputError("humanize: needs examples of human and of machine texts")
    return humanize(text, rng, tools.model, tools.examples)


def _ranked(text: str, rng: np.random.Generator, share: float, tools: AttackTools) -> Edited:
    score = tools.score
    if score is None:
        raise InputError("syno_ranked: needs a local language model to rank the synonyms")
    return replace_words(
        text,
        share,
        rng,
        wordnet(tools.wordnet),
        lambda candidates: int(np.argmax(score(candidates))),
    )


def attack_records(
    records: Sequence[TextRecord],
    attack: str,
    *,
    share: float = SHARE,
    variants: int = 1,
    seed: int = 0,
    tools: AttackTools | None = None,
    splits: Sequence[str] = ("test",),
) -> list[TextRecord]:
    """Attacked copies of the machine texts of some splits.

    Args:
        records: A corpus. For "span-lite" without a table and for "humanize" without examples its
            own training texts serve.
        attack: One of `ATTACKS`.
        share: See `attack_text`.
        variants: How many copies of each, drawn apart.
        seed: Of the run.
        tools: What the attack needs.
        splits: Which splits to attack; a corpus that is not divided has the split "".

    Returns:
        For each attacked record and variant one record with its parent's id, group, label and
        domain; ``meta`` holds share, variant and how many words were changed.

    Raises:
        InputError: No machine text in these splits, or see `attack_text`.
    """
    chosen = [one for one in records if one.label == 1 and one.split in splits and not one.attack]
    if not chosen:
        raise InputError(f"no machine text in the splits {', '.join(map(repr, splits))} to attack")
    if variants < 1:
        raise InputError(f"variants {variants}: give 1 or more")
    tools = _completed(tools or AttackTools(), records, attack)
    made = []
    for record in chosen:
        for variant in range(variants):
            rng = np.random.default_rng(derive_seed(seed, record.id, attack, variant))
            edited = attack_text(
                record.text, attack, rng, share=share, tools=tools, language=record.language
            )
            made.append(
                replace(
                    record,
                    id=f"{record.id}~{attack}~{variant}",
                    text=edited.text,
                    parent=record.id,
                    attack=attack,
                    meta={
                        **record.meta,
                        "share": share,
                        "variant": variant,
                        "changed": edited.changed,
                    },
                )
            )
    return made


def _completed(tools: AttackTools, records: Sequence[TextRecord], attack: str) -> AttackTools:
    training = [one for one in records if one.split == "train" and not one.attack]
    if attack == "span-lite" and tools.known is None:
        texts = [one.text for one in training or records]
        return replace(tools, known=followers(texts))
    if attack == "humanize" and tools.examples is None:
        human, machine = ([one.text for one in training if one.label == k] for k in (0, 1))
        return replace(tools, examples=Examples(human, machine))
    return tools
