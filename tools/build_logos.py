"""Train the logo networks that ship, on rendered drawings of Simple Icons only.

    python -m tools.build_logos localiser
    python -m tools.build_logos network

The first 70 % of `load_brands` are trained on. Borders tell nothing here (correlation 0), as those
of a user's photographs may not. Embeddings of other brands' crops, and of what the localiser takes
for a logo in scenes without one, give the threshold of a gallery. Some three minutes each on an
idle core.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save as save_arrays

from sterling.image.logos import (
    Camera,
    LogoDesign,
    LogoLocaliser,
    LogoNetwork,
    LogoScenes,
    LogoTraining,
    crop_boxes,
    load_brands,
    render_logos,
    render_scenes,
    train_localiser,
    train_logos,
    trained_brands,
)
from sterling.image.logos.gallery import WEIGHTS
from sterling.storage import write_atomically

DESIGN = LogoDesign(width=16)
STEPS = {"localiser": 400, "network": 1500}
PER_BRAND = 12
STRANGERS, BATCH = 1500, 6
TRAINED_ON = (
    "rendered drawings of Simple Icons 16.37.0 (CC0; trade marks stay with their owners) on "
    "procedural textures and scikit-learn's two sample photographs (CC BY 2.0); no photograph of a "
    "logo"
)


def build_network(steps: int) -> LogoNetwork:
    """Train the network on crops of all trained brands."""
    network = LogoNetwork(DESIGN)
    brands = np.repeat(np.arange(trained_brands()), PER_BRAND)
    camera = Camera(DESIGN.size, DESIGN.margin, DESIGN.size // 4, correlation=0.0)
    pictures = render_logos(brands, camera, seed=1)
    losses = train_logos(
        network,
        pictures,
        LogoTraining(steps=steps, adversary="min-max"),
        seed=0,
    )
    print(f"network: loss {np.mean(losses[:20]):.2f} to {np.mean(losses[-20:]):.2f}", flush=True)
    return network


def draw_scenes(step: int) -> LogoScenes:
    """Scenes of one step, with brands that are trained on."""
    return render_scenes(BATCH, np.arange(trained_brands()), seed=step)


def build_localiser(steps: int) -> LogoLocaliser:
    """Train the localiser on fresh scenes in every step."""
    localiser = LogoLocaliser(16)
    losses = train_localiser(localiser, draw_scenes, steps=steps)
    print(f"localiser: loss {np.mean(losses[:20]):.2f} to {np.mean(losses[-20:]):.2f}", flush=True)
    return localiser


def strangers(network: LogoNetwork, localiser: LogoLocaliser) -> NDArray[np.float32]:
    """Embeddings of brands outside of training, and of the localiser's mistakes."""
    first = trained_brands()
    others = np.arange(first, min(len(load_brands()), first + STRANGERS // 2))
    camera = Camera(DESIGN.size, DESIGN.margin, DESIGN.size // 4, correlation=0.0)
    crops = [render_logos(others, camera, seed=7).images]
    count, seed = 0, 0
    while count < STRANGERS - len(others) and seed < 400:
        scene = render_scenes(1, others, seed=10_000 + seed)
        seed += 1
        if len(scene.boxes[0]):
            continue
        picture = scene.images[0].numpy().transpose(1, 2, 0).copy()
        found = localiser.find(picture, least=0.2)
        crops.append(crop_boxes(picture, found.boxes, network.design))
        count += len(found)
    return np.concatenate([network.embed(one).numpy() for one in crops])


def main() -> None:
    """Train one of the networks and write it with its card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("part", choices=list(STEPS))
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--steps", type=int)
    given = parser.parse_args()
    torch.set_num_threads(1)
    steps = given.steps or STEPS[given.part]
    card = {
        "trained_on": TRAINED_ON,
        "brands": trained_brands(),
        "steps": steps,
        "command": f"python -m tools.build_logos {given.part} --steps {steps}",
        "licence": "Apache-2.0, as the package",
    }
    if given.part == "localiser":
        build_localiser(steps).save(given.out, **card)
        return
    network = build_network(steps)
    network.save(given.out, **card)
    known = strangers(network, LogoLocaliser.load(given.out)).astype(np.float16)
    write_atomically(given.out / "strangers.safetensors", save_arrays({"embeddings": known}))
    print(f"{len(known)} strangers")


if __name__ == "__main__":
    main()
