"""Known causes of a zero loss or of stalled training, as values with a sentence and an advice.

`sterling.policy.diagnosis` measures them. Bars are our choice and stand at the top.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

DEAD = 0.25
"""Share of groups without a signal from which training is called stalled."""
DOMINANT = 0.9
"""Share of the variance within groups from which one reward dominates the others."""
SATURATED = 0.9
"""Share of groups in which a reward is constant from which it is called saturated."""
NOISE = 1e-3
"""Advantage of equal rewards from which rounding is called a fault."""
SHIFT = 0.01
"""Mean advantage from which it is called shifted."""


class Finding(Protocol):
    """One cause, tested."""

    @property
    def found(self) -> bool:
        """Whether the cause applies."""
        ...

    @property
    def sentence(self) -> str:
        """Measurement in one sentence."""
        ...

    @property
    def advice(self) -> str:
        """Remedy in one line."""
        ...


@dataclass(frozen=True)
class DeadGroups:
    """Groups whose rewards are all equal: their advantage, and so their gradient, is zero.

    Attributes:
        groups: Groups with two or more scored completions.
        dead: Those whose rewards are equal up to round-off.
        solved: Dead groups at the highest reward of the log.
        failed: Dead groups at its lowest reward.
        steps: Training steps, ascending.
        by_step: Share of dead groups in each step.
    """

    groups: int
    dead: int
    solved: int
    failed: int
    steps: tuple[int, ...]
    by_step: tuple[float, ...]

    @property
    def share(self) -> float:
        """Share of dead groups."""
        return self.dead / self.groups if self.groups else 0.0

    @property
    def thirds(self) -> tuple[float, float]:
        """Share of dead groups in the first and in the last third of the steps."""
        part = max(1, len(self.by_step) // 3)
        first, last = self.by_step[:part], self.by_step[-part:]
        return (float(np.mean(first)), float(np.mean(last))) if self.by_step else (0.0, 0.0)

    @property
    def found(self) -> bool:
        """Whether a quarter of the groups are dead, overall or in the last third of the steps."""
        return max(self.share, self.thirds[1]) >= DEAD

    @property
    def sentence(self) -> str:
        """Measurement in one sentence."""
        first, last = self.thirds
        if not self.groups:
            return "No group has two scored completions."
        return (
            f"{self.dead} of {self.groups} groups ({self.share:.0%}) have equal rewards and no "
            f"gradient: {self.solved} at the highest reward, {self.failed} at the lowest; "
            f"{first:.0%} in the first third of the steps, {last:.0%} in the last."
        )

    @property
    def advice(self) -> str:
        """Remedy in one line."""
        if self.solved > self.dead / 2:
            return "Prompts are solved: drop them, or sample harder ones."
        if self.failed > self.dead / 2:
            return (
                "No completion earns anything: use a dense reward such as SNRA, easier prompts, or "
                "more completions per prompt."
            )
        return "The reward does not tell completions apart: check its parser, and make it denser."


@dataclass(frozen=True)
class RoundOff:
    """Advantages that float32 gives to rewards that are equal.

    Attributes:
        equal: Groups of two or more completions with equal rewards.
        wrong: Those to which float32 gives an advantage above 0.001, at the trainer's epsilon.
        largest: Largest advantage that float32 gives to equal rewards, by epsilon.
        logged: Largest advantage that the log holds for them; None without advantages.
        difference: Largest difference between float32 and float64 in the other groups.
        eps: The trainer's epsilon.
    """

    equal: int
    wrong: int
    largest: dict[str, float]
    logged: float | None
    difference: float
    eps: float

    @property
    def found(self) -> bool:
        """Whether rounding moves a group that should stay."""
        return self.wrong > 0 or (self.logged or 0.0) > NOISE

    @property
    def sentence(self) -> str:
        """Measurement in one sentence."""
        if not self.equal:
            return (
                "No group has equal rewards; elsewhere float32 is off by at most "
                f"{self.difference:.2g}."
            )
        sizes = ", ".join(f"{size:.2g} with {name}'s" for name, size in self.largest.items())
        logged = "" if self.logged is None else f"; the log holds up to {self.logged:.2g}"
        return (
            f"Of {self.equal} groups with equal rewards, float32 gives {self.wrong} an advantage "
            f"above {NOISE:g} at epsilon {self.eps:g} (up to {sizes}){logged}; float64 gives 0."
        )

    @property
    def advice(self) -> str:
        """Remedy in one line."""
        return "Compute advantages in float64 and set groups of equal rewards to zero, as ours do."


@dataclass(frozen=True)
class Component:
    """One reward function.

    Attributes:
        name: Its name.
        share: Share of the variance within groups of the summed reward; negative where it works
            against the others.
        constant: Share of groups in which it is the same for all completions.
        mean: Its mean.
    """

    name: str
    share: float
    constant: float
    mean: float


@dataclass(frozen=True)
class Components:
    """Share of the decision that each of several reward functions has.

    Attributes:
        parts: The reward functions.
    """

    parts: tuple[Component, ...]

    @property
    def dominant(self) -> str | None:
        """Reward that makes up nine tenths of the variance; None without one."""
        top = max(self.parts, key=lambda part: part.share)
        return top.name if len(self.parts) > 1 and top.share >= DOMINANT else None

    @property
    def saturated(self) -> tuple[str, ...]:
        """Rewards that are constant in nine tenths of the groups, where there are several."""
        if len(self.parts) == 1:
            return ()
        return tuple(part.name for part in self.parts if part.constant >= SATURATED)

    @property
    def found(self) -> bool:
        """Whether a reward dominates or is saturated."""
        return self.dominant is not None or bool(self.saturated)

    @property
    def sentence(self) -> str:
        """Measurement in one sentence."""
        if len(self.parts) == 1:
            return f"One reward function, {self.parts[0].name}, mean {self.parts[0].mean:.3g}."
        each = "; ".join(
            f"{part.name} {part.share:.0%} of the variance, constant in {part.constant:.0%} of the "
            f"groups, mean {part.mean:.3g}"
            for part in self.parts
        )
        return f"Reward functions within groups: {each}."

    @property
    def advice(self) -> str:
        """Remedy in one line."""
        names = ", ".join(self.saturated)
        if self.saturated:
            return f"{names} no longer teaches anything: lower its weight, or make it finer."
        return f"{self.dominant} alone decides: weigh it down, or normalise each reward (gdpo)."


@dataclass(frozen=True)
class Unscored:
    """Completions without a reward, and whether something counted them as zero.

    Attributes:
        missing: Number of completions that each function did not score, by its name.
        counted: Completions without any reward to which the log gives an advantage.
        mixed: Groups in which a function scored only some completions: TRL adds nothing for the
            others, which is a zero.
        zeros: Share of exact zeros of each reward that is continuous otherwise, by its name.
    """

    missing: dict[str, int]
    counted: int
    mixed: int
    zeros: dict[str, float]

    @property
    def found(self) -> bool:
        """Whether an unscored completion counts, or may count, as zero."""
        return self.counted > 0 or self.mixed > 0 or bool(self.zeros)

    @property
    def sentence(self) -> str:
        """Measurement in one sentence."""
        missing = ", ".join(f"{name} {count}" for name, count in self.missing.items() if count)
        zeros = ", ".join(f"{share:.1%} of {name}" for name, share in self.zeros.items())
        return (
            f"Not scored: {missing or 'none'}; {self.counted} of them have an advantage, "
            f"{self.mixed} groups are scored in part"
            + (f"; exact zeros amid continuous rewards: {zeros}." if zeros else ".")
        )

    @property
    def advice(self) -> str:
        """Remedy in one line."""
        return (
            "Return None for what cannot be scored, for every completion of the prompt or none; "
            "0 is for wrong answers."
        )


@dataclass(frozen=True)
class SingleGroups:
    """Groups with one scored completion, which have nothing to compare.

    Attributes:
        groups: Number of groups.
        single: Those with one scored completion.
    """

    groups: int
    single: int

    @property
    def found(self) -> bool:
        """Whether there is one."""
        return self.single > 0

    @property
    def sentence(self) -> str:
        """Measurement in one sentence."""
        return f"{self.single} of {self.groups} groups have one scored completion."

    @property
    def advice(self) -> str:
        """Remedy in one line."""
        if self.single == self.groups:
            return "Every group is a single completion: name the column that holds the prompt."
        return (
            "Sample two or more completions per prompt: with one, TRL gives zero and verl takes "
            "the reward itself for the advantage."
        )


@dataclass(frozen=True)
class MeanShift:
    """Mean of the advantages, which is zero in GRPO and not zero where the reward is a factor.

    Attributes:
        kind: Formula that the logged advantages follow: "grpo", "dr_grpo", "ap_grpo", or "other";
            None without advantages.
        mean: Mean of the logged advantages; None without.
        size: Mean absolute advantage; None without.
        preserving: Mean that the absolute-preserving advantage has on these rewards; None where
            they leave [0, 1].
    """

    kind: str | None
    mean: float | None
    size: float | None
    preserving: float | None

    @property
    def found(self) -> bool:
        """Whether the logged advantages have a mean other than zero."""
        return self.mean is not None and abs(self.mean) > SHIFT

    @property
    def sentence(self) -> str:
        """Measurement in one sentence."""
        expected = (
            ""
            if self.preserving is None
            else f" The absolute-preserving advantage has mean {self.preserving:.3g} here."
        )
        if self.mean is None or self.size is None:
            return f"The log holds no advantages.{expected}"
        zero = (
            " A loss near 0 is by construction, and says nothing."
            if not self.found and self.size > SHIFT
            else ""
        )
        return (
            f"Logged advantages ({self.kind}): mean {self.mean:.3g}, mean size {self.size:.3g}."
            f"{zero}{expected}"
        )

    @property
    def advice(self) -> str:
        """Remedy in one line."""
        if self.kind == "ap_grpo":
            return (
                "Expected: the logged loss starts near minus this mean, not near 0; watch the "
                "reward, or centre the advantage."
            )
        return (
            "Advantages with a mean push all completions one way: check the baseline, and whether "
            "the groups here are the trainer's (--group-size)."
        )


@dataclass(frozen=True)
class Diagnosis:
    """Every cause, tested on one log.

    Attributes:
        dead_groups: Groups without a signal.
        round_off: Effect of rounding.
        components: Share of each reward in the signal.
        unscored: Completions without a score.
        single_groups: Groups of one.
        mean_shift: Mean of the advantages.
    """

    dead_groups: DeadGroups
    round_off: RoundOff
    components: Components
    unscored: Unscored
    single_groups: SingleGroups
    mean_shift: MeanShift

    @property
    def findings(self) -> dict[str, Finding]:
        """Every cause by name."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @property
    def found(self) -> list[Finding]:
        """Causes that apply."""
        return [finding for finding in self.findings.values() if finding.found]
