"""Recorded episodes as a folder: one Parquet table of steps, and pictures; replay with a check."""

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image

from sterling.agent.browser.actions import Action
from sterling.agent.browser.environment import BrowserEnv
from sterling.agent.browser.episode import Episode
from sterling.agent.browser.observation import Element, element_of
from sterling.errors import InputError
from sterling.files import open_regular, within
from sterling.storage import write_atomically, write_parquet

SCHEMA = {
    "episode": pl.Int64,
    "task": pl.String,
    "seed": pl.Int64,
    "step": pl.Int64,
    "goal": pl.String,
    "url": pl.String,
    "elements": pl.String,
    "action": pl.String,
    "role": pl.String,
    "refused": pl.String,
    "fault": pl.String,
    "landed": pl.Boolean,
    "proof": pl.String,
    "verdict": pl.String,
    "reason": pl.String,
    "reward": pl.Float64,
    "before": pl.String,
    "after": pl.String,
    "screenshot": pl.String,
    "success": pl.Boolean,
    "ended": pl.String,
}
"""Columns of the table. `before` and `after` are digests of the page; `action` and `elements` JSON;
`screenshot` is a file of the folder, or null."""
STEPS, PICTURES = "steps.parquet", "screenshots"


@dataclass(frozen=True, eq=False)
class Trajectories:
    """Recorded episodes.

    Attributes:
        frame: One row for each action, with the columns of `SCHEMA`.
        pictures: Picture before each action by file name, uint8 (H, W, 3).

    Examples:
        ```python
        Trajectories.of(episodes).write(Path("runs/demo"))
        Trajectories.read(Path("runs/demo")).frame
        ```
    """

    frame: pl.DataFrame
    pictures: Mapping[str, NDArray[np.uint8]]

    @classmethod
    def of(cls, episodes: Iterable[Episode]) -> "Trajectories":
        """Record episodes."""
        rows, pictures = [], {}
        for number, episode in enumerate(episodes):
            for at, step in enumerate(episode.steps):
                name = f"{PICTURES}/{number:05d}_{at:03d}.png"
                if step.before.screenshot is not None:
                    pictures[name] = step.before.screenshot
                rows.append(
                    {
                        "episode": number,
                        "task": episode.task,
                        "seed": episode.seed,
                        "step": at,
                        "goal": step.before.goal,
                        "url": step.before.url,
                        "elements": json.dumps([asdict(one) for one in step.before.elements]),
                        "action": json.dumps(step.action.as_record()),
                        "role": step.role,
                        "refused": step.refused,
                        "fault": step.fault.kind if step.fault else None,
                        "landed": step.fault.landed if step.fault else None,
                        "proof": step.fault.proof if step.fault else None,
                        "verdict": step.check.verdict if step.check else None,
                        "reason": step.check.reason if step.check else None,
                        "reward": step.reward,
                        "before": step.before.digest,
                        "after": step.after.digest,
                        "screenshot": name if name in pictures else None,
                        "success": episode.success,
                        "ended": episode.ended,
                    }
                )
        return cls(pl.DataFrame(rows, schema=SCHEMA), pictures)

    @property
    def episodes(self) -> int:
        """Number of episodes with at least one action."""
        return self.frame["episode"].n_unique()

    def write(self, folder: Path) -> None:
        """Write table and pictures into a folder."""
        for name, pixels in self.pictures.items():
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "PNG")
            write_atomically(folder / name, buffer.getvalue())
        write_parquet(folder / STEPS, self.frame)

    @classmethod
    def read(cls, folder: Path) -> "Trajectories":
        """Read a folder that `write` wrote; pictures stay on the disk until they are asked for.

        Raises:
            InputError: The folder holds no such table, or a row is damaged.
        """
        path = folder / STEPS
        with open_regular(path, "table of steps") as file:
            content = file.read()
        try:
            frame = pl.read_parquet(io.BytesIO(content))
        except Exception as error:  # polars raises several kinds, and panics
            raise InputError(f"{path}: no table of steps; record it again") from error
        if dict(frame.schema) != SCHEMA:
            wrong = [name for name, kind in SCHEMA.items() if frame.schema.get(name) != kind]
            raise InputError(f"{path}: columns {', '.join(wrong) or 'beyond ours'} do not fit")
        for at, text in enumerate(frame["action"]):
            try:
                Action.from_record(json.loads(text))
            except (ValueError, TypeError) as error:
                raise InputError(f"{path}: row {at}: no action ({error})") from error
        for name in frame["screenshot"].drop_nulls():
            within(folder, name)
        return cls(frame, {})

    def actions(self, episode: int) -> list[Action]:
        """Return the actions of an episode."""
        texts = self.frame.filter(episode=episode).sort("step")["action"]
        return [Action.from_record(json.loads(text)) for text in texts]


def elements_of(text: str) -> list[Element]:
    """Read the elements of a row."""
    return [element_of(record) for record in json.loads(text)]


@dataclass(frozen=True)
class Replayed:
    """A replayed episode.

    Attributes:
        episode: Its number in the recording.
        steps: Actions done again.
        difference: First step after which the page differs from the recording; None for none.
        success: Whether the task was solved this time.
    """

    episode: int
    steps: int
    difference: int | None
    success: bool


def replay(recorded: Trajectories, envs: Mapping[str, BrowserEnv]) -> list[Replayed]:
    """Do recorded actions again from the same seeds, and compare every page with the recording.

    Args:
        recorded: The recording.
        envs: Environment of each task, with the same faults as when it was recorded.

    Raises:
        InputError: A task has no environment.
    """
    found = []
    for (number,), rows in recorded.frame.sort("episode", "step").group_by(
        "episode", maintain_order=True
    ):
        task = rows["task"][0]
        if task not in envs:
            raise InputError(f"episode {number}: no environment for task {task!r}")
        found.append(_replay(int(str(number)), rows, envs[task]))
    return found


def _replay(number: int, rows: pl.DataFrame, env: BrowserEnv) -> Replayed:
    seen, _ = env.reset(seed=rows["seed"][0])
    reward, steps = 0.0, 0
    difference = None if seen.digest == rows["before"][0] else 0
    for row in rows.iter_rows(named=True):
        result: Any = env.step(Action.from_record(json.loads(row["action"])))
        seen, reward, done, cut, _ = result
        steps += 1
        if difference is None and seen.digest != row["after"]:
            difference = row["step"]
        if done or cut:
            break
    return Replayed(number, steps, difference, reward >= 1.0)
