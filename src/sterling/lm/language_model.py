"""What this project asks of a language model, wherever it runs."""

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
    """How tokens are drawn.

    Attributes:
        max_new_tokens: A text ends after so many tokens at the latest, 1 or more.
        temperature: Logits are divided by it; 0 takes the most probable token.
        top_p: Only the most probable tokens that together reach this mass, in (0, 1]; 1 takes all.
        top_k: Only so many of the most probable tokens; 0 takes all. Endpoints do not know it.
        repetition_penalty: Above 1 makes tokens of the text less probable (Keskar et al., 2019);
            1 is none. Endpoints do not know it.

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
    """What a model wrote after one prompt.

    Attributes:
        text: Of the new tokens, without the prompt and without special tokens.
        token_ids: The new tokens; an endpoint does not tell them and leaves this empty.
        prompt_tokens: How many tokens the prompt had.
        finished: Whether the model ended the text itself, rather than `max_new_tokens`.
    """

    text: str
    token_ids: tuple[int, ...]
    prompt_tokens: int
    finished: bool


class LanguageModel(Protocol):
    """Texts for prompts; `LocalModel` and `Endpoint` are two."""

    @property
    def name(self) -> str:
        """As reports name it."""
        ...

    @property
    def ledger(self) -> CallLedger:
        """Counts the calls, and stops where the budget ends."""
        ...

    def generate(
        self, prompts: Sequence[str], sampling: Sampling = ..., *, seed: int = 0, purpose: str = ""
    ) -> list[Generation]:
        """Go on where each prompt ends; `purpose` names the calls in the ledger."""
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
