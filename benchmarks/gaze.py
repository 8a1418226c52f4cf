"""Gaze metrics and the hypergraph layer beside their peers, in one run.

Run ``python -m benchmarks.gaze [--quick]`` where the peers are installed; one that is not is left
out and named. Each pair gets the same arrays on one thread, times are medians of repetitions taken
in turn, and a ratio is the peer's time over ours: above 1, ours is faster. pysaliency 0.2.22 needs
``setuptools<81``, and its AUC calls a function that NumPy 2 renamed, which is put back here.
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sterling.gaze import (
    Hypergraph,
    HypergraphConv,
    auc_judd,
    auc_mann_whitney,
    multimatch,
    shuffled_auc,
)

Actions = dict[str, Callable[[], object]]
SCREEN = (800, 600)


def show(title: str, actions: Actions, repetitions: int) -> None:
    """Print one line: our time, and the ratio of each peer to it."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for repetition in range(repetitions + 1):  # the first warms up
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            if repetition:
                times[name].append(time.perf_counter() - start)
    taken = {name: statistics.median(values) for name, values in times.items()}
    ours = taken.pop("ours")
    peers = "".join(f"   {name} {seconds / ours:6.1f}×" for name, seconds in taken.items())
    print(f"{title:52} ours {ours * 1e3:9.2f} ms{peers or '   -'}", flush=True)


def loop_judd(maps: NDArray[np.float64], points: list[NDArray[np.float64]]) -> list[float]:
    """AUC-Judd by a loop over thresholds, as the reference code of the benchmark writes it."""
    found = []
    for values, at in zip(maps, points, strict=True):
        fixated = np.zeros(values.shape, bool)
        fixated[at[:, 1].astype(int), at[:, 0].astype(int)] = True
        cuts = np.sort(values[fixated])[::-1]
        tpr, fpr = [0.0], [0.0]
        for rank, cut in enumerate(cuts, 1):
            above = int((values >= cut).sum())
            tpr.append(rank / len(cuts))
            fpr.append((above - rank) / (values.size - len(cuts)))
        found.append(float(np.trapezoid([*tpr, 1.0], [*fpr, 1.0])))
    return found


Areas = Callable[[NDArray[np.float64], list[NDArray[np.float64]]], list[float]]


def pysaliency_areas() -> dict[str, Areas]:
    """AUCs by pysaliency's compiled ROC, map by map; empty where it does not import."""
    if not find_spec("pysaliency"):
        return {}
    setattr(np, "trapz", np.trapezoid)  # noqa: B010
    from pysaliency.numba_utils import general_roc_numba

    def read(values: NDArray[Any], at: NDArray[Any]) -> Any:
        return values[at[:, 1].astype(int), at[:, 0].astype(int)]

    def against(kind: str) -> Areas:
        def measured(maps: NDArray[Any], points: list[NDArray[Any]]) -> list[float]:
            found = []
            for index, (values, at) in enumerate(zip(maps, points, strict=True)):
                if kind == "shuffled":
                    rest = np.concatenate([p for i, p in enumerate(points) if i != index])
                    negatives = read(values, rest)
                elif kind == "judd":
                    fixated = np.zeros(values.shape, bool)
                    fixated[at[:, 1].astype(int), at[:, 0].astype(int)] = True
                    negatives = values[~fixated]
                else:
                    negatives = values.flatten()
                positives = read(values, at)
                found.append(general_roc_numba(positives, negatives, judd=int(kind == "judd"))[0])
            return found

        return measured

    return {kind: against(kind) for kind in ("judd", "all pixels", "shuffled")}


def areas(maps: int, repetitions: int) -> None:
    """AUCs of maps of 600 × 800 pixels with 500 fixations each."""
    rng = np.random.default_rng(0)
    values = rng.random((maps, *SCREEN[::-1]))
    pixels = [rng.choice(SCREEN[0] * SCREEN[1], 500, replace=False) for _ in range(maps)]
    points = [np.stack([at % SCREEN[0], at // SCREEN[0]], axis=1).astype(float) for at in pixels]
    peers = pysaliency_areas()
    ours = {"judd": auc_judd, "all pixels": auc_mann_whitney, "shuffled": shuffled_auc}
    for kind, metric in ours.items():
        actions: Actions = {"ours": lambda metric=metric: metric(values, points)}  # type: ignore[misc]
        if kind in peers:
            peer = peers[kind]
            assert np.allclose(metric(values[:3], points[:3]), peer(values[:3], points[:3]))
            actions["pysaliency"] = lambda peer=peer: peer(values, points)  # type: ignore[misc]
        show(f"AUC ({kind}), {maps} maps", actions, repetitions)
    few, few_points = values[:2], points[:2]
    assert np.allclose(auc_judd(few, few_points), loop_judd(few, few_points))
    looped: Actions = {
        "ours": lambda: auc_judd(few, few_points),
        "loop over thresholds": lambda: loop_judd(few, few_points),
    }
    show("AUC (judd), 2 maps", looped, 3)


def scanpaths(pairs: int, repetitions: int) -> None:
    """MultiMatch of scanpaths of 3 to 15 fixations."""
    rng = np.random.default_rng(0)
    paths = [
        np.column_stack([rng.random((n, 2)) * SCREEN, rng.uniform(0.1, 0.5, n)])
        for n in rng.integers(3, 16, 2 * pairs)
    ]
    actions: Actions = {
        "ours": lambda: [
            multimatch(a, b, SCREEN) for a, b in zip(paths[::2], paths[1::2], strict=True)
        ]
    }
    if find_spec("multimatch_gaze"):
        import multimatch_gaze

        columns = [(name, float) for name in ("start_x", "start_y", "duration")]
        records = [np.array([tuple(row) for row in path], dtype=columns) for path in paths]
        actions["multimatch_gaze"] = lambda: [
            multimatch_gaze.docomparison(a, b, list(SCREEN))
            for a, b in zip(records[::2], records[1::2], strict=True)
        ]
    show(f"MultiMatch, {pairs} pairs", actions, repetitions)


def hypergraphs(repetitions: int) -> None:
    """One layer forward and backward: 2,000 nodes, 2,000 edges of 8, width 64."""
    rng = np.random.default_rng(0)
    edges = [rng.choice(2000, 8, replace=False).tolist() for _ in range(2000)]
    graph, features = Hypergraph.from_edges(2000, edges), torch.randn(2000, 64, requires_grad=True)

    def pass_through(layer: Any, given: Any) -> None:
        layer(features, given).sum().backward()

    ours = HypergraphConv(64, 64, graph.kinds)
    actions: Actions = {"ours": lambda: pass_through(ours, graph)}
    index = torch.from_numpy(np.stack([graph.node, graph.edge]))
    if find_spec("torch_geometric"):
        from torch_geometric.nn import HypergraphConv as Peer

        peer = Peer(64, 64)
        actions["PyG"] = lambda: pass_through(peer, index)
    if find_spec("dhg"):
        import dhg

        other, built = dhg.nn.HGNNConv(64, 64), dhg.Hypergraph(2000, edges)
        actions["DHG"] = lambda: pass_through(other, built)
    show("HGNN layer, forward and backward", actions, repetitions)


def main() -> None:
    """Print every comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="fewer maps and repetitions")
    quick = parser.parse_args().quick
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    areas(10 if quick else 100, 3)
    scanpaths(100, 3 if quick else 10)
    hypergraphs(5 if quick else 30)


if __name__ == "__main__":
    main()
