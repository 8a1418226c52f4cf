"""The study: its tokens, its policy, and the real check."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.studies.smoke import run_smoke

from sterling.reasoning import (
    ClinicalReward,
    draw_cases,
    measurements,
    parse_reasoning,
    process_quality,
    render,
    write_reasoning,
)
from sterling.studies.reasoning.cardiacmind._policy import (
    DISEASES,
    END,
    FIRST_BIN,
    FIRST_DISEASE,
    FIRST_MEASUREMENT,
    FIRST_PLACE,
    LONGEST,
    MEASUREMENTS,
    VOCABULARY,
    StepPolicy,
    bin_of,
    read_tokens,
    write_tokens,
)
from sterling.studies.reasoning.cardiacmind._training import (
    Patients,
    Readings,
    evaluate,
    imitate,
    reinforce,
)


@pytest.fixture(scope="module")
def patients() -> Patients:
    cases = draw_cases(60, seed=0)
    exact = [
        [bin_of(each.position(case.values[name])) for name, each in measurements().items()]
        for case in cases
    ]
    return Patients(cases, torch.tensor(exact))


def test_written_templates_are_read_back_as_good_reasoning(patients: Patients) -> None:
    for case in patients.cases:
        tokens = write_tokens(case.template, case)
        assert len(tokens) <= LONGEST
        found = parse_reasoning(read_tokens(tokens))
        assert found.well_formed
        assert found.answer == case.template.disease
        assert len(found.valid) == len(case.template)
        # Only the width of the bins is lost.
        assert process_quality(found, case).coverage > 0.75


@pytest.mark.parametrize(
    ("tokens", "steps", "answer"),
    [
        ([], 0, None),
        ([END, FIRST_DISEASE], 0, None),
        ([FIRST_DISEASE, END], 0, DISEASES[0]),
        ([FIRST_PLACE, FIRST_MEASUREMENT, FIRST_BIN, FIRST_DISEASE + 1, END], 1, DISEASES[1]),
        ([FIRST_PLACE, FIRST_BIN, FIRST_MEASUREMENT, FIRST_DISEASE], 0, DISEASES[0]),
        ([FIRST_PLACE, FIRST_MEASUREMENT], 0, None),
        ([FIRST_DISEASE, FIRST_DISEASE, END], 0, None),
        ([1, VOCABULARY - 1], 0, DISEASES[-1]),
    ],
)
def test_broken_completions_are_read(tokens: list[int], steps: int, answer: str | None) -> None:
    found = parse_reasoning(read_tokens(tokens))
    assert (len(found.steps), found.answer) == (steps, answer)


def test_the_cache_does_not_change_what_is_written(patients: Patients) -> None:
    """Tokens written one by one with a cache are the most likely ones of the whole sequence."""
    policy = StepPolicy(16, 2, seed=1)
    imitate(policy, patients, steps=15, batch=16, learning_rate=3e-3, seed=0)
    readings = patients.readings[:6]
    tokens, written = policy.write(readings, None)
    with torch.no_grad():
        likeliest = policy(readings, tokens).argmax(-1)
    assert torch.equal(likeliest[written], tokens[written])
    assert (tokens[~written] == END).all()


def test_sampling_follows_the_probabilities(patients: Patients) -> None:
    policy = StepPolicy(8, 1, seed=0)
    readings = patients.readings[:1].expand(4000, -1)
    tokens, _ = policy.write(readings, torch.Generator().manual_seed(0))
    with torch.no_grad():
        chance = policy(readings[:1], tokens[:1]).softmax(-1)[0, 0].double().numpy()
    counts = np.bincount(tokens[:, 0].numpy(), minlength=VOCABULARY)
    deviation = np.abs(counts - 4000 * chance) / np.sqrt(4000 * chance * (1 - chance) + 1e-9)
    assert deviation.max() < 5.5  # of some hundred binomial counts


def test_building_leaves_the_global_random_numbers_alone() -> None:
    before = torch.get_rng_state()
    one, again, other = StepPolicy(8, 1, seed=3), StepPolicy(8, 1, seed=3), StepPolicy(8, 1, seed=4)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one.head.weight, again.head.weight)
    assert not torch.equal(one.head.weight, other.head.weight)


def test_reinforcement_raises_the_reward_it_is_given(patients: Patients) -> None:
    """A bandit with a known best answer: naming any disease but ending at once."""
    policy = StepPolicy(16, 1, seed=0)
    imitate(policy, patients, steps=10, batch=16, learning_rate=3e-3, seed=0)
    reward = ClinicalReward(form=0, quantity=1, quality=0, accuracy=0, evidence_floor=1)
    trained = reinforce(
        *(policy, patients, reward), steps=25, prompts=8, group=8, learning_rate=3e-3, seed=1
    )
    before, after = (
        evaluate(each, patients, ClinicalReward())["quantity"] for each in (policy, trained)
    )
    assert before is not None
    assert after is not None
    assert after > before + 0.1


def test_readings_are_near_the_truth(patients: Patients) -> None:
    cases = draw_cases(150, seed=1)
    readings = Readings(cases, render(cases, 2))(render(patients.cases, 3))
    assert readings.shape == (len(patients), len(MEASUREMENTS))
    near = (readings - patients.readings).abs() <= 2
    assert near.double().mean() > 0.95


def test_made_up_values_are_counted(patients: Patients) -> None:
    class Reciter(StepPolicy):
        def write(
            self, _: torch.Tensor, __: torch.Generator | None
        ) -> tuple[torch.Tensor, torch.Tensor]:
            paths = [write_tokens(case.template, case) for case in patients.cases]
            tokens = torch.tensor([path + [END] * (LONGEST - len(path)) for path in paths])
            for row in tokens[::2]:  # every second case states another bin, far from the truth
                for place in range(2, LONGEST, 3):
                    if FIRST_BIN <= row[place] < FIRST_PLACE:
                        far = (row[place] - FIRST_BIN + 12) % 24
                        row[place] = FIRST_BIN + far
            return tokens, tokens != END

    found = evaluate(Reciter(8, 1), patients, ClinicalReward())
    assert found["accuracy"] == found["macro F1"] == 1.0
    assert found["hallucinated values"] is not None
    assert 0.4 < found["hallucinated values"] < 0.6


def test_the_answers_of_cases_are_all_diseases(patients: Patients) -> None:
    assert set(Counter(case.template.disease for case in patients.cases)) <= set(DISEASES)
    text = write_reasoning(patients.cases[0].template, patients.cases[0].values)
    assert parse_reasoning(text).answer in DISEASES


@pytest.mark.smoke
def test_real_patients_are_scored(shared_data: Path, tmp_path: Path) -> None:
    data = shared_data / "echo" / "uci_echocardiogram"
    evidence = run_smoke("cardiacmind", tmp_path, f"data={data}", "seeds=1", "reward_steps=0")
    assert evidence.scope.startswith("SIMULATED")
    assert "not for clinical use" in evidence.scope
    [real] = [metric for metric in evidence.metrics if metric.name.startswith("real patients")]
    assert real.n == 82
    assert real.low is not None
    assert real.high is not None
    assert real.low < 0.5 < real.high  # so few patients do not decide
