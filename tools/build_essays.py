"""Build the texts of the notebooks on detection, with the scores of a detector.

Passages of presidents' messages (in the public domain), and what the packaged language model writes
after the first words of others; each with its Fast-DetectGPT score under that model, so that the
notebooks need no model::

    python -m tools.build_essays          # about two minutes of processor time
"""

import json
from pathlib import Path

import numpy as np

from sterling.lm import Sampling, load_local
from sterling.storage import write_atomically
from sterling.text import untrained_detector
from sterling.text.corpus.prose import human_prose

SEED = 2026
OUT = Path(__file__).resolve().parents[1] / "docs" / "notebooks" / "essays.jsonl"
WORDS, FIRST_WORDS = 100, 24
SAMPLING = Sampling(max_new_tokens=160)
KNOWN, INBOX, MACHINE = 140, 36, 14


def whole_sentences(text: str) -> str:
    """Cut a text after its last whole sentence."""
    return text[: max(text.rfind(mark) for mark in ".!?") + 1] or text


def main() -> None:
    """Write the file."""
    rng = np.random.default_rng(SEED)
    passages = human_prose("addresses", words=WORDS)
    sources = rng.permutation(sorted({one.source for one in passages}))
    # One passage of an address: passages of one author are not independent.
    drawn = [
        texts[rng.integers(len(texts))]
        for source in sources
        if (texts := [one.text for one in passages if one.source == source])
    ]
    needed = KNOWN + INBOX + MACHINE
    if len(drawn) < needed:
        message = f"{len(drawn)} addresses, {needed} are needed"
        raise SystemExit(message)
    known, inbox = drawn[:KNOWN], drawn[KNOWN : KNOWN + INBOX]
    prompts = [" ".join(text.split()[:FIRST_WORDS]) for text in drawn[KNOWN + INBOX : needed]]
    written = load_local("smollm2").generate(prompts, SAMPLING, seed=SEED)
    machine = [" ".join(whole_sentences(one.text).split()) for one in written]
    texts = [*known, *inbox, *machine]
    found = untrained_detector().score(texts).values.round(4).tolist()
    scores = [None if np.isnan(score) else score for score in found]  # JSON knows no NaN
    kinds = ["known"] * KNOWN + ["inbox"] * (INBOX + MACHINE)
    wrote = [0] * (KNOWN + INBOX) + [1] * MACHINE
    order = [*range(KNOWN), *(KNOWN + rng.permutation(INBOX + MACHINE))]
    names = [f"known{row + 1}" for row in range(KNOWN)]
    names += [f"text{row + 1}" for row in range(INBOX + MACHINE)]
    lines = [
        json.dumps(
            {
                "id": name,
                "set": kinds[row],
                "machine": wrote[row],
                "score": scores[row],
                "text": texts[row],
            },
            ensure_ascii=False,
        )
        for name, row in zip(names, order, strict=True)
    ]
    write_atomically(OUT, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
