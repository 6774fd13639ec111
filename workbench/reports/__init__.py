"""Reports of runs for people: a page, a short text, figures, tables, a Perfetto trace."""

from workbench.reports.material import Material, gather
from workbench.reports.overview import first_words

__all__ = ["Material", "first_words", "gather"]
