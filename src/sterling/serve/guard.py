"""The gate of every request: token, origin, host, size and time of its body, headers, log."""

import asyncio
import logging
import re
import time
import traceback
from collections.abc import Callable
from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit
from uuid import uuid4

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sterling.serve.settings import Settings

logger = logging.getLogger("sterling.serve")

COOKIE = "sterling"
OPEN = ("/healthz", "/login", "/style.css")  # without a token
SAFE = ("GET", "HEAD", "OPTIONS")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # without a referrer, browsers tell no origin of a form
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
TAIL = 1024
"""Bytes at the end of a body in which its form has to end."""

_LOCAL = {"localhost", "127.0.0.1", "::1"}

Refuse = Callable[[Scope, int, str], Response]
Observe = Callable[[str, int, float], None]


class Guard:
    """ASGI middleware that refuses what it must before anything is read.

    Args:
        app: The application behind it.
        settings: Settings of the service.
        session: Value of the cookie of who showed the token.
        refuse: Makes the answer to a refused request.
        observe: Is told route, status and seconds of every answer.
    """

    def __init__(
        self, app: ASGIApp, settings: Settings, session: str, refuse: Refuse, observe: Observe
    ) -> None:
        self.app, self.settings, self.session = app, settings, session
        self.refuse, self.observe = refuse, observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.monotonic()
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        name = given if _ID.fullmatch(given) else uuid4().hex
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                out = MutableHeaders(scope=message)
                for key, value in HEADERS.items():
                    out.setdefault(key, value)
                out["X-Request-ID"] = name
            await send(message)

        refusal = self._refusal(scope, headers)
        try:
            if refusal is not None:
                await refusal(scope, receive, answer)
            else:
                await self.app(scope, self._bounded(receive, headers), answer)
        except Exception as error:
            # The place where it broke, without the message, which may hold what was sent.
            frame = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{frame.filename}:{frame.lineno}"
            logger.error("%s broke: %s at %s", name, type(error).__name__, where)  # noqa: TRY400
            if not status:
                await self.refuse(scope, 500, f"this broke; tell the operator {name}")(
                    scope, receive, answer
                )
        finally:
            seconds = time.monotonic() - started
            route = getattr(scope.get("route"), "path", "none")
            self.observe(route, status, seconds)
            logger.info("%s %s %s %d %.3f s", name, scope["method"], route, status, seconds)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        if self.settings.token is None and _host(headers) not in _LOCAL:
            # Another site's name that points to this machine.
            return self.refuse(scope, 403, "ask for 127.0.0.1 or localhost by that name")
        if scope["method"] not in SAFE and not _same_origin(headers):
            return self.refuse(scope, 403, "sent from another site's page; send it from this one")
        if scope["path"] not in OPEN and not self._is_known(headers):
            if scope["method"] == "GET" and not is_rest(scope):
                return RedirectResponse("/login", 303)
            return self.refuse(scope, 401, "send the header Authorization: Bearer TOKEN")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > self.settings.largest:
            return self.refuse(scope, 413, self._too_large())
        return None

    def _is_known(self, headers: Headers) -> bool:
        if self.settings.token is None:
            return True
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and same(token.strip(), self.settings.token):
            return True
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and same(cookie.value, self.session)

    def _bounded(self, receive: Receive, headers: Headers) -> Receive:
        """Read a body that is not too large, in time, and to the end of its form."""
        closing = _closing(headers)
        tail = b""
        left, ends = self.settings.largest, time.monotonic() + self.settings.seconds
        whole = False

        async def read() -> Message:
            nonlocal left, whole, tail
            if whole:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), max(0.0, ends - time.monotonic()))
            except TimeoutError as error:
                raise HTTPException(408, "the upload took too long; send it again") from error
            body = message.get("body", b"")
            left -= len(body)
            if left < 0:
                raise HTTPException(413, self._too_large())
            whole = not message.get("more_body", False)
            tail = (tail + body)[-TAIL:]
            if whole and message["type"] == "http.request" and closing not in tail:
                raise HTTPException(400, "the form is cut off; send it again")
            return message

        return read

    def _too_large(self) -> str:
        return f"more than {self.settings.megabytes} MB; send less"


def same(given: str, expected: str) -> bool:
    """Compare a secret in a time that does not depend on where it differs."""
    return compare_digest(given.encode(errors="replace"), expected.encode())


def is_rest(scope: Scope) -> bool:
    """Whether a request is one of the REST interface, which is answered with JSON."""
    return str(scope["path"]).startswith("/v1/")


def json_refusal(status: int, message: str) -> Response:
    """Make the JSON answer to a refused request."""
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "5"}}.get(status)
    return JSONResponse({"error": message}, status, headers)


def _closing(headers: Headers) -> bytes:
    """The line that ends a form; nothing for a body that is none.

    Without it the last file of a form, which is cut off, would count as not sent.
    """
    kind, options = parse_options_header(headers.get("content-type"))
    boundary = options.get(b"boundary")
    return b"--" + boundary + b"--" if kind == b"multipart/form-data" and boundary else b""


def _host(headers: Headers) -> str:
    try:
        return urlsplit(f"//{headers.get('host', '')}").hostname or ""
    except ValueError:
        return ""


def _same_origin(headers: Headers) -> bool:
    """Whether a request comes from a page of ours, or from no page at all."""
    if (site := headers.get("sec-fetch-site")) is not None:
        return site in ("same-origin", "none")
    if (origin := headers.get("origin")) is None:
        return True
    try:
        return urlsplit(origin).netloc == headers.get("host")
    except ValueError:
        return False
