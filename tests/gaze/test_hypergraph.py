"""Hypergraphs: golden matrices, the defects of peers, equivariance, gradients, leakage."""

from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.gaze import Hypergraph, HypergraphConv, check_labels_unused, combine, smooth

PAIR = Hypergraph.from_edges(4, [[0, 1, 2], [2, 3]])


def dense(graph: Hypergraph, weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """The operator by its formula, with dense matrices."""
    incidence = np.zeros((graph.nodes, graph.edges))
    incidence[graph.node, graph.edge] = 1
    w = np.diag(weight[graph.kind])
    with np.errstate(divide="ignore"):
        root = np.diag(np.where(incidence @ np.diag(w) > 0, (incidence @ np.diag(w)) ** -0.5, 0))
    sizes = np.diag(1 / incidence.sum(0))
    return np.asarray(root @ incidence @ w @ sizes @ incidence.T @ root)


def random_graph(seed: int) -> Hypergraph:
    rng = np.random.default_rng(seed)
    kinds = []
    for name in "ab":
        sizes = rng.integers(2, 5, 6)
        edges = [rng.choice(9, size, replace=False).tolist() for size in sizes]
        kinds.append(Hypergraph.from_edges(9, edges, name))
    return combine(*kinds)


def test_the_golden_matrix_of_hgnn() -> None:
    found = smooth(torch.eye(4, dtype=torch.float64), PAIR, torch.ones(1)).numpy()
    expected = [
        [1 / 3, 1 / 3, 0.2357, 0],
        [1 / 3, 1 / 3, 0.2357, 0],
        [0.2357, 0.2357, 0.4167, 0.3536],
        [0, 0, 0.3536, 0.5],
    ]
    np.testing.assert_allclose(found, expected, atol=5e-5)


@pytest.mark.parametrize("seed", range(6))
def test_the_operator_equals_dense_matrices(seed: int) -> None:
    graph, weight = random_graph(seed), np.array([0.3, 1.7])
    found = smooth(torch.eye(9, dtype=torch.float64), graph, torch.tensor(weight))
    np.testing.assert_allclose(found.numpy(), dense(graph, weight), atol=1e-12)


def test_edges_of_two_nodes_are_half_a_graph_convolution() -> None:
    # On an ordinary graph the operator is (I + D^-1/2 A D^-1/2) / 2.
    edges = [[0, 1], [1, 2], [2, 3], [3, 0], [0, 2]]
    adjacency = np.zeros((4, 4))
    for a, b in edges:
        adjacency[a, b] = adjacency[b, a] = 1
    root = np.diag(adjacency.sum(1) ** -0.5)
    graph = Hypergraph.from_edges(4, edges)
    found = smooth(torch.eye(4, dtype=torch.float64), graph, torch.ones(1))
    np.testing.assert_allclose(found.numpy(), (np.eye(4) + root @ adjacency @ root) / 2, atol=1e-12)
    # Cliques of triangles are another operator than the triangles themselves.
    assert PAIR.cliques.edges == 4
    assert not np.allclose(
        smooth(torch.eye(4), PAIR.cliques, torch.ones(1)), smooth(torch.eye(4), PAIR, torch.ones(1))
    )


def test_renumbering_nodes_renumbers_the_result() -> None:
    graph = random_graph(3)
    order = np.random.default_rng(0).permutation(9)  # node i becomes order[i]
    edges = [
        Hypergraph.from_edges(
            9,
            [
                [int(order[n]) for n in graph.members(e)]
                for e in np.flatnonzero(graph.kind == k).tolist()
            ],
            name,
        )
        for k, name in enumerate(graph.kinds)
    ]
    torch.manual_seed(0)
    layer, features = HypergraphConv(3, 5, graph.kinds), torch.randn(9, 3)
    moved = torch.empty_like(features)
    moved[order] = features
    torch.testing.assert_close(layer(moved, combine(*edges))[order], layer(features, graph))


def test_removing_a_kind_equals_a_weight_of_zero() -> None:
    graph, features = random_graph(1), torch.randn(9, 4, dtype=torch.float64)
    without = smooth(features, graph.without("b"), torch.tensor([0.7, 1.3]))
    zero = smooth(features, graph, torch.tensor([0.7, 0.0]))
    torch.testing.assert_close(without, zero)
    # A node without edges gets 0, not NaN.
    alone = Hypergraph.from_edges(3, [[0, 1]])
    assert smooth(torch.ones(3, 1), alone, torch.ones(1))[2].item() == 0


def test_gradients_are_those_of_finite_differences() -> None:
    graph = random_graph(2)
    features = torch.randn(9, 2, dtype=torch.float64, requires_grad=True)
    weights = torch.tensor([0.4, 1.2], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, w: smooth(x, graph, w), (features, weights))


def test_weights_of_kinds_are_learned_from_one() -> None:
    layer = HypergraphConv(2, 2, ("a", "b"))
    torch.testing.assert_close(layer.weights, torch.ones(2))
    layer(torch.randn(9, 2), random_graph(0)).sum().backward()
    assert layer.raw.grad is not None
    assert (layer.raw.grad != 0).all()
    assert not HypergraphConv(2, 2, ("a",), learned=False).raw.requires_grad


def test_no_member_is_dropped_from_an_edge() -> None:
    # A pairwise graph of a peer keeps the first two of each list: six lists of three vertices
    # became two edges and four hyperedges of one or two.
    lists = [[0, 1, 2], [1, 0, 2], [2, 1, 0], [3, 4, 5], [4, 3, 5], [5, 4, 3]]
    graph = Hypergraph.from_edges(6, lists)
    assert graph.edges == 6
    assert [graph.members(e) for e in range(6)] == [[0, 1, 2]] * 3 + [[3, 4, 5]] * 3


def test_neighbours_among_equal_rows_keep_the_row_itself() -> None:
    # Nearest neighbours of one-hot ages are all ties; a peer drops "the first, itself", which often
    # is another row.
    ages = np.eye(8)[np.random.default_rng(0).integers(0, 8, 240)]
    graph = Hypergraph.nearest(ages, 10)
    for row in range(240):
        members = graph.members(row)
        assert len(members) == 11
        assert row in members
        same = np.flatnonzero((ages == ages[row]).all(1))
        same = same[same != row][:10].tolist()
        assert set(same) <= set(members)


def test_nearest_equals_sorting_all_distances() -> None:
    features = np.random.default_rng(4).random((30, 3))
    graph = Hypergraph.nearest(features, 4, "near")
    for row in range(30):
        apart = np.linalg.norm(features - features[row], axis=1)
        assert graph.members(row) == sorted(np.argsort(apart)[:5].tolist())
    assert graph.kinds == ("near",)


def test_rows_that_agree_in_columns_are_joined() -> None:
    columns = {"age": ["20", "20", "30", "30", "40"], "sex": ["f", "m", "f", "f", "m"]}
    for given in (columns, pl.DataFrame(columns)):
        graph = Hypergraph.from_columns(given, ["age", "sex", ("age", "sex")])  # type: ignore[arg-type]
        assert repr(graph) == "Hypergraph(5 nodes; age: 2, sex: 2, age × sex: 1)"
        kept = [graph.members(e) for e in range(graph.edges)]
        assert kept == [[0, 1], [2, 3], [0, 2, 3], [1, 4], [2, 3]]
    some = graph.among([2, 3, 4])
    assert (some.nodes, [some.members(e) for e in range(some.edges)]) == (
        3,
        [[0, 1], [0, 1], [0, 1]],
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Hypergraph.from_edges(3, [[0, 1], [2]]), "edge 1 has 1 members"),
        (lambda: Hypergraph.from_edges(3, [[0, 0, 1]]), "edge 0 names a node twice"),
        (lambda: Hypergraph.from_edges(3, [[0, 3]]), "nodes are 0 to 2"),
        (lambda: Hypergraph.from_columns({"a": [1, 1]}, ["b"]), "unknown column 'b'"),
        (lambda: Hypergraph.from_columns({"a": [1, 1]}, []), "kinds: none"),
        (
            lambda: Hypergraph.from_columns({"a": [1], "b": [1, 2]}, [("a", "b")]),
            "differ in length",
        ),
        (lambda: Hypergraph.nearest([[0.0], [1.0]], 2), "k"),
        (lambda: Hypergraph.nearest([[np.nan], [1.0]], 1), "finite numbers"),
        (lambda: combine(PAIR, PAIR), "name each once"),
        (lambda: combine(PAIR, Hypergraph.from_edges(3, [[0, 1]], "b")), "4, 3 nodes"),
        (lambda: PAIR.without("age"), "unknown kind 'age'"),
        (lambda: HypergraphConv(2, 2, ("b",))(torch.ones(4, 2), PAIR), "the layer of b"),
        (lambda: HypergraphConv(2, 2, ("edge",))(torch.ones(3, 2), PAIR), "3 rows of features"),
    ],
)
def test_bad_input_is_one_line(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        call()
    assert "\n" not in str(refused.value)


def test_labels_of_held_out_nodes_must_not_enter() -> None:
    rng = np.random.default_rng(0)
    labels, features = rng.integers(0, 3, 20), rng.random((20, 2))
    test = np.arange(20) >= 12
    age = rng.integers(0, 4, 20)

    def honest(_given: NDArray[Any]) -> tuple[Any, Hypergraph]:
        return features, Hypergraph.from_columns({"age": age}, ["age"])

    def leaking_edge(given: NDArray[Any]) -> tuple[Any, Hypergraph]:
        return features, Hypergraph.from_columns({"age": age, "class": given}, ["age", "class"])

    def leaking_feature(given: NDArray[Any]) -> tuple[Any, Hypergraph]:
        return np.c_[features, given], honest(given)[1]

    def training_only(given: NDArray[Any]) -> tuple[Any, Hypergraph]:
        return np.c_[features, np.where(test, 0, given)], honest(given)[1]

    check_labels_unused(honest, labels, test)
    check_labels_unused(training_only, labels, test)
    with pytest.raises(InputError, match="edges of kind 'class' depend on held-out labels"):
        check_labels_unused(leaking_edge, labels, test)
    with pytest.raises(InputError, match=r"features of .* nodes depend on held-out labels"):
        check_labels_unused(leaking_feature, labels, test)
    with pytest.raises(InputError, match="would not show"):
        check_labels_unused(honest, np.zeros(20), test)
