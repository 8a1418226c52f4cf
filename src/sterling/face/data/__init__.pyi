from .align import CropSpec, crop_face, crop_pixels, landmark_places, resize_crop, resize_pixels
from .clips import clip_of_video, load_clips, visit_clips
from .datasets.account import Account, Count, Problem
from .datasets.casia_mfsd import CASIA_MFSD
from .datasets.casia_surf import CASIA_SURF, CASIA_SURF_ATTACKS
from .datasets.cefa import CEFA
from .datasets.check import check_dataset
from .datasets.hifimask import HIFIMASK
from .datasets.msu_mfsd import MSU_MFSD
from .datasets.nuaa import NUAA
from .datasets.ocim import OCIM, OCIM_RUNS, leave_one_out
from .datasets.oulu_npu import OULU_NPU
from .datasets.read import read_dataset, read_lists
from .datasets.readers import (
    read_casia_mfsd,
    read_casia_surf,
    read_cefa,
    read_hifimask,
    read_msu_mfsd,
    read_nuaa,
    read_oulu_npu,
    read_replay_attack,
    read_siw,
    read_siw_m,
    read_suhifimask,
    read_wmca,
)
from .datasets.registry import DATASETS, read_public
from .datasets.replay_attack import REPLAY_ATTACK
from .datasets.siw import SIW
from .datasets.siw_m import SIW_M
from .datasets.spec import Dataset
from .datasets.suhifimask import SUHIFIMASK
from .datasets.type_lists import read_type_lists
from .datasets.wmca import WMCA
from .degradation import Degradation, degrade
from .detect import SMALLEST_FACE, Face, FaceDetector
from .faces import Faces
from .folder import read_folder
from .images import IMAGE_SUFFIXES, read_image, read_pixels
from .intervention import INTERVENTIONS, Intervention, intervene
from .labels import LabelKind, label_maps
from .load import LoadedFaces, NonResponse, load_faces, visit_faces
from .manifest import ATTACK, BONA_FIDE, SPLITS, Manifest
from .modality import (
    CHANNELS,
    Modality,
    channels_of,
    depth_picture,
    require_modalities,
    stack,
)
from .quality import SIZE_ONLY, Cut, Limits, Refusal, check_cut
from .split import hold_out_dev, split_by_subject
from .video import VIDEO_SUFFIXES, Frames, read_frame_pixels, read_frames

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
    "INTERVENTIONS",
    "MSU_MFSD",
    "NUAA",
    "OCIM",
    "OCIM_RUNS",
    "OULU_NPU",
    "REPLAY_ATTACK",
    "SIW",
    "SIW_M",
    "SIZE_ONLY",
    "SMALLEST_FACE",
    "SPLITS",
    "SUHIFIMASK",
    "VIDEO_SUFFIXES",
    "WMCA",
    "Account",
    "Count",
    "CropSpec",
    "Cut",
    "Dataset",
    "Degradation",
    "Face",
    "FaceDetector",
    "Faces",
    "Frames",
    "Intervention",
    "LabelKind",
    "Limits",
    "LoadedFaces",
    "Manifest",
    "Modality",
    "NonResponse",
    "Problem",
    "Refusal",
    "channels_of",
    "check_cut",
    "check_dataset",
    "clip_of_video",
    "crop_face",
    "crop_pixels",
    "degrade",
    "depth_picture",
    "hold_out_dev",
    "intervene",
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
    "read_frame_pixels",
    "read_frames",
    "read_hifimask",
    "read_image",
    "read_lists",
    "read_msu_mfsd",
    "read_nuaa",
    "read_oulu_npu",
    "read_pixels",
    "read_public",
    "read_replay_attack",
    "read_siw",
    "read_siw_m",
    "read_suhifimask",
    "read_type_lists",
    "read_wmca",
    "require_modalities",
    "resize_crop",
    "resize_pixels",
    "split_by_subject",
    "stack",
    "visit_clips",
    "visit_faces",
]
