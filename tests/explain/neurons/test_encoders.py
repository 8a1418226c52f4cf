"""Encoders from a folder: a small CLIP, and folders that hold none."""

from pathlib import Path

import pytest
import torch
from tests.explain.neurons.clip import save_clip

from sterling.errors import InputError
from sterling.explain.neurons.encoders import PretrainedEncoder, crops


def test_a_clip_folder_embeds_pictures_and_texts(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    save_clip(tmp_path)
    encoder = PretrainedEncoder(tmp_path, template="a {}")
    pictures = torch.rand(3, 3, 40, 40)
    embedded = encoder.images(pictures)
    assert embedded.shape == (3, 16)
    torch.testing.assert_close(embedded.norm(dim=1), torch.ones(3))
    text = encoder.texts(["red", "blue circle"])
    assert text.shape == (2, 16)
    # The same as the model itself says, one picture of its own size at a time.
    model = transformers.CLIPModel.from_pretrained(tmp_path).eval()
    own = torch.rand(1, 3, 32, 32)
    mean, deviation = (
        torch.tensor(values)[:, None, None] for values in ((0.5, 0.4, 0.3), (0.2, 0.2, 0.2))
    )
    with torch.no_grad():
        features = model.get_image_features(pixel_values=(own - mean) / deviation)
    found = features if isinstance(features, torch.Tensor) else features.pooler_output
    expected = torch.nn.functional.normalize(found, dim=1)
    torch.testing.assert_close(encoder.images(own), expected, atol=1e-5, rtol=1e-4)
    alone = encoder.texts(["red"])
    torch.testing.assert_close(alone[0], text[0], atol=1e-5, rtol=1e-4)  # padding says nothing


def test_folders_without_a_model_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(InputError, match="holds no config"):
        PretrainedEncoder(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "nothing"}')
    with pytest.raises(InputError, match="not a CLIP or SigLIP model") as caught:
        PretrainedEncoder(tmp_path)
    assert "\n" not in str(caught.value)


def test_models_that_embed_no_pictures_are_refused(tmp_path: Path) -> None:
    save_clip(tmp_path)
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
    )
    transformers.BertModel(config).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="embeds no pictures and texts"):
        PretrainedEncoder(tmp_path)


def test_crops_are_cut_and_scaled() -> None:
    pictures = torch.zeros(2, 3, 8, 8)
    pictures[1, :, 2:4, 4:8] = 1
    cut = crops(pictures, [1, 0], [(4, 2, 8, 4), (0, 0, 8, 8)])
    assert cut.shape == (2, 3, 8, 8)
    assert (cut[0] == 1).all()
    assert (cut[1] == 0).all()
