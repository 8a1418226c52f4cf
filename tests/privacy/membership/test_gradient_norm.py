import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sterling.errors import InputError
from sterling.privacy.membership import gradient_norms, learned_sign
from sterling.privacy.targets.models import initialise, mlp, softmax_regression


@pytest.mark.parametrize("order", [1.0, 2.0])
def test_it_is_the_norm_of_each_records_own_gradient(order: float) -> None:
    models = initialise(lambda: mlp((5,), 3, width=4), [0, 1])
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(7, 5, generator=generator), torch.arange(7) % 3
    norms = gradient_norms(models, x, y, order=order, batch_size=3)
    for row in range(2):
        module = models.module(row)
        for record in range(7):
            module.zero_grad()
            F.cross_entropy(module(x[[record]]), y[[record]]).backward()  # type: ignore[no-untyped-call]
            tensors = [p.grad.abs().pow(order).sum() ** (1 / order) for p in module.parameters()]  # type: ignore[union-attr]
            expected = float(torch.stack(tensors).mean())
            assert norms[row, record] == pytest.approx(expected, rel=1e-5)


def test_softmax_regression_in_closed_form() -> None:
    models = initialise(lambda: softmax_regression((4,), 3), [0])
    x, y = torch.randn(6, 4, generator=torch.Generator().manual_seed(1)), torch.arange(6) % 3
    residual = models.logits(x)[0].softmax(1) - F.one_hot(y, 3)
    length = residual.norm(dim=1)
    expected = (length * x.norm(dim=1) + length) / 2  # weight and bias
    np.testing.assert_allclose(gradient_norms(models, x, y)[0], expected.numpy(), rtol=1e-5)


def test_the_sign_is_learned() -> None:
    member = np.array([True, True, False, False])
    x, y = torch.zeros(1, 2), torch.zeros(1)
    assert learned_sign([1.0, 2.0, 3.0, 4.0], member) == -1
    assert learned_sign([4.0, 3.0, 2.0, 1.0], member) == 1
    with pytest.raises(InputError, match=r"order 0\.5"):
        gradient_norms(initialise(lambda: mlp((2,), 2), [0]), x, y, order=0.5)
