"""Language models with weights on this machine, run by transformers."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.lm.language_model import Generation, Message, Sampling
from sterling.lm.ledger import Call, CallLedger
from sterling.lm.store import SignalStore
from sterling.lm.token_stats import TokenStats, token_stats

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Processor = Callable[[Tensor, Tensor], Tensor]  # a transformers LogitsProcessor, or one like it
PASS_TOKENS = 1024  # per batch: 200 MB of logits at a vocabulary of 49,152
PASSES = 8  # batches at a time, at most: 1.6 GB of logits
PROMPTS = 32  # per batch of generation
UNSTATED_CONTEXT = 2048  # tokens; our choice
# What configurations call the largest number of positions.
_CONTEXTS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "n_ctx")
LONG_TOKEN = 16  # characters per token at which texts are cut before they are tokenized


@dataclass(frozen=True, eq=False)
class Pass:
    """One forward pass over several texts of similar length.

    Attributes:
        rows: Positions of these texts among all, (N,).
        ids: Token ids, padded at the end, int64 (N, T).
        mask: True for positions that hold a token, bool (N, T).
        logits: (N, T, V); those at t predict the token at t + 1.
    """

    rows: list[int]
    ids: Tensor
    mask: Tensor
    logits: Tensor


@dataclass(eq=False)
class LocalModel:
    """A causal language model with its tokenizer.

    Nothing is drawn from the global random state. On few cores and small batches one thread
    (``OMP_NUM_THREADS=1``) is often faster than two.

    Attributes:
        name: Name in reports.
        model: Network in evaluation mode.
        tokenizer: Tokenizer of the network.
        ledger: Ledger of generated texts; passes over given texts are not calls.
    """

    name: str
    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    ledger: CallLedger = field(default_factory=CallLedger)

    @property
    def vocabulary(self) -> int:
        """Number V of logits at a position."""
        return int(self.model.config.get_text_config().vocab_size)

    @property
    def context(self) -> int:
        """Largest number of tokens of a pass: the model's limit, or else its tokenizer's.

        Models without a limit (Mamba, ALiBi) get `UNSTATED_CONTEXT`.
        """
        config = self.model.config.get_text_config()
        limits = [getattr(config, name, None) for name in _CONTEXTS]
        limits.append(self.tokenizer.model_max_length)  # 10^30 where it is not stated
        stated = (int(one) for one in limits if isinstance(one, (int, float)) and 0 < one < 1 << 31)
        return next(stated, UNSTATED_CONTEXT)

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return torch.device(self.model.device)

    @property
    def ends(self) -> list[int]:
        """The tokens that end a text."""
        configured = self.model.generation_config.eos_token_id
        every = [*(configured if isinstance(configured, list) else [configured])]
        every.append(self.tokenizer.eos_token_id)
        return list(dict.fromkeys(end for end in every if end is not None))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all weights and of the vocabulary, hexadecimal; computed on first use."""
        digest = hashlib.sha256()
        for token, number in sorted(self.tokenizer.get_vocab().items()):
            digest.update(f"{token}\0{number}\0".encode())
        for name, weights in sorted(self.model.state_dict().items()):
            digest.update(f"{name}{tuple(weights.shape)}{weights.dtype}".encode())
            digest.update(weights.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return digest.hexdigest()

    def encode(self, text: str, max_tokens: int | None = None) -> Tensor:
        """Return token ids of a text, int64 (T,), with the tokenizer's special tokens before it.

        Args:
            text: Text of any length; the part far behind `max_tokens` is ignored.
            max_tokens: Number of first tokens to take; None takes all.

        Raises:
            InputError: The text holds half of a surrogate pair, which no encoding of it has.
        """
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"text: character {error.start} is half of a surrogate pair; read the file as "
                "UTF-8 with errors='replace'"
            ) from error
        if max_tokens is None:
            return self._ids(text)
        length = LONG_TOKEN * max_tokens
        ids = self._ids(text[:length])
        # The last tokens before a cut may differ from the whole text's: take some more than needed.
        while len(ids) < max_tokens + LONG_TOKEN and length < len(text):
            length *= 4
            ids = self._ids(text[:length])
        return ids[:max_tokens]

    def _ids(self, text: str) -> Tensor:
        return torch.tensor(self.tokenizer(text, verbose=False)["input_ids"], dtype=torch.int64)

    def decode(self, token_ids: Iterable[int]) -> str:
        """Return the text of tokens, without special ones."""
        text: str = self.tokenizer.decode(
            [int(token) for token in token_ids], skip_special_tokens=True
        )
        return text

    def passes(self, texts: Sequence[Tensor]) -> Iterator[Pass]:
        """Run forward passes over token ids, texts of similar length together, longest first.

        Args:
            texts: Token ids of each text, int64 (T,), T of 1 or more.

        Raises:
            InputError: A text is empty or longer than the model's context.
        """
        for row, ids in enumerate(texts):
            if not 0 < len(ids) <= self.context:
                raise InputError(
                    f"text {row}: {len(ids)} tokens; from 1 to the {self.context} of {self.name}"
                )
        for rows in _batches(texts):
            yield self._pass(texts, rows)

    def _pass(self, texts: Sequence[Tensor], rows: list[int]) -> Pass:
        ids = torch.nn.utils.rnn.pad_sequence([texts[row] for row in rows], batch_first=True)
        lengths = torch.tensor([len(texts[row]) for row in rows])
        mask = torch.arange(ids.shape[1]) < lengths[:, None]
        ids, mask = ids.to(self.device), mask.to(self.device)
        with torch.no_grad():
            logits = self.model(input_ids=ids, attention_mask=mask, use_cache=False).logits
        return Pass(rows, ids, mask, logits)

    def stats(
        self, texts: Sequence[str], *, max_tokens: int = 512, store: SignalStore | None = None
    ) -> list[TokenStats]:
        """Return statistics of every token of every text, by one forward pass.

        The first token has no prediction, so a text of T tokens has T - 1 values, and one of a
        single token none. On the processor as many batches run at a time as PyTorch has threads.

        Args:
            texts: Any number of texts.
            max_tokens: Number of first tokens of each text to use, at most the context.
            store: Store of values computed before; new ones are added.

        Returns:
            For each text, tensors of its scored tokens, on the processor.
        """
        limit = min(max_tokens, self.context)
        ids = [self.encode(text, limit) for text in texts]
        found: dict[int, TokenStats] = {}
        found = {row: _nothing() for row, tokens in enumerate(ids) if len(tokens) < 2}
        if store is not None:
            for row in set(range(len(ids))) - set(found):
                known = store.get(self._place(store, ids[row]))
                if known is not None:
                    found[row] = TokenStats(**known)
        missing = [row for row in range(len(ids)) if row not in found]
        asked = [ids[row] for row in missing]

        def statistics(rows: list[int]) -> TokenStats:
            one = self._pass(asked, rows)
            return token_stats(one.logits[:, :-1], one.ids[:, 1:], one.mask[:, 1:])

        batches = list(_batches(asked))
        with _passes_at_once(self.device) as pool:
            for rows, batch in zip(batches, pool.map(statistics, batches), strict=True):
                for place, inner in enumerate(rows):
                    row = missing[inner]
                    found[row] = _row(batch, place, len(ids[row]) - 1)
                    if store is not None:
                        store.put(self._place(store, ids[row]), vars(found[row]))
        return [found[row] for row in range(len(ids))]

    def _place(self, store: SignalStore, ids: Tensor) -> Path:
        return store.path(self.fingerprint, "token_stats", ids.numpy().tobytes())

    def generate(
        self,
        prompts: Sequence[str],
        sampling: Sampling = Sampling(),  # noqa: B008 - frozen
        *,
        seed: int = 0,
        purpose: str = "",
        processors: Sequence[Processor] = (),
    ) -> list[Generation]:
        """Continue each prompt.

        Every prompt has random numbers of its own, from the seed and its place in the list. (The
        other prompts of its batch move logits in the last digits, and can so change a token.)

        Args:
            prompts: Texts, none of them empty; a text that leaves no room for the new tokens is cut
                at its start.
            sampling: Settings of the drawing.
            seed: Seed of all random numbers, 0 or more.
            purpose: Name of the calls in the ledger.
            processors: Functions that change the logits of every step, in order, before temperature
                and the like.

        Raises:
            InputError: A prompt has no token, or the new tokens alone fill the context.
            BudgetExhaustedError: The ledger's budget does not hold so many calls and none was made,
                or its tokens were used up on the way.
        """
        ids = [self.encode(prompt) for prompt in prompts]
        return self._generate(ids, sampling, seed, purpose, processors)

    def chat(
        self,
        conversations: Sequence[Sequence[Message]],
        sampling: Sampling = Sampling(),  # noqa: B008 - frozen
        *,
        seed: int = 0,
        purpose: str = "",
    ) -> list[Generation]:
        """Answer the last message of each conversation, in the model's own chat template.

        Raises:
            InputError: The model has no chat template; else as for `generate`.
            BudgetExhaustedError: As for `generate`.
        """
        ids = [self.conversation_ids(conversation) for conversation in conversations]
        return self._generate(ids, sampling, seed, purpose, ())

    def conversation_ids(self, conversation: Sequence[Message]) -> Tensor:
        """Return token ids of a conversation up to the model's answer, int64 (T,).

        Raises:
            InputError: The model has no chat template.
        """
        if self.tokenizer.chat_template is None:
            raise InputError(f"{self.name} has no chat template: give prompts to generate")
        text = self.tokenizer.apply_chat_template(
            [dict(message) for message in conversation], add_generation_prompt=True, tokenize=False
        )
        tokens = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return torch.tensor(tokens, dtype=torch.int64)

    def _generate(
        self,
        prompts: Sequence[Tensor],
        sampling: Sampling,
        seed: int,
        purpose: str,
        processors: Sequence[Processor],
    ) -> list[Generation]:
        room = self.context - sampling.max_new_tokens
        if room < 1:
            raise InputError(
                f"max_new_tokens {sampling.max_new_tokens}: {self.name} holds {self.context} "
                "tokens, those of the prompt included"
            )
        for row, ids in enumerate(prompts):
            if not len(ids):
                raise InputError(f"prompt {row} is empty: give at least one token to continue")
        found: dict[int, Generation] = {}
        order = sorted(range(len(prompts)), key=lambda row: -len(prompts[row]))
        with self.ledger.reserve(len(prompts)) as enter:
            for start in range(0, len(order), PROMPTS):
                rows = order[start : start + PROMPTS]
                self.ledger.require(0)  # earlier batches may have used the tokens up
                begun = time.perf_counter()
                batch = [prompts[row][-room:] for row in rows]
                seeds = [(seed, row) for row in rows]
                found.update(
                    zip(rows, self._batch(batch, sampling, seeds, processors), strict=True)
                )
                share = (time.perf_counter() - begun) / len(rows)
                enter(
                    Call(purpose, self.name, one.prompt_tokens, len(one.token_ids), share)
                    for one in (found[row] for row in rows)
                )
        return [found[row] for row in range(len(prompts))]

    def _batch(
        self,
        prompts: Sequence[Tensor],
        sampling: Sampling,
        seeds: Sequence[tuple[int, int]],
        processors: Sequence[Processor],
    ) -> list[Generation]:
        from transformers import LogitsProcessorList

        ends = self.ends
        padding = self.tokenizer.pad_token_id
        padding = padding if padding is not None else (ends[0] if ends else 0)
        ids = torch.nn.utils.rnn.pad_sequence(
            list(prompts), batch_first=True, padding_value=padding, padding_side="left"
        )
        lengths = torch.tensor([len(prompt) for prompt in prompts])
        mask = torch.arange(ids.shape[1]) >= ids.shape[1] - lengths[:, None]
        with torch.no_grad():
            out: Tensor = self.model.generate(
                input_ids=ids.to(self.device),
                attention_mask=mask.long().to(self.device),
                max_new_tokens=sampling.max_new_tokens,
                # The last processor has drawn the token: the greedy choice is the drawn one.
                do_sample=False,
                temperature=None,
                top_p=None,
                top_k=None,
                repetition_penalty=sampling.repetition_penalty,
                pad_token_id=padding,
                eos_token_id=ends or None,
                logits_processor=LogitsProcessorList([*processors, *_drawing(sampling, seeds)]),
            )
        new = out[:, ids.shape[1] :].cpu()
        return [
            self._generation(row.tolist(), len(prompt), ends)
            for row, prompt in zip(new, prompts, strict=True)
        ]

    def _generation(self, new: list[int], prompt_tokens: int, ends: list[int]) -> Generation:
        stop = next((place for place, token in enumerate(new) if token in ends), None)
        tokens = new[:stop]
        return Generation(self.decode(tokens), tuple(tokens), prompt_tokens, stop is not None)


