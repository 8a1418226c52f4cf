"""Models behind an OpenAI-compatible address."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from sterling.errors import InputError
from sterling.lm.language_model import Generation, Message, Sampling
from sterling.lm.ledger import Call, CallLedger

if TYPE_CHECKING:
    from httpx2 import BaseTransport, Response
    from tenacity import RetryCallState

RETRIED = {408, 409, 425, 429, 500, 502, 503, 504}  # answers that may be better the next time
LONGEST_WAIT = 60.0  # seconds before the next try, whatever the server asks for


class EndpointError(RuntimeError):
    """The endpoint did not answer, refused, or its answer is not a completion."""


class _Open(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Said(_Open):
    content: str


class _Choice(_Open):
    text: str | None = None
    message: _Said | None = None
    finish_reason: str | None = None


class _Usage(_Open):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Completion(_Open):
    choices: list[_Choice]
    usage: _Usage | None = None


@dataclass(eq=False)
class Endpoint:
    """A model that is asked over HTTP (``/completions`` and ``/chat/completions``).

    Calls that time out or fail for a time are retried, after twice as long each time or as long as
    the answer's ``Retry-After`` says. The server draws the tokens: the seed is sent, but a server
    may ignore it. Token ids are not known.

    Attributes:
        address: Address with the version, such as ``http://127.0.0.1:8000/v1``.
        model: Name of one of its models.
        api_key: Bearer token; None sends none.
        ledger: Ledger of the calls; a retried one counts once.
        timeout: Seconds of one try.
        tries: Number of tries of a call, 1 or more.
        workers: Number of calls at a time.
        transport: Transport of the requests, httpx's own by default; tests give their own.
    """

    address: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    ledger: CallLedger = field(default_factory=CallLedger)
    timeout: float = 60.0
    tries: int = 4
    workers: int = 4
    transport: "BaseTransport | None" = None

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
            InputError: `sampling` asks for what the protocol lacks, or a package is missing.
            BudgetExhaustedError: The budget does not hold so many calls; none was made.
            EndpointError: A call failed for good. Those before it are in the ledger.
        """
        bodies = [{"prompt": prompt} for prompt in prompts]
        return self._all("completions", bodies, sampling, seed, purpose)

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
        return self._all("chat/completions", bodies, sampling, seed, purpose)

    def _all(
        self,
        path: str,
        bodies: Sequence[dict[str, Any]],
        sampling: Sampling,
        seed: int,
        purpose: str,
    ) -> list[Generation]:
        if sampling.top_k or sampling.repetition_penalty != 1:
            raise InputError("sampling: an endpoint knows neither top_k nor repetition_penalty")
        self.ledger.require(len(bodies))
        post = self._post()
        settings = {
            "model": self.model,
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
        }

        def one(row: int) -> Generation:
            begun = time.perf_counter()
            body = {**settings, **bodies[row], "seed": seed + row}
            answer, new_tokens = _completion(post(path, body), self.address)
            seconds = time.perf_counter() - begun
            self.ledger.add([Call(purpose, self.model, answer.prompt_tokens, new_tokens, seconds)])
            return answer

        with ThreadPoolExecutor(self.workers) as pool:
            return list(pool.map(one, range(len(bodies))))

    def _post(self) -> Callable[[str, dict[str, Any]], "Response"]:
        """Return a function that sends a body to a path, with retries."""
        try:
            import httpx2 as httpx
            import tenacity
        except ImportError as error:
            raise InputError(
                f"endpoints need the package {error.name}: pip install 'sterling[lm]'"
            ) from error
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        client = httpx.Client(headers=headers, timeout=self.timeout, transport=self.transport)

        def wait(state: "RetryCallState") -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = ""
            if isinstance(error, httpx.HTTPStatusError):
                asked = error.response.headers.get("Retry-After", "")
            seconds = float(asked) if asked.isdigit() else 2.0 ** (state.attempt_number - 1)
            return min(seconds, LONGEST_WAIT)

        def retried(error: BaseException) -> bool:
            if isinstance(error, httpx.HTTPStatusError):
                return error.response.status_code in RETRIED
            return isinstance(error, httpx.TransportError)

        @tenacity.retry(
            retry=tenacity.retry_if_exception(retried),
            stop=tenacity.stop_after_attempt(self.tries),
            wait=wait,
            reraise=True,
        )
        def attempt(path: str, body: dict[str, Any]) -> "Response":
            return client.post(f"{self.address.rstrip('/')}/{path}", json=body).raise_for_status()

        def post(path: str, body: dict[str, Any]) -> "Response":
            try:
                return attempt(path, body)
            except httpx.HTTPStatusError as error:
                said = " ".join(error.response.text.split())[:200]
                raise EndpointError(
                    f"{self.address}: status {error.response.status_code}: {said}"
                ) from error
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise EndpointError(
                    f"{self.address}: {type(error).__name__} {error} in {self.tries} tries of at "
                    f"most {self.timeout:g} s"
                ) from error

        return post


def _completion(response: "Response", address: str) -> tuple[Generation, int]:
    """Return the answer and its number of tokens by the server's count."""
    try:
        completion = _Completion.model_validate_json(response.content)
        choice = completion.choices[0]
        text = choice.message.content if choice.message is not None else choice.text
    except (ValidationError, IndexError):
        text = None
    if text is None:
        said = " ".join(response.text.split())[:200]
        raise EndpointError(f"{address}: the answer is not a completion: {said!r}")
    usage = completion.usage or _Usage()
    generation = Generation(text, (), usage.prompt_tokens, choice.finish_reason == "stop")
    return generation, usage.completion_tokens
