"""The reader of the UCI Echocardiogram data set, and the support of a template."""

import math
from pathlib import Path

import pytest

from sterling.errors import InputError
from sterling.reasoning import builtin_templates
from sterling.reasoning.echocardiogram import read_echocardiograms, template_support

HEADER = "survival,fractional_shortening,epss,lvdd,wall_motion_index\n"


def test_units_and_missing_numbers(tmp_path: Path) -> None:
    path = tmp_path / "echo.csv"
    path.write_text(f"{HEADER}11,0.26,9,4.6,1\n12,?,9,4.6,1\n13,0.1,20,6.5,\n14,0.05,22,6.9,2.5\n")
    for place in (path, tmp_path):
        found = read_echocardiograms(place)
        assert found.left_out == 2
        assert found.values[0] == pytest.approx(
            {
                "fractional shortening": 26.0,
                "E-point septal separation": 9.0,
                "LV end-diastolic diameter": 4.6,
            }
        )
        assert found.wall_motion.tolist() == [1.0, 2.5]


def test_what_is_no_such_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds 0 \.csv files"):
        read_echocardiograms(tmp_path)
    (tmp_path / "a.csv").write_text("epss,lvdd\n1,2\n")
    with pytest.raises(InputError, match="no column 'fractional_shortening'"):
        read_echocardiograms(tmp_path)
    (tmp_path / "a.csv").write_text(f"{HEADER}11,?,9,4.6,1\n")
    with pytest.raises(InputError, match="no row has all of"):
        read_echocardiograms(tmp_path)


def test_support_is_one_inside_and_half_at_the_width_of_the_range() -> None:
    template = builtin_templates()["dilated_cardiomyopathy"]
    step = template["LV end-diastolic diameter"]
    assert step.range is not None
    low, high = step.range
    for value, expected in ((low, 1.0), (high, 1.0), (2 * low - high, 0.5), (2 * high - low, 0.5)):
        assert template_support(template, {step.measurement: value}) == pytest.approx(expected)
    both = {step.measurement: low, "fractional shortening": 1000.0}
    other = template["fractional shortening"].weight
    assert template_support(template, both) == pytest.approx(step.weight / (step.weight + other))
    finding = builtin_templates()["cardiac_tamponade"]
    assert template_support(finding, {"RV diastolic collapse": "absent"}) == 0.0
    with pytest.raises(InputError, match="none of its measurements"):
        template_support(template, {"TAPSE": 20.0})


def test_real_patients(shared_data: Path) -> None:
    found = read_echocardiograms(shared_data / "echo" / "uci_echocardiogram")
    assert (len(found.values), found.left_out) == (82, 0)
    assert found.wall_motion.min() == 1.0
    shortening = [values["fractional shortening"] for values in found.values]
    assert (min(shortening), max(shortening)) == pytest.approx((1.0, 61.0))
    diameters = [values["LV end-diastolic diameter"] for values in found.values]
    assert all(2 < each < 8 and math.isfinite(each) for each in diameters)
