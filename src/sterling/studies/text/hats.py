"""HATS, a watermark of three sets, on a real model beside KGW and Unigram.

"HATS: High-Accuracy Triple-Set Watermarking for Large Language Models" (ICCC 2025). The paper's
ratios, hash, bias and figures could not be read; ours are in the configuration. What it claims is
tested by direction: more texts found than KGW at the same rate of false accusations, at comparable
quality. Beside it stand questions of ours: whether that rate is what it says, which of both counts
carries the evidence, and what edits leave.
"""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from sterling.errors import InputError
from sterling.lm import LocalModel, Sampling, load_local, token_stats, train_small
from sterling.measure import Rate
from sterling.runs import Run, derive_seed
from sterling.scale.backends import in_processes
from sterling.study import (
    Claim,
    Config,
    Figure,
    Findings,
    Metric,
    Row,
    Study,
    Table,
    bounded_above,
    bounded_below,
    lines,
    metric_of_rate,
    metric_over_seeds,
    positive,
)
from sterling.text import TripleSetWatermark, WatermarkDetection, kgw, unigram
from sterling.text.corpus.prose import human_prose
from sterling.text.corpus.records import read_corpus
from sterling.text.watermark.token_edits import TOKEN_EDITS, distinct_n

PLAIN, HATS, KGW, UNIGRAM, PARAPHRASED = "no watermark", "HATS", "KGW", "Unigram", "paraphrased"
SCHEMES = (HATS, KGW, UNIGRAM)
LEVELS = (0.01, 0.001)
SHARES = (0.1, 0.2, 0.3, 0.5)
EVERY_PAIR = "brown, repeated pairs counted"
RULES = ("brown", "fisher", "exact", EVERY_PAIR, KGW)
SURPRISE_MARGIN = 0.1  # nats a token that we call comparable quality
TOLERANCE = 1.5  # times the level that we let a rate of false accusations be
ASK = "Rewrite this text in other words and keep its meaning:\n\n{text}"


class HatsConfig(Config):
    """Configuration of the study.

    Attributes:
        data: Texts of people, as a folder of text files or .jsonl; replaces the embedded prose.
        model: "smollm2", a folder of a local model, or "small": a tiny one trained here.
        groups: Each has a key, prompts and human texts of its own.
        texts: Prompts of a group.
        prompt_tokens: Of a person's text that each prompt has.
        tokens: That are generated after it.
        lengths: At which texts are tested; the last is at most `tokens`.
        ratios: Green, yellow and red.
        context: Tokens that decide colours.
        temperature: Of sampling; the model's distribution at 1.
        paraphrased: Texts of a group that the model itself rewrites; 0 leaves that out.
        null_keys: Keys that every human text is tested with.
    """

    model: str = "smollm2"
    groups: int = Field(default=4, ge=2)
    texts: int = Field(default=24, ge=2)
    prompt_tokens: int = Field(default=24, ge=1)
    tokens: int = Field(default=100, ge=2)
    lengths: tuple[int, ...] = (20, 30, 50, 100)
    ratios: tuple[float, float, float] = (0.5, 0.25, 0.25)
    context: int = Field(default=1, ge=0)
    temperature: float = Field(default=1.0, gt=0)
    paraphrased: int = Field(default=16, ge=0)
    null_keys: int = Field(default=200, ge=2)


Group = dict[str, Any]


def measure(config: HatsConfig, run: Run) -> Findings:
    """Generate with every scheme after the same prompts, then test what was written."""
    if max(config.lengths) > config.tokens:
        raise InputError(f"lengths {config.lengths}: at most the {config.tokens} tokens generated")
    calls = [(config, run, group) for group in range(config.groups)]
    groups = in_processes(_one_group, calls, "groups")
    nulls = _nulls(config, run, groups)
    return Findings(
        scope=f"Texts written here by {config.model}, tested after their text was tokenized again; "
        "human texts are "
        + ("presidents' messages." if config.data is None else f"those of {config.data.name}."),
        not_scored=0,
        metrics=_metrics(config, groups, nulls),
        claims=_claims(config, groups, nulls),
        tables=[_detection_table(config, groups), _null_table(nulls), _quality_table(groups)],
        figures=_figures(config, groups),
    )


