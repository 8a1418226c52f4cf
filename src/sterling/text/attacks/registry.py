"""The attacks by name, and records made of attacked records.

MGTEVAL (ACL 2026). Every draw comes from a generator of the record's own, seeded by the run's seed,
the record's id, the attack and the variant: neither order nor parallel work changes a text. To add
an attack, assign it to ``ATTACKS``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sterling.checks import check_numbers
from sterling.errors import InputError, unknown_name
from sterling.lm import LanguageModel
from sterling.research_use import require_research_use
from sterling.runs import derive_seed
from sterling.text.attacks.rewriting import (
    Examples,
    humanize,
    paraphrase_by_model,
    refill_by_model,
    round_trip,
)
from sterling.text.attacks.rewriting_rules import Followers, followers, paraphrase, refill_spans
from sterling.text.attacks.synonyms import replace_words, small_table, wordnet
from sterling.text.attacks.word_edits import WORD_EDITS, Edited, edit_words, shift_up, zero_width
from sterling.text.corpus.records import TextRecord

SHARE = 0.2  # the platform's default of words to attack
MODEL_ATTACKS = ("span", "para", "back_trans", "humanize", "syno_ranked")
# Those that need neither a model nor WordNet.
FREE_ATTACKS = (*WORD_EDITS, "form", "form_shift", "syno-lite", "span-lite", "para-lite")


@dataclass(frozen=True)
class AttackTools:
    """Tools that attacks may need besides the text.

    Attributes:
        model: Language model, for `MODEL_ATTACKS`.
        examples: Human and machine texts, for "humanize".
        known: Words that follow each word, from `followers`, for "span-lite".
        wordnet: Folder of WordNet's files, for "syno" and "syno_ranked".
        score: Mean log-probability of each text, larger is likelier, for "syno_ranked".
        research_use: Must be true for "humanize", whose only use is to evade a detector.
    """

    model: LanguageModel | None = None
    examples: Examples | None = None
    known: Followers | None = None
    wordnet: Path | None = None
    score: Callable[[Sequence[str]], Sequence[float]] | None = None
    research_use: bool = False


@dataclass(frozen=True)
class AttackedText:
    """One text under one attack.

    Attributes:
        text: The text; not empty.
        attack: Name of the attack.
        share: Share of words or sentences to attack, in [0, 1].
        rng: Generator of this text alone.
        tools: Tools that the attack may need.
        language: ISO 639-1 code of the text's language.
    """

    text: str
    attack: str
    share: float
    rng: np.random.Generator
    tools: AttackTools
    language: str

    @property
    def model(self) -> LanguageModel:
        """The language model; an error without one."""
        if self.tools.model is None:
            lite = f", or take {self.attack}-lite" * (self.attack in ("span", "para"))
            raise InputError(f"{self.attack}: needs a language model{lite}")
        return self.tools.model


def _refilled(one: AttackedText) -> Edited:
    if one.tools.known is None:
        raise InputError("span-lite: needs texts to draw words from (tools.known)")
    return refill_spans(one.text, one.share, one.rng, one.tools.known)


def _humanized(one: AttackedText) -> Edited:
    model = one.model
    require_research_use(one.tools.research_use)
    if one.tools.examples is None:
        raise InputError("humanize: needs examples of human and of machine texts")
    return humanize(one.text, one.rng, model, one.tools.examples)


def _ranked(one: AttackedText) -> Edited:
    score = one.tools.score
    if score is None:
        raise InputError("syno_ranked: needs a local language model to rank the synonyms")
    table = wordnet(one.tools.wordnet)
    return replace_words(
        one.text, one.share, one.rng, table, lambda candidates: int(np.argmax(score(candidates)))
    )


ATTACKS: dict[str, Callable[[AttackedText], Edited]] = {
    **dict.fromkeys(WORD_EDITS, lambda one: edit_words(one.text, one.share, one.rng, one.attack)),
    "form": lambda one: zero_width(one.text, one.share, one.rng),
    "form_shift": lambda one: shift_up(one.text, one.share, one.rng),
    "syno-lite": lambda one: replace_words(one.text, one.share, one.rng, small_table()),
    "span-lite": _refilled,
    "para-lite": lambda one: paraphrase(one.text, one.share, one.rng),
    "syno": lambda one: replace_words(one.text, one.share, one.rng, wordnet(one.tools.wordnet)),
    "span": lambda one: refill_by_model(one.text, one.share, one.rng, one.model),
    "para": lambda one: paraphrase_by_model(one.text, one.share, one.rng, one.model),
    "back_trans": lambda one: round_trip(one.text, one.rng, one.model, one.language),
    "humanize": _humanized,
    "syno_ranked": _ranked,
}


def attack_text(
    text: str,
    attack: str,
    rng: np.random.Generator,
    *,
    share: float = SHARE,
    tools: AttackTools | None = None,
    language: str = "en",
) -> Edited:
    """Attack one text.

    Args:
        text: Any text, also an empty one.
        attack: One of `ATTACKS`.
        rng: Generator of this text alone.
        share: Share of words (sentences for "para", "para-lite" and "form_shift") to attack, in
            [0, 1]; "back_trans" and "humanize" take the whole text.
        tools: Tools that the attack needs.
        language: ISO 639-1 code of the text's language.

    Raises:
        InputError: An unknown attack, or a missing tool; the message names it.
    """
    if attack not in ATTACKS:
        raise unknown_name("attack", attack, ATTACKS)
    if not text.strip():
        return Edited(text, 0)
    return ATTACKS[attack](AttackedText(text, attack, share, rng, tools or AttackTools(), language))


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
    """Return attacked copies of the machine texts of some splits.

    Args:
        records: A corpus. For "span-lite" without a table and for "humanize" without examples its
            own training texts serve.
        attack: One of `ATTACKS`.
        share: See `attack_text`.
        variants: Number of copies of each text, drawn apart.
        seed: Seed of the run.
        tools: Tools that the attack needs.
        splits: Splits to attack; a corpus that is not divided has the split "".

    Returns:
        For each attacked record and variant one record with its parent's id, group, label and
        domain; ``meta`` holds share, variant and the number of words that were changed.

    Raises:
        InputError: No machine text in these splits, or see `attack_text`.
    """
    chosen = [one for one in records if one.label == 1 and one.split in splits and not one.attack]
    if not chosen:
        raise InputError(f"no machine text in the splits {', '.join(map(repr, splits))} to attack")
    check_numbers(at_least=1, variants=variants)
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
