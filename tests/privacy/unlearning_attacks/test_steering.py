"""Prefixes, soft prompts, layers and adapters, on models whose weak spot is known."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tests.draws import seeded
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.lm.small_transformer import SmallTransformer
from sterling.privacy.unlearning import IGNORED, Descent, Examples
from sterling.privacy.unlearning_attacks import (
    behind,
    best_prefix,
    exact_memorisation,
    fit_soft_prompt,
    linear_probe,
    logit_lens,
    merge_benign_adapter,
)


class Guarded(nn.Module):
    """Says token + 1 if the first embedding is large enough, and 0 otherwise: a lock on a door."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(9, 3)
        with torch.no_grad():
            self.tokens.weight.copy_(torch.arange(9.0)[:, None].expand(9, 3) / 10)

    def forward(self, tokens: Tensor) -> Tensor:
        password = self.tokens(tokens)[:, :1].sum(-1, keepdim=True)
        said = F.one_hot((tokens + 1) % 9, 9).float()
        silent = F.one_hot(torch.zeros_like(tokens), 9).float()
        logits: Tensor = (password - 2.0) * said + (2.0 - password) * silent
        return logits


def texts(n: int = 12) -> Examples:
    inputs = torch.arange(3 * n).reshape(n, 3) % 7 + 1
    inputs[:, 0] = 1
    labels = inputs + 1
    labels[:, 0] = IGNORED
    return Examples(inputs, labels, torch.arange(n))


def said(model: nn.Module, examples: Examples) -> float:
    with torch.no_grad():
        return float(exact_memorisation(model(examples.inputs), examples.labels).mean())


def test_the_prefix_that_opens_the_door_is_found_and_works_on_other_texts() -> None:
    model, everything = Guarded(), texts()
    known, wanted = everything.select(torch.arange(6)), everything.select(torch.arange(6, 12))
    assert said(model, wanted) == 0
    prefix = best_prefix(model, known, torch.tensor([[2], [8], [4]]), research_use=True)
    assert prefix.tolist() == [8]
    assert said(model, behind(prefix, wanted)) == 1
    assert torch.equal(behind(prefix, wanted).inputs[:, 1:], wanted.inputs[:, 1:])
    with pytest.raises(InputError, match="research_use false"):
        best_prefix(model, known, torch.tensor([[2]]), research_use=False)
    with pytest.raises(InputError, match="with one at least"):
        best_prefix(model, known, torch.zeros(0, 1, dtype=torch.int64), research_use=True)
    with pytest.raises(InputError, match="prefix of 3 tokens"):
        behind(torch.tensor([1, 2, 3]), wanted)


def test_a_soft_prompt_opens_the_door_without_a_key_in_the_vocabulary() -> None:
    model, everything = Guarded(), texts()
    with torch.no_grad():
        model.tokens.weight.mul_(0.5)  # no token is large enough now
    known, wanted = everything.select(torch.arange(6)), everything.select(torch.arange(6, 12))
    prefix = best_prefix(model, known, torch.arange(9)[:, None], research_use=True)
    assert said(model, behind(prefix, wanted)) == 0
    before = model.tokens.weight.clone()
    rng = seeded()
    options = {"length": 1, "rng": rng, "descent": Descent(60, 0.1)}
    prompted = fit_soft_prompt(model, known, research_use=True, **options)  # type: ignore[arg-type]
    assert said(prompted, wanted) == 1
    assert torch.equal(model.tokens.weight, before)
    assert said(model, wanted) == 0, "the hook must not stay"
    with pytest.raises(InputError, match="research_use false"):
        fit_soft_prompt(model, known, research_use=False, **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="length 3: give 1 to 2"):
        fit_soft_prompt(
            model, known, length=3, research_use=True, rng=rng, descent=Descent(steps=1)
        )


def test_the_lens_at_the_last_block_is_the_model_and_sees_what_a_later_layer_hides() -> None:
    torch.manual_seed(0)
    model = SmallTransformer(11, context=4, width=8, layers=2, heads=2).eval()
    tokens = torch.randint(11, (5, 4))
    with torch.no_grad():
        expected = model(tokens)
        torch.testing.assert_close(logit_lens(model, tokens, "blocks.1"), expected)
        inner = logit_lens(model, tokens, "blocks.0")
        model.get_parameter("blocks.1.mlp.2.bias").copy_(100 * torch.randn(8))
        torch.testing.assert_close(logit_lens(model, tokens, "blocks.0"), inner)
        assert not torch.allclose(model(tokens), expected, atol=0.1)


def test_a_probe_finds_a_planted_direction_and_no_author_by_name() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(16), 5)
    names = rng.normal(size=(16, 20))[groups]  # every item carries its author's name, large
    noise = rng.normal(size=(80, 20)) * 0.1
    trace = np.zeros((80, 20))
    trace[:40, 3] = 4.0
    blank = [
        linear_probe((seeded := rng.normal(size=(16, 20))[groups])[:40], seeded[40:], groups).value
        for _ in range(12)
    ]
    # The mean of 12 areas of 8 authors a side: one area has a standard error of about 0.16.
    assert abs(float(np.mean(blank)) - 0.5) < 4 * 0.16 / np.sqrt(12)
    planted = names + noise + trace
    assert linear_probe(planted[:40], planted[40:], groups).value > 0.9
    with pytest.raises(InputError, match="one side has 2, 4 folds"):
        linear_probe(planted[:10], planted[40:], groups[np.r_[:10, 40:80]])
    with pytest.raises(InputError, match="give"):
        linear_probe(planted[:40], planted[40:], groups[:-1])


def test_an_adapter_is_of_low_rank_and_moves_linear_layers_only() -> None:
    torch.manual_seed(0)
    model = SmallTransformer(11, context=4, width=8, layers=1, heads=2).eval()
    tokens = torch.randint(11, (20, 4))
    benign = Examples(tokens, (tokens + 1) % 11, torch.arange(20))
    rng = seeded()
    merged = merge_benign_adapter(model, benign, rank=2, rng=rng, descent=Descent(40, 1e-2))
    linear = {f"{n}.weight" for n, part in model.named_modules() if isinstance(part, nn.Linear)}
    for name, value in model.named_parameters():
        change = merged.get_parameter(name) - value
        if name in linear:
            singular = torch.linalg.svdvals(change.detach())
            assert singular[0] > 1e-3 > 1e-5 > singular[2], name
        else:
            assert not change.any(), name

    def loss(network: nn.Module) -> float:
        with torch.no_grad():
            return float(F.cross_entropy(network(tokens).flatten(0, 1), benign.labels.flatten()))

    assert loss(merged) < 0.8 * loss(model)
    still = merge_benign_adapter(model, benign, rank=2, rng=rng, descent=Descent(steps=0))
    for name, value in still.named_parameters():
        torch.testing.assert_close(value, model.get_parameter(name))
    with pytest.raises(InputError, match="rank 0"):
        merge_benign_adapter(model, benign, rank=0, rng=rng, descent=Descent())
