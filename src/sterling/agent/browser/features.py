"""Numbers that a small policy sees: words of the goal, elements, and what matches between them."""

import re
from dataclasses import dataclass
from hashlib import blake2b

import torch
from torch import Tensor

from sterling.agent.browser.actions import Action
from sterling.agent.browser.observation import Element, Observation

WORDS, TAGS, ATTRIBUTES = 512, 64, 256  # sizes of the hash tables; 0 is padding
MOST_TOKENS, MOST_ELEMENTS, LABEL_WORDS, CLASS_WORDS = 48, 48, 4, 4
TOKEN_NUMBERS = 6
ORDINALS = 5
ELEMENT_NUMBERS = 28 + ORDINALS
SCREEN = (160.0, 210.0)
_TOKEN = re.compile(r"[A-Za-z0-9]+(?:['#.-][A-Za-z0-9]+)*|#\d+|[^\sA-Za-z0-9]")
_WORD = re.compile(r"[A-Za-z0-9#]+")


@dataclass(frozen=True)
class Token:
    """A word or sign of the goal.

    Attributes:
        start, end: Place in the text.
        text: The word.
        quotes: Number of quotation marks before it; odd within quotes.
    """

    start: int
    end: int
    text: str
    quotes: int


@dataclass(frozen=True, eq=False)
class Encoded:
    """An observation as tensors.

    Attributes:
        tokens: Words of the goal.
        refs: Numbers of the elements.
        words: Hashes of each token and of the word before it, (T, 2).
        word_numbers: (T, 6).
        tags: Hashes of tag and kind, (E, 2).
        labels: Hashes of words of text and name, (E, 4); 0 for none.
        classes: Hashes of id and class words, (E, 4).
        numbers: (E, 33).
        allowed: Whether an element can be clicked or filled, (E, 2).
    """

    goal: str
    tokens: tuple[Token, ...]
    refs: tuple[int, ...]
    words: Tensor
    word_numbers: Tensor
    tags: Tensor
    labels: Tensor
    classes: Tensor
    numbers: Tensor
    allowed: Tensor


def tokens_of(goal: str) -> tuple[Token, ...]:
    """Split a goal into words and signs, at most 48.

    Examples:
        >>> [token.text for token in tokens_of('Enter "Ada" and press Submit.')]
        ['Enter', '"', 'Ada', '"', 'and', 'press', 'Submit', '.']
    """
    found, quotes = [], 0
    for match in _TOKEN.finditer(goal):
        found.append(Token(match.start(), match.end(), match[0], quotes))
        quotes += match[0] == '"'
    return tuple(found[:MOST_TOKENS])


def encode(seen: Observation, history: tuple[Action, ...] = ()) -> Encoded:
    """Turn an observation and the actions before it into tensors.

    Args:
        seen: Observation; elements beyond 48 are left out.
        history: Earlier actions of the episode, the last one at the end.
    """
    tokens = tokens_of(seen.goal)
    elements = seen.elements[:MOST_ELEMENTS]
    quoted = re.findall(r'"([^"]*)"', seen.goal)
    counts: dict[str, int] = {}
    numbers = []
    for element in elements:
        kind = element.tag + element.kind
        numbers.append(_numbers(element, seen.goal, quoted, counts.get(kind, 0), history))
        counts[kind] = counts.get(kind, 0) + 1
    return Encoded(
        goal=seen.goal,
        tokens=tokens,
        refs=tuple(element.ref for element in elements),
        words=_integers([_word_ids(tokens, at) for at in range(len(tokens))], 2),
        word_numbers=_floats([_token_numbers(token) for token in tokens], TOKEN_NUMBERS),
        tags=_integers([[_hash(one.tag, TAGS), _hash(one.kind, TAGS)] for one in elements], 2),
        labels=_integers(
            [_hashes(f"{one.text} {one.name}", WORDS, LABEL_WORDS) for one in elements], LABEL_WORDS
        ),
        classes=_integers(
            [_hashes(one.attributes, ATTRIBUTES, CLASS_WORDS) for one in elements], CLASS_WORDS
        ),
        numbers=_floats(numbers, ELEMENT_NUMBERS),
        allowed=torch.tensor(
            [[not one.disabled, one.editable] for one in elements], dtype=torch.bool
        ).reshape(-1, 2),
    )


