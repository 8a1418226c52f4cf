"""Smooth Operator: does a dense reward of numeric answers pay, and does AP-GRPO?

Jiao et al., "Smooth Operator: Smooth Verifiable Reward Activates Spatial Reasoning Ability of
Vision-Language Model" (arXiv 2601.07695, 2026). The form of SNRA and the factor of AP-GRPO come
from secondary sources; squared relative error, schedules' ends, tasks and sizes are ours. No
vision-language model is trained: a policy of three digits, and a tiny Llama in TRL.
"""

from typing import Any

from sterling.errors import InputError
from sterling.runs import Run
from sterling.studies.policy.smooth_reward._answers import answer_rows
from sterling.studies.policy.smooth_reward._bandit import five_armed, two_armed
from sterling.studies.policy.smooth_reward._digits import EPS, digit_cell
from sterling.studies.policy.smooth_reward._rewards import (
    AP,
    EXACT,
    EXPONENTIAL,
    GRPO,
    SHAPES,
    SNRA,
    THRESHOLD,
    SmoothRewardConfig,
)
from sterling.studies.policy.smooth_reward._text import text_cell
from sterling.studies.registry import ENTRIES
from sterling.study import (
    Claim,
    Column,
    Metric,
    Results,
    Series,
    Study,
    Views,
    at_least,
    metric_of_mean,
    within,
)

TIE = 0.01  # ours: difference in MRA that would matter
READ = 0.98  # ours: share of published verdicts that parsing must meet
MEASURES = ("MRA", "median relative error", "acc@5%", "acc@10%")
SIGNALS = ("collapse rate", "ineffective batches", "near misses used")
TEXT = {"policy": "text"}


def measure(config: SmoothRewardConfig, run: Run) -> Results:
    """Train both policies with every reward and advantage, and score real answers where given."""
    real = [] if config.data is None else answer_rows(config.data)  # first: it may be refused
    if config.text:
        _require_trl()
    grid = [{"repetition": index} for index in range(config.seeds)]
    rows = run.map(digit_cell, grid, config, seed="smooth_reward/{repetition}")
    if config.text:
        rows += run.map(text_cell, grid, config, seed="smooth_reward/text/{repetition}")
    return Results.of([*rows, *({"repetition": 0, **each} for each in real)])


def claims(results: Results, config: SmoothRewardConfig) -> list[Claim]:
    """The paper's claims that small policies can decide."""
    mra, collapse = _by_reward(results, "MRA", GRPO), _by_reward(results, "collapse rate", GRPO)
    found = [
        mra.higher(
            "density_pays",
            "At equal samples SNRA reaches a higher MRA than a threshold of 5 % (digits, GRPO).",
            SNRA,
            than=THRESHOLD,
            paper="smooth rewards against sparse ones: reported, without a figure here",
        ),
        mra.higher(
            "density_pays_more_the_stricter",
            "At equal samples SNRA reaches a higher MRA than a threshold of 1 % (digits, GRPO).",
            SNRA,
            than=EXACT,
        ),
        collapse.lower(
            "collapse_falls",
            "Fewer groups have no signal with SNRA than with a threshold of 5 % (digits, GRPO).",
            SNRA,
            than=THRESHOLD,
            paper="near-miss samples suffer from advantage collapse in GRPO",
        ),
        within(
            "exponential_ties",
            f"exp(-5 e) is as good as SNRA: their MRA differ by at most {TIE:g} (digits, GRPO).",
            mra.gain(EXPONENTIAL, SNRA),
            -TIE,
            TIE,
        ),
    ]
    if config.text:
        found.append(
            _text_series(results, "collapse rate").lower(
                "collapse_falls_in_text",
                "Fewer groups have no signal with SNRA than with a threshold of 5 % (a tiny "
                "language model that TRL trains on 3-D questions, GRPO).",
                SNRA,
                than=THRESHOLD,
            )
        )
    read = results.rate("verdicts as published")
    if read is not None:
        found.append(
            at_least(
                "parser_meets_published_verdicts",
                "Parsed answers of real models agree with the published verdicts.",
                read,
                READ,
                over="solutions",
            )
        )
    return found


