from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.base import clone

from sterling.errors import InputError
from sterling.guarantee import RiskController, betting_p_values, fixed_sequence

CUTS = tuple(np.round(np.arange(0.95, 0.0, -0.05), 2))  # least cautious first: smallest sets


def draw(rng: np.random.Generator, n: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Multi-label items: probabilities of 6 labels, and which are true."""
    p = rng.beta(1, 2, size=(n, 6))
    return p, rng.random((n, 6)) < p


def label_sets(p: NDArray[Any], cut: float) -> NDArray[np.bool_]:
    return p >= cut


def missed_share(sets: NDArray[np.bool_], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of an item's true labels that are not in its set; falls as sets grow."""
    missed: NDArray[np.float64] = (truth & ~sets).sum(axis=1) / np.maximum(truth.sum(axis=1), 1)
    return missed


def wrong_share(sets: NDArray[np.bool_], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of a set that is wrong; not monotone in the cut."""
    wrong: NDArray[np.float64] = (sets & ~truth).sum(axis=1) / np.maximum(sets.sum(axis=1), 1)
    return wrong


def true_risk(loss: Any, rng: np.random.Generator) -> dict[float, float]:
    p, truth = draw(rng, 200_000)
    return {cut: float(loss(label_sets(p, cut), truth).mean()) for cut in CUTS}


@pytest.mark.parametrize(("method", "loss"), [("ltt", wrong_share), ("rcps", missed_share)])
def test_the_risk_exceeds_epsilon_as_rarely_as_promised(method: Any, loss: Any) -> None:
    rng = np.random.default_rng(0)
    risk = true_risk(loss, rng)
    # For wrong labels large cuts are safe, and the smallest is wanted.
    settings = CUTS if method == "rcps" else CUTS[::-1]
    controller = RiskController(
        label_sets, loss, settings, method=method, epsilon=0.25, delta=0.1, risk_test=betting
    )
    risks = [risk[controller.fit(*draw(rng, 300)).setting_] for _ in range(300)]
    exceeded = sum(one > 0.25 for one in risks)
    assert stats.binomtest(exceeded, 300, 0.1, alternative="greater").pvalue > 1e-6
    assert np.mean(risks) > 0.15  # it does not buy safety by giving everything up


def betting(losses: Any, epsilon: float) -> NDArray[np.float64]:
    return betting_p_values(losses, epsilon)


def test_the_expected_loss_is_controlled_in_the_unit_of_the_loss() -> None:
    rng = np.random.default_rng(1)
    p, truth = draw(rng, 200_000)

    def missed(sets: NDArray[np.bool_], truth: NDArray[np.bool_]) -> NDArray[np.intp]:
        return np.asarray((truth & ~sets).sum(axis=1))  # labels, 0 to 6

    risk = {cut: float(missed(label_sets(p, cut), truth).mean()) for cut in CUTS}
    controller = RiskController(label_sets, missed, CUTS, method="crc", epsilon=0.5, bound=6.0)
    risks = np.array([risk[controller.fit(*draw(rng, 100)).setting_] for _ in range(400)])
    assert risks.mean() <= 0.5 + 3 * risks.std() / 20
    assert risks.mean() > 0.3
    assert controller.guarantee_.level == 0.5
    assert controller.guarantee_.confidence is None


def test_predict_decides_at_the_first_safe_setting() -> None:
    rng = np.random.default_rng(2)
    controller = RiskController(label_sets, missed_share, CUTS, method="rcps", epsilon=0.3)
    controller.fit(*draw(rng, 500))
    new, _ = draw(rng, 20)
    np.testing.assert_array_equal(controller.predict(new), new >= controller.setting_)
    assert controller.setting_ == CUTS[controller.position_]
    assert controller.safe_.argmax() == controller.position_
    assert controller.risk_ <= 0.3
    assert controller.guarantee_.confidence == 0.95


def test_losses_of_ones_own_give_columns() -> None:
    # 0/1 losses of four settings on 200 items; HB certifies at most 12 errors at (0.1, 0.1 / 4).
    losses = np.arange(200)[:, None] < [60, 5, 30, 0]
    controller = RiskController(epsilon=0.1, delta=0.1).fit_losses(losses)
    assert controller.safe_.tolist() == [False, True, False, True]
    assert (controller.setting_, controller.risk_) == (1, 0.025)
    in_order = clone(controller).set_params(correction=fixed_sequence).fit_losses(losses[:, ::-1])
    assert in_order.safe_.tolist() == [True, False, False, False]
    with pytest.raises(InputError, match="use setting_"):
        controller.predict([1])


def test_what_cannot_be_promised_is_refused() -> None:
    with pytest.raises(InputError, match=r"no setting can be certified .* 0.4 on 50 items"):
        RiskController().fit_losses(np.full((50, 2), [0.4, 0.5]))
    with pytest.raises(InputError, match="rises"):
        RiskController(method="rcps").fit_losses([[0.0, 1.0]])
    with pytest.raises(InputError, match="did you mean rcps"):
        RiskController(method="rcp").fit_losses([[0.0]])  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"shape \(50, 2\) for 3 settings"):
        RiskController(settings=[1, 2, 3]).fit_losses(np.zeros((50, 2)))
    with pytest.raises(InputError, match="give all three"):
        RiskController().fit([1], [1])
    with pytest.raises(InputError, match=r"shape \(20, 6\)"):
        RiskController(label_sets, lambda s, y: s != y, CUTS).fit(
            *draw(np.random.default_rng(0), 20)
        )
