"""The assurance report: one HTML file from one or several runs."""

import base64
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from sterling.errors import InputError
from sterling.files import open_regular, within
from sterling.storage import write_atomically
from sterling.study.assurance import Assurance
from sterling.study.evidence import Evidence, Figure, Verdict, load_evidence
from sterling.study.report.glossary import GLOSSARY
from sterling.study.report.plots import draw

_KNOWN = re.compile(rf"\b(?:{'|'.join(GLOSSARY)})\b")
STYLE = "style.css"
RANKS: tuple[Verdict, ...] = ("does not hold", "undecided", "holds")  # in reading order


def render_report(folders: Sequence[Path], out: Path, *, overview: Assurance | None = None) -> None:
    """Write one HTML page from the evidence in some run folders.

    Args:
        folders: Finished runs, at least one.
        out: The file to write, whole or not at all.
        overview: System whose parts the runs assess, for the first screen.

    The evidence may come from a stranger: its texts are escaped, its files are read in the run
    folder alone, and the page allows neither scripts nor requests.

    Raises:
        InputError: A folder holds no evidence, a figure cannot be drawn or names a file outside the
            folder, or the page cannot be written.
    """
    import jinja2
    from markupsafe import Markup

    if not folders:
        raise InputError("name at least one run folder to report on")
    if out.is_dir():
        raise InputError(f"{out} is a folder; name a file such as {out / 'report.html'}")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(number=_number, amount=_amount, pretty=_pretty, defined=_defined)
    template, style = (
        files("sterling.study.report").joinpath(name).read_text(encoding="utf-8")
        for name in ("template.html", STYLE)
    )
    names = {} if overview is None else overview.measured
    runs = []
    for folder in folders:
        evidence = load_evidence(folder)
        drawings: dict[str, Any] = {}
        galleries: dict[str, Any] = {}
        for figure in evidence.figures:
            with _named(figure, folder):
                if figure.kind == "gallery":
                    galleries[figure.name] = _gallery(figure, folder)
                else:  # our own SVG, in which every text is escaped
                    drawings[figure.name] = Markup(draw(figure, folder))  # noqa: S704
        runs.append(
            {
                "evidence": evidence,
                "name": names.get(folder, evidence.study),
                "claims": sorted(evidence.claims, key=lambda claim: RANKS.index(claim.verdict)),
                "presentation_attacks": any("BPCER" in m.name for m in evidence.metrics),
                "drawings": drawings,
                "galleries": galleries,
                "counts": _counts(evidence),
            }
        )
    page = environment.from_string(template).render(
        runs=runs,
        overview=overview,
        style=Markup(style),  # noqa: S704  # our own
    )
    write_atomically(out, page)


def _counts(evidence: Evidence) -> dict[Verdict, int]:
    verdicts = [claim.verdict for claim in evidence.claims]
    return {verdict: verdicts.count(verdict) for verdict in RANKS}


@contextmanager
def _named(figure: Figure, folder: Path) -> Iterator[None]:
    """Say which figure cannot be drawn: its data may have been written by hand."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        raise InputError(
            f"{folder}: figure {figure.name!r} cannot be drawn ({reason}); run the study again"
        ) from error


def _gallery(figure: Figure, folder: Path) -> list[dict[str, Any]]:
    items = figure.data["items"]
    if isinstance(items, str):
        items = json.loads(_bytes(within(folder, items)))
    return [
        {
            "text": item["text"],
            "images": [_data_uri(within(folder, name)) for name in item["images"]],
        }
        for item in items
    ]


def _data_uri(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(_bytes(path)).decode()}"


def _bytes(path: Path) -> bytes:
    try:
        with open_regular(path, "file of the run") as file:
            return file.read()
    except InputError as error:
        raise InputError(f"{path} is missing; run the study again ({error})") from error


def _number(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) >= 1e-4 or value == 0 else f"{value:.1e}"
    return str(value)


def _amount(value: float | None, unit: str) -> str:
    """A metric's number; rates are shares, and read as percentages."""
    if value is None or not unit.startswith("rate"):
        return _number(value)
    return f"{100 * value:.2f} %"


def _defined(text: str) -> Any:
    """Text in which each known abbreviation says what it means."""
    from markupsafe import Markup, escape

    found = _KNOWN.sub(
        lambda match: f'<abbr title="{escape(GLOSSARY[match[0]])}">{match[0]}</abbr>',
        str(escape(text)),
    )
    return Markup(found)  # noqa: S704  # escaped above; our own definitions are put in


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)
