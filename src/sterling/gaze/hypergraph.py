"""Hypergraphs with typed edges, made from the columns of a table, and the layer of HGNN on them.

::

    graph = Hypergraph.from_columns({"video": video, "age": age}, ["video", "age"])
    layer = HypergraphConv(16, 32, graph.kinds)
    layer(features, graph)  # (N, 32)
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.neighbors import NearestNeighbors
from torch import Tensor, nn

from sterling.checks import check_numbers
from sterling.errors import InputError, unknown_name


@dataclass(frozen=True, eq=False)
class Hypergraph:
    """Nodes, and edges that join two nodes or more, each edge of a kind.

    Attributes:
        nodes: Number of nodes.
        node: Node of each membership, (M,).
        edge: Edge of each membership, (M,); members of an edge stand together, in ascending order.
        kind: Index into `kinds` of each edge, (E,).
        kinds: Names of the kinds.
    """

    nodes: int
    node: NDArray[np.int64]
    edge: NDArray[np.int64]
    kind: NDArray[np.int64]
    kinds: tuple[str, ...]
    _devices: dict[Any, tuple[Tensor, Tensor]] = field(default_factory=dict, repr=False)

    @classmethod
    def from_edges(
        cls, nodes: int, edges: Sequence[Sequence[int]], kind: str = "edge"
    ) -> "Hypergraph":
        """Build a hypergraph from lists of nodes.

        Args:
            nodes: Number of nodes.
            edges: Members of each edge, two or more, each once.
            kind: Name of their kind.

        Raises:
            InputError: An edge has fewer than two members, one twice, or one that does not exist.
                Nothing is dropped silently.

        Examples:
            >>> Hypergraph.from_edges(4, [[0, 1, 2], [2, 3]])
            Hypergraph(4 nodes; edge: 2)
        """
        check_numbers(at_least=1, nodes=nodes)
        for index, members in enumerate(edges):
            listed = [int(one) for one in members]
            if len(listed) < 2:
                raise InputError(f"edge {index} has {len(listed)} members; give two or more")
            if len(set(listed)) < len(listed):
                raise InputError(f"edge {index} names a node twice: {listed}; name each once")
            if min(listed) < 0 or max(listed) >= nodes:
                raise InputError(f"edge {index}: {listed}; nodes are 0 to {nodes - 1}")
        sizes = [len(members) for members in edges]
        return cls(
            nodes,
            np.array([one for members in edges for one in sorted(members)], dtype=np.int64),
            np.repeat(np.arange(len(edges)), sizes),
            np.zeros(len(edges), dtype=np.int64),
            (kind,),
        )

    @classmethod
    def from_columns(
        cls, columns: Mapping[str, Any], kinds: Sequence[str | tuple[str, ...]]
    ) -> "Hypergraph":
        """Join the rows of a table that agree in a column, or in several.

        Args:
            columns: Columns of the table by name, or a polars or pandas frame; a row is a node.
            kinds: Columns, each a kind of edge; a tuple joins rows that agree in all of its
                columns, and its kind is named "gender × age".

        Returns:
            One edge for each value that two rows or more have. A value of one row alone makes no
            edge.

        Raises:
            InputError: A column does not exist, lengths differ, or a kind is named twice.

        Examples:
            >>> Hypergraph.from_columns({"age": [20, 20, 30], "city": [1, 2, 1]}, ["age", "city"])
            Hypergraph(3 nodes; age: 1, city: 1)
        """
        names = [(one,) if isinstance(one, str) else one for one in kinds]
        available = list(getattr(columns, "columns", columns))
        for name in (name for one in names for name in one):
            if name not in available:
                raise unknown_name("column", name, available)
        if not names:
            raise InputError("kinds: none; name the columns whose values join rows")
        whole = [_joined(columns, one) for one in names]
        return combine(*whole)

    @classmethod
    def nearest(cls, features: Any, k: int, kind: str = "neighbours") -> "Hypergraph":
        """Join each row with its k nearest rows, by Euclidean distance.

        Rows at equal distance are taken by index, the lower first, and a row always belongs to
        its own edge, also where others equal it.

        Args:
            features: (N, D).
            k: Neighbours of a row, itself not counted.
            kind: Name of the edges' kind.

        Raises:
            InputError: Features are not (N, D) or not finite, or there are not more than k rows.

        Examples:
            >>> Hypergraph.nearest([[0.0], [1.0], [5.0]], 1).members(2)
            [1, 2]
        """
        rows = np.asarray(features, dtype=np.float64)
        if rows.ndim != 2 or not np.isfinite(rows).all():
            raise InputError(
                f"features have shape {rows.shape}; give finite numbers (rows, columns)"
            )
        check_numbers(at_least=1, below=len(rows), k=k)
        # The k-th distance tells who may belong; ties at it are then cut by index.
        search = NearestNeighbors().fit(rows)
        far = search.kneighbors(n_neighbors=k)[0][:, -1]
        edges = []
        for row in range(len(rows)):
            distance = np.linalg.norm(rows - rows[row], axis=1)
            near = np.flatnonzero(distance <= far[row] * (1 + 1e-9) + 1e-12)
            near = near[near != row]
            taken = near[np.lexsort((near, distance[near].round(12)))][:k]
            edges.append([row, *taken.tolist()])
        return cls.from_edges(len(rows), edges, kind)

    def __repr__(self) -> str:
        counts = np.bincount(self.kind, minlength=len(self.kinds))
        listed = ", ".join(f"{name}: {n}" for name, n in zip(self.kinds, counts, strict=True))
        return f"Hypergraph({self.nodes} nodes; {listed})"

    @property
    def edges(self) -> int:
        """Number of edges."""
        return len(self.kind)

    def members(self, edge: int) -> list[int]:
        """Nodes of an edge, ascending."""
        here: list[int] = self.node[self.edge == edge].tolist()
        return here

    def without(self, *kinds: str) -> Self:
        """Remove edges of some kinds; the kinds' names stay, so that layers still fit.

        Raises:
            InputError: A kind does not exist.
        """
        for name in kinds:
            if name not in self.kinds:
                raise unknown_name("kind", name, self.kinds)
        kept = ~np.isin(self.kind, [self.kinds.index(name) for name in kinds])
        return self._only(kept, kept[self.edge], np.arange(self.nodes))

    def among(self, nodes: Any) -> Self:
        """Return the graph of some nodes alone, renumbered; edges left with one member go.

        Args:
            nodes: Their numbers, each once, or bool (N,).
        """
        chosen = np.asarray(nodes)
        chosen = np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(np.int64)
        number = np.full(self.nodes, -1)
        number[chosen] = np.arange(len(chosen))
        there = number[self.node] >= 0
        sizes = np.bincount(self.edge[there], minlength=self.edges)
        kept = sizes > 1
        return self._only(kept, there & kept[self.edge], number, len(chosen))

    def _only(
        self,
        edges: NDArray[np.bool_],
        memberships: NDArray[np.bool_],
        number: NDArray[np.int64],
        nodes: int | None = None,
    ) -> Self:
        renumbered = np.cumsum(edges) - 1
        node, edge = number[self.node[memberships]], renumbered[self.edge[memberships]]
        order = np.lexsort((node, edge))
        return type(self)(
            self.nodes if nodes is None else nodes,
            node[order],
            edge[order].astype(np.int64),
            self.kind[edges],
            self.kinds,
        )

    @cached_property
    def cliques(self) -> "Hypergraph":
        """The clique expansion: an edge of two nodes for each pair within an edge, once a kind."""
        pairs: dict[tuple[int, int, int], None] = {}
        for edge, kind in enumerate(self.kind.tolist()):
            here = self.members(edge)
            pairs |= {(kind, a, b): None for i, a in enumerate(here) for b in here[i + 1 :]}
        rows = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 3)
        return Hypergraph(
            self.nodes,
            rows[:, 1:].reshape(-1),
            np.repeat(np.arange(len(rows)), 2),
            rows[:, 0].copy(),
            self.kinds,
        )

    def incidence(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """H (N, E) and its transpose as sparse tensors of a tensor's type, on its device."""
        key = (like.dtype, like.device)
        if key not in self._devices:
            ones = np.ones(len(self.node))
            whole = csr_array((ones, (self.node, self.edge)), (self.nodes, self.edges))
            self._devices[key] = _sparse(whole, like), _sparse(whole.T.tocsr(), like)
        return self._devices[key]


