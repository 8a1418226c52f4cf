"""MetaAdvDet: can a detector of adversarial pictures learn a new attack from one or five of them?

ACM MM 2019, arXiv 1908.02199. Every seed trains its own classifiers, attacks them, and trains its
own detectors on the known attacks; all detectors are judged on the same tasks of attacks, pictures
or classifiers that none of them saw. The paper draws the classes of clean and attacked pictures
apart from each other; here each figure stands beside the same with one class for both.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np
from pydantic import Field

from sterling.errors import unknown_name
from sterling.image.attacks import ATTACKS
from sterling.image.classifiers import Architecture
from sterling.image.few_shot_data import few_shot_data
from sterling.image.glyphs import draw_glyphs
from sterling.measure import Rate
from sterling.research_use import require_research_use
from sterling.runs import Run, derive_seed
from sterling.scale.backends import in_processes
from sterling.studies.image._detection import (
    ARMS,
    FINE_TUNED,
    META,
    NEW_ATTACKS,
    NEW_CLASSIFIER,
    NEW_PICTURES,
    PLAIN,
    PROTOCOLS,
    RANDOM,
    WHITE_BOX,
    DetectionPlan,
    Unit,
    detection_trial,
    macro,
)
from sterling.study import (
    Claim,
    Config,
    Findings,
    Metric,
    Row,
    Study,
    Table,
    bars_over_seeds,
    bounded_below,
    metric_over_seeds,
    positive,
    row_over_seeds,
)

KNOWN = ("fgsm", "mi_fgsm", "bim", "pgd", "carlini_wagner", "jsma", "spsa", "vat", "max_confidence")
UNKNOWN = ("ead", "semantic", "deepfool", "spatial", "newton_fool")


class MetaAdvDetConfig(Config):
    """Configuration of the study.

    Attributes:
        data: Folder of pictures by class; replaces the handwritten digits.
        seeds: How many times everything is repeated.
        pictures: That are attacked to learn from, and as many others to be judged on.
        size: Side of the pictures, pixels.
        known: Attacks to learn from.
        unknown: Attacks to be judged on.
        attack_steps: Of iterative attacks.
        spsa_samples: Directions that SPSA tries in each step.
        classifier: Architecture that is attacked.
        other_classifier: The one that it is exchanged for.
        classifier_width: Channels of their first block.
        epochs: Of training a classifier.
        width: Channels of the detector.
        shots: Pictures of each kind to adapt on, for each of some settings.
        queries: Pictures of each kind to be judged, per task.
        tasks: Tasks of an outer step.
        iterations: Outer steps.
        rate: Of the inner loop.
        outer_rate: Of Adam.
        steps: Inner steps in training.
        test_steps: In evaluation.
        test_tasks: Tasks of each condition.
        device: Where networks run.
        research_use: Must be true: the study attacks classifiers, which are trained here. The smoke
            preset has it set.
    """

    seeds: int = Field(default=5, ge=1)
    pictures: int = Field(default=220, ge=100)
    size: int = Field(default=28, ge=22)
    known: tuple[str, ...] = KNOWN
    unknown: tuple[str, ...] = UNKNOWN
    attack_steps: int = Field(default=40, ge=1)
    spsa_samples: int = Field(default=128, ge=1)
    classifier: Architecture = "conv4"
    other_classifier: Architecture = "resnet12"
    classifier_width: int = Field(default=12, ge=1)
    epochs: int = Field(default=8, ge=1)
    width: int = Field(default=64, ge=1)
    shots: tuple[int, ...] = (1, 5)
    queries: int = Field(default=15, ge=1)
    tasks: int = Field(default=30, ge=1)
    iterations: int = Field(default=2000, ge=1)
    rate: float = Field(default=1e-3, gt=0)
    outer_rate: float = Field(default=1e-4, gt=0)
    steps: int = Field(default=12, ge=1)
    test_steps: int = Field(default=20, ge=0)
    test_tasks: int = Field(default=1000, ge=2)
    device: Literal["cpu", "cuda"] = "cpu"
    research_use: bool = False


def measure(config: MetaAdvDetConfig, run: Run) -> Findings:
    """Train and judge every detector on every seed, and test the claims."""
    require_research_use(config.research_use)
    for name in {*config.known, *config.unknown} - set(ATTACKS):
        raise unknown_name("attack", name, ATTACKS)
    calls = [(config, run, index) for index in range(config.seeds)]
    units: list[Unit] = in_processes(_one_seed, calls, "seeds")
    source = "handwritten digits" if config.data is None else f"pictures in {config.data.name}"
    return Findings(
        scope=f"Real pictures ({source}) and SIMULATED ones (characters drawn from fonts), "
        "attacked here through small classifiers trained here. Queries are judged one by one.",
        not_scored=0,
        metrics=_metrics(config, units),
        claims=_claims(config, units),
        tables=[_arm_table(config, units), _attack_table(config, units)],
        figures=[
            bars_over_seeds(
                f"by_protocol_{shots}",
                f"New attacks from {shots} of each kind",
                "AUROC of clean over attacked queries, mean over seeds with 95 % intervals. Under "
                "the paper's protocol clean and attacked pictures mostly show different classes.",
                {
                    f"{arm}, {protocol}": values
                    for protocol in PROTOCOLS
                    for arm in ARMS
                    if (values := _values(units, f"{NEW_ATTACKS}, {protocol}", arm, shots, "auroc"))
                },
                value_label="AUROC",
            )
            for shots in config.shots
        ],
    )


# One seed


def _one_seed(config: MetaAdvDetConfig, run: Run, index: int) -> Unit:
    seed = derive_seed(run.seed, "metaadvdet", index) % 2**31
    unit: Unit = run.stage(f"seed-{index}", partial(_trial, config, seed))
    return unit


def _trial(config: MetaAdvDetConfig, seed: int) -> Unit:
    """On digits or the user's pictures; pictures of another kind are as many characters."""
    images = few_shot_data("digits" if config.data is None else config.data, size=config.size)
    glyphs = draw_glyphs(len(images.names), 120, size=config.size, seed=seed)
    channels = images.images.shape[1]
    others = replace(glyphs, images=glyphs.images.expand(-1, channels, -1, -1))
    plan = DetectionPlan(**config.model_dump(exclude={"data", "seeds"}))
    return detection_trial(plan, images, others, seed)


