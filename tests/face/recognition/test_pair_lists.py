"""Published pair lists: small ones in their formats, their folds, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from sterling.errors import InputError
from sterling.face.recognition.pair_lists import (
    PairList,
    read_cfp,
    read_cross_pairs,
    read_ijb,
    read_lfw_pairs,
)


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def _cfp(folder: Path) -> Path:
    """Two folds of two pairs of each kind, of four people with two frontal faces each."""
    protocol = folder / "Protocol"
    frontal = [
        f"{n} ../Data/Images/{(n + 1) // 2:03d}/frontal/{2 - n % 2:02d}.jpg" for n in range(1, 9)
    ]
    profile = [f"{n} ../Data/Images/{n:03d}/profile/01.jpg" for n in range(1, 5)]
    _write(protocol / "Pair_list_F.txt", "\n".join(frontal) + "\n")
    _write(protocol / "Pair_list_P.txt", "\n".join(profile))
    for fold, (same, diff) in enumerate(
        (("1,1\n3,2\n", "1,2\n3,4\n"), ("5,3\n7,4\n", "5,1\n7,1")), 1
    ):
        for kind, name in (("FP", f"{fold:02d}"), ("FF", f"{fold:02d}")):
            _write(protocol / "Split" / kind / name / "same.txt", same)
            _write(protocol / "Split" / kind / name / "diff.txt", diff)
    return folder


def test_cfp(tmp_path: Path) -> None:
    """Indices from 1 name frontal pictures on the left and profiles on the right, fold by fold."""
    pairs = read_cfp(_cfp(tmp_path), "FP")
    assert len(pairs) == 8
    assert pairs.first[1] == "Data/Images/002/frontal/01.jpg"
    assert pairs.second[1] == "Data/Images/002/profile/01.jpg"
    assert pairs.same.tolist() == [True, True, False, False] * 2
    assert pairs.fold.tolist() == [0] * 4 + [1] * 4
    assert all("frontal" in path for path in read_cfp(tmp_path, "FF").second)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("Pair_list_P.txt", "1 ../../secret.jpg", "leads out"),
        ("Pair_list_P.txt", "1 a.jpg\n1 b.jpg", "line 2: number 1 is there twice"),
        ("Pair_list_P.txt", "one a.jpg", "whole number"),
        ("Split/FP/02/same.txt", "5,9", "picture 9 is not in the numbered list"),
        ("Split/FP/02/same.txt", "5;3", "'i,j' is expected"),
        ("Split/FP/02/same.txt", "-5,3", "whole number"),
    ],
)
def test_cfp_refusals(tmp_path: Path, name: str, text: str, message: str) -> None:
    """One line names file, line and value."""
    _cfp(tmp_path)
    _write(tmp_path / "Protocol" / name, text)
    with pytest.raises(InputError, match=message):
        read_cfp(tmp_path)


def test_cfp_needs_its_folders(tmp_path: Path) -> None:
    """A missing list or split is named."""
    with pytest.raises(InputError, match=r"Pair_list_F\.txt"):
        read_cfp(tmp_path)


def _cross(same: int, different: int) -> str:
    """As many pairs of one person, then of two, two lines each."""
    lines = [f"Ann_{n}.jpg 1\nAnn_{n + 1}.jpg 1" for n in range(same)]
    return "\n".join(lines + [f"Ann_{n}.jpg 0\nBea_{n}.jpg 0" for n in range(different)])


def test_cplfw_folds_have_both_kinds(tmp_path: Path) -> None:
    """Thousands of one kind come first in the file; every fold has a tenth of each."""
    pairs = read_cross_pairs(_write(tmp_path / "pairs_CPLFW.txt", _cross(30, 30)))
    assert len(pairs) == 60
    for fold in range(10):
        assert pairs.same[pairs.fold == fold].sum() == 3
    assert (pairs.first[0], pairs.second[0]) == ("Ann_0.jpg", "Ann_1.jpg")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.jpg 1\nb.jpg 0", "label 0, but 1 on the line before"),
        ("a.jpg 1", "every pair has two"),
        ("a.jpg 2\nb.jpg 2", "'file 0' or 'file 1'"),
        (_cross(9, 10), "9 pairs with label 1"),
        (_cross(10, 0), "0 pairs with label 0"),
        (_cross(10, 10).replace("Ann_3.jpg", "/etc/x.jpg"), "leads out"),
    ],
)
def test_cplfw_refusals(tmp_path: Path, text: str, message: str) -> None:
    """One line names the fault."""
    with pytest.raises(InputError, match=message):
        read_cross_pairs(_write(tmp_path / "pairs_CPLFW.txt", text))


def test_lfw(tmp_path: Path) -> None:
    """Three words are one person, four are two; numbers become four digits."""
    text = "2\t1\nAnn\t1\t2\nAnn\t1\tBea\t12\nBea 1 2\nAnn 3 Bea 1\n"
    pairs = read_lfw_pairs(_write(tmp_path / "pairs.txt", text))
    assert pairs.first == (
        "Ann/Ann_0001.jpg",
        "Ann/Ann_0001.jpg",
        "Bea/Bea_0001.jpg",
        "Ann/Ann_0003.jpg",
    )
    assert pairs.second[1] == "Bea/Bea_0012.jpg"
    assert pairs.same.tolist() == [True, False, True, False]
    assert pairs.fold.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("1 1\nAnn 1 2", "1 pairs; its first line promises 2"),
        ("1 1\nAnn 1 2\nAnn 1", "line 3"),
        ("1 1\nAnn 1 x\nAnn 1 Bea 2", "whole number"),
        ("1 1\n../x 1 2\nAnn 1 Bea 2", "leads out"),
    ],
)
def test_lfw_refusals(tmp_path: Path, text: str, message: str) -> None:
    """One line names the fault."""
    with pytest.raises(InputError, match=message):
        read_lfw_pairs(_write(tmp_path / "pairs.txt", text))


def test_accuracy_by_the_folds_of_the_list(tmp_path: Path) -> None:
    """Vectors that tell people apart are always right; a missing one is named."""
    pairs = read_cross_pairs(_write(tmp_path / "pairs_CPLFW.txt", _cross(20, 20)))
    vectors = {path: np.array([1.0, 0.0] if "Ann" in path else [0.0, 1.0]) for path in pairs.paths}
    right = pairs.accuracy(vectors)
    assert right.mean == 1
    assert len(right.folds) == 10
    with pytest.raises(InputError, match=r"Bea_0\.jpg: has no embedding"):
        pairs.accuracy({path: one for path, one in vectors.items() if path != "Bea_0.jpg"})
    uneven = PairList(pairs.first[:-1], pairs.second[:-1], pairs.same[:-1], pairs.fold[:-1])
    with pytest.raises(InputError, match="equal folds"):
        uneven.accuracy(vectors)


def test_ijb_templates_weigh_media_alike(tmp_path: Path) -> None:
    """A video's pictures are averaged before media are added up."""
    pictures = _write(tmp_path / "tid_mid.txt", "1.jpg 7 1\n2.jpg 7 2\n3.jpg 7 2\n4.jpg 9 3\n")
    pairs = _write(tmp_path / "pair_label.txt", "7 9 0\n9 9 1\n")
    templates = read_ijb(pictures, pairs)
    vectors = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 3.0], [2.0, 0.0]])
    one = np.array([1.0, 2.0]) / np.sqrt(5)  # (1, 0) and the mean of (0, 1) and (0, 3)
    assert templates.similarities(vectors) == pytest.approx([one[0], 1.0])
    assert templates.same.tolist() == [False, True]
    with pytest.raises(InputError, match="4 pictures"):
        templates.similarities(vectors[:3])
    with pytest.raises(InputError, match="sum is 0"):
        templates.similarities(np.zeros((4, 2)))


@pytest.mark.parametrize(
    ("members", "pairs", "message"),
    [
        ("1.jpg 7", "7 7 1", "'picture template medium'"),
        ("1.jpg 7 x", "7 7 1", "whole number"),
        ("1.jpg 7 1", "7 8 1", "template 8 has no picture"),
        ("1.jpg 7 1", "7 7 2", "'template template 0'"),
        ("1.jpg 7 1", "", "has no pair"),
        ("../1.jpg 7 1", "7 7 1", "leads out"),
    ],
)
def test_ijb_refusals(tmp_path: Path, members: str, pairs: str, message: str) -> None:
    """One line names the fault."""
    with pytest.raises(InputError, match=message):
        read_ijb(_write(tmp_path / "a.txt", members), _write(tmp_path / "b.txt", pairs))
