"""Small pictures: few-shot data and the networks that learn from them."""

from sterling.image.backbones import ConvBlock, ResidualBlock, conv4, resnet12
from sterling.image.class_folders import read_class_folders
from sterling.image.few_shot_data import few_shot_data
from sterling.image.glyphs import draw_glyphs
from sterling.image.labelled_images import (
    LabelledImages,
    scan_digits,
    split_classes,
    with_rotations,
)

__all__ = [
    "ConvBlock",
    "LabelledImages",
    "ResidualBlock",
    "conv4",
    "draw_glyphs",
    "few_shot_data",
    "read_class_folders",
    "resnet12",
    "scan_digits",
    "split_classes",
    "with_rotations",
]
