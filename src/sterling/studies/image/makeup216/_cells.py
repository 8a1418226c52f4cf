"""Systems of the study: training on some brands, and finding others by one example each."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from sterling.errors import InputError
from sterling.image.logos.imagenet import imagenet_features
from sterling.image.logos.network import LogoDesign, LogoNetwork, first_look
from sterling.image.logos.render import Camera, LogoPictures, render_logos
from sterling.image.logos.training import LogoTraining, train_logos
from sterling.measure import mean_average_precision, tar_at_far, tpir_at_fpir
from sterling.runs import Cell, Row, derive_seed
from sterling.study import Config, row

MIN_MAX, ERASING, BOTH = "AAR, min-max", "AAR, erasing", "both attentions"
SUBJECT, WHOLE = "subject alone", "plain network"
IMAGENET, EDGES = "EfficientNet-Lite0, frozen", "edges, untrained"
TRAINED: Mapping[str, dict[str, Any]] = {
    MIN_MAX: {"parts": "both", "adversary": "min-max"},
    ERASING: {"parts": "both", "adversary": "erasing"},
    BOTH: {"parts": "both"},
    SUBJECT: {"parts": "subject"},
    WHOLE: {"parts": "whole"},
}
SYSTEMS = (*TRAINED, IMAGENET, EDGES)
RECALL, MAP, IOU, ATTENTION = "Recall@1", "mAP", "IoU of attention", "mean attention"
FIXED_IOU = "IoU of a fixed box"
SIZES = (100, 300, 1000)  # enrolled brands that Recall@1 is also given for

logger = logging.getLogger("sterling")
Floats = NDArray[np.float32]


class Makeup216Config(Config):
    """Configuration of the study.

    Attributes:
        trained: Brands to train on.
        per_brand: Crops of each in training.
        enrolled: Unseen brands with one example each.
        probes: Crops of each enrolled brand to find, in each condition.
        strangers: Further unseen brands, with one crop each in each condition.
        correlation: Probability that a crop in training shows its brand's own border.
        mask: Weight of the loss between attention and the logo's box.
        size: Side of the crops, pixels.
        margin: Border on each side that boxes are enlarged by, in sides of the box.
        width: Half the channels of the networks' feature maps.
        dimension: Dimension of the joint embedding.
        steps: Steps of training.
        batch: Crops of a step.
        adversarial: Weight of the adversary.
        fpir: False positive identification rates that true ones are given at.
        far: False acceptance rate of pairs that true acceptance is given at.
        imagenet: Whether to measure EfficientNet-Lite0 where it is installed.
        seeds: Number of repetitions, with other brands, crops and weights.
    """

    trained: int = Field(default=500, ge=2)
    per_brand: int = Field(default=24, ge=2)
    enrolled: int = Field(default=1000, ge=2)
    probes: int = Field(default=1, ge=1)
    strangers: int = Field(default=1000, ge=10)
    correlation: float = Field(default=0.8, ge=0, le=1)
    size: int = Field(default=48, ge=24, multiple_of=24)
    margin: float = Field(default=0.2, gt=0, lt=1)
    width: int = Field(default=12, ge=1)
    dimension: int = Field(default=128, ge=2)
    steps: int = Field(default=250, ge=1)
    batch: int = Field(default=64, ge=2)
    mask: float = Field(default=0.1, ge=0)
    adversarial: float = Field(default=0.1, ge=0)
    fpir: tuple[float, ...] = Field(default=(0.1, 0.01), min_length=1)
    far: float = Field(default=1e-3, gt=0, lt=1)
    imagenet: bool = True
    seeds: int = Field(default=4, ge=1)

    @model_validator(mode="after")
    def _resolved(self) -> Self:
        if min(self.fpir) * self.strangers < 10:
            raise ValueError(
                f"fpir: {self.strangers} strangers show no rate below {10 / self.strangers:.2g}"
            )
        return self

    @property
    def conditions(self) -> tuple[float, float]:
        """Probability that a probe shows its brand's own border, by condition."""
        return self.correlation, 0.0


