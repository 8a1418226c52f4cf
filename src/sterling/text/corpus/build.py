"""A corpus of human texts and of a language model's continuations of their beginnings.

MGTEVAL's first component: a prompt from the first 64 tokens of a human text, one machine text for
each prompt, groups divided 8 : 1 : 1. Ours: a human text is cut to as many tokens as its machine
text may have, since its length would give it away.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sterling.checks import Count, check_fields
from sterling.errors import InputError, NothingMeasuredError
from sterling.lm import LanguageModel, LocalModel, Message, Sampling
from sterling.runs import derive_seed, track
from sterling.storage import write_atomically
from sterling.text.corpus.records import (
    Corpus,
    TextRecord,
    Unread,
    content_id,
    read_corpus,
    split_by_group,
    write_records,
)
from sterling.text.detectors.scored import LEAST_TOKENS, too_short, unreadable

TextMode = Literal["prompt_plus", "continuation"]
BATCH = 32  # prompts at a time, and the unit that is done again after an interruption
# For models behind an endpoint, whose tokens are not known. A letter of a script without spaces
# between words (Thai, Chinese, Japanese, ...), a Korean syllable and an emoji are each about a
# token; other text is cut at blanks and, where there are none, after 24 letters.
WORDS_A_TOKEN = 0.75
_WIDE = (
    "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\ua4cf\uac00-\ud7af\uf900-\ufaff\ufe30-\ufe4f"
)
_WIDE += "\uff00-\uffef\U0001f000-\U0003ffff"
_PIECE = re.compile(rf"(?!\s)(?:(?P<wide>[{_WIDE}])|[^\s{_WIDE}]{{1,24}})")


@dataclass(frozen=True)
class BuildPlan:
    """Plan of a corpus: prompts, modes and samplings of its machine texts.

    Attributes:
        prefix_tokens: Tokens of the human text that begin the prompt; the platform takes 64.
        template: Text around them, with "{prefix}" where they go.
        system: System prompt, which makes it a chat; None for none.
        mode: "prompt_plus" keeps the beginning in front of the machine's text, as the platform
            does; "continuation" leaves it out of both texts.
        samplings: Sampling of each machine text of a prompt; several are a sweep.
        seed: Seed of splits and generation.
    """

    prefix_tokens: Count = 64
    template: str = "{prefix}"
    system: str | None = None
    mode: TextMode = "prompt_plus"
    samplings: tuple[Sampling, ...] = field(default=(Sampling(),))
    seed: int = 0

    def __post_init__(self) -> None:
        check_fields(self)
        if "{prefix}" not in self.template:
            raise InputError(f"template {self.template!r}: write {{prefix}} where the text goes")
        if not self.samplings:
            raise InputError("samplings: give one or more")


def sweep(max_new_tokens: int = 128) -> tuple[Sampling, ...]:
    """Return the platform's sweep: greedy, three temperatures, three nucleus masses."""
    return (
        Sampling(max_new_tokens, temperature=0.0, top_p=1.0),
        *(Sampling(max_new_tokens, temperature=one) for one in (0.3, 0.7, 1.2)),
        *(Sampling(max_new_tokens, top_p=one) for one in (0.8, 0.9, 1.0)),
    )


def build_corpus(
    human: Corpus,
    model: LanguageModel,
    plan: BuildPlan,
    folder: Path,
    report: Callable[[int, int], None] | None = None,
) -> Corpus:
    """Write ``corpus.jsonl`` into a folder, or resume an interrupted build.

    Finished batches are kept; the same batches with the same seeds are asked for again, so a
    resumed corpus is the one of an uninterrupted build.

    Args:
        human: Texts of people; those of machines among them are refused.
        model: Model that writes.
        plan: Prompts, modes and samplings of the machine texts.
        folder: Folder of this corpus alone.
        report: Function of the number of texts that were continued and of all, before the first
            batch and after each.

    Returns:
        The corpus, divided into splits. Texts too short for a prompt, and prompts to which the
        model wrote nothing, are in ``unread``.

    Raises:
        InputError: A machine text among the human ones, or a folder that holds another corpus.
        NothingMeasuredError: No human text is long enough.
    """
    if any(record.label for record in human.records):
        raise InputError("human texts: some are labelled as a machine's; give texts of people")
    cuts = [_cut(record, model, plan) for record in human.records]
    unread = [*human.unread, *(one for one in cuts if isinstance(one, Unread))]
    usable = [one for one in cuts if isinstance(one, _Cut)]
    if not usable:
        reason = unread[0].reason if unread else "there is none"
        raise NothingMeasuredError(f"no human text can be used: {reason}")
    _check_folder(folder, model, plan, usable)
    split = {
        one.group: one.split for one in split_by_group([cut.human for cut in usable], plan.seed)
    }
    batches = [usable[start : start + BATCH] for start in range(0, len(usable), BATCH)]
    parts = [folder / "batches" / f"{number:05}.jsonl" for number in range(len(batches))]
    tell = report or (lambda _done, _total: None)
    tell(0, len(usable))
    with track("machine texts", len(batches)) as advance:
        for number, (batch, part) in enumerate(zip(batches, parts, strict=True)):
            if not part.exists():
                write_records(part, _placed(_batch(batch, number, model, plan), split))
            advance()
            tell(min(len(usable), (number + 1) * BATCH), len(usable))
    write_atomically(folder / "corpus.jsonl", b"".join(part.read_bytes() for part in parts))
    corpus = read_corpus(folder / "corpus.jsonl")
    answered = {str(one.meta["human"]) for one in corpus.records if one.label == 1}
    silent = [
        Unread(cut.human.id, "the model wrote nothing after its beginning")
        for cut in usable
        if cut.human.id not in answered
    ]
    return Corpus(corpus.records, (*unread, *silent))


