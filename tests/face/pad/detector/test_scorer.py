"""Detectors that are a function of somebody's module, or an address: right and hostile answers."""

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.face.pad.detector.crops import labelled

from sterling.errors import InputError
from sterling.face.evaluation.bounded_threshold import Promise
from sterling.face.evaluation.calibration import calibrate
from sterling.face.evaluation.evaluate import scores_of
from sterling.face.pad import load_detector
from sterling.face.pad.detector.decision import ScoringError
from sterling.face.pad.detector.scorer import ADDRESSES, ScorerDetector
from sterling.plugins import name_modules
from sterling.testing import check_detector

MODULE = """
import numpy as np

def redness(crops):
    assert crops.dtype == np.uint8 and crops.shape[1:] == (8, 8, 3), crops.shape
    return crops[..., 0].mean(axis=(1, 2)) / 255 - crops[..., 2].mean(axis=(1, 2)) / 255

redness.size, redness.crop_scale, redness.border = 8, None, "repeat"
redness.threshold, redness.licence = 0.1, "mine"

class Network:
    size = 8
    crop_scale = None

    def __call__(self, crops):
        import torch
        weights = torch.ones(1, requires_grad=True)
        return torch.from_numpy(crops).float().mean(dim=(1, 2, 3))[:, None] * weights

network = Network()

def hostile(answer):
    def scorer(crops):
        return answer(crops)
    scorer.size, scorer.crop_scale = 8, None
    return scorer

def _blinded(crops):
    crops[:] = 0
    print("{\\"scores\\": 1}")
    return np.zeros(len(crops))

def _picky(crops):
    if (crops[:, 0, 0, 0] == 4).any():
        raise KeyError("no\\nsuch face")
    return np.zeros(len(crops))

def _exits(crops):
    raise SystemExit(0)

plain = hostile(lambda crops: np.zeros(len(crops)))
short = hostile(lambda crops: [0.5])
columns = hostile(lambda crops: np.zeros((len(crops), 2)))
nothing = hostile(lambda crops: None)
text = hostile(lambda crops: ["high"] * len(crops))
nan = hostile(lambda crops: np.where(crops[:, 0, 0, 0] == 4, np.nan, 0.0))
imaginary = hostile(lambda crops: np.zeros(len(crops), complex))
picky, exits, blinded = hostile(_picky), hostile(_exits), hostile(_blinded)
crooked = hostile(lambda crops: np.zeros(len(crops)))
crooked.border = "mirror"
number = 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of the working directory, gone from memory afterwards."""
    name = f"scorers_{abs(hash(str(tmp_path))) % 10**9}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("STERLING_PLUGINS", "")
    return name


def crops(count: int = 6, size: int = 8) -> NDArray[np.uint8]:
    """The red of crop i is i, and all other values are 1."""
    made = np.ones((count, 3, size, size), np.uint8)
    made[:, 0] = np.arange(count, dtype=np.uint8)[:, None, None]
    return made


def test_a_function_gets_rgb_crops_in_its_size_and_its_numbers_are_the_scores(module: str) -> None:
    detector = load_detector(f"{module}:redness")
    np.testing.assert_allclose(detector.score(crops(), batch_size=4), (np.arange(6) - 1) / 255)
    assert len(detector.score(crops(0))) == 0
    assert (detector.preprocessing.size, detector.preprocessing.crop_scale) == (8, None)
    assert detector.threshold is not None
    assert (detector.threshold.value, detector.threshold.source) == (0.1, "the maker")
    assert detector.provenance.licence == "mine"
    with pytest.raises(InputError, match=r"this detector takes uint8 \(N, 3, 8, 8\)"):
        detector.score(crops(size=9))
    check_detector(detector.score, crops()[4:], crops()[:4])
    means = load_detector(f"{module}:network").score(crops())
    np.testing.assert_allclose(means, (np.arange(6) + 2) / 3, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "crop", "said"),
    [
        ("short", 0, r"crops 1 to 6 of 6: returned float64 \(1,\); return one number per crop"),
        ("columns", 0, r"returned float64 \(6, 2\)"),
        ("nothing", 0, r"returned NoneType \(object\), no numbers"),
        ("text", 0, "no numbers"),
        ("imaginary", 0, r"returned ndarray \(complex128\), no numbers"),
        ("nan", 4, "crop 5 of 6: returned nan; return finite numbers"),
        ("picky", 4, r"crop 5 of 6: raised KeyError: 'no\\nsuch face'"),
        ("exits", 0, "crop 1 of 6: raised SystemExit: 0"),
    ],
)
def test_a_wrong_answer_is_one_line_that_names_function_and_crop(
    module: str, name: str, crop: int, said: str
) -> None:
    with pytest.raises(ScoringError, match=said) as caught:
        load_detector(f"{module}:{name}").score(crops())
    assert str(caught.value).startswith(f"{module}:{name}: crop")
    assert "\n" not in str(caught.value)
    assert caught.value.crop == crop


