"""What an unlearning method is: one signature, so that a benchmark can cross them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from sterling.errors import InputError
from sterling.privacy.unlearning.examples import Examples

Unlearn = Callable[[nn.Module, Examples, Examples, torch.Generator, Any], nn.Module]


@dataclass(frozen=True)
class Method:
    """An unlearning method with its configuration.

    Attributes:
        name: As the field names it.
        unlearn: From (model, forget, retain, rng, config) to a new model; the model stays as it is.
        config: Constants of the method.
        source: Publication.
    """

    name: str
    unlearn: Unlearn
    config: Any
    source: str

    def __call__(
        self, model: nn.Module, forget: Examples, retain: Examples, rng: torch.Generator
    ) -> nn.Module:
        """Forget some examples and keep others.

        Raises:
            InputError: When the sets share a record, or the model gives values that are not
                finite before or after.
        """
        shared = torch.isin(forget.ids, retain.ids)
        if shared.any():
            raise InputError(
                f"record {int(forget.ids[shared][0])} is both to forget and to retain; cut the "
                "training set with split_request"
            )
        _check_finite(model, forget, "the model to unlearn from")
        unlearned = self.unlearn(model, forget, retain, rng, self.config)
        _check_finite(unlearned, forget, f"the model after {self.name}")
        return unlearned


@torch.no_grad()
def _check_finite(model: nn.Module, examples: Examples, which: str) -> None:
    if not torch.isfinite(model(examples.inputs[:8])).all():
        raise InputError(f"{which} gives outputs that are not finite; lower the learning rate")
