"""Movement before the camera over a clip: of a head, or of an instrument in a hand."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HERTZ = (0.15, 0.5)


@dataclass(frozen=True)
class Sway:
    """Amplitudes of slow oscillations; each axis has a frequency of its own, 0.15 to 0.5 a second.

    They are the same for heads and for instruments, so that *how much* a presentation moves does
    not tell what it is: only how it moves does. The figures are ours.

    Attributes:
        turn: Yaw, pitch and roll, degrees.
        drift: To the side and upwards, as a share of half the field of view.
    """

    turn: tuple[float, float, float]
    drift: float


# Root mean square, a head turns by 6 degrees and drifts by 9 mm a second, as a person's does who
# stands quietly and looks at a telephone.
AT_REST = Sway((4.0, 2.5, 1.5), 0.05)
# Asked to turn the head to both sides: 30 degrees a second.
TURNING = Sway((20.0, 8.0, 3.0), 0.05)
# Seated and asked to hold still, as where a pulse is to be read: a twentieth of standing.
SEATED = Sway((0.2, 0.125, 0.075), 0.0025)


@dataclass(frozen=True)
class Clip:
    """Settings of the film of a presentation.

    Attributes:
        frames: Number of frames; 1 is a picture.
        rate: Frames per second.
        sway: Amount of movement of the filmed object.
    """

    frames: int = 1
    rate: float = 25.0
    sway: Sway = AT_REST

    @property
    def middle(self) -> int:
        """The frame that the crop is cut around, as in recorded clips."""
        return self.frames // 2


STILL = Clip()


def sway(clip: Clip, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Turns (T, 3) in degrees and drifts (T, 2), from the pose in the clip's middle frame.

    A single frame does not move, and draws nothing from `rng`.
    """
    if clip.frames == 1:
        return np.zeros((1, 3)), np.zeros((1, 2))
    amplitude = np.array([*clip.sway.turn, clip.sway.drift, clip.sway.drift])
    speed = 2 * np.pi * rng.uniform(*HERTZ, 5)
    phase = rng.uniform(0, 2 * np.pi, 5)
    time = (np.arange(clip.frames) - clip.middle) / clip.rate
    moved = amplitude * (np.sin(time[:, None] * speed + phase) - np.sin(phase))
    return moved[:, :3], moved[:, 3:]
