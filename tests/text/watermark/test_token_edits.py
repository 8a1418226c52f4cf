import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sterling.errors import InputError
from sterling.text.watermark.token_edits import TOKEN_EDITS, delete, distinct_n, mix, substitute

OWN, OTHER = np.arange(50), np.arange(1000, 1050)


@given(st.floats(0, 1), st.integers(0, 2**31))
def test_edits_change_the_share_that_they_say(share: float, seed: int) -> None:
    count = round(share * 50)
    draw = np.random.default_rng(seed)
    left = delete(OWN, OTHER, share, draw)
    assert len(left) == 50 - count
    assert (np.diff(left) > 0).all()  # the rest keeps its order
    for edit in (substitute, mix):
        edited = edit(OWN, OTHER, share, draw)
        assert len(edited) == 50
        foreign = edited >= 1000
        assert foreign.sum() == count
        np.testing.assert_array_equal(edited[~foreign], OWN[~foreign])
    one_piece = np.flatnonzero(mix(OWN, OTHER, share, draw) >= 1000)
    assert len(one_piece) == 0 or one_piece[-1] - one_piece[0] == count - 1


@pytest.mark.parametrize("name", TOKEN_EDITS)
def test_shares_out_of_range_are_refused(name: str) -> None:
    for share, other in ((-0.1, OTHER), (1.1, OTHER), (0.5, OTHER[:3])):
        with pytest.raises(InputError, match=r"share|other"):
            TOKEN_EDITS[name](OWN, other, share, np.random.default_rng(0))


def test_distinct_n_counts_over_all_texts() -> None:
    assert distinct_n([[1, 2, 3], [1, 2]], 1) == 3 / 5
    assert distinct_n([[1, 2, 3], [1, 2]], 2) == 2 / 3
    with pytest.raises(InputError, match="none has 4"):
        distinct_n([[1, 2, 3]], 4)
