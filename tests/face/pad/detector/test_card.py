"""Networks of others answer as their card says, to the last digit, or are refused."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from PIL import Image
from scipy.special import expit, softmax
from tests.face.pad.detector.tiny import TensorProto, helper, means_network, write

from sterling.errors import InputError
from sterling.face.data import (
    CropSpec,
    Face,
    FaceDetector,
    Faces,
    Limits,
    Manifest,
    crop_pixels,
    load_faces,
)
from sterling.face.evaluation.card_check import draft_card
from sterling.face.evaluation.prediction import predict_sources
from sterling.face.evaluation.robustness import STRENGTHS, recropped, sweep
from sterling.face.pad import DetectorBase, load_detector
from sterling.face.pad.detector.card import (
    parse_card,
    template,
    templates,
    write_card_file,
)
from sterling.face.pad.detector.card_detector import CardDetector
from sterling.measure import Threshold
from sterling.testing import check_detector
from sterling.yaml_files import MAX_BYTES

Build = Callable[..., Path]
RED = [[1, 0, 0]]
ASTRONAUT = Path(__file__).parents[4] / "examples" / "photographs" / "astronaut.jpg"
PIXELS: NDArray[np.uint8] = np.arange(2 * 3 * 8 * 8, dtype=np.uint8).reshape(2, 3, 8, 8)
MEANS = PIXELS.mean(axis=(2, 3), dtype=np.float64)  # (2, 3): red, green, blue


def entry(path: Path, **changes: Any) -> dict[str, Any]:
    return {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "size": 8,
        "crop_scale": 2.0,
        "border": "shift",
        "colour": "RGB",
        "range": 255,
        "mean": [0, 0, 0],
        "deviation": [1, 1, 1],
        "layout": "NCHW",
        "output": "answer",
        "kind": "score",
        "bona_fide": "high",
        **changes,
    }


def card_of(*networks: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "format": "sterling-card-1",
        "name": "theirs",
        "note": "",
        "data": "their own",
        "licence": "MIT",
        "networks": list(networks),
        "threshold": None,
        "margin": 0,
        "checked": None,
        **changes,
    }


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Write networks and their card; return the card's path."""

    def written(*networks: dict[str, Any], **changes: Any) -> Path:
        path = tmp_path / "card.yaml"
        path.write_text(yaml.safe_dump(card_of(*networks, **changes)))
        return path

    return written


@pytest.fixture
def red(tmp_path: Path) -> Path:
    return means_network(tmp_path / "red.onnx", RED)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, MEANS[:, 0]),
        ({"colour": "BGR"}, MEANS[:, 2]),
        ({"range": 1}, MEANS[:, 0] / 255),
        ({"mean": [100, 1, 2], "deviation": [4, 5, 6]}, (MEANS[:, 0] - 100) / 4),
        # Mean and deviation are those of the network's channels, blue first here.
        ({"colour": "BGR", "range": 1, "mean": [0.5, 9, 9]}, MEANS[:, 2] / 255 - 0.5),
        ({"bona_fide": "low"}, -MEANS[:, 0]),
    ],
)
def test_the_input_is_what_the_card_says(
    build: Build, red: Path, settings: dict[str, Any], expected: NDArray[np.float64]
) -> None:
    detector = load_detector(build(entry(red, **settings)))
    assert detector.score(PIXELS) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("layout", "batch"), [("NHWC", "n"), ("NCHW", 1), ("NHWC", 1)])
def test_layout_and_batch_of_the_graph(
    build: Build, tmp_path: Path, layout: str, batch: int | str
) -> None:
    path = means_network(tmp_path / "n.onnx", [[0, 1, 0]], layout=layout, batch=batch)
    detector = load_detector(build(entry(path, layout=layout)))
    assert detector.score(PIXELS) == pytest.approx(MEANS[:, 1], rel=1e-5)
    assert detector.score(PIXELS[:0]).shape == (0,)


