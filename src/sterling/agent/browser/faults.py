"""Faults that strike an action, each with the proof that it landed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from sterling.agent.browser.actions import Action, RefusedActionError
from sterling.agent.browser.live_page import LivePage
from sterling.checks import Positive, Share, check_fields
from sterling.errors import unknown_name

FaultKind = Literal["misclick", "stale", "slow", "modal", "focus"]
FAULTS: tuple[FaultKind, ...] = get_args(FaultKind)
CLICKED = {"click", "double_click", "right_click", "focus", "fill", "check", "uncheck", "clear"}
TYPED = {"fill", "type"}
CHANGES = CLICKED | TYPED | {"select", "press"}


@dataclass(frozen=True)
class FaultPlan:
    """Kinds and rate of the faults that strike actions.

    ==========  ==================================================================================
    kind        what happens
    ==========  ==================================================================================
    misclick    the pointer lands beside its target, by an offset
    stale       the page renders itself again: the number in the action names nothing any more
    slow        the page takes the action only when the next one, or ``wait``, is sent
    modal       a dialog covers the page just before the action; its button or Escape closes it
    focus       the focus is lost between the click into a field and the typing
    ==========  ==================================================================================

    Attributes:
        rate: Probability that an action is struck, where a kind applies to it.
        kinds: Kinds to draw from.
        offset: Pixels by which a click misses at least; it always leaves the target's box.

    Raises:
        InputError: A kind is unknown, or a number is out of its range.
    """

    rate: Share = 0.25
    kinds: tuple[FaultKind, ...] = FAULTS
    offset: Positive = 12.0

    def __post_init__(self) -> None:
        check_fields(self)
        for kind in self.kinds:
            if kind not in FAULTS:
                raise unknown_name("fault", str(kind), FAULTS)

    def draw(
        self, action: Action, rng: np.random.Generator, *, modal: bool, late: bool
    ) -> FaultKind | None:
        """Draw whether a fault strikes an action, and which.

        Args:
            action: The action.
            rng: Random numbers of the episode.
            modal: Whether a dialog covers the page already; there is one at a time.
            late: Whether the page was slow just before; it is not twice in a row.
        """
        struck, choice = rng.random() < self.rate, rng.random()
        barred = {"modal"} if modal else set()
        barred |= {"slow"} if late else set()
        fitting = [kind for kind in self.kinds if kind not in barred and _applies(kind, action)]
        return fitting[int(choice * len(fitting))] if struck and fitting else None


@dataclass(frozen=True)
class Fault:
    """A fault that struck an action.

    Attributes:
        kind: Kind.
        landed: Whether the page shows that it happened as meant.
        proof: Trace on the page that shows it.
    """

    kind: FaultKind
    landed: bool
    proof: str


def _applies(kind: FaultKind, action: Action) -> bool:
    match kind:
        case "misclick":
            return action.kind in CLICKED
        case "stale":
            return action.ref is not None
        case "modal":
            return action.kind in CLICKED
        case "focus":
            return action.kind in TYPED
        case "slow":
            return action.kind in CHANGES


async def act_with_fault(
    page: LivePage,
    action: Action,
    kind: FaultKind,
    plan: FaultPlan,
    rng: np.random.Generator,
    viewport: tuple[int, int],
) -> tuple[Fault, str]:
    """Do an action with a fault; ``slow`` is the environment's.

    Returns:
        The fault with its proof, and why the action was refused, or "".
    """
    match kind:
        case "stale":
            await page.evaluate("() => __sterling.renumber()")
            return await _stale(page, action)
        case "modal":
            return await _modal(page, action)
        case "misclick":
            return await _misclick(page, action, plan.offset, rng, viewport)
        case _:
            return await _lost_focus(page, action)


async def _stale(page: LivePage, action: Action) -> tuple[Fault, str]:
    try:
        await page.act(action, await page.locate(action), blur=False)
    except RefusedActionError as error:
        return Fault("stale", True, f"refused: {error}"), str(error)
    return Fault("stale", False, "the element was found all the same"), ""


async def _modal(page: LivePage, action: Action) -> tuple[Fault, str]:
    point = await page.locate(action)
    await page.evaluate("() => __sterling.cover()")
    await page.act(action, point, blur=False)
    return await standing_modal(page, action), ""


async def standing_modal(page: LivePage, action: Action) -> Fault:
    """Return the fault of an action that a dialog kept from its target."""
    met = await page.evaluate("(ref) => __sterling.met(ref)", action.ref)
    landed = bool(met) and bool(met["modal"]) and not met["hit"]
    return Fault("modal", landed, f"the pointer met {'the dialog' if landed else met}")


async def _misclick(
    page: LivePage,
    action: Action,
    offset: float,
    rng: np.random.Generator,
    viewport: tuple[int, int],
) -> tuple[Fault, str]:
    point = await page.locate(action)
    assert point is not None
    places = _beside(point, offset, rng, viewport)
    script = "([ref, places]) => places.findIndex(([x, y]) => !__sterling.top(x, y, ref))"
    index = await page.evaluate(script, [action.ref, places]) if action.ref is not None else 0
    if index < 0:
        await page.act(action, point, blur=False)
        return Fault("misclick", False, "the target fills the page"), ""
    place = places[index]
    await page.act(action, place, blur=False)
    met = await page.evaluate("(ref) => __sterling.met(ref)", action.ref)
    near = bool(met) and abs(met["x"] - place[0]) < 1 and abs(met["y"] - place[1]) < 1
    landed = near and not met["hit"]
    where = f"({met['x']:.0f}, {met['y']:.0f})" if met else "nowhere"
    aim = f"({point[0]:.0f}, {point[1]:.0f})"
    return Fault("misclick", landed, f"aimed at {aim}, the pointer met {where}"), ""


def _beside(
    point: tuple[float, float],
    offset: float,
    rng: np.random.Generator,
    viewport: tuple[int, int],
) -> Sequence[tuple[float, float]]:
    """Points around a point inside the viewport, the nearest ones first."""
    turn = rng.uniform(0, 2 * np.pi)
    found = []
    for ring in range(1, 8):
        for step in range(4):
            angle = turn + step * np.pi / 2
            x = float(np.round(point[0] + ring * offset * np.cos(angle)))
            y = float(np.round(point[1] + ring * offset * np.sin(angle)))
            if 0 <= x < viewport[0] and 0 <= y < viewport[1]:
                found.append((x, y))
    return found or [(0.0, 0.0)]


async def _lost_focus(page: LivePage, action: Action) -> tuple[Fault, str]:
    focused = await page.evaluate("() => __sterling.focused()")
    before = await page.evaluate("(ref) => __sterling.value(ref)", action.ref or focused)
    await page.act(action, await page.locate(action), blur=True)
    after = await page.evaluate("(ref) => __sterling.value(ref)", action.ref or focused)
    now = await page.evaluate("() => __sterling.focused()")
    landed = before == after and now is None
    return Fault("focus", landed, f"value {before!r} before and {after!r} after typing"), ""
