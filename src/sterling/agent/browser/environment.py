"""Gymnasium environments over pages: reset, act, look; several pages at once."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol

import numpy as np

from sterling.agent.browser.actions import Action, RefusedActionError
from sterling.agent.browser.chromium import SLACK, Browser
from sterling.agent.browser.faults import CLICKED, Fault, FaultPlan, act_with_fault, standing_modal
from sterling.agent.browser.grammar import Grammar, parse_action
from sterling.agent.browser.live_page import LivePage, PageLostError
from sterling.agent.browser.observation import Observation
from sterling.agent.browser.site import Site
from sterling.errors import InputError
from sterling.extras import needs

with needs("gui", "a browser"):
    import gymnasium as gym
    from gymnasium import spaces


@dataclass(frozen=True)
class Outcome:
    """State of a task after an action.

    Attributes:
        done: Whether the page says that the episode is over.
        reward: Reward in [-1, 1]; 1 is success.
        reason: Reason of the end; "" before it.
    """

    done: bool
    reward: float
    reason: str = ""


class Task(Protocol):
    """Interface of a task.

    Attributes:
        name: Name.
        site: Addresses that its pages may load.
        start: Whole address of the first page; ``{seed}`` is replaced.
        hidden: CSS selector of elements that observations leave out; "" for none.
        fresh: Part that a reset makes new: the problem, the page, or cookies and storage as well.
    """

    name: str
    site: Site
    start: str
    hidden: str
    fresh: Literal["problem", "page", "context"]

    async def begin(self, page: LivePage, seed: int) -> tuple[str, tuple[str, ...]]:
        """Set the page up for a seed; return the instruction and the texts to type."""
        ...

    @property
    def probe(self) -> str:
        """Expression of a script; `outcome` reads its value after every action."""
        ...

    def outcome(self, value: Any, action: Action) -> Outcome:
        """Read how the task stands.

        Raises:
            PageLostError: The value is none that a page gives of itself.
        """
        ...


class ObservationSpace(spaces.Space[Observation]):
    """Every `Observation`."""

    def contains(self, x: Any) -> bool:
        """Whether it is an observation."""
        return isinstance(x, Observation)

    def sample(self, mask: Any | None = None, probability: Any | None = None) -> Observation:
        """Return an empty page."""
        del mask, probability
        return Observation("", "about:blank", "", ())


class ActionSpace(spaces.Space[Action | str]):
    """Every `Action`, and texts of the environment's grammar."""

    def __init__(self, viewport: tuple[int, int], seed: int | None = None) -> None:
        super().__init__(seed=seed)
        self.viewport = viewport

    def contains(self, x: Any) -> bool:
        """Whether it is an action, or a text that may be one."""
        return isinstance(x, Action | str)

    def sample(self, mask: Any | None = None, probability: Any | None = None) -> Action:
        """Return a click at a random point."""
        del mask, probability
        x, y = self.np_random.random(2) * np.array(self.viewport)
        return Action("click", point=(float(x), float(y)))


