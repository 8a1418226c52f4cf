"""Living faces: skin from melanin and blood, lips, brows, eyes, hair, beard, clothes."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sterling.face.capture.geometry import GBuffer
from sterling.face.capture.head import (
    BODY,
    CAVITY,
    EYE,
    GLASSES,
    MOUTH_Y,
    SKIN,
    Subject,
    hair_field,
    head_model,
    mean_normals,
)
from sterling.face.capture.noise import fractal, solid_noise
from sterling.face.capture.shading import Surface

# Linear reflectance of bloodless unpigmented skin, and absorbances of full melanin and blood in
# red, green, blue: our documented defaults, set so that the extremes match published skin tones.
DERMIS = torch.tensor([0.74, 0.60, 0.51])
MELANIN = torch.tensor([1.95, 2.35, 2.75])
BLOOD = torch.tensor([0.10, 0.52, 0.46])


@dataclass(frozen=True)
class Moment:
    """State of a person that changes from one picture to the next.

    Attributes:
        gaze: Direction of the eyes, right and up, in degrees.
        pulse: Relative change of blood in the skin, about -1 to 1 over a heartbeat.
        cloth: Linear RGB of the clothing.
    """

    gaze: tuple[float, float]
    pulse: float
    cloth: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Canvas:
    """Place of each point on the person; all (B, R, R) unless said otherwise.

    Attributes:
        canonical: Coordinates on the mean head (B, R, R, 3).
        normal: Smooth unit normals in camera axes (B, R, R, 3).
        part: int64, see `HeadModel`.
        offset: Offset that selects the skin texture (B, 1, 1, 3).
        lips, brow, hair, lid: Weights in [0, 1].
        hit: The pixels that the points fill, row by row, bool (B, S, S).
    """

    canonical: Tensor
    normal: Tensor
    part: Tensor
    offset: Tensor
    lips: Tensor
    brow: Tensor
    hair: Tensor
    lid: Tensor
    hit: Tensor

    @property
    def face(self) -> Tensor:
        """Skin and eyes of the face, without neck and body, bool (B, R, R)."""
        y = self.canonical[..., 1]
        return ((self.part == SKIN) | (self.part == EYE) | (self.part == CAVITY)) & (y > -0.118)


def column(values: Sequence[float]) -> Tensor:
    """One number a picture, as (B, 1, 1)."""
    return torch.tensor(values, dtype=torch.float32)[:, None, None]


def _per_picture(colours: Sequence[tuple[float, float, float]]) -> Tensor:
    return torch.tensor(colours)[:, None, None]


def smoothstep(low: float, high: float, x: Tensor) -> Tensor:
    """0 below ``low``, 1 above ``high``, smooth between; reversed when ``low > high``."""
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def canvas(buffer: GBuffer, hit: Tensor, subjects: Sequence[Subject]) -> Canvas:
    """Locate points on the person they belong to.

    Args:
        buffer: Points in a row, see `GBuffer.seen`.
        hit: The pixels they fill, bool (B, S, S).
        subjects: Subject of each, B.
    """
    model = head_model()
    normals = torch.stack([mean_normals(v) for v in buffer.vertices])
    per_vertex = torch.cat([normals, model.mean.expand_as(normals)], -1)
    found = buffer.gather(per_vertex, model.triangles)
    normal, canonical = F.normalize(found[..., :3], dim=-1), found[..., 3:]
    part = model.part[buffer.triangle.long()].long()
    offset = torch.tensor(
        [[(s.texture >> shift) % 1024 / 32 for shift in (0, 10, 20)] for s in subjects]
    )[:, None, None]
    x, y, z = canonical.unbind(-1)
    skin = part == SKIN
    ragged = solid_noise(canonical, 0.0035, offset)

    across = (x / 0.0262).clamp(-1, 1)
    taper = (1 - across * across).clamp_min(0).sqrt()
    bow = 1 - 0.16 * torch.exp(-((x / 0.0035) ** 2))
    above, below = y - MOUTH_Y, MOUTH_Y - y
    upper = smoothstep(0.0012, -0.0012, above - 0.0088 * taper * bow)
    lower = smoothstep(0.0012, -0.0012, below - 0.0110 * taper)
    lips = torch.where(above > 0, upper, lower) * skin * (z > 0.005)

    lift = column([0.0014 * s.brow_height for s in subjects])
    thick = column([0.0046 * s.brow_thickness for s in subjects])
    along = ((x.abs() - 0.0135) / 0.040).clamp(0, 1)
    arch = 0.0185 + 0.0048 * torch.sin(along * 2.5) + lift
    profile = thick * (1.05 - 0.75 * along)
    brow = smoothstep(1.15, 0.55, (y - arch).abs() / profile + 0.35 * ragged)
    brow = brow * smoothstep(0.0095, 0.0150, x.abs()) * smoothstep(0.0575, 0.0500, x.abs())
    brow = brow * skin * (z > -0.01)

    hairline = column([s.hairline for s in subjects])
    wave = solid_noise(canonical, 0.03, offset + 31.0)
    field = hair_field(canonical, hairline) + 0.004 * ragged + 0.008 * wave
    hair = smoothstep(-0.003, 0.005, field) * skin

    eye_x, eye_y = (x.abs() - 0.0327) / 0.0123, (y + 0.0015) / 0.0049
    lid = torch.exp(-((((eye_x**2 + eye_y**2).sqrt() - 1.08) / 0.17) ** 2)) * skin
    lid = lid * smoothstep(-0.006, -0.001, y) * (z > 0)
    return Canvas(canonical, normal, part, offset, lips, brow, hair, lid, hit)


def paint(where: Canvas, subjects: Sequence[Subject], moments: Sequence[Moment]) -> Surface:
    """The surface of living people.

    Args:
        where: B canvases.
        subjects: Subject of each, B.
        moments: The state of each, B.
    """
    at, part = where.canonical, where.part
    x, y, z = at.unbind(-1)
    shape = part.shape
    blotch = fractal(at, (0.030, 0.011), where.offset)
    fine = fractal(at, (0.0072, 0.0036, 0.0017), where.offset + 3.1)
    spots = smoothstep(0.35, 0.75, solid_noise(at, 0.0042, where.offset + 11.7))

    pigment = column([s.melanin for s in subjects])
    melanin = pigment * (1 + 0.11 * blotch) + (0.04 + 0.06 * pigment) * fine
    melanin = melanin + 0.35 * column([s.freckles for s in subjects]) * spots * (y < 0.02)
    under_eye = torch.exp(-(((x.abs() - 0.031) / 0.014) ** 2) - ((y + 0.014) / 0.007) ** 2)
    stubble_area = (
        smoothstep(-0.045, -0.060, y + 0.25 * (x.abs() - 0.03).clamp_min(0))
        * smoothstep(-0.05, -0.01, z)
        * smoothstep(-0.125, -0.105, y)
    )
    stubble_area = torch.maximum(
        stubble_area,
        smoothstep(0.010, 0.006, (y + 0.060).abs()) * smoothstep(0.034, 0.026, x.abs()) * (z > 0),
    )
    stubble = column([s.stubble for s in subjects]) * stubble_area * (1 - where.lips)
    stubble = stubble * (0.62 + 0.5 * fine).clamp(0, 1)
    melanin = melanin + 0.13 * under_eye

    ruddy = torch.exp(-(((x.abs() - 0.042) / 0.02) ** 2) - ((y + 0.038) / 0.02) ** 2)
    ruddy = ruddy + torch.exp(-((x / 0.013) ** 2) - ((y + 0.040) / 0.012) ** 2)
    cosmetics = column([s.cosmetics for s in subjects])
    blood = column([s.haemoglobin for s in subjects]) * (0.75 + 0.32 * blotch + 0.20 * fine)
    blood = blood + column([s.flush for s in subjects]) * ruddy + 0.25 * under_eye
    lips = 0.5 + 1.6 * column([s.lips for s in subjects])
    blood = blood * (1 - 0.5 * cosmetics) + lips * where.lips
    blood = blood.clamp_min(0) * (1 + 0.02 * column([m.pulse for m in moments]))
    albedo = DERMIS * torch.exp(
        -melanin[..., None].clamp_min(0) * MELANIN - blood[..., None] * BLOOD
    )
    painted = (0.8 * cosmetics * where.lips)[..., None]
    albedo = torch.lerp(albedo, _per_picture([s.lipstick for s in subjects]), painted)
    infrared = 0.62 * torch.exp(-0.22 * melanin.clamp_min(0) - 0.05 * blood)

    hair_rgb = _per_picture([s.hair for s in subjects])
    strand = 1 + 0.55 * solid_noise(at * torch.tensor([1.0, 0.22, 1.0]), 0.0022, where.offset)
    strand = strand + 0.25 * blotch
    hair_colour = hair_rgb * strand[..., None].clamp(0.25, 2.0)
    cover = torch.maximum(where.hair, 0.88 * where.brow)
    cover = torch.maximum(cover, 0.7 * stubble)
    cover = torch.maximum(cover, 0.85 * where.lid)
    dark = torch.maximum(where.lid, 0 * cover)[..., None]
    albedo = torch.lerp(albedo, hair_colour * (1 - 0.6 * dark), cover[..., None])
    infrared = torch.lerp(infrared, 0.25 + 0.4 * hair_rgb.mean(-1).expand(shape), cover)

    specular = 0.035 * (1 + 0.5 * blotch) * (1 - 0.7 * where.hair) + 0.02 * where.lips
    oily = torch.exp(-((x / 0.018) ** 2)) * smoothstep(-0.05, 0.0, y) * (z > 0)
    specular = specular * (1 + 0.8 * oily)
    gloss = torch.full(shape, 14.0) + 12 * where.lips
    relief = column([0.5 + 1.3 * s.wrinkles for s in subjects])
    creases = solid_noise(at * torch.tensor([0.35, 1.6, 1.0]), 0.006, where.offset + 5.9)
    bump = 0.18 * fine + 0.06 * relief * creases * smoothstep(0.01, 0.035, y)
    bump = bump + 0.35 * where.hair * (strand - 1) + 0.2 * where.brow * fine
    normal = perturb(where.normal, bump, where.hit)

    is_eye = part == EYE
    eye, wet = _eyes(where, is_eye, subjects, moments)
    albedo[is_eye] = eye
    infrared[is_eye] = 0.25 + 0.45 * eye.mean(-1)
    specular[is_eye] = wet
    gloss[is_eye] = 350.0
    normal[is_eye] = where.normal[is_eye]

    # Inside the mouth, teeth stand behind the lips; the rest is dark red.
    teeth = (part == CAVITY) & (y < -0.05) & (z > 0.010) & (y > -0.078) & (x.abs() < 0.021)
    inside = torch.where(
        teeth[..., None], torch.tensor([0.45, 0.42, 0.36]), torch.tensor([0.10, 0.03, 0.025])
    )
    albedo = torch.where((part == CAVITY)[..., None], inside, albedo)
    infrared = torch.where(part == CAVITY, inside.mean(-1), infrared)
    cloth = _per_picture([m.cloth for m in moments])
    weave = 1 + 0.15 * fine + 0.15 * blotch
    clothed = (part == BODY) | ((part == SKIN) & (y < -0.165))
    albedo = torch.where(clothed[..., None], cloth * weave[..., None], albedo)
    infrared = torch.where(clothed, 0.35 + 0.3 * cloth.mean(-1), infrared)
    frame = part == GLASSES
    albedo = torch.where(frame[..., None], torch.tensor([0.012, 0.011, 0.012]), albedo)
    infrared = torch.where(frame, 0.08, infrared)
    specular = torch.where(frame, 0.05, torch.where(clothed, 0.0, specular))
    gloss = torch.where(frame, 90.0, gloss)

    soft = ((part == SKIN) & ~clothed)[..., None] * (1 - where.hair[..., None])
    wrap = soft * torch.tensor([0.38, 0.22, 0.16]) + (is_eye | (part == CAVITY))[..., None] * 0.2
    return Surface(
        albedo.clamp(0.002, 0.95), infrared.clamp(0.02, 0.95), specular, gloss, wrap, normal
    )


def perturb(normal: Tensor, height: Tensor, hit: Tensor) -> Tensor:
    """Tilt normals by the screen-space slope of a height map.

    Args:
        normal: Normals of P points in a row (1, 1, P, 3).
        height: Height of the same points (1, 1, P); 0 on the background.
        hit: The pixels they fill, bool (1, S, S).
    """
    picture = F.pad(torch.zeros(hit.shape).masked_scatter(hit, height), (1, 1, 1, 1))
    slope_x = (picture[:, 1:-1, 2:] - picture[:, 1:-1, :-2]) / 2
    slope_y = (picture[:, 2:, 1:-1] - picture[:, :-2, 1:-1]) / 2
    slopes = torch.stack([slope_x[hit], slope_y[hit], torch.zeros(height.numel())], -1)
    return F.normalize(normal - slopes.view_as(normal), dim=-1)


def _eyes(
    where: Canvas, is_eye: Tensor, subjects: Sequence[Subject], moments: Sequence[Moment]
) -> tuple[Tensor, Tensor]:
    """Albedo (P, 3) and highlight (P,) of the P points on eyeballs: sclera, iris, pupil."""
    model = head_model()
    at, picture = where.canonical[is_eye], is_eye.nonzero()[:, 0]
    offset = where.offset[picture, 0, 0]
    centres = torch.stack([model.mean[model.right_eye].mean(0), model.mean[model.left_eye].mean(0)])
    ray = F.normalize(at - centres[(at[:, 0] > 0).long()], dim=-1)
    turn = torch.deg2rad(torch.tensor([m.gaze for m in moments]))
    gaze = F.normalize(
        torch.stack([turn[:, 0].sin(), turn[:, 1].sin(), torch.ones(len(turn))], -1), dim=-1
    )
    angle = torch.arccos((ray * gaze[picture]).sum(-1).clamp(-1, 1))
    iris_edge, pupil_edge = 0.36, 0.145
    veins = fractal(at, (0.003, 0.0012), offset + 2.2)
    sclera = torch.tensor([0.66, 0.61, 0.56]) * (1 - 0.06 * veins[:, None])
    corner = smoothstep(0.55, 0.95, angle)[:, None]
    sclera = sclera * (1 - corner * torch.tensor([0.35, 0.5, 0.5]))
    iris = torch.tensor([s.iris for s in subjects])[picture]
    spokes = 1 + 0.5 * solid_noise(ray * torch.tensor([1.0, 1.0, 0.1]), 0.06, offset)
    iris = iris * spokes[:, None] * (1.25 - 0.9 * (angle[:, None] / iris_edge - 0.45).abs())
    limbal = smoothstep(0.06, 0.0, (angle - iris_edge).abs())[:, None]
    outside = smoothstep(iris_edge - 0.03, iris_edge + 0.04, angle)[:, None]
    colour = torch.lerp(iris, sclera, outside) * (1 - 0.55 * limbal)
    colour = colour * smoothstep(pupil_edge - 0.04, pupil_edge + 0.03, angle)[:, None]
    wet = 0.03 + 0.05 * smoothstep(iris_edge + 0.05, iris_edge - 0.05, angle)
    return colour.clamp_min(0.004), wet
