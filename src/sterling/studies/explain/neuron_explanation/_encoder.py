"""A small image-text encoder, trained on scenes, whole and cut out, and what is true of them."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.explain.neurons.encoders import ImageTextEncoder, crops
from sterling.studies.explain.neuron_explanation._scenes import (
    DEPICTION,
    PLACES,
    SIDE,
    WORDS,
    Scenes,
    draw_scenes,
    phrases,
)

WIDTH = 48
BATCH = 96


class SceneEncoder(nn.Module):
    """Embeds scenes by a small convolutional network, and phrases by the mean of their words."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((3, 24), (24, 48), (48, 64)):
            layers += [
                nn.Conv2d(before, after, 3, padding=1),
                nn.GroupNorm(4, after),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
        self.trunk = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 16, WIDTH))
        self.word = nn.Embedding(len(WORDS) + 1, WIDTH)
        self.scale = nn.Parameter(torch.tensor(8.0))
        self.shift = nn.Parameter(torch.tensor(-2.0))

    def forward(self, pictures: Tensor) -> Tensor:
        """Embeddings of unit length (N, D)."""
        found: Tensor = F.normalize(self.trunk(2 * pictures - 1), dim=1)
        return found

    @torch.no_grad()
    def images(self, pictures: Tensor) -> Tensor:
        """Embeddings of unit length (N, D)."""
        found: Tensor = self(pictures)
        return found

    def texts(self, phrases: Sequence[str]) -> Tensor:
        """Embeddings of unit length (M, D)."""
        numbered = {word: number for number, word in enumerate((*WORDS, DEPICTION))}
        rows = [
            self.word.weight[[numbered[word] for word in phrase.split()]].mean(0)
            for phrase in phrases
        ]
        return F.normalize(torch.stack(rows), dim=1)


def train_encoder(steps: int, seed: int) -> SceneEncoder:
    """Train by the pairwise sigmoid loss: which phrases are true of which picture.

    Half of the pictures are cut out around the shape, where nothing is said of its place.
    """
    rng = np.random.default_rng([seed, 7])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # torch draws initial weights from the global state
        encoder = SceneEncoder()
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    vocabulary = [*phrases(), DEPICTION]
    placed = torch.tensor([any(word in PLACES for word in one.split()) for one in vocabulary])
    for _ in range(steps):
        scenes = draw_scenes(BATCH, rng)
        cut = torch.from_numpy(rng.random(BATCH) < 0.5)
        pictures = torch.where(cut[:, None, None, None], _cut_out(scenes, rng), scenes.pictures)
        true = torch.from_numpy(np.column_stack([scenes.present(one) for one in vocabulary]))
        logits = encoder.scale * encoder(pictures) @ encoder.texts(vocabulary).T + encoder.shift
        lost = F.binary_cross_entropy_with_logits(logits, true.float(), reduction="none")
        loss = lost.masked_fill(cut[:, None] & placed, 0).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return encoder.eval()


def _cut_out(scenes: Scenes, rng: np.random.Generator) -> Tensor:
    """Scenes cut to squares about their shapes, with a margin."""
    margin = rng.integers(-2, 6, (len(scenes.boxes), 1))
    boxes = np.clip(scenes.boxes + margin * np.array([-1, -1, 1, 1]), 0, SIDE)
    return crops(scenes.pictures, range(len(boxes)), boxes.tolist())


@torch.no_grad()
def zero_shot(encoder: ImageTextEncoder, scenes: Scenes) -> dict[str, float]:
    """Accuracy of the most similar word of each kind on whole scenes."""
    similar = (encoder.images(scenes.pictures) @ encoder.texts(WORDS).T).numpy()
    kinds = {
        "shape": slice(0, 4),
        "colour": slice(4, 9),
        "texture": slice(9, 12),
        "place": slice(12, 15),
    }
    return {
        kind: float((similar[:, at].argmax(1) == scenes.words[:, at].argmax(1)).mean())
        for kind, at in kinds.items()
    }
