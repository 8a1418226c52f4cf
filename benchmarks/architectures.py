"""Cost of every architecture per presentation, and of three trunks together or in turn.

Repetitions are interleaved in one run. For each architecture at its small size: PyTorch as trained,
folded, and ONNX Runtime; the speed-ups are ratios of medians to the network as trained. For the
three-trunk network: its trunks after the stem one after the other, against all at once by one
grouped convolution per layer (vmap); their largest difference is printed beside. Weights are
random.

    python -m benchmarks.architectures [--quick]
"""

import argparse
import copy
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from benchmarks.cdc import medians
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from sterling.face.pad import (
    MODELS,
    Detector,
    OnnxDetector,
    Preprocessing,
    Provenance,
    build_network,
    export_onnx,
    fold,
    normalise,
    small_arguments,
)
from sterling.face.pad.networks.cdcn_multimodal import CDCNMultimodal


def one(name: str, size: int, repetitions: int) -> None:
    """Print milliseconds as trained, and how much faster it is folded and under ONNX Runtime."""
    network = build_network({"name": name, **small_arguments(name, size)}).eval()
    generator = torch.Generator().manual_seed(0)
    shape = (1, *network.shape(size))
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    detector = Detector(
        network, Preprocessing(size), Provenance("random pixels", True, "CC0-1.0", 0, 0, "")
    )
    with tempfile.TemporaryDirectory() as folder:
        report = export_onnx(detector, Path(folder) / "model.onnx", tolerance=1e-3)
        exported = OnnxDetector.load(report.path)
    folded, pixels = fold(network), normalise(images)

    def torch_run(model: nn.Module) -> Callable[[], object]:
        def run() -> object:
            with torch.inference_mode():
                return model(pixels)

        return run

    times = medians(
        {
            "trained": torch_run(network),
            "folded": torch_run(folded),
            "onnx": lambda: exported.score(images),
        },
        repetitions,
    )
    trained = times["trained"]
    print(
        f"{name:16} {1000 * trained:8.1f} ms as trained, folded × {trained / times['folded']:.2f}, "
        f"ONNX Runtime × {trained / times['onnx']:.2f}, differs by {report.max_difference:.1e}"
    )


def trunks(width: int, size: int, batch: int, repetitions: int) -> None:
    """Print how much faster three trunks are together than in turn."""
    folded: Any = fold(CDCNMultimodal(width).eval())
    levels = [_after_stem(branch) for branch in folded.branches]
    parameters, buffers = stack_module_state(levels)
    skeleton = copy.deepcopy(levels[0]).to("meta")
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(3, batch, width, size, size, generator=generator)

    def together() -> Tensor:
        def call(p: dict[str, Tensor], b: dict[str, Tensor], x: Tensor) -> Tensor:
            answer: Tensor = functional_call(skeleton, (p, b), (x,))
            return answer

        with torch.no_grad():
            return vmap(call)(parameters, buffers, features)

    def in_turn() -> Tensor:
        with torch.no_grad():
            return torch.stack([level(x) for level, x in zip(levels, features, strict=True)])

    difference = float((together() - in_turn()).abs().max())
    times = medians({"turn": in_turn, "together": together}, repetitions)
    print(
        f"trunks of width {width}, {batch} pictures of {size}: {1000 * times['turn']:.1f} ms in "
        f"turn, together × {times['turn'] / times['together']:.2f}, differ by {difference:.1e}"
    )


def _after_stem(branch: nn.Sequential) -> nn.Module:
    """A folded trunk without its stem: low, mid and high, one after the other."""
    trunk: Any = branch[0]
    return nn.Sequential(trunk.low, trunk.mid, trunk.high)


def main() -> None:
    """Print one line per architecture, then the trunks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    repetitions = 3 if parser.parse_args().quick else 11
    for name in MODELS:
        one(name, 64, repetitions)
    for width, size, batch in ((8, 64, 1), (8, 64, 8), (64, 64, 1)):
        trunks(width, size, batch, repetitions)


if __name__ == "__main__":
    main()
