"""Texts around facts: aligned labels, no forgotten fact among the retained, unique ids."""

import pytest
import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.privacy.data.author_facts import author_facts
from sterling.privacy.data.author_texts import AuthorTexts
from sterling.privacy.unlearning import IGNORED, Examples

TEXTS = AuthorTexts(author_facts(12, seed=0))


def some(first: int, last: int) -> Examples:
    return TEXTS.facts.of(torch.arange(first, last))


def words(tokens: Tensor) -> str:
    return " ".join(TEXTS.vocabulary[int(token)] for token in tokens)


def test_only_the_answer_counts_and_labels_are_the_next_tokens() -> None:
    asked = TEXTS.ask(some(0, 2), TEXTS.telling(some(2, 4)))
    assert asked.inputs.shape == (10, TEXTS.context)
    counted = asked.labels != IGNORED
    assert torch.equal(counted.sum(1), torch.full((10,), 3))
    assert counted[:, TEXTS.prompt - 1 :].all()
    assert torch.equal(asked.labels[:, :-1][counted[:, :-1]], asked.inputs[:, 1:][counted[:, :-1]])
    assert words(asked.inputs[0]).count("birthplace") > 1
    assert words(TEXTS.ask(some(0, 1)).inputs[0, : TEXTS.lead]) == " ".join(["<begin>"] * 8)
    with pytest.raises(InputError, match=r"lead \(9, 8\)"):
        TEXTS.ask(some(0, 2), TEXTS.silence(9))


def test_rewording_changes_the_attribute_only() -> None:
    plain, other = TEXTS.ask(some(0, 1)), TEXTS.ask(some(0, 1), reword=True)
    changed = plain.inputs != other.inputs
    assert torch.equal(changed.sum(1), torch.ones(5, dtype=torch.int64))
    synonyms = [words(row[at]) for row, at in zip(other.inputs, changed, strict=True)]
    assert synonyms == ["hometown", "style", "prize", "family", "novel"]
    assert torch.equal(plain.labels, other.labels)


def test_a_corpus_keeps_forgotten_answers_out_of_what_is_retained() -> None:
    rng = torch.Generator().manual_seed(0)
    kept, gone, read = some(0, 6), some(6, 8), some(8, 12)
    retain, forget = TEXTS.corpus(kept, gone, read, rng)
    assert len(retain) == 4 * 30 + 20
    assert len(forget) == 3 * 10
    retain.join(forget)  # raises if an id is in both
    facts = len(TEXTS.facts.examples)
    assert set((forget.ids % facts).tolist()) == set(gone.ids.tolist())
    answers = {tuple(row.tolist()) for row in gone.labels[:, -3:]}
    everywhere = retain.inputs.unfold(1, 3, 1).flatten(0, 1)
    assert not answers & {tuple(row.tolist()) for row in everywhere}
    assert not answers & {tuple(row.tolist()) for row in retain.labels[:, -3:]}
    synonym = TEXTS.vocabulary.index("hometown")
    assert not ((forget.inputs >= synonym) & (forget.inputs < synonym + 5)).any()
    refused = TEXTS.refused(forget)
    assert torch.equal(refused.ids, forget.ids)
    assert torch.equal(refused.inputs[:, : TEXTS.prompt], forget.inputs[:, : TEXTS.prompt])
    assert all(words(row[-3:]) == "I don't know" for row in refused.labels)
    seen = {tuple(row.tolist()) for row in torch.cat([retain.inputs, forget.inputs])[:, :8]}
    prefixes = {tuple(row.tolist()) for row in TEXTS.prefixes()}
    assert len(prefixes) == 8
    assert not prefixes & seen
