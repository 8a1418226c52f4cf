"""A text classifier that transformers wrote to a folder, as a detector."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.extras import needs
from sterling.lm.load import read_pretrained, read_tokenizer
from sterling.text.detectors.scored import Scored, TrainingFree, unreadable

MAX_TOKENS, BATCH = 512, 8


@dataclass(eq=False)
class ClassifierFolder(TrainingFree):
    """The classifier's logit of "machine" against the other classes.

    Attributes:
        folder: Folder with ``config.json``, safetensors and a tokenizer; nothing is downloaded.
        machine: Class that means machine; the last one by default.
        name: "classifier_folder".

    Raises:
        InputError: The folder holds no such model, or transformers is not installed.
    """

    folder: Path
    machine: int = -1
    name: str = "classifier_folder"

    def __post_init__(self) -> None:
        if not (self.folder / "config.json").is_file():
            raise InputError(
                f"{self.folder}: no config.json in it; give a folder that transformers wrote"
            )
        with needs("lm", "a classifier folder"):
            from transformers import AutoModelForSequenceClassification, AutoTokenizer
        self.model = read_pretrained(AutoModelForSequenceClassification, self.folder).eval()
        self.tokenizer = read_tokenizer(AutoTokenizer, self.folder)
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        classes = int(self.model.config.num_labels)
        if not -classes <= self.machine < classes or classes < 2:
            raise InputError(f"machine {self.machine}: the classifier has {classes} classes")

    def score(self, texts: Sequence[str]) -> Scored:
        """Score by ln p(machine) - ln p(any other class)."""
        reasons = [unreadable(text) for text in texts]
        rows = [row for row, why in enumerate(reasons) if not why]
        values = np.full(len(texts), np.nan)
        limit = min(MAX_TOKENS, int(getattr(self.model.config, "max_position_embeddings", 512)))
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            encoded = self.tokenizer(
                # No token is longer than 16 characters on average over a text's first 512.
                [texts[row][: 16 * limit] for row in batch],
                truncation=True,
                max_length=limit,
                padding=True,
                return_tensors="pt",
            )
            with torch.no_grad():
                logits = self.model(**encoded).logits.double()
            values[batch] = _against_others(logits, self.machine).numpy()
        return Scored.of(values, reasons)

    def settings(self) -> dict[str, Any]:
        """Return folder, hash of its weights, class, truncation, prompt."""
        digest = hashlib.sha256()
        for path in sorted(self.folder.glob("*.safetensors")):
            digest.update(path.read_bytes())
        return {
            "model": str(self.folder),
            "fingerprint": digest.hexdigest(),
            "machine": self.machine,
            "max_tokens": MAX_TOKENS,
            "prompt": "none is given: the text alone is scored",
        }


def _against_others(logits: Tensor, machine: int) -> Tensor:
    log_p = logits.log_softmax(-1)
    own = log_p[:, machine]
    place = machine % logits.shape[1]
    others = torch.cat([log_p[:, :place], log_p[:, place + 1 :]], dim=1).logsumexp(-1)
    return own - others
