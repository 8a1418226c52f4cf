"""HATS, a watermark of three sets, on a real model compared with KGW and Unigram.

"HATS: High-Accuracy Triple-Set Watermarking for Large Language Models" (ICCC 2025). The paper's
ratios, hash, bias and figures could not be read; ours are in the configuration. The paper's claim
is tested by direction: more texts found than with KGW at the same rate of false accusations, at
comparable quality. Our own questions: is that rate what its level says, which of the two counts
carries the evidence, and what do edits leave?
"""

from sterling.errors import InputError
from sterling.runs import Run
from sterling.studies.registry import ENTRIES
from sterling.studies.text.hats._cells import (
    EVERY_PAIR,
    LEVELS,
    RULES,
    SHARES,
    group_rows,
    key_rows,
    pooled_rows,
)
from sterling.studies.text.hats._generation import HATS, KGW, PLAIN, UNIGRAM, HatsConfig, generated
from sterling.study import Claim, Column, Results, Study, Views, at_least, at_most, positive
from sterling.text.watermark.token_edits import TOKEN_EDITS

SCHEMES = (HATS, KGW, UNIGRAM)
LEVEL = LEVELS[0]
LOSS_MARGIN = 0.1  # nats a token that we call comparable quality
TOLERANCE = 1.5  # our bar for a rate of false accusations, as a multiple of its level


def measure(config: HatsConfig, run: Run) -> Results:
    """Generate with every watermark after the same prompts, then test what was written."""
    if max(config.lengths) > config.tokens:
        raise InputError(f"lengths {config.lengths}: at most the {config.tokens} tokens generated")
    grid = [{"repetition": index} for index in range(config.groups)]
    rows = run.map(group_rows, grid, config, seed="hats/{repetition}")
    groups = [generated(config, run, index) for index in range(config.groups)]
    human = [ids[: max(config.lengths)] for group in groups for ids in group["human"]]
    keys = [{"repetition": number} for number in range(config.null_keys)]
    rows += run.map(key_rows, keys, config, human, seed="null/{repetition}")
    return Results.of([*rows, *pooled_rows(groups)])


def claims(results: Results, config: HatsConfig) -> list[Claim]:
    """The paper's claims, and ours."""
    short, long, half = config.lengths[0], config.lengths[-1], SHARES[-1]
    found = results.select("found", tokens=short, level=LEVEL)
    edited = results.series("found after edits", edit="substitute", share=half)
    accused = results.series("accused", by="rule", level=LEVEL)
    tested = [
        positive(
            "more_found_than_kgw",
            f"At a level of 1 % more texts of {short} tokens are found with HATS than with KGW.",
            found.series("found", evidence="both").gain(HATS, KGW),
            paper="better rates of true and false positives than KGW",
            over="texts",
        ),
        at_most(
            "quality_as_kgw",
            f"A token of HATS costs at most {LOSS_MARGIN} nats more than one of KGW.",
            results.series("negative log-likelihood").gain(HATS, KGW),
            LOSS_MARGIN,
            paper="comparable text quality",
            over="texts",
        ),
        at_most(
            "accusations_as_said",
            f"With Brown's combination human texts are accused at most {TOLERANCE} times as often "
            "as the level of 1 % says.",
            accused["brown"],
            TOLERANCE * LEVEL,
            over="keys",
        ),
        at_least(
            "fisher_accuses_more",
            "Fisher's combination, which takes both counts for independent, accuses more human "
            "texts than its level of 1 % says.",
            accused["fisher"],
            LEVEL,
            over="keys",
        ),
        positive(
            "repeats_would_accuse",
            "Human texts would be accused more often were repeated pairs counted each time.",
            accused.gain(EVERY_PAIR, "brown"),
            over="keys",
        ),
        positive(
            "red_carries_the_signal",
            f"In {short} tokens the missing red finds more texts at 1 % than the frequent green.",
            found.series("found", by="evidence", system=HATS).gain("red", "green"),
            over="texts",
        ),
        positive(
            "edits_leave_more_than_kgw",
            f"After {half:.0%} of {long} tokens were replaced, more texts are found than with KGW.",
            edited.gain(HATS, KGW),
            over="texts",
        ),
    ]
    if config.paraphrased:
        rewritten = results.series("found, paraphrased", by="version", system=HATS)
        tested.append(
            positive(
                "paraphrase_removes",
                "Fewer texts are found after the model rewrote them.",
                rewritten.gain("original", "after"),
                over="texts",
            )
        )
    return tested


