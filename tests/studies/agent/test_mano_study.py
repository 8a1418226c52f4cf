"""The study's counts of episodes, and its claims about stages."""

from typing import Any

import pytest
from tests.agent.browser.pages import element, look

from sterling.agent.browser.actions import Action
from sterling.agent.browser.faults import Fault
from sterling.agent.browser.verifier import Check
from sterling.runs import Row
from sterling.studies.agent.mano._config import (
    DEMONSTRATIONS,
    OFF,
    OFFLINE,
    ON,
    ONLINE,
    RANDOM,
    ManoConfig,
)
from sterling.studies.agent.mano.study import claims
from sterling.study import Results, row

BLANK = look(element(1, "input", kind="text"), goal="x")
TYPED = look(element(1, "input", kind="text", value="a"), goal="x")
FILL = Action("fill", ref=1, text="a")
LOST = Fault("focus", True, "value '' before and after")


def counted(rows: list[Row], metric: str, **at: Any) -> tuple[int, int]:
    (found,) = [
        one
        for one in rows
        if one["metric"] == metric and all(one[key] == value for key, value in at.items())
    ]
    return found["errors"], found["trials"]


def test_alarms_false_alarms_and_repairs_are_counted() -> None:
    pytest.importorskip("gymnasium")
    from sterling.agent.browser.episode import Episode, StepRecord
    from sterling.studies.agent.mano._tests import struck_rows, verifier_rows

    alarm, calm = Check("no change", "", "rule"), Check("achieved", "", "rule")
    repaired = [
        StepRecord(BLANK, FILL, BLANK, 0.0, fault=LOST, check=alarm),
        StepRecord(BLANK, FILL, TYPED, 0.0, role="retry"),
        StepRecord(TYPED, Action("click", ref=1), TYPED, 0.0, check=alarm),  # a false alarm
    ]
    missed = [StepRecord(BLANK, FILL, BLANK, 0.0, fault=LOST, check=calm)]
    late = [StepRecord(BLANK, FILL, TYPED, 0.0, check=alarm, late=True)]  # left out
    episodes = [Episode("t", 0, repaired, 1.0), Episode("t", 1, missed), Episode("t", 2, late)]
    sound = [Episode("t", 0, [StepRecord(BLANK, FILL, TYPED, 1.0, check=calm)], 1.0)]
    rows = verifier_rows(episodes, sound)
    assert counted(rows, "alarm on a fault", fault="focus") == (1, 2)
    assert counted(rows, "repaired", fault="focus") == (1, 2)
    assert counted(rows, "false alarm", run="faults") == (1, 1)
    assert counted(rows, "false alarm", run="no faults") == (0, 1)
    table = {(one["truth"], one["said"]): one["value"] for one in rows if "truth" in one}
    assert table["no change", "no change"] == 1
    assert table["no change", "achieved"] == 1
    assert sum(table.values()) == 3
    assert counted(struck_rows(episodes, ON), "success when struck", fault="focus") == (1, 2)


def stage_rows(offline: float, online: float, guarded: float) -> list[Row]:
    rows = []
    for repetition in range(4):
        shift = 0.01 * repetition  # seeds differ
        values = {RANDOM: 0.2, DEMONSTRATIONS: 0.6, OFFLINE: offline, ONLINE: online}
        for system, value in values.items():
            for subset in ("trained", "left out"):
                own = {"system": system, "subset": subset, "repetition": repetition}
                rows.append(row("success", value + shift * (1 + value), **own))
        for faults, verifier, value in ((OFF, ON, online), (ON, OFF, 0.5), (ON, ON, guarded)):
            own = {"system": ONLINE, "subset": "trained", "repetition": repetition}
            condition = {"faults": faults, "verifier": verifier}
            rows.append(row("success", value + shift * (1 + value), **own, **condition))
    return rows


@pytest.mark.parametrize(
    ("offline", "online", "guarded", "fail"),
    [
        (0.62, 0.9, 0.8, set()),
        (0.5, 0.9, 0.8, {"offline_helps"}),
        (0.8, 0.85, 0.8, {"gain_is_online"}),
        (0.62, 0.9, 0.4, {"verifier_helps_under_faults"}),
    ],
)
def test_claims_follow_the_stages(
    offline: float, online: float, guarded: float, fail: set[str]
) -> None:
    found = claims(Results.of(stage_rows(offline, online, guarded)), ManoConfig())
    assert {one.id for one in found if one.verdict == "does not hold"} == fail
    silent = {"few_false_alarms", "seeds_repeat"}  # no action and no repeat is among the rows
    assert {one.id for one in found if one.verdict == "undecided"} == silent
