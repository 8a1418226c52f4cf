"""Tiny ONNX networks whose answers reveal what they were given."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx: Any = pytest.importorskip("onnx")
TensorProto, helper = onnx.TensorProto, onnx.helper


def means_network(
    path: Path,
    weights: Sequence[Sequence[float]],
    *,
    size: int = 8,
    layout: str = "NCHW",
    batch: int | str = "n",
    last: str | None = None,
) -> Path:
    """Write a network that answers weights · (mean of each channel), and maybe one more step.

    Args:
        path: The file.
        weights: (K, 3).
        size: Side of its input.
        layout: Axes of its input.
        batch: Length of the first axis, or its name.
        last: ``"Softmax"`` or ``"Sigmoid"``, applied to the answer.
    """
    axes = [2, 3] if layout == "NCHW" else [1, 2]
    sides = [3, size, size] if layout == "NCHW" else [size, size, 3]
    matrix = onnx.numpy_helper.from_array(np.array(weights, np.float32).T, "weights")
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["means"], axes=axes, keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["sums"]),
        helper.make_node(last or "Identity", ["sums"], ["answer"]),
    ]
    graph = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, *sides])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, [batch, len(weights)])],
        [matrix],
    )
    write(graph, path)
    return path


def write(graph: Any, path: Path) -> None:
    """Write a graph as a model of opset 13."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())
