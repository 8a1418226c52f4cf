"""Our rewards and advantages in the trainers TRL, verl and OpenRLHF.

One reward serves all three, with the same values::

    reward = NumericReward(sharpness=Schedule.sigmoid(1, 100, steps=1000))

    class Trainer(AdvantageMixin, trl.GRPOTrainer):              # TRL
        advantage_options = {"kind": "ap_grpo"}
    Trainer(model, reward_funcs=trl_reward(reward), ...)

    compute_score = verl_compute_score(NumericReward())          # verl, in its reward file
    register_verl("ap_grpo", kind="ap_grpo")                     # verl, in the driver process

    reward_func = openrlhf_reward(NumericReward())               # OpenRLHF, in its reward file

No trainer is imported here but by `register_verl`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.policy.advantage import Advantages, advantages
from sterling.policy.schedules import Schedule

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float64]
WORST = -1e6
"""Score in verl of an answer whose error is infinite; verl's sums need finite numbers."""


class Reward(Protocol):
    """Anything that scores completions against targets, such as `NumericReward`."""

    def __call__(
        self, completions: Sequence[Any], targets: Any, *, step: int | None = None
    ) -> Floats:
        """Return one reward per completion, NaN where it cannot be scored."""
        ...


def trl_reward(
    reward: Reward, *, column: str = "answer", name: str = "numeric_reward"
) -> Callable[..., list[float | None]]:
    """Return a reward function with TRL's signature.

    It takes plain and conversational completions, follows the trainer's global step where the
    reward has a schedule, and returns None for what cannot be scored, which TRL leaves out.

    Args:
        reward: The reward.
        column: Column of the data set that holds the targets.
        name: Name in TRL's logs.

    Raises:
        InputError: When called: the data set has no such column.

    Examples:
        >>> from sterling.policy.rewards import NumericReward
        >>> function = trl_reward(NumericReward())
        >>> function(prompts=["2 + 3?"], completions=["5"], completion_ids=[[1]], answer=[5.0])
        [1.0]
    """

    def function(
        prompts: Sequence[Any],  # noqa: ARG001  # TRL passes all by keyword
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]] | None = None,  # noqa: ARG001
        *,
        trainer_state: Any = None,
        **columns: Any,
    ) -> list[float | None]:
        if column not in columns:
            raise InputError(f"the data set has no column {column!r}: name one with column=")
        step = None if trainer_state is None else int(trainer_state.global_step)
        values = reward(completions, columns[column], step=step)
        return [None if np.isnan(value) else float(value) for value in values]

    function.__name__ = name
    return function


