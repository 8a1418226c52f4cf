"""dlib's network: the same vectors as dlib, in PyTorch and in ONNX Runtime."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

import sterling.face.recognition as room
from sterling.face.recognition import ResNet29, embed_chips, embedding
from sterling.face.recognition.resnet29 import WEIGHTS, dequantised
from sterling.pictures import read_pixels

PHOTOGRAPH = Path(__file__).parents[3] / "examples" / "photographs" / "astronaut.jpg"


@pytest.fixture(scope="module")
def crop() -> NDArray[np.uint8]:
    return np.ascontiguousarray(read_pixels(PHOTOGRAPH)[:, 45:195, 150:300])


@pytest.fixture(scope="module")
def network() -> ResNet29:
    return ResNet29.pretrained()


def test_vectors_are_those_of_dlib(crop: NDArray[np.uint8]) -> None:
    """dlib itself gave the vector of the file, with its own weights in full precision."""
    stored = json.loads(Path(__file__).with_name("dlib_vector.json").read_text())
    moved = np.roll(crop, 8, axis=2)
    ours = embed_chips(np.stack([crop, moved, crop[::-1]]))
    away = np.linalg.norm(ours - np.array(stored["vector"]), axis=1)
    assert away[0] < 0.06
    assert away[1] > 0.1  # the control: another place of the face
    assert away[2] > 0.1  # and blue for red


def test_pytorch_and_onnx_runtime_agree(crop: NDArray[np.uint8], network: ResNet29) -> None:
    chips = np.stack([crop, crop[:, ::-1], 255 - crop])
    with torch.inference_mode():
        vectors = network(torch.from_numpy(chips)).numpy()
    np.testing.assert_allclose(vectors, embed_chips(chips), atol=2e-5)


def test_a_batch_changes_nothing(crop: NDArray[np.uint8]) -> None:
    chips = np.stack([np.roll(crop, shift, axis=1) for shift in range(20)])
    alone = np.concatenate([embed_chips(chips[[row]]) for row in range(20)])
    np.testing.assert_allclose(embed_chips(chips), alone, atol=2e-5)


def test_files_may_be_links(
    crop: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = embed_chips(crop[None])
    for folder, suffix in (("a", ".onnx"), ("b", ".safetensors")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "file").write_bytes(WEIGHTS.with_suffix(suffix).read_bytes())
        (tmp_path / f"linked{suffix}").symlink_to(tmp_path / folder / "file")
    monkeypatch.setattr(embedding, "GRAPH", tmp_path / "linked.onnx")
    network = embedding._network.__wrapped__()
    np.testing.assert_array_equal(network.run(None, {"crops": crop[None]})[0], expected)


def test_gradients_reach_the_pixels(crop: NDArray[np.uint8], network: ResNet29) -> None:
    pixels = torch.from_numpy(crop[None]).float().requires_grad_(True)
    network(pixels).square().sum().backward()
    assert pixels.grad is not None
    assert float(pixels.grad.abs().max()) > 0


def test_weights_of_8_bits_are_what_scale_and_zero_say() -> None:
    stored = load_file(WEIGHTS)
    name = "blocks.conv32_1.conv1.weight"
    assert stored[name].dtype == torch.uint8
    real = dequantised(stored)[name]
    for output in (0, 17):
        values = stored[name][output].double() - float(stored[f"{name}.zero"][output])
        expected = values * float(stored[f"{name}.scale"][output])
        torch.testing.assert_close(real[output].double(), expected, rtol=1e-6, atol=0)
    assert set(dequantised(stored)) == set(ResNet29().state_dict())


def test_the_record_names_the_files_that_are_there() -> None:
    folder = Path(room.__path__[0])
    record = json.loads((folder / "resnet29.json").read_text())
    for name, digest in record["sha256"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert "CC0" in record["licence"]
    assert (folder / "resnet29.LICENSE").read_text().startswith("MIT License")


def test_seeds_give_the_same_network_and_others_another() -> None:
    one, again, other = (ResNet29(seed=seed).head.weight for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
