"""Few-shot tasks drawn from labelled items: by class, within a domain, by kind of attack."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from sterling.errors import InputError
from sterling.runs import derive_seed


@dataclass(frozen=True, eq=False)
class Task:
    """One few-shot task.

    Attributes:
        support: Items to adapt on, (ways · shots, ...), class after class.
        support_labels: 0 to ways - 1, int64; or other targets of a learner's criterion.
        query: Items to be tested on, (ways · queries, ...).
        query_labels: Labels of the query items.
        classes: Class of the data behind each label.
    """

    support: Tensor
    support_labels: Tensor
    query: Tensor
    query_labels: Tensor
    classes: tuple[int, ...]


class Episodes:
    """Tasks by number: the same number gives the same task, whatever was drawn before.

    Args:
        items: (N, ...), tensors or arrays; tasks lie on the same device.
        labels: Class of each item, integers (N,).
        ways: Number of classes of a task, 2 or more.
        shots: Number of items of a class to adapt on, 1 or more.
        queries: Number of items of a class to test on, 1 or more.
        domains: Origin of each item (a camera, a kind of attack), (N,): all items of a task come
            from one. None: there is one.
        seed: Seed of all draws.

    Raises:
        InputError: Sizes that no task can have: the message names the class or domain.
    """

    def __init__(
        self,
        items: ArrayLike | Tensor,
        labels: ArrayLike,
        *,
        ways: int,
        shots: int,
        queries: int,
        domains: Sequence[str] | None = None,
        seed: int = 0,
    ) -> None:
        self.items = torch.as_tensor(items)
        classes = np.asarray(labels)
        if ways < 2 or shots < 1 or queries < 1:
            raise InputError(
                f"ways {ways}, shots {shots}, queries {queries}: a task has two classes or more, "
                "and of each one item or more to adapt on and to judge on"
            )
        places = np.zeros(len(classes), dtype=str) if domains is None else np.asarray(domains)
        if not len(self.items) == len(classes) == len(places):
            raise InputError(
                f"{len(self.items)} items, {len(classes)} labels, {len(places)} domains: as many "
                "of each"
            )
        self.ways, self.shots, self.queries, self.seed = ways, shots, queries, seed
        self._rows: list[dict[int, NDArray[np.intp]]] = []
        for domain in np.unique(places):
            inside = places == domain
            where = f" of domain {domain}" if domains is not None else ""
            found = {
                int(one): np.flatnonzero(inside & (classes == one))
                for one in np.unique(classes[inside])
            }
            if len(found) < ways:
                raise InputError(
                    f"ways {ways}: there are {len(found)} classes{where}; lower ways or add classes"
                )
            for one, rows in found.items():
                if len(rows) < shots + queries:
                    raise InputError(
                        f"class {one}{where}: {len(rows)} items; {shots} shots and {queries} "
                        f"queries need {shots + queries}"
                    )
            self._rows.append(found)

    def draw(self, number: int) -> Task:
        """Draw the task of a number, 0 or more."""
        draw = np.random.default_rng(derive_seed(self.seed, "episode", number))
        classes = self._rows[int(draw.integers(len(self._rows)))]
        chosen = draw.choice(sorted(classes), self.ways, replace=False).tolist()
        count = self.shots + self.queries
        rows = np.stack([draw.choice(classes[one], count, replace=False) for one in chosen])
        support, query = rows[:, : self.shots].ravel(), rows[:, self.shots :].ravel()
        ways = torch.arange(self.ways, device=self.items.device)
        return Task(
            self.items[support],
            ways.repeat_interleave(self.shots),
            self.items[query],
            ways.repeat_interleave(self.queries),
            tuple(chosen),
        )
