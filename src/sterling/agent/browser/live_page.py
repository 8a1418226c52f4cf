"""One page in Chromium: opening, looking, acting. Coroutines of the browser's own thread."""

import asyncio
import contextlib
import io
from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sterling.agent.browser.actions import NEEDS_TARGET, POINTED, Action, RefusedActionError
from sterling.agent.browser.chromium import Browser
from sterling.agent.browser.observation import MOST_TEXT, Observation, element_of
from sterling.agent.browser.site import Site

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, CDPSession, Dialog, Page, Route

SETTLE = 400
"""Milliseconds of the page's clock that pass after an action, so that timers fire."""
ANSWERS = 2.0
"""Seconds to wait for answers to a page's requests at most, while its clock stands still."""
MOST_ELEMENTS = 500
MOST_EVENTS = 20
MOST_LOADS = 20
"""Loads of a page within one action before it counts as endless."""
NO_PROXY = "http://127.0.0.1:9"

Button = Literal["left", "right"]


class PageLostError(RuntimeError):
    """The page crashed, hangs or never ends, so that the episode cannot go on."""


class LivePage:
    """A page in a context of its own, with the network closed but for its site.

    With virtual time the page's clock stands still between actions and passes `SETTLE`
    milliseconds after each, so that timers and animations neither take real time nor depend on it.

    Args:
        browser: Browser that runs it.
        site: Addresses that it may load.
        viewport: Width and height in pixels.
        hidden: CSS selector of elements that observations leave out; "" for none.
        virtual_time: Whether the page's clock is ours.
    """

    def __init__(
        self,
        browser: Browser,
        site: Site,
        *,
        viewport: tuple[int, int],
        hidden: str = "",
        virtual_time: bool = True,
    ) -> None:
        self._browser, self._site, self._viewport = browser, site, viewport
        self._hidden, self._virtual = hidden, virtual_time
        self._context: BrowserContext | None = None
        self._cdp: CDPSession | None = None
        self._events: list[str] = []
        self._loads = 0
        self._pending = 0
        self._crashed = False

    @property
    def page(self) -> "Page":
        """Playwright's page.

        Raises:
            PageLostError: No page is open, or it closed itself.
        """
        if self._context is None or not self._context.pages:
            raise PageLostError("the page is closed")
        return self._context.pages[0]

    @property
    def is_open(self) -> bool:
        """Whether there is a page to act on."""
        return self._context is not None

    async def open(self, url: str) -> None:
        """Open a new page at an address."""
        width, height = self._viewport
        context = await self._browser.chromium.new_context(
            viewport={"width": width, "height": height},
            service_workers="block",
            accept_downloads=False,
            proxy={"server": NO_PROXY, "bypass": self._site.bypass},
        )
        self._context, self._crashed, self._loads, self._pending = context, False, 0, 0
        await context.route("**/*", self._route)
        await context.route_web_socket("**/*", lambda socket: socket.close())
        await context.add_init_script(_SCRIPT)
        if self._virtual:
            await context.clock.install(time=0)
            await context.clock.pause_at(1000)
        page = await context.new_page()
        page.on("dialog", self._dismiss)
        page.on("request", lambda _: self._asked(1))
        page.on("requestfinished", lambda _: self._asked(-1))
        page.on("requestfailed", lambda _: self._asked(-1))
        page.on("crash", lambda _: self._crash())
        page.on("download", lambda download: self._note(f"download {download.suggested_filename}"))
        page.on("framenavigated", lambda frame: self._loaded(frame is page.main_frame))
        context.on("page", self._close_popup)
        self._cdp = await context.new_cdp_session(page)
        await page.goto(url)
        self._loads = 0

    async def close(self) -> None:
        """Close the page, also one that hangs."""
        context, self._context, self._cdp = self._context, None, None
        if context is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(context.close(), 5.0)

    async def evaluate(self, script: str, value: Any = None) -> Any:
        """Run a script in the page.

        Raises:
            PageLostError: The page crashed, or loads itself without end.
        """
        self._check()
        return await self.page.evaluate(script, value)

    async def settle(self) -> None:
        """Let the page's timers fire."""
        self._check()
        if self._virtual:
            await self.page.clock.run_for(SETTLE)
            if self._pending:
                await self._answered()
                await self.page.clock.run_for(SETTLE)
        else:
            await asyncio.sleep(SETTLE / 2000)
            await self.page.wait_for_load_state()
        self._check()
        self._loads = 0

    async def _answered(self) -> None:
        """Wait for the answers to the page's requests, at most `ANSWERS` seconds."""
        end = asyncio.get_running_loop().time() + ANSWERS
        while self._pending and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.005)
            self._check()

    async def observe(
        self,
        goal: str,
        *,
        extra: str = "null",
        fields: tuple[str, ...] = (),
        screenshot: bool = False,
        accessibility: bool = False,
    ) -> tuple[Observation, Any]:
        """Look at the page.

        Args:
            goal: Instruction; where it is "", the second result holds it.
            extra: A script's expression that is evaluated at the same time.
            fields: Passed on.
            screenshot: Whether to take a picture.
            accessibility: Whether to read the accessibility tree.

        Returns:
            The observation, and the value of `extra`.
        """
        script = f"([hidden, most]) => [__sterling.observe(hidden, most), {extra}]"
        found, value = await self.evaluate(script, [self._hidden, MOST_ELEMENTS])
        events, self._events = tuple(self._events), []
        try:
            elements = tuple(map(element_of, found["elements"][:MOST_ELEMENTS]))
            scroll = (float(found["scroll"][0]), float(found["scroll"][1]))
            more = int(found["more"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise PageLostError(f"the page forges what is observed ({error})") from error
        seen = Observation(
            goal=goal,
            url=str(found["url"])[:MOST_TEXT],
            title=str(found["title"])[:MOST_TEXT],
            elements=elements,
            scroll=scroll,
            more=more,
            fields=fields,
            events=events,
            accessibility=await self.page.locator("body").aria_snapshot() if accessibility else "",
            screenshot=await self.pixels() if screenshot else None,
        )
        return seen, value

    async def pixels(self) -> NDArray[np.uint8]:
        """Take a picture of the viewport, uint8 (H, W, 3)."""
        content = await self.page.screenshot(scale="css", animations="allow", caret="initial")
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            return np.array(image.convert("RGB"))

    async def locate(self, action: Action) -> tuple[float, float] | None:
        """Return the point that an action's target has now; None for an action without a target.

        Raises:
            RefusedActionError: The element is gone, or the point lies outside of the page.
        """
        if action.ref is not None:
            return await self._place(action.ref)
        if action.point is not None:
            self._check_inside(action.point)
        return action.point

    async def act(self, action: Action, point: tuple[float, float] | None, *, blur: bool) -> None:
        """Do an action.

        Args:
            action: The action.
            point: Place of the pointer.
            blur: Take the focus away before typing.

        Raises:
            RefusedActionError: The page cannot do it.
        """
        if action.kind in POINTED or (action.kind in NEEDS_TARGET and action.kind != "select"):
            assert point is not None
            await self._pointer(action, point)
        if blur:
            await self.evaluate("() => __sterling.blur()")
        await self._rest(action)

    async def _pointer(self, action: Action, point: tuple[float, float]) -> None:
        mouse = self.page.mouse
        match action.kind:
            case "hover":
                await mouse.move(*point)
            case "mouse_down":
                await mouse.move(*point)
                await mouse.down()
            case "mouse_up":
                await mouse.move(*point)
                await mouse.up()
            case "drag":
                await self._drag(point, action.end)
            case "right_click":
                await self._click(point, "right")
            case "double_click":
                await self._click(point)
                await self._click(point, count=2)
            case "check" | "uncheck":
                wanted = action.kind == "check"
                if action.ref is not None and await self._state("toggled", action.ref) is wanted:
                    return
                await self._click(point)
            case _:
                await self._click(point)

    async def _rest(self, action: Action) -> None:
        page = self.page
        match action.kind:
            case "fill" | "clear":
                await self.evaluate("() => __sterling.selectAll()")
                await self._insert(action.text)
            case "type":
                await page.keyboard.type(action.text)
            case "press":
                if action.ref is not None:
                    await self._click(await self._place(action.ref))
                await page.keyboard.press(action.text)
            case "select":
                await self._select(action)
            case "scroll":
                if action.point is not None:
                    await page.mouse.move(*action.point)
                await page.mouse.wheel(*action.scroll)
            case "goto":
                await self._go(action.text)
            case "back":
                await page.go_back()
            case "forward":
                await page.go_forward()
            case _:
                pass

    async def _click(
        self, point: tuple[float, float], button: Button = "left", count: int = 1
    ) -> None:
        """Click with trusted events that are sent together, which takes a third of the time."""
        assert self._cdp is not None
        base = {"x": point[0], "y": point[1], "button": button, "clickCount": count}
        pressed = 1 if button == "left" else 2
        send = self._cdp.send
        await asyncio.gather(
            send("Input.dispatchMouseEvent", {**base, "type": "mouseMoved", "button": "none"}),
            send("Input.dispatchMouseEvent", {**base, "type": "mousePressed", "buttons": pressed}),
            send("Input.dispatchMouseEvent", {**base, "type": "mouseReleased"}),
        )

    async def _insert(self, text: str) -> None:
        if text:
            await self.page.keyboard.insert_text(text)
        else:
            await self.page.keyboard.press("Delete")

    async def _drag(
        self, point: tuple[float, float], end: tuple[float, float] | int | None
    ) -> None:
        target = await self._place(end) if isinstance(end, int) else end
        assert target is not None
        self._check_inside(target)
        mouse = self.page.mouse
        await mouse.move(*point)
        await mouse.down()
        await mouse.move(*target, steps=5)
        await mouse.up()

    async def _select(self, action: Action) -> None:
        if action.ref is None:
            raise RefusedActionError("select: name the list by its element")
        reason = await self.evaluate(
            "([ref, texts]) => __sterling.select(ref, texts)", [action.ref, [action.text]]
        )
        if reason:
            raise RefusedActionError(
                {
                    "gone": f"element [{action.ref}] is no longer on the page",
                    "no list": f"element [{action.ref}] is no list to select from",
                    "no option": f"element [{action.ref}] has no option {action.text!r}",
                }[reason]
            )

    async def _go(self, url: str) -> None:
        if reason := self._site.refusal(url):
            raise RefusedActionError(f"goto {url!r}: {reason}")
        await self.page.goto(url)

    async def _place(self, ref: int) -> tuple[float, float]:
        point = await self.evaluate("(ref) => __sterling.locate(ref)", ref)
        if point is None:
            raise RefusedActionError(f"element [{ref}] is no longer on the page")
        return float(point[0]), float(point[1])

    async def _state(self, name: str, ref: int) -> Any:
        return await self.evaluate(f"(ref) => __sterling.{name}(ref)", ref)

    def _check_inside(self, point: Sequence[float]) -> None:
        width, height = self._viewport
        if not (0 <= point[0] < width and 0 <= point[1] < height):
            raise RefusedActionError(
                f"point ({point[0]:g}, {point[1]:g}) lies outside of the {width} × {height} page"
            )

    def _check(self) -> None:
        if self._crashed:
            raise PageLostError("the page crashed")
        if self._loads > MOST_LOADS:
            raise PageLostError(f"the page loads itself without end ({self._loads} loads)")

    def _note(self, event: str) -> None:
        if len(self._events) < MOST_EVENTS:
            self._events.append(event[:200])

    def _crash(self) -> None:
        self._crashed = True

    def _asked(self, number: int) -> None:
        self._pending += number

    def _loaded(self, main: bool) -> None:
        self._loads += main

    async def _route(self, route: "Route") -> None:
        with contextlib.suppress(Exception):  # the page may be gone already
            if reason := await self._site.answer(route):
                self._note(f"refused {route.request.url}: {reason}")

    async def _dismiss(self, dialog: "Dialog") -> None:
        self._note(f"{dialog.type} {dialog.message!r} dismissed")
        with contextlib.suppress(Exception):
            await dialog.dismiss()

    async def _close_popup(self, page: "Page") -> None:
        if self._context is not None and page is not self.page:
            self._note(f"popup {page.url} closed")
            with contextlib.suppress(Exception):
                await page.close()


_SCRIPT = files("sterling.agent.browser").joinpath("page.js").read_text(encoding="utf-8")