# Results


def _values(
    units: Sequence[Unit], condition: str, arm: str, shots: int, figure: str
) -> list[float]:
    """Of each seed that could measure it; "macro" is the mean of both F1."""
    rows = [unit["figures"][f"{condition} {shots}"].get(arm) for unit in units]
    place = {"f1": 0, "f1_attacked": 1, "auroc": 2}
    return [macro(row) if figure == "macro" else row[place[figure]] for row in rows if row]


def _differences(
    units: Sequence[Unit],
    shots: Sequence[int],
    one: tuple[str, str],
    other: tuple[str, str],
    figure: str = "macro",
) -> list[float]:
    """Of a figure between two (condition, detector), mean over shots, of each seed with both."""
    found = []
    for unit in units:
        pairs = [
            [_values([unit], *which, each, figure) for which in (one, other)] for each in shots
        ]
        own = [above[0] - below[0] for above, below in pairs if above and below]
        if own:
            found.append(float(np.mean(own)))
    return found


def _conditions() -> list[str]:
    matched = [NEW_PICTURES, NEW_CLASSIFIER, WHITE_BOX]
    return [f"{NEW_ATTACKS}, {protocol}" for protocol in PROTOCOLS] + matched


def _metrics(config: MetaAdvDetConfig, units: Sequence[Unit]) -> list[Metric]:
    return [
        metric_over_seeds(
            f"{figure}, {condition}, {shots} of each",
            "mean F1" if figure == "macro" else "AUROC",
            _values(units, condition, META, shots, figure),
        )
        for condition in _conditions()
        for shots in config.shots
        for figure in ("macro", "auroc")
    ] + [
        metric_over_seeds(f"accuracy on {what}", "rate", [unit["accuracy"][what] for unit in units])
        for what in units[0]["accuracy"]
    ]


def _arm_table(config: MetaAdvDetConfig, units: Sequence[Unit]) -> Table:
    rows: list[Row] = [
        [
            condition,
            shots,
            arm,
            *row_over_seeds(
                *(
                    _values(units, condition, arm, shots, name)
                    for name in ("f1", "f1_attacked", "auroc")
                )
            ),
        ]
        for condition in _conditions()
        for shots in config.shots
        for arm in ARMS
    ]
    return Table(
        name="arms",
        title="Detectors on what they have not seen",
        columns=[
            *("seen first", "of each", "detector"),
            *(
                f"{name}{end}"
                for name in ("F1", "F1 attacked", "AUROC")
                for end in ("", " low", " high")
            ),
        ],
        rows=rows,
        caption="F1: clean is positive, as in the paper's code; F1 attacked: attacked is. Means "
        "over seeds with 95 % intervals. Below the second line of each both ways show one class.",
    )


