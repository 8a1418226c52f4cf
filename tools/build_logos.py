"""Train the logo networks that ship, on rendered drawings of Simple Icons only.

    python -m tools.build_logos localiser
    python -m tools.build_logos network
    python -m tools.build_logos strangers

The first 70 % of `load_brands` are trained on. Borders tell nothing here (correlation 0), as those
of a user's photographs may not. Embeddings of other brands' crops, and of what the localiser takes
for a logo in scenes without one, give the threshold of a gallery. Some three minutes each on an
idle core.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
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
STEPS = {"localiser": 500, "network": 1500}
PER_BRAND = 12
STRANGERS, BATCH = 1500, 6
TRAINED_ON = (
    "rendered drawings of Simple Icons 16.37.0 (CC0; trade marks stay with their owners) on "
    "procedural textures and scikit-learn's two sample photographs (CC BY 2.0); no photograph of a "
    "logo"
)


def build_network(steps: int, brands: int) -> LogoNetwork:
    """Train the network on crops of all trained brands."""
    network = LogoNetwork(DESIGN)
    shown = np.repeat(np.arange(brands), PER_BRAND)
    camera = Camera(DESIGN.size, DESIGN.margin, DESIGN.size // 4, correlation=0.0)
    pictures = render_logos(shown, camera, seed=1)
    losses = train_logos(
        network,
        pictures,
        LogoTraining(steps=steps, adversary="min-max"),
        seed=0,
    )
    print(f"network: loss {np.mean(losses[:20]):.2f} to {np.mean(losses[-20:]):.2f}", flush=True)
    return network


def build_localiser(steps: int, brands: int) -> LogoLocaliser:
    """Train the localiser on fresh scenes in every step."""

    def draw(step: int) -> LogoScenes:
        return render_scenes(BATCH, np.arange(brands), seed=step)

    localiser = LogoLocaliser()
    losses = train_localiser(localiser, draw, steps=steps)
    print(f"localiser: loss {np.mean(losses[:20]):.2f} to {np.mean(losses[-20:]):.2f}", flush=True)
    return localiser


def write_strangers(folder: Path) -> None:
    """Write embeddings of brands outside of training, and of the localiser's mistakes."""
    network, localiser = LogoNetwork.load(folder), LogoLocaliser.load(folder)
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
    known = np.concatenate([network.embed(one).numpy() for one in crops]).astype(np.float16)
    write_atomically(folder / "strangers.safetensors", save_arrays({"embeddings": known}))
    print(f"{len(known)} strangers, {count} of them mistakes of the localiser")


def main() -> None:
    """Train one of the networks and write it with its card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("part", choices=[*STEPS, "strangers"])
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--brands", type=int, default=trained_brands())
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.part == "strangers":
        write_strangers(given.out)
        return
    steps = given.steps or STEPS[given.part]
    card = {
        "trained_on": TRAINED_ON,
        "brands": given.brands,
        "steps": steps,
        "command": f"python -m tools.build_logos {given.part} --steps {steps} "
        f"--brands {given.brands}",
        "licence": "Apache-2.0, as the package",
    }
    build = build_localiser if given.part == "localiser" else build_network
    build(steps, given.brands).save(given.out, **card)


if __name__ == "__main__":
    main()
