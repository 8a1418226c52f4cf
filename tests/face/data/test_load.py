"""Nothing is dropped in silence: every row becomes a crop or a named reason."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from sterling.errors import NothingMeasuredError
from sterling.face.data import (
    SMALLEST_FACE,
    CropSpec,
    Face,
    FaceDetector,
    Manifest,
    crop_face,
    load_faces,
    read_image,
)

SPEC = CropSpec(size=32)


def manifest(*paths: Path | str) -> Manifest:
    return Manifest.from_columns(
        {
            "item": [f"i{k}" for k in range(len(paths))],
            "path": [str(path) for path in paths],
            "label": ["attack" if k % 2 else "bona_fide" for k in range(len(paths))],
            "species": ["print" if k % 2 else "bona_fide" for k in range(len(paths))],
        },
        source="door.csv",
    )


@pytest.fixture(scope="module")
def portrait(shared_data: Path) -> Path:
    return shared_data / "faces" / "lfw_grey" / "Al_Gore" / "Al_Gore_0001.jpg"


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    Image.new("RGB", (100, 100), "grey").save(tmp_path / "empty.png")
    return tmp_path / "empty.png"


@pytest.fixture
def distant(tmp_path: Path, portrait: Path) -> Path:
    canvas = Image.new("RGB", (200, 200), "grey")
    canvas.paste(Image.open(portrait).resize((50, 50)), (20, 20))
    canvas.save(tmp_path / "distant.png")
    return tmp_path / "distant.png"


def test_every_row_becomes_a_crop_or_a_reason(
    tmp_path: Path, portrait: Path, empty: Path, distant: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(portrait.read_bytes()[:3000])
    rows = manifest(broken, portrait, empty, "", distant, tmp_path / "gone.png", portrait)
    steps: list[tuple[int, int]] = []
    loaded = load_faces(rows, SPEC, progress=lambda done, of: steps.append((done, of)))
    assert loaded.faces.manifest.column("item").tolist() == ["i1", "i6"]
    assert [(r.item, r.path, r.reason) for r in loaded.non_responses] == [
        ("i0", str(broken), "unreadable"),
        ("i2", str(empty), "no_face"),
        ("i3", "", "unreadable"),
        ("i4", str(distant), "too_small"),
        ("i5", str(tmp_path / "gone.png"), "unreadable"),
    ]
    assert steps == [(k, 7) for k in range(1, 8)]
    for row in loaded.non_responses:
        assert "\n" not in row.detail
        assert row.path in row.detail
    assert str(SMALLEST_FACE) in loaded.non_responses[3].detail


def test_crop_is_the_largest_face(tmp_path: Path, portrait: Path) -> None:
    group = Image.new("RGB", (400, 250))
    group.paste(Image.open(portrait).resize((150, 150)), (0, 0))
    group.paste(Image.open(portrait), (150, 0))
    group.save(tmp_path / "group.png")
    detector = FaceDetector()
    loaded = load_faces(manifest(tmp_path / "group.png"), SPEC, detector=detector)
    image = read_image(tmp_path / "group.png")
    faces = detector.detect(image)
    assert len(faces) == 2
    largest = detector.largest(image)
    assert largest is not None
    np.testing.assert_allclose(largest.box, max(faces, key=lambda face: face.side).box, atol=8)
    assert torch.equal(loaded.faces.images[0], crop_face(image, largest, SPEC))
    assert loaded.faces.images.shape == (1, 3, 32, 32)
    assert loaded.non_responses == ()


def test_detector_is_used_as_given(portrait: Path) -> None:
    class Centre(FaceDetector):
        def largest(self, image: torch.Tensor | NDArray[np.uint8]) -> Face:
            assert image.shape == (3, 250, 250)
            return Face((100, 100, 132, 132), (), 1.0)

    loaded = load_faces(manifest(portrait), CropSpec(32, scale=1), detector=Centre())
    assert torch.equal(loaded.faces.images[0], read_image(portrait)[:, 100:132, 100:132])


def test_labels_stay_beside_their_crops(portrait: Path, empty: Path) -> None:
    loaded = load_faces(manifest(empty, portrait, portrait), SPEC)
    assert loaded.faces.manifest.bona_fide.tolist() == [False, True]
    assert np.array_equal(loaded.faces.images[0], loaded.faces.images[1])


def test_no_face_at_all_is_no_result(empty: Path, tmp_path: Path) -> None:
    with pytest.raises(NothingMeasuredError) as caught:
        load_faces(manifest(empty, empty, tmp_path / "gone.png"), SPEC)
    message = str(caught.value)
    assert message.startswith("door.csv: no face in any of 3 (2 no_face, 1 unreadable)")
    assert "\n" not in message
    with pytest.raises(NothingMeasuredError, match=r"door\.csv: the manifest has no rows"):
        load_faces(manifest(empty).select(np.zeros(1, dtype=bool)), SPEC)
