"""No subject in two splits, every split with both classes, the same split every time."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sterling.errors import InputError
from sterling.face.data import SPLITS, Manifest, hold_out_dev, split_by_subject


def manifest(both: int, live: int = 0, attacking: int = 0, per_subject: int = 2) -> Manifest:
    rows = [
        (f"{kind}{k}", label)
        for kind, count, labels in (
            ("both", both, ("bona_fide", "attack")),
            ("live", live, ("bona_fide",)),
            ("attacking", attacking, ("attack",)),
        )
        for k in range(count)
        for label in labels
        for _ in range(per_subject)
    ]
    return Manifest.from_columns(
        {
            "item": [str(k) for k in range(len(rows))],
            "label": [label for _, label in rows],
            "species": ["print" if label == "attack" else label for _, label in rows],
            "subject": [subject for subject, _ in rows],
        },
        source="door.csv",
    )


def subjects(split: Manifest, name: str) -> set[str]:
    return set(split.where(split=name).column("subject").tolist())


@given(
    both=st.integers(0, 20),
    single=st.integers(0, 20),
    seed=st.integers(0, 2**31),
    shares=st.sampled_from([(0.2, 0.3), (0.01, 0.01), (0.45, 0.45), (0.0, 0.3), (0.0, 0.0)]),
)
def test_splits_share_no_subject_and_hold_both_classes(
    both: int, single: int, seed: int, shares: tuple[float, float]
) -> None:
    if both < 3 and single < 3:
        both = 3
    rows = manifest(both, single, single)
    dev, test = shares
    split = split_by_subject(rows, dev=dev, test=test, seed=seed)
    assert split.column("item").tolist() == rows.column("item").tolist()
    parts = {name: subjects(split, name) for name in ("train", "dev", "test")}
    assert sum(map(len, parts.values())) == len(set.union(*parts.values()))
    for name, share in (("train", 1.0), ("dev", dev), ("test", test)):
        labels = set(split.where(split=name).column("label").tolist())
        assert labels == ({"bona_fide", "attack"} if share else set())


def test_shares_are_of_the_subjects() -> None:
    split = split_by_subject(manifest(10, 20, 30))
    assert [len(subjects(split, name)) for name in ("train", "dev", "test")] == [30, 12, 18]
    assert sum(s.startswith("attacking") for s in subjects(split, "test")) == 9


def test_outcome_depends_on_subjects_and_seed_only() -> None:
    rows = manifest(12)
    first = split_by_subject(rows, seed=3)
    order = np.random.default_rng(0).permutation(len(rows))
    shuffled = split_by_subject(rows.select(order), seed=3)
    assert subjects(first, "test") == subjects(shuffled, "test")
    assert subjects(first, "dev") == subjects(shuffled, "dev")
    again = split_by_subject(first, seed=3)  # an earlier split is replaced
    assert again.column("split").tolist() == first.column("split").tolist()
    assert any(
        subjects(first, "test") != subjects(split_by_subject(rows, seed=s), "test")
        for s in range(5)
    )


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (manifest(2), "no bona fide presentation in split 'dev'"),
        (manifest(0, 9), "no attack presentation in split 'train'"),
        (manifest(0, 9, 1), "no attack presentation in split 'dev'"),
        (manifest(0), "no bona fide presentation in split 'train'"),
    ],
)
def test_a_split_without_both_classes_is_refused(rows: Manifest, reason: str) -> None:
    with pytest.raises(InputError, match=rf"door\.csv: {reason}.*add subjects"):
        split_by_subject(rows)


@pytest.mark.parametrize(
    ("dev", "test"), [(0.5, 0.5), (-0.1, 0.2), (0.2, 1.1), (float("nan"), 0.1)]
)
def test_wrong_shares_are_refused(dev: float, test: float) -> None:
    with pytest.raises(InputError, match="leave some for train"):
        split_by_subject(manifest(9), dev=dev, test=test)


def test_row_without_a_subject_is_refused() -> None:
    rows = Manifest.from_columns({"item": ["x"], "label": ["attack"], "species": ["print"]})
    with pytest.raises(InputError, match="item 'x' has no subject"):
        split_by_subject(rows)


def test_hold_out_dev_takes_subjects_of_train_and_leaves_test_alone() -> None:
    table = manifest(20).table
    subjects = [f"both{k}" for k in range(20)]
    train, test = subjects[:15], subjects[15:]
    dealt = Manifest(
        table.with_columns(
            split=pl.when(pl.col("subject").is_in(train))
            .then(pl.lit("train"))
            .otherwise(pl.lit("test"))
        )
    )
    held = hold_out_dev(dealt, share=0.2)
    found = {split: set(held.where(split=split).column("subject")) for split in SPLITS}
    assert found["test"] == set(test)
    assert found["train"] | found["dev"] == set(train)
    assert len(found["dev"]) == 3
    assert held.column("item").tolist() == dealt.column("item").tolist()
