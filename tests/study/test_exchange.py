import json
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

from sterling.measure import Rate
from sterling.study import (
    Claim,
    Evidence,
    Metric,
    at_least,
    at_most,
    metric_of_rate,
    positive,
    within,
)
from sterling.study.exchange import Document, cyclonedx, every_eval_ever, junit, oscal

CLAIMS = [
    at_most("few_errors", "At most a tenth are errors.", Rate(0, 100), 0.1),
    at_least("large", "It is large.", [0.1, 0.2, 0.1], 0.5),
    positive("gain", "There is a gain.", [-1.0, 2.0, 1.0]),
    within("near", "It lies near zero.", [0.0, 0.01, -0.01], -1, 1),
    at_most("silent", "Nothing was measured.", [], 1),
]


def _evidence(claims: list[Claim]) -> Evidence:
    metrics = [
        metric_of_rate("APCER, print", Rate(3, 100)),
        Metric(name="AUC", value=None, n=0, unit="area"),
    ]
    return Evidence(
        scope="SIMULATED captures",
        not_scored=0,
        metrics=metrics,
        claims=claims,
        study="face-evaluate",
        preset="own data",
        seed=0,
        command="sterling face evaluate mine --data captures",
        config={},
        versions={},
        started="2026-11-30T12:00:00+00:00",
        wall_s=90.5,
    )


def _check_eval(document: Document) -> None:
    try:
        package = distribution("every-eval-ever")
    except PackageNotFoundError:
        pytest.skip("pip install --no-deps --ignore-requires-python every-eval-ever")
    text = package.locate_file("every_eval_ever/schemas/eval.schema.json").read_text()
    schema = json.loads(text)
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(document, schema, jsonschema.Draft7Validator)


def _check_oscal(document: Document) -> None:
    results = pytest.importorskip("trestle.oscal.assessment_results")
    results.Model.model_validate(document)


def _check_cyclonedx(document: Document) -> None:
    validation = pytest.importorskip("cyclonedx.validation.json")
    schema = pytest.importorskip("cyclonedx.schema")
    validator = validation.JsonStrictValidator(schema.SchemaVersion.V1_6)
    assert validator.validate_str(json.dumps(document)) is None


CHECKED: list[tuple[Callable[[Evidence, str], Document], Callable[[Document], None]]] = [
    (every_eval_ever, _check_eval),
    (oscal, _check_oscal),
    (cyclonedx, _check_cyclonedx),
]


@pytest.mark.parametrize(("write", "check"), CHECKED)
@pytest.mark.parametrize("claims", [CLAIMS, []])
def test_documents_fit_their_schemas(
    write: Callable[[Evidence, str], Document],
    check: Callable[[Document], None],
    claims: list[Claim],
) -> None:
    document = write(_evidence(claims), "my detector")
    check(document)
    assert document == write(_evidence(claims), "my detector")
    assert json.loads(json.dumps(document, allow_nan=False)) == document


@pytest.mark.parametrize(("write", "check"), CHECKED)
def test_the_checks_can_fail(
    write: Callable[[Evidence, str], Document], check: Callable[[Document], None]
) -> None:
    document = write(_evidence(CLAIMS), "my detector")
    first = next(iter(document))
    with pytest.raises((AssertionError, ValueError, jsonschema.ValidationError)):
        check({**document, first: 3})


def test_every_eval_ever_has_the_claims_with_a_direction() -> None:
    results = every_eval_ever(_evidence(CLAIMS), "mine")["evaluation_results"]
    assert [each["evaluation_name"] for each in results] == ["few_errors", "large", "gain"]
    assert [each["metric_config"]["lower_is_better"] for each in results] == [True, False, False]
    interval = results[0]["score_details"]["uncertainty"]["confidence_interval"]
    assert (interval["lower"], interval["upper"]) == (CLAIMS[0].low, CLAIMS[0].high)


def test_oscal_tells_undecided_from_not_holding() -> None:
    (result,) = oscal(_evidence(CLAIMS), "mine")["assessment-results"]["results"]
    found: dict[str, tuple[Any, Any]] = {
        each["title"]: (each["target"]["status"]["state"], each["props"][0]["value"])
        for each in result["findings"]
    }
    assert found == {
        "few_errors": ("satisfied", "holds"),
        "large": ("not-satisfied", "does not hold"),
        "gain": ("not-satisfied", "undecided"),
        "near": ("satisfied", "holds"),
        "silent": ("not-satisfied", "undecided"),
    }
    observed = {each["uuid"] for each in result["observations"]}
    referred = {each["related-observations"][0]["observation-uuid"] for each in result["findings"]}
    assert referred == observed
    assert len(observed) == len(CLAIMS)
    assert result["end"] == "2026-11-30T12:01:30+00:00"


def test_cyclonedx_has_every_metric_with_its_interval() -> None:
    (component,) = cyclonedx(_evidence(CLAIMS), "mine")["components"]
    first, second = component["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    exact = Rate(3, 100).interval()
    ends = {"lowerBound": f"{exact.low:.6g}", "upperBound": f"{exact.high:.6g}"}
    assert first == {"type": "APCER, print", "value": "0.03", "confidenceInterval": ends}
    assert second == {"type": "AUC"}


def test_junit_fails_what_does_not_hold_and_skips_what_is_undecided() -> None:
    text = junit(_evidence([*CLAIMS, at_most("odd", "<&> in a claim", Rate(9, 9), 0.5)]), "mine")
    suite = ElementTree.fromstring(text)
    counts = [suite.get(name) for name in ("tests", "failures", "skipped", "errors")]
    assert counts == ["6", "2", "2", "0"]
    found = {case.get("name"): [child.tag for child in case] for case in suite}
    assert found["few_errors"] == ["system-out"]
    assert found["large"] == found["odd"] == ["system-out", "failure"]
    assert found["gain"] == found["silent"] == ["system-out", "skipped"]
    assert "<&> in a claim" in "".join(suite.itertext())
