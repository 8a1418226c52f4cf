"""Which words the span attack masks: MGTEVAL's attack 1, and DetectGPT's perturbation."""

import numpy as np

from sterling.text.attacks.word_edits import share_of_words

LENGTH, BUFFER = 2, 1


def masked_spans(words: int, share: float, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Spans of two words to be masked, each with a word of distance to the next, in order.

    Their number is ``int(share * words / (length + 2 * buffer))`` and at least one. The first word
    is never masked: something must be known before a span.

    Args:
        words: Number of words of the text.
        share: In [0, 1].
        rng: Chooses the places.

    Returns:
        Half-open ranges of word positions; none for a text of fewer than four words.
    """
    share_of_words(share, words)  # refuses what is no share
    if words < 1 + LENGTH + BUFFER:
        return []
    wanted = max(1, int(share * words / (LENGTH + 2 * BUFFER)))
    # Spans with their distance are blocks; what is left over is spread before the blocks.
    block = LENGTH + BUFFER
    wanted = min(wanted, (words - 1) // block)
    free = words - 1 - wanted * block
    gaps = np.sort(rng.integers(0, free + 1, size=wanted))
    starts = 1 + gaps + block * np.arange(wanted)
    return [(int(start), int(start) + LENGTH) for start in starts]