# Generation


def _one_group(config: HatsConfig, run: Run, index: int) -> Group:
    group: Group = run.stage(f"group-{index}", lambda: _generate(config, run.seed, index))
    return group


def _generate(config: HatsConfig, seed: int, index: int) -> Group:
    """Token ids of every arm after the prompt, after their text was tokenized again."""
    human = _human_texts(config, seed)
    model = (
        train_small(human[:50], seed=derive_seed(seed, "small") % 2**31, steps=30)
        if config.model == "small"
        else load_local(config.model, dtype="bfloat16")
    )
    wanted = config.prompt_tokens + config.tokens
    every = (model.encode(text, wanted) for text in human[index :: config.groups])
    ids = list(islice((one for one in every if len(one) == wanted), config.texts))
    if len(ids) < config.texts:
        raise InputError(
            f"{len(ids)} human texts of {wanted} tokens in group {index}; {config.texts} are needed"
        )
    prompts = [one[: config.prompt_tokens] for one in ids]
    key = derive_seed(seed, "key", index)
    group: Group = {"key": key, "human": [one[config.prompt_tokens :].tolist() for one in ids]}
    draw = derive_seed(seed, "draw", index)
    written: dict[str, list[str]] = {}
    for name, mark in {PLAIN: None, **_schemes(config, key)}.items():
        written[name], group[name] = _arm(model, config, prompts, mark, draw)
    if config.paraphrased:
        texts = written[HATS][: config.paraphrased]
        group[PARAPHRASED] = {"ids": _paraphrases(model, texts, config.tokens, draw)}
    return group


def _schemes(config: HatsConfig, key: int) -> dict[str, TripleSetWatermark]:
    return {
        HATS: TripleSetWatermark(key, config.ratios, config.context),
        KGW: kgw(key),
        UNIGRAM: unigram(key),
    }


def _human_texts(config: HatsConfig, seed: int) -> list[str]:
    if config.data is None:
        texts = [passage.text for passage in human_prose("addresses")]
    else:
        texts = [record.text for record in read_corpus(config.data).records]
    order = np.random.default_rng(derive_seed(seed, "human")).permutation(len(texts))
    return [texts[row] for row in order]


def _arm(
    model: LocalModel,
    config: HatsConfig,
    prompts: Sequence[Tensor],
    mark: TripleSetWatermark | None,
    seed: int,
) -> tuple[list[str], dict[str, Any]]:
    processor = None if mark is None else mark.processor()
    steps = [_without_ends(model)] + ([] if processor is None else [processor])
    sampling = Sampling(config.tokens, config.temperature, top_p=1.0)
    given = [model.decode(prompt) for prompt in prompts]
    texts = model.generate(given, sampling, seed=seed, processors=steps)
    new = [torch.tensor(one.token_ids) for one in texts]
    whole = [torch.cat([prompt, one]) for prompt, one in zip(prompts, new, strict=True)]
    surprises = [0.0] * len(whole)
    for one in model.passes(whole):
        stats = token_stats(one.logits[:, :-1], one.ids[:, 1:], one.mask[:, 1:])
        for place, row in enumerate(one.rows):
            scored = stats.log_prob[place, len(prompts[row]) - 1 : len(whole[row]) - 1]
            surprises[row] = -float(scored.double().mean())
    return [one.text for one in texts], {
        "ids": [model.encode(one.text).tolist() for one in texts],
        "generated": [list(one.token_ids) for one in texts],
        "surprise": surprises,
        "unmarked": 0.0 if processor is None else processor.unmarked / processor.steps,
    }


def _without_ends(model: LocalModel) -> Callable[[Tensor, Tensor], Tensor]:
    """No text ends early, so that all are tested at the same lengths."""
    ends = torch.tensor(model.ends, dtype=torch.int64)
    return lambda _ids, scores: scores.index_fill(1, ends.to(scores.device), -torch.inf)


