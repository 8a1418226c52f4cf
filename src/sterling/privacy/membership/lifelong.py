"""Declaring members stage after stage, as a model keeps learning or is made to forget.

After each stage the model is another one: records are scored anew, calibrated anew with
non-members scored by the model of that stage, and tested anew. The paper leaves open which error
is controlled over all stages; these rules are ours.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError, unknown_name
from sterling.guarantee import (
    benjamini_hochberg,
    e_lond,
    harmonic_e_values,
    lord_plus_plus,
    saffron,
)

StageRule = Literal["stage", "spending", "lord", "saffron", "e_lond"]
STAGE_RULES: tuple[StageRule, ...] = ("stage", "spending", "lord", "saffron", "e_lond")


def select_over_stages(
    p: Sequence[NDArray[np.float64]], alpha: float, rule: StageRule, *, calibration: Sequence[int]
) -> list[NDArray[np.bool_]]:
    """Return the mask of declared members at each stage; no stage looks at a later one.

    ============  ==================================================  =======================
    rule          bounded by alpha                                    needs
    ============  ==================================================  =======================
    ``stage``     FDR of each stage; not that of all claims together  PRDS within a stage
    ``spending``  FDR of all claims: stage s is tested at              PRDS within a stage,
                  alpha / 2**s, s = 1, 2, ...                         anything between stages
    ``lord``      FDR of all claims, LORD++                           independent p-values
    ``saffron``   FDR of all claims, SAFFRON                          independent p-values
    ``e_lond``    FDR of all claims, e-LOND                           nothing
    ============  ==================================================  =======================

    Spending works because the false discovery proportion of all claims is at most the sum of the
    stages'. The p-values of one stage share a calibration set, so for LORD++ and SAFFRON the
    condition is not met; they are offered because they are what the field uses.

    Args:
        p: Conformal p-values of each stage, one array per stage.
        alpha: FDR level in (0, 1).
        rule: A rule of the table.
        calibration: Number of calibration records of each stage.

    Raises:
        InputError: Not one calibration size per stage, or an unknown rule.
    """
    if len(calibration) != len(p):
        raise InputError(f"{len(calibration)} calibration sizes for {len(p)} stages; give one each")
    if rule == "stage":
        return [benjamini_hochberg(stage, alpha) for stage in p]
    if rule == "spending":
        return [benjamini_hochberg(stage, alpha / 2**s) for s, stage in enumerate(p, start=1)]
    ends = np.cumsum([len(stage) for stage in p])[:-1]
    stream = np.concatenate(p)
    if rule == "lord":
        declared = lord_plus_plus(stream, alpha)
    elif rule == "saffron":
        declared = saffron(stream, alpha)
    elif rule == "e_lond":
        pairs = zip(p, calibration, strict=True)
        e = np.concatenate([harmonic_e_values(stage, n) for stage, n in pairs])
        declared = e_lond(e, alpha)
    else:
        raise unknown_name("rule", rule, STAGE_RULES)
    return list(np.split(declared, ends))
