"""Captures made of photographs: people before a camera, and instruments that show them.

The simulator beside it renders heads, whose depth is known exactly; here the faces are real. Give
it photographs (`read_material`), and it makes bona fides and attacks of eight species in wide
crops (`recaptured_faces`), taken by one camera, so that only what is presented differs. Clips of a
person become clips of people and of replays (`capture_clip`).
"""

from sterling.face.capture.recaptured.captures import RecapturedFaces, capture, recaptured_faces
from sterling.face.capture.recaptured.clips import capture_clip
from sterling.face.capture.recaptured.instruments import KINDS
from sterling.face.capture.recaptured.material import (
    Material,
    Portrait,
    portrait_of,
    read_material,
)

__all__ = [
    "KINDS",
    "Material",
    "Portrait",
    "RecapturedFaces",
    "capture",
    "capture_clip",
    "portrait_of",
    "read_material",
    "recaptured_faces",
]
