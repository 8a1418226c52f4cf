"""Claims about deletion requests against confidence, and what is shown of them."""

from collections.abc import Iterable
from typing import Literal

from sterling.studies.privacy._pooling import pooled
from sterling.studies.privacy.uncertainty_unlearning._effects import EFFECTS
from sterling.studies.privacy.uncertainty_unlearning._requests import (
    ANY_RECORD,
    BY_NES,
    CAPPED,
    FIRST_ORDER,
    LABEL_ATTACK,
    SET_SIZE,
    SURROGATES,
    WHITE_BOX,
)
from sterling.study import (
    Claim,
    Column,
    Config,
    Metric,
    Results,
    Views,
    at_least,
    at_most,
    more_often,
    positive,
    within,
)

DIRECTIONS: tuple[Literal["over"], Literal["under"]] = ("over", "under")
COVERAGE, COVERAGE_MARGIN = 0.9, 0.02  # the margin is ours
CLUSTERS = "harmless clusters"
SINGLE_AUDIT, AUDIT_AREA = "audit of one request", "audit area"
AREA = "DeLong, or exact where the scores do not overlap"
SUCCESS = "moved by 3 deviations without a flip"
SETS = "target set size"
GAINS = (
    (
        "surrogates_transfer",
        "A request planned on surrogate models moves confidence further than random deletion.",
        "confidence",
        SURROGATES,
        "transfers in the black-box setting",
    ),
    (
        "nes_queries_transfer",
        "A request planned by NES from the service's answers moves confidence further than random "
        "deletion.",
        "confidence",
        BY_NES,
        None,
    ),
    (
        "first_order_transfer",
        "A request planned with the first-order unlearner moves confidence further than random "
        "deletion.",
        "confidence",
        FIRST_ORDER,
        None,
    ),
    (
        "sets_move_though_coverage_stays",
        "The over-confidence attack makes recalibrated conformal sets of the targets smaller, the "
        "under-confidence attack larger, than random deletion does.",
        SETS,
        ANY_RECORD,
        None,
    ),
    (
        "set_size_attack_moves_sets",
        "A request planned on the soft size of conformal sets moves the recalibrated sets of the "
        "targets the way it wants, beyond random deletion.",
        SETS,
        SET_SIZE,
        None,
    ),
    (
        "sharding_does_not_stop_it",
        "The request moves the confidence of SISA's ensemble too, beyond random deletion.",
        "sharded confidence",
        ANY_RECORD,
        "known defences do not help",
    ),
)
"""Claims that a request beats random deletion: id, sentence, figure, system, the paper's figure."""
NETWORKS = {"ensemble": "an ensemble of networks", "MC-dropout": "a network with MC-dropout"}


def gain_in(figure: str) -> str:
    """Name the metric: how far a figure moved the adversary's way, beyond random deletion.

    Its way is more confidence, hence smaller sets, under "over".
    """
    return f"gain in {figure}"


