"""Published lists of verification pairs and templates: LFW, CPLFW and CALFW, CFP, IJB-B and IJB-C.

The lists name files; nothing is opened but the lists. `PairList.accuracy` scores a list by its own
folds.

    pairs = read_cfp("cfp-dataset", "FP")
    embeddings = {path: embed(path) for path in pairs.paths}
    pairs.accuracy(embeddings).mean
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError, quoted
from sterling.face.recognition.verification import verification_accuracy
from sterling.measure import FoldAccuracy
from sterling.tables import read_lines

FOLDS = 10


@dataclass(frozen=True, eq=False)
class PairList:
    """Pairs of pictures in folds.

    Attributes:
        first, second: Paths of the pictures below the data set's folder, with ``/``.
        same: Whether a pair is of one person, bool (N,).
        fold: Number of each pair's fold from 0, int64 (N,), ascending.
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    same: NDArray[np.bool_]
    fold: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.same)

    @property
    def paths(self) -> tuple[str, ...]:
        """Every picture once, sorted."""
        return tuple(sorted({*self.first, *self.second}))

    def accuracy(self, embeddings: Mapping[str, ArrayLike]) -> FoldAccuracy:
        """Accuracy over the folds of the list, each at the threshold that is best on the others.

        Args:
            embeddings: Vector of every picture, by its path.

        Raises:
            InputError: A picture has no vector, or folds differ in size.
        """
        for path in self.paths:
            if path not in embeddings:
                raise InputError(f"{path}: has no embedding; embed every picture of the list")
        folds, counts = np.unique(self.fold, return_counts=True)
        if len(set(counts.tolist())) > 1:
            raise InputError(
                f"folds have {counts.min()} to {counts.max()} pairs; a list of equal folds is "
                "needed"
            )
        one, other = (
            np.array([np.asarray(embeddings[path], dtype=float) for path in side])
            for side in (self.first, self.second)
        )
        return verification_accuracy(one, other, self.same, len(folds))


