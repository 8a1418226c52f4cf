"""Family-wise error control: with probability 1 - delta not a single wrong rejection."""

import numpy as np
from numpy.typing import ArrayLike

from sterling.errors import InputError
from sterling.guarantee.checks import Bools, Floats, check_alpha, check_p_values


def bonferroni(p: ArrayLike, delta: float) -> Bools:
    """Reject where ``p <= delta / T``, bool (T,): under any dependence, in any order."""
    values = check_p_values(p)
    return values * len(values) <= check_alpha(delta)


def holm_adjusted(p: ArrayLike) -> Floats:
    """Return Bonferroni-Holm adjusted p-values (T,): the least delta that rejects each.

    Under any dependence (Holm, Scandinavian Journal of Statistics 6, 1979); never less powerful
    than `bonferroni`.

    Examples:
        >>> holm_adjusted([0.04, 0.01, 0.03]).tolist()
        [0.06, 0.03, 0.06]
    """
    values = check_p_values(p)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(1, stepped)
    return adjusted


def fixed_sequence(p: ArrayLike, delta: float, starts: ArrayLike = (0,)) -> Bools:
    """Reject in the given order at the full level up to the first that is not rejected.

    With J starts each sequence runs to the next start at level delta / J (Learn then Test,
    Angelopoulos et al., 2021, algorithm 1). Powerful when the order is right; the order must not
    depend on the p-values.

    Args:
        p: p-values (T,), the most promising first.
        delta: Family-wise level in (0, 1).
        starts: Positions where sequences start, increasing from 0.
    """
    values = check_p_values(p)
    begins = np.asarray(starts, dtype=np.intp)
    check_alpha(delta)
    n = len(values)
    if not len(begins) or begins[0] != 0 or (np.diff(begins) <= 0).any() or begins[-1] >= max(n, 1):
        raise InputError(f"starts {begins.tolist()}: give increasing positions from 0, below {n}")
    rejected = values <= delta / len(begins)
    for begin, end in zip(begins, [*begins[1:], n], strict=True):
        rejected[begin:end] = np.logical_and.accumulate(rejected[begin:end])
    return rejected


def graphical(p: ArrayLike, delta: float, weights: ArrayLike, transitions: ArrayLike) -> Bools:
    """Reject by a graphical procedure (Bretz et al., Statistics in Medicine, 2009).

    Each hypothesis holds a share of delta; a rejected one passes its share on along the graph.
    Bonferroni-Holm is the complete graph, fixed-sequence testing a chain.

    Args:
        p: p-values (T,).
        delta: Family-wise level in (0, 1).
        weights: Initial shares (T,), at least 0, sum at most 1.
        transitions: (T, T); row i holds the parts in which the share of i is passed on: at least 0,
            rows sum to at most 1, diagonal 0.
    """
    values = check_p_values(p)
    check_alpha(delta)
    n = len(values)
    share = np.array(weights, dtype=np.float64)
    graph = np.array(transitions, dtype=np.float64)
    if share.shape != (n,) or not (share >= 0).all() or share.sum() > 1 + 1e-9:
        raise InputError(f"weights: give {n} shares of delta, at least 0, that sum to at most 1")
    if (
        graph.shape != (n, n)
        or not (graph >= 0).all()
        or (graph.sum(axis=1) > 1 + 1e-9).any()
        or graph.diagonal().any()
    ):
        raise InputError(
            f"transitions: give a matrix ({n}, {n}), at least 0, rows that sum to at most 1, "
            "diagonal 0"
        )
    rejected = np.zeros(n, dtype=np.bool_)
    while (passing := np.flatnonzero(~rejected & (share > 0) & (values <= share * delta))).size:
        i = int(passing[0])
        rejected[i] = True
        share = share + share[i] * graph[i]
        # Paths through i become direct; a way back to where it came from drops out.
        through = graph[:, i][:, None] * graph[i, :][None, :]
        remains = 1 - through.diagonal()[:, None]
        graph = np.divide(graph + through, remains, out=np.zeros_like(graph), where=remains > 0)
        np.fill_diagonal(graph, 0.0)
        graph[i, :] = graph[:, i] = 0.0
        share[i] = 0.0
    return rejected
