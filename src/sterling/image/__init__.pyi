from .adversarial_tasks import AdversarialTasks, AttackedImages, attack_images
from .attacks import Strength, attack
from .backbones import ConvBlock, ResidualBlock, conv4, resnet12
from .class_folders import few_shot_data, read_class_folders
from .glyphs import draw_glyphs
from .labelled_images import (
    LabelledImages,
    scan_digits,
    split_classes,
    with_rotations,
)
from .logos import LogoDesign, LogoNetwork
from .meta_adversarial import adversarial_detector, detect

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
