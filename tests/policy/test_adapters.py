"""One reward and one advantage in three trainers, with the same values."""

from collections import defaultdict, deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tests.policy import tiny

from sterling.errors import InputError
from sterling.policy import advantages
from sterling.policy.activations import exponential
from sterling.policy.adapters import (
    WORST,
    AdvantageMixin,
    openrlhf_reward,
    register_verl,
    trl_reward,
    verl_compute_score,
    verl_estimator,
    verl_raw_score,
)
from sterling.policy.diagnosis import diagnose
from sterling.policy.reward_log import read_reward_log
from sterling.policy.rewards import NumericReward
from sterling.policy.schedules import Schedule

ANSWERS = ["It is 9 m.", "10", "no idea", "10.5"]
TARGETS = [10.0, 10.0, 10.0, 10.0]
CALL: dict[str, Any] = {"prompts": ["?"] * 4, "completion_ids": [[1]] * 4}


def messages(texts: list[str]) -> list[list[dict[str, str]]]:
    return [[{"role": "assistant", "content": text}] for text in texts]


def test_three_trainers_score_the_same_answers_the_same() -> None:
    reward = NumericReward(sharpness=50)
    expected = reward(ANSWERS, TARGETS).tolist()
    assert expected[1] == 1
    assert expected[2] == 0
    assert len(set(expected)) == 4
    ours = trl_reward(reward)
    assert ours(completions=ANSWERS, answer=TARGETS, **CALL) == expected
    assert ours(completions=messages(ANSWERS), answer=TARGETS, log_extra=print, **CALL) == expected
    score = verl_compute_score(reward)
    assert [score("data", one, "10", {"index": 0})["score"] for one in ANSWERS] == expected
    queries = [f"How far? {one}" for one in ANSWERS]
    found = openrlhf_reward(reward)(queries, ["How far? "] * 4, ["10.0"] * 4, epoch=1)
    assert found["rewards"].tolist() == pytest.approx(expected, abs=1e-7)
    assert found["scores"].tolist() == found["rewards"].tolist()


def test_a_number_in_the_prompt_is_no_answer() -> None:
    found = openrlhf_reward(NumericReward())(["10 or 20? none"], ["10 or 20?"], ["20"])
    assert found["rewards"].tolist() == [0.0]


def test_what_cannot_be_scored_is_none_in_trl_and_logged_elsewhere() -> None:
    function = trl_reward(NumericReward(), column="metres", name="snra")
    assert function.__name__ == "snra"
    assert function(completions=["1", "2"], metres=[None, 2.0], **CALL) == [None, 1.0]
    assert verl_compute_score(NumericReward())("d", "5", "unknown") == {"score": 0, "unscored": 1}
    logged = openrlhf_reward(NumericReward())(["5"], [""], ["unknown"])
    assert logged["extra_logs"]["unscored"].tolist() == [1]
    with pytest.raises(InputError, match="no column 'metres'"):
        function(completions=["1"], answer=[1.0], **CALL)


def test_the_schedule_follows_the_trainers_step() -> None:
    reward = NumericReward(sharpness=Schedule.linear(1, 101, steps=100))
    function = trl_reward(reward)
    at = {
        step: function(
            completions=["9"],
            answer=[10.0],
            trainer_state=SimpleNamespace(global_step=step),
            **CALL,
        )[0]
        for step in (0, 50, 100)
    }
    fixed = {step: NumericReward(sharpness=1 + step)(["9"], [10.0])[0] for step in at}
    assert at == pytest.approx(fixed)
    assert len(set(at.values())) == 3


@pytest.mark.parametrize("kind", ["grpo", "dr_grpo", "ap_grpo"])
def test_verls_estimator_gives_our_advantages_to_every_token_of_an_answer(kind: str) -> None:
    rng = np.random.default_rng(0)
    rewards, index = rng.uniform(size=24), np.repeat(["a", "b", "c"], 8)
    order = rng.permutation(24)
    rewards, index = rewards[order], index[order]
    mask = torch.tensor(rng.integers(0, 2, (24, 5)), dtype=torch.float32)
    tokens = torch.zeros(24, 5)
    tokens[:, -1] = torch.tensor(rewards, dtype=torch.float32)
    found, returns = verl_estimator(kind=kind)(tokens, mask, index, config=None, other=1)
    expected = advantages(tokens.sum(1), index, kind=kind, eps=1e-6).values  # type: ignore[arg-type]
    assert found.dtype == torch.float32
    assert torch.equal(found, returns)
    np.testing.assert_allclose(found.numpy(), expected[:, None] * mask.numpy(), rtol=1e-6)


def test_a_schedule_lives_in_verls_estimator_and_counts_its_calls() -> None:
    schedule = Schedule.linear(1, 101, steps=2)
    reward = NumericReward(sharpness=schedule)
    raw = [verl_raw_score(reward)("d", one, "10")["score"] for one in ANSWERS]
    assert raw == pytest.approx([-0.01, 0, WORST, -0.0025])
    tokens = torch.tensor(raw, dtype=torch.float64)[:, None]
    estimator = verl_estimator(reward=reward, kind="dr_grpo")
    for step in (0, 1):
        found, _ = estimator(tokens, torch.ones(4, 1), np.zeros(4, dtype=int))
        rewards = reward(ANSWERS, TARGETS, step=step)
        assert found[:, 0].tolist() == pytest.approx((rewards - rewards.mean()).tolist())
    assert schedule.state_dict()["step"] == 2
    fixed = NumericReward(activation=exponential, sharpness=5.0)
    found, _ = verl_estimator(reward=fixed, kind="dr_grpo")(tokens, torch.ones(4, 1), np.zeros(4))
    rewards = fixed(ANSWERS, TARGETS)
    assert found[:, 0].tolist() == pytest.approx((rewards - rewards.mean()).tolist())