def _attack_table(config: MetaAdvDetConfig, units: Sequence[Unit]) -> Table:
    rows: list[Row] = []
    for name in units[0]["attacks"]:
        hits, tries = (sum(unit["attacks"][name][place] for unit in units) for place in (0, 1))
        rate = Rate(hits, tries)
        interval = rate.interval()
        judged: Row = [
            metric_over_seeds(
                "",
                "",
                [found for unit in units if (found := unit["by_attack"][str(shots)].get(name))],
            ).value
            for shots in config.shots
        ]
        kind = "known" if name in config.known else "new"
        rows.append([name, kind, rate.value, interval.low, interval.high, tries, *judged])
    return Table(
        name="attacks",
        title="Attacks",
        columns=[
            *("attack", "to the detector", "success", "low", "high", "pictures"),
            *(f"mean F1 from {shots}" for shots in config.shots),
        ],
        rows=rows,
        caption="Success on pictures that the classifier took rightly, exact 95 % intervals over "
        "all seeds; only successes are kept. Mean F1: of the meta-learned detector where both ways "
        "show one class.",
    )


def _more_shots(config: MetaAdvDetConfig, units: Sequence[Unit], condition: str) -> list[float]:
    """Gains of the most shots over the fewest; none where there is one setting."""
    found = []
    for unit in units:
        ends = [
            _values([unit], condition, META, shots, "macro")
            for shots in (config.shots[0], config.shots[-1])
        ]
        if len(config.shots) > 1 and all(ends):
            found.append(ends[1][0] - ends[0][0])
    return found


def _claims(config: MetaAdvDetConfig, units: Sequence[Unit]) -> list[Claim]:
    matched = f"{NEW_ATTACKS}, class_matched"

    def beats(claim_id: str, what: str, condition: str, over: str, paper: str | None) -> Claim:
        return positive(
            claim_id,
            f"On {what} the mean F1 of meta-learning is above that of {over}.",
            _differences(units, config.shots, (condition, META), (condition, over)),
            paper=paper,
        )

    return [
        *(
            positive(
                f"meta_beats_fine_tuning_{shots}",
                f"From {shots} of each kind the meta-learned detector tells new attacks better "
                "(mean F1) than one trained on all known attacks together and fine-tuned.",
                _differences(units, (shots,), (matched, META), (matched, FINE_TUNED)),
                paper="F1 0.987 and 0.993 on AdvMNIST, from 1 and 5, against 0.840 and 0.904 of "
                "the best other",
            )
            for shots in config.shots
        ),
        beats("meta_beats_random_start", "new attacks", matched, RANDOM, None),
        beats("meta_beats_three_features", "new attacks", matched, PLAIN, None),
        positive(
            "more_shots_help",
            f"From {config.shots[-1]} of each kind it does better than from {config.shots[0]}.",
            _more_shots(config, units, matched),
            paper="F1 0.993 against 0.987",
        ),
        positive(
            "classes_give_away",
            "Under the paper's protocol a detector that starts at random, and knows no attack, has "
            "a higher AUROC than where both ways show one class.",
            _differences(
                units, config.shots, (f"{NEW_ATTACKS}, paper", RANDOM), (matched, RANDOM), "auroc"
            ),
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
        bounded_below(
            "white_box_above_chance",
            "Attacks on classifier and detector together are told with an AUROC above 0.5.",
            {
                f"{shots} of each": _values(units, WHITE_BOX, META, shots, "auroc")
                for shots in config.shots
            },
            0.5,
            paper="F1 0.968 and 0.994 (iterative FGSM), 0.920 and 0.990 (Carlini and Wagner)",
        ),
    ]


METAADVDET_STUDY = Study(
    name="metaadvdet",
    summary="Detecting new adversarial attacks from one or five examples of each kind.",
    domain="image",
    cite="ma2019metaadvdet",
    presets={
        "smoke": MetaAdvDetConfig(
            seeds=1,
            pictures=120,
            size=22,
            known=("fgsm", "pgd"),
            unknown=("semantic", "newton_fool"),
            attack_steps=3,
            classifier_width=4,
            epochs=2,
            width=4,
            shots=(1,),
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
)
