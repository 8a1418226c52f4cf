"""Small pictures: few-shot data and networks, adversarial pictures, and logos."""

from sterling.image.adversarial_tasks import AdversarialTasks, AttackedImages, attack_images
from sterling.image.attacks import Strength, attack
from sterling.image.backbones import ConvBlock, ResidualBlock, conv4, resnet12
from sterling.image.class_folders import few_shot_data, read_class_folders
from sterling.image.glyphs import draw_glyphs
from sterling.image.labelled_images import (
    LabelledImages,
    scan_digits,
    split_classes,
    with_rotations,
)
from sterling.image.logos import LogoDesign, LogoNetwork
from sterling.image.meta_adversarial import adversarial_detector, detect

__all__ = [
    "AdversarialTasks",
    "AttackedImages",
    "ConvBlock",
    "LabelledImages",
    "LogoDesign",
    "LogoNetwork",
    "ResidualBlock",
    "Strength",
    "adversarial_detector",
    "attack",
    "attack_images",
    "conv4",
    "detect",
    "draw_glyphs",
    "few_shot_data",
    "read_class_folders",
    "resnet12",
    "scan_digits",
    "split_classes",
    "with_rotations",
]
