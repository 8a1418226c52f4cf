"""Faults land and prove it; the verifier sees them; recovery repairs what can be repaired."""

from collections import Counter

import numpy as np
import pytest
from tests.agent.browser.pages import element, look

from sterling.agent.browser import (
    Action,
    Browser,
    Check,
    FaultPlan,
    Guard,
    LearnedTier,
    MiniWobEnv,
    OraclePolicy,
    Verifier,
    run_episodes,
)
from sterling.agent.browser.changes import find_changes
from sterling.agent.browser.episode import reground, undo
from sterling.agent.browser.faults import FAULTS, FaultKind
from sterling.agent.browser.verifier import effect_features, true_verdict
from sterling.errors import InputError


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_lands_and_is_noticed(browser: Browser, kind: FaultKind) -> None:
    plan = FaultPlan(1.0, (kind,))
    with MiniWobEnv("enter-text", browser=browser, faults=plan) as env:
        seen, _ = env.reset(seed=1)
        field = next(one for one in seen.elements if one.editable)
        action = Action("fill", ref=field.ref, text="Ada")
        after, _, done, cut, info = env.step(action)
        fault = info["fault"]
        assert (fault.kind, fault.landed) == (kind, True), fault.proof
        assert fault.proof
        assert not done
        assert not cut
        now = after.find(field.ref)
        assert now is None or now.value == ""  # the text did not arrive
        check = Verifier().check(action, seen, after, refused=info.get("refused"))
        assert check.alarm
        assert true_verdict(fault, action, seen, after) != "achieved"
        env.faults = None
        calm, _ = env.reset(seed=1)
        assert calm.digest == seen.digest  # nothing of the fault is left
        after, *_, info = env.step(action)
        assert "fault" not in info
        assert not Verifier().check(action, calm, after).alarm


def test_a_slow_page_takes_the_action_with_the_next_one(browser: Browser) -> None:
    with MiniWobEnv("enter-text", browser=browser, faults=FaultPlan(1.0, ("slow",))) as env:
        seen, _ = env.reset(seed=1)
        field = next(one for one in seen.elements if one.editable)
        env.step(Action("fill", ref=field.ref, text="Ada"))
        after, *_, info = env.step(Action("wait"))
        assert info["late"]
        assert after.find(field.ref).value == "Ada"  # type: ignore[union-attr]


def test_faults_repeat_with_the_seed(browser: Browser) -> None:
    def struck() -> list[tuple[str, str]]:
        with MiniWobEnv("login-user", browser=browser, faults=FaultPlan(0.7)) as env:
            (episode,) = run_episodes({"login-user": env}, [("login-user", 4)], OraclePolicy)
        return [(one.fault.kind, one.fault.proof) for one in episode.steps if one.fault]

    first = struck()
    assert first
    assert struck() == first


def test_recovery_solves_what_fails_without(browser: Browser) -> None:
    tasks = ("login-user", "click-checkboxes")
    envs = {name: MiniWobEnv(name, browser=browser) for name in tasks}
    jobs = [(name, seed) for name in tasks for seed in range(8)]
    for env in envs.values():
        env.faults = None
    assert all(one.success for one in run_episodes(envs, jobs[::4], OraclePolicy))
    for env in envs.values():
        env.faults = FaultPlan(0.4)
    alone = run_episodes(envs, jobs, OraclePolicy)
    guarded = run_episodes(envs, jobs, OraclePolicy, guard=Guard(Verifier()))
    solved = Counter(one.success for one in guarded)[True]
    assert solved > Counter(one.success for one in alone)[True]
    assert sum(one.recovered for one in guarded) > 5
    roles = Counter(step.role for one in guarded for step in one.steps)
    assert {"policy", "wait", "retry", "undo"} <= set(roles)
    with pytest.raises(InputError, match="unknown fault 'slo'"):
        FaultPlan(0.1, ("slo",))  # type: ignore[arg-type]


def test_the_error_budget_ends_an_episode(browser: Browser) -> None:
    class Blind(OraclePolicy):
        def act(self, _seen: object) -> tuple[Action, None]:
            return Action("click", ref=12345), None

    with MiniWobEnv("click-test", browser=browser) as env:
        guard = Guard(Verifier(), budget=2)
        (episode,) = run_episodes({"click-test": env}, [("click-test", 0)], Blind, guard=guard)
    assert episode.ended == "error budget spent"
    assert (episode.failed, episode.invalid, episode.success) == (2, 2, False)


