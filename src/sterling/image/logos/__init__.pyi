from .brands import Brand, brand_masks, load_brands, trained_brands
from .crops import crop_boxes
from .gallery import (
    LogoGallery,
    LogoModels,
    Sight,
    enroll,
    identify,
    load_models,
)
from .localiser import LogoBoxes, LogoLocaliser, train_localiser
from .network import LogoDesign, LogoFeatures, LogoNetwork
from .reading import logo_box
from .render import Camera, LogoPictures, render_logos
from .scenes import LogoScenes, render_scenes
from .training import LogoTraining, train_logos
from .vectors import draw_svg, fill_outlines

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