def _sparse(matrix: Any, like: Tensor) -> Tensor:
    """A SciPy CSR matrix as a torch tensor."""
    parts = (matrix.indptr, matrix.indices, matrix.data)
    row, column, value = (torch.from_numpy(np.asarray(one)) for one in parts)
    with warnings.catch_warnings():  # CSR is "in beta" and twice as fast as COO
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(
            row,
            column,
            value.to(like.dtype),
            matrix.shape,
            device=like.device,
            check_invariants=True,
        )


def combine(*graphs: Hypergraph) -> Hypergraph:
    """Put the edges of several hypergraphs over the same nodes into one.

    Raises:
        InputError: Numbers of nodes differ, or two graphs have a kind of one name.

    Examples:
        >>> first = Hypergraph.from_edges(3, [[0, 1]], "a")
        >>> combine(first, Hypergraph.from_edges(3, [[1, 2]], "b"))
        Hypergraph(3 nodes; a: 1, b: 1)
    """
    if len({graph.nodes for graph in graphs}) != 1:
        listed = ", ".join(str(graph.nodes) for graph in graphs)
        raise InputError(f"graphs have {listed} nodes; combine graphs over the same nodes")
    kinds = tuple(name for graph in graphs for name in graph.kinds)
    if len(set(kinds)) < len(kinds):
        raise InputError(f"kinds {', '.join(kinds)}: name each once")
    edges = np.cumsum([0, *(graph.edges for graph in graphs)])
    first = np.cumsum([0, *(len(graph.kinds) for graph in graphs)])
    return Hypergraph(
        graphs[0].nodes,
        np.concatenate([graph.node for graph in graphs]),
        np.concatenate([graph.edge + start for graph, start in zip(graphs, edges, strict=False)]),
        np.concatenate([graph.kind + start for graph, start in zip(graphs, first, strict=False)]),
        kinds,
    )


