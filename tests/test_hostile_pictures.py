"""Mutated pictures, detectors, leaderboards and manifests: an answer, or one line of refusal.

The oracle is one: no other exception, no mutation that takes long or much memory, no file of a
folder that disappears. ``STERLING_MUTATIONS=2000`` tries more of them.
"""

import io
import json
import os
import random
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tests.face.challenge.test_challenge import LISTS, scored

from sterling.errors import InputError, NothingMeasuredError
from sterling.face.challenge.challenge import Rule, write_submission
from sterling.face.challenge.leaderboard import Board, start_board, submit, verify
from sterling.face.data import CropSpec, Manifest, load_faces, read_folder
from sterling.face.pad import CDCN, Detector, Preprocessing, Provenance
from sterling.face.pad.detector.base import seal
from sterling.measure import Threshold
from sterling.pictures import decode

MUTATIONS = int(os.environ.get("STERLING_MUTATIONS", "120"))  # of each kind
SECONDS = 5.0  # that one mutation may take
MEMORY = 700_000  # KiB that all of them may add to the largest size of this process
SIZES = (0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1e308,
    10**9,
    10**30,
    "",
    "\0",
    "../x",
    "/etc",
    [],
    {},
)


@contextmanager
def bounded() -> Iterator[None]:
    """An answer or a refusal of one line, in time and memory."""
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with suppress(InputError, NothingMeasuredError):
        yield
    assert time.monotonic() - start < SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY


def mutated_bytes(content: bytes, dice: random.Random) -> bytes:
    """Content with some bytes changed, removed, repeated, or made a large number."""
    found = bytearray(content)
    for _ in range(dice.randint(1, 4)):
        # Headers lie at the beginning, and say more than pixels do.
        place = dice.randrange(min(len(found), dice.choice((64, 512, len(found)))) or 1)
        match dice.randrange(5):
            case 0:
                found[place : place + 1] = bytes([dice.randrange(256)])
            case 1:
                number = dice.choice(SIZES).to_bytes(4)
                found[place : place + 4] = dice.choice((number, number[::-1]))
            case 2:
                del found[place : place + dice.randint(1, 200)]
            case 3:
                found[place:place] = found[place : place + dice.randint(1, 200)]
            case _:
                del found[place:]
    return bytes(found)


def mutated_json(document: Any, dice: random.Random) -> Any:
    """A document of which one value somewhere is gone, doubled, or another."""
    found = json.loads(json.dumps(document))
    place, key = dice.choice(list(places(found)))
    match dice.randrange(4):
        case 0:
            del place[key]
        case 1 if isinstance(place, dict):
            place[f"{key}x"] = place.pop(key)
        case 1:
            place.append(place[key])
        case 2 if isinstance(place[key], str):
            place[key] = mutated_bytes(place[key].encode(), dice).decode(errors="replace")
        case _:
            place[key] = dice.choice(VALUES)
    return found


def places(document: Any) -> Iterator[tuple[Any, Any]]:
    keys = document.keys() if isinstance(document, dict) else range(len(document))
    for key in keys:
        yield document, key
        if isinstance(document[key], (dict, list)):
            yield from places(document[key])