ROWS = [[0.01, 0, 0], [0, 0.02, 0], [0, 0, 0.005]]
LOGITS = MEANS @ np.array(ROWS).T


@pytest.mark.parametrize(
    ("rows", "last", "kind", "bona_fide", "expected"),
    [
        (ROWS, None, "logits", 2, softmax(LOGITS, axis=1)[:, 2]),
        (ROWS, "Softmax", "probabilities", 0, softmax(LOGITS, axis=1)[:, 0]),
        (ROWS[:1], "Sigmoid", "probabilities", "high", expit(LOGITS[:, 0])),
        (ROWS[:1], "Sigmoid", "probabilities", "low", 1 - expit(LOGITS[:, 0])),
        (ROWS[:1], None, "log odds", "high", expit(LOGITS[:, 0])),
        (ROWS[:1], None, "log odds", "low", expit(-LOGITS[:, 0])),
    ],
)
def test_every_kind_of_answer_becomes_a_probability_of_bona_fide(
    build: Build,
    tmp_path: Path,
    rows: list[list[float]],
    last: str | None,
    kind: str,
    bona_fide: int | str,
    expected: NDArray[np.float64],
) -> None:
    path = means_network(tmp_path / "n.onnx", rows, last=last)
    detector = load_detector(build(entry(path, kind=kind, bona_fide=bona_fide)))
    assert detector.score(PIXELS) == pytest.approx(expected, rel=1e-5)


def test_large_logits_are_finite_probabilities(build: Build, tmp_path: Path) -> None:
    path = means_network(tmp_path / "n.onnx", [[900, 0, 0], [0, 0, 0]])
    assert load_detector(build(entry(path, kind="logits", bona_fide=1))).score(PIXELS).max() < 1e-9


class Corner(FaceDetector):
    """A face in the upper left corner, wherever one looks."""

    def largest(self, image: Any) -> Face:
        del image
        return Face((0, 0, 40, 30), ((0, 0),) * 5, 1.0)


def test_networks_of_two_scales_see_two_windows_and_are_averaged(
    build: Build, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (3, 100, 120), dtype=np.uint8)
    Image.fromarray(picture.transpose(1, 2, 0)).save(tmp_path / "a.png")
    columns = {name: [value] for name, value in (("item", "i"), ("path", str(tmp_path / "a.png")))}
    manifest = Manifest.from_columns({**columns, "label": ["bona_fide"], "species": ["bona_fide"]})
    first = means_network(tmp_path / "a.onnx", [[0.01, 0, 0]])
    second = means_network(tmp_path / "b.onnx", [[0, 0, 0.03]])
    kind = {"kind": "log odds"}
    detector = load_detector(
        build(
            entry(first, crop_scale=2.0, **kind),
            entry(second, crop_scale=4.0, **kind),
            entry(first, crop_scale=2.0, colour="BGR", **kind),
        )
    )
    own = detector.preprocessing
    assert own.crop_specs() == tuple(CropSpec(8, scale, border="shift") for scale in (2, 4))
    assert detector.model.shape(8) == (6, 8, 8)  # equal crops are cut once
    faces = load_faces(manifest, own.crop_specs(), detector=Corner()).faces
    # 80 and 160 pixels, of which there are 100, shifted to the corner.
    near, wide = (
        crop_pixels(picture[:, :side, :side], Face((0, 0, side, side), (), 1.0), CropSpec(8, 1))
        for side in (80, 100)
    )
    assert np.array_equal(faces.images[0].numpy(), np.concatenate([near, wide]))
    expected = expit([0.01 * near[0].mean(), 0.03 * wide[2].mean(), 0.01 * near[2].mean()]).mean()
    assert detector.score(faces.images) == pytest.approx([expected], rel=1e-5)
    assert [spec.scale for spec in own.scaled(1.5).crop_specs()] == [3, 6]


