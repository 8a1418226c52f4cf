"""`sterling serve`: pages and a REST interface on this machine."""

import contextlib
import logging
from pathlib import Path
from typing import Annotated

import typer

from sterling.cli._face_sources import ANY_DETECTOR


def register(app: typer.Typer) -> None:
    """Add this module's command to the application."""
    app.command("serve")(serve)


def serve(
    host: Annotated[
        str, typer.Option(help="Address; another than this machine's takes --token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="STERLING_TOKEN",
            show_envvar=True,
            help="Secret that requests must show; others of this machine can read a command line.",
        ),
    ] = None,
    runs: Annotated[Path, typer.Option(help="Folder of run folders to show.")] = Path("runs"),
    detector: Annotated[str, typer.Option(help=ANY_DETECTOR)] = "compact",
    text_detector: Annotated[
        list[Path] | None,
        typer.Option(help="Folder from text train whose detector may be chosen, several times."),
    ] = None,
    research_use: Annotated[
        bool,
        typer.Option(
            "--research-use", help="Offer humanize too, an attack whose only use is to evade."
        ),
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes that answer.")] = 2,
    queue: Annotated[int, typer.Option(min=0, help="Requests that may wait.")] = 16,
    seconds: Annotated[float, typer.Option(help="Time that a request may take.")] = 60.0,
    megabytes: Annotated[int, typer.Option(min=1, help="Size that a request may have.")] = 32,
) -> None:
    """Liveness, text, privacy and runs as web pages, and as REST with OpenAPI.

    Nothing that is sent is kept. Stop it with Ctrl-C: requests under way have ten seconds.
    """
    from sterling.serve import Settings

    settings = Settings(
        host=host,
        port=port,
        token=token,
        runs=runs,
        detector=detector,
        text_detectors=tuple(text_detector or ()),
        research_use=research_use,
        workers=workers,
        queue=queue,
        seconds=seconds,
        megabytes=megabytes,
    )
    from sterling.extras import require

    require("serve", "a web service")
    import uvicorn

    from sterling.serve import create_app

    app = create_app(settings)
    try:
        app.state.service.check()
    except BaseException:
        app.state.service.close()
        raise
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            access_log=False,  # it would write the addresses of pages, with the names of runs
            log_config=None,
            server_header=False,
            limit_concurrency=512,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=10,
        )
    )
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
