import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from sterling.errors import InputError
from sterling.explain import ConceptData, draw_shapes, read_concept_data, sklearn_digits
from sterling.explain.concept_data import _rgb


@pytest.mark.parametrize("data", [draw_shapes(400, np.random.default_rng(0)), sklearn_digits()])
def test_the_label_is_a_function_of_the_concepts(data: ConceptData) -> None:
    codes: dict[bytes, set[int]] = {}
    for row, label in zip(data.concepts, data.labels.tolist(), strict=True):
        codes.setdefault(row.tobytes(), set()).add(label)
    assert all(len(labels) == 1 for labels in codes.values())
    assert sorted(set(data.labels.tolist())) == list(range(data.n_classes))
    assert data.concepts.shape == (len(data), len(data.names))
    assert data.inputs.min() >= 0
    assert data.inputs.max() <= 1


def test_shapes_show_their_concepts() -> None:
    data = draw_shapes(600, np.random.default_rng(1), noise=0.0)
    concept = dict(zip(data.names, data.concepts.T, strict=True))
    plain = ~concept["hollow"]
    # Pixels off the ground: more of them when large, fewer when hollow.
    ground = data.inputs[:, :, :1, :1]
    drawn = (np.abs(data.inputs - ground).max(axis=1) > 1e-6).mean(axis=(1, 2))
    assert drawn[concept["large"] & plain].mean() > 1.5 * drawn[~concept["large"] & plain].mean()
    assert drawn[concept["hollow"]].mean() < 0.9 * drawn[plain].mean()
    red = data.inputs[concept["red"]] - ground[concept["red"]]
    assert red[:, 0].mean() > max(red[:, 1].mean(), red[:, 2].mean())


def test_hues_are_those_of_hsv() -> None:
    colours = _rgb(np.array([0.0, 1 / 6, 1 / 3, 2 / 3]))
    np.testing.assert_allclose(colours, [[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]], atol=1e-12)


def test_the_same_seed_draws_the_same_pictures() -> None:
    first, second = (draw_shapes(5, np.random.default_rng(2)) for _ in range(2))
    assert np.array_equal(first.inputs, second.inputs)


def write_mnist(folder: Path, pictures: np.ndarray, labels: np.ndarray) -> None:
    head = struct.pack(">4i", 2051, len(labels), 28, 28)
    (folder / "t-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + pictures.tobytes()))
    head = struct.pack(">2i", 2049, len(labels))
    (folder / "t-labels-idx1-ubyte.gz").write_bytes(gzip.compress(head + labels.tobytes()))


def test_mnist_is_read_and_halved(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    pictures = rng.integers(0, 256, size=(6, 28, 28), dtype=np.uint8)
    labels = np.arange(6, dtype=np.uint8)
    write_mnist(tmp_path, pictures, labels)
    data = read_concept_data(tmp_path, rng, 4)
    assert data.inputs.shape == (4, 1, 14, 14)
    first = pictures[data.labels[0]] / 255
    assert data.inputs[0, 0, 0, 0] == pytest.approx(first[:2, :2].mean(), abs=1e-6)
    (tmp_path / "t-labels-idx1-ubyte.gz").write_bytes(b"")
    with pytest.raises(InputError, match="no MNIST files"):
        read_concept_data(tmp_path, rng, 4)


def test_real_class_attributes_give_simulated_birds(shared_data: Path) -> None:
    folder = shared_data / "concepts" / "cub_attributes"
    data = read_concept_data(folder, np.random.default_rng(4), 500)
    assert "SIMULATED" in data.source
    assert data.n_classes == 20
    assert data.inputs.shape == (500, 12)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give a folder with one of them"):
        read_concept_data(tmp_path, np.random.default_rng(5), 10)
