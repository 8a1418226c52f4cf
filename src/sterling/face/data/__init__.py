"""Face data: from folders, pictures and videos to manifests, face crops and their label maps.

Reading (`read_folder`, `read_image`, `read_frames`), the public data sets (`read_public`,
`read_oulu_npu`, …, `check_dataset`), finding and cutting out faces
(`FaceDetector`, `crop_face`, `load_faces`), splitting by subject, label maps, degraded copies.
"""

from lazy_loader import attach_stub

# Names are in __init__.pyi; each is imported on first use, as reading a picture needs no PyTorch.
__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
