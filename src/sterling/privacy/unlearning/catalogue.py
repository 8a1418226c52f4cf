"""Every unlearning method with constants that suit small models, by name."""

from dataclasses import replace

from sterling.privacy.unlearning.bad_teacher import BadTeacherConfig, bad_teacher
from sterling.privacy.unlearning.boundary import BoundaryConfig, boundary_expand, boundary_shrink
from sterling.privacy.unlearning.descent import Descent
from sterling.privacy.unlearning.fine_tune import FineTuneConfig, fine_tune
from sterling.privacy.unlearning.fisher_forgetting import (
    FisherForgettingConfig,
    fisher_forgetting,
)
from sterling.privacy.unlearning.gradient_ascent import GradientAscentConfig, gradient_ascent
from sterling.privacy.unlearning.method import Method
from sterling.privacy.unlearning.newton import NewtonConfig, newton
from sterling.privacy.unlearning.npo import NPOConfig, SimNPOConfig, npo, simnpo
from sterling.privacy.unlearning.pdu import PDUConfig, pdu
from sterling.privacy.unlearning.random_label import RandomLabelConfig, random_label
from sterling.privacy.unlearning.retrain import RetrainConfig, Train, retrain
from sterling.privacy.unlearning.rmu import RMUConfig, rmu
from sterling.privacy.unlearning.salun import SalUnConfig, salun
from sterling.privacy.unlearning.scrub import ScrubConfig, scrub
from sterling.privacy.unlearning.soft_label import SoftLabelConfig, soft_label
from sterling.privacy.unlearning.ssd import SSDConfig, ssd
from sterling.privacy.unlearning.task_vector import TaskVectorConfig, task_vector
from sterling.privacy.unlearning.weighted_ascent import WeightedAscentConfig, weighted_ascent


def catalogue(train: Train, descent: Descent) -> dict[str, Method]:
    """Methods by name, "retrain" first.

    Not in it, because they need more than a model and two sets: "idk" (refusals) and "sisa" (an
    ensemble).

    Args:
        train: How the model was trained, for retraining.
        descent: Steps and rate of the methods whose loss has a minimum. Those that ascend a loss
            without a bound, or do not look at the retained data, get a fifth of the steps (ours).
    """
    short = replace(descent, steps=max(1, descent.steps // 5))
    return {
        method.name: method
        for method in (
            Method("retrain", retrain, RetrainConfig(train), "exact"),
            Method("FT", fine_tune, FineTuneConfig(descent=descent), "fine-tuning"),
            Method(
                "l1-sparse",
                fine_tune,
                FineTuneConfig(l1=5e-4, descent=descent),
                "Jia et al., NeurIPS 2023",
            ),
            Method(
                "GA", gradient_ascent, GradientAscentConfig(descent=short), "Jang et al., ACL 2023"
            ),
            Method(
                "GradDiff",
                gradient_ascent,
                GradientAscentConfig(hold="loss", descent=short),
                "Liu et al., CoLLAs 2022",
            ),
            Method(
                "KL-min",
                gradient_ascent,
                GradientAscentConfig(hold="divergence", descent=short),
                "Maini et al., COLM 2024",
            ),
            Method(
                "random label",
                random_label,
                RandomLabelConfig(descent=descent),
                "Graves et al., AAAI 2021",
            ),
            Method("NPO", npo, NPOConfig(descent=descent), "Zhang et al., COLM 2024"),
            Method("SimNPO", simnpo, SimNPOConfig(descent=descent), "Fan et al., 2024"),
            Method(
                "WGA",
                weighted_ascent,
                WeightedAscentConfig(descent=descent),
                "Wang et al., ICLR 2025",
            ),
            Method(
                "SatImp",
                weighted_ascent,
                WeightedAscentConfig(
                    saturation=5.0, importance=1.0, retain_weight=0.1, descent=descent
                ),
                "Yang et al., 2025",
            ),
            Method("UNDIAL", soft_label, SoftLabelConfig(descent=descent), "Dong et al., 2025"),
            Method(
                "CE-U",
                soft_label,
                SoftLabelConfig(target="without label", descent=descent),
                "Yang, 2025",
            ),
            Method(
                "WHP",
                soft_label,
                SoftLabelConfig(
                    target="generic", strength=5.0, reinforcement=short, descent=descent
                ),
                "Eldan and Russinovich, 2023",
            ),
            Method("PDU", pdu, PDUConfig(descent=descent), "Entesari et al., 2025"),
            Method("SCRUB", scrub, ScrubConfig(descent=descent), "Kurmanji et al., NeurIPS 2023"),
            Method(
                "Bad-T",
                bad_teacher,
                BadTeacherConfig(descent=descent),
                "Chundawat et al., AAAI 2023",
            ),
            Method("SalUn", salun, SalUnConfig(descent=descent), "Fan et al., ICLR 2024"),
            # The paper's 10 selects nothing once the forget set is a tenth of the data.
            Method("SSD", ssd, SSDConfig(selection=2.0), "Foster et al., AAAI 2024"),
            Method(
                "Fisher",
                fisher_forgetting,
                FisherForgettingConfig(),
                "Golatkar et al., CVPR 2020",
            ),
            Method("Newton", newton, NewtonConfig(), "Guo et al., ICML 2020"),
            Method(
                "task vector",
                task_vector,
                TaskVectorConfig(descent=short),
                "Ilharco et al., ICLR 2023",
            ),
            Method("RMU", rmu, RMUConfig(descent=descent), "Li et al., ICML 2024"),
            Method(
                "boundary shrink",
                boundary_shrink,
                BoundaryConfig(descent=short),
                "Chen et al., CVPR 2023",
            ),
            Method(
                "boundary expand",
                boundary_expand,
                BoundaryConfig(descent=short),
                "Chen et al., CVPR 2023",
            ),
        )
    }
