"""Simulated captures end to end: determinism, labels, protocols, physics that detectors rely on."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.face.capture import (
    ILLUMINATIONS,
    PROTOCOLS,
    SENSORS,
    SPECIES,
    Captures,
    Scale,
    flat,
    simulate,
)
from sterling.face.capture.flat import PLANAR
from sterling.face.capture.geometry import Camera, rays
from sterling.face.capture.head import head_model
from sterling.face.capture.photos import film, take_photo
from sterling.face.capture.plan import Presentation, plan, stream
from sterling.face.capture.protocols import find_protocol
from sterling.face.capture.simulate import _people, render
from sterling.face.capture.studio import CROP, Person, Studio, cast_person
from sterling.face.capture.sway import Clip, Sway

MOTIONLESS = Sway((0.0, 0.0, 0.0), 0.0)
CHANNELS = ("rgb", "depth", "nir", "true_depth", "mask")


def presentation(species: str, subject: str = "s001", item: str = "") -> Presentation:
    return Presentation(
        item or f"{species}-{subject}", "", species, subject, "1", "phone", "office", "near", 0
    )


@pytest.fixture(scope="module")
def smoke() -> Captures:
    return simulate("smoke", seed=5, size=64)


@pytest.fixture(scope="module")
def every_species() -> Captures:
    people = [presentation(s) for s in ("bona_fide", *SPECIES)]
    return render(people, seed=2, size=96)


def test_shapes_types_and_manifest(smoke: Captures) -> None:
    n = len(smoke)
    assert n == sum(PROTOCOLS["smoke"].scale.captures)
    assert smoke.rgb.shape == (n, 3, 64, 64)
    assert smoke.rgb.dtype == torch.uint8
    for name, dtype in (
        ("depth", torch.float32),
        ("nir", torch.uint8),
        ("true_depth", torch.float32),
        ("mask", torch.bool),
    ):
        channel = getattr(smoke, name)
        assert channel.shape == (n, 64, 64)
        assert channel.dtype == dtype
    assert 0.4 < smoke.manifest.bona_fide.mean() < 0.6
    assert len(set(smoke.manifest.column("item"))) == n
    faces = smoke.faces()
    assert len(faces.split("train")) == 32
    assert torch.isfinite(smoke.depth).all()
    # Pictures are neither black nor washed out.
    brightness = smoke.rgb.float().mean((1, 2, 3))
    assert brightness.min() > 25
    assert brightness.max() < 235


def test_same_seed_same_bits_other_seed_other_pictures() -> None:
    few = Scale((2, 1, 2), (6, 2, 6))
    first, again, other = (simulate("smoke", seed=s, size=64, scale=few) for s in (5, 5, 6))
    for name in CHANNELS:
        assert torch.equal(getattr(first, name), getattr(again, name)), name
    assert first.manifest.table.equals(again.manifest.table)
    assert (first.rgb != other.rgb).flatten(1).any(1).all()
    assert not set(first.manifest.column("item")) & set(other.manifest.column("item"))


def test_company_order_and_torch_threads_change_nothing() -> None:
    rule = find_protocol("smoke")
    some = plan(rule, rule.scale, 5)[:12]
    whole = render(some, seed=5, size=64)
    turned = render(some[::-1], seed=5, size=64)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    alone = [render([p], seed=5, size=64) for p in some]
    torch.set_num_threads(before)
    for name in CHANNELS:
        assert torch.equal(getattr(whole, name), torch.cat([getattr(c, name) for c in alone])), name
        assert torch.equal(getattr(whole, name), getattr(turned, name).flip(0)), name
    assert torch.get_num_threads() == before


def test_true_depth_labels(smoke: Captures) -> None:
    bona_fide = torch.from_numpy(smoke.manifest.bona_fide)
    assert not smoke.true_depth[~bona_fide].any()
    living = smoke.true_depth[bona_fide]
    assert living.min() == 0
    assert (living.flatten(1).amax(1) > 0.9).all()
    assert living.max() <= 1
    # The label is nearness: points with more of it are nearer to the depth sensor.
    for label, depth, mask in zip(
        living, smoke.depth[bona_fide], smoke.mask[bona_fide], strict=True
    ):
        seen = mask & (depth > 0) & (label > 0.15)
        assert np.corrcoef(label[seen], depth[seen])[0, 1] < -0.8


def test_nose_is_nearer_than_ears() -> None:
    studio = Studio(1, 128)
    model = head_model()
    x, y, z = model.mean.unbind(1)
    nose = (x.abs() < 0.008) & ((y + 0.040).abs() < 0.012) & (z > 0.03)
    ears = (x.abs() > 0.078) & ((y + 0.01).abs() < 0.03)
    assert nose.sum() > 5
    assert ears.sum() > 20
    for i in range(6):
        p = presentation("bona_fide", f"s{i:03d}")
        face = render([p], seed=1, size=128)
        view = studio.view(p.subject, p.distance, p.view)
        buffer = cast_person(
            studio.subject(p.subject), Person(p.subject, p.species, view, CROP, 0.0), 128
        )
        corners = model.triangles[buffer.triangle[0].clamp_min(0).long()]
        label = face.true_depth[0]
        on_nose = label[nose[corners].all(-1) & buffer.hit[0]]
        on_ears = label[ears[corners].all(-1) & buffer.hit[0]]
        assert on_nose.median() > 0.75
        if len(on_ears):
            assert on_nose.min() > on_ears.median() + 0.2


def fitted_residual(depth: NDArray[np.float32], half: float = 0.1) -> float:
    """Robust residual of the best quadric in y-constant form (a plane or an upright cylinder)."""
    size = depth.shape[0]
    inner = slice(size // 4, 3 * size // 4)
    _, directions = rays(Camera(1.0, half), size)
    x, y = (directions[:, i].reshape(size, size)[inner, inner] for i in (0, 1))
    z = depth[inner, inner]
    seen = z > 0
    x, y, z = x[seen], y[seen], z[seen]
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y], 1)
    found, *_ = np.linalg.lstsq(terms, z, rcond=None)
    return float(np.median(np.abs(z - terms @ found)))


def test_flat_instruments_are_flat_and_masks_are_not(every_species: Captures) -> None:
    residual = {
        species: fitted_residual(depth.numpy())
        for species, depth in zip(
            every_species.manifest.column("species"), every_species.depth, strict=True
        )
    }
    for species, value in residual.items():
        if species in PLANAR:
            assert value < 0.0022, (species, value)
        else:
            assert value > 0.0030, (species, value)


def test_infrared_separates_materials(every_species: Captures) -> None:
    middle = {
        species: float(picture[24:72, 24:72].float().median())
        for species, picture in zip(
            every_species.manifest.column("species"), every_species.nir, strict=True
        )
    }
    assert middle["replay"] < 0.6 * middle["bona_fide"]
    assert middle["print"] > middle["bona_fide"]


@pytest.mark.parametrize("name", [*PROTOCOLS, "leave_one_species_out:replay"])
def test_splits_are_disjoint_in_subject_and_hold_back_what_they_say(name: str) -> None:
    protocol = find_protocol(name)
    items = plan(protocol, protocol.scale, 0)
    people = {s: {p.subject for p in items if p.split == s} for s in ("train", "dev", "test")}
    assert not people["train"] & people["test"]
    assert not people["dev"] & (people["train"] | people["test"])
    for p in items:
        rule = protocol.splits[p.split]
        assert p.bona_fide or p.species in rule.species
        assert p.sensor in rule.sensors
        assert p.illumination in rule.illuminations
    for split in people:
        share = np.mean([p.bona_fide for p in items if p.split == split])
        assert abs(share - 0.5) < 0.01


def test_default_protocol_tests_on_what_training_never_saw() -> None:
    items = plan(PROTOCOLS["default"], PROTOCOLS["default"].scale, 0)
    assert len({p.subject for p in items}) >= 40
    for field in ("species", "sensor", "illumination", "session"):
        seen = {getattr(p, field) for p in items if p.split != "test"}
        tested = {getattr(p, field) for p in items if p.split == "test"}
        assert seen < tested, field
    left_out = find_protocol("leave_one_species_out:replay")
    assert left_out.test.species == ("replay",)
    assert "replay" not in (*left_out.train.species, *left_out.dev.species)
    assert not set(PROTOCOLS["cross_sensor"].test.sensors) & set(
        PROTOCOLS["cross_sensor"].train.sensors
    )
    for protocol in PROTOCOLS.values():
        for rule in protocol.splits.values():
            assert set(rule.species) <= set(SPECIES)
            assert set(rule.sensors) <= set(SENSORS)
            assert set(rule.illuminations) <= set(ILLUMINATIONS)


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        (lambda: simulate("defalt"), "did you mean default"),
        (lambda: simulate("leave_one_species_out:replya"), "did you mean replay"),
        (lambda: simulate("smoke", size=8), "size 8"),
        (lambda: simulate("smoke", frames=0), "frames 0"),
        (lambda: simulate("smoke", seed=-1), "seed -1"),
        (lambda: Scale(subjects=(1, 0, 1)), "subjects"),
    ],
)
def test_bad_input_is_one_helpful_line(call: object, wanted: str) -> None:
    with pytest.raises(InputError, match=wanted) as caught:
        call()  # type: ignore[operator]
    assert "\n" not in str(caught.value)


def mean_green(clip: Captures, row: int) -> NDArray[np.float64]:
    # Skin between eyes and mouth.
    return clip.rgb[row, :, 1, 30:42, 24:40].double().mean((1, 2)).numpy()


def test_pulse_is_in_living_skin_and_not_in_masks() -> None:
    frames, rate = 50, 12.5
    people = [presentation("bona_fide", item="alive"), presentation("mask_silicone", item="dead")]
    clip = render(people, seed=3, size=64, clip=Clip(frames, rate, MOTIONLESS))
    assert clip.rgb.shape == (2, frames, 3, 64, 64)
    faces = clip.faces(("ir", "rgb"))
    assert torch.equal(faces.images[:, :, 1:], clip.rgb)
    assert torch.equal(faces.images[:, :, 0], clip.nir)
    beat = float(stream(3, "motion", "alive").uniform(0.8, 2.2))
    time = np.arange(frames) / rate
    powers = []
    for row in range(2):
        green = mean_green(clip, row)
        rest = green - np.median(green)
        rest[np.abs(rest) > 0.8] = 0  # a blink darkens the window, by ten times the pulse
        spectrum = np.abs(np.exp(-2j * np.pi * np.outer(np.arange(0.6, 3.0, 0.05), time)) @ rest)
        powers.append(spectrum)
    peak = np.arange(0.6, 3.0, 0.05)[powers[0].argmax()]
    assert abs(peak - beat) < 0.15
    assert powers[0].max() > 2 * powers[1].max()


def test_eyes_blink_only_where_there_is_life() -> None:
    people = [presentation(s, item=s) for s in ("bona_fide", "mask_latex")]
    studio = Studio(0, 128)
    lids = {}
    for p in people:
        seen = _people(studio, p, Clip(150))
        lids[p.species] = [dict(person.view.expression)["blink"] for person in seen]
    assert max(lids["bona_fide"]) > 0.8
    assert sum(lids["bona_fide"]) < 30
    assert max(lids["mask_latex"]) == 0


def test_a_replayed_film_moves_about_its_photograph() -> None:
    studio = Studio(0, 64)
    still = take_photo(studio, "s001", 2)
    moving = film(studio, "s001", 2, Clip(12, 6.0))
    assert len(moving) == 12
    assert torch.equal(moving[6].face, still.face)
    # The photograph's own noise is drawn after one picture, the film's after many.
    assert (moving[6].pixels - still.pixels).abs().mean() < 0.01
    change = [(photo.pixels - moving[6].pixels).abs().mean() for photo in moving]
    assert max(change) > 0.015
    # The wall behind does not flicker: the top corners hold no face.
    corners = [photo.pixels[:, :8, :8].mean() for photo in moving]
    assert max(corners) - min(corners) < 0.02


def test_in_a_clip_the_face_moves_and_the_crop_does_not() -> None:
    studio, p = Studio(0, 64), presentation("bona_fide")

    def windows(how: Sway) -> list[tuple[float, float]]:
        """Side of a pixel and left edge of every frame's window, from where its rays hit."""
        found = []
        for person in _people(studio, p, Clip(5, 25 / 3, how)):
            buffer = cast_person(studio.subject(p.subject), person, 64)
            rows, columns = torch.nonzero(buffer.hit[0], as_tuple=True)
            x, _, z = buffer.position[0, rows, columns].double().unbind(-1)
            at = x * person.view.distance / (person.view.distance - z)
            found.append(tuple(np.polyfit(columns.numpy() + 0.5, at.numpy(), 1)))
        return found

    turning = np.array(windows(Sway((9.0, 5.0, 2.0), 0.0)))
    assert np.ptp(turning, axis=0) == pytest.approx([0, 0], abs=1e-6)
    pixel, left = np.array(windows(Sway((0.0, 0.0, 0.0), 0.1))).T
    assert np.ptp(pixel) == pytest.approx(0, abs=1e-8)
    shifts = [q.view.shift[0] for q in _people(studio, p, Clip(5, 25 / 3, Sway((0, 0, 0), 0.1)))]
    moved, wanted = left - left[2], 32 * pixel[2] * (np.array(shifts) - shifts[2])
    assert np.abs(wanted).max() > 0.001
    assert moved == pytest.approx(wanted, abs=1e-6)


