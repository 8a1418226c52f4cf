"""The pages: forms without a script, and answers that say what to do next."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from sterling.guarantee import Procedure
from sterling.serve.guard import COOKIE, same
from sterling.serve.rendering import Pages
from sterling.serve.rest import Maybe, Rate, Upload
from sterling.serve.service import Service
from sterling.serve.text_pages import text_page_routes

REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; sandbox"
)
VERDICTS = ("does not hold", "undecided", "holds")
NEXT = {
    "bona fide": "Accept, if the standing below is good enough for what depends on it.",
    "attack": "Refuse, and ask for another capture or another proof; the detector may be wrong.",
    "cannot tell": "Ask for another photograph that mends the reason: neither accept nor refuse.",
}


def style() -> str:
    """Return the style sheet: that of reports, and what forms need."""
    return "".join(
        files(package).joinpath("style.css").read_text(encoding="utf-8")
        for package in ("sterling.study.report", "sterling.serve")
    )


def page_routes(service: Service, pages: Pages, session: str) -> APIRouter:
    """Return the routes of the pages.

    Args:
        service: Does the work.
        pages: The templates.
        session: Value of the cookie of who shows the token.
    """
    routes = APIRouter(include_in_schema=False)
    _open_routes(routes, service, pages, session)
    _liveness_routes(routes, service, pages)
    _privacy_routes(routes, service, pages)
    text_page_routes(routes, service, pages)
    _run_routes(routes, service, pages)
    return routes


def _open_routes(routes: APIRouter, service: Service, pages: Pages, session: str) -> None:
    sheet = style()

    @routes.get("/style.css")
    async def style_sheet() -> Response:
        return Response(sheet, media_type="text/css", headers={"Cache-Control": "max-age=3600"})

    @routes.get("/")
    async def home() -> Response:
        return pages.show("home")

    @routes.get("/login")
    async def login() -> Response:
        return pages.show("login", wrong=False)

    @routes.post("/login")
    async def enter(request: Request, token: Annotated[str, Form()] = "") -> Response:
        expected = service.settings.token
        if expected is None or not same(token, expected):
            return pages.show("login", 401, wrong=True)
        answer = RedirectResponse("/", 303)
        secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, session, httponly=True, samesite="strict", secure=secure)
        return answer

    @routes.post("/logout")
    async def leave() -> Response:
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE)
        return answer


def _liveness_routes(routes: APIRouter, service: Service, pages: Pages) -> None:
    @routes.get("/liveness")
    async def form() -> Response:
        return pages.show("liveness", document=None)

    @routes.post("/liveness")
    async def judged(request: Request, file: Upload) -> Response:
        document = await service.liveness(request, file)
        return pages.show("liveness", document=document, advised=NEXT)


def _privacy_routes(routes: APIRouter, service: Service, pages: Pages) -> None:
    def show(**values: Any) -> Response:
        return pages.show(
            "privacy", **{"members": None, "audit": None, "methods": get_args(Procedure)} | values
        )

    @routes.get("/privacy")
    async def form() -> Response:
        return show()

    @routes.post("/privacy/mia")
    async def mia(
        request: Request,
        scores: Upload,
        calibration: Upload,
        holdout: Maybe = None,
        alpha: Rate = 0.1,
        method: Annotated[Procedure, Form()] = "bh",
        lower_is_member: Annotated[bool, Form()] = False,
    ) -> Response:
        files = {"scores": scores, "calibration": calibration, "holdout": holdout}
        return show(
            members=await service.members(
                request, files, alpha=alpha, method=method, lower_is_member=lower_is_member
            )
        )

    @routes.post("/privacy/audit")
    async def audit(
        request: Request,
        forget: Upload,
        holdout: Upload,
        retrained_forget: Maybe = None,
        retrained_holdout: Maybe = None,
        tolerance: Annotated[float, Form(gt=0, lt=0.5)] = 0.05,
    ) -> Response:
        files = {
            "forget": forget,
            "holdout": holdout,
            "retrained_forget": retrained_forget,
            "retrained_holdout": retrained_holdout,
        }
        return show(audit=await service.forgetting(request, files, tolerance=tolerance))


def _run_routes(routes: APIRouter, service: Service, pages: Pages) -> None:
    @routes.get("/runs")
    async def runs(request: Request, verdict: str = "") -> Response:
        found = await service.about_runs(request, "runs")
        shown = [_with_verdict(run, verdict) for run in found["runs"]]
        if verdict:
            shown = [run for run in shown if run["claims"]]
        return pages.show(
            "runs",
            runs=shown,
            names=[run["name"] for run in found["runs"]],
            damaged=found["damaged"],
            verdict=verdict,
            verdicts=VERDICTS,
        )

    @routes.get("/runs/compare")
    async def compare(request: Request, a: str, b: str) -> Response:
        found = await service.about_runs(request, "comparison", a=a, b=b)
        return pages.show("compare", a=a, b=b, comparison=found)

    @routes.get("/runs/report/{name:path}")
    async def report(request: Request, name: str) -> Response:
        found = await service.about_runs(request, "report_page", name=name)
        return HTMLResponse(found["html"], headers={"Content-Security-Policy": REPORT_POLICY})


def _with_verdict(run: Mapping[str, Any], verdict: str) -> dict[str, Any]:
    claims = [one for one in run["claims"] if verdict in ("", one["verdict"])]
    claims.sort(key=lambda one: VERDICTS.index(one["verdict"]))
    return {**run, "claims": claims}
