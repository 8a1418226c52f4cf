"""Whose face is it: margins, meta-learning over domains, alignment, verification."""

from sterling.face.recognition.classification import Classification
from sterling.face.recognition.domain_sampling import DomainSampling, DomainSplit, Pairs
from sterling.face.recognition.encoder import FaceEncoder
from sterling.face.recognition.gallery_probe import GalleryProbe
from sterling.face.recognition.heads import AdaFace, ArcFace, CosFace
from sterling.face.recognition.identities import Identities
from sterling.face.recognition.identity_folders import read_identity_folders
from sterling.face.recognition.mfr import MFR, DomainAggregation, PairCriterion
from sterling.face.recognition.pair_losses import (
    domain_alignment_loss,
    hard_pair_loss,
    soft_classification_loss,
)
from sterling.face.recognition.procedural_faces import procedural_domains
from sterling.face.recognition.template import TEMPLATE, align_to_template, similarity_transform
from sterling.face.recognition.verification import verification_accuracy

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