def claims(results: Results, problems: Iterable[str]) -> list[Claim]:
    """The paper's claims, and ours, on problems of these names."""
    every = pooled(results, "problem")
    both = every.averaged("direction")
    confidence = both.series(gain_in("confidence"))
    found = [
        _success(results, problem, direction, system)
        for problem in problems
        for direction in DIRECTIONS
        for system in (ANY_RECORD, WHITE_BOX)
    ]
    flipped = every.rate("labels flipped", direction=DIRECTIONS, system=(WHITE_BOX, ANY_RECORD))
    found += [
        at_most(
            "labels_stay",
            "The white-box requests flip at most 1 % of the targets' labels.",
            flipped or [],
            0.01,
            paper="label predictions kept",
        ),
        within(
            "clean_accuracy_stays",
            "Clean accuracy changes by less than one point on average.",
            both.values("accuracy", system=ANY_RECORD),
            -0.01,
            0.01,
        ),
        within(
            "coverage_stays",
            "Conformal sets calibrated again after the request still cover 90 %, to within 2 "
            "points.",
            both.values("coverage after", system=ANY_RECORD),
            COVERAGE - COVERAGE_MARGIN,
            COVERAGE + COVERAGE_MARGIN,
            paper="by theory",
        ),
        *(
            positive(claim_id, claim, both.values(gain_in(figure), system=system), paper=paper)
            for claim_id, claim, figure, system, paper in GAINS
        ),
        both.series("flips").higher(
            "labels_flip_under_the_label_attack_only",
            "The label attack flips more target labels than the uncertainty attack.",
            LABEL_ATTACK,
            than=ANY_RECORD,
        ),
        positive(
            "calibration_error_rises",
            "Making the model over-confident about the targets raises the calibration error on "
            "clean test data beyond random deletion.",
            every.values(gain_in("calibration error"), direction="over", system=ANY_RECORD),
            paper="large rise of ECE on CIFAR-10",
        ),
        both.series(gain_in(SETS)).higher(
            "set_size_objective_beats_margin",
            "It moves them further than the request planned on the margin does.",
            SET_SIZE,
            than=ANY_RECORD,
        ),
        positive(
            "recalibration_does_not_undo_it",
            "After recalibration by a temperature more than half of the effect is left.",
            [
                left - 0.5 * gain
                for left, gain in zip(
                    both.values(gain_in("recalibrated confidence"), system=ANY_RECORD),
                    confidence[ANY_RECORD],
                    strict=True,
                )
            ],
            paper="known defences do not help",
        ),
        confidence.higher(
            "a_cap_lowers_it",
            "Capping deletions per account to a third lowers the effect.",
            WHITE_BOX,
            than=CAPPED,
        ),
    ]
    found += [
        positive(
            f"{kind.lower().replace('-', '_')}_moves_too",
            f"Requests planned on the convex model move {words} retrained without them, further "
            "than a random request.",
            confidence[kind],
        )
        for kind, words in NETWORKS.items()
    ]
    return found + [
        at_least(
            f"audit_detects_{name}",
            f"The request audit tells attacks ({system}) from random requests with an area of 0.9 "
            "or more (requests of one repetition share a model).",
            results.estimate(AUDIT_AREA, AREA, system=system) or [],
            0.9,
        )
        for name, system in (("any", ANY_RECORD), ("own", WHITE_BOX))
    ]


def _success(results: Results, problem: str, direction: str, system: str) -> Claim:
    share = results.rate(SUCCESS, problem=problem, direction=direction, system=system)
    return more_often(
        f"{direction}_confidence_{problem}_{'any' if system == ANY_RECORD else 'own'}",
        f"{direction.capitalize()}-confidence on {problem}, {system}: target confidence moves by "
        "at least 3 standard deviations of random deletion, and no label flips.",
        share,
        level=0.01,
    )


def views(results: Results, _config: Config) -> Views:
    """Metrics, tables and figures."""
    problems = results.names("problem")
    metrics = []
    for problem in problems:
        here = results.select(problem=problem)
        metrics += [
            here.metric(
                f"change of target confidence, {direction}, {system} ({problem})",
                "confidence",
                "probability",
                direction=direction,
                system=system,
            )
            for direction in DIRECTIONS
            for system in (ANY_RECORD, WHITE_BOX)
        ]
        metrics.append(
            here.counted(
                f"labels flipped, {ANY_RECORD} ({problem})",
                "labels flipped",
                direction=DIRECTIONS,
                system=ANY_RECORD,
            )
        )
        area = here.estimate(AUDIT_AREA, AREA, system=CLUSTERS)
        assert area is not None
        metrics.append(
            Metric(
                name=f"area of the audit, {ANY_RECORD} against {CLUSTERS} ({problem})",
                value=area.value,
                low=area.interval.low,
                high=area.interval.high,
                n=len(here.select(SINGLE_AUDIT, system=CLUSTERS).frame),
                unit="area",
            )
        )
    tables = [
        results.select(problem=problem).table(
            problem,
            f"Effect of each request: {problem}",
            ["direction", "system"],
            [
                Column("deviations of random", "deviations"),
                *(Column(figure, figure) for figure in (*EFFECTS, "audit")),
            ],
            headings=["direction", "request"],
            caption="Means over repetitions, after exact retraining, as changes from the model "
            "before; flips: labels of the 10 targets; audit: z-score of the request.",
        )
        for problem in problems
    ]
    figure = results.matrix(
        "deviations",
        "Change of confidence by each request",
        "In standard deviations of random deletion, the way the adversary wants; means over "
        "repetitions, after exact retraining.",
        rows="system",
        columns=[
            Column(
                f"{problem}, {direction}",
                "deviations",
                {"problem": problem, "direction": direction},
            )
            for problem in problems
            for direction in DIRECTIONS
        ],
        value_label="standard deviations of random deletion",
    )
    return Views(metrics, tables, [figure])