class HypergraphConv(nn.Module):
    """Layer of HGNN: ``Dv^-1/2 H W De^-1 Hᵀ Dv^-1/2 X Θ``, with one weight for each kind of edge.

    H are the memberships, De the edges' sizes, Dv the nodes' sums of edge weights. A node without
    an edge gets 0. Weights start at 1 and are kept positive by softplus where they are learned.

    Args:
        inputs: Features of a node.
        outputs: Features that the layer gives.
        kinds: Kinds of edges, as `Hypergraph.kinds`.
        learned: Whether weights of kinds are learned.
        bias: Whether a bias is added before nodes are mixed, as in DHG.

    Source: Feng, You, Zhang, Ji and Gao, AAAI 2019, equation 10.

    Examples:
        >>> graph = Hypergraph.from_edges(4, [[0, 1, 2], [2, 3]])
        >>> HypergraphConv(8, 16, graph.kinds)(torch.randn(4, 8), graph).shape
        torch.Size([4, 16])
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kinds: Sequence[str],
        *,
        learned: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__()
        check_numbers(at_least=1, inputs=inputs, outputs=outputs)
        self.kinds = tuple(kinds)
        self.linear = nn.Linear(inputs, outputs, bias=bias)
        one = float(np.log(np.expm1(1)))  # softplus of it is 1
        self.raw = nn.Parameter(torch.full((len(self.kinds),), one), requires_grad=learned)

    @property
    def weights(self) -> Tensor:
        """Weight of each kind, above 0, (kinds,)."""
        return F.softplus(self.raw)

    def forward(self, features: Tensor, graph: Hypergraph) -> Tensor:
        """Mix the features of nodes that share edges.

        Args:
            features: (N, inputs).
            graph: Hypergraph over the N nodes.

        Raises:
            InputError: The graph has other kinds, or another number of nodes.
        """
        if graph.kinds != self.kinds:
            raise InputError(
                f"the graph has edges of {', '.join(graph.kinds)}, the layer of "
                f"{', '.join(self.kinds)}"
            )
        if len(features) != graph.nodes:
            raise InputError(f"{len(features)} rows of features for {graph.nodes} nodes")
        return smooth(self.linear(features), graph, self.weights)


def smooth(features: Tensor, graph: Hypergraph, weights: Tensor) -> Tensor:
    """Apply the operator of HGNN, ``Dv^-1/2 H W De^-1 Hᵀ Dv^-1/2 X``.

    Args:
        features: X, (N, D).
        graph: Hypergraph over the N nodes.
        weights: Weight of each kind of edge, 0 or more, (kinds,).
    """
    nodes, edges = graph.incidence(features)
    kind = torch.from_numpy(graph.kind).to(features.device)
    weight = weights.to(features.dtype)[kind][:, None]
    size = sparse_product(edges, nodes, features.new_ones(graph.nodes, 1))
    degree = sparse_product(nodes, edges, weight)
    scale = torch.where(degree > 0, degree.clamp(min=1e-30).rsqrt(), 0)
    gathered = sparse_product(edges, nodes, scale * features)
    return scale * sparse_product(nodes, edges, weight / size * gathered)


def sparse_product(matrix: Tensor, transpose: Tensor, dense: Tensor) -> Tensor:
    """Product of a constant sparse matrix, given with its transpose, and a dense one."""
    made: Tensor = _Product.apply(matrix, transpose, dense)  # type: ignore[no-untyped-call]
    return made


class _Product(torch.autograd.Function):
    """Product of a constant sparse matrix with a dense one; its gradient uses the transpose."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, transpose: Tensor, dense: Tensor) -> Tensor:
        ctx.transpose = transpose
        return matrix @ dense

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, Tensor]:
        return None, None, ctx.transpose @ gradients[0]


