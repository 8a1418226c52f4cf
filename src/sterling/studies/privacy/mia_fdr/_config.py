"""Configuration of the study, and the names that its cells, claims and views share."""

from typing import Literal

from pydantic import Field

from sterling.privacy.targets.training import Recipe
from sterling.study import Config

LEAST_RECORDS = 400
ALPHAS = (0.05, 0.10, 0.15, 0.20)  # the paper's
ALPHA = 0.10
BASE = "LiRA online"
SHOWN = (BASE, "RMIA", "LiRA offline", "shadow classifier", "loss")
THINNED = 5  # of the classes that a shifted mix is poor in, one record in so many stays
TEXTS = "invented facts"
ONE_IN_TEN = "one member among ten records"
BY_SHADOW = "calibration scored by a shadow"
BLACK_BOX = "black-box surrogates"
BY_SURROGATE = "black-box surrogates, calibration scored by one"
HARDER = "calibration on harder records, loss"
MIX_APART = "shifted class mix, calibration per class, loss"
MIX_POOLED = "shifted class mix, one calibration, loss"
FLAGGED = "share of resplits flagged"
REMEMBERED = "first-stage members declared"


class MiaFdrConfig(Config):
    """Configuration of the study.

    Attributes:
        records: Data sets: "simulated", or what scikit-learn carries ("digits", ...). With a data
            folder, that folder alone.
        size: Largest number of records of each.
        seeds: Number of repetitions.
        architecture: Architecture of the target and its shadows: "softmax", "mlp" or "cnn".
        width: Hidden units or channels.
        surrogate: Architecture of the surrogates in the black-box setting.
        shadows: Number of shadow models, even.
        epochs: Passes over a model's records.
        batch_size: Records per step.
        learning_rate: Learning rate of stochastic gradient descent.
        resplits: Splits into calibration and test, per repetition.
        stages: Stages of learning in the lifelong setting.
        authors: Invented authors, of five facts each, that the language model learns about.
        text_steps: Steps of its training; few enough that not every fact is learned by heart.
    """

    records: tuple[str, ...] = ("simulated", "digits")
    size: int = Field(default=4000, ge=LEAST_RECORDS)
    seeds: int = Field(default=5, ge=1)
    architecture: Literal["softmax", "mlp", "cnn"] = "mlp"
    width: int = Field(default=128, ge=1)
    surrogate: Literal["softmax", "mlp", "cnn"] = "softmax"
    shadows: int = Field(default=32, ge=6, multiple_of=2)
    epochs: int = Field(default=40, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=0.1, gt=0)
    resplits: int = Field(default=200, ge=2)
    stages: int = Field(default=3, ge=1)
    authors: int = Field(default=400, ge=30, le=400)
    text_steps: int = Field(default=100, ge=1)

    @property
    def recipe(self) -> Recipe:
        """Training of every classifier."""
        return Recipe(
            epochs=self.epochs, batch_size=self.batch_size, learning_rate=self.learning_rate
        )
