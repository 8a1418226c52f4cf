"""The pages: what they say, and in Chromium that they fit, take a keyboard, and turn dark."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page
from starlette.testclient import TestClient
from tests.agent.browser.conftest import browser  # noqa: F401  # a fixture
from tests.serve.conftest import ASTRONAUT

from sterling.agent.browser.chromium import Browser

FORMS = ("/", "/liveness", "/text", "/privacy", "/runs")


def test_a_verdict_says_why_and_what_to_do_next(
    client: TestClient, photograph: dict[str, tuple[str, bytes]]
) -> None:
    page = client.post("/liveness", files=photograph).text
    for words in ("<b>bona fide</b>", "Accept, if", "3000 captures", "error rates unknown"):
        assert words in page
    grey = {"file": ("a.pgm", b"P5 64 48 255\n" + bytes(64 * 48))}
    page = client.post("/liveness", files=grey).text
    assert "<b>cannot tell</b>" in page
    assert "no_face" in page
    assert "Ask for another photograph" in page


def test_a_list_of_members_has_its_bound(client: TestClient, tables: Path) -> None:
    files = {
        name: ("a.csv", (tables / f"{name}.csv").read_bytes()) for name in ("scores", "calibration")
    }
    empty = {"holdout": ("", b"")}  # as a browser sends a field that was left empty
    page = client.post("/privacy/mia", files=files | empty).text
    assert re.search(r"<h1>[34]\d of 200 records declared members</h1>", page)
    assert "Guarantee" in page
    assert "adjusted p" in page


def test_an_audit_shows_its_claim(client: TestClient, tables: Path) -> None:
    files = {
        name: ("a.csv", (tables / f"{name}.csv").read_bytes()) for name in ("forget", "holdout")
    }
    page = client.post("/privacy/audit", files=files).text
    assert "<b>does not hold</b>" in page
    answer = client.post("/privacy/audit", files={**files, "retrained_forget": files["forget"]})
    assert answer.status_code == 422
    assert "give both or none" in answer.text


def test_runs_are_filtered_opened_and_compared(client: TestClient) -> None:
    every = client.get("/runs").text
    assert "<h1>2 runs</h1>" in every
    assert "broken" in every
    failing = client.get("/runs", params={"verdict": "does not hold"}).text
    assert 'href="/runs/report/leaks"' in failing
    assert 'href="/runs/report/nested/clean"' not in failing
    report = client.get("/runs/report/nested/clean")
    assert "sterling assurance report" in report.text
    compared = client.get("/runs/compare", params={"a": "leaks", "b": "nested/clean"}).text
    assert "<h1>nested/clean compared with leaks</h1>" in compared
    assert "p-values are adjusted" in compared


def test_a_job_is_watched_and_cancelled(client: TestClient) -> None:
    files = {"calibration": ("known.txt", b"It was a dark night. " * 20)}
    place = client.post("/text/detect", files=files, data={"pasted": "One text."})
    assert place.status_code == 303
    address = place.headers["location"]
    page = client.get(address).text
    assert '<meta http-equiv="refresh" content="2">' in page
    assert f'action="{address}/cancel"' in page
    assert client.post(f"{address}/cancel").headers["location"] == address
    page = client.get(address).text
    assert "<h1>Cancelled</h1>" in page
    assert "refresh" not in page
    assert client.get("/jobs/unknown").status_code == 404


def test_the_look_is_that_of_reports(client: TestClient) -> None:
    sheet = client.get("/style.css").text
    colours = re.findall(r"--\w+: #\w+", sheet)
    assert len(colours) >= 18  # light and dark
    report = client.get("/runs/report/leaks").text
    assert all(colour in report for colour in colours)


WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
INK = "getComputedStyle(document.body).color"
PAPER = "getComputedStyle(document.body).backgroundColor"


def brightness(colour: str) -> float:
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 765


async def visit(opened: Browser, address: str, width: int, tables: Path) -> dict[str, Any]:
    """Open every page, and send the forms with keys alone."""
    context = await opened.chromium.new_context(viewport={"width": width, "height": 800})
    page = await context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    overflow: dict[str, int] = {}
    for path in (*FORMS, "/runs/report/leaks", "/runs/compare?a=leaks&b=nested/clean", "/nowhere"):
        await page.goto(address + path)
        overflow[path] = await page.evaluate(WIDE)
    await page.goto(f"{address}/liveness")
    await page.set_input_files("#file", ASTRONAUT)
    await _press(page, "Judge")
    verdict = await page.inner_text(".verdict b")
    overflow["verdict"] = await page.evaluate(WIDE)
    await page.goto(f"{address}/privacy")
    for name in ("scores", "calibration"):
        await page.set_input_files(f"#{name}", tables / f"{name}.csv")
    await _press(page, "List members")
    members = await page.inner_text("h1")
    overflow["members"] = await page.evaluate(WIDE)
    await page.goto(f"{address}/text")
    await page.set_input_files("#calibration", tables / "scores.csv")
    await _press(page, "Start")
    refusal = await page.inner_text("[role=alert]")
    await page.emulate_media(color_scheme="light")
    light = [brightness(await page.evaluate(colour)) for colour in (INK, PAPER)]
    await page.emulate_media(color_scheme="dark")
    dark = [brightness(await page.evaluate(colour)) for colour in (INK, PAPER)]
    await context.close()
    return {
        "asked": asked,
        # The refusals that were provoked are no complaints.
        "complaints": [text for text in complaints if "responded with a status of 4" not in text],
        "overflow": overflow,
        "said": (verdict, members, refusal),
        "light": light,
        "dark": dark,
    }


async def _press(page: Page, name: str) -> None:
    """Reach a button by Tab and press Enter."""
    await page.locator("body").press("Home")
    for _ in range(60):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.textContent.trim()") == name:
            break
    async with page.expect_navigation():
        await page.keyboard.press("Enter")


@pytest.mark.parametrize("width", [1280, 390])
def test_pages_in_chromium(
    browser: Browser,  # noqa: F811
    address: str,
    tables: Path,
    width: int,
) -> None:
    seen = browser.call(visit(browser, address, width, tables), 100.0)
    assert {path: wide for path, wide in seen["overflow"].items() if wide > 0} == {}
    assert all(url.startswith((address, "data:")) for url in seen["asked"])
    assert seen["complaints"] == []
    verdict, members, refusal = seen["said"]
    assert verdict == "bona fide"
    assert members.endswith("of 200 records declared members")
    assert refusal == "texts: no text; paste or upload one"
    ink, paper = seen["light"]
    assert paper - ink > 0.6
    ink, paper = seen["dark"]
    assert ink - paper > 0.6
