"""Text–image similarity behind one small protocol: CLIP, SigLIP, or anything that embeds both."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from sterling.errors import InputError
from sterling.extras import needs

TEMPLATE = "a photo of {}"


class ImageTextEncoder(Protocol):
    """Embeddings of pictures and texts in one space, whose cosine says how well they match."""

    def images(self, pictures: Tensor) -> Tensor:
        """Embeddings of unit length (N, D) of pictures (N, 3, H, W) in [0, 1]."""
        ...

    def texts(self, phrases: Sequence[str]) -> Tensor:
        """Embeddings of unit length (M, D)."""
        ...


class PretrainedEncoder:
    """A CLIP or SigLIP model in a folder, as `transformers` saves it.

    No code of the folder is run, and nothing is downloaded.

    Args:
        folder: Folder with configuration, tokenizer, picture processor and safetensors.
        template: Text in which each phrase is embedded, with ``{}`` in its place.

    Raises:
        InputError: There is no such model in the folder, or transformers is not installed.

    Examples:
        >>> encoder = PretrainedEncoder("siglip-base")
        >>> encoder.images(pictures) @ encoder.texts(["a red circle"]).T
    """

    def __init__(self, folder: str | Path, template: str = TEMPLATE) -> None:
        with needs("lm", "--encoder"):
            from transformers import AutoImageProcessor, AutoModel, AutoTokenizer
        if not (Path(folder) / "config.json").is_file():
            raise InputError(f"{folder}: holds no config.json of a CLIP or SigLIP model")
        options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        try:
            self.model = AutoModel.from_pretrained(folder, use_safetensors=True, **options).eval()
            self.tokenizer = AutoTokenizer.from_pretrained(folder, **options)
            processor = AutoImageProcessor.from_pretrained(folder, use_fast=False, **options)
        except (OSError, ValueError) as error:
            line = str(error).splitlines()[0]
            raise InputError(f"{folder}: not a CLIP or SigLIP model ({line})") from error
        if not hasattr(self.model, "get_image_features"):
            raise InputError(f"{folder}: {type(self.model).__name__} embeds no pictures and texts")
        self.mean = torch.tensor(processor.image_mean)[:, None, None]
        self.deviation = torch.tensor(processor.image_std)[:, None, None]
        size = processor.size
        self.side = int(size.get("shortest_edge") or size["height"])
        self.template = template

    @torch.no_grad()
    def images(self, pictures: Tensor) -> Tensor:
        """Embeddings of unit length (N, D) of pictures (N, 3, H, W) in [0, 1]."""
        resized = F.interpolate(
            pictures, (self.side, self.side), mode="bicubic", align_corners=False, antialias=True
        )
        inputs = (resized.clamp(0, 1) - self.mean) / self.deviation
        return _unit(self.model.get_image_features(pixel_values=inputs))

    @torch.no_grad()
    def texts(self, phrases: Sequence[str]) -> Tensor:
        """Embeddings of unit length (M, D)."""
        written = [self.template.format(phrase) for phrase in phrases]
        # SigLIP was trained with texts padded to its full length.
        padding = "max_length" if "siglip" in self.model.config.model_type else True
        tokens = self.tokenizer(written, padding=padding, truncation=True, return_tensors="pt")
        return _unit(self.model.get_text_features(**tokens))


def _unit(features: Any) -> Tensor:
    found = features if isinstance(features, Tensor) else features.pooler_output
    return F.normalize(found, dim=-1)


def crops(pictures: Tensor, rows: Sequence[int], boxes: Sequence[Sequence[int]]) -> Tensor:
    """Cut boxes (left, top, right, bottom) out of pictures, each resized to the picture's size."""
    size = pictures.shape[2:]
    return torch.cat(
        [
            F.interpolate(
                pictures[row : row + 1, :, top:bottom, left:right],
                size,
                mode="bilinear",
                align_corners=False,
            )
            for row, (left, top, right, bottom) in zip(rows, boxes, strict=True)
        ]
    )
