"""MiniWoB++ environments side by side: reset and step, and our episodes per second.

Run ``python -m benchmarks.browser [--browsergym PYTHON]``. The Selenium environment of the package
miniwob runs where Debian's chromium-driver is installed. BrowserGym needs another
version of Playwright: give the Python of an environment of its own with browsergym-miniwob. All of
them drive the system's Chromium on the same pages, resets and steps are taken in turn in one run,
times are medians, and a ratio is the peer's time over ours: above 1, ours is faster.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from sterling.agent.browser import Action, Browser, MiniWobEnv, OraclePolicy, run_episodes
from sterling.agent.browser.chromium import find_chromium
from sterling.agent.browser.miniwob import miniwob_folder

TASK = "click-test-2"
PLAYED = (
    "click-test-2",
    "click-checkboxes",
    "login-user",
    "enter-text",
    "click-tab",
    "choose-list",
)
Calls = tuple[Callable[[int], object], Callable[[], object]]
"""Reset to a seed, and do one step: a click at a place without a button."""

BROWSERGYM = """
import json, sys, time
import gymnasium, browsergym.miniwob
env = gymnasium.make(
    "browsergym/miniwob.TASK",
    pw_chromium_kwargs={"executable_path": sys.argv[1]},
)
print("ready", flush=True)
for line in sys.stdin:
    name, value = json.loads(line)
    if name == "reset":
        env.reset(seed=value)
    else:
        env.step("mouse_click(158, 205)")
    print("done", flush=True)
""".replace("TASK", TASK)


@contextmanager
def ours(*, screenshot: bool) -> Iterator[Calls]:
    """Our environment, with or without pictures."""
    with Browser() as browser:
        env = MiniWobEnv(TASK, browser=browser, screenshot=screenshot, max_steps=1000)
        yield (
            lambda seed: env.reset(seed=seed),
            lambda: env.step(Action("click", point=(158.0, 205.0))),
        )


@contextmanager
def selenium() -> Iterator[Calls]:
    """The environment of the package miniwob, without the wait that it makes after a reset."""
    import gymnasium
    import miniwob
    from miniwob.action import ActionTypes

    warnings.simplefilter("ignore")
    os.environ["SE_OFFLINE"] = "true"
    gymnasium.register_envs(miniwob)
    env: Any = gymnasium.make(f"miniwob/{TASK}-v1", wait_ms=0)

    def step() -> object:
        chosen = env.unwrapped.create_action(ActionTypes.CLICK_COORDS, coords=[158.0, 205.0])
        return env.step(chosen)

    yield lambda seed: env.reset(seed=seed), step
    env.close()


@contextmanager
def browsergym(python: str) -> Iterator[Calls]:
    """BrowserGym's environment in another Python, asked line by line."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "chromium-1117" / "chrome-linux"
        place.mkdir(parents=True)
        (place / "chrome").symlink_to(find_chromium())
        settings = {
            **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            "PLAYWRIGHT_BROWSERS_PATH": folder,
            "MINIWOB_URL": f"{(miniwob_folder() / 'miniwob').as_uri()}/",
        }
        child = subprocess.Popen(
            [python, "-c", BROWSERGYM, str(find_chromium())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=settings,
            text=True,
        )
        assert child.stdin is not None
        assert child.stdout is not None
        into, out = child.stdin, child.stdout

        def answer() -> None:
            if out.readline() == "":
                raise RuntimeError("BrowserGym ended; see above")

        def ask(name: str, value: int) -> None:
            into.write(json.dumps([name, value]) + "\n")
            into.flush()
            answer()

        answer()
        yield lambda seed: ask("reset", seed), lambda: ask("step", 0)
        into.close()
        child.wait(60)


def compare(systems: dict[str, Calls], repetitions: int) -> None:
    """Take resets and steps in turn, and print medians with ratios to ours."""
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in systems}
    for repetition in range(repetitions + 1):  # the first warms up
        for name, (reset, step) in systems.items():
            begun = time.perf_counter()
            reset(repetition)
            between = time.perf_counter()
            step()
            if repetition:
                times[name][0].append(between - begun)
                times[name][1].append(time.perf_counter() - between)
    medians = {name: [statistics.median(one) for one in both] for name, both in times.items()}
    for name, (reset_time, step_time) in medians.items():
        own = medians["ours, with picture" if name != "ours" else "ours"]
        ratios = f"{reset_time / own[0]:7.1f}× {step_time / own[1]:7.1f}×"
        print(
            f"{name:24} reset {reset_time * 1e3:8.1f} ms   step {step_time * 1e3:8.1f} ms {ratios}"
        )


def episodes_per_second(count: int) -> float:
    """Play scripted episodes of six tasks on six pages of one browser."""
    with Browser() as browser:
        envs = {name: MiniWobEnv(name, browser=browser) for name in PLAYED}
        run_episodes(envs, [(name, 0) for name in PLAYED], OraclePolicy)  # opens the pages
        jobs = [(name, seed) for seed in range(1, 1 + count // len(PLAYED)) for name in PLAYED]
        begun = time.perf_counter()
        run_episodes(envs, jobs, OraclePolicy)
        return len(jobs) / (time.perf_counter() - begun)


def main() -> None:
    """Print the comparison and the rate of episodes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--browsergym", help="Python of an environment with browsergym-miniwob")
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--episodes", type=int, default=240)
    given = parser.parse_args()
    with ExitStack() as stack:
        systems = {
            "ours": stack.enter_context(ours(screenshot=False)),
            "ours, with picture": stack.enter_context(ours(screenshot=True)),
        }
        if shutil.which("chromedriver"):
            systems["miniwob (Selenium)"] = stack.enter_context(selenium())
        else:
            print("miniwob's Selenium environment: left out, chromium-driver is not installed")
        if given.browsergym:
            systems["BrowserGym"] = stack.enter_context(browsergym(given.browsergym))
        else:
            print("BrowserGym: left out, give --browsergym PYTHON")
        compare(systems, given.repetitions)
    print(f"episodes per second, one process: {episodes_per_second(given.episodes):.1f}")
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        rates = list(pool.map(episodes_per_second, [given.episodes] * 2))
    print(f"episodes per second, two processes: {sum(rates):.1f}")


if __name__ == "__main__":
    main()
