import numpy as np
import pytest

from sterling.errors import InputError
from sterling.measure import Scores, auc
from sterling.privacy.membership import QuantileRegression


def test_it_learns_the_quantile_and_so_beats_the_plain_score() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6000, 3))
    member = rng.random(6000) < 0.5
    phi = 3 * x[:, 0] + rng.normal(size=6000) + 1.5 * member
    fit = np.flatnonzero(~member)[:2000]
    rest = np.setdiff1d(np.arange(6000), fit)
    attack = QuantileRegression(0.9).fit(x[fit], phi[fit])
    scores = attack.score(x[rest], phi[rest])
    above = (scores[~member[rest]] > 0).mean()
    # The share of fresh non-members above their own 90 % quantile; 3 binomial s.e. and 2 points
    # for the fit.
    assert above == pytest.approx(0.1, abs=3 * (0.09 / (~member[rest]).sum()) ** 0.5 + 0.02)
    plain, mine = (auc(Scores(s, member[rest])).value for s in (phi[rest], scores))
    assert mine > plain + 0.1


def test_wrong_input_is_refused() -> None:
    with pytest.raises(InputError, match="20 records"):
        QuantileRegression().fit(np.zeros((5, 2)), np.zeros(5))
    with pytest.raises(InputError, match="quantile 1"):
        QuantileRegression(1.0)
