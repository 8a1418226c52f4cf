from .chip import CHIP_SIDE, CHIP_TEMPLATE, face_chip, head_turn
from .embedding import Embedding, Quality, embed, embed_chips
from .encoder import FaceEncoder
from .heads import AdaFace, ArcFace, Classification, CosFace
from .identities import Identities, read_identity_folders
from .mfr import (
    MFR,
    DomainAggregation,
    DomainSampling,
    DomainSplit,
    PairCriterion,
    Pairs,
    domain_alignment_loss,
    hard_pair_loss,
    soft_classification_loss,
)
from .procedural_faces import procedural_domains
from .resnet29 import ResNet29
from .template import TEMPLATE, align_to_template, similarity_transform
from .verification import GalleryProbe, verification_accuracy

__all__ = [
    "CHIP_SIDE",
    "CHIP_TEMPLATE",
    "MFR",
    "TEMPLATE",
    "AdaFace",
    "ArcFace",
    "Classification",
    "CosFace",
    "DomainAggregation",
    "DomainSampling",
    "DomainSplit",
    "Embedding",
    "FaceEncoder",
    "GalleryProbe",
    "Identities",
    "PairCriterion",
    "Pairs",
    "Quality",
    "ResNet29",
    "align_to_template",
    "domain_alignment_loss",
    "embed",
    "embed_chips",
    "face_chip",
    "hard_pair_loss",
    "head_turn",
    "procedural_domains",
    "read_identity_folders",
    "similarity_transform",
    "soft_classification_loss",
    "verification_accuracy",
]
