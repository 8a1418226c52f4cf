"""Training of a representation before few-shot learning, on classes kept for that alone."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import nn

from sterling.adapt import represent
from sterling.errors import InputError, unknown_name
from sterling.image.labelled_images import LabelledImages, with_rotations

Prior = Literal["labels", "rotations"]
BATCH = 64


def train_representation(
    features: nn.Module,
    images: LabelledImages,
    prior: Prior = "labels",
    *,
    steps: int = 250,
    learning_rate: float = 3e-3,
    seed: int = 0,
) -> float:
    """Train a network without a head, in place, by Adam; the head that it is trained with is lost.

    Args:
        features: Maps pictures to maps (N, channels, H, W), on one device.
        images: Pictures to learn from.
        prior: Source of the targets: the pictures' "labels", as RAML's; or "rotations", the number
            of quarter turns, which needs no label (Gidaris, Singh and Komodakis, ICLR 2018). The
            paper's own unsupervised form could not be established.
        steps: Number of steps of 64 pictures each, drawn with replacement.
        learning_rate: Learning rate of Adam.
        seed: Seed of the head and the draws.

    Returns:
        Accuracy on the batches of the last fifth of the steps, each before its step.

    Raises:
        InputError: The prior is unknown.
    """
    if prior not in get_args(Prior):
        raise unknown_name("prior", str(prior), get_args(Prior))
    classes = len(images.names)
    data = images if prior == "labels" else with_rotations(images)
    device = next(features.parameters()).device
    targets = torch.from_numpy(data.labels if prior == "labels" else data.labels // classes)
    draw = torch.Generator().manual_seed(seed)
    features.eval()
    with torch.no_grad():
        width = features(data.images[:2].to(device)).shape[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = nn.Linear(width, classes if prior == "labels" else 4).to(device)
    adam = torch.optim.Adam([*features.parameters(), *head.parameters()], learning_rate)
    features.train()
    right = []
    for _ in range(steps):
        rows = torch.randint(len(data), (BATCH,), generator=draw)
        wanted = targets[rows].to(device)
        logits = head(features(data.images[rows].to(device)).mean(dim=(2, 3)))
        adam.zero_grad()
        torch.autograd.backward(F.cross_entropy(logits, wanted))
        adam.step()
        right.append(float((logits.argmax(dim=1) == wanted).double().mean()))
    last = right[-max(1, steps // 5) :]
    return sum(last) / len(last)


def maps_of(
    representation: nn.Module, prior: LabelledImages, parts: Mapping[str, LabelledImages]
) -> dict[str, LabelledImages]:
    """Replace each picture of the parts by its feature map, on the representation's device.

    Maps are divided by the root mean square of the prior pictures' norms (ours), so that an inner
    rate means the same whatever the network.
    """
    device = next(representation.parameters()).device
    norms = represent(representation, prior.images.to(device)).flatten(1).norm(dim=1)
    scale = norms.square().mean().sqrt()
    return {
        name: replace(part, images=represent(representation, part.images.to(device)) / scale)
        for name, part in parts.items()
    }


def require_disjoint(prior: LabelledImages, *others: LabelledImages) -> None:
    """Refuse a prior set that shares classes with the tasks.

    Raises:
        InputError: A class of the prior set is among the others; the message names it.
    """
    shared = sorted(set(prior.names) & {name for other in others for name in other.names})
    if shared:
        raise InputError(
            f"class {shared[0]!r} is in the prior set and in a task's: {len(shared)} in common; "
            "prior knowledge must come from other classes"
        )