class AdvantageMixin:
    """Give TRL's ``GRPOTrainer`` the advantages of `sterling.policy.advantages`.

    TRL has no hook for advantages: this keeps the gathered rewards when the trainer computes them,
    and replaces the advantages in the batch, in the completions log, and for every process.
    Statistics are float64. Tested with TRL 1.16.

    Attributes:
        advantage_options: Keyword arguments of `advantages`; ``weights`` and ``group`` come from
            the trainer, and ``eps`` defaults to TRL's 1e-4.
        factor_reward: Name of the reward function whose rewards are the factor of an
            absolute-preserving advantage; None takes the sum of all.

    Raises:
        InputError: When subclassed: the trainer is not TRL's, or stands before the mixin.

    Examples:
        ```python
        class Trainer(AdvantageMixin, GRPOTrainer):
            advantage_options = {"kind": "ap_grpo"}
            factor_reward = "numeric_reward"
        ```
    """

    advantage_options: ClassVar[Mapping[str, Any]] = {}
    factor_reward: ClassVar[str | None] = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for method in ("_calculate_rewards", "_generate_and_score_completions"):
            own = [base for base in cls.__mro__ if method in vars(base)]
            if len(own) < 2 or own[0] not in (cls, AdvantageMixin):
                raise InputError(
                    f"{cls.__name__}: AdvantageMixin must stand before trl.GRPOTrainer, whose "
                    f"{method} it extends (TRL 1.16 has it)"
                )

    def _calculate_rewards(self, *arguments: Any, **named: Any) -> "Tensor":
        rewards: Tensor = super()._calculate_rewards(*arguments, **named)  # type: ignore[misc]
        self._gathered_rewards = rewards
        return rewards

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)  # type: ignore[misc]
        trainer: Any = self
        training = bool(trainer.model.training)
        size = trainer.num_generations if training else trainer.num_generations_eval
        found = advantages(
            self._gathered_rewards,
            np.arange(len(self._gathered_rewards)) // size,
            weights=trainer.reward_weights,
            multiplier=self._factor(trainer.reward_func_names),
            **self.advantage_options,
        )
        own = output["advantages"]
        first = trainer.accelerator.process_index * len(own)
        local = found.values[first : first + len(own)]
        output["advantages"] = own.new_tensor(local.tolist())
        self._note_advantages(found)
        _replace_last(trainer._logs["advantages"], found.values.tolist())
        metrics = trainer._metrics["train" if training else "eval"]
        for name in ("collapse_rate", "near_zero_rate", "mean", "effective_group_size"):
            metrics[f"advantage/{name}"].append(float(getattr(found, name)))
        return output

    def _note_advantages(self, found: Advantages) -> None:
        """Receive the advantages of every batch; a subclass may keep them."""

    def _factor(self, names: Sequence[str]) -> "Tensor | None":
        if self.factor_reward is None:
            return None
        if self.factor_reward not in names:
            raise InputError(
                f"factor_reward {self.factor_reward!r}: the reward functions are {', '.join(names)}"
            )
        return self._gathered_rewards[:, names.index(self.factor_reward)]


def verl_compute_score(reward: Reward) -> Callable[..., dict[str, float]]:
    """Return verl's ``compute_score`` for its ``custom_reward_function``.

    verl passes no training step, so a scheduled sharpness belongs into `verl_estimator`. An
    answer that cannot be scored gets 0, as verl has no word for it, and ``unscored`` 1.

    Args:
        reward: The reward; its targets are verl's ``ground_truth``.

    Examples:
        >>> from sterling.policy.rewards import NumericReward
        >>> verl_compute_score(NumericReward())("gsm8k", "#### 5", 5.0)
        {'score': 1.0, 'unscored': 0.0}
    """

    def compute_score(
        data_source: str,  # noqa: ARG001  # verl passes all of them
        solution_str: str,
        ground_truth: Any,
        extra_info: Mapping[str, Any] | None = None,  # noqa: ARG001
        **_: Any,
    ) -> dict[str, float]:
        value = float(reward([solution_str], [_number(ground_truth)])[0])
        unscored = np.isnan(value)
        return {"score": 0.0 if unscored else value, "unscored": float(unscored)}

    return compute_score


def verl_raw_score(reward: Any) -> Callable[..., dict[str, float]]:
    """Return verl's ``compute_score`` with minus the raw error, for a scheduled estimator.

    `verl_estimator` with the same reward turns the errors into rewards, as it knows the step.

    Args:
        reward: A `NumericReward`, whose parser and feedback are used.

    Examples:
        >>> from sterling.policy.rewards import NumericReward
        >>> verl_raw_score(NumericReward())("gsm8k", "#### 5", 10.0)["score"]
        -0.25
    """

    def compute_score(
        data_source: str,  # noqa: ARG001
        solution_str: str,
        ground_truth: Any,
        extra_info: Mapping[str, Any] | None = None,  # noqa: ARG001
        **_: Any,
    ) -> dict[str, float]:
        guess = reward.predictions([solution_str])
        error = float(reward.feedback(guess, [_number(ground_truth)])[0])
        return {"score": max(WORST, -error)}

    return compute_score


