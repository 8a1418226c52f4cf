"""Zero-shot accuracy of an image-text encoder on a folder of classes, or on rendered scenes.

Run ``python -m tools.measure_encoder FOLDER --size 32 [--encoder NAME] [--count 1000]``. The folder
is one that `sterling.image.read_class_folders` reads; its class names are the phrases. The pictures
are drawn with seed 0, and the interval is exact. ``scenes`` for the folder renders the scenes of
the study `neuron_explanation`, on which no encoder that ships was trained: four shapes, five
colours, three textures.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from sterling.explain.neurons.choice import choose_encoder
from sterling.image import read_class_folders
from sterling.measure import Rate
from sterling.studies.explain.neuron_explanation._encoder import zero_shot
from sterling.studies.explain.neuron_explanation._scenes import draw_scenes


def main() -> None:
    """Print the accuracy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--encoder", default="captions", help="CLIP or SigLIP folder, or captions, or class-names"
    )
    parser.add_argument("--size", type=int, default=32, help="side of the pictures in the folder")
    parser.add_argument("--count", type=int, default=1000, help="pictures")
    given = parser.parse_args()
    torch.set_num_threads(1)
    encoder = choose_encoder(given.encoder)
    if given.folder == Path("scenes"):
        found = zero_shot(encoder, draw_scenes(given.count, np.random.default_rng(0)))
        for kind in ("shape", "colour", "texture"):
            print(f"{kind}: {_shown(Rate(round(found[kind] * given.count), given.count))}")
        return
    data = read_class_folders(given.folder, given.size)
    rows = np.random.default_rng(0).permutation(len(data.labels))[: given.count]
    text = encoder.texts([name.replace("_", " ") for name in data.names])
    likeliest = (encoder.images(data.images[rows]) @ text.T).argmax(1).numpy()
    right = Rate(int((likeliest == data.labels[rows]).sum()), len(rows))
    print(f"{len(data.names)} classes, {len(rows)} pictures: {_shown(right)}")


def _shown(right: Rate) -> str:
    interval = right.interval()
    return f"accuracy {right.value:.3f} ({interval.low:.3f} … {interval.high:.3f})"


if __name__ == "__main__":
    main()
