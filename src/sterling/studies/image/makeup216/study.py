"""Makeup216 (AAR): do a logo and its border, attended to apart, tell brands better together?

Hu et al., arXiv 2112.06533. The paper's architecture, losses and figures could not be established
and its data are not public; network and losses are ours. Rendered logos of real brands stand on
labels, whose surroundings tell the brand with a known probability. Every repetition draws its own
brands to train on and others to enrol with one example each.
"""

from sterling.errors import InputError
from sterling.image.logos import load_brands
from sterling.runs import Run
from sterling.studies.image.makeup216._cells import (
    ATTENTION,
    BOTH,
    EDGES,
    ERASING,
    FIXED_IOU,
    IMAGENET,
    IOU,
    MAP,
    MIN_MAX,
    RECALL,
    SIZES,
    SUBJECT,
    SYSTEMS,
    WHOLE,
    Makeup216Config,
    one_repetition,
    tpir_name,
)
from sterling.studies.registry import ENTRIES
from sterling.study import Claim, Column, Results, Study, Views, at_least, positive

KEPT = 0.5  # share of the subject's recall that must be left where borders mislead. Ours.
LEAST_IOU = 0.6
REAL = "Recall@1, photographs"


def measure(config: Makeup216Config, run: Run) -> Results:
    """Train and test every system in every repetition."""
    brands = len(load_brands())
    wanted = config.trained + config.enrolled + config.strangers
    if wanted > brands:
        raise InputError(
            f"trained + enrolled + strangers is {wanted}: there are {brands} brands; ask for fewer"
        )
    real = None
    if config.data is not None:
        from sterling.studies.image.makeup216._real import read_real

        real = read_real(config.data, config.size, config.margin)
    grid = [{"repetition": index} for index in range(config.seeds)]
    rows = run.map(one_repetition, grid, config, brands, real, seed="makeup216/{repetition}")
    return Results.of(rows)


def claims(results: Results, config: Makeup216Config) -> list[Claim]:
    """The paper's idea, and what it costs; all by Recall@1 of unseen brands unless said."""
    informative, without = (results.series(RECALL, own_border=own) for own in config.conditions)
    tells = f"Where the border tells the brand ({config.correlation:g} of the probes)"
    made = [
        informative.higher(
            "both_beat_subject",
            f"{tells}, min-max AAR finds it more often than the subject alone.",
            MIN_MAX,
            than=SUBJECT,
            paper="background attention adds to subject attention (figures not established)",
        ),
        informative.higher(
            "erasing_beats_subject",
            f"{tells}, erasing AAR finds it more often than the subject alone.",
            ERASING,
            than=SUBJECT,
        ),
        informative.higher(
            "min_max_adds",
            f"{tells}, the min-max adversary adds to both attentions.",
            MIN_MAX,
            than=BOTH,
        ),
        informative.higher(
            "erasing_adds", f"{tells}, erasing adds to both attentions.", ERASING, than=BOTH
        ),
        informative.higher(
            "beats_plain",
            f"{tells}, min-max AAR finds it more often than a network without attention.",
            MIN_MAX,
            than=WHOLE,
        ),
        positive(
            "no_collapse",
            f"Where borders mislead, min-max AAR keeps more than {KEPT:g} of the recall of the "
            "subject alone (difference to that share).",
            [
                both - KEPT * subject
                for both, subject in zip(without[MIN_MAX], without[SUBJECT], strict=True)
            ],
        ),
        without.higher(
            "training_pays",
            "Where borders mislead, min-max AAR finds more than its own input, edges compared "
            "without training.",
            MIN_MAX,
            than=EDGES,
        ),
        at_least(
            "attention_finds_logos",
            f"Attention above 0.5 overlaps the logo's box by {LEAST_IOU:g} or more (IoU).",
            {name: results.values(IOU, system=name) for name in (MIN_MAX, ERASING)},
            LEAST_IOU,
        ),
        positive(
            "attention_beats_a_fixed_box",
            "It overlaps more than one box for all crops does (min-max AAR; difference in IoU).",
            [
                own - fixed
                for own, fixed in zip(
                    results.values(IOU, system=MIN_MAX),
                    results.values(FIXED_IOU, system=MIN_MAX),
                    strict=True,
                )
            ],
        ),
    ]
    if informative[IMAGENET]:
        made.append(
            without.higher(
                "beats_imagenet",
                "Where borders mislead, min-max AAR finds more than frozen ImageNet features.",
                MIN_MAX,
                than=IMAGENET,
            )
        )
    return made


