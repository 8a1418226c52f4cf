"""Error rates of declared lists over many draws of calibration and test, with the truth known.

The guarantee speaks of an expectation over the draw of both, so one draw says little. Here the same
records are split again and again, which is exchangeable whatever they are.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.guarantee import Procedure, ResolutionWarning, exchangeability_p_value
from sterling.guarantee.selector import SHIFT_LEVEL
from sterling.privacy.membership.fdr import MembershipFDR, audit
from sterling.privacy.membership.lifelong import StageRule, select_over_stages

Floats = NDArray[np.float64]
Truth = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Split:
    """Positions of calibration non-members and of the records in question."""

    calibration: NDArray[np.intp]
    test: NDArray[np.intp]


def split_records(
    member: Truth, rng: np.random.Generator, *, nonmember_share: float = 0.5
) -> Split:
    """Draw half of the non-members to calibrate; the other half and some members are in question.

    Args:
        member: The truth, (n,).
        rng: Draws the halves.
        nonmember_share: Share of non-members among the records in question, if there are members
            enough.
    """
    nonmembers = rng.permutation(np.flatnonzero(~member))
    half = len(nonmembers) // 2
    tested = nonmembers[half:]
    wanted = round(len(tested) * (1 - nonmember_share) / nonmember_share)
    members = rng.permutation(np.flatnonzero(member))[:wanted]
    return Split(nonmembers[:half], np.concatenate([tested, members]))


def realised(
    scores: Floats,
    member: Truth,
    splits: Sequence[Split],
    alpha: float,
    method: Procedure = "bh",
    *,
    calibration_scores: Floats | None = None,
    groups: ArrayLike | None = None,
    smooth: bool = False,
) -> dict[str, float]:
    """Declare members on every split.

    Args:
        scores: Scores of all records, (n,), higher = more member.
        member: The truth, (n,).
        splits: See :func:`split_records`.
        alpha: FDR level in (0, 1).
        method: Procedure of :class:`MembershipFDR`.
        calibration_scores: Scores of the same records by another model, for calibration.
        groups: Groups to calibrate within, (n,).
        smooth: Break ties at random, as in :class:`MembershipFDR`.

    Returns:
        Means over splits: "FDR", the false discovery proportion, 0 where nobody is declared, lower
        is better; "power", the share of members that are declared; "marginal error", the share of
        non-members with p <= alpha; "declaring", the share of splits in which anybody is declared,
        without which the FDR says nothing.
    """
    known = scores if calibration_scores is None else calibration_scores
    labels = None if groups is None else np.asarray(groups)
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResolutionWarning)
        for index, split in enumerate(splits):
            own, asked = (
                None if labels is None else labels[part] for part in (split.calibration, split.test)
            )
            # The same tie-breaks on every split would not average out.
            wrapper = MembershipFDR(method, smooth=smooth, random_state=index)
            wrapper.calibrate(known[split.calibration], groups=own)
            tested, truth = scores[split.test], member[split.test]
            mask = wrapper.select(tested, alpha, groups=asked)
            outcome = audit(mask, truth)
            p = wrapper.p_values(tested, groups=asked)
            rows.append(
                [
                    outcome.fdp,
                    outcome.power.value if outcome.power else 0.0,
                    (p[~truth] <= alpha).mean(),
                    mask.any(),
                ]
            )
    names = ("FDR", "power", "marginal error", "declaring")
    return dict(zip(names, np.mean(rows, axis=0).tolist(), strict=True))


def flagged_share(known: Floats, scores: Floats, member: Truth, splits: Sequence[Split]) -> float:
    """Return the share of splits in which the shift diagnostic refutes the scores ``known``.

    It compares those of calibration records with ``scores`` of the non-members in question.
    """
    return float(
        np.mean(
            [
                exchangeability_p_value(
                    known[split.calibration], scores[split.test[~member[split.test]]]
                )
                < SHIFT_LEVEL
                for split in splits
            ]
        )
    )


def realised_over_stages(
    scores: Sequence[Floats],
    member: Truth,
    splits: Sequence[Sequence[Split]],
    alpha: float,
    rule: StageRule,
) -> dict[str, float]:
    """Declare members at every stage of a model that keeps learning.

    Args:
        scores: Scores of all records by the model of each stage, (n,) each.
        member: The truth, (n,).
        splits: For each draw, one split per stage.
        alpha: FDR level in (0, 1).
        rule: Rule of :func:`select_over_stages`.

    Returns:
        Means: "FDR of all claims" and "FDR of the worst stage", false discovery proportions of the
        claims of all stages together and of the worst one; "power" and "declaring", as in
        :func:`realised`.
    """
    together, apart = [], []
    for parts in splits:
        p = [
            MembershipFDR().calibrate(values[part.calibration]).p_values(values[part.test])
            for values, part in zip(scores, parts, strict=True)
        ]
        masks = select_over_stages(p, alpha, rule, calibration=[len(s.calibration) for s in parts])
        truth = [member[part.test] for part in parts]
        outcome = audit(np.concatenate(masks), np.concatenate(truth))
        power = outcome.power.value if outcome.power else 0.0
        together.append([outcome.fdp, power, any(mask.any() for mask in masks)])
        apart.append([audit(m, t).fdp for m, t in zip(masks, truth, strict=True)])
    fdp, power, declaring = np.mean(together, axis=0).tolist()
    worst = float(np.mean(apart, axis=0).max())
    return {
        "FDR of all claims": fdp,
        "FDR of the worst stage": worst,
        "power": power,
        "declaring": declaring,
    }