def pictures() -> dict[str, bytes]:
    """One small picture of each format that is read, in several modes."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    rgb = Image.fromarray(noise)
    turned = Image.Exif()
    turned[0x0112] = 6
    modes: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        "a.jpg": (rgb, {"exif": turned}),
        "b.png": (rgb.convert("P"), {"transparency": 3}),
        "c.png": (Image.fromarray(noise[..., 0].astype(np.uint16) * 257), {}),
        "d.webp": (rgb, {}),
        "e.bmp": (rgb, {}),
        "f.tiff": (rgb, {"compression": "tiff_lzw"}),
        "g.gif": (rgb, {"save_all": True, "append_images": [rgb]}),
        "h.ppm": (rgb.convert("L"), {}),
        "i.jpg": (rgb.convert("CMYK"), {"progressive": True}),
    }
    made = {}
    for name, (image, options) in modes.items():
        stream = io.BytesIO()
        kind = {".jpg": "JPEG"}.get(Path(name).suffix, Path(name).suffix[1:].upper())
        image.save(stream, kind, **options)
        made[name] = stream.getvalue()
    return made


def test_pictures() -> None:
    dice, whole = random.Random(0), list(pictures().values())
    for content in whole:
        assert decode(content, "whole").pixels.dtype == np.uint8
    for _ in range(3 * MUTATIONS):
        content = mutated_bytes(dice.choice(whole), dice)
        with bounded():
            pixels = decode(content, "mutated").pixels
            assert pixels.dtype == np.uint8
            assert pixels.ndim == 3


def test_every_file_of_a_folder_is_a_crop_or_counted(tmp_path: Path) -> None:
    dice, (live, whole) = random.Random(1), (tmp_path / "live", pictures())
    (live / "s1").mkdir(parents=True)
    for number in range(max(20, MUTATIONS // 4)):
        name, content = dice.choice(list(whole.items()))
        mutated = mutated_bytes(content, dice) + bytes([number % 256, number // 256])
        (live / "s1" / f"{number}{name}").write_bytes(mutated)
    manifest = read_folder(tmp_path)
    loaded = load_faces(manifest, CropSpec(size=32), cropped=True)
    crops, others = len(loaded.faces), len(loaded.non_responses)
    assert crops + others == len(manifest) == max(20, MUTATIONS // 4)
    assert min(crops, others) > 0
    assert {one.reason for one in loaded.non_responses} == {"unreadable"}


def test_detectors(tmp_path: Path) -> None:
    made = Detector(
        CDCN(4),
        Preprocessing(size=32, crop_scale=1.3, face_detector="CenterFace"),
        Provenance("captures", True, "CC0", 0, 10, "ab"),
        Threshold(0.5, items=frozenset({"0" * 16}), n=1),
    )
    made.save_pretrained(tmp_path)
    path, weights = tmp_path / "config.json", (tmp_path / "model.safetensors").read_bytes()
    card, dice = json.loads(path.read_text()), random.Random(2)
    crop = torch.zeros((3, 32, 32), dtype=torch.uint8)
    (expected,) = made.decide([crop])
    for _ in range(MUTATIONS):
        changed = mutated_json(card, dice)
        forged = dice.random() < 0.9  # the digest computed again, as a forger would
        if forged and "sha256" in changed:
            changed["sha256"] = seal(changed, weights)
        path.write_text(json.dumps(changed))
        with bounded():
            read = Detector.from_pretrained(tmp_path)
            assert forged or changed == card
            # Another network, such as another θ, has other scores.
            alike = read.preprocessing.size == 32 and changed["model"] == card["model"]
            crops = [crop] if alike else []
            for answer in read.decide(crops):
                assert answer.score == expected.score
    for _ in range(MUTATIONS // 4):
        path.write_text(json.dumps(card))
        (tmp_path / "model.safetensors").write_bytes(mutated_bytes(weights, dice))
        with bounded():
            Detector.from_pretrained(tmp_path)


def test_leaderboards(tmp_path: Path) -> None:
    path, lists, file = (tmp_path / name for name in ("board.json", "lists.csv", "scores.txt"))
    LISTS.write(lists)
    start_board(path, lists, Rule(), title="masks", scope="made by hand")
    write_submission(file, LISTS, scored(0))
    submit(path, file, name="one", recipe={"system": "one"})
    board, dice = json.loads(path.read_text()), random.Random(3)
    assert not any(check.problem for check in verify(path))
    for _ in range(MUTATIONS // 4):
        changed = mutated_json(board, dice)
        path.write_text(json.dumps(changed))
        with bounded():
            problems = [check for check in verify(path) if check.problem]
            # A field with its default may be left out.
            assert problems or Board.model_validate(changed) == Board.model_validate(board)


def test_manifests(tmp_path: Path) -> None:
    path, dice = tmp_path / "lists.csv", random.Random(4)
    LISTS.write(path)
    whole = path.read_bytes()
    for _ in range(MUTATIONS):
        path.write_bytes(mutated_bytes(whole, dice))
        with bounded():
            assert Manifest.read(path).column("item").dtype.kind == "U"


def test_the_control_ends_a_reader_without_checks() -> None:
    dice, content = random.Random(5), pictures()["b.png"]
    raised = 0
    for _ in range(50):
        try:
            Image.open(io.BytesIO(mutated_bytes(content, dice))).load()
        except Exception:
            raised += 1
    assert raised > 10
