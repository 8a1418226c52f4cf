"""Evidence to one self-contained HTML page: no script, no network request."""

from sterling.study.report.page import render_report

__all__ = ["render_report"]