def views(results: Results, config: Makeup216Config) -> Views:
    """Systems by condition, by number of brands, and their attention."""
    tables = [
        results.table(
            f"own border {own:g}",
            f"Probes that show their brand's own border with probability {own:g}",
            "system",
            [
                Column(title, metric, {"own_border": own}, show="interval")
                for title, metric in (
                    (RECALL, RECALL),
                    (MAP, MAP),
                    *((tpir_name(fpir), tpir_name(fpir)) for fpir in config.fpir),
                    (f"TAR at FAR {config.far:g}", "TAR"),
                )
            ],
            order=SYSTEMS,
            caption=f"{config.enrolled} brands that no system was trained on, one example each; "
            f"{config.strangers} further brands for false positives. Means over repetitions with "
            "95 % intervals.",
        )
        for own in config.conditions
    ]
    tables.append(
        results.table(
            "attention",
            "Attention to the logo",
            "system",
            [Column(name, name, show="interval") for name in (IOU, FIXED_IOU, ATTENTION)],
            order=SYSTEMS,
            caption="Attention above 0.5 against the logo's box on crops with misleading borders. "
            "The fixed box is the best one for all crops together: crops centre their logo.",
        )
    )
    metrics = [
        results.metric(
            f"{RECALL}, own border {own:g}: {name}", RECALL, "rate", system=name, own_border=own
        )
        for own in config.conditions
        for name in results.names("system")
    ]
    if config.data is not None:
        metrics += [
            results.metric(f"{REAL}: {name}", REAL, "rate", system=name)
            for name in results.names("system")
        ]
    metrics += [
        results.metric(
            f"{RECALL} among {size} brands, own border {own:g}: {MIN_MAX}",
            f"{RECALL} by size",
            "rate",
            system=MIN_MAX,
            own_border=own,
            brands=size,
        )
        for size in SIZES
        if size <= config.enrolled
        for own in config.conditions
    ]
    bars = [
        results.bars(
            f"recall_{own:g}",
            f"Own border with probability {own:g}",
            f"{RECALL} among {config.enrolled} unseen brands, means with 95 % intervals.",
            RECALL,
            order=SYSTEMS,
            value_label=RECALL,
            own_border=own,
        )
        for own in config.conditions
    ]
    return Views(metrics, tables, bars)


def scope(config: Makeup216Config) -> str:
    """Return the scope of the numbers."""
    text = (
        "SIMULATED: crops rendered from drawings of real brands (Simple Icons), borders by design. "
        "Small networks trained here; architecture and losses are ours."
    )
    if config.data is not None:
        text += f" Photographs in {config.data.name}, boxes by the localiser that ships."
    return text


STUDY = Study(
    ENTRIES["makeup216"],
    presets={
        "smoke": Makeup216Config(
            trained=12,
            per_brand=4,
            enrolled=15,
            strangers=100,
            fpir=(0.1,),
            width=4,
            dimension=16,
            steps=3,
            batch=16,
            far=0.05,
            imagenet=False,
            seeds=2,
        ),
        "quick": Makeup216Config(),
        "paper": Makeup216Config(
            trained=1100, per_brand=60, size=96, width=48, dimension=512, steps=20_000
        ),
    },
    measure=measure,
    claims=claims,
    views=views,
    scope=scope,
    repetitions="seeds",
)
