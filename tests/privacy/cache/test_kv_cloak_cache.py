"""The fused model and the cache: what the model says stays, what is held is hidden."""

import subprocess
import sys
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tests.draws import normal, seeded
from tests.privacy.cache.conftest import Decoder, secret_for, tokens
from torch import Tensor
from transformers import DynamicCache, GPT2Config, GPT2LMHeadModel

from sterling.errors import InputError
from sterling.privacy import KVCloakCache
from sterling.privacy.cache import (
    CloakConfig,
    cloaked_snapshot,
    fuse,
    obfuscate,
    plain_snapshot,
    restore,
    snapshot,
)
from sterling.privacy.cache.blocks import BlockMixer
from sterling.privacy.cache.cloaked_attention import CloakedRows, HeldBlocks, attend

CONFIGS = (
    CloakConfig(),
    CloakConfig(s_ratio=2.0, m_ratio=2.0),
    CloakConfig(mask="dense", s_ratio=2.0),
)


def _generated(model: Any, ids: Tensor, cache: Any = None, **more: Any) -> Tensor:
    more = {"max_new_tokens": 40, "do_sample": False, **more}
    generated: Tensor = model.generate(input_ids=ids, past_key_values=cache, **more)
    return generated


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("kv_heads", [8, 2])  # groups of 1 and 4
def test_fused_logits_are_the_originals(decoder: Decoder, kv_heads: int, biased: bool) -> None:
    ids = tokens(2, 50)
    for dtype, tolerance in ((torch.float64, 1e-6), (torch.float32, 1e-5)):
        model = decoder(8, kv_heads, dtype, biased)
        fused = fuse(model, secret_for(model, CloakConfig(m_ratio=2.0)))
        plain, turned = (each(input_ids=ids).logits for each in (model, fused))
        # float64 models of transformers normalise in float32, so logits tell no more than that.
        assert float((plain - turned).abs().max() / plain.abs().max()) < tolerance


def test_fused_attention_is_exact_in_float64(decoder: Decoder) -> None:
    model = decoder(8, 2, torch.float64)
    secret = secret_for(model, CloakConfig(m_ratio=2.0))
    fused = fuse(model, secret)
    plain, turned = (each.model.layers[0].self_attn for each in (model, fused))
    hidden = normal(1, 30, 128, seed=1, dtype=torch.float64)
    rotary = model.model.rotary_emb(hidden, torch.arange(30)[None])
    caches = DynamicCache(), DynamicCache()
    outputs = [
        each(hidden, position_embeddings=rotary, attention_mask=None, past_key_values=cache)[0]
        for each, cache in zip((plain, turned), caches, strict=True)
    ]
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-12)
    mixed = caches[0].layers[0].keys @ secret.layers[0].mixer[0]
    torch.testing.assert_close(caches[1].layers[0].keys, mixed, rtol=0, atol=1e-12)
    assert float((mixed - caches[0].layers[0].keys).abs().max()) > 0.5


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("fused", [True, False])
def test_generation_is_the_plain_one(decoder: Decoder, config: CloakConfig, fused: bool) -> None:
    model = decoder(8, 2)
    secret = secret_for(model, config)
    runner = fuse(model, secret) if fused else model
    for ids in (tokens(1, 37), tokens(3, 16)):
        cache = KVCloakCache(secret, fused=fused, nonce=(0, len(ids)))
        assert torch.equal(_generated(runner, ids, cache), _generated(model, ids))
        assert cache.get_seq_length() == ids.shape[1] + 39


def test_masks_beams_and_cropping_work_as_with_a_plain_cache(decoder: Decoder) -> None:
    model = decoder()
    secret = secret_for(model, CloakConfig())
    ids = tokens(2, 21)
    mask = torch.ones_like(ids)
    mask[0, :9] = 0  # padding on the left
    for more in ({"attention_mask": mask}, {"num_beams": 3, "max_new_tokens": 12}):
        cache = KVCloakCache(secret, fused=False, nonce=(1, 0))
        assert torch.equal(_generated(model, ids, cache, **more), _generated(model, ids, **more))
    cloaked, plain = KVCloakCache(secret, fused=False, nonce=(2, 0)), DynamicCache()
    for cache in (cloaked, plain):
        model(input_ids=ids, past_key_values=cache)
        cache.crop(-7)
        cache.batch_select_indices(torch.tensor([1]))
        cache.batch_repeat_interleave(2)
    again = tokens(2, 30, seed=5)
    logits = [model(input_ids=again, past_key_values=cache).logits for cache in (cloaked, plain)]
    torch.testing.assert_close(*logits, rtol=0, atol=1e-4)
    assert cloaked.get_seq_length() == plain.get_seq_length() == 44
    cloaked.reset()
    assert cloaked.get_seq_length() == 0


