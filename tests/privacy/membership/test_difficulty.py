import numpy as np
import pytest

from sterling.errors import InputError
from sterling.privacy.membership import difficulty_score


def test_mean_over_the_references_that_count() -> None:
    target = [-1.0, -2.0]
    reference = [[-3.0, np.nan], [-5.0, -2.0], [np.nan, -4.0]]
    assert difficulty_score(target, reference).tolist() == [3.0, 1.0]


def test_a_record_easy_for_all_is_no_evidence() -> None:
    assert difficulty_score([-0.01, -2.0], [[-0.01, -6.0]]).tolist() == [0.0, 4.0]


def test_wrong_input_is_refused() -> None:
    with pytest.raises(InputError, match="record 1 has no reference"):
        difficulty_score([0.0, 0.0], [[1.0, np.nan]])
    with pytest.raises(InputError, match="shape"):
        difficulty_score([0.0, 0.0], [1.0, 1.0])
