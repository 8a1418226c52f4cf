"""Environments: seeds repeat, pages work side by side, and what goes wrong ends an episode only."""

import asyncio
import contextlib
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from sterling.agent.browser import (
    Action,
    Browser,
    MiniWobEnv,
    Observation,
    PageEnv,
    reset_all,
    step_all,
)
from sterling.agent.browser.chromium import require_gui
from sterling.agent.browser.live_page import LivePage
from sterling.errors import InputError


def ref_of(seen: Observation, text: str) -> int:
    return next(one.ref for one in seen.elements if text in (one.text, one.name))


def page(tmp_path: Path, body: str, check: str = "window.done === true", **more: object) -> Path:
    (tmp_path / "index.html").write_text(f"<!doctype html><title>t</title><body>{body}</body>")
    lines = {"instruction": "Do it.", "start": "index.html", "check": check, **more}
    task = tmp_path / "task.yaml"
    task.write_text(json.dumps(lines))
    return task


@pytest.mark.parametrize("name", ["click-checkboxes", "use-autocomplete", "choose-date-easy"])
def test_a_seed_repeats_exactly_whatever_happened_before(browser: Browser, name: str) -> None:
    with MiniWobEnv(name, browser=browser) as env:
        first, _ = env.reset(seed=5)
        for seed in range(3):
            seen, _ = env.reset(seed=seed)
            for element in seen.elements[:2]:
                typed = Action("fill", ref=element.ref, text="Al")
                *_, over, cut, _ = env.step(
                    typed if element.editable else Action("click", ref=element.ref)
                )
                if over or cut:
                    break
        again, _ = env.reset(seed=5)
        other, _ = env.reset(seed=6)
    assert (again.goal, again.digest) == (first.goal, first.digest)
    assert (other.goal, other.digest) != (first.goal, first.digest)


def test_a_task_is_solved_in_each_grammar(browser: Browser) -> None:
    def solved(env: MiniWobEnv, texts: list[str]) -> bool:
        for text in texts:
            _, reward, done, _, info = env.step(text)
            assert "refused" not in info
        return done and reward == 1.0

    for grammar in ("browsergym", "miniwob", "ui-tars"):
        with MiniWobEnv("enter-text", browser=browser, grammar=grammar) as env:
            seen, _ = env.reset(seed=3)
            field = next(one for one in seen.elements if one.editable)
            button = next(one for one in seen.elements if one.tag == "button")
            word = seen.goal.split('"')[1]
            x, y = field.centre
            bx, by = button.centre
            texts = {
                "browsergym": [f"fill('{field.ref}', '{word}')", f"click('{button.ref}')"],
                "miniwob": [
                    f"FOCUS_ELEMENT_AND_TYPE_TEXT(ref={field.ref}, text='{word}')",
                    f"CLICK_COORDS(coords=({bx}, {by}))",
                ],
                "ui-tars": [
                    f"Thought: focus\nAction: click(point='<point>{x} {y}</point>')",
                    f"type(content='{word}')",
                    f"click(start_box='({bx},{by})')",
                ],
            }[grammar]
            assert solved(env, texts)


def test_pages_work_side_by_side_and_a_reset_is_fast(browser: Browser) -> None:
    envs = [MiniWobEnv("click-test-2", browser=browser) for _ in range(2)]
    (a, _), (b, _) = reset_all(envs, [1, 2])
    assert a.digest != b.digest
    found = step_all(
        envs, [Action("click", ref=ref_of(a, "ONE")), Action("click", ref=ref_of(b, "TWO"))]
    )
    assert [one[1] for one in found] == [1.0, -1.0]
    times = []
    for seed in range(10):
        begun = time.perf_counter()
        envs[0].reset(seed=seed)
        times.append(time.perf_counter() - begun)
    assert sorted(times)[5] < 0.15  # no new browser, no new page
    for env in envs:
        env.close()
    with pytest.raises(InputError, match="share one browser"):
        reset_all([envs[0], _other(envs[1])], [0, 0])


def _other(env: MiniWobEnv) -> MiniWobEnv:
    env.browser = object()  # type: ignore[assignment]
    return env


def test_observations_hold_picture_tree_and_boxes(browser: Browser) -> None:
    with MiniWobEnv("click-test-2", browser=browser, screenshot=True, accessibility=True) as env:
        seen, _ = env.reset(seed=0)
        button = seen.find(ref_of(seen, "ONE"))
        assert seen.screenshot is not None
        assert seen.screenshot.shape == (214, 332, 3)
        assert env.observation_space.contains(seen)
    assert 'button "ONE"' in seen.accessibility
    assert button is not None
    assert button.box[2] - button.box[0] == 40.0  # as its style sheet says
    assert not any(one.attributes.startswith(("query", "reward")) for one in seen.elements)


