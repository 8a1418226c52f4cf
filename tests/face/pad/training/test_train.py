import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.face.pad import CDCN, Detector, EpochRecord, TrainConfig, TrainingError, train
from sterling.face.pad.detector.weights import encode
from sterling.face.pad.training.checkpoint import is_intact

Task = Callable[[int, int], tuple[Tensor, Tensor]]
SHORT = TrainConfig(epochs=4, batch_size=8, step_epochs=2)


def state(model: CDCN) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_learns_the_toy_task(detector: Detector, texture_task: Task) -> None:
    images, maps = texture_task(60, 99)
    scores = detector.score(images)
    bona_fide = maps[:, 0, 0].numpy() == 1
    auc = np.mean(scores[bona_fide, None] > scores[~bona_fide])
    assert auc > 0.95
    assert scores[bona_fide].mean() > 0.7
    assert scores[~bona_fide].mean() < 0.3


def test_same_seed_same_bits_and_no_global_randomness(texture_task: Task) -> None:
    images, maps = texture_task(20, 0)
    before = torch.get_rng_state()
    results, histories = [], []
    for seed in (0, 0, 1):
        model = CDCN(4)
        config = dataclasses.replace(SHORT, seed=seed)
        histories.append(train(model, images, maps, config, dev=texture_task(8, 1)))
        results.append(state(model))
    assert equal(results[0], results[1])
    assert histories[0] == histories[1]
    assert not equal(results[0], results[2])
    assert torch.equal(torch.get_rng_state(), before)


def test_development_items_do_not_touch_the_weights(texture_task: Task) -> None:
    images, maps = texture_task(20, 0)
    with_dev, without = CDCN(4), CDCN(4)
    history = train(with_dev, images, maps, SHORT, dev=texture_task(8, 1))
    assert all(record.dev_loss is not None for record in history.epochs)
    train(without, images, maps, SHORT)
    assert equal(state(with_dev), state(without))


@pytest.mark.parametrize("killed_after", [1, 3])
def test_resumed_equals_uninterrupted(
    texture_task: Task, tmp_path: Path, killed_after: int
) -> None:
    images, maps = texture_task(20, 0)
    whole = CDCN(4)
    expected = train(whole, images, maps, SHORT)

    class Killed(Exception):  # noqa: N818
        pass

    def kill(record: EpochRecord) -> None:
        if record.epoch == killed_after:
            raise Killed

    file = tmp_path / "run" / "last.safetensors"
    with pytest.raises(Killed):
        train(CDCN(4), images, maps, SHORT, checkpoint=file, progress=kill)
    epochs: list[int] = []
    resumed = CDCN(4, seed=123)  # the checkpoint's weights take its place
    history = train(
        resumed, images, maps, SHORT, checkpoint=file, progress=lambda r: epochs.append(r.epoch)
    )
    assert epochs == list(range(killed_after + 1, 5))
    assert history == expected
    assert equal(state(resumed), state(whole))
    assert [path.name for path in file.parent.iterdir()] == [file.name]

    again = CDCN(4)
    assert train(again, images, maps, SHORT, checkpoint=file) == expected  # nothing left to do
    assert equal(state(again), state(whole))


