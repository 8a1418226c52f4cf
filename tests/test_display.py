"""Results show themselves: one line, a table, a figure."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from matplotlib import pyplot as plt

from sterling import display
from sterling.errors import InputError
from sterling.guarantee import (
    LAC,
    Assumption,
    ConformalSelector,
    Guarantee,
    calibrate_label_sets,
    conformal_risk_control,
    learn_then_test,
)
from sterling.measure import (
    Estimate,
    Interval,
    Rate,
    Scores,
    Threshold,
    error_curve,
    evaluate,
    threshold_at_bpcer,
)
from sterling.privacy import MembershipFDR
from sterling.privacy.membership import audit
from sterling.privacy.unlearning_attacks.audit import audit_forgetting
from sterling.privacy.unlearning_attacks.signals import Signals
from sterling.study import Evidence, Metric, Results, Table, at_least, row
from sterling.text import Declaration, TextRecord, declare_machine_written
from sterling.text.detectors.scored import FunctionDetector

VALUES = [0.1, 0.4, 0.8, 0.3, 0.7, 0.9]
SPECIES = ["print", "print", "mask", "bona_fide", "bona_fide", "bona_fide"]
SCORES = Scores(VALUES, [False] * 3 + [True] * 3, group=SPECIES, subject=list("aabbcc"))
ERRORS = evaluate(SCORES, Threshold(0.5))
GUARANTEE = Guarantee("It holds.", (Assumption("one", "no", met=False), Assumption("two")), 9, 0.1)
PROBABILITIES = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.5, 0.5]] * 5)
RULE = calibrate_label_sets(PROBABILITIES, [0, 0, 1, 1] * 5, 0.2, LAC())
FORGOTTEN = Signals(np.array([0.1, 0.2, 0.3])), Signals(np.array([0.4, 0.5, 0.6]))
RESULTS = Results.of(
    row("auc", value, system=name, repetition=index)
    for index, value in enumerate((0.8, 0.9))
    for name in ("a", "b")
)
TABLE = Table(name="t", title="Errors", columns=["rate", "low", "low"], rows=[["<b>", 0.125, None]])
CLAIM = at_least("better", "It is better.", Rate(90, 100), 0.5)
RUN: dict[str, Any] = {
    **{"study": "cdcn", "preset": "quick", "seed": 0, "command": "", "config": {}, "versions": {}},
    **{"started": "", "wall_s": 0.0, "scope": "SIMULATED", "not_scored": 0, "metrics": []},
}
EVIDENCE = Evidence(**RUN, claims=[CLAIM])


def heights(ax: Any) -> list[float]:
    return [bar.get_height() for bar in ax.patches]


def legend(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


@pytest.fixture(autouse=True)
def _figures_are_closed() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def declaration() -> Declaration:
    def texts(name: str, numbers: range) -> list[TextRecord]:
        return [TextRecord(f"{name}{n}", f"{n} apples and pears.", 0, name) for n in numbers]

    detector = FunctionDetector("count", lambda asked: [int(text.split()[0]) for text in asked])
    inbox = [*texts("sure", range(500, 502)), *texts("usual", range(100, 104))]
    return declare_machine_written(detector, inbox, texts("known", range(20, 99)), fdr=0.1)


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        (Interval(0.0349211, 0.11), "Interval(0.0349 … 0.11)"),
        (
            Estimate(0.25, Interval(0.2, 0.3), 0.9, "bootstrap"),
            "Estimate(0.25, 90 % 0.2 … 0.3, bootstrap)",
        ),
        (Rate(0, 150), "Rate(0 of 150 = 0, 95 % 0 … 0.0243)"),
        (
            SCORES,
            "Scores(3 positive, 3 negative (mask, print), 3 subjects, higher is positive)",
        ),
        (Threshold(0.5, "down"), "Threshold(score <= 0.5, set by hand)"),
        (
            threshold_at_bpcer(SCORES, 0.4, source="dev"),
            "Threshold(score >= 0.7, BPCER <= 0.4, chosen on 3 of dev)",
        ),
        (
            ERRORS,
            "PadErrors(APCER 1 (mask, worst of 2), BPCER 0.3333, bona fide if score >= 0.5)",
        ),
        (error_curve(SCORES), "ErrorCurve(7 points, equal error rate 0.3333)"),
        (GUARANTEE, "Guarantee(It holds, 9 calibration items, 2 assumptions (1 not met))"),
        (RULE, "LabelSetRule(coverage >= 0.8, LAC, 2 classes, 20 calibration items)"),
        (
            learn_then_test(np.zeros((100, 2)), 0.1, 0.1),
            "SafeSettings(2 of 2 settings safe, risk <= 0.1)",
        ),
        (
            conformal_risk_control(np.zeros((20, 2)), 0.1),
            "ControlledRisk(setting 0, risk 0 on 20 calibration items, to be <= 0.1)",
        ),
        (
            audit([True, True, False], [True, False, True]),
            "MembershipAudit(1 of 2 declared are not members, 1 of 2 members declared)",
        ),
        (audit([False], [False]), "MembershipAudit(none declared)"),
        (RESULTS, "Results(4 rows of auc, 2 repetitions, by system)"),
        (CLAIM, "Claim(better, holds, 0.9, 95 % 0.8238 … 0.951, to be >= 0.5)"),
        (
            Metric(name="auc", value=None, n=0, unit="rate"),
            "Metric(auc, not measured, rate)",
        ),
        (TABLE, "Table(Errors, 1 × 3, rate, low, low)"),
        (EVIDENCE, "Evidence(cdcn quick, seed 0, 1 of 1 claims hold)"),
    ],
    ids=lambda each: type(each).__name__ if not isinstance(each, str) else "",
)
def test_a_result_is_one_line_with_its_numbers(result: object, shown: str) -> None:
    assert repr(result) == str(result) == shown


def test_an_audit_of_forgetting_names_both_areas() -> None:
    shown = repr(audit_forgetting(*FORGOTTEN, retrained=FORGOTTEN[::-1]))
    assert shown.startswith("ForgettingAudit(area 1, 95 % ")
    assert shown.endswith("retrained 0)")


def test_a_threshold_does_not_show_the_digests_of_its_items() -> None:
    threshold = threshold_at_bpcer(SCORES, 0.4)
    assert not any(digest in repr(threshold) for digest in threshold.items)


def test_error_rates_are_a_frame_with_exact_intervals() -> None:
    frame = ERRORS.to_frame()
    assert frame["rate"].to_list() == ["APCER", "APCER", "BPCER"]
    assert frame["species"].to_list() == ["mask", "print", None]
    rates = [Rate(*counts) for counts in frame.select("errors", "trials").iter_rows()]
    assert frame["value"].to_list() == [rate.value for rate in rates]
    assert frame["high"].to_list() == [rate.interval().high for rate in rates]


def test_a_curve_is_a_frame_of_its_points() -> None:
    curve = error_curve(SCORES)
    assert curve.to_frame().columns == ["threshold", "fpr", "fnr"]
    assert curve.to_frame()["fnr"].to_list() == curve.fnr.tolist()


def test_a_curve_is_drawn_once_per_call_on_one_pair_of_axes() -> None:
    curve = error_curve(SCORES)
    ax: Any = curve.plot(label="ours")
    assert curve.plot(ax, label="theirs") is ax
    drawn: Any = [one for one in ax.get_lines() if one.get_label() in ("ours", "theirs")]
    assert len(drawn) == 2
    assert drawn[0].get_xydata().tolist() == np.c_[curve.fpr, curve.fnr].tolist()
    assert len(ax.get_lines()) == 3  # and where both rates are equal


def test_sizes_of_sets_are_shares_that_sum_to_one() -> None:
    drawn, sizes = heights(RULE.plot(PROBABILITIES)), RULE.sets(PROBABILITIES).sum(1)
    assert drawn == [(sizes == size).mean() for size in (0, 1, 2)]
    assert sum(drawn) == 1


def test_sizes_of_sets_by_group_stand_side_by_side() -> None:
    groups = ["x", "y"] * 10
    options: Any = {"condition": "group", "groups": groups}
    rule = calibrate_label_sets(PROBABILITIES, [0, 0, 1, 1] * 5, 0.2, LAC(), **options)
    ax = rule.plot(PROBABILITIES, groups=groups)
    drawn = heights(ax)
    assert len(drawn) == 6
    assert sum(drawn[:3]) == sum(drawn[3:]) == pytest.approx(1)
    assert legend(ax) == ["x", "y"]


@pytest.mark.parametrize("procedure", ["bh", "storey", "by"])
def test_a_list_is_drawn_as_it_is_declared(procedure: Any) -> None:
    rng = np.random.default_rng(0)
    selector = ConformalSelector(procedure=procedure).fit(rng.normal(size=500))
    scores = np.r_[rng.normal(size=40), rng.normal(-6, 1, 10)]
    declared = int(selector.predict(scores).sum())
    assert 0 < declared < 50
    shown = [f"declared: {declared}", f"not declared: {50 - declared}"]
    assert legend(selector.plot(scores)) == shown


def test_declared_members_are_a_frame_and_a_figure() -> None:
    fdr = MembershipFDR().calibrate(np.arange(99), ids=np.arange(99))
    scores = [200, 50, 300]
    frame = fdr.to_frame(scores, 0.1, ids=["a", "b", "c"])
    assert frame.columns == ["record", "score", "p_value", "adjusted_p", "declared"]
    assert frame.filter("declared")["record"].to_list() == ["a", "c"]
    assert frame["p_value"].to_list() == fdr.p_values(scores).tolist()
    assert legend(fdr.plot(scores, 0.1))[0] == "declared: 2"


def test_declared_texts_are_a_table_a_frame_and_a_figure(declaration: Declaration) -> None:
    assert repr(declaration).startswith("Declaration(6 of 6 documents declared, FDR <= 0.1, 79 ")
    some = replace(
        declaration,
        verdicts=(
            replace(declaration.verdicts[0], id="<i>", declared=True),
            *(replace(one, declared=False, adjusted_p=0.5) for one in declaration.verdicts[1:]),
        ),
    )
    assert "<td>&lt;i&gt;</td>" in some._repr_html_()
    assert "usual100" not in some._repr_html_()
    assert "not sole evidence against a person" in some._repr_html_()
    frame = some.to_frame()
    assert len(frame) == 6
    assert frame["declared"].sum() == len(some.declared) == 1
    assert legend(some.plot())[0] == "declared: 1"
    assert repr(some.verdicts[1]).startswith("Verdict(sure501, not declared, p = ")


def test_tables_of_the_evidence_are_frames() -> None:
    assert TABLE.to_frame().columns == ["rate", "low", "low 2"]
    assert TABLE.to_frame().row(0) == ("<b>", 0.125, None)
    frame = EVIDENCE.to_frame()
    assert frame.select("id", "verdict", "bar").row(0) == ("better", "holds", ">= 0.5")
    none = EVIDENCE.model_copy(update={"claims": []})
    assert none.to_frame().schema == frame.schema
    assert none.to_frame().is_empty()


@pytest.mark.parametrize("result", [TABLE, EVIDENCE, ERRORS, GUARANTEE, RESULTS])
def test_tables_are_html(result: Any) -> None:
    html = result._repr_html_()
    assert html.count("<table") == html.count("</table>") == 1
    assert "<b>" not in html


def test_text_of_strangers_is_escaped() -> None:
    html = display.html_table(["<x>"], [["<y>", 1.23456, None]], caption="<z>")
    assert "&lt;x&gt;" in html
    assert "&lt;y&gt;</td><td>1.235</td><td></td>" in html
    assert "<caption>&lt;z&gt;" in html


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0"), (1e-7, "1e-07"), (0.99996, "1"), (123456.0, "1.235e+05"), (float("nan"), "nan")],
)
def test_numbers_have_four_digits(value: float, shown: str) -> None:
    assert display.number(value) == shown


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match=r"a figure needs .*matplotlib.*sterling\[report\]"):
        error_curve(SCORES).plot()


def test_results_show_their_frame() -> None:
    assert RESULTS._repr_html_() == RESULTS.frame._repr_html_()
    assert isinstance(RESULTS.frame, pl.DataFrame)