@pytest.mark.parametrize("config", CONFIGS)
def test_what_is_held_is_what_the_functions_give(decoder: Decoder, config: CloakConfig) -> None:
    """The cache's path, token after token, against whole blocks at once."""
    model = decoder()
    secret = secret_for(model, config)
    fused, ids = fuse(model, secret), tokens(1, 37)
    cache = KVCloakCache(secret, fused=True, nonce=(5, 6))
    for part in (ids[:, :30], *torch.split(ids[:, 30:], 1, dim=1)):
        fused(input_ids=part, past_key_values=cache)
    plain, held = plain_snapshot(fused, ids[0]), snapshot(cache)
    assert held.keys[0].shape == (4, 48, 16)
    for at, layer in enumerate(secret.layers):
        rows = torch.stack((plain.keys[at], plain.values[at]))[:, None]
        serials = cache.layers[at].serials
        blocks = torch.stack((held.keys[at], held.values[at])).view(2, 1, 4, 3, 16, 16)
        expected = obfuscate(rows, layer, serials)
        atol = 1e-4 * float(expected.abs().max())
        torch.testing.assert_close(
            blocks[..., :2, :, :], expected[..., :2, :, :], rtol=0, atol=atol
        )
        torch.testing.assert_close(restore(blocks, layer, serials, 37), rows, rtol=0, atol=atol)


def test_two_caches_of_one_text_differ_and_sealing_wipes(decoder: Decoder) -> None:
    model = decoder()
    secret = secret_for(model, CloakConfig())
    fused, ids = fuse(model, secret), tokens(20)
    first, second = (cloaked_snapshot(fused, secret, ids) for _ in range(2))
    assert float((first.keys[0] - second.keys[0]).abs().max()) > 1
    cache = KVCloakCache(secret, fused=True, nonce=(3, 0))
    fused(input_ids=ids[None], past_key_values=cache)
    plain = plain_snapshot(fused, ids).keys[-1]
    held = cache.workspace.memory[: 4 * 32 * 16].view(4, 32, 16)
    torch.testing.assert_close(held[:, :20], plain)
    cache.seal()
    assert not bool(cache.workspace.memory.any())
    # Wiping changes nothing: the next step restores from what is held.
    plain_cache = DynamicCache()
    model(input_ids=ids[None], past_key_values=plain_cache)
    logits = [
        each(input_ids=tokens(1, 1), past_key_values=held).logits
        for each, held in ((fused, cache), (model, plain_cache))
    ]
    torch.testing.assert_close(*logits, rtol=0, atol=1e-4)


def test_float32_storage_keeps_what_bfloat16_loses(decoder: Decoder) -> None:
    model = decoder(dtype=torch.bfloat16)
    secret = secret_for(model, CloakConfig())
    plain, errors = DynamicCache(), []
    ids = tokens(1, 40)
    model(input_ids=ids, past_key_values=plain)
    keys, _ = plain.update(*(torch.zeros(1, 4, 1, 16, dtype=torch.bfloat16),) * 2, 0)
    for storage in (torch.float32, torch.bfloat16):
        cache = KVCloakCache(secret, fused=False, storage=storage, nonce=(4, 0))
        model(input_ids=ids, past_key_values=cache)
        found, _ = cache.update(*(torch.zeros(1, 4, 1, 16, dtype=torch.bfloat16),) * 2, 0)
        assert found.dtype == torch.bfloat16
        errors.append(float((found.float() - keys.float()).abs().max()))
    largest = float(keys.float().abs().max())
    assert errors[0] < 1e-5 * largest
    assert errors[1] > 0.01 * largest


def test_weights_that_ask_for_gradients_do_not_disturb(decoder: Decoder) -> None:
    model = decoder()
    secret = secret_for(model, CloakConfig())
    fused, ids = fuse(model.requires_grad_(True), secret), tokens(1, 20)
    cache = KVCloakCache(secret, fused=True, nonce=(6, 0))
    fused(input_ids=ids, past_key_values=cache)
    step = fused(input_ids=ids[:, :1], past_key_values=cache).logits
    whole = model(input_ids=torch.cat((ids, ids[:, :1]), dim=1)).logits[:, -1:]
    torch.testing.assert_close(step, whole, rtol=0, atol=1e-4)


