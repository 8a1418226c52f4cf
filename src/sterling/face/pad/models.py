"""The architectures by name."""

from collections.abc import Mapping
from typing import Any

from sterling.errors import InputError, unknown_name
from sterling.face.pad.cdcn import CDCN
from sterling.face.pad.cdcn_multimodal import CDCNMultimodal
from sterling.face.pad.cdcn_pp import CDCNpp
from sterling.face.pad.depth_net import DepthNet
from sterling.face.pad.flexible_modal import FlexibleModal
from sterling.face.pad.fm_vit import FMViT
from sterling.face.pad.network import Network
from sterling.face.pad.resnet import FusionResNet
from sterling.face.pad.sgtd import SGTD
from sterling.face.pad.temporal_depth import TemporalDepth

__all__ = ["MODELS", "build_network"]

MODELS: dict[str, type[Network]] = {
    model.name: model
    for model in (
        CDCN,
        CDCNpp,
        CDCNMultimodal,
        DepthNet,
        FusionResNet,
        FlexibleModal,
        FMViT,
        SGTD,
        TemporalDepth,
    )
}


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
