"""Weighted conformal prediction: calibration and test items of different but known shares."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError
from sterling.guarantee.arrays import check_alpha, check_scores


def weighted_quantiles(
    scores: ArrayLike, weights: ArrayLike, test_weights: ArrayLike, alpha: float
) -> NDArray[np.float64]:
    """Threshold of each test item under covariate shift, (T,).

    The smallest score s at which calibration items of score <= s hold a share 1 - alpha of the
    weight of all n items and the test item together (Tibshirani, Foygel Barber, Candès, Ramdas,
    NeurIPS 2019). Equal weights give :func:`sterling.guarantee.conformal_quantile`.

    Args:
        scores: Calibration scores (n,); larger fits worse.
        weights: Likelihood ratio test / calibration at each calibration item (n,), finite, >= 0,
            up to a common factor. Estimated ratios give estimated coverage.
        test_weights: The same at each test item (T,).
        alpha: Error level in (0, 1).

    Returns:
        Infinity where the test item alone holds more than alpha of the weight.
    """
    values = check_scores("scores", scores, minimum=1)
    known = check_scores("weights", weights)
    new = check_scores("test_weights", test_weights)
    check_alpha(alpha)
    if known.shape != values.shape:
        raise InputError(f"weights have shape {known.shape}; give one per score ({len(values)})")
    for name, array in (("weights", known), ("test_weights", new)):
        if not (np.isfinite(array) & (array >= 0)).all():
            raise InputError(f"{name} must be finite and at least 0")
    if not known.any():
        raise InputError("weights are all 0: no calibration item is like the test items")
    order = np.argsort(values)
    mass = np.cumsum(known[order])
    wanted = (1 - alpha) * (mass[-1] + new)
    # The last digit of a sum must not push a threshold up by one score.
    place = np.searchsorted(mass, wanted * (1 - 1e-12))
    limits = np.append(values[order], np.inf)[place]
    return np.asarray(limits)
