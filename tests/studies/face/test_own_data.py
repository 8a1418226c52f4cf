"""Face studies on presentations of the user's own, from a manifest with every modality."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from tests.studies.smoke import run_smoke

from sterling.errors import InputError
from sterling.face.capture import Scale, simulate
from sterling.face.data import Manifest
from sterling.studies import ENTRIES, STUDIES

FACE = sorted(name for name, entry in ENTRIES.items() if entry.domain == "face")
CLIPS = {"sgtd", "temporal_depth"}
OTHER_LAYOUTS = {
    "aim_fas": "type lists",
    "faps": "<person>/<picture>",
    "mfr": "<domain>/<person>/<picture>",
    "poseface": "<person>/<picture>",
}
SPECIES = {"print": "paper", "mask_resin": "resin mask"}  # names that the simulator lacks


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """Crops of ten people in three modalities, and clips of them."""
    return {clips: _written(tmp_path_factory.mktemp("own"), clips) for clips in (False, True)}


def _written(folder: Path, clips: bool) -> Path:
    frames = 3 if clips else 1
    scale = Scale((6, 2, 4), (24, 12, 40))
    faces = simulate("flat_and_masks", seed=1, size=32, frames=frames, scale=scale).faces(
        ("rgb", "depth", "ir")
    )
    rows = []
    pictures = faces.images if clips else faces.images[:, None]
    for row, (known, frames_of) in enumerate(
        zip(faces.manifest.table.iter_rows(named=True), pictures, strict=True)
    ):
        for number, channels in enumerate(frames_of.numpy()):
            paths = {}
            for name, part in (("path", channels[:3]), ("depth_path", channels[3:4])):
                paths[name] = f"{row}-{number}-{name}.png"
                _save(part, folder / paths[name])
            paths["ir_path"] = f"{row}-{number}-ir.png"
            _save(channels[-1:], folder / paths["ir_path"])
            rows.append(
                {
                    "item": f"{known['item']}-{number}",
                    **paths,
                    "label": known["label"],
                    "species": SPECIES.get(known["species"], known["species"]),
                    "subject": known["subject"],
                    "sensor": known["sensor"],
                    "illumination": known["illumination"],
                    "split": known["split"],
                    "video": known["item"] if clips else "",
                    "frame": number,
                }
            )
    path = folder / "manifest.csv"
    pl.DataFrame(rows).write_csv(path)
    Manifest.read(path)
    return path


def _save(channels: np.ndarray, path: Path) -> None:
    picture = channels[0] if len(channels) == 1 else np.moveaxis(channels, 0, -1)
    Image.fromarray(np.ascontiguousarray(picture)).save(path)


@pytest.mark.parametrize("name", FACE)
def test_a_face_study_runs_on_own_data_or_says_why_not(
    name: str, manifests: dict[bool, Path], tmp_path: Path
) -> None:
    study, data = STUDIES[name], manifests[name in CLIPS]
    changes = {"data": data, "seeds": 1, "cropped": "true"}
    fields = type(study.presets["smoke"]).model_fields
    assignments = [f"{key}={value}" for key, value in changes.items() if key in fields]
    refusal = study.no_data[:20] if study.no_data else OTHER_LAYOUTS.get(name)
    if refusal is not None:
        with pytest.raises(InputError, match=refusal):
            run_smoke(name, tmp_path, *assignments)
        return
    evidence = run_smoke(name, tmp_path, *assignments)
    assert str(data) in evidence.scope
    assert "SIMULATED" not in evidence.scope
    assert evidence.claims
    assert all(claim.measured is not None for claim in evidence.claims)
