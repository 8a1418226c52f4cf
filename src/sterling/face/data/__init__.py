"""Face data: from folders, pictures and videos to manifests, face crops and their label maps.

Reading (`read_folder`, `read_image`, `read_frames`), the public data sets (`read_public`,
`read_oulu_npu`, …, `check_dataset`), finding and cutting out faces
(`FaceDetector`, `crop_face`, `load_faces`), splitting by subject, label maps, degraded copies.
"""

from sterling.face.data.align import CropSpec, crop_face, landmark_places, resize_crop
from sterling.face.data.clips import clip_of_video, load_clips
from sterling.face.data.datasets.account import Account, Count, Problem
from sterling.face.data.datasets.casia_mfsd import CASIA_MFSD
from sterling.face.data.datasets.casia_surf import CASIA_SURF, CASIA_SURF_ATTACKS
from sterling.face.data.datasets.cefa import CEFA
from sterling.face.data.datasets.check import check_dataset
from sterling.face.data.datasets.hifimask import HIFIMASK
from sterling.face.data.datasets.msu_mfsd import MSU_MFSD
from sterling.face.data.datasets.nuaa import NUAA
from sterling.face.data.datasets.ocim import OCIM, OCIM_RUNS, leave_one_out
from sterling.face.data.datasets.oulu_npu import OULU_NPU
from sterling.face.data.datasets.read import read_dataset, read_lists
from sterling.face.data.datasets.registry import DATASETS, read_public
from sterling.face.data.datasets.replay_attack import REPLAY_ATTACK
from sterling.face.data.datasets.siw import SIW
from sterling.face.data.datasets.siw_m import SIW_M
from sterling.face.data.datasets.spec import Dataset
from sterling.face.data.datasets.suhifimask import SUHIFIMASK
from sterling.face.data.datasets.type_lists import read_type_lists
from sterling.face.data.datasets.wmca import WMCA
from sterling.face.data.degrade import Degradation, degrade
from sterling.face.data.detect import Face, FaceDetector
from sterling.face.data.faces import Faces
from sterling.face.data.folder import read_folder
from sterling.face.data.images import IMAGE_SUFFIXES, read_image
from sterling.face.data.labels import LabelKind, label_maps
from sterling.face.data.load import SMALLEST_FACE, LoadedFaces, NonResponse, load_faces
from sterling.face.data.manifest import ATTACK, BONA_FIDE, SPLITS, Manifest
from sterling.face.data.modality import (
    CHANNELS,
    Modality,
    channels_of,
    depth_picture,
    require_modalities,
    stack,
)
from sterling.face.data.split import hold_out_dev, split_by_subject
from sterling.face.data.video import VIDEO_SUFFIXES, Frames, read_frames

__all__ = [
    "ATTACK",
    "BONA_FIDE",
    "CASIA_MFSD",
    "CASIA_SURF",
    "CASIA_SURF_ATTACKS",
    "CEFA",
    "CHANNELS",
    "DATASETS",
    "HIFIMASK",
    "IMAGE_SUFFIXES",
    "MSU_MFSD",
    "NUAA",
    "OCIM",
    "OCIM_RUNS",
    "OULU_NPU",
    "REPLAY_ATTACK",
    "SIW",
    "SIW_M",
    "SMALLEST_FACE",
    "SPLITS",
    "SUHIFIMASK",
    "VIDEO_SUFFIXES",
    "WMCA",
    "Account",
    "Count",
    "CropSpec",
    "Dataset",
    "Degradation",
    "Face",
    "FaceDetector",
    "Faces",
    "Frames",
    "LabelKind",
    "LoadedFaces",
    "Manifest",
    "Modality",
    "NonResponse",
    "Problem",
    "channels_of",
    "check_dataset",
    "clip_of_video",
    "crop_face",
    "degrade",
    "depth_picture",
    "hold_out_dev",
    "label_maps",
    "landmark_places",
    "leave_one_out",
    "load_clips",
    "load_faces",
    "read_casia_mfsd",
    "read_casia_surf",
    "read_cefa",
    "read_dataset",
    "read_folder",
    "read_frames",
    "read_hifimask",
    "read_image",
    "read_lists",
    "read_msu_mfsd",
    "read_nuaa",
    "read_oulu_npu",
    "read_public",
    "read_replay_attack",
    "read_siw",
    "read_siw_m",
    "read_suhifimask",
    "read_type_lists",
    "read_wmca",
    "require_modalities",
    "resize_crop",
    "split_by_subject",
    "stack",
]

read_casia_mfsd = CASIA_MFSD.read
read_casia_surf = CASIA_SURF.read
read_cefa = CEFA.read
read_hifimask = HIFIMASK.read
read_msu_mfsd = MSU_MFSD.read
read_nuaa = NUAA.read
read_oulu_npu = OULU_NPU.read
read_replay_attack = REPLAY_ATTACK.read
read_siw = SIW.read
read_siw_m = SIW_M.read
read_suhifimask = SUHIFIMASK.read
read_wmca = WMCA.read
