"""Class units: which are excited, which names are right, and what chance gives."""

from pathlib import Path

import numpy as np
import pytest

from sterling.errors import InputError
from sterling.explain import NeuronExplanation
from sterling.explain.neurons.class_name_encoder import class_names, class_synsets
from sterling.runs import Row
from sterling.studies.explain.neuron_explanation._classes import (
    ANOTHER,
    OWN,
    excited,
    score_names,
)
from sterling.studies.explain.neuron_explanation._settings import NeuronExplanationConfig
from sterling.studies.explain.neuron_explanation._wordnet import (
    NOUNS,
    accepted_names,
    kinds,
    read_nouns,
    vocabulary,
)
from sterling.studies.explain.neuron_explanation.study import claims
from sterling.study import Results

WORDNET = (
    "  1 licence\n"
    "00000010 05 n 01 beast 0 000 | x\n"
    "00000020 05 n 02 cat 0 true_cat 0 002 @ 00000010 n 0000 ~ 00000030 n 0000 | x\n"
    "00000030 05 n 01 tabby 0 001 @ 00000020 n 0000 | a cat | striped\n"
)


def test_right_names_are_synonyms_and_kinds_some_steps_up(tmp_path: Path) -> None:
    (tmp_path / "data.noun").write_text(WORDNET)
    nouns = read_nouns(tmp_path / "data.noun")
    assert kinds("n00000030", nouns, 1) == [30, 20]
    assert accepted_names(["n00000030", "n00000010"], nouns) == [
        {"tabby", "cat", "true cat", "beast"},
        {"beast"},
    ]
    assert vocabulary(["n00000030"], nouns) == ["tabby", "cat", "beast"]
    with pytest.raises(InputError, match=r"n00000031: not a noun .* install version 3\.0"):
        kinds("n00000031", nouns)
    with pytest.raises(InputError, match="Debian: wordnet-base"):
        read_nouns(tmp_path / "none")


def test_every_class_of_imagenet_is_in_wordnet_by_its_own_lemmas() -> None:
    if not NOUNS.is_file():
        pytest.skip("WordNet is not installed (Debian: wordnet-base)")
    right = accepted_names(class_synsets(), read_nouns())
    for listed, accepted in zip(class_names(), right, strict=True):
        assert {one.strip().lower() for one in listed.split(",")} <= accepted
    assert "feline" in right[281]  # tabby, three steps up
    assert "animal" not in right[2]  # great white shark, many


def test_a_class_is_excited_by_pictures_that_rank_it_high() -> None:
    logits = np.zeros((6, 20), dtype=np.float32)
    logits[:, :4] = 5  # four classes first in all pictures
    logits[:3, 7], logits[3:5, 9], logits[5, 11] = 3, 3, 3
    assert excited(logits, 3).tolist() == [0, 1, 2, 3, 7]
    assert excited(logits, 2).tolist() == [0, 1, 2, 3, 7, 9]


def unit(number: int, name: str) -> NeuronExplanation:
    return NeuronExplanation(
        number, (name,), 1.0, 0.5, 0.01, dead=False, best=((name, 1.0), ("other", 0.5)),
        clusters=(), pictures=(), boxes=(),
    )  # fmt: skip


def scored(names: list[str]) -> dict[tuple[str, str | None], Row]:
    accepted = [
        frozenset({f"class {k}", "thing" if k % 2 else "matter"}) for k in range(len(names))
    ]
    found = [unit(k, name) for k, name in enumerate(names)]
    rows = score_names(found, accepted, seed=0, draws=2000)
    return {(one["metric"], one.get("name")): one for one in rows}


def test_planted_names_are_right_and_broad_ones_are_not_beyond_chance() -> None:
    planted = scored([f"class {k}" for k in range(8)])
    assert planted["right name", OWN]["value"] == 1
    assert planted["right name", ANOTHER]["value"] == 0
    assert planted["as right by chance", None]["value"] < 0.01
    broad = scored(["thing"] * 8)
    assert broad["right name", OWN]["value"] == 0.5
    # Three or four of the seven other units are things.
    assert broad["right name", ANOTHER]["value"] == pytest.approx(0.5)
    assert broad["as right by chance", None]["value"] == 1


def test_class_claims_are_stated_where_pictures_are_given() -> None:
    without = claims(Results.of([]), NeuronExplanationConfig())
    stated = claims(Results.of([]), NeuronExplanationConfig(data=Path("pictures")))
    assert [one.id for one in stated[len(without) :]] == [
        "class_names_beyond_chance",
        "class_units_named",
    ]
