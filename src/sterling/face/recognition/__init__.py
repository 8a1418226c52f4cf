"""Face recognition: margins, meta-learning over domains, alignment, verification."""

from sterling.face.recognition.alignment import (
    AlignmentCanvas,
    AlignmentTemplate,
    CanvasFaces,
    template_grid,
)
from sterling.face.recognition.alignment_search import (
    SearchTraining,
    TemplateSearch,
    pair_auc,
    population_search,
    search_templates,
    shared_scores,
    template_scores,
    train_at,
)
from sterling.face.recognition.encoder import FaceEncoder
from sterling.face.recognition.heads import AdaFace, ArcFace, Classification, CosFace
from sterling.face.recognition.identities import (
    Identities,
    read_canvases,
    read_identity_folders,
    read_people,
)
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
from sterling.face.recognition.pair_lists import (
    PairList,
    TemplateList,
    read_cfp,
    read_cross_pairs,
    read_ijb,
    read_lfw_pairs,
)
from sterling.face.recognition.pose_face import (
    LandmarkAutoencoder,
    PosedBatch,
    PoseFace,
    PoseFaceTraining,
    fit_landmark_autoencoder,
)
from sterling.face.recognition.pose_margin import PoseAdaptiveArcFace, pose_ratio, yaw_ratio
from sterling.face.recognition.procedural_faces import procedural_domains
from sterling.face.recognition.rendered_heads import RenderedHeads, draw_yaws, render_heads
from sterling.face.recognition.template import TEMPLATE, align_to_template, similarity_transform
from sterling.face.recognition.verification import GalleryProbe, verification_accuracy

__all__ = [
    "MFR",
    "TEMPLATE",
    "AdaFace",
    "AlignmentCanvas",
    "AlignmentTemplate",
    "ArcFace",
    "CanvasFaces",
    "Classification",
    "CosFace",
    "DomainAggregation",
    "DomainSampling",
    "DomainSplit",
    "FaceEncoder",
    "GalleryProbe",
    "Identities",
    "LandmarkAutoencoder",
    "PairCriterion",
    "PairList",
    "Pairs",
    "PoseAdaptiveArcFace",
    "PoseFace",
    "PoseFaceTraining",
    "PosedBatch",
    "RenderedHeads",
    "SearchTraining",
    "TemplateList",
    "TemplateSearch",
    "align_to_template",
    "domain_alignment_loss",
    "draw_yaws",
    "fit_landmark_autoencoder",
    "hard_pair_loss",
    "pair_auc",
    "population_search",
    "pose_ratio",
    "procedural_domains",
    "read_canvases",
    "read_cfp",
    "read_cross_pairs",
    "read_identity_folders",
    "read_ijb",
    "read_lfw_pairs",
    "read_people",
    "render_heads",
    "search_templates",
    "shared_scores",
    "similarity_transform",
    "soft_classification_loss",
    "template_grid",
    "template_scores",
    "train_at",
    "verification_accuracy",
    "yaw_ratio",
]
