"""Evidence to one self-contained HTML page: no script, no network request."""

from sterling.extras import require

require("report", "a report")  # a verb that writes one says so before it works

from sterling.study.report.page import render_report  # noqa: E402

__all__ = ["render_report"]
