"""Pictures of what excites a unit, for people."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sterling.explain.neurons.encoders import crops
from sterling.explain.neurons.explanation import NeuronExplanation

SHOWN = 8
GAP = 2  # pixels between patches


def patch_strip(pictures: Tensor, explanation: NeuronExplanation) -> NDArray[np.uint8]:
    """Draw a unit's first patches side by side, uint8 (H, W, 3).

    Args:
        pictures: Pictures that the explanation was made on, (N, 3, H, W) in [0, 1].
        explanation: Explanation of a unit that is not dead.
    """
    cut = crops(pictures, explanation.pictures[:SHOWN], explanation.boxes[:SHOWN])
    pixels = (255 * cut).round().byte().numpy().transpose(0, 2, 3, 1)
    height, width = pixels.shape[1:3]
    strip = np.full((height, len(pixels) * (width + GAP) - GAP, 3), 255, dtype=np.uint8)
    for place, patch in enumerate(pixels):
        left = place * (width + GAP)
        strip[:, left : left + width] = patch
    return strip
