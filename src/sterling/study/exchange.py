"""Evidence in the formats of others: Every Eval Ever, OSCAL, CycloneDX and JUnit.

Each function is pure and gives the same document for the same evidence: identifiers derive from
its content, times are those of the run.
"""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from sterling.study.evidence import Claim, Evidence, Metric

Document = dict[str, Any]

_NAMESPACE = "https://sterling.invalid/ns"  # .invalid: a name, which nobody answers (RFC 2606)


def every_eval_ever(evidence: Evidence, subject: str) -> Document:
    """Claims as evaluation results of the Every Eval Ever schema 0.2.

    A result there has a direction, so that claims of the form "within a range" and claims without a
    measured value are left out.

    Args:
        evidence: Evidence of a run.
        subject: Name of the system that was assessed.
    """
    started = str(datetime.fromisoformat(evidence.started).timestamp())
    return {
        "schema_version": "0.2.2",
        "evaluation_id": f"{evidence.study}/{subject}/{started}",
        "evaluation_timestamp": started,
        "retrieved_timestamp": started,
        "source_metadata": {
            "source_name": f"sterling {evidence.study}",
            "source_type": "evaluation_run",
            "source_organization_name": "unknown",
            "evaluator_relationship": "other",
            "additional_details": {"scope": evidence.scope, "command": evidence.command},
        },
        "eval_library": {"name": "sterling", "version": version("sterling")},
        "model_info": {
            "name": subject,
            "id": subject,
            "additional_details": {
                "deployment_type": "self_deployed",
                "model_availability": "unknown",
            },
        },
        "evaluation_results": [
            _result(claim, evidence)
            for claim in evidence.claims
            if claim.measured is not None and _lower_is_better(claim) is not None
        ],
    }


def _lower_is_better(claim: Claim) -> bool | None:
    """Direction of a claim's number; None where it has to lie within a range."""
    if claim.bar_low is None:
        return claim.bar_high is not None or None
    return False if claim.bar_high is None else None


def _result(claim: Claim, evidence: Evidence) -> Document:
    details: Document = {"score": claim.measured}
    if claim.low is not None:
        interval = {"lower": claim.low, "upper": claim.high, "confidence_level": 0.95}
        details["uncertainty"] = {"confidence_interval": {**interval, "method": claim.estimand}}
    details["details"] = {"bar": claim.bar, "verdict": claim.verdict}
    return {
        "evaluation_name": claim.id,
        "source_data": {"dataset_name": evidence.scope, "source_type": "other"},
        "metric_config": {
            "evaluation_description": claim.claim,
            "lower_is_better": _lower_is_better(claim),
            "score_type": "continuous",
            "min_score": "-Infinity",
            "max_score": "Infinity",
        },
        "score_details": details,
    }


def oscal(evidence: Evidence, subject: str) -> Document:
    """Claims as findings of OSCAL 1.1.3 assessment results.

    OSCAL knows "satisfied" and "not-satisfied" alone: a claim that is undecided is not satisfied,
    for the reason "other", and the property "verdict" tells it from one that does not hold.

    Args:
        evidence: Evidence of a run.
        subject: Name of the system that was assessed.
    """
    end = datetime.fromisoformat(evidence.started) + timedelta(seconds=evidence.wall_s)
    ended = end.isoformat(timespec="seconds")
    result = {
        "uuid": _uuid(evidence, "result"),
        "title": f"{evidence.study}: {subject}",
        "description": f"{evidence.outcome}. {evidence.scope}",
        "start": evidence.started,
        "end": ended,
        "reviewed-controls": {"control-selections": [{"include-all": {}}]},
        "observations": [_observation(claim, evidence, ended) for claim in evidence.claims],
        "findings": [_finding(claim, evidence) for claim in evidence.claims],
    }
    if not evidence.claims:  # OSCAL has no empty lists
        del result["observations"], result["findings"]
    return {
        "assessment-results": {
            "uuid": _uuid(evidence, "document"),
            "metadata": {
                "title": f"Claims about {subject}",
                "last-modified": ended,
                "version": version("sterling"),
                "oscal-version": "1.1.3",
            },
            "import-ap": {"href": "claims.lock.json"},
            "results": [result],
        }
    }


