from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.base import clone

from sterling.errors import InputError
from sterling.guarantee import RiskController, fixed_sequence

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


def missed_count(sets: NDArray[np.bool_], truth: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Number of an item's true labels that are not in its set, 0 to 6."""
    return np.asarray((truth & ~sets).sum(axis=1))


def wrong_share(sets: NDArray[np.bool_], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of a set that is wrong; not monotone in the cut."""
    wrong: NDArray[np.float64] = (sets & ~truth).sum(axis=1) / np.maximum(sets.sum(axis=1), 1)
    return wrong


@pytest.mark.parametrize(
    ("method", "loss", "settings", "how"),
    [
        # For wrong labels large cuts are safe, and the smallest is wanted.
        ("ltt", wrong_share, CUTS[::-1], {"epsilon": 0.3, "delta": 0.1}),
        ("rcps", missed_share, CUTS, {"epsilon": 0.25, "delta": 0.1}),
        ("crc", missed_count, CUTS, {"epsilon": 0.5, "bound": 6.0}),
    ],
)
def test_the_risk_is_bounded_as_promised_and_not_wasted(
    method: Any, loss: Any, settings: Any, how: dict[str, Any]
) -> None:
    rng = np.random.default_rng(0)
    p, truth = draw(rng, 100_000)
    risk = {cut: float(loss(label_sets(p, cut), truth).mean()) for cut in CUTS}
    controller = RiskController(label_sets, loss, settings, method=method, **how)
    risks = np.array([risk[controller.fit(*draw(rng, 300)).setting_] for _ in range(200)])
    if method == "crc":  # bounded on average, in the unit of the loss
        assert risks.mean() <= 0.5 + 3 * risks.std() / np.sqrt(200)
    else:
        exceeded = int((risks > how["epsilon"]).sum())
        assert stats.binomtest(exceeded, 200, 0.1, alternative="greater").pvalue > 1e-6
    assert risks.mean() > 0.6 * how["epsilon"]
    assert controller.guarantee_.level == how["epsilon"]
    assert controller.guarantee_.confidence == (None if method == "crc" else 0.9)


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
