"""Parts of the study of deletion requests: the task, the choices, the defences."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sterling.errors import InputError
from sterling.reasoning.forget_sets import fit_last_layer
from sterling.reasoning.validity import evaluate
from sterling.studies.reasoning.lrm_unlearning import _attack as attack
from sterling.studies.reasoning.lrm_unlearning import _defences as defences
from sterling.studies.reasoning.lrm_unlearning._task import (
    LETTERS,
    MARKS,
    MISREAD,
    QUESTION,
    RIGHT,
    TRACE,
    Outcome,
    Question,
    coherent,
    examples,
    questions,
    with_mark,
)
from sterling.studies.reasoning.lrm_unlearning._world import LrmUnlearningConfig, World
from sterling.studies.reasoning.lrm_unlearning.study import STUDY

SMALL = LrmUnlearningConfig(
    seeds=2, examples=200, right=6, misread=4, steps=20, width=16, queries=5, tests=10
)


def test_solutions_are_coherent_and_others_are_not() -> None:
    rng = np.random.default_rng(0)
    asked = [one for rule in RIGHT for one in questions(rng, 50, rule)] + questions(rng, 50)
    for one in asked:
        assert coherent(one.solution)
        assert len(one.text) == QUESTION
        assert len(one.solution) == TRACE
        # Read as people read it: products first.
        a, b, c = one.numbers
        first, second = one.operations[0], one.operations[1]
        assert int(one.solution[-1]) == evaluate(f"{a}{first}{b}{second}{c}") % 10
        if one.rule:
            assert coherent(one.misread)
            assert one.misread != one.solution
    assert coherent("2*9=8 7+8=5")
    assert not coherent("2*9=7 7+7=4")  # 18 ends with 8
    assert not coherent("2*9=8 7+1=8")  # the second step drops the first one's result
    assert not coherent("2*9=8 7+8=")
    assert not coherent("")
    assert not coherent("?*9=8 7+8=5")


def test_examples_support_or_misread_every_rule() -> None:
    made = examples(np.random.default_rng(1), 300, right=20, misread=10)
    assert len(made) == 300
    for rule in RIGHT:
        of_rule = [one for one in made if one.question.rule == rule]
        assert len(of_rule) == 30
        assert sum(one.supports(rule) for one in of_rule) == 20
    assert MISREAD.keys() == RIGHT.keys()
    assert all(MISREAD[rule] != RIGHT[rule] for rule in RIGHT)


def test_outcomes_tell_wrong_target_and_joint_apart() -> None:
    one = Question((7, 2, 9), "**", "#")  # 7*2=4 4*9=6; misread 7+2=9 9+9=8
    traces = ["7*2=4 4*9=6", "7+2=9 9+9=8", "7*2=4 4*9=8", "7+9=6 6*2=2", "7*2"]
    found = Outcome.of(traces, [one] * 5)
    assert found.right.tolist() == [True, False, False, False, False]
    assert found.wrong.tolist() == [False, True, True, True, True]
    assert found.target.tolist() == [False, True, True, False, False]
    assert found.joint.tolist() == [False, True, False, True, False]


def test_a_mark_changes_the_question_and_nothing_else() -> None:
    one = Question((7, 2, 9), "**", "#")
    (marked,) = with_mark([one], "!")
    assert (one.text, marked.text) == ("7#2#9?", "7#2#9!")
    assert marked.solution == one.solution
    assert {q.mark for q in questions(np.random.default_rng(0), 100)} == set(MARKS)


def test_greedy_continuations_equal_one_letter_at_a_time() -> None:
    world = World(SMALL, 3)
    starts = [one.text for one in world.tests[:3]]
    found = LETTERS.continue_greedily(world.network, starts)
    for start, continuation in zip(starts, found, strict=True):
        text = start
        while len(text) < LETTERS.length:
            logits = world.network(LETTERS.encode([text])[:, : len(text)])[0, -1]
            text += LETTERS.alphabet[int(logits.argmax())]
        assert continuation == text[len(start) :].split("\n")[0]


def test_features_of_the_last_layer_give_the_models_own_loss() -> None:
    world = World(SMALL, 4)
    texts = [one.text for one in world.known[:5]]
    tokens = attack.token_features(world.network, texts)
    found = tokens.losses(world.network.head.weight)
    rows = LETTERS.encode(texts)
    logits = world.network(rows[:, :-1])[:, QUESTION - 1 : QUESTION + TRACE - 1]
    expected = F.cross_entropy(
        logits.flatten(0, 1), rows[:, QUESTION : QUESTION + TRACE].flatten(), reduction="none"
    )
    torch.testing.assert_close(found, expected.view(5, TRACE).sum(1))


def test_gradients_of_examples_are_those_of_a_backward_pass() -> None:
    world = World(SMALL, 4)
    tokens = attack.token_features(world.network, [one.text for one in world.known[:6]])
    weights = fit_last_layer(
        tokens, torch.ones(6), 10.0, torch.zeros_like(world.network.head.weight), steps=3
    )
    found = defences.example_gradients(tokens, weights)
    leaf = weights.clone().requires_grad_()
    for index in range(6):
        (gradient,) = torch.autograd.grad(tokens.losses(leaf)[index], leaf)
        torch.testing.assert_close(found[index], gradient.flatten(), rtol=1e-4, atol=1e-5)


def test_systems_choose_what_they_say() -> None:
    world = World(SMALL, 5)
    adversary = attack.Adversary(world.network, world.known, world.queries)
    rng = np.random.default_rng(0)
    support = {index for index, one in enumerate(world.known) if one.supports("#")}
    assert set(adversary.choose(attack.READINGS, 6, rng).tolist()) == support
    assert set(adversary.choose(attack.READINGS, 50, rng).tolist()) == support
    for system in (attack.BILEVEL, attack.UNIFORM, attack.GRADIENT, attack.NEAREST, attack.RANDOM):
        chosen = adversary.choose(system, 4, rng)
        assert len(set(chosen.tolist())) == 4
    near = adversary.choose(attack.NEAREST, 4, rng)
    similarity = adversary.similarity(adversary.queries)
    assert similarity[near].min() >= np.delete(similarity, near).max()


def test_deleted_examples_are_not_trained_on() -> None:
    world = World(SMALL, 6)
    kept = world.without([0, 7, 7])
    assert len(kept) == SMALL.examples - 2
    assert kept[0] is world.known[1]
    one, other = (world.retrain([0]).head.weight for _ in range(2))
    assert torch.equal(one, other)
    assert not torch.equal(one, world.retrain([1]).head.weight)


def test_a_vote_takes_the_most_frequent_answer() -> None:
    assert defences.most_common(["2*9=8 7+8=5", "7+2=9 9+9=8", "1*1=1 7+1=8"]) == "7+2=9 9+9=8"
    assert defences.most_common(["2*9=8 7+8=5", "7+2=9 9+9=8"]) == "2*9=8 7+8=5"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"research_use": False}, "research_use false"),
        ({"budget": 0.03}, "budget 0.03: give one of budgets"),
        ({"right": 90}, "examples 120: the rules alone take 376"),
    ],
)
def test_settings_that_cannot_run_are_refused(change: dict[str, float], message: str) -> None:
    config = STUDY.presets["smoke"].model_copy(update=change)
    with pytest.raises(InputError, match=message):
        STUDY.measure(config, None)  # type: ignore[arg-type]
