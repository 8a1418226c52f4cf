"""Attacks worn on a face: rigid and flexible masks, obfuscating make-up, adversarial stickers."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sterling.face.capture.head import EYE, SKIN, Subject, head_model, mean_normals, shape_head
from sterling.face.capture.noise import fractal
from sterling.face.capture.shading import Surface
from sterling.face.capture.skin import Canvas, smoothstep


@dataclass(frozen=True)
class MaskMaterial:
    """Material of a mask.

    Attributes:
        offset: Thickness over the face, metres.
        smoothing: Rounds of Laplacian smoothing: the detail that casting loses.
        likeness: Share of the person's own colour pattern that is painted on, 0 to 1.
        even: Share of that pattern's fine texture that is lost, 0 to 1.
        specular, gloss: Highlight of the material.
        wrap: Light that bleeds through, for red, green and blue.
        infrared: Reflectance at 850 nm.
        grain: Relief of the material's own grain; `wavelength` its scale in metres.
        eye_holes: Living eyes look through holes; otherwise the eyes are painted.
        region: Heights on the mean head between which the mask covers (metres).
    """

    offset: float
    smoothing: int
    likeness: float
    even: float
    specular: float
    gloss: float
    wrap: tuple[float, float, float]
    infrared: float
    grain: float
    wavelength: float
    eye_holes: bool
    region: tuple[float, float] = (-0.2, 0.2)


MASKS: dict[str, MaskMaterial] = {
    "mask_plaster": MaskMaterial(
        offset=0.003,
        smoothing=8,
        likeness=0.45,
        even=0.95,
        specular=0.006,
        gloss=6,
        wrap=(0.03, 0.03, 0.03),
        infrared=0.72,
        grain=0.16,
        wavelength=0.0034,
        eye_holes=False,
    ),
    "mask_resin": MaskMaterial(
        offset=0.0015,
        smoothing=3,
        likeness=0.8,
        even=0.78,
        specular=0.1,
        gloss=55,
        wrap=(0.08, 0.06, 0.05),
        infrared=0.55,
        grain=0.03,
        wavelength=0.003,
        eye_holes=False,
    ),
    "mask_silicone": MaskMaterial(
        offset=0.0022,
        smoothing=4,
        likeness=0.75,
        even=0.9,
        specular=0.06,
        gloss=22,
        wrap=(0.62, 0.52, 0.46),
        infrared=0.48,
        grain=0.04,
        wavelength=0.004,
        eye_holes=True,
    ),
    "mask_latex": MaskMaterial(
        offset=0.0028,
        smoothing=5,
        likeness=0.65,
        even=0.82,
        specular=0.022,
        gloss=9,
        wrap=(0.18, 0.15, 0.13),
        infrared=0.6,
        grain=0.16,
        wavelength=0.006,
        eye_holes=True,
    ),
    "mask_partial": MaskMaterial(
        offset=0.0022,
        smoothing=4,
        likeness=0.7,
        even=0.9,
        specular=0.06,
        gloss=24,
        wrap=(0.3, 0.25, 0.22),
        infrared=0.5,
        grain=0.06,
        wavelength=0.0035,
        eye_holes=True,
        region=(-0.2, -0.012),
    ),
}


def mask_shape(subject: Subject, material: MaskMaterial) -> Tensor:
    """Vertices (V, 3) of a mask of a subject, with a neutral expression."""
    model = head_model()
    vertices = shape_head(subject, {})
    covered = _coverage(model.mean, material)
    movable = torch.zeros(len(vertices), dtype=torch.bool)
    movable[model.triangles[model.part == SKIN].flatten()] = True
    movable[model.triangles[model.part != SKIN].flatten()] = False
    amount = (covered * movable)[:, None]
    a, b, c = model.triangles.unbind(1)
    edges = torch.cat([torch.stack(pair, 1) for pair in ((a, b), (b, c), (c, a))])
    degree = torch.zeros(len(vertices)).index_add_(0, edges[:, 0], torch.ones(len(edges)))
    for _ in range(material.smoothing):
        total = torch.zeros_like(vertices).index_add_(0, edges[:, 0], vertices[edges[:, 1]])
        vertices = torch.lerp(vertices, total / degree.clamp_min(1)[:, None], 0.6 * amount)
    return vertices + material.offset * amount * mean_normals(vertices)


def wear_mask(
    surface: Surface, where: Canvas, material: MaskMaterial, tint: Tensor, vivid: Tensor
) -> Surface:
    """Replace skin by the material of a mask.

    Args:
        surface: The painted person, B pictures.
        where: Their canvas, on the shape of :func:`mask_shape`.
        material: Material of all B masks.
        tint: Colour error of the mask maker's pigments, linear RGB factors (B, 3).
        vivid: Strength of the painted pattern, 1 as in life (B,).
    """
    at, part = where.canonical, where.part
    covered = _coverage(at, material) * (part == SKIN) * (1 - where.hair) * (at[..., 1] > -0.13)
    if not material.eye_holes:
        covered = torch.where(part == EYE, 1.0, covered)
    skin = ((part == SKIN) & (where.hair < 0.5)).float()[..., None]
    base = (surface.albedo * skin).sum((1, 2)) / skin.sum((1, 2)).clamp_min(1)
    base = (base * tint)[:, None, None]
    coarse = fractal(at, (0.020, 0.009), where.offset + 17.0)[..., None]
    marked = torch.maximum(where.lips, where.brow).unsqueeze(-1)
    marked = torch.maximum(marked, (part == EYE)[..., None].float())
    pattern = torch.lerp(surface.albedo * tint[:, None, None], base, material.even * (1 - marked))
    pattern = (base + vivid[:, None, None, None] * (pattern - base)).clamp_min(0.002)
    likeness = material.likeness + (1 - material.likeness) * 0.75 * marked
    colour = torch.lerp(base, pattern, likeness) * (1 + 0.05 * coarse)
    if material.eye_holes:
        x, y = at[..., 0].abs(), at[..., 1]
        around = (((x - 0.0327) / 0.0150) ** 2 + ((y + 0.0015) / 0.0078) ** 2).sqrt()
        rim = smoothstep(0.22, 0.0, (around - 1).abs()) * (part == SKIN)
        colour = colour * (1 - 0.75 * rim[..., None])
        covered = covered * smoothstep(0.85, 0.95, around)
    edge = torch.maximum(_edge(at, material), _seam(where)) * (part == SKIN)
    colour = colour * (1 - 0.7 * edge[..., None])
    grain = fractal(at, (material.wavelength, material.wavelength / 2), where.offset + 23.0)
    normal = torch.nn.functional.normalize(
        where.normal + material.grain * grain[..., None] * torch.tensor([1.0, -1.0, 0.0]), dim=-1
    )
    amount = covered[..., None]
    return Surface(
        torch.lerp(surface.albedo, colour, amount).clamp(0.002, 0.95),
        torch.lerp(surface.infrared, material.infrared * (1 + 0.05 * grain), covered),
        torch.lerp(surface.specular, torch.tensor(material.specular), covered),
        torch.lerp(surface.gloss, torch.tensor(float(material.gloss)), covered),
        torch.lerp(surface.wrap, torch.tensor(material.wrap).expand_as(surface.wrap), amount),
        torch.nn.functional.normalize(torch.lerp(surface.bump, normal, amount), dim=-1),
    )


def _coverage(at: Tensor, material: MaskMaterial) -> Tensor:
    low, high = material.region
    y = at[..., 1]
    return smoothstep(low - 0.001, low + 0.001, y) * smoothstep(high + 0.001, high - 0.001, y)


def _edge(at: Tensor, material: MaskMaterial) -> Tensor:
    return torch.exp(-(((at[..., 1] - material.region[1]) / 0.0015) ** 2))


def _seam(where: Canvas) -> Tensor:
    """Mark a mask's edge: under the chin, and against the hair."""
    under = torch.exp(-(((where.canonical[..., 1] + 0.127) / 0.0022) ** 2))
    return torch.maximum(under, 4 * where.hair * (1 - where.hair))


def make_up(surface: Surface, where: Canvas, strength: Tensor, colour: Tensor) -> Surface:
    """Heavy make-up: foundation that evens the skin, contours, dark eyes, saturated lips.

    Args:
        surface: Living people, B pictures.
        where: Their canvas.
        strength: Strength of the make-up in [0, 1], (B,).
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
