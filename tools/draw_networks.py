"""Draw architectures from their own structure: what runs, in which order, on which shapes.

Every box is a module of the network; its shapes and its place come from a forward pass. Rows are
the network's branches (one per modality), and what they share stands beneath. Needs matplotlib.

    python tools/draw_networks.py docs/pad
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import torch
from torch import nn

from sterling.face.pad import CDCN, EPCR, Network, build_network
from sterling.face.pad.networks.ccl import CCL
from sterling.face.pad.networks.cdcn_multimodal import CDCNMultimodal
from sterling.face.pad.networks.cdcn_pp import CDCNpp
from sterling.face.pad.networks.cqil import CQIL
from sterling.face.pad.networks.fm_vit import FMViT
from sterling.face.pad.networks.fusion_resnet import FusionResNet

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "sterling"  # the same drawing, byte for byte
mpl.rcParams["svg.fonttype"] = "none"  # text stays text
import matplotlib.pyplot as plt  # noqa: E402 - after the backend is chosen

INK, PAPER, BRANCH, SHARED = "#1d2733", "#ffffff", "#dbe7f5", "#f4e3cf"
WIDE, HIGH, GAP = 2.1, 0.86, 0.42
SUPERVISIONS = {"bipartite": 2, "deep_pixbis": 1, "fourier": 2, "maddg": 2, "ssdg": 2}


@dataclass(frozen=True)
class Box:
    """One module in the drawing; `branch` is None where the branches share it."""

    name: str
    shape: str
    parameters: int
    branch: int | None


def boxes(network: Network, size: int, depth: int) -> list[Box]:
    """The modules at a depth, in the order in which they first run."""
    found: list[Box] = []
    seen: set[str] = set()

    def watch(path: str, module: nn.Module) -> None:
        def hook(_module: nn.Module, _inputs: object, output: Any) -> None:
            first = output[0] if isinstance(output, (tuple, list)) else output
            if path not in seen and isinstance(first, torch.Tensor):
                seen.add(path)
                shape = "×".join(str(side) for side in first.shape[1:])
                parameters = sum(p.numel() for p in module.parameters())
                branch = _branch(path) if len(network.modalities) > 1 else None
                name = path if branch is None else ".".join(path.split(".")[2:]) or "patches"
                found.append(Box(name, shape, parameters, branch))

        module.register_forward_hook(hook)

    watched: set[str] = set()
    for path, module in network.named_modules():
        level = path.count(".") + 1 if path else 0
        inner = any(any(True for _ in child.children()) for child in module.children())
        opened = level < depth and inner and not path.startswith("fusions.")
        parent = path.rpartition(".")[0]
        if path and level <= depth and not opened and parent not in watched:
            watched.add(path)
            if not isinstance(module, nn.ModuleList):
                watch(path, module)
        elif parent in watched:
            watched.add(path)  # inside a box
    with torch.no_grad():
        network.eval()(torch.zeros(1, *network.shape(size)))
    return found


def _branch(path: str) -> int | None:
    parts = path.split(".")
    branches = ("branches", "streams", "trunks", "patches", "blocks")
    return int(parts[1]) if parts[0] in branches and len(parts) > 1 else None


def draw(network: Network, size: int, depth: int, path: Path) -> None:
    """Write one drawing as SVG."""
    found = boxes(network, size, depth)
    branches = sorted({box.branch for box in found if box.branch is not None})
    rows: dict[int | None, list[Box]] = {branch: [] for branch in (*branches, None)}
    for box in found:
        rows[box.branch].append(box)
    longest = max(len(row) for row in rows.values())
    width, height = longest * (WIDE + GAP) + 1.4, len(rows) * (HIGH + GAP) + 0.5
    figure, axes = plt.subplots(figsize=(width * 0.62, height * 0.62))
    for line, (branch, row) in enumerate(rows.items()):
        y = -line * (HIGH + GAP)
        whole = "shared" if branches else network.modalities[0]
        label = whole if branch is None else network.modalities[branch]
        axes.text(-0.25, y + HIGH / 2, label, ha="right", va="center", color=INK, fontsize=10)
        for place, box in enumerate(row):
            x = place * (WIDE + GAP)
            colour = SHARED if branch is None else BRANCH
            axes.add_patch(plt.Rectangle((x, y), WIDE, HIGH, facecolor=colour, edgecolor=INK))
            text = f"{box.name}\n{box.shape}\n{box.parameters:,}"
            axes.text(
                x + WIDE / 2, y + HIGH / 2, text, ha="center", va="center", color=INK, fontsize=7.5
            )
            if place:
                start = (x - GAP, y + HIGH / 2)
                axes.annotate(
                    "", (x, y + HIGH / 2), start, arrowprops={"arrowstyle": "->", "color": INK}
                )
    total = sum(p.numel() for p in network.parameters())
    axes.set_title(
        f"{network.name}: {total:,} parameters, one presentation of {size}×{size} pixels "
        "(name, shape, parameters)",
        color=INK,
        fontsize=10,
        loc="left",
    )
    axes.set_xlim(-1.3, longest * (WIDE + GAP))
    axes.set_ylim(-(len(rows) - 1) * (HIGH + GAP) - 0.2, HIGH + 0.2)
    axes.axis("off")
    figure.savefig(path, bbox_inches="tight", facecolor=PAPER, metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    """Draw one picture per architecture into the folder named on the command line."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    temporal = [build_network({"name": name}) for name in ("sgtd", "temporal_depth")]
    drawings: list[tuple[Network, int, int]] = [
        (CDCN(), 256, 2),
        (CDCNpp(), 256, 2),
        (CDCNMultimodal(), 256, 4),
        (FusionResNet(), 128, 3),
        (build_network({"name": "flexible_modal"}), 256, 3),
        (FMViT(), 224, 3),
        *((network, 256, 2) for network in temporal),
        (EPCR(), 256, 2),
        (CCL(), 256, 2),
        (CQIL(), 256, 2),
        *((build_network({"name": name}), 224, depth) for name, depth in SUPERVISIONS.items()),
        (build_network({"name": "compact"}), 96, 2),
        (build_network({"name": "part_crops"}), 128, 2),
    ]
    for network, size, depth in drawings:
        draw(network, size, depth, folder / f"{network.name}.svg")
        print(folder / f"{network.name}.svg")


if __name__ == "__main__":
    main()
