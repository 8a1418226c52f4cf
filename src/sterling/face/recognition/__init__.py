"""Whose face is it: margins to train with, alignment to a template, verification."""

from sterling.face.recognition.heads import AdaFace, ArcFace, CosFace
from sterling.face.recognition.template import TEMPLATE, align_to_template, similarity_transform
from sterling.face.recognition.verification import verification_accuracy

__all__ = [
    "TEMPLATE",
    "AdaFace",
    "ArcFace",
    "CosFace",
    "align_to_template",
    "similarity_transform",
    "verification_accuracy",
]
