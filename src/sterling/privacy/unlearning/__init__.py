"""Unlearning: make a trained model forget some of its records.

Every method is one function of a model, the examples to forget, the examples to retain and a
generator; `unlearning_methods` builds them by name::

    forget, retain = split_deletion_request(training, forget_ids)
    methods = unlearning_methods(train_by_recipe(recipe), Descent(steps=60, learning_rate=3e-3))
    unlearned = methods["NPO"](model, forget, retain, torch.Generator().manual_seed(0))
"""

from sterling.privacy.unlearning.amnesiac import amnesiac, fit_amnesiac
from sterling.privacy.unlearning.descent import Descent
from sterling.privacy.unlearning.exact import (
    Sisa,
    SisaConfig,
    fit_sisa,
    sisa,
    train_by_recipe,
    train_by_steps,
)
from sterling.privacy.unlearning.examples import IGNORED, Examples, split_deletion_request
from sterling.privacy.unlearning.registry import METHODS, Method, unlearning_methods

__all__ = [
    "IGNORED",
    "METHODS",
    "Descent",
    "Examples",
    "Method",
    "Sisa",
    "SisaConfig",
    "amnesiac",
    "fit_amnesiac",
    "fit_sisa",
    "sisa",
    "split_deletion_request",
    "train_by_recipe",
    "train_by_steps",
    "unlearning_methods",
]
