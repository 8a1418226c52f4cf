"""Addresses that are asked over HTTP: JSON is posted, with retries and limits of time and size.

A server is not trusted: its answers are limited in time and size, redirections are not followed,
and a key is never shown. `sterling.lm.Endpoint` asks language models this way, and
`sterling.face.pad.load_detector` asks detectors.
"""

import asyncio
import json
import os
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

from sterling.errors import InputError
from sterling.extras import needs

if TYPE_CHECKING:
    from httpx2 import AsyncBaseTransport, AsyncClient, Response
    from tenacity import RetryCallState

T = TypeVar("T")

RETRIED = {408, 409, 425, 429, 500, 502, 503, 504}  # answers that may be better the next time
LONGEST_WAIT = 60.0  # seconds before the next try, whatever the server asks for
LARGEST_ANSWER = 16 * 2**20  # bytes, packed and unpacked
PACKED = {"", "identity", "gzip", "deflate"}  # their packages expand at most a thousand times
_JSON = {"Content-Type": "application/json"}


class EndpointError(RuntimeError):
    """The address did not answer, refused, or its answer is not what was asked for."""


def is_address(source: object) -> bool:
    """Whether a source of models is the address of an endpoint."""
    return str(source).strip().lower().startswith(("http://", "https://"))


@dataclass(eq=False)
class Remote:
    """A server that is asked by POST.

    Attributes:
        address: Address, ``http://…`` or ``https://…``.
        api_key: Bearer token; None sends none. White space around it is dropped.
        timeout: Seconds without any byte after which a try is given up.
        tries: Number of tries of a call, 1 or more.
        deadline: Seconds that all tries of a call may take together, with the waits between them.
        transport: Transport of the requests, httpx's own by default; tests give their own.
        extra: Extra of this package that holds the client, named where it is missing.

    Raises:
        InputError: The address does not begin with http, or the key cannot be sent in a header.
    """

    address: str
    api_key: str | None = field(default=None, repr=False)
    timeout: float = 60.0
    tries: int = 4
    deadline: float = 600.0
    transport: "AsyncBaseTransport | None" = None
    extra: str = "lm"

    def __post_init__(self) -> None:
        if not is_address(self.address):
            raise InputError(f"endpoint {self.address}: begin the address with http:// or https://")
        self.api_key = (self.api_key or "").strip() or None
        if self.api_key and not re.fullmatch(r"[\x21-\x7e]+", self.api_key):
            raise InputError(
                "API key: it holds a line break, a blank or a letter that no key has; give the key "
                "alone"
            )

    def client(self) -> "AsyncClient":
        """Return a client, to be used as an asynchronous context manager.

        Raises:
            InputError: A package is missing, or a proxy of the environment cannot be used.
        """
        with needs(self.extra, "an endpoint"):
            import httpx2 as httpx
            import tenacity  # noqa: F401
        headers = {"Accept-Encoding": "gzip, deflate"}
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        try:
            return httpx.AsyncClient(
                headers=headers, timeout=self.timeout, transport=self.transport
            )
        except (ImportError, ValueError) as error:  # SOCKS, or a scheme that nobody knows
            proxies = [name for name in os.environ if name.upper().endswith("_PROXY")]
            raise InputError(
                f"the proxy in {', '.join(proxies)} cannot be used ({error}); unset the variable, "
                "or list the endpoint's host in NO_PROXY"
            ) from None

    async def retried(self, ask: Callable[[], Awaitable["Response"]]) -> "Response":
        """Make a call, with retries, within the deadline.

        Errors are raised without their cause, whose text may hold the key.

        Args:
            ask: Makes one try, and raises ``httpx2.HTTPStatusError`` for a status of refusal.

        Raises:
            EndpointError: There is no whole answer.
            httpx2.HTTPStatusError: The server refuses, and goes on refusing where that may pass.
        """
        import httpx2 as httpx
        import tenacity

        def again(error: BaseException) -> bool:
            if isinstance(error, httpx.HTTPStatusError):
                return error.response.status_code in RETRIED
            return isinstance(error, httpx.TransportError)

        async def once() -> "Response":
            return await ask()

        attempt = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(again),
            stop=tenacity.stop_after_attempt(self.tries),
            wait=_wait,
            reraise=True,
            sleep=_sleep,
        )
        try:
            async with asyncio.timeout(self.deadline):
                return await attempt(once)
        except httpx.HTTPStatusError:
            raise
        except TimeoutError:
            raise EndpointError(
                f"{self.shown}: no whole answer within the deadline of {self.deadline:g} s"
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise EndpointError(
                self.safe(
                    f"{self.shown}: {type(error).__name__} {error} in {self.tries} tries of at "
                    f"most {self.timeout:g} s"
                )
            ) from None

    async def send(
        self, client: "AsyncClient", body: Mapping[str, Any], path: str = ""
    ) -> "Response":
        """Post a body once and return the answer, read whole within the limit of its size.

        Raises:
            EndpointError: The answer is too long, or packed in a way that is not unpacked.
        """
        import httpx2 as httpx

        url = self.address.strip()
        if path:
            url = f"{url.rstrip('/')}/{path}"
        async with client.stream("POST", url, content=json.dumps(body), headers=_JSON) as answer:
            packing = answer.headers.get("Content-Encoding", "").lower()
            if packing not in PACKED:
                raise EndpointError(f"{self.shown}: the answer is packed as {packing[:40]!r}")
            content = bytearray()
            async for chunk in answer.aiter_bytes():
                content += chunk
                if max(len(content), answer.num_bytes_downloaded) > LARGEST_ANSWER:
                    raise EndpointError(
                        f"{self.shown}: the answer is longer than {LARGEST_ANSWER:,} bytes"
                    )
        kept = {name: answer.headers[name] for name in ("Retry-After",) if name in answer.headers}
        return httpx.Response(
            answer.status_code, headers=kept, content=bytes(content), request=answer.request
        )

    @property
    def shown(self) -> str:
        """The address without a password."""
        return re.sub(r"//[^/@]*@", "//", self.address).partition("?")[0]

    def safe(self, text: str) -> str:
        """One line of at most 400 characters without the key."""
        line = " ".join(text.split())
        return (line.replace(self.api_key, "***") if self.api_key else line)[:400]


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, also inside a notebook's event loop."""
    if not _in_event_loop():
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)


def _wait(state: "RetryCallState") -> float:
    """Seconds before the next try: what the server asks for, else twice as long each time."""
    error = state.outcome.exception() if state.outcome else None
    answer = getattr(error, "response", None)
    asked = None if answer is None else retry_after(answer.headers.get("Retry-After", ""))
    return min(2.0 ** (state.attempt_number - 1) if asked is None else asked, LONGEST_WAIT)


def retry_after(header: str) -> float | None:
    """Read a ``Retry-After`` header: seconds from now on; None for what is neither form.

    Source: RFC 9110, section 10.2.3; servers also send fractions of a second.

    Examples:
        >>> retry_after("2.5"), retry_after("soon")
        (2.5, None)
    """
    if re.fullmatch(r"\s*\d+(\.\d+)?\s*", header, re.ASCII):
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
