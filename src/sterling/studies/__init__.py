"""One file per paper. A study becomes known by its line in ``STUDIES``."""

from typing import Any

from sterling.studies.agent.upa.study import UPA_STUDY
from sterling.studies.explain.senn_conformal.study import SENN_CONFORMAL_STUDY
from sterling.studies.face.aim_fas.study import AIM_FAS_STUDY
from sterling.studies.face.casia_surf import CASIA_SURF_STUDY
from sterling.studies.face.ccl import CCL_STUDY
from sterling.studies.face.cdcn import CDCN_STUDY
from sterling.studies.face.cdcn_multimodal import CDCN_MULTIMODAL_STUDY
from sterling.studies.face.cdcn_search import CDCN_SEARCH_STUDY
from sterling.studies.face.cqil import CQIL_STUDY
from sterling.studies.face.epcr.study import EPCR_STUDY
from sterling.studies.face.flexible_modal import FLEXIBLE_MODAL_STUDY
from sterling.studies.face.fm_vit import FM_VIT_STUDY
from sterling.studies.face.hifimask_challenge.study import HIFIMASK_CHALLENGE_STUDY
from sterling.studies.face.meta_teacher import META_TEACHER_STUDY
from sterling.studies.face.mfr.study import MFR_STUDY
from sterling.studies.face.pad_chapter.study import PAD_CHAPTER_STUDY
from sterling.studies.face.pad_survey.study import PAD_SURVEY_STUDY
from sterling.studies.face.sgtd import SGTD_STUDY
from sterling.studies.face.temporal_depth import TEMPORAL_DEPTH_STUDY
from sterling.studies.image.lwau import LWAU_STUDY
from sterling.studies.image.metaadvdet.study import METAADVDET_STUDY
from sterling.studies.image.pkaml import PKAML_STUDY
from sterling.studies.image.raml import RAML_STUDY
from sterling.studies.privacy.forgetting_benchmark.study import FORGETTING_BENCHMARK_STUDY
from sterling.studies.privacy.kv_cloak.study import KV_CLOAK_STUDY
from sterling.studies.privacy.mia_fdr.study import MIA_FDR_STUDY
from sterling.studies.privacy.uncertainty_unlearning.study import UNCERTAINTY_UNLEARNING_STUDY
from sterling.studies.scale.partial_sgd.study import PARTIAL_SGD_STUDY
from sterling.studies.text.hats.study import HATS_STUDY
from sterling.studies.text.mgteval.study import MGTEVAL_STUDY
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
