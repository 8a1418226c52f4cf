"""One smoke run of each study, checked, for every test that only reads it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from sterling.errors import InputError
from sterling.studies import STUDIES
from sterling.testing import check_study


@pytest.fixture(scope="session")
def checked_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function from a study's name to the folder of its smoke run of seed 2.

    The first call in any process of the test run computes it and checks the study's contract; the
    others wait for it. Tests read the folder and copy it before they change anything.
    """
    base = tmp_path_factory.getbasetemp()
    # Processes of pytest-xdist have folders of their own in a common one.
    common = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def run(name: str) -> Path:
        _skip_without_browser(name)
        folder, checked = common / f"smoke-{name}", common / f"smoke-{name}.checked"
        with FileLock(common / f"smoke-{name}.lock"):
            if not checked.exists():
                shutil.rmtree(folder, ignore_errors=True)  # a check that failed left it
                # Starting processes costs seconds: a few studies show that these compute the same.
                resume_on = (
                    "processes" if name in ("cdcn", "forgetting_benchmark", "raml") else "inline"
                )
                check_study(STUDIES[name], folder, seed=2, resume_on=resume_on)
                checked.touch()
        return folder

    return run


def _skip_without_browser(name: str) -> None:
    """Skip the study of web pages where Chromium or the packages of sterling[gui] are missing."""
    if name != "mano":
        return
    try:
        from sterling.agent.browser.chromium import require_gui
        from sterling.agent.browser.miniwob import miniwob_folder

        require_gui()
        miniwob_folder()
    except InputError as error:
        pytest.skip(str(error))
