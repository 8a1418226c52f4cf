"""Sensors: from scene radiance to the pixels that are stored, as pure functions of one picture."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[Any]  # float32
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)


@dataclass(frozen=True)
class Sensor:
    """A camera and its processing.

    Attributes:
        name: Identifier.
        sharpness: Native pixels across a face crop; fewer than are stored means upsampled.
        blur: Optical blur, standard deviation in native pixels.
        full_well: Photo-electrons at white in office light; sets the shot noise.
        read: Read noise, standard deviation in electrons.
        white_balance: Share of the illuminant's colour that is removed, 0 to 1.
        contrast: Strength of the tone curve's S, 0 to 1.
        saturation: Colour gain around grey.
        halo: Strength of unsharp masking.
        jpeg: Quality of the stored JPEG, 1 to 100.
    """

    name: str
    sharpness: int
    blur: float
    full_well: float
    read: float
    white_balance: float
    contrast: float
    saturation: float
    halo: float
    jpeg: int


SENSORS: dict[str, Sensor] = {
    sensor.name: sensor
    for sensor in (
        Sensor("phone", 190, 0.56, 32000, 8, 0.92, 0.36, 1.08, 0.42, 92),
        Sensor("webcam", 164, 0.62, 17000, 14, 0.86, 0.30, 1.00, 0.40, 88),
        Sensor("terminal", 172, 0.58, 24000, 10, 0.88, 0.26, 0.98, 0.38, 91),
        Sensor("tablet", 164, 0.60, 20000, 12, 0.88, 0.35, 1.06, 0.46, 88),
        Sensor("laptop", 150, 0.66, 13000, 16, 0.80, 0.32, 0.95, 0.40, 84),
        Sensor("reflex", 240, 0.50, 90000, 6, 0.97, 0.26, 1.00, 0.34, 96),
        Sensor("surveillance", 44, 0.70, 3000, 20, 0.60, 0.35, 0.90, 0.60, 60),
    )
}


def exposure(radiance: Picture, weight: Picture, rng: np.random.Generator) -> np.float32:
    """Automatic exposure: the weighted log-average of luminance goes to middle grey, give or take.

    Args:
        radiance: Linear RGB (H, W, 3).
        weight: Metering weights (H, W).
        rng: Source of the metering error (0.35 stops, standard deviation).

    Returns:
        The gain for this picture, and for the other frames of its clip.
    """
    luminance = radiance @ LUMINANCE
    average = np.exp((np.log(luminance + 1e-4) * weight).sum() / weight.sum())
    return np.float32(0.17 / average * 2 ** rng.normal(0, 0.35))


def white_balance(
    sensor: Sensor, illuminant: Picture, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Gains of the channels (3,) that keep luminance: most of the light's colour is removed.

    Args:
        sensor: The camera.
        illuminant: Linear RGB of the light, luminance 1, (3,).
        rng: Source of the estimate's error (10 % a channel).
    """
    gains = illuminant ** np.float32(-sensor.white_balance)
    gains = gains * np.exp(rng.normal(0, 0.10, 3)).astype(np.float32)
    return (gains / (gains @ LUMINANCE)).astype(np.float32)


def develop(
    radiance: Picture,
    sensor: Sensor,
    balance: Picture,
    level: float,
    size: int,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Optics, photon and read noise, white balance, tone, sharpening and JPEG.

    Args:
        radiance: Exposed linear RGB (R, R, 3), about 1 at white.
        sensor: The camera.
        balance: Gains of the channels (3,).
        level: Light on the scene, 1 in an office.
        size: Side of the stored picture in pixels.
        rng: Source of noise.

    Returns:
        uint8 (size, size, 3), sRGB.
    """
    side = radiance.shape[0]
    native = min(sensor.sharpness, side)
    spread = sensor.blur * side / native
    seen: Picture = cv2.GaussianBlur(radiance, (0, 0), spread, borderType=cv2.BORDER_REFLECT)
    if native < side:
        seen = cv2.resize(seen, (native, native), interpolation=cv2.INTER_AREA)
    electrons = np.float32(sensor.full_well * min(level, 2.0) ** 0.7)
    noise = rng.standard_normal(seen.shape, dtype=np.float32)
    sigma = np.sqrt(seen.clip(0) / electrons + (sensor.read / electrons) ** 2)
    seen = seen + noise * sigma
    seen = seen * balance
    grey = (seen @ LUMINANCE)[..., None]
    seen = np.maximum(grey + np.float32(sensor.saturation) * (seen - grey), 0)
    # A filmic shoulder keeps highlights from clipping at once.
    seen = seen * (1 + seen / 4.0) / (1 + seen)
    coded = to_srgb((seen * 1.55).clip(0, 1))
    coded = coded + sensor.contrast * (coded * coded * (3 - 2 * coded) - coded)
    if native != size:
        way = cv2.INTER_AREA if native > size else cv2.INTER_CUBIC
        coded = cv2.resize(coded, (size, size), interpolation=way)
    if sensor.halo:
        coded = coded + sensor.halo * (coded - cv2.GaussianBlur(coded, (0, 0), 1.1))
    pixels = np.rint(coded.clip(0, 1) * 255).astype(np.uint8)
    return jpeg(pixels, sensor.jpeg)


def jpeg(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Encode and decode one RGB picture (H, W, 3)."""
    _, code = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), dtype=np.uint8)
    return np.ascontiguousarray(decoded[..., ::-1])


def to_srgb(linear: Picture) -> Picture:
    """Code values in sRGB of linear light in [0, 1]."""
    curved = 1.055 * linear.clip(0.0031308) ** (1 / 2.4) - 0.055
    coded = np.where(linear <= 0.0031308, 12.92 * linear, curved)
    return coded.astype(np.float32)


def to_linear(coded: Picture) -> Picture:
    """Linear light of sRGB code values in [0, 1]."""
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055).clip(0) ** 2.4)
    return linear.astype(np.float32)
