import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import numpy as np
import polars as pl
import pytest
from PIL import Image

from sterling.errors import InputError
from sterling.study import Claim, Evidence, Figure, Metric, Table
from sterling.study.evidence import Verdict
from sterling.study.report import render_report
from sterling.study.report.plots import draw
from sterling.study.views import lines


def _figure(kind: Any, **data: Any) -> Figure:
    return Figure(name=kind, title=kind.capitalize(), kind=kind, caption="", data=data)


def _run_folder(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    label = np.arange(60) < 30
    folder.mkdir()
    pl.DataFrame(
        {
            "item": [f"i{k}" for k in range(60)],
            "subject": [f"s{k % 6}" for k in range(60)],
            "group": ["bona_fide"] * 30 + ["print"] * 30,
            "label": label,
            "value": rng.normal(label.astype(float)),
        }
    ).with_columns(
        set=pl.lit("test"), system=pl.lit("cdcn"), seed=pl.lit(0), threshold=pl.lit(0.5)
    ).write_parquet(folder / "scores.parquet")
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(folder / "a.png")
    evidence = Evidence(
        scope="SIMULATED <captures>",
        not_scored=3,
        metrics=[Metric(name="BPCER", value=0.25, low=0.1, high=0.4, n=30, unit="rate")],
        claims=[
            Claim(
                id=verdict,
                claim=f"claim that {verdict}",
                estimand="mean",
                measured=0.5,
                bar="> 0",
                verdict=verdict,
            )
            for verdict in get_args(Verdict)
        ],
        tables=[Table(name="t", title="Per species", columns=["a", "b"], rows=[["x", 0.125]])],
        figures=[
            _figure("det", scores="scores.parquet", systems=["cdcn"]),
            _figure("bars", names=["p"], values=[0.2], low=[0.1], high=[0.4], value_label="APCER"),
            lines("lines", "Lines", "", [1, 2], {"loss": [1.0, 0.5]}, labels=("epoch", "loss")),
            _figure(
                "matrix",
                rows=["method"],
                columns=["attack", "none"],
                values=[[-0.25, None]],
                centre=0.0,
                value_label="difference",
            ),
            _figure("gallery", items=[{"images": ["a.png"], "text": "a capture"}]),
        ],
        study="cdcn",
        preset="smoke",
        seed=0,
        command="sterling run",
        config={"n": 1},
        versions={"python": "3"},
        started="2020-01-01",
        wall_s=1.0,
    )
    (folder / "evidence.json").write_text(evidence.model_dump_json())
    return folder


class _Links(HTMLParser):
    """Collects everything a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.fetched += [
            value or ""
            for name, value in attrs
            if name in ("src", "srcset") or (tag == "link" and name == "href")
        ]


def test_page_is_self_contained_and_shows_everything(tmp_path: Path) -> None:
    page = tmp_path / "out" / "report.html"
    render_report([_run_folder(tmp_path / "run")], page)
    html = page.read_text()
    links = _Links()
    links.feed(html)
    assert len(links.fetched) == 1
    assert links.fetched[0].startswith("data:image/png;base64,")
    assert "script" not in links.tags
    assert len(re.findall(r"url\((?!#)", html)) == 0
    assert html.count("<svg") == 4
    for text in (
        "SIMULATED &lt;captures&gt;",
        "1 of 3 claims hold",
        "do not hold",
        "undecided",
        "25.00 %",
        "10.00 % … 40.00 %",
        "3 items could not",
        "ISO/IEC 30107-3",
    ):
        assert text in html


def test_what_does_not_hold_is_read_first_and_open(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    render_report([_run_folder(tmp_path / "run")], page)
    html = page.read_text()
    places = [
        html.index(f">claim that {verdict}<") for verdict in ("does not hold", "undecided", "holds")
    ]
    assert places == sorted(places)
    assert re.findall(r"<details class=\"([a-z-]+)\"( open)?>", html) == [
        ("does-not-hold", " open"),
        ("undecided", " open"),
        ("holds", ""),
    ]


def test_the_standard_on_presentation_attacks_is_named_for_those_alone(tmp_path: Path) -> None:
    folder = _run_folder(tmp_path / "run")
    path = folder / "evidence.json"
    path.write_text(path.read_text().replace('"BPCER"', '"AUC of an attack"'))
    render_report([folder], tmp_path / "report.html")
    assert "ISO/IEC" not in (tmp_path / "report.html").read_text()


def test_same_evidence_gives_the_same_page(tmp_path: Path) -> None:
    folder = _run_folder(tmp_path / "run")
    for name in ("a.html", "b.html"):
        render_report([folder], tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_missing_evidence_or_files_are_named(tmp_path: Path) -> None:
    folder = _run_folder(tmp_path / "run")
    with pytest.raises(InputError, match="at least one run folder"):
        render_report([], tmp_path / "a.html")
    with pytest.raises(InputError, match="holds no evidence"):
        render_report([tmp_path / "none"], tmp_path / "a.html")
    with pytest.raises(InputError, match="is a folder"):
        render_report([folder], tmp_path)
    (folder / "a.png").unlink()
    with pytest.raises(InputError, match=r"a\.png is missing"):
        render_report([folder], tmp_path / "a.html")
    assert not (tmp_path / "a.html").exists()


def test_bars_of_a_single_seed_have_no_interval(tmp_path: Path) -> None:
    data: dict[str, Any] = {"names": ["p", "q"], "values": [0.2, -0.1], "value_label": "gain"}
    for low, high in (([None, None], [None, None]), ([0.1, None], [0.3, None])):
        assert "<svg" in draw(_figure("bars", **data, low=low, high=high), tmp_path)


HOSTILE = '</figcaption><script>alert(1)</script><img src="https://a.example/x" onerror="alert(2)">'


def _written_by_a_stranger(value: Any) -> Any:
    """A document every text of which, that is no name of a kind or file, ends in markup."""
    if isinstance(value, dict):
        fixed = ("design", "kind", "verdict", "scores", "unit", "estimand", "images", "systems")
        return {
            key: one if key in fixed else _written_by_a_stranger(one) for key, one in value.items()
        }
    if isinstance(value, list):
        return [_written_by_a_stranger(one) for one in value]
    return value + HOSTILE + '" onload="alert(3)' if isinstance(value, str) else value


def test_text_of_a_stranger_stays_text(tmp_path: Path) -> None:
    folder, page = _run_folder(tmp_path / "run"), tmp_path / "report.html"
    path = folder / "evidence.json"
    path.write_text(json.dumps(_written_by_a_stranger(json.loads(path.read_text()))))
    render_report([folder], page)
    html, links = page.read_text(), _Links()
    links.feed(html)
    assert "script" not in links.tags
    assert [uri[:22] for uri in links.fetched] == ["data:image/png;base64,"]
    assert not links.attributes & {"onload", "onerror", "onclick"}
    assert html.count("alert(1)") > 20  # it is shown
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    assert policy
    assert "default-src 'none'" in policy[1]
    assert "script-src" not in policy[1]


@pytest.mark.parametrize(
    ("kind", "data", "reason"),
    [
        ("gallery", {"items": [{"images": ["../secret"], "text": ""}]}, "lies outside"),
        ("gallery", {"items": [{"images": ["/etc/passwd"], "text": ""}]}, "lies outside"),
        ("gallery", {"items": [{"images": ["link"], "text": ""}]}, "lies outside"),
        ("gallery", {"items": "../secret"}, "lies outside"),
        ("det", {"scores": "../secret", "systems": ["cdcn"]}, "lies outside"),
        ("gallery", {"items": [{"images": ["none.png"], "text": ""}]}, "none.png is missing"),
        ("gallery", {"items": [{"pictures": []}]}, "figure 'one' cannot be drawn"),
        ("gallery", {}, "figure 'one' cannot be drawn"),
        ("lines", {"x": [1], "series": []}, "figure 'one' cannot be drawn"),
        ("matrix", {"rows": 3}, "figure 'one' cannot be drawn"),
    ],
)
def test_a_figure_reads_nothing_outside_the_run(
    tmp_path: Path, kind: Any, data: dict[str, Any], reason: str
) -> None:
    folder = _run_folder(tmp_path / "run")
    (tmp_path / "secret").write_text("[]")
    (folder / "link").symlink_to(tmp_path / "secret")
    evidence = json.loads((folder / "evidence.json").read_text())
    figure = Figure(name="one", title="", kind=kind, caption="", data=data)
    evidence["figures"] = [figure.model_dump()]
    (folder / "evidence.json").write_text(json.dumps(evidence))
    with pytest.raises(InputError, match=reason):
        render_report([folder], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_a_name_is_no_formula() -> None:
    figure = lines("one", "One", "", [1, 2], {r"$\frac{1}$": [1.0, 2.0]}, labels=("$x", "y$"))
    assert "frac" in draw(figure, Path())
