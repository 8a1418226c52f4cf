"""Cells: exploits of the rewards, policies trained by them, real patients."""

from collections.abc import Iterator, Mapping

import numpy as np
from pydantic import Field

from sterling.measure import Scores, auc
from sterling.reasoning import (
    ClinicalReward,
    StepPictureEncoder,
    builtin_templates,
    draw_cases,
    fit_encoder,
    render,
    reward_gaming,
)
from sterling.reasoning.echocardiogram import read_echocardiograms, template_support
from sterling.runs import Cell, Row, derive_seed
from sterling.studies.reasoning.cardiacmind._policy import StepPolicy
from sterling.studies.reasoning.cardiacmind._training import (
    Patients,
    Readings,
    evaluate,
    imitate,
    reinforce,
)
from sterling.study import Config, row

IMITATED = "imitation only"
ACCURACY = "accuracy only"
QUANTITY, QUALITY, SEMANTICS = "+ PQtR", "+ PQlR", "+ ESR"
ALL, SEPARATELY = "all, with the gate", "all, normalised one by one"
GATED, PLAIN = "with the gate", "plain sum"
ABNORMAL = 1.5  # wall motion index: half of the segments one grade worse


class CardiacMindConfig(Config):
    """Configuration of the study.

    Attributes:
        data: UCI Echocardiogram data set, as a table or a folder with it; adds a real check.
        encoder_cases: Cases that the encoder and the readings are fitted on.
        encoder_steps: Batches of the encoder's training.
        train_cases: Cases that policies are trained on.
        test_cases: Cases that policies are tested on.
        gaming_cases: Cases that exploits are tried on.
        imitation_steps: Batches of filled templates; so few that values are still made up.
        reward_steps: Steps of group-relative optimisation.
        prompts: Cases of a step.
        group: Completions of a case.
        width: Width of the policy.
        layers: Blocks of the policy.
        learning_rate: Rate of Adam in group-relative optimisation.
        seeds: Number of repetitions, with other cases, pictures and weights.
    """

    encoder_cases: int = Field(default=400, ge=100)
    encoder_steps: int = Field(default=150, ge=1)
    train_cases: int = Field(default=400, ge=1)
    test_cases: int = Field(default=250, ge=1)
    gaming_cases: int = Field(default=45, ge=2)
    imitation_steps: int = Field(default=250, ge=1)
    reward_steps: int = Field(default=50, ge=0)
    prompts: int = Field(default=16, ge=1)
    group: int = Field(default=8, ge=2)
    width: int = Field(default=64, ge=4, multiple_of=4)
    layers: int = Field(default=2, ge=1)
    learning_rate: float = Field(default=5e-4, gt=0)
    seeds: int = Field(default=5, ge=1)


def rewards(encoder: StepPictureEncoder) -> Mapping[str, ClinicalReward]:
    """Reward of each system: accuracy and format alone, with one process reward, with all."""

    def plain(**weights: float) -> ClinicalReward:
        off = {"quantity": 0.0, "quality": 0.0, "semantics": 0.0}
        return ClinicalReward(**{**off, **weights}, evidence_floor=1.0, encoder=encoder)

    full = ClinicalReward(encoder=encoder)
    return {
        ACCURACY: plain(),
        QUANTITY: plain(quantity=full.quantity),
        QUALITY: plain(quality=full.quality),
        SEMANTICS: plain(semantics=full.semantics),
        ALL: full,
        SEPARATELY: plain(quantity=full.quantity, quality=full.quality, semantics=full.semantics),
    }


def measure_repetition(config: CardiacMindConfig, cell: Cell) -> list[Row]:
    """Fit the encoder, try exploits, train one policy per reward from one start, and test them."""
    seed = derive_seed(cell.run.seed, "cardiacmind", cell.repetition) % 2**31
    rng = np.random.default_rng(seed)
    fitted = draw_cases(config.encoder_cases, rng)
    encoder = fit_encoder(fitted, seed=seed, steps=config.encoder_steps)
    readings = Readings(fitted, render(fitted, rng))

    def patients(count: int) -> Patients:
        cases = draw_cases(count, rng)
        pictures = render(cases, rng)
        return Patients(encoder.add_pictures(cases, pictures), readings(pictures))

    rows = [
        row("cosine of steps and their pictures", encoder.matched),
        row("cosine of steps and other values' pictures", encoder.mismatched),
        *_exploits(encoder, patients(config.gaming_cases)),
    ]
    training, test = patients(config.train_cases), patients(config.test_cases)
    start = StepPolicy(config.width, config.layers, seed=seed)
    imitate(start, training, steps=config.imitation_steps, batch=32, learning_rate=3e-3, seed=seed)
    full = ClinicalReward(encoder=encoder)
    policies = {IMITATED: start}
    for name, reward in rewards(encoder).items():
        policies[name] = reinforce(
            start,
            training,
            reward,
            steps=config.reward_steps,
            prompts=config.prompts,
            group=config.group,
            learning_rate=config.learning_rate,
            seed=seed,
            separately=name == SEPARATELY,
        )
    for name, policy in policies.items():
        found = evaluate(policy, test, full)
        rows += [row(metric, value, system=name) for metric, value in found.items()]
    return rows


def _exploits(encoder: StepPictureEncoder, patients: Patients) -> Iterator[Row]:
    """Rows by the form of the sum, the exploit and the component; and margins in every form."""
    for form, floor in ((GATED, ClinicalReward().evidence_floor), (PLAIN, 1.0)):
        reward = ClinicalReward(evidence_floor=floor, encoder=encoder)
        matrix = reward_gaming(reward, patients.cases)
        for exploit in matrix.exploits:
            for component in matrix.components:
                earned = float(matrix.of(exploit, component).mean())
                yield row("earned", earned, form=form, exploit=exploit, component=component)
        yield row("margin", float(matrix.margin.mean()), form=form)
        yield row("smallest margin", float(matrix.margin.min()), form=form)


def real_patients(config: CardiacMindConfig, _: Cell) -> list[Row]:
    """Does a template's support tell real patients whose wall motion is abnormal?"""
    assert config.data is not None
    data = read_echocardiograms(config.data)
    template = builtin_templates()["dilated_cardiomyopathy"]
    support = np.array([template_support(template, values) for values in data.values])
    abnormal = data.wall_motion >= ABNORMAL
    found = auc(Scores(support, abnormal))
    return [
        row("AUC of abnormal wall motion", found),
        row("patients", len(support)),
        row("patients with abnormal wall motion", int(abnormal.sum())),
        row("left out", data.left_out),
    ]
