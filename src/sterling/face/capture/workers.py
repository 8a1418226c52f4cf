"""Threads for many small pictures: one torch thread each, since none is worth sharing."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Task = TypeVar("Task")
Result = TypeVar("Result")


def spread(work: Callable[[Task], Result], tasks: Sequence[Task]) -> list[Result]:
    """``[work(task) for task in tasks]`` on all cores, with torch on one thread inside.

    Torch splits small tensors among its own threads at a loss, and where it splits them changes
    the last bit; with one thread, results do not depend on the machine's number of cores. The
    caller's setting is restored.
    """
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(
            os.cpu_count(), initializer=torch.set_num_threads, initargs=(1,)
        ) as pool:
            return list(pool.map(work, tasks))
    finally:
        torch.set_num_threads(before)
