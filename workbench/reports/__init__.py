"""Reports of runs for people: ``write_report`` writes ``report.md`` and its figures into the run's folder."""

from workbench.reports.overview import first_words
from workbench.reports.writing import write_report

__all__ = ["first_words", "write_report"]
