"""PRE-MAP: does reward-shaped training make gaze points accurate, spread and personal?

PRE-MAP (arXiv 2507.19213) asks a multimodal model where a kind of viewer looks and trains it by
C-GRPO. Its formulas could not be read: rewards, sizes and bars are ours. The policy is a small
network that writes coordinate tokens. Its supervised training (SFT) knows no profiles, so whatever
it tells apart comes from rewards; it is compared with an SFT that does know them.
"""

import polars as pl

from sterling.measure import Estimate, crossed_interval
from sterling.runs import SCORES_FILE, Row, Run
from sterling.studies.gaze.pre_map._cells import (
    AFTER_ASKED,
    ASKED,
    C_GRPO,
    CEILING,
    CENTRE,
    FIXED,
    POOLED,
    SALIENCY,
    PreMapConfig,
    repetition,
)
from sterling.studies.gaze.pre_map._views import views
from sterling.studies.registry import ENTRIES
from sterling.study import Claim, Results, Study, at_least, row, within

SPREAD = (0.8, 1.25)
"""Spread ratio of answers that have neither collapsed nor scattered (our choice)."""
ALIKE = 0.1
"""Difference of profile gaps that we call none (our choice)."""
CLUSTERED = "over frames and viewers, clustered by both"


def measure(config: PreMapConfig, run: Run) -> Results:
    """Train and score every system in every repetition; of real gaze, also by viewer."""
    grid = [{"repetition": index} for index in range(config.seeds)]
    rows = run.map(repetition, grid, config, seed="pre_map/{repetition}")
    if config.data is None:
        return Results.of(rows)
    return Results.of([*rows, *_by_viewer(pl.read_parquet(run.folder / SCORES_FILE))])


def _by_viewer(scores: pl.DataFrame) -> list[Row]:
    """Means over frames and viewers, and differences to other systems on the same ones."""
    items = scores.group_by("system", "stimulus", "viewer", maintain_order=True).agg(
        pl.col("NSS", "profile gap").mean()  # a frame may be tested in several repetitions
    )
    systems = items["system"].unique(maintain_order=True).to_list()
    by_system = {name: items.filter(system=name).sort("stimulus", "viewer") for name in systems}
    found = []
    for name, own in by_system.items():
        found.append(_estimate("viewer's NSS", own, own["NSS"], name))
        found.append(_estimate("viewer's gap", own, own["profile gap"], name))
        for other in (POOLED, CENTRE, C_GRPO, CEILING):
            if name != other:
                gain = own["NSS"] - by_system[other]["NSS"]
                found.append(_estimate(f"gain over {other}", own, gain, name))
    return found


def _estimate(metric: str, at: pl.DataFrame, values: pl.Series, system: str) -> Row:
    known = values.is_finite()
    measured = values.filter(known).to_numpy()
    interval = crossed_interval(
        measured, at["stimulus"].filter(known).to_numpy(), at["viewer"].filter(known).to_numpy()
    )
    estimate = Estimate(float(measured.mean()), interval, 0.95, CLUSTERED)
    return row(metric, estimate, system=system)


