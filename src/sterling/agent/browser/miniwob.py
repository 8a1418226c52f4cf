"""MiniWoB++ tasks on Chromium, reset on the same page without a new browser."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from sterling.agent.browser.actions import Action
from sterling.agent.browser.environment import BrowserEnv, Outcome
from sterling.agent.browser.live_page import LivePage, PageLostError
from sterling.agent.browser.site import LOCAL, Site
from sterling.errors import InputError, unknown_name

VIEWPORT = (332, 214)
"""Width and height of the page. Tasks fill 160 × 210; dialogs are placed by the whole width."""
RELOADED = frozenset(
    {
        "book-flight",
        "book-flight-nodelay",
        "choose-date",
        "choose-date-easy",
        "choose-date-medium",
        "moving-items",
        "scroll-text",
        "simon-says",
        "use-colorwheel",
        "use-colorwheel-2",
    }
)
"""Tasks whose page keeps something of the last episode, so that a reset loads it again."""
HIDDEN = "#reward-display,#sync-task-cover,#click-canvas,#query"
READY_TRIES = 20


def miniwob_folder() -> Path:
    """Return the folder of the pages of the package miniwob, without importing it.

    Raises:
        InputError: The package is missing.
    """
    found = find_spec("miniwob")
    if found is None or found.origin is None:
        raise InputError("MiniWoB++ needs the package miniwob: pip install 'sterling[gui]'")
    return Path(found.origin).parent / "html"


def miniwob_tasks() -> list[str]:
    """Return the names of all tasks of the package miniwob.

    Raises:
        InputError: The package is missing.
    """
    return sorted(path.stem for path in (miniwob_folder() / "miniwob").glob("*.html"))


class MiniWobTask:
    """A task of the package miniwob.

    The reward is MiniWoB++'s raw reward, which does not fall with time; 1 is success.

    Args:
        name: Name of the task, such as ``click-test-2``.

    Raises:
        InputError: There is no such task; the nearest names are given.
    """

    hidden = HIDDEN
    probe = "[WOB_DONE_GLOBAL, WOB_RAW_REWARD_GLOBAL, WOB_REWARD_REASON]"

    def __init__(self, name: str) -> None:
        if name not in (names := miniwob_tasks()):
            raise unknown_name("MiniWoB++ task", name, names)
        self.name = name
        self.site = Site(miniwob_folder())
        self.start = f"{LOCAL}/miniwob/{name}.html"
        self.fresh: Literal["problem", "page", "context"] = (
            "page" if name in RELOADED else "problem"
        )

    async def begin(self, page: LivePage, seed: int) -> tuple[str, tuple[str, ...]]:
        """Start the problem of a seed."""
        goal = await page.evaluate(_START, seed)
        for _ in range(READY_TRIES):
            if goal is not None:
                break
            await page.settle()
            goal = await page.evaluate(_GOAL)
        else:
            raise PageLostError(f"{self.name} is not ready after {READY_TRIES} tries")
        return str(goal["text"]), tuple(map(str, goal["fields"]))

    def outcome(self, value: Any, action: Action) -> Outcome:
        """Read MiniWoB++'s own verdict; an agent that gives up or finishes has failed."""
        done, reward, reason = value
        if done:
            return Outcome(True, float(reward), str(reason or "the task ended"))
        if action.kind in ("finish", "infeasible"):
            return Outcome(True, -1.0, "the agent ended the episode")
        return Outcome(False, 0.0)


class MiniWobEnv(BrowserEnv):
    """A MiniWoB++ task as a Gymnasium environment.

    Args:
        task: Name of the task; `miniwob_tasks` lists them.
        options: As for `BrowserEnv`, but for the viewport, which MiniWoB++ fixes.

    Raises:
        InputError: The task is unknown, or a package or Chromium is missing.

    Examples:
        ```python
        with MiniWobEnv("click-test-2") as env:
            seen, _ = env.reset(seed=1)
            button = next(one for one in seen.elements if one.text == "ONE")
            seen, reward, done, cut, info = env.step(f"click('{button.ref}')")
        ```
    """

    def __init__(self, task: str, **options: Any) -> None:
        super().__init__(MiniWobTask(task), viewport=VIEWPORT, **options)


_GOAL = """() => {
  if (typeof WOB_TASK_READY !== 'undefined' && !WOB_TASK_READY) return null;
  const said = core.getUtterance();
  if (typeof said === 'string') return { text: said, fields: [] };
  const fields = Array.isArray(said.fields) ? said.fields : Object.values(said.fields || {});
  return { text: said.utterance, fields };
}"""
_START = f"""(seed) => {{
  __sterling.restart();
  if (core.EP_TIMER !== null) {{ clearTimeout(core.EP_TIMER); core.EP_TIMER = null; }}
  Math.seedrandom(String(seed));
  core.EPISODE_MAX_TIME = 1e9;
  core.startEpisodeReal();
  for (const id of ['reward-display', 'click-canvas'])
    document.getElementById(id).style.visibility = 'hidden';
  return ({_GOAL})();
}}"""
