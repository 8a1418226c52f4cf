"""Cells of the study: texts of a group under test, and keys that wrote no text.

The unit of the first is the text, of the second the key: rows name it as their repetition.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from sterling.measure import Rate
from sterling.runs import Cell, Row, derive_seed
from sterling.studies.text.hats._generation import (
    HATS,
    KGW,
    PLAIN,
    Group,
    HatsConfig,
    generated,
    watermarks,
)
from sterling.study import row
from sterling.text import TripleSetWatermark, WatermarkDetection, kgw
from sterling.text.watermark.token_edits import TOKEN_EDITS, distinct_n

Ids = NDArray[np.int64]
LEVELS = (0.01, 0.001)
SHARES = (0.0, 0.1, 0.2, 0.3, 0.5)
EVERY_PAIR = "brown, repeated pairs counted"
EDITS = tuple((edit, share) for edit in TOKEN_EDITS for share in SHARES)
RULES = ("brown", "fisher", "exact", EVERY_PAIR, KGW)


def group_rows(config: HatsConfig, cell: Cell) -> list[Row]:
    """Rows of one group: quality and detection of every text that was written."""
    group = generated(config, cell.run, cell.repetition)
    marks = watermarks(config, group["key"])
    plain = group["systems"][PLAIN]["loss"]
    rows = []
    for name, one in group["systems"].items():
        draws = [np.random.default_rng(cell.repetition) for _ in EDITS]
        rows.append(row("steps left unmarked", one["unmarked"], system=name))
        for place, (ids, loss) in enumerate(zip(one["read"], one["loss"], strict=True)):
            found = [row("negative log-likelihood", loss)]
            found.append(row("same tokens", ids == one["written"][place]))
            if name != PLAIN:
                found.append(row("more nats a token", loss - plain[place]))
                found += _detection_rows(config, marks[name], ids)
            if name in (HATS, KGW):
                own = np.array(ids[: max(config.lengths)])
                found += _edit_rows(marks[name], own, np.array(group["human"][place]), draws)
            if name == HATS and place < config.paraphrased:
                versions = {"original": ids, "after": group["paraphrased"][place]}
                found += [
                    row("found, paraphrased", _found(marks[name].detect(text).p_value), version=key)
                    for key, text in versions.items()
                ]
            at = {"system": name, "repetition": cell.repetition * config.texts + place}
            rows += [{**each, **at} for each in found]
    return rows


def _found(p_value: float, level: float = LEVELS[0]) -> Rate:
    return Rate(int(p_value <= level), 1)


def _detection_rows(config: HatsConfig, mark: TripleSetWatermark, ids: Sequence[int]) -> list[Row]:
    rows = []
    for length in config.lengths:
        found = mark.detect(ids[:length])
        p_values = {"both": found.p_value}
        if mark.ratios[2]:
            p_values |= {"green": found.p_green, "red": found.p_red}
        rows += [
            row("found", _found(p_value, level), tokens=length, evidence=evidence, level=level)
            for evidence, p_value in p_values.items()
            for level in LEVELS
        ]
    return rows


def _edit_rows(
    mark: TripleSetWatermark, own: Ids, human: Ids, draws: Sequence[np.random.Generator]
) -> list[Row]:
    """Rows after every edit; the edited text takes foreign tokens from a human text."""
    rows = []
    for (edit, share), draw in zip(EDITS, draws, strict=True):
        p_value = mark.detect(TOKEN_EDITS[edit](own, human, share, draw)).p_value
        rows.append(row("found after edits", _found(p_value), edit=edit, share=share))
    return rows


def key_rows(config: HatsConfig, human: Sequence[Sequence[int]], cell: Cell) -> list[Row]:
    """Rows of one key: share of human texts, as token ids, that each rule accuses."""
    key = derive_seed(cell.run.seed, "null", cell.repetition)
    mark = TripleSetWatermark(key, config.ratios, config.context)
    p_values: dict[str, list[float]] = {rule: [] for rule in RULES}
    for ids in map(np.array, human):
        once = mark.detect(ids)
        for rule in ("brown", "fisher", "exact"):
            one = mark.judge(once.green, once.red, once.tokens_scored, rule)
            p_values[rule].append(one.p_value)
        p_values[EVERY_PAIR].append(_with_repeats(mark, ids).p_value)
        p_values[KGW].append(kgw(key).detect(ids).p_value)
    return [
        row("accused", Rate(sum(p <= level for p in values), len(values)), rule=rule, level=level)
        for rule, values in p_values.items()
        for level in LEVELS
    ]


def _with_repeats(mark: TripleSetWatermark, ids: Ids) -> WatermarkDetection:
    windows = np.lib.stride_tricks.sliding_window_view(ids, mark.context + 1)
    pairs = torch.from_numpy(windows.copy())
    numbers = mark.numbers(pairs[:, :-1], pairs[:, -1])
    return mark.judge(int(mark.green(numbers).sum()), int(mark.red(numbers).sum()), len(pairs))


def pooled_rows(groups: Sequence[Group]) -> list[Row]:
    """Rows over the texts of all groups together: perplexity and distinct n-grams."""
    rows = []
    for name in groups[0]["systems"]:
        systems = [group["systems"][name] for group in groups]
        losses = [loss for one in systems for loss in one["loss"]]
        texts = [ids for one in systems for ids in one["written"]]
        pooled = {"perplexity": float(np.exp(np.mean(losses)))}
        pooled |= {f"distinct-{n}": distinct_n(texts, n) for n in (1, 2, 3)}
        rows += [
            row(metric, value, system=name, repetition=None) for metric, value in pooled.items()
        ]
    return rows
