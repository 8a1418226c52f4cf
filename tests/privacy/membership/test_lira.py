from typing import Any

import numpy as np
import pytest
from scipy import stats

from sterling.errors import InputError
from sterling.measure import Scores, auc
from sterling.privacy.membership import lira_offline, lira_online
from sterling.privacy.membership.lira import lira_released, masked_moments
from sterling.privacy.targets.training import balanced_membership


def shadows(models: int, records: int, seed: int = 0) -> tuple[Any, Any, Any, Any, Any]:
    """φ of shadow models with known laws per record, and a target's."""
    rng = np.random.default_rng(seed)
    membership = balanced_membership(models, records, rng)
    out, gap, spread = rng.normal(size=records), rng.random(records) * 2, 0.5 + rng.random(records)
    member = rng.random(records) < 0.5
    shadow = rng.normal(out + gap * membership, spread)
    target = rng.normal(out + gap * member, spread)
    return target, shadow, membership, member, (out, gap, spread)


def test_moments_equal_a_loop_over_records() -> None:
    _, shadow, membership, _, _ = shadows(10, 30)
    moments = masked_moments(shadow, membership)
    for record in range(30):
        own = shadow[membership[:, record], record]
        assert moments.mean[record] == pytest.approx(own.mean())
        assert moments.variance[record] == pytest.approx(own.var(ddof=1))
    within = np.concatenate(
        [own - own.mean() for own in (shadow[membership[:, r], r] for r in range(30))]
    )
    assert moments.pooled == pytest.approx((within**2).sum() / (30 * 4))


@pytest.mark.parametrize("models", [8, 64])
def test_online_score_is_the_log_ratio_of_two_normals(models: int) -> None:
    target, shadow, membership, _, _ = shadows(models, 12)
    scores = lira_online(target, shadow, membership)
    pooled = []
    for inside in (membership, ~membership):
        residual = [shadow[inside[:, r], r] - shadow[inside[:, r], r].mean() for r in range(12)]
        pooled.append(np.sqrt((np.concatenate(residual) ** 2).sum() / (12 * (models / 2 - 1))))
    for r in range(12):
        within, without = shadow[membership[:, r], r], shadow[~membership[:, r], r]
        spreads = (within.std(ddof=1), without.std(ddof=1)) if models >= 64 else pooled
        expected = stats.norm(within.mean(), spreads[0]).logpdf(target[r])
        expected -= stats.norm(without.mean(), spreads[1]).logpdf(target[r])
        assert scores[r] == pytest.approx(expected)


def test_offline_score_needs_no_model_trained_on_the_record() -> None:
    target, shadow, membership, _, _ = shadows(16, 20)
    changed = np.where(membership, 1e3, shadow)
    scores = lira_offline(target, shadow, membership, variance="per_example")
    np.testing.assert_array_equal(
        scores, lira_offline(target, changed, membership, variance="per_example")
    )
    own = shadow[~membership[:, 3], 3]
    assert scores[3] == pytest.approx((target[3] - own.mean()) / own.std(ddof=1))


def test_many_shadows_approach_the_most_powerful_test() -> None:
    target, shadow, membership, member, (out, gap, spread) = shadows(256, 4000)
    ideal = stats.norm.logpdf(target, out + gap, spread) - stats.norm.logpdf(target, out, spread)
    best, mine, plain = (
        auc(Scores(s, member)).value
        for s in (ideal, lira_online(target, shadow, membership), target)
    )
    assert mine == pytest.approx(best, abs=0.01)
    assert mine > plain + 0.03


def test_views_are_independent_evidence() -> None:
    target, shadow, membership, _, _ = shadows(8, 10)
    other, more, _, _, _ = shadows(8, 10, seed=1)
    both = lira_online(np.stack([target, other]), np.stack([shadow, more], axis=1), membership)
    apart = lira_online(target, shadow, membership) + lira_online(other, more, membership)
    np.testing.assert_allclose(both, apart)


@pytest.mark.parametrize("fixed", [False, True])
def test_the_released_score_is_medians_population_deviations_and_the_mean_over_views(
    fixed: bool,
) -> None:
    rng = np.random.default_rng(3)
    membership = balanced_membership(10, 6, rng)
    shadow, target = rng.normal(size=(10, 2, 6)), rng.normal(size=(2, 6))
    online = lira_released(target, shadow, membership, fixed_variance=fixed)
    offline = lira_released(target, shadow, membership, online=False, fixed_variance=fixed)
    every = [
        np.concatenate([shadow[side[:, r], :, r].ravel() for r in range(6)])
        for side in (membership, ~membership)
    ]
    for r in range(6):
        logs = []
        for side in (membership, ~membership):
            own = np.sort(shadow[side[:, r], :, r], axis=0)  # five models, so the third is central
            spread = every[0].std() if fixed else own.std(axis=0)
            logs.append(stats.norm(own[2], spread).logpdf(target[:, r]))
        assert online[r] == pytest.approx(np.mean(logs[0] - logs[1]))
        alone = every[1].std() if fixed else np.sort(shadow[~membership[:, r], :, r], 0).std(axis=0)
        centre = np.median(shadow[~membership[:, r], :, r], axis=0)
        assert offline[r] == pytest.approx(-stats.norm(centre, alone).logpdf(target[:, r]).mean())


def test_released_and_papers_offline_score_differ_below_the_out_models() -> None:
    """Golden: with out-scores of N(0, 1) a φ of -3 is suspicious to the released score alone."""
    rng = np.random.default_rng(0)
    membership = balanced_membership(2000, 2, rng)
    shadow, target = rng.normal(size=(2000, 2)), np.array([-3.0, 0.0])
    released = lira_released(target, shadow, membership, online=False)
    paper = lira_offline(target, shadow, membership)
    assert released[0] - released[1] == pytest.approx(4.5, rel=0.1)
    assert paper[0] - paper[1] == pytest.approx(-3.0, rel=0.1)
    with pytest.raises(InputError, match="no variance"):
        lira_released(target, np.zeros((2000, 2)), membership)
