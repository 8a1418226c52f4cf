"""The face recognition network of dlib, ResNet-29, as a PyTorch module with its weights shipped.

`ResNet29.pretrained` takes crops of 150 × 150 pixels, aligned by `face_chip`, to vectors of 128
numbers. The Euclidean distance of two vectors says how unlike two faces are; dlib's documentation
calls faces nearer than 0.6 the same person. `sterling.face.recognition.embed` is the whole way from
a photograph, and runs the same weights under ONNX Runtime, without PyTorch.

Source: D. E. King, dlib's ``dlib_face_recognition_resnet_model_v1`` (2017), public domain (CC0).
``resnet29.json`` says where the weights come from.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.face.recognition.chip import DIMENSION

MEAN = (122.782, 117.001, 104.298)
"""Red, green and blue that are taken from a pixel, 0 to 255, before it is divided by 256."""

WEIGHTS = Path(__file__).with_name("resnet29.safetensors")
"""Weights in 8 bits; ``tools/build_resnet29.py`` makes the file from the published one."""


BLOCKS = (
    ("conv32_1", 32, 32),
    ("conv32_2", 32, 32),
    ("conv32_3", 32, 32),
    ("conv64_down", 32, 64),
    ("conv64_1", 64, 64),
    ("conv64_2", 64, 64),
    ("conv64_3", 64, 64),
    ("conv128_down", 64, 128),
    ("conv128_1", 128, 128),
    ("conv128_2", 128, 128),
    ("conv256_down", 128, 256),
    ("conv256_1", 256, 256),
    ("conv256_2", 256, 256),
    ("conv256_down_out", 256, 256),
)
"""Name, input and output channels of each block; those with "down" halve the sides."""


class Block(nn.Module):
    """Two 3 × 3 convolutions with a path around them.

    In a block that halves the sides, the path around averages 2 × 2 pixels, missing channels are
    zero, and the convolutions' output is padded with zeros to the same sides, as dlib does.

    Args:
        inputs: Input channels.
        width: Output channels.
        down: Whether the sides are halved.
    """

    def __init__(self, inputs: int, width: int, *, down: bool) -> None:
        super().__init__()
        self.down, self.added = down, width - inputs
        self.conv1 = nn.Conv2d(inputs, width, 3, stride=2 if down else 1, padding=0 if down else 1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """Maps (N, width, h, w) of maps (N, inputs, H, W)."""
        changed: Tensor = self.conv2(self.conv1(images).relu())
        if self.down:
            images = F.avg_pool2d(images, 2)
            images = F.pad(images, (0, 0, 0, 0, 0, self.added))
            rows, columns = (
                a - b for a, b in zip(images.shape[2:], changed.shape[2:], strict=True)
            )
            changed = F.pad(changed, (0, columns, 0, rows))
        return (changed + images).relu()


class ResNet29(nn.Module):
    """Twenty-nine convolutions from an aligned face to 128 numbers; 5.6 million weights.

    Affine layers of the published network are part of the convolutions. The vectors are not
    normalised; their lengths are about 1.4.

    Args:
        seed: Seed of the initial weights.

    Examples:
        >>> import torch
        >>> network = ResNet29.pretrained()
        >>> tuple(network(torch.zeros(1, 3, 150, 150)).shape)
        (1, 128)
    """

    mean: Tensor

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.stem = nn.Conv2d(3, 32, 7, stride=2)
            self.blocks = nn.ModuleDict(
                {name: Block(inputs, width, down="down" in name) for name, inputs, width in BLOCKS}
            )
            self.head = nn.Linear(256, DIMENSION, bias=False)
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)

    @classmethod
    def pretrained(cls) -> "ResNet29":
        """Build the network with dlib's weights, for inference; ``train()`` allows more training.

        The published weights have 8 bits. Measured on 22 faces, their vectors lie 0.04 from those
        of dlib, where faces of two people lie 0.6 and more apart.
        """
        from safetensors.torch import load_file

        network = cls()
        network.load_state_dict(dequantised(load_file(WEIGHTS)))
        return network.train(mode=False)

    def forward(self, images: Tensor) -> Tensor:
        """Vectors (N, 128) of aligned crops (N, 3, 150, 150), RGB, 0 to 255, uint8 or float."""
        maps = self.stem((images.to(self.head.weight.dtype) - self.mean) / 256).relu()
        maps = F.max_pool2d(maps, 3, 2)
        for block in self.blocks.values():
            maps = block(maps)
        vectors: Tensor = self.head(maps.mean((2, 3)))
        return vectors


def dequantised(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of `ResNet29` from those in ``resnet29.safetensors``.

    Args:
        stored: Weights, of which ``NAME`` of type uint8 stands for
            ``(NAME - NAME.zero) * NAME.scale``, by the first axis.
    """
    return {
        name: _real(values, stored.get(f"{name}.scale"), stored.get(f"{name}.zero"))
        for name, values in stored.items()
        if not name.endswith((".scale", ".zero"))
    }


def _real(values: Tensor, scale: Tensor | None, zero: Tensor | None) -> Tensor:
    if scale is None or zero is None:
        return values
    shape = (-1, *(1,) * (values.ndim - 1))
    return (values.float() - zero.float().reshape(shape)) * scale.reshape(shape)
