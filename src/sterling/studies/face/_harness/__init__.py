"""The harness of face studies: name systems, claims and sizes, and `face_study` makes the rest.

Every repetition draws its own captures and its own initial weights, which the systems of one
repetition share, so that their differences are paired.
"""

from sterling.studies.face._harness.config import CaptureConfig, FaceConfig
from sterling.studies.face._harness.measuring import (
    Compared,
    divided,
    read_recorded,
    simulated_faces,
)
from sterling.studies.face._harness.repetition import Repetition, items_of, kinds_of, rows_of
from sterling.studies.face._harness.study import face_study, scope_of
from sterling.studies.face._harness.systems import (
    ALL_MODALITIES,
    BASELINE,
    THUMBNAILS,
    Fusion,
    Setting,
    Settings,
    System,
    Systems,
    leave_out,
    on_images,
)
from sterling.studies.face._harness.training import compare, hand_crafted
from sterling.studies.face._harness.views import (
    face_views,
    in_setting,
    kinds_table,
    settings_table,
    species_table,
)

__all__ = [
    "ALL_MODALITIES",
    "BASELINE",
    "THUMBNAILS",
    "CaptureConfig",
    "Compared",
    "FaceConfig",
    "Fusion",
    "Repetition",
    "Setting",
    "Settings",
    "System",
    "Systems",
    "compare",
    "divided",
    "face_study",
    "face_views",
    "hand_crafted",
    "in_setting",
    "items_of",
    "kinds_of",
    "kinds_table",
    "leave_out",
    "on_images",
    "read_recorded",
    "rows_of",
    "scope_of",
    "settings_table",
    "simulated_faces",
    "species_table",
]
