"""The architectures by name."""

from collections.abc import Mapping
from inspect import signature
from typing import Any

from sterling.errors import InputError, unknown_name
from sterling.face.pad.networks.ccl import CCL
from sterling.face.pad.networks.cdcn import CDCN
from sterling.face.pad.networks.cdcn_multimodal import CDCNMultimodal
from sterling.face.pad.networks.cdcn_pp import CDCNpp
from sterling.face.pad.networks.clip_depth import SGTD, TemporalDepth
from sterling.face.pad.networks.compact import Compact
from sterling.face.pad.networks.cqil import CQIL
from sterling.face.pad.networks.deep_pixbis import DeepPixBiS
from sterling.face.pad.networks.depth_net import DepthNet
from sterling.face.pad.networks.epcr import EPCR
from sterling.face.pad.networks.flexible_modal import FlexibleModal
from sterling.face.pad.networks.fm_vit import FMViT
from sterling.face.pad.networks.fourier import FourierNet
from sterling.face.pad.networks.fusion_resnet import FusionResNet
from sterling.face.pad.networks.maddg import MADDG
from sterling.face.pad.networks.network import Network
from sterling.face.pad.networks.part_crops import PartCrops
from sterling.face.pad.networks.reflection import BipartiteNet
from sterling.face.pad.networks.ssdg import SSDG
from sterling.plugins import Registry


def _check(name: str, network: type[Network]) -> None:
    if not (isinstance(network, type) and issubclass(network, Network)):
        raise InputError(f"architecture {name!r}: {network!r} is no sterling.face.pad.Network")
    if network.name != name:
        raise InputError(f"architecture {name!r}: the class has the name {network.name!r}")


_OWN: dict[str, type[Network]] = {
    model.name: model
    for model in (
        BipartiteNet,
        CCL,
        CDCN,
        CDCNpp,
        CDCNMultimodal,
        Compact,
        CQIL,
        DeepPixBiS,
        DepthNet,
        EPCR,
        FusionResNet,
        FlexibleModal,
        FMViT,
        FourierNet,
        MADDG,
        PartCrops,
        SGTD,
        SSDG,
        TemporalDepth,
    )
}

MODELS = Registry("architecture", "sterling.face.networks", _OWN, _check)
"""The networks by name. To add one, assign its class; see ``docs/plugins.md``."""


def small_arguments(name: str, size: int) -> dict[str, Any]:
    """Arguments of an architecture that trains on a small machine; ours, not the papers'.

    Args:
        name: The architecture.
        size: Side of the pictures, which transformers are built for.

    Raises:
        InputError: The name is unknown.
    """
    match name:
        case "fm_vit":
            return {"size": size, "patch": 8, "dim": 48, "depth": 4, "heads": 3, "every": 2}
        case "flexible_modal":
            return {"size": size, "patch": 8, "depth": 2, "width": 8}
        case "ccl" | "cqil" | "fourier" | "part_crops" | "ssdg":
            return {"width": 16, "depth": 10}
        case "fusion_resnet":
            return {"width": 16, "depth": 10, "reduction": 4}
        case _ if name in MODELS:
            scalable = "width" in signature(MODELS[name].__init__).parameters
            return {"width": 8 if MODELS[name].flexible else 16} if scalable else {}
    raise unknown_name("architecture", name, tuple(MODELS))


def build_network(stored: Mapping[str, Any]) -> Network:
    """Build a network from `Network.to_dict`'s object, with initial weights.

    Raises:
        InputError: The name is unknown, or an argument is unknown or out of range.
    """
    arguments = dict(stored)
    name = arguments.pop("name", None)
    if name not in MODELS:
        raise unknown_name("architecture", str(name), tuple(MODELS))
    try:
        return MODELS[name](**arguments)
    except TypeError as error:
        raise InputError(f"architecture {name}: {error}") from error
