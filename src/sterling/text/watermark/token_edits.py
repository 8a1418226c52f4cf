"""Edits of a text's tokens between its writing and its test, and how varied texts are.

Edits of tokens are the mildest that a watermark meets: the tokenizer cannot change the tokens
next to an edit. Edits of the text itself are in `sterling.text.attacks`.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from sterling.checks import check_numbers
from sterling.errors import InputError

Ids = NDArray[np.int64]


def delete(ids: Ids, other: Ids, share: float, draw: np.random.Generator) -> Ids:
    """Leave out a share of the tokens; arguments as for `substitute`."""
    gone = _chosen(ids, other, share, draw)
    return np.delete(ids, gone)


def substitute(ids: Ids, other: Ids, share: float, draw: np.random.Generator) -> Ids:
    """Replace a share of the tokens by tokens of another text.

    Args:
        ids: Token ids of the text, (T,).
        other: Token ids of a text that is not marked, at least as long.
        share: Share of the tokens in [0, 1], rounded to whole tokens.
        draw: Chooses the places.

    Raises:
        InputError: The share is out of range, or the other text is shorter.
    """
    places = _chosen(ids, other, share, draw)
    edited = ids.copy()
    edited[places] = draw.permutation(other)[: len(places)]
    return edited


def mix(ids: Ids, other: Ids, share: float, draw: np.random.Generator) -> Ids:
    """Overwrite a share at one place by another text's beginning: copy and paste."""
    count = len(_chosen(ids, other, share, draw))
    start = int(draw.integers(len(ids) - count + 1))
    return np.concatenate([ids[:start], other[:count], ids[start + count :]])


TOKEN_EDITS: dict[str, Callable[[Ids, Ids, float, np.random.Generator], Ids]] = {
    "delete": delete,
    "substitute": substitute,
    "mix": mix,
}


def _chosen(ids: Ids, other: Ids, share: float, draw: np.random.Generator) -> NDArray[np.int64]:
    check_numbers(at_least=0, at_most=1, share=share)
    count = round(share * len(ids))
    if len(other) < count:
        raise InputError(f"other: {len(other)} tokens; {count} are needed")
    return draw.choice(len(ids), count, replace=False)


def distinct_n(texts: Sequence[Sequence[int]], n: int) -> float:
    """Return different n-grams as a share of all n-grams of the texts together, in (0, 1].

    "Distinct-n" (Li et al., NAACL 2016). It falls with the number of tokens: compare only sets of
    texts that have the same.

    Args:
        texts: Token ids of each text.
        n: Length of the grams, 1 or more.

    Raises:
        InputError: No text has n tokens.
    """
    grams = [tuple(text[i : i + n]) for text in texts for i in range(len(text) - n + 1)]
    if not grams:
        raise InputError(f"texts: none has {n} tokens")
    return len(set(grams)) / len(grams)
