"""Architectures of several modalities and of clips, from the command line."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.command import refused, run, told
from tests.films import film

from sterling.face.capture import Scale, simulate
from sterling.face.data import Manifest
from sterling.face.pad import MODELS


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated face crops of three cameras, as files with a manifest."""
    folder = tmp_path_factory.mktemp("captures")
    scale = Scale((3, 2, 2), (12, 8, 8))
    faces = simulate("smoke", size=32, seed=1, scale=scale).faces(("rgb", "depth", "ir"))
    columns: dict[str, list[str]] = {"path": [], "depth_path": [], "ir_path": []}
    for index, image in enumerate(faces.images.numpy()):
        for name, pixels in (
            ("path", image[:3].transpose(1, 2, 0)),
            ("depth_path", image[3]),
            ("ir_path", image[4]),
        ):
            file = folder / f"{name}-{index}.png"
            Image.fromarray(pixels).save(file)
            columns[name].append(str(file))
    table = faces.manifest.table
    kept = ("item", "label", "species", "subject", "split")
    rows = {name: table[name].to_list() for name in kept}
    Manifest.from_columns({**rows, **columns}).write(folder / "manifest.csv")
    return folder / "manifest.csv"


SMALL = ("--size", "32", "--epochs", "1", "--cropped")


@pytest.mark.smoke
def test_a_flexible_network_goes_all_the_way(captures: Path, tmp_path: Path) -> None:
    out, trained = tmp_path / "run", tmp_path / "detector"
    model = ("--model", "fusion_resnet", "--set", "width=4", "--drop-modality", "0.5")
    assert run("face", "train", "--data", captures, "--out", trained, *model, *SMALL).status == 0
    data = tmp_path / "detector" / "manifest.csv"
    assert run("face", "evaluate", trained, "--data", data, "--out", out).status == 0
    assert run("face", "export", trained, "-o", tmp_path / "detector.onnx").status == 0
    colour = captures.parent / "path-0.png"  # only colour is there
    (answer,) = json.loads(told("face", "predict", colour, "--detector", trained, "--json"))[
        "answers"
    ]
    assert 0 <= answer["score"] <= 1
    again = tmp_path / "again"
    assert "single colour pictures" in refused(
        "face", "evaluate", trained, "--data", data, "--out", again, "--robustness"
    )


def test_a_network_of_depth_refuses_photographs_and_manifests_without_it(
    captures: Path, tmp_path: Path
) -> None:
    trained = tmp_path / "detector"
    model = ("--model", "cdcn", "--set", "width=2", "--set", "modalities=rgb,depth")
    assert run("face", "train", "--data", captures, "--out", trained, *model, *SMALL).status == 0
    colour = captures.parent / "path-0.png"
    assert "cdcn needs rgb, depth" in refused("face", "predict", colour, "--detector", trained)
    manifest = Manifest.read(captures)
    bare = Manifest(manifest.table.drop("depth_path"), "bare")
    bare.write(tmp_path / "bare.csv")
    data = ("--data", tmp_path / "bare.csv", "--out", tmp_path / "other")
    assert "names no depth picture" in refused("face", "train", *data, *model, *SMALL)


def test_a_network_of_clips_goes_all_the_way(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for subject in range(6):
        for kind, step in (("live", 12), ("spoof/replay", 0)):
            picture = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            moved = (np.roll(picture, step * number, axis=1) for number in range(13))
            film(tmp_path / "videos" / kind / f"s{subject}" / "a.avi", moved)
    trained = tmp_path / "detector"
    model = ("--model", "temporal_depth", "--set", "width=2")
    data = ("--data", tmp_path / "videos", "--out", trained)
    assert run("face", "train", *data, *model, *SMALL, "--learning-rate", "0.003").status == 0
    video = tmp_path / "videos" / "live" / "s0"
    (answer,) = json.loads(told("face", "predict", video, "--detector", trained, "--json"))[
        "answers"
    ]
    assert answer["source"].endswith("a.avi")
    Image.new("RGB", (32, 32)).save(tmp_path / "still.png")
    assert "judges clips" in refused(
        "face", "predict", tmp_path / "still.png", "--detector", trained
    )
    evaluated = ("face", "evaluate", trained, "--data", Path(trained) / "manifest.csv")
    assert run(*evaluated, "--out", tmp_path / "run").status == 0


def test_the_list_of_architectures_is_whole() -> None:
    document = json.loads(told("face", "models", "--size", "32", "--json"))
    assert [row["name"] for row in document["models"]] == list(MODELS)
    assert all(row["milliseconds"] > 0 for row in document["models"])


def test_a_description_in_a_file_is_a_model(captures: Path, tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    cells = [["cdc"], ["cdc_2_1.2"], ["cdc"]]
    found.write_text(json.dumps({"name": "cdcn_pp", "width": 2, "structure": cells}))
    trained = tmp_path / "detector"
    data = ("--data", captures, "--out", trained)
    assert run("face", "train", *data, "--model", found, *SMALL).status == 0
    card = json.loads((tmp_path / "detector" / "config.json").read_text())
    assert card["model"]["structure"] == cells
    found.write_text("[]")
    assert "network's description" in refused("face", "train", *data, "--model", found, *SMALL)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "cdcm"), "did you mean cdcn"),
        (("--model", "cdcn", "--set", "depth=3"), "architecture cdcn"),
        (("--model", "cdcn", "--set", "width"), "argument=value"),
        (("--model", "cdcn", "--drop-modality", "0.5"), "cdcn needs every modality"),
        (("--model", "sgtd"), "has no videos"),
    ],
)
def test_wrong_models_are_one_line(
    captures: Path, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    data = ("--data", captures, "--out", tmp_path / "detector")
    assert words in refused("face", "train", *data, *SMALL, *arguments)
