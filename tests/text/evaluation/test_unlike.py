"""Texts of another language or kind are marked; texts like the calibration texts are not."""

import numpy as np
import pytest
from scipy import stats
from tests.text.number_detector import numbers, trained_detector

from sterling.text.corpus.prose import human_prose
from sterling.text.evaluation.declaration import declare_machine_written
from sterling.text.evaluation.unlike import unlike_calibration

OTHERS = {
    "German": "Der Hafen war still, als die Boote zurückkamen, und keiner fragte, wie es war. ",
    "French": "Le port était calme lorsque les bateaux sont revenus, et personne n'a rien dit. ",
    "Spanish": "El puerto estaba tranquilo cuando regresaron los barcos y nadie preguntó. ",
    "Dutch": "De haven was stil toen de boten terugkwamen en niemand vroeg hoe de dag was. ",
    "Russian": "Когда лодки вернулись, в гавани было тихо, и никто ничего не спросил. ",
    "Chinese": "船回来的时候，港口很安静，没有人问今天过得怎么样。",
    "code": "def f(x):\n    return [i for i in range(x) if i % 2]\n\nfor k in f():\n    print(k)\n",
    "Italian": "Il porto era tranquillo quando le barche tornarono e nessuno chiese nulla. ",
    "Swedish": "Hamnen var tyst när båtarna kom tillbaka och ingen frågade hur dagen var. ",
    "Swahili": "Bandari ilikuwa kimya wakati mashua ziliporudi na hakuna aliyeuliza kitu. ",
    "markup": '<div class="x"><p>Hello</p><a href="b.html">link</a></div>\n',
    "C": 'int main(void) { for (int i = 0; i < 10; i++) printf("%d", i); return 0; }\n',
    "formula": r"\begin{equation} \int_0^\infty e^{-x^2} dx = \frac{1}{2} \end{equation} ",
    "numbers": "12 4.5 33 91 2.7\n",
    "emoji": "🙂🎉🚢 ",
}
ENGLISH = [
    "The boats came back to the quiet harbour and nobody asked how the day had gone. The men "
    "pulled their nets over the wall and sat there smoking, and a dog slept in the sun.",
    "Artificial intelligence has rapidly transformed various industries, offering unprecedented "
    "opportunities for innovation and efficiency. However, it also presents significant challenges "
    "that must be carefully navigated to ensure ethical and responsible use.",
    "The patient presented with acute abdominal pain and elevated white blood cell count; an "
    "ultrasound showed an inflamed appendix measuring 11 mm. Surgery was planned for the morning.",
    "THE FUNCTION RETURNS A LIST OF THE ELEMENTS FOR WHICH THE PREDICATE IS TRUE.",
]


@pytest.fixture(scope="module")
def people() -> list[str]:
    return [one.text for one in human_prose("addresses", 80)]


@pytest.mark.parametrize("size", [20, 100, 300])
def test_other_languages_and_kinds_are_marked_and_english_is_not(
    people: list[str], size: int
) -> None:
    others = [text * 4 for text in OTHERS.values()]
    assert unlike_calibration(others, people[:size]).all()
    assert not unlike_calibration(ENGLISH, people[:size]).any()


def test_no_more_texts_of_the_same_kind_are_marked_than_one_in_n_plus_one(
    people: list[str],
) -> None:
    """Short sentences vary most; the calibration texts are as short."""
    short = [" ".join(text.split()[:6]) for text in people]
    rng, marked, asked = np.random.default_rng(0), 0, 0
    for _ in range(40):
        order = rng.permutation(len(short))
        known, new = ([short[row] for row in order[a:b]] for a, b in ((0, 30), (30, 80)))
        marked += int(unlike_calibration(new, known).sum())
        asked += 50
    assert stats.binomtest(marked, asked, 1 / 31, alternative="greater").pvalue > 1e-3


def test_the_calibration_decides_which_language_is_another() -> None:
    german = [OTHERS["German"] + word for word in ("Morgen", "Abend", "Mittag", "Nacht") * 5]
    assert not unlike_calibration([OTHERS["German"] * 2], german).any()
    assert unlike_calibration(ENGLISH[:1], german).all()


def test_a_document_of_another_kind_is_not_declared_and_its_score_does_not_help_others() -> None:
    rng = np.random.default_rng(0)
    detector = trained_detector(rng.normal(0, 1, 40).tolist(), rng.normal(2, 1, 40).tolist())
    english = " ".join(ENGLISH)
    known = numbers("k", [f"{x} {english}" for x in rng.normal(0, 1, 99)], 0)
    machine = numbers("m", [f"9.{i} {english}" for i in range(3)], 0)
    other = numbers("o", [f"9.{i} " + OTHERS["German"] * 4 for i in range(50)], 0)
    given = declare_machine_written(detector, [*machine, *other], known, fdr=0.5)
    assert [one.unlike for one in given.verdicts] == [False] * 3 + [True] * 50
    assert not any(one.declared or one.p_value < 1 for one in given.verdicts[3:])
    assert any(
        "unlike all calibration texts: another language or kind?" in one for one in given.warnings
    )
    alone = declare_machine_written(detector, machine, known, fdr=0.5)
    assert all(one.declared for one in alone.verdicts)
    assert not alone.warnings
    for row, one in enumerate(alone.verdicts):
        assert given.verdicts[row].adjusted_p >= one.adjusted_p
