"""Figures of the evidence drawn as SVG text."""

import io
import math
import warnings
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.special import ndtri

from sterling.errors import InputError
from sterling.files import within
from sterling.measure import Rate, Scores, error_curve
from sterling.study.evidence import Figure
from sterling.tables import read_parquet

INK, ACCENT, SECOND, MUTED = "#1d2733", "#0b6e6e", "#b4532a", "#8a97a5"
CYCLE = (ACCENT, SECOND, "#4a5fa5", "#8a6d1f", "#7a4a86", MUTED)
STYLE = {
    "font.size": 10,
    "font.family": "sans-serif",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e8ec",
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "text.parse_math": False,  # names are no formulas
    "svg.fonttype": "none",
    "svg.hashsalt": "sterling",
}
DET_TICKS = (0.001, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95)
DET_POINTS = 160


def draw(figure: Figure, folder: Path) -> str:
    """One figure of any kind but "gallery" as an SVG element.

    Args:
        figure: Figure to draw; see :class:`sterling.study.evidence.Figure` for its data.
        folder: The run folder, which the figure's files are relative to.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas

    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # Names may be long, or have letters that the font for measuring lacks.
        warnings.simplefilter("ignore", UserWarning)
        canvas = Canvas(figsize=(6.4, _height(figure)), layout="constrained")
        axes = canvas.add_subplot()
        drawers = {"det": _det, "lines": _lines, "bars": _bars, "matrix": _matrix}
        drawers[figure.kind](axes, figure.data, folder)
        output = io.StringIO()
        canvas.savefig(output, format="svg", metadata={"Date": None})
    svg = output.getvalue()
    label = f'<svg role="img" aria-label="{escape(figure.title)}" '
    return label + svg[svg.index("<svg ") + len("<svg ") :]


def _height(figure: Figure) -> float:
    if figure.kind == "matrix":
        return 1.2 + 0.24 * len(figure.data["rows"])
    return 4.6 if figure.kind == "det" else 3.6


def _lines(axes: Any, data: dict[str, Any], _folder: Path) -> None:
    for colour, (name, values) in zip(CYCLE, data["series"].items(), strict=False):
        heights = np.array(values, dtype=float)  # None, a gap, becomes NaN
        axes.plot(data["x"], heights, color=colour, label=name, linewidth=1.8)
    axes.set(xlabel=data["x_label"], ylabel=data["y_label"])
    if data.get("log"):
        axes.set(xscale="log", yscale="log")
    axes.legend()


def _bars(axes: Any, data: dict[str, Any], _folder: Path) -> None:
    values = np.asarray(data["values"], dtype=float)
    rows = np.arange(len(values))[::-1]
    # None, as of a single seed, becomes NaN: a dot without an interval.
    ends = np.array([data["low"], data["high"]], dtype=float)
    spread = np.abs(ends - values)
    axes.errorbar(
        values, rows, xerr=spread, fmt="o", color=ACCENT, ecolor=MUTED, elinewidth=2, capsize=3
    )
    axes.set_yticks(rows, data["names"])
    axes.set(xlabel=data["value_label"])
    axes.set_xlim(left=float(np.nanmin([ends[0], values], initial=0.0)))
    axes.grid(visible=False, axis="y")


def _matrix(axes: Any, data: dict[str, Any], _folder: Path) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    values = np.array(data["values"], dtype=float)
    centre = data["centre"]
    reach = float(np.nanmax(np.abs(values - centre), initial=1e-9))
    colours = LinearSegmentedColormap.from_list("two_sided", [ACCENT, "#ffffff", SECOND])
    # Cells without a value stay white, and each cell says its number: colour alone tells nobody.
    axes.imshow(values, cmap=colours, vmin=centre - reach, vmax=centre + reach, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if math.isfinite(value):
            ink = "#ffffff" if abs(value - centre) > 0.7 * reach else INK
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=ink, fontsize=8)
    axes.set_xticks(range(values.shape[1]), data["columns"], rotation=25, ha="left", fontsize=8)
    axes.set_yticks(range(values.shape[0]), data["rows"], fontsize=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.set_xlabel(data["value_label"])


def _det(axes: Any, data: dict[str, Any], folder: Path) -> None:
    table = _test_scores(within(folder, data["scores"]))
    for colour, system in zip(CYCLE, data["systems"], strict=False):
        rows = table.filter(pl.col("system") == system)
        scores = Scores(
            rows["value"].to_numpy(),
            rows["label"].to_numpy(),
            item=np.array(rows["item"].to_list()),
            group=np.array(rows["group"].to_list()),
        )
        _det_curve(axes, scores, colour, system, band=system == data["systems"][0])
        _operating_point(axes, rows, colour)
    ticks = ndtri(DET_TICKS)
    names = [f"{tick:.1%}".replace(".0%", "%") for tick in DET_TICKS]
    axes.set_xticks(ticks, names)
    axes.set_yticks(ticks, names)
    axes.set(
        xlim=(ndtri(5e-4), ndtri(0.97)),
        ylim=(ndtri(5e-4), ndtri(0.97)),
        xlabel="APCER, all attacks pooled (normal-deviate axis)",
        ylabel="BPCER",
    )
    axes.plot(axes.get_xlim(), axes.get_ylim(), color=MUTED, linewidth=0.8, linestyle=":")
    axes.legend()


def _test_scores(path: Path) -> pl.DataFrame:
    if not path.is_file():
        raise InputError(f"{path} is missing; run the study again")
    table = read_parquet(path).filter(pl.col("set") == "test")
    first = table["seed"].min()
    return table.filter(pl.col("seed") == first)


def _det_curve(axes: Any, scores: Scores, colour: str, name: str, *, band: bool) -> None:
    curve = error_curve(scores)
    attacks, bona_fides = len(scores.negative), len(scores.positive)
    picked = np.unique(np.linspace(0, len(curve.fpr) - 1, DET_POINTS).astype(int))
    apcer, bpcer = curve.fpr[picked], curve.fnr[picked]
    axes.plot(
        ndtri(np.clip(apcer, 0.5 / attacks, 1 - 0.5 / attacks)),
        ndtri(np.clip(bpcer, 0.5 / bona_fides, 1 - 0.5 / bona_fides)),
        color=colour,
        label=name,
        linewidth=1.8,
        drawstyle="steps-post",
    )
    if not band:
        return
    intervals = [Rate(round(rate * bona_fides), bona_fides).interval() for rate in bpcer]
    axes.fill_between(
        ndtri(np.clip(apcer, 0.5 / attacks, 1 - 0.5 / attacks)),
        ndtri([max(interval.low, 1e-4) for interval in intervals]),
        ndtri([min(interval.high, 1 - 1e-4) for interval in intervals]),
        color=colour,
        alpha=0.15,
        linewidth=0,
        step="post",
        label="95 % interval of the BPCER",
    )


def _operating_point(axes: Any, rows: pl.DataFrame, colour: str) -> None:
    accepted = (rows["value"] >= rows["threshold"]).to_numpy()
    label = rows["label"].to_numpy()
    point = (accepted[~label].mean(), (~accepted[label]).mean())
    if all(math.isfinite(rate) for rate in point):
        axes.plot(*ndtri(np.clip(point, 6e-4, 0.96)), "o", color=colour, markersize=7)
