"""Names for units of vision networks: do they get the words of what they detect, and no others?

"Automated Natural Language Explanation of Deep Visual Neurons with Large Models" (arXiv
2310.10708). Its language model, encoder and networks are large; here scenes, an image-text encoder,
a CNN with planted detectors and a vision transformer are made and trained in seconds, so that the
right names are known. Scores, tests and checks are our choice. With ``--data``, a folder of
pictures of things, class units of EfficientNet-Lite0 are named, too, by an encoder that never saw
a class name.
"""

from sterling.explain.neurons.verification import METRICS
from sterling.runs import Run
from sterling.studies.explain.neuron_explanation._cells import (
    ALONE,
    CHANCE,
    FOUND,
    KINDS,
    LEARNED_UNITS,
    MEAN_DIFFERENCE,
    PLANTED_UNITS,
    RANDOM,
    SCORES,
    SOFT,
    explain,
)
from sterling.studies.explain.neuron_explanation._classes import (
    ANOTHER,
    CLASS_UNITS,
    FIRST,
    OWN,
    explain_classes,
)
from sterling.studies.explain.neuron_explanation._scenes import DEPICTION
from sterling.studies.explain.neuron_explanation._settings import NeuronExplanationConfig
from sterling.studies.explain.neuron_explanation._wordnet import STEPS
from sterling.studies.registry import ENTRIES
from sterling.study import (
    Claim,
    Column,
    Figure,
    Results,
    Study,
    Views,
    at_least,
    at_most,
    positive,
)

NAMED = 7 / 8
AGREED = 0.8
CHANCE_LEVEL = 0.05
MOST = 0.5


def measure(config: NeuronExplanationConfig, run: Run) -> Results:
    """Train, name and check in every repetition; class units once, where there are pictures."""
    grid = [{"repetition": index} for index in range(config.seeds)]
    rows = []
    if config.data is not None:
        rows += run.map(explain_classes, grid[:1], config, config.data, seed="classes")
    rows += run.map(explain, grid, config, seed="neuron_explanation/{repetition}")
    return Results.of(rows)


def claims(results: Results, config: NeuronExplanationConfig) -> list[Claim]:
    """Planted units are named, random ones are not, and names hold up."""
    by_metric = [
        results.series(metric, by="description").gain(FOUND, DEPICTION) for metric in METRICS
    ]
    stated = [
        at_least(
            "planted_units_named",
            "Seven in eight planted detectors get their own word as their name.",
            results.values("planted word first", score=MEAN_DIFFERENCE),
            NAMED,
        ),
        at_most(
            "random_units_unnamed",
            f"At most {100 * config.alpha:g} % of units with random patches get a name.",
            results.rate("named", units=RANDOM) or (),
            config.alpha,
        ),
        at_least(
            "scores_agree",
            "Soft-WPMI and the mean difference put the same phrase first for eight in ten planted "
            "detectors.",
            results.values("agreement", score=SOFT),
            AGREED,
        ),
        results.series("selectivity", by="units").higher(
            "ablation_is_selective",
            "Zeroing a planted detector costs the classes of its word more, beyond the other "
            "classes, than zeroing a learned channel does.",
            PLANTED_UNITS,
            than=LEARNED_UNITS,
            paper="zeroing one unit lowers one category's accuracy",
        ),
        at_least(
            "ablation_beats_most_channels",
            "For most planted detectors it costs more than zeroing 95 % of the learned channels.",
            results.rate("above the 95th percentile") or (),
            0.5,
        ),
        positive(
            "constant_description_loses",
            "By every metric, names describe responses to other scenes better than the word "
            f"{DEPICTION!r}, which is true of all (least difference of {len(METRICS)} metrics).",
            [min(each) for each in zip(*by_metric, strict=True)],
        ),
    ]
    return stated if config.data is None else [*stated, *_class_claims(results)]


