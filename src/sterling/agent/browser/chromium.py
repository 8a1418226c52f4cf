"""The system's Chromium, driven by Playwright in a thread of its own: every call has a limit."""

import asyncio
import contextlib
import os
import shutil
import threading
from collections.abc import Coroutine
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from sterling.errors import InputError
from sterling.extras import require

if TYPE_CHECKING:
    from playwright.async_api import Browser as PlaywrightBrowser
    from playwright.async_api import Playwright

T = TypeVar("T")

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
)
SLACK = 20.0
"""Seconds after which a call that has its own limit is given up from outside."""


def find_chromium() -> Path:
    """Return the path of the system's Chromium.

    Raises:
        InputError: There is none.
    """
    for name in NAMES:
        if found := shutil.which(name):
            return Path(found)
    raise InputError(
        "no Chromium found: on Debian, apt-get install chromium; elsewhere, put chromium or "
        "google-chrome on the PATH"
    )


def require_gui() -> None:
    """Check for the packages and the browser that a page needs.

    Raises:
        InputError: Playwright, Gymnasium or Chromium is missing; the message says how to get it.
    """
    require("gui", "a browser")
    find_chromium()


class Browser:
    """A running Chromium without windows, for any number of pages at a time.

    Playwright's event loop runs in a thread of its own: calls have a limit of time, several pages
    work at once, and the caller's thread may have a loop as well.

    Args:
        executable: Path of Chromium; found on the PATH by default.

    Raises:
        InputError: A package or Chromium is missing, or Chromium does not start.

    Examples:
        ```python
        with Browser() as browser, MiniWobEnv("click-test-2", browser=browser) as env:
            observation, info = env.reset(seed=0)
        ```
    """

    def __init__(self, executable: Path | None = None) -> None:
        if executable is None:
            require_gui()
        self._executable = executable or find_chromium()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="chromium", daemon=True)
        self._thread.start()
        self._playwright: Playwright | None = None
        try:
            self.chromium: PlaywrightBrowser = self.call(self._launch(), 60.0)
        except BaseException as error:
            self.close()
            if isinstance(error, Exception):
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                raise InputError(f"{self._executable} does not start: {reason}") from error
            raise

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _launch(self) -> "PlaywrightBrowser":
        from playwright.async_api import async_playwright

        self._playwright = await async_playwright().start()
        return await self._playwright.chromium.launch(
            executable_path=self._executable,
            args=list(FLAGS),
            chromium_sandbox=os.geteuid() != 0,  # Chromium's sandbox refuses root
        )

    def call(self, work: Coroutine[Any, Any, T], limit: float | None = None) -> T:
        """Run a coroutine in the browser's thread and return what it returns.

        Raises:
            TimeoutError: It took longer than `limit` seconds.
        """
        if not self._thread.is_alive():
            work.close()
            raise InputError("the browser is closed; open a new one")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(limit)
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """End Chromium. Closing twice does nothing."""
        if not self._thread.is_alive():
            return
        with contextlib.suppress(Exception):
            self.call(self._stop(), SLACK)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SLACK)

    async def _stop(self) -> None:
        chromium = getattr(self, "chromium", None)
        if chromium is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(chromium.close(), SLACK / 2)
        if self._playwright is not None:
            await self._playwright.stop()
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
