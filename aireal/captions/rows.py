"""The rows of data.csv that can be augmented, and the sentences that are left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from aireal.captions.language.lexicon import LANGUAGES
from aireal.captions.language.parsing import Parsed
from aireal.captions.language.validate import ValidSentence, validate

from .table import Answer, CaptionRow

BASE = "base"


@dataclass(frozen=True)
class Rejected:
    """A sentence that was left out, and why; a whole row where `sentence` is empty."""

    image: str
    language: str
    sentence: str
    author: str
    reasons: tuple[str, ...]


class ValidRows:
    """Rows whose base captions are valid, each image once. Each iteration goes through `rows` anew.

    The base captions are parsed once, when the object is made; what the parser read is kept for the table.

    Attributes:
        rejected: the base captions of the other rows, with the reasons.
    """

    def __init__(self, rows: Iterable[CaptionRow]):
        self.rows, self.rejected, images = rows, [], set()
        self._valid, self._parsed = bytearray(), []
        for row in rows:
            parsed = self._parse_base(row, images)
            self._valid.append(parsed is not None)
            if parsed is not None:
                self._parsed.append(parsed)

    def __len__(self) -> int:
        return len(self._parsed)

    def __iter__(self) -> Iterator[CaptionRow]:
        return (row for row, is_valid in zip(self.rows, self._valid, strict=True) if is_valid)

    def base_answers(self, number: int, row: CaptionRow) -> list[Answer]:
        """The table's rows for the base captions of valid row `number`."""
        sentences = (ValidSentence(row.captions[parsed.language], parsed) for parsed in self._parsed[number])
        return [Answer.of(row, sentence, BASE) for sentence in sentences]

    def _parse_base(self, row: CaptionRow, images: set[str]) -> tuple[Parsed, ...] | None:
        """The parsed base captions in the order of `LANGUAGES`; None where one is invalid or the image repeats."""
        if row.image in images:
            self._reject(row, LANGUAGES[0], ["the image stands in the table twice; its first row was used"])
            return None
        images.add(row.image)
        checks = {language: validate(row.captions[language], row.record, language) for language in LANGUAGES}
        for language, (_, reasons) in checks.items():
            if reasons:
                self._reject(row, language, reasons)
        if any(reasons for _, reasons in checks.values()):
            return None
        return tuple(parsed for parsed, _ in checks.values())

    def _reject(self, row: CaptionRow, language: str, reasons: list[str]) -> None:
        self.rejected.append(Rejected(row.image, language, row.captions[language], BASE, tuple(reasons)))
