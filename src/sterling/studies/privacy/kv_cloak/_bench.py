"""Configuration, a model, a secret drawn for it, and prompts: the basis of every trial."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from sterling.errors import InputError
from sterling.lm import LocalModel, load_local, train_small
from sterling.privacy.cache.baselines import cache_norms, channels_permuted, noised
from sterling.privacy.cache.cloak import CloakConfig, CloakSecret, draw_secret
from sterling.privacy.cache.fusion import fuse
from sterling.privacy.cache.snapshot import (
    CacheSnapshot,
    cloaked_snapshot,
    largest_entries,
    plain_snapshot,
)
from sterling.runs import derive_seed
from sterling.study import Config
from sterling.tables import read_lines
from sterling.text.corpus.prose import human_prose

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PLAIN, CLOAKED, NOISE, PERMUTED = "plain", "KV-Cloak", "Gaussian noise", "channels permuted"
SYSTEMS = (PLAIN, NOISE, PERMUTED, CLOAKED)
DEFENCES = {
    "published": CloakConfig(),
    "scaled": CloakConfig(s_ratio=2.0, m_ratio=2.0),
    "dense": CloakConfig(mask="dense", s_ratio=2.0),
}
PROMPTS = (
    "My blood test came back yesterday and the iron value is far below the range.",
    "Please write a short letter to the bank about a card that was lost on the train.",
    "How do I tell my landlord that the heating has been broken since the first of the month?",
    "Give me three ideas for a birthday party with ten children and a small garden.",
    "The password of the old router is written under the lid of the blue box.",
    "Can you explain why the sky turns red in the evening and not at noon?",
    "I have been offered a new job in another city, but my mother needs my help at home.",
    "Summarise the minutes of the last meeting in two sentences for the board.",
    "What is a fair price for a used bicycle with a cracked frame and new tyres?",
    "Our school wants to plant forty trees behind the hall before the winter.",
    "Translate this sentence into French and tell me which word is the hardest.",
    "The patient complains of a dull pain in the left knee after long walks.",
    "Write a function that counts how often each word appears in a file.",
    "My tax return shows a loss from the rented flat, is that allowed?",
    "Which bread can I bake in one hour with flour, yeast and a little oil?",
    "I signed the contract on Monday and would like to withdraw from it today.",
)
TEMPLATE = "<|im_start|>user\n"
"""First tokens of the chat template, with which every prompt begins; the adversary knows them."""

PROMPT_FILE = "prompts.txt"
WORDS = 12  # of a passage of the manual, at least; a block of candidates is its beginning
MEASURED = 60  # passages that bounds of entries are measured on


class KVCloakConfig(Config):
    """Configuration of the study.

    Attributes:
        data: Folder of a model in transformers' format, and ``prompts.txt`` with one prompt a
            line if you have your own; None takes the packaged model.
        trained_here: Take a tiny model, trained here, instead.
        prompts: Prompts for inversion, injection and exactness.
        collided: Prompts that collision attacks.
        tokens: Tokens of each prompt that collision attacks; inversion takes them all.
        searched: Share of the vocabulary that collision tries at a position.
        batch: Candidates that collision tries at a time.
        written: Tokens that are generated to compare a cloaked cache with a plain one.
        candidates: Texts of one block that the fingerprint chooses among.
        targets: Blocks that it is tried on, each under a secret of its own.
        steps: Steps that are timed, with each cache.
        research_use: Must be true: the study reads prompts from caches. The smoke preset has it
            set, on a model trained here.
    """

    trained_here: bool = False
    prompts: int = Field(default=16, ge=2)
    collided: int = Field(default=3, ge=1)
    tokens: int = Field(default=12, ge=1)
    searched: float = Field(default=1 / 32, gt=0, le=1)
    batch: int = Field(default=128, ge=2)
    written: int = Field(default=24, ge=1)
    candidates: int = Field(default=1000, ge=10)
    targets: int = Field(default=100, ge=2)
    steps: int = Field(default=48, ge=4)
    research_use: bool = False


@dataclass(frozen=True)
class CacheBench:
    """A model with prompts. Every prompt begins with the same tokens, which the adversary knows.

    Attributes:
        lm: The model with its tokenizer.
        template: Tokens that every prompt begins with.
        ids: Tokens of each prompt, the template's first.
        measured: Tokens of a long text that the bounds of entries are measured on.
        seed: Seed of secrets, noise and draws.
    """

    lm: LocalModel
    template: Tensor
    ids: Sequence[Tensor]
    measured: Tensor
    seed: int

    @property
    def model(self) -> "PreTrainedModel":
        """The model with the public weights."""
        return self.lm.model

    @cached_property
    def largest(self) -> Tensor:
        """Largest entries (L, 2, H) of the measured text."""
        return largest_entries([plain_snapshot(self.model, self.measured)])

    @cached_property
    def secret(self) -> CloakSecret:
        """A secret of the published defaults."""
        return self.draw(CloakConfig(), "bench")

    @cached_property
    def fused(self) -> "PreTrainedModel":
        """The model with the secret's M in its weights."""
        return fuse(self.model, self.secret)

    @cached_property
    def layers(self) -> Mapping[str, int]:
        """First, middle (if there is one between) and last layer."""
        last = len(self.largest) - 1
        places = {"first": 0, "middle": (last + 1) // 2, "last": last}
        return {name: at for name, at in places.items() if name != "middle" or 0 < at < last}

    def draw(self, config: CloakConfig, *names: str | int) -> CloakSecret:
        """Draw a secret that follows from the seed; a real one is drawn from the system."""
        key = derive_seed(self.seed, "secret", *names).to_bytes(32, "little")
        head_dim = plain_snapshot(self.model, self.measured[:1]).keys[0].shape[-1]
        return draw_secret(self.largest, head_dim, config, key)

    def caches(self, prompt: int) -> dict[str, CacheSnapshot]:
        """Return the caches of one prompt, by defence."""
        plain = plain_snapshot(self.model, self.ids[prompt])
        return {
            PLAIN: plain,
            NOISE: noised(plain, self._median_norms, self._generator("noise", prompt)),
            PERMUTED: channels_permuted(plain, self._generator("permutation")),
            CLOAKED: cloaked_snapshot(self.fused, self.secret, self.ids[prompt], (0, prompt)),
        }

    def truth(self, prompt: int) -> list[int]:
        """Return the tokens that an attack should find: the prompt's after the template."""
        tokens: list[int] = self.ids[prompt][len(self.template) :].tolist()
        return tokens

    @cached_property
    def _median_norms(self) -> tuple[float, float]:
        norms = [cache_norms(plain_snapshot(self.model, ids)) for ids in self.ids]
        keys, values = np.median(norms, axis=0).tolist()
        return keys, values

    def _generator(self, *names: str | int) -> torch.Generator:
        return torch.Generator().manual_seed(derive_seed(self.seed, *names) % 2**63)


@cache
def make_bench(config: KVCloakConfig, seed: int) -> CacheBench:
    """Load or train the model, and encode the prompts; kept for the life of the process."""
    passages = manual()
    if config.trained_here:
        lm = train_small([*PROMPTS, *passages[:200]], seed=0, steps=40)
    else:
        lm = load_local(config.data or "smollm2")
    lm.model.requires_grad_(False)
    template = lm.encode(TEMPLATE)
    # The first tokens of a text have the largest keys, so the measured text has the template, too.
    measured = lm.encode(TEMPLATE + " ".join(passages[-MEASURED:]), lm.context // 2)
    texts = prompts_of(config)[: config.prompts]
    ids = [torch.cat((template, lm.encode(prompt))) for prompt in texts]
    return CacheBench(lm, template, ids, measured, seed)


def manual() -> list[str]:
    """Return the passages of the manual."""
    return [passage.text for passage in human_prose("manual", WORDS)]


def prompts_of(config: KVCloakConfig) -> Sequence[str]:
    """Return the folder's prompts, or ours."""
    path = None if config.data is None else config.data / PROMPT_FILE
    if path is None or not path.is_file():
        return PROMPTS
    return [line.strip() for line in read_lines(path) if line.strip()]


def check(config: KVCloakConfig) -> None:
    """Refuse a configuration that cannot run.

    Raises:
        InputError: The switch is off, there are two models, or too few prompts.
    """
    if not config.research_use:
        raise InputError(
            "research_use false: this study reads prompts from caches; give --research-use for "
            "research on models of your own"
        )
    if config.data is not None and config.trained_here:
        raise InputError("trained_here true: the model is the folder's at --data; set it to false")
    if len(prompts_of(config)) < config.prompts:
        raise InputError(f"prompts {config.prompts}: there are {len(prompts_of(config))}; lower it")
