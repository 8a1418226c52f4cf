"""A supervised detector that any laptop trains: character n-grams and logistic regression.

Ours, as the plain baseline of supervised detection. It learns how the training texts are written,
topic included, which is why it does not carry over to other domains.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from sterling.errors import InputError
from sterling.text.detectors.scored import Scored, too_short, unreadable

GRAMS = (2, 5)
BUCKETS = 2**16
MAX_CHARACTERS = 20_000
LEAST_CHARACTERS = 40  # ours: about a sentence


@dataclass(eq=False)
class CharacterNgrams:
    """TF-IDF of character 2- to 5-grams within words, hashed; the score is the logit.

    Attributes:
        weights: Tuple of idf, coefficients and intercept of the last fit; None before.
        name: "character_ngrams".
    """

    weights: tuple[NDArray[np.float64], NDArray[np.float64], float] | None = None
    name: str = "character_ngrams"

    def _counts(self, texts: Sequence[str]) -> sparse.csr_matrix:
        hashed = HashingVectorizer(
            analyzer="char_wb",
            ngram_range=GRAMS,
            n_features=BUCKETS,
            alternate_sign=False,
            norm=None,
            lowercase=False,
        )
        # Half of a surrogate pair cannot be hashed; such a text is not scored anyway.
        cut = [text[:MAX_CHARACTERS].encode(errors="replace").decode() for text in texts]
        return hashed.transform(cut)

    def _features(self, texts: Sequence[str], idf: NDArray[np.float64]) -> sparse.csr_matrix:
        counts = self._counts(texts)
        counts.data = 1 + np.log(counts.data)
        weighed = counts.multiply(idf).tocsr()
        norms = np.sqrt(weighed.multiply(weighed).sum(axis=1)).A1
        scale = np.divide(1, norms, out=np.zeros_like(norms), where=norms > 0)
        return sparse.diags(scale) @ weighed

    def fit(self, texts: Sequence[str], labels: NDArray[np.intp]) -> None:
        """Learn idf and logistic regression (scikit-learn's, C = 10).

        Raises:
            InputError: Texts of one class only.
        """
        if len(np.unique(labels)) < 2:
            raise InputError(f"{self.name}: give training texts of people and of machines")
        found = (self._counts(texts) > 0).sum(axis=0).A1
        idf = np.log((1 + len(texts)) / (1 + found)) + 1
        model = LogisticRegression(C=10.0, max_iter=1000).fit(self._features(texts, idf), labels)
        self.weights = (idf, model.coef_[0], float(model.intercept_[0]))

    def score(self, texts: Sequence[str]) -> Scored:
        """Score by the logit of each text."""
        if self.weights is None:
            raise InputError(f"{self.name}: fit it first")
        idf, coefficients, intercept = self.weights
        reasons = [
            unreadable(text) or too_short(len(text.strip()), "characters", LEAST_CHARACTERS)
            for text in texts
        ]
        values = self._features(texts, idf) @ coefficients + intercept if texts else []
        return Scored.of(values, reasons)

    def settings(self) -> dict[str, Any]:
        """Return grams, buckets, truncation."""
        return {
            "grams": list(GRAMS),
            "buckets": BUCKETS,
            "max_characters": MAX_CHARACTERS,
            "least_characters": LEAST_CHARACTERS,
            "prompt": "none is given: the text alone is scored",
        }

    def state(self) -> dict[str, Tensor]:
        """Return idf, coefficients, intercept."""
        if self.weights is None:
            return {}
        idf, coefficients, intercept = self.weights
        return {
            "idf": torch.from_numpy(idf),
            "coefficients": torch.from_numpy(coefficients),
            "intercept": torch.tensor([intercept], dtype=torch.float64),
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take idf, coefficients and intercept."""
        self.weights = (
            state["idf"].numpy(),
            state["coefficients"].numpy(),
            float(state["intercept"][0]),
        )
