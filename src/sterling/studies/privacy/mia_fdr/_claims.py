"""The claims of the study, over all targets."""

from collections.abc import Mapping, Sequence

import numpy as np

from sterling.guarantee.selector import PROCEDURES
from sterling.privacy.membership.lifelong import STAGE_RULES
from sterling.privacy.membership.registry import ATTACKS, TEXT_ATTACKS
from sterling.runs import Coordinate
from sterling.studies.privacy._pooling import pooled
from sterling.studies.privacy.mia_fdr._config import (
    ALPHA,
    BASE,
    BLACK_BOX,
    BY_SHADOW,
    BY_SURROGATE,
    FLAGGED,
    HARDER,
    MIX_APART,
    MIX_POOLED,
    ONE_IN_TEN,
    MiaFdrConfig,
)
from sterling.study import Claim, Results, at_least, at_most, positive, within

MARGIN = 0.01  # ours: theorem 1 leaves at most 1 / (n + 1) below alpha and nothing above
FLAGGED_SHARE = 0.9  # our bar for the shift diagnostic
DECLARING_SHARE = 0.05  # ours: with fewer lists that name anybody, an FDR says nothing


def claims(results: Results, _config: MiaFdrConfig) -> list[Claim]:
    """The paper's claims, and ours."""
    every = pooled(results, "data")

    def fdr(metric: str = "FDR", **at: Coordinate) -> list[float]:
        """False discovery rates; none where too few lists declare anybody to test them."""
        declaring = every.values("declaring", **at)
        few = not declaring or np.mean(declaring) < DECLARING_SHARE
        return [] if few else every.values(metric, **at)

    gains = {
        "area": every.series("AUC").gain(BASE, than="loss"),
        "TPR at 1 % FPR": every.series("TPR at 1 % FPR").gain(BASE, than="loss"),
    }
    return [
        _at_most(
            "fdr_every_attack",
            "The list declared by every attack",
            {attack: fdr(system=attack, alpha=ALPHA) for attack in ATTACKS},
            paper="FDR below alpha at every alpha; LiRA at alpha 0.15: 0.145",
        ),
        _at_most(
            "fdr_language_models",
            "The list declared by every attack on a language model",
            {attack: fdr(setting=attack) for attack in TEXT_ATTACKS},
        ),
        _at_most(
            "fdr_every_rule",
            f"The list declared by {BASE} and every procedure",
            {rule: fdr(setting=f"rule {rule}") for rule in PROCEDURES},
        ),
        _at_most(
            "fdr_other_settings",
            f"The list declared by {BASE} with few members in question, with surrogates of another "
            "architecture, or with calibration scored by a shadow of the target's own",
            {name: fdr(setting=name) for name in (ONE_IN_TEN, BLACK_BOX, BY_SHADOW)},
            paper="black-box setting: FDR below alpha",
        ),
        _at_most(
            "black_box_transfer",
            "With calibration scored by a surrogate of another architecture (which assumes "
            "surrogate = target), the list",
            fdr(setting=BY_SURROGATE),
        ),
        _at_most(
            "lifelong_each_stage",
            "When records arrive in stages, the worst stage",
            fdr("FDR of the worst stage", rule="stage"),
        ),
        _at_most(
            "lifelong_all_claims",
            "The list of all stages together, by every rule that promises it,",
            {rule: fdr("FDR of all claims", rule=rule) for rule in STAGE_RULES if rule != "stage"},
        ),
        within(
            "marginal_error",
            f"A non-member has p <= {ALPHA:g} with probability {ALPHA:g}, to within {MARGIN:g}: "
            f"under {BASE}, and under the loss attack calibrated per class where the class mix "
            "shifts.",
            {
                BASE: every.values("marginal error", system=BASE, alpha=ALPHA),
                MIX_APART: every.values("marginal error", setting=MIX_APART),
            },
            ALPHA - MARGIN,
            ALPHA + MARGIN,
            paper="theorem 1: at most alpha",
            over="targets",
        ),
        every.series("marginal error", by="setting").higher(
            "shifted_mix_breaks_one_calibration",
            "Where the class mix shifts, one calibration for all classes calls non-members of the "
            "loss attack members more often than calibration per class (p <= alpha).",
            MIX_POOLED,
            than=MIX_APART,
        ),
        at_least(
            "shifted_calibration_is_flagged",
            "Calibration on the harder half of the non-members is flagged by the shift diagnostic "
            f"in at least {FLAGGED_SHARE:.0%} of the resplits.",
            every.values(FLAGGED, setting=HARDER),
            FLAGGED_SHARE,
            over="targets",
        ),
        positive(
            "lira_declares_members",
            f"{BASE} declares members at alpha = {ALPHA:g} (its power is above 0).",
            every.values("power", system=BASE, alpha=ALPHA),
            over="targets",
        ),
        at_least(
            "lira_beats_loss",
            "LiRA online has a larger area under the ROC curve than the loss attack, and finds "
            "more members at 1 % false positives (differences).",
            gains,
            0.0,
            over="targets",
        ),
    ]


def _at_most(
    claim_id: str,
    claim: str,
    rates: Sequence[float] | Mapping[str, Sequence[float]],
    *,
    paper: str | None = None,
) -> Claim:
    """Claim that a false discovery rate, or every one of several, is at most ``ALPHA``."""
    sentence = f"{claim} has a false discovery rate of at most {ALPHA:.0%}."
    return at_most(claim_id, sentence, rates, ALPHA, paper=paper, over="targets")
