"""Draw docs/captures.png: one simulated capture of each species, with what each sensor sees."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from sterling.face.capture import SPECIES, Scale, simulate

OUT = Path(__file__).resolve().parents[1] / "docs" / "captures.png"


def main() -> None:
    """Simulate, pick one capture of each species, and draw three channels of it."""
    captures = simulate("intra", seed=4, size=128, scale=Scale((2, 2, 8), (4, 4, 96)))
    test = captures.manifest.column("split") == "test"
    species = captures.manifest.column("species")
    names = ("bona_fide", *SPECIES)
    rows = [int(np.flatnonzero(test & (species == name))[1]) for name in names]
    figure = Figure(figsize=(15.6, 4.2), layout="constrained")
    axes = figure.subplots(3, len(names))
    for column, (name, row) in enumerate(zip(names, rows, strict=True)):
        depth = captures.depth[row].numpy()
        near = depth[depth > 0].min() if (depth > 0).any() else 0.0
        pictures = (
            captures.rgb[row].permute(1, 2, 0).numpy(),
            captures.nir[row].numpy(),
            np.where(depth > 0, depth - near, np.nan),
        )
        for axis, picture in zip(axes[:, column], pictures, strict=True):
            axis.imshow(picture, cmap="gray" if picture is pictures[1] else "viridis_r")
            axis.set(xticks=[], yticks=[])
        axes[0, column].set_title(name.replace("_", " "), fontsize=9)
    for axis, label in zip(axes[:, 0], ("colour", "near infrared", "depth sensor"), strict=True):
        axis.set_ylabel(label)
    OUT.parent.mkdir(exist_ok=True)
    figure.savefig(OUT, dpi=72)


if __name__ == "__main__":
    main()
