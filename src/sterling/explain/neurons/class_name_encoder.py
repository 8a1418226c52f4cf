"""An encoder for those who have no CLIP: an ImageNet classifier and a sentence encoder.

A picture is embedded as the mean of the embeddings of its ten likeliest classes' names, weighted by
their probabilities (ConSE: Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic
Embeddings", ICLR 2014). It knows objects, and little of colours, textures and parts: a CLIP or
SigLIP folder is better. `docs/neurons.md` has its measured accuracy.
"""

from collections.abc import Sequence
from importlib.resources import files

import torch
import torch.nn.functional as F
from torch import Tensor

from sterling.explain.neurons.packaged import (
    BATCH,
    SentenceEncoder,
    classifier_inputs,
    packaged_classifier,
)

CLASSES = 10  # as ConSE's paper takes them


class ClassNameEncoder:
    """EfficientNet-Lite0 on ImageNet and all-MiniLM-L6-v2, from their packages.

    Raises:
        InputError: A package or transformers is not installed.

    Examples:
        >>> encoder = ClassNameEncoder()
        >>> encoder.images(pictures) @ encoder.texts(["cat", "car"]).T
    """

    def __init__(self) -> None:
        self.classifier = packaged_classifier()
        self.sentences = SentenceEncoder()
        self.names = self.texts(class_names())

    @torch.no_grad()
    def images(self, pictures: Tensor) -> Tensor:
        """Embeddings of unit length (N, 384) of pictures (N, 3, H, W) in [0, 1]."""
        likely = torch.cat(
            [
                self.classifier(some).softmax(1)
                for some in torch.split(classifier_inputs(pictures), BATCH)
            ]
        )
        share, rows = likely.topk(CLASSES, dim=1)
        return F.normalize((share[..., None] * self.names[rows]).sum(1), dim=1)

    def texts(self, phrases: Sequence[str]) -> Tensor:
        """Embeddings of unit length (M, 384): means over tokens."""
        return self.sentences.texts(phrases)


def class_names() -> list[str]:
    """Names of ImageNet's 1,000 classes in their order: WordNet's lemmas, comma-separated."""
    return _lines("imagenet_names.txt")


def class_synsets() -> list[str]:
    """Places of ImageNet's 1,000 classes in WordNet 3.0, in their order, as ``n02123045``."""
    return _lines("imagenet_synsets.txt")


def _lines(name: str) -> list[str]:
    file = files("sterling.explain.neurons").joinpath(name)
    return file.read_text(encoding="utf-8").splitlines()
