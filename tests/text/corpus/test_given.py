"""Texts of people and of machines that exist become one corpus in splits."""

from collections import Counter
from dataclasses import replace

import pytest

from sterling.errors import InputError
from sterling.text.corpus.given import divide, join_texts
from sterling.text.corpus.records import Corpus, TextRecord, Unread


def texts(kind: str, count: int) -> tuple[TextRecord, ...]:
    return tuple(TextRecord(f"{row}.txt", f"{kind} {row}", 0, f"{row}.txt") for row in range(count))


def test_pairs_stay_together_and_every_split_has_both() -> None:
    human, machine = Corpus(texts("by hand", 8), (Unread("a", "empty"),)), texts("by machine", 8)
    joined = join_texts(human, Corpus(machine))
    assert joined.unread == (Unread("a", "empty"),)
    assert {one.id for one in joined.records if one.label} == {
        f"machine/{row}.txt" for row in range(8)
    }
    assert {one.model for one in joined.records} == {"human", "unknown machine"}
    assert Counter((one.split, one.label) for one in joined.records) == {
        (split, label): count
        for split, count in (("train", 4), ("dev", 2), ("test", 2))
        for label in (0, 1)
    }
    assert len({(one.group, one.split) for one in joined.records}) == 8


def test_texts_without_pairs_are_divided_apart() -> None:
    human = Corpus(texts("by hand", 40))
    machine = Corpus(tuple(replace(one, group=f"m{one.id}") for one in texts("by machine", 4)))
    records = join_texts(human, machine).records
    assert Counter(one.split for one in records if one.label) == {"train": 2, "dev": 1, "test": 1}
    assert divide([*reversed(records)], 0) == [*reversed(records)]


def test_who_wrote_a_text_must_be_clear() -> None:
    human = texts("by hand", 3)
    with pytest.raises(InputError, match=r"human: text '1\.txt' is labelled as a machine's"):
        join_texts(Corpus((replace(human[1], label=1),)), Corpus(texts("m", 1)))
    with pytest.raises(InputError, match=r"machine: text '2\.txt' is the human text '2\.txt'"):
        join_texts(Corpus(human), Corpus(human[2:]))
