from .chip import CHIP_SIDE, CHIP_TEMPLATE, face_chip, head_turn
from .embedding import Embedding, Quality, embed, embed_chips
from .embeddings_file import read_embeddings, write_embeddings
from .encoder import FaceEncoder
from .gallery import DLIB_THRESHOLD, Candidate, Gallery, Identification, identify, people_of
from .heads import AdaFace, ArcFace, Classification, CosFace
from .identities import Identities, read_identity_folders
from .match_threshold import (
    DLIB,
    GroupRates,
    MatchRates,
    MatchThreshold,
    choose_threshold,
    group_rates,
    held_out_fmr,
    measure_rates,
    read_threshold,
    turn_groups,
    write_threshold,
)
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
    "DLIB",
    "DLIB_THRESHOLD",
    "MFR",
    "TEMPLATE",
    "AdaFace",
    "ArcFace",
    "Candidate",
    "Classification",
    "CosFace",
    "DomainAggregation",
    "DomainSampling",
    "DomainSplit",
    "Embedding",
    "FaceEncoder",
    "Gallery",
    "GalleryProbe",
    "GroupRates",
    "Identification",
    "Identities",
    "MatchRates",
    "MatchThreshold",
    "PairCriterion",
    "Pairs",
    "Quality",
    "ResNet29",
    "align_to_template",
    "choose_threshold",
    "domain_alignment_loss",
    "embed",
    "embed_chips",
    "face_chip",
    "group_rates",
    "hard_pair_loss",
    "head_turn",
    "held_out_fmr",
    "identify",
    "measure_rates",
    "people_of",
    "procedural_domains",
    "read_embeddings",
    "read_identity_folders",
    "read_threshold",
    "similarity_transform",
    "soft_classification_loss",
    "turn_groups",
    "verification_accuracy",
    "write_embeddings",
    "write_threshold",
]
