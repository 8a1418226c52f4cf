"""The unlearning methods by name, with constants that suit small models.

GA: Jang et al., "Knowledge Unlearning for Mitigating Privacy Risks in Language Models", ACL 2023.
GradDiff: Liu, Liu and Stone, "Continual Learning and Private Unlearning", CoLLAs 2022. KL-min:
Maini et al., "TOFU: A Task of Fictitious Unlearning for LLMs", COLM 2024, section 3.3. These and
other methods of two losses need no function of their own; the rest is documented where it lies.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from sterling.errors import InputError
from sterling.plugins import Registry
from sterling.privacy.unlearning.curvature import fisher_forgetting, newton, ssd
from sterling.privacy.unlearning.descent import Descent, minimise
from sterling.privacy.unlearning.distillation import bad_teacher, scrub, whp
from sterling.privacy.unlearning.exact import Train, retrain
from sterling.privacy.unlearning.examples import Examples
from sterling.privacy.unlearning.gradient_based import fine_tune, pdu, task_vector
from sterling.privacy.unlearning.losses import (
    ascent,
    ce_u,
    divergence,
    npo,
    simnpo,
    undial,
    weighted_ascent,
)
from sterling.privacy.unlearning.relabelling import (
    boundary_expand,
    boundary_shrink,
    random_label,
    salun,
)
from sterling.privacy.unlearning.rmu import rmu

Unlearn = Callable[[nn.Module, Examples, Examples, torch.Generator], nn.Module]
"""From (model, forget, retain, rng) to a new model in evaluation mode; the model stays as it is."""


@dataclass(frozen=True)
class Method:
    """An unlearning method.

    Attributes:
        name: Name in the field's terms.
        unlearn: The function, its constants bound with `functools.partial`.
        source: Publication.
    """

    name: str
    unlearn: Unlearn
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
                "training set with split_deletion_request"
            )
        _check_finite(model, forget, "the model to unlearn from")
        unlearned = self.unlearn(model, forget, retain, rng)
        _check_finite(unlearned, forget, f"the model after {self.name}")
        return unlearned


@torch.no_grad()
def _check_finite(model: nn.Module, examples: Examples, which: str) -> None:
    if not torch.isfinite(model(examples.inputs[:8])).all():
        raise InputError(f"{which} gives outputs that are not finite; lower the learning rate")


@dataclass(frozen=True)
class Setup:
    """Ingredients of the unlearning methods.

    Attributes:
        train: Training that the model to unlearn from went through.
        descent: Steps and rate of methods whose loss has a minimum.
        short: A fifth of the steps (ours), for methods that ascend a loss without a bound or do
            not look at the retained data.
    """

    train: Train
    descent: Descent
    short: Descent


Build = Callable[[Setup], Unlearn]
"""Binds a method's constants."""


def _full(unlearn: Callable[..., nn.Module], **constants: Any) -> Build:
    return lambda setup: partial(unlearn, **constants, descent=setup.descent)


def _short(unlearn: Callable[..., nn.Module], **constants: Any) -> Build:
    return lambda setup: partial(unlearn, **constants, descent=setup.short)


SATIMP = partial(weighted_ascent, saturation=5.0, importance=1.0)

_OWN: dict[str, tuple[str, Build]] = {
    "retrain": ("exact", lambda setup: partial(retrain, train=setup.train)),
    "FT": ("fine-tuning", _full(fine_tune)),
    "l1-sparse": ("Jia et al., NeurIPS 2023", _full(fine_tune, l1=5e-4)),
    "GA": ("Jang et al., ACL 2023", _short(minimise, forget_loss=ascent, retain_loss=None)),
    "GradDiff": ("Liu et al., CoLLAs 2022", _short(minimise, forget_loss=ascent)),
    "KL-min": (
        "Maini et al., COLM 2024",
        _short(minimise, forget_loss=ascent, retain_loss=divergence),
    ),
    "random label": ("Graves et al., AAAI 2021", _full(random_label)),
    "NPO": ("Zhang et al., COLM 2024", _full(minimise, forget_loss=npo)),
    "SimNPO": ("Fan et al., 2024", _full(minimise, forget_loss=simnpo, forget_weight=0.125)),
    "WGA": ("Wang et al., ICLR 2025", _full(minimise, forget_loss=weighted_ascent)),
    "SatImp": ("Yang et al., 2025", _full(minimise, forget_loss=SATIMP, forget_weight=0.1)),
    "UNDIAL": ("Dong et al., 2025", _full(minimise, forget_loss=undial, retain_loss=None)),
    "CE-U": ("Yang, 2025", _full(minimise, forget_loss=ce_u, retain_loss=None)),
    "WHP": (
        "Eldan and Russinovich, 2023",
        lambda setup: partial(whp, reinforcement=setup.short, descent=setup.descent),
    ),
    "PDU": ("Entesari et al., 2025", _full(pdu)),
    "SCRUB": ("Kurmanji et al., NeurIPS 2023", _full(scrub)),
    "Bad-T": ("Chundawat et al., AAAI 2023", _full(bad_teacher)),
    "SalUn": ("Fan et al., ICLR 2024", _full(salun)),
    # The paper's 10 selects nothing once the forget set is a tenth of the data.
    "SSD": ("Foster et al., AAAI 2024", lambda _setup: partial(ssd, selection=2.0)),
    "Fisher": ("Golatkar et al., CVPR 2020", lambda _setup: fisher_forgetting),
    "Newton": ("Guo et al., ICML 2020", lambda _setup: newton),
    "task vector": ("Ilharco et al., ICLR 2023", _short(task_vector)),
    "RMU": ("Li et al., ICML 2024", _full(rmu)),
    "boundary shrink": ("Chen et al., CVPR 2023", _short(boundary_shrink)),
    "boundary expand": ("Chen et al., CVPR 2023", _short(boundary_expand)),
}


def _check(name: str, method: tuple[str, Build]) -> None:
    match method:
        case (str(), build) if callable(build):
            return
    raise InputError(
        f"unlearning method {name!r} is {method!r}: give its publication and its builder"
    )


METHODS = Registry("unlearning method", "sterling.privacy.unlearning", _OWN, _check)
"""Publication and builder of every method by name.

To add one: ``METHODS["mine"] = "Ours", lambda setup: partial(mine, descent=setup.descent)``; see
``docs/plugins.md``.
Functions that need more than a model and two sets are not here: "idk" (needs refusals), "sisa" (an
ensemble) and "amnesiac" (a log).
"""


def unlearning_methods(train: Train, descent: Descent) -> dict[str, Method]:
    """Build every method of ``METHODS``, "retrain" first.

    Args:
        train: Training that the model to unlearn from went through.
        descent: Steps and rate; see `Setup`.
    """
    setup = Setup(train, descent, replace(descent, steps=max(1, descent.steps // 5)))
    return {name: Method(name, build(setup), source) for name, (source, build) in METHODS.items()}
