"""The work of a worker process: each task makes one JSON document from files beside it.

File names are relative to the worker's own folder, so that messages name the field of the form and
nothing of this machine.
"""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from sterling.errors import InputError, NothingMeasuredError
from sterling.files import within
from sterling.serve.calls import Arguments, Report
from sterling.serve.text_tasks import attacked_texts, machine_texts, marks, ready_texts
from sterling.storage import versioned

MOST_RUNS = 500
"""Runs that are listed, the newest first. Our choice."""


def liveness(given: Arguments, _report: Report) -> dict[str, Any]:
    """Judge one photograph or clip, as ``sterling face predict --json``."""
    from sterling.face.evaluation.prediction import predict_sources, prediction_document

    detector = _detector(given["detector"])
    answers = predict_sources(detector, [given["file"]], isolated=True)
    return versioned(prediction_document(detector, given["detector_name"], answers))


def ready(given: Arguments, _report: Report) -> dict[str, Any]:
    """Load the detector, so that the first request does not wait for it."""
    _detector(given["detector"])
    return {}


@cache
def _detector(source: str) -> Any:
    from sterling.face.pad import load_detector

    return load_detector(source)


def members(given: Arguments, _report: Report) -> dict[str, Any]:
    """List members of a training set, as ``sterling privacy mia --json``."""
    from sterling.privacy.membership.member_list import declare_members
    from sterling.privacy.membership.score_file import read_record_ids, read_score_file

    def read(name: str) -> Any:
        return read_score_file(Path(given[name]), lower_is_member=given["lower_is_member"])

    asked = read("scores")
    if not len(asked):
        raise NothingMeasuredError(f"{given['scores']} holds no record")
    found = declare_members(
        asked,
        read("calibration"),
        alpha=given["alpha"],
        method=given["method"],
        members=read_record_ids(Path(given["members"])) if "members" in given else None,
        holdout=read("holdout") if "holdout" in given else None,
    )
    return versioned(found.to_dict())


def forgetting(given: Arguments, _report: Report) -> dict[str, Any]:
    """Audit forgetting by losses, as ``sterling privacy audit --json``."""
    from sterling.findings.privacy import forgetting_findings
    from sterling.privacy.unlearning_attacks.audit import audit_forgetting
    from sterling.privacy.unlearning_attacks.signals import read_signals
    from sterling.runs import open_run
    from sterling.study import finish_run

    names = ("forget", "holdout", "retain", "retrained_forget", "retrained_holdout")
    sets = {name: read_signals(Path(given[name])) for name in names if name in given}
    again = [sets[name] for name in names[3:] if name in sets]
    if len(again) == 1:
        raise InputError("retrained_forget and retrained_holdout: give both or none")
    config = {name: given[name] for name in (*names, "tolerance") if name in given}
    options = "".join(f" --{name.replace('_', '-')} {value}" for name, value in config.items())
    with open_run(Path("run"), identity={"config": config}, seed=0) as run:
        audit = audit_forgetting(
            sets["forget"],
            sets["holdout"],
            retain=sets.get("retain"),
            retrained=(again[0], again[1]) if again else None,
            tolerance=given["tolerance"],
            seed=0,
        )
        evidence = finish_run(
            run,
            forgetting_findings(audit),
            study="privacy-audit",
            command=f"sterling privacy audit{options}",
            config=config,
        )
    return versioned(evidence.model_dump(mode="json"))


def runs(given: Arguments, _report: Report) -> dict[str, Any]:
    """List the runs of a folder, the newest first, with their claims."""
    from sterling.study import load_evidence

    found, damaged = [], []
    for name in _run_names(Path(given["runs"])):
        try:
            evidence = load_evidence(_run(given, name))
        except InputError as error:
            damaged.append({"name": name, "reason": without_place(str(error), given)})
            continue
        record = evidence.model_dump(
            mode="json", include={"study", "preset", "seed", "started", "scope"}
        )
        claims = [
            {"id": one.id, "claim": one.claim, "verdict": one.verdict} for one in evidence.claims
        ]
        found.append({"name": name, **record, "outcome": evidence.outcome, "claims": claims})
    found.sort(key=lambda one: one["started"], reverse=True)
    return versioned({"runs": found, "damaged": damaged})


def without_place(message: str, given: Arguments) -> str:
    """Return a message on one line that does not name folders of the server."""
    for place, name in ((given.get("runs"), "runs"), (given.get("folder"), "the detector")):
        if place:
            message = message.replace(f"{place}/", "").replace(place, name)
    return " ".join(message.split())


def _run_names(folder: Path) -> list[str]:
    files = [*folder.glob("*/evidence.json"), *folder.glob("*/*/evidence.json")]
    newest = sorted(files, key=lambda path: path.lstat().st_mtime, reverse=True)[:MOST_RUNS]
    return [path.parent.relative_to(folder).as_posix() for path in newest]


def evidence(given: Arguments, _report: Report) -> dict[str, Any]:
    """Return the evidence of a run, as ``sterling run --json``."""
    from sterling.study import load_evidence

    return versioned(load_evidence(_run(given, given["name"])).model_dump(mode="json"))


def report_page(given: Arguments, _report: Report) -> dict[str, Any]:
    """Render the report of a run, as ``sterling report``."""
    from sterling.study.report import render_report

    page = Path("report.html")
    render_report([_run(given, given["name"])], page)
    return {"html": page.read_text(encoding="utf-8")}


def comparison(given: Arguments, _report: Report) -> dict[str, Any]:
    """Compare two runs, as ``sterling compare --json``."""
    from sterling.study.comparison import compare_runs, comparison_document

    rows, only = compare_runs(_run(given, given["a"]), _run(given, given["b"]))
    return versioned(comparison_document(rows, only))


def _run(given: Arguments, name: str) -> Path:
    """The folder of a run, which lies below the folder of runs."""
    root = Path(given["runs"])
    folder = within(root, name)
    if folder.resolve() == root.resolve() or not within(root, f"{name}/evidence.json").is_file():
        raise InputError(f"no run {name!r}; see the list of runs")
    return folder


TASKS: Mapping[str, Callable[[Arguments, Report], dict[str, Any]]] = {
    task.__name__: task
    for task in (
        liveness,
        ready,
        members,
        forgetting,
        machine_texts,
        attacked_texts,
        ready_texts,
        marks,
        runs,
        evidence,
        report_page,
        comparison,
    )
}
"""Tasks by name."""
