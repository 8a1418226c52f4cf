"""Training a depth-map network: one loop, through accelerate, that goes on after being killed."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.face.pad.augment import augment
from sterling.face.pad.cdcn import CDCN, SHRINK
from sterling.face.pad.checkpoint import load_checkpoint, save_checkpoint
from sterling.face.pad.losses import DepthLoss
from sterling.face.pad.preprocessing import normalise
from sterling.face.pad.weights import digest

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["EpochRecord", "TrainConfig", "TrainHistory", "TrainingError", "train"]

Precision = Literal["no", "bf16", "fp16"]


class TrainingError(RuntimeError):
    """Training broke although the input was well formed: the loss is no longer finite."""


@dataclass(frozen=True)
class TrainConfig:
    """How to train. Defaults suit hundreds of small crops on a small machine, and are ours.

    CDCN's release (OULU-NPU) trains 1400 epochs of one random frame per video, batch 7, learning
    rate 1e-4, weight decay 5e-5, halving the rate every 500 epochs, contrastive depth loss with
    weight 1.

    Attributes:
        epochs: Passes over the training items, 1 or more.
        batch_size: Items per step, over all devices together.
        learning_rate: Adam's rate in the first epoch.
        weight_decay: Adam's L2 penalty.
        step_epochs: Epochs between two changes of the rate.
        step_factor: What the rate is multiplied by at each change, in (0, 1].
        cdl_weight: Weight of the contrastive depth loss beside the mean squared error.
        augment: Whether to augment (see `augment`).
        seed: Decides the order of items and the augmentation.
        mixed_precision: "no", "bf16" or "fp16".

    Raises:
        InputError: A value is out of range.
    """

    epochs: int = 30
    batch_size: int = 16
    learning_rate: float = 1e-3
    weight_decay: float = 5e-5
    step_epochs: int = 500
    step_factor: float = 0.5
    cdl_weight: float = 1.0
    augment: bool = True
    seed: int = 0
    mixed_precision: Precision = "no"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "step_epochs"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)!r}: an integer of 1 or more")
        for name in ("learning_rate", "weight_decay", "cdl_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"{name} is {getattr(self, name)}: a finite number of 0 or more")
        if not 0 < self.step_factor <= 1:
            raise InputError(f"step_factor is {self.step_factor}: it lies above 0, at most 1")
        if type(self.seed) is not int or self.seed < 0:
            raise InputError(f"seed is {self.seed!r}: an integer of 0 or more")
        if self.mixed_precision not in get_args(Precision):
            raise InputError(
                f"mixed_precision is {self.mixed_precision!r}: one of {get_args(Precision)}"
            )

    def rate(self, epoch: int) -> float:
        """Return the learning rate of `epoch`, counted from 0."""
        return self.learning_rate * self.step_factor ** (epoch // self.step_epochs)


@dataclass(frozen=True)
class EpochRecord:
    """One epoch in figures.

    Attributes:
        epoch: Counted from 1.
        loss: Mean training loss over items, lower is better.
        bona_fide_score: Mean predicted map over bona fide training items, while training.
        attack_score: The same over attacks. A detector that learns moves the two apart.
        dev_loss: Mean loss on the development items after the epoch; None without them.
    """

    epoch: int
    loss: float
    bona_fide_score: float
    attack_score: float
    dev_loss: float | None


@dataclass(frozen=True)
class TrainHistory:
    """What training left behind; the weights are those after the last epoch.

    Attributes:
        epochs: One record per epoch, resumed ones included.
        digest: SHA-256 of the training images and maps.
        items: Number of training items.
    """

    epochs: tuple[EpochRecord, ...]
    digest: str
    items: int

    @property
    def collapsed(self) -> bool:
        """Whether the last epoch's maps were zero on bona fide items: the network is of no use.

        The last layer's ReLU passes no gradient where the map is zero, so training cannot recover
        by itself; take a lower learning rate or another seed of the initial weights.
        """
        return self.epochs[-1].bona_fide_score < 1e-4


def train(
    model: CDCN,
    images: Tensor,
    maps: Tensor,
    config: TrainConfig,
    *,
    dev: tuple[Tensor, Tensor] | None = None,
    checkpoint: Path | None = None,
    progress: Callable[[EpochRecord], None] | None = None,
) -> TrainHistory:
    """Train `model` in place; it ends in evaluation mode on the device it came from.

    The weights of the last epoch are kept: no epoch is chosen by its score. Runs on the device
    accelerate finds (a GPU if there is one; several under ``accelerate launch``). On a CPU the same
    seed and thread count give the same weights bit for bit, also when the run was killed and goes
    on from `checkpoint`.

    Args:
        model: The network; its present weights are the start.
        images: uint8 (N, C, S, S), RGB.
        maps: float (N, S/8, S/8), the target maps; an item is bona fide where its map has a
            positive value.
        config: How to train.
        dev: Images and maps on which to report the loss after each epoch. They never influence
            the weights.
        checkpoint: File that receives the state after each epoch. When it exists, the run goes on
            from it.
        progress: Called after each epoch (on the main process).

    Raises:
        InputError: Shapes or types do not fit, a class is missing, or the checkpoint is of another
            run.
        TrainingError: The loss stopped being finite.
    """
    _require_items(images, maps, model.config.in_channels, "training")
    positive = maps.flatten(1).amax(dim=1) > 0
    if bool(positive.all()) or not bool(positive.any()):
        present, absent = (
            ("bona fide", "attack") if bool(positive.any()) else ("attack", "bona fide")
        )
        raise InputError(f"training maps: all {len(maps)} items are {present}, add {absent} items")
    if dev is not None:
        _require_items(*dev, model.config.in_channels, "development")

    home = next(model.parameters()).device
    loss = DepthLoss(config.cdl_weight)
    adam = torch.optim.Adam(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    accelerator = _accelerator(config.mixed_precision)
    network, optimizer = accelerator.prepare(model, adam)
    history = TrainHistory((), digest(images, maps), len(images))
    run = {**asdict(config), "model": model.to_dict(), "data": history.digest}
    records: list[EpochRecord] = []
    if checkpoint is not None and checkpoint.exists():
        stored = load_checkpoint(checkpoint, model, adam, run=run)
        records = [EpochRecord(**record) for record in stored["epochs"]]
        if accelerator.scaler is not None:
            accelerator.scaler.load_state_dict(stored["scaler"])

    for epoch in range(len(records), config.epochs):
        for group in adam.param_groups:
            group["lr"] = config.rate(epoch)
        totals = _run_epoch(accelerator, network, optimizer, loss, images, maps, config, epoch)
        if not math.isfinite(totals[0]):
            raise TrainingError(
                f"the loss is {totals[0]} in epoch {epoch + 1}: lower learning_rate "
                f"(now {config.rate(epoch):g})"
            )
        dev_loss = None if dev is None else _mean_loss(accelerator, network, loss, *dev, config)
        records.append(EpochRecord(epoch + 1, *totals, dev_loss))
        if accelerator.is_main_process:
            if checkpoint is not None:
                scaler = None if accelerator.scaler is None else accelerator.scaler.state_dict()
                stored = {"epochs": [asdict(record) for record in records], "scaler": scaler}
                save_checkpoint(checkpoint, model, adam, run=run, progress=stored)
            if progress is not None:
                progress(records[-1])
        accelerator.wait_for_everyone()

    # accelerate hides an autocast wrapper in the instance; it must not travel with the model.
    for name in ("forward", "_original_forward"):
        vars(model).pop(name, None)
    model.to(home).eval()
    return TrainHistory(tuple(records), history.digest, history.items)


def _require_items(images: Tensor, maps: Tensor, channels: int, name: str) -> None:
    shape, labels = tuple(images.shape), tuple(maps.shape)
    if images.dtype != torch.uint8 or len(shape) != 4 or shape[1] != channels or not shape[0]:
        raise InputError(f"{name} images are {images.dtype} {shape}: uint8 (N, {channels}, S, S)")
    expected = (shape[0], shape[2] // SHRINK, shape[3] // SHRINK)
    if not maps.is_floating_point() or labels != expected:
        raise InputError(f"{name} maps are {maps.dtype} {labels}: expected float {expected}")
    if not bool(torch.isfinite(maps).all()):
        raise InputError(f"{name} maps hold values that are not finite")


def _accelerator(precision: Precision) -> "Accelerator":
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    state = AcceleratorState._shared_state
    if state and state.get("_mixed_precision") != precision:
        # accelerate keeps one precision per process and refuses a second; two runs may differ.
        AcceleratorState._reset_state()
    return Accelerator(mixed_precision=precision)


def _generator(*entropy: int) -> torch.Generator:
    """A CPU generator that depends on all of `entropy`."""
    seed = np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(seed))


def _run_epoch(
    accelerator: "Accelerator",
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: DepthLoss,
    images: Tensor,
    maps: Tensor,
    config: TrainConfig,
    epoch: int,
) -> tuple[float, float, float]:
    """Mean loss, mean score of bona fide items, mean score of attacks.

    Every process draws the same order and takes its share of each batch; the augmentation's draws
    are its own.
    """
    network.train()
    order = torch.randperm(len(images), generator=_generator(config.seed, epoch))
    draws = _generator(config.seed, epoch, 1 + accelerator.process_index)
    totals = torch.zeros(3, 2, dtype=torch.float64)  # sum and count of each mean
    for batch in torch.split(order, config.batch_size):
        with accelerator.split_between_processes(batch.tolist(), apply_padding=True) as mine:
            inputs = images[mine].to(accelerator.device)
            targets = maps[mine].to(accelerator.device, torch.float32)
        if config.augment:
            inputs, targets = augment(inputs, targets, draws)
        predicted = network(normalise(inputs))
        value = loss(predicted, targets)
        optimizer.zero_grad()
        accelerator.backward(value)
        optimizer.step()
        scores = predicted.detach().flatten(1).mean(dim=1).cpu().double()
        bona_fide = maps[mine].flatten(1).amax(dim=1).cpu() > 0
        totals[0] += torch.tensor([value.item() * len(mine), len(mine)], dtype=torch.float64)
        for row, kind in ((1, bona_fide), (2, ~bona_fide)):
            totals[row] += torch.tensor([scores[kind].sum(), kind.sum()], dtype=torch.float64)
    if accelerator.num_processes > 1:
        totals = accelerator.reduce(totals.to(accelerator.device), "sum").cpu()
    sums, counts = totals.unbind(dim=1)
    mean_loss, live, attack = (sums / counts).tolist()
    return mean_loss, live, attack


@torch.no_grad()
def _mean_loss(
    accelerator: "Accelerator",
    network: nn.Module,
    loss: DepthLoss,
    images: Tensor,
    maps: Tensor,
    config: TrainConfig,
) -> float:
    network.eval()
    total = 0.0
    for batch in torch.split(torch.arange(len(images)), config.batch_size):
        inputs = normalise(images[batch].to(accelerator.device))
        targets = maps[batch].to(accelerator.device, torch.float32)
        total += loss(network(inputs), targets).item() * len(batch)
    return total / len(images)
