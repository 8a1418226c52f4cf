"""Rewriting without a model: what ``para-lite`` and ``span-lite`` do. Ours throughout.

These are weak stand-ins for paraphrasers and masked language models, and named so that nobody
compares them with figures of those.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from sterling.text.attacks.sentences import sentences
from sterling.text.attacks.spans import masked_spans
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
_FORM = re.compile(
    r"\b(" + "|".join(sorted([*CONTRACTIONS, *EXPANSIONS], key=len, reverse=True)) + r")\b",
    re.IGNORECASE,
)
_CLAUSE = re.compile(rf"^(.+?),? ({'|'.join(CONJUNCTIONS)}) ([^,;:]+)$")

Followers = Mapping[str, Sequence[str]]
"""Words that were seen after each lower-case word, with repetitions."""


def paraphrase(text: str, share: float, rng: np.random.Generator) -> Edited:
    """Some sentences with contractions made or undone and a subordinate clause put first.

    Args:
        text: Any text.
        share: Of the sentences, in [0, 1]; at least one of those that a rule can change.
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
    """What follows each word in some texts: the table that `refill_spans` draws from."""
    seen: dict[str, list[str]] = defaultdict(list)
    for text in texts:
        words = text.split()
        for before, word in pairwise(words):
            seen[before.lower()].append(word)
    return seen


def refill_spans(text: str, share: float, rng: np.random.Generator, known: Followers) -> Edited:
    """The spans of `masked_spans` refilled word by word from what follows the word before.

    A word that was never followed by another keeps what stood after it.
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
    """Sentences of the form "A because B." as "Because B, A."; others stay."""
    body = sentence.rstrip(".")
    match = _CLAUSE.match(body)
    if not match or len(sentence) - len(body) != 1 or len(match[1].split()) < 3:
        return sentence
    first = match[1] if re.match(r"I\b|[A-Z]{2}", match[1]) else match[1][0].lower() + match[1][1:]
    return f"{match[2].capitalize()} {match[3]}, {first}."
