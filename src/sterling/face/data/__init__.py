"""Face data: manifests of presentations and the face crops that belong to them."""

from sterling.face.data.align import CropSpec, crop_face
from sterling.face.data.degrade import Degradation, degrade
from sterling.face.data.detect import Face, FaceDetector
from sterling.face.data.faces import Faces
from sterling.face.data.folder import read_folder
from sterling.face.data.images import IMAGE_SUFFIXES, read_image
from sterling.face.data.labels import LabelKind, label_maps
from sterling.face.data.load import SMALLEST_FACE, LoadedFaces, NonResponse, load_faces
from sterling.face.data.manifest import ATTACK, BONA_FIDE, SPLITS, Manifest
from sterling.face.data.split import split_by_subject

__all__ = [
    "ATTACK",
    "BONA_FIDE",
    "IMAGE_SUFFIXES",
    "SMALLEST_FACE",
    "SPLITS",
    "CropSpec",
    "Degradation",
    "Face",
    "FaceDetector",
    "Faces",
    "LabelKind",
    "LoadedFaces",
    "Manifest",
    "NonResponse",
    "crop_face",
    "degrade",
    "label_maps",
    "load_faces",
    "read_folder",
    "read_image",
    "split_by_subject",
]
