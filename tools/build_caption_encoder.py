"""Train the encoder of `sterling.explain.neurons.caption_encoder`, and measure it first of all.

    python -m tools.build_caption_encoder --out src/sterling/explain/neurons
    python -m tools.build_caption_encoder --pictures held_out

The first command downloads the packages of ``captions.sha256``, checks each, trains the two
projections in closed form, and writes ``caption_encoder.safetensors`` with its card and notice. The
second one writes pictures of the emoji that took no part in training, to probe networks with. Needs
``npm``. Choices were made on the development part; the test part is measured once, at the end.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save
from tools.captioned_pictures import (
    COLOURS,
    SHAPES,
    TEXTURES,
    Captioned,
    Pixels,
    draw_scene,
    plain_picture,
    read_emoji,
    read_photographs,
    varied_picture,
)
from tools.gather_photographs import download
from torch import Tensor

from sterling.explain.neurons.class_name_encoder import CLASSES, class_names
from sterling.explain.neurons.packaged import SentenceEncoder, packaged_classifier, trunk_features
from sterling.measure import Rate
from sterling.storage import write_atomically

SUMS = Path(__file__).with_name("captions.sha256")
SCENES, SCENES_WEIGHT = 1200, 3.0  # the last sixth is held out
HELD_OUT = 200
WIDTH = 256
WHITENING = 0.5  # power of the texts' standard deviations that is divided out
RIDGE = 1000.0
Embed = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Examples:
    """Features of pictures with the captions of each.

    Attributes:
        features: Features (N, 1456) from `trunk_features`.
        captions: Captions of each picture, the name first.
        weights: Weight of each picture, (N,).
    """

    features: Tensor
    captions: Sequence[tuple[str, ...]]
    weights: Tensor


def features_of(pictures: Sequence[Pixels], classifier: Any) -> Tensor:
    """Features (N, 1456) of pictures uint8 (224, 224, 3)."""
    found = []
    with torch.inference_mode():
        for start in range(0, len(pictures), 32):
            some = torch.from_numpy(np.stack(pictures[start : start + 32])).permute(0, 3, 1, 2)
            found.append(trunk_features(classifier, (some.float() - 127) / 128))
    return torch.cat(found).clone()


def train(examples: Examples, text: dict[str, Tensor]) -> dict[str, Tensor]:
    """Fit both projections: texts are whitened in part, pictures regressed on their captions.

    Args:
        examples: Pictures to train on.
        text: Sentence embedding (384,) of every caption.

    Returns:
        The tensors of ``caption_encoder.safetensors``, float32.
    """
    said = torch.stack([text[one] for each in examples.captions for one in each])
    centre = said.mean(0)
    _, spread, axes = torch.linalg.svd(said - centre, full_matrices=False)
    scale = (spread / len(said) ** 0.5)[:WIDTH] ** -WHITENING
    text_weight = axes[:WIDTH].T * scale
    text_bias = -centre @ text_weight

    def target(captions: tuple[str, ...]) -> Tensor:
        """Half of the name, and half of the mean of the other captions."""
        points = torch.stack([text[one] for one in captions]) @ text_weight + text_bias
        unit = F.normalize(points, dim=1)
        return unit[0] if len(unit) == 1 else (unit[0] + unit[1:].mean(0)) / 2

    wanted = torch.stack([target(one) for one in examples.captions]).double()
    share = (examples.weights / examples.weights.sum()).double()[:, None]
    features = examples.features.double()
    mean = (share * features).sum(0)
    deviation = features.std(0).clamp(min=1e-3)
    inputs = (features - mean) / deviation
    weighted = examples.weights.double()[:, None] * inputs
    solved = torch.linalg.solve(
        weighted.T @ inputs + RIDGE * torch.eye(inputs.shape[1], dtype=torch.float64),
        weighted.T @ (wanted - (share * wanted).sum(0)),
    )
    image_weight = solved / deviation[:, None]
    return {
        "image_weight": image_weight.float(),
        "image_bias": (-mean @ image_weight).float(),
        "text_weight": text_weight,
        "text_bias": text_bias,
    }


def projected(projections: dict[str, Tensor]) -> tuple[Embed, Embed]:
    """Embeddings of features and of sentence embeddings by the two projections."""

    def along(side: str) -> Embed:
        weight, bias = projections[f"{side}_weight"], projections[f"{side}_bias"]
        return lambda given: F.normalize(given @ weight + bias, dim=1)

    return along("image"), along("text")


def class_name_embedding(classifier: Any, names: Tensor) -> tuple[Embed, Embed]:
    """The same for `ClassNameEncoder`, from features, so that no picture is seen twice."""

    @torch.no_grad()
    def images(features: Tensor) -> Tensor:
        share, rows = classifier._fc(features[:, -1280:]).softmax(1).topk(CLASSES, dim=1)
        return F.normalize((share[..., None] * names[rows]).sum(1), dim=1)

    return images, lambda sentences: sentences


def retrieval(images: Tensor, texts: Tensor, truth: NDArray[np.intp]) -> dict[str, Any]:
    """Rank of each picture's own caption among all: first, in the first ten, mean reciprocal."""
    similar = images @ texts.T
    own = similar.gather(1, torch.from_numpy(truth)[:, None])
    rank = 1 + (similar > own).sum(1)
    return {
        "pictures": len(rank),
        "captions": len(texts),
        "first": shown(rank == 1),
        "first ten": shown(rank <= 10),
        "mean reciprocal rank": round(float((1 / rank).mean()), 3),
    }


