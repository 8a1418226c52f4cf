"""Logos that are known by one example each, and the naming of what a photograph shows.

Examples:
    ```python
    models = load_models()
    gallery = enroll(Path("logos"), models)
    for sight in identify(gallery, [Path("photo.jpg")], models)[Path("photo.jpg")]:
        print(sight.name or "unknown", sight.box)
    ```
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from sterling.checks import check_numbers
from sterling.errors import InputError
from sterling.files import is_hidden, open_regular
from sterling.image.logos.crops import crop_boxes
from sterling.image.logos.localiser import LogoLocaliser
from sterling.image.logos.network import LogoNetwork
from sterling.image.logos.reading import logo_box
from sterling.measure import Threshold
from sterling.pictures import SUFFIXES
from sterling.sandbox import Call, sandbox
from sterling.storage import digest_of, write_atomically

WEIGHTS = Path(__file__).parent / "data" / "weights"
FPIR = 0.01  # share of crops of nobody enrolled that may be named
DRAWN = frozenset({*SUFFIXES, ".svg"})

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class LogoModels:
    """The two networks, and crops of logos that nobody enrols.

    Attributes:
        network: Embeds crops.
        localiser: Finds boxes.
        strangers: Embeddings of rendered crops of invented logos, and of what the localiser takes
            for a logo in scenes without one, unit rows (M, dimension).
        digest: SHA-256 of the network's weights, so that a gallery is used with its own network.
    """

    network: LogoNetwork
    localiser: LogoLocaliser
    strangers: Floats
    digest: str


@cache
def load_models(folder: Path = WEIGHTS) -> LogoModels:
    """Load the weights that ship, trained on rendered logos only.

    Raises:
        InputError: A file is missing or does not fit.
    """
    network, localiser = LogoNetwork.load(folder), LogoLocaliser.load(folder)
    with open_regular(folder / "strangers.safetensors", "embeddings") as file:
        strangers = load_arrays(file.read())["embeddings"].astype(np.float32)
    return LogoModels(network, localiser, strangers, digest_of(folder / "network.safetensors"))


@dataclass(frozen=True, eq=False)
class LogoGallery:
    """Enrolled logos.

    Attributes:
        names: Brand of each example.
        embeddings: Unit rows (N, dimension).
        threshold: Similarity from which on a crop is named.
        digest: SHA-256 of the network's weights.
    """

    names: tuple[str, ...]
    embeddings: Floats
    threshold: Threshold
    digest: str

    def match(self, embeddings: Floats) -> tuple[list[str], NDArray[np.float64]]:
        """Nearest brand of each embedding (M, dimension), and its cosine."""
        alike = embeddings @ self.embeddings.T
        best = alike.argmax(axis=1)
        return [self.names[one] for one in best], alike.max(axis=1).astype(np.float64)

    def save(self, folder: Path) -> None:
        """Write ``gallery.safetensors`` and ``gallery.json`` into a folder.

        Raises:
            InputError: The folder cannot be written to.
        """
        card = {
            "names": self.names,
            "threshold": json.loads(self.threshold.to_json()),
            "network_sha256": self.digest,
        }
        content = save_arrays({"embeddings": self.embeddings})
        write_atomically(folder / "gallery.safetensors", content)
        write_atomically(folder / "gallery.json", json.dumps(card, indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path, models: LogoModels) -> "LogoGallery":
        """Read what `save` wrote.

        Raises:
            InputError: It is no gallery, it holds no logo, or another network made it.
        """
        try:
            with open_regular(folder / "gallery.json", "gallery") as file:
                card = json.load(file)
            with open_regular(folder / "gallery.safetensors", "gallery") as file:
                embeddings = load_arrays(file.read())["embeddings"].astype(np.float32)
            names = tuple(map(str, card["names"]))
            threshold = Threshold.from_json(json.dumps(card["threshold"]))
            digest = str(card["network_sha256"])
        except InputError:
            raise
        except Exception as error:  # json and safetensors raise their own kinds
            raise InputError(f"{folder}: no gallery ({error}); enrol the logos again") from error
        if digest != models.digest:
            raise InputError(f"{folder}: made with another network; enrol the logos again")
        if not names or embeddings.shape != (len(names), models.strangers.shape[1]):
            raise InputError(
                f"{folder}: {len(names)} names for embeddings {embeddings.shape}; enrol them again"
            )
        return cls(names, embeddings, threshold, digest)


def enroll(logos: Path, models: LogoModels, *, fpir: float = FPIR) -> LogoGallery:
    """Make a gallery of a folder with one picture or SVG file for each brand.

    A file's name is the brand's; a brand with several examples has a folder of its name.

    Args:
        logos: The folder, or one file.
        models: Networks.
        fpir: Share of crops of other logos that may be named; the threshold comes from
            `LogoModels.strangers`.

    Raises:
        InputError: There is no logo, two files have one name, or a file cannot be read or shows
            nothing.
    """
    check_numbers(above=0, below=1, fpir=fpir)
    files = _named_files(logos)
    paths = [path for _, path in files]
    crops = [
        crop_boxes(picture, logo_box(picture, str(path))[None], models.network.design)
        for path, picture in zip(paths, _read(paths, "logo_pixels"), strict=True)
    ]
    embeddings = np.concatenate([models.network.embed(one).numpy() for one in crops])
    threshold = _threshold(embeddings, models, fpir)
    return LogoGallery(tuple(name for name, _ in files), embeddings, threshold, models.digest)


def _threshold(embeddings: Floats, models: LogoModels, fpir: float) -> Threshold:
    """The lowest similarity that so few strangers reach."""
    best = np.sort((models.strangers @ embeddings.T).max(axis=1))[::-1].astype(float)
    allowed = int(fpir * len(best))
    return Threshold(
        value=float(np.nextafter(best[allowed], np.inf)),
        rule=f"at most {fpir:g} of crops of other logos are named (FPIR)",
        source=f"{len(best)} rendered crops of invented logos and of the localiser's mistakes; not "
        "your photographs",
        n=len(best),
        resolved=allowed > 0,
    )


def _named_files(logos: Path) -> list[tuple[str, Path]]:
    """Brand and path of each logo, by the brands' names.

    Raises:
        InputError: There is none, or two files or folders have one name.
    """
    if logos.is_file():
        return [(logos.stem, logos)]
    if not logos.is_dir():
        raise InputError(f"{logos}: no such file or folder; give your logos")
    found: list[tuple[str, Path]] = []
    holders: dict[str, Path] = {}
    for path in sorted(logos.rglob("*")):
        inner = path.relative_to(logos)
        if is_hidden(inner) or path.suffix.lower() not in DRAWN or not path.is_file():
            continue
        alone = len(inner.parts) == 1
        name, holder = (path.stem, path) if alone else (inner.parts[0], logos / inner.parts[0])
        if holders.setdefault(name.casefold(), holder) != holder:
            raise InputError(
                f"{holders[name.casefold()]} and {holder} both name the brand {name!r}; rename one "
                f"or put both files into {logos / name}"
            )
        found.append((name, path))
    if not found:
        raise InputError(f"{logos}: no logo (.svg, .png, .jpg, ...) in it; give another folder")
    return found


@dataclass(frozen=True)
class Sight:
    """A box in a photograph that looks like a logo.

    Attributes:
        photograph: The file.
        box: Left, top, right, bottom in pixels of the photograph.
        name: Brand, or None where the similarity is below the threshold.
        nearest: Nearest brand, named or not.
        similarity: Cosine with it.
        score: Likeness of the box to a logo, 0 to 1.
    """

    photograph: Path
    box: tuple[float, float, float, float]
    name: str | None
    nearest: str
    similarity: float
    score: float


def identify(
    gallery: LogoGallery, photographs: Sequence[Path], models: LogoModels, *, least: float = 0.3
) -> Mapping[Path, list[Sight] | InputError]:
    """Find and name logos in photographs.

    Args:
        gallery: Enrolled logos.
        photographs: Files.
        models: The networks that the gallery was made with.
        least: Smallest score of a box.

    Returns:
        For each file its boxes, the likeliest first, or why it could not be read.
    """
    seen: dict[Path, list[Sight] | InputError] = {}
    with sandbox() as box:
        calls = [
            Call("sterling.image.logos.reading:photograph_pixels", (str(one),))
            for one in photographs
        ]
        for path, answer in zip(photographs, box.map(calls), strict=True):
            if isinstance(answer, InputError):
                seen[path] = answer
            else:
                seen[path] = _sights(gallery, path, answer, models, least)
    return seen


def _sights(
    gallery: LogoGallery,
    path: Path,
    read: Sequence[NDArray[Any]],
    models: LogoModels,
    least: float,
) -> list[Sight]:
    picture, (height, width) = read
    found = models.localiser.find(picture, least=least)
    if not len(found):
        return []
    crops = crop_boxes(picture, found.boxes, models.network.design)
    names, alike = gallery.match(models.network.embed(crops).numpy())
    return [
        Sight(
            path,
            (box[0], box[1], box[2], box[3]),
            name if similarity >= gallery.threshold.value else None,
            name,
            similarity,
            score,
        )
        for box, name, similarity, score in zip(
            np.round(found.boxes * (max(height, width) / max(picture.shape)), 1).tolist(),
            names,
            alike.tolist(),
            found.scores.tolist(),
            strict=True,
        )
    ]


def _read(paths: Sequence[Path], function: str) -> list[NDArray[np.uint8]]:
    """Pixels of files, decoded in a child process.

    Raises:
        InputError: A file cannot be read.
    """
    calls = [Call(f"sterling.image.logos.reading:{function}", (str(path),)) for path in paths]
    read = []
    with sandbox() as box:
        for answer in box.map(calls):
            if isinstance(answer, InputError):
                raise answer
            read.append(answer[0])
    return read
