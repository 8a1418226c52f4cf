"""Train the logo networks that ship, on rendered drawings of Simple Icons only.

    python -m tools.build_logos localiser
    python -m tools.build_logos network
    python -m tools.build_logos strangers

The first 70 % of `load_brands` are trained on. Borders tell nothing here (correlation 0), as those
of a user's photographs may not. Embeddings of invented logos, and of what the localiser takes for a
logo in scenes without one, give the threshold of a gallery. Some three minutes each on an
idle core.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save as save_arrays
from torch import Tensor

from sterling.image.logos import (
    Camera,
    LogoDesign,
    LogoLocaliser,
    LogoNetwork,
    LogoScenes,
    LogoTraining,
    brand_masks,
    crop_boxes,
    load_brands,
    render_logos,
    render_scenes,
    train_localiser,
    train_logos,
    trained_brands,
)
from sterling.image.logos.gallery import WEIGHTS
from sterling.image.logos.render import photograph, print_logo
from sterling.image.logos.surfaces import draw_surface
from sterling.storage import write_atomically

DESIGN = LogoDesign(width=16)
STEPS = {"localiser": 500, "network": 1500}
PER_BRAND = 12
INVENTED, EMPTY, BATCH = 1500, 200, 6  # EMPTY: scenes, one in five of which shows no logo
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
    """Write embeddings of invented logos, and of the localiser's mistakes."""
    network, localiser = LogoNetwork.load(folder), LogoLocaliser.load(folder)
    crops, mistakes = [invented_logos(INVENTED)], 0
    brands = np.arange(trained_brands(), len(load_brands()))
    for seed in range(EMPTY):
        scene = render_scenes(1, brands, seed=10_000 + seed)
        if not len(scene.boxes[0]):
            picture = np.ascontiguousarray(scene.images[0].numpy().transpose(1, 2, 0))
            found = localiser.find(picture, least=0.2)
            crops.append(crop_boxes(picture, found.boxes, network.design))
            mistakes += len(found)
    known = np.concatenate([network.embed(one).numpy() for one in crops]).astype(np.float16)
    write_atomically(folder / "strangers.safetensors", save_arrays({"embeddings": known}))
    print(f"{len(known)} strangers, {mistakes} of them mistakes of the localiser")


def invented_logos(count: int) -> Tensor:
    """Crops of logos that nobody has: the left half of one drawing beside the right of another."""
    rng = np.random.default_rng(7)
    held_out = np.arange(trained_brands(), len(load_brands()))
    camera = Camera(DESIGN.size, DESIGN.margin)
    crops = []
    for _ in range(count):
        left, right = brand_masks(rng.choice(held_out, 2, replace=False))
        half = left.shape[1] // 2
        mask = np.hstack([left[:, :half], right[:, half:]])
        surface = draw_surface(int(rng.integers(1 << 31)), camera.size, rng)
        crops.append(photograph(print_logo(mask, surface, camera, rng)[0], rng))
    return torch.from_numpy(np.stack(crops).transpose(0, 3, 1, 2).copy())


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
