"""Write the tables of claims in the documents from the recorded evidence.

A document asks for the claims by a line ``<!-- evidence: STUDY -->``, and for another table by
``<!-- evidence: STUDY/TABLE -->``, and for the count of claims of every recorded study by
``<!-- evidence: all -->``; what follows, up to ``<!-- end of evidence -->``, is generated,
so that no figure in it is typed by hand::

    python -m tools.evidence_tables          # writes them
    python -m tools.evidence_tables --check  # exit status 1 where a document differs
"""

import re
import sys
from pathlib import Path

from sterling.study import Claim, Evidence, load_evidence

ROOT = Path(__file__).resolve().parents[1]
EVIDENCE, DOCS = ROOT / "evidence", ROOT / "docs"
BLOCK = re.compile(
    r"(<!-- evidence: (\w+)(?:/([\w-]+))? -->\n).*?(<!-- end of evidence -->)", re.DOTALL
)


def claims_table(evidence: Evidence) -> str:
    """Markdown table of the claims of a run, with the command that repeats it."""
    rows = "".join(_row(claim) for claim in evidence.claims)
    return (
        f"`{evidence.command}`:\n\n"
        f"| claim | bar | measured, 95 % interval | verdict |\n|---|---|---|---|\n{rows}"
    )


def _row(claim: Claim) -> str:
    cells = (claim.claim, claim.bar, _measured(claim), claim.verdict)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _measured(claim: Claim) -> str:
    if claim.measured is None:
        return "–"
    ends = [claim.measured, claim.low or 0.0, claim.high or 0.0]
    tiny = claim.measured != 0 and max(map(abs, ends)) < 5e-4  # else three decimals are enough
    form = ".2e" if tiny else ".3f"
    spread = "" if claim.low is None else f" ({claim.low:{form}} … {claim.high:{form}})"
    return f"{claim.measured:{form}}{spread}".replace("-", "−")


def summary() -> str:
    """Markdown table of every recorded study: how many claims hold, do not hold, are undecided."""
    found = {
        path.name: [claim.verdict for claim in load_evidence(path).claims]
        for path in sorted(EVIDENCE.iterdir())
        if path.is_dir()
    }
    rows = {f"`{name}`": verdicts for name, verdicts in found.items()}
    rows[f"**all {len(found)}**"] = [verdict for verdicts in found.values() for verdict in verdicts]
    return "| study | hold | do not hold | undecided |\n|---|---|---|---|\n" + "".join(
        f"| {name} | {held.count('holds')} | {held.count('does not hold')} "
        f"| {held.count('undecided')} |\n"
        for name, held in rows.items()
    )


def named_table(evidence: Evidence, name: str) -> str:
    """Markdown table of the evidence by its name; ends of intervals join what they belong to."""
    (table,) = [one for one in evidence.tables if one.name == name]
    columns = [title for title in table.columns if title not in ("low", "high")]
    lines = [columns, ["---"] * len(columns)]
    for row in table.rows:
        cells: list[str] = []
        for title, value in zip(table.columns, row, strict=True):
            if title == "low":
                cells[-1] += "" if value is None else f" ({_shown(value)}"
            elif title == "high":
                cells[-1] += "" if value is None else f" … {_shown(value)})"
            else:
                cells.append(_shown(value))
        lines.append(cells)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _shown(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}".replace("-", "−") if isinstance(value, float) else str(value)


def generated(text: str) -> str:
    """A document with its tables written anew."""

    def anew(found: re.Match[str]) -> str:
        start, study, name, end = found.groups()
        if study == "all":
            return start + summary() + end
        evidence = load_evidence(EVIDENCE / study)
        return start + (named_table(evidence, name) if name else claims_table(evidence)) + end

    return BLOCK.sub(anew, text)


def outdated() -> list[Path]:
    """Documents whose tables differ from the evidence."""
    return [path for path in sorted(DOCS.rglob("*.md")) if generated(_read(path)) != _read(path)]


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Write or check every table."""
    paths = outdated()
    for path in paths:
        print(path.relative_to(ROOT))
        if "--check" not in arguments:
            path.write_text(generated(_read(path)), encoding="utf-8")
    return 1 if paths and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
