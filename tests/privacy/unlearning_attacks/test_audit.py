"""The audit on answers of known truth, and what it refuses to read."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy.special import softmax

from sterling.errors import InputError
from sterling.findings.privacy import forgetting_findings
from sterling.privacy.unlearning_attacks import attack_area
from sterling.privacy.unlearning_attacks.audit import _area, audit_forgetting
from sterling.privacy.unlearning_attacks.signals import Signals, ask_onnx, read_signals
from sterling.study import Findings

Array = NDArray[np.float64]


def losses(seed: int, n: int, shift: float = 0.0) -> Signals:
    return Signals(np.random.default_rng(seed).exponential(size=n) * np.exp(shift))


def findings(forget: Signals, holdout: Signals, **options: object) -> Findings:
    return forgetting_findings(audit_forgetting(forget, holdout, **options))  # type: ignore[arg-type]


def verdict(forget: Signals, holdout: Signals, **options: object) -> str:
    return findings(forget, holdout, **options).claims[0].verdict


def test_alike_sets_pass_and_both_kinds_of_leak_fail() -> None:
    assert verdict(losses(0, 5000), losses(1, 5000)) == "holds"
    assert verdict(losses(0, 5000, -1.0), losses(1, 5000)) == "does not hold"  # remembered
    assert verdict(losses(0, 5000, +1.0), losses(1, 5000)) == "does not hold"  # pushed too far
    assert verdict(losses(0, 20), losses(1, 20)) == "undecided"  # too few to tell


def test_false_alarms_are_as_rare_as_the_interval_says() -> None:
    # With the truth at the edge of the tolerance the claim fails in at most 2.5 % of runs.
    fails = sum(
        verdict(losses(s, 150), losses(s + 10_000, 150)) == "does not hold" for s in range(200)
    )
    assert fails <= 3  # at the centre it is far rarer


def test_the_retrained_model_is_the_reference_when_it_is_given() -> None:
    hard = np.random.default_rng(0).exponential(size=2000) * 3  # the forget set is harder anyway
    easy = np.random.default_rng(1).exponential(size=2000)
    noise = np.random.default_rng(2).normal(scale=0.01, size=2000)
    forget, holdout = Signals(hard + np.abs(noise)), Signals(easy)
    assert verdict(forget, holdout) == "does not hold"
    retrained = Signals(hard), Signals(easy)
    assert verdict(forget, holdout, retrained=retrained) == "holds"
    same = audit_forgetting(Signals(hard), holdout, retrained=retrained).retraining
    assert same is not None
    assert same.privleak is not None
    assert (same.privleak.value, same.distance, same.p_value) == (0, 0, 1)
    with pytest.raises(InputError, match="ask both about the same"):
        audit_forgetting(forget, holdout, retrained=(losses(0, 5), Signals(easy)))


def test_the_fast_area_is_the_slow_one_with_ties() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(6, size=50) / 2, rng.integers(6, size=70) / 2
    expected = attack_area(-first, -second).value
    assert _area(first, second) == pytest.approx(expected)


def test_low_and_high_losses_are_both_looked_for() -> None:
    audit = audit_forgetting(losses(0, 2000, 3.0), losses(1, 2000))
    assert audit.high_loss.value > 0.5 > 0.05 > audit.low_loss.value


def posteriors(seed: int, n: int = 40) -> tuple[Array, NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    return np.asarray(softmax(rng.normal(size=(n, 3)), axis=1)), rng.integers(3, size=n)


@pytest.mark.parametrize("kind", ["csv", "parquet", "npz"])
def test_files_give_losses_entropies_and_hits(kind: str, tmp_path: Path) -> None:
    p, label = posteriors(0)
    path = tmp_path / f"signals.{kind}"
    if kind == "npz":
        np.savez(path, p=p, label=label)
    else:
        table = pl.DataFrame({"label": label, **{f"p{c}": p[:, c] for c in range(3)}})
        table.write_csv(path) if kind == "csv" else table.write_parquet(path)
    signals = read_signals(path)
    np.testing.assert_allclose(signals.loss, -np.log(p[np.arange(40), label]))
    assert signals.entropy is not None
    np.testing.assert_allclose(signals.entropy, -(p * np.log(p)).sum(1))
    np.testing.assert_array_equal(signals.right, p.argmax(1) == label)
    alone = tmp_path / "loss.csv"
    pl.DataFrame({"loss": signals.loss}).write_csv(alone)
    np.testing.assert_allclose(read_signals(alone).loss, signals.loss)
    assert read_signals(alone).entropy is None


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"loss": [0.1, float("nan")]}, "row 2: column 'loss' is nan"),
        ({"loss": [0.1, float("inf")]}, "row 2 holds a value that is not finite"),
        ({"loss": []}, "holds no record"),
        ({"score": [0.1]}, "neither a column loss nor"),
        ({"p0": [0.5], "p1": [0.5]}, "need a column label"),
        ({"label": [0], "p0": [2.5], "p1": [-1.0]}, r"row 1 is no probability distribution"),
        ({"label": [0, 1], "p0": [0.5, 2.0], "p1": [0.5, 1.0]}, r"row 2 .* \(sum 3\)"),
        ({"label": [2], "p0": [0.5], "p1": [0.5]}, "whole numbers from 0 to 1"),
        ({"label": [0.5], "p0": [0.5], "p1": [0.5]}, "write a whole number"),
        ({"label": [0], "p0": [1.0]}, "two classes or more"),
        ({"label": [0], "p1": [0.5], "p2": [0.5]}, "column p0 is missing"),
    ],
)
def test_bad_files_are_told(columns: dict[str, list[float]], message: str, tmp_path: Path) -> None:
    path = tmp_path / "signals.parquet"
    pl.DataFrame(columns).write_parquet(path)
    with pytest.raises(InputError, match=message):
        read_signals(path)


def test_missing_and_foreign_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_signals(tmp_path / "none.csv")
    (tmp_path / "a.txt").write_text("1")
    with pytest.raises(InputError, match="write it as"):
        read_signals(tmp_path / "a.txt")
    (tmp_path / "a.npz").write_text("1")
    with pytest.raises(InputError, match="cannot be read"):
        read_signals(tmp_path / "a.npz")
    with pytest.raises(InputError, match=r"tolerance 0\.7"):
        audit_forgetting(losses(0, 5), losses(1, 5), tolerance=0.7)


def test_an_onnx_model_answers_as_its_weights_say(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(4, 3)).astype(np.float32)
    helper, kinds = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["logits"])],
        "linear",
        [helper.make_tensor_value_info("x", kinds.FLOAT, [None, 4])],
        [helper.make_tensor_value_info("logits", kinds.FLOAT, [None, 3])],
        [onnx.numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path, records = tmp_path / "model.onnx", tmp_path / "records.npz"
    onnx.save(model, str(path))
    x, label = rng.normal(size=(600, 4)).astype(np.float32), rng.integers(3, size=600)
    np.savez(records, x=x, label=label)
    signals = ask_onnx(path, records)
    p = softmax(x.astype(np.float64) @ weight, axis=1)
    np.testing.assert_allclose(signals.loss, -np.log(p[np.arange(600), label]), atol=1e-5)
    np.savez(records, x=x[:, :2], label=label)
    with pytest.raises(InputError, match="cannot answer records of shape"):
        ask_onnx(path, records)
    np.savez(records, x=x)
    with pytest.raises(InputError, match="arrays x"):
        ask_onnx(path, records)