class _Draw:
    """Processor that leaves one token of every row possible: the one its generator draws."""

    def __init__(self, seeds: Sequence[tuple[int, int]]) -> None:
        self.generators = [np.random.default_rng(seed) for seed in seeds]

    def __call__(self, _ids: Tensor, scores: Tensor) -> Tensor:
        uniform = torch.tensor([draw.random() for draw in self.generators], dtype=torch.float64)
        reached = scores.double().softmax(dim=-1).cumsum(dim=-1)
        goal = uniform.to(scores.device)[:, None] * reached[:, -1:]
        token = torch.searchsorted(reached, goal, right=True)
        only = torch.full_like(scores, -torch.inf)
        return only.scatter_(1, token.clamp_max(scores.shape[1] - 1), 0.0)


def _drawing(sampling: Sampling, seeds: Sequence[tuple[int, int]]) -> list[Processor]:
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    if sampling.temperature == 0:
        return []
    steps: list[Processor] = [TemperatureLogitsWarper(float(sampling.temperature))]
    if sampling.top_k:
        steps.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        steps.append(TopPLogitsWarper(sampling.top_p))
    return [*steps, _Draw(seeds)]


def _batches(texts: Sequence[Tensor]) -> Iterator[list[int]]:
    """Yield the rows of each batch: texts of similar length, longest first."""
    order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
    while order:
        count = max(1, PASS_TOKENS // len(texts[order[0]]))
        yield order[:count]
        order = order[count:]


@contextmanager
def _passes_at_once(device: torch.device) -> Iterator[Executor]:
    """Share PyTorch's threads among batches: two batches on a thread each outrun one on two."""
    threads = torch.get_num_threads()
    workers = min(threads, PASSES) if device.type == "cpu" else 1
    torch.set_num_threads(threads // workers)
    pool = ThreadPoolExecutor(workers)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)  # an interrupted run does not wait for all of them
        torch.set_num_threads(threads)


def _row(batch: TokenStats, row: int, length: int) -> TokenStats:
    return TokenStats(**{name: values[row, :length].cpu() for name, values in vars(batch).items()})


def _nothing() -> TokenStats:
    empty = torch.empty(0)
    return TokenStats(empty, empty.long(), empty, empty, empty.bool())
