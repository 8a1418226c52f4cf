"""Evidence of `sterling agent gui evaluate`: rates with intervals, and every step as a picture."""

import io
import json
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from sterling.agent.browser.changes import target_of
from sterling.agent.browser.episode import Episode, StepRecord
from sterling.measure import Rate
from sterling.storage import write_atomically
from sterling.study import Figure, Findings, Table, metric_of_mean, metric_of_rate
from sterling.study.evidence import TableRow

SHOWN = 12
"""Episodes whose steps the report shows: failures first."""
SCALE = 2
"""Pictures of small pages are enlarged this many times."""


def gui_findings(episodes: Sequence[Episode], policy: str, figures: Sequence[Figure]) -> Findings:
    """Turn episodes into findings.

    Args:
        episodes: Played episodes, at least one.
        policy: Name of the policy.
        figures: Pictures.
    """
    steps = [step for one in episodes for step in one.steps]
    checks = [step for step in steps if step.check is not None]
    lengths = [float(len(one.steps)) for one in episodes]
    metrics = [
        metric_of_rate("success", Rate(sum(one.success for one in episodes), len(episodes))),
        metric_of_mean("actions", "actions", lengths, "episodes"),
    ]
    for name, hits, among in (
        ("refused actions", sum(bool(one.refused) for one in steps), len(steps)),
        ("alarms", sum(one.check.alarm for one in checks if one.check), len(checks)),
        ("alarms repaired", sum(one.recovered for one in episodes), _alarms(episodes)),
        (
            "injected faults that landed",
            sum(one.fault.landed for one in steps if one.fault),
            sum(one.fault is not None for one in steps),
        ),
    ):
        if among:
            metrics.append(metric_of_rate(name, Rate(hits, among)))
    lost = [one for one in episodes if "hangs" in one.ended or "lost" in one.ended]
    tasks = list(dict.fromkeys(one.task for one in episodes))
    return Findings(
        scope=f"{len(tasks)} tasks, {len(episodes)} episodes of {policy} in Chromium; faults, if "
        "any, are simulated.",
        not_scored=len(lost),
        metrics=metrics,
        claims=[],
        tables=[_tasks(episodes, tasks), *_ends(episodes)],
        figures=list(figures),
    )


def picture_steps(episodes: Sequence[Episode], out: Path) -> Figure:
    """Draw the steps of some episodes into ``out/steps``: the target in red, a caption below.

    Args:
        episodes: Played episodes; failures are shown first.
        out: Run folder.
    """
    chosen = sorted(episodes, key=lambda one: one.success)[:SHOWN]
    items = []
    for number, episode in enumerate(chosen):
        for at, step in enumerate(episode.steps):
            if step.before.screenshot is None:
                continue
            name = f"steps/{number:02d}_{at:02d}.png"
            write_atomically(out / name, _drawn(step))
            head = f"{episode.task}, seed {episode.seed}: {step.before.goal} — " if at == 0 else ""
            tail = ""
            if at + 1 == len(episode.steps):
                tail = f" — {'solved' if episode.success else 'not solved'} ({episode.ended})"
            items.append({"images": [name], "text": f"{head}{at + 1}. {step.caption()}{tail}"})
    write_atomically(out / "steps.json", json.dumps(items))
    return Figure(
        name="steps",
        title="Steps",
        kind="gallery",
        caption=f"The page before each action, its target in red; {len(chosen)} of "
        f"{len(episodes)} episodes, failures first.",
        data={"items": "steps.json"},
    )


def _drawn(step: StepRecord) -> bytes:
    assert step.before.screenshot is not None
    image = Image.fromarray(step.before.screenshot)
    scale = SCALE if image.width < 400 else 1
    image = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(image)
    target = target_of(step.action, step.before)
    if target is not None:
        draw.rectangle([scale * side for side in target.box], outline=(220, 0, 0), width=2)
    if step.action.point is not None:
        x, y = (scale * side for side in step.action.point)
        draw.ellipse([x - 4, y - 4, x + 4, y + 4], outline=(220, 0, 0), width=2)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _alarms(episodes: Sequence[Episode]) -> int:
    return sum(one.recovered + one.failed for one in episodes)


def _tasks(episodes: Sequence[Episode], tasks: Sequence[str]) -> Table:
    rows: list[TableRow] = []
    for task in tasks:
        own = [one for one in episodes if one.task == task]
        rate = Rate(sum(one.success for one in own), len(own))
        interval = rate.interval()
        steps = sum(len(one.steps) for one in own)
        rows.append(
            [
                task,
                rate.errors,
                rate.trials,
                rate.value,
                interval.low,
                interval.high,
                steps / len(own),
                sum(one.invalid for one in own),
            ]
        )
    columns = ["task", "solved", "episodes", "success", "low", "high", "actions", "refused"]
    return Table(
        name="tasks",
        title="Success by task",
        columns=columns,
        rows=rows,
        caption="Exact 95 % intervals; actions are means over episodes.",
    )


def _ends(episodes: Sequence[Episode]) -> list[Table]:
    counts: dict[str, int] = {}
    for one in episodes:
        if not one.success:
            counts[one.ended] = counts.get(one.ended, 0) + 1
    rows: list[TableRow] = [
        [reason, number] for reason, number in sorted(counts.items(), key=lambda pair: -pair[1])
    ]
    if not rows:
        return []
    return [
        Table(
            name="ends",
            title="Endings of failed episodes",
            columns=["end", "episodes"],
            rows=rows,
            caption="The page's, the environment's or the guard's own words.",
        )
    ]
