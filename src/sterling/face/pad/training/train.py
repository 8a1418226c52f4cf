"""Train any network: one loop, through accelerate, that resumes after an interruption."""

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.face.pad.detector.preprocessing import normalise
from sterling.face.pad.detector.weights import digest
from sterling.face.pad.networks.network import Network
from sterling.face.pad.training.checkpoint import is_intact, load_checkpoint, save_checkpoint
from sterling.face.pad.training.config import (
    EpochRecord,
    Optimizer,
    Precision,
    TrainConfig,
    TrainHistory,
    TrainingError,
)
from sterling.face.pad.training.losses import OutputLoss, bona_fide_of
from sterling.face.pad.training.objective import Batch, Objective, Supervised

logger = logging.getLogger("sterling")

if TYPE_CHECKING:
    from accelerate import Accelerator


_OPTIMIZERS: dict[Optimizer, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adadelta": torch.optim.Adadelta,
}


def train(
    model: Network,
    images: Tensor,
    maps: Tensor,
    config: TrainConfig,
    *,
    present: Tensor | None = None,
    objective: Objective | None = None,
    dev: tuple[Tensor, Tensor] | None = None,
    checkpoint: Path | None = None,
    progress: Callable[[EpochRecord], None] | None = None,
) -> TrainHistory:
    """Train `model` in place; it ends in evaluation mode on the device it came from.

    The weights of the last epoch are kept: no epoch is chosen by its score. Runs on the device
    accelerate finds (a GPU if there is one; several under ``accelerate launch``). On a CPU the same
    seed and thread count give the same weights bit for bit, also when an interrupted run resumes
    from `checkpoint`.

    Args:
        model: The network; its present weights are the start. Parameters that require no gradient
            stay as they are.
        images: uint8 (N, [T,] C, S, S) as `Network.shape` says.
        maps: float (N, ...) as `Network.map_shape` says, the target maps; an item is bona fide
            where its map has a positive value.
        config: Training settings.
        present: bool (N, M), which modalities there are; None: all.
        objective: Loss that each step minimises; None for the label maps, as `config` says.
        dev: Images and maps on which to report the loss after each epoch. They never influence
            the weights.
        checkpoint: File that receives the state after each epoch. When it exists, the run
            resumes from it.
        progress: Called after each epoch (on the main process).

    Raises:
        InputError: Shapes or types do not fit, a class or a modality that the network needs is
            missing, or the checkpoint is of another run.
        TrainingError: The loss stopped being finite.
    """
    _require_items(images, maps, model, "training")
    if present is not None:
        model.require_present(present, len(images))
    if config.drop_modality and not model.flexible:
        raise InputError(
            f"drop_modality is {config.drop_modality:g}: {model.name} needs every modality; "
            "choose a flexible-modal network"
        )
    positive = bona_fide_of(maps)
    if bool(positive.all()) or not bool(positive.any()):
        kind, missing = ("bona fide", "attack") if bool(positive.any()) else ("attack", "bona fide")
        raise InputError(f"training maps: all {len(maps)} items are {kind}, add {missing} items")
    if dev is not None:
        _require_items(*dev, model, "development")

    home = next(model.parameters()).device
    loss = OutputLoss(config.cdl_weight, model.logit_share)
    if objective is None:
        objective = Supervised(loss, config.drop_modality, augmented=config.augment)
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    chosen = _OPTIMIZERS[config.optimizer](
        learned, lr=config.learning_rate, weight_decay=config.weight_decay
    )
    accelerator = _accelerator(config.mixed_precision)
    network, optimizer = accelerator.prepare(model, chosen)
    given = (images, maps) if present is None else (images, maps, present)
    history = TrainHistory((), digest(*given), len(images))
    items = _Items(images, maps, present)
    run = {**asdict(config), **objective.to_dict(), "model": model.to_dict()}
    run["data"] = history.digest
    records: list[EpochRecord] = []
    if checkpoint is not None and checkpoint.exists() and not is_intact(checkpoint):
        logger.warning("%s is damaged: training starts anew", checkpoint)
    elif checkpoint is not None and checkpoint.exists():
        stored = load_checkpoint(checkpoint, model, chosen, run=run)
        records = [EpochRecord(**record) for record in stored["epochs"]]
        if accelerator.scaler is not None:
            accelerator.scaler.load_state_dict(stored["scaler"])

    for epoch in range(len(records), config.epochs):
        with _dropout_from(accelerator, config.seed, epoch):
            totals = _run_epoch(
                accelerator, model, network, optimizer, objective, items, config, epoch
            )
        if not math.isfinite(totals[0]):
            raise TrainingError(
                f"the loss is {totals[0]} in epoch {epoch + 1}: lower learning_rate "
                f"(now {config.learning_rate:g})"
            )
        dev_loss = None if dev is None else _mean_loss(accelerator, network, loss, *dev, config)
        records.append(EpochRecord(epoch + 1, *totals, dev_loss))
        if accelerator.is_main_process:
            if checkpoint is not None:
                scaler = None if accelerator.scaler is None else accelerator.scaler.state_dict()
                stored = {"epochs": [asdict(record) for record in records], "scaler": scaler}
                save_checkpoint(checkpoint, model, chosen, run=run, progress=stored)
            if progress is not None:
                progress(records[-1])
        accelerator.wait_for_everyone()

    # accelerate hides an autocast wrapper in the instance; it must not travel with the model.
    for name in ("forward", "_original_forward"):
        vars(model).pop(name, None)
    model.to(home).eval()
    return TrainHistory(tuple(records), history.digest, history.items)