def _paraphrases(
    model: LocalModel, texts: Sequence[str], tokens: int, seed: int
) -> list[list[int]]:
    """The model's own rewriting: in a chat where it knows one, else what it goes on with."""
    sampling = Sampling(tokens, temperature=0.7)
    prompts = [ASK.format(text=text) for text in texts]
    if model.tokenizer.chat_template is None:
        answers = model.generate(prompts, sampling, seed=seed)
    else:
        answers = model.chat(
            [[{"role": "user", "content": one}] for one in prompts], sampling, seed=seed
        )
    return [model.encode(one.text).tolist() for one in answers]


# Tests of what was written

Nulls = dict[str, dict[float, list[float]]]


def _detections(
    config: HatsConfig, groups: Sequence[Group], scheme: str, length: int
) -> list[WatermarkDetection]:
    found = []
    for group in groups:
        mark = _schemes(config, group["key"])[scheme]
        found += [mark.detect(ids[:length]) for ids in group[scheme]["ids"]]
    return found


def _share(p_values: Sequence[float], level: float) -> Rate:
    return Rate(sum(p <= level for p in p_values), len(p_values))


def _p_values(config: HatsConfig, groups: Sequence[Group], scheme: str, length: int) -> list[float]:
    return [one.p_value for one in _detections(config, groups, scheme, length)]


def _after_edit(
    config: HatsConfig, groups: Sequence[Group], scheme: str, edit: str, share: float
) -> list[float]:
    """p-values after an edit; the edited text takes what is not its own from a human text."""
    p_values = []
    for number, group in enumerate(groups):
        mark = _schemes(config, group["key"])[scheme]
        draw = np.random.default_rng(number)
        for ids, human in zip(group[scheme]["ids"], group["human"], strict=True):
            own = np.array(ids[: max(config.lengths)])
            edited = TOKEN_EDITS[edit](own, np.array(human), share, draw)
            p_values.append(mark.detect(edited).p_value)
    return p_values


def _nulls(config: HatsConfig, run: Run, groups: Sequence[Group]) -> Nulls:
    """Shares of human texts accused, by rule, level and key."""
    texts = [np.array(ids[: max(config.lengths)]) for group in groups for ids in group["human"]]
    accused: Nulls = {}
    for number in range(config.null_keys):
        key = derive_seed(run.seed, "null", number)
        mark = TripleSetWatermark(key, config.ratios, config.context)
        rules: dict[str, list[float]] = {rule: [] for rule in RULES}
        for ids in texts:
            once = mark.detect(ids)
            for rule in ("brown", "fisher", "exact"):
                one = mark.judge(once.green, once.red, once.tokens_scored, rule)
                rules[rule].append(one.p_value)
            rules[EVERY_PAIR].append(_with_repeats(mark, ids).p_value)
            rules[KGW].append(kgw(key).detect(ids).p_value)
        for rule, p_values in rules.items():
            for level in LEVELS:
                share = _share(p_values, level).value
                accused.setdefault(rule, {}).setdefault(level, []).append(share or 0.0)
    return accused


def _with_repeats(mark: TripleSetWatermark, ids: NDArray[np.int64]) -> WatermarkDetection:
    windows = np.lib.stride_tricks.sliding_window_view(ids, mark.context + 1)
    pairs = torch.from_numpy(windows.copy())
    numbers = mark.numbers(pairs[:, :-1], pairs[:, -1])
    return mark.judge(int(mark.green(numbers).sum()), int(mark.red(numbers).sum()), len(pairs))


# Evidence


