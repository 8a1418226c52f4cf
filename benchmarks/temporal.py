"""Cost of judging a running video: clip by clip or frame by frame, PyTorch or ONNX Runtime.

Without `stream`, every new frame of a video costs a whole clip: the last 5 frames anew. Repetitions
are interleaved in one run; the speed-up is the ratio of medians to that, for the same network in
PyTorch. The score's largest difference from the whole clip's is printed beside. Weights are random
and batch-norm statistics are those of the clips, so the differences are of arithmetic only.

    python -m benchmarks.temporal [--quick]
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from benchmarks.cdc import medians
from benchmarks.inference import smooth_images
from numpy.typing import NDArray
from torch import Tensor, nn

from sterling.face.pad import (
    SGTD,
    DepthNet,
    Detector,
    OnnxDetector,
    Preprocessing,
    Provenance,
    StreamState,
    TemporalDepth,
    export_onnx,
    fold,
    normalise,
)
from sterling.face.pad.networks.clip_depth import ClipDepth


def moving(frames: int, size: int) -> Tensor:
    """One clip of a smooth picture that moves by a pixel a frame, uint8 (1, T, 3, size, size)."""
    picture = smooth_images(1, size + frames)[0]
    windows = [picture[:, :size, start : start + size] for start in range(frames)]
    return torch.stack(windows)[None]


def ready(network: ClipDepth, clip: Tensor) -> ClipDepth:
    """Give batch norm the clip's statistics, and the single-frame map the size of a depth."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        network.train()(normalise(clip))
        last = next(layer for layer in network.eval().single.head if isinstance(layer, nn.Conv2d))
        last.weight.mul_(0.3 / network.single(normalise(clip)[:, 0]).maps.mean())
    return network


def compare(network: ClipDepth, clip: Tensor, repetitions: int) -> None:
    """Print one line per way of judging the clip's last frame."""
    size, frames = clip.shape[-1], network.frames
    detector = Detector(
        network, Preprocessing(size), Provenance("moving noise", True, "CC0-1.0", 0, 0, "")
    )
    with tempfile.TemporaryDirectory() as folder:
        report = export_onnx(detector, Path(folder) / "clip.onnx", tolerance=1e-3)
        exported = OnnxDetector.load(report.path)
    folded, pixels = fold(network), normalise(clip)
    alone = DepthNet(network.width, network.single.gradient).eval()

    def before(model: ClipDepth) -> StreamState:
        state: StreamState | None = None
        for frame in range(frames - 1):
            _, state = model.stream(pixels[:, frame], state)
        if state is None:
            raise AssertionError
        return state

    def last(model: ClipDepth, state: StreamState) -> NDArray[np.float64]:
        with torch.inference_mode():
            output, _ = model.stream(pixels[:, -1], state)
        if output is None:
            raise AssertionError
        return model.liveness(output).double().numpy()

    def whole(model: ClipDepth) -> NDArray[np.float64]:
        with torch.inference_mode():
            return model.liveness(model(pixels)).double().numpy()

    def single_frame() -> NDArray[np.float64]:
        with torch.inference_mode():
            alone(pixels[:, -1])
        return reference

    with torch.inference_mode():
        states = {model: before(model) for model in (network, folded)}
    reference = whole(network)
    ways: dict[str, Callable[[], NDArray[np.float64]]] = {
        "whole clip, PyTorch": lambda: whole(network),
        "whole clip, folded": lambda: whole(folded),
        "whole clip, ONNX Runtime": lambda: exported.score(clip),
        "one more frame, PyTorch": lambda: last(network, states[network]),
        "one more frame, folded": lambda: last(folded, states[folded]),
        "trunk alone on one frame": single_frame,
    }
    times = medians(ways, repetitions)
    print(
        f"{network.name}, width {network.width}, {frames} frames of {size}×{size}, "
        f"{torch.get_num_threads()} threads; ONNX file {report.size / 1e6:.1f} MB"
    )
    for name, way in ways.items():
        difference = np.abs(way() - reference).max()
        print(
            f"  {name:26}{times[name] * 1e3:9.1f} ms a frame "
            f"{times['whole clip, PyTorch'] / times[name]:6.2f}×   score differs {difference:.1e}"
        )


def main() -> None:
    """Compare the ways for both networks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="width 16, 64×64, fewer repetitions")
    quick = parser.parse_args().quick
    width, size, repetitions = (16, 64, 5) if quick else (64, 256, 5)
    clip = moving(5, size)
    for network in (SGTD(width), TemporalDepth(width)):
        compare(ready(network, clip), clip, repetitions)


if __name__ == "__main__":
    main()
