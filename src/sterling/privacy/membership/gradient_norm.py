"""The white-box attack by gradient norms: training has made the gradients of members small."""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.func import functional_call, grad, vmap

from sterling.errors import InputError
from sterling.measure import Scores, auc
from sterling.privacy.targets.models import Models


def gradient_norms(
    models: Models, x: Tensor, y: Tensor, *, order: float = 2.0, batch_size: int = 256
) -> NDArray[np.float64]:
    """Mean over the parameter tensors of the p-norm of a record's gradient, (models, records).

    Args:
        models: The models attacked.
        x: Records, (records, *shape).
        y: Classes, (records,).
        order: p, 1 or more.
        batch_size: Records at a time, which bounds the memory for their gradients.
    """
    if order < 1:
        raise InputError(f"order {order}: a norm has 1 or more")

    def loss(own: dict[str, Tensor], record: Tensor, label: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(models.network, own, record[None]), label[None])

    def norm(own: dict[str, Tensor], record: Tensor, label: Tensor) -> Tensor:
        gradients = grad(loss)(own, record, label)
        norms = [torch.linalg.vector_norm(g, ord=order) for g in gradients.values()]
        return torch.stack(norms).mean()

    every = vmap(vmap(norm, in_dims=(None, 0, 0)), in_dims=(0, None, None))
    pairs = zip(
        torch.split(x.to(models.dtype), batch_size), torch.split(y, batch_size), strict=True
    )
    parts = [every(models.parameters, records, labels) for records, labels in pairs]
    return np.asarray(torch.cat(parts, dim=1).detach().numpy(), dtype=np.float64)


def learned_sign(norms: ArrayLike, member: ArrayLike) -> int:
    """1 if members have the larger norms, else -1; ``sign * norms`` is then higher for members.

    Args:
        norms: Of a shadow model's records, (records,), none of them used to calibrate or test.
        member: Whether the shadow was trained on each, (records,).
    """
    return 1 if auc(Scores(norms, member)).value > 0.5 else -1
