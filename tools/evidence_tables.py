"""Write the tables of claims in the documents from the recorded evidence.

A document asks for one by a line ``<!-- evidence: STUDY -->``; what follows, up to
``<!-- end of evidence -->``, is generated, so that no figure in it is typed by hand::

    python -m tools.evidence_tables          # writes them
    python -m tools.evidence_tables --check  # exit status 1 where a document differs
"""

import re
import sys
from pathlib import Path

from sterling.study import Claim, Evidence, load_evidence

ROOT = Path(__file__).resolve().parents[1]
EVIDENCE, DOCS = ROOT / "evidence", ROOT / "docs"
BLOCK = re.compile(r"(<!-- evidence: (\w+) -->\n).*?(<!-- end of evidence -->)", re.DOTALL)


def table(evidence: Evidence) -> str:
    """Markdown table of the claims of a run, with the command that repeats it."""
    rows = "".join(_row(claim) for claim in evidence.claims)
    minutes = max(1, round(evidence.wall_s / 60))
    return (
        f"`{evidence.command}`, {minutes} minutes of work:\n\n"
        f"| claim | bar | measured, 95 % interval | verdict |\n|---|---|---|---|\n{rows}"
    )


def _row(claim: Claim) -> str:
    cells = (claim.claim, claim.bar, _measured(claim), claim.verdict)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _measured(claim: Claim) -> str:
    if claim.measured is None:
        return "–"
    spread = "" if claim.low is None else f" ({claim.low:.3f} … {claim.high:.3f})"
    return f"{claim.measured:.3f}{spread}".replace("-", "−")


def generated(text: str) -> str:
    """A document with its tables written anew."""
    return BLOCK.sub(
        lambda found: found[1] + table(load_evidence(EVIDENCE / found[2])) + found[3], text
    )


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
