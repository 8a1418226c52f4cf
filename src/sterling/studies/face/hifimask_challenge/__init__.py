"""The 3D high-fidelity mask challenge."""

from sterling.studies.face.hifimask_challenge._entries import rerun

__all__ = ["rerun"]