class _Drawn:
    """Crops of one repetition: to train on, enrolled, and by condition probes and strangers."""

    def __init__(self, config: Makeup216Config, brands: int, seed: int) -> None:
        order = np.random.default_rng(seed).permutation(brands)
        ends = np.cumsum([config.trained, config.enrolled, config.strangers])
        trained, enrolled, strangers = np.split(order[: ends[-1]], ends[:2])

        def crops(some: NDArray[np.int64], own: float, name: str) -> LogoPictures:
            camera = Camera(config.size, config.margin, config.size // 4, own)
            return render_logos(some, camera, seed=derive_seed(seed, name), borders=seed)

        known = np.repeat(trained, config.per_brand)
        self.training = crops(known, config.correlation, "train")
        self.gallery = crops(enrolled, 1.0, "gallery")  # an example shows its own packaging
        wanted = np.repeat(enrolled, config.probes)
        self.probes = {own: crops(wanted, own, f"probes {own}") for own in config.conditions}
        self.strangers = {own: crops(strangers, own, f"others {own}") for own in config.conditions}


def one_repetition(config: Makeup216Config, brands: int, real: Any, cell: Cell) -> Iterator[Row]:
    """Figures of every system on brands that none was trained on.

    Args:
        config: Configuration.
        brands: Number of brands to draw from.
        real: Photographs of ``--data``, or None.
        cell: Coordinates and seed.
    """
    drawn = _Drawn(config, brands, cell.seed)
    for system in SYSTEMS:
        if system == IMAGENET and not (config.imagenet and _has_imagenet()):
            continue
        network = _trained(config, system, drawn.training, cell.seed)
        if network is not None and network.design.parts != "whole":
            yield from _attention_rows(network, drawn.probes[0.0], system)

        def embed(images: Tensor, network: LogoNetwork | None = network, name: str = system) -> Any:
            if network is not None:
                return network.embed(images).numpy()
            return (imagenet_features(images) if name == IMAGENET else _edges(images)).numpy()

        gallery = embed(drawn.gallery.images)
        for own in config.conditions:
            found = _open_set_rows(
                config,
                gallery,
                (embed(drawn.probes[own].images), embed(drawn.strangers[own].images)),
            )
            yield from ({**each, "system": system, "own_border": own} for each in found)
        if real is not None:
            yield row("Recall@1, photographs", real.recall(embed), system=system)


def _trained(
    config: Makeup216Config, system: str, pictures: LogoPictures, seed: int
) -> LogoNetwork | None:
    """The network of a system, all of which see the same crops in the same order; or None."""
    if system not in TRAINED:
        return None
    chosen = TRAINED[system]
    design = LogoDesign(config.size, config.width, config.dimension, chosen["parts"], config.margin)
    network = LogoNetwork(design, seed=seed % 2**31)
    settings = LogoTraining(
        steps=config.steps,
        batch=config.batch,
        adversary=chosen.get("adversary", "none"),
        mask=config.mask,
        adversarial=config.adversarial,
    )
    train_logos(network, pictures, settings, seed=seed % 2**31)
    return network


def _has_imagenet() -> bool:
    try:
        imagenet_features(torch.zeros(1, 3, 24, 24, dtype=torch.uint8))
    except InputError as error:
        logger.warning("%s; that system is left out", error)
        return False
    return True


def _edges(images: Tensor) -> Tensor:
    """Edges by direction in cells of 8 × 8 pixels: what the networks start from, compared as is."""
    return F.normalize(F.avg_pool2d(first_look(images)[:, :-3], 2).flatten(1))


def _open_set_rows(
    config: Makeup216Config, gallery: Floats, seen: tuple[Floats, Floats]
) -> Iterator[Row]:
    """Recall, precision and open-set rates of probes and strangers against a gallery."""
    probes, strangers = seen
    truth = np.repeat(np.arange(len(gallery)), config.probes)
    alike = probes @ gallery.T
    best = alike.argmax(axis=1)
    yield row(RECALL, float((best == truth).mean()))
    for size in SIZES:
        if size <= len(gallery):
            some = truth < size
            right = alike[some, :size].argmax(axis=1) == truth[some]
            yield row(f"{RECALL} by size", float(right.mean()), brands=size)
    others = probes @ probes.T
    np.fill_diagonal(others, -np.inf)
    same = np.equal.outer(truth, np.arange(len(gallery)))
    items, relevant = np.hstack([alike, others]), np.hstack([same, np.equal.outer(truth, truth)])
    yield row(MAP, mean_average_precision(items, relevant))
    known = np.arange(len(gallery))
    asked = np.concatenate([truth, np.full(len(strangers), -1)])
    everybody = np.vstack([alike, strangers @ gallery.T])
    for fpir in config.fpir:
        point = tpir_at_fpir(everybody, asked, known, fpir)
        yield row(tpir_name(fpir), point.tar.value)
    yield row("TAR", tar_at_far(alike[same], alike[~same], config.far).tar.value)


def tpir_name(fpir: float) -> str:
    """Name of the metric, such as ``TPIR at FPIR 0.01``."""
    return f"TPIR at FPIR {fpir:g}"


@torch.no_grad()
def _attention_rows(network: LogoNetwork, probes: LogoPictures, system: str) -> Iterator[Row]:
    """Overlap of the attention with the logo's box, beside that of one box for all crops."""
    parts = torch.split(probes.images, 256)
    attention = torch.cat([network(part).attention[:, 0] for part in parts])
    inner = probes.inner > 0.5
    fixed = (probes.inner.mean(0, keepdim=True) > 0.5).expand_as(inner)
    yield row(IOU, iou(attention > 0.5, inner), system=system)
    yield row(FIXED_IOU, iou(fixed, inner), system=system)
    yield row(ATTENTION, float(attention.mean()), system=system)


def iou(found: Tensor, wanted: Tensor) -> float:
    """Mean intersection over union of masks, bool (N, h, w); two empty ones count 1."""
    both = (found & wanted).sum((1, 2)).double()
    either = (found | wanted).sum((1, 2)).double()
    return float(torch.where(either > 0, both / either.clamp_min(1), 1.0).mean())