class BrowserEnv(gym.Env[Observation, Action | str]):
    """A task on a page as a Gymnasium environment.

    `step` never raises for what a page or an agent does: an action that cannot be done is refused
    (``info["refused"]`` says why), and a page that hangs, crashes or never ends truncates the
    episode (``info["ended"]``).

    Args:
        task: The task.
        browser: Browser to open the page in; one of its own by default, closed with `close`.
        viewport: Width and height in pixels.
        grammar: Form of actions that are given as text.
        faults: Faults to inject; None for none.
        screenshot: Whether observations hold a picture.
        accessibility: Whether observations hold the accessibility tree as text.
        max_steps: Actions after which an episode is truncated.
        limit: Seconds after which a page counts as hanging.
        virtual_time: Whether the page's clock is ours; not for pages that wait for a network.
    """

    def __init__(
        self,
        task: Task,
        *,
        browser: Browser | None = None,
        viewport: tuple[int, int],
        grammar: Grammar = "browsergym",
        faults: FaultPlan | None = None,
        screenshot: bool = False,
        accessibility: bool = False,
        max_steps: int = 20,
        limit: float = 20.0,
        virtual_time: bool = True,
    ) -> None:
        self.task, self.grammar, self.faults = task, grammar, faults
        self.max_steps, self.limit, self.viewport = max_steps, limit, viewport
        self.observation_space = ObservationSpace()
        self.action_space = ActionSpace(viewport)
        self._own = browser is None
        self.browser = Browser() if browser is None else browser
        self._screenshot, self._accessibility = screenshot, accessibility
        self.live = LivePage(
            self.browser,
            task.site,
            viewport=viewport,
            hidden=task.hidden,
            virtual_time=virtual_time,
        )
        self._rng = np.random.default_rng(0)
        self._seed = 0
        self._steps = 0
        self._over = True
        self._modal = False
        self._held: Action | None = None
        self._seen = self.observation_space.sample()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode, on the page that is open already.

        Args:
            seed: The same seed gives the same page and the same faults; the next number by default.
            options: Not used.

        Raises:
            InputError: The page does not open.
        """
        del options
        return self.browser.call(self.reset_later(seed), 3 * self.limit + SLACK)

    def step(self, action: Action | str) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Do one action and look at the page.

        Returns:
            Observation; reward (of the last action only); whether the task ended; whether the
            episode was cut off; and the action as read (``action``), why it was refused
            (``refused``), the `Fault` that struck it (``fault``), whether a slow page did the one
            before it only now (``late``) and why the episode ended (``ended``), where they apply.

        Raises:
            InputError: No episode is under way.
        """
        return self.browser.call(self.step_later(action), 3 * self.limit + SLACK)

    def render(self) -> Any:
        """Take a picture of the page, uint8 (H, W, 3)."""
        return self.browser.call(self.live.pixels(), self.limit)

    def close(self) -> None:
        """Close the page, and the browser if it is the environment's own."""
        try:
            self.browser.call(self.live.close(), SLACK)
        except InputError:  # the browser was closed before
            return
        if self._own:
            self.browser.close()

    async def reset_later(self, seed: int | None) -> tuple[Observation, dict[str, Any]]:
        """`reset` as a coroutine for `run_together`."""
        self._seed = self._seed + 1 if seed is None else seed
        letters = int.from_bytes(self.task.name.encode(), "big")
        self._rng = np.random.default_rng((self._seed, letters))  # tasks have faults of their own
        self._np_random, self._np_random_seed = np.random.default_rng(self._seed), self._seed
        for last in (False, True):
            try:
                self._seen = await self._within(self._begin())
                break
            except (PageLostError, TimeoutError) as error:
                await self.live.close()
                if last:
                    raise InputError(f"{self.task.name}: the page does not open: {error}") from None
        self._steps, self._over, self._modal, self._held = 0, False, False, None
        return self._seen, {"seed": self._seed}

    async def _begin(self) -> Observation:
        start = self.task.start.replace("{seed}", str(self._seed))
        if self.task.fresh == "context":
            await self.live.close()
        if not self.live.is_open:
            await self.live.open(start)
        elif self.task.fresh == "page":
            await self.live.page.goto(start)
        await self.live.page.mouse.move(0, 0)
        goal, fields = await self.task.begin(self.live, self._seed)
        await self.live.settle()
        return (await self._observe(goal, fields, "null"))[0]

    async def _observe(
        self, goal: str, fields: tuple[str, ...], probe: str
    ) -> tuple[Observation, Any]:
        return await self.live.observe(
            goal,
            extra=probe,
            fields=fields,
            screenshot=self._screenshot,
            accessibility=self._accessibility,
        )

    async def step_later(
        self, given: Action | str
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """`step` as a coroutine for `run_together`."""
        if self._over:
            raise InputError("no episode is under way: call reset() first")
        self._steps += 1
        info: dict[str, Any] = {}
        before = self._seen
        try:
            action = self._read(given)
        except RefusedActionError as error:
            info["refused"], action = str(error), Action("wait")
        info["action"] = action
        try:
            await self._within(self._perform(action, info))
            self._seen, value = await self._within(
                self._observe(before.goal, before.fields, self.task.probe)
            )
            outcome = self.task.outcome(value, action)
        except (PageLostError, TimeoutError) as error:
            await self.live.close()
            self._over = True
            return before, 0.0, False, True, {**info, "ended": str(error)}
        if isinstance(fault := info.get("fault"), Fault) and fault.kind == "slow":
            same = before.digest == self._seen.digest
            info["fault"] = Fault("slow", same, f"the page is {'as before' if same else 'changed'}")
        cut = not outcome.done and self._steps >= self.max_steps
        if outcome.reason:
            info["ended"] = outcome.reason
        elif cut:
            info["ended"] = f"{self.max_steps} steps"
        self._over = outcome.done or cut
        return self._seen, outcome.reward, outcome.done, cut, info

    def _read(self, given: Action | str) -> Action:
        if isinstance(given, Action):
            return given
        return parse_action(given, self.grammar, fields=self._seen.fields)

    async def _perform(self, action: Action, info: dict[str, Any]) -> None:
        held, self._held = self._held, None
        if held is not None:  # the page was slow and takes the action before this one now
            info["late"] = True
            await self._do(held, {})
            await self.live.settle()
        plan = self.faults
        modal = self._modal and await self.live.evaluate("() => __sterling.modal(1, 1)")
        late = held is not None
        kind = plan.draw(action, self._rng, modal=modal, late=late) if plan else None
        if plan is None or kind is None:
            await self._do(action, info)
            if modal and action.kind in CLICKED and "refused" not in info:
                info["fault"] = await standing_modal(self.live, action)
        elif kind == "slow":
            self._held = action
            info["fault"] = Fault("slow", False, "")
            return
        else:
            try:
                info["fault"], refused = await act_with_fault(
                    self.live, action, kind, plan, self._rng, self.viewport
                )
            except RefusedActionError as error:
                refused = str(error)
            self._modal = self._modal or kind == "modal"
            info.update({"refused": refused} if refused else {})
        if action.kind not in ("finish", "infeasible"):
            await self.live.settle()

    async def _do(self, action: Action, info: dict[str, Any]) -> None:
        try:
            await self.live.act(action, await self.live.locate(action), blur=False)
        except RefusedActionError as error:
            info["refused"] = str(error)

    async def _within(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Wait for work on the page, at most `limit` seconds; Playwright's errors become ours."""
        from playwright.async_api import Error

        try:
            return await asyncio.wait_for(work, self.limit)
        except TimeoutError:
            raise TimeoutError(f"the page hangs: no answer within {self.limit:g} s") from None
        except Error as error:
            message = (str(error).splitlines() or ["lost"])[0]
            raise PageLostError(f"the page is lost: {message}") from error


def reset_all(
    envs: Sequence[BrowserEnv], seeds: Sequence[int]
) -> list[tuple[Observation, dict[str, Any]]]:
    """Reset several pages of one browser at the same time.

    Raises:
        InputError: A page does not open.
    """
    return run_together(
        envs, [partial(env.reset_later, at) for env, at in zip(envs, seeds, strict=True)]
    )


def step_all(
    envs: Sequence[BrowserEnv], actions: Sequence[Action | str]
) -> list[tuple[Observation, float, bool, bool, dict[str, Any]]]:
    """Do one action on each of several pages of one browser at the same time.

    Raises:
        InputError: An environment has no episode under way.
    """
    return run_together(
        envs, [partial(env.step_later, do) for env, do in zip(envs, actions, strict=True)]
    )


def run_together(
    envs: Sequence[BrowserEnv], calls: Sequence[Callable[[], Coroutine[Any, Any, Any]]]
) -> list[Any]:
    """Run one coroutine for each of several environments of one browser at the same time.

    Raises:
        InputError: The environments have different browsers.
    """
    if not envs:
        return []
    if any(env.browser is not envs[0].browser for env in envs):
        raise InputError("pages that work at the same time share one browser: pass browser=")

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*(call() for call in calls))

    return envs[0].browser.call(all_of_them(), 3 * max(env.limit for env in envs) + SLACK)