def test_checkpoint_of_another_run_is_refused(
    texture_task: Task, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images, maps = texture_task(8, 0)
    file = tmp_path / "last.safetensors"
    once = dataclasses.replace(SHORT, epochs=1)
    train(CDCN(4), images, maps, once, checkpoint=file)
    with pytest.raises(InputError, match="another seed"):
        train(CDCN(4), images, maps, dataclasses.replace(once, seed=1), checkpoint=file)
    with pytest.raises(InputError, match="another data"):
        train(CDCN(4), *texture_task(8, 1), once, checkpoint=file)
    with pytest.raises(InputError, match="another model"):
        train(CDCN(5), images, maps, once, checkpoint=file)
    content = file.read_bytes()
    file.write_bytes(encode(CDCN(4).state_dict()))
    with pytest.raises(InputError, match="not a training checkpoint"):
        train(CDCN(4), images, maps, once, checkpoint=file)
    # A bit of the weights that turned costs the training, and is said.
    file.write_bytes(content[:-100] + bytes([content[-100] ^ 1]) + content[-99:])
    train(CDCN(4), images, maps, once, checkpoint=file)
    assert is_intact(file)
    assert "last.safetensors is damaged: training starts anew" in caplog.text
    file.write_bytes(content[:-100])
    with pytest.raises(InputError, match="not a whole safetensors file"):
        train(CDCN(4), images, maps, once, checkpoint=file)


def test_learning_rate_steps() -> None:
    config = TrainConfig(learning_rate=0.8, step_epochs=2, step_factor=0.5)
    assert [config.rate(epoch, 7, 100) for epoch in range(5)] == [0.8, 0.8, 0.4, 0.4, 0.2]


def test_learning_rate_warms_up_over_the_first_steps_of_the_run() -> None:
    config = TrainConfig(learning_rate=0.8, warmup_steps=4, step_epochs=1, step_factor=0.5)
    assert [config.rate(0, step, 200) for step in range(3)] == pytest.approx([0.2, 0.4, 0.6])
    assert config.rate(1, 3, 200) == config.rate(1, 100, 200) == 0.4


def test_a_cosine_falls_from_the_whole_rate_to_none() -> None:
    config = TrainConfig(learning_rate=0.8, schedule="cosine")
    rates = [config.rate(step // 10, step, 100) for step in range(101)]
    assert rates[0] == 0.8
    assert rates[50] == pytest.approx(0.4)
    assert rates[100] == pytest.approx(0)
    assert all(after < before for before, after in itertools.pairwise(rates))


def test_mixed_precision_leaves_an_ordinary_float32_model(texture_task: Task) -> None:
    images, maps = texture_task(8, 0)
    for precision in ("bf16", "no"):
        model = CDCN(4)
        config = TrainConfig(epochs=1, batch_size=8, mixed_precision=precision)
        train(model, images, maps, config)
        assert all(p.dtype == torch.float32 for p in model.parameters())
        assert "forward" not in vars(model)
        with torch.no_grad():
            assert model(torch.zeros(1, 3, 32, 32)).maps.dtype == torch.float32


def test_a_dead_map_is_reported(texture_task: Task) -> None:
    images, maps = texture_task(8, 0)
    model = CDCN(4)
    torch.nn.init.zeros_(list(model.head.parameters())[-1])
    once = TrainConfig(epochs=1, batch_size=8, learning_rate=0.0)
    assert train(model, images, maps, once).collapsed


def test_a_loss_that_is_not_finite_names_the_epoch(texture_task: Task) -> None:
    images, maps = texture_task(16, 0)
    with pytest.raises(TrainingError, match="epoch 1: lower learning_rate"):
        train(CDCN(4), images, maps, dataclasses.replace(SHORT, learning_rate=1e30))


def wrong_inputs() -> list[tuple[str, Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]]]:
    return [
        ("add attack", lambda x, m: (x[::2], m[::2])),
        ("add bona fide", lambda x, m: (x[1::2], m[1::2])),
        ("uint8", lambda x, m: (x.float(), m)),
        ("uint8", lambda x, m: (x[:, :1], m)),
        ("uint8", lambda x, m: (x[:0], m[:0])),
        ("expected float", lambda x, m: (x, m[:, :2])),
        ("expected float", lambda x, m: (x, m[1:])),
        ("expected float", lambda x, m: (x, m.long())),
        ("not finite", lambda x, m: (x, m * float("nan"))),
    ]


@pytest.mark.parametrize(("message", "spoil"), wrong_inputs())
def test_wrong_items_are_refused(
    texture_task: Task, message: str, spoil: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
) -> None:
    with pytest.raises(InputError, match=message):
        train(CDCN(4), *spoil(*texture_task(4, 0)), SHORT)
