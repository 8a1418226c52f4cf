"""Enrolling and naming: boxes, crops, names, the threshold, and input that cannot be used."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sterling.errors import InputError
from sterling.image import LogoDesign, LogoNetwork
from sterling.image.logos import (
    LogoBoxes,
    LogoGallery,
    LogoLocaliser,
    LogoModels,
    Sight,
    crop_boxes,
    enroll,
    identify,
    load_brands,
    load_models,
    logo_box,
    render_scenes,
    trained_brands,
)
from sterling.image.logos.reading import logo_pixels

DESIGN = LogoDesign(size=24, width=4, dimension=8)


class Fixed(LogoLocaliser):
    """Finds one box, the left half of every photograph."""

    def find(
        self, photograph: NDArray[np.uint8], *, least: float = 0.3, most: int = 12
    ) -> LogoBoxes:
        height, width = photograph.shape[:2]
        box = np.array([[0.0, 0, width / 2, height]])[:most]
        return LogoBoxes(box, np.array([0.5])) if least <= 0.5 else LogoBoxes(box[:0], np.zeros(0))


@pytest.fixture
def models() -> LogoModels:
    strangers = np.random.default_rng(0).normal(size=(400, 8)).astype(np.float32)
    strangers /= np.linalg.norm(strangers, axis=1, keepdims=True)
    return LogoModels(LogoNetwork(DESIGN), Fixed(width=4), strangers, "digest")


def svg(path: Path, brand: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = load_brands()[brand].path
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path d="{data}"/></svg>'
    )
    return path


def disc(size: int = 60, ink: int = 0, paper: int = 255) -> NDArray[np.uint8]:
    y, x = np.mgrid[:size, :size]
    inside = np.hypot(x - 20, y - 30) < 12
    grey = np.where(inside, ink, paper).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def test_the_box_is_what_differs_from_the_edge() -> None:
    assert logo_box(disc(), "a").tolist() == [9, 19, 32, 42]
    assert logo_box(disc(ink=255, paper=0), "a").tolist() == [9, 19, 32, 42]
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    assert logo_box(noise, "a").tolist() == [0, 0, 30, 20]
    with pytest.raises(InputError, match=r"a\.png: all of one colour"):
        logo_box(np.full((9, 9, 3), 7, np.uint8), "a.png")


def test_crops_hold_the_box_and_its_margin() -> None:
    picture = np.zeros((100, 100, 3), np.uint8)
    picture[40:60, 30:70] = 255
    design = LogoDesign(size=24, margin=0.25)
    crop = crop_boxes(picture, np.array([[30.0, 40, 70, 60]]), design)[0, 0].numpy()
    white = np.argwhere(crop > 127)
    assert white.min(0).tolist() == [8, 4]  # the side is 60, 24 pixels: 40 wide, 20 high
    assert white.max(0).tolist() == [15, 19]
    beyond = crop_boxes(picture, np.array([[-40.0, -40, 0, 0], [0, 0, 0, 0]]), design)
    assert beyond.shape == (2, 3, 24, 24)
    assert crop_boxes(picture, np.zeros((0, 4)), design).shape == (0, 3, 24, 24)


def test_pictures_of_every_mode_show_the_same_logo(tmp_path: Path) -> None:
    """Grey, palette, transparent and turned by EXIF: one box, as of the plain picture."""
    plain = Image.fromarray(disc())
    alpha = Image.fromarray(np.dstack([np.zeros((60, 60, 3), np.uint8), 255 - disc()[..., 0]]))
    white = Image.fromarray(np.dstack([np.full((60, 60, 3), 255, np.uint8), 255 - disc()[..., 0]]))
    turned = Image.Exif()
    turned[0x0112] = 6
    plain.convert("L").save(tmp_path / "grey.png")
    plain.convert("P").save(tmp_path / "palette.png")
    alpha.save(tmp_path / "alpha.png")
    white.save(tmp_path / "white.png")
    plain.rotate(90).save(tmp_path / "exif.png", exif=turned)
    for path in sorted(tmp_path.iterdir()):
        box = logo_box(logo_pixels(str(path)), path.name)
        assert box == pytest.approx([9, 19, 32, 42], abs=1), path.name


def test_a_gallery_names_its_own_examples(tmp_path: Path, models: LogoModels) -> None:
    svg(tmp_path / "logos" / "one.svg", 0)
    svg(tmp_path / "logos" / "two" / "a.svg", 1)
    svg(tmp_path / "logos" / "two" / "b.svg", 2)
    Image.fromarray(disc()).save(tmp_path / "logos" / "disc.png")
    gallery = enroll(tmp_path / "logos", models)
    assert gallery.names == ("disc", "one", "two", "two")
    names, alike = gallery.match(gallery.embeddings)
    assert names == list(gallery.names)
    assert alike == pytest.approx(np.ones(4), abs=1e-5)
    gallery.save(tmp_path / "gallery")
    again = LogoGallery.load(tmp_path / "gallery", models)
    assert again.names == gallery.names
    assert again.threshold == gallery.threshold
    assert np.array_equal(again.embeddings, gallery.embeddings)


@pytest.mark.parametrize("fpir", [0.01, 0.1])
def test_the_threshold_lets_so_many_strangers_pass_and_no_more(
    tmp_path: Path, models: LogoModels, fpir: float
) -> None:
    gallery = enroll(svg(tmp_path / "one.svg"), models, fpir=fpir)
    best = (models.strangers @ gallery.embeddings.T).max(axis=1)
    passed = (best.astype(float) >= gallery.threshold.value).mean()
    assert passed <= fpir
    assert passed > fpir - 2 / len(best)
    assert "not your photographs" in gallery.threshold.source


def test_below_the_threshold_a_box_is_unknown(tmp_path: Path, models: LogoModels) -> None:
    gallery = enroll(svg(tmp_path / "one.svg"), models)
    photo = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 40, 3)).astype(np.uint8)).save(
        photo
    )
    (sight,) = _sights(identify(gallery, [photo], models)[photo])
    assert sight.box == (0, 0, 20, 30)
    assert (sight.name is None) == (sight.similarity < gallery.threshold.value)
    assert sight.nearest == "one"
    assert _sights(identify(gallery, [photo], models, least=0.6)[photo]) == []


def test_boxes_are_told_in_the_files_own_pixels(tmp_path: Path, models: LogoModels) -> None:
    gallery = enroll(svg(tmp_path / "one.svg"), models)
    photo = tmp_path / "large.png"
    Image.new("RGB", (3000, 1500), (9, 9, 9)).save(photo)
    (sight,) = _sights(identify(gallery, [photo], models)[photo])
    assert sight.box == pytest.approx((0, 0, 1500, 1500), abs=2)


def _sights(found: list[Sight] | InputError) -> list[Sight]:
    assert isinstance(found, list), found
    return found


def test_a_file_that_is_no_picture_is_told_beside_the_others(
    tmp_path: Path, models: LogoModels
) -> None:
    gallery = enroll(svg(tmp_path / "one.svg"), models)
    broken, good = tmp_path / "broken.png", tmp_path / "good.png"
    broken.write_text("none")
    Image.new("RGB", (30, 30)).save(good)
    found = identify(gallery, [broken, good], models)
    assert isinstance(found[broken], InputError)
    assert isinstance(found[good], list)


def test_unusable_folders_are_refused_in_one_line(tmp_path: Path, models: LogoModels) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    twice = tmp_path / "twice"
    svg(twice / "Nike.svg")
    svg(twice / "nike" / "a.svg")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "a.svg").write_text("<svg")
    plain = tmp_path / "plain"
    plain.mkdir()
    Image.new("RGB", (20, 20), (200, 0, 0)).save(plain / "red.png")
    for folder, reason in (
        (empty, "no logo"),
        (twice, "both name the brand"),
        (broken, "cannot be parsed as SVG"),
        (plain, "all of one colour"),
        (tmp_path / "absent", "no such file or folder"),
    ):
        with pytest.raises(InputError, match=reason) as caught:
            enroll(folder, models)
        assert "\n" not in str(caught.value)


def test_galleries_that_do_not_fit_are_refused(tmp_path: Path, models: LogoModels) -> None:
    gallery = enroll(svg(tmp_path / "one.svg"), models)
    gallery.save(tmp_path / "g")
    other = LogoModels(models.network, models.localiser, models.strangers, "another")
    with pytest.raises(InputError, match="another network"):
        LogoGallery.load(tmp_path / "g", other)
    (tmp_path / "g" / "gallery.safetensors").write_bytes(b"x")
    with pytest.raises(InputError, match="no gallery"):
        LogoGallery.load(tmp_path / "g", models)
    with pytest.raises(InputError, match="no such gallery"):
        LogoGallery.load(tmp_path / "none", models)


def test_the_shipped_networks_name_brands_that_they_were_not_trained_on(tmp_path: Path) -> None:
    """Boxes over half of the large logos of rendered scenes, and most names given are right."""
    models = load_models()
    brands = np.arange(trained_brands(), trained_brands() + 12)
    for one in brands.tolist():
        svg(tmp_path / "logos" / f"{one}.svg", one)
    gallery = enroll(tmp_path / "logos", models)
    scenes = render_scenes(45, brands, seed=11)
    found = shown = named = right = 0
    for image, boxes, truth in zip(scenes.images, scenes.boxes, scenes.brands, strict=True):
        picture = np.ascontiguousarray(image.numpy().transpose(1, 2, 0))
        seen = models.localiser.find(picture)
        crops = crop_boxes(picture, seen.boxes, models.network.design)
        names, alike = gallery.match(models.network.embed(crops).numpy())
        for box, brand in zip(boxes, truth.tolist(), strict=True):
            if max(box[2:] - box[:2]) < 32:
                continue
            shown += 1
            low = np.maximum(seen.boxes[:, :2], box[:2])
            high = np.minimum(seen.boxes[:, 2:], box[2:])
            both = np.prod(np.clip(high - low, 0, None), axis=1)
            either = np.prod(box[2:] - box[:2]) + np.prod(
                seen.boxes[:, 2:] - seen.boxes[:, :2], axis=1
            )
            hits = np.flatnonzero(both / (either - both) > 0.5)
            found += len(hits) > 0
            for hit in hits[:1].tolist():
                if alike[hit] >= gallery.threshold.value:
                    named += 1
                    right += names[hit] == str(brand)
    assert shown > 20
    assert found > shown / 2
    assert named > 3
    assert right > 0.8 * named
