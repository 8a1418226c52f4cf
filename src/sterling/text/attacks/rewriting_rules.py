"""Rewriting without a model: the attacks ``para-lite`` and ``span-lite``, ours throughout.

These are weak stand-ins for paraphrasers and masked language models, and named so that nobody
compares them with figures of those.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from sterling.checks import check_numbers
from sterling.text.attacks.word_edits import Edited, share_of_words

CONTRACTIONS = {
    "do not": "don't",
    "does not": "doesn't",
    "did not": "didn't",
    "is not": "isn't",
    "are not": "aren't",
    "was not": "wasn't",
    "were not": "weren't",
    "cannot": "can't",
    "could not": "couldn't",
    "would not": "wouldn't",
    "should not": "shouldn't",
    "has not": "hasn't",
    "have not": "haven't",
    "it is": "it's",
    "that is": "that's",
    "there is": "there's",
    "i am": "I'm",
    "you are": "you're",
    "we are": "we're",
    "they are": "they're",
    "i have": "I've",
    "we have": "we've",
    "they have": "they've",
    "will not": "won't",
}
EXPANSIONS = {short.lower(): long for long, short in CONTRACTIONS.items()}
CONJUNCTIONS = ("because", "although", "though", "while", "when", "if", "since", "after", "before")
LENGTH, BUFFER = 2, 1  # words of a masked span, and at least between two
_SENTENCE = re.compile(r"[^.!?]+[.!?]*[\"'”’)]*\s*|[.!?]+\s*")
_FORM = re.compile(
    r"\b(" + "|".join(sorted([*CONTRACTIONS, *EXPANSIONS], key=len, reverse=True)) + r")\b",
    re.IGNORECASE,
)
_CLAUSE = re.compile(rf"^(.+?),? ({'|'.join(CONJUNCTIONS)}) ([^,;:]+)$")

Followers = Mapping[str, Sequence[str]]
"""Words that were seen after each lower-case word, with repetitions."""


def sentences(text: str) -> list[str]:
    """Cut a text into sentences with the white space after them; joined they are the text."""
    return _SENTENCE.findall(text)


def masked_spans(words: int, share: float, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Draw spans of two words to mask, each with a word of distance to the next, in order.

    MGTEVAL's attack 1, and DetectGPT's perturbation. Their number is ``int(share * words / (length
    + 2 * buffer))`` and at least one. The first word is never masked: something must be known
    before a span.

    Args:
        words: Number of words of the text.
        share: Share of the words, in [0, 1].
        rng: Chooses the places.

    Returns:
        Half-open ranges of word positions; none for a text of fewer than four words.
    """
    check_numbers(at_least=0, at_most=1, share=share)
    if words < 1 + LENGTH + BUFFER:
        return []
    wanted = max(1, int(share * words / (LENGTH + 2 * BUFFER)))
    # Spans with their distance are blocks; the other words are spread before the blocks.
    block = LENGTH + BUFFER
    wanted = min(wanted, (words - 1) // block)
    free = words - 1 - wanted * block
    gaps = np.sort(rng.integers(0, free + 1, size=wanted))
    starts = 1 + gaps + block * np.arange(wanted)
    return [(int(start), int(start) + LENGTH) for start in starts]


def paraphrase(text: str, share: float, rng: np.random.Generator) -> Edited:
    """Make or undo contractions in some sentences and put a subordinate clause first.

    Args:
        text: Any text.
        share: Share of the sentences, in [0, 1]; at least one of those that a rule can change.
        rng: Chooses the sentences.
    """
    old = sentences(text)
    changed = {row: new for row, one in enumerate(old) if (new := _reworded(one)) != one}
    if not changed:
        return Edited(text, 0)
    wanted = min(share_of_words(share, len(old)), len(changed))
    chosen = rng.choice(sorted(changed), size=wanted, replace=False).tolist()
    parts = [changed[row] if row in chosen else one for row, one in enumerate(old)]
    return Edited("".join(parts), wanted)


def followers(texts: Sequence[str]) -> Followers:
    """Return the words that follow each word in some texts, for `refill_spans`."""
    seen: dict[str, list[str]] = defaultdict(list)
    for text in texts:
        words = text.split()
        for before, word in pairwise(words):
            seen[before.lower()].append(word)
    return seen


def refill_spans(text: str, share: float, rng: np.random.Generator, known: Followers) -> Edited:
    """Refill the spans of `masked_spans` word by word from what follows the word before.

    After a word that was never followed by another the text stays as it is.
    """
    words = re.split(r"(\s+)", text.strip())
    spans = masked_spans(len(words[::2]), share, rng)
    for start, end in spans:
        for place in range(start, end):
            options = known.get(words[2 * place - 2].lower(), ())
            if options:
                words[2 * place] = options[int(rng.integers(len(options)))]
    return Edited("".join(words), len(spans))


def _reworded(sentence: str) -> str:
    body = sentence.rstrip()
    return _clause_first(_FORM.sub(_other_form, body)) + sentence[len(body) :]


def _other_form(match: re.Match[str]) -> str:
    form = match[0].lower()
    other = CONTRACTIONS.get(form) or EXPANSIONS[form]
    return other[0].upper() + other[1:] if match[0][0].isupper() else other


def _clause_first(sentence: str) -> str:
    """Turn "A because B." into "Because B, A."; other sentences stay."""
    body = sentence.rstrip(".")
    match = _CLAUSE.match(body)
    if not match or len(sentence) - len(body) != 1 or len(match[1].split()) < 3:
        return sentence
    first = match[1] if re.match(r"I\b|[A-Z]{2}", match[1]) else match[1][0].lower() + match[1][1:]
    return f"{match[2].capitalize()} {match[3]}, {first}."
