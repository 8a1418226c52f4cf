"""What happens to a text between its writing and its test: edits of its tokens.

Edits of tokens are the mildest that a watermark meets: the tokenizer cannot change the tokens
beside an edit. Edits of the text itself are in `sterling.text.attacks`.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError

Ids = NDArray[np.int64]


def delete(ids: Ids, other: Ids, share: float, draw: np.random.Generator) -> Ids:
    """A share of the tokens is left out; arguments as for `substitute`."""
    gone = _chosen(ids, other, share, draw)
    return np.delete(ids, gone)


def substitute(ids: Ids, other: Ids, share: float, draw: np.random.Generator) -> Ids:
    """A share of the tokens is replaced by tokens of another text.

    Args:
        ids: Of the text, (T,).
        other: Of a text that is not marked, at least as long.
        share: In [0, 1]; rounded to whole tokens.
        draw: Chooses the places.

    Raises:
        InputError: The share is out of range, or the other text is shorter.
    """
    places = _chosen(ids, other, share, draw)
    edited = ids.copy()
    edited[places] = draw.permutation(other)[: len(places)]
    return edited


def mix(ids: Ids, other: Ids, share: float, draw: np.random.Generator) -> Ids:
    """A share at one place is overwritten by another text's beginning: copy and paste."""
    count = len(_chosen(ids, other, share, draw))
    start = int(draw.integers(len(ids) - count + 1))
    return np.concatenate([ids[:start], other[:count], ids[start + count :]])


TOKEN_EDITS: dict[str, Callable[[Ids, Ids, float, np.random.Generator], Ids]] = {
    "delete": delete,
    "substitute": substitute,
    "mix": mix,
}


def _chosen(ids: Ids, other: Ids, share: float, draw: np.random.Generator) -> NDArray[np.int64]:
    if not 0 <= share <= 1:
        raise InputError(f"share {share}: from 0 to 1")
    count = round(share * len(ids))
    if len(other) < count:
        raise InputError(f"other: {len(other)} tokens; {count} are needed")
    return draw.choice(len(ids), count, replace=False)