def test_a_function_changes_no_crop_and_prints_nothing_to_standard_output(
    module: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = crops()
    load_detector(f"{module}:blinded").score(given)
    np.testing.assert_array_equal(given, crops())
    assert capsys.readouterr().out == ""


def test_what_is_no_function_is_refused(module: str) -> None:
    for name, said in [
        (f"{module}:absent", "unknown name in"),
        (f"{module}:Network", "is a class; name a function"),
        (f"{module}:number", "is a int; name a function"),
        (f"{module}:crooked", "border: Input should be"),
        ("no_such_module_at_all:score", "no module no_such_module_at_all"),
        ("http://me:word@127.0.0.1:9/", "without a password"),
        ("http:///score", "give an address of the form"),
        ("http://[::1/", "no address"),
    ]:
        with pytest.raises(InputError, match=said) as caught:
            load_detector(name)
        assert "word@" not in str(caught.value)


def test_a_calibrated_copy_is_a_card_that_runs_only_what_the_user_names(
    module: str, tmp_path: Path
) -> None:
    detector = load_detector(f"{module}:redness")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 3, 8, 8), dtype=np.uint8)
    faces = labelled(images)
    scores = scores_of(detector.score(faces.images), faces.manifest)
    found = calibrate(scores, Promise(0.2, 0.5), source="desk")
    calibrated = replace(detector, threshold=found.threshold, promise=found.guarantee.statement)
    calibrated.save_pretrained(tmp_path / "door")
    assert [path.name for path in (tmp_path / "door").iterdir()] == ["card.yaml"]
    with pytest.raises(InputError, match=f"a file alone may run no code; .* --plugin {module}$"):
        load_detector(tmp_path / "door")
    name_modules((module,))
    again = load_detector(tmp_path / "door")
    assert isinstance(again, ScorerDetector)
    assert again.threshold == found.threshold
    assert again.promise == calibrated.promise != ""
    np.testing.assert_array_equal(again.score(images), detector.score(images))
    assert again.card() == calibrated.card()
    assert "--plugin" in again.caution


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("size", "8", "size: Input should be a valid integer"),
        ("size", 10**6, "size: Input should be less than"),
        ("scorer", 3, "scorer: Input should be a valid string"),
        ("scorer", "os:system\nb", "scorer: String should match"),
        ("scorer", "os:system", "a file alone may run no code"),
        ("weights", "x", "weights: Extra inputs are not permitted"),
        ("threshold", {"value": "high", "source": ""}, "no number"),
    ],
)
def test_a_card_of_other_fields_is_refused(
    module: str, tmp_path: Path, field: str, value: object, said: str
) -> None:
    name_modules((module,))
    path = tmp_path / "card.yaml"
    load_detector(f"{module}:redness").save_pretrained(tmp_path)
    import yaml

    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), field: value}))
    with pytest.raises(InputError, match=said):
        load_detector(path)


