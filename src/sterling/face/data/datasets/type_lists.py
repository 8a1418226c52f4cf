"""Lists of attack types: one file for each living or spoofing type, one picture a line.

The form of OULU-ZF and Cross-ZF, released with AIM-FAS (Qin et al., AAAI 2020): ``train``, maybe
``dev``, and ``test`` hold files such as ``5_1_2.txt`` or ``C_1_4.txt``; the last number is 1 for
living types.
"""

import os
from pathlib import Path

import numpy as np

from sterling.errors import InputError
from sterling.face.data.manifest import ATTACK, BONA_FIDE, Manifest
from sterling.tables import read_lines


def read_type_lists(folder: str | os.PathLike[str], *, pictures: int = 60) -> dict[str, Manifest]:
    """Read the lists of a folder, and where their pictures are.

    Args:
        folder: Holds the pictures that the lists name, and the lists: in itself, or in a folder of
            its own (``OULU_ZF``, ``cross-zf-list``) as they are released.
        pictures: Largest number of pictures of a type, spread evenly over its list.

    Returns:
        Manifests of ``"train"`` and ``"test"``, and of ``"dev"`` where there is one. The type is
        the ``session`` of living rows and the ``species`` of the others. Rows have no split: lists
        do not name people, so it cannot be shown here that none is in two of them.

    Raises:
        InputError: There are no lists, a list is empty, or a picture that it names is not there.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; give the one with pictures and type lists")
    homes = [one for one in (root, *sorted(root.iterdir())) if _has_lists(one)]
    if len(homes) != 1:
        raise InputError(
            f"{root}: {len(homes)} sets of type lists there; unpack one, with train/*.txt and "
            "test/*.txt, beside the pictures"
        )
    splits = [one for one in ("train", "dev", "test") if (homes[0] / one).is_dir()]
    return {split: _manifest(root, homes[0] / split, pictures) for split in splits}


def _has_lists(folder: Path) -> bool:
    return all(any((folder / split).glob("*.txt")) for split in ("train", "test"))


def _manifest(root: Path, lists: Path, pictures: int) -> Manifest:
    rows: list[dict[str, str]] = []
    for path in sorted(lists.glob("*.txt")):
        name = path.stem
        lines = [line.strip() for line in read_lines(path) if line.strip()]
        if not lines:
            raise InputError(f"{path}: names no picture; remove it or complete it")
        spread = np.linspace(0, len(lines) - 1, min(pictures, len(lines))).round().astype(int)
        for line in (lines[place] for place in np.unique(spread).tolist()):
            if not (root / line).is_file():
                raise InputError(f"{path}: names {line}, which is not in {root}; complete the copy")
            live = name.endswith("_1")
            rows.append(
                {
                    "item": f"{name}/{line}",
                    "path": str(root / line),
                    "label": BONA_FIDE if live else ATTACK,
                    "species": BONA_FIDE if live else name,
                    "session": name,
                }
            )
    return Manifest.from_rows(rows, str(lists))
