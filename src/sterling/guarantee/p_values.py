"""Conformal p-values: how unusual is a score among scores of a known population?

Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World" (2005), sections 2.2 (plain and
smoothed) and 4.5 (Mondrian). One sort of the calibration scores serves every test score.
"""

import numpy as np
from numpy.typing import ArrayLike

from sterling.errors import InputError
from sterling.guarantee.checks import Floats, check_groups, check_scores


def conformal_p_values(
    calibration: ArrayLike,
    test: ArrayLike,
    smooth: bool = False,
    rng: np.random.Generator | None = None,
) -> Floats:
    """Return p-values of "this item is of the calibration population"; small means unlike it.

    For a test item exchangeable with the calibration items, P(p <= a) <= a for every a, over the
    draw of both. The p-values of several test items share the calibration set, so they are not
    independent; they are positively dependent (PRDS: Bates et al., Annals of Statistics 2023),
    which is what the Benjamini-Hochberg procedure needs.

    Args:
        calibration: Scores (n,), n >= 1; a larger score is more like the calibration population.
        test: Scores (T,), from the same fixed scoring function.
        smooth: Break ties at random, so that p is exactly uniform for exchangeable items.
        rng: Source of the random tie-breaks; needed with ``smooth``.

    Returns:
        p (T,), in (0, 1]. Plain: ``(#{calibration <= s} + 1) / (n + 1)``, at least 1 / (n + 1).
        Smooth: ``(#{calibration < s} + U (1 + #{calibration = s})) / (n + 1)``, U in (0, 1].

    Raises:
        InputError: No calibration score, a NaN, or ``smooth`` without ``rng``.
    """
    ordered = np.sort(check_scores("calibration", calibration, minimum=1))
    scores = check_scores("test", test)
    return _p_values(ordered, scores, _tie_breaks(len(scores), smooth, rng))


def mondrian_p_values(
    calibration: ArrayLike,
    test: ArrayLike,
    calibration_groups: ArrayLike,
    test_groups: ArrayLike,
    smooth: bool = False,
    rng: np.random.Generator | None = None,
) -> Floats:
    """Return conformal p-values against the calibration items of the test item's own group.

    Valid within every group, so also when the groups' shares differ between calibration and test.

    Args:
        calibration: Scores (n,).
        test: Scores (T,).
        calibration_groups: Group of each calibration item, (n,), known without its score.
        test_groups: Group of each test item, (T,).
        smooth: As in :func:`conformal_p_values`.
        rng: As in :func:`conformal_p_values`.

    Raises:
        InputError: Also when a test item's group has no calibration item.
    """
    known = check_scores("calibration", calibration, minimum=1)
    scores = check_scores("test", test)
    groups = check_groups("calibration_groups", calibration_groups, len(known))
    of_test = check_groups("test_groups", test_groups, len(scores))
    breaks = _tie_breaks(len(scores), smooth, rng)
    p = np.empty(len(scores))
    for group in np.unique(of_test):
        rows = of_test == group
        members = known[groups == group]
        if not len(members):
            raise InputError(
                f"group {group!s} has no calibration item; add some, or leave its test items out"
            )
        p[rows] = _p_values(
            np.sort(members), scores[rows], None if breaks is None else breaks[rows]
        )
    return p


def _tie_breaks(n: int, smooth: bool, rng: np.random.Generator | None) -> Floats | None:
    if not smooth:
        return None
    if rng is None:
        raise InputError("smooth=True breaks ties at random; pass rng=numpy.random.default_rng(0)")
    return 1 - rng.random(n)  # in (0, 1]: a p-value is never 0


def _p_values(ordered: Floats, scores: Floats, breaks: Floats | None) -> Floats:
    n = len(ordered)
    # Sorted look-ups walk through memory instead of jumping: four times as fast for a million.
    order = np.argsort(scores)
    asked = scores[order]
    at_most = np.searchsorted(ordered, asked, side="right")
    p = np.empty(len(scores))
    if breaks is None:
        p[order] = (at_most + 1) / (n + 1)
    else:
        below = np.searchsorted(ordered, asked, side="left")
        p[order] = (below + breaks[order] * (1 + at_most - below)) / (n + 1)
    return p
