"""How a declared list did, where the truth is known."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sterling.errors import InputError
from sterling.measure import Rate


@dataclass(frozen=True)
class MembershipAudit:
    """One realisation; the guarantee speaks of the mean of ``fdp`` over many.

    Attributes:
        false_discoveries: Non-members among the declared; None when nobody is declared.
        power: Declared members among the members; None when there is no member.
        marginal_error: Declared non-members among the non-members; None when there is none.
    """

    false_discoveries: Rate | None
    power: Rate | None
    marginal_error: Rate | None

    @property
    def fdp(self) -> float:
        """False discovery proportion, 0 when nobody is declared; lower is better."""
        return self.false_discoveries.value if self.false_discoveries else 0.0


def audit(mask: ArrayLike, truth: ArrayLike) -> MembershipAudit:
    """Compare a declared list with the truth; the rates carry exact intervals.

    Args:
        mask: Which records were declared members, bool (T,), at least one record.
        truth: Which are, bool (T,).
    """
    declared, member = np.asarray(mask), np.asarray(truth)
    if (
        declared.dtype != np.bool_
        or member.dtype != np.bool_
        or declared.ndim != 1
        or declared.shape != member.shape
        or not len(declared)
    ):
        raise InputError(
            f"mask is {declared.dtype} {declared.shape}, truth {member.dtype} {member.shape}; give "
            "true or false for each of the same records"
        )

    def rate(errors: int, trials: int) -> Rate | None:
        return Rate(errors, trials) if trials else None

    wrong = int((declared & ~member).sum())
    return MembershipAudit(
        false_discoveries=rate(wrong, int(declared.sum())),
        power=rate(int((declared & member).sum()), int(member.sum())),
        marginal_error=rate(wrong, int((~member).sum())),
    )
