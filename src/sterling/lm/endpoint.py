"""Models behind an OpenAI-compatible address."""

import asyncio
import re
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from sterling.errors import InputError
from sterling.lm.language_model import Generation, Message, Sampling
from sterling.lm.ledger import Call, CallLedger
from sterling.remote import EndpointError, Remote, run

if TYPE_CHECKING:
    from httpx2 import AsyncBaseTransport, AsyncClient, Response

MISADDRESSED = {401, 403, 404, 405}  # answers that no further try makes better
MOST_TOKENS = 10**9  # a server that counts more, or less than none, is not believed


def _text(content: Any) -> Any:
    """Join the text of a content that comes in parts."""
    if not isinstance(content, list):
        return content
    parts = [part.get("text") for part in content if isinstance(part, dict)]
    return "".join(part for part in parts if isinstance(part, str))


def _count(value: Any) -> int:
    """Read a number of tokens; what is no such number counts as none."""
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else 0


class _Open(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Said(_Open):
    content: Annotated[str | None, BeforeValidator(_text)] = None


class _Choice(_Open):
    text: str | None = None
    message: _Said | None = None
    finish_reason: str | None = None


class _Usage(_Open):
    prompt_tokens: Annotated[int, BeforeValidator(_count)] = 0
    completion_tokens: Annotated[int, BeforeValidator(_count)] = 0


class _Completion(_Open):
    choices: list[_Choice]
    usage: _Usage | None = None


@dataclass(eq=False)
class Endpoint:
    """A model that is asked over HTTP (``/completions`` and ``/chat/completions``).

    Calls that time out or fail for a time are retried, after twice as long each time or as long as
    the answer's ``Retry-After`` says. The server draws the tokens: the seed is sent, but a server
    may ignore it, and one that refuses it is asked without. Token ids are not known. The server is
    not trusted: its answers are limited in time and size, its counts are checked, and the key is
    never shown.

    Attributes:
        address: Address with the version, such as ``http://127.0.0.1:8000/v1``.
        model: Name of one of its models.
        api_key: Bearer token; None sends none. White space around it is dropped.
        ledger: Ledger of the calls; a retried one counts once.
        timeout: Seconds without any byte after which a try is given up.
        tries: Number of tries of a call, 1 or more.
        deadline: Seconds that all tries of a call may take together, with the waits between them.
        workers: Number of calls at a time.
        transport: Transport of the requests, httpx's own by default; tests give their own.

    Raises:
        InputError: The address does not begin with http, or the key cannot be sent in a header.
    """

    address: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    ledger: CallLedger = field(default_factory=CallLedger)
    timeout: float = 60.0
    tries: int = 4
    deadline: float = 600.0
    workers: int = 4
    transport: "AsyncBaseTransport | None" = None
    _refused: set[str] = field(default_factory=set, init=False, repr=False)

    def __post_init__(self) -> None:
        self.api_key = self._remote.api_key

    @property
    def _remote(self) -> Remote:
        return Remote(
            self.address, self.api_key, self.timeout, self.tries, self.deadline, self.transport
        )

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model

    def generate(
        self,
        prompts: Sequence[str],
        sampling: Sampling = Sampling(),  # noqa: B008 - frozen
        *,
        seed: int = 0,
        purpose: str = "",
    ) -> list[Generation]:
        """Continue each prompt.

        Raises:
            InputError: `sampling` asks for what the protocol lacks, a package is missing, a proxy
                of the environment cannot be used, or the server knows neither the address, the
                model nor the key.
            BudgetExhaustedError: The budget does not hold so many calls and none was made, or its
                tokens were used up on the way.
            EndpointError: A call failed for good. Those before it are in the ledger, and those
                after it are not made.
        """
        bodies = [{"prompt": prompt} for prompt in prompts]
        return run(self._all("completions", bodies, sampling, seed, purpose))

    def chat(
        self,
        conversations: Sequence[Sequence[Message]],
        sampling: Sampling = Sampling(),  # noqa: B008 - frozen
        *,
        seed: int = 0,
        purpose: str = "",
    ) -> list[Generation]:
        """Answer the last message of each conversation; errors as for `generate`."""
        bodies = [{"messages": [dict(one) for one in messages]} for messages in conversations]
        return run(self._all("chat/completions", bodies, sampling, seed, purpose))

    async def _all(
        self,
        path: str,
        bodies: Sequence[dict[str, Any]],
        sampling: Sampling,
        seed: int,
        purpose: str,
    ) -> list[Generation]:
        if sampling.top_k or sampling.repetition_penalty != 1:
            raise InputError("sampling: an endpoint knows neither top_k nor repetition_penalty")
        settings = {
            "model": self.model,
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
        }
        waiting, found = deque(range(len(bodies))), dict[int, Generation]()

        async def work() -> None:
            while waiting:
                row = waiting.popleft()
                body = {**settings, **bodies[row], "seed": seed + row}
                try:
                    self.ledger.require(0)  # earlier calls may have used the tokens up
                    begun = time.perf_counter()
                    found[row], new_tokens = self._completion(await self._post(client, path, body))
                except BaseException:
                    waiting.clear()  # a failed batch costs nothing more than what is under way
                    raise
                seconds = time.perf_counter() - begun
                tokens = found[row].prompt_tokens
                enter([Call(purpose, self.model, tokens, new_tokens, seconds)])

        with self.ledger.reserve(len(bodies)) as enter:
            async with self._remote.client() as client:
                workers = (work() for _ in range(self.workers))
                for outcome in await asyncio.gather(*workers, return_exceptions=True):
                    if outcome is not None:
                        raise outcome
        return [found[row] for row in range(len(bodies))]

    async def _post(self, client: "AsyncClient", path: str, body: dict[str, Any]) -> "Response":
        """Send a body, with retries, and return the whole answer."""
        import httpx2 as httpx

        try:
            return await self._remote.retried(lambda: self._ask(client, path, body))
        except httpx.HTTPStatusError as error:
            raise self._refusal(error.response, path) from None

    async def _ask(self, client: "AsyncClient", path: str, body: dict[str, Any]) -> "Response":
        """Send a body once, or again without the fields that the server refuses."""
        while True:
            fields = self._spoken(body)
            answer = await self._remote.send(client, fields, path)
            said = answer.text if answer.status_code in (400, 422) else ""
            refused = {
                name
                for name in ("seed", "max_tokens")
                if name in fields and re.search(rf"\b{name}\b", said)
            }
            if not refused:
                return answer.raise_for_status()
            self._refused |= refused

    def _spoken(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of a body as this server takes them."""
        spoken = {name: value for name, value in body.items() if name not in self._refused}
        if "max_tokens" in self._refused:
            spoken["max_completion_tokens"] = body["max_tokens"]
        return spoken

    def _refusal(self, answer: "Response", path: str) -> InputError | EndpointError:
        status = answer.status_code
        said = self._remote.safe(f"{self._remote.shown}: status {status}: {answer.text[:2000]}")
        if status not in MISADDRESSED:
            return EndpointError(said)
        if status in (401, 403):
            return InputError(f"{said}; check the API key")
        if path == "completions" and "chat" in said.lower():
            return InputError(f"{said}; the model only chats: give --system, or call chat()")
        if not re.search(r"/v\d+/?$", self._remote.shown):
            return InputError(f"{said}; add /v1 to the address")
        return InputError(f"{said}; check the address and the model's name {self.model!r}")

    def _completion(self, response: "Response") -> tuple[Generation, int]:
        """Return the answer and its number of tokens by the server's count."""
        shown = self._remote.shown
        try:
            completion = _Completion.model_validate_json(response.content)
            choice = completion.choices[0]
        except (ValidationError, IndexError):
            said = self._remote.safe(repr(response.text[:200]))
            raise EndpointError(f"{shown}: the answer is not a completion: {said}") from None
        usage = completion.usage or _Usage()
        text = choice.message.content if choice.message is not None else choice.text
        if text is None and choice.finish_reason == "length":
            raise EndpointError(
                f"{shown}: {self.model} used all its tokens before it answered; raise the "
                "limit (max_new_tokens)"
            )
        if text is None:
            reason = self._remote.safe(repr(choice.finish_reason))
            raise EndpointError(
                f"{shown}: the answer is not a completion: no text, finish_reason {reason}"
            )
        generation = Generation(text, (), usage.prompt_tokens, choice.finish_reason == "stop")
        return generation, usage.completion_tokens