def claims(results: Results, config: PreMapConfig) -> list[Claim]:
    """The paper's claims, and ours."""
    nss, spread, form = (results.series(name) for name in ("NSS", "spread ratio", "format rate"))
    shared = [
        nss.higher(
            "rewards_beat_sft",
            "After C-GRPO answers agree better with the asked profile's gaze than after the "
            "pooled SFT (NSS).",
            C_GRPO,
            than=POOLED,
            paper="C-GRPO makes points spatially accurate (abstract, without figures here)",
        ),
        form.at_least(
            "format_is_kept",
            "After C-GRPO at least 95 % of the answers have exactly ten points.",
            C_GRPO,
            0.95,
            paper="C-GRPO makes answers format-correct (abstract)",
        ),
        within(
            "no_collapse",
            "Points are as spread as gaze: the spread ratio lies between 0.8 and 1.25.",
            spread[C_GRPO],
            *SPREAD,
        ),
    ]
    if config.data is not None:
        return [*shared, *_claims_on_viewers(results)]
    gap = results.series("profile gap")
    return [
        *shared,
        gap.higher(
            "profiles_from_rewards",
            "C-GRPO alone teaches profiles: the NSS of the asked profile less that of the other "
            "grows over the pooled SFT.",
            C_GRPO,
            than=POOLED,
            paper="profiles guide the predicted points (abstract)",
        ),
        nss.higher(
            "rewards_beat_profile_sft",
            "C-GRPO agrees better with the asked profile's gaze than an SFT with profiles that "
            "takes about as long.",
            C_GRPO,
            than=ASKED,
        ),
        form.higher(
            "format_reward_counts",
            "Without the format reward fewer answers have ten points.",
            C_GRPO,
            than="C-GRPO without format",
        ),
        spread.higher(
            "spatial_reward_spreads",
            "Without the spatial reward points are less spread.",
            C_GRPO,
            than="C-GRPO without spatial",
        ),
        nss.higher(
            "consistency_reward_counts",
            "Without the consistency reward the NSS is lower.",
            C_GRPO,
            than="C-GRPO without consistency",
        ),
        within(
            "profile_reward_is_idle",
            f"The profile reward, of weight 0.1, changes the profile gap by at most {ALIKE}.",
            gap.gain(C_GRPO, "C-GRPO without profile"),
            -ALIKE,
            ALIKE,
        ),
        gap.higher(
            "profiles_need_supervision",
            "After C-GRPO profiles are told apart better where the SFT knew them.",
            AFTER_ASKED,
            than=C_GRPO,
        ),
        nss.higher(
            "annealing_counts",
            "A tolerance that narrows from 0.25 to 0.05 of the diagonal ends at a higher NSS than "
            "0.05 from the start.",
            C_GRPO,
            than=FIXED,
        ),
        nss.higher(
            "better_than_saliency_points",
            "Answers for a profile have a higher NSS than ten points drawn from a saliency network "
            "for everybody.",
            C_GRPO,
            than=SALIENCY,
        ),
    ]


def _claims_on_viewers(results: Results) -> list[Claim]:
    def measured(metric: str) -> Estimate | list[float]:
        return results.estimate(metric, CLUSTERED, system=C_GRPO) or []

    return [
        at_least(
            "own_viewer",
            "An answer for a viewer has a higher NSS at that viewer's fixations than at other "
            "viewers' (difference above 0).",
            measured("viewer's gap"),
            0.0,
            paper="profiles guide the predicted points (abstract)",
        ),
        at_least(
            "over_pooled",
            "At a viewer's fixations, answers for that viewer have a higher NSS than answers of "
            "the pooled SFT.",
            measured(f"gain over {POOLED}"),
            0.0,
        ),
        at_least(
            "over_centre_bias",
            "They have a higher NSS than ten points drawn from the centre bias.",
            measured(f"gain over {CENTRE}"),
            0.0,
        ),
    ]


def scope(config: PreMapConfig) -> str:
    """Return the scope of the figures."""
    if config.data is None:
        return (
            "SIMULATED: synthetic gaze, not human data, on drawn advertisements of 160×90 pixels "
            "with known densities; a policy of 15,000 weights that writes tokens, not a "
            "multimodal language model."
        )
    return (
        f"Real gaze: {config.data.name}, viewers in place of profiles, frames divided into "
        "training and test; a policy of 15,000 weights trained from nothing on those frames."
    )


STUDY = Study(
    ENTRIES["pre_map"],
    presets={
        "smoke": PreMapConfig(
            seeds=2,
            frames=8,
            test_frames=3,
            supervised_steps=3,
            steps=2,
            batch=2,
            group=4,
            answers=2,
        ),
        "quick": PreMapConfig(),
        "paper": PreMapConfig(
            seeds=20, frames=2000, test_frames=400, supervised_steps=4000, steps=1000
        ),
    },
    measure=measure,
    claims=claims,
    views=views,
    scope=scope,
    repetitions="seeds",
)
