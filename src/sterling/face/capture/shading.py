"""Light on surfaces: illuminations, optical properties, shading in visible and infrared light."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from sterling.face.capture.geometry import GBuffer
from sterling.face.capture.head import head_model


@dataclass(frozen=True, eq=False)
class Surface:
    """Optical properties of B pictures of R × R points.

    Attributes:
        albedo: Linear RGB diffuse reflectance (B, R, R, 3).
        infrared: Diffuse reflectance at 850 nm (B, R, R).
        specular: Strength of the highlight (B, R, R), 0.04 for most dielectrics.
        gloss: Blinn exponent of the highlight (B, R, R).
        wrap: Reach of red, green, blue light past the terminator, 0 to 1,
            (B, R, R, 3): the subsurface scattering of skin, none of paper.
        bump: Unit normals in camera axes after relief finer than the mesh (B, R, R, 3).
    """

    albedo: Tensor
    infrared: Tensor
    specular: Tensor
    gloss: Tensor
    wrap: Tensor
    bump: Tensor


@dataclass(frozen=True)
class Illumination:
    """One ambient and one key light; sessions vary around it.

    Attributes:
        name: Identifier.
        ambient, key: Relative irradiance of the sky and of the key light.
        ambient_kelvin, key_kelvin: Colour temperatures.
        azimuth: Azimuth of the key light in degrees, 0 from the camera, positive from the right.
        elevation: Elevation of the key light in degrees above the camera's horizon.
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


@dataclass(frozen=True, eq=False)
class Light:
    """The light on B pictures.

    Attributes:
        direction: Unit vectors towards the key light in camera axes, float32 (B, 3).
        key, ambient: Linear RGB irradiance, float32 (B, 3).
        softness: 0 hard to 1 soft, float32 (B,).
    """

    direction: Tensor
    key: Tensor
    ambient: Tensor
    softness: Tensor


def key_visibility(buffer: GBuffer, light: Light) -> tuple[Tensor, Tensor]:
    """Share of the key light and of the sky that reaches each point of a head, (B, R, R).

    Visibility was cast once on the mean head; here it is averaged over the directions near the
    light, which gives shadows without shadow rays.
    """
    model = head_model()
    local = torch.einsum("bji,bj->bi", buffer.turn, light.direction)
    sharpness = 60 * (1 - light.softness[:, None]) + 6
    weight = torch.softmax(sharpness * (local @ model.sky.T), dim=1)
    key = weight @ _visible().T
    both = torch.stack([key, _openness().expand_as(key)], -1)
    # On a triangle's edge a weight may round to below 0, and so may what it interpolates.
    found = buffer.gather(both, model.triangles)
    return found[..., 0].clamp(0, 1), (2.2 * found[..., 1]).clamp(0, 1)


@cache
def _visible() -> Tensor:
    """`HeadModel.visible` as numbers, float32 (V, D)."""
    return head_model().visible.float()


@cache
def _openness() -> Tensor:
    """The share of the sky, brighter above, that each vertex of the mean head sees, (V,)."""
    up = torch.tensor([0.0, 1.0, 0.0])
    return _visible() @ F.normalize(1 + 0.6 * head_model().sky @ up, p=1, dim=0)


def shade(
    surface: Surface, view: Tensor, light: Light, key_seen: Tensor, sky_seen: Tensor
) -> Tensor:
    """Radiance towards the camera: wrapped diffuse, Blinn highlight, Fresnel sheen of the sky.

    Args:
        surface: B surfaces.
        view: Unit vectors towards the camera (B, R, R, 3).
        light: The light of each.
        key_seen: Visible share of the key light (B, R, R).
        sky_seen: Visible share of the sky (B, R, R).

    Returns:
        Linear RGB (B, R, R, 3).
    """
    toward = light.direction[:, None, None]
    key, ambient = light.key[:, None, None], light.ambient[:, None, None]
    facing = (surface.bump * toward).sum(-1, keepdim=True)
    diffuse = (facing + surface.wrap).clamp_min(0) / (1 + surface.wrap) ** 2
    # Light that scattered under the skin also softens the edge of a shadow.
    shadow = torch.lerp(key_seen[..., None], key_seen[..., None].sqrt(), surface.wrap)
    half = F.normalize(toward + view, dim=-1)
    lobe = (surface.bump * half).sum(-1).clamp_min(0) ** surface.gloss
    lobe = lobe * (surface.gloss + 8) / 25 * (facing[..., 0] > 0) * key_seen
    facing_view = (surface.bump * view).sum(-1).clamp(0, 1)
    fresnel = surface.specular + (1 - surface.specular) * (1 - facing_view) ** 5 * 0.25
    up = 0.65 + 0.35 * surface.bump[..., 1:2]
    radiance = surface.albedo * (key * diffuse * shadow + ambient * up * sky_seen[..., None])
    return (
        radiance
        + key * (surface.specular * lobe)[..., None]
        + ambient * (0.5 * fresnel * sky_seen * (surface.specular > 0))[..., None]
    )


def infrared_radiance(surface: Surface, view: Tensor, depth: Tensor) -> Tensor:
    """Radiance at 850 nm under a lamp beside the lens, relative to a white wall at 1 m, (B, R, R).

    Args:
        surface: B surfaces.
        view: Unit vectors towards the camera, which is where the lamp is (B, R, R, 3).
        depth: Distances in metres (B, R, R), 0 where nothing is.
    """
    facing = (surface.bump * view).sum(-1).clamp(0, 1)
    lobe = facing**surface.gloss * (surface.gloss + 8) / 25
    near = torch.where(depth > 0, 1 / depth.clamp_min(0.1) ** 2, 0.0)
    return near * (surface.infrared * facing + surface.specular * lobe)
