"""Documents are compared with the calibration texts by features that no detector scores."""

import numpy as np
import pytest
from scipy import stats

from sterling.text.evaluation.shift import FIRST_WORDS, LEVEL, compare_features

WORDS = np.array(["river", "a", "bridge", "people", "to", "old", "light", "mountain", "of", "sea"])
OTHER = np.array(["fluss", "zu", "brücke", "leute", "alt", "licht", "gebirge", "von", "meer", "ja"])


def text(rng: np.random.Generator, words: np.ndarray = WORDS, most: int = 80) -> str:
    return " ".join(rng.choice(words, size=rng.integers(20, most)))


def test_texts_of_one_kind_differ_no_more_often_than_the_level_says() -> None:
    rng = np.random.default_rng(0)
    repeats = 150
    alarms = 0
    for _ in range(repeats):
        documents, calibration = ([text(rng) for _ in range(n)] for n in (30, 25))
        alarms += any(one.differs for one in compare_features(documents, calibration))
    assert stats.binomtest(alarms, repeats, LEVEL, alternative="greater").pvalue > 1e-4


@pytest.mark.parametrize(
    ("feature", "words", "most"),
    [("words", WORDS, 300), ("rarity of its letter groups", OTHER, 80)],
)
def test_another_length_or_language_is_named(feature: str, words: np.ndarray, most: int) -> None:
    rng = np.random.default_rng(1)
    calibration = [text(rng) for _ in range(60)]
    documents = [text(rng, words, most) for _ in range(60)]
    found = {one.feature: one for one in compare_features(documents, calibration)}
    assert found[feature].differs
    assert (found[feature].documents or 0) > (found[feature].calibration or 0)


def test_the_vocabulary_is_that_of_the_first_words_and_needs_so_many() -> None:
    rng = np.random.default_rng(2)
    rich = np.array([f"w{index}" for index in range(1000)])

    def texts(words: np.ndarray, size: int) -> list[str]:
        return [" ".join(rng.choice(words, size=size)) for _ in range(40)]

    name = f"distinct words among the first {FIRST_WORDS}"
    long = {one.feature: one for one in compare_features(texts(rich, 120), texts(rich[:50], 120))}
    assert long[name].differs
    short = {one.feature: one for one in compare_features(texts(rich, 90), texts(rich[:50], 90))}
    assert short[name].p_value == 1
