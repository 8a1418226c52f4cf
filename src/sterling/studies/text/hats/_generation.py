"""Configuration of the study, and the texts that its systems write in every group."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from sterling.errors import InputError
from sterling.lm import LocalModel, Sampling, load_local, token_stats, train_small
from sterling.runs import Run, derive_seed
from sterling.study import Config
from sterling.text import TripleSetWatermark, kgw, unigram
from sterling.text.corpus.prose import human_prose
from sterling.text.corpus.records import read_corpus

PLAIN, HATS, KGW, UNIGRAM = "no watermark", "HATS", "KGW", "Unigram"
ASK = "Rewrite this text in other words and keep its meaning:\n\n{text}"
Group = dict[str, Any]
"""Key of a group and, as token ids, its texts: ``human``, ``paraphrased``, and for every system
``written`` (as generated), ``read`` (the text tokenized again), ``loss`` (mean negative
log-likelihood per token, nats) and ``unmarked`` (share of steps without a mark)."""


class HatsConfig(Config):
    """Configuration of the study.

    Attributes:
        data: Human texts, as a folder of text files or .jsonl; None takes the embedded prose.
        model: "smollm2", a folder of a local model, or "small": a tiny one trained here.
        groups: Number of groups; each has a key, prompts and human texts of its own.
        texts: Number of prompts in a group.
        prompt_tokens: Number of tokens of a human text that make a prompt.
        tokens: Number of tokens generated after a prompt.
        lengths: Numbers of tokens at which texts are tested, ascending; none exceeds `tokens`.
        ratios: Shares of green, yellow and red.
        context: Number of tokens that decide a colour.
        temperature: Temperature of sampling; 1 is the model's own distribution.
        paraphrased: Number of texts of a group that the model itself rewrites; 0 for none.
        null_keys: Number of keys that every human text is tested with.
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


def watermarks(config: HatsConfig, key: int) -> dict[str, TripleSetWatermark]:
    """Return the compared watermarks with one key, by name."""
    return {
        HATS: TripleSetWatermark(key, config.ratios, config.context),
        KGW: kgw(key),
        UNIGRAM: unigram(key),
    }


def generated(config: HatsConfig, run: Run, index: int) -> Group:
    """Return the texts of a group; they are written once in a run."""
    group: Group = run.stage(f"group-{index}", partial(_generate, config, run.seed, index))
    return group


def _generate(config: HatsConfig, seed: int, index: int) -> Group:
    human = _human_texts(config, seed)
    model = (
        train_small(human[:50], seed=derive_seed(seed, "small") % 2**31, steps=30)
        if config.model == "small"
        else load_local(config.model, dtype="bfloat16")
    )
    wanted = config.prompt_tokens + config.tokens
    encoded = (model.encode(text, wanted) for text in human[index :: config.groups])
    ids = list(islice((one for one in encoded if len(one) == wanted), config.texts))
    if len(ids) < config.texts:
        raise InputError(
            f"{len(ids)} human texts of {wanted} tokens in group {index}; {config.texts} are needed"
        )
    prompts = [one[: config.prompt_tokens] for one in ids]
    key, draw = derive_seed(seed, "key", index), derive_seed(seed, "draw", index)
    marks: dict[str, TripleSetWatermark | None] = {PLAIN: None, **watermarks(config, key)}
    texts, systems = {}, {}
    for name, mark in marks.items():
        texts[name], systems[name] = _write(model, config, prompts, mark, draw)
    return {
        "key": key,
        "human": [one[config.prompt_tokens :].tolist() for one in ids],
        "systems": systems,
        "paraphrased": _paraphrases(model, texts[HATS][: config.paraphrased], config.tokens, draw),
    }


def _human_texts(config: HatsConfig, seed: int) -> list[str]:
    if config.data is None:
        texts = [passage.text for passage in human_prose("addresses")]
    else:
        texts = [record.text for record in read_corpus(config.data).records]
    order = np.random.default_rng(derive_seed(seed, "human")).permutation(len(texts))
    return [texts[row] for row in order]


def _write(
    model: LocalModel,
    config: HatsConfig,
    prompts: Sequence[Tensor],
    mark: TripleSetWatermark | None,
    seed: int,
) -> tuple[list[str], dict[str, Any]]:
    """Generate a text after every prompt; return the texts and their part of a `Group`."""
    processor = None if mark is None else mark.processor()
    steps = [_without_ends(model)] + ([] if processor is None else [processor])
    sampling = Sampling(config.tokens, config.temperature, top_p=1.0)
    given = [model.decode(prompt) for prompt in prompts]
    texts = model.generate(given, sampling, seed=seed, processors=steps)
    new = [torch.tensor(one.token_ids) for one in texts]
    whole = [torch.cat([prompt, one]) for prompt, one in zip(prompts, new, strict=True)]
    losses = [0.0] * len(whole)
    for one in model.passes(whole):
        stats = token_stats(one.logits[:, :-1], one.ids[:, 1:], one.mask[:, 1:])
        for place, row in enumerate(one.rows):
            scored = stats.log_prob[place, len(prompts[row]) - 1 : len(whole[row]) - 1]
            losses[row] = -float(scored.double().mean())
    return [one.text for one in texts], {
        "written": [list(one.token_ids) for one in texts],
        "read": [model.encode(one.text).tolist() for one in texts],
        "loss": losses,
        "unmarked": 0.0 if processor is None else processor.unmarked / processor.steps,
    }


def _without_ends(model: LocalModel) -> Callable[[Tensor, Tensor], Tensor]:
    """Keep texts from ending early, so that all are tested at the same lengths."""
    ends = torch.tensor(model.ends, dtype=torch.int64)
    return lambda _ids, scores: scores.index_fill(1, ends.to(scores.device), -torch.inf)


def _paraphrases(
    model: LocalModel, texts: Sequence[str], tokens: int, seed: int
) -> list[list[int]]:
    """Let the model rewrite texts: in a chat if it has a chat template, otherwise as a prompt."""
    if not texts:
        return []
    sampling = Sampling(tokens, temperature=0.7)
    prompts = [ASK.format(text=text) for text in texts]
    if model.tokenizer.chat_template is None:
        answers = model.generate(prompts, sampling, seed=seed)
    else:
        answers = model.chat(
            [[{"role": "user", "content": one}] for one in prompts], sampling, seed=seed
        )
    return [model.encode(one.text).tolist() for one in answers]
