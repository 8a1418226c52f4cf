"""The encoder trained on captions: it knows objects, colours, textures and shapes by their words.

Features of EfficientNet-Lite0 and sentence embeddings of all-MiniLM-L6-v2 are projected into one
space by a linear map each. The maps were trained here on captions of emoji and of rendered shapes,
colours and textures (`tools/build_caption_encoder.py`); the names of ImageNet's classes and the
classifier's logits had no part in it, so that names of the classifier's own units are not circular.
`caption_encoder.json` beside the weights has their provenance, `docs/neurons.md` their accuracy.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load
from torch import Tensor

from sterling.errors import InputError
from sterling.explain.neurons.packaged import (
    BATCH,
    SentenceEncoder,
    classifier_inputs,
    packaged_classifier,
    trunk_features,
)
from sterling.files import open_regular

WEIGHTS = Path(__file__).with_name("caption_encoder.safetensors")
SHAPES = {
    "image_weight": (1456, None),
    "image_bias": (None,),
    "text_weight": (384, None),
    "text_bias": (None,),
}
"""Tensors of the file; None stands for the width of the common space."""


class CaptionEncoder:
    """EfficientNet-Lite0 and all-MiniLM-L6-v2, joined by what captions of pictures taught.

    Args:
        weights: The two projections, safetensors; by default those that ship.

    Raises:
        InputError: A package or transformers is not installed, or the weights do not fit.

    Examples:
        >>> encoder = CaptionEncoder()
        >>> encoder.images(pictures) @ encoder.texts(["striped", "red circle", "cat"]).T
    """

    def __init__(self, weights: Path = WEIGHTS) -> None:
        self.projections = read_projections(weights)
        self.classifier = packaged_classifier()
        self.sentences = SentenceEncoder()

    @torch.no_grad()
    def images(self, pictures: Tensor) -> Tensor:
        """Embeddings of unit length (N, D) of pictures (N, 3, H, W) in [0, 1]."""
        inputs = classifier_inputs(pictures)
        features = [trunk_features(self.classifier, some) for some in torch.split(inputs, BATCH)]
        return self._projected("image", torch.cat(features))

    @torch.no_grad()
    def texts(self, phrases: Sequence[str]) -> Tensor:
        """Embeddings of unit length (M, D)."""
        return self._projected("text", self.sentences.texts(phrases))

    def _projected(self, side: str, features: Tensor) -> Tensor:
        weight, bias = self.projections[f"{side}_weight"], self.projections[f"{side}_bias"]
        return F.normalize(features @ weight + bias, dim=1)


def read_projections(path: Path) -> dict[str, Tensor]:
    """Read the projections of a file, as float32; nothing is unpickled.

    Raises:
        InputError: The file cannot be read, or holds tensors of other names or shapes.
    """
    with open_regular(path, "projections") as file:
        content = file.read()
    try:
        found = {name: one.float() for name, one in load(content).items()}
    except Exception as error:  # safetensors raises a kind of its own
        raise InputError(f"{path}: not a safetensors file; build the encoder anew") from error
    if set(found) != set(SHAPES):
        raise InputError(f"{path}: holds {sorted(found)}; give {', '.join(SHAPES)}")
    width = len(found["image_bias"])
    for name, expected in SHAPES.items():
        wanted = tuple(width if one is None else one for one in expected)
        if tuple(found[name].shape) != wanted:
            raise InputError(f"{path}: {name} has shape {tuple(found[name].shape)}, not {wanted}")
    return found
