"""MetaAdvDet: can a detector of adversarial pictures learn a new attack from one or five of them?

ACM MM 2019, arXiv 1908.02199. Every repetition trains its own classifiers, attacks them, and trains
its own detectors on the known attacks; all detectors are tested on the same tasks of attacks,
pictures or classifiers that none of them saw. The paper draws the classes of clean and attacked
pictures apart from each other; here each figure is compared with the same for one class.
"""

from sterling.errors import unknown_name
from sterling.image.attacks import ATTACKS
from sterling.research_use import require_research_use
from sterling.runs import Run
from sterling.studies.image.metaadvdet._attacked_pictures import MetaAdvDetConfig
from sterling.studies.image.metaadvdet._detection import (
    CONDITIONS,
    FINE_TUNED,
    GIVEN_AWAY,
    MATCHED,
    META,
    NEW_CLASSIFIER,
    NEW_PICTURES,
    PAPER,
    PLAIN,
    RANDOM,
    WHITE_BOX,
    detection,
)
from sterling.studies.registry import ENTRIES
from sterling.study import Claim, Column, Results, Study, Views, at_least, positive


def measure(config: MetaAdvDetConfig, run: Run) -> Results:
    """Train and test every detector in every repetition."""
    require_research_use(config.research_use)
    for name in {*config.known, *config.unknown} - set(ATTACKS):
        raise unknown_name("attack", name, ATTACKS)
    grid = [{"repetition": index} for index in range(config.seeds)]
    return Results.of(run.map(detection, grid, config, seed="metaadvdet/{repetition}"))


def claims(results: Results, config: MetaAdvDetConfig) -> list[Claim]:
    """The paper's claims, and ours about what its protocol measures."""
    over_shots = results.averaged("shots")

    def beats(claim_id: str, what: str, condition: str, other: str, paper: str | None) -> Claim:
        return over_shots.series("mean F1", condition=condition).higher(
            claim_id,
            f"On {what} the mean F1 of meta-learning is above that of {other}.",
            META,
            than=other,
            paper=paper,
        )

    few, many = config.shots[0], config.shots[-1]
    by_shots = results.series("mean F1", by="shots", condition=MATCHED, system=META)
    return [
        *(
            results.series("mean F1", condition=MATCHED, shots=shots).higher(
                f"meta_beats_fine_tuning_{shots}",
                f"From {shots} of each kind the meta-learned detector tells new attacks better "
                "(mean F1) than one trained on all known attacks together and fine-tuned.",
                META,
                than=FINE_TUNED,
                paper="F1 0.987 and 0.993 on AdvMNIST, from 1 and 5, against 0.840 and 0.904 of "
                "the best other",
            )
            for shots in config.shots
        ),
        beats("meta_beats_random_start", "new attacks", MATCHED, RANDOM, None),
        beats("meta_beats_three_features", "new attacks", MATCHED, PLAIN, None),
        positive(
            "more_shots_help",
            f"From {many} of each kind it does better than from {few}.",
            by_shots.gain(many, few) if many != few else [],
            paper="F1 0.993 against 0.987",
        ),
        positive(
            "classes_give_away",
            "Under the paper's protocol a detector that starts at random, and knows no attack, has "
            "a higher AUROC than where clean and attacked pictures show one class.",
            over_shots.values(GIVEN_AWAY),
        ),
        beats(
            "new_pictures",
            "pictures of another kind",
            NEW_PICTURES,
            FINE_TUNED,
            "F1 0.799 and 0.870 from digits to clothes, against 0.698 and 0.813",
        ),
        beats(
            "new_classifier",
            "attacks through a classifier of another architecture",
            NEW_CLASSIFIER,
            FINE_TUNED,
            "F1 0.963 and 0.983 from conv-4 to ResNet-10 on AdvMNIST",
        ),
        at_least(
            "white_box_above_chance",
            "Attacks on classifier and detector together are told with an AUROC above 0.5.",
            {
                f"{shots} of each": results.values(
                    "AUROC", condition=WHITE_BOX, system=META, shots=shots
                )
                for shots in config.shots
            },
            0.5,
            paper="F1 0.968 and 0.994 (iterative FGSM), 0.920 and 0.990 (Carlini and Wagner)",
        ),
    ]


