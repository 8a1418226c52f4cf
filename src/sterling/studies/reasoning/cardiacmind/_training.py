"""Training of the policy: on filled templates, then by group-relative rewards."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.metrics import f1_score
from torch import Tensor

from sterling.policy import advantages, grpo_loss
from sterling.reasoning import (
    ClinicalReward,
    ReasoningCase,
    measurements,
    parse_reasoning,
    places,
    process_quality,
    process_quantity,
    same_answer,
    value_credit,
)
from sterling.reasoning.encoder import pool
from sterling.reasoning.synthetic import Pixels
from sterling.studies.reasoning.cardiacmind._policy import (
    DISEASES,
    END,
    LONGEST,
    StepPolicy,
    bin_of,
    read_tokens,
    write_tokens,
)

TRUE_ENOUGH = 0.5  # credit of a value that errs by its tolerance; below, it counts as made up


class Readings:
    """Linear readings of every measurement from the pictures of its place.

    Args:
        cases: Cases to fit on.
        pictures: Their pictures by place.
    """

    def __init__(self, cases: Sequence[ReasoningCase], pictures: Mapping[str, Pixels]) -> None:
        self._models = {}
        for place, names in places().items():
            known = [measurements()[name] for name in names]
            targets = [
                [each.position(case.values[name]) for name, each in zip(names, known, strict=True)]
                for case in cases
            ]
            self._models[place] = Ridge(alpha=1.0).fit(pool(pictures[place]), np.array(targets))

    def __call__(self, pictures: Mapping[str, Pixels]) -> Tensor:
        """Return the bins that are read, (N, measurements)."""
        found: dict[str, NDArray[np.float64]] = {}
        for place, names in places().items():
            positions = self._models[place].predict(pool(pictures[place]))
            positions = positions.reshape(len(positions), len(names))
            found |= {name: positions[:, column] for column, name in enumerate(names)}
        read = np.stack([found[name] for name in measurements()], axis=1)
        return torch.tensor([[bin_of(each) for each in row] for row in read.tolist()])


@dataclass(frozen=True, eq=False)
class Patients:
    """Cases and what is read off their pictures.

    Attributes:
        cases: The cases.
        readings: Bins that are read, (N, measurements).
    """

    cases: Sequence[ReasoningCase]
    readings: Tensor

    def __len__(self) -> int:
        return len(self.cases)

    def at(self, rows: Tensor) -> "Patients":
        """Return the cases of some rows."""
        return Patients([self.cases[row] for row in rows.tolist()], self.readings[rows])


def imitate(
    policy: StepPolicy,
    patients: Patients,
    *,
    steps: int,
    batch: int,
    learning_rate: float,
    seed: int,
) -> None:
    """Train a policy on templates that are filled with the values of the cases."""
    generator = torch.Generator().manual_seed(seed)
    paths = [write_tokens(case.template, case) for case in patients.cases]
    tokens = torch.tensor([path + [END] * (LONGEST - len(path)) for path in paths])
    lengths = torch.tensor([len(path) for path in paths])
    optimizer = torch.optim.Adam(policy.parameters(), learning_rate)
    for _ in range(steps):
        rows = torch.randint(len(patients), (batch,), generator=generator)
        longest = int(lengths[rows].max())
        chosen, written = tokens[rows, :longest], torch.arange(longest) < lengths[rows, None]
        logits = policy(patients.readings[rows], chosen)
        loss = F.cross_entropy(logits[written], chosen[written])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()


def reinforce(
    policy: StepPolicy,
    patients: Patients,
    reward: ClinicalReward,
    *,
    steps: int,
    prompts: int,
    group: int,
    learning_rate: float,
    seed: int,
    separately: bool = False,
) -> StepPolicy:
    """Return a copy of a policy after on-policy steps of GRPO.

    Args:
        policy: Policy to start from; it stays as it is.
        patients: Cases that prompts are drawn from.
        reward: Reward of a completion.
        steps: Number of steps.
        prompts: Cases of a step.
        group: Completions of a case.
        learning_rate: Rate of Adam.
        seed: Seed of cases and completions.
        separately: Normalise each component in its group before they are summed (GDPO), instead of
            their sum.
    """
    policy = copy.deepcopy(policy)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(policy.parameters(), learning_rate)
    ids = np.repeat(np.arange(prompts), group)
    for _ in range(steps):
        rows = torch.randint(len(patients), (prompts,), generator=generator)
        chosen = patients.at(rows.repeat_interleave(group))
        tokens, written = policy.write(chosen.readings, generator)
        scored = [
            reward(read_tokens(each), case)
            for each, case in zip(tokens.tolist(), chosen.cases, strict=True)
        ]
        if separately:
            weights = component_weights(reward)
            parts = np.array([[each[name] for name in weights] for each in scored])
            found = advantages(parts, ids, kind="gdpo", weights=list(weights.values()))
        else:
            found = advantages([each["total"] for each in scored], ids)
        longest = int(written.sum(1).max())
        tokens, written = tokens[:, :longest], written[:, :longest]
        log_probs = policy.log_probabilities(chosen.readings, tokens)
        loss = grpo_loss(log_probs, torch.from_numpy(found.values).float(), written)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimizer.step()
    return policy


def component_weights(reward: ClinicalReward) -> dict[str, float]:
    """Weights, above 0, of the components of a reward."""
    weights = {
        "accuracy": reward.accuracy,
        "format": reward.form,
        "quantity": reward.quantity,
        "quality": reward.quality,
        "semantics": reward.semantics,
    }
    return {name: weight for name, weight in weights.items() if weight}


def evaluate(
    policy: StepPolicy, patients: Patients, full: ClinicalReward
) -> dict[str, float | None]:
    """Measure a policy's most likely completions.

    Returns:
        Macro F1 and accuracy of the diagnosis; PQtR; coverage of the template with right values;
        PQlR; the full reward; steps per case; and the share of the stated values that are made up:
        further from the truth than the tolerance; None where no value is stated.
    """
    tokens, _ = policy.write(patients.readings, None)
    texts = [read_tokens(each) for each in tokens.tolist()]
    said = [parse_reasoning(text) for text in texts]
    pairs = list(zip(said, patients.cases, strict=True))
    truth = [case.template.disease for case in patients.cases]
    answers = [each.answer or "none" for each in said]
    qualities = [process_quality(each, case) for each, case in pairs]
    quantities = [process_quantity(len(each.valid), len(case.template)) for each, case in pairs]
    totals = [full(text, case)["total"] for text, case in zip(texts, patients.cases, strict=True)]
    made_up = [
        _credit(step.finding, step.value, case) < TRUE_ENOUGH
        for each, case in pairs
        for step in each.steps
        if step.finding in _BY_FINDING
    ]
    return {
        "macro F1": float(
            f1_score(truth, answers, labels=DISEASES, average="macro", zero_division=0)
        ),
        "accuracy": float(
            np.mean([same_answer(each.answer, case.template) for each, case in pairs])
        ),
        "quantity": float(np.mean(quantities)),
        "step coverage": float(np.mean([each.coverage for each in qualities])),
        "quality": float(np.mean([each.total for each in qualities])),
        "reward": float(np.mean(totals)),
        "steps": float(np.mean([len(each.valid) for each in said])),
        "hallucinated values": float(np.mean(made_up)) if made_up else None,
    }


_BY_FINDING = {name.lower(): name for name in measurements()}


def _credit(finding: str, value: float | str, case: ReasoningCase) -> float:
    name = _BY_FINDING[finding]
    return value_credit(measurements()[name].step, value, case.values[name])
