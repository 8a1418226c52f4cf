"""Build the files of the example system that `sterling demo` assesses.

Everything is measured here, on data that the packages bring: handwritten digits of scikit-learn,
messages of presidents (in the public domain), and texts by the packaged language model::

    python -m tools.build_example_system          # two to four minutes

The classifier leaks on purpose: it is large for its few records, and a fifth of their labels are
wrong. "Deleted by training on" forgets nothing but in name; "deleted by retraining" never saw the
records.
"""

import warnings
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from sterling.cli.demo import EXAMPLE
from sterling.lm import Sampling, load_local
from sterling.privacy import losses_of
from sterling.storage import write_atomically
from sterling.text import TripleSetWatermark
from sterling.text.corpus.prose import human_prose
from sterling.text.corpus.records import TextRecord, write_records
from sterling.text.watermark.watermark_key import WatermarkKey, tokenizer_fingerprint

SEED = 2026
WRONG_LABELS = 0.2
MEMBERS, ASKED, CALIBRATING, REFERENCES = 400, 150, 400, 8
RETAINED, FORGOTTEN = 500, 600
MARKED, HUMAN, TOKENS = 20, 40, 80

Array = NDArray[np.float64]
Labels = NDArray[np.intp]


def digits(rng: np.random.Generator) -> tuple[Array, Labels]:
    """Pictures (N, 64) in [0, 1] and labels (N,), a fifth of them wrong, in random order."""
    bunch = load_digits()
    order = rng.permutation(len(bunch.target))
    labels = bunch.target[order].astype(np.intp)
    wrong = rng.random(len(labels)) < WRONG_LABELS
    labels[wrong] = (labels[wrong] + rng.integers(1, 10, wrong.sum())) % 10
    return bunch.data[order] / 16, labels


def fitted(pictures: Array, labels: Labels, seed: int, iterations: int = 400) -> MLPClassifier:
    """A network of 128 hidden units that learns its records by heart."""
    network = MLPClassifier((128,), alpha=0, max_iter=iterations, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return network.fit(pictures, labels)


def write_members(folder: Path, rng: np.random.Generator) -> None:
    """Scores of a membership attack: the loss, less its mean under models without the record."""
    pictures, labels = digits(rng)
    target = fitted(pictures[:MEMBERS], labels[:MEMBERS], SEED)
    asked = np.r_[0:ASKED, MEMBERS : MEMBERS + ASKED]
    known = np.arange(MEMBERS + ASKED, MEMBERS + ASKED + CALIBRATING)
    others = np.arange(known[-1] + 1, len(labels))
    rows = np.r_[asked, known]
    without = np.zeros(len(rows))
    for index in range(REFERENCES):
        drawn = rng.choice(others, MEMBERS, replace=False)
        model = fitted(pictures[drawn], labels[drawn], SEED + 1 + index)
        without += losses_of(model, pictures[rows], labels[rows]) / REFERENCES
    scores = (without - losses_of(target, pictures[rows], labels[rows])).round(6)
    names = [f"digit{row}" for row in rows]
    member = (asked < MEMBERS).astype(int)
    tables = {
        "asked": {"record": names[: len(asked)], "score": scores[: len(asked)], "member": member},
        "nonmembers": {"record": names[len(asked) :], "score": scores[len(asked) :]},
    }
    for name, table in tables.items():
        pl.DataFrame(table).write_csv(folder / f"{name}.csv")


def write_deletions(folder: Path, rng: np.random.Generator) -> None:
    """Losses of two ways to delete: training on for a while, and retraining without the records."""
    pictures, labels = digits(rng)
    retain = slice(0, RETAINED)
    forget = slice(RETAINED, RETAINED + FORGOTTEN)
    unseen = slice(RETAINED + FORGOTTEN, RETAINED + 2 * FORGOTTEN)
    whole = slice(0, RETAINED + FORGOTTEN)
    model = fitted(pictures[whole], labels[whole], SEED)
    for _ in range(20):
        model.partial_fit(pictures[retain], labels[retain])
    retrained = fitted(pictures[retain], labels[retain], SEED)
    for way, network in (("trained_on", model), ("retrained", retrained)):
        for name, rows in (("forget", forget), ("holdout", unseen)):
            losses = losses_of(network, pictures[rows], labels[rows])
            pl.DataFrame({"loss": losses.round(6)}).write_csv(folder / f"{way}_{name}.csv")


def write_texts(folder: Path, rng: np.random.Generator) -> None:
    """Texts in an inbox: some that the assistant wrote with its mark, and some by people."""
    writer = load_local("smollm2")
    # A key that anybody may read, since these texts are public; yours is made by `key`.
    key = WatermarkKey(TripleSetWatermark(SEED), tokenizer_fingerprint(writer.tokenizer))
    key.write(folder / "key.json")
    passages = [one.text for one in human_prose("addresses", words=60)]
    chosen = rng.permutation(len(passages))[: MARKED + HUMAN]
    prompts = [" ".join(passages[row].split()[:12]) for row in chosen[:MARKED]]
    sampling = Sampling(TOKENS, 1.0, 1.0)
    written = writer.generate(prompts, sampling, seed=SEED, processors=[key.watermark.processor()])
    texts = [(1, one.text) for one in written] + [(0, passages[row]) for row in chosen[MARKED:]]
    order = rng.permutation(len(texts))
    records = [
        TextRecord(id=f"letter{place}", text=texts[row][1], label=texts[row][0], group=f"g{row}")
        for place, row in enumerate(order)
    ]
    write_records(folder / "inbox.jsonl", records)


def main() -> None:
    """Write every file."""
    EXAMPLE.mkdir(parents=True, exist_ok=True)
    for index, write in enumerate((write_members, write_deletions, write_texts)):
        write(EXAMPLE, np.random.default_rng([SEED, index]))
    write_atomically(EXAMPLE / "system.yaml", SYSTEM)


SYSTEM = """\
system: Example, a classifier of digits and a writing assistant
parts:
  deletions, by training on:
    verb: privacy audit
    forget: trained_on_forget.csv
    holdout: trained_on_holdout.csv
  deletions, by retraining:
    verb: privacy audit
    forget: retrained_forget.csv
    holdout: retrained_holdout.csv
  members of the training set:
    verb: privacy mia
    scores: asked.csv
    calibration: nonmembers.csv
  letters by the assistant:
    verb: text watermark detect
    path: key.json
    texts: inbox.jsonl
"""

if __name__ == "__main__":
    main()
