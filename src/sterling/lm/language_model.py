"""The interface of language models, local or behind an endpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypedDict

from sterling.errors import InputError
from sterling.lm.ledger import CallLedger


class Message(TypedDict):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Sampling:
    """Settings of the drawing of tokens.

    Attributes:
        max_new_tokens: Largest number of new tokens, 1 or more.
        temperature: Divisor of the logits; 0 takes the most probable token.
        top_p: Mass of the most probable tokens to draw from, in (0, 1]; 1 takes all.
        top_k: Number of the most probable tokens to draw from; 0 takes all. Not for endpoints.
        repetition_penalty: Above 1 makes tokens of the text less probable (Keskar et al., 2019);
            1 is none. Not for endpoints.

    Raises:
        InputError: A value is out of range.
    """

    max_new_tokens: int = 128
    temperature: float = 0.8
    top_p: float = 0.95
    top_k: int = 0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise InputError(f"max_new_tokens {self.max_new_tokens}: 1 or more")
        if self.temperature < 0:
            raise InputError(f"temperature {self.temperature}: 0 or more; 0 draws nothing")
        if not 0 < self.top_p <= 1:
            raise InputError(f"top_p {self.top_p}: above 0, at most 1")
        if self.top_k < 0:
            raise InputError(f"top_k {self.top_k}: 0 or more; 0 takes every token")
        if self.repetition_penalty <= 0:
            raise InputError(f"repetition_penalty {self.repetition_penalty}: above 0; 1 is none")


GREEDY = Sampling(temperature=0, top_p=1)


@dataclass(frozen=True)
class Generation:
    """Continuation of one prompt.

    Attributes:
        text: Text of the new tokens, without the prompt and without special tokens.
        token_ids: The new tokens; empty for an endpoint, which does not report them.
        prompt_tokens: Number of tokens of the prompt.
        finished: True when the model ended the text itself, rather than `max_new_tokens`.
    """

    text: str
    token_ids: tuple[int, ...]
    prompt_tokens: int
    finished: bool


class LanguageModel(Protocol):
    """A language model; `LocalModel` and `Endpoint` are two kinds."""

    @property
    def name(self) -> str:
        """Name in reports."""
        ...

    @property
    def ledger(self) -> CallLedger:
        """Ledger of the calls, with the budget."""
        ...

    def generate(
        self, prompts: Sequence[str], sampling: Sampling = ..., *, seed: int = 0, purpose: str = ""
    ) -> list[Generation]:
        """Continue each prompt; `purpose` names the calls in the ledger."""
        ...

    def chat(
        self,
        conversations: Sequence[Sequence[Message]],
        sampling: Sampling = ...,
        *,
        seed: int = 0,
        purpose: str = "",
    ) -> list[Generation]:
        """Answer the last message of each conversation."""
        ...