@dataclass(frozen=True, eq=False)
class _Items:
    """Training items: pictures, label maps, and which modalities there are (None: all)."""

    images: Tensor
    maps: Tensor
    present: Tensor | None


def _require_items(images: Tensor, maps: Tensor, model: Network, name: str) -> None:
    shape, labels = tuple(images.shape), tuple(maps.shape)
    size = shape[-1] if shape else 0
    if images.dtype != torch.uint8 or shape[1:] != model.shape(size) or not shape[0]:
        wanted = ", ".join(["N", *map(str, model.shape(0)[:-2]), "S", "S"])
        raise InputError(
            f"{name} images are {images.dtype} {shape}: {model.name} takes uint8 ({wanted})"
        )
    expected = (shape[0], *model.map_shape(size))
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


@contextmanager
def _dropout_from(accelerator: "Accelerator", *entropy: int) -> Iterator[None]:
    """Let dropout, which draws from PyTorch's global generators, depend on all of `entropy`.

    Those generators are given back as they were.
    """
    devices = [] if accelerator.device.type == "cpu" else [accelerator.device]
    with torch.random.fork_rng(devices):
        torch.manual_seed(_generator(*entropy, 1 + accelerator.process_index).initial_seed())
        yield


def _run_epoch(
    accelerator: "Accelerator",
    model: Network,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    objective: Objective,
    items: _Items,
    config: TrainConfig,
    epoch: int,
) -> tuple[float, float, float]:
    """Mean loss, mean score of bona fide items, mean score of attacks.

    Every process draws the same order and takes its share of each batch; the augmentation's draws
    are its own. `network` is `model` as accelerate has wrapped it.
    """
    network.train()
    device = accelerator.device
    order = torch.randperm(len(items.images), generator=_generator(config.seed, epoch))
    draws = _generator(config.seed, epoch, 1 + accelerator.process_index)
    totals = torch.zeros(3, 2, dtype=torch.float64)  # sum and count of each mean
    batches = torch.split(order, config.batch_size)
    for step, batch in enumerate(batches, start=epoch * len(batches)):
        for group in optimizer.param_groups:
            group["lr"] = config.rate(epoch, step, config.epochs * len(batches))
        with accelerator.split_between_processes(batch.tolist(), apply_padding=True) as mine:
            inputs = items.images[mine].to(device)
            targets = items.maps[mine].to(device, torch.float32)
            present = None if items.present is None else items.present[mine].to(device)
        given = Batch(inputs, targets, present, torch.tensor(mine))
        value, live_scores = objective(network, model, given, draws)
        optimizer.zero_grad()
        accelerator.backward(value)
        optimizer.step()
        scores = live_scores.detach().cpu().double()
        bona_fide = bona_fide_of(items.maps[mine]).cpu()
        totals[0] += torch.tensor([value.item() * len(mine), len(mine)], dtype=torch.float64)
        for row, kind in ((1, bona_fide), (2, ~bona_fide)):
            totals[row] += torch.tensor([scores[kind].sum(), kind.sum()], dtype=torch.float64)
    if accelerator.num_processes > 1:
        totals = accelerator.reduce(totals.to(device), "sum").cpu()
    sums, counts = totals.unbind(dim=1)
    mean_loss, live, attack = (sums / counts).tolist()
    return mean_loss, live, attack


@torch.no_grad()
def _mean_loss(
    accelerator: "Accelerator",
    network: nn.Module,
    loss: OutputLoss,
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