def views(results: Results, config: SmoothRewardConfig) -> Views:
    """Every reward, advantage, epsilon and group size in one table; text; bandits; real answers."""
    start = results.metric("MRA at the start, digits", "MRA at the start", "MRA", policy="digits")
    metrics = [
        start,
        *(
            results.metric(f"MRA, {reward}, {advantage}", "MRA", "MRA", **_at(reward, advantage))
            for reward in (THRESHOLD, EXPONENTIAL, SNRA)
            for advantage in (GRPO, AP)
        ),
        *_differences(results),
    ]
    tables = [
        results.table(
            "sweep",
            "Digits: reward × advantage × epsilon × group size, at equal samples",
            ("reward", "advantage", "eps", "size"),
            [
                Column("MRA", "MRA", {"policy": "digits"}, "interval"),
                *(Column(name, name, {"policy": "digits"}) for name in (*MEASURES[1:], *SIGNALS)),
            ],
            order=list(SHAPES),
            caption=f"Means over {config.seeds} repetitions, MRA with 95 % intervals; "
            f"{config.steps} steps of {config.samples} samples. e: relative error; SNRA takes "
            "e² unless said otherwise. Collapse rate: share of groups with a standard deviation "
            "below 1e-6. Ineffective batches: more than half of the groups collapsed (our reading "
            "of the advantage collapse rate). Near misses used: share of answers within 5 to 15 % "
            "whose advantage exceeds 0.05 in size.",
        )
    ]
    if config.text:
        metrics.append(results.metric("MRA at the start, text", "MRA at the start", "MRA", **TEXT))
        tables.append(
            results.table(
                "text",
                "Text: a tiny Llama in TRL",
                ("reward", "advantage"),
                [
                    Column("MRA", "MRA", TEXT, "interval"),
                    *(Column(name, name, TEXT) for name in (*MEASURES[1:], *SIGNALS)),
                ],
                caption=f"{config.text_steps} steps of 32 completions, 8 per question; "
                f"{config.text_tests} new questions.",
            )
        )
    if config.data is not None:
        metrics += [
            results.counted(name, name)
            for name in (
                "verdicts as published",
                "solutions read",
                "near misses among wrong",
                "numeric answers read",
            )
        ]
        tables.append(
            results.table(
                "real",
                "Mean reward of real models' answers",
                ("reward", "answers"),
                [Column("mean reward", "reward of real answers")],
                caption="Near: wrong by at most 15 %. SNRA at its last step.",
            )
        )
    figures = [two_armed(), five_armed()]
    figures.append(
        results.bars(
            "mra",
            "Digits: MRA by reward and advantage",
            "Means over repetitions with 95 % intervals.",
            "MRA",
            by=("reward", "advantage"),
            order=list(SHAPES),
            value_label="MRA",
            policy="digits",
            eps=EPS,
            size=8,
        )
    )
    return Views(metrics, tables, figures)


def scope(config: SmoothRewardConfig) -> str:
    """Return the scope of the figures."""
    real = "; parser and rewards also on real answers" if config.data is not None else ""
    return (
        "SIMULATED: hidden functions and rooms are drawn; policies of 0.1 million weights, no "
        f"vision-language model{real}."
    )


def _at(reward: str, advantage: str) -> dict[str, Any]:
    return {
        "policy": "digits",
        "reward": reward,
        "advantage": advantage,
        "eps": EPS,
        "size": 8,
    }


def _by_reward(results: Results, metric: str, advantage: str) -> Series:
    return results.series(
        metric, by="reward", policy="digits", advantage=advantage, eps=EPS, size=8
    )


def _text_series(results: Results, metric: str) -> Series:
    return results.series(metric, by="reward", advantage=GRPO, **TEXT)


def _differences(results: Results) -> list[Metric]:
    """Paired differences that are reported, not claimed: AP-GRPO, schedules, the text policy."""
    mra = _by_reward(results, "MRA", GRPO)
    found = []
    for reward in (THRESHOLD, EXPONENTIAL, SNRA):
        pair = results.series(
            "MRA", by="advantage", policy="digits", reward=reward, eps=EPS, size=8
        )
        found.append(_difference(f"AP-GRPO less GRPO, {reward}", pair.gain(AP, GRPO)))
    found += [
        _difference(f"{name} less {SNRA}, GRPO", mra.gain(name, SNRA))
        for name in SHAPES
        if name.startswith("SNRA 1") and name != SNRA
    ]
    text = _text_series(results, "MRA")
    found.append(_difference(f"text: {SNRA} less {THRESHOLD}, GRPO", text.gain(SNRA, THRESHOLD)))
    preserving = results.series("MRA", by="advantage", reward=SNRA, **TEXT)
    found.append(_difference(f"text: AP-GRPO less GRPO, {SNRA}", preserving.gain(AP, GRPO)))
    return [one for one in found if one.value is not None]


def _difference(name: str, values: list[float]) -> Metric:
    return metric_of_mean(f"MRA, {name}", "difference in MRA", values, "repetitions")


def _require_trl() -> None:
    from importlib.util import find_spec

    if find_spec("trl") is None:
        raise InputError(
            "the text policy needs TRL: pip install 'sterling[rl]', or --set text=false"
        )


STUDY = Study(
    ENTRIES["smooth_reward"],
    presets={
        "smoke": SmoothRewardConfig(
            seeds=2,
            steps=3,
            samples=64,
            tests=50,
            text_warm=3,
            text_steps=1,
            text_tests=10,
        ),
        "quick": SmoothRewardConfig(),
        "paper": SmoothRewardConfig(seeds=40, steps=400, text_warm=1000, text_steps=500),
    },
    measure=measure,
    claims=claims,
    views=views,
    scope=scope,
    repetitions="seeds",
)
