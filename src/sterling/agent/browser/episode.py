"""Episodes: a policy acts, a verifier looks, failed actions are recovered; many pages at once."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sterling.agent.browser.actions import Action
from sterling.agent.browser.changes import find_changes, same_element, target_of
from sterling.agent.browser.environment import BrowserEnv, run_together
from sterling.agent.browser.faults import Fault
from sterling.agent.browser.observation import Observation
from sterling.agent.browser.verifier import Check, Verifier

AT_ONCE = 6
"""Pages that work at the same time: more only wait for each other on two cores."""
MOST_RECOVERIES = 2
"""Recoveries of one action at most, as in the method's card."""


@dataclass(frozen=True)
class StepRecord:
    """One action of an episode.

    Attributes:
        before: The page before it.
        action: The action; a wait where the policy gave none that could be read.
        after: The page after it.
        reward: Reward.
        refused: Reason for refusing it; "" if it was done.
        fault: Fault that struck it, if one did.
        check: The verifier's verdict, where there was one.
        late: Whether a slow page did the action before this one only now.
        role: Source of the action: "policy", or "wait", "undo" or "retry" of a recovery.
        choice: The policy's own record of its choice, such as indices and log-probability.
    """

    before: Observation
    action: Action
    after: Observation
    reward: float
    refused: str = ""
    fault: Fault | None = None
    check: Check | None = None
    late: bool = False
    role: str = "policy"
    choice: Any = None

    def caption(self) -> str:
        """Describe the step in one line: action, refusal, fault and verdict."""
        words = [
            self.action.describe()
            if self.role == "policy"
            else f"{self.role}: {self.action.describe()}"
        ]
        target = self.before.find(self.action.ref)
        words += [f"on {target.tag} {target.text or target.name!r}"] if target is not None else []
        words += [f"refused: {self.refused}"] if self.refused else []
        words += [f"fault: {self.fault.kind}"] if self.fault is not None else []
        words += [f"{self.check.verdict} ({self.check.reason})"] if self.check is not None else []
        return "; ".join(words)


@dataclass
class Episode:
    """Record from a reset to the end.

    Attributes:
        task: Name of the task.
        seed: Seed of the reset.
        steps: Actions.
        reward: Last reward; 1 is success.
        ended: Reason of the end.
        failed: Actions that no recovery repaired, by the verifier's verdict.
        recovered: Actions that were repaired.
    """

    task: str
    seed: int
    steps: list[StepRecord] = field(default_factory=list)
    reward: float = 0.0
    ended: str = ""
    failed: int = 0
    recovered: int = 0

    @property
    def success(self) -> bool:
        """Whether the task was solved."""
        return self.reward >= 1.0

    @property
    def invalid(self) -> int:
        """Number of refused actions."""
        return sum(bool(one.refused) for one in self.steps)

    @property
    def no_effect(self) -> int:
        """Number of actions after which the page looks as before, without waits."""
        return sum(
            one.before.digest == one.after.digest and one.action.kind != "wait"
            for one in self.steps
        )


class Policy(Protocol):
    """Chooses actions."""

    def begin(self, task: str, seed: int) -> None:
        """Forget the last episode."""
        ...

    def act(self, seen: Observation) -> tuple[Action | str, Any]:
        """Choose an action, or a text of the environment's grammar; and a record of the choice."""
        ...


@dataclass(frozen=True)
class Guard:
    """Verifier of a policy, and what follows an alarm.

    Attributes:
        verifier: Judges each action.
        recover: Whether failed actions are recovered: wait and retry on the element as it is now,
            then undo and retry, then back to the policy.
        budget: Failed actions without recovery after which the episode is given up.
    """

    verifier: Verifier
    recover: bool = True
    budget: int = 3


Moves = Generator[tuple[Action | str, str, Any], StepRecord, str]
"""Yields (action, role, choice), receives the step, returns why the agent stops."""


def moves(policy: Policy, first: Observation, guard: Guard | None) -> Moves:
    """Play an episode: yield each action, receive what came of it."""
    seen, failures = first, 0
    while True:
        action, choice = policy.act(seen)
        step = yield action, "policy", choice
        seen = step.after
        if guard is None or step.check is None or not step.check.alarm:
            continue
        if guard.recover:
            seen, repaired = yield from _recover(step, guard.verifier)
            if repaired:
                continue
        failures += 1
        if failures >= guard.budget:
            return "error budget spent"


def _recover(failed: StepRecord, verifier: Verifier) -> Generator[Any, StepRecord, Any]:
    """Repair an action in at most two tries; return the page and whether it worked."""
    before, action, seen, check = failed.before, failed.action, failed.after, failed.check
    assert check is not None
    if failed.refused and target_of(action, before) is None:
        return seen, False  # it named nothing that ever was on the page
    for attempt in range(MOST_RECOVERIES):
        if attempt == 0 and check.verdict == "no change" and not failed.refused:
            step = yield Action("wait"), "wait", None  # a slow page may only need time
            seen = step.after
            if not verifier.check(action, before, seen).alarm:
                return seen, True
        else:
            undoing = undo(action, before, seen)
            if undoing is not None:
                step = yield undoing, "undo", None
                seen = step.after
        again = reground(action, before, seen)
        if again is None:
            return seen, False
        step = yield again, "retry", None
        seen = step.after
        check = verifier.check(action, before, seen, refused=step.refused or None)
        if not check.alarm:
            return seen, True
    return seen, False