def shown(right: Tensor) -> list[float]:
    """Share with its exact 95 % interval."""
    rate = Rate(int(right.sum()), len(right))
    interval = rate.interval()
    return [round(one, 3) for one in (rate.value, interval.low, interval.high)]


def measured(
    encoder: tuple[Embed, Embed],
    parts: dict[str, tuple[Tensor, list[str], NDArray[np.intp]]],
    scenes: tuple[Tensor, list[tuple[str, ...]]],
    text: dict[str, Tensor],
) -> dict[str, Any]:
    """Retrieval of every part's names, and words of held-out scenes."""
    image, sentence = encoder
    found: dict[str, Any] = {}
    for part, (features, names, truth) in parts.items():
        texts = sentence(torch.stack([text[one] for one in names]))
        found[part] = retrieval(image(features), texts, truth)
    for kind, words in (("colours", tuple(COLOURS)), ("textures", TEXTURES), ("shapes", SHAPES)):
        texts = sentence(torch.stack([text[one] for one in words]))
        drawn = [next((one for one in said if one in words), None) for said in scenes[1]]
        rows = [place for place, one in enumerate(drawn) if one is not None]
        likeliest = (image(scenes[0][rows]) @ texts.T).argmax(1)
        own = torch.tensor([words.index(str(drawn[row])) for row in rows])
        found[f"rendered {kind}, {len(words)}"] = shown(likeliest == own)
    return found


def build(archives: dict[str, Path], out: Path) -> None:
    """Train, measure and write the encoder."""
    rng = np.random.default_rng(0)
    classifier, sentences = packaged_classifier(), SentenceEncoder()
    emoji, photographs = read_emoji(archives), read_photographs(archives)
    scenes = [draw_scene(rng) for _ in range(SCENES)]
    every = dict.fromkeys(one for each in (*emoji, *photographs) for one in each.captions)
    every |= dict.fromkeys(one for _, said in scenes for one in said)
    every |= dict.fromkeys((*COLOURS, *TEXTURES, *SHAPES))
    text = dict(zip(every, sentences.texts(list(every)), strict=True))
    drawn = features_of([pixels for pixels, _ in scenes], classifier)
    said = [captions for _, captions in scenes]
    pictures, captions = [], []
    for one in emoji:
        if one.part == "train":
            for pixels in one.pictures:
                pictures += [plain_picture(pixels), varied_picture(pixels, rng)]
                captions += [one.captions] * 2
    seen, kept = features_of(pictures, classifier), SCENES - HELD_OUT
    weights = torch.cat([torch.ones(len(seen)), torch.full((kept,), SCENES_WEIGHT)])
    projections = train(
        Examples(torch.cat([seen, drawn[:kept]]), [*captions, *said[:kept]], weights), text
    )
    stored = {name: one.half().contiguous() for name, one in projections.items()}
    parts = {
        "emoji, development": listed(
            [one for one in emoji if one.part == "development"], classifier
        ),
        "photographs, development": listed(photographs, classifier),
        "emoji, test": listed([one for one in emoji if one.part == "test"], classifier),
    }
    held_out = (drawn[kept:], said[kept:])
    rivals = {
        "captions": projected({name: one.float() for name, one in stored.items()}),
        "class names": class_name_embedding(classifier, sentences.texts(class_names())),
    }
    found = {name: measured(one, parts, held_out, text) for name, one in rivals.items()}
    card = {
        "purpose": "projections of EfficientNet-Lite0's features and all-MiniLM-L6-v2's sentence "
        "embeddings into one space, float16",
        "trained_on": f"{sum(one.part == 'train' for one in emoji)} emoji in three styles, plain "
        f"and varied, with CLDR names and keywords, and {kept} rendered scenes; no name of an "
        "ImageNet class and no logit",
        "packages": [line.split()[1] for line in SUMS.read_text("utf-8").splitlines()],
        "command": "python -m tools.build_caption_encoder --out src/sterling/explain/neurons",
        "measured": found,
        "licence": "Apache-2.0, as the package; sources: caption_encoder.NOTICE",
    }
    write_atomically(out / "caption_encoder.safetensors", save(stored))
    write_atomically(out / "caption_encoder.json", json.dumps(card, indent=2) + "\n")
    print(json.dumps(found, indent=1))


def listed(
    things: Sequence[Captioned], classifier: Any
) -> tuple[Tensor, list[str], NDArray[np.intp]]:
    """Features of all plain pictures, names of the things, and whose picture each is."""
    pictures = [plain_picture(pixels) for one in things for pixels in one.pictures]
    truth = np.repeat(np.arange(len(things)), [len(one.pictures) for one in things])
    return features_of(pictures, classifier), [one.captions[0] for one in things], truth


def write_pictures(archives: dict[str, Path], folder: Path) -> None:
    """Write the emoji of the test part, on white, as ``NAME-STYLE.png``."""
    folder.mkdir(parents=True)
    for one in read_emoji(archives):
        if one.part == "test":
            for style, pixels in enumerate(one.pictures):
                name = f"{one.captions[0].replace(' ', '_')}-{style}.png"
                Image.fromarray(plain_picture(pixels)).save(folder / name)


def main() -> None:
    """Build the encoder, or write the pictures that it was not trained on."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--out", type=Path, help="folder for the encoder's files")
    wanted.add_argument("--pictures", type=Path, help="a new folder for held-out pictures")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        archives = download(Path(scratch), SUMS)
        if given.out is not None:
            build(archives, given.out)
        else:
            write_pictures(archives, given.pictures)


if __name__ == "__main__":
    main()
