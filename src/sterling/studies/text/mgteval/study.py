"""MGTEVAL: which detectors of machine-generated text can be trusted, and after which edits?

"MGTEval", system demonstration, ACL 2026. The platform reports figures of detectors; the claims
here are the field's own about them. Every repetition has texts of its own: human texts, and
continuations of their beginnings by a language model.
"""

import polars as pl

from sterling.runs import SCORES_FILE, Run
from sterling.studies.registry import ENTRIES
from sterling.studies.text.mgteval._cells import (
    BASE,
    FDR,
    MODES,
    OTHER,
    OWN,
    PLAIN,
    RESPLITS,
    SUPERVISED,
    corpus_rows,
)
from sterling.studies.text.mgteval._corpus import MgtevalConfig
from sterling.studies.text.mgteval._pooled import (
    SHORT,
    pooled_rows,
    without_empty_lists,
    writer_rows,
)
from sterling.study import (
    Claim,
    Column,
    Measured,
    Metric,
    Results,
    Study,
    Views,
    at_least,
    at_most,
    positive,
)
from sterling.text.detectors import METRICS

LOW_FPR = 0.01
PASSING = 0.5  # our bar: an attack undoes a detector if half of the detected texts pass as human
DELONG, BOOTSTRAP = "DeLong on the logit scale", "bootstrap by subject"


def measure(config: MgtevalConfig, run: Run) -> Results:
    """Run every detector on the corpus of every repetition, then pool the scores."""
    grid = [{"repetition": index} for index in range(config.seeds)]
    rows = run.map(corpus_rows, grid, config, seed="mgteval/{repetition}")
    scores = pl.read_parquet(run.folder / SCORES_FILE)
    base = scores.filter(pl.col("detector") == BASE, pl.col("tokens").is_null())
    rows = without_empty_lists(rows) + pooled_rows(scores) + writer_rows(base)
    return Results.of(rows, not_scored=base["score"].null_count())


def claims(results: Results, _config: MgtevalConfig) -> list[Claim]:
    """The field's claims, and ours."""
    alarms: dict[str, Measured] = {
        name: results.rate("FPR", detector=name, threshold="low_fpr") or []
        for name in (*PLAIN, *SUPERVISED)
    }
    foreign = results.values("FDR of the list", detector="likelihood", calibration=OTHER)
    return [
        at_least(
            "metrics_detect",
            "Every training-free metric ranks a machine's text above a person's more often than "
            "not (AUROC).",
            {name: results.estimate("AUROC", DELONG, detector=name) or [] for name in PLAIN},
            0.5,
        ),
        at_least(
            "fast_above_likelihood",
            "Fast-DetectGPT has a larger AUROC than the mean log-probability (difference on the "
            "same texts).",
            results.estimate("AUROC above likelihood", BOOTSTRAP) or [],
            0.0,
            paper="Fast-DetectGPT (ICLR 2024): larger on every set",
        ),
        at_least(
            "lower_entropy",
            "Machines' texts leave the model less uncertain than people's (AUROC of minus the "
            "mean entropy).",
            results.estimate("AUROC of low entropy", DELONG) or [],
            0.5,
        ),
        at_least(
            "longer_is_easier",
            f"Fast-DetectGPT has a larger AUROC on whole texts than on their first {SHORT} tokens "
            "(difference on the same texts).",
            results.estimate("AUROC above the beginning", BOOTSTRAP) or [],
            0.0,
        ),
        at_least(
            "edits_undo_detection",
            "Typing errors and homoglyphs in the attacked share of words let at least half of the "
            "texts that Fast-DetectGPT detected pass as human (ASR).",
            {
                name: results.rate("ASR", detector=BASE, attack=name) or []
                for name in ("typo", "homo")
            },
            PASSING,
        ),
        at_least(
            "supervised_does_not_transfer",
            "Supervised detectors have a larger AUROC in the domain that they were trained on than "
            "in another one (difference).",
            {name: results.values("loss of AUROC", detector=name) for name in SUPERVISED},
            0.0,
        ),
        at_most(
            "low_fpr_holds",
            "A threshold chosen for at most 1 % false positives on the development texts has at "
            "most 1 % on the test texts.",
            alarms,
            LOW_FPR,
        ),
        positive(
            "foreign_calibration_breaks_the_list",
            "Where people's texts of another domain calibrate the mean log-probability, the list "
            f"has a false discovery rate above {FDR:.0%} (excess, worst pair of domains).",
            [rate - FDR for rate in foreign],
        ),
    ]


