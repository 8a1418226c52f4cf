"""Losses of anybody's classifier equal the cross-entropy worked out by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.privacy import losses_of

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 4))
WEIGHT = RNG.normal(size=(4, 3))
LABELS = RNG.integers(3, size=50)


def by_hand() -> Any:
    """log Σ exp z - z_y for z = X · WEIGHT."""
    z = X @ WEIGHT
    return logsumexp(z, axis=1) - z[np.arange(50), LABELS]


def linear(x: Tensor) -> Tensor:
    return x @ torch.from_numpy(WEIGHT)


def module(*, dropout: float = 0.0) -> nn.Sequential:
    layer = nn.Linear(4, 3, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(WEIGHT.T))
    return nn.Sequential(nn.Dropout(dropout), layer)


def onnx_file(path: Path) -> Path:
    onnx = pytest.importorskip("onnx")
    helper, kinds = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["logits"])],
        "linear",
        [helper.make_tensor_value_info("x", kinds.FLOAT, [None, 4])],
        [helper.make_tensor_value_info("logits", kinds.FLOAT, [None, 3])],
        [onnx.numpy_helper.from_array(WEIGHT.astype(np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path


@pytest.mark.parametrize("batch_size", [1, 7, 256])
def test_torch_and_onnx_losses_are_cross_entropies(tmp_path: Path, batch_size: int) -> None:
    np.testing.assert_allclose(losses_of(linear, X, LABELS, batch_size=batch_size), by_hand())
    for model in (module(), onnx_file(tmp_path / "m.onnx"), str(tmp_path / "m.onnx")):
        found = losses_of(model, X, LABELS, batch_size=batch_size)
        np.testing.assert_allclose(found, by_hand(), atol=1e-5)
        assert found.dtype == np.float64
    chances = losses_of(lambda x: linear(x).softmax(1), X, LABELS, outputs="probabilities")
    np.testing.assert_allclose(chances, by_hand())


def test_a_module_is_asked_in_evaluation_mode_and_left_as_it_was() -> None:
    model = module(dropout=0.9)
    model[1].eval()
    np.testing.assert_allclose(losses_of(model, X, LABELS), by_hand(), atol=1e-5)
    assert [one.training for one in model] == [True, False]
    assert all(one.grad is None for one in model.parameters())


def test_labels_of_an_estimator_are_found_among_its_classes() -> None:
    """Two classes at distance 2 with unit deviations: the log odds are known in closed form."""
    x = np.array([[-1.0], [1.0], [-1.0 - 1e-9], [1.0 + 1e-9]])
    model = GaussianNB().fit([[-2.0], [0.0], [0.0], [2.0]], ["zebra", "zebra", "ant", "ant"])
    odds = 2 * 1 * x[:, 0] / model.var_[0, 0]  # of ant (mean 1) against zebra (mean -1)
    assert model.classes_.tolist() == ["ant", "zebra"]
    for label, sign in (("ant", 1), ("zebra", -1)):
        expected = np.log1p(np.exp(-sign * odds))
        np.testing.assert_allclose(losses_of(model, x, [label] * 4), expected, rtol=1e-6)
    sparse = LogisticRegression().fit(X, 10 * LABELS - 5)  # classes -5, 5, 15
    p = sparse.predict_proba(X)[np.arange(50), LABELS]
    np.testing.assert_allclose(losses_of(sparse, X, 10 * LABELS - 5), -np.log(p))


class Sure:
    """An estimator that is certain."""

    classes_ = np.array([0, 1])

    def predict_proba(self, x: Any) -> Any:
        return np.tile([1.0, 0.0], (len(x), 1))


def test_a_probability_of_0_is_a_large_loss_and_not_an_infinite_one() -> None:
    assert losses_of(Sure(), X, np.ones(50, int)).tolist() == [-np.log(1e-12)] * 50
    assert losses_of(Sure(), X, np.zeros(50, int)).tolist() == [0.0] * 50
    assert losses_of(linear, X[:0], LABELS[:0]).shape == (0,)


@pytest.mark.parametrize(
    ("model", "y", "said"),
    [
        (linear, LABELS + 1, "linear: label 3 is none of its classes, 0, 1, 2"),
        (linear, LABELS - 1, "label -1 is none of its classes"),
        (linear, LABELS + 0.5, "is none of its classes"),
        (linear, LABELS[:9], r"answers \(50, 3\), labels \(9,\)"),
        (Sure(), ["a"] * 50, "label 'a' is none of its classes, 0, 1"),
        (lambda x: linear(x)[:, :1], LABELS, "two classes or more"),
        (lambda x: linear(x)[:, 0], LABELS, "two classes or more"),
        (lambda x: linear(x) / 0, LABELS, "the answer on record 0 is not finite"),
        (LogisticRegression, LABELS, "model is a type: give a fitted estimator"),
        (LogisticRegression(), LABELS, "model is a LogisticRegression: give a fitted"),
        (3, LABELS, "model is a int"),
        ("absent.onnx", LABELS, "absent.onnx"),
    ],
)
def test_what_does_not_fit_is_one_line(model: Any, y: Any, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        losses_of(model, X, y)
    assert "\n" not in str(caught.value)


def test_logits_taken_for_probabilities_are_told() -> None:
    with pytest.raises(InputError, match=r"no probability distribution .* are these logits"):
        losses_of(linear, X, LABELS, outputs="probabilities")


def test_files_that_are_no_networks_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"not a network")
    with pytest.raises(InputError, match=r"bad\.onnx: not a network that can be run"):
        losses_of(tmp_path / "bad.onnx", X, LABELS)
    with pytest.raises(InputError, match=r"cannot answer records of shape \(50, 2\)"):
        losses_of(onnx_file(tmp_path / "m.onnx"), X[:, :2], LABELS)