def views(results: Results, config: HatsConfig) -> Views:
    """Metrics, tables and figures."""
    metrics = [
        results.select(system=scheme, tokens=length, level=level, evidence="both").counted(
            f"TPR at {100 * level:g} %, {scheme}, {length} tokens", "found"
        )
        for scheme in SCHEMES
        for length in config.lengths
        for level in LEVELS
    ]
    metrics += [
        results.select(rule=rule, level=level).metric(
            f"FPR at {100 * level:g} %, {rule}", "accused", "rate", over="keys"
        )
        for rule in RULES
        for level in LEVELS
    ]
    if config.paraphrased:
        metrics.append(
            results.counted(
                "TPR at 1 %, HATS, rewritten", "found, paraphrased", version="after", system=HATS
            )
        )
    detection = results.table(
        "detection",
        "Texts found, by their length",
        ("tokens", "system", "evidence"),
        [
            Column(f"TPR at {100 * level:g} %", "found", {"level": level}, "rate")
            for level in LEVELS
        ],
        order=config.lengths,
        headings=["tokens", "scheme", "evidence"],
        caption="Thresholds are those of theory; both: Brown's combination, for KGW and Unigram "
        "the green count.",
    )
    accusations = results.table(
        "false_accusations",
        "Human texts accused",
        ("rule", "level"),
        [Column("share", "accused", show="interval")],
        caption="Mean over keys; every key tests every human text.",
    )
    quality = results.table(
        "quality",
        "Cost of the mark",
        "system",
        [
            Column("perplexity", "perplexity"),
            Column("more nats a token", "more nats a token", show="interval"),
            *(Column(f"distinct-{n}", f"distinct-{n}") for n in (1, 2, 3)),
            Column("steps left unmarked", "steps left unmarked"),
            Column("same tokens read back", "same tokens"),
        ],
        order=(PLAIN, *SCHEMES),
        headings=["scheme"],
        caption="Perplexity by the model that wrote the texts, in bfloat16 as it wrote them: no "
        "larger one is at hand.",
    )
    length = results.lines(
        "length",
        f"Texts found at a level of {LEVEL:.0%}",
        "Share of marked texts found, by the number of their tokens.",
        "found",
        x="tokens",
        labels=("tokens", "texts found"),
        level=LEVEL,
        evidence="both",
    )
    edits = [
        results.lines(
            f"edits_{edit}",
            f"Texts found after edits: {edit}",
            f"Share of marked texts found at a level of {LEVEL:.0%}, by the share of tokens "
            "edited: left out (delete), replaced by tokens of a human text (substitute), or "
            "overwritten by a human text in one piece (mix).",
            "found after edits",
            x="share",
            labels=("share of tokens edited", "texts found"),
            edit=edit,
        )
        for edit in TOKEN_EDITS
    ]
    return Views(metrics, [detection, accusations, quality], [length, *edits])


def scope(config: HatsConfig) -> str:
    """Return the scope of the figures."""
    human = "presidents' messages" if config.data is None else f"those of {config.data.name}"
    return (
        f"Texts written here by {config.model}, tested after their text was tokenized again; "
        f"human texts are {human}."
    )


STUDY = Study(
    ENTRIES["hats"],
    presets={
        "smoke": HatsConfig(
            model="small",
            groups=2,
            texts=4,
            tokens=40,
            lengths=(20, 40),
            paraphrased=1,
            null_keys=5,
        ),
        "quick": HatsConfig(),
        "paper": HatsConfig(groups=10, texts=50, tokens=200, lengths=(20, 50, 100, 200)),
    },
    measure=measure,
    claims=claims,
    views=views,
    scope=scope,
    not_sequential="its texts are divided among groups whose number is fixed beforehand",
)
