from .baselines.simple import score_thumbnails
from .detector.base import Answers, DetectorBase, Provenance
from .detector.decision import Decision, Outcome, decide, margin_for
from .detector.detector import Detector
from .detector.export import ExportReport, export_onnx, rewrite_card
from .detector.onnx import OnnxDetector
from .detector.preprocessing import Preprocessing, normalise
from .detector.pretrained import SHIPPED, load_detector, shipped_detector
from .detector.reference import Reference
from .few_shot.aim_fas import adaptive_inner_update
from .layers.cdc import CentralDifferenceConv2d, fold, two_path
from .layers.spatio_temporal import SpatialGradientBlock
from .networks.cdcn import CDCN
from .networks.clip_depth import SGTD, StreamState, TemporalDepth
from .networks.compact import Compact
from .networks.depth_net import DepthNet
from .networks.epcr import EPCR, Consistency
from .networks.network import Network, Output
from .networks.registry import MODELS, build_network, small_arguments
from .training.augment import augment
from .training.config import EpochRecord, TrainConfig, TrainHistory, TrainingError
from .training.losses import ContrastiveDepthLoss, DepthLoss
from .training.objective import Batch, Objective
from .training.train import train

__all__ = [
    "CDCN",
    "EPCR",
    "MODELS",
    "SGTD",
    "SHIPPED",
    "Answers",
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
    "Reference",
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
    "rewrite_card",
    "score_thumbnails",
    "shipped_detector",
    "small_arguments",
    "train",
    "two_path",
]
