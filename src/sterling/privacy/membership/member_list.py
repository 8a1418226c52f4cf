"""A list of declared members from two files of scores, with its bound and what refutes it."""

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sterling.guarantee import Guarantee, Procedure
from sterling.privacy.membership.fdr import MembershipAudit, MembershipFDR, audit
from sterling.privacy.membership.score_file import ScoreFile


@dataclass(frozen=True)
class MemberList:
    """Records declared members of a training set.

    Attributes:
        declared: Record, score, p and adjusted_p of each declared member, the likeliest first.
        tested: Number of records in question.
        method: Name of the procedure.
        guarantee: Guarantee of the list.
        warnings: Warnings of the procedure.
        audit: The list held against the truth; None where the scores do not hold it.
        shift_p: P-value of the diagnosis on further non-members; None without them.
        refuted: Whether the diagnosis refutes the guarantee.
        resolution: Number of records that have to exceed all calibration records together before
            any is declared, and of calibration records with which a single one is.
    """

    declared: tuple[dict[str, Any], ...]
    tested: int
    method: str
    guarantee: Guarantee
    warnings: tuple[str, ...]
    audit: MembershipAudit | None
    shift_p: float | None
    refuted: bool
    resolution: tuple[int, int]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "declared": list(self.declared),
            "tested": self.tested,
            "calibration_for_one": self.resolution[1],
            "method": self.method,
            "guarantee": asdict(self.guarantee),
            "warnings": list(self.warnings),
            "audit": None if self.audit is None else asdict(self.audit),
        }


def declare_members(
    asked: ScoreFile,
    known: ScoreFile,
    *,
    alpha: float = 0.1,
    method: Procedure = "bh",
    members: NDArray[np.str_] | None = None,
    holdout: ScoreFile | None = None,
    scored_by: Literal["target", "surrogate"] = "target",
    smooth: bool = False,
    seed: int = 0,
) -> MemberList:
    """Declare members among records, calibrated on known non-members; see `MembershipFDR`.

    Args:
        asked: Records in question. With the truth among them, the list is held against it.
        known: Known non-members, scored by the same model.
        alpha: False discovery rate, in (0, 1).
        method: The procedure.
        members: Ids of known training records, which may not calibrate.
        holdout: Further known non-members, to diagnose a shift.
        scored_by: Model that scored the calibration records.
        smooth: Whether ties between scores are broken at random.
        seed: Seed of the tie-breaks.

    Raises:
        InputError: There are too few calibration records, or they hold a member or a record in
            question.

    Example:
        >>> values = np.linspace(0, 1, 99)
        >>> names = np.array([f"k{row}" for row in range(99)])
        >>> known = ScoreFile(names, True, values, None, None)
        >>> asked = ScoreFile(np.array(["a", "b"]), True, np.array([9.0, 0.5]), None, None)
        >>> [one["record"] for one in declare_members(asked, known).declared]
        ['a']
    """
    wrapper = MembershipFDR(method, smooth=smooth, random_state=seed).calibrate(
        known.scores,
        groups=known.groups,
        ids=known.ids if known.named else None,
        scored_by=scored_by,
        members=members,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ids = asked.ids if asked.named and known.named else None
        mask = wrapper.select(asked.scores, alpha, groups=asked.groups, ids=ids)
        if holdout is not None:
            ids = holdout.ids if holdout.named and known.named else None
            wrapper.diagnose(holdout.scores, ids=ids)
    return MemberList(
        declared=tuple(_declared(wrapper, asked, mask)),
        tested=len(asked),
        method=method,
        guarantee=wrapper.guarantee(alpha),
        warnings=tuple(str(one.message) for one in caught),
        audit=None if asked.member is None else audit(mask, asked.member),
        shift_p=wrapper.shift_p_,
        refuted=wrapper.shift_refuted,
        resolution=wrapper.resolution(len(asked), alpha),
    )


def _declared(
    wrapper: MembershipFDR, asked: ScoreFile, mask: NDArray[np.bool_]
) -> Sequence[dict[str, Any]]:
    p = wrapper.p_values(asked.scores, groups=asked.groups)
    adjusted = wrapper.adjusted_p_values(asked.scores, groups=asked.groups)
    return [
        {
            "record": str(asked.ids[row]),
            "score": float(asked.scores[row]),
            "p": float(p[row]),
            "adjusted_p": float(adjusted[row]),
        }
        for row in adjusted.argsort(kind="stable")
        if mask[row]
    ]