def _claims(config: HatsConfig, groups: Sequence[Group], nulls: Nulls) -> list[Claim]:
    short, long = config.lengths[0], config.lengths[-1]

    def gained(first: Sequence[float], second: Sequence[float]) -> list[float]:
        """Text by text: 1 where only the first finds it, -1 where only the second does."""
        level = LEVELS[0]
        return [float(a <= level) - float(b <= level) for a, b in zip(first, second, strict=True)]

    found = _detections(config, groups, HATS, short)
    half = SHARES[-1]
    claims = [
        positive(
            "more_found_than_kgw",
            f"At a level of 1 % more texts of {short} tokens are found with HATS than with KGW.",
            gained(_p_values(config, groups, HATS, short), _p_values(config, groups, KGW, short)),
            paper="better rates of true and false positives than KGW",
            over="texts",
        ),
        bounded_above(
            "quality_as_kgw",
            f"A token of HATS costs at most {SURPRISE_MARGIN} nats more than one of KGW.",
            _differences(groups, HATS, KGW),
            SURPRISE_MARGIN,
            paper="comparable text quality",
            over="texts",
        ),
        bounded_above(
            "accusations_as_said",
            f"With Brown's combination human texts are accused at most {TOLERANCE} times as often "
            "as the level of 1 % says.",
            nulls["brown"][0.01],
            TOLERANCE * 0.01,
            over="keys",
        ),
        bounded_below(
            "fisher_accuses_more",
            "Fisher's combination, which takes both counts for independent, accuses more human "
            "texts than its level of 1 % says.",
            nulls["fisher"][0.01],
            0.01,
            over="keys",
        ),
        positive(
            "repeats_would_accuse",
            "Human texts would be accused more often were repeated pairs counted each time.",
            _paired(nulls[EVERY_PAIR][0.01], nulls["brown"][0.01]),
            over="keys",
        ),
        positive(
            "red_carries_the_signal",
            f"In {short} tokens the missing red finds more texts at 1 % than the frequent green.",
            gained([one.p_red for one in found], [one.p_green for one in found]),
            over="texts",
        ),
        positive(
            "edits_leave_more_than_kgw",
            f"After {half:.0%} of {long} tokens were replaced, more texts are found than with KGW.",
            gained(
                *(_after_edit(config, groups, name, "substitute", half) for name in (HATS, KGW))
            ),
            over="texts",
        ),
    ]
    if config.paraphrased:
        before, after = _paraphrase_p_values(config, groups)
        claims.append(
            positive(
                "paraphrase_removes",
                "Fewer texts are found after the model rewrote them.",
                gained(before, after),
                over="texts",
            )
        )
    return claims


def _paired(first: Sequence[float], second: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(first, second, strict=True)]


def _differences(groups: Sequence[Group], first: str, second: str) -> list[float]:
    """Of surprise, nats a token, text by text after the same prompt."""
    rows = [_paired(group[first]["surprise"], group[second]["surprise"]) for group in groups]
    return [value for row in rows for value in row]


def _paraphrase_p_values(
    config: HatsConfig, groups: Sequence[Group]
) -> tuple[list[float], list[float]]:
    before, after = [], []
    for group in groups:
        mark = _schemes(config, group["key"])[HATS]
        rewritten = group[PARAPHRASED]["ids"]
        before += [mark.detect(ids).p_value for ids in group[HATS]["ids"][: len(rewritten)]]
        after += [mark.detect(ids).p_value for ids in rewritten]
    return before, after


def _metrics(config: HatsConfig, groups: Sequence[Group], nulls: Nulls) -> list[Metric]:
    metrics = [
        metric_of_rate(
            f"TPR at {100 * level:g} %, {scheme}, {length} tokens",
            _share(_p_values(config, groups, scheme, length), level),
        )
        for scheme in SCHEMES
        for length in config.lengths
        for level in LEVELS
    ]
    metrics += [
        metric_over_seeds(f"FPR at {100 * level:g} %, {rule}", "rate", values, "keys")
        for rule, levels in nulls.items()
        for level, values in levels.items()
    ]
    if config.paraphrased:
        _, after = _paraphrase_p_values(config, groups)
        metrics.append(metric_of_rate("TPR at 1 %, HATS, rewritten", _share(after, 0.01)))
    return metrics


