"""MFR: does rehearsing the step to an unseen domain make recognition hold there?

Guo et al., "Learning Meta Face Recognition in Unseen Domains", CVPR 2020. One domain after the
other is left out (GFR-R has four, by region of descent; here they are cameras, or the user's
folders). All systems continue from one encoder, trained with CosFace on the sources, for as many
steps with the same optimiser; nothing sees the domain left out.
"""

from sterling.studies.face.mfr._training import (
    AGGREGATION,
    BASE,
    FIGURES,
    KNOWN,
    MARGIN,
    MFR_,
    ONE,
    SYSTEMS,
    MfrConfig,
    measure,
)
from sterling.studies.registry import ENTRIES
from sterling.study import Claim, Column, Results, Study, Table, Views


def claims(results: Results, config: MfrConfig) -> list[Claim]:
    """All by the true acceptance rate, mean over the domains left out."""
    tar = results.averaged("left_out").series("TAR")
    where = f"on the domain left out, {_title('TAR', config)} is higher"
    pairs = (
        (
            "mfr_beats_aggregation",
            "With a held-out domain in every step than with the same losses on all sources at once",
            MFR_,
            AGGREGATION,
        ),
        (
            "mfr_beats_gamma_one",
            f"With a held-out domain (γ = {config.balance:g}) than without one (γ = 1)",
            MFR_,
            ONE,
        ),
        ("mfr_beats_cosface", "With MFR than with CosFace continued", MFR_, MARGIN),
        ("mfr_beats_base", "With MFR than before it", MFR_, BASE),
        (
            "pairs_beat_classes",
            "With pair losses on all sources than with CosFace continued",
            AGGREGATION,
            MARGIN,
        ),
    )
    return [
        tar.higher(name, f"{sentence}, {where}.", better, than=worse)
        for name, sentence, better, worse in pairs
    ]


def _title(figure: str, config: MfrConfig) -> str:
    return {"TAR": f"TAR at FAR {config.far:g}", "rank-1": "Rank-1"}.get(figure, "Fold accuracy")


def views(results: Results, config: MfrConfig) -> Views:
    """Systems, over domains and by domain."""
    mean, tar = results.averaged("left_out"), _title("TAR", config)
    systems = mean.table(
        "systems",
        "On domains that training did not see",
        "system",
        [
            *(Column(_title(figure, config), figure, show="interval") for figure in FIGURES),
            Column(KNOWN, KNOWN, show="interval"),
        ],
        caption="Means over the domains left out and over repetitions, 95 % Student-t intervals "
        "over repetitions. known domains: people held out of the sources, among fewer people.",
    )
    gains = [
        (Column(f"mfr less {other}", "TAR", {"system": MFR_}, "interval"), other)
        for other in (AGGREGATION, ONE, MARGIN)
    ]
    targets = Table(
        name="targets",
        title="By the domain left out",
        columns=["left out", *(name for column, _ in gains for name in column.headings)],
        rows=[
            [
                target,
                *(
                    number
                    for column, other in gains
                    for number in results.select(left_out=target)
                    .relative_to(system=other)
                    .line([column])
                ),
            ]
            for target in results.names("left_out")
        ],
        caption=f"Differences of {tar}, paired by repetition, 95 % Student-t intervals.",
    )
    first = results.select("TAR", repetition=0).frame
    people = Table(
        name="people",
        title="The first repetition, over people",
        columns=["left out", "system", tar, "low", "high"],
        rows=[
            list(each) for each in first.select("left_out", "system", "value", "low", "high").rows()
        ],
        caption="95 % intervals by drawing people with replacement.",
    )
    bars = mean.bars(
        "unseen",
        "On the domain left out",
        f"{tar}, mean over the domains left out.",
        "TAR",
        value_label="true acceptance rate",
    )
    metrics = [
        mean.metric(
            f"{_title(figure, config)} of {system}, unseen domain", figure, "rate", system=system
        )
        for system in SYSTEMS
        for figure in FIGURES
    ]
    return Views(metrics, [systems, targets, people], [bars])


def scope(config: MfrConfig) -> str:
    """Return the scope of the numbers."""
    source = (
        "SIMULATED: faces drawn from vectors, in four domains."
        if config.data is None
        else f"Photographs in {config.data}; repetitions differ in the division of people and the "
        "weights only."
    )
    return f"{source} Small encoders trained here: rates say nothing about other ones."


STUDY = Study(
    ENTRIES["mfr"],
    presets={
        "smoke": MfrConfig(
            people=12,
            pictures=3,
            size=16,
            seeds=2,
            width=4,
            dimension=16,
            base_iterations=4,
            iterations=2,
            batch=4,
            far=0.1,
        ),
        "quick": MfrConfig(),
        "paper": MfrConfig(
            people=2000,
            pictures=4,
            size=112,
            width=64,
            dimension=256,
            base_iterations=20_000,
            iterations=6000,
            learning_rate=4e-4,
            inner_rate=4e-4,
            batch=128,
            far=0.001,
        ),
    },
    measure=measure,
    claims=claims,
    views=views,
    scope=scope,
    repetitions="seeds",
)
