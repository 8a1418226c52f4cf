"""Light on surfaces: visible light from sky and key light, and active infrared illumination."""

from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from sterling.face.capture.geometry import GBuffer
from sterling.face.capture.head import head_model
from sterling.face.capture.surface import Surface


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
    """How much of the key light and of the sky reaches each point of a head, (B, R, R) each.

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