def test_predictions_see_the_same_crops_as_evaluations(build: Build, tmp_path: Path) -> None:
    networks = [means_network(tmp_path / f"{i}.onnx", [[0.01, 0, -0.01 * i]]) for i in range(2)]
    detector = load_detector(
        build(
            entry(networks[0], crop_scale=2.7, kind="log odds"),
            entry(networks[1], crop_scale=4.0, kind="log odds"),
            threshold={"value": 0.5, "source": "the maker"},
        )
    )
    columns = {"item": ["i"], "path": [str(ASTRONAUT)], "label": ["bona_fide"]}
    manifest = Manifest.from_columns({**columns, "species": ["bona_fide"]})
    faces = load_faces(manifest, detector.preprocessing.crop_specs()).faces
    (answer,) = predict_sources(detector, [str(ASTRONAUT)], largest=True)
    assert answer.score == detector.score(faces.images)[0]
    assert not np.array_equal(faces.images[0, :3], faces.images[0, 3:])


def detector_of_red(build: Build, red: Path, **changes: Any) -> DetectorBase:
    return load_detector(build(entry(red), **changes))


def test_the_contract_of_detectors_holds(build: Build, red: Path) -> None:
    rng = np.random.default_rng(0)
    attacks = rng.integers(0, 100, (4, 3, 8, 8), dtype=np.uint8)
    check_detector(detector_of_red(build, red).score, attacks + 100, attacks)


def test_input_of_another_kind_is_refused(build: Build, red: Path) -> None:
    detector = detector_of_red(build, red)
    with pytest.raises(InputError, match="this detector takes uint8"):
        detector.score(PIXELS[:, :2])
    with pytest.raises(InputError, match="present"):
        detector.score(PIXELS, present=np.zeros((2, 1), np.bool_))
    with pytest.raises(InputError, match="no threshold"):
        detector.decide([PIXELS[0]])


def test_a_threshold_of_its_maker_decides(build: Build, red: Path) -> None:
    stated = {"value": float(MEANS[:, 0].mean()), "source": "their page"}
    detector = detector_of_red(build, red, threshold=stated)
    low, high = sorted(range(2), key=lambda i: MEANS[i, 0])
    assert [one.outcome.value for one in detector.decide([PIXELS[low], PIXELS[high]])] == [
        "attack",
        "bona fide",
    ]
    assert detector.threshold is not None
    assert (detector.threshold.rule, detector.threshold.source) == (
        "as its card states",
        "their page",
    )


def test_a_calibrated_card_is_written_with_its_networks(
    build: Build, red: Path, tmp_path: Path
) -> None:
    threshold = Threshold(99.5, rule="calibrated", source="door", n=20, items=frozenset({"ab"}))
    plain = detector_of_red(build, red)
    assert (plain.limits, plain.promise) == (None, "")  # the card has neither field
    detector = replace(plain, threshold=threshold, limits=Limits(), promise="At most 5 %.")
    detector.save_pretrained(tmp_path / "out")
    again = load_detector(tmp_path / "out")
    assert isinstance(again, CardDetector)
    assert again.threshold == threshold
    assert (again.limits, again.promise) == (Limits(), "At most 5 %.")
    assert np.array_equal(again.score(PIXELS), detector.score(PIXELS))
    assert again.card() == detector.card()
    again.save_pretrained(tmp_path / "twice")
    assert (tmp_path / "twice" / "card.yaml").read_bytes() == (
        tmp_path / "out" / "card.yaml"
    ).read_bytes()
    (tmp_path / "out" / "config.json").write_text("{}")
    with pytest.raises(InputError, match="two detectors"):
        load_detector(tmp_path / "out")


def test_robustness_degrades_every_crop(build: Build, red: Path) -> None:
    detector = load_detector(
        build(
            *(entry(red, crop_scale=scale, kind="log odds") for scale in (2.0, 4.0)),
            threshold={"value": 0.5, "source": "the maker"},
        )
    )
    columns = {"item": ["a", "b"], "path": ["a", "b"], "label": ["bona_fide", "attack"]}
    manifest = Manifest.from_columns({**columns, "species": ["bona_fide", "print"]})
    images = torch.from_numpy(PIXELS).repeat(1, 2, 1, 1)
    faces = Faces(manifest, images, crops=2)
    points = sweep(detector, faces)
    assert len(points) == sum(map(len, STRENGTHS.values()))
    untouched = [point.scores.values for point in points if point.strength == 0]
    assert all(np.array_equal(values, detector.score(images)) for values in untouched)
    assert recropped(detector, {1.0: faces})[0].errors.apcer_max.trials == 1


