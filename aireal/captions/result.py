"""The result of an augmentation run, and the summary that it prints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from aireal.captions.claude.prices import MODELS
from aireal.captions.language.lexicon import LANGUAGES
from aireal.core.files import write_json

from .plan import MOCK
from .rows import BASE, Rejected, ValidRows
from .table import Answer, CaptionRow

# of each row: its answers for the table, its rejected sentences, and whether it has an open question
RowResults = Iterable[tuple[CaptionRow, list[Answer], list[Rejected], bool]]


@dataclass
class Augmented:
    """The result of a run.

    Attributes:
        author: 'offline', 'mock' or the model id.
        rows: image by image, the base captions and then the new sentences; empty after `augment_table`.
        rejected: the sentences that were left out.
        images: rows with valid base captions.
        sentences: number of new sentences.
        left_out: images that will have no new sentence in one or both languages.
        usage: tokens of all replies in the journal, those of earlier runs too; empty without Claude.
        cost_usd: cost of these tokens, None for a model without a listed price.
        missing: images with an open question to Claude.
        stopped: why the run ended early; empty when it did not.
        cost: content of the file of costs; empty without Claude.
    """

    author: str
    rows: list[Answer] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    images: int = 0
    sentences: int = 0
    left_out: list[str] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=dict)
    cost_usd: float | None = 0.0
    missing: list[str] = field(default_factory=list)
    stopped: str = ""
    cost: dict = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every row has its sentences."""
        base_rejected = any(rejected.author == BASE for rejected in self.rejected)
        return not (self.stopped or self.missing or self.left_out or base_rejected)

    def summary(self) -> list[str]:
        """Sentences, images without new ones, tokens and cost, and whether to run again: a line each."""
        base = len(LANGUAGES) * self.images
        lines = [f"{base} base captions, {self.sentences} sentences by {self.author}, {len(self.rejected)} left out."]
        if self.left_out:
            images = _first_five(self.left_out)
            lines.append(f"{len(self.left_out)} images have no new sentence in one of the languages: {images}.")
        if self.usage:
            lines.append(self._cost_line())
        if self.stopped:
            lines.append(
                f"Stopped early: {self.stopped}. {len(self.missing)} images are still to be done; run again to go on."
            )
        elif self.missing:
            images = _first_five(self.missing)
            lines.append(f"{len(self.missing)} images are still to be done ({images}); run again to go on.")
        return lines

    def _cost_line(self) -> str:
        input_tokens = sum(count for name, count in self.usage.items() if name != "output_tokens")
        prices = f"at the prices of {MODELS['dated']}"
        cost = "unknown (no listed price)" if self.cost_usd is None else f"${self.cost_usd:.4f} {prices}"
        subject = "It would have cost" if self.author == MOCK else "Cost of all runs"
        return f"Tokens: {input_tokens:,} in, {self.usage['output_tokens']:,} out. {subject}: {cost}."


def _first_five(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


class Answers:
    """The rows of the table, computed anew in each iteration. Iterating also fills in `result`.

    Args:
        row_results: computes the results row by row.
    """

    def __init__(self, result: Augmented, rows: ValidRows, row_results: Callable[[], RowResults]):
        self.result, self.rows, self.row_results = result, rows, row_results

    def __iter__(self) -> Iterator[Answer]:
        result = self.result
        result.rejected, result.missing, result.left_out = list(self.rows.rejected), [], []
        result.images, result.sentences = 0, 0
        for row, answers, rejected, is_open in self.row_results():
            new = [answer for answer in answers if answer.author != BASE]
            result.images += 1
            result.sentences += len(new)
            result.rejected += rejected
            if is_open:
                result.missing.append(row.image)
            elif {answer.language for answer in new} != set(LANGUAGES):
                result.left_out.append(row.image)
            yield from answers


def write_beside(result: Augmented, path: str | Path) -> list[Path]:
    """Write the files beside the table: rejected sentences (.rejected.json) and Claude's costs (.cost.json)."""
    path = Path(path)
    written = [write_json(path.with_suffix(".rejected.json"), [asdict(rejected) for rejected in result.rejected])]
    return written + ([write_json(path.with_suffix(".cost.json"), result.cost)] if result.cost else [])
