import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from sterling.face.pad.layers.spatio_temporal import ConvGRUCell


def cell(inputs: int = 3, hidden: int = 2) -> ConvGRUCell:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ConvGRUCell(inputs, hidden).double()


def noise(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def hold(unit: ConvGRUCell, *, reset: float | None = None, update: float | None = None) -> None:
    """Fix gates at 0 (bias -1000) or 1 (bias 1000)."""
    with torch.no_grad():
        for row, gate in enumerate((reset, update)):
            if gate is not None:
                unit.gate_bias[row] = 1000 * (2 * gate - 1)


def test_a_closed_update_gate_keeps_the_state() -> None:
    unit = cell()
    hold(unit, update=0)
    state = noise(2, 2, 5, 5).tanh()
    assert torch.equal(unit(noise(2, 3, 5, 5, seed=1), state), state)


def test_with_update_open_and_reset_closed_only_the_input_counts() -> None:
    unit = cell()
    hold(unit, reset=0, update=1)
    x = noise(2, 3, 5, 5)
    one, other = unit(x, noise(2, 2, 5, 5, seed=1)), unit(x, noise(2, 2, 5, 5, seed=2))
    assert torch.equal(one, other)
    assert not torch.equal(one, unit(-x, noise(2, 2, 5, 5, seed=1)))


def test_the_state_counts_by_default() -> None:
    unit = cell()
    x = noise(1, 3, 5, 5)
    assert not torch.equal(unit(x, noise(1, 2, 5, 5)), unit(x, noise(1, 2, 5, 5, seed=2)))


def test_on_one_pixel_with_open_reset_it_is_torchs_gru() -> None:
    unit, theirs = cell(), nn.GRUCell(3, 2).double()
    hold(unit, reset=1)
    # One pixel sees the kernels' centres only; PyTorch's z is the share that is kept, 1 - U.
    gates, candidate = (layer.weight[:, :, 1, 1] for layer in (unit.gates, unit.candidate))
    assert unit.candidate.bias is not None
    with torch.no_grad():
        unit.candidate.bias.copy_(torch.tensor([0.3, -0.4]))
        theirs.weight_hh.copy_(torch.cat([0 * gates[:2, :2], -gates[2:, :2], candidate[:, :2]]))
        theirs.weight_ih.copy_(torch.cat([0 * gates[:2, 2:], -gates[2:, 2:], candidate[:, 2:]]))
        theirs.bias_hh.zero_()
        theirs.bias_ih.copy_(
            torch.cat([torch.full((2,), 1000.0), -unit.gate_bias[1].flatten(), unit.candidate.bias])
        )
        x, state = noise(4, 3, 1, 1), noise(4, 2, 1, 1, seed=1)
        expected = theirs(x.flatten(1), state.flatten(1))
        torch.testing.assert_close(unit(x, state).flatten(1), expected)


def test_at_first_it_mostly_keeps_its_state() -> None:
    unit = cell()
    with torch.no_grad():
        unit.gates.weight.zero_()
        unit.candidate.weight.zero_()
        assert unit.candidate.bias is not None
        unit.candidate.bias.zero_()
        kept = unit(noise(1, 3, 4, 4), torch.ones(1, 2, 4, 4, dtype=torch.float64))
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 + math.exp(-1))))


@given(st.integers(0, 2**16), st.floats(0.1, 30))
def test_a_state_within_bounds_stays_there(seed: int, size: float) -> None:
    unit = cell()
    state = torch.zeros(1, 2, 4, 4, dtype=torch.float64)
    for step in range(4):
        state = unit(size * noise(1, 3, 4, 4, seed=seed + step), state)
    assert bool((state.abs() <= 1).all())
