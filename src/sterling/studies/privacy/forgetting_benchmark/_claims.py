"""The claims of the benchmark."""

from sterling.measure import Rate
from sterling.privacy.data.forget_sets import FORGET_SETS
from sterling.studies.privacy.forgetting_benchmark._cells import (
    QUIET_MIN_K,
    jobs,
    reference_architecture,
)
from sterling.studies.privacy.forgetting_benchmark._config import ForgettingBenchmarkConfig
from sterling.studies.privacy.forgetting_benchmark._language import NEW_FACTS
from sterling.studies.privacy.forgetting_benchmark._names import RETRAINED, UNTOUCHED
from sterling.studies.privacy.forgetting_benchmark._views import places
from sterling.study import Claim, Results, at_most, more_often, positive, within

HALF_TOLERANCE = 0.03  # of the area under exact retraining; the card's bound
RELEARNING_MARGIN = 0.05  # our margin for "no faster", as a share of words said


def claims(results: Results, config: ForgettingBenchmarkConfig) -> list[Claim]:
    """The paper's claims, and ours."""
    by_place = places(results, config)
    found: list[Claim] = []
    attacked = results.select(kind="grid").select(forget_set=FORGET_SETS)
    if any(forget_set in FORGET_SETS for _, forget_set in config.grid):
        found += _classifier_claims(attacked.averaged("architecture", "forget_set"))
    if random := by_place.get(("mlp", "random")):
        found += _random_claims(random, by_place.get(("mlp", "mislabelled")))
    if groups := by_place.get(("mlp", "groups")):
        found.append(
            groups.series("excess", by="attack").higher(
                "groups_leak_more_than_records",
                "Asked about all records of a group at once, U-LiRA's area, averaged over "
                "approximate methods, exceeds that of single records.",
                "U-LiRA, group",
                than="U-LiRA",
            )
        )
    if by_class := next((each for place, each in by_place.items() if place[1] == "class"), None):
        found.append(_class_claim(by_class))
    if language := by_place.get(("transformer", "author")):
        found += _language_claims(language)
    if any(kind == "requests" for kind, *_ in jobs(config)):
        added = results.select(kind="requests").values("added by requests", **_once(config))
        found.append(
            at_most(
                "requests_do_not_add_up",
                "Averaged over approximate methods, U-LiRA's area after the last of several "
                f"requests exceeds that after the first by no more than {HALF_TOLERANCE:g}.",
                added,
                HALF_TOLERANCE,
            )
        )
    return found


def _once(config: ForgettingBenchmarkConfig) -> dict[str, str | None]:
    return {"architecture": reference_architecture(config), "forget_set": "random"}


def _class_claim(results: Results) -> Claim:
    named = results.series("class from confidence", by="method")
    return named.higher(
        "retraining_reveals_the_class",
        "Which class was forgotten by exact retraining is told from probes more often than by "
        "chance.",
        RETRAINED,
        # Without unlearning all classes tie: what is named then is chance, one class in so many.
        than=UNTOUCHED,
    )


def _classifier_claims(mean: Results) -> list[Claim]:
    """Claims about means over the grid."""
    two_models = mean.values("two-model", method=RETRAINED)
    excess = mean.series("excess", by="attack")
    return [
        within(
            "retraining_is_the_reference",
            "U-LiRA cannot tell what an exactly retrained model forgot.",
            mean.values("U-LiRA", method=RETRAINED),
            0.5 - HALF_TOLERANCE,
            0.5 + HALF_TOLERANCE,
        ),
        mean.series("U-LiRA", by="method").higher(
            "no_unlearning_leaks",
            "Without unlearning U-LiRA tells members: its area exceeds that under retraining.",
            UNTOUCHED,
            than=RETRAINED,
        ),
        positive(
            "two_models_leak_at_retraining",
            "Whoever sees both models tells the deleted records even after exact retraining.",
            [area - 0.5 for area in two_models],
            paper="Chen et al., CCS 2021",
        ),
        positive(
            "approximate_methods_leak",
            "Averaged over approximate methods, U-LiRA's area on either side of 1/2 exceeds that "
            "under retraining.",
            excess["U-LiRA"],
        ),
        excess.higher(
            "the_loss_attack_understates",
            "Averaged over approximate methods, U-LiRA's excess over retraining is larger than "
            "the loss attack's, even when that is counted on both sides.",
            "U-LiRA",
            than="loss",
        ),
    ]


