"""Presentation attack detection on face crops: network, training, detector, export.

`MODELS` holds the architectures by name, `train` fits any of them, `Detector` is the trained
network with its preprocessing, threshold and origin, and `export_onnx` writes it for ONNX Runtime.
Scores are liveness: higher means bona fide.
"""

from sterling.face.pad.baselines.simple import score_thumbnails
from sterling.face.pad.detector.base import DetectorBase, Provenance
from sterling.face.pad.detector.decision import Decision, Outcome, decide, margin_for
from sterling.face.pad.detector.detector import Detector
from sterling.face.pad.detector.export import ExportReport, export_onnx
from sterling.face.pad.detector.onnx import OnnxDetector
from sterling.face.pad.detector.preprocessing import Preprocessing, normalise
from sterling.face.pad.detector.pretrained import SHIPPED, load_detector, shipped_detector
from sterling.face.pad.few_shot.aim_fas import adaptive_inner_update
from sterling.face.pad.layers.cdc import CentralDifferenceConv2d, fold, two_path
from sterling.face.pad.layers.spatio_temporal import SpatialGradientBlock
from sterling.face.pad.networks.cdcn import CDCN
from sterling.face.pad.networks.clip_depth import SGTD, StreamState, TemporalDepth
from sterling.face.pad.networks.compact import Compact
from sterling.face.pad.networks.depth_net import DepthNet
from sterling.face.pad.networks.epcr import EPCR, Consistency
from sterling.face.pad.networks.network import Network, Output
from sterling.face.pad.networks.registry import MODELS, build_network, small_arguments
from sterling.face.pad.training.augment import augment
from sterling.face.pad.training.config import EpochRecord, TrainConfig, TrainHistory, TrainingError
from sterling.face.pad.training.losses import ContrastiveDepthLoss, DepthLoss
from sterling.face.pad.training.objective import Batch, Objective
from sterling.face.pad.training.train import train

__all__ = [
    "CDCN",
    "EPCR",
    "MODELS",
    "SGTD",
    "SHIPPED",
    "Batch",
    "CentralDifferenceConv2d",
    "Compact",
    "Consistency",
    "ContrastiveDepthLoss",
    "Decision",
    "DepthLoss",
    "DepthNet",
    "Detector",
    "DetectorBase",
    "EpochRecord",
    "ExportReport",
    "Network",
    "Objective",
    "OnnxDetector",
    "Outcome",
    "Output",
    "Preprocessing",
    "Provenance",
    "SpatialGradientBlock",
    "StreamState",
    "TemporalDepth",
    "TrainConfig",
    "TrainHistory",
    "TrainingError",
    "adaptive_inner_update",
    "augment",
    "build_network",
    "decide",
    "export_onnx",
    "fold",
    "load_detector",
    "margin_for",
    "normalise",
    "score_thumbnails",
    "shipped_detector",
    "small_arguments",
    "train",
    "two_path",
]


def __getattr__(name: str) -> object:
    if name == "Judge":
        from warnings import warn

        warn("Judge is now DetectorBase", DeprecationWarning, stacklevel=2)
        return DetectorBase
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
