"""Reports: what a run shows, for people. ``write_report`` writes ``report.md`` and the figures beside the traces."""

from workbench.reports.overview import first_words
from workbench.reports.writing import write_report

__all__ = ["first_words", "write_report"]
