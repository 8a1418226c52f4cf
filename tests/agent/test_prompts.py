"""UPA: formulas against Monte Carlo, and the search in a world whose truth is known."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats
from tests.scripted_model import ScriptedModel

from sterling.agent.prompts import (
    Asked,
    EdgePosterior,
    LanguageTask,
    SearchSettings,
    SimulatedTask,
    compare,
    spo,
    upa,
)
from sterling.agent.prompts.baselines import BASELINES
from sterling.errors import InputError
from sterling.lm import Budget, CallLedger, LocalModel
from sterling.measure import Rate

SMALL = SearchSettings(expansions=6, judged=30)


def world(seed: int = 0, calls: int | None = 300, bias: float = 1.4) -> SimulatedTask:
    ledger = CallLedger(Budget(calls=calls))
    return SimulatedTask(8, seed, sharpness=1.0, position_bias=bias, ledger=ledger)


class Judge:
    """Prefers by a table of chances; only what a comparison needs."""

    def __init__(self, bias: float) -> None:
        self.bias, self.ledger, self.questions = bias, CallLedger(), 10

    def prefer(self, asked: Sequence[Asked]) -> list[float]:
        return [float(special.expit(float(a) - float(b) + self.bias)) for a, b, _ in asked]

    def refine(self, prompt: str, lost: Sequence[int], count: int, seed: int) -> list[str]:
        raise AssertionError((prompt, lost, count, seed))


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-2, 2))
def test_comparison_is_antisymmetric_whatever_the_lean(i: float, j: float, bias: float) -> None:
    task = Judge(bias)
    one = compare(task, str(i), str(j), [0, 1])
    other = compare(task, str(j), str(i), [0, 1])
    assert one.wins[0] == pytest.approx(1 - other.wins[0])
    assert (one.wins[0] > 0.5) == (i > j) or i == pytest.approx(j, abs=1e-6)
    assert one.position_bias == pytest.approx(other.position_bias)
    assert np.sign(round(one.position_bias, 9)) == np.sign(round(bias, 9)) or abs(bias) < 1e-6


def test_a_judge_that_contradicts_itself_decides_nothing() -> None:
    assert compare(Judge(50), "1", "0", [0]).wins[0] == pytest.approx(0.5)
    assert compare(Judge(50), "1", "0", [0]).position_bias == pytest.approx(0.5)
    assert compare(Judge(50), "1", "0", [0], swap=False).wins[0] > 0.99  # the first shown
    assert compare(Judge(50), "0", "1", [0], swap=False).wins[0] > 0.99


def test_moments_of_an_edge_are_those_of_the_logit_of_a_beta() -> None:
    edge = EdgePosterior().after([1, 1, 0.5, 0.5, 0])
    assert (edge.won, edge.lost) == (4, 3)
    drawn = special.logit(np.random.default_rng(0).beta(4, 3, 400_000))
    assert edge.mean == pytest.approx(drawn.mean(), abs=0.01)
    assert edge.variance == pytest.approx(drawn.var(), rel=0.02)
    # Worked example: Beta(4, 2).
    assert EdgePosterior(4, 2).mean == pytest.approx(0.8333, abs=1e-4)
    assert EdgePosterior(4, 2).variance == pytest.approx(0.9288, abs=1e-4)


@pytest.mark.parametrize("judged", [10, 40])
def test_intervals_of_paths_cover_the_truth(judged: int) -> None:
    draw = np.random.default_rng(judged)
    covered = 0
    for _ in range(500):
        truth = mean = variance = 0.0
        for _ in range(draw.integers(1, 5)):
            logit = draw.logistic() * 0.6
            truth += logit
            edge = EdgePosterior().after(draw.random(judged) < special.expit(logit))
            mean, variance = mean + edge.mean, variance + edge.variance
        covered += abs(truth - mean) <= 1.96 * np.sqrt(variance)
    assert 0.90 <= covered / 500 <= 0.98


def spo_adopts(better: float, bias: float, needed: int = 3) -> float:
    """Chance that a refinement better by `better` wins at least `needed` of four judgements."""
    first, second = special.expit(better + bias), special.expit(better - bias)
    won = (first + second) / 2  # the order is a fair coin in each repetition
    return float(stats.binom.sf(needed - 1, 4, won))


@pytest.mark.parametrize("better", [-1, 1])
@pytest.mark.parametrize("bias", [0.0, 1.4])
def test_spo_adopts_what_wins_more_of_four_judgements_than_it_loses(
    better: int, bias: float
) -> None:
    adopted = 0
    for seed in range(400):
        task = world(seed, calls=5, bias=bias)  # one refinement, four judgements
        start = task.start()
        flipped = task.refine(start, (), 1, 0)[0]
        agrees = task.quality(flipped) > task.quality(start)
        if agrees != (better > 0):  # the mask at the flipped place decides whether it helps
            place = next(i for i in range(8) if start[i] != flipped[i])
            task.mask[place] = 1 - task.mask[place]
        fresh = world(10_000 + seed, calls=5, bias=bias)
        fresh.mask = task.mask
        adopted += spo(fresh, start, seed=seed) == flipped
    expected = spo_adopts(better, bias)
    assert stats.binomtest(adopted, 400, expected).pvalue > 1e-3
    ties_too = spo_adopts(better, bias, needed=2)
    assert stats.binomtest(adopted, 400, ties_too).pvalue < 1e-3  # another rule is told apart


def test_spo_adopts_what_most_judgements_are_neutral_about() -> None:
    class Neutral(SimulatedTask):
        def prefer(self, asked: Sequence[Asked]) -> list[float]:
            super().prefer(asked)
            return [0.5] * len(asked)

    ledger = CallLedger(Budget(calls=5))
    task = Neutral(8, 0, sharpness=1.0, position_bias=1.4, ledger=ledger)
    start = task.start()
    assert spo(task, start) == task_refined(start)


def task_refined(start: str) -> str:
    """Refinement of the first round, which no judge has a part in."""
    return world(calls=None).refine(start, (), 1, 0)[0]


def test_spo_is_charged_a_call_a_repetition_or_a_call_a_question() -> None:
    for together, calls in ((True, 1 + 4), (False, 1 + 4 * 3)):
        task = world(calls=calls)
        spo(task, task.start(), together=together)
        assert Counter(call.purpose for call in task.ledger.calls) == {
            "refine": 1,
            "judge": calls - 1,
        }


def test_refining_the_strongest_node_beats_spo_for_as_many_calls() -> None:
    """With seeds of its own; `descend` refines children that lost to their parent."""
    rules: dict[str, SearchSettings | None] = {
        "spo": None,
        "descend": SearchSettings(),
        "strongest": SearchSettings(selection="strongest"),
    }
    ends: dict[str, list[int]] = {name: [] for name in rules}
    for seed in range(30):
        for name, rule in rules.items():
            task = world(seed)
            start = task.start()
            best = (
                spo(task, start, seed=seed)
                if rule is None
                else upa(task, start, rule, seed=seed).best
            )
            ends[name].append(task.quality(best))
            assert len(task.ledger.calls) <= 300
    for rival in ("spo", "descend"):
        gained = np.subtract(ends["strongest"], ends[rival])
        assert stats.ttest_1samp(gained, 0, alternative="greater").pvalue < 0.01, rival


def test_a_parent_that_beat_its_children_is_refined_again_by_strength_alone() -> None:
    """At the best prompt every child is worse: `descend` still goes down, `strongest` stays."""
    below = {}
    for rule in (SMALL, replace(SMALL, selection="strongest")):
        task = SimulatedTask(8, 0, sharpness=20.0, position_bias=0.0, ledger=CallLedger())
        tree = upa(task, "".join(map(str, task.mask)), rule).tree
        below[rule.selection] = sum(node.depth > 1 for node in tree)
    assert below["strongest"] == 0
    assert below["descend"] > 0


def test_strengths_along_the_tree_add_up() -> None:
    task = world(calls=None)
    search = upa(task, task.start(), SMALL, seed=1)
    for node in search.tree[1:]:
        assert node.parent is not None
        parent = search.tree[node.parent]
        assert node.mean == pytest.approx(parent.mean + node.edge.mean)
        assert node.variance == pytest.approx(parent.variance + node.edge.variance)
        assert node.depth == parent.depth + 1 <= SMALL.depth
    assert search.tree[0].visits == SMALL.expansions
    assert len({node.prompt for node in search.tree}) == len(search.tree)
    strengths = [one.strength for one in search.ranking]
    assert strengths == sorted(strengths, reverse=True)
    assert search.best == search.ranking[0].prompt
    assert search.ranking[0].interval.low < strengths[0] < search.ranking[0].interval.high


def test_the_same_seed_finds_the_same() -> None:
    one, other = world(3), world(3)
    assert upa(one, one.start(), SMALL, seed=2) == upa(other, other.start(), SMALL, seed=2)


@pytest.mark.parametrize("calls", [1, 9, 40, 60, 75])
def test_when_the_budget_ends_the_best_so_far_and_the_ledger_are_there(calls: int) -> None:
    task = world(calls=calls)
    start = task.start()
    search = upa(task, start, SMALL)
    assert search.ended == "budget"
    assert len(task.ledger.calls) <= calls
    assert search.best in {node.prompt for node in search.tree}
    if len(search.tree) == 1:
        assert search.best == start


def test_a_clear_winner_settles_the_tournament() -> None:
    task = SimulatedTask(8, 0, sharpness=20.0, position_bias=0.0, ledger=CallLedger())
    search = upa(task, task.start(), SMALL)
    assert search.ended in ("settled", "judged")
    if search.ended == "settled":
        assert search.sure is not None
        assert search.sure >= SMALL.settled
    assert task.quality(search.best) == max(task.quality(node.prompt) for node in search.tree)


def test_baselines_spend_their_budget_and_need_one() -> None:
    for name, baseline in BASELINES.items():
        task = world(5, calls=200)
        start = task.start()
        assert task.quality(baseline(task, start)) >= task.quality(start) - 1, name
        assert 190 < len(task.ledger.calls) <= 200
        with pytest.raises(InputError, match="budget"):
            baseline(world(calls=None), start)


def test_bad_input_is_named() -> None:
    with pytest.raises(InputError, match="start: is empty"):
        upa(world(), " ")
    with pytest.raises(InputError, match="questions 2000"):
        upa(world(), "0" * 8, SearchSettings(questions=2000))
    with pytest.raises(InputError, match="expansions is 0"):
        SearchSettings(expansions=0)
    with pytest.raises(InputError, match="confidence"):
        SearchSettings(confidence=0.2)


# With language models


def scripted_answer(purpose: str, text: str, seed: int) -> str:
    if purpose == "optimiser":
        return f'New instruction: "Answer very carefully, {seed}."'
    if purpose == "executor":
        return "good" if "carefully" in text else "bad"
    first, second = re.findall(r"Answer [AB]: (\w+)", text)
    return {"goodbad": "2", "badgood": "-2"}.get(first + second, "a nonsense grade")


def language_task(calls: int | None = None) -> tuple[LanguageTask, ScriptedModel]:
    ledger = CallLedger(Budget(calls=calls))
    model = ScriptedModel(scripted_answer, ledger)
    pool = [f"question {i}" for i in range(6)]
    return LanguageTask(pool, model, model, model, ledger), model


def test_a_search_with_models_finds_what_the_judge_prefers() -> None:
    task, model = language_task()
    search = upa(task, "Answer.", SearchSettings(expansions=3, judged=12))
    assert search.best.startswith("Answer very carefully")
    assert '"' not in search.best
    assert task.unread > 0  # the same answer twice got no grade
    asked = zip(model.purposes, model.asked, strict=True)
    executed = [text for purpose, text in asked if purpose == "executor"]
    assert len(set(executed)) == len(executed)  # no answer was paid for twice
    assert set(task.ledger.by_purpose()) == {"optimiser", "executor", "judge"}
    assert model.chats == len(model.asked)
    assert model.longest <= 96


def test_models_whose_budget_ends_leave_the_best_so_far() -> None:
    task, _ = language_task(calls=40)
    search = upa(task, "Answer.", SearchSettings(expansions=5))
    assert search.ended == "budget"
    assert len(task.ledger.calls) <= 40
    assert search.best.startswith("Answer very carefully")


def test_a_local_judge_is_asked_for_odds(small_model: LocalModel) -> None:
    ledger = CallLedger()
    model = replace(small_model, ledger=ledger)
    task = LanguageTask(["the cat", "a bird"], model, model, model, ledger, answer_tokens=4)
    asked = [
        Asked("sing", "sleep", (0,)),
        Asked("sleep", "sing", (0,)),
        Asked("sing", "sing", (1, 0)),
    ]
    sure = task.prefer(asked)
    assert all(0 < one < 1 for one in sure)
    assert sure == pytest.approx([task.prefer([one])[0] for one in asked], abs=1e-5)
    assert ledger.by_purpose()["judge"]["calls"] == 6
    assert len(task.refine("sing", [], 2, 0)) <= 2


def test_a_task_counts_every_model(small_model: LocalModel) -> None:
    with pytest.raises(InputError, match="ledger"):
        LanguageTask(["q"], small_model, small_model, small_model, CallLedger())
    with pytest.raises(InputError, match="no question"):
        LanguageTask([], small_model, small_model, small_model, small_model.ledger)


def test_swapped_judging_recovers_the_best_whatever_the_lean() -> None:
    """Card: with swap .84 and .85 of 300 at a bias of 0 and 1 logits, without it .80 and .53."""
    rates = {(bias, swap): _recovered(bias, swap) for bias in (0.0, 1.0) for swap in (True, False)}
    values = {key: rate.value or 0.0 for key, rate in rates.items()}
    assert abs(values[0.0, True] - values[1.0, True]) < 0.08
    assert values[1.0, True] > values[1.0, False] + 0.12


def _recovered(bias: float, swap: bool, trials: int = 200) -> Rate:
    from sterling.measure import fit_bradley_terry

    hits = 0
    for trial in range(trials):
        draw = np.random.default_rng(trial)
        truth, wins = draw.normal(size=8), np.zeros((8, 8))
        for i in range(8):
            for j in range(i):
                ahead = draw.random(10) < special.expit(truth[i] - truth[j] + bias)
                behind = draw.random(10) < special.expit(truth[j] - truth[i] + bias)
                won = (ahead[:5].sum() + 5 - behind[:5].sum()) if swap else ahead.sum()
                wins[i, j], wins[j, i] = won, 10 - won
        hits += fit_bradley_terry(wins).order()[0] == int(truth.argmax())
    return Rate(hits, trials)