def test_models_and_secrets_that_do_not_fit_are_refused(decoder: Decoder) -> None:
    model = decoder()
    secret = secret_for(model, CloakConfig())
    other = decoder(8, 2)
    with pytest.raises(InputError, match="drawn for 4 heads"):
        other(input_ids=tokens(1, 3), past_key_values=KVCloakCache(secret, fused=False))
    gpt2 = GPT2LMHeadModel(GPT2Config(n_embd=16, n_head=2, n_layer=1, vocab_size=20))
    with pytest.raises(InputError, match="'gpt2'"):
        fuse(gpt2, secret)


def test_the_room_loads_without_transformers() -> None:
    program = (
        "import sys; sys.modules['transformers'] = None\n"
        "import sterling.privacy.cache\n"
        "from sterling.errors import InputError\n"
        "try: sterling.privacy.KVCloakCache\n"
        "except InputError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert "pip install 'sterling[lm]'" in done.stdout


@pytest.mark.parametrize("length", [1, 16, 37])
@pytest.mark.parametrize("kind", ["none", "bool", "float"])
def test_attention_over_obfuscated_blocks_is_attention_over_the_rows(
    decoder: Decoder, length: int, kind: str
) -> None:
    secret = secret_for(decoder(8, 2), CloakConfig(s_ratio=2.0)).layers[0]
    draw = seeded(length)
    rows = torch.randn(2, 3, 2, length, 16, dtype=torch.float64, generator=draw)
    query = torch.randn(3, 8, 1, 16, dtype=torch.float64, generator=draw)
    serials = [(7, at) for at in range(-(-length // 16))]
    mixer = BlockMixer.of(secret, 3, torch.float64, torch.device("cpu"))
    held = HeldBlocks(
        obfuscate(rows, secret, serials).flatten(0, 2), mixer, mixer.inverse_orders(serials), length
    )
    seen = torch.rand(3, 1, 1, length, generator=draw) < 0.7
    seen[..., 0] = True
    given = {"none": None, "bool": seen, "float": torch.where(seen, 0.5, -torch.inf).double()}
    mask = given[kind]
    lazy = (CloakedRows.of(held, place, rows.dtype) for place in (0, 1))
    keys, values = (each.repeat_interleave(4, dim=1) for each in lazy)
    torch.testing.assert_close(keys, rows[0].repeat_interleave(4, dim=1), rtol=0, atol=1e-10)
    expected = F.scaled_dot_product_attention(query, keys, values, mask, scale=0.3)
    found = attend(query, held, mask, 0.3)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def test_no_row_of_earlier_blocks_is_restored_for_a_token(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = decoder(8, 2)
    secret = secret_for(model, CloakConfig())
    fused, ids, restored = fuse(model, secret), tokens(1, 40), []
    cache, plain = KVCloakCache(secret, fused=True, nonce=(8, 0)), DynamicCache()
    fused(input_ids=ids[:, :39], past_key_values=cache)
    model(input_ids=ids[:, :39], past_key_values=plain)
    whole = BlockMixer.restore

    def counted(own: BlockMixer, stored: Tensor, *more: Any, **named: Any) -> Tensor:
        restored.append(stored.shape[1])
        return whole(own, stored, *more, **named)

    monkeypatch.setattr(BlockMixer, "restore", counted)
    step = fused(input_ids=ids[:, 39:], past_key_values=cache).logits
    assert restored == [1] * 3  # the last block of each layer
    assert not bool(cache.workspace.memory[: 4 * 16 * 16].any())
    torch.testing.assert_close(
        step, model(input_ids=ids[:, 39:], past_key_values=plain).logits, rtol=0, atol=1e-4
    )


def test_a_fused_model_may_attend_in_another_way(decoder: Decoder) -> None:
    model = decoder(8, 2)
    secret = secret_for(model, CloakConfig())
    fused = fuse(model, secret)
    assert model.config._attn_implementation == "sdpa"
    fused.set_attn_implementation("eager")
    cache = KVCloakCache(secret, fused=True, nonce=(9, 0))
    ids = tokens(2, 20)
    assert torch.equal(_generated(fused, ids, cache), _generated(model, ids))
