"""Illumination: what light stands where, and the light of black bodies."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Illumination:
    """One ambient and one key light; sessions vary around it.

    Attributes:
        name: Identifier.
        ambient, key: Relative irradiance of the sky and of the key light.
        ambient_kelvin, key_kelvin: Colour temperatures.
        azimuth: Of the key light in degrees, 0 from the camera, positive from picture right.
        elevation: Of the key light in degrees above the camera's horizon.
        softness: 0 a hard key light with crisp shadows, 1 a large soft one.
        level: Light on the scene relative to an office; sensors are noisier where it is low.
    """

    name: str
    ambient: float
    key: float
    ambient_kelvin: float
    key_kelvin: float
    azimuth: float
    elevation: float
    softness: float
    level: float


ILLUMINATIONS: dict[str, Illumination] = {
    light.name: light
    for light in (
        Illumination("office", 0.65, 0.55, 4200, 4200, 10, 55, 0.9, 1.0),
        Illumination("window", 0.35, 1.0, 6800, 5800, -55, 20, 0.7, 1.4),
        Illumination("overcast", 0.95, 0.35, 7200, 6800, 20, 70, 1.0, 2.5),
        Illumination("lamp", 0.25, 0.9, 3000, 2800, 40, 30, 0.4, 0.5),
        Illumination("sunlight", 0.40, 1.4, 7500, 5400, 35, 40, 0.25, 5.0),
        Illumination("hard_side", 0.18, 1.2, 4800, 4300, 68, 12, 0.15, 0.8),
        Illumination("top_light", 0.22, 1.1, 4000, 3800, -5, 78, 0.4, 0.7),
        Illumination("low_light", 0.55, 0.35, 3300, 3600, -25, 35, 0.8, 0.12),
    )
}


def black_body(kelvin: float) -> NDArray[np.float32]:
    """Linear sRGB of a black body of 1667 to 25000 K, scaled to luminance 1, float32 (3,).

    The chromaticity is the cubic approximation of the Planckian locus by Kim et al. (2002).
    """
    t = 1e3 / kelvin
    if kelvin < 4000:
        x = -0.2661239 * t**3 - 0.2343589 * t**2 + 0.8776956 * t + 0.179910
    else:
        x = -3.0258469 * t**3 + 2.1070379 * t**2 + 0.2226347 * t + 0.240390
    if kelvin < 2222:
        y = -1.1063814 * x**3 - 1.34811020 * x**2 + 2.18555832 * x - 0.20219683
    elif kelvin < 4000:
        y = -0.9549476 * x**3 - 1.37418593 * x**2 + 2.09137015 * x - 0.16748867
    else:
        y = 3.0817580 * x**3 - 5.87338670 * x**2 + 3.75112997 * x - 0.37001483
    xyz = np.array([x / y, 1.0, (1 - x - y) / y])
    to_rgb = np.array(
        [
            [3.2404542, -1.5371385, -0.4985314],
            [-0.9692660, 1.8760108, 0.0415560],
            [0.0556434, -0.2040259, 1.0572252],
        ]
    )
    colour: NDArray[np.float32] = (to_rgb @ xyz).clip(0.01).astype(np.float32)
    return colour
