"""Crops of pictures around boxes, as the network sees them."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sterling.image.logos.network import LogoDesign


def crop_boxes(
    picture: NDArray[np.uint8], boxes: NDArray[np.float64], design: LogoDesign
) -> Tensor:
    """Cut squares around boxes, enlarged by the margin; beyond its edge the picture is repeated.

    Args:
        picture: uint8 (H, W, 3).
        boxes: Left, top, right, bottom in pixels, (N, 4).
        design: Size of the crops and margin.

    Returns:
        uint8 (N, 3, size, size).
    """
    height, width = picture.shape[:2]
    crops = np.zeros((len(boxes), design.size, design.size, 3), np.uint8)
    for crop, (left, top, right, bottom) in zip(crops, boxes.tolist(), strict=True):
        side = max(right - left, bottom - top, 1.0) * (1 + 2 * design.margin)
        count = max(2, round(side))
        steps = (np.arange(count) + 0.5) * side / count - side / 2
        rows = np.clip(np.floor((top + bottom) / 2 + steps), 0, height - 1).astype(int)
        columns = np.clip(np.floor((left + right) / 2 + steps), 0, width - 1).astype(int)
        square = picture[rows[:, None], columns[None]]
        way = cv2.INTER_AREA if count > design.size else cv2.INTER_LINEAR
        crop[:] = cv2.resize(square, (design.size, design.size), interpolation=way)
    return torch.from_numpy(crops.transpose(0, 3, 1, 2).copy())
