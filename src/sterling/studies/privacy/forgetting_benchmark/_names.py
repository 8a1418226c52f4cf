"""Names that the cells, views and claims of the benchmark share."""

from sterling.privacy.targets.training import Recipe
from sterling.privacy.unlearning import Descent, catalogue, train_by_recipe

Figures = dict[str, dict[str, float]]
"""For every method its figures by name, in one repetition."""

RETRAINED, UNTOUCHED = "retrain", "no unlearning"
REWOUND = "SCRUB+R"
OWN_TRAINING = ("SISA", "amnesiac")
"""Methods that train models of their own."""
CLASSIFIER_METHODS = (*catalogue(train_by_recipe(Recipe()), Descent()), REWOUND, *OWN_TRAINING)
