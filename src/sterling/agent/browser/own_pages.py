"""Your own site as an environment: a folder of HTML or a local server, and a task file."""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sterling.agent.browser.actions import Action
from sterling.agent.browser.environment import BrowserEnv, Outcome
from sterling.agent.browser.live_page import LivePage, PageLostError
from sterling.agent.browser.site import Site
from sterling.errors import InputError
from sterling.files import open_regular

LARGEST_TASK = 1 << 20
Text = Annotated[str, Field(min_length=1, max_length=2000)]


class PageTaskFile(BaseModel):
    """A task on the user's own pages, as a YAML or JSON file states it.

    Attributes:
        instruction: Goal in words.
        start: File of the folder, or whole address of an allowed origin; ``{seed}`` is replaced.
        check: JavaScript expression. True (or a reward above 0) ends the episode with success.
        origins: Origins that the pages ask over the network. The user allows each as well.
        max_steps: Actions of an episode at most.
        viewport: Width and height in pixels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    instruction: Text
    start: Text
    check: Text
    origins: tuple[str, ...] = ()
    max_steps: Annotated[int, Field(ge=1, le=1000)] = 20
    viewport: tuple[
        Annotated[int, Field(ge=50, le=4000)], Annotated[int, Field(ge=50, le=4000)]
    ] = (
        1024,
        768,
    )

    @classmethod
    def read(cls, path: Path) -> "PageTaskFile":
        """Read a task file.

        Raises:
            InputError: There is none, it is no YAML or JSON, or a field is missing or wrong.
        """
        with open_regular(path, "task file", largest=LARGEST_TASK) as file:
            content = file.read()
        try:
            return cls.model_validate(yaml.safe_load(content))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"])) or "the file"
            raise InputError(f"{path}: {field}: {first['msg']}") from error
        except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{path}: neither YAML nor JSON ({reason})") from error


class PageTask:
    """A task file on a site.

    Args:
        path: Task file.
        folder: Folder of its pages; the task file's own by default.
        allow: Origins that may be asked over the network.

    Raises:
        InputError: The file is wrong, or asks for an origin that is not allowed.
    """

    hidden = ""
    fresh: Literal["problem", "page", "context"] = "context"

    def __init__(self, path: Path, folder: Path | None = None, allow: tuple[str, ...] = ()) -> None:
        self.file = PageTaskFile.read(path)
        self.path, self.name = path, path.stem
        for origin in self.file.origins:
            if origin not in allow:
                raise InputError(
                    f"{path}: asks for {origin}, which is not allowed; allow it by name "
                    f"(allow=, --allow {origin}) or leave it out of origins"
                )
        self.site = Site(path.parent if folder is None else folder, self.file.origins)
        self.start = self.site.address(self.file.start)

    @property
    def probe(self) -> str:
        """The check, which may raise."""
        return _PROBE % self.file.check

    async def begin(self, page: LivePage, seed: int) -> tuple[str, tuple[str, ...]]:
        """Try the check, which must not hold yet; the page was opened at its start.

        Raises:
            InputError: The check is no expression, raises, or holds already.
        """
        del seed
        await page.settle()
        parsed = await page.evaluate(_PARSES, f"return ({self.file.check}\n)")
        if parsed:
            raise InputError(f"{self.path}: check is no JavaScript expression: {parsed}")
        outcome = self.outcome(await page.evaluate(f"() => {self.probe}"), Action("wait"))
        if outcome.reason.startswith(_RAISED):
            raise InputError(f"{self.path}: {outcome.reason} on the start page")
        if outcome.done:
            raise InputError(f"{self.path}: check holds on the start page, before any action")
        return self.file.instruction, ()

    def outcome(self, value: Any, action: Action) -> Outcome:
        """Read the check's value; a check that raises ends the episode without reward."""
        try:
            state, found = value
            if state == "raised":
                return Outcome(True, 0.0, f"{_RAISED} {str(found)[:200]}")
            reward = min(1.0, max(-1.0, float(found)))
        except (TypeError, ValueError) as error:
            raise PageLostError(f"the page forges its check ({error})") from error
        if reward > 0:
            return Outcome(True, reward, "the check holds")
        if action.kind in ("finish", "infeasible"):
            return Outcome(True, reward, "the agent ended the episode")
        return Outcome(False, reward)


class PageEnv(BrowserEnv):
    """The user's own pages as a Gymnasium environment.

    Pages come from a folder, without a server, or from a named origin. Nothing else is reached:
    files outside of the folder, other origins and the network are refused.

    Args:
        task: Task file (YAML or JSON): ``instruction``, ``start``, ``check`` and more, see
            `PageTaskFile`.
        folder: Folder of the pages; the task file's own by default.
        allow: Origins that the pages may ask, such as ``http://127.0.0.1:8000``.
        options: As for `BrowserEnv`.

    Raises:
        InputError: The task file is wrong, or a package or Chromium is missing.

    Examples:
        ```python
        with PageEnv(Path("shop/task.yaml")) as env:
            observation, _ = env.reset(seed=0)
        ```
    """

    def __init__(
        self, task: Path, *, folder: Path | None = None, allow: tuple[str, ...] = (), **options: Any
    ) -> None:
        found = PageTask(task, folder, allow)
        options.setdefault("virtual_time", not found.file.origins)
        options.setdefault("max_steps", found.file.max_steps)
        super().__init__(found, viewport=found.file.viewport, **options)


_RAISED = "the check raised"
_PARSES = (
    "(body) => { try { new Function(body); return ''; } catch (error) { return String(error); } }"
)
_PROBE = (
    "(() => { try { return ['ok', Number(%s\n) || 0]; } "
    "catch (error) { return ['raised', String(error)]; } })()"
)
