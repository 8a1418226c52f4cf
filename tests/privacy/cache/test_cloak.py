"""Matrices, blocks and their restoration: identities, and what the published marker can fail at."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tests.privacy.cache.conftest import KEY
from torch import Tensor

from sterling.errors import InputError
from sterling.privacy.cache import (
    CloakConfig,
    LayerSecret,
    draw_secret,
    obfuscate,
    restore,
    restore_by_marker,
)
from sterling.privacy.cache.cloak import PADDING, keyed_normal, keyed_uniform, pair_rotation

CONFIGS = (
    CloakConfig(),
    CloakConfig(s_ratio=2.0, m_ratio=3.0),
    CloakConfig(block=8, mask="dense", s_ratio=2.0),
)


def _layer(config: CloakConfig, heads: int = 3, d: int = 64, key: bytes = KEY) -> LayerSecret:
    return draw_secret(torch.ones(1, 2, heads, dtype=torch.float64), d, config, key).layers[0]


def _rows(*shape: int, seed: int = 0) -> Tensor:
    """Entries within the largest that secrets of these tests were drawn for."""
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1


def test_keyed_numbers_are_uniform_normal_and_tied_to_their_place() -> None:
    drawn = keyed_uniform(KEY, (1, 2), (4000,))
    assert stats.kstest(drawn, "uniform").pvalue > 1e-3
    assert stats.kstest(keyed_normal(KEY, (3,), (4000,)), "norm").pvalue > 1e-3
    assert np.array_equal(drawn, keyed_uniform(KEY, (1, 2), (4000,)))
    for key, place in ((KEY, (2, 1)), (KEY, (1, 2, 0)), (bytes(32), (1, 2))):
        other = keyed_uniform(key, place, (4000,))
        assert abs(np.corrcoef(drawn, other)[0, 1]) < 0.08  # five standard errors
    with pytest.raises(InputError, match="give 32"):
        keyed_uniform(b"short", (1,), (1,))


@given(st.integers(0, 2**32), st.integers(0, 500))
@settings(max_examples=20)
def test_pair_rotations_commute_with_rotary_embeddings(seed: int, position: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = pair_rotation(
        torch.from_numpy(rng.uniform(0, 7, 8)), torch.from_numpy(rng.uniform(0.3, 3, 8))
    )
    rows = torch.from_numpy(rng.normal(size=(5, 16)))
    angles = position / 10000 ** (torch.arange(8, dtype=torch.float64) / 8)
    cosine, sine = angles.cos().repeat(2), angles.sin().repeat(2)

    def rotary(x: Tensor) -> Tensor:
        return x * cosine + torch.cat((-x[:, 8:], x[:, :8]), dim=1) * sine

    torch.testing.assert_close(rotary(rows) @ matrix, rotary(rows @ matrix), rtol=0, atol=1e-12)


def test_defaults_are_orthogonal_and_ratios_bound_condition_numbers() -> None:
    layer = _layer(CloakConfig())
    eye = torch.eye(16, dtype=torch.float64).expand(2, 3, 16, 16)
    torch.testing.assert_close(layer.scrambler @ layer.scrambler.mT, eye)
    scaled = _layer(CloakConfig(s_ratio=2.0, m_ratio=3.0))
    for matrix, ratio in ((scaled.scrambler, 2.0), (scaled.mixer, 3.0)):
        values = torch.linalg.svdvals(matrix)
        assert 1 / ratio <= values.min() < 1 < values.max() <= ratio
    assert bool((layer.offset >= 3 * layer.bound[..., None]).all())
    assert bool((layer.offset <= 4 * layer.bound[..., None]).all())


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("length", [1, 16, 37])
def test_blocks_come_back_in_order(config: CloakConfig, length: int) -> None:
    layer, rows = _layer(config), _rows(2, 2, 3, length, 64)
    serials = [(7, block) for block in range(-(-length // config.block))]
    blocks = obfuscate(rows, layer, serials)
    assert blocks.shape == (2, 2, 3, len(serials), config.block, 64)
    found = restore(blocks, layer, serials, length)
    torch.testing.assert_close(found, rows, rtol=0, atol=1e-12)
    single = restore(obfuscate(rows.float(), layer, serials), layer, serials, length)
    tolerance = 1e-5 if config.mask == "row" else 1e-4  # masks are forty times the entries
    torch.testing.assert_close(single, rows.float(), rtol=0, atol=tolerance)


@pytest.mark.parametrize("config", CONFIGS[:2])
def test_the_marker_alone_restores_the_rows_of_each_block(config: CloakConfig) -> None:
    layer, rows = _layer(config), _rows(2, 2, 3, 37, 64)
    mixed = rows @ layer.mixer[:, None]
    blocks = restore_by_marker(obfuscate(mixed, layer, [(0,), (1,), (2,)]), layer)
    assert [block.shape[-2] for block in blocks] == [16, 16, 5]
    for at, block in enumerate(blocks):
        truth = rows[..., 16 * at : 16 * at + 16, :]
        found = block @ layer.unmixer[:, None]
        # One order for all heads, keys and values: the one of the first head puts all in place.
        order = torch.cdist(truth[0, 0, 0], found[0, 0, 0]).argmin(dim=1)
        assert sorted(order.tolist()) == list(range(truth.shape[-2]))
        torch.testing.assert_close(found[..., order, :], truth, rtol=0, atol=1e-11)


def test_permutations_are_new_for_each_block_and_write() -> None:
    layer, rows = _layer(CloakConfig()), _rows(2, 1, 3, 16, 64)
    first, second = (obfuscate(rows, layer, [(serial,)]) for serial in (1, 2))
    assert float((first - second).abs().max()) > 1
    torch.testing.assert_close(first, obfuscate(rows, layer, [(1,)]))
    # Row 0 comes to each of 16 places equally often: chi-square over 1,600 serial numbers.
    places = Counter(int(layer.inverse_order((serial,))[0]) for serial in range(1600))
    assert stats.chisquare([places[place] for place in range(16)]).pvalue > 1e-4


def test_entries_beyond_the_bound_are_refused() -> None:
    layer = _layer(CloakConfig())
    with pytest.raises(InputError, match="raise theta_ratio above 2"):
        obfuscate(_rows(2, 1, 3, 16, 64) * 4, layer, [(0,)])


def test_padding_before_the_mixer_would_pass_for_the_marker() -> None:
    """A pair at 1.5 bounds, turned by a random angle, has an entry above 2 in 10.8 %."""
    bound = 1.0
    rng = np.random.default_rng(0)
    angles = torch.from_numpy(rng.uniform(0, 2 * np.pi, (20_000, 1)))
    turned = torch.full((20_000, 1, 2), PADDING * bound, dtype=torch.float64) @ pair_rotation(
        angles, torch.ones_like(angles)
    )
    share = float((turned[:, 0, 0] > 2 * bound).double().mean())
    assert share == pytest.approx(np.arccos(2 / (PADDING * 2**0.5)) / np.pi, abs=0.01)
    assert share == pytest.approx(0.108, abs=0.01)


def test_bfloat16_loses_to_the_offset_what_plain_rounding_does_not() -> None:
    layer, rows = _layer(CloakConfig()), _rows(2, 1, 3, 16, 64)
    stored = obfuscate(rows, layer, [(0,)])
    found = restore(stored.bfloat16().double(), layer, [(0,)], 16)
    cloaked = float((found - rows).norm(dim=-1).max())
    plain = float((rows.bfloat16().double() - rows).norm(dim=-1).max())
    assert cloaked > 5 * plain  # 0.35 against 0.02 where entries have a variance of one


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"block": 1}, "block is 1"),
        ({"s_ratio": 0.5}, "s_ratio is 0.5"),
        ({"mask": "none"}, "available: dense, row"),
        ({"mask_ratio": 0.0}, "mask_ratio is 0.0"),
    ],
)
def test_constants_that_make_no_sense_are_told(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        CloakConfig(**change)  # type: ignore[arg-type]


def test_secrets_need_measured_entries_and_pairs() -> None:
    with pytest.raises(InputError, match="not above 0"):
        draw_secret(torch.zeros(1, 2, 3), 16, CloakConfig(), KEY)
    with pytest.raises(InputError, match="even"):
        draw_secret(torch.ones(1, 2, 3), 15, CloakConfig(), KEY)
    dense = _layer(CloakConfig(mask="dense"))
    with pytest.raises(InputError, match="restore by serial numbers"):
        restore_by_marker(obfuscate(_rows(2, 1, 3, 16, 64), dense, [(0,)]), dense)