def test_a_card_says_whether_it_was_checked(build: Build, red: Path) -> None:
    assert "UNCHECKED" in detector_of_red(build, red).caution
    card = parse_card(card_of(entry(red)), "card")
    checked = {"photo": "0" * 64, "score": 0.9, "attacks": 1, "others": 0}
    sure = {**checked, "settings": card.settings()}
    assert detector_of_red(build, red, checked=sure).caution == ""
    assert "3 other settings" in detector_of_red(build, red, checked={**sure, "others": 3}).caution
    other = {**checked, "settings": "1" * 64}
    assert "CHANGED" in detector_of_red(build, red, checked=other).caution


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"file": "/etc/passwd"}, r"networks\.0\.file: a card names files of its own folder"),
        ({"file": "../red.onnx"}, r"networks\.0\.file: a card names files of its own folder"),
        ({"file": "..\\red.onnx"}, r"networks\.0\.file"),
        ({"file": "C:red.onnx"}, r"networks\.0\.file"),
        ({"file": "."}, r"networks\.0\.file"),
        ({"file": "absent.onnx"}, "absent.onnx: no such ONNX file"),
        ({"sha256": "0" * 64}, r"networks\.0\.sha256 is not that of red.onnx"),
        ({"sha256": "A"}, r"networks\.0\.sha256"),
        ({"size": 16}, r"networks\.0: the graph takes \(3, 8, 8\)"),
        ({"size": True}, r"networks\.0\.size"),
        ({"layout": "NHWC"}, r"networks\.0: the graph takes \(3, 8, 8\)"),
        ({"crop_scale": 0}, r"networks\.0\.crop_scale"),
        ({"border": "mirror"}, r"networks\.0\.border"),
        ({"colour": "GBR"}, r"networks\.0\.colour"),
        ({"range": 2}, r"networks\.0\.range"),
        ({"mean": [1, 2]}, r"networks\.0\.mean"),
        ({"mean": [1, 2, float("nan")]}, r"networks\.0\.mean"),
        ({"deviation": [1, 0, 1]}, r"networks\.0\.deviation"),
        ({"output": "score"}, "output is 'score'; the graph has answer"),
        ({"kind": "logits"}, "kind is logits, but output answer has 1 numbers"),
        ({"bona_fide": 1}, "bona_fide is 1, but output answer takes high or low"),
        ({"bona_fide": "up"}, r"networks\.0\.bona_fide"),
        ({"colour": None}, r"networks\.0\.colour"),
        ({"flip": True}, r"networks\.0\.flip"),
    ],
)
def test_a_wrong_field_of_a_network_is_named(
    build: Build, red: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_detector(build(entry(red, **changes)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "sterling-card-9"}, "'format' is not 'sterling-card-1'"),
        ({"networks": []}, "networks: "),
        ({"margin": -1}, "margin: "),
        ({"name": ""}, "name: "),
        ({"threshold": {"value": "high", "source": ""}}, "threshold: value is 'high'"),
        ({"threshold": {"value": float("inf"), "source": ""}}, "threshold inf"),
        ({"threshold": {"value": 0.5}}, "threshold: fields are missing"),
        ({"checked": {"photo": "x"}}, r"checked\.photo"),
        ({"weights": "pickle"}, "weights: "),
    ],
)
def test_a_wrong_field_of_a_card_is_named(
    build: Build, red: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        load_detector(build(entry(red), **changes))


def test_every_field_is_required(red: Path) -> None:
    whole = card_of(entry(red))
    parse_card(whole, "card")
    for name in whole:
        with pytest.raises(InputError, match=name):
            parse_card({key: value for key, value in whole.items() if key != name}, "card")
    for name in entry(red):
        network = {key: value for key, value in entry(red).items() if key != name}
        with pytest.raises(InputError, match=rf"networks\.0\.{name}"):
            parse_card(card_of(network), "card")


def test_networks_that_do_not_go_together_are_refused(build: Build, red: Path) -> None:
    for changes, message in (
        ({"size": 16}, "networks: size is"),
        ({"border": "repeat"}, "networks: border is"),
        ({"crop_scale": None}, "networks: crop_scale is null"),
        ({}, "networks: kind is 'score'"),
    ):
        with pytest.raises(InputError, match=message):
            load_detector(build(entry(red), entry(red, **changes)))


def test_answers_that_are_no_probabilities_are_refused(build: Build, tmp_path: Path) -> None:
    path = means_network(tmp_path / "n.onnx", ROWS)
    with pytest.raises(InputError, match="kind is probabilities, but the network answers numbers"):
        load_detector(build(entry(path, kind="probabilities", bona_fide=0)))
    with pytest.raises(InputError, match="bona_fide is 3, but output answer has 3 classes"):
        load_detector(build(entry(path, kind="logits", bona_fide=3)))


def test_a_file_outside_the_folder_is_not_read_through_a_link(
    build: Build, red: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.onnx"
    secret.write_bytes(red.read_bytes())
    network = entry(red, file="link.onnx")
    path = build(network)
    (path.parent / "link.onnx").symlink_to(secret)
    with pytest.raises(InputError, match="lies outside it and is not read"):
        load_detector(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not readable as YAML"),
        ("\x00", "not readable as YAML"),
        ("!!python/object/apply:os.system ['true']", "not readable as YAML"),
        ("a: &a [1]\nb: *a\n", r"has references \(\*name\)"),
        ("[" * 10_000, "not readable as YAML"),
        ("- 1", "'format' is not"),
        ("format: sterling-card-1", "networks|name"),
        (" " * (MAX_BYTES + 1), "too many for a card"),
    ],
)
def test_hostile_text_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        load_detector(tmp_path / "a.yaml")
    assert "\n" not in str(caught.value)


def test_mutated_cards_are_read_or_refused_in_one_line(build: Build, red: Path) -> None:
    path = build(entry(red), threshold={"value": 0.5, "source": "the maker"})
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    refused = []
    for _ in range(150):
        content = bytearray(whole)
        for place in rng.integers(0, len(content), rng.integers(1, 4)):
            content[place] = rng.integers(0, 256)
        path.write_bytes(bytes(content))
        try:
            assert np.isfinite(load_detector(path).score(PIXELS)).all()
        except InputError as error:
            refused.append(str(error))
    assert len(refused) > 75
    assert not [message for message in refused if "\n" in message]


@pytest.mark.parametrize("place", ["weights.bin", "/etc/hostname", "../weights.bin"])
def test_weights_outside_the_onnx_file_are_not_read(
    build: Build, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights.bin").write_bytes(np.ones(192, np.float32).tobytes())
    monkeypatch.chdir(tmp_path)
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1, 3, 8, 8])
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=place)
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["images", "w"], ["product"]),
            helper.make_node("ReduceMean", ["product"], ["answer"], axes=[1, 2, 3], keepdims=0),
        ],
        "outside",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["n"])],
        [weights],
    )
    write(graph, tmp_path / "n.onnx")
    with pytest.raises(InputError, match="not a network that can be run") as caught:
        load_detector(build(entry(tmp_path / "n.onnx")))
    assert "\n" not in str(caught.value)


