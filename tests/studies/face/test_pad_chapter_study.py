"""Types of protocol: what each leaves out of training."""

from pathlib import Path

from sterling.face.capture import KINDS, Scale, simulate
from sterling.runs import Cell, open_run
from sterling.studies import STUDIES
from sterling.studies.face.pad_chapter import _protocols as pad_chapter


def test_what_is_left_out_is_gone_from_training_and_the_test_is_the_same() -> None:
    faces = simulate("sets", seed=0, size=32, scale=Scale((2, 2, 2), (24, 24, 24))).faces()
    test = faces.split("test").manifest.column("item").tolist()
    for setting in pad_chapter.settings(pad_chapter.PadChapterConfig()):
        seen = faces if setting.changed is None else setting.changed(faces)
        assert seen.split("test").manifest.column("item").tolist() == test
        for split in ("train", "dev"):
            manifest = seen.split(split).manifest
            species = set(manifest.column("species").tolist())
            assert "bona_fide" in species
            for kind, members in KINDS.items():
                if setting.name == f"without {kind}":
                    assert not species & set(members)
                elif setting.name != pad_chapter.ONE:
                    assert species & set(members)
        sensors = set(seen.split("train").manifest.column("sensor").tolist())
        assert (len(sensors) == 1) is (setting.name == pad_chapter.ONE)


def test_a_pulse_is_looked_for_in_every_kind_of_clip(tmp_path: Path) -> None:
    config = STUDIES["pad_chapter"].presets["smoke"]
    with open_run(tmp_path / "run", identity={}, seed=2) as run:
        areas = pad_chapter._pulse_areas(config, Cell(run, "", {"repetition": 0}, 0))
    assert {method: set(found) for method, found in areas.items()} == {
        "POS": set(pad_chapter.AGAINST),
        "CHROM": set(pad_chapter.AGAINST),
    }
