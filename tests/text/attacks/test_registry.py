"""Attacked records: pairing, determinism, what is missing, and attacks that ask a model."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scripted_model import ScriptedModel

from sterling.errors import InputError
from sterling.text.attacks import ATTACKS, AttackTools, attack_records, attack_text
from sterling.text.attacks.rewriting_rules import followers, masked_spans, paraphrase, sentences
from sterling.text.attacks.synonyms import replace_words, small_table, wordnet
from sterling.text.corpus.records import TextRecord

TEXT = (
    "The council did not close the bridge because the engineers found a small error. It is large. "
    "People began to use the old road, and the house near the river was quick to show a result."
)


def machine(row: int, split: str = "test") -> TextRecord:
    return TextRecord(f"m{row}", TEXT, 1, f"g{row}", model="echo", split=split, domain="news")


def test_attacked_records_keep_their_parents_and_do_not_depend_on_order() -> None:
    records = [machine(row) for row in range(6)] + [
        TextRecord("h", TEXT, 0, "h", split="test"), machine(9, "train")
    ]  # fmt: skip
    made = attack_records(records, "typo", share=0.6, variants=2, seed=3)
    assert len(made) == 12
    assert {one.parent for one in made} == {f"m{row}" for row in range(6)}
    assert all(
        (one.group, one.domain, one.label) == (f"g{one.parent[1:]}", "news", 1) for one in made
    )
    assert len({one.text for one in made}) == 12
    again = attack_records(records[::-1], "typo", share=0.6, variants=2, seed=3)
    assert sorted(made, key=lambda one: one.id) == sorted(again, key=lambda one: one.id)
    assert attack_records(records, "typo", seed=4)[0].text != made[0].text
    assert made[0].meta["changed"] == max(1, round(0.6 * len(TEXT.split())))


def test_attacks_do_not_attack_what_was_attacked() -> None:
    once = attack_records([machine(0)], "typo")
    with pytest.raises(InputError, match="no machine text"):
        attack_records(once, "typo")


@pytest.mark.parametrize("attack", ["span", "para", "back_trans"])
def test_attacks_by_a_model_say_that_it_is_missing(attack: str) -> None:
    with pytest.raises(InputError, match=f"{attack}: needs a language model"):
        attack_text(TEXT, attack, np.random.default_rng(0))


def test_unknown_attacks_and_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown attack 'type'.*did you mean typo"):
        attack_text(TEXT, "type", np.random.default_rng(0))
    with pytest.raises(InputError, match="WordNet's files are not in"):
        attack_text(TEXT, "syno", np.random.default_rng(0), tools=AttackTools(wordnet=tmp_path))
    with pytest.raises(InputError, match="research_use"):
        attack_text(
            TEXT, "humanize", np.random.default_rng(0), tools=AttackTools(model=ScriptedModel("x"))
        )


@given(words=st.integers(0, 200), share=st.floats(0, 1), seed=st.integers(0, 50))
def test_spans_lie_apart_after_the_first_word(words: int, share: float, seed: int) -> None:
    spans = masked_spans(words, share, np.random.default_rng(seed))
    if words < 4:
        assert spans == []
        return
    assert 1 <= len(spans) <= max(1, int(share * words / 4))
    assert all(start >= 1 and end - start == 2 and end <= words for start, end in spans)
    assert all(b[0] - a[1] >= 1 for a, b in pairwise(spans))


def test_a_model_refills_spans_from_what_stands_before_them() -> None:
    model = ScriptedModel(" brand new words")
    edited = attack_text(
        TEXT, "span", np.random.default_rng(0), share=0.4, tools=AttackTools(model=model)
    )
    old, new = TEXT.split(), edited.text.split()
    assert len(new) == len(old)
    changed = [at for at, (a, b) in enumerate(zip(old, new, strict=True)) if a != b]
    assert edited.changed == int(0.4 * len(old) / 4) == len(changed) / 2
    assert all(TEXT.startswith(prompt) for prompt in model.asked)


def test_sentences_are_said_in_other_words_one_by_one() -> None:
    model = ScriptedModel("Otherwise.")
    tools = AttackTools(model=model)
    edited = attack_text(TEXT, "para", np.random.default_rng(0), share=1.0, tools=tools)
    assert edited.text == "Otherwise. Otherwise. Otherwise."
    silent = AttackTools(model=ScriptedModel("  "))
    assert attack_text(TEXT, "para", np.random.default_rng(0), tools=silent).text == TEXT


def test_a_round_trip_goes_through_the_pivot() -> None:
    model = ScriptedModel("Die Brücke.")
    edited = attack_text(TEXT, "back_trans", np.random.default_rng(0), tools=AttackTools(model))
    assert edited.text == "Die Brücke."
    assert model.asked[0].startswith("Translate into German")
    assert model.asked[1] == "Translate into English:\n\nDie Brücke."


def test_humanize_shows_three_of_each() -> None:
    model = ScriptedModel("As a person.")
    training = [replace(machine(row, "train"), text=f"machine {row}") for row in range(4)]
    training += [TextRecord(f"h{row}", f"human {row}", 0, "", split="train") for row in range(4)]
    tools = AttackTools(model=model, research_use=True)
    made = attack_records([*training, machine(8)], "humanize", tools=tools)
    assert made[0].text == "As a person."
    assert model.asked[0].count("Written by a person:\nhuman") == 3
    assert model.asked[0].count("Written by a machine:\nmachine") == 3
    with pytest.raises(InputError, match="give 3 of each"):
        attack_records([*training[:4], machine(8)], "humanize", tools=tools)


def test_synonyms_stand_for_words_and_keep_capitals() -> None:
    edited = replace_words("Big houses: big town", 1.0, np.random.default_rng(0), small_table())
    assert edited.text == "Large houses: large city"
    assert edited.changed == 3


def test_the_ranking_chooses_among_synonyms() -> None:
    table = {"town": ["city", "village"]}
    edited = replace_words(
        "a town of towns", 1.0, np.random.default_rng(0), lambda w: table.get(w, []),
        lambda texts: next(row for row, one in enumerate(texts) if "village" in one),
    )  # fmt: skip
    assert edited.text == "a village of towns"


def test_wordnets_own_files_are_read(tmp_path: Path) -> None:
    for part in ("verb", "adj", "adv"):
        (tmp_path / f"data.{part}").write_text("  1 licence\n")
        (tmp_path / f"index.{part}").write_text("  1 licence\n")
    head = "  1 licence\n"
    first = "00000012 15 n 02 town 0 municipality 0 000 | a place\n"
    second = f"{len(head) + len(first):08d} 15 n 03 town 0 small_town 0 Township(a) 0 000 | other\n"
    (tmp_path / "data.noun").write_text(head + first + second)
    offsets = f"{len(head):08d} {len(head) + len(first):08d}"
    (tmp_path / "index.noun").write_text(f"{head}town n 2 0 2 1 {offsets}  \n")
    assert wordnet(tmp_path)("town") == ["municipality", "township"]
    assert wordnet(tmp_path)("nothing") == []


def test_debians_wordnet_has_synonyms() -> None:
    try:
        table = wordnet(None)
    except InputError as error:
        pytest.skip(str(error))
    assert "leap" in table("jump")


def test_rules_reword_without_losing_text() -> None:
    edited = paraphrase(TEXT, 1.0, np.random.default_rng(0))
    assert edited.text == TEXT.replace(
        "The council did not close the bridge because the engineers found a small error.",
        "Because the engineers found a small error, the council didn't close the bridge.",
    ).replace("It is large", "It's large")
    assert edited.changed == 2


@given(st.text(alphabet="ab.!? \n\"'", max_size=60))
def test_sentences_joined_are_the_text(text: str) -> None:
    assert "".join(sentences(text)) == text


def test_spans_are_refilled_from_what_was_seen() -> None:
    known = followers(["the red car the red bus"])
    assert known["the"] == ["red", "red"]
    edited = attack_text(
        "the old the old the old", "span-lite", np.random.default_rng(0), share=1.0,
        tools=AttackTools(known=known),
    )  # fmt: skip
    assert "red" in edited.text.split()
    assert len(edited.text.split()) == 6


@pytest.mark.parametrize("attack", ATTACKS)
def test_empty_texts_go_through_every_attack(attack: str) -> None:
    for text in ("", " \n "):
        assert attack_text(text, attack, np.random.default_rng(0)).text == text