def test_other_files_and_graphs_are_refused(build: Build, tmp_path: Path) -> None:
    (tmp_path / "n.onnx").write_bytes(b"no graph")
    with pytest.raises(InputError, match="not a network that can be run"):
        load_detector(build(entry(tmp_path / "n.onnx")))
    several = means_network(tmp_path / "n.onnx", RED, batch=4)
    with pytest.raises(InputError, match="takes 4 pictures at once"):
        load_detector(build(entry(several)))
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, 8, 8])
    answer = helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["n", 3, 8, 8])
    write(
        helper.make_graph(
            [helper.make_node("Identity", ["images"], ["answer"])], "map", [images], [answer]
        ),
        tmp_path / "n.onnx",
    )
    with pytest.raises(InputError, match="a map; choose one of numbers"):
        load_detector(build(entry(tmp_path / "n.onnx")))
    integers = helper.make_tensor_value_info("images", TensorProto.INT64, ["n", 3, 8, 8])
    write(
        helper.make_graph(
            [helper.make_node("Cast", ["images"], ["answer"], to=1)], "cast", [integers], [answer]
        ),
        tmp_path / "n.onnx",
    )
    with pytest.raises(InputError, match="only one batch of pictures in float32"):
        load_detector(build(entry(tmp_path / "n.onnx")))