def check_labels_unused(
    build: Callable[[NDArray[Any]], tuple[Any, Hypergraph]],
    labels: Any,
    held_out: Any,
    *,
    seed: int = 0,
) -> None:
    """Refuse features or edges that depend on the labels of held-out nodes.

    A transductive graph joins training and test nodes, which is honest only if no test label enters
    it. Features and graph are built twice, the second time with the held-out labels exchanged among
    each other, and must not change.

    Args:
        build: From labels (N,) to features (N, D) and graph.
        labels: True labels, (N,).
        held_out: Mask of the tested nodes, bool (N,).
        seed: Seed of the exchange.

    Raises:
        InputError: Features or edges change; the message names them. So where held-out labels are
            all the same, as nothing would show then.

    Examples:
        >>> check_labels_unused(lambda labels: (features, graph), labels, test)
    """
    known, tested = np.asarray(labels), np.asarray(held_out, dtype=bool)
    values = known[tested]
    if len(np.unique(values)) < 2:
        raise InputError("held-out labels are all the same; a leak would not show")
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(values))
    while (values[order] == values).all():
        order = rng.permutation(len(values))
    changed = known.copy()
    changed[tested] = values[order]
    (features, graph), (others, other) = build(known), build(changed)
    moved = ~np.isclose(np.asarray(features), np.asarray(others)).reshape(len(known), -1).all(1)
    if moved.any():
        raise InputError(
            f"features of {int(moved.sum())} nodes depend on held-out labels, first of node "
            f"{int(moved.argmax())}; build them without"
        )
    for name in graph.kinds:
        rest = [one for one in graph.kinds if one != name]
        first, second = graph.without(*rest), other.without(*rest)
        same = np.array_equal(first.node, second.node) and np.array_equal(first.edge, second.edge)
        if not same:
            raise InputError(f"edges of kind {name!r} depend on held-out labels; leave them out")


def _joined(columns: Mapping[str, Any], names: tuple[str, ...]) -> Hypergraph:
    """Rows that agree in all named columns."""
    values = [np.asarray(columns[name]) for name in names]
    if len({len(each) for each in values}) > 1:
        raise InputError(f"columns {', '.join(names)} differ in length")
    codes = np.zeros(len(values[0]), dtype=np.int64)
    for each in values:
        inverse = np.unique(each, return_inverse=True)[1]
        codes = codes * (int(inverse.max(initial=0)) + 1) + inverse
    groups = np.unique(codes, return_inverse=True)[1]
    shared = np.bincount(groups) > 1
    number = np.cumsum(shared) - 1
    rows = np.flatnonzero(shared[groups])
    order = np.argsort(groups[rows], kind="stable")
    count = int(shared.sum())
    return Hypergraph(
        len(codes),
        rows[order].astype(np.int64),
        number[groups[rows]][order].astype(np.int64),
        np.zeros(count, dtype=np.int64),
        (" × ".join(names),),
    )
