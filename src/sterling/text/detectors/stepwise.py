"""Scores of many texts in steps, with the scores that earlier calls kept."""

import hashlib
import json
from collections.abc import Callable, Sequence

import numpy as np
import torch

from sterling.lm import SignalStore
from sterling.runs import package_versions
from sterling.text.detectors.scored import Detector, Scored

Report = Callable[[int, int], None]
"""A function of the number of texts that have a score so far and of the number of all."""

TEXTS_A_THREAD = 4  # in a step: with fewer, threads wait for one another


def score_in_steps(
    detector: Detector,
    texts: Sequence[str],
    *,
    store: SignalStore | None = None,
    report: Report | None = None,
) -> Scored:
    """Score texts step by step, the longest first.

    Args:
        detector: Detector, fitted if it has to be.
        texts: Any texts.
        store: Store of scores by text, detector, settings, weights and versions of the packages.
            Scores of detectors from outside are not kept, since their code may change.
        report: Called before the first step, with the number of kept scores, and after every step.
    """
    values, reasons = np.full(len(texts), np.nan), [""] * len(texts)
    own = type(detector).__module__.startswith("sterling.")
    kept = _Kept(store, _fingerprint(detector)) if store is not None and own else None
    missing = []
    for row, text in enumerate(texts):
        found = None if kept is None else kept.get(text)
        if found is None:
            missing.append(row)
        else:
            values[row] = found
    tell = report or (lambda _done, _total: None)
    tell(len(texts) - len(missing), len(texts))
    missing.sort(key=lambda row: -len(texts[row]))
    size = TEXTS_A_THREAD * max(2, torch.get_num_threads())
    for start in range(0, len(missing), size):
        rows = missing[start : start + size]
        scored = detector.score([texts[row] for row in rows])
        for row, value, reason in zip(rows, scored.values.tolist(), scored.reasons, strict=True):
            values[row], reasons[row] = value, reason
            if kept is not None and not reason:
                kept.put(texts[row], value)
        tell(len(texts) - len(missing) + start + len(rows), len(texts))
    return Scored.of(values, reasons)


class _Kept:
    """Scores of one detector in a store."""

    def __init__(self, store: SignalStore, detector: str) -> None:
        self.store, self.detector = store, detector

    def get(self, text: str) -> float | None:
        found = self.store.get(self.store.path(self.detector, "score", _bytes(text)))
        return None if found is None else float(found["score"])

    def put(self, text: str, value: float) -> None:
        score = torch.tensor(value, dtype=torch.float64)
        self.store.put(self.store.path(self.detector, "score", _bytes(text)), {"score": score})


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _fingerprint(detector: Detector) -> str:
    digest = hashlib.sha256()
    made = [detector.name, detector.settings(), package_versions()]
    digest.update(json.dumps(made, sort_keys=True).encode())
    for name, tensor in sorted(detector.state().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
