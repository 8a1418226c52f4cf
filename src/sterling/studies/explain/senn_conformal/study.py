"""Self-explaining networks with conformal sets: do concepts and labels both keep their promise?

Qian et al., "Towards Modeling Uncertainties of Self-Explaining Neural Networks via Conformal
Prediction" (AAAI 2024), on rendered shapes and scikit-learn's digits. Every repetition draws its
own data and trains its own network; then the items that did not train are split 200 times into two
calibration parts and a test part. What the paper's score is could not be established; the family
tested here is ours. Its CIFAR-100 super-classes have no reader: there was no copy of that data set
to test one on.
"""

import numpy as np

from sterling.runs import Run
from sterling.studies.explain.senn_conformal._cells import (
    APS_SETS,
    BITS,
    BONFERRONI,
    JOINT,
    NAIVE,
    PLAIN,
    REPAIRED,
    SennConfig,
    audit,
    load,
    sources_of,
)
from sterling.studies.explain.senn_conformal._gallery import gallery_figure
from sterling.studies.explain.senn_conformal._set_audit import (
    CONCEPT_COVERAGE,
    EXPLANATION_SIZE,
    LABEL_COVERAGE,
    LABEL_SIZE,
    SINGLETONS,
)
from sterling.studies.registry import ENTRIES
from sterling.study import Claim, Column, Results, Study, Table, Views, at_least, positive

# Ours: coverage lies at most 1 / (n + 1) above its floor, so that an interval reaches below it.
COVERAGE_MARGIN = 0.002


def measure(config: SennConfig, run: Run) -> Results:
    """Train, calibrate and resplit on every source in every repetition."""
    scope(config)  # refuses a folder of something else before anything is trained
    grid = [
        {"source": source, "repetition": index}
        for source in sources_of(config)
        for index in range(config.seeds)
    ]
    return Results.of(run.map(audit, grid, config, seed="{source}/{repetition}"))


def claims(results: Results, config: SennConfig) -> list[Claim]:
    """The paper's claims, and ours about what repairs a head that errs."""
    floor = 1 - config.epsilon
    mean = results.averaged("source")  # repetitions are the independent units
    size = mean.series(LABEL_SIZE, by="sets")

    def networks(metric: str, **at: str) -> list[float]:
        return [
            value
            for source in sources_of(config)
            for value in results.values(metric, source=source, **at)
        ]

    def reaches(
        claim_id: str, claim: str, values: list[float] | dict[str, list[float]], bar: float
    ) -> Claim:
        return at_least(claim_id, claim, values, bar - COVERAGE_MARGIN, over="networks")

    calibrated = [name for name in results.select(CONCEPT_COVERAGE).names("sets") if name != NAIVE]
    return [
        reaches(
            "joint_concept_coverage",
            "Every calibrated kind of concept set holds the true explanation with probability "
            f"{floor:g}.",
            {name: networks(CONCEPT_COVERAGE, sets=name) for name in calibrated},
            floor,
        ),
        positive(
            "naive_threshold_falls_short",
            "Concept scores cut at 0.5 get all concepts right less often than "
            f"{floor:g} (difference).",
            [floor - value for value in mean.values(CONCEPT_COVERAGE, sets=NAIVE)],
        ),
        mean.series(BITS, by="sets").lower(
            "joint_smaller_than_bonferroni",
            "One joint threshold gives smaller concept sets than Bonferroni over concepts "
            "(difference of log2 sizes).",
            JOINT,
            than=BONFERRONI,
        ),
        _at_coverage(
            size.lower(
                "transfer_smaller_than_labels_only",
                "Label sets transferred from concepts cover as promised and are smaller than those "
                "of APS on the same network's label probabilities (difference of sizes).",
                JOINT,
                than=APS_SETS,
                paper="abstract: efficient prediction sets for the final predictions",
            ),
            reaches("", "", networks(LABEL_COVERAGE, sets=JOINT), floor),
        ),
        positive(
            "transfer_alone_falls_short",
            f"When the head errs on {config.label_noise:.0%} of the items, transferred label sets "
            f"cover less often than {floor:g} (difference).",
            [floor - value for value in mean.values(LABEL_COVERAGE, way=PLAIN)],
        ),
        reaches(
            "transfer_keeps_the_floor",
            "They still cover at least as often as 1 - epsilon minus the head's error (coverage "
            "plus that error).",
            [
                covered + moved
                for covered, moved in zip(
                    networks(LABEL_COVERAGE, way=PLAIN), networks("moved labels"), strict=True
                )
            ],
            floor,
        ),
        reaches(
            "repair_covers",
            f"Calibrated a second time they cover with probability {1 - config.epsilon_label:g}, "
            "whatever the head's errors.",
            networks(LABEL_COVERAGE, way=REPAIRED),
            1 - config.epsilon_label,
        ),
    ]


