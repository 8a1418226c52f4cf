"""Scores per second of a CDCN detector: as released, folded, under ONNX Runtime, in 8-bit integers.

Repetitions are interleaved in one run; the speed-up is the ratio of medians to the network as
released (two convolutions per layer, batch norm apart). The score's largest difference from it is
printed beside, with the released network's mean score for scale. Weights are random and batch-norm
statistics are those of the images, so the differences are of arithmetic only.

    python -m benchmarks.inference [--quick]
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from benchmarks.cdc import as_released, medians
from numpy.typing import NDArray
from torch import nn

from sterling.face.pad import (
    CDCN,
    Detector,
    OnnxDetector,
    Preprocessing,
    Provenance,
    export_onnx,
    fold,
    normalise,
)


def smooth_images(count: int, size: int) -> torch.Tensor:
    """Pictures with smooth shading and a little noise, uint8 (count, 3, size, size)."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, 6, 6, generator=generator) * 255
    smooth = nn.functional.interpolate(coarse, size=(size, size), mode="bicubic")
    noise = torch.randn(smooth.shape, generator=generator) * 6
    return (smooth + noise).clamp(0, 255).to(torch.uint8)


def main() -> None:
    """Print one line per way of running the same detector."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="64×64 images, fewer repetitions")
    quick = parser.parse_args().quick
    size, batch, repetitions = (64, 8, 5) if quick else (256, 2, 7)
    images = smooth_images(batch + 16, size)
    probe, calibration = images[:batch], images[batch:]

    model = CDCN()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model(normalise(calibration[:4]))
    model.eval()
    with torch.no_grad():  # bring the map to a trained network's order of magnitude, 0 to 1
        last = list(model.head.parameters())[-1]
        last.mul_(0.5 / model(normalise(calibration[:4])).maps.mean())

    provenance = Provenance("smooth noise", True, "CC0-1.0", 0, 0, "")
    detector = Detector(model, Preprocessing(size), provenance)
    released, folded = as_released(model), fold(model)
    pixels = normalise(probe)

    def in_torch(network: nn.Module, image: torch.Tensor) -> NDArray[np.float64]:
        with torch.inference_mode():
            return network(image).maps.mean(dim=(1, 2)).double().numpy()  # type: ignore[no-any-return]

    def in_bfloat16() -> NDArray[np.float64]:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return in_torch(folded, pixels)

    with tempfile.TemporaryDirectory() as folder:
        plain = export_onnx(detector, Path(folder) / "fp32.onnx", tolerance=1e-3)
        small = export_onnx(
            detector, Path(folder) / "int8.onnx", int8=True, calibration=calibration, tolerance=1.0
        )
        onnx32, onnx8 = OnnxDetector.load(plain.path), OnnxDetector.load(small.path)
    ways: dict[str, Callable[[], NDArray[np.float64]]] = {
        "PyTorch, as released": lambda: in_torch(released, pixels.contiguous()),
        "PyTorch, one convolution": lambda: in_torch(model, pixels),
        "PyTorch, folded": lambda: in_torch(folded, pixels),
        "PyTorch, folded, bfloat16": in_bfloat16,
        "ONNX Runtime": lambda: onnx32.score(probe),
        "ONNX Runtime, int8": lambda: onnx8.score(probe),
    }
    times = medians(ways, repetitions)
    reference = ways["PyTorch, as released"]()
    print(f"CDCN width 64, {batch} images of {size}×{size}, {torch.get_num_threads()} threads")
    print(
        f"mean score {reference.mean():.3f}; "
        f"ONNX file {plain.size / 1e6:.1f} MB, int8 {small.size / 1e6:.1f} MB"
    )
    for name, way in ways.items():
        difference = np.abs(way() - reference).max()
        print(
            f"{name:28}{times[name] / batch * 1e3:9.1f} ms/image "
            f"{times['PyTorch, as released'] / times[name]:6.2f}×   score differs {difference:.1e}"
        )


if __name__ == "__main__":
    main()
