"""Pictures of people in one domain: their division by person, and reading them from folders."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sterling.errors import InputError
from sterling.face.data import IMAGE_SUFFIXES, FaceDetector
from sterling.face.data.images import call_picture
from sterling.face.recognition.alignment import AlignmentCanvas, CanvasFaces
from sterling.face.recognition.template import align_to_template
from sterling.files import is_hidden
from sterling.sandbox import sandbox


@dataclass(frozen=True, eq=False)
class Identities:
    """One domain: a camera, a region, an age.

    Attributes:
        domain: Its name.
        images: float32 (N, C, S, S), in [-1, 1].
        person: Who each picture shows, integers (N,).

    Raises:
        InputError: The two differ in length, or a person has a single picture.
    """

    domain: str
    images: Tensor
    person: NDArray[np.int64]

    def __post_init__(self) -> None:
        if len(self.images) != len(self.person):
            raise InputError(
                f"domain {self.domain}: {len(self.images)} pictures of {len(self.person)} people "
                "named; name one for each"
            )
        people, counts = np.unique(self.person, return_counts=True)
        if len(people) and counts.min() < 2:
            raise InputError(
                f"domain {self.domain}: person {people[counts.argmin()]} has one picture; two or "
                "more are compared with each other"
            )

    @property
    def people(self) -> NDArray[np.int64]:
        """Everybody, sorted."""
        return np.unique(self.person)

    def of(self, people: NDArray[np.int64]) -> "Identities":
        """The pictures of some people."""
        rows = np.isin(self.person, people)
        return Identities(self.domain, self.images[torch.from_numpy(rows)], self.person[rows])

    def divide(self, share: float, seed: int) -> tuple["Identities", "Identities"]:
        """Two parts without a person in common, the first with a share of the people.

        Raises:
            InputError: A part would have fewer than two people.
        """
        people = np.random.default_rng(seed).permutation(self.people)
        count = round(share * len(people))
        if not 2 <= count <= len(people) - 2:
            raise InputError(
                f"domain {self.domain}: {len(people)} people, of whom a share of {share:g} leaves "
                "fewer than two on one side; add people or change the share"
            )
        return self.of(people[:count]), self.of(people[count:])


SEARCHED_SIDE = (
    320  # pixels that pictures are shrunk to before the search: a portrait needs no more
)


def read_identity_folders(
    folder: Path, domains: Sequence[str] = (), *, size: int = 32, pictures: int = 10
) -> tuple[list[Identities], int]:
    """Read ``<domain>/<person>/<picture>`` and bring every face to the template.

    Faces are found and their five landmarks moved to the template of recognisers. Pictures become
    grey, so that colour does not tell domains apart.

    Args:
        folder: Holds the domains.
        domains: Names of those to read; none: all there are.
        size: Side of the aligned faces, pixels.
        pictures: At most so many of each person, in the order of their names.

    Returns:
        The domains, and the number of pictures that cannot be read or show no face. People with
        fewer than two faces are left out.

    Raises:
        InputError: A folder is missing, or a domain has fewer than four people with two faces.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give one with <domain>/<person>/<picture>")
    names = list(domains) or sorted(one.name for one in folder.iterdir() if one.is_dir())
    if len(names) < 3:
        raise InputError(
            f"{folder}: domains {', '.join(names) or 'none'}; two to learn from and one to be "
            "judged on are needed"
        )
    detector = FaceDetector(longest_side=SEARCHED_SIDE)
    read = [_domain(folder / name, detector, size, pictures) for name in names]
    return [domain for domain, _ in read], sum(missed for _, missed in read)


def read_people(folder: Path, *, size: int = 32, pictures: int = 10) -> tuple[Identities, int]:
    """Read ``<person>/<picture>`` and bring every face to the template, in grey.

    Args:
        folder: Holds a folder for each person.
        size: Side of the aligned faces, pixels.
        pictures: At most so many of each person, in the order of their names.

    Returns:
        The people with two faces or more, and the number of pictures that cannot be read or show
        no face.

    Raises:
        InputError: The folder is missing, or has fewer than four people with two faces.
    """
    return _domain(folder, FaceDetector(longest_side=SEARCHED_SIDE), size, pictures)


def read_canvases(
    folder: Path, canvas: AlignmentCanvas, *, pictures: int = 10
) -> tuple[CanvasFaces, int]:
    """Read ``<person>/<picture>`` and bring every face to a canvas, in colour.

    Arguments, errors and the number returned are those of `read_people`.
    """
    detector = FaceDetector(longest_side=SEARCHED_SIDE)

    def placed(image: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
        face = detector.largest(image)
        if face is None:
            return None
        pixels = np.ascontiguousarray(image.transpose(1, 2, 0))
        return canvas.template.align(pixels, face.landmarks).transpose(2, 0, 1)

    faces, person, missed = _faces(folder, pictures, placed)
    return CanvasFaces(canvas, torch.from_numpy(faces), person), missed


def _domain(
    folder: Path, detector: FaceDetector, size: int, pictures: int
) -> tuple[Identities, int]:
    faces, person, missed = _faces(folder, pictures, lambda image: _aligned(image, detector, size))
    images = torch.from_numpy(faces).float()[:, None] / 127.5 - 1
    return Identities(folder.name, images, person), missed


def _faces(
    folder: Path,
    pictures: int,
    placed: Callable[[NDArray[np.uint8]], NDArray[np.uint8] | None],
) -> tuple[NDArray[np.uint8], NDArray[np.int64], int]:
    """Placed faces, the person of each, and the number of pictures without a face."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give one with <person>/<picture>")
    faces: list[NDArray[np.uint8]] = []
    person: list[int] = []
    missed = 0
    people = sorted(one for one in folder.iterdir() if one.is_dir())
    for number, own in enumerate(people):
        found = sorted(
            path
            for path in own.iterdir()
            if path.suffix.lower() in IMAGE_SUFFIXES and not is_hidden(Path(path.name))
        )
        with sandbox() as box:
            wanted = found[:pictures] if len(found) > 1 else []
            for answer in box.map(call_picture(str(path)) for path in wanted):
                face = None if isinstance(answer, InputError) else placed(answer[0])
                if face is None:
                    missed += 1
                else:
                    faces.append(face)
                    person.append(number)
    counts = Counter(person)
    kept = [row for row, one in enumerate(person) if counts[one] > 1]
    if len({person[row] for row in kept}) < 4:
        raise InputError(
            f"{folder}: fewer than four people with two faces each; a folder for each person holds "
            "that person's pictures"
        )
    return np.stack([faces[row] for row in kept]), np.array([person[row] for row in kept]), missed


def _aligned(
    image: NDArray[np.uint8], detector: FaceDetector, size: int
) -> NDArray[np.uint8] | None:
    """A grey square (size, size) of a picture (3, H, W), or None where no face is found."""
    face = detector.largest(image)
    if face is None:
        return None
    grey = torch.from_numpy(image).float().mean(dim=0).round().to(torch.uint8).numpy()
    return align_to_template(grey, face.landmarks, size)
