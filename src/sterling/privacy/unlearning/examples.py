"""Examples of a model's training set, and a deletion request that cuts them in two."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sterling.errors import InputError

IGNORED = -100
"""Label of a position that no loss counts: a prompt's tokens, padding."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Inputs with their labels.

    Attributes:
        inputs: (N, ...): features of a classifier, or token numbers (N, T) of a language model.
        labels: int64 (N,) classes, or (N, T) the token that follows each position, ``IGNORED``
            where none is to be predicted.
        ids: int64 (N,), unique: which records of the training set these are.

    Raises:
        InputError: On no examples, lengths that differ, repeated ids, or an input not finite.
    """

    inputs: Tensor
    labels: Tensor
    ids: Tensor

    def __post_init__(self) -> None:
        n = len(self.inputs)
        if n == 0:
            raise InputError("examples: the set is empty; name at least one record")
        if len(self.labels) != n or self.ids.shape != (n,):
            raise InputError(
                f"{n} inputs, {len(self.labels)} labels, {len(self.ids)} ids: give one each"
            )
        if len(torch.unique(self.ids)) != n:
            raise InputError("ids: an id is repeated; number every record once")
        if self.inputs.is_floating_point() and not torch.isfinite(self.inputs).all():
            bad = int(self.ids[~torch.isfinite(self.inputs).flatten(1).all(1)][0])
            raise InputError(f"record {bad} holds a value that is not finite; leave it out")

    def __len__(self) -> int:
        return len(self.inputs)

    def select(self, rows: Tensor) -> "Examples":
        """The examples at some positions, or where a bool mask is true."""
        return Examples(self.inputs[rows], self.labels[rows], self.ids[rows])

    def batch(self, rows: Tensor) -> "Examples":
        """As ``select`` of distinct positions; what held of all is not checked again.

        In a training loop the checks would take as long as a small network's forward pass.
        """
        part = object.__new__(Examples)
        for name in ("inputs", "labels", "ids"):
            object.__setattr__(part, name, getattr(self, name)[rows])
        return part

    def with_labels(self, labels: Tensor) -> "Examples":
        """The same inputs with other labels."""
        return Examples(self.inputs, labels, self.ids)

    def join(self, *others: "Examples") -> "Examples":
        """These examples and others after them; no id may be in two."""
        parts = (self, *others)
        return Examples(
            torch.cat([part.inputs for part in parts]),
            torch.cat([part.labels for part in parts]),
            torch.cat([part.ids for part in parts]),
        )


def split_request(
    training: Examples, forget_ids: Sequence[int] | Tensor
) -> tuple[Examples, Examples]:
    """What a request asks to forget, and what is retained.

    Args:
        training: Everything that the model was trained on.
        forget_ids: Ids of records to forget, some of the training set's.

    Raises:
        InputError: On an empty request, an id that the training set does not have, or a request
            for everything, which is to delete the model.
    """
    wanted = torch.as_tensor(forget_ids, dtype=torch.int64)
    if len(wanted) == 0:
        raise InputError("forget set: the request is empty; name at least one record")
    unknown = wanted[~torch.isin(wanted, training.ids)]
    if len(unknown):
        raise InputError(
            f"forget set: record {int(unknown[0])} is not in the training set "
            f"({len(unknown)} of {len(wanted)} are not); only trained records can be forgotten"
        )
    forgotten = torch.isin(training.ids, wanted)
    if forgotten.all():
        raise InputError("forget set: the request names every record; delete the model instead")
    return training.select(forgotten), training.select(~forgotten)
