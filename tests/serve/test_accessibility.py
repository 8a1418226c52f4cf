"""Every page under axe-core in Chromium: light and dark, wide and narrow."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from starlette.testclient import TestClient
from tests.agent.browser.conftest import browser  # noqa: F401  # a fixture
from tests.serve.conftest import ASTRONAUT, finished

from sterling.agent.browser.chromium import Browser
from sterling.serve.rendering import Pages
from sterling.serve.text_pages import STEPS

PATHS = (
    *("/", "/liveness", "/text", "/text/attack", "/privacy", "/runs", "/login", "/nowhere"),
    *("/runs/report/leaks", "/runs/compare?a=leaks&b=nested/clean"),
)
SEEN = {"runOnly": ["color-contrast", "scrollable-region-focusable", "target-size"]}
EVERY = {"rules": {"target-size": {"enabled": True}}}  # of WCAG 2.2, left out by default
SETTINGS: dict[tuple[int, Any], dict[str, Any]] = {
    (1280, "light"): EVERY,
    (390, "dark"): EVERY,
    # The other rules do not look at colours or places.
    (1280, "dark"): SEEN,
    (390, "light"): SEEN,
}
AXE = files(axe_playwright_python).joinpath("axe.min.js").read_text(encoding="utf-8")
CHECK = (
    "rules => axe.run(document, {resultTypes: ['violations'], ...rules}).then(r => r.violations)"
)


@pytest.fixture(scope="module")
def pages(client: TestClient, tables: Path, attacked: str, listed: str) -> dict[str, str]:
    """Pages that answer, and those of jobs, as the service writes them."""

    def posted(path: str, *names: str, **fields: str) -> str:
        opened = {name: (f"{name}.csv", (tables / f"{name}.csv").read_bytes()) for name in names}
        return client.post(path, files=opened, data=fields).text

    found = {path: client.get(path).text for path in PATHS}
    photograph = {"file": ("me.jpg", ASTRONAUT.read_bytes())}
    found["a verdict"] = client.post("/liveness", files=photograph).text
    found["members"] = posted("/privacy/mia", "scores", "calibration")
    found["an audit"] = posted("/privacy/audit", "forget", "holdout")
    for name, place in (("a list", listed), ("an attack", attacked)):
        assert finished(client, place)["state"] == "done"
        found[name] = client.get(place.removeprefix("/v1")).text
    waiting = {"id": "a", "state": "running", "done": 3, "total": 9, "step": "train", "error": ""}
    rendered = Pages(token=True)
    for state in ("running", "waiting", "failed", "cancelled"):
        job = {**waiting, "state": state, "error": "why"}
        shown = rendered.show("job", job=job, steps=STEPS)
        found[f"a job, {state}"] = bytes(shown.body).decode()
    return found


async def visit(
    opened: Browser, address: str, pages: dict[str, str]
) -> dict[tuple[str, int, str], list[Any]]:
    """Violations by page, width and colour scheme."""
    context = await opened.chromium.new_context(bypass_csp=True)
    page = await context.new_page()
    await page.goto(f"{address}/healthz")  # the place from which pages take their style sheet
    await page.evaluate(AXE)
    found = {}
    for name, content in pages.items():
        await page.set_content(content.replace('http-equiv="refresh"', ""))
        for (width, scheme), rules in SETTINGS.items():
            await page.set_viewport_size({"width": width, "height": 800})
            await page.emulate_media(color_scheme=scheme)
            found[name, width, scheme] = list(await page.evaluate(CHECK, rules))
    await context.close()
    return found


def test_nothing_serious_on_any_page(
    browser: Browser,  # noqa: F811
    address: str,
    pages: dict[str, str],
) -> None:
    control = {"control": "<html><style>p {color: #eee}</style><p>pale</p><img src=/a.png></html>"}
    found = browser.call(visit(browser, address, control | pages), 200.0)
    for width, scheme in SETTINGS:
        broken = {one["id"] for one in found.pop(("control", width, scheme))}
        assert "color-contrast" in broken
        assert ("image-alt" in broken) == (SETTINGS[width, scheme] == EVERY)
    serious = {
        (*place, one["id"], one["nodes"][0]["html"][:200])
        for place, violations in found.items()
        for one in violations
        if one["impact"] in ("serious", "critical")
    }
    assert serious == set()