def _class_claims(results: Results) -> list[Claim]:
    """Names of class units are right, and not by the breadth of the vocabulary."""
    return [
        at_most(
            "class_names_beyond_chance",
            "At most 5 % of random orders of the class units give as many right names.",
            results.rate("as right by chance") or (),
            CHANCE_LEVEL,
            over="random orders",
        ),
        at_least(
            "class_units_named",
            "The best phrase of half of the class units is the class's name, a synonym, or what it "
            f"is a kind of, up to {STEPS} steps up in WordNet.",
            results.rate("right name", units=CLASS_UNITS, name=OWN) or (),
            MOST,
            over="class units",
        ),
    ]


def views(results: Results, config: NeuronExplanationConfig) -> Views:
    """Encoder, kinds of units, scores, checks and patches."""
    tables = [
        results.table(
            "encoder",
            "The encoder, before any unit is named",
            "words",
            [Column("zero-shot accuracy", "zero-shot accuracy")],
            caption="Share of new scenes whose most similar word of its kind is the true one: no "
            "name can be better than the encoder that gives it.",
        ),
        results.table(
            "kinds",
            "Units that get a name",
            "units",
            [Column("named", "named", show="rate"), Column("dead", "dead", show="rate")],
            order=KINDS,
            caption="Units that respond at all. Channels of an untrained CNN see brightness and "
            "colour, so that names for them can be true; units of random patches have none.",
        ),
        results.table(
            "scores",
            "Planted detectors, by score",
            "score",
            [
                Column("own word first", "planted word first", show="rate"),
                Column("agrees with the mean difference", "agreement", show="rate"),
            ],
            order=(MEAN_DIFFERENCE, *SCORES),
            caption="The mean difference reads patches, the others whole scenes.",
        ),
        results.table(
            "descriptions",
            "Fit of descriptions to responses to other scenes",
            "description",
            [Column(metric, metric) for metric in METRICS],
            order=(FOUND, CHANCE, DEPICTION),
            caption="All named channels and detectors of the CNN; 1 is best.",
        ),
        results.table(
            "ablation",
            "Loss of accuracy on a word's classes beyond the other classes",
            "units",
            [Column("selectivity", "selectivity")],
            order=(PLANTED_UNITS, LEARNED_UNITS, ALONE),
            caption="No single channel is missed where others carry the same word.",
        ),
    ]
    if config.data is not None:
        tables.append(
            results.select(units=CLASS_UNITS).table(
                "classes",
                "Class units of EfficientNet-Lite0 whose best phrase is right",
                "name",
                [Column("right", "right name", show="rate")],
                order=(OWN, ANOTHER),
                caption=f"Classes among the {FIRST} likeliest of {config.class_pictures} or more "
                "pictures. Right: a name of the class, or of what it is a kind of, up to "
                f"{STEPS} steps up; beside it, the mean over all other units' names.",
            )
        )
    patches = Figure(
        name="patches",
        title="Patches that excite each unit most, and its names",
        kind="gallery",
        caption="First repetition; units from 16 on are planted.",
        data={"items": "patches.json"},
    )
    metrics = [
        results.counted("random units named", "named", units=RANDOM),
        results.counted("detectors above the 95th percentile", "above the 95th percentile"),
        results.metric("simulation score", "simulation", "correlation"),
        results.metric("accuracy of the CNN", "accuracy", "share"),
    ]
    return Views(metrics, tables, [patches])


def scope(config: NeuronExplanationConfig) -> str:
    """Return the scope of the figures."""
    text = (
        f"SIMULATED scenes of one shape, {config.scenes:,} to name units on and as many to check; "
        "an encoder, a CNN and a transformer trained here. Nothing is said of large networks."
    )
    if config.data is not None:
        text += f" Class units of EfficientNet-Lite0 are named by the pictures in {config.data}."
    return text


STUDY = Study(
    ENTRIES["neuron_explanation"],
    presets={
        "smoke": NeuronExplanationConfig(
            seeds=2, scenes=120, encoder_steps=5, network_steps=5, random_units=10, draws=1000
        ),
        "quick": NeuronExplanationConfig(),
        "paper": NeuronExplanationConfig(
            seeds=20, scenes=5000, encoder_steps=2000, network_steps=2000, top=50, draws=20_000
        ),
    },
    measure=measure,
    claims=claims,
    views=views,
    scope=scope,
    repetitions="seeds",
)