def test_templates_are_cards_without_files() -> None:
    assert set(templates()) == {"faceplugin", "silent-face", "deeppixbis", "two-class"}
    told = {"size": 8, "layout": "NCHW", "kind": "logits"}  # by the graph of two-class
    for known in templates().values():
        networks = [
            {"file": "a.onnx", "sha256": "0" * 64, **told, **network}
            for network in known["networks"]
        ]
        parse_card({**card_of(), **known, "networks": networks}, "template")
    both = templates()["silent-face"]["networks"]
    assert [network["crop_scale"] for network in both] == [2.7, 4.0]


def test_a_map_scores_by_its_mean(tmp_path: Path) -> None:
    """A map (N, 1, 2, 2) of the sigmoids of the means of the picture's quarters."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["grey"], axes=[1], keepdims=1),
        helper.make_node("AveragePool", ["grey"], ["pooled"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Sigmoid", ["pooled"], ["map"]),
    ]
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "map",
        [tensor("images", 1, ["n", 3, 8, 8])],
        [tensor("map", 1, ["n", 1, 2, 2])],
    )
    write(graph, tmp_path / "map.onnx")
    stated = {"crop_scale": None, "size": 8}
    pixbis = draft_card(
        [tmp_path / "map.onnx"], tmp_path / "map.yaml", stated, like=template("deeppixbis")
    )
    assert pixbis.assumed == {}
    write_card_file(pixbis.card, tmp_path / "map.yaml")
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 8, 8), dtype=np.uint8)
    mean, deviation = (np.array(pixbis.card.networks[0].mean), np.array([0.229, 0.224, 0.225]))
    shown = (images / 255 - mean[:, None, None]) / deviation[:, None, None]
    quarters = shown.reshape(3, 3, 2, 4, 2, 4).mean(axis=(1, 3, 5))
    expected = (1 / (1 + np.exp(-quarters))).mean(axis=(1, 2))
    found = load_detector(tmp_path / "map.yaml").score(images)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    unstated = template("deeppixbis")["networks"][0] | {"kind": "probabilities"}
    with pytest.raises(InputError, match="state the kind map for its mean"):
        draft_card(
            [tmp_path / "map.onnx"],
            tmp_path / "map.yaml",
            stated,
            like={**template("deeppixbis"), "networks": [unstated]},
        )


@pytest.mark.parametrize(("last", "kind"), [(None, "logits"), ("Softmax", "probabilities")])
def test_a_two_class_network_tells_the_rest_itself(
    tmp_path: Path, last: str | None, kind: str
) -> None:
    path = means_network(tmp_path / "n.onnx", [[1.0, 0, 0], [0, 0, 1]], last=last)
    draft = draft_card([path], tmp_path / "n.yaml", {}, like=template("two-class"))
    (network,) = draft.card.networks
    assert (network.size, network.kind, network.bona_fide) == (8, kind, 1)
    assert (network.range, network.mean) == (1, (0.485, 0.456, 0.406))
    assert draft.assumed == {}
