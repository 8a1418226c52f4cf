"""Attacks worn on a living face: obfuscating make-up and adversarial stickers."""

import numpy as np
import torch
from torch import Tensor

from sterling.face.capture.head import SKIN
from sterling.face.capture.skin import Canvas, smoothstep
from sterling.face.capture.surface import Surface


def make_up(surface: Surface, where: Canvas, strength: Tensor, colour: Tensor) -> Surface:
    """Heavy make-up: foundation that evens the skin, contours, dark eyes, saturated lips.

    Args:
        surface: Living people, B pictures.
        where: Their canvas.
        strength: In [0, 1], (B,).
        colour: Linear RGB of lips and eye shadow (B, 3).
    """
    x, y, z = where.canonical.unbind(-1)
    x = x.abs()
    amount = strength[:, None, None] * (where.part == SKIN) * (1 - where.hair) * (y > -0.12)
    skin = amount[..., None]
    base = (surface.albedo * skin).sum((1, 2)) / skin.sum((1, 2)).clamp_min(1)
    foundation = (base * torch.tensor([1.12, 1.08, 1.02]))[:, None, None]
    keep = torch.maximum(torch.maximum(where.lips, where.brow), where.lid)
    albedo = torch.lerp(surface.albedo, foundation, (0.9 * amount * (1 - keep))[..., None])
    # Dark hollows of the cheeks and sides of the nose, bright ridge: another relief is painted on.
    hollow = torch.exp(-(((x - 0.052 - 0.25 * (y + 0.04)) / 0.009) ** 2) - ((y + 0.05) / 0.02) ** 2)
    hollow = hollow + torch.exp(-(((x - 0.0125) / 0.0035) ** 2) - ((y + 0.020) / 0.022) ** 2)
    ridge = torch.exp(-((x / 0.0035) ** 2) - ((y + 0.018) / 0.022) ** 2)
    albedo = albedo * (1 + amount * (0.40 * ridge - 0.58 * hollow))[..., None]
    shadow = torch.exp(-(((x - 0.034) / 0.016) ** 2) - ((y - 0.007) / 0.0085) ** 2) * (z > -0.01)
    tone = colour[:, None, None]
    albedo = torch.lerp(albedo, 0.35 * tone, (0.75 * amount * shadow)[..., None])
    albedo = torch.lerp(albedo, tone, (0.85 * amount * where.lips)[..., None])
    blush = torch.exp(-(((x - 0.05) / 0.014) ** 2) - ((y + 0.028) / 0.011) ** 2)
    albedo = torch.lerp(albedo, 0.7 * tone + 0.3 * foundation, (0.35 * amount * blush)[..., None])
    return Surface(
        albedo.clamp(0.002, 0.95),
        torch.lerp(surface.infrared, torch.tensor(0.58), 0.5 * amount),
        surface.specular * (1 - 0.6 * amount * (1 - where.lips)),
        surface.gloss,
        surface.wrap * (1 - 0.5 * amount)[..., None],
        torch.nn.functional.normalize(
            torch.lerp(surface.bump, where.normal, (0.75 * amount)[..., None]), dim=-1
        ),
    )


def stick_patch(surface: Surface, where: Canvas, pattern: Tensor, place: Tensor) -> Surface:
    """A printed sticker on the face.

    Args:
        surface: Living people, B pictures.
        where: Their canvas.
        pattern: Linear RGB (B, 3, P, P), any pattern; optimising it is not this room's business.
        place: Centre and half sides on the mean head, x, y, half width, half height in metres,
            (B, 4).
    """
    at = where.canonical
    centre, half = place[:, None, None, :2], place[:, None, None, 2:]
    local = (at[..., :2] - centre) / half
    inside = (local.abs() < 1).all(-1) & (where.part == SKIN) & (at[..., 2] > -0.03)
    grid = local * torch.tensor([1.0, -1.0])
    ink = torch.nn.functional.grid_sample(pattern, grid, mode="nearest", align_corners=False)
    border = smoothstep(0.93, 0.98, local.abs().amax(-1))[..., None]
    colour = torch.lerp(ink.movedim(1, -1) * 0.8 + 0.03, torch.tensor(0.75), border)
    on = inside[..., None]
    return Surface(
        torch.where(on, colour, surface.albedo),
        torch.where(inside, 0.72, surface.infrared),
        torch.where(inside, 0.02, surface.specular),
        torch.where(inside, 10.0, surface.gloss),
        torch.where(on, 0.0, surface.wrap),
        torch.where(on, where.normal, surface.bump),
    )


def random_pattern(rng: np.random.Generator, cells: int = 12) -> Tensor:
    """High-contrast colour cells, linear RGB float32 (3, cells, cells)."""
    return torch.from_numpy(rng.beta(0.35, 0.35, (3, cells, cells)).astype(np.float32))
