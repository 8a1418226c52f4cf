"""Settings of the study."""

from typing import Annotated

from pydantic import Field

from sterling.study import Config


class NeuronExplanationConfig(Config):
    """Settings of the study.

    Attributes:
        seeds: Repetitions.
        scenes: Scenes on which units are named, and as many others on which names are checked.
        encoder_steps: Training steps of the image-text encoder.
        network_steps: Training steps of each network.
        top: Patches of each unit.
        random_units: Number of units whose patches are drawn at random.
        alpha: Share of wrong discoveries allowed among named units.
        draws: Random sets of patches of the permutation test.
        class_pictures: Pictures of each class unit, where `data` gives a folder of pictures.
    """

    seeds: Annotated[int, Field(ge=2)] = 8
    scenes: Annotated[int, Field(ge=100)] = 1500
    encoder_steps: Annotated[int, Field(ge=1)] = 400
    network_steps: Annotated[int, Field(ge=1)] = 300
    top: Annotated[int, Field(ge=2)] = 20
    random_units: Annotated[int, Field(ge=1)] = 100
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05
    draws: Annotated[int, Field(ge=100)] = 3000
    class_pictures: Annotated[int, Field(ge=2)] = 5
