"""`sterling face data check`, and training and evaluating on a public data set's tree."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from tests.cli.command import refused, run, told
from tests.face.data.trees import a_few, lay_out, msu_mfsd
from tests.films import film

from sterling.face.data import CropSpec, Manifest, load_faces
from sterling.face.data.source import read_source

ASTRONAUT = Path(__file__).resolve().parents[2] / "examples" / "photographs" / "astronaut.jpg"


def test_exit_status_says_whether_it_is_complete(tmp_path: Path) -> None:
    lay_out(tmp_path, msu_mfsd())
    document = json.loads(told("face", "data", "check", tmp_path, "--json"))
    assert (document["dataset"], document["complete"], document["problems"]) == (
        "msu_mfsd",
        True,
        [],
    )
    assert "nothing found missing" in told("face", "data", "check", tmp_path)
    (tmp_path / "scene01/real/real_client001_android_SD_scene01.mp4").unlink()
    text = told("face", "data", "check", tmp_path, status=1)
    assert "missing (1): presentations, the first:\n    real_client001_android_SD_scene01" in text
    assert "39/40" in text
    assert run("face", "data", "check", tmp_path / "scene01" / "nowhere").status == 2
    assert "no file is named as in any of OULU-NPU" in refused(
        "face", "data", "check", ASTRONAUT.parent
    )


@pytest.fixture(scope="module")
def casia(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people for training and two for testing, of whom all videos show one face."""
    folder = tmp_path_factory.mktemp("casia")
    face = Image.open(ASTRONAUT)
    kinds = {"1": face, "3": face.filter(ImageFilter.GaussianBlur(4))}
    for place, people in (("train_release", 5), ("test_release", 2)):
        for person in range(1, people + 1):
            for clip, picture in kinds.items():
                pixels = np.asarray(picture.convert("RGB"))[:, :, ::-1]
                film(folder / place / str(person) / f"{clip}.avi", [pixels] * 2)
    return folder


@pytest.mark.smoke
def test_train_and_evaluate_on_a_protocol(
    casia: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = ("--data", casia, "--protocol", "overall")
    small = ("--size", "32", "--set", "width=4", "--epochs", "1")
    assert run("face", "train", *data, "--out", tmp_path / "detector", *small).status == 0
    assert "no split dev; a fifth of the subjects of train stands in" in caplog.text
    arguments = (tmp_path / "detector", *data, "--out", tmp_path / "run")
    assert run("face", "evaluate", *arguments).status == 0
    evidence = json.loads((tmp_path / "run" / "evidence.json").read_text())
    assert evidence["config"]["protocol"] == "overall"
    assert "--protocol overall" in evidence["command"]
    assert "print_warped" in evidence["metrics"][0]["name"]


@pytest.mark.parametrize(
    ("protocol", "words"),
    [("grandtest", "unknown protocol of CASIA-MFSD 'grandtest'"), ("1", "available: overall")],
)
def test_protocols_of_other_sets_are_refused(
    casia: Path, tmp_path: Path, protocol: str, words: str
) -> None:
    data = ("--data", casia, "--protocol", protocol)
    assert words in refused("face", "train", *data, "--out", tmp_path / "none")


def test_a_protocol_needs_a_public_data_set(tmp_path: Path) -> None:
    lay_out(tmp_path, ["live/anna/a.jpg"])
    data = ("--data", tmp_path, "--protocol", "1")
    assert "is no folder of a public data set" in refused(
        "face", "train", *data, "--out", tmp_path / "none"
    )


def test_a_leave_one_out_list_is_a_manifest(tmp_path: Path) -> None:
    for key, option in (("casia_mfsd", "C"), ("replay_attack", "I"), ("msu_mfsd", "M")):
        lay_out(tmp_path / option, a_few(key))
    folders = ("--casia-mfsd", tmp_path / "C", "--replay-attack", tmp_path / "I")
    whole = (*folders, "--msu-mfsd", tmp_path / "M", "--out", tmp_path / "list.csv")
    assert "test: 48 videos" in told("face", "data", "leave-one-out", "M&I to C", *whole)
    manifest = Manifest.read(tmp_path / "list.csv")
    assert set(manifest.column("split").tolist()) == {"train", "dev", "test"}
    assert all(Path(path).is_file() for path in manifest.column("path").tolist())
    out = ("--out", tmp_path / "none.csv")
    assert "the folder of O is missing" in refused(
        "face", "data", "leave-one-out", "O&C&I to M", *folders, *out
    )


def test_a_folder_that_says_what_it_shows_is_taken_at_its_word(tmp_path: Path) -> None:
    """Named as NUAA names its frames, of which eight a recording would be read."""
    names = [f"0001/0001_00_00_01_{k}.jpg" for k in range(12)]
    for kind in ("live", "spoof_print"):
        for place, name in enumerate(names):
            lay_out(tmp_path, [f"{kind}/{name}"], f"{kind} {place}".encode())
    assert len(read_source(tmp_path)) == 24
    (tmp_path / "live").rename(tmp_path / "ClientRaw")
    (tmp_path / "spoof_print").rename(tmp_path / "ImposterRaw")
    assert len(read_source(tmp_path)) == 16


@pytest.mark.parametrize(("key", "title"), [("dmad", "DMAD"), ("siw_mv2", "SiW-Mv2")])
def test_a_set_of_unknown_layout_is_not_guessed_and_has_a_way_of_its_own(
    tmp_path: Path, key: str, title: str
) -> None:
    folder = tmp_path / title
    names = [f"live/{p}/a.png" for p in "12"] + [f"spoof/print/{p}/a.png" for p in "12"]
    rng = np.random.default_rng(0)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(folder / name)
    for asked in ((), ("--as", key)):
        said = refused("face", "data", "check", folder, *asked)
        assert f"{title}: its layout is not known here, so there is no reader" in said
        assert "sort the pictures into live/ and spoof/<species>/, or list them in a" in said
    # The first way: folders that say what they show.
    by_folder = read_source(folder)
    assert by_folder.column("species").tolist() == ["bona_fide"] * 2 + ["print"] * 2
    # The second way: a manifest, in which depth may stand beside colour.
    rows = [
        f"{i},{name},{name},{'bona_fide' if i < 2 else 'attack'},"
        f"{'bona_fide' if i < 2 else 'print'},p{name[-7]},{('train', 'test')[i % 2]}"
        for i, name in enumerate(names)
    ]
    head = "item,path,depth_path,label,species,subject,split"
    (folder / "list.csv").write_text("\n".join([head, *rows]))
    listed = read_source(folder / "list.csv")
    loaded = load_faces(listed, CropSpec(32), modalities=("rgb", "depth"), cropped=True)
    assert loaded.faces.images.shape == (4, 4, 32, 32)
    assert loaded.non_responses == ()


def test_a_folder_is_held_against_the_set_that_it_is_said_to_be(tmp_path: Path) -> None:
    lay_out(tmp_path, msu_mfsd())
    assert run("face", "data", "check", tmp_path, "--as", "msu_mfsd").status == 0
    assert "nothing is named as in OULU-NPU" in refused(
        "face", "data", "check", tmp_path, "--as", "oulu_npu"
    )
    assert "unknown data set 'oulu': did you mean" in refused(
        "face", "data", "check", tmp_path, "--as", "oulu"
    )
