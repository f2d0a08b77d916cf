"""A table of results with what stands below it: READMEs and cards show it in Markdown, the report in HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Column heads, rows of as many cells, and paragraphs below; all of it plain text, figures with intervals as
    `statistics.interval` writes them."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def markdown(self) -> str:
        """The table and, after an empty line each, its notes; ends with a line break."""
        lines = [f"| {' | '.join(cells)} |" for cells in (self.head, ["---"] * len(self.head), *self.rows)]
        return "\n".join(["\n".join(lines), *(f"\n{note}" for note in self.notes)]) + "\n"