def _measurement(claim: Claim) -> str:
    """Rule and measured value of a claim, for people."""
    measured = "not measured" if claim.measured is None else f"measured {claim.measured:.6g}"
    if claim.low is not None:
        measured += f", 95 % interval {claim.low:.6g} to {claim.high:.6g}"
    return f"{claim.rule}: {measured}"


def _observation(claim: Claim, evidence: Evidence, collected: str) -> Document:
    return {
        "uuid": _uuid(evidence, f"observation {claim.id}"),
        "description": _measurement(claim),
        "methods": ["TEST"],
        "collected": collected,
    }


def _finding(claim: Claim, evidence: Evidence) -> Document:
    holds = claim.verdict == "holds"
    reason = {"holds": "pass", "does not hold": "fail", "undecided": "other"}[claim.verdict]
    return {
        "uuid": _uuid(evidence, f"finding {claim.id}"),
        "title": claim.id,
        "description": claim.claim,
        "props": [{"name": "verdict", "ns": _NAMESPACE, "value": claim.verdict}],
        "target": {
            "type": "objective-id",
            "target-id": claim.id,
            "status": {"state": "satisfied" if holds else "not-satisfied", "reason": reason},
        },
        "related-observations": [{"observation-uuid": _uuid(evidence, f"observation {claim.id}")}],
    }


def cyclonedx(evidence: Evidence, subject: str) -> Document:
    """Metrics with intervals as the model card of a CycloneDX 1.6 bill of materials.

    Args:
        evidence: Evidence of a run.
        subject: Name of the system that was assessed.
    """
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{_uuid(evidence, 'bill of materials')}",
        "version": 1,
        "metadata": {
            "timestamp": evidence.started,
            "tools": {
                "components": [
                    {"type": "application", "name": "sterling", "version": version("sterling")}
                ]
            },
        },
        "components": [
            {
                "type": "machine-learning-model",
                "name": subject,
                "modelCard": {
                    "quantitativeAnalysis": {
                        "performanceMetrics": [_performance(each) for each in evidence.metrics]
                    },
                    "considerations": {"technicalLimitations": [evidence.scope]},
                    "properties": [
                        {"name": f"sterling:claim:{claim.id}", "value": claim.verdict}
                        for claim in evidence.claims
                    ],
                },
            }
        ],
    }


def _performance(metric: Metric) -> Document:
    found: Document = {"type": metric.name}
    if metric.value is not None:
        found["value"] = f"{metric.value:.6g}"
    if metric.low is not None:
        ends = {"lowerBound": f"{metric.low:.6g}", "upperBound": f"{metric.high:.6g}"}
        found["confidenceInterval"] = ends
    return found


def _uuid(evidence: Evidence, part: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"{_NAMESPACE}/{part}/{evidence.model_dump_json()}"))


def junit(evidence: Evidence, subject: str) -> str:
    """Claims as test cases of JUnit XML, which CI servers show.

    A claim that does not hold is a failure; an undecided one is skipped, with its reason.

    Args:
        evidence: Evidence of a run.
        subject: Name of the system that was assessed.
    """
    verdicts = [claim.verdict for claim in evidence.claims]
    suite = Element(
        "testsuite",
        name=f"sterling {evidence.study}: {subject}",
        tests=str(len(verdicts)),
        failures=str(verdicts.count("does not hold")),
        skipped=str(verdicts.count("undecided")),
        errors="0",
        time=f"{evidence.wall_s:g}",
        timestamp=evidence.started,
    )
    for claim in evidence.claims:
        case = SubElement(suite, "testcase", classname=evidence.study, name=claim.id)
        SubElement(case, "system-out").text = f"{claim.claim}\n{_measurement(claim)}"
        kind = {"does not hold": "failure", "undecided": "skipped"}.get(claim.verdict)
        if kind is not None:
            SubElement(case, kind, message=_measurement(claim))
    indent(suite)
    return tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _as_json(write: Callable[[Evidence, str], Document]) -> Callable[[Evidence, str], str]:
    return lambda evidence, subject: (
        json.dumps(write(evidence, subject), indent=1, allow_nan=False) + "\n"
    )


FORMATS: dict[str, Callable[[Evidence, str], str]] = {
    "every-eval-ever": _as_json(every_eval_ever),
    "oscal": _as_json(oscal),
    "cyclonedx": _as_json(cyclonedx),
    "junit": junit,
}
"""Functions from evidence and the name of the assessed system to a file's content, by format."""
