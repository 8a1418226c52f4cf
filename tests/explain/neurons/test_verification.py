"""Verification: ablation touches one unit, metrics pass their sanity checks, controls lose."""

import numpy as np
import pytest
import torch
from torch import nn

from sterling.errors import InputError
from sterling.explain.neurons.verification import (
    METRICS,
    Sanity,
    ablated,
    class_accuracy,
    sanity_drop,
    selectivity,
    simulation_score,
)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5))


def test_ablation_holds_one_unit_and_ends() -> None:
    made, plain = torch.rand(6, 3, 8, 8), network()
    whole = plain(made)
    with torch.no_grad():
        maps = plain[:2](made)  # type: ignore[index]
        maps[:, 2] = 0.3
        expected = plain[2:](maps)  # type: ignore[index]
    with ablated(plain, "1", 2, value=0.3):
        torch.testing.assert_close(plain(made), expected)
    torch.testing.assert_close(plain(made), whole)
    with pytest.raises(InputError, match="unit 4: layer 1 has 0 to 3"), ablated(plain, "1", 4):
        plain(made)
    torch.testing.assert_close(plain(made), whole)  # the hook is gone after an error
    with pytest.raises(InputError, match="layer"), ablated(plain, "conv", 0):
        pass


def test_tokens_lose_a_feature_everywhere() -> None:
    layer = nn.Sequential(nn.Identity())
    tokens = torch.rand(2, 5, 3)
    with ablated(layer, "0", 1):
        found = layer(tokens)
    assert (found[..., 1] == 0).all()
    torch.testing.assert_close(found[..., [0, 2]], tokens[..., [0, 2]])


def test_accuracy_by_class_and_selectivity() -> None:
    class Fixed(nn.Module):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return torch.eye(4)[pictures[:, 0, 0, 0].long()]

    said = torch.tensor([0, 0, 1, 2, 2, 2])
    made = said[:, None, None, None].expand(-1, 3, 2, 2).float()
    labels = torch.tensor([0, 1, 1, 2, 2, 0])
    found = class_accuracy(Fixed(), made, labels, 4, batch=4)
    np.testing.assert_allclose(found, [0.5, 0.5, 1.0, np.nan])
    after = np.array([0.1, 0.5, 0.9, np.nan])
    assert selectivity(found, after, [0]) == pytest.approx(0.4 - 0.05)
    with pytest.raises(InputError, match="some of the 4, not all"):
        selectivity(found, after, [])


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("test", ["missing labels", "extra labels"])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_metrics_fall_when_labels_are_missing_or_added(
    name: str, test: Sanity, noise: float
) -> None:
    rng = np.random.default_rng(0)
    drops = []
    for _ in range(20):
        present = rng.random(400) < 0.1
        values = present + noise * rng.normal(size=400)
        drops.append(sanity_drop(METRICS[name], values, present, test, rng))
    assert np.mean(drops) - 3 * np.std(drops) / np.sqrt(20) > 0.05


def test_recall_fails_the_sanity_check_that_the_others_pass() -> None:
    # Control: the share of a concept's pictures that fire does not fall when labels are missing.
    def recall(values: np.ndarray, present: np.ndarray) -> float:
        return float((values[present] > 0.5).mean())

    rng = np.random.default_rng(1)
    present = rng.random(400) < 0.1
    values = present.astype(np.float64)
    assert sanity_drop(recall, values, present, "missing labels", rng) == 0


@pytest.mark.parametrize("name", METRICS)
def test_a_perfect_name_scores_one_and_a_random_one_little(name: str) -> None:
    rng = np.random.default_rng(2)
    present = rng.random(300) < 0.2
    values = present.astype(np.float64)
    assert METRICS[name](values, present) == pytest.approx(1.0)
    assert METRICS[name](values, np.ones(300, dtype=bool)) < 0.5  # "depiction" fits everything
    shuffled = [METRICS[name](values, rng.permutation(present)) for _ in range(50)]
    assert np.mean(shuffled) < 0.4


def test_simulation_is_a_rank_correlation() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=50)
    assert simulation_score(np.exp(values), values) == pytest.approx(1.0)
    assert simulation_score(-values, values) == pytest.approx(-1.0)