def verl_estimator(
    *, reward: Any = None, eps: float = 1e-6, **options: Any
) -> Callable[..., tuple["Tensor", "Tensor"]]:
    """Return an advantage estimator with verl's signature; `register_verl` registers it.

    Args:
        reward: A `NumericReward` with a schedule, for scores of `verl_raw_score`: each call applies
            its activation and advances the schedule, whose state goes into a checkpoint. None for
            scores that are rewards already.
        eps: Added to the standard deviation; 1e-6 is verl's.
        options: Further keyword arguments of `advantages`.

    Examples:
        >>> import numpy as np, torch
        >>> scores = torch.tensor([[0.0, 0.0], [0.0, 1.0]])
        >>> estimator = verl_estimator(kind="dr_grpo")
        >>> estimator(scores, torch.ones(2, 2), np.array(["a", "a"]))[0].tolist()
        [[-0.5, -0.5], [0.5, 0.5]]
    """

    def estimator(
        token_level_rewards: "Tensor",
        response_mask: "Tensor",
        index: NDArray[Any],
        config: Any = None,  # noqa: ARG001  # part of verl's signature
        **_: Any,
    ) -> tuple["Tensor", "Tensor"]:
        scores = token_level_rewards.detach().double().sum(dim=-1).cpu().numpy()
        if reward is not None:
            scores = _activated(reward, scores)
        values = advantages(scores, index, eps=eps, **options).values
        spread = token_level_rewards.new_tensor(values.tolist()).unsqueeze(-1) * response_mask
        return spread, spread

    return estimator


def register_verl(name: str, **options: Any) -> None:
    """Register `verl_estimator` under a name, for ``algorithm.adv_estimator=NAME``.

    Call it in a module that verl's driver process imports.

    Args:
        name: A name that no estimator has.
        options: Arguments of `verl_estimator`.

    Raises:
        InputError: verl is not installed.

    Examples:
        >>> register_verl("ap_grpo", kind="ap_grpo")  # doctest: +SKIP
    """
    try:
        from verl.trainer.ppo.core_algos import register_adv_est
    except ImportError as error:
        raise InputError("register_verl needs verl: pip install verl") from error
    register_adv_est(name)(verl_estimator(**options))


def openrlhf_reward(reward: Reward) -> Callable[..., dict[str, Any]]:
    """Return OpenRLHF's ``reward_func`` for its ``--reward.remote_url`` file.

    Args:
        reward: The reward; its targets are the labels.

    Returns:
        A function that returns ``rewards``, ``scores`` in [0, 1] for dynamic filtering, and
        ``extra_logs``. What cannot be scored gets 0, and 1 in the log ``unscored``.

    Examples:
        >>> from sterling.policy.rewards import NumericReward
        >>> function = openrlhf_reward(NumericReward())
        >>> function(["2 + 3? 5"], ["2 + 3?"], ["5"])["rewards"].tolist()
        [1.0]
    """

    def reward_func(
        queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any], **_: Any
    ) -> dict[str, Any]:
        import torch

        answers = [
            query.removeprefix(prompt) for query, prompt in zip(queries, prompts, strict=True)
        ]
        values = reward(answers, [_number(label) for label in labels])
        unscored = np.isnan(values)
        rewards = torch.tensor(np.where(unscored, 0.0, values).tolist())
        return {
            "rewards": rewards,
            "scores": rewards.clamp(0.0, 1.0),
            "extra_logs": {"unscored": torch.tensor(unscored.astype(float).tolist())},
        }

    return reward_func


def _activated(reward: Any, scores: Floats) -> Floats:
    """Turn minus the raw errors into rewards, at the schedule's step."""
    scheduled = isinstance(reward.sharpness, Schedule)
    sharpness = reward.sharpness.value if scheduled else reward.sharpness
    errors = np.where(scores <= WORST, np.inf, -scores)
    values: Floats = reward.activation(errors, sharpness)
    if scheduled:
        reward.sharpness.advance()
    return values


def _number(target: Any) -> float | None:
    """Read a target that a trainer stores as text; None where it is no number."""
    try:
        return float(str(target).replace(",", ""))
    except ValueError:
        return None


def _replace_last(log: Any, values: Sequence[float]) -> None:
    """Replace the last entries of a bounded log."""
    for _ in range(min(len(values), len(log))):
        log.pop()
    log.extend(values)
