"""Configuration of the study, and the texts of every repetition."""

import numpy as np
from pydantic import Field

from sterling.errors import InputError
from sterling.lm import LocalModel, Sampling, load_local, train_small
from sterling.runs import Cell, derive_seed
from sterling.study import Config
from sterling.text.corpus.build import BuildPlan, build_corpus
from sterling.text.corpus.prose import PROSE_DOMAINS, human_prose
from sterling.text.corpus.public_pairs import read_public_pairs
from sterling.text.corpus.records import Corpus, TextRecord, split_by_group

LEAST_PAIRS = 8  # so that every split has both kinds
SHARES = (2, 1, 1)  # ours: the platform's 8 : 1 : 1 leaves too few texts to test on


class MgtevalConfig(Config):
    """Configuration of the study.

    Attributes:
        data: Folder of public sets of human and machine texts; None writes the machine texts.
        model: "smollm2", a folder that transformers wrote, or "small": a tiny one trained on other
            texts of the same domains. It writes (unless `data` brings machine texts) and scores.
        seeds: Number of repetitions, each on texts of its own.
        pairs: Number of human texts, and of machine texts, per domain and repetition; where public
            sets bring more than two domains, they share the number that two would have.
        prefix_tokens: Number of tokens of a human text that the model continues. They are part of
            neither text: shared beginnings would only hide what differs.
        new_tokens: Largest number of tokens that the model writes.
        attacks: Edits of the detected texts; see `sterling.text.attacks.FREE_ATTACKS`.
        share: Share of words that an attack changes.
        slow: Detectors that need many passes for each text.
        slow_pairs: Number of pairs per repetition that they score.
        copies: Number of copies of a text that they make.
    """

    model: str = "smollm2"
    seeds: int = Field(default=4, ge=1)
    pairs: int = Field(default=24, ge=LEAST_PAIRS)
    prefix_tokens: int = Field(default=64, ge=1)
    new_tokens: int = Field(default=128, ge=16)
    attacks: tuple[str, ...] = ("typo", "homo", "form", "syno-lite", "span-lite", "para-lite")
    share: float = Field(default=0.6, ge=0, le=1)
    slow: tuple[str, ...] = ("binoculars", "detect_gpt", "npr")
    slow_pairs: int = Field(default=6, ge=1)
    copies: int = Field(default=10, ge=2)

    @property
    def max_tokens(self) -> int:
        """Number of tokens of a text that count."""
        return self.prefix_tokens + self.new_tokens


def corpus(config: MgtevalConfig, cell: Cell, seed: int) -> tuple[LocalModel, list[TextRecord]]:
    """Return the model and the texts of one repetition, divided into splits by a seed.

    Raises:
        InputError: There are too few texts, or texts of one domain only.
    """
    index = cell.repetition
    records, others = _texts(config, cell.run.seed, index)
    domains = sorted({record.domain for record in records})
    if len(domains) < 2:
        raise InputError(f"domains {domains}: give texts of two or more, to test the transfer")
    if config.model == "small":
        model = train_small(
            others, seed=derive_seed(cell.run.seed, "small", index) % 2**31, steps=80
        )
    else:
        model = load_local(config.model)
    if config.data is None:
        plan = BuildPlan(
            prefix_tokens=config.prefix_tokens,
            mode="continuation",
            samplings=(Sampling(max_new_tokens=config.new_tokens),),
            seed=cell.seed,
        )
        place = cell.run.folder / "corpora" / str(index)
        records = list(build_corpus(Corpus(tuple(records)), model, plan, place).records)
    parts = [[one for one in records if one.domain == domain] for domain in domains]
    return model, [record for part in parts for record in split_by_group(part, seed, SHARES)]


def _texts(config: MgtevalConfig, seed: int, index: int) -> tuple[list[TextRecord], list[str]]:
    """Texts of one repetition, shared with no other, and human texts that no repetition has."""
    texts = read_public_pairs(config.data) if config.data else _human_texts(config)
    domains = sorted({one.domain for one in texts})
    pairs = max(LEAST_PAIRS, min(config.pairs, config.pairs * len(PROSE_DOMAINS) // len(domains)))
    records: list[TextRecord] = []
    others: list[str] = []
    for domain in domains:
        rng = np.random.default_rng(derive_seed(seed, domain))
        for label in (0, 1) if config.data else (0,):
            # Several files hold the same human texts.
            kind = {one.text: one for one in texts if (one.domain, one.label) == (domain, label)}
            distinct = list(kind.values())
            pool = [distinct[row] for row in rng.permutation(len(kind)).tolist()]
            if len(pool) < config.seeds * pairs:
                raise InputError(
                    f"domain {domain}: {len(pool)} texts of a kind are too few for {config.seeds} "
                    f"repetitions of {pairs} pairs; lower pairs or seeds"
                )
            records += pool[index * pairs : (index + 1) * pairs]
            if label == 0:
                others += [one.text for one in pool[config.seeds * pairs :][:100]]
    return records, others


def _human_texts(config: MgtevalConfig) -> list[TextRecord]:
    words = round(0.9 * config.max_tokens)
    return [
        TextRecord(f"{domain}/{row}", one.text, 0, f"{domain}/{one.source}", domain=domain)
        for domain in PROSE_DOMAINS
        for row, one in enumerate(human_prose(domain, words))
    ]
