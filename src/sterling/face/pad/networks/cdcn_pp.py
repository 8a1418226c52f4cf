"""CDCN++: the structure that the architecture search found, with multiscale attention fusion."""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

from sterling.checks import Count, Share
from sterling.errors import InputError, unknown_name
from sterling.face.data import channels_of, require_modalities
from sterling.face.pad.networks.cdcn import CdcTrunk, cdc_layer, map_layer
from sterling.face.pad.networks.network import Network, Output, initialise

OPERATIONS = ("cdc", "cdc_2_1.2", "cdc_2_1.4", "cdc_2_1.6", "cdc_2_1.8", "cdc_2_2.0")
"""Operations of a cell: one CDC layer, or two that widen the channels by a ratio and
narrow them again."""

Structure = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
"""Names of operations, one after the other, of the cells low, mid and high."""

PUBLISHED: Structure = (("cdc", "cdc_2_1.6"), ("cdc_2_1.2", "cdc_2_1.4"), ("cdc", "cdc_2_1.2"))


class CDCNpp(Network):
    """CDCN++ of Yu et al., CVPR 2020, sections 3.3 and 3.4, as in the authors' release.

    As `CDCN`, but each level is a cell found by architecture search, a spatial attention stands
    before the resizing (kernels 7, 5 and 3: `SpatialAttention`), and the head has two layers. With
    the published structure and width 64: 2,257,352 trainable parameters.

    A cell's operations keep 2·width channels; "cdc" is one layer, "cdc_2_r" two that widen to
    int(2·width·r) channels and narrow again. The first convolution of the cell low also widens the
    stem's channels.

    Args:
        width: Channels of the stem.
        theta: Share of the difference term, in [0, 1].
        modalities: Modalities stacked along the image's channels.
        structure: Operations of the cells low, mid and high.
        attention: Kernel sizes of the spatial attention at low, mid and high, odd; empty for none.
        seed: Seed of the initial weights.
    """

    name = "cdcn_pp"

    def __init__(
        self,
        width: Count = 64,
        theta: Share = 0.7,
        modalities: Collection[str] = ("rgb",),
        structure: Sequence[Sequence[str]] = PUBLISHED,
        attention: Sequence[int] = (7, 5, 3),
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.modalities = require_modalities(modalities)
        if len(structure) != 3 or not all(structure):
            raise InputError(f"structure is {structure}: three cells of one operation or more")
        for name in (name for cell in structure for name in cell):
            if name not in OPERATIONS:
                raise unknown_name("operation", str(name), OPERATIONS)
        if len(attention) not in (0, 3) or any(type(k) is not int or k % 2 == 0 for k in attention):
            raise InputError(f"attention is {attention}: three odd kernel sizes, or none")
        base = 2 * width
        levels = [
            [c for name in cell for c in operation_channels(name, base)] for cell in structure
        ]
        with torch.random.fork_rng(devices=[]):
            self.trunk = CdcTrunk(
                channels_of(self.modalities), width, levels, theta, attention or None
            )
            self.head = nn.Sequential(cdc_layer(3 * base, base, theta), map_layer(base, theta))
        initialise(self, seed)

    def forward(self, images: Tensor, present: Tensor | None = None) -> Output:
        """Predict depth maps (N, H/8, W/8), 0 or more, of images (N, C, H, W): see `Network`."""
        self.require(images, present)
        depth: Tensor = self.head(self.trunk(images))
        return Output(maps=depth.squeeze(1))


def operation_channels(name: str, base: int) -> list[int]:
    """Output channels of an operation's layers, of which the last has `base`."""
    if name == "cdc":
        return [base]
    return [int(base * float(name.removeprefix("cdc_2_"))), base]