@dataclass(frozen=True)
class _Cut:
    human: TextRecord
    prefix: str


def _cut(record: TextRecord, model: LanguageModel, plan: BuildPlan) -> _Cut | Unread:
    """Return the beginning of a text, and the text cut to the length of a machine's."""
    if reason := unreadable(record.text):
        return Unread(record.id, reason)
    most = plan.prefix_tokens + max(one.max_new_tokens for one in plan.samplings)
    if isinstance(model, LocalModel):
        ids = model.encode(record.text, most)
        length = len(ids)
        prefix = model.decode(ids[: plan.prefix_tokens])
        whole = model.decode(ids)
        rest = model.decode(ids[plan.prefix_tokens :])
    else:
        ends, tokens = _pieces(record.text)
        length = min(most, round(tokens[-1]))
        prefix, whole, rest = (
            " ".join(part.split())
            for part in _parted(record.text, ends, tokens, plan.prefix_tokens, most)
        )
    if reason := too_short(length, least=plan.prefix_tokens + LEAST_TOKENS):
        return Unread(record.id, reason)
    text = whole if plan.mode == "prompt_plus" else rest
    human = replace(record, text=text.strip(), label=0, split="", parent="", attack="")
    return _Cut(human, prefix)


def _pieces(text: str) -> tuple[list[int], NDArray[np.float64]]:
    """End of each word or wide letter of a text, and about how many tokens there are up to it."""
    found = list(_PIECE.finditer(text))
    weights = [1.0 if one["wide"] else 1 / WORDS_A_TOKEN for one in found]
    return [one.end() for one in found], np.cumsum(weights)


def _parted(
    text: str, ends: list[int], tokens: NDArray[np.float64], prefix: int, most: int
) -> tuple[str, str, str]:
    """Return the beginning of a text, the text up to most tokens, and that without the first."""
    half = 0.5 / WORDS_A_TOKEN  # a word is taken if more than half of it fits
    first, last = (
        ends[max(1, int(np.searchsorted(tokens, limit + half, side="right"))) - 1]
        for limit in (prefix, most)
    )
    return text[:first], text[:last], text[first:last]


def _batch(
    batch: Sequence[_Cut], number: int, model: LanguageModel, plan: BuildPlan
) -> list[TextRecord]:
    """Return the human texts of a batch, and the machine texts of every sampling."""
    records = [cut.human for cut in batch]
    prompts = [plan.template.replace("{prefix}", cut.prefix) for cut in batch]
    for place, sampling in enumerate(plan.samplings):
        seed = derive_seed(plan.seed, "build", number, place) % 2**31
        if plan.system is None:
            answers = model.generate(prompts, sampling, seed=seed, purpose="build")
        else:
            system = Message(role="system", content=plan.system)
            answers = model.chat(
                [[system, Message(role="user", content=prompt)] for prompt in prompts],
                sampling,
                seed=seed,
                purpose="build",
            )
        for cut, answer in zip(batch, answers, strict=True):
            if not answer.text.strip():
                continue
            begin = cut.prefix if plan.mode == "prompt_plus" else ""
            space = "" if answer.text[:1].isspace() or plan.system is None else " "
            records.append(
                TextRecord(
                    f"{cut.human.id}#{place}",
                    (begin + space + answer.text).strip(),
                    1,
                    cut.human.group,
                    cut.human.language,
                    cut.human.domain,
                    model.name,
                    meta={
                        "human": cut.human.id,
                        "prefix_tokens": plan.prefix_tokens,
                        "mode": plan.mode,
                        "sampling": asdict(sampling),
                        "finished": answer.finished,
                    },
                )
            )
    return records


def _placed(records: Sequence[TextRecord], split: dict[str, str]) -> list[TextRecord]:
    return [replace(one, split=split[one.group]) for one in records]


def _check_folder(
    folder: Path, model: LanguageModel, plan: BuildPlan, usable: Sequence[_Cut]
) -> None:
    """Refuse to resume another corpus."""
    identity = json.loads(
        json.dumps(
            {
                "plan": asdict(plan),
                "model": model.name,
                "weights": model.fingerprint if isinstance(model, LocalModel) else "",
                "humans": content_id("".join(cut.human.id + cut.human.text for cut in usable)),
            }
        )
    )
    path = folder / "build.json"
    if path.exists():
        if json.loads(path.read_text("utf-8")) != identity:
            raise InputError(f"{folder} holds another corpus; choose a new folder")
        return
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty and holds no corpus; choose a new folder")
    write_atomically(path, json.dumps(identity, indent=1))
