"""Logos: drawings of brands, rendered pictures, the network that attends to them, and galleries."""

from sterling.image.logos.brands import Brand, brand_masks, load_brands, trained_brands
from sterling.image.logos.crops import crop_boxes, logo_box
from sterling.image.logos.gallery import (
    LogoGallery,
    LogoModels,
    Sight,
    enroll,
    identify,
    load_models,
)
from sterling.image.logos.localiser import LogoBoxes, LogoLocaliser, train_localiser
from sterling.image.logos.network import LogoDesign, LogoFeatures, LogoNetwork
from sterling.image.logos.render import Camera, LogoPictures, render_logos
from sterling.image.logos.scenes import LogoScenes, render_scenes
from sterling.image.logos.training import LogoTraining, train_logos
from sterling.image.logos.vectors import draw_svg, fill_outlines

__all__ = [
    "Brand",
    "Camera",
    "LogoBoxes",
    "LogoDesign",
    "LogoFeatures",
    "LogoGallery",
    "LogoLocaliser",
    "LogoModels",
    "LogoNetwork",
    "LogoPictures",
    "LogoScenes",
    "LogoTraining",
    "Sight",
    "brand_masks",
    "crop_boxes",
    "draw_svg",
    "enroll",
    "fill_outlines",
    "identify",
    "load_brands",
    "load_models",
    "logo_box",
    "render_logos",
    "render_scenes",
    "train_localiser",
    "train_logos",
    "trained_brands",
]
