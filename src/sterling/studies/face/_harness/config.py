"""Configurations of face studies: captures, and the training of detectors."""

from pydantic import Field

from sterling.face.pad import TrainConfig
from sterling.face.pad.training.config import Schedule
from sterling.study import Config


class CaptureConfig(Config):
    """Captures of a face study.

    Attributes:
        data: Presentations to use instead of simulated captures: a manifest, a folder with
            ``live/`` and ``spoof/<species>/``, or a public data set. Repetitions then differ in the
            weights, and in the division of subjects where the data are not divided.
        official: Official protocol of the public data set at `data`; None for its first one.
        cropped: Whether the pictures at `data` are face crops already.
        protocol: Protocol of the simulated captures.
        subjects: Simulated subjects for training, development and test.
        captures: Captures for training, development and test, half of them bona fide.
        size: Side of the crops in pixels.
        frames: Frames of a presentation; more than one gives clips.
        rate: Frames per second of clips.
        seeds: Number of repetitions, with other captures and other weights.
    """

    official: str | None = None
    cropped: bool = False
    protocol: str = "default"
    subjects: tuple[int, int, int] = (18, 8, 18)
    captures: tuple[int, int, int] = (800, 120, 360)
    size: int = Field(default=64, ge=16, multiple_of=8)
    frames: int = Field(default=1, ge=1)
    rate: float = Field(default=25.0, gt=0)
    seeds: int = Field(default=5, ge=1)

    @property
    def source(self) -> str:
        """Name of the captures."""
        if self.data is not None:
            return f"presentations at {self.data}"
        return f"simulated captures, protocol {self.protocol!r}"


class FaceConfig(CaptureConfig):
    """Configuration that all comparisons of detectors share.

    Attributes:
        width: Channels of the networks' stems; 64 is what is published.
        epochs: Passes over the training captures.
        learning_rate: Learning rate of the first epoch, after the warm-up.
        warmup_steps: Steps over which the learning rate rises.
        schedule: "step", or "cosine" (see `TrainConfig`).
        step_epochs: Epochs between two changes of the learning rate.
        step_factor: Factor of each change.
        batch_size: Captures per step.
        augment: Whether to use the released augmentation. Off in `quick`: our choice for few
            epochs.
    """

    width: int = Field(default=8, ge=1)
    epochs: int = Field(default=3, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    warmup_steps: int = Field(default=0, ge=0)
    schedule: Schedule = "step"
    step_epochs: int = Field(default=1, ge=1)
    step_factor: float = Field(default=0.4, gt=0, le=1)
    batch_size: int = Field(default=8, ge=1)
    augment: bool = False

    def training(self, seed: int) -> TrainConfig:
        """Return the training configuration for this seed."""
        return TrainConfig(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            warmup_steps=self.warmup_steps,
            schedule=self.schedule,
            step_epochs=self.step_epochs,
            step_factor=self.step_factor,
            augment=self.augment,
            seed=seed,
        )
