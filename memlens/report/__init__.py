"""Figure reports: one call turns a recording into a page, a PDF, pictures, data and a manifest."""

from memlens.report.write import write_report

__all__ = ["write_report"]
