"""Settings and names of the study, which need neither a browser nor its packages."""

from typing import Annotated

from pydantic import Field

from sterling.study import Config

ON, OFF = "on", "off"
TRAINED = (
    "click-checkboxes",
    "enter-text",
    "click-option",
    "choose-list",
    "click-tab",
    "login-user",
    "use-autocomplete",
    "enter-password",
    "click-button",
    "click-dialog",
    "click-test-2",
    "focus-text",
)
LEFT_OUT = ("click-link", "click-dialog-2", "focus-text-2", "click-test")
DEMONSTRATIONS, OFFLINE, ONLINE = "demonstrations", "offline GRPO", "online GRPO"
ORACLE, RANDOM = "oracle", "random"
SYSTEMS = (RANDOM, DEMONSTRATIONS, OFFLINE, ONLINE, ORACLE)
HELD_OUT = 10**7
"""Seeds of test pages begin here; training uses smaller ones."""
ONLINE_SEEDS, FAULT_SEEDS = 10**6, 5 * 10**6
HANGING = 120.0
"""Seconds after which a page counts as hanging: far more than a busy machine needs."""


class ManoConfig(Config):
    """Settings of the study.

    Attributes:
        seeds: Repetitions.
        tasks: Trained tasks, the first ones of the list.
        left_out: Tasks that are only tested.
        demonstrations: Demonstrations of each trained task.
        tuning: Optimiser steps on demonstrations.
        offline: Optimiser steps of single-step GRPO on the same pages.
        rounds, iterations, batch, group: Online GRPO: rounds, batches of a round, tasks of a batch
            and episodes of each task.
        tests: Held-out seeds of each task.
        fault_rate: Probability that a fault strikes an action.
        learned: Seeds of each trained task whose faults fit the verifier's learned tier.
        repeats: Repeats of one seed of each trained task, for flakiness.
    """

    seeds: Annotated[int, Field(ge=2)] = 5
    tasks: Annotated[int, Field(ge=1, le=len(TRAINED))] = len(TRAINED)
    left_out: Annotated[int, Field(ge=1, le=len(LEFT_OUT))] = len(LEFT_OUT)
    demonstrations: Annotated[int, Field(ge=1)] = 3
    tuning: Annotated[int, Field(ge=1)] = 100
    offline: Annotated[int, Field(ge=0)] = 60
    rounds: Annotated[int, Field(ge=1)] = 2
    iterations: Annotated[int, Field(ge=1)] = 6
    batch: Annotated[int, Field(ge=1)] = 6
    group: Annotated[int, Field(ge=2)] = 8
    tests: Annotated[int, Field(ge=1)] = 6
    fault_rate: Annotated[float, Field(gt=0, le=1)] = 0.25
    learned: Annotated[int, Field(ge=1)] = 4
    repeats: Annotated[int, Field(ge=2)] = 50
