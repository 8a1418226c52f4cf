"""The small transformer: causal, any length, and the same under vmap."""

import pytest
import torch
from torch.func import functional_call, vmap

from sterling.errors import InputError
from sterling.lm.small_transformer import SmallTransformer


def model() -> SmallTransformer:
    torch.manual_seed(0)
    return SmallTransformer(11, context=9, width=16, layers=2, heads=4).double()


def test_a_token_sees_nothing_that_follows() -> None:
    network = model()
    tokens = torch.randint(11, (3, 8), generator=torch.Generator().manual_seed(0))
    changed = tokens.clone()
    changed[:, 5] = (changed[:, 5] + 1) % 11
    before, after = network(tokens), network(changed)
    assert torch.equal(before[:, :5], after[:, :5])
    assert not torch.isclose(before[:, 5:], after[:, 5:]).all(-1).any()


def test_a_prefix_gives_the_same_logits_as_the_whole() -> None:
    network = model()
    tokens = torch.randint(11, (2, 9), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(network(tokens[:, :4]), network(tokens)[:, :4])


def test_attention_is_that_of_torch() -> None:
    block = model().blocks[0]
    x = torch.randn(2, 5, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    reference = torch.nn.MultiheadAttention(16, 4, batch_first=True).double()
    qkv, out = block.get_submodule("to_qkv"), block.get_submodule("from_heads")
    reference.load_state_dict(
        {
            "in_proj_weight": qkv.weight,
            "in_proj_bias": qkv.bias,
            "out_proj.weight": out.weight,
            "out_proj.bias": out.bias,
        }
    )
    normed = block.get_submodule("norm_attention")(x)
    later = torch.ones(5, 5, dtype=torch.bool).triu(1)
    attended = x + reference(normed, normed, normed, attn_mask=later, need_weights=False)[0]
    after_norm = block.get_submodule("norm_mlp")(attended)
    expected = attended + block.get_submodule("mlp")(after_norm)
    torch.testing.assert_close(block(x), expected)


def test_it_maps_over_parameter_sets() -> None:
    network = model()
    tokens = torch.randint(11, (2, 6), generator=torch.Generator().manual_seed(3))
    stacked = {name: torch.stack([p, 2 * p]).detach() for name, p in network.named_parameters()}
    both = vmap(lambda own: functional_call(network, own, (tokens,)))(stacked)
    torch.testing.assert_close(both[0], network(tokens))


def test_bad_sizes_are_told() -> None:
    with pytest.raises(InputError, match="the context holds 9"):
        model()(torch.zeros(1, 10, dtype=torch.int64))
    with pytest.raises(InputError, match="multiple of the 4 heads"):
        SmallTransformer(5, context=4, width=10, heads=4)