def read_lfw_pairs(path: Path, suffix: str = ".jpg") -> PairList:
    """Read ``pairs.txt`` of LFW: ``name n m`` is one person, ``name n other m`` two.

    The first line has the number of folds and of pairs of each kind in a fold, as ``10 300``.

    Args:
        path: The list.
        suffix: Suffix of the pictures, which are ``name/name_0001.jpg``.

    Raises:
        InputError: A line has another form, or pairs are missing or left over.
    """
    lines = list(_lines(path))
    if not lines:
        raise InputError(f"{path}: is empty; give the list as it was published")
    place, header = lines[0]
    if len(header) not in (1, 2):
        raise InputError(f"{place}: {quoted(' '.join(header))}; the first line is '10 300'")
    counts = [_whole(place, word) for word in header]
    folds, each = (1, counts[0]) if len(counts) == 1 else (counts[0], counts[1])
    if len(lines) - 1 != 2 * folds * each:
        raise InputError(
            f"{path}: {len(lines) - 1} pairs; its first line promises {2 * folds * each}"
        )
    rows = []
    for number, (place, words) in enumerate(lines[1:]):
        if len(words) not in (3, 4):
            raise InputError(
                f"{place}: {quoted(' '.join(words))}; 'name n m' or 'name n other m' is expected"
            )
        one, other = words[0], words[-2] if len(words) == 4 else words[0]
        names = [
            f"{name}/{name}_{_whole(place, count):04d}{suffix}"
            for name, count in ((one, words[1]), (other, words[-1]))
        ]
        rows.append((names[0], names[1], len(words) == 3, number // (2 * each)))
    return _pair_list(path, rows)


def read_cross_pairs(path: Path) -> PairList:
    """Read ``pairs_CPLFW.txt`` or ``pairs_CALFW.txt``: two lines a pair, ``file label`` each.

    Label 1 is one person, 0 two; both lines of a pair have the same. The file names no folds: fold
    k holds the k-th tenth of the pairs of each kind.

    Args:
        path: The list.

    Raises:
        InputError: A line has another form, a pair's labels differ, or a kind does not fill ten
            equal folds.
    """
    lines = list(_lines(path))
    if len(lines) % 2:
        raise InputError(f"{path}: {len(lines)} lines; every pair has two")
    pairs = []
    for (place, one), (below, other) in zip(lines[::2], lines[1::2], strict=True):
        for where, words in ((place, one), (below, other)):
            if len(words) != 2 or words[1] not in ("0", "1"):
                raise InputError(f"{where}: {quoted(' '.join(words))}; 'file 0' or 'file 1'")
        if one[1] != other[1]:
            raise InputError(f"{below}: label {other[1]}, but {one[1]} on the line before")
        pairs.append((one[0], other[0], one[1] == "1"))
    rows: list[tuple[str, str, bool, int]] = []
    for same in (True, False):
        kind = [pair for pair in pairs if pair[2] is same]
        if not kind or len(kind) % FOLDS:
            raise InputError(
                f"{path}: {len(kind)} pairs with label {int(same)}; a multiple of {FOLDS} is needed"
            )
        rows += [(*pair, number * FOLDS // len(kind)) for number, pair in enumerate(kind)]
    return _pair_list(path, sorted(rows, key=lambda each: each[3]))


def read_cfp(folder: Path, protocol: Literal["FF", "FP"] = "FP") -> PairList:
    """Read the folds of CFP: frontal to frontal (FF) or frontal to profile (FP).

    Args:
        folder: Folder of the data set, which has ``Protocol/Pair_list_F.txt``,
            ``Protocol/Pair_list_P.txt`` and ``Protocol/Split/FP/01/same.txt`` and so on.
        protocol: FF or FP.

    Returns:
        Pairs with paths below the folder, as ``Data/Images/001/frontal/01.jpg``.

    Raises:
        InputError: A file is missing, or a line has another form or names an unknown picture.
    """
    frontal = _cfp_pictures(folder / "Protocol" / "Pair_list_F.txt")
    other = frontal if protocol == "FF" else _cfp_pictures(folder / "Protocol" / "Pair_list_P.txt")
    split = folder / "Protocol" / "Split" / protocol
    if not split.is_dir():
        raise InputError(f"{split}: no such folder; give the data set as it was distributed")
    rows = []
    parts = sorted(one for one in split.iterdir() if one.is_dir() and one.name.isdigit())
    for fold, part in enumerate(parts):
        for name, same in (("same.txt", True), ("diff.txt", False)):
            for place, words in _lines(part / name, ","):
                if len(words) != 2:
                    raise InputError(f"{place}: {quoted(','.join(words))}; 'i,j' is expected")
                one, two = (
                    _named(place, word, known)
                    for word, known in zip(words, (frontal, other), strict=True)
                )
                rows.append((one, two, same, fold))
    return _pair_list(split, rows)


@dataclass(frozen=True, eq=False)
class TemplateList:
    """Templates of IJB-B or IJB-C, sets of pictures of one person, and pairs of them.

    Attributes:
        pictures: File name of each picture, N.
        template: Template of each picture, int64 (N,).
        medium: Photograph or video that it is from, int64 (N,).
        first, second: Templates of each pair, int64 (P,).
        same: Whether a pair is of one person, bool (P,).
    """

    pictures: tuple[str, ...]
    template: NDArray[np.int64]
    medium: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    same: NDArray[np.bool_]

    def similarities(self, embeddings: ArrayLike) -> NDArray[np.float64]:
        """Cosine of each pair of templates, (P,).

        A template is the sum over its media of the mean over the pictures of a medium, so that a
        long video counts once.

        Args:
            embeddings: Vectors of the pictures, (N, D), in their order; scale them by a quality
                first if wished.

        Raises:
            InputError: There are not as many as pictures, one is not finite, or a template is 0.
        """
        vectors = np.asarray(embeddings, dtype=float)
        if vectors.ndim != 2 or len(vectors) != len(self.pictures):
            raise InputError(
                f"embeddings {vectors.shape}: give one for each of {len(self.pictures)} pictures"
            )
        both = np.stack([self.template, self.medium], axis=1)
        media, place, counts = np.unique(both, axis=0, return_inverse=True, return_counts=True)
        means = np.zeros((len(media), vectors.shape[1]))
        np.add.at(means, place.reshape(-1), vectors)
        means /= counts[:, None]
        names, owner = np.unique(media[:, 0], return_inverse=True)
        sums = np.zeros((len(names), vectors.shape[1]))
        np.add.at(sums, owner, means)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        if not (np.isfinite(lengths).all() and (lengths > 0).all()):
            raise InputError("embeddings: some are not finite, or a template's sum is 0")
        unit = sums / lengths
        one, two = (np.searchsorted(names, side) for side in (self.first, self.second))
        return np.asarray((unit[one] * unit[two]).sum(1))


def read_ijb(pictures: Path, pairs: Path) -> TemplateList:
    """Read the two lists of IJB-B or IJB-C that evaluations share.

    Args:
        pictures: ``ijbc_face_tid_mid.txt``, lines of ``picture template medium``.
        pairs: ``ijbc_template_pair_label.txt``, lines of ``template template label``.

    Raises:
        InputError: A line has another form, or a pair names a template without pictures.
    """
    names, numbers = [], []
    for place, words in _lines(pictures):
        if len(words) != 3:
            raise InputError(f"{place}: {quoted(' '.join(words))}; 'picture template medium'")
        names.append(_below(place, words[0]))
        numbers.append([_whole(place, word) for word in words[1:]])
    known = {template for template, _ in numbers}
    compared = []
    for place, words in _lines(pairs):
        if len(words) != 3 or words[2] not in ("0", "1"):
            raise InputError(f"{place}: {quoted(' '.join(words))}; 'template template 0' or '… 1'")
        ends = [_whole(place, word) for word in words]
        for template in ends[:2]:
            if template not in known:
                raise InputError(f"{place}: template {template} has no picture in {pictures.name}")
        compared.append(ends)
    if not compared:
        raise InputError(f"{pairs}: has no pair; give the list as it was published")
    members, ends_of = np.array(numbers, dtype=np.int64), np.array(compared, dtype=np.int64)
    return TemplateList(
        tuple(names),
        members[:, 0],
        members[:, 1],
        ends_of[:, 0],
        ends_of[:, 1],
        ends_of[:, 2] == 1,
    )


def _cfp_pictures(path: Path) -> dict[int, str]:
    """Path below the data set's folder of each numbered picture."""
    found: dict[int, str] = {}
    for place, words in _lines(path):
        if len(words) != 2:
            raise InputError(f"{place}: {quoted(' '.join(words))}; 'number path' is expected")
        number = _whole(place, words[0])
        if number in found:
            raise InputError(f"{place}: number {number} is there twice")
        found[number] = _below(place, words[1].removeprefix("../"))
    return found


def _named(place: str, word: str, known: Mapping[int, str]) -> str:
    number = _whole(place, word)
    if number not in known:
        raise InputError(f"{place}: picture {number} is not in the numbered list")
    return known[number]


def _below(place: str, name: str) -> str:
    """A path that stays below the data set's folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        raise InputError(f"{place}: {quoted(name)} leads out of the data set's folder")
    return str(path)


def _lines(path: Path, separator: str | None = None) -> Iterator[tuple[str, list[str]]]:
    """Place and words of each line that is not empty."""
    for number, line in enumerate(read_lines(path), 1):
        if line.strip():
            yield f"{path}, line {number}", [word.strip() for word in line.strip().split(separator)]


def _whole(place: str, word: str) -> int:
    if not (word.isascii() and word.isdigit() and len(word) < 16):
        raise InputError(f"{place}: {quoted(word)}; a whole number is expected")
    return int(word)


def _pair_list(path: Path, rows: Sequence[tuple[str, str, bool, int]]) -> PairList:
    if not rows:
        raise InputError(f"{path}: has no pair; give the list as it was published")
    return PairList(
        tuple(_below(str(path), row[0]) for row in rows),
        tuple(_below(str(path), row[1]) for row in rows),
        np.array([row[2] for row in rows], dtype=bool),
        np.array([row[3] for row in rows], dtype=np.int64),
    )
