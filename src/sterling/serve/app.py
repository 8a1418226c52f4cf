"""The application: routes, answers to what goes wrong, and the gate before them."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.types import Scope

from sterling.errors import InputError, NothingMeasuredError
from sterling.serve.guard import Guard, Refuse, is_rest, json_refusal
from sterling.serve.metrics import Metrics
from sterling.serve.pages import page_routes
from sterling.serve.pool import BrokenTaskError, BusyError, CancelledError, DeadlineError
from sterling.serve.rendering import Pages
from sterling.serve.rest import rest_routes
from sterling.serve.service import Service
from sterling.serve.settings import Settings

BUSY = "too many requests wait; try again in a few seconds"
BROKEN = "this broke by a fault of ours; nothing was kept"


def create_app(settings: Settings) -> FastAPI:
    """Make the ASGI application; its workers run until it shuts down.

    Args:
        settings: Settings of the service.

    Example::

        app = create_app(Settings(runs=Path("runs")))
    """
    service = Service(settings)
    pages, metrics = Pages(token=settings.token is not None), Metrics(service.pool, service.jobs)
    session = secrets.token_urlsafe(32)

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    def refuse(scope: Scope, status: int, message: str) -> Response:
        return (json_refusal if is_rest(scope) else pages.refusal)(status, message)

    app = FastAPI(
        title="sterling",
        version="1",
        openapi_url="/v1/openapi.json",
        docs_url=None,  # these two pages load scripts of another server
        redoc_url=None,
        lifespan=life,
    )
    app.state.service = service
    _handle(app, refuse)
    app.include_router(rest_routes(service))
    app.include_router(page_routes(service, pages, session))

    @app.get("/healthz", include_in_schema=False)
    async def health() -> Response:
        return PlainTextResponse("ok\n")

    @app.get("/metrics", include_in_schema=False)
    async def measured() -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4")

    app.add_middleware(
        Guard, settings=settings, session=session, refuse=refuse, observe=metrics.observe
    )
    return app


def _handle(app: FastAPI, refuse: Refuse) -> None:
    """Answer each kind of error with one line."""

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:]) or "the request"
        words = "no file; send one" if "UploadFile" in first["msg"] else first["msg"].lower()
        return refuse(request.scope, 422, f"{field}: {words}")

    async def stated(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        detail = str(error.detail)
        if error.status_code == 400 and detail.startswith("Field exceeded"):
            detail = "a field of the form is longer than 1 MB; send it as a file"
        return refuse(request.scope, error.status_code, detail)

    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, stated)
    for kind, status, message in (
        (InputError, 422, ""),
        (NothingMeasuredError, 422, ""),
        (BusyError, 503, BUSY),
        (CancelledError, 503, "the service is stopping; try again later"),
        (DeadlineError, 504, ""),
        (BrokenTaskError, 500, BROKEN),
    ):
        app.add_exception_handler(kind, _answer(refuse, status, message))


def _answer(refuse: Refuse, status: int, message: str) -> Any:
    async def answer(request: Request, error: Exception) -> Response:
        return refuse(request.scope, status, message or str(error))

    return answer