def views(results: Results, _config: MgtevalConfig) -> Views:
    """Metrics, tables and figures."""
    detectors = results.table(
        "detectors",
        "Training-free detectors on all originals",
        "detector",
        [
            Column("texts", "texts", show="sum"),
            Column("AUROC", "AUROC", show="interval"),
            Column("TPR at 5 % FPR", "TPR at 5 % FPR", show="rate"),
        ],
        caption="Larger means machine, for the entropy too, whose AUROC below one half says that "
        "machines' texts have less. Detectors of many passes are asked about few texts; DetectGPT "
        "and NPR change texts by span-lite.",
    )
    calibrated = results.table(
        "calibrated",
        "Calibrated detectors on the test split",
        "detector",
        [
            Column("AUROC", "AUROC on the test split", show="interval"),
            *(
                Column(f"{kind}, {mode}", kind, {"threshold": mode}, "rate")
                for mode in MODES
                for kind in ("TPR", "FPR")
            ),
        ],
        caption="AUROC: mean over repetitions. Rates: test texts of all repetitions, at thresholds "
        "that the development texts chose for accuracy and for at most 1 % false positives.",
    )
    robustness = results.table(
        "robustness",
        "Attack success rate: detected texts of which the attacked copy passes as human",
        ("detector", "attack"),
        [Column("ASR", "ASR", show="counts")],
        caption="errors: copies that pass. trials: detected texts. Names that end in -lite are "
        "rules of ours, not the platform's models.",
    )
    transfer = results.table(
        "transfer",
        "Supervised detectors in other domains",
        ("detector", "trained_on", "tested_on"),
        [Column("AUROC", "AUROC across domains", show="interval")],
        headings=["detector", "trained on", "tested on"],
    )
    own, other = {"calibration": OWN}, {"calibration": OTHER}
    lists = results.table(
        "lists",
        f"Declared lists at a false discovery rate of {FDR:.0%}",
        "detector",
        [
            Column("FDR", "FDR of the list", own, "interval"),
            Column("power", "power of the list", own, "interval"),
            Column("FDR, other domain calibrates", "FDR of the list", other, "interval"),
        ],
        headings=["score"],
        caption=f"Mean over repetitions of the mean over {RESPLITS} splits of the human texts into "
        "calibration and documents; no rate where fewer than one list in twenty names a text.",
    )
    writers = results.table(
        "writers",
        f"{BASE} by the model that wrote",
        "writer",
        [
            Column("machine texts", "machine texts", show="sum"),
            Column("AUROC", "AUROC by writer", show="interval"),
        ],
        caption="Against all human texts.",
    )
    length = results.select(detector=[BASE]).lines(
        "length",
        "Detection and length",
        "AUROC of Fast-DetectGPT when it is shown the first tokens of every text.",
        "AUROC",
        x="tokens",
        by="detector",
        labels=("tokens", "AUROC"),
    )
    lost = results.bars(
        "transfer",
        "Loss of supervised detectors in another domain",
        "AUROC in the training domain less AUROC in the other ones.",
        "loss of AUROC",
        by="detector",
        value_label="loss of AUROC",
    )
    tables = [detectors, calibrated, robustness, transfer, lists, writers]
    return Views(_metrics(results), tables, [length, lost])


def _metrics(results: Results) -> list[Metric]:
    """AUROC of every metric, attack success and the declared list of the base detector."""
    metrics = []
    for name in METRICS:
        area = results.estimate("AUROC", DELONG, detector=name)
        assert area is not None
        metrics.append(
            Metric(
                name=f"AUROC {name}",
                value=area.value,
                low=area.interval.low,
                high=area.interval.high,
                n=round(results.values("texts", detector=name)[0]),
                unit="area",
            )
        )
    base = results.select(detector=BASE)
    lists = base.select(calibration=OWN)
    return [
        *metrics,
        *(
            base.counted(f"ASR {attack} on {BASE}", "ASR", attack=attack)
            for attack in base.names("attack")
        ),
        lists.metric(f"FDR of the list, {BASE}", "FDR of the list", "rate"),
        lists.metric(f"power of the list, {BASE}", "power of the list", "rate"),
    ]


def scope(config: MgtevalConfig) -> str:
    """Return the scope of the figures."""
    human = "the public sets in the folder" if config.data else "Python's manual and speeches"
    machine = "of the set's own models" if config.data else f"written here by {config.model}"
    return (
        f"Real human texts ({human}). Machine texts {machine}; tokens scored by {config.model}. "
        "Rates say nothing about other writers."
    )


STUDY = Study(
    ENTRIES["mgteval"],
    presets={
        "smoke": MgtevalConfig(
            model="small",
            seeds=2,
            pairs=8,
            prefix_tokens=16,
            new_tokens=40,
            attacks=("typo", "homo", "syno-lite", "span-lite"),
            slow=("binoculars", "detect_gpt", "npr", "dna_gpt"),
            slow_pairs=2,
            copies=2,
        ),
        "quick": MgtevalConfig(),
        "paper": MgtevalConfig(
            pairs=48,
            new_tokens=256,
            slow=("binoculars", "detect_gpt", "npr", "dna_gpt"),
            slow_pairs=24,
            copies=100,
        ),
    },
    measure=measure,
    claims=claims,
    views=views,
    scope=scope,
    not_sequential="its texts are divided among repetitions whose number is fixed beforehand",
)