def _at_coverage(smaller: Claim, coverage: Claim) -> Claim:
    """Small sets that cover too little do not count: the verdict is that of the coverage then."""
    covers = coverage.verdict == "holds"
    update = {
        "verdict": smaller.verdict if covers else coverage.verdict,
        "bar": "> 0, where label coverage is as promised",
        "estimand": f"{smaller.estimand}; label coverage: {coverage.estimand}",
    }
    return smaller.model_copy(update=update)


def views(results: Results, config: SennConfig) -> Views:
    """Coverage and sizes by kind of set, by way of transfer, and within parts of the items."""
    by_source = [_source_views(results.select(source=name), name) for name in sources_of(config)]
    transfer = results.table(
        "transfer",
        "Label sets of the same concept boxes, by way of transfer",
        ("source", "way"),
        [Column(metric, metric) for metric in (LABEL_COVERAGE, LABEL_SIZE)],
        headings=("data", "way"),
        caption="Only the sets marked empirical carry no guarantee. Noisy labels: the head is "
        f"wrong on {config.label_noise:.0%} of the items; plain transfer and the second "
        "calibration.",
    )
    conditional = results.table(
        "conditional",
        "Coverage within classes and within numbers of undecided concepts",
        ("source", "among"),
        [Column(metric, metric) for metric in ("share of items", CONCEPT_COVERAGE)],
        headings=("data", "among"),
        caption=f"Sets of the {JOINT}. The guarantee is over all items, not within each row.",
    )
    promise = results.select("guarantee", source=sources_of(config)[0], repetition=0).frame
    guarantee = Table(
        name="guarantee",
        title="Guarantee of the concept sets",
        columns=["what", "value"],
        rows=[list(each) for each in promise.select("what", "content").rows()],
    )
    return Views(
        [metric for each in by_source for metric in each.metrics],
        [*(table for each in by_source for table in each.tables), transfer, conditional, guarantee],
        [figure for each in by_source for figure in each.figures],
    )


def _source_views(results: Results, source: str) -> Views:
    columns = (CONCEPT_COVERAGE, EXPLANATION_SIZE, LABEL_COVERAGE, LABEL_SIZE, SINGLETONS)
    calibration = results.values("calibration items")
    sets = results.table(
        f"sets {source}",
        f"Concept and label sets: {source}",
        "sets",
        [Column(metric, metric) for metric in columns],
        caption=f"Means over {len(calibration)} repetitions and their resplits, "
        f"{calibration[0]:.0f} calibration items. Explanation size: concept vectors, subsets or "
        "prototypes in the set. Label sets by exact enumeration of the concept set. Calibrated on "
        "labels: the same score, its threshold chosen for the label alone, so that the sizes "
        "compare at one coverage.",
    )
    coverage = results.bars(
        f"coverage {source}",
        f"Coverage, {source}",
        "Coverage of the explanation, or of the label for sets of labels only; means over "
        "resplits and repetitions with 95 % intervals.",
        "coverage",
        by="sets",
        value_label="coverage",
    )
    alone = ("all concepts right", "label accuracy", "head error on true concepts")
    metrics = [results.metric(f"{source}: {metric}", metric, "rate") for metric in alone] + [
        results.metric(f"{source}: {JOINT}, {metric}", metric, "rate", sets=JOINT)
        for metric in (CONCEPT_COVERAGE, LABEL_COVERAGE)
    ]
    gallery = [gallery_figure(source)] if any(results.values("gallery")) else []
    return Views(metrics, [sets], [coverage, *gallery])


def scope(config: SennConfig) -> str:
    """Return the scope of the figures."""
    rng = np.random.default_rng(0)
    described = sorted({load(config, source, rng, 1).source for source in sources_of(config)})
    return (
        f"Data: {'; '.join(described)}. Coverage holds for items like these. The family of scores "
        "is ours: the paper's exact score could not be established."
    )


STUDY = Study(
    ENTRIES["senn_conformal"],
    presets={
        "smoke": SennConfig(
            items=1000, width=4, epochs=8, resplits=4, certified=4, seeds=2, hidden=4, prototypes=1
        ),
        "quick": SennConfig(),
        "paper": SennConfig(items=60_000, width=32, epochs=100, certified=500, seeds=10),
    },
    measure=measure,
    claims=claims,
    views=views,
    scope=scope,
    repetitions="seeds",
)