def test_replays_show_a_film_and_prints_a_still(monkeypatch: pytest.MonkeyPatch) -> None:
    # The hand is still, so that only the picture on the instrument can move.
    monkeypatch.setattr(
        flat, "sway", lambda clip, _rng: (np.zeros((clip.frames, 3)), np.zeros((clip.frames, 2)))
    )
    people = [presentation(species, item=species) for species in ("replay", "print")]
    clip = render(people, seed=3, size=64, clip=Clip(16, 4.0))
    change = (clip.rgb[:, 1:].float() - clip.rgb[:, :1].float()).abs().mean((2, 3, 4)).amax(1)
    assert change[0] > 2 * change[1]
    assert not clip.true_depth.any()


@pytest.mark.no_cover
def test_coarse_colour_tells_little() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    captures = simulate("default", seed=0, size=32, scale=Scale((20, 1, 16), (150, 2, 150)))
    small = torch.nn.functional.adaptive_avg_pool2d(captures.rgb.float(), 8).flatten(1).numpy()
    split, label = captures.manifest.column("split"), captures.manifest.bona_fide

    def area(pictures: NDArray[np.float32]) -> float:
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=3000))
        model.fit(pictures[split == "train"], label[split == "train"])
        scores = model.decision_function(pictures[split == "test"])
        return float(roc_auc_score(label[split == "test"], scores))

    assert area(small) < 0.72
    assert area(small + 24 * ~label[:, None]) > 0.72  # attacks a little brighter would be found


def test_a_shadow_that_rounds_to_below_nothing_does_not_black_out_the_picture() -> None:
    """One pixel of this presentation, on a triangle's edge, once had a square root of -1e-9."""
    protocol, scale = find_protocol("default"), Scale((18, 8, 18), (600, 120, 360))
    seed = 9195165351190879836
    chosen = next(p for p in plan(protocol, scale, seed) if p.item.endswith("train-00127"))
    picture = render([chosen], seed=seed, size=64).rgb.float()
    assert 20 < float(picture.mean()) < 235
