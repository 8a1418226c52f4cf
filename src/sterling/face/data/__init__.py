"""Face data: manifests of presentations and the face crops that belong to them."""

from sterling.face.data.align import CropSpec, crop_face
from sterling.face.data.detect import Face, FaceDetector
from sterling.face.data.faces import Faces
from sterling.face.data.images import IMAGE_SUFFIXES, read_image
from sterling.face.data.manifest import ATTACK, BONA_FIDE, SPLITS, Manifest

__all__ = [
    "ATTACK",
    "BONA_FIDE",
    "IMAGE_SUFFIXES",
    "SPLITS",
    "CropSpec",
    "Face",
    "FaceDetector",
    "Faces",
    "Manifest",
    "crop_face",
    "read_image",
]
