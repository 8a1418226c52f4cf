from dataclasses import replace

import numpy as np
import torch
from tests.draws import pixels, seeded, uniform

from sterling.face.pad import Compact
from sterling.face.pad.detector.describe import describe
from sterling.face.pad.detector.preprocessing import normalise
from sterling.face.pad.training.compact_training import CompactObjective, frame, worsen
from sterling.face.pad.training.objective import Batch


def random_images(count: int, size: int, seed: int = 0) -> torch.Tensor:
    shape = (count, 3, size, size)
    return pixels(*shape, seed=seed)


def test_counts_are_those_of_the_written_down_layers() -> None:
    width = 16
    convolutions = 3 * width
    for channels in (width, 2 * width, 4 * width):
        convolutions += channels * 2 * channels + (2 * channels) ** 2
    norms = 2 * width + sum(2 * 2 * 2 * channels for channels in (width, 2 * width, 4 * width))
    heads = (8 * width + 1) + (4 * width + 1)
    found = describe(Compact(width).eval(), 96, repetitions=1)
    assert found["parameters"] == 9 * convolutions + norms + heads
    assert found["answer"] == "probability"


def test_the_depth_map_is_there_while_training_only() -> None:
    network = Compact(4)
    images = normalise(random_images(2, 64))
    output = network.train()(images)
    assert output.features[0].shape == (2, 8, 8)
    assert output.maps is None
    assert network.eval()(images).features == ()


def test_a_constant_added_to_the_picture_changes_nothing_inside_where_theta_is_1() -> None:
    stem = Compact(4, theta=1.0).eval().stem
    images = uniform(1, 3, 32, 32)
    with torch.no_grad():
        before, after = stem(images), stem(images + 0.7)
    torch.testing.assert_close(after[..., 1:, 1:], before[..., 1:, 1:], atol=1e-5, rtol=1e-5)
    assert (after - before).abs().max() > 1e-3  # zero padding at the border does see it


def test_frames_of_a_plane_are_planes_of_the_side_that_was_cut() -> None:
    # A picture whose value is the horizontal place: what is cut out is again a plane, whose slope
    # along the rows is the side of the square times the cosine of its turn.
    side = 128
    ramp = torch.linspace(40, 200, side).expand(3, side, side)
    images = ramp.round().to(torch.uint8).repeat(64, 1, 1, 1)
    framed, depth = frame(images, images[:, 0].float() / 255, 96, 12, seeded(4))
    inner = framed[:, 0, 32:64, 32:64].float()
    slopes = inner.mean(dim=1).diff(dim=1).mean(dim=1) * 96 / 160
    assert slopes.min() > 0.8 * np.cos(np.deg2rad(10)) - 0.05
    assert slopes.max() < 1.05 + 0.05
    assert slopes.std() > 0.03
    # The depth is cut out of the same place.
    small = torch.nn.functional.avg_pool2d(framed[:, :1].float(), 8)[:, 0]
    assert ((depth * 255 - small).abs()[:, 3:-3, 3:-3] < 2).all()


def test_worse_copies_are_drawn_from_the_generator_and_keep_their_level() -> None:
    images = random_images(200, 32).float().div(4).add(96).to(torch.uint8)
    first, second = worsen(images, seeded(1)), worsen(images, seeded(1))
    assert torch.equal(first, second)
    same = (first == images).flatten(1).all(dim=1).float().mean()
    assert 0.5 * 0.9 - 0.11 < same < 0.5 * 0.9 + 0.11  # ±3 sigma of the drawn probabilities
    assert not torch.equal(worsen(images, seeded(2)), first)


def _objective(count: int, teacher: Compact | None = None) -> CompactObjective:
    depth = torch.zeros(count, 16, 16)
    depth[: count // 2] = 0.8
    return CompactObjective(32, depth, torch.ones(count, dtype=torch.bool), teacher)


def test_a_perfect_teacher_and_no_teacher_ask_for_the_same_direction() -> None:
    # With T = 1, s = 1 and a teacher that answers with the label, both losses are one.
    count = 6
    live = torch.tensor([1.0, 1, 1, 0, 0, 0])[:, None, None]
    batch = Batch(random_images(count, 64), live, None, torch.arange(count))
    student = Compact(4).eval()
    alone = replace(_objective(count), known=torch.zeros(count, dtype=torch.bool))

    class Knowing(Compact):
        def forward(self, images: torch.Tensor, present: torch.Tensor | None = None):  # type: ignore[no-untyped-def]  # noqa: ANN202
            return super().forward(images, present)._replace(logits=200 * (live[:, :, 0] - 0.5))

    taught = replace(alone, teacher=Knowing(4).eval(), share=1.0, temperature=1.0)
    values = [one(student, student, batch, seeded(7))[0] for one in (alone, taught)]
    torch.testing.assert_close(values[0], values[1])


def test_depth_counts_only_where_it_is_known() -> None:
    count = 4
    live = torch.tensor([1.0, 1, 0, 0])[:, None, None]
    batch = Batch(random_images(count, 64), live, None, torch.arange(count))
    network = Compact(4).train()
    known = _objective(count)
    unknown = replace(known, known=torch.zeros(count, dtype=torch.bool))
    without = replace(known, depth_weight=0.0)
    values = [
        float(one(network, network, batch, seeded(1))[0].detach())
        for one in (known, unknown, without)
    ]
    assert values[1] == values[2]
    assert values[0] > values[1]
