import numpy as np

from sterling.studies.privacy.mia_fdr._resplits import split_records
from sterling.studies.privacy.mia_fdr._target_audit import _easy, _shifted_mix


def test_a_shifted_mix_is_poor_in_other_classes_on_either_side() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(6, size=3000)
    member = rng.random(3000) < 0.5
    scores = rng.normal(labels, 1.0)
    easy = _easy(scores, member, labels)
    np.testing.assert_array_equal(easy, labels >= 3)
    mixed = _shifted_mix(split_records(member, rng), labels, easy)
    assert easy[mixed.calibration].mean() < 0.25
    assert easy[mixed.test].mean() > 0.75
    assert not member[mixed.calibration].any()
