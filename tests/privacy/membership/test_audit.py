import pytest

from sterling.errors import InputError
from sterling.measure import Rate
from sterling.privacy.membership import audit


def test_counts() -> None:
    outcome = audit([True, True, True, False, False], [True, False, True, True, False])
    assert outcome.false_discoveries == Rate(1, 3)
    assert outcome.power == Rate(2, 3)
    assert outcome.marginal_error == Rate(1, 2)
    assert outcome.fdp == pytest.approx(1 / 3)


def test_nobody_declared_is_no_false_discovery() -> None:
    outcome = audit([False, False], [False, False])
    assert outcome.fdp == 0
    assert outcome.false_discoveries is None
    assert outcome.power is None
    assert outcome.marginal_error == Rate(0, 2)


def test_wrong_input_is_refused() -> None:
    with pytest.raises(InputError, match="true or false"):
        audit([1, 0], [True, False])
    with pytest.raises(InputError, match="same records"):
        audit([True], [True, False])