def views(results: Results, config: MetaAdvDetConfig) -> Views:
    """Detectors by condition, and attacks."""
    metrics = [
        results.metric(
            f"{figure}, {condition}, {shots} of each",
            figure,
            figure,
            condition=condition,
            system=META,
            shots=shots,
        )
        for condition in CONDITIONS
        for shots in config.shots
        for figure in ("mean F1", "AUROC")
    ] + [
        results.metric(f"accuracy on {name}", "accuracy", "rate", classifier=name)
        for name in results.names("classifier")
    ]
    systems = results.table(
        "systems",
        "Detectors on what they have not seen",
        ("condition", "shots", "system"),
        [Column(name, name, show="interval") for name in ("F1", "F1 attacked", "AUROC")],
        order=CONDITIONS,
        headings=("seen first", "of each", "detector"),
        caption="F1: clean is positive, as in the paper's code; F1 attacked: attacked is. Means "
        "over repetitions with 95 % intervals. But for the paper's protocol clean and attacked "
        "pictures show one class.",
    )
    attacks = results.table(
        "attacks",
        "Attacks",
        ("attack", "role"),
        [
            Column("success", "success", show="counts"),
            *(
                Column(f"mean F1 from {shots}", "mean F1", {"shots": shots})
                for shots in config.shots
            ),
        ],
        headings=("attack", "to the detector"),
        caption="Success on pictures that the classifier took rightly, exact 95 % intervals over "
        "all repetitions; only successes are kept. Mean F1: of the meta-learned detector where "
        "clean and attacked pictures show one class.",
    )
    headings = ["attack", "to the detector", "successes", "pictures", *attacks.columns[4:]]
    return Views(
        metrics,
        [systems, attacks.model_copy(update={"columns": headings})],
        [
            results.bars(
                f"by_protocol_{shots}",
                f"New attacks from {shots} of each kind",
                "AUROC of clean over attacked queries, means over repetitions with 95 % intervals. "
                "Under the paper's protocol clean and attacked pictures mostly show different "
                "classes.",
                "AUROC",
                by=("condition", "system"),
                order=(PAPER, MATCHED),
                value_label="AUROC",
                shots=shots,
            )
            for shots in config.shots
        ],
    )


def scope(config: MetaAdvDetConfig) -> str:
    """Return the scope of the figures."""
    source = "handwritten digits" if config.data is None else f"pictures in {config.data.name}"
    return (
        f"Real pictures ({source}) and SIMULATED ones (characters drawn from fonts), attacked here "
        "through small classifiers trained here. Queries are tested one by one."
    )


STUDY = Study(
    ENTRIES["metaadvdet"],
    presets={
        "smoke": MetaAdvDetConfig(
            seeds=1,
            pictures=120,
            size=22,
            known=("fgsm", "pgd"),
            unknown=("semantic", "newton_fool"),
            attack_steps=3,
            classifier_width=4,
            epochs=4,
            width=4,
            shots=(1,),
            ead_searches=1,
            training_queries=3,
            queries=3,
            tasks=2,
            iterations=2,
            rate=0.05,
            outer_rate=3e-3,
            steps=2,
            test_steps=2,
            test_tasks=3,
            research_use=True,
        ),
        "quick": MetaAdvDetConfig(
            known=("fgsm", "mi_fgsm", "bim", "pgd", "carlini_wagner", "vat"),
            pictures=180,
            attack_steps=10,
            classifier_width=8,
            width=8,
            ead_searches=1,
            training_queries=8,
            queries=8,
            tasks=8,
            iterations=100,
            rate=0.05,
            outer_rate=3e-3,
            steps=5,
            test_steps=5,
            test_tasks=30,
        ),
        "paper": MetaAdvDetConfig(),
    },
    measure=measure,
    claims=claims,
    views=views,
    scope=scope,
    repetitions="seeds",
)
