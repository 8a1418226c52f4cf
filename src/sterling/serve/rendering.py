"""Templates of the pages, rendered."""

from typing import Any

import jinja2
from starlette.responses import HTMLResponse, Response


class Pages:
    """Templates of the pages, rendered with every text escaped."""

    def __init__(self, *, token: bool) -> None:
        loader = jinja2.PackageLoader("sterling.serve", "templates")
        self.environment = jinja2.Environment(
            loader=loader,
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.environment.filters["number"] = _number
        self.environment.globals["token"] = token

    def show(self, template: str, code: int = 200, **values: Any) -> HTMLResponse:
        """Render a template."""
        page = self.environment.get_template(f"{template}.html").render(values)
        return HTMLResponse(page, code)

    def refusal(self, status: int, message: str) -> Response:
        """Make the page that answers a refused request."""
        page = self.show("refused", status, message=message, status=status)
        if status == 503:
            page.headers["Retry-After"] = "5"
        return page


def _number(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
