"""Exact unlearning: training from scratch on what is retained, whole or in shards (SISA).

SISA: Bourtoule et al., "Machine Unlearning", IEEE S&P 2021. Every record belongs to one shard and
one slice by a hash of its id, so that a removal moves no other record. A shard is trained slice
after slice, on all its slices so far, and keeps its weights before each: a removal goes back to the
slice of the first removed record. The ensemble after a removal equals, bit for bit, one that never
saw the record.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sterling.checks import Count, check_fields
from sterling.errors import InputError
from sterling.privacy.targets.models import Models
from sterling.privacy.targets.training import Recipe, train_many
from sterling.privacy.unlearning.descent import Descent, draw_seed, learn, reset
from sterling.privacy.unlearning.examples import Examples
from sterling.runs import derive_seed

Train = Callable[[nn.Module, Examples, int], nn.Module]
"""From an untrained network, examples and a seed, to the trained network."""


def train_by_recipe(recipe: Recipe) -> Train:
    """Return the training of :func:`sterling.privacy.targets.training.train_many`."""

    def train(network: nn.Module, examples: Examples, seed: int) -> nn.Module:
        parameters = {name: value.detach()[None] for name, value in network.named_parameters()}
        everyone = torch.ones(1, len(examples), dtype=torch.bool).numpy()
        trained = train_many(
            Models(network, parameters),
            examples.inputs,
            examples.labels,
            everyone,
            recipe,
            seeds=[seed],
        )
        return trained.module(0)

    return train


def train_by_steps(descent: Descent) -> Train:
    """Return training by Adam for a fixed number of steps, for language models too."""

    def train(network: nn.Module, examples: Examples, seed: int) -> nn.Module:
        return learn(network, examples, torch.Generator().manual_seed(seed), descent)

    return train


def retrain(
    model: nn.Module,
    forget: Examples,  # noqa: ARG001 - one signature for all methods
    retain: Examples,
    rng: torch.Generator,
    *,
    train: Train,
) -> nn.Module:
    """Draw new initial weights and train them on the retained examples only.

    Constants:
        train: The training that the model to unlearn from went through.
    """
    return train(reset(model, rng), retain, draw_seed(rng))


@dataclass(frozen=True)
class SisaConfig:
    """Configuration of SISA training: shards, slices, and how one slice is trained.

    Attributes:
        train: Training of one slice, from given weights on; it must depend on its arguments only.
        shards: Number of models in the ensemble, S.
        slices: Number of parts of a shard, R; more parts forget faster and train longer.
        seed: Assigns records and seeds the training.
    """

    train: Train
    shards: Count = 5
    slices: Count = 5
    seed: int = 0

    def __post_init__(self) -> None:
        check_fields(self)

    def place(self, record: int) -> tuple[int, int]:
        """Return the shard and the slice of a record."""
        place = derive_seed(self.seed, "place", record) % (self.shards * self.slices)
        return divmod(place, self.slices)


class Sisa(nn.Module):
    """The ensemble: its output is the logarithm of the shards' mean posterior."""

    def __init__(self, checkpoints: Sequence[Sequence[nn.Module]]) -> None:
        super().__init__()
        self.shards = nn.ModuleList(nn.ModuleList(chain) for chain in checkpoints)

    def checkpoints(self) -> list[list[nn.Module]]:
        """Return for each shard its weights before the first slice, after it, after the second."""
        return [list(chain) for chain in self.shards if isinstance(chain, nn.ModuleList)]

    def forward(self, inputs: Tensor) -> Tensor:
        """Log-probabilities (N, C)."""
        parts = [chain[-1](inputs).log_softmax(-1) for chain in self.checkpoints()]
        return torch.logsumexp(torch.stack(parts), 0) - torch.log(torch.tensor(float(len(parts))))


def _train_shard(
    chain: list[nn.Module], shard: int, start: int, examples: Examples, config: SisaConfig
) -> list[nn.Module]:
    """Train a chain of checkpoints anew from the slice `start` on."""
    places = [config.place(int(record)) for record in examples.ids]
    chain = chain[: start + 1]
    for part in range(start, config.slices):
        rows = [row for row, place in enumerate(places) if place[0] == shard and place[1] <= part]
        network = copy.deepcopy(chain[-1])
        if rows:
            in_order = torch.tensor(sorted(rows, key=lambda row: int(examples.ids[row])))
            seed = derive_seed(config.seed, "train", shard, part)
            network = config.train(network, examples.select(in_order), seed)
        chain.append(network)
    return chain


def fit_sisa(network: nn.Module, examples: Examples, config: SisaConfig) -> Sisa:
    """Train the ensemble from one untrained network, the same for every shard."""
    chains = [
        _train_shard([copy.deepcopy(network)], shard, 0, examples, config)
        for shard in range(config.shards)
    ]
    return Sisa(chains)


def sisa(
    model: nn.Module,
    forget: Examples,
    retain: Examples,
    rng: torch.Generator,  # noqa: ARG001 - the seeds are the configuration's, so that it is exact
    *,
    config: SisaConfig,
) -> nn.Module:
    """Retrain every affected shard from the slice of its first removed record on.

    Constants:
        config: The configuration that the ensemble was trained with.

    Raises:
        InputError: When the model is not a SISA ensemble of this configuration.
    """
    if not isinstance(model, Sisa):
        raise InputError(f"SISA forgets in an ensemble of fit_sisa, not in {type(model).__name__}")
    chains = copy.deepcopy(model).checkpoints()
    if {len(chain) for chain in chains} != {config.slices + 1} or len(chains) != config.shards:
        raise InputError("shards, slices: the ensemble was trained with others")
    first: dict[int, int] = {}
    for record in forget.ids:
        shard, part = config.place(int(record))
        first[shard] = min(part, first.get(shard, part))
    for shard, start in first.items():
        chains[shard] = _train_shard(chains[shard], shard, start, retain, config)
    return Sisa(chains)
