"""A table of results with its notes; READMEs and cards show it in Markdown, the report in HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Column heads, rows of as many cells, and notes below, all plain text; estimates as `statistics.interval` formats
    them."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def markdown(self) -> str:
        """The table in Markdown, its notes as paragraphs below it, and a line break at the end."""
        lines = [f"| {' | '.join(cells)} |" for cells in (self.head, ["---"] * len(self.head), *self.rows)]
        return "\n".join(["\n".join(lines), *(f"\n{note}" for note in self.notes)]) + "\n"