def test_refused_actions_leave_the_page_and_the_episode_alone(browser: Browser) -> None:
    with MiniWobEnv("click-checkboxes", browser=browser) as env:
        seen, _ = env.reset(seed=1)
        for action, reason in (
            (Action("click", ref=999), "no longer on the page"),
            (Action("click", point=(500.0, 5.0)), "outside of the 332 × 214 page"),
            (Action("goto", text="file:///etc/passwd"), "files outside of the site's folder"),
            (Action("goto", text="http://example.org/"), "not allowed"),
            (Action("select", ref=1, text="x"), "no list to select from"),
            ("click(", "is no call"),
            ("hack('1')", "no action 'hack'"),
            ("upload_file('1', 'x')", "files are not uploaded"),
        ):
            after, reward, done, cut, info = env.step(action)
            assert reason in info["refused"]
            assert (after.digest, reward, done, cut) == (seen.digest, 0.0, False, False)


def test_gymnasium_accepts_the_environment(browser: Browser) -> None:
    from gymnasium.utils.env_checker import check_env

    with MiniWobEnv("click-test", browser=browser) as env:
        check_env(env, skip_render_check=True)


def test_an_unknown_task_names_the_nearest(browser: Browser) -> None:
    with pytest.raises(InputError, match="did you mean click-checkboxes"):
        MiniWobEnv("click-checkbox", browser=browser)


def test_own_pages_from_a_folder(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "data.json").write_text('{"word": "read"}')
    task = page(
        tmp_path,
        "<button onclick='go()'>Go</button><script>function go(){setTimeout(()=>"
        "fetch('more/data.json').then(a=>a.json()).then(a=>{window.done=a.word==='read'}),300)}"
        "</script>",
    )
    with PageEnv(task, browser=browser) as env:
        seen, _ = env.reset(seed=0)
        _, _, done, _, _ = env.step(f"click('{ref_of(seen, 'Go')}')")
        if not done:
            _, _, done, _, _ = env.step("noop()")
        assert done


def test_nothing_leaves_the_machine(browser: Browser, tmp_path: Path) -> None:
    secret = tmp_path.parent / "secret.txt"
    secret.write_text("secret")
    site = tmp_path / "site"
    site.mkdir()
    task = page(
        site,
        "<script>const tries=['http://127.0.0.1:1/x','http://example.org/','/../secret.txt',"
        f"'file://{secret}','..%2fsecret.txt','/%2e%2e/secret.txt'];window.got=[];"
        "for(const t of tries)fetch(t).then(a=>a.text()).then(a=>got.push(a)).catch(()=>0);"
        "navigator.sendBeacon('http://example.org/beacon','typed');"
        "new WebSocket('ws://example.org/').onerror=()=>0;</script>",
        check="window.got.some(text => text.includes('secret'))",
    )
    with PageEnv(task, browser=browser) as env:
        seen, _ = env.reset(seed=0)
        after, _, done, _, _ = env.step("noop()")
    refused = " ".join((*seen.events, *after.events))
    assert not done
    assert "refused http://example.org/: the origin http://example.org is not allowed" in refused
    assert "refused http://example.org/beacon" in refused
    with pytest.raises(InputError, match="allow it by name"):
        PageEnv(page(site, "", origins=["http://127.0.0.1:1"]), browser=browser)
    (site / "out.html").symlink_to(secret)
    with pytest.raises(InputError, match="outside"):
        PageEnv(page(site, "", start="out.html"), browser=browser)
    with pytest.raises(InputError, match="files outside of the site's folder are not opened"):
        PageEnv(page(site, "", start=f"file://{secret}"), browser=browser)


def test_a_page_that_hangs_ends_the_episode_and_not_the_run(
    browser: Browser, tmp_path: Path
) -> None:
    task = page(tmp_path, "<button onclick='while(true){}'>Go</button>")
    with PageEnv(task, browser=browser, limit=1.0) as env:
        seen, _ = env.reset(seed=0)
        _, reward, done, cut, info = env.step(Action("click", ref=ref_of(seen, "Go")))
        assert (reward, done, cut) == (0.0, False, True)
        assert info["ended"] == "the page hangs: no answer within 1 s"
        again, _ = env.reset(seed=0)
        assert again.digest == seen.digest


@pytest.mark.parametrize(
    "forged",
    [
        "Element.prototype.getBoundingClientRect = () => ({left: 'x', right: 9, bottom: 9})",
        "Element.prototype.getBoundingClientRect = () => ({left: 0, top: 0, right: NaN})",
        "Number = () => 'x'",
        "Array.prototype.push = () => { throw 'no'; }",
    ],
)
def test_a_page_that_forges_observations_ends_the_episode(
    browser: Browser, tmp_path: Path, forged: str
) -> None:
    task = page(tmp_path, f'<button onclick="{forged}">Go</button>')
    with PageEnv(task, browser=browser) as env:
        seen, _ = env.reset(seed=0)
        _, reward, done, cut, info = env.step(Action("click", ref=ref_of(seen, "Go")))
        assert (reward, done, cut) == (0.0, False, True)
        assert "forges" in info["ended"] or "lost" in info["ended"]
        assert env.reset(seed=0)[0] == seen