def test_registering_needs_verl() -> None:
    with pytest.raises(InputError, match="pip install verl"):
        register_verl("ours", kind="ap_grpo")


class FakeTrainer:
    """The part of TRL's trainer that the mixin uses, on one of several processes."""

    def __init__(self, rewards: torch.Tensor, process: int = 0, processes: int = 1) -> None:
        self.rewards, self.local = rewards, len(rewards) // processes
        self.model = SimpleNamespace(training=True)
        self.num_generations, self.num_generations_eval = 4, 2
        self.reward_weights = torch.tensor([2.0, 1.0])
        self.reward_func_names = ["format", "snra"]
        self.accelerator = SimpleNamespace(process_index=process)
        self._logs = {"advantages": deque([0.0] * len(rewards), maxlen=len(rewards))}
        self._metrics: dict[str, Any] = {"train": defaultdict(list), "eval": defaultdict(list)}

    def _calculate_rewards(self, *_: Any) -> torch.Tensor:
        return self.rewards

    def _generate_and_score_completions(self, _inputs: Any) -> dict[str, Any]:
        self._calculate_rewards()
        return {"advantages": torch.zeros(self.local)}


class Preserving(AdvantageMixin, FakeTrainer):
    advantage_options = {"kind": "ap_grpo", "eps": 1e-6}  # noqa: RUF012  # as users write it
    factor_reward = "snra"


def drawn(seed: int) -> torch.Tensor:
    rewards = torch.rand(16, 2, generator=torch.Generator().manual_seed(seed))
    rewards[3] = torch.nan
    rewards[5, 0] = torch.nan
    return rewards


def test_processes_together_hold_what_one_holds() -> None:
    rewards = drawn(0)
    group = np.arange(16) // 4
    expected = advantages(
        rewards, group, kind="ap_grpo", eps=1e-6, weights=[2, 1], multiplier=rewards[:, 1]
    ).values
    whole = Preserving(rewards)
    out = whole._generate_and_score_completions(None)["advantages"]
    np.testing.assert_allclose(out.numpy(), expected, rtol=1e-6)
    assert list(whole._logs["advantages"]) == expected.tolist()
    assert expected[3] == 0
    parts = [Preserving(rewards, one, 4)._generate_and_score_completions(None) for one in range(4)]
    assert torch.equal(torch.cat([one["advantages"] for one in parts]), out)


def test_evaluation_has_groups_and_metrics_of_its_own() -> None:
    trainer = Preserving(drawn(1))
    trainer.model.training = False
    out = trainer._generate_and_score_completions(None)["advantages"]
    factor = drawn(1)[:, 1]
    expected = advantages(
        drawn(1), np.arange(16) // 2, kind="ap_grpo", eps=1e-6, weights=[2, 1], multiplier=factor
    )
    np.testing.assert_allclose(out.numpy(), expected.values, rtol=1e-6)
    assert trainer._metrics["eval"]["advantage/mean"] == [expected.mean]
    assert not trainer._metrics["train"]


def test_a_mixin_that_could_not_act_is_refused() -> None:
    with pytest.raises(InputError, match="must stand before"):

        class Behind(FakeTrainer, AdvantageMixin):
            pass

    with pytest.raises(InputError, match="must stand before"):

        class Alone(AdvantageMixin):
            pass

    class Misnamed(AdvantageMixin, FakeTrainer):
        factor_reward = "snar"

    with pytest.raises(InputError, match="the reward functions are format, snra"):
        Misnamed(drawn(0))._generate_and_score_completions(None)


@pytest.mark.no_cover
@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")
@pytest.mark.parametrize("conversational", [False, True], ids=["plain", "conversational"])
def test_trl_trains_with_our_advantages(conversational: bool, tmp_path: Path) -> None:
    """The real trainer, a tiny Llama of random weights, four steps on the CPU."""
    trl = pytest.importorskip("trl", reason="pip install 'sterling[rl]'")
    seen: list[dict[str, Any]] = []

    class Trainer(AdvantageMixin, trl.GRPOTrainer):  # type: ignore[misc, name-defined]
        advantage_options = {"kind": "ap_grpo"}  # noqa: RUF012

        def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
            output = super()._generate_and_score_completions(inputs)
            seen.append({"rewards": self._gathered_rewards, "advantages": output["advantages"]})
            return output

    sharpness = Schedule.linear(1, 5, steps=4)
    reward = NumericReward(activation=exponential, sharpness=sharpness)
    trainer = tiny.trainer(
        Trainer,
        [trl_reward(reward, name="numeric")],
        questions={"1 + 2 =": 3.0, "3 + 4 =": 7.0, "5 + 4 =": 9.0, "2 + 2 =": 4.0},
        conversational=conversational,
        folder=tmp_path,
        steps=4,
    )
    before = [weight.clone() for weight in trainer.model.parameters()]
    trainer.train()
    assert any(
        not torch.equal(*pair) for pair in zip(before, trainer.model.parameters(), strict=True)
    )
    assert len(seen) == 4
    for each in seen:
        expected = advantages(each["rewards"], np.arange(32) // 8, kind="ap_grpo").values
        np.testing.assert_allclose(each["advantages"].numpy(), expected, rtol=1e-5, atol=1e-6)
        assert np.abs(expected).max() > 0.1
    log = read_reward_log(tmp_path)
    assert log.columns.rewards == ("numeric",)
    assert log.group_sizes.tolist() == [8] * 16
    found = diagnose(log)
    assert found.mean_shift.kind == "ap_grpo"
    assert found.mean_shift.found