def undo(action: Action, before: Observation, after: Observation) -> Action | None:
    """Return the action that takes back a wrong effect; None where nothing is to be taken back."""
    changes = find_changes(action, before, after)
    if changes.address:
        return Action("back")
    for old, new in changes.others:
        if old.toggled and old.kind != "radio":
            return Action("click", ref=new.ref)
        if old.editable:
            return Action("fill", ref=new.ref, text=old.value)
    if changes.appeared or (changes.now is not None and changes.now.covered):
        return Action("press", text="Escape")
    return None


def reground(action: Action, before: Observation, after: Observation) -> Action | None:
    """Return an action with its target as it is numbered and placed now; None if it is gone."""
    target = target_of(action, before)
    if target is None:
        return action
    now = same_element(target, before, after)
    if now is None:
        return None
    if action.ref is not None:
        return Action(action.kind, ref=now.ref, text=action.text, end=action.end)
    return Action(action.kind, point=now.centre, text=action.text, end=action.end)


def run_episodes(
    envs: Mapping[str, BrowserEnv],
    jobs: Sequence[tuple[str, int]],
    policy: Callable[[], Policy],
    *,
    guard: Guard | None = None,
    progress: Callable[[], None] = lambda: None,
) -> list[Episode]:
    """Play episodes, one page for each environment, up to six of them side by side.

    Args:
        envs: Environments of one browser, by name of the task or of the page.
        jobs: Environment and seed of each episode.
        policy: Makes the policy of a page.
        guard: Verifier and recovery; None for neither.
        progress: Called after each episode.

    Returns:
        Episodes in the order of the jobs.
    """
    queues: dict[str, list[int]] = {}
    for index, (name, _) in enumerate(jobs):
        queues.setdefault(name, []).append(index)
    found: list[Episode | None] = [None] * len(jobs)
    players = [
        _Player(envs[name], iter([(at, jobs[at][1]) for at in queue]), policy(), guard)
        for name, queue in queues.items()
    ]
    while players:
        active = players[:AT_ONCE]
        results = run_together([one.env for one in active], [one.call for one in active])
        for player, result in zip(active, results, strict=True):
            player.receive(result)
            if player.finished is not None:
                found[player.finished[0]] = player.finished[1]
                progress()
        players = [player for player in players if not player.idle]
    return [episode for episode in found if episode is not None]


class _Player:
    """Plays the jobs of one page, one call after the other."""

    def __init__(
        self,
        env: BrowserEnv,
        jobs: Iterator[tuple[int, int]],
        policy: Policy,
        guard: Guard | None,
    ) -> None:
        self.env, self._jobs, self._policy, self._guard = env, jobs, policy, guard
        self.finished: tuple[int, Episode] | None = None
        self.idle = False
        self._next()

    def _next(self) -> None:
        job = next(self._jobs, None)
        if job is None:
            self.idle = True
            return
        self._index, seed = job
        self._episode = Episode(self.env.task.name, seed)
        self._policy.begin(self.env.task.name, seed)
        self._moves: Moves | None = None
        self.call: Callable[[], Any] = lambda: self.env.reset_later(seed)

    def receive(self, result: Any) -> None:
        """Take what a reset or a step returned, and choose the next call."""
        self.finished = None
        if self._moves is None:
            self._seen: Observation = result[0]
            self._moves = moves(self._policy, self._seen, self._guard)
            self._ask(None)
            return
        after, reward, done, cut, info = result
        step = self._record(after, reward, info, over=done or cut)
        self._episode.steps.append(step)
        self._seen = after
        if done or cut:
            self._end(reward, str(info.get("ended", "")))
        else:
            self._ask(step)

    def _record(
        self, after: Observation, reward: float, info: Mapping[str, Any], *, over: bool
    ) -> StepRecord:
        given, role, choice = self._given
        action = given if isinstance(given, Action) else info.get("action", Action("wait"))
        refused = str(info.get("refused", ""))
        check = None
        if self._guard is not None and role == "policy" and not over:
            check = self._guard.verifier.check(action, self._seen, after, refused=refused or None)
        late = bool(info.get("late"))
        return StepRecord(
            self._seen, action, after, reward, refused, info.get("fault"), check, late, role, choice
        )

    def _ask(self, step: StepRecord | None) -> None:
        assert self._moves is not None
        try:
            self._given = next(self._moves) if step is None else self._moves.send(step)
        except StopIteration as stop:
            self._end(0.0, str(stop.value))
            return
        given = self._given[0]
        self.call = lambda: self.env.step_later(given)

    def _end(self, reward: float, reason: str) -> None:
        episode = self._episode
        episode.reward, episode.ended = reward, reason
        alarms = [at for at, one in enumerate(episode.steps) if one.check and one.check.alarm]
        episode.recovered = sum(repaired(episode, at) for at in alarms)
        episode.failed = len(alarms) - episode.recovered
        self.finished = (self._index, episode)
        self._next()


def repaired(episode: Episode, at: int) -> bool:
    """Whether the recovery after an action left its wanted effect, by the rules."""
    last = at
    while last + 1 < len(episode.steps) and episode.steps[last + 1].role != "policy":
        last += 1
    if last == at:
        return False
    step, end = episode.steps[at], episode.steps[last]
    over = last + 1 == len(episode.steps) and episode.success
    return over or not Verifier().check(step.action, step.before, end.after).alarm
