"""The scorer, its rewards and its training: identities, and that each stage can learn."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.agent.browser.pages import element, look
from tests.scripted_model import ScriptedModel

from sterling.agent.browser import (
    Action,
    Browser,
    ChatPolicy,
    ElementScorer,
    Episode,
    MiniWobEnv,
    OraclePolicy,
    RandomPolicy,
    ScorerPolicy,
    StepRecord,
    demonstrate,
    episode_return,
    fine_tune,
    offline_grpo,
    online_grpo,
    run_episodes,
    step_reward,
)
from sterling.agent.browser.features import encode, find_span
from sterling.agent.browser.oracle import SOLUTIONS
from sterling.agent.browser.scorer import FILL, Batch, Choice, action_of, choice_of, greedy, sampler
from sterling.agent.browser.stages import Curriculum, Example, kept_examples
from sterling.errors import InputError

GOAL = 'Enter the username "ada" and the password "New York" into the fields and press login.'
PAGE = look(
    element(1, "input", kind="text", name="Username"),
    element(2, "input", kind="password", name="Password"),
    element(3, "button", "Login"),
    element(4, "option", "ada", checked=False),
    goal=GOAL,
)


def test_log_probabilities_are_a_distribution_and_clicks_copy_nothing() -> None:
    model = ElementScorer(seed=1)
    assert sum(weight.numel() for weight in model.parameters()) < 1_000_000
    encoded = encode(PAGE)
    batch = Batch.of([encoded, encode(look(element(1), goal="Click."))])
    scores = model(batch)
    assert torch.allclose(scores.actions.exp().sum((1, 2)), torch.ones(2))
    assert scores.actions[0, 2, FILL] < -1e8  # no text goes into a button
    rows = torch.tensor([0, 0])
    parts = model.log_probs(scores, rows, [Choice(0, 0), Choice(0, FILL, 3, 4)])
    assert parts[0, 1:].tolist() == [0.0, 0.0]
    starts = model.starts(scores, torch.tensor([0, 0]))
    ends = model.ends(scores, torch.tensor([0, 0]), torch.tensor([3, 0]))
    assert torch.allclose(starts[0].exp().sum(), torch.tensor(1.0))
    assert ends[0, :3].max() < -1e8  # the last token is not before the first
    alone = model(Batch.of([encoded])).actions[0]
    assert torch.allclose(alone, scores.actions[0], atol=1e-5)  # padding changes nothing


def test_choices_and_actions_are_inverse() -> None:
    encoded = encode(PAGE)
    for action in (
        Action("fill", ref=2, text="New York"),
        Action("click", ref=3),
        Action("select", ref=4, text="ada"),
    ):
        choice = choice_of(action, encoded)
        assert choice is not None
        assert action_of(choice, encoded, PAGE) == action
    assert choice_of(Action("fill", ref=1, text="absent"), encoded) is None
    assert choice_of(Action("click", ref=99), encoded) is None
    span = find_span(encode(look(goal='Type ada or "ada".')), "ada")
    assert span == (4, 4)  # the one in quotes


@pytest.mark.parametrize(
    ("action", "wanted", "reward"),
    [
        (None, Action("click", ref=3), 0.0),
        (Action("fill", ref=3, text="x"), Action("click", ref=3), 0.1),
        (Action("click", ref=3), Action("click", ref=3), 1.0),
        (Action("click", point=(30.0, 0.0)), Action("click", ref=3), 1.0),
        (Action("fill", ref=1, text="ada"), Action("fill", ref=1, text="ada"), 1.0),
        (Action("fill", ref=1, text="x"), Action("fill", ref=1, text="ada"), 0.7),
        (Action("select", ref=4, text="b"), Action("select", ref=4, text="ada"), 0.4),
        (Action("scroll", scroll=(0, 5)), Action("scroll", scroll=(0, 100)), 1.0),
        (Action("scroll", scroll=(0, -5)), Action("scroll", scroll=(0, 100)), 0.4),
    ],
)
def test_the_composed_reward(action: Action | None, wanted: Action, reward: float) -> None:
    assert step_reward(action, wanted, PAGE) == pytest.approx(reward)


def test_a_click_beside_the_target_earns_less_the_further_it_is() -> None:
    places = [(39.0, 10.0), (42.0, 40.0), (60.0, 60.0), (150.0, 150.0)]
    wanted = Action("click", ref=3)
    rewards = [step_reward(Action("click", point=place), wanted, PAGE) for place in places]
    assert rewards == sorted(rewards, reverse=True)
    assert rewards[0] < 1.0
    assert rewards[-1] == pytest.approx(0.4)


def test_the_return_of_an_episode() -> None:
    other = look(element(1), goal="x")
    wasted = StepRecord(PAGE, Action("click", ref=3), PAGE, 0.0)
    useful = StepRecord(PAGE, Action("click", ref=3), other, 0.0)
    invalid = StepRecord(PAGE, Action("click", ref=9), PAGE, 0.0, refused="gone")
    assert episode_return(Episode("t", 0, [useful, wasted], 1.0)) == pytest.approx(0.98)
    assert episode_return(Episode("t", 0, [useful, wasted], -1.0)) == pytest.approx(-0.04)
    assert episode_return(Episode("t", 0, [invalid], 0.0)) == pytest.approx(-0.08)


def test_every_script_solves_its_task_and_random_clicks_do_not(browser: Browser) -> None:
    # Opening a page takes longest: the other scripts solve their tasks in other tests.
    elsewhere = {"click-checkboxes", "click-tab", "enter-password", "enter-text"}
    envs = {name: MiniWobEnv(name, browser=browser) for name in set(SOLUTIONS) - elsewhere}
    jobs = [(name, 6) for name in sorted(envs)]
    played = run_episodes(envs, jobs, OraclePolicy)
    assert [(one.task, one.ended) for one in played if not one.success] == []
    jobs = [("login-user", seed) for seed in range(4)]
    assert not all(one.success for one in run_episodes(envs, jobs, RandomPolicy))
    for env in envs.values():
        env.close()


def test_the_stages_learn_a_task(browser: Browser) -> None:
    names = ("click-tab", "enter-text")
    envs = {name: MiniWobEnv(name, browser=browser) for name in names}
    rng = np.random.default_rng(0)
    shown = demonstrate(envs, range(3), seed=0)
    assert {one.choice.operation for one in shown} == {0, FILL}
    model = ElementScorer(seed=0)

    def loss() -> float:
        scores = model(Batch.of([one.encoded for one in shown]))
        choices = [one.choice for one in shown]
        parts = model.log_probs(scores, torch.arange(len(shown)), choices)
        return -float(parts.sum(1).mean().detach())

    start = loss()
    fine_tune(model, shown, steps=15, rng=rng)
    tuned = loss()
    offline_grpo(model, shown, steps=5, rng=rng)
    assert tuned < 0.5 * start
    assert loss() < start
    before = [weight.clone() for weight in model.parameters()]
    played = online_grpo(
        model, envs, shown, rounds=1, iterations=2, tasks=2, group=4, rng=rng, first_seed=100
    )
    assert len(played) == 16
    jobs = [(name, seed) for name in names for seed in range(3)]
    assert all(one.success for one in run_episodes(envs, jobs, OraclePolicy))
    assert any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    kept = kept_examples(played)
    assert len(kept) <= sum(len(one.steps) for one in played if one.success)
    for env in envs.values():
        env.close()


def test_offline_training_finds_the_rewarded_element() -> None:
    encoded = encode(PAGE)
    example = Example(PAGE, encoded, Choice(2, 0))
    model = ElementScorer(seed=0)
    offline_grpo(model, [example], steps=40, rng=np.random.default_rng(0), size=4, rate=3e-3)
    assert model.choose([encoded], greedy) == [Choice(2, 0)]


def test_the_curriculum_prefers_what_is_neither_solved_nor_hopeless() -> None:
    curriculum = Curriculum()
    for _ in range(6):
        for task, share in (("easy", 1.0), ("hard", 0.0), ("open", 0.5)):
            curriculum.note(task, share)
    rng = np.random.default_rng(0)
    drawn = [curriculum.draw(["easy", "hard", "open"], 1, rng)[0] for _ in range(300)]
    assert drawn.count("open") > drawn.count("easy") + drawn.count("hard")


def test_a_scorer_is_saved_and_read(tmp_path: Path) -> None:
    folder = tmp_path
    model = ElementScorer(seed=3)
    model.save_pretrained(folder)
    again = ElementScorer.from_pretrained(folder)
    item = encode(PAGE)
    draw = sampler(torch.Generator().manual_seed(0))
    first = model.choose([item] * 8, draw)
    assert again.choose([item] * 8, sampler(torch.Generator().manual_seed(0))) == first
    (folder / "model.safetensors").write_bytes(b"x")
    with pytest.raises(InputError, match="no weights of a scorer"):
        ElementScorer.from_pretrained(folder)
    with pytest.raises(InputError, match=r"no model\.safetensors"):
        ElementScorer.from_pretrained(folder / "none")


def test_a_language_model_acts_and_nonsense_is_refused(browser: Browser) -> None:
    def answer(_purpose: str, prompt: str, _seed: int) -> str:
        line = next(line for line in prompt.splitlines() if '"Click Me!"' in line)
        return f"I press it.\n```\nclick('{line[1 : line.index(']')]}')\n```"

    with MiniWobEnv("click-test", browser=browser, max_steps=3) as env:
        model = ScriptedModel(answer)
        (episode,) = run_episodes({"t": env}, [("t", 0)], lambda: ChatPolicy(model))
        assert episode.success
        silly = ScriptedModel("I cannot, sorry; rm -rf /")
        (episode,) = run_episodes({"t": env}, [("t", 0)], lambda: ChatPolicy(silly))
    assert (episode.success, episode.invalid, episode.ended) == (False, 3, "3 steps")
    assert "is no call" in episode.steps[0].refused
    assert silly.purposes == ["gui action"] * 3
    assert "Task: Click the button." in silly.asked[0]


def test_an_empty_page_gets_a_wait() -> None:
    policy = ScorerPolicy(ElementScorer())
    policy.begin("t", 0)
    assert policy.act(look(goal="x"))[0] == Action("wait")