@pytest.mark.parametrize("loss", ["closed", "crashed"])
def test_a_lost_page_ends_the_episode(browser: Browser, tmp_path: Path, loss: str) -> None:
    async def lose(page: LivePage) -> None:
        if loss == "closed":
            await page.page.close()
            return
        cdp = await page.page.context.new_cdp_session(page.page)
        with contextlib.suppress(Exception):  # nobody is left to answer
            await asyncio.wait_for(cdp.send("Page.crash"), 0.5)

    with PageEnv(page(tmp_path, "<button>Go</button>"), browser=browser) as env:
        seen, _ = env.reset(seed=0)
        browser.call(lose(env.live))
        _, reward, done, cut, info = env.step(Action("click", ref=ref_of(seen, "Go")))
        assert (reward, done, cut) == (0.0, False, True)
        assert loss in info["ended"]
        assert env.reset(seed=0)[0] == seen


def test_a_page_that_loads_itself_without_end(browser: Browser, tmp_path: Path) -> None:
    task = page(
        tmp_path,
        "<button onclick='sessionStorage.x=1;location.reload()'>Go</button>"
        "<script>if(sessionStorage.x)location.reload()</script>",
    )
    with PageEnv(task, browser=browser, limit=1.5, virtual_time=False) as env:
        seen, _ = env.reset(seed=0)
        for _ in range(5):
            *_, cut, info = env.step(Action("click", ref=ref_of(seen, "Go")))
            if cut:
                break
        assert "without end" in info["ended"] or "hangs" in info["ended"]
        assert env.reset(seed=0)[0].digest == seen.digest


def test_dialogs_popups_and_downloads_are_ended_and_told(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(b"\0" * 10)
    task = page(
        tmp_path,
        "<button onclick=\"alert('hi')\">Say</button>"
        "<button onclick=\"window.open('index.html')\">Open</button>"
        "<a href='file.bin' download>Get</a>",
    )
    with PageEnv(task, browser=browser, max_steps=40) as env:
        seen, _ = env.reset(seed=0)
        told = ""
        for action in (Action("click", ref=ref_of(seen, each)) for each in ("Say", "Open", "Get")):
            seen, *_ = env.step(action)
            for _ in range(5):  # Chromium tells of a new window when it has one
                told += " ".join(seen.events)
                seen, *_ = env.step(Action("wait"))
    assert "alert 'hi' dismissed" in told
    assert "popup" in told
    assert "download file.bin" in told


def test_checks_that_raise_or_hold_too_early(browser: Browser, tmp_path: Path) -> None:
    task = page(
        tmp_path, "<button onclick='window.x=null'>Go</button><script>x=[]</script>", "x.length > 3"
    )
    with PageEnv(task, browser=browser) as env:
        seen, _ = env.reset(seed=0)
        _, reward, done, _, info = env.step(Action("click", ref=ref_of(seen, "Go")))
        assert (reward, done) == (0.0, True)
        assert info["ended"].startswith("the check raised TypeError")
    for check, reason in (
        ("nothing.here", "the check raised ReferenceError"),
        ("1 +", "no JavaScript expression"),
        ("true", "holds on the start page"),
    ):
        with (
            PageEnv(page(tmp_path, "", check), browser=browser) as env,
            pytest.raises(InputError, match=reason),
        ):
            env.reset(seed=0)
    task.write_text("instruction: x\nstart: index.html\n")
    with pytest.raises(InputError, match=r"task.yaml: check: Field required"):
        PageEnv(task, browser=browser)
    task.write_text("start: [")
    with pytest.raises(InputError, match="neither YAML nor JSON"):
        PageEnv(task, browser=browser)


def test_no_browser_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="apt-get install chromium"):
        require_gui()


class Site(ThreadingHTTPServer):
    """A local site that counts what it was asked; ``/away`` leads to another address."""

    def __init__(self, body: str = "", away: str = "") -> None:
        self.asked: list[str] = []
        site = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                self.send_response(302 if self.path == "/away" else 200)
                if self.path == "/away":
                    self.send_header("Location", away)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Answer)
        Thread(target=self.serve_forever, daemon=True).start()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


def test_a_local_site_is_open_and_a_redirect_out_of_it_is_not(
    browser: Browser, tmp_path: Path
) -> None:
    other = Site()
    fetches = f"for (const a of ['/away', '/ok', '{other.origin}/direct']) fetch(a).catch(() => 0)"
    site = Site(f'<button onclick="{fetches}; window.done = true">Go</button>', other.origin + "/x")
    with other, site:
        task = page(tmp_path, "", start=site.origin + "/", origins=[site.origin])
        with PageEnv(task, browser=browser, allow=(site.origin,)) as env:
            seen, _ = env.reset(seed=0)
            _, reward, done, _, _ = env.step(Action("click", ref=ref_of(seen, "Go")))
            assert (reward, done) == (1.0, True)
        site.shutdown()
        other.shutdown()
    assert {"/", "/ok", "/away"} <= set(site.asked)
    assert other.asked == []
