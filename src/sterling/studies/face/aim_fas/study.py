"""AIM-FAS: does a learned start with a learned inner update know new attack types from few shots?

Qin et al., "Learning Meta Model for Zero- and Few-shot Face Anti-spoofing", AAAI 2020. Systems see
the same training tasks; test tasks are of types that training did not see, and the same for all
systems and numbers of shots. The error of a task is taken at the threshold of its support, which is
what a user would have; the equal error rate on its queries, which the release reports, is next to
it as the optimistic figure that it is.
"""

from sterling.face.pad.few_shot.attack_type_tasks import FIGURES
from sterling.studies.face.aim_fas._tasks import (
    AIM,
    FIXED,
    PLAIN,
    STARTED,
    SYSTEMS,
    THUMBNAILS,
    TUNED,
    AimFasConfig,
    measure,
)
from sterling.studies.registry import ENTRIES
from sterling.study import Claim, Column, Results, Study, Views, positive

MEANING = {
    "ACER": "at the threshold of equal errors on the task's support",
    "EER": "on the queries themselves, as the release reports: optimistic",
    "AUC": "without a threshold",
}


def claims(results: Results, config: AimFasConfig) -> list[Claim]:
    """Test ACER on new types, at one number of shots or as the mean over all."""
    fewest, most = config.shots[0], config.shots[-1]
    mean = results.averaged("shots")
    over_shots = mean.series("ACER")
    by_shots = results.select(system=AIM).series("ACER", by="shots")
    lower = "the mean over shots of the ACER on new types is lower than"
    optimism = zip(over_shots[AIM], mean.values("EER", system=AIM), strict=True)
    return [
        by_shots.lower(
            "error_falls_with_shots",
            f"With {most} shots AIM-FAS has a lower ACER on new types than with {fewest}.",
            most,
            than=fewest,
        ),
        *(
            over_shots.lower(name, f"Of AIM-FAS {lower} {sentence}.", AIM, than=other)
            for name, sentence, other in (
                ("meta_beats_supervised", "of a supervised network, fine-tuned", TUNED),
                ("adaptation_helps", "of its own start, not adapted", STARTED),
                ("learned_update_beats_fixed", "of first-order MAML at a fixed rate", FIXED),
                (
                    "beats_trivial_baseline",
                    "of logistic regression on the support's 8×8 thumbnails",
                    THUMBNAILS,
                ),
            )
        ),
        results.series("ACER", shots=fewest).lower(
            "zero_shot_beats_supervised",
            f"With {fewest} shots AIM-FAS has a lower ACER than the supervised network as it is.",
            AIM,
            than=PLAIN,
        ),
        positive(
            "query_threshold_is_optimistic",
            "Of AIM-FAS the equal error rate on the queries is lower than the ACER at the "
            "support's threshold, mean over shots.",
            [high - low for high, low in optimism],
        ),
    ]


def views(results: Results, config: AimFasConfig) -> Views:
    """Errors by shots, and the learned update."""
    metrics = [
        results.metric(
            f"{figure} of {system}, {shots} shots",
            figure,
            "area" if figure == "AUC" else "rate",
            system=system,
            shots=shots,
        )
        for system in SYSTEMS
        for shots in config.shots
        for figure in FIGURES
    ]
    tables = [
        results.table(
            figure.lower(),
            f"{figure} on new types",
            "system",
            [Column(f"{k} shots", figure, {"shots": k}, "interval") for k in config.shots],
            order=SYSTEMS,
            caption=f"{figure} {MEANING[figure]}; means over {config.test_tasks} tasks and "
            "repetitions, 95 % Student-t intervals over repetitions.",
        )
        for figure in FIGURES
    ]
    update = results.table(
        "update",
        "The learned inner update",
        ("repetition", "left_out"),
        [Column("α", "α"), Column("γ", "γ")],
        headings=("repetition", "types with too few faces"),
        caption="The rate of step j is α γ^j. Types with too few faces for a task take no part.",
    )
    figures = [
        results.lines(
            figure.lower(),
            f"{figure} by shots",
            f"Mean over repetitions of the {figure} on new types.",
            figure,
            x="shots",
            labels=("shots of the new types", figure),
        )
        for figure in ("ACER", "AUC")
    ]
    return Views(metrics, [*tables, update], figures)


def scope(config: AimFasConfig) -> str:
    """Return the scope of the numbers."""
    source = (
        "SIMULATED captures: these error rates say nothing about real cameras and attacks."
        if config.data is None
        else f"Photographs in {config.data}, by its type lists; repetitions differ in the weights "
        "and tasks only."
    )
    return f"{source} Queries of a task are scored as one batch, as published."


STUDY = Study(
    ENTRIES["aim_fas"],
    presets={
        "smoke": AimFasConfig(
            subjects=(2, 1, 2),
            captures=(36, 36, 24),
            seeds=1,
            width=2,
            faces=2,
            queries=1,
            shots=(0, 1),
            iterations=2,
            test_steps=2,
            test_tasks=2,
        ),
        "quick": AimFasConfig(),
        "paper": AimFasConfig(
            captures=(4000, 1000, 2000),
            subjects=(30, 12, 24),
            size=256,
            width=16,
            faces=15,
            queries=15,
            shots=(0, 1, 3, 5, 7, 9),
            iterations=20_000,
            tasks=8,
            learning_rate=1e-4,
            inner_rate=None,
            test_steps=20,
            test_tasks=100,
        ),
    },
    measure=measure,
    claims=claims,
    views=views,
    scope=scope,
    repetitions="seeds",
)
