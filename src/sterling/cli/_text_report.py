"""Reports of `sterling text evaluate` and `text detect`: evidence, and rows of verdicts."""

import csv
import io
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from sterling.runs import open_run
from sterling.study import (
    Claim,
    Findings,
    Metric,
    Table,
    TableRow,
    finish_run,
)
from sterling.study.report import render_report
from sterling.text import Declaration
from sterling.text.detectors import CalibratedDetector, Judged


def prediction_lines(judged: Judged) -> str:
    """Return one JSON object per text: id, label, score, probability, verdict, why not scored."""
    return "".join(
        json.dumps(
            {
                "id": record.id,
                "label": record.label,
                "attack": record.attack,
                "score": float(judged.score[row]) if judged.scored[row] else None,
                "probability": float(judged.probability[row]) if judged.scored[row] else None,
                "machine": bool(judged.machine[row]),
                "not_scored": judged.reasons[row],
            }
        )
        + "\n"
        for row, record in enumerate(judged.records)
    )


def score_table(judged: Judged, detector: CalibratedDetector) -> pl.DataFrame:
    """Return rows of ``scores.parquet``, by which `sterling compare` pairs two detectors.

    Args:
        judged: Test texts as they are, without attacked copies.
        detector: Detector that judged them.
    """
    records = judged.records
    columns = {
        "item": [one.id for one in records],
        "subject": [one.group for one in records],
        "label": judged.label,
        "value": judged.logit,
    }
    return pl.DataFrame(columns).with_columns(
        pl.col("value").fill_nan(None),
        set=pl.lit("test"),
        system=pl.lit("detector"),  # of whatever name: two runs are compared
        seed=pl.lit(0),
        threshold=pl.lit(detector.threshold.value),
    )


def declaration_csv(given: Declaration) -> str:
    """Return one row per document: id, declared, p-values, score, and what was noticed."""
    table = _verdicts(given)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(["" if cell is None else cell for cell in row] for row in table.rows)
    return text.getvalue()


def write_declaration_report(
    given: Declaration, described: Mapping[str, Any], command: str, out: Path
) -> None:
    """Write the list, its guarantee and the comparison with the calibration texts as one page.

    Args:
        given: The verdicts.
        described: Settings of the detector.
        command: Command that repeats it.
        out: The page, whole or not at all.
    """
    config = {"detector": dict(described)}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "run"
        with open_run(place, identity={"study": "text-detect", **config}, seed=0) as run:
            finish_run(
                run,
                declaration_findings(given),
                study="text-detect",
                command=command,
                config=config,
            )
        render_report([place], out)


def declaration_findings(given: Declaration) -> Findings:
    """Turn verdicts on documents into findings.

    Documents that are unlike the calibration texts are a claim that does not hold, or is undecided.
    A difference that is not seen proves nothing, so that then there is no claim.
    """
    claims = []
    if given.shift_verdict != "not refuted":
        refuted = given.shift_verdict == "refuted"
        seen = given.shift_of_rest if refuted else given.shift
        claims.append(
            Claim(
                id="no_shift",
                claim="Documents are like the calibration texts in length, words and letters.",
                estimand="smallest p-value of Kolmogorov-Smirnov tests, by Holm",
                measured=min(one.p_value for one in seen),
                bar="p above the level of the test",
                verdict="does not hold" if refuted else "undecided",
            )
        )
    tested, declared = len(given.verdicts), len(given.declared)
    warned: list[TableRow] = [["warning", one] for one in given.warnings]
    shift: list[TableRow] = [
        [kind, one.feature, one.documents, one.calibration, one.p_value]
        for kind, part in (("all", given.shift), ("not declared", given.shift_of_rest))
        for one in part
    ]
    return Findings(
        scope=f"{given.guarantee.statement} No verdict is sole evidence against a person.",
        not_scored=sum(bool(one.not_scored) for one in given.verdicts) + len(given.unread),
        metrics=[
            Metric(name="documents declared", value=declared, n=tested, unit="documents"),
            Metric(name="calibration texts", value=given.guarantee.n, n=tested, unit="texts"),
            Metric(
                name="calibration texts with which one document alone can be declared",
                value=given.calibration_for_one,
                n=tested,
                unit="texts",
            ),
        ],
        claims=claims,
        tables=[
            _verdicts(given),
            Table(
                name="shift",
                title="Documents against calibration texts",
                columns=["documents", "feature", "median", "median, calibration", "p"],
                rows=shift,
                caption=f"Two-sample Kolmogorov-Smirnov tests, p by Holm for all features; below "
                f"0.01 they differ. The bound is {given.shift_verdict}.",
            ),
            Table(
                name="guarantee",
                title="Guarantee",
                columns=["part", "content"],
                rows=[*given.guarantee.rows(), *warned],
            ),
        ],
    )


def _verdicts(given: Declaration) -> Table:
    order = sorted(given.verdicts, key=lambda one: one.adjusted_p)
    return Table(
        name="documents",
        title="Documents, the least human first",
        columns=[
            *("document", "declared", "adjusted p", "p", "score", "p(machine)"),
            *("hidden characters", "unlike the calibration texts", "not scored"),
        ],
        rows=[
            [
                one.id,
                "yes" if one.declared else "no",
                one.adjusted_p,
                one.p_value,
                one.score,
                one.probability,
                ", ".join(f"{count} {kind}" for kind, count in one.hidden.items()),
                "yes" if one.unlike else "no",
                one.not_scored,
            ]
            for one in order
        ],
        caption="Adjusted p: the least false discovery rate at which a document is on the list.",
    )


def marks_findings(rows: Sequence[Mapping[str, Any]], level: float) -> Findings:
    """Turn tests of texts for a watermark into findings.

    Args:
        rows: One per text, as `sterling text watermark detect --json` shows it.
        level: Share of unmarked texts that may be found.
    """
    tested = [row for row in rows if row["marked"] is not None]
    found = sum(bool(row["marked"]) for row in tested)
    cells: list[TableRow] = [
        [
            row["id"],
            None if row["marked"] is None else "yes" if row["marked"] else "no",
            row.get("p_value"),
            row.get("tokens_scored"),
            row.get("green"),
            row.get("red"),
        ]
        for row in sorted(rows, key=lambda row: row.get("p_value", 1.0))
    ]
    return Findings(
        scope=f"Each text is tested by itself: of texts without the mark a share of {level:g} is "
        "found by chance. No verdict is sole evidence against a person.",
        not_scored=len(rows) - len(tested),
        metrics=[
            Metric(name="texts with the mark", value=found, n=len(tested), unit="texts"),
            Metric(
                name="texts that chance alone would find",
                value=level * len(tested),
                n=len(tested),
                unit="texts, expected",
            ),
        ],
        claims=[],
        tables=[
            Table(
                name="texts",
                title="Texts",
                columns=["text", "marked", "p", "tokens", "green", "red"],
                rows=cells,
                caption="The smallest p-value first.",
            )
        ],
    )
