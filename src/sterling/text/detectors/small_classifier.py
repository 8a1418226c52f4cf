"""A supervised detector trained here: a transformer of two layers over hashed words. Ours."""

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.text.detectors.scored import Scored, score_words, unreadable

BUCKETS, WIDTH, LAYERS, HEADS = 8192, 64, 2, 4
MAX_WORDS, BATCH = 256, 16
MAX_CHARACTERS = 20_000
_TOKEN = re.compile(r"\w+|[^\w\s]")


class _Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(BUCKETS, WIDTH, padding_idx=0)
        self.places = nn.Embedding(MAX_WORDS, WIDTH)
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 4 * WIDTH, dropout=0.0, activation="gelu", batch_first=True,
            norm_first=True,
        )  # fmt: skip
        self.layers = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.head = nn.Linear(WIDTH, 1)

    def forward(self, words: Tensor) -> Tensor:
        mask = words > 0
        x = self.words(words) + self.places.weight[: words.shape[1]]
        x = self.layers(x, src_key_padding_mask=~mask)
        mean = (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        logits: Tensor = self.head(mean)[:, 0]
        return logits


def _words(text: str) -> list[str]:
    """The first 256 words and punctuation marks."""
    return _TOKEN.findall(text[:MAX_CHARACTERS])[:MAX_WORDS]


def _hashed(words: Sequence[str]) -> Tensor:
    """Buckets of words, from 1, int64 (T,)."""
    return torch.tensor([1 + zlib.crc32(word.encode()) % (BUCKETS - 1) for word in words])


@dataclass(eq=False)
class SmallClassifier:
    """The network's logit, trained from nothing.

    Attributes:
        seed: Seed of weights and batches.
        epochs: Number of passes over the training texts.
        learning_rate: Learning rate of AdamW.
        name: "small_classifier".
    """

    seed: int = 0
    epochs: int = 8
    learning_rate: float = 1e-3
    name: str = "small_classifier"

    def __post_init__(self) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.network = _Network()
        self.fitted = False

    def fit(self, texts: Sequence[str], labels: NDArray[np.intp]) -> None:
        """Train on the texts that can be read.

        Raises:
            InputError: Texts of one class only.
        """
        usable = [row for row, text in enumerate(texts) if not unreadable(text)]
        if len(np.unique(labels[usable])) < 2:
            raise InputError(f"{self.name}: give training texts of people and of machines")
        ids = [_hashed(_words(texts[row])) for row in usable]
        targets = torch.from_numpy(labels[usable]).float()
        generator = torch.Generator().manual_seed(self.seed)
        optimizer = torch.optim.AdamW(self.network.parameters(), self.learning_rate)
        self.network.train()
        for _ in range(self.epochs):
            order = torch.randperm(len(ids), generator=generator)
            for batch in torch.split(order, BATCH):
                optimizer.zero_grad()
                logits = self.network(_padded([ids[row] for row in batch.tolist()]))
                loss = nn.functional.binary_cross_entropy_with_logits(logits, targets[batch])
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        self.network.eval()
        self.fitted = True

    def score(self, texts: Sequence[str]) -> Scored:
        """Score by the logit of each text."""
        if not self.fitted:
            raise InputError(f"{self.name}: fit it first")
        return score_words(texts, lambda _text, words: self._logit(words), cut=_words)

    @torch.no_grad()
    def _logit(self, words: list[str]) -> float:
        return float(self.network(_hashed(words)[None]).item())

    def settings(self) -> dict[str, Any]:
        """Return training, truncation, prompt."""
        return {
            "seed": self.seed,
            "epochs": self.epochs,
            "learning_rate": self.learning_rate,
            "max_words": MAX_WORDS,
            "prompt": "none is given: the text alone is scored",
        }

    def state(self) -> dict[str, Tensor]:
        """Return the weights of the network."""
        return dict(self.network.state_dict())

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take the weights."""
        self.network.load_state_dict(dict(state))
        self.network.eval()
        self.fitted = True


def _padded(ids: Sequence[Tensor]) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(list(ids), batch_first=True)
