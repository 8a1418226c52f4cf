"""Displays of results: one line, an HTML table, axes to draw on.

Types that users hold build their ``__repr__``, ``_repr_html_`` and ``plot`` from these.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sterling.extras import needs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Shown = str | int | float | bool | None
"""A cell of a table."""


def line(result: object, *parts: str) -> str:
    """Return the name of a result's class with its important numbers, in one line.

    Example:
        >>> line(1, "12 of 180", "", "95 % 0.03 … 0.11")
        'int(12 of 180, 95 % 0.03 … 0.11)'
    """
    return f"{type(result).__name__}({', '.join(filter(None, parts))})"


def number(value: float) -> str:
    """Return a number with four significant digits, and no more than four decimals.

    Example:
        >>> number(0.066667), number(12.5), number(2e-7)
        ('0.0667', '12.5', '2e-07')
    """
    return f"{value:.4g}" if abs(value) >= 1 or 0 < abs(value) < 1e-4 else f"{round(value, 4):g}"


def span(low: float, high: float, level: float = 0.95) -> str:
    """Return an interval with its confidence.

    Example:
        >>> span(0.034921, 0.11361)
        '95 % 0.0349 … 0.1136'
    """
    return f"{100 * level:.6g} % {number(low)} … {number(high)}"


def html_table(
    columns: Sequence[str], rows: Iterable[Sequence[Shown]], *, caption: str = ""
) -> str:
    """Return an HTML table; every text is escaped, floats have four significant digits.

    Example:
        >>> html_table(["a"], [["b < c"]])
        '<table><thead><tr><th>a</th></tr></thead><tbody><tr><td>b &lt; c</td></tr></tbody></table>'
    """
    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(_cell(cell))}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table>{above}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def new_axes(ax: "Axes | None" = None) -> "Axes":
    """Return the axes given, or those of a new figure.

    Raises:
        InputError: matplotlib is not installed; the message names the extra.
    """
    if ax is not None:
        return ax
    with needs("report", "a figure"):
        from matplotlib import pyplot as plt
    axes: Axes = plt.subplots(figsize=(5.6, 3.6), layout="constrained")[1]
    return axes


def draw_trade_off(
    fpr: NDArray[np.float64], fnr: NDArray[np.float64], ax: "Axes | None", label: str
) -> "Axes":
    """Draw two error rates against each other, (M,) each, with the line where they are equal."""
    ax = new_axes(ax)
    ax.plot(fpr, fnr, label=label or None)
    if not ax.get_xlabel():
        ax.axline((0, 0), slope=1, color="grey", linestyle="--", linewidth=0.8)
        ax.set(xlim=(0, 1), ylim=(0, 1))
        ax.set(xlabel="false positive rate", ylabel="false negative rate")
    if label:
        ax.legend()
    return ax


def draw_shares(
    shares: Mapping[str, NDArray[np.float64]], ax: "Axes | None", *, xlabel: str, ylabel: str
) -> "Axes":
    """Draw bars at 0, 1, 2, ... for each of several groups, side by side; "" has no legend."""
    ax, width = new_axes(ax), 0.8 / len(shares)
    for place, (name, heights) in enumerate(shares.items()):
        left = np.arange(len(heights)) + (place - (len(shares) - 1) / 2) * width
        ax.bar(left, heights, width, label=name or None)
        ax.set(xlabel=xlabel, ylabel=ylabel, xticks=range(len(heights)))
    if any(shares):
        ax.legend()
    return ax


def draw_list(adjusted: NDArray[np.float64], level: float, ax: "Axes | None") -> "Axes":
    """Draw adjusted p-values (T,) in ascending order; those at or below the line are declared."""
    ax, ordered = new_axes(ax), np.sort(adjusted)
    declared = ordered <= level
    rank = np.arange(1, len(ordered) + 1)
    ax.axhline(level, color="grey", linestyle="--", linewidth=0.8)
    for mask, name in ((declared, "declared"), (~declared, "not declared")):
        ax.plot(rank[mask], ordered[mask], ".", label=f"{name}: {int(mask.sum())}")
    ax.set(xlabel="rank of the item", ylabel="least FDR that declares it", yscale="log")
    ax.legend(loc="lower right")
    return ax


def _cell(value: Shown) -> str:
    if value is None:
        return ""
    return number(value) if isinstance(value, float) else str(value)
