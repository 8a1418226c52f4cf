"""Templates: what is shipped is sound, and what is wrong is refused in one line."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from sterling.errors import InputError
from sterling.reasoning import (
    ReasoningTemplate,
    builtin_templates,
    normal_reference,
    parse_reasoning,
    read_template,
    write_reasoning,
)
from sterling.reasoning.template import TemplateStep

TEMPLATES = list(builtin_templates().values())
GOOD = """
disease: stiff_heart
title: Stiff heart
review: illustrative
steps:
  - id: first
    views: [A4C]
    modality: TDI
    measurement: septal e' velocity
    unit: cm/s
    range: [2, 6]
    tolerance: 0.5
    weight: 1
    implication: relaxation impaired in every beat
    source: a guideline
  - id: second
    views: [A4C, A2C]
    modality: 2D
    measurement: thick walls
    polarity: present
    weight: 2
    depends_on: [first]
    implication: muscle mass increased without a pressure load
    source: another guideline
"""


def read(tmp_path: Path, text: str) -> ReasoningTemplate:
    path = tmp_path / "template.yaml"
    path.write_text(text)
    return read_template(path)


def test_fifteen_diseases_are_shipped_and_none_is_called_reviewed() -> None:
    assert len(TEMPLATES) == 15
    for template in (*TEMPLATES, normal_reference()):
        assert template.review.startswith("illustrative; to be reviewed by a clinician")
        assert all(len(step.source) > 10 for step in template.steps)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda each: each.disease)
def test_a_shipped_template_agrees_with_the_normal_reference(template: ReasoningTemplate) -> None:
    normal = normal_reference()
    for step in template.steps:
        same = normal[step.measurement]
        assert (step.views, step.modality, step.unit, step.tolerance) == (
            *(same.views, same.modality, same.unit, same.tolerance),
        )


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda each: each.disease)
def test_a_shipped_template_tells_its_disease_from_a_normal_heart(
    template: ReasoningTemplate,
) -> None:
    def outside(step: TemplateStep) -> bool:
        normal = normal_reference()[step.measurement]
        if step.range is None or normal.range is None:
            return step.polarity != normal.polarity
        return step.range[0] >= normal.range[1] or step.range[1] <= normal.range[0]

    assert sum(outside(step) for step in template.steps) >= 2


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda each: each.disease)
def test_no_two_steps_of_a_filled_template_repeat_each_other(template: ReasoningTemplate) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        values = {
            step.measurement: float(rng.uniform(*step.range)) if step.range else str(step.polarity)
            for step in template.steps
        }
        assert len(parse_reasoning(write_reasoning(template, values)).valid) == len(template)


def test_a_template_is_read_and_frozen(tmp_path: Path) -> None:
    template = read(tmp_path, GOOD)
    assert template.order_pairs == (("first", "second"),)
    assert template["thick walls"].places == ("A4C/2D", "A2C/2D")
    measured, seen = template.steps
    assert [measured.supports(value) for value in (1.9, 2, 6, 6.1, "present")] == [
        *(False, True, True, False, False),
    ]
    assert [seen.supports(value) for value in ("present", "absent", 1)] == [True, False, False]
    with pytest.raises(ValueError, match="frozen"):
        template.disease = "other"
    with pytest.raises(InputError, match="did you mean thick walls"):
        template["thick wall"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("depends_on: [first]", "depends_on: [second]", "circle: second -> second; remove one"),
        (
            "    source: a guideline",
            "    source: a guideline\n    depends_on: [second]",
            "depends_on goes in a circle: ",
        ),
        ("depends_on: [first]", "depends_on: [frist]", "did you mean first"),
        ("[A4C, A2C]", "[A4C, A2D]", r"step second.views.1: unknown view 'A2D': did you mean"),
        ("views: [A4C]", "views: []", "step first.views: "),
        ("modality: TDI", "modality: TDl", "step first.modality: unknown modality 'TDl': did you"),
        ("[2, 6]", "[6, 2]", r"step first: range \[6, 2\] is upside down"),
        ("[2, 6]", "[2, 2]", "upside down"),
        ("[2, 6]", "[.nan, 2]", "upside down"),
        ("weight: 2", "weight: 0", "step second.weight: .*greater than 0"),
        ("weight: 2", "weight: .inf", "step second.weight: .*finite"),
        ("    source: another guideline", "", "step second.source: Field required"),
        ("source: another guideline", "source: ''", "step second.source: "),
        ("    tolerance: 0.5\n", "", "step first: give the tolerance"),
        ("tolerance: 0.5", "tolerance: -1", "step first.tolerance: .*greater than 0"),
        ("polarity: present", "polarity: yes", "step second.polarity: "),
        ("polarity: present", "unit: mm", "step second: give either a range or a polarity"),
        ("polarity: present", "polarity: present\n    unit: mm", "has no unit"),
        ("id: second", "id: first", "first: is there twice"),
        ("measurement: thick walls", "measurement: septal e' velocity", "has two steps"),
        ("implication: muscle", "implication: a = b; muscle", "step second.implication: "),
        ("title: Stiff heart", "colour: red", "colour|title"),
        ("steps:", "other: &a [1]\nmore: *a\nsteps:", "references"),
        ("disease: stiff_heart", "disease: [", "not readable as YAML"),
    ],
)
def test_a_bad_template_is_refused_in_one_line(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    assert old in GOOD
    with pytest.raises(InputError, match=message) as refused:
        read(tmp_path, GOOD.replace(old, new, 1))
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith(str(tmp_path / "template.yaml"))


def test_a_step_before_the_one_it_depends_on_is_refused(tmp_path: Path) -> None:
    content = yaml.safe_load(GOOD)
    content["steps"].reverse()
    with pytest.raises(InputError, match="step second: comes before first"):
        read(tmp_path, json.dumps(content))


def test_steps_that_read_alike_are_refused(tmp_path: Path) -> None:
    content = yaml.safe_load(GOOD)
    content["steps"].append(
        {**content["steps"][1], "id": "third", "measurement": "thick wall", "depends_on": []}
    )
    with pytest.raises(InputError, match="steps second and third: read alike"):
        read(tmp_path, json.dumps(content))


def test_what_is_no_template_is_refused(tmp_path: Path) -> None:
    for text, message in (("- 1", "holds"), ("", "holds"), ("steps: 3", "disease|steps")):
        with pytest.raises(InputError, match=message):
            read(tmp_path, text)
    with pytest.raises(InputError, match="no such template"):
        read_template(tmp_path / "nowhere.yaml")


def test_the_page_of_the_documentation_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "reasoning.md").read_text()
    [template] = re.findall(r"^```yaml\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "cardiac_tamponade.yaml").write_text(template)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    blocks = re.findall(r"^```python\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(block, names)
    assert names["matrix"].margin.min() < 0
    reward = names["ClinicalReward"]()
    text = write_reasoning(names["template"], names["values"])
    assert reward(text, names["case"])["total"] == pytest.approx(1.0)
