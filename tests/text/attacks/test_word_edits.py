"""Every attack changes exactly what it says it changes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sterling.errors import InputError
from sterling.text.attacks.word_edits import (
    HOMOGLYPHS,
    TYPO,
    WORD_EDITS,
    edit_words,
    shift_up,
    zero_width,
)

WORDS = st.text(alphabet="abcdeXYZ'-.1é", min_size=1, max_size=8)
TEXTS = st.lists(WORDS, min_size=1, max_size=30).map(" ".join)


def levenshtein(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, start=1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


def distances(before: str, after: str) -> list[int]:
    old, new = before.split(" "), after.split(" ")
    assert len(old) == len(new)
    return [d for d in map(levenshtein, old, new) if d]


@pytest.mark.parametrize("attack", ["inse", "dele", "subs", "tran", "homo"])
@given(text=TEXTS, share=st.floats(0, 1), seed=st.integers(0, 99))
def test_each_attacked_word_is_one_edit_away_and_a_swap_two(
    attack: str, text: str, share: float, seed: int
) -> None:
    edited = edit_words(text, share, np.random.default_rng(seed), attack)
    changed = distances(text, edited.text)
    assert changed == [2 if attack == "tran" else 1] * edited.changed
    words = len(text.split())
    assert edited.changed <= min(words, max(1, round(share * words)))


@given(text=TEXTS, seed=st.integers(0, 99))
def test_a_typo_is_one_of_the_four(text: str, seed: int) -> None:
    edited = edit_words(text, 1.0, np.random.default_rng(seed), "typo")
    changed = distances(text, edited.text)
    assert len(changed) == edited.changed
    assert set(changed) <= {1, 2}


def test_words_of_every_kind_are_taken_when_all_are() -> None:
    text = "The old bridge at the river was closed in 1984 ."
    edited = edit_words(text, 1.0, np.random.default_rng(0), "subs")
    assert edited.changed == 9
    assert edited.text.split()[-2:] == ["1984", "."]
    assert edited.text[0].isupper()


def test_no_share_still_changes_one_word() -> None:
    text = "some words to be attacked by nobody"
    for attack in WORD_EDITS:
        assert edit_words(text, 0.0, np.random.default_rng(1), attack).changed == 1


def test_typos_come_in_the_platforms_shares() -> None:
    assert sum(TYPO.values()) == pytest.approx(1)
    rng = np.random.default_rng(0)
    lengths = [len(WORD_EDITS["typo"]("carbon", rng)) - 6 for _ in range(4000)]
    for length, share in ((1, TYPO["inse"]), (-1, TYPO["dele"]), (0, TYPO["subs"] + TYPO["tran"])):
        assert lengths.count(length) / 4000 == pytest.approx(share, abs=0.03)


def test_homoglyphs_leave_ascii() -> None:
    assert all(key.isascii() and not value.isascii() for key, value in HOMOGLYPHS.items())
    assert len(set(HOMOGLYPHS.values())) == len(HOMOGLYPHS)


@given(text=TEXTS, share=st.floats(0, 1), seed=st.integers(0, 99))
def test_formatting_is_undone_by_taking_it_out(text: str, share: float, seed: int) -> None:
    spaced = zero_width(text, share, np.random.default_rng(seed))
    assert spaced.text.replace("\u200b", "") == text
    assert spaced.text.count("\u200b") == spaced.changed
    assert len(spaced.text.split()) == len(text.split())
    shifted = shift_up(text, share, np.random.default_rng(seed))
    assert shifted.text.replace("\u000b", "") == text
    assert shifted.text.count("\u000b\u000b") == shifted.changed


@pytest.mark.parametrize("text", ["", "   ", "1 2 3", "a b c", "?!"])
@pytest.mark.parametrize("attack", list(WORD_EDITS))
def test_a_text_without_words_stays(attack: str, text: str) -> None:
    edited = edit_words(text, 0.5, np.random.default_rng(0), attack)
    assert (edited.text, edited.changed) == (text, 0)


def test_a_share_out_of_range_is_named() -> None:
    with pytest.raises(InputError, match=r"share 1\.5"):
        edit_words("two words", 1.5, np.random.default_rng(0), "typo")
