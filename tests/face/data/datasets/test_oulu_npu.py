"""Names of OULU-NPU there and back, and its four protocols condition by condition."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.face.data.trees import lay_out, listing, oulu_npu

from sterling.face.data import OULU_NPU, read_oulu_npu
from sterling.face.data.datasets.scan import scan
from sterling.face.data.datasets.spec import Presentation


def understood(path: str) -> Presentation:
    (found,) = scan(OULU_NPU, listing("/set", [path])).found.values()
    return found.presentation


@given(
    phone=st.integers(1, 6), session=st.integers(1, 3), user=st.integers(1, 55),
    file=st.integers(1, 5),
)  # fmt: skip
def test_names_there_and_back(phone: int, session: int, user: int, file: int) -> None:
    split = "train" if user <= 20 else "dev" if user <= 35 else "test"
    name = f"{phone}_{session}_{user:02d}_{file}"
    known = understood(f"{split.title()}_files/{name}.avi")
    assert known.name == name
    assert (known.sensor, known.session) == (f"phone_{phone}", str(session))
    assert (int(known.subject), known.split, known.place) == (user, split, split)
    assert known.species == ("bona_fide", "print", "print", "replay", "replay")[file - 1]


@pytest.mark.parametrize(
    "name", ["7_1_01_1", "0_1_01_1", "1_4_01_1", "1_1_00_1", "1_1_56_1", "1_1_1_1", "1_1_01_6"]
)
def test_names_out_of_range_are_none(name: str) -> None:
    tree = scan(OULU_NPU, listing("/set", [f"Train_files/{name}.avi"]))
    assert tree.misnamed == (f"/set/Train_files/{name}.avi",)
    assert not tree.found


# Phones, sessions and files of train and dev; then of test.
CONDITIONS = {
    "1": (("123456", "12", "12345"), ("123456", "3", "12345")),
    "2": (("123456", "123", "124"), ("123456", "123", "135")),
    "3.2": (("13456", "123", "12345"), ("2", "123", "12345")),
    "4.6": (("12345", "12", "124"), ("6", "3", "135")),
}


@pytest.mark.parametrize("protocol", CONDITIONS)
def test_protocols_differ_in_the_published_conditions(protocol: str) -> None:
    rule = OULU_NPU.protocols[protocol].rule
    presentations = scan(OULU_NPU, listing("/set", oulu_npu())).presentations
    seen = tuple(
        tuple(
            "".join(sorted({one.name.split("_")[place] for one in presentations if rule(one) in s}))
            for place in (0, 1, 3)
        )
        for s in (("train", "dev"), ("test",))
    )
    assert seen == CONDITIONS[protocol]


def test_a_protocol_leaves_out_what_it_does_not_use(tmp_path: Path) -> None:
    lay_out(tmp_path, ["Train_files/1_1_01_1.avi", "Train_files/1_3_01_1.avi"])
    assert read_oulu_npu(tmp_path, "1").column("item").tolist() == ["1_1_01_1"]
    assert len(read_oulu_npu(tmp_path)) == 2
