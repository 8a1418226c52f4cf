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
        inputs: Features of a classifier (N, ...), or token numbers of a language model (N, T).
        labels: Classes, int64 (N,), or the token that follows each position (N, T), ``IGNORED``
            where none is to be predicted.
        ids: Unique numbers of the records in the training set, int64 (N,).

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
        """Return the examples at some positions, or where a bool mask is true."""
        return Examples(self.inputs[rows], self.labels[rows], self.ids[rows])

    def batch(self, rows: Tensor) -> "Examples":
        """Return the examples at distinct positions without checking them again.

        In a training loop the checks would take as long as a small network's forward pass.
        """
        part = object.__new__(Examples)
        for name in ("inputs", "labels", "ids"):
            object.__setattr__(part, name, getattr(self, name)[rows])
        return part

    def with_labels(self, labels: Tensor) -> "Examples":
        """Return the same inputs with other labels."""
        return Examples(self.inputs, labels, self.ids)

    def join(self, *others: "Examples") -> "Examples":
        """Return these examples and others after them; no id may be in two."""
        parts = (self, *others)
        return Examples(
            torch.cat([part.inputs for part in parts]),
            torch.cat([part.labels for part in parts]),
            torch.cat([part.ids for part in parts]),
        )


def split_deletion_request(
    training: Examples, forget_ids: Sequence[int] | Tensor
) -> tuple[Examples, Examples]:
    """Cut a training set by a deletion request into what to forget and what to retain.

    Args:
        training: Everything that the model was trained on.
        forget_ids: Ids of the records to forget.

    Raises:
        InputError: On an empty deletion request, an id that the training set does not have, or a
            request for every record, which is to delete the model.
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
