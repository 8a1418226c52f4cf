"""Unlearning: make a trained model forget some of its records. One file per method."""

from sterling.privacy.unlearning.amnesiac import AmnesiacConfig, amnesiac, fit_amnesiac
from sterling.privacy.unlearning.catalogue import catalogue
from sterling.privacy.unlearning.descent import Descent
from sterling.privacy.unlearning.examples import IGNORED, Examples, split_request
from sterling.privacy.unlearning.method import Method
from sterling.privacy.unlearning.retrain import RetrainConfig, train_by_recipe, train_by_steps
from sterling.privacy.unlearning.sisa import Sisa, SisaConfig, fit_sisa, sisa

__all__ = [
    "IGNORED",
    "AmnesiacConfig",
    "Descent",
    "Examples",
    "Method",
    "RetrainConfig",
    "Sisa",
    "SisaConfig",
    "amnesiac",
    "catalogue",
    "fit_amnesiac",
    "fit_sisa",
    "sisa",
    "split_request",
    "train_by_recipe",
    "train_by_steps",
]