def find_span(encoded: Encoded, text: str) -> tuple[int, int] | None:
    """Return the first and last token of a text in the goal, in quotes where it stands in some."""
    starts = [match.start() for match in re.finditer(re.escape(text), encoded.goal)] if text else []
    found = []
    for start in starts:
        first = next((at for at, one in enumerate(encoded.tokens) if one.start == start), None)
        end = start + len(text)
        last = next((at for at, one in enumerate(encoded.tokens) if one.end == end), None)
        if first is not None and last is not None:
            found.append((first, last))
    return max(found, key=lambda span: encoded.tokens[span[0]].quotes % 2, default=None)


def _word_ids(tokens: tuple[Token, ...], at: int) -> list[int]:
    before = next((one.text for one in reversed(tokens[:at]) if one.text[0].isalnum()), "")
    return [_hash(tokens[at].text.lower(), WORDS), _hash(before.lower(), WORDS)]


def _token_numbers(token: Token) -> list[float]:
    inside = token.quotes % 2 == 1
    return [
        float(inside),
        float(inside and token.quotes == 1),
        float(inside and token.quotes == 3),
        float(token.text[0].isupper()),
        float(not token.text[0].isalnum()),
        float(any(letter.isdigit() for letter in token.text)),
    ]


def _numbers(
    element: Element, goal: str, quoted: list[str], order: int, history: tuple[Action, ...]
) -> list[float]:
    label = element.text or element.name
    x, y = element.centre
    width, height = element.box[2] - element.box[0], element.box[3] - element.box[1]
    done = [one for one in history if one.ref == element.ref]
    ordinal = [float(order == place) for place in range(ORDINALS)]
    return [
        x / SCREEN[0],
        y / SCREEN[1],
        width / SCREEN[0],
        height / SCREEN[1],
        float(element.focused),
        float(element.covered),
        float(element.editable),
        float(element.toggled),
        float(element.checked is True),
        float(element.checked is None),
        float(bool(element.value)),
        min(len(label), 50) / 50,
        *_matches(label, goal, quoted),
        *_matches(element.value, goal, quoted),
        float(bool(quoted) and label.startswith(quoted[0]) and label.endswith(quoted[-1])),
        min(len(done), 3) / 3,
        float(bool(history) and history[-1].ref == element.ref),
        float(any(one.kind == "fill" for one in done)),
        *ordinal,
    ]


def _matches(text: str, goal: str, quoted: list[str]) -> list[float]:
    """Compare a text with the goal: as a phrase, by words, and with the first two quoted texts."""
    if not text:
        return [0.0] * 6
    words = _WORD.findall(text.lower())
    said = set(_WORD.findall(goal.lower()))
    phrase = re.search(rf"(?<![A-Za-z0-9]){re.escape(text)}(?![A-Za-z0-9])", goal) is not None
    first, second = (*quoted, "", "")[:2]
    return [
        float(phrase),
        sum(word in said for word in words) / max(len(words), 1),
        float(bool(first) and text == first),
        float(bool(second) and text == second),
        float(bool(first) and text.startswith(first)),
        float(bool(second) and text.endswith(second)),
    ]


def _hash(text: str, size: int) -> int:
    if not text:
        return 0
    digest = blake2b(text.encode(), digest_size=4).digest()
    return 1 + int.from_bytes(digest, "big") % (size - 1)


def _hashes(text: str, size: int, most: int) -> list[int]:
    words = [_hash(word, size) for word in re.findall(r"[a-z0-9#]+", text.lower())[:most]]
    return words + [0] * (most - len(words))


def _integers(rows: list[list[int]], width: int) -> Tensor:
    return torch.tensor(rows, dtype=torch.long).reshape(-1, width)


def _floats(rows: list[list[float]], width: int) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, width)
