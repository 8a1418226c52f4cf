"""Names that the cells, views and claims of the benchmark share."""

from sterling.privacy.targets.training import Recipe
from sterling.privacy.unlearning import Descent, train_by_recipe, unlearning_methods

Figures = dict[str, dict[str, float]]
"""For every method its figures by name, in one repetition."""

RETRAINED, UNTOUCHED = "retrain", "no unlearning"
REWOUND = "SCRUB+R"
OWN_TRAINING = ("SISA", "amnesiac")
"""Methods that train models of their own."""
CLASSIFIER_METHODS = (
    *unlearning_methods(train_by_recipe(Recipe()), Descent()),
    REWOUND,
    *OWN_TRAINING,
)
