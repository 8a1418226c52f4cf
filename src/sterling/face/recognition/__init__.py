"""Face recognition: margins, meta-learning over domains, alignment, verification."""

from sterling.face.recognition.encoder import FaceEncoder
from sterling.face.recognition.heads import AdaFace, ArcFace, Classification, CosFace
from sterling.face.recognition.identities import Identities, read_identity_folders
from sterling.face.recognition.mfr import (
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
from sterling.face.recognition.procedural_faces import procedural_domains
from sterling.face.recognition.template import TEMPLATE, align_to_template, similarity_transform
from sterling.face.recognition.verification import GalleryProbe, verification_accuracy

__all__ = [
    "MFR",
    "TEMPLATE",
    "AdaFace",
    "ArcFace",
    "Classification",
    "CosFace",
    "DomainAggregation",
    "DomainSampling",
    "DomainSplit",
    "FaceEncoder",
    "GalleryProbe",
    "Identities",
    "PairCriterion",
    "Pairs",
    "align_to_template",
    "domain_alignment_loss",
    "hard_pair_loss",
    "procedural_domains",
    "read_identity_folders",
    "similarity_transform",
    "soft_classification_loss",
    "verification_accuracy",
]