def _random_claims(random: Results, mislabelled: Results | None) -> list[Claim]:
    """Claims about random records; undecided where the methods that they need did not run."""
    found = [
        positive(
            "too_much_forgetting_leaks",
            "Random labels push the loss attack's area on random records below that of "
            "retraining, and U-LiRA turns that into an area above it: the smaller of both "
            "distances.",
            random.values("too much forgotten"),
            paper="issue reports of areas near 0 after too long unlearning",
        ),
        within(
            "sharding_forgets_exactly",
            "U-LiRA cannot tell what a SISA ensemble forgot.",
            random.values("U-LiRA", method="SISA"),
            0.5 - HALF_TOLERANCE,
            0.5 + HALF_TOLERANCE,
        ),
        positive(
            "rewinding_leaks_less",
            "SCRUB leaks less to U-LiRA about random records when it rewinds to the step whose "
            "forget error is nearest to the validation error.",
            random.values("fall of U-LiRA"),
            paper="Kurmanji et al., NeurIPS 2023",
        ),
    ]
    if mislabelled:
        pairs = (each.values("excess", attack="U-LiRA") for each in (mislabelled, random))
        found.append(
            positive(
                "the_victim_decides",
                "Approximate methods leak more to U-LiRA about mislabelled records than about "
                "random ones.",
                [b - a for b, a in zip(*pairs, strict=True)],
                paper="leakage depends strongly on the setting",
            )
        )
    return found


def _language_claims(results: Results) -> list[Claim]:
    """Claims about a language model; undecided where the methods that they need did not run."""
    relearning = results.series("relearning", by="method")
    new = results.values(NEW_FACTS, method=RETRAINED)
    faster = relearning.gain("GA", than=RETRAINED)
    ahead = Rate(sum(gain > 0 for gain in faster), len(faster)) if faster else None
    return [
        within(
            "retrained_model_relearns_as_new",
            "A retrained model relearns the forgotten facts no faster, and no slower, than facts "
            "that are new to all.",
            [a - b for a, b in zip(relearning[RETRAINED], new, strict=True)],
            -RELEARNING_MARGIN,
            RELEARNING_MARGIN,
        ),
        more_often(
            "ascent_hides_what_relearning_finds",
            "A model that forgot by gradient ascent relearns the facts faster than a retrained "
            "one.",
            ahead,
            level=0.05,
        ),
        positive(
            "silence_is_not_forgetting",
            "Methods after which the model says fewer than a tenth of the forgotten words "
            "leave Min-K's area further from 1/2, on either side, than retraining does.",
            results.values("excess", attack=QUIET_MIN_K),
        ),
        *(
            positive(claim_id, claim, results.values("restored", attack=attack), paper=paper)
            for claim_id, claim, attack, paper in RESTORED
        ),
    ]


RESTORED = (
    (
        "rounding_restores",
        "Rounding weights to four bits raises the share of forgotten words said, averaged over the "
        "methods, by more than it does after retraining.",
        "int4",
        "21 % to 83 % of forgotten knowledge at 4 bits (Zhang et al., ICLR 2025)",
    ),
    (
        "rewording_asks_around",
        "Asking in words that the request did not hold raises the share of forgotten words said, "
        "averaged over the methods, by more than it does after retraining.",
        "in other words",
        None,
    ),
    (
        "benign_adapters_restore",
        "A low-rank adapter fitted on retained texts and merged raises the share of forgotten "
        "words said, averaged over the methods, by more than it does after retraining.",
        "benign adapter",
        None,
    ),
    (
        "soft_prompts_restore",
        "A soft prompt fitted on half of the forgotten facts raises the share said of the other "
        "half, averaged over the methods, by more than it does after retraining.",
        "soft prompt",
        None,
    ),
)
"""Ways to bring back what was forgotten: claim, its sentence, attack, the paper's figure."""
