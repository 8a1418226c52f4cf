"""Invented authors: unique questions, drawn answers, aligned labels and refusals."""

import pytest
import torch

from sterling.errors import InputError
from sterling.privacy.data.author_facts import author_facts
from sterling.privacy.unlearning import IGNORED


def test_questions_are_unique_and_labels_are_the_next_tokens() -> None:
    facts = author_facts(50, seed=0)
    inputs, labels = facts.examples.inputs, facts.examples.labels
    questions = inputs[:, : facts.prompt]
    assert len(torch.unique(questions, dim=0)) == len(inputs) == 250
    counted = labels != IGNORED
    assert torch.equal(counted.sum(1), torch.full((250,), 3))
    assert torch.equal(labels[:, :-1][counted[:, :-1]], inputs[:, 1:][counted[:, :-1]])
    assert facts.text(inputs[0, : facts.prompt]).startswith("<begin> birthplace first-name-")
    assert facts.text(inputs[0, : facts.prompt]).endswith("?")


def test_refusals_share_the_question_and_answer_that_nobody_knows() -> None:
    facts = author_facts(5, seed=1)
    prompt = facts.prompt
    assert torch.equal(facts.refusals.inputs[:, :prompt], facts.examples.inputs[:, :prompt])
    assert torch.equal(facts.refusals.ids, facts.examples.ids)
    assert facts.text(facts.refusals.labels[3, prompt - 1 :]) == "I don't know"


def test_seeds_and_authors() -> None:
    first, again, other = author_facts(5, seed=1), author_facts(5, seed=1), author_facts(5, seed=2)
    assert torch.equal(first.examples.inputs, again.examples.inputs)
    assert not torch.equal(first.examples.inputs, other.examples.inputs)
    some = first.of(torch.tensor([1, 3]))
    assert some.ids.tolist() == [*range(5, 10), *range(15, 20)]
    with pytest.raises(InputError, match="authors 401"):
        author_facts(401, seed=0)
