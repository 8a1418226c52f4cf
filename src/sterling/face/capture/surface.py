"""What a picture's points are made of, before light falls on them."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Surface:
    """Optical properties of B pictures of R × R points.

    Attributes:
        albedo: Linear RGB diffuse reflectance (B, R, R, 3).
        infrared: Diffuse reflectance at 850 nm (B, R, R).
        specular: Strength of the highlight (B, R, R), 0.04 for most dielectrics.
        gloss: Blinn exponent of the highlight (B, R, R).
        wrap: How far red, green, blue light bleeds past the terminator, 0 to 1,
            (B, R, R, 3): the subsurface scattering of skin, none of paper.
        bump: Unit normals in camera axes after relief finer than the mesh (B, R, R, 3).
    """

    albedo: Tensor
    infrared: Tensor
    specular: Tensor
    gloss: Tensor
    wrap: Tensor
    bump: Tensor
