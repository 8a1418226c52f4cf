"""One file per paper. A study becomes known by its line in ``STUDIES``."""

from typing import Any

from sterling.studies.aim_fas import AIM_FAS_STUDY
from sterling.studies.casia_surf import CASIA_SURF_STUDY
from sterling.studies.ccl import CCL_STUDY
from sterling.studies.cdcn import CDCN_STUDY
from sterling.studies.cdcn_multimodal import CDCN_MULTIMODAL_STUDY
from sterling.studies.cdcn_search import CDCN_SEARCH_STUDY
from sterling.studies.cqil import CQIL_STUDY
from sterling.studies.epcr import EPCR_STUDY
from sterling.studies.flexible_modal import FLEXIBLE_MODAL_STUDY
from sterling.studies.fm_vit import FM_VIT_STUDY
from sterling.studies.forgetting_benchmark import FORGETTING_BENCHMARK_STUDY
from sterling.studies.hats import HATS_STUDY
from sterling.studies.hifimask_challenge import HIFIMASK_CHALLENGE_STUDY
from sterling.studies.kv_cloak import KV_CLOAK_STUDY
from sterling.studies.lwau import LWAU_STUDY
from sterling.studies.meta_teacher import META_TEACHER_STUDY
from sterling.studies.metaadvdet import METAADVDET_STUDY
from sterling.studies.mfr import MFR_STUDY
from sterling.studies.mgteval import MGTEVAL_STUDY
from sterling.studies.mia_fdr import MIA_FDR_STUDY
from sterling.studies.pad_chapter import PAD_CHAPTER_STUDY
from sterling.studies.pad_survey import PAD_SURVEY_STUDY
from sterling.studies.partial_sgd import PARTIAL_SGD_STUDY
from sterling.studies.pkaml import PKAML_STUDY
from sterling.studies.raml import RAML_STUDY
from sterling.studies.senn_conformal import SENN_CONFORMAL_STUDY
from sterling.studies.sgtd import SGTD_STUDY
from sterling.studies.temporal_depth import TEMPORAL_DEPTH_STUDY
from sterling.studies.uncertainty_unlearning import UNCERTAINTY_UNLEARNING_STUDY
from sterling.studies.upa import UPA_STUDY
from sterling.study import Study

__all__ = ["STUDIES"]

STUDIES: dict[str, Study[Any]] = {
    study.name: study
    for study in (
        AIM_FAS_STUDY,
        CASIA_SURF_STUDY,
        CCL_STUDY,
        CDCN_STUDY,
        CDCN_MULTIMODAL_STUDY,
        CDCN_SEARCH_STUDY,
        CQIL_STUDY,
        EPCR_STUDY,
        FLEXIBLE_MODAL_STUDY,
        FM_VIT_STUDY,
        FORGETTING_BENCHMARK_STUDY,
        HATS_STUDY,
        HIFIMASK_CHALLENGE_STUDY,
        KV_CLOAK_STUDY,
        LWAU_STUDY,
        META_TEACHER_STUDY,
        MFR_STUDY,
        METAADVDET_STUDY,
        MGTEVAL_STUDY,
        MIA_FDR_STUDY,
        PAD_CHAPTER_STUDY,
        PAD_SURVEY_STUDY,
        PKAML_STUDY,
        RAML_STUDY,
        SENN_CONFORMAL_STUDY,
        PARTIAL_SGD_STUDY,
        SGTD_STUDY,
        TEMPORAL_DEPTH_STUDY,
        UNCERTAINTY_UNLEARNING_STUDY,
        UPA_STUDY,
    )
}
