"""Few-shot tasks of telling attacked pictures from clean ones (MetaAdvDet, ACM MM 2019).

In every task label 1 is clean and 0 attacked. The paper's code draws the class of the clean
pictures and the class of the attacked ones apart from each other, so that in nine tasks of ten
(with ten classes) the two ways also differ in what the pictures show: a detector of the two classes
does well without knowing what an attack is. "class_matched" draws one class for both, so that only
the attack differs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sterling.adapt import Task
from sterling.checks import check_numbers
from sterling.errors import InputError, unknown_name
from sterling.image.attacks import Strength, attack
from sterling.image.labelled_images import LabelledImages
from sterling.runs import derive_seed

Protocol = Literal["paper", "class_matched"]
ATTACKED, CLEAN = 0, 1


@dataclass(frozen=True, eq=False)
class AttackedImages:
    """Clean pictures and their attacked versions.

    Attributes:
        clean: Clean pictures (N, C, H, W).
        labels: Classes of the clean pictures (N,).
        attacked: Misclassified pictures (M, C, H, W) by attack.
        sources: Positions (M,) of the clean pictures that they were made of, by attack.
    """

    clean: Tensor
    labels: NDArray[np.int64]
    attacked: Mapping[str, Tensor]
    sources: Mapping[str, NDArray[np.intp]]


def attack_images(
    network: nn.Module,
    data: LabelledImages,
    attacks: Sequence[str],
    *,
    strength: Strength,
    seed: int,
    scale: tuple[float, float],
    targets: Tensor | None = None,
    research_use: bool = False,
) -> AttackedImages:
    """Attack pictures that a network classifies rightly, and keep those that it then errs on.

    Where it classifies nothing rightly there is nothing to attack, and no attack in the result.

    Args:
        network: Network in evaluation mode.
        data: Pictures in [0, 1].
        attacks: Names in `sterling.image.attacks.ATTACKS`.
        strength: Strength of the attacks.
        seed: Seed of their draws.
        scale: Mean and deviation that all pictures are standardised by afterwards.
        targets: Class that each picture of `data` is to be taken for.
        research_use: Must be true.

    Raises:
        InputError: As of `sterling.image.attacks.attack`.
    """
    device = next(network.parameters()).device
    images, labels = data.images.to(device), torch.from_numpy(data.labels).to(device)
    with torch.no_grad():
        right = network(images).argmax(dim=1) == labels
    images, labels = images[right], labels[right]
    aims = None if targets is None else targets.to(device)[right]
    attacked: dict[str, Tensor] = {}
    sources: dict[str, NDArray[np.intp]] = {}
    for name in attacks if right.any() else ():
        found, succeeded = attack(
            name,
            network,
            images,
            labels,
            strength=strength,
            seed=derive_seed(seed, name) % 2**31,
            targets=aims,
            research_use=research_use,
        )
        attacked[name] = (found[succeeded] - scale[0]) / scale[1]
        sources[name] = np.flatnonzero(succeeded.cpu().numpy())
    return AttackedImages((images - scale[0]) / scale[1], labels.cpu().numpy(), attacked, sources)


class AdversarialTasks:
    """Tasks by number: the same number gives the same task.

    Args:
        data: Pictures. An attack with too few of a class leaves that class out.
        protocol: Choice of the classes that a task shows: see the module.
        shots: Number of shots of each way, 1 or more.
        queries: Number of queries of each way, 1 or more.
        seed: Seed of all draws.

    Raises:
        InputError: No attack has enough pictures of any class, or the protocol is unknown.
    """

    def __init__(
        self, data: AttackedImages, protocol: Protocol, *, shots: int, queries: int, seed: int
    ) -> None:
        if protocol not in get_args(Protocol):
            raise unknown_name("protocol", str(protocol), get_args(Protocol))
        check_numbers(at_least=1, shots=shots, queries=queries)
        self.data, self.protocol = data, protocol
        self.shots, self.queries, self.seed = shots, queries, seed
        classes = np.unique(data.labels).tolist()
        needed = shots + queries
        self._clean = {one: np.flatnonzero(data.labels == one) for one in classes}
        self._clean = {one: rows for one, rows in self._clean.items() if len(rows) >= needed}
        self._attacked = {
            (name, one): rows
            for name, sources in data.sources.items()
            for one in self._clean
            if len(rows := np.flatnonzero(data.labels[sources] == one)) >= needed
        }
        self.attacks = sorted({name for name, _ in self._attacked})
        if not self._attacked:
            raise InputError(
                f"{shots} shots and {queries} queries: no attack succeeded on so many pictures of "
                "a class; give more pictures or ask for fewer"
            )

    def attack_of(self, number: int) -> str:
        """Return the attack of a task."""
        return self._place(number)[0]

    def draw(self, number: int) -> Task:
        """Return the task of a number, 0 or more."""
        name, attacked_class, clean_class = self._place(number)
        draw = np.random.default_rng(derive_seed(self.seed, "pictures", number))
        count = self.shots + self.queries
        # Indices in the order of the labels: attacked, then clean.
        bad = draw.choice(self._attacked[name, attacked_class], count, replace=False)
        good = draw.choice(self._clean[clean_class], count, replace=False)
        ways = (self.data.attacked[name][bad], self.data.clean[good])
        labels = torch.tensor([ATTACKED, CLEAN], device=self.data.clean.device)
        return Task(
            torch.cat([way[: self.shots] for way in ways]),
            labels.repeat_interleave(self.shots),
            torch.cat([way[self.shots :] for way in ways]),
            labels.repeat_interleave(self.queries),
            (attacked_class, clean_class),
        )

    def _place(self, number: int) -> tuple[str, int, int]:
        draw = np.random.default_rng(derive_seed(self.seed, "classes", number))
        name = self.attacks[int(draw.integers(len(self.attacks)))]
        able = [one for attack, one in self._attacked if attack == name]
        attacked_class = able[int(draw.integers(len(able)))]
        others = sorted(self._clean)
        other = others[int(draw.integers(len(others)))]
        return name, attacked_class, attacked_class if self.protocol == "class_matched" else other