Answer = Callable[[list[NDArray[np.uint8]]], tuple[int, bytes, dict[str, str]]]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Answer], str]]:
    """Start a server of one answer; its address."""
    servers: list[ThreadingHTTPServer] = []

    async def sleep(_seconds: float) -> None:
        return None

    monkeypatch.setattr("sterling.remote._sleep", sleep)

    def started(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                shown = [
                    np.asarray(Image.open(io.BytesIO(base64.b64decode(one))))
                    for one in body["images"]
                ]
                status, content, headers = answer(shown)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}/score"

    yield started
    for server in servers:
        server.shutdown()
        server.server_close()


def reds(shown: list[NDArray[np.uint8]]) -> tuple[int, bytes, dict[str, str]]:
    assert all(one.shape == (224, 224, 3) for one in shown)
    scores = [float(one[0, 0, 0]) for one in shown]
    return 200, json.dumps({"scores": scores, "model": "m"}).encode(), {}


def test_an_address_gets_png_and_its_numbers_are_the_scores(
    serve: Callable[[Answer], str], tmp_path: Path
) -> None:
    address = serve(reds)
    detector = load_detector(address)
    given = crops(5, 224)
    np.testing.assert_array_equal(detector.score(given, batch_size=2), np.arange(5))
    assert f"sent to {address}" in detector.caution
    detector.save_pretrained(tmp_path)  # this machine's own address needs no consent
    np.testing.assert_array_equal(load_detector(tmp_path).score(given), np.arange(5))


def test_a_server_that_fails_for_a_time_is_asked_again(serve: Callable[[Answer], str]) -> None:
    calls: list[int] = []

    def answer(shown: list[NDArray[np.uint8]]) -> tuple[int, bytes, dict[str, str]]:
        calls.append(len(shown))
        return reds(shown) if len(calls) > 2 else (503, b"later", {})

    np.testing.assert_array_equal(load_detector(serve(answer)).score(crops(3, 224)), np.arange(3))
    assert calls == [3, 3, 3]


@pytest.mark.parametrize(
    ("status", "content", "said"),
    [
        (404, b"nobody here\nat all", "status 404: nobody here at all"),
        (302, b"", "status 302"),
        (500, b"broken", "status 500: broken"),
        (200, b"<html>", r'the answer is not {"scores": \[...\]}'),
        (200, b'{"scores": ["high", 1, 2]}', "the answer is not"),
        (200, b'{"scores": [1, NaN, 2]}', "crop 2 of 3: returned nan"),
        (200, b'{"scores": [1]}', r"returned float64 \(1,\)"),
        (200, b'{"scores": [' + b"1," * 2000 + b"1]}", r"returned float64 \(2001,\)"),
        (200, b" " * 5000, "longer than 4,500 bytes"),
    ],
)
def test_a_hostile_server_gets_one_line(
    serve: Callable[[Answer], str],
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    content: bytes,
    said: str,
) -> None:
    monkeypatch.setattr("sterling.remote.LARGEST_ANSWER", 4500)
    elsewhere = {"Location": "http://169.254.169.254/latest"} if status == 302 else {}
    address = serve(lambda _shown: (status, content, elsewhere))
    with pytest.raises(ScoringError, match=said) as caught:
        load_detector(address).score(crops(3, 224))
    assert str(caught.value).startswith(f"{address}: crop")
    assert str(caught.value).count(address) == 1
    assert "\n" not in str(caught.value)


def test_a_card_sends_faces_nowhere_unless_the_user_lists_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ADDRESSES, raising=False)
    for address in ("https://a.test/score", "http://127.0.0.1.a.test/", "http://10.0.0.1/"):
        load_detector(address).save_pretrained(tmp_path)  # the user names it: nothing is sent yet
        with pytest.raises(InputError, match=f"sends crops of faces to {address}; to allow"):
            load_detector(tmp_path)
        monkeypatch.setenv(ADDRESSES, f"http://b.test/ {address}")
        assert load_detector(tmp_path).model.name == address
        monkeypatch.delenv(ADDRESSES)