def _detection_table(config: HatsConfig, groups: Sequence[Group]) -> Table:
    rows: list[Row] = []
    for length in config.lengths:
        for scheme in SCHEMES:
            found = _detections(config, groups, scheme, length)
            columns = {"both": [one.p_value for one in found]}
            if scheme == HATS:
                columns |= {
                    "green": [one.p_green for one in found],
                    "red": [one.p_red for one in found],
                }
            for evidence, p_values in columns.items():
                row: Row = [length, scheme, evidence]
                for level in LEVELS:
                    rate = _share(p_values, level)
                    interval = rate.interval()
                    row += [rate.value, interval.low, interval.high]
                rows.append(row)
    cells = [f"{name}{at}" for at in (" at 1 %", " at 0.1 %") for name in ("TPR", "low", "high")]
    return Table(
        name="detection",
        title="Texts found, by their length",
        columns=["tokens", "scheme", "evidence", *cells],
        rows=rows,
        caption="Thresholds are those of theory; both: Brown's combination, for KGW and Unigram "
        "the green count.",
    )


def _null_table(nulls: Nulls) -> Table:
    rows: list[Row] = []
    for rule, levels in nulls.items():
        for level, values in levels.items():
            metric = metric_over_seeds("", "", values)
            rows.append([rule, level, metric.value, metric.low, metric.high])
    return Table(
        name="false_accusations",
        title="Human texts accused",
        columns=["rule", "level", "share", "low", "high"],
        rows=rows,
        caption="Mean over keys; every key tests every human text.",
    )


def _quality_table(groups: Sequence[Group]) -> Table:
    rows: list[Row] = []
    for name in (PLAIN, *SCHEMES):
        surprise = [value for group in groups for value in group[name]["surprise"]]
        more = metric_over_seeds("", "", _differences(groups, name, PLAIN))
        texts = [ids for group in groups for ids in group[name]["generated"]]
        kept = [
            again == once
            for group in groups
            for again, once in zip(group[name]["ids"], group[name]["generated"], strict=True)
        ]
        rows.append(
            [
                name,
                float(np.exp(np.mean(surprise))),
                *((None, None, None) if name == PLAIN else (more.value, more.low, more.high)),
                *(distinct_n(texts, n) for n in (1, 2, 3)),
                float(np.mean([group[name]["unmarked"] for group in groups])),
                float(np.mean(kept)),
            ]
        )
    return Table(
        name="quality",
        title="What the mark costs",
        columns=[
            "scheme",
            "perplexity",
            "more nats a token",
            "low",
            "high",
            "distinct-1",
            "distinct-2",
            "distinct-3",
            "steps left unmarked",
            "same tokens read back",
        ],
        rows=rows,
        caption="Perplexity by the model that wrote the texts, in bfloat16 as it wrote them: no "
        "larger one is at hand.",
    )


def _figures(config: HatsConfig, groups: Sequence[Group]) -> list[Figure]:
    def share(p_values: Sequence[float]) -> float | None:
        return _share(p_values, LEVELS[0]).value

    edited = {
        f"{name}, {edit}": [share(_p_values(config, groups, name, config.lengths[-1]))]
        + [share(_after_edit(config, groups, name, edit, part)) for part in SHARES]
        for name in (HATS, KGW)
        for edit in TOKEN_EDITS
    }
    return [
        lines(
            "length",
            "Texts found at a level of 1 %",
            "Share of marked texts found, by the number of their tokens.",
            config.lengths,
            {
                name: [share(_p_values(config, groups, name, length)) for length in config.lengths]
                for name in SCHEMES
            },
            labels=("tokens", "texts found"),
        ),
        lines(
            "edits",
            "What edits leave",
            "Share of marked texts found at a level of 1 %, by the share of tokens edited: left "
            "out, replaced by a person's, or overwritten by a person's in one piece.",
            (0.0, *SHARES),
            edited,
            labels=("share of tokens edited", "texts found"),
        ),
    ]


HATS_STUDY = Study(
    name="hats",
    summary="Triple-set watermark on a real model: what it finds, whom it accuses, what it costs.",
    domain="text",
    cite="hats2025",
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
)