BOX = element(1, "input", kind="checkbox", name="a", checked=False)
FIELD = element(2, "input", kind="text", name="b")
BUTTON = element(3, "button", "OK")


def changed(base: object, **fields: object) -> object:
    from dataclasses import replace

    return replace(base, **fields)  # type: ignore[type-var]


TICKED = changed(BOX, checked=True)


@pytest.mark.parametrize(
    ("action", "after", "verdict"),
    [
        (Action("click", ref=1), (changed(BOX, checked=True), FIELD, BUTTON), "achieved"),
        (Action("click", ref=1), (BOX, FIELD, BUTTON), "no change"),
        (Action("click", ref=1), (BOX, changed(FIELD, value="x"), BUTTON), "wrong effect"),
        (Action("fill", ref=2, text="x"), (BOX, changed(FIELD, value="x"), BUTTON), "achieved"),
        (Action("fill", ref=2, text="x"), (BOX, FIELD, BUTTON), "no change"),
        (
            Action("fill", ref=2, text="x"),
            (changed(BOX, checked=True), FIELD, BUTTON),
            "wrong effect",
        ),
        (Action("click", ref=3), (BOX, FIELD, changed(BUTTON, focused=True)), "achieved"),
        (Action("click", ref=3), (BOX, FIELD, BUTTON), "no change"),
        (Action("click", ref=3), (changed(BOX, checked=True), FIELD, BUTTON), "wrong effect"),
        (Action("click", ref=3), (BOX, FIELD, BUTTON, element(4, "p", "new")), "achieved"),
        (
            Action("click", ref=3),
            (BOX, FIELD, changed(BUTTON, covered=True), element(4, "div", "modal")),
            "wrong effect",
        ),
        (Action("click", point=(34, 10)), (BOX, FIELD, changed(BUTTON, focused=True)), "achieved"),
        (Action("wait"), (BOX, FIELD, BUTTON), "achieved"),
    ],
)
def test_rules(action: Action, after: tuple[object, ...], verdict: str) -> None:
    check = Verifier().check(action, look(BOX, FIELD, BUTTON), look(*after))  # type: ignore[arg-type]
    assert check.verdict == verdict
    assert Verifier().check(action, look(BOX), look(BOX), refused="no") == Check(
        "no change", "refused: no", "rule"
    )


def test_pixels_count_only_in_the_targets_box() -> None:
    item = element(1, "div", "canvas")
    blank = np.zeros((30, 60, 3), np.uint8)
    inside, outside = blank.copy(), blank.copy()
    inside[5:15, 11:17] = 255
    outside[5:15, 40:50] = 255
    action = Action("click", ref=1)
    for picture, share in ((inside, 60 / 160), (outside, 0.0)):
        before, after = look(item, screenshot=blank), look(item, screenshot=picture)
        assert find_changes(action, before, after).pixels == pytest.approx(share)
        tier = "rule" if share else "default"
        assert Verifier().check(action, before, after).tier == tier
    assert find_changes(action, look(item), look(item)).pixels is None


def test_the_learned_tier_separates_what_it_was_fitted_on() -> None:
    action, item = Action("click", ref=1), element(1, "div", "x")
    same = effect_features(action, find_changes(action, look(item), look(item)))
    more = effect_features(
        action, find_changes(action, look(item), look(item, element(2, "p", "y")))
    )
    tier = LearnedTier.fit([same, more] * 5, ["no change", "achieved"] * 5)
    assert (tier.predict(same), tier.predict(more)) == ("no change", "achieved")
    assert Verifier(tier).check(action, look(item), look(item)).tier == "learned"
    with pytest.raises(InputError, match="different verdicts"):
        LearnedTier.fit([same], ["achieved"])


def test_undo_and_retry_on_new_numbers() -> None:
    before = look(BOX, FIELD, BUTTON)
    ticked = look(changed(BOX, ref=7, checked=True), changed(FIELD, ref=8), changed(BUTTON, ref=9))  # type: ignore[arg-type]
    action = Action("click", ref=3)
    assert reground(action, before, ticked) == Action("click", ref=9)
    assert undo(action, before, ticked) == Action("click", ref=7)
    typed = look(BOX, changed(FIELD, value="x"), BUTTON)  # type: ignore[arg-type]
    assert undo(action, before, typed) == Action("fill", ref=2, text="")
    assert undo(action, before, look(BOX, FIELD, BUTTON, url="http://other/")) == Action("back")
    assert undo(action, before, before) is None
    assert reground(action, before, look(BOX, FIELD)) is None
